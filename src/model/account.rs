//! What one run reserved and spent, provider by provider and month by month, as its journal tells.
//!
//! [`RunAccount`] is the fold of `SpendReserved` and `SpendSettled`. The entries of a run in the ledgers
//! ([`super::ledger`]) say the same, beside what is reserved for attempts that are about to start.

use std::collections::BTreeMap;

use super::event::EventBody;
use super::ids::AttemptKey;
use super::ledger::{MonthLedger, RunSpending};
use super::money::Money;

/// Whose ledger: a provider, and a month as `2026-11`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LedgerName {
    /// The provider.
    pub provider: String,
    /// The month.
    pub month: String,
}

/// A change of the run's entry in one ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Booking {
    /// An attempt may cost so much.
    Hold {
        /// Which attempt.
        key: AttemptKey,
        /// So much.
        amount: Money,
    },
    /// What an attempt had reserved is given back.
    Release {
        /// Which attempt.
        key: AttemptKey,
    },
    /// An attempt cost so much.
    Settle {
        /// Which attempt.
        key: AttemptKey,
        /// What it cost.
        amount: Money,
        /// The day, as `2026-11-25`.
        day: String,
        /// The tokens that it used.
        tokens: u64,
    },
}

/// What one run reserved and spent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunAccount {
    ledgers: BTreeMap<LedgerName, RunSpending>,
    /// Where what attempts under way may cost is reserved.
    reserved: BTreeMap<AttemptKey, LedgerName>,
}

impl RunAccount {
    /// Takes in what was recorded. Returns what changes in which ledger.
    pub fn apply(&mut self, body: &EventBody) -> Vec<(LedgerName, Booking)> {
        let changes = self.changes(body);
        for (name, booking) in &changes {
            let entry = self.ledgers.entry(name.clone()).or_default();
            booking.apply(entry);
            match booking {
                Booking::Hold { key, .. } => {
                    self.reserved.insert(key.clone(), name.clone());
                }
                Booking::Release { key } | Booking::Settle { key, .. } => {
                    self.reserved.remove(key);
                }
            }
        }
        changes
    }

    fn changes(&self, body: &EventBody) -> Vec<(LedgerName, Booking)> {
        if let EventBody::SpendReserved {
            task_id,
            attempt,
            provider: Some(provider),
            month,
            amount_usd,
            ..
        } = body
        {
            let name = LedgerName { provider: provider.clone(), month: month.clone() };
            let key = AttemptKey::new(task_id.clone(), *attempt);
            return vec![(name, Booking::Hold { key, amount: *amount_usd })];
        }
        let EventBody::SpendSettled { task_id, attempt, provider, day, amount_usd, tokens, .. } = body else {
            return Vec::new();
        };
        let key = AttemptKey::new(task_id.clone(), *attempt);
        let reserved = self.reserved.get(&key).cloned();
        let release = reserved.map(|name| (name, Booking::Release { key: key.clone() }));
        let month: String = day.chars().take(7).collect();
        let settle = provider.clone().map(|provider| {
            let tokens = tokens.map_or(0, super::reading::Tokens::total);
            let booking = Booking::Settle { key, amount: *amount_usd, day: day.clone(), tokens };
            (LedgerName { provider, month }, booking)
        });
        release.into_iter().chain(settle).collect()
    }

    /// The ledgers in which the run has an entry, with what it says; its revision means nothing.
    pub const fn ledgers(&self) -> &BTreeMap<LedgerName, RunSpending> {
        &self.ledgers
    }
}

impl Booking {
    /// Changes an entry as it says. Whether that is another one afterwards.
    pub fn apply(&self, entry: &mut RunSpending) -> bool {
        match self {
            Self::Hold { key, amount } => entry.hold(key, *amount),
            Self::Release { key } => entry.release(key),
            Self::Settle { key, amount, day, tokens } => {
                entry.settle(key, *amount, day, *tokens);
                true
            }
        }
    }
}

impl MonthLedger {
    /// Makes the entry of `run` say what its journal says: `told`; none: it spent nothing here. The
    /// revision becomes at least `revision`. Says whether that changed anything.
    pub fn set_entry(&mut self, run: &super::ids::RunId, told: Option<&RunSpending>, revision: u64) -> bool {
        let stored = self.runs.get(run);
        let same = match (stored, told) {
            (None, None) => true,
            (Some(stored), told) => {
                let told = told.cloned().unwrap_or_default();
                RunSpending { revision: stored.revision, ..told } == *stored
            }
            (None, Some(_)) => false,
        };
        if same {
            return false;
        }
        let before = stored.map_or(0, |stored| stored.revision);
        let entry = RunSpending { revision: revision.max(before + 1), ..told.cloned().unwrap_or_default() };
        self.runs.insert(run.clone(), entry);
        true
    }
}
