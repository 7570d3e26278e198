//! What is spent at a provider in a month: `provider:<name>:spend:<YYYY-MM>`, and its arithmetic.
//!
//! Each run has an entry of its own, which its supervisor alone changes, so two versions of the
//! document become one without losing anything: of each run, the later entry counts. Money is reserved
//! before an attempt starts and settled when it has ended; what is reserved counts as spent. Whoever
//! stores the document changes it in one step that nobody comes between.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::{AttemptKey, RunId};
use super::money::Money;
use super::record::version;
use super::time::Timestamp;

version!(SpendVersion, "spend/v1");

/// What is spent at one provider in one month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MonthLedger {
    /// `spend/v1`.
    pub schema: SpendVersion,
    /// The provider.
    pub provider: String,
    /// The month by UTC, as `2026-11`.
    pub month: String,
    /// When it was written.
    pub updated_at: Timestamp,
    /// The runs that used the provider in that month.
    pub runs: BTreeMap<RunId, RunSpending>,
}

/// What one run spent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSpending {
    /// Grows with every change of the entry.
    pub revision: u64,
    /// The money of attempts that have ended, in USD.
    pub spent_usd: Money,
    /// The tokens of attempts that have ended, by the day (UTC, as `2026-11-25`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<String, u64>,
    /// What attempts that have not ended may cost at most, in USD, by `<task>/<attempt>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reserved_usd: BTreeMap<String, Money>,
}

/// Money that is asked for an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which attempt.
    pub key: AttemptKey,
    /// At which provider.
    pub provider: String,
    /// In which month, as `2026-11`.
    pub month: String,
    /// So much.
    pub amount: Money,
    /// The least that is of use.
    pub least: Money,
    /// What may be spent in the month; none: as much as is asked for.
    pub budget: Option<Money>,
}

/// What came of asking for money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// It is reserved.
    Granted {
        /// So much; less than what was asked for where no more was left.
        amount: Money,
        /// What is spent and reserved at the provider in this month, with it.
        used: Money,
    },
    /// There is not enough left in this month.
    Refused {
        /// What is spent and reserved at the provider in this month.
        used: Money,
    },
    /// Nobody can say whether there is enough: the shared state is not to be had.
    Unknown {
        /// Why, one line.
        why: String,
    },
}

impl MonthLedger {
    /// Nothing spent yet.
    pub fn new(provider: &str, month: &str) -> Self {
        Self {
            schema: SpendVersion::default(),
            provider: provider.to_owned(),
            month: month.to_owned(),
            updated_at: Timestamp::default(),
            runs: BTreeMap::new(),
        }
    }

    /// What is spent and reserved, by all runs.
    pub fn used(&self) -> Money {
        self.spent() + self.reserved()
    }

    /// What is spent, by all runs.
    pub fn spent(&self) -> Money {
        self.runs.values().map(|run| run.spent_usd).sum()
    }

    /// What is reserved, by all runs.
    pub fn reserved(&self) -> Money {
        self.runs.values().flat_map(|run| run.reserved_usd.values().copied()).sum()
    }

    /// The tokens used on `day`, by all runs.
    pub fn tokens_on(&self, day: &str) -> u64 {
        let tokens = self.runs.values().filter_map(|run| run.tokens.get(day));
        tokens.copied().fold(0, u64::saturating_add)
    }

    /// Reserves up to `amount` for an attempt, of a month's `budget`; nothing where less than `least` is
    /// left. What the attempt had reserved before is given back first, so asking twice is asking once.
    pub fn reserve(
        &mut self,
        run: &RunId,
        key: &AttemptKey,
        amount: Money,
        least: Money,
        budget: Option<Money>,
    ) -> Reservation {
        let name = entry_name(key);
        let before = self.runs.get(run).and_then(|entry| entry.reserved_usd.get(&name)).copied();
        let used = self.used().less(before.unwrap_or_default());
        let granted = budget.map_or(amount, |budget| amount.min(budget.less(used)));
        if granted < least.min(amount) || (budget.is_some() && granted.is_zero()) {
            self.release(run, key);
            return Reservation::Refused { used };
        }
        let entry = self.runs.entry(run.clone()).or_default();
        entry.reserved_usd.insert(name, granted);
        entry.revision += 1;
        Reservation::Granted { amount: granted, used: used + granted }
    }

    /// Books what an attempt cost and used, and gives back what it had reserved.
    pub fn settle(&mut self, run: &RunId, key: &AttemptKey, amount: Money, day: &str, tokens: u64) {
        self.runs.entry(run.clone()).or_default().settle(key, amount, day, tokens);
    }

    /// Gives back what an attempt had reserved that never started. Says whether it had something.
    pub fn release(&mut self, run: &RunId, key: &AttemptKey) -> bool {
        self.runs.get_mut(run).is_some_and(|entry| entry.release(key))
    }

    /// Takes in what another version of the document knows, for the supervisor of `own`: it alone changes
    /// the entry of that run, so what it knows of it counts, with a revision above the other one's. Of all
    /// others the later entry. Says whether that changed anything.
    pub fn take_in(&mut self, other: &Self, own: &RunId) -> bool {
        let before = self.runs.clone();
        let kept = self.runs.get(own).cloned().unwrap_or_default();
        self.merge(other);
        if let Some(theirs) = other.runs.get(own) {
            let same = RunSpending { revision: theirs.revision, ..kept.clone() } == *theirs;
            let above = if same { theirs.revision } else { theirs.revision.saturating_add(1) };
            let revision = kept.revision.max(above);
            self.runs.insert(own.clone(), RunSpending { revision, ..kept });
        }
        self.runs != before
    }

    /// Takes in what another version of the document knows: of each run the later entry.
    pub fn merge(&mut self, other: &Self) {
        for (run, theirs) in &other.runs {
            match self.runs.get_mut(run) {
                Some(ours) if ours.revision >= theirs.revision => {}
                Some(ours) => ours.clone_from(theirs),
                None => {
                    self.runs.insert(run.clone(), theirs.clone());
                }
            }
        }
        self.updated_at = self.updated_at.max(other.updated_at);
    }
}

impl RunSpending {
    /// Sets what an attempt may cost that has started. Says whether that is new.
    pub fn hold(&mut self, key: &AttemptKey, amount: Money) -> bool {
        let is_new = self.reserved_usd.insert(entry_name(key), amount) != Some(amount);
        self.revision += u64::from(is_new);
        is_new
    }

    /// Books what an attempt cost and used, and gives back what it had reserved.
    pub fn settle(&mut self, key: &AttemptKey, amount: Money, day: &str, tokens: u64) {
        self.reserved_usd.remove(&entry_name(key));
        self.spent_usd += amount;
        if tokens > 0 {
            let count = self.tokens.entry(day.to_owned()).or_insert(0);
            *count = count.saturating_add(tokens);
        }
        self.revision += 1;
    }

    /// Gives back what an attempt had reserved. Says whether it had something.
    pub fn release(&mut self, key: &AttemptKey) -> bool {
        let had = self.reserved_usd.remove(&entry_name(key)).is_some();
        self.revision += u64::from(had);
        had
    }
}

/// The name of an attempt within its run's entry.
fn entry_name(key: &AttemptKey) -> String {
    format!("{}/{}", key.task, key.attempt)
}

/// The month in which `at` lies, by UTC, as `2026-11`.
pub fn month_of(at: Timestamp) -> String {
    at.to_string().chars().take(7).collect()
}

/// The day in which `at` lies, by UTC, as `2026-11-25`.
pub fn day_of(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// When the day after that of `at` begins, by UTC.
pub fn next_day(at: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400_000;
    Timestamp((at.0.div_euclid(DAY) + 1).saturating_mul(DAY))
}

/// When the month after that of `at` begins, by UTC.
pub fn next_month(at: Timestamp) -> Timestamp {
    let month = month_of(at);
    let mut day = next_day(at);
    while month_of(day) == month {
        day = next_day(day);
    }
    day
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::TaskId;

    fn key(task: &str, attempt: u32) -> AttemptKey {
        AttemptKey::new(TaskId::new(task), attempt)
    }

    #[test]
    fn what_is_reserved_counts_and_what_is_left_may_be_less_than_asked() {
        let (one, two) = (RunId("A".to_owned()), RunId("B".to_owned()));
        let mut ledger = MonthLedger::new("openai", "2026-11");
        let budget = Some(Money::usd(2.0));
        let ask = |ledger: &mut MonthLedger, run: &RunId, key: &AttemptKey| {
            ledger.reserve(run, key, Money::usd(0.8), Money::usd(0.1), budget)
        };
        let granted =
            |amount, used| Reservation::Granted { amount: Money::usd(amount), used: Money::usd(used) };
        assert_eq!(ask(&mut ledger, &one, &key("T1", 1)), granted(0.8, 0.8));
        assert_eq!(
            ask(&mut ledger, &one, &key("T1", 1)),
            granted(0.8, 0.8),
            "asked again it is the same one"
        );
        assert_eq!(ask(&mut ledger, &two, &key("T1", 1)), granted(0.8, 1.6), "another run is another entry");
        assert_eq!(ask(&mut ledger, &one, &key("T2", 1)), granted(0.4, 2.0), "the rest");
        assert_eq!(ask(&mut ledger, &two, &key("T3", 1)), Reservation::Refused { used: Money::usd(2.0) });
        ledger.settle(&two, &key("T1", 1), Money::usd(0.5), "2026-11-25", 1_000);
        assert_eq!((ledger.spent(), ledger.used()), (Money::usd(0.5), Money::usd(1.7)));
        assert_eq!(ledger.tokens_on("2026-11-25"), 1_000);
        assert!(ledger.release(&one, &key("T2", 1)) && !ledger.release(&one, &key("T2", 1)));
        assert_eq!(ledger.used(), Money::usd(1.3));
        let before = ledger.clone();
        assert!(matches!(ask(&mut ledger, &one, &key("T4", 1)), Reservation::Granted { .. }));
        let more = ledger.reserve(&one, &key("T4", 1), Money::usd(3.0), Money::usd(3.0), budget);
        assert_eq!(more, Reservation::Refused { used: before.used() });
        assert_eq!(ledger.used(), before.used(), "who is refused has nothing");
        let free = ledger.reserve(&one, &key("T9", 1), Money::usd(5.0), Money::usd(1.0), None);
        assert_eq!(free, granted(5.0, 6.3), "without a budget all is granted");
    }

    #[test]
    fn of_each_run_the_later_entry_counts() {
        let (one, two) = (RunId("A".to_owned()), RunId("B".to_owned()));
        let mut here = MonthLedger::new("openai", "2026-11");
        here.settle(&one, &key("T1", 1), Money::usd(1.0), "2026-11-25", 0);
        let mut there = here.clone();
        here.settle(&one, &key("T2", 1), Money::usd(1.0), "2026-11-25", 0);
        there.settle(&two, &key("T1", 1), Money::usd(4.0), "2026-11-25", 0);
        let (mut left, mut right) = (here.clone(), there.clone());
        left.merge(&there);
        right.merge(&here);
        assert_eq!(left, right);
        assert_eq!(left.spent(), Money::usd(6.0));
        let before = left.clone();
        left.merge(&there);
        assert_eq!(left, before);
    }

    #[test]
    fn days_and_months_begin_at_midnight_utc() {
        let at: Timestamp = "2026-12-31T23:59:59.999Z".parse().unwrap();
        assert_eq!((month_of(at).as_str(), day_of(at).as_str()), ("2026-12", "2026-12-31"));
        assert_eq!(next_day(at).to_string(), "2027-01-01T00:00:00.000Z");
        assert_eq!(next_month(at).to_string(), "2027-01-01T00:00:00.000Z");
        let at: Timestamp = "2028-02-01T00:00:00Z".parse().unwrap();
        assert_eq!(next_month(at).to_string(), "2028-03-01T00:00:00.000Z");
    }
}
