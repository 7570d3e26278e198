//! Plans with random dependencies in every wording: whatever closes a ring is told, and without one every task gets
//! its turn. What waits for what is known here from how the text was made, and not from how it was read.
//!
//! `PROPTEST_CASES` says how many plans are tried.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::plan;
use crate::plan::ReadOptions;
use crate::plan::ResolveOptions;
use crate::plan::check;
use crate::plan::read;
use crate::plan::resolve;

/// A plan on its way to a text: the phase of each task, and who waits for whom.
#[derive(Debug, Clone)]
struct Sketch {
    /// For each task its phase, from 1; ascending.
    phases: Vec<usize>,
    /// A task waits for a task.
    tasks: Vec<(usize, usize)>,
    /// A task waits for a phase.
    on_phases: Vec<(usize, usize)>,
    /// A phase waits for a phase.
    between: Vec<(usize, usize)>,
    /// How each task says it.
    wordings: Vec<usize>,
    /// Which tasks have the mark of those that go together.
    marked: Vec<bool>,
}

const PHASES: usize = 4;

fn sketch() -> impl Strategy<Value = Sketch> {
    (1..9_usize).prop_flat_map(|count| {
        let pair = (0..count, 0..count);
        (
            prop::collection::vec(1..=PHASES, count),
            prop::collection::vec(pair, 0..8),
            prop::collection::vec((0..count, 1..=PHASES), 0..3),
            prop::collection::vec((1..=PHASES, 1..=PHASES), 0..3),
            prop::collection::vec(0..5_usize, count),
            prop::collection::vec(any::<bool>(), count),
        )
            .prop_map(|(mut phases, tasks, on_phases, between, wordings, marked)| {
                phases.sort_unstable();
                let there = |phase: &usize| phases.contains(phase);
                Sketch {
                    on_phases: on_phases.into_iter().filter(|(_, phase)| there(phase)).collect(),
                    between: between
                        .into_iter()
                        .filter(|(one, other)| one != other && there(one) && there(other))
                        .collect(),
                    tasks,
                    wordings,
                    marked,
                    phases,
                }
            })
    })
}

impl Sketch {
    fn text(&self) -> String {
        let mut text = String::from("# A plan\n");
        let mut last = 0;
        for (task, phase) in self.phases.iter().enumerate() {
            if *phase != last {
                last = *phase;
                _ = writeln!(text, "\n## Phase {phase}: Part {phase}\n");
                let on = self.between.iter().filter(|(waits, _)| waits == phase);
                let on: Vec<String> = on.map(|(_, on)| format!("Phase {on}")).collect();
                if !on.is_empty() {
                    _ = writeln!(text, "- **Depends on**: {}\n", on.join(", "));
                }
            }
            let on: Vec<String> = self
                .tasks
                .iter()
                .filter(|(waits, _)| *waits == task)
                .map(|(_, on)| format!("T{on:03}"))
                .chain(
                    self.on_phases
                        .iter()
                        .filter(|(waits, _)| *waits == task)
                        .map(|(_, on)| format!("Phase {on}")),
                )
                .collect();
            let mark = if self.marked[task] { "[P] " } else { "" };
            let (inline, below) = match (on.is_empty(), self.wordings[task]) {
                (true, _) => (String::new(), String::new()),
                (false, 0) => (format!(" (depends on {})", on.join(", ")), String::new()),
                (false, 1) => (String::new(), format!("  - **Depends on**: {}\n", on.join(", "))),
                (false, 2) => (String::new(), format!("  - Depends on: {}\n", on.join(" and "))),
                (false, 3) => (String::new(), format!("  - **Dependencies**: {}\n", on.join(", "))),
                (false, _) => (String::new(), format!("  - **Blocked by**: {}\n", on.join(", "))),
            };
            _ = write!(text, "- [ ] T{task:03} {mark}Write it{inline}\n{below}");
        }
        text
    }

    /// The same as the data of Task Master: phases are parents.
    fn json(&self) -> String {
        let there: BTreeSet<usize> = self.phases.iter().copied().collect();
        let id = |task: usize| format!("\"{}.{task}\"", self.phases[task] * 100);
        let parents = there.iter().map(|phase| {
            let on = self.between.iter().filter(|(waits, _)| waits == phase);
            let on: Vec<String> = on.map(|(_, on)| format!("{}", on * 100)).collect();
            let subtasks = self.phases.iter().enumerate().filter(|(_, of)| *of == phase).map(|(task, _)| {
                let on = self.tasks.iter().filter(|(waits, _)| *waits == task).map(|(_, on)| id(*on));
                let whole = self.on_phases.iter().filter(|(waits, _)| *waits == task);
                let on: Vec<String> = on.chain(whole.map(|(_, on)| format!("\"{}\"", on * 100))).collect();
                format!("{{\"id\": {task}, \"dependencies\": [{}]}}", on.join(", "))
            });
            let subtasks: Vec<String> = subtasks.collect();
            format!(
                "{{\"id\": {}, \"dependencies\": [{}], \"subtasks\": [{}]}}",
                phase * 100,
                on.join(", "),
                subtasks.join(", ")
            )
        });
        format!("{{\"tasks\": [{}]}}", parents.collect::<Vec<_>>().join(", "))
    }

    /// Whether a task waits for itself in the end.
    fn has_ring(&self) -> bool {
        let count = self.phases.len();
        let mut waits = vec![vec![false; count]; count];
        let members = |phase: usize| (0..count).filter(move |task| self.phases[*task] == phase);
        for (task, on) in &self.tasks {
            waits[*task][*on] = true;
        }
        for (task, phase) in &self.on_phases {
            members(*phase).for_each(|on| waits[*task][on] = true);
        }
        for (phase, other) in &self.between {
            for task in members(*phase) {
                members(*other).for_each(|on| waits[task][on] = true);
            }
        }
        for between in 0..count {
            for from in 0..count {
                for to in 0..count {
                    waits[from][to] |= waits[from][between] && waits[between][to];
                }
            }
        }
        (0..count).any(|task| waits[task][task])
    }
}

/// Whether the reading is as the sketch says: a ring is a mistake, and without one all tasks get a wave.
fn holds(sketch: &Sketch, text: &str, read: &crate::plan::Plan) -> Result<(), TestCaseError> {
    prop_assert_eq!(read.tasks.len(), sketch.phases.len(), "{}", text);
    let told = read.diagnostics.iter().any(|told| told.code == "cycle" && told.is_error());
    prop_assert_eq!(told, sketch.has_ring(), "{}\n{:?}", text, read.diagnostics);
    if told {
        return Ok(());
    }
    let options = ResolveOptions { default_agent: Some("a".to_owned()), ..ResolveOptions::default() };
    let document = check(read, &resolve(read, &options), "plan.md");
    for task in &document.tasks {
        prop_assert!(task.wave > 0, "{} has no turn\n{}\n{:?}", task.id, text, read.edges);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_ring_is_told_and_without_one_every_task_has_its_turn(sketch in sketch()) {
        let text = sketch.text();
        holds(&sketch, &text, &plan(&text))?;
        let json = sketch.json();
        let options = ReadOptions { path: Some("tasks.json".to_owned()), ..ReadOptions::default() };
        holds(&sketch, &json, &read(json.as_bytes(), &options))?;
    }
}

#[test]
fn a_task_that_waits_for_the_group_it_is_in_is_told_as_that() {
    let read = plan("## Phase 1: Part\n\n- [ ] T001 a\n- [ ] T002 b\n  - **Depends on**: Phase 1\n");
    let told = read.diagnostics.iter().find(|told| told.code == "cycle").unwrap();
    assert_eq!(told.message, "task `T002` waits for a group that waits for it");
    let read = plan("- [ ] T001 a\n  - **Depends on**: T001\n");
    let told = read.diagnostics.iter().find(|told| told.code == "cycle").unwrap();
    assert_eq!(told.message, "task `T001` depends on itself");
}
