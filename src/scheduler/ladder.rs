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

use super::bans::ban_of;
use super::money::{Budget, least};
use super::names::Names;
use super::pace::Paces;
use super::payment::{Terms, is_to_wait};
use super::wishes::{Wishes, candidates};

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

/// A rung that is never used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Banned {
    /// Which.
    pub rung: Rung,
    /// The ban, as a person wrote it.
    pub ban: String,
}

/// The rungs of a task in the order in which they are tried, and what is not among them.
///
/// That order is the layers' own, lowest first, but where a task asks for an agent or a model: what
/// stands in for it comes after it, whatever its number.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ladder {
    /// The rungs it may use: allowed, installed, and free or approved.
    pub steps: Vec<Step>,
    /// Allowed rungs whose agent is not installed.
    pub missing: Vec<Rung>,
    /// Allowed and installed rungs that cost money, which was not approved.
    pub unpaid: Vec<Rung>,
    /// Rungs that it could use and a ban keeps it from.
    pub banned: Vec<Banned>,
    /// Why there is none at all.
    pub refusal: Option<Failure>,
}

/// The rungs that `task` may use in `spec`, in the order in which they are tried: allowed by the plan,
/// by `choice` and by the bans, installed, and free or approved.
pub fn rungs(task: &TaskSpec, choice: &Choice, spec: &RunSpec) -> Vec<Rung> {
    Ladder::of(task, choice, spec).steps.into_iter().map(|step| step.rung).collect()
}

impl Ladder {
    /// The ladder of `task`.
    pub fn of(task: &TaskSpec, choice: &Choice, spec: &RunSpec) -> Self {
        Self::by_pins(&Pins::of(task, choice.clone()), spec)
    }

    pub(super) fn by_pins(pins: &Pins, spec: &RunSpec) -> Self {
        let names = Names::of(&spec.models);
        // A person who names an agent does not want the model that the plan named for another one.
        let agent = pins.choice.agent.as_deref().or(pins.agent.as_deref());
        let model = if pins.choice.agent.is_some() { None } else { pins.model.as_deref() };
        let lowest = pins.choice.layer.or(pins.layer.max(spec.settings.layer));
        let wishes = Wishes { agent, model, lowest };
        let mut allowed = candidates(&wishes, spec, &names);
        if allowed.is_empty() && pins.choice.layer.is_some() && pins.choice.agent.is_none() {
            // The layer that a person chose has another model or agent than the plan: the person's
            // word is the later one.
            allowed = candidates(&Wishes { agent: None, model: None, lowest }, spec, &names);
        }
        if allowed.is_empty() {
            return Self { refusal: Some(refusal(agent, model, lowest, spec)), ..Self::default() };
        }
        let mut ladder = Self::default();
        for (rung, layer) in allowed {
            ladder.sort_in(rung, layer, spec, &names);
        }
        if ladder.steps.is_empty() {
            ladder.refusal = Some(ladder.why_none());
        }
        ladder
    }

    /// Puts a rung where it belongs: among those to be used, or those that are not, and why.
    fn sort_in(&mut self, rung: Rung, layer: Option<&Layer>, spec: &RunSpec, names: &Names) {
        let paid = match layer {
            Some(layer) => layer.cost == Cost::Paid,
            None => spec.agents.get(&rung.agent).is_none_or(|known| known.kind != AdapterKind::Command),
        };
        let cost = if paid { Cost::Paid } else { Cost::Free };
        if let Some(ban) = ban_of(&spec.models.deny, &rung, cost, names) {
            self.banned.push(Banned { rung, ban: ban.text.clone() });
        } else if !is_installed(&rung.agent, spec) {
            self.missing.push(rung);
        } else if layer.is_some() && paid && spec.settings.allow_paid.is_none() {
            self.unpaid.push(rung);
        } else {
            let least = layer.filter(|_| paid).map_or(Money::ZERO, |layer| least(layer.bound()));
            self.steps.push(Step { rung, paid, least, context: layer.and_then(|layer| layer.context) });
        }
    }

    /// Why it has no rung.
    fn why_none(&self) -> Failure {
        let bans: Vec<String> = self.banned.iter().map(banned_text).collect();
        let mut failure = if !self.unpaid.is_empty() {
            not_paid(&self.unpaid)
        } else if !self.missing.is_empty() {
            not_installed(self.missing.iter().map(|rung| rung.agent.as_str()))
        } else {
            return Failure::new(FailureKind::NoLayerLeft, bans.join("; "));
        };
        if !bans.is_empty() {
            failure.seen = format!("{}; {}", failure.seen, bans.join("; "));
        }
        failure
    }

    /// The step of `rung`'s layer.
    pub(super) fn step(&self, rung: &Rung) -> Option<&Step> {
        self.place(rung).map(|place| &self.steps[place])
    }

    /// Where `rung`'s layer stands among the steps.
    pub(super) fn place(&self, rung: &Rung) -> Option<usize> {
        self.steps.iter().position(|step| step.rung.layer == rung.layer && step.rung.agent == rung.agent)
    }

    /// The steps that come after `rung`, and those that come before it. A rung that is none of the
    /// ladder's stands where its number would.
    pub(super) fn around(&self, rung: &Rung) -> (Vec<&Step>, Vec<&Step>) {
        match self.place(rung) {
            Some(place) => (self.steps[place + 1..].iter().collect(), self.steps[..place].iter().collect()),
            None => self.steps.iter().partition(|step| step.rung.layer > rung.layer),
        }
    }
}

fn banned_text(banned: &Banned) -> String {
    format!("{} is banned by `{}`", place_text(&banned.rung), banned.ban)
}

fn place_text(rung: &Rung) -> String {
    rung.layer.map_or_else(|| format!("`{}`", rung.agent), |layer| format!("layer {layer}"))
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
    /// How fast attempts may start.
    pub(super) paces: &'a Paces,
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
    /// Once attempts under way have ended: what is left of the run's budget is reserved for them.
    Later,
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
            Some(_) | None if step.paid && self.budget.is_some_and(|budget| !budget.allows(step.least)) => {
                Standing::Later
            }
            Some(_) | None => {
                let paced = rung
                    .provider
                    .as_deref()
                    .and_then(|name| self.paces.next(name, self.terms.spec(), self.now));
                paced.map_or(Standing::Ready, Standing::Paced)
            }
        }
    }

    /// Whether enough of the run's budget is not spent for `step`.
    fn affords(&self, step: &Step) -> bool {
        !step.paid || self.budget.is_none_or(|budget| budget.may_allow(step.least))
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
    /// Nowhere before attempts under way have ended.
    Later,
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
    let mut later = false;
    let earlier = |known: Option<Timestamp>, at| Some(known.map_or(at, |known| known.min(at)));
    for step in &ladder.steps {
        match sky.standing(step) {
            Standing::Ready if !step.paid || !is_to_wait(ladder.steps.iter(), sky) => return Pick::Now(step),
            Standing::Rests(until) => back = earlier(back, until),
            Standing::Paced(at) => paced = earlier(paced, at),
            Standing::Later => later = true,
            Standing::Ready | Standing::Off => {}
        }
    }
    match (back, paced) {
        // It is back for certain, so it is waited for however little may be waited.
        (None, Some(at)) => Pick::Paced(at),
        (Some(until), Some(at)) if at <= until || sky.too_long(until) => Pick::Paced(at),
        (Some(until), _) if !sky.too_long(until) => Pick::At(until),
        (Some(_) | None, _) if later => Pick::Later,
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
    let mut reasons: Vec<String> = ladder.steps.iter().map(|step| reason(step, sky)).collect();
    reasons.extend(ladder.banned.iter().map(banned_text));
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
