//! The world around runs: what happens next, in the order of time.
//!
//! What is to happen stands in an ordered map by time and number, so that a step costs its logarithm and
//! two things at one time happen in the order in which they were decided.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::model::event::{Event, EventBody};
use crate::model::exit::ExitCode;
use crate::model::ids::AttemptKey;
use crate::model::ledger::MonthLedger;
use crate::model::reading::Tokens;
use crate::model::run::RunSpec;
use crate::model::status::RunStatus;
use crate::model::time::Timestamp;
use crate::model::view::{RunView, ViewError};
use crate::scheduler::{Effect, Input, Scheduler};

use super::attempt::{End, Flight};
use super::flow::Load;
use super::scenario::Scenario;

/// How many inputs a task may take before a run is taken for one that does not end.
const INPUTS_PER_TASK: u64 = 20_000;
/// The host that stands in the events.
const HOST: &str = "simulation";

/// What happens at some time.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// The scheduler is told.
    Tell(Box<Input>),
    /// An attempt asks its provider for an answer.
    Request(AttemptKey),
    /// A step of an attempt is done.
    Answered(AttemptKey),
    /// An attempt ends.
    End(AttemptKey, End),
}

/// One run and what came of it.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) spec: Arc<RunSpec>,
    pub(super) scheduler: Scheduler,
    pub(super) events: Vec<Event>,
    pub(super) finished: Option<(RunStatus, ExitCode)>,
    /// Where the money of attempts under way was reserved: provider and month.
    pub(super) reserved: BTreeMap<AttemptKey, (String, String)>,
    inputs: u64,
    fence: u64,
}

/// What came of a run.
#[derive(Debug, Clone, Copy)]
pub struct Simulated<'w> {
    /// What was run.
    pub spec: &'w RunSpec,
    /// What happened, in order.
    pub events: &'w [Event],
    /// The state at the end.
    pub view: &'w RunView,
    /// As what it ended; none: it has not.
    pub finished: Option<(RunStatus, ExitCode)>,
}

/// A run that does not end: a fault of the scheduler, or of this world.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEnd {
    /// It waits for nothing.
    #[error("the simulated run stands still after {inputs} inputs, and nothing is to happen any more")]
    Stuck {
        /// How much it was told.
        inputs: u64,
    },
    /// It goes on and on.
    #[error("the simulated run has not ended after {inputs} inputs")]
    Endless {
        /// How much it was told.
        inputs: u64,
    },
}

/// Runs, their providers and the time.
#[derive(Debug)]
pub struct World<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) start: Timestamp,
    pub(super) now: Timestamp,
    pub(super) queue: BTreeMap<(Timestamp, u64), (usize, Due)>,
    pub(super) number: u64,
    pub(super) runs: Vec<Run>,
    pub(super) flights: BTreeMap<(usize, AttemptKey), Flight>,
    pub(super) loads: BTreeMap<String, Load>,
    /// What was reserved and spent, by provider and month.
    pub(super) ledgers: BTreeMap<(String, String), MonthLedger>,
    /// The rests that were told to all runs, by provider.
    pub(super) told: BTreeMap<String, Option<Timestamp>>,
}

impl<'s> World<'s> {
    /// A world in which `specs` are run at once, all begun at the start of the scenario, or when the
    /// first of them was made.
    pub fn new(scenario: &'s Scenario, specs: Vec<RunSpec>) -> Self {
        let made = specs.first().map_or_else(Timestamp::default, |spec| spec.created_at);
        let start = scenario.start.unwrap_or(made);
        let mut world = Self {
            scenario,
            start,
            now: start,
            queue: BTreeMap::new(),
            number: 0,
            runs: Vec::new(),
            flights: BTreeMap::new(),
            loads: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        for mut spec in specs {
            // Times of the run are those of this world.
            spec.created_at = start;
            let spec = Arc::new(spec);
            let (scheduler, place) = (Scheduler::new(Arc::clone(&spec)), world.runs.len());
            let (events, reserved) = (Vec::new(), BTreeMap::new());
            world.runs.push(Run { spec, scheduler, events, finished: None, reserved, inputs: 0, fence: 1 });
            let begin = Input::Start { host: HOST.to_owned(), pid: 1, fence: 1 };
            world.at(start, place, Due::Tell(Box::new(begin)));
        }
        world
    }

    /// Lets time pass until every run has ended.
    ///
    /// # Errors
    /// [`NoEnd`] where one does not.
    pub fn run(&mut self) -> Result<(), NoEnd> {
        while self.step()? {}
        Ok(())
    }

    /// What came of the run at `place` so far, in the order in which they were given.
    pub fn simulated(&self, place: usize) -> Option<Simulated<'_>> {
        self.runs.get(place).map(|run| Simulated {
            spec: &run.spec,
            events: &run.events,
            view: run.scheduler.view(),
            finished: run.finished,
        })
    }

    /// What was reserved and spent by all runs, by provider and month.
    pub fn ledgers(&self) -> impl Iterator<Item = &MonthLedger> {
        self.ledgers.values()
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets the next thing happen. Says whether there is more.
    ///
    /// # Errors
    /// [`NoEnd`] where nothing is to happen and a run has not ended, or where that takes too long.
    pub fn step(&mut self) -> Result<bool, NoEnd> {
        let open = self.runs.iter().enumerate().filter(|(_, run)| run.finished.is_none());
        let Some(most) = open.clone().map(|(_, run)| run.inputs).max() else { return Ok(false) };
        let wakes = open.filter_map(|(place, run)| Some((run.scheduler.next_wake()?.0, place)));
        let wake = wakes.min();
        let due = self.queue.first_key_value().map(|(&(at, _), _)| at);
        match (due, wake) {
            (Some(at), Some((earlier, place))) if earlier < at => self.wake(earlier, place)?,
            (Some(_), _) => {
                let Some(((at, number), (place, due))) = self.queue.pop_first() else { return Ok(true) };
                self.now = self.now.max(at);
                self.happen(place, due, number)?;
            }
            (None, Some((at, place))) => self.wake(at, place)?,
            (None, None) => return Err(NoEnd::Stuck { inputs: most }),
        }
        Ok(true)
    }

    fn wake(&mut self, at: Timestamp, place: usize) -> Result<(), NoEnd> {
        self.now = self.now.max(at);
        self.tell(place, Input::Wake)
    }

    /// Ends the supervisor of a run without a word and takes the run up from what was recorded. What was
    /// under way is lost.
    ///
    /// # Errors
    /// [`ViewError`] where its events are not those of a run.
    pub fn restart(&mut self, place: usize) -> Result<(), ViewError> {
        let Some(run) = self.runs.get_mut(place) else { return Ok(()) };
        if run.finished.is_some() || run.events.is_empty() {
            return Ok(());
        }
        run.scheduler = Scheduler::recover(Arc::clone(&run.spec), &run.events)?;
        run.fence += 1;
        let resume = Input::Resume { host: HOST.to_owned(), pid: 1, fence: run.fence };
        // What was reserved and not recorded: nobody will start for it.
        let recorded: Vec<String> =
            run.reserved.keys().map(|key| format!("{}/{}", key.task, key.attempt)).collect();
        let id = run.spec.run_id.clone();
        for ledger in self.ledgers.values_mut() {
            if let Some(entry) = ledger.runs.get_mut(&id) {
                entry.reserved_usd.retain(|name, _| recorded.contains(name));
            }
        }
        let lost: Vec<(usize, AttemptKey)> =
            self.flights.keys().filter(|(owner, _)| *owner == place).cloned().collect();
        for flight in lost {
            self.land(&flight);
        }
        self.queue.retain(|_, (owner, _)| *owner != place);
        self.at(self.now, place, Due::Tell(Box::new(resume)));
        Ok(())
    }

    /// Whether nothing of a run is under way at this moment.
    pub fn is_idle(&self, place: usize) -> bool {
        self.flights.keys().all(|(owner, _)| *owner != place)
            && self.queue.values().all(|(owner, _)| *owner != place)
    }

    /// Has something happen at `at`; returns its number.
    pub(super) fn at(&mut self, at: Timestamp, place: usize, due: Due) -> u64 {
        self.number += 1;
        self.queue.insert((at.max(self.now), self.number), (place, due));
        self.number
    }

    /// Has a scheduler told something, after a while.
    pub(super) fn answer(&mut self, after: Duration, place: usize, input: Input) {
        self.at(self.now + after, place, Due::Tell(Box::new(input)));
    }

    /// Tells a scheduler something and does what it wants.
    pub(super) fn tell(&mut self, place: usize, input: Input) -> Result<(), NoEnd> {
        let now = self.now;
        let Some(run) = self.runs.get_mut(place) else { return Ok(()) };
        run.inputs += 1;
        let tasks = u64::try_from(run.spec.tasks.len()).unwrap_or(u64::MAX).max(1);
        if run.inputs > tasks.saturating_mul(INPUTS_PER_TASK) {
            return Err(NoEnd::Endless { inputs: run.inputs });
        }
        for effect in run.scheduler.handle(input, now) {
            self.carry_out(place, effect);
        }
        Ok(())
    }

    fn carry_out(&mut self, place: usize, effect: Effect) {
        match effect {
            Effect::Record(event) => {
                self.book(place, &event.body);
                self.share(place, &event.body);
                self.runs[place].events.push(event);
            }
            Effect::Spawn { key, rung, timeout, .. } => self.begin(place, key, rung, timeout),
            Effect::Reserve { key, provider, month, amount, least, budget } => {
                let run = self.runs[place].spec.run_id.clone();
                let answer = self.ledger(&provider, &month).reserve(&run, &key, amount, least, budget);
                self.answer(Duration::ZERO, place, Input::Reserved { key, answer });
            }
            Effect::Release { key, provider, month } => {
                let run = self.runs[place].spec.run_id.clone();
                self.ledger(&provider, &month).release(&run, &key);
            }
            Effect::Stop { key, reason } => self.stop(place, key, reason),
            Effect::Verify { key, commands, .. } => {
                let results = super::flow::passed(&commands);
                self.answer(super::flow::CHECK, place, Input::Verified { key, results });
            }
            Effect::VerifyRun { commands, .. } => {
                let results = super::flow::passed(&commands);
                self.answer(super::flow::CHECK, place, Input::RunVerified { results });
            }
            Effect::Tick { task } => {
                self.answer(Duration::ZERO, place, Input::Ticked { task, problem: None });
            }
            Effect::Finish { status, exit } => {
                self.runs[place].finished = Some((status, exit));
                self.queue.retain(|_, (owner, _)| *owner != place);
            }
        }
    }

    pub(super) fn ledger(&mut self, provider: &str, month: &str) -> &mut MonthLedger {
        let place = (provider.to_owned(), month.to_owned());
        self.ledgers.entry(place).or_insert_with(|| MonthLedger::new(provider, month))
    }

    /// Keeps the ledgers of months as the shared state would.
    fn book(&mut self, place: usize, body: &EventBody) {
        let run = self.runs[place].spec.run_id.clone();
        if let EventBody::SpendReserved { task_id, attempt, provider: Some(provider), month, .. } = body {
            let key = AttemptKey::new(task_id.clone(), *attempt);
            self.runs[place].reserved.insert(key, (provider.clone(), month.clone()));
        }
        if let EventBody::SpendSettled { task_id, attempt, provider, day, amount_usd, tokens, .. } = body {
            let key = AttemptKey::new(task_id.clone(), *attempt);
            let reserved = self.runs[place].reserved.remove(&key);
            if let Some((provider, month)) = &reserved {
                self.ledger(provider, month).release(&run, &key);
            }
            // A month is charged with what was reserved in it, whenever that ends.
            let month = reserved.map_or_else(|| day.chars().take(7).collect(), |(_, month)| month);
            if let Some(provider) = provider {
                let tokens = tokens.map_or(0, Tokens::total);
                self.ledger(provider, &month).settle(&run, &key, *amount_usd, day, tokens);
            }
        }
    }
}
