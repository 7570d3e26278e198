//! Sessions of agents across attempts, runs and crashes, with a stand-in that keeps them where OpenCode
//! does and goes on with them as it does.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::going_on::Followed;
use crate::project::Project;

/// Keeps the names of its sessions in the database; waits while the file `wait` is there.
const STAND_IN: &str = r#"#!/bin/sh
given=
while [ $# -gt 0 ]; do
  case $1 in -s) given=$2; shift ;; esac
  shift
done
cat > /dev/null
if [ -n "$given" ]; then
  grep -q -x "$given" "$OPENCODE_DB" || { echo 'Error: Session not found' >&2; exit 1; }
fi
session=${given:-ses_$ORCHESTRATE_ATTEMPT}
echo "$session" >> "$OPENCODE_DB"
echo '{"type":"step_start","sessionID":"'"$session"'","part":{}}'
touch "begun-$ORCHESTRATE_TASK-$ORCHESTRATE_ATTEMPT"
while test -e wait; do sleep 0.02; done
printf '{"schema":"completion/v1","run_id":"%s","task_id":"%s","attempt":%s,"status":"succeeded","summary":"did it"}' \
  "$ORCHESTRATE_RUN" "$ORCHESTRATE_TASK" "$ORCHESTRATE_ATTEMPT" > "$ORCHESTRATE_COMPLETION"
echo '{"type":"text","sessionID":"'"$session"'","part":{"text":"Done."}}'
echo '{"type":"step_finish","sessionID":"'"$session"'","part":{"reason":"stop","tokens":{"input":1,"output":1}}}'
"#;

/// The check says no as long as the file `no` is there, and takes it away.
const PLAN: &str = "\
- [ ] T001 Write it
  - Agent: stand-in
  - Retries: 1
  - Verify: `! rm no 2> rm.log`

  The words of the task.
";

fn project() -> Project {
    let project = Project::new();
    let program = project.write("stand-in", STAND_IN);
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    project.write(
        "orchestrate.toml",
        format!("version = 1\n\n[agents.stand-in]\nkind = \"opencode\"\nprogram = '{}'\n", program.display()),
    );
    project.write("plan.md", PLAN);
    project
}

/// What lies in the data folders of the project's cache.
fn data(project: &Project) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| -> Vec<PathBuf> {
        let entries =
            std::fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        entries.unwrap_or_default()
    };
    let projects = entries(project.root().join("..").join("home").join(".cache").join("orchestrate"));
    projects.into_iter().flat_map(|project| entries(project.join("data"))).collect()
}

#[track_caller]
fn until_there(project: &Project, file: &str) {
    let until = Instant::now() + Duration::from_mins(1);
    while !project.has(file) {
        assert!(Instant::now() < until, "{file} does not come");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn attempts(result: &Value) -> Vec<Value> {
    result["tasks"][0]["attempts"].as_array().unwrap().clone()
}

/// The prompt of an attempt.
fn prompt(project: &Project, attempt: &Value) -> String {
    project.read(&attempt["completion"].as_str().unwrap().replace("completion.json", "prompt.md"))
}

#[test]
fn a_retry_goes_on_with_the_session_and_leaves_no_data() {
    let project = project();
    project.write("no", "");
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let attempts = attempts(&ran.json());
    assert_eq!(attempts.len(), 2, "{attempts:#?}");
    assert_eq!(attempts[0]["failure"], "verify_failed");
    assert_eq!(attempts[0]["session"], Value::Null);
    assert_eq!(attempts[1]["session"], "ses_1");
    let text = prompt(&project, &attempts[1]);
    assert!(text.contains("verify_failed") && !text.contains("The words of the task"), "{text}");
    let why = project.run(["why", "T001"]).expect(0).stdout;
    assert!(why.contains("goes on with ses_1"), "{why}");
    let logs = project.run(["logs", "T001"]).expect(0);
    assert!(
        logs.stderr.contains("ses_1") && logs.stdout.starts_with("{\"type\":\"step_start\""),
        "{}",
        logs.stderr
    );
    let first = project.run(["logs", "T001", "--attempt", "1"]).expect(0);
    assert_eq!(first.stderr, "");
    assert_eq!(data(&project), Vec::<PathBuf>::new());
    let _ = project.run(["state", "verify"]).expect(0);
}

#[test]
fn a_described_program_goes_on_with_its_session_by_its_own_arguments() {
    let project = project();
    let program = project.write(
        "acme",
        r#"#!/bin/sh
cat > /dev/null
echo "$*" > "args-$ORCHESTRATE_ATTEMPT"
echo '{"session":"s'"$ORCHESTRATE_ATTEMPT"'"}'
printf '{"schema":"completion/v1","run_id":"%s","task_id":"%s","attempt":%s,"status":"succeeded","summary":"did it"}' \
  "$ORCHESTRATE_RUN" "$ORCHESTRATE_TASK" "$ORCHESTRATE_ATTEMPT" > "$ORCHESTRATE_COMPLETION"
"#,
    );
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    project.write(
        "orchestrate.toml",
        format!(
            "version = 1\n\n[agents.stand-in]\nprogram = '{}'\nargs = [\"--quiet\"]\nresume_args = [\"--resume\", \"{{session}}\"]\n\n\
             [agents.stand-in.events]\nsession = \"session\"\n",
            program.display()
        ),
    );
    project.write("no", "");
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let attempts = attempts(&ran.json());
    assert_eq!(attempts.len(), 2, "{attempts:#?}");
    assert_eq!(attempts[1]["session"], "s1");
    assert_eq!(
        (project.read("args-1").trim(), project.read("args-2").trim()),
        ("--quiet", "--quiet --resume s1")
    );
    assert_eq!(data(&project), Vec::<PathBuf>::new());
}

#[test]
fn a_session_is_known_and_gone_on_with_when_our_deadline_ended_it() {
    let project = project();
    project.write("wait", "");
    // The second attempt does not wait.
    project.write("plan.md", PLAN.replace("Retries: 1\n", "Retries: 1\n  - Timeout: 2s\n"));
    let program = STAND_IN.replace("while test -e wait;", "while test -e wait && test -z \"$given\";");
    project.write("stand-in", program);
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let attempts = attempts(&ran.json());
    assert_eq!(attempts[0]["failure"], "timed_out", "{attempts:#?}");
    assert_eq!(attempts[1]["session"], "ses_1");
    assert_eq!(attempts[1]["status"], "succeeded");
    assert_eq!(data(&project), Vec::<PathBuf>::new());
}

#[test]
fn a_session_that_is_not_found_costs_no_retry() {
    let project = project();
    project.write("no", "");
    // The check makes the data forget the session.
    let forget = "for file in ../home/.cache/orchestrate/*/data/*/*/*/opencode.db; do : > $file; done";
    project.write("plan.md", PLAN.replace("`! rm no", &format!("`{forget}; ! rm no")));
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let attempts = attempts(&ran.json());
    let told: Vec<(&Value, &Value)> =
        attempts.iter().map(|attempt| (&attempt["failure"], &attempt["session"])).collect();
    assert_eq!(told.len(), 3, "{attempts:#?}");
    assert_eq!(told[0], (&Value::from("verify_failed"), &Value::Null));
    assert_eq!(told[1], (&Value::from("usage_error"), &Value::from("ses_1")));
    assert_eq!(told[2], (&Value::Null, &Value::Null));
    let text = prompt(&project, &attempts[2]);
    assert!(text.contains("The words of the task") && text.contains("Attempt 1 (stand-in) failed"), "{text}");
    let why = project.run(["why", "T001"]).expect(0).stdout;
    assert!(why.contains("could not go on with ses_1"), "{why}");
    assert_eq!(data(&project), Vec::<PathBuf>::new());
}

#[test]
fn a_run_that_is_stopped_leaves_no_data_and_resume_begins_anew() {
    let project = project();
    project.write("wait", "");
    let mut run = Followed::start(&project, &["--plan", "plan.md"]);
    run.until("start");
    until_there(&project, "begun-T001-1");
    assert_eq!(data(&project).len(), 2, "a folder and its lock: {:?}", data(&project));
    run.signal(rustix::process::Signal::INT);
    let _ = run.end().expect(130);
    assert_eq!(data(&project), Vec::<PathBuf>::new());
    std::fs::remove_file(project.root().join("wait")).unwrap();
    let attempts = attempts(&project.run(["resume", "--output", "json"]).expect(0).json());
    assert_eq!((&attempts[1]["session"], &attempts[1]["status"]), (&Value::Null, &"succeeded".into()));
    assert_eq!(data(&project), Vec::<PathBuf>::new());
}

#[test]
fn what_a_crash_left_is_removed_by_the_next_run_or_resume_and_a_live_run_keeps_its_own() {
    let project = project();
    project.write("wait", "");
    let mut dead = Followed::start(&project, &["--plan", "plan.md"]);
    dead.until("start");
    until_there(&project, "begun-T001-1");
    dead.kill_supervisor();
    let dead = dead.end().expect(70).run_id().to_owned();
    assert!(!data(&project).is_empty(), "nobody was left to remove it");

    // Another plan is begun, and goes on.
    project.write("other.md", PLAN.replace("T001", "T002"));
    let mut live = Followed::start(&project, &["--plan", "other.md", "--output", "json"]);
    live.until("start");
    until_there(&project, "begun-T002-1");
    let left = data(&project);
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().all(|path| !path.to_string_lossy().contains(&dead)), "{left:?}");

    // The crashed run is taken up beside it, by an attempt that begins anew.
    project.write("no", "");
    let mut again = Followed::start(&project, &["resume", &dead, "--output", "json"]);
    again.until("start");
    until_there(&project, "begun-T001-2");
    assert_eq!(data(&project).len(), 4, "both have theirs: {:?}", data(&project));
    std::fs::remove_file(project.root().join("wait")).unwrap();
    let again = attempts(&again.end().expect(0).json());
    assert_eq!(again[0]["status"], "lost");
    assert_eq!(again[1]["session"], Value::Null);
    let live = attempts(&live.end().expect(0).json());
    assert_eq!(live.last().unwrap()["status"], "succeeded", "{live:#?}");
    // One of the two was told no, and went on with what it had.
    let went_on = again.iter().chain(&live).filter(|attempt| attempt["session"] != Value::Null).count();
    assert_eq!(went_on, 1, "{again:#?} {live:#?}");
    assert_eq!(data(&project), Vec::<PathBuf>::new());
}

#[test]
fn a_person_who_retries_gets_a_new_session_with_all_that_is_known() {
    let project = project();
    project.write("no", "");
    project.write("plan.md", PLAN.replace("Retries: 1", "Retries: 0"));
    let _ = project.run(["--plan", "plan.md"]).expect(1);
    assert_eq!(data(&project), Vec::<PathBuf>::new());
    let ran = project.run(["retry", "T001", "--say", "mind the gap", "--output", "json"]).expect(0);
    let attempts = attempts(&ran.json());
    assert_eq!(attempts[1]["session"], Value::Null);
    let text = prompt(&project, &attempts[1]);
    for words in ["The words of the task", "verify_failed", "mind the gap"] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}
