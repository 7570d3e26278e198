//! `completion.json`: what an agent says of its own work. It is a claim, not evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{RunId, TaskId};

/// The name of the current form.
pub const COMPLETION_SCHEMA: &str = "completion/v1";

/// What an agent says that its attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompletionStatus {
    /// The task is done.
    Succeeded,
    /// The task could not be done.
    Failed,
    /// The agent needs something that it cannot get itself.
    Blocked,
}

/// What an agent says it did to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was made.
    Created,
    /// It was changed.
    Modified,
    /// It was removed.
    Deleted,
    /// It was left as it is.
    Unchanged,
}

/// A file that an agent claims to have worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Inside the workspace, relative to it.
    pub path: String,
    /// What was done to it.
    pub change: Change,
}

/// A check that an agent claims to have run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    /// The command.
    pub command: String,
    /// What it exited with.
    pub exit_code: i32,
}

/// Why an agent did not succeed, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompletionError {
    /// A free word.
    pub kind: String,
    /// What happened.
    pub message: String,
}

/// Who wrote a completion.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CompletionSource {
    /// The agent.
    #[default]
    Agent,
    /// The supervisor, because the agent left none that is valid.
    Supervisor,
}

/// The word `completion/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum CompletionVersion {
    /// The current form.
    #[default]
    #[serde(rename = "completion/v1")]
    V1,
}

/// One attempt's completion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// `completion/v1`.
    pub schema: CompletionVersion,
    /// The run it belongs to.
    pub run_id: RunId,
    /// The task it belongs to.
    pub task_id: TaskId,
    /// The attempt it belongs to.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// What the attempt came to.
    pub status: CompletionStatus,
    /// One to three sentences.
    pub summary: String,
    /// The files that were worked on.
    #[serde(default)]
    pub outputs: Vec<Output>,
    /// The checks that were run.
    #[serde(default)]
    pub verification: Vec<Verification>,
    /// Required unless the attempt succeeded.
    #[serde(default)]
    pub error: Option<CompletionError>,
    /// What is left to do.
    #[serde(default)]
    pub next_steps: Vec<String>,
    /// Who wrote it; left out: the agent.
    #[serde(default, skip_serializing_if = "is_agent")]
    pub source: CompletionSource,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_agent(source: &CompletionSource) -> bool {
    *source == CompletionSource::Agent
}
