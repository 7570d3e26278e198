//! Tells when somebody asked or reported something: the file `wake` in the run's folder changed.
//!
//! Requests themselves stand in the shared state; the file only says that it is worth a look, so
//! that nothing has to be polled. A slow look behind it covers file systems that tell nothing.

use std::path::Path;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use super::folders::RunFolders;

/// Watches for requests to a run.
#[derive(Debug)]
pub struct WakeWatch {
    // Kept for its drop: it ends the watching.
    _watcher: Option<RecommendedWatcher>,
    changes: mpsc::Receiver<()>,
    // Kept so that the channel stays open where there is no watcher.
    _sender: mpsc::Sender<()>,
}

impl WakeWatch {
    /// Begins to watch. Where the system cannot watch, the slow look alone has to do.
    pub fn begin(folders: &RunFolders) -> Self {
        // One place suffices: a second change while the first is not yet looked at adds nothing.
        let (sender, changes) = mpsc::channel(1);
        let wake = folders.wake();
        let tell = sender.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Ok(event) = event
                && !event.kind.is_access()
                && event.paths.iter().any(|path| path == &wake)
            {
                // A full channel means that a look is due anyhow.
                tell.try_send(()).ok();
            }
        });
        let watcher = watcher.and_then(|mut watcher| {
            watcher.watch(folders.run(), RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let watcher = match watcher {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(%error, folder = %folders.run().display(), "requests are looked for every few seconds only");
                None
            }
        };
        Self { _watcher: watcher, changes, _sender: sender }
    }

    /// Waits for the next change.
    pub async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Tells a run's supervisor to look: touches its `wake` file.
pub fn wake(file: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).open(file)?;
    file.write_all(b"look\n")
}
