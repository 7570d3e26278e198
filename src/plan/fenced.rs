//! Boxes inside fences are no tasks; one that carries on the ids of the tasks around it may have been
//! meant as one, and is reported.

use std::collections::BTreeSet;

use super::boxes::item_line;
use super::lines::number;
use super::names;
use super::outline::Outline;
use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;

/// Reports, once a fence, a box with the id that follows one of the plan's.
pub(crate) fn report(outline: &Outline<'_>, plan: &mut Plan) {
    if outline.blocks.fences.is_empty() {
        return;
    }
    let lines = plan.tasks.iter().map(|task| task.line);
    let (Some(first), Some(last)) = (lines.clone().min(), lines.max()) else { return };
    let ids: BTreeSet<String> = plan.tasks.iter().map(|task| names::folded(task.id.as_str())).collect();
    let mut found = Vec::new();
    for fence in &outline.blocks.fences {
        if !(first..last).contains(&number(fence.line)) {
            continue;
        }
        let next = fence.inside.clone().find_map(|line| {
            let text = outline.lines.get(line);
            let item = item_line(text).filter(|item| item.mark.is_some())?;
            let id = names::written(&text[item.text..])?.id;
            let follows =
                !ids.contains(&names::folded(&id)) && before(&id).is_some_and(|id| ids.contains(&id));
            follows.then_some((line, id))
        });
        found.extend(next);
    }
    plan.diagnostics.extend(found.into_iter().map(|(line, id)| {
        let message = format!("the box of `{id}` stands in a fence: it is text and no task");
        Diagnostic::warning("box-in-fence", Place::line(number(line)), message)
            .hint("if it was meant as a task, close the fence before it")
    }));
}

/// The id before one, as ids are compared: `T008` has `t7` before it.
fn before(id: &str) -> Option<String> {
    let digits = id.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (start, last) = id.split_at(id.len() - digits);
    let last: u64 = last.parse().ok()?;
    Some(names::folded(&format!("{start}{}", last.checked_sub(1)?)))
}
