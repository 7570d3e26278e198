//! Samples of each format, and the tasks, states and edges that are read out of them.

use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;

use super::edges;
use crate::plan::Dependency;
use crate::plan::Plan;
use crate::plan::PlanTask;
use crate::plan::ReadOptions;
use crate::plan::read;

/// The formats whose samples are looked at here.
const FORMATS: &[&str] = &[
    "bmad",
    "compound",
    "generic",
    "kiro",
    "openspec",
    "pdd",
    "ralphex",
    "sdd",
    "speckit",
    "superpowers",
    "swarm",
];

/// Those whose own rules change order and marks, and never what a task is.
const SAME_TASKS: &[&str] = &["compound", "kiro", "openspec", "ralphex", "speckit", "superpowers", "swarm"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plans")
}

fn samples(format: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder().join(format))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no samples of {format}");
    files
}

fn plan_of(path: &Path, format: Option<&str>) -> Plan {
    let options = ReadOptions { format: format.map(str::to_owned), ..ReadOptions::default() };
    // A checkout may have changed the line endings.
    let text = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    read(text.as_bytes(), &options)
}

fn line(plan: &Plan, task: &PlanTask) -> String {
    let mut text = format!("{:>3}  {:<8} {:<11} {}", task.line, task.id, task.status.as_str(), task.title);
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            let _ = write!(text, "  {name}={value}");
        }
    };
    let names = task.depends_on.iter().map(|dependency| match dependency {
        Dependency::Task(task) => plan.tasks[*task].id.to_string(),
        Dependency::Group(group) => format!("({})", plan.groups[*group].title),
    });
    add("after", names.collect::<Vec<_>>().join(","));
    add("files", task.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>().join(","));
    add("held", task.held.iter().map(|reason| format!("{reason:?}")).collect::<Vec<_>>().join(","));
    add("model", task.own.model.clone().unwrap_or_default());
    add("agent", task.own.agent.clone().unwrap_or_default());
    add("priority", task.own.priority.map_or_else(String::new, |priority| priority.to_string()));
    add("accept", task.acceptance.join(" / "));
    add("tick", task.tick.as_ref().map_or_else(String::new, |tick| tick.tick.to_string()));
    for (holds, word) in [(task.optional, "optional"), (task.parallel == Some(true), "[P]")] {
        if holds {
            text.push_str("  ");
            text.push_str(word);
        }
    }
    text
}

fn table(plan: &Plan) -> String {
    let mut text = format!("{}: {}\n", plan.format, plan.format_reason);
    if let Some(status) = &plan.status {
        let _ = writeln!(text, "status {status}, over {}", plan.over);
    }
    for group in &plan.groups {
        let names = group.depends_on.iter().map(|dependency| match dependency {
            Dependency::Task(task) => plan.tasks[*task].id.to_string(),
            Dependency::Group(group) => format!("({})", plan.groups[*group].title),
        });
        let _ = writeln!(
            text,
            "{:>3}  ({})  after {}",
            group.line,
            group.title,
            names.collect::<Vec<_>>().join(",")
        );
    }
    for task in &plan.tasks {
        text.push_str(&line(plan, task));
        text.push('\n');
    }
    for edge in edges(plan) {
        let _ = writeln!(text, "edge {edge}");
    }
    for command in &plan.defaults.verify {
        let _ = writeln!(text, "verify {}: {}", command.line, command.text.replace('\n', "; "));
    }
    for ignored in &plan.ignored {
        let _ = writeln!(text, "not {}: {}", ignored.line, ignored.reason);
    }
    for diagnostic in &plan.diagnostics {
        let _ = writeln!(text, "{} {}: {}", diagnostic.code, diagnostic.place.line, diagnostic.message);
    }
    text
}

#[test]
fn samples_are_read_as_their_formats_say() {
    for format in FORMATS {
        for path in samples(format) {
            let stem = path.file_stem().unwrap().to_string_lossy().replace('.', "-");
            let plan = plan_of(&path, None);
            assert_eq!(plan.format, *format, "{}", path.display());
            insta::with_settings!({
                snapshot_path => folder().join("read"),
                prepend_module_to_snapshot => false,
                omit_expression => true,
            }, {
                insta::assert_snapshot!(format!("{format}-{stem}"), table(&plan));
            });
        }
    }
}

#[test]
fn the_rules_for_any_markdown_find_the_same_tasks() {
    for format in SAME_TASKS {
        // What mixes the words of ralphex is read by ralphex's own rule.
        for path in samples(format)
            .into_iter()
            .filter(|path| !path.ends_with("mixed.md") && !path.ends_with("ralphex/explain.md"))
        {
            let (own, generic) = (plan_of(&path, None), plan_of(&path, Some("generic")));
            let tasks = |plan: &Plan| -> Vec<(u32, String, String)> {
                plan.tasks.iter().map(|task| (task.line, task.id.to_string(), task.title.clone())).collect()
            };
            assert_eq!(tasks(&own), tasks(&generic), "{}", path.display());
            assert!(!own.tasks.is_empty());
        }
    }
}

#[test]
fn a_format_may_be_named_whatever_the_signs_say() {
    for format in FORMATS {
        let path = &samples(format)[0];
        let plan = plan_of(path, Some("speckit"));
        assert_eq!(plan.format, "speckit");
        assert!(plan.format_reason.starts_with("--format"), "{}", plan.format_reason);
    }
}

#[test]
fn a_reader_that_finds_no_task_hands_over_and_says_so() {
    let options = ReadOptions { format: Some("sdd".to_owned()), ..ReadOptions::default() };
    let plan = read(b"- [ ] Dig\n- [ ] Sow\n", &options);
    assert_eq!(plan.tasks.len(), 2);
    assert_eq!(
        plan.format_reason,
        "--format, but its own reader finds no task, so the rules for any Markdown: plain boxes"
    );
}

#[test]
fn two_readers_that_disagree_are_a_mistake_unless_the_format_is_named() {
    let text = "# Story 1.1: Dig\n\n## Tasks / Subtasks\n\n- [ ] Take the spade\n\n## Steps\n\n\
        ### Step 1: Walk\n\n**Parallel with:** Step 2\n\n### Step 2: Sing\n";
    let plan = super::plan(text);
    assert_eq!(super::codes(&plan), ["ambiguous-format:0"]);
    assert!(plan.has_errors());
    let message = &plan.diagnostics[0].message;
    assert!(message.contains("`bmad` (first task on line 5) or `sdd` (first task on line 9)"), "{message}");
    let options = ReadOptions { format: Some("sdd".to_owned()), ..ReadOptions::default() };
    let named = read(text.as_bytes(), &options);
    assert!(!named.has_errors(), "{:?}", named.diagnostics);
    assert_eq!(named.tasks.len(), 2);
    // A path is no doubt.
    let options =
        ReadOptions { path: Some("_bmad-output/stories/1-1.md".to_owned()), ..ReadOptions::default() };
    assert!(!read(text.as_bytes(), &options).has_errors());
}

#[test]
fn a_wave_that_names_a_parent_keeps_the_order_inside_it() {
    let plan = super::plan(
        "## Task Dependency Graph\n\n```json\n[[1], [2, \"3\"]]\n```\n\n## Tasks\n\n- [ ] 1. A\n- [ ] 2. B\n\
         \x20 - [ ] 2.1 C\n  - [ ] 2.2 D\n- [ ] 3. E\n- [ ] 4. F\n",
    );
    assert_eq!(plan.format, "kiro");
    assert_eq!(
        edges(&plan),
        [
            "1>2.1 explicit",
            "1>2.2 explicit",
            "2.1>2.2 order",
            "1>3 explicit",
            "1>4 order",
            "2.1>4 order",
            "2.2>4 order",
            "3>4 order",
        ]
    );
}

#[test]
fn what_waves_imply_gives_way_to_what_tasks_state() {
    let plan = super::plan(
        "## Tasks\n\n- [ ] 1. A\n  - [ ] 1.1 B\n    - _Depends: 2_\n  - [ ] 1.2 C\n- [ ] 2. D\n  - _Depends: 1.2_\n\n\
         ## Task Dependency Graph\n\n```json\n{\"waves\": [{\"tasks\": [\"1\"]}]}\n```\n",
    );
    assert_eq!(edges(&plan), ["2>1.1 explicit", "1.2>2 explicit"]);
    assert!(!plan.has_errors());
}

#[test]
fn waves_that_cannot_be_read_change_nothing() {
    let plan =
        super::plan("- [ ] 1.1 A\n- [ ] 1.2 B\n\n## Task Dependency Graph\n\n```json\n{\"waves\": [\n```\n");
    assert_eq!(edges(&plan), ["1.1>1.2 order"]);
    assert_eq!(super::codes(&plan), ["waves:6"]);
}

#[test]
fn a_status_is_read_though_the_front_matter_is_broken() {
    let plan = super::plan("---\ntitle: feat: map\nstatus: completed\n---\n\n- [x] **Unit 1: A**\n");
    assert!(plan.over);
    assert_eq!(plan.title, "feat: map");
}
