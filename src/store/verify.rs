//! Whether what is stored holds together: the file, every document, and that the records are what
//! the events say.

use serde_json::Value;

use crate::masking::Masker;
use crate::model::ids::RunId;
use crate::model::record::TaskStatusRecord;
use crate::model::run::RunSpec;
use crate::model::view::RunView;
use crate::schema::{self, SchemaKind};

use super::journal::{self, Listed};
use super::shared::embedded::Embedded;
use super::{SharedState as _, Store, StoreError, door, keys, spending, spent};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What it is about: `database`, `run 01J…`, or a key.
    pub place: String,
    /// What is wrong there, one line.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl Store {
    /// Everything that is wrong with the store. The error is for a store that cannot be read at all.
    pub fn verify(&self) -> Result<Vec<Problem>, StoreError> {
        let mut problems = Vec::new();
        // One look at all of it: between two looks a writer may have gone on.
        let snapshot = self.connection.unchecked_transaction().map_err(|error| self.fault(error))?;
        self.check_file(&mut problems)?;
        for listed in self.read(journal::list)? {
            self.check_run(&listed, &mut problems)?;
        }
        self.check_entries(&mut problems)?;
        snapshot.finish().map_err(|error| self.fault(error))?;
        Ok(problems)
    }

    fn check_file(&self, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
        let lines: Vec<String> = self.read(|connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        problems.extend(
            lines
                .into_iter()
                .filter(|line| line != "ok")
                .map(|message| Problem { place: "database".to_owned(), message }),
        );
        Ok(())
    }

    fn check_run(&self, listed: &Listed, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
        let run = &listed.summary.run_id;
        let before = problems.len();
        let mut report = |message: String| problems.push(Problem { place: format!("run {run}"), message });
        let spec = match self.run_spec(run) {
            Ok(spec) => spec,
            Err(StoreError::Corrupt { detail, .. }) => {
                report(detail);
                return Ok(());
            }
            Err(StoreError::NoRun { .. }) => {
                report("what it was started with is missing".to_owned());
                return Ok(());
            }
            Err(other) => return Err(other),
        };
        let texts = self.read(|connection| journal::event_texts(connection, run, 0))?;
        let last_seq = self.read(|connection| journal::head(connection, run))?.last_seq;
        let mut view = RunView::new(&spec);
        for (expected, (seq, text)) in (1..).zip(&texts) {
            if *seq != expected {
                report(format!("event {expected} is missing"));
                return Ok(());
            }
            if let Err(message) = take_in(&mut view, text) {
                report(format!("event {seq}: {message}"));
                return Ok(());
            }
        }
        if view.last_seq != last_seq {
            report(format!("its last event is {}, and {last_seq} is noted", view.last_seq));
        }
        let summary = journal::summary_of(&spec, &view);
        if view.last_seq > 0
            && (summary.counts != listed.summary.counts || summary.status != listed.summary.status)
        {
            report("its summary is not what its events say".to_owned());
        }
        if problems.len() == before {
            if !self.read(|connection| spent::agrees(connection, run))? {
                problems.push(Problem {
                    place: format!("run {run}"),
                    message: "what its attempts cost is not what its events say".to_owned(),
                });
            }
            for key in self.read(|connection| spending::contradictions(connection, &spec))? {
                let message = format!("the entry of run {run} is not what its events say");
                problems.push(Problem { place: key, message });
            }
            self.check_records(listed, &spec, &view, problems)?;
        }
        Ok(())
    }

    fn check_records(
        &self,
        listed: &Listed,
        spec: &RunSpec,
        view: &RunView,
        problems: &mut Vec<Problem>,
    ) -> Result<(), StoreError> {
        for (place, task) in view.tasks.iter().enumerate() {
            let key = keys::status(spec, &task.id);
            let Some(text) = self.read(|connection| Embedded::new(connection).get(&key))? else {
                // Keys go some days after the end of a run; before, they have to be there.
                if task.revision > 0 && !listed.ended && !listed.cleared {
                    problems.push(Problem { place: key, message: "is missing".to_owned() });
                }
                continue;
            };
            // What is no record at all is told with the other entries.
            let Ok(stored) = serde_json::from_str::<TaskStatusRecord>(&text) else { continue };
            if stored.run_id != spec.run_id {
                continue;
            }
            let told = masked(&TaskStatusRecord::of(spec, view, place, stored.updated_at));
            if told.as_ref().is_none_or(|told| !same(told, &stored)) {
                problems.push(Problem { place: key, message: "is not what the run's events say".to_owned() });
            }
        }
        Ok(())
    }

    fn check_entries(&self, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
        for (key, text) in self.read(|connection| Embedded::new(connection).list(""))? {
            let kind = keys::kind_of(&key);
            let message = match kind {
                Some(kind) => schema::validate(kind, text.as_bytes()).err().map(|violations| {
                    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
                }),
                None => {
                    serde_json::from_str::<Value>(&text).err().map(|error| format!("is no JSON: {error}"))
                }
            };
            problems.extend(message.map(|message| Problem { place: key, message }));
        }
        let streams: Vec<(String, u32, String)> = self.read(|connection| {
            let mut statement =
                connection.prepare("SELECT key, seq, value FROM streams ORDER BY key, seq")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })?;
        for (key, number, text) in streams {
            if let Err(violations) = schema::validate(SchemaKind::Control, text.as_bytes()) {
                let message = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                problems.push(Problem { place: format!("{key} {number}"), message });
            }
        }
        Ok(())
    }

    /// The state of a run as its events tell it.
    pub fn view(&self, run: &RunId) -> Result<(RunSpec, RunView), StoreError> {
        self.read(|connection| {
            let spec = journal::spec(connection, run)?;
            let view = journal::view(connection, &spec)?;
            Ok((spec, view))
        })
    }
}

fn take_in(view: &mut RunView, text: &str) -> Result<(), String> {
    let value = schema::validate(SchemaKind::Event, text.as_bytes())
        .map_err(|violations| violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let event = serde_json::from_value(value).map_err(|error| error.to_string())?;
    view.apply(&event).map_err(|error| error.to_string())
}

pub(super) fn masked(record: &TaskStatusRecord) -> Option<TaskStatusRecord> {
    let mut value = serde_json::to_value(record).ok()?;
    door::mask_value(&Masker::default(), &mut value);
    serde_json::from_value(value).ok()
}

/// Whether two records say the same of a task. Who wrote them and when is another matter, and so is
/// the title: its writer may have known of secrets in it that have no shape.
pub(super) fn same(told: &TaskStatusRecord, stored: &TaskStatusRecord) -> bool {
    let stored = stored.clone();
    *told
        == TaskStatusRecord {
            title: told.title.clone(),
            worker: told.worker.clone(),
            heartbeat_at: told.heartbeat_at,
            updated_at: told.updated_at,
            fence: told.fence,
            ..stored
        }
}
