//! Formats made for agents side by side: tasks say what they wait for, and order implies nothing.

use crate::plan::types::Plan;

/// swarm-planner: every task and group has the dependencies that it states, and no others.
pub(crate) fn finish(plan: &mut Plan) {
    for task in &mut plan.tasks {
        task.states_dependencies = true;
    }
    for group in &mut plan.groups {
        group.states_dependencies = true;
    }
}

/// Compound engineering: a graph if any unit states dependencies, else one unit after another. Its units
/// are one group, whatever headings stand among them.
pub(crate) fn finish_if_stated(plan: &mut Plan) {
    if plan.tasks.iter().any(|task| task.states_dependencies) {
        finish(plan);
    } else {
        super::in_order::finish(plan);
    }
}
