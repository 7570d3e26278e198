//! Kiro and cc-sdd: one task after another, parent after parent, unless waves in JSON say it all.
//!
//! Waves stand in a `json` fence below a heading with "Dependency Graph", and replace all other order of
//! the tasks that they name; one that they leave out keeps its place behind all that stands before it.
//! `_Depends:_` names only what is not obvious: it adds to the order, and never replaces it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::plan::blocks::LineKind;
use crate::plan::lines::number;
use crate::plan::names;
use crate::plan::outline::Outline;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Plan;

/// The most edges between two waves before one task stands for the others of its wave.
const PAIRS: usize = 4_096;

/// Applies all that the format says beside the rules for any Markdown.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    for task in &mut plan.tasks {
        task.ordered = true;
        task.states_dependencies = false;
    }
    for group in &mut plan.groups {
        group.states_dependencies = false;
    }
    properties(outline, plan);
    if let Some((line, waves)) = waves(outline, plan) {
        apply(plan, line, &waves);
    }
}

/// A wave: its names, its tasks, and what it says it waits for.
struct Wave {
    name: Option<String>,
    tasks: Vec<usize>,
    after: Option<Vec<String>>,
}

/// The waves of the plan with the line of their fence, names of tasks resolved.
fn waves(outline: &Outline<'_>, plan: &mut Plan) -> Option<(usize, Vec<Wave>)> {
    let fence = outline.blocks.fences.iter().find(|fence| {
        let json = fence.info.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("json"));
        let mut heading = outline.heading_above(fence.line);
        let mut below = false;
        while let Some(index) = heading.filter(|_| json && !below) {
            below = outline.headings[index].title.to_lowercase().contains("dependency graph");
            heading = outline.headings[index].parent;
        }
        below
    })?;
    let text = outline.lines.slice(fence.inside.start, fence.inside.end);
    let warn = |plan: &mut Plan, message: String| {
        let place = Place::line(number(fence.line));
        plan.diagnostics.push(
            Diagnostic::warning("waves", place, message)
                .hint("the order of the file is used where waves do not say"),
        );
    };
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            warn(plan, format!("the waves are no JSON: {error}"));
            return None;
        }
    };
    let list = value.get("waves").unwrap_or(&value).as_array()?;
    let mut by_id: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, task) in plan.tasks.iter().enumerate() {
        if let Some(number) = task.group.and_then(|group| plan.groups[group].number.as_deref()) {
            by_id.entry(names::folded(number)).or_default().push(index);
        }
    }
    for (index, task) in plan.tasks.iter().enumerate() {
        by_id.insert(names::folded(task.id.as_str()), vec![index]);
    }
    let mut taken = vec![false; plan.tasks.len()];
    let mut unknown: Vec<String> = Vec::new();
    let mut waves = Vec::new();
    for wave in list {
        let ids = wave.get("tasks").unwrap_or(wave).as_array().map_or(&[][..], Vec::as_slice);
        let mut tasks = Vec::new();
        for id in ids.iter().map(|id| id.get("id").unwrap_or(id)).filter_map(name_of) {
            match by_id.get(&names::folded(&bare(&id))) {
                Some(found) => {
                    for task in found {
                        if !std::mem::replace(&mut taken[*task], true) {
                            tasks.push(*task);
                        }
                    }
                }
                None => unknown.push(id),
            }
        }
        let name = wave.get("id").or_else(|| wave.get("wave")).and_then(name_of);
        let after = wave.get("depends_on").or_else(|| wave.get("dependsOn"));
        let after = after.and_then(Value::as_array).map(|list| list.iter().filter_map(name_of).collect());
        waves.push(Wave { name, tasks, after });
    }
    if !unknown.is_empty() {
        let names: Vec<String> =
            unknown.iter().take(12).map(|id| format!("`{}`", titles::short(id, 40))).collect();
        warn(plan, format!("the waves name tasks that the plan does not have: {}", names.join(", ")));
    }
    (waves.iter().any(|wave| !wave.tasks.is_empty())).then_some((fence.line, waves))
}

/// A text, or a number as a text.
fn name_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An id without "Task" before it and `*` behind it.
fn bare(id: &str) -> String {
    let id = id.trim().trim_end_matches(['*', '.']);
    names::written(id).map_or_else(|| id.to_owned(), |written| written.id)
}

fn apply(plan: &mut Plan, line: usize, waves: &[Wave]) {
    let mut wave_of: Vec<Option<usize>> = vec![None; plan.tasks.len()];
    for (index, wave) in waves.iter().enumerate() {
        for task in &wave.tasks {
            wave_of[*task] = Some(index);
        }
    }
    let stated: Vec<Vec<Dependency>> =
        plan.tasks.iter_mut().map(|task| std::mem::take(&mut task.depends_on)).collect();
    let mut against = 0_usize;
    for (task, stated) in stated.into_iter().enumerate() {
        let kept = stated.into_iter().filter(|dependency| match (wave_of[task], *dependency) {
            (Some(own), Dependency::Task(first)) => {
                let contradicts = wave_of[first].is_some_and(|other| other >= own);
                against += usize::from(contradicts);
                wave_of[first].is_none()
            }
            (None, _) => true,
            (Some(_), Dependency::Group(_)) => false,
        });
        plan.tasks[task].depends_on = kept.collect();
    }
    if against > 0 {
        let message = format!("the waves contradict {against} dependencies of tasks: the waves count");
        plan.diagnostics.push(Diagnostic::warning("waves", Place::line(number(line)), message));
    }
    let named: BTreeMap<&str, usize> =
        waves.iter().enumerate().filter_map(|(index, wave)| Some((wave.name.as_deref()?, index))).collect();
    for (index, wave) in waves.iter().enumerate() {
        let before: Vec<usize> = match &wave.after {
            Some(after) => after
                .iter()
                .filter_map(|name| named.get(name.as_str()).copied())
                .filter(|w| *w < index)
                .collect(),
            None => waves[..index].iter().rposition(|wave| !wave.tasks.is_empty()).into_iter().collect(),
        };
        for before in before {
            join(plan, &waves[before].tasks, &wave.tasks);
        }
    }
    for group in &mut plan.groups {
        group.states_dependencies = true;
        group.depends_on.clear();
    }
    left_out(plan, &wave_of);
}

/// Lets all tasks of one wave wait for all of another; where that would be very many edges, the last of
/// the first wave stands for the others.
fn join(plan: &mut Plan, first: &[usize], next: &[usize]) {
    let Some(last) = first.last() else { return };
    let many = first.len() > 1 && first.len().saturating_mul(next.len()) > PAIRS;
    if many {
        let others = first[..first.len() - 1].iter().map(|task| Dependency::Task(*task));
        let known = &mut plan.tasks[*last].depends_on;
        known.extend(others);
        known.sort_unstable();
        known.dedup();
    }
    for task in next {
        let from = if many { std::slice::from_ref(last) } else { first };
        plan.tasks[*task].depends_on.extend(from.iter().map(|task| Dependency::Task(*task)));
    }
}

/// A task that no wave names waits for what stands before it, as without waves.
fn left_out(plan: &mut Plan, wave_of: &[Option<usize>]) {
    let mut waited_for = vec![false; plan.tasks.len()];
    for dependency in plan.tasks.iter().flat_map(|task| &task.depends_on) {
        if let Dependency::Task(task) = dependency {
            waited_for[*task] = true;
        }
    }
    let mut order: Vec<usize> = (0..plan.tasks.len()).collect();
    order.sort_by_key(|task| plan.tasks[*task].line);
    let mut before: Vec<usize> = Vec::new();
    for task in order {
        plan.tasks[task].states_dependencies = true;
        // What others wait for by name must not be made to wait for them.
        if wave_of[task].is_none() && !waited_for[task] {
            plan.implied.extend(before.drain(..).map(|first| (first, task)));
        }
        if !plan.tasks[task].optional {
            before.push(task);
        }
    }
}

/// `**Property 4: ...**` below a task is a criterion of it.
fn properties(outline: &Outline<'_>, plan: &mut Plan) {
    let mut tasks: Vec<usize> = (0..plan.tasks.len()).collect();
    tasks.sort_by_key(|task| plan.tasks[*task].line);
    let lines: Vec<u32> = tasks.iter().map(|task| plan.tasks[*task].line).collect();
    for item in &outline.items {
        let text = &outline.lines.text[item.text.clone()];
        if item.mark.is_some()
            || !text.starts_with("**Property ")
            || outline.kind(item.line) != LineKind::Text
        {
            continue;
        }
        let before = lines.partition_point(|line| *line <= number(item.line));
        let owner = before.checked_sub(1).map(|index| tasks[index]);
        let body = |task: usize| {
            let line = usize::try_from(plan.tasks[task].line).unwrap_or(1).saturating_sub(1);
            outline.item_at(line).is_some_and(|owner| item.line < outline.items[owner].end)
        };
        if let Some(task) = owner.filter(|task| body(*task)) {
            plan.tasks[task].acceptance.push(titles::clean(&outline.paragraph(item)));
        }
    }
}
