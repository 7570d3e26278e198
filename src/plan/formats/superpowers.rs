//! Superpowers: one task after another, never two at once.
//!
//! Steps run their commands themselves: none of them is a check of the task. Progress is kept elsewhere,
//! so the file is never ticked ([`super::Format::is_ticked`]).

use crate::plan::found::Findings;
use crate::plan::generic;
use crate::plan::outline::Outline;
use crate::plan::types::Plan;
use crate::plan::words;

/// A plan of one task: its steps are none. More tasks are found as in any Markdown.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    generic::single_task(outline)
}

/// Puts all tasks into one row, and takes what steps expect out of the criteria.
pub(crate) fn finish(plan: &mut Plan) {
    for group in &mut plan.groups {
        group.parallel = Some(false);
        group.states_dependencies = false;
    }
    for task in &mut plan.tasks {
        task.ordered = true;
        task.parallel = None;
        // What it waits for stays an edge, and does not take it out of the row.
        task.states_dependencies = false;
        // "Expected: FAIL" is what a step sees before the work is done.
        task.acceptance.retain(|text| !words::begins_with(text, "fail") && !words::begins_with(text, "pass"));
    }
}
