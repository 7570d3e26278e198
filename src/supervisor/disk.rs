//! How much the files of an attempt take, looked at now and then by a thread of its own.
//!
//! What is told is an estimate, made without disturbing anybody: a walk over the attempt's own folders
//! and over the one where others work too, each bounded in files and time. One that is too large to be
//! walked through is not told at all, which accuses nobody. The longer a walk takes, the rarer it is.
//! What an attempt writes elsewhere (the system's folder for temporary files, caches of its tools)
//! is not in it; [`Floor`] watches over the disk as a whole.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use tokio::time::Instant;

use super::Places;
use super::usage::Sizes;

/// Files and folders of one walk, at most.
const ENTRY_LIMIT: usize = 1_000_000;

/// Time of one walk, at most.
const WALK_LIMIT: Duration = Duration::from_secs(20);

/// Before a walk has had so much time it is not asked for.
const WALK_LEAST: Duration = Duration::from_millis(20);

/// Between the end of a walk and the begin of the next one, at least.
const PAUSE: Duration = Duration::from_secs(1);

/// The share of a disk's time that walks may take: one part in so many.
const SHARE: u32 = 20;

/// The walks of one attempt.
pub(super) struct Walks {
    places: Arc<Places>,
    results: mpsc::Receiver<(Sizes, Duration)>,
    sender: mpsc::Sender<(Sizes, Duration)>,
    /// Tells a walk under way that nobody waits for it.
    gone: Arc<AtomicBool>,
    base: Option<Sizes>,
    last: Option<Sizes>,
    /// When the walk under way has begun.
    walking: Option<Instant>,
    next: Instant,
}

impl Drop for Walks {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

impl Walks {
    /// Begins with a look at what was there before.
    pub(super) fn begin(places: Places, now: Instant) -> Self {
        let (sender, results) = mpsc::channel();
        let mut walks = Self {
            places: Arc::new(places),
            results,
            sender,
            gone: Arc::default(),
            base: None,
            last: None,
            walking: None,
            next: now,
        };
        walks.step(now);
        walks
    }

    /// Takes in a walk that has ended and begins the next one where it is time. Answers with what there was
    /// at first and what there is now.
    pub(super) fn step(&mut self, now: Instant) -> Option<(Sizes, Sizes)> {
        if let Ok((sizes, took)) = self.results.try_recv() {
            self.walking = None;
            self.next = now + took.saturating_mul(SHARE).max(PAUSE);
            self.base.get_or_insert(sizes);
            self.last = Some(sizes);
        }
        if self.walking.is_none() && now >= self.next {
            self.walking = Some(now);
            let (places, sender, gone) =
                (Arc::clone(&self.places), self.sender.clone(), Arc::clone(&self.gone));
            tokio::task::spawn_blocking(move || {
                let begun = Instant::now();
                let sizes = look_at(&places, begun, &gone);
                // An attempt that has ended does not listen.
                sender.send((sizes, begun.elapsed())).ok();
            });
        }
        self.base.zip(self.last)
    }

    /// When a step is worth while next: soon after a walk has begun, and the rarer the longer it takes.
    pub(super) fn next_step(&self, now: Instant) -> Instant {
        match self.walking {
            Some(begun) => now + now.saturating_duration_since(begun).max(WALK_LEAST),
            None => self.next,
        }
    }
}

fn look_at(places: &Places, begun: Instant, gone: &AtomicBool) -> Sizes {
    let mut walk = Walk {
        begun,
        gone,
        entries: 0,
        #[cfg(unix)]
        linked: BTreeSet::new(),
    };
    let own = places.own.iter().filter_map(|folder| walk.size(folder, &[])).sum();
    let shared = places.shared.as_deref().and_then(|folder| walk.size(folder, &places.own));
    Sizes { own, shared }
}

struct Walk<'a> {
    begun: Instant,
    gone: &'a AtomicBool,
    entries: usize,
    /// Files that have several names, by what the system calls them.
    #[cfg(unix)]
    linked: BTreeSet<(u64, u64)>,
}

impl Walk<'_> {
    /// Bytes that everything below `folder` takes, but for some folders. Links are not followed. None: it
    /// is too much to be looked through.
    fn size(&mut self, folder: &Path, but: &[PathBuf]) -> Option<u64> {
        let mut open = vec![folder.to_owned()];
        let mut total: u64 = 0;
        while let Some(folder) = open.pop() {
            if self.begun.elapsed() > WALK_LIMIT || self.gone.load(Ordering::Relaxed) {
                return None;
            }
            // What is gone meanwhile, or may not be read, takes nothing.
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                self.entries += 1;
                if self.entries > ENTRY_LIMIT {
                    return None;
                }
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    let path = entry.path();
                    if !but.contains(&path) {
                        open.push(path);
                    }
                } else if metadata.is_file() && self.is_first(&metadata) {
                    total = total.saturating_add(taken(&metadata));
                }
            }
        }
        Some(total)
    }

    #[cfg(unix)]
    fn is_first(&mut self, metadata: &std::fs::Metadata) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        metadata.nlink() < 2 || self.linked.insert((metadata.dev(), metadata.ino()))
    }

    /// A file with several names is counted for each: which it is, is not told with its size.
    #[cfg(windows)]
    #[expect(clippy::unused_self, reason = "the Unix twin remembers what it has seen")]
    fn is_first(&mut self, _metadata: &std::fs::Metadata) -> bool {
        true
    }
}

/// What a file takes, which is less than its length where it has holes.
#[cfg(unix)]
fn taken(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.blocks().saturating_mul(512)
}

#[cfg(windows)]
fn taken(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}

/// Bytes that whoever is ended for a full disk has written, at least: an attempt that writes a few
/// files did not fill it.
const WRITER_LEAST: u64 = 16 * 1024 * 1024;

/// Who has written how much, of all attempts that have to leave something on the disk. One at a time is
/// ended for it: the one that wrote the most, and while it is ending, nobody else.
#[derive(Debug, Default)]
pub(super) struct Floor {
    written: Mutex<BTreeMap<String, u64>>,
}

impl Floor {
    fn written(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what an attempt has written, and answers whether it is the one to be ended.
    pub(super) fn wrote_most(&self, mark: &str, bytes: u64) -> bool {
        let mut written = self.written();
        written.insert(mark.to_owned(), bytes);
        // Of two that wrote the same it is one.
        let most = written.iter().max_by_key(|(_, bytes)| **bytes);
        bytes >= WRITER_LEAST && most.is_some_and(|(most, _)| most == mark)
    }

    /// Forgets one that has ended.
    pub(super) fn forget(&self, mark: &str) {
        self.written().remove(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    fn walk(places: &Places) -> Sizes {
        look_at(places, Instant::now(), &AtomicBool::new(false))
    }

    #[test]
    fn a_walk_counts_each_file_once_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        let shared = folder.path().join("shared");
        // One of the attempt's own folders may lie in the one where others work too.
        let inner = shared.join("a/runs");
        for (path, size) in [("own/x/file", 64), ("shared/a/file", 128), ("shared/a/runs/log", 32)] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![7; size * 1024]).unwrap();
        }
        #[cfg(unix)]
        {
            std::fs::hard_link(shared.join("a/file"), shared.join("again")).unwrap();
            std::os::unix::fs::symlink("/", shared.join("root")).unwrap();
        }
        let places = Places { own: vec![own, inner, folder.path().join("none")], shared: Some(shared) };
        let sizes = walk(&places);
        let near = |found: u64, size: u64| (size * KIB..(size + 16) * KIB).contains(&found);
        assert!(near(sizes.own, 96), "{sizes:?}");
        assert!(sizes.shared.is_some_and(|shared| near(shared, 128)), "{sizes:?}");
        assert_eq!(look_at(&places, Instant::now(), &AtomicBool::new(true)), Sizes::default());
    }

    #[test]
    fn one_at_a_time_is_ended_for_a_full_disk() {
        let floor = Floor::default();
        assert!(!floor.wrote_most("a", WRITER_LEAST - 1), "that little fills no disk");
        assert!(floor.wrote_most("a", 2 * WRITER_LEAST));
        assert!(floor.wrote_most("b", 3 * WRITER_LEAST));
        assert!(!floor.wrote_most("a", 2 * WRITER_LEAST));
        floor.forget("b");
        assert!(floor.wrote_most("a", 2 * WRITER_LEAST));
    }
}
