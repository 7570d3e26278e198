//! Who looks on while an attempt is at work: what becomes of tests and checks meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::Engine;
use crate::model::agent::AdapterKind;
use crate::model::ids::AttemptKey;
use crate::model::outcome::{CompletionFact, StopReason};
use crate::model::run::RunSpec;
use crate::supervisor::{Ended, Onlooker};
use crate::workspace::Safeguards;
use crate::workspace::safeguards::SafeguardFacts;

/// Looks at the tests and checks around one attempt.
struct Watch {
    safeguards: Arc<Safeguards>,
    spec: Arc<RunSpec>,
    /// Place of the task in the run.
    place: usize,
    key: AttemptKey,
    /// Whether it started before it was looked at: then nothing is known of how it was before.
    is_late: AtomicBool,
}

impl Onlooker for Watch {
    fn before(&self) {
        self.safeguards.begin(&self.spec.tasks[self.place]);
    }

    fn gave_up(&self) {
        self.is_late.store(true, Ordering::SeqCst);
    }

    fn after(&self, ended: &Ended) {
        let is_stopped = ended.outcome.stopped == Some(StopReason::Requested);
        if is_stopped || self.is_late.load(Ordering::SeqCst) {
            // Whether it succeeded is not asked, or what it changed is not known.
            self.safeguards.end_unwatched(&self.key.task);
            return;
        }
        let completion = match &ended.completion {
            CompletionFact::Valid { completion } => Some(completion.as_ref()),
            CompletionFact::Missing | CompletionFact::Invalid { .. } => None,
        };
        self.safeguards.end(&self.key, completion);
    }
}

impl Engine {
    /// Who is to look on while an attempt by `agent` is at work; none: nobody, but that it is at work is
    /// known from here on.
    pub(super) fn onlooker(&self, key: &AttemptKey, agent: &str) -> Option<Arc<dyn Onlooker>> {
        let safeguards = self.parts.workspace.safeguards(&key.task)?;
        if !self.is_watched(agent) {
            safeguards.begin_unwatched(&key.task);
            return None;
        }
        let place = *self.tasks.get(&key.task)?;
        let spec = Arc::clone(&self.parts.spec);
        let is_late = AtomicBool::new(false);
        Some(Arc::new(Watch { safeguards, spec, place, key: key.clone(), is_late }))
    }

    /// What became of tests and checks, once the attempt has ended.
    pub(super) fn safeguard_facts(&self, key: &AttemptKey, ended: &Ended) -> SafeguardFacts {
        let Some(safeguards) = self.parts.workspace.safeguards(&key.task) else {
            return SafeguardFacts::default();
        };
        let view = self.parts.scheduler.view().task(&key.task);
        let agent = view.and_then(|task| task.last_attempt()).map(|attempt| attempt.rung.agent.as_str());
        if !agent.is_some_and(|agent| self.is_watched(agent)) {
            safeguards.end_unwatched(&key.task);
            return SafeguardFacts::default();
        }
        if ended.outcome.stopped == Some(StopReason::Requested) {
            return SafeguardFacts::default();
        }
        safeguards.take(key).unwrap_or_else(|| SafeguardFacts {
            doubts: Vec::new(),
            unseen: Some("looking at them took too long".to_owned()),
        })
    }

    /// A command of the plan does as it was told; what an agent does is its own choice.
    fn is_watched(&self, agent: &str) -> bool {
        self.parts.spec.agents.get(agent).is_some_and(|agent| agent.kind != AdapterKind::Command)
    }
}
