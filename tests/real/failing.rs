//! One agent that fails beside others, and what the attempt after a failed one knows.

use crate::real_agents::{self, ModelServer};
use crate::working::project_with;

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
