//! A run's hold on the server: the claim, which the run waits for, and then the queue, which it does not.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::masking::Masker;
use crate::model::account::LedgerName;
use crate::model::ids::{AttemptKey, RunId, TaskId};
use crate::model::ledger::{Ask, Reservation};
use crate::model::record::Lease;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::store::{LEASE, StoreError, keys};

use super::address::Address;
use super::batch::{Batch, Meaning};
use super::elsewhere::StreamEntry;
use super::listening::Inbox;
use super::pending::Turn;
use super::providers::Providers;
use super::reports::{ReportWake, Reports, SharedReport};
use super::rights::{Doubt, Grant, Rights, Survey};
use super::scripts::{Call, Script};
use super::state::{RedisState, lease_text};
use super::trouble::Trouble;
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
    /// Whether attempts of it may begin, so that a report under its key is an old one.
    pub(in crate::store) open: bool,
    /// The record.
    pub(in crate::store) json: String,
}

/// What a writer has to know of its run.
#[derive(Debug, Clone)]
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
    ttl: Duration,
    seed: u64,
    /// Until the run is claimed.
    state: Option<Box<RedisState>>,
    /// From then on.
    queue: Option<Arc<Queue>>,
    /// From the claim on.
    rights: Option<Rights>,
    /// What is asked of the run, from then on.
    inbox: Option<Arc<Inbox>>,
    /// Who keeps what is known of providers the same there, from then on too.
    providers: Option<Arc<Providers>>,
    /// Who looks for agents' reports, from then on too.
    reports: Option<Arc<Reports>>,
    /// The tasks under whose report key something may be: all, or those that had an attempt.
    reported: Reported,
}

/// Under which report keys something may be.
#[derive(Debug)]
enum Reported {
    Anywhere,
    By(BTreeSet<TaskId>),
}

impl Mirror {
    /// Connects to a Redis, within `at_most`. Keys go `ttl` after the run's last sign of life; `seed`
    /// is for the jitter of waits.
    ///
    /// # Errors
    /// [`StoreError::Redis`], which says what is wrong with it.
    pub fn open(address: Address, ttl: Duration, seed: u64, at_most: Duration) -> Result<Self, StoreError> {
        let state = RedisState::open(address.clone(), ttl, at_most)?;
        Ok(Self {
            address,
            ttl,
            seed,
            state: Some(Box::new(state)),
            queue: None,
            rights: None,
            inbox: None,
            providers: None,
            reports: None,
            reported: Reported::Anywhere,
        })
    }

    /// Where it is.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Whether the server takes writes of a project: it gives out a fence, which nobody uses.
    ///
    /// # Errors
    /// [`StoreError::Redis`], which says why not.
    pub fn try_to_write(&self, prefix: &str) -> Result<(), StoreError> {
        self.next_fence(prefix, 0, Timestamp(0)).map(drop)
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
        &mut self,
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
            Ok(_) => {}
            Err(refused) => return Err(refused.error(run, lease.fence, task)),
        }
        let open = records.iter().filter(|record| record.open && !record.yields);
        let reports: Vec<String> = open.map(|record| keys::report(spec, &record.task)).collect();
        // If this fails, each is taken away when its first attempt begins.
        if state.remove_all(&reports).is_ok() {
            self.reported = Reported::By(BTreeSet::new());
        }
        Ok(())
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

    /// Finds out what rights agents can be given, and removes users that dead runs left. For a run that
    /// has just been claimed.
    pub(in crate::store) fn survey(&mut self, prefix: &str, run: &RunId, is_alive: &dyn Fn(&Lease) -> bool) {
        let Some(state) = &self.state else { return };
        let survey = Survey::take(state);
        match survey.clear(state, prefix, run, is_alive) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "removed users in Redis that earlier runs had left"),
            Err(error) => tracing::warn!(%error, "users that earlier runs left in Redis stay there"),
        }
        self.rights = Some(Rights::begin(self.address.clone(), survey.doubts));
    }

    /// Why the rights of agents are no more than advice.
    pub(in crate::store) fn doubts(&self) -> &[Doubt] {
        self.rights.as_ref().map_or(&[], Rights::doubts)
    }

    /// Gives an attempt a user of its own; none: there are none here, which the doubts say.
    pub(in crate::store) fn grant(
        &mut self,
        spec: &RunSpec,
        key: &AttemptKey,
    ) -> Option<Result<Grant, Trouble>> {
        self.rights.as_mut()?.grant(spec, key)
    }

    /// Takes it away again.
    pub(in crate::store) fn revoke(&mut self, key: &AttemptKey) {
        if let Some(rights) = &mut self.rights {
            rights.revoke(key);
        }
    }

    /// Begins to write what the run comes to. With `restore` the server is compared with the journal
    /// first.
    pub(in crate::store) fn follow(&mut self, following: Following, restore: bool) -> Result<(), StoreError> {
        let Some(state) = self.state.take() else { return Ok(()) };
        let run = following.spec.run_id.clone();
        let control = keys::control(&following.spec.prefix, &run);
        self.inbox = Some(Inbox::begin(self.address.clone(), state.ttl(), control)?);
        let providers = Providers::begin(self.address.clone(), self.ttl, self.seed, following.clone())?;
        self.providers = Some(providers);
        self.queue = Some(Writer::begin(*state, self.seed, following, restore)?);
        self.reports = Some(Reports::begin(self.address.clone(), self.ttl, run, self.seed)?);
        Ok(())
    }

    /// Has the report of an attempt that begins looked for, after what is under its key was taken away.
    pub(in crate::store) fn begin_report(&mut self, spec: &RunSpec, key: &AttemptKey) {
        let clear = match &mut self.reported {
            Reported::Anywhere => true,
            Reported::By(tasks) => !tasks.insert(key.task.clone()),
        };
        if let Some(reports) = &self.reports {
            reports.watch(key.clone(), keys::report(spec, &key.task), clear);
        }
    }

    /// Asks for a last look at the report of an attempt that has ended. False: there will be none.
    pub(in crate::store) fn last_report(&self, key: &AttemptKey) -> bool {
        self.reports.as_ref().is_some_and(|reports| reports.last(key))
    }

    /// Waits no longer for a last look.
    pub(in crate::store) fn give_up_report(&self, key: &AttemptKey) {
        if let Some(reports) = &self.reports {
            reports.give_up(key);
        }
    }

    /// The reports that were found since the last call.
    pub(in crate::store) fn found_reports(&self) -> Vec<SharedReport> {
        self.reports.as_ref().map(|reports| reports.found()).unwrap_or_default()
    }

    /// Asks for money of a month's budget; none: the answer comes with [`Mirror::reservations`].
    pub(in crate::store) fn ask(&self, ask: Ask, now: Timestamp) -> Option<Reservation> {
        let unclaimed = || Some(Reservation::Unknown { why: "the run is not claimed yet".to_owned() });
        self.providers.as_ref().map_or_else(unclaimed, |providers| providers.ask(ask, now))
    }

    /// The answers since the last call.
    pub(in crate::store) fn reservations(&self) -> Vec<(AttemptKey, Reservation)> {
        self.providers.as_ref().map(|providers| providers.answers()).unwrap_or_default()
    }

    /// Has these ledgers, and what is known of these providers, told there and looked at there.
    pub(in crate::store) fn tell_of(
        &self,
        ledgers: impl IntoIterator<Item = LedgerName>,
        names: impl IntoIterator<Item = String>,
        now: Timestamp,
    ) {
        if let Some(providers) = &self.providers {
            providers.tell(ledgers, names, now);
        }
    }

    /// Has `wake` called when reports were found, or something new of providers.
    pub(in crate::store) fn on_reports(&self, wake: ReportWake) {
        if let Some(providers) = &self.providers {
            providers.on_found(Arc::clone(&wake));
        }
        if let Some(reports) = &self.reports {
            reports.on_found(wake);
        }
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
        let news = self.queue.as_ref().map(|queue| queue.news()).unwrap_or_default();
        let forgot = |news: &SharedNews| matches!(news, SharedNews::Back { .. } | SharedNews::Lost { .. });
        if let Some(rights) = &self.rights
            && news.iter().any(forgot)
        {
            // A server that was started anew knows no users of ours.
            rights.renew();
        }
        news
    }

    /// Gives the run up, and waits a moment until all is written. Says whether it is.
    pub(in crate::store) fn finish(&mut self) -> bool {
        // No attempt runs any more: their users go, and that is waited for.
        self.rights = None;
        let told = self.providers.as_ref().is_none_or(|providers| providers.finish(AT_THE_END));
        let Some(queue) = &self.queue else { return true };
        queue.add(|pending| pending.release = true);
        queue.finish(AT_THE_END) && told
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
        if let Some(providers) = &self.providers {
            providers.stop();
        }
        if let Some(reports) = &self.reports {
            reports.stop();
        }
    }
}
