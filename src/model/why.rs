//! The story of one task as a document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::RunId;
use super::record::version;
use super::result::TaskResult;

version!(WhyVersion, "why/v1");

/// Lines of output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PrintedLines {
    /// Where they stand: `stdout`, `stderr`, `verify`.
    pub source: String,
    /// The lines, masked.
    pub lines: Vec<String>,
}

/// A command that may help, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhyStep {
    /// As one can type it; words in capitals are to be filled in.
    pub command: String,
    /// A few words.
    pub why: String,
}

/// The story of a task: the task as in the run's result, and what helps to go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// `why/v1`.
    pub schema: WhyVersion,
    /// The run.
    pub run_id: RunId,
    /// Whether it was under way when the run's supervisor died, so that its end was not seen.
    pub abandoned: bool,
    /// The task, with all its attempts.
    #[serde(flatten)]
    pub task: TaskResult,
    /// The lines of output that decided its last attempt; null: its witnesses say it all.
    pub printed: Option<PrintedLines>,
    /// What to do.
    pub what_to_do: Vec<WhyStep>,
}
