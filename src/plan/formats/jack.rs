//! jack: `<!-- @task id="A-1" status="pending" priority="high" depends="B-1" -->` before each task.
//!
//! The comment names the task, and what it says counts before anything below it; the heading or item
//! after it gives the title. `<!-- @endtask -->` ends it, or else the next comment does.

use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::task::PlanStatus;
use crate::plan::blocks::LineKind;
use crate::plan::found::Findings;
use crate::plan::found::Found;
use crate::plan::found::Holder;
use crate::plan::found::Source;
use crate::plan::found::heading_task;
use crate::plan::found::item_task;
use crate::plan::lines::number;
use crate::plan::names;
use crate::plan::outline::Outline;
use crate::plan::titles;
use crate::plan::types::Plan;
use crate::plan::words;

use super::gsd::attribute;

/// The tasks that comments name.
pub(crate) fn tasks(outline: &Outline<'_>) -> Option<Findings> {
    let lines: Vec<(usize, &str)> = comments(outline).collect();
    let tasks: Vec<Found> = lines
        .iter()
        .enumerate()
        .map(|(index, (line, comment))| {
            let next = lines.get(index + 1).map_or(outline.lines.len(), |(line, _)| *line);
            task(outline, *line, comment, next)
        })
        .collect();
    (!tasks.is_empty()).then_some(Findings { tasks, rule: "`@task` comments" })
}

/// Priorities, and what is wrong in a comment.
pub(crate) fn finish(outline: &Outline<'_>, plan: &mut Plan) {
    let mut comments = comments(outline).peekable();
    let mut order: Vec<usize> = (0..plan.tasks.len()).collect();
    order.sort_by_key(|task| plan.tasks[*task].line);
    for index in order {
        let line = plan.tasks[index].line;
        let mut comment = None;
        while let Some((_, text)) = comments.next_if(|(at, _)| number(*at) <= line) {
            comment = Some(text);
        }
        let Some(comment) = comment else { continue };
        let task = &mut plan.tasks[index];
        task.own.priority =
            task.own.priority.or_else(|| attribute(comment, "priority").and_then(words::priority));
        for (name, good) in [
            ("status", attribute(comment, "status").is_none_or(|text| words::status(text).is_some())),
            ("priority", attribute(comment, "priority").is_none_or(|text| words::priority(text).is_some())),
        ] {
            if !good {
                let value = titles::short(attribute(comment, name).unwrap_or(""), 60);
                plan.diagnostics.push(Diagnostic::error(
                    "bad-value",
                    Place::line(line),
                    format!("`{value}` is no value for `{name}` in the comment above"),
                ));
            }
        }
    }
}

/// The comments outside fences, with their lines.
fn comments<'o, 't>(outline: &'o Outline<'t>) -> impl Iterator<Item = (usize, &'t str)> + 'o {
    (0..outline.lines.len()).filter(|line| outline.kind(*line) != LineKind::Fence).filter_map(|line| {
        let text = outline.lines.get(line);
        let rest = text[text.find("<!--")? + 4..].trim_start().strip_prefix("@task")?;
        let inner = rest.split("-->").next().unwrap_or("");
        (inner.starts_with([' ', '\t']) && attribute(inner, "id").is_some()).then_some((line, inner))
    })
}

fn task(outline: &Outline<'_>, line: usize, comment: &str, next: usize) -> Found {
    let end = (line + 1..next)
        .find(|line| {
            let text = outline.lines.get(*line).trim();
            text.starts_with("<!--") && text.contains("@endtask")
        })
        .unwrap_or(next);
    let first = (line..end).find(|at| {
        *at == line && outline.item_at(*at).is_some()
            || *at > line && !matches!(outline.kind(*at), LineKind::Blank | LineKind::Comment)
    });
    let heading =
        first.and_then(|at| outline.heading_above(at).filter(|index| outline.headings[*index].line == at));
    let item = first.and_then(|at| outline.item_at(at));
    let mut task = if let Some(heading) = heading {
        let mut task = heading_task(outline, heading, None);
        let text = task.title.text.clone();
        if let Some(written) = names::written(&text).filter(|written| written.ends) {
            task.title = titles::read(&text[written.after..]);
        }
        task.body = task.body.start..task.body.end.min(end);
        task.fields = task.fields.start..task.fields.end.min(end);
        task
    } else if let Some(item) = item {
        let mut task = item_task(outline, item, None);
        let text = task.title.text.clone();
        if let Some(written) = names::written(&text).filter(|written| written.ends) {
            task.title = titles::read(&text[written.after..]);
        }
        task
    } else {
        let at = first.unwrap_or(line);
        Found {
            line: at,
            id: None,
            title: titles::read(if at == line { "" } else { outline.lines.get(at).trim() }),
            mark: None,
            body: (at + 1).min(end)..end,
            fields: at..at,
            source: Source::None,
            holder: outline.heading_above(line).map(Holder::Heading),
            ordered: false,
            status: None,
            cells: Vec::new(),
        }
    };
    task.id = attribute(comment, "id").filter(|id| !id.is_empty()).map(str::to_owned);
    if let Some(depends) = attribute(comment, "depends") {
        task.title.depends = Some(if depends.is_empty() { "none".to_owned() } else { depends.to_owned() });
    }
    // A box that has been ticked since says more than a comment that nobody has changed.
    let ticked = task.mark.is_some_and(|(_, mark)| super::is_done(mark.sign));
    task.status = attribute(comment, "status")
        .and_then(words::status)
        .filter(|status| !(ticked && matches!(status, PlanStatus::Open | PlanStatus::InProgress)));
    task
}
