//! The main job: a plan goes in, its tasks run in order and beside each other, the result is true.

use serde_json::Value;

use crate::project::Project;

const PLAN: &str = "\
# Build it

## Phase 1: Parts

### Task 1: Left part

- **Agent**: command
- **Command**: `printf left > left.txt`
- **Files**: create `left.txt`

### Task 2: Right part

- **Agent**: command
- **Depends on**: none
- **Command**: `printf right > right.txt`

## Phase 2: Whole

### Task 3: Join them

- **Agent**: command
- **Command**: `cat left.txt right.txt > whole.txt`
- **Verify**: `grep -q leftright whole.txt`
";

#[test]
fn a_plan_runs_to_its_end_and_leaves_evidence() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    let ran = project.run(["--plan", "plan.md"]).expect(0);
    let run = ran.run_id();
    assert_eq!(run.len(), 26, "a run id is a ULID");
    assert_eq!(project.read("whole.txt"), "leftright");
    let folder = format!("plans/agent-shared/runs/{run}");
    assert!(project.has(&format!("{folder}/plan.md")));
    assert!(project.has(&format!("{folder}/report.md")));
    for task in 1..=3 {
        let completion: Value =
            serde_json::from_str(&project.read(&format!("{folder}/tasks/{task}/1/completion.json"))).unwrap();
        assert_eq!(completion["schema"], "completion/v1");
        assert_eq!(completion["status"], "succeeded");
        assert_eq!(completion["source"], "supervisor");
        assert_eq!(completion["run_id"], run);
    }
    let events = project.read(&format!("{folder}/tasks/3/1/events.ndjson"));
    let kinds: Vec<Value> =
        events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].clone()).collect();
    assert_eq!(kinds, ["attempt_started", "verification_started", "attempt_ended"]);
    assert_eq!(project.read("plan.md"), PLAN, "headings have no box to tick");
}

#[test]
fn the_json_result_is_one_document_with_the_promised_fields() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let result = ran.json();
    assert_eq!(result["schema"], "run-result/v1");
    assert_eq!(result["run_id"], ran.run_id());
    assert_eq!(result["plan"], "plan.md");
    assert_eq!(result["status"], "succeeded");
    assert_eq!(result["exit_code"], 0);
    assert_eq!(result["counts"]["succeeded"], 3);
    let ids: Vec<&str> =
        result["tasks"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let attempt = &result["tasks"][2]["attempts"][0];
    assert_eq!(attempt["agent"], "command");
    assert_eq!(attempt["layer"], Value::Null);
    let verify = attempt["witnesses"]
        .as_array()
        .unwrap()
        .iter()
        .find(|witness| witness["name"] == "verify")
        .expect("the verify witness is listed");
    assert_eq!(verify["agrees"], true);
}

#[test]
fn ndjson_is_one_valid_event_a_line_in_order() {
    let project = Project::new();
    project.write("plan.md", PLAN);
    let ran = project.run(["--plan", "plan.md", "--output", "ndjson"]).expect(0);
    let events: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (place, event) in events.iter().enumerate() {
        assert_eq!(event["schema"], "event/v1");
        assert_eq!(event["seq"], place + 1);
        assert_eq!(event["run_id"], ran.run_id());
    }
    assert_eq!(events.first().unwrap()["kind"], "run_started");
    assert_eq!(events.last().unwrap()["kind"], "run_ended");
    let place = |kind: &str, task: &str| {
        events.iter().position(|event| event["kind"] == kind && event["task_id"] == task).unwrap()
    };
    assert!(place("task_succeeded", "1") < place("attempt_started", "3"));
    assert!(place("task_succeeded", "2") < place("attempt_started", "3"));
}

#[test]
fn a_box_is_ticked_when_its_task_succeeded_and_only_then() {
    let project = Project::new();
    let plan = "# P\r\n\r\n- [ ] T001 Good\r\n  - Agent: command\r\n  - Command: `true`\r\n\
                - [ ] T002 Bad\r\n  - Agent: command\r\n  - Command: `exit 3`\r\n  - Retries: 0\r\n";
    project.write("plan.md", plan);
    let _ = project.run(["--plan", "plan.md"]).expect(1);
    assert_eq!(project.read("plan.md"), plan.replacen("[ ]", "[x]", 1));
    // The ticked one is not run again.
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(1);
    assert_eq!(ran.json()["tasks"][0]["status"], "skipped");
}

#[test]
fn a_plan_that_is_changed_meanwhile_is_told_and_not_read() {
    let project = Project::new();
    let plan = "- [ ] T1 Writes\n  - Agent: command\n  - Command: `echo '- [ ] T3 More' >> plan.md`\n\
                - [ ] T2 Next\n  - Agent: command\n  - Command: `true`\n";
    project.write("plan.md", plan);
    let ran = project.run(["--plan", "plan.md", "--output", "ndjson"]).expect(0);
    let told = ran.stdout.lines().filter(|line| line.contains("\"kind\":\"plan_changed\"")).count();
    assert_eq!(told, 1, "{}", ran.stdout);
    assert!(ran.stderr.contains("plan.md was changed"), "{}", ran.stderr);
    assert_eq!(project.read("plan.md").matches("[x]").count(), 2, "our own ticks are no change");
}

#[cfg(unix)]
#[test]
fn what_a_run_leaves_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let project = Project::new();
    project.write(
        "orchestrate.toml",
        format!(
            "version = 1\n[agents.fake]\nprogram = \"{}\"\nargs = [\"pass\"]\n",
            crate::project::fake_agent().display()
        ),
    );
    project.write(
        "plan.md",
        "- [ ] T1 Agent\n  - Agent: fake\n- [ ] T2 Command\n  - Agent: command\n  - Command: `echo x`\n  \
         - Verify: `true`\n",
    );
    let _ = project.run(["--plan", "plan.md"]).expect(0);
    let mut folders = vec![project.root().join("plans/agent-shared")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let (path, mode) = (entry.path(), metadata.permissions().mode() & 0o777);
            assert_eq!(mode, if metadata.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            seen += 1;
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn said_twice_quiet_leaves_errors_alone() {
    let project = Project::new();
    project.write(
        "plan.md",
        "- [ ] T1 Good\n  - Agent: command\n  - Command: `true`\n- [ ] T2 Bad\n  - Agent: command\n  \
         - Command: `exit 3`\n  - Retries: 0\n",
    );
    let once = project.run(["--plan", "plan.md", "--no-tick", "-q"]).expect(1);
    assert!(once.stderr.contains("1 failed"), "{}", once.stderr);
    let twice = project.run(["--plan", "plan.md", "--no-tick", "-qq"]).expect(1);
    let lines: Vec<&str> = twice.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", twice.stderr);
    assert!(lines[0].starts_with("run ") && lines[1].contains("FAILED   T2"), "{}", twice.stderr);
}

#[test]
fn a_plan_with_a_mark_for_it_shows_what_is_under_way() {
    let project = Project::new();
    project.write(
        "plan.md",
        "# P\n\n- [/] T001 Begun by hand\n  - Agent: command\n  - Command: `cp plan.md first.md`\n\
         - [ ] T002 Looks\n  - Agent: command\n  - Command: `cp plan.md second.md; exit 1`\n  - Retries: 0\n",
    );
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(1);
    assert_eq!(ran.json()["tasks"][0]["status"], "succeeded");
    assert!(project.read("first.md").contains("[/] T001") && project.read("first.md").contains("[ ] T002"));
    assert!(project.read("second.md").contains("[x] T001") && project.read("second.md").contains("[/] T002"));
    let after = project.read("plan.md");
    assert!(after.contains("[x] T001") && after.contains("[ ] T002"), "{after}");
    assert_eq!(ran.json()["tasks"][1]["attempts"][0]["failure"], "exited");
}

#[test]
fn no_tick_leaves_the_plan_as_it_is() {
    let project = Project::new();
    let plan = "- [ ] One\n  - Agent: command\n  - Command: `true`\n";
    project.write("plan.md", plan);
    let _ = project.run(["--plan", "plan.md", "--no-tick"]).expect(0);
    assert_eq!(project.read("plan.md"), plan);
}

#[test]
fn a_failure_blocks_what_needs_it_and_nothing_else() {
    let project = Project::new();
    project.write(
        "plan.md",
        "### Task 1: Fails\n\n- Agent: command\n- Command: `exit 7`\n- Retries: 0\n\n\
         ### Task 2: Needs it\n\n- Agent: command\n- Command: `touch two`\n- Depends on: 1\n\n\
         ### Task 3: Free\n\n- Agent: command\n- Command: `touch three`\n- Depends on: none\n",
    );
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(1);
    let tasks = ran.json()["tasks"].clone();
    assert_eq!(tasks[0]["status"], "failed");
    assert_eq!(tasks[0]["failure"], "exited");
    assert_eq!(tasks[1]["status"], "blocked");
    assert_eq!(tasks[2]["status"], "succeeded");
    assert!(!project.has("two") && project.has("three"));
    assert!(ran.stderr.contains("orchestrate why 1"), "the next command to type\n{}", ran.stderr);
}

#[test]
fn retries_are_counted_and_a_later_attempt_may_succeed() {
    let project = Project::new();
    project.write(
        "plan.md",
        "- [ ] T1 Third time\n  - Agent: command\n  - Retries: 2\n  - Command: `echo x >> tries; test $(wc -l < tries) -ge 3`\n",
    );
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let attempts = ran.json()["tasks"][0]["attempts"].as_array().unwrap().len();
    assert_eq!(attempts, 3);
}

#[test]
fn a_plan_from_standard_input_runs_and_is_not_ticked() {
    use std::io::Write as _;
    let project = Project::new();
    let mut child = project
        .command(["--plan", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let plan = b"- [ ] One\n  - Agent: command\n  - Command: `touch one`\n";
    child.stdin.take().unwrap().write_all(plan).unwrap();
    let ran = crate::project::Ran::of(&child.wait_with_output().unwrap()).expect(0);
    assert!(project.has("one"), "{}", ran.stderr);
}

#[test]
fn a_run_wide_check_fails_every_task_that_ended_before_it() {
    let project = Project::new();
    project.write(
        "plan.md",
        "- [ ] One\n  - Agent: command\n  - Command: `touch one`\n- [ ] Two\n  - Agent: command\n  - Command: `touch two`\n",
    );
    let ran = project
        .run(["--plan", "plan.md", "--verify", "test -e missing", "--retries", "0", "--output", "json"])
        .expect(1);
    let result = ran.json();
    for task in result["tasks"].as_array().unwrap() {
        assert_eq!(task["failure"], "verify_failed");
    }
    let _ = project.run(["--plan", "plan.md", "--verify", "test -e one"]).expect(0);
}
