//! Money of attempts: asked of the store, and given back.

use crate::engine::Engine;
use crate::model::ids::AttemptKey;
use crate::model::ledger::{Ask, Reservation};
use crate::scheduler::Input;

impl Engine {
    /// Asks the store for the money of an attempt. What nobody can say is an answer too.
    pub(super) fn reserve(&mut self, ask: Ask) -> Vec<Input> {
        let key = ask.key.clone();
        let now = self.parts.clock.wall();
        let answer = match self.parts.store.reserve(&self.parts.spec, ask, now) {
            Ok(answer) => answer,
            Err(error) => Some(Reservation::Unknown { why: error.to_string() }),
        };
        answer.map(|answer| Input::Reserved { key, answer }).into_iter().collect()
    }

    /// Gives back what was reserved for an attempt that does not start.
    pub(super) fn release(&mut self, key: &AttemptKey, provider: &str, month: &str) {
        let now = self.parts.clock.wall();
        if let Err(error) = self.parts.store.release(&self.parts.spec, key, provider, month, now) {
            // It counts as spent until the run is resumed, which is the safe side.
            tracing::warn!(%key, %error, "what was reserved for it cannot be given back");
        }
    }
}
