//! What each answer of a provider comes to, in runs that are short enough to be told.

use super::builder::{events, exit, layer, play, spec, task, with_layers};
use crate::model::event::EventBody;
use crate::model::failure::FailureKind;
use crate::model::ids::{RunId, TaskId};
use crate::model::layer::Cost;
use crate::model::money::Money;
use crate::model::run::ProviderSpec;
use crate::model::status::{AttemptStatus, RunStatus};
use crate::model::time::{Span, Timestamp};
use crate::simulation::scenario::{Answer, ProviderShape, Rule, Scenario, TaskShape};
use crate::simulation::{World, document};

fn with(rules: Vec<Rule>) -> Scenario {
    Scenario { rules, ..Scenario::default() }
}

#[test]
fn all_works_in_virtual_time_and_the_needs_are_kept() {
    let scenario = Scenario::default();
    let world = play(spec(vec![task("T1", &[]), task("T2", &["T1"])]), &scenario);
    let run = world.simulated(0).unwrap();
    let ended = document(&run, None, 0).unwrap();
    assert_eq!((ended.status, ended.exit_code, ended.attempts), (RunStatus::Succeeded, 0, 2));
    assert!(ended.length_ms >= 2 * 60_000 && ended.length_ms <= 2 * 310_000, "{}", ended.length_ms);
    assert_eq!((ended.layers.len(), ended.layers[0].succeeded, ended.layers[0].tokens), (1, 2, 90_000));
    assert!(ended.rests.is_empty() && ended.left.is_empty() && ended.money.spent_usd.is_zero());
}

#[test]
fn each_answer_is_the_failure_that_an_adapter_would_tell() {
    for (answer, kind) in [
        (Answer::RateLimited, FailureKind::RateLimited),
        (Answer::OutOfCredits, FailureKind::OutOfCredits),
        (Answer::NotLoggedIn, FailureKind::NotLoggedIn),
        (Answer::ModelUnknown, FailureKind::ModelUnknown),
        (Answer::Overloaded, FailureKind::Overloaded),
        (Answer::Unreachable, FailureKind::ProviderUnreachable),
        (Answer::Hangs, FailureKind::Stalled),
        (Answer::WrongModel, FailureKind::HierarchyViolation),
        (Answer::Crashes, FailureKind::Killed),
    ] {
        let scenario = with(vec![Rule::of("one", answer)]);
        let world = play(spec(vec![task("T1", &[])]), &scenario);
        let run = world.simulated(0).unwrap();
        let attempts = &run.view.task(&TaskId::new("T1")).unwrap().attempts;
        assert_eq!(attempts[0].failure().map(|failure| failure.kind), Some(kind), "{answer:?}");
        let last = attempts.last().unwrap();
        assert_eq!(last.rung.provider.as_deref(), Some("two"), "{answer:?}: the next layer does it");
        assert_eq!((last.status, exit(&world)), (AttemptStatus::Succeeded, 0), "{answer:?}");
    }
}

#[test]
fn what_is_slow_takes_longer_and_what_takes_too_long_is_stopped() {
    let length = |scenario: &Scenario| {
        let world = play(spec(vec![task("T1", &[])]), scenario);
        document(&world.simulated(0).unwrap(), None, 0).unwrap().length_ms
    };
    let usual = length(&Scenario::default());
    let slow = length(&with(vec![Rule::of("one", Answer::Slow)]));
    assert!(slow > 3 * usual, "{slow} and {usual}");

    let mut run = spec(vec![task("T1", &[])]);
    run.tasks[0].timeout = Span::minutes(2);
    let shape = TaskShape { shortest: Span::minutes(9), longest: Span::minutes(9), ..TaskShape::default() };
    let scenario = Scenario { tasks: shape, ..Scenario::default() };
    let world = play(run, &scenario);
    let attempts = &world.simulated(0).unwrap().view.tasks[0].attempts;
    assert_eq!(attempts[0].failure().map(|failure| failure.kind), Some(FailureKind::TimedOut));
    assert_eq!(attempts[0].ended_at, Some(attempts[0].started_at + Span::minutes(2).0));
}

#[test]
fn a_task_that_fails_fails_wherever_it_runs() {
    let scenario =
        Scenario { tasks: TaskShape { fails: 100, ..TaskShape::default() }, ..Scenario::default() };
    let world = play(spec(vec![task("T1", &[]), task("T2", &["T1"])]), &scenario);
    let ended = document(&world.simulated(0).unwrap(), Some("s.toml"), 3).unwrap();
    assert_eq!((ended.exit_code, ended.left.len()), (1, 2));
    assert_eq!(ended.left[0].failure.as_ref().unwrap().kind, FailureKind::ReportedFailed);
    assert_eq!((ended.scenario.as_deref(), ended.seed), (Some("s.toml"), 3));
}

#[test]
fn a_provider_that_takes_fewer_than_come_says_so() {
    let mut scenario = Scenario::default();
    let narrow =
        ProviderShape { at_once: Some(1), retry_after: Some(Span::seconds(30)), ..ProviderShape::default() };
    scenario.providers.insert("one".to_owned(), narrow);
    let world = play(spec(vec![task("T1", &[]), task("T2", &[]), task("T3", &[])]), &scenario);
    let run = world.simulated(0).unwrap();
    let ended = document(&run, None, 0).unwrap();
    assert_eq!(ended.exit_code, 0);
    assert_eq!(ended.rests[0].provider, "one");
    assert_eq!(ended.rests[0].trigger, FailureKind::RateLimited);
    assert!(ended.rests[0].rested_ms >= 29_000 && !ended.rests[0].off, "{:?}", ended.rests);
}

#[test]
fn money_is_reserved_spent_and_summed_up() {
    let mut run = spec(vec![task("T1", &[]), task("T2", &[])]);
    run.layers = vec![layer(1, "opencode", "three", Cost::Paid)];
    let scenario = Scenario::default();
    let refused = play(run.clone(), &scenario);
    assert_eq!(exit(&refused), 8, "nobody approved it");
    run.settings.allow_paid = Some("a test".to_owned());
    let world = play(run, &scenario);
    let ended = document(&world.simulated(0).unwrap(), None, 0).unwrap();
    // Twice five steps of 8,000 and 1,000 tokens.
    let spent = Money::usd(2.0 * (0.04 * 2.0 + 0.005 * 8.0));
    assert_eq!((ended.exit_code, ended.money.spent_usd), (0, spent));
    assert_eq!(ended.money.most_usd, Money::usd(2.0), "two attempts at once, a dollar for each");
    assert_eq!(ended.money.providers[0].spent_usd, spent);
    let ledgers: Vec<(Money, Money)> =
        world.ledgers().map(|ledger| (ledger.spent(), ledger.reserved())).collect();
    assert_eq!(ledgers, [(spent, Money::ZERO)]);
}

#[test]
fn what_is_asked_for_in_one_turn_is_not_asked_for_twice() {
    let mut run = spec(vec![task("T1", &[]), task("T2", &[])]);
    run.layers = vec![layer(1, "opencode", "three", Cost::Paid)];
    run.settings.allow_paid = Some("a test".to_owned());
    run.settings.budget_usd = Some(1.0);
    let scenario = Scenario::default();
    let world = play(run, &scenario);
    let ended = document(&world.simulated(0).unwrap(), None, 0).unwrap();
    assert_eq!(ended.money.most_usd, Money::usd(1.0), "both are ready at once, and there is money for one");
}

#[test]
fn two_runs_share_the_months_of_their_providers_and_what_they_saw_of_them() {
    let mut run = spec((0..30).map(|number| task(&format!("T{number}"), &[])).collect());
    run.layers = vec![layer(1, "opencode", "three", Cost::Paid)];
    run.settings.allow_paid = Some("a test".to_owned());
    let budget = ProviderSpec { budget_usd_per_month: Some(1.5), ..ProviderSpec::default() };
    run.providers.insert("three".to_owned(), budget);
    let other = crate::model::run::RunSpec { run_id: RunId("OTHER".to_owned()), ..run.clone() };
    let scenario = Scenario::default();
    let mut world = World::new(&scenario, vec![run, other]);
    world.run().unwrap();
    let ledger = world.ledgers().next().unwrap();
    assert!(!ledger.spent().is_zero() && ledger.used() <= Money::usd(1.5), "{}", ledger.used());
    assert_eq!(ledger.reserved(), Money::ZERO);
    assert!((0..2).all(|place| world.simulated(place).unwrap().finished.is_some()));

    let alone = vec![Rule::of("one", Answer::OutOfCredits)];
    let scenario = with(alone);
    let first = spec(vec![task("T1", &[])]);
    let mut later = spec(vec![task("T1", &[]), task("T2", &["T1"])]);
    later.run_id = RunId("OTHER".to_owned());
    later.layers[0].provider = "elsewhere".to_owned();
    let mut world = World::new(&scenario, vec![first, later]);
    world.run().unwrap();
    let second = world.simulated(1).unwrap();
    let told = events(&second, |body| {
        let EventBody::ProviderRested { provider, trigger, .. } = body else { return None };
        Some((provider.as_str(), *trigger))
    });
    assert_eq!(told, [("one", FailureKind::OutOfCredits)], "it heard of it, and never asked");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let play = |seed| {
        let scenario = Scenario {
            seed,
            rules: vec![Rule { share: 40, ..Rule::of("one", Answer::RateLimited) }],
            ..Scenario::default()
        };
        let tasks = (0..20).map(|number| task(&format!("T{number}"), &[])).collect();
        let world = play(spec(tasks), &scenario);
        let run = world.simulated(0).unwrap();
        serde_json::to_string(run.events).unwrap()
    };
    assert_eq!(play(1), play(1));
    assert_ne!(play(1), play(2));
}

#[test]
fn a_scenario_may_say_when_it_begins() {
    let start: Timestamp = "2026-11-30T23:59:00Z".parse().unwrap();
    let scenario = Scenario { start: Some(start), ..Scenario::default() };
    let world =
        play(with_layers(vec![task("T1", &[])], vec![layer(1, "kilo", "one", Cost::Free)]), &scenario);
    assert_eq!(world.simulated(0).unwrap().events[0].at, start);
    assert!(world.now() > start);
}

#[test]
fn thousands_of_tasks_take_a_moment() {
    let tasks = (0..3_000).map(|number| task(&format!("T{number}"), &[])).collect();
    let mut run = spec(tasks);
    run.settings.jobs = 16;
    let scenario = Scenario::default();
    let world = play(run, &scenario);
    assert_eq!(exit(&world), 0);
}
