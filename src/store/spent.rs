//! What every attempt cost: a row for each, written with its event.
//!
//! The table stands beside those of the form: a store that never had it has it made by the first who
//! writes, and a version that does not know it does not look at it.

use rusqlite::Connection;

use crate::model::event::{Event, EventBody, SpendBasis};
use crate::model::ids::{RunId, TaskId};
use crate::model::money::Money;
use crate::model::reading::Tokens;
use crate::model::time::Timestamp;

use super::number::{from_sql, to_sql};
use super::{Store, StoreError, journal};

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS spending (
        run_id TEXT NOT NULL,
        task_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        at INTEGER NOT NULL,
        day TEXT NOT NULL,
        provider TEXT,
        model TEXT,
        layer INTEGER,
        micro_usd INTEGER NOT NULL,
        basis TEXT NOT NULL,
        input INTEGER,
        output INTEGER,
        PRIMARY KEY (run_id, task_id, attempt)
    ) WITHOUT ROWID;
";

/// What one attempt cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// The number of the attempt.
    pub attempt: u32,
    /// When it was booked.
    pub at: Timestamp,
    /// The day of that, by UTC, as `2026-11-25`.
    pub day: String,
    /// The provider that was charged; none: the attempt ran outside the hierarchy.
    pub provider: Option<String>,
    /// The model that answered, or was asked for where that cannot be seen.
    pub model: Option<String>,
    /// The layer at which it ran.
    pub layer: Option<u8>,
    /// What it cost.
    pub amount: Money,
    /// How that is known.
    pub basis: SpendBasis,
    /// The tokens used, where told.
    pub tokens: Option<Tokens>,
}

impl Store {
    /// What attempts cost, in the order in which they were booked: those of days that begin with `days`
    /// (`2026-11` for a month), and of `run` alone where one is given.
    ///
    /// # Errors
    /// Where the store, or what it has there, cannot be read.
    pub fn spending(&self, days: &str, run: Option<&RunId>) -> Result<Vec<Spent>, StoreError> {
        self.read(|connection| rows(connection, days, run))
    }
}

/// The row of a `SpendSettled`; another event has none.
fn row(run: &RunId, event: &Event) -> Option<Spent> {
    let EventBody::SpendSettled { task_id, attempt, provider, model, layer, day, amount_usd, basis, tokens } =
        event.body.clone()
    else {
        return None;
    };
    Some(Spent {
        run: run.clone(),
        task: task_id,
        attempt,
        at: event.at,
        day,
        provider,
        model,
        layer,
        amount: amount_usd,
        basis,
        tokens,
    })
}

/// Writes the rows of those of `events` that have one.
pub(super) fn insert(connection: &Connection, run: &RunId, events: &[Event]) -> Result<(), StoreError> {
    for row in events.iter().filter_map(|event| row(run, event)) {
        connection.execute_batch(TABLE)?;
        put(connection, &row)?;
    }
    Ok(())
}

fn put(connection: &Connection, row: &Spent) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO spending
                 (run_id, task_id, attempt, at, day, provider, model, layer, micro_usd, basis, input, output)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(rusqlite::params![
            row.run.as_str(),
            row.task.as_str(),
            row.attempt,
            row.at.0,
            row.day,
            row.provider,
            row.model,
            row.layer,
            to_sql(row.amount.0),
            word(row.basis),
            row.tokens.map(|tokens| to_sql(tokens.input)),
            row.tokens.map(|tokens| to_sql(tokens.output)),
        ])?;
    Ok(())
}

/// Whether the rows of a run are not those that its events make.
pub(super) fn differ(connection: &Connection, run: &RunId, events: &[Event]) -> Result<bool, StoreError> {
    let mut told: Vec<Spent> = events.iter().filter_map(|event| row(run, event)).collect();
    told.sort_by(|one, other| (one.at, &one.task, one.attempt).cmp(&(other.at, &other.task, other.attempt)));
    Ok(told != rows(connection, "", Some(run))?)
}

/// Makes the rows of a run anew of its events.
pub(super) fn restate(connection: &Connection, run: &RunId) -> Result<(), StoreError> {
    let events = journal::events(connection, run, 0)?;
    if !differ(connection, run, &events)? {
        return Ok(());
    }
    connection.execute_batch(TABLE)?;
    connection.execute("DELETE FROM spending WHERE run_id = ?1", [run.as_str()])?;
    insert(connection, run, &events)
}

fn rows(connection: &Connection, days: &str, run: Option<&RunId>) -> Result<Vec<Spent>, StoreError> {
    let there: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'spending')",
        [],
        |row| row.get(0),
    )?;
    if !there {
        return Ok(Vec::new());
    }
    let mut statement = connection.prepare_cached(
        "SELECT run_id, task_id, attempt, at, day, provider, model, layer, micro_usd, basis, input, output
         FROM spending
         WHERE substr(day, 1, length(?1)) = ?1 AND (?2 IS NULL OR run_id = ?2)
         ORDER BY at, run_id, task_id, attempt",
    )?;
    let mut rows = statement.query(rusqlite::params![days, run.map(RunId::as_str)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(9)?;
        let basis = basis_of(&text)
            .ok_or_else(|| StoreError::corrupt(format!("the table `spending` has the word `{text}`")))?;
        let (input, output): (Option<i64>, Option<i64>) = (row.get(10)?, row.get(11)?);
        let tokens = match input.zip(output) {
            Some((input, output)) => Some(Tokens { input: from_sql(input)?, output: from_sql(output)? }),
            None => None,
        };
        found.push(Spent {
            run: RunId(row.get(0)?),
            task: TaskId::new(row.get::<_, String>(1)?),
            attempt: row.get(2)?,
            at: Timestamp(row.get(3)?),
            day: row.get(4)?,
            provider: row.get(5)?,
            model: row.get(6)?,
            layer: row.get(7)?,
            amount: Money(from_sql(row.get(8)?)?),
            basis,
            tokens,
        });
    }
    Ok(found)
}

const fn word(basis: SpendBasis) -> &'static str {
    match basis {
        SpendBasis::Free => "free",
        SpendBasis::Reported => "reported",
        SpendBasis::Priced => "priced",
        SpendBasis::Bound => "bound",
    }
}

fn basis_of(text: &str) -> Option<SpendBasis> {
    [SpendBasis::Free, SpendBasis::Reported, SpendBasis::Priced, SpendBasis::Bound]
        .into_iter()
        .find(|basis| word(*basis) == text)
}
