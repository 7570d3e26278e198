//! The rungs that a task may use, and which of them is to be had at the moment.
//!
//! A ladder is made of data alone (the plan's wishes, a person's word, the hierarchy, what is
//! installed, what may be paid), so `check` and `models` show the same rungs that a run uses. What
//! changes during a run (rests, layers that are off, money spent) is the [`Sky`] above it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::agent::AdapterKind;
use crate::model::failure::{Failure, FailureKind};
use crate::model::layer::{Cost, Layer, Rung};
use crate::model::money::Money;
use crate::model::run::RunSpec;
use crate::model::task::TaskSpec;
use crate::model::time::{Span, Timestamp};
use crate::model::view::{Rest, TaskView};

use super::money::{Budget, bound, least};
use super::names::same_model;
use super::payment::{Terms, is_to_wait};

/// What a person chose for a task with `retry`; it goes before the plan's wishes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Choice {
    /// The agent.
    pub agent: Option<String>,
    /// The layer at which it starts.
    pub layer: Option<u8>,
}

impl Choice {
    /// What was chosen for the task of `view`.
    pub fn of(view: &TaskView) -> Self {
        Self { agent: view.chosen_agent.clone(), layer: view.chosen_layer }
    }
}

/// What makes the ladder of one task differ from that of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pins {
    agent: Option<String>,
    model: Option<String>,
    layer: Option<u8>,
    choice: Choice,
}

impl Pins {
    pub(super) fn of(task: &TaskSpec, choice: Choice) -> Self {
        Self { agent: task.agent.clone(), model: task.model.clone(), layer: task.layer, choice }
    }
}

/// One rung with what a decision about it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where an attempt would run.
    pub rung: Rung,
    /// Whether it costs money.
    pub paid: bool,
    /// What has to be left of the run's budget for it.
    pub least: Money,
    /// The model's context in tokens, where known.
    pub context: Option<u64>,
}

/// The rungs of a task, lowest first, and what is not among them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ladder {
    /// The rungs it may use: allowed, installed, and free or approved.
    pub steps: Vec<Step>,
    /// Allowed rungs whose agent is not installed.
    pub missing: Vec<Rung>,
    /// Allowed and installed rungs that cost money, which was not approved.
    pub unpaid: Vec<Rung>,
    /// Why there is none at all.
    pub refusal: Option<Failure>,
}

/// The rungs that `task` may use in `spec`, lowest first: allowed by the plan and by `choice`,
/// installed, and free or approved.
pub fn rungs(task: &TaskSpec, choice: &Choice, spec: &RunSpec) -> Vec<Rung> {
    Ladder::of(task, choice, spec).steps.into_iter().map(|step| step.rung).collect()
}

impl Ladder {
    /// The ladder of `task`.
    pub fn of(task: &TaskSpec, choice: &Choice, spec: &RunSpec) -> Self {
        Self::by_pins(&Pins::of(task, choice.clone()), spec)
    }

    pub(super) fn by_pins(pins: &Pins, spec: &RunSpec) -> Self {
        // A person who names an agent does not want the model that the plan named for another one.
        let agent = pins.choice.agent.as_deref().or(pins.agent.as_deref());
        let model = if pins.choice.agent.is_some() { None } else { pins.model.as_deref() };
        if let Some(name) = agent
            && spec.layers.iter().all(|layer| layer.agent != name)
        {
            return Self::outside(name, model, spec);
        }
        let lowest = pins.choice.layer.or(pins.layer.max(spec.settings.layer));
        let mut allowed = allowed(spec, agent, model, lowest);
        if allowed.is_empty() && pins.choice.layer.is_some() && pins.choice.agent.is_none() {
            // The layer that a person chose has another model or agent than the plan: the person's
            // word is the later one.
            allowed = self::allowed(spec, None, None, lowest);
        }
        if allowed.is_empty() {
            return Self { refusal: Some(refusal(agent, model, lowest, spec)), ..Self::default() };
        }
        let mut ladder = Self::default();
        for layer in allowed {
            let rung = Rung {
                layer: Some(layer.layer),
                agent: layer.agent.clone(),
                model: Some(layer.model.clone()),
                provider: Some(layer.provider.clone()),
            };
            let paid = layer.cost == Cost::Paid;
            if !is_installed(&layer.agent, spec) {
                ladder.missing.push(rung);
            } else if paid && spec.settings.allow_paid.is_none() {
                ladder.unpaid.push(rung);
            } else {
                let least = if paid { least(bound(layer)) } else { Money::ZERO };
                ladder.steps.push(Step { rung, paid, least, context: layer.context });
            }
        }
        if ladder.steps.is_empty() {
            ladder.refusal = Some(if ladder.unpaid.is_empty() {
                not_installed(ladder.missing.iter().map(|rung| rung.agent.as_str()))
            } else {
                not_paid(&ladder.unpaid)
            });
        }
        ladder
    }

    /// The ladder of an agent that is in no layer: one rung, or none.
    fn outside(agent: &str, model: Option<&str>, spec: &RunSpec) -> Self {
        let rung =
            Rung { layer: None, agent: agent.to_owned(), model: model.map(str::to_owned), provider: None };
        if is_installed(agent, spec) {
            let free = spec.agents.get(agent).is_some_and(|known| known.kind == AdapterKind::Command);
            Self {
                steps: vec![Step { rung, paid: !free, least: Money::ZERO, context: None }],
                ..Self::default()
            }
        } else {
            Self { missing: vec![rung], refusal: Some(not_installed([agent])), ..Self::default() }
        }
    }

    /// The step of `rung`'s layer.
    pub(super) fn step(&self, rung: &Rung) -> Option<&Step> {
        self.steps.iter().find(|step| step.rung.layer == rung.layer && step.rung.agent == rung.agent)
    }
}

fn allowed<'a>(
    spec: &'a RunSpec,
    agent: Option<&str>,
    model: Option<&str>,
    lowest: Option<u8>,
) -> Vec<&'a Layer> {
    let mut layers: Vec<&Layer> = spec
        .layers
        .iter()
        .filter(|layer| agent.is_none_or(|name| layer.agent == name))
        .filter(|layer| model.is_none_or(|name| same_model(&layer.model, name)))
        .filter(|layer| lowest.is_none_or(|lowest| layer.layer >= lowest))
        .filter(|layer| spec.settings.max_layer.is_none_or(|highest| layer.layer <= highest))
        .collect();
    layers.sort_by_key(|layer| layer.layer);
    layers
}

fn is_installed(agent: &str, spec: &RunSpec) -> bool {
    spec.agents.get(agent).is_some_and(crate::model::agent::AgentSpec::is_installed)
}

fn refusal(agent: Option<&str>, model: Option<&str>, lowest: Option<u8>, spec: &RunSpec) -> Failure {
    let mut wishes = Vec::new();
    if let Some(agent) = agent {
        wishes.push(format!("agent `{agent}`"));
    }
    if let Some(model) = model {
        wishes.push(format!("model `{model}`"));
    }
    if let Some(lowest) = lowest {
        wishes.push(format!("number {lowest} or above"));
    }
    if let Some(highest) = spec.settings.max_layer {
        wishes.push(format!("number {highest} or below"));
    }
    let wishes = if wishes.is_empty() { "anything".to_owned() } else { wishes.join(", ") };
    Failure::new(FailureKind::NoLayerLeft, format!("no layer has {wishes}"))
}

fn not_installed<'a>(agents: impl IntoIterator<Item = &'a str>) -> Failure {
    let names: BTreeSet<String> = agents.into_iter().map(|name| format!("`{name}`")).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    let names: Vec<String> = names.into_iter().collect();
    Failure::new(FailureKind::AgentNotFound, format!("{} {verb} not installed", names.join(", ")))
}

fn not_paid(unpaid: &[Rung]) -> Failure {
    let layers: Vec<String> = unpaid.iter().filter_map(|rung| rung.layer).map(|n| n.to_string()).collect();
    let noun = if layers.len() == 1 { "layer" } else { "layers" };
    Failure::new(
        FailureKind::PaymentNotApproved,
        format!("only paid {noun} {} left, and paid use was not approved", layers.join(", ")),
    )
}

/// What changes over a run and says which rungs are to be had.
#[derive(Debug, Clone, Copy)]
pub struct Sky<'a> {
    /// The providers that are left alone.
    pub rests: &'a BTreeMap<String, Rest>,
    /// The layers that are off, and what showed it.
    pub off: &'a BTreeMap<u8, FailureKind>,
    /// How the run's budget stands; none: it has none.
    pub budget: Option<Budget>,
    /// What a decision to wait or to pay is made by.
    pub terms: Terms<'a>,
    /// How long to wait for a provider at most.
    pub max_wait: Span,
    /// The time.
    pub now: Timestamp,
}

/// Whether a rung is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// At once.
    Ready,
    /// From then on.
    Rests(Timestamp),
    /// Its provider is back and takes one start after another, the next one then.
    Paced(Timestamp),
    /// Not in this run.
    Off,
}

impl Sky<'_> {
    /// Whether `step` is to be had.
    pub fn standing(&self, step: &Step) -> Standing {
        let rung = &step.rung;
        if rung.layer.is_some_and(|layer| self.off.contains_key(&layer)) || !self.affords(step) {
            return Standing::Off;
        }
        match rung.provider.as_ref().and_then(|provider| self.rests.get(provider)) {
            Some(Rest { until: None, .. }) => Standing::Off,
            Some(Rest { until: Some(until), .. }) if *until > self.now => Standing::Rests(*until),
            Some(_) | None => Standing::Ready,
        }
    }

    /// Whether enough of the run's budget is left for `step`.
    fn affords(&self, step: &Step) -> bool {
        let enough = |budget: Budget| budget.left() >= step.least && !budget.left().is_zero();
        !step.paid || self.budget.is_none_or(enough)
    }

    /// Whether waiting until then is waiting too long.
    pub(super) fn too_long(&self, until: Timestamp) -> bool {
        until > self.now + self.max_wait.0
    }
}

/// Where a task that has not run yet would start.
#[derive(Debug, Clone, PartialEq)]
pub enum Pick<'a> {
    /// Here, at once.
    Now(&'a Step),
    /// Nowhere before then.
    At(Timestamp),
    /// Nowhere before then, when a provider takes its next start.
    Paced(Timestamp),
    /// Nowhere.
    Never(Failure),
}

/// Where a task with this ladder starts: at the lowest rung that is to be had, and at a paid one only
/// where no free one is to be waited for.
pub fn pick<'a>(ladder: &'a Ladder, sky: &Sky<'_>) -> Pick<'a> {
    if let Some(failure) = &ladder.refusal {
        return Pick::Never(failure.clone());
    }
    let (mut back, mut paced): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    let earlier = |known: Option<Timestamp>, at| Some(known.map_or(at, |known| known.min(at)));
    for step in &ladder.steps {
        match sky.standing(step) {
            Standing::Ready if !step.paid || !is_to_wait(ladder.steps.iter(), sky) => return Pick::Now(step),
            Standing::Rests(until) => back = earlier(back, until),
            Standing::Paced(at) => paced = earlier(paced, at),
            Standing::Ready | Standing::Off => {}
        }
    }
    match (back, paced) {
        // It is back for certain, so it is waited for however little may be waited.
        (None, Some(at)) => Pick::Paced(at),
        (Some(until), Some(at)) if at <= until || sky.too_long(until) => Pick::Paced(at),
        (Some(until), _) if !sky.too_long(until) => Pick::At(until),
        (Some(_) | None, _) => Pick::Never(none_left(ladder, sky)),
    }
}

/// Why no rung is to be had, or none soon enough.
pub(super) fn none_left(ladder: &Ladder, sky: &Sky<'_>) -> Failure {
    if let Some(failure) = &ladder.refusal {
        return failure.clone();
    }
    let resting = ladder.steps.iter().any(|step| matches!(sky.standing(step), Standing::Rests(_)));
    if !resting {
        let gone = |step: &Step| {
            let layer = step.rung.layer.and_then(|layer| sky.off.get(&layer));
            layer == Some(&FailureKind::AgentNotFound)
        };
        if ladder.unpaid.is_empty() && ladder.steps.iter().all(gone) {
            return not_installed(ladder.steps.iter().map(|step| step.rung.agent.as_str()));
        }
        if let Some(budget) = sky.budget
            && ladder.steps.iter().any(|step| !sky.affords(step))
        {
            return Failure::new(FailureKind::BudgetExhausted, budget.to_string());
        }
        if !ladder.unpaid.is_empty() {
            return not_paid(&ladder.unpaid);
        }
    }
    let no_money = |step: &Step| {
        let rest = step.rung.provider.as_ref().and_then(|provider| sky.rests.get(provider));
        rest.is_some_and(|rest| rest.trigger == FailureKind::BudgetExhausted)
    };
    let kind = if ladder.steps.iter().any(no_money) && ladder.steps.iter().all(|step| step.paid) {
        FailureKind::BudgetExhausted
    } else {
        FailureKind::NoLayerLeft
    };
    let reasons: Vec<String> = ladder.steps.iter().map(|step| reason(step, sky)).collect();
    let waited = if resting { format!(" within {}", sky.max_wait) } else { String::new() };
    Failure::new(kind, format!("none is to be had{waited}: {}", reasons.join("; ")))
}

fn reason(step: &Step, sky: &Sky<'_>) -> String {
    let place = step.rung.layer.map_or_else(|| step.rung.agent.clone(), |layer| format!("layer {layer}"));
    if let Some(kind) = step.rung.layer.and_then(|layer| sky.off.get(&layer)) {
        return format!("{place} is off ({kind})");
    }
    let provider = step.rung.provider.as_deref().unwrap_or("its provider");
    match step.rung.provider.as_ref().and_then(|provider| sky.rests.get(provider)) {
        Some(Rest { until: None, trigger, .. }) => format!("{place}: {provider} is off ({trigger})"),
        Some(Rest { until: Some(until), trigger, .. }) => {
            format!("{place}: {provider} rests until {until} ({trigger})")
        }
        None => format!("{place}: the budget is spent"),
    }
}
