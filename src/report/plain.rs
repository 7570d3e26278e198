//! Without a terminal: a line for everything worth one, with the time since the start, and a sign
//! of life after five quiet minutes.

use std::io::Write;

use crate::model::event::{Event, EventBody};
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::view::{RunView, TaskView};
use crate::report::lines;
use crate::report::region::active;
use crate::report::style::Style;
use crate::report::summary::summary;
use crate::report::text;
use crate::report::words::{self, Standing};
use crate::report::{EndPaths, Reporter};

/// Milliseconds without a line after which one says that the run is alive.
const QUIET: i64 = 5 * 60 * 1_000;

/// How many running tasks a sign of life names.
const NAMED: usize = 4;

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    /// Nothing.
    All,
    /// Everything but failures, what a person has to do, and the summary.
    Failures,
    /// The summary too.
    FailuresAlone,
}

/// See [`crate::report::plain`] and [`crate::report::quiet`].
pub(super) struct Plain {
    out: Box<dyn Write + Send>,
    style: Style,
    amount: Amount,
    id_width: Option<usize>,
    last_line: Option<Timestamp>,
    closed: bool,
}

impl Plain {
    pub(super) fn new(out: Box<dyn Write + Send>, style: Style, amount: Amount) -> Self {
        Self { out, style, amount, id_width: None, last_line: None, closed: false }
    }

    fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        // In one piece: a formatted write would be two calls where nothing buffers.
        let line = [text, "\n"].concat();
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
        if written.is_err() {
            self.closed = true;
        }
    }
}

impl Reporter for Plain {
    fn event(&mut self, event: &Event, spec: &RunSpec, view: &RunView) {
        let style = self.style;
        let id_width = *self.id_width.get_or_insert_with(|| lines::id_width(spec, &style));
        let Some(line) = line_of(event, spec, view, &style, id_width) else {
            return;
        };
        if self.amount != Amount::All && !line.is_failure {
            return;
        }
        self.last_line = Some(event.at);
        let clock = text::clock(event.at.since(view.supervised_since));
        self.write(&format!("{clock}  {}", line.words));
    }

    fn doing(&mut self, _key: &AttemptKey, _text: &str) {}

    fn tick(&mut self, spec: &RunSpec, view: &RunView, now: Timestamp) {
        let last = self.last_line.unwrap_or(view.supervised_since);
        if self.amount != Amount::All || view.ended_at.is_some() || now.0 - last.0 < QUIET {
            return;
        }
        self.last_line = Some(now);
        let clock = text::clock(now.since(view.supervised_since));
        let line = heartbeat(spec, view, &self.style, now);
        self.write(&format!("{clock}  {line}"));
    }

    fn finish(&mut self, spec: &RunSpec, view: &RunView, paths: &EndPaths, _now: Timestamp) {
        if self.amount == Amount::FailuresAlone {
            return;
        }
        let summary = summary(spec, view, paths, &self.style);
        self.write(summary.trim_end_matches('\n'));
    }

    fn line(&mut self, text: &str) {
        self.write(&text::masked(text));
    }

    fn suspend(&mut self) {}
}

/// `2 running, 3 waiting: T002 3m 48s, T004 3m 40s`.
fn heartbeat(spec: &RunSpec, view: &RunView, style: &Style, now: Timestamp) -> String {
    let standing = Standing::of(spec, view);
    let parts: Vec<String> =
        [(standing.running, "running"), (standing.retrying, "retrying"), (standing.waiting, "waiting")]
            .into_iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
    let active = active(view);
    let mut named: Vec<String> = active
        .iter()
        .take(NAMED)
        .map(|(task, attempt)| {
            let time = text::duration(now.since(attempt.started_at));
            format!("{} {time}", style.clean(task.id.as_str()))
        })
        .collect();
    if active.len() > NAMED {
        named.push(format!("and {} more", active.len() - NAMED));
    }
    if named.is_empty() {
        let next = view.tasks.iter().filter(|task| task.status == TaskStatus::Retrying);
        if let Some(at) = next.filter_map(|task| task.retry_at).min().filter(|at| *at > now) {
            named.push(format!("next attempt in {}", text::wait(at.since(now))));
        }
    }
    if named.is_empty() { parts.join(", ") } else { format!("{}: {}", parts.join(", "), named.join(", ")) }
}

struct Line {
    words: String,
    /// Whether it is printed even with `-q`.
    is_failure: bool,
}

/// The line of an event; some leave none.
#[expect(clippy::too_many_lines, reason = "a table: one arm for each kind of event")]
fn line_of(event: &Event, spec: &RunSpec, view: &RunView, style: &Style, id_width: usize) -> Option<Line> {
    let about = |verb: &str, id: &TaskId, words: &str| {
        let id = text::pad(&style.clean(id.as_str()), id_width);
        format!("{verb:<7}  {id}  {words}").trim_end().to_owned()
    };
    let news = |words: String| Some(Line { words, is_failure: false });
    let bad = |words: String| Some(Line { words, is_failure: true });
    match &event.body {
        EventBody::RunStarted { tasks, to_run, done_before, jobs, .. } => {
            news(words::header(spec, *tasks, *to_run, *done_before, *jobs, style))
        }
        EventBody::RunResumed { .. } => news(lines::resumed(spec, view, style)),
        EventBody::WarningRaised { message, hint, .. } => {
            bad(format!("warning  {}", lines::with_hint(message, hint.as_deref(), style)))
        }
        EventBody::StopRequested { by } => news(lines::stopping(by, style)),
        EventBody::PlanChanged { plan } => bad(format!("warning  {}", lines::plan_changed(plan, style))),
        EventBody::Replanned { plan, added, removed, changed, done } => {
            let counts = [added.len(), removed.len(), changed.len(), done.len()];
            news(format!("plan     {}", lines::replanned(plan, counts, style)))
        }
        EventBody::GateApproved { gate, by } => {
            news(format!("gate     \"{}\" approved by {}", style.clean(gate), style.clean(by)))
        }
        EventBody::GateReached { gate, holds } => {
            bad(format!("waiting  {}", lines::gate_reached(gate, *holds, style)))
        }
        EventBody::ProviderRested { provider, until: Some(until), trigger, evidence } => {
            let wait = text::wait(until.since(event.at));
            let evidence = style.clean(evidence);
            news(format!("rests    {} for {wait}: {trigger}: {evidence}", style.clean(provider)))
        }
        EventBody::ProviderRested { provider, until: None, trigger, evidence } => {
            let off = lines::off(&style.clean(provider), *trigger, evidence, style);
            bad(format!("warning  {off}"))
        }
        EventBody::BudgetReached { provider, percent, used_usd, budget_usd, .. } => {
            let told = lines::budget_reached(provider.as_deref(), *percent, *used_usd, *budget_usd, style);
            bad(format!("budget   {told}"))
        }
        EventBody::LayerTurnedOff { layer, trigger, evidence } => {
            let off = lines::off(&format!("layer {layer}"), *trigger, evidence, style);
            bad(format!("warning  {off}"))
        }
        EventBody::TaskHeld { task_id, reasons } => {
            let line = about("held", task_id, &words::held(reasons, style));
            Some(Line { words: line, is_failure: lines::needs_a_look(reasons) })
        }
        EventBody::TaskSkipped { task_id, why } => {
            let place = view.place(task_id)?;
            if lines::is_told(&spec.tasks[place]) {
                return None;
            }
            news(about("skipped", task_id, &style.clean(why)))
        }
        EventBody::TaskBlocked { task_id, by } => {
            news(about("blocked", task_id, &format!("by {}", style.clean(by.as_str()))))
        }
        EventBody::TaskReopened { task_id, why, fresh, layer, agent, say } => {
            let words = if *fresh {
                lines::reopened(why, *layer, agent.as_deref(), say.as_deref(), style)
            } else {
                style.clean(why)
            };
            news(about("pending", task_id, &words))
        }
        EventBody::TaskRetrying { task_id, attempt, at, why, next } => {
            let task = view.task(task_id)?;
            if !lines::stays_on_rung(task, *attempt, next) {
                return None;
            }
            let soon = lines::soon(at.since(event.at));
            let words = format!("{}, attempt {attempt}{soon}", words::failure(why, style));
            news(about("retry", task_id, &words))
        }
        EventBody::LayerMoved { task_id, from, to, trigger, .. } => {
            let goes = words::layer_of(to).unwrap_or_else(|| words::agent_model(to, style));
            let words =
                format!("{} from {}, {goes} now", words::short_kind(*trigger), style.clean(&from.agent));
            news(about("moved", task_id, &words))
        }
        EventBody::PaymentDecided { task_id, decision, why, .. } => {
            news(about("money", task_id, &lines::decided(*decision, why, style)))
        }
        EventBody::TaskSucceeded { task_id, attempt } => {
            let task = view.task(task_id);
            let mut words = took(task, *attempt, event.at);
            let attempt = task.and_then(|task| words::attempt(task, *attempt));
            if let Some(left) = attempt.and_then(words::left_behind) {
                words =
                    [words, left].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
            }
            news(about("done", task_id, &words))
        }
        EventBody::TaskFailed { task_id, failure } => {
            let why = words::why_command(task_id.as_str(), style);
            bad(about("FAILED", task_id, &format!("{}  ({why})", words::failure(failure, style))))
        }
        EventBody::TaskCancelled { task_id, by } => {
            bad(about("stopped", task_id, &format!("by {}", style.clean(by))))
        }
        EventBody::BoxTicked { task_id, problem } => {
            let problem = problem.as_deref()?;
            bad(format!("warning  {}", lines::not_ticked(task_id, problem, spec, style)))
        }
        EventBody::AttemptStarted { task_id, attempt, rung, .. } => {
            let title = view.task(task_id).map(|task| style.clean(&task.title)).unwrap_or_default();
            let mut place = words::agent_model(rung, style);
            if let Some(layer) = words::layer_of(rung) {
                place.push_str(", ");
                place.push_str(&layer);
            }
            if *attempt > 1 {
                place.push_str(", attempt ");
                place.push_str(&attempt.to_string());
            }
            news(about("start", task_id, &format!("{}  ({place})", style.cut(&title, 60))))
        }
        EventBody::AttemptEnded { task_id, attempt, status, verdict, .. } => match status {
            AttemptStatus::Lost => {
                bad(about("lost", task_id, &format!("attempt {attempt}: its supervisor died while it ran")))
            }
            AttemptStatus::Cancelled if view.stop_requested.is_some() => {
                let time = took(view.task(task_id), *attempt, event.at);
                news(about("stopped", task_id, &format!("{time}, put back")))
            }
            AttemptStatus::Succeeded => {
                bad(about("warning", task_id, &lines::doubted(task_id, &verdict.doubts, style)?))
            }
            // What follows from it is told by the next event.
            AttemptStatus::Running | AttemptStatus::Failed | AttemptStatus::Cancelled => None,
        },
        // The summary follows at once; progress and checks would only fill a log.
        EventBody::RunEnded { .. }
        | EventBody::SpendReserved { .. }
        | EventBody::SpendSettled { .. }
        | EventBody::AttemptProgressed { .. }
        | EventBody::ReportRefused { .. }
        | EventBody::VerificationStarted { .. } => None,
    }
}

fn took(task: Option<&TaskView>, attempt: u32, at: Timestamp) -> String {
    let attempt = task.and_then(|task| words::attempt(task, attempt));
    attempt.map(|attempt| text::duration(words::attempt_time(attempt, at))).unwrap_or_default()
}
