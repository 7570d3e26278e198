//! Phases, waves, sprints and the like: how they are known, and when they are tasks themselves.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::fields;
use super::found::Found;
use super::found::Holder;
use super::found::Source;
use super::found::heading_task;
use super::found::item_task;
use super::names;
use super::names::Shape;
use super::outline::Heading;
use super::outline::Item;
use super::outline::Outline;
use super::titles;
use super::words;

/// A phase whose number is longer than this, in bytes, is not looked for by its name.
const LONGEST_NUMBER: usize = 48;

/// Whether a heading is a phase: the word, then a number or letter.
pub(crate) fn phase_number(title: &str) -> Option<(&'static str, String)> {
    let bare = words::without_number(title);
    for word in ["Phase", "Wave", "Sprint", "Stage", "Milestone", "Chunk", "Tier", "Fáze", "Etapa", "Vlna"] {
        if words::begins_with(bare, &word.to_lowercase()) {
            let rest = bare.get(word.len()..).unwrap_or("").trim_start_matches([' ', '-', '#']);
            let number: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '.').collect();
            let number = number.trim_end_matches('.').to_owned();
            let short = number.chars().count() <= 2 || number.starts_with(|c: char| c.is_ascii_digit());
            return (!number.is_empty() && short).then_some((word, number));
        }
    }
    None
}

/// Whether a phase says of itself that all others wait for it.
pub(crate) fn is_first_of_all(text: &str) -> bool {
    let lower = titles::clean(text).to_lowercase();
    [
        "everything else depends on",
        "all other phases depend on",
        "all phases depend on",
        "all agents depend on",
        "all other agents depend on",
    ]
    .iter()
    .any(|words| lower.contains(words))
}

/// Whether the tasks are phases by their numbers: `Phase 2` is then the task `2`.
pub(crate) fn are_tasks(outline: &Outline<'_>, tasks: &[Found]) -> bool {
    let is_phase = |task: &Found| {
        let text = match task.source {
            Source::Item(item) => outline.lines.text.get(outline.items[item].text.clone()),
            Source::Heading(heading) => Some(outline.headings[heading].title.as_str()),
            Source::None => None,
        };
        task.id.is_some() && text.is_some_and(|text| phase_number(text).is_some())
    };
    !tasks.is_empty() && tasks.iter().all(is_phase)
}

/// Phases by what they are called, where they have a section of their own.
fn sections(outline: &Outline<'_>) -> BTreeMap<(&'static str, String), usize> {
    let headings = outline.headings.iter().enumerate();
    let named = headings.filter(|(_, heading)| !heading.closed && heading.level > 1);
    named.filter_map(|(index, heading)| Some((phase_number(&heading.title)?, index))).collect()
}

/// The phase that a box names and that has a section elsewhere: `- [x] Phase 1: Setup`.
fn listed(
    outline: &Outline<'_>,
    sections: &BTreeMap<(&'static str, String), usize>,
    item: &Item,
) -> Option<usize> {
    let text = outline.lines.text.get(item.text.clone())?;
    let heading = *sections.get(&phase_number(text)?)?;
    let section = &outline.headings[heading];
    (item.mark.is_some() && !(section.line..section.end).contains(&item.line)).then_some(heading)
}

/// A list of phases whose sections stand elsewhere: where a section holds tasks, the box in the list is no further
/// one; where it holds none, the two are one task.
pub(crate) fn join_listed(outline: &Outline<'_>, tasks: &mut Vec<Found>) {
    let sections = sections(outline);
    if sections.is_empty() {
        return;
    }
    let lines: Vec<usize> = tasks.iter().map(|task| task.line).collect();
    let holds_tasks = |section: &Heading| {
        let first = lines.partition_point(|line| *line < section.line);
        lines.get(first).is_some_and(|line| *line < section.end)
    };
    let before = tasks.len();
    tasks.retain_mut(|task| {
        let Source::Item(item) = task.source else { return true };
        let Some(index) = listed(outline, &sections, &outline.items[item]) else { return true };
        let section = &outline.headings[index];
        if holds_tasks(section) {
            return false;
        }
        task.body = section.after..section.end;
        task.fields = section.after..section.own_end;
        task.source = Source::Heading(index);
        true
    });
    if tasks.len() == before {
        return;
    }
    // Beside phases that are groups, one that is a task stands where its section does.
    for task in tasks.iter_mut() {
        if let Source::Heading(index) = task.source {
            task.line = outline.headings[index].line;
            task.holder = outline.headings[index].parent.map(Holder::Heading);
        }
    }
    tasks.sort_by_key(|task| task.line);
}

/// The boxes of lists of phases that have sections elsewhere, by their lines.
pub(crate) fn boxes_of_lists(outline: &Outline<'_>) -> BTreeMap<usize, &'static str> {
    let sections = sections(outline);
    if sections.is_empty() {
        return BTreeMap::new();
    }
    let items = outline.items.iter().filter(|item| listed(outline, &sections, item).is_some());
    items.map(|item| (item.line, "says how far a phase is")).collect()
}

/// A phase that holds no task and that tasks depend on is itself one.
pub(crate) fn add_needed(outline: &Outline<'_>, tasks: &mut Vec<Found>) {
    let mut lines: Vec<usize> = tasks.iter().map(|task| task.line).collect();
    lines.sort_unstable();
    let mut empty: BTreeMap<String, usize> = BTreeMap::new();
    for (index, heading) in outline.headings.iter().enumerate() {
        let first = lines.partition_point(|line| *line < heading.line);
        let holds = lines.get(first).is_some_and(|line| *line < heading.end);
        if !holds
            && !heading.closed
            && let Some((word, number)) = phase_number(&heading.title)
            && number.len() <= LONGEST_NUMBER
        {
            empty.insert(format!("{word} {number}").to_lowercase(), index);
        }
    }
    if empty.is_empty() {
        return;
    }
    let mut needed: BTreeSet<usize> = empty
        .values()
        .copied()
        .filter(|heading| {
            let heading = &outline.headings[*heading];
            is_first_of_all(outline.lines.slice(heading.after, heading.own_end))
        })
        .collect();
    for task in tasks.iter() {
        let owner = match task.source {
            Source::Item(item) => Some(item),
            Source::Heading(_) | Source::None => None,
        };
        for field in fields::read(outline, task.fields.clone(), owner) {
            if field.key == fields::Key::DependsOn {
                let value = outline.lines.text.get(field.value.clone()).unwrap_or("");
                needed.extend(beginnings(value).iter().filter_map(|name| empty.get(name)));
            }
        }
    }
    for heading in needed {
        let mut task = heading_task(outline, heading, None);
        let text = &outline.headings[heading].title;
        let title = text.split_once([':', '—', '–']).map_or(text.as_str(), |(_, rest)| rest.trim());
        task.title = titles::read(title.split(['(', '（']).next().unwrap_or(title));
        task.holder = Some(Holder::Heading(heading));
        tasks.push(task);
    }
    tasks.sort_by_key(|task| task.line);
}

/// All that a text may be said to begin with, in lower case, as far as a phase's name may go.
fn beginnings(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut begun = String::new();
    let mut letters = text.chars().flat_map(char::to_lowercase).take(LONGEST_NUMBER + 16).peekable();
    while let Some(letter) = letters.next() {
        begun.push(letter);
        // Scripts without spaces put no boundary after a word.
        if (letter as u32) >= 0x2e80 || letters.peek().is_none_or(|next| !next.is_alphanumeric()) {
            all.push(begun.clone());
        }
    }
    all
}

/// Phases without boxes: the numbered items below them, or the phases themselves.
pub(crate) fn read(outline: &Outline<'_>) -> Vec<Found> {
    let mut tasks = Vec::new();
    let phase_headings: Vec<usize> = (0..outline.headings.len())
        .filter(|heading| {
            phase_number(&outline.headings[*heading].title).is_some() && !outline.headings[*heading].closed
        })
        .collect();
    let mut item = 0;
    for index in phase_headings {
        let heading = &outline.headings[index];
        let parts = outline.headings.get(index + 1).is_some_and(|next| next.parent == Some(index));
        let before = tasks.len();
        item = item.max(outline.items.partition_point(|item| item.line < heading.line));
        while let Some(found) = outline.items.get(item).filter(|found| found.line < heading.own_end) {
            if found.ordinal.is_some() && found.parent.is_none() && !found.closed_label {
                tasks.push(item_task(outline, item, None));
            }
            item += 1;
        }
        if tasks.len() > before {
            continue;
        }
        if parts {
            of_parts(outline, index, &mut tasks);
        } else {
            tasks.push(heading_task(outline, index, None));
        }
    }
    // Beside phases that hold tasks, one that is a task comes in its turn, too.
    let is_phase = |task: &Found| match task.source {
        Source::Heading(heading) => phase_number(&outline.headings[heading].title).map(|_| heading),
        Source::Item(_) | Source::None => None,
    };
    if tasks.iter().any(|task| is_phase(task).is_none()) {
        for task in &mut tasks {
            if let Some(phase) = is_phase(task) {
                task.holder = Some(Holder::Heading(phase));
            }
        }
    }
    tasks
}

/// A phase whose text stands below headings of its own: those with numbers such as `1.2` are its tasks, and where
/// there are none, the phase is one. A phase of phases is neither.
fn of_parts(outline: &Outline<'_>, phase: usize, tasks: &mut Vec<Found>) {
    let end = outline.headings[phase].end;
    let below =
        || (phase + 1..outline.headings.len()).take_while(|heading| outline.headings[*heading].line < end);
    if below().any(|heading| phase_number(&outline.headings[heading].title).is_some()) {
        return;
    }
    let before = tasks.len();
    for heading in below().filter(|heading| {
        let heading = &outline.headings[*heading];
        heading.parent == Some(phase) && !heading.closed
    }) {
        let found = &outline.headings[heading];
        let text = outline.lines.text.get(found.text.clone()).unwrap_or("");
        if let Some(written) =
            names::written(text).filter(|written| matches!(written.shape, Shape::Number(2)))
        {
            tasks.push(heading_task(outline, heading, Some((written.id, written.after))));
        }
    }
    if tasks.len() == before {
        tasks.push(heading_task(outline, phase, None));
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::plan;

    fn found(text: &str) -> Vec<(String, String)> {
        plan(text).tasks.iter().map(|task| (task.id.to_string(), task.title.clone())).collect()
    }

    #[test]
    fn a_phase_with_headings_of_its_own_is_not_lost() {
        let text = "## Phase 1: Ground\n\n#### 1.1 Add the key\n\ntext\n\n#### 1.2 Hide it\n\n## Phase 2: House\n\ntext\n\n\
             ## Phase 3: Roof\n\n### Why\n\n### How\n\n## Phase 4: Garden\n\n1. Dig\n2. Plant\n";
        let order: Vec<String> =
            plan(text).edges.iter().map(|edge| format!("{}>{}", edge.from, edge.to)).collect();
        assert_eq!(
            order,
            ["1.1>1.2", "1.2>phase-2-house", "phase-2-house>phase-3-roof", "phase-3-roof>dig", "dig>plant"]
        );
        let tasks = found(text);
        let ids: Vec<&str> = tasks.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["1.1", "1.2", "phase-2-house", "phase-3-roof", "dig", "plant"]);
        assert_eq!(tasks[0].1, "Add the key");
    }

    #[test]
    fn a_phase_of_phases_is_none() {
        let ids: Vec<String> = found("## Phase 1: A\n\n### Sprint 1: a\n\n### Sprint 2: b\n")
            .into_iter()
            .map(|(id, _)| id)
            .collect();
        assert_eq!(ids, ["sprint-1-a", "sprint-2-b"]);
    }

    #[test]
    fn signs_before_numbered_items_are_states() {
        let plan = plan("## Fáze 1: Server\n\n1. ✅ Zřídit účet\n2. 🔄 Nasadit\n3. Ověřit\n");
        let states: Vec<&str> = plan.tasks.iter().map(|task| task.status.as_str()).collect();
        assert_eq!(states, ["done", "in_progress", "open"]);
    }
}
