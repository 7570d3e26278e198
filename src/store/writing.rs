//! What a supervisor, and those who ask something of it, write.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::masking::Masker;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskId};
use crate::model::record::{Control, Lease, TaskStatusRecord};
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::model::task::Entry;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::schema::SchemaKind;

use super::shared::embedded::Embedded;
use super::shared::redis::{ClaimedRecord, Mirror, Turn, TurnRecord, summary_text};
use super::{
    Expected, KEEP, LEASE, SharedState as _, StatusWrite, Store, StoreError, TAIL_BYTES, cooldowns, door,
    journal, keys, spending, spent,
};

impl Store {
    /// Writes a run down, before anything of it starts.
    pub fn create_run(&mut self, spec: &RunSpec) -> Result<(), StoreError> {
        self.write(|connection| journal::insert_run(connection, spec, 0))
    }

    /// Makes the holder of `lease` the supervisor of the run for [`LEASE`] from `now` (whatever
    /// `lease.until` says), and the run the owner of its tasks' keys.
    ///
    /// [`StoreError::Held`] where another live supervisor has the run, or another live run one of the
    /// tasks; a holder that `is_alive` denies holds nothing. Tasks that enter the run skipped are not
    /// claimed.
    pub fn acquire_lease(
        &mut self,
        spec: &RunSpec,
        lease: &Lease,
        now: Timestamp,
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<(), StoreError> {
        let masker = self.masker.clone();
        self.take_everywhere(spec, lease, is_alive, true, |connection| {
            take_hold(connection, &masker, spec, lease, now, is_alive)
        })
    }

    /// Writes a new run down and acquires its lease, both or neither: a run that is refused leaves
    /// nothing behind. See [`Store::create_run`] and [`Store::acquire_lease`].
    pub fn begin_run(
        &mut self,
        spec: &RunSpec,
        lease: &Lease,
        now: Timestamp,
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<(), StoreError> {
        let masker = self.masker.clone();
        self.take_everywhere(spec, lease, is_alive, false, |connection| {
            journal::insert_run(connection, spec, 0)?;
            take_hold(connection, &masker, spec, lease, now, is_alive)
        })
    }

    /// Takes a run as [`Store::acquire_lease`] does, with the tasks that its plan has now: `spec`, and
    /// the `events` that say so, after which it stands at `view`. All or nothing.
    ///
    /// [`StoreError::Conflict`] where something happened in the run since those events were made.
    pub fn replan_run(
        &mut self,
        spec: &RunSpec,
        view: &RunView,
        events: &[Event],
        lease: &Lease,
        now: Timestamp,
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<(), StoreError> {
        let masker = self.masker.clone();
        self.take_everywhere(spec, lease, is_alive, true, |connection| {
            let head = journal::head(connection, &spec.run_id)?;
            head.admit(&spec.run_id, lease.fence)?;
            journal::replace_spec(connection, spec)?;
            journal::insert_events(connection, &masker, &spec.run_id, head, events)?;
            journal::update_run(connection, spec, view, now)?;
            take_hold(connection, &masker, spec, lease, now, is_alive)
        })
    }

    /// Extends a lease to [`LEASE`] from `now`.
    pub fn renew_lease(&mut self, spec: &RunSpec, lease: &Lease, now: Timestamp) -> Result<(), StoreError> {
        self.refused()?;
        self.write(|connection| {
            journal::head(connection, &spec.run_id)?.admit(&spec.run_id, lease.fence)?;
            journal::seen(connection, &spec.run_id, now)?;
            Embedded::new(connection)
                .renew_lease(&keys::lease(&spec.prefix, &spec.run_id), &extended(lease, now))
        })?;
        if let Some(mirror) = &self.mirror {
            mirror.beat(now, None);
        }
        Ok(())
    }

    /// Gives a lease back. One that was taken over meanwhile is left alone. Where a Redis is used too,
    /// waits a moment until it has everything; says whether it has.
    pub fn release_lease(&mut self, spec: &RunSpec, lease: &Lease) -> Result<bool, StoreError> {
        self.held.remove(&spec.run_id);
        let key = keys::lease(&spec.prefix, &spec.run_id);
        self.write(|connection| Embedded::new(connection).release_lease(&key, lease.fence).map(drop))?;
        Ok(self.mirror.as_mut().is_none_or(Mirror::finish))
    }

    /// Writes events down and, with them, all that follows from them: the status records of their
    /// tasks, and how the run stands. `view` is the state after the events. All or nothing.
    pub fn append(
        &mut self,
        spec: &RunSpec,
        view: &RunView,
        events: &[Event],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(last) = events.last() else { return Ok(()) };
        if last.seq != view.last_seq {
            return Err(StoreError::Conflict {
                what: format!("the state of run `{}`", spec.run_id),
                expected: last.seq,
                found: view.last_seq,
            });
        }
        self.refused()?;
        let fence = self.fence_of(view);
        let masker = self.masker.clone();
        let mut turn = Turn::default();
        let account = self.account_with(&spec.run_id, events)?;
        let rests = cooldowns::recorded(spec, view, events);
        self.write(|connection| {
            let head = journal::head(connection, &spec.run_id)?;
            head.admit(&spec.run_id, fence)?;
            if let Some((_, bookings)) = &account {
                spending::book(connection, &masker, spec, bookings, now)?;
            }
            spent::write(connection, &masker, events)?;
            cooldowns::put(connection, &masker, &spec.prefix, &rests, now)?;
            turn.events = journal::insert_events(connection, &masker, &spec.run_id, head, events)?;
            for (place, touched) in touched_by(events, view)? {
                turn.records.push(write_touched(
                    connection,
                    &masker,
                    spec,
                    view,
                    (place, touched),
                    fence,
                    now,
                )?);
            }
            journal::update_run(connection, spec, view, now)?;
            if journal::end_among(events) == Some(true) {
                Embedded::new(connection).expire_run(&spec.run_id, Some(now + KEEP))?;
            }
            Ok(())
        })?;
        let bookings = account.map_or_else(Vec::new, |(account, bookings)| {
            self.accounts.insert(spec.run_id.clone(), account);
            bookings
        });
        if !(bookings.is_empty() && rests.is_empty()) {
            let ledgers = bookings.into_iter().map(|(name, _)| name);
            self.tell_of(ledgers, rests.into_iter().map(|rest| rest.provider), now);
        }
        if let Some(mirror) = &self.mirror {
            turn.summary = summary_text(&journal::summary_of(spec, view), &masker)?;
            mirror.turn(turn);
        }
        Ok(())
    }

    /// Says that the supervisor is alive: moves `heartbeat_at` of the tasks with an attempt under
    /// way, and extends the lease.
    pub fn heartbeat(&mut self, spec: &RunSpec, view: &RunView, now: Timestamp) -> Result<(), StoreError> {
        self.refused()?;
        let fence = self.fence_of(view);
        self.write(|connection| {
            journal::head(connection, &spec.run_id)?.admit(&spec.run_id, fence)?;
            let mut shared = Embedded::new(connection);
            for task in view.tasks.iter().filter(|task| task.status.is_active()) {
                shared.beat(&keys::status(spec, &task.id), &spec.run_id, fence, now)?;
            }
            let key = keys::lease(&spec.prefix, &spec.run_id);
            if let Some(lease) = shared.lease(&key)?
                && lease.fence == fence
            {
                shared.renew_lease(&key, &extended(&lease, now))?;
            }
            journal::seen(connection, &spec.run_id, now)
        })?;
        if let Some(mirror) = &self.mirror {
            let under_way = view.tasks.iter().filter(|task| task.status.is_active());
            mirror.beat(now, Some(under_way.map(|task| keys::status(spec, &task.id)).collect()));
        }
        Ok(())
    }

    /// Asks something of a run. Returns the number of the request.
    pub fn push_control(&mut self, run: &RunId, control: &Control) -> Result<u64, StoreError> {
        let text = door::document(
            &self.masker,
            SchemaKind::Control,
            || format!("the request to run `{run}`"),
            control,
        )?;
        self.write(|connection| {
            let prefix = journal::prefix(connection, run)?;
            Embedded::new(connection).stream_append(&keys::control(&prefix, run), &text, run)
        })
    }

    /// Keeps the end of what a task's agent printed: its last [`TAIL_BYTES`], masked.
    pub fn put_tail(&mut self, spec: &RunSpec, task: &TaskId, text: &str) -> Result<(), StoreError> {
        let masked = self.masker.mask(text).into_owned();
        let mut start = masked.len().saturating_sub(TAIL_BYTES);
        while !masked.is_char_boundary(start) {
            start += 1;
        }
        let json = serde_json::Value::from(&masked[start..]).to_string();
        let key = keys::tail(spec, task);
        self.write(|connection| Embedded::new(connection).put(&key, &json, &spec.run_id))?;
        if let Some(mirror) = &self.mirror {
            mirror.tail(key, json);
        }
        Ok(())
    }

    /// The fence this process writes a run with: the one it took, which its state learns of with the
    /// first event.
    fn fence_of(&self, view: &RunView) -> u64 {
        self.held.get(&view.run_id).copied().unwrap_or(view.fence)
    }
}

/// What some events did to one task.
#[derive(Debug, Default)]
struct Touched {
    /// How many of them were about it.
    events: u64,
    /// The statuses they put it into, in order.
    steps: Vec<TaskStatus>,
}

fn take_hold(
    connection: &Connection,
    masker: &Masker,
    spec: &RunSpec,
    lease: &Lease,
    now: Timestamp,
    is_alive: &dyn Fn(&Lease) -> bool,
) -> Result<Vec<ClaimedRecord>, StoreError> {
    let (run, fence) = (&spec.run_id, lease.fence);
    journal::head(connection, run)?.admit(run, fence)?;
    let mut shared = Embedded::new(connection);
    shared.take_lease(&keys::lease(&spec.prefix, run), &extended(lease, now), now, is_alive)?;
    shared.remove_expired(now)?;
    journal::clear_forgotten(connection, before(now))?;
    shared.expire_run(run, None)?;
    let records = claim_tasks(connection, masker, spec, lease, now, is_alive)?;
    spending::settle_own_entries(connection, masker, spec, fence, now)?;
    journal::raise_fence(connection, run, fence)?;
    journal::seen(connection, run, now)?;
    Ok(records)
}

fn touched_by(events: &[Event], view: &RunView) -> Result<BTreeMap<usize, Touched>, StoreError> {
    let mut all: BTreeMap<usize, Touched> = BTreeMap::new();
    for event in events {
        let Some(id) = event.body.task_id() else { continue };
        let place = view.place(id).ok_or_else(|| StoreError::Invalid {
            what: format!("event {}", event.seq),
            violations: vec![crate::schema::Violation {
                pointer: "/task_id".to_owned(),
                message: format!("the run has no task `{id}`"),
            }],
        })?;
        let touched = all.entry(place).or_default();
        touched.events += 1;
        touched.steps.extend(event.body.status());
    }
    Ok(all)
}

fn write_touched(
    connection: &Connection,
    masker: &Masker,
    spec: &RunSpec,
    view: &RunView,
    (place, touched): (usize, Touched),
    fence: u64,
    now: Timestamp,
) -> Result<TurnRecord, StoreError> {
    let mut record = TaskStatusRecord::of(spec, view, place, now);
    record.fence = fence;
    let follows = record.revision.saturating_sub(touched.events);
    let skipped = is_skipped(spec, place);
    let write =
        RecordWrite { record: &record, skipped, expected: Expected::Revision(follows, &touched.steps) };
    let json = write_record(connection, masker, spec, &write, now, &|_| true)?;
    Ok(TurnRecord {
        key: keys::status(spec, &record.task_id),
        task: record.task_id,
        yields: skipped || record.status == TaskStatus::Skipped,
        expected: follows,
        steps: touched.steps,
        revision: record.revision,
        json,
    })
}

/// Makes the run the owner of its tasks' keys, with records made of its events.
fn claim_tasks(
    connection: &Connection,
    masker: &Masker,
    spec: &RunSpec,
    lease: &Lease,
    now: Timestamp,
    is_alive: &dyn Fn(&Lease) -> bool,
) -> Result<Vec<ClaimedRecord>, StoreError> {
    let view = journal::view(connection, spec)?;
    // Thousands of keys may be of one run, and whether its holder lives is one question.
    let known: RefCell<BTreeMap<RunId, bool>> = RefCell::default();
    let is_alive =
        |lease: &Lease| *known.borrow_mut().entry(lease.run_id.clone()).or_insert_with(|| is_alive(lease));
    let mut claimed = Vec::with_capacity(view.tasks.len());
    for place in 0..view.tasks.len() {
        let mut record = TaskStatusRecord::of(spec, &view, place, now);
        record.fence = lease.fence;
        record.worker = Some(super::shared::holder_name(lease));
        let skipped = is_skipped(spec, place);
        let write = RecordWrite { record: &record, skipped, expected: Expected::Claim };
        let json = write_record(connection, masker, spec, &write, now, &is_alive)?;
        claimed.push(ClaimedRecord {
            key: keys::status(spec, &record.task_id),
            revision: record.revision,
            yields: skipped || record.status == TaskStatus::Skipped,
            open: !record.status.is_end(),
            task: record.task_id,
            json,
        });
    }
    Ok(claimed)
}

/// A record on its way to the door; it comes back as text.
struct RecordWrite<'a> {
    record: &'a TaskStatusRecord,
    /// Whether the task enters the run skipped.
    skipped: bool,
    expected: Expected<'a>,
}

fn write_record(
    connection: &Connection,
    masker: &Masker,
    spec: &RunSpec,
    write: &RecordWrite<'_>,
    now: Timestamp,
    is_alive: &dyn Fn(&Lease) -> bool,
) -> Result<String, StoreError> {
    let RecordWrite { record, skipped, expected } = *write;
    let what = || format!("the status of task `{}`", record.task_id);
    let json = door::document(masker, SchemaKind::TaskStatus, what, record)?;
    let key = keys::status(spec, &record.task_id);
    let write = StatusWrite { prefix: &spec.prefix, key: &key, record, json: &json, expected };
    match Embedded::new(connection).write_status(&write, now, is_alive) {
        // What the run only skips it does not claim: the record of whoever does the task stays.
        Err(StoreError::Held { .. } | StoreError::Stale { .. })
            if record.status == TaskStatus::Skipped || skipped =>
        {
            Ok(json)
        }
        other => other.map(|_| json),
    }
}

fn is_skipped(spec: &RunSpec, place: usize) -> bool {
    spec.tasks.get(place).is_some_and(|task| matches!(task.entry, Entry::Skip { .. }))
}

fn extended(lease: &Lease, now: Timestamp) -> Lease {
    Lease { until: now + LEASE, ..lease.clone() }
}

fn before(now: Timestamp) -> Timestamp {
    let keep = i64::try_from(KEEP.as_millis()).unwrap_or(i64::MAX);
    Timestamp(now.0.saturating_sub(keep))
}
