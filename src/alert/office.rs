//! What waits for the couriers, and what they have to say: the place where the run and the threads that
//! send meet.
//!
//! Whoever tells something here never waits for the sending. However much is told, what waits for an
//! alert is one message for each run.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::masking::Masker;
use crate::model::event::Counts;
use crate::model::ids::RunId;

use super::batch::{Batch, RunFacts};
use super::courier::Courier;
use super::rules::Happening;
use super::{AlertSpec, Pace};

/// What an alert was told of, or does not have to be told of any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The alert's id.
    pub alert: String,
    /// The run.
    pub run: RunId,
    /// The number of the last event.
    pub through: u64,
}

/// What a person should know of an alert. Each is said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It cannot be delivered; it is tried again.
    Failing {
        /// Its name.
        alert: String,
        /// Where it goes, as it may be shown.
        target: String,
        /// Why.
        why: String,
    },
    /// It was refused for good, and is not sent.
    Refused {
        /// Its name.
        alert: String,
        /// Where it goes, as it may be shown.
        target: String,
        /// Why.
        why: String,
    },
}

/// Whether couriers go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum Phase {
    #[default]
    GoesOn,
    /// What waits is sent without gathering more; then they end.
    Ends,
    Stopped,
}

/// What is known of one alert.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) queue: VecDeque<Batch>,
    /// How many things are under way.
    pub(super) under_way: usize,
    /// Its courier has ended.
    pub(super) done: bool,
    pub(super) has_failed: bool,
    pub(super) was_refused: bool,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) slots: Vec<Slot>,
    pub(super) phase: Phase,
    pub(super) told: Vec<Told>,
    pub(super) news: Vec<News>,
}

/// What the run and the couriers share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // What is behind it is plain data: a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notify(&self) {
        self.changed.notify_all();
    }

    /// Waits while `so_long` holds.
    pub(super) fn wait_while<'a>(
        &self,
        state: MutexGuard<'a, State>,
        so_long: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        self.changed.wait_while(state, so_long).unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, at most for `at_most`.
    pub(super) fn wait_at_most<'a>(
        &self,
        state: MutexGuard<'a, State>,
        at_most: Duration,
        so_long: impl FnMut(&mut State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout_while(state, at_most, so_long);
        waited.map_or_else(|poisoned| poisoned.into_inner().0, |(state, _)| state)
    }
}

/// Takes in what happened and has it sent.
#[derive(Debug, Clone)]
pub struct Office {
    shared: Arc<Shared>,
    specs: Arc<[AlertSpec]>,
}

impl Office {
    /// Starts a thread for each alert. `seed` is for the jitter of waits.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn open(specs: Vec<AlertSpec>, masker: &Masker, pace: Pace, seed: u64) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.lock().slots.resize_with(specs.len(), Slot::default);
        let office = Self { shared, specs: specs.into() };
        let mut seed = fastrand::Rng::with_seed(seed);
        for (place, spec) in office.specs.iter().enumerate() {
            let courier = Courier {
                shared: Arc::clone(&office.shared),
                place,
                spec: spec.clone(),
                masker: masker.clone(),
                pace,
                random: seed.fork(),
            };
            let name = format!("alert-{}", place + 1);
            if let Err(error) = std::thread::Builder::new().name(name).spawn(move || courier.work()) {
                office.stop();
                return Err(error);
            }
        }
        Ok(office)
    }

    /// The alerts, in the order of their places.
    pub fn specs(&self) -> &[AlertSpec] {
        &self.specs
    }

    /// Has the alert at `place` told of what happened, if it is to hear of it. Does not wait.
    pub fn tell(&self, place: usize, run: &Arc<RunFacts>, happening: &Happening, counts: &Counts) {
        let Some(spec) = self.specs.get(place) else { return };
        let Some(kind) = happening.kinds.iter().find(|kind| spec.when.contains(kind)) else { return };
        let mut state = self.shared.lock();
        let queue = &mut state.slots[place].queue;
        let known = queue.iter().position(|batch| batch.run.run_id == run.run_id);
        let known = known.unwrap_or_else(|| {
            queue.push_back(Batch::new(Arc::clone(run)));
            queue.len() - 1
        });
        queue[known].add(*kind, happening.clone(), counts);
        drop(state);
        self.shared.notify();
    }

    /// What was delivered, or refused for good, since this was asked last.
    pub fn told(&self) -> Vec<Told> {
        std::mem::take(&mut self.shared.lock().told)
    }

    /// What a person should know, since this was asked last.
    pub fn news(&self) -> Vec<News> {
        std::mem::take(&mut self.shared.lock().news)
    }

    /// Has everything that waits sent, and waits for that, at most for `at_most`.
    pub fn finish(&self, at_most: Duration) {
        let mut state = self.shared.lock();
        state.phase = state.phase.max(Phase::Ends);
        self.shared.notify();
        let busy =
            |state: &mut State| state.phase != Phase::Stopped && state.slots.iter().any(|slot| !slot.done);
        let mut state = self.shared.wait_at_most(state, at_most, busy);
        state.phase = Phase::Stopped;
        drop(state);
        self.shared.notify();
    }

    /// Has couriers end; what is under way is not waited for.
    pub fn stop(&self) {
        self.shared.lock().phase = Phase::Stopped;
        self.shared.notify();
    }

    /// For each alert that was not told of everything: its name and of how many things.
    pub fn left(&self) -> Vec<(String, usize)> {
        let state = self.shared.lock();
        let left = state.slots.iter().zip(self.specs.iter()).map(|(slot, spec)| {
            let waiting: usize = slot.queue.iter().map(Batch::len).sum();
            (spec.name.clone(), waiting + slot.under_way)
        });
        left.filter(|(_, count)| *count > 0).collect()
    }

    /// Whether the alert at `place` has nothing of `run` to be told of.
    pub fn is_clear(&self, place: usize, run: &RunId) -> bool {
        self.shared.lock().slots.get(place).is_none_or(|slot| {
            slot.under_way == 0 && !slot.queue.iter().any(|batch| batch.run.run_id == *run)
        })
    }
}
