//! The database file: how it is opened, what tables it has, how a write is one step.
//!
//! WAL mode, so that others read while one writes; `synchronous=NORMAL`, so that what was written
//! outlives a kill of ours without a sync for every step. Writes begin with `BEGIN IMMEDIATE`: a
//! transaction that reads first and writes later is refused at once when somebody else wrote in
//! between, however long it would have waited.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::StoreError;

/// The form of the tables. Grows with every change of them.
const FORM: i64 = 1;

/// Marks the file as ours: `orch` in ASCII.
const APPLICATION: i64 = 0x6f72_6368;

/// How long to wait for a lock. A write of ours takes milliseconds; a backup tool may take longer.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How often to try to switch to WAL while others that just made the file do the same.
const SWITCH_TRIES: u32 = 50;

/// After how many pages of log a writer moves them into the file, with a sync: 16 MiB. A run of some
/// hundred events stays below, and the sync at its end moves them.
const CHECKPOINT_PAGES: u32 = 4_096;

/// The tables. `specs` stands apart from `runs` because the latter is written with every event.
const TABLES: &str = "
    CREATE TABLE runs (
        run_id TEXT PRIMARY KEY,
        prefix TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        seen_at INTEGER NOT NULL,
        ended_at INTEGER,
        last_seq INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        cleared INTEGER NOT NULL,
        summary TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE specs (run_id TEXT PRIMARY KEY, spec TEXT NOT NULL);
    CREATE TABLE events (
        run_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (run_id, seq)
    ) WITHOUT ROWID;
    CREATE TABLE entries (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        run_id TEXT,
        status TEXT,
        revision INTEGER,
        fence INTEGER,
        expires_at INTEGER
    );
    CREATE TABLE streams (
        key TEXT NOT NULL,
        seq INTEGER NOT NULL,
        value TEXT NOT NULL,
        run_id TEXT,
        expires_at INTEGER,
        PRIMARY KEY (key, seq)
    ) WITHOUT ROWID;
";

/// Opens the database for reading and writing, and makes its tables where there are none.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(LOCK_WAIT)?;
    if form_of(&connection)? == 0 {
        configure(&connection)?;
        make_tables(&mut connection)?;
        check_form(&connection)?;
    } else {
        // What is not ours to write is not even put into another mode.
        check_form(&connection)?;
        configure(&connection)?;
    }
    Ok(connection)
}

/// Opens a database that is there; none where it is an empty file.
pub(super) fn open_existing(path: &Path) -> Result<Option<Connection>, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match Connection::open_with_flags(path, flags) {
        Ok(connection) => connection,
        // A reader may have no right to write.
        Err(_) => Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?,
    };
    connection.busy_timeout(LOCK_WAIT)?;
    if form_of(&connection)? == 0 && is_empty(&connection)? {
        return Ok(None);
    }
    check_form(&connection)?;
    configure(&connection)?;
    Ok(Some(connection))
}

/// Runs `work` as one step: all of it is written, or nothing.
pub(super) fn write<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let result = work(&transaction)?;
    transaction.commit()?;
    Ok(result)
}

fn configure(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_prepared_statement_cache_capacity(64);
    if !connection.is_readonly(rusqlite::MAIN_DB)? {
        switch_to_wal(connection)?;
    }
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(())
}

/// Switching needs the file for itself, and SQLite does not wait for that: a turn in the queue of
/// writers does the waiting.
fn switch_to_wal(connection: &Connection) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode.eq_ignore_ascii_case("wal") {
            return Ok(());
        }
        let switched =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match switched {
            Ok(mode) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            Ok(mode) => {
                return Err(StoreError::Unavailable {
                    path: PathBuf::new(),
                    source: format!("its file system allows no write-ahead log (mode `{mode}`)").into(),
                });
            }
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tries < SWITCH_TRIES =>
            {
                tries += 1;
                connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn make_tables(connection: &mut Connection) -> Result<(), StoreError> {
    write(connection, |connection| {
        // Somebody else may have made them while we waited.
        if form_of(connection)? != 0 {
            return Ok(());
        }
        if !is_empty(connection)? {
            return Err(StoreError::corrupt("it is a database of another program"));
        }
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.pragma_update(None, "user_version", FORM)?;
        Ok(())
    })
}

fn check_form(connection: &Connection) -> Result<(), StoreError> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != APPLICATION {
        return Err(StoreError::corrupt("it is a database of another program"));
    }
    let found = form_of(connection)?;
    if found > FORM {
        return Err(StoreError::newer(format!(
            "it was written by a newer version (form {found}; this one knows {FORM})"
        )));
    }
    Ok(())
}

fn form_of(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn is_empty(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?)
}
