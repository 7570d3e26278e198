//! Which model answered, what that means for the attempt, and who is charged.

use std::collections::BTreeMap;

use crate::model::event::EventBody;
use crate::model::failure::FailureKind as Kind;
use crate::model::layer::Cost;
use crate::model::outcome::AttemptFacts;
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;

use super::builder::{good, layer, spec, task};
use super::world::World;

/// Two free layers of `kilo`, a free and a paid one of `opencode`.
fn run() -> RunSpec {
    let mut run = spec(vec![task("T1")]);
    run.layers = vec![
        layer(1, "kilo", "kilo/z-ai/glm-4.7", "kilo"),
        layer(2, "kilo", "kilo/minimax-m2.1:free", "kilo"),
        layer(3, "opencode", "opencode/big-pickle", "opencode"),
        layer(4, "opencode", "openai/o3", "openai"),
    ];
    run.layers[3].cost = Cost::Paid;
    run
}

/// A run whose first attempt was answered by this model, for this money.
fn answered(run: RunSpec, model: &str, usd: Option<f64>) -> World {
    let mut world = World::start(run);
    world.end_task("T1", |key| {
        let mut facts: AttemptFacts = good(key);
        facts.reading.model_answered = Some(model.to_owned());
        facts.reading.cost_usd = usd;
        facts
    });
    world
}

#[test]
fn another_model_is_named_with_the_layer_that_has_it() {
    for (model, seen) in [
        (
            "o3-2025-04-16",
            "asked kilo/z-ai/glm-4.7 (layer 1 at kilo), answered o3-2025-04-16 (layer 4 at openai)",
        ),
        ("glm-4.6", "asked kilo/z-ai/glm-4.7 (layer 1 at kilo), answered glm-4.6, which no layer has"),
    ] {
        let world = answered(run(), model, None);
        let attempt = &world.task("T1").attempts[0];
        let failure = attempt.failure().unwrap();
        assert_eq!((failure.kind, failure.seen.as_str()), (Kind::HierarchyViolation, seen));
        assert_eq!(world.rung("T1").layer, Some(2), "it goes on elsewhere");
    }
}

#[test]
fn an_alias_is_the_model_that_is_meant() {
    let mut run = run();
    run.models.aliases = BTreeMap::from([("glm-4.7".to_owned(), vec!["zhipu-large".to_owned()])]);
    assert_eq!(answered(run.clone(), "zhipu-large", None).status("T1"), TaskStatus::Succeeded);
    assert_eq!(answered(run, "GLM 4.7", None).status("T1"), TaskStatus::Succeeded);
}

#[test]
fn who_answered_is_charged() {
    let world = answered(run(), "openai/o3", Some(0.25));
    let booked = world.events(|body| {
        let EventBody::SpendSettled { provider, model, layer, amount_usd, .. } = body else { return None };
        Some((provider.clone(), model.clone(), *layer, amount_usd.as_usd()))
    });
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(booked, [(text("openai"), text("openai/o3"), Some(4), 0.25)]);
}

#[test]
fn money_at_a_free_layer_is_told_and_not_judged() {
    let world = answered(run(), "glm-4.7", Some(0.02));
    assert_eq!(world.status("T1"), TaskStatus::Succeeded);
    let notes = &world.task("T1").attempts[0].verdict.as_ref().unwrap().notes;
    assert_eq!(notes, &["layer 1 is free, and the agent tells of 0.02 USD spent"]);
    let world = answered(run(), "glm-4.7", Some(0.0));
    assert!(world.task("T1").attempts[0].verdict.as_ref().unwrap().notes.is_empty());
}
