//! One file watcher for all attempts. It only wakes them: what it says is never believed, and an
//! attempt looks by itself every few seconds, since some file systems say nothing.
//!
//! Folders are watched, not files, because a completion is renamed into place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// Who is to be woken, by the file that is waited for.
type Waiting = Arc<Mutex<BTreeMap<PathBuf, Arc<Notify>>>>;

/// The watcher; it costs nothing until the first watch.
#[derive(Default)]
pub(super) struct Watcher {
    waiting: Waiting,
    system: Mutex<System>,
}

#[derive(Default)]
enum System {
    #[default]
    Unused,
    Ready(RecommendedWatcher),
    /// It was said once that it does not work; looking every few seconds has to do.
    Broken,
}

/// A watch on one file; it ends when this is dropped.
pub(super) struct Watch<'a> {
    watcher: &'a Watcher,
    path: PathBuf,
    wake: Arc<Notify>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    /// Watches the folder in which `path` is or will be. None: it cannot be watched.
    pub(super) fn watch(&self, path: &Path) -> Option<Watch<'_>> {
        let folder = path.parent()?;
        let wake = Arc::new(Notify::new());
        lock(&self.waiting).insert(path.to_owned(), Arc::clone(&wake));
        let watch = Watch { watcher: self, path: path.to_owned(), wake };
        let mut system = lock(&self.system);
        if matches!(*system, System::Unused) {
            *system = self.begin();
        }
        match &mut *system {
            System::Unused | System::Broken => return None,
            System::Ready(watcher) => {
                if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                    tracing::warn!(folder = %folder.display(), %error, "cannot watch, looking at it instead");
                    return None;
                }
            }
        }
        drop(system);
        Some(watch)
    }

    fn begin(&self) -> System {
        let waiting = Arc::clone(&self.waiting);
        let handler = move |event: notify::Result<Event>| {
            let waiting = lock(&waiting);
            match event {
                Ok(event) if !event.need_rescan() => {
                    for path in &event.paths {
                        if let Some(wake) = waiting.get(path) {
                            wake.notify_one();
                        }
                    }
                }
                // Something was missed: everybody looks.
                Ok(_) | Err(_) => waiting.values().for_each(|wake| wake.notify_one()),
            }
        };
        match notify::recommended_watcher(handler) {
            Ok(watcher) => System::Ready(watcher),
            Err(error) => {
                tracing::warn!(%error, "cannot watch files, looking at them instead");
                System::Broken
            }
        }
    }
}

impl Watch<'_> {
    /// Waits until something happens to the file.
    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut waiting = lock(&self.watcher.waiting);
        waiting.remove(&self.path);
        let folder = self.path.parent();
        let shared = waiting.keys().any(|path| path.parent() == folder);
        drop(waiting);
        if let (false, Some(folder), System::Ready(watcher)) =
            (shared, folder, &mut *lock(&self.watcher.system))
        {
            // A folder that is gone is not watched any more; nothing else can go wrong here.
            drop(watcher.unwatch(folder));
        }
    }
}
