//! check, status, runs, why, logs, report, state, schema: looking without touching.

use serde_json::Value;

use crate::project::Project;

const PLAN: &str = "\
# Login

**Agent**: Somebody

## Phase 1: Server

- [ ] T001 Create the table
  - **Agent**: command
  - **Command**: `echo made`
  - **Verify**: `true`
- [x] T002 Done before

## Phase 2: Guide

- [ ] T003 Write the guide
  - **Agent**: command
  - **Command**: `echo password=hunter2hunter2 API_KEY=sk-abcdefghijklmnopqrstuvwx; exit 4`
  - **Retries**: 0

## Definition of done

- [ ] Somebody read it
";

#[test]
fn check_shows_tasks_edges_commands_and_what_was_left_out_and_runs_nothing() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    for arguments in [&["check", "plan.md"][..], &["--plan", "plan.md", "--dry-run"][..]] {
        let ran = project.run(arguments).expect(0);
        for words in ["T001", "T003", ":7", "echo made", "wave 1", "wave 2", "left out", "T002", ":22"] {
            assert!(ran.stdout.contains(words), "no {words:?} in\n{}", ran.stdout);
        }
    }
    assert!(!project.has("plans"), "a check leaves nothing behind");
    let check = project.run(["check", "plan.md", "--output", "json"]).expect(0).json();
    assert_eq!(check["schema"], "plan-check/v1");
    assert_eq!(check["tasks"][0]["id"], "T001");
    assert_eq!(check["tasks"][0]["line"], 7);
    assert_eq!(check["tasks"][1]["status"], "done");
    let rules: Vec<&str> = check["edges"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|edge| edge["to"] == "T003")
        .map(|edge| edge["rule"].as_str().unwrap())
        .collect();
    assert!(rules.contains(&"barrier"), "{rules:?}");
    assert_eq!(check["ignored"][0]["line"], 22);
}

#[test]
fn check_draws_the_order_and_explains_itself() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    project.write("orchestrate.toml", "version = 1\n[run]\ntimeout = \"7m\"\n");
    let drawn = project.run(["check", "plan.md", "--graph", "text"]).expect(0);
    assert!(drawn.stdout.contains("T001") && drawn.stdout.contains("longest chain"), "{}", drawn.stdout);
    let chart = project.run(["check", "plan.md", "--graph", "mermaid"]).expect(0);
    assert!(chart.stdout.starts_with("flowchart TD\n") && chart.stdout.contains("==>"), "{}", chart.stdout);
    let graph = project.run(["check", "plan.md", "--graph", "dot"]).expect(0);
    assert!(graph.stdout.starts_with("digraph plan {\n"), "{}", graph.stdout);
    let refused = project.run(["check", "plan.md", "--graph", "dot", "--output", "json"]).expect(2);
    assert_eq!(refused.json()["schema"], "error/v1");
    let told = project.run(["check", "plan.md", "--explain"]).expect(0);
    for words in
        ["agent         command", "task's list :", "configuration `orchestrate.toml:3`", "T001 -> T003"]
    {
        assert!(told.stdout.contains(words), "no {words:?} in\n{}", told.stdout);
    }
    let check = project.run(["check", "plan.md", "--output", "json"]).expect(0).json();
    let origins = check["tasks"][0]["origins"].as_array().unwrap();
    let timeout = origins.iter().find(|origin| origin["field"] == "timeout").unwrap();
    assert_eq!((&timeout["from"], &timeout["value"]), (&"configuration".into(), &"7m".into()));
}

#[test]
fn diagrams_count_only_where_that_is_asked_for() {
    let project = Project::new();
    project.write(
        "plan.md",
        "- [ ] T001 a\n- [ ] T002 b\n\n```mermaid\ngraph TD\n  X[T002 b] --> Y[T001 a]\n```\n",
    );
    let edges = |arguments: &[&str]| {
        let check = project.run(arguments.iter().copied()).expect(0).json();
        (check["edges"][0]["from"].clone(), check["advice"][0]["stance"].clone())
    };
    let plain = edges(&["check", "plan.md", "--output", "json"]);
    assert_eq!(plain, ("T001".into(), "contradicts".into()));
    let used = edges(&["check", "plan.md", "--use-diagrams", "--output", "json"]);
    assert_eq!(used, ("T002".into(), "agrees".into()));
    let warned = project.run(["check", "plan.md"]).expect(0);
    assert!(warned.stderr.contains("the text puts `T002` before `T001`"), "{}", warned.stderr);
}

#[test]
fn check_tells_of_keys_in_the_plan_and_never_shows_them() {
    let project = Project::new();
    project.write(
        "plan.md",
        "# Keys\n\n- [ ] T1 A\n  - Agent: command\n  - Command: `true`\n  - use sk-abcdefghijklmnopqrstuvwx\n",
    );
    let ran = project.run(["check", "plan.md"]).expect(0);
    assert!(ran.stderr.contains("looks like a key"), "{}", ran.stderr);
    assert!(ran.stderr.contains("plan.md:6"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("ghijklmnop") && !ran.stdout.contains("ghijklmnop"), "{}", ran.stderr);
    let check = project.run(["check", "plan.md", "--output", "json"]).expect(0);
    assert!(!check.stdout.contains("ghijklmnop"), "{}", check.stdout);
    let codes = check.json()["diagnostics"].to_string();
    assert!(codes.contains("secret-in-plan"), "{codes}");
}

#[test]
fn check_names_the_variables_that_are_not_passed_on() {
    let mut project = Project::new();
    project.set("DEPLOY_TOKEN", "x").set("REDIS_URL", "redis://x").set("EDITOR", "vi");
    project.set("OPENAI_API_KEY", "x").set("GROQ_API_KEY", "x");
    project.write(
        "plan.md",
        "- [ ] T1 A\n  - Agent: command\n  - Command: `true`\n- [ ] T2 B\n  - Agent: opencode\n",
    );
    let shown = project.run(["check", "plan.md"]).expect(0).stdout;
    let line = |agent: &str| {
        let start = format!("  {agent} ");
        let (_, block) = shown.split_once("not passed on").expect("the block");
        block.lines().find(|line| line.starts_with(&start)).map(str::to_owned).unwrap_or_default()
    };
    assert!(line("command").contains("DEPLOY_TOKEN, GROQ_API_KEY, OPENAI_API_KEY, REDIS_URL"), "{shown}");
    assert!(line("opencode").ends_with("DEPLOY_TOKEN, REDIS_URL"), "{shown}");
    assert!(!shown.contains("EDITOR"), "{shown}");
}

#[test]
fn paths_are_told_from_where_one_stands() {
    let project = Project::new();
    project.write("plan.md", "- [ ] T1 A\n  - Agent: command\n  - Command: `true`\n");
    project.write("orchestrate.toml", "version = 1\n");
    project.write("sub/keep", "");
    let mut command = project.command(["--plan", "../plan.md"]);
    let ran = crate::project::Ran::of(&command.current_dir(project.root().join("sub")).output().unwrap());
    let ran = ran.expect(0);
    let line = ran.stderr.lines().find_map(|line| line.trim().strip_prefix("report")).expect("a report");
    assert!(project.root().join("sub").join(line.trim()).is_file(), "{line}");
}

#[test]
fn a_run_can_be_looked_at_from_all_sides() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    let ran = project.run(["--plan", "plan.md", "--no-tick"]).expect(1);
    let id = ran.run_id().to_owned();

    let status = project.run(["status"]).expect(0);
    assert!(status.stdout.contains("T003") && status.stdout.contains("exited"), "{}", status.stdout);
    let short = &id[..20];
    let by_prefix = project.run(["status", short, "--output", "json"]).expect(0).json();
    assert_eq!(by_prefix["run_id"], id);

    let runs = project.run(["runs"]).expect(0);
    assert!(runs.stdout.contains(&id), "{}", runs.stdout);

    let why = project.run(["why", "T003"]).expect(0);
    for words in ["T003", "exited", "process", "disagrees", "decides", "exit code 4", "orchestrate logs T003"]
    {
        assert!(why.stdout.contains(words), "no {words:?} in\n{}", why.stdout);
    }
    let _ = project.run(["why", "T004"]).expect(2).says("did you mean");

    let logs = project.run(["logs", "T003"]).expect(0);
    assert!(logs.stdout.contains("password"), "{}", logs.stdout);
    assert!(!logs.stdout.contains("hunter2") && !logs.stdout.contains("sk-abcdefgh"), "{}", logs.stdout);
    let _ = project.run(["logs", "T002"]).expect(2).says("why T002");

    let report = project.run(["report"]).expect(0);
    assert!(report.stdout.contains("T003") && report.stdout.starts_with('#'), "{}", report.stdout);
    let json = project.run(["report", "--as", "json"]).expect(0).json();
    assert_eq!(json["exit_code"], 1);
}

#[test]
fn the_state_is_readable_by_key_and_valid() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    let ran = project.run(["--plan", "plan.md", "--no-tick"]).expect(1);
    let list = project.run(["state", "list"]).expect(0);
    assert!(list.stdout.lines().any(|key| key == "root:task:T001:status"), "{}", list.stdout);
    assert!(list.stdout.lines().any(|key| key == "root:shared_state"), "{}", list.stdout);
    let record: Value = project.run(["state", "get", "task:T001:status"]).expect(0).json();
    for field in [
        "schema",
        "run_id",
        "task_id",
        "plan",
        "title",
        "status",
        "attempt",
        "agent",
        "model",
        "layer",
        "worker",
        "started_at",
        "updated_at",
        "heartbeat_at",
        "deadline_at",
        "revision",
        "fence",
        "verdict",
    ] {
        assert!(record.get(field).is_some(), "no {field} in {record}");
    }
    assert_eq!(record["status"], "succeeded");
    assert_eq!(record["run_id"], ran.run_id());
    let _ = project.run(["state", "verify"]).expect(0);
    let _ = project.run(["state", "get", "task:T009:status"]).expect(1).says("state list");
}

#[test]
fn schemas_are_printed_by_name() {
    let project = Project::new();
    let names = project.run(["schema"]).expect(0).stdout;
    for name in [
        "completion",
        "task-status",
        "task-report",
        "shared-state",
        "event",
        "run-result",
        "plan-check",
        "config",
    ] {
        assert!(names.lines().any(|known| known == name), "no {name} in\n{names}");
        let schema = project.run(["schema", name]).expect(0).json();
        assert!(schema.get("$schema").is_some(), "{name}");
    }
    let _ = project.run(["schema", "compeltion"]).expect(2).says("did you mean `completion`?");
}

#[test]
fn without_a_run_there_is_a_way_out() {
    let project = Project::new();
    for command in [&["status"][..], &["runs"], &["why", "T1"], &["resume"], &["wait"], &["report"]] {
        let _ = project.run(command).expect(2).says("orchestrate --plan");
    }
}

#[test]
fn reports_are_written_where_they_were_asked_for() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    let _ = project
        .run(["--plan", "plan.md", "--no-tick", "--report", "out/r.md", "--report", "out/r.json"])
        .expect(1);
    assert!(project.read("out/r.md").contains("T003"));
    let json: Value = serde_json::from_str(&project.read("out/r.json")).unwrap();
    assert_eq!(json["schema"], "run-result/v1");
}

#[test]
fn a_reader_that_goes_away_ends_the_printing_and_not_the_run() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    let mut child = project.spawn(["--plan", "plan.md", "--no-tick", "--output", "ndjson"]);
    drop(child.stdout.take());
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let status = project.run(["status", "--output", "json"]).expect(0).json();
    assert_eq!(status["tasks"][2]["failure"], "exited");
}

#[test]
fn a_secret_in_a_plan_is_masked_and_the_document_stays_one() {
    let mut project = Project::new();
    project.set("OPENAI_API_KEY", "sk-hidden");
    project.write("plan.md", "- [ ] T001 One\n  - Agent: command\n  - Command: `API_KEY=abcdefgh12345678`\n");
    let ran = project.run(["check", "plan.md", "--output", "json"]).expect(0);
    assert!(!ran.stdout.contains("abcdefgh12345678"), "{}", ran.stdout);
    let check = ran.json();
    assert_eq!(check["commands"][0]["task"], "T001");
    assert_eq!(check["withheld"]["command"], serde_json::json!(["OPENAI_API_KEY"]));
}
