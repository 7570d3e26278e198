//! Makes what is derived anew from the events: status records, and how runs stand.
//!
//! What is damaged in the events themselves stays as it is: there is nothing to make it of.

use rusqlite::Connection;

use crate::masking::Masker;
use crate::model::record::TaskStatusRecord;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::schema::SchemaKind;

use super::journal::{self, Listed};
use super::shared::embedded::Embedded;
use super::verify::{masked, same};
use super::{Problem, Store, StoreError, door, keys, spending, spent};

impl Store {
    /// Writes what is derived from the events again where it differs from them. Returns what was
    /// wrong and is not any more; what is left, [`Store::verify`] says.
    pub fn repair(&mut self, now: Timestamp) -> Result<Vec<Problem>, StoreError> {
        let masker = self.masker.clone();
        self.write(|connection| {
            let mut mended = Vec::new();
            for listed in journal::list(connection)? {
                // A run whose events do not fold is none that anything could be made of.
                let Ok(spec) = journal::spec(connection, &listed.summary.run_id) else { continue };
                let Ok(view) = journal::view(connection, &spec) else { continue };
                mend_run(connection, &masker, &listed, &spec, &view, now, &mut mended)?;
            }
            Ok(mended)
        })
    }
}

fn mend_run(
    connection: &Connection,
    masker: &Masker,
    listed: &Listed,
    spec: &RunSpec,
    view: &RunView,
    now: Timestamp,
    mended: &mut Vec<Problem>,
) -> Result<(), StoreError> {
    let head = journal::head(connection, &spec.run_id)?;
    let summary = journal::summary_of(spec, view);
    if view.last_seq > 0 && (head.last_seq != view.last_seq || summary != listed.summary) {
        journal::update_run(connection, spec, view, now)?;
        mended.push(Problem {
            place: format!("run {}", spec.run_id),
            message: "its summary was not what its events say".to_owned(),
        });
    }
    if !spent::agrees(connection, &spec.run_id)? {
        spent::make_anew(connection, &spec.run_id)?;
        mended.push(Problem {
            place: format!("run {}", spec.run_id),
            message: "what its attempts cost was not what its events say".to_owned(),
        });
    }
    let wrong = spending::contradictions(connection, spec)?;
    if !wrong.is_empty() {
        spending::mend(connection, masker, spec, now)?;
        let message = format!("the entry of run {} was not what its events say", spec.run_id);
        mended.extend(wrong.into_iter().map(|place| Problem { place, message: message.clone() }));
    }
    let mut shared = Embedded::new(connection);
    for (place, task) in view.tasks.iter().enumerate() {
        let key = keys::status(spec, &task.id);
        let mut record = TaskStatusRecord::of(spec, view, place, now);
        record.fence = head.fence.max(record.fence);
        let message = match shared.owned(&key)? {
            None if task.revision == 0 || listed.ended || listed.cleared => continue,
            None => "was missing",
            Some((run, _)) if run.as_ref() != Some(&spec.run_id) => continue,
            Some((_, text)) => {
                let stored = serde_json::from_str::<TaskStatusRecord>(&text).ok();
                let agrees = stored.zip(masked(&record)).is_some_and(|(stored, told)| same(&told, &stored));
                if agrees {
                    continue;
                }
                "was not what the run's events say"
            }
        };
        let json = door::document(
            masker,
            SchemaKind::TaskStatus,
            || format!("the status of task `{}`", task.id),
            &record,
        )?;
        shared.put_status(&key, &record, &json)?;
        mended.push(Problem { place: key, message: message.to_owned() });
    }
    Ok(())
}
