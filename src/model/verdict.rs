//! What the judge makes of an attempt, with every witness and what it saw.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// One of the sources that may disagree with a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WitnessName {
    /// How the process ended.
    Process,
    /// What the agent's events say.
    Events,
    /// What the agent's completion says.
    Completion,
    /// The declared outputs.
    Outputs,
    /// Whether anything that was to change did.
    Change,
    /// The model that answered.
    Model,
    /// The verify commands.
    Verify,
    /// Whose files were changed.
    Ownership,
    /// Whether the branch merges.
    Merge,
}

impl WitnessName {
    /// The word that documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Events => "events",
            Self::Completion => "completion",
            Self::Outputs => "outputs",
            Self::Change => "change",
            Self::Model => "model",
            Self::Verify => "verify",
            Self::Ownership => "ownership",
            Self::Merge => "merge",
        }
    }
}

impl fmt::Display for WitnessName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one witness says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Witness {
    /// Which.
    pub name: WitnessName,
    /// Whether it agrees with a success; null: not observable, or not asked (then `asked` is false).
    pub agrees: Option<bool>,
    /// Whether it applies to this task at all.
    pub asked: bool,
    /// What it saw, one line; for one that is not asked: why.
    pub seen: String,
}

/// What the judge makes of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The failure; none: no witness disagreed.
    pub failure: Option<Failure>,
    /// The witness that decided; none: all agreed.
    pub decided_by: Option<WitnessName>,
    /// Every witness.
    pub witnesses: Vec<Witness>,
    /// What is worth knowing and was not judged: recovered errors, processes left behind, an agent
    /// that edited its plan.
    pub notes: Vec<String>,
}

impl Verdict {
    /// Whether no witness disagreed.
    pub const fn is_success(&self) -> bool {
        self.failure.is_none()
    }
}
