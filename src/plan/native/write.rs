//! From a plan to native text. What could be read otherwise than it was meant is tried out: a task is
//! written, read, and written in another form if it came back different.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::compare;
use super::keys;
use super::keys::NativeKey;
use super::keys::span;
use super::lists::defaults;
use super::lists::files;
use super::lists::push;
use super::lists::sentences;
use super::lists::yes;
use super::read;
use super::text;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;
use crate::plan::assemble::ancestors;
use crate::plan::facts::Facts;
use crate::plan::groups;
use crate::plan::reader;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Plan;
use crate::plan::types::PlanTask;
use crate::plan::types::ReadOptions;
use crate::plan::words;

/// Bodies that are longer stand under a heading, in lines.
const LONG_BODY: usize = 24;

/// The front matter of a plan that is read exactly and says nothing else.
const MATTER: &str = "---\norchestrate:\n  format: native\n---\n\n";

/// What could close a fence or a comment that a text before it leaves open.
const CLOSERS: &str = "\n## [ ] \u{2021}: z\n\n``````````````````````x\n``````````````````````\n\n~~~~~~~~~~~~~~~~~~~~~~x\n~~~~~~~~~~~~~~~~~~~~~~\n\n-->\n";

/// How a task is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A list item with a box.
    Item,
    /// A heading of some level with a box.
    Heading(usize),
    /// The same, and its text in a fence.
    Fenced(usize),
    /// The same, and the text in it moved to the right: it is code as a whole.
    Code(usize),
}

/// Writes plans.
pub(crate) struct Writer<'p> {
    plan: &'p Plan,
    /// Every task says what it waits for, in place of whatever order implies.
    explicit: Option<BTreeMap<&'p str, Vec<usize>>>,
    /// How each group is called by those that wait for it, and the id it needs for that.
    group_names: Vec<(String, Option<String>)>,
    /// Whether the groups' tasks follow each other by number, for each group and for the top.
    by_number: Vec<bool>,
    /// Whether each group holds a task because it is over.
    holding: Vec<bool>,
    /// The keys that each task was written with.
    keys: Vec<Vec<String>>,
    out: String,
}

/// Writes a plan; `explicit`: with every edge said. Returns the text, and the keys of each task in it.
pub(crate) fn plan(plan: &Plan, explicit: bool) -> (String, Vec<Vec<String>>) {
    let index: BTreeMap<&str, usize> =
        plan.tasks.iter().enumerate().map(|(index, task)| (task.id.as_str(), index)).collect();
    let explicit = explicit.then(|| {
        let mut edges: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for edge in &plan.edges {
            if let Some(from) = index.get(edge.from.as_str()) {
                edges.entry(edge.to.as_str()).or_default().push(*from);
            }
        }
        edges
    });
    let mut by_number = vec![false; plan.groups.len() + 1];
    for task in plan.tasks.iter().filter(|task| !task.states_dependencies && missing(task).is_empty()) {
        by_number[task.group.unwrap_or(plan.groups.len())] = true;
    }
    let mut writer = Writer {
        plan,
        explicit,
        group_names: group_names(plan),
        by_number,
        holding: holding(plan),
        keys: vec![Vec::new(); plan.tasks.len()],
        out: String::new(),
    };
    writer.matter();
    writer.all();
    (writer.out, writer.keys)
}

/// Whether each group is named by a task in it as what holds it: told by one walk over the tasks.
fn holding(plan: &Plan) -> Vec<bool> {
    let mut holding = vec![false; plan.groups.len()];
    for task in &plan.tasks {
        for reason in &task.held {
            let HeldReason::GroupDeferred(title) = reason else { continue };
            for group in
                ancestors(&plan.groups, task.group).filter(|group| plan.groups[*group].title == *title)
            {
                holding[group] = true;
            }
        }
    }
    holding
}

/// What a task waits for in vain; what a group around it does, its tasks say themselves.
fn missing(task: &PlanTask) -> Vec<String> {
    task.held.iter().filter_map(HeldReason::missing).cloned().collect()
}

/// A name for each group that nothing else bears, and the id that gives it one where number and title do not.
fn group_names(plan: &Plan) -> Vec<(String, Option<String>)> {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for group in &plan.groups {
        if let Some(number) = group.number.as_deref().filter(|number| *number != group.title) {
            *count.entry(number).or_default() += 1;
        }
        *count.entry(&group.title).or_default() += 1;
    }
    let once = |name: &str| count.get(name) == Some(&1) && !name.is_empty();
    let mut names = Vec::with_capacity(plan.groups.len());
    for (index, group) in plan.groups.iter().enumerate() {
        let read = groups::group(&group.title, 0, None, &Facts::default()).number;
        let id = group.number.clone().filter(|number| read.as_ref() != Some(number));
        names.push(match group.number.as_deref().filter(|number| once(number)) {
            Some(number) => (number.to_owned(), id),
            None if once(&group.title) => (group.title.clone(), id),
            None => {
                let mut number = index + 1;
                while count.contains_key(format!("group-{number}").as_str()) {
                    number += plan.groups.len();
                }
                (format!("group-{number}"), Some(format!("group-{number}")))
            }
        });
    }
    names
}

/// A text as YAML and JSON write it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

impl Writer<'_> {
    fn matter(&mut self) {
        let plan = self.plan;
        let mut matter = String::from("---\n");
        if let Some(status) = &plan.status {
            // A plan that is over has to say so in a word that says it here.
            let status = if plan.over && !words::plan_is_over(status) { "done" } else { status };
            _ = writeln!(matter, "status: {}", quoted(status));
        } else if plan.over {
            matter.push_str("status: done\n");
        }
        if !plan.depends_on_plans.is_empty() {
            matter.push_str("dependencies:\n");
            for other in &plan.depends_on_plans {
                _ = writeln!(matter, "  - {}", quoted(other));
            }
        }
        matter.push_str("orchestrate:\n  format: native\n");
        // Where every edge is said, those that the mode makes are among them.
        if plan.mode_sequential && self.explicit.is_none() {
            matter.push_str("  mode: sequential\n");
        }
        let defaults = &plan.defaults;
        for (name, value) in [("agent", &defaults.agent), ("model", &defaults.model)] {
            if let Some(value) = value {
                _ = writeln!(matter, "  {name}: {}", quoted(value));
            }
        }
        if let Some(layer) = defaults.layer {
            _ = writeln!(matter, "  layer: {layer}");
        }
        if let Some(timeout) = defaults.timeout {
            _ = writeln!(matter, "  timeout: {timeout}");
        }
        if let Some(retries) = defaults.retries {
            _ = writeln!(matter, "  retries: {retries}");
        }
        if let Some(priority) = defaults.priority {
            _ = writeln!(matter, "  priority: {priority}");
        }
        if !defaults.verify.is_empty() {
            matter.push_str("  verify:\n");
            for command in &defaults.verify {
                _ = writeln!(matter, "    - {}", quoted(&command.text));
            }
        }
        matter.push_str("---\n");
        self.out = matter;
    }

    fn paragraph(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.push('\n');
            self.out.push_str(text);
            self.out.push('\n');
        }
    }

    fn all(&mut self) {
        let plan = self.plan;
        let mut title = String::new();
        if !plan.title.is_empty() {
            title = format!("# {}", plan.title);
            self.paragraph(&title);
        }
        let preamble = text::plain(&plan.preamble);
        let safe = |text: &str| {
            let whole = format!("{MATTER}{title}\n\n{text}\n\n## G\n\n- [ ] T1: t\n{CLOSERS}");
            let read = reader::read(whole.as_bytes(), &ReadOptions::default());
            read.tasks.len() == 2
                && read.groups.len() == 1
                && read.title == plan.title
                && is_closed(&read)
                && text::plain(&read.preamble) == preamble
        };
        // Without a heading between, a fence that never closes would take the tasks.
        let safe_in_list = |text: &str| {
            let whole = format!("{MATTER}{title}\n\n{text}\n\n- [ ] T1: t\n{CLOSERS}");
            let read = reader::read(whole.as_bytes(), &ReadOptions::default());
            read.tasks.len() == 2 && text::plain(&read.preamble) == preamble
        };
        let has_headings =
            !preamble.is_empty() && !crate::plan::outline::Outline::read(&preamble).headings.is_empty();
        let raw = preamble.is_empty() || (safe(&preamble) && (has_headings || safe_in_list(&preamble)));
        let written = if raw { preamble.clone() } else { text::fenced(&preamble) };
        self.paragraph(&written);
        let top = plan.groups.len();
        let mut children: Vec<Vec<(u32, bool, usize)>> = vec![Vec::new(); top + 1];
        for (index, task) in plan.tasks.iter().enumerate() {
            children[task.group.unwrap_or(top)].push((task.line, true, index));
        }
        for (index, group) in plan.groups.iter().enumerate() {
            children[group.parent.unwrap_or(top)].push((group.line, false, index));
        }
        for list in &mut children {
            list.sort_unstable();
        }
        let mut deferred = Vec::new();
        self.children(&children, top, 1, raw && has_headings, &mut deferred);
    }

    /// Writes what stands in a group, below a heading of some level.
    fn children(
        &mut self,
        children: &[Vec<(u32, bool, usize)>],
        at: usize,
        level: usize,
        headings_only: bool,
        deferred: &mut Vec<usize>,
    ) {
        let list = &children[at];
        let tasks = || list.iter().filter(|(_, is_task, _)| *is_task).map(|(_, _, index)| *index);
        let first_group = list.iter().position(|(_, is_task, _)| !is_task).unwrap_or(list.len());
        let last_task = list.iter().rposition(|(_, is_task, _)| *is_task).unwrap_or(0);
        let ordinary = !headings_only && (first_group == list.len() || last_task < first_group);
        let items = ordinary && tasks().all(|task| self.is_short(task) && self.reads_back(task, Form::Item));
        let mut in_list = false;
        for (_, is_task, index) in list {
            if *is_task {
                let level = level + 1;
                let under = [Form::Heading(level), Form::Fenced(level), Form::Code(level)];
                let form = if items {
                    Form::Item
                } else {
                    under.into_iter().find(|form| self.reads_back(*index, *form)).unwrap_or(under[1])
                };
                let written = self.task(*index, form);
                self.keys[*index] = self.known_keys(*index);
                if !in_list || !items {
                    self.out.push('\n');
                }
                self.out.push_str(&written);
                in_list = true;
            } else if level < 5 {
                self.group(children, *index, level + 1);
                in_list = false;
            } else {
                deferred.push(*index);
            }
        }
    }

    fn group(&mut self, children: &[Vec<(u32, bool, usize)>], index: usize, level: usize) {
        let group = &self.plan.groups[index];
        let keys = self.group_keys(index);
        let marks = "#".repeat(level);
        let heading = format!("{marks} {}", read::escaped(&group.title));
        self.paragraph(&heading);
        self.paragraph(&keys.join("\n"));
        let context = text::without_keys(&group.context, &keys);
        if !context.is_empty() {
            let whole = |text: &str| {
                format!(
                    "{MATTER}{heading}\n\n{}\n\n{text}\n\n- [ ] T1: t\n\n{marks} [ ] T2: t\n{CLOSERS}",
                    keys.join("\n")
                )
            };
            let read = reader::read(whole(&context).as_bytes(), &ReadOptions::default());
            // Without keys the first list would be taken for them.
            let apart = !keys.is_empty() || !read::begins_with_keys(&context);
            let same = apart
                && is_closed(&read)
                && read.tasks.len() == 3
                && read.groups.len() == 1
                && text::without_keys(&read.groups[0].context, &keys) == context;
            let written = if same { context } else { text::fenced(&context) };
            self.paragraph(&written);
        }
        let mut deferred = Vec::new();
        self.children(children, index, level, false, &mut deferred);
        // Headings have six levels: what is deeper stands beside what it was in.
        while let Some(next) = deferred.pop() {
            let mut deeper = Vec::new();
            self.beside(children, next, level, &mut deeper);
            deferred.append(&mut deeper);
        }
    }

    fn beside(
        &mut self,
        children: &[Vec<(u32, bool, usize)>],
        index: usize,
        level: usize,
        deferred: &mut Vec<usize>,
    ) {
        let marks = "#".repeat(level);
        let keys = self.group_keys(index).join("\n");
        let heading = format!("{marks} {}", read::escaped(&self.plan.groups[index].title));
        self.paragraph(&heading);
        self.paragraph(&keys);
        self.children(children, index, level, false, deferred);
    }

    fn is_short(&self, task: usize) -> bool {
        let keys = self.known_keys(task);
        text::without_keys(&self.plan.tasks[task].body, &keys).lines().count() <= LONG_BODY
    }

    /// Whether a task that is written in some form is read as it was.
    fn reads_back(&self, index: usize, form: Form) -> bool {
        let (written, end) = match form {
            Form::Item => (self.task(index, form), "- [ ] \u{2020}: x\n".to_owned()),
            Form::Heading(level) | Form::Fenced(level) | Form::Code(level) => {
                (self.task(index, form), format!("\n{} [ ] \u{2020}: x\n", "#".repeat(level)))
            }
        };
        let read =
            reader::read(format!("{MATTER}{written}{end}{CLOSERS}").as_bytes(), &ReadOptions::default());
        let task = &self.plan.tasks[index];
        let keys = self.known_keys(index);
        is_closed(&read)
            && read.tasks.len() == 3
            && read.groups.is_empty()
            && read.tasks[0].states_dependencies
                == (self.explicit.is_some() || task.states_dependencies || !missing(task).is_empty())
            && compare::task(task, &read.tasks[0], &keys).is_empty()
            && compare::own_gates(&read, &read.tasks[0]).first() == self.own_gates(task).first()
            && (!self.minds_order(task) || task.ordered == read.tasks[0].ordered)
            && read.tasks[1].body.is_empty()
    }

    /// Whether it makes a difference that a task follows its siblings by number.
    fn minds_order(&self, task: &PlanTask) -> bool {
        self.explicit.is_none() && self.by_number[task.group.unwrap_or(self.plan.groups.len())]
    }

    fn task(&self, index: usize, form: Form) -> String {
        let task = &self.plan.tasks[index];
        let sign = sign(task);
        let (keys, line, by_line) = self.task_keys(index, form);
        let body = text::without_keys(&task.body, &self.known_keys(index));
        match form {
            Form::Item => {
                let marker = if task.ordered && !by_line && self.minds_order(task) { "1." } else { "-" };
                let indent = marker.len() + 1;
                let mut out = format!("{marker} [{sign}] {line}\n");
                for key in &keys {
                    _ = writeln!(out, "{}", text::indented(key, indent));
                }
                if !body.is_empty() {
                    _ = writeln!(out, "\n{}", text::indented(&body, indent));
                }
                out
            }
            Form::Heading(level) | Form::Fenced(level) | Form::Code(level) => {
                let mut out = format!("{} [{sign}] {line}\n", "#".repeat(level));
                if !keys.is_empty() {
                    _ = writeln!(out, "\n{}", keys.join("\n"));
                }
                if !body.is_empty() {
                    let body = match form {
                        Form::Item | Form::Heading(_) => body,
                        Form::Fenced(_) => text::fenced(&body),
                        Form::Code(_) => text::fenced(&text::indented(&body, 4)),
                    };
                    _ = writeln!(out, "\n{body}");
                }
                out
            }
        }
    }

    /// The keys that a task is written with in one form or another: its text holds none of them.
    fn known_keys(&self, index: usize) -> Vec<String> {
        let mut keys = self.task_keys(index, Form::Item).0;
        keys.extend(self.task_keys(index, Form::Heading(2)).0);
        keys
    }

    /// The keys of a task, the text of its own line, and whether that says its id as one.
    fn task_keys(&self, index: usize, form: Form) -> (Vec<String>, String, bool) {
        let task = &self.plan.tasks[index];
        let minds = self.minds_order(task);
        let id = task.id.as_str();
        let item = form == Form::Item;
        let free = item && minds && !task.ordered;
        let tries = [
            format!("{id} {}", task.title),
            format!("{id}: {}", task.title),
            format!("Task {id}: {}", task.title),
        ];
        let by_line = tries.into_iter().filter(|_| !free).find(|line| {
            read::line_id(line).is_some_and(|(read, after)| {
                read == id && line.get(after..).is_some_and(|rest| rest.trim() == task.title)
            })
        });
        let made = read::line_id(&task.title).is_none() && titles::id_of(&task.title) == id;
        let mut list = Vec::new();
        if by_line.is_none() && !made {
            push(&mut list, NativeKey::Id, &if keys::is_plain(id) { id.to_owned() } else { span(id) });
        }
        let missing = missing(task);
        let states = self.explicit.is_some() || task.states_dependencies || !missing.is_empty();
        if states {
            let depends: Vec<Dependency> = match &self.explicit {
                Some(edges) => {
                    edges.get(id).into_iter().flatten().map(|from| Dependency::Task(*from)).collect()
                }
                None => task.depends_on.clone(),
            };
            push(&mut list, NativeKey::DependsOn, &self.depends(&depends, &missing));
        }
        defaults(&mut list, &task.own, |list| {
            if let Some(command) = &task.command {
                push(list, NativeKey::Command, &span(&command.text));
            }
            files(list, task);
            if !task.outputs.is_empty() {
                let outputs: Vec<String> = task.outputs.iter().map(|path| span(path)).collect();
                push(list, NativeKey::Output, &outputs.join(", "));
            }
        });
        let criteria: Vec<String> = task.acceptance.iter().map(|text| titles::clean(text)).collect();
        sentences(&mut list, NativeKey::Acceptance, &criteria);
        let requirements: Vec<&str> =
            task.requirements.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        if !requirements.is_empty() {
            push(&mut list, NativeKey::Requirements, &requirements.join(", "));
        }
        if let Some(parallel) = task.parallel {
            push(&mut list, NativeKey::Parallel, yes(parallel));
        }
        if !item && minds && !task.ordered {
            push(&mut list, NativeKey::Ordered, "no");
        }
        let unknown = task.held.iter().any(|reason| matches!(reason, HeldReason::UnknownMarker(_)));
        match task.status {
            PlanStatus::InProgress if !unknown => push(&mut list, NativeKey::Status, "in progress"),
            PlanStatus::Skipped => push(&mut list, NativeKey::Status, "skipped"),
            PlanStatus::Open | PlanStatus::InProgress | PlanStatus::Done => {}
        }
        let looks_like = words::begins_with(&task.title, "checkpoint");
        match task.kind {
            TaskKind::Gate => push(&mut list, NativeKey::Kind, "gate"),
            TaskKind::Checkpoint if !looks_like => push(&mut list, NativeKey::Kind, "checkpoint"),
            TaskKind::Task if looks_like => push(&mut list, NativeKey::Kind, "task"),
            TaskKind::Checkpoint | TaskKind::Task => {}
        }
        if task.optional {
            push(&mut list, NativeKey::Optional, "yes");
        }
        if let Some(gate) = self.own_gates(task).first() {
            push(&mut list, NativeKey::Gate, gate);
        }
        list.sort_by_key(|(key, _)| *key);
        let is_by_line = by_line.is_some();
        let list = list.into_iter().map(|(_, text)| text).collect();
        (list, by_line.unwrap_or_else(|| task.title.clone()), is_by_line)
    }

    /// The gates that a task names itself, and not a group around it.
    fn own_gates(&self, task: &PlanTask) -> Vec<String> {
        compare::own_gates(self.plan, task)
    }

    fn depends(&self, depends: &[Dependency], missing: &[String]) -> String {
        let name = |text: &str| if keys::is_plain(text) { text.to_owned() } else { span(text) };
        let mut list: Vec<String> = depends
            .iter()
            .map(|dependency| match dependency {
                Dependency::Task(task) => name(self.plan.tasks[*task].id.as_str()),
                Dependency::Group(group) => format!("group {}", name(&self.group_names[*group].0)),
            })
            .collect();
        list.extend(missing.iter().map(|id| name(id)));
        if list.is_empty() { "none".to_owned() } else { list.join(", ") }
    }

    fn group_keys(&self, index: usize) -> Vec<String> {
        let group = &self.plan.groups[index];
        let mut list = Vec::new();
        if let Some(id) = &self.group_names[index].1 {
            push(&mut list, NativeKey::Id, &if keys::is_plain(id) { id.clone() } else { span(id) });
        }
        if self.explicit.is_some() {
            push(&mut list, NativeKey::DependsOn, "none");
        } else if group.states_dependencies {
            push(&mut list, NativeKey::DependsOn, &self.depends(&group.depends_on, &[]));
        }
        defaults(&mut list, &group.defaults, |_| {});
        match (group.parallel, group.limit) {
            (Some(parallel), Some(limit)) => {
                push(&mut list, NativeKey::Parallel, &format!("{} (at most {limit})", yes(parallel)));
            }
            (Some(parallel), None) => push(&mut list, NativeKey::Parallel, yes(parallel)),
            (None, _) => {}
        }
        // A group that is over holds its tasks; where it does not, it is not called so.
        match group.status {
            Some(PlanStatus::Done) if self.holding[index] => push(&mut list, NativeKey::Status, "done"),
            Some(PlanStatus::Skipped) if self.holding[index] => push(&mut list, NativeKey::Status, "skipped"),
            Some(PlanStatus::Open) => push(&mut list, NativeKey::Status, "open"),
            Some(PlanStatus::InProgress) => push(&mut list, NativeKey::Status, "in progress"),
            Some(PlanStatus::Done | PlanStatus::Skipped) | None => {}
        }
        if let Some(gate) = &group.gate {
            push(&mut list, NativeKey::Gate, gate);
        }
        list.sort_by_key(|(key, _)| *key);
        list.into_iter().map(|(_, text)| text).collect()
    }
}

/// Whether every fence is closed: one that is not would be closed by a fence that comes later.
fn is_closed(read: &Plan) -> bool {
    read.diagnostics.iter().all(|diagnostic| diagnostic.code != "unclosed-fence")
}

/// The mark of a task's box.
fn sign(task: &PlanTask) -> char {
    let unknown = task.held.iter().find_map(|reason| match reason {
        HeldReason::UnknownMarker(mark) => mark.chars().next(),
        HeldReason::GroupDeferred(_)
        | HeldReason::PlanDone
        | HeldReason::MissingDependency(_)
        | HeldReason::Gate(_)
        | HeldReason::Optional
        | HeldReason::Needs(_) => None,
    });
    unknown.unwrap_or(match task.status {
        PlanStatus::Open => ' ',
        PlanStatus::InProgress => '/',
        PlanStatus::Done => 'x',
        PlanStatus::Skipped => '-',
    })
}
