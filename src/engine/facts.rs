//! Taking in what the supervisor reports, and finding out what it does not know.

use std::sync::Arc;

use crate::engine::Engine;
use crate::model::ids::AttemptKey;
use crate::model::outcome::{AttemptFacts, CheckResult, CompletionFact};
use crate::model::report::ReportFact;
use crate::scheduler::Input;
use crate::supervisor::{CheckTicket, Ended, Report};

/// How many reports one turn takes in at the most, so that a flood cannot keep effects waiting.
const TURN_INPUTS: usize = 256;

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
                if let Some(alerts) = &mut self.parts.alerts {
                    alerts.doing();
                }
            }
            Report::Used { key, usage } => inputs.push(Input::AttemptUsed { key, usage }),
            Report::Ended { key, ended } => {
                self.active.remove(&key);
                self.parts.store.revoke(&key);
                self.keep_last_tail(&key, ended.stdout_bytes);
                self.attempt_ended(key, ended, inputs);
            }
            Report::Checked { ticket, results } => inputs.push(checked(ticket, results)),
        }
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
        let mut doubts = paths.doubts;
        let safeguards = self.safeguard_facts(key, &ended);
        doubts.extend(safeguards.doubts);
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
            doubts,
            tests_unseen: safeguards.unseen,
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
