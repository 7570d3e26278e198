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

/// What makes a success less credible without disproving it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DoubtKind {
    /// A file of tests is gone.
    TestsDeleted,
    /// A file holds fewer tests than before.
    TestsRemoved,
    /// Tests are skipped, ignored or disabled that were not before.
    TestsSwitchedOff,
    /// Of a file only some tests run, which was not so before.
    TestsNarrowed,
    /// There are assertions that cannot fail, and were not before.
    AssertionsEmptied,
    /// A check of the project lets failures pass that it did not let pass before, or is gone.
    CheckWeakened,
    /// A file that a verify command runs was changed by the agent whose work it checks.
    CheckChanged,
    /// A declared output is there and holds nothing.
    OutputEmpty,
}

impl DoubtKind {
    /// The word that documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TestsDeleted => "tests_deleted",
            Self::TestsRemoved => "tests_removed",
            Self::TestsSwitchedOff => "tests_switched_off",
            Self::TestsNarrowed => "tests_narrowed",
            Self::AssertionsEmptied => "assertions_emptied",
            Self::CheckWeakened => "check_weakened",
            Self::CheckChanged => "check_changed",
            Self::OutputEmpty => "output_empty",
        }
    }
}

impl fmt::Display for DoubtKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One reason to look at what an attempt did before it is believed. It is told, and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Doubt {
    /// Of which kind.
    pub kind: DoubtKind,
    /// The file, relative to the workspace, with `/`.
    pub path: String,
    /// What was seen, one line, with figures.
    pub seen: String,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.seen)
    }
}

/// What the judge makes of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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
    /// What makes a success less credible: tests that are gone or switched off, checks that were
    /// weakened. None of it was judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}

impl Verdict {
    /// Whether no witness disagreed.
    pub const fn is_success(&self) -> bool {
        self.failure.is_none()
    }
}
