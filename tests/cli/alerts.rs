//! Alerts as a user sees them: whole runs against a server on loopback that fails, hangs and recovers.

use orchestrate::schema::{SchemaKind, validate_value};

use crate::project::{Project, fake_agent};
use crate::webhook_server::{Answer, WebhookServer};

/// A plan of one task that succeeds.
const WORKS: &str = "- [ ] Works\n  - Agent: command\n  - Command: `true`\n";

const SECRET: &str = "/services/T00000000/B0000000/XyXyXyXyXyXyXyXyXyXyXyXy";

/// A project whose alert `ops` goes to `server`, with one agent that does what `arguments` say.
fn project(server: &WebhookServer, keys: &str, arguments: &str) -> Project {
    let mut project = Project::new();
    project.set("HOOK", server.url(SECRET));
    let program = fake_agent().display().to_string();
    let agent = format!("[agents.a]\nprogram = {program:?}\nargs = [{arguments}]\n");
    project.write(
        "orchestrate.toml",
        format!(
            "version = 1\n[run]\nretries = 0\n{agent}[[alerts]]\nname = 'ops'\nwebhook = '${{HOOK}}'\n{keys}\n"
        ),
    );
    project.write("plan.md", "- [ ] The task\n  - Agent: a\n");
    project
}

/// Nothing that anybody can read later holds the address.
#[track_caller]
fn keeps_the_secret(project: &Project, told: &str) {
    let secret = SECRET.rsplit('/').next().unwrap();
    assert!(!told.contains(secret), "{told}");
    let mut folders = vec![project.root().join("plans/agent-shared")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                let text = std::fs::read(entry.path()).unwrap_or_default();
                let text = String::from_utf8_lossy(&text);
                assert!(!text.contains(secret), "{}", entry.path().display());
            }
        }
    }
}

#[test]
fn a_run_that_fails_is_told_in_one_message_and_nobody_sees_the_address() {
    let server = WebhookServer::start([Answer::status(200)]);
    // The agent tries to print what it was not given.
    let project = project(&server, "", "'env:HOOK', 'exit:3'");
    let ran = project.run(["run", "plan.md"]).expect(1);
    let requests = server.so_far();
    assert!((1..=2).contains(&requests.len()), "{requests:#?}");
    let mut kinds = Vec::new();
    for request in &requests {
        let alert = request.json();
        validate_value(SchemaKind::Alert, &alert).unwrap();
        assert_eq!((&alert["run_id"], &alert["plan"]), (&ran.run_id().into(), &"plan.md".into()));
        kinds.push(alert["kind"].clone());
        kinds.extend(alert["also"].as_array().unwrap().iter().map(|item| item["kind"].clone()));
    }
    kinds.sort_by_key(ToString::to_string);
    assert_eq!(kinds, ["run_ended", "task_failed"]);
    assert_eq!(requests[0].path, SECRET);
    keeps_the_secret(&project, &(ran.stderr + &ran.stdout));
    // All of it was told: the next run has nothing to make up for.
    project.write("plan.md", WORKS);
    let _ = project.run(["run", "plan.md"]).expect(0);
    let last = server.next().json();
    assert_eq!((&last["kind"], &last["also"]), (&"run_ended".into(), &serde_json::json!([])));
    assert!(server.so_far().is_empty());
}

#[test]
fn a_server_that_hangs_changes_nothing_but_a_line_and_the_next_run_makes_up_for_it() {
    let server = WebhookServer::start([Answer::Hang, Answer::status(200)]);
    let project = project(&server, "timeout = '300ms'\nretries = 0\nwhen = 'run_ended'", "'exit:3'");
    let ran = project.run(["run", "plan.md"]).expect(1);
    let first = server.next().json();
    let ran = ran.says("alert `ops` (http://127.0.0.1:").says("it did not answer in time");
    let ran = ran.says("alert `ops` was not told of 1 thing");
    keeps_the_secret(&project, &ran.stderr);
    project.write("plan.md", WORKS);
    let second = project.run(["run", "plan.md"]).expect(0);
    let told: Vec<_> = [server.next(), server.next()].iter().map(|request| request.json()).collect();
    assert_eq!(told[0]["dedupe_key"], first["dedupe_key"], "the same thing has the same key");
    assert_eq!(told[0]["run_id"], first["run_id"]);
    assert_eq!(told[1]["run_id"], second.run_id());
    assert!(server.so_far().is_empty());
}

#[test]
fn an_alert_that_cannot_be_sent_is_a_warning_and_no_failure() {
    let server = WebhookServer::start([Answer::status(404)]);
    let mut project = project(&server, "when = 'run_ended'", "'pass'");
    let ran = project.run(["run", "plan.md"]).expect(0);
    let ran = ran.says("alert `ops` (http://127.0.0.1:").says("was not delivered: it answered 404");
    assert!(!ran.stderr.contains("was not told of"), "{}", ran.stderr);
    project.set("HOOK", "");
    project.write("plan.md", WORKS);
    let _ = project
        .run(["run", "plan.md"])
        .expect(0)
        .says("alert `ops` is not sent: the variable `HOOK` is not set");
    project.set("HOOK", "http://hooks.example/x");
    project.write("plan.md", WORKS);
    let _ =
        project.run(["run", "plan.md"]).expect(0).says("it is not encrypted, and goes to another machine");
}

#[test]
fn many_failures_are_few_requests() {
    let tasks: usize =
        std::env::var("ORCHESTRATE_TEST_ALERTS").ok().and_then(|count| count.parse().ok()).unwrap_or(60);
    let server = WebhookServer::start([Answer::status(200)]);
    let project = project(&server, "", "'exit:3'");
    let task = |number| format!("- [ ] Task number {number}\n  - Agent: command\n  - Command: `exit 1`\n");
    let plan = (1..=tasks).map(task).collect::<Vec<_>>().concat();
    project.write("plan.md", plan);
    let _ = project.run(["run", "plan.md", "-j", "16"]).expect(1);
    let requests = server.so_far();
    let named: u64 = requests
        .iter()
        .map(|request| {
            let alert = request.json();
            1 + alert["also"].as_array().unwrap().len() as u64 + alert["more"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(named, tasks as u64 + 1, "each failure and the end are counted once");
    assert!(requests.len() <= 2 + tasks / 20, "{} requests for {tasks} failures", requests.len());
}

#[test]
fn a_test_says_what_came_of_it() {
    let server = WebhookServer::start([Answer::status(200)]);
    let other = WebhookServer::start([Answer::Status(403, String::new(), "no".to_owned())]);
    let project = project(&server, "", "'pass'");
    let ran = project.run(["alert", "test"]).expect(0);
    assert!(ran.stdout.starts_with("✓ ops  http://127.0.0.1:"), "{}", ran.stdout);
    assert!(ran.stdout.contains("/…  200  "), "{}", ran.stdout);
    assert_eq!(server.next().json()["kind"], "test");
    let more = format!(
        "[[alerts]]\nwebhook = {:?}\nform = 'discord'\n[[alerts]]\nname = 'off'\nwebhook = 'https://h/${{NOT}}'\n",
        other.url("/api")
    );
    let before = project.read("orchestrate.toml");
    project.write("orchestrate.toml", before + &more);
    let ran = project.run(["alert", "test"]).expect(3);
    assert!(ran.stdout.contains("it answered 403: no"), "{}", ran.stdout);
    assert!(ran.stdout.contains("the variable `NOT` is not set"), "{}", ran.stdout);
    assert_eq!(other.next().json()["allowed_mentions"], serde_json::json!({ "parse": [] }));
    assert_eq!(project.run(["alert", "test", "ops", "--output", "json"]).expect(0).json()[0]["status"], 200);
    assert_eq!(
        project.run(["alert", "test", "2", "--output", "json"]).expect(1).json()[0]["delivered"],
        false
    );
    let _ = project.run(["alert", "test", "opps"]).expect(2).says("did you mean `ops`?");
    let doctor = project.run(["doctor"]);
    assert!(doctor.stdout.contains("alerts\n"), "{}", doctor.stdout);
    assert!(doctor.stdout.contains("the variable `NOT` is not set"), "{}", doctor.stdout);
    assert_eq!((server.so_far().len(), other.so_far().len()), (2, 1), "doctor sends nothing");
    project.write("orchestrate.toml", "version = 1\n");
    let _ = project.run(["alert", "test"]).expect(4).says("no alert is configured");
    project.write("orchestrate.toml", "version = 1\n[[alerts]]\nwebhook = 'http://h.example/x'\n");
    let _ = project.run(["alert", "test"]).expect(3).says("it is not encrypted");
}

#[cfg(target_os = "linux")]
mod crashes {
    use super::*;
    use crate::going_on::Followed;

    /// Fails one task, and goes on with another until a file is there.
    const PLAN: &str = "\
### Task 1: Fails

- Agent: command
- Command: `exit 3`

### Task 2: Goes on

- Agent: command
- Command: `while ! test -e go; do sleep 0.05; done`
- Depends on: none
";

    /// Kills the supervisor after the failure is recorded and before anybody is told.
    fn killed(server: &WebhookServer) -> (Project, String) {
        let project = project(server, "timeout = '60s'\nwhen = ['task_failed', 'run_ended']", "'pass'");
        project.write("plan.md", PLAN);
        let mut followed = Followed::start(&project, &["run", "plan.md"]);
        followed.until("FAILED");
        // The request is there and hangs: nobody has taken the alert.
        let key = server.next().json()["dedupe_key"].as_str().unwrap().to_owned();
        followed.kill_supervisor();
        let ran = followed.end();
        assert_ne!(ran.code, 0);
        (project, key)
    }

    #[test]
    fn what_was_not_delivered_before_a_kill_is_by_a_resume() {
        let server = WebhookServer::start([Answer::Hang, Answer::status(200)]);
        let (project, key) = killed(&server);
        project.write("go", "");
        let ran = project.run(["resume"]).expect(1);
        let told: Vec<_> = [server.next()].into_iter().chain(server.so_far()).collect();
        let first = told[0].json();
        let keys: Vec<String> = std::iter::once(first["dedupe_key"].to_string())
            .chain(first["also"].as_array().unwrap().iter().map(|item| item["dedupe_key"].to_string()))
            .collect();
        assert!(keys.contains(&format!("\"{key}\"")), "{keys:?} without {key}");
        assert_eq!(first["run_id"], ran.run_id());
    }

    #[test]
    fn what_was_not_delivered_before_a_kill_is_by_the_next_run() {
        let server = WebhookServer::start([Answer::Hang, Answer::status(200)]);
        let (project, key) = killed(&server);
        project.write("other.md", WORKS);
        let _ = project.run(["run", "other.md"]).expect(0);
        assert_eq!(server.next().json()["dedupe_key"], key.as_str());
        assert_eq!(server.next().json()["kind"], "run_ended");
        // Once is enough: nothing of it is left for a run after that, nor for the run itself.
        project.write("other.md", WORKS);
        let _ = project.run(["run", "other.md"]).expect(0);
        let last = server.next().json();
        assert_eq!((&last["kind"], &last["also"]), (&"run_ended".into(), &serde_json::json!([])));
        assert!(server.so_far().is_empty());
    }
}
