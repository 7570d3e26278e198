//! The scheduler against a slow and obvious model: random plans and histories, with crashes, cut
//! journals, stops and approvals among the steps. Whatever the history, every task has to end as
//! the model says. On a failure the plan and the history are printed; both are plain data.

use proptest::prelude::*;

use crate::model::exit::ExitCode;
use crate::model::failure::{FailureKind, Remedy};
use crate::model::ids::AttemptKey;
use crate::model::outcome::{AttemptFacts, StopReason};
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::view::TaskView;
use crate::scheduler::Input;

use super::builder::{error, good, stopped};
use super::plans::{Kind, SmallPlan, id, small_plan};
use super::world::{Work, World};

/// What a step of a history does.
#[derive(Debug, Clone, Copy)]
enum Action {
    /// The work with this number (of those under way) ends as its script says.
    End(u8),
    /// Time passes to the next wake.
    Wake,
    /// The process dies; so many records are lost with it.
    Crash(u8),
    /// The run is stopped and resumed.
    Stop,
    /// The gates are approved.
    Approve,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        10 => any::<u8>().prop_map(Action::End),
        3 => Just(Action::Wake),
        1 => (0_u8..4).prop_map(Action::Crash),
        1 => Just(Action::Stop),
        1 => Just(Action::Approve),
    ]
}

/// What every task has to end as: one pass over the plan, by the rules of the contract alone.
fn expected(plan: &SmallPlan) -> Vec<TaskStatus> {
    let mut ends: Vec<TaskStatus> = Vec::new();
    for (place, task) in plan.tasks.iter().enumerate() {
        let needs = plan.needs(place);
        let held = needs.iter().any(|&need| ends[need] == TaskStatus::Held && !plan.tasks[need].optional);
        let bad = needs.iter().any(|&need| {
            matches!(ends[need], TaskStatus::Failed | TaskStatus::Blocked) && !plan.tasks[need].optional
        });
        let end = match task.kind {
            Kind::Missing => TaskStatus::Held,
            Kind::Plain | Kind::Gate | Kind::BehindGate if bad => TaskStatus::Blocked,
            Kind::Plain | Kind::Gate | Kind::BehindGate if held => TaskStatus::Held,
            Kind::Skipped | Kind::Gate => TaskStatus::Skipped,
            Kind::Plain | Kind::BehindGate if charged(plan, place) > task.retries => TaskStatus::Failed,
            Kind::Plain | Kind::BehindGate => TaskStatus::Succeeded,
        };
        ends.push(end);
    }
    ends
}

/// How many failures of a task count for its retries. Outside the hierarchy a 429 is one of them.
fn charged(plan: &SmallPlan, place: usize) -> u32 {
    let task = &plan.tasks[place];
    let outside = matches!(task.agent, Some("command" | "mine"));
    task.faults + u32::from(task.limited && outside)
}

fn expected_exit(plan: &SmallPlan, ends: &[TaskStatus]) -> ExitCode {
    let counts = |place: &usize| !plan.tasks[*place].optional;
    let places = || (0..plan.tasks.len()).filter(counts);
    let failed =
        places().any(|place| ends[place] == TaskStatus::Failed || plan.tasks[place].kind == Kind::Missing);
    let ran = (0..plan.tasks.len()).any(|place| {
        let left_out = ends[place] == TaskStatus::Skipped && plan.tasks[place].kind == Kind::Skipped;
        !left_out && ends[place] != TaskStatus::Held
    });
    if !ran {
        ExitCode::NothingToRun
    } else if failed {
        ExitCode::TaskFailed
    } else {
        ExitCode::Success
    }
}

fn failures(task: &TaskView, kind: FailureKind) -> u32 {
    let failed = task.attempts.iter().filter(|attempt| {
        attempt.status == AttemptStatus::Failed
            && attempt.failure().is_some_and(|failure| failure.kind == kind)
    });
    u32::try_from(failed.count()).unwrap()
}

/// Ends an attempt as the script of its task says, which depends on what the journal has of it.
pub(super) fn end_by_script(world: &mut World, plan: &SmallPlan, key: &AttemptKey) {
    let place = world.scheduler.view().place(&key.task).unwrap();
    let script = &plan.tasks[place];
    let task = &world.scheduler.view().tasks[place];
    let facts: AttemptFacts = if script.limited && failures(task, FailureKind::RateLimited) == 0 {
        error(FailureKind::RateLimited)
    } else if failures(task, FailureKind::TimedOut) < script.faults {
        assert_eq!(FailureKind::TimedOut.remedy(), Remedy::Task);
        stopped(StopReason::Deadline)
    } else {
        good(key)
    };
    world.end(key, facts);
}

pub(super) fn act(world: &mut World, plan: &SmallPlan, which: usize) -> bool {
    let open: Vec<(AttemptKey, Work)> = world
        .work
        .iter()
        .filter(|(_, work)| **work != Work::Await)
        .map(|(key, work)| (key.clone(), work.clone()))
        .collect();
    if open.is_empty() {
        return world.pass_one();
    }
    let (key, work) = &open[which % open.len()];
    match work {
        Work::Run => end_by_script(world, plan, key),
        Work::Stopping => drop(world.end(key, stopped(StopReason::Requested))),
        Work::Check(_) => drop(world.verified(key.task.as_str(), 0)),
        Work::Await => unreachable!("it was left out"),
    }
    true
}

fn approve_all(world: &mut World, plan: &SmallPlan) {
    let gates = (0..plan.tasks.len()).filter(|&place| plan.tasks[place].kind == Kind::Gate).map(id);
    let held = plan.tasks.iter().any(|task| task.kind == Kind::BehindGate);
    for gate in gates.chain(held.then(|| "approval".to_owned())) {
        world.send(Input::Approve { gate, by: "me".to_owned() });
    }
}

/// Whether one more crash would make a task lose more attempts than are free.
fn may_crash(world: &World) -> bool {
    world
        .scheduler
        .view()
        .tasks
        .iter()
        .all(|task| task.attempts.iter().filter(|attempt| attempt.status == AttemptStatus::Lost).count() < 3)
}

fn play(plan: &SmallPlan, history: &[Action]) -> World {
    let mut world = World::start(plan.spec());
    for action in history {
        match *action {
            Action::End(which) => drop(act(&mut world, plan, usize::from(which))),
            Action::Wake => drop(world.wake()),
            Action::Crash(lost) => {
                if may_crash(&world) {
                    world.crash_after(world.journal.len().saturating_sub(usize::from(lost)));
                    world.resume();
                }
            }
            Action::Stop => {
                if world.finished.is_none() {
                    world.send(Input::Shutdown { by: "SIGTERM".to_owned(), exit: ExitCode::Terminated });
                    while world.finished.is_none() {
                        assert!(act(&mut world, plan, 0));
                    }
                    assert_eq!(world.exit(), Some(ExitCode::Terminated));
                }
                world.crash();
                world.resume();
            }
            Action::Approve => {
                if world.finished.is_none() {
                    approve_all(&mut world, plan);
                }
            }
        }
    }
    for _ in 0..2 {
        let mut turns = 0;
        while world.finished.is_none() {
            assert!(act(&mut world, plan, turns), "nothing is open, and the run does not end");
            turns += 1;
            assert!(turns < 5_000, "the run does not end");
        }
        if world.exit() == Some(ExitCode::Waiting)
            || world.scheduler.view().gates_reached.iter().next().is_some()
        {
            world.crash();
            approve_all(&mut world, plan);
            world.resume();
        }
    }
    while world.finished.is_none() {
        assert!(act(&mut world, plan, 0));
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_on_the_way_tasks_end_as_the_model_says(
        plan in small_plan(),
        history in prop::collection::vec(action(), 0..60),
    ) {
        // What depends on the order of things has its own tests.
        let plan = SmallPlan { fail_fast: false, deadline: None, ..plan };
        let world = play(&plan, &history);
        let ends = expected(&plan);
        let found: Vec<TaskStatus> =
            world.scheduler.view().tasks.iter().map(|task| task.status).collect();
        prop_assert_eq!(&found, &ends);
        prop_assert_eq!(world.exit(), Some(expected_exit(&plan, &ends)));
    }
}
