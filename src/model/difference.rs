//! What changed in the plan of a run since the run read it, as one document.
//!
//! A run keeps the ids of its tasks whatever the plan calls them later: `id` is always the run's.
//! Nothing here says what follows from a change; each entry says what *will* happen to its task.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{RunId, TaskId};
use super::record::version;
use super::status::TaskStatus;

version!(PlanDifferenceVersion, "plan-difference/v1");

/// What a command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandUse {
    /// It is the task.
    Command,
    /// It checks the task.
    Verify,
}

impl CommandUse {
    /// The word that documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Verify => "verify",
        }
    }
}

/// A command that would be run and would not have been before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NewCommand {
    /// Its task.
    pub id: TaskId,
    /// What it is for.
    pub purpose: CommandUse,
    /// As written.
    pub text: String,
    /// 1-based line of its task in the plan.
    pub line: u32,
}

/// What is different about a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangedField {
    /// Its title.
    Title,
    /// What is to be done; ticks do not count.
    Body,
    /// Work, checkpoint or gate.
    Kind,
    /// What the plan says it depends on.
    DependsOn,
    /// Its agent.
    Agent,
    /// Its model.
    Model,
    /// Its layer.
    Layer,
    /// What the agent `command` runs.
    Command,
    /// The files it touches or leaves behind.
    Files,
    /// What checks it.
    Verify,
    /// Criteria in words.
    Acceptance,
    /// How long an attempt may take, or how often it is tried again.
    Limits,
    /// Its turn among others.
    Priority,
    /// Whether anybody waits for it.
    Optional,
    /// What keeps it from starting: a gate, a mark, a dependency that is not there.
    Held,
}

impl ChangedField {
    /// The word that documents use, for people with a blank.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Body => "body",
            Self::Kind => "kind",
            Self::DependsOn => "depends on",
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Layer => "layer",
            Self::Command => "command",
            Self::Files => "files",
            Self::Verify => "verify",
            Self::Acceptance => "acceptance",
            Self::Limits => "limits",
            Self::Priority => "priority",
            Self::Optional => "optional",
            Self::Held => "what holds it",
        }
    }
}

/// What follows for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// It runs when its turn comes, as every task that is open.
    Runs,
    /// It had ended, or been tried, and is begun anew with all its retries.
    RunsAgain,
    /// It succeeded and stays so.
    StaysSucceeded,
    /// A person stopped it, and it stays so until `retry`.
    StaysStopped,
    /// It is not run; what needs it need not wait.
    IsSkipped,
    /// It waits: for a gate, or for what it needs.
    IsHeld,
}

impl Consequence {
    /// What people read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::RunsAgain => "runs again",
            Self::StaysSucceeded => "stays succeeded",
            Self::StaysStopped => "stays stopped",
            Self::IsSkipped => "is skipped",
            Self::IsHeld => "is held",
        }
    }

    /// Whether the status before adds something to it.
    pub const fn says_status(self) -> bool {
        match self {
            Self::RunsAgain | Self::IsSkipped => true,
            Self::Runs | Self::StaysSucceeded | Self::StaysStopped | Self::IsHeld => false,
        }
    }
}

/// A task and what is different about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDifference {
    /// Its id in the run.
    pub id: TaskId,
    /// Its id in the plan where that is another one.
    pub plan_id: Option<TaskId>,
    /// Its title, as the plan has it if it has it.
    pub title: String,
    /// 1-based line in the plan; none: it is not there any more.
    pub line: Option<u32>,
    /// Its status in the run; none: the run did not have it.
    pub status: Option<TaskStatus>,
    /// What is different; empty where the whole task is.
    pub fields: Vec<ChangedField>,
    /// What follows.
    pub then: Consequence,
}

/// What changed in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanDifference {
    /// `plan-difference/v1`.
    pub schema: PlanDifferenceVersion,
    /// The run.
    pub run_id: RunId,
    /// The plan as shown.
    pub plan: String,
    /// Commands that would be run and would not have been before.
    pub commands: Vec<NewCommand>,
    /// Tasks that the run did not have.
    pub added: Vec<TaskDifference>,
    /// Tasks that the plan does not have any more.
    pub removed: Vec<TaskDifference>,
    /// Tasks that are different.
    pub changed: Vec<TaskDifference>,
    /// Tasks that the plan says are done, or not to be done, and the run did not do.
    pub done: Vec<TaskDifference>,
    /// Tasks that the plan said were not to be run, and now are.
    pub opened: Vec<TaskDifference>,
    /// Tasks whose id in the plan is another one than in the run, and no other difference.
    pub renamed: Vec<TaskDifference>,
    /// Whether what stands before the tasks is different.
    pub preamble: bool,
}

impl PlanDifference {
    /// A difference of nothing.
    pub fn none(run_id: RunId, plan: String) -> Self {
        Self {
            schema: PlanDifferenceVersion::default(),
            run_id,
            plan,
            commands: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
            done: Vec::new(),
            opened: Vec::new(),
            renamed: Vec::new(),
            preamble: false,
        }
    }

    /// Whether nothing is different that a run would notice. Another id for the same task is nothing.
    pub const fn is_empty(&self) -> bool {
        self.commands.is_empty()
            && self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.done.is_empty()
            && self.opened.is_empty()
            && !self.preamble
    }

    /// Every list of tasks with what it is called, in the order in which they are told.
    pub const fn lists(&self) -> [(&'static str, &Vec<TaskDifference>); 6] {
        [
            ("added", &self.added),
            ("removed", &self.removed),
            ("changed", &self.changed),
            ("done", &self.done),
            ("opened", &self.opened),
            ("renamed", &self.renamed),
        ]
    }
}
