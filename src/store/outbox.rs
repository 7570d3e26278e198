//! How far each alert of a run was told: so much is known after a crash, and the rest is read from the
//! journal.
//!
//! The table stands beside those of the form: a store that never had it has it made by the first who
//! writes, and a version that does not know it does not look at it.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::model::ids::RunId;

use super::number::{from_sql, to_sql};
use super::{Store, StoreError};

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS alerts (
        run_id TEXT NOT NULL,
        alert TEXT NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (run_id, alert)
    ) WITHOUT ROWID;
";

/// How far an alert was told of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertMark {
    /// The run.
    pub run: RunId,
    /// The alert's id.
    pub alert: String,
    /// The number of the last event that it was told of.
    pub seq: u64,
}

impl Store {
    /// From here on each of these alerts is told of the run, those that are not known yet from after event
    /// `seq`. Returns for each the last event that it was told of.
    pub fn begin_alerts(
        &mut self,
        run: &RunId,
        alerts: &[String],
        seq: u64,
    ) -> Result<BTreeMap<String, u64>, StoreError> {
        self.write(|connection| {
            connection.execute_batch(TABLE)?;
            let mut statement = connection.prepare_cached(
                "INSERT INTO alerts (run_id, alert, seq) VALUES (?1, ?2, ?3) ON CONFLICT (run_id, alert) DO NOTHING",
            )?;
            for alert in alerts {
                statement.execute((run.as_str(), alert, to_sql(seq)))?;
            }
            let marks = marks(connection)?.into_iter().filter(|mark| mark.run == *run);
            Ok(marks.map(|mark| (mark.alert, mark.seq)).collect())
        })
    }

    /// An alert was told of everything up to event `seq`.
    pub fn alert_told(&mut self, run: &RunId, alert: &str, seq: u64) -> Result<(), StoreError> {
        self.write(|connection| {
            connection
                .prepare_cached("UPDATE alerts SET seq = max(seq, ?3) WHERE run_id = ?1 AND alert = ?2")?
                .execute((run.as_str(), alert, to_sql(seq)))?;
            Ok(())
        })
    }

    /// There is nothing that an alert has still to be told of a run.
    pub fn alert_settled(&mut self, run: &RunId, alert: &str) -> Result<(), StoreError> {
        self.write(|connection| {
            connection
                .prepare_cached("DELETE FROM alerts WHERE run_id = ?1 AND alert = ?2")?
                .execute((run.as_str(), alert))?;
            Ok(())
        })
    }

    /// What may still have to be told, of every run: that of runs that were broken off, or that ended
    /// while somebody could not be reached. The newest runs first.
    pub fn alerts_left(&self) -> Result<Vec<AlertMark>, StoreError> {
        self.read(|connection| {
            let there: bool = connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'alerts')",
                [],
                |row| row.get(0),
            )?;
            if there { marks(connection) } else { Ok(Vec::new()) }
        })
    }
}

fn marks(connection: &Connection) -> Result<Vec<AlertMark>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT run_id, alert, seq FROM alerts ORDER BY run_id DESC, alert")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(AlertMark { run: RunId(row.get(0)?), alert: row.get(1)?, seq: from_sql(row.get(2)?)? });
    }
    Ok(found)
}
