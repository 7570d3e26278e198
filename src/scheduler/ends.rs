//! How tasks end, and what that means for those that need them.

use crate::model::event::EventBody;
use crate::model::failure::Failure;
use crate::model::status::TaskStatus;

use super::{Phase, Scheduler};

impl Scheduler {
    /// Records the end of a task, or that it is held, and lets go on what need not wait for it.
    pub(super) fn end_task(&mut self, place: usize, body: EventBody) {
        let before = self.is_met(place);
        self.record(body);
        if !before && self.is_met(place) && self.phase == Phase::Live {
            self.met(place);
        }
    }

    /// One need of its dependents is met.
    pub(super) fn met(&mut self, place: usize) {
        let mut todo = vec![place];
        while let Some(place) = todo.pop() {
            for at in 0..self.graph.dependents[place].len() {
                let dependent = self.graph.dependents[place][at];
                self.unmet[dependent] = self.unmet[dependent].saturating_sub(1);
                if self.unmet[dependent] == 0
                    && self.status(dependent) == TaskStatus::Pending
                    && self.admit(dependent)
                {
                    todo.push(dependent);
                }
            }
        }
    }

    /// A task failed for good.
    pub(super) fn fail(&mut self, place: usize, failure: Failure) {
        let task_id = self.id(place);
        self.end_task(place, EventBody::TaskFailed { task_id, failure });
        self.block_behind(place);
        if self.spec.settings.fail_fast && !self.task(place).optional && !self.is_stopping() {
            self.trip();
        }
    }

    /// Whether a need of this kind keeps what needs it from ever starting.
    pub(super) fn is_bad(&self, place: usize) -> bool {
        matches!(self.status(place), TaskStatus::Failed | TaskStatus::Cancelled | TaskStatus::Blocked)
            && !self.task(place).optional
    }

    /// Blocks what needs a task that ended badly.
    pub(super) fn block_behind(&mut self, place: usize) {
        let mut todo = vec![place];
        while let Some(place) = todo.pop() {
            if !self.is_bad(place) {
                continue;
            }
            for at in 0..self.graph.dependents[place].len() {
                let dependent = self.graph.dependents[place][at];
                if self.can_be_blocked(dependent) {
                    self.leave(dependent);
                    let (task_id, by) = (self.id(dependent), self.id(place));
                    self.end_task(dependent, EventBody::TaskBlocked { task_id, by });
                    todo.push(dependent);
                }
            }
        }
    }

    /// After the first failure nothing more starts; what waits for another attempt is put back.
    fn trip(&mut self) {
        if self.tripped {
            return;
        }
        self.tripped = true;
        self.record(EventBody::StopRequested { by: "fail-fast".to_owned() });
        self.put_back_retrying("fail-fast");
    }

    pub(super) fn put_back_retrying(&mut self, why: &str) {
        if self.view.count(TaskStatus::Retrying) == 0 {
            return;
        }
        for place in 0..self.spec.tasks.len() {
            if self.status(place) == TaskStatus::Retrying {
                self.leave(place);
                self.reopen(place, why);
            }
        }
    }

    /// Puts a task back, with what it used up.
    pub(super) fn reopen(&mut self, place: usize, why: &str) {
        let task_id = self.id(place);
        let why = why.to_owned();
        self.record(EventBody::TaskReopened {
            task_id,
            why,
            fresh: false,
            layer: None,
            agent: None,
            say: None,
        });
    }
}
