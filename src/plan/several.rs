//! Several plans as one: `--plan A --plan B`.
//!
//! Each plan becomes a group with its defaults, its context and its own order inside; between plans
//! nothing is implied. A plan that names another one of them as its dependency waits for it. Ids that
//! more than one plan has get the name of their plan in front; an id that a plan names and does not have
//! means the task of the only other plan that has it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::assemble::ancestors;
use super::names;
use super::order;
use super::reader;
use super::titles;
use super::types::Dependency;
use super::types::Group;
use super::types::Plan;
use super::types::PlanTask;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::CheckPlan;
use crate::model::ids::TaskId;
use crate::model::task::HeldReason;

/// Joins plans, each with its path as shown. One plan stays as it is.
pub fn join(mut plans: Vec<(String, Plan)>) -> Plan {
    if plans.len() < 2 {
        return plans.pop().map(|(_, plan)| plan).unwrap_or_default();
    }
    let shown: Vec<String> = plans.iter().map(|(shown, _)| shown.clone()).collect();
    let names = short_names(&shown);
    let common = common_ids(&plans);
    let mut joined = Plan {
        title: joined_text(plans.iter().map(|(_, plan)| plan.title.as_str())),
        format: common_format(&plans),
        format_reason: plans
            .iter()
            .map(|(shown, plan)| format!("{shown}: {} ({})", plan.format, plan.format_reason))
            .collect::<Vec<_>>()
            .join("; "),
        parts: plans
            .iter()
            .map(|(shown, plan)| CheckPlan {
                file: shown.clone(),
                format: plan.format.clone(),
                format_reason: plan.format_reason.clone(),
            })
            .collect(),
        ..Plan::default()
    };
    let mut used: BTreeSet<String> = BTreeSet::new();
    let mut wrappers: Vec<usize> = Vec::new();
    let mut waited_for: Vec<Vec<String>> = Vec::new();
    for (number, (shown, plan)) in plans.iter_mut().enumerate() {
        wrappers.push(joined.groups.len());
        waited_for.push(std::mem::take(&mut plan.depends_on_plans));
        add(&mut joined, shown, &names[number], std::mem::take(plan), &common, &mut used);
    }
    for (number, wanted) in waited_for.iter().enumerate() {
        let group_of = |name: &String| {
            let other = shown.iter().position(|other| is_named(name, &shown[number], other))?;
            (other != number).then(|| Dependency::Group(wrappers[other]))
        };
        joined.groups[wrappers[number]].depends_on = wanted.iter().filter_map(group_of).collect();
    }
    joined.depends_on_plans = waited_for.concat();
    across(&mut joined);
    let ring = reader::edges(&mut joined);
    if let Some(diagnostic) = order::ring_diagnostic(&joined, &ring)
        && !joined.diagnostics.iter().any(|known| known.code == diagnostic.code)
    {
        let file = joined.tasks[ring[0]].file.clone().unwrap_or_default();
        joined.diagnostics.push(diagnostic.in_file(file));
    }
    joined
}

/// Adds a plan as a group of its own.
fn add(
    joined: &mut Plan,
    shown: &str,
    name: &str,
    plan: Plan,
    common: &BTreeSet<String>,
    used: &mut BTreeSet<String>,
) {
    let (first_task, first_group) = (joined.tasks.len(), joined.groups.len() + 1);
    let wrapper = first_group - 1;
    let title = if plan.title.is_empty() { name.to_owned() } else { plan.title.clone() };
    joined.groups.push(Group {
        title,
        context: plan.preamble,
        file: Some(shown.to_owned()),
        line: 0,
        parallel: plan.mode_sequential.then_some(false),
        states_dependencies: true,
        defaults: plan.defaults,
        origins: plan.origins,
        ..Group::default()
    });
    let moved = |dependency: Dependency| match dependency {
        Dependency::Task(task) => Dependency::Task(task + first_task),
        Dependency::Group(group) => Dependency::Group(group + first_group),
    };
    joined.groups.extend(plan.groups.into_iter().map(|group| Group {
        parent: Some(group.parent.map_or(wrapper, |parent| parent + first_group)),
        depends_on: group.depends_on.into_iter().map(moved).collect(),
        file: group.file.or_else(|| Some(shown.to_owned())),
        ..group
    }));
    joined
        .implied
        .extend(plan.implied.into_iter().map(|(first, task)| (first + first_task, task + first_task)));
    for mut task in plan.tasks {
        let id = free_id(&task.id, name, common.contains(&names::folded(task.id.as_str())), used);
        if plan.over && !task.status.is_met() {
            task.held.push(HeldReason::PlanDone);
        }
        let file = task.file.get_or_insert_with(|| shown.to_owned()).clone();
        if let Some(place) = &mut task.tick {
            place.file.get_or_insert(file);
        }
        joined.tasks.push(PlanTask {
            id,
            group: Some(task.group.map_or(wrapper, |group| group + first_group)),
            depends_on: task.depends_on.into_iter().map(moved).collect(),
            ..task
        });
    }
    joined.ignored.extend(plan.ignored.into_iter().map(|mut ignored| {
        ignored.file.get_or_insert_with(|| shown.to_owned());
        ignored
    }));
    joined.advice.extend(plan.advice.into_iter().map(|mut advice| {
        advice.file.get_or_insert_with(|| shown.to_owned());
        advice
    }));
    joined.diagnostics.extend(plan.diagnostics.into_iter().map(|diagnostic| match diagnostic.file {
        Some(_) => diagnostic,
        None => diagnostic.in_file(shown),
    }));
}

/// Whether the plan `other` is meant by `name` in the plan `from`; both as shown.
pub fn is_named(name: &str, from: &str, other: &str) -> bool {
    let slashed = |path: &str| path.replace('\\', "/").to_lowercase();
    let (name, from, other) = (slashed(name), slashed(from), straight(&slashed(other)));
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = if folder.is_empty() { straight(&name) } else { straight(&format!("{folder}/{name}")) };
    let name = straight(&name);
    let bare = other.rsplit('/').next().unwrap_or(&other);
    other == name
        || other == beside
        || (!name.contains('/') && (bare == name || stem(bare) == stem(&name)))
        || stem(bare).strip_suffix("-plan").is_some_and(|id| id == name || is_of_phase(&name, id))
}

/// Whether a plan `02-01` is meant by a name that says its phase in words, too: `02-rooms-01`.
fn is_of_phase(name: &str, id: &str) -> bool {
    let outer = name.split_once('-').zip(name.rsplit_once('-'));
    outer.is_some_and(|((phase, _), (_, plan))| id.split_once('-') == Some((phase, plan)))
}

/// A path without `.` and, as far as it holds what they lead out of, `..`.
fn straight(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match (part, parts.last()) {
            (".", _) => {}
            ("..", Some(last)) if !last.is_empty() && *last != ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// A file's name without its endings: `a.plan.md` is `a`.
fn stem(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let bare = [".md", ".markdown", ".json", ".yaml", ".yml", ".txt"]
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    let bare = bare.strip_suffix(".plan").unwrap_or(bare);
    if bare.is_empty() { name } else { bare }
}

/// A short name for each plan that no other has: its file's, its folder's where the files are called the
/// same (`tasks.md` of two specifications), with a number where that does not help either.
fn short_names(shown: &[String]) -> Vec<String> {
    let by_file = |path: &String| titles::id_of(stem(path));
    let by_folder = |path: &String| {
        let folder = path.replace('\\', "/");
        let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
        titles::id_of(folder.rsplit('/').next().unwrap_or(""))
    };
    let differ = |names: &[String]| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let files: Vec<String> = shown.iter().map(by_file).collect();
    if differ(&files) {
        return files;
    }
    let folders: Vec<String> = shown.iter().map(by_folder).collect();
    if differ(&folders) && folders.iter().all(|name| !name.is_empty()) {
        return folders;
    }
    files.iter().enumerate().map(|(number, name)| format!("{name}-{}", number + 1)).collect()
}

/// Ids that more than one plan has, as ids are compared.
fn common_ids(plans: &[(String, Plan)]) -> BTreeSet<String> {
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    let mut common = BTreeSet::new();
    for (number, (_, plan)) in plans.iter().enumerate() {
        for task in &plan.tasks {
            let id = names::folded(task.id.as_str());
            if owners.get(&id).is_some_and(|owner| *owner != number) {
                common.insert(id);
            } else {
                owners.insert(id, number);
            }
        }
    }
    common
}

fn free_id(id: &TaskId, plan: &str, is_common: bool, used: &mut BTreeSet<String>) -> TaskId {
    let base = if is_common { format!("{plan}/{id}") } else { id.as_str().to_owned() };
    let mut free = base.clone();
    let mut count = 1_usize;
    while !used.insert(free.clone()) {
        count += 1;
        free = format!("{base}-{count}");
    }
    TaskId::new(free)
}

/// What a plan names and does not have may be in the only other plan that has it.
fn across(joined: &mut Plan) {
    let mut owners: BTreeMap<String, Option<usize>> = BTreeMap::new();
    for (index, task) in joined.tasks.iter().enumerate() {
        owners
            .entry(names::folded(task.id.as_str()))
            .and_modify(|owner| *owner = None)
            .or_insert(Some(index));
    }
    for task in &mut joined.tasks {
        let mut found = Vec::new();
        task.missing.retain(|name| match owners.get(&names::folded(name)) {
            Some(Some(other)) => {
                found.push((name.clone(), *other));
                false
            }
            Some(None) | None => true,
        });
        for (name, other) in found {
            task.depends_on.push(Dependency::Task(other));
            task.held.retain(|reason| *reason != HeldReason::MissingDependency(name.clone()));
        }
    }
    let mut there: BTreeSet<(usize, String)> = BTreeSet::new();
    for (index, group) in joined.groups.iter_mut().enumerate() {
        let depends_on = &mut group.depends_on;
        group.missing.retain(|name| match owners.get(&names::folded(name)) {
            Some(Some(other)) => {
                depends_on.push(Dependency::Task(*other));
                there.insert((index, name.clone()));
                false
            }
            Some(None) | None => true,
        });
    }
    if !there.is_empty() {
        let groups = &joined.groups;
        for task in &mut joined.tasks {
            let around: Vec<usize> = ancestors(groups, task.group).collect();
            let own = task.missing.clone();
            task.held.retain(|reason| match reason.missing() {
                Some(name) => {
                    own.contains(name) || !around.iter().any(|group| there.contains(&(*group, name.clone())))
                }
                None => true,
            });
        }
    }
    let of_tasks = joined.tasks.iter().flat_map(|task| &task.missing);
    let of_groups = joined.groups.iter().flat_map(|group| &group.missing);
    let still: BTreeSet<&str> = of_tasks.chain(of_groups).map(String::as_str).collect();
    // A name with a backtick in it does not stand between two of them as a whole.
    let odd: Vec<&str> = still.iter().copied().filter(|name| name.contains('`')).collect();
    joined.diagnostics.retain(|diagnostic| {
        diagnostic.code != "missing-dependency"
            || diagnostic.message.split('`').any(|part| still.contains(part))
            || odd.iter().any(|name| diagnostic.message.contains(name))
    });
}

fn common_format(plans: &[(String, Plan)]) -> String {
    let formats: BTreeSet<&str> = plans.iter().map(|(_, plan)| plan.format.as_str()).collect();
    formats.into_iter().collect::<Vec<_>>().join(", ")
}

fn joined_text<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" + ")
}

/// What is known of a plan that another one names as its dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanState {
    /// It is part of the run.
    Here,
    /// There is no such file.
    Missing,
    /// It cannot be read, or has no tasks.
    Unknown,
    /// So many of its tasks are still to be done; none: it is done.
    Open(usize),
}

/// What there is to say of a plan that `plan` names as its dependency, and that is in `state`. `found` is
/// its file, as `plan` is shown; where there is none, its name.
pub fn dependency_plan(name: &str, found: &str, plan: &str, state: PlanState) -> Option<Diagnostic> {
    const CODE: &str = "plan-dependency";
    let both = format!("to run both in order: --plan {found} --plan {plan}");
    Some(match state {
        PlanState::Here | PlanState::Open(0) => return None,
        PlanState::Missing => Diagnostic::warning(
            CODE,
            Place::WHOLE,
            format!("the plan depends on the plan `{name}`, which is not there: it is not waited for"),
        )
        .hint("correct its name in the front matter, or take it out"),
        PlanState::Unknown => Diagnostic::warning(
            CODE,
            Place::WHOLE,
            format!("the plan depends on the plan `{name}`, of which nobody can say whether it is done"),
        )
        .hint(format!("to see what is wrong with it: orchestrate check {found}")),
        PlanState::Open(open) => {
            let tasks = if open == 1 { "1 open task".to_owned() } else { format!("{open} open tasks") };
            Diagnostic::warning(
                CODE,
                Place::WHOLE,
                format!(
                    "the plan depends on the plan `{name}`, which has {tasks} and is no part of this run"
                ),
            )
            .hint(both)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::EdgeRule;
    use crate::plan::ReadOptions;

    fn joined(plans: &[(&str, &str)]) -> Plan {
        let read = |(shown, text): &(&str, &str)| {
            let options = ReadOptions { path: Some((*shown).to_owned()), ..ReadOptions::default() };
            ((*shown).to_owned(), crate::plan::read(text.as_bytes(), &options))
        };
        join(plans.iter().map(read).collect())
    }

    fn edges(plan: &Plan) -> Vec<String> {
        plan.edges.iter().map(|edge| format!("{}>{}", edge.from, edge.to)).collect()
    }

    fn ids(plan: &Plan) -> Vec<&str> {
        plan.tasks.iter().map(|task| task.id.as_str()).collect()
    }

    #[test]
    fn plans_run_side_by_side_each_in_its_own_order() {
        let plan = joined(&[
            ("a.md", "# A\n\nWhy a.\n\n- [ ] T001 one\n- [ ] T002 two\n"),
            ("b.md", "# B\n\nMode: Sequential\n\n## P\n- x1\n- [ ] first\n- [ ] second\n"),
        ]);
        assert_eq!(ids(&plan), ["T001", "T002", "first", "second"]);
        assert_eq!(edges(&plan), ["T001>T002", "first>second"]);
        assert_eq!(plan.title, "A + B");
        assert_eq!(plan.groups[0].context, "Why a.");
        let files: Vec<Option<&str>> = plan.tasks.iter().map(|task| task.file.as_deref()).collect();
        assert_eq!(files, [Some("a.md"), Some("a.md"), Some("b.md"), Some("b.md")]);
        assert_eq!(plan.tasks[3].tick.as_ref().unwrap().file.as_deref(), Some("b.md"));
    }

    #[test]
    fn what_a_format_implies_and_where_things_stand_is_kept() {
        let kiro = "\
- [ ] 1. Start
  - [ ] 1.1 one
    - _Requirements: 1.1_
  - [ ] 1.2 two
    - _Requirements: 1.2_

## Task Dependency Graph

```json
{\"waves\": [{\"id\": 1, \"tasks\": [\"1.2\"]}, {\"id\": 2, \"tasks\": [\"1.1\"]}]}
```
";
        let alone = joined(&[("k.md", kiro)]);
        assert!(edges(&alone).contains(&"1.2>1.1".to_owned()), "{:?}", edges(&alone));
        let both = joined(&[
            (
                "a.md",
                "---\norchestrate:\n  agent: kilo\n---\n## P\n\n- [ ] T1: one\n- [ ] T2: two\n\nT1 before T2.\n",
            ),
            ("k.md", kiro),
        ]);
        let of_kiro: Vec<String> = edges(&both).into_iter().filter(|edge| edge.starts_with("1.")).collect();
        assert_eq!(of_kiro, edges(&alone));
        let files: Vec<(&str, u32)> =
            both.groups.iter().map(|group| (group.file.as_deref().unwrap(), group.line)).collect();
        assert_eq!(files, [("a.md", 0), ("a.md", 5), ("k.md", 0), ("k.md", 1)]);
        assert!(both.advice.iter().all(|advice| advice.file.as_deref() == Some("a.md")));
        assert!(!both.groups[0].origins.is_empty(), "where its defaults came from is known");
        assert_eq!(
            both.parts.iter().map(|part| part.format.as_str()).collect::<Vec<_>>(),
            ["generic", "kiro"]
        );
    }

    #[test]
    fn ids_that_collide_get_the_name_of_their_plan() {
        let text = "- [ ] T001 one\n- [ ] T002 two\n  - Depends on: T001\n";
        let plan = joined(&[("specs/001-login/tasks.md", text), ("specs/002-pay/tasks.md", text)]);
        assert_eq!(ids(&plan), ["001-login/T001", "001-login/T002", "002-pay/T001", "002-pay/T002"]);
        assert_eq!(edges(&plan), ["001-login/T001>001-login/T002", "002-pay/T001>002-pay/T002"]);
        let other = joined(&[("x.md", text), ("y.md", "- [ ] T001 one\n- [ ] T003 three\n")]);
        assert_eq!(ids(&other), ["x/T001", "T002", "y/T001", "T003"]);
    }

    #[test]
    fn a_plan_waits_for_the_plans_that_it_names() {
        let second = "---\ndependencies:\n  - 01_first.plan.md\n---\n- [ ] T003 three\n- [ ] T004 four\n";
        let first = "- [ ] T001 one\n- [ ] T002 two\n";
        for plans in [
            [("p/02_second.plan.md", second), ("p/01_first.plan.md", first)],
            [("p/01_first.plan.md", first), ("p/02_second.plan.md", second)],
        ] {
            let plan = joined(&plans);
            let across: Vec<_> =
                plan.edges.iter().filter(|edge| edge.rule == EdgeRule::Explicit).cloned().collect();
            assert_eq!(across.len(), 1, "{:?}", plan.edges);
            assert_eq!((across[0].from.as_str(), across[0].to.as_str()), ("T002", "T003"));
        }
    }

    #[test]
    fn plans_that_wait_for_each_other_are_a_mistake() {
        let plan = joined(&[
            ("a.md", "---\ndependencies: [b.md]\n---\n- [ ] T001 one\n"),
            ("b.md", "---\ndependencies: [a.md]\n---\n- [ ] T002 two\n"),
        ]);
        let cycle = plan.diagnostics.iter().find(|known| known.code == "cycle").unwrap();
        assert!(cycle.file.is_some() && cycle.is_error());
    }

    #[test]
    fn what_one_plan_lacks_another_may_have() {
        let plan = joined(&[
            ("a.md", "- [ ] T001 one\n- [ ] T002 two\n"),
            ("b.md", "- [ ] T003 three\n  - Depends on: T001\n- [ ] T004 four\n  - Depends on: T009\n"),
        ]);
        assert!(edges(&plan).contains(&"T001>T003".to_owned()));
        let told: Vec<&str> = plan
            .diagnostics
            .iter()
            .filter(|d| d.code == "missing-dependency")
            .map(|d| d.message.as_str())
            .collect();
        assert_eq!(told, ["task `T004` depends on `T009`, which the plan does not have: it is held"]);
        assert!(plan.tasks[2].held.is_empty());
        // The same of what groups wait for.
        let plan = joined(&[
            ("a.md", "- [ ] T001 one\n- [ ] T002 two\n"),
            ("b.md", "## P\n\n- **Depends on**: T002, T009\n\n- [ ] T003 three\n- [ ] T004 four\n"),
        ]);
        assert!(edges(&plan).contains(&"T002>T003".to_owned()), "{:?}", edges(&plan));
        assert_eq!(plan.tasks[2].held, [HeldReason::MissingDependency("T009".to_owned())]);
        let told = plan.diagnostics.iter().filter(|d| d.code == "missing-dependency");
        assert_eq!(told.map(|d| d.message.as_str()).collect::<Vec<_>>().len(), 1);
    }

    #[test]
    fn a_plan_that_is_over_holds_its_own_tasks_alone() {
        let plan = joined(&[("a.md", "# A\nStatus: done\n\n- [ ] one\n"), ("b.md", "- [ ] two\n")]);
        assert_eq!(plan.tasks[0].held, [HeldReason::PlanDone]);
        assert!(plan.tasks[1].held.is_empty() && !plan.over);
    }

    #[test]
    fn plans_are_named_in_many_ways() {
        assert!(is_named("01_first.plan.md", "p/02.plan.md", "p/01_first.plan.md"));
        assert!(is_named("01_first", "p/02.plan.md", "p/01_first.plan.md"));
        assert!(is_named("../a/tasks.md", "specs/b/tasks.md", "specs/a/tasks.md"));
        assert!(is_named("./../x.md", "p/y.md", "x.md"));
        assert!(!is_named("../../a/tasks.md", "specs/b/tasks.md", "specs/a/tasks.md"));
        assert!(is_named("./p/a.md", "b.md", "p/a.md"));
        assert!(is_named("p\\a.md", "b.md", "p/a.md"));
        assert!(!is_named("q/a.md", "b.md", "p/a.md"));
        assert!(!is_named("b", "b.md", "ab.md"));
        for name in ["02-01", "02-01-PLAN.md", "02-rooms-01", "02-two-rooms-01"] {
            assert!(is_named(
                name,
                ".planning/phases/02-x/02-02-PLAN.md",
                ".planning/phases/02-x/02-01-PLAN.md"
            ));
        }
        assert!(!is_named("02-rooms-03", "02-02-PLAN.md", "02-01-PLAN.md"));
    }

    #[test]
    fn what_is_said_of_a_plan_that_is_no_part_of_the_run() {
        assert_eq!(dependency_plan("a.md", "a.md", "b.md", PlanState::Open(0)), None);
        assert_eq!(dependency_plan("a.md", "a.md", "b.md", PlanState::Here), None);
        let open = dependency_plan("a.md", "plans/a.md", "b.md", PlanState::Open(2)).unwrap();
        assert!(
            open.message.contains("2 open tasks") && open.hints[0].contains("--plan plans/a.md --plan b.md")
        );
        assert!(
            dependency_plan("a.md", "a.md", "b.md", PlanState::Missing)
                .unwrap()
                .message
                .contains("not there")
        );
    }
}
