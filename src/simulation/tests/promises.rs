//! What holds in every run, whatever its plan, its hierarchy and its providers. Random cases are small and
//! are played to their end; `PROPTEST_CASES` says how many.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::builder::{START, layer, task, with_layers};
use crate::model::event::{Event, EventBody};
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, RunId};
use crate::model::layer::Cost;
use crate::model::money::Money;
use crate::model::run::{ProviderSpec, RunSpec};
use crate::model::status::TaskStatus;
use crate::model::time::{Span, Timestamp};
use crate::simulation::scenario::{Answer, ProviderShape, Rule, Scenario, TaskShape};
use crate::simulation::{Simulated, World};

const AGENTS: [&str; 3] = ["kilo", "cline", "opencode"];
const PROVIDERS: [&str; 4] = ["one", "two", "three", "four"];

/// A run as few numbers.
#[derive(Debug, Clone)]
struct SmallRun {
    /// For each task how far before it the one stands that it needs, and who is to do it.
    tasks: Vec<(Option<usize>, Option<usize>)>,
    /// For each layer its agent, its provider, and whether it is paid.
    layers: Vec<(usize, usize, bool)>,
    approved: bool,
    budget: Option<u32>,
    month: Option<u32>,
    jobs: u32,
}

/// A scenario as few numbers.
#[derive(Debug, Clone)]
struct SmallScenario {
    seed: u64,
    /// Provider, answer, from, length (minutes), share, and seconds to try again after.
    rules: Vec<(usize, usize, u64, u64, u8, Option<u64>)>,
    at_once: Option<u32>,
    fails: u8,
}

fn small_run() -> impl Strategy<Value = SmallRun> {
    let one = (proptest::option::of(1..4_usize), proptest::option::weighted(0.2, 0..AGENTS.len()));
    let rung = (0..AGENTS.len(), 0..PROVIDERS.len(), proptest::bool::weighted(0.3));
    let money = || proptest::option::of(1..40_u32);
    (
        proptest::collection::vec(one, 1..9),
        proptest::collection::vec(rung, 1..6),
        any::<bool>(),
        money(),
        money(),
        1..5_u32,
    )
        .prop_map(|(tasks, layers, approved, budget, month, jobs)| SmallRun {
            tasks,
            layers,
            approved,
            budget,
            month,
            jobs,
        })
}

fn small_scenario() -> impl Strategy<Value = SmallScenario> {
    let rule = (
        0..PROVIDERS.len(),
        0..Answer::WORDS.len(),
        0..40_u64,
        1..60_u64,
        prop_oneof![Just(100_u8), 1..100_u8],
        proptest::option::of(1..600_u64),
    );
    (
        any::<u64>(),
        proptest::collection::vec(rule, 0..6),
        proptest::option::weighted(0.3, 1..3_u32),
        prop_oneof![Just(0_u8), Just(30_u8)],
    )
        .prop_map(|(seed, rules, at_once, fails)| SmallScenario { seed, rules, at_once, fails })
}

impl SmallRun {
    fn spec(&self) -> RunSpec {
        let name = |number: usize| format!("T{number}");
        let tasks = self.tasks.iter().enumerate().map(|(number, (need, agent))| {
            let need = need.and_then(|back| number.checked_sub(back)).map(name);
            let needs: Vec<&str> = need.iter().map(String::as_str).collect();
            let mut made = task(&name(number), &needs);
            made.agent = agent.map(|agent| AGENTS[agent].to_owned());
            made
        });
        let layers = self.layers.iter().zip(1_u8..).map(|((agent, provider, paid), number)| {
            let cost = if *paid { Cost::Paid } else { Cost::Free };
            let mut made = layer(number, AGENTS[*agent], PROVIDERS[*provider], cost);
            made.max_usd = paid.then_some(0.5);
            made
        });
        let mut spec = with_layers(tasks.collect(), layers.collect());
        spec.settings.jobs = self.jobs;
        spec.settings.allow_paid = self.approved.then(|| "a test".to_owned());
        spec.settings.budget_usd = self.budget.map(|tenths| f64::from(tenths) / 10.0);
        for provider in PROVIDERS {
            let month = self.month.map(|tenths| f64::from(tenths) / 10.0);
            let known = ProviderSpec { budget_usd_per_month: month, ..ProviderSpec::default() };
            spec.providers.insert(provider.to_owned(), known);
        }
        spec
    }
}

impl SmallScenario {
    fn scenario(&self) -> Scenario {
        let mut scenario = Scenario { seed: self.seed, start: Some(START), ..Scenario::default() };
        scenario.tasks = TaskShape { fails: self.fails, ..TaskShape::default() };
        for (provider, answer, from, length, share, retry_after) in &self.rules {
            scenario.rules.push(Rule {
                from: Span::minutes(*from),
                to: Some(Span::minutes(from + length)),
                share: *share,
                retry_after: retry_after.map(Span::seconds),
                ..Rule::of(PROVIDERS[*provider], Answer::WORDS[*answer].1)
            });
        }
        let shape = ProviderShape { at_once: self.at_once, ..ProviderShape::default() };
        scenario.providers.insert(PROVIDERS[0].to_owned(), shape);
        scenario
    }
}

/// After a provider refused, the first starts there are apart: no herd falls upon it when it is back.
fn starts_are_apart(run: &Simulated<'_>) {
    let mut refused: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for event in run.events {
        if let EventBody::ProviderRested { provider, until: Some(_), trigger, .. } = &event.body
            && matches!(
                trigger,
                FailureKind::RateLimited | FailureKind::Overloaded | FailureKind::ProviderUnreachable
            )
        {
            refused.insert(provider, Vec::new());
        }
        if let EventBody::AttemptStarted { rung, .. } = &event.body
            && let Some(starts) = rung.provider.as_deref().and_then(|name| refused.get_mut(name))
        {
            starts.push(event.at);
            if let [first, second] = starts[..] {
                let apart = second.since(first);
                assert!(apart.as_secs() >= 1, "{:?} starts twice within {apart:?} of a rest", rung.provider);
            }
        }
    }
}

/// What is promised of one run, seen in its events alone. Steps of the scenario are no larger than the
/// first, so an attempt is stopped before it passes what was reserved for it.
fn keeps_its_promises(run: &Simulated<'_>) {
    let spec = run.spec;
    let budget = spec.settings.budget_usd.map(Money::usd);
    let (mut spent, mut reserved) = (Money::ZERO, BTreeMap::new());
    let mut rests: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
    for event in run.events {
        if let EventBody::AttemptStarted { task_id, attempt, rung, .. } = &event.body {
            // An agent outside the hierarchy is a person's own choice, and has no provider that could rest.
            let layer = spec.layers.iter().find(|layer| Some(layer.layer) == rung.layer);
            let paid = layer.is_some_and(|layer| layer.cost == Cost::Paid);
            assert!(!paid || spec.settings.allow_paid.is_some(), "{task_id}/{attempt} was not approved");
            let rest = layer.and_then(|layer| rests.get(layer.provider.as_str()));
            let resting = rest.is_some_and(|until| until.is_none_or(|until| until > event.at));
            assert!(!resting, "{task_id}/{attempt} starts while its provider rests: {rest:?}");
        }
        if matches!(event.body, EventBody::RunResumed { .. }) {
            // A person may have logged in, or paid, before taking the run up again.
            rests.retain(|_, until| until.is_some());
        }
        if let EventBody::ProviderRested { provider, until, .. } = &event.body {
            rests.insert(provider, *until);
        }
        if let EventBody::SpendReserved { task_id, attempt, amount_usd, .. } = &event.body {
            reserved.insert(AttemptKey::new(task_id.clone(), *attempt), *amount_usd);
        }
        if let EventBody::SpendSettled { task_id, attempt, amount_usd, .. } = &event.body {
            let bound = reserved.remove(&AttemptKey::new(task_id.clone(), *attempt)).unwrap_or_default();
            assert!(*amount_usd <= bound, "{task_id}/{attempt} cost {amount_usd} of {bound}");
            spent += *amount_usd;
        }
        let open: Money = reserved.values().copied().sum();
        assert!(budget.is_none_or(|budget| spent + open <= budget), "{spent} and {open} of {budget:?}");
    }
    assert!(reserved.is_empty(), "never settled: {reserved:?}");
    starts_are_apart(run);
    for task in &run.view.tasks {
        assert!(task.status.is_end(), "{} is {} at the end", task.id, task.status);
    }
}

fn keeps_its_months(world: &World<'_>, month: Option<u32>) {
    for ledger in world.ledgers() {
        let budget = month.map(|tenths| Money::usd(f64::from(tenths) / 10.0));
        assert_eq!(ledger.reserved(), Money::ZERO, "{} has something reserved", ledger.provider);
        assert!(budget.is_none_or(|budget| ledger.spent() <= budget), "{} of {budget:?}", ledger.spent());
    }
}

/// Plays runs to their end, looking at the months after each step.
fn play(scenario: &Scenario, specs: Vec<RunSpec>, month: Option<u32>) -> World<'_> {
    let budget = month.map(|tenths| Money::usd(f64::from(tenths) / 10.0));
    let mut world = World::new(scenario, specs);
    while world.step().unwrap() {
        let over = world.ledgers().find(|ledger| budget.is_some_and(|budget| ledger.used() > budget));
        assert!(over.is_none(), "more than {budget:?} is spent and reserved: {over:?}");
    }
    world
}

fn statuses(world: &World<'_>) -> Vec<TaskStatus> {
    world.simulated(0).unwrap().view.tasks.iter().map(|task| task.status).collect()
}

/// Few cases, unless `PROPTEST_CASES` asks for another number of them.
fn cases() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let cases = if asked.cases == 256 { 64 } else { asked.cases };
    ProptestConfig { cases, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_run_ends_within_its_limits(run in small_run(), scenario in small_scenario()) {
        let scenario = scenario.scenario();
        let world = play(&scenario, vec![run.spec()], run.month);
        keeps_its_promises(&world.simulated(0).unwrap());
        keeps_its_months(&world, run.month);
    }

    #[test]
    fn two_runs_keep_the_months_they_share(
        one in small_run(),
        other in small_run(),
        scenario in small_scenario(),
    ) {
        let other = SmallRun { month: one.month, ..other };
        let (scenario, month) = (scenario.scenario(), one.month);
        let second = RunSpec { run_id: RunId("OTHER".to_owned()), ..other.spec() };
        let world = play(&scenario, vec![one.spec(), second], month);
        keeps_its_promises(&world.simulated(0).unwrap());
        keeps_its_promises(&world.simulated(1).unwrap());
        keeps_its_months(&world, month);
    }

    /// Whatever the other providers do, a layer that is free and works gets everything done.
    #[test]
    fn where_a_free_layer_works_everything_succeeds(run in small_run(), scenario in small_scenario()) {
        let mut spec = run.spec();
        for agent in AGENTS {
            let number = u8::try_from(spec.layers.len()).unwrap() + 1;
            spec.layers.push(layer(number, agent, "sound", Cost::Free));
        }
        let mut scenario = SmallScenario { fails: 0, ..scenario }.scenario();
        // A crash is taken for the task's own fault, and uses up its retries.
        scenario.rules.retain(|rule| rule.answer != Answer::Crashes);
        let world = play(&scenario, vec![spec], run.month);
        let ended = world.simulated(0).unwrap();
        let left: Vec<_> = ended.view.tasks.iter().filter(|task| task.status != TaskStatus::Succeeded).collect();
        prop_assert!(left.is_empty(), "{left:?}");
    }

    /// Taken up again whenever nothing is under way, a run comes to the same end.
    #[test]
    fn a_run_that_is_taken_up_again_ends_as_it_would_have(run in small_run(), scenario in small_scenario()) {
        let scenario = scenario.scenario();
        let whole = play(&scenario, vec![run.spec()], run.month);
        let mut world = World::new(&scenario, vec![run.spec()]);
        let mut taken = 0;
        while world.step().unwrap() {
            if world.is_idle(0) && taken < 5 {
                world.restart(0).unwrap();
                taken += 1;
            }
        }
        keeps_its_months(&world, run.month);
        // What is off for the rest of a run gets another chance with each supervisor.
        let off = |event: &Event| {
            matches!(
                event.body,
                EventBody::ProviderRested { until: None, .. } | EventBody::LayerTurnedOff { .. }
            )
        };
        if !whole.simulated(0).unwrap().events.iter().any(off) {
            prop_assert_eq!(statuses(&whole), statuses(&world));
        }
    }

    /// Taken up again anywhere, a run ends within its limits; what was under way is lost and done again.
    #[test]
    fn a_run_that_is_cut_off_anywhere_ends_within_its_limits(
        run in small_run(),
        scenario in small_scenario(),
        cuts in proptest::collection::btree_set(0..200_u32, 0..4),
    ) {
        let scenario = scenario.scenario();
        let mut world = World::new(&scenario, vec![run.spec()]);
        let mut steps = 0;
        while world.step().unwrap() {
            if cuts.contains(&steps) {
                world.restart(0).unwrap();
            }
            steps += 1;
        }
        keeps_its_promises(&world.simulated(0).unwrap());
        keeps_its_months(&world, run.month);
    }
}

/// Two attempts end at once: the first has its task ask for money anew, the second has the provider rest.
#[test]
fn nothing_starts_at_a_provider_that_came_to_rest_while_money_was_asked_for() {
    let run = SmallRun {
        tasks: vec![(None, None); 4],
        layers: vec![(0, 0, true), (0, 0, true)],
        approved: true,
        budget: None,
        month: None,
        jobs: 3,
    };
    let scenario = SmallScenario { seed: 0, rules: vec![(0, 5, 0, 2, 100, None)], at_once: None, fails: 0 };
    let scenario = scenario.scenario();
    let world = play(&scenario, vec![run.spec()], None);
    keeps_its_promises(&world.simulated(0).unwrap());
}

/// While others of its line go on, a task waits no longer than those before it in the line take.
#[test]
fn nobody_starves_in_a_line() {
    let tasks = (0..60).map(|number| task(&format!("T{number}"), &[])).collect();
    let mut spec = with_layers(tasks, vec![layer(1, "kilo", "one", Cost::Free)]);
    spec.settings.jobs = 3;
    let mut rule = Rule { share: 20, ..Rule::of("one", Answer::Overloaded) };
    rule.to = Some(Span::minutes(30));
    let scenario = Scenario { rules: vec![rule], ..Scenario::default() };
    let world = play(&scenario, vec![spec], None);
    let run = world.simulated(0).unwrap();
    let starts: Vec<String> = run
        .events
        .iter()
        .filter_map(|event| {
            let EventBody::AttemptStarted { task_id, attempt: 1, .. } = &event.body else { return None };
            Some(task_id.as_str().to_owned())
        })
        .collect();
    let expected: Vec<String> = (0..60).map(|number| format!("T{number}")).collect();
    assert_eq!(starts, expected, "each has its first attempt in its turn");
    let failures = |kind| {
        run.view
            .tasks
            .iter()
            .flat_map(|task| &task.attempts)
            .any(|attempt| attempt.failure().is_some_and(|failure| failure.kind == kind))
    };
    assert!(failures(FailureKind::Overloaded), "there was something to wait for");
}
