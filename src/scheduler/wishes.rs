//! The rungs that answer to what a task asks for, in the order in which they are tried.
//!
//! A task that asks for nothing has all layers, lowest first. One that asks for an agent has that
//! agent's layers and then, in the order a person gave, those of the agents that stand in for it; for
//! a model likewise, within each agent. What stands in may have something that stands in for it; each
//! is asked once, so circles do no harm. This module looks neither at what is installed nor at what
//! may be paid or is banned.

use crate::model::layer::{Layer, Rung};
use crate::model::run::RunSpec;

use super::names::Names;

/// What a task, its plan and a person ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes<'a> {
    /// The agent.
    pub agent: Option<&'a str>,
    /// The model.
    pub model: Option<&'a str>,
    /// The lowest layer.
    pub lowest: Option<u8>,
}

/// The rungs that answer to `wishes`, each with its layer; an agent that is in no layer is a rung of
/// its own.
pub(super) fn candidates<'a>(
    wishes: &Wishes<'_>,
    spec: &'a RunSpec,
    names: &Names,
) -> Vec<(Rung, Option<&'a Layer>)> {
    let agents = wishes.agent.map(|agent| agents_for(agent, spec));
    let models = wishes.model.map(|model| models_for(model, spec, names));
    let mut layers: Vec<&Layer> = spec
        .layers
        .iter()
        .filter(|layer| wishes.lowest.is_none_or(|lowest| layer.layer >= lowest))
        .filter(|layer| spec.settings.max_layer.is_none_or(|highest| layer.layer <= highest))
        .collect();
    layers.sort_by_key(|layer| layer.layer);
    let Some(agents) = agents else {
        return of_models(&layers, models.as_deref(), names);
    };
    let mut found = Vec::new();
    for agent in agents {
        if spec.layers.iter().any(|layer| layer.agent == agent) {
            let own: Vec<&Layer> = layers.iter().copied().filter(|layer| layer.agent == agent).collect();
            found.extend(of_models(&own, models.as_deref(), names));
        } else {
            let model = wishes.model.map(str::to_owned);
            found.push((Rung { layer: None, agent, model, provider: None }, None));
        }
    }
    found
}

/// Those of `layers` that have one of `models`, in the order of the models.
fn of_models<'a>(
    layers: &[&'a Layer],
    models: Option<&[String]>,
    names: &Names,
) -> Vec<(Rung, Option<&'a Layer>)> {
    let mut found: Vec<(Rung, Option<&Layer>)> = Vec::new();
    let mut add = |layer: &'a Layer| {
        if found.iter().all(|(rung, _)| rung.layer != Some(layer.layer)) {
            found.push((rung_of(layer), Some(layer)));
        }
    };
    match models {
        None => layers.iter().copied().for_each(add),
        Some(models) => {
            for model in models {
                layers.iter().copied().filter(|layer| names.same(&layer.model, model)).for_each(&mut add);
            }
        }
    }
    found
}

/// The rung of a layer.
pub fn rung_of(layer: &Layer) -> Rung {
    Rung {
        layer: Some(layer.layer),
        agent: layer.agent.clone(),
        model: Some(layer.model.clone()),
        provider: Some(layer.provider.clone()),
    }
}

/// The agent and those that stand in for it, nearest first. An entry that names no agent is about a
/// model.
fn agents_for(agent: &str, spec: &RunSpec) -> Vec<String> {
    let known = |name: &String| {
        spec.agents.contains_key(name) || spec.layers.iter().any(|layer| layer.agent == *name)
    };
    with_stand_ins(agent, |name| {
        spec.models.fallbacks.get(name).into_iter().flatten().filter(|name| known(name)).cloned().collect()
    })
}

/// The model and those that stand in for it, nearest first.
fn models_for(model: &str, spec: &RunSpec, names: &Names) -> Vec<String> {
    let entries = || spec.models.fallbacks.iter().filter(|(key, _)| !spec.agents.contains_key(*key));
    with_stand_ins(model, |name| {
        entries().filter(|(key, _)| names.same(key, name)).flat_map(|(_, models)| models.clone()).collect()
    })
}

fn with_stand_ins(first: &str, stand_ins: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut order = vec![first.to_owned()];
    let mut at = 0;
    while let Some(name) = order.get(at) {
        for other in stand_ins(name) {
            if !order.contains(&other) {
                order.push(other);
            }
        }
        at += 1;
    }
    order
}
