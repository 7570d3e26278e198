//! Task Master's `tasks.json`: tags of lists of tasks, or one list.
//!
//! A task with subtasks is a group, its leaves are the tasks, at any depth, and are named by the path of
//! ids to them. It is a graph: nothing is implied by order. What a parent waits for holds for its leaves,
//! and a parent that is done, or cancelled, has nothing left to do below it.

use super::draft;
use super::draft::Draft;
use super::json::Node;
use super::keys;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::diagnostics::suggest;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;
use crate::model::task::HeldReason;
use crate::plan::facts;
use crate::plan::formats::Format;
use crate::plan::lines::Lines;
use crate::plan::lines::number;
use crate::plan::origins;
use crate::plan::references;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Group;
use crate::plan::types::Plan;
use crate::plan::types::ReadOptions;
use crate::plan::words;

/// The tag that is read unless another one is named.
const DEFAULT_TAG: &str = "master";

/// The keys of a task, and the fields that they set; those that a parent sets for its subtasks stand in
/// the middle.
const KEYS: [(TaskField, &str); 5] = [
    (TaskField::Id, "id"),
    (TaskField::Status, "status"),
    (TaskField::Priority, "priority"),
    (TaskField::Agent, "assignee"),
    (TaskField::Acceptance, "testStrategy"),
];

/// Whether a JSON text is one of this format.
pub(crate) fn is(root: &Node<'_>) -> bool {
    root.get("tasks").is_some_and(Node::is_list) || tags(root).next().is_some()
}

/// The tags and what stands under each.
fn tags<'r, 't>(root: &'r Node<'t>) -> impl Iterator<Item = (&'r str, &'r Node<'t>)> {
    let entries = root.entries().iter();
    entries
        .filter(|entry| entry.node.get("tasks").is_some_and(Node::is_list))
        .map(|entry| (&*entry.key, &entry.node))
}

/// Reads the tasks of one tag.
pub(crate) fn read(root: &Node<'_>, lines: &Lines<'_>, options: &ReadOptions) -> Plan {
    let (holder, reason) = match chosen(root, options) {
        Ok(chosen) => chosen,
        Err(diagnostic) => {
            return super::refused(Format::Taskmaster, "JSON with tags of `tasks`", diagnostic);
        }
    };
    let mut draft = Draft::new(Format::Taskmaster, &reason);
    let about = |node: &Node<'_>, key: &str| {
        let about = node.get(key)?;
        ["projectName", "name", "title", "description"]
            .iter()
            .find_map(|key| about.text_of(key))
            .map(str::to_owned)
    };
    draft.plan.title = about(holder, "metadata")
        .or_else(|| about(holder, "meta"))
        .map(|title| titles::clean(&title))
        .unwrap_or_default();
    let mut reader = Reader { lines, draft };
    if let Some(tasks) = holder.get("tasks") {
        for node in tasks.list() {
            reader.one(node, "", None, None);
        }
    }
    if reader.draft.plan.tasks.is_empty() && reader.draft.plan.diagnostics.is_empty() {
        let place = reader.place(holder);
        reader.draft.tell(Diagnostic::error("no-tasks", place, "this list has no tasks"));
    }
    reader.draft.finish(options)
}

/// The object whose `tasks` are read, and why that one.
fn chosen<'r, 't>(root: &'r Node<'t>, options: &ReadOptions) -> Result<(&'r Node<'t>, String), Diagnostic> {
    let names = || tags(root).map(|(name, _)| name);
    let find = |wanted: &str| tags(root).find(|(name, _)| *name == wanted).map(|(_, node)| node);
    let known = || names().take(20).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let is_old = root.get("tasks").is_some_and(Node::is_list);
    if let Some(tag) = options.tag.as_deref() {
        if let Some(node) = find(tag) {
            return Ok((node, format!("JSON with tags of `tasks`; tag `{tag}` by --tag")));
        }
        if is_old && tag == DEFAULT_TAG {
            return Ok((root, "JSON with `tasks`".to_owned()));
        }
        let diagnostic =
            Diagnostic::error("unknown-tag", Place::WHOLE, format!("the plan has no tag `{tag}`"));
        return Err(match suggest(tag, names()) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None if is_old => diagnostic.hint("it has no tags at all: leave --tag out"),
            None => diagnostic.hint(format!("it has {}", known())),
        });
    }
    if is_old {
        return Ok((root, "JSON with `tasks`".to_owned()));
    }
    if let Some(tag) = options.current_tag.as_deref()
        && let Some(node) = find(tag)
    {
        return Ok((node, format!("JSON with tags of `tasks`; tag `{tag}` is the current one")));
    }
    if let Some(node) = find(DEFAULT_TAG) {
        return Ok((node, format!("JSON with tags of `tasks`; tag `{DEFAULT_TAG}`")));
    }
    let mut all = tags(root);
    if let (Some((name, node)), None) = (all.next(), all.next()) {
        return Ok((node, format!("JSON with tags of `tasks`; tag `{name}`, the only one")));
    }
    let message = format!("the plan has several tags and no `{DEFAULT_TAG}`: {}", known());
    Err(Diagnostic::error("no-tasks", Place::WHOLE, message).hint("name one of them with --tag"))
}

struct Reader<'l, 't> {
    lines: &'l Lines<'t>,
    draft: Draft,
}

impl Reader<'_, '_> {
    fn place(&self, node: &Node<'_>) -> Place {
        draft::place(self.lines, node.at.clone())
    }

    fn line(&self, node: &Node<'_>) -> u32 {
        let start = node.entry("id").map_or(node.at.start, |entry| entry.at);
        number(self.lines.at(start))
    }

    /// From where the values of a task, or a group, come.
    fn origins(&self, node: &Node<'_>, from: FieldFrom, keys: &[(TaskField, &str)]) -> Vec<FieldOrigin> {
        let found = keys.iter().filter_map(|(field, key)| {
            let line = number(self.lines.at(node.entry(key)?.at));
            Some(origins::of_key(*field, from, key, line))
        });
        found.collect()
    }

    /// Reads a task, or a group and all below it. `over` is what a parent says for all of its leaves.
    fn one(&mut self, node: &Node<'_>, above: &str, group: Option<usize>, over: Option<&str>) {
        let line = self.line(node);
        let Some(short) = node.text_of("id") else {
            let place = Place { line, ..self.place(node) };
            let message = format!("a task needs an `id`, and this is {} without one", node.kind());
            self.draft.tell(Diagnostic::error("bad-value", place, message));
            return;
        };
        // A subtask may be written with the path to it, or without.
        let short = short
            .strip_prefix(above)
            .and_then(|rest| rest.strip_prefix('.'))
            .filter(|_| !above.is_empty())
            .unwrap_or(short);
        let id = if above.is_empty() { short.to_owned() } else { format!("{above}.{short}") };
        let title = ["title", "name", "description"].iter().find_map(|key| node.text_of(key)).unwrap_or("");
        let status_node = node.get("status");
        let place = status_node.map_or(Place::line(line), |status| self.place(status));
        let own = self.draft.status(status_node.and_then(Node::text), place);
        let subtasks = node.get("subtasks").map_or(&[][..], Node::list);
        let priority = node.text_of("priority").and_then(words::priority);
        let agent = node.text_of("assignee").or_else(|| node.text_of("agent"));
        let agent = agent.map(facts::agent_name).filter(|name| !name.is_empty());
        let others = keys::others(node);
        let details = node.text_of("details");
        let owner = if subtasks.is_empty() {
            let mut task = draft::task(&id, title, line);
            task.status = own;
            if let Some(over) = over.filter(|_| !own.is_met()) {
                task.held.push(HeldReason::GroupDeferred(over.to_owned()));
            }
            task.group = group;
            task.own.priority = priority;
            task.own.agent = agent;
            let description = node.text_of("description").filter(|text| *text != title);
            task.body = draft::body(&[
                ("", description),
                ("Details", details),
                ("Test strategy", node.text_of("testStrategy")),
                ("", Some(&others)),
            ]);
            task.files = keys::files(node);
            task.acceptance = keys::criteria(node);
            task.acceptance.extend(node.text_of("testStrategy").map(str::to_owned));
            task.origins = self.origins(node, FieldFrom::Data, &KEYS);
            if status_node.is_none() {
                task.origins.push(origins::of_nothing(TaskField::Status));
            }
            Dependency::Task(self.draft.task(task, Some(short)))
        } else {
            let mut made = Group {
                number: Some(id.clone()),
                title: draft::task(&id, title, line).title,
                line,
                parent: group,
                status: Some(own),
                states_dependencies: true,
                ..Group::default()
            };
            made.defaults.priority = priority;
            made.defaults.agent = agent;
            made.origins = self.origins(node, FieldFrom::Group, &KEYS[2..4]);
            made.context = draft::body(&[
                ("", node.text_of("description")),
                ("Details", details),
                ("Test strategy", node.text_of("testStrategy")),
                ("", Some(&others)),
            ]);
            Dependency::Group(self.draft.group(made, Some(short)))
        };
        self.dependencies(node, owner, group, line);
        if let Dependency::Group(made) = owner {
            let title = self.draft.plan.groups[made].title.clone();
            let over = over.or(own.is_met().then_some(&*title));
            let before = self.draft.plan.tasks.len();
            for subtask in subtasks {
                self.one(subtask, &id, Some(made), over);
            }
            self.conflict(node, &id, over.is_some() && own.is_met(), before, line);
        }
    }

    /// Says where a parent that is over has leaves that are not.
    fn conflict(&mut self, node: &Node<'_>, id: &str, is_over: bool, before: usize, line: u32) {
        if !is_over {
            return;
        }
        let open = unfinished(node);
        let all = self.draft.plan.tasks.len() - before;
        if open > 0 {
            let message =
                format!("`{id}` is over, and {open} of its {all} subtasks are not: those do not run");
            self.draft.tell(
                Diagnostic::warning("status-conflict", Place::line(line), message)
                    .hint("to have them run, set its status to `in-progress`"),
            );
        }
    }

    fn dependencies(&mut self, node: &Node<'_>, owner: Dependency, group: Option<usize>, line: u32) {
        for one in keys::dependencies(node) {
            let place = self.place(one);
            if let Some(names) = one.text() {
                for name in names.split(',').map(str::trim).filter(|name| !references::is_none(name)) {
                    self.draft.wish(owner, name, place, group);
                }
                continue;
            }
            let message = format!("a dependency is an id, and this is {}", one.kind());
            let place = Place { line: place.line.max(line), ..place };
            self.draft.tell(Diagnostic::error("bad-value", place, message));
        }
    }
}

/// How many leaves directly below a task say that they are still to be done.
fn unfinished(node: &Node<'_>) -> usize {
    let subtasks = node.get("subtasks").map_or(&[][..], Node::list);
    subtasks
        .iter()
        .filter(|node| node.get("subtasks").is_none_or(|list| list.list().is_empty()))
        .filter(|node| !node.text_of("status").and_then(words::status).unwrap_or_default().is_met())
        .count()
}
