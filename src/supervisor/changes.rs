//! Whether a file below a folder has changed of late: the last question before a silent attempt is
//! taken for idle.
//!
//! Bounded in entries and in time, so that a checkout of millions of files costs no more than a small
//! one; folders that hold what tools made come last, and those of git, which others refresh by looking, are
//! left out. What is not found within the bounds is not
//! there. Nothing is followed that leads out of the folder.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{DirEntry, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The most entries that are looked at.
const ENTRIES: usize = 50_000;

/// The longest that is looked.
const TIME: Duration = Duration::from_secs(1);

/// Folders that are large and made by tools.
const LAST: [&str; 8] =
    ["node_modules", "target", ".venv", "venv", "vendor", "__pycache__", ".cache", "bower_components"];

/// What the file system at `folder` takes for the time. Its clock is what changes are told by, which on
/// a network is not this machine's.
pub(super) fn time_there(folder: &Path) -> io::Result<SystemTime> {
    let path = folder.join(".looked");
    let time = File::create(&path).and_then(|file| file.metadata()?.modified());
    std::fs::remove_file(&path)?;
    time
}

/// Finds something below `root` that was changed after `since`; not `root` itself, and nothing in
/// `ours`, the folder into which we write.
pub(super) fn changed_since(root: &Path, ours: &Path, since: SystemTime) -> Option<PathBuf> {
    search(root, ours, since, ENTRIES, TIME)
}

fn search(root: &Path, ours: &Path, since: SystemTime, entries: usize, time: Duration) -> Option<PathBuf> {
    let begun = Instant::now();
    let mut left = entries;
    let mut open = VecDeque::from([root.to_owned()]);
    let mut last = VecDeque::new();
    while let Some(folder) = open.pop_front().or_else(|| last.pop_front()) {
        let Ok(content) = std::fs::read_dir(&folder) else { continue };
        for entry in content.flatten() {
            if left == 0 || begun.elapsed() >= time {
                tracing::debug!(root = %root.display(), "too large to look for changed files in all of it");
                return None;
            }
            left -= 1;
            let name = entry.file_name();
            let path = entry.path();
            if name == ".git" || path == ours {
                continue;
            }
            // A folder is new where something came or went in it, which may be ours.
            if !ours.starts_with(&path) && is_newer(&entry, since) {
                return Some(path);
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let queue = if LAST.iter().any(|known| name == *known) { &mut last } else { &mut open };
                queue.push_back(path);
            }
        }
    }
    None
}

/// A link is looked at, not what it leads to.
fn is_newer(entry: &DirEntry, since: SystemTime) -> bool {
    entry.metadata().and_then(|found| found.modified()).is_ok_and(|changed| changed > since)
}

/// How many attempts work in which folder.
pub(super) type Workers = Arc<Mutex<BTreeMap<PathBuf, u32>>>;

/// An attempt's place in a folder; left when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    workers: Workers,
    folder: PathBuf,
}

impl Place {
    /// Takes a place in a folder.
    pub(super) fn take(workers: &Workers, folder: &Path) -> Self {
        let place = Self { workers: Arc::clone(workers), folder: folder.to_owned() };
        place.change(1);
        place
    }

    /// Whether nobody else works in the folder.
    pub(super) fn is_alone(&self) -> bool {
        self.change(0) <= 1
    }

    fn change(&self, by: i8) -> u32 {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = workers.entry(self.folder.clone()).or_default();
        *count = count.saturating_add_signed(i32::from(by));
        let count = *count;
        if count == 0 {
            workers.remove(&self.folder);
        }
        count
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.change(-1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes files in a folder, the last of them newer than the time that is given back.
    fn folder(files: &[&str]) -> (tempfile::TempDir, SystemTime) {
        let folder = tempfile::tempdir().unwrap();
        let since = time_there(folder.path()).unwrap();
        let set = |path: &Path, time| {
            let file = if path.is_dir() { File::open(path) } else { File::options().write(true).open(path) };
            file.unwrap().set_modified(time).unwrap();
        };
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        for (number, file) in files.iter().enumerate() {
            let path = folder.path().join(file);
            let newest = number + 1 == files.len();
            let old = since - Duration::from_mins(1);
            set(&path, if newest { since + Duration::from_mins(1) } else { old });
            if cfg!(unix) {
                path.ancestors()
                    .skip(1)
                    .take_while(|path| *path != folder.path())
                    .for_each(|path| set(path, old));
            }
        }
        (folder, since)
    }

    #[cfg(unix)]
    fn search_all(files: &[&str]) -> Option<String> {
        let (folder, since) = folder(files);
        let found = search(folder.path(), Path::new("/ours"), since, ENTRIES, Duration::MAX)?;
        Some(found.strip_prefix(folder.path()).unwrap().to_str().unwrap().replace('\\', "/"))
    }

    // Elsewhere the time of a folder cannot be set, and a folder is new here because its files are.
    #[cfg(unix)]
    #[test]
    fn a_changed_file_is_found_wherever_it_is() {
        for file in ["a.txt", "src/deep/er/b.rs", "target/debug/c", "x/node_modules/y/z.js"] {
            assert_eq!(search_all(&["old.txt", "src/old.rs", file]).as_deref(), Some(file));
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_others_and_we_ourselves_do_is_no_change() {
        for file in [".git/index", "sub/.git/HEAD"] {
            assert_eq!(search_all(&["old.txt", file]), None, "{file}");
        }
        assert_eq!(search_all(&[]), None);
        let (folder, since) = folder(&["old.txt", "state/run/log"]);
        let ours = folder.path().join("state/run");
        assert_eq!(changed_since(folder.path(), &ours, since), None);
        assert!(changed_since(folder.path(), Path::new("/elsewhere"), since).is_some());
    }

    #[test]
    fn a_folder_that_is_gone_has_no_changes() {
        assert_eq!(
            changed_since(Path::new("/no/such/folder"), Path::new("/x"), SystemTime::UNIX_EPOCH),
            None
        );
    }

    #[test]
    fn the_search_has_an_end() {
        let (folder, since) = folder(&["a/1", "a/2", "a/3", "target/4"]);
        assert_eq!(
            search(folder.path(), Path::new("/ours"), since + Duration::from_hours(1), 2, Duration::MAX),
            None
        );
        assert!(search(folder.path(), Path::new("/ours"), since, ENTRIES, Duration::MAX).is_some());
        assert_eq!(
            search(folder.path(), Path::new("/ours"), since, ENTRIES, Duration::ZERO),
            None,
            "no time"
        );
        assert_eq!(search(folder.path(), Path::new("/ours"), since, 0, Duration::MAX), None, "no entries");
    }

    #[test]
    fn places_are_left_again() {
        let workers = Workers::default();
        let first = Place::take(&workers, Path::new("/a"));
        assert!(first.is_alone());
        let second = Place::take(&workers, Path::new("/a"));
        let other = Place::take(&workers, Path::new("/b"));
        assert!(!first.is_alone() && !second.is_alone() && other.is_alone());
        drop(second);
        assert!(first.is_alone());
        drop((first, other));
        assert!(workers.lock().unwrap().is_empty());
    }
}
