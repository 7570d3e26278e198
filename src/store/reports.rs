//! Agents' reports, in the embedded shared state and, where there is one, in a Redis.
//!
//! What is under such a key is an agent's, and is handed on as the text it is: whether it is a report, and of
//! which attempt, is not decided here.

use std::borrow::Cow;

use crate::masking::Masker;
use crate::model::completion::Completion;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::record::TaskReport;
use crate::model::run::RunSpec;
use crate::schema::SchemaKind;

use super::shared::embedded::Embedded;
use super::{Mirror, ReportWake, SharedReport, SharedState as _, Store, StoreError, door, keys};

impl Store {
    /// Puts an agent's report under the key of its task, in the embedded store.
    pub fn put_report(&mut self, spec: &RunSpec, report: &TaskReport) -> Result<(), StoreError> {
        let text = text_of(&self.masker, report)?;
        let key = keys::report(spec, &report.task_id);
        self.write(|connection| Embedded::new(connection).put(&key, &text, &spec.run_id))
    }

    /// The text under the report key of a task, in the embedded store.
    pub fn report_text(&self, spec: &RunSpec, task: &TaskId) -> Result<Option<String>, StoreError> {
        self.read(|connection| Embedded::new(connection).get(&keys::report(spec, task)))
    }

    /// Takes away what is under the report key of an attempt that begins, and has a Redis looked at for
    /// its report from here on. Never waits for the Redis.
    pub fn begin_report(&mut self, spec: &RunSpec, key: &AttemptKey) -> Result<(), StoreError> {
        // Most attempts find nothing, and a look costs less than a write.
        if self.report_text(spec, &key.task)?.is_some() {
            let name = keys::report(spec, &key.task);
            self.write(|connection| Embedded::new(connection).delete(&name).map(drop))?;
        }
        if let Some(mirror) = &mut self.mirror {
            mirror.begin_report(spec, key);
        }
        Ok(())
    }

    /// Asks for a last look into the Redis for the report of an attempt that has ended. True: the
    /// answer comes with [`Store::shared_reports`]; false: there is no Redis, or it does not answer.
    pub fn last_report(&self, key: &AttemptKey) -> bool {
        self.mirror.as_ref().is_some_and(|mirror| mirror.last_report(key))
    }

    /// Waits no longer for the answer to [`Store::last_report`].
    pub fn give_up_report(&self, key: &AttemptKey) {
        if let Some(mirror) = &self.mirror {
            mirror.give_up_report(key);
        }
    }

    /// What was found in the Redis since the last call.
    pub fn shared_reports(&self) -> Vec<SharedReport> {
        self.mirror.as_ref().map(Mirror::found_reports).unwrap_or_default()
    }

    /// Has `wake` called, from another thread, whenever [`Store::shared_reports`] has something.
    pub fn on_shared_reports(&self, wake: ReportWake) {
        if let Some(mirror) = &self.mirror {
            mirror.on_reports(wake);
        }
    }

    /// A completion as a file has it, without what this store knows to be secret.
    pub fn masked_completion(&self, completion: &Completion) -> Result<String, StoreError> {
        door::document(&self.masker, SchemaKind::Completion, || "a completion".to_owned(), completion)
    }

    /// A text without what this store knows to be secret.
    pub fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.masker.mask(text)
    }
}

/// A report as it is put under its key: what is shaped like a secret is masked, and it follows its
/// schema.
///
/// # Errors
/// [`StoreError::Invalid`] if it does not.
pub fn report_text(report: &TaskReport) -> Result<String, StoreError> {
    text_of(&Masker::default(), report)
}

fn text_of(masker: &Masker, report: &TaskReport) -> Result<String, StoreError> {
    door::document(
        masker,
        SchemaKind::TaskReport,
        || format!("the report of task `{}`", report.task_id),
        report,
    )
}
