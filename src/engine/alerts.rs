//! Alerts of the run: what they have to say, how far they were told, and their end.
//!
//! An alert that fails is said, and is never a failure of the run.

use std::time::Duration;

use crate::alert::News;
use crate::engine::Engine;
use crate::engine::drive::EngineParts;
use crate::engine::signals::Signals;
use crate::model::ids::RunId;
use crate::model::view::RunView;
use crate::scheduler::Input;
use crate::store::StoreError;

/// How long the end of a run waits for alerts.
const END: Duration = Duration::from_secs(10);
/// The same where somebody asked for the end.
const STOPPED: Duration = Duration::from_secs(3);

impl Engine {
    /// What a person should know of alerts. What they were told is written down.
    pub(super) fn alert_news(&mut self) -> Vec<Input> {
        let now = self.parts.clock.now();
        let Some(alerts) = &mut self.parts.alerts else { return Vec::new() };
        let mut inputs: Vec<Input> = alerts.office().news().into_iter().map(warning).collect();
        if let Some((message, hint)) = alerts.tick(self.parts.scheduler.view(), now) {
            let code = crate::alert::rules::STALLED.to_owned();
            inputs.push(Input::Warn { code, message, hint: Some(hint) });
        }
        keep_told(&mut self.parts);
        inputs
    }
}

/// Writes down what was delivered. Where that fails somebody is told twice, which is no harm.
fn keep_told(parts: &mut EngineParts) {
    let Some(alerts) = &parts.alerts else { return };
    for told in alerts.office().told() {
        let kept = if told.run == parts.spec.run_id {
            parts.store.alert_told(&told.run, &told.alert, told.through)
        } else {
            // Of a run that nobody supervises nothing follows.
            parts.store.alert_settled(&told.run, &told.alert)
        };
        noted(kept, &told.run);
    }
}

/// Has alerts sent what waits, for a bounded time; a signal ends that. Returns what was not delivered.
pub(super) async fn finish(parts: &mut EngineParts, view: &RunView) -> Vec<String> {
    let Some(alerts) = &parts.alerts else { return Vec::new() };
    let office = alerts.office().clone();
    let at_most = if view.stop_requested.is_some() { STOPPED } else { END };
    let waiting = {
        let office = office.clone();
        tokio::task::spawn_blocking(move || office.finish(at_most))
    };
    match Signals::listen() {
        Ok(mut signals) => tokio::select! {
            _ = waiting => {}
            _ = signals.next() => office.stop(),
        },
        Err(_) => drop(waiting.await),
    }
    keep_told(parts);
    let run = parts.spec.run_id.clone();
    for (place, spec) in office.specs().iter().enumerate() {
        if office.is_clear(place, &run) {
            noted(parts.store.alert_settled(&run, &spec.id), &run);
        }
    }
    let told = office.news().into_iter().map(|news| match news {
        News::Failing { alert, target, why } | News::Refused { alert, target, why } => {
            format!("alert `{alert}` ({target}) was not delivered: {why}")
        }
    });
    let left = office.left().into_iter().map(|(alert, count)| {
        let things = if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
        format!(
            "alert `{alert}` was not told of {things}: the next `run` or `resume` in this project does it, within a day"
        )
    });
    told.chain(left).collect()
}

fn noted(kept: Result<(), StoreError>, run: &RunId) {
    if let Err(error) = kept {
        tracing::warn!(%error, %run, "it is not kept that an alert was delivered: it may be sent again");
    }
}

fn warning(news: News) -> Input {
    match news {
        News::Failing { alert, target, why } => Input::Warn {
            code: "alert-failed".to_owned(),
            message: format!("alert `{alert}` ({target}) is not delivered: {why}; it is tried again"),
            hint: Some(format!("`orchestrate alert test {alert}` tries it alone")),
        },
        News::Refused { alert, target, why } => Input::Warn {
            code: "alert-refused".to_owned(),
            message: format!("alert `{alert}` ({target}) is not delivered: {why}"),
            hint: Some(format!("`orchestrate alert test {alert}` tries it alone")),
        },
    }
}
