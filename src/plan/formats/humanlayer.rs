//! `HumanLayer`, `thoughts/shared/plans/*.md`: a phase is a task, with checks for a machine and for a person.
//!
//! What stands under "Automated Verification" are commands, each in a code span, that are run after the
//! phase. What stands under "Manual Verification" is the gate between this phase and the next: a person
//! does it. After the last phase nothing waits, so nothing is held there. Where a section on progress keeps
//! the boxes, they are the phases' own (`progress`).

mod progress;

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::task::FileClaim;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::plan::blocks::LineKind;
use crate::plan::fields;
use crate::plan::fields::Key;
use crate::plan::found::Findings;
use crate::plan::found::Found;
use crate::plan::found::heading_task;
use crate::plan::lines::number;
use crate::plan::outline::Heading;
use crate::plan::outline::Item;
use crate::plan::outline::Outline;
use crate::plan::phases;
use crate::plan::titles;
use crate::plan::types::Plan;
use crate::plan::types::PlanCommand;
use crate::plan::values;
use crate::plan::words;

/// The phases.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let phases = phases(outline);
    let progress = progress::read(outline);
    let tasks: Vec<Found> = phases
        .into_iter()
        .map(|(index, id)| {
            let heading = &outline.headings[index];
            let mut task = heading_task(outline, index, None);
            task.title = titles::read(title(outline, heading));
            let noted = progress.get(&id);
            task.id = Some(id);
            if let Some(status) = noted.and_then(|noted| noted.own) {
                task.status = Some(status);
            } else if task.title.status.is_none() {
                let mut verified = 0;
                let mut total = 0;
                for item in
                    boxes(outline, heading).filter(|item| !is_below(outline, item.heading, index, is_manual))
                {
                    total += 1;
                    verified += usize::from(is_done(item));
                }
                task.status = progress::of_boxes(verified, total)
                    .or_else(|| noted.and_then(progress::Noted::of_checks));
            }
            task
        })
        .collect();
    (!tasks.is_empty()).then_some(Findings { tasks, rule: "phases" })
}

/// Commands of the automated checks, and the gates between phases.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    let by_line = super::headings_by_line(outline);
    let progress = progress::read(outline);
    let mut gate: Option<String> = None;
    for task in &mut plan.tasks {
        let Some(index) = by_line.get(&task.line).copied() else { continue };
        let heading = &outline.headings[index];
        if let Some(gate) = gate.take().filter(|_| !task.status.is_met()) {
            task.held.push(HeldReason::Gate(gate));
        }
        for item in items(outline, heading) {
            if is_below(outline, item.heading, index, is_automated) && item.parent.is_none() {
                match commands(outline, item) {
                    commands if commands.is_empty() => {
                        let text = titles::clean(&outline.paragraph(item));
                        if !is_nothing(&text) {
                            task.acceptance.push(text);
                        }
                    }
                    commands => task.own.verify.extend(commands),
                }
            }
        }
        let manual: Vec<&Item> = items(outline, heading)
            .filter(|item| item.parent.is_none() && is_below(outline, item.heading, index, is_manual))
            .filter(|item| !is_nothing(&titles::clean(&outline.paragraph(item))))
            .collect();
        // Items without boxes are confirmed with the phase itself.
        let noted = progress.get(task.id.as_str()).and_then(progress::Noted::is_confirmed);
        let open = manual.iter().any(|item| match item.mark {
            Some(_) => !is_done(item),
            None => !noted.unwrap_or(task.status.is_met()),
        });
        files(outline, heading, &mut task.files);
        if open && task.status != PlanStatus::Skipped {
            gate = Some(format!("phase-{}-manual-verification", task.id));
        }
    }
}

/// The phases of the plan, all of one level, with their numbers.
fn phases(outline: &Outline<'_>) -> Vec<(usize, String)> {
    let found: Vec<(usize, String)> = outline
        .headings
        .iter()
        .enumerate()
        .filter(|(_, heading)| (2..=4).contains(&heading.level) && !heading.closed)
        .filter_map(|(index, heading)| match phases::phase_number(&heading.title) {
            Some(("Phase", number)) => Some((index, number)),
            Some(_) | None => None,
        })
        .collect();
    // A list of progress may name the phases again: those with checks are the plan.
    let checked = |index: usize| {
        let heading = &outline.headings[index];
        outline.headings[index..]
            .iter()
            .take_while(|other| other.line < heading.end)
            .any(|other| is_automated(&other.title) || is_manual(&other.title))
    };
    let level = found
        .iter()
        .filter(|(index, _)| checked(*index))
        .map(|(index, _)| outline.headings[*index].level)
        .min();
    let under_progress = |index: usize| {
        outline.headings[index].parent.is_some_and(|parent| progress::is_section(&outline.headings[parent]))
    };
    found
        .into_iter()
        .filter(|(index, _)| Some(outline.headings[*index].level) == level && !under_progress(*index))
        .collect()
}

/// The files that a phase says it changes: `**File**: path` below each of its changes, at any depth.
fn files(outline: &Outline<'_>, heading: &Heading, files: &mut Vec<FileClaim>) {
    let mut known: BTreeSet<String> = files.iter().map(|file| file.path.clone()).collect();
    for line in heading.after..heading.end {
        let text = outline.lines.get(line).trim();
        if outline.kind(line) != LineKind::Text || !text.starts_with("**File") {
            continue;
        }
        let Some((name, value)) = fields::split(text) else { continue };
        if let Some(Key::Files(verb)) = fields::key_of(name) {
            for claim in values::files(&text[value], verb) {
                if let Some(path) = values::inside(&claim.path).filter(|path| known.insert(path.clone())) {
                    files.push(FileClaim { verb: claim.verb, path });
                }
            }
        }
    }
}

/// What the boxes of the checks are, by their lines: they are no tasks, and not all of them are criteria.
pub(crate) fn boxes_of_checks(outline: &Outline<'_>) -> BTreeMap<usize, &'static str> {
    let mut reasons = progress::lines(outline);
    for (index, _) in phases(outline) {
        for item in boxes(outline, &outline.headings[index]) {
            let reason = if is_nothing(&titles::clean(&outline.paragraph(item))) {
                "nothing to check"
            } else if is_below(outline, item.heading, index, is_manual) {
                "for a person to check after the phase"
            } else if !is_below(outline, item.heading, index, is_automated) {
                continue;
            } else if commands(outline, item).is_empty() {
                "a criterion of the phase, given to the agent"
            } else {
                "a command that is run after the phase"
            };
            reasons.insert(item.line, reason);
        }
    }
    reasons
}

/// A phase's title as written, without `Phase N:`.
fn title<'t>(outline: &Outline<'t>, heading: &Heading) -> &'t str {
    let text = outline.lines.text.get(heading.text.clone()).unwrap_or("");
    [": ", "：", " — ", " – ", " - "]
        .iter()
        .filter_map(|sign| text.find(sign).map(|at| (at, at + sign.len())))
        .min()
        .map_or(text, |(_, after)| text[after..].trim())
}

fn is_automated(title: &str) -> bool {
    words::begins_with(title, "automated verification") || words::begins_with(title, "automated checks")
}

fn is_manual(title: &str) -> bool {
    words::begins_with(title, "manual verification") || words::begins_with(title, "manual checks")
}

/// The items of a section.
fn items<'o>(outline: &'o Outline<'_>, heading: &'o Heading) -> impl Iterator<Item = &'o Item> {
    let first = outline.items.partition_point(|item| item.line < heading.after);
    outline.items[first..].iter().take_while(|item| item.line < heading.end)
}

fn boxes<'o>(outline: &'o Outline<'_>, heading: &'o Heading) -> impl Iterator<Item = &'o Item> {
    items(outline, heading).filter(|item| item.mark.is_some())
}

/// Whether something stands, inside a phase, below a heading of a kind.
fn is_below(outline: &Outline<'_>, heading: Option<usize>, phase: usize, kind: fn(&str) -> bool) -> bool {
    std::iter::successors(heading, |heading| outline.headings[*heading].parent)
        .take_while(|heading| *heading != phase)
        .any(|heading| kind(&outline.headings[heading].title))
}

fn is_done(item: &Item) -> bool {
    item.mark.is_some_and(|mark| super::is_done(mark.sign))
}

/// The commands of an item: it is nothing but code spans, or says so after a colon. Words around a span make it
/// a criterion.
fn commands(outline: &Outline<'_>, item: &Item) -> Vec<PlanCommand> {
    let text = outline.lines.text.get(item.text.clone()).unwrap_or("");
    let value = match values::only_spans(text) {
        Some(_) => text,
        None => text.find(": `").map_or("", |at| &text[at + 2..]),
    };
    let line = number(item.line);
    values::only_spans(value)
        .filter(|spans| spans.iter().all(|(span, _)| is_command(span)))
        .unwrap_or_default()
        .into_iter()
        .map(|(span, _)| PlanCommand { line, text: span.to_owned() })
        .collect()
}

/// Whether a span is a command, and not the name of a file that has to be there: `src/a.py`.
fn is_command(span: &str) -> bool {
    let one_word = !span.contains(char::is_whitespace) && !span.starts_with("./");
    let extension = std::path::Path::new(span).extension().and_then(|extension| extension.to_str());
    let runs = extension.is_none_or(|extension| {
        ["sh", "bash", "zsh", "ps1", "bat", "cmd", "exe"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    });
    !span.starts_with('\\') && (runs || !(one_word && span.contains('/')))
}

/// `None required`, `N/A (pure functions)`.
fn is_nothing(text: &str) -> bool {
    text.is_empty()
        || ["none", "n/a", "nothing", "not applicable"].iter().any(|word| words::begins_with(text, word))
}
