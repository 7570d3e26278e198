//! What an agent says of its own task, by `complete` and `progress`.

use serde_json::Value;

use crate::project::Project;

/// The program as a word of a shell.
fn program() -> String {
    format!("'{}'", crate::project::program().display())
}

fn plan(command: &str) -> String {
    format!("- [ ] T001 One\n  - Agent: command\n  - Retries: 0\n  - Command: `{command}`\n")
}

#[test]
fn a_completion_is_written_through_the_schema() {
    let project = Project::new();
    let exe = program();
    project.write(
        "plan.md",
        plan(&format!(
            "echo x > made.txt; {exe} progress 'half way' --percent 50; \
             {exe} complete --summary 'made it' --created made.txt --check '0:test -e made.txt'"
        )),
    );
    let ran = project.run(["--plan", "plan.md", "--no-tick", "--output", "json"]).expect(0);
    let attempt = ran.json()["tasks"][0]["attempts"][0].clone();
    assert_eq!(attempt["summary"], "made it");
    let completion: Value =
        serde_json::from_str(&project.read(attempt["completion"].as_str().unwrap())).unwrap();
    assert_eq!(completion["outputs"][0]["path"], "made.txt");
    assert!(completion.get("source").is_none(), "the agent's own: {completion}");
}

#[test]
fn a_failure_that_is_reported_counts_though_the_exit_code_is_zero() {
    let project = Project::new();
    let exe = program();
    for (status, kind) in [("failed", "reported_failed"), ("blocked", "reported_blocked")] {
        project.write(
            "plan.md",
            plan(&format!(
                "{exe} complete --status {status} --summary no --error 'no key' --error-kind login"
            )),
        );
        let ran = project.run(["--plan", "plan.md", "--no-tick", "--output", "json"]).expect(1);
        assert_eq!(ran.json()["tasks"][0]["failure"], kind);
        assert!(ran.json()["tasks"][0]["why"].as_str().unwrap().contains("no key"));
    }
}

#[test]
fn the_agent_is_told_in_one_line_what_is_wrong() {
    let project = Project::new();
    let ran = project.run(["complete", "--summary", "x"]).expect(2);
    assert!(ran.stderr.contains("ORCHESTRATE_"), "{}", ran.stderr);
    let exe = program();
    project.write(
        "plan.md",
        plan(&format!("{exe} complete --summary x --created ../outside.txt 2> said.txt; echo $? > code.txt")),
    );
    let _ = project.run(["--plan", "plan.md", "--no-tick"]).expect(0);
    assert_eq!(project.read("code.txt").trim(), "2");
    assert!(project.read("said.txt").contains("outside"), "{}", project.read("said.txt"));
}

#[test]
fn a_run_inside_a_task_needs_to_be_asked_for() {
    let project = Project::new();
    let exe = program();
    project.write("inner.md", "- [ ] T101 Inner\n  - Agent: command\n  - Command: `env > inner.env`\n");
    project.write("plan.md", plan(&format!("{exe} --plan inner.md 2> said.txt; echo $? > code.txt")));
    let _ = project.run(["--plan", "plan.md", "--no-tick"]).expect(0);
    assert_eq!(project.read("code.txt").trim(), "2");
    assert!(project.read("said.txt").contains("--nested"));
    project.write(
        "plan.md",
        plan(&format!("{exe} --plan inner.md --nested --no-tick 2> said.txt; echo $? > code.txt")),
    );
    let _ = project.run(["--plan", "plan.md", "--no-tick"]).expect(0);
    assert_eq!(project.read("code.txt").trim(), "0", "{}", project.read("said.txt"));
    assert!(project.read("inner.env").contains("ORCHESTRATE_TASK=T101"));
}

#[test]
fn secrets_and_our_own_variables_do_not_reach_agents() {
    let mut project = Project::new();
    project
        .set("OPENAI_API_KEY", "sk-secret")
        .set("GITHUB_TOKEN", "ghp_secret")
        .set("REDIS_PASSWORD", "redis-secret")
        .set("ORCHESTRATE_JOBS", "2")
        .set("ORDINARY", "kept");
    project.write("plan.md", plan("env > seen.env"));
    let _ = project.run(["--plan", "plan.md", "--no-tick"]).expect(0);
    let seen = project.read("seen.env");
    for name in ["OPENAI_API_KEY", "GITHUB_TOKEN", "REDIS_PASSWORD", "ORCHESTRATE_JOBS"] {
        assert!(!seen.contains(name), "{name} in\n{seen}");
    }
    for name in ["ORDINARY=kept", "ORCHESTRATE_TASK=T001", "ORCHESTRATE_ATTEMPT=1", "ORCHESTRATE_COMPLETION="]
    {
        assert!(seen.contains(name), "no {name} in\n{seen}");
    }
    project.write("orchestrate.toml", "version = 1\n[agents.command]\npass_env = [\"GITHUB_TOKEN\"]\n");
    let _ = project.run(["--plan", "plan.md", "--no-tick"]).expect(0);
    assert!(project.read("seen.env").contains("GITHUB_TOKEN=ghp_secret"));
}
