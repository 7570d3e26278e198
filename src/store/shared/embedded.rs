//! The shared state in the journal's own database, for projects without Redis.
//!
//! It works on a connection that it does not own: inside a transaction of the caller it is part of
//! that one, so that a turn of the loop is one step; outside, every call is a step of its own.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::masking::Masker;
use crate::model::ids::RunId;
use crate::model::record::{Lease, TaskStatusRecord};
use crate::model::status::TaskStatus;
use crate::model::time::Timestamp;
use crate::schema::SchemaKind;

use super::super::number::{from_sql, to_sql};
use super::super::{StoreError, door, keys};
use super::{Decision, SharedState, StatusWrite, StoredStatus, decide, holder_name};

/// The shared state on this connection.
pub(in crate::store) struct Embedded<'c> {
    connection: &'c Connection,
}

impl<'c> Embedded<'c> {
    pub(in crate::store) const fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// The lease under `key` as it is stored, run out or not.
    pub(in crate::store) fn lease(&self, key: &str) -> Result<Option<Lease>, StoreError> {
        self.get(key)?
            .map(|text| {
                serde_json::from_str(&text)
                    .map_err(|error| StoreError::corrupt(format!("`{key}` is no lease: {error}")))
            })
            .transpose()
    }

    fn atomically<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if !self.connection.is_autocommit() {
            return work(self);
        }
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let result = work(self);
        let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = self.connection.execute_batch(end);
        let value = result?;
        ended?;
        Ok(value)
    }

    fn stored_status(&self, key: &str) -> Result<Option<StoredStatus>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT run_id, status, revision, fence FROM entries WHERE key = ?1 AND status IS NOT NULL",
        )?;
        let row = statement
            .query_row([key], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((run_id, word, revision, fence)) = row else { return Ok(None) };
        let status = TaskStatus::ALL
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| StoreError::corrupt(format!("`{key}` has the unknown status `{word}`")))?;
        Ok(Some(StoredStatus {
            run_id: RunId(run_id),
            status,
            revision: from_sql(revision)?,
            fence: from_sql(fence)?,
        }))
    }

    /// Stores a status record, whatever is there.
    pub(in crate::store) fn put_status(
        &mut self,
        key: &str,
        record: &TaskStatusRecord,
        json: &str,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO entries (key, value, run_id, status, revision, fence)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (key) DO UPDATE SET value = ?2, run_id = ?3, status = ?4,
                     revision = ?5, fence = ?6, expires_at = NULL",
            )?
            .execute(params![
                key,
                json,
                record.run_id.as_str(),
                record.status.as_str(),
                to_sql(record.revision),
                to_sql(record.fence),
            ])?;
        Ok(())
    }

    /// Puts a text under `key` that is of no single run, and goes at `until`.
    pub(in crate::store) fn put_common(
        &mut self,
        key: &str,
        text: &str,
        until: Timestamp,
    ) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO entries (key, value, expires_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET value = ?2, run_id = NULL, expires_at = ?3",
            )?
            .execute(params![key, text, until.0])?;
        Ok(())
    }

    /// Raises the fence under `key` to `fence`, which another store gave out.
    pub(in crate::store) fn raise_fence(&mut self, key: &str, fence: u64) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO entries (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = ?2 WHERE CAST(value AS INTEGER) < CAST(?2 AS INTEGER)",
            )?
            .execute(params![key, fence.to_string()])?;
        Ok(())
    }

    /// The run that the entry under `key` is of, and its text.
    pub(in crate::store) fn owned(&self, key: &str) -> Result<Option<(Option<RunId>, String)>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT run_id, value FROM entries WHERE key = ?1")?;
        let row = statement
            .query_row([key], |row| Ok((row.get::<_, Option<String>>(0)?.map(RunId), row.get(1)?)))
            .optional()?;
        Ok(row)
    }

    /// Lets all that `run` put here go at `at`; none: keeps it.
    pub(in crate::store) fn expire_run(
        &mut self,
        run: &RunId,
        at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let at = at.map(|time| time.0);
        self.atomically(|this| {
            for table in ["entries", "streams"] {
                let update = format!("UPDATE {table} SET expires_at = ?2 WHERE run_id = ?1");
                this.connection.prepare_cached(&update)?.execute(params![run.as_str(), at])?;
            }
            Ok(())
        })
    }

    /// Takes away what was to go by `now`. Returns how many keys and stream entries went.
    pub(in crate::store) fn remove_expired(&mut self, now: Timestamp) -> Result<usize, StoreError> {
        self.atomically(|this| {
            let mut removed = 0;
            for table in ["entries", "streams"] {
                let delete = format!("DELETE FROM {table} WHERE expires_at <= ?1");
                removed += this.connection.prepare_cached(&delete)?.execute([now.0])?;
            }
            Ok(removed)
        })
    }

    fn live_lease(
        &self,
        key: &str,
        now: Timestamp,
        alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Option<Lease>, StoreError> {
        Ok(self.lease(key)?.filter(|lease| lease.until > now && alive(lease)))
    }

    fn store_lease(&self, key: &str, lease: &Lease) -> Result<(), StoreError> {
        let text = door::document(&Masker::default(), SchemaKind::Lease, || format!("lease `{key}`"), lease)?;
        self.connection
            .prepare_cached(
                "INSERT INTO entries (key, value, run_id, fence) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (key) DO UPDATE SET value = ?2, run_id = ?3, fence = ?4, expires_at = NULL",
            )?
            .execute(params![key, text, lease.run_id.as_str(), to_sql(lease.fence)])?;
        Ok(())
    }
}

impl SharedState for Embedded<'_> {
    fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM entries WHERE key = ?1")?;
        Ok(statement.query_row([key], |row| row.get(0)).optional()?)
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT key, value FROM entries WHERE key >= ?1 AND substr(key, 1, length(?1)) = ?1 ORDER BY key",
        )?;
        let rows = statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn put(&mut self, key: &str, text: &str, run: &RunId) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO entries (key, value, run_id) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET value = ?2, run_id = ?3, expires_at = NULL",
            )?
            .execute(params![key, text, run.as_str()])?;
        Ok(())
    }

    fn delete(&mut self, key: &str) -> Result<bool, StoreError> {
        let entries = self.connection.prepare_cached("DELETE FROM entries WHERE key = ?1")?.execute([key])?;
        Ok(entries > 0)
    }

    fn write_status(
        &mut self,
        write: &StatusWrite<'_>,
        now: Timestamp,
        alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<Decision, StoreError> {
        self.atomically(|this| {
            let stored = this.stored_status(write.key)?;
            let decision = decide(stored.as_ref(), write, |run| {
                this.live_lease(&keys::lease(write.prefix, run), now, alive)
            })?;
            if decision == Decision::Write {
                this.put_status(write.key, write.record, write.json)?;
            }
            Ok(decision)
        })
    }

    fn beat(&mut self, key: &str, run: &RunId, fence: u64, now: Timestamp) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "UPDATE entries SET value = json_set(value, '$.heartbeat_at', ?4), expires_at = NULL
                 WHERE key = ?1 AND run_id = ?2 AND fence <= ?3 AND status IS NOT NULL",
            )?
            .execute(params![key, run.as_str(), to_sql(fence), now.to_string()])?;
        Ok(())
    }

    fn stream_append(&mut self, key: &str, text: &str, run: &RunId) -> Result<u64, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO streams (key, seq, value, run_id)
             VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM streams WHERE key = ?1), ?2, ?3)
             RETURNING seq",
        )?;
        from_sql(statement.query_row(params![key, text, run.as_str()], |row| row.get(0))?)
    }

    fn stream_read(&self, key: &str, after: u64) -> Result<Vec<(u64, String)>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT seq, value FROM streams WHERE key = ?1 AND seq > ?2 ORDER BY seq")?;
        let mut rows = statement.query(params![key, to_sql(after)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push((from_sql(row.get(0)?)?, row.get(1)?));
        }
        Ok(found)
    }

    fn take_lease(
        &mut self,
        key: &str,
        lease: &Lease,
        now: Timestamp,
        alive: &dyn Fn(&Lease) -> bool,
    ) -> Result<(), StoreError> {
        self.atomically(|this| {
            if let Some(stored) = this.lease(key)? {
                let same = stored.host == lease.host
                    && stored.pid == lease.pid
                    && stored.pid_started == lease.pid_started;
                if !same && stored.until > now && alive(&stored) {
                    return Err(StoreError::Held {
                        run: stored.run_id.clone(),
                        task: None,
                        holder: holder_name(&stored),
                    });
                }
                if stored.fence > lease.fence {
                    return Err(lost(lease, stored.fence));
                }
            }
            this.store_lease(key, lease)
        })
    }

    fn renew_lease(&mut self, key: &str, lease: &Lease) -> Result<(), StoreError> {
        self.atomically(|this| {
            if let Some(stored) = this.lease(key)?
                && stored.fence != lease.fence
            {
                return Err(lost(lease, stored.fence));
            }
            this.store_lease(key, lease)
        })
    }

    fn release_lease(&mut self, key: &str, fence: u64) -> Result<bool, StoreError> {
        let deleted = self
            .connection
            .prepare_cached("DELETE FROM entries WHERE key = ?1 AND fence = ?2")?
            .execute(params![key, to_sql(fence)])?;
        Ok(deleted > 0)
    }

    fn next_fence(&mut self, key: &str, now: Timestamp) -> Result<u64, StoreError> {
        self.atomically(|this| {
            let stored = match this.get(key)? {
                Some(text) => text
                    .parse::<u64>()
                    .map_err(|_| StoreError::corrupt(format!("`{key}` is no number: `{text}`")))?,
                None => 0,
            };
            let next = stored.saturating_add(1).max(u64::try_from(now.0).unwrap_or(0));
            this.connection
                .prepare_cached(
                    "INSERT INTO entries (key, value) VALUES (?1, ?2)
                     ON CONFLICT (key) DO UPDATE SET value = ?2",
                )?
                .execute(params![key, next.to_string()])?;
            Ok(next)
        })
    }
}

fn lost(lease: &Lease, found: u64) -> StoreError {
    StoreError::Stale { run: lease.run_id.clone(), fence: lease.fence, found }
}
