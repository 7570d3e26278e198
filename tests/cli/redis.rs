//! Runs whose shared state is in a Redis, which the tests start for themselves.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::going_on::Followed;
use crate::project::Project;
use crate::redis_server::RedisServer;

const PLAN: &str = "\
### Task 1: First

- Agent: command
- Command: `echo one`

### Task 2: Second

- Agent: command
- Command: `echo two`
";

/// A plan whose first task goes on until a file is there.
pub(crate) const WAITING: &str = "\
### Task 1: Waits

- Agent: command
- Command: `echo $$ > pid; while ! test -e go; do sleep 0.05; done; echo done`

### Task 2: Follows

- Agent: command
- Command: `touch two`
";

/// How long a test waits for what has to come.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A checkout of the project `shop`, as any machine may have one.
pub(crate) fn checkout(plan: &str) -> Project {
    let project = Project::new();
    project.write("orchestrate.toml", "version = 1\nproject = \"shop\"\n");
    project.write("plan.md", plan);
    project
}

#[track_caller]
pub(crate) fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

pub(crate) fn document(server: &RedisServer, key: &str) -> Value {
    let text = server.get(key).unwrap_or_else(|| panic!("there is no `{key}`"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{key}: {error}: {text}"))
}

#[test]
fn a_run_leaves_the_records_of_the_contract() {
    let Some(server) = RedisServer::start() else { return };
    let project = checkout(PLAN);
    let url = server.url();
    let ran = project.run(["--plan", "plan.md", "--redis", &url]).expect(0);
    let run = ran.run_id();
    for task in ["1", "2"] {
        let record = document(&server, &format!("shop:task:{task}:status"));
        assert_eq!((&record["schema"], &record["status"]), (&"task-status/v1".into(), &"succeeded".into()));
        assert_eq!(record["run_id"], run);
    }
    let index = document(&server, "shop:shared_state");
    assert_eq!(index["runs"][0]["run_id"], run);
    assert_eq!(index["runs"][0]["status"], "succeeded");
    assert_eq!(document(&server, "shop:task:1:tail"), "one\n");
    assert_eq!(document(&server, &format!("shop:run:{run}:plan"))["tasks"][1]["id"], "2");
    assert_eq!(server.get(&format!("shop:run:{run}:lease")), None);
    let record = document(&server, "shop:task:1:status");
    assert_eq!(server.get("shop:fence"), Some(record["fence"].to_string()));

    let state = |words: &[&str]| {
        let words = [&["state"], words, &["--redis", &url, "--output", "json"]].concat();
        project.run(words).expect(0).json()
    };
    assert_eq!(state(&["get", "task:1:status"]), record);
    let events = state(&["get", &format!("run:{run}:events")]);
    assert_eq!(events[0]["kind"], "run_started");
    assert_eq!(events.as_array().unwrap().last().unwrap()["kind"], "run_ended");
    let listed = state(&["list"]);
    let keys: Vec<&str> = listed.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(keys.contains(&"shop:task:2:status") && keys.contains(&"shop:shared_state"), "{keys:?}");
    assert_eq!(state(&["verify"])["valid"], true);

    // Its keys are gone: the journal has them.
    server.say(&["FLUSHALL"]);
    let _ = project.run(["state", "get", "task:1:status", "--redis", &url]).expect(1);
    assert!(!state(&["repair"])["mended"].as_array().unwrap().is_empty());
    assert_eq!(state(&["get", "task:1:status"])["status"], "succeeded");
    assert_eq!(state(&["verify"])["valid"], true);
}

#[test]
fn a_task_that_a_live_run_elsewhere_holds_is_refused() {
    let Some(server) = RedisServer::start() else { return };
    let (here, mut there) = (checkout(WAITING), checkout(PLAN));
    let url = server.url();
    let mut run = Followed::start(&here, &["--plan", "plan.md", "--redis", &url]);
    run.until("start");
    there.set("ORCHESTRATE_REDIS_URL", url);
    let refused = there.run(["--plan", "plan.md"]).expect(7);
    let refused = refused.says("is held by live run").says("--id-prefix second-").says("orchestrate wait");
    assert!(!refused.stderr.starts_with("run "), "{}", refused.stderr);
    assert!(there.run(["status"]).expect(0).stdout.contains("Waits"));
    let _ = there.run(["--plan", "plan.md", "--id-prefix", "second-"]).expect(0);
    assert!(server.get("shop:task:second-1:status").is_some());
    here.write("go", "");
    let ran = run.end().expect(0);
    assert_eq!(document(&server, "shop:task:1:status")["run_id"], ran.run_id());
    // Once it has ended nothing stands in the way.
    let _ = there.run(["--plan", "plan.md"]).expect(0);
}

#[test]
fn a_server_that_is_not_there_is_done_without_where_that_is_allowed() {
    let project = checkout(PLAN);
    project.write(
        "orchestrate.toml",
        "version = 1\n[redis]\nurl = \"redis://:s3cr3t@127.0.0.1:1\"\nrequired = false\n",
    );
    let ran = project.run(["--plan", "plan.md"]).expect(0).says("the run goes on without it");
    assert!(!ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
    let _ = project.run(["state", "verify"]).expect(0).says("the journal here");
    project.write("orchestrate.toml", "version = 1\n[redis]\nrequired = true\n");
    let mut project = project;
    project.set("REDIS_PORT", "1").set("REDIS_PASSWORD", "s3cr3t");
    let begun = Instant::now();
    let ran = project.run(["--plan", "plan.md"]).expect(6).says("redis://:***@127.0.0.1:1");
    assert!(begun.elapsed() < PATIENCE && !ran.stderr.contains("s3cr3t"), "{}", ran.stderr);
}

#[test]
fn what_completes_an_address_does_not_ask_for_one() {
    let Some(server) = RedisServer::start() else { return };
    let project = checkout(PLAN);
    project.write(".env", format!("export REDIS_URL='{}' # of the application\n", server.url()));
    let _ = project.run(["--plan", "plan.md", "--no-tick"]).expect(0);
    assert_eq!(server.get("shop:shared_state"), None);
    let _ = project.run(["--plan", "plan.md", "--no-tick", "--redis"]).expect(0);
    assert!(server.get("shop:shared_state").is_some());
}

#[test]
fn a_server_that_is_killed_in_mid_run_gets_everything_back() {
    let Some(mut server) = RedisServer::start() else { return };
    let project = checkout(WAITING);
    let url = server.url();
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--redis", &url]);
    run.until("start");
    until("its record", || server.get("shop:task:1:status").is_some_and(|text| text.contains("running")));
    server.kill();
    run.until("the run goes on from its journal");
    server.start_again();
    run.until("is back");
    until("its record", || server.get("shop:task:1:status").is_some_and(|text| text.contains("running")));
    project.write("go", "");
    let ran = run.end().expect(0);
    assert_eq!(ran.stderr.matches("goes on from its journal").count(), 1, "{}", ran.stderr);
    assert_eq!(document(&server, "shop:task:2:status")["status"], "succeeded");
    let verified = project.run(["state", "verify", "--redis", &url, "--output", "json"]).expect(0);
    assert_eq!(verified.json()["problems"], serde_json::json!([]));
}

#[test]
fn a_run_outlives_its_server() {
    let Some(mut server) = RedisServer::start() else { return };
    let project = checkout(WAITING);
    let url = server.url();
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--redis", &url]);
    run.until("start");
    server.kill();
    project.write("go", "");
    let _ = run.end().expect(0).says("`orchestrate state repair`");
    server.start_again();
    let _ = project.run(["state", "repair", "--redis", &url]).expect(0);
    assert_eq!(document(&server, "shop:task:2:status")["status"], "succeeded");
}

#[test]
fn a_supervisor_that_slept_past_its_lease_stops() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = (checkout(WAITING), checkout(WAITING));
    let url = server.url();
    let mut late = Followed::start(&here, &["--plan", "plan.md", "--redis", &url]);
    late.until("start");
    until("the agent", || here.has("pid"));
    until("its record", || server.get("shop:task:1:status").is_some_and(|text| text.contains("running")));
    let run = document(&server, "shop:task:1:status")["run_id"].as_str().unwrap().to_owned();
    late.signal_supervisor(rustix::process::Signal::STOP);
    // Its lease has run out, as if it had slept for half a minute.
    let key = format!("shop:run:{run}:lease");
    let mut lease = document(&server, &key);
    lease["until"] = "2020-01-01T00:00:00.000Z".into();
    server.say(&["SET", &key, &lease.to_string()]);
    let mut next = Followed::start(&there, &["--plan", "plan.md", "--redis", &url]);
    next.until("start");
    late.signal_supervisor(rustix::process::Signal::CONT);
    let _ = late.end().expect(7);
    let agent = here.read("pid");
    let gone = || !std::path::Path::new("/proc").join(agent.trim()).exists();
    until("the end of its agent", gone);
    there.write("go", "");
    let ran = next.end().expect(0);
    assert_eq!(document(&server, "shop:task:1:status")["run_id"], ran.run_id());
    assert!(!here.has("two"));
}

#[test]
fn a_run_whose_supervisor_was_killed_is_taken_over() {
    let Some(server) = RedisServer::start() else { return };
    let project = checkout(WAITING);
    let url = server.url();
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--redis", &url]);
    run.until("start");
    until("its record", || server.get("shop:task:1:status").is_some_and(|text| text.contains("running")));
    let before = document(&server, "shop:task:1:status")["fence"].as_u64().unwrap();
    run.signal_supervisor(rustix::process::Signal::KILL);
    let _ = run.end();
    project.write("go", "");
    // Its lease still runs, and nobody is behind it.
    let _ = project.run(["resume", "--redis", &url]).expect(0);
    let record = document(&server, "shop:task:1:status");
    assert_eq!((&record["status"], &record["attempt"]), (&"succeeded".into(), &2.into()));
    assert!(record["fence"].as_u64().unwrap() > before);
    let verified = project.run(["state", "verify", "--redis", &url, "--output", "json"]).expect(0);
    assert_eq!(verified.json()["problems"], serde_json::json!([]));
}
