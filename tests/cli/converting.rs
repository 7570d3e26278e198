//! `convert` and `fmt`: any plan as a native one, and key lists in canonical form.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use crate::project::{Project, Ran};

/// A plan as spec-kit has them, with a step, a hostile text, and a dependency that is not of this plan.
const TASKS: &str = "# Tasks: Shop\n\nWords.\n\n## Phase 1: Setup\n\n- [x] T001 Create the tables\n- [ ] T002 [P] Hash passwords\n- [ ] T003 [P] Issue tokens (depends on T001, BACK-7)\n\n## Phase 2: Review (Priority: P2)\n\n\
- [ ] T004 Read it\n  - agent: kilo\n  - [ ] a step\n\n    ```md\n    ## No heading\n    - [ ] T009 no task\n    ```\n- [~] T005 Write it\n";

/// A native list with all that is to be put right, and much that is not to be touched.
const LOOSE: &str = "\u{feff}# Login\r\n\r\n- [ ] T001 Make it  \r\n  * timeout: 1200\t\r\n  * Colour: red\r\n  * Depends_on: none\r\n  * agent: kilo\r\n\r\n  Text   with  blanks\t\r\n\r\n  - Files: not, of the list\r\n- [ ] T002 Then it\n  - files: src/a.rs,src/b.rs\n  - owner: cline <!-- kept -->\n\n<!-- - agent: x -->\n| a | b |\n|---|---|\n| timeout: 1 | 2 |";

/// What it is to be.
const TIGHT: &str = "\u{feff}# Login\r\n\r\n- [ ] T001 Make it  \r\n  * **Depends on**: none\r\n  * Colour: red\r\n  * **Agent**: kilo\r\n  * **Timeout**: 20m\t\r\n\r\n  Text   with  blanks\t\r\n\r\n  - **Files**: not, of the list\r\n- [ ] T002 Then it\n  - owner: cline <!-- kept -->\n  - **Files**: `src/a.rs`, `src/b.rs`\n\n<!-- - agent: x -->\n| a | b |\n|---|---|\n| timeout: 1 | 2 |";

fn with_input(project: &Project, arguments: &[&str], input: &str) -> Ran {
    let mut command = project.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::of(&child.wait_with_output().unwrap())
}

/// What a check says of tasks and edges.
fn said(document: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for task in document["tasks"].as_array().unwrap() {
        let keys = ["id", "title", "status", "held", "agent", "depends_on", "files", "verify"];
        let said: Vec<String> = keys.iter().map(|key| format!("{key}={}", task[*key])).collect();
        lines.push(said.join(" "));
    }
    for edge in document["edges"].as_array().unwrap() {
        lines.push(format!("{}>{}", edge["from"], edge["to"]));
    }
    lines
}

#[test]
fn a_converted_plan_is_checked_as_the_same_plan() {
    let project = Project::new();
    project.write("tasks.md", TASKS);
    let native = project.run(["convert", "tasks.md"]).expect(0).stdout;
    assert!(native.starts_with("---\norchestrate:\n  format: native\n"), "{native}");
    assert!(native.contains("- [ ] T002 Hash passwords\n  - **Parallel**: yes\n"), "{native}");
    let before = project.run(["check", "tasks.md", "--output", "json"]).json();
    let after = with_input(&project, &["check", "-", "--output", "json"], &native).json();
    assert_eq!(said(&before), said(&after), "{native}");
    assert_eq!(after["format"], "native");
    // And once more it is the same text.
    assert_eq!(with_input(&project, &["convert", "-"], &native).expect(0).stdout, native);
}

#[test]
fn a_converted_plan_is_written_over_nothing_unasked() {
    let project = Project::new();
    project.write("tasks.md", TASKS);
    project.write("there.md", "mine\n");
    let ran = project.run(["convert", "tasks.md", "--to", "new.md"]).expect(0).says("wrote new.md");
    assert_eq!(ran.stdout, "");
    let _ =
        project.run(["convert", "tasks.md", "--to", "there.md"]).expect(2).says("there.md").says("--force");
    assert_eq!(project.read("there.md"), "mine\n");
    let _ = project.run(["convert", "tasks.md", "--to", "there.md", "--force"]).expect(0);
    assert_eq!(project.read("there.md"), project.read("new.md"));
    let document = project.run(["convert", "tasks.md", "--output", "json"]).expect(0).json();
    assert_eq!(document["schema"], "plan-conversion/v1");
    assert_eq!(document["text"], project.read("new.md"));
    assert_eq!(document["lost"], serde_json::json!([]));
    let _ = project.run(["convert", "tasks.md", "--force"]).expect(2);
}

#[test]
fn secrets_are_kept_in_the_file_and_printed_nowhere_else() {
    let project = Project::new();
    let secret = format!("sk-{}", "a1B2c3D4e5".repeat(4));
    project.write("plan.md", format!("- [ ] T001 Use it\n  - timeout: 60\n\n  The key is {secret}.\n"));
    let ran = project.run(["convert", "plan.md"]).expect(0);
    assert!(ran.stdout.contains(&secret) && !ran.stderr.contains(&secret));
    let ran = project.run(["convert", "plan.md", "--to", "b.md"]).expect(0);
    assert!(project.read("b.md").contains(&secret) && !ran.stderr.contains(&secret));
    let ran = project.run(["fmt", "plan.md"]).expect(0);
    assert!(project.read("plan.md").contains(&secret) && !ran.stderr.contains(&secret));
}

#[test]
fn plans_with_mistakes_are_left_as_they_are() {
    let project = Project::new();
    let text = "- [ ] T001 a\n  - timeout: soon\n- [ ] T002 b\n  - agent: kilo\n";
    project.write("plan.md", text);
    for command in ["convert", "fmt"] {
        let _ = project.run([command, "plan.md"]).expect(3).says("plan.md:2").says("soon");
        let document = project.run([command, "plan.md", "--output", "json"]).expect(3).json();
        assert_eq!(document["diagnostics"][0]["code"], "bad-value");
        let _ = project.run([command, "missing.md"]).expect(3).says("missing.md");
    }
    assert_eq!(project.read("plan.md"), text);
}

#[test]
fn key_lists_alone_are_changed() {
    let project = Project::new();
    project.write("plan.md", LOOSE);
    let shown = project.run(["fmt", "--check", "plan.md"]).expect(1).stdout;
    assert!(shown.contains("-  * timeout: 1200") && shown.contains("+  * **Timeout**: 20m"), "{shown}");
    assert_eq!(project.read("plan.md"), LOOSE);
    let piped = with_input(&project, &["fmt", "-"], LOOSE).expect(0).stdout;
    assert_eq!(piped, TIGHT);
    let document = project.run(["fmt", "plan.md", "--output", "json"]).expect(0).json();
    assert_eq!(document["schema"], "plan-format/v1");
    assert_eq!(document["plans"][0]["changed"], serde_json::json!([4, 11, 13]));
    assert_eq!(project.read("plan.md"), TIGHT);
    assert_eq!(project.run(["fmt", "--check", "plan.md"]).expect(0).stdout, "");
    let _ = project.run(["fmt"]).expect(2);
}

#[test]
fn what_another_tool_writes_is_left_to_it() {
    let project = Project::new();
    let text = "# Plan\n\n> REQUIRED SUB-SKILL: superpowers:executing-plans\n\n### Task 1: A\n\n- timeout: 60\n\n### Task 2: B\n\n- agent: kilo\n";
    project.write("plan.md", text);
    let _ = project
        .run(["fmt", "plan.md", "--format", "superpowers"])
        .expect(0)
        .says("nothing to do in plan.md: it is a plan of superpowers");
    assert_eq!(project.read("plan.md"), text);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_rights_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new();
    let file = project.write("deep/plan.md", "- [ ] T001 a\n  - agent: kilo\n");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("deep/plan.md", project.root().join("link.md")).unwrap();
    let _ = project.run(["fmt", "link.md"]).expect(0);
    assert_eq!(project.read("deep/plan.md"), "- [ ] T001 a\n  - **Agent**: kilo\n");
    assert!(std::fs::symlink_metadata(project.root().join("link.md")).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let others = std::fs::read_dir(project.root().join("deep")).unwrap().count();
    assert_eq!(others, 1, "nothing is left beside the plan");
}
