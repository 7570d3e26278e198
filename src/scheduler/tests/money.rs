//! What may be spent, step by step, and that it never is more, whatever attempts cost and whoever else
//! spends at the same provider.

use std::time::Duration;

use proptest::prelude::*;

use crate::model::event::{EventBody, SpendBasis};
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind as Kind;
use crate::model::ids::AttemptKey;
use crate::model::layer::{Cost, Price};
use crate::model::ledger::{MonthLedger, Reservation};
use crate::model::money::Money;
use crate::model::outcome::{AttemptFacts, StopReason};
use crate::model::reading::{Tokens, Usage};
use crate::model::run::{ProviderSpec, RunSpec};
use crate::model::status::TaskStatus;
use crate::model::time::Timestamp;
use crate::scheduler::{Effect, Input, Scheduler};

use super::builder::{TaskWords as _, error, good, layer, shared, spec, stopped, task};
use super::world::World;

/// A run whose only layer costs money, which was approved.
fn paid(tasks: &[&str]) -> RunSpec {
    let mut run = spec(tasks.iter().map(|id| task(id)).collect());
    run.settings.allow_paid = Some("release day".to_owned());
    run.layers.retain(|layer| layer.layer == 4);
    run
}

fn with_month(mut run: RunSpec, usd: f64) -> RunSpec {
    let provider = ProviderSpec { budget_usd_per_month: Some(usd), ..ProviderSpec::default() };
    run.providers.insert("openai".to_owned(), provider);
    run
}

/// An attempt that ended well and says what it cost.
fn cost(key: &AttemptKey, usd: f64) -> AttemptFacts {
    let mut facts = good(key);
    facts.reading.cost_usd = Some(usd);
    facts.reading.tokens = Some(Tokens { input: 900, output: 100 });
    facts
}

fn settled(world: &World) -> Vec<(Option<String>, Money, SpendBasis)> {
    world.events(|body| {
        let EventBody::SpendSettled { provider, amount_usd, basis, .. } = body else { return None };
        Some((provider.clone(), *amount_usd, *basis))
    })
}

fn reserved(world: &World) -> Vec<Money> {
    world.events(|body| {
        let EventBody::SpendReserved { amount_usd, .. } = body else { return None };
        Some(*amount_usd)
    })
}

fn told(world: &World) -> Vec<(Option<String>, u8)> {
    world.events(|body| {
        let EventBody::BudgetReached { provider, percent, .. } = body else { return None };
        Some((provider.clone(), *percent))
    })
}

fn used(cents: f64) -> Usage {
    Usage { cost_usd: Some(cents / 100.0), requests: 1, ..Usage::default() }
}

#[test]
fn money_is_reserved_before_a_paid_start_and_booked_after_its_end() {
    let mut run = paid(&["T1"]);
    run.layers[0].max_usd = Some(0.5);
    let mut world = World::start(run);
    assert_eq!(reserved(&world), [Money::usd(0.5)]);
    assert_eq!(world.ledgers.values().next().unwrap().reserved(), Money::usd(0.5));
    world.end_task("T1", |key| cost(key, 0.07));
    assert_eq!(settled(&world), [(Some("openai".to_owned()), Money::usd(0.07), SpendBasis::Reported)]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn a_free_start_asks_for_nothing_and_books_its_tokens() {
    let mut world = World::start(spec(vec![task("T1"), task("T2").agent("command")]));
    assert!(world.ledgers.is_empty() && reserved(&world).is_empty());
    world.end_task("T1", |key| {
        let mut facts = good(key);
        facts.reading.tokens = Some(Tokens { input: 9, output: 1 });
        facts
    });
    world.end_task("T2", good);
    assert_eq!(settled(&world), [(Some("kilo".to_owned()), Money::ZERO, SpendBasis::Free)]);
}

#[test]
fn what_is_not_known_is_charged_as_reserved_and_what_never_was_asked_costs_nothing() {
    let after = |facts: &dyn Fn(&AttemptKey) -> AttemptFacts, price: Option<Price>| {
        let mut run = paid(&["T1"]);
        run.layers[0].price = price;
        let mut world = World::start(run);
        world.end_task("T1", |key| facts(key));
        settled(&world)[0].clone()
    };
    let openai = || Some("openai".to_owned());
    let price = Price { input: 1_000.0, output: 2_000.0 };
    let tokens = |key: &AttemptKey| {
        let mut facts = good(key);
        facts.reading.tokens = Some(Tokens { input: 100, output: 50 });
        facts
    };
    assert_eq!(after(&good, None), (openai(), Money::usd(1.0), SpendBasis::Bound));
    assert_eq!(after(&tokens, None), (openai(), Money::usd(1.0), SpendBasis::Bound), "no price is known");
    assert_eq!(after(&tokens, Some(price)), (openai(), Money::usd(0.2), SpendBasis::Priced));
    assert_eq!(after(&|key| cost(key, 0.0), Some(price)), (openai(), Money::usd(1.1), SpendBasis::Priced));
    let more = |key: &AttemptKey| {
        let mut facts = cost(key, 0.3);
        facts.reading.at_least = true;
        facts
    };
    assert_eq!(after(&more, None), (openai(), Money::usd(1.0), SpendBasis::Bound), "sub-agents tell nothing");
    let refused = |_: &AttemptKey| {
        let mut facts = error(Kind::NotLoggedIn);
        facts.reading.not_begun = true;
        facts
    };
    assert_eq!(after(&refused, None).1, Money::ZERO);
}

#[test]
fn who_answered_is_charged() {
    let mut run = paid(&["T1"]);
    run.layers.push(layer(5, "opencode", "groq/llama", "groq"));
    let mut world = World::start(run);
    world.end_task("T1", |key| {
        let mut facts = cost(key, 0.25);
        facts.reading.model_answered = Some("llama".to_owned());
        facts
    });
    assert_eq!(settled(&world), [(Some("groq".to_owned()), Money::usd(0.25), SpendBasis::Reported)]);
}

#[test]
fn attempts_side_by_side_keep_to_the_budget_of_the_run() {
    let mut run = paid(&["T1", "T2", "T3", "T4"]);
    run.settings.budget_usd = Some(2.5);
    let mut world = World::start(run);
    assert_eq!(reserved(&world), [Money::usd(1.0), Money::usd(1.0), Money::usd(0.5)]);
    assert_eq!(world.status("T4"), TaskStatus::Pending, "it waits for what the others leave");
    world.end_task("T1", |key| cost(key, 0.2));
    assert_eq!(world.status("T4"), TaskStatus::Running);
    assert_eq!(reserved(&world)[3], Money::usd(0.8));
    world.end_task("T2", |key| cost(key, 1.0));
    world.end_task("T3", |key| cost(key, 0.5));
    world.end_task("T4", |key| cost(key, 0.8));
    assert_eq!(told(&world), [(None, 80), (None, 100)]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn a_task_fails_for_money_once_nothing_can_come_back() {
    let mut run = paid(&["T1", "T2"]);
    run.settings.budget_usd = Some(1.0);
    let mut world = World::start(run);
    assert_eq!(world.status("T2"), TaskStatus::Pending);
    world.end_task("T1", |key| cost(key, 0.95));
    let failure = world.task("T2").failure.clone().unwrap();
    assert_eq!(failure.kind, Kind::BudgetExhausted);
    assert_eq!(failure.seen, "of the run's budget of 1.00 USD 0.95 USD are spent");
    assert_eq!(world.exit(), Some(ExitCode::Limit));
}

#[test]
fn an_attempt_that_would_pass_its_bound_is_stopped_once() {
    let mut run = paid(&["T1"]);
    run.layers.push(layer(5, "cline", "other", "cline"));
    let mut world = World::start(run);
    let key = world.running("T1").unwrap();
    let tell = |world: &mut World, cents: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]
        let usage = Usage { requests: (cents / 10.0) as u32, ..used(cents) };
        let effects = world.send(Input::AttemptUsed { key: key.clone(), usage });
        effects.into_iter().filter(|effect| matches!(effect, Effect::Stop { .. })).count()
    };
    assert_eq!(tell(&mut world, 30.0), 0);
    assert_eq!(tell(&mut world, 90.0), 0, "six steps that are told together are six steps");
    assert_eq!(tell(&mut world, 91.0), 1, "another step of 0.10 may pass 1.00");
    assert_eq!(tell(&mut world, 95.0), 0, "it was told to stop");
    world.end_task("T1", |key| AttemptFacts {
        outcome: stopped(StopReason::OverBudget { seen: "it cost 0.80".to_owned() }).outcome,
        ..cost(key, 0.95)
    });
    let attempt = world.task("T1").attempts[0].clone();
    assert_eq!(attempt.failure().unwrap().kind, Kind::BudgetExhausted);
    assert_eq!(world.rung("T1").layer, Some(5), "a free layer may still do it");
    assert_eq!(settled(&world)[0].1, Money::usd(0.95));
}

#[test]
fn a_month_that_is_spent_leaves_the_provider_alone_until_the_next() {
    let mut world = World::start(with_month(paid(&["T1", "T2"]), 0.5));
    world.end_task("T1", |key| cost(key, 0.5));
    assert!(world.wake(), "while T1 was under way its money might have come back");
    let failure = world.task("T2").failure.clone().unwrap();
    assert_eq!(failure.kind, Kind::BudgetExhausted);
    assert_eq!(world.exit(), Some(ExitCode::Limit));
    assert_eq!(told(&world), [(Some("openai".to_owned()), 80), (Some("openai".to_owned()), 100)]);
}

#[test]
fn a_month_that_is_only_reserved_is_asked_again_soon() {
    let mut world = World::start(with_month(paid(&["T1", "T2"]), 1.0));
    assert_eq!(world.status("T2"), TaskStatus::Pending);
    world.end_task("T1", |key| cost(key, 0.2));
    assert!(world.wake());
    assert_eq!(world.status("T2"), TaskStatus::Running, "{:?}", world.task("T2").failure);
    assert_eq!(reserved(&world), [Money::usd(1.0), Money::usd(0.8)]);
}

#[test]
fn money_that_others_hold_is_waited_for_as_long_as_one_may() {
    let mut run = with_month(paid(&["T1", "T2"]), 1.0);
    run.settings.max_wait = crate::model::time::Span::seconds(20);
    let mut world = World::start(run);
    let mut waits = Vec::new();
    while world.status("T2") == TaskStatus::Pending && world.wake() {
        waits.push(world.now);
    }
    assert_eq!(world.task("T2").failure.as_ref().unwrap().kind, Kind::BudgetExhausted);
    let gaps: Vec<u64> = waits.windows(2).map(|two| two[1].since(two[0]).as_secs()).collect();
    assert_eq!(gaps, [4, 8], "each wait is twice as long as the one before");
}

#[test]
fn what_nobody_can_say_is_not_paid() {
    let mut run = with_month(paid(&["T1"]), 5.0);
    run.settings.max_wait = crate::model::time::Span::seconds(60);
    let mut scheduler = Scheduler::new(shared(run));
    let now = Timestamp(1_000_000);
    let asked = |effects: &[Effect]| {
        effects.iter().find_map(|effect| {
            let Effect::Reserve { key, .. } = effect else { return None };
            Some(key.clone())
        })
    };
    let effects = scheduler.handle(Input::Start { host: "here".to_owned(), pid: 1, fence: 1 }, now);
    let key = asked(&effects).unwrap();
    let answer = Reservation::Unknown { why: "Redis does not answer".to_owned() };
    let effects = scheduler.handle(Input::Reserved { key: key.clone(), answer }, now);
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Spawn { .. })));
    let (at, _) = scheduler.next_wake().unwrap();
    assert_eq!(at, now + Duration::from_secs(30));
    let effects = scheduler.handle(Input::Wake, at);
    assert_eq!(asked(&effects), Some(key), "it is asked again, under the same number");
}

#[test]
fn money_for_a_task_that_was_stopped_meanwhile_is_given_back() {
    let mut scheduler = Scheduler::new(shared(paid(&["T1"])));
    let now = Timestamp(1_000_000);
    scheduler.handle(Input::Start { host: "here".to_owned(), pid: 1, fence: 1 }, now);
    let key = AttemptKey::new(crate::model::ids::TaskId::new("T1"), 1);
    let stop = Input::Shutdown { by: "SIGINT".to_owned(), exit: ExitCode::Interrupted };
    let effects = scheduler.handle(stop, now);
    assert!(
        !effects.iter().any(|effect| matches!(effect, Effect::Finish { .. })),
        "the answer is waited for"
    );
    let answer = Reservation::Granted { amount: Money::usd(1.0), used: Money::usd(1.0) };
    let effects = scheduler.handle(Input::Reserved { key, answer }, now);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Release { .. })));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Finish { .. })));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Spawn { .. })));
}

/// One step of a run whose attempts cost money.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The attempt with this number, of those under way, costs so many cents so far.
    Used(u8, u8),
    /// It ends, and cost so many cents; above 200: it does not say.
    End(u8, u8),
    /// Somebody else reserves, or gives back, so many cents of the month.
    Other(u8),
    Wake,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(which, cents)| Step::Used(which, cents)),
        6 => (any::<u8>(), any::<u8>()).prop_map(|(which, cents)| Step::End(which, cents)),
        1 => any::<u8>().prop_map(Step::Other),
        2 => Just(Step::Wake),
        1 => Just(Step::Crash),
    ]
}

/// What is spent and reserved by the events, and that it was never more than the budget when money was
/// reserved.
fn keeps_to_its_budget(world: &World, budget: Option<f64>) -> Money {
    let mut open = std::collections::BTreeMap::new();
    let mut spent = Money::ZERO;
    for event in &world.journal {
        if let EventBody::SpendReserved { task_id, attempt, amount_usd, .. } = &event.body {
            assert!(open.insert((task_id.clone(), *attempt), *amount_usd).is_none());
            let all = spent + open.values().copied().sum::<Money>();
            assert!(budget.is_none_or(|budget| all <= Money::usd(budget)), "{all} is reserved and spent");
        } else if let EventBody::SpendSettled { task_id, attempt, amount_usd, .. } = &event.body {
            open.remove(&(task_id.clone(), *attempt)).expect("it was reserved, and is booked once");
            spent += *amount_usd;
        }
    }
    if world.finished.is_some() {
        assert!(open.is_empty(), "{open:?} is reserved at the end");
    }
    spent
}

proptest! {
    #[test]
    fn nothing_is_spent_above_a_budget(
        steps in prop::collection::vec(step(), 0..60),
        run_budget in prop::option::of(1_u8..60),
        month in prop::option::of(1_u8..60),
        max in prop::option::of(1_u8..30),
    ) {
        let ids: Vec<String> = (1..=6).map(|number| format!("T{number}")).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut run = paid(&ids);
        let run_budget = run_budget.map(|tenths| f64::from(tenths) / 10.0);
        let month = month.map(|tenths| f64::from(tenths) / 10.0);
        run.settings.budget_usd = run_budget;
        run.layers[0].max_usd = max.map(|tenths| f64::from(tenths) / 10.0);
        prop_assert_eq!(run.layers[0].cost, Cost::Paid);
        if let Some(month) = month {
            run = with_month(run, month);
        }
        let mut world = World::start(run);
        let other = crate::model::ids::RunId("OTHER".to_owned());
        for step in steps {
            if world.finished.is_some() {
                break;
            }
            let running: Vec<AttemptKey> = world.work.keys().cloned().collect();
            let which = |number: u8| running.get(usize::from(number) % running.len().max(1)).cloned();
            match step {
                Step::Used(number, cents) => if let Some(key) = which(number) {
                    world.send(Input::AttemptUsed { key, usage: used(f64::from(cents)) });
                },
                // What an agent costs before it can be stopped nobody can know: it keeps to its bound.
                Step::End(number, cents) => if let Some(key) = which(number) {
                    let bound = *reserved(&world).iter().min().unwrap();
                    let facts = if cents > 200 { good(&key) } else {
                        cost(&key, (f64::from(cents) / 100.0).min(bound.as_usd()))
                    };
                    world.end(&key, facts);
                },
                Step::Other(cents) => if let (Some(month), Some(ledger)) = (month, world.ledgers.values_mut().next()) {
                    let amount = Money(u64::from(cents) * 10_000);
                    let key = AttemptKey::new(crate::model::ids::TaskId::new("X"), 1);
                    ledger.reserve(&other, &key, amount, Money::ZERO, Some(Money::usd(month)));
                },
                Step::Wake => { world.wake(); },
                Step::Crash => {
                    let journal = world.journal.clone();
                    world.crash();
                    rebuild(&mut world.ledgers, &world.spec.run_id, &journal);
                    world.resume();
                }
            }
            keeps_to_its_budget(&world, run_budget);
            if let Some(month) = month {
                for ledger in world.ledgers.values() {
                    prop_assert!(ledger.used() <= Money::usd(month), "{ledger:?}");
                }
            }
        }
    }
}

/// What the store does with a run that is taken up: reservations that no event knows are given back.
fn rebuild(
    ledgers: &mut std::collections::BTreeMap<(String, String), MonthLedger>,
    run: &crate::model::ids::RunId,
    journal: &[crate::model::event::Event],
) {
    for ledger in ledgers.values_mut() {
        let Some(entry) = ledger.runs.get_mut(run) else { continue };
        entry.reserved_usd.retain(|name, _| {
            journal.iter().any(|event| {
                matches!(&event.body, EventBody::SpendReserved { task_id, attempt, .. }
                    if *name == format!("{task_id}/{attempt}"))
            })
        });
    }
}
