//! A retry by the same agent: the conversation goes on where the program can do that, and where its
//! data are still there.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::project::Project;
use crate::real_agents::{self, ModelServer};
use crate::working::project_with;

/// Obeys the first prompt again when the next one has no directives of its own.
const MODEL: &str = "ok-writer+again=1";

/// A task that writes a file and reports it, and whose check says no once. `before_no` is done by
/// that check.
fn plan(agent: &str, before_no: &str) -> String {
    format!(
        "- [ ] T001 Write it\n  - Agent: {agent}\n  - Retries: 1\n  - Timeout: 3m\n\
         \x20 - Verify: `test -e tried || {{ touch tried; {before_no} echo not-yet; false; }}`\n\n\
         \x20 %write made.txt x\n\
         \x20 %write {{{{\\S+/completion\\.json}}}} {{\"schema\":\"completion/v1\",\"run_id\":\
         \"{{{{\"run_id\": ?\"(\\w+)\"}}}}\",\"task_id\":\"T001\",\"attempt\":{{{{\"attempt\": ?(\\d+)}}}},\
         \"status\":\"succeeded\",\"summary\":\"made\"}}\n"
    )
}

/// What a run of such a plan came to.
struct Tried {
    project: Project,
    result: Value,
}

impl Tried {
    fn run(server: &ModelServer, agent: &str, before_no: &str) -> Self {
        let project = project_with(server, &[agent], MODEL);
        project.write("plan.md", plan(agent, before_no));
        let ran = project.run(["--plan", "plan.md", "--output", "json"]);
        let result = ran.json();
        assert_eq!(ran.code, 0, "{}\n{result:#}", ran.stderr);
        Self { project, result }
    }

    fn attempts(&self) -> &[Value] {
        self.result["tasks"][0]["attempts"].as_array().unwrap()
    }

    /// A file of an attempt.
    fn file(&self, attempt: usize, name: &str) -> String {
        let completion = self.attempts()[attempt]["completion"].as_str().unwrap();
        self.project.read(&completion.replace("completion.json", name))
    }

    /// The session that an attempt's program told, as the journal has it.
    fn session(&self, attempt: usize) -> Option<String> {
        let events = self.file(attempt, "events.ndjson");
        let ended: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
        assert_eq!(ended["kind"], "attempt_ended");
        ended["reading"]["session_id"].as_str().map(str::to_owned)
    }

    /// How many turns of the conversation came along with each request of the main model.
    fn turns(&self, server: &ModelServer) -> Vec<u64> {
        let configuration = self.project.read("orchestrate.toml");
        let key =
            configuration.split("\"apiKey\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let requests = server.requests(key).unwrap();
        let own = requests.iter().filter(|request| !request["tools"].as_array().unwrap().is_empty());
        own.map(|request| request["turns"].as_u64().unwrap()).collect()
    }

    #[track_caller]
    fn leaves_no_data(&self) {
        let cache = self.project.home().join(".cache").join("orchestrate");
        let left = data_of(&cache);
        assert!(left.is_empty(), "{left:?}");
    }
}

/// What lies in the data folders of the projects in a cache.
fn data_of(cache: &Path) -> Vec<PathBuf> {
    let entries = |folder: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default()
    };
    let projects = entries(cache);
    assert!(!projects.is_empty(), "the cache of the project is at another place than {}", cache.display());
    projects.iter().flat_map(|project| entries(&project.join("data"))).collect()
}

fn goes_on(agent: &str) {
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let tried = Tried::run(&server, agent, "");
    let attempts = tried.attempts();
    assert_eq!(attempts.len(), 2, "{:#}", tried.result);
    assert_eq!(attempts[0]["failure"], "verify_failed", "{:#}", tried.result);
    assert_eq!(attempts[1]["status"], "succeeded", "{:#}", tried.result);

    let session = tried.session(0).expect("a session");
    assert_eq!(tried.session(1).as_ref(), Some(&session), "the same session");
    assert_eq!(attempts[0]["session"], Value::Null);
    assert_eq!(attempts[1]["session"], *session);

    // One turn, then two more for each call; the second attempt has all of that before its own.
    let turns = tried.turns(&server);
    let first = turns.iter().position(|&turns| turns > 5).expect("the second attempt");
    assert_eq!(turns[..first], [1, 3, 5], "{turns:?}");
    assert_eq!(turns[first], 7, "the first conversation, its last words, and what is new: {turns:?}");

    let prompt = tried.file(1, "prompt.md");
    assert!(prompt.starts_with("# Task T001 again: "), "{prompt}");
    assert!(prompt.contains("not-yet"), "it tells of the check\n{prompt}");
    assert!(!prompt.contains("%write"), "the task is in the session\n{prompt}");
    let why = tried.project.run(["why", "T001"]).expect(0).stdout;
    assert!(why.contains(&session), "{why}");
    tried.leaves_no_data();
}

#[test]
fn opencode_goes_on_with_its_session() {
    goes_on("opencode");
}

#[test]
fn kilo_goes_on_with_its_session() {
    goes_on("kilo");
}

/// The check takes the session's data away or damages them: the retry is not lost by that.
#[cfg(unix)]
fn begins_anew_without(agent: &str, before_no: &str) {
    if !real_agents::are_installed(&[agent]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let tried = Tried::run(&server, agent, before_no);
    let attempts = tried.attempts();
    assert_eq!(attempts.len(), 3, "{:#}", tried.result);
    assert_eq!(attempts[0]["failure"], "verify_failed", "{:#}", tried.result);
    assert_eq!(attempts[1]["session"].as_str(), tried.session(0).as_deref());
    assert_eq!(attempts[1]["status"], "failed");
    assert_eq!(attempts[2]["session"], Value::Null);
    assert_eq!(attempts[2]["status"], "succeeded");
    assert_ne!(tried.session(2), tried.session(0));
    let turns = tried.turns(&server);
    assert_eq!(turns, [1, 3, 5, 1, 3, 5], "nothing was asked in between");
    let prompt = tried.file(2, "prompt.md");
    assert!(
        prompt.contains("%write") && prompt.contains("Attempt 1 (") && prompt.contains("not-yet"),
        "{prompt}"
    );
    tried.leaves_no_data();
}

/// Every file of the agent's database, from the project's root.
#[cfg(unix)]
const DATABASE: &str = "../home/.cache/orchestrate/*/data/*/*/*/*.db*";

#[cfg(unix)]
#[test]
fn a_session_whose_data_are_gone_is_begun_anew() {
    begins_anew_without("opencode", &format!("rm {DATABASE};"));
}

#[cfg(unix)]
#[test]
fn a_session_whose_data_are_damaged_is_begun_anew() {
    for agent in ["opencode", "kilo"] {
        let damage = format!("for file in {DATABASE}; do echo damaged > $file; done;");
        begins_anew_without(agent, &damage);
    }
}

#[cfg(unix)]
#[test]
fn a_session_that_the_data_do_not_know_is_begun_anew() {
    // An empty database is a good one.
    begins_anew_without("opencode", &format!("rm {DATABASE}-*; : > $(echo {DATABASE});"));
}

#[test]
fn cline_begins_anew_and_is_told_what_went_wrong() {
    if !real_agents::are_installed(&["cline"]) {
        return;
    }
    let server = ModelServer::start().expect("the scripted provider");
    let tried = Tried::run(&server, "cline", "");
    let attempts = tried.attempts();
    assert_eq!(attempts.len(), 2, "{:#}", tried.result);
    assert_eq!(attempts[0]["failure"], "verify_failed", "{:#}", tried.result);
    assert_eq!(attempts[1]["status"], "succeeded", "{:#}", tried.result);
    assert_eq!(attempts[1]["session"], Value::Null);
    let prompt = tried.file(1, "prompt.md");
    assert!(prompt.starts_with("# Task T001: Write it"), "{prompt}");
    assert!(
        prompt.contains("Attempt 1 (cline) failed: verify_failed") && prompt.contains("not-yet"),
        "{prompt}"
    );
    tried.leaves_no_data();
}
