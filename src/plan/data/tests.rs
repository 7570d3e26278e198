//! Plans that are data, as their tools write them.

mod keys;

use std::fmt::Write as _;

use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::plan;
use crate::plan::FolderChoice;
use crate::plan::Granularity;
use crate::plan::Plan;
use crate::plan::PlanFile;
use crate::plan::ReadOptions;

macro_rules! sample {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/plans/", $name))
    };
}

fn read_as(text: &str, path: &str, change: impl FnOnce(&mut ReadOptions)) -> Plan {
    let mut options = ReadOptions { path: Some(path.to_owned()), ..ReadOptions::default() };
    change(&mut options);
    plan::read(text.as_bytes(), &options)
}

fn read(text: &str, path: &str) -> Plan {
    read_as(text, path, |_| {})
}

fn folder(files: &[(&str, &str)]) -> Plan {
    let file =
        |(path, text): &(&str, &str)| PlanFile { path: (*path).to_owned(), bytes: text.as_bytes().to_vec() };
    plan::read_folder(&files.iter().map(file).collect::<Vec<_>>(), &ReadOptions::default())
}

/// Each task in a line: id, state, line, and what it waits for by whatever rule.
fn shape(plan: &Plan) -> Vec<String> {
    plan.tasks
        .iter()
        .map(|task| {
            let before: Vec<&str> =
                plan.edges.iter().filter(|edge| edge.to == task.id).map(|edge| edge.from.as_str()).collect();
            let held = if task.held.is_empty() { "" } else { " held" };
            format!("{} {}{held} :{} < {}", task.id, task.status.as_str(), task.line, before.join(" "))
        })
        .collect()
}

fn codes(plan: &Plan) -> Vec<(&str, u32)> {
    plan.diagnostics.iter().map(|told| (told.code, told.place.line)).collect()
}

#[test]
fn task_master_is_a_graph_of_leaves() {
    let plan = read(sample!("taskmaster/tasks.json"), ".taskmaster/tasks/tasks.json");
    assert_eq!((plan.format.as_str(), plan.title.as_str()), ("taskmaster", "The ship"));
    assert_eq!(
        shape(&plan),
        [
            "1.1 done :12 < ",
            "1.2 open held :13 < 1.1",
            "2.1 in_progress :26 < ",
            "2.2.1 open :33 < 2.1",
            "2.2.2 open :34 < 2.2.1",
            "2.3 open :37 < 2.1 2.2.2",
            "3 open :40 < 2.2.2 2.3",
            "4 skipped :41 < 2.2.2 2.3",
            "5 in_progress held :42 < ",
        ]
    );
    assert_eq!(codes(&plan), [("status-conflict", 5), ("missing-dependency", 42)]);
    assert_eq!(plan.tasks[1].held, [HeldReason::GroupDeferred("Lay the keel".to_owned())]);
    assert_eq!(plan.tasks[8].held, [HeldReason::MissingDependency("9".to_owned())]);
    let caulk = &plan.tasks[5];
    assert_eq!(caulk.body, "With oakum.\n\n**Test strategy**: No drop comes in.");
    assert_eq!(caulk.acceptance, ["No drop comes in."]);
    assert!(caulk.tick.is_none());
    assert_eq!(plan.tasks[4].own.agent.as_deref(), Some("sawyer"));
    assert_eq!(plan.tasks[6].own.priority, Some(3));
    let hull = &plan.groups[1];
    assert_eq!((hull.title.as_str(), hull.line, hull.defaults.priority), ("Build the hull", 17, Some(2)));
    assert!(hull.context.contains("**Details**: Carvel, not clinker."), "{}", hull.context);
}

#[test]
fn a_run_of_task_master_goes_past_what_a_done_parent_left_open() {
    let plan = read(sample!("taskmaster/tasks.json"), "tasks.json");
    let resolved = plan::resolve(&plan, &plan::ResolveOptions::default());
    let entry = |id: &str| {
        let task = resolved.tasks.iter().find(|task| task.id.as_str() == id).unwrap();
        (format!("{:?}", task.entry), task.needs.len())
    };
    assert_eq!(entry("2.1"), ("Run".to_owned(), 0));
    assert!(entry("1.2").0.contains("GroupDeferred"));
    assert_eq!(entry("2.3"), ("Run".to_owned(), 2));
    let forced = plan::ResolveOptions { force: true, ..plan::ResolveOptions::default() };
    let resolved = plan::resolve(&plan, &forced);
    assert!(resolved.tasks.iter().any(|task| task.id.as_str() == "2.1" && task.needs.len() == 1));
}

#[test]
fn a_tag_is_chosen() {
    let text = sample!("taskmaster/tasks.json");
    let ids = |plan: &Plan| plan.tasks.iter().map(|task| task.id.to_string()).collect::<Vec<_>>();
    let tag = |tag: &str| read_as(text, "tasks.json", |options| options.tag = Some(tag.to_owned()));
    assert_eq!(ids(&tag("later")), ["cannon"]);
    let wrong = tag("latr");
    assert_eq!((codes(&wrong)[0].0, wrong.has_errors()), ("unknown-tag", true));
    assert!(wrong.diagnostics[0].hints[0].contains("`later`"));
    let current =
        |tag: &str| read_as(text, "tasks.json", |options| options.current_tag = Some(tag.to_owned()));
    assert_eq!(ids(&current("later")), ["cannon"]);
    assert_eq!(ids(&current("gone")).len(), 9);
    let two = r#"{"a": {"tasks": []}, "b": {"tasks": []}}"#;
    let two = read(two, "tasks.json");
    assert!(two.has_errors() && two.diagnostics[0].message.contains("`a`, `b`"), "{two:?}");
    let old = r#"{"tasks": [{"id": "x", "title": "X"}, {"id": 2, "title": "Y", "dependencies": "x"}]}"#;
    assert_eq!(shape(&read(old, "-")), ["x open :1 < ", "2 open :1 < x"]);
}

#[test]
fn mistakes_in_json_have_their_places() {
    let place = |text: &str| {
        let plan = read(text, "plans/tasks.json");
        let told = plan.diagnostics.iter().find(|told| told.is_error()).unwrap().clone();
        (told.code, told.place.line, told.place.column)
    };
    assert_eq!(place("{\n  \"tasks\": [\n    {\"id\": 1,}\n  ]\n}"), ("bad-json", 3, 14));
    assert_eq!(place("{\n  // tasks\n  \"tasks\": []}"), ("bad-json", 2, 3));
    assert_eq!(place("[]").0, "no-tasks");
    assert_eq!(place("{\"tasks\": []}").0, "no-tasks");
    assert_eq!(place("{\"tasks\": [\n{\"title\": \"x\"}]}"), ("bad-value", 2, 1));
    assert_eq!(place("{\"tasks\": [{\"id\": 1},\n{\"id\": \"1\"}]}"), ("duplicate-id", 2, 0));
    assert_eq!(place("{\"tasks\": [{\"id\": 1, \"dependencies\": [1]}]}").0, "cycle");
    assert_eq!(
        place("{\"tasks\": [{\"id\": 1, \"subtasks\": [{\"id\": 2, \"dependencies\": [\"1\"]}]}]}").0,
        "cycle"
    );
    assert_eq!(place("").0, "bad-json");
}

#[test]
fn a_large_json_is_read_in_linear_time() {
    // In one line, the worst case for places: 20,000 tasks that each wait for one that is not there.
    let mut text = String::from("{\"tasks\": [");
    for id in 1..=20_000 {
        let comma = if id > 1 { "," } else { "" };
        write!(text, "{comma}{{\"id\":{id},\"title\":\"T\",\"dependencies\":[\"gone-{id}\"]}}").unwrap();
    }
    text.push_str("]}");
    let plan = read(&text, "tasks.json");
    assert_eq!(plan.tasks.len(), 20_000);
    assert!(plan.diagnostics.len() < 100, "{}", plan.diagnostics.len());
}

#[test]
fn task_files_are_one_plan() {
    let files = [
        ("t/task_001.txt", sample!("taskmaster/files/task_001.txt")),
        ("t/task_002.txt", sample!("taskmaster/files/task_002.txt")),
        ("t/task_010.txt", sample!("taskmaster/files/task_010.txt")),
    ];
    let plan = folder(&files);
    assert_eq!(plan.diagnostics, []);
    assert_eq!(
        shape(&plan),
        [
            "1 done :1 < ",
            "2.1 done :15 < ",
            "2.2 open :21 < 1 2.1 10",
            "2.3 in_progress :27 < 2.2",
            "10 open :1 < "
        ]
    );
    assert_eq!(plan.tasks[2].file.as_deref(), Some("t/task_002.txt"));
    assert_eq!(plan.tasks[0].acceptance, ["Two captains agree."]);
    assert!(plan.groups[0].context.contains("# Status: is a word here"), "{}", plan.groups[0].context);
    let alone = read(files[1].1, "task_002.txt");
    assert!(alone.tasks.iter().skip(1).all(|task| task.held.len() == 2), "{:?}", alone.tasks);
    assert_eq!(codes(&alone), [("missing-dependency", 4), ("missing-dependency", 4)]);
    assert_eq!(alone.title, "Sail the coast");
}

#[test]
fn what_is_no_plan_says_so() {
    let plan = read("# Overview\n\nA product.\n", ".taskmaster/docs/prd.txt");
    assert!(plan.has_errors() && plan.diagnostics[0].message.contains("requirements"));
    let export = "<!-- TASKMASTER_EXPORT_START -->\n> - [ ] nothing\n<!-- TASKMASTER_EXPORT_END -->\n";
    let plan = read(&format!("# Readme\n\n{export}"), "README.md");
    assert!(
        plan.diagnostics.iter().any(|told| told.code == "picture-of-tasks" && told.place.line == 3),
        "{:?}",
        plan.diagnostics
    );
}

#[test]
fn ralph_goes_by_priority_one_at_a_time() {
    let plan = read(sample!("ralph/prd.json"), "prd.json");
    assert_eq!(shape(&plan), ["US-001 done :7 < ", "US-002 open :8 < ", "US-003 open :6 < US-002"]);
    assert_eq!(plan.preamble, "A lamp that ships can see.");
    assert_eq!(plan.tasks[0].acceptance, ["It burns all night", "It is seen at ten miles"]);
    assert!(plan.tasks[0].body.contains("**Notes**: The wick was wet."), "{}", plan.tasks[0].body);
    assert!(plan.tasks[1].body.contains("glass") && plan.tasks[1].own.priority == Some(2));
    let graph = r#"{"userStories": [
        {"id": "A", "title": "A", "priority": 2, "passes": false},
        {"id": "B", "title": "B", "priority": 1, "passes": false, "dependsOn": ["A", "Z"]}
    ]}"#;
    let plan = read(graph, "prd.json");
    assert_eq!(shape(&plan), ["A open :2 < ", "B open held :3 < A"]);
    assert_eq!((codes(&plan), plan.diagnostics[0].place.column), (vec![("missing-dependency", 3)], 86));
}

/// Each field that the plan states of a task, with where it stands.
fn stated(plan: &Plan, task: usize) -> Vec<String> {
    let task = &plan.tasks[task];
    let of = |origin: &crate::model::check::FieldOrigin| {
        let (field, from) = (origin.field.as_str(), origin.from.as_str());
        format!("{field} {from} {} :{}", origin.by.as_deref().unwrap_or("-"), origin.line.unwrap_or(0))
    };
    task.origins.iter().map(of).collect()
}

#[test]
fn data_say_where_each_value_stands() {
    let json = "{\"tasks\": [\n{\"id\": 1, \"title\": \"A\"},\n{\"id\": 2, \"title\": \"B\",\n\"status\": \"pending\",\n\
                \"priority\": \"high\",\n\"assignee\": \"kilo\",\n\"testStrategy\": \"Look\",\n\"dependencies\": [\n1]}]}";
    let plan = read(json, "tasks.json");
    assert_eq!(stated(&plan, 0), ["id data id :2", "status default - :0"]);
    assert_eq!(
        stated(&plan, 1),
        [
            "id data id :3",
            "status data status :4",
            "priority data priority :5",
            "agent data assignee :6",
            "acceptance data testStrategy :7",
            "depends_on data - :9",
        ]
    );
    let text = "# Task ID: 1\n# Title: A\n# Status: pending\n# Priority: low\n# Test Strategy:\nLook\n";
    assert_eq!(
        stated(&read(text, "task_001.txt"), 0),
        [
            "id data Task ID :1",
            "status data Status :3",
            "priority data Priority :4",
            "acceptance data Test Strategy :5",
        ]
    );
    let card = "---\nid: task-1\ntitle: A\nstatus: To Do\nassignee: ['@kilo']\ndependencies:\n  - task-2\n---\n<!-- AC:BEGIN -->\n";
    assert_eq!(
        stated(&read(card, "backlog/tasks/task-1.md"), 0),
        [
            "agent front matter assignee :5",
            "id front matter id :2",
            "status front matter status :4",
            "depends_on front matter - :6",
        ]
    );
    let yaml = "- id: 1\n  title: A\n- id: 2\n  title: B\n  status: done\n  depends_on: [1]\n";
    assert_eq!(
        stated(&read(yaml, "stories.yaml"), 1),
        ["id data id :3", "status data status :5", "depends_on data - :6"]
    );
    let ralph = "{\"userStories\": [{\"id\": \"A\",\n\"passes\": false,\n\"priority\": 1}]}";
    assert_eq!(
        stated(&read(ralph, "prd.json"), 0),
        ["id data id :1", "status data passes :2", "priority data priority :3"]
    );
}

#[test]
fn data_are_cut_as_is_asked_for_or_say_that_they_are_not() {
    let json = r#"{"tasks": [
        {"id": 1, "title": "Hull", "priority": "high", "details": "Of oak.", "subtasks": [
            {"id": 1, "title": "Keel", "status": "done"},
            {"id": 2, "title": "Planks", "details": "Two thumbs thick.", "dependencies": [1]}]},
        {"id": 2, "title": "Mast", "dependencies": ["1.2"]},
        {"id": 3, "title": "Sails", "dependencies": [2], "subtasks": [
            {"id": 1, "title": "Sew", "dependencies": [2, 9]}]}
    ]}"#;
    let grouped = read_as(json, "tasks.json", |options| options.granularity = Some(Granularity::Group));
    assert_eq!(shape(&grouped), ["1 in_progress :2 < ", "2 open :5 < 1", "3 open held :6 < 2"]);
    let hull = &grouped.tasks[0];
    assert_eq!(
        hull.body,
        "**Details**: Of oak.\n\n### 1.1 Keel (done)\n\n### 1.2 Planks\n\n**Details**: Two thumbs thick."
    );
    assert_eq!(hull.own.priority, Some(1));
    assert!(grouped.groups.is_empty() && grouped.format_reason.ends_with("(--granularity group)"));

    let one = read_as(json, "tasks.json", |options| options.as_one = true);
    assert_eq!(shape(&one), ["the-whole-plan in_progress held :1 < "]);
    assert!(one.tasks[0].body.contains("### 2 Mast") && one.tasks[0].body.contains("Two thumbs thick."));

    let told = |path: &str, text: &str, change: &dyn Fn(&mut ReadOptions)| {
        let plan = read_as(text, path, change);
        let told = plan.diagnostics.iter().find(|told| told.code == "option-without-effect");
        told.map(|told| told.message.clone())
    };
    let boxes: &dyn Fn(&mut ReadOptions) = &|options| options.boxes_all = true;
    assert_eq!(
        told("tasks.json", json, boxes).as_deref(),
        Some("`--boxes all` changes nothing: this plan has no boxes")
    );
    let card = sample!("backlog/tasks/task-2 - Knead-the-dough.md");
    let message = "changes nothing: the boxes of a file that is one task explain that task";
    assert_eq!(told("backlog/tasks/task-2.md", card, boxes), Some(format!("`--boxes all` {message}")));
    let leaf: &dyn Fn(&mut ReadOptions) = &|options| options.granularity = Some(Granularity::Leaf);
    assert_eq!(told("backlog/tasks/task-2.md", card, leaf), Some(format!("`--granularity leaf` {message}")));
    assert_eq!(told("tasks.json", json, leaf), None, "its leaves are its tasks");
    let flat = r#"{"tasks": [{"id": 1, "title": "A"}]}"#;
    let group: &dyn Fn(&mut ReadOptions) = &|options| options.granularity = Some(Granularity::Group);
    assert!(told("tasks.json", flat, group).unwrap().contains("no groups"));
}

#[test]
fn stories_go_in_the_order_of_their_list() {
    let plan = read(sample!("bmad/stories.yaml"), "stories.yaml");
    assert_eq!(plan.diagnostics, []);
    assert_eq!(shape(&plan), ["1 open held :2 < ", "1.10 open :7 < 1", "1.20 open held :12 < 1.10"]);
    assert_eq!(plan.tasks[0].held, [HeldReason::Gate("specification of 1".to_owned())]);
    assert_eq!(plan.tasks[2].held, [HeldReason::Gate("1.10 is done".to_owned())]);
    assert!(plan.tasks[1].body.contains("**With this**: Read docs/stone.md first"));
    for (text, code, line) in [
        ("- id: 1\n  title: [\n", "bad-yaml", 3),
        ("a: b\n", "no-tasks", 1),
        ("stories: []\n", "no-tasks", 1),
        ("- title: x\n", "bad-value", 1),
        ("- id: 1\n- id: 1\n", "duplicate-id", 2),
    ] {
        let plan = read(text, "stories.yaml");
        let told = plan.diagnostics.iter().find(|told| told.is_error()).unwrap();
        assert_eq!(told.code, code, "{text}");
        assert!(told.place.line <= line, "{text} {}", told.place.line);
    }
}

#[test]
fn a_sprint_says_what_became_of_each_story() {
    let plan = read(sample!("bmad/sprint-status.yaml"), "sprint-status.yaml");
    assert_eq!(plan.diagnostics, []);
    assert_eq!(
        shape(&plan),
        [
            "1-1-clear-the-field done :7 < ",
            "1-2-plant-apples in_progress :8 < ",
            "1-10-water-them open :9 < 1-2-plant-apples",
            "2-1-pick-apples open :13 < 1-10-water-them",
            "2-2-press-cider open :14 < 2-1-pick-apples",
            "2-3-sell-cider skipped :15 < ",
        ]
    );
    assert_eq!(plan.tasks[1].title, "plant apples");
    assert!(plan.tasks[1].body.contains("`docs/stories/1-2-plant-apples.md`"));
}

#[test]
fn a_folder_of_stories_goes_in_order() {
    let plan = folder(&[
        ("s/1.1.clear-the-field.md", sample!("bmad/stories/1.1.clear-the-field.md")),
        ("s/1.10.water-them.md", sample!("bmad/stories/1.10.water-them.md")),
        ("s/1.2.plant-apples.md", sample!("bmad/stories/1.2.plant-apples.md")),
        ("s/notes.md", "# Notes\n"),
    ]);
    assert_eq!(shape(&plan), ["1.1 done :1 < ", "1.2 in_progress :1 < ", "1.10 open :1 < 1.2"]);
    assert_eq!(plan.tasks[1].acceptance, ["Rows are straight"]);
    assert_eq!(codes(&plan), [("not-a-task", 0)]);
    assert_eq!(plan.diagnostics[0].file.as_deref(), Some("s/notes.md"));
}

#[test]
fn backlog_is_a_graph_of_files() {
    let plan = folder(&[
        ("b/completed/task-1 - Grind-flour.md", sample!("backlog/completed/task-1 - Grind-flour.md")),
        ("b/tasks/task-2 - Knead-the-dough.md", sample!("backlog/tasks/task-2 - Knead-the-dough.md")),
        ("b/tasks/task-3 - Bake.md", sample!("backlog/tasks/task-3 - Bake.md")),
        ("b/tasks/task-3.1 - Heat-the-oven.md", sample!("backlog/tasks/task-3.1 - Heat-the-oven.md")),
        ("b/tasks/task-3.2 - Put-it-in.md", sample!("backlog/tasks/task-3.2 - Put-it-in.md")),
    ]);
    assert_eq!(plan.format, "backlog");
    assert_eq!(
        shape(&plan),
        [
            "task-3.2 open held :2 < task-3.1",
            "task-1 done :2 < ",
            "task-2 open :2 < task-1",
            "task-3.1 open held :2 < task-2",
        ]
    );
    assert_eq!(codes(&plan), [("missing-dependency", 6)]);
    assert_eq!(plan.diagnostics[0].file.as_deref(), Some("b/tasks/task-3 - Bake.md"));
    assert_eq!(
        (plan.groups[0].title.as_str(), plan.groups[0].context.as_str()),
        ("Bake: all of it", "The oven is shared.")
    );
    assert_eq!(plan.groups[0].status, Some(PlanStatus::InProgress));
    let boxes: Vec<&str> = plan.ignored.iter().filter_map(|ignored| ignored.file.as_deref()).collect();
    assert!(!boxes.is_empty() && boxes.len() == plan.ignored.len(), "each says its file");
    assert!(boxes.contains(&"b/tasks/task-2 - Knead-the-dough.md"), "{boxes:?}");
}

#[test]
fn a_file_of_backlog_is_one_task() {
    let plan = read(sample!("backlog/tasks/task-2 - Knead-the-dough.md"), "backlog/tasks/task-2.md");
    assert_eq!(shape(&plan), ["task-2 open held :2 < "]);
    let task = &plan.tasks[0];
    assert_eq!(task.acceptance, ["It springs back", "It is smooth", "The table is clean"]);
    assert_eq!((task.own.agent.as_deref(), task.own.priority), (Some("baker"), Some(1)));
    assert_eq!(task.files[0].path, "recipes/dough.md");
    assert_eq!(task.missing, ["BREAD-1"]);
    let lines: Vec<u32> = plan.ignored.iter().map(|ignored| ignored.line).collect();
    assert_eq!(lines, [26, 27, 32, 33, 37]);
    let bad = read("---\nid: task-1\nstatus: [\n---\n", "backlog/tasks/task-1.md");
    assert!(bad.diagnostics.iter().any(|told| told.code == "bad-yaml" && told.place.line >= 3), "{bad:?}");
}

#[test]
fn code_tasks_go_by_their_names() {
    let plan = folder(&[
        ("c/task-01-sow.code-task.md", sample!("code-tasks/task-01-sow.code-task.md")),
        ("c/task-02-reap.code-task.md", sample!("code-tasks/task-02-reap.code-task.md")),
    ]);
    assert_eq!(shape(&plan), ["task-01-sow done :5 < ", "task-02-reap open :1 < "]);
    assert_eq!(plan.tasks[1].title, "Reap barley");
    assert_eq!(plan.diagnostics, []);
}

#[test]
fn rings_of_parents_do_not_hang() {
    let card = |id: &str, parent: &str| {
        format!("---\nid: {id}\ntitle: T\nstatus: To Do\nparent_task_id: {parent}\n---\n")
    };
    let (one, two, three) = (card("task-1", "task-2"), card("task-2", "task-1"), card("task-3", "task-3"));
    let plan = folder(&[("1.md", one.as_str()), ("2.md", two.as_str()), ("3.md", three.as_str())]);
    assert_eq!(plan.tasks.len(), 1);
}

#[test]
fn a_folder_chooses_its_plan() {
    let choice = |names: &[&str]| {
        plan::folder_choice(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    let one = |name: &str| FolderChoice::One(name.to_owned());
    let all = |names: &[&str]| FolderChoice::All(names.iter().map(|name| (*name).to_owned()).collect());
    assert_eq!(choice(&["plan.md", "tasks.json", "tasks.md"]), one("tasks.md"));
    assert_eq!(choice(&["stories.yaml", "tasks.json", "task_001.txt"]), one("tasks.json"));
    assert_eq!(choice(&["1.1.a.md", "stories.yaml"]), one("stories.yaml"));
    assert_eq!(choice(&["task_10.txt", "task_9.txt", "x.txt"]), all(&["task_9.txt", "task_10.txt"]));
    assert_eq!(
        choice(&["config.yml", "tasks/back-2 - B.md", "completed/back-1 - A.md", "tasks/readme.md"]),
        all(&["completed/back-1 - A.md", "tasks/back-2 - B.md"])
    );
    assert_eq!(choice(&["state.json", "tasks/tasks.json"]), one("tasks/tasks.json"));
    assert_eq!(choice(&["story-1.2-b.md", "1-1-a.md"]), all(&["1-1-a.md", "story-1.2-b.md"]));
    assert_eq!(
        choice(&["b.md", "a.png", "2026-01-02-x.md"]),
        FolderChoice::Candidates(vec!["2026-01-02-x.md".to_owned(), "b.md".to_owned()])
    );
}

#[test]
fn a_folder_may_hold_anything() {
    let none = folder(&[]);
    assert!(none.has_errors());
    let bytes = PlanFile { path: "x.md".to_owned(), bytes: b"\xff".to_vec() };
    let plan = plan::read_folder(&[bytes], &ReadOptions::default());
    assert!(plan.diagnostics.iter().any(|told| told.code == "not-utf8" && told.file.is_some()));
    let small = ReadOptions { max_size: 1, ..ReadOptions::default() };
    let file = PlanFile { path: "x.md".to_owned(), bytes: b"ab".to_vec() };
    assert_eq!(codes(&plan::read_folder(&[file], &small)), [("too-large", 0)]);
}

#[test]
fn what_its_own_tool_keeps_is_not_ticked() {
    let text = "# P\n\n- [ ] T001 One\n- [ ] T002 Two\n";
    for (format, ticked) in [("superpowers", false), ("execplan", false), ("ralph", false), ("generic", true)]
    {
        let plan = read_as(text, "p.md", |options| options.format = Some(format.to_owned()));
        assert_eq!(plan.tasks.len(), 2);
        assert!(plan.tasks.iter().all(|task| task.tick.is_some() == ticked), "{format}");
    }
}

#[test]
fn ralph_in_markdown_has_gates_for_every_story() {
    let plan = read(sample!("ralph/prd.md"), "tasks/prd.md");
    assert_eq!(plan.format, "ralph");
    assert_eq!(shape(&plan), ["US-001 done :13 < ", "US-002 open :20 < "]);
    let gates: Vec<(u32, &str)> =
        plan.defaults.verify.iter().map(|command| (command.line, command.text.as_str())).collect();
    assert_eq!(gates, [(6, "make lint"), (7, "make test")]);
    assert!(plan.tasks.iter().all(|task| task.tick.is_none()));
    let words = "# PRD\n\n## Quality Gates\n\n- `make lint` - style\n- look at `x`\n\nFor some:\n- `rm -r x`\n\n\
                 ## Stories\n\n### US-001: A\n\n### US-002: B\n";
    let plan = read(words, "prd.md");
    assert_eq!(plan.defaults.verify.len(), 1, "{:?}", plan.defaults.verify);
    assert!(plan.tasks.iter().all(|task| task.status == PlanStatus::Open));
    let plan = read(sample!("ralph/fix_plan.md"), "fix_plan.md");
    assert_eq!(plan.format, "ralph");
    assert_eq!(
        shape(&plan),
        [
            "mend-the-stairs open :4 < ",
            "clean-the-lens done :5 < ",
            "paint-the-door open :8 < mend-the-stairs",
            "plant-a-tree open :11 < paint-the-door",
            "open-the-tower done :14 < ",
        ]
    );
    assert_eq!(plan.groups[0].defaults.priority, Some(1));
}

#[test]
fn commands_in_json_are_told_and_not_run() {
    let text = "{\"verifyCommands\": [\"make\"],\n\"userStories\": [{\"id\": \"A\", \"title\": \"A\"}]}";
    let plan = read(text, "prd.json");
    assert_eq!((codes(&plan), plan.defaults.verify.len()), (vec![("checks-not-run", 1)], 0));
    assert!(plan.preamble.contains("`make`"));
}

#[test]
fn stories_that_say_what_they_wait_for_are_a_graph() {
    let text = "stories:\n  - id: \"1\"\n    title: A\n    status: done\n  - id: \"2\"\n    title: B\n  - id: \"3\"\n    \
                title: C\n    depends_on: [\"1\"]\n  - id: \"4\"\n    depends_on:\n      - \"3\"\n      - \"2\"\n";
    let plan = read(text, "sprint-status.yaml");
    assert_eq!(shape(&plan), ["1 done :2 < ", "2 open :5 < ", "3 open :7 < 1", "4 open :10 < 2 3"]);
}

proptest::proptest! {
    #[test]
    fn no_bytes_break_a_reader(
        text in "[-{}\\[\\]\":,a-c0-2 \n#\\\\é]{0,60}",
        before in proptest::sample::select(vec![
            "", "{\"tasks\": [", "{\"userStories\": [{", "# Task ID: ", "- id: ", "development_status:\n  ",
            "---\nid: 1\nstatus: x\n", "# Task ID: 1\n# Subtasks:\n## 1. a [b]\n",
        ]),
        name in proptest::sample::select(vec!["p.json", "p.yaml", "p.txt", "backlog/p.md", "p.code-task.md"]),
    ) {
        let text = format!("{before}{text}");
        let plan = read(&text, name);
        let lines = u32::try_from(text.lines().count()).unwrap() + 1;
        for task in &plan.tasks {
            proptest::prop_assert!((1..=lines).contains(&task.line), "{} of {}", task.line, lines);
            proptest::prop_assert!(task.tick.is_none() || plan.format != "taskmaster");
        }
        crate::diagnostics::render(name, &text, &plan.diagnostics, false);
        let file = PlanFile { path: name.to_owned(), bytes: text.into_bytes() };
        plan::read_folder(&[file.clone(), file], &ReadOptions::default());
    }
}
