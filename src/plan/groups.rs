//! Groups: what their titles say about number, order, priority and state.

use std::collections::BTreeSet;

use super::assemble::ancestors;
use super::facts::Facts;
use super::lines::number;
use super::phases;
use super::titles;
use super::types::Group;
use super::types::Plan;
use super::words;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;
use crate::model::task::HeldReason;

/// The name of a group in front of ids that start again in each.
pub(crate) fn group_code(group: &Group) -> String {
    match phases::phase_number(&group.title) {
        Some((word, number)) => titles::id_of(&format!("{word} {number}")),
        None => titles::id_of(&group.title),
    }
}

/// A name for the group of each of some tasks: of the phase they are in, where that tells them apart, and else
/// that of the group right around them.
pub(crate) fn codes_apart(plan: &Plan, tasks: &[usize]) -> Vec<String> {
    let group_of = |task: &usize| plan.tasks[*task].group;
    let code = |group: usize| group_code(&plan.groups[group]);
    let is_phase = |group: &usize| phases::phase_number(&plan.groups[*group].title).is_some();
    let phase_of = |task: &usize| ancestors(&plan.groups, group_of(task)).find(is_phase);
    let phases: Option<Vec<String>> = tasks.iter().map(|task| phase_of(task).map(code)).collect();
    let apart = |codes: &Vec<String>| codes.iter().collect::<BTreeSet<_>>().len() == codes.len();
    if let Some(phases) = phases.filter(apart) {
        return phases;
    }
    // `Tasks` below each of several headings: the next ones around them.
    let mut around: Vec<Option<usize>> = tasks.iter().map(group_of).collect();
    loop {
        let codes: Option<Vec<String>> = around.iter().map(|group| group.map(code)).collect();
        match codes {
            Some(codes) if apart(&codes) => return codes,
            Some(_) => {}
            None => return tasks.iter().map(|task| group_of(task).map_or_else(String::new, code)).collect(),
        }
        for group in &mut around {
            *group = group.and_then(|group| plan.groups[group].parent);
        }
    }
}

/// So many reasons hold a task as well as all of them.
const FEW: usize = 5;

/// What a group waits for and the plan does not have holds all of its tasks that are still to be done.
pub(crate) fn hold_members(plan: &mut Plan) {
    let groups = &plan.groups;
    if groups.iter().all(|group| group.missing.is_empty()) {
        return;
    }
    for task in plan.tasks.iter_mut().filter(|task| !task.status.is_met()) {
        for group in ancestors(groups, task.group) {
            for name in groups[group].missing.iter().take(FEW) {
                let reason = HeldReason::MissingDependency(name.clone());
                if !task.held.contains(&reason) {
                    task.held.push(reason);
                }
            }
        }
    }
}

/// Makes a group of its title as written and its fields.
pub(crate) fn group(raw: &str, line: usize, parent: Option<usize>, fact: &Facts) -> Group {
    let read = titles::read(raw);
    let title = titles::clean(raw);
    let lower = title.to_lowercase();
    let inside =
        |word: &str| lower.split(['(', '（']).skip(1).any(|inner| words::begins_with(inner.trim(), word));
    let parallel = fact.parallel.or_else(|| {
        if inside("parallel") {
            Some(true)
        } else if inside("sequential") {
            Some(false)
        } else {
            None
        }
    });
    let limit = lower
        .split(['(', '（'])
        .skip(1)
        .find(|inner| words::begins_with(inner.trim(), "parallel"))
        .and_then(|inner| inner.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty()))
        .and_then(|digits| digits.parse().ok());
    let mut defaults = fact.defaults.clone();
    let mut origins = fact.origins.clone();
    if let Some(priority) = tier(&title).filter(|_| defaults.priority.is_none()) {
        defaults.priority = Some(priority);
        origins.push(FieldOrigin {
            field: TaskField::Priority,
            value: format!("P{priority}"),
            from: FieldFrom::Group,
            by: None,
            line: Some(number(line)),
        });
    }
    let name = phases::phase_number(&title).map(|(_, number)| number).or_else(|| {
        let digits: String = title.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let digits = digits.trim_end_matches('.').trim_end_matches(".0").to_owned();
        (!digits.is_empty()).then_some(digits)
    });
    let text = if read.text.is_empty() { title } else { read.text };
    Group {
        number: name,
        title: titles::short(&text, 200),
        context: String::new(),
        file: None,
        line: number(line),
        parent,
        parallel,
        limit,
        gate: fact.gate.clone(),
        status: fact.status.or(read.status),
        depends_on: Vec::new(),
        states_dependencies: false,
        missing: Vec::new(),
        defaults,
        origins,
    }
}

/// The priority that a tier's title carries: `Immediate (P0)`, `P1 — next`, `High Priority`.
fn tier(title: &str) -> Option<u8> {
    for word in title.split(|c: char| !c.is_alphanumeric()) {
        let mut letters = word.chars();
        if letters.next() == Some('P')
            && let Some(digit) = letters.next().and_then(|c| c.to_digit(10))
            && letters.next().is_none()
        {
            return u8::try_from(digit).ok();
        }
    }
    let lower = title.to_lowercase();
    ["critical priority", "high priority", "medium priority", "low priority"]
        .iter()
        .find(|words| lower.contains(**words))
        .and_then(|words| words::priority(words))
}
