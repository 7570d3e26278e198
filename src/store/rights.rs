//! What a store with a Redis gives single attempts: users of their own, while they run.

use crate::model::ids::AttemptKey;
use crate::model::run::RunSpec;

use super::Store;
use super::shared::redis::{Doubt, Grant, Mirror, SharedNews};

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
    /// Why there is none where others have theirs; [`Store::shared_news`] tells it too. Without a Redis,
    /// and where no attempt gets one (see [`Store::doubts`]), it is just none.
    pub fn grant(&mut self, spec: &RunSpec, key: &AttemptKey) -> Result<Option<Grant>, String> {
        let Some(mirror) = &mut self.mirror else { return Ok(None) };
        match mirror.grant(spec, key) {
            None => Ok(None),
            Some(Ok(grant)) => Ok(Some(grant)),
            Some(Err(trouble)) => {
                let told = trouble.to_string();
                let address = mirror.address().to_string();
                self.ungranted.push(SharedNews::Ungranted { address, trouble });
                Err(told)
            }
        }
    }

    /// Takes the user of an attempt away. To be called however it ended, and when it was not started.
    pub fn revoke(&mut self, key: &AttemptKey) {
        if let Some(mirror) = &mut self.mirror {
            mirror.revoke(key);
        }
    }
}
