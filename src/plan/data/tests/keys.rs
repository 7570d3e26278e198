//! Keys and names as tools and people write them.

use super::folder;
use super::read;
use super::shape;
use crate::model::task::HeldReason;
use crate::plan;
use crate::plan::FolderChoice;

#[test]
fn dependencies_are_named_in_many_ways() {
    let plan = read(
        r##"{"tasks": [
{"id": 1, "title": "Keel", "subtasks": [
  {"id": 1, "title": "Oak"},
  {"id": "1.2", "title": "Saw", "dependencies": ["1.1"]},
  {"id": 3, "title": "Plane", "dependencies": [1.2]},
  {"id": 4, "title": "Lay", "dependencies": ["TASK-3"]}]},
{"id": 2, "name": "Mast", "dependsOn": "Task 1, 1.1"},
{"id": 3, "title": "Sail", "depends_on": ["#2"], "blockedBy": null},
{"id": 4, "title": "Crew", "blocked_by": ["none"], "dependencies": []},
{"id": 5, "title": "Port", "dependencies": ["TASK-9", "PORT-2"]}
]}"##,
        "tasks/tasks.json",
    );
    assert_eq!(
        shape(&plan),
        [
            "1.1 open :3 < ",
            "1.2 open :4 < 1.1",
            "1.3 open :5 < 1.2",
            "1.4 open :6 < 1.3",
            "2 open :7 < 1.1 1.4",
            "3 open :8 < 2",
            "4 open :9 < ",
            "5 open held :10 < ",
        ]
    );
    assert_eq!(plan.tasks[4].title, "Mast");
    assert_eq!(plan.tasks[7].held.len(), 2);
}

#[test]
fn keys_that_nobody_knows_are_told_to_the_agent() {
    let text = r#"{"project": "Ship", "userStories": [
{"id": "US-1", "title": "Bell", "acceptance_criteria": ["It rings"], "passes": false, "test_file": "t/bell.rs",
 "files": ["src/bell.rs", "/etc/passwd", "a b"], "steps": ["Cast", "Hang"], "estimate": 3, "meta": {"x": 1}},
{"id": "US-2", "title": "Rope", "depends_on": ["US-1"], "passes": false, "completionNotes": ""}]}"#;
    let plan = read(text, "prd.json");
    let bell = &plan.tasks[0];
    assert_eq!(bell.acceptance, ["It rings"]);
    assert_eq!(
        bell.body,
        "**Acceptance criteria**: - It rings\n\n**Test file**: t/bell.rs\n\n**Files**:\n- src/bell.rs\n- /etc/passwd\n- a b\n\n\
         **Steps**:\n- Cast\n- Hang"
    );
    let files: Vec<&str> = bell.files.iter().map(|claim| claim.path.as_str()).collect();
    assert_eq!(files, ["src/bell.rs"]);
    assert_eq!(shape(&plan), ["US-1 open :2 < ", "US-2 open :4 < US-1"]);
}

#[test]
fn a_list_of_nothing_is_no_graph_of_stories() {
    let plan = read(
        r#"{"userStories": [
{"id": "US-1", "title": "Bell", "priority": 2, "dependencies": []},
{"id": "US-2", "title": "Rope", "priority": 1, "dependencies": []}]}"#,
        "prd.json",
    );
    assert_eq!(shape(&plan), ["US-2 open :3 < ", "US-1 open :2 < US-2"]);
}

#[test]
fn the_numbered_files_of_an_epic_are_its_tasks() {
    let task = |name: &str, more: &str| {
        format!("---\nname: {name}\n{more}---\n\n# Task: {name}\n\n## Acceptance Criteria\n- [ ] It holds\n")
    };
    let files = [
        (".claude/epics/dam/001.md", task("Dig", "status: closed\ndepends_on: []\nparallel: true\n")),
        (".claude/epics/dam/002.md", task("Pour", "status: open\ndepends_on: [001]\nparallel: false\n")),
        (
            ".claude/epics/dam/010.md",
            task("Fill", "status: open\ndepends_on: [\"002\", 1]\nparallel: true\n"),
        ),
        (".claude/epics/dam/011.md", task("Fish", "status: open\ndepends_on: none\n")),
    ];
    let texts: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let plan = folder(&texts);
    assert_eq!(
        shape(&plan),
        ["001 done :2 < ", "002 open :2 < 001", "010 open :2 < 001 002", "011 open :2 < "]
    );
    assert_eq!(
        plan.tasks.iter().map(|task| task.parallel).collect::<Vec<_>>(),
        [Some(true), Some(false), Some(true), None]
    );
    assert_eq!(plan.tasks[1].acceptance, ["It holds"]);
    assert!(plan.diagnostics.is_empty(), "{:?}", plan.diagnostics);
    let names: Vec<String> = ["epic.md", "002.md", "001.md", "001-analysis.md"].map(str::to_owned).to_vec();
    let all = ["001.md", "002.md"].map(str::to_owned).to_vec();
    assert_eq!(plan::folder_choice(&names), FolderChoice::All(all));
    // Alone it is one task, and what it waits for is told.
    let one = read(&files[1].1, files[1].0);
    assert_eq!((one.tasks[0].title.as_str(), one.tasks[0].id.as_str()), ("Pour", "002"));
    assert_eq!(one.tasks[0].held, [HeldReason::MissingDependency("1".to_owned())]);
}
