//! The cost of a run is that of its tasks. These runs take seconds in a debug build; were the
//! cost of a task that of the whole plan, they would take hours.

use crate::model::exit::ExitCode;
use crate::model::outcome::AttemptFacts;
use crate::scheduler::{Effect, Input, Scheduler};

use super::builder::{START, TaskWords as _, good, shared, spec, task};

/// Runs all tasks to their end, well, without the checks of [`super::world`].
fn run(tasks: Vec<crate::model::task::TaskSpec>, jobs: u32, limit: Option<u32>) -> (usize, ExitCode) {
    let mut run = spec(tasks);
    run.settings.jobs = jobs;
    run.agents.get_mut("kilo").unwrap().limit = limit;
    let mut scheduler = Scheduler::new(shared(run));
    let mut todo = vec![Input::Start { host: "here".to_owned(), pid: 1, fence: 1 }];
    let mut spawned = 0;
    while let Some(input) = todo.pop() {
        for effect in scheduler.handle(input, START) {
            match effect {
                Effect::Spawn { key, .. } => {
                    spawned += 1;
                    let facts: Box<AttemptFacts> = Box::new(good(&key));
                    todo.push(Input::AttemptEnded { key, facts });
                }
                Effect::Finish { exit, .. } => return (spawned, exit),
                Effect::Record(_)
                | Effect::Reserve { .. }
                | Effect::Release { .. }
                | Effect::Stop { .. }
                | Effect::Verify { .. }
                | Effect::VerifyRun { .. }
                | Effect::Tick { .. } => {}
            }
        }
        assert!(scheduler.next_wake().is_none());
    }
    panic!("the run does not end");
}

#[test]
fn many_tasks_that_are_ready_at_once() {
    let tasks = (0..20_000).map(|number| task(&format!("T{number}"))).collect();
    assert_eq!(run(tasks, 8, Some(2)), (20_000, ExitCode::Success));
}

#[test]
fn a_long_chain() {
    let tasks = (0..20_000)
        .map(|number| {
            let made = task(&format!("T{number}"));
            if number == 0 { made } else { made.needs(&[&format!("T{}", number - 1)]) }
        })
        .collect();
    assert_eq!(run(tasks, 8, None), (20_000, ExitCode::Success));
}

#[test]
fn a_wide_fan_and_one_that_waits_for_all() {
    let mut tasks = vec![task("first")];
    let names: Vec<String> = (0..10_000).map(|number| format!("T{number}")).collect();
    tasks.extend(names.iter().map(|name| task(name).needs(&["first"])));
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    tasks.push(task("last").needs(&all));
    assert_eq!(run(tasks, 16, None), (10_002, ExitCode::Success));
}

#[test]
fn many_tasks_that_touch_one_file() {
    let names: Vec<String> = (0..600).map(|number| format!("T{number}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let tasks = names.iter().map(|name| task(name).conflicts(&all)).collect();
    assert_eq!(run(tasks, 8, None), (600, ExitCode::Success));
}
