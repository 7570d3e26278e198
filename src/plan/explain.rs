//! A plan and its run as one document: tasks with lines and waves, edges with the rule that made
//! each, commands, and what was left out.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::origins;
use super::origins::StatedLines;
use super::resolve;
use super::resolve::Resolved;
use super::types::Dependency;
use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::model::check::CheckCommand;
use crate::model::check::CheckEdge;
use crate::model::check::CheckGroup;
use crate::model::check::CheckTask;
use crate::model::check::FieldFrom;
use crate::model::check::PlanCheck;
use crate::model::check::PlanCheckVersion;
use crate::model::ids::TaskId;
use crate::model::task::EdgeRule;
use crate::model::task::Entry;
use crate::model::task::HeldReason;
use crate::model::task::TaskSpec;

/// More ids than this are not listed as stated dependencies of one task ...
const MOST_LISTED: usize = 4_096;

/// ... and of all tasks together, where many name a big group.
const MOST_LISTED_TOGETHER: usize = 1_000_000;

/// The most ids that are written as what a task waits for.
const MOST_TOLD: usize = 12;

/// Makes the document that `check` prints. `file` is the plan as shown.
pub fn check(plan: &Plan, resolved: &Resolved, file: &str) -> PlanCheck {
    let (waves, longest_chain) = waves(resolved);
    let members = members(plan);
    let mut budget = MOST_LISTED_TOGETHER;
    let mut commands = Vec::new();
    let mut tasks = Vec::with_capacity(plan.tasks.len());
    let nothing = (FieldFrom::Default, None);
    let held_by = held_by(resolved, &waves);
    let given = plan.tasks.iter().zip(&resolved.tasks).zip(waves).zip(held_by);
    for (index, (((task, spec), wave), held_by)) in given.enumerate() {
        let depends_on = depends_on(plan, &task.depends_on, &members, &mut budget);
        let waits_for: Vec<String> = depends_on.iter().take(MOST_TOLD).map(ToString::to_string).collect();
        let agent = resolved.agents.get(index).unwrap_or(&nothing);
        let runs = !matches!(spec.entry, Entry::Skip { .. });
        let with_lines = resolve::commands_of(plan, task, spec);
        if runs {
            commands.extend(with_lines.into_iter().map(|(role, command)| CheckCommand {
                file: task.file.clone(),
                line: command.line,
                task: task.id.clone(),
                role: role.to_owned(),
                command: command.text,
            }));
        }
        tasks.push(CheckTask {
            id: task.id.clone(),
            title: task.title.clone(),
            status: task.status,
            held: held_by.iter().map(HeldReason::code).collect(),
            held_by,
            group_limit: spec.group_limit.as_ref().map(|limit| limit.at_most),
            file: task.file.clone(),
            line: task.line,
            kind: task.kind,
            agent: spec.agent.clone(),
            model: spec.model.clone(),
            layer: spec.layer,
            depends_on,
            group: spec.group.clone(),
            files: spec.files.clone(),
            verify: spec.verify.clone(),
            command: spec.command.clone(),
            optional: task.optional,
            priority: spec.priority,
            parallel: task.parallel,
            wave,
            in_group: task.group,
            origins: origins::of_task(plan, task, spec, agent, &waits_for),
        });
    }
    let mut edges = edges(plan, resolved);
    edges.extend(file_edges(resolved));
    let mut diagnostics: Vec<&Diagnostic> = plan.diagnostics.iter().chain(&resolved.diagnostics).collect();
    diagnostics.sort_by_key(|diagnostic| (diagnostic.place.line, diagnostic.place.column));
    PlanCheck {
        schema: PlanCheckVersion::default(),
        plan: file.to_owned(),
        title: plan.title.clone(),
        format: plan.format.clone(),
        format_reason: plan.format_reason.clone(),
        plans: plan.parts.clone(),
        tasks,
        groups: plan
            .groups
            .iter()
            .map(|group| CheckGroup {
                title: group.title.clone(),
                file: group.file.clone(),
                line: group.line,
                parent: group.parent,
            })
            .collect(),
        edges,
        advice: plan.advice.clone(),
        commands,
        ignored: plan.ignored.clone(),
        // What an environment holds back is no matter of the plan: whoever knows one fills it in.
        withheld: BTreeMap::new(),
        rights_doubts: Vec::new(),
        longest_chain,
        diagnostics: diagnostics.into_iter().map(|diagnostic| diagnostic.to_document(file)).collect(),
    }
}

/// What waits for what, each with the line that says so.
fn edges(plan: &Plan, resolved: &Resolved) -> Vec<CheckEdge> {
    let places: BTreeMap<&TaskId, usize> =
        plan.tasks.iter().enumerate().map(|(index, task)| (&task.id, index)).collect();
    let lines = StatedLines::new(plan);
    let mut edges = Vec::new();
    for (to, task) in resolved.tasks.iter().enumerate().filter(|(_, task)| !task.needs.is_empty()) {
        let lines = lines.of(to);
        edges.extend(task.needs.iter().map(|need| {
            let line = places.get(&need.task).and_then(|from| match need.rule {
                EdgeRule::Explicit => lines.stated(*from),
                EdgeRule::Barrier => lines.barrier(*from),
                EdgeRule::Order | EdgeRule::File | EdgeRule::Gate => None,
            });
            CheckEdge { from: need.task.clone(), to: task.id.clone(), rule: need.rule, line }
        }));
    }
    edges
}

/// Why each task will not start. One that nothing holds and that has no wave is in a ring, or comes after
/// one.
fn held_by(resolved: &Resolved, waves: &[u32]) -> Vec<Vec<HeldReason>> {
    let never: BTreeSet<&TaskId> = resolved
        .tasks
        .iter()
        .zip(waves)
        .filter(|(task, wave)| **wave == 0 && !matches!(task.entry, Entry::Skip { .. }))
        .map(|(task, _)| &task.id)
        .collect();
    let of = |(task, wave): (&TaskSpec, &u32)| match &task.entry {
        Entry::Hold { reasons } => reasons.clone(),
        Entry::Skip { why } if why == "optional" => vec![HeldReason::Optional],
        Entry::Run if *wave == 0 => {
            let needs = task.needs.iter().find(|need| never.contains(&need.task));
            needs.map(|need| HeldReason::Needs(need.task.clone())).into_iter().collect()
        }
        Entry::Run | Entry::Skip { .. } => Vec::new(),
    };
    resolved.tasks.iter().zip(waves).map(of).collect()
}

/// Pairs that touch the same file, the earlier one first.
fn file_edges(resolved: &Resolved) -> Vec<CheckEdge> {
    let places: BTreeMap<&TaskId, usize> =
        resolved.tasks.iter().enumerate().map(|(index, task)| (&task.id, index)).collect();
    let mut edges = Vec::new();
    for (index, task) in resolved.tasks.iter().enumerate() {
        for other in &task.conflicts {
            if places.get(other).is_some_and(|place| *place > index) {
                let rule = EdgeRule::File;
                edges.push(CheckEdge { from: task.id.clone(), to: other.clone(), rule, line: None });
            }
        }
    }
    edges
}

/// The tasks of each group, those of groups inside it included.
fn members(plan: &Plan) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); plan.groups.len()];
    for (index, task) in plan.tasks.iter().enumerate() {
        for group in super::assemble::ancestors(&plan.groups, task.group) {
            members[group].push(index);
        }
    }
    members
}

fn depends_on(
    plan: &Plan,
    dependencies: &[Dependency],
    members: &[Vec<usize>],
    budget: &mut usize,
) -> Vec<TaskId> {
    let most = MOST_LISTED.min(*budget);
    let mut ids: Vec<usize> = Vec::new();
    for dependency in dependencies {
        match dependency {
            Dependency::Task(task) => ids.push(*task),
            Dependency::Group(group) => ids.extend(members[*group].iter().take(most)),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    ids.truncate(most);
    *budget -= ids.len();
    ids.into_iter().map(|task| plan.tasks[task].id.clone()).collect()
}

/// The wave in which each task could start (0: it will not), and the length of the longest chain of
/// tasks to run. What a gate alone holds is counted as if the gate were open.
fn waves(resolved: &Resolved) -> (Vec<u32>, u32) {
    let places: BTreeMap<&TaskId, usize> =
        resolved.tasks.iter().enumerate().map(|(index, task)| (&task.id, index)).collect();
    let runs = |index: usize| !matches!(resolved.tasks[index].entry, Entry::Skip { .. });
    let mut waiting = vec![0_usize; resolved.tasks.len()];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); resolved.tasks.len()];
    for (index, task) in resolved.tasks.iter().enumerate() {
        for need in &task.needs {
            if let Some(first) = places.get(&need.task).filter(|first| runs(**first) && runs(index)) {
                waiting[index] += 1;
                after[*first].push(index);
            }
        }
    }
    let mut wave = vec![0_u32; resolved.tasks.len()];
    let mut ready: Vec<usize> =
        (0..waiting.len()).filter(|index| waiting[*index] == 0 && runs(*index)).collect();
    for index in &ready {
        wave[*index] = 1;
    }
    // What no gate but something else holds will not start, and neither will what needs it.
    let mut stuck: Vec<bool> = resolved
        .tasks
        .iter()
        .map(|task| match &task.entry {
            Entry::Hold { reasons } => {
                reasons.iter().any(|reason| !matches!(reason, HeldReason::Gate(_) | HeldReason::Needs(_)))
            }
            Entry::Run | Entry::Skip { .. } => false,
        })
        .collect();
    let mut longest = 0;
    while let Some(index) = ready.pop() {
        if !stuck[index] {
            longest = longest.max(wave[index]);
        }
        for next in std::mem::take(&mut after[index]) {
            stuck[next] |= stuck[index];
            wave[next] = wave[next].max(wave[index] + 1);
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(next);
            }
        }
    }
    for (wave, _) in wave.iter_mut().zip(&stuck).filter(|(_, stuck)| **stuck) {
        *wave = 0;
    }
    (wave, longest)
}
