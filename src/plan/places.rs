//! Where tasks and groups stand among each other.
//!
//! In one text that is said by their lines. In a plan of several files, and in one that is not read from
//! top to bottom, lines say nothing: there the order of the list of tasks counts, and a group stands where
//! the first of its tasks does.

use super::assemble::ancestors;
use super::types::Plan;

/// A number for each task and each group; the lower stands first.
pub(crate) struct Places {
    /// Of tasks.
    pub(crate) tasks: Vec<u32>,
    /// Of groups.
    pub(crate) groups: Vec<u32>,
}

impl Places {
    /// Takes them from a plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let in_step =
            plan.tasks.windows(2).all(|pair| pair[0].file == pair[1].file && pair[0].line <= pair[1].line);
        if in_step {
            return Self {
                tasks: plan.tasks.iter().map(|task| task.line).collect(),
                groups: plan.groups.iter().map(|group| group.line).collect(),
            };
        }
        let mut groups = vec![u32::MAX; plan.groups.len()];
        let mut tasks = Vec::with_capacity(plan.tasks.len());
        for (index, task) in plan.tasks.iter().enumerate() {
            let place = u32::try_from(index).unwrap_or(u32::MAX);
            tasks.push(place);
            for group in ancestors(&plan.groups, task.group) {
                // Those around it have been reached from the same task, or an earlier one.
                if groups[group] <= place {
                    break;
                }
                groups[group] = place;
            }
        }
        Self { tasks, groups }
    }
}
