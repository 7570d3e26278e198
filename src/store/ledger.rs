//! What is spent at a provider in a month, and how runs share it: reserved before an attempt starts,
//! booked when it has ended, in one step that nobody comes between.
//!
//! - The entry of a run is changed by its supervisor alone. What it says follows from the run's events;
//!   when a run is taken up it is made of them anew, so that money which was reserved for an attempt
//!   that never began is given back, and nothing is booked twice.
//! - The document belongs to no run: it stays when the runs that it counts are long gone.
//! - The table `spending` has a row for each attempt that was booked. It is written with its event, and
//!   can be made of the events again.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use crate::masking::Masker;
use crate::model::event::{Event, EventBody};
use crate::model::ids::{AttemptKey, RunId};
use crate::model::ledger::{MonthLedger, Reservation, RunSpending};
use crate::model::money::Money;
use crate::model::reading::Tokens;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::schema::SchemaKind;

use super::shared::embedded::Embedded;
use super::spending;
use super::{Problem, SharedState as _, Store, StoreError, door, journal, keys};

/// A provider's month.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Month {
    /// The provider.
    pub(super) provider: String,
    /// As `2026-11`.
    pub(super) month: String,
}

/// Money that an attempt asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The attempt.
    pub key: AttemptKey,
    /// Whose month it is to be taken from.
    pub provider: String,
    /// The month, as `2026-11`.
    pub month: String,
    /// What it may cost at most.
    pub amount: Money,
    /// The least of it that is of use.
    pub least: Money,
    /// What all runs may spend there in the month; none: nothing limits it.
    pub budget: Option<Money>,
}

impl Store {
    /// Reserves money for an attempt of the run.
    ///
    /// # Errors
    /// Where the store cannot be read or written; nothing is reserved then.
    pub fn reserve(&mut self, spec: &RunSpec, ask: &Ask, now: Timestamp) -> Result<Reservation, StoreError> {
        let masker = self.masker.clone();
        let place = Month { provider: ask.provider.clone(), month: ask.month.clone() };
        let reservation = self.write(|connection| {
            change(connection, &masker, &spec.prefix, &place, now, |ledger| {
                ledger.reserve(&spec.run_id, &ask.key, ask.amount, ask.least, ask.budget)
            })
        })?;
        if matches!(reservation, Reservation::Granted { .. }) {
            self.reserved.insert(ask.key.clone(), place);
        }
        Ok(reservation)
    }

    /// Gives back what was reserved for an attempt that does not start.
    ///
    /// # Errors
    /// Where the store cannot be read or written.
    pub fn release_reserved(
        &mut self,
        spec: &RunSpec,
        key: &AttemptKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(place) = self.reserved.remove(key) else { return Ok(()) };
        let masker = self.masker.clone();
        self.write(|connection| {
            change(connection, &masker, &spec.prefix, &place, now, |ledger| {
                ledger.release(&spec.run_id, key);
            })
        })
    }

    /// What was booked is reserved no more.
    pub(super) fn forget_booked(&mut self, events: &[Event]) {
        for event in events {
            if let EventBody::SpendSettled { task_id, attempt, .. } = &event.body {
                self.reserved.remove(&AttemptKey::new(task_id.clone(), *attempt));
            }
        }
    }

    /// What is spent at the provider in the month, by all runs of the project; none: nothing was.
    ///
    /// # Errors
    /// Where the store, or what it has there, cannot be read.
    pub fn month(
        &self,
        prefix: &str,
        provider: &str,
        month: &str,
    ) -> Result<Option<MonthLedger>, StoreError> {
        self.read(|connection| {
            let text = Embedded::new(connection).get(&keys::spend(prefix, provider, month))?;
            text.map(|text| parsed(provider, month, &text)).transpose()
        })
    }
}

/// Changes the document of a month, making it where there is none. To be called within a write.
fn change<T>(
    connection: &Connection,
    masker: &Masker,
    prefix: &str,
    place: &Month,
    now: Timestamp,
    work: impl FnOnce(&mut MonthLedger) -> T,
) -> Result<T, StoreError> {
    let key = keys::spend(prefix, &place.provider, &place.month);
    let stored = Embedded::new(connection).get(&key)?;
    let mut ledger = match &stored {
        Some(text) => parsed(&place.provider, &place.month, text)?,
        None => MonthLedger::new(&place.provider, &place.month),
    };
    let before = ledger.clone();
    let result = work(&mut ledger);
    if ledger != before {
        ledger.updated_at = now;
        put(connection, masker, &key, &ledger)?;
    }
    Ok(result)
}

fn put(connection: &Connection, masker: &Masker, key: &str, ledger: &MonthLedger) -> Result<(), StoreError> {
    let text = door::document(masker, SchemaKind::Spend, || format!("`{key}`"), ledger)?;
    Embedded::new(connection).put_lasting(key, &text)
}

fn parsed(provider: &str, month: &str, text: &str) -> Result<MonthLedger, StoreError> {
    let ledger: MonthLedger = serde_json::from_str(text).map_err(|error| {
        StoreError::corrupt(format!("what was spent at `{provider}` in {month} cannot be read: {error}"))
    })?;
    Ok(ledger)
}

/// Books what `events` say, in the months and in the table. To be called within the write of the events.
pub(super) fn book(
    connection: &Connection,
    masker: &Masker,
    spec: &RunSpec,
    reserved: &BTreeMap<AttemptKey, Month>,
    events: &[Event],
) -> Result<(), StoreError> {
    for event in events {
        let EventBody::SpendSettled { task_id, attempt, provider, day, amount_usd, tokens, .. } = &event.body
        else {
            continue;
        };
        let key = AttemptKey::new(task_id.clone(), *attempt);
        let charged = charged(provider.as_deref(), day);
        let from = reserved.get(&key).filter(|from| charged.as_ref() != Some(from));
        if let Some(from) = from {
            change(connection, masker, &spec.prefix, from, event.at, |ledger| {
                ledger.release(&spec.run_id, &key);
            })?;
        }
        if let Some(charged) = charged {
            change(connection, masker, &spec.prefix, &charged, event.at, |ledger| {
                let tokens = tokens.map_or(0, Tokens::total);
                ledger.settle(&spec.run_id, &key, *amount_usd, day, tokens);
            })?;
        }
        spending::insert(connection, &spec.run_id, event)?;
    }
    Ok(())
}

/// What the events of a run say of its spending.
#[derive(Debug, Default)]
struct Told {
    /// Its entries by the month. Their revisions are 0.
    entries: BTreeMap<Month, RunSpending>,
    /// Where money is still reserved for an attempt.
    reserved: BTreeMap<AttemptKey, Month>,
}

impl Told {
    fn by(events: &[Event]) -> Self {
        let mut told = Self::default();
        for event in events {
            told.take(&event.body);
        }
        told
    }

    fn take(&mut self, body: &EventBody) {
        if let EventBody::SpendReserved { task_id, attempt, provider, month, amount_usd, .. } = body
            && let Some(provider) = provider.clone()
        {
            let key = AttemptKey::new(task_id.clone(), *attempt);
            let place = Month { provider, month: month.clone() };
            let entry = self.entries.entry(place.clone()).or_default();
            entry.reserved_usd.insert(MonthLedger::entry_name(&key), *amount_usd);
            self.reserved.insert(key, place);
        } else if let EventBody::SpendSettled {
            task_id, attempt, provider, day, amount_usd, tokens, ..
        } = body
        {
            let key = AttemptKey::new(task_id.clone(), *attempt);
            if let Some(entry) = self.reserved.remove(&key).and_then(|place| self.entries.get_mut(&place)) {
                entry.reserved_usd.remove(&MonthLedger::entry_name(&key));
            }
            let Some(place) = charged(provider.as_deref(), day) else { return };
            let entry = self.entries.entry(place).or_default();
            entry.spent_usd += *amount_usd;
            if let Some(tokens) = tokens.filter(|tokens| tokens.total() > 0) {
                let count = entry.tokens.entry(day.clone()).or_insert(0);
                *count = count.saturating_add(tokens.total());
            }
        }
    }
}

/// The month that is charged for an attempt that ended on `day`.
fn charged(provider: Option<&str>, day: &str) -> Option<Month> {
    provider.map(|provider| Month { provider: provider.to_owned(), month: day.chars().take(7).collect() })
}

/// Where money is still reserved for attempts of the run, as its events say.
pub(super) fn reserved_in(
    connection: &Connection,
    run: &RunId,
) -> Result<BTreeMap<AttemptKey, Month>, StoreError> {
    Ok(Told::by(&journal::events(connection, run, 0)?).reserved)
}

/// The months in which a run has an entry, with it.
fn stored_entries(
    connection: &Connection,
    prefix: &str,
    run: &RunId,
) -> Result<BTreeMap<Month, RunSpending>, StoreError> {
    let mut entries = BTreeMap::new();
    for (key, text) in Embedded::new(connection).list(&keys::providers(prefix))? {
        if !keys::is_spend(&key) {
            continue;
        }
        match serde_json::from_str::<MonthLedger>(&text) {
            Ok(mut ledger) => {
                let place = Month { provider: ledger.provider, month: ledger.month };
                entries.extend(ledger.runs.remove(run).map(|entry| (place, entry)));
            }
            // It is left as it is, for a person to look at.
            Err(error) => tracing::warn!(%key, %error, "what was spent cannot be read"),
        }
    }
    Ok(entries)
}

/// What is stored of a run's spending that is not what its events say.
pub(super) fn unlike(connection: &Connection, prefix: &str, run: &RunId) -> Result<Vec<Problem>, StoreError> {
    let events = journal::events(connection, run, 0)?;
    let told = Told::by(&events).entries;
    let stored = stored_entries(connection, prefix, run)?;
    let places: BTreeSet<&Month> = told.keys().chain(stored.keys()).collect();
    let mut problems = Vec::new();
    for place in places {
        let plain =
            |entry: Option<&RunSpending>| RunSpending { revision: 0, ..entry.cloned().unwrap_or_default() };
        if plain(told.get(place)) != plain(stored.get(place)) {
            problems.push(Problem {
                place: keys::spend(prefix, &place.provider, &place.month),
                message: format!("what run {run} spent is not what its events say"),
            });
        }
    }
    if spending::differ(connection, run, &events)? {
        problems.push(Problem {
            place: format!("run {run}"),
            message: "the table of what its attempts cost is not what its events say".to_owned(),
        });
    }
    Ok(problems)
}

/// Makes the entries and rows of a run anew of its events. A document that cannot be read is left as
/// it is.
pub(super) fn restate(
    connection: &Connection,
    masker: &Masker,
    prefix: &str,
    run: &RunId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let events = journal::events(connection, run, 0)?;
    let mut told = Told::by(&events).entries;
    told.retain(|_, entry| *entry != RunSpending::default());
    let stored = stored_entries(connection, prefix, run)?;
    let places: BTreeSet<Month> = told.keys().chain(stored.keys()).cloned().collect();
    for place in places {
        let entry = told.remove(&place).unwrap_or_default();
        let changed = change(connection, masker, prefix, &place, now, |ledger| {
            let stored = ledger.runs.get(run).cloned().unwrap_or_default();
            let revision = stored.revision;
            if (RunSpending { revision: 0, ..stored }) != entry {
                ledger.runs.insert(run.clone(), RunSpending { revision: revision + 1, ..entry });
            }
        });
        match changed {
            Ok(()) => {}
            Err(error @ StoreError::Corrupt { .. }) => tracing::warn!(%error, "a budget cannot be kept"),
            Err(other) => return Err(other),
        }
    }
    spending::restate(connection, run, &events)
}
