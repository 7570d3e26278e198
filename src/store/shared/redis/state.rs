//! The shared state in a Redis: the contract of [`SharedState`] by scripts and plain commands.

use std::cell::RefCell;
use std::time::Duration;

use redis::Value;

use crate::model::ids::RunId;
use crate::model::record::Lease;
use crate::model::time::Timestamp;
use crate::store::{LEASE, StoreError};

use super::super::{Decision, SharedState, StatusWrite};
use super::address::Address;
use super::batch::{Batch, Meaning};
use super::connection::Connection;
use super::rights::{Doubt, Survey};
use super::scripts::{Call, Refused, Reply, Script, read, text_of};
use super::trouble::Trouble;

/// How many keys are asked for at once when all are looked through.
const PAGE: usize = 500;

/// Whose clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum TimeOf {
    /// The server's: the one clock that all its clients share.
    Server,
    /// The caller's, as for the embedded store: for tests, which make time pass.
    #[cfg(all(test, unix))]
    Caller,
}

/// The shared state in a Redis.
pub struct RedisState {
    address: Address,
    connection: RefCell<Connection>,
    /// How long keys outlive the last write.
    ttl: Duration,
    time: TimeOf,
}

impl std::fmt::Debug for RedisState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisState").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What is under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// One text.
    Text(String),
    /// The texts of a stream with their numbers, in order.
    Stream(Vec<(u64, String)>),
}

impl RedisState {
    /// Connects to a Redis, within `at_most`. Keys go `ttl` after they were written last.
    ///
    /// # Errors
    /// [`StoreError::Redis`], which says what is wrong with it.
    pub fn open(address: Address, ttl: Duration, at_most: Duration) -> Result<Self, StoreError> {
        match connect(&address, at_most) {
            Ok(connection) => Ok(Self::over(address, connection, ttl, TimeOf::Server)),
            Err(trouble) => Err(StoreError::Redis { address: address.to_string(), trouble }),
        }
    }

    pub(super) fn over(address: Address, connection: Connection, ttl: Duration, time: TimeOf) -> Self {
        Self { address, connection: RefCell::new(connection), ttl, time }
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// How long keys outlive the last write.
    pub(super) const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The same in milliseconds.
    pub(super) fn ttl_text(&self) -> String {
        self.ttl.as_millis().to_string()
    }

    /// The time as scripts are told it; nothing: the server's own.
    #[cfg_attr(
        not(all(test, unix)),
        expect(unused_variables, reason = "only tests bring a time of their own")
    )]
    fn time(&self, now: Timestamp) -> String {
        match self.time {
            TimeOf::Server => String::new(),
            #[cfg(all(test, unix))]
            TimeOf::Caller => now.0.to_string(),
        }
    }

    /// Runs scripts in one round trip.
    pub(super) fn run(&self, calls: &[Call]) -> Result<Vec<Reply>, Trouble> {
        self.connection
            .borrow_mut()
            .run(calls)?
            .into_iter()
            .map(|answer| {
                let value = answer?;
                read(&value).ok_or_else(|| Trouble::Other("a script answered nonsense".to_owned()))
            })
            .collect()
    }

    pub(super) fn run_one(&self, call: Call) -> Result<Reply, StoreError> {
        let mut replies = self.run(&[call]).map_err(|trouble| self.fault(trouble))?;
        replies.pop().ok_or_else(|| self.fault(Trouble::Other("a script did not answer".to_owned())))
    }

    pub(super) fn command(&self, command: &redis::Cmd) -> Result<Value, StoreError> {
        self.connection.borrow_mut().command(command).map_err(|trouble| self.fault(trouble))
    }

    /// Sends plain commands in one round trip. Each has an answer of its own.
    pub(super) fn pipeline(&self, commands: &[redis::Cmd]) -> Result<Vec<Result<Value, Trouble>>, Trouble> {
        self.connection.borrow_mut().pipeline(commands)
    }

    /// Why the rights of agents in this server are no more than advice; empty: they hold, as far as the
    /// server's own say goes. Makes a user that nobody can log in as, and removes it.
    pub fn doubts(&self) -> Vec<Doubt> {
        Survey::take(self).doubts
    }

    /// The error of this store for a trouble with it.
    pub(super) fn fault(&self, trouble: Trouble) -> StoreError {
        StoreError::Redis { address: self.address.to_string(), trouble }
    }

    /// What is under `key`, be it a text or a stream.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn entry(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let kind = self.command(redis::cmd("TYPE").arg(key))?;
        match text_of(&kind).as_deref() {
            Some("string") => Ok(self.get(key)?.map(Entry::Text)),
            Some("stream") => Ok(Some(Entry::Stream(self.stream_read(key, 0)?))),
            _ => Ok(None),
        }
    }

    /// The number of the last entry of the stream `key`; 0: there is none.
    pub(super) fn last_of(&self, key: &str) -> Result<u64, StoreError> {
        let kind = self.command(redis::cmd("TYPE").arg(key))?;
        if text_of(&kind).as_deref() != Some("stream") {
            return Ok(0);
        }
        let mut range = redis::cmd("XREVRANGE");
        range.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
        let Value::Array(entries) = self.command(&range)? else { return Ok(0) };
        Ok(entries.first().and_then(stream_entry).map_or(0, |(number, _)| number))
    }

    /// The number of the last entry of a stream and the texts under some keys, all of one moment.
    pub(super) fn snapshot(
        &self,
        stream: &str,
        texts: &[String],
    ) -> Result<(u64, Vec<Option<String>>), StoreError> {
        let mut commands = vec![redis::cmd("MULTI")];
        let mut last = redis::cmd("XREVRANGE");
        last.arg(stream).arg("+").arg("-").arg("COUNT").arg(1);
        commands.push(last);
        if !texts.is_empty() {
            let mut get = redis::cmd("MGET");
            get.arg(texts);
            commands.push(get);
        }
        commands.push(redis::cmd("EXEC"));
        let answers = self.connection.borrow_mut().pipeline(&commands);
        let mut answers = answers.map_err(|trouble| self.fault(trouble))?;
        let executed = answers.pop().unwrap_or(Ok(Value::Nil)).map_err(|trouble| self.fault(trouble))?;
        let Value::Array(parts) = executed else { return Ok((0, vec![None; texts.len()])) };
        // What is under the stream's key may be something else.
        let last = match parts.first() {
            Some(Value::Array(entries)) => {
                entries.first().and_then(stream_entry).map_or(0, |(number, _)| number)
            }
            Some(_) | None => 0,
        };
        let mut found: Vec<Option<String>> = match parts.get(1) {
            Some(Value::Array(values)) => values.iter().map(text_of).collect(),
            Some(_) | None => Vec::new(),
        };
        found.resize(texts.len(), None);
        Ok((last, found))
    }

    /// Takes `key` away, whatever it is.
    pub(super) fn remove(&self, key: &str) -> Result<(), StoreError> {
        self.command(redis::cmd("DEL").arg(key)).map(drop)
    }

    /// Takes keys away.
    pub(super) fn remove_all(&self, keys: &[String]) -> Result<(), StoreError> {
        for page in keys.chunks(PAGE) {
            self.command(redis::cmd("DEL").arg(page))?;
        }
        Ok(())
    }

    /// The first `at_most` bytes under each key, in one round trip; nothing for a key that is not
    /// there or is no text.
    pub(super) fn beginnings(&self, keys: &[&str], at_most: usize) -> Result<Vec<Vec<u8>>, Trouble> {
        let commands: Vec<redis::Cmd> = keys
            .iter()
            .map(|key| {
                let mut command = redis::cmd("GETRANGE");
                command.arg(key).arg(0).arg(at_most.saturating_sub(1));
                command
            })
            .collect();
        let answers = self.connection.borrow_mut().pipeline(&commands)?;
        answers
            .into_iter()
            .map(|answer| match answer {
                Ok(Value::BulkString(bytes)) => Ok(bytes),
                Ok(_) => Ok(Vec::new()),
                Err(Trouble::Other(told)) if told.contains("WRONGTYPE") => Ok(Vec::new()),
                Err(trouble) => Err(trouble),
            })
            .collect()
    }

    /// Lets keys go as long after this as others go after their last write.
    pub(super) fn let_go(&self, keys: &[&str]) -> Result<(), Trouble> {
        if keys.is_empty() || self.ttl.is_zero() {
            return Ok(());
        }
        let commands: Vec<redis::Cmd> = keys
            .iter()
            .map(|key| {
                let mut command = redis::cmd("PEXPIRE");
                command.arg(key).arg(self.ttl_text());
                command
            })
            .collect();
        self.connection.borrow_mut().pipeline(&commands).map(drop)
    }

    /// Every stream whose key begins with `prefix`, in order, with the number of its entries.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn streams(&self, prefix: &str) -> Result<Vec<(String, u64)>, StoreError> {
        let mut found = Vec::new();
        for key in self.keys(prefix, "stream")? {
            let length = self.command(redis::cmd("XLEN").arg(&key))?;
            let length = text_of(&length).and_then(|text| text.parse().ok()).unwrap_or(0);
            found.push((key, length));
        }
        Ok(found)
    }

    /// The keys that begin with `prefix`, in order, of one kind.
    fn keys(&self, prefix: &str, kind: &str) -> Result<Vec<String>, StoreError> {
        let pattern = format!("{}*", escaped(prefix));
        let mut cursor = "0".to_owned();
        let mut found = Vec::new();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(PAGE).arg("TYPE").arg(kind);
            let Value::Array(answer) = self.command(&scan)? else { break };
            if let Some(Value::Array(names)) = answer.get(1) {
                found.extend(names.iter().filter_map(text_of));
            }
            match answer.first().and_then(text_of) {
                Some(next) if next != "0" => cursor = next,
                _ => break,
            }
        }
        // A key may be told twice while others come and go.
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The next fence under `key`: above every one before, at least the server's time in
    /// milliseconds, and at least `floor`.
    ///
    /// # Errors
    /// [`StoreError::Redis`].
    pub fn next_fence_above(&self, key: &str, floor: u64, now: Timestamp) -> Result<u64, StoreError> {
        let arguments = vec![self.time(now), floor.to_string(), self.ttl_text()];
        let call = Call { script: Script::Fence, keys: vec![key.to_owned()], arguments };
        match self.run_one(call)? {
            Ok(fence) => Ok(fence),
            Err(refused) => Err(self.nonsense(&refused)),
        }
    }

    /// Runs `call` until nobody who is known to be dead stands in its way.
    pub(super) fn persist(
        &self,
        mut call: impl FnMut(&[String]) -> Call,
        alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Reply, StoreError> {
        let mut dead = Vec::new();
        loop {
            match self.run_one(call(&dead))? {
                Err(Refused::Held { lease, .. }) if !dead.contains(&lease) && denied(&lease, alive) => {
                    dead.push(lease);
                }
                other => return Ok(other),
            }
        }
    }

    fn nonsense(&self, refused: &Refused) -> StoreError {
        self.fault(Trouble::Other(format!("a script answered {refused:?}")))
    }
}

/// Whether the holder of a lease, as stored, is known to be dead.
fn denied(lease: &str, alive: &dyn Fn(&Lease) -> bool) -> bool {
    serde_json::from_str(lease).is_ok_and(|lease| !alive(&lease))
}

/// Connects on a thread of its own: looking up a name knows no limit.
fn connect(address: &Address, at_most: Duration) -> Result<Connection, Trouble> {
    let (sender, connected) = std::sync::mpsc::sync_channel(1);
    let there = address.clone();
    std::thread::Builder::new()
        .name("redis-connect".to_owned())
        // Nobody may wait any more when it is done.
        .spawn(move || drop(sender.send(Connection::open(&there, at_most))))
        .map_err(|error| Trouble::Other(format!("cannot start a thread: {error}")))?;
    connected.recv_timeout(at_most).unwrap_or(Err(Trouble::Slow))
}

/// What begins with `text`, as a pattern.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

impl SharedState for RedisState {
    fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(text_of(&self.command(redis::cmd("GET").arg(key))?))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let keys = self.keys(prefix, "string")?;
        let mut found = Vec::with_capacity(keys.len());
        for page in keys.chunks(PAGE) {
            let Value::Array(texts) = self.command(redis::cmd("MGET").arg(page))? else { continue };
            let texts = page.iter().zip(&texts).filter_map(|(key, text)| Some((key.clone(), text_of(text)?)));
            found.extend(texts);
        }
        Ok(found)
    }

    fn put(&mut self, key: &str, text: &str, _run: &RunId) -> Result<(), StoreError> {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(text);
        if !self.ttl.is_zero() {
            set.arg("PX").arg(self.ttl_text());
        }
        self.command(&set).map(drop)
    }

    fn delete(&mut self, key: &str) -> Result<bool, StoreError> {
        Ok(self.command(redis::cmd("DEL").arg(key))? == Value::Int(1))
    }

    fn write_status(
        &mut self,
        write: &StatusWrite<'_>,
        now: Timestamp,
        alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Decision, StoreError> {
        let record = write.record;
        let batch = |dead: &[String]| {
            let mut batch = Batch::new(write.prefix, &record.run_id, record.fence);
            batch.record(
                write.key.to_owned(),
                &Meaning::of(&write.expected),
                record.revision,
                false,
                write.json,
            );
            batch.call(&self.time(now), &self.ttl_text(), dead)
        };
        match self.persist(batch, alive)? {
            Ok(0) => Ok(Decision::Keep),
            Ok(_) => Ok(Decision::Write),
            Err(refused) => {
                Err(refused.error(&record.run_id, record.fence, |_| Some(record.task_id.clone())))
            }
        }
    }

    fn beat(&mut self, key: &str, run: &RunId, fence: u64, now: Timestamp) -> Result<(), StoreError> {
        let call = Call {
            script: Script::Beat,
            keys: vec![key.to_owned(), key.to_owned()],
            arguments: vec![
                run.as_str().to_owned(),
                fence.to_string(),
                self.time(now),
                self.ttl_text(),
                String::new(),
                String::new(),
                now.to_string(),
                "1".to_owned(),
            ],
        };
        self.run_one(call).map(drop)
    }

    fn stream_append(&mut self, key: &str, text: &str, _run: &RunId) -> Result<u64, StoreError> {
        let arguments = vec![text.to_owned(), self.ttl_text()];
        match self.run_one(Call { script: Script::Append, keys: vec![key.to_owned()], arguments })? {
            Ok(number) => Ok(number),
            Err(refused) => Err(self.nonsense(&refused)),
        }
    }

    fn stream_read(&self, key: &str, after: u64) -> Result<Vec<(u64, String)>, StoreError> {
        let mut found: Vec<(u64, String)> = Vec::new();
        loop {
            let from = found.last().map_or(after, |(number, _)| *number).saturating_add(1);
            let mut range = redis::cmd("XRANGE");
            range.arg(key).arg(format!("{from}-0")).arg("+").arg("COUNT").arg(PAGE);
            let entries = match self.command(&range) {
                Ok(Value::Array(entries)) => entries,
                // Somebody put something else there: it has no entries.
                Err(StoreError::Redis { trouble: Trouble::Other(told), .. })
                    if told.contains("WRONGTYPE") =>
                {
                    return Ok(found);
                }
                Ok(_) => return Ok(found),
                Err(error) => return Err(error),
            };
            let full = entries.len() >= PAGE;
            found.extend(entries.iter().filter_map(stream_entry));
            if !full {
                return Ok(found);
            }
        }
    }

    fn take_lease(
        &mut self,
        key: &str,
        lease: &Lease,
        now: Timestamp,
        alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<(), StoreError> {
        let text = lease_text(lease)?;
        let length = lease.until.since(now);
        let batch = |dead: &[String]| {
            let mut batch = Batch::new("", &lease.run_id, lease.fence);
            batch.lease(key.to_owned(), "take", &text, length);
            batch.call(&self.time(now), &self.ttl_text(), dead)
        };
        match self.persist(batch, alive)? {
            Ok(_) => Ok(()),
            Err(refused) => Err(refused.error(&lease.run_id, lease.fence, |_| None)),
        }
    }

    fn renew_lease(&mut self, key: &str, lease: &Lease) -> Result<(), StoreError> {
        let text = lease_text(lease)?;
        // By the server's clock a lease is renewed for its whole length.
        let (from, length) = match self.time {
            TimeOf::Server => (Timestamp(0), LEASE),
            #[cfg(all(test, unix))]
            TimeOf::Caller => (Timestamp(0), lease.until.since(Timestamp(0))),
        };
        let mut batch = Batch::new("", &lease.run_id, lease.fence);
        batch.lease(key.to_owned(), "renew", &text, length);
        match self.run_one(batch.call(&self.time(from), &self.ttl_text(), &[]))? {
            Ok(_) => Ok(()),
            Err(refused) => Err(refused.error(&lease.run_id, lease.fence, |_| None)),
        }
    }

    fn release_lease(&mut self, key: &str, fence: u64) -> Result<bool, StoreError> {
        let call =
            Call { script: Script::Release, keys: vec![key.to_owned()], arguments: vec![fence.to_string()] };
        Ok(self.run_one(call)? == Ok(1))
    }

    fn next_fence(&mut self, key: &str, now: Timestamp) -> Result<u64, StoreError> {
        self.next_fence_above(key, 0, now)
    }
}

/// The number and the text of one entry of a stream.
pub(super) fn stream_entry(entry: &Value) -> Option<(u64, String)> {
    let Value::Array(parts) = entry else { return None };
    let number = text_of(parts.first()?)?.split('-').next()?.parse().ok()?;
    let Value::Array(fields) = parts.get(1)? else { return None };
    Some((number, text_of(fields.get(1)?)?))
}

/// A lease as it is stored, valid by its schema.
pub(super) fn lease_text(lease: &Lease) -> Result<String, StoreError> {
    crate::store::door::document(
        &crate::masking::Masker::default(),
        crate::schema::SchemaKind::Lease,
        || format!("the lease of run `{}`", lease.run_id),
        lease,
    )
}
