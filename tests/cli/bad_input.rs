//! Bad input: the right exit code, a message with a place and a way out, nothing run, nothing half
//! written.

use crate::project::{Project, Ran};

const TASK: &str = "- [ ] T001 One\n  - Agent: command\n  - Command: `touch ran`\n";

#[track_caller]
fn refused(project: &Project, arguments: &[&str], code: i32) -> Ran {
    let ran = project.run(arguments).expect(code);
    assert!(!project.has("ran"), "something was run");
    assert!(!project.has("plans/agent-shared/runs"), "a run was begun");
    ran
}

#[test]
fn a_plan_that_is_not_there() {
    let project = Project::new();
    project.write("plans/phase3.md", TASK);
    let _ = refused(&project, &["--plan", "phase4.md"], 3)
        .says("phase4.md")
        .says("plans/agent-shared")
        .says("phase3.md");
}

#[test]
fn an_empty_plan() {
    let project = Project::new();
    project.write("plan.md", "");
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("plan.md").says("no task");
}

#[test]
fn a_plan_without_tasks_names_the_boxes_that_it_saw() {
    let project = Project::new();
    project.write("plan.md", "# P\n\n## Acceptance criteria\n\n- [ ] It works\n");
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("5").says("--boxes all");
}

#[test]
fn a_binary_file() {
    let project = Project::new();
    project.write("plan.md", b"\x7fELF\x02\x01\x01\x00\xff\xfe");
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("plan.md").says("UTF-8");
}

#[test]
fn a_plan_of_more_than_eight_mebibytes() {
    let project = Project::new();
    project.write("plan.md", format!("{TASK}\n{}", "x".repeat(9 << 20)));
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("--max-plan-size");
    let _ = project.run(["--plan", "plan.md", "--max-plan-size", "16MiB"]).expect(0);
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_anything_runs() {
    let project = Project::new();
    project.write("plan.md", "- [ ] T001 One\n  - Agent: command\n  - Command: `touch ran`\n");
    project.write("file", "");
    let refused = refused(&project, &["--plan", "plan.md", "--report", "file/r.json"], 2).says("--report");
    assert!(refused.stderr.contains("file/r.json"), "{}", refused.stderr);
    assert!(!project.has("ran"));
}

#[test]
fn a_cycle_names_its_ring() {
    let project = Project::new();
    project.write("plan.md", "- [ ] T001 A\n  - Depends on: T002\n- [ ] T002 B\n  - Depends on: T001\n");
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("T001").says("T002").says("plan.md:");
}

#[test]
fn an_unknown_dependency_suggests_the_near_one() {
    let project = Project::new();
    project.write("plan.md", format!("{TASK}- [ ] T002 Two\n  - **Depends on**: T00x\n"));
    // It holds the task that waits for it, and stops no other.
    let checked = project
        .run(["check", "plan.md"])
        .expect(0)
        .says("plan.md:5:")
        .says("T00x")
        .says("did you mean `T001`?")
        .says("--assume-done");
    assert!(checked.stdout.contains("2 tasks: 1 to run, 1 held"), "{}", checked.stdout);
}

#[test]
fn the_same_id_twice_shows_both_lines() {
    let project = Project::new();
    project.write("plan.md", "- [ ] T001 One\n- [ ] T001 Two\n");
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("T001").says("plan.md:2:");
}

#[test]
fn a_bad_duration() {
    let project = Project::new();
    project.write("plan.md", format!("{TASK}  - Timeout: soon\n"));
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("plan.md:4:").says("soon").says("20m");
    let _ = refused(&project, &["--plan", "plan.md", "--timeout", "soon"], 2).says("soon");
}

#[test]
fn several_mistakes_are_all_told() {
    let project = Project::new();
    project.write(
        "plan.md",
        "- [ ] T001 A\n  - Timeout: soon\n- [ ] T002 B\n  - Retries: many\n- [ ] T003 C\n  - Depends on: T009\n",
    );
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("soon").says("many").says("T009");
}

#[test]
fn an_unknown_agent_is_a_warning_with_a_suggestion_and_an_unknown_option_an_error() {
    let project = Project::new();
    project.write("plan.md", "- [ ] T001 One\n  - Agent: comand\n  - Command: `touch ran`\n");
    let ran = project.run(["check", "plan.md"]).expect(0);
    assert!(ran.stderr.contains("did you mean `command`?"), "{}", ran.stderr);
    let _ = refused(&project, &["--plan", "plan.md", "--agent", "comand"], 2).says("did you mean `command`?");
}

#[test]
fn a_configuration_with_an_unknown_key() {
    let project = Project::new();
    project.write("orchestrate.toml", "version = 1\n\n[run]\njbos = 3\n");
    project.write("plan.md", TASK);
    let _ = refused(&project, &["--plan", "plan.md"], 3)
        .says("orchestrate.toml:4:1")
        .says("jbos")
        .says("did you mean `jobs`?");
}

#[test]
fn a_state_folder_that_cannot_be_made() {
    let project = Project::new();
    project.write("plan.md", TASK);
    project.write("plans/agent-shared", "a file stands in the way");
    let ran = project.run(["--plan", "plan.md"]).expect(6);
    assert!(!project.has("ran"));
    let _ = ran.says("agent-shared").says("help:");
}

#[test]
fn a_journal_that_is_none() {
    let project = Project::new();
    project.write("plan.md", TASK);
    project.write(
        "plans/agent-shared/orchestrate.db",
        "this is no database, whatever its name says ".repeat(60),
    );
    let ran = project.run(["--plan", "plan.md"]).expect(6);
    assert!(!project.has("ran"));
    let _ = ran.says("orchestrate.db");
}

#[test]
fn an_agent_that_is_not_installed_ends_with_the_environments_code() {
    let project = Project::new();
    project.write("plan.md", "- [ ] T001 One\n  - Agent: nobody\n");
    project.write(
        "orchestrate.toml",
        "version = 1\n[agents.nobody]\nprogram = \"surely-not-installed-anywhere\"\n",
    );
    let _ = refused(&project, &["--plan", "plan.md"], 5).says("nobody");
}

#[test]
fn wrong_use_of_the_command_line() {
    let project = Project::new();
    project.write("plan.md", TASK);
    let _ = refused(&project, &["plan.md"], 2).says("orchestrate --plan plan.md");
    let _ = refused(&project, &["--plan", "plan.md", "--jbos", "3"], 2).says("--jobs");
    let _ = refused(&project, &["--plan", "plan.md", "--jobs", "0"], 2).says("jobs");
    let _ = refused(&project, &["--plan", "plan.md", "--only", "T002"], 2).says("T002");
}

#[test]
fn nothing_to_run() {
    let project = Project::new();
    project.write("plan.md", "- [x] T001 One\n");
    let _ = refused(&project, &["--plan", "plan.md"], 4).says("nothing to run");
}

#[test]
fn errors_have_a_document_of_their_own() {
    let project = Project::new();
    project.write("plan.md", "- [ ] T001 A\n  - Timeout: soon\n");
    let ran = refused(&project, &["--plan", "plan.md", "--output", "json"], 3);
    let document = ran.json();
    assert_eq!(document["schema"], "error/v1");
    assert_eq!(document["exit_code"], 3);
    assert_eq!(document["diagnostics"][0]["line"], 2);
    let ran = refused(&project, &["--plan", "nowhere.md", "--output", "json"], 3);
    assert!(ran.json()["message"].as_str().unwrap().contains("nowhere.md"));
}

#[test]
fn a_redis_that_cannot_be_used_is_refused_before_anything_runs() {
    let project = Project::new();
    project.write("plan.md", TASK);
    let ran = refused(&project, &["--plan", "plan.md", "--redis", "redis://me:s3cr3t@127.0.0.1:1"], 6);
    let ran = ran.says("redis://me:***@127.0.0.1:1").says("cannot be reached").says("required = false");
    assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    for (url, code, words) in [
        ("redis-cluster://h", 2, "several keys"),
        ("redis+sentinel://h/main", 2, "Sentinel"),
        ("http://h", 2, "no kind of Redis address"),
    ] {
        let _ = refused(&project, &["--plan", "plan.md", "--redis", url], code).says(words);
    }
    project.write("orchestrate.toml", "version = 1\n[redis]\nurl = \"redis+cluster://h\"\n");
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("orchestrate.toml:3").says("several keys");
}

/// Sixty megabytes, a file without end, a pipe that nobody writes into: refused, and not waited for.
#[cfg(unix)]
#[test]
fn what_has_no_end_is_refused() {
    let project = Project::new();
    std::fs::File::create(project.root().join("large.md")).unwrap().set_len(60 << 20).unwrap();
    let _ = refused(&project, &["--plan", "large.md"], 3).says("--max-plan-size");
    let _ = refused(&project, &["--plan", "/dev/zero"], 3).says("neither a file nor a folder");
    let made = std::process::Command::new("mkfifo").arg(project.root().join("pipe.md")).status().unwrap();
    assert!(made.success());
    let _ = refused(&project, &["--plan", "pipe.md"], 3).says("neither a file nor a folder");
    // What stands beside a plan is no more waited for than the plan itself.
    project.write("t/tasks/tasks.json", r#"{"tasks": [{"id": 1, "title": "A"}]}"#);
    let made =
        std::process::Command::new("mkfifo").arg(project.root().join("t/state.json")).status().unwrap();
    assert!(made.success());
    let _ = project.run(["check", "t/tasks/tasks.json"]).expect(0);
}

#[test]
fn documents_of_tasks_are_together_no_larger_than_a_plan() {
    let project = Project::new();
    project.write("plans/TASK_LONG.md", "x".repeat(3 << 20));
    let row = |number: usize| format!("### Task {number}: Do it\n\n- **File**: plans/TASK_LONG.md\n\n");
    project.write("plan.md", format!("# P\n\n{}", (1..=4).map(row).collect::<String>()));
    let _ = refused(&project, &["--plan", "plan.md"], 3).says("larger than a plan may be");
}
