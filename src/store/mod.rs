//! The journal and the shared state in one SQLite file, and the shared state in a Redis besides.
//!
//! The journal is the truth: a run as it was started, and its events. Status records and the index
//! can be made of it again at any time. What one turn of the loop writes goes down in one
//! transaction, so a reader, or a resume after a crash, sees all of a turn or nothing of it.
//!
//! - Everything that goes in is masked and follows its schema, except a run as it was started: a
//!   resume needs it whole. That is masked when shown.
//! - Nobody overwrites anybody: a writer has to hold the highest fence that took the run, events
//!   follow each other without gaps, and status records are compared before they are set.
//! - There is no clock here. Times are arguments; the one exception is [`Store::runs`], which says
//!   so.
//!
//! What was written survives a kill of ours at once, and a loss of power after [`Store::sync`].

mod adopting;
mod cooldowns;
mod database;
mod door;
mod error;
mod folder;
mod journal;
pub mod keys;
mod number;
mod outbox;
mod reading;
mod repair;
mod reports;
mod rights;
mod shared;
mod sharing;
mod spending;
mod spent;
mod verify;
mod writing;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use crate::masking::Masker;
use crate::model::account::RunAccount;
use crate::model::ids::RunId;

pub use error::StoreError;
pub use outbox::AlertMark;
pub use reports::report_text;
pub use shared::redis::{
    Address, AddressError, Doubt, Entry, Grant, Mirror, Place, RedisState, ReportWake, SharedNews,
    SharedReport, StreamEntry, Trouble, dotenv,
};
pub use shared::{Decision, Expected, SharedState, StatusWrite, StoredStatus, decide};
pub use spending::ProviderState;
pub use spent::Spent;
pub use verify::Problem;

/// How long a lease holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(30);

/// How long shared keys stay after a run's end, or after its supervisor was last seen.
pub const KEEP: Duration = Duration::from_hours(7 * 24);

/// How much of a task's output is kept as its tail, in bytes.
pub const TAIL_BYTES: usize = 64 * 1024;

/// The state store of a project, opened by this process. Any number of processes may have it open.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    /// The database file.
    path: PathBuf,
    /// The fences of the runs that this process took.
    held: BTreeMap<RunId, u64>,
    /// What the runs that this process took reserved and spent, as their journals tell.
    accounts: BTreeMap<RunId, RunAccount>,
    /// What goes in is masked by this.
    masker: Masker,
    /// What is written to a Redis too.
    mirror: Option<Mirror>,
}

impl Store {
    /// Opens the store in `state_dir`, making folder and file where they are not there. With
    /// `write_gitignore` a `.gitignore` is put into the folder unless there is one; whether git
    /// tracks one is for the caller to know.
    pub fn open(state_dir: &Path, write_gitignore: bool) -> Result<Self, StoreError> {
        let path = folder::prepare(state_dir, write_gitignore)?;
        let connection = database::open(&path).map_err(|error| error.at(&path))?;
        Ok(Self::over(connection, path))
    }

    /// Opens the store in `state_dir` for a reader; none: there is no store yet. Makes nothing.
    pub fn open_existing(state_dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder::database(state_dir);
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(StoreError::Unavailable { path, source: Box::new(error) }),
        }
        let connection = database::open_existing(&path).map_err(|error| error.at(&path))?;
        Ok(connection.map(|connection| Self::over(connection, path)))
    }

    fn over(connection: Connection, path: PathBuf) -> Self {
        Self {
            connection,
            path,
            held: BTreeMap::new(),
            accounts: BTreeMap::new(),
            masker: Masker::default(),
            mirror: None,
        }
    }

    /// Masks what goes in from here on by these known values too, not by shape alone.
    pub fn set_masker(&mut self, masker: Masker) {
        self.masker = masker;
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes everything that was written survive a loss of power. For what cannot be taken back: the
    /// end of a run, a landing, an answer to somebody who waits.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        let (busy, log, moved) = self.read(|connection| {
            Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })?)
        })?;
        if busy == 0 && log == moved {
            return Ok(());
        }
        // A reader or another checkpoint is in the way: the log itself has all of it.
        let mut log_path = self.path.clone().into_os_string();
        log_path.push("-wal");
        let log_path = PathBuf::from(log_path);
        OpenOptions::new()
            .write(true)
            .open(&log_path)
            .and_then(|file| file.sync_all())
            .map_err(|error| StoreError::Unavailable { path: log_path, source: Box::new(error) })
    }

    fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        work(&self.connection).map_err(|error| error.at(&self.path))
    }

    fn fault(&self, error: rusqlite::Error) -> StoreError {
        StoreError::from(error).at(&self.path)
    }

    fn write<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        database::write(&mut self.connection, work).map_err(|error| error.at(&self.path))
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
