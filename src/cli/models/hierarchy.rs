//! What does not fit together in the hierarchy itself, and in what plans ask of it.
//!
//! Pure: a run as it would be started goes in, with the agents that were found, and remarks come out.

use std::collections::{BTreeMap, BTreeSet};

use crate::cli::settings::near_model;
use crate::diagnostics::{Diagnostic, Place, suggest};
use crate::model::agent::AgentSpec;
use crate::model::failure::FailureKind;
use crate::model::layer::{Cost, Layer};
use crate::model::run::RunSpec;
use crate::model::task::{Entry, TaskSpec};
use crate::report::text::join;
use crate::scheduler::bans::ban_of;
use crate::scheduler::ladder::{Choice, Ladder};
use crate::scheduler::names::{Names, same_model};
use crate::scheduler::wishes::rung_of;

/// Everything about the layers, names and money of `spec`. What means nothing in its configuration is
/// told where that is read.
pub(super) fn of_layers(spec: &RunSpec) -> Vec<Diagnostic> {
    let mut found = left_out(spec);
    let paid = || spec.layers.iter().filter(|layer| layer.cost == Cost::Paid);
    if spec.settings.allow_paid.is_some() {
        found.extend(paid().flat_map(|layer| of_paid(layer, spec)));
    } else if paid().next().is_some() {
        let (noun, numbers, verb) = layers(paid());
        let message = format!("{noun} {numbers} {verb} never used: paid use is not approved");
        let hint = "`--allow-paid --reason TEXT`, or `approve_paid` and `reason` in `[models]`";
        found.push(note("payment-not-approved", message).hint(hint));
    }
    found.extend(banned(spec));
    found.extend(twice(&spec.layers));
    found.extend(of_aliases(spec));
    let names = Names::of(&spec.models);
    let usable = |layer: &Layer| {
        let banned = ban_of(&spec.models.deny, &rung_of(layer), layer.cost, &names).is_some();
        let paid = layer.cost == Cost::Paid && spec.settings.allow_paid.is_none();
        !banned && !paid && spec.agents.get(&layer.agent).is_some_and(AgentSpec::is_installed)
    };
    if !spec.layers.is_empty() && !spec.layers.iter().any(usable) {
        found.push(Diagnostic::error("no-layer", Place::WHOLE, "no layer can be used here"));
    }
    found
}

fn warning(code: &'static str, message: String) -> Diagnostic {
    Diagnostic::warning(code, Place::WHOLE, message)
}

fn note(code: &'static str, message: String) -> Diagnostic {
    Diagnostic::note(code, Place::WHOLE, message)
}

/// `layer`, `2`, `is`, or `layers`, `2, 5 and 6`, `are`.
fn layers<'a>(of: impl Iterator<Item = &'a Layer>) -> (&'static str, String, &'static str) {
    let numbers: Vec<String> = of.map(|layer| layer.layer.to_string()).collect();
    let (noun, verb) = if numbers.len() == 1 { ("layer", "is") } else { ("layers", "are") };
    (noun, join(&numbers, "and"), verb)
}

/// The layers whose agent is not installed, an agent a line.
fn left_out(spec: &RunSpec) -> Vec<Diagnostic> {
    let missing = |agent: &str| !spec.agents.get(agent).is_some_and(AgentSpec::is_installed);
    let agents: BTreeSet<&str> =
        spec.layers.iter().map(|layer| layer.agent.as_str()).filter(|agent| missing(agent)).collect();
    let one = |agent: &str| {
        let (noun, numbers, verb) = layers(spec.layers.iter().filter(|layer| layer.agent == agent));
        let message = format!("{noun} {numbers} {verb} left out: `{agent}` is not installed");
        warning("agent-missing", message).hint("`orchestrate doctor` says how to get it")
    };
    agents.into_iter().map(one).collect()
}

/// The layers that a ban keeps from being used.
fn banned(spec: &RunSpec) -> Vec<Diagnostic> {
    let names = Names::of(&spec.models);
    let one = |layer: &Layer| {
        let ban = ban_of(&spec.models.deny, &rung_of(layer), layer.cost, &names)?;
        Some(note("banned", format!("layer {} is never used: `deny` has `{}`", layer.layer, ban.text)))
    };
    spec.layers.iter().filter_map(one).collect()
}

fn of_paid(layer: &Layer, spec: &RunSpec) -> Vec<Diagnostic> {
    let number = layer.layer;
    let mut found = Vec::new();
    let month = spec.providers.get(&layer.provider).and_then(|known| known.budget_usd_per_month);
    if month.is_none() && spec.settings.budget_usd.is_none() {
        let message = format!("layer {number} may cost as much as its attempts need: no budget limits it");
        let hint = format!("`budget_usd_per_month` in `[providers.{}]`, or `--budget USD`", layer.provider);
        found.push(warning("no-budget", message).hint(hint));
    }
    if layer.price.is_none() {
        let message = format!(
            "layer {number} has no price: an attempt whose agent does not tell its cost is charged {}",
            layer.bound()
        );
        found.push(
            note("no-price", message).hint("`price = { input = …, output = … }` in USD a million tokens"),
        );
    }
    found
}

fn twice(layers: &[Layer]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (place, layer) in layers.iter().enumerate() {
        let same = |other: &&Layer| {
            other.agent == layer.agent
                && other.provider == layer.provider
                && same_model(&other.model, &layer.model)
        };
        if let Some(other) = layers[..place].iter().find(same) {
            let message = format!(
                "layers {} and {} are the same model through the same agent",
                other.layer, layer.layer
            );
            found.push(warning("same-layer", message).hint("a move from one to the other changes nothing"));
        }
    }
    found
}

fn near<'a>(diagnostic: Diagnostic, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    let known: Vec<&str> = known.collect();
    match suggest(name, known.iter().copied()).or_else(|| near_model(name, known.iter().copied())) {
        Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

fn models(spec: &RunSpec) -> impl Iterator<Item = &str> {
    spec.layers.iter().map(|layer| layer.model.as_str())
}

fn of_aliases(spec: &RunSpec) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut meant: BTreeMap<&str, &str> = BTreeMap::new();
    for (model, others) in &spec.models.aliases {
        if !models(spec).any(|known| same_model(known, model)) {
            let message = format!("`aliases` names `{model}`, which is in no layer");
            found.push(near(warning("unknown-model", message), model, models(spec)));
        }
        for other in others {
            if let Some(before) = meant.insert(other, model)
                && !same_model(before, model)
            {
                let message = format!("`{other}` means both `{before}` and `{model}`");
                found.push(Diagnostic::error("two-meanings", Place::WHOLE, message));
            }
        }
    }
    found
}

/// Where the tasks of a plan ask for what the hierarchy does not give.
pub(super) fn of_tasks(spec: &RunSpec) -> Vec<Diagnostic> {
    let asks = |task: &&TaskSpec| task.agent.is_some() || task.model.is_some() || task.layer.is_some();
    let open = spec.tasks.iter().filter(|task| !matches!(task.entry, Entry::Skip { .. }));
    open.filter(asks).filter_map(|task| of_task(task, spec)).collect()
}

fn of_task(task: &TaskSpec, spec: &RunSpec) -> Option<Diagnostic> {
    let ladder = Ladder::of(task, &Choice::default(), spec);
    let refusal = ladder.refusal?;
    let place = Place::line(task.line);
    let message = format!("{}: {}", task.id, refusal.seen);
    let remark = if refusal.kind == FailureKind::AgentNotFound {
        Diagnostic::warning("agent-missing", place, message).hint("`orchestrate doctor` says how to get it")
    } else if refusal.kind == FailureKind::PaymentNotApproved {
        Diagnostic::warning("payment-not-approved", place, message).hint("`--allow-paid --reason TEXT`")
    } else {
        Diagnostic::error("no-layer", place, message)
    };
    let names = Names::of(&spec.models);
    Some(match &task.model {
        Some(model) if !models(spec).any(|known| names.same(known, model)) => {
            near(remark, model, models(spec))
        }
        Some(_) | None => remark,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{RunId, TaskId};
    use crate::model::layer::default_layers;
    use crate::model::time::Timestamp;

    fn spec() -> RunSpec {
        let agent = |name: &str| AgentSpec {
            name: name.to_owned(),
            found: Some(std::path::PathBuf::from(name)),
            ..AgentSpec::default()
        };
        RunSpec {
            created_at: Timestamp(0),
            layers: default_layers(),
            agents: ["gemini", "opencode", "kilo", "cline"]
                .map(|name| (name.to_owned(), agent(name)))
                .into_iter()
                .collect(),
            ..RunSpec::new(RunId("01R".to_owned()), "p")
        }
    }

    fn told(found: &[Diagnostic]) -> Vec<String> {
        let line = |one: &Diagnostic| {
            let hints = one.hints.iter().fold(String::new(), |all, hint| all + " (" + hint + ")");
            format!("{}: {}{hints}", one.code, one.message)
        };
        found.iter().map(line).collect()
    }

    #[test]
    fn the_built_in_hierarchy_has_only_notes_of_what_is_not_approved() {
        let found = of_layers(&spec());
        assert!(found.iter().all(|one| one.code == "payment-not-approved"), "{found:?}");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_told_with_what_was_meant() {
        let mut run = spec();
        run.agents.get_mut("gemini").unwrap().found = None;
        run.settings.allow_paid = Some("a test".to_owned());
        run.models.aliases.insert("glm-5".to_owned(), vec!["x".to_owned()]);
        run.models.aliases.insert("openai/o3".to_owned(), vec!["x".to_owned()]);
        let mut again = run.layers[1].clone();
        again.layer = 8;
        run.layers.push(again);
        let told = told(&of_layers(&run));
        for expected in [
            "agent-missing: layer 1 is left out: `gemini` is not installed",
            "no-budget: layer 6 may cost",
            "no-price: layer 6 has no price: an attempt whose agent does not tell its cost is charged 1.00 USD",
            "same-layer: layers 2 and 8",
            "unknown-model: `aliases` names `glm-5`",
            "two-meanings: `x` means both",
        ] {
            assert!(told.iter().any(|line| line.starts_with(expected)), "{expected}: {told:#?}");
        }
    }

    #[test]
    fn tasks_that_ask_for_what_is_not_there_are_told_at_their_line() {
        let mut run = spec();
        let task = |id: &str, line, model: Option<&str>, agent: Option<&str>| TaskSpec {
            line,
            model: model.map(str::to_owned),
            agent: agent.map(str::to_owned),
            ..TaskSpec::new(TaskId::new(id), "do it")
        };
        run.tasks = vec![
            task("T1", 3, Some("kilo/z-ai/glm-4.8"), None),
            task("T2", 4, Some("openai/o3"), None),
            task("T3", 5, Some("glm-4.7"), Some("kilo")),
            task("T4", 6, Some("glm-4.7"), Some("cline")),
        ];
        let found = of_tasks(&run);
        let lines: Vec<(u32, &str)> = found.iter().map(|one| (one.place.line, one.code)).collect();
        assert_eq!(lines, [(3, "no-layer"), (4, "payment-not-approved"), (6, "no-layer")]);
        assert_eq!(found[0].hints, ["did you mean `kilo/z-ai/glm-4.7`?"]);
    }
}
