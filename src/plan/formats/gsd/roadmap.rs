//! The roadmap of GSD: a list of phases with a box each, and a section on each phase.
//!
//! A phase is a task, and its box says how far it is. What its section says is its body: what it waits for,
//! and the list of its plans, which are files of their own. A section without a box in the list is a phase that
//! was put in later, and a task as well.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::plan::found::Found;
use crate::plan::found::Source;
use crate::plan::found::heading_task;
use crate::plan::found::item_task;
use crate::plan::outline::Outline;
use crate::plan::phases;
use crate::plan::titles;
use crate::plan::titles::Title;

/// The phases, if there is a list of them.
pub(super) fn tasks(outline: &Outline<'_>) -> Vec<Found> {
    let sections: BTreeMap<String, usize> = outline
        .headings
        .iter()
        .enumerate()
        .filter(|(_, heading)| heading.level > 1 && !heading.closed)
        .filter_map(|(index, heading)| Some((number(&heading.title)?, index)))
        .collect();
    let mut listed: BTreeSet<String> = BTreeSet::new();
    let mut tasks: Vec<Found> = Vec::new();
    for (index, item) in outline.items.iter().enumerate() {
        let text = outline.lines.text.get(item.text.clone()).unwrap_or("");
        let Some(number) = item.mark.and_then(|_| number(text)) else { continue };
        let section = sections.get(&number).map(|heading| (*heading, &outline.headings[*heading]));
        let inside = section.is_some_and(|(_, section)| (section.line..section.end).contains(&item.line));
        if inside || !listed.insert(number.clone()) {
            continue;
        }
        let mut task = item_task(outline, index, None);
        task.title = title(&outline.paragraph(item), &number);
        task.id = Some(number);
        task.ordered = true;
        if let Some((heading, section)) = section {
            task.body = section.after..section.end;
            task.fields = section.after..section.own_end;
            task.source = Source::Heading(heading);
        }
        tasks.push(task);
    }
    let Some(holder) = tasks.last().map(|task| task.holder) else { return tasks };
    for (number, heading) in sections.into_iter().filter(|(number, _)| !listed.contains(number)) {
        let mut task = heading_task(outline, heading, None);
        task.title = title(&outline.headings[heading].title, &number);
        task.id = Some(number);
        task.holder = holder;
        tasks.push(task);
    }
    tasks.sort_by_key(|task| task.line);
    tasks
}

/// The number of a phase, by its title.
fn number(title: &str) -> Option<String> {
    match phases::phase_number(title) {
        Some(("Phase", number)) => Some(number),
        Some(_) | None => None,
    }
}

/// What stands after `Phase 1:`.
fn title(text: &str, number: &str) -> Title {
    let clean = titles::clean(text);
    let rest = clean.split_once(number).map_or("", |(_, rest)| rest);
    let rest = rest.trim_start_matches([':', '：', '.', '-', '—', '–', ' ']);
    titles::read(if rest.is_empty() { &clean } else { rest })
}
