//! Whether an attempt goes on with the session of the one before.
//!
//! A conversation is worth going on with where the work in it was good as far as it went: the agent
//! only has to hear what is wrong, or another provider has to carry it on. Where the conversation
//! itself, its model or its process was the trouble, the next attempt begins anew and is told in its
//! prompt what was done before. A task that moves to another layer of the same agent takes its
//! conversation along where that agent can change the model in one ([`AdapterKind::changes_model`]).
//!
//! [`AdapterKind::changes_model`]: crate::model::agent::AdapterKind::changes_model
//!
//! Where a task works stays the same for the whole run, so the workspace needs no comparing.
//!
//! All of it is a function of the events. It does not know where the data of a session lie: what was
//! kept is told with the facts of an attempt, and what was kept for one supervisor is gone for the
//! next.

use crate::model::failure::FailureKind;
use crate::model::ids::TaskId;
use crate::model::layer::Rung;
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::view::{AttemptView, TaskView};

use super::Scheduler;

impl Scheduler {
    /// Whether the data of the task's session may still be needed: an attempt is under way that may
    /// leave one, or the next attempt is to go on with it.
    pub fn needs_session(&self, task: &TaskId) -> bool {
        let Some(task) = self.view.task(task) else { return false };
        match task.status {
            TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing => true,
            TaskStatus::Retrying => {
                task.next.as_ref().is_some_and(|rung| session(task, rung, &self.spec).is_some())
            }
            TaskStatus::Pending
            | TaskStatus::Held
            | TaskStatus::Skipped
            | TaskStatus::Blocked
            | TaskStatus::Succeeded
            | TaskStatus::Failed
            | TaskStatus::Cancelled => false,
        }
    }
}

/// The session with which the next attempt of `task` goes on at `rung`.
pub(super) fn session(task: &TaskView, rung: &Rung, spec: &RunSpec) -> Option<String> {
    if task.status != TaskStatus::Retrying {
        return None;
    }
    let last = task.counted_attempts().last()?;
    let moves = last.rung != *rung;
    let changes_model = || spec.agents.get(&rung.agent).is_some_and(|agent| agent.kind.changes_model());
    if last.rung.agent != rung.agent
        || (last.rung.model != rung.model && !changes_model())
        || !last.session_kept
        || !is_worth_going_on(last, moves)
    {
        return None;
    }
    last.reading.as_ref()?.session_id.clone()
}

/// The attempt of which the next one is told: the last one that tried anything.
pub(super) fn last_try(task: &TaskView) -> Option<&AttemptView> {
    task.attempts.iter().rfind(|attempt| !attempt.lost_its_session())
}

fn is_worth_going_on(last: &AttemptView, moves: bool) -> bool {
    if last.status != AttemptStatus::Failed {
        return false;
    }
    let Some(kind) = last.failure().map(|failure| failure.kind) else { return false };
    // Where the model never answered there is nothing to go on with.
    let has_turns = || last.reading.as_ref().and_then(|reading| reading.turns).is_some_and(|turns| turns > 0);
    match kind {
        FailureKind::RateLimited
        | FailureKind::Overloaded
        | FailureKind::OutOfCredits
        | FailureKind::ProviderUnreachable => has_turns(),
        // What stalled once in this conversation may do so again, unless another model carries it on.
        FailureKind::Stalled => moves && has_turns(),
        FailureKind::NoCompletion
        | FailureKind::BadCompletion
        | FailureKind::ReportedFailed
        | FailureKind::ReportedBlocked
        | FailureKind::OutputMissing
        | FailureKind::NoChange
        | FailureKind::VerifyFailed
        | FailureKind::MergeConflict
        | FailureKind::OwnershipViolation
        | FailureKind::TimedOut => true,
        // An error that nobody knows may come from the conversation itself, and would come again.
        FailureKind::Exited => last.reading.as_ref().is_none_or(|reading| reading.terminal_error.is_none()),
        FailureKind::AgentNotFound
        | FailureKind::UsageError
        | FailureKind::NotLoggedIn
        | FailureKind::ModelUnknown
        | FailureKind::ContextOverflow
        | FailureKind::PermissionRejected
        | FailureKind::Killed
        | FailureKind::HierarchyViolation
        | FailureKind::BudgetExhausted
        | FailureKind::NoLayerLeft
        | FailureKind::PaymentNotApproved
        | FailureKind::OverLimit
        | FailureKind::Lost => false,
    }
}
