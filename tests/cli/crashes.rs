//! A supervisor killed at every stage of its work, and the run that is resumed afterwards: nothing
//! that succeeded runs again, nothing is left out, nothing runs twice at once, and the end is that of
//! a run which nothing disturbed.
//!
//! No part of the program knows of these tests. The moments are chosen by what the system itself does
//! to a process that writes past its allowed file size, which ends it within that very write:
//!
//! - **told**: its standard output is a file that has room for so many bytes of events. Events are
//!   told between their record and what follows from them, so a start is recorded and nothing started.
//! - **recorded**: the journal's log has room for so many bytes: a turn's record is cut in two.
//! - **at work**: it is killed from outside as soon as so many events were told.
//!
//! `ORCHESTRATE_CRASH_POINTS` is how many moments of each kind are tried; they are spread evenly.

#![expect(clippy::print_stderr, reason = "a test that is left out says so aloud")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::process::{Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::project::{Project, Ran, program};

/// Nothing of these runs is longer, so that a file size of this is no limit to anything else.
const LARGE: u64 = 64 << 20;

/// What every task does: it holds a lock while it works and says when it began and was done.
const WORK: &str = r#"
exec 9> "lock.$1"
flock -n 9 || { echo "$1" >> overlap; exit 9; }
echo "$1 $ORCHESTRATE_ATTEMPT" >> begun
case "$2" in
once) if ! test -e "failed.$1"; then touch "failed.$1"; exit 1; fi ;;
never) exit 1 ;;
esac
sleep "${3:-0}"
echo "$1 $ORCHESTRATE_ATTEMPT" >> done
"#;

/// Tasks side by side and behind each other, with a check, a retry, a failure for good, and what it
/// blocks in its own phase and behind the gate of the next one.
const PLAN: &str = "\
# Crashes

## Phase 1: Work

- [ ] T001 First
  - Agent: command
  - Command: `sh work.sh T001`
- [ ] T002 Checked
  - Agent: command
  - Command: `sh work.sh T002 well 0.05`
  - Verify: `test -e done`
- [ ] T003 Fails once
  - Agent: command
  - Command: `sh work.sh T003 once`
  - Retries: 2
- [ ] T004 Fails for good
  - Agent: command
  - Command: `sh work.sh T004 never`
  - Retries: 0
- [ ] T005 Needs the first two
  - Agent: command
  - Command: `sh work.sh T005 well 0.05`
  - Depends on: T001, T002
- [ ] T006 Needs what fails
  - Agent: command
  - Command: `sh work.sh T006`
  - Depends on: T004
- [ ] T007 Needs what fails once
  - Agent: command
  - Command: `sh work.sh T007`
  - Depends on: T003

## Phase 2: Release

- **Gate**: approval

- [ ] T008 Publish
  - Agent: command
  - Command: `sh work.sh T008`
";

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn points() -> u64 {
    std::env::var("ORCHESTRATE_CRASH_POINTS").ok().and_then(|points| points.parse().ok()).unwrap_or(4)
}

fn can_limit() -> bool {
    let able = ["prlimit", "flock"].iter().all(|tool| {
        let called = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        called.is_ok_and(|status| status.success())
    });
    if !able {
        eprintln!("SKIPPED: `prlimit` or `flock` is not here, so no supervisor was killed in a write");
    }
    able
}

fn project() -> Project {
    let project = Project::new();
    project.write("work.sh", WORK);
    project.write("plan.md", PLAN);
    project
}

const RUN: &[&str] = &["--plan", "plan.md", "-j", "3", "--output", "ndjson", "--verify", "test -e begun"];
const RESUME: &[&str] = &["resume", "--output", "ndjson"];

/// Calls the program with a standard output that has room for `room` bytes, and gives what came.
fn told_up_to(project: &Project, arguments: &[&str], room: u64) -> Ran {
    let path = project.root().parent().unwrap().join("told.ndjson");
    let mut file = File::create(&path).unwrap();
    file.seek(SeekFrom::Start(LARGE - room)).unwrap();
    limited(project, arguments, LARGE, Stdio::from(file))
}

/// Calls the program so that no file of it grows beyond `size` bytes.
fn limited(project: &Project, arguments: &[&str], size: u64, stdout: Stdio) -> Ran {
    let own = project.command(arguments);
    let mut command = Command::new("prlimit");
    command.arg(format!("--fsize={size}")).arg("--core=0").arg(program()).args(arguments);
    command.current_dir(project.root()).env_clear().stdin(Stdio::null());
    command.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ran::of(&command.stdout(stdout).stderr(Stdio::piped()).output().unwrap())
}

/// How a run stands: its exit code, and the status of each task.
#[derive(Debug, PartialEq)]
struct Stands {
    exit: i64,
    tasks: BTreeMap<String, String>,
}

fn lines(project: &Project, file: &str) -> Vec<String> {
    if project.has(file) { project.read(file).lines().map(str::to_owned).collect() } else { Vec::new() }
}

fn begun(project: &Project, task: &str) -> usize {
    lines(project, "begun").iter().filter(|line| line.split(' ').next() == Some(task)).count()
}

/// The result of the run, held against what the tasks did and what the plan and the journal show.
#[track_caller]
fn result(project: &Project, what: &str) -> Stands {
    let result = project.run(["report", "--as", "json"]).expect(0).json();
    assert_eq!(lines(project, "overlap"), Vec::<String>::new(), "{what}: ran twice at once");
    let done: BTreeSet<String> = lines(project, "done").into_iter().collect();
    let ticked = kinds(project, "box_ticked");
    let mut tasks = BTreeMap::new();
    for task in result["tasks"].as_array().unwrap() {
        let id = task["id"].as_str().unwrap();
        let status = task["status"].as_str().unwrap();
        let attempts = task["attempts"].as_array().unwrap();
        let good: Vec<&Value> = attempts.iter().filter(|attempt| attempt["status"] == "succeeded").collect();
        let succeeded = usize::from(status == "succeeded");
        assert_eq!(good.len(), succeeded, "{what}: {id} is {status}: {attempts:?}");
        for attempt in good {
            assert!(done.contains(&format!("{id} {}", attempt["attempt"])), "{what}: {id} did nothing");
        }
        for attempt in attempts {
            let was_done = done.contains(&format!("{id} {}", attempt["attempt"]));
            let may_be = matches!(attempt["status"].as_str(), Some("succeeded" | "lost"));
            assert!(may_be || !was_done, "{what}: {id} {attempt}");
            assert_ne!(attempt["status"], "running", "{what}: {id}");
            let left = project.root().join(attempt["completion"].as_str().unwrap());
            let folder = left.parent().unwrap();
            if folder.exists() {
                let text =
                    std::fs::read_to_string(&left).unwrap_or_else(|error| panic!("{what}: {id}: {error}"));
                assert!(serde_json::from_str::<Value>(&text).is_ok(), "{what}: {id}: {text}");
                let events = std::fs::read_to_string(folder.join("events.ndjson")).unwrap();
                assert!(
                    events.contains("attempt_started") && events.contains("attempt_ended"),
                    "{what}: {events}"
                );
            }
        }
        let box_of = project.read("plan.md").lines().any(|line| line.starts_with(&format!("- [x] {id}")));
        assert_eq!(box_of, succeeded == 1, "{what}: the box of {id}");
        assert_eq!(ticked.get(id).copied().unwrap_or(0), succeeded, "{what}: ticks of {id}");
        tasks.insert(id.to_owned(), status.to_owned());
    }
    assert_eq!(project.read("plan.md").len(), PLAN.len(), "{what}: more than boxes changed");
    let _ = project.run(["state", "verify"]).expect(0);
    Stands { exit: result["exit_code"].as_i64().unwrap(), tasks }
}

/// How many events of a kind the journal has, by task.
fn kinds(project: &Project, kind: &str) -> BTreeMap<String, usize> {
    let journal = Connection::open(project.root().join("plans/agent-shared/orchestrate.db")).unwrap();
    let mut statement =
        journal.prepare("SELECT body ->> 'task_id' FROM events WHERE body ->> 'kind' = ?1").unwrap();
    let mut found = BTreeMap::new();
    for task in statement.query_map([kind], |row| row.get::<_, String>(0)).unwrap() {
        *found.entry(task.unwrap()).or_default() += 1;
    }
    found
}

/// Takes a killed run up and holds its end against that of an undisturbed one.
#[track_caller]
fn goes_on(project: &Project, expected: &Stands, what: &str) {
    let status = project.run(["status", "--output", "json"]);
    if status.code == 2 {
        // It was killed before anything of it was recorded.
        assert_eq!(lines(project, "begun"), Vec::<String>::new(), "{what}: {}", status.stderr);
        let ran = project.run(RUN);
        assert_eq!(i64::from(ran.code), expected.exit, "{what}: {}", ran.stderr);
        assert_eq!(result(project, what), *expected, "{what}");
        return;
    }
    let before: Vec<(String, usize)> = status.expect(0).json()["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|task| task["status"] == "succeeded")
        .map(|task| task["id"].as_str().unwrap())
        .map(|id| (id.to_owned(), begun(project, id)))
        .collect();
    let ran = project.run(RESUME);
    assert_eq!(i64::from(ran.code), expected.exit, "{what}: {}", ran.stderr);
    for (id, times) in before {
        assert_eq!(begun(project, &id), times, "{what}: {id} had succeeded, and ran again");
    }
    assert_eq!(result(project, what), *expected, "{what}");
}

fn undisturbed() -> (Stands, u64, u64) {
    let project = project();
    let ran = project.run(RUN).expect(1);
    let told = u64::try_from(ran.stdout.len()).unwrap();
    let events = u64::try_from(ran.stdout.lines().count()).unwrap();
    let stands = result(&project, "undisturbed");
    let status = |id: &str| stands.tasks[id].as_str();
    let all = ["T001", "T002", "T003", "T005", "T007"].map(status);
    assert_eq!(all, ["succeeded"; 5]);
    assert_eq!(["T004", "T006", "T008"].map(status), ["failed", "blocked", "blocked"]);
    (stands, told, events)
}

#[test]
fn a_kill_between_a_record_and_what_follows_from_it_changes_nothing() {
    if !can_limit() {
        return;
    }
    let (expected, told, _) = undisturbed();
    let mut killed = 0;
    for point in 0..points() {
        let project = project();
        let room = 1 + told * point / points();
        let what = format!("after {room} of {told} bytes");
        let ran = told_up_to(&project, RUN, room);
        killed += u64::from(ran.code == 70);
        // And once more on the way.
        let again = told_up_to(&project, RESUME, room / 2 + 1);
        assert!([70, 2, 1].contains(&again.code), "{what}: {}: {}", again.code, again.stderr);
        goes_on(&project, &expected, &what);
    }
    assert!(killed + 1 >= points(), "only {killed} were killed");
}

#[test]
fn a_kill_in_the_middle_of_a_record_changes_nothing() {
    if !can_limit() {
        return;
    }
    let (expected, _, _) = undisturbed();
    let (mut killed, mut size, step) = (0, 8 << 10, (240 << 10) / points());
    for _ in 0..4 * points() {
        let project = project();
        let what = format!("a log of {size} bytes");
        let ran = limited(&project, RUN, size, Stdio::piped());
        if ran.code == 1 {
            break;
        }
        killed += 1;
        assert!([70, 6].contains(&ran.code), "{what}: {}: {}", ran.code, ran.stderr);
        goes_on(&project, &expected, &what);
        // Never on the edge of a page.
        size += step + 517;
    }
    assert!(killed > points() / 4, "only {killed} were killed");
}

#[test]
fn a_kill_while_tasks_are_at_work_changes_nothing() {
    let (expected, _, events) = undisturbed();
    for point in 0..points() {
        let project = project();
        let wanted = 1 + events * point / points();
        let mut guard = project.spawn(RUN);
        let mut told = BufReader::new(guard.stdout.take().unwrap());
        for _ in 0..wanted {
            told.read_line(&mut String::new()).unwrap();
        }
        let children = format!("/proc/{0}/task/{0}/children", guard.id());
        let supervisor = std::fs::read_to_string(children).unwrap_or_default();
        if let Some(supervisor) = supervisor.split_whitespace().next().and_then(|pid| pid.parse().ok()) {
            let pid = rustix::process::Pid::from_raw(supervisor).unwrap();
            // It may have ended by now.
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
        told.read_to_string(&mut String::new()).unwrap();
        let _ = Ran::of(&guard.wait_with_output().unwrap());
        goes_on(&project, &expected, &format!("after {wanted} of {events} events"));
    }
}
