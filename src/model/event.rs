//! What happens in a run, as a closed list. A run's state is the fold of its events.
//!
//! An event is written to the journal before anybody hears of it, and never changes afterwards.
//! Its JSON form is flat: the fields of the kind stand beside `schema`, `run_id`, `seq`, `at` and
//! `kind`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, FailureKind};
use super::hierarchy::PaymentPolicy;
use super::ids::{RunId, TaskId};
use super::layer::Rung;
use super::money::Money;
use super::outcome::Outcome;
use super::reading::{Reading, Tokens};
use super::status::{AttemptStatus, RunStatus, TaskStatus};
use super::task::HeldReason;
use super::time::Timestamp;
use super::verdict::Verdict;

/// How many tasks are in each status; statuses without tasks are left out.
pub type Counts = BTreeMap<TaskStatus, u32>;

/// The word `event/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum EventVersion {
    /// The current form.
    #[default]
    #[serde(rename = "event/v1")]
    V1,
}

/// What to do when only paid layers are to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentDecision {
    /// Wait for a free one.
    Wait,
    /// Pay.
    Pay,
}

/// How it is known what an attempt cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpendBasis {
    /// Its layer costs nothing, and its agent says nothing else.
    Free,
    /// The agent says so.
    Reported,
    /// By the tokens that the agent tells and the price of the layer.
    Priced,
    /// It is not known: what was reserved is charged.
    Bound,
}

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// `event/v1`.
    pub schema: EventVersion,
    /// The run.
    pub run_id: RunId,
    /// Its number within the run, from 1, without gaps.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened. New kinds are added at the end of their section, and every reporter looks at
/// each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "events live in short lists; a box would show in every match")]
pub enum EventBody {
    /// The run began.
    RunStarted {
        /// The plan as shown.
        plan: String,
        /// The plan's title.
        plan_title: String,
        /// The host.
        host: String,
        /// The supervisor's process id.
        pid: u32,
        /// How many tasks the plan has.
        tasks: u32,
        /// How many of them are to run.
        to_run: u32,
        /// How many were done before.
        done_before: u32,
        /// How many attempts may run at once.
        jobs: u32,
        /// The fencing number of this supervisor.
        fence: u64,
    },
    /// The run goes on after a stop, a gate or a crash.
    RunResumed {
        /// The host.
        host: String,
        /// The supervisor's process id.
        pid: u32,
        /// The fencing number of this supervisor.
        fence: u64,
    },
    /// Something a person should know, said once.
    WarningRaised {
        /// A short name such as `agent-missing`.
        code: String,
        /// One sentence.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A stop of the whole run was asked for.
    StopRequested {
        /// `SIGINT`, `SIGTERM`, `stop`, `fail-fast`, `deadline`.
        by: String,
    },
    /// The plan file was changed while the run went on; it is not read.
    PlanChanged {
        /// The plan as shown.
        plan: String,
    },
    /// The plan was read again, and the run goes on with it as it is now.
    Replanned {
        /// The plan as shown.
        plan: String,
        /// Tasks that the run did not have.
        added: Vec<TaskId>,
        /// Tasks that the plan does not have any more.
        removed: Vec<TaskId>,
        /// Tasks that are different.
        changed: Vec<TaskId>,
        /// Tasks that the plan says are done, and the run did not do.
        done: Vec<TaskId>,
    },
    /// A person let a gate pass.
    GateApproved {
        /// Its name.
        gate: String,
        /// Who: `approve`, `--yes-gates`.
        by: String,
    },
    /// Nothing but what a gate holds is left behind it.
    GateReached {
        /// Its name.
        gate: String,
        /// How many tasks wait behind it.
        holds: u32,
    },
    /// A provider is left alone for a while, or for the rest of the run.
    ProviderRested {
        /// Which.
        provider: String,
        /// Until when; none: for the rest of the run.
        until: Option<Timestamp>,
        /// The failure that showed it.
        trigger: FailureKind,
        /// What was seen.
        evidence: String,
    },
    /// So much of a budget is spent or reserved.
    BudgetReached {
        /// The provider whose month it is; none: the budget of the run.
        provider: Option<String>,
        /// The month, as `2026-11`; none: the budget of the run.
        month: Option<String>,
        /// 80 or 100.
        percent: u8,
        /// What is spent and reserved.
        used_usd: Money,
        /// What may be.
        budget_usd: Money,
    },
    /// A layer is off for the rest of the run.
    LayerTurnedOff {
        /// Which.
        layer: u8,
        /// The failure that showed it.
        trigger: FailureKind,
        /// What was seen.
        evidence: String,
    },
    /// The run ended, or waits for a person.
    RunEnded {
        /// As what.
        status: RunStatus,
        /// The exit code of the process.
        exit_code: u8,
        /// How many tasks are in each status.
        counts: Counts,
    },

    /// A task will not start as things are.
    TaskHeld {
        /// Which.
        task_id: TaskId,
        /// All reasons.
        reasons: Vec<HeldReason>,
    },
    /// A task is not to be run.
    TaskSkipped {
        /// Which.
        task_id: TaskId,
        /// Why.
        why: String,
    },
    /// A task will not run because something that it needs did not succeed.
    TaskBlocked {
        /// Which.
        task_id: TaskId,
        /// What it needs.
        by: TaskId,
    },
    /// A task is pending again: put back by a stop, retried, or let through by a gate.
    TaskReopened {
        /// Which.
        task_id: TaskId,
        /// Why.
        why: String,
        /// Whether it gets its retries anew.
        fresh: bool,
        /// The layer at which it starts now, where a person chose one.
        layer: Option<u8>,
        /// The agent, where a person chose one.
        agent: Option<String>,
        /// A word to the agent.
        say: Option<String>,
    },
    /// A task waits for its next attempt.
    TaskRetrying {
        /// Which.
        task_id: TaskId,
        /// Number of the coming attempt.
        attempt: u32,
        /// Not before. In JSON `retry_at`: `at` is when the event happened.
        #[serde(rename = "retry_at")]
        at: Timestamp,
        /// What went wrong.
        why: Failure,
        /// Where the coming attempt is to run.
        next: Rung,
    },
    /// A task goes to another layer.
    LayerMoved {
        /// Which.
        task_id: TaskId,
        /// Number of the attempt that ended.
        attempt: u32,
        /// Where it was.
        from: Rung,
        /// Where it goes.
        to: Rung,
        /// The failure that moved it.
        trigger: FailureKind,
        /// What was seen.
        evidence: String,
    },
    /// Only paid layers were to be had for a task, and it was decided whether to wait or to pay.
    PaymentDecided {
        /// Which; the first of those that wait with it.
        task_id: TaskId,
        /// What was decided.
        decision: PaymentDecision,
        /// By which policy.
        policy: PaymentPolicy,
        /// The paid rung that is to be had.
        paid: Rung,
        /// What an attempt there is expected to cost.
        expected_usd: Money,
        /// What is left for it; none: nothing limits it.
        left_usd: Option<Money>,
        /// When the earliest free layer is back; none: not in this run.
        free_at: Option<Timestamp>,
        /// When the run has had its time; none: it has all the time there is.
        deadline_at: Option<Timestamp>,
        /// How many tasks stand in the same line.
        waiting: u32,
        /// The reason in one sentence.
        why: String,
    },
    /// Money was reserved for an attempt that is about to start.
    SpendReserved {
        /// The task.
        task_id: TaskId,
        /// Number of the coming attempt.
        attempt: u32,
        /// At which provider.
        provider: Option<String>,
        /// The model that will be asked for.
        model: Option<String>,
        /// The month it is taken from, as `2026-11`.
        month: String,
        /// What the attempt may cost at most.
        amount_usd: Money,
    },
    /// What an attempt used was booked, and what it had reserved was given back.
    SpendSettled {
        /// The task.
        task_id: TaskId,
        /// Its number.
        attempt: u32,
        /// The provider that answered, which is charged.
        provider: Option<String>,
        /// The model that answered, or was asked for where that cannot be seen.
        model: Option<String>,
        /// The layer at which it ran.
        layer: Option<u8>,
        /// The day, by UTC, as `2026-11-25`.
        day: String,
        /// What it cost.
        amount_usd: Money,
        /// How that is known.
        basis: SpendBasis,
        /// The tokens used, where told.
        tokens: Option<Tokens>,
    },
    /// No witness disagreed.
    TaskSucceeded {
        /// Which.
        task_id: TaskId,
        /// The attempt that did it.
        attempt: u32,
    },
    /// A task failed for good.
    TaskFailed {
        /// Which.
        task_id: TaskId,
        /// Why.
        failure: Failure,
    },
    /// A task was stopped for good.
    TaskCancelled {
        /// Which.
        task_id: TaskId,
        /// By what.
        by: String,
    },
    /// The box of a task was ticked in the plan, or could not be.
    BoxTicked {
        /// Which.
        task_id: TaskId,
        /// Why not; none: it was ticked.
        problem: Option<String>,
    },

    /// An attempt begins. This is written before its process exists.
    AttemptStarted {
        /// The task.
        task_id: TaskId,
        /// Its number.
        attempt: u32,
        /// Where it runs.
        #[serde(flatten)]
        rung: Rung,
        /// When it has had its time.
        deadline_at: Timestamp,
        /// The session of an earlier attempt that it goes on with; none: it begins a new one.
        #[serde(default)]
        session: Option<String>,
    },
    /// The agent said how far it is.
    AttemptProgressed {
        /// The task.
        task_id: TaskId,
        /// Its number.
        attempt: u32,
        /// In its own words, masked.
        message: String,
    },
    /// What the agent put under its report key is no report of this attempt.
    ReportRefused {
        /// The task.
        task_id: TaskId,
        /// Its number.
        attempt: u32,
        /// All that is wrong with it, on one line, masked.
        problem: String,
    },
    /// The process has ended and verify commands run.
    VerificationStarted {
        /// The task.
        task_id: TaskId,
        /// Its number.
        attempt: u32,
        /// What runs.
        commands: Vec<String>,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The task.
        task_id: TaskId,
        /// Its number.
        attempt: u32,
        /// As what.
        status: AttemptStatus,
        /// How its process ended; none: nobody saw it (lost).
        outcome: Option<Outcome>,
        /// What its adapter read.
        reading: Option<Reading>,
        /// The agent's own summary, where its completion is valid.
        summary: Option<String>,
        /// Whether its session (`session_id` of the reading) was kept, so that the next attempt can
        /// go on with it.
        #[serde(default)]
        session_kept: bool,
        /// What the judge made of it.
        verdict: Verdict,
    },
}

impl EventBody {
    /// The task that the event is about.
    pub fn task_id(&self) -> Option<&TaskId> {
        match self {
            Self::RunStarted { .. }
            | Self::RunResumed { .. }
            | Self::WarningRaised { .. }
            | Self::StopRequested { .. }
            | Self::PlanChanged { .. }
            | Self::Replanned { .. }
            | Self::GateApproved { .. }
            | Self::GateReached { .. }
            | Self::ProviderRested { .. }
            | Self::BudgetReached { .. }
            | Self::LayerTurnedOff { .. }
            | Self::RunEnded { .. } => None,
            Self::TaskHeld { task_id, .. }
            | Self::TaskSkipped { task_id, .. }
            | Self::TaskBlocked { task_id, .. }
            | Self::TaskReopened { task_id, .. }
            | Self::TaskRetrying { task_id, .. }
            | Self::LayerMoved { task_id, .. }
            | Self::PaymentDecided { task_id, .. }
            | Self::SpendReserved { task_id, .. }
            | Self::SpendSettled { task_id, .. }
            | Self::TaskSucceeded { task_id, .. }
            | Self::TaskFailed { task_id, .. }
            | Self::TaskCancelled { task_id, .. }
            | Self::BoxTicked { task_id, .. }
            | Self::AttemptStarted { task_id, .. }
            | Self::AttemptProgressed { task_id, .. }
            | Self::ReportRefused { task_id, .. }
            | Self::VerificationStarted { task_id, .. }
            | Self::AttemptEnded { task_id, .. } => Some(task_id),
        }
    }

    /// The status that the event puts its task into; none: it leaves it as it is.
    pub const fn status(&self) -> Option<TaskStatus> {
        match self {
            Self::TaskHeld { .. } => Some(TaskStatus::Held),
            Self::TaskSkipped { .. } => Some(TaskStatus::Skipped),
            Self::TaskBlocked { .. } => Some(TaskStatus::Blocked),
            Self::TaskReopened { .. } => Some(TaskStatus::Pending),
            Self::TaskRetrying { .. } => Some(TaskStatus::Retrying),
            Self::TaskSucceeded { .. } => Some(TaskStatus::Succeeded),
            Self::TaskFailed { .. } => Some(TaskStatus::Failed),
            Self::TaskCancelled { .. } => Some(TaskStatus::Cancelled),
            Self::AttemptStarted { .. } => Some(TaskStatus::Running),
            Self::VerificationStarted { .. } => Some(TaskStatus::Verifying),
            Self::RunStarted { .. }
            | Self::RunResumed { .. }
            | Self::WarningRaised { .. }
            | Self::StopRequested { .. }
            | Self::PlanChanged { .. }
            | Self::Replanned { .. }
            | Self::GateApproved { .. }
            | Self::GateReached { .. }
            | Self::ProviderRested { .. }
            | Self::BudgetReached { .. }
            | Self::LayerTurnedOff { .. }
            | Self::RunEnded { .. }
            | Self::LayerMoved { .. }
            | Self::PaymentDecided { .. }
            | Self::SpendReserved { .. }
            | Self::SpendSettled { .. }
            | Self::BoxTicked { .. }
            | Self::AttemptProgressed { .. }
            | Self::ReportRefused { .. }
            | Self::AttemptEnded { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_form_is_flat_and_reads_back() {
        let event = Event {
            schema: EventVersion::V1,
            run_id: RunId("01J".to_owned()),
            seq: 3,
            at: Timestamp(5),
            body: EventBody::AttemptStarted {
                task_id: TaskId::new("T1"),
                attempt: 1,
                rung: Rung {
                    layer: Some(3),
                    agent: "kilo".to_owned(),
                    model: Some("m".to_owned()),
                    provider: None,
                },
                deadline_at: Timestamp(9),
                session: None,
            },
        };
        let value = serde_json::to_value(&event).unwrap();
        assert_eq!(value["schema"], "event/v1");
        assert_eq!(value["kind"], "attempt_started");
        assert_eq!(value["task_id"], "T1");
        assert_eq!(value["attempt"], 1);
        assert_eq!(value["agent"], "kilo");
        assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
    }
}
