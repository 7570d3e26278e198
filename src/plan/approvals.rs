//! Approval gates in documents: boxes under a heading such as "Approval Gate" inside a phase. They are no
//! work: a person ticks them, and until then the next phase does not begin.

use std::collections::BTreeMap;

use super::assemble::ancestors;
use super::groups;
use super::lines::number;
use super::marks::Marks;
use super::outline::Outline;
use super::types::Plan;
use super::words;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;

/// What a heading over such boxes begins with.
const TITLES: &[&str] = &["approval gate", "phase gate", "go/no-go", "sign-off", "schválení"];

/// Gates the phase after each one whose approval has open boxes.
pub(crate) fn gate(outline: &Outline<'_>, marks: &Marks, plan: &mut Plan) {
    let by_line: BTreeMap<u32, usize> =
        plan.groups.iter().enumerate().map(|(group, made)| (made.line, group)).collect();
    let siblings = next_siblings(plan);
    let mut gated: BTreeMap<usize, String> = BTreeMap::new();
    for heading in outline.headings.iter().filter(|heading| heading.closed) {
        let bare = words::without_number(&heading.title);
        if !TITLES.iter().any(|title| words::begins_with(bare, title)) {
            continue;
        }
        let first = outline.items.partition_point(|item| item.line < heading.line);
        let boxes = outline.items[first..].iter().take_while(|item| item.line < heading.end);
        let is_open = boxes
            .filter_map(|item| item.mark)
            .any(|mark| !matches!(marks.status(&mark), Some(PlanStatus::Done | PlanStatus::Skipped)));
        let around = std::iter::successors(heading.parent, |parent| outline.headings[*parent].parent)
            .find_map(|parent| by_line.get(&number(outline.headings[parent].line)).copied());
        let Some(phase) = around.filter(|_| is_open) else { continue };
        // Groups stand in the order of the file.
        let next = siblings[phase];
        let Some(next) = next.filter(|next| plan.groups[*next].gate.is_none()) else { continue };
        let gate = format!("{}-approval", groups::group_code(&plan.groups[phase]));
        plan.groups[next].origins.push(FieldOrigin {
            field: TaskField::Gate,
            value: gate.clone(),
            from: FieldFrom::Group,
            by: None,
            line: Some(number(heading.line)),
        });
        gated.insert(next, gate.clone());
        plan.groups[next].gate = Some(gate);
    }
    if gated.is_empty() {
        return;
    }
    for task in &mut plan.tasks {
        let waited = ancestors(&plan.groups, task.group).filter_map(|group| gated.get(&group));
        task.held.extend(waited.map(|name| HeldReason::Gate(name.clone())));
    }
}

/// For each group the next one beside it, in the order of the file.
fn next_siblings(plan: &Plan) -> Vec<Option<usize>> {
    let mut next = vec![None; plan.groups.len()];
    let mut last: BTreeMap<Option<usize>, usize> = BTreeMap::new();
    for (group, made) in plan.groups.iter().enumerate() {
        if let Some(before) = last.insert(made.parent, group) {
            next[before] = Some(group);
        }
    }
    next
}

#[cfg(test)]
mod tests {
    use crate::model::task::HeldReason;

    const PLAN: &str = "# Roadmap\n\n## Phase 0: Ask (Week 1)\n\n- [ ] Ask fifty people\n\n### Approval Gate\n\n- [ ] Twenty answers\n- [x] Go\n\n\
        ## Phase 1: Build\n\n- [ ] Build it\n\n## Phase 2: Sell\n\n- [ ] Sell it\n";

    #[test]
    fn the_phase_after_an_approval_waits_for_a_person() {
        let plan = crate::plan::tests::plan(PLAN);
        let held: Vec<&[HeldReason]> = plan.tasks.iter().map(|task| task.held.as_slice()).collect();
        let gate = [HeldReason::Gate("phase-0-approval".to_owned())];
        assert_eq!(held, [&[][..], &gate, &[]]);
        assert_eq!(plan.tasks.len(), 3, "the boxes of an approval are no tasks");
    }

    #[test]
    fn an_approval_that_was_given_gates_nothing() {
        let plan = crate::plan::tests::plan(&PLAN.replace("- [ ] Twenty", "- [x] Twenty"));
        assert!(plan.tasks.iter().all(|task| task.held.is_empty()));
    }

    #[test]
    fn what_comes_after_no_phase_or_before_none_gates_nothing() {
        let plan = crate::plan::tests::plan(
            "# P\n\n- [ ] a\n\n## Approval Gate\n\n- [ ] ok\n\n## More\n\n- [ ] b\n",
        );
        assert!(plan.tasks.iter().all(|task| task.held.is_empty()));
    }
}
