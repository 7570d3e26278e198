//! What is spent at providers: reserved before attempts start, booked with the events that say so.
//!
//! The entry of a run in a month's ledger is the fold of its events, beside what is reserved for attempts
//! that are about to start. It changes in the transaction that writes an event down, and is made anew when a
//! run is taken: what a crash left between a reservation and its record is given back then.
//!
//! A ledger stays [`KEEP_LEDGER`] after it was written last; the events have all of it.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::Connection;

use crate::masking::Masker;
use crate::model::account::{Booking, LedgerName, RunAccount};
use crate::model::event::{Event, EventBody};
use crate::model::ids::{AttemptKey, RunId};
use crate::model::ledger::{Ask, MonthLedger, Reservation};
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::schema::SchemaKind;

use super::shared::embedded::Embedded;
use super::{Problem, SharedState as _, Store, StoreError, door, journal, keys, spent};

/// How long a month's ledger stays after it was written last.
pub(super) const KEEP_LEDGER: Duration = Duration::from_hours(62 * 24);

/// What some events change, ledger by ledger.
pub(super) type Bookings = Vec<(LedgerName, Booking)>;

impl Store {
    /// Reserves money for an attempt of a run that this process has taken, in one step that nobody comes
    /// between. Asking twice for an attempt is asking once.
    pub fn reserve(
        &mut self,
        spec: &RunSpec,
        ask: Ask,
        now: Timestamp,
    ) -> Result<Option<Reservation>, StoreError> {
        self.refused()?;
        if self.mirror.is_some() && ask.budget.is_some() {
            let why = "the ledger of other machines is not known".to_owned();
            return Ok(Some(Reservation::Unknown { why }));
        }
        let (masker, fence) = (self.masker.clone(), self.held.get(&spec.run_id).copied());
        let name = LedgerName { provider: ask.provider, month: ask.month };
        let answer = self.write(|connection| {
            admit(connection, &spec.run_id, fence)?;
            let mut ledger = read(connection, &spec.prefix, &name)?;
            let answer = ledger.reserve(&spec.run_id, &ask.key, ask.amount, ask.least, ask.budget);
            if matches!(answer, Reservation::Granted { .. }) {
                write(connection, &masker, &spec.prefix, &mut ledger, now)?;
            }
            Ok(answer)
        })?;
        Ok(Some(answer))
    }

    /// Gives back what was reserved for an attempt that does not start.
    pub fn release(
        &mut self,
        spec: &RunSpec,
        key: &AttemptKey,
        provider: &str,
        month: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (masker, fence) = (self.masker.clone(), self.held.get(&spec.run_id).copied());
        let name = LedgerName { provider: provider.to_owned(), month: month.to_owned() };
        self.write(|connection| {
            admit(connection, &spec.run_id, fence)?;
            let mut ledger = read(connection, &spec.prefix, &name)?;
            if ledger.release(&spec.run_id, key) {
                write(connection, &masker, &spec.prefix, &mut ledger, now)?;
            }
            Ok(())
        })
    }

    /// What is spent and reserved at a provider in a month, as this machine knows it.
    pub fn ledger(&self, prefix: &str, provider: &str, month: &str) -> Result<MonthLedger, StoreError> {
        let name = LedgerName { provider: provider.to_owned(), month: month.to_owned() };
        self.read(|connection| read(connection, prefix, &name))
    }

    /// The account of a run after `events`, and what they change; none: nothing.
    pub(super) fn account_with(
        &self,
        run: &RunId,
        events: &[Event],
    ) -> Result<Option<(RunAccount, Bookings)>, StoreError> {
        let is_money = |event: &&Event| {
            matches!(event.body, EventBody::SpendReserved { .. } | EventBody::SpendSettled { .. })
        };
        if !events.iter().any(|event| is_money(&event)) {
            return Ok(None);
        }
        let mut account = match self.accounts.get(run) {
            Some(account) => account.clone(),
            None => self.read(|connection| account(connection, run))?,
        };
        let bookings = events.iter().filter(is_money).flat_map(|event| account.apply(&event.body)).collect();
        Ok(Some((account, bookings)))
    }
}

/// Refuses who does not have the run any more.
fn admit(connection: &Connection, run: &RunId, fence: Option<u64>) -> Result<(), StoreError> {
    let head = journal::head(connection, run)?;
    fence.map_or(Ok(()), |fence| head.admit(run, fence))
}

/// What a run reserved and spent, as its journal tells.
pub(super) fn account(connection: &Connection, run: &RunId) -> Result<RunAccount, StoreError> {
    let mut account = RunAccount::default();
    for event in journal::events(connection, run, 0)? {
        account.apply(&event.body);
    }
    Ok(account)
}

/// The ledger of that name; an empty one where there is none. One that cannot be read is an error: what
/// others spent stands in it.
pub(super) fn read(
    connection: &Connection,
    prefix: &str,
    name: &LedgerName,
) -> Result<MonthLedger, StoreError> {
    let key = keys::spend(prefix, &name.provider, &name.month);
    let Some(text) = Embedded::new(connection).get(&key)? else {
        return Ok(MonthLedger::new(&name.provider, &name.month));
    };
    serde_json::from_str(&text)
        .map_err(|error| StoreError::corrupt(format!("`{key}`, which says what was spent: {error}")))
}

/// The same for somebody who goes on without it where it cannot be read: the events have all of it.
fn read_if_whole(
    connection: &Connection,
    prefix: &str,
    name: &LedgerName,
) -> Result<Option<MonthLedger>, StoreError> {
    match read(connection, prefix, name) {
        Ok(ledger) => Ok(Some(ledger)),
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::warn!(%error, "nothing is paid there until it is repaired");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Writes a ledger, masked and held against its schema. Returns the text.
pub(super) fn write(
    connection: &Connection,
    masker: &Masker,
    prefix: &str,
    ledger: &mut MonthLedger,
    now: Timestamp,
) -> Result<String, StoreError> {
    ledger.updated_at = ledger.updated_at.max(now);
    let what = || format!("the spending at `{}` in {}", ledger.provider, ledger.month);
    let text = door::document(masker, SchemaKind::Spend, what, ledger)?;
    let key = keys::spend(prefix, &ledger.provider, &ledger.month);
    Embedded::new(connection).put_common(&key, &text, now + KEEP_LEDGER)?;
    Ok(text)
}

/// Changes the entries of a run as its new events say.
pub(super) fn book(
    connection: &Connection,
    masker: &Masker,
    spec: &RunSpec,
    bookings: &Bookings,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (name, booking) in bookings {
        let Some(mut ledger) = read_if_whole(connection, &spec.prefix, name)? else { continue };
        if booking.apply(ledger.runs.entry(spec.run_id.clone()).or_default()) {
            write(connection, masker, &spec.prefix, &mut ledger, now)?;
        }
    }
    Ok(())
}

/// Makes the entries of a run that is being taken say what its journal says, with a revision above all
/// that an earlier supervisor, whose fence was lower, can have given.
pub(super) fn settle_own_entries(
    connection: &Connection,
    masker: &Masker,
    spec: &RunSpec,
    fence: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let account = account(connection, &spec.run_id)?;
    let told = account.ledgers();
    let mut names: Vec<LedgerName> = told.keys().cloned().collect();
    for (key, text) in Embedded::new(connection).list(&keys::providers(&spec.prefix))? {
        let Ok(ledger) = serde_json::from_str::<MonthLedger>(&text) else { continue };
        let name = LedgerName { provider: ledger.provider, month: ledger.month };
        if ledger.runs.contains_key(&spec.run_id)
            && keys::spend(&spec.prefix, &name.provider, &name.month) == key
            && !told.contains_key(&name)
        {
            names.push(name);
        }
    }
    for name in names {
        let Some(mut ledger) = read_if_whole(connection, &spec.prefix, &name)? else { continue };
        if ledger.set_entry(&spec.run_id, told.get(&name), fence) {
            write(connection, masker, &spec.prefix, &mut ledger, now)?;
        }
    }
    Ok(())
}

/// What is stored of the spending of a run that has ended and is not what its events say.
pub(super) fn unlike(connection: &Connection, prefix: &str, run: &RunId) -> Result<Vec<Problem>, StoreError> {
    let account = account(connection, run)?;
    let told = account.ledgers();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let wrong = |key: String| Problem {
        place: key,
        message: format!("what run {run} spent is not what its events say"),
    };
    for (key, text) in Embedded::new(connection).list(&keys::providers(prefix))? {
        // What is no ledger is told with the other entries.
        let Ok(mut ledger) = serde_json::from_str::<MonthLedger>(&text) else { continue };
        let name = LedgerName { provider: ledger.provider.clone(), month: ledger.month.clone() };
        if ledger.set_entry(run, told.get(&name), 0) {
            problems.push(wrong(key));
        }
        seen.insert(name);
    }
    let missing = told.keys().filter(|name| !seen.contains(*name));
    problems.extend(missing.map(|name| wrong(keys::spend(prefix, &name.provider, &name.month))));
    if spent::differ(connection, run, &journal::events(connection, run, 0)?)? {
        problems.push(Problem {
            place: format!("run {run}"),
            message: "the table of what its attempts cost is not what its events say".to_owned(),
        });
    }
    Ok(problems)
}
