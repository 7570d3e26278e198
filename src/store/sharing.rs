//! A store whose shared state is in a Redis too.
//!
//! The embedded shared state is written all the same: what runs on this machine sees it without the
//! server, and while the server is gone.

use rusqlite::Connection;

use crate::masking::Masker;
use crate::model::record::Lease;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;

use super::shared::embedded::Embedded;
use super::shared::redis::{ClaimedRecord, Following, Mirror, SharedNews, plan_text, summary_text};
use super::{SharedState as _, Store, StoreError, journal, keys, spending};

impl Store {
    /// Has everything from here on written to a Redis too. To be called before the first fence of a
    /// run is taken. What is written is masked by the password of that Redis too.
    pub fn share_with(&mut self, mirror: Mirror) {
        self.masker = Masker::new(mirror.address().secrets());
        self.mirror = Some(mirror);
    }

    /// What there is to tell of the Redis since the last look.
    ///
    /// # Errors
    /// What it refused since: somebody else has the run, or a task of it.
    pub fn shared_news(&mut self) -> Result<Vec<SharedNews>, StoreError> {
        let Some(mirror) = &self.mirror else { return Ok(Vec::new()) };
        mirror.refused()?;
        Ok(mirror.news())
    }

    /// The next fence of the project whose keys begin with `prefix`: above every one before, and at
    /// least `now` in milliseconds; with a Redis above all that it gave out, and by its clock.
    pub fn next_fence(&mut self, prefix: &str, now: Timestamp) -> Result<u64, StoreError> {
        let key = keys::fence(prefix);
        let own = self.write(|connection| Embedded::new(connection).next_fence(&key, now))?;
        let Some(mirror) = &self.mirror else { return Ok(own) };
        let fence = mirror.next_fence(prefix, own, now)?;
        self.write(|connection| Embedded::new(connection).raise_fence(&key, fence))?;
        Ok(fence)
    }

    /// Writes with `work`, which takes a run, and takes it in the Redis too: all of it or nothing.
    pub(super) fn take_everywhere(
        &mut self,
        spec: &RunSpec,
        lease: &Lease,
        is_alive: &dyn Fn(&Lease) -> bool,
        restore: bool,
        work: impl FnOnce(&Connection) -> Result<Vec<ClaimedRecord>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut mirror = self.mirror.take();
        let masker = self.masker.clone();
        let taken = self.write(|connection| {
            let records = work(connection)?;
            if let Some(mirror) = &mut mirror {
                claim(connection, mirror, &masker, spec, lease, &records, is_alive)?;
            }
            Ok(())
        });
        if let Some(mirror) = &mut mirror {
            match &taken {
                Ok(()) => {
                    let following = Following {
                        spec: spec.clone(),
                        lease: lease.clone(),
                        masker: self.masker.clone(),
                        journal: self.path.clone(),
                    };
                    mirror.survey(&spec.prefix, &spec.run_id, is_alive);
                    mirror.follow(following, restore)?;
                    // What a crash kept from it, and what an earlier supervisor told it last.
                    let account = self.read(|connection| spending::account(connection, &spec.run_id))?;
                    mirror.tell_of(account.ledgers().keys().cloned(), [], spec.created_at);
                }
                Err(_) => mirror.abandon(spec, lease),
            }
        }
        self.mirror = mirror;
        taken?;
        self.accounts.remove(&spec.run_id);
        self.held.insert(spec.run_id.clone(), lease.fence);
        Ok(())
    }

    /// What the Redis refused, if anything: the run has to end.
    pub(super) fn refused(&self) -> Result<(), StoreError> {
        self.mirror.as_ref().map_or(Ok(()), Mirror::refused)
    }
}

fn claim(
    connection: &Connection,
    mirror: &mut Mirror,
    masker: &Masker,
    spec: &RunSpec,
    lease: &Lease,
    records: &[ClaimedRecord],
    is_alive: &dyn Fn(&Lease) -> bool,
) -> Result<(), StoreError> {
    let view = journal::view(connection, spec)?;
    let mut summary = journal::summary_of(spec, &view);
    summary.host.clone_from(&lease.host);
    summary.pid = lease.pid;
    let summary = summary_text(&summary, masker)?;
    mirror.claim(spec, lease, &summary, &plan_text(spec, masker)?, records, is_alive)?;
    mirror.admit(spec, view.last_seq)
}
