//! What a store with a Redis gives single attempts: users of their own, while they run.

use crate::model::ids::AttemptKey;
use crate::model::run::RunSpec;

use super::shared::redis::{Doubt, Grant, Mirror};
use super::{Store, StoreError};

impl Store {
    /// Why the rights of agents in the Redis are no more than advice, as far as the server itself
    /// tells; empty without a Redis. To be asked once the run is taken.
    pub fn doubts(&self) -> &[Doubt] {
        self.mirror.as_ref().map_or(&[], Mirror::doubts)
    }

    /// What is not for the eyes of any agent: the password of the Redis, in all its forms.
    pub fn secrets(&self) -> Vec<String> {
        self.mirror.as_ref().map(|mirror| mirror.address().secrets()).unwrap_or_default()
    }

    /// Gives an attempt that is about to start a user of its own in the Redis, at the cost of one
    /// round trip.
    ///
    /// # Errors
    /// [`StoreError::Redis`]: why there is none where others have theirs. Without a Redis, and where no
    /// attempt gets one (see [`Store::doubts`]), it is just none.
    pub fn grant(&mut self, spec: &RunSpec, key: &AttemptKey) -> Result<Option<Grant>, StoreError> {
        let Some(mirror) = &mut self.mirror else { return Ok(None) };
        let granted = mirror.grant(spec, key).transpose();
        granted.map_err(|trouble| StoreError::Redis { address: mirror.address().to_string(), trouble })
    }

    /// Takes the user of an attempt away. To be called however it ended, and when it was not started.
    pub fn revoke(&mut self, key: &AttemptKey) {
        if let Some(mirror) = &mut self.mirror {
            mirror.revoke(key);
        }
    }
}
