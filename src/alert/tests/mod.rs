//! Alerts against a real server on loopback.

mod delivery;
mod forms;
mod rules;

#[path = "../../../tests/support/webhook_server.rs"]
mod webhook_server;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::model::alert::{AlertForm, AlertKind};
use crate::model::event::{Counts, Event, EventBody, EventVersion};
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::{RunId, TaskId};
use crate::model::layer::Rung;
use crate::model::money::Money;
use crate::model::run::{RunSettings, RunSpec};
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::task::TaskSpec;
use crate::model::time::Timestamp;

use super::rules::Happening;
use super::{AlertSpec, RunFacts, Target, Webhook};

/// A run with tasks of these ids.
fn spec(tasks: &[&str]) -> RunSpec {
    let task = |id: &&str| TaskSpec::new(TaskId::new(*id), format!("Do {id}"));
    RunSpec {
        root: PathBuf::from("/srv/shop"),
        plan: "plans/shop.md".to_owned(),
        plan_title: "Shop".to_owned(),
        host: "host".to_owned(),
        settings: RunSettings::default(),
        tasks: tasks.iter().map(task).collect(),
        ..RunSpec::new(RunId("01R".to_owned()), "shop")
    }
}

/// Numbered events, a second apart.
fn events(bodies: impl IntoIterator<Item = EventBody>) -> Vec<Event> {
    let numbered = bodies.into_iter().zip(1_u64..);
    numbered
        .map(|(body, seq)| Event {
            schema: EventVersion::V1,
            run_id: RunId("01R".to_owned()),
            seq,
            at: Timestamp(i64::try_from(seq).unwrap() * 1_000),
            body,
        })
        .collect()
}

fn started(task: &str, attempt: u32) -> EventBody {
    EventBody::AttemptStarted {
        task_id: TaskId::new(task),
        attempt,
        rung: Rung { layer: None, agent: "a".to_owned(), model: None, provider: None },
        deadline_at: Timestamp(1_000_000),
        session: None,
    }
}

fn failed(task: &str, kind: FailureKind, seen: &str) -> EventBody {
    EventBody::TaskFailed { task_id: TaskId::new(task), failure: Failure::new(kind, seen) }
}

fn run_ended(status: RunStatus) -> EventBody {
    EventBody::RunEnded { status, exit_code: 1, counts: Counts::new() }
}

/// Something that happened.
fn happening(kind: AlertKind, seq: u64, title: &str, text: &str) -> Happening {
    Happening {
        kinds: vec![kind],
        at: Timestamp(i64::try_from(seq).unwrap() * 1_000),
        seq,
        key: format!("{kind}:{seq}"),
        title: title.to_owned(),
        text: text.to_owned(),
        task: Some(TaskId::new("T1")),
        failure: Some(FailureKind::Exited),
    }
}

fn run() -> Arc<RunFacts> {
    Arc::new(RunFacts::of(&spec(&["T1"]), "host"))
}

fn counts() -> Counts {
    Counts::from([(TaskStatus::Succeeded, 5), (TaskStatus::Failed, 1)])
}

/// An alert that is told of everything at `url`.
fn webhook(url: &str, form: AlertForm) -> AlertSpec {
    let chat = (form == AlertForm::Telegram).then(|| "-1001".to_owned());
    AlertSpec {
        id: "name:ops".to_owned(),
        name: "ops".to_owned(),
        when: BTreeSet::from(AlertKind::CHOICES),
        target: Target::Webhook(Webhook::new(url.to_owned(), Some(form), chat, None, false).unwrap()),
        timeout: Duration::from_secs(20),
        retries: 3,
    }
}
