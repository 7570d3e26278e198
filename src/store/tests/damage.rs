//! What kills, full disks and strangers leave, and what can be made of it.

use super::*;

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
fn what_is_to_go_goes() {
    let folder = folder();
    let store = opened(&folder);
    let mut shared = Embedded::new(&store.connection);
    let run = |id: &str| crate::model::ids::RunId(id.to_owned());
    shared.put("p:a", "1", &run("R1")).unwrap();
    shared.put("p:b", "2", &run("R2")).unwrap();
    shared.stream_append("p:s", "3", &run("R1")).unwrap();
    shared.expire_run(&run("R1"), Some(Timestamp(500))).unwrap();
    assert_eq!(shared.remove_expired(Timestamp(499)).unwrap(), 0);
    shared.expire_run(&run("R1"), None).unwrap();
    assert_eq!(shared.remove_expired(Timestamp(1_000)).unwrap(), 0);
    shared.expire_run(&run("R1"), Some(Timestamp(500))).unwrap();
    assert_eq!(shared.remove_expired(Timestamp(500)).unwrap(), 2);
    assert_eq!(shared.get("p:a").unwrap(), None);
    assert_eq!(shared.stream_read("p:s", 0).unwrap(), []);
    assert_eq!(shared.get("p:b").unwrap().as_deref(), Some("2"));
}
