//! How many attempts may run at once: in all, of one agent, by one provider, and by memory.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::layer::Rung;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;

/// What is taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    /// Attempts whose process runs or whose result is being checked.
    busy: u32,
    agents: BTreeMap<String, u32>,
    providers: BTreeMap<String, u32>,
    /// Memory to spare, less what is promised; none: it was never told.
    memory: Option<u64>,
    /// What attempts that started a short while ago will take and may not have taken yet.
    promised: Vec<Promise>,
}

/// Memory for an attempt that is starting.
#[derive(Debug, Clone, Copy)]
struct Promise {
    at: Timestamp,
    place: usize,
    bytes: u64,
}

/// How long an agent may take to come to its size: a slow start of the largest one.
const GROWTH: Duration = Duration::from_secs(30);

impl Slots {
    /// Whether no attempt more may start at all.
    pub(super) fn are_full(&self, spec: &RunSpec) -> bool {
        self.busy >= spec.settings.jobs.max(1)
    }

    /// Whether an attempt may start there.
    pub(super) fn allow(&self, rung: &Rung, spec: &RunSpec) -> bool {
        if self.are_full(spec) {
            return false;
        }
        let agent = spec.agents.get(&rung.agent);
        if let Some(limit) = agent.and_then(|agent| agent.limit)
            && self.agents.get(&rung.agent).copied().unwrap_or(0) >= limit.max(1)
        {
            return false;
        }
        if let Some(provider) = &rung.provider
            && let Some(limit) = spec.providers.get(provider).and_then(|known| known.limit)
            && self.providers.get(provider).copied().unwrap_or(0) >= limit.max(1)
        {
            return false;
        }
        // One always may: a machine that is short of memory works slowly, not never.
        self.busy == 0
            || match (self.memory, agent.and_then(|agent| agent.memory)) {
                (Some(available), Some(needed)) => needed <= available,
                (None, _) | (_, None) => true,
            }
    }

    /// The attempt of the task at `place` starts.
    pub(super) fn start(&mut self, place: usize, rung: &Rung, spec: &RunSpec, now: Timestamp) {
        self.busy += 1;
        *self.agents.entry(rung.agent.clone()).or_insert(0) += 1;
        if let Some(provider) = &rung.provider {
            *self.providers.entry(provider.clone()).or_insert(0) += 1;
        }
        if let Some(bytes) = spec.agents.get(&rung.agent).and_then(|agent| agent.memory) {
            self.promised.push(Promise { at: now, place, bytes });
            self.memory = self.memory.map(|available| available.saturating_sub(bytes));
        }
    }

    /// The process has ended: agent and provider are free, the job is not done.
    pub(super) fn process_ended(&mut self, place: usize, rung: &Rung) {
        self.promised.retain(|promise| promise.place != place);
        release(&mut self.agents, &rung.agent);
        if let Some(provider) = &rung.provider {
            release(&mut self.providers, provider);
        }
    }

    /// The job is done.
    pub(super) fn done(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// What the machine has to spare at `now`. What is promised to attempts that are still growing is
    /// not counted as such, though they may have some of it already.
    pub(super) fn tell_memory(&mut self, available: u64, now: Timestamp) {
        self.promised.retain(|promise| now.since(promise.at) < GROWTH);
        let promised = self.promised.iter().map(|promise| promise.bytes).fold(0, u64::saturating_add);
        self.memory = Some(available.saturating_sub(promised));
    }
}

fn release(counts: &mut BTreeMap<String, u32>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(name);
        }
    }
}
