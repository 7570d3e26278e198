//! The documents of the shared state: one JSON text for each key.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::completion::Completion;
use super::event::Counts;
use super::ids::{RunId, TaskId};
use super::run::RunSpec;
use super::status::{RunStatus, TaskStatus};
use super::time::Timestamp;
use super::verdict::Verdict;
use super::view::RunView;

/// Declares a type with one value, which is the name of a document's form.
macro_rules! version {
    ($name:ident, $text:literal) => {
        #[doc = concat!("The word `", $text, "`.")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
        pub enum $name {
            /// The current form.
            #[default]
            #[serde(rename = $text)]
            V1,
        }
    };
}
pub(crate) use version;

version!(TaskStatusVersion, "task-status/v1");
version!(TaskReportVersion, "task-report/v1");
version!(SharedStateVersion, "shared-state/v1");
version!(LeaseVersion, "lease/v1");
version!(ControlVersion, "control/v1");

/// `task:<id>:status`: where a task stands, written by its run's supervisor alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskStatusRecord {
    /// `task-status/v1`.
    pub schema: TaskStatusVersion,
    /// The run.
    pub run_id: RunId,
    /// The task.
    pub task_id: TaskId,
    /// The plan as shown.
    pub plan: String,
    /// The task's title, masked.
    pub title: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// Number of the attempt that is under way or was the last; 0: none yet.
    pub attempt: u32,
    /// The agent of that attempt.
    pub agent: Option<String>,
    /// The model it was asked for.
    pub model: Option<String>,
    /// Its layer.
    pub layer: Option<u8>,
    /// Who supervises it: `host:pid`.
    pub worker: Option<String>,
    /// When that attempt began.
    pub started_at: Option<Timestamp>,
    /// When this record was written.
    pub updated_at: Timestamp,
    /// When the supervisor was last seen alive; moves every 5 s while an attempt runs.
    pub heartbeat_at: Timestamp,
    /// When that attempt has had its time.
    pub deadline_at: Option<Timestamp>,
    /// Grows by one with every write but heartbeats.
    pub revision: u64,
    /// The fencing number of the writer.
    pub fence: u64,
    /// What the judge made of the last attempt.
    pub verdict: Option<Verdict>,
    /// What the agent of that attempt reported last of its progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// What is wrong with the report that it made since; a valid one takes this away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_problem: Option<String>,
}

impl TaskStatusRecord {
    /// The record of the task at `place` in plan order, as of `now`.
    pub fn of(spec: &RunSpec, view: &RunView, place: usize, now: Timestamp) -> Self {
        let task = &view.tasks[place];
        let last = task.last_attempt();
        Self {
            schema: TaskStatusVersion::V1,
            run_id: view.run_id.clone(),
            task_id: task.id.clone(),
            plan: spec.plan.clone(),
            title: task.title.clone(),
            status: task.status,
            attempt: last.map_or(0, |attempt| attempt.attempt),
            agent: last.map(|attempt| attempt.rung.agent.clone()),
            model: last.and_then(|attempt| attempt.rung.model.clone()),
            layer: last.and_then(|attempt| attempt.rung.layer),
            worker: view.supervisor.as_ref().map(|(host, pid)| format!("{host}:{pid}")),
            started_at: last.map(|attempt| attempt.started_at),
            updated_at: now,
            heartbeat_at: now,
            deadline_at: last.filter(|_| task.status.is_active()).map(|attempt| attempt.deadline_at),
            revision: task.revision,
            fence: view.fence,
            verdict: last.and_then(|attempt| attempt.verdict.clone()),
            progress: task.progress.clone(),
            report_problem: task.report_problem.clone(),
        }
    }
}

/// What kind of report an agent makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "report")]
pub enum ReportBody {
    /// How far it is.
    Progress {
        /// In a few words.
        message: String,
        /// 0 to 100.
        #[serde(default)]
        #[schemars(range(max = 100))]
        percent: Option<u8>,
    },
    /// What it came to.
    Completion {
        /// As in `completion.json`.
        completion: Completion,
    },
}

/// `task:<id>:report`: what a task's agent says, written by that agent alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskReport {
    /// `task-report/v1`.
    pub schema: TaskReportVersion,
    /// The run.
    pub run_id: RunId,
    /// The task.
    pub task_id: TaskId,
    /// The attempt.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// When it was written.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// What is reported.
    #[serde(flatten)]
    pub body: ReportBody,
}

/// A run as the index shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSummary {
    /// Its id.
    pub run_id: RunId,
    /// The plan as shown.
    pub plan: String,
    /// Where it stands.
    pub status: RunStatus,
    /// The host of its supervisor.
    pub host: String,
    /// The process of its supervisor.
    pub pid: u32,
    /// How many tasks are in each status.
    pub counts: Counts,
    /// The exit code, once it ended.
    pub exit_code: Option<u8>,
    /// When it began.
    pub started_at: Timestamp,
    /// When something happened last.
    pub updated_at: Timestamp,
}

/// `shared_state`: the live and recent runs of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SharedIndex {
    /// `shared-state/v1`.
    pub schema: SharedStateVersion,
    /// The project's name.
    pub project: String,
    /// The runs, newest first.
    pub runs: Vec<RunSummary>,
    /// When it was written.
    pub updated_at: Timestamp,
}

/// `run:<run>:lease`: who supervises a run, until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// `lease/v1`.
    pub schema: LeaseVersion,
    /// The run.
    pub run_id: RunId,
    /// The host of the holder.
    pub host: String,
    /// The process of the holder.
    pub pid: u32,
    /// When that process began, in a form that only this host compares; empty: unknown.
    pub pid_started: String,
    /// The fencing number of the holder.
    pub fence: u64,
    /// Until when it holds.
    pub until: Timestamp,
}

/// What somebody asks of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum ControlAction {
    /// Stop the run, or these tasks for good.
    Stop {
        /// None: the run.
        tasks: Vec<TaskId>,
    },
    /// Let a gate pass.
    Approve {
        /// Its name, or the id of the gate task.
        gate: String,
    },
    /// Run failed tasks again.
    Retry {
        /// None: all that did not succeed.
        tasks: Vec<TaskId>,
        /// Start at this layer.
        layer: Option<u8>,
        /// By this agent.
        agent: Option<String>,
        /// A word to the agent.
        say: Option<String>,
    },
}

/// One entry of `run:<run>:control`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    /// `control/v1`.
    pub schema: ControlVersion,
    /// When it was asked.
    pub at: Timestamp,
    /// Who: `user@host`.
    pub by: String,
    /// What.
    #[serde(flatten)]
    pub action: ControlAction,
}
