//! A task as a run sees it: names resolved, defaults filled in, what it needs proven to exist.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ids::TaskId;
use super::time::Span;

/// What the plan says of a task.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PlanStatus {
    /// To be done.
    #[default]
    Open,
    /// Somebody began it; without a live claim it is open.
    InProgress,
    /// Done before.
    Done,
    /// Deferred or cancelled by the plan.
    Skipped,
}

impl PlanStatus {
    /// The word that documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in_progress",
            Self::Done => "done",
            Self::Skipped => "skipped",
        }
    }

    /// Whether what depends on such a task need not wait for it.
    pub const fn is_met(self) -> bool {
        matches!(self, Self::Done | Self::Skipped)
    }
}

/// What kind of thing a task is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Work for an agent.
    #[default]
    Task,
    /// A check that an agent does.
    Checkpoint,
    /// A decision for a person; no process is started for it.
    Gate,
}

/// Why an open task does not start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "reason", content = "of")]
pub enum HeldReason {
    /// Its box carries a mark that nobody knows.
    UnknownMarker(String),
    /// Its group is deferred.
    GroupDeferred(String),
    /// The plan as a whole is done or archived.
    PlanDone,
    /// It depends on an id that the plan does not have.
    MissingDependency(String),
    /// A gate has to be approved first; its name.
    Gate(String),
    /// It is optional and was not asked for.
    Optional,
    /// It needs a task that is held.
    Needs(TaskId),
}

impl HeldReason {
    /// The gate that has to be approved, if that is the reason.
    pub fn gate(&self) -> Option<&String> {
        if let Self::Gate(gate) = self { Some(gate) } else { None }
    }

    /// The id that the plan does not have, if that is the reason.
    pub fn missing(&self) -> Option<&String> {
        if let Self::MissingDependency(id) = self { Some(id) } else { None }
    }

    /// The reason in a word or two, as documents list it: `gate`, `optional`, `needs T004` …
    pub fn code(&self) -> String {
        match self {
            Self::UnknownMarker(_) => "unknown-marker".to_owned(),
            Self::GroupDeferred(_) => "group-deferred".to_owned(),
            Self::PlanDone => "plan-done".to_owned(),
            Self::MissingDependency(_) => "missing-dependency".to_owned(),
            Self::Gate(_) => "gate".to_owned(),
            Self::Optional => "optional".to_owned(),
            Self::Needs(id) => format!("needs {id}"),
        }
    }
}

impl std::fmt::Display for HeldReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownMarker(mark) => write!(f, "unknown-marker `{mark}`"),
            Self::GroupDeferred(group) => write!(f, "group-deferred: {group}"),
            Self::PlanDone => f.write_str("plan-done"),
            Self::MissingDependency(id) => write!(f, "missing-dependency {id}"),
            Self::Gate(gate) => write!(f, "gate \"{gate}\""),
            Self::Optional => f.write_str("optional"),
            Self::Needs(id) => write!(f, "needs {id}"),
        }
    }
}

/// How a task enters a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "as")]
pub enum Entry {
    /// It is to be run.
    #[default]
    Run,
    /// It is not to be run, and whatever needs it need not wait.
    Skip {
        /// `done`, `skipped`, `not selected`, `optional` …
        why: String,
    },
    /// It cannot be run as things are, and whatever needs it is held too.
    Hold {
        /// All reasons.
        reasons: Vec<HeldReason>,
    },
}

/// The rule that made an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeRule {
    /// The plan says so.
    Explicit,
    /// The group before it must be finished.
    Barrier,
    /// Numbers or marks order it among its siblings.
    Order,
    /// Both touch a file; the two are kept apart, and neither waits for the other's success.
    File,
    /// A gate stands before it.
    Gate,
}

impl EdgeRule {
    /// The word that documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Explicit => "explicit",
            Self::Barrier => "barrier",
            Self::Order => "order",
            Self::File => "file",
            Self::Gate => "gate",
        }
    }
}

/// One thing that a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// The task that has to succeed, or to be skipped, first.
    pub task: TaskId,
    /// The rule that says so.
    pub rule: EdgeRule,
}

/// What a task does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileVerb {
    /// It makes it.
    Create,
    /// It changes it.
    Modify,
    /// It removes it.
    Delete,
    /// It is a test of the task.
    Test,
    /// It only reads it.
    Read,
}

/// A file, or a glob, that a task says it touches. Always relative to the root, with `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct FileClaim {
    /// What it does to it, where the plan says so.
    pub verb: Option<FileVerb>,
    /// The path or glob.
    pub path: String,
}

impl FileClaim {
    /// Whether the path names more than one file.
    pub fn is_glob(&self) -> bool {
        self.path.contains(['*', '?', '[', '{'])
    }

    /// Whether the task writes there (a claim without a verb counts as one that does).
    pub const fn writes(&self) -> bool {
        !matches!(self.verb, Some(FileVerb::Read))
    }
}

/// Where the box of a task stands, so that it can be ticked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BoxPlace {
    /// The file it stands in, where that is not the plan itself: absolute, or as the plan was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based line.
    pub line: u32,
    /// Byte offset of the mark within its line.
    pub column: u32,
    /// Hash of the whole line without its ending: the first 8 bytes of SHA-256, hexadecimal.
    #[schemars(with = "String")]
    pub line_hash: LineHash,
    /// The mark that means done in this plan: `x` or `X`.
    pub tick: char,
    /// The mark that means that somebody is at it, where this plan has one; none: it is left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<char>,
}

/// The first 8 bytes of the SHA-256 of a line without its ending; written as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LineHash(pub [u8; 8]);

impl LineHash {
    /// The hash of a line.
    pub fn of(line: &[u8]) -> Self {
        let mut hash = Self::default();
        hash.0.copy_from_slice(&Sha256::digest(line)[..8]);
        hash
    }
}

impl From<LineHash> for String {
    fn from(hash: LineHash) -> Self {
        format!("{:016x}", u64::from_be_bytes(hash.0))
    }
}

impl TryFrom<String> for LineHash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let number = u64::from_str_radix(&text, 16).ok().filter(|_| text.len() == 16);
        number.map(|number| Self(number.to_be_bytes())).ok_or("a line's hash is 16 hexadecimal digits")
    }
}

/// How many tasks of a group may run at once: `(Parallel - 4 subagents)` on its heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupLimit {
    /// What tells the group from every other of the run.
    pub group: String,
    /// At least 1.
    pub at_most: u32,
}

/// A task of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskSpec {
    /// Its id, unique in the run.
    pub id: TaskId,
    /// One line.
    pub title: String,
    /// All that belongs to the task, verbatim.
    pub body: String,
    /// The file it stands in, where that is not the plan itself: one of several plans, a file of a folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// 1-based line in the plan.
    pub line: u32,
    /// Title of the innermost group.
    pub group: Option<String>,
    /// What the plan says of the groups around it, outermost first: places in the run's contexts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<u32>,
    /// Work, checkpoint or gate.
    pub kind: TaskKind,
    /// What the plan says of it.
    pub plan_status: PlanStatus,
    /// How it enters the run.
    pub entry: Entry,
    /// What it waits for.
    pub needs: Vec<Need>,
    /// Tasks that must not run at the same time, since they touch the same files.
    pub conflicts: Vec<TaskId>,
    /// How many tasks of its group may run at once, where the plan limits that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_limit: Option<GroupLimit>,
    /// The agent it asks for, resolved to a name in the run's agents; none: any.
    pub agent: Option<String>,
    /// The model it asks for.
    pub model: Option<String>,
    /// The layer at which it starts at the lowest.
    pub layer: Option<u8>,
    /// For the agent `command`: what to run.
    pub command: Option<String>,
    /// Files it says it touches.
    pub files: Vec<FileClaim>,
    /// Files it declares to leave behind (paths, no globs).
    pub outputs: Vec<String>,
    /// Commands that have to exit 0 afterwards.
    pub verify: Vec<String>,
    /// Criteria in words, given to the agent.
    pub acceptance: Vec<String>,
    /// How long one attempt may take.
    pub timeout: Span,
    /// How many further attempts a failure of the task itself allows.
    pub retries: u32,
    /// 0 (first) to 9; none counts as 5.
    pub priority: Option<u8>,
    /// Nobody waits for it, and its failure does not count.
    pub optional: bool,
    /// Where its box stands; none: it has none that may be ticked.
    pub tick: Option<BoxPlace>,
}

impl TaskSpec {
    /// A task that is to be run, with an id and a title and nothing else: on the first line of its plan,
    /// with the built-in timeout and number of retries.
    pub fn new(id: TaskId, title: impl Into<String>) -> Self {
        Self {
            id,
            title: title.into(),
            body: String::new(),
            file: None,
            line: 1,
            group: None,
            contexts: Vec::new(),
            kind: TaskKind::Task,
            plan_status: PlanStatus::Open,
            entry: Entry::Run,
            needs: Vec::new(),
            conflicts: Vec::new(),
            group_limit: None,
            agent: None,
            model: None,
            layer: None,
            command: None,
            files: Vec::new(),
            outputs: Vec::new(),
            verify: Vec::new(),
            acceptance: Vec::new(),
            timeout: Span::minutes(45),
            retries: 1,
            priority: None,
            optional: false,
            tick: None,
        }
    }
}
