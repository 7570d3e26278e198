//! Facts of a run in words that several forms share: where something runs, why it is not done,
//! what it cost, how the tasks stand.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::failure::{Failure, FailureKind};
use crate::model::layer::{Cost, Layer, Rung};
use crate::model::limits::{Peaks, size};
use crate::model::reading::Tokens;
use crate::model::run::{Isolation, RunSpec};
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::story::{AttemptMoney, Known};
use crate::model::task::{Entry, HeldReason, PlanStatus, TaskKind, TaskSpec};
use crate::model::time::Timestamp;
use crate::model::verdict::Doubt;
use crate::model::view::{AttemptView, RunView, TaskView};
use crate::report::style::{Sign, Style};
use crate::report::text;

/// What was seen is one line; a long one is not worth a screen.
const LONGEST_SEEN: usize = 300;

/// The agent and the last part of its model's name: `kilo · glm-4.7`.
pub(super) fn agent_model(rung: &Rung, style: &Style) -> String {
    named(&rung.agent, rung.model.as_deref().map(short_model), style)
}

/// The agent and its model in full.
pub(super) fn agent_model_full(rung: &Rung, style: &Style) -> String {
    named(&rung.agent, rung.model.as_deref(), style)
}

fn named(agent: &str, model: Option<&str>, style: &Style) -> String {
    match model {
        Some(model) => format!("{}{}{}", style.clean(agent), style.agent_dot(), style.clean(model)),
        None => style.clean(agent),
    }
}

fn short_model(model: &str) -> &str {
    model.rsplit('/').find(|part| !part.is_empty()).unwrap_or(model)
}

/// `layer 4`, where there is one.
pub(super) fn layer_of(rung: &Rung) -> Option<String> {
    rung.layer.map(|layer| format!("layer {layer}"))
}

/// A failure in two or three words, for a line that says what follows from it.
pub(super) const fn short_kind(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::AgentNotFound => "not installed",
        FailureKind::UsageError => "called in a way it does not know",
        FailureKind::NotLoggedIn => "not logged in",
        FailureKind::OutOfCredits => "out of credits",
        FailureKind::RateLimited => "429",
        FailureKind::Overloaded => "overloaded",
        FailureKind::ProviderUnreachable => "provider unreachable",
        FailureKind::ModelUnknown => "model unknown",
        FailureKind::ContextOverflow => "context overflow",
        FailureKind::PermissionRejected => "permission rejected",
        FailureKind::TimedOut => "timed out",
        FailureKind::Stalled => "stalled",
        FailureKind::Exited => "exited",
        FailureKind::Killed => "killed",
        FailureKind::NoCompletion => "no completion",
        FailureKind::BadCompletion => "bad completion",
        FailureKind::ReportedFailed => "reported failed",
        FailureKind::ReportedBlocked => "reported blocked",
        FailureKind::OutputMissing => "output missing",
        FailureKind::NoChange => "no change",
        FailureKind::VerifyFailed => "verify failed",
        FailureKind::MergeConflict => "merge conflict",
        FailureKind::OwnershipViolation => "ownership violation",
        FailureKind::HierarchyViolation => "another model answered",
        FailureKind::BudgetExhausted => "budget exhausted",
        FailureKind::NoLayerLeft => "no layer left",
        FailureKind::PaymentNotApproved => "payment not approved",
        FailureKind::OverLimit => "over a limit",
        FailureKind::Lost => "lost",
    }
}

/// What is told of a report that is none.
pub(super) fn refused_report(problem: &str) -> String {
    format!("report is not valid: {problem}")
}

/// `output_missing: plans/audit/a11y.md`.
pub(super) fn failure(failure: &Failure, style: &Style) -> String {
    let seen = style.cut(&style.clean(&failure.seen), LONGEST_SEEN);
    if seen.is_empty() { failure.kind.to_string() } else { format!("{}: {seen}", failure.kind) }
}

/// How long the provider that made a task move is left alone: `rests 60s`, `off for this run`.
pub(super) fn rest_of(view: &RunView, from: &Rung, at: Timestamp) -> Option<String> {
    let rest = view.rests.get(from.provider.as_deref()?)?;
    match rest.until {
        None => Some("off for this run".to_owned()),
        Some(until) if until > at => Some(format!("rests {}", text::wait(until.since(at)))),
        Some(_) => None,
    }
}

/// Whether a gate, and so a person, holds the task.
pub(super) fn is_gated(task: &TaskView) -> bool {
    task.held.iter().any(|reason| matches!(reason, HeldReason::Gate(_)))
}

/// The sign of a task.
pub(super) fn sign_of(task: &TaskView) -> Sign {
    if task.status == TaskStatus::Held && is_gated(task) { Sign::Gate } else { Sign::of(task.status) }
}

/// All reasons for which a task is held, in words.
pub(super) fn held(reasons: &[HeldReason], style: &Style) -> String {
    let reasons: Vec<String> = reasons.iter().map(|reason| style.clean(&reason.to_string())).collect();
    reasons.join(", ")
}

/// `goes on with ses_x`: of an attempt that did not begin a session of its own.
pub(super) fn session_of(attempt: &AttemptView, style: &Style) -> Option<String> {
    let session = style.clean(attempt.session.as_deref()?);
    Some(if attempt.lost_its_session() {
        format!("could not go on with {session}: the next one is new, and no retry is used up")
    } else {
        format!("goes on with {session}")
    })
}

/// `left 2 processes running, which were ended`; none: it left nothing.
pub(super) fn left_behind(attempt: &AttemptView) -> Option<String> {
    match attempt.outcome.as_ref()?.left_behind {
        0 => None,
        1 => Some("left 1 process running, which was ended".to_owned()),
        count => Some(format!("left {count} processes running, which were ended")),
    }
}

/// What an attempt used at the most, as far as that was seen.
pub(super) fn peaks(peaks: &Peaks) -> Option<String> {
    let memory = peaks.memory_bytes.map(|memory| format!("{} of memory", size(memory)));
    let processes = peaks
        .processes
        .map(|number| if number == 1 { "1 process".to_owned() } else { format!("{number} processes") });
    let used: Vec<String> = memory.into_iter().chain(processes).collect();
    (!used.is_empty()).then(|| format!("{} at the most", used.join(", ")))
}

/// Why a task is not done; of one that is what speaks against believing it, or nothing.
pub(super) fn why_not(view: &RunView, task: &TaskView, style: &Style) -> String {
    match task.status {
        TaskStatus::Failed => task.failure.as_ref().map(|why| failure(why, style)).unwrap_or_default(),
        TaskStatus::Blocked => match &task.blocked_by {
            Some(by) => format!("blocked by {}", style.clean(by.as_str())),
            None => "blocked".to_owned(),
        },
        TaskStatus::Held => format!("held: {}", held(&task.held, style)),
        TaskStatus::Cancelled => "stopped".to_owned(),
        TaskStatus::Skipped => style.clean(task.skipped.as_deref().unwrap_or("skipped")),
        TaskStatus::Pending if task.attempts.is_empty() => "not started".to_owned(),
        TaskStatus::Pending => match &view.stop_requested {
            Some(_) => "stopped, put back".to_owned(),
            None => "waits for its next attempt".to_owned(),
        },
        TaskStatus::Retrying => match &task.failure {
            Some(why) => format!("retrying after {}", failure(why, style)),
            None => "retrying".to_owned(),
        },
        TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing => {
            "its end was not seen".to_owned()
        }
        TaskStatus::Succeeded => doubts(doubts_of(task), style).unwrap_or_default(),
    }
}

/// The doubts about what a task came to.
pub(super) fn doubts_of(task: &TaskView) -> &[Doubt] {
    let verdict = task.last_attempt().and_then(|attempt| attempt.verdict.as_ref());
    verdict.map(|verdict| verdict.doubts.as_slice()).unwrap_or_default()
}

/// `doubt: tests/a.py: 2 of 3 tests removed`, `3 doubts: tests/a.py: deleted, and 2 more`; none: there is
/// none.
pub(super) fn doubts(doubts: &[Doubt], style: &Style) -> Option<String> {
    let first = style.cut(&style.clean(&doubts.first()?.to_string()), LONGEST_SEEN);
    Some(match doubts.len() {
        1 => format!("doubt: {first}"),
        number => format!("{number} doubts: {first}, and {} more", number - 1),
    })
}

/// Whether a task keeps a run from being all well. What is optional and was not asked for does not.
pub(super) fn is_open(task: &TaskView) -> bool {
    match task.status {
        TaskStatus::Succeeded | TaskStatus::Skipped => false,
        TaskStatus::Held => task.held.iter().any(|reason| *reason != HeldReason::Optional),
        TaskStatus::Pending
        | TaskStatus::Running
        | TaskStatus::Verifying
        | TaskStatus::Landing
        | TaskStatus::Retrying
        | TaskStatus::Failed
        | TaskStatus::Cancelled
        | TaskStatus::Blocked => true,
    }
}

/// Attempt `number` of a task. While several events are told of at once the last attempt may be a
/// later one.
pub(super) fn attempt(task: &TaskView, number: u32) -> Option<&AttemptView> {
    task.attempts.iter().rev().find(|attempt| attempt.attempt == number)
}

/// How long an attempt took, or takes.
pub(super) fn attempt_time(attempt: &AttemptView, now: Timestamp) -> Duration {
    attempt.ended_at.unwrap_or(now).since(attempt.started_at)
}

/// `4 at layer 2`, `2 at layer 3`: where the tasks were last. What became of those that moved away is
/// told by their stories.
pub(super) fn layers_used(view: &RunView) -> Option<String> {
    let used: Vec<String> =
        view.layers_used().into_iter().map(|(layer, tasks)| format!("{tasks} at layer {layer}")).collect();
    (!used.is_empty()).then(|| used.join(", "))
}

/// How an attempt ended, in a word or two.
pub(super) const fn attempt_word(status: AttemptStatus) -> &'static str {
    match status {
        AttemptStatus::Running => "without an end",
        AttemptStatus::Succeeded => "succeeded",
        AttemptStatus::Failed => "failed",
        AttemptStatus::Cancelled => "stopped",
        AttemptStatus::Lost => "lost",
    }
}

/// What was spent, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spent {
    /// In USD.
    pub(super) usd: f64,
    /// Whether some attempt's cost is unknown.
    pub(super) unknown: bool,
    /// Whether some attempt's cost is unknown, and what was reserved for it is counted.
    pub(super) at_most: bool,
    /// Tokens.
    pub(super) tokens: Tokens,
    /// Whether more tokens were used than is known.
    pub(super) at_least: bool,
}

impl Spent {
    /// What the attempts of the whole run spent.
    pub(super) fn of_run(view: &RunView) -> Self {
        let mut spent = Self::default();
        for task in &view.tasks {
            spent.take(task);
        }
        spent
    }

    /// What the attempts of a task spent.
    pub(super) fn of(task: &TaskView) -> Self {
        let mut spent = Self::default();
        spent.take(task);
        spent
    }

    /// Adds a task. What was booked counts, and where nothing was, what the agents say, as in a run's
    /// result: an attempt without a model costs nothing; here one that still runs is not unknown yet.
    fn take(&mut self, task: &TaskView) {
        for attempt in &task.attempts {
            let reading = attempt.reading.as_ref();
            let at_least = reading.is_some_and(|reading| reading.at_least);
            let money = task.story.money.get(&attempt.attempt);
            if let Some((booked, known)) = money.and_then(AttemptMoney::booked) {
                self.usd += booked.as_usd();
                self.unknown |= known == Known::Unknown;
                self.at_most |= known == Known::AtMost;
            } else {
                let told = reading.and_then(|reading| reading.cost_usd);
                self.usd += told.unwrap_or_default();
                let is_over = attempt.rung.model.is_some() && attempt.status != AttemptStatus::Running;
                self.unknown |= at_least || (told.is_none() && is_over);
            }
            self.at_least |= at_least;
            if let Some(used) = reading.and_then(|reading| reading.tokens) {
                self.tokens.input += used.input;
                self.tokens.output += used.output;
            }
        }
    }

    /// `214k tokens`, `at least 214k tokens`.
    pub(super) fn tokens(&self) -> String {
        let number = text::tokens(self.tokens.total());
        if self.at_least { format!("at least {number} tokens") } else { format!("{number} tokens") }
    }

    /// `$0.00`, `$1.27`, `$?`, `at most $1.27`.
    pub(super) fn money(&self) -> String {
        self.at_most() + &text::money_known(self.usd, self.unknown)
    }

    /// `0.00 USD`, `1.27 USD`, `? USD`, `at most 1.27 USD`.
    pub(super) fn usd(&self) -> String {
        self.at_most() + &text::usd_known(self.usd, self.unknown)
    }

    fn at_most(&self) -> String {
        if self.at_most && !self.unknown { "at most ".to_owned() } else { String::new() }
    }
}

/// Whether the plan said before the run that the task is done.
fn done_before(spec: &TaskSpec, task: &TaskView) -> bool {
    task.status == TaskStatus::Skipped && spec.plan_status == PlanStatus::Done
}

/// How the tasks stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// All tasks of the plan.
    pub(super) all: usize,
    /// Succeeded in this run.
    pub(super) succeeded: usize,
    /// Done before it.
    pub(super) before: usize,
    /// Failed for good.
    pub(super) failed: usize,
    /// Stopped by a person.
    pub(super) stopped: usize,
    /// An attempt has hold of a slot.
    pub(super) running: usize,
    /// Wait for their next attempt.
    pub(super) retrying: usize,
    /// Wait for a slot or for others.
    pub(super) waiting: usize,
    /// Held.
    pub(super) held: usize,
    /// Blocked.
    pub(super) blocked: usize,
    /// Skipped, and not for being done.
    pub(super) skipped: usize,
}

impl Standing {
    /// Counts the tasks of a run.
    pub(super) fn of(spec: &RunSpec, view: &RunView) -> Self {
        let count = |status| view.count(status) as usize;
        let before =
            spec.tasks.iter().zip(&view.tasks).filter(|(spec, task)| done_before(spec, task)).count();
        Self {
            all: view.tasks.len(),
            succeeded: count(TaskStatus::Succeeded),
            before,
            failed: count(TaskStatus::Failed),
            stopped: count(TaskStatus::Cancelled),
            running: count(TaskStatus::Running) + count(TaskStatus::Verifying) + count(TaskStatus::Landing),
            retrying: count(TaskStatus::Retrying),
            waiting: count(TaskStatus::Pending),
            held: count(TaskStatus::Held),
            blocked: count(TaskStatus::Blocked),
            skipped: count(TaskStatus::Skipped) - before,
        }
    }

    /// `1 of 7 done`, `1 failed`, `2 running` …: all but what is none.
    pub(super) fn live(&self) -> Vec<String> {
        let mut words = vec![format!("{} of {} done", self.succeeded + self.before, self.all)];
        words.extend(Self::parts(&[
            (self.failed, "failed"),
            (self.stopped, "stopped"),
            (self.running, "running"),
            (self.retrying, "retrying"),
            (self.waiting, "waiting"),
            (self.blocked, "blocked"),
            (self.held, "held"),
            (self.skipped, "skipped"),
        ]));
        words
    }

    /// `1 of 7 done`, `2 to run` …: where a run stands that somebody takes up again. What is told
    /// of together with its resumption may have begun to run, and had not when it was resumed.
    pub(super) fn resumed(&self) -> Vec<String> {
        let mut words = vec![format!("{} of {} done", self.succeeded + self.before, self.all)];
        words.extend(Self::parts(&[
            (self.running + self.retrying + self.waiting, "to run"),
            (self.failed, "failed"),
            (self.stopped, "stopped"),
            (self.blocked, "blocked"),
            (self.held, "held"),
            (self.skipped, "skipped"),
        ]));
        words
    }

    /// `5 succeeded`, `1 failed` …: how a run ended.
    pub(super) fn ended(&self) -> Vec<String> {
        let mut words = vec![format!("{} succeeded", self.succeeded)];
        words.extend(Self::parts(&[
            (self.failed, "failed"),
            (self.stopped, "stopped"),
            (self.blocked, "blocked"),
            (self.held, "held"),
            (self.running, "without an end"),
            (self.retrying, "to be retried"),
            (self.waiting, "not run"),
            (self.skipped, "skipped"),
        ]));
        words
    }

    /// `nothing to run: 2 done before`, where that is so.
    pub(super) fn nothing_to_run(&self) -> Option<String> {
        let parts = Self::parts(&[(self.before, "done before"), (self.skipped, "skipped")]);
        (self.before + self.skipped == self.all).then(|| format!("nothing to run: {}", parts.join(", ")))
    }

    fn parts(parts: &[(usize, &str)]) -> Vec<String> {
        parts.iter().filter(|(number, _)| *number > 0).map(|(n, word)| format!("{n} {word}")).collect()
    }
}

/// `plans/phase3.md: 7 tasks (1 done before), 4 at once, worktrees, free layers 1 to 5`.
pub(super) fn header(spec: &RunSpec, tasks: u32, to_run: u32, done: u32, jobs: u32, style: &Style) -> String {
    let mut brackets = Vec::new();
    if done > 0 {
        brackets.push(format!("{done} done before"));
    }
    if to_run + done < tasks {
        brackets.push(format!("{to_run} to run"));
    }
    let brackets = if brackets.is_empty() { String::new() } else { format!(" ({})", brackets.join(", ")) };
    let place = match spec.settings.isolation {
        Isolation::Shared => "in the checkout",
        Isolation::Worktree => "worktrees",
    };
    let mut words = format!(
        "{}: {}{brackets}, {jobs} at once, {place}",
        style.clean(&spec.plan),
        text::count_of(u64::from(tasks), "task"),
    );
    if let Some(layers) = layers(spec, style) {
        words.push_str(", ");
        words.push_str(&layers);
    }
    words
}

/// The layers that a run may use, where any of its tasks goes by them.
pub(super) fn layers(spec: &RunSpec, style: &Style) -> Option<String> {
    let on_ladder: BTreeSet<&str> = spec.layers.iter().map(|layer| layer.agent.as_str()).collect();
    let uses = |task: &TaskSpec| {
        task.entry == Entry::Run
            && task.kind != TaskKind::Gate
            && task.agent.as_deref().is_none_or(|agent| on_ladder.contains(agent))
    };
    if !spec.tasks.iter().any(uses) {
        return None;
    }
    let settings = &spec.settings;
    let allowed = |layer: &&Layer| {
        settings.layer.is_none_or(|lowest| layer.layer >= lowest)
            && settings.max_layer.is_none_or(|highest| layer.layer <= highest)
    };
    let numbers = |cost: Cost| -> Vec<u8> {
        let numbers: BTreeSet<u8> = spec
            .layers
            .iter()
            .filter(allowed)
            .filter(|layer| layer.cost == cost)
            .map(|layer| layer.layer)
            .collect();
        numbers.into_iter().collect()
    };
    let noun = |numbers: &[u8]| if numbers.len() == 1 { "layer" } else { "layers" };
    let free = numbers(Cost::Free);
    let mut words = Vec::new();
    if !free.is_empty() {
        words.push(format!("free {} {}", noun(&free), text::ranges(&free)));
    }
    if let Some(reason) = &settings.allow_paid {
        let paid = numbers(Cost::Paid);
        if !paid.is_empty() {
            let reason = style.clean(reason);
            words.push(format!("paid {} {} (\"{reason}\")", noun(&paid), text::ranges(&paid)));
        }
    }
    if words.is_empty() { Some("no layer allowed".to_owned()) } else { Some(words.join(", ")) }
}

/// The gate as a word for the command line: `orchestrate approve approval`.
pub(super) fn approve(gate: &str, style: &Style) -> String {
    format!("orchestrate approve {}", text::shell_word(&style.clean(gate)))
}

/// The command that tells a task's story.
pub(super) fn why_command(task: &str, style: &Style) -> String {
    format!("orchestrate why {}", text::shell_word(&style.clean(task)))
}
