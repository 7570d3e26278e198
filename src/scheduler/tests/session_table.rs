//! When a conversation is gone on with, and what follows where that cannot be.

use crate::model::agent::AdapterKind;
use crate::model::event::EventBody;
use crate::model::exit::ExitCode;
use crate::model::failure::FailureKind as Kind;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::outcome::{AttemptFacts, CompletionFact, Ending, Outcome, StopReason};
use crate::model::reading::Reading;
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::scheduler::Input;

use super::builder::{TaskWords as _, agent, ended, error, good, layer, spec, stopped, task};
use super::world::World;

/// The failure as it is called, the facts of it, whether the session is gone on with.
type Row<'a> = (&'a str, &'a dyn Fn(&AttemptKey) -> AttemptFacts, bool);

/// A run with one rung, so that every retry is at the same place.
fn one_layer(retries: u32) -> RunSpec {
    let mut spec = spec(vec![task("T1").verify("cargo test").retries(retries)]);
    spec.layers.truncate(1);
    spec
}

/// The facts with the session of an agent that can go on with it.
fn kept(mut facts: AttemptFacts) -> AttemptFacts {
    facts.reading.session_id = Some("ses_1".to_owned());
    facts.reading.turns = Some(3);
    facts.session_kept = true;
    facts
}

/// Of an attempt that was to go on with a session which is not there.
fn session_gone(kind: Kind) -> AttemptFacts {
    AttemptFacts { session_kept: true, ..error(kind) }
}

fn needs_session(world: &World) -> bool {
    world.scheduler.needs_session(&TaskId::new("T1"))
}

/// The session with which the attempt that runs goes on, as the executor and the journal are told.
fn session(world: &World) -> Option<String> {
    let key = world.running("T1").unwrap();
    let told = world.spawned[&key].session.clone();
    let recorded = world.events(|event| {
        if let EventBody::AttemptStarted { attempt, session, .. } = event
            && *attempt == key.attempt
        {
            Some(session.clone())
        } else {
            None
        }
    });
    assert_eq!(recorded, std::slice::from_ref(&told));
    told
}

#[test]
fn a_conversation_goes_on_where_the_work_was_the_trouble() {
    let missing = |key: &AttemptKey| AttemptFacts { completion: CompletionFact::Missing, ..good(key) };
    let exited = |_: &AttemptKey| AttemptFacts {
        outcome: ended(Ending::Exited { code: 3 }, None),
        reading: Reading::default(),
        ..error(Kind::Exited)
    };
    let killed = |_: &AttemptKey| AttemptFacts {
        outcome: ended(Ending::Killed { signal: 9 }, None),
        reading: Reading::default(),
        ..error(Kind::Killed)
    };
    let invalid = |_: &AttemptKey| AttemptFacts {
        completion: CompletionFact::Invalid { problems: vec!["no JSON".to_owned()] },
        ..missing(&AttemptKey::new(TaskId::new("T1"), 1))
    };
    let rows: [Row<'_>; 9] = [
        ("no_completion", &missing, true),
        ("bad_completion", &invalid, true),
        ("timed_out", &|_| stopped(StopReason::Deadline), true),
        ("exited", &exited, true),
        ("exited", &|_| error(Kind::Exited), false),
        ("killed", &killed, false),
        ("stalled", &|_| stopped(StopReason::Idle), false),
        ("overloaded", &|_| error(Kind::Overloaded), true),
        ("over_limit", &|_| stopped(StopReason::OverLimit { seen: "much".to_owned() }), false),
    ];
    for (kind, facts, goes_on) in rows {
        let mut world = World::start(one_layer(2));
        assert!(needs_session(&world), "while it runs nobody knows");
        world.end_task("T1", |key| kept(facts(key)));
        assert_eq!(world.task("T1").attempts[0].failure().unwrap().kind.as_str(), kind);
        if world.status("T1") == TaskStatus::Retrying {
            assert_eq!(needs_session(&world), goes_on, "{kind}");
            assert!(world.wake(), "{kind}");
        }
        assert_eq!(session(&world).as_deref(), goes_on.then_some("ses_1"), "{kind}");
        let key = world.running("T1").unwrap();
        let note = world.spawned[&key].note.clone().unwrap();
        assert!(note.contains(kind), "{note}");
        assert_eq!(note.contains("look at it first"), !goes_on, "{note}");
    }
}

#[test]
fn an_agent_that_cannot_go_on_begins_anew() {
    let mut world = World::start(one_layer(2));
    world.end_task("T1", |key| AttemptFacts { session_kept: false, ..good(key) });
    world.verified("T1", 1);
    assert!(!needs_session(&world));
    assert!(world.wake());
    assert_eq!(session(&world), None);
}

#[test]
fn a_session_that_is_gone_costs_no_retry_and_turns_nothing_off() {
    for kind in [Kind::UsageError, Kind::Exited, Kind::AgentNotFound] {
        let mut world = World::start(one_layer(1));
        world.end_task("T1", good);
        world.verified("T1", 1);
        assert!(needs_session(&world));
        assert!(world.wake());
        assert_eq!(session(&world).as_deref(), Some("session-T1#1"));
        world.end_task("T1", |_| session_gone(kind));

        assert!(world.running("T1").is_some(), "{kind}: again at once");
        assert_eq!(session(&world), None, "{kind}: in a new session");
        assert_eq!(world.rung("T1").layer, Some(1));
        assert!(world.scheduler.view().layers_off.is_empty(), "{kind}");
        let key = world.running("T1").unwrap();
        let note = world.spawned[&key].note.clone().unwrap();
        assert!(note.starts_with("Attempt 1 (kilo) failed: verify_failed"), "{note}");
        assert!(note.contains("look at it first"), "{note}");

        // The retry that was left is used up by this one.
        world.end_task("T1", good);
        world.verified("T1", 1);
        assert_eq!(world.status("T1"), TaskStatus::Failed, "{kind}");
        assert!(!needs_session(&world));
        assert_eq!(world.exit(), Some(ExitCode::TaskFailed));
    }
}

#[test]
fn what_went_wrong_in_a_session_that_went_on_counts() {
    let mut world = World::start(one_layer(1));
    world.end_task("T1", good);
    world.verified("T1", 1);
    assert!(world.wake());
    world.end_task("T1", |_| kept(error(Kind::Exited)));
    assert_eq!(world.status("T1"), TaskStatus::Failed);

    // Nor is one lost that we stopped before it said a word.
    let mut world = World::start(one_layer(1));
    world.end_task("T1", good);
    world.verified("T1", 1);
    assert!(world.wake());
    world.end_task("T1", |_| AttemptFacts {
        outcome: Outcome {
            stopped: Some(StopReason::Deadline),
            ..ended(Ending::Killed { signal: 15 }, None)
        },
        ..session_gone(Kind::TimedOut)
    });
    assert_eq!(world.status("T1"), TaskStatus::Failed);
}

#[test]
fn after_a_crash_there_is_nothing_to_go_on_with() {
    let mut world = World::start(one_layer(2));
    world.end_task("T1", good);
    world.verified("T1", 1);
    assert!(needs_session(&world));
    world.crash();
    world.resume();
    assert!(!needs_session(&world) || world.running("T1").is_some());
    if world.running("T1").is_none() {
        assert!(world.wake());
    }
    assert_eq!(session(&world), None);
    let key = world.running("T1").unwrap();
    assert!(world.spawned[&key].note.clone().unwrap().contains("verify_failed"));
}

#[test]
fn a_task_that_a_person_retries_begins_anew() {
    let mut run = one_layer(1);
    run.tasks.push(task("T2"));
    let mut world = World::start(run);
    for _ in 0..2 {
        world.end_task("T1", good);
        world.verified("T1", 1);
        world.wake();
    }
    assert_eq!(world.status("T1"), TaskStatus::Failed);
    let (tasks, say) = (vec![TaskId::new("T1")], Some("mind the gap".to_owned()));
    world.send(Input::Retry { tasks, layer: None, agent: None, say });
    assert_eq!(session(&world), None);
    // Its next retry goes on with what began there, and still knows the person's word.
    world.end_task("T1", good);
    world.verified("T1", 1);
    assert!(world.wake());
    assert_eq!(session(&world).as_deref(), Some("session-T1#3"));
    let key = world.running("T1").unwrap();
    assert!(world.spawned[&key].note.clone().unwrap().ends_with("mind the gap"));
}

#[test]
fn a_stopped_task_needs_its_session_no_more() {
    let mut world = World::start(one_layer(2));
    world.end_task("T1", good);
    world.verified("T1", 1);
    assert!(needs_session(&world));
    world.send(Input::StopTasks { tasks: vec![TaskId::new("T1")], by: "me".to_owned() });
    assert!(!needs_session(&world));
    assert!(!world.scheduler.needs_session(&TaskId::new("unknown")));
}

/// A run with two layers of one agent that have different models, then one of another.
fn two_of_one_agent() -> RunSpec {
    let mut spec = spec(vec![task("T1").retries(1)]);
    spec.layers = vec![
        layer(1, "opencode", "opencode/big-pickle", "opencode"),
        layer(2, "opencode", "openrouter/minimax-m2.1:free", "openrouter"),
        layer(3, "cline", "minimax", "cline"),
    ];
    spec
}

fn with_turns(facts: AttemptFacts, turns: Option<u32>) -> AttemptFacts {
    let mut facts = kept(facts);
    facts.reading.turns = turns;
    facts.reading.last_words = Some("I wrote src/lib.rs\nand go on with its tests".to_owned());
    facts
}

#[test]
fn a_move_to_another_layer_of_the_same_agent_takes_the_conversation_along() {
    let stalled = || stopped(StopReason::Idle);
    let rows = [
        (error(Kind::RateLimited), true),
        (error(Kind::OutOfCredits), true),
        (error(Kind::ProviderUnreachable), true),
        (stalled(), true),
        (error(Kind::NotLoggedIn), false),
        (error(Kind::ModelUnknown), false),
        (error(Kind::UsageError), false),
        (error(Kind::PermissionRejected), false),
        (error(Kind::ContextOverflow), false),
        (error(Kind::HierarchyViolation), false),
    ];
    for (facts, goes_on) in rows {
        for (turns, goes_on) in [(Some(2), goes_on), (Some(0), false), (None, false)] {
            let mut world = World::start(two_of_one_agent());
            world.end_task("T1", |_| with_turns(facts.clone(), turns));
            let kind = world.task("T1").attempts[0].failure().unwrap().kind;
            assert_eq!(world.rung("T1").layer, Some(2), "{kind}");
            assert_eq!(session(&world).as_deref(), goes_on.then_some("ses_1"), "{kind} {turns:?}");
            let key = world.running("T1").unwrap();
            let note = world.spawned[&key].note.clone().unwrap();
            let start = format!("Attempt 1 (opencode, layer 1, opencode/big-pickle) was cut short: {kind}");
            assert!(note.starts_with(&start), "{note}");
            let words = "- its last words: I wrote src/lib.rs and go on with its tests";
            assert_eq!(note.contains(words), !goes_on, "{note}");
        }
    }
}

#[test]
fn the_last_retry_on_another_layer_of_the_agent_takes_the_conversation_along() {
    let mut world = World::start(two_of_one_agent());
    world.end_task("T1", |key| AttemptFacts { completion: CompletionFact::Missing, ..good(key) });
    assert!(world.wake());
    assert_eq!(world.rung("T1").layer, Some(2));
    assert_eq!(session(&world).as_deref(), Some("session-T1#1"));
}

#[test]
fn a_program_whose_sessions_nobody_knows_begins_anew_with_another_model() {
    let mut run = two_of_one_agent();
    run.agents.insert("opencode".to_owned(), agent("opencode", AdapterKind::Program));
    let mut world = World::start(run.clone());
    world.end_task("T1", |_| with_turns(error(Kind::RateLimited), Some(2)));
    assert_eq!(session(&world), None);
    // The same model by another way is no other model.
    run.layers[1].model = run.layers[0].model.clone();
    let mut world = World::start(run);
    world.end_task("T1", |_| with_turns(error(Kind::RateLimited), Some(2)));
    assert_eq!(session(&world).as_deref(), Some("ses_1"));
}

#[test]
fn another_agent_is_told_what_was_done_and_by_whom() {
    let mut world = World::start(two_of_one_agent());
    world.end_task("T1", |_| with_turns(error(Kind::RateLimited), Some(2)));
    let key = world.running("T1").unwrap();
    world.send(Input::AttemptProgressed { key, message: "3 of 5 tests written".to_owned() });
    world.end_task("T1", |_| with_turns(error(Kind::OutOfCredits), Some(1)));
    assert_eq!(world.rung("T1").layer, Some(3));
    assert_eq!(session(&world), None, "no other agent reads it");
    let key = world.running("T1").unwrap();
    assert_eq!(
        world.spawned[&key].note.clone().unwrap(),
        "\
Attempt 2 (opencode, layer 2, openrouter/minimax-m2.1:free) was cut short: out_of_credits: the provider said out_of_credits
- process: exit code 1
- completion: it left no completion
- its progress: 3 of 5 tests written
- its last words: I wrote src/lib.rs and go on with its tests
- before it: Attempt 1 (opencode, layer 1, opencode/big-pickle): rate_limited
What it did so far is in the workspace: look at it first and go on from there."
    );
}
