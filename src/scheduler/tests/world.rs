//! A scheduler with its clock, its journal and what an engine would know, and the promises that
//! are checked after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::model::event::{Event, EventBody};
use crate::model::exit::ExitCode;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::{Cost, Rung};
use crate::model::ledger::MonthLedger;
use crate::model::outcome::{AttemptFacts, CheckResult, StopReason};
use crate::model::reading::Tokens;
use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::view::{RunView, TaskView};
use crate::scheduler::{Effect, Input, Scheduler};

use super::builder::{START, check, good, stopped};

/// What an attempt is asked to do at the moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// Its process runs.
    Run,
    /// It was asked to stop.
    Stopping,
    /// Its own commands run.
    Check(Vec<String>),
    /// Its process has ended, and only the run-wide commands are left.
    Await,
}

#[derive(Debug, Clone)]
pub(super) struct Spawned {
    pub(super) rung: Rung,
    pub(super) note: Option<String>,
    pub(super) session: Option<String>,
}

pub(super) struct World {
    pub(super) spec: Arc<RunSpec>,
    pub(super) scheduler: Scheduler,
    pub(super) now: Timestamp,
    pub(super) journal: Vec<Event>,
    /// Attempts that run or are checked.
    pub(super) work: BTreeMap<AttemptKey, Work>,
    /// The run-wide commands, while they run.
    pub(super) round: Option<Vec<AttemptKey>>,
    /// The boxes that wait for their tick.
    pub(super) boxes: BTreeSet<TaskId>,
    pub(super) spawned: BTreeMap<AttemptKey, Spawned>,
    pub(super) finished: Option<(RunStatus, ExitCode)>,
    shut_down: bool,
    starts: BTreeMap<AttemptKey, u32>,
    ends: BTreeMap<AttemptKey, u32>,
    /// What is reserved and spent, by provider and month.
    pub(super) ledgers: BTreeMap<(String, String), MonthLedger>,
    /// Answers to what the scheduler asked for in the input before.
    answers: Vec<Input>,
    /// The state as an independent reader of the journal sees it.
    follower: RunView,
}

impl World {
    /// A run that has not begun.
    pub(super) fn idle(spec: RunSpec) -> Self {
        let spec = Arc::new(spec);
        Self {
            scheduler: Scheduler::new(Arc::clone(&spec)),
            follower: RunView::new(&spec),
            spec,
            now: START,
            journal: Vec::new(),
            work: BTreeMap::new(),
            round: None,
            boxes: BTreeSet::new(),
            spawned: BTreeMap::new(),
            finished: None,
            shut_down: false,
            starts: BTreeMap::new(),
            ends: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    /// A run that has begun.
    pub(super) fn start(spec: RunSpec) -> Self {
        let mut world = Self::idle(spec);
        world.send(Input::Start { host: "here".to_owned(), pid: 1, fence: 1 });
        world
    }

    /// Ends this process without a word and takes the run up from what was recorded.
    pub(super) fn crash(&mut self) {
        self.crash_after(self.journal.len());
    }

    /// As [`Self::crash`], with the last records lost.
    pub(super) fn crash_after(&mut self, kept: usize) {
        self.journal.truncate(kept);
        self.scheduler = Scheduler::recover(Arc::clone(&self.spec), &self.journal).unwrap();
        self.follower = RunView::fold(&self.spec, &self.journal).unwrap();
        self.work.clear();
        let journal = &self.journal;
        self.spawned.retain(|key, _| {
            journal.iter().any(|event| {
                matches!(&event.body,
                EventBody::AttemptStarted { task_id, attempt, .. }
                    if *task_id == key.task && *attempt == key.attempt)
            })
        });
        self.boxes.clear();
        self.round = None;
        self.finished = None;
        self.shut_down = false;
        self.recount();
    }

    fn recount(&mut self) {
        self.starts.clear();
        self.ends.clear();
        for event in &self.journal {
            count(&mut self.starts, &mut self.ends, event);
        }
    }

    pub(super) fn resume(&mut self) {
        self.send(Input::Resume { host: "there".to_owned(), pid: 2, fence: 2 });
    }

    /// Hands an input over, takes note of the effects, and checks every promise.
    pub(super) fn send(&mut self, input: Input) -> Vec<Effect> {
        let wake = input == Input::Wake;
        if matches!(input, Input::Shutdown { .. }) {
            self.shut_down = true;
        }
        let effects = self.scheduler.handle(input, self.now);
        for effect in &effects {
            assert!(self.finished.is_none(), "after the finish: {effect:?}");
            self.carry_out(effect);
        }
        for answer in std::mem::take(&mut self.answers) {
            self.send(answer);
        }
        assert_eq!(self.follower, *self.scheduler.view(), "the fold of the journal is the live state");
        self.keeps_to_the_limits();
        if wake && let Some((at, reason)) = self.scheduler.next_wake() {
            assert!(at > self.now, "the next wake ({reason}) at {at} is not later than {}", self.now);
        }
        effects
    }

    fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::Record(event) => {
                self.follower.apply(event).unwrap();
                count(&mut self.starts, &mut self.ends, event);
                if let EventBody::AttemptStarted { task_id, .. } = &event.body {
                    self.needs_are_met(task_id);
                }
                if let EventBody::AttemptEnded { task_id, attempt, .. } = &event.body {
                    self.work.remove(&AttemptKey::new(task_id.clone(), *attempt));
                }
                self.book(&event.body);
                self.journal.push(event.clone());
            }
            Effect::Spawn { key, rung, note, session, .. } => {
                assert!(!self.shut_down, "{key} is spawned after the shutdown");
                assert_eq!(self.starts.get(key), Some(&1), "{key} is spawned before its start is recorded");
                assert_eq!(self.ends.get(key), None, "{key} is spawned after its end");
                self.is_paid_for(rung);
                let spawned = Spawned { rung: rung.clone(), note: note.clone(), session: session.clone() };
                assert!(self.spawned.insert(key.clone(), spawned).is_none(), "{key} is spawned twice");
                self.work.insert(key.clone(), Work::Run);
            }
            Effect::Reserve { key, provider, month, amount, least, budget } => {
                let place = (provider.clone(), month.clone());
                let ledger = self.ledgers.entry(place).or_insert_with(|| MonthLedger::new(provider, month));
                let answer = ledger.reserve(&self.spec.run_id, key, *amount, *least, *budget);
                self.answers.push(Input::Reserved { key: key.clone(), answer });
            }
            Effect::Release { key, provider, month } => {
                let ledger = self.ledgers.get_mut(&(provider.clone(), month.clone())).unwrap();
                assert!(ledger.release(&self.spec.run_id, key), "{key} gives back what it does not have");
            }
            Effect::Stop { key, .. } => {
                if let Some(work) = self.work.get_mut(key) {
                    *work = Work::Stopping;
                }
            }
            Effect::Verify { key, commands, .. } => {
                assert!(!self.shut_down, "{key} is verified after the shutdown");
                self.work.insert(key.clone(), Work::Check(commands.clone()));
            }
            Effect::VerifyRun { tasks, .. } => {
                assert!(!self.shut_down);
                let busy: Vec<&AttemptKey> = self.work.keys().filter(|key| !tasks.contains(key)).collect();
                assert!(busy.is_empty(), "{busy:?} work while the run is verified");
                self.round = Some(tasks.clone());
            }
            Effect::Tick { task } => {
                assert!(self.boxes.insert(task.clone()), "{task} is ticked twice");
            }
            Effect::Finish { status, exit } => {
                assert!(self.work.is_empty(), "{:?} at the finish", self.work);
                assert_eq!(self.follower.exit_code, Some(exit.code()));
                assert_eq!(self.follower.status, *status);
                self.starts.keys().for_each(|key| assert_eq!(self.ends.get(key), Some(&1), "{key}"));
                self.finished = Some((*status, *exit));
            }
        }
    }

    /// Does what a store does with what an attempt cost.
    fn book(&mut self, body: &EventBody) {
        let EventBody::SpendSettled { task_id, attempt, provider, day, amount_usd, tokens, .. } = body else {
            return;
        };
        let key = AttemptKey::new(task_id.clone(), *attempt);
        for ledger in self.ledgers.values_mut() {
            ledger.release(&self.spec.run_id, &key);
        }
        if let Some(provider) = provider {
            let month = day[..7].to_owned();
            let place = (provider.clone(), month.clone());
            let ledger = self.ledgers.entry(place).or_insert_with(|| MonthLedger::new(provider, &month));
            let tokens = tokens.map_or(0, Tokens::total);
            ledger.settle(&self.spec.run_id, &key, *amount_usd, day, tokens);
        }
    }

    fn needs_are_met(&self, id: &TaskId) {
        let place = self.follower.place(id).unwrap();
        for need in &self.spec.tasks[place].needs {
            let other = self.follower.place(&need.task).unwrap();
            let status = self.follower.tasks[other].status;
            // Nobody waits for an optional task that is run again: who went on before goes on.
            let again = self.follower.tasks[place].attempts.len() > 1;
            let ended = status.is_end() || status == TaskStatus::Held;
            let met = matches!(status, TaskStatus::Succeeded | TaskStatus::Skipped)
                || (self.spec.tasks[other].optional && (ended || again));
            assert!(met, "{id} starts while {} is {status}", need.task);
        }
    }

    fn is_paid_for(&self, rung: &Rung) {
        let layer = self.spec.layers.iter().find(|layer| Some(layer.layer) == rung.layer);
        let paid = layer.is_some_and(|layer| layer.cost == Cost::Paid);
        assert!(!paid || self.spec.settings.allow_paid.is_some(), "{rung:?} is paid, and nobody approved it");
    }

    fn keeps_to_the_limits(&self) {
        let spec = &self.spec;
        assert!(self.work.len() <= spec.settings.jobs as usize, "{:?}", self.work);
        let mut agents: BTreeMap<&str, u32> = BTreeMap::new();
        let mut providers: BTreeMap<&str, u32> = BTreeMap::new();
        for (key, work) in &self.work {
            assert_eq!(self.starts.get(key), Some(&1), "{key}");
            if matches!(work, Work::Run | Work::Stopping) {
                let rung = &self.spawned[key].rung;
                *agents.entry(&rung.agent).or_default() += 1;
                if let Some(provider) = &rung.provider {
                    *providers.entry(provider).or_default() += 1;
                }
            }
            let place = self.follower.place(&key.task).unwrap();
            if let Some(limit) = &spec.tasks[place].group_limit {
                let same = |key: &&AttemptKey| {
                    let place = self.follower.place(&key.task).unwrap();
                    spec.tasks[place].group_limit.as_ref().is_some_and(|other| other.group == limit.group)
                };
                let count = self.work.keys().filter(same).count();
                assert!(count <= limit.at_most as usize, "{}: {count} of {limit:?}", key.task);
            }
            for other in &spec.tasks[place].conflicts {
                assert!(self.work.keys().all(|key| key.task != *other), "{} and {other} together", key.task);
            }
        }
        for (name, count) in agents {
            assert!(spec.agents[name].limit.is_none_or(|limit| count <= limit.max(1)), "{name}: {count}");
        }
        for (name, count) in providers {
            let limit = spec.providers.get(name).and_then(|provider| provider.limit);
            assert!(limit.is_none_or(|limit| count <= limit.max(1)), "{name}: {count}");
        }
        self.starts.values().chain(self.ends.values()).for_each(|&count| assert_eq!(count, 1));
    }

    pub(super) fn end(&mut self, key: &AttemptKey, facts: AttemptFacts) -> Vec<Effect> {
        self.work.insert(key.clone(), Work::Await);
        self.send(Input::AttemptEnded { key: key.clone(), facts: Box::new(facts) })
    }

    /// Ends the attempt that runs for a task.
    pub(super) fn end_task(
        &mut self,
        id: &str,
        facts: impl FnOnce(&AttemptKey) -> AttemptFacts,
    ) -> Vec<Effect> {
        let key = self.running(id).unwrap_or_else(|| panic!("{id} does not run"));
        let facts = facts(&key);
        self.end(&key, facts)
    }

    /// The attempt of a task that runs or is checked.
    pub(super) fn running(&self, id: &str) -> Option<AttemptKey> {
        self.work.keys().find(|key| key.task.as_str() == id).cloned()
    }

    pub(super) fn rung(&self, id: &str) -> Rung {
        let key = self.running(id).unwrap_or_else(|| panic!("{id} does not run"));
        self.spawned[&key].rung.clone()
    }

    /// The ids of the tasks that are worked on.
    pub(super) fn at_work(&self) -> Vec<&str> {
        self.work.keys().map(|key| key.task.as_str()).collect()
    }

    pub(super) fn verified(&mut self, id: &str, code: i32) -> Vec<Effect> {
        let key = self.running(id).unwrap_or_else(|| panic!("{id} is not verified"));
        let Some(Work::Check(commands)) = self.work.get(&key).cloned() else {
            panic!("{id} is not verified");
        };
        let results: Vec<CheckResult> = commands.iter().map(|command| check(command, code)).collect();
        self.work.insert(key.clone(), Work::Await);
        self.send(Input::Verified { key, results })
    }

    pub(super) fn run_verified(&mut self, code: i32) -> Vec<Effect> {
        self.round = None;
        let results = self.spec.settings.verify.iter().map(|command| check(command, code)).collect();
        self.send(Input::RunVerified { results })
    }

    /// Lets time pass to the next wake, if there is one, and wakes. Returns whether there was.
    pub(super) fn wake(&mut self) -> bool {
        let Some((at, _)) = self.scheduler.next_wake() else { return false };
        self.now = self.now.max(at);
        self.send(Input::Wake);
        true
    }

    pub(super) fn pass(&mut self, length: Duration) {
        self.now = self.now + length;
        self.send(Input::Wake);
    }

    /// Answers whatever is open, well, until the run ends.
    pub(super) fn let_all_pass(&mut self) {
        for _ in 0..100_000 {
            if self.finished.is_some() || !self.pass_one() {
                return;
            }
        }
        panic!("the run does not end");
    }

    /// Answers one thing that is open, well. Returns whether there was one.
    pub(super) fn pass_one(&mut self) -> bool {
        if let Some(task) = self.boxes.pop_first() {
            self.send(Input::Ticked { task, problem: None });
            return true;
        }
        if self.round.is_some() {
            self.run_verified(0);
            return true;
        }
        let next = self.work.iter().find(|(_, work)| **work != Work::Await);
        let next = next.map(|(key, work)| (key.clone(), work.clone()));
        match next {
            Some((key, Work::Run)) => {
                let facts = good(&key);
                self.end(&key, facts);
                true
            }
            Some((key, Work::Stopping)) => {
                self.end(&key, stopped(StopReason::Requested));
                true
            }
            Some((key, Work::Check(_))) => {
                self.verified(key.task.clone().as_str(), 0);
                true
            }
            Some((_, Work::Await)) | None => self.wake(),
        }
    }

    pub(super) fn task(&self, id: &str) -> &TaskView {
        self.scheduler.view().task(&TaskId::new(id)).unwrap_or_else(|| panic!("no task {id}"))
    }

    pub(super) fn status(&self, id: &str) -> TaskStatus {
        self.task(id).status
    }

    pub(super) fn exit(&self) -> Option<ExitCode> {
        self.finished.map(|(_, exit)| exit)
    }

    /// The events of the journal for which `pick` has an answer.
    pub(super) fn events<T>(&self, pick: impl Fn(&EventBody) -> Option<T>) -> Vec<T> {
        self.journal.iter().filter_map(|event| pick(&event.body)).collect()
    }
}

fn count(starts: &mut BTreeMap<AttemptKey, u32>, ends: &mut BTreeMap<AttemptKey, u32>, event: &Event) {
    if let EventBody::AttemptStarted { task_id, attempt, .. } = &event.body {
        *starts.entry(AttemptKey::new(task_id.clone(), *attempt)).or_default() += 1;
    }
    if let EventBody::AttemptEnded { task_id, attempt, .. } = &event.body {
        *ends.entry(AttemptKey::new(task_id.clone(), *attempt)).or_default() += 1;
    }
}
