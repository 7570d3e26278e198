//! Order that a plan speaks of without stating it: sentences, lists, arrows, diagrams.
//!
//! All of it is advice. It is found, and compared with the edges that are used; it makes none. Text and
//! pictures leave things out and grow old, and what a plan states in its fields outranks them. Only the
//! arrows of Mermaid graphs become edges, and only where that was asked for ([`use_diagrams`]).
//!
//! Lines without any word or sign about order are not looked at, and what is found is bounded, so that a
//! hostile text costs no more than reading it.

mod diagram;
mod names;
mod prose;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use names::Names;
pub(crate) use prose::WORDS;

use super::assemble::ancestors;
use super::lines::number;
use super::outline::Outline;
use super::reader;
use super::types::Dependency;
use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::Advice;
use crate::model::check::AdviceForm;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::Stance;
use crate::model::check::TaskField;
use crate::model::ids::TaskId;

/// The most pieces of advice that are kept.
const MOST: usize = 500;

/// The most edges that are walked to compare all advice with them.
const MOST_STEPS: usize = 20_000_000;

/// The most contradictions that are told one by one.
const MOST_TOLD: usize = 3;

/// A pair before it is compared: the second is to come after the first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    line: usize,
    form: AdviceForm,
    first: Dependency,
    then: Dependency,
}

/// Lets tasks wait for what arrows of Mermaid graphs put before them. A task that an arrow points at states
/// its dependencies by it.
pub(crate) fn use_diagrams(outline: &Outline<'_>, plan: &mut Plan) {
    let names = Names::new(plan);
    let mut seen = BTreeSet::new();
    for pair in diagram::read(outline, &names).into_iter().filter(|pair| pair.form == AdviceForm::Mermaid) {
        let (Dependency::Task(first), Dependency::Task(then)) = (pair.first, pair.then) else { continue };
        if first == then || !seen.insert((first, then)) {
            continue;
        }
        let value = plan.tasks[first].id.to_string();
        let task = &mut plan.tasks[then];
        task.states_dependencies = true;
        task.depends_on.push(Dependency::Task(first));
        task.origins.push(FieldOrigin {
            field: TaskField::DependsOn,
            value,
            from: FieldFrom::Diagram,
            by: None,
            line: Some(number(pair.line)),
        });
    }
    for task in &mut plan.tasks {
        task.depends_on.sort_unstable();
        task.depends_on.dedup();
    }
}

/// Finds the advice of a plan and compares it with its edges, which have been drawn. `bodies` are the lines
/// of the tasks: first, end, and which task.
pub(crate) fn read(
    outline: &Outline<'_>,
    plan: &mut Plan,
    bodies: &[(usize, usize, usize)],
    candidates: &[usize],
) {
    let has_diagrams = outline.blocks.fences.iter().any(|fence| diagram::is_mermaid(&fence.info));
    if (candidates.is_empty() && !has_diagrams) || plan.tasks.is_empty() {
        return;
    }
    let names = Names::new(plan);
    let mut pairs = diagram::read(outline, &names);
    pairs.extend(prose::read(outline, plan, &names, candidates, bodies));
    // What stands in a group comes neither before nor after it.
    let holds = |outer: Dependency, inner: Dependency| match (outer, inner) {
        (Dependency::Group(outer), Dependency::Task(task)) => {
            ancestors(&plan.groups, plan.tasks[task].group).any(|group| group == outer)
        }
        (Dependency::Group(outer), Dependency::Group(inner)) => {
            ancestors(&plan.groups, Some(inner)).any(|group| group == outer)
        }
        (Dependency::Task(outer), Dependency::Task(inner)) => outer == inner,
        (Dependency::Task(_), Dependency::Group(_)) => false,
    };
    pairs.retain(|pair| !holds(pair.first, pair.then) && !holds(pair.then, pair.first));
    pairs.sort_by_key(|pair| pair.line);
    let mut seen = BTreeSet::new();
    pairs.retain(|pair| seen.insert((pair.first, pair.then, pair.form)));
    pairs.truncate(MOST);
    // What the advice is held against.
    reader::edges(plan);
    let mut edges = Edges::new(plan);
    let mut advice = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let Some(stance) = edges.stance(plan, pair.first, pair.then) else { break };
        advice.push(Advice {
            file: None,
            line: number(pair.line),
            form: pair.form,
            first: name(plan, pair.first),
            then: name(plan, pair.then),
            stance,
        });
    }
    tell(plan, &advice);
    plan.advice = advice;
}

/// How a task or group is called.
fn name(plan: &Plan, of: Dependency) -> String {
    match of {
        Dependency::Task(task) => plan.tasks[task].id.to_string(),
        Dependency::Group(group) => {
            let title = &plan.groups[group].title;
            match super::phases::phase_number(title) {
                Some((word, number)) => format!("{word} {number}"),
                None => super::titles::short(title, 40),
            }
        }
    }
}

/// Says where the text and the edges differ.
fn tell(plan: &mut Plan, advice: &[Advice]) {
    let with = |stance: Stance| advice.iter().filter(move |advice| advice.stance == stance);
    let ask = "--explain shows all of it; what is to count is written as `Depends on`";
    let against = with(Stance::Contradicts).count();
    for advice in with(Stance::Contradicts).take(MOST_TOLD) {
        let message = format!(
            "the text puts `{}` before `{}`, and the edges have it the other way round",
            advice.first, advice.then
        );
        plan.diagnostics
            .push(Diagnostic::warning("prose-order", Place::line(advice.line), message).hint(ask));
    }
    if against > MOST_TOLD {
        let message = format!("the text has {} more orders against the edges", against - MOST_TOLD);
        plan.diagnostics.push(Diagnostic::warning("prose-order", Place::WHOLE, message).hint(ask));
    }
    if let Some(first) = with(Stance::Silent).next() {
        let silent = with(Stance::Silent).count();
        let more = if silent > 1 { format!(", and {} more like it", silent - 1) } else { String::new() };
        let message = format!(
            "the text puts `{}` before `{}`{more}: it is advice, and no edge says so",
            first.first, first.then
        );
        let hint = if with(Stance::Silent).any(|advice| advice.form == AdviceForm::Mermaid) {
            "--use-diagrams takes the arrows of Mermaid graphs as dependencies"
        } else {
            ask
        };
        plan.diagnostics.push(Diagnostic::note("prose-order", Place::line(first.line), message).hint(hint));
    }
}

/// The edges that are used, to be walked.
struct Edges {
    after: Vec<Vec<usize>>,
    members: Vec<Vec<usize>>,
    /// How many steps are left.
    left: usize,
}

impl Edges {
    fn new(plan: &Plan) -> Self {
        let places: BTreeMap<&TaskId, usize> =
            plan.tasks.iter().enumerate().map(|(task, found)| (&found.id, task)).collect();
        let mut after = vec![Vec::new(); plan.tasks.len()];
        for edge in &plan.edges {
            if let (Some(from), Some(to)) = (places.get(&edge.from), places.get(&edge.to)) {
                after[*from].push(*to);
            }
        }
        let mut members = vec![Vec::new(); plan.groups.len()];
        for (task, found) in plan.tasks.iter().enumerate().filter(|(_, found)| !found.status.is_met()) {
            for group in ancestors(&plan.groups, found.group) {
                members[group].push(task);
            }
        }
        Self { after, members, left: MOST_STEPS }
    }

    fn live(&self, plan: &Plan, of: Dependency) -> Vec<usize> {
        match of {
            Dependency::Task(task) if plan.tasks[task].status.is_met() => Vec::new(),
            Dependency::Task(task) => vec![task],
            Dependency::Group(group) => self.members[group].clone(),
        }
    }

    /// What the edges say; none: there is no more time to find it out.
    fn stance(&mut self, plan: &Plan, first: Dependency, then: Dependency) -> Option<Stance> {
        let (first, then) = (self.live(plan, first), self.live(plan, then));
        if first.is_empty() || then.is_empty() {
            return Some(Stance::Past);
        }
        let forward = self.reached(&first)?;
        if then.iter().all(|task| forward.contains(task)) {
            return Some(Stance::Agrees);
        }
        let backward = self.reached(&then)?;
        let against = first.iter().any(|task| backward.contains(task) && !then.contains(task));
        Some(if against { Stance::Contradicts } else { Stance::Silent })
    }

    /// All that comes after any of these.
    fn reached(&mut self, from: &[usize]) -> Option<BTreeSet<usize>> {
        let mut reached = BTreeSet::new();
        let mut open = from.to_vec();
        while let Some(task) = open.pop() {
            self.left = self.left.checked_sub(self.after[task].len() + 1)?;
            for next in &self.after[task] {
                if reached.insert(*next) {
                    open.push(*next);
                }
            }
        }
        Some(reached)
    }
}

#[cfg(test)]
mod tests;
