//! Files of one task each: Backlog.md, code tasks, the numbered tasks of an epic, and the stories of a folder.
//!
//! What stands in such a file explains the one task: its boxes are criteria and steps.

use serde_json::Value;

use super::draft;
use super::draft::Draft;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::Ignored;
use crate::model::check::TaskField;
use crate::model::task::FileClaim;
use crate::model::task::FileVerb;
use crate::model::task::PlanStatus;
use crate::plan::facts;
use crate::plan::formats::Format;
use crate::plan::lines::Lines;
use crate::plan::lines::number;
use crate::plan::origins;
use crate::plan::references;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::PlanTask;
use crate::plan::words;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Backlog.md.
    Backlog,
    /// `*.code-task.md`.
    CodeTask,
    /// A BMAD story, as one of a folder.
    Story,
    /// `epics/<epic>/001.md` of CCPM: the number is the id.
    Numbered,
}

impl Kind {
    /// The format that it belongs to.
    pub(crate) const fn format(self) -> Format {
        match self {
            Self::Backlog => Format::Backlog,
            Self::CodeTask => Format::Pdd,
            Self::Story => Format::Bmad,
            Self::Numbered => Format::Generic,
        }
    }

    /// Why it is taken for that.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Backlog => "front matter with `id` and `status`: one task in a file",
            Self::CodeTask => "`.code-task.md`: one task in a file",
            Self::Story => "a folder of stories: each is a task",
            Self::Numbered => {
                "a numbered file with `name` and `status` in its front matter: one task of an epic"
            }
        }
    }
}

/// What a file says, before it is known who its neighbours are.
#[derive(Debug)]
pub(crate) struct Card {
    /// The task that it is.
    pub(crate) task: PlanTask,
    /// The id of the task it is a part of.
    pub(crate) parent: Option<String>,
    /// Where it stands on the board.
    pub(crate) ordinal: Option<f64>,
    /// Ids it waits for, with their places.
    pub(crate) wishes: Vec<(String, Place)>,
    /// Boxes in it.
    pub(crate) ignored: Vec<Ignored>,
    /// The status as written, with its place.
    pub(crate) status: Option<(String, Place)>,
    /// What is to be told of it.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// The lines between the two rulers at the start of a text.
fn matter(lines: &Lines<'_>) -> Option<std::ops::Range<usize>> {
    if lines.len() == 0 || lines.get(0).trim_end() != "---" {
        return None;
    }
    let end = (1..lines.len()).find(|line| lines.get(*line).trim_end() == "---")?;
    Some(1..end)
}

/// Whether a text is a file of one task; `asked`: somebody says that it is one of Backlog.md.
pub(crate) fn kind(text: &str, path: Option<&str>, asked: bool) -> Option<Kind> {
    let path = path.unwrap_or("").replace('\\', "/");
    if path.ends_with(".code-task.md") {
        return Some(Kind::CodeTask);
    }
    let bare = text.trim_start_matches('\u{feff}');
    if !bare.starts_with("---") {
        return None;
    }
    let lines = Lines::new(text);
    let inside = matter(&lines)?;
    let (mut has_id, mut has_status, mut has_name) = (false, false, false);
    for line in inside {
        let line = lines.get(line);
        has_id |= line.starts_with("id:");
        has_status |= line.starts_with("status:");
        has_name |= line.starts_with("name:");
        if line.starts_with("todos:") {
            return None;
        }
    }
    let stem = super::file_name(Some(&path)).strip_suffix(".md").unwrap_or("");
    let is_number = (1..=6).contains(&stem.len()) && stem.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && has_name && has_status && !has_id && (asked || path.contains("epics/")) {
        return Some(Kind::Numbered);
    }
    let signs = path.contains("backlog/") || text.contains("<!-- AC:BEGIN -->");
    (has_id && has_status && (signs || asked)).then_some(Kind::Backlog)
}

/// Whether a text is a story: `# Story 1.2: title`.
pub(crate) fn is_story(text: &str) -> bool {
    let mut first = text.trim_start_matches('\u{feff}').lines().take(40);
    first.any(|line| line.strip_prefix("# ").is_some_and(|title| story_id(title).is_some()))
}

/// The number of a story and its title.
fn story_id(title: &str) -> Option<(&str, &str)> {
    let title = title.trim().trim_start_matches('*');
    let rest =
        title.strip_prefix("Story").or_else(|| title.strip_prefix("STORY"))?.trim_start_matches([' ', '-']);
    let end = rest.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-')).unwrap_or(rest.len());
    let id = rest[..end].trim_end_matches(['.', '-']);
    let title = rest[id.len()..].trim_start_matches([':', '.', '-', '—', '–', ' ']);
    (!id.is_empty()).then_some((id, title.trim_end_matches('*')))
}

/// Reads a file that is the whole plan.
pub(crate) fn read(lines: &Lines<'_>, kind: Kind, path: Option<&str>, draft: &mut Draft) {
    draft.from = FieldFrom::FrontMatter;
    let mut card = of(lines, kind, path);
    let status = card.status.take();
    for diagnostic in card.diagnostics.drain(..) {
        draft.tell(diagnostic);
    }
    if let Some((status, place)) = status {
        card.task.status = status_of(draft, &status, place);
    }
    draft.plan.ignored.append(&mut card.ignored);
    let owner = Dependency::Task(draft.task(card.task, None));
    for (text, place) in card.wishes {
        draft.wish(owner, &text, place, None);
    }
}

/// Reads a status in the words of these tools.
pub(crate) fn status_of(draft: &mut Draft, text: &str, place: Place) -> PlanStatus {
    let folded: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    match folded.as_str() {
        "readyforreview" | "inprogress" | "inreview" => PlanStatus::InProgress,
        "draft" | "approved" | "backlog" | "drafted" | "contexted" | "optional" | "icebox" => {
            PlanStatus::Open
        }
        "archived" => PlanStatus::Skipped,
        _ => draft.status(Some(text), place),
    }
}

/// What a file says.
pub(crate) fn of(lines: &Lines<'_>, kind: Kind, path: Option<&str>) -> Card {
    let inside = matter(lines);
    let mut diagnostics = Vec::new();
    let value = inside.clone().map(|inside| yaml(lines, inside, &mut diagnostics)).unwrap_or_default();
    let body_start = inside.clone().map_or(0, |inside| (inside.end + 1).min(lines.len()));
    let at = |key: &str| key_place(lines, inside.clone().unwrap_or(0..0), key);
    let heading = (body_start..lines.len()).find(|line| lines.get(*line).starts_with("# "));
    let first = heading.map_or("", |line| lines.get(line)[2..].trim());
    let (id, title, line) = match kind {
        Kind::Backlog => {
            let id = text_of(&value, "id").unwrap_or_default();
            let title = text_of(&value, "title").unwrap_or_else(|| first.to_owned());
            (id, title, at("id").line)
        }
        Kind::CodeTask => {
            let title = first.strip_prefix("Task:").unwrap_or(first).trim();
            let name = super::file_name(path);
            let stem = name.strip_suffix(".code-task.md").unwrap_or("");
            let id = if stem.is_empty() { titles::id_of(title) } else { stem.to_owned() };
            (id, title.to_owned(), number(heading.unwrap_or(0)))
        }
        Kind::Numbered => {
            let id = super::file_name(path).strip_suffix(".md").unwrap_or("").to_owned();
            let title = text_of(&value, "name").unwrap_or_else(|| first.to_owned());
            (id, title, at("name").line)
        }
        Kind::Story => {
            let (id, title) = story_id(first).unwrap_or(("", first));
            (id.to_owned(), title.to_owned(), number(heading.unwrap_or(0)))
        }
    };
    let line = line.max(1);
    if id.trim().is_empty() {
        diagnostics.push(Diagnostic::error("bad-value", Place::line(line), "the task has no id"));
    }
    let mut task = draft::task(id.trim(), &title, line);
    lines.slice(body_start, lines.len()).trim().clone_into(&mut task.body);
    task.own.priority = text_of(&value, "priority").and_then(|text| words::priority(&text));
    let assignees = texts(value.get("assignee"));
    task.own.agent = assignees.first().map(|name| facts::agent_name(name)).filter(|name| !name.is_empty());
    for path in texts(value.get("modified_files")) {
        task.files.push(FileClaim { verb: Some(FileVerb::Modify), path: path.replace('\\', "/") });
    }
    let ignored = boxes(lines, body_start, &mut task);
    let status = match kind {
        Kind::Backlog | Kind::CodeTask | Kind::Numbered => {
            text_of(&value, "status").map(|text| (text, at("status")))
        }
        Kind::Story => story_status(lines, body_start),
    };
    task.parallel = value.get("parallel").and_then(Value::as_bool);
    let wishes =
        ["dependencies", "depends_on"].into_iter().filter(|key| value.get(key).is_some()).flat_map(|key| {
            let place = at(key);
            texts(value.get(key)).into_iter().map(move |text| (text, place))
        });
    let wishes = wishes.filter(|(text, _)| !references::is_none(text)).collect();
    let from = FieldFrom::FrontMatter;
    let said = [
        (TaskField::Priority, "priority", task.own.priority.is_some()),
        (TaskField::Agent, "assignee", task.own.agent.is_some()),
        (TaskField::Files, "modified_files", !task.files.is_empty()),
        (TaskField::Parallel, "parallel", task.parallel.is_some()),
    ];
    for (field, key, _) in said.into_iter().filter(|(_, _, said)| *said) {
        task.origins.push(origins::of_key(field, from, key, at(key).line));
    }
    task.origins.push(match kind {
        Kind::Backlog => origins::of_key(TaskField::Id, from, "id", line),
        Kind::CodeTask | Kind::Numbered => {
            FieldOrigin { by: None, ..origins::of_key(TaskField::Id, FieldFrom::Format, "", line) }
        }
        Kind::Story => {
            FieldOrigin { by: None, ..origins::of_key(TaskField::Id, FieldFrom::Heading, "", line) }
        }
    });
    task.origins.push(match (&status, kind) {
        (None, _) => origins::of_nothing(TaskField::Status),
        (Some((_, place)), Kind::Story) => {
            FieldOrigin { by: None, ..origins::of_key(TaskField::Status, FieldFrom::Header, "", place.line) }
        }
        (Some((_, place)), Kind::Backlog | Kind::CodeTask | Kind::Numbered) => {
            origins::of_key(TaskField::Status, from, "status", place.line)
        }
    });
    Card {
        task,
        parent: text_of(&value, "parent_task_id").or_else(|| text_of(&value, "parent")),
        ordinal: value.get("ordinal").and_then(Value::as_f64),
        wishes,
        ignored,
        status,
        diagnostics,
    }
}

fn yaml(lines: &Lines<'_>, inside: std::ops::Range<usize>, diagnostics: &mut Vec<Diagnostic>) -> Value {
    match serde_saphyr::from_str(lines.slice(inside.start, inside.end)) {
        Ok(value) => value,
        Err(error) => {
            diagnostics.push(super::bmad::bad_yaml(&error, lines, inside.start));
            Value::Null
        }
    }
}

/// The value of a key as text.
fn text_of(value: &Value, key: &str) -> Option<String> {
    texts(value.get(key)).into_iter().next()
}

/// A text, a number, or a list of them.
pub(crate) fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => {
            let text = text.trim();
            if text.is_empty() { Vec::new() } else { vec![text.to_owned()] }
        }
        // `001` is a number of YAML, and some readers make `1.0` of it.
        Some(Value::Number(number)) => {
            let text = number.to_string();
            vec![text.strip_suffix(".0").map_or(text.clone(), str::to_owned)]
        }
        Some(Value::Array(list)) => {
            list.iter().filter(|one| !one.is_array()).flat_map(|one| texts(Some(one))).collect()
        }
        Some(Value::Null | Value::Bool(_) | Value::Object(_)) | None => Vec::new(),
    }
}

/// The line of a key at the margin of the front matter.
fn key_place(lines: &Lines<'_>, inside: std::ops::Range<usize>, key: &str) -> Place {
    let is = |line: &usize| lines.get(*line).strip_prefix(key).is_some_and(|rest| rest.starts_with(':'));
    let line = inside.clone().find(is).unwrap_or(inside.start);
    Place::line(number(line))
}

/// `Status: Done` near the top, or the first line below a heading `Status`.
fn story_status(lines: &Lines<'_>, from: usize) -> Option<(String, Place)> {
    let end = lines.len().min(from + 40);
    for line in from..end {
        let text = lines.get(line).trim().trim_start_matches(['-', '*', '#', ' ']);
        let Some(rest) = text.strip_prefix("Status") else { continue };
        let rest = rest.trim_start_matches(['*', ' ', ':']);
        if !rest.is_empty() {
            return Some((titles::clean(rest), Place::line(number(line))));
        }
        let next = (line + 1..end).find(|line| !lines.get(*line).trim().is_empty())?;
        return Some((titles::clean(lines.get(next).trim()), Place::line(number(next))));
    }
    None
}

/// The boxes of a file: those below criteria are acceptance, none is a task.
fn boxes(lines: &Lines<'_>, from: usize, task: &mut PlanTask) -> Vec<Ignored> {
    let mut ignored = Vec::new();
    let mut criteria = false;
    let mut fence: Option<&str> = None;
    for line in from..lines.len() {
        let text = lines.get(line).trim_start();
        if let Some(open) = fence {
            if text.starts_with(open) {
                fence = None;
            }
            continue;
        }
        if text.starts_with("```") || text.starts_with("~~~") {
            fence = Some(&text[..3]);
            continue;
        }
        if text.starts_with('#') {
            let title = text.trim_start_matches('#').trim().to_lowercase();
            criteria = title.starts_with("acceptance") || title.starts_with("definition of done");
            continue;
        }
        let item = text.strip_prefix(['-', '*', '+']).map(str::trim_start);
        let Some((_, _, _, length)) = item.and_then(crate::plan::boxes::box_at) else { continue };
        let rest = item.and_then(|item| item.get(length..)).unwrap_or("").trim();
        if criteria {
            let digits =
                rest.strip_prefix('#').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
            let rest = digits.filter(|rest| rest.starts_with(' ')).unwrap_or(rest).trim();
            task.acceptance.push(rest.to_owned());
        }
        let reason =
            if criteria { "acceptance, given to the agent" } else { "a step of the task that the file is" };
        ignored.push(Ignored { file: None, line: number(line), reason: reason.to_owned() });
    }
    ignored
}
