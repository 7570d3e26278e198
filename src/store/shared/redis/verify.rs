//! Whether the server has what the journal says, and putting it right.
//!
//! A run of which the server has nothing is none that it should have: it was run without one, or its
//! keys are gone by their time.

use crate::model::event::Event;
use crate::model::ids::RunId;
use crate::model::record::{Lease, TaskStatusRecord};
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::schema::{self, SchemaKind};
use crate::store::verify::{masked, same};
use crate::store::{Problem, SharedState as _, Store, StoreError, journal, keys};

use super::batch::Meaning;
use super::restore::{self, Told, is_skipped};
use super::scripts::Refused;
use super::state::{Entry, RedisState};

impl Store {
    /// Everything in a Redis below `prefix` that is not as it should be: documents against their
    /// schemas, and what it has of this journal's runs against the journal. A run whose supervisor
    /// lives, as far as `is_alive` knows, may be a moment behind its journal.
    ///
    /// # Errors
    /// [`StoreError::Redis`], or what keeps the journal from being read.
    pub fn verify_shared(
        &self,
        redis: &RedisState,
        prefix: &str,
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Vec<Problem>, StoreError> {
        let mut problems = Vec::new();
        check_documents(redis, prefix, &mut problems)?;
        for listed in self.read(journal::list)?.into_iter().filter(|listed| listed.prefix == prefix) {
            // What is wrong with the journal itself, `verify` tells.
            let Ok(spec) = self.run_spec(&listed.summary.run_id) else { continue };
            let keys: Vec<String> = spec.tasks.iter().map(|task| keys::status(&spec, &task.id)).collect();
            let stream = keys::events(prefix, &spec.run_id);
            // Whether it lives is asked first: what ended meanwhile has written all of it.
            let lives = self.lease(&spec.run_id)?.is_some_and(|lease| is_alive(&lease));
            let (last, texts) = redis.snapshot(&stream, &keys)?;
            let mine = |text: &String| run_of(text).as_ref() == Some(&spec.run_id);
            if last == 0 && !texts.iter().flatten().any(mine) {
                continue;
            }
            let told = self.read(|connection| {
                if lives {
                    restore::told_until(connection, &spec, last)
                } else {
                    restore::told(connection, &spec, 0)
                }
            });
            let Ok(mut told) = told else { continue };
            let mut events = redis.stream_read(&stream, 0)?;
            if lives {
                events.retain(|(number, _)| *number <= last);
            }
            if went_on(&told, &events)
                && let Some(view) = view_of(&spec, &events)
            {
                told = Told { view, events: events.clone() };
            }
            check_stream(stream, &events, &told, &mut problems);
            check_records(&spec, &told, keys.into_iter().zip(texts), &mut problems);
        }
        Ok(problems)
    }

    /// Writes what a Redis should have of this journal's runs below `prefix` where it has not.
    /// `is_alive` is asked of supervisors: what lives writes for itself, and is not overwritten where
    /// it is further on.
    ///
    /// # Errors
    /// [`StoreError::Redis`], or what keeps the journal from being read.
    pub fn repair_shared(
        &mut self,
        redis: &RedisState,
        prefix: &str,
        since: Timestamp,
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Vec<Problem>, StoreError> {
        let before = self.verify_shared(redis, prefix, is_alive)?;
        let mut mended = Vec::new();
        for listed in self.read(journal::list)?.into_iter().filter(|listed| listed.prefix == prefix) {
            // The newest come first, and what ended long ago has no keys any more.
            if listed.cleared || (listed.ended && listed.summary.updated_at < since) {
                continue;
            }
            let run = listed.summary.run_id.clone();
            let Ok(spec) = self.run_spec(&run) else { continue };
            mended.extend(self.mend(redis, &spec, is_alive)?);
        }
        let after = self.verify_shared(redis, prefix, is_alive)?;
        mended.extend(before.into_iter().filter(|problem| !after.contains(problem)));
        mended.sort();
        mended.dedup();
        Ok(mended)
    }

    fn mend(
        &self,
        redis: &RedisState,
        spec: &RunSpec,
        is_alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Vec<Problem>, StoreError> {
        let run = &spec.run_id;
        let Ok(mut told) = self.read(|connection| restore::told(connection, spec, 0)) else {
            return Ok(Vec::new());
        };
        let key = keys::events(&spec.prefix, run);
        let stream = redis.stream_read(&key, 0)?;
        if went_on(&told, &stream) {
            // The journal of whoever has it now is what counts.
            return Ok(Vec::new());
        }
        if told.events.starts_with(&stream) {
            told.events.drain(..stream.len());
        } else {
            // What is missing in the middle, or was written by somebody else, cannot be put right in
            // its place.
            redis.remove(&key)?;
        }
        let lives = self.lease(run)?.is_some_and(|lease| is_alive(&lease));
        let meaning = if lives { Meaning::Mend } else { Meaning::Restore };
        let fence = self.read(|connection| journal::head(connection, run))?.fence.max(told.view.fence);
        let mut written = 0;
        for batch in told.batches(spec, fence, &meaning, None, &self.masker)? {
            let call = |dead: &[String]| batch.clone().call("", &redis.ttl_text(), dead);
            match redis.persist(call, is_alive)? {
                Ok(count) => written += count,
                // Somebody else has its tasks by now: theirs is what counts.
                Err(Refused::Held { .. } | Refused::Stale { .. }) => {}
                Err(refused) => return Err(refused.error(run, fence, |_| None)),
            }
        }
        let events = told.events.len();
        Ok((written > 0 || events > 0)
            .then(|| Problem {
                place: format!("run {run}"),
                message: format!("{written} records and {events} events were written again"),
            })
            .into_iter()
            .collect())
    }
}

fn run_of(text: &str) -> Option<RunId> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    Some(RunId(value.get("run_id")?.as_str()?.to_owned()))
}

fn check_stream(key: String, events: &[(u64, String)], told: &Told, problems: &mut Vec<Problem>) {
    if events == told.events {
        return;
    }
    let message = match events.iter().zip(&told.events).find(|(one, other)| one != other) {
        Some((_, (number, _))) => format!("event {number} is not the journal's"),
        None => format!("has {} events of {}", events.len(), told.events.len()),
    };
    problems.push(Problem { place: key, message });
}

fn check_records(
    spec: &RunSpec,
    told: &Told,
    records: impl Iterator<Item = (String, Option<String>)>,
    problems: &mut Vec<Problem>,
) {
    for (place, (key, text)) in records.enumerate() {
        let Some(text) = text else {
            if !spec.tasks.get(place).is_some_and(is_skipped) {
                problems.push(Problem { place: key, message: "is missing".to_owned() });
            }
            continue;
        };
        // What is no record at all is told with the other documents.
        let Ok(stored) = serde_json::from_str::<TaskStatusRecord>(&text) else { continue };
        if stored.run_id != spec.run_id {
            continue;
        }
        let record = TaskStatusRecord::of(spec, &told.view, place, stored.updated_at);
        if masked(&record).is_none_or(|record| !same(&record, &stored)) {
            problems.push(Problem { place: key, message: "is not what the run's events say".to_owned() });
        }
    }
}

/// Whether another machine went on with the run: the stream has all of the journal, and more.
fn went_on(told: &Told, stream: &[(u64, String)]) -> bool {
    stream.len() > told.events.len() && stream.starts_with(&told.events)
}

/// The state of a run as a stream tells it; none: it does not fit together.
fn view_of(spec: &RunSpec, stream: &[(u64, String)]) -> Option<RunView> {
    let events: Option<Vec<Event>> = stream.iter().map(|(_, text)| serde_json::from_str(text).ok()).collect();
    RunView::fold(spec, &events?).ok()
}

impl RedisState {
    /// Everything below `prefix` that does not follow its schema: all that can be told without a journal.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn verify_documents(&self, prefix: &str) -> Result<Vec<Problem>, StoreError> {
        let mut problems = Vec::new();
        check_documents(self, prefix, &mut problems)?;
        Ok(problems)
    }
}

fn check_documents(redis: &RedisState, prefix: &str, problems: &mut Vec<Problem>) -> Result<(), StoreError> {
    let beginning = keys::coded(prefix);
    for (key, text) in redis.list(&beginning)? {
        let below = &key[beginning.len()..];
        let kind = if below == "shared_state" { Some(SchemaKind::SharedState) } else { keys::kind_of(below) };
        let message = match kind {
            Some(kind) => schema::validate(kind, text.as_bytes())
                .err()
                .map(|violations| violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")),
            None => serde_json::from_str::<serde_json::Value>(&text)
                .err()
                .map(|error| format!("is no JSON: {error}")),
        };
        problems.extend(message.map(|message| Problem { place: key, message }));
    }
    for (key, _) in redis.streams(&beginning)? {
        let kind = if key.ends_with(":control") { SchemaKind::Control } else { SchemaKind::Event };
        let Some(Entry::Stream(entries)) = redis.entry(&key)? else { continue };
        for (number, text) in entries {
            if let Err(violations) = schema::validate(kind, text.as_bytes()) {
                let told = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                problems.push(Problem { place: format!("{key} {number}"), message: told });
            }
        }
    }
    Ok(())
}
