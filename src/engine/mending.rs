//! What a supervisor that was ended left half done in the folders of its attempts, done before its
//! run goes on: every attempt that ended has its completion and the lines of its events.
//!
//! The journal is ahead of the folders by what one turn of the loop writes after its records; a loss
//! of power may take more of the files than of the journal. Whatever an agent wrote is left alone.

use anyhow::Context as _;

use crate::engine::Engine;
use crate::engine::ending::{has_completion, write_completion};
use crate::model::event::EventBody;
use crate::model::ids::AttemptKey;

impl Engine {
    /// Brings the folders of the attempts up to what the journal says.
    ///
    /// # Errors
    /// If the journal cannot be read, or a file not be written.
    pub(super) fn mend_folders(&mut self) -> anyhow::Result<()> {
        let parts = &self.parts;
        let run = &parts.spec.run_id;
        for event in parts.store.events(run, 0).context("cannot read what happened before")? {
            self.attempt_events.catch_up(&event, &parts.folders)?;
            if let EventBody::AttemptEnded { task_id, attempt, .. } = &event.body {
                let key = AttemptKey::new(task_id.clone(), *attempt);
                if !has_completion(&parts.spec, &parts.folders, &key) {
                    write_completion(&parts.spec, &parts.folders, &event.body)?;
                }
            }
        }
        Ok(())
    }
}
