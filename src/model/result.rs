//! A run's result as one document (`--output json`), and the document of an error.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::CheckDiagnostic;
use super::event::Counts;
use super::failure::FailureKind;
use super::ids::{RunId, TaskId};
use super::money::Money;
use super::reading::Tokens;
use super::record::version;
use super::run::RunSpec;
use super::status::{AttemptStatus, RunStatus, TaskStatus};
use super::story::{AttemptMoney, Decided, Move};
use super::time::Timestamp;
use super::verdict::{Doubt, Witness};
use super::view::{RunView, TaskView};

version!(RunResultVersion, "run-result/v1");
version!(ErrorVersion, "error/v1");

/// One attempt in a run's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptResult {
    /// Its number.
    pub attempt: u32,
    /// The agent.
    pub agent: String,
    /// The model it was asked for.
    pub model: Option<String>,
    /// The model that answered, where it can be seen.
    pub model_answered: Option<String>,
    /// Its layer.
    pub layer: Option<u8>,
    /// How it stands or ended.
    pub status: AttemptStatus,
    /// Why it failed.
    pub failure: Option<FailureKind>,
    /// What was seen of the failure.
    pub seen: Option<String>,
    /// The session of an earlier attempt that it went on with; null: it began a new one.
    #[serde(default)]
    pub session: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Money spent in USD; null: unknown.
    pub cost_usd: Option<f64>,
    /// Tokens used; null: unknown.
    pub tokens: Option<Tokens>,
    /// What was reserved for it and what was booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<AttemptMoney>,
    /// How many processes it left running, which were then ended; null: nobody saw its end.
    #[serde(default)]
    pub left_behind: Option<u32>,
    /// The most memory that its processes were seen to hold together, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// The most processes that it was seen to have at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_processes: Option<u32>,
    /// Path of its completion, relative to the root.
    pub completion: String,
    /// What the agent says it did.
    pub summary: Option<String>,
    /// Every witness.
    pub witnesses: Vec<Witness>,
    /// What is worth knowing and was not judged.
    pub notes: Vec<String>,
    /// What makes a success less credible, and was not judged.
    #[serde(default)]
    pub doubts: Vec<Doubt>,
}

/// One task in a run's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskResult {
    /// Its id.
    pub id: TaskId,
    /// One line.
    pub title: String,
    /// Where it stands.
    pub status: TaskStatus,
    /// The agent of the last attempt.
    pub agent: Option<String>,
    /// The model that it was asked for.
    pub model: Option<String>,
    /// Its layer.
    pub layer: Option<u8>,
    /// Why it failed.
    pub failure: Option<FailureKind>,
    /// What was seen, what blocks it, why it is held or skipped.
    pub why: Option<String>,
    /// What its agent reported last of its progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// What is wrong with the report that its agent made since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_problem: Option<String>,
    /// Its moves between layers, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<Move>,
    /// The decisions to wait or to pay that were made for it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decided>,
    /// Its attempts, oldest first.
    pub attempts: Vec<AttemptResult>,
}

/// A run's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// `run-result/v1`.
    pub schema: RunResultVersion,
    /// The run.
    pub run_id: RunId,
    /// The plan as shown.
    pub plan: String,
    /// Where it stands.
    pub status: RunStatus,
    /// The exit code; while it runs null.
    pub exit_code: Option<u8>,
    /// How many tasks are in each status.
    pub counts: Counts,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Money spent in USD as far as it is known.
    pub cost_usd: f64,
    /// Whether some attempt's cost is unknown.
    pub cost_unknown: bool,
    /// What was booked at each provider that answered, as the ledger has it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spent_usd: BTreeMap<String, Money>,
    /// How many tasks were last at each layer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layers: BTreeMap<u8, u32>,
    /// Tokens used as far as they are known.
    pub tokens: Tokens,
    /// Gates that wait for a person.
    pub gates: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The report for people, relative to the root.
    pub report: Option<String>,
    /// The tasks in plan order.
    pub tasks: Vec<TaskResult>,
}

impl RunResult {
    /// The result of a run as far as its view tells. `attempt_folder` gives the folder of an
    /// attempt relative to the root, with `/`.
    pub fn of(
        spec: &RunSpec,
        view: &RunView,
        report: Option<String>,
        attempt_folder: impl Fn(&TaskId, u32) -> String,
    ) -> Self {
        let mut cost_usd = 0.0;
        let mut cost_unknown = false;
        let mut tokens = Tokens::default();
        let tasks = view
            .tasks
            .iter()
            .map(|task| {
                let attempts: Vec<AttemptResult> = task
                    .attempts
                    .iter()
                    .map(|attempt| {
                        let reading = attempt.reading.as_ref();
                        let cost = reading.and_then(|reading| reading.cost_usd);
                        let used = reading.and_then(|reading| reading.tokens);
                        let verdict = attempt.verdict.clone().unwrap_or_default();
                        let peaks = attempt.outcome.as_ref().map(|outcome| outcome.peaks).unwrap_or_default();
                        // An attempt without a model costs nothing, and that is known.
                        match cost {
                            Some(cost) => cost_usd += cost,
                            None => cost_unknown |= attempt.rung.model.is_some(),
                        }
                        if let Some(used) = used {
                            tokens.input += used.input;
                            tokens.output += used.output;
                        }
                        AttemptResult {
                            attempt: attempt.attempt,
                            agent: attempt.rung.agent.clone(),
                            model: attempt.rung.model.clone(),
                            model_answered: reading.and_then(|reading| reading.model_answered.clone()),
                            layer: attempt.rung.layer,
                            status: attempt.status,
                            failure: attempt.failure().map(|failure| failure.kind),
                            seen: attempt.failure().map(|failure| failure.seen.clone()),
                            session: attempt.session.clone(),
                            started_at: attempt.started_at,
                            ended_at: attempt.ended_at,
                            cost_usd: cost,
                            tokens: used,
                            money: task.story.money.get(&attempt.attempt).cloned(),
                            left_behind: attempt.outcome.as_ref().map(|outcome| outcome.left_behind),
                            peak_memory_bytes: peaks.memory_bytes,
                            peak_processes: peaks.processes,
                            completion: format!(
                                "{}/completion.json",
                                attempt_folder(&task.id, attempt.attempt)
                            ),
                            summary: attempt.summary.clone(),
                            witnesses: verdict.witnesses,
                            notes: verdict.notes,
                            doubts: verdict.doubts,
                        }
                    })
                    .collect();
                let last = task.attempts.last();
                TaskResult {
                    id: task.id.clone(),
                    title: task.title.clone(),
                    status: task.status,
                    agent: last.map(|attempt| attempt.rung.agent.clone()),
                    model: last.and_then(|attempt| attempt.rung.model.clone()),
                    layer: last.and_then(|attempt| attempt.rung.layer),
                    failure: task.failure.as_ref().map(|failure| failure.kind),
                    why: why_of(task),
                    progress: task.progress.clone(),
                    report_problem: task.report_problem.clone(),
                    moves: task.story.moves.clone(),
                    decisions: task.story.decisions.clone(),
                    attempts,
                }
            })
            .collect();
        Self {
            schema: RunResultVersion::V1,
            run_id: view.run_id.clone(),
            plan: spec.plan.clone(),
            status: view.status,
            exit_code: view.exit_code,
            counts: view.counts.clone(),
            started_at: view.started_at,
            ended_at: view.ended_at,
            cost_usd,
            cost_unknown,
            spent_usd: spent_by_provider(view),
            layers: view.layers_used(),
            tokens,
            gates: view.gates_reached.iter().cloned().collect(),
            warnings: view.warnings.iter().map(|(_, message, _)| message.clone()).collect(),
            report,
            tasks,
        }
    }
}

/// What was booked at each provider. Where none is known to have answered, it is the one that was asked.
fn spent_by_provider(view: &RunView) -> BTreeMap<String, Money> {
    let mut spent = BTreeMap::new();
    for money in view.tasks.iter().flat_map(|task| task.story.money.values()) {
        let provider = money.charged_provider.as_ref().or(money.asked_provider.as_ref());
        if let (Some(provider), Some(amount)) = (provider, money.spent_usd) {
            *spent.entry(provider.clone()).or_default() += amount;
        }
    }
    spent
}

/// What was seen of a failure, what blocks a task, why it is held or skipped.
fn why_of(task: &TaskView) -> Option<String> {
    match task.status {
        TaskStatus::Blocked => task.blocked_by.as_ref().map(|by| format!("blocked by {by}")),
        TaskStatus::Held => Some(task.held.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        TaskStatus::Skipped => task.skipped.clone(),
        TaskStatus::Pending
        | TaskStatus::Running
        | TaskStatus::Verifying
        | TaskStatus::Landing
        | TaskStatus::Retrying
        | TaskStatus::Succeeded
        | TaskStatus::Failed
        | TaskStatus::Cancelled => task.failure.as_ref().map(|failure| failure.seen.clone()),
    }
}

/// What is printed on stdout with `--output json` where there is no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorDocument {
    /// `error/v1`.
    pub schema: ErrorVersion,
    /// What the process exits with.
    pub exit_code: u8,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
    /// Mistakes with their places.
    pub diagnostics: Vec<CheckDiagnostic>,
}
