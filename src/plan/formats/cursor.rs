//! Cursor, `.cursor/plans/*.plan.md`: entries of `todos` in the front matter are the plan (see `todos`).
//!
//! Without entries a list of boxes under `## Todo` is it, else `### N. title` headings under Plan,
//! Implementation or Steps.

use crate::plan::found::Findings;
use crate::plan::found::Found;
use crate::plan::found::heading_task;
use crate::plan::found::item_task;
use crate::plan::names;
use crate::plan::names::Shape;
use crate::plan::outline::Outline;
use crate::plan::words;

/// The tasks of a plan without entries in its front matter.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let boxes: Vec<Found> = outline
        .items
        .iter()
        .enumerate()
        .filter(|(_, item)| item.mark.is_some() && !item.below_box && !item.closed_label)
        .filter(|(_, item)| is_below(outline, item.heading, &["todo", "todos", "to-do", "to-dos", "to do"]))
        .map(|(index, item)| {
            let start = item.text.start - outline.lines.start(item.line);
            let visible = outline.visible(item.line);
            let written = visible.get(start..).and_then(names::written).filter(|written| written.ends);
            let mut task = item_task(outline, index, written.map(|written| (written.id, written.after)));
            task.ordered = true;
            task
        })
        .collect();
    if !boxes.is_empty() {
        return Some(Findings { tasks: boxes, rule: "boxes under Todo" });
    }
    let tasks: Vec<Found> = (0..outline.headings.len())
        .filter(|index| {
            let heading = &outline.headings[*index];
            heading.level == 3
                && !heading.closed
                && is_below(outline, heading.parent, &["plan", "implementation", "steps"])
        })
        .filter_map(|index| {
            let heading = &outline.headings[index];
            let text = outline.lines.text.get(heading.text.clone())?;
            let written = names::written(text)
                .filter(|written| written.ends && matches!(written.shape, Shape::Number(1)))?;
            Some(heading_task(outline, index, Some((written.id, written.after))))
        })
        .collect();
    (!tasks.is_empty()).then_some(Findings { tasks, rule: "numbered headings of the plan" })
}

/// Whether a heading, or one around it, begins with one of some words.
fn is_below(outline: &Outline<'_>, heading: Option<usize>, names: &[&str]) -> bool {
    std::iter::successors(heading, |heading| outline.headings[*heading].parent).any(|heading| {
        let title = words::without_number(&outline.headings[heading].title);
        names.iter().any(|name| words::begins_with(title, name))
    })
}
