//! What tasks ask for and no layer can give: told before anything runs, with what was probably meant.

use std::collections::BTreeMap;

use super::settings::{Settings, near_model};
use crate::diagnostics::{Diagnostic, Place, suggest};
use crate::model::ids::{RunId, TaskId};
use crate::model::run::RunSpec;
use crate::model::task::{Entry, TaskSpec};
use crate::scheduler::ladder::{Choice, Ladder};
use crate::scheduler::names::Names;

/// What a task may ask for: an agent, a model, a layer.
type Asked = (Option<String>, Option<String>, Option<u8>);

/// A warning for each thing that tasks ask for and that the hierarchy does not have or forbids, at the
/// first task that asks for it. The names of models are compared under the aliases; one that is only
/// near another is told with a question and left as it is.
pub(super) fn not_to_be_had(tasks: &[TaskSpec], settings: &Settings) -> Vec<Diagnostic> {
    let spec = RunSpec {
        settings: settings.run.clone(),
        layers: settings.layers.clone(),
        agents: settings.agents.clone(),
        models: settings.models.clone(),
        ..RunSpec::new(RunId(String::new()), &settings.project)
    };
    let mut first: BTreeMap<Asked, (&TaskSpec, usize)> = BTreeMap::new();
    for task in tasks.iter().filter(|task| !matches!(task.entry, Entry::Skip { .. })) {
        if task.agent.is_some() || task.model.is_some() || task.layer.is_some() {
            let asked = (task.agent.clone(), task.model.clone(), task.layer);
            first.entry(asked).or_insert((task, 0)).1 += 1;
        }
    }
    let mut found: Vec<Diagnostic> =
        first.into_values().filter_map(|(task, count)| of_task(task, count, &spec)).collect();
    found.sort_by_key(|diagnostic| diagnostic.place);
    found
}

fn of_task(task: &TaskSpec, count: usize, spec: &RunSpec) -> Option<Diagnostic> {
    let ladder = Ladder::of(task, &Choice::default(), spec);
    if !ladder.steps.is_empty() || !ladder.missing.is_empty() || !ladder.unpaid.is_empty() {
        return None;
    }
    let refusal = ladder.refusal?;
    let fails = fails(&task.id, count);
    let code = if ladder.banned.is_empty() { "no-such-layer" } else { "banned" };
    let mut diagnostic =
        Diagnostic::warning(code, Place::line(task.line), format!("{}: {fails}", refusal.seen));
    let names = Names::of(&spec.models);
    let models = || spec.layers.iter().map(|layer| layer.model.as_str());
    if let Some(model) = task.model.as_deref().filter(|model| !models().any(|known| names.same(known, model)))
    {
        let aliases = spec.models.aliases.keys().map(String::as_str);
        if let Some(near) = near_model(model, models()).or_else(|| suggest(model, aliases)) {
            diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
        }
        diagnostic = diagnostic.hint(format!(
            "to say which model of a layer that is, add `\"MODEL\" = \"{model}\"` below [models.aliases]"
        ));
    }
    Some(diagnostic)
}

fn fails(id: &TaskId, count: usize) -> String {
    match count {
        0 | 1 => format!("task `{id}` would fail"),
        2 => format!("task `{id}` and 1 other would fail"),
        _ => format!("task `{id}` and {} others would fail", count - 1),
    }
}
