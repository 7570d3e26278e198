//! BMAD's lists of stories: `stories.yaml`, and `sprint-status.yaml` with what became of each.
//!
//! Stories go in the order of the list. A checkpoint before a story, or after the one before it, is a gate
//! for a person.

use serde_json::Value;

use super::card;
use super::draft;
use super::draft::Draft;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::TaskField;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::plan::formats::Format;
use crate::plan::lines::Lines;
use crate::plan::lines::number;
use crate::plan::origins;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Group;
use crate::plan::types::Plan;
use crate::plan::types::ReadOptions;

/// The mistake of a text that is no YAML; `from` is the line of the file at which that text begins.
pub(crate) fn bad_yaml(error: &serde_saphyr::Error, lines: &Lines<'_>, from: usize) -> Diagnostic {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or("not YAML");
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let at = error.location();
    let line = at.and_then(|at| usize::try_from(at.line()).ok()).unwrap_or(1).max(1) - 1 + from;
    let line = line.min(lines.len().saturating_sub(1));
    let column = at.and_then(|at| u32::try_from(at.column()).ok()).unwrap_or(0);
    let place = Place { line: number(line), column, length: u32::from(column > 0) };
    Diagnostic::error("bad-yaml", place, format!("the YAML cannot be read: {first}"))
}

/// Reads a list of stories.
pub(crate) fn read(text: &str, lines: &Lines<'_>, options: &ReadOptions) -> Plan {
    let value: Value = match serde_saphyr::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(value) => value,
        Err(error) => {
            return super::refused(Format::Bmad, "YAML that cannot be read", bad_yaml(&error, lines, 0));
        }
    };
    if value.get("development_status").is_some_and(Value::is_object) {
        return sprint(&value, lines, options);
    }
    let list = value.as_array().or_else(|| value.get("stories").and_then(Value::as_array));
    let Some(list) = list else {
        let message = "this YAML is no plan: it has neither a list of `stories` nor `development_status`";
        let diagnostic = Diagnostic::error("no-tasks", Place::line(1), message)
            .hint("plans in YAML are the `stories.yaml` and `sprint-status.yaml` of BMAD");
        return super::refused(Format::Generic, "YAML", diagnostic);
    };
    let mut draft = Draft::new(Format::Bmad, "YAML with a list of stories, in order");
    draft.plan.title = value.get("title").and_then(Value::as_str).map(titles::clean).unwrap_or_default();
    stories(list, lines, &mut draft);
    if draft.plan.tasks.is_empty() && draft.plan.diagnostics.is_empty() {
        draft.tell(Diagnostic::error("no-tasks", Place::line(1), "the list of stories is empty"));
    }
    draft.finish(options)
}

/// The ids as they are written (`1.10` is a text here, and no number), each with its line.
fn written_ids(lines: &Lines<'_>) -> Vec<(String, usize)> {
    let mut found: Vec<(usize, String, usize)> = Vec::new();
    for line in 0..lines.len() {
        let written = lines.get(line);
        let text = written.trim_start();
        let item = text.strip_prefix('-').map(str::trim_start);
        let key = item.unwrap_or(text);
        let indent = written.len() - key.len();
        let Some(value) = key.trim_start_matches(['{', ' ']).strip_prefix("id:") else { continue };
        let value = value.split([',', '}']).next().unwrap_or("").split(" #").next().unwrap_or("");
        let value = value.trim().trim_matches(['"', '\'']).to_owned();
        found.push((indent, value, line));
    }
    // Keys of the same list stand in the same column; deeper ones are of something else.
    let margin = found.iter().map(|(indent, _, _)| *indent).min().unwrap_or(0);
    found.into_iter().filter(|(indent, _, _)| *indent == margin).map(|(_, id, line)| (id, line)).collect()
}

fn stories(list: &[Value], lines: &Lines<'_>, draft: &mut Draft) {
    let written = written_ids(lines);
    let in_step = written.len() == list.len();
    let mut after: Option<String> = None;
    let depends = |story: &Value| story.get("depends_on").or_else(|| story.get("dependencies")).cloned();
    let graph = list.iter().any(|story| depends(story).is_some());
    for (index, story) in list.iter().enumerate() {
        let (as_written, line) = match written.get(index).filter(|_| in_step) {
            Some((id, line)) => (Some(id.clone()), number(*line)),
            None => (None, 1),
        };
        let text = |key: &str| match story.get(key) {
            Some(Value::String(text)) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => None,
        };
        let Some(id) = text("id").map(|id| as_written.filter(|_| !story["id"].is_string()).unwrap_or(id))
        else {
            draft.tell(Diagnostic::error("bad-value", Place::line(line), "a story needs an `id`"));
            continue;
        };
        let mut task = draft::task(&id, &text("title").unwrap_or_default(), line);
        task.ordered = !graph;
        task.states_dependencies = graph;
        let status = text("status");
        if let Some(status) = status {
            task.status = card::status_of(draft, &status, Place::line(line));
        }
        let (description, extra) = (text("description"), text("invoke_dev_with"));
        let notes = text("notes");
        task.body = draft::body(&[
            ("", description.as_deref()),
            ("Notes", notes.as_deref()),
            ("With this", extra.as_deref()),
        ]);
        let open = !task.status.is_met();
        if let Some(before) = after.take().filter(|_| open) {
            task.held.push(HeldReason::Gate(format!("{before} is done")));
        }
        if open && flag(story, "spec_checkpoint", line, draft) {
            task.held.push(HeldReason::Gate(format!("specification of {id}")));
        }
        if open && flag(story, "done_checkpoint", line, draft) {
            after = Some(id.clone());
        }
        let end = written.get(index + 1).filter(|_| in_step).map_or(lines.len(), |(_, line)| *line);
        let at = |key: &str| key_line(lines, line, end, key);
        task.origins.push(origins::of_key(TaskField::Id, FieldFrom::Data, "id", line));
        let status = task.status;
        task.origins.push(match status {
            PlanStatus::Open if text("status").is_none() => origins::of_nothing(TaskField::Status),
            PlanStatus::Open | PlanStatus::InProgress | PlanStatus::Done | PlanStatus::Skipped => {
                origins::of_key(TaskField::Status, FieldFrom::Data, "status", at("status"))
            }
        });
        let owner = Dependency::Task(draft.task(task, None));
        let depends_at = ["depends_on", "dependencies"].into_iter().find(|key| story.get(key).is_some());
        let place = Place::line(depends_at.map_or(line, at));
        for name in card::texts(depends(story).as_ref()) {
            draft.wish(owner, &name, place, None);
        }
    }
}

/// The line of a key of the story whose `id` stands on line `first` (from 1), before line `end` (from 0);
/// else the line of the id.
fn key_line(lines: &Lines<'_>, first: u32, end: usize, key: &str) -> u32 {
    let start = usize::try_from(first).unwrap_or(1).saturating_sub(1);
    let is = |line: &usize| {
        let text = lines.get(*line).trim_start().trim_start_matches(['-', '{', ' ']);
        text.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
    };
    (start..end).find(is).map_or(first, number)
}

fn flag(story: &Value, key: &str, line: u32, draft: &mut Draft) -> bool {
    match story.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) if text.eq_ignore_ascii_case("yes") => true,
        Some(Value::String(text)) if text.eq_ignore_ascii_case("no") => false,
        Some(Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            let message = format!("`{key}` is true or false");
            draft.tell(Diagnostic::error("bad-value", Place::line(line), message));
            true
        }
    }
}

/// The entries of `development_status` in the order of the file, which a map does not keep.
fn in_order<'v>(value: &'v Value, lines: &Lines<'_>) -> Vec<(&'v str, &'v Value, usize)> {
    let map = value.get("development_status").and_then(Value::as_object);
    let start = (0..lines.len()).find(|line| lines.get(*line).starts_with("development_status:"));
    let start = start.map_or(0, |line| line + 1);
    let mut left: std::collections::BTreeMap<&str, &Value> =
        map.into_iter().flatten().map(|(key, value)| (key.as_str(), value)).collect();
    let mut entries = Vec::with_capacity(left.len());
    for line in start..lines.len() {
        let key = lines.get(line).split(':').next().unwrap_or("").trim().trim_matches(['"', '\'']);
        if let Some((key, value)) = left.remove_entry(key) {
            entries.push((key, value, line));
        }
    }
    entries.extend(left.into_iter().map(|(key, value)| (key, value, start)));
    entries
}

fn sprint(value: &Value, lines: &Lines<'_>, options: &ReadOptions) -> Plan {
    let mut draft =
        Draft::new(Format::Bmad, "YAML with `development_status`: each story is a task, in order");
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    draft.plan.title = text("project").map(titles::clean).unwrap_or_default();
    let place = text("story_location").map(|place| place.trim_end_matches('/').to_owned());
    let mut epics = std::collections::BTreeMap::new();
    for (key, value, line) in in_order(value, lines) {
        let line = number(line);
        let status = value.as_str().or_else(|| value.get("status").and_then(Value::as_str)).unwrap_or("");
        if let Some(epic) = key.strip_prefix("epic-") {
            if !epic.is_empty() && epic.bytes().all(|byte| byte.is_ascii_digit()) {
                let status = card::status_of(&mut draft, status, Place::line(line));
                let group = Group {
                    number: Some(epic.to_owned()),
                    title: format!("Epic {epic}"),
                    line,
                    status: status.is_met().then_some(status),
                    ..Group::default()
                };
                epics.insert(epic.to_owned(), draft.group(group, None));
            }
            // A retrospective is a talk between people.
            continue;
        }
        let Some((epic, title)) = story(key) else {
            let message =
                format!("`{key}` is neither an epic nor a story such as `1-2-title`: it is left out");
            draft.tell(Diagnostic::warning("unknown-key", Place::line(line), message));
            continue;
        };
        let mut task = draft::task(key, &title, line);
        task.status = card::status_of(&mut draft, status, Place::line(line));
        task.group = epics.get(epic).copied();
        task.origins.push(origins::of_key(TaskField::Id, FieldFrom::Data, key, line));
        task.origins.push(origins::of_key(TaskField::Status, FieldFrom::Data, key, line));
        task.ordered = true;
        task.states_dependencies = false;
        if let Some(place) = &place {
            task.body = format!("The story is told in `{place}/{key}.md`.");
        }
        if let Some(group) = task.group.map(|group| &draft.plan.groups[group])
            && group.status.is_some()
            && matches!(task.status, PlanStatus::Open | PlanStatus::InProgress)
        {
            task.held.push(HeldReason::GroupDeferred(group.title.clone()));
        }
        draft.task(task, None);
    }
    if draft.plan.tasks.is_empty() {
        draft.tell(Diagnostic::error("no-tasks", Place::line(1), "`development_status` has no stories"));
    }
    draft.finish(options)
}

/// The epic of `1-2-user-accounts`, and its title.
fn story(key: &str) -> Option<(&str, String)> {
    let (epic, rest) = key.split_once(['-', '.'])?;
    let (story, title) = rest.split_once(['-', '.']).unwrap_or((rest, ""));
    let number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit()) && text.len() < 10;
    if !number(epic) || !number(story) {
        return None;
    }
    let title = title.replace('-', " ");
    Some((epic, if title.is_empty() { format!("Story {epic}.{story}") } else { title }))
}
