//! Rules about models and providers: both files together, and what of it can mean nothing.
//!
//! A name that nobody can have meant (an agent that is not known) is a mistake. One that only fits no
//! layer is told and left: a user's file serves projects with other layers.

use std::collections::BTreeMap;

use super::choices::{overlay, unknown_agent};
use super::merge::Merge;
use super::origin::Origin;
use crate::cli::config::Config;
use crate::diagnostics::suggest;
use crate::model::agent::{AdapterKind, AgentSpec};
use crate::model::hierarchy::{Ban, ModelRules};
use crate::model::layer::Layer;
use crate::model::run::ProviderSpec;
use crate::scheduler::bans::ban_of;
use crate::scheduler::names::{Names, normal_model};
use crate::scheduler::wishes::rung_of;

/// What the paid layers of the built-in hierarchy may cost in a month, in USD: who names no layers
/// has not named an amount either.
const BUILT_IN_BUDGETS: [(&str, f64); 2] = [("openai", 20.0), ("groq", 20.0)];

/// The rules of both files together; the bans of both hold.
pub(super) fn models(
    merge: &mut Merge<'_>,
    layers: &[Layer],
    agents: &BTreeMap<String, AgentSpec>,
) -> ModelRules {
    let files = merge.files();
    let mut deny: Vec<Ban> = Vec::new();
    for ban in files.iter().flat_map(|(config, _)| &config.models.deny) {
        if !deny.contains(ban) {
            deny.push(ban.clone());
        }
    }
    let rules = ModelRules {
        policy: files.iter().find_map(|(config, _)| config.models.policy).unwrap_or_default(),
        aliases: overlay(merge.sources(), |config| config.models.aliases.clone()),
        deny,
        fallbacks: overlay(merge.sources(), |config| config.models.fallbacks.clone()),
    };
    let names = Names::of(&rules);
    for (config, is_project) in files {
        look_at_bans(merge, config, is_project, layers, agents, &names);
        look_at_stand_ins(merge, config, is_project, layers, agents, &names);
    }
    rules
}

fn look_at_bans(
    merge: &mut Merge<'_>,
    config: &Config,
    is_project: bool,
    layers: &[Layer],
    agents: &BTreeMap<String, AgentSpec>,
    names: &Names,
) {
    let origin = Origin::of(config, is_project, "models.deny");
    for ban in &config.models.deny {
        let text = &ban.text;
        if let Some(agent) = ban.agent.as_deref().filter(|agent| !is_agent(agent, layers, agents)) {
            let known: Vec<&str> = agents.keys().map(String::as_str).collect();
            let (message, hints) = unknown_agent(agent, &known);
            merge.problem_of(origin.clone(), format!("`{text}`: {message}"), hints);
            continue;
        }
        let bans = std::slice::from_ref(ban);
        let bans_a_layer =
            layers.iter().any(|layer| ban_of(bans, &rung_of(layer), layer.cost, names).is_some());
        let is_outside =
            ban.agent.as_ref().is_some_and(|agent| layers.iter().all(|layer| layer.agent != *agent));
        if !bans_a_layer && !is_outside {
            let providers = layers.iter().map(|layer| layer.provider.as_str());
            let models = layers.iter().map(|layer| layer.model.as_str());
            let near = match (&ban.provider, &ban.model) {
                (Some(provider), _) => suggest(provider, providers),
                (None, Some(model)) => near_model(model, models),
                (None, None) => None,
            };
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            merge.warning("ban-of-nothing", format!("{origin}: no layer is banned by `{text}`"), hint);
        }
    }
}

fn look_at_stand_ins(
    merge: &mut Merge<'_>,
    config: &Config,
    is_project: bool,
    layers: &[Layer],
    agents: &BTreeMap<String, AgentSpec>,
    names: &Names,
) {
    let models = || layers.iter().map(|layer| layer.model.as_str());
    for (key, others) in &config.models.fallbacks {
        let origin = Origin::of(config, is_project, &format!("models.fallbacks.{key}"));
        if is_agent(key, layers, agents) {
            for name in others {
                let known: Vec<&str> = agents.keys().map(String::as_str).collect();
                if !is_agent(name, layers, agents) {
                    let (message, hints) = unknown_agent(name, &known);
                    merge.problem_of(origin.clone(), message, hints);
                }
                let runs_commands =
                    |name: &str| agents.get(name).is_some_and(|agent| agent.kind == AdapterKind::Command);
                if runs_commands(name) || runs_commands(key) {
                    merge.problem_of(
                        origin.clone(),
                        format!("`{name}` cannot stand in for `{key}`: one runs commands, the other prompts"),
                        Vec::new(),
                    );
                }
            }
            continue;
        }
        for name in std::iter::once(key).chain(others) {
            if models().any(|model| names.same(model, name)) {
                continue;
            }
            let what = if name == key { "no agent, and no model" } else { "no model" };
            let agents = agents.keys().map(String::as_str).filter(|_| name == key);
            let near = near_model(name, models()).or_else(|| suggest(name, agents));
            merge.warning(
                "stand-in-unknown",
                format!("{origin}: `{name}` is {what} of a layer"),
                near.map(|near| format!("did you mean `{near}`?")),
            );
        }
    }
}

fn is_agent(name: &str, layers: &[Layer], agents: &BTreeMap<String, AgentSpec>) -> bool {
    agents.contains_key(name) || layers.iter().any(|layer| layer.agent == name)
}

/// The one of `models` that `wanted`, which is none of them, was probably meant to be: the way before
/// the name and its punctuation do not count. It is a question for a person, never an answer.
pub(in crate::cli) fn near_model<'a>(wanted: &str, models: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |name: &str| normal_model(name).rsplit('/').next().unwrap_or_default().to_owned();
    let known: Vec<(String, &str)> = models.map(|model| (last(model), model)).collect();
    let near = suggest(&last(wanted), known.iter().map(|(name, _)| name.as_str()))?;
    known.iter().find(|(name, _)| name == near).map(|(_, model)| *model)
}

/// The providers of both files; with the built-in layers, what a month of their paid ones may cost.
pub(super) fn providers(merge: &mut Merge<'_>, layers: &[Layer]) -> BTreeMap<String, ProviderSpec> {
    let mut providers = overlay(merge.sources(), |config| config.providers.clone());
    if merge.origin("layers") == Origin::Default {
        for (name, usd) in BUILT_IN_BUDGETS {
            let budget = &mut providers.entry(name.to_owned()).or_default().budget_usd_per_month;
            *budget = budget.or(Some(usd));
        }
    }
    let known = || layers.iter().map(|layer| layer.provider.as_str());
    for (config, is_project) in merge.files() {
        for name in config.providers.keys().filter(|name| known().all(|known| known != *name)) {
            let origin = Origin::of(config, is_project, &format!("providers.{name}"));
            let hint = match suggest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    let mut names: Vec<&str> = known().collect();
                    names.sort_unstable();
                    names.dedup();
                    format!("providers of layers: {}", names.join(", "))
                }
            };
            merge.warning(
                "provider-unused",
                format!("{origin}: no layer uses provider `{name}`"),
                Some(hint),
            );
        }
    }
    providers
}
