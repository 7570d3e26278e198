//! The table of what moves a task up, walked row by row, and the rungs a task may use.

use std::time::Duration;

use crate::model::event::EventBody;
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind as Kind;
use crate::model::ids::TaskId;
use crate::model::layer::Cost;
use crate::model::outcome::{AttemptFacts, CompletionFact, Ending, StopReason};
use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::task::TaskSpec;
use crate::model::time::Timestamp;
use crate::scheduler::Input;
use crate::scheduler::ladder::{Choice, rungs};

use super::builder::{TaskWords as _, ended, error, good, spec, stopped, task, uninstall};
use super::world::World;

/// What is left alone after a failure.
#[derive(Debug, PartialEq)]
enum Alone {
    Nothing,
    /// The provider `kilo`, for so many seconds.
    Rest(u64),
    ProviderOff,
    LayerOff,
}

struct Row {
    kind: Kind,
    facts: AttemptFacts,
    alone: Alone,
    /// The layer of the next attempt; none: the task failed.
    next: Option<u8>,
    /// Whether the next attempt begins in the same turn.
    at_once: bool,
    /// Whether it counts as a retry.
    counts: bool,
}

fn row(kind: Kind, alone: Alone, next: Option<u8>, at_once: bool, counts: bool) -> Row {
    Row { kind, facts: error(kind), alone, next, at_once, counts }
}

fn rows() -> Vec<Row> {
    use Alone::{LayerOff, Nothing, ProviderOff, Rest};
    let told = |kind, seconds| {
        let mut facts = error(kind);
        if let Some(sign) = &mut facts.reading.terminal_error {
            sign.retry_after_s = Some(seconds);
        }
        facts
    };
    let mut own_timeout = error(Kind::ProviderUnreachable);
    if let Some(sign) = &mut own_timeout.reading.terminal_error {
        sign.message = "request timed out".to_owned();
    }
    let mut wrong_code = error(Kind::Exited);
    wrong_code.reading.terminal_error = None;
    vec![
        row(Kind::RateLimited, Rest(60), Some(2), true, false),
        Row { facts: told(Kind::RateLimited, 90), ..row(Kind::RateLimited, Rest(90), Some(2), true, false) },
        row(Kind::NotLoggedIn, ProviderOff, Some(2), true, false),
        row(Kind::OutOfCredits, ProviderOff, Some(2), true, false),
        row(Kind::ModelUnknown, LayerOff, Some(2), true, false),
        row(Kind::UsageError, LayerOff, Some(2), true, false),
        row(Kind::AgentNotFound, LayerOff, Some(2), true, false),
        row(Kind::PermissionRejected, LayerOff, Some(2), true, false),
        row(Kind::ProviderUnreachable, Rest(300), Some(2), true, false),
        Row { facts: own_timeout, ..row(Kind::ProviderUnreachable, Rest(120), Some(2), true, false) },
        row(Kind::Overloaded, Nothing, Some(1), false, false),
        Row { facts: told(Kind::Overloaded, 600), ..row(Kind::Overloaded, Rest(600), Some(2), true, false) },
        row(Kind::HierarchyViolation, Nothing, Some(2), true, false),
        row(Kind::ContextOverflow, Nothing, Some(2), true, false),
        Row { facts: stopped(StopReason::Idle), ..row(Kind::Stalled, Nothing, Some(2), true, false) },
        Row { facts: stopped(StopReason::Deadline), ..row(Kind::TimedOut, Nothing, Some(1), false, true) },
        Row { facts: wrong_code, ..row(Kind::Exited, Nothing, Some(1), false, true) },
        row(Kind::ReportedBlocked, Nothing, None, true, true),
    ]
}

#[test]
fn every_row_moves_the_task_as_the_contract_says() {
    for row in rows() {
        let kind = row.kind;
        let mut world = World::start(spec(vec![task("T1").retries(2)]));
        assert_eq!(world.rung("T1").layer, Some(1));
        let before = world.now;
        world.end_task("T1", |_| row.facts);
        let rest = world.scheduler.view().rests.get("kilo").cloned();
        let alone = match (&rest, world.scheduler.view().layers_off.contains(&1)) {
            (None, false) => Alone::Nothing,
            (None, true) => Alone::LayerOff,
            (Some(rest), _) => {
                assert_eq!(rest.trigger, kind);
                match rest.until {
                    Some(until) => Alone::Rest(until.since(before).as_secs()),
                    None => Alone::ProviderOff,
                }
            }
        };
        assert_eq!(alone, row.alone, "{kind}");
        let Some(next) = row.next else {
            assert_eq!(world.status("T1"), TaskStatus::Failed, "{kind}");
            continue;
        };
        assert_eq!(world.running("T1").is_some(), row.at_once, "{kind}");
        if !row.at_once {
            assert_eq!(world.status("T1"), TaskStatus::Retrying, "{kind}");
            assert!(world.wake(), "{kind}");
        }
        assert_eq!(world.rung("T1").layer, Some(next), "{kind}");
        let moved = world.events(|body| {
            let EventBody::LayerMoved { from, to, trigger, attempt, evidence, .. } = body else {
                return None;
            };
            Some((from.layer, to.layer, *trigger, *attempt, evidence.clone()))
        });
        let seen = world.task("T1").attempts[0].failure().unwrap().seen.clone();
        let expected =
            if next == 1 { Vec::new() } else { vec![(Some(1), Some(next), kind, 1, seen.clone())] };
        assert_eq!(moved, expected, "{kind}");
        let left_alone = world.events(|body| {
            let (EventBody::ProviderRested { trigger, evidence, .. }
            | EventBody::LayerTurnedOff { trigger, evidence, .. }) = body
            else {
                return None;
            };
            Some((*trigger, evidence.clone()))
        });
        let expected = if row.alone == Alone::Nothing { Vec::new() } else { vec![(kind, seen)] };
        assert_eq!(left_alone, expected, "{kind}");
        // Two more failures of its own end a task that has two retries only if the first counted.
        for _ in 0..2 {
            world.end_task("T1", |_| stopped(StopReason::Deadline));
            world.wake();
        }
        let failed = world.status("T1") == TaskStatus::Failed;
        assert_eq!(failed, row.counts, "{kind}: whether it counts");
    }
}

/// What was tried before a move is what the moves before it left.
#[test]
fn the_moves_of_a_task_tell_its_story() {
    let mut run = spec(vec![task("T1")]);
    run.settings.allow_paid = Some("it is urgent".to_owned());
    let mut world = World::start(run);
    for kind in [Kind::RateLimited, Kind::HierarchyViolation, Kind::ModelUnknown] {
        world.end_task("T1", |_| error(kind));
    }
    let moves = world.events(|body| {
        let EventBody::LayerMoved { from, to, trigger, attempt, .. } = body else { return None };
        Some((*attempt, from.layer.unwrap(), to.layer.unwrap(), *trigger))
    });
    assert_eq!(
        moves,
        [(1, 1, 2, Kind::RateLimited), (2, 2, 3, Kind::HierarchyViolation), (3, 3, 4, Kind::ModelUnknown)]
    );
    let task = world.task("T1");
    let tried: Vec<Option<u8>> = task.attempts.iter().map(|attempt| attempt.rung.layer).collect();
    assert_eq!(tried, [Some(1), Some(2), Some(3), Some(4)]);
}

#[test]
fn a_start_that_came_to_nothing_costs_no_retry_three_times() {
    let not_begun = || {
        let mut facts = error(Kind::Exited);
        facts.reading.not_begun = true;
        facts
    };
    let mut world = World::start(spec(vec![task("T1").retries(0)]));
    for _ in 0..3 {
        world.end_task("T1", |_| not_begun());
        assert_eq!(world.status("T1"), TaskStatus::Retrying, "after a moment");
        assert!(world.wake());
        assert_eq!(world.rung("T1").layer, Some(1));
    }
    world.end_task("T1", |_| not_begun());
    assert_eq!(world.status("T1"), TaskStatus::Failed);

    // Only where nothing else explains it.
    let mut world = World::start(spec(vec![task("T1").retries(0)]));
    world.end_task("T1", |_| {
        let mut facts = error(Kind::UsageError);
        facts.reading.not_begun = true;
        facts
    });
    assert_eq!(world.rung("T1").layer, Some(2));
}

#[test]
fn an_overloaded_provider_gets_a_second_chance_and_then_rests() {
    let mut world = World::start(spec(vec![task("T1")]));
    world.end_task("T1", |_| error(Kind::Overloaded));
    assert!(world.wake());
    assert_eq!(world.rung("T1").layer, Some(1));
    world.end_task("T1", |_| error(Kind::Overloaded));
    assert_eq!(world.rung("T1").layer, Some(2), "the second time it moves at once");
    let until = world.scheduler.view().rests["kilo"].until.unwrap();
    assert_eq!(until.since(world.now), Duration::from_secs(30));
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn a_free_move_is_free_once_per_layer() {
    let mut world = World::start(spec(vec![task("T1").retries(0)]));
    for layer in 1..=3 {
        assert_eq!(world.rung("T1").layer, Some(layer));
        world.end_task("T1", |_| error(Kind::RateLimited));
    }
    assert_eq!(world.status("T1"), TaskStatus::Retrying, "all rest: it waits");
    assert!(world.wake());
    assert_eq!(world.rung("T1").layer, Some(1), "the first that is back");
    world.end_task("T1", |_| error(Kind::Stalled));
    assert_eq!(world.status("T1"), TaskStatus::Failed);
    assert_eq!(world.task("T1").failure.as_ref().unwrap().kind, Kind::Stalled);
}

#[test]
fn a_busy_provider_is_no_fault_of_the_task_until_it_is_busy_for_ever() {
    let mut world = World::start(spec(vec![task("T1").retries(0)]));
    let mut refused = 0;
    while world.status("T1") != TaskStatus::Failed {
        if world.running("T1").is_some() {
            refused += 1;
            world.end_task("T1", |_| error(Kind::RateLimited));
        } else {
            assert!(world.wake());
        }
    }
    assert_eq!(refused, 3 + 10 + 1, "each layer once, ten times more, and the one that counts");
    assert_eq!(world.task("T1").failure.as_ref().unwrap().kind, Kind::RateLimited);
}

#[test]
fn when_all_layers_rest_too_long_none_is_left() {
    let mut world = World::start(spec(vec![task("T1"), task("T2").needs(&["T1"])]));
    for _ in 1..=3 {
        world.end_task("T1", |_| {
            let mut facts = error(Kind::RateLimited);
            if let Some(sign) = &mut facts.reading.terminal_error {
                sign.retry_after_s = Some(7_200);
            }
            facts
        });
    }
    let failure = world.task("T1").failure.clone().unwrap();
    assert_eq!(failure.kind, Kind::NoLayerLeft);
    assert!(failure.seen.starts_with("none is to be had within 30m: layer 1: kilo rests until"), "{failure}");
    assert_eq!(world.status("T2"), TaskStatus::Blocked);
    assert_eq!(world.finished, Some((RunStatus::Limited, ExitCode::Limit)));
}

#[test]
fn when_only_paid_layers_are_left_somebody_has_to_approve() {
    let refuse = |world: &mut World| {
        for _ in 1..=3 {
            world.end_task("T1", |_| error(Kind::NotLoggedIn));
        }
    };
    let mut world = World::start(spec(vec![task("T1")]));
    refuse(&mut world);
    assert_eq!(world.task("T1").failure.as_ref().unwrap().kind, Kind::PaymentNotApproved);
    assert_eq!(world.exit(), Some(ExitCode::Limit));

    let mut paid = spec(vec![task("T1")]);
    paid.settings.allow_paid = Some("release day".to_owned());
    let mut world = World::start(paid);
    refuse(&mut world);
    assert_eq!(world.rung("T1").layer, Some(4));
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn a_spent_budget_ends_paid_work() {
    let mut paid = spec(vec![task("T1").agent("opencode"), task("T2").agent("opencode").needs(&["T1"])]);
    paid.settings.allow_paid = Some("release day".to_owned());
    paid.settings.budget_usd = Some(1.0);
    paid.layers.retain(|layer| layer.layer == 4);
    let mut world = World::start(paid);
    world.end_task("T1", |key| {
        let mut facts = good(key);
        facts.reading.cost_usd = Some(1.5);
        facts
    });
    assert_eq!(world.task("T2").failure.as_ref().unwrap().kind, Kind::BudgetExhausted);
    assert_eq!(world.exit(), Some(ExitCode::Limit));
}

#[test]
fn what_rests_or_is_off_is_so_for_all_tasks() {
    let mut world =
        World::start(spec(vec![task("T1"), task("T2").needs(&["T1"]), task("T3").needs(&["T2"])]));
    world.end_task("T1", |_| error(Kind::RateLimited));
    world.end_task("T1", good);
    assert_eq!(world.rung("T2").layer, Some(2), "kilo rests");
    world.pass(Duration::from_secs(61));
    world.end_task("T2", good);
    assert_eq!(world.rung("T3").layer, Some(1), "kilo is back");
}

#[test]
fn the_last_retry_runs_on_the_next_layer() {
    let mut world = World::start(spec(vec![task("T1").retries(2)]));
    let mut layers = Vec::new();
    while world.status("T1") != TaskStatus::Failed {
        layers.push(world.rung("T1").layer);
        world.end_task("T1", |_| stopped(StopReason::Deadline));
        world.wake();
    }
    assert_eq!(layers, [Some(1), Some(1), Some(2)]);

    let mut world = World::start(spec(vec![task("T1").agent("cline")]));
    world.end_task("T1", |_| stopped(StopReason::Deadline));
    assert!(world.wake());
    assert_eq!(world.rung("T1").layer, Some(2), "there is no next one for a pinned agent");
}

#[test]
fn a_context_that_is_too_small_needs_a_larger_one() {
    let mut run = spec(vec![task("T1")]);
    run.layers[0].context = Some(100);
    run.layers[1].context = Some(90);
    run.layers[2].context = Some(200);
    let mut world = World::start(run.clone());
    world.end_task("T1", |_| error(Kind::ContextOverflow));
    assert_eq!(world.rung("T1").layer, Some(3));
    world.end_task("T1", |_| error(Kind::ContextOverflow));
    assert_eq!(world.task("T1").failure.as_ref().unwrap().kind, Kind::ContextOverflow);
    assert_eq!(world.exit(), Some(ExitCode::TaskFailed));

    run.layers[1].context = None;
    let mut world = World::start(run);
    world.end_task("T1", |_| error(Kind::ContextOverflow));
    assert_eq!(world.rung("T1").layer, Some(2), "one that nobody knows may be larger");
}

#[test]
fn a_stall_on_every_layer_ends() {
    let mut world = World::start(spec(vec![task("T1").retries(1)]));
    let mut layers = Vec::new();
    while world.finished.is_none() {
        layers.push(world.rung("T1").layer.unwrap());
        world.end_task("T1", |_| stopped(StopReason::Idle));
    }
    assert_eq!(layers, [1, 2, 3, 1]);
    assert_eq!(world.task("T1").failure.as_ref().unwrap().kind, Kind::Stalled);
}

#[test]
fn outside_the_hierarchy_a_providers_trouble_is_the_tasks() {
    let mut world = World::start(spec(vec![task("T1").agent("mine").retries(1)]));
    assert_eq!(world.rung("T1").layer, None);
    world.end_task("T1", |_| error(Kind::RateLimited));
    assert_eq!(world.status("T1"), TaskStatus::Retrying);
    assert!(world.scheduler.view().rests.is_empty());
    assert!(world.wake());
    world.end_task("T1", |_| error(Kind::RateLimited));
    assert_eq!(world.task("T1").failure.as_ref().unwrap().kind, Kind::RateLimited);
    assert_eq!(world.exit(), Some(ExitCode::TaskFailed));
}

#[test]
fn a_merge_conflict_is_free_once_and_a_loss_three_times() {
    // A landing is not asked for by this version, so its failure is told as a sign.
    let mut world = World::start(spec(vec![task("T1").retries(0)]));
    world.end_task("T1", |_| error(Kind::MergeConflict));
    assert!(world.wake());
    assert_eq!(world.rung("T1").layer, Some(1));
    world.end_task("T1", |_| error(Kind::MergeConflict));
    assert_eq!(world.status("T1"), TaskStatus::Failed);

    let mut world = World::start(spec(vec![task("T1").retries(0)]));
    for _ in 1..=3 {
        world.crash();
        world.resume();
        assert_eq!(world.rung("T1").layer, Some(1));
    }
    world.crash();
    world.resume();
    assert_eq!(world.task("T1").failure.as_ref().unwrap().kind, Kind::Lost);
}

fn numbers(task: &TaskSpec, choice: &Choice, spec: &RunSpec) -> Vec<Option<u8>> {
    rungs(task, choice, spec).into_iter().map(|rung| rung.layer).collect()
}

#[test]
fn the_rungs_are_those_that_plan_person_and_machine_allow() {
    let mut run = spec(Vec::new());
    let plain = task("T1");
    let none = Choice::default();
    let by = |agent: Option<&str>, layer| Choice { agent: agent.map(str::to_owned), layer };
    assert_eq!(numbers(&plain, &none, &run), [Some(1), Some(2), Some(3)]);
    assert_eq!(numbers(&plain.clone().agent("opencode"), &none, &run), [Some(3)]);
    assert_eq!(numbers(&plain.clone().agent("mine"), &none, &run), [None]);
    assert_eq!(numbers(&plain, &by(Some("mine"), None), &run), [None]);
    assert_eq!(numbers(&plain, &by(None, Some(2)), &run), [Some(2), Some(3)]);
    let model = TaskSpec { model: Some("MINIMAX:free".to_owned()), ..plain.clone() };
    assert_eq!(numbers(&model, &none, &run), [Some(2)]);
    assert_eq!(numbers(&model, &by(None, Some(3)), &run), [Some(3)], "a person's word is the later one");
    assert_eq!(numbers(&model, &by(Some("kilo"), None), &run), [Some(1)]);
    let higher = TaskSpec { layer: Some(3), ..plain.clone() };
    assert_eq!(numbers(&higher, &none, &run), [Some(3)]);
    assert_eq!(numbers(&higher, &by(None, Some(1)), &run), [Some(1), Some(2), Some(3)]);
    run.settings.layer = Some(2);
    assert_eq!(numbers(&plain, &none, &run), [Some(2), Some(3)]);
    assert_eq!(numbers(&higher, &none, &run), [Some(3)]);
    run.settings.max_layer = Some(2);
    assert_eq!(numbers(&plain, &none, &run), [Some(2)]);
    assert_eq!(numbers(&higher, &none, &run), []);
    run.settings.layer = None;
    uninstall(&mut run, "kilo");
    assert_eq!(numbers(&plain, &none, &run), [Some(2)]);
    run.settings.max_layer = None;
    run.settings.allow_paid = Some("why not".to_owned());
    assert_eq!(numbers(&plain, &none, &run), [Some(2), Some(3), Some(4)]);
    run.layers.iter_mut().for_each(|layer| layer.cost = Cost::Paid);
    run.settings.allow_paid = None;
    assert_eq!(numbers(&plain, &none, &run), []);
}

#[test]
fn missing_agents_are_said_once_and_fail_only_what_needs_them() {
    let mut run = spec(vec![task("T1"), task("T2").agent("kilo"), task("T3")]);
    uninstall(&mut run, "kilo");
    let mut world = World::start(run);
    let warnings = world.scheduler.view().warnings.clone();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].0, "agent-missing");
    assert_eq!(warnings[0].1, "`kilo` is not installed: layer 1 is left out");
    assert_eq!(world.rung("T1").layer, Some(2));
    assert_eq!(world.task("T2").failure.as_ref().unwrap().kind, Kind::AgentNotFound);
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::TaskFailed));
    world.crash();
    world.resume();
    assert_eq!(world.scheduler.view().warnings.len(), 1, "the same is not said again");
}

#[test]
fn without_any_agent_the_environment_is_to_blame() {
    let mut run = spec(vec![task("T1"), task("T2").needs(&["T1"]), task("T3").agent("mine")]);
    for agent in ["kilo", "cline", "opencode", "mine"] {
        uninstall(&mut run, agent);
    }
    let world = World::start(run);
    assert_eq!(world.finished, Some((RunStatus::Failed, ExitCode::Environment)));
    assert_eq!(world.status("T2"), TaskStatus::Blocked);
}

#[test]
fn a_program_that_vanished_is_told_from_a_layer_that_is_off() {
    let mut world = World::start(spec(vec![task("T1").agent("kilo")]));
    world.end_task("T1", |_| AttemptFacts {
        outcome: ended(Ending::NotFound { message: "gone".to_owned() }, None),
        completion: CompletionFact::Missing,
        ..error(Kind::AgentNotFound)
    });
    assert_eq!(world.task("T1").failure.as_ref().unwrap().kind, Kind::AgentNotFound);
    assert_eq!(world.exit(), Some(ExitCode::TaskFailed));
}

#[test]
fn a_task_that_waits_for_its_rung_is_sent_elsewhere_when_that_goes_off() {
    let mut run = spec(vec![task("T1"), task("T2")]);
    run.settings.jobs = 2;
    let mut world = World::start(run);
    world.end_task("T1", |_| error(Kind::Overloaded));
    world.end_task("T2", |_| error(Kind::NotLoggedIn));
    assert!(world.wake(), "T1 was to go on at layer 1");
    assert_eq!(world.rung("T1").layer, Some(2));
    let why = world.events(|body| {
        let EventBody::LayerMoved { task_id, trigger, .. } = body else { return None };
        (task_id.as_str() == "T1").then_some(*trigger)
    });
    assert_eq!(why, [Kind::NotLoggedIn]);
}

#[test]
fn new_tasks_wait_for_a_provider_that_rests_and_start_when_it_is_back() {
    let mut run = spec(vec![task("T1").agent("kilo"), task("T2").agent("kilo")]);
    run.settings.jobs = 1;
    let mut world = World::start(run);
    world.end_task("T1", |_| error(Kind::RateLimited));
    assert!(world.work.is_empty());
    assert_eq!(world.status("T2"), TaskStatus::Pending);
    let (at, _) = world.scheduler.next_wake().unwrap();
    assert_eq!(at, Timestamp(world.now.0 + 60_000));
    world.let_all_pass();
    assert_eq!(world.exit(), Some(ExitCode::Success));
}

#[test]
fn a_persons_choice_goes_before_the_plans() {
    let mut world = World::start(spec(vec![task("T1").agent("kilo").retries(0)]));
    world.end_task("T1", |_| stopped(StopReason::Deadline));
    assert_eq!(world.exit(), Some(ExitCode::TaskFailed));
    world.crash();
    world.send(Input::Retry {
        tasks: vec![TaskId::new("T1")],
        layer: Some(3),
        agent: None,
        say: Some("mind the tests".to_owned()),
    });
    world.resume();
    assert_eq!(world.rung("T1").layer, Some(3));
    let key = world.running("T1").unwrap();
    let note = world.spawned[&key].note.clone().unwrap();
    assert!(note.contains("timed_out") && note.contains("mind the tests"), "{note}");
}

#[test]
fn what_another_run_saw_of_a_provider_counts_here_too() {
    let mut run = spec(vec![task("T1"), task("T2").needs(&["T1"])]);
    run.settings.jobs = 1;
    let mut world = World::start(run);
    let rests = |until| Input::ProviderRests {
        provider: "kilo".to_owned(),
        until: Some(until),
        trigger: Kind::RateLimited,
        evidence: "429, seen by another run".to_owned(),
    };
    let until = world.now + Duration::from_mins(2);
    assert_eq!(world.send(rests(until)).len(), 1);
    assert_eq!(world.send(rests(until)).len(), 0, "a rest that is known is not said again");
    assert_eq!(world.send(rests(world.now)).len(), 0, "nor one that is over");
    world.end_task("T1", good);
    assert_eq!(world.rung("T2").layer, Some(2));
}
