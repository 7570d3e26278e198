//! Places of a plan that disagree on how far something is: box, status, steps, parent. Nothing is decided here:
//! what counts is known, and the other is told.

use super::assemble::ancestors;
use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::task::PlanStatus;

/// The most disagreements of a plan that are told one by one.
const MOST_TOLD: usize = 20;

/// What the places of a task say.
pub(crate) struct Said {
    /// A field, a cell, or a word or sign in its title.
    pub(crate) told: Option<PlanStatus>,
    /// Its box.
    pub(crate) boxed: Option<PlanStatus>,
    /// How many steps are ticked, of how many.
    pub(crate) steps: (usize, usize),
}

/// The disagreement among them, in words.
pub(crate) fn disagreement(said: &Said) -> Option<String> {
    let (done, total) = said.steps;
    let open = total - done;
    let name = PlanStatus::as_str;
    match (said.told, said.boxed) {
        // Work that was put off has an open box, and was perhaps begun.
        (Some(PlanStatus::Skipped), _) => None,
        (Some(told), Some(boxed)) if told.is_met() != boxed.is_met() => {
            let mark = if boxed.is_met() { "ticked" } else { "open" };
            Some(format!("the box is {mark}, and the status says `{}`: the status counts", name(told)))
        }
        (Some(told), _) if told.is_met() && open > 0 => {
            let steps = of_steps(open, total);
            Some(format!("the status says `{}`, and {steps} not ticked: the status counts", name(told)))
        }
        (Some(told), _) if !told.is_met() && total > 0 && open == 0 => {
            Some(format!("all steps are ticked, and the status says `{}`: the status counts", name(told)))
        }
        (None, Some(PlanStatus::Done)) if open > 0 => {
            Some(format!("the box is ticked, and {} not: it is taken as done", of_steps(open, total)))
        }
        (None, Some(PlanStatus::Open)) if total > 0 && open == 0 => {
            Some("the box is open though all steps below it are ticked: it is taken as open".to_owned())
        }
        (Some(_) | None, _) => None,
    }
}

fn of_steps(open: usize, total: usize) -> String {
    let (verb, noun) = if open == 1 { ("is", "step") } else { ("are", "steps") };
    let noun = if total == 1 {
        "step"
    } else if open == total {
        noun
    } else {
        "steps"
    };
    format!("{open} of {total} {noun} {verb}")
}

/// What was found so far, told one by one up to a number.
#[derive(Debug, Default)]
pub(crate) struct Conflicts(usize);

impl Conflicts {
    /// Tells one.
    pub(crate) fn tell(&mut self, line: u32, message: String, diagnostics: &mut Vec<Diagnostic>) {
        self.0 += 1;
        if self.0 <= MOST_TOLD {
            diagnostics.push(Diagnostic::warning("status-conflict", Place::line(line), message));
        }
    }

    /// Looks at the groups, and says how many were not told. `boxes` are those of groups that are items.
    pub(crate) fn finish(mut self, boxes: &[Option<PlanStatus>], plan: &mut Plan) {
        let mut counts = vec![(0_usize, 0_usize); plan.groups.len()];
        let mut last = (None, Vec::new());
        for task in &plan.tasks {
            if task.group != last.0 {
                last = (task.group, ancestors(&plan.groups, task.group).collect());
            }
            for group in &last.1 {
                counts[*group].0 += usize::from(!task.status.is_met());
                counts[*group].1 += 1;
            }
        }
        for (group, (open, all)) in counts.into_iter().enumerate() {
            let made = &plan.groups[group];
            let ticked = boxes.get(group).copied().flatten();
            let tasks = if all == 1 { "task" } else { "tasks" };
            let message = match (made.status, ticked) {
                (Some(PlanStatus::Done), _) if open > 0 => {
                    let title = &made.title;
                    format!(
                        "`{title}` says that it is done, and {open} of its {all} {tasks} are not: those do not start"
                    )
                }
                (None, Some(PlanStatus::Done)) if open > 0 => {
                    format!(
                        "`{}` is ticked, and {open} of its {all} {tasks} are not: each is taken as it stands",
                        made.title
                    )
                }
                (Some(PlanStatus::Open), _) | (None, Some(PlanStatus::Open)) if open == 0 && all > 0 => {
                    format!("`{}` is open though all that stands in it is done", made.title)
                }
                (Some(_) | None, _) => continue,
            };
            let line = made.line;
            self.tell(line, message, &mut plan.diagnostics);
        }
        if let Some(more) = self.0.checked_sub(MOST_TOLD).filter(|more| *more > 0) {
            let message = format!("{more} more places disagree on how far something is");
            plan.diagnostics.push(
                Diagnostic::warning("status-conflict", Place::WHOLE, message)
                    .hint("orchestrate check --explain shows the status of every task"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::codes;
    use crate::plan::tests::plan;

    fn conflicts(text: &str) -> Vec<(u32, String)> {
        let told = plan(text).diagnostics.into_iter().filter(|told| told.code == "status-conflict");
        told.map(|told| (told.place.line, told.message)).collect()
    }

    #[test]
    fn a_box_and_a_status_that_disagree() {
        let found = conflicts(
            "- [x] T001 a\n  - **Status**: open\n- [ ] T002 b\n  - **Status**: done\n- [ ] T003 c\n  - **Status**: in progress\n",
        );
        let words: Vec<(u32, &str)> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(
            words,
            [
                (1, "the box is ticked, and the status says `open`: the status counts"),
                (3, "the box is open, and the status says `done`: the status counts"),
            ]
        );
    }

    #[test]
    fn steps_that_disagree_with_box_or_status() {
        let found = conflicts(
            "### Task 1: a ✅\n\n- [x] one\n- [ ] two\n\n### Task 2: b\n\n**Status**: open\n\n- [x] one\n\n### Task 3: c ✅\n\n- [x] one\n",
        );
        let words: Vec<(u32, &str)> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(
            words,
            [
                (1, "the status says `done`, and 1 of 2 steps is not ticked: the status counts"),
                (6, "all steps are ticked, and the status says `open`: the status counts"),
            ]
        );
        let nested = conflicts("- [x] a\n  - [ ] one\n  - [ ] two\n- [ ] b\n  - [x] one\n");
        assert_eq!(nested.len(), 2);
        assert!(nested[0].1.starts_with("the box is ticked, and 2 of 2 steps are not"), "{nested:?}");
    }

    #[test]
    fn a_parent_that_disagrees_with_its_children() {
        let found = conflicts("- [x] 1. A\n  - [ ] 1.1 a\n  - [x] 1.2 b\n- [ ] 2. B\n  - [x] 2.1 c\n");
        let words: Vec<(u32, &str)> = found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(
            words,
            [
                (1, "`1. A` is ticked, and 1 of its 2 tasks are not: each is taken as it stands"),
                (4, "`2. B` is open though all that stands in it is done"),
            ]
        );
        let phase = conflicts("## Phase 1: A ✅ COMPLETED\n\n- [ ] a\n- [x] b\n");
        assert!(phase[0].1.contains("says that it is done, and 1 of its 2 tasks are not"), "{phase:?}");
    }

    #[test]
    fn what_agrees_or_was_put_off_is_no_conflict() {
        for text in [
            "- [x] T001 a\n  - **Status**: done\n",
            "- [ ] T001 a\n  - **Status**: in progress\n",
            "- [ ] T001 a — DEFERRED\n",
            "## Phase 1: A ✅\n\n- [x] a\n",
        ] {
            assert_eq!(conflicts(text), [], "{text}");
        }
    }

    #[test]
    fn many_are_counted() {
        let text = "- [x] T%%% a\n  - **Status**: open\n";
        let many: String = (100..130).map(|number: u32| text.replace("%%%", &number.to_string())).collect();
        let told = codes(&plan(&many));
        assert_eq!(told.iter().filter(|code| code.starts_with("status-conflict")).count(), 21);
    }
}
