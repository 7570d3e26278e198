//! The two streams of an attempt: their files, their lines, and what the reader says to them.

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{ChildStderr, ChildStdout};

use super::output::{LineCutter, Log};
use super::platform::{self, Leader};
use crate::model::reading::{LineNews, OutputReader, Stream};

/// What may be read of one stream at a time: as much as a pipe holds.
const READ_SIZE: usize = 64 * 1024;

/// How much of the end of a file is read for its last lines.
const LAST_SIZE: u64 = 16 * 1024;

/// The two files of output.
pub(super) struct Logs {
    pub(super) stdout: Log,
    pub(super) stderr: Log,
}

/// What becomes of the output.
pub(super) struct Output<'a> {
    pub(super) logs: Logs,
    pub(super) reader: &'a mut dyn OutputReader,
    stdout_lines: LineCutter,
    stderr_lines: LineCutter,
    /// What the attempt is doing, and nobody was told yet.
    pub(super) doing: Option<String>,
    /// Why it will get nowhere.
    pub(super) hopeless: Option<String>,
    /// Bytes that were read, also those that found no room on disk.
    pub(super) taken: u64,
}

impl<'a> Output<'a> {
    pub(super) fn new(logs: Logs, reader: &'a mut dyn OutputReader) -> Self {
        Self {
            logs,
            reader,
            stdout_lines: LineCutter::default(),
            stderr_lines: LineCutter::default(),
            doing: None,
            hopeless: None,
            taken: 0,
        }
    }

    /// Takes in what was read of one stream: file first, lines after.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8], limit: u64) {
        self.taken += bytes.len() as u64;
        let room = limit.saturating_sub(self.logs.stdout.written() + self.logs.stderr.written());
        let (log, lines) = match stream {
            Stream::Stdout => (&mut self.logs.stdout, &mut self.stdout_lines),
            Stream::Stderr => (&mut self.logs.stderr, &mut self.stderr_lines),
        };
        log.append(bytes, room);
        let (reader, doing, hopeless) = (&mut *self.reader, &mut self.doing, &mut self.hopeless);
        lines.feed(bytes, |line| match reader.line(stream, line) {
            Some(LineNews::Doing(text)) => *doing = Some(text),
            Some(LineNews::Hopeless(seen)) => *hopeless = Some(seen),
            None => {}
        });
    }

    /// Shows the lines that were begun and not ended. Whoever calls this has seen nothing come for a
    /// while.
    pub(super) fn show_unfinished(&mut self) {
        for (lines, stream) in [(&self.stdout_lines, Stream::Stdout), (&self.stderr_lines, Stream::Stderr)] {
            if lines.partial().is_empty() {
                continue;
            }
            if let Some(LineNews::Hopeless(seen)) = self.reader.unfinished(stream, lines.partial()) {
                self.hopeless = Some(seen);
            }
        }
    }

    /// Hands over the last lines of what a process wrote by itself, without one that is cut at its start.
    pub(super) fn take_last_lines(&mut self) {
        for (log, stream) in [(&self.logs.stdout, Stream::Stdout), (&self.logs.stderr, Stream::Stderr)] {
            let mut lines = LineCutter::default();
            let reader = &mut *self.reader;
            lines.feed(&log.last_lines(LAST_SIZE), |line| drop(reader.line(stream, line)));
            lines.finish(|line| drop(reader.line(stream, line)));
        }
    }

    /// Hands over what has no line ending. News after the end is no news.
    pub(super) fn finish(&mut self) {
        let reader = &mut *self.reader;
        self.stdout_lines.finish(|line| drop(reader.line(Stream::Stdout, line)));
        self.stderr_lines.finish(|line| drop(reader.line(Stream::Stderr, line)));
    }

    /// Bytes in both files.
    pub(super) fn on_disk(&self) -> u64 {
        self.logs.stdout.length() + self.logs.stderr.length()
    }

    /// What went wrong when writing.
    pub(super) fn failure(&self) -> Option<String> {
        self.logs.stdout.failure().or_else(|| self.logs.stderr.failure())
    }

    /// Holds the promise about the disk where a process wrote by itself.
    pub(super) fn cut_to(&self, limit: u64) {
        let (stdout, stderr) = (self.logs.stdout.length(), self.logs.stderr.length());
        if stdout + stderr > limit {
            let kept = stdout.min(limit - stderr.min(limit / 2));
            self.logs.stdout.cut(kept);
            self.logs.stderr.cut(stderr.min(limit - kept));
        }
    }
}

/// The pipes of a process whose output passes through us.
pub(super) struct Pipes {
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
    pub(super) stdout_buffer: Vec<u8>,
    pub(super) stderr_buffer: Vec<u8>,
}

impl Pipes {
    /// Takes the pipes of a process; one that writes into its files by itself has none.
    pub(super) fn of(leader: &mut Leader) -> Self {
        let (stdout, stderr) = leader.take_pipes();
        let size = if stdout.is_some() || stderr.is_some() { READ_SIZE } else { 0 };
        Self { stdout, stderr, stdout_buffer: vec![0; size], stderr_buffer: vec![0; size] }
    }

    /// Takes what is in the pipes, without waiting for strays that hold them open.
    pub(super) async fn drain(&mut self, output: &mut Output<'_>, limit: u64) {
        if let Some(stdout) = &mut self.stdout {
            let take = |bytes: &[u8]| output.take(Stream::Stdout, bytes, limit);
            platform::drain(stdout, &mut self.stdout_buffer, take).await;
        }
        if let Some(stderr) = &mut self.stderr {
            let take = |bytes: &[u8]| output.take(Stream::Stderr, bytes, limit);
            platform::drain(stderr, &mut self.stderr_buffer, take).await;
        }
    }
}

/// Reads what is there; never ends without a pipe.
pub(super) async fn read_some<R: AsyncRead + Unpin>(
    pipe: Option<&mut R>,
    buffer: &mut [u8],
) -> std::io::Result<usize> {
    match pipe {
        Some(pipe) => pipe.read(buffer).await,
        None => std::future::pending().await,
    }
}
