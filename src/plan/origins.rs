//! From where the values of a task came: kept while a plan is read, and put together for `check`.
//!
//! What a reader of a format fills in without saying where it stood is told as coming with the format.

use super::assemble::ancestors;
use super::facts::Facts;
use super::fields::Field;
use super::fields::Key;
use super::found::Found;
use super::found::Source;
use super::lines::number;
use super::outline::Outline;
use super::titles;
use super::types::ByLine;
use super::types::Defaults;
use super::types::Dependency;
use super::types::Group;
use super::types::Plan;
use super::types::PlanTask;
use super::values;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;
use crate::model::task::HeldReason;
use crate::model::task::TaskKind;
use crate::model::task::TaskSpec;

/// The most characters of a value that are kept.
const MOST_VALUE: usize = 120;

/// The most names of a list that are written.
const MOST_NAMES: usize = 8;

/// The field that a key sets; none: it is about the whole plan.
pub(crate) fn name_of(key: Key) -> Option<TaskField> {
    Some(match key {
        Key::DependsOn => TaskField::DependsOn,
        Key::Agent => TaskField::Agent,
        Key::Model => TaskField::Model,
        Key::Layer => TaskField::Layer,
        Key::Command => TaskField::Command,
        Key::Files(_) => TaskField::Files,
        Key::Verify => TaskField::Verify,
        Key::Acceptance => TaskField::Acceptance,
        Key::Status => TaskField::Status,
        Key::Priority => TaskField::Priority,
        Key::Timeout => TaskField::Timeout,
        Key::Retries => TaskField::Retries,
        Key::Parallel => TaskField::Parallel,
        Key::Optional => TaskField::Optional,
        Key::Gate => TaskField::Gate,
        Key::Requirements => TaskField::Requirements,
        Key::Output => TaskField::Outputs,
        Key::Mode => return None,
    })
}

/// The origin that a field is. A cell of a table has no name of its own.
pub(crate) fn of_field(outline: &Outline<'_>, field: &Field, from: FieldFrom) -> Option<FieldOrigin> {
    let mut value = String::new();
    for (part, _) in values::parts(outline, field).into_iter().take(MOST_NAMES) {
        if !value.is_empty() {
            value.push_str(", ");
        }
        value.push_str(&titles::short(&titles::clean(part), MOST_VALUE));
    }
    if value.is_empty() && !field.fences.is_empty() {
        "a fence".clone_into(&mut value);
    }
    Some(FieldOrigin {
        field: name_of(field.key)?,
        value: titles::short(&value, MOST_VALUE),
        from: if field.name.is_empty() { FieldFrom::TableCell } else { from },
        by: None,
        line: Some(number(field.line)),
    })
}

/// What a task's own line says, and then what its fields say.
pub(crate) fn of_found(
    outline: &Outline<'_>,
    found: &Found,
    fact: &Facts,
    has_steps: bool,
) -> (ByLine, Vec<FieldOrigin>) {
    let own = own_line(outline, found);
    let line = Some(number(found.line));
    let at =
        |field: TaskField, from: FieldFrom| FieldOrigin { field, value: String::new(), from, by: None, line };
    let status = match (found.status, found.title.status, found.mark) {
        (Some(_), ..) | (None, Some(_), _) => (own, line),
        (None, None, Some((line, _))) => (FieldFrom::TaskLine, Some(number(line))),
        (None, None, None) if has_steps => (FieldFrom::Steps, line),
        (None, None, None) => (FieldFrom::Default, None),
    };
    let by_line = ByLine {
        id: if found.id.is_some() { own } else { FieldFrom::Title },
        status: fact.status.is_none().then_some(status),
    };
    let mut origins = Vec::new();
    if let Some(depends) = &found.title.depends {
        origins
            .push(FieldOrigin { value: titles::short(depends, MOST_VALUE), ..at(TaskField::DependsOn, own) });
    }
    if found.title.parallel && fact.parallel.is_none() {
        origins.push(at(TaskField::Parallel, own));
    }
    let starred = found.mark.is_some_and(|(_, mark)| mark.star);
    if (found.title.optional || starred) && fact.optional.is_none() {
        origins.push(at(TaskField::Optional, own));
    }
    // A status that is not understood changes nothing.
    origins.extend(
        fact.origins
            .iter()
            .filter(|known| known.field != TaskField::Status || fact.status.is_some())
            .cloned(),
    );
    (by_line, origins)
}

/// Where the line of a task stands.
fn own_line(outline: &Outline<'_>, found: &Found) -> FieldFrom {
    match found.source {
        Source::Heading(_) => FieldFrom::Heading,
        Source::None if outline.blocks.front_matter.as_ref().is_some_and(|m| m.contains(&found.line)) => {
            FieldFrom::FrontMatter
        }
        Source::None if outline.kind(found.line) == super::blocks::LineKind::Table => FieldFrom::TableCell,
        Source::Item(_) | Source::None => FieldFrom::TaskLine,
    }
}

/// All fields of a task of a run that have a value, each with where it came from. `agent` is how its agent
/// was chosen.
pub(crate) fn of_task(
    plan: &Plan,
    task: &PlanTask,
    spec: &TaskSpec,
    agent: &(FieldFrom, Option<String>),
    waits_for: &[String],
) -> Vec<FieldOrigin> {
    let maker = Maker { plan, task };
    let mut all = Vec::with_capacity(12);
    maker.own(&mut all, TaskField::Id, Some(task.id.to_string()));
    maker.own(&mut all, TaskField::Status, Some(task.status.as_str().to_owned()));
    if let Some(group) = task.group.and_then(|group| plan.groups.get(group)) {
        all.push(FieldOrigin {
            field: TaskField::Group,
            value: group.title.clone(),
            from: FieldFrom::Group,
            by: None,
            line: line_of(group),
        });
    }
    if task.kind != TaskKind::Gate {
        maker.agent(&mut all, spec, agent);
    }
    maker.chained(&mut all, TaskField::Model, spec.model.clone(), |known| known.model.is_some());
    let layer = spec.layer.map(|layer| layer.to_string());
    if layer.is_some() && agent.0 == FieldFrom::Role && !maker.any(|known| known.layer.is_some()) {
        all.push(FieldOrigin {
            field: TaskField::Layer,
            value: layer.unwrap_or_default(),
            from: FieldFrom::Role,
            by: agent.1.clone(),
            line: None,
        });
    } else {
        maker.chained(&mut all, TaskField::Layer, layer, |known| known.layer.is_some());
    }
    if task.states_dependencies {
        let missing = task.missing.iter().map(|id| format!("{id} (not in the plan)"));
        let named: Vec<String> = waits_for.iter().cloned().chain(missing).collect();
        let value = if named.is_empty() { "none".to_owned() } else { named.join(", ") };
        maker.own(&mut all, TaskField::DependsOn, Some(value));
    }
    let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    maker.own(&mut all, TaskField::Parallel, task.parallel.map(yes));
    maker.gates(&mut all);
    maker.own(&mut all, TaskField::Optional, task.optional.then(|| yes(true)));
    let priority = spec.priority.map(|priority| format!("P{priority}"));
    maker.chained(&mut all, TaskField::Priority, priority, |known| known.priority.is_some());
    maker.own(&mut all, TaskField::Files, list(task.files.iter().map(|file| file.path.as_str())));
    maker.own(&mut all, TaskField::Outputs, list(task.outputs.iter().map(String::as_str)));
    maker.own(&mut all, TaskField::Command, spec.command.clone());
    let verify = list(spec.verify.iter().map(String::as_str));
    maker.chained(&mut all, TaskField::Verify, verify, |known| !known.verify.is_empty());
    maker.own(&mut all, TaskField::Acceptance, list(task.acceptance.iter().map(String::as_str)));
    maker.own(&mut all, TaskField::Requirements, list(task.requirements.iter().map(String::as_str)));
    if task.kind != TaskKind::Gate {
        let timeout = Some(spec.timeout.to_string());
        maker.chained(&mut all, TaskField::Timeout, timeout, |known| known.timeout.is_some());
        let retries = Some(spec.retries.to_string());
        maker.chained(&mut all, TaskField::Retries, retries, |known| known.retries.is_some());
    }
    all
}

/// The line of a group's heading; none: it is all of its file.
fn line_of(group: &Group) -> Option<u32> {
    (group.line > 0).then_some(group.line)
}

/// A value that stands in data under `key`, on `line`; what it is, is filled in when it is told.
pub(crate) fn of_key(field: TaskField, from: FieldFrom, key: &str, line: u32) -> FieldOrigin {
    FieldOrigin { field, value: String::new(), from, by: Some(key.to_owned()), line: Some(line) }
}

/// A value that nothing says.
pub(crate) fn of_nothing(field: TaskField) -> FieldOrigin {
    FieldOrigin { field, value: String::new(), from: FieldFrom::Default, by: None, line: None }
}

/// Names on one line; none: there are none.
fn list<'t>(names: impl ExactSizeIterator<Item = &'t str>) -> Option<String> {
    let all = names.len();
    let some: Vec<&str> = names.take(MOST_NAMES).collect();
    if some.is_empty() {
        return None;
    }
    let more = if all > MOST_NAMES { format!(" and {} more", all - MOST_NAMES) } else { String::new() };
    Some(titles::short(&format!("{}{more}", some.join(", ")), 2 * MOST_VALUE))
}

struct Maker<'p> {
    plan: &'p Plan,
    task: &'p PlanTask,
}

impl Maker<'_> {
    /// A field that only the task itself has. Values that stand in several places are told for each.
    fn own(&self, all: &mut Vec<FieldOrigin>, field: TaskField, value: Option<String>) {
        let Some(value) = value else { return };
        let known = self.task.origins.iter().filter(|origin| origin.field == field);
        let before = all.len();
        let by_line = self.task.by_line.and_then(|by_line| {
            if field == TaskField::Id {
                Some((by_line.id, Some(self.task.line)))
            } else {
                by_line.status.filter(|_| field == TaskField::Status)
            }
        });
        let many = known.clone().count() + usize::from(by_line.is_some()) > 1;
        all.extend(by_line.map(|(from, line)| FieldOrigin {
            field,
            value: value.clone(),
            from,
            by: None,
            line,
        }));
        all.extend(known.map(|origin| {
            let keep = many && !origin.value.is_empty();
            FieldOrigin { value: if keep { origin.value.clone() } else { value.clone() }, ..origin.clone() }
        }));
        if all.len() == before {
            all.push(self.by_format(field, value));
        }
    }

    fn by_format(&self, field: TaskField, value: String) -> FieldOrigin {
        FieldOrigin { field, value, from: FieldFrom::Format, by: None, line: Some(self.task.line) }
    }

    /// The origin of a field in the nearest place that says it, with the line of that place.
    fn nearest(&self, field: TaskField, says: impl Fn(&Defaults) -> bool) -> Option<FieldOrigin> {
        let of = |origins: &[FieldOrigin]| origins.iter().find(|origin| origin.field == field).cloned();
        let without = |from: FieldFrom, line: Option<u32>| FieldOrigin {
            field,
            value: String::new(),
            from,
            by: None,
            line,
        };
        if says(&self.task.own) {
            return of(&self.task.origins).or_else(|| Some(self.by_format(field, String::new())));
        }
        let group = ancestors(&self.plan.groups, self.task.group)
            .map(|group| &self.plan.groups[group])
            .find(|group| says(&group.defaults));
        if let Some(group) = group {
            return of(&group.origins).or_else(|| Some(without(FieldFrom::Group, line_of(group))));
        }
        says(&self.plan.defaults)
            .then(|| of(&self.plan.origins).unwrap_or_else(|| without(FieldFrom::Header, None)))
    }

    fn any(&self, says: impl Fn(&Defaults) -> bool) -> bool {
        self.nearest(TaskField::Id, says).is_some()
    }

    /// A field that groups, the plan and the run may give.
    fn chained(
        &self,
        all: &mut Vec<FieldOrigin>,
        field: TaskField,
        value: Option<String>,
        says: impl Fn(&Defaults) -> bool,
    ) {
        let Some(value) = value else { return };
        let nothing =
            FieldOrigin { field, value: String::new(), from: FieldFrom::Default, by: None, line: None };
        let origin = self.nearest(field, says).unwrap_or(nothing);
        all.push(FieldOrigin { value, ..origin });
    }

    fn agent(&self, all: &mut Vec<FieldOrigin>, spec: &TaskSpec, chosen: &(FieldFrom, Option<String>)) {
        let value = spec.agent.clone().unwrap_or_else(|| "any free".to_owned());
        let (from, by) = chosen;
        let stated = self.nearest(TaskField::Agent, |known| known.agent.is_some());
        let nothing = || FieldOrigin {
            field: TaskField::Agent,
            value: String::new(),
            from: FieldFrom::Default,
            by: None,
            line: None,
        };
        let origin = match from {
            FieldFrom::Option => FieldOrigin { from: *from, by: by.clone(), ..nothing() },
            FieldFrom::Role => {
                let line = stated.and_then(|stated| stated.line);
                FieldOrigin { from: *from, by: by.clone(), line, ..nothing() }
            }
            FieldFrom::Default => FieldOrigin { by: by.clone(), ..nothing() },
            FieldFrom::TaskLine
            | FieldFrom::Heading
            | FieldFrom::TaskList
            | FieldFrom::TableCell
            | FieldFrom::Data
            | FieldFrom::Steps
            | FieldFrom::Title
            | FieldFrom::Group
            | FieldFrom::FrontMatter
            | FieldFrom::Header
            | FieldFrom::Diagram
            | FieldFrom::Format
            | FieldFrom::Variable
            | FieldFrom::Configuration => stated.unwrap_or_else(nothing),
        };
        all.push(FieldOrigin { value, ..origin });
    }

    /// Gates of the task and of the groups around it.
    fn gates(&self, all: &mut Vec<FieldOrigin>) {
        for reason in &self.task.held {
            let HeldReason::Gate(name) = reason else { continue };
            let same = |origin: &&FieldOrigin| origin.field == TaskField::Gate;
            let own = self.task.origins.iter().find(same).cloned();
            let around = || {
                let mut groups =
                    ancestors(&self.plan.groups, self.task.group).map(|at| &self.plan.groups[at]);
                groups.find(|group| group.gate.as_ref() == Some(name)).map(|group| {
                    group.origins.iter().find(same).cloned().unwrap_or_else(|| FieldOrigin {
                        from: FieldFrom::Group,
                        line: line_of(group),
                        ..self.by_format(TaskField::Gate, String::new())
                    })
                })
            };
            let origin = around().or(own).unwrap_or_else(|| self.by_format(TaskField::Gate, String::new()));
            all.push(FieldOrigin { value: name.clone(), ..origin });
        }
    }
}

/// The lines where a plan states what tasks wait for.
pub(crate) struct StatedLines<'p> {
    plan: &'p Plan,
    /// For each group what it waits for, sorted.
    groups: Vec<Vec<Dependency>>,
}

impl<'p> StatedLines<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let sorted = |list: &[Dependency]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list
        };
        Self { plan, groups: plan.groups.iter().map(|group| sorted(&group.depends_on)).collect() }
    }

    /// The lines of the stated edges that end at a task, asked for one after another.
    pub(crate) fn of(&self, to: usize) -> LinesOf<'_, 'p> {
        let mut own = self.plan.tasks[to].depends_on.clone();
        own.sort_unstable();
        LinesOf { lines: self, to, own }
    }
}

/// The lines of the edges of one task.
pub(crate) struct LinesOf<'l, 'p> {
    lines: &'l StatedLines<'p>,
    to: usize,
    own: Vec<Dependency>,
}

impl LinesOf<'_, '_> {
    /// The line that says that the task waits for `from`.
    pub(crate) fn stated(&self, from: usize) -> Option<u32> {
        let plan = self.lines.plan;
        let first = &plan.tasks[from];
        let task = &plan.tasks[self.to];
        let names = |list: &[Dependency]| {
            list.binary_search(&Dependency::Task(from)).is_ok()
                || ancestors(&plan.groups, first.group)
                    .any(|group| list.binary_search(&Dependency::Group(group)).is_ok())
        };
        let line = |origins: &[FieldOrigin]| {
            let stated = || origins.iter().filter(|origin| origin.field == TaskField::DependsOn);
            let best = stated().find(|origin| origin.value == first.id.as_str()).or_else(|| stated().next());
            best.and_then(|origin| origin.line)
        };
        if names(&self.own) {
            return line(&task.origins).or(Some(task.line));
        }
        ancestors(&plan.groups, task.group)
            .find(|group| names(&self.lines.groups[*group]))
            .and_then(|group| line(&plan.groups[group].origins).or_else(|| line_of(&plan.groups[group])))
    }

    /// The heading that a barrier stands before: of the outermost group of the task that does not hold
    /// `from`.
    pub(crate) fn barrier(&self, from: usize) -> Option<u32> {
        let plan = self.lines.plan;
        let before: Vec<usize> = ancestors(&plan.groups, plan.tasks[from].group).collect();
        ancestors(&plan.groups, plan.tasks[self.to].group)
            .take_while(|group| !before.contains(group))
            .last()
            .and_then(|group| line_of(&plan.groups[group]))
    }
}
