//! What a plan says, as plain data: tasks, groups, the places of both.

use std::ops::Deref;
use std::ops::DerefMut;

use crate::diagnostics::Diagnostic;
use crate::model::check::Advice;
use crate::model::check::CheckEdge;
use crate::model::check::CheckPlan;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::Ignored;
use crate::model::ids::TaskId;
use crate::model::task::BoxPlace;
use crate::model::task::FileClaim;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;
use crate::model::time::Span;

/// How finely a plan is cut into tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Granularity {
    /// Every box is a task of its own.
    Leaf,
    /// As the rules say.
    Task,
    /// Every group is one task.
    Group,
}

/// How a plan is to be read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The path as shown; some formats are known by it.
    pub path: Option<String>,
    /// The project's root as an absolute path, to which absolute paths of a plan are cut.
    pub root: Option<String>,
    /// The format to read it as, instead of the one that is found.
    pub format: Option<String>,
    /// The tag of a `tasks.json` to read.
    pub tag: Option<String>,
    /// The tag to read unless one is asked for: the one that the file's own tool is working on.
    pub current_tag: Option<String>,
    /// How finely it is cut.
    pub granularity: Option<Granularity>,
    /// Take every box outside fences as a task.
    pub boxes_all: bool,
    /// Take the whole plan as one task.
    pub as_one: bool,
    /// Take the arrows of Mermaid graphs whose nodes begin with ids of tasks as dependencies.
    pub use_diagrams: bool,
    /// The largest plan that is read, in bytes.
    pub max_size: u64,
    /// Ids that are taken as done, in the plan or not.
    pub assume_done: Vec<String>,
}

impl ReadOptions {
    /// The largest plan that is read unless said otherwise: 8 MiB.
    pub const MAX_SIZE: u64 = 8 * 1024 * 1024;
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            path: None,
            root: None,
            format: None,
            tag: None,
            current_tag: None,
            granularity: None,
            boxes_all: false,
            as_one: false,
            use_diagrams: false,
            max_size: Self::MAX_SIZE,
            assume_done: Vec::new(),
        }
    }
}

/// One file of a plan that is a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFile {
    /// Its path as shown, with `/`.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What a task or group waits for because the plan says so: an index into the tasks or groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// A task.
    Task(usize),
    /// All tasks of a group.
    Group(usize),
}

/// A command with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanCommand {
    /// 1-based.
    pub line: u32,
    /// As written.
    pub text: String,
}

/// A document that says what a task is: it becomes part of the task's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brief {
    /// Relative to the root, or to the plan's folder.
    pub path: String,
    /// 1-based line that names it.
    pub line: u32,
}

/// Values that hold for a task unless something nearer to it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// Name of an agent or role.
    pub agent: Option<String>,
    /// A model.
    pub model: Option<String>,
    /// A layer of the hierarchy.
    pub layer: Option<u8>,
    /// How long one attempt may take.
    pub timeout: Option<Span>,
    /// Further attempts after the first.
    pub retries: Option<u32>,
    /// 0 to 9.
    pub priority: Option<u8>,
    /// Commands that check every task.
    pub verify: Vec<PlanCommand>,
}

/// A group: a phase, a tier, a parent task, a heading over a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its number or name as references use it, such as `3` of `Phase 3`.
    pub number: Option<String>,
    /// One line.
    pub title: String,
    /// What stands between its heading and its first task: goal and context for its tasks.
    pub context: String,
    /// The file it stands in, as shown, where that is not the plan itself.
    pub file: Option<String>,
    /// 1-based; 0: it is all of its file, one of several plans.
    pub line: u32,
    /// The group around it.
    pub parent: Option<usize>,
    /// Whether its tasks run side by side (yes), one after another (no), or as the rules say.
    pub parallel: Option<bool>,
    /// How many of its tasks may run at once, where its title says so.
    pub limit: Option<u32>,
    /// The gate before its tasks.
    pub gate: Option<String>,
    /// What the plan says of it.
    pub status: Option<PlanStatus>,
    /// What it says it waits for.
    pub depends_on: Vec<Dependency>,
    /// Whether it says what it waits for, be it nothing: then order implies nothing for it.
    pub states_dependencies: bool,
    /// What it says it waits for and the plan does not have: its tasks are held.
    pub missing: Vec<String>,
    /// Values for its tasks.
    pub defaults: Defaults,
    /// From where they came, and its own dependencies.
    pub origins: Vec<FieldOrigin>,
}

/// A task as the plan says it, before names are resolved.
///
/// What most tasks do not say stands in [`Details`], and is read and written as if it stood here: of a plan of
/// nothing but boxes that is most of the memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTask {
    /// Unique in the plan.
    pub id: TaskId,
    /// One line.
    pub title: String,
    /// All that belongs to it, verbatim.
    pub body: String,
    /// 1-based line of its box or heading.
    pub line: u32,
    /// Box, field or steps.
    pub status: PlanStatus,
    /// Work, checkpoint or gate.
    pub kind: TaskKind,
    /// Innermost group.
    pub group: Option<usize>,
    /// What it says it waits for.
    pub depends_on: Vec<Dependency>,
    /// Whether it says what it waits for, be it nothing.
    pub states_dependencies: bool,
    /// `[P]`, or its `Parallel` field.
    pub parallel: Option<bool>,
    /// Whether numbers put it after its earlier siblings.
    pub ordered: bool,
    /// Runs only when asked for.
    pub optional: bool,
    /// Its box.
    pub tick: Option<BoxPlace>,
    /// What its own line and steps say, where a document with lines was read.
    pub by_line: Option<ByLine>,
    /// What few tasks say.
    pub details: Few,
}

/// What a task says beside what it is called and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// The file it stands in, as shown, where that is not the plan itself: one of several plans, a file of
    /// a folder.
    pub file: Option<String>,
    /// Why it will not start though it is open.
    pub held: Vec<HeldReason>,
    /// Dependencies on things that the plan does not have.
    pub missing: Vec<String>,
    /// What it says itself: agent, model, limits, checks.
    pub own: Defaults,
    /// What the agent `command` is to run.
    pub command: Option<PlanCommand>,
    /// The only shell fence of its body.
    pub shell: Option<PlanCommand>,
    /// Files it says it touches.
    pub files: Vec<FileClaim>,
    /// Paths it says it leaves behind.
    pub outputs: Vec<String>,
    /// Another document with its words, which the reader does not open.
    pub brief: Option<Brief>,
    /// Criteria in words.
    pub acceptance: Vec<String>,
    /// Back references, never dependencies.
    pub requirements: Vec<String>,
    /// From where its fields came, but for those of its own line; a value that is the field's own is left empty. What is not told here
    /// came with the format.
    pub origins: Vec<FieldOrigin>,
}

/// What nothing is said in.
static NOTHING: Details = Details {
    file: None,
    held: Vec::new(),
    missing: Vec::new(),
    own: Defaults {
        agent: None,
        model: None,
        layer: None,
        timeout: None,
        retries: None,
        priority: None,
        verify: Vec::new(),
    },
    command: None,
    shell: None,
    files: Vec::new(),
    outputs: Vec::new(),
    brief: None,
    acceptance: Vec::new(),
    requirements: Vec::new(),
    origins: Vec::new(),
};

/// Details that take no more room than a pointer where there are none.
#[derive(Debug, Clone, Default)]
pub struct Few(Option<Box<Details>>);

impl From<Details> for Few {
    fn from(details: Details) -> Self {
        Self((details != NOTHING).then(|| Box::new(details)))
    }
}

impl PartialEq for Few {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_deref().unwrap_or(&NOTHING) == other.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl Eq for Few {}

impl Default for Details {
    fn default() -> Self {
        NOTHING.clone()
    }
}

impl Deref for PlanTask {
    type Target = Details;

    fn deref(&self) -> &Details {
        self.details.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for PlanTask {
    fn deref_mut(&mut self) -> &mut Details {
        self.details.0.get_or_insert_default()
    }
}

/// From where the id and the status of a task came: nearly all have them from their own line, so this is kept
/// small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByLine {
    /// From where the id came; the line is the task's own.
    pub id: FieldFrom,
    /// From where the status came, and the 1-based line it stands on; none: a field says it.
    pub status: Option<(FieldFrom, Option<u32>)>,
}

impl PlanTask {
    /// Whether its group is over though it is not: it does not start, and nobody waits for it.
    pub fn is_put_off(&self) -> bool {
        self.held.iter().any(|reason| matches!(reason, HeldReason::GroupDeferred(_)))
    }
}

/// A plan as read. Mistakes are in its diagnostics; what could be read is there all the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Its title, or nothing.
    pub title: String,
    /// Its own status, as written.
    pub status: Option<String>,
    /// Whether that status says that it is over: nothing runs unless forced.
    pub over: bool,
    /// One task at a time, in order.
    pub mode_sequential: bool,
    /// The reader that was used.
    pub format: String,
    /// Why that one.
    pub format_reason: String,
    /// Where it is several plans joined: each of them.
    pub parts: Vec<CheckPlan>,
    /// What stands before the first task's group, and sections of criteria: goal, constraints and
    /// acceptance, for every task.
    pub preamble: String,
    /// In the order of the file.
    pub tasks: Vec<PlanTask>,
    /// In the order of the file.
    pub groups: Vec<Group>,
    /// What a format implies beside the order of the file: the second of two tasks waits for the first.
    pub implied: Vec<(usize, usize)>,
    /// What waits for what among tasks that are still to be done.
    pub edges: Vec<CheckEdge>,
    /// Order that prose and pictures speak of, which makes no edge.
    pub advice: Vec<Advice>,
    /// Boxes that are no tasks.
    pub ignored: Vec<Ignored>,
    /// Values of the front matter and the header.
    pub defaults: Defaults,
    /// From where they came.
    pub origins: Vec<FieldOrigin>,
    /// Other plans that it names as its dependencies.
    pub depends_on_plans: Vec<String>,
    /// Mistakes and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl Plan {
    /// Whether nothing of it may be run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}
