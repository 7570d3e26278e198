//! Taking in what the supervisor reports, and finding out what it does not know.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use crate::engine::Engine;
use crate::model::ids::AttemptKey;
use crate::model::outcome::{AttemptFacts, CheckResult, CompletionFact};
use crate::model::report::ReportFact;
use crate::scheduler::Input;
use crate::supervisor::{CheckTicket, Ended, Report};

/// How many reports one turn takes in at the most, so that a flood cannot keep effects waiting.
const TURN_INPUTS: usize = 256;
/// How much of an attempt's output others can see without its file.
const TAIL_BYTES: u64 = 64 << 10;

impl Engine {
    /// Takes in a report and those that wait behind it, up to a turn's fill.
    pub(super) fn take_reports(&mut self, first: Report) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut next = Some(first);
        while let Some(report) = next {
            self.take_report(report, &mut inputs);
            next = if inputs.len() < TURN_INPUTS { self.reports.try_recv().ok() } else { None };
        }
        self.with_memory(inputs)
    }

    /// Adds what the machine has free to the ends of attempts: somebody may wait for it.
    pub(super) fn with_memory(&mut self, mut inputs: Vec<Input>) -> Vec<Input> {
        if inputs.iter().any(|input| matches!(input, Input::AttemptEnded { .. })) {
            inputs.extend(self.memory_input(true));
        }
        inputs
    }

    fn take_report(&mut self, report: Report, inputs: &mut Vec<Input>) {
        match report {
            Report::Started { key, pid } => tracing::debug!(%key, pid, "started"),
            Report::Doing { key, text } => {
                for reporter in &mut self.parts.reporters {
                    reporter.doing(&key, &text);
                }
            }
            Report::Ended { key, ended } => {
                self.active.remove(&key);
                self.parts.store.revoke(&key);
                if let Err(error) = self.keep_tail(&key, &ended) {
                    // The whole output lies in its file; what is missing is the copy for others.
                    tracing::warn!(%key, %error, "the tail of its output is not in the shared state");
                }
                self.attempt_ended(key, ended, inputs);
            }
            Report::Checked { ticket, results } => inputs.push(checked(ticket, results)),
        }
    }

    /// Puts the end of an attempt's output where others can see it.
    fn keep_tail(&mut self, key: &AttemptKey, ended: &Ended) -> anyhow::Result<()> {
        if ended.stdout_bytes == 0 {
            return Ok(());
        }
        let path = self.parts.folders.attempt(&key.task, key.attempt).join("stdout.log");
        // An agent may have put something else there, and opening a pipe would wait for its writer.
        anyhow::ensure!(path.symlink_metadata()?.is_file(), "`{}` is no file any more", path.display());
        let mut file = std::fs::File::open(&path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        self.parts.store.put_tail(&self.parts.spec, &key.task, &String::from_utf8_lossy(&bytes))?;
        Ok(())
    }

    /// What there is to judge an attempt by; its completion is the one that counts.
    pub(super) fn facts(&mut self, key: &AttemptKey, ended: Ended, report: ReportFact) -> AttemptFacts {
        let spec = Arc::clone(&self.parts.spec);
        let task = self.task(&spec, &key.task);
        let completion = match &ended.completion {
            CompletionFact::Valid { completion } => Some(completion.as_ref()),
            CompletionFact::Missing | CompletionFact::Invalid { .. } => None,
        };
        let paths = self.parts.workspace.facts(task, completion);
        let rights_doubt = self.take_rights_doubt(key);
        AttemptFacts {
            outcome: ended.outcome,
            reading: ended.reading,
            completion: ended.completion,
            report,
            outputs: paths.outputs,
            claims: paths.claims,
            plan_changed: paths.plan_changed,
            session_kept: self.sessions.has(&key.task),
            rights_doubt,
        }
    }
}

/// What finished checks mean to the scheduler.
pub(super) fn checked(ticket: CheckTicket, results: Vec<CheckResult>) -> Input {
    match ticket {
        CheckTicket::Task(key) => Input::Verified { key, results },
        CheckTicket::Run => Input::RunVerified { results },
    }
}
