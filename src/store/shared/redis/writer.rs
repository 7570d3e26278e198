//! The thread that writes to the server what a run came to, so that the run does not wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use crate::model::ids::{RunId, TaskId};
use crate::model::time::Timestamp;
use crate::store::{LEASE, StoreError, keys};

use super::backoff;
use super::batch::{Batch, Meaning, steps_text};
use super::mirror::Following;
use super::pending::{Beat, Pending};
use super::restore;
use super::scripts::{Call, Refused, Script, holder_of};
use super::state::{RedisState, lease_text};
use super::trouble::Trouble;

/// How long a try to reach the server again may take.
const RECONNECT: Duration = Duration::from_secs(2);

/// What a person should know of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedNews {
    /// It does not take what is written. The run goes on.
    Down {
        /// Where it is, without the password.
        address: String,
        /// What is wrong.
        trouble: Trouble,
        /// The how manieth time, from 1.
        time: u32,
    },
    /// It is there again, and has what was missing.
    Back {
        /// Where it is, without the password.
        address: String,
        /// The how manieth time, from 1.
        time: u32,
    },
    /// It had lost keys, which were written again.
    Lost {
        /// Where it is, without the password.
        address: String,
        /// How many.
        keys: u64,
    },
}

/// What the run and the writer share.
#[derive(Debug, Default)]
struct Shared {
    pending: Pending,
    /// Something is being written.
    busy: bool,
    /// The last try failed.
    down: bool,
    phase: Phase,
    news: Vec<SharedNews>,
    refused: Option<Refusal>,
}

/// Whether the writer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Phase {
    #[default]
    GoesOn,
    /// No more than what waits is to be written, without waiting between tries.
    Ends,
    Stopped,
}

/// A refusal, from which errors are made as often as somebody asks.
#[derive(Debug, Clone)]
enum Refusal {
    Stale { run: RunId, fence: u64, found: u64 },
    Held { run: RunId, task: Option<TaskId>, holder: String },
}

impl Refusal {
    fn error(&self) -> StoreError {
        match self.clone() {
            Self::Stale { run, fence, found } => StoreError::Stale { run, fence, found },
            Self::Held { run, task, holder } => StoreError::Held { run, task, holder },
        }
    }
}

/// What waits for the writer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    shared: Mutex<Shared>,
    changed: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        // What is behind it is plain data: a panic elsewhere leaves it whole.
        self.shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds to what waits. Never waits itself.
    pub(super) fn add(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.lock().pending);
        self.changed.notify_all();
    }

    pub(super) fn refused(&self) -> Result<(), StoreError> {
        self.lock().refused.as_ref().map_or(Ok(()), |refusal| Err(refusal.error()))
    }

    pub(super) fn news(&self) -> Vec<SharedNews> {
        std::mem::take(&mut self.lock().news)
    }

    /// Has the writer end when nothing waits, or when a try fails. Waits for that, at most so long,
    /// and says whether everything was written.
    pub(super) fn finish(&self, at_most: Duration) -> bool {
        let mut shared = self.lock();
        shared.phase = shared.phase.max(Phase::Ends);
        self.changed.notify_all();
        let unfinished = |shared: &mut Shared| shared.phase != Phase::Stopped;
        let waited = self.changed.wait_timeout_while(shared, at_most, unfinished);
        shared = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(shared, _)| shared);
        shared.pending.is_empty() && !shared.busy && shared.refused.is_none()
    }

    /// Has the writer end at once.
    pub(super) fn stop(&self) {
        self.lock().phase = Phase::Stopped;
        self.changed.notify_all();
    }
}

/// Why a round came to nothing.
enum Failure {
    /// The server.
    Trouble(Trouble),
    /// Somebody else has the run, or a task of it.
    Refused(Refusal),
    /// The server does not have what it should.
    Behind,
}

/// The writer of one run.
pub(super) struct Writer {
    queue: Arc<Queue>,
    address: String,
    /// None: the connection is gone.
    state: Option<RedisState>,
    reopen: Box<dyn Fn() -> Result<RedisState, StoreError> + Send>,
    following: Following,
    lease: String,
    random: fastrand::Rng,
    failures: u32,
    outages: u32,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn begin(
        state: RedisState,
        seed: u64,
        following: Following,
        restore: bool,
    ) -> Result<Arc<Queue>, StoreError> {
        let queue = Arc::new(Queue::default());
        queue.lock().pending.restore = restore;
        let (address, ttl) = (state.address().clone(), state.ttl());
        let shown = address.to_string();
        let writer = Self {
            queue: Arc::clone(&queue),
            address: shown.clone(),
            state: Some(state),
            reopen: Box::new(move || RedisState::open(address.clone(), ttl, RECONNECT)),
            lease: lease_text(&following.lease)?,
            following,
            random: fastrand::Rng::with_seed(seed),
            failures: 0,
            outages: 0,
        };
        std::thread::Builder::new().name("redis-writer".to_owned()).spawn(move || writer.work()).map_err(
            |error| StoreError::Redis {
                address: shown,
                trouble: Trouble::Other(format!("cannot start a thread: {error}")),
            },
        )?;
        Ok(queue)
    }

    fn work(mut self) {
        while let Some(pending) = self.next() {
            let result = self.round(&pending);
            let mut shared = self.queue.lock();
            shared.busy = false;
            match result {
                Ok(missing) => {
                    self.failures = 0;
                    if shared.down {
                        shared.down = false;
                        shared
                            .news
                            .push(SharedNews::Back { address: self.address.clone(), time: self.outages });
                    }
                    if missing > 0 {
                        shared.news.push(SharedNews::Lost { address: self.address.clone(), keys: missing });
                        shared.pending.rebuild();
                    }
                }
                Err(Failure::Behind) => shared.pending.contradicts(pending),
                Err(Failure::Refused(refusal)) => {
                    shared.refused = Some(refusal);
                    shared.phase = Phase::Stopped;
                }
                Err(Failure::Trouble(trouble)) => {
                    self.failures = self.failures.saturating_add(1);
                    if !shared.down {
                        self.outages += 1;
                        shared.down = true;
                        let address = self.address.clone();
                        shared.news.push(SharedNews::Down { address, trouble, time: self.outages });
                    }
                    shared.pending.give_back(pending);
                    // At the end of a run there is nobody to wait for another try.
                    if shared.phase == Phase::Ends {
                        shared.phase = Phase::Stopped;
                    }
                }
            }
            drop(shared);
            self.queue.changed.notify_all();
        }
        self.queue.lock().phase = Phase::Stopped;
        self.queue.changed.notify_all();
    }

    /// What to write next; none: it is over. Waits until there is something, and after a failure for
    /// a while.
    fn next(&mut self) -> Option<Pending> {
        let mut shared = self.queue.lock();
        if self.failures > 0 {
            let wait = backoff::delay(self.failures, self.random.u64(..));
            let goes_on = |shared: &mut Shared| shared.phase == Phase::GoesOn;
            let waited = self.queue.changed.wait_timeout_while(shared, wait, goes_on);
            shared = waited.map_or_else(|poisoned| poisoned.into_inner().0, |(shared, _)| shared);
        }
        let idle = |shared: &mut Shared| shared.phase == Phase::GoesOn && shared.pending.is_empty();
        let waited = self.queue.changed.wait_while(shared, idle);
        shared = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        if shared.phase == Phase::Stopped || shared.pending.is_empty() {
            return None;
        }
        shared.busy = true;
        Some(std::mem::take(&mut shared.pending))
    }

    /// Writes what waits, in one round trip where nothing is missing. Returns how many keys were gone.
    fn round(&mut self, pending: &Pending) -> Result<u64, Failure> {
        let state = match self.state.take() {
            Some(state) => state,
            None => (self.reopen)().map_err(|error| Failure::Trouble(trouble_of(error)))?,
        };
        let result = self.write(&state, pending);
        // After a fault of the connection what was sent may or may not have been done: a new one
        // begins, and everything is compared.
        if !matches!(result, Err(Failure::Trouble(_))) {
            self.state = Some(state);
        }
        result
    }

    fn write(&self, state: &RedisState, pending: &Pending) -> Result<u64, Failure> {
        let spec = &self.following.spec;
        if pending.restore {
            let seen = pending.beat.as_ref().map(|beat| beat.at);
            self.restore(state, seen, pending.overwrite)?;
        }
        let mut calls = Vec::new();
        let mut tasks = Vec::new();
        if !pending.events.is_empty() || !pending.records.is_empty() || pending.summary.is_some() {
            let mut batch = self.batch();
            batch.events(keys::events(&spec.prefix, &spec.run_id), pending.events.clone());
            if let Some(summary) = &pending.summary {
                batch.index(keys::shared_state(&spec.prefix), &spec.project, summary);
            }
            for record in pending.records.values() {
                let meaning = Meaning::Follow(record.expected, steps_text(&record.steps));
                batch.record(record.key.clone(), &meaning, record.revision, record.yields, &record.json);
                tasks.push(record.task.clone());
            }
            calls.push(batch.call("", &state.ttl_text(), &[]));
        }
        let beats = pending.beat.iter().map(|beat| self.beat(state, beat));
        let mut counted = None;
        for call in beats {
            counted = Some(calls.len());
            calls.push(call);
        }
        for (key, json) in &pending.tails {
            calls.push(Call {
                script: Script::Put,
                keys: vec![key.clone()],
                arguments: vec![json.clone(), state.ttl_text()],
            });
        }
        if pending.release {
            let keys = vec![keys::lease(&spec.prefix, &spec.run_id)];
            let arguments = vec![self.following.lease.fence.to_string()];
            calls.push(Call { script: Script::Release, keys, arguments });
        }
        let replies = state.run(&calls).map_err(Failure::Trouble)?;
        let mut missing = 0;
        for (place, reply) in replies.into_iter().enumerate() {
            match reply {
                Ok(count) if Some(place) == counted => missing = count,
                Ok(_) => {}
                Err(refused) => {
                    return Err(self.failure(refused, |place| tasks.get(place.checked_sub(1)?).cloned()));
                }
            }
        }
        Ok(missing)
    }

    fn restore(&self, state: &RedisState, seen: Option<Timestamp>, overwrite: bool) -> Result<(), Failure> {
        // What was sent before a connection broke may be done after this, and must not take anything
        // back then; so what is further on stays, unless it is known to contradict the journal.
        let meaning = if overwrite { Meaning::Restore } else { Meaning::Mend };
        let told = |error: StoreError| Failure::Trouble(trouble_of(error));
        let spec = &self.following.spec;
        let last = state.last_of(&keys::events(&spec.prefix, &spec.run_id)).map_err(told)?;
        let told_by_journal = restore::read(&self.following.journal, spec, last).map_err(told)?;
        let batches =
            told_by_journal.batches(spec, self.following.lease.fence, &meaning, seen, &self.following.masker);
        for mut batch in batches.map_err(told)? {
            batch.lease(keys::lease(&spec.prefix, &spec.run_id), "renew", &self.lease, LEASE);
            let replies = state.run(&[batch.call("", &state.ttl_text(), &[])]).map_err(Failure::Trouble)?;
            for reply in replies {
                reply.map_err(|refused| self.failure(refused, |_| None))?;
            }
        }
        Ok(())
    }

    fn batch(&self) -> Batch {
        let (spec, lease) = (&self.following.spec, &self.following.lease);
        let mut batch = Batch::new(&spec.prefix, &spec.run_id, lease.fence);
        batch.lease(keys::lease(&spec.prefix, &spec.run_id), "renew", &self.lease, LEASE);
        batch
    }

    fn beat(&self, state: &RedisState, beat: &Beat) -> Call {
        let (spec, lease) = (&self.following.spec, &self.following.lease);
        let run = &spec.run_id;
        let mut keys = vec![keys::lease(&spec.prefix, run)];
        keys.extend(beat.under_way.iter().cloned());
        keys.push(keys::events(&spec.prefix, run));
        keys.push(keys::plan(&spec.prefix, run));
        keys.push(keys::shared_state(&spec.prefix));
        let others = spec.tasks.iter().filter(|task| !restore::is_skipped(task));
        let others = others.map(|task| keys::status(spec, &task.id));
        keys.extend(others.filter(|key| !beat.under_way.contains(key)));
        let arguments = vec![
            run.as_str().to_owned(),
            lease.fence.to_string(),
            String::new(),
            state.ttl_text(),
            self.lease.clone(),
            LEASE.as_millis().to_string(),
            beat.at.to_string(),
            beat.under_way.len().to_string(),
        ];
        Call { script: Script::Beat, keys, arguments }
    }

    fn failure(&self, refused: Refused, task: impl Fn(usize) -> Option<TaskId>) -> Failure {
        let (run, fence) = (self.following.spec.run_id.clone(), self.following.lease.fence);
        match refused {
            Refused::Stale { found } => Failure::Refused(Refusal::Stale { run, fence, found }),
            Refused::Held { place, run, lease } => {
                Failure::Refused(Refusal::Held { run, task: task(place), holder: holder_of(&lease) })
            }
            Refused::Conflict { .. } | Refused::Illegal { .. } | Refused::Gap { .. } => Failure::Behind,
        }
    }
}

/// What a person is told of an error, be it of the server or of reading the journal.
pub(super) fn trouble_of(error: StoreError) -> Trouble {
    if let StoreError::Redis { trouble, .. } = error { trouble } else { Trouble::Other(error.to_string()) }
}
