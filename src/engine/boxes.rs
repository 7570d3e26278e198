//! Showing in the plan how far its tasks are: boxes are ticked, and marked while somebody is at them.

use std::sync::Arc;

use crate::engine::Engine;
use crate::engine::drive::plan_states;
use crate::model::event::Event;
use crate::model::ids::TaskId;
use crate::model::run::TickMode;
use crate::model::status::TaskStatus;
use crate::scheduler::Input;
use crate::workspace::{BoxMark, TickProblem};

impl Engine {
    /// Ticks the box of a task that succeeded. Returns why it could not be.
    pub(super) fn tick(&mut self, task: &TaskId) -> Option<String> {
        self.mark(task, BoxMark::Done).err().map(|problem| problem.to_string())
    }

    /// Shows in the plan that somebody is at a task, or is no more, where the plan has a mark for it.
    pub(super) fn show_progress(&mut self, events: &[Event]) -> Vec<Input> {
        let spec = Arc::clone(&self.parts.spec);
        let mut inputs = Vec::new();
        for task in events.iter().filter_map(|event| event.body.task_id()) {
            let has_mark =
                || self.task(&spec, task).tick.as_ref().is_some_and(|place| place.progress.is_some());
            if spec.settings.tick == TickMode::Never || !has_mark() {
                continue;
            }
            let Some(status) = self.parts.scheduler.view().task(task).map(|known| known.status) else {
                continue;
            };
            let is_at_it = matches!(
                status,
                TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing | TaskStatus::Retrying
            );
            let show = match (is_at_it, self.begun.contains(task)) {
                (true, false) => BoxMark::InProgress,
                (false, true) => BoxMark::Open,
                (true, true) | (false, false) => continue,
            };
            if is_at_it {
                self.begun.insert(task.clone());
            } else {
                self.begun.remove(task);
            }
            // The box of one that succeeded is ticked in its turn.
            if status == TaskStatus::Succeeded {
                continue;
            }
            inputs.extend(self.look_at_plan());
            if let Err(problem) = self.mark(task, show) {
                tracing::debug!(%task, %problem, "the plan does not show how far the task is");
            }
        }
        inputs
    }

    fn mark(&mut self, task: &TaskId, show: BoxMark) -> Result<(), TickProblem> {
        let spec = Arc::clone(&self.parts.spec);
        let Some(place) = self.task(&spec, task).tick.as_ref() else { return Ok(()) };
        let Some(plan) = spec.plan_file(place.file.as_deref()) else { return Ok(()) };
        let marked = self.parts.workspace.tick(&plan, place, show);
        // Our own change is no change of the plan.
        self.plan_state = plan_states(&spec);
        marked
    }
}
