//! Waiting or paying: the table of decisions, and what a run makes of them.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::event::{EventBody, PaymentDecision};
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind as Kind;
use crate::model::hierarchy::PaymentPolicy;
use crate::model::ids::AttemptKey;
use crate::model::money::Money;
use crate::model::outcome::{AttemptFacts, StopReason};
use crate::model::run::{ProviderSpec, RunSpec};
use crate::model::status::TaskStatus;
use crate::model::task::TaskSpec;
use crate::model::time::{Span, Timestamp};
use crate::scheduler::Input;
use crate::scheduler::payment::{Free, Ground, Question, decide};

use super::builder::{TaskWords as _, error, good, spec, stopped, task};
use super::world::World;

const NOW: Timestamp = Timestamp(1_000_000);

#[test]
fn every_row_decides_as_the_table_says() {
    use PaymentDecision::{Pay, Wait};
    let later = |seconds: i64| Timestamp(NOW.0 + seconds * 1_000);
    let question = |free, policy| Question {
        policy,
        now: NOW,
        free,
        max_wait: Span::minutes(30),
        deadline: None,
        usual: Duration::ZERO,
        expected: Money(500_000),
        left: None,
    };
    let ends = |free, seconds: i64, usual| Question {
        deadline: Some(later(seconds)),
        usual: Duration::from_secs(usual),
        ..question(free, PaymentPolicy::Wait)
    };
    let purse = |seconds: i64, left| Question {
        left: Some(Money(left)),
        ..question(Free::Rests(later(seconds)), PaymentPolicy::Pay)
    };
    let (wait, pay) = (PaymentPolicy::Wait, PaymentPolicy::Pay);
    let rests = |seconds| Free::Rests(later(seconds));
    let rows = [
        (question(Free::Paced(later(9)), wait), Wait, Ground::Paced),
        (question(Free::Paced(later(9)), pay), Wait, Ground::Paced),
        (
            Question { max_wait: Span::seconds(0), ..question(Free::Paced(later(9)), pay) },
            Wait,
            Ground::Paced,
        ),
        (question(Free::Gone, wait), Pay, Ground::Gone),
        (question(Free::Gone, pay), Pay, Ground::Gone),
        (question(rests(1_800), wait), Wait, Ground::Waits),
        (question(rests(1_801), wait), Pay, Ground::TooLong),
        (question(rests(1_801), pay), Pay, Ground::TooLong),
        (ends(rests(600), 601, 0), Wait, Ground::Waits),
        (ends(rests(600), 600, 0), Pay, Ground::TooLate),
        (ends(rests(600), 700, 99), Wait, Ground::Waits),
        (ends(rests(600), 700, 100), Pay, Ground::TooLate),
        (Question { policy: pay, ..ends(rests(30), 20, 0) }, Pay, Ground::TooLate),
        (question(rests(60), pay), Wait, Ground::Soon),
        (question(rests(61), pay), Pay, Ground::Affordable),
        (purse(61, 500_000), Pay, Ground::Affordable),
        (purse(61, 499_999), Wait, Ground::Dear),
        (purse(60, 900_000), Wait, Ground::Soon),
        // What is left is too little, and waiting does not help.
        (purse(1_801, 1), Pay, Ground::TooLong),
    ];
    for (number, (question, decision, ground)) in rows.into_iter().enumerate() {
        assert_eq!(decide(&question), (decision, ground), "row {number}: {question:?}");
    }
}

/// A run with one free layer (`kilo`) and one paid (4, `openai`), whose use is approved.
fn approved(tasks: Vec<TaskSpec>, policy: PaymentPolicy) -> RunSpec {
    let mut run = spec(tasks);
    run.layers.retain(|layer| layer.layer == 1 || layer.layer == 4);
    run.settings.allow_paid = Some("release day".to_owned());
    run.models.policy = policy;
    run
}

fn limited(seconds: u64) -> AttemptFacts {
    let mut facts = error(Kind::RateLimited);
    if let Some(sign) = &mut facts.reading.terminal_error {
        sign.retry_after_s = Some(seconds);
    }
    facts
}

fn cost(key: &AttemptKey, dollars: f64) -> AttemptFacts {
    let mut facts = good(key);
    facts.reading.cost_usd = Some(dollars);
    facts
}

/// What was decided: for which task, what, when the free one is back, how many wait.
fn decisions(world: &World) -> Vec<(String, PaymentDecision, Option<u64>, u32)> {
    world.events(|body| {
        let EventBody::PaymentDecided { task_id, decision, free_at, waiting, .. } = body else { return None };
        let back = free_at.map(|at| at.since(super::builder::START).as_secs());
        Some((task_id.to_string(), *decision, back, *waiting))
    })
}

fn reasons(world: &World) -> Vec<String> {
    world.events(|body| {
        let EventBody::PaymentDecided { why, .. } = body else { return None };
        Some(why.clone())
    })
}

#[test]
fn a_thousand_tasks_that_wait_are_one_decision() {
    let tasks = (0..1_000).map(|number| task(&format!("T{number:04}"))).collect();
    let mut run = approved(tasks, PaymentPolicy::Wait);
    run.settings.jobs = 4;
    let mut world = World::start(run);
    for id in ["T0000", "T0001", "T0002", "T0003"] {
        world.end_task(id, |_| limited(600));
    }
    assert!(world.work.is_empty(), "{:?}", world.work);
    assert_eq!(decisions(&world), [("T0000".to_owned(), PaymentDecision::Wait, Some(600), 1)]);
    assert_eq!(reasons(&world), ["a free layer is back in 10m, and up to 30m may be waited"]);
    world.pass(Duration::from_mins(2));
    world.crash();
    world.resume();
    assert_eq!(decisions(&world).len(), 1, "neither a wake nor a crash decides anew");
    let (at, _) = world.scheduler.next_wake().unwrap();
    assert_eq!(at.since(super::builder::START), Duration::from_mins(10));
    // It rests for longer: that is another time to wait for, and for so long it is not waited.
    world.send(Input::ProviderRests {
        provider: "kilo".to_owned(),
        until: Some(Timestamp(world.now.0 + 1_200_000)),
        trigger: Kind::RateLimited,
        evidence: "429, seen by another run".to_owned(),
    });
    let told = decisions(&world);
    assert_eq!(told[1..], [("T0004".to_owned(), PaymentDecision::Wait, Some(1_320), 996)]);
}

#[test]
fn who_pays_does_so_once_for_an_attempt() {
    let tasks = vec![task("T1"), task("T2"), task("T3")];
    let mut run = approved(tasks, PaymentPolicy::Pay);
    run.settings.jobs = 1;
    let mut world = World::start(run);
    world.end_task("T1", |_| limited(600));
    assert_eq!(world.rung("T1").layer, Some(4), "it pays, and goes on");
    let pay = |id: &str| (id.to_owned(), PaymentDecision::Pay, Some(600), 1);
    assert_eq!(decisions(&world), [pay("T1")]);
    world.end_task("T1", |key| cost(key, 0.25));
    assert_eq!(world.rung("T2").layer, Some(4));
    assert_eq!(decisions(&world), [pay("T1"), pay("T2")]);
    assert_eq!(
        reasons(&world),
        [
            "a free layer is back in 10m, and the 1.00 USD that are expected are there",
            "a free layer is back in 10m, and the 0.25 USD that are expected are there"
        ]
    );
    world.pass(Duration::from_mins(9));
    world.end_task("T2", |key| cost(key, 0.25));
    assert!(world.work.is_empty(), "a minute is waited for");
    assert_eq!(decisions(&world)[2..], [("T3".to_owned(), PaymentDecision::Wait, Some(600), 1)]);
    world.wake();
    assert_eq!(world.rung("T3").layer, Some(1));
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn what_is_left_of_the_runs_budget_and_of_the_month_decides() {
    for (budget, month_used, layer) in
        [(None, 0.0, Some(4)), (Some(0.9), 0.0, None), (Some(5.0), 9.5, None), (Some(5.0), 9.0, Some(4))]
    {
        let mut run = approved(vec![task("T1")], PaymentPolicy::Pay);
        run.settings.budget_usd = budget;
        let openai = ProviderSpec { budget_usd_per_month: Some(10.0), ..ProviderSpec::default() };
        run.providers.insert("openai".to_owned(), openai);
        let mut world = World::start(run);
        world.send(Input::ProviderUsed {
            provider: "openai".to_owned(),
            month: "1970-01".to_owned(),
            used: Money::usd(month_used),
            day: "1970-01-01".to_owned(),
            tokens: 0,
        });
        world.end_task("T1", |_| limited(600));
        let place = world.running("T1").map(|_| world.rung("T1").layer);
        assert_eq!(place.flatten(), layer, "budget {budget:?}, {month_used} used: {:?}", reasons(&world));
    }
}

#[test]
fn a_wait_that_is_too_long_or_too_late_pays() {
    let mut run = approved(vec![task("T1")], PaymentPolicy::Wait);
    run.settings.max_wait = Span::minutes(5);
    let mut world = World::start(run);
    world.end_task("T1", |_| limited(600));
    assert_eq!(world.rung("T1").layer, Some(4));
    assert_eq!(reasons(&world), ["a free layer is back in 10m, and at most 5m may be waited"]);

    // The first task says how long an attempt takes.
    let mut run = approved(vec![task("T1"), task("T2").needs(&["T1"])], PaymentPolicy::Wait);
    run.settings.deadline = Some(Span::minutes(20));
    let mut world = World::start(run);
    world.pass(Duration::from_mins(6));
    world.end_task("T1", good);
    world.end_task("T2", |_| limited(540));
    assert_eq!(world.rung("T2").layer, Some(4), "{:?}", reasons(&world));
    assert_eq!(
        reasons(&world),
        ["a free layer is back in 9m, and an attempt of 6m would end after the run's deadline"]
    );
}

#[test]
fn a_task_that_asks_for_a_paid_layer_has_nothing_to_decide() {
    let mut pinned = task("T1").retries(1);
    pinned.layer = Some(4);
    let mut world = World::start(approved(vec![pinned], PaymentPolicy::Wait));
    assert_eq!(world.rung("T1").layer, Some(4));
    world.end_task("T1", |_| stopped(StopReason::Deadline));
    assert!(world.wake());
    world.let_all_pass();
    assert_eq!((decisions(&world), world.exit()), (Vec::new(), Some(ExitCode::Success)));
}

#[test]
fn a_free_layer_that_is_gone_is_said_to_be() {
    let mut world = World::start(approved(vec![task("T1"), task("T2")], PaymentPolicy::Wait));
    world.end_task("T1", |_| error(Kind::NotLoggedIn));
    assert_eq!(world.rung("T1").layer, Some(4));
    assert_eq!(decisions(&world), [("T1".to_owned(), PaymentDecision::Pay, None, 1)]);
    assert_eq!(reasons(&world), ["no free layer is back in this run"]);
}

#[test]
fn a_task_that_waits_takes_the_free_layer_when_it_is_back() {
    let mut world = World::start(approved(vec![task("T1").retries(0)], PaymentPolicy::Wait));
    world.end_task("T1", |_| limited(600));
    assert_eq!(world.status("T1"), TaskStatus::Retrying);
    assert_eq!(world.task("T1").next.as_ref().unwrap().layer, Some(1));
    assert!(world.wake());
    assert_eq!(world.rung("T1").layer, Some(1));
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn decisions_are_the_same_after_a_crash_at_every_event() {
    let tasks: Vec<TaskSpec> = (0..6).map(|number| task(&format!("T{number}"))).collect();
    for policy in [PaymentPolicy::Wait, PaymentPolicy::Pay] {
        let mut run = approved(tasks.clone(), policy);
        run.settings.jobs = 2;
        let mut world = World::start(run.clone());
        world.end_task("T0", |_| limited(600));
        world.end_task("T1", |_| limited(600));
        let events = world.journal.clone();
        let told = decisions(&world);
        assert!(!told.is_empty());
        for kept in 1..=events.len() {
            let mut again = World::start(run.clone());
            again.journal.clone_from(&events);
            again.crash_after(kept);
            again.resume();
            let waits = |world: &World| {
                let waits = decisions(world).into_iter().filter(|told| told.1 == PaymentDecision::Wait);
                waits.map(|(_, _, back, _)| back).collect::<Vec<_>>()
            };
            let mut once = waits(&again);
            once.dedup();
            assert_eq!(once, waits(&again), "{kept}: told once for a time");
            // Whoever begins at the paid layer for the first time was decided about.
            let mut decided = BTreeSet::new();
            for event in &again.journal {
                if let EventBody::PaymentDecided { task_id, decision: PaymentDecision::Pay, .. } = &event.body
                {
                    decided.insert(task_id.clone());
                }
                if let EventBody::AttemptStarted { task_id, rung, .. } = &event.body
                    && rung.layer == Some(4)
                {
                    assert!(decided.contains(task_id), "{kept}: {task_id} pays undecided");
                }
            }
        }
    }
}
