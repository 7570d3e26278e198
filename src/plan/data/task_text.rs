//! Task Master's `task_001.txt`: one task with its subtasks, written from `tasks.json`.
//!
//! Lines that begin with `#` are fields here and no headings.

use super::draft;
use super::draft::Draft;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::TaskField;
use crate::model::task::HeldReason;
use crate::plan::lines::Lines;
use crate::plan::lines::number;
use crate::plan::origins;
use crate::plan::references;
use crate::plan::types::Dependency;
use crate::plan::types::Group;
use crate::plan::words;

/// A task or subtask as its lines say it.
#[derive(Default)]
struct Part<'t> {
    line: usize,
    id: &'t str,
    title: &'t str,
    status: Option<(usize, &'t str)>,
    priority: Option<(usize, &'t str)>,
    description: &'t str,
    dependencies: Option<(usize, &'t str)>,
    details: String,
    strategy: String,
    strategy_line: Option<usize>,
}

/// What lines without a mark belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Details,
    Strategy,
    Nothing,
}

/// Reads a file into the plan.
pub(crate) fn read(lines: &Lines<'_>, draft: &mut Draft) {
    let mut parts: Vec<Part<'_>> = vec![Part::default()];
    let mut text = Text::Nothing;
    let mut subtasks = false;
    for line in 0..lines.len() {
        let written = lines.get(line);
        let level = written.bytes().take_while(|byte| *byte == b'#').count();
        let rest = written[level..].trim();
        if let Some((id, title, status)) = subtask(rest).filter(|_| level == 2 && subtasks) {
            parts.push(Part { line, id, title, status: Some((line, status)), ..Part::default() });
            text = Text::Nothing;
            continue;
        }
        let wanted = if parts.len() > 1 { 3 } else { 1 };
        let field = rest.split_once(':').filter(|_| level == wanted || (level == 1 && parts.len() == 1));
        let Some(part) = parts.last_mut() else { return };
        if let Some((name, value)) = field {
            let value = value.trim();
            let name = name.trim().to_ascii_lowercase();
            // Within a text of several lines only what ends it is a field.
            let ends = matches!(name.as_str(), "details" | "test strategy" | "subtasks");
            if text != Text::Nothing && !ends {
                add(part, text, written);
                continue;
            }
            match name.as_str() {
                "task id" if level == 1 => (part.id, part.line) = (value, line),
                "title" => part.title = value,
                "status" => part.status = Some((line, value)),
                "dependencies" => part.dependencies = Some((line, value)),
                "priority" => part.priority = Some((line, value)),
                "description" => part.description = value,
                "details" => text = begun(&mut part.details, value, Text::Details),
                "test strategy" => {
                    part.strategy_line = Some(line);
                    text = begun(&mut part.strategy, value, Text::Strategy);
                }
                "subtasks" if level == 1 => (subtasks, text) = (true, Text::Nothing),
                _ => add(part, text, written),
            }
            continue;
        }
        add(part, text, written);
    }
    close(lines, &parts, draft);
}

/// Begins a text of several lines, of which the first may stand behind its name.
fn begun(text: &mut String, value: &str, kind: Text) -> Text {
    text.push_str(value);
    kind
}

fn add(part: &mut Part<'_>, text: Text, line: &str) {
    let text = match text {
        Text::Details => &mut part.details,
        Text::Strategy => &mut part.strategy,
        Text::Nothing => return,
    };
    text.push('\n');
    text.push_str(line);
}

/// Reads `1. Title [pending]`.
fn subtask(text: &str) -> Option<(&str, &str, &str)> {
    let (id, rest) = text.split_once('.')?;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (title, status) = rest.trim().strip_suffix(']')?.rsplit_once('[')?;
    Some((id, title.trim(), status.trim()))
}

fn close(lines: &Lines<'_>, parts: &[Part<'_>], draft: &mut Draft) {
    let is_alone = parts.len() == 1;
    let mut group = None;
    let mut over: Option<String> = None;
    let mut above = "";
    for (index, part) in parts.iter().enumerate() {
        let line = number(part.line);
        if part.id.is_empty() {
            let message = "`# Task ID:` has no id";
            draft.tell(Diagnostic::error("bad-value", Place::line(line), message));
            return;
        }
        let status_line = part.status.map_or(line, |(line, _)| number(line));
        let status = draft.status(part.status.map(|(_, text)| text), Place::line(status_line));
        let priority = part.priority.and_then(|(_, text)| words::priority(text));
        let key = |field: TaskField, from: FieldFrom, key: &str, line: usize| {
            origins::of_key(field, from, key, number(line))
        };
        let is_parent = index == 0 && !is_alone;
        let text = draft::body(&[
            ("", Some(part.description).filter(|text| *text != part.title)),
            ("Details", Some(&part.details)),
            ("Test strategy", Some(&part.strategy)),
        ]);
        let owner = if is_parent {
            let mut made = Group {
                number: Some(part.id.to_owned()),
                title: draft::task(part.id, part.title, line).title,
                line,
                status: Some(status),
                states_dependencies: true,
                context: text,
                ..Group::default()
            };
            made.defaults.priority = priority;
            if let Some((line, _)) = part.priority {
                made.origins.push(key(TaskField::Priority, FieldFrom::Group, "Priority", line));
            }
            above = part.id;
            over = status.is_met().then(|| made.title.clone());
            let made = draft.group(made, None);
            group = Some(made);
            Dependency::Group(made)
        } else {
            let id = if above.is_empty() { part.id.to_owned() } else { format!("{above}.{}", part.id) };
            let mut task = draft::task(&id, part.title, line);
            task.status = status;
            if let Some(over) = over.as_ref().filter(|_| !status.is_met()) {
                task.held.push(HeldReason::GroupDeferred(over.clone()));
            }
            task.group = group;
            task.own.priority = priority;
            task.body = text;
            task.origins.push(key(TaskField::Id, FieldFrom::Data, "Task ID", part.line));
            task.origins.push(match part.status {
                Some((line, _)) => key(TaskField::Status, FieldFrom::Data, "Status", line),
                None => origins::of_nothing(TaskField::Status),
            });
            if let Some((line, _)) = part.priority {
                task.origins.push(key(TaskField::Priority, FieldFrom::Data, "Priority", line));
            }
            if let Some(line) = part.strategy_line {
                task.origins.push(key(TaskField::Acceptance, FieldFrom::Data, "Test Strategy", line));
            }
            let strategy = part.strategy.trim();
            task.acceptance.extend((!strategy.is_empty()).then(|| strategy.to_owned()));
            Dependency::Task(draft.task(task, Some(part.id)))
        };
        let Some((at, value)) = part.dependencies else { continue };
        if references::is_none(value) {
            continue;
        }
        let start = lines.start(at) + lines.get(at).find(value).unwrap_or(0);
        let near = group.filter(|_| !is_parent);
        for (name, range) in references::split(value) {
            // Some versions put a sign of the status behind each id.
            let name = name.split(['(', ' ']).next().unwrap_or(name);
            let length = name.len();
            let place = draft::place(lines, start + range.start..start + range.start + length);
            draft.wish(owner, name, place, near);
        }
    }
}
