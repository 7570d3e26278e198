//! The ends of what agents print, where others can see them without the files.
//!
//! Other machines have nothing else: with a Redis they are kept while an attempt goes on, too, as often
//! as the supervisor shows that it lives. What is kept begins and, as long as more may come, ends with
//! a whole line, so that a secret that is cut in two is not taken for ordinary words.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::Context as _;

use crate::engine::Engine;
use crate::model::ids::AttemptKey;

/// How much of an attempt's output others can see.
const TAIL_BYTES: u64 = 64 << 10;

/// How long the output of attempts under way was when its end was kept.
#[derive(Debug, Default)]
pub(super) struct Tails {
    lengths: BTreeMap<AttemptKey, u64>,
}

impl Engine {
    /// Keeps the ends of the outputs that have grown, where somebody could look at them.
    pub(super) fn keep_tails(&mut self) {
        if !self.parts.store.is_shared() {
            return;
        }
        let active: Vec<AttemptKey> = self.active.iter().cloned().collect();
        for key in active {
            if let Err(error) = self.keep_tail(&key, false) {
                tracing::debug!(%key, %error, "the tail of its output is not in the shared state yet");
            }
        }
    }

    /// Keeps the end of the output of an attempt that ended.
    pub(super) fn keep_last_tail(&mut self, key: &AttemptKey, bytes: u64) {
        let kept = if bytes > 0 { self.keep_tail(key, true) } else { Ok(()) };
        self.tails.lengths.remove(key);
        if let Err(error) = kept {
            // The whole output lies in its file; what is missing is the copy for others.
            tracing::warn!(%key, %error, "the tail of its output is not in the shared state");
        }
    }

    fn keep_tail(&mut self, key: &AttemptKey, ended: bool) -> anyhow::Result<()> {
        let path = self.parts.folders.attempt(&key.task, key.attempt).join("stdout.log");
        let Some((length, bytes)) = end_of(&path)? else { return Ok(()) };
        if !ended && self.tails.lengths.get(key) == Some(&length) {
            return Ok(());
        }
        let text = whole_lines(&bytes, length > TAIL_BYTES, ended);
        if !text.is_empty() {
            self.parts.store.put_tail(&self.parts.spec, &key.task, &String::from_utf8_lossy(text))?;
        }
        self.tails.lengths.insert(key.clone(), length);
        Ok(())
    }
}

/// The length of a file and its last bytes; none: there is nothing in it yet.
fn end_of(path: &Path) -> anyhow::Result<Option<(u64, Vec<u8>)>> {
    // An agent may have put something else there, and opening a pipe would wait for its writer.
    let metadata = path.symlink_metadata().with_context(|| format!("no `{}`", path.display()))?;
    anyhow::ensure!(metadata.is_file(), "`{}` is no file any more", path.display());
    let length = metadata.len();
    if length == 0 {
        return Ok(None);
    }
    let mut file = std::fs::File::open(path)?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(Some((length, bytes)))
}

/// Without the line that is cut at the start, and the one that is not written to its end.
fn whole_lines(bytes: &[u8], cut: bool, ended: bool) -> &[u8] {
    let is_end = |byte: &u8| *byte == b'\n';
    let start = if cut { bytes.iter().position(is_end).map_or(0, |place| place + 1) } else { 0 };
    let end = if ended { None } else { bytes.iter().rposition(is_end).map(|place| place + 1) };
    let end = end.unwrap_or(if ended { bytes.len() } else { start });
    bytes.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_whole() {
        assert_eq!(whole_lines(b"one\ntwo", false, true), b"one\ntwo");
        assert_eq!(whole_lines(b"one\ntwo", false, false), b"one\n");
        assert_eq!(whole_lines(b"ey=abc\ntwo\nthr", true, false), b"two\n");
        assert_eq!(whole_lines(b"ey=abc\ntwo", true, true), b"two");
        // One line that is longer than all that is kept is better than nothing, once it ended.
        assert_eq!(whole_lines(b"long", true, true), b"long");
        assert_eq!(whole_lines(b"long", true, false), b"");
        assert_eq!(whole_lines(b"cut\n", true, true), b"");
    }

    #[test]
    fn the_end_of_a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout.log");
        assert!(end_of(&path).is_err());
        std::fs::write(&path, "").unwrap();
        assert_eq!(end_of(&path).unwrap(), None);
        std::fs::write(&path, vec![b'x'; 70_000]).unwrap();
        let (length, bytes) = end_of(&path).unwrap().unwrap();
        assert_eq!((length, bytes.len()), (70_000, 65_536));
    }
}
