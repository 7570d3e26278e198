//! What a simulated run came to: a pure fold over its events.

use std::collections::BTreeMap;

use crate::model::event::EventBody;
use crate::model::ids::AttemptKey;
use crate::model::layer::Rung;
use crate::model::money::Money;
use crate::model::reading::Tokens;
use crate::model::simulation::{
    LayerUse, MoneyUse, ProviderMoney, ProviderRests, SimulationDocument, SimulationVersion, TaskLeft,
};
use crate::model::status::{AttemptStatus, TaskStatus};
use crate::model::time::Timestamp;

use super::world::Simulated;

/// Sums up a run that has ended; none: it has not.
pub fn document(simulated: &Simulated<'_>, scenario: Option<&str>, seed: u64) -> Option<SimulationDocument> {
    let Simulated { spec, events, view, finished } = *simulated;
    let (status, exit) = finished?;
    let started_at = events.first().map_or_else(Timestamp::default, |event| event.at);
    let ended_at = events.last().map_or(started_at, |event| event.at);
    let layers = layers(simulated);
    let left =
        view.tasks.iter().filter(|task| !matches!(task.status, TaskStatus::Succeeded | TaskStatus::Skipped));
    Some(SimulationDocument {
        schema: SimulationVersion::V1,
        plan: spec.plan.clone(),
        scenario: scenario.map(str::to_owned),
        seed,
        started_at,
        length_ms: millis(ended_at, started_at),
        status,
        exit_code: exit.code(),
        counts: view.counts.clone(),
        attempts: layers.iter().map(|layer| layer.attempts).sum(),
        rests: rests(simulated, ended_at),
        money: money(simulated),
        left: left
            .map(|task| TaskLeft {
                task_id: task.id.clone(),
                status: task.status,
                failure: task.failure.clone(),
            })
            .collect(),
        layers,
    })
}

fn millis(later: Timestamp, earlier: Timestamp) -> u64 {
    u64::try_from(later.since(earlier).as_millis()).unwrap_or(u64::MAX)
}

fn layers(simulated: &Simulated<'_>) -> Vec<LayerUse> {
    let mut used: BTreeMap<&Rung, LayerUse> = BTreeMap::new();
    for attempt in simulated.view.tasks.iter().flat_map(|task| &task.attempts) {
        let layer = used.entry(&attempt.rung).or_insert_with(|| LayerUse {
            rung: attempt.rung.clone(),
            attempts: 0,
            succeeded: 0,
            time_ms: 0,
            tokens: 0,
            cost_usd: Money::ZERO,
        });
        layer.attempts += 1;
        layer.succeeded += u32::from(attempt.status == AttemptStatus::Succeeded);
        layer.time_ms += attempt.ended_at.map_or(0, |ended| millis(ended, attempt.started_at));
        let tokens = attempt.reading.as_ref().and_then(|reading| reading.tokens);
        layer.tokens += tokens.map_or(0, Tokens::total);
    }
    let mut layers: Vec<LayerUse> = used.into_values().collect();
    for event in simulated.events {
        if let EventBody::SpendSettled { task_id, attempt, amount_usd, .. } = &event.body {
            let ran = simulated
                .view
                .task(task_id)
                .and_then(|task| task.attempts.iter().find(|known| known.attempt == *attempt));
            if let Some(layer) = ran.and_then(|ran| layers.iter_mut().find(|layer| layer.rung == ran.rung)) {
                layer.cost_usd += *amount_usd;
            }
        }
    }
    layers.sort_by(|one, other| {
        // What is outside the hierarchy stands below it.
        (one.rung.layer.is_none(), &one.rung).cmp(&(other.rung.layer.is_none(), &other.rung))
    });
    layers
}

fn rests(simulated: &Simulated<'_>, ended_at: Timestamp) -> Vec<ProviderRests> {
    let mut rests: BTreeMap<&str, (ProviderRests, Timestamp)> = BTreeMap::new();
    for event in simulated.events {
        let EventBody::ProviderRested { provider, until, trigger, .. } = &event.body else { continue };
        let (known, counted) = rests.entry(provider).or_insert_with(|| {
            let provider = provider.clone();
            (ProviderRests { provider, times: 0, rested_ms: 0, off: false, trigger: *trigger }, event.at)
        });
        known.times += 1;
        known.off |= until.is_none();
        known.trigger = *trigger;
        // What two rests have in common counts once.
        let end = until.unwrap_or(ended_at).min(ended_at);
        known.rested_ms += millis(end, event.at.max(*counted));
        *counted = end.max(*counted);
    }
    rests.into_values().map(|(rest, _)| rest).collect()
}

fn money(simulated: &Simulated<'_>) -> MoneyUse {
    let mut reserved: BTreeMap<AttemptKey, Money> = BTreeMap::new();
    let mut providers: BTreeMap<&str, Money> = BTreeMap::new();
    let mut money =
        MoneyUse { budget_usd: simulated.spec.settings.budget_usd.map(Money::usd), ..MoneyUse::default() };
    for event in simulated.events {
        if let EventBody::SpendReserved { task_id, attempt, amount_usd, .. } = &event.body {
            reserved.insert(AttemptKey::new(task_id.clone(), *attempt), *amount_usd);
        }
        if let EventBody::SpendSettled { task_id, attempt, amount_usd, provider, .. } = &event.body {
            reserved.remove(&AttemptKey::new(task_id.clone(), *attempt));
            money.spent_usd += *amount_usd;
            if !amount_usd.is_zero() {
                *providers.entry(provider.as_deref().unwrap_or("unknown")).or_default() += *amount_usd;
            }
        }
        let open: Money = reserved.values().copied().sum();
        money.most_usd = money.most_usd.max(money.spent_usd + open);
    }
    money.providers = providers
        .into_iter()
        .map(|(provider, spent_usd)| ProviderMoney { provider: provider.to_owned(), spent_usd })
        .collect();
    money
}
