//! How a run ends: with which status, which exit code, and who is waited for.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::event::EventBody;
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::task::{Entry, HeldReason, TaskKind};

use super::effect::Effect;
use super::enter::has_not_begun;
use super::{Phase, Scheduler};

impl Scheduler {
    /// Ends the run when nothing more can happen in it.
    pub(super) fn end_if_done(&mut self) {
        let idle = self.flights.is_empty() && self.ticking.is_empty() && self.asked.is_empty();
        let done = match self.phase {
            Phase::Waiting | Phase::Ended => false,
            Phase::Stopping { .. } => idle,
            Phase::Live => {
                idle && self.round.is_none()
                    && (self.tripped || (self.queue.is_empty() && self.timers.is_empty()))
            }
        };
        if !done {
            return;
        }
        let (exit, status) = match self.phase {
            Phase::Stopping { exit, status } => self.end_of_stop(exit, status),
            Phase::Waiting | Phase::Live | Phase::Ended => self.end_of_work(),
        };
        let counts = self.view.counts.clone();
        self.record(EventBody::RunEnded { status, exit_code: exit.code(), counts });
        self.out.push(Effect::Finish { status, exit });
        self.phase = Phase::Ended;
    }

    fn end_of_stop(&self, exit: ExitCode, status: RunStatus) -> (ExitCode, RunStatus) {
        let failed = (0..self.spec.tasks.len()).filter_map(|place| self.end_of_task(place));
        (ExitCode::worst(failed.chain([exit])), status)
    }

    fn end_of_work(&mut self) -> (ExitCode, RunStatus) {
        let gates = if self.tripped { BTreeMap::new() } else { self.closed_gates() };
        for (gate, holds) in &gates {
            if !self.view.gates_reached.contains(gate) {
                let (gate, holds) = (gate.clone(), *holds);
                self.record(EventBody::GateReached { gate, holds });
            }
        }
        if gates.is_empty() && self.had_nothing_to_run() {
            let skipped = (0..self.spec.tasks.len()).all(|place| self.status(place) == TaskStatus::Skipped);
            let status = if skipped { RunStatus::Succeeded } else { RunStatus::Failed };
            return (ExitCode::NothingToRun, status);
        }
        let mut reasons: BTreeSet<ExitCode> =
            (0..self.spec.tasks.len()).filter_map(|place| self.end_of_task(place)).collect();
        if self.lacked_agents() {
            reasons.insert(ExitCode::Environment);
        }
        if !gates.is_empty() {
            reasons.insert(ExitCode::Waiting);
        }
        let left = |status| self.view.count(status) > 0;
        if reasons.is_empty() && (left(TaskStatus::Pending) || self.has_blocked()) {
            reasons.insert(ExitCode::TaskFailed);
        }
        let exit = ExitCode::worst(reasons);
        (exit, status_of(exit))
    }

    fn has_blocked(&self) -> bool {
        (0..self.spec.tasks.len())
            .any(|place| self.status(place) == TaskStatus::Blocked && !self.task(place).optional)
    }

    /// What a task adds to the exit code. One that is blocked, or held by what it needs, adds
    /// nothing: its cause does.
    fn end_of_task(&self, place: usize) -> Option<ExitCode> {
        if self.task(place).optional {
            return None;
        }
        let task = &self.view.tasks[place];
        match task.status {
            TaskStatus::Failed => {
                let limit = task.failure.as_ref().is_some_and(|failure| failure.kind.is_limit());
                Some(if limit { ExitCode::Limit } else { ExitCode::TaskFailed })
            }
            TaskStatus::Cancelled => Some(ExitCode::TaskFailed),
            TaskStatus::Held => task.held.iter().any(is_fault).then_some(ExitCode::TaskFailed),
            TaskStatus::Pending
            | TaskStatus::Running
            | TaskStatus::Verifying
            | TaskStatus::Landing
            | TaskStatus::Retrying
            | TaskStatus::Succeeded
            | TaskStatus::Blocked
            | TaskStatus::Skipped => None,
        }
    }

    /// The gates without which something would run, and how many tasks wait behind each.
    fn closed_gates(&self) -> BTreeMap<String, u32> {
        let mut roots: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
        // Held for ever: by something that no approval changes, or by what it needs being so.
        let mut stuck = vec![false; self.spec.tasks.len()];
        for &place in &self.graph.order {
            let task = &self.view.tasks[place];
            if task.status != TaskStatus::Held {
                continue;
            }
            stuck[place] = !self.is_held_by_gates_alone(place)
                || self.graph.needs[place].iter().any(|&need| stuck[need] && !self.task(need).optional);
            if !stuck[place] {
                for gate in task.held.iter().filter_map(HeldReason::gate) {
                    roots.entry(gate).or_default().push(place);
                }
            }
        }
        roots
            .into_iter()
            .map(|(gate, places)| {
                let work = places.iter().filter(|&&place| self.task(place).kind != TaskKind::Gate).count();
                let behind = self.graph.behind(&places, |other| has_not_begun(self.status(other)));
                (gate.clone(), u32::try_from(work + behind).unwrap_or(u32::MAX))
            })
            .collect()
    }

    /// Whether the run consists of what was done, left out or held from the beginning.
    fn had_nothing_to_run(&self) -> bool {
        (0..self.spec.tasks.len()).all(|place| match self.status(place) {
            TaskStatus::Held => true,
            // A gate that was let pass is skipped too.
            TaskStatus::Skipped => matches!(self.task(place).entry, Entry::Skip { .. }),
            TaskStatus::Pending
            | TaskStatus::Running
            | TaskStatus::Verifying
            | TaskStatus::Landing
            | TaskStatus::Retrying
            | TaskStatus::Succeeded
            | TaskStatus::Failed
            | TaskStatus::Cancelled
            | TaskStatus::Blocked => false,
        })
    }

    /// Whether nothing could run because no agent is installed for any task.
    fn lacked_agents(&self) -> bool {
        let mut failed = false;
        for place in 0..self.spec.tasks.len() {
            let task = &self.view.tasks[place];
            match task.status {
                TaskStatus::Failed => {
                    let kind = task.failure.as_ref().map(|failure| failure.kind);
                    if kind != Some(FailureKind::AgentNotFound) || !task.attempts.is_empty() {
                        return false;
                    }
                    failed = true;
                }
                TaskStatus::Blocked | TaskStatus::Held | TaskStatus::Skipped => {}
                TaskStatus::Pending
                | TaskStatus::Running
                | TaskStatus::Verifying
                | TaskStatus::Landing
                | TaskStatus::Retrying
                | TaskStatus::Succeeded
                | TaskStatus::Cancelled => return false,
            }
        }
        failed
    }
}

/// Whether a task that is held for this counts as not succeeded.
const fn is_fault(reason: &HeldReason) -> bool {
    match reason {
        HeldReason::UnknownMarker(_) | HeldReason::MissingDependency(_) => true,
        HeldReason::GroupDeferred(_)
        | HeldReason::PlanDone
        | HeldReason::Gate(_)
        | HeldReason::Optional
        | HeldReason::Needs(_) => false,
    }
}

const fn status_of(exit: ExitCode) -> RunStatus {
    match exit {
        ExitCode::Success => RunStatus::Succeeded,
        ExitCode::Limit => RunStatus::Limited,
        ExitCode::Waiting => RunStatus::Waiting,
        ExitCode::Interrupted | ExitCode::Terminated => RunStatus::Stopped,
        ExitCode::TaskFailed
        | ExitCode::Usage
        | ExitCode::InvalidInput
        | ExitCode::NothingToRun
        | ExitCode::Environment
        | ExitCode::Store
        | ExitCode::Held
        | ExitCode::Fault
        | ExitCode::WaitTimeout => RunStatus::Failed,
    }
}
