//! Waits until a run changes, without polling: the system tells when the journal is written, and a
//! thread when an event comes into a stream.

use std::path::Path;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Watches the state folder for writes to the journal, or a stream for events.
pub struct Watch {
    // Kept for its drop: it ends the watching.
    _watcher: Option<RecommendedWatcher>,
    changes: mpsc::Receiver<()>,
}

impl Watch {
    /// Begins to watch. Where the system cannot watch, [`Watch::changed`] waits its whole time.
    pub fn begin(state_dir: &Path) -> Self {
        // One place suffices: further changes before the look add nothing.
        let (sender, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let journal = |path: &std::path::PathBuf| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("orchestrate.db"))
            };
            // Reading the journal touches its shared-memory file: only writes count.
            if let Ok(event) = event
                && !event.kind.is_access()
                && event.paths.iter().any(journal)
            {
                // A full channel means that a look is due anyhow.
                sender.try_send(()).ok();
            }
        });
        let watcher = watcher
            .and_then(|mut watcher| {
                watcher.watch(state_dir, RecursiveMode::NonRecursive)?;
                Ok(watcher)
            })
            .inspect_err(|error| tracing::debug!(%error, "the journal is looked at every second"))
            .ok();
        Self { _watcher: watcher, changes }
    }

    /// Begins to watch a stream: `begin` is given what is to be called from time to time, which says
    /// whether somebody still listens, with whether something is new.
    pub fn stream<E>(
        begin: impl FnOnce(Box<dyn FnMut(bool) -> bool + Send>) -> Result<(), E>,
    ) -> Result<Self, E> {
        let (sender, changes) = mpsc::channel(1);
        begin(Box::new(move |new| {
            if new {
                // A full channel means that a look is due anyhow.
                sender.try_send(()).ok();
            }
            !sender.is_closed()
        }))?;
        Ok(Self { _watcher: None, changes })
    }

    /// Waits for the next change, or for `at_most`.
    pub async fn changed(&mut self, at_most: Duration) {
        let change = async {
            if self.changes.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        };
        // Either way it is time for a look.
        drop(tokio::time::timeout(at_most, change).await);
    }
}
