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
    /// The place of its innermost group in `groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_group: Option<usize>,
    /// Its fields, and where each came from.
    #[serde(default)]
    pub origins: Vec<FieldOrigin>,
}

/// A group of tasks: a phase, a tier, a parent task, a heading over a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckGroup {
    /// One line.
    pub title: String,
    /// The file it stands in, where that is not the plan itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based; 0: it is all of its file, one of several plans.
    pub line: u32,
    /// The place of the group around it.
    pub parent: Option<usize>,
}

/// From where a value of a task came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldFrom {
    /// The line of the task itself: its box, its marks, its id, words on it.
    TaskLine,
    /// The heading that is the task.
    Heading,
    /// The list of keys that belongs to the task.
    TaskList,
    /// A cell of a table.
    TableCell,
    /// A key of data: JSON, YAML, a line `# Key: value`.
    Data,
    /// The boxes of its steps.
    Steps,
    /// Its title, which an id was made of.
    Title,
    /// Its group, or one around it.
    Group,
    /// The front matter of the plan.
    FrontMatter,
    /// The header of the plan, above its first section.
    Header,
    /// A diagram that was asked to count.
    Diagram,
    /// What the format says of all its plans.
    Format,
    /// An option of the command line.
    Option,
    /// A variable of the environment.
    Variable,
    /// A file of configuration.
    Configuration,
    /// A name that `[roles]` maps.
    Role,
    /// Nothing was said.
    Default,
}

impl FieldFrom {
    /// Whether it is a place that belongs to no single task or group.
    pub const fn is_of_all(self) -> bool {
        match self {
            Self::FrontMatter
            | Self::Header
            | Self::Option
            | Self::Variable
            | Self::Configuration
            | Self::Role
            | Self::Default => true,
            Self::TaskLine
            | Self::Heading
            | Self::TaskList
            | Self::TableCell
            | Self::Data
            | Self::Steps
            | Self::Title
            | Self::Group
            | Self::Diagram
            | Self::Format => false,
        }
    }

    /// The words for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskLine => "task line",
            Self::Heading => "heading",
            Self::TaskList => "task's list",
            Self::TableCell => "table cell",
            Self::Data => "data",
            Self::Steps => "steps",
            Self::Title => "made from the title",
            Self::Group => "group",
            Self::FrontMatter => "front matter",
            Self::Header => "header",
            Self::Diagram => "diagram",
            Self::Format => "format",
            Self::Option => "option",
            Self::Variable => "variable",
            Self::Configuration => "configuration",
            Self::Role => "role",
            Self::Default => "default",
        }
    }
}

/// A field of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskField {
    /// Its id.
    Id,
    /// What the plan says of it.
    Status,
    /// Its innermost group.
    Group,
    /// Who does it.
    Agent,
    /// With which model.
    Model,
    /// From which layer of the hierarchy.
    Layer,
    /// What it waits for.
    DependsOn,
    /// Whether siblings may run beside it.
    Parallel,
    /// The gate before it.
    Gate,
    /// Whether it runs only when asked for.
    Optional,
    /// Which of those that may start goes first.
    Priority,
    /// Files it touches.
    Files,
    /// What it leaves behind.
    Outputs,
    /// What the agent `command` runs.
    Command,
    /// Commands that check it.
    Verify,
    /// Criteria in words.
    Acceptance,
    /// Back references.
    Requirements,
    /// Limit of one attempt.
    Timeout,
    /// Further attempts.
    Retries,
}

impl TaskField {
    /// The name that documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Status => "status",
            Self::Group => "group",
            Self::Agent => "agent",
            Self::Model => "model",
            Self::Layer => "layer",
            Self::DependsOn => "depends_on",
            Self::Parallel => "parallel",
            Self::Gate => "gate",
            Self::Optional => "optional",
            Self::Priority => "priority",
            Self::Files => "files",
            Self::Outputs => "outputs",
            Self::Command => "command",
            Self::Verify => "verify",
            Self::Acceptance => "acceptance",
            Self::Requirements => "requirements",
            Self::Timeout => "timeout",
            Self::Retries => "retries",
        }
    }
}

/// A field of a task with where it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldOrigin {
    /// Which.
    pub field: TaskField,
    /// Its value, in words on one line.
    pub value: String,
    /// From where.
    pub from: FieldFrom,
    /// What stands there, where that is more than the place: the name of a role, an option, a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// 1-based line in the plan.
    pub line: Option<u32>,
}

/// The form of a piece of advice about the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdviceForm {
    /// A sentence.
    Prose,
    /// A list of ids under words about the order.
    List,
    /// Arrows drawn with characters.
    Arrows,
    /// A mermaid `graph` or `flowchart`.
    Mermaid,
    /// A mermaid `gantt`.
    Gantt,
}

impl AdviceForm {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prose => "prose",
            Self::List => "list",
            Self::Arrows => "arrows",
            Self::Mermaid => "mermaid",
            Self::Gantt => "gantt",
        }
    }
}

/// What the edges that are used say to a piece of advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stance {
    /// They have the same order.
    Agrees,
    /// They have the opposite order.
    Contradicts,
    /// They have no order between these tasks.
    Silent,
    /// One of them is done, or will not run: there is no order to have.
    Past,
}

impl Stance {
    /// The words for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agrees => "the edges agree",
            Self::Contradicts => "the edges say the opposite",
            Self::Silent => "the edges say nothing",
            Self::Past => "done or not to run",
        }
    }
}

/// Order that prose or a picture speaks of. It makes no edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// The file it stands in, where that is not the plan itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based.
    pub line: u32,
    /// Its form.
    pub form: AdviceForm,
    /// What is to come first, as written: a task or a group.
    pub first: String,
    /// What is to come after it.
    pub then: String,
    /// What the edges say.
    pub stance: Stance,
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
    /// The line where the plan says so; for a barrier the heading that it stands before. None: no line
    /// says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A box that is no task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ignored {
    /// The file it stands in, where that is not the plan itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based.
    pub line: u32,
    /// Why it is none.
    pub reason: String,
}

/// A command that a run would execute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckCommand {
    /// The file it stands in, where that is not the plan itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based line.
    pub line: u32,
    /// The task it belongs to.
    pub task: TaskId,
    /// `command` or `verify`.
    pub role: String,
    /// The command as written.
    pub command: String,
}

/// One of several plans that are run as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckPlan {
    /// Its file, as shown.
    pub file: String,
    /// The format it was read as.
    pub format: String,
    /// Why that one.
    pub format_reason: String,
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
    /// Where several plans are run as one: each of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plans: Vec<CheckPlan>,
    /// The tasks in plan order.
    pub tasks: Vec<CheckTask>,
    /// The groups that hold them, in plan order.
    #[serde(default)]
    pub groups: Vec<CheckGroup>,
    /// What waits for what.
    pub edges: Vec<CheckEdge>,
    /// Order that prose and pictures speak of, and what the edges say to it.
    #[serde(default)]
    pub advice: Vec<Advice>,
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
