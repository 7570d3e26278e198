//! How a run begins or goes on: what is held, skipped, blocked, and what stands in line.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::event::EventBody;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::task::{Entry, HeldReason, PlanStatus, TaskKind};

use super::judge::lost;
use super::{Foretold, Phase, Scheduler};

/// Who approved a gate that `--yes-gates` lets pass.
const YES_GATES: &str = "--yes-gates";

impl Scheduler {
    pub(super) fn begin(&mut self, host: String, pid: u32, fence: u64) {
        if self.phase != Phase::Waiting {
            return;
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let tasks = &self.spec.tasks;
        let body = EventBody::RunStarted {
            plan: self.spec.plan.clone(),
            plan_title: self.spec.plan_title.clone(),
            host,
            pid,
            tasks: count(tasks.len()),
            to_run: count(tasks.iter().filter(|task| task.entry == Entry::Run).count()),
            done_before: count(tasks.iter().filter(|task| task.plan_status == PlanStatus::Done).count()),
            jobs: self.spec.settings.jobs,
            fence,
        };
        self.record(body);
        self.rest_as_foretold();
        self.go_live();
    }

    /// Leaves providers alone of which that was told before the run began.
    fn rest_as_foretold(&mut self) {
        for told in std::mem::take(&mut self.foretold) {
            self.rest_as(told);
        }
    }

    /// Leaves a provider alone as another run told.
    pub(super) fn rest_as(&mut self, told: Foretold) {
        let Foretold { provider, until, trigger, evidence } = told;
        self.rest(provider, until, trigger, evidence);
    }

    pub(super) fn resume(&mut self, host: String, pid: u32, fence: u64) {
        if self.phase != Phase::Waiting {
            return;
        }
        self.record(EventBody::RunResumed { host, pid, fence });
        self.rest_as_foretold();
        self.book_what_was_left();
        for place in 0..self.spec.tasks.len() {
            if !self.status(place).is_active() {
                continue;
            }
            let open = self.view.tasks[place]
                .last_attempt()
                .filter(|last| last.status == AttemptStatus::Running)
                .map(|last| last.attempt);
            if let Some(attempt) = open {
                let task_id = self.id(place);
                self.record(EventBody::AttemptEnded {
                    task_id,
                    attempt,
                    status: AttemptStatus::Lost,
                    outcome: None,
                    reading: None,
                    summary: None,
                    session_kept: false,
                    verdict: lost(),
                });
                self.book(place);
            }
            self.settle(place);
        }
        self.go_live();
        for place in 0..self.spec.tasks.len() {
            if self.status(place) == TaskStatus::Succeeded {
                self.tick(place);
            }
        }
    }

    /// Brings every task to where it belongs. All of it can be done twice, so that a crash in the
    /// middle of it does no harm.
    fn go_live(&mut self) {
        self.skip_entries();
        if self.spec.settings.yes_gates {
            self.approve_all_gates();
        }
        self.warn_of_missing_agents();
        self.phase = Phase::Live;
        self.sort_out();
    }

    /// Holds, blocks and queues anew after something that concerns more than a task and what is
    /// behind it.
    pub(super) fn sort_out(&mut self) {
        self.pass_gates();
        self.sort_blocked();
        self.sort_held();
        self.rebuild();
    }

    /// Skips what is not to be run. A task that had begun before the plan said so is put back first.
    fn skip_entries(&mut self) {
        for place in 0..self.spec.tasks.len() {
            let Entry::Skip { why } = &self.spec.tasks[place].entry else { continue };
            let why = why.clone();
            match self.status(place) {
                TaskStatus::Pending | TaskStatus::Held | TaskStatus::Blocked => {}
                TaskStatus::Failed | TaskStatus::Cancelled | TaskStatus::Retrying => {
                    self.reopen(place, &why);
                }
                TaskStatus::Running
                | TaskStatus::Verifying
                | TaskStatus::Landing
                | TaskStatus::Succeeded
                | TaskStatus::Skipped => continue,
            }
            let task_id = self.id(place);
            self.record(EventBody::TaskSkipped { task_id, why });
        }
    }

    fn approve_all_gates(&mut self) {
        let mut gates = BTreeSet::new();
        for task in &self.spec.tasks {
            if let Entry::Hold { reasons } = &task.entry {
                gates.extend(reasons.iter().filter_map(HeldReason::gate).cloned());
            }
        }
        for gate in gates {
            if !self.view.approved.contains(&gate) {
                self.record(EventBody::GateApproved { gate, by: YES_GATES.to_owned() });
            }
        }
    }

    fn warn_of_missing_agents(&mut self) {
        let mut missing: BTreeMap<String, BTreeSet<Option<u8>>> = BTreeMap::new();
        let mut stand_ins: BTreeMap<String, String> = BTreeMap::new();
        for place in 0..self.spec.tasks.len() {
            let open = !self.status(place).is_end();
            if open && self.task(place).kind != TaskKind::Gate {
                let pinned = self.view.tasks[place].chosen_agent.clone();
                let pinned = pinned.or_else(|| self.task(place).agent.clone());
                let ladder = self.ladder(place);
                for rung in &ladder.missing {
                    missing.entry(rung.agent.clone()).or_default().insert(rung.layer);
                    if let Some(first) = ladder.steps.first().filter(|_| pinned.as_ref() == Some(&rung.agent))
                    {
                        stand_ins.entry(rung.agent.clone()).or_insert_with(|| first.rung.agent.clone());
                    }
                }
            }
        }
        for (agent, layers) in missing {
            let numbers: Vec<String> = layers.iter().flatten().map(ToString::to_string).collect();
            let rest = match numbers.as_slice() {
                [] => "what asks for it fails".to_owned(),
                [layer] => format!("layer {layer} is left out"),
                [..] => format!("layers {} are left out", numbers.join(", ")),
            };
            let rest = match stand_ins.get(&agent) {
                Some(other) if layers.iter().flatten().next().is_none() => {
                    format!("`{other}` stands in for it")
                }
                Some(other) => format!("{rest}, and `{other}` stands in for it"),
                None => rest,
            };
            let hint = Some("orchestrate doctor".to_owned());
            self.warn("agent-missing", format!("`{agent}` is not installed: {rest}"), hint);
        }
    }

    /// Whether a task that has not begun would be blocked by what it needs.
    pub(super) fn can_be_blocked(&self, place: usize) -> bool {
        match self.status(place) {
            TaskStatus::Pending => true,
            TaskStatus::Held => self.is_held_by_gates_alone(place),
            TaskStatus::Running
            | TaskStatus::Verifying
            | TaskStatus::Landing
            | TaskStatus::Retrying
            | TaskStatus::Succeeded
            | TaskStatus::Failed
            | TaskStatus::Cancelled
            | TaskStatus::Blocked
            | TaskStatus::Skipped => false,
        }
    }

    pub(super) fn is_held_by_gates_alone(&self, place: usize) -> bool {
        self.view.tasks[place].held.iter().all(|reason| match reason {
            HeldReason::Gate(_) | HeldReason::Needs(_) => true,
            HeldReason::UnknownMarker(_)
            | HeldReason::GroupDeferred(_)
            | HeldReason::PlanDone
            | HeldReason::MissingDependency(_)
            | HeldReason::Optional => false,
        })
    }

    /// Blocks what needs something that ended badly, and opens again what does not any more.
    pub(super) fn sort_blocked(&mut self) {
        for at in 0..self.graph.order.len() {
            let place = self.graph.order[at];
            let bad = self.graph.needs[place].iter().copied().find(|&need| self.is_bad(need));
            match bad {
                Some(need) if self.can_be_blocked(place) => {
                    let (task_id, by) = (self.id(place), self.id(need));
                    self.record(EventBody::TaskBlocked { task_id, by });
                }
                None if self.status(place) == TaskStatus::Blocked => {
                    self.reopen(place, "what it needs is run again");
                }
                Some(_) | None => {}
            }
        }
    }

    /// Whether a gate task was reached and waits for a person.
    pub(super) fn is_reached_gate(&self, place: usize) -> bool {
        let task = &self.view.tasks[place];
        self.task(place).kind == TaskKind::Gate
            && task.status == TaskStatus::Held
            && matches!(task.held.as_slice(), [HeldReason::Gate(gate)] if gate == task.id.as_str())
    }

    /// Holds what a gate, a mark or a held need keeps from starting, and opens again what nothing
    /// holds any more.
    fn sort_held(&mut self) {
        for at in 0..self.graph.order.len() {
            let place = self.graph.order[at];
            if !has_not_begun(self.status(place)) || self.is_reached_gate(place) {
                continue;
            }
            let reasons = self.reasons_to_hold(place);
            let held = self.status(place) == TaskStatus::Held;
            if reasons.is_empty() {
                if held {
                    self.reopen(place, "approved");
                }
            } else if !held || reasons != self.view.tasks[place].held {
                let task_id = self.id(place);
                self.record(EventBody::TaskHeld { task_id, reasons });
            }
        }
    }

    fn reasons_to_hold(&self, place: usize) -> Vec<HeldReason> {
        let mut reasons = Vec::new();
        if let Entry::Hold { reasons: entry } = &self.task(place).entry {
            for reason in entry {
                let stands = match reason {
                    HeldReason::Gate(gate) => !self.view.approved.contains(gate),
                    HeldReason::Needs(id) => self.view.place(id).is_some_and(|need| self.holds_others(need)),
                    HeldReason::UnknownMarker(_)
                    | HeldReason::GroupDeferred(_)
                    | HeldReason::PlanDone
                    | HeldReason::MissingDependency(_)
                    | HeldReason::Optional => true,
                };
                if stands {
                    reasons.push(reason.clone());
                }
            }
        }
        for &need in &self.graph.needs[place] {
            if self.holds_others(need) {
                let reason = HeldReason::Needs(self.id(need));
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        reasons
    }

    /// Whether what needs this task is held with it. Behind a gate that was reached it is not: it
    /// waits as it did before. Nobody waits for an optional task.
    fn holds_others(&self, place: usize) -> bool {
        self.status(place) == TaskStatus::Held && !self.is_reached_gate(place) && !self.task(place).optional
    }

    /// Lets the gate tasks go that were reached and are approved.
    fn pass_gates(&mut self) {
        for place in 0..self.spec.tasks.len() {
            if self.is_reached_gate(place) && self.is_approved(place) {
                let task_id = self.id(place);
                self.record(EventBody::TaskSkipped { task_id, why: "approved".to_owned() });
            }
        }
    }

    fn is_approved(&self, place: usize) -> bool {
        let task = self.task(place);
        let approved = &self.view.approved;
        approved.contains(task.id.as_str())
            || approved.contains(&task.title)
            || match &task.entry {
                Entry::Hold { reasons } => {
                    reasons.iter().filter_map(HeldReason::gate).any(|gate| approved.contains(gate))
                }
                Entry::Run | Entry::Skip { .. } => false,
            }
    }

    /// Makes queue, timers and counters anew from the state.
    fn rebuild(&mut self) {
        self.queue.clear();
        self.timers.clear();
        for place in 0..self.spec.tasks.len() {
            let needs = &self.graph.needs[place];
            self.unmet[place] = needs.iter().filter(|&&need| !self.is_met(need)).count();
        }
        for place in 0..self.spec.tasks.len() {
            match self.status(place) {
                TaskStatus::Pending => {
                    if self.unmet[place] == 0 && self.admit(place) {
                        self.met(place);
                    }
                }
                TaskStatus::Retrying => self.schedule(place),
                TaskStatus::Running
                | TaskStatus::Verifying
                | TaskStatus::Landing
                | TaskStatus::Succeeded
                | TaskStatus::Failed
                | TaskStatus::Cancelled
                | TaskStatus::Blocked
                | TaskStatus::Held
                | TaskStatus::Skipped => {}
            }
        }
    }

    /// All that a task needs is met: it stands in line, or as a gate it waits for a person.
    /// Returns whether it is met itself by that.
    pub(super) fn admit(&mut self, place: usize) -> bool {
        if self.task(place).kind != TaskKind::Gate {
            self.enqueue(place);
            return false;
        }
        let task_id = self.id(place);
        let gate = task_id.to_string();
        if !self.is_approved(place) {
            if !self.spec.settings.yes_gates {
                let holds = self.graph.behind(&[place], |other| has_not_begun(self.status(other)));
                self.record(EventBody::TaskHeld { task_id, reasons: vec![HeldReason::Gate(gate.clone())] });
                let holds = u32::try_from(holds).unwrap_or(u32::MAX);
                self.record(EventBody::GateReached { gate, holds });
                return self.is_met(place);
            }
            self.record(EventBody::GateApproved { gate, by: YES_GATES.to_owned() });
        }
        self.record(EventBody::TaskSkipped { task_id, why: "approved".to_owned() });
        true
    }
}

/// Whether a task can still be blocked or held: it has not begun.
pub(super) const fn has_not_begun(status: TaskStatus) -> bool {
    matches!(status, TaskStatus::Pending | TaskStatus::Held)
}
