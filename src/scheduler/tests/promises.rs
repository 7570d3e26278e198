//! The promises of the core, on random plans and random histories. Most are checked by
//! [`super::world::World`] after every input: the record before the spawn, slots and limits, needs,
//! one start and one end, the fold, the next wake, nothing after a shutdown, conflicts, payment.

use proptest::prelude::*;

use crate::model::exit::ExitCode;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::outcome::StopReason;
use crate::model::status::TaskStatus;
use crate::scheduler::Input;

use super::builder::{check, stopped};
use super::plans::{SmallPlan, facts, id, small_plan};
use super::world::{Work, World};

/// Answers one thing that is open, chosen and answered by `choice`. Returns whether there was one.
fn answer(world: &mut World, choice: u16) -> bool {
    let open: Vec<(AttemptKey, Work)> = world
        .work
        .iter()
        .filter(|(_, work)| **work != Work::Await)
        .map(|(key, work)| (key.clone(), work.clone()))
        .collect();
    let code = i32::from(choice % 5 == 4);
    if open.is_empty() && world.round.is_some() {
        world.run_verified(code);
        return true;
    }
    let Some((key, work)) = open.get(usize::from(choice / 7) % open.len().max(1)) else {
        return world.pass_one();
    };
    match work {
        Work::Run => world.end(key, facts(key, choice)),
        Work::Stopping if choice.is_multiple_of(4) => world.end(key, facts(key, choice)),
        Work::Stopping => world.end(key, stopped(StopReason::Requested)),
        Work::Check(_) => world.verified(key.task.as_str(), code),
        Work::Await => unreachable!("it was left out"),
    };
    true
}

/// One step of a history.
fn step(world: &mut World, plan: &SmallPlan, choice: u16) {
    let some_task = || TaskId::new(id(usize::from(choice / 40) % plan.tasks.len()));
    match choice % 40 {
        0 => drop(world.send(Input::StopTasks { tasks: vec![some_task()], by: "me".to_owned() })),
        1 => drop(world.send(Input::Retry {
            tasks: if choice > 30_000 { Vec::new() } else { vec![some_task()] },
            layer: choice.is_multiple_of(3).then_some(2),
            agent: choice.is_multiple_of(7).then(|| "mine".to_owned()),
            say: choice.is_multiple_of(2).then(|| "go on".to_owned()),
        })),
        2 => drop(world.send(Input::Approve { gate: some_task().0, by: "me".to_owned() })),
        3 => drop(world.send(Input::Approve { gate: "approval".to_owned(), by: "me".to_owned() })),
        4 => drop(world.send(Input::Memory { available: u64::from(choice) % 400 })),
        5 if choice > 40_000 => {
            drop(world.send(Input::Shutdown { by: "SIGINT".to_owned(), exit: ExitCode::Interrupted }));
        }
        6 => {
            world
                .crash_after(world.journal.len() - usize::from(choice / 40) % 3 % world.journal.len().max(1));
            world.resume();
        }
        7 => {
            // Words about attempts that are not under way.
            let key = AttemptKey::new(some_task(), 99);
            world.send(Input::AttemptEnded { key: key.clone(), facts: Box::new(facts(&key, choice)) });
            world.send(Input::Verified { key, results: vec![check("x", 0)] });
        }
        8..12 => drop(world.wake()),
        12 => world.pass(std::time::Duration::from_secs(u64::from(choice) % 500)),
        _ => drop(answer(world, choice)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_promises_hold_after_every_step(
        plan in small_plan(),
        history in prop::collection::vec(any::<u16>(), 0..120),
        rest in prop::collection::vec(any::<u16>(), 1..40),
    ) {
        let mut world = World::start(plan.spec());
        for choice in history {
            if world.finished.is_some() {
                break;
            }
            step(&mut world, &plan, choice);
        }
        // From here on only answers, bad and good: a run whose attempts all end does end.
        let mut turns = 0;
        while world.finished.is_none() {
            let choice = rest[turns % rest.len()].wrapping_add(u16::try_from(turns % 977).unwrap());
            prop_assert!(answer(&mut world, choice), "nothing is open, and the run does not end");
            turns += 1;
            prop_assert!(turns < 5_000, "the run does not end");
        }
        let view = world.scheduler.view();
        let gate_is_shut = view.tasks.iter().any(|task| task.status == TaskStatus::Held);
        for (place, task) in view.tasks.iter().enumerate() {
            let may_be_left = view.stop_requested.is_some() || gate_is_shut;
            let ended = task.status.is_end()
                || task.status == TaskStatus::Held
                || (task.status == TaskStatus::Pending && may_be_left);
            prop_assert!(ended, "{} is {} at the end", task.id, task.status);
            let bad = plan.needs(place).into_iter().find(|&need| {
                let status = view.tasks[need].status;
                matches!(status, TaskStatus::Failed | TaskStatus::Cancelled | TaskStatus::Blocked)
                    && !plan.tasks[need].optional
            });
            let waits = task.status == TaskStatus::Pending && bad.is_some();
            prop_assert!(!waits, "{} waits for T{bad:?}, which will not come", task.id);
        }
        prop_assert!(world.scheduler.next_wake().is_none());
        let now = world.now;
        prop_assert!(world.scheduler.handle(Input::Wake, now).is_empty());
    }

    #[test]
    fn the_same_inputs_give_the_same_effects(
        plan in small_plan(),
        history in prop::collection::vec(any::<u16>(), 0..60),
    ) {
        let play = || {
            let mut world = World::start(plan.spec());
            for &choice in &history {
                if world.finished.is_none() {
                    step(&mut world, &plan, choice);
                }
            }
            world.journal
        };
        prop_assert_eq!(play(), play());
    }

    #[test]
    fn a_run_that_is_recovered_wakes_and_goes_on(
        plan in small_plan(),
        history in prop::collection::vec(any::<u16>(), 0..60),
        kept in any::<prop::sample::Index>(),
    ) {
        let mut world = World::start(plan.spec());
        for &choice in &history {
            if world.finished.is_none() {
                step(&mut world, &plan, choice);
            }
        }
        let kept = kept.index(world.journal.len() + 1);
        world.crash_after(kept);
        world.resume();
        world.let_all_pass();
        prop_assert!(world.finished.is_some());
    }
}
