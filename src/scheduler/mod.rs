//! Decides what a run does next, and does nothing itself.
//!
//! ```text
//!   Input ──▶ handle(input, now) ──▶ [Effect]          Record first, then what follows from it
//!                │        ▲
//!                ▼        │ next_wake()                 when to call with Wake, and why
//!    take in one fact ─▶ due retries, deadline ─▶ fill free slots ─▶ run-wide checks ─▶ the end?
//! ```
//!
//! A task's way: `enter` holds, skips and queues it; `queue` says whose turn it is; `ladder` says
//! where it runs; `slots` whether it may; `attempts` takes in how it ended; `judge` makes a verdict
//! of that; `retry` says what follows; `finish` sums the run up. `people` is what a person asks for.
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

mod attempts;
mod effect;
mod enter;
mod finish;
mod graph;
mod input;
pub mod judge;
pub mod ladder;
pub mod names;
mod people;
mod queue;
pub mod retry;
mod slots;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::model::event::{Event, EventBody, EventVersion};
use crate::model::exit::ExitCode;
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::Rung;
use crate::model::outcome::{AttemptFacts, CheckResult};
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, RunStatus, TaskStatus};
use crate::model::task::TaskSpec;
use crate::model::time::Timestamp;
use crate::model::view::{RunView, ViewError};

pub use self::effect::Effect;
pub use self::input::Input;
pub use self::judge::judge;

use self::graph::Graph;
use self::ladder::{Choice, Ladder, Pick, Pins, Sky, Standing, Step, pick};
use self::queue::{LineKey, Queue, Rank};
use self::retry::{Next, decide_again};
use self::slots::Slots;

/// The priority of a task that names none.
const USUAL_PRIORITY: u8 = 5;

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
    /// Money spent so far, in USD.
    spent: f64,
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
        }
        let readings = scheduler.view.tasks.iter().flat_map(|task| &task.attempts);
        scheduler.spent = readings
            .filter_map(|attempt| attempt.reading.as_ref()?.cost_usd)
            .fold(0.0, |sum, cost| sum + cost);
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
            spent: 0.0,
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
            Input::Memory { available } => self.slots.tell_memory(available),
            Input::AttemptProgressed { key, message } => self.attempt_progressed(&key, message),
            Input::AttemptEnded { key, facts } => self.attempt_ended(&key, facts),
            Input::Verified { key, results } => self.verified(&key, &results),
            Input::RunVerified { results } => self.run_verified(&results),
            Input::Ticked { task, problem } => self.box_ticked(&task, problem),
            Input::Warn { code, message, hint } => self.warn(&code, message, hint),
            Input::PlanChanged => {
                let plan = self.spec.plan.clone();
                self.record(EventBody::PlanChanged { plan });
            }
            Input::Approve { gate, by } => self.approve(&gate, &by),
            Input::Retry { tasks, layer, agent, say } => {
                self.retry(&tasks, layer, agent.as_ref(), say.as_ref())
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

    fn earliest_back(&self) -> Option<Timestamp> {
        let sky = self.sky();
        self.queue
            .heads()
            .filter_map(|(line, _)| match pick(&line.ladder, &sky) {
                Pick::At(at) => Some(at),
                Pick::Now(_) | Pick::Never(_) => None,
            })
            .min()
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
            spent: self.spec.settings.budget_usd.is_some_and(|budget| self.spent >= budget),
            max_wait: self.spec.settings.max_wait,
            now: self.now,
        }
    }

    fn rank(&self, place: usize) -> Rank {
        let priority = self.task(place).priority.unwrap_or(USUAL_PRIORITY);
        (priority, Reverse(self.graph.chain[place]), place)
    }

    /// The number of the line in which the task stands before its first attempt; its ladder is the
    /// task's.
    fn fresh_line(&mut self, place: usize) -> usize {
        let pins = Pins::of(self.task(place), Choice::of(&self.view.tasks[place]));
        let spec = &self.spec;
        self.queue.line(LineKey::Fresh(pins.clone()), |_| Ladder::by_pins(&pins, spec))
    }

    /// The task's ladder.
    fn ladder(&mut self, place: usize) -> &Ladder {
        let line = self.fresh_line(place);
        self.queue.ladder(line)
    }

    /// Puts a task in line: a new one by its ladder, one that goes on by where it does.
    fn enqueue(&mut self, place: usize) {
        let rank = self.rank(place);
        let task = &self.view.tasks[place];
        let wanted = if task.status == TaskStatus::Retrying {
            task.next.clone()
        } else {
            // Put back by a stop: it goes on where it was, if that is to be had.
            task.counted_attempts()
                .last()
                .filter(|last| last.status == AttemptStatus::Cancelled)
                .map(|last| last.rung.clone())
        };
        let fresh = self.fresh_line(place);
        let line = match wanted {
            None => fresh,
            Some(rung) => match self.queue.ladder(fresh).step(&rung).cloned() {
                Some(step) if self.sky().standing(&step) == Standing::Ready => self.again_line(step),
                Some(step) if self.status(place) == TaskStatus::Retrying => self.again_line(step),
                Some(_) | None => fresh,
            },
        };
        self.queue.insert(rank, line);
    }

    fn again_line(&mut self, step: Step) -> usize {
        self.queue
            .line(LineKey::Again(step.rung.clone()), |_| Ladder { steps: vec![step], ..Ladder::default() })
    }

    /// Puts a task that is tried again in line, now or when its time has come.
    fn schedule(&mut self, place: usize) {
        match self.view.tasks[place].retry_at {
            Some(at) if at > self.now => {
                self.timers.insert((at, place));
            }
            Some(_) | None => self.enqueue(place),
        }
    }

    /// Takes a task out of queue and timers, and lets those go on that it kept back.
    fn leave(&mut self, place: usize) {
        self.queue.remove(self.rank(place));
        if let Some(at) = self.view.tasks[place].retry_at {
            self.timers.remove(&(at, place));
        }
        self.release(place);
    }

    fn release(&mut self, place: usize) {
        for waiting in self.queue.release(place) {
            self.enqueue(waiting);
        }
    }

    fn may_start(&self) -> bool {
        self.phase == Phase::Live
            && !self.tripped
            && self.round.is_none()
            && self.flights.values().all(|flight| flight.stage != Stage::Awaiting)
    }

    /// Starts what can start.
    fn fill(&mut self) {
        while self.may_start() && !self.slots.are_full(&self.spec) {
            let Some((rank, found)) = self.find() else { break };
            let place = rank.2;
            match found {
                Found::Start(rung) => match self.in_the_way(place) {
                    Some(other) => self.queue.keep_back(rank, other),
                    None => self.start(place, rung),
                },
                Found::Elsewhere(wanted) => self.redirect(place, &wanted),
                Found::Nowhere(failure) => {
                    self.leave(place);
                    self.fail(place, failure);
                }
            }
        }
    }

    /// The first task that can start, or one about which something else is to be decided first.
    fn find(&self) -> Option<(Rank, Found)> {
        let sky = self.sky();
        let mut best: Option<(Rank, &Step)> = None;
        for (line, rank) in self.queue.heads() {
            match (pick(&line.ladder, &sky), &line.key) {
                (Pick::Now(step), _) => {
                    let first = best.as_ref().is_none_or(|(other, _)| rank < *other);
                    if first && self.slots.allow(&step.rung, &self.spec) {
                        best = Some((rank, step));
                    }
                }
                (Pick::At(_) | Pick::Never(_), LineKey::Again(rung)) => {
                    return Some((rank, Found::Elsewhere(rung.clone())));
                }
                (Pick::At(_), LineKey::Fresh(_)) => {}
                (Pick::Never(failure), LineKey::Fresh(_)) => return Some((rank, Found::Nowhere(failure))),
            }
        }
        best.map(|(rank, step)| (rank, Found::Start(step.rung.clone())))
    }

    /// The task that has to be done before this one starts, because both touch the same files: one
    /// that is under way, or an earlier one of the plan that could start as well.
    fn in_the_way(&self, place: usize) -> Option<usize> {
        self.graph.conflicts[place]
            .iter()
            .copied()
            .find(|&other| self.flights.contains_key(&other) || (other < place && self.queue.contains(other)))
    }

    /// The rung at which a task was to go on is not to be had any more.
    fn redirect(&mut self, place: usize, wanted: &Rung) {
        if self.status(place) != TaskStatus::Retrying {
            let line = self.fresh_line(place);
            let rank = self.rank(place);
            self.queue.insert(rank, line);
            return;
        }
        let fresh = self.fresh_line(place);
        let task = &self.view.tasks[place];
        let next = decide_again(task.counted_attempts(), wanted, self.queue.ladder(fresh), &self.sky());
        self.leave(place);
        match next {
            Next::Again { rung, at } => self.retry_at(place, rung, at),
            Next::Fail(failure) => self.fail(place, failure),
        }
    }

    /// Records that a task is tried again, and puts it in line.
    fn retry_at(&mut self, place: usize, next: Rung, at: Timestamp) {
        let task = &self.view.tasks[place];
        let attempt = task.attempts.last().map_or(1, |last| last.attempt + 1);
        let last_failure = task.attempts.last().and_then(|last| last.failure().cloned());
        let why = last_failure
            .or_else(|| task.failure.clone())
            .unwrap_or_else(|| Failure::new(FailureKind::Lost, "nobody saw its end"));
        let task_id = self.id(place);
        self.record(EventBody::TaskRetrying { task_id, attempt, at, why, next });
        if self.phase == Phase::Live {
            self.schedule(place);
        }
    }

    fn start(&mut self, place: usize, rung: Rung) {
        self.queue.remove(self.rank(place));
        let task = &self.view.tasks[place];
        let attempt = task.attempts.last().map_or(1, |last| last.attempt + 1);
        let note = attempts::note(task);
        let session = attempts::session(task, &rung);
        let timeout = self.task(place).timeout;
        let task_id = self.id(place);
        let key = AttemptKey::new(task_id.clone(), attempt);
        let deadline_at = self.now + timeout.0;
        self.record(EventBody::AttemptStarted { task_id, attempt, rung: rung.clone(), deadline_at });
        self.slots.start(&rung, &self.spec);
        let flight =
            Flight { attempt, rung: rung.clone(), stage: Stage::Running, facts: None, own: Vec::new() };
        self.flights.insert(place, flight);
        self.out.push(Effect::Spawn { key, rung, timeout, note, session });
    }

    /// Records the end of a task, or that it is held, and lets go on what need not wait for it.
    fn end_task(&mut self, place: usize, body: EventBody) {
        let before = self.is_met(place);
        self.record(body);
        if !before && self.is_met(place) && self.phase == Phase::Live {
            self.met(place);
        }
    }

    /// One need of its dependents is met.
    fn met(&mut self, place: usize) {
        let mut todo = vec![place];
        while let Some(place) = todo.pop() {
            for at in 0..self.graph.dependents[place].len() {
                let dependent = self.graph.dependents[place][at];
                self.unmet[dependent] = self.unmet[dependent].saturating_sub(1);
                if self.unmet[dependent] == 0
                    && self.status(dependent) == TaskStatus::Pending
                    && self.admit(dependent)
                {
                    todo.push(dependent);
                }
            }
        }
    }

    /// A task failed for good.
    fn fail(&mut self, place: usize, failure: Failure) {
        let task_id = self.id(place);
        self.end_task(place, EventBody::TaskFailed { task_id, failure });
        self.block_behind(place);
        if self.spec.settings.fail_fast && !self.task(place).optional && !self.is_stopping() {
            self.trip();
        }
    }

    /// Whether a need of this kind keeps what needs it from ever starting.
    fn is_bad(&self, place: usize) -> bool {
        matches!(self.status(place), TaskStatus::Failed | TaskStatus::Cancelled | TaskStatus::Blocked)
            && !self.task(place).optional
    }

    /// Blocks what needs a task that ended badly.
    fn block_behind(&mut self, place: usize) {
        let mut todo = vec![place];
        while let Some(place) = todo.pop() {
            if !self.is_bad(place) {
                continue;
            }
            for at in 0..self.graph.dependents[place].len() {
                let dependent = self.graph.dependents[place][at];
                if self.can_be_blocked(dependent) {
                    self.leave(dependent);
                    let (task_id, by) = (self.id(dependent), self.id(place));
                    self.end_task(dependent, EventBody::TaskBlocked { task_id, by });
                    todo.push(dependent);
                }
            }
        }
    }

    /// After the first failure nothing more starts; what waits for another attempt is put back.
    fn trip(&mut self) {
        if self.tripped {
            return;
        }
        self.tripped = true;
        self.record(EventBody::StopRequested { by: "fail-fast".to_owned() });
        self.put_back_retrying("fail-fast");
    }

    fn put_back_retrying(&mut self, why: &str) {
        if self.view.count(TaskStatus::Retrying) == 0 {
            return;
        }
        for place in 0..self.spec.tasks.len() {
            if self.status(place) == TaskStatus::Retrying {
                self.leave(place);
                self.reopen(place, why);
            }
        }
    }

    /// Puts a task back, with what it used up.
    fn reopen(&mut self, place: usize, why: &str) {
        let task_id = self.id(place);
        let why = why.to_owned();
        self.record(EventBody::TaskReopened {
            task_id,
            why,
            fresh: false,
            layer: None,
            agent: None,
            say: None,
        });
    }
}

/// What is to be done about the first task of a line.
enum Found {
    /// Start it here.
    Start(Rung),
    /// Decide anew: it was to go on here.
    Elsewhere(Rung),
    /// It cannot run.
    Nowhere(Failure),
}
