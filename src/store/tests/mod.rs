//! Tests of the store as its callers see it.

mod damage;
mod door;
mod outbox;
mod power_loss;
mod sharing;
mod spending;

use std::fs;
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
        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
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
