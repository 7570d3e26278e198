//! One agent that fails beside others, and what the attempt after a failed one knows.

use std::time::Duration;

use crate::processes::{self, Left};
use crate::project::Project;
use crate::real_agents::{self, ModelServer};
use crate::working::project_with;

/// No process works in the project or carries its folder in its environment.
#[track_caller]
pub(crate) fn nothing_is_left(project: &Project, what: &str) {
    assert!(processes::can_tell().eq(&cfg!(target_os = "linux")), "this system is looked at by `/proc`");
    if let Left::Some(left) = processes::left(&project.root(), Duration::from_secs(5)) {
        panic!("{what} left {left:?}");
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
