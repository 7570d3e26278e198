use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier};

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::shared::embedded::Embedded;
use super::testing::*;
use super::*;
use crate::masking::Masker;
use crate::model::event::EventBody;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::record::{
    Control, ControlAction, ControlVersion, Lease, ReportBody, TaskReport, TaskReportVersion,
    TaskStatusRecord,
};
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, RunStatus, TaskStatus};
use crate::model::task::Entry;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::schema::{self, SchemaKind};

const NOW: Timestamp = Timestamp(10_000);

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn opened(folder: &TempDir) -> Store {
    Store::open(folder.path(), true).unwrap()
}

fn alive(_: &Lease) -> bool {
    true
}

/// A run that was created and is supervised by process 7.
fn begun(store: &mut Store, spec: RunSpec) -> Supervisor {
    let fence = store.next_fence(&spec.prefix, NOW).unwrap();
    store.create_run(&spec).unwrap();
    store.acquire_lease(&spec, &lease(&spec, 7, fence), NOW, &alive).unwrap();
    let mut supervisor = Supervisor::new(spec, fence);
    let event = supervisor.started();
    store.append(&supervisor.spec, &supervisor.view, &[event], NOW).unwrap();
    supervisor
}

fn tell(store: &mut Store, supervisor: &mut Supervisor, body: EventBody) {
    let event = supervisor.event(body);
    store.append(&supervisor.spec, &supervisor.view, &[event], NOW).unwrap();
}

fn record(store: &Store, spec: &RunSpec, id: &str) -> TaskStatusRecord {
    let value = store.get(&keys::status(spec, &TaskId::new(id))).unwrap().unwrap();
    serde_json::from_value(value).unwrap()
}

fn refolded(store: &Store, spec: &RunSpec) -> RunView {
    RunView::fold(spec, &store.events(&spec.run_id, 0).unwrap()).unwrap()
}

fn no_problems(store: &Store) {
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn the_embedded_store_keeps_the_contract() {
    shared::holds_contract(|| {
        let folder = folder();
        let store = opened(&folder);
        // The file may go: the connection keeps it.
        let connection: &'static Connection = Box::leak(Box::new(store.connection));
        Embedded::new(connection)
    });
}

#[test]
fn a_run_is_written_down_and_read_back() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1", "T2"]));
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let fact = record(&store, &run.spec, "T1");
    assert_eq!((fact.status, fact.attempt, fact.revision), (TaskStatus::Running, 1, 1));
    assert_eq!(fact.worker.as_deref(), Some("host:7"));
    assert_eq!(fact.fence, run.fence);
    assert_eq!(record(&store, &run.spec, "T2").status, TaskStatus::Pending);

    store.heartbeat(&run.spec, &run.view, Timestamp(15_000)).unwrap();
    let beaten = record(&store, &run.spec, "T1");
    assert_eq!(beaten, TaskStatusRecord { heartbeat_at: Timestamp(15_000), ..fact });
    assert_eq!(store.lease(&run.spec.run_id).unwrap().unwrap().until, Timestamp(45_000));

    let ended = run.event(attempt_ended("T1", 1, AttemptStatus::Succeeded));
    let succeeded = run.event(EventBody::TaskSucceeded { task_id: TaskId::new("T1"), attempt: 1 });
    store.append(&run.spec, &run.view, &[ended, succeeded], NOW).unwrap();
    assert_eq!(record(&store, &run.spec, "T1").revision, 3);
    assert_eq!(store.run_spec(&run.spec.run_id).unwrap(), run.spec);
    assert_eq!(refolded(&store, &run.spec), run.view);
    assert_eq!(store.events(&run.spec.run_id, 3).unwrap().len(), 1);
    assert!(store.append(&run.spec, &run.view, &[], NOW).is_ok());
    no_problems(&store);
    assert_eq!(store.view(&run.spec.run_id).unwrap(), (run.spec.clone(), run.view.clone()));
}

#[test]
fn folder_and_files_are_the_users_alone() {
    let folder = folder();
    let state = folder.path().join("plans").join("agent-shared");
    let store = Store::open(&state, true).unwrap();
    assert_eq!(
        fs::read_to_string(state.join(".gitignore")).unwrap(),
        "/.gitignore\n/orchestrate.db*\n/runs/\n"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&state), 0o700);
        assert_eq!(mode(store.path()), 0o600);
        for entry in fs::read_dir(&state).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap() != ".gitignore" {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    drop(store);
    fs::write(state.join(".gitignore"), "mine").unwrap();
    let other = Store::open(&state, true).unwrap();
    assert_eq!(fs::read_to_string(state.join(".gitignore")).unwrap(), "mine");
    drop(other);
    let bare = folder.path().join("bare");
    let _store = Store::open(&bare, false).unwrap();
    assert!(!bare.join(".gitignore").exists());
}

#[test]
fn readers_make_nothing() {
    let folder = folder();
    let state = folder.path().join("none");
    assert!(Store::open_existing(&state).unwrap().is_none());
    assert!(!state.exists());
    fs::create_dir(&state).unwrap();
    fs::write(state.join("orchestrate.db"), "").unwrap();
    assert!(Store::open_existing(&state).unwrap().is_none());
    drop(Store::open(&state, false).unwrap());
    let store = Store::open_existing(&state).unwrap().unwrap();
    assert_eq!(store.runs().unwrap(), []);
    assert!(matches!(store.find_run(None).unwrap_err(), StoreError::NoRun { wanted: None }));
}

#[test]
fn readers_see_whole_turns_while_one_writes() {
    let folder = folder();
    let mut writer = opened(&folder);
    let mut run = begun(&mut writer, spec("01A", &["T1"]));
    let reader = Store::open_existing(folder.path()).unwrap().unwrap();
    let mark = reader.change_mark();
    assert_eq!(reader.change_mark(), mark);
    std::thread::scope(|scope| {
        let barrier = Arc::new(Barrier::new(2));
        let theirs = Arc::clone(&barrier);
        let path = folder.path();
        let last = scope.spawn(move || {
            let reader = Store::open_existing(path).unwrap().unwrap();
            theirs.wait();
            let mut last = 0;
            while last < 2 * 50 {
                // Every turn writes two events: an odd number after the start was half of one.
                let seen = reader.events(&RunId("01A".to_owned()), 1).unwrap().len();
                assert!(seen.is_multiple_of(2) && seen >= last, "{seen} after {last}");
                last = seen;
            }
            last
        });
        barrier.wait();
        let start = run.event(attempt_started("T1", 1));
        let warn = |run: &mut Supervisor| {
            run.event(EventBody::WarningRaised { code: "c".to_owned(), message: "m".to_owned(), hint: None })
        };
        let events = [start, warn(&mut run)];
        writer.append(&run.spec, &run.view, &events, NOW).unwrap();
        for _ in 1..50 {
            let progress = EventBody::AttemptProgressed {
                task_id: TaskId::new("T1"),
                attempt: 1,
                message: "on".to_owned(),
            };
            let events = [run.event(progress), warn(&mut run)];
            writer.append(&run.spec, &run.view, &events, NOW).unwrap();
        }
        assert_eq!(last.join().unwrap(), 100);
    });
    assert_ne!(reader.change_mark(), mark);
    no_problems(&reader);
}

#[test]
fn many_open_one_new_folder_at_once() {
    let folder = folder();
    let state = folder.path().join("new");
    let barrier = Barrier::new(6);
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (state, barrier) = (&state, &barrier);
            scope.spawn(move || {
                barrier.wait();
                let mut store = Store::open(state, true).unwrap();
                let spec = spec(&format!("0{number}"), &[&format!("T{number}")]);
                let mut run = begun(&mut store, spec);
                for attempt in 1..=10 {
                    let id = format!("T{number}");
                    tell(&mut store, &mut run, attempt_started(&id, attempt));
                    tell(&mut store, &mut run, attempt_ended(&id, attempt, AttemptStatus::Failed));
                }
            });
        }
    });
    let store = Store::open_existing(&state).unwrap().unwrap();
    assert_eq!(store.runs().unwrap().len(), 6);
    no_problems(&store);
}

#[test]
fn two_runs_of_a_project_keep_out_of_each_others_way() {
    let folder = folder();
    let mut first = opened(&folder);
    let mut second = opened(&folder);
    let one = begun(&mut first, spec("01A", &["T1", "T2"]));

    let same_task = spec("01B", &["T3", "T2"]);
    second.create_run(&same_task).unwrap();
    let fence = second.next_fence(&same_task.prefix, NOW).unwrap();
    let error = second.acquire_lease(&same_task, &lease(&same_task, 8, fence), NOW, &alive).unwrap_err();
    assert!(
        matches!(&error, StoreError::Held { run, task: Some(task), holder }
            if run.0 == "01A" && task.0 == "T2" && holder == "host:7"),
        "{error}"
    );
    assert_eq!(error.exit_code(), ExitCode::Held);
    assert!(error.hints()[0].contains("--id-prefix"), "{:?}", error.hints());
    // Nothing of it was written.
    assert_eq!(second.get("shop:task:T3:status").unwrap(), None);
    assert_eq!(second.lease(&same_task.run_id).unwrap(), None);

    let mut prefixed = spec("01C", &["T2"]);
    prefixed.settings.id_prefix = "b ".to_owned();
    let mut two = begun(&mut second, prefixed);
    tell(&mut second, &mut two, attempt_started("T2", 1));
    assert_eq!(second.get("shop:task:b%20T2:status").unwrap().unwrap()["status"], "running");
    assert_eq!(record(&first, &one.spec, "T2").status, TaskStatus::Pending);

    // The first one's process is dead: what it held is free.
    let dead = |lease: &Lease| lease.pid != 7;
    let fence = second.next_fence(&same_task.prefix, NOW).unwrap();
    second.acquire_lease(&same_task, &lease(&same_task, 8, fence), NOW, &dead).unwrap();
    assert_eq!(record(&second, &same_task, "T2").run_id, same_task.run_id);
    no_problems(&second);
}

#[test]
fn a_run_does_not_claim_what_it_skips() {
    let folder = folder();
    let mut first = opened(&folder);
    let mut second = opened(&folder);
    let mut one = begun(&mut first, spec("01A", &["T1", "T2"]));
    tell(&mut first, &mut one, attempt_started("T2", 1));

    let mut other = spec("01B", &["T2", "T3"]);
    other.tasks[0].entry = Entry::Skip { why: "not selected".to_owned() };
    let mut two = begun(&mut second, other);
    let skip = EventBody::TaskSkipped { task_id: TaskId::new("T2"), why: "not selected".to_owned() };
    tell(&mut second, &mut two, skip);
    tell(&mut second, &mut two, attempt_started("T3", 1));
    let kept = record(&second, &two.spec, "T2");
    assert_eq!((kept.run_id, kept.status), (one.spec.run_id.clone(), TaskStatus::Running));

    let ended = attempt_ended("T2", 1, AttemptStatus::Failed);
    tell(&mut first, &mut one, ended);
    no_problems(&first);
}

#[test]
fn a_second_supervisor_waits_and_a_late_one_is_refused() {
    let folder = folder();
    let mut first = opened(&folder);
    let mut second = opened(&folder);
    let mut run = begun(&mut first, spec("01A", &["T1"]));
    let spec = run.spec.clone();
    let fence = second.next_fence(&spec.prefix, NOW).unwrap();
    assert!(fence > run.fence);
    let taking = lease(&spec, 8, fence);
    let held = second.acquire_lease(&spec, &taking, NOW, &alive).unwrap_err();
    assert!(matches!(held, StoreError::Held { task: None, .. }), "{held}");

    // 30 s after the last renewal the lease has run out.
    let later = NOW + LEASE;
    second.acquire_lease(&spec, &taking, later, &alive).unwrap();
    let event = run.event(attempt_started("T1", 1));
    let lost = first.append(&spec, &run.view, &[event], later).unwrap_err();
    assert!(matches!(lost, StoreError::Stale { .. }), "{lost}");
    assert_eq!(lost.exit_code(), ExitCode::Held);
    assert!(matches!(first.heartbeat(&spec, &run.view, later).unwrap_err(), StoreError::Stale { .. }));
    assert!(first.renew_lease(&spec, &lease(&spec, 7, run.fence), later).is_err());
    first.release_lease(&spec, &lease(&spec, 7, run.fence)).unwrap();
    assert_eq!(second.lease(&spec.run_id).unwrap().unwrap().pid, 8);

    // The new one goes on from what is written.
    let (_, view) = second.view(&spec.run_id).unwrap();
    let mut resumed = Supervisor { spec: spec.clone(), view, fence };
    let event = resumed.event(EventBody::RunResumed { host: "host".to_owned(), pid: 8, fence });
    second.append(&spec, &resumed.view, &[event], later).unwrap();
    tell(&mut second, &mut resumed, attempt_started("T1", 1));
    assert_eq!(record(&second, &spec, "T1").fence, fence);
    no_problems(&second);
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    let spec = run.spec.clone();
    let before = store.events(&spec.run_id, 0).unwrap();

    // A gap.
    let lost = run.event(attempt_started("T1", 1));
    let next = run.event(attempt_ended("T1", 1, AttemptStatus::Succeeded));
    let gap = store.append(&spec, &run.view, std::slice::from_ref(&next), NOW).unwrap_err();
    assert!(matches!(gap, StoreError::Conflict { .. }), "{gap}");
    assert_eq!(gap.exit_code(), ExitCode::Held);
    // A state that is not the one after the events.
    let stale = store.append(&spec, &run.view, std::slice::from_ref(&lost), NOW).unwrap_err();
    assert!(matches!(stale, StoreError::Conflict { .. }), "{stale}");
    // The first of a pair is fine, and goes with the second.
    let mut other = Supervisor::new(self::spec("01Z", &["T1"]), 1);
    let foreign = other.started();
    assert!(matches!(
        store.append(&other.spec, &other.view, &[foreign], NOW).unwrap_err(),
        StoreError::NoRun { .. }
    ));
    assert_eq!(store.events(&spec.run_id, 0).unwrap(), before);
    assert_eq!(record(&store, &spec, "T1").status, TaskStatus::Pending);

    store.append(&spec, &run.view, &[lost, next], NOW).unwrap();
    // A step that the table does not know, said by a state that was not folded.
    let mut forged = run.view.clone();
    let mut event = run.event(EventBody::TaskSucceeded { task_id: TaskId::new("T1"), attempt: 1 });
    event.body = EventBody::TaskBlocked { task_id: TaskId::new("T1"), by: TaskId::new("T1") };
    forged.last_seq = event.seq;
    forged.tasks[0].revision += 1;
    forged.tasks[0].status = TaskStatus::Blocked;
    let illegal = store.append(&spec, &forged, &[event], NOW).unwrap_err();
    assert!(
        matches!(illegal, StoreError::IllegalStep { from: TaskStatus::Running, to: TaskStatus::Blocked, .. }),
        "{illegal}"
    );
    assert_eq!(illegal.exit_code(), ExitCode::Fault);
    no_problems(&store);
    let twice = store.create_run(&spec).unwrap_err();
    assert!(matches!(twice, StoreError::Invalid { .. }), "{twice}");
}

#[test]
fn what_was_written_outlives_a_kill() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    tell(&mut store, &mut run, attempt_started("T1", 1));
    // No end of the connection ever comes: what a kill leaves is what lies on the disk.
    let copy = tempfile::tempdir().unwrap();
    for name in ["orchestrate.db", "orchestrate.db-wal"] {
        fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    std::mem::forget(store);
    let survivor = Store::open(copy.path(), false).unwrap();
    assert_eq!(refolded(&survivor, &run.spec), run.view);
    no_problems(&survivor);

    // A log that was cut in the middle of a write holds all whole turns before the cut.
    let log = fs::read(folder.path().join("orchestrate.db-wal")).unwrap();
    for part in [1, 2, 3, 5, 8] {
        let cut = tempfile::tempdir().unwrap();
        fs::copy(folder.path().join("orchestrate.db"), cut.path().join("orchestrate.db")).unwrap();
        fs::write(cut.path().join("orchestrate.db-wal"), &log[..log.len() - log.len() * part / 20]).unwrap();
        let store = Store::open(cut.path(), false).unwrap();
        no_problems(&store);
        for summary in store.runs().unwrap() {
            let seen = store.events(&summary.run_id, 0).unwrap();
            assert!(u64::try_from(seen.len()).unwrap() <= run.view.last_seq);
        }
    }
}

#[test]
fn a_sync_is_done_while_others_read() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    store.sync().unwrap();
    let reader = Connection::open(store.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM runs;").unwrap();
    let _held: i64 = reader.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    tell(&mut store, &mut run, attempt_started("T1", 1));
    store.sync().unwrap();
    assert_eq!(refolded(&store, &run.spec), run.view);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for state in [file.clone(), file.join("below")] {
        let error = Store::open(&state, true).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
        assert_eq!(error.exit_code(), ExitCode::Store);
        assert!(error.to_string().contains("file"), "{error}");
        assert!(error.hints()[0].contains("state_dir"));
    }
}

#[test]
fn what_is_no_store_of_ours_is_named() {
    let write = |content: &[u8]| {
        let folder = folder();
        fs::write(folder.path().join("orchestrate.db"), content).unwrap();
        folder
    };
    let garbage = write(&[b'x'; 4096]);
    for error in
        [Store::open(garbage.path(), false).unwrap_err(), Store::open_existing(garbage.path()).unwrap_err()]
    {
        assert!(
            matches!(&error, StoreError::Corrupt { path, .. } if path.ends_with("orchestrate.db")),
            "{error}"
        );
        assert!(error.hints()[0].contains("-wal"));
    }
    let foreign = folder();
    let path = foreign.path().join("orchestrate.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let error = Store::open(foreign.path(), false).unwrap_err();
    assert!(error.to_string().contains("another program"), "{error}");
    let newer = folder();
    drop(opened(&newer));
    Connection::open(newer.path().join("orchestrate.db"))
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let error = Store::open(newer.path(), false).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { newer: true, .. }), "{error}");
    assert!(Store::open_existing(newer.path()).is_err());
}

#[test]
fn a_lock_that_is_not_given_back_is_named() {
    let folder = folder();
    let mut store = opened(&folder);
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.connection.busy_timeout(Duration::from_millis(1)).unwrap();
    let error = store.next_fence("shop:", NOW).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable { path, .. } if path == store.path()), "{error}");
    assert!(error.hints()[0].contains("another process"), "{:?}", error.hints());
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(store.next_fence("shop:", NOW).unwrap(), 10_000);
}

#[test]
fn a_full_disk_costs_the_turn_and_nothing_before_it() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let pages: i64 = store.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    store.connection.pragma_update(None, "max_page_count", pages).unwrap();
    let before = run.view.clone();
    let message = "w".repeat(40_000);
    let event = run.event(EventBody::AttemptProgressed { task_id: TaskId::new("T1"), attempt: 1, message });
    let error = store.append(&run.spec, &run.view, std::slice::from_ref(&event), NOW).unwrap_err();
    assert!(matches!(&error, StoreError::Full { path } if path.ends_with("orchestrate.db")), "{error}");
    assert_eq!(error.exit_code(), ExitCode::Store);
    assert_eq!(refolded(&store, &run.spec), before);
    no_problems(&store);
    // Once there is room the same turn is taken.
    store.connection.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    store.append(&run.spec, &run.view, &[event], NOW).unwrap();
    assert_eq!(refolded(&store, &run.spec), run.view);
}

#[test]
fn secrets_stay_out_of_events_records_reports_and_tails() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut spec = spec("01A", &["T1"]);
    spec.tasks[0].title = "use sk-abc123def456ghi789jkl012 for it".to_owned();
    let mut run = begun(&mut store, spec);
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let message = "export OPENAI_API_KEY=sk-abc123def456ghi789jkl012 || true".to_owned();
    let progress = EventBody::AttemptProgressed { task_id: TaskId::new("T1"), attempt: 1, message };
    tell(&mut store, &mut run, progress);
    let report = TaskReport {
        schema: TaskReportVersion::V1,
        run_id: run.spec.run_id.clone(),
        task_id: TaskId::new("T1"),
        attempt: 1,
        at: Some(NOW),
        body: ReportBody::Progress {
            message: "key sk-abc123def456ghi789jkl012".to_owned(),
            percent: Some(50),
        },
    };
    store.put_report(&run.spec, &report).unwrap();
    store.put_tail(&run.spec, &TaskId::new("T1"), "Bearer sk-abc123def456ghi789jkl012\nž").unwrap();
    let control = Control {
        schema: ControlVersion::V1,
        at: NOW,
        by: "me@host".to_owned(),
        action: ControlAction::Retry {
            tasks: vec![TaskId::new("T1")],
            layer: None,
            agent: None,
            say: Some("try sk-abc123def456ghi789jkl012".to_owned()),
        },
    };
    assert_eq!(store.push_control(&run.spec.run_id, &control).unwrap(), 1);

    assert_eq!(store.tail(&run.spec, &TaskId::new("T1")).unwrap().unwrap(), "Bearer ***\nž");
    assert_eq!(record(&store, &run.spec, "T1").title, "use sk-*** for it");
    let masked = ReportBody::Progress { message: "key sk-***".to_owned(), percent: Some(50) };
    assert_eq!(store.report(&run.spec, &TaskId::new("T1")).unwrap().unwrap().body, masked);
    store.clear_report(&run.spec, &TaskId::new("T1")).unwrap();
    assert_eq!(store.report(&run.spec, &TaskId::new("T1")).unwrap(), None);
    let shown = format!("{:?}", store.list("shop:").unwrap());
    let events = store.get("shop:run:01A:events").unwrap().unwrap().to_string();
    let plan = store.get("shop:run:01A:plan").unwrap().unwrap().to_string();
    for text in [&shown, &events, &plan] {
        assert!(!text.contains("abc123"), "{text}");
    }
    assert!(events.contains("OPENAI_API_KEY=sk-***"), "{events}");
    // A resume needs the run as it was.
    assert_eq!(store.run_spec(&run.spec.run_id).unwrap(), run.spec);
    no_problems(&store);
}

#[test]
fn known_secrets_stay_out_whatever_their_shape() {
    let folder = folder();
    let mut store = opened(&folder);
    store.set_masker(Masker::new(["correct horse".to_owned()]));
    let mut spec = spec("01A", &["T1"]);
    spec.tasks[0].title = "ask correct horse".to_owned();
    let mut run = begun(&mut store, spec);
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let message = "it is correct horse, really".to_owned();
    let progress = EventBody::AttemptProgressed { task_id: TaskId::new("T1"), attempt: 1, message };
    tell(&mut store, &mut run, progress);
    store.put_tail(&run.spec, &TaskId::new("T1"), "correct horse").unwrap();
    assert_eq!(record(&store, &run.spec, "T1").title, "ask ***");
    assert_eq!(store.tail(&run.spec, &TaskId::new("T1")).unwrap().unwrap(), "***");
    let plan = store.get("shop:run:01A:plan").unwrap().unwrap().to_string();
    let events = store.get("shop:run:01A:events").unwrap().unwrap().to_string();
    assert!(events.contains("it is ***, really") && !events.contains("horse") && !plan.contains("horse"));
    no_problems(&store);
}

#[test]
fn a_tail_keeps_the_end_on_a_whole_character() {
    let folder = folder();
    let mut store = opened(&folder);
    let run = begun(&mut store, spec("01A", &["T1"]));
    let text = format!("x{}", "ž".repeat(TAIL_BYTES));
    store.put_tail(&run.spec, &TaskId::new("T1"), &text).unwrap();
    let tail = store.tail(&run.spec, &TaskId::new("T1")).unwrap().unwrap();
    assert_eq!(tail.len(), TAIL_BYTES);
    assert!(tail.chars().all(|c| c == 'ž'));
}

#[test]
fn requests_reach_a_run_in_order() {
    let folder = folder();
    let mut store = opened(&folder);
    let run = begun(&mut store, spec("01A", &["T1"]));
    let control = |action| Control { schema: ControlVersion::V1, at: NOW, by: "me@host".to_owned(), action };
    let stop = control(ControlAction::Stop { tasks: Vec::new() });
    let approve = control(ControlAction::Approve { gate: "release".to_owned() });
    assert_eq!(store.push_control(&run.spec.run_id, &stop).unwrap(), 1);
    assert_eq!(store.push_control(&run.spec.run_id, &approve).unwrap(), 2);
    assert_eq!(store.controls(&run.spec.run_id, 0).unwrap(), [(1, stop), (2, approve.clone())]);
    assert_eq!(store.controls(&run.spec.run_id, 1).unwrap(), [(2, approve)]);
    let nobody = RunId("none".to_owned());
    assert!(matches!(
        store.push_control(&nobody, &control(ControlAction::Stop { tasks: Vec::new() })).unwrap_err(),
        StoreError::NoRun { .. }
    ));
    assert!(matches!(store.events(&nobody, 0).unwrap_err(), StoreError::NoRun { .. }));
}

#[test]
fn runs_are_listed_newest_first_and_a_dead_one_is_lost() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut old = begun(&mut store, spec("01A", &["T1"]));
    let mut newer = spec("01B", &["T2"]);
    newer.created_at = Timestamp(2_000);
    begun(&mut store, newer);
    let listed = |store: &Store, now, alive: &dyn Fn(&Lease) -> bool| -> Vec<(String, RunStatus)> {
        store.runs_at(now, alive).unwrap().into_iter().map(|run| (run.run_id.0, run.status)).collect()
    };
    let running = |id: &str| (id.to_owned(), RunStatus::Running);
    let lost = |id: &str| (id.to_owned(), RunStatus::Lost);
    assert_eq!(listed(&store, NOW, &alive), [running("01B"), running("01A")]);
    assert_eq!(listed(&store, NOW, &|lease| lease.run_id.0 != "01B"), [lost("01B"), running("01A")]);
    assert_eq!(listed(&store, NOW + LEASE, &alive), [lost("01B"), lost("01A")]);
    // By the store's clock these leases ran out long ago.
    assert!(store.runs().unwrap().iter().all(|run| run.status == RunStatus::Lost));

    let event = old.ended();
    store.append(&old.spec, &old.view, &[event], NOW).unwrap();
    assert_eq!(listed(&store, NOW + LEASE, &alive)[1].1, RunStatus::Succeeded);
    let index = store.get("shop:shared_state").unwrap().unwrap();
    schema::validate_value(SchemaKind::SharedState, &index).unwrap();
    assert_eq!(index["project"], "shop");
    assert_eq!(index["runs"][0]["run_id"], "01B");
    assert_eq!(index["runs"][1]["exit_code"], 0);
    assert_eq!(store.get("shop:nothing").unwrap(), None);
}

#[test]
fn a_run_is_found_by_the_start_of_its_name() {
    let folder = folder();
    let mut store = opened(&folder);
    for (place, id) in ["01JA1", "01JA2", "01JB", "01JBX"].iter().enumerate() {
        let mut spec = spec(id, &["T1"]);
        spec.created_at = Timestamp(i64::try_from(place).unwrap());
        store.create_run(&spec).unwrap();
    }
    let find = |wanted: &str| store.find_run(Some(wanted)).map(|run| run.0);
    assert_eq!(store.find_run(None).unwrap().0, "01JBX");
    assert_eq!(find("01ja2").unwrap(), "01JA2");
    assert_eq!(find("01JB").unwrap(), "01JB");
    assert_eq!(find("01JBx").unwrap(), "01JBX");
    let several = find("01JA").unwrap_err();
    assert!(
        matches!(&several, StoreError::Ambiguous { candidates, .. } if candidates.len() == 2),
        "{several}"
    );
    assert_eq!(several.hints()[0], "one of: 01JA2, 01JA1");
    for wanted in ["02", "", "%", "01JB_"] {
        assert!(matches!(find(wanted).unwrap_err(), StoreError::NoRun { .. }), "{wanted}");
    }
}

#[test]
fn keys_go_a_while_after_the_end_and_come_back_with_a_resume() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let mut forgotten = spec("01F", &["T9"]);
    forgotten.created_at = Timestamp(500);
    begun(&mut store, forgotten);
    let event = run.ended();
    store.append(&run.spec, &run.view, &[event], NOW).unwrap();
    store.release_lease(&run.spec, &lease(&run.spec, 7, run.fence)).unwrap();
    assert!(store.get("shop:task:T1:status").unwrap().is_some());

    let later = NOW + KEEP + LEASE;
    let mut next = spec("01B", &["T2"]);
    next.created_at = Timestamp(3_000);
    store.create_run(&next).unwrap();
    let fence = store.next_fence("shop:", later).unwrap();
    store.acquire_lease(&next, &lease(&next, 7, fence), later, &alive).unwrap();
    assert_eq!(store.get("shop:task:T1:status").unwrap(), None);
    assert_eq!(store.get("shop:task:T9:status").unwrap(), None);
    no_problems(&store);

    let fence = store.next_fence("shop:", later).unwrap();
    store.acquire_lease(&run.spec, &lease(&run.spec, 7, fence), later, &alive).unwrap();
    let again = record(&store, &run.spec, "T1");
    assert_eq!((again.status, again.attempt), (status_of(&run.view, "T1"), 1));
    no_problems(&store);
}

#[test]
fn verify_finds_what_somebody_bent() {
    let bend = |sql: &str| {
        let folder = folder();
        let mut store = opened(&folder);
        let mut run = begun(&mut store, spec("01A", &["T1"]));
        tell(&mut store, &mut run, attempt_started("T1", 1));
        no_problems(&store);
        assert!(store.connection.execute(sql, []).unwrap() > 0, "{sql}");
        store.verify().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(bend("DELETE FROM events WHERE seq = 1"), ["run 01A: event 1 is missing"]);
    assert_eq!(
        bend("DELETE FROM events WHERE seq = 2"),
        ["run 01A: its last event is 1, and 2 is noted", "run 01A: its summary is not what its events say"]
    );
    let broken = bend("UPDATE events SET body = 'x' WHERE seq = 2");
    assert!(broken[0].starts_with("run 01A: event 2: is no JSON"), "{broken:?}");
    let broken = bend("UPDATE events SET body = json_set(body, '$.attempt', 5) WHERE seq = 2");
    assert!(broken[0].starts_with("run 01A: event 2: event 2 is about attempt 5"), "{broken:?}");
    assert_eq!(
        bend("UPDATE entries SET value = json_set(value, '$.status', 'failed') WHERE status IS NOT NULL"),
        ["shop:task:T1:status: is not what the run's events say"]
    );
    let broken =
        bend("UPDATE entries SET value = json_set(value, '$.status', 'done') WHERE status IS NOT NULL");
    assert!(broken[0].starts_with("shop:task:T1:status: `/status`: `done` is none of"), "{broken:?}");
    assert_eq!(bend("DELETE FROM entries WHERE status IS NOT NULL"), ["shop:task:T1:status: is missing"]);
    let broken = bend("UPDATE specs SET spec = '{}'");
    assert!(broken[0].starts_with("run 01A: "), "{broken:?}");
    assert_eq!(bend("DELETE FROM specs"), ["run 01A: what it was started with is missing"]);
}

#[test]
fn what_is_derived_can_be_made_again() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1", "T2", "T3"]));
    tell(&mut store, &mut run, attempt_started("T1", 1));
    tell(&mut store, &mut run, attempt_started("T2", 1));
    tell(&mut store, &mut run, attempt_started("T3", 1));
    assert_eq!(store.repair(NOW).unwrap(), []);
    for bend in [
        "UPDATE entries SET value = json_set(value, '$.attempt', 5) WHERE key = 'shop:task:T1:status'",
        "UPDATE entries SET value = 'x' WHERE key = 'shop:task:T2:status'",
        "DELETE FROM entries WHERE key = 'shop:task:T3:status'",
        "UPDATE runs SET last_seq = 1, summary = json_set(summary, '$.status', 'failed')",
    ] {
        assert_eq!(store.connection.execute(bend, []).unwrap(), 1, "{bend}");
    }
    let mended: Vec<String> = store.repair(NOW).unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(
        mended,
        [
            "run 01A: its summary was not what its events say",
            "shop:task:T1:status: was not what the run's events say",
            "shop:task:T2:status: was not what the run's events say",
            "shop:task:T3:status: was missing",
        ]
    );
    no_problems(&store);
    // The run goes on as if nothing had been.
    tell(&mut store, &mut run, attempt_ended("T1", 1, AttemptStatus::Failed));
    no_problems(&store);
    // What the events themselves do not tell cannot be made.
    store.connection.execute("DELETE FROM events WHERE seq = 2", []).unwrap();
    assert_eq!(store.repair(NOW).unwrap(), []);
    assert_eq!(store.verify().unwrap().len(), 1);
}

#[test]
fn whether_a_holder_lives_is_asked_once() {
    let folder = folder();
    let mut store = opened(&folder);
    begun(&mut store, spec("01A", &["T1", "T2", "T3"]));
    let next = spec("01B", &["T1", "T2", "T3"]);
    store.create_run(&next).unwrap();
    let fence = store.next_fence(&next.prefix, NOW).unwrap();
    let asked = std::cell::Cell::new(0);
    let dead = |_: &Lease| {
        asked.set(asked.get() + 1);
        false
    };
    store.acquire_lease(&next, &lease(&next, 8, fence), NOW, &dead).unwrap();
    assert_eq!(asked.get(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_legal_history_reads_back_as_it_was(
        choices in proptest::collection::vec((0..3usize, any::<u8>(), any::<bool>()), 1..60)
    ) {
        let folder = folder();
        let mut store = opened(&folder);
        let mut run = begun(&mut store, spec("01A", &["T1", "T2", "T3"]));
        let mut turn = Vec::new();
        for (task, choice, end_of_turn) in choices {
            let body = some_event(&run.view, task, choice);
            // Only what may happen does.
            let Ok(event) = run.try_event(body) else { continue };
            turn.push(event);
            if end_of_turn {
                store.append(&run.spec, &run.view, &turn, NOW).unwrap();
                turn.clear();
            }
        }
        store.append(&run.spec, &run.view, &turn, NOW).unwrap();
        prop_assert_eq!(&refolded(&store, &run.spec), &run.view);
        for (place, task) in run.view.tasks.iter().enumerate() {
            let stored = record(&store, &run.spec, task.id.as_str());
            let mut told = TaskStatusRecord::of(&run.spec, &run.view, place, stored.updated_at);
            told.fence = stored.fence;
            prop_assert_eq!(stored, told);
        }
        prop_assert_eq!(store.verify().unwrap(), []);
    }
}

#[test]
#[ignore = "measures; run by hand in release"]
#[expect(clippy::disallowed_methods, reason = "measures how long it takes")]
fn how_long_an_event_takes() {
    let folder = folder();
    let mut store = opened(&folder);
    let ids: Vec<String> = (0..10_000).map(|number| format!("T{number}")).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let start = std::time::Instant::now();
    let mut run = begun(&mut store, spec("01A", &names));
    println!("{} tasks begun in {:?}", ids.len(), start.elapsed());
    let mut tasks = ids.iter();
    for turn in [1, 3, 24] {
        let first = run.view.last_seq;
        let mut total = std::time::Duration::ZERO;
        let mut events = Vec::new();
        for id in tasks.by_ref().take(3_000) {
            let task_id = TaskId::new(id.as_str());
            for body in [
                attempt_started(id, 1),
                attempt_ended(id, 1, AttemptStatus::Succeeded),
                EventBody::TaskSucceeded { task_id, attempt: 1 },
            ] {
                events.push(run.event(body));
                if events.len() == turn {
                    let start = std::time::Instant::now();
                    store.append(&run.spec, &run.view, &events, NOW).unwrap();
                    total += start.elapsed();
                    events.clear();
                }
            }
        }
        let written = u32::try_from(run.view.last_seq - first).unwrap();
        println!("turns of {turn}: {written} events, {:?} an event", total / written);
    }
    let start = std::time::Instant::now();
    store.heartbeat(&run.spec, &run.view, NOW).unwrap();
    println!("heartbeat {:?}", start.elapsed());
}
