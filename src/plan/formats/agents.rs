//! Agent sections: `### Agent 1: Core services` is a piece of work, and a phase or a table may say what waits.
//!
//! A phase that says of itself that everything else depends on it is what the other phases wait for. A table
//! of `Agent` and `Dependencies` is joined with the sections by name; who may run beside whom is advice.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::plan::lines::number;
use crate::plan::names;
use crate::plan::outline::Outline;
use crate::plan::phases;
use crate::plan::references;
use crate::plan::tables;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Plan;
use crate::plan::words;

/// The most edges that the word "all" makes in the tables of a plan.
const MOST_EDGES: usize = 100_000;

/// Adds what phases and the table say, if the tasks are agent sections.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    let by_line = super::headings_by_line(outline);
    let sections: BTreeSet<usize> = (0..plan.tasks.len())
        .filter(|task| {
            by_line.get(&plan.tasks[*task].line).is_some_and(|heading| {
                words::begins_with(words::without_number(&outline.headings[*heading].title), "agent")
                    || outline.headings[*heading].title.to_lowercase().ends_with(" agent")
            })
        })
        .collect();
    if sections.is_empty() {
        return;
    }
    first_phases(outline, plan, &by_line);
    matrix(outline, plan, &sections);
}

/// The phase after one of which everything else depends.
fn first_phases(outline: &Outline<'_>, plan: &mut Plan, by_line: &BTreeMap<u32, usize>) {
    let mut first: Option<usize> = None;
    for group in 0..plan.groups.len() {
        if plan.groups[group].parent.is_some() || phases::phase_number(&plan.groups[group].title).is_none() {
            continue;
        }
        // Only the next one says less than the barrier does; those after it wait for it, too.
        if let Some(first) = first.take()
            && !plan.groups[group].states_dependencies
        {
            plan.groups[group].depends_on = vec![Dependency::Group(first)];
            plan.groups[group].states_dependencies = true;
        }
        let Some(heading) = by_line.get(&plan.groups[group].line).map(|index| &outline.headings[*index])
        else {
            continue;
        };
        if phases::is_first_of_all(outline.lines.slice(heading.after, heading.own_end)) {
            first = Some(group);
        }
    }
}

/// The table of who waits for whom.
fn matrix(outline: &Outline<'_>, plan: &mut Plan, sections: &BTreeSet<usize>) {
    let mut by_name: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for task in sections.iter().copied() {
        let made = &plan.tasks[task];
        for name in [made.title.clone(), format!("agent {}", made.id), made.id.to_string()] {
            by_name
                .entry(folded(&name))
                .and_modify(|known| *known = known.filter(|known| *known == task))
                .or_insert(Some(task));
        }
    }
    // "All" in many rows would be many times many edges.
    let mut left = MOST_EDGES;
    let find = |name: &str| by_name.get(&folded(name)).copied().flatten();
    for table in outline.blocks.tables.clone() {
        let text = |cell: &std::ops::Range<usize>| titles::clean(&outline.lines.text[cell.clone()]);
        let header: Vec<String> =
            tables::cells(outline, table.start).iter().map(|cell| text(cell).to_lowercase()).collect();
        let column = |names: &[&str]| header.iter().position(|name| names.contains(&name.as_str()));
        let (Some(name), Some(value)) =
            (column(&["agent"]), column(&["dependencies", "depends on", "blocked by", "dependency"]))
        else {
            continue;
        };
        for line in (table.start + 2).min(table.end)..table.end {
            let row = tables::cells(outline, line);
            let (Some(who), Some(stated)) = (row.get(name), row.get(value)) else { continue };
            let Some(task) = find(&text(who)) else { continue };
            let stated = text(stated);
            let mut edges: Vec<Dependency> = Vec::new();
            if !references::is_none(&stated) {
                for (part, _) in references::split(&stated) {
                    if words::begins_with(part, "all") && sections.len() <= left {
                        left -= sections.len();
                        edges.extend(
                            sections
                                .iter()
                                .filter(|other| **other != task)
                                .map(|other| Dependency::Task(*other)),
                        );
                    } else if let Some(other) =
                        find(part).or_else(|| find(part.split(['(', '（']).next().unwrap_or("")))
                    {
                        edges.push(Dependency::Task(other));
                    } else {
                        plan.diagnostics.push(
                            Diagnostic::warning(
                                "free-text-dependency",
                                Place::line(number(line)),
                                format!(
                                    "task `{}` depends on `{}`, which names no agent of the plan: it does not wait for it",
                                    plan.tasks[task].id,
                                    titles::short(part, 60)
                                ),
                            )
                            .hint("name the section of an agent as its heading does"),
                        );
                    }
                }
            }
            let made = &mut plan.tasks[task];
            if made.states_dependencies {
                continue;
            }
            edges.sort_unstable();
            edges.dedup();
            made.depends_on = edges;
            made.states_dependencies = true;
        }
    }
}

/// A name as it is compared: without the word "agent" at its end.
fn folded(name: &str) -> String {
    let lower = titles::clean(name).to_lowercase();
    let bare = lower.split(['(', '（']).next().unwrap_or("").trim();
    names::folded(bare.strip_suffix(" agent").unwrap_or(bare))
}
