//! What the scheduler asks for: every act, as a closed list.

use crate::model::event::Event;
use crate::model::exit::ExitCode;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::Rung;
use crate::model::money::Money;
use crate::model::outcome::StopReason;
use crate::model::status::RunStatus;
use crate::model::time::Span;

/// One thing to do. Effects are carried out in the order of their list.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most effects are records, and they are short-lived")]
pub enum Effect {
    /// Write this event to the journal and tell the reporters.
    Record(Event),
    /// Start an attempt. The record of its start comes before it in the same list.
    /// Answered by [`super::Input::AttemptEnded`], whatever happens.
    Spawn {
        /// Which attempt.
        key: AttemptKey,
        /// Where it is to run.
        rung: Rung,
        /// How long it may take.
        timeout: Span,
        /// For its prompt: what went wrong before, and what a person said.
        note: Option<String>,
        /// The session of the attempt before with which it goes on.
        session: Option<String>,
    },
    /// Reserve money for an attempt that is to start, in one step of the shared state that nobody comes
    /// between. Answered by [`super::Input::Reserved`].
    Reserve {
        /// Which attempt.
        key: AttemptKey,
        /// At which provider.
        provider: String,
        /// In which month, as `2026-11`.
        month: String,
        /// So much.
        amount: Money,
        /// The least that is of use.
        least: Money,
        /// What may be spent in the month; none: as much as is asked for.
        budget: Option<Money>,
    },
    /// Give back what was reserved for an attempt that does not start after all.
    Release {
        /// Which attempt.
        key: AttemptKey,
        /// At which provider.
        provider: String,
        /// In which month, as `2026-11`.
        month: String,
    },
    /// Stop the process of an attempt; its end is still reported. For an attempt that is being
    /// verified: stop the commands; their answer is not waited for.
    Stop {
        /// Which attempt.
        key: AttemptKey,
        /// Why.
        reason: StopReason,
    },
    /// Run the commands of a task in its workspace, one after another, up to the first that fails.
    /// Answered by [`super::Input::Verified`].
    Verify {
        /// Which attempt.
        key: AttemptKey,
        /// What to run.
        commands: Vec<String>,
        /// How long each may take.
        timeout: Span,
    },
    /// Run the commands of the run once for all these attempts, while nothing else runs.
    /// Answered by [`super::Input::RunVerified`].
    VerifyRun {
        /// What to run.
        commands: Vec<String>,
        /// The attempts that wait for it.
        tasks: Vec<AttemptKey>,
        /// How long each may take.
        timeout: Span,
    },
    /// Tick the box of a task in the plan. Answered by [`super::Input::Ticked`]; the run does not
    /// end before.
    Tick {
        /// Which task.
        task: TaskId,
    },
    /// The run has ended: the last effect, after the record of it.
    Finish {
        /// As what.
        status: RunStatus,
        /// What the process exits with.
        exit: ExitCode,
    },
}
