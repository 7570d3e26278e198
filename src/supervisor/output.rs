//! Output as a stream: into its file as it comes, and as lines to whoever reads them.
//!
//! Invariants: memory is bounded by [`LINE_LIMIT`] for each stream, whatever is printed; the bytes
//! in the file are the bytes that were printed, up to the limit of the attempt.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of one line that are handed over; what follows until its end is not. Agents print whole
/// files as one JSON line, seldom more than a megabyte.
pub(super) const LINE_LIMIT: usize = 4 * 1024 * 1024;

/// Cuts a stream of bytes into lines.
#[derive(Debug, Default)]
pub(super) struct LineCutter {
    partial: Vec<u8>,
    /// The line is over the limit: its rest is dropped.
    cut: bool,
}

impl LineCutter {
    /// Takes in what was read and hands each line that it ends to `line`, without its ending.
    pub(super) fn feed(&mut self, mut chunk: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (head, tail) = chunk.split_at(end);
            chunk = &tail[1..];
            if self.partial.is_empty() && !self.cut {
                line(without_return(&head[..head.len().min(LINE_LIMIT)]));
            } else {
                self.keep(head);
                line(without_return(&self.partial));
                self.partial.clear();
                self.partial.shrink_to(64 * 1024);
                self.cut = false;
            }
        }
        self.keep(chunk);
    }

    /// What of a line has come.
    pub(super) fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// Hands over a last line that has no ending.
    pub(super) fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if !self.partial.is_empty() {
            line(without_return(&self.partial));
            self.partial = Vec::new();
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_LIMIT - self.partial.len();
        self.cut |= bytes.len() > room;
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The file of one stream.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    written: u64,
    failure: Option<io::Error>,
}

impl Log {
    /// Makes the file anew, readable by the user alone.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let mut options = private();
        // A process that writes by itself may open the file once more by its `/dev/stdout`.
        #[cfg(unix)]
        append_always(&mut options);
        let file = options.read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Self { path: path.to_owned(), file, written: 0, failure: None })
    }

    /// A handle for a process that writes into the file by itself.
    pub(super) fn share(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Appends as much of `bytes` as `room` allows. Answers with the number of bytes that were written;
    /// a failure is kept for [`Log::failure`], and nothing is written after it.
    pub(super) fn append(&mut self, bytes: &[u8], room: u64) -> u64 {
        let length = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        if self.failure.is_some() || length == 0 {
            return 0;
        }
        match self.file.write_all(&bytes[..length]) {
            Ok(()) => {
                let length = length as u64;
                self.written += length;
                length
            }
            Err(error) => {
                self.failure = Some(error);
                0
            }
        }
    }

    /// Bytes written by [`Log::append`].
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// The length of the file as it is.
    pub(super) fn length(&self) -> u64 {
        self.file.metadata().map_or(self.written, |metadata| metadata.len())
    }

    /// The whole lines among the last `size` bytes of the file; nothing where they cannot be read.
    pub(super) fn last_lines(&self, size: u64) -> Vec<u8> {
        let length = self.length();
        if length == 0 {
            return Vec::new();
        }
        let read = || -> io::Result<Vec<u8>> {
            // By the handle: something else may have been put in its place that never ends.
            let mut file = &self.file;
            file.seek(SeekFrom::Start(length.saturating_sub(size)))?;
            let mut bytes = Vec::new();
            file.take(size).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_else(|error| {
            tracing::warn!(path = %self.path.display(), %error, "cannot read the end of a log");
            Vec::new()
        });
        if length <= size {
            return bytes;
        }
        // A line that is longer than all that was read is handed over cut: it says more than nothing.
        let start = memchr::memchr(b'\n', &bytes).map_or(0, |end| end + 1);
        if start == bytes.len() { bytes } else { bytes[start..].to_vec() }
    }

    /// Cuts the file to `length` bytes.
    pub(super) fn cut(&self, length: u64) {
        if let Err(error) = self.file.set_len(length) {
            tracing::warn!(path = %self.path.display(), %error, "cannot cut a log");
        }
    }

    /// What went wrong when writing, with the path.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.as_ref().map(|error| format!("cannot write `{}`: {error}", self.path.display()))
    }
}

/// Has every write go to the end, which the portable option does not allow beside truncation.
#[cfg(unix)]
fn append_always(options: &mut std::fs::OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.custom_flags(i32::try_from(rustix::fs::OFlags::APPEND.bits()).unwrap_or(0));
}

/// Options of a file that is readable by the user alone.
pub(super) fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    keep_private(&mut options);
    options
}

#[cfg(unix)]
fn keep_private(options: &mut std::fs::OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600);
}

/// The folders that we write into inherit who may read them.
#[cfg(windows)]
fn keep_private(_options: &mut std::fs::OpenOptions) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut cutter = LineCutter::default();
        let mut lines = Vec::new();
        for chunk in chunks {
            cutter.feed(chunk, |line| lines.push(line.to_vec()));
        }
        cutter.finish(|line| lines.push(line.to_vec()));
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let text = b"one\r\n\n\xff\xfethree\nfour";
        let whole = lines_of(&[text]);
        assert_eq!(whole, [b"one".to_vec(), b"".to_vec(), b"\xff\xfethree".to_vec(), b"four".to_vec()]);
        for cut in 0..text.len() {
            assert_eq!(lines_of(&[&text[..cut], &text[cut..]]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(lines_of(&bytes), whole);
    }

    #[test]
    fn long_lines_are_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; LINE_LIMIT / 2 + 1];
        let lines = lines_of(&[&long, &long, &long, b"tail\nnext\n"]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), LINE_LIMIT);
        assert_eq!(lines[1], b"next");
    }

    #[test]
    fn a_log_stops_at_its_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stdout.log");
        let mut log = Log::create(&path).unwrap();
        assert_eq!(log.append(b"hello", 3), 3);
        assert_eq!(log.append(b"more", 0), 0);
        assert_eq!((log.written(), log.length()), (3, 3));
        assert_eq!(std::fs::read(&path).unwrap(), b"hel");
        assert_eq!(log.failure(), None);
    }
}
