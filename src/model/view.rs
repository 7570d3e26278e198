//! A run's state: the fold of its events, live or after a crash.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event::{Counts, Event, EventBody};
use super::failure::{Failure, FailureKind};
use super::ids::{RunId, TaskId};
use super::layer::Rung;
use super::outcome::Outcome;
use super::reading::Reading;
use super::run::RunSpec;
use super::status::{AttemptStatus, RunStatus, TaskStatus};
use super::story::{Resting, Story, Tried};
use super::task::HeldReason;
use super::time::Timestamp;
use super::verdict::Verdict;

/// One attempt as far as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Its number.
    pub attempt: u32,
    /// Where it runs or ran.
    pub rung: Rung,
    /// How it stands.
    pub status: AttemptStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it has had its time.
    pub deadline_at: Timestamp,
    /// The session of an earlier attempt that it goes on with.
    #[serde(default)]
    pub session: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How its process ended.
    pub outcome: Option<Outcome>,
    /// What its adapter read.
    pub reading: Option<Reading>,
    /// The agent's own summary.
    pub summary: Option<String>,
    /// Whether its session was kept for the next attempt under the same supervisor.
    #[serde(default)]
    pub session_kept: bool,
    /// What the judge made of it.
    pub verdict: Option<Verdict>,
}

impl AttemptView {
    /// Why it failed.
    pub fn failure(&self) -> Option<&Failure> {
        self.verdict.as_ref().and_then(|verdict| verdict.failure.as_ref())
    }

    /// Whether it was to go on with a session and the agent did not even get that far: the session is
    /// gone, or its data are damaged. Nothing was tried then.
    pub fn lost_its_session(&self) -> bool {
        let untold = || {
            let reading = self.reading.as_ref()?;
            Some(reading.session_id.is_none() && reading.turns.is_none_or(|turns| turns == 0))
        };
        let by_itself = || self.outcome.as_ref().is_some_and(|outcome| outcome.stopped.is_none());
        self.session.is_some()
            && self.status == AttemptStatus::Failed
            && by_itself()
            && untold().unwrap_or(false)
    }
}

/// One task as far as it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// Its id.
    pub id: TaskId,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Why it is held.
    pub held: Vec<HeldReason>,
    /// Why it is skipped.
    pub skipped: Option<String>,
    /// What blocks it.
    pub blocked_by: Option<TaskId>,
    /// Why it failed for good, or what went wrong last while it is retried.
    pub failure: Option<Failure>,
    /// When its next attempt may begin.
    pub retry_at: Option<Timestamp>,
    /// Where its next attempt is to run, once that was decided.
    pub next: Option<Rung>,
    /// What the agent said last of its progress.
    pub progress: Option<String>,
    /// What is wrong with the report that it made since.
    #[serde(default)]
    pub report_problem: Option<String>,
    /// How many of its attempts came before it got its retries anew.
    pub fresh_from: usize,
    /// The layer, agent and word that a person gave with `retry`.
    pub chosen_layer: Option<u8>,
    /// See `chosen_layer`.
    pub chosen_agent: Option<String>,
    /// See `chosen_layer`.
    pub say: Option<String>,
    /// How it moved between layers, and what that cost.
    #[serde(default, skip_serializing_if = "Story::is_empty")]
    pub story: Story,
    /// When its status changed last.
    pub changed_at: Timestamp,
    /// Counts every event about it; the revision of its status record.
    pub revision: u64,
}

impl TaskView {
    /// The attempt that is under way, or the last one.
    pub fn last_attempt(&self) -> Option<&AttemptView> {
        self.attempts.last()
    }

    /// The attempts that count for its retries.
    pub fn counted_attempts(&self) -> &[AttemptView] {
        &self.attempts[self.fresh_from.min(self.attempts.len())..]
    }
}

/// How long a provider is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Until when; none: for the rest of the run.
    pub until: Option<Timestamp>,
    /// The failure that showed it.
    pub trigger: FailureKind,
    /// What was seen.
    pub evidence: String,
}

/// A run as far as its events tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// Its id.
    pub run_id: RunId,
    /// Where it stands.
    pub status: RunStatus,
    /// The exit code, once it ended.
    pub exit_code: Option<u8>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended (the last time).
    pub ended_at: Option<Timestamp>,
    /// When its supervisor began: the start, or the last resume.
    pub supervised_since: Timestamp,
    /// Its supervisor's host and process.
    pub supervisor: Option<(String, u32)>,
    /// The fencing number of its supervisor.
    pub fence: u64,
    /// The number of the last event.
    pub last_seq: u64,
    /// When the last event happened.
    pub updated_at: Timestamp,
    /// Who asked for a stop.
    pub stop_requested: Option<String>,
    /// Whether the plan was changed since the run read it.
    #[serde(default)]
    pub plan_changed: bool,
    /// Its tasks in plan order.
    pub tasks: Vec<TaskView>,
    /// How many tasks are in each status.
    pub counts: Counts,
    /// The gates that were let pass.
    pub approved: BTreeSet<String>,
    /// The gates that were reached and not let pass.
    pub gates_reached: BTreeSet<String>,
    /// The providers that are left alone.
    pub rests: BTreeMap<String, Rest>,
    /// The layers that are off.
    pub layers_off: BTreeSet<u8>,
    /// What a person should know: code, message, hint.
    pub warnings: Vec<(String, String, Option<String>)>,
    #[serde(skip)]
    index: BTreeMap<TaskId, usize>,
}

/// Why an event does not fit onto a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// Its number is not the next one.
    #[error("event {found} follows event {last}")]
    Gap {
        /// The last number.
        last: u64,
        /// The number it has.
        found: u64,
    },
    /// It is about a task that the run does not have.
    #[error("event {seq} is about task `{task}`, which the run does not have")]
    UnknownTask {
        /// Its number.
        seq: u64,
        /// The task.
        task: TaskId,
    },
    /// It is about an attempt that is not under way, or begins one out of turn.
    #[error("event {seq} is about attempt {attempt} of task `{task}`, which is not under way")]
    WrongAttempt {
        /// Its number.
        seq: u64,
        /// The task.
        task: TaskId,
        /// The attempt.
        attempt: u32,
    },
    /// The step is not in the table of [`TaskStatus::may_become`].
    #[error("event {seq} makes task `{task}` {to}, which is {from}")]
    IllegalStep {
        /// Its number.
        seq: u64,
        /// The task.
        task: TaskId,
        /// What it is.
        from: TaskStatus,
        /// What the event would make it.
        to: TaskStatus,
    },
}

impl RunView {
    /// The state before the first event: every task pending.
    pub fn new(spec: &RunSpec) -> Self {
        let tasks: Vec<TaskView> = spec
            .tasks
            .iter()
            .map(|task| TaskView {
                id: task.id.clone(),
                title: task.title.clone(),
                status: TaskStatus::Pending,
                attempts: Vec::new(),
                held: Vec::new(),
                skipped: None,
                blocked_by: None,
                failure: None,
                retry_at: None,
                next: None,
                progress: None,
                report_problem: None,
                fresh_from: 0,
                chosen_layer: None,
                chosen_agent: None,
                say: None,
                story: Story::default(),
                changed_at: spec.created_at,
                revision: 0,
            })
            .collect();
        let index = tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place)).collect();
        let mut counts = Counts::new();
        if !tasks.is_empty() {
            counts.insert(TaskStatus::Pending, u32::try_from(tasks.len()).unwrap_or(u32::MAX));
        }
        Self {
            run_id: spec.run_id.clone(),
            status: RunStatus::Running,
            exit_code: None,
            started_at: spec.created_at,
            ended_at: None,
            supervised_since: spec.created_at,
            supervisor: None,
            fence: 0,
            last_seq: 0,
            updated_at: spec.created_at,
            stop_requested: None,
            plan_changed: false,
            tasks,
            counts,
            approved: BTreeSet::new(),
            gates_reached: BTreeSet::new(),
            rests: BTreeMap::new(),
            layers_off: BTreeSet::new(),
            warnings: Vec::new(),
            index,
        }
    }

    /// Folds `events` onto the state before the first one.
    pub fn fold<'a>(spec: &RunSpec, events: impl IntoIterator<Item = &'a Event>) -> Result<Self, ViewError> {
        let mut view = Self::new(spec);
        for event in events {
            view.apply(event)?;
        }
        Ok(view)
    }

    /// The task `id`.
    pub fn task(&self, id: &TaskId) -> Option<&TaskView> {
        self.index.get(id).map(|&place| &self.tasks[place])
    }

    /// Where the task `id` stands in plan order.
    pub fn place(&self, id: &TaskId) -> Option<usize> {
        self.index.get(id).copied()
    }

    /// How many tasks are in `status`.
    pub fn count(&self, status: TaskStatus) -> u32 {
        self.counts.get(&status).copied().unwrap_or(0)
    }

    /// How many tasks were last at each layer.
    pub fn layers_used(&self) -> BTreeMap<u8, u32> {
        let mut used = BTreeMap::new();
        for layer in
            self.tasks.iter().filter_map(|task| task.last_attempt()).filter_map(|attempt| attempt.rung.layer)
        {
            *used.entry(layer).or_insert(0) += 1;
        }
        used
    }

    /// Takes in the next event. On an error the state is as before.
    pub fn apply(&mut self, event: &Event) -> Result<(), ViewError> {
        if event.seq != self.last_seq + 1 {
            return Err(ViewError::Gap { last: self.last_seq, found: event.seq });
        }
        match event.body.task_id() {
            Some(id) => {
                let place = self
                    .place(id)
                    .ok_or_else(|| ViewError::UnknownTask { seq: event.seq, task: id.clone() })?;
                self.apply_to_task(place, event)?;
            }
            None => self.apply_to_run(event),
        }
        self.last_seq = event.seq;
        self.updated_at = event.at;
        Ok(())
    }

    fn apply_to_run(&mut self, event: &Event) {
        match &event.body {
            EventBody::RunStarted { host, pid, fence, .. } => {
                self.started_at = event.at;
                self.supervise(event.at, host, *pid, *fence);
            }
            EventBody::RunResumed { host, pid, fence } => self.supervise(event.at, host, *pid, *fence),
            EventBody::WarningRaised { code, message, hint } => {
                self.warnings.push((code.clone(), message.clone(), hint.clone()));
            }
            EventBody::StopRequested { by } => self.stop_requested = Some(by.clone()),
            EventBody::GateApproved { gate, .. } => {
                self.gates_reached.remove(gate);
                self.approved.insert(gate.clone());
            }
            EventBody::GateReached { gate, .. } => {
                self.gates_reached.insert(gate.clone());
            }
            EventBody::ProviderRested { provider, until, trigger, evidence } => {
                let rest = Rest { until: *until, trigger: *trigger, evidence: evidence.clone() };
                self.rests.insert(provider.clone(), rest);
            }
            EventBody::LayerTurnedOff { layer, .. } => {
                self.layers_off.insert(*layer);
            }
            EventBody::RunEnded { status, exit_code, .. } => {
                self.status = *status;
                self.exit_code = Some(*exit_code);
                self.ended_at = Some(event.at);
            }
            EventBody::PlanChanged { .. } => self.plan_changed = true,
            EventBody::Replanned { .. } => self.plan_changed = false,
            EventBody::BudgetReached { .. }
            | EventBody::TaskHeld { .. }
            | EventBody::TaskSkipped { .. }
            | EventBody::TaskBlocked { .. }
            | EventBody::TaskReopened { .. }
            | EventBody::TaskRetrying { .. }
            | EventBody::LayerMoved { .. }
            | EventBody::PaymentDecided { .. }
            | EventBody::SpendReserved { .. }
            | EventBody::SpendSettled { .. }
            | EventBody::TaskSucceeded { .. }
            | EventBody::TaskFailed { .. }
            | EventBody::TaskCancelled { .. }
            | EventBody::BoxTicked { .. }
            | EventBody::AttemptStarted { .. }
            | EventBody::AttemptProgressed { .. }
            | EventBody::ReportRefused { .. }
            | EventBody::VerificationStarted { .. }
            | EventBody::AttemptEnded { .. } => {}
        }
    }

    fn supervise(&mut self, at: Timestamp, host: &str, pid: u32, fence: u64) {
        self.status = RunStatus::Running;
        self.exit_code = None;
        self.ended_at = None;
        self.stop_requested = None;
        self.supervised_since = at;
        self.supervisor = Some((host.to_owned(), pid));
        self.fence = fence;
        // What was off for the rest of the run was so for the process that ended.
        self.rests.retain(|_, rest| rest.until.is_some());
        self.layers_off.clear();
        // So are the data of sessions: no supervisor takes over those of another.
        for attempt in self.tasks.iter_mut().flat_map(|task| &mut task.attempts) {
            attempt.session_kept = false;
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of event; splitting would hide one")]
    fn apply_to_task(&mut self, place: usize, event: &Event) -> Result<(), ViewError> {
        let seq = event.seq;
        let task = &mut self.tasks[place];
        let from = task.status;
        let to = event.body.status();
        if let Some(to) = to
            && !from.may_become(to)
        {
            return Err(ViewError::IllegalStep { seq, task: task.id.clone(), from, to });
        }
        match &event.body {
            EventBody::AttemptStarted { attempt, rung, deadline_at, session, .. } => {
                let expected = task.attempts.last().map_or(1, |last| last.attempt + 1);
                let open = task.attempts.last().is_some_and(|last| last.status == AttemptStatus::Running);
                if *attempt != expected || open {
                    return Err(ViewError::WrongAttempt { seq, task: task.id.clone(), attempt: *attempt });
                }
                task.attempts.push(AttemptView {
                    attempt: *attempt,
                    rung: rung.clone(),
                    status: AttemptStatus::Running,
                    started_at: event.at,
                    deadline_at: *deadline_at,
                    session: session.clone(),
                    ended_at: None,
                    outcome: None,
                    reading: None,
                    summary: None,
                    session_kept: false,
                    verdict: None,
                });
                task.retry_at = None;
                task.next = None;
                task.progress = None;
                task.report_problem = None;
            }
            EventBody::AttemptEnded {
                attempt,
                status,
                outcome,
                reading,
                summary,
                session_kept,
                verdict,
                ..
            } => {
                let current = task
                    .attempts
                    .last_mut()
                    .filter(|last| last.attempt == *attempt && last.status == AttemptStatus::Running);
                let Some(current) = current else {
                    return Err(ViewError::WrongAttempt { seq, task: task.id.clone(), attempt: *attempt });
                };
                current.status = *status;
                current.ended_at = Some(event.at);
                current.outcome.clone_from(outcome);
                current.reading.clone_from(reading);
                current.summary.clone_from(summary);
                current.session_kept = *session_kept;
                current.verdict = Some(verdict.clone());
            }
            EventBody::VerificationStarted { attempt, .. }
            | EventBody::AttemptProgressed { attempt, .. }
            | EventBody::ReportRefused { attempt, .. } => {
                let open = task
                    .attempts
                    .last()
                    .is_some_and(|last| last.attempt == *attempt && last.status == AttemptStatus::Running);
                if !open {
                    return Err(ViewError::WrongAttempt { seq, task: task.id.clone(), attempt: *attempt });
                }
                if let EventBody::AttemptProgressed { message, .. } = &event.body {
                    task.progress = Some(message.clone());
                    task.report_problem = None;
                }
                if let EventBody::ReportRefused { problem, .. } = &event.body {
                    task.report_problem = Some(problem.clone());
                }
            }
            EventBody::TaskHeld { reasons, .. } => task.held.clone_from(reasons),
            EventBody::TaskSkipped { why, .. } => task.skipped = Some(why.clone()),
            EventBody::TaskBlocked { by, .. } => task.blocked_by = Some(by.clone()),
            EventBody::TaskReopened { fresh, layer, agent, say, .. } => {
                task.held.clear();
                task.skipped = None;
                task.blocked_by = None;
                task.failure = None;
                task.retry_at = None;
                task.next = None;
                if *fresh {
                    task.fresh_from = task.attempts.len();
                    task.chosen_layer = *layer;
                    task.chosen_agent.clone_from(agent);
                    task.say.clone_from(say);
                }
            }
            EventBody::TaskRetrying { at, why, next, .. } => {
                task.retry_at = Some(*at);
                task.failure = Some(why.clone());
                task.next = Some(next.clone());
            }
            EventBody::TaskFailed { failure, .. } => task.failure = Some(failure.clone()),
            EventBody::TaskSucceeded { .. } => task.failure = None,
            EventBody::LayerMoved { .. }
            | EventBody::PaymentDecided { .. }
            | EventBody::SpendReserved { .. }
            | EventBody::SpendSettled { .. } => {
                let rests = |rung: &Rung| {
                    let provider = rung.provider.as_ref().and_then(|provider| {
                        let until = self.rests.get(provider)?.until;
                        until.is_none_or(|until| until > event.at).then(|| (provider.clone(), until))
                    });
                    let layer = rung.layer.filter(|layer| self.layers_off.contains(layer));
                    let until = provider.as_ref().and_then(|(_, until)| *until);
                    (provider.is_some() || layer.is_some()).then(|| Resting {
                        provider: provider.map(|(provider, _)| provider),
                        layer,
                        until: until.filter(|_| layer.is_none()),
                    })
                };
                let tried = || {
                    let tried = task.attempts.iter().map(|attempt| Tried {
                        attempt: attempt.attempt,
                        rung: attempt.rung.clone(),
                        failure: attempt.failure().map(|failure| failure.kind),
                    });
                    tried.collect()
                };
                task.story.take(event, rests, tried);
            }
            EventBody::TaskCancelled { .. }
            | EventBody::BoxTicked { .. }
            | EventBody::RunStarted { .. }
            | EventBody::RunResumed { .. }
            | EventBody::WarningRaised { .. }
            | EventBody::StopRequested { .. }
            | EventBody::PlanChanged { .. }
            | EventBody::Replanned { .. }
            | EventBody::GateApproved { .. }
            | EventBody::GateReached { .. }
            | EventBody::ProviderRested { .. }
            | EventBody::BudgetReached { .. }
            | EventBody::LayerTurnedOff { .. }
            | EventBody::RunEnded { .. } => {}
        }
        task.revision += 1;
        if let Some(to) = to {
            task.status = to;
            task.changed_at = event.at;
            if from != to {
                if let Some(count) = self.counts.get_mut(&from) {
                    *count -= 1;
                    if *count == 0 {
                        self.counts.remove(&from);
                    }
                }
                *self.counts.entry(to).or_insert(0) += 1;
            }
        }
        Ok(())
    }
}
