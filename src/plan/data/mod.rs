//! Plans that are data: JSON, YAML, and files of one task each.
//!
//! Such a plan says itself what is a task, what it waits for and how far it is, so nothing is looked for
//! in its text and order implies only what the format says. It is read and never written: the tools that
//! own these files keep their progress in them.

mod bmad;
mod bundle;
mod card;
mod draft;
mod folder;
mod json;
mod keys;
mod ralph;
mod size;
mod task_text;
mod taskmaster;
#[cfg(test)]
mod tests;

pub use bundle::bundle;
pub use bundle::unbundle;
pub use folder::FOLDERS;
pub use folder::FolderChoice;
pub use folder::folder_choice;
pub use folder::read_folder;

use super::formats::Format;
use super::lines::Lines;
use super::types::Plan;
use super::types::ReadOptions;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;

/// What stands before the picture of its tasks that Task Master draws into a README.
const PICTURE: &str = "TASKMASTER_EXPORT_START";

/// What kind of data a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// JSON of one of two formats.
    Json,
    /// `# Task ID:` and what follows.
    TaskText,
    /// A list of stories.
    Yaml,
    /// Front matter of one task.
    Card(card::Kind),
    /// A document of requirements, of which a plan is yet to be made.
    Requirements,
}

/// Reads a plan that is data; none: it is Markdown. The edges of what is returned are yet to be drawn.
pub(crate) fn read(text: &str, options: &ReadOptions) -> Option<Plan> {
    if let Some(plan) = picture(text, options) {
        return Some(plan);
    }
    let kind = kind(text, options)?;
    let lines = Lines::new(text);
    let mut plan = match kind {
        Kind::Json => read_json(text, &lines, options),
        Kind::TaskText => {
            let mut draft = draft::Draft::new(Format::Taskmaster, "`# Task ID:` on line 1");
            task_text::read(&lines, &mut draft);
            draft.plan.title = draft.plan.tasks.first().map(|task| task.title.clone()).unwrap_or_default();
            if let Some(group) = draft.plan.groups.first() {
                draft.plan.title.clone_from(&group.title);
            }
            draft.finish(options)
        }
        Kind::Yaml => bmad::read(text, &lines, options),
        Kind::Card(kind) => {
            let mut draft = draft::Draft::new(kind.format(), kind.reason());
            card::read(&lines, kind, options.path.as_deref(), &mut draft);
            draft.finish(options)
        }
        Kind::Requirements => refused(
            Format::Taskmaster,
            "a document of requirements",
            Diagnostic::error(
                "no-tasks",
                Place::WHOLE,
                "this is a document of requirements, of which a plan is yet to be made",
            )
            .hint("have its tool make tasks of it (`task-master parse-prd`), and run the `tasks.json`"),
        ),
    };
    size::fit(&mut plan, options);
    Some(plan)
}

/// A Markdown text into which Task Master has drawn its tasks: a picture, of which nothing is run.
fn picture(text: &str, options: &ReadOptions) -> Option<Plan> {
    if options.format.is_some() || !text.contains(PICTURE) {
        return None;
    }
    let mut in_fence = false;
    let line = text.lines().position(|line| {
        let line = line.trim();
        in_fence ^= line.starts_with("```") || line.starts_with("~~~");
        !in_fence && line.starts_with("<!--") && line.contains(PICTURE)
    })?;
    let message = "this is a picture of the tasks that Task Master keeps in its `tasks.json`";
    let diagnostic = Diagnostic::error("picture-of-tasks", Place::line(super::lines::number(line)), message)
        .hint("to run them: orchestrate --plan .taskmaster/tasks/tasks.json")
        .hint("to run what else the text holds, add --format generic");
    Some(refused(Format::Taskmaster, "`TASKMASTER_EXPORT_START` in a comment", diagnostic))
}

/// The last part of a path.
fn file_name(path: Option<&str>) -> &str {
    path.unwrap_or("").rsplit(['/', '\\']).next().unwrap_or("")
}

fn kind(text: &str, options: &ReadOptions) -> Option<Kind> {
    let asked = options.format.as_deref().and_then(Format::from_name);
    let name = file_name(options.path.as_deref()).to_ascii_lowercase();
    let ends = |ending: &str| name.ends_with(ending);
    let bare = text.trim_start_matches('\u{feff}').trim_start();
    if ends(".json") || (!ends(".md") && is_json(bare)) {
        return Some(Kind::Json);
    }
    if ends(".yaml") || ends(".yml") {
        return Some(Kind::Yaml);
    }
    if asked.is_some_and(|format| !matches!(format, Format::Taskmaster | Format::Backlog | Format::Bmad)) {
        return None;
    }
    if bare.starts_with("# Task ID:") {
        return Some(Kind::TaskText);
    }
    if ends(".txt") && name.contains("prd") {
        return Some(Kind::Requirements);
    }
    card::kind(text, options.path.as_deref(), asked == Some(Format::Backlog)).map(Kind::Card)
}

/// Whether a text without a telling name is JSON: no Markdown begins with a brace and a quoted key.
fn is_json(bare: &str) -> bool {
    bare.strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}']))
}

fn read_json(text: &str, lines: &Lines<'_>, options: &ReadOptions) -> Plan {
    let root = match json::read(text) {
        Ok(root) => root,
        Err(broken) => {
            let place = lines.place(broken.at..text.len().min(broken.at + 1));
            let mut diagnostic = Diagnostic::error("bad-json", place, broken.message);
            if let Some(hint) = broken.hint {
                diagnostic = diagnostic.hint(hint);
            }
            return refused(Format::Generic, "JSON that cannot be read", diagnostic);
        }
    };
    let asked = options.format.as_deref().and_then(Format::from_name);
    if asked != Some(Format::Taskmaster) && root.get("userStories").is_some_and(json::Node::is_list) {
        return ralph::read(&root, lines, options);
    }
    if taskmaster::is(&root) {
        return taskmaster::read(&root, lines, options);
    }
    let diagnostic = Diagnostic::error(
        "no-tasks",
        Place::line(1),
        format!(
            "this JSON is no plan: it is {} without `tasks`, tags of `tasks` or `userStories`",
            root.kind()
        ),
    )
    .hint("plans in JSON are the `tasks.json` of Task Master and the `prd.json` of Ralph");
    refused(Format::Generic, "JSON", diagnostic)
}

/// A plan of which there is nothing but a mistake.
fn refused(format: Format, reason: &str, diagnostic: Diagnostic) -> Plan {
    let mut plan = draft::Draft::new(format, reason).plan;
    plan.diagnostics.push(diagnostic);
    plan
}
