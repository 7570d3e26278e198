//! One attempt: what it used so far, and the facts that are left when it has ended.

use crate::model::completion::{
    Completion, CompletionError, CompletionSource, CompletionStatus, CompletionVersion,
};
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, RunId};
use crate::model::layer::{Price, Rung};
use crate::model::limits::Peaks;
use crate::model::money::Money;
use crate::model::outcome::{AttemptFacts, CompletionFact, Ending, Outcome, PathFact, StopReason};
use crate::model::reading::{Reading, Sign, SignSource, Tokens, Usage};
use crate::model::report::ReportFact;
use crate::model::task::TaskSpec;
use crate::model::time::{Span, Timestamp};

use super::scenario::{Answer, TaskShape};

/// The name of a model that nobody asked for.
const STRANGER: &str = "a-model-nobody-asked-for";
/// The signals that end an attempt: of a crash, and ours.
const SEGMENTATION_FAULT: i32 = 11;
const TERMINATE: i32 = 15;

/// An attempt that is under way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) rung: Rung,
    pub(super) started: Timestamp,
    /// When the supervisor would stop it.
    pub(super) deadline: Timestamp,
    pub(super) shape: TaskShape,
    /// How long a step takes.
    pub(super) step: Span,
    /// Whether the task itself fails.
    pub(super) fails: bool,
    /// What its tokens cost; none: nothing, or nobody says.
    pub(super) price: Option<Price>,
    pub(super) done: u32,
    pub(super) stranger: bool,
    /// The number of what happens to it next; what has another number is past.
    pub(super) next: u64,
}

/// How an attempt ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// By itself, with its work done or not.
    Proper,
    /// With an error of its provider.
    Refused { answer: Answer, provider: String, retry_after: Option<Span> },
    /// We stopped it.
    Stopped(StopReason),
}

impl Flight {
    /// Who answers.
    fn model(&self) -> Option<String> {
        if self.stranger { Some(STRANGER.to_owned()) } else { self.rung.model.clone() }
    }

    fn tokens(&self) -> Option<Tokens> {
        let steps = u64::from(self.done);
        let tokens = Tokens {
            input: self.shape.input.saturating_mul(steps),
            output: self.shape.output.saturating_mul(steps),
        };
        (self.done > 0 && self.rung.model.is_some()).then_some(tokens)
    }

    fn cost(&self) -> Option<f64> {
        let tokens = self.tokens()?;
        self.price.map(|price| Money::of(tokens, price).as_usd())
    }

    /// What it used so far, as its agent would tell.
    pub(super) fn usage(&self) -> Usage {
        Usage { tokens: self.tokens(), cost_usd: self.cost(), requests: self.done, model: self.model() }
    }

    /// What is seen when it ends at `now`.
    pub(super) fn facts(
        &self,
        run: &RunId,
        key: &AttemptKey,
        task: &TaskSpec,
        end: &End,
        now: Timestamp,
    ) -> AttemptFacts {
        let (ending, stopped) = match end {
            End::Proper => (Ending::Exited { code: 0 }, None),
            End::Refused { answer: Answer::Crashes, .. } => {
                (Ending::Killed { signal: SEGMENTATION_FAULT }, None)
            }
            End::Refused { .. } => (Ending::Exited { code: 1 }, None),
            End::Stopped(reason) => (Ending::Killed { signal: TERMINATE }, Some(reason.clone())),
        };
        let wall_ms = u64::try_from(now.since(self.started).as_millis()).unwrap_or(u64::MAX);
        let proper = *end == End::Proper;
        let path = |path: &String| PathFact { path: path.clone(), exists: true, changed: Some(true) };
        AttemptFacts {
            outcome: Outcome { ending, stopped, left_behind: 0, wall_ms, peaks: Peaks::default() },
            reading: Reading {
                terminal_error: sign(end),
                tokens: self.tokens(),
                cost_usd: self.cost(),
                model_answered: (self.done > 0).then(|| self.model()).flatten(),
                turns: Some(self.done),
                ..Reading::default()
            },
            completion: if proper { self.completion(run, key) } else { CompletionFact::Missing },
            report: ReportFact::default(),
            outputs: if proper { task.outputs.iter().map(path).collect() } else { Vec::new() },
            claims: if proper {
                task.files.iter().map(|claim| path(&claim.path)).collect()
            } else {
                Vec::new()
            },
            plan_changed: false,
            session_kept: false,
            rights_doubt: None,
            doubts: Vec::new(),
            tests_unseen: None,
        }
    }

    fn completion(&self, run: &RunId, key: &AttemptKey) -> CompletionFact {
        let error = self.fails.then(|| CompletionError {
            kind: "task".to_owned(),
            message: "the scenario says that the task fails".to_owned(),
        });
        CompletionFact::Valid {
            completion: Box::new(Completion {
                schema: CompletionVersion::V1,
                run_id: run.clone(),
                task_id: key.task.clone(),
                attempt: key.attempt,
                status: if self.fails { CompletionStatus::Failed } else { CompletionStatus::Succeeded },
                summary: "simulated".to_owned(),
                outputs: Vec::new(),
                verification: Vec::new(),
                error,
                next_steps: Vec::new(),
                source: CompletionSource::Agent,
            }),
        }
    }
}

/// The error that an adapter would read.
fn sign(end: &End) -> Option<Sign> {
    let End::Refused { answer, provider, retry_after } = end else { return None };
    let (kind, status, words) = match answer {
        Answer::RateLimited => (FailureKind::RateLimited, Some(429), "too many requests"),
        Answer::OutOfCredits => (FailureKind::OutOfCredits, Some(402), "no credits are left"),
        Answer::NotLoggedIn => (FailureKind::NotLoggedIn, Some(401), "the key is not valid"),
        Answer::ModelUnknown => (FailureKind::ModelUnknown, Some(404), "there is no such model"),
        Answer::Overloaded => (FailureKind::Overloaded, Some(503), "overloaded"),
        Answer::Unreachable => (FailureKind::ProviderUnreachable, None, "the connection was refused"),
        Answer::ContextOverflow => (FailureKind::ContextOverflow, Some(400), "the conversation is too long"),
        Answer::Works | Answer::Slow | Answer::WrongModel | Answer::Hangs | Answer::Crashes => return None,
    };
    Some(Sign {
        kind,
        source: SignSource::Event,
        message: format!("{provider}: {words}"),
        status,
        retry_after_s: retry_after.map(|span| span.0.as_secs()),
    })
}
