//! Going on with a run after what may happen to a machine: power that fails, a clock that is set back,
//! a process number that another one has by now, two people who resume at once, a journal of another version.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::Value;

use crate::going_on::Followed;
use crate::project::{Project, Ran};

/// How long a program may take to end.
const PATIENCE: Duration = Duration::from_mins(2);

/// One task that is done at once, and one that goes on until a file is there. Both say when they begin
/// and hold a lock while they work.
const PLAN: &str = "\
- [ ] T001 First
  - Agent: command
  - Command: `sh work.sh T001`
- [ ] T002 Waits
  - Agent: command
  - Command: `sh work.sh T002 go`
  - Depends on: T001
";

const WORK: &str = r#"
mkdir -p begun
exec 9> "lock.$1"
if command -v flock > /dev/null; then flock -n 9 || { echo "$1" >> overlap; exit 9; }; fi
echo "$ORCHESTRATE_ATTEMPT" >> "begun/$1"
test -z "$2" || while ! test -e "$2"; do sleep 0.02; done
"#;

fn project() -> Project {
    let project = Project::new();
    project.write("work.sh", WORK);
    project.write("plan.md", PLAN);
    project
}

/// A run whose second task has begun.
fn begun(project: &Project) -> Followed {
    let mut run = Followed::start(project, &["--plan", "plan.md"]);
    run.until("T002");
    waits_for(|| project.has("begun/T002"));
    run
}

/// Asks again and again: a file tells nobody that it is there.
#[track_caller]
fn waits_for(is_so: impl Fn() -> bool) {
    let (_held, never) = mpsc::channel::<()>();
    for _ in 0..6_000 {
        if is_so() {
            return;
        }
        let _ = never.recv_timeout(Duration::from_millis(20));
    }
    panic!("it did not come to be");
}

/// A run whose supervisor was killed while the second task was at work.
fn killed() -> Project {
    let project = project();
    let run = begun(&project);
    run.kill_supervisor();
    let _ = run.end().expect(70);
    project
}

fn attempts(project: &Project, task: &str) -> usize {
    project.read(&format!("begun/{task}")).lines().count()
}

fn database(project: &Project) -> PathBuf {
    project.root().join("plans/agent-shared/orchestrate.db")
}

fn journal(project: &Project) -> Connection {
    Connection::open(database(project)).unwrap()
}

#[track_caller]
fn resumes_well(project: &Project) -> Value {
    project.write("go", "");
    let result = project.run(["resume", "--output", "json"]).expect(0).json();
    assert_eq!(attempts(project, "T001"), 1, "what had succeeded ran again");
    assert!(!project.has("overlap"), "a task ran twice at once");
    let _ = project.run(["state", "verify"]).expect(0);
    result
}

#[test]
fn of_two_who_resume_at_once_one_goes_on() {
    for round in 0..4 {
        let project = killed();
        let (sender, ended) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (sender, project) = (sender.clone(), &project);
                scope.spawn(move || sender.send(project.run(["resume", "--output", "json"])).unwrap());
            }
            let refused: Ran = ended.recv_timeout(PATIENCE).expect("one of the two is refused");
            assert_eq!(refused.code, 7, "round {round}: {}", refused.stderr);
            project.write("go", "");
            let went_on = ended.recv_timeout(PATIENCE).unwrap().expect(0);
            assert_eq!(went_on.json()["counts"]["succeeded"], 2, "round {round}");
        });
        assert_eq!((attempts(&project, "T001"), attempts(&project, "T002")), (1, 2), "round {round}");
        assert!(!project.has("overlap"), "round {round}");
    }
}

#[test]
fn a_run_that_goes_on_is_not_resumed() {
    let project = project();
    let run = begun(&project);
    for _ in 0..3 {
        let _ = project.run(["resume"]).expect(7).says("goes on");
    }
    project.write("go", "");
    let _ = run.end().expect(0);
    assert_eq!(attempts(&project, "T002"), 1);
}

#[test]
fn what_a_guard_has_not_ended_yet_ends_before_anything_begins() {
    let project = project();
    let run = begun(&project);
    // It cannot end anything, as one that the system has not given a turn yet.
    run.signal(Signal::STOP);
    run.kill_supervisor();
    // A killed process lives on for a moment, and nobody waits for this one.
    waits_for(|| project.run(["status", "--output", "json"]).expect(0).json()["status"] == "lost");
    let mut resumed = Followed::start(&project, &["resume", "--output", "json"]);
    resumed.until("T002");
    waits_for(|| attempts(&project, "T002") == 2);
    project.write("go", "");
    let _ = resumed.end().expect(0);
    assert!(!project.has("overlap"), "a task ran twice at once");
    run.signal(Signal::CONT);
    let _ = run.end().expect(70);
}

#[test]
fn a_holder_of_before_a_restart_of_the_machine_holds_nothing() {
    let project = killed();
    let own = std::process::id();
    // The number of the supervisor is that of a process that lives: this one.
    let lease: String = journal(&project)
        .query_row("SELECT value FROM entries WHERE key LIKE '%:lease'", [], |row| row.get(0))
        .unwrap();
    let lease: Value = serde_json::from_str(&lease).unwrap();
    let known = lease["pid_started"].as_str().unwrap();
    let (boot, rest) = known.split_once(':').unwrap();
    let another_boot = format!("{}:{rest}", boot.replace(|digit: char| digit.is_ascii_hexdigit(), "0"));
    for started in [another_boot, known.to_owned()] {
        let changed = journal(&project)
            .execute(
                "UPDATE entries SET value = json_set(value, '$.pid', ?1, '$.pid_started', ?2,
                 '$.until', '2999-01-01T00:00:00Z') WHERE key LIKE '%:lease'",
                (own, &started),
            )
            .unwrap();
        assert_eq!(changed, 1);
        let status = project.run(["status", "--output", "json"]).expect(0).json();
        assert_eq!(status["status"], "lost", "{started}");
        let runs = project.run(["runs", "--output", "json"]).expect(0).json();
        assert_eq!(runs[0]["status"], "lost", "{started}: {runs}");
    }
    resumes_well(&project);
}

#[test]
fn a_clock_that_was_set_back_delays_nothing_and_disorders_nothing() {
    let project = killed();
    let year: String =
        journal(&project).query_row("SELECT strftime('%Y', 'now')", [], |row| row.get(0)).unwrap();
    // All of it was written by a clock that was years ahead.
    let later = (year.parse::<u32>().unwrap() + 8).to_string();
    let ahead = 8 * 366 * 86_400_000_i64;
    let shift = |table: &str, column: &str| {
        let sql = format!("UPDATE {table} SET {column} = replace({column}, '\"{year}-', '\"{later}-')");
        assert!(journal(&project).execute(&sql, []).unwrap() > 0, "{table}");
    };
    shift("events", "body");
    shift("entries", "value");
    shift("runs", "summary");
    shift("specs", "spec");
    journal(&project)
        .execute("UPDATE runs SET created_at = created_at + ?1, seen_at = seen_at + ?1", [ahead])
        .unwrap();
    let result = resumes_well(&project);
    let events: Vec<String> = journal(&project)
        .prepare("SELECT body ->> 'at' FROM events ORDER BY seq")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert!(events.is_sorted(), "{events:?}");
    assert!(events.last().unwrap().starts_with(&later), "{events:?}");
    assert_eq!(result["status"], "succeeded");
    // What is run next is the latest run, whatever the clock says.
    project.write("next.md", "- [ ] N001 Next\n  - Agent: command\n  - Command: `true`\n");
    let next = project.run(["--plan", "next.md"]).expect(0);
    let status = project.run(["status", "--output", "json"]).expect(0).json();
    assert_eq!(status["run_id"], next.run_id());
}

#[test]
fn a_lease_of_another_host_with_a_clock_ahead_does_not_last_for_ever() {
    let project = killed();
    for (until, code) in [("2999-01-01T00:00:00Z", "lost"), ("", "running")] {
        let until = if until.is_empty() {
            "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+20 seconds')"
        } else {
            "'2999-01-01T00:00:00Z'"
        };
        let sql = format!(
            "UPDATE entries SET value = json_set(value, '$.host', 'another-host', '$.until', {until}) WHERE key LIKE '%:lease'"
        );
        assert_eq!(journal(&project).execute(&sql, []).unwrap(), 1);
        let status = project.run(["status", "--output", "json"]).expect(0).json();
        assert_eq!(status["status"], code, "{until}");
    }
    let _ = project.run(["resume"]).expect(7);
}

#[test]
fn a_journal_that_lost_its_last_write_shows_what_it_has_and_goes_on() {
    let project = project();
    let run = begun(&project);
    let log_path = database(&project).with_extension("db-wal");
    // A log that is copied while it is written is one that was cut.
    let saved = (std::fs::read(database(&project)).unwrap(), std::fs::read(&log_path).unwrap());
    run.kill_supervisor();
    let _ = run.end();
    let frames = saved.1.len() / (24 + 4096);
    project.write("go", "");
    for (part, cut) in [(0, 0), (1, 517), (2, 1), (5, 4_000), (9, 90)] {
        let kept = saved.1.len() - (part * (24 + 4096) + cut).min(saved.1.len());
        let folder = database(&project);
        std::fs::write(&folder, &saved.0).unwrap();
        std::fs::write(&log_path, &saved.1[..kept]).unwrap();
        drop(std::fs::remove_file(folder.with_extension("db-shm")));
        let what = format!("{kept} of {} bytes, {frames} pages", saved.1.len());
        let _ = project.run(["state", "verify"]).expect(0);
        let status = project.run(["status", "--output", "json"]).expect(0).json();
        let done = status["tasks"][0]["status"] == "succeeded";
        let before = attempts(&project, "T001");
        let ran = project.run(["resume", "--output", "json"]).expect(0);
        assert_eq!(ran.json()["counts"]["succeeded"], 2, "{what}");
        let again = attempts(&project, "T001") - before;
        assert_eq!(again, usize::from(!done), "{what}: {status}");
        let events: i64 =
            journal(&project).query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
        assert!(events > 1, "{what}");
        let _ = project.run(["state", "verify"]).expect(0);
    }
    assert!(!project.has("overlap"));
}

#[test]
fn a_journal_that_is_damaged_is_named_with_a_way_out() {
    let project = killed();
    project.write("go", "");
    let whole = std::fs::read(database(&project)).unwrap();
    let mut bent = whole.clone();
    bent[..100].fill(b'x');
    for suffix in ["-wal", "-shm"] {
        drop(std::fs::remove_file(database(&project).with_extension(format!("db{suffix}"))));
    }
    std::fs::write(database(&project), &bent).unwrap();
    for arguments in [&["resume"][..], &["status"], &["state", "verify"], &["--plan", "plan.md"]] {
        let ran = project.run(arguments).expect(6);
        assert!(ran.stderr.contains("orchestrate.db") && ran.stderr.contains("help:"), "{}", ran.stderr);
    }
    assert_eq!(std::fs::read(database(&project)).unwrap(), bent, "what is damaged is left as it is");
}

#[test]
fn what_an_agent_left_whose_start_the_journal_lost_counts_for_nobody() {
    let mut project = Project::new();
    let agent = "#!/bin/sh\ntest -e second || { echo '{\"schema\":\"completion/v1\",\"run_id\":\"'$ORCHESTRATE_RUN'\",\
                 \"task_id\":\"T001\",\"attempt\":1,\"status\":\"succeeded\",\"summary\":\"x\"}' > $ORCHESTRATE_COMPLETION; \
                 touch said; sleep 600; }\n";
    let program = project.write("bin/agent", agent);
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    project.set("PATH", path);
    project.write("orchestrate.toml", "version = 1\n[agents.mine]\nprogram = 'agent'\nprompt = 'stdin'\n");
    project.write("plan.md", "- [ ] T001 One\n  - Agent: mine\n  - Retries: 0\n");
    let mut run = Followed::start(&project, &["--plan", "plan.md"]);
    run.until("T001");
    waits_for(|| project.has("said"));
    run.kill_supervisor();
    let _ = run.end();
    // A loss of power keeps what the agent wrote and takes the last records.
    let changed = journal(&project).execute("DELETE FROM events WHERE seq > 1", []).unwrap();
    assert!(changed > 0, "a start was recorded");
    journal(&project).execute("UPDATE runs SET last_seq = 1", []).unwrap();
    project.write("second", "");
    let result = project.run(["resume", "--output", "json"]).expect(1).json();
    let attempt = &result["tasks"][0]["attempts"][0];
    assert_eq!(result["tasks"][0]["failure"], "no_completion", "{attempt:#}");
    let folder = project.root().join(attempt["completion"].as_str().unwrap());
    let aside = folder.parent().unwrap().with_extension("unrecorded");
    assert!(aside.join("completion.json").exists(), "it is kept beside");
}

#[test]
fn a_journal_of_a_newer_version_is_left_alone() {
    for (bend, words) in [
        ("UPDATE events SET body = json_set(body, '$.kind', 'task_dreamt') WHERE seq = 2", "task_dreamt"),
        ("UPDATE events SET body = json_set(body, '$.schema', 'event/v2') WHERE seq = 2", "event/v2"),
        ("PRAGMA user_version = 99", "newer version"),
    ] {
        let project = killed();
        project.write("go", "");
        journal(&project).execute_batch(bend).unwrap();
        let rows = |connection: &Connection| -> i64 {
            connection
                .query_row("SELECT count(*) + sum(last_seq) + sum(fence) FROM runs", [], |row| row.get(0))
                .unwrap()
        };
        let before = rows(&journal(&project));
        let (bytes, begun) = (std::fs::read(database(&project)).unwrap(), attempts(&project, "T002"));
        for arguments in [&["resume"][..], &["status"], &["report"]] {
            let ran = project.run(arguments).expect(6);
            assert!(ran.stderr.contains(words) && ran.stderr.contains("newer"), "{bend}: {}", ran.stderr);
            assert!(ran.stderr.contains("help: use the newer version"), "{bend}: {}", ran.stderr);
        }
        assert_eq!(rows(&journal(&project)), before, "{bend}");
        assert_eq!(std::fs::read(database(&project)).unwrap(), bytes, "{bend}");
        assert_eq!(attempts(&project, "T002"), begun, "{bend}: something was started");
    }
}

#[test]
fn a_journal_that_refuses_ends_the_run_and_all_of_it_and_is_gone_on_with_later() {
    let project = project();
    project.write("empty.md", "- [ ] E001 Nothing\n  - Agent: command\n  - Command: `true`\n");
    for refused in [2, 3, 5, 6, 7] {
        let _ = project.run(["--plan", "empty.md", "--no-tick"]).expect(0);
        journal(&project)
            .execute_batch(&format!(
                "CREATE TRIGGER broken BEFORE INSERT ON events WHEN NEW.seq = {refused}
                 BEGIN SELECT RAISE(ABORT, 'the disk is gone'); END"
            ))
            .unwrap();
        drop(std::fs::remove_file(project.root().join("go")));
        drop(std::fs::remove_dir_all(project.root().join("begun")));
        project.write("plan.md", PLAN);
        let run = Followed::start(&project, &["--plan", "plan.md"]);
        // The second task goes on until somebody writes the file, or it is ended.
        if refused >= 7 {
            waits_for(|| project.has("begun/T002"));
            project.write("go", "");
        }
        let ran = run.end().expect(6).says("the disk is gone");
        assert!(ran.stderr.contains("help:"), "{}", ran.stderr);
        journal(&project).execute_batch("DROP TRIGGER broken").unwrap();
        let before = if project.has("begun/T001") { attempts(&project, "T001") } else { 0 };
        let status = project.run(["status", "--output", "json"]).expect(0).json();
        let done = status["tasks"][0]["status"] == "succeeded";
        project.write("go", "");
        let ran = project.run(["resume", "--output", "json"]);
        assert!(!project.has("overlap"), "something was left alive");
        let _ = ran.expect(0);
        assert_eq!(attempts(&project, "T001") - before, usize::from(!done), "{refused}");
        let _ = project.run(["state", "verify"]).expect(0);
    }
}
