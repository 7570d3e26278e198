//! What the journal says that the server should have.

use std::path::Path;

use crate::masking::Masker;
use crate::model::record::{RunSummary, TaskStatusRecord};
use crate::model::run::RunSpec;
use crate::model::task::{Entry, TaskSpec};
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::schema::SchemaKind;
use crate::store::{StoreError, database, door, journal, keys};

use super::batch::{Batch, Meaning};

/// How many records or events go into one step: a step keeps the server from all others.
const STEP: usize = 500;

/// What a journal tells of a run.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) view: RunView,
    /// The texts of the events after the last that the server has.
    pub(super) events: Vec<(u64, String)>,
}

/// Whether the run only skips this task.
pub(super) const fn is_skipped(task: &TaskSpec) -> bool {
    matches!(task.entry, Entry::Skip { .. })
}

/// Reads the journal at `path`, with the events after `last`.
pub(super) fn read(path: &Path, spec: &RunSpec, last: u64) -> Result<Told, StoreError> {
    let connection = database::open_existing(path)?
        .ok_or_else(|| StoreError::NoRun { wanted: Some(spec.run_id.0.clone()) })?;
    // One look: between two of them the run goes on.
    let snapshot = connection.unchecked_transaction()?;
    told(&snapshot, spec, last)
}

/// The same of a journal that is open.
pub(super) fn told(connection: &rusqlite::Connection, spec: &RunSpec, last: u64) -> Result<Told, StoreError> {
    let view = journal::view(connection, spec)?;
    let events = journal::event_texts(connection, &spec.run_id, last)?;
    Ok(Told { view, events })
}

/// What the journal told of a run when event `last` was its newest, with all events up to there.
pub(super) fn told_until(
    connection: &rusqlite::Connection,
    spec: &RunSpec,
    last: u64,
) -> Result<Told, StoreError> {
    let mut events = journal::events(connection, &spec.run_id, 0)?;
    events.retain(|event| event.seq <= last);
    let view = RunView::fold(spec, &events)
        .map_err(|error| StoreError::corrupt(format!("the events of run `{}`: {error}", spec.run_id)))?;
    let mut events = journal::event_texts(connection, &spec.run_id, 0)?;
    events.retain(|(number, _)| *number <= last);
    Ok(Told { view, events })
}

impl Told {
    /// The record of the task at `place`, as it stands in the server: masked, and valid.
    pub(super) fn record(
        &self,
        spec: &RunSpec,
        place: usize,
        fence: u64,
        seen: Option<Timestamp>,
        masker: &Masker,
    ) -> Result<(TaskStatusRecord, String), StoreError> {
        let mut record = TaskStatusRecord::of(spec, &self.view, place, self.view.updated_at);
        record.fence = fence;
        record.heartbeat_at = seen.unwrap_or(record.heartbeat_at).max(record.heartbeat_at);
        let what = || format!("the status of task `{}`", record.task_id);
        let json = door::document(masker, SchemaKind::TaskStatus, what, &record)?;
        Ok((record, json))
    }

    /// The steps that write all of it.
    pub(super) fn batches(
        &self,
        spec: &RunSpec,
        fence: u64,
        meaning: &Meaning,
        seen: Option<Timestamp>,
        masker: &Masker,
    ) -> Result<Vec<Batch>, StoreError> {
        let (prefix, run) = (&spec.prefix, &spec.run_id);
        let mut first = Batch::new(prefix, run, fence);
        let summary = journal::summary_of(spec, &self.view);
        first.index(keys::shared_state(prefix), &spec.project, &summary_text(&summary, masker)?);
        first.plan(keys::plan(prefix, run), &plan_text(spec, masker)?);
        let mut batches = vec![first];
        let places: Vec<usize> = (0..self.view.tasks.len()).collect();
        for page in places.chunks(STEP) {
            let mut batch = Batch::new(prefix, run, fence);
            for &place in page {
                let (record, json) = self.record(spec, place, fence, seen, masker)?;
                let yields = spec.tasks.get(place).is_some_and(is_skipped);
                let key = keys::status(spec, &record.task_id);
                batch.record(key, meaning, record.revision, yields, &json);
            }
            batches.push(batch);
        }
        for page in self.events.chunks(STEP) {
            let mut batch = Batch::new(prefix, run, fence);
            batch.events(keys::events(prefix, run), page.to_vec());
            batches.push(batch);
        }
        Ok(batches)
    }
}

/// A run as the index shows it, masked.
pub(in crate::store) fn summary_text(summary: &RunSummary, masker: &Masker) -> Result<String, StoreError> {
    masked("a summary", summary, masker)
}

/// A plan as run, masked.
pub(in crate::store) fn plan_text(spec: &RunSpec, masker: &Masker) -> Result<String, StoreError> {
    masked("a run as it was started", spec, masker)
}

fn masked<T: serde::Serialize>(what: &str, document: &T, masker: &Masker) -> Result<String, StoreError> {
    let mut value = serde_json::to_value(document)
        .map_err(|error| StoreError::corrupt(format!("{what} cannot be written as JSON: {error}")))?;
    door::mask_value(masker, &mut value);
    Ok(value.to_string())
}
