//! Ralph's `prd.json`: user stories with a priority each.
//!
//! Without `dependsOn` anywhere the stories go one at a time, the lowest number first; with it they are a
//! graph, and the priority only chooses among those that may start.

use super::draft;
use super::draft::Draft;
use super::json::Node;
use super::json::Value;
use super::keys;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::TaskField;
use crate::model::task::PlanStatus;
use crate::plan::formats::Format;
use crate::plan::lines::Lines;
use crate::plan::lines::number;
use crate::plan::origins;
use crate::plan::references;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Plan;
use crate::plan::types::ReadOptions;
use crate::plan::words;

/// Reads the stories.
pub(crate) fn read(root: &Node<'_>, lines: &Lines<'_>, options: &ReadOptions) -> Plan {
    let mut draft = Draft::new(Format::Ralph, "JSON with `userStories`");
    let title = ["project", "name", "title"].iter().find_map(|key| root.text_of(key));
    draft.plan.title = title.map(titles::clean).unwrap_or_default();
    draft.plan.preamble = draft::body(&[("", root.text_of("description"))]);
    // Which commands a run executes is said in one place for all plans, and this is not it.
    let checks: Vec<&str> =
        root.get("verifyCommands").map_or(&[][..], Node::list).iter().filter_map(Node::text).collect();
    if !checks.is_empty() {
        let listed: Vec<String> = checks.iter().map(|command| format!("- `{command}`")).collect();
        let told = draft::body(&[("", Some(&draft.plan.preamble)), ("Checks", Some(&listed.join("\n")))]);
        draft.plan.preamble = told;
        let message = "`verifyCommands` are told to the agents and not run";
        draft.tell(
            Diagnostic::note("checks-not-run", Place::line(line_of(root, "verifyCommands", lines)), message)
                .hint(
                    "to have commands run after every story, write them below `Quality Gates` of a `prd.md`",
                ),
        );
    }
    let stories = root.get("userStories").map_or(&[][..], Node::list);
    let states = |story: &Node<'_>| story.get("dependsOn").is_some() || !keys::dependencies(story).is_empty();
    let graph = stories.iter().any(states);
    let mut sorted: Vec<&Node<'_>> = stories.iter().collect();
    if !graph {
        // The sort is stable: among equals the first goes first.
        sorted.sort_by_key(|story| rank(story).unwrap_or(u64::MAX));
    }
    for story in sorted {
        one(story, lines, graph, &mut draft);
    }
    if draft.plan.tasks.is_empty() && !draft.plan.has_errors() {
        draft.tell(Diagnostic::error("no-tasks", Place::line(1), "`userStories` is empty"));
    }
    if !graph {
        draft.plan.format_reason.push_str(", no `dependsOn`: by priority, one at a time");
    }
    draft.finish(options)
}

fn line_of(node: &Node<'_>, key: &str, lines: &Lines<'_>) -> u32 {
    number(lines.at(node.entry(key).map_or(node.at.start, |entry| entry.at)))
}

/// Where a story stands among the others.
fn rank(story: &Node<'_>) -> Option<u64> {
    let text = story.text_of("priority")?;
    text.parse().ok().or_else(|| words::priority(text).map(u64::from))
}

fn one(story: &Node<'_>, lines: &Lines<'_>, graph: bool, draft: &mut Draft) {
    let line = line_of(story, "id", lines);
    let Some(id) = story.text_of("id") else {
        let message = format!("a story needs an `id`, and this is {} without one", story.kind());
        draft.tell(Diagnostic::error("bad-value", Place::line(line), message));
        return;
    };
    let title = story.text_of("title").or_else(|| story.text_of("description")).unwrap_or("");
    let mut task = draft::task(id, title, line);
    task.status = match story.get("passes").map(|passes| &passes.value) {
        Some(Value::Bool(true)) => PlanStatus::Done,
        Some(Value::Bool(false)) | None => {
            let status = story.get("status").or_else(|| story.get("passes"));
            draft.status(status.and_then(Node::text), Place::line(line))
        }
        Some(Value::Text(text)) => draft.status(Some(&format!("passes: {text}")), Place::line(line)),
        Some(Value::Null | Value::Number(_) | Value::List(_) | Value::Map(_)) => {
            let message = format!("`passes` of `{id}` is neither true nor false");
            draft.tell(Diagnostic::error("bad-value", Place::line(line), message));
            PlanStatus::Open
        }
    };
    task.own.priority = rank(story).map(|rank| u8::try_from(rank.min(9)).unwrap_or(9));
    task.ordered = !graph;
    task.states_dependencies = graph;
    task.acceptance = keys::criteria(story);
    task.files = keys::files(story);
    let labels: Vec<&str> =
        story.get("labels").map_or(&[][..], Node::list).iter().filter_map(Node::text).collect();
    let labels = labels.join(", ");
    let listed: Vec<String> = task.acceptance.iter().map(|text| format!("- {text}")).collect();
    let listed = listed.join("\n");
    let others = keys::others(story);
    task.body = draft::body(&[
        ("", story.text_of("description").filter(|text| *text != title)),
        ("Acceptance criteria", Some(&listed)),
        ("Notes", story.text_of("notes")),
        ("Labels", Some(&labels)),
        ("", Some(&others)),
    ]);
    let says = |key: &str| story.entry(key).is_some();
    let keys = [
        (TaskField::Id, "id"),
        (TaskField::Status, if says("passes") { "passes" } else { "status" }),
        (TaskField::Priority, "priority"),
        (TaskField::Acceptance, "acceptanceCriteria"),
    ];
    for (field, key) in keys {
        if says(key) {
            task.origins.push(origins::of_key(field, FieldFrom::Data, key, line_of(story, key, lines)));
        } else if field == TaskField::Status {
            task.origins.push(origins::of_nothing(field));
        }
    }
    let owner = Dependency::Task(draft.task(task, None));
    for name in keys::dependencies(story) {
        let place = draft::place(lines, name.at.clone());
        if let Some(names) = name.text() {
            for name in names.split(',').filter(|name| !references::is_none(name)) {
                draft.wish(owner, name, place, None);
            }
        } else {
            let message = format!("a dependency is an id, and this is {}", name.kind());
            draft.tell(Diagnostic::error("bad-value", place, message));
        }
    }
}
