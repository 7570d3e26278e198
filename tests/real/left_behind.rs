//! What agents leave running is ended with the attempt, also where it is in a session of its own.

use crate::failing::nothing_is_left;
use crate::real_agents::{self, ModelServer};
use crate::working::project_with;

/// A task that leaves something running by `leave`, and reports.
fn leaves_nothing(agent: &str, leave: &str) {
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let project = project_with(&server, &[agent], "ok-writer");
    project.write(
        "plan.md",
        format!(
            "- [ ] T001 Leave it\n  - Agent: {agent}\n  - Timeout: 4m\n\n  {leave}\n  %write made.txt x\n\
             \x20 %write {{{{\\S+/completion\\.json}}}} {{\"schema\":\"completion/v1\",\"run_id\":\"{{{{\"run_id\": ?\"(\\w+)\"}}}}\",\
             \"task_id\":\"T001\",\"attempt\":1,\"status\":\"succeeded\",\"summary\":\"made\"}}\n"
        ),
    );
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let story = project.run(["why", "T001"]).stdout;
    assert!(project.has("made.txt"), "{}\n{story}", ran.stderr);
    nothing_is_left(&project, agent);
    assert!(story.contains("left behind and ended"), "{story}");
}

#[test]
fn kilos_own_runner_of_background_processes() {
    leaves_nothing(
        "kilo",
        "%call background_process {\"action\":\"start\",\"command\":\"sleep 900\",\"description\":\"d\",\"persistent\":true}",
    );
}

#[cfg(unix)]
#[test]
fn a_session_that_opencode_began() {
    leaves_nothing("opencode", "%bash setsid sleep 900 >/dev/null 2>&1 </dev/null &");
}
