//! Stores that write to a server too.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::model::event::EventBody;
use crate::model::ids::TaskId;
use crate::model::record::TaskStatusRecord;
use crate::model::run::RunSpec;
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::store::testing::{Supervisor, attempt_ended, attempt_started, lease, spec};
use crate::store::{Store, keys};

const TTL: Duration = Duration::from_hours(1);
/// How long a test waits for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A machine of its own: a folder with a journal, and the server that all share.
struct Machine {
    _folder: TempDir,
    store: Store,
}

fn machine(server: &RedisServer) -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), false).unwrap();
    store.share_with(Mirror::open(address(server), TTL, 1, SOON).unwrap());
    Machine { _folder: folder, store }
}

fn begin(machine: &mut Machine, server: &RedisServer, mut spec: RunSpec) -> Result<Supervisor, StoreError> {
    let now = server_time(server);
    // A run that was not seen for years would be taken for a forgotten one.
    spec.created_at = now;
    let fence = machine.store.next_fence(&spec.prefix, now)?;
    machine.store.begin_run(&spec, &lease(&spec, 7, fence), now, &|_| true)?;
    let mut run = Supervisor::new(spec, fence);
    let event = run.started();
    machine.store.append(&run.spec, &run.view, &[event], now)?;
    Ok(run)
}

fn tell(machine: &mut Machine, run: &mut Supervisor, body: EventBody) -> Result<(), StoreError> {
    let event = run.event(body);
    machine.store.append(&run.spec, &run.view, &[event], Timestamp(3_000))
}

/// Looks again and again until `seen` says yes.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a bound for what has to come")]
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !seen() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn alive(_: &Lease) -> bool {
    true
}

fn dead(_: &Lease) -> bool {
    false
}

fn record(server: &RedisServer, spec: &RunSpec, task: &str) -> Option<TaskStatusRecord> {
    serde_json::from_str(&server.get(&keys::status(spec, &TaskId::new(task)))?).ok()
}

fn reader(server: &RedisServer) -> RedisState {
    RedisState::open(address(server), TTL, SOON).unwrap()
}

#[test]
fn a_run_is_in_the_server_as_the_contract_says() {
    let Some(server) = RedisServer::start() else { return };
    let mut machine = machine(&server);
    let mut run = begin(&mut machine, &server, spec("01A", &["T1", "T2"])).unwrap();
    tell(&mut machine, &mut run, attempt_started("T1", 1)).unwrap();
    machine.store.put_tail(&run.spec, &TaskId::new("T1"), "its end").unwrap();
    machine.store.renew_lease(&run.spec, &lease(&run.spec, 7, run.fence), Timestamp(4_000)).unwrap();
    machine.store.heartbeat(&run.spec, &run.view, Timestamp(9_000_000)).unwrap();
    until("the tail", || server.get("shop:task:T1:tail").is_some());
    until("the heartbeat", || {
        record(&server, &run.spec, "T1").is_some_and(|record| record.heartbeat_at == Timestamp(9_000_000))
    });
    let one = record(&server, &run.spec, "T1").unwrap();
    assert_eq!((one.status, one.revision, one.fence), (TaskStatus::Running, 1, run.fence));
    assert_eq!(record(&server, &run.spec, "T2").unwrap().status, TaskStatus::Pending);
    assert_eq!(server.get("shop:task:T1:tail").as_deref(), Some("\"its end\""));
    assert_eq!(server.get("shop:fence"), Some(run.fence.to_string()));
    let plan: RunSpec = serde_json::from_str(&server.get("shop:run:01A:plan").unwrap()).unwrap();
    assert_eq!(plan.tasks.len(), 2);
    let index: serde_json::Value = serde_json::from_str(&server.get("shop:shared_state").unwrap()).unwrap();
    assert_eq!((&index["project"], &index["runs"][0]["run_id"]), (&"shop".into(), &"01A".into()));
    let events = reader(&server).stream_read("shop:run:01A:events", 0).unwrap();
    assert_eq!(events.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(machine.store.verify_shared(&reader(&server), "shop:", &alive).unwrap(), []);

    tell(&mut machine, &mut run, attempt_ended("T1", 1, AttemptStatus::Succeeded)).unwrap();
    tell(&mut machine, &mut run, EventBody::TaskSucceeded { task_id: TaskId::new("T1"), attempt: 1 })
        .unwrap();
    let event = run.ended();
    machine.store.append(&run.spec, &run.view, &[event], Timestamp(5_000)).unwrap();
    assert!(machine.store.release_lease(&run.spec, &lease(&run.spec, 7, run.fence)).unwrap());
    assert_eq!(server.get("shop:run:01A:lease"), None);
    assert_eq!(record(&server, &run.spec, "T1").unwrap().status, TaskStatus::Succeeded);
    assert_eq!(machine.store.verify_shared(&reader(&server), "shop:", &alive).unwrap(), []);
    assert_eq!(machine.store.verify().unwrap(), []);
}

#[test]
fn a_task_of_a_live_run_elsewhere_is_refused_and_nothing_is_left_behind() {
    let Some(server) = RedisServer::start() else { return };
    let (mut one, mut two) = (machine(&server), machine(&server));
    let run = begin(&mut one, &server, spec("01A", &["T1"])).unwrap();
    let Err(held) = begin(&mut two, &server, spec("01B", &["T0", "T1"])) else { panic!("it began") };
    assert!(
        matches!(&held, StoreError::Held { run, task: Some(task), .. } if run.0 == "01A" && task.0 == "T1"),
        "{held}"
    );
    assert_eq!(two.store.runs().unwrap(), []);
    assert_eq!(server.get("shop:task:T0:status"), None);
    assert_eq!(server.get("shop:run:01B:lease"), None);
    assert_eq!(record(&server, &run.spec, "T1").unwrap().run_id.0, "01A");
    // Another prefix of ids keeps them apart.
    let mut apart = spec("01C", &["T1"]);
    apart.settings.id_prefix = "second-".to_owned();
    two.store.share_with(Mirror::open(address(&server), TTL, 1, SOON).unwrap());
    begin(&mut two, &server, apart).unwrap();
}

#[test]
fn a_late_supervisor_is_refused_at_its_next_write() {
    let Some(server) = RedisServer::start() else { return };
    let (mut one, mut two) = (machine(&server), machine(&server));
    let mut late = begin(&mut one, &server, spec("01A", &["T1"])).unwrap();
    // Its first turn renews the lease.
    until("its first event", || server.say(&["XLEN", "shop:run:01A:events"]) == ":1\r\n");
    // Its lease runs out while it is stopped: as if time had passed.
    let key = "shop:run:01A:lease";
    until("its lease", || server.get(key).is_some());
    let mut stored: Lease = serde_json::from_str(&server.get(key).unwrap()).unwrap();
    stored.until = Timestamp(1);
    server.say(&["SET", key, &serde_json::to_string(&stored).unwrap()]);
    let next = begin(&mut two, &server, spec("01B", &["T1"])).unwrap();
    assert!(next.fence > late.fence);

    tell(&mut one, &mut late, attempt_started("T1", 1)).unwrap();
    let mut refused = None;
    until("the refusal", || {
        refused = one.store.shared_news().err();
        refused.is_some()
    });
    let refused = refused.unwrap();
    assert!(matches!(&refused, StoreError::Held { run, .. } if run.0 == "01B"), "{refused}");
    assert_eq!(refused.exit_code(), crate::model::exit::ExitCode::Held);
    let event = late.event(attempt_ended("T1", 1, AttemptStatus::Failed));
    assert!(one.store.append(&late.spec, &late.view, &[event], Timestamp(5_000)).is_err());
    assert_eq!(record(&server, &next.spec, "T1").unwrap().run_id.0, "01B");
    assert_eq!(two.store.verify_shared(&reader(&server), "shop:", &alive).unwrap(), []);
}

#[test]
fn what_a_server_loses_is_written_again() {
    let Some(mut server) = RedisServer::start() else { return };
    let mut machine = machine(&server);
    let mut run = begin(&mut machine, &server, spec("01A", &["T1", "T2"])).unwrap();
    tell(&mut machine, &mut run, attempt_started("T1", 1)).unwrap();
    until("the run", || record(&server, &run.spec, "T1").is_some_and(|record| record.revision == 1));
    server.kill();
    // The run goes on, and nothing of it waits.
    tell(&mut machine, &mut run, attempt_ended("T1", 1, AttemptStatus::Succeeded)).unwrap();
    tell(&mut machine, &mut run, EventBody::TaskSucceeded { task_id: TaskId::new("T1"), attempt: 1 })
        .unwrap();
    let mut news = Vec::new();
    until("the outage", || {
        news.extend(machine.store.shared_news().unwrap());
        !news.is_empty()
    });
    tell(&mut machine, &mut run, attempt_started("T2", 1)).unwrap();
    server.start_again();
    until("the return", || {
        news.extend(machine.store.shared_news().unwrap());
        news.len() > 1
    });
    assert!(
        matches!(&news[..], [SharedNews::Down { time: 1, .. }, SharedNews::Back { time: 1, .. }]),
        "{news:?}"
    );
    until("all of it", || {
        record(&server, &run.spec, "T2").is_some_and(|record| record.status == TaskStatus::Running)
    });
    assert_eq!(record(&server, &run.spec, "T1").unwrap().status, TaskStatus::Succeeded);
    assert_eq!(machine.store.verify_shared(&reader(&server), "shop:", &alive).unwrap(), []);

    // What is evicted while the server goes on is noticed by the next sign of life.
    until("what was lost", || {
        // The writer may still be comparing everything, and then puts them back without a word.
        server.say(&["DEL", "shop:task:T1:status", "shop:run:01A:events"]);
        machine.store.heartbeat(&run.spec, &run.view, Timestamp(20_000)).unwrap();
        news.extend(machine.store.shared_news().unwrap());
        matches!(news.last(), Some(SharedNews::Lost { .. }))
    });
    until("it to be back", || server.get("shop:task:T1:status").is_some());
    tell(&mut machine, &mut run, attempt_ended("T2", 1, AttemptStatus::Failed)).unwrap();
    let written = machine.store.release_lease(&run.spec, &lease(&run.spec, 7, run.fence)).unwrap();
    assert!(written, "{:?}", machine.store.shared_news());
    assert_eq!(machine.store.verify_shared(&reader(&server), "shop:", &alive).unwrap(), []);
}

#[test]
fn a_bent_server_is_found_out_and_mended() {
    let Some(server) = RedisServer::start() else { return };
    let mut machine = machine(&server);
    let mut run = begin(&mut machine, &server, spec("01A", &["T1", "T2"])).unwrap();
    tell(&mut machine, &mut run, attempt_started("T1", 1)).unwrap();
    assert!(machine.store.release_lease(&run.spec, &lease(&run.spec, 7, run.fence)).unwrap());
    let key = "shop:task:T1:status";
    let bent = server.get(key).unwrap().replace("\"running\"", "\"succeeded\"");
    server.say(&["SET", key, &bent]);
    server.say(&["DEL", "shop:task:T2:status"]);
    server.say(&["XTRIM", "shop:run:01A:events", "MAXLEN", "1"]);
    server.say(&["SET", "shop:task:T9:report", "{}"]);
    let redis = reader(&server);
    let told: Vec<String> = machine
        .store
        .verify_shared(&redis, "shop:", &dead)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told.iter().any(|told| told.starts_with("shop:task:T9:report: ")));
    assert!(told.contains(&format!("{key}: is not what the run's events say")));
    assert!(told.contains(&"shop:task:T2:status: is missing".to_owned()));
    let mended = machine.store.repair_shared(&redis, "shop:", Timestamp(0), &dead).unwrap();
    assert!(mended.len() >= 3, "{mended:?}");
    let left = machine.store.verify_shared(&redis, "shop:", &dead).unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    // An empty server is filled from the journal.
    server.say(&["FLUSHALL"]);
    machine.store.repair_shared(&redis, "shop:", Timestamp(0), &dead).unwrap();
    assert_eq!(machine.store.verify_shared(&redis, "shop:", &dead).unwrap(), []);
    assert_eq!(record(&server, &run.spec, "T1").unwrap().status, TaskStatus::Running);
    assert!(fs::metadata(machine.store.path()).is_ok());
}

#[test]
fn a_run_may_be_looked_at_while_it_goes_on() {
    let Some(server) = RedisServer::start() else { return };
    let mut machine = machine(&server);
    let mut run = begin(&mut machine, &server, spec("01A", &["T1", "T2", "T3"])).unwrap();
    let redis = reader(&server);
    for attempt in 1..40 {
        for task in ["T1", "T2", "T3"] {
            tell(&mut machine, &mut run, attempt_started(task, attempt)).unwrap();
            assert_eq!(machine.store.verify_shared(&redis, "shop:", &alive).unwrap(), []);
            let body = EventBody::TaskRetrying {
                task_id: TaskId::new(task),
                attempt: attempt + 1,
                at: Timestamp(5_000),
                why: crate::store::testing::failure(),
                next: crate::store::testing::rung(),
            };
            tell(&mut machine, &mut run, attempt_ended(task, attempt, AttemptStatus::Failed)).unwrap();
            tell(&mut machine, &mut run, body).unwrap();
        }
    }
    // Nobody is behind it any more, so what is behind will stay so.
    until("all of it", || machine.store.verify_shared(&redis, "shop:", &dead).unwrap().is_empty());
    assert_eq!(machine.store.shared_news().unwrap(), []);
}
