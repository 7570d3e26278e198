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

/// What a content is known by: SHA-256 of every [`PIECE`] with its place, all of them joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentHash([u8; 32]);

/// Bytes that are hashed together: where one byte changes, only so many are hashed again.
const PIECE: usize = 4096;

/// The hash of a file that is asked for again and again. A file that shows no sign of a write is not
/// read again, and of one that was written only what differs is hashed again: what a run does
/// for each task should not grow with the plan.
#[derive(Debug, Default)]
pub(super) struct HashKeeper {
    known: Option<Known>,
}

/// What a file held when it was read last.
#[derive(Debug)]
struct Known {
    /// None: it was written so shortly before that a further write may leave the same ones.
    marks: Option<Marks>,
    content: Vec<u8>,
    hash: ContentHash,
}

/// What every write to a file changes, unless it comes within one step of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    size: u64,
    written: i128,
    record_changed: i128,
    inode: Option<u64>,
}

impl Marks {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            size: metadata.len(),
            written: written(metadata),
            record_changed: record_changed(metadata),
            inode: system_marks(metadata).0,
        }
    }

    /// Whether every write after `now` is certain to change them.
    fn are_settled(&self, now: Timestamp) -> bool {
        let latest = self.written.max(self.record_changed);
        latest + 2 * granularity(latest) < i128::from(now.0) * 1_000_000
    }
}

impl HashKeeper {
    /// The hash of the file at `path`, always the same one; none: it cannot be read. `now` is a time
    /// that has come.
    pub(super) fn hash(&mut self, path: &Path, now: Timestamp) -> Option<ContentHash> {
        // Looked at before the content is read: a write in between leaves marks that do not fit.
        let marks = Marks::of(&fs::metadata(path).ok()?);
        if let Some(known) = &self.known
            && known.marks == Some(marks)
        {
            return Some(known.hash);
        }
        let content = fs::read(path).ok()?;
        let (before, hash) = match &self.known {
            Some(known) => (known.content.as_slice(), known.hash),
            None => (&[][..], ContentHash([0; 32])),
        };
        let hash = rehashed(hash, before, &content);
        self.known = Some(Known { marks: marks.are_settled(now).then_some(marks), content, hash });
        Some(hash)
    }
}

/// The hash of `after`, where that of `before` is `hash`.
fn rehashed(ContentHash(mut hash): ContentHash, before: &[u8], after: &[u8]) -> ContentHash {
    let pieces = before.len().max(after.len()).div_ceil(PIECE);
    let piece = |content: &'_ [u8], number: usize| -> std::ops::Range<usize> {
        (number * PIECE).min(content.len())..((number + 1) * PIECE).min(content.len())
    };
    for number in 0..pieces {
        let (old, new) = (&before[piece(before, number)], &after[piece(after, number)]);
        if old == new {
            continue;
        }
        for content in [old, new].into_iter().filter(|content| !content.is_empty()) {
            let digest =
                Sha256::new().chain_update((number as u64).to_le_bytes()).chain_update(content).finalize();
            hash.iter_mut().zip(digest.iter()).for_each(|(byte, other)| *byte ^= other);
        }
    }
    ContentHash(hash)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_same_whatever_was_there_before() {
        let none = ContentHash([0; 32]);
        let long: Vec<u8> = (0..20_000_u32).map(|number| (number % 251) as u8).collect();
        let mut changed = long.clone();
        changed[9_000] = b'x';
        let contents = [Vec::new(), b"a".to_vec(), long[..4096].to_vec(), long.clone(), changed];
        let fresh: Vec<ContentHash> = contents.iter().map(|content| rehashed(none, &[], content)).collect();
        for (before, from) in contents.iter().zip(&fresh) {
            for (after, to) in contents.iter().zip(&fresh) {
                assert_eq!(rehashed(*from, before, after), *to);
                assert_eq!(before == after, from == to);
            }
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.md");
        let mut keeper = HashKeeper::default();
        let (past, future) = (Timestamp(0), Timestamp(4_000_000_000_000));
        assert_eq!(keeper.hash(&path, future), None);
        fs::write(&path, "one").unwrap();
        let one = keeper.hash(&path, past);
        assert!(one.is_some());
        fs::write(&path, "two").unwrap();
        let two = keeper.hash(&path, past);
        assert!(two.is_some() && two != one);
        fs::write(&path, "one").unwrap();
        assert_eq!(keeper.hash(&path, future), one);
        assert_eq!(keeper.hash(&path, future), one);
        fs::write(&path, "longer").unwrap();
        assert!(![one, two, None].contains(&keeper.hash(&path, future)));
    }
}
