//! The rule for status writes in the server's language against the one in ours, and times as the
//! server writes them.

use proptest::prelude::*;

use super::super::super::{Decision, Expected, StatusWrite, StoredStatus, decide, model_tests};
use super::super::scripts::Script;
use super::*;
use crate::model::ids::TaskId;
use crate::model::record::{TaskStatusRecord, TaskStatusVersion};
use crate::model::status::TaskStatus;

const KEY: &str = "p:task:T1:status";

fn record(run: &str, status: TaskStatus, revision: u64, fence: u64) -> TaskStatusRecord {
    TaskStatusRecord {
        schema: TaskStatusVersion::V1,
        run_id: RunId(run.to_owned()),
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

fn status() -> impl Strategy<Value = TaskStatus> {
    (0..TaskStatus::ALL.len()).prop_map(|place| TaskStatus::ALL[place])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Two supervisors write what they like: the server says what the rule says.
    #[test]
    fn the_server_decides_as_the_rule_does(
        writes in proptest::collection::vec(
            (any::<bool>(), 0..4_u64, 0..4_u64, any::<bool>(), status(), proptest::collection::vec(status(), 0..3)),
            1..12,
        ),
        alive in any::<[bool; 2]>(),
    ) {
        thread_local!(static SERVER: Option<RedisServer> = RedisServer::start());
        SERVER.with(|server| -> Result<(), TestCaseError> {
            let Some(server) = server else { return Ok(()) };
            server.say(&["FLUSHALL"]);
            let mut state = state(server, 0);
            let now = Timestamp(1_000);
            let lease = |place: usize| Lease {
                schema: LeaseVersion::V1,
                run_id: RunId(format!("R{place}")),
                host: "host".to_owned(),
                pid: 1,
                pid_started: String::new(),
                fence: 1,
                until: Timestamp(if alive[place] { 5_000 } else { 1_000 }),
            };
            for place in 0..2 {
                let key = format!("p:run:R{place}:lease");
                state.put(&key, &serde_json::to_string(&lease(place)).unwrap(), &lease(place).run_id).unwrap();
            }
            let mut model: Option<StoredStatus> = None;
            for (second, revision, fence, claims, status, steps) in writes {
                let run = format!("R{}", usize::from(second));
                let record = record(&run, status, revision, fence);
                let json = serde_json::to_string(&record).unwrap();
                let expected =
                    if claims { Expected::Claim } else { Expected::Revision(revision.saturating_sub(1), &steps) };
                let write = StatusWrite { prefix: "p:", key: KEY, record: &record, json: &json, expected };
                // The same text once more is there already, however it is meant.
                let same = server.get(KEY).is_some_and(|stored| stored == json);
                let told = decide(model.as_ref(), &write, |run| {
                    let place = usize::from(run.as_str() == "R1");
                    Ok(Some(lease(place)).filter(|_| alive[place]))
                });
                let did = state.write_status(&write, now, &|_| true);
                let shown = |result: &Result<Decision, StoreError>| {
                    result.as_ref().map_or_else(ToString::to_string, |decision| format!("{decision:?}"))
                };
                let refused = matches!(told, Err(StoreError::Held { .. } | StoreError::Stale { .. }));
                if same && !refused {
                    prop_assert_eq!(shown(&did), "Keep");
                } else {
                    prop_assert_eq!(shown(&did), shown(&told));
                }
                if matches!(did, Ok(Decision::Write)) {
                    model = Some(StoredStatus { run_id: record.run_id.clone(), status, revision, fence });
                }
            }
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Two supervisors at a server get the answers that the model gives, and leave what it has.
    #[test]
    fn two_supervisors_at_a_server_are_as_the_model(steps in model_tests::steps()) {
        thread_local!(static SERVER: Option<RedisServer> = RedisServer::start());
        SERVER.with(|server| -> Result<(), TestCaseError> {
            let Some(server) = server else { return Ok(()) };
            server.say(&["FLUSHALL"]);
            model_tests::holds_model(&mut state(server, 0), &steps)
        })?;
    }
}

#[test]
fn two_that_write_at_the_same_time_lose_nothing() {
    const EACH: u64 = 100;
    let Some(server) = RedisServer::start() else { return };
    let written: Vec<u64> = std::thread::scope(|scope| {
        let begun: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut state = state(&server, 0);
                    let (mut revision, mut done) = (0, 0);
                    while done < EACH {
                        let record = record("R1", TaskStatus::Running, revision + 1, 5);
                        let json = serde_json::to_string(&record).unwrap();
                        let expected = Expected::Revision(revision, &[TaskStatus::Running]);
                        let write =
                            StatusWrite { prefix: "p:", key: KEY, record: &record, json: &json, expected };
                        match state.write_status(&write, Timestamp(1), &|_| true) {
                            Ok(Decision::Write) => (revision, done) = (revision + 1, done + 1),
                            // The other one wrote the very same.
                            Ok(Decision::Keep) => revision += 1,
                            Err(StoreError::Conflict { found, .. }) => revision = found,
                            Err(other) => panic!("{other}"),
                        }
                    }
                    done
                })
            })
            .collect();
        begun.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let stored: TaskStatusRecord = serde_json::from_str(&server.get(KEY).unwrap()).unwrap();
    assert_eq!(stored.revision, written.iter().sum::<u64>());
}

#[test]
fn the_server_writes_times_as_documents_do() {
    let Some(server) = RedisServer::start() else { return };
    let library = Script::Append.text();
    let library = library.split("-- Adds an entry").next().unwrap();
    let script = format!("{library}\nreturn stamp(tonumber(ARGV[1]))");
    let mut random = fastrand::Rng::with_seed(7);
    let fixed =
        [0, 951_782_399_999, 951_782_400_000, 1_709_251_199_999, 4_107_542_400_000, 1_764_025_468_123];
    for ms in fixed.into_iter().chain((0..200).map(|_| random.i64(0..8_000_000_000_000))) {
        let answer = server.say(&["EVAL", &script, "0", &ms.to_string()]);
        assert_eq!(answer.lines().nth(1), Some(Timestamp(ms).to_string().as_str()), "{ms}");
    }
}

#[test]
fn what_is_no_record_is_written_over_by_its_one_writer() {
    let Some(server) = RedisServer::start() else { return };
    let mut state = state(&server, 0);
    for bend in
        [&["SET", KEY, "nonsense"][..], &["SET", KEY, "[]"], &["RPUSH", KEY, "x"], &["SET", KEY, "{}"]]
    {
        server.say(&["DEL", KEY]);
        server.say(bend);
        let record = record("R1", TaskStatus::Running, 1, 5);
        let json = serde_json::to_string(&record).unwrap();
        let write =
            StatusWrite { prefix: "p:", key: KEY, record: &record, json: &json, expected: Expected::Claim };
        assert_eq!(state.write_status(&write, Timestamp(1), &|_| true).unwrap(), Decision::Write, "{bend:?}");
        assert_eq!(server.get(KEY).as_deref(), Some(json.as_str()));
    }
}
