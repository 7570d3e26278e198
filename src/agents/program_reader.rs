//! What a program prints that is described by data alone.
//!
//! Without patterns and rules nothing that it prints is taken for a sign, since nobody has looked at
//! what it prints when. What it said last is kept for a person to read.

use crate::model::agent::AgentSpec;
use crate::model::outcome::Outcome;
use crate::model::reading::{LineNews, OutputReader, Reading, Stream};

use super::patterns::{Patterns, end};
use super::records::Records;
use super::signs::{LastLines, strip_ansi};

/// Reads records by rules, and keeps the last lines of the rest.
#[derive(Debug)]
pub(super) struct Reader {
    success_codes: Vec<i32>,
    stdout: LastLines,
    stderr: LastLines,
    patterns: Patterns,
    records: Option<Records>,
}

impl Reader {
    /// A reader that has read nothing.
    pub(super) fn new(agent: &AgentSpec) -> Self {
        Self {
            success_codes: agent.success_codes.clone(),
            stdout: LastLines::default(),
            stderr: LastLines::default(),
            patterns: Patterns::new(&agent.signs),
            records: agent.events.as_ref().map(Records::new),
        }
    }
}

impl OutputReader for Reader {
    fn wants_lines(&self) -> bool {
        self.records.is_some()
    }

    fn line(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews> {
        let line = String::from_utf8_lossy(line);
        // A record is never looked at as a line: it may hold anything that a model said.
        if let Some(records) = self.records.as_mut().filter(|records| records.takes(stream, &line)) {
            return records.line(&line, &self.patterns);
        }
        let line = strip_ansi(&line);
        self.patterns.push(stream, &line);
        match stream {
            Stream::Stdout => self.stdout.push(&line),
            Stream::Stderr => self.stderr.push(&line),
        }
        None
    }

    fn finish(&mut self, outcome: &Outcome) -> Reading {
        let end = end(outcome, &self.success_codes);
        let mut reading = self.records.as_mut().map(|records| records.finish(end)).unwrap_or_default();
        if reading.terminal_error.is_none()
            && let Some(sign) = self.patterns.of_end(end)
        {
            reading.proper_end = reading.proper_end.map(|_| false);
            reading.terminal_error = Some(sign);
        }
        reading.last_words = reading.last_words.or_else(|| self.stdout.text()).or_else(|| self.stderr.text());
        reading
    }
}
