//! Folders and data files as plans, by the whole program.

use crate::custom_agents::acme;
use crate::project::Project;

fn card(id: &str, status: &str, dependencies: &str) -> String {
    format!(
        "---\nid: {id}\ntitle: Title of {id}\nstatus: {status}\ndependencies: [{dependencies}]\n---\n\n\
         ## Acceptance Criteria\n<!-- AC:BEGIN -->\n- [ ] #1 It works\n<!-- AC:END -->\n"
    )
}

fn backlog(project: &Project) {
    project.write("backlog/config.yml", "project_name: x\n");
    project.write("backlog/completed/task-1 - One.md", card("task-1", "Done", ""));
    project.write("backlog/tasks/task-2 - Two.md", card("task-2", "To Do", "task-1"));
    project.write("backlog/tasks/task-3 - Three.md", card("task-3", "To Do", "task-2, task-9"));
}

#[test]
fn a_backlog_is_read_as_a_whole() {
    let project = Project::new();
    backlog(&project);
    let checked = project.run(["check", "backlog", "--output", "json"]).expect(0).json();
    assert_eq!(checked["format"], "backlog");
    let tasks: Vec<&str> =
        checked["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["task-1", "task-2", "task-3"]);
    let told = &checked["diagnostics"][0];
    assert_eq!((told["code"].as_str(), told["line"].as_u64()), (Some("missing-dependency"), Some(5)));
    assert!(told["file"].as_str().unwrap().ends_with("backlog/tasks/task-3 - Three.md"), "{told}");
    // The caret stands in the file that it is about.
    let _ =
        project.run(["check", "backlog"]).expect(0).says("task-3 - Three.md:5").says("dependencies: [task-2");
}

#[test]
fn a_folder_runs_and_stays_as_it_was() {
    let project = acme("version = 1\n\n[agents.acme]\nprogram = \"acme\"\nargs = [\"{prompt}\"]\n");
    backlog(&project);
    let before = project.read("backlog/tasks/task-2 - Two.md");
    let scripts = project.root().parent().unwrap().join("scripts");
    std::fs::write(scripts.join("task-2.1"), "pass").unwrap();
    let ran = project.run(["--plan", "backlog", "--only", "task-2", "--agent", "acme", "--output", "json"]);
    let result = ran.expect(0).json();
    let two = result["tasks"].as_array().unwrap().iter().find(|task| task["id"] == "task-2").unwrap().clone();
    assert_eq!(two["status"], "succeeded", "{two}");
    assert_eq!(project.read("backlog/tasks/task-2 - Two.md"), before);
}

#[test]
fn the_tag_of_task_master_is_the_current_one_or_the_one_that_is_asked_for() {
    let project = Project::new();
    let task = |id: &str| format!("{{\"tasks\": [{{\"id\": \"{id}\", \"title\": \"T\"}}]}}");
    let text = format!("{{\"master\": {}, \"later\": {}, \"last\": {}}}", task("a"), task("b"), task("c"));
    project.write(".taskmaster/tasks/tasks.json", text);
    let first = |arguments: &[&str]| {
        let checked =
            project.run([&["check", ".taskmaster", "--output", "json"], arguments].concat()).expect(0);
        checked.json()["tasks"][0]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(first(&[]), "a");
    project.write(".taskmaster/state.json", "{\"currentTag\": \"later\"}");
    assert_eq!(first(&[]), "b");
    assert_eq!(first(&["--tag", "last"]), "c");
    let _ = project.run(["check", ".taskmaster", "--tag", "lats"]).expect(3).says("did you mean `last`?");
}

#[test]
fn a_folder_without_a_plan_lists_what_might_be_one() {
    let project = Project::new();
    project.write("docs/a.md", "# A\n");
    let _ = project.run(["--plan", "docs"]).expect(3).says("docs/a.md");
}

#[test]
fn a_file_of_a_folder_that_is_changed_meanwhile_is_told() {
    let project = Project::new();
    project.write("backlog/tasks/task-1 - One.md", card("task-1", "Done", ""));
    let plan = "- [ ] T1 Writes\n  - Agent: command\n  - Command: `echo more >> backlog/tasks/*One.md`\n\
                - [ ] T2 Next\n  - Agent: command\n  - Command: `true`\n";
    project.write("plan.md", plan);
    let ran = project.run(["--plan", "plan.md", "--plan", "backlog", "--output", "ndjson"]).expect(0);
    let told = ran.stdout.lines().filter(|line| line.contains("\"kind\":\"plan_changed\"")).count();
    assert_eq!(told, 1, "{}", ran.stdout);
}

#[test]
fn the_folder_that_one_is_in_has_a_name() {
    let project = Project::new();
    backlog(&project);
    let checked = project.run(["check", "."]).expect(0).says("--> backlog/tasks/task-3 - Three.md:5");
    assert!(checked.stdout.starts_with(".   backlog ("), "{}", checked.stdout);
    // Boxes of its files are told with the file.
    assert!(checked.stdout.contains("Two.md:10    1 box, acceptance"), "{}", checked.stdout);
    let document = project.run(["check", ".", "--output", "json"]).expect(0).json();
    assert_eq!(document["ignored"][0]["file"], "backlog/completed/task-1 - One.md", "{document}");
}

#[test]
fn a_folder_of_more_files_than_are_looked_at_is_refused() {
    let project = Project::new();
    for number in 1..=10_001 {
        project.write(&format!("tasks/task-{number} - T.md"), "");
    }
    let _ = project.run(["check", "."]).expect(3).says("more than 10000 entries");
}
