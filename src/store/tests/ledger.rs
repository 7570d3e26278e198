//! What is spent, as the store keeps it.

use super::*;
use crate::model::event::SpendBasis;
use crate::model::ids::AttemptKey;
use crate::model::ledger::Reservation;
use crate::model::money::Money;
use crate::model::reading::Tokens;

const MONTH: &str = "2026-11";

fn cents(amount: u64) -> Money {
    Money(amount * 10_000)
}

fn key(task: &str, attempt: u32) -> AttemptKey {
    AttemptKey::new(TaskId::new(task), attempt)
}

fn ask(key: AttemptKey, provider: &str, amount: Money, budget: Option<Money>) -> Ask {
    Ask {
        key,
        provider: provider.to_owned(),
        month: MONTH.to_owned(),
        amount,
        least: amount.percent(10),
        budget,
    }
}

fn reserved(task: &str, attempt: u32, provider: &str, amount: Money) -> EventBody {
    EventBody::SpendReserved {
        task_id: TaskId::new(task),
        attempt,
        provider: Some(provider.to_owned()),
        model: None,
        month: MONTH.to_owned(),
        amount_usd: amount,
    }
}

fn settled(task: &str, attempt: u32, provider: &str, amount: Money, tokens: Option<Tokens>) -> EventBody {
    EventBody::SpendSettled {
        task_id: TaskId::new(task),
        attempt,
        provider: Some(provider.to_owned()),
        model: Some("m".to_owned()),
        layer: Some(6),
        day: "2026-11-25".to_owned(),
        amount_usd: amount,
        basis: SpendBasis::Reported,
        tokens,
    }
}

fn month(store: &Store, spec: &RunSpec, provider: &str) -> (Money, Money) {
    let ledger = store.month(&spec.prefix, provider, MONTH).unwrap();
    ledger.map_or_else(Default::default, |ledger| (ledger.spent(), ledger.reserved()))
}

#[test]
fn an_attempt_is_booked_where_it_was_charged_and_what_it_reserved_is_given_back() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    tell(&mut store, &mut run, attempt_started("T1", 1));
    let granted = store.reserve(&run.spec, &ask(key("T1", 1), "openai", cents(80), None), NOW).unwrap();
    assert_eq!(granted, Reservation::Granted { amount: cents(80), used: cents(80) });
    tell(&mut store, &mut run, reserved("T1", 1, "openai", cents(80)));
    assert_eq!(month(&store, &run.spec, "openai"), (Money::ZERO, cents(80)));
    let tokens = Tokens { input: 900, output: 100 };
    tell(&mut store, &mut run, settled("T1", 1, "groq", cents(7), Some(tokens)));
    assert_eq!(month(&store, &run.spec, "openai"), (Money::ZERO, Money::ZERO));
    assert_eq!(month(&store, &run.spec, "groq"), (cents(7), Money::ZERO));
    let ledger = store.month(&run.spec.prefix, "groq", MONTH).unwrap().unwrap();
    assert_eq!(ledger.tokens_on("2026-11-25"), 1_000);

    let rows = store.spending("2026-11", None).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].provider.as_deref(), rows[0].amount, rows[0].tokens),
        (Some("groq"), cents(7), Some(tokens))
    );
    assert_eq!(store.spending("2026-12", None).unwrap(), []);
    assert_eq!(store.spending("", Some(&RunId("other".to_owned()))).unwrap(), []);
    no_problems(&store);
}

#[test]
fn runs_side_by_side_cannot_reserve_more_than_there_is() {
    let folder = folder();
    let mut first = opened(&folder);
    let runs: Vec<RunSpec> = (0..4).map(|number| spec(&format!("0{number}"), &["T1"])).collect();
    let budget = cents(1_000);
    let barrier = Barrier::new(runs.len());
    let granted: Vec<Money> = std::thread::scope(|scope| {
        let workers: Vec<_> = runs
            .iter()
            .map(|spec| {
                let (path, barrier) = (folder.path(), &barrier);
                scope.spawn(move || {
                    let mut store = Store::open(path, true).unwrap();
                    barrier.wait();
                    let mut sum = Money::ZERO;
                    for attempt in 1..=20 {
                        let ask = ask(key("T1", attempt), "openai", cents(30), Some(budget));
                        if let Reservation::Granted { amount, used } = store.reserve(spec, &ask, NOW).unwrap()
                        {
                            assert!(used <= budget);
                            sum += amount;
                        }
                    }
                    sum
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(granted.into_iter().sum::<Money>(), budget, "all of it and no more was given out");
    assert_eq!(month(&first, &runs[0], "openai"), (Money::ZERO, budget));
    let refused =
        first.reserve(&runs[0], &ask(key("T1", 99), "openai", cents(30), Some(budget)), NOW).unwrap();
    assert_eq!(refused, Reservation::Refused { used: budget, spent: Money::ZERO });
}

#[test]
fn money_of_an_attempt_that_never_began_is_given_back_when_the_run_is_taken_up() {
    let folder = folder();
    let run = {
        let mut store = opened(&folder);
        let mut run = begun(&mut store, spec("01A", &["T1", "T2"]));
        tell(&mut store, &mut run, attempt_started("T1", 1));
        store.reserve(&run.spec, &ask(key("T1", 1), "openai", cents(80), None), NOW).unwrap();
        tell(&mut store, &mut run, reserved("T1", 1, "openai", cents(80)));
        // It dies between this and the event that says so.
        store.reserve(&run.spec, &ask(key("T2", 1), "openai", cents(80), None), NOW).unwrap();
        assert_eq!(month(&store, &run.spec, "openai"), (Money::ZERO, cents(160)));
        run
    };
    let mut store = opened(&folder);
    let mut run = run;
    let fence = store.next_fence(&run.spec.prefix, NOW).unwrap();
    store.acquire_lease(&run.spec, &lease(&run.spec, 8, fence), NOW, &|_| false).unwrap();
    assert_eq!(month(&store, &run.spec, "openai"), (Money::ZERO, cents(80)), "that of T1 is still open");
    tell(&mut store, &mut run, settled("T1", 1, "groq", cents(80), None));
    assert_eq!(month(&store, &run.spec, "openai"), (Money::ZERO, Money::ZERO));
    assert_eq!(month(&store, &run.spec, "groq"), (cents(80), Money::ZERO));
    // Taken up once more, nothing is booked twice.
    let fence = store.next_fence(&run.spec.prefix, NOW).unwrap();
    store.acquire_lease(&run.spec, &lease(&run.spec, 9, fence), NOW, &|_| false).unwrap();
    assert_eq!(month(&store, &run.spec, "groq"), (cents(80), Money::ZERO));
    assert_eq!(store.spending("", None).unwrap().len(), 1);
}

#[test]
fn money_that_is_not_needed_is_given_back_once() {
    let folder = folder();
    let mut store = opened(&folder);
    let run = begun(&mut store, spec("01A", &["T1"]));
    store.reserve(&run.spec, &ask(key("T1", 1), "openai", cents(80), None), NOW).unwrap();
    store.release_reserved(&run.spec, &key("T1", 1), NOW).unwrap();
    store.release_reserved(&run.spec, &key("T1", 1), NOW).unwrap();
    assert_eq!(month(&store, &run.spec, "openai"), (Money::ZERO, Money::ZERO));
}

#[test]
fn what_is_not_as_the_events_say_is_found_and_mended() {
    let folder = folder();
    let mut store = opened(&folder);
    let mut run = begun(&mut store, spec("01A", &["T1"]));
    tell(&mut store, &mut run, attempt_started("T1", 1));
    tell(&mut store, &mut run, reserved("T1", 1, "openai", cents(80)));
    tell(&mut store, &mut run, settled("T1", 1, "openai", cents(9), None));
    let ended = run.ended();
    store.append(&run.spec, &run.view, &[ended], NOW).unwrap();
    no_problems(&store);
    let damage = |store: &mut Store, text: &str| store.connection.execute_batch(text).unwrap();
    damage(&mut store, "UPDATE spending SET micro_usd = 1; DELETE FROM entries WHERE key LIKE '%:spend:%'");
    assert_eq!(store.verify().unwrap().len(), 2);
    let mended = store.repair(NOW).unwrap();
    assert_eq!(mended.len(), 2, "{mended:?}");
    no_problems(&store);
    assert_eq!(month(&store, &run.spec, "openai"), (cents(9), Money::ZERO));
    damage(&mut store, "UPDATE entries SET value = '{}' WHERE key LIKE '%:spend:%'");
    let refused = store.reserve(&run.spec, &ask(key("T1", 2), "openai", cents(1), None), NOW);
    assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
}
