//! Ledgers and cooldowns of several machines on one server. Each machine has a store of its own.

use super::*;
use crate::model::cooldown::Cooldown;
use crate::model::event::EventBody;
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::ledger::{Ask, MonthLedger, Reservation};
use crate::model::money::Money;
use crate::store::testing::{self, Supervisor};
use crate::store::{Mirror, Store};

const MONTH: &str = "1970-01";
const NOW: Timestamp = Timestamp(2_000);
const TTL: Duration = Duration::from_hours(1);

/// A run on a machine of its own.
struct Machine {
    store: Store,
    run: Supervisor,
    _folder: tempfile::TempDir,
}

impl Machine {
    fn new(server: &RedisServer, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), false).unwrap();
        store.share_with(Mirror::open(address(server), TTL, 1, SOON).unwrap());
        let mut spec = testing::spec(name, &["T1", "T2"]);
        spec.settings.id_prefix = name.to_owned();
        let lease = testing::lease(&spec, 7, 5);
        store.begin_run(&spec, &lease, Timestamp(1_500), &|_| true).unwrap();
        let mut run = Supervisor::new(spec, 5);
        let started = run.started();
        store.append(&run.spec, &run.view, &[started], NOW).unwrap();
        Self { store, run, _folder: folder }
    }

    fn record(&mut self, body: EventBody) {
        let event = self.run.event(body);
        self.store.append(&self.run.spec, &self.run.view, &[event], NOW).unwrap();
    }

    fn ask(&mut self, attempt: u32, dollars: f64) -> Reservation {
        let key = AttemptKey::new(TaskId::new("T1"), attempt);
        let ask = Ask {
            key: key.clone(),
            provider: "openai".to_owned(),
            month: MONTH.to_owned(),
            amount: Money::usd(dollars),
            least: Money::usd(dollars),
            budget: Some(Money::usd(2.0)),
        };
        if let Some(answer) = self.store.reserve(&self.run.spec.clone(), ask, NOW).unwrap() {
            return answer;
        }
        let mut answer = None;
        wait_for("an answer", || {
            answer = answer.take().or_else(|| self.store.reservations().pop());
            answer.is_some()
        });
        let (of, answer) = answer.unwrap();
        assert_eq!(of, key);
        answer
    }

    fn ledger(&self) -> MonthLedger {
        self.store.ledger(&self.run.spec.prefix, "openai", MONTH).unwrap()
    }

    fn look(&self) {
        self.store.look_for_providers(&["openai".to_owned()].into(), NOW);
    }

    fn cooldown(&self) -> Option<Cooldown> {
        let names = ["openai".to_owned()].into();
        self.store.providers(&self.run.spec.prefix, &names, NOW).unwrap().remove(0).cooldown
    }
}

#[expect(clippy::disallowed_methods, reason = "a bound for what has to come")]
fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "{what} did not come");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn granted(answer: &Reservation) -> Option<Money> {
    match answer {
        Reservation::Granted { amount, .. } => Some(*amount),
        Reservation::Refused { .. } => None,
        Reservation::Unknown { why } => panic!("{why}"),
    }
}

fn there(server: &RedisServer) -> Option<MonthLedger> {
    let text = server.get(&format!("shop:provider:openai:spend:{MONTH}"))?;
    Some(serde_json::from_str(&text).unwrap())
}

fn reserved(dollars: f64) -> EventBody {
    EventBody::SpendReserved {
        task_id: TaskId::new("T1"),
        attempt: 1,
        provider: Some("openai".to_owned()),
        model: None,
        month: MONTH.to_owned(),
        amount_usd: Money::usd(dollars),
    }
}

fn settled(dollars: f64) -> EventBody {
    EventBody::SpendSettled {
        task_id: TaskId::new("T1"),
        attempt: 1,
        provider: Some("openai".to_owned()),
        model: None,
        layer: Some(4),
        day: format!("{MONTH}-01"),
        amount_usd: Money::usd(dollars),
        basis: crate::model::event::SpendBasis::Reported,
        tokens: None,
    }
}

fn rested(until: Option<i64>) -> EventBody {
    EventBody::ProviderRested {
        provider: "openai".to_owned(),
        until: until.map(Timestamp),
        trigger: FailureKind::RateLimited,
        evidence: "429".to_owned(),
    }
}

#[test]
fn machines_that_reserve_at_once_never_get_more_than_there_is() {
    let Some(server) = RedisServer::start() else { return };
    let sums: Vec<Money> = std::thread::scope(|scope| {
        let machines: Vec<_> = (0..3)
            .map(|number| {
                let server = &server;
                scope.spawn(move || {
                    let mut machine = Machine::new(server, &format!("R{number}"));
                    let answers = (1..=10).filter_map(|attempt| granted(&machine.ask(attempt, 0.125)));
                    answers.sum()
                })
            })
            .collect();
        machines.into_iter().map(|machine| machine.join().unwrap()).collect()
    });
    let ledger = there(&server).unwrap();
    assert_eq!(ledger.used(), Money::usd(2.0), "all that there is, and no more");
    assert_eq!(sums.into_iter().sum::<Money>(), ledger.used());
    assert_eq!(ledger.runs.len(), 3);
}

#[test]
fn what_was_booked_comes_to_other_machines_and_back_to_a_server_that_lost_it() {
    let Some(server) = RedisServer::start() else { return };
    let (mut one, mut two) = (Machine::new(&server, "R1"), Machine::new(&server, "R2"));
    assert_eq!(granted(&one.ask(1, 1.5)), Some(Money::usd(1.5)));
    one.record(reserved(1.5));
    assert_eq!(granted(&two.ask(1, 1.0)), None, "the other machine holds it");
    one.record(settled(0.5));
    wait_for("what was booked", || there(&server).is_some_and(|ledger| ledger.spent() == Money::usd(0.5)));
    assert_eq!(granted(&two.ask(1, 1.5)), Some(Money::usd(1.5)));
    assert_eq!(two.ledger().spent(), Money::usd(0.5), "it is known here too");

    server.say(&["FLUSHALL"]);
    assert_eq!(granted(&one.ask(2, 0.5)), Some(Money::usd(0.5)), "it knew of no other then");
    // Whoever looks writes again what was lost.
    two.look();
    wait_for("both entries", || there(&server).is_some_and(|ledger| ledger.runs.len() == 2));
    assert_eq!(granted(&one.ask(3, 0.5)), None);
    assert_eq!(one.ledger().runs.len(), 2);
}

#[test]
fn without_the_server_nothing_is_granted_and_what_is_booked_waits() {
    let Some(mut server) = RedisServer::start() else { return };
    let mut machine = Machine::new(&server, "R1");
    assert_eq!(granted(&machine.ask(1, 1.5)), Some(Money::usd(1.5)));
    machine.record(reserved(1.5));
    server.kill();
    for attempt in [2, 3] {
        let answer = machine.ask(attempt, 0.25);
        assert!(matches!(answer, Reservation::Unknown { .. }), "{answer:?}");
        assert_eq!(machine.ledger().used(), Money::usd(1.5), "nothing stays reserved for it");
    }
    machine.record(settled(0.5));
    assert_eq!(machine.ledger().used(), Money::usd(0.5));
    server.start_again();
    wait_for("what was booked", || there(&server).is_some_and(|ledger| ledger.used() == Money::usd(0.5)));
    assert_eq!(granted(&machine.ask(4, 1.0)), Some(Money::usd(1.0)), "and it grants again");
}

#[test]
fn a_reservation_that_nobody_recorded_is_given_back_when_the_run_is_taken_again() {
    let Some(server) = RedisServer::start() else { return };
    let mut machine = Machine::new(&server, "R1");
    assert_eq!(granted(&machine.ask(1, 1.5)), Some(Money::usd(1.5)));
    let Machine { store, run, _folder: folder } = machine;
    drop(store);
    let mut store = Store::open(folder.path(), false).unwrap();
    store.share_with(Mirror::open(address(&server), TTL, 1, SOON).unwrap());
    store.acquire_lease(&run.spec, &testing::lease(&run.spec, 8, 60), NOW, &|_| false).unwrap();
    store.look_for_providers(&["openai".to_owned()].into(), NOW);
    wait_for("nothing reserved", || there(&server).is_some_and(|ledger| ledger.used().is_zero()));
    assert!(there(&server).unwrap().runs[&run.spec.run_id].revision >= 60);
}

#[test]
fn who_is_to_be_left_alone_is_known_to_all_and_longest_counts() {
    let Some(server) = RedisServer::start() else { return };
    let (mut one, mut two) = (Machine::new(&server, "R1"), Machine::new(&server, "R2"));
    let known = || {
        server
            .get("shop:provider:openai:cooldown")
            .map(|text| serde_json::from_str::<Cooldown>(&text).unwrap())
    };
    one.record(rested(Some(60_000)));
    wait_for("the rest there", || known().is_some_and(|known| known.until == Timestamp(60_000)));
    two.look();
    wait_for("the rest here", || two.cooldown().is_some());
    // A shorter one says nothing, as no month's budget does.
    two.record(rested(Some(30_000)));
    two.record(EventBody::ProviderRested {
        provider: "openai".to_owned(),
        until: Some(Timestamp(900_000)),
        trigger: FailureKind::BudgetExhausted,
        evidence: "spent".to_owned(),
    });
    two.record(rested(None));
    wait_for("that it is off", || known().is_some_and(|known| known.off));
    let off = known().unwrap();
    assert_eq!((off.run_id.as_str(), off.until), ("R2", off.seen_at + Duration::from_mins(10)));
    one.look();
    wait_for("that it is off, here", || one.cooldown().is_some_and(|known| known.off));
}
