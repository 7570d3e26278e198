//! Providers that refuse, limit without end, or hang: the right verdict within the task's deadline,
//! and nothing left running.

use std::time::{Duration, Instant};

use crate::project::Project;
use crate::real_agents::{self, ModelServer};
use crate::working::project_with;

/// What a provider does, and what the task must end as.
struct Case {
    agent: &'static str,
    model: &'static str,
    timeout: &'static str,
    expected: &'static [&'static str],
}

const CASES: [Case; 9] = [
    Case { agent: "kilo", model: "bad-key", timeout: "3m", expected: &["not_logged_in"] },
    Case { agent: "opencode", model: "bad-key", timeout: "3m", expected: &["not_logged_in"] },
    Case { agent: "cline", model: "bad-key", timeout: "3m", expected: &["not_logged_in"] },
    Case {
        agent: "kilo",
        model: "rate-limited+retry_after=3600",
        timeout: "90s",
        expected: &["rate_limited"],
    },
    Case {
        agent: "opencode",
        model: "rate-limited+retry_after=3600",
        timeout: "90s",
        expected: &["rate_limited"],
    },
    Case { agent: "cline", model: "rate-limited", timeout: "3m", expected: &["rate_limited"] },
    Case {
        agent: "kilo",
        model: "hang",
        timeout: "60s",
        expected: &["timed_out", "stalled", "provider_unreachable"],
    },
    Case {
        agent: "opencode",
        model: "hang",
        timeout: "60s",
        expected: &["timed_out", "stalled", "provider_unreachable"],
    },
    Case {
        agent: "cline",
        model: "hang",
        timeout: "60s",
        expected: &["timed_out", "stalled", "provider_unreachable"],
    },
];

fn fails_as_it_should(case: &Case) {
    if !real_agents::are_installed(&[case.agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let project = project_with(&server, &[case.agent], case.model);
    project.write(
        "plan.md",
        format!("- [ ] T001 Write a greeting\n  - Agent: {}\n  - Timeout: {}\n", case.agent, case.timeout),
    );
    let ran = project.run(["--plan", "plan.md", "--max-wait", "1s", "--output", "json"]);
    let result = ran.json();
    let attempt = &result["tasks"][0]["attempts"][0];
    let failure = attempt["failure"].as_str().unwrap_or("none");
    assert!(
        case.expected.contains(&failure),
        "{} {}: {failure}\n{}\n{result:#}",
        case.agent,
        case.model,
        ran.stderr
    );
    assert_ne!(ran.code, 0);
    assert!(!project.has("hello.txt"));
    nothing_is_left(&project, &format!("{} {}", case.agent, case.model));
}

/// No process carries the run's mark any more.
#[track_caller]
pub(crate) fn nothing_is_left(project: &Project, what: &str) {
    let root = project.root();
    let root = root.to_string_lossy();
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let left = processes_that_mention(&root);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "{what} left {left:?}");
        std::thread::yield_now();
    }
}

fn processes_that_mention(root: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let own = std::process::id().to_string();
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own)
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|variables| String::from_utf8_lossy(&variables).contains(root))
        })
        .collect()
}

#[test]
fn a_bad_key_is_told_as_such() {
    for case in CASES.iter().filter(|case| case.model == "bad-key") {
        fails_as_it_should(case);
    }
}

#[test]
fn a_rate_limit_without_end_does_not_hold_the_run_up() {
    for case in CASES.iter().filter(|case| case.model.starts_with("rate-limited")) {
        fails_as_it_should(case);
    }
}

#[test]
fn a_provider_that_hangs_ends_within_the_deadline() {
    for case in CASES.iter().filter(|case| case.model == "hang") {
        fails_as_it_should(case);
    }
}

#[test]
fn one_agent_that_fails_does_not_hold_up_the_others() {
    let agents = ["kilo", "opencode", "cline"];
    if !real_agents::are_installed(&agents) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let project = project_with(&server, &agents, "ok-writer");
    // The same program with a provider that refuses it: another layer of its own.
    let content = real_agents::config_content(&server.url(), &real_agents::unused_key(), &["bad-key"]);
    let configuration = project.read("orchestrate.toml")
        + &format!(
            "\n[agents.refused]\nkind = \"opencode\"\nprogram = \"opencode\"\n[agents.refused.env]\nOPENCODE_CONFIG_CONTENT = '{content}'\n"
        );
    project.write("orchestrate.toml", configuration);
    project.write(
        "plan.md",
        "- [ ] T001 Refused\n  - Agent: refused\n  - Model: local/bad-key\n  - Timeout: 3m\n\
         - [ ] T002 Speaks but writes nothing\n  - Depends on: none\n  - Agent: opencode\n  - Files: create `never.txt`\n  - Timeout: 3m\n",
    );
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(1);
    let result = ran.json();
    assert_eq!(result["tasks"][0]["failure"], "not_logged_in", "{result:#}");
    assert_eq!(result["tasks"][1]["status"], "failed", "{result:#}");
}

#[test]
fn a_retry_by_the_same_agent_begins_afresh_and_knows_what_went_wrong() {
    if !real_agents::are_installed(&["opencode"]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let project = project_with(&server, &["opencode"], "ok-writer");
    // The check says no once.
    project.write(
        "plan.md",
        "- [ ] T001 Write it\n  - Agent: opencode\n  - Retries: 1\n  - Timeout: 3m\n\
         \x20 - Verify: `test -e tried || { touch tried; false; }`\n\n  %write made.txt x\n\
         \x20 %write {{\\S+/completion\\.json}} {\"schema\":\"completion/v1\",\"run_id\":\"{{\"run_id\": ?\"(\\w+)\"}}\",\
         \"task_id\":\"T001\",\"attempt\":{{\"attempt\": ?(\\d+)}},\"status\":\"succeeded\",\"summary\":\"made\"}\n",
    );
    let ran = project.run(["--plan", "plan.md", "--output", "json"]);
    let result = ran.json();
    let attempts = result["tasks"][0]["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{result:#}");
    assert_eq!(attempts[0]["failure"], "verify_failed", "{result:#}");
    assert_eq!(attempts[1]["status"], "succeeded", "{result:#}");
    let folder = attempts[1]["completion"].as_str().unwrap().trim_end_matches("completion.json");
    let prompt = project.read(&format!("{folder}prompt.md"));
    assert!(prompt.contains("test -e tried"), "the second prompt tells of the check\n{prompt}");
}

#[test]
fn a_provider_that_hangs_is_left_when_the_agent_has_waited_twice() {
    for agent in ["kilo", "opencode"] {
        if !real_agents::are_installed(&[agent]) {
            return;
        }
        let server = ModelServer::start().expect("the scripted provider");
        let project = project_with(&server, &[agent], "hang");
        project.write("plan.md", format!("- [ ] T001 Wait\n  - Agent: {agent}\n  - Timeout: 4m\n"));
        // It waits for half of this.
        let arguments =
            ["--plan", "plan.md", "--idle-timeout", "24s", "--max-wait", "1s", "--output", "json"];
        let ran = project.run(arguments);
        let result = ran.json();
        let attempt = &result["tasks"][0]["attempts"][0];
        assert_eq!(attempt["failure"], "provider_unreachable", "{agent}\n{result:#}");
        assert!(ran.stderr.contains("timed out after 12000ms"), "{agent}\n{}", ran.stderr);
        nothing_is_left(&project, agent);
    }
}
