//! What an attempt came to: nine witnesses, and which of them decides.
//!
//! Agents claim what they have not done and exit 0 on errors, so an attempt is a success only if
//! no witness disagrees. Every witness stands in the verdict, with whether it applies and what it
//! saw; one that cannot see neither agrees nor disagrees.
//!
//! Where several disagree, the one that explains best decides, in this order:
//!
//! | what | witness | kind |
//! | --- | --- | --- |
//! | we were asked to stop it | process | none: the attempt is cancelled |
//! | the program is not there, or did not start | process | `agent_not_found`, `exited` |
//! | a limit on memory, output, processes | process | `over_limit` |
//! | a terminal error in the agent's events or error log | events | as the sign says |
//! | we stopped it: deadline, silence, no hope | process | `timed_out`, `stalled` |
//! | the agent itself says that it failed or cannot go on | completion | `reported_failed`, `reported_blocked` |
//! | a terminal error that was only made out of how it ended | events | as the sign says |
//! | exit code, signal | process | `exited`, `killed` |
//! | no completion, or a bad one | completion | `no_completion`, `bad_completion` |
//! | the others in the order of the contract | outputs, change, model, verify | their own |
//!
//! A provider's error explains a missing completion, not the other way round; and it says more
//! than a deadline that passed while the agent tried again and again. This module looks at facts
//! alone: it reads no file and knows no agent's phrases.

use crate::model::agent::{AdapterKind, AgentSpec, CompletionRule};
use crate::model::completion::CompletionStatus;
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::Rung;
use crate::model::money::Money;
use crate::model::outcome::{AttemptFacts, CheckResult, CompletionFact, Ending, StopReason};
use crate::model::reading::SignSource;
use crate::model::run::RunSpec;
use crate::model::status::AttemptStatus;
use crate::model::task::TaskSpec;
use crate::model::verdict::{Verdict, WitnessName};

use super::answered::money_told;
use super::witnesses::{
    Said, change, completion, events, landing, model, outputs, process, sign_text, verify,
};

/// How far the checks of an attempt are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Checks<'a> {
    /// Nothing was run: the other witnesses are asked first.
    NotYet,
    /// They were run, and these are the results.
    Done {
        /// Of the task's own commands, in order.
        own: &'a [CheckResult],
        /// Of the run-wide commands, in order.
        wide: &'a [CheckResult],
        /// The tasks for which the run-wide commands were run together.
        together: &'a [TaskId],
    },
}

/// What the judge is asked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The run.
    pub spec: &'a RunSpec,
    /// The task.
    pub task: &'a TaskSpec,
    /// The attempt.
    pub key: &'a AttemptKey,
    /// Where it ran.
    pub rung: &'a Rung,
    /// What was seen of it.
    pub facts: &'a AttemptFacts,
    /// What its checks came to.
    pub checks: Checks<'a>,
}

/// What the judge says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// As what the attempt ended.
    pub status: AttemptStatus,
    /// Why.
    pub verdict: Verdict,
}

impl Question<'_> {
    pub(super) fn agent(&self) -> Option<&AgentSpec> {
        self.spec.agents.get(&self.rung.agent)
    }

    pub(super) fn is_command(&self) -> bool {
        self.agent().is_some_and(|agent| agent.kind == AdapterKind::Command)
    }

    pub(super) fn completion_rule(&self) -> CompletionRule {
        match self.agent() {
            Some(agent) if agent.kind == AdapterKind::Command => match agent.completion {
                CompletionRule::None => CompletionRule::None,
                CompletionRule::Required | CompletionRule::Optional => CompletionRule::Optional,
            },
            Some(agent) => agent.completion,
            None => CompletionRule::Required,
        }
    }
}

/// Judges an attempt by what was seen of it.
pub fn judge(question: &Question<'_>) -> Judgement {
    let mut said = vec![
        process(question),
        events(question),
        completion(question),
        outputs(question),
        change(question),
        model(question),
    ];
    let against = said.iter().any(Said::is_against);
    said.push(verify(question, against));
    said.extend(landing(question));

    let cancelled = question.facts.outcome.stopped == Some(StopReason::Requested);
    let decided = said
        .iter()
        .filter(|said| said.is_against())
        .min_by_key(|said| weight(said, question))
        .map(|said| (said.witness.name, said.kind, said.witness.seen.clone()));
    let status = if cancelled {
        AttemptStatus::Cancelled
    } else if decided.is_some() {
        AttemptStatus::Failed
    } else {
        AttemptStatus::Succeeded
    };
    let failure = decided
        .as_ref()
        .filter(|_| !cancelled)
        .and_then(|(_, kind, seen)| kind.map(|kind| Failure::new(kind, seen.clone())));
    let notes = notes(question, failure.as_ref());
    let verdict = Verdict {
        failure,
        decided_by: decided.map(|(name, _, _)| name),
        witnesses: said.into_iter().map(|said| said.witness).collect(),
        notes,
        doubts: question.facts.doubts.clone(),
    };
    Judgement { status, verdict }
}

/// The verdict on an attempt whose supervisor died: nobody saw how it ended.
pub fn lost() -> Verdict {
    let seen = "its supervisor died while it ran";
    let witness = |name| Said::not_asked(name, "the attempt was lost").witness;
    Verdict {
        failure: Some(Failure::new(FailureKind::Lost, seen)),
        decided_by: Some(WitnessName::Process),
        witnesses: vec![
            Said::disagrees(WitnessName::Process, FailureKind::Lost, seen).witness,
            witness(WitnessName::Events),
            witness(WitnessName::Completion),
            witness(WitnessName::Outputs),
            witness(WitnessName::Change),
            witness(WitnessName::Model),
            witness(WitnessName::Verify),
            witness(WitnessName::Ownership),
            witness(WitnessName::Merge),
        ],
        ..Verdict::default()
    }
}

/// The verdict on an attempt that was stopped after its process had ended and before its result
/// was checked to the end.
pub fn stopped_while_verifying(mut judgement: Judgement) -> Judgement {
    judgement.status = AttemptStatus::Cancelled;
    judgement.verdict.failure = None;
    judgement.verdict.decided_by = Some(WitnessName::Verify);
    for witness in &mut judgement.verdict.witnesses {
        if witness.name == WitnessName::Verify {
            witness.asked = true;
            witness.agrees = None;
            "not observable: stopped before it was done".clone_into(&mut witness.seen);
        }
    }
    judgement
}

/// The place in the table at the top; the smallest decides.
fn weight(said: &Said, question: &Question<'_>) -> u8 {
    let outcome = &question.facts.outcome;
    match said.witness.name {
        WitnessName::Process => match &outcome.stopped {
            Some(StopReason::Requested) => 0,
            Some(StopReason::OverLimit { .. } | StopReason::OverBudget { .. }) => 2,
            Some(
                StopReason::Deadline | StopReason::Idle | StopReason::Hopeless { .. } | StopReason::Lingering,
            ) => 4,
            None => match outcome.ending {
                Ending::NotFound { .. } | Ending::FailedToStart { .. } => 1,
                Ending::Exited { .. } | Ending::Killed { .. } | Ending::Unknown { .. } => 7,
            },
        },
        WitnessName::Events => match &question.facts.reading.terminal_error {
            Some(sign) if sign.source == SignSource::Exit || sign.kind == FailureKind::Exited => 6,
            Some(_) | None => 3,
        },
        WitnessName::Completion => match &question.facts.completion {
            CompletionFact::Valid { .. } if said.kind != Some(FailureKind::BadCompletion) => 5,
            CompletionFact::Valid { .. } | CompletionFact::Missing | CompletionFact::Invalid { .. } => 8,
        },
        WitnessName::Outputs => 9,
        WitnessName::Change => 10,
        WitnessName::Model => 11,
        WitnessName::Verify => 12,
        WitnessName::Ownership => 13,
        WitnessName::Merge => 14,
    }
}

/// What is worth knowing and decides nothing.
fn notes(question: &Question<'_>, failure: Option<&Failure>) -> Vec<String> {
    let facts = question.facts;
    let mut notes: Vec<String> = facts
        .reading
        .notes
        .iter()
        .map(|sign| format!("recovered from {}: {}", sign.kind, sign_text(sign)))
        .collect();
    if facts.reading.proper_end == Some(false) {
        notes.push("the agent's own sign of a proper end is missing".to_owned());
    }
    match facts.outcome.left_behind {
        0 => {}
        1 => notes.push("1 process was left behind and ended".to_owned()),
        count => notes.push(format!("{count} processes were left behind and ended")),
    }
    if let Some(usd) = money_told(question.spec, question.rung, &facts.reading) {
        let layer = question.rung.layer.unwrap_or_default();
        notes.push(format!("layer {layer} is free, and the agent tells of {} spent", Money::usd(usd)));
    }
    if facts.report.counts {
        notes.push("its completion came as a report in the shared state".to_owned());
    }
    if let Some(problem) = &facts.report.problem {
        notes.push(format!("its last report is not valid: {problem}"));
    }
    if facts.plan_changed {
        notes.push("the agent changed its own plan file".to_owned());
    }
    if let Some(unseen) = &facts.tests_unseen {
        notes.push(format!("whether tests were removed or switched off is not observable: {unseen}"));
    }
    if let Some(doubt) = &facts.rights_doubt {
        notes.push(format!("rights: advisory: {doubt}"));
    }
    if let CompletionFact::Valid { completion } = &facts.completion
        && completion.status == CompletionStatus::Succeeded
    {
        for check in completion.verification.iter().filter(|check| check.exit_code != 0) {
            notes.push(format!(
                "the agent says succeeded, and that `{}` exits {}",
                check.command, check.exit_code
            ));
        }
        if let Some(failure) = failure {
            notes.push(format!("the agent says succeeded, which is {}", failure.kind));
        }
    }
    notes
}
