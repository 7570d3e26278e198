//! Codex `ExecPlans`: a living document for one agent, whose boxes stand under `## Progress`.
//!
//! The open items of Progress are the tasks, one after another. A plan may stand in the file as one
//! fenced block of Markdown: then its inside is read, in its place. `PLANS.md` holds the rules for
//! such plans, or a list of them, and is no plan.

use std::borrow::Cow;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::plan::found::Findings;
use crate::plan::found::item_task;
use crate::plan::outline::Outline;
use crate::plan::types::Plan;
use crate::plan::types::ReadOptions;
use crate::plan::words;

/// What the name of a file says: `PLANS.md` is no plan, and not one of another format.
pub(crate) fn sign(outline: &Outline<'_>, path: &str) -> Option<&'static str> {
    is_rules(outline, path).then_some("`PLANS.md` speaks of ExecPlans")
}

/// The boxes of Progress; none where there is no such section.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let tasks: Vec<_> = (0..outline.items.len())
        .filter(|item| {
            let item = &outline.items[*item];
            item.mark.is_some() && !item.below_box && in_progress_section(outline, item.heading)
        })
        .map(|item| {
            let mut task = item_task(outline, item, None);
            task.ordered = true;
            task
        })
        .collect();
    (!tasks.is_empty()).then_some(Findings { tasks, rule: "the boxes of Progress" })
}

/// Says how such a plan is meant, and that the rules are none.
pub(crate) fn finish(outline: &Outline<'_>, options: &ReadOptions, plan: &mut Plan) {
    for task in &mut plan.tasks {
        task.ordered = true;
    }
    let path = options.path.as_deref().unwrap_or("").replace('\\', "/");
    if is_rules(outline, &path) {
        plan.tasks.clear();
        plan.groups.clear();
        plan.diagnostics.push(
            Diagnostic::error(
                "no-tasks",
                Place::WHOLE,
                "`PLANS.md` holds the rules for ExecPlans or a list of them, and is itself no plan",
            )
            .hint("name one of the plans, such as `.agent/execplans/NAME.md`"),
        );
    } else if !options.as_one && plan.tasks.len() > 1 {
        plan.diagnostics.push(
            Diagnostic::note(
                "execplan",
                Place::WHOLE,
                "an ExecPlan is meant for one agent from top to bottom; its open items run one after another",
            )
            .hint("to hand the whole plan to one agent, add --as-one"),
        );
    }
}

/// A plan that stands in its file as one fenced block of Markdown, with the fence blanked out; every
/// byte keeps its place.
pub(crate) fn unfenced(text: &str) -> Cow<'_, str> {
    fence_around(text).map_or(Cow::Borrowed(text), |(opening, closing)| {
        let mut plain = String::with_capacity(text.len());
        let mut from = 0;
        for line in [opening, closing] {
            plain.push_str(&text[from..line.start]);
            plain.extend(std::iter::repeat_n(' ', line.len()));
            from = line.end;
        }
        plain.push_str(&text[from..]);
        Cow::Owned(plain)
    })
}

/// The bytes of the first and the last line, if they are the fence around an `ExecPlan`.
fn fence_around(text: &str) -> Option<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let body = text.trim_start_matches('\u{feff}').trim_start();
    let start = text.len() - body.len();
    let byte = *body.as_bytes().first().filter(|byte| matches!(byte, b'`' | b'~'))?;
    let first = body.lines().next()?;
    let long = first.bytes().take_while(|other| *other == byte).count();
    let info = first[long..].trim();
    if long < 3 || !["md", "markdown"].iter().any(|word| info.eq_ignore_ascii_case(word)) {
        return None;
    }
    let whole = body.trim_end();
    let last = whole.rsplit(['\n', '\r']).next()?;
    let inside = &whole[first.len()..whole.len().checked_sub(last.len()).filter(|end| *end > first.len())?];
    let closes = |line: &str, long: usize, byte: u8| {
        let line = line.trim();
        line.len() >= long && !line.is_empty() && line.bytes().all(|other| other == byte)
    };
    if !closes(last, long, byte) {
        return None;
    }
    // Fences inside have to come in pairs: else the first and the last line belong to different blocks.
    let mut open: Option<(u8, usize)> = None;
    let mut has_progress = false;
    for line in inside.lines() {
        let trimmed = line.trim();
        if let Some((byte, long)) = open {
            if closes(trimmed, long, byte) {
                open = None;
            }
            continue;
        }
        let byte = trimmed.bytes().next().filter(|byte| matches!(byte, b'`' | b'~'));
        let long = byte.map_or(0, |byte| trimmed.bytes().take_while(|other| *other == byte).count());
        open = byte.filter(|_| long >= 3).map(|byte| (byte, long));
        has_progress |= trimmed
            .strip_prefix("##")
            .is_some_and(|title| is_named(title.trim_matches(['#', ' ']), "progress"));
    }
    let end = start + whole.len();
    (open.is_none() && has_progress).then_some((start..start + first.len(), end - last.len()..end))
}

fn is_named(title: &str, name: &str) -> bool {
    words::begins_with(words::without_number(title), name)
}

fn in_progress_section(outline: &Outline<'_>, heading: Option<usize>) -> bool {
    let mut next = heading;
    while let Some(index) = next {
        if is_named(&outline.headings[index].title, "progress") {
            return true;
        }
        next = outline.headings[index].parent;
    }
    false
}

/// Whether a file is the rules for such plans, or a list of them.
fn is_rules(outline: &Outline<'_>, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or("");
    name.eq_ignore_ascii_case("PLANS.md")
        && tasks(outline).is_none()
        && outline.lines.text.to_lowercase().contains("execplan")
}
