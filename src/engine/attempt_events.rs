//! `events.ndjson` of an attempt: what the journal holds about it, beside its output, for whoever
//! looks into the folder.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;

use anyhow::Context as _;

use crate::engine::folders::RunFolders;
use crate::engine::prepare::write_private_file;
use crate::model::event::{Event, EventBody};
use crate::model::ids::AttemptKey;
use crate::report;

/// Its name.
const NAME: &str = "events.ndjson";

/// Lines of the attempts that are under way. They are written when an attempt ends: the journal has
/// them meanwhile, and a folder that a person looks into afterwards is whole.
#[derive(Debug, Default)]
pub(super) struct AttemptEvents {
    lines: BTreeMap<AttemptKey, String>,
}

impl AttemptEvents {
    /// Takes in an event that was recorded.
    ///
    /// # Errors
    /// If the file of an attempt that ended cannot be written.
    pub(super) fn note(&mut self, event: &Event, folders: &RunFolders) -> anyhow::Result<()> {
        let Some((key, lines)) = self.take_in(event) else { return Ok(()) };
        let folder = folders.attempt(&key.task, key.attempt);
        if !folder.is_dir() {
            // An attempt whose folder could not be made has nowhere to leave anything.
            return Ok(());
        }
        let path = folder.join(NAME);
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        options
            .open(&path)
            .and_then(|mut file| file.write_all(lines.as_bytes()))
            .with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// Takes in an event that another supervisor recorded before it was gone. What the folder of an
    /// attempt that ended lacks of its lines is written.
    ///
    /// # Errors
    /// As [`AttemptEvents::note`].
    pub(super) fn catch_up(&mut self, event: &Event, folders: &RunFolders) -> anyhow::Result<()> {
        let Some((key, lines)) = self.take_in(event) else { return Ok(()) };
        let folder = folders.attempt(&key.task, key.attempt);
        let path = folder.join(NAME);
        let written = std::fs::read(&path).unwrap_or_default();
        let count = |text: &[u8]| text.split(|&byte| byte == b'\n').count();
        if !folder.is_dir() || count(&written) >= count(lines.as_bytes()) {
            return Ok(());
        }
        write_private_file(&path, lines.as_bytes())
    }

    /// Keeps an event of an attempt. If it is the attempt's last, returns the lines of all of them.
    fn take_in(&mut self, event: &Event) -> Option<(AttemptKey, String)> {
        let (task, attempt, ends) = match &event.body {
            EventBody::AttemptStarted { task_id, attempt, .. }
            | EventBody::AttemptProgressed { task_id, attempt, .. }
            | EventBody::ReportRefused { task_id, attempt, .. }
            | EventBody::VerificationStarted { task_id, attempt, .. } => (task_id, *attempt, false),
            EventBody::AttemptEnded { task_id, attempt, .. } => (task_id, *attempt, true),
            EventBody::RunStarted { .. }
            | EventBody::RunResumed { .. }
            | EventBody::WarningRaised { .. }
            | EventBody::StopRequested { .. }
            | EventBody::PlanChanged { .. }
            | EventBody::Replanned { .. }
            | EventBody::GateApproved { .. }
            | EventBody::GateReached { .. }
            | EventBody::ProviderRested { .. }
            | EventBody::BudgetReached { .. }
            | EventBody::LayerTurnedOff { .. }
            | EventBody::RunEnded { .. }
            | EventBody::TaskHeld { .. }
            | EventBody::TaskSkipped { .. }
            | EventBody::TaskBlocked { .. }
            | EventBody::TaskReopened { .. }
            | EventBody::TaskRetrying { .. }
            | EventBody::LayerMoved { .. }
            | EventBody::PaymentDecided { .. }
            | EventBody::SpendReserved { .. }
            | EventBody::SpendSettled { .. }
            | EventBody::TaskSucceeded { .. }
            | EventBody::TaskFailed { .. }
            | EventBody::TaskCancelled { .. }
            | EventBody::BoxTicked { .. } => return None,
        };
        let key = AttemptKey::new(task.clone(), attempt);
        let lines = self.lines.entry(key.clone()).or_default();
        lines.push_str(&report::event_json(event));
        lines.push('\n');
        if !ends {
            return None;
        }
        let lines = self.lines.remove(&key).unwrap_or_default();
        Some((key, lines))
    }
}
