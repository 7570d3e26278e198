//! A crash after every recorded event in turn: whatever was recorded last, the run that goes on ends
//! as one that nothing disturbed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::model::event::EventBody;
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::outcome::StopReason;
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::task::{BoxPlace, LineHash};
use crate::scheduler::Input;

use super::builder::{TaskWords as _, good, spec, stopped, task};
use super::model::act;
use super::plans::{Kind, SmallPlan, SmallTask, small_plan};
use super::world::World;

/// The plan as a run, with a box to tick for every task.
fn run_of(plan: &SmallPlan) -> RunSpec {
    let mut run = plan.spec();
    for (task, line) in run.tasks.iter_mut().zip(1..) {
        task.tick = Some(BoxPlace {
            file: None,
            line,
            column: 3,
            line_hash: LineHash::default(),
            tick: 'x',
            progress: None,
        });
    }
    run
}

fn to_the_end(world: &mut World, plan: &SmallPlan) {
    for turn in 0..5_000 {
        if world.finished.is_some() {
            return;
        }
        assert!(act(world, plan, turn), "nothing is open, and the run does not end");
    }
    panic!("the run does not end");
}

/// What two runs of a plan have in common, however often they were taken up.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    exit: Option<ExitCode>,
    tasks: Vec<(TaskStatus, BTreeMap<AttemptStatus, usize>)>,
    ticks: BTreeMap<TaskId, usize>,
}

/// The end of a run. Lost attempts are no part of it.
fn outcome(world: &World) -> Outcome {
    let tasks = world.scheduler.view().tasks.iter().map(|task| {
        let mut attempts = BTreeMap::new();
        for attempt in &task.attempts {
            if attempt.status != AttemptStatus::Lost {
                *attempts.entry(attempt.status).or_default() += 1;
            }
        }
        (task.status, attempts)
    });
    let mut ticks = BTreeMap::new();
    for event in &world.journal {
        if let EventBody::BoxTicked { task_id, .. } = &event.body {
            *ticks.entry(task_id.clone()).or_default() += 1;
        }
    }
    Outcome { exit: world.exit(), tasks: tasks.collect(), ticks }
}

/// What the first `kept` records say of tasks and attempts.
#[derive(Debug, Default)]
struct Before {
    succeeded: BTreeSet<TaskId>,
    open: BTreeSet<AttemptKey>,
}

fn before(world: &World, kept: usize) -> Before {
    let mut before = Before::default();
    for event in &world.journal[..kept] {
        if let EventBody::TaskSucceeded { task_id, .. } = &event.body {
            before.succeeded.insert(task_id.clone());
        }
        if let EventBody::AttemptStarted { task_id, attempt, .. } = &event.body {
            before.open.insert(AttemptKey::new(task_id.clone(), *attempt));
        }
        if let EventBody::AttemptEnded { task_id, attempt, .. } = &event.body {
            before.open.remove(&AttemptKey::new(task_id.clone(), *attempt));
        }
    }
    before
}

/// Kills the run behind `kept` records, takes it up and lets it end.
fn crash_and_go_on(world: &mut World, plan: &SmallPlan, kept: usize) {
    let told = before(world, kept);
    world.crash_after(kept);
    world.resume();
    to_the_end(world, plan);
    let mut lost = BTreeSet::new();
    for event in &world.journal[kept..] {
        if let EventBody::AttemptStarted { task_id, .. } = &event.body {
            assert!(!told.succeeded.contains(task_id), "{task_id} had succeeded, and runs again");
        }
        if let EventBody::AttemptEnded { task_id, attempt, status: AttemptStatus::Lost, .. } = &event.body {
            lost.insert(AttemptKey::new(task_id.clone(), *attempt));
        }
    }
    assert_eq!(lost, told.open, "what was under way is lost, and nothing else");
}

fn undisturbed(plan: &SmallPlan) -> World {
    let mut world = World::start(run_of(plan));
    to_the_end(&mut world, plan);
    world
}

fn plain(needs: &[usize]) -> SmallTask {
    SmallTask {
        kind: Kind::Plain,
        needs: needs.to_vec(),
        conflicts: Vec::new(),
        agent: None,
        verify: false,
        optional: false,
        retries: 1,
        priority: None,
        faults: 0,
        limited: false,
    }
}

/// Eight tasks with everything that can happen to one: a need, a check, a retry, a move to another
/// layer, a failure for good and what it blocks, a gate and what is behind it, one of two that exclude each other.
fn everything() -> SmallPlan {
    let tasks = vec![
        plain(&[]),
        SmallTask { verify: true, ..plain(&[1]) },
        SmallTask { faults: 1, ..plain(&[]) },
        SmallTask { faults: 1, retries: 0, agent: Some("command"), ..plain(&[]) },
        plain(&[1]),
        SmallTask { limited: true, conflicts: vec![3], ..plain(&[5]) },
        SmallTask { kind: Kind::Gate, ..plain(&[1]) },
        SmallTask { optional: true, ..plain(&[1]) },
    ];
    SmallPlan {
        tasks,
        jobs: 3,
        wide: true,
        fail_fast: false,
        yes_gates: false,
        paid: false,
        kilo_limit: Some(2),
        cline_limit: None,
        deadline: None,
    }
}

#[test]
fn the_plan_of_these_tests_has_everything_in_it() {
    let world = undisturbed(&everything());
    let ends: Vec<TaskStatus> = world.scheduler.view().tasks.iter().map(|task| task.status).collect();
    let (good, bad, waits) = (TaskStatus::Succeeded, TaskStatus::Failed, TaskStatus::Pending);
    assert_eq!(ends, [good, good, good, bad, TaskStatus::Blocked, good, TaskStatus::Held, waits]);
    assert_eq!(world.exit(), Some(ExitCode::TaskFailed));
    let happened = |is_it: fn(&EventBody) -> bool| world.journal.iter().any(|event| is_it(&event.body));
    assert!(happened(|body| matches!(body, EventBody::TaskRetrying { .. })));
    assert!(happened(|body| matches!(body, EventBody::LayerMoved { .. })));
    assert!(happened(|body| matches!(body, EventBody::ProviderRested { .. })));
    assert!(happened(|body| matches!(body, EventBody::VerificationStarted { .. })));
    assert!(happened(|body| matches!(body, EventBody::BoxTicked { .. })));
    assert!(happened(|body| matches!(body, EventBody::GateReached { .. })));
}

#[test]
fn a_crash_after_any_record_changes_nothing_of_the_end() {
    let plan = everything();
    let expected = outcome(&undisturbed(&plan));
    let records = undisturbed(&plan).journal.len();
    for kept in 0..=records {
        let mut world = undisturbed(&plan);
        crash_and_go_on(&mut world, &plan, kept);
        assert_eq!(outcome(&world), expected, "after {kept} records");
    }
}

#[test]
fn a_second_crash_at_any_record_changes_nothing_either() {
    let plan = everything();
    let expected = outcome(&undisturbed(&plan));
    let records = undisturbed(&plan).journal.len();
    // Every first crash with second ones spread over what follows; together they meet every place.
    for first in 0..=records {
        let mut world = undisturbed(&plan);
        crash_and_go_on(&mut world, &plan, first);
        let journal = world.journal.clone();
        for second in (first..=journal.len()).skip(first % 5).step_by(5) {
            world.journal.clone_from(&journal);
            crash_and_go_on(&mut world, &plan, second);
            assert_eq!(outcome(&world), expected, "after {first} and {second} records");
        }
    }
}

#[test]
fn a_task_may_be_lost_three_times_and_the_fourth_counts() {
    for (retries, end) in [(0, TaskStatus::Failed), (1, TaskStatus::Succeeded)] {
        let mut world = World::start(spec(vec![task("T1").retries(retries)]));
        for _ in 0..3 {
            assert!(world.running("T1").is_some());
            world.crash();
            world.resume();
        }
        let key = world.running("T1").unwrap();
        assert_eq!(key.attempt, 4, "three were free");
        world.crash();
        world.resume();
        world.let_all_pass();
        assert_eq!(world.status("T1"), end);
        let kind = world.task("T1").failure.as_ref().map(|failure| failure.kind);
        assert_eq!(kind, (end == TaskStatus::Failed).then_some(FailureKind::Lost));
    }
}

#[test]
fn a_crash_costs_no_retry_of_the_task_itself() {
    let mut world = World::start(spec(vec![task("T1").retries(1).agent("command")]));
    world.end_task("T1", |_| stopped(StopReason::Deadline));
    assert!(world.wake(), "it is tried again");
    for _ in 0..3 {
        world.crash();
        world.resume();
    }
    world.end_task("T1", good);
    world.let_all_pass();
    assert_eq!(world.status("T1"), TaskStatus::Succeeded);
}

#[test]
fn a_retry_while_a_run_stops_leaves_nobody_waiting_for_what_is_blocked() {
    let chain = vec![task("T1").retries(0), task("T2").needs(&["T1"]), task("T3").needs(&["T2"]), task("T4")];
    let mut world = World::start(spec(chain));
    world.end_task("T1", |_| stopped(StopReason::Deadline));
    assert_eq!(world.status("T3"), TaskStatus::Blocked);
    world.send(Input::Shutdown { by: "SIGTERM".to_owned(), exit: ExitCode::Terminated });
    world.send(Input::Retry {
        tasks: vec![TaskId::new("T3")],
        layer: None,
        agent: None,
        say: Some("the key is there".to_owned()),
    });
    let ends = ["T1", "T2", "T3"].map(|id| world.status(id));
    assert_eq!(ends, [TaskStatus::Pending; 3]);
    world.end_task("T4", |_| stopped(StopReason::Requested));
    assert_eq!(world.exit(), Some(ExitCode::Terminated));
    world.crash();
    world.resume();
    world.let_all_pass();
    assert_eq!(world.status("T3"), TaskStatus::Succeeded);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_crash_changes_the_end_of_any_plan(plan in small_plan()) {
        // What depends on the order of things has its own tests.
        let plan = SmallPlan { fail_fast: false, deadline: None, ..plan };
        let whole = undisturbed(&plan);
        let expected = outcome(&whole);
        for kept in 0..=whole.journal.len() {
            let mut world = undisturbed(&plan);
            crash_and_go_on(&mut world, &plan, kept);
            prop_assert_eq!(outcome(&world), expected.clone(), "after {} records", kept);
        }
    }
}
