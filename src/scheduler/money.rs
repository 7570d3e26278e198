//! Money: what an attempt may cost is reserved before it starts and booked when it has ended.
//!
//! ```text
//!   a paid rung is next ─▶ Reserve ─▶ granted: start    ─▶ the agent tells its use ─▶ over the bound: stop
//!                              └────▶ refused: the provider rests until next month     │
//!                              └────▶ nobody knows: it rests a moment                  ▼
//!                                                               the attempt's end: booked, the rest given back
//! ```
//!
//! Two limits hold: the run's own budget, which this room keeps by itself, and the provider's month,
//! which all runs of the project share and the shared state keeps ([`crate::model::ledger`]).
//!
//! **Invariant:** what is reserved and spent of the run is the fold of `SpendReserved` and
//! `SpendSettled`; at every start it is at most the run's budget. What an agent used and did not tell
//! is charged as if it were all that was reserved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::model::event::{EventBody, SpendBasis};
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::{Cost, Layer, Rung};
use crate::model::ledger::{Reservation, day_of, month_of, next_month};
use crate::model::money::Money;
use crate::model::outcome::{Ending, Outcome, StopReason};
use crate::model::reading::{Reading, Tokens, Usage};
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::time::Timestamp;

use super::answered::{Answered, answered};
use super::effect::Effect;
use super::{Phase, Scheduler};

/// How long a provider rests of whose month nobody can say what is left.
const UNKNOWN_REST: Duration = Duration::from_secs(30);
/// How long it rests at first whose month is all reserved, by attempts that may cost less; twice as long
/// each time that it still is.
const RESERVED_REST: Duration = Duration::from_secs(2);
/// No such rest is longer.
const LONGEST_RESERVED_REST: Duration = Duration::from_mins(1);
/// The parts of a budget at which somebody is told, in hundredths.
const ALMOST: u8 = 80;
const ALL: u8 = 100;

/// The least of a bound with which starting is of use.
pub(super) fn least(bound: Money) -> Money {
    bound.percent(10)
}

/// Money that is on its way to an attempt that is to start.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    attempt: u32,
    rung: Rung,
    provider: String,
    month: String,
    /// How much at most.
    amount: Money,
    /// Whether the task went another way meanwhile: the money is given back.
    stale: bool,
}

/// What the run reserved and spent.
#[derive(Debug, Clone, Default)]
pub(super) struct Purse {
    spent: Money,
    reserved: BTreeMap<AttemptKey, Money>,
    /// Of providers whose month is all reserved: since when, and how long they rest next. A process that
    /// takes the run up begins to wait anew.
    patience: BTreeMap<String, (Timestamp, Duration)>,
    /// What somebody was told of: whose budget, of which month, at which part.
    told: BTreeSet<(Option<String>, Option<String>, u8)>,
}

impl Purse {
    /// Takes in what was recorded.
    pub(super) fn apply(&mut self, body: &EventBody) {
        if let EventBody::SpendReserved { task_id, attempt, amount_usd, .. } = body {
            self.reserved.insert(AttemptKey::new(task_id.clone(), *attempt), *amount_usd);
        } else if let EventBody::SpendSettled { task_id, attempt, amount_usd, .. } = body {
            self.reserved.remove(&AttemptKey::new(task_id.clone(), *attempt));
            self.spent += *amount_usd;
        } else if let EventBody::BudgetReached { provider, month, percent, .. } = body {
            self.told.insert((provider.clone(), month.clone(), *percent));
        }
    }

    /// How the run's budget stands; none: it has none.
    pub(super) fn budget(&self, spec: &RunSpec) -> Option<Budget> {
        let whole = spec.settings.budget_usd.map(Money::usd)?;
        Some(Budget { whole, spent: self.spent, reserved: self.reserved.values().copied().sum() })
    }
}

/// How the budget of a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// What may be spent.
    pub whole: Money,
    /// What attempts that ended cost.
    pub spent: Money,
    /// What those under way may cost.
    pub reserved: Money,
}

impl Budget {
    /// What is left for another attempt.
    pub fn left(self) -> Money {
        self.whole.less(self.spent + self.reserved)
    }

    /// Whether an attempt that needs at least `least` may start.
    pub fn allows(self, least: Money) -> bool {
        self.left() >= least && !self.left().is_zero()
    }

    /// Whether it may once the attempts under way have ended, should they cost nothing.
    pub fn may_allow(self, least: Money) -> bool {
        Self { reserved: Money::ZERO, ..self }.allows(least)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of the run's budget of {} {} are spent", self.whole, self.spent)?;
        if self.reserved.is_zero() { Ok(()) } else { write!(f, " and {} reserved", self.reserved) }
    }
}

/// What an attempt under way was told to cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meter {
    so_far: Money,
    largest_step: Money,
    /// How many answers of a model that was.
    answers: u32,
    stopped: bool,
}

impl Meter {
    /// Takes in what the attempt cost so far, in so many `answers`. Says why it is to be stopped, once:
    /// another step like the largest one would pass what was reserved. Of steps that are told together
    /// the mean counts.
    fn take(&mut self, cost: Money, answers: u32, reserved: Money) -> Option<String> {
        let new = answers.saturating_sub(self.answers).max(1);
        self.answers = self.answers.max(answers);
        let step = Money(cost.less(self.so_far).0.div_ceil(u64::from(new)));
        self.largest_step = self.largest_step.max(step);
        self.so_far = self.so_far.max(cost);
        if self.stopped || self.so_far + self.largest_step <= reserved {
            return None;
        }
        self.stopped = true;
        Some(format!(
            "it cost {} so far, up to {} a step, and {reserved} were reserved for it",
            self.so_far, self.largest_step
        ))
    }
}

/// What an attempt cost, and how that is known; none: there is nothing to book.
pub(super) fn bill(
    spec: &RunSpec,
    rung: &Rung,
    reserved: Option<Money>,
    outcome: Option<&Outcome>,
    reading: Option<&Reading>,
) -> Option<(Money, SpendBasis, Option<Tokens>)> {
    let tokens = reading.and_then(|reading| reading.tokens);
    let layer = layer_of(spec, rung);
    let reported = reading.and_then(|reading| reading.cost_usd).map(Money::usd);
    let reported = reported.filter(|cost| !cost.is_zero());
    let priced = tokens
        .and_then(|tokens| Some(Money::of(tokens, layer?.price?)))
        .filter(|_| reserved.is_some() || layer.is_some_and(|layer| layer.cost == Cost::Paid));
    let known = reported
        .map(|cost| (cost, SpendBasis::Reported))
        .or_else(|| priced.map(|cost| (cost, SpendBasis::Priced)));
    let Some(reserved) = reserved else {
        return match known {
            Some((cost, basis)) => Some((cost, basis, tokens)),
            None => tokens.map(|_| (Money::ZERO, SpendBasis::Free, tokens)),
        };
    };
    let never_was = outcome.is_some_and(|outcome| {
        matches!(outcome.ending, Ending::NotFound { .. } | Ending::FailedToStart { .. })
    });
    let at_least = reading.is_some_and(|reading| reading.at_least);
    let told_nothing = |reading: &Reading| reading.turns == Some(0) && reading.tokens.is_none() && !at_least;
    let asked_nothing = reading.is_some_and(|reading| reading.not_begun || told_nothing(reading));
    Some(match known {
        Some((cost, basis)) if !at_least => (cost, basis, tokens),
        Some((cost, _)) => (cost.max(reserved), SpendBasis::Bound, tokens),
        None if never_was || asked_nothing => (Money::ZERO, SpendBasis::Reported, tokens),
        None => (reserved, SpendBasis::Bound, tokens),
    })
}

pub(super) fn layer_of<'a>(spec: &'a RunSpec, rung: &Rung) -> Option<&'a Layer> {
    let number = rung.layer?;
    spec.layers.iter().find(|layer| layer.layer == number)
}

impl Scheduler {
    /// How the run's budget stands; none: it has none. What was asked for counts as reserved.
    pub(super) fn budget(&self) -> Option<Budget> {
        let budget = self.purse.budget(&self.spec)?;
        let asked: Money = self.asked.values().map(|asked| asked.amount).sum();
        Some(Budget { reserved: budget.reserved + asked, ..budget })
    }

    /// Asks for the money of an attempt that is to start at `rung`, where that costs any. Says whether
    /// it did; the attempt starts when the answer is there.
    pub(super) fn ask_for_money(&mut self, place: usize, rung: &Rung) -> bool {
        let Some(layer) = layer_of(&self.spec, rung).filter(|layer| layer.cost == Cost::Paid) else {
            return false;
        };
        let bound = layer.bound();
        let provider = layer.provider.clone();
        let amount = self.budget().map_or(bound, |budget| budget.left().min(bound));
        let month_budget = self.spec.providers.get(&provider).and_then(|known| known.budget_usd_per_month);
        let attempt = self.next_attempt(place);
        let month = month_of(self.now);
        self.slots.start(place, rung, &self.spec, self.now);
        let (rung, key) = (rung.clone(), AttemptKey::new(self.id(place), attempt));
        let asked =
            Asked { attempt, rung, provider: provider.clone(), month: month.clone(), amount, stale: false };
        self.paces.is_to_begin(&provider, self.now);
        self.asked.insert(place, asked);
        self.out.push(Effect::Reserve {
            key,
            provider,
            month,
            amount,
            least: least(bound),
            budget: month_budget.map(Money::usd),
        });
        true
    }

    /// A task goes another way than it was to when money was asked for.
    pub(super) fn forget_asked(&mut self, place: usize) {
        if let Some(asked) = self.asked.get_mut(&place) {
            asked.stale = true;
        }
    }

    /// The answer to a request for money.
    pub(super) fn reserved(&mut self, key: &AttemptKey, answer: Reservation) {
        let asked = self
            .view
            .place(&key.task)
            .and_then(|place| Some((place, self.asked.get(&place)?.clone())))
            .filter(|(_, asked)| asked.attempt == key.attempt);
        let Some((place, asked)) = asked else { return };
        self.asked.remove(&place);
        let open = matches!(self.status(place), TaskStatus::Pending | TaskStatus::Retrying);
        // Another attempt may have shown meanwhile that the provider is to be left alone.
        let rest = self.view.rests.get(&asked.provider);
        let rests = rest.is_some_and(|rest| rest.until.is_none_or(|until| until > self.now));
        let off = rests || asked.rung.layer.is_some_and(|layer| self.off.contains_key(&layer));
        let wanted = open && !off && !asked.stale && self.phase == Phase::Live && !self.tripped;
        match answer {
            Reservation::Granted { amount, used } if wanted => {
                self.purse.patience.remove(&asked.provider);
                self.begin_attempt(place, asked.rung.clone(), Some((&asked, amount)));
                self.tell_of_month(&asked.provider, &asked.month, used, false);
                self.tell_of_run();
                return;
            }
            Reservation::Granted { .. } => {
                let (provider, month) = (asked.provider, asked.month);
                self.out.push(Effect::Release { key: key.clone(), provider, month });
            }
            Reservation::Refused { used, spent } => self.month_is_spent(asked.clone(), used, spent),
            Reservation::Unknown { why } => {
                let evidence = format!("nobody can say what is left of its month's budget: {why}");
                let until = self.now + UNKNOWN_REST;
                self.rest(asked.provider, Some(until), FailureKind::BudgetExhausted, evidence);
            }
        }
        self.slots.process_ended(place, &asked.rung);
        self.slots.done();
        self.release(place);
        if self.phase == Phase::Live && open {
            self.take_up(place);
        }
    }

    /// A provider's month has too little left: the rest of it, or for a moment where attempts under way
    /// may give back what is reserved for them.
    fn month_is_spent(&mut self, asked: Asked, used: Money, spent: Money) {
        let month = &asked.month;
        let spec = self.spec.providers.get(&asked.provider);
        let whole = spec.and_then(|known| known.budget_usd_per_month).map_or(Money::ZERO, Money::usd);
        let least = layer_of(&self.spec, &asked.rung).map_or(Money::ZERO, |layer| least(layer.bound()));
        let may_come_back = Budget { whole, spent, reserved: used.less(spent) }.may_allow(least);
        let (until, evidence) = if may_come_back {
            let reserved = used.less(spent);
            let evidence = format!(
                "of its {whole} for {month} {spent} is spent and {reserved} reserved for attempts under way"
            );
            let first = (self.now, RESERVED_REST);
            let (since, length) = self.purse.patience.get(&asked.provider).copied().unwrap_or(first);
            let next = (length * 2).min(LONGEST_RESERVED_REST);
            self.purse.patience.insert(asked.provider.clone(), (since, next));
            // Who has waited as long as one may waits no longer.
            let longest = self.spec.settings.max_wait.0;
            let until = self.now + length;
            (if until > since + longest { next_month(self.now) } else { until }, evidence)
        } else {
            (next_month(self.now), format!("of its {whole} for {month} {used} is spent or reserved"))
        };
        self.tell_of_month(&asked.provider, month, used, !may_come_back);
        self.rest(asked.provider, Some(until), FailureKind::BudgetExhausted, evidence);
    }

    /// The record of what was reserved for the attempt that was just begun.
    pub(super) fn record_reserved(&mut self, task_id: TaskId, asked: &Asked, amount: Money) {
        self.record(EventBody::SpendReserved {
            task_id,
            attempt: asked.attempt,
            provider: Some(asked.provider.clone()),
            model: asked.rung.model.clone(),
            month: asked.month.clone(),
            amount_usd: amount,
        });
    }

    /// What an attempt used so far. One that would pass what was reserved for it is stopped.
    pub(super) fn attempt_used(&mut self, key: &AttemptKey, usage: &Usage) {
        let Some(place) = self.running(key) else { return };
        self.paces.asked(key, usage.requests, self.now);
        let Some(&reserved) = self.purse.reserved.get(key) else { return };
        let Some(flight) = self.flights.get_mut(&place) else { return };
        let reported = usage.cost_usd.map(Money::usd).filter(|cost| !cost.is_zero());
        let price = layer_of(&self.spec, &flight.rung).and_then(|layer| layer.price);
        let priced = || usage.tokens.zip(price).map(|(tokens, price)| Money::of(tokens, price));
        let Some(cost) = reported.or_else(priced) else { return };
        if let Some(seen) = flight.meter.take(cost, usage.requests, reserved) {
            self.out.push(Effect::Stop { key: key.clone(), reason: StopReason::OverBudget { seen } });
        }
    }

    /// Books what the last attempt of a task cost, which has ended, unless that was done.
    pub(super) fn book(&mut self, place: usize) {
        let Some(last) = self.view.tasks[place].last_attempt() else { return };
        if last.status == AttemptStatus::Running {
            return;
        }
        let key = AttemptKey::new(self.id(place), last.attempt);
        let reserved = self.purse.reserved.get(&key).copied();
        let (outcome, reading) = (last.outcome.as_ref(), last.reading.as_ref());
        let Some((amount_usd, basis, tokens)) = bill(&self.spec, &last.rung, reserved, outcome, reading)
        else {
            return;
        };
        let Answered { provider, model, layer } = answered(&self.spec, &last.rung, reading);
        let charged = provider.clone();
        self.record(EventBody::SpendSettled {
            task_id: key.task,
            attempt: key.attempt,
            provider,
            model,
            layer,
            day: day_of(self.now),
            amount_usd,
            basis,
            tokens,
        });
        self.tell_of_run();
        if let Some(provider) = charged {
            self.tokens_used(&provider, &day_of(self.now), 0);
        }
    }

    /// Books the attempts that ended and were not booked before this process took the run up.
    pub(super) fn book_what_was_left(&mut self) {
        let open: Vec<TaskId> = self.purse.reserved.keys().map(|key| key.task.clone()).collect();
        for task in open {
            if let Some(place) = self.view.place(&task) {
                self.book(place);
            }
        }
    }

    /// What all runs used of a provider's month.
    pub(super) fn provider_used(&mut self, provider: &str, month: &str, used: Money) {
        self.tell_of_month(provider, month, used, false);
    }

    fn tell_of_month(&mut self, provider: &str, month: &str, used: Money, refused: bool) {
        self.till.tell_month(provider, month, used);
        let spec = self.spec.providers.get(provider);
        if let Some(budget) = spec.and_then(|known| known.budget_usd_per_month).map(Money::usd) {
            self.tell(Some((provider, month)), used, budget, refused);
        }
    }

    /// Tells of the run's budget where so much of it is gone: all of it once what is left by what is
    /// spent is too little for any attempt.
    fn tell_of_run(&mut self) {
        if let Some(budget) = self.budget() {
            let paid = self.spec.layers.iter().filter(|layer| layer.cost == Cost::Paid);
            let smallest = paid.map(|layer| least(layer.bound())).min().unwrap_or_default();
            let all = budget.spent + smallest > budget.whole || budget.spent >= budget.whole;
            self.tell(None, budget.spent + budget.reserved, budget.whole, all);
        }
    }

    fn tell(&mut self, whose: Option<(&str, &str)>, used: Money, budget: Money, all: bool) {
        let percent = if all {
            ALL
        } else if used >= budget.percent(ALMOST) {
            ALMOST
        } else {
            return;
        };
        let provider = whose.map(|(provider, _)| provider.to_owned());
        let month = whose.map(|(_, month)| month.to_owned());
        let known = |percent| self.purse.told.contains(&(provider.clone(), month.clone(), percent));
        if known(ALL) || known(percent) {
            return;
        }
        self.record(EventBody::BudgetReached {
            provider: provider.clone(),
            month: month.clone(),
            percent,
            used_usd: used,
            budget_usd: budget,
        });
    }
}
