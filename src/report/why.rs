//! The story of a task on one screen: attempts, layers, witnesses, last words, what to do.

use crate::model::agent::AgentSpec;
use crate::model::ids::TaskId;
use crate::model::layer::Rung;
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::verdict::Witness;
use crate::model::view::{AttemptView, RunView, TaskView};
use crate::report::advice;
use crate::report::status::Liveness;
use crate::report::style::Style;
use crate::report::text;
use crate::report::words::{self, Spent};

/// Where the names of witnesses end, where what they say ends, and where a mark at the end of a
/// line begins.
const NAME: usize = 13;
const WORD: usize = 12;
const MARK: usize = 73;
/// Lines of last words.
const LAST_WORDS: usize = 6;

/// The story of `task`; of a task that the run does not have: that.
pub fn why(spec: &RunSpec, view: &RunView, task: &TaskId, live: Liveness, style: &Style) -> String {
    let Some(found) = view.task(task) else {
        return format!("run {} has no task `{}`\n", view.run_id, style.clean(task.as_str()));
    };
    let mut lines = vec![headline(view, found, style)];
    let abandoned = live == Liveness::Dead && found.status.is_active();
    if abandoned {
        lines.push("  the run's supervisor is gone".to_owned());
    } else if let Some(reason) = reason(view, found, style) {
        lines.push(format!("  {reason}"));
    }
    if let Some(say) = &found.say {
        lines.push(format!("  told by `retry`: \"{}\"", style.clean(say)));
    }
    lines.push(String::new());
    for (place, attempt) in found.attempts.iter().enumerate().rev() {
        let next = found.attempts.get(place + 1).map(|next| &next.rung).or(found.next.as_ref());
        let is_last = place + 1 == found.attempts.len();
        let moved = next.and_then(|next| moved(spec, &attempt.rung, next));
        attempt_lines(&mut lines, view, attempt, moved, is_last, abandoned, style);
        if is_last
            && attempt.status == AttemptStatus::Running
            && let Some(progress) = &found.progress
        {
            row(&mut lines, "says", "", &style.clean(progress), "", style);
        }
        if is_last
            && attempt.status == AttemptStatus::Running
            && let Some(problem) = &found.report_problem
        {
            row(&mut lines, "report", "", &style.clean(&format!("not valid: {problem}")), "", style);
        }
    }
    let mut steps = if abandoned { advice::for_abandoned(found) } else { advice::for_task(spec, found) };
    let is_done = matches!(found.status, TaskStatus::Succeeded | TaskStatus::Skipped);
    if view.plan_changed && live != Liveness::Alive && !is_done {
        steps.extend(advice::for_changed_plan());
    }
    if !steps.is_empty() {
        if !found.attempts.is_empty() {
            lines.push(String::new());
        }
        lines.push(style.bold("what to do"));
        lines.extend(advice::lined_up(&steps).iter().map(|line| format!("  {line}")));
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

/// `T006  Accessibility audit   failed: output_missing   2 attempts, 4m 10s, $0.00`.
fn headline(view: &RunView, task: &TaskView, style: &Style) -> String {
    let mut line = format!(
        "{}  {}   {}",
        style.bold(&style.clean(task.id.as_str())),
        style.clean(&task.title),
        task.status
    );
    if let (TaskStatus::Failed | TaskStatus::Retrying, Some(failure)) = (task.status, &task.failure) {
        line.push_str(": ");
        line.push_str(failure.kind.as_str());
    }
    if let (Some(first), Some(last)) = (task.attempts.first(), task.attempts.last()) {
        let ended = last.ended_at.unwrap_or(view.updated_at);
        let facts = [
            text::count_of(task.attempts.len() as u64, "attempt"),
            text::duration(ended.since(first.started_at)),
            Spent::of(&task.attempts).money(),
        ];
        line.push_str("   ");
        line.push_str(&facts.join(", "));
    }
    line
}

/// What keeps a task from being done, where its attempts do not say it.
fn reason(view: &RunView, task: &TaskView, style: &Style) -> Option<String> {
    match task.status {
        TaskStatus::Failed => {
            // The last attempt's failure is told where its witnesses are.
            let failure = task.failure.as_ref()?;
            let is_told = task.last_attempt().and_then(AttemptView::failure) == Some(failure);
            (!is_told).then(|| words::failure(failure, style))
        }
        TaskStatus::Blocked
        | TaskStatus::Held
        | TaskStatus::Skipped
        | TaskStatus::Cancelled
        | TaskStatus::Pending => Some(words::why_not(view, task, style)),
        TaskStatus::Retrying => {
            let at = task.retry_at.filter(|at| *at > view.updated_at)?;
            Some(format!("next attempt in {}", text::wait(at.since(view.updated_at))))
        }
        TaskStatus::Running | TaskStatus::Verifying | TaskStatus::Landing | TaskStatus::Succeeded => None,
    }
}

fn attempt_lines(
    lines: &mut Vec<String>,
    view: &RunView,
    attempt: &AttemptView,
    moved: Option<String>,
    is_last: bool,
    abandoned: bool,
    style: &Style,
) {
    let layer = words::layer_of(&attempt.rung).map(|layer| format!(" ({layer})")).unwrap_or_default();
    let place = words::agent_model_full(&attempt.rung, style);
    let mut head = format!("attempt {}   {place}{layer}", attempt.attempt);
    head.push_str("   ");
    head.push_str(&text::duration(words::attempt_time(attempt, view.updated_at)));
    match attempt.status {
        AttemptStatus::Running if abandoned => head.push_str("   its end was not seen"),
        AttemptStatus::Running => head.push_str("   under way"),
        AttemptStatus::Cancelled => head.push_str("   stopped"),
        AttemptStatus::Lost => head.push_str("   lost: its supervisor died while it ran"),
        AttemptStatus::Succeeded | AttemptStatus::Failed => {}
    }
    lines.push(head);
    if let Some(session) = words::session_of(attempt, style) {
        row(lines, "session", "", &session, "", style);
    }
    let decided = attempt.verdict.as_ref().and_then(|verdict| verdict.decided_by);
    let mut told_move = false;
    let witnesses = || attempt.verdict.iter().flat_map(|verdict| &verdict.witnesses);
    let word = witnesses().map(|witness| said(witness).len() + 2).max().unwrap_or(0).max(WORD);
    for witness in witnesses() {
        let is_decisive = decided == Some(witness.name);
        // Of an earlier attempt only what ended it is still of interest.
        if !is_last && !is_decisive {
            continue;
        }
        let mark = match (&moved, is_decisive) {
            (Some(moved), true) => {
                told_move = true;
                moved.clone()
            }
            (None, true) => "<- decides".to_owned(),
            (_, false) => String::new(),
        };
        row(
            lines,
            witness.name.as_str(),
            &format!("{:<word$}", said(witness)),
            &style.clean(&witness.seen),
            &mark,
            style,
        );
    }
    if decided.is_none()
        && let Some(failure) = attempt.failure()
    {
        row(lines, "failure", "", &words::failure(failure, style), "", style);
    }
    if let Some(moved) = moved.filter(|_| !told_move) {
        row(lines, "moved", "", &moved, "", style);
    }
    if !is_last {
        return;
    }
    for note in attempt.verdict.iter().flat_map(|verdict| &verdict.notes) {
        row(lines, "note", "", &style.clean(note), "", style);
    }
    if let Some(summary) = &attempt.summary {
        let summary = style.clean(summary);
        // The witness usually quotes it.
        if !witnesses().any(|witness| style.clean(&witness.seen).contains(&summary)) {
            row(lines, "summary", "", &summary, "", style);
        }
    }
    let reading = attempt.reading.as_ref();
    if let Some(last) = reading.and_then(|reading| reading.last_words.as_deref()) {
        for (place, line) in text::clean_lines(last, LAST_WORDS).iter().enumerate() {
            row(lines, if place == 0 { "last words" } else { "" }, "", &style.clean(line), "", style);
        }
    }
}

/// What a witness says, in a word.
pub(super) const fn said(witness: &Witness) -> &'static str {
    match (witness.asked, witness.agrees) {
        (false, _) => "not asked",
        (true, Some(true)) => "agrees",
        (true, Some(false)) => "disagrees",
        (true, None) => "not observable",
    }
}

/// One row: name, word, what was seen (wrapped below itself), a mark.
fn row(lines: &mut Vec<String>, name: &str, word: &str, seen: &str, mark: &str, style: &Style) {
    let start = format!("  {name:<NAME$}{word}");
    let indent = text::width(&start);
    let room = style.width.saturating_sub(indent + 1).max(20);
    let wrapped = text::wrap(seen, room);
    for (place, part) in wrapped.iter().enumerate() {
        let mut line =
            if place == 0 { format!("{start}{part}") } else { format!("{}{part}", " ".repeat(indent)) };
        if place + 1 == wrapped.len() && !mark.is_empty() {
            let column = MARK.min(style.width.saturating_sub(text::width(mark) + 1));
            line = text::pad(&line, column.max(text::width(&line) + 2));
            line.push_str(mark);
        }
        lines.push(line.trim_end().to_owned());
    }
}

/// `-> layer 3 not installed, layer 4`: where the next attempt ran, and what was passed over.
fn moved(spec: &RunSpec, from: &Rung, to: &Rung) -> Option<String> {
    if from.layer == to.layer && from.agent == to.agent {
        return None;
    }
    let mut words = Vec::new();
    if let (Some(from), Some(to)) = (from.layer, to.layer) {
        for layer in spec.layers.iter().filter(|layer| layer.layer > from && layer.layer < to) {
            if !spec.agents.get(&layer.agent).is_some_and(AgentSpec::is_installed) {
                words.push(format!("layer {} not installed", layer.layer));
            }
        }
    }
    words.push(words::layer_of(to).unwrap_or_else(|| text::clean(&to.agent)));
    Some(format!("-> {}", words.join(", ")))
}
