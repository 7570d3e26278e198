//! The closed list of reasons for which a task does not succeed.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why an attempt or a task did not succeed. The list is closed: other programs match on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The agent's program is not installed.
    AgentNotFound,
    /// The agent printed its help: it was called in a way it does not know.
    UsageError,
    /// The agent has no valid login or key for its provider.
    NotLoggedIn,
    /// The provider wants money or the quota is used up.
    OutOfCredits,
    /// The provider said 429.
    RateLimited,
    /// The provider answered 5xx or that it is overloaded.
    Overloaded,
    /// No answer: refused, no name or route, cut off, the agent's own timeout, or nonsense.
    ProviderUnreachable,
    /// The provider does not know the model.
    ModelUnknown,
    /// The conversation is longer than the model's context.
    ContextOverflow,
    /// The agent asked for a permission that nobody could give.
    PermissionRejected,
    /// Our deadline for one attempt passed.
    TimedOut,
    /// Nothing happened for the idle timeout, or much happened without end.
    Stalled,
    /// The process ended with a code that is no success.
    Exited,
    /// The process was ended by a signal that was not ours.
    Killed,
    /// The agent ended without saying what it did.
    NoCompletion,
    /// The agent's completion is not valid.
    BadCompletion,
    /// The agent says that it failed.
    ReportedFailed,
    /// The agent says that it cannot go on without help.
    ReportedBlocked,
    /// A declared output does not exist or was not touched.
    OutputMissing,
    /// Work was declared or claimed and nothing changed.
    NoChange,
    /// A verify command said no.
    VerifyFailed,
    /// The task's branch does not merge.
    MergeConflict,
    /// Files of another task were changed.
    OwnershipViolation,
    /// A model answered that the hierarchy does not allow.
    HierarchyViolation,
    /// The budget does not allow another attempt.
    BudgetExhausted,
    /// Every allowed layer is off or rests for too long.
    NoLayerLeft,
    /// Only paid layers are left, and paid use was not approved.
    PaymentNotApproved,
    /// The attempt went over a limit on memory, output or processes.
    OverLimit,
    /// The supervisor died while the attempt ran.
    Lost,
}

/// Whose fault a failure is, and so what a retry should change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The task itself failed: the same layer again while retries last, the last one on the next.
    Task,
    /// Another layer at once; the provider rests or is off. No retry is used up.
    NextLayer,
    /// The same layer once more after a backoff, then the next one. No retry is used up.
    OnceMoreThenNext,
    /// Try again without counting it.
    Free,
    /// Nothing that trying again would change.
    Never,
}

impl FailureKind {
    /// Every kind, in the order of the documents.
    pub const ALL: [Self; 29] = [
        Self::AgentNotFound,
        Self::UsageError,
        Self::NotLoggedIn,
        Self::OutOfCredits,
        Self::RateLimited,
        Self::Overloaded,
        Self::ProviderUnreachable,
        Self::ModelUnknown,
        Self::ContextOverflow,
        Self::PermissionRejected,
        Self::TimedOut,
        Self::Stalled,
        Self::Exited,
        Self::Killed,
        Self::NoCompletion,
        Self::BadCompletion,
        Self::ReportedFailed,
        Self::ReportedBlocked,
        Self::OutputMissing,
        Self::NoChange,
        Self::VerifyFailed,
        Self::MergeConflict,
        Self::OwnershipViolation,
        Self::HierarchyViolation,
        Self::BudgetExhausted,
        Self::NoLayerLeft,
        Self::PaymentNotApproved,
        Self::OverLimit,
        Self::Lost,
    ];

    /// The word that documents and keys use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AgentNotFound => "agent_not_found",
            Self::UsageError => "usage_error",
            Self::NotLoggedIn => "not_logged_in",
            Self::OutOfCredits => "out_of_credits",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::ProviderUnreachable => "provider_unreachable",
            Self::ModelUnknown => "model_unknown",
            Self::ContextOverflow => "context_overflow",
            Self::PermissionRejected => "permission_rejected",
            Self::TimedOut => "timed_out",
            Self::Stalled => "stalled",
            Self::Exited => "exited",
            Self::Killed => "killed",
            Self::NoCompletion => "no_completion",
            Self::BadCompletion => "bad_completion",
            Self::ReportedFailed => "reported_failed",
            Self::ReportedBlocked => "reported_blocked",
            Self::OutputMissing => "output_missing",
            Self::NoChange => "no_change",
            Self::VerifyFailed => "verify_failed",
            Self::MergeConflict => "merge_conflict",
            Self::OwnershipViolation => "ownership_violation",
            Self::HierarchyViolation => "hierarchy_violation",
            Self::BudgetExhausted => "budget_exhausted",
            Self::NoLayerLeft => "no_layer_left",
            Self::PaymentNotApproved => "payment_not_approved",
            Self::OverLimit => "over_limit",
            Self::Lost => "lost",
        }
    }

    /// What a retry should change (contract 8 for the layers, contract 2 for the counting).
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::RateLimited
            | Self::NotLoggedIn
            | Self::OutOfCredits
            | Self::ModelUnknown
            | Self::UsageError
            | Self::AgentNotFound
            | Self::PermissionRejected
            | Self::ProviderUnreachable
            | Self::Stalled
            | Self::ContextOverflow
            | Self::HierarchyViolation
            | Self::BudgetExhausted => Remedy::NextLayer,
            Self::Overloaded => Remedy::OnceMoreThenNext,
            Self::TimedOut
            | Self::Exited
            | Self::Killed
            | Self::NoCompletion
            | Self::BadCompletion
            | Self::ReportedFailed
            | Self::OutputMissing
            | Self::NoChange
            | Self::VerifyFailed
            | Self::MergeConflict
            | Self::OwnershipViolation
            | Self::OverLimit => Remedy::Task,
            Self::Lost => Remedy::Free,
            Self::ReportedBlocked | Self::NoLayerLeft | Self::PaymentNotApproved => Remedy::Never,
        }
    }

    /// Whether a failure of this kind is a limit of the run (exit code 8) and not of the task.
    pub const fn is_limit(self) -> bool {
        matches!(self, Self::BudgetExhausted | Self::NoLayerLeft | Self::PaymentNotApproved)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A failure with what was seen and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Which of the closed list.
    pub kind: FailureKind,
    /// What was seen: the exit code, the line of output, the missing path. One line.
    pub seen: String,
}

impl Failure {
    /// A failure of `kind`, with what was seen.
    pub fn new(kind: FailureKind, seen: impl Into<String>) -> Self {
        Self { kind, seen: seen.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_are_serialised() {
        for kind in FailureKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
