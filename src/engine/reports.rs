//! Agents' reports: taken in while their attempts run, and settled with the file at their end.
//!
//! - The embedded store is looked at when somebody woke the run, and with each heartbeat; a Redis by a
//!   thread of the store's, which says when it found something. The loop waits for neither.
//! - An attempt that has ended is judged after a last look, so that a report made right before the end
//!   counts. A Redis that does not answer it within [`LAST_LOOK`] is done without.
//! - What a text means is decided by `schema`, what follows from it by `model`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::engine::Engine;
use crate::model::completion::Completion;
use crate::model::ids::AttemptKey;
use crate::model::outcome::CompletionFact;
use crate::model::report::{Heard, ReportFact, ReportNews};
use crate::model::time::Timestamp;
use crate::scheduler::Input;
use crate::schema;
use crate::store::Store;
use crate::supervisor::Ended;

/// How long the end of an attempt waits for a last look into a Redis.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// What was heard of the reports of attempts that are not judged yet.
#[derive(Debug)]
pub(super) struct AgentReports {
    attempts: BTreeMap<AttemptKey, OfAttempt>,
    /// Attempts that have ended, with the time from which they wait for a last look.
    waiting: BTreeMap<AttemptKey, (Box<Ended>, Timestamp)>,
    found: mpsc::Receiver<()>,
    // Kept so that the channel stays open without a Redis.
    _sender: mpsc::Sender<()>,
}

#[derive(Debug, Default)]
struct OfAttempt {
    heard: Heard,
    /// The text that was read last in the embedded store.
    embedded: Option<String>,
}

/// Where the completion of an attempt that ended is, until the attempt is judged.
#[derive(Debug)]
pub(super) enum Left {
    /// In the file that the agent wrote.
    File,
    /// It came as a report, and there is no such file.
    Report(Box<Completion>),
    /// The agent left none.
    Nothing,
}

impl AgentReports {
    /// Gets ready to hear of the reports that `store` finds in a Redis.
    pub(super) fn new(store: &Store) -> Self {
        // One place suffices: all that was found is taken at once.
        let (sender, found) = mpsc::channel(1);
        let tell = sender.clone();
        store.on_shared_reports(Arc::new(move || {
            // A full channel means that a look is due anyhow.
            tell.try_send(()).ok();
        }));
        Self { attempts: BTreeMap::new(), waiting: BTreeMap::new(), found, _sender: sender }
    }

    /// Waits until something was found in a Redis.
    pub(super) async fn found(&mut self) {
        if self.found.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

impl Engine {
    /// Makes room for the report of an attempt that begins.
    pub(super) fn begin_report(&mut self, key: &AttemptKey) -> anyhow::Result<()> {
        self.parts.store.begin_report(&self.parts.spec, key)?;
        self.agent_reports.attempts.insert(key.clone(), OfAttempt::default());
        Ok(())
    }

    /// What is new in the embedded store.
    pub(super) fn embedded_reports(&mut self) -> anyhow::Result<Vec<Input>> {
        let keys: Vec<AttemptKey> = self.agent_reports.attempts.keys().cloned().collect();
        let mut inputs = Vec::new();
        for key in keys {
            self.look_at_embedded(&key, &mut inputs)?;
        }
        Ok(inputs)
    }

    fn look_at_embedded(&mut self, key: &AttemptKey, inputs: &mut Vec<Input>) -> anyhow::Result<()> {
        let text = self.parts.store.report_text(&self.parts.spec, &key.task)?;
        let Some(of_attempt) = self.agent_reports.attempts.get_mut(key) else { return Ok(()) };
        if text == of_attempt.embedded {
            return Ok(());
        }
        of_attempt.embedded.clone_from(&text);
        if let Some(text) = text {
            self.hear(key, text.as_bytes(), inputs);
        }
        Ok(())
    }

    /// What was found in a Redis.
    pub(super) fn shared_reports(&mut self) -> Vec<Input> {
        let mut inputs = Vec::new();
        for found in self.parts.store.shared_reports() {
            if let Some(text) = &found.text {
                self.hear(&found.key, text, &mut inputs);
            }
            if found.last
                && let Some((ended, _)) = self.agent_reports.waiting.remove(&found.key)
            {
                self.settle(found.key, *ended, &mut inputs);
            }
        }
        self.with_memory(inputs)
    }

    /// Takes in what stands under the report key of an attempt.
    fn hear(&mut self, key: &AttemptKey, text: &[u8], inputs: &mut Vec<Input>) {
        let Some(of_attempt) = self.agent_reports.attempts.get_mut(key) else { return };
        let reported = schema::report(text, &self.parts.spec.run_id, key);
        let masked = |text: String| self.parts.store.masked(&text).into_owned();
        let key = key.clone();
        match of_attempt.heard.take(reported) {
            Some(ReportNews::Progress(message)) => {
                self.supervisor.heard(&key);
                inputs.push(Input::AttemptProgressed { key, message: masked(message) });
            }
            Some(ReportNews::Refused(problem)) => {
                self.supervisor.heard(&key);
                inputs.push(Input::ReportRefused { key, problem: masked(problem) });
            }
            Some(ReportNews::Completed) => self.supervisor.completed(&key),
            None => {}
        }
    }

    /// Takes in the end of an attempt: at once, or after a last look into a Redis.
    pub(super) fn attempt_ended(&mut self, key: AttemptKey, ended: Box<Ended>, inputs: &mut Vec<Input>) {
        if let Err(error) = self.look_at_embedded(&key, inputs) {
            // The file is the sure way, and a store that does not work will be told by its writer.
            tracing::warn!(%key, %error, "its report cannot be read");
        }
        if self.agent_reports.attempts.contains_key(&key) && self.parts.store.last_report(&key) {
            self.agent_reports.waiting.insert(key, (ended, self.parts.clock.now()));
        } else {
            self.settle(key, *ended, inputs);
        }
    }

    /// The ends of attempts that have waited long enough for a last look.
    pub(super) fn overdue_reports(&mut self) -> Vec<Input> {
        let now = self.parts.clock.now();
        let overdue =
            |(_, (_, since)): &(&AttemptKey, &(Box<Ended>, Timestamp))| now.since(*since) >= LAST_LOOK;
        let keys: Vec<AttemptKey> =
            self.agent_reports.waiting.iter().filter(overdue).map(|(key, _)| key.clone()).collect();
        let mut inputs = Vec::new();
        for key in keys {
            self.parts.store.give_up_report(&key);
            if let Some((ended, _)) = self.agent_reports.waiting.remove(&key) {
                self.settle(key, *ended, &mut inputs);
            }
        }
        self.with_memory(inputs)
    }

    /// Settles which completion counts, and hands the attempt over to be judged.
    fn settle(&mut self, key: AttemptKey, mut ended: Ended, inputs: &mut Vec<Input>) {
        let heard = self.agent_reports.attempts.remove(&key).unwrap_or_default().heard;
        let has_file = matches!(ended.completion, CompletionFact::Valid { .. });
        let (completion, report) = heard.settle(ended.completion);
        let left = match &completion {
            _ if has_file => Left::File,
            CompletionFact::Valid { completion } => Left::Report(completion.clone()),
            CompletionFact::Missing | CompletionFact::Invalid { .. } => Left::Nothing,
        };
        self.left.insert(key.clone(), left);
        ended.completion = completion;
        let report = ReportFact {
            problem: report.problem.map(|problem| self.parts.store.masked(&problem).into_owned()),
            ..report
        };
        let facts = self.facts(&key, ended, report);
        inputs.push(Input::AttemptEnded { key, facts: Box::new(facts) });
    }
}
