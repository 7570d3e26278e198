//! Money in the embedded store: one step, exactly once, whatever breaks off.

use super::*;
use crate::model::event::{EventBody, SpendBasis};
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::ledger::{Ask, Reservation};
use crate::model::money::Money;
use crate::model::reading::Tokens;
use crate::store::keys;
use crate::store::testing::Supervisor;

const MONTH: &str = "1970-01";

fn key(task: &str, attempt: u32) -> AttemptKey {
    AttemptKey::new(TaskId::new(task), attempt)
}

fn ask(task: &str, dollars: f64) -> Ask {
    Ask {
        key: key(task, 1),
        provider: "openai".to_owned(),
        month: MONTH.to_owned(),
        amount: Money::usd(dollars),
        least: Money::usd(dollars / 10.0),
        budget: Some(Money::usd(2.0)),
    }
}

fn reserved(task: &str, dollars: f64) -> EventBody {
    EventBody::SpendReserved {
        task_id: TaskId::new(task),
        attempt: 1,
        provider: Some("openai".to_owned()),
        model: Some("gpt-5.2".to_owned()),
        month: MONTH.to_owned(),
        amount_usd: Money::usd(dollars),
    }
}

fn settled(task: &str, provider: &str, day: &str, dollars: f64) -> EventBody {
    EventBody::SpendSettled {
        task_id: TaskId::new(task),
        attempt: 1,
        provider: Some(provider.to_owned()),
        model: Some("gpt-5.2".to_owned()),
        layer: Some(4),
        day: day.to_owned(),
        amount_usd: Money::usd(dollars),
        basis: SpendBasis::Reported,
        tokens: Some(Tokens { input: 900, output: 100 }),
    }
}

/// A run that this store has taken, with `first` as its fence.
fn taken(store: &mut Store, run: &str, fence: u64) -> Supervisor {
    let spec = testing::spec(run, &["T1", "T2", "T3"]);
    let mut supervisor = Supervisor::new(spec.clone(), fence);
    store.begin_run(&spec, &testing::lease(&spec, 7, fence), Timestamp(1_500), &|_| true).unwrap();
    let started = supervisor.started();
    append(store, &supervisor, &[started]);
    supervisor
}

fn append(store: &mut Store, supervisor: &Supervisor, events: &[crate::model::event::Event]) {
    store.append(&supervisor.spec, &supervisor.view, events, Timestamp(2_000)).unwrap();
}

fn record(store: &mut Store, supervisor: &mut Supervisor, body: EventBody) {
    let event = supervisor.event(body);
    append(store, supervisor, &[event]);
}

fn granted(answer: Option<Reservation>) -> Money {
    match answer {
        Some(Reservation::Granted { amount, .. }) => amount,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_booked_is_what_the_journal_says_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), false).unwrap();
    let mut run = taken(&mut store, "R1", 5);
    let (spec, now) = (run.spec.clone(), Timestamp(2_000));
    assert_eq!(granted(store.reserve(&spec, ask("T1", 1.5), now).unwrap()), Money::usd(1.5));
    assert_eq!(granted(store.reserve(&spec, ask("T1", 1.5), now).unwrap()), Money::usd(1.5), "asked twice");
    assert_eq!(granted(store.reserve(&spec, ask("T2", 1.5), now).unwrap()), Money::usd(0.5), "the rest");
    let refused = store.reserve(&spec, ask("T3", 1.5), now).unwrap();
    assert_eq!(refused, Some(Reservation::Refused { used: Money::usd(2.0) }));
    store.release(&spec, &key("T2", 1), "openai", MONTH, now).unwrap();
    record(&mut store, &mut run, reserved("T1", 1.5));
    let before = store.ledger(&spec.prefix, "openai", MONTH).unwrap();
    assert_eq!((before.spent(), before.reserved()), (Money::ZERO, Money::usd(1.5)));
    // Another provider answered, and another month had begun by then.
    record(&mut store, &mut run, settled("T1", "kilo", "1970-02-01", 0.25));
    let left = store.ledger(&spec.prefix, "openai", MONTH).unwrap();
    assert_eq!(left.used(), Money::ZERO);
    let booked = store.ledger(&spec.prefix, "kilo", "1970-02").unwrap();
    assert_eq!((booked.spent(), booked.tokens_on("1970-02-01")), (Money::usd(0.25), 1_000));
    let stored = store.get(&keys::spend(&spec.prefix, "kilo", "1970-02")).unwrap();
    assert!(stored.is_some(), "it can be looked at");
    assert_eq!(store.verify().unwrap(), []);
}

#[test]
fn what_a_crash_left_between_reservation_and_record_is_given_back_at_the_next_take() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, now) = {
        let mut store = Store::open(folder.path(), false).unwrap();
        let mut run = taken(&mut store, "R1", 5);
        let (spec, now) = (run.spec.clone(), Timestamp(2_000));
        granted(store.reserve(&spec, ask("T1", 0.5), now).unwrap());
        record(&mut store, &mut run, reserved("T1", 0.5));
        granted(store.reserve(&spec, ask("T2", 0.75), now).unwrap());
        let mut elsewhere = ask("T3", 0.75);
        elsewhere.provider = "kilo".to_owned();
        granted(store.reserve(&spec, elsewhere, now).unwrap());
        assert_eq!(store.ledger(&spec.prefix, "openai", MONTH).unwrap().reserved(), Money::usd(1.25));
        (spec, now)
    };
    let mut store = Store::open(folder.path(), false).unwrap();
    store.acquire_lease(&spec, &testing::lease(&spec, 8, 60), now, &|_| false).unwrap();
    let ledger = store.ledger(&spec.prefix, "openai", MONTH).unwrap();
    assert_eq!(ledger.reserved(), Money::usd(0.5), "what is recorded stays");
    assert!(ledger.runs[&spec.run_id].revision >= 60, "above all that the earlier supervisor wrote");
    assert_eq!(store.ledger(&spec.prefix, "kilo", MONTH).unwrap().used(), Money::ZERO);
    // The earlier supervisor has nothing to say any more.
    let mut late = Store::open(folder.path(), false).unwrap();
    late.held.insert(spec.run_id.clone(), 5);
    assert!(matches!(late.reserve(&spec, ask("T2", 0.5), now), Err(StoreError::Stale { .. })));
}

#[test]
fn runs_that_reserve_at_once_never_get_more_than_there_is() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(folder.path(), false).unwrap());
    let granted: Vec<Money> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|number| {
                let folder = folder.path();
                scope.spawn(move || {
                    let mut store = Store::open(folder, false).unwrap();
                    let name = format!("R{number}");
                    let mut spec = testing::spec(&name, &["T1"]);
                    spec.settings.id_prefix = name;
                    let lease = testing::lease(&spec, 7 + number, 5);
                    store.begin_run(&spec, &lease, Timestamp(1_500), &|_| true).unwrap();
                    let mut sum = Money::ZERO;
                    for attempt in 1..=10 {
                        let ask = Ask { key: key("T1", attempt), ..ask("T1", 0.11) };
                        if let Some(Reservation::Granted { amount, used }) =
                            store.reserve(&spec, ask, Timestamp(2_000)).unwrap()
                        {
                            assert!(used <= Money::usd(2.0));
                            sum += amount;
                        }
                    }
                    sum
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let store = Store::open(folder.path(), false).unwrap();
    let used = store.ledger("shop:", "openai", MONTH).unwrap().used();
    assert_eq!(granted.into_iter().sum::<Money>(), used);
    assert_eq!(used, Money::usd(2.0), "all that there is, and no more");
}

#[test]
fn what_attempts_cost_is_listed_and_can_be_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path(), false).unwrap();
    assert_eq!(store.spending("", None).unwrap(), []);
    let mut run = taken(&mut store, "R1", 5);
    record(&mut store, &mut run, reserved("T1", 1.5));
    record(&mut store, &mut run, settled("T1", "openai", "1970-01-31", 0.25));
    record(&mut store, &mut run, settled("T2", "kilo", "1970-02-01", 0.0));
    let all = store.spending("", None).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].task.as_str(), all[0].amount, all[0].layer), ("T1", Money::usd(0.25), Some(4)));
    assert_eq!(store.spending("1970-02", None).unwrap(), all[1..]);
    assert_eq!(store.spending("", Some(&run.spec.run_id)).unwrap(), all);
    assert_eq!(store.spending("", Some(&RunId("R2".to_owned()))).unwrap(), []);

    store.connection.execute("UPDATE spent SET micro_usd = 1 WHERE seq = 3", []).unwrap();
    let key = keys::spend(&run.spec.prefix, "openai", MONTH);
    let wrong = store.get(&key).unwrap().unwrap().to_string().replace("0.25", "0.5");
    store.connection.execute("UPDATE entries SET value = ?2 WHERE key = ?1", (&key, wrong)).unwrap();
    let places: Vec<String> = store.verify().unwrap().into_iter().map(|problem| problem.place).collect();
    assert_eq!(places, ["run R1", key.as_str()]);
    assert_eq!(store.repair(Timestamp(3_000)).unwrap().len(), 2);
    assert_eq!(store.verify().unwrap(), []);
    assert_eq!(store.spending("", None).unwrap(), all);
    store.connection.execute("UPDATE entries SET value = '{}' WHERE key = ?1", [&key]).unwrap();
    assert_eq!(store.verify().unwrap().len(), 2, "it is no ledger, and the run has no entry in it");
    assert_eq!(store.repair(Timestamp(4_000)).unwrap().len(), 1);
    assert_eq!(store.verify().unwrap(), []);
}
