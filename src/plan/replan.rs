//! A run's tasks after its plan was changed: what the plan says now, what the run knows, joined.
//!
//! The tasks that come out hold every task the run ever had: events tell of them, and the run's state
//! is the fold of those. One that the plan dropped stays at the end, skipped, and needs nothing.
//!
//! **Invariants:** a task that succeeded stays as it is. Ids never change meaning (`pairing`). The same
//! plan once more is no difference, whatever was ticked in it meanwhile.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::pairing::Pairing;
use super::pairing::unticked;
use super::resolve::COMMAND;
use super::types::Plan;
use crate::model::difference::ChangedField;
use crate::model::difference::CommandUse;
use crate::model::difference::Consequence;
use crate::model::difference::NewCommand;
use crate::model::difference::PlanDifference;
use crate::model::difference::TaskDifference;
use crate::model::ids::TaskId;
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::model::task::EdgeRule;
use crate::model::task::Entry;
use crate::model::task::HeldReason;
use crate::model::task::TaskSpec;
use crate::model::view::RunView;
use crate::model::view::TaskView;

/// Why a task that the plan dropped is skipped.
pub const GONE: &str = "no longer in the plan";

/// What a changed plan makes of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Replan {
    /// The tasks of the run from here on.
    pub tasks: Vec<TaskSpec>,
    /// What is different, for people.
    pub difference: PlanDifference,
    /// The tasks that are begun anew.
    pub again: Vec<TaskId>,
}

/// Joins the run as it was, at `view`, with the changed `plan`, whose tasks as resolved are `tasks`.
pub fn replan(
    spec: &RunSpec,
    view: &RunView,
    plan: &Plan,
    mut tasks: Vec<TaskSpec>,
    pairing: &Pairing,
) -> Replan {
    let names = pairing.names();
    for task in &mut tasks {
        in_terms_of_the_run(task, &names);
    }
    let mut difference = PlanDifference::none(spec.run_id.clone(), spec.plan.clone());
    difference.preamble = unticked(&spec.preamble) != unticked(&plan.preamble);
    let mut again = Vec::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for (index, task) in tasks.iter_mut().enumerate() {
        let before = pairing.known.get(index).copied().flatten().and_then(|place| {
            seen.insert(place);
            Some((spec.tasks.get(place)?, view.tasks.get(place)?))
        });
        let plan_id = pairing.plan_ids.get(index).filter(|id| **id != task.id).cloned();
        join(task, before, plan_id, spec.settings.no_verify, &mut difference, &mut again);
    }
    for (place, task) in spec.tasks.iter().enumerate().filter(|(place, _)| !seen.contains(place)) {
        let Some(known) = view.tasks.get(place) else { continue };
        if !is_gone(task) {
            let then = match known.status {
                TaskStatus::Succeeded => Consequence::StaysSucceeded,
                TaskStatus::Pending
                | TaskStatus::Running
                | TaskStatus::Verifying
                | TaskStatus::Landing
                | TaskStatus::Retrying
                | TaskStatus::Failed
                | TaskStatus::Cancelled
                | TaskStatus::Blocked
                | TaskStatus::Held
                | TaskStatus::Skipped => Consequence::IsSkipped,
            };
            difference.removed.push(TaskDifference {
                id: task.id.clone(),
                plan_id: None,
                title: task.title.clone(),
                line: None,
                status: Some(known.status),
                fields: Vec::new(),
                then,
            });
        }
        tasks.push(dropped(task, known));
    }
    Replan { tasks, difference, again }
}

/// Whether the plan dropped the task before.
fn is_gone(task: &TaskSpec) -> bool {
    matches!(&task.entry, Entry::Skip { why } if why == GONE)
}

/// A task that the plan does not have any more.
fn dropped(task: &TaskSpec, known: &TaskView) -> TaskSpec {
    let succeeded = known.status == TaskStatus::Succeeded;
    TaskSpec {
        entry: if succeeded { task.entry.clone() } else { Entry::Skip { why: GONE.to_owned() } },
        needs: Vec::new(),
        conflicts: Vec::new(),
        // Its line is another one's now.
        tick: None,
        ..task.clone()
    }
}

/// Calls the task, and all that it names, what the run calls it.
fn in_terms_of_the_run(task: &mut TaskSpec, names: &BTreeMap<&TaskId, &TaskId>) {
    let rename = |id: &mut TaskId| {
        if let Some(known) = names.get(id) {
            id.clone_from(known);
        }
    };
    rename(&mut task.id);
    task.needs.iter_mut().for_each(|need| rename(&mut need.task));
    task.conflicts.iter_mut().for_each(rename);
    if let Entry::Hold { reasons } = &mut task.entry {
        for reason in reasons {
            if let HeldReason::Needs(id) = reason {
                rename(id);
            }
        }
    }
}

/// Takes in one task of the plan, and says what is different about it.
fn join(
    task: &mut TaskSpec,
    before: Option<(&TaskSpec, &TaskView)>,
    plan_id: Option<TaskId>,
    no_verify: bool,
    difference: &mut PlanDifference,
    again: &mut Vec<TaskId>,
) {
    let skipped = matches!(task.entry, Entry::Skip { .. });
    let fields = before.map(|(known, _)| fields(known, task)).unwrap_or_default();
    let status = before.map(|(_, view)| view.status);
    let was_skipped = before.is_some_and(|(known, _)| matches!(known.entry, Entry::Skip { .. }));
    let was_gone = before.is_some_and(|(known, _)| is_gone(known));
    let opened = status == Some(TaskStatus::Skipped) && was_skipped && !skipped;
    let tried = before.is_some_and(|(_, view)| !view.attempts.is_empty());
    let begins_anew = !skipped
        && match status {
            Some(TaskStatus::Skipped) => opened,
            Some(TaskStatus::Failed) => !fields.is_empty(),
            Some(TaskStatus::Pending | TaskStatus::Retrying) => tried && !fields.is_empty(),
            Some(
                TaskStatus::Running
                | TaskStatus::Verifying
                | TaskStatus::Landing
                | TaskStatus::Succeeded
                | TaskStatus::Cancelled
                | TaskStatus::Blocked
                | TaskStatus::Held,
            )
            | None => false,
        };
    if begins_anew {
        again.push(task.id.clone());
    }
    let then = match (status, &task.entry) {
        (Some(TaskStatus::Succeeded), _) => Consequence::StaysSucceeded,
        (_, Entry::Skip { .. }) => Consequence::IsSkipped,
        (Some(TaskStatus::Cancelled), _) => Consequence::StaysStopped,
        (_, Entry::Hold { .. }) => Consequence::IsHeld,
        (_, Entry::Run) if begins_anew && tried => Consequence::RunsAgain,
        (_, Entry::Run) => Consequence::Runs,
    };
    if then != Consequence::StaysSucceeded && !skipped {
        let known = before.filter(|_| !was_skipped).map(|(known, _)| commands(known, no_verify));
        let known = known.unwrap_or_default();
        difference.commands.extend(commands(task, no_verify).into_iter().filter(|c| !known.contains(c)).map(
            |(purpose, text)| NewCommand {
                id: task.id.clone(),
                purpose,
                text: text.to_owned(),
                line: task.line,
            },
        ));
    }
    let renamed = plan_id.is_some();
    let has_fields = !fields.is_empty();
    let entry = TaskDifference {
        id: task.id.clone(),
        plan_id,
        title: task.title.clone(),
        line: Some(task.line),
        status,
        fields,
        then,
    };
    match status {
        None => difference.added.push(entry),
        Some(_) if was_gone => difference.added.push(entry),
        Some(_) if opened => difference.opened.push(entry),
        // What was not to be run before and is not now is nobody's business.
        Some(TaskStatus::Skipped) if skipped => {}
        Some(TaskStatus::Succeeded) if has_fields && !skipped => difference.changed.push(entry),
        Some(TaskStatus::Succeeded) if !renamed => {}
        Some(TaskStatus::Succeeded) => difference.renamed.push(entry),
        Some(_) if skipped && !was_skipped => difference.done.push(entry),
        Some(_) if has_fields => difference.changed.push(entry),
        Some(_) if renamed => difference.renamed.push(entry),
        Some(_) => {}
    }
    if let (Some(TaskStatus::Succeeded), Some((known, _))) = (status, before) {
        // Its box was ticked, by us or by hand: it did not enter the run as done.
        task.entry.clone_from(&known.entry);
        task.plan_status = known.plan_status;
    }
}

/// What is run for a task.
fn commands(task: &TaskSpec, no_verify: bool) -> Vec<(CommandUse, &str)> {
    let own = task.command.as_deref().filter(|_| task.agent.as_deref() == Some(COMMAND));
    let checks = task.verify.iter().filter(|_| !no_verify);
    own.map(|text| (CommandUse::Command, text))
        .into_iter()
        .chain(checks.map(|text| (CommandUse::Verify, text.as_str())))
        .collect()
}

/// What is different about a task. Where it stands, what was ticked, and what only follows from other
/// tasks is no difference.
fn fields(before: &TaskSpec, after: &TaskSpec) -> Vec<ChangedField> {
    let explicit = |task: &TaskSpec| -> BTreeSet<TaskId> {
        let explicit = task.needs.iter().filter(|need| need.rule == EdgeRule::Explicit);
        explicit.map(|need| need.task.clone()).collect()
    };
    let held = |task: &TaskSpec| -> BTreeSet<HeldReason> {
        match &task.entry {
            Entry::Hold { reasons } => {
                reasons.iter().filter(|reason| !matches!(reason, HeldReason::Needs(_))).cloned().collect()
            }
            Entry::Run | Entry::Skip { .. } => BTreeSet::new(),
        }
    };
    let command = |task: &TaskSpec| task.command.clone().filter(|_| task.agent.as_deref() == Some(COMMAND));
    let skips = |task: &TaskSpec| matches!(task.entry, Entry::Skip { .. });
    // What is skipped is not asked what it waits for.
    let both_enter = !skips(before) && !skips(after);
    [
        (ChangedField::Title, before.title != after.title),
        (ChangedField::Body, unticked(&before.body) != unticked(&after.body)),
        (ChangedField::Kind, before.kind != after.kind),
        (ChangedField::DependsOn, both_enter && explicit(before) != explicit(after)),
        (ChangedField::Agent, before.agent != after.agent),
        (ChangedField::Model, before.model != after.model),
        (ChangedField::Layer, before.layer != after.layer),
        (ChangedField::Command, command(before) != command(after)),
        (ChangedField::Files, before.files != after.files || before.outputs != after.outputs),
        (ChangedField::Verify, before.verify != after.verify),
        (ChangedField::Acceptance, before.acceptance != after.acceptance),
        (ChangedField::Limits, (before.timeout, before.retries) != (after.timeout, after.retries)),
        (ChangedField::Priority, before.priority != after.priority),
        (ChangedField::Optional, before.optional != after.optional),
        (ChangedField::Held, both_enter && held(before) != held(after)),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}
