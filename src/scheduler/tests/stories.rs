//! Whole runs, told one after another.

use std::time::Duration;

use crate::model::event::EventBody;
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind as Kind;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::outcome::StopReason;
use crate::model::status::{AttemptStatus, RunStatus, TaskStatus};
use crate::model::task::{HeldReason, TaskSpec};
use crate::model::time::{Span, Timestamp};
use crate::scheduler::{Effect, Input, WakeReason};

use super::builder::{TaskWords as _, error, good, spec, stopped, task};
use super::world::World;

fn fails(_: &AttemptKey) -> crate::model::outcome::AttemptFacts {
    stopped(StopReason::Deadline)
}

fn ids(ids: &[&str]) -> Vec<TaskId> {
    ids.iter().map(|id| TaskId::new(*id)).collect()
}

fn shutdown(exit: ExitCode) -> Input {
    Input::Shutdown { by: "SIGINT".to_owned(), exit }
}

fn approve(gate: &str) -> Input {
    Input::Approve { gate: gate.to_owned(), by: "me".to_owned() }
}

#[test]
fn tasks_start_when_what_they_need_has_passed() {
    let mut world = World::start(spec(vec![
        task("T1"),
        task("T2").needs(&["T1", "T0"]),
        task("T3").needs(&["T2"]),
        task("T0").skip("done"),
    ]));
    assert_eq!(world.at_work(), ["T1"]);
    assert_eq!(world.status("T0"), TaskStatus::Skipped);
    world.end_task("T1", good);
    assert_eq!(world.at_work(), ["T2"]);
    world.end_task("T2", good);
    world.end_task("T3", good);
    assert_eq!(world.finished, Some((RunStatus::Succeeded, ExitCode::Success)));
}

#[test]
fn a_failure_blocks_what_needs_it_and_nothing_else() {
    let mut world = World::start(spec(vec![
        task("T1").retries(0),
        task("T2").needs(&["T1"]),
        task("T3").needs(&["T2"]),
        task("T4"),
        task("T5").needs(&["T4"]),
    ]));
    world.end_task("T1", fails);
    assert_eq!(world.status("T2"), TaskStatus::Blocked);
    assert_eq!(world.task("T3").blocked_by, Some(TaskId::new("T2")));
    world.let_all_pass();
    assert_eq!(world.status("T5"), TaskStatus::Succeeded);
    assert_eq!(world.finished, Some((RunStatus::Failed, ExitCode::TaskFailed)));
}

#[test]
fn an_optional_task_neither_counts_nor_blocks() {
    let mut world = World::start(spec(vec![task("T1").retries(0).optional(), task("T2").needs(&["T1"])]));
    world.end_task("T1", fails);
    assert_eq!(world.at_work(), ["T2"]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn fail_fast_lets_the_running_end_and_starts_nothing() {
    let mut run = spec(vec![
        task("T1").retries(0),
        task("T2"),
        task("T3"),
        task("T4").needs(&["T2"]),
        task("T5").needs(&["T1"]),
    ]);
    run.settings.fail_fast = true;
    let mut world = World::start(run);
    world.end_task("T3", |_| error(Kind::Overloaded));
    assert_eq!(world.status("T3"), TaskStatus::Retrying);
    world.end_task("T1", fails);
    assert_eq!(world.status("T3"), TaskStatus::Pending);
    assert_eq!(world.scheduler.view().stop_requested.as_deref(), Some("fail-fast"));
    assert_eq!(world.at_work(), ["T2"]);
    world.end_task("T2", good);
    assert_eq!(world.status("T2"), TaskStatus::Succeeded);
    assert_eq!(world.status("T4"), TaskStatus::Pending);
    assert_eq!(world.status("T5"), TaskStatus::Blocked);
    assert_eq!(world.finished, Some((RunStatus::Failed, ExitCode::TaskFailed)));
    world.crash();
    world.resume();
    world.let_all_pass();
    assert_eq!(world.status("T4"), TaskStatus::Succeeded);
}

#[test]
fn a_gate_that_holds_all_that_is_left_ends_the_run_with_9() {
    let gate = || vec![HeldReason::Gate("approval".to_owned())];
    let mut world = World::start(spec(vec![
        task("T1"),
        task("T2").needs(&["T1"]).hold(gate()),
        task("T3").needs(&["T2"]).hold(vec![HeldReason::Needs(TaskId::new("T2"))]),
        task("T4").needs(&["T3"]),
    ]));
    assert_eq!(world.status("T4"), TaskStatus::Held, "held even where the plan's reader did not say so");
    world.let_all_pass();
    assert_eq!(world.finished, Some((RunStatus::Waiting, ExitCode::Waiting)));
    let reached = world.events(|body| {
        let EventBody::GateReached { gate, holds } = body else { return None };
        Some((gate.clone(), *holds))
    });
    assert_eq!(reached, [("approval".to_owned(), 3)]);
    world.crash();
    world.send(approve("APPROVAL"));
    world.resume();
    assert_eq!(world.at_work(), ["T2"]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
    assert!(world.scheduler.view().gates_reached.is_empty());
}

#[test]
fn a_gate_whose_approval_would_change_nothing_is_not_waited_for() {
    let deferred = HeldReason::GroupDeferred("later".to_owned());
    let gate = || HeldReason::Gate("approval".to_owned());
    let mut world = World::start(spec(vec![
        task("T1"),
        task("T2").hold(vec![deferred.clone()]),
        task("T3").needs(&["T2"]).hold(vec![gate()]),
        task("T4").hold(vec![gate(), deferred]),
    ]));
    world.let_all_pass();
    assert_eq!(world.finished, Some((RunStatus::Succeeded, ExitCode::Success)));
    assert!(world.scheduler.view().gates_reached.is_empty());
}

#[test]
fn a_gate_is_approved_while_the_run_goes_on() {
    let gate = vec![HeldReason::Gate("approval".to_owned())];
    let mut world = World::start(spec(vec![task("T1"), task("T2").hold(gate)]));
    world.send(approve("approval"));
    assert_eq!(world.at_work(), ["T1", "T2"]);
    world.send(approve("nonsense"));
    assert_eq!(world.scheduler.view().warnings[0].0, "gate-unknown");
}

#[test]
fn a_failure_goes_before_a_gate() {
    let gate = vec![HeldReason::Gate("approval".to_owned())];
    let mut world = World::start(spec(vec![
        task("T1").retries(0),
        task("T2").hold(gate.clone()),
        task("T3").needs(&["T1"]).hold(gate),
    ]));
    world.end_task("T1", fails);
    assert_eq!(world.status("T3"), TaskStatus::Blocked);
    assert_eq!(world.finished, Some((RunStatus::Failed, ExitCode::TaskFailed)));
}

#[test]
fn a_gate_task_waits_for_a_person_and_is_no_process() {
    let tasks = || vec![task("T1"), task("G").gate().needs(&["T1"]), task("T2").needs(&["G"]), task("T3")];
    let mut world = World::start(spec(tasks()));
    world.end_task("T1", good);
    assert_eq!(world.status("G"), TaskStatus::Held);
    assert_eq!(world.scheduler.view().gates_reached.iter().next().unwrap(), "G");
    world.send(approve("task G"));
    assert_eq!(world.status("G"), TaskStatus::Skipped);
    assert_eq!(world.at_work(), ["T2", "T3"]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));

    let mut world = World::start(spec(tasks()));
    world.let_all_pass();
    assert_eq!(world.finished, Some((RunStatus::Waiting, ExitCode::Waiting)));
    world.crash();
    world.send(approve("G"));
    world.resume();
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));

    let mut run = spec(tasks());
    run.settings.yes_gates = true;
    let mut world = World::start(run);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));

    let mut world = World::start(spec(tasks()));
    world.send(approve("G"));
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success), "approved before it was reached");
}

#[test]
fn nothing_to_run_is_a_code_of_its_own() {
    let run = |tasks| World::start(spec(tasks)).finished;
    assert_eq!(run(vec![]), Some((RunStatus::Succeeded, ExitCode::NothingToRun)));
    assert_eq!(run(vec![task("T1").skip("done")]), Some((RunStatus::Succeeded, ExitCode::NothingToRun)));
    let missing = || vec![HeldReason::MissingDependency("T9".to_owned())];
    let held = vec![task("T1").skip("done"), task("T2").hold(missing())];
    assert_eq!(run(held), Some((RunStatus::Failed, ExitCode::NothingToRun)));
    let gate = vec![task("T1").hold(vec![HeldReason::Gate("g".to_owned())])];
    assert_eq!(run(gate), Some((RunStatus::Waiting, ExitCode::Waiting)));
}

#[test]
fn what_a_missing_dependency_holds_did_not_succeed() {
    for (reason, optional, exit) in [
        (HeldReason::MissingDependency("T9".to_owned()), false, ExitCode::TaskFailed),
        (HeldReason::UnknownMarker("?".to_owned()), false, ExitCode::TaskFailed),
        (HeldReason::MissingDependency("T9".to_owned()), true, ExitCode::Success),
        (HeldReason::Optional, true, ExitCode::Success),
        (HeldReason::GroupDeferred("later".to_owned()), false, ExitCode::Success),
    ] {
        let held = TaskSpec { optional, ..task("T2") }.hold(vec![reason.clone()]);
        let mut world = World::start(spec(vec![task("T1"), held]));
        world.let_all_pass();
        assert_eq!(world.exit(), Some(exit), "{reason}, optional: {optional}");
    }
}

#[test]
fn a_shutdown_puts_tasks_back_for_resume() {
    let mut world = World::start(spec(vec![
        task("T1"),
        task("T2").verify("cargo test"),
        task("T3"),
        task("T4").needs(&["T1"]),
    ]));
    world.end_task("T2", good);
    world.end_task("T3", |_| error(Kind::Overloaded));
    let effects = world.send(shutdown(ExitCode::Interrupted));
    let stops = effects.iter().filter(|effect| matches!(effect, Effect::Stop { .. })).count();
    assert_eq!(stops, 2, "the running one and the verified one: {effects:#?}");
    assert!(world.finished.is_none(), "T1 has not ended");
    world.send(Input::Shutdown { by: "SIGTERM".to_owned(), exit: ExitCode::Terminated });
    world.end_task("T1", |_| stopped(StopReason::Requested));
    assert_eq!(world.finished, Some((RunStatus::Stopped, ExitCode::Terminated)));
    for id in ["T1", "T2", "T3", "T4"] {
        assert_eq!(world.status(id), TaskStatus::Pending, "{id}");
    }
    assert_eq!(world.task("T1").attempts[0].status, AttemptStatus::Cancelled);
    assert_eq!(world.scheduler.next_wake(), None);
    world.crash();
    world.resume();
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn an_attempt_that_ended_well_during_a_shutdown_has_succeeded() {
    let mut world = World::start(spec(vec![task("T1"), task("T2").retries(0), task("T3")]));
    world.send(shutdown(ExitCode::Interrupted));
    world.end_task("T1", good);
    world.end_task("T2", fails);
    world.end_task("T3", fails);
    assert_eq!(world.status("T1"), TaskStatus::Succeeded);
    assert_eq!(world.status("T2"), TaskStatus::Failed);
    assert_eq!(world.status("T3"), TaskStatus::Pending, "it has a retry left");
    assert_eq!(world.exit(), Some(ExitCode::Interrupted));
}

#[test]
fn a_task_that_is_stopped_is_stopped_for_good() {
    let mut world = World::start(spec(vec![
        task("T1"),
        task("T2").needs(&["T1"]),
        task("T3").verify("cargo test"),
        task("T4"),
        task("T5").needs(&["T4"]),
        task("T6").needs(&["T5"]),
    ]));
    world.end_task("T3", good);
    world.send(Input::StopTasks { tasks: ids(&["T1", "T3", "T5", "T9"]), by: "me".to_owned() });
    assert_eq!(world.status("T3"), TaskStatus::Cancelled);
    assert_eq!(world.status("T5"), TaskStatus::Cancelled);
    assert_eq!(world.status("T6"), TaskStatus::Blocked);
    assert_eq!(world.status("T1"), TaskStatus::Running);
    world.end_task("T1", |_| stopped(StopReason::Requested));
    assert_eq!(world.status("T1"), TaskStatus::Cancelled);
    assert_eq!(world.status("T2"), TaskStatus::Blocked);
    world.let_all_pass();
    assert_eq!(world.finished, Some((RunStatus::Failed, ExitCode::TaskFailed)));
    world.crash();
    world.resume();
    assert_eq!(world.status("T1"), TaskStatus::Cancelled, "resume does not undo it");
}

#[test]
fn retry_runs_what_failed_and_what_it_blocked() {
    let tasks =
        || vec![task("T1").retries(0), task("T2").needs(&["T1"]), task("T3").needs(&["T2"]), task("T4")];
    let mut world = World::start(spec(tasks()));
    world.end_task("T1", fails);
    let again = Input::Retry { tasks: vec![], layer: None, agent: None, say: None };
    world.send(again.clone());
    assert_eq!(world.status("T2"), TaskStatus::Pending);
    assert_eq!(world.at_work(), ["T1", "T4"]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));

    // After the end, by the name of one that was blocked.
    let mut world = World::start(spec(tasks()));
    world.end_task("T1", fails);
    world.end_task("T4", good);
    assert_eq!(world.exit(), Some(ExitCode::TaskFailed));
    world.crash();
    world.send(Input::Retry { tasks: ids(&["T3"]), layer: None, agent: None, say: None });
    world.resume();
    assert_eq!(world.at_work(), ["T1"]);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn the_deadline_of_the_run_stops_it() {
    let mut run = spec(vec![task("T1"), task("T2").needs(&["T1"])]);
    run.settings.deadline = Some(Span::minutes(5));
    let mut world = World::start(run);
    let (at, reason) = world.scheduler.next_wake().unwrap();
    assert_eq!((at.since(world.now), reason), (Duration::from_mins(5), WakeReason::Deadline));
    assert!(world.wake());
    assert_eq!(world.scheduler.view().stop_requested.as_deref(), Some("deadline"));
    world.end_task("T1", |_| stopped(StopReason::Requested));
    assert_eq!(world.finished, Some((RunStatus::Limited, ExitCode::Limit)));
    assert_eq!(world.status("T1"), TaskStatus::Pending);
    world.crash();
    world.resume();
    assert_eq!(world.at_work(), ["T1"], "a run that is resumed has its time anew");
}

#[test]
fn a_crash_between_any_two_events_is_taken_up_where_it_was() {
    let make = || {
        let gate = vec![HeldReason::Gate("g".to_owned())];
        let mut run = spec(vec![
            task("T1").verify("own"),
            task("T2").needs(&["T1"]),
            task("T3").retries(0),
            task("T4").needs(&["T3"]),
            task("T5").hold(gate),
            task("T6").skip("done"),
            task("G").gate().needs(&["T2"]),
            task("T7").needs(&["G"]),
        ]);
        run.settings.yes_gates = true;
        World::start(run)
    };
    let play = |world: &mut World| {
        while world.finished.is_none() {
            if world.running("T3").is_some() {
                world.end_task("T3", fails);
            } else {
                assert!(world.pass_one());
            }
        }
    };
    let mut whole = make();
    play(&mut whole);
    let ends = |world: &World| -> Vec<TaskStatus> {
        world.scheduler.view().tasks.iter().map(|task| task.status).collect()
    };
    let length = whole.journal.len();
    assert!(length > 20);
    for kept in 0..length {
        let mut world = make();
        play(&mut world);
        world.crash_after(kept);
        world.resume();
        play(&mut world);
        assert_eq!(ends(&world), ends(&whole), "cut after {kept} of {length}");
        assert_eq!(world.exit(), whole.exit(), "cut after {kept} of {length}");
    }
}

#[test]
fn a_task_is_let_go_by_one_that_is_stopped_before_it_started() {
    let mut run =
        spec(vec![task("T1").agent("cline"), task("T2").agent("cline"), task("T3").conflicts(&["T2"])]);
    run.agents.get_mut("cline").unwrap().limit = Some(1);
    let mut world = World::start(run);
    assert_eq!(world.at_work(), ["T1"], "T2 waits for its agent, and T3 for T2");
    world.send(Input::StopTasks { tasks: ids(&["T2"]), by: "me".to_owned() });
    assert_eq!(world.at_work(), ["T1", "T3"]);
}

#[test]
fn a_clock_that_is_set_back_does_not_take_the_run_back() {
    let mut run = spec(vec![task("T1"), task("T2")]);
    run.settings.deadline = Some(Span::minutes(5));
    let mut world = World::start(run);
    world.pass(Duration::from_mins(4));
    let late = world.now;
    world.now = Timestamp(late.0 - 200_000);
    world.end_task("T1", |_| error(Kind::RateLimited));
    let until = world.scheduler.view().rests["kilo"].until.unwrap();
    assert_eq!(until.since(late), Duration::from_mins(1));
    assert!(world.journal.windows(2).all(|pair| pair[0].at <= pair[1].at));
    let (at, _) = world.scheduler.next_wake().unwrap();
    assert!(at > late);
}
