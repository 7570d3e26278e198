//! Ralph's plans in Markdown: `prd.md` with a heading for each story, and `fix_plan.md`.
//!
//! The criteria of a story are ticked when it passes, and the commands below `Quality Gates` check every
//! story.

use super::Format;
use crate::model::task::PlanStatus;
use crate::plan::blocks::LineKind;
use crate::plan::lines::number;
use crate::plan::outline::Outline;
use crate::plan::types::Plan;
use crate::plan::types::PlanCommand;
use crate::plan::values;

/// Whether a text is one of Ralph's, and by which sign.
pub(crate) fn sign(outline: &Outline<'_>, path: Option<&str>) -> Option<&'static str> {
    let name = path.unwrap_or("").rsplit(['/', '\\']).next().unwrap_or("").to_ascii_lowercase();
    if name == "fix_plan.md" || name == "@fix_plan.md" {
        return Some("it is a `fix_plan.md`");
    }
    let is_story = |title: &str| {
        let rest =
            title.strip_prefix("US-").map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        rest.is_some_and(|rest| rest.starts_with(':'))
    };
    let stories = outline.headings.iter().filter(|heading| is_story(&heading.title)).take(2).count();
    let is_prd = name.starts_with("prd") || name.ends_with("prd.md");
    (stories > 1 && (is_prd || gates(outline).is_some()))
        .then_some("headings `US-001:` of a product's stories")
}

/// The heading of the commands for every story.
fn gates(outline: &Outline<'_>) -> Option<usize> {
    let is = |title: &str| title.trim().eq_ignore_ascii_case("quality gates");
    outline.headings.iter().position(|heading| heading.level > 1 && is(&heading.title))
}

/// Adds the commands, and takes a story whose criteria are all ticked as done.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    if let Some(heading) = gates(outline) {
        plan.defaults.verify.extend(commands(outline, heading));
    }
    let lines: Vec<u32> = plan.tasks.iter().map(|task| task.line).collect();
    for (index, task) in plan.tasks.iter_mut().enumerate() {
        let at = |heading: &&crate::plan::outline::Heading| number(heading.line) == task.line;
        let first = outline.headings.partition_point(|heading| number(heading.line) < task.line);
        let Some(heading) = outline.headings.get(first).filter(at) else { continue };
        let end = lines.get(index + 1).copied().unwrap_or(u32::MAX).min(number(heading.end));
        let from = outline.items.partition_point(|item| item.line < heading.line);
        let below = outline.items[from..].iter().take_while(|item| number(item.line) < end);
        let mut boxes = below.filter_map(|item| item.mark).peekable();
        if boxes.peek().is_some()
            && task.status == PlanStatus::Open
            && boxes.all(|mark| Format::Ralph.mark(mark.sign) == Some(PlanStatus::Done))
        {
            task.status = PlanStatus::Done;
        }
    }
}

/// A command in a code span: alone, or with words about it behind a dash.
fn command(text: &str) -> Option<String> {
    let text = text.trim();
    let spans = values::code_spans(text);
    let (command, range) = spans.first()?;
    let before = text.get(..range.start)?.trim_matches('`');
    let rest = text.get(range.end..)?.trim_start_matches('`').trim_start();
    let about = rest.is_empty() || rest.starts_with(['-', '–', '—', ':', '(']);
    (before.is_empty() && about && spans.len() == 1).then(|| command.trim().to_owned())
}

/// The code spans of the first list below a heading; what follows is about some stories only.
fn commands(outline: &Outline<'_>, heading: usize) -> Vec<PlanCommand> {
    let heading = &outline.headings[heading];
    let mut found = Vec::new();
    let mut begun = false;
    for line in heading.after..heading.own_end {
        match outline.item_at(line) {
            Some(item) => {
                begun = true;
                let text = outline.paragraph(&outline.items[item]);
                if let Some(command) = command(&text) {
                    found.push(PlanCommand { line: number(line), text: command });
                }
            }
            None if begun
                && outline.kind(line) == LineKind::Text
                && !outline.lines.get(line).starts_with(' ') =>
            {
                break;
            }
            None => {}
        }
    }
    found
}
