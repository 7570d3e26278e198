//! Ito, `.ito/changes/*/tasks.md`: waves of tasks with fields, and checkpoints for people.
//!
//! Waves are barriers, as all groups are; inside a wave only what a task states counts. A task's box is
//! the one of its `Status` item, and that is the one that is ticked.

use crate::model::task::TaskKind;
use crate::plan::boxes;
use crate::plan::boxes::Mark;
use crate::plan::fields;
use crate::plan::fields::Key;
use crate::plan::found::Findings;
use crate::plan::found::Found;
use crate::plan::found::heading_task;
use crate::plan::names;
use crate::plan::names::Shape;
use crate::plan::names::Written;
use crate::plan::outline::Item;
use crate::plan::outline::Outline;
use crate::plan::titles;
use crate::plan::types::Plan;
use crate::plan::words;

/// The tasks: `### Task N.M: title` and `### Checkpoint: title`.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let tasks: Vec<Found> = headings(outline)
        .map(|(heading, id)| {
            let after = id.as_ref().map(|id| id.after);
            let mut task = heading_task(outline, heading, id.map(|id| (id.id, id.after)));
            if after.is_none() {
                task.title = titles::read(checkpoint_title(&outline.headings[heading].title));
            }
            task.mark = task.mark.or_else(|| status_item(outline, heading));
            task
        })
        .collect();
    (!tasks.is_empty()).then_some(Findings { tasks, rule: "tasks and checkpoints of waves" })
}

/// Checkpoints are for people; inside a wave nothing is implied.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    let by_line = super::headings_by_line(outline);
    for task in &mut plan.tasks {
        let heading = by_line.get(&task.line).copied();
        if heading.and_then(|heading| type_of(outline, heading)).is_some_and(|kind| is_for_a_person(&kind)) {
            task.kind = TaskKind::Gate;
        } else if heading.is_some_and(|heading| is_checkpoint(&outline.headings[heading].title)) {
            task.kind = TaskKind::Checkpoint;
        }
        task.states_dependencies = true;
    }
    // What stands under "Checkpoints" is no wave: each checkpoint says itself what it comes after.
    for group in &mut plan.groups {
        group.states_dependencies |= words::begins_with(words::without_number(&group.title), "checkpoints");
    }
}

/// The headings of tasks, with their ids, and of checkpoints.
fn headings<'o>(outline: &'o Outline<'_>) -> impl Iterator<Item = (usize, Option<Written>)> + 'o {
    outline.headings.iter().enumerate().filter(|(_, heading)| (2..=4).contains(&heading.level)).filter_map(
        |(index, heading)| {
            let start = outline.lines.start(heading.line);
            let visible = outline.visible(heading.line);
            let text = visible.get(heading.text.start - start..heading.text.end - start)?;
            let task = names::WORDS.iter().position(|word| *word == "task");
            match names::written(text).filter(|written| written.ends) {
                Some(written) if matches!(written.shape, Shape::Word(word) if Some(word) == task) => {
                    Some((index, Some(written)))
                }
                Some(_) | None => is_checkpoint(&heading.title).then_some((index, None)),
            }
        },
    )
}

/// `Checkpoint: title`, not the heading over all of them.
fn is_checkpoint(title: &str) -> bool {
    words::begins_with(title, "checkpoint") && title.contains([':', '：'])
}

fn checkpoint_title(title: &str) -> &str {
    title.split_once([':', '：']).map_or(title, |(_, rest)| rest.trim())
}

/// The items below a heading, up to the next one.
fn items<'o>(outline: &'o Outline<'_>, heading: usize) -> &'o [Item] {
    let found = &outline.headings[heading];
    let first = outline.items.partition_point(|item| item.line < found.after);
    let count = outline.items[first..].partition_point(|item| item.line < found.own_end);
    &outline.items[first..first + count]
}

/// The box of the Status item.
fn status_item(outline: &Outline<'_>, heading: usize) -> Option<(usize, Mark)> {
    items(outline, heading).iter().find_map(|item| {
        let text = outline.lines.text.get(item.text.clone())?;
        let (name, value) = fields::split(text)?;
        if fields::key_of(name) != Some(Key::Status) {
            return None;
        }
        let (sign, offset, star, _) = boxes::box_at(&text[value.clone()])?;
        let before = item.text.start - outline.lines.start(item.line);
        Some((item.line, Mark { sign, offset: before + value.start + offset, star }))
    })
}

/// What the Type item says.
fn type_of(outline: &Outline<'_>, heading: usize) -> Option<String> {
    items(outline, heading).iter().find_map(|item| {
        let text = outline.lines.text.get(item.text.clone())?;
        let (name, value) = fields::split(text)?;
        name.eq_ignore_ascii_case("type").then(|| titles::clean(&text[value]))
    })
}

/// Types of which a person decides: Ito knows `checkpoint` and `decision`, and work of other kinds.
fn is_for_a_person(kind: &str) -> bool {
    words::begins_with(kind, "checkpoint") || words::begins_with(kind, "decision")
}
