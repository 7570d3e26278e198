//! The journal: runs as they were started, and their events. The truth of every run.
//!
//! Functions on a connection; the caller says what is one transaction.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::masking::Masker;
use crate::model::event::{Event, EventBody};
use crate::model::ids::RunId;
use crate::model::record::RunSummary;
use crate::model::run::RunSpec;
use crate::model::status::RunStatus;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::schema::{self, SchemaKind, Violation};

use super::number::{from_sql, to_sql};
use super::{StoreError, door, keys};

/// How far the journal of a run is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    /// The number of the last event; 0: none yet.
    pub(super) last_seq: u64,
    /// The highest fence that took the run.
    pub(super) fence: u64,
}

impl Head {
    /// Refuses a writer whose fence is below the one that took the run last.
    pub(super) fn admit(self, run: &RunId, fence: u64) -> Result<(), StoreError> {
        if self.fence > fence {
            return Err(StoreError::Stale { run: run.clone(), fence, found: self.fence });
        }
        Ok(())
    }
}

/// A run as listed: its summary as recorded last, and under which prefix its keys lie.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) prefix: String,
    pub(super) summary: RunSummary,
    pub(super) ended: bool,
    pub(super) cleared: bool,
}

/// Writes a run down, before anything of it starts.
pub(super) fn insert_run(connection: &Connection, spec: &RunSpec, pid: u32) -> Result<(), StoreError> {
    let text = serde_json::to_string(spec)
        .map_err(|error| StoreError::corrupt(format!("the run cannot be written as JSON: {error}")))?;
    let view = RunView::new(spec);
    let mut summary = summary_of(spec, &view);
    summary.pid = pid;
    let inserted = connection
        .prepare_cached(
            // The latest run is the one that was written down last, also by a clock that was set back.
            "INSERT INTO runs (run_id, prefix, created_at, seen_at, last_seq, fence, cleared, summary)
             VALUES (?1, ?2, max(?3, (SELECT coalesce(max(created_at), 0) + 1 FROM runs)), ?3, 0, 0, 0, ?4)
             ON CONFLICT (run_id) DO NOTHING",
        )?
        .execute(params![spec.run_id.as_str(), spec.prefix, spec.created_at.0, summary_text(&summary)?])?;
    if inserted == 0 {
        return Err(StoreError::Invalid {
            what: format!("run `{}`", spec.run_id),
            violations: vec![Violation {
                pointer: "/run_id".to_owned(),
                message: "there is a run with this id already".to_owned(),
            }],
        });
    }
    connection
        .prepare_cached("INSERT INTO specs (run_id, spec) VALUES (?1, ?2)")?
        .execute(params![spec.run_id.as_str(), text])?;
    Ok(())
}

/// Writes a run down as it goes on from here: with the tasks that its plan has now.
pub(super) fn replace_spec(connection: &Connection, spec: &RunSpec) -> Result<(), StoreError> {
    let text = serde_json::to_string(spec)
        .map_err(|error| StoreError::corrupt(format!("the run cannot be written as JSON: {error}")))?;
    let replaced = connection
        .prepare_cached("UPDATE specs SET spec = ?2 WHERE run_id = ?1")?
        .execute(params![spec.run_id.as_str(), text])?;
    if replaced == 0 {
        return Err(StoreError::NoRun { wanted: Some(spec.run_id.0.clone()) });
    }
    Ok(())
}

/// How far the run is.
pub(super) fn head(connection: &Connection, run: &RunId) -> Result<Head, StoreError> {
    let mut statement = connection.prepare_cached("SELECT last_seq, fence FROM runs WHERE run_id = ?1")?;
    let row = statement
        .query_row([run.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| StoreError::NoRun { wanted: Some(run.0.clone()) })?;
    Ok(Head { last_seq: from_sql(row.0)?, fence: from_sql(row.1)? })
}

/// Raises the fence of a run to `fence`.
pub(super) fn raise_fence(connection: &Connection, run: &RunId, fence: u64) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE runs SET fence = max(fence, ?2), cleared = 0 WHERE run_id = ?1")?
        .execute(params![run.as_str(), to_sql(fence)])?;
    Ok(())
}

/// Adds events whose numbers follow the last one, masked and held against their schema. Returns them
/// as they were written.
pub(super) fn insert_events(
    connection: &Connection,
    masker: &Masker,
    run: &RunId,
    head: Head,
    events: &[Event],
) -> Result<Vec<(u64, String)>, StoreError> {
    let mut statement =
        connection.prepare_cached("INSERT INTO events (run_id, seq, body) VALUES (?1, ?2, ?3)")?;
    let mut expected = head.last_seq;
    let mut written = Vec::with_capacity(events.len());
    for event in events {
        expected += 1;
        if event.seq != expected || event.run_id != *run {
            return Err(StoreError::Conflict {
                what: format!("the next event of run `{run}`"),
                expected: event.seq,
                found: expected,
            });
        }
        let body = door::document(masker, SchemaKind::Event, || format!("event {}", event.seq), event)?;
        statement.execute(params![run.as_str(), to_sql(event.seq), body])?;
        written.push((event.seq, body));
    }
    Ok(written)
}

/// Adds events as they were written elsewhere, whose numbers follow the last one.
pub(super) fn insert_texts(
    connection: &Connection,
    run: &RunId,
    texts: &[(u64, String)],
) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("INSERT INTO events (run_id, seq, body) VALUES (?1, ?2, ?3)")?;
    let mut expected = head(connection, run)?.last_seq;
    for (seq, text) in texts {
        expected += 1;
        if *seq != expected {
            return Err(StoreError::Conflict {
                what: format!("the next event of run `{run}`"),
                expected: *seq,
                found: expected,
            });
        }
        statement.execute(params![run.as_str(), to_sql(*seq), text])?;
    }
    Ok(())
}

/// Records how a run stands after its last event.
pub(super) fn update_run(
    connection: &Connection,
    spec: &RunSpec,
    view: &RunView,
    now: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE runs SET last_seq = ?2, seen_at = ?3, ended_at = ?4, summary = ?5 WHERE run_id = ?1",
        )?
        .execute(params![
            spec.run_id.as_str(),
            to_sql(view.last_seq),
            now.0,
            view.ended_at.map(|at| at.0),
            summary_text(&summary_of(spec, view))?,
        ])?;
    Ok(())
}

/// Records that the supervisor of a run was seen.
pub(super) fn seen(connection: &Connection, run: &RunId, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached("UPDATE runs SET seen_at = ?2 WHERE run_id = ?1")?
        .execute(params![run.as_str(), now.0])?;
    Ok(())
}

/// The events of a run with a number above `after`.
pub(super) fn events(connection: &Connection, run: &RunId, after: u64) -> Result<Vec<Event>, StoreError> {
    event_texts(connection, run, after)?
        .into_iter()
        .map(|(seq, text)| {
            serde_json::from_str(&text).map_err(|error| unreadable_event(run, seq, &text, &error))
        })
        .collect()
}

/// Why an event cannot be read. One that is whole and of a kind, or a form, that is not known here was
/// written by a version that knows more; what it means cannot be guessed.
fn unreadable_event(run: &RunId, seq: u64, text: &str, error: &serde_json::Error) -> StoreError {
    let violations = schema::validate(SchemaKind::Event, text.as_bytes()).err().unwrap_or_default();
    let unknown = violations.iter().find(|wrong| matches!(wrong.pointer.as_str(), "/kind" | "/schema"));
    match unknown {
        Some(wrong) => StoreError::newer(format!(
            "event {seq} of run `{run}` was written by a newer version: {}",
            wrong.message
        )),
        None => StoreError::corrupt(format!("event {seq} of run `{run}`: {error}")),
    }
}

/// The same as texts.
pub(super) fn event_texts(
    connection: &Connection,
    run: &RunId,
    after: u64,
) -> Result<Vec<(u64, String)>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT seq, body FROM events WHERE run_id = ?1 AND seq > ?2 ORDER BY seq")?;
    let mut rows = statement.query(params![run.as_str(), to_sql(after)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((from_sql(row.get(0)?)?, row.get(1)?));
    }
    Ok(found)
}

/// A run as it was started.
pub(super) fn spec(connection: &Connection, run: &RunId) -> Result<RunSpec, StoreError> {
    let mut statement = connection.prepare_cached("SELECT spec FROM specs WHERE run_id = ?1")?;
    let text: String = statement
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::NoRun { wanted: Some(run.0.clone()) })?;
    serde_json::from_str(&text)
        .map_err(|error| StoreError::corrupt(format!("run `{run}` as it was started: {error}")))
}

/// The state of a run as its events tell it.
pub(super) fn view(connection: &Connection, spec: &RunSpec) -> Result<RunView, StoreError> {
    let events = events(connection, &spec.run_id, 0)?;
    RunView::fold(spec, &events)
        .map_err(|error| StoreError::corrupt(format!("the events of run `{}`: {error}", spec.run_id)))
}

/// Every run, newest first.
pub(super) fn list(connection: &Connection) -> Result<Vec<Listed>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT prefix, summary, ended_at IS NOT NULL, cleared FROM runs ORDER BY created_at DESC, run_id DESC",
    )?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        let summary = serde_json::from_str(&text)
            .map_err(|error| StoreError::corrupt(format!("the summary of a run: {error}")))?;
        found.push(Listed { prefix: row.get(0)?, summary, ended: row.get(2)?, cleared: row.get(3)? });
    }
    Ok(found)
}

/// The prefix of the keys of a run.
pub(super) fn prefix(connection: &Connection, run: &RunId) -> Result<String, StoreError> {
    let mut statement = connection.prepare_cached("SELECT prefix FROM runs WHERE run_id = ?1")?;
    statement
        .query_row([run.as_str()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::NoRun { wanted: Some(run.0.clone()) })
}

/// The names of all runs that begin with `start`, newest first.
pub(super) fn names(connection: &Connection, start: &str) -> Result<Vec<RunId>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT run_id FROM runs WHERE upper(substr(run_id, 1, length(?1))) = upper(?1)
         ORDER BY created_at DESC, run_id DESC",
    )?;
    let rows = statement.query_map([start], |row| row.get(0).map(RunId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes the shared keys of runs away that never ended and were not seen since `before`. Their
/// events stay: they can be resumed, and their keys are then written again.
pub(super) fn clear_forgotten(connection: &Connection, before: Timestamp) -> Result<(), StoreError> {
    let forgotten: Vec<(String, String)> = connection
        .prepare_cached(
            "SELECT run_id, prefix FROM runs WHERE ended_at IS NULL AND cleared = 0 AND seen_at < ?1",
        )?
        .query_map([before.0], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (run, prefix) in forgotten {
        let run = RunId(run);
        connection.execute("DELETE FROM entries WHERE run_id = ?1", [run.as_str()])?;
        connection.execute("DELETE FROM streams WHERE key = ?1", [keys::control(&prefix, &run)])?;
        connection.execute("UPDATE runs SET cleared = 1 WHERE run_id = ?1", [run.as_str()])?;
    }
    Ok(())
}

/// The run as an index shows it.
pub(super) fn summary_of(spec: &RunSpec, view: &RunView) -> RunSummary {
    let (host, pid) = view.supervisor.clone().unwrap_or_else(|| (spec.host.clone(), 0));
    RunSummary {
        run_id: spec.run_id.clone(),
        plan: spec.plan.clone(),
        status: view.status,
        host,
        pid,
        counts: view.counts.clone(),
        exit_code: view.exit_code,
        started_at: view.started_at,
        updated_at: view.updated_at,
    }
}

/// Whether the events end the run, as a start or resume after its end begins it again.
pub(super) fn end_among(events: &[Event]) -> Option<bool> {
    events.iter().rev().find_map(|event| match &event.body {
        EventBody::RunEnded { status, .. } => Some(*status != RunStatus::Running),
        EventBody::RunStarted { .. } | EventBody::RunResumed { .. } => Some(false),
        EventBody::WarningRaised { .. }
        | EventBody::StopRequested { .. }
        | EventBody::PlanChanged { .. }
        | EventBody::Replanned { .. }
        | EventBody::GateApproved { .. }
        | EventBody::GateReached { .. }
        | EventBody::ProviderRested { .. }
        | EventBody::BudgetReached { .. }
        | EventBody::LayerTurnedOff { .. }
        | EventBody::TaskHeld { .. }
        | EventBody::TaskSkipped { .. }
        | EventBody::TaskBlocked { .. }
        | EventBody::TaskReopened { .. }
        | EventBody::TaskRetrying { .. }
        | EventBody::LayerMoved { .. }
        | EventBody::PaymentDecided { .. }
        | EventBody::SpendReserved { .. }
        | EventBody::SpendSettled { .. }
        | EventBody::TaskSucceeded { .. }
        | EventBody::TaskFailed { .. }
        | EventBody::TaskCancelled { .. }
        | EventBody::BoxTicked { .. }
        | EventBody::AttemptStarted { .. }
        | EventBody::AttemptProgressed { .. }
        | EventBody::ReportRefused { .. }
        | EventBody::VerificationStarted { .. }
        | EventBody::AttemptEnded { .. } => None,
    })
}

fn summary_text(summary: &RunSummary) -> Result<String, StoreError> {
    serde_json::to_string(summary)
        .map_err(|error| StoreError::corrupt(format!("a summary cannot be written as JSON: {error}")))
}
