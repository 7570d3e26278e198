//! `OpenSpec`, PDD and BMAD: one task after another in each group, one group after another.
//!
//! A task that says what it waits for keeps to that, as everywhere.

use crate::plan::types::Plan;

/// Puts every task after its earlier siblings, with a number or without.
pub(crate) fn finish(plan: &mut Plan) {
    for task in &mut plan.tasks {
        task.ordered = true;
    }
}
