//! A loss of power at any byte of the last write, and what a disk makes of it: cut off, filled with
//! zeros, written in another order, torn in the middle of a page. Whole turns are there or are not;
//! nothing in between, and nothing of what was before.

use super::*;

const FRAME: usize = 24 + 4096;

/// A store with a few turns, and what lies on the disk before and after the last of them.
struct Disk {
    spec: RunSpec,
    database: Vec<u8>,
    log_before: Vec<u8>,
    log: Vec<u8>,
    before: RunView,
    after: RunView,
}

impl Disk {
    fn new() -> Self {
        let folder = folder();
        let mut store = opened(&folder);
        let mut run = begun(&mut store, spec("01A", &["T1", "T2"]));
        tell(&mut store, &mut run, attempt_started("T1", 1));
        tell(&mut store, &mut run, attempt_ended("T1", 1, AttemptStatus::Succeeded));
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        let (before, log_before) = (run.view.clone(), read("orchestrate.db-wal"));
        tell(&mut store, &mut run, attempt_started("T2", 1));
        let (database, log) = (read("orchestrate.db"), read("orchestrate.db-wal"));
        assert!(log.len() > log_before.len() && log.starts_with(&log_before), "the turn was appended");
        Self { database, log_before, log, before, after: run.view, spec: run.spec }
    }

    /// Opens what is left of the disk, and says which state it shows.
    #[track_caller]
    fn shows(&self, database: &[u8], log: &[u8], what: &str) -> RunView {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("orchestrate.db"), database).unwrap();
        fs::write(folder.path().join("orchestrate.db-wal"), log).unwrap();
        let mut store = Store::open(folder.path(), false).unwrap_or_else(|error| panic!("{what}: {error}"));
        let problems = store.verify().unwrap();
        assert_eq!(problems, [], "{what}");
        let view = refolded(&store, &self.spec);
        // And it can be gone on with.
        let fence = store.next_fence("shop:", NOW + LEASE).unwrap();
        let claim = lease(&self.spec, 8, fence);
        store.acquire_lease(&self.spec, &claim, NOW + LEASE, &|_| false).unwrap();
        view
    }
}

#[test]
fn a_cut_at_any_byte_of_the_last_turn_costs_that_turn_and_no_other() {
    let disk = Disk::new();
    let (start, end) = (disk.log_before.len(), disk.log.len());
    // Every byte of the heads of its pages, and some of what is in between.
    let places =
        (start..end).filter(|place| (place - start) % FRAME < 26 || place % 389 == 0 || place + 9 > end);
    for place in places {
        for (how, filling) in [("cut off", None), ("zeros", Some(0)), ("rubbish", Some(0xa5))] {
            let mut log = disk.log[..place].to_vec();
            if let Some(byte) = filling {
                log.resize(end, byte);
            }
            let seen = disk.shows(&disk.database, &log, &format!("{how} at {place} of {start} to {end}"));
            // The same bytes may be there by chance.
            let expected = if log == disk.log { &disk.after } else { &disk.before };
            assert_eq!(seen, *expected, "{how} at {place}");
        }
    }
    assert_eq!(disk.shows(&disk.database, &disk.log, "whole"), disk.after);
}

#[test]
fn what_reached_the_disk_in_another_order_is_no_turn() {
    let disk = Disk::new();
    let (start, end) = (disk.log_before.len(), disk.log.len());
    for sector in (start..end).step_by(512) {
        let mut log = disk.log.clone();
        let lost = sector..(sector + 512).min(end);
        if log[lost.clone()].iter().all(|&byte| byte == 0) {
            continue;
        }
        log[lost].fill(0);
        assert_eq!(
            disk.shows(&disk.database, &log, "a sector"),
            disk.before,
            "without the sector at {sector}"
        );
    }
}

#[test]
fn a_page_that_was_torn_while_the_log_was_moved_is_mended_from_the_log() {
    let disk = Disk::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orchestrate.db");
    fs::write(&path, &disk.database).unwrap();
    fs::write(folder.path().join("orchestrate.db-wal"), &disk.log).unwrap();
    let mut moved = Store::open(folder.path(), false).unwrap();
    moved.sync().unwrap();
    let after = fs::read(&path).unwrap();
    drop(moved);
    assert!(after.len() > disk.database.len(), "the log was moved into the file");
    for page in 0..after.len() / 4096 {
        for written in [512, 2048, 4000] {
            // All before it was moved, it itself in part, nothing after it.
            let mut torn = after[..page * 4096 + written].to_vec();
            torn.extend(disk.database.get(torn.len()..).unwrap_or_default());
            let seen = disk.shows(&torn, &disk.log, &format!("page {page} torn at {written}"));
            assert_eq!(seen, disk.after, "page {page} torn at {written}");
        }
    }
}

#[test]
fn a_log_that_is_gone_shows_what_was_moved_before() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    store.sync().unwrap();
    let (database, before) = (fs::read(store.path()).unwrap(), run.view.clone());
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let copy = tempfile::tempdir().unwrap();
    fs::write(copy.path().join("orchestrate.db"), database).unwrap();
    let store = Store::open(copy.path(), false).unwrap();
    assert_eq!(refolded(&store, &run.spec), before);
    no_problems(&store);
}

#[test]
fn pages_that_were_bent_are_told_or_do_no_harm() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1", "T2"]));
    tell(&mut store, &mut run, attempt_started("T1", 1));
    store.sync().unwrap();
    drop(store);
    let database = fs::read(folder.path().join("orchestrate.db")).unwrap();
    let mut told = 0;
    for page in 0..database.len() / 4096 {
        let mut bent = database.clone();
        bent[page * 4096..(page + 1) * 4096].fill(0xa5);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("orchestrate.db"), &bent).unwrap();
        let seen = Store::open(folder.path(), false)
            .and_then(|store| Ok((store.verify()?, store.view(&run.spec.run_id)?.1)));
        match seen {
            Err(error) => {
                told += 1;
                assert_eq!(error.exit_code(), ExitCode::Store, "page {page}: {error}");
                assert!(!error.hints().is_empty());
            }
            Ok((problems, view)) => {
                told += usize::from(!problems.is_empty());
                assert!(
                    !problems.is_empty() || view == run.view,
                    "page {page} shows another state in silence"
                );
            }
        }
    }
    assert!(told > 3, "only {told} pages");
}
