//! What a person asks for: let a gate pass, stop, try again, read the plan again.

use std::collections::BTreeSet;

use crate::model::difference::{PlanDifference, TaskDifference};
use crate::model::event::EventBody;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::task::HeldReason;
use crate::model::task::{Entry, TaskKind};

use super::{Phase, Scheduler};

impl Scheduler {
    pub(super) fn approve(&mut self, gate: &str, by: &str) {
        let mut names = self.gates_named(|name| name == gate);
        if names.is_empty() {
            let wanted = gate.to_lowercase();
            names = self.gates_named(|name| name.to_lowercase() == wanted);
        }
        if names.is_empty() {
            let known: Vec<String> = self.gates_named(|_| true).into_iter().collect();
            let hint = (!known.is_empty()).then(|| format!("the gates of this run: {}", known.join(", ")));
            self.warn("gate-unknown", format!("the run has no gate `{gate}`"), hint);
            return;
        }
        names.retain(|name| !self.view.approved.contains(name));
        if names.is_empty() {
            return;
        }
        for gate in names {
            self.record(EventBody::GateApproved { gate, by: by.to_owned() });
        }
        if self.phase == Phase::Live {
            self.sort_out();
        }
    }

    /// The gates of the plan that go by a name of which `is` holds; a gate task by its id.
    fn gates_named(&self, is: impl Fn(&str) -> bool) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for task in &self.spec.tasks {
            if task.kind == TaskKind::Gate && (is(task.id.as_str()) || is(&task.title)) {
                names.insert(task.id.to_string());
            }
            if let Entry::Hold { reasons } = &task.entry {
                names.extend(reasons.iter().filter_map(HeldReason::gate).filter(|gate| is(gate)).cloned());
            }
        }
        names
    }

    pub(super) fn stop_tasks(&mut self, tasks: &[TaskId], by: &str) {
        for id in tasks {
            let Some(place) = self.view.place(id) else {
                self.warn("task-unknown", format!("the run has no task `{id}` to stop"), None);
                continue;
            };
            match self.status(place) {
                TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing => {
                    if self.cancelling.insert(place, by.to_owned()).is_none() {
                        self.stop_attempt(place);
                    }
                }
                TaskStatus::Pending | TaskStatus::Retrying | TaskStatus::Held => {
                    self.leave(place);
                    let (task_id, by) = (id.clone(), by.to_owned());
                    self.end_task(place, EventBody::TaskCancelled { task_id, by });
                    self.block_behind(place);
                }
                TaskStatus::Succeeded
                | TaskStatus::Failed
                | TaskStatus::Cancelled
                | TaskStatus::Blocked
                | TaskStatus::Skipped => {}
            }
        }
    }

    /// Stops the run. Asked again, only what it ends with can change.
    pub(super) fn stop_run(&mut self, by: String, exit: ExitCode, status: RunStatus) {
        self.record(EventBody::StopRequested { by });
        let first = !self.is_stopping();
        self.phase = Phase::Stopping { exit, status };
        if first {
            let places: Vec<usize> = self.flights.keys().copied().collect();
            for place in places {
                self.stop_attempt(place);
            }
            self.round = None;
            self.put_back_retrying("stopped");
        }
    }

    pub(super) fn retry(
        &mut self,
        tasks: &[TaskId],
        layer: Option<u8>,
        agent: Option<&String>,
        say: Option<&String>,
    ) {
        let chosen = layer.is_some() || agent.is_some() || say.is_some();
        let named = self.meant_by(tasks);
        for place in named {
            let again = match self.status(place) {
                TaskStatus::Failed | TaskStatus::Cancelled => true,
                // What has not ended is opened again only for what a person wants changed.
                TaskStatus::Retrying | TaskStatus::Pending => chosen && !tasks.is_empty(),
                TaskStatus::Blocked => chosen && tasks.contains(&self.id(place)),
                TaskStatus::Running
                | TaskStatus::Verifying
                | TaskStatus::Landing
                | TaskStatus::Succeeded
                | TaskStatus::Held
                | TaskStatus::Skipped => false,
            };
            if again {
                self.leave(place);
                let task_id = self.id(place);
                self.record(EventBody::TaskReopened {
                    task_id,
                    why: "retry".to_owned(),
                    fresh: true,
                    layer,
                    agent: agent.cloned(),
                    say: say.cloned(),
                });
            }
        }
        match self.phase {
            Phase::Live => {
                self.tripped = false;
                self.sort_out();
            }
            // Nothing starts any more, but what is behind the opened ones is not blocked either.
            Phase::Stopping { .. } => self.sort_blocked(),
            Phase::Waiting | Phase::Ended => {}
        }
    }

    /// Records that the plan was read again, and opens the tasks that are begun anew. What the plan
    /// dropped or calls done is skipped when the run goes on, which follows from its tasks alone.
    pub(super) fn replanned(&mut self, difference: &PlanDifference, again: &[TaskId]) {
        if self.phase != Phase::Waiting {
            return;
        }
        let ids = |list: &[TaskDifference]| list.iter().map(|task| task.id.clone()).collect();
        self.record(EventBody::Replanned {
            plan: difference.plan.clone(),
            added: ids(&difference.added),
            removed: ids(&difference.removed),
            changed: ids(&difference.changed),
            done: ids(&difference.done),
        });
        for id in again {
            let Some(place) = self.view.place(id) else { continue };
            if self.status(place).may_become(TaskStatus::Pending) && !self.status(place).is_active() {
                self.record(EventBody::TaskReopened {
                    task_id: id.clone(),
                    why: "the plan was changed".to_owned(),
                    fresh: true,
                    layer: None,
                    agent: None,
                    say: None,
                });
            }
        }
    }

    /// The tasks that are meant, and for a blocked one what blocks it; all that failed where none
    /// is named.
    fn meant_by(&mut self, tasks: &[TaskId]) -> BTreeSet<usize> {
        if tasks.is_empty() {
            return (0..self.spec.tasks.len()).collect();
        }
        let mut named = BTreeSet::new();
        let mut todo = Vec::new();
        for id in tasks {
            match self.view.place(id) {
                Some(place) => todo.push(place),
                None => self.warn("task-unknown", format!("the run has no task `{id}` to try again"), None),
            }
        }
        while let Some(place) = todo.pop() {
            if named.insert(place) && self.status(place) == TaskStatus::Blocked {
                todo.extend(self.graph.needs[place].iter().copied().filter(|&need| self.is_bad(need)));
            }
        }
        named
    }
}
