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
use crate::model::cooldown::Cooldown;
use crate::model::event::{Event, EventBody};
use crate::model::ids::{AttemptKey, RunId};
use crate::model::ledger::{Ask, MonthLedger, Reservation, month_of};
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::schema::SchemaKind;

use super::shared::embedded::Embedded;
use super::{Mirror, SharedState as _, Store, StoreError, cooldowns, door, journal, keys};

/// How long a month's ledger stays after it was written last.
pub(super) const KEEP_LEDGER: Duration = Duration::from_hours(62 * 24);

/// What is known of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderState {
    /// That it is to be left alone.
    pub cooldown: Option<Cooldown>,
    /// What is spent and reserved there in this month.
    pub ledger: MonthLedger,
}

/// What some events change, ledger by ledger.
pub(super) type Bookings = Vec<(LedgerName, Booking)>;

impl Store {
    /// Reserves money for an attempt of a run that this process has taken, in one step that nobody comes
    /// between. Asking twice for an attempt is asking once. None: a Redis is asked, and the answer comes with
    /// [`Store::reservations`]. Without a month's budget there is nothing to ask others for.
    pub fn reserve(
        &mut self,
        spec: &RunSpec,
        ask: Ask,
        now: Timestamp,
    ) -> Result<Option<Reservation>, StoreError> {
        self.refused()?;
        if let Some(mirror) = &self.mirror
            && ask.budget.is_some()
        {
            return Ok(mirror.ask(ask, now));
        }
        let (masker, fence) = (self.masker.clone(), self.held.get(&spec.run_id).copied());
        let name = LedgerName { provider: ask.provider, month: ask.month };
        let answer = self.write(|connection| {
            admit(connection, &spec.run_id, fence)?;
            let mut ledger = read(connection, &spec.prefix, &name)?;
            let before = ledger.clone();
            let answer = ledger.reserve(&spec.run_id, &ask.key, ask.amount, ask.least, ask.budget);
            if ledger != before {
                write(connection, &masker, &spec.prefix, &mut ledger, now)?;
            }
            Ok(answer)
        })?;
        self.tell_of([name], [], now);
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
        })?;
        self.tell_of([name], [], now);
        Ok(())
    }

    /// The answers to [`Store::reserve`] that were not given at once, since the last call.
    pub fn reservations(&self) -> Vec<(AttemptKey, Reservation)> {
        self.mirror.as_ref().map(Mirror::reservations).unwrap_or_default()
    }

    /// What is known of providers at `now`, as this machine knows it; a Redis is asked to be looked at
    /// for what others know, which is there a moment later.
    pub fn providers(
        &self,
        prefix: &str,
        names: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Vec<ProviderState>, StoreError> {
        self.read(|connection| {
            names
                .iter()
                .map(|provider| {
                    let name = LedgerName { provider: provider.clone(), month: month_of(now) };
                    let cooldown = cooldowns::read(connection, prefix, provider, now)?;
                    Ok(ProviderState { cooldown, ledger: read(connection, prefix, &name)? })
                })
                .collect()
        })
    }

    /// Has a Redis looked at for what is known of providers. [`Store::providers`] says it once it is there,
    /// and who is woken by [`Store::on_shared_reports`] is woken.
    pub fn look_for_providers(&self, names: &BTreeSet<String>, now: Timestamp) {
        self.tell_of([], names.iter().cloned(), now);
    }

    /// Has a Redis told what changed here.
    pub(super) fn tell_of(
        &self,
        ledgers: impl IntoIterator<Item = LedgerName>,
        providers: impl IntoIterator<Item = String>,
        now: Timestamp,
    ) {
        if let Some(mirror) = &self.mirror {
            mirror.tell_of(ledgers, providers, now);
        }
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

/// The ledger of that name; an empty one where there is none. What is no ledger counts as none: its
/// runs write their entries again.
pub(super) fn read(
    connection: &Connection,
    prefix: &str,
    name: &LedgerName,
) -> Result<MonthLedger, StoreError> {
    let key = keys::spend(prefix, &name.provider, &name.month);
    let stored = Embedded::new(connection).get(&key)?.and_then(|text| serde_json::from_str(&text).ok());
    Ok(stored.unwrap_or_else(|| MonthLedger::new(&name.provider, &name.month)))
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
    let text = text(masker, ledger)?;
    let key = keys::spend(prefix, &ledger.provider, &ledger.month);
    Embedded::new(connection).put_common(&key, &text, now + KEEP_LEDGER)?;
    Ok(text)
}

/// The text of a ledger, masked and held against its schema.
pub(super) fn text(masker: &Masker, ledger: &MonthLedger) -> Result<String, StoreError> {
    let what = || format!("the spending at `{}` in {}", ledger.provider, ledger.month);
    door::document(masker, SchemaKind::Spend, what, ledger)
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
        let mut ledger = read(connection, &spec.prefix, name)?;
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
        let mut ledger = read(connection, &spec.prefix, &name)?;
        if ledger.set_entry(&spec.run_id, told.get(&name), fence) {
            write(connection, masker, &spec.prefix, &mut ledger, now)?;
        }
    }
    Ok(())
}

/// The keys of the ledgers in which the entry of a run is not what its journal says. What is reserved
/// for attempts that are about to start is no contradiction, nor is a ledger that is gone by its time.
pub(super) fn contradictions(connection: &Connection, spec: &RunSpec) -> Result<Vec<String>, StoreError> {
    let account = account(connection, &spec.run_id)?;
    let mut wrong = Vec::new();
    for (name, told) in account.ledgers() {
        let key = keys::spend(&spec.prefix, &name.provider, &name.month);
        let Some(text) = Embedded::new(connection).get(&key)? else { continue };
        let ledger = serde_json::from_str::<MonthLedger>(&text);
        let stored = ledger.ok().and_then(|mut ledger| ledger.runs.remove(&spec.run_id)).unwrap_or_default();
        let held = told.reserved_usd.iter().all(|(key, amount)| stored.reserved_usd.get(key) == Some(amount));
        if !held || (stored.spent_usd, &stored.tokens) != (told.spent_usd, &told.tokens) {
            wrong.push(key);
        }
    }
    Ok(wrong)
}

/// Makes the entries of a run say what its journal says, and keeps what is reserved for attempts that are
/// about to start.
pub(super) fn mend(
    connection: &Connection,
    masker: &Masker,
    spec: &RunSpec,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (name, told) in account(connection, &spec.run_id)?.ledgers() {
        let mut ledger = read(connection, &spec.prefix, name)?;
        let mut told = told.clone();
        let stored = ledger.runs.get(&spec.run_id).cloned().unwrap_or_default();
        for (key, amount) in stored.reserved_usd {
            told.reserved_usd.entry(key).or_insert(amount);
        }
        if ledger.set_entry(&spec.run_id, Some(&told), 0) {
            write(connection, masker, &spec.prefix, &mut ledger, now)?;
        }
    }
    Ok(())
}
