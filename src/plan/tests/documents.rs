//! Documents of the formats: what is read of each sample, as a whole.

use std::fmt::Write as _;
use std::path::Path;

use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;
use crate::plan::Dependency;
use crate::plan::Plan;
use crate::plan::ReadOptions;
use crate::plan::read;

/// Samples with the path under which they are read: some formats are known by it.
const SAMPLES: &[(&str, &str)] = &[
    ("ito/waves", "tasks.md"),
    ("ito/sequential", ".ito/changes/003_rename/tasks.md"),
    ("antigravity/task", "task.md"),
    ("antigravity/implementation_plan", "implementation_plan.md"),
    ("antigravity/files_only", "plans/footer.md"),
    ("antigravity/numbered", "implementation_plan.md"),
    ("execplan/living", "plans/export.md"),
    ("execplan/fenced", "plans/cache.md"),
    ("execplan/PLANS", ".agent/PLANS.md"),
    ("humanlayer/phases", "thoughts/shared/plans/contacts.md"),
    ("humanlayer/progress", "context/changes/tides/plan.md"),
    ("gsd/waves", ".planning/phases/02-search/02-01-PLAN.md"),
    ("gsd/one", ".planning/phases/03-harbour/03-02-PLAN.md"),
    ("gsd/ROADMAP", ".planning/ROADMAP.md"),
    ("jack/tasks", ".kiro/specs/dark_theme/tasks.md"),
    ("cursor/graph.plan", ".cursor/plans/graph.plan.md"),
    ("cursor/in_order.plan", "in_order.md"),
    ("cursor/todo_list.plan", "todo_list.md"),
    ("cursor/headings.plan", ".cursor/plans/headings.plan.md"),
    ("agents/matrix", "launch.md"),
    ("others/dev_tasks", "tasks/tasks-profile.md"),
    ("others/spec_workflow", ".spec-workflow/specs/user/tasks.md"),
    ("others/conductor", "conductor/tracks/sync/plan.md"),
    ("others/claude_code", ".claude/plans/sort.md"),
    ("others/ccpm", ".claude/epics/parser/epic.md"),
    ("others/phase_list", "plans/lighthouse.md"),
    ("others/numbered_steps", "TODO.md"),
    ("others/restarted", "fix_plan.md"),
];

fn sample(name: &str, path: &str) -> Plan {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans").join(format!("{name}.md"));
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let root = Some("/home/ana/shop".to_owned());
    read(&bytes, &ReadOptions { path: Some(path.to_owned()), root, ..ReadOptions::default() })
}

fn waits(plan: &Plan, states: bool, depends: &[Dependency]) -> String {
    let names: Vec<String> = depends
        .iter()
        .map(|dependency| match dependency {
            Dependency::Task(task) => plan.tasks[*task].id.to_string(),
            Dependency::Group(group) => format!("\"{}\"", plan.groups[*group].title),
        })
        .collect();
    match (states, names.is_empty()) {
        (_, false) => format!(" <- {}", names.join(", ")),
        (true, true) => " <- nothing".to_owned(),
        (false, true) => String::new(),
    }
}

/// All of a plan that its format decides.
fn shown(plan: &Plan) -> String {
    let mut text = format!("{} ({})\ntitle {:?}\n", plan.format, plan.format_reason, plan.title);
    if plan.mode_sequential {
        text.push_str("one at a time\n");
    }
    if !plan.depends_on_plans.is_empty() {
        let _ = writeln!(text, "after plans {}", plan.depends_on_plans.join(", "));
    }
    for group in &plan.groups {
        let _ = write!(text, "group :{} {:?}", group.line, group.title);
        text.push_str(&waits(plan, group.states_dependencies, &group.depends_on));
        text.push('\n');
    }
    for task in &plan.tasks {
        let kind = match task.kind {
            TaskKind::Task => "",
            TaskKind::Checkpoint => " checkpoint",
            TaskKind::Gate => " gate",
        };
        let _ =
            write!(text, "task :{} {} [{}]{kind} {:?}", task.line, task.id, task.status.as_str(), task.title);
        text.push_str(&waits(plan, task.states_dependencies, &task.depends_on));
        text.push('\n');
        for reason in &task.held {
            let _ = writeln!(text, "    held {reason:?}");
        }
        for file in &task.files {
            let verb = file.verb.map_or_else(String::new, |verb| format!("{verb:?} ").to_lowercase());
            let _ = writeln!(text, "    file {verb}{}", file.path);
        }
        for command in &task.own.verify {
            let _ = writeln!(text, "    verify :{} {}", command.line, command.text);
        }
        for criterion in &task.acceptance {
            let _ = writeln!(text, "    accept {criterion}");
        }
        if let Some(priority) = task.own.priority {
            let _ = writeln!(text, "    priority {priority}");
        }
        if let Some(tick) = &task.tick {
            let _ = writeln!(text, "    box :{}:{}", tick.line, tick.column);
        }
    }
    for edge in &plan.edges {
        let _ = writeln!(text, "edge {} -> {} {}", edge.from, edge.to, edge.rule.as_str());
    }
    for ignored in &plan.ignored {
        let _ = writeln!(text, "ignored :{} {}", ignored.line, ignored.reason);
    }
    for found in &plan.diagnostics {
        let _ = writeln!(text, "{:?} {}:{} {}", found.severity, found.code, found.place.line, found.message);
    }
    text
}

#[test]
fn samples_are_read_as_they_say() {
    for (name, path) in SAMPLES {
        let (folder, file) = name.split_once('/').unwrap();
        let mut settings = insta::Settings::clone_current();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans").join(folder);
        settings.set_snapshot_path(folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(file, shown(&sample(name, path))));
    }
}

#[test]
fn the_box_of_a_status_item_is_the_one_that_is_ticked() {
    let plan = sample("ito/waves", "tasks.md");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans/ito/waves.md");
    let text = std::fs::read_to_string(file).unwrap();
    for task in &plan.tasks {
        let tick = task.tick.as_ref().unwrap();
        let line = text.lines().nth(usize::try_from(tick.line).unwrap() - 1).unwrap();
        assert!(line.starts_with("- **Status**: ["), "{line}");
        let mark = line.as_bytes()[usize::try_from(tick.column).unwrap()];
        assert!(matches!(mark, b' ' | b'x' | b'>' | b'-'), "{line}");
    }
    // What is ticked there is done, whatever word is left behind the box.
    let ticked = sample("ito/sequential", "tasks.md");
    assert_eq!(ticked.tasks[1].status, PlanStatus::Done);
}

#[test]
fn a_fence_around_the_plan_moves_nothing() {
    let plan = sample("execplan/fenced", "plans/cache.md");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans/execplan/fenced.md");
    let inside: String = std::fs::read_to_string(file)
        .unwrap()
        .lines()
        .map(|line| if line.starts_with("```") { "\n".to_owned() } else { format!("{line}\n") })
        .collect();
    let bare = super::plan(&inside);
    let places =
        |plan: &Plan| plan.tasks.iter().map(|task| (task.line, task.tick.clone())).collect::<Vec<_>>();
    assert_eq!(places(&plan), places(&bare));
}

#[test]
fn fences_that_are_no_frame_stay_fences() {
    for text in [
        "```md\n## Progress\n- [ ] a\n```\n\nText.\n",
        "```md\n## Progress\n- [ ] a\n```\ntext\n```sh\nls\n```\n",
        "```sh\n## Progress\n- [ ] a\n```\n",
        "```md\n- [ ] a\n```\n",
        "```md\n",
        "```md",
    ] {
        assert!(super::plan(text).tasks.is_empty(), "{text:?}");
    }
}
