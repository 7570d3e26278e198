//! Taking into the journal what only a Redis has: the events of a run that another machine
//! supervised, and what was asked of a run from elsewhere.

use std::collections::BTreeSet;

use crate::model::ids::RunId;
use crate::model::record::Control;
use crate::model::run::RunSpec;
use crate::schema::{self, SchemaKind};

use super::shared::embedded::Embedded;
use super::shared::redis::{RedisState, StreamEntry, listed};
use super::{SharedState as _, Store, StoreError, door, journal, keys};

impl Store {
    /// Makes the journal of a run as far as the Redis is: the run is written down if it is not known,
    /// and so are the events that it has and the journal has not, in order, as they are, all of them or
    /// none. Where the journal is further on there is nothing to do. Returns how many came.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where the Redis lost an event; [`StoreError::Parted`] where its events
    /// are not those of the journal.
    pub fn catch_up(&mut self, redis: &RedisState, spec: &RunSpec) -> Result<u64, StoreError> {
        let run = &spec.run_id;
        let known = match self.read(|connection| journal::head(connection, run)) {
            Ok(head) => Some(head),
            Err(StoreError::NoRun { .. }) => None,
            Err(error) => return Err(error),
        };
        let last = known.map_or(0, |head| head.last_seq);
        if known.is_some() && redis.last_event(&spec.prefix, run)? <= last {
            return Ok(0);
        }
        if let Some(before) = last.checked_sub(1) {
            // Where the last one that both have is the same, so are those before it.
            let there = redis.events_after(&spec.prefix, run, before)?;
            let here = self.read(|connection| journal::event_texts(connection, run, before))?;
            if there.first().map(|(_, text)| text) != here.first().map(|(_, text)| text) {
                return Err(StoreError::Parted { run: run.clone(), seq: last });
            }
        }
        let mut texts = Vec::new();
        let mut after = last;
        loop {
            let page = redis.events_after(&spec.prefix, run, after)?;
            let Some((event, _)) = page.last() else { break };
            after = event.seq;
            texts.extend(page.into_iter().map(|(event, text)| (event.seq, text)));
        }
        if texts.is_empty() {
            return Err(StoreError::Missing { run: run.clone(), seq: last + 1 });
        }
        self.write(|connection| {
            if known.is_none() {
                journal::insert_run(connection, spec, 0)?;
            } else if journal::spec(connection, run)?.replanned < spec.replanned {
                // Its plan was read again elsewhere: the events that came tell of those tasks.
                journal::replace_spec(connection, spec)?;
            }
            journal::insert_texts(connection, run, &texts)?;
            let view = journal::view(connection, spec)?;
            journal::raise_fence(connection, run, view.fence)?;
            journal::update_run(connection, spec, &view, view.updated_at)
        })?;
        Ok(u64::try_from(texts.len()).unwrap_or(u64::MAX))
    }

    /// Whether something was asked of the run through its Redis.
    pub fn is_asked(&self) -> bool {
        self.mirror.as_ref().is_some_and(super::Mirror::is_asked)
    }

    /// Whether what is written is written to a Redis too.
    pub const fn is_shared(&self) -> bool {
        self.mirror.is_some()
    }

    /// Takes what was asked of a run through its Redis since the last look into its requests here. Each
    /// one counts once, however often it is read. Returns what is wrong with those that are none.
    ///
    /// # Errors
    /// What keeps the journal from being written.
    pub fn take_requests(&mut self, run: &RunId) -> Result<Vec<String>, StoreError> {
        let entries = self.mirror.as_ref().map(super::Mirror::requests).unwrap_or_default();
        self.adopt_requests(run, &entries)
    }

    /// The same of what a Redis has, for a run that nobody supervises.
    ///
    /// # Errors
    /// [`StoreError::Redis`], or what keeps the journal from being written.
    pub fn catch_up_requests(
        &mut self,
        redis: &RedisState,
        spec: &RunSpec,
    ) -> Result<Vec<String>, StoreError> {
        let entries = redis.requests(&spec.prefix, &spec.run_id)?;
        self.adopt_requests(&spec.run_id, &entries)
    }

    fn adopt_requests(&mut self, run: &RunId, entries: &[StreamEntry]) -> Result<Vec<String>, StoreError> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (id, text) in entries {
            match control_of(text) {
                Ok(control) => good.push(door::document(
                    &self.masker,
                    SchemaKind::Control,
                    || format!("the request to run `{run}`"),
                    &control,
                )?),
                Err(problem) => {
                    bad.push(format!("request `{id}` to the run is none, and is skipped: {problem}"));
                }
            }
        }
        if good.is_empty() {
            return Ok(bad);
        }
        self.write(|connection| {
            let key = keys::control(&journal::prefix(connection, run)?, run);
            let mut shared = Embedded::new(connection);
            let mut known: BTreeSet<String> =
                shared.stream_read(&key, 0)?.into_iter().map(|(_, text)| text).collect();
            for text in good {
                if known.insert(text.clone()) {
                    shared.stream_append(&key, &text, run)?;
                }
            }
            Ok(())
        })?;
        Ok(bad)
    }
}

fn control_of(text: &str) -> Result<Control, String> {
    let value =
        schema::validate(SchemaKind::Control, text.as_bytes()).map_err(|violations| listed(&violations))?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}
