//! How tasks that wait for one provider start when it is back.

use std::time::Duration;

use crate::model::event::EventBody;
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind as Kind;
use crate::model::reading::{Tokens, Usage};
use crate::model::run::{ProviderSpec, RunSpec};
use crate::model::time::Timestamp;
use crate::scheduler::Input;

use super::builder::{TaskWords as _, error, good, spec, task};
use super::world::World;

/// A run of so many tasks for one free layer, all of which may run at once.
fn one_layer(tasks: usize) -> RunSpec {
    let tasks = (1..=tasks).map(|number| task(&format!("T{number:03}"))).collect();
    let mut run = spec(tasks);
    run.layers.retain(|layer| layer.layer == 1);
    run.settings.jobs = 200;
    run
}

fn starts(world: &World) -> Vec<Timestamp> {
    let is_start = |body: &EventBody| matches!(body, EventBody::AttemptStarted { .. });
    world.journal.iter().filter(|event| is_start(&event.body)).map(|event| event.at).collect()
}

#[test]
fn a_hundred_tasks_that_wait_for_a_provider_start_one_after_another() {
    let mut world = World::start(one_layer(100));
    assert_eq!(world.work.len(), 100, "without a rest nothing is held back");
    for number in 1..=100 {
        world.end_task(&format!("T{number:03}"), |_| error(Kind::RateLimited));
    }
    let refused = starts(&world).len();
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
    let after: Vec<Timestamp> = starts(&world).split_off(refused);
    assert_eq!(after.len(), 100);
    let gaps: Vec<u64> = after.windows(2).map(|two| two[1].since(two[0]).as_secs()).collect();
    assert!(gaps[0] >= 10 || gaps[0] == 5 || gaps[0] == 6, "{gaps:?}");
    assert!(gaps[..7].iter().all(|gap| *gap >= 1), "the first ones are apart: {gaps:?}");
    assert!(gaps.windows(2).take(6).all(|two| two[1] <= two[0]), "and come closer: {gaps:?}");
}

#[test]
fn another_free_layer_is_used_while_one_takes_its_time() {
    let tasks = vec![task("T1"), task("T2").needs(&["T1"]), task("T3").needs(&["T1"])];
    let mut world = World::start(spec(tasks));
    world.send(Input::ProviderRests {
        provider: "kilo".to_owned(),
        until: Some(Timestamp(world.now.0 + 60_000)),
        trigger: Kind::RateLimited,
        evidence: "429".to_owned(),
    });
    world.pass(Duration::from_secs(61));
    world.end_task("T1", good);
    assert_eq!(world.rung("T2").layer, Some(1), "it is back, and takes one");
    assert_eq!(world.rung("T3").layer, Some(2), "the next one need not wait for it");
}

#[test]
fn a_limit_of_requests_a_minute_keeps_new_attempts_from_starting() {
    let mut run = one_layer(3);
    let limited = ProviderSpec { requests_per_minute: Some(2), ..ProviderSpec::default() };
    run.providers.insert("kilo".to_owned(), limited);
    let mut world = World::start(run);
    assert_eq!(world.at_work(), ["T001", "T002"], "a start is a request");
    let key = world.running("T001").unwrap();
    world.send(Input::AttemptUsed { key, usage: Usage { requests: 9, ..Usage::default() } });
    let (at, _) = world.scheduler.next_wake().unwrap();
    assert_eq!(at, Timestamp(world.now.0 + 60_000));
    world.end_task("T001", good);
    assert!(world.running("T003").is_none());
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn the_tokens_of_a_day_are_a_limit_of_all_runs() {
    let limited = |run: &mut RunSpec| {
        let limit = ProviderSpec { tokens_per_day: Some(1_000), ..ProviderSpec::default() };
        run.providers.insert("kilo".to_owned(), limit);
    };
    let mut run = spec(vec![task("T001"), task("T002")]);
    limited(&mut run);
    run.settings.jobs = 1;
    let mut world = World::start(run.clone());
    world.end_task("T001", |key| {
        let mut facts = good(key);
        facts.reading.tokens = Some(Tokens { input: 900, output: 100 });
        facts
    });
    assert_eq!(world.rung("T002").layer, Some(2), "what this run used is enough");
    let rested = world.events(|body| {
        let EventBody::ProviderRested { trigger, evidence, .. } = body else { return None };
        Some((*trigger, evidence.clone()))
    });
    let evidence = "1000 of 1000 tokens a day are used on 1970-01-01".to_owned();
    assert_eq!(rested, [(Kind::BudgetExhausted, evidence)]);

    let mut world = World::start(run);
    world.send(Input::ProviderUsed {
        provider: "kilo".to_owned(),
        month: "1970-01".to_owned(),
        used: crate::model::money::Money::ZERO,
        day: "1970-01-01".to_owned(),
        tokens: 5_000,
    });
    world.end_task("T001", good);
    assert_eq!(world.rung("T002").layer, Some(2), "and so is what others used");
}
