//! The contract of [`SharedState`], held against every implementation: each gets a function that
//! makes an empty store, and runs [`holds`].

use super::*;
use crate::model::record::{LeaseVersion, TaskStatusVersion};

fn run(id: &str) -> RunId {
    RunId(id.to_owned())
}

fn record(run_id: &str, status: TaskStatus, revision: u64, fence: u64) -> TaskStatusRecord {
    TaskStatusRecord {
        schema: TaskStatusVersion::V1,
        run_id: run(run_id),
        task_id: TaskId::new("T1"),
        plan: "plan.md".to_owned(),
        title: "Title".to_owned(),
        status,
        attempt: 0,
        agent: None,
        model: None,
        layer: None,
        worker: None,
        started_at: None,
        updated_at: Timestamp(1),
        heartbeat_at: Timestamp(1),
        deadline_at: None,
        revision,
        fence,
        verdict: None,
        progress: None,
        report_problem: None,
    }
}

fn lease(run_id: &str, pid: u32, fence: u64, until: i64) -> Lease {
    Lease {
        schema: LeaseVersion::V1,
        run_id: run(run_id),
        host: "host".to_owned(),
        pid,
        pid_started: String::new(),
        fence,
        until: Timestamp(until),
    }
}

const KEY: &str = "p:task:T1:status";
const NOW: Timestamp = Timestamp(1_000);

fn write(
    store: &mut impl SharedState,
    record: &TaskStatusRecord,
    expected: Expected<'_>,
) -> Result<Decision, StoreError> {
    let json = serde_json::to_string(record).unwrap();
    let write = StatusWrite { prefix: "p:", key: KEY, record, json: &json, expected };
    store.write_status(&write, NOW, &|_| true)
}

fn stored(store: &impl SharedState) -> TaskStatusRecord {
    serde_json::from_str(&store.get(KEY).unwrap().unwrap()).unwrap()
}

/// Holds an implementation to the contract. `empty` makes a store with nothing in it.
pub(in crate::store) fn holds<S: SharedState>(mut empty: impl FnMut() -> S) {
    plain_keys(&mut empty());
    streams(&mut empty());
    fences_only_grow(&mut empty());
    leases_have_one_holder(&mut empty());
    a_status_is_compared_before_it_is_set(&mut empty());
    a_status_of_a_live_run_is_not_overwritten(&mut empty());
    a_status_of_a_dead_run_is_taken_over(&mut empty());
    heartbeats_move_one_field(&mut empty());
}

fn plain_keys(store: &mut impl SharedState) {
    assert_eq!(store.get("p:a").unwrap(), None);
    store.put("p:a", "1", &run("R1")).unwrap();
    store.put("p:b", "2", &run("R1")).unwrap();
    store.put("q:a", "3", &run("R1")).unwrap();
    store.put("p:a", "4", &run("R2")).unwrap();
    assert_eq!(store.get("p:a").unwrap().as_deref(), Some("4"));
    let listed = store.list("p:").unwrap();
    assert_eq!(listed, [("p:a".to_owned(), "4".to_owned()), ("p:b".to_owned(), "2".to_owned())]);
    assert_eq!(store.list("").unwrap().len(), 3);
    assert_eq!(store.list("p:%").unwrap().len(), 0);
    assert!(store.delete("p:a").unwrap());
    assert!(!store.delete("p:a").unwrap());
    assert_eq!(store.get("p:a").unwrap(), None);
}

fn streams(store: &mut impl SharedState) {
    assert_eq!(store.stream_append("s", "a", &run("R1")).unwrap(), 1);
    assert_eq!(store.stream_append("s", "b", &run("R1")).unwrap(), 2);
    assert_eq!(store.stream_append("t", "c", &run("R1")).unwrap(), 1);
    assert_eq!(store.stream_read("s", 0).unwrap(), [(1, "a".to_owned()), (2, "b".to_owned())]);
    assert_eq!(store.stream_read("s", 1).unwrap(), [(2, "b".to_owned())]);
    assert_eq!(store.stream_read("s", 2).unwrap(), []);
    assert_eq!(store.stream_read("none", 0).unwrap(), []);
}

fn fences_only_grow(store: &mut impl SharedState) {
    assert_eq!(store.next_fence("f", Timestamp(5_000)).unwrap(), 5_000);
    assert_eq!(store.next_fence("f", Timestamp(5_000)).unwrap(), 5_001);
    assert_eq!(store.next_fence("f", Timestamp(4_000)).unwrap(), 5_002);
    assert_eq!(store.next_fence("f", Timestamp(9_000)).unwrap(), 9_000);
    assert_eq!(store.next_fence("g", Timestamp(-1)).unwrap(), 1);
}

fn leases_have_one_holder(store: &mut impl SharedState) {
    let key = "p:run:R1:lease";
    store.take_lease(key, &lease("R1", 1, 5, 31_000), NOW, &|_| true).unwrap();
    let refused = store.take_lease(key, &lease("R1", 2, 6, 31_000), NOW, &|_| true).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Held { run, task: None, holder } if run.0 == "R1" && holder == "host:1"),
        "{refused}"
    );
    store.renew_lease(key, &lease("R1", 1, 5, 40_000)).unwrap();
    // The time is over, or the holder is known to be dead: it holds nothing.
    store.take_lease(key, &lease("R1", 2, 6, 71_000), Timestamp(40_000), &|_| true).unwrap();
    store.take_lease(key, &lease("R1", 3, 7, 71_000), Timestamp(40_001), &|lease| lease.pid != 2).unwrap();
    // The one before comes back.
    let late = store.renew_lease(key, &lease("R1", 2, 6, 99_000)).unwrap_err();
    assert!(matches!(late, StoreError::Stale { fence: 6, found: 7, .. }), "{late}");
    let late = store.take_lease(key, &lease("R1", 2, 6, 200_000), Timestamp(100_000), &|_| true).unwrap_err();
    assert!(matches!(late, StoreError::Stale { fence: 6, found: 7, .. }), "{late}");
    assert!(!store.release_lease(key, 6).unwrap());
    assert!(store.release_lease(key, 7).unwrap());
    assert_eq!(store.get(key).unwrap(), None);
}

fn a_status_is_compared_before_it_is_set(store: &mut impl SharedState) {
    use TaskStatus::{Failed, Pending, Running, Succeeded};
    assert_eq!(write(store, &record("R1", Pending, 0, 5), Expected::Claim).unwrap(), Decision::Write);
    assert_eq!(write(store, &record("R1", Pending, 0, 5), Expected::Claim).unwrap(), Decision::Keep);
    write(store, &record("R1", Running, 1, 5), Expected::Revision(0, &[Running])).unwrap();
    let stale = write(store, &record("R1", Failed, 1, 5), Expected::Revision(0, &[Failed])).unwrap_err();
    assert!(matches!(stale, StoreError::Conflict { expected: 0, found: 1, .. }), "{stale}");
    let illegal = write(store, &record("R1", Running, 3, 5), Expected::Revision(1, &[Succeeded, Running]));
    let illegal = illegal.unwrap_err();
    assert!(matches!(illegal, StoreError::IllegalStep { from: Succeeded, to: Running, .. }), "{illegal}");
    let old = write(store, &record("R1", Failed, 2, 4), Expected::Revision(1, &[Failed])).unwrap_err();
    assert!(matches!(old, StoreError::Stale { fence: 4, found: 5, .. }), "{old}");
    assert_eq!(stored(store), record("R1", Running, 1, 5));
    write(store, &record("R1", Succeeded, 2, 6), Expected::Revision(1, &[Succeeded])).unwrap();
    assert_eq!(stored(store).status, Succeeded);
}

fn a_status_of_a_live_run_is_not_overwritten(store: &mut impl SharedState) {
    store.take_lease("p:run:R1:lease", &lease("R1", 1, 5, 31_000), NOW, &|_| true).unwrap();
    write(store, &record("R1", TaskStatus::Running, 1, 5), Expected::Claim).unwrap();
    for expected in [Expected::Claim, Expected::Revision(1, &[])] {
        let held = write(store, &record("R2", TaskStatus::Pending, 0, 9), expected).unwrap_err();
        assert!(
            matches!(&held, StoreError::Held { run, task: Some(task), .. } if run.0 == "R1" && task.0 == "T1"),
            "{held}"
        );
    }
    assert_eq!(stored(store).run_id, run("R1"));
}

fn a_status_of_a_dead_run_is_taken_over(store: &mut impl SharedState) {
    store.take_lease("p:run:R1:lease", &lease("R1", 1, 5, 1_000), Timestamp(0), &|_| true).unwrap();
    write(store, &record("R1", TaskStatus::Running, 4, 5), Expected::Claim).unwrap();
    write(store, &record("R2", TaskStatus::Pending, 0, 9), Expected::Claim).unwrap();
    assert_eq!(stored(store).run_id, run("R2"));
    let back =
        write(store, &record("R1", TaskStatus::Failed, 5, 5), Expected::Revision(4, &[TaskStatus::Failed]));
    assert!(matches!(back.unwrap_err(), StoreError::Stale { .. }));
}

fn heartbeats_move_one_field(store: &mut impl SharedState) {
    write(store, &record("R1", TaskStatus::Running, 1, 5), Expected::Claim).unwrap();
    store.beat(KEY, &run("R1"), 5, Timestamp(77)).unwrap();
    let expected =
        TaskStatusRecord { heartbeat_at: Timestamp(77), ..record("R1", TaskStatus::Running, 1, 5) };
    assert_eq!(stored(store), expected);
    store.beat(KEY, &run("R2"), 9, Timestamp(88)).unwrap();
    store.beat(KEY, &run("R1"), 4, Timestamp(88)).unwrap();
    store.beat("p:task:none:status", &run("R1"), 5, Timestamp(88)).unwrap();
    assert_eq!(stored(store), expected);
}
