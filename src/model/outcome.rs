//! How a process ended: facts, without an opinion.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::completion::Completion;
use super::limits::Peaks;
use super::reading::Reading;
use super::report::ReportFact;
use super::verdict::Doubt;

/// How a process came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Ending {
    /// The program is not there or may not be run.
    NotFound {
        /// What the system said, with the path.
        message: String,
    },
    /// It could not be started for another reason (memory, descriptors, a folder that is gone).
    FailedToStart {
        /// What the system said.
        message: String,
    },
    /// It exited.
    Exited {
        /// With this code.
        code: i32,
    },
    /// A signal ended it.
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// It ended, and the system would not say how.
    Unknown {
        /// What the system said.
        message: String,
    },
}

/// Why we stopped an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum StopReason {
    /// Its deadline passed.
    Deadline,
    /// Nothing happened for the idle timeout.
    Idle,
    /// Its adapter saw that it will get nowhere.
    Hopeless {
        /// What was seen.
        seen: String,
    },
    /// It had left a valid completion a while ago and did not end.
    Lingering,
    /// A limit on output, memory or processes was passed.
    OverLimit {
        /// Which, with the figure.
        seen: String,
    },
    /// It cost more than what was reserved for it.
    OverBudget {
        /// How much, of what.
        seen: String,
    },
    /// A person, a signal or the end of the run asked for it.
    Requested,
}

/// How an attempt's process ended, and whether that was our doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// How the process ended.
    pub ending: Ending,
    /// Why we stopped it; none: it ended by itself.
    pub stopped: Option<StopReason>,
    /// How many processes it left behind, which were then ended.
    pub left_behind: u32,
    /// Milliseconds from start to end.
    pub wall_ms: u64,
    /// The most that it was seen to use.
    #[serde(default, skip_serializing_if = "Peaks::is_empty")]
    pub peaks: Peaks,
}

impl Outcome {
    /// Whether the process did not end by itself, so that it had no time for its last words.
    pub const fn is_cut_short(&self) -> bool {
        self.stopped.is_some() || matches!(self.ending, Ending::Killed { .. })
    }
}

/// What was found at the place of the completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "found")]
pub enum CompletionFact {
    /// Nothing.
    Missing,
    /// Something that is no completion of this attempt.
    Invalid {
        /// All that is wrong with it, a line each.
        problems: Vec<String>,
    },
    /// A valid one.
    Valid {
        /// What it says.
        completion: Box<Completion>,
    },
}

/// What was seen of one path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PathFact {
    /// Relative to the workspace, with `/`.
    pub path: String,
    /// Whether it exists.
    pub exists: bool,
    /// Whether it was changed (made, written, removed) since the task's first attempt began; none:
    /// that cannot be seen.
    pub changed: Option<bool>,
}

/// What one verify command came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// The command as written.
    pub command: String,
    /// How it ended.
    pub ending: Ending,
    /// Whether its time ran out.
    pub timed_out: bool,
    /// The last lines it printed, masked.
    pub tail: String,
    /// Milliseconds from start to end.
    pub wall_ms: u64,
}

impl CheckResult {
    /// Whether the command exited 0 in its time.
    pub fn passed(&self) -> bool {
        !self.timed_out && self.ending == Ending::Exited { code: 0 }
    }
}

/// Everything the judge is told of an attempt that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptFacts {
    /// How the process ended.
    pub outcome: Outcome,
    /// What its adapter read in its output.
    pub reading: Reading,
    /// The completion that counts: what was found at its place, or what was reported.
    pub completion: CompletionFact,
    /// What the agent's reports have to do with it.
    #[serde(default)]
    pub report: ReportFact,
    /// The task's declared outputs.
    pub outputs: Vec<PathFact>,
    /// The files that the plan says are created or modified, and those that the completion claims.
    pub claims: Vec<PathFact>,
    /// Whether the agent changed its own plan file.
    pub plan_changed: bool,
    /// Whether its session was kept, so that another attempt can go on with it.
    pub session_kept: bool,
    /// Why its rights in the shared state were no more than advice; null: they held, or there was none
    /// to have rights in.
    #[serde(default)]
    pub rights_doubt: Option<String>,
    /// What was seen of tests, checks and outputs that makes a success less credible.
    #[serde(default)]
    pub doubts: Vec<Doubt>,
    /// Why what became of tests and checks could not be seen; null: it could.
    #[serde(default)]
    pub tests_unseen: Option<String>,
}
