//! How much one agent gets of a plan that is data: as the format says, a group with all below it, or all.
//!
//! Boxes play no part: JSON and YAML have none, and those of a file that is one task explain it.

use std::collections::BTreeSet;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::plan::assemble::ancestors;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Granularity;
use crate::plan::types::Group;
use crate::plan::types::Plan;
use crate::plan::types::PlanTask;
use crate::plan::types::ReadOptions;

use super::draft;

/// The most bytes of a task that is made of others.
const MOST_BODY: usize = 1 << 20;

/// Makes of a plan tasks of the size that is asked for, and says where that cannot be had.
pub(crate) fn fit(plan: &mut Plan, options: &ReadOptions) {
    if plan.has_errors() || plan.tasks.is_empty() {
        return;
    }
    if options.as_one {
        let all: Vec<usize> = (0..plan.tasks.len()).collect();
        let title = if plan.title.is_empty() { "The whole plan" } else { &plan.title };
        let whole = Group { title: title.to_owned(), line: 1, states_dependencies: true, ..Group::default() };
        let mut task = merged(plan, &whole, &all);
        task.depends_on.clear();
        plan.tasks = vec![task];
        plan.groups.clear();
        plan.format_reason.push_str("; the whole plan as one task (--as-one)");
        return;
    }
    if options.granularity == Some(Granularity::Group) {
        groups(plan);
        return;
    }
    let asks_for_boxes = options.boxes_all || options.granularity == Some(Granularity::Leaf);
    let why = match (plan.ignored.is_empty(), options.boxes_all) {
        (false, _) if asks_for_boxes => "the boxes of a file that is one task explain that task",
        (true, true) => "this plan has no boxes",
        (true | false, _) => return,
    };
    let option = if options.boxes_all { "--boxes all" } else { "--granularity leaf" };
    let message = format!("`{option}` changes nothing: {why}");
    plan.diagnostics.push(Diagnostic::warning("option-without-effect", Place::WHOLE, message));
}

/// Makes one task of each outermost group.
fn groups(plan: &mut Plan) {
    let outermost = |task: &PlanTask| ancestors(&plan.groups, task.group).last();
    let owner: Vec<Option<usize>> = plan.tasks.iter().map(outermost).collect();
    if owner.iter().all(Option::is_none) {
        let message = "`--granularity group` changes nothing: this plan has no groups";
        plan.diagnostics.push(Diagnostic::warning("option-without-effect", Place::WHOLE, message));
        return;
    }
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); plan.groups.len()];
    for (task, owner) in owner.iter().enumerate() {
        if let Some(owner) = owner {
            members[*owner].push(task);
        }
    }
    // Where each task, and each group, has gone.
    let mut place_of_task = vec![0; plan.tasks.len()];
    let mut place_of_group: Vec<Option<usize>> = vec![None; plan.groups.len()];
    let mut tasks: Vec<PlanTask> = Vec::new();
    for (index, owner) in owner.iter().enumerate() {
        let place = match owner {
            None => {
                tasks.push(plan.tasks[index].clone());
                tasks.len() - 1
            }
            Some(group) => *place_of_group[*group].get_or_insert_with(|| {
                tasks.push(merged(plan, &plan.groups[*group], &members[*group]));
                tasks.len() - 1
            }),
        };
        place_of_task[index] = place;
    }
    let outermost_of: Vec<Option<usize>> = (0..plan.groups.len())
        .map(|group| ancestors(&plan.groups, Some(group)).last().and_then(|outer| place_of_group[outer]))
        .collect();
    for (place, task) in tasks.iter_mut().enumerate() {
        let moved = task.depends_on.iter().filter_map(|dependency| match dependency {
            Dependency::Task(first) => Some(place_of_task[*first]),
            Dependency::Group(group) => outermost_of[*group],
        });
        let moved: BTreeSet<usize> = moved.filter(|first| *first != place).collect();
        task.depends_on = moved.into_iter().map(Dependency::Task).collect();
    }
    plan.tasks = tasks;
    plan.groups.clear();
    plan.format_reason.push_str("; every group is one task (--granularity group)");
}

/// A group with the tasks `members` as one task. What it waits for is still told by the old numbers.
fn merged(plan: &Plan, group: &Group, members: &[usize]) -> PlanTask {
    let number = group.number.as_deref().filter(|number| !number.is_empty());
    let id = number.map_or_else(|| titles::id_of(&group.title), str::to_owned);
    let mut task = draft::task(&id, &group.title, group.line.max(1));
    let own: Vec<&PlanTask> = members.iter().map(|member| &plan.tasks[*member]).collect();
    task.file.clone_from(&group.file);
    task.status = status(group, &own);
    task.body = body(group, &own);
    task.own = group.defaults.clone();
    task.ordered = own.iter().any(|member| member.ordered);
    task.states_dependencies =
        group.states_dependencies || own.iter().any(|member| member.states_dependencies);
    let inside: BTreeSet<usize> =
        own.iter().flat_map(|member| ancestors(&plan.groups, member.group)).collect();
    task.depends_on.extend(inside.iter().flat_map(|group| plan.groups[*group].depends_on.iter().copied()));
    for member in own.iter().filter(|member| !member.status.is_met()) {
        task.depends_on.extend(member.depends_on.iter().copied());
        for reason in &member.held {
            // What its group says of it stands in the status.
            if !matches!(reason, HeldReason::GroupDeferred(_)) && !task.held.contains(reason) {
                task.held.push(reason.clone());
            }
        }
        for missing in &member.missing {
            if !task.missing.contains(missing) {
                task.missing.push(missing.clone());
            }
        }
        task.files.extend(member.files.iter().cloned());
        task.outputs.extend(member.outputs.iter().cloned());
        task.acceptance.extend(member.acceptance.iter().cloned());
        task.requirements.extend(member.requirements.iter().cloned());
    }
    task.origins.clone_from(&group.origins);
    for field in [TaskField::Id, TaskField::Status] {
        task.origins.push(FieldOrigin {
            field,
            value: String::new(),
            from: FieldFrom::Group,
            by: None,
            line: Some(group.line).filter(|line| *line > 0),
        });
    }
    task
}

/// What a group says of itself if it is over, else what its tasks come to.
fn status(group: &Group, members: &[&PlanTask]) -> PlanStatus {
    if let Some(status) = group.status.filter(|status| status.is_met()) {
        return status;
    }
    let met = members.iter().filter(|member| member.status.is_met()).count();
    let begun = members.iter().any(|member| member.status != PlanStatus::Open);
    if met == members.len() {
        PlanStatus::Done
    } else if begun {
        PlanStatus::InProgress
    } else {
        PlanStatus::Open
    }
}

/// What the group says, and each of its tasks below a heading of its own.
fn body(group: &Group, members: &[&PlanTask]) -> String {
    let mut text = group.context.trim().to_owned();
    for member in members {
        if text.len() > MOST_BODY {
            text.push_str("\n\n(There are more: see the plan.)");
            break;
        }
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str("### ");
        text.push_str(member.id.as_str());
        if member.title != member.id.as_str() {
            text.push(' ');
            text.push_str(&member.title);
        }
        match member.status {
            PlanStatus::Done => text.push_str(" (done)"),
            PlanStatus::Skipped => text.push_str(" (not to be done)"),
            PlanStatus::Open | PlanStatus::InProgress => {
                let own = member.body.trim();
                if !own.is_empty() {
                    text.push_str("\n\n");
                    text.push_str(own);
                }
            }
        }
    }
    text
}
