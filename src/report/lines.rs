//! The lines that stay: what has ended, moved or needs a person, as a pure function of an event.
//!
//! Order of a line: sign, id, title, agent and model, time, words. Ids and times are never cut.

use std::time::Duration;

use crate::model::event::{Event, EventBody, PaymentDecision};
use crate::model::failure::FailureKind;
use crate::model::ids::TaskId;
use crate::model::layer::Rung;
use crate::model::money::Money;
use crate::model::run::RunSpec;
use crate::model::status::AttemptStatus;
use crate::model::task::{Entry, HeldReason, TaskKind, TaskSpec};
use crate::model::verdict::Doubt;
use crate::model::view::{RunView, TaskView};
use crate::report::style::{Sign, Style};
use crate::report::text;
use crate::report::words;

/// Words of a line that stays may be longer than the screen is wide: a failure is worth it.
const LONGEST_WORDS: usize = 320;

/// Whether a line may be longer than the screen is wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is redrawn: it must not wrap.
    Screen,
    /// It stays.
    Stays,
}

/// The columns of task lines, the same for a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    id: usize,
    title: usize,
    /// Zero: the agent is left out.
    agent: usize,
    /// Columns that may be used.
    line: usize,
}

/// One task line before it has a shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskLine<'a> {
    /// First.
    pub(super) sign: Sign,
    /// The task's id.
    pub(super) id: &'a TaskId,
    /// Its title.
    pub(super) title: &'a str,
    /// Where it runs.
    pub(super) rung: Option<&'a Rung>,
    /// How long.
    pub(super) time: Option<Duration>,
    /// What else.
    pub(super) words: &'a str,
}

const TIME: usize = 7;
const LONGEST_ID: usize = 16;
const LONGEST_AGENT: usize = 22;
const LONGEST_TITLE: usize = 40;
const SHORTEST_TITLE: usize = 10;
/// What should be left for words.
const WORDS: usize = 16;
/// Below this width the agent goes.
const NARROW: usize = 60;

impl Layout {
    /// The columns that fit the run's ids, titles and agents.
    pub(super) fn of(spec: &RunSpec, style: &Style) -> Self {
        let longest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0);
        let id = id_width(spec, style);
        let title = longest(&mut spec.tasks.iter().map(|task| text::width(&style.clean(&task.title))));
        let on_ladder = spec.layers.iter().map(|layer| {
            let rung = Rung {
                layer: Some(layer.layer),
                agent: layer.agent.clone(),
                model: Some(layer.model.clone()),
                provider: None,
            };
            text::width(&words::agent_model(&rung, style))
        });
        let named = spec.tasks.iter().filter_map(|task| task.agent.as_deref()).map(text::width);
        let uses_ladder = words::layers(spec, style).is_some();
        let agent = longest(&mut on_ladder.filter(|_| uses_ladder).chain(named)).min(LONGEST_AGENT);
        // The last column stays free: some terminals go to the next line when it is written.
        let line = style.width.saturating_sub(1).max(20);
        let fixed = 2 + style.sign_width() + 1 + id + 2 + 2 + TIME + 2;
        let agent = if style.width < NARROW { 0 } else { agent };
        let with_agent = if agent == 0 { 0 } else { agent + 2 };
        let left = line.saturating_sub(fixed + with_agent + WORDS);
        let title = title.min(left.clamp(SHORTEST_TITLE, LONGEST_TITLE));
        Self { id, title, agent, line }
    }

    /// How many columns a line may take.
    pub(super) const fn width(&self) -> usize {
        self.line
    }

    /// The line.
    pub(super) fn line(&self, line: &TaskLine<'_>, fit: Fit, style: &Style) -> String {
        let id = style.clean(line.id.as_str());
        let over = text::width(&id).saturating_sub(self.id);
        let mut rest = text::pad(&id, self.id);
        // A long id takes the room of the title, then that of the agent.
        let title = self.title.saturating_sub(over);
        if title > 0 {
            rest.push_str("  ");
            rest.push_str(&text::pad(&style.cut(&style.clean(line.title), title), title));
        }
        if self.agent > 0 && over <= self.title {
            let agent = line.rung.map(|rung| style.cut(&words::agent_model(rung, style), self.agent));
            if agent.is_some() || line.time.is_some() {
                rest.push_str("  ");
                rest.push_str(&text::pad(&agent.unwrap_or_default(), self.agent));
            }
        }
        if let Some(time) = line.time {
            let column = if over > self.title + self.agent { 0 } else { TIME };
            rest.push_str("  ");
            rest.push_str(&text::pad_left(&text::duration(time), column));
        }
        self.finish(line.sign, rest, line.words, fit, style)
    }

    /// A line that is about no task.
    pub(super) fn remark(&self, sign: Sign, words: &str, fit: Fit, style: &Style) -> String {
        self.finish(sign, String::new(), words, fit, style)
    }

    fn finish(&self, sign: Sign, mut rest: String, words: &str, fit: Fit, style: &Style) -> String {
        let room = self.line.saturating_sub(2 + style.sign_width() + 1);
        if !words.is_empty() {
            if !rest.is_empty() {
                rest.push_str("  ");
            }
            match fit {
                Fit::Screen => rest.push_str(words),
                Fit::Stays => rest.push_str(&style.cut(words, LONGEST_WORDS)),
            }
        }
        let rest = match fit {
            Fit::Screen => style.cut(&rest, room),
            Fit::Stays => rest,
        };
        format!("  {} {}", style.sign(sign), rest.trim_end())
    }
}

/// The width of the column of ids: a few long ones do not make all lines longer.
pub(super) fn id_width(spec: &RunSpec, style: &Style) -> usize {
    let mut widths: Vec<usize> =
        spec.tasks.iter().map(|task| text::width(&style.clean(task.id.as_str()))).collect();
    widths.sort_unstable();
    let most = widths.get(widths.len() * 9 / 10).copied().unwrap_or(0);
    let room = style.width.saturating_sub(1 + 2 + style.sign_width() + 1 + 2 + SHORTEST_TITLE + 2 + TIME);
    most.min(LONGEST_ID).min(room)
}

/// The line that stays of an event; most events leave none.
pub(super) fn lasting(
    event: &Event,
    spec: &RunSpec,
    view: &RunView,
    layout: &Layout,
    style: &Style,
) -> Option<String> {
    let remark = |sign, words: &str| Some(layout.remark(sign, words, Fit::Stays, style));
    match &event.body {
        EventBody::RunStarted { tasks, to_run, done_before, jobs, .. } => {
            Some(format!("    {}", words::header(spec, *tasks, *to_run, *done_before, *jobs, style)))
        }
        EventBody::RunResumed { .. } => Some(format!("    {}", resumed(spec, view, style))),
        EventBody::WarningRaised { message, hint, .. } => {
            remark(Sign::Warning, &with_hint(message, hint.as_deref(), style))
        }
        EventBody::StopRequested { by } => remark(Sign::Stopped, &stopping(by, style)),
        EventBody::PlanChanged { plan } => remark(Sign::Warning, &plan_changed(plan, style)),
        EventBody::Replanned { plan, added, removed, changed, done } => {
            let counts = [added.len(), removed.len(), changed.len(), done.len()];
            Some(format!("    {}", replanned(plan, counts, style)))
        }
        EventBody::GateApproved { gate, by } => remark(
            Sign::Succeeded,
            &format!("gate \"{}\" approved by {}", style.clean(gate), style.clean(by)),
        ),
        EventBody::GateReached { gate, holds } => remark(Sign::Gate, &gate_reached(gate, *holds, style)),
        EventBody::ProviderRested { provider, until: None, trigger, evidence } => {
            remark(Sign::Warning, &off(&style.clean(provider), *trigger, evidence, style))
        }
        EventBody::BudgetReached { provider, percent, used_usd, budget_usd, .. } => {
            let told = budget_reached(provider.as_deref(), *percent, *used_usd, *budget_usd, style);
            remark(Sign::Warning, &told)
        }
        EventBody::LayerTurnedOff { layer, trigger, evidence } => {
            remark(Sign::Warning, &off(&format!("layer {layer}"), *trigger, evidence, style))
        }
        EventBody::BoxTicked { task_id, problem } => {
            remark(Sign::Warning, &not_ticked(task_id, problem.as_deref()?, spec, style))
        }
        EventBody::TaskHeld { task_id, .. }
        | EventBody::TaskSkipped { task_id, .. }
        | EventBody::TaskReopened { task_id, .. }
        | EventBody::TaskRetrying { task_id, .. }
        | EventBody::LayerMoved { task_id, .. }
        | EventBody::PaymentDecided { task_id, .. }
        | EventBody::TaskSucceeded { task_id, .. }
        | EventBody::TaskFailed { task_id, .. }
        | EventBody::TaskCancelled { task_id, .. }
        | EventBody::AttemptEnded { task_id, .. } => {
            let place = view.place(task_id)?;
            let news = task_news(event, spec, view, place, style)?;
            let task = &view.tasks[place];
            let attempt = news.attempt.and_then(|number| words::attempt(task, number));
            let line = TaskLine {
                sign: news.sign,
                id: task_id,
                title: &task.title,
                rung: attempt.map(|attempt| &attempt.rung),
                time: attempt.map(|attempt| words::attempt_time(attempt, event.at)),
                words: &news.words,
            };
            Some(layout.line(&line, Fit::Stays, style))
        }
        // What begins, goes on or only follows from something else is seen in the live region and
        // in the summary; the rest of a provider in the line of the task that it moves.
        EventBody::RunEnded { .. }
        | EventBody::ProviderRested { until: Some(_), .. }
        | EventBody::SpendReserved { .. }
        | EventBody::SpendSettled { .. }
        | EventBody::TaskBlocked { .. }
        | EventBody::AttemptStarted { .. }
        | EventBody::AttemptProgressed { .. }
        | EventBody::ReportRefused { .. }
        | EventBody::VerificationStarted { .. } => None,
    }
}

/// What an event about a task says in a line that stays.
struct News {
    sign: Sign,
    words: String,
    /// The attempt whose agent and time are told.
    attempt: Option<u32>,
}

fn task_news(event: &Event, spec: &RunSpec, view: &RunView, place: usize, style: &Style) -> Option<News> {
    let task = &view.tasks[place];
    let last = task.last_attempt().map(|attempt| attempt.attempt);
    match &event.body {
        EventBody::TaskHeld { reasons, .. } if needs_a_look(reasons) => Some(News {
            sign: Sign::Warning,
            words: format!("held: {}", words::held(reasons, style)),
            attempt: None,
        }),
        EventBody::TaskSkipped { why, .. } if !is_told(&spec.tasks[place]) => {
            Some(News { sign: Sign::Skipped, words: format!("skipped: {}", style.clean(why)), attempt: None })
        }
        EventBody::TaskReopened { fresh: true, why, layer, agent, say, .. } => Some(News {
            sign: Sign::Retrying,
            words: reopened(why, *layer, agent.as_deref(), say.as_deref(), style),
            attempt: None,
        }),
        EventBody::TaskRetrying { attempt, at, why, next, .. } if stays_on_rung(task, *attempt, next) => {
            Some(News {
                sign: Sign::Retrying,
                words: format!(
                    "{}; attempt {attempt}{}",
                    words::failure(why, style),
                    soon(at.since(event.at))
                ),
                attempt: attempt.checked_sub(1),
            })
        }
        EventBody::LayerMoved { from, to, trigger, .. } => {
            let mut words = format!("{}: {}", style.clean(&from.agent), words::short_kind(*trigger));
            if let Some(rest) = words::rest_of(view, from, event.at) {
                words.push_str(", ");
                words.push_str(&rest);
            }
            words.push_str("; now ");
            if let Some(layer) = words::layer_of(to) {
                words.push_str(&layer);
                words.push_str(", ");
            }
            words.push_str(&words::agent_model(to, style));
            Some(News { sign: Sign::Retrying, words, attempt: None })
        }
        EventBody::PaymentDecided { decision, why, .. } => {
            Some(News { sign: Sign::Retrying, words: decided(*decision, why, style), attempt: None })
        }
        EventBody::TaskSucceeded { attempt, .. } => {
            let words = words::attempt(task, *attempt).and_then(words::left_behind).unwrap_or_default();
            Some(News { sign: Sign::Succeeded, words, attempt: Some(*attempt) })
        }
        EventBody::TaskFailed { failure, .. } => {
            Some(News { sign: Sign::Failed, words: words::failure(failure, style), attempt: last })
        }
        EventBody::TaskCancelled { by, .. } => Some(News {
            sign: Sign::Stopped,
            words: format!("stopped by {}", style.clean(by)),
            attempt: last,
        }),
        EventBody::AttemptEnded { attempt, status: AttemptStatus::Lost, .. } => Some(News {
            sign: Sign::Warning,
            words: "lost: its supervisor died while it ran".to_owned(),
            attempt: Some(*attempt),
        }),
        // Before the line that it succeeded, and apart from it: neither takes the other's place.
        EventBody::AttemptEnded { task_id, attempt, status: AttemptStatus::Succeeded, verdict, .. } => {
            Some(News {
                sign: Sign::Warning,
                words: doubted(task_id, &verdict.doubts, style)?,
                attempt: Some(*attempt),
            })
        }
        // A task that is stopped for good says so itself.
        EventBody::AttemptEnded { attempt, status: AttemptStatus::Cancelled, .. }
            if view.stop_requested.is_some() =>
        {
            Some(News { sign: Sign::Stopped, words: "stopped, put back".to_owned(), attempt: Some(*attempt) })
        }
        EventBody::TaskHeld { .. }
        | EventBody::TaskSkipped { .. }
        | EventBody::TaskReopened { .. }
        | EventBody::TaskRetrying { .. }
        | EventBody::AttemptEnded { .. }
        | EventBody::RunStarted { .. }
        | EventBody::RunResumed { .. }
        | EventBody::WarningRaised { .. }
        | EventBody::StopRequested { .. }
        | EventBody::PlanChanged { .. }
        | EventBody::Replanned { .. }
        | EventBody::GateApproved { .. }
        | EventBody::GateReached { .. }
        | EventBody::ProviderRested { .. }
        | EventBody::BudgetReached { .. }
        | EventBody::SpendReserved { .. }
        | EventBody::SpendSettled { .. }
        | EventBody::LayerTurnedOff { .. }
        | EventBody::RunEnded { .. }
        | EventBody::TaskBlocked { .. }
        | EventBody::BoxTicked { .. }
        | EventBody::AttemptStarted { .. }
        | EventBody::AttemptProgressed { .. }
        | EventBody::ReportRefused { .. }
        | EventBody::VerificationStarted { .. } => None,
    }
}

/// How much of a budget is gone.
pub(super) fn budget_reached(
    provider: Option<&str>,
    percent: u8,
    used: Money,
    budget: Money,
    style: &Style,
) -> String {
    let whose = provider.map_or_else(
        || "the run's budget".to_owned(),
        |provider| format!("this month's budget of {}", style.clean(provider)),
    );
    format!("{percent} % of {whose} is spent or reserved: {used} of {budget}")
}

/// What was decided when only paid layers were to be had.
pub(super) fn decided(decision: PaymentDecision, why: &str, style: &Style) -> String {
    let word = match decision {
        PaymentDecision::Wait => "waits",
        PaymentDecision::Pay => "pays",
    };
    format!("{word}: {}", style.clean(why))
}

/// What the doubts about an attempt that succeeded say; none: there are none.
pub(super) fn doubted(task: &TaskId, doubts: &[Doubt], style: &Style) -> Option<String> {
    let told = words::doubts(doubts, style)?;
    Some(format!("{told}  ({})", words::why_command(task.as_str(), style)))
}

/// Whether a held task counts as not succeeded, so that it is worth a line at once. What waits for
/// a gate, is optional or deferred is so on purpose.
pub(super) fn needs_a_look(reasons: &[HeldReason]) -> bool {
    reasons.iter().any(|reason| match reason {
        HeldReason::UnknownMarker(_) | HeldReason::MissingDependency(_) => true,
        HeldReason::GroupDeferred(_)
        | HeldReason::PlanDone
        | HeldReason::Gate(_)
        | HeldReason::Optional
        | HeldReason::Needs(_) => false,
    })
}

/// Whether the skipping of a task was told otherwise: of those that the plan says are done in the
/// first line, of a gate by its approval.
pub(super) fn is_told(task: &TaskSpec) -> bool {
    matches!(task.entry, Entry::Skip { .. }) || task.kind == TaskKind::Gate
}

/// Whether attempt `coming` runs where the one before it did; where it does not, the move was told.
pub(super) fn stays_on_rung(task: &TaskView, coming: u32, next: &Rung) -> bool {
    words::attempt(task, coming.saturating_sub(1)).is_none_or(|before| before.rung == *next)
}

/// ` in 5s`, where it is not at once.
pub(super) fn soon(length: Duration) -> String {
    if length < Duration::from_secs(1) { String::new() } else { format!(" in {}", text::wait(length)) }
}

/// A message and what to do about it.
pub(super) fn with_hint(message: &str, hint: Option<&str>, style: &Style) -> String {
    let message = style.clean(message);
    match hint.map(|hint| style.clean(hint)).filter(|hint| !hint.is_empty()) {
        Some(hint) => format!("{message}  ({hint})"),
        None => message,
    }
}

/// What a request to stop says.
pub(super) fn stopping(by: &str, style: &Style) -> String {
    if by == "fail-fast" {
        return "stopping (fail-fast): no new start, what runs goes on to its end".to_owned();
    }
    format!("stopping ({}): no new start, running agents are being ended", style.clean(by))
}

/// What a changed plan says.
pub(super) fn plan_changed(plan: &str, style: &Style) -> String {
    let plan = style.clean(plan);
    format!("{plan} was changed; this run goes on with it as it was  (later: orchestrate resume --replan)")
}

/// What a plan that was read again says: how many tasks were added, removed, changed, are done.
pub(super) fn replanned(plan: &str, counts: [usize; 4], style: &Style) -> String {
    let words = ["added", "removed", "changed", "done in the plan"];
    let told: Vec<String> = counts
        .into_iter()
        .zip(words)
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let told = if told.is_empty() { "no task is different".to_owned() } else { told.join(", ") };
    format!("{} was read again: {told}", style.clean(plan))
}

/// What a gate that was reached says.
pub(super) fn gate_reached(gate: &str, holds: u32, style: &Style) -> String {
    if holds == 0 {
        return format!(
            "gate \"{}\" waits for a person  ({})",
            style.clean(gate),
            words::approve(gate, style)
        );
    }
    let tasks = text::count_of(u64::from(holds), "task");
    let verb = if holds == 1 { "waits" } else { "wait" };
    format!("gate \"{}\": {tasks} {verb} behind it  ({})", style.clean(gate), words::approve(gate, style))
}

/// What a provider or layer that is off says.
pub(super) fn off(what: &str, trigger: FailureKind, evidence: &str, style: &Style) -> String {
    format!("{what} is off for this run: {trigger}: {}", style.clean(evidence))
}

/// What a box that could not be ticked says.
pub(super) fn not_ticked(task: &TaskId, problem: &str, spec: &RunSpec, style: &Style) -> String {
    let id = style.clean(task.as_str());
    format!("{id}: its box in {} was not ticked: {}", style.clean(&spec.plan), style.clean(problem))
}

/// What a run that goes on says.
pub(super) fn resumed(spec: &RunSpec, view: &RunView, style: &Style) -> String {
    let standing = words::Standing::of(spec, view);
    format!("{}: resumed, {}", style.clean(&spec.plan), standing.resumed().join(", "))
}

/// What a task that a person retries says.
pub(super) fn reopened(
    why: &str,
    layer: Option<u8>,
    agent: Option<&str>,
    say: Option<&str>,
    style: &Style,
) -> String {
    let mut out = format!("again: {}", style.clean(why));
    if let Some(layer) = layer {
        out.push_str(", from layer ");
        out.push_str(&layer.to_string());
    }
    if let Some(agent) = agent {
        out.push_str(", by ");
        out.push_str(&style.clean(agent));
    }
    if let Some(say) = say {
        out.push_str(", told \"");
        out.push_str(&style.clean(say));
        out.push('"');
    }
    out
}
