//! What other runs of the project know of the providers of this one: who is to be left alone, and what
//! is used.
//!
//! The embedded state is looked at with each heartbeat, and before a turn when somebody else wrote there. What
//! a Redis knows is brought there by a thread of the store's, which is asked with each heartbeat. A run does not
//! hear its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::Engine;
use crate::model::cooldown::Cooldown;
use crate::model::ledger::{day_of, month_of};
use crate::model::money::Money;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::scheduler::Input;
use crate::store::ProviderState;

/// What was heard of the providers of a run.
#[derive(Debug)]
pub(super) struct Hearing {
    providers: BTreeSet<String>,
    /// From when on this process supervises the run.
    began: Timestamp,
    /// The mark of the store at the last look.
    mark: u64,
    cooldowns: BTreeMap<String, Cooldown>,
    /// Month, day, money and tokens that were told last.
    used: BTreeMap<String, (String, String, Money, u64)>,
}

impl Hearing {
    /// Nothing heard yet of the providers of the layers of `spec`.
    pub(super) fn new(spec: &RunSpec, began: Timestamp) -> Self {
        let providers = spec.layers.iter().map(|layer| layer.provider.clone()).collect();
        Self { providers, began, mark: 0, cooldowns: BTreeMap::new(), used: BTreeMap::new() }
    }

    /// What is new in `state`, which is what is known at `now`.
    fn hear(&mut self, spec: &RunSpec, state: ProviderState, now: Timestamp, inputs: &mut Vec<Input>) {
        let ProviderState { cooldown, ledger } = state;
        if let Some(cooldown) = cooldown
            && cooldown.run_id != spec.run_id
            && self.cooldowns.get(&ledger.provider) != Some(&cooldown)
        {
            self.cooldowns.insert(ledger.provider.clone(), cooldown.clone());
            inputs.push(Input::ProviderRests {
                provider: ledger.provider.clone(),
                until: cooldown.until_for(self.began),
                trigger: cooldown.trigger,
                evidence: format!("run {} saw: {}", cooldown.run_id, cooldown.evidence),
            });
        }
        let (month, day) = (month_of(now), day_of(now));
        let heard = (month.clone(), day.clone(), ledger.used(), ledger.tokens_on(&day));
        let nothing = heard.2.is_zero() && heard.3 == 0 && !self.used.contains_key(&ledger.provider);
        if nothing || self.used.get(&ledger.provider) == Some(&heard) {
            return;
        }
        let (used, tokens) = (heard.2, heard.3);
        self.used.insert(ledger.provider.clone(), heard);
        inputs.push(Input::ProviderUsed { provider: ledger.provider, month, used, day, tokens });
    }
}

impl Engine {
    /// What is new of the providers since the last look.
    pub(super) fn hear_of_providers(&mut self) -> anyhow::Result<Vec<Input>> {
        let mut inputs = Vec::new();
        if self.hearing.providers.is_empty() {
            return Ok(inputs);
        }
        let now = self.parts.clock.wall();
        self.hearing.mark = self.parts.store.others_mark();
        let states = self.parts.store.providers(&self.parts.spec.prefix, &self.hearing.providers, now)?;
        for state in states {
            self.hearing.hear(&self.parts.spec, state, now, &mut inputs);
        }
        Ok(inputs)
    }

    /// The same where somebody else wrote to the store since.
    pub(super) fn hear_if_written(&mut self) -> anyhow::Result<Vec<Input>> {
        if self.hearing.providers.is_empty() || self.parts.store.others_mark() == self.hearing.mark {
            return Ok(Vec::new());
        }
        self.hear_of_providers()
    }

    /// The same, and has a Redis looked at for the next time.
    pub(super) fn look_for_providers(&mut self) -> anyhow::Result<Vec<Input>> {
        self.parts.store.look_for_providers(&self.hearing.providers, self.parts.clock.wall());
        self.hear_of_providers()
    }

    /// The answers to requests for money that took a while.
    pub(super) fn reservations(&self) -> Vec<Input> {
        let answers = self.parts.store.reservations().into_iter();
        answers.map(|(key, answer)| Input::Reserved { key, answer }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cooldown::CooldownVersion;
    use crate::model::failure::FailureKind;
    use crate::model::ids::{AttemptKey, RunId, TaskId};
    use crate::model::ledger::MonthLedger;

    fn state(cooldown: Option<Cooldown>, dollars: f64) -> ProviderState {
        let mut ledger = MonthLedger::new("kilo", "1970-01");
        if dollars > 0.0 {
            let key = AttemptKey::new(TaskId::new("T1"), 1);
            ledger.settle(&RunId("R2".to_owned()), &key, Money::usd(dollars), "1970-01-01", 70);
        }
        ProviderState { cooldown, ledger }
    }

    fn cooldown(run: &str, off: bool) -> Cooldown {
        Cooldown {
            schema: CooldownVersion::default(),
            provider: "kilo".to_owned(),
            until: Timestamp(9_000),
            off,
            trigger: FailureKind::RateLimited,
            evidence: "429".to_owned(),
            run_id: RunId(run.to_owned()),
            host: "host".to_owned(),
            seen_at: Timestamp(1_000),
        }
    }

    #[test]
    fn a_run_hears_of_others_once_and_never_of_itself() {
        let spec = RunSpec::new(RunId("R1".to_owned()), "shop");
        let mut hearing = Hearing::new(&spec, Timestamp(1_000));
        let now = Timestamp(2_000);
        let mut heard = |state: ProviderState| {
            let mut inputs = Vec::new();
            hearing.hear(&spec, state, now, &mut inputs);
            inputs
        };
        assert_eq!(heard(state(None, 0.0)), []);
        assert_eq!(heard(state(Some(cooldown("R1", false)), 0.0)), []);
        let told = heard(state(Some(cooldown("R2", false)), 0.0));
        let [Input::ProviderRests { until: Some(Timestamp(9_000)), evidence, .. }] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert_eq!(evidence, "run R2 saw: 429");
        assert_eq!(heard(state(Some(cooldown("R2", false)), 0.0)), []);
        let told = heard(state(Some(cooldown("R2", true)), 0.0));
        assert!(matches!(told.as_slice(), [Input::ProviderRests { until: None, .. }]), "{told:?}");
        let told = heard(state(Some(cooldown("R2", true)), 1.5));
        let [Input::ProviderUsed { used, tokens: 70, .. }] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(*used, Money::usd(1.5));
        assert_eq!(heard(state(None, 1.5)), []);
        assert_eq!(heard(state(None, 0.0)).len(), 1, "a new month begins at nothing");
    }
}
