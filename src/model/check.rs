//! What `check` says of a plan, as one document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::TaskId;
use super::record::version;
use super::task::{EdgeRule, FileClaim, HeldReason, PlanStatus, TaskKind};

version!(PlanCheckVersion, "plan-check/v1");

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is run.
    Error,
    /// It is run all the same.
    Warning,
    /// Good to know.
    Note,
}

/// A message about a place in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckDiagnostic {
    /// A short name such as `duplicate-id`.
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// The file, as shown.
    pub file: String,
    /// 1-based; 0: about the whole file.
    pub line: u32,
    /// 1-based, in characters; 0: about the whole line.
    pub column: u32,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A task as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckTask {
    /// Its id.
    pub id: TaskId,
    /// One line.
    pub title: String,
    /// What the plan says of it.
    pub status: PlanStatus,
    /// Why it will not start: `unknown-marker`, `group-deferred`, `plan-done`, `missing-dependency`,
    /// `gate`, `optional`, `needs ID`.
    pub held: Vec<String>,
    /// The same with what each is about.
    pub held_by: Vec<HeldReason>,
    /// How many tasks of its group may run at once, where the plan limits that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_limit: Option<u32>,
    /// The file it stands in, where that is not the plan itself: one of several plans, a file of a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based line of its box or heading.
    pub line: u32,
    /// Work, checkpoint or gate.
    pub kind: TaskKind,
    /// The agent it asks for.
    pub agent: Option<String>,
    /// The model it asks for.
    pub model: Option<String>,
    /// The layer it asks for.
    pub layer: Option<u8>,
    /// Stated dependencies, resolved to ids of tasks.
    pub depends_on: Vec<TaskId>,
    /// Title of the innermost group.
    pub group: Option<String>,
    /// Files it says it touches.
    pub files: Vec<FileClaim>,
    /// Commands that check it.
    pub verify: Vec<String>,
    /// What the agent `command` would run.
    pub command: Option<String>,
    /// Whether it runs only when asked for.
    pub optional: bool,
    /// 0 to 9.
    pub priority: Option<u8>,
    /// Whether siblings may run beside it, where the plan says so.
    pub parallel: Option<bool>,
    /// The wave in which it could start at the earliest, from 1; 0: it will not start.
    pub wave: u32,
}

/// An edge with the rule that made it: `to` waits for `from`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CheckEdge {
    /// What has to be finished first.
    pub from: TaskId,
    /// What waits.
    pub to: TaskId,
    /// Why.
    pub rule: EdgeRule,
}

/// A box that is no task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ignored {
    /// 1-based.
    pub line: u32,
    /// Why it is none.
    pub reason: String,
}

/// A command that a run would execute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckCommand {
    /// 1-based line.
    pub line: u32,
    /// The task it belongs to.
    pub task: TaskId,
    /// `command` or `verify`.
    pub role: String,
    /// The command as written.
    pub command: String,
}

/// What `check` says of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanCheck {
    /// `plan-check/v1`.
    pub schema: PlanCheckVersion,
    /// The plan as shown.
    pub plan: String,
    /// Its title.
    pub title: String,
    /// The format it was read as.
    pub format: String,
    /// Why that one.
    pub format_reason: String,
    /// The tasks in plan order.
    pub tasks: Vec<CheckTask>,
    /// What waits for what.
    pub edges: Vec<CheckEdge>,
    /// What would be run.
    pub commands: Vec<CheckCommand>,
    /// Boxes that are no tasks.
    pub ignored: Vec<Ignored>,
    /// For each agent that the tasks may use: names of variables that it does not get to see.
    pub withheld: BTreeMap<String, Vec<String>>,
    /// Why the rights of agents in the Redis that was asked for would be no more than advice; empty: they
    /// would hold, or there is none to look at.
    #[serde(default)]
    pub rights_doubts: Vec<String>,
    /// Length of the longest chain of tasks to run.
    pub longest_chain: u32,
    /// Mistakes and warnings.
    pub diagnostics: Vec<CheckDiagnostic>,
}
