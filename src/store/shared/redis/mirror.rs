//! A run's hold on the server: the claim, which the run waits for, and then the queue, which it does not.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::masking::Masker;
use crate::model::ids::TaskId;
use crate::model::record::Lease;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::store::{LEASE, StoreError, keys};

use super::address::Address;
use super::batch::{Batch, Meaning};
use super::elsewhere::StreamEntry;
use super::listening::Inbox;
use super::pending::Turn;
use super::scripts::{Call, Script};
use super::state::{RedisState, lease_text};
use super::writer::{Queue, SharedNews, Writer};

/// How long the end of a run may take to be written.
const AT_THE_END: Duration = Duration::from_secs(3);

/// One record of a claim.
#[derive(Debug, Clone)]
pub(in crate::store) struct ClaimedRecord {
    /// Under which key.
    pub(in crate::store) key: String,
    /// Of which task.
    pub(in crate::store) task: TaskId,
    /// Its revision.
    pub(in crate::store) revision: u64,
    /// Whether the run only skips the task, and leaves it to whoever does it.
    pub(in crate::store) yields: bool,
    /// The record.
    pub(in crate::store) json: String,
}

/// What a writer has to know of its run.
#[derive(Debug)]
pub(in crate::store) struct Following {
    /// The run.
    pub(in crate::store) spec: RunSpec,
    /// The claim on it; its fence is the run's.
    pub(in crate::store) lease: Lease,
    /// What goes in is masked by this.
    pub(in crate::store) masker: Masker,
    /// The journal.
    pub(in crate::store) journal: PathBuf,
}

/// The shared state of one run in a Redis.
#[derive(Debug)]
pub struct Mirror {
    address: Address,
    seed: u64,
    /// Until the run is claimed.
    state: Option<RedisState>,
    /// From then on.
    queue: Option<Arc<Queue>>,
    /// What is asked of the run, from then on.
    inbox: Option<Arc<Inbox>>,
}

impl Mirror {
    /// Connects to a Redis, within `at_most`. Keys go `ttl` after the run's last sign of life; `seed`
    /// is for the jitter of waits.
    ///
    /// # Errors
    /// [`StoreError::Redis`], which says what is wrong with it.
    pub fn open(address: Address, ttl: Duration, seed: u64, at_most: Duration) -> Result<Self, StoreError> {
        let state = RedisState::open(address.clone(), ttl, at_most)?;
        Ok(Self { address, seed, state: Some(state), queue: None, inbox: None })
    }

    /// Where it is.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The next fence of a project, at least `floor`.
    pub(in crate::store) fn next_fence(
        &self,
        prefix: &str,
        floor: u64,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        match &self.state {
            Some(state) => state.next_fence_above(&keys::fence(prefix), floor, now),
            None => Ok(floor),
        }
    }

    /// Takes the run and its tasks in the server, all or nothing.
    pub(in crate::store) fn claim(
        &self,
        spec: &RunSpec,
        lease: &Lease,
        summary: &str,
        plan: &str,
        records: &[ClaimedRecord],
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<(), StoreError> {
        let Some(state) = &self.state else { return Ok(()) };
        let (run, prefix) = (&spec.run_id, &spec.prefix);
        let text = lease_text(lease)?;
        let call = |dead: &[String]| {
            let mut batch = Batch::new(prefix, run, lease.fence);
            batch.lease(keys::lease(prefix, run), "take", &text, LEASE);
            batch.index(keys::shared_state(prefix), &spec.project, summary);
            batch.plan(keys::plan(prefix, run), plan);
            for record in records {
                let key = record.key.clone();
                batch.record(key, &Meaning::Claim, record.revision, record.yields, &record.json);
            }
            batch.call("", &state.ttl_text(), dead)
        };
        let task = |place: usize| records.get(place.checked_sub(1)?).map(|record| record.task.clone());
        match state.persist(call, is_alive)? {
            Ok(_) => Ok(()),
            Err(refused) => Err(refused.error(run, lease.fence, task)),
        }
    }

    /// Refuses a run that was claimed and whose stream has more events than the journal, which has
    /// `last`: somebody else went on with it meanwhile. Once the lease is ours nobody adds to it.
    pub(in crate::store) fn admit(&self, spec: &RunSpec, last: u64) -> Result<(), StoreError> {
        let Some(state) = &self.state else { return Ok(()) };
        let found = state.last_of(&keys::events(&spec.prefix, &spec.run_id))?;
        if found > last {
            let what = format!("the stream of run `{}`", spec.run_id);
            return Err(StoreError::Conflict { what, expected: last, found });
        }
        Ok(())
    }

    /// Gives a claim back that came to nothing.
    pub(in crate::store) fn abandon(&self, spec: &RunSpec, lease: &Lease) {
        let Some(state) = &self.state else { return };
        let keys = vec![keys::lease(&spec.prefix, &spec.run_id)];
        let call = Call { script: Script::Release, keys, arguments: vec![lease.fence.to_string()] };
        // If this fails too, the lease runs out by itself.
        drop(state.run_one(call));
    }

    /// Begins to write what the run comes to. With `restore` the server is compared with the journal
    /// first.
    pub(in crate::store) fn follow(&mut self, following: Following, restore: bool) -> Result<(), StoreError> {
        let Some(state) = self.state.take() else { return Ok(()) };
        let key = keys::control(&following.spec.prefix, &following.spec.run_id);
        self.inbox = Some(Inbox::begin(self.address.clone(), state.ttl(), key)?);
        self.queue = Some(Writer::begin(state, self.seed, following, restore)?);
        Ok(())
    }

    /// What refused a write since; the run has to end.
    pub(in crate::store) fn refused(&self) -> Result<(), StoreError> {
        self.queue.as_ref().map_or(Ok(()), |queue| queue.refused())
    }

    /// Has a turn written.
    pub(in crate::store) fn turn(&self, turn: Turn) {
        if let Some(queue) = &self.queue {
            queue.add(|pending| pending.turn(turn));
        }
    }

    /// Has it written that the supervisor is alive; `under_way`: the keys of tasks with an attempt,
    /// none: as before.
    pub(in crate::store) fn beat(&self, at: Timestamp, under_way: Option<Vec<String>>) {
        if let Some(queue) = &self.queue {
            queue.add(|pending| pending.beat(at, under_way));
        }
    }

    /// Has the end of a task's output written.
    pub(in crate::store) fn tail(&self, key: String, json: String) {
        if let Some(queue) = &self.queue {
            queue.add(|pending| {
                pending.tails.insert(key, json);
            });
        }
    }

    /// Whether something was asked of the run.
    pub(in crate::store) fn is_asked(&self) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| inbox.has_some())
    }

    /// What was asked of the run since the last look, whatever it is.
    pub(in crate::store) fn requests(&self) -> Vec<StreamEntry> {
        self.inbox.as_ref().map(|inbox| inbox.take()).unwrap_or_default()
    }

    /// What there is to tell since the last look.
    pub(in crate::store) fn news(&self) -> Vec<SharedNews> {
        self.queue.as_ref().map(|queue| queue.news()).unwrap_or_default()
    }

    /// Gives the run up, and waits a moment until all is written. Says whether it is.
    pub(in crate::store) fn finish(&mut self) -> bool {
        let Some(queue) = self.queue.take() else { return true };
        queue.add(|pending| pending.release = true);
        queue.finish(AT_THE_END)
    }
}

impl Drop for Mirror {
    /// The writer ends with the run, however that ends. The lease then runs out by itself.
    fn drop(&mut self) {
        if let Some(inbox) = &self.inbox {
            inbox.close();
        }
        if let Some(queue) = &self.queue {
            queue.stop();
        }
    }
}
