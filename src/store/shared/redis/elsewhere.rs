//! A run of another machine, as the server tells of it: what was run, what happened, who supervises
//! it; and asking something of it.
//!
//! What is read here was written by somebody else. It is held against its schema, and its numbers
//! have to follow each other: what is missing is said, and never made up.

use std::time::Duration;

use redis::Value;

use crate::masking::Masker;
use crate::model::event::Event;
use crate::model::ids::{RunId, TaskId};
use crate::model::record::{Control, Lease, RunSummary, SharedIndex};
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::schema::{self, SchemaKind, Violation};
use crate::store::{SharedState as _, StoreError, door, keys};

use super::scripts::text_of;
use super::state::{RedisState, stream_entry};
use super::trouble::Trouble;

/// How many entries are asked for at once.
const PAGE: usize = 500;

/// An entry of a stream: its id as the server writes it, and its text.
pub type StreamEntry = (String, String);

impl RedisState {
    /// The server's time, by which leases run.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn time_there(&self) -> Result<Timestamp, StoreError> {
        let answer = self.command(&redis::cmd("TIME"))?;
        let part = |place: usize| -> Option<i64> {
            let Value::Array(parts) = &answer else { return None };
            text_of(parts.get(place)?)?.parse().ok()
        };
        match (part(0), part(1)) {
            (Some(seconds), Some(micros)) => {
                Ok(Timestamp(seconds.saturating_mul(1000).saturating_add(micros / 1000)))
            }
            _ => Err(self.fault(Trouble::Other("it does not tell the time".to_owned()))),
        }
    }

    /// The live and recent runs of the project, newest first.
    ///
    /// # Errors
    /// [`StoreError::Redis`], also where the index is none.
    pub fn index(&self, prefix: &str) -> Result<Vec<RunSummary>, StoreError> {
        let key = keys::shared_state(prefix);
        let Some(text) = self.get(&key)? else { return Ok(Vec::new()) };
        let index: SharedIndex = self.read_as(&key, SchemaKind::SharedState, &text)?;
        Ok(index.runs)
    }

    /// A run as it was started, secrets masked; none: the server does not have it.
    ///
    /// # Errors
    /// [`StoreError::Redis`], also where what is there is no run.
    pub fn run_spec(&self, prefix: &str, run: &RunId) -> Result<Option<RunSpec>, StoreError> {
        let key = keys::plan(prefix, run);
        let Some(text) = self.get(&key)? else { return Ok(None) };
        let spec: RunSpec = serde_json::from_str(&text)
            .map_err(|error| self.fault(Trouble::Other(format!("`{key}` is no run: {error}"))))?;
        if spec.run_id != *run || spec.prefix != prefix {
            return Err(self.fault(Trouble::Other(format!("`{key}` is about another run"))));
        }
        Ok(Some(spec))
    }

    /// Who supervises a run, as stored: it may have run out.
    ///
    /// # Errors
    /// [`StoreError::Redis`], also where what is there is no lease.
    pub fn lease(&self, prefix: &str, run: &RunId) -> Result<Option<Lease>, StoreError> {
        let key = keys::lease(prefix, run);
        self.get(&key)?.map(|text| self.read_as(&key, SchemaKind::Lease, &text)).transpose()
    }

    /// The number of the last event of a run; 0: there is none.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn last_event(&self, prefix: &str, run: &RunId) -> Result<u64, StoreError> {
        self.last_of(&keys::events(prefix, run))
    }

    /// The events of a run after number `after`, some hundred at most, with their texts as stored. No
    /// events: there are no more.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where one is gone that others follow; [`StoreError::Redis`], also where
    /// one is not valid.
    pub fn events_after(
        &self,
        prefix: &str,
        run: &RunId,
        after: u64,
    ) -> Result<Vec<(Event, String)>, StoreError> {
        let key = keys::events(prefix, run);
        let mut range = redis::cmd("XRANGE");
        range.arg(&key).arg(format!("{}-0", after.saturating_add(1))).arg("+").arg("COUNT").arg(PAGE);
        let Value::Array(entries) = self.command(&range)? else { return Ok(Vec::new()) };
        let mut page = Vec::with_capacity(entries.len());
        let mut expected = after;
        for entry in &entries {
            expected += 1;
            let Some((number, text)) = stream_entry(entry) else {
                return Err(self.fault(Trouble::Other(format!("`{key}` has an entry without a text"))));
            };
            if number != expected {
                return Err(StoreError::Missing { run: run.clone(), seq: expected });
            }
            let event: Event = self.read_as(&format!("{key} {number}"), SchemaKind::Event, &text)?;
            if event.seq != number || event.run_id != *run {
                return Err(
                    self.fault(Trouble::Other(format!("`{key}` has something else as event {number}")))
                );
            }
            page.push((event, text));
        }
        Ok(page)
    }

    /// The end of what a task's agent printed.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn tail(&self, spec: &RunSpec, task: &TaskId) -> Result<Option<String>, StoreError> {
        let key = keys::tail(spec, task);
        let Some(text) = self.get(&key)? else { return Ok(None) };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| self.fault(Trouble::Other(format!("`{key}` is no text: {error}"))))
    }

    /// Asks something of a run. Returns the number of the request.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn push_control(&mut self, prefix: &str, run: &RunId, control: &Control) -> Result<u64, StoreError> {
        let what = || format!("the request to run `{run}`");
        let text = door::document(&Masker::default(), SchemaKind::Control, what, control)?;
        self.stream_append(&keys::control(prefix, run), &text, run)
    }

    /// What was asked of a run so far, whatever it is.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn requests(&self, prefix: &str, run: &RunId) -> Result<Vec<StreamEntry>, StoreError> {
        let key = keys::control(prefix, run);
        let mut found: Vec<StreamEntry> = Vec::new();
        loop {
            let from = found.last().map_or_else(|| "-".to_owned(), |(id, _)| format!("({id}"));
            let mut range = redis::cmd("XRANGE");
            range.arg(&key).arg(from).arg("+").arg("COUNT").arg(PAGE);
            let Value::Array(entries) = self.command(&range)? else { return Ok(found) };
            found.extend(entries.iter().filter_map(whole_entry));
            if entries.len() < PAGE {
                return Ok(found);
            }
        }
    }

    /// The entries of a stream after the id `after`, some hundred at most. Waits for the first one, no
    /// longer than `at_most`, which has to be less than an answer may take.
    pub(super) fn await_entries(
        &self,
        key: &str,
        after: &str,
        at_most: Duration,
    ) -> Result<Vec<StreamEntry>, StoreError> {
        let mut read = redis::cmd("XREAD");
        let wait = u64::try_from(at_most.as_millis()).unwrap_or(1).max(1);
        read.arg("COUNT").arg(PAGE).arg("BLOCK").arg(wait).arg("STREAMS").arg(key).arg(after);
        let Value::Array(streams) = self.command(&read)? else { return Ok(Vec::new()) };
        let Some(Value::Array(stream)) = streams.first() else { return Ok(Vec::new()) };
        let Some(Value::Array(entries)) = stream.get(1) else { return Ok(Vec::new()) };
        Ok(entries.iter().filter_map(whole_entry).collect())
    }

    fn read_as<T: serde::de::DeserializeOwned>(
        &self,
        place: &str,
        kind: SchemaKind,
        text: &str,
    ) -> Result<T, StoreError> {
        let told = |told: String| self.fault(Trouble::Other(format!("`{place}` is not valid: {told}")));
        let value =
            schema::validate(kind, text.as_bytes()).map_err(|violations| told(listed(&violations)))?;
        serde_json::from_value(value).map_err(|error| told(error.to_string()))
    }
}

/// What is wrong with a document, in one line.
pub(in crate::store) fn listed(violations: &[Violation]) -> String {
    violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// The id and the text of an entry: what stands under `json`, else under its first name.
fn whole_entry(entry: &Value) -> Option<StreamEntry> {
    let Value::Array(parts) = entry else { return None };
    let id = text_of(parts.first()?)?;
    let Value::Array(fields) = parts.get(1)? else { return None };
    let named = fields.chunks(2).find(|pair| pair.first().and_then(text_of).as_deref() == Some("json"));
    let text = named.and_then(|pair| text_of(pair.get(1)?)).or_else(|| text_of(fields.get(1)?));
    Some((id, text.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_whoever_wrote_it() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let entry = |fields: &[&str]| {
            Value::Array(vec![text("5-1"), Value::Array(fields.iter().map(|field| text(field)).collect())])
        };
        let read = |fields: &[&str]| whole_entry(&entry(fields)).map(|(_, text)| text);
        assert_eq!(whole_entry(&entry(&["json", "{}"])), Some(("5-1".to_owned(), "{}".to_owned())));
        assert_eq!(read(&["by", "x", "json", "{}"]).as_deref(), Some("{}"));
        assert_eq!(read(&["action", "stop"]).as_deref(), Some("stop"));
        assert_eq!(read(&[]).as_deref(), Some(""));
        assert_eq!(whole_entry(&Value::Nil), None);
    }
}
