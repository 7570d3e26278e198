//! What a task, an attempt and a run can be, and what may follow what.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a task stands within its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Waits for a slot, or for what it needs.
    Pending,
    /// An attempt is under way.
    Running,
    /// An attempt has ended and its result is being checked.
    Verifying,
    /// The result is being brought into the shared branch.
    Landing,
    /// Waits for its next attempt.
    Retrying,
    /// No witness disagreed.
    Succeeded,
    /// It failed for good.
    Failed,
    /// A person stopped it.
    Cancelled,
    /// Something that it needs did not succeed.
    Blocked,
    /// It will not start as things are: a gate, a missing dependency, an unknown mark.
    Held,
    /// The plan says done or skipped, or it was not selected.
    Skipped,
}

impl TaskStatus {
    /// Every status, in the order in which counts are shown.
    pub const ALL: [Self; 11] = [
        Self::Pending,
        Self::Running,
        Self::Verifying,
        Self::Landing,
        Self::Retrying,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Blocked,
        Self::Held,
        Self::Skipped,
    ];

    /// The word that documents and keys use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Landing => "landing",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Blocked => "blocked",
            Self::Held => "held",
            Self::Skipped => "skipped",
        }
    }

    /// Whether nothing more happens to the task in this run unless somebody asks for it.
    ///
    /// `held` is an end only at the end of a run, so it is none here.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::Blocked | Self::Skipped)
    }

    /// Whether an attempt of the task has hold of a slot.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Verifying | Self::Landing)
    }

    /// Whether a task in this status may become `next`. This one table is used live, at recovery
    /// and by the stores.
    ///
    /// | from | to |
    /// | --- | --- |
    /// | pending | running, blocked, held, skipped, cancelled, failed (nothing can run it) |
    /// | running | verifying, landing, succeeded, failed, cancelled, retrying, pending (stopped) |
    /// | verifying | landing, succeeded, failed, cancelled, retrying, pending (stopped) |
    /// | landing | succeeded, failed, cancelled, retrying, pending (stopped) |
    /// | retrying | running, failed, cancelled, blocked, pending (stopped) |
    /// | held | pending, blocked, skipped, cancelled |
    /// | failed, cancelled, blocked, skipped | pending (`retry`, `resume`), held |
    /// | blocked | also skipped |
    /// | succeeded | nothing |
    ///
    /// A status may always be written again as it is (a heartbeat, a new reason), except an end.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(
                next,
                Self::Pending
                    | Self::Running
                    | Self::Blocked
                    | Self::Held
                    | Self::Skipped
                    | Self::Cancelled
                    | Self::Failed
            ),
            Self::Running => matches!(
                next,
                Self::Running
                    | Self::Verifying
                    | Self::Landing
                    | Self::Succeeded
                    | Self::Failed
                    | Self::Cancelled
                    | Self::Retrying
                    | Self::Pending
            ),
            Self::Verifying => matches!(
                next,
                Self::Verifying
                    | Self::Landing
                    | Self::Succeeded
                    | Self::Failed
                    | Self::Cancelled
                    | Self::Retrying
                    | Self::Pending
            ),
            Self::Landing => matches!(
                next,
                Self::Landing
                    | Self::Succeeded
                    | Self::Failed
                    | Self::Cancelled
                    | Self::Retrying
                    | Self::Pending
            ),
            Self::Retrying => matches!(
                next,
                Self::Retrying
                    | Self::Running
                    | Self::Failed
                    | Self::Cancelled
                    | Self::Blocked
                    | Self::Pending
            ),
            Self::Held => {
                matches!(next, Self::Held | Self::Pending | Self::Blocked | Self::Skipped | Self::Cancelled)
            }
            Self::Blocked => matches!(next, Self::Pending | Self::Held | Self::Skipped),
            Self::Failed | Self::Cancelled | Self::Skipped => matches!(next, Self::Pending | Self::Held),
            Self::Succeeded => false,
        }
    }
}

impl fmt::Display for TaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How one attempt stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStatus {
    /// Its process runs, or its result is being checked.
    Running,
    /// No witness disagreed.
    Succeeded,
    /// A witness disagreed.
    Failed,
    /// A person stopped it.
    Cancelled,
    /// Its supervisor died while it ran.
    Lost,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Its supervisor is at work.
    Running,
    /// Every task that was to run succeeded.
    Succeeded,
    /// It ended, and at least one task did not succeed.
    Failed,
    /// Nothing but what a gate holds can run.
    Waiting,
    /// A budget, a deadline, or the lack of an approved layer ended it.
    Limited,
    /// A signal or `stop` ended it.
    Stopped,
    /// Its supervisor died.
    Lost,
}

impl RunStatus {
    /// The word that documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Limited => "limited",
            Self::Stopped => "stopped",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_final_and_other_ends_can_only_be_reopened() {
        for next in TaskStatus::ALL {
            assert!(!TaskStatus::Succeeded.may_become(next));
            for end in [TaskStatus::Failed, TaskStatus::Cancelled, TaskStatus::Blocked, TaskStatus::Skipped] {
                if end.may_become(next) {
                    assert!(!matches!(next, TaskStatus::Running | TaskStatus::Succeeded), "{end} -> {next}");
                }
            }
        }
    }

    #[test]
    fn every_open_status_can_end() {
        for status in TaskStatus::ALL.into_iter().filter(|status| !status.is_end()) {
            assert!(status.may_become(TaskStatus::Cancelled), "{status}");
        }
    }

    #[test]
    fn success_is_reached_only_from_an_attempt() {
        for status in TaskStatus::ALL {
            assert_eq!(status.may_become(TaskStatus::Succeeded), status.is_active(), "{status}");
        }
    }
}
