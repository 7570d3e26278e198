//! BMAD stories: the outermost boxes of `## Tasks / Subtasks` are the tasks, what is nested below them is
//! steps, whatever numbers it carries. Follow-ups of a review, `[AI-Review]`, are tasks wherever they stand.

use crate::plan::fields::Key;
use crate::plan::found::Findings;
use crate::plan::found::Found;
use crate::plan::found::item_task;
use crate::plan::generic;
use crate::plan::outline::Outline;
use crate::plan::titles;
use crate::plan::words;

/// The tag of a follow-up.
const REVIEW: &str = "[AI-Review]";

/// The tasks of a story; none for a file without the section, such as a list of stories.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let section = outline.headings.iter().find(|heading| {
        heading.level > 1 && heading.title.replace(' ', "").eq_ignore_ascii_case("Tasks/Subtasks")
    })?;
    let span = section.after..section.end;
    let mut tasks = generic::headings_named(outline, 2..=4);
    tasks.retain(|task| span.contains(&task.line));
    let is_review = |item: usize| outline.lines.text[outline.items[item].text.clone()].contains(REVIEW);
    let outermost = |item: usize| outline.items[item].mark.is_some() && !outline.items[item].below_box;
    let by_heading = !tasks.is_empty();
    let boxes = (0..outline.items.len()).filter(|item| {
        let found = &outline.items[*item];
        let in_section = !by_heading
            && span.contains(&found.line)
            && !found.closed_label
            && !outline.is_closed(found.heading);
        // Inside a task with a heading of its own it is one of that task's steps.
        let before = tasks.partition_point(|task| task.line <= found.line);
        let inside = before.checked_sub(1).is_some_and(|task| tasks[task].body.contains(&found.line));
        outermost(*item) && (in_section || is_review(*item) && !inside)
    });
    let mut found: Vec<Found> = boxes
        .map(|item| {
            let id = generic::written_before(outline, item).map(|written| (written.id, written.after));
            let mut task = item_task(outline, item, id);
            task.ordered = true;
            follow_up(outline, item, &mut task);
            task
        })
        .collect();
    tasks.append(&mut found);
    tasks.sort_by_key(|task| task.line);
    Some(Findings { tasks, rule: "the boxes of the story's tasks" })
}

/// Takes the tag of a follow-up off its title, and the weight behind it, `[High]`, as its priority.
fn follow_up(outline: &Outline<'_>, item: usize, task: &mut Found) {
    let Some(at) = task.title.raw.find(REVIEW) else { return };
    let mut rest = task.title.raw[at + REVIEW.len()..].trim_start();
    let weight = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if let Some((weight, after)) = weight.filter(|(weight, _)| words::priority(weight).is_some()) {
        // The value is looked for in the text itself, as the value of a column would be.
        let text = outline.items[item].text.clone();
        let tag = format!("[{weight}]");
        if let Some(found) = outline.lines.text[text.clone()].find(&tag) {
            let start = text.start + found + 1;
            task.cells.push((Key::Priority, start..start + weight.len()));
        }
        rest = after.trim_start();
    }
    let before = task.title.raw[..at].trim_end();
    let bare = if before.is_empty() { rest.to_owned() } else { format!("{before} {rest}") };
    let status = task.title.status;
    task.title = titles::read(&bare);
    task.title.status = status.or(task.title.status);
}
