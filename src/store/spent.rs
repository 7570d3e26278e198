//! What every settled attempt cost, a row each: what `models spend` adds up.
//!
//! A row is written in the transaction of the event that says so, and can be made of it again. The table
//! stands beside those of the form: a store that never had it has it made by the first who writes, and a
//! version that does not know it does not look at it.

use rusqlite::{Connection, params};

use crate::masking::Masker;
use crate::model::event::{Event, EventBody, SpendBasis};
use crate::model::ids::{RunId, TaskId};
use crate::model::money::Money;
use crate::model::reading::Tokens;

use super::number::{from_sql, to_sql};
use super::{Store, StoreError, journal};

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS spent (
        run_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        task_id TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        provider TEXT,
        model TEXT,
        layer INTEGER,
        day TEXT NOT NULL,
        micro_usd INTEGER NOT NULL,
        basis TEXT NOT NULL,
        tokens_in INTEGER,
        tokens_out INTEGER,
        PRIMARY KEY (run_id, seq)
    ) WITHOUT ROWID;
";

/// What a settled attempt cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// The run.
    pub run: RunId,
    /// The number of the event that says so.
    pub seq: u64,
    /// The task.
    pub task: TaskId,
    /// Number of the attempt.
    pub attempt: u32,
    /// The provider that answered.
    pub provider: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// The layer at which it ran.
    pub layer: Option<u8>,
    /// The day, by UTC, as `2026-11-25`.
    pub day: String,
    /// What it cost.
    pub amount: Money,
    /// How that is known.
    pub basis: SpendBasis,
    /// The tokens used, where told.
    pub tokens: Option<Tokens>,
}

impl Spent {
    /// What an event says of it, masked; none: it says something else.
    fn of(event: &Event, masker: &Masker) -> Option<Self> {
        let EventBody::SpendSettled {
            task_id,
            attempt,
            provider,
            model,
            layer,
            day,
            amount_usd,
            basis,
            tokens,
        } = &event.body
        else {
            return None;
        };
        let hidden = |text: &Option<String>| text.as_deref().map(|text| masker.mask(text).into_owned());
        Some(Self {
            run: event.run_id.clone(),
            seq: event.seq,
            task: task_id.clone(),
            attempt: *attempt,
            provider: hidden(provider),
            model: hidden(model),
            layer: *layer,
            day: day.clone(),
            amount: *amount_usd,
            basis: *basis,
            tokens: *tokens,
        })
    }
}

impl Store {
    /// What settled attempts cost on days that begin with `days` (`2026-11`, or nothing for all), of `run`
    /// or of all, oldest first.
    pub fn spending(&self, days: &str, run: Option<&RunId>) -> Result<Vec<Spent>, StoreError> {
        self.read(|connection| {
            if !is_there(connection)? {
                return Ok(Vec::new());
            }
            let mut rows = rows(connection, run)?;
            rows.retain(|row| row.day.starts_with(days));
            rows.sort_by(|one, two| (&one.day, &one.run, one.seq).cmp(&(&two.day, &two.run, two.seq)));
            Ok(rows)
        })
    }
}

/// Writes down what these events say.
pub(super) fn write(connection: &Connection, masker: &Masker, events: &[Event]) -> Result<(), StoreError> {
    let mut begun = false;
    for row in events.iter().filter_map(|event| Spent::of(event, masker)) {
        if !begun {
            connection.execute_batch(TABLE)?;
            begun = true;
        }
        insert(connection, &row)?;
    }
    Ok(())
}

/// Whether the rows of a run are what its events say.
pub(super) fn agrees(connection: &Connection, run: &RunId) -> Result<bool, StoreError> {
    let stored = if is_there(connection)? { rows(connection, Some(run))? } else { Vec::new() };
    let told = told(connection, run)?;
    // A text may have been masked by a secret that is known no more.
    let plain = |row: &Spent| Spent { provider: None, model: None, ..row.clone() };
    Ok(stored.iter().map(plain).eq(told.iter().map(plain)))
}

/// Makes the rows of a run anew of its events.
pub(super) fn make_anew(connection: &Connection, run: &RunId) -> Result<(), StoreError> {
    connection.execute_batch(TABLE)?;
    connection.prepare_cached("DELETE FROM spent WHERE run_id = ?1")?.execute([run.as_str()])?;
    for row in told(connection, run)? {
        insert(connection, &row)?;
    }
    Ok(())
}

fn told(connection: &Connection, run: &RunId) -> Result<Vec<Spent>, StoreError> {
    let events = journal::events(connection, run, 0)?;
    Ok(events.iter().filter_map(|event| Spent::of(event, &Masker::default())).collect())
}

fn is_there(connection: &Connection) -> Result<bool, StoreError> {
    let query = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'spent')";
    Ok(connection.query_row(query, [], |row| row.get(0))?)
}

fn insert(connection: &Connection, row: &Spent) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO spent (run_id, seq, task_id, attempt, provider, model, layer, day, micro_usd,
                 basis, tokens_in, tokens_out) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            row.run.as_str(),
            to_sql(row.seq),
            row.task.as_str(),
            row.attempt,
            row.provider,
            row.model,
            row.layer,
            row.day,
            to_sql(row.amount.0),
            word(row.basis),
            row.tokens.map(|tokens| to_sql(tokens.input)),
            row.tokens.map(|tokens| to_sql(tokens.output)),
        ])?;
    Ok(())
}

fn rows(connection: &Connection, run: Option<&RunId>) -> Result<Vec<Spent>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT run_id, seq, task_id, attempt, provider, model, layer, day, micro_usd, basis, tokens_in, tokens_out
         FROM spent WHERE ?1 IS NULL OR run_id = ?1 ORDER BY run_id, seq",
    )?;
    let mut rows = statement.query([run.map(RunId::as_str)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let tokens: (Option<i64>, Option<i64>) = (row.get(10)?, row.get(11)?);
        let tokens = match tokens {
            (Some(input), Some(output)) => {
                Some(Tokens { input: from_sql(input)?, output: from_sql(output)? })
            }
            (None, _) | (_, None) => None,
        };
        let told: String = row.get(9)?;
        let basis = BASES.into_iter().find(|basis| word(*basis) == told).ok_or_else(|| {
            StoreError::corrupt(format!("what an attempt cost is known by the unknown word `{told}`"))
        })?;
        found.push(Spent {
            run: RunId(row.get(0)?),
            seq: from_sql(row.get(1)?)?,
            task: TaskId::new(row.get::<_, String>(2)?),
            attempt: row.get(3)?,
            provider: row.get(4)?,
            model: row.get(5)?,
            layer: row.get(6)?,
            day: row.get(7)?,
            amount: Money(from_sql(row.get(8)?)?),
            basis,
            tokens,
        });
    }
    Ok(found)
}

const BASES: [SpendBasis; 4] =
    [SpendBasis::Free, SpendBasis::Reported, SpendBasis::Priced, SpendBasis::Bound];

/// How a row says how its amount is known; the same word as in events.
const fn word(basis: SpendBasis) -> &'static str {
    match basis {
        SpendBasis::Free => "free",
        SpendBasis::Reported => "reported",
        SpendBasis::Priced => "priced",
        SpendBasis::Bound => "bound",
    }
}
