//! What the scheduler is told: every fact from outside, as a closed list.

use crate::model::difference::PlanDifference;
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::ledger::Reservation;
use crate::model::money::Money;
use crate::model::outcome::{AttemptFacts, CheckResult};
use crate::model::reading::Usage;
use crate::model::time::Timestamp;

/// One fact from outside.
///
/// [`Input::Approve`], [`Input::Retry`] and [`Input::StopTasks`] are taken before the first
/// [`Input::Start`] or [`Input::Resume`] too. Requests that wait for a run belong there: a run
/// with nothing left to do ends in the same turn in which it is resumed.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The first input of a fresh run.
    Start {
        /// The host of the supervisor.
        host: String,
        /// Its process.
        pid: u32,
        /// Its fencing number.
        fence: u64,
    },
    /// The first input after [`super::Scheduler::recover`]: attempts that were under way are lost,
    /// what was cut off between two events is brought to its end, and the run goes on.
    Resume {
        /// The host of the supervisor.
        host: String,
        /// Its process.
        pid: u32,
        /// Its fencing number.
        fence: u64,
    },
    /// How much memory the machine has to spare. What an agent says it needs is taken off for each
    /// start until the next such input.
    Memory {
        /// In bytes.
        available: u64,
    },
    /// An agent said how far it is.
    AttemptProgressed {
        /// Which attempt.
        key: AttemptKey,
        /// In its own words, masked.
        message: String,
    },
    /// What an agent put under its report key is no report of its attempt.
    ReportRefused {
        /// Which attempt.
        key: AttemptKey,
        /// All that is wrong with it, on one line, masked.
        problem: String,
    },
    /// The process of an attempt has ended and what it left was looked at.
    AttemptEnded {
        /// Which attempt.
        key: AttemptKey,
        /// What was seen.
        facts: Box<AttemptFacts>,
    },
    /// The answer to [`super::Effect::Verify`].
    Verified {
        /// Which attempt.
        key: AttemptKey,
        /// One for each command that was run, in order.
        results: Vec<CheckResult>,
    },
    /// The answer to [`super::Effect::VerifyRun`].
    RunVerified {
        /// One for each command that was run, in order.
        results: Vec<CheckResult>,
    },
    /// The answer to [`super::Effect::Tick`].
    Ticked {
        /// Which task.
        task: TaskId,
        /// Why its box could not be ticked; none: it was.
        problem: Option<String>,
    },
    /// What an attempt used so far, as its agent's own events tell.
    AttemptUsed {
        /// Which attempt.
        key: AttemptKey,
        /// Since it began.
        usage: Usage,
    },
    /// The answer to [`super::Effect::Reserve`].
    Reserved {
        /// Which attempt.
        key: AttemptKey,
        /// What came of it.
        answer: Reservation,
    },
    /// What all runs of the project used of a provider, as the shared state tells.
    ProviderUsed {
        /// Which.
        provider: String,
        /// The month of which the money is, as `2026-11`.
        month: String,
        /// What is spent and reserved in it.
        used: Money,
        /// The day of which the tokens are, as `2026-11-25`.
        day: String,
        /// The tokens used on it.
        tokens: u64,
    },
    /// Another run saw that a provider is to be left alone. Taken before [`Input::Start`] too.
    ProviderRests {
        /// Which.
        provider: String,
        /// Until when; none: for the rest of the run.
        until: Option<Timestamp>,
        /// The failure that showed it.
        trigger: FailureKind,
        /// What was seen.
        evidence: String,
    },
    /// Something that a person should know; the same words are recorded once.
    Warn {
        /// A short name such as `redis-down`.
        code: String,
        /// One sentence.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The plan file was changed on disk.
    PlanChanged,
    /// The changed plan was read, and this scheduler was made with the tasks that it has now. To be
    /// given before [`Input::Resume`].
    Replanned {
        /// What is different.
        difference: Box<PlanDifference>,
        /// The tasks that are begun anew.
        again: Vec<TaskId>,
    },
    /// A person lets a gate pass.
    Approve {
        /// Its name, or the id or title of a gate task.
        gate: String,
        /// Who.
        by: String,
    },
    /// A person wants tasks to be run again, and what they blocked.
    Retry {
        /// Which; empty: all that failed or were stopped.
        tasks: Vec<TaskId>,
        /// The layer at which they start.
        layer: Option<u8>,
        /// By this agent.
        agent: Option<String>,
        /// A word to the agent.
        say: Option<String>,
    },
    /// A person stops tasks for good.
    StopTasks {
        /// Which.
        tasks: Vec<TaskId>,
        /// Who.
        by: String,
    },
    /// The run is to stop: attempts are cancelled, and their tasks put back for `resume`.
    Shutdown {
        /// `SIGINT`, `SIGTERM`, `stop`.
        by: String,
        /// What the process will exit with.
        exit: ExitCode,
    },
    /// The time that [`super::Scheduler::next_wake`] named has come.
    Wake,
}
