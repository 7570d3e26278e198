//! The shared state: one JSON text for each key, and streams of them, as any store has to keep it.
//!
//! [`SharedState`] is the contract; `contract_tests` holds every implementation to it. It is small
//! and in plain data. The rule for status writes, [`decide`], is a pure function here. When what a run
//! put there goes is each implementation's own matter: the embedded one looks for it, a Redis has
//! keys that expire.

use crate::model::ids::{RunId, TaskId};
use crate::model::record::{Lease, TaskStatusRecord};
use crate::model::status::TaskStatus;
use crate::model::time::Timestamp;

use super::StoreError;

pub(super) mod embedded;
pub(super) mod redis;

#[cfg(test)]
mod contract_tests;
#[cfg(test)]
pub(super) use contract_tests::holds as holds_contract;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
pub(super) use model_tests::{holds_model, steps as model_steps};

/// What is known of the status record that is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStatus {
    /// The run that wrote it.
    pub run_id: RunId,
    /// Where the task stands.
    pub status: TaskStatus,
    /// Its revision.
    pub revision: u64,
    /// The fence of its writer.
    pub fence: u64,
}

/// What a writer takes for granted about the record that it replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// The run begins or goes on, and the key is to become its own.
    Claim,
    /// The record has this revision, and these are the statuses that follow, in order.
    Revision(u64, &'a [TaskStatus]),
}

/// A status record on its way into the store.
#[derive(Debug, Clone, Copy)]
pub struct StatusWrite<'a> {
    /// The prefix of the project's keys, as configured.
    pub prefix: &'a str,
    /// Under which key.
    pub key: &'a str,
    /// The record.
    pub record: &'a TaskStatusRecord,
    /// The record as text: masked, and valid by its schema.
    pub json: &'a str,
    /// What it follows.
    pub expected: Expected<'a>,
}

/// What the rule for status writes says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Write it.
    Write,
    /// It is there already.
    Keep,
}

/// Whether a status may be written over what is stored.
///
/// The stored fence has to be at or below the writer's; the stored record has to be of the writer's
/// own run or of one that is not alive (what such a run only skipped it does not hold); within a
/// run the revision has to be the expected one and every step a legal one.
///
/// The scripts that run in a Redis say the same in their own language; their tests hold them to this.
pub fn decide(
    stored: Option<&StoredStatus>,
    write: &StatusWrite<'_>,
    holder: impl FnOnce(&RunId) -> Result<Option<Lease>, StoreError>,
) -> Result<Decision, StoreError> {
    let record = write.record;
    let Some(stored) = stored else { return Ok(Decision::Write) };
    let own = stored.run_id == record.run_id;
    if !own
        && stored.status != TaskStatus::Skipped
        && let Some(lease) = holder(&stored.run_id)?
    {
        return Err(StoreError::Held {
            run: stored.run_id.clone(),
            task: Some(record.task_id.clone()),
            holder: holder_name(&lease),
        });
    }
    if stored.fence > record.fence {
        return Err(StoreError::Stale {
            run: record.run_id.clone(),
            fence: record.fence,
            found: stored.fence,
        });
    }
    match write.expected {
        Expected::Claim if own && stored.revision == record.revision => Ok(Decision::Keep),
        Expected::Claim => Ok(Decision::Write),
        Expected::Revision(..) if !own => Ok(Decision::Write),
        Expected::Revision(expected, steps) => {
            if stored.revision != expected {
                return Err(StoreError::Conflict {
                    what: format!("the status of task `{}`", record.task_id),
                    expected,
                    found: stored.revision,
                });
            }
            check_steps(&record.task_id, stored.status, steps)?;
            Ok(Decision::Write)
        }
    }
}

fn check_steps(task: &TaskId, mut from: TaskStatus, steps: &[TaskStatus]) -> Result<(), StoreError> {
    for &to in steps {
        if !from.may_become(to) {
            return Err(StoreError::IllegalStep { task: task.clone(), from, to });
        }
        from = to;
    }
    Ok(())
}

/// `host:pid` of the holder of a lease.
pub(super) fn holder_name(lease: &Lease) -> String {
    format!("{}:{}", lease.host, lease.pid)
}

/// A store that several runs and their readers share. Every call is one atomic step.
///
/// `alive` says whether the holder of a lease that has not run out may still be at work; a holder
/// that is known to be dead holds nothing.
pub trait SharedState {
    /// The text under `key`.
    fn get(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Every key that begins with `prefix`, in order, with its text.
    fn list(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError>;

    /// Puts `text` under `key`, whatever was there. It is `run`'s, and goes when that run's keys do, or
    /// as long after this.
    fn put(&mut self, key: &str, text: &str, run: &RunId) -> Result<(), StoreError>;

    /// Takes `key` away. Says whether it was there.
    fn delete(&mut self, key: &str) -> Result<bool, StoreError>;

    /// Writes a status record if [`decide`] allows it.
    fn write_status(
        &mut self,
        write: &StatusWrite<'_>,
        now: Timestamp,
        alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Decision, StoreError>;

    /// Says that the run that wrote the status under `key` is alive. Does nothing where the record
    /// is of another run, or of a later supervisor.
    fn beat(&mut self, key: &str, run: &RunId, fence: u64, now: Timestamp) -> Result<(), StoreError>;

    /// Adds `text` to the stream `key`. Returns its number, from 1.
    fn stream_append(&mut self, key: &str, text: &str, run: &RunId) -> Result<u64, StoreError>;

    /// The entries of the stream `key` with a number above `after`, in order.
    fn stream_read(&self, key: &str, after: u64) -> Result<Vec<(u64, String)>, StoreError>;

    /// Takes the lease under `key`, or says who holds it. What is stored is `lease` as given.
    fn take_lease(
        &mut self,
        key: &str,
        lease: &Lease,
        now: Timestamp,
        alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<(), StoreError>;

    /// Stores `lease` if the one under `key` has the same fence, or there is none.
    fn renew_lease(&mut self, key: &str, lease: &Lease) -> Result<(), StoreError>;

    /// Takes the lease under `key` away if it has this fence. Says whether it had.
    fn release_lease(&mut self, key: &str, fence: u64) -> Result<bool, StoreError>;

    /// The next fence under `key`: above every one before, and at least `now` in milliseconds.
    fn next_fence(&mut self, key: &str, now: Timestamp) -> Result<u64, StoreError>;
}
