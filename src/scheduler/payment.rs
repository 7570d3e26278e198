//! Whether to wait for a free layer or to pay, when only paid ones are to be had.
//!
//! ```text
//!   rungs of a task ─▶ Terms::weigh ─▶ none: nothing to decide (a free one is ready, or there never was one)
//!                                └───▶ Question ─▶ decide ─▶ wait | pay, and the ground for it
//! ```
//!
//! | the free one | policy `wait` | policy `pay` |
//! | --- | --- | --- |
//! | takes one start after another | wait | wait |
//! | is not back in this run, within `max_wait`, or in time for an attempt before the deadline | pay | pay |
//! | is back within a minute | wait | wait |
//! | is back later | wait | pay where the expected price is there, else wait |
//!
//! **Invariant:** one decision is recorded for a paid rung and a time at which the free one is back,
//! however many tasks wait; one to pay for each attempt that is paid by it. Which were recorded is the
//! fold of the events.
//!
//! A task for which nothing free is allowed has nothing to decide: that paid use was approved is the
//! word for it. What is there of a month's budget is what was told last; whether there is money is
//! asked again before every start ([`super::money`]).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::model::event::{Event, EventBody, PaymentDecision};
use crate::model::hierarchy::PaymentPolicy;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::{Layer, Rung};
use crate::model::ledger::month_of;
use crate::model::money::Money;
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::time::{Span, Timestamp};

use super::ladder::{Ladder, Sky, Standing, Step};
use super::money::{Budget, layer_of};
use super::{Phase, Scheduler};

/// A free layer that is back so soon is always waited for.
const SOON: Duration = Duration::from_mins(1);
/// Of how many attempts the usual length is taken.
const LENGTHS: usize = 63;

/// How it stands with the free rungs of a task, none of which is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Free {
    /// One of them takes one start after another and takes the next then.
    Paced(Timestamp),
    /// The earliest of them is back then.
    Rests(Timestamp),
    /// None of them is back in this run.
    Gone,
}

impl Free {
    const fn at(self) -> Option<Timestamp> {
        match self {
            Self::Paced(at) | Self::Rests(at) => Some(at),
            Self::Gone => None,
        }
    }
}

/// All that a decision looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    /// What is to be done where both can be done.
    pub(super) policy: PaymentPolicy,
    /// The time.
    pub(super) now: Timestamp,
    /// How it stands with the free rungs.
    pub(super) free: Free,
    /// How long to wait for a provider at most.
    pub(super) max_wait: Span,
    /// When the run has had its time.
    pub(super) deadline: Option<Timestamp>,
    /// How long an attempt takes; nothing where that is not known.
    pub(super) usual: Duration,
    /// What an attempt is expected to cost.
    pub(super) expected: Money,
    /// What is left for it; none: nothing limits it.
    pub(super) left: Option<Money>,
}

/// Why it was decided so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// A free layer takes one start after another.
    Paced,
    /// No free layer is back in this run.
    Gone,
    /// It is back later than may be waited.
    TooLong,
    /// It is back too late before the run's deadline.
    TooLate,
    /// It can be waited for, and that is the policy.
    Waits,
    /// It is back in a moment.
    Soon,
    /// The money is there.
    Affordable,
    /// The money is not there.
    Dear,
}

/// Whether to wait or to pay.
pub(super) fn decide(question: &Question) -> (PaymentDecision, Ground) {
    use PaymentDecision::{Pay, Wait};
    let at = match question.free {
        Free::Paced(_) => return (Wait, Ground::Paced),
        Free::Gone => return (Pay, Ground::Gone),
        Free::Rests(at) => at,
    };
    if at > question.now + question.max_wait.0 {
        return (Pay, Ground::TooLong);
    }
    if question.deadline.is_some_and(|deadline| at + question.usual >= deadline) {
        return (Pay, Ground::TooLate);
    }
    let affordable = question.left.is_none_or(|left| left >= question.expected);
    match question.policy {
        PaymentPolicy::Wait => (Wait, Ground::Waits),
        PaymentPolicy::Pay if at.since(question.now) <= SOON => (Wait, Ground::Soon),
        PaymentPolicy::Pay if affordable => (Pay, Ground::Affordable),
        PaymentPolicy::Pay => (Wait, Ground::Dear),
    }
}

/// The ground in one sentence, with its numbers.
fn words(question: &Question, ground: Ground) -> String {
    let back = question.free.at().map_or(Duration::ZERO, |at| at.since(question.now));
    let back = seconds(back);
    let Question { max_wait, expected, .. } = question;
    match ground {
        Ground::Paced => format!("a free layer takes its next start in {back}"),
        Ground::Gone => "no free layer is back in this run".to_owned(),
        Ground::TooLong => format!("a free layer is back in {back}, and at most {max_wait} may be waited"),
        Ground::TooLate if question.usual.is_zero() => {
            format!("a free layer is back in {back}, after the run's deadline")
        }
        Ground::TooLate => {
            let usual = seconds(question.usual);
            format!(
                "a free layer is back in {back}, and an attempt of {usual} would end after the run's deadline"
            )
        }
        Ground::Waits => format!("a free layer is back in {back}, and up to {max_wait} may be waited"),
        Ground::Soon => format!("a free layer is back in {back}, which is soon"),
        Ground::Affordable => {
            format!("a free layer is back in {back}, and the {expected} that are expected are there")
        }
        Ground::Dear => {
            let left = question.left.unwrap_or_default();
            format!("{expected} are expected and {left} are left, and a free layer is back in {back}")
        }
    }
}

/// In whole seconds, rounded up.
fn seconds(length: Duration) -> Span {
    Span::seconds(length.as_secs() + u64::from(length.subsec_nanos() > 0))
}

/// What the decisions of a run are made by, as far as it changes.
#[derive(Debug, Clone, Default)]
pub(super) struct Till {
    /// What settled attempts at a layer cost, and how many they were; those that cost nothing asked
    /// for nothing.
    prices: BTreeMap<u8, (Money, u64)>,
    /// How long the last attempts took that came to their end well.
    lengths: VecDeque<Duration>,
    usual: Duration,
    started: BTreeMap<AttemptKey, Timestamp>,
    /// What was told last of a provider's month.
    months: BTreeMap<String, (String, Money)>,
    /// The decisions to wait: at which paid layer not, until when.
    waits: BTreeSet<(Timestamp, Option<u8>)>,
    /// The tasks whose coming attempt was decided to be paid.
    pays: BTreeSet<TaskId>,
}

impl Till {
    /// Takes in what was recorded.
    pub(super) fn apply(&mut self, event: &Event) {
        if let EventBody::AttemptStarted { task_id, attempt, .. } = &event.body {
            self.pays.remove(task_id);
            self.started.insert(AttemptKey::new(task_id.clone(), *attempt), event.at);
        } else if let EventBody::AttemptEnded { task_id, attempt, status, .. } = &event.body {
            let started = self.started.remove(&AttemptKey::new(task_id.clone(), *attempt));
            if let Some(started) = started.filter(|_| *status == AttemptStatus::Succeeded) {
                self.took(event.at.since(started));
            }
        } else if let EventBody::SpendSettled { layer: Some(layer), amount_usd, .. } = &event.body {
            if !amount_usd.is_zero() {
                let (sum, count) = self.prices.entry(*layer).or_default();
                *sum += *amount_usd;
                *count += 1;
            }
        } else if let EventBody::PaymentDecided { task_id, decision, paid, free_at, .. } = &event.body {
            match decision {
                PaymentDecision::Pay => {
                    self.pays.insert(task_id.clone());
                    self.waits.retain(|&(at, layer)| Some(at) != *free_at || layer != paid.layer);
                }
                PaymentDecision::Wait => {
                    self.pays.remove(task_id);
                    self.waits.retain(|&(at, _)| at > event.at);
                    self.waits.extend(free_at.map(|at| (at, paid.layer)));
                }
            }
        }
    }

    fn took(&mut self, length: Duration) {
        self.lengths.push_back(length);
        if self.lengths.len() > LENGTHS {
            self.lengths.pop_front();
        }
        let mut lengths: Vec<Duration> = self.lengths.iter().copied().collect();
        lengths.sort_unstable();
        self.usual = lengths[lengths.len() / 2];
    }

    /// Takes in what all runs used of a provider's month.
    pub(super) fn tell_month(&mut self, provider: &str, month: &str, used: Money) {
        self.months.insert(provider.to_owned(), (month.to_owned(), used));
    }
}

/// What a decision is made by: the rules of the run, and what its attempts taught.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    spec: &'a RunSpec,
    till: &'a Till,
    deadline: Option<Timestamp>,
}

impl<'a> Terms<'a> {
    pub(super) const fn new(spec: &'a RunSpec, till: &'a Till, deadline: Option<Timestamp>) -> Self {
        Self { spec, till, deadline }
    }

    /// The run.
    pub(super) const fn spec(&self) -> &'a RunSpec {
        self.spec
    }

    /// What an attempt at `step` is expected to cost: what those before it did, else what is
    /// reserved for it.
    fn expected(&self, step: &Step) -> Money {
        let settled = step.rung.layer.and_then(|layer| self.till.prices.get(&layer));
        let reserved = || layer_of(self.spec, &step.rung).map(Layer::bound).unwrap_or_default();
        settled.map_or_else(reserved, |(sum, count)| Money(sum.0 / count))
    }

    /// What is left for an attempt at `step`; none: nothing limits it.
    fn left(&self, step: &Step, budget: Option<Budget>, now: Timestamp) -> Option<Money> {
        let month = || {
            let provider = step.rung.provider.as_ref()?;
            let whole = self.spec.providers.get(provider)?.budget_usd_per_month.map(Money::usd)?;
            let used = self.till.months.get(provider).filter(|(month, _)| *month == month_of(now));
            Some(whole.less(used.map_or(Money::ZERO, |(_, used)| *used)))
        };
        [budget.map(Budget::left), month()].into_iter().flatten().min()
    }
}

/// A decision between a paid rung that is ready and free ones that are not.
#[derive(Debug, Clone)]
pub(super) struct Weighed<'a> {
    paid: &'a Step,
    question: Question,
    ground: Ground,
    pub(super) decision: PaymentDecision,
}

/// Decides for a task with these rungs. None: there is nothing to decide, because a free one is
/// ready, none is allowed, or no paid one is ready.
pub(super) fn weigh<'a>(steps: impl Iterator<Item = &'a Step>, sky: &Sky<'_>) -> Option<Weighed<'a>> {
    let mut paid = None;
    let (mut paced, mut back, mut any) = (None, None, false);
    let earlier = |known: Option<Timestamp>, at| Some(known.map_or(at, |known| known.min(at)));
    for step in steps {
        match sky.standing(step) {
            standing if step.paid => {
                if standing == Standing::Ready && paid.is_none() {
                    paid = Some(step);
                }
            }
            Standing::Ready => return None,
            Standing::Paced(at) => (paced, any) = (earlier(paced, at), true),
            Standing::Rests(at) => (back, any) = (earlier(back, at), true),
            Standing::Later | Standing::Off => any = true,
        }
    }
    let paid = paid.filter(|_| any)?;
    let free = paced.map(Free::Paced).or(back.map(Free::Rests)).unwrap_or(Free::Gone);
    let question = Question {
        policy: sky.terms.spec.models.policy,
        now: sky.now,
        free,
        max_wait: sky.max_wait,
        deadline: sky.terms.deadline,
        usual: sky.terms.till.usual,
        expected: sky.terms.expected(paid),
        left: sky.terms.left(paid, sky.budget, sky.now),
    };
    let (decision, ground) = decide(&question);
    Some(Weighed { paid, question, ground, decision })
}

/// Whether no paid rung among these is to be taken: one waits for a free one.
pub(super) fn is_to_wait<'a>(steps: impl Iterator<Item = &'a Step>, sky: &Sky<'_>) -> bool {
    weigh(steps, sky).is_some_and(|weighed| weighed.decision == PaymentDecision::Wait)
}

impl Weighed<'_> {
    /// The record of it, for the first of `waiting` tasks.
    fn record(&self, task_id: TaskId, waiting: usize) -> EventBody {
        EventBody::PaymentDecided {
            task_id,
            decision: self.decision,
            policy: self.question.policy,
            paid: self.paid.rung.clone(),
            expected_usd: self.question.expected,
            left_usd: self.question.left,
            free_at: self.question.free.at(),
            deadline_at: self.question.deadline,
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            why: words(&self.question, self.ground),
        }
    }
}

impl Scheduler {
    /// What was decided for a task with this ladder, as a record; none: there was nothing to decide,
    /// or it was told already.
    fn payment(
        &self,
        place: usize,
        ladder: &Ladder,
        decision: PaymentDecision,
        waiting: usize,
    ) -> Option<EventBody> {
        let weighed = weigh(ladder.steps.iter(), &self.sky())?;
        if weighed.decision != decision {
            return None;
        }
        let task = self.id(place);
        let known = match (decision, weighed.question.free) {
            (PaymentDecision::Pay, _) => self.till.pays.contains(&task),
            (PaymentDecision::Wait, Free::Rests(at)) => {
                self.till.waits.contains(&(at, weighed.paid.rung.layer))
            }
            // No wait for a provider, and its time is another one with each start.
            (PaymentDecision::Wait, Free::Paced(_) | Free::Gone) => true,
        };
        (!known).then(|| weighed.record(task, waiting))
    }

    /// Records what was decided for a task whose next attempt is to be at `next`.
    pub(super) fn tell_of_payment(&mut self, place: usize, next: &Rung) {
        if self.spec.settings.allow_paid.is_none() {
            return;
        }
        let line = self.fresh_line(place);
        let ladder = self.queue.ladder(line);
        let Some(step) = ladder.step(next) else { return };
        let decision = if step.paid { PaymentDecision::Pay } else { PaymentDecision::Wait };
        if let Some(body) = self.payment(place, ladder, decision, 1) {
            self.record(body);
        }
    }

    /// Records that tasks wait for a free layer which could start at a paid one.
    pub(super) fn tell_of_waits(&mut self) {
        if self.phase != Phase::Live || self.tripped || self.spec.settings.allow_paid.is_none() {
            return;
        }
        let waits = |scheduler: &Self| {
            let mut lines = scheduler.queue.heads().filter(|(line, _)| line.is_fresh());
            lines.find_map(|(line, rank)| {
                scheduler.payment(rank.2, &line.ladder, PaymentDecision::Wait, line.len())
            })
        };
        while let Some(body) = waits(self) {
            self.record(body);
        }
    }

    /// Records that the first attempt of a task is paid for, though a free layer is allowed.
    pub(super) fn tell_of_first_payment(&mut self, place: usize, rung: &Rung) {
        if self.status(place) == TaskStatus::Pending && layer_of(&self.spec, rung).is_some() {
            let line = self.fresh_line(place);
            let ladder = self.queue.ladder(line);
            if ladder.step(rung).is_some_and(|step| step.paid)
                && let Some(body) = self.payment(place, ladder, PaymentDecision::Pay, 1)
            {
                self.record(body);
            }
        }
    }
}
