//! The thread that delivers one alert: gathers, sends, tries again.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use crate::masking::Masker;

use super::batch::Batch;
use super::office::{News, Phase, Shared, State, Told};
use super::{AlertSpec, Delivery, Failing, Pace, send};

/// Delivers what waits for one alert.
pub(super) struct Courier {
    pub(super) shared: Arc<Shared>,
    /// Which alert.
    pub(super) place: usize,
    pub(super) spec: AlertSpec,
    pub(super) masker: Masker,
    pub(super) pace: Pace,
    pub(super) random: fastrand::Rng,
}

impl Courier {
    pub(super) fn work(mut self) {
        while let Some(batch) = self.next() {
            let failing = self.deliver(&batch);
            let gave_up = failing.as_ref().is_some_and(|failing| failing.again);
            match self.settle(batch, failing) {
                // Whoever was just told, or cannot be told, is left alone for a while.
                Phase::GoesOn => self.rest(if gave_up { self.pace.rest } else { self.pace.between }),
                Phase::Ends if !gave_up => {}
                Phase::Ends | Phase::Stopped => break,
            }
        }
        self.shared.lock().slots[self.place].done = true;
        self.shared.notify();
    }

    /// The next message, once what happens at the same time is in it. None: there is nothing more to do.
    fn next(&self) -> Option<Batch> {
        let place = self.place;
        let waits = |state: &mut State| state.phase == Phase::GoesOn && state.slots[place].queue.is_empty();
        let state = self.shared.wait_while(self.shared.lock(), waits);
        let goes_on = |state: &mut State| state.phase == Phase::GoesOn;
        let mut state = self.shared.wait_at_most(state, self.pace.gather, goes_on);
        if state.phase == Phase::Stopped {
            return None;
        }
        let batch = state.slots[place].queue.pop_front()?;
        state.slots[place].under_way = batch.len();
        Some(batch)
    }

    /// Tries until it is delivered, refused, or the tries are used up. None: it was delivered.
    fn deliver(&mut self, batch: &Batch) -> Option<Failing> {
        let alert = batch.alert(&self.masker)?;
        let mut failures = 0;
        loop {
            let failing = match send(&self.spec, &alert, &self.masker) {
                Delivery::Delivered { .. } => return None,
                Delivery::Failed(failing) => failing,
            };
            failures += 1;
            if !failing.again || failures > self.spec.retries {
                return Some(failing);
            }
            let delay = self.pace.delay(failures, failing.after, self.random.u64(..));
            if self.shared.lock().phase == Phase::Stopped {
                return Some(failing);
            }
            self.pause(delay);
        }
    }

    /// Writes down what came of a message. Says how it goes on.
    fn settle(&self, batch: Batch, failing: Option<Failing>) -> Phase {
        let mut state = self.shared.lock();
        state.slots[self.place].under_way = 0;
        match failing {
            Some(failing) if failing.again => {
                self.put_back(&mut state, batch);
                if !std::mem::replace(&mut state.slots[self.place].has_failed, true) {
                    let (alert, target) = self.named();
                    state.news.push(News::Failing { alert, target, why: failing.why });
                }
            }
            refused => {
                let told = Told {
                    alert: self.spec.id.clone(),
                    run: batch.run.run_id.clone(),
                    through: batch.through,
                };
                state.told.push(told);
                if let Some(failing) = refused
                    && !std::mem::replace(&mut state.slots[self.place].was_refused, true)
                {
                    let (alert, target) = self.named();
                    state.news.push(News::Refused { alert, target, why: failing.why });
                }
            }
        }
        let phase = state.phase;
        drop(state);
        self.shared.notify();
        phase
    }

    /// What happened meanwhile in the same run follows it in the same message.
    fn put_back(&self, state: &mut MutexGuard<'_, State>, mut batch: Batch) {
        let queue = &mut state.slots[self.place].queue;
        if let Some(later) = queue.iter().position(|later| later.run.run_id == batch.run.run_id)
            && let Some(later) = queue.remove(later)
        {
            batch.append(later);
        }
        queue.push_front(batch);
    }

    /// Waits before the next try. The end of a run cuts it short, once.
    fn pause(&self, length: Duration) {
        let state = self.shared.lock();
        let phase = state.phase;
        drop(self.shared.wait_at_most(state, length, |state| state.phase == phase));
    }

    /// Leaves it alone, as long as the run goes on.
    fn rest(&self, length: Duration) {
        let state = self.shared.lock();
        drop(self.shared.wait_at_most(state, length, |state| state.phase == Phase::GoesOn));
    }

    fn named(&self) -> (String, String) {
        (self.spec.name.clone(), self.spec.target.shown())
    }
}
