//! For `check`: which variables of the caller's environment agents do not get to see.

use std::collections::{BTreeMap, BTreeSet};

use crate::agents::environment::{child_environment, provider_key};
use crate::cli::settings::Settings;
use crate::engine::prepare::holds_secret;
use crate::model::task::{Entry, TaskKind, TaskSpec};

/// The block of lines that says it; empty where nothing is withheld.
pub(super) fn block(withheld: &BTreeMap<String, Vec<String>>) -> String {
    if withheld.is_empty() {
        return String::new();
    }
    let width = withheld.keys().map(String::len).max().unwrap_or(0);
    let mut block = "\nnot passed on  (`[agents.NAME] pass_env` names what may be)\n".to_owned();
    for (agent, names) in withheld {
        block = block + "  " + &format!("{agent:<width$}  {}", names.join(", ")) + "\n";
    }
    block
}

/// For each agent that these tasks may use, what none of its attempts gets; `secrets` no child gets.
pub(super) fn withheld(
    caller: &BTreeMap<String, String>,
    secrets: &[String],
    settings: &Settings,
    tasks: &[TaskSpec],
) -> BTreeMap<String, Vec<String>> {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for task in tasks {
        match (&task.entry, task.kind, &task.agent) {
            (Entry::Skip { .. }, _, _) | (_, TaskKind::Gate, _) => {}
            (Entry::Run | Entry::Hold { .. }, TaskKind::Task | TaskKind::Checkpoint, Some(agent)) => {
                used.insert(agent);
            }
            (Entry::Run | Entry::Hold { .. }, TaskKind::Task | TaskKind::Checkpoint, None) => {
                used.extend(settings.layers.iter().map(|layer| layer.agent.as_str()));
            }
        }
    }
    let mut found = BTreeMap::new();
    for (name, agent) in settings.agents.iter().filter(|(name, _)| used.contains(name.as_str())) {
        let removed = |provider| -> BTreeSet<String> {
            let key = provider_key(agent, provider, &settings.providers);
            let child = child_environment(caller, agent, key);
            let secret = child.variables.iter().filter(|(name, value)| holds_secret(name, value, secrets));
            child.removed.into_iter().chain(secret.map(|(name, _)| name.clone())).collect()
        };
        let layers = settings.layers.iter().filter(|layer| layer.agent == *name);
        let names = layers
            .map(|layer| removed(Some(layer.provider.as_str())))
            .reduce(|all, more| all.intersection(&more).cloned().collect())
            .unwrap_or_else(|| removed(None));
        if !names.is_empty() {
            found.insert(name.clone(), names.into_iter().collect());
        }
    }
    found
}
