//! Who starts next, and where.

use std::cmp::Reverse;

use crate::model::event::EventBody;
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::AttemptKey;
use crate::model::layer::Rung;
use crate::model::money::Money;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::time::Timestamp;

use super::effect::Effect;
use super::ladder::{Choice, Ladder, Pick, Pins, Standing, Step, pick};
use super::money::{Asked, Meter};
use super::queue::{LineKey, Rank};
use super::retry::{Next, decide_again};
use super::{Flight, Phase, Scheduler, Stage, notes, sessions};

/// The priority of a task that names none.
const USUAL_PRIORITY: u8 = 5;

/// What is to be done about the first task of a line.
enum Found {
    /// Start it here.
    Start(Rung),
    /// Decide anew: it was to go on here.
    Elsewhere(Rung),
    /// It cannot run.
    Nowhere(Failure),
}

impl Scheduler {
    pub(super) fn rank(&self, place: usize) -> Rank {
        let priority = self.task(place).priority.unwrap_or(USUAL_PRIORITY);
        (priority, Reverse(self.graph.chain[place]), place)
    }

    /// The number of the line in which the task stands before its first attempt; its ladder is the
    /// task's.
    pub(super) fn fresh_line(&mut self, place: usize) -> usize {
        let pins = Pins::of(self.task(place), Choice::of(&self.view.tasks[place]));
        let spec = &self.spec;
        self.queue.line(LineKey::Fresh(pins.clone()), |_| Ladder::by_pins(&pins, spec))
    }

    /// The task's ladder.
    pub(super) fn ladder(&mut self, place: usize) -> &Ladder {
        let line = self.fresh_line(place);
        self.queue.ladder(line)
    }

    /// Puts a task in line: a new one by its ladder, one that goes on by where it does.
    pub(super) fn enqueue(&mut self, place: usize) {
        if self.asked.contains_key(&place) {
            // It is taken up when the answer is there.
            return;
        }
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
    pub(super) fn schedule(&mut self, place: usize) {
        match self.view.tasks[place].retry_at {
            Some(at) if at > self.now => {
                self.timers.insert((at, place));
            }
            Some(_) | None => self.enqueue(place),
        }
    }

    /// Puts a task in line for which no money was to be had, or that went another way meanwhile.
    pub(super) fn take_up(&mut self, place: usize) {
        match self.status(place) {
            TaskStatus::Pending if self.unmet[place] == 0 => self.enqueue(place),
            TaskStatus::Retrying => self.schedule(place),
            TaskStatus::Pending
            | TaskStatus::Running
            | TaskStatus::Verifying
            | TaskStatus::Landing
            | TaskStatus::Succeeded
            | TaskStatus::Failed
            | TaskStatus::Cancelled
            | TaskStatus::Blocked
            | TaskStatus::Held
            | TaskStatus::Skipped => {}
        }
    }

    /// Takes a task out of queue and timers, and lets those go on that it kept back.
    pub(super) fn leave(&mut self, place: usize) {
        self.forget_asked(place);
        self.queue.remove(self.rank(place));
        if let Some(at) = self.view.tasks[place].retry_at {
            self.timers.remove(&(at, place));
        }
        self.release(place);
    }

    pub(super) fn release(&mut self, place: usize) {
        for waiting in self.queue.release(place) {
            self.enqueue(waiting);
        }
        self.let_next_in(place);
    }

    /// Lets as many go on as the limited group of `place` may have free places, one at least: what was counted
    /// may be about to end. Whoever is let in and does not start after all has to let the next one in.
    fn let_next_in(&mut self, place: usize) {
        let Some(crew) = self.graph.crew(place) else { return };
        let at_work = self.flights.keys().chain(self.asked.keys()).copied();
        let free = self.graph.free_places(place, at_work).max(1);
        for waiting in self.queue.release_first(crew, free) {
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
    pub(super) fn fill(&mut self) {
        while self.may_start() && !self.slots.are_full(&self.spec) {
            let Some((rank, found)) = self.find() else { break };
            let place = rank.2;
            match found {
                Found::Start(rung) => {
                    if let Some(other) = self.in_the_way(place) {
                        self.queue.keep_back(rank, other);
                        if self.graph.crew(place) != Some(other) {
                            self.let_next_in(place);
                        }
                    } else {
                        self.tell_of_first_payment(place, &rung);
                        self.start(place, rung);
                    }
                }
                Found::Elsewhere(wanted) => self.redirect(place, &wanted),
                Found::Nowhere(failure) => {
                    self.leave(place);
                    self.fail(place, failure);
                }
            }
        }
        if self.may_start() && !self.slots.are_full(&self.spec) {
            self.tell_of_waits();
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
                (Pick::At(_), LineKey::Fresh(_)) | (Pick::Later | Pick::Paced(_), _) => {}
                (Pick::Never(failure), LineKey::Fresh(_)) => return Some((rank, Found::Nowhere(failure))),
            }
        }
        best.map(|(rank, step)| (rank, Found::Start(step.rung.clone())))
    }

    /// What keeps this one back: a place in its group, where the plan limits how many of it run at once,
    /// or the task that has to be done before because both touch the same files, one that is under way or
    /// an earlier one of the plan that could start as well.
    ///
    /// Those under way are few and are asked first: of many tasks that all touch one file, all but
    /// the first are turned away by that.
    fn in_the_way(&self, place: usize) -> Option<usize> {
        let at_work = self.flights.keys().chain(self.asked.keys()).copied();
        if self.graph.free_places(place, at_work) == 0 {
            return self.graph.crew(place);
        }
        let conflicts = &self.graph.conflicts[place];
        if conflicts.is_empty() {
            return None;
        }
        let under_way =
            self.flights.keys().chain(self.asked.keys()).find(|other| conflicts.binary_search(other).is_ok());
        under_way.copied().or_else(|| {
            conflicts
                .iter()
                .copied()
                .take_while(|&other| other < place)
                .find(|&other| self.queue.contains(other))
        })
    }

    /// The rung at which a task was to go on is not to be had any more.
    fn redirect(&mut self, place: usize, wanted: &Rung) {
        if self.status(place) != TaskStatus::Retrying {
            let line = self.fresh_line(place);
            let rank = self.rank(place);
            self.queue.insert(rank, line);
            self.let_next_in(place);
            return;
        }
        let fresh = self.fresh_line(place);
        let task = &self.view.tasks[place];
        let next = decide_again(task.counted_attempts(), wanted, self.queue.ladder(fresh), &self.sky());
        self.leave(place);
        match next {
            Next::Again { rung, at } => {
                self.tell_of_payment(place, &rung);
                self.tell_redirected(place, wanted, &rung);
                self.retry_at(place, rung, at);
            }
            Next::Fail(failure) => self.fail(place, failure),
        }
    }

    /// Records that a task goes elsewhere than was decided, for a reason that other tasks showed.
    fn tell_redirected(&mut self, place: usize, from: &Rung, to: &Rung) {
        let off = from.layer.and_then(|layer| self.off.get(&layer));
        let rest = from.provider.as_ref().and_then(|provider| self.view.rests.get(provider));
        let (trigger, evidence) = match (off, rest) {
            (Some(kind), _) => (*kind, "its layer is off".to_owned()),
            (None, Some(rest)) => (rest.trigger, rest.evidence.clone()),
            (None, None) => (FailureKind::BudgetExhausted, "the budget is spent".to_owned()),
        };
        if from != to {
            let attempt = self.view.tasks[place].last_attempt().map_or(0, |last| last.attempt);
            let (task_id, from, to) = (self.id(place), from.clone(), to.clone());
            self.record(EventBody::LayerMoved { task_id, attempt, from, to, trigger, evidence });
        }
    }

    /// Records that a task is tried again, and puts it in line.
    pub(super) fn retry_at(&mut self, place: usize, next: Rung, at: Timestamp) {
        let task = &self.view.tasks[place];
        let attempt = self.next_attempt(place);
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

    pub(super) fn next_attempt(&self, place: usize) -> u32 {
        self.view.tasks[place].attempts.last().map_or(1, |last| last.attempt + 1)
    }

    fn start(&mut self, place: usize, rung: Rung) {
        self.queue.remove(self.rank(place));
        if !self.ask_for_money(place, &rung) {
            self.slots.start(place, &rung, &self.spec, self.now);
            self.begin_attempt(place, rung, None);
        }
    }

    /// Starts an attempt whose slot is taken, with the money that was granted for it.
    pub(super) fn begin_attempt(&mut self, place: usize, rung: Rung, money: Option<(&Asked, Money)>) {
        let attempt = self.next_attempt(place);
        let task = &self.view.tasks[place];
        let session = sessions::session(task, &rung, &self.spec);
        let note = notes::note(task, &rung, session.is_some());
        let timeout = self.task(place).timeout;
        let task_id = self.id(place);
        let key = AttemptKey::new(task_id.clone(), attempt);
        let deadline_at = self.now + timeout.0;
        self.record(EventBody::AttemptStarted {
            task_id,
            attempt,
            rung: rung.clone(),
            deadline_at,
            session: session.clone(),
        });
        if let Some((asked, amount)) = money {
            let task_id = self.id(place);
            self.record_reserved(task_id, asked, amount);
        }
        let flight = Flight {
            attempt,
            rung: rung.clone(),
            stage: Stage::Running,
            facts: None,
            own: Vec::new(),
            meter: Meter::default(),
        };
        self.flights.insert(place, flight);
        self.out.push(Effect::Spawn { key, rung, timeout, note, session });
    }

    pub(super) fn earliest_back(&self) -> Option<Timestamp> {
        let sky = self.sky();
        self.queue
            .heads()
            .filter_map(|(line, _)| match pick(&line.ladder, &sky) {
                Pick::At(at) | Pick::Paced(at) => Some(at),
                Pick::Now(_) | Pick::Later | Pick::Never(_) => None,
            })
            .min()
    }
}
