//! Runs, leases and histories for the tests of the store.

use std::path::PathBuf;

use crate::model::event::{Event, EventBody, EventVersion};
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::{RunId, TaskId};
use crate::model::layer::Rung;
use crate::model::record::{Lease, LeaseVersion};
use crate::model::run::{RunSettings, RunSpec};
use crate::model::status::{AttemptStatus, RunStatus, TaskStatus};
use crate::model::task::TaskSpec;
use crate::model::time::Timestamp;
use crate::model::verdict::{Verdict, Witness, WitnessName};
use crate::model::view::RunView;

pub(crate) fn task(id: &str) -> TaskSpec {
    TaskSpec { body: "the work".to_owned(), ..TaskSpec::new(TaskId::new(id), format!("Do {id}")) }
}

pub(crate) fn spec(run: &str, tasks: &[&str]) -> RunSpec {
    RunSpec {
        root: PathBuf::from("/srv/shop"),
        plan: "plan.md".to_owned(),
        plan_title: "Shop".to_owned(),
        plan_hash: "00".to_owned(),
        created_at: Timestamp(1_000),
        host: "host".to_owned(),
        settings: RunSettings { seed: 1, ..RunSettings::default() },
        tasks: tasks.iter().map(|id| task(id)).collect(),
        ..RunSpec::new(RunId(run.to_owned()), "shop")
    }
}

pub(crate) fn lease(spec: &RunSpec, pid: u32, fence: u64) -> Lease {
    Lease {
        schema: LeaseVersion::V1,
        run_id: spec.run_id.clone(),
        host: "host".to_owned(),
        pid,
        pid_started: String::new(),
        fence,
        until: Timestamp(0),
    }
}

/// A run as its supervisor keeps it: it makes events and folds them.
pub(crate) struct Supervisor {
    pub(crate) spec: RunSpec,
    pub(crate) view: RunView,
    pub(crate) fence: u64,
}

impl Supervisor {
    pub(crate) fn new(spec: RunSpec, fence: u64) -> Self {
        let view = RunView::new(&spec);
        Self { spec, view, fence }
    }

    /// The event that says this next, already part of the view.
    pub(crate) fn event(&mut self, body: EventBody) -> Event {
        self.try_event(body).unwrap()
    }

    pub(crate) fn try_event(&mut self, body: EventBody) -> Result<Event, crate::model::view::ViewError> {
        let seq = self.view.last_seq + 1;
        let event = Event {
            schema: EventVersion::V1,
            run_id: self.spec.run_id.clone(),
            seq,
            at: Timestamp(2_000 + i64::try_from(seq).unwrap()),
            body,
        };
        self.view.apply(&event)?;
        Ok(event)
    }

    pub(crate) fn started(&mut self) -> Event {
        let body = EventBody::RunStarted {
            plan: self.spec.plan.clone(),
            plan_title: self.spec.plan_title.clone(),
            host: "host".to_owned(),
            pid: 7,
            tasks: 1,
            to_run: 1,
            done_before: 0,
            jobs: 4,
            fence: self.fence,
        };
        self.event(body)
    }

    pub(crate) fn ended(&mut self) -> Event {
        let counts = self.view.counts.clone();
        self.event(EventBody::RunEnded { status: RunStatus::Succeeded, exit_code: 0, counts })
    }
}

pub(crate) fn rung() -> Rung {
    Rung {
        layer: Some(3),
        agent: "kilo".to_owned(),
        model: Some("kilo/z-ai/glm-4.7".to_owned()),
        provider: Some("kilo".to_owned()),
    }
}

pub(crate) fn attempt_started(id: &str, attempt: u32) -> EventBody {
    EventBody::AttemptStarted {
        task_id: TaskId::new(id),
        attempt,
        rung: rung(),
        deadline_at: Timestamp(9_000_000),
        session: None,
    }
}

pub(crate) fn verdict(failure: Option<Failure>) -> Verdict {
    let witness = |name, agrees| Witness { name, agrees, asked: true, seen: "exited with 0".to_owned() };
    Verdict {
        decided_by: failure.as_ref().map(|_| WitnessName::Process),
        witnesses: vec![
            witness(WitnessName::Process, Some(failure.is_none())),
            witness(WitnessName::Events, Some(true)),
            witness(WitnessName::Completion, Some(true)),
            witness(WitnessName::Outputs, Some(true)),
            witness(WitnessName::Model, None),
            witness(WitnessName::Verify, Some(true)),
        ],
        failure,
        ..Verdict::default()
    }
}

pub(crate) fn failure() -> Failure {
    Failure::new(FailureKind::Exited, "exited with 1")
}

pub(crate) fn attempt_ended(id: &str, attempt: u32, status: AttemptStatus) -> EventBody {
    EventBody::AttemptEnded {
        task_id: TaskId::new(id),
        attempt,
        status,
        outcome: None,
        reading: None,
        summary: Some("did it".to_owned()),
        session_kept: false,
        verdict: verdict((status != AttemptStatus::Succeeded).then(failure)),
    }
}

/// Some event of a task, by number: for random histories, of which only the legal steps are kept.
pub(crate) fn some_event(view: &RunView, task: usize, choice: u8) -> EventBody {
    let task = &view.tasks[task];
    let id = task.id.clone();
    let attempt = task.attempts.last().map_or(0, |last| last.attempt);
    match choice % 14 {
        0..=2 => attempt_started(id.as_str(), attempt + 1),
        3 => attempt_ended(id.as_str(), attempt, AttemptStatus::Succeeded),
        4 => attempt_ended(id.as_str(), attempt, AttemptStatus::Failed),
        5 => EventBody::TaskSucceeded { task_id: id, attempt },
        6 => EventBody::TaskFailed { task_id: id, failure: failure() },
        7 => EventBody::TaskRetrying {
            task_id: id,
            attempt: attempt + 1,
            at: Timestamp(5_000),
            why: failure(),
            next: rung(),
        },
        8 => EventBody::TaskReopened {
            task_id: id,
            why: "retry".to_owned(),
            fresh: choice > 100,
            layer: None,
            agent: None,
            say: None,
        },
        9 => EventBody::AttemptProgressed { task_id: id, attempt, message: "half of it".to_owned() },
        10 => {
            EventBody::VerificationStarted { task_id: id, attempt, commands: vec!["cargo test".to_owned()] }
        }
        11 => EventBody::ReportRefused { task_id: id, attempt, problem: "is no JSON".to_owned() },
        12 => EventBody::TaskCancelled { task_id: id, by: "stop".to_owned() },
        _ => EventBody::TaskBlocked { task_id: id.clone(), by: id },
    }
}

pub(crate) fn status_of(view: &RunView, id: &str) -> TaskStatus {
    view.task(&TaskId::new(id)).unwrap().status
}
