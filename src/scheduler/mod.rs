//! Decides what a run does next, and does nothing itself.
//!
//! ```text
//!   Input ──▶ handle(input, now) ──▶ [Effect]          Record first, then what follows from it
//!                │        ▲
//!                ▼        │ next_wake()                 when to call with Wake, and why
//!    take in one fact ─▶ due retries, deadline ─▶ fill free slots ─▶ run-wide checks ─▶ the end?
//! ```
//!
//! A task's way: `enter` holds, skips and queues it; `queue` says whose turn it is and `starts`
//! starts it; `ladder` says where it runs, `slots` whether it may; `attempts` takes in how it ended;
//! `money` reserves what it may cost, `payment` says whether it waits for a free layer instead; `judge` makes a verdict of what the `witnesses` say; `retry` says what follows, `sessions` whether
//! that goes on with a conversation, `ends` what it means for others; `finish` sums the run up. `people` is what a person asks for.
//!
//! **Invariant:** no IO, no clock, no `async`, no map whose order differs between runs, no chance
//! but the seed of the run's settings. The same inputs give the same effects.
//!
//! **Invariant:** every event goes through [`RunView`] before it is handed out, so the live state
//! is the fold of what was recorded. What is kept besides (queue, slots, timers) is derived from
//! it: [`Scheduler::recover`] makes it anew from the events alone.
//!
//! **Invariant:** the cost of an input is that of the tasks it concerns. Whole-run passes happen
//! at a start, a resume, a person's request and the end.
//!
//! It deliberately knows no path, no process id and no store: where an attempt runs is the
//! executor's business.

mod answered;
mod attempts;
pub mod bans;
mod effect;
mod ends;
mod enter;
mod finish;
mod graph;
mod input;
pub mod judge;
pub mod ladder;
mod money;
pub mod names;
mod notes;
mod pace;
mod payment;
mod people;
mod queue;
pub mod retry;
mod sessions;
mod slots;
mod starts;
#[cfg(test)]
mod tests;
pub mod wishes;
mod witnesses;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::model::event::{Event, EventBody, EventVersion};
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind;
use crate::model::ids::TaskId;
use crate::model::layer::Rung;
use crate::model::outcome::{AttemptFacts, CheckResult};
use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::task::TaskSpec;
use crate::model::time::Timestamp;
use crate::model::view::{RunView, ViewError};

pub use self::effect::Effect;
pub use self::input::Input;
pub use self::judge::judge;

use self::graph::Graph;
use self::ladder::Sky;
use self::money::{Asked, Meter, Purse};
use self::pace::Paces;
use self::payment::{Terms, Till};
use self::queue::Queue;
use self::slots::Slots;

/// What the scheduler waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WakeReason {
    /// A task may be tried again.
    Retry,
    /// A provider is back.
    ProviderBack,
    /// The run has had its time.
    Deadline,
}

impl fmt::Display for WakeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Retry => "a task may be tried again",
            Self::ProviderBack => "a provider is back",
            Self::Deadline => "the run has had its time",
        })
    }
}

/// Where the run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Neither `Start` nor `Resume` has come.
    Waiting,
    /// It runs.
    Live,
    /// Nothing starts any more; it ends when the last attempt has.
    Stopping { exit: ExitCode, status: RunStatus },
    /// It has ended.
    Ended,
}

/// How far an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its process runs.
    Running,
    /// Its task's commands run.
    Checking,
    /// It waits for the run-wide commands, or they run.
    Awaiting,
}

/// An attempt that is under way.
#[derive(Debug, Clone)]
struct Flight {
    attempt: u32,
    rung: Rung,
    stage: Stage,
    facts: Option<Box<AttemptFacts>>,
    own: Vec<CheckResult>,
    meter: Meter,
}

/// That a provider is to be left alone, as another run saw.
#[derive(Debug, Clone)]
struct Foretold {
    provider: String,
    until: Option<Timestamp>,
    trigger: FailureKind,
    evidence: String,
}

/// The state of a run, and what is to be done next.
#[derive(Debug, Clone)]
pub struct Scheduler {
    spec: Arc<RunSpec>,
    view: RunView,
    graph: Graph,
    /// How many needs of each task are not met.
    unmet: Vec<usize>,
    queue: Queue,
    /// Tasks that are tried again, by the time from which they may.
    timers: BTreeSet<(Timestamp, usize)>,
    slots: Slots,
    flights: BTreeMap<usize, Flight>,
    /// The tasks for which the run-wide commands run.
    round: Option<BTreeSet<usize>>,
    /// The layers that are off, and what showed it.
    off: BTreeMap<u8, FailureKind>,
    /// What the run reserved and spent.
    purse: Purse,
    /// What its attempts taught about prices and lengths, and what was decided by it.
    till: Till,
    /// How fast attempts start at each provider.
    paces: Paces,
    /// Money that was asked for and for which there is no answer yet, by the task that waits for it.
    asked: BTreeMap<usize, Asked>,
    /// Providers that other runs saw are to be left alone, told before the run began.
    foretold: Vec<Foretold>,
    /// Boxes that were asked to be ticked.
    ticking: BTreeSet<usize>,
    /// Boxes that need no more ticking.
    ticked: BTreeSet<TaskId>,
    /// Tasks that a person stopped and whose attempt has not ended, with who it was.
    cancelling: BTreeMap<usize, String>,
    /// Whether a failure keeps everything else from starting.
    tripped: bool,
    phase: Phase,
    now: Timestamp,
    out: Vec<Effect>,
}

impl Scheduler {
    /// The scheduler of a run that has not begun. Its first input is [`Input::Start`].
    pub fn new(spec: Arc<RunSpec>) -> Self {
        let view = RunView::new(&spec);
        Self::with_view(spec, view)
    }

    /// The scheduler of a run of which `events` were recorded. Its first input is
    /// [`Input::Resume`].
    pub fn recover(spec: Arc<RunSpec>, events: &[Event]) -> Result<Self, ViewError> {
        let view = RunView::fold(&spec, events)?;
        let mut scheduler = Self::with_view(spec, view);
        for event in events {
            if let EventBody::BoxTicked { task_id, .. } = &event.body {
                scheduler.ticked.insert(task_id.clone());
            }
            scheduler.purse.apply(&event.body);
            scheduler.till.apply(event);
            scheduler.paces.apply(event);
        }
        Ok(scheduler)
    }

    fn with_view(spec: Arc<RunSpec>, view: RunView) -> Self {
        let graph = Graph::new(&spec, &view);
        Self {
            unmet: vec![0; spec.tasks.len()],
            queue: Queue::default(),
            timers: BTreeSet::new(),
            slots: Slots::default(),
            flights: BTreeMap::new(),
            round: None,
            off: BTreeMap::new(),
            purse: Purse::default(),
            till: Till::default(),
            paces: Paces::default(),
            asked: BTreeMap::new(),
            foretold: Vec::new(),
            ticking: BTreeSet::new(),
            ticked: BTreeSet::new(),
            cancelling: BTreeMap::new(),
            tripped: false,
            phase: Phase::Waiting,
            now: view.updated_at,
            out: Vec::new(),
            spec,
            view,
            graph,
        }
    }

    /// Takes in one fact from outside and returns what is to be done, in order.
    ///
    /// Facts about attempts that are not under way are ignored: they come late. A run that has
    /// ended does nothing more.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        if self.phase == Phase::Ended {
            return Vec::new();
        }
        // A clock that was set back does not undo a deadline.
        self.now = self.now.max(now);
        self.take_in(input);
        self.advance();
        std::mem::take(&mut self.out)
    }

    /// Returns when to call with [`Input::Wake`] next, and why; always later than the time of the
    /// last call.
    pub fn next_wake(&self) -> Option<(Timestamp, WakeReason)> {
        if self.phase != Phase::Live {
            return None;
        }
        let retry = self.timers.first().map(|&(at, _)| (at, WakeReason::Retry));
        let back = if self.tripped { None } else { self.earliest_back() };
        let deadline = self.deadline().map(|at| (at, WakeReason::Deadline));
        [retry, back.map(|at| (at, WakeReason::ProviderBack)), deadline]
            .into_iter()
            .flatten()
            .min_by_key(|&(at, _)| at)
    }

    /// The state of the run.
    pub fn view(&self) -> &RunView {
        &self.view
    }

    fn take_in(&mut self, input: Input) {
        match input {
            Input::Start { host, pid, fence } => self.begin(host, pid, fence),
            Input::Resume { host, pid, fence } => self.resume(host, pid, fence),
            Input::Memory { available } => self.slots.tell_memory(available, self.now),
            Input::AttemptProgressed { key, message } => self.attempt_progressed(&key, message),
            Input::ReportRefused { key, problem } => self.report_refused(&key, problem),
            Input::AttemptEnded { key, facts } => self.attempt_ended(&key, facts),
            Input::Verified { key, results } => self.verified(&key, &results),
            Input::RunVerified { results } => self.run_verified(&results),
            Input::Ticked { task, problem } => self.box_ticked(&task, problem),
            Input::AttemptUsed { key, usage } => self.attempt_used(&key, &usage),
            Input::Reserved { key, answer } => self.reserved(&key, answer),
            Input::ProviderUsed { provider, month, used, day, tokens } => {
                self.provider_used(&provider, &month, used);
                self.tokens_used(&provider, &day, tokens);
            }
            Input::ProviderRests { provider, until, trigger, evidence } => {
                let told = Foretold { provider, until, trigger, evidence };
                if self.phase == Phase::Waiting { self.foretold.push(told) } else { self.rest_as(told) }
            }
            Input::Warn { code, message, hint } => self.warn(&code, message, hint),
            Input::PlanChanged => {
                let plan = self.spec.plan.clone();
                self.record(EventBody::PlanChanged { plan });
            }
            Input::Replanned { difference, again } => self.replanned(&difference, &again),
            Input::Approve { gate, by } => self.approve(&gate, &by),
            Input::Retry { tasks, layer, agent, say } => {
                self.retry(&tasks, layer, agent.as_ref(), say.as_ref());
            }
            Input::StopTasks { tasks, by } => self.stop_tasks(&tasks, &by),
            Input::Shutdown { by, exit } => self.stop_run(by, exit, RunStatus::Stopped),
            Input::Wake => {}
        }
    }

    /// What follows from the time and from what became free.
    fn advance(&mut self) {
        if self.phase == Phase::Live && self.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.stop_run("deadline".to_owned(), ExitCode::Limit, RunStatus::Limited);
        }
        if self.phase == Phase::Live {
            while let Some(&(at, place)) = self.timers.first()
                && at <= self.now
            {
                self.timers.remove(&(at, place));
                self.enqueue(place);
            }
            self.fill();
            self.verify_run();
        }
        self.end_if_done();
    }

    /// Makes an event, applies it and hands it out.
    fn record(&mut self, body: EventBody) {
        let event = Event {
            schema: EventVersion::V1,
            run_id: self.spec.run_id.clone(),
            seq: self.view.last_seq + 1,
            at: self.now,
            body,
        };
        self.view.apply(&event).expect("the scheduler makes only steps of the table");
        self.purse.apply(&event.body);
        self.till.apply(&event);
        self.paces.apply(&event);
        self.out.push(Effect::Record(event));
    }

    fn warn(&mut self, code: &str, message: String, hint: Option<String>) {
        let known = self.view.warnings.iter().any(|(other, text, _)| other == code && *text == message);
        if !known {
            self.record(EventBody::WarningRaised { code: code.to_owned(), message, hint });
        }
    }

    fn deadline(&self) -> Option<Timestamp> {
        self.spec.settings.deadline.map(|length| self.view.supervised_since + length.0)
    }

    fn task(&self, place: usize) -> &TaskSpec {
        &self.spec.tasks[place]
    }

    fn id(&self, place: usize) -> TaskId {
        self.spec.tasks[place].id.clone()
    }

    fn status(&self, place: usize) -> TaskStatus {
        self.view.tasks[place].status
    }

    fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. })
    }

    /// Whether what needs this task need not wait for it (any more).
    fn is_met(&self, place: usize) -> bool {
        match self.status(place) {
            TaskStatus::Succeeded | TaskStatus::Skipped => true,
            TaskStatus::Failed | TaskStatus::Cancelled | TaskStatus::Blocked | TaskStatus::Held => {
                self.task(place).optional
            }
            TaskStatus::Pending
            | TaskStatus::Running
            | TaskStatus::Verifying
            | TaskStatus::Landing
            | TaskStatus::Retrying => false,
        }
    }

    fn sky(&self) -> Sky<'_> {
        Sky {
            rests: &self.view.rests,
            off: &self.off,
            budget: self.budget(),
            terms: Terms::new(&self.spec, &self.till, self.deadline()),
            paces: &self.paces,
            max_wait: self.spec.settings.max_wait,
            now: self.now,
        }
    }
}
