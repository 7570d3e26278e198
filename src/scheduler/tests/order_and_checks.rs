//! Whole runs: the order of starts, limits, checks and ticks.

use std::time::Duration;

use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind as Kind;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::outcome::StopReason;
use crate::model::run::{Isolation, ProviderSpec};
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::task::{BoxPlace, LineHash, TaskSpec};
use crate::scheduler::{Effect, Input};

use super::builder::{TaskWords as _, good, spec, stopped, task};
use super::world::World;

fn fails(_: &AttemptKey) -> crate::model::outcome::AttemptFacts {
    stopped(StopReason::Deadline)
}

fn shutdown(exit: ExitCode) -> Input {
    Input::Shutdown { by: "SIGINT".to_owned(), exit }
}

#[test]
fn the_order_is_priority_then_the_longest_chain_then_the_plan() {
    let mut run = spec(vec![
        task("T1"),
        task("T2"),
        task("T3").needs(&["T2"]),
        task("T4").priority(1),
        task("T5").priority(9).needs(&["T0"]),
        task("T0").skip("done"),
        task("T6"),
    ]);
    run.settings.jobs = 1;
    let mut world = World::start(run);
    let mut order = Vec::new();
    while world.finished.is_none() {
        order.push(world.at_work()[0].to_owned());
        let id = order.last().unwrap().clone();
        world.end_task(&id, good);
    }
    assert_eq!(order, ["T4", "T2", "T1", "T3", "T6", "T5"]);
}

#[test]
fn limits_of_agents_providers_and_memory_hold() {
    let mut run = spec((1..=6).map(|number| task(&format!("T{number}"))).collect());
    run.settings.jobs = 6;
    run.agents.get_mut("kilo").unwrap().limit = Some(2);
    let world = World::start(run.clone());
    assert_eq!(world.at_work(), ["T1", "T2"]);

    run.agents.get_mut("kilo").unwrap().limit = None;
    run.providers.insert("kilo".to_owned(), ProviderSpec { limit: Some(3), ..ProviderSpec::default() });
    let mut world = World::start(run.clone());
    assert_eq!(world.at_work(), ["T1", "T2", "T3"]);
    world.end_task("T2", good);
    assert_eq!(world.at_work(), ["T1", "T3", "T4"]);

    run.providers.clear();
    run.agents.get_mut("kilo").unwrap().memory = Some(100);
    let mut world = World::idle(run);
    world.send(Input::Memory { available: 250 });
    world.send(Input::Start { host: "here".to_owned(), pid: 1, fence: 1 });
    assert_eq!(world.at_work(), ["T1", "T2"]);
    world.send(Input::Memory { available: 0 });
    world.end_task("T1", good);
    assert_eq!(world.at_work(), ["T2"]);
    world.end_task("T2", good);
    assert_eq!(world.at_work(), ["T3"], "one always may");
    world.send(Input::Memory { available: 199 });
    assert_eq!(world.at_work(), ["T3"], "what T3 will take is not to spare");
    world.now = world.now + Duration::from_secs(30);
    world.send(Input::Memory { available: 100 });
    assert_eq!(world.at_work(), ["T3", "T4"], "T3 has what it takes");
    world.send(Input::Memory { available: 100 });
    world.end_task("T4", good);
    assert_eq!(world.at_work(), ["T3"], "nothing is promised back before it is seen");
    world.send(Input::Memory { available: 100 });
    assert_eq!(world.at_work(), ["T3", "T5"], "one that ended at once is owed nothing");
}

#[test]
fn tasks_that_touch_the_same_files_do_not_run_together() {
    let mut world = World::start(spec(vec![
        task("T1").conflicts(&["T2"]),
        task("T2").priority(0),
        task("T3"),
        task("T4").conflicts(&["T3", "T2"]),
    ]));
    assert_eq!(world.at_work(), ["T1", "T3"], "the earlier of the plan goes first");
    world.end_task("T3", good);
    assert_eq!(world.at_work(), ["T1", "T4"], "T2 cannot start yet, so it keeps nobody back");
    world.end_task("T1", good);
    assert_eq!(world.at_work(), ["T4"]);
    world.end_task("T4", good);
    assert_eq!(world.at_work(), ["T2"]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn a_group_runs_no_more_tasks_at_once_than_its_heading_says() {
    let mut world = World::start(spec(vec![
        task("T1").at_most("assets", 2),
        task("T2").at_most("assets", 2),
        task("T3").at_most("assets", 2),
        task("T4").at_most("assets", 2).conflicts(&["T2"]),
        task("T5").at_most("pages", 1),
        task("T6").at_most("pages", 1),
    ]));
    assert_eq!(world.at_work(), ["T1", "T2", "T5"]);
    world.end_task("T2", good);
    assert_eq!(world.at_work(), ["T1", "T3", "T5"], "whichever ends makes room");
    world.end_task("T5", good);
    assert_eq!(world.at_work(), ["T1", "T3", "T6"], "each group has a limit of its own");
    world.end_task("T1", good);
    assert_eq!(world.at_work(), ["T3", "T4", "T6"]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn a_task_that_waits_for_its_retry_leaves_its_place_in_the_group() {
    let mut world = World::start(spec(vec![
        task("T1").at_most("assets", 1).verify("cargo test"),
        task("T2").at_most("assets", 1),
    ]));
    world.end_task("T1", good);
    assert_eq!(world.status("T1"), TaskStatus::Verifying);
    assert_eq!(world.running("T2"), None, "a check is work, too");
    world.verified("T1", 1);
    assert_eq!(world.status("T1"), TaskStatus::Retrying);
    assert!(world.running("T2").is_some());
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn a_tasks_own_checks_run_at_once() {
    let mut world = World::start(spec(vec![task("T1").verify("cargo test"), task("T2")]));
    let effects = world.end_task("T1", good);
    assert!(effects.iter().any(|effect| matches!(effect,
        Effect::Verify { commands, .. } if commands == &["cargo test"])));
    assert_eq!(world.status("T1"), TaskStatus::Verifying);
    world.verified("T1", 1);
    assert_eq!(world.status("T1"), TaskStatus::Retrying);
    assert!(world.wake());
    let key = world.running("T1").unwrap();
    let spawned = &world.spawned[&key];
    assert_eq!(spawned.rung.layer, Some(2), "the last retry is on the next layer");
    assert_eq!(
        spawned.note.as_deref().unwrap().lines().next().unwrap(),
        "Attempt 1 (kilo, layer 1, kilo/glm) failed: verify_failed: `cargo test` exits 1: last line"
    );
    assert_eq!(spawned.session, None, "another agent has no session of it");
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn the_same_agent_goes_on_in_its_session() {
    let mut world = World::start(spec(vec![task("T1").verify("cargo test").retries(2)]));
    world.end_task("T1", good);
    world.verified("T1", 1);
    assert!(world.wake());
    let key = world.running("T1").unwrap();
    assert_eq!(world.spawned[&key].session.as_deref(), Some("session-T1#1"));
}

#[test]
fn run_wide_checks_take_the_checkout_for_themselves() {
    let mut run = spec(vec![
        task("T1"),
        task("T2").verify("own"),
        task("T3").retries(0),
        task("T4"),
        task("T5").needs(&["T1"]),
    ]);
    run.settings.verify = vec!["make check".to_owned()];
    run.settings.jobs = 3;
    let mut world = World::start(run.clone());
    world.end_task("T1", good);
    assert_eq!(world.running("T4"), None, "nothing starts any more");
    world.end_task("T3", fails);
    world.end_task("T2", good);
    assert!(world.round.is_none(), "T2's own checks come first");
    world.verified("T2", 0);
    let names: Vec<String> = world.round.iter().flatten().map(|key| key.task.to_string()).collect();
    assert_eq!(names, ["T1", "T2"], "once for all that ended well");
    world.run_verified(1);
    for id in ["T1", "T2"] {
        let failure = world.task(id).attempts[0].failure().cloned().unwrap();
        assert_eq!(failure.kind, Kind::VerifyFailed);
        assert!(failure.seen.ends_with("(run once for T1, T2)"), "{failure}");
    }
    assert_eq!(world.at_work(), ["T4"], "the rest goes on");
    world.let_all_pass();
    assert_eq!(world.status("T5"), TaskStatus::Succeeded);

    run.settings.isolation = Isolation::Worktree;
    let mut world = World::start(run.clone());
    let effects = world.end_task("T1", good);
    assert!(effects.iter().any(|effect| matches!(effect,
        Effect::Verify { commands, .. } if commands == &["make check"])));
    assert!(world.running("T4").is_none(), "the slot is taken until the checks are done");

    run.settings.no_verify = true;
    let mut world = World::start(run);
    world.end_task("T1", good);
    assert_eq!(world.status("T1"), TaskStatus::Succeeded);
}

#[test]
fn a_shutdown_does_not_wait_for_checks() {
    let mut run = spec(vec![task("T1"), task("T2")]);
    run.settings.verify = vec!["make check".to_owned()];
    let mut world = World::start(run);
    world.end_task("T1", good);
    world.end_task("T2", good);
    assert!(world.round.is_some());
    let effects = world.send(shutdown(ExitCode::Interrupted));
    assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Stop { .. })).count(), 2);
    assert_eq!(world.finished, Some((RunStatus::Stopped, ExitCode::Interrupted)));
    assert!(world.send(Input::RunVerified { results: vec![] }).is_empty(), "an answer that comes late");
}

#[test]
fn a_box_is_ticked_before_the_run_ends_and_once() {
    let boxed = |id: &str| TaskSpec {
        tick: Some(BoxPlace {
            file: None,
            line: 1,
            column: 3,
            line_hash: LineHash::default(),
            tick: 'x',
            progress: None,
        }),
        ..task(id)
    };
    let mut world = World::start(spec(vec![boxed("T1")]));
    world.end_task("T1", good);
    assert!(world.boxes.contains(&TaskId::new("T1")));
    assert!(world.finished.is_none());
    world.crash();
    world.resume();
    assert!(world.boxes.contains(&TaskId::new("T1")), "asked for again: nobody knows whether it was done");
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
    world.crash();
    world.resume();
    assert!(world.boxes.is_empty());
}

#[test]
fn what_a_person_should_know_is_recorded_once() {
    let mut world = World::start(spec(vec![task("T1")]));
    let warn = Input::Warn { code: "c".to_owned(), message: "m".to_owned(), hint: None };
    assert_eq!(world.send(warn.clone()).len(), 1);
    assert_eq!(world.send(warn).len(), 0);
    assert_eq!(world.send(Input::PlanChanged).len(), 1);
    let key = world.running("T1").unwrap();
    world.send(Input::AttemptProgressed { key, message: "half".to_owned() });
    assert_eq!(world.task("T1").progress.as_deref(), Some("half"));
    let key = world.running("T1").unwrap();
    let refused = |key: &AttemptKey| Input::ReportRefused { key: key.clone(), problem: "no JSON".to_owned() };
    world.send(refused(&key));
    assert_eq!(world.task("T1").report_problem.as_deref(), Some("no JSON"));
    assert_eq!(world.task("T1").progress.as_deref(), Some("half"));
    world.send(Input::AttemptProgressed { key, message: "more".to_owned() });
    assert_eq!(world.task("T1").report_problem, None);
    let other = AttemptKey::new(TaskId::new("T1"), 7);
    assert!(world.send(refused(&other)).is_empty());
    assert!(world.send(Input::AttemptProgressed { key: other.clone(), message: String::new() }).is_empty());
    assert!(world.send(Input::AttemptEnded { key: other.clone(), facts: Box::new(good(&other)) }).is_empty());
}
