//! Attempts in which nothing happens, or too much (`docs/failures.md`, Stalls), by the whole program.

use std::time::Duration;

use orchestrate::model::time::Timestamp;
use serde_json::Value;

use crate::custom_agents::{acme, script};
use crate::going_on::Followed;
use crate::project::{Project, Ran};

fn run(project: &Project) -> Ran {
    let idle = ["--idle-timeout", "3s"];
    project.run(["--plan", "plan.md", "--no-tick", "--output", "json"].iter().chain(&idle)).expect(1)
}

/// The only attempt of a run that fails.
fn attempt(project: &Project) -> Value {
    let ran = run(project);
    let result = ran.json();
    let attempts = result["tasks"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{result:#}");
    attempts[0].clone()
}

const ACME: &str = "version = 1
[run]
retries = 0
agent = 'acme'
[agents.acme]
program = 'acme'
";

#[test]
fn a_prompt_ends_a_program_with_what_it_is_about() {
    let signs = "signs = [
  { pattern = '^Log in with', kind = 'not_logged_in', stream = 'stdout', at_once = true },
  { pattern = '^Allow .*\\? \\[y/N\\]', kind = 'permission_rejected', at_once = true },
]
";
    for (lines, rest, kind, seen) in [
        (
            "working",
            &["no-newline:Log in with (github, email): ", "hang"][..],
            "not_logged_in",
            "Log in with",
        ),
        ("", &["error-line:Allow `rm -r x`? [y/N]", "hang"], "permission_rejected", "Allow `rm -r x`? [y/N]"),
    ] {
        let project = acme(&format!("{ACME}{signs}"));
        script(&project, 1, lines, rest);
        let ran = project.run(["--plan", "plan.md", "--no-tick", "--output", "json"]).expect(1);
        let result = ran.json();
        let attempt = &result["tasks"][0]["attempts"][0];
        assert_eq!(attempt["failure"], kind, "{result:#}");
        assert!(attempt["seen"].as_str().unwrap().contains(seen), "{attempt:#}");
    }
}

#[test]
fn a_question_that_nobody_knows_is_told_of_a_silent_program() {
    let project = acme(ACME);
    script(&project, 1, "working", &["no-newline:Do you trust this folder? (y/n) ", "hang"]);
    let attempt = attempt(&project);
    assert_eq!(attempt["failure"], "stalled", "{attempt:#}");
    let seen = attempt["seen"].as_str().unwrap();
    assert!(seen.contains("it seems to wait for an answer") && seen.contains("trust this folder?"), "{seen}");
}

#[test]
fn steps_have_a_bound_that_the_configuration_sets() {
    let events =
        "max_steps = 5\n[agents.acme.events]\ndoing = { path = 'name', when = { event = 'tool' } }\n";
    let project = acme(&format!("{ACME}{events}"));
    let steps: Vec<String> =
        (1..=9).map(|step| format!(r#"{{"event":"tool","name":"step {step}"}}"#)).collect();
    script(&project, 1, &steps.join("\n"), &["hang"]);
    let attempt = attempt(&project);
    assert_eq!(attempt["failure"], "stalled", "{attempt:#}");
    let seen = attempt["seen"].as_str().unwrap();
    assert!(seen.contains("more than 5 steps without an end (`max_steps` of the agent)"), "{seen}");
}

/// The value of a variable that a task wrote into a file of the project.
fn variable(project: &Project, name: &str) -> String {
    let all = project.read("environment.txt");
    let line = all.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.unwrap_or_else(|| panic!("no {name} in\n{all}")).to_owned()
}

#[test]
fn progress_that_is_reported_keeps_a_silent_attempt_alive() {
    let mut project = Project::new();
    project.write(
        "plan.md",
        "- [ ] T001 One\n  - Agent: command\n  - Retries: 0\n  - Command: `env > environment.txt; echo begun; exec sleep 600`\n",
    );
    let arguments = ["--plan", "plan.md", "--no-tick", "--idle-timeout", "6s", "--output", "json"];
    let run = Followed::start(&project, &arguments);
    let begun = project.root().join("environment.txt");
    while !std::fs::read_to_string(&begun).is_ok_and(|text| text.contains("ORCHESTRATE_ATTEMPT=")) {
        std::thread::yield_now();
    }
    for name in ["ORCHESTRATE_RUN", "ORCHESTRATE_TASK", "ORCHESTRATE_ATTEMPT", "ORCHESTRATE_COMPLETION"] {
        let value = variable(&project, name);
        project.set(name, value);
    }
    // From outside its process tree, so that nothing of it is seen but the report.
    for step in 0..12 {
        let _ = project.run(["progress", &format!("step {step}")]).expect(0);
        std::thread::sleep(Duration::from_millis(700));
    }
    let ran = run.end();
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let attempt = ran.json()["tasks"][0]["attempts"][0].clone();
    assert_eq!(attempt["failure"], "stalled", "{attempt:#}");
    let time = |name: &str| attempt[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    let lived = time("ended_at").since(time("started_at"));
    assert!(lived > Duration::from_millis(12 * 700), "it lived until the last report: {lived:?}");
}
