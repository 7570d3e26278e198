//! Which events are worth an alert.
//!
//! A pure fold over a run's events: the same events give the same happenings with the same keys, so
//! that what was not delivered before a crash is found again by reading the journal. No key comes
//! twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::alert::AlertKind;
use crate::model::event::{Event, EventBody};
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::TaskId;
use crate::model::money::Money;
use crate::model::run::RunSpec;
use crate::model::status::RunStatus;
use crate::model::time::{Span, Timestamp};
use crate::model::view::{RunView, ViewError};

/// The code of the warning that is recorded when nothing happens in a run.
pub const STALLED: &str = "run-stalled";

/// Something that is worth an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// What it is about; the first that somebody wants to hear of counts.
    pub kinds: Vec<AlertKind>,
    /// When it happened.
    pub at: Timestamp,
    /// The number of the event.
    pub seq: u64,
    /// The same whenever the same events are read.
    pub key: String,
    /// One line, not masked.
    pub title: String,
    /// A few lines, not masked.
    pub text: String,
    /// The task.
    pub task: Option<TaskId>,
    /// Why it did not succeed.
    pub failure: Option<FailureKind>,
}

/// What has to be remembered of the events so far.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    keys: BTreeSet<String>,
    /// The number of the last attempt of each task.
    attempts: BTreeMap<TaskId, u32>,
    spent: Money,
    ends: u32,
}

impl Rules {
    /// Takes in the next event; `view` is the state after it, or after those that were recorded with
    /// it.
    pub fn observe(&mut self, event: &Event, view: &RunView) -> Vec<Happening> {
        let mut found = Vec::new();
        match &event.body {
            EventBody::TaskFailed { task_id, failure } => {
                found.push(self.task_failed(event, view, task_id, failure));
            }
            EventBody::AttemptStarted { task_id, attempt, .. } => {
                self.attempts.insert(task_id.clone(), *attempt);
            }
            EventBody::RunEnded { status, .. } => {
                self.ends += 1;
                found.push(self.run_ended(event, view, *status));
            }
            EventBody::WarningRaised { code, message, hint } if code == STALLED => {
                let text = hint.as_ref().map_or_else(|| message.clone(), |hint| format!("{message}\n{hint}"));
                let title = "nothing happens in the run".to_owned();
                found.push(happening(event, AlertKind::RunStalled, &event.seq.to_string(), title, text));
            }
            EventBody::GateReached { gate, holds } => {
                let behind = match holds {
                    1 => "1 task waits behind it".to_owned(),
                    more => format!("{more} tasks wait behind it"),
                };
                let text = format!("{behind}\norchestrate approve \"{gate}\" --resume");
                let title = format!("the gate \"{gate}\" needs an approval");
                found.push(happening(event, AlertKind::PersonNeeded, &format!("gate:{gate}"), title, text));
            }
            EventBody::ProviderRested { provider, until: None, trigger, evidence } => {
                let title = format!("provider {provider} is off for the rest of the run");
                let text = format!("{trigger}: {evidence}");
                let mut found_one = happening(event, AlertKind::ProviderOff, provider, title, text);
                found_one.failure = Some(*trigger);
                found.push(found_one);
            }
            EventBody::AttemptEnded { task_id, attempt, verdict, .. } => {
                if let Some(failure) =
                    verdict.failure.as_ref().filter(|failure| failure.kind == FailureKind::Stalled)
                {
                    let title = format!("{task_id} stalled");
                    let text = format!(
                        "{}\nattempt {attempt}: {}\norchestrate why {task_id}",
                        title_of(view, task_id),
                        failure.seen
                    );
                    let mut stalled = happening(event, AlertKind::RunStalled, task_id.as_str(), title, text);
                    stalled.task = Some(task_id.clone());
                    stalled.failure = Some(failure.kind);
                    found.push(stalled);
                }
            }
            EventBody::SpendSettled { amount_usd, .. } => self.spent += *amount_usd,
            EventBody::BudgetReached { provider, month, percent, used_usd, budget_usd } => {
                let whose = match (provider, month) {
                    (Some(provider), Some(month)) => format!("the budget of {provider} for {month}"),
                    (Some(provider), None) => format!("the budget of {provider}"),
                    (None, _) => "the budget of the run".to_owned(),
                };
                let title = format!("{percent} % of {whose} is spent or reserved");
                let text = format!("{used_usd} of {budget_usd}");
                let key = [provider.as_deref(), month.as_deref(), Some(&percent.to_string())];
                let key: Vec<&str> = key.into_iter().flatten().collect();
                found.push(happening(event, AlertKind::Budget, &key.join(":"), title, text));
            }
            EventBody::RunStarted { .. }
            | EventBody::RunResumed { .. }
            | EventBody::WarningRaised { .. }
            | EventBody::StopRequested { .. }
            | EventBody::PlanChanged { .. }
            | EventBody::Replanned { .. }
            | EventBody::GateApproved { .. }
            | EventBody::ProviderRested { .. }
            | EventBody::LayerTurnedOff { .. }
            | EventBody::TaskHeld { .. }
            | EventBody::TaskSkipped { .. }
            | EventBody::TaskBlocked { .. }
            | EventBody::TaskReopened { .. }
            | EventBody::TaskRetrying { .. }
            | EventBody::LayerMoved { .. }
            | EventBody::PaymentDecided { .. }
            | EventBody::SpendReserved { .. }
            | EventBody::TaskSucceeded { .. }
            | EventBody::TaskCancelled { .. }
            | EventBody::BoxTicked { .. }
            | EventBody::AttemptProgressed { .. }
            | EventBody::ReportRefused { .. }
            | EventBody::VerificationStarted { .. } => {}
        }
        found.retain(|one| self.keys.insert(one.key.clone()));
        found
    }

    fn task_failed(&self, event: &Event, view: &RunView, task: &TaskId, failure: &Failure) -> Happening {
        let attempts = self.attempts.get(task).copied().unwrap_or(0);
        let (kinds, title, what_to_do) = if failure.kind == FailureKind::ReportedBlocked {
            let answer = format!("orchestrate retry {task} --say \"…\"");
            (vec![AlertKind::PersonNeeded, AlertKind::TaskFailed], format!("{task} needs help"), answer)
        } else {
            let look = format!("orchestrate why {task}");
            (vec![AlertKind::TaskFailed], format!("{task} failed: {}", failure.kind), look)
        };
        let text = format!("{}\n{}\n{what_to_do}", title_of(view, task), failure.seen);
        // Tried again by a person it may fail again, and that is another failure.
        let mut failed = happening(event, AlertKind::TaskFailed, &format!("{task}:{attempts}"), title, text);
        failed.kinds = kinds;
        failed.task = Some(task.clone());
        failed.failure = Some(failure.kind);
        failed
    }

    fn run_ended(&self, event: &Event, view: &RunView, status: RunStatus) -> Happening {
        let title = match status {
            RunStatus::Waiting => "the run waits for a person".to_owned(),
            RunStatus::Limited => "the run was stopped by a limit".to_owned(),
            RunStatus::Running
            | RunStatus::Succeeded
            | RunStatus::Failed
            | RunStatus::Stopped
            | RunStatus::Lost => format!("the run {}", status.as_str()),
        };
        let counts: Vec<String> =
            view.counts.iter().map(|(status, count)| format!("{count} {}", status.as_str())).collect();
        let mut text = counts.join(", ");
        let seconds = event.at.since(view.started_at).as_secs();
        text = text + " in " + &Span(Duration::from_secs(seconds)).to_string();
        if !self.spent.is_zero() {
            text = format!("{text} · {}", self.spent);
        }
        if !matches!(status, RunStatus::Succeeded) {
            text += "\norchestrate status";
        }
        happening(event, AlertKind::RunEnded, &self.ends.to_string(), title, text)
    }
}

/// What of a run's events with a number above `after` is worth an alert.
///
/// # Errors
/// If the events do not fit together.
pub fn happenings(spec: &RunSpec, events: &[Event], after: u64) -> Result<Vec<Happening>, ViewError> {
    let (mut rules, mut view) = (Rules::default(), RunView::new(spec));
    let mut found = Vec::new();
    for event in events {
        view.apply(event)?;
        found.extend(rules.observe(event, &view).into_iter().filter(|one| one.seq > after));
    }
    Ok(found)
}

fn title_of(view: &RunView, task: &TaskId) -> String {
    view.task(task).map(|task| task.title.clone()).unwrap_or_default()
}

fn happening(event: &Event, kind: AlertKind, key: &str, title: String, text: String) -> Happening {
    Happening {
        kinds: vec![kind],
        at: event.at,
        seq: event.seq,
        key: format!("{kind}:{key}"),
        title,
        text,
        task: None,
        failure: None,
    }
}
