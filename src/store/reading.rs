//! What anybody may read, while others write.

use serde_json::Value;

use crate::model::event::Event;
use crate::model::ids::{RunId, TaskId};
use crate::model::record::{Control, Lease, RunSummary, SharedIndex, SharedStateVersion};
use crate::model::run::RunSpec;
use crate::model::status::RunStatus;
use crate::model::time::Timestamp;

use super::journal::Listed;
use super::shared::embedded::Embedded;
use super::{SharedState as _, Store, StoreError, door, journal, keys};

impl Store {
    /// The events of a run with a number above `after`, in order.
    pub fn events(&self, run: &RunId, after: u64) -> Result<Vec<Event>, StoreError> {
        self.read(|connection| {
            // A run that is not there has no events, which is not the same as having none yet.
            journal::head(connection, run)?;
            journal::events(connection, run, after)
        })
    }

    /// A run as it was started.
    pub fn run_spec(&self, run: &RunId) -> Result<RunSpec, StoreError> {
        self.read(|connection| journal::spec(connection, run))
    }

    /// Every run, newest first, by the store's own clock: one that has not ended and whose lease ran
    /// out is shown as lost. Where the caller has a clock, and can see which processes are alive,
    /// [`Store::runs_at`] knows better.
    pub fn runs(&self) -> Result<Vec<RunSummary>, StoreError> {
        let now = self.read(|connection| {
            Ok(connection
                .query_row("SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)", [], |row| row.get(0))?)
        })?;
        self.runs_at(Timestamp(now), &|_| true)
    }

    /// Every run, newest first. One that has not ended is shown as lost unless its lease holds at
    /// `now` and `is_alive` does not deny its holder.
    pub fn runs_at(
        &self,
        now: Timestamp,
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Vec<RunSummary>, StoreError> {
        self.read(|connection| {
            let shared = Embedded::new(connection);
            let mut runs = Vec::new();
            for listed in journal::list(connection)? {
                let mut summary = listed.summary;
                if summary.status == RunStatus::Running {
                    let lease = shared.lease(&keys::lease(&listed.prefix, &summary.run_id))?;
                    if !lease.is_some_and(|lease| lease.until > now && is_alive(&lease)) {
                        summary.status = RunStatus::Lost;
                    }
                }
                runs.push(summary);
            }
            Ok(runs)
        })
    }

    /// The run that `wanted` means: an id, the start of just one, or, left out, the latest run.
    pub fn find_run(&self, wanted: Option<&str>) -> Result<RunId, StoreError> {
        let start = wanted.unwrap_or("").trim();
        let mut found = self.read(|connection| journal::names(connection, start))?;
        if wanted.is_some()
            && let Some(place) = found.iter().position(|run| run.as_str().eq_ignore_ascii_case(start))
        {
            return Ok(found.swap_remove(place));
        }
        match (found.is_empty(), wanted) {
            (true, _) => Err(StoreError::NoRun { wanted: wanted.map(str::to_owned) }),
            (false, Some(wanted)) if start.is_empty() => {
                Err(StoreError::NoRun { wanted: Some(wanted.to_owned()) })
            }
            (false, Some(wanted)) if found.len() > 1 => {
                Err(StoreError::Ambiguous { wanted: wanted.to_owned(), candidates: found })
            }
            (false, _) => Ok(found.swap_remove(0)),
        }
    }

    /// Who supervises a run, as stored: it may have run out.
    pub fn lease(&self, run: &RunId) -> Result<Option<Lease>, StoreError> {
        self.read(|connection| {
            let prefix = journal::prefix(connection, run)?;
            Embedded::new(connection).lease(&keys::lease(&prefix, run))
        })
    }

    /// What was asked of a run after request number `after`, in order.
    pub fn controls(&self, run: &RunId, after: u64) -> Result<Vec<(u64, Control)>, StoreError> {
        self.read(|connection| {
            let key = keys::control(&journal::prefix(connection, run)?, run);
            Embedded::new(connection)
                .stream_read(&key, after)?
                .into_iter()
                .map(|(number, text)| Ok((number, parsed(&key, &text)?)))
                .collect()
        })
    }

    /// The end of what a task's agent printed.
    pub fn tail(&self, spec: &RunSpec, task: &TaskId) -> Result<Option<String>, StoreError> {
        self.entry(&keys::tail(spec, task))
    }

    /// The document under `key`, masked; of a stream an array of its entries. Keys are those of the
    /// shared state, the ones that are made of the journal (`shared_state`, `run:<run>:events`,
    /// `run:<run>:plan`) included.
    pub fn get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        if let Some(value) = self.entry(key)? {
            return Ok(Some(value));
        }
        let stream = self.read(|connection| Embedded::new(connection).stream_read(key, 0))?;
        if !stream.is_empty() {
            return stream
                .iter()
                .map(|(_, text)| parsed::<Value>(key, text))
                .collect::<Result<_, _>>()
                .map(Some);
        }
        let runs = self.read(journal::list)?;
        if let Some(index) = index_of(&runs, key) {
            return Ok(Some(index));
        }
        for listed in runs {
            let run = &listed.summary.run_id;
            if key == keys::events(&listed.prefix, run) {
                let texts = self.read(|connection| journal::event_texts(connection, run, 0))?;
                return texts
                    .iter()
                    .map(|(_, text)| parsed::<Value>(key, text))
                    .collect::<Result<_, _>>()
                    .map(Some);
            }
            if key == keys::plan(&listed.prefix, run) {
                let spec = self.run_spec(run)?;
                let mut value = serde_json::to_value(&spec)
                    .map_err(|error| StoreError::corrupt(format!("`{key}`: {error}")).at(&self.path))?;
                door::mask_value(&self.masker, &mut value);
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Every key that begins with `prefix`, in order, with its document. What may be long is cut to
    /// its length: events to `{"length": n}`, a plan to `{"bytes": n}`; [`Store::get`] has them whole.
    pub fn list(&self, prefix: &str) -> Result<Vec<(String, Value)>, StoreError> {
        let entries = self.read(|connection| Embedded::new(connection).list(prefix))?;
        let mut found: Vec<(String, Value)> = entries
            .into_iter()
            .map(|(key, text)| {
                let value = parsed(&key, &text)?;
                Ok((key, value))
            })
            .collect::<Result<_, StoreError>>()
            .map_err(|error| error.at(&self.path))?;
        let runs = self.read(journal::list)?;
        for listed in &runs {
            let index = keys::shared_state(&listed.prefix);
            if index.starts_with(prefix)
                && !found.iter().any(|(key, _)| *key == index)
                && let Some(value) = index_of(&runs, &index)
            {
                found.push((index, value));
            }
            found.extend(self.derived_keys(listed, prefix)?);
        }
        found.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(found)
    }

    /// A number that is another one whenever another process, or another part of this one, wrote anything.
    pub fn others_mark(&self) -> u64 {
        let mark: Result<i64, StoreError> = self
            .read(|connection| Ok(connection.pragma_query_value(None, "data_version", |row| row.get(0))?));
        mark.ok().and_then(|mark| u64::try_from(mark).ok()).unwrap_or(0)
    }

    /// A number that is another one whenever anything was written, by this process or another.
    pub fn change_mark(&self) -> u64 {
        let mark = self.read(|connection| {
            let others: i64 = connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
            let own: i64 = connection.query_row("SELECT total_changes()", [], |row| row.get(0))?;
            Ok(u64::try_from(others.saturating_add(own)).unwrap_or(0))
        });
        // Whoever watches reads again after a change, and that tells what is wrong.
        mark.unwrap_or(0)
    }

    fn entry<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.read(|connection| Embedded::new(connection).get(key)?.map(|text| parsed(key, &text)).transpose())
    }

    fn derived_keys(&self, listed: &Listed, prefix: &str) -> Result<Vec<(String, Value)>, StoreError> {
        let run = &listed.summary.run_id;
        let mut found = Vec::new();
        let events = keys::events(&listed.prefix, run);
        if events.starts_with(prefix) {
            let head = self.read(|connection| journal::head(connection, run))?;
            found.push((events, serde_json::json!({ "length": head.last_seq })));
        }
        let plan = keys::plan(&listed.prefix, run);
        if plan.starts_with(prefix) {
            let bytes: i64 = self.read(|connection| {
                Ok(connection.query_row(
                    "SELECT length(spec) FROM specs WHERE run_id = ?1",
                    [run.as_str()],
                    |row| row.get(0),
                )?)
            })?;
            found.push((plan, serde_json::json!({ "bytes": bytes })));
        }
        let control = keys::control(&listed.prefix, run);
        if control.starts_with(prefix) {
            let requests = self.controls(run, 0)?;
            if !requests.is_empty() {
                let requests: Vec<Control> = requests.into_iter().map(|(_, control)| control).collect();
                let value = serde_json::to_value(requests)
                    .map_err(|error| StoreError::corrupt(format!("`{control}`: {error}")).at(&self.path))?;
                found.push((control, value));
            }
        }
        Ok(found)
    }
}

/// The index of the project whose index key is `key`.
fn index_of(runs: &[Listed], key: &str) -> Option<Value> {
    let mut of_project: Vec<&Listed> =
        runs.iter().filter(|listed| keys::shared_state(&listed.prefix) == key).collect();
    let first = of_project.first()?;
    let project = first.prefix.trim_end_matches(':');
    let project = project.strip_prefix("project:").unwrap_or(project).to_owned();
    let updated_at = of_project.iter().map(|listed| listed.summary.updated_at).max().unwrap_or_default();
    of_project.retain(|listed| !listed.cleared);
    let index = SharedIndex {
        schema: SharedStateVersion::V1,
        project,
        runs: of_project.into_iter().map(|listed| listed.summary.clone()).collect(),
        updated_at,
    };
    serde_json::to_value(index).ok()
}

fn parsed<T: serde::de::DeserializeOwned>(key: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::corrupt(format!("`{key}`: {error}")))
}
