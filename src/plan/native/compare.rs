//! What came out different: two plans, or two tasks, compared by what makes them the same plan.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::text;
use crate::model::task::HeldReason;
use crate::plan::assemble::ancestors;
use crate::plan::titles;
use crate::plan::types::Defaults;
use crate::plan::types::Dependency;
use crate::plan::types::Group;
use crate::plan::types::Plan;
use crate::plan::types::PlanTask;

/// The gates that a task names itself, and not a group around it.
pub(crate) fn own_gates(plan: &Plan, task: &PlanTask) -> Vec<String> {
    let mut around: Vec<&str> =
        ancestors(&plan.groups, task.group).filter_map(|group| plan.groups[group].gate.as_deref()).collect();
    let mut own = Vec::new();
    for reason in &task.held {
        if let HeldReason::Gate(gate) = reason {
            match around.iter().position(|known| *known == gate) {
                Some(at) => {
                    around.swap_remove(at);
                }
                None => own.push(gate.clone()),
            }
        }
    }
    own
}

/// What two tasks differ in, order and groups apart; `keys` are those at the start of the second one's body.
pub(crate) fn task(before: &PlanTask, after: &PlanTask, keys: &[String]) -> Vec<&'static str> {
    let mut differ = Vec::new();
    let mut note = |same: bool, what: &'static str| {
        if !same {
            differ.push(what);
        }
    };
    note(before.id == after.id, "id");
    note(before.title == after.title, "title");
    note(before.status == after.status, "status");
    note(before.kind == after.kind, "kind");
    note(before.optional == after.optional, "optional");
    note(before.parallel == after.parallel, "parallel");
    note(marks(before) == marks(after), "mark");
    note(before.files == after.files, "files");
    note(before.outputs == after.outputs, "output");
    // Data have code marks in their criteria, which Markdown is cleaned of.
    let criteria =
        |task: &PlanTask| task.acceptance.iter().map(|text| titles::clean(text)).collect::<Vec<_>>();
    note(criteria(before) == criteria(after), "acceptance");
    let filled = |task: &PlanTask| -> Vec<String> {
        task.requirements.iter().filter(|text| !text.is_empty()).cloned().collect()
    };
    note(filled(before) == filled(after), "requirements");
    let command = |task: &PlanTask| task.command.as_ref().map(|command| command.text.clone());
    note(command(before) == command(after), "command");
    let shell = |task: &PlanTask| task.shell.as_ref().map(|shell| shell.text.clone());
    note(shell(before) == shell(after) || before.command.is_some(), "shell fence");
    for what in defaults(&before.own, &after.own) {
        note(false, what);
    }
    note(text::without_keys(&before.body, keys) == text::without_keys(&after.body, keys), "text");
    differ
}

fn marks(task: &PlanTask) -> Vec<&HeldReason> {
    task.held.iter().filter(|reason| matches!(reason, HeldReason::UnknownMarker(_))).collect()
}

fn defaults(before: &Defaults, after: &Defaults) -> Vec<&'static str> {
    let texts = |defaults: &Defaults| -> Vec<String> {
        defaults.verify.iter().map(|command| command.text.clone()).collect()
    };
    [
        (before.agent == after.agent, "agent"),
        (before.model == after.model, "model"),
        (before.layer == after.layer, "layer"),
        (before.timeout == after.timeout, "timeout"),
        (before.retries == after.retries, "retries"),
        (before.priority == after.priority, "priority"),
        (texts(before) == texts(after), "verify"),
    ]
    .into_iter()
    .filter_map(|(same, what)| (!same).then_some(what))
    .collect()
}

/// The titles of a group and those around it.
fn path(groups: &[Group], group: Option<usize>) -> Vec<&str> {
    ancestors(groups, group).map(|group| groups[group].title.as_str()).collect()
}

/// What waits for what, without the rule that made it.
pub(crate) fn pairs(plan: &Plan) -> BTreeSet<(&str, &str)> {
    let counting = counting(plan);
    plan.edges
        .iter()
        .map(|edge| (edge.from.as_str(), edge.to.as_str()))
        .filter(|(from, to)| counting.contains(from) && counting.contains(to))
        .collect()
}

/// What of them counts in both: who waits, or is waited for, is still to be done and will be.
fn counting(plan: &Plan) -> BTreeSet<&str> {
    let counts = |task: &&PlanTask| !task.status.is_met() && !task.is_put_off();
    plan.tasks.iter().filter(counts).map(|task| task.id.as_str()).collect()
}

/// A difference: of a task, or of the plan as a whole, and what it is.
pub(crate) type Difference = (Option<String>, String);

/// What two plans differ in, the pairs of their edges apart. `keys` are those that each task
/// was written with.
pub(crate) fn plans(before: &Plan, after: &Plan, keys: &[Vec<String>], explicit: bool) -> Vec<Difference> {
    let mut found: Vec<Difference> = Vec::new();
    let mut whole = |same: bool, what: &str| {
        if !same {
            found.push((None, what.to_owned()));
        }
    };
    whole(before.title == after.title, "title");
    whole(before.status == after.status, "status");
    whole(before.over == after.over, "whether it is over");
    whole(explicit || before.mode_sequential == after.mode_sequential, "mode");
    whole(before.depends_on_plans == after.depends_on_plans, "the plans it depends on");
    whole(text::plain(&before.preamble) == text::plain(&after.preamble), "text before the first task");
    for what in defaults(&before.defaults, &after.defaults) {
        whole(false, what);
    }
    let by_id: BTreeMap<&str, &PlanTask> = after.tasks.iter().map(|task| (task.id.as_str(), task)).collect();
    for (task, keys) in before.tasks.iter().zip(keys) {
        let id = Some(task.id.to_string());
        let Some(read) = by_id.get(task.id.as_str()) else {
            found.push((id, "the task itself".to_owned()));
            continue;
        };
        for what in self::task(task, read, keys) {
            found.push((id.clone(), what.to_owned()));
        }
        if path(&before.groups, task.group) != path(&after.groups, read.group) {
            found.push((id.clone(), "groups around it".to_owned()));
        }
        if !explicit && names(before, &task.depends_on) != names(after, &read.depends_on) {
            found.push((id.clone(), "dependencies".to_owned()));
        }
        // What is done is held by nothing, whatever stands around it.
        if !task.status.is_met() && held(task) != held(read) {
            found.push((id, "what it is held by".to_owned()));
        }
    }
    if before.tasks.len() != after.tasks.len() {
        found.push((None, "number of tasks".to_owned()));
    }
    for (before, after) in before.groups.iter().zip(&after.groups) {
        if defaults(&before.defaults, &after.defaults).is_empty() && before.gate == after.gate {
            continue;
        }
        found.push((None, format!("values of group `{}`", before.title)));
    }
    found
}

fn names<'p>(plan: &'p Plan, depends: &[Dependency]) -> BTreeSet<(bool, &'p str)> {
    depends
        .iter()
        .map(|dependency| match dependency {
            Dependency::Task(task) => (true, plan.tasks[*task].id.as_str()),
            Dependency::Group(group) => (false, plan.groups[*group].title.as_str()),
        })
        .collect()
}

fn held(task: &PlanTask) -> BTreeSet<String> {
    task.held.iter().map(|reason| format!("{reason:?}")).collect()
}
