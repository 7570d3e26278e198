//! Approval gates in documents: boxes under a heading such as "Approval Gate" inside a phase. They are no
//! work: a person ticks them, and until then the next phase does not begin.

use std::collections::BTreeMap;

use super::assemble::ancestors;
use super::groups;
use super::lines::number;
use super::marks::Marks;
use super::outline::Heading;
use super::outline::Outline;
use super::phases;
use super::titles;
use super::types::Plan;
use super::words;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;

/// What a heading over such boxes begins with.
const TITLES: &[&str] =
    &["approval gate", "approval required", "approvals", "phase gate", "go/no-go", "sign-off", "schválení"];

/// The longest box, in bytes, in which a phase is looked for.
const LONGEST: usize = 200;

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
        if around.is_none() {
            by_name(outline, marks, plan, heading, &mut gated);
        }
        let Some(phase) = around.filter(|_| is_open) else { continue };
        // Groups stand in the order of the file.
        let next = siblings[phase];
        let Some(next) = next.filter(|next| plan.groups[*next].gate.is_none()) else { continue };
        let gate = format!("{}-approval", groups::group_code(&plan.groups[phase]));
        plan.groups[next].origins.push(origin(&gate, number(heading.line)));
        gated.insert(next, gate.clone());
        plan.groups[next].gate = Some(gate);
    }
    if gated.is_empty() {
        return;
    }
    for task in &mut plan.tasks {
        for name in ancestors(&plan.groups, task.group).filter_map(|group| gated.get(&group)) {
            task.held.push(HeldReason::Gate(name.clone()));
        }
    }
}

/// Open boxes that stand in no phase and name one, as in `Proceed with Phase 2`: that phase waits.
fn by_name(
    outline: &Outline<'_>,
    marks: &Marks,
    plan: &mut Plan,
    heading: &Heading,
    gated: &mut BTreeMap<usize, String>,
) {
    let first = outline.items.partition_point(|item| item.line < heading.line);
    let mut wanted: BTreeMap<String, u32> = BTreeMap::new();
    for item in outline.items[first..].iter().take_while(|item| item.line < heading.end) {
        let Some(mark) = item.mark else { continue };
        if matches!(marks.status(&mark), Some(PlanStatus::Done | PlanStatus::Skipped)) {
            continue;
        }
        let text = outline.lines.text.get(item.text.clone()).unwrap_or("");
        let words = text.match_indices(' ').map(|(at, _)| at + 1).take_while(|at| *at < LONGEST);
        for at in std::iter::once(0).chain(words) {
            if text[at..].starts_with(char::is_alphabetic)
                && let Some((word, count)) = phases::phase_number(&text[at..])
            {
                wanted.entry(titles::id_of(&format!("{word} {count}"))).or_insert(number(item.line));
            }
        }
    }
    if wanted.is_empty() {
        return;
    }
    let named = |title: &str| {
        let (word, number) = phases::phase_number(title)?;
        let name = titles::id_of(&format!("{word} {number}"));
        wanted.get(&name).map(|line| (format!("{name}-approval"), *line))
    };
    for (group, made) in plan.groups.iter_mut().enumerate().filter(|(_, made)| made.gate.is_none()) {
        if let Some((gate, line)) = named(&made.title) {
            made.origins.push(origin(&gate, line));
            made.gate = Some(gate.clone());
            gated.insert(group, gate);
        }
    }
    // A phase may be a task itself.
    for task in
        plan.tasks.iter_mut().filter(|task| task.group.is_none_or(|group| !gated.contains_key(&group)))
    {
        if let Some((gate, line)) = named(&task.title) {
            task.origins.push(origin(&gate, line));
            task.held.push(HeldReason::Gate(gate));
        }
    }
}

fn origin(gate: &str, line: u32) -> FieldOrigin {
    FieldOrigin {
        field: TaskField::Gate,
        value: gate.to_owned(),
        from: FieldFrom::Group,
        by: None,
        line: Some(line),
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
    fn an_approval_that_names_phases_gates_those() {
        let plan = crate::plan::tests::plan(
            "# P\n\n## Phase 1: Ask\n\n1. Ask fifty people\n\n## Phase 2: Build\n\ntext\n\n## Phase 3: Sell\n\n1. Sell it\n\n\
             ## Approval Required\n\n- [x] Proceed with Phase 1 (people)\n- [ ] Proceed with Phase 2 (house)\n- [ ] Go on to phase 3\n- [ ] Tell everybody\n",
        );
        let held: Vec<&[HeldReason]> = plan.tasks.iter().map(|task| task.held.as_slice()).collect();
        let gate = |name: &str| [HeldReason::Gate(name.to_owned())];
        assert_eq!(held, [&[][..], &gate("phase-2-approval"), &gate("phase-3-approval")]);
    }

    #[test]
    fn what_comes_after_no_phase_or_before_none_gates_nothing() {
        let plan = crate::plan::tests::plan(
            "# P\n\n- [ ] a\n\n## Approval Gate\n\n- [ ] ok\n\n## More\n\n- [ ] b\n",
        );
        assert!(plan.tasks.iter().all(|task| task.held.is_empty()));
    }
}
