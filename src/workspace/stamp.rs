//! What a file or folder looks like, so that a change of it can be seen later.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::paths::Ours;
use crate::model::time::Timestamp;

/// Files up to this size are compared by content too.
const HASHED_SIZE: u64 = 1 << 20;
/// How many bytes one look at a task's paths may read. What is beyond is compared by size and time.
const HASHED_TOTAL: u64 = 64 << 20;
/// How many entries of a declared folder are looked at.
const FOLDER_ENTRIES: usize = 10_000;

/// How much may still be read.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: HASHED_TOTAL }
    }
}

/// What a file or folder looked like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Bytes; for a folder those of all files in it.
    size: u64,
    /// Nanoseconds since 1970 of the last write; for a folder of the latest in it. As text, since
    /// JSON numbers end before it does.
    written: String,
    /// The file's number, where there is one: another one has been put in its place.
    inode: Option<u64>,
    /// Permission bits, where there are some.
    mode: Option<u32>,
    /// For a folder: how many entries it holds, at any depth.
    entries: Option<usize>,
    /// SHA-256 of the content of a small file.
    hash: Option<String>,
}

impl Stamp {
    /// Looks at a path; none: there is nothing.
    pub(super) fn take(path: &Path, ours: &Ours, budget: &mut Budget) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        if metadata.is_dir() {
            return Some(Self::of_folder(path, &metadata, ours));
        }
        let hash = (metadata.is_file() && metadata.len() <= HASHED_SIZE.min(budget.bytes))
            .then(|| hash_of(path, metadata.len()))
            .flatten();
        if hash.is_some() {
            budget.bytes -= metadata.len();
        }
        let (inode, mode) = system_marks(&metadata);
        let written = written(&metadata).to_string();
        Some(Self { size: metadata.len(), written, inode, mode, entries: None, hash })
    }

    /// A folder counts as changed when anything in it does, so everything in it is added up.
    fn of_folder(path: &Path, metadata: &Metadata, ours: &Ours) -> Self {
        let (inode, mode) = system_marks(metadata);
        let (mut size, mut latest, mut entries) = (0, written(metadata), 0);
        let mut open = vec![path.to_path_buf()];
        while let Some(folder) = open.pop() {
            let Ok(list) = fs::read_dir(&folder) else { continue };
            for entry in list.filter_map(Result::ok).filter(|entry| !ours.has(&entry.path())) {
                entries += 1;
                if entries >= FOLDER_ENTRIES {
                    open.clear();
                    break;
                }
                // Links are not followed: they could lead round in a circle.
                let Ok(metadata) = entry.metadata() else { continue };
                latest = latest.max(written(&metadata));
                if metadata.is_dir() {
                    open.push(entry.path());
                } else {
                    size += metadata.len();
                }
            }
        }
        Self { size, written: latest.to_string(), inode, mode, entries: Some(entries), hash: None }
    }

    /// Whether something was written between two looks. Writing the same content again counts: a
    /// build that makes the same file again has made it.
    pub(super) fn differs(&self, later: &Self) -> bool {
        let content = match (&self.hash, &later.hash) {
            (Some(before), Some(after)) => before != after,
            _ => false,
        };
        content
            || self.size != later.size
            || self.written != later.written
            || self.inode != later.inode
            || self.mode != later.mode
            || self.entries != later.entries
    }
}

/// Whether a path seen for the first time was written at or after `began`; none: it is not there.
///
/// The time of a change of the file's own record counts too, since tools that move a file into
/// place keep its time of writing.
pub(super) fn written_since(path: &Path, ours: &Ours, began: Timestamp) -> Option<bool> {
    let metadata = fs::metadata(path).ok()?;
    let mut latest = written(&metadata).max(record_changed(&metadata));
    if metadata.is_dir() {
        let stamp = Stamp::of_folder(path, &metadata, ours);
        latest = latest.max(stamp.written.parse().unwrap_or(0));
    }
    Some(latest + granularity(latest) >= i128::from(began.0) * 1_000_000)
}

/// How much a file system's clock may lag behind ours, in nanoseconds: one that keeps fractions of
/// a second takes them from a clock that moves every few milliseconds; one that does not (FAT)
/// counts in steps of two seconds.
fn granularity(time: i128) -> i128 {
    if time % 1_000_000_000 == 0 { 2_000_000_000 } else { 20_000_000 }
}

fn written(metadata: &Metadata) -> i128 {
    let Ok(time) = metadata.modified() else { return 0 };
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i128::try_from(after.as_nanos()).unwrap_or(i128::MAX),
        Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
    }
}

#[cfg(unix)]
fn record_changed(metadata: &Metadata) -> i128 {
    use std::os::unix::fs::MetadataExt as _;
    i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn record_changed(metadata: &Metadata) -> i128 {
    // There the time of creation is what a copy with the old time of writing does not keep.
    let Ok(time) = metadata.created() else { return 0 };
    time.duration_since(UNIX_EPOCH).map_or(0, |after| i128::try_from(after.as_nanos()).unwrap_or(i128::MAX))
}

#[cfg(unix)]
fn system_marks(metadata: &Metadata) -> (Option<u64>, Option<u32>) {
    use std::os::unix::fs::MetadataExt as _;
    (Some(metadata.ino()), Some(metadata.mode()))
}

#[cfg(not(unix))]
fn system_marks(_metadata: &Metadata) -> (Option<u64>, Option<u32>) {
    (None, None)
}

fn hash_of(path: &Path, size: u64) -> Option<String> {
    let mut content = Vec::with_capacity(usize::try_from(size).ok()?);
    File::open(path).ok()?.take(HASHED_SIZE + 1).read_to_end(&mut content).ok()?;
    Some(hexadecimal(&Sha256::digest(&content)))
}

/// SHA-256 of a file of any size; none: it cannot be read.
pub(super) fn hash_file(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|content| hexadecimal(&Sha256::digest(&content)))
}

/// How old a file's times have to be for the next write to it to change them for certain, in
/// nanoseconds: more than the coarsest step of a file system's clock (two seconds on FAT).
const SETTLED: i128 = 3_000_000_000;

/// The hash of a file that is asked for again and again, read again only where something may have
/// happened to it: what a run of many tasks reads must not grow with their number squared.
#[derive(Debug, Default)]
pub(super) struct HashKeeper {
    known: Option<(Marks, Option<String>)>,
}

/// What every write to a file changes, unless it comes within one step of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marks {
    size: u64,
    written: i128,
    record_changed: i128,
    inode: Option<u64>,
}

impl HashKeeper {
    /// SHA-256 of the file at `path`, always the same one; none: it cannot be read. `now` is a time
    /// that has come: a file that was written shortly before it, or later, is read the next time too.
    pub(super) fn hash(&mut self, path: &Path, now: Timestamp) -> Option<String> {
        // Looked at before the content is read: a write in between leaves marks that do not fit.
        let metadata = fs::metadata(path).ok()?;
        let marks = Marks {
            size: metadata.len(),
            written: written(&metadata),
            record_changed: record_changed(&metadata),
            inode: system_marks(&metadata).0,
        };
        if let Some((known, hash)) = &self.known
            && *known == marks
        {
            return hash.clone();
        }
        let hash = hash_file(path);
        let settled = marks.written.max(marks.record_changed) + SETTLED < i128::from(now.0) * 1_000_000;
        self.known = settled.then(|| (marks, hash.clone()));
        hash
    }
}

/// Bytes as small hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Whether two looks at a set of files differ.
pub(super) fn any_differs(before: &BTreeMap<String, Stamp>, after: &BTreeMap<String, Stamp>) -> bool {
    before.len() != after.len()
        || before.iter().any(|(path, stamp)| after.get(path).is_none_or(|later| stamp.differs(later)))
}
