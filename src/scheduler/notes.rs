//! What the next attempt of a task is told of those before it.
//!
//! An attempt that works on where another one stopped has to know why that stopped, what it had done,
//! and what a person says; one that goes on with the other's session knows what it did. All of it is
//! made of the events, so a run that was recovered tells the same.

use crate::model::failure::{Failure, FailureKind, Remedy};
use crate::model::layer::Rung;
use crate::model::status::AttemptStatus;
use crate::model::verdict::WitnessName;
use crate::model::view::{AttemptView, TaskView};

use super::sessions;
use super::witnesses::one_line;

/// So many attempts before the last one are told of.
const EARLIER: usize = 4;
/// What an agent said is told up to so many characters.
const LONGEST: usize = 600;

/// What the attempt of a task that starts at `rung` is told: what went wrong, what was done so far,
/// and a person's word.
pub(super) fn note(task: &TaskView, rung: &Rung, goes_on: bool) -> Option<String> {
    let mut lines = Vec::new();
    if let Some(last) = sessions::last_try(task) {
        say_why(last, rung, &mut lines);
        if !goes_on {
            say_what(task, last, &mut lines);
            lines.push(
                "What it did so far is in the workspace: look at it first and go on from there.".to_owned(),
            );
        }
    }
    if let Some(say) = &task.say {
        let asked = sessions::last_try(task).and_then(AttemptView::failure);
        let is_answer = asked.is_some_and(|failure| failure.kind == FailureKind::ReportedBlocked);
        let word = if is_answer { "The answer of" } else { "A word from" };
        lines.push(format!("{word} the person who runs this: {say}"));
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Why the last attempt stopped.
fn say_why(last: &AttemptView, rung: &Rung, lines: &mut Vec<String>) {
    let who = who(last, last.rung != *rung);
    match (last.status, last.failure()) {
        (AttemptStatus::Failed, Some(failure)) if failure.kind == FailureKind::ReportedBlocked => {
            lines.push(format!("{who} stopped and asked: {}", failure.seen));
            if let Some(summary) = last.summary.as_ref().filter(|summary| !failure.seen.contains(*summary)) {
                lines.push(format!("- it said: {summary}"));
            }
        }
        (AttemptStatus::Failed, Some(failure)) => {
            let word = if is_cut_short(failure) { "was cut short" } else { "failed" };
            lines.push(format!("{who} {word}: {failure}"));
            let others = last.verdict.iter().flat_map(|verdict| &verdict.witnesses);
            for witness in others.filter(|witness| witness.agrees == Some(false)) {
                if witness.seen != failure.seen && failure.kind != FailureKind::Lost {
                    lines.push(format!("- {}: {}", witness.name, witness.seen));
                }
            }
        }
        (AttemptStatus::Lost | AttemptStatus::Cancelled | AttemptStatus::Failed, _) => {
            lines.push(format!("{who} was interrupted before it was done."));
        }
        (AttemptStatus::Running | AttemptStatus::Succeeded, _) => {}
    }
}

fn is_cut_short(failure: &Failure) -> bool {
    match failure.kind.remedy() {
        Remedy::Task | Remedy::Never => false,
        Remedy::NextLayer | Remedy::OnceMoreThenNext | Remedy::Free => true,
    }
}

/// Which attempt, by whom, and where, if that is another place than the next one's.
fn who(attempt: &AttemptView, tells_place: bool) -> String {
    let rung = &attempt.rung;
    let mut place = vec![rung.agent.clone()];
    if tells_place {
        place.extend(rung.layer.map(|layer| format!("layer {layer}")));
        place.extend(rung.model.clone());
    }
    format!("Attempt {} ({})", attempt.attempt, place.join(", "))
}

/// What was done so far, as far as anybody said or saw it.
fn say_what(task: &TaskView, last: &AttemptView, lines: &mut Vec<String>) {
    let blocked = last.failure().is_some_and(|failure| failure.kind == FailureKind::ReportedBlocked);
    if let Some(progress) = &task.progress {
        lines.push(format!("- its progress: {}", one_line(progress, LONGEST)));
    }
    let words = last.reading.as_ref().and_then(|reading| reading.last_words.as_ref());
    match (&last.summary, words) {
        (Some(summary), _) if !blocked => {
            lines.push(format!("- its summary: {}", one_line(summary, LONGEST)));
        }
        (None, Some(words)) => lines.push(format!("- its last words: {}", one_line(words, LONGEST))),
        (Some(_) | None, _) => {}
    }
    let witnesses = last.verdict.iter().flat_map(|verdict| &verdict.witnesses);
    for witness in witnesses.filter(|witness| witness.agrees == Some(true)) {
        if matches!(witness.name, WitnessName::Outputs | WitnessName::Change) {
            lines.push(format!("- seen of it: {}", witness.seen));
        }
    }
    let before = task.attempts.iter().filter(|attempt| attempt.attempt < last.attempt);
    let tried: Vec<&AttemptView> = before.filter(|attempt| !attempt.lost_its_session()).collect();
    for attempt in &tried[tried.len().saturating_sub(EARLIER)..] {
        if let Some(failure) = attempt.failure() {
            lines.push(format!("- before it: {}: {}", who(attempt, true), failure.kind));
        }
    }
}
