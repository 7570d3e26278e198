//! What a program prints that is described by data alone.
//!
//! Without patterns and rules nothing that it prints is taken for a sign, since nobody has looked at
//! what it prints when. What it said last is kept for a person to read.

use crate::model::agent::AgentSpec;
use crate::model::failure::FailureKind;
use crate::model::outcome::{Outcome, StopReason};
use crate::model::reading::{LineNews, OutputReader, Reading, Sign, SignSource, Stream, Usage};

use super::patterns::{Patterns, end, is_question};
use super::records::Records;
use super::signs::{LastLines, one_line, strip_ansi};

/// Characters of the last line that are kept.
const LAST: usize = 300;

/// Reads records by rules, and keeps the last lines of the rest.
#[derive(Debug)]
pub(super) struct Reader {
    success_codes: Vec<i32>,
    stdout: LastLines,
    stderr: LastLines,
    patterns: Patterns,
    records: Option<Records>,
    /// What it asked, and nobody answers.
    prompt: Option<Sign>,
    /// The last line that is no record, of either stream.
    last: String,
}

impl Reader {
    /// A reader that has read nothing.
    pub(super) fn new(agent: &AgentSpec) -> Self {
        Self {
            success_codes: agent.success_codes.clone(),
            stdout: LastLines::default(),
            stderr: LastLines::default(),
            patterns: Patterns::new(&agent.signs),
            records: agent.events.as_ref().map(|rules| Records::new(rules, agent.max_steps)),
            prompt: None,
            last: String::new(),
        }
    }

    /// Whether a line is a prompt at which it waits.
    fn prompt(&mut self, stream: Stream, line: &str) -> Option<LineNews> {
        let sign = self.patterns.of_prompt(stream, line).filter(|_| self.prompt.is_none())?;
        let seen = format!("{}: it waits at `{}`", sign.kind, sign.message);
        self.prompt = Some(sign);
        Some(LineNews::Hopeless(seen))
    }

    /// What its last line says of one that was ended because nothing happened.
    fn question(&self, outcome: &Outcome) -> Option<Sign> {
        // One that was given up for a terminal was told so already.
        if outcome.stopped != Some(StopReason::Idle) || !is_question(&self.last) {
            return None;
        }
        Some(Sign {
            kind: FailureKind::Stalled,
            source: SignSource::ErrorLog,
            message: format!(
                "it seems to wait for an answer, and nobody is there to give one: `{}`",
                one_line(&self.last)
            ),
            status: None,
            retry_after_s: None,
        })
    }
}

impl OutputReader for Reader {
    fn wants_lines(&self) -> bool {
        self.records.is_some() || self.patterns.are_for_now()
    }

    fn line(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews> {
        let line = String::from_utf8_lossy(line);
        // A record is never looked at as a line: it may hold anything that a model said.
        if let Some(records) = self.records.as_mut().filter(|records| records.takes(stream, &line)) {
            return records.line(&line, &self.patterns);
        }
        let line = strip_ansi(&line);
        self.patterns.push(stream, &line);
        if !line.trim().is_empty() {
            self.last = line.chars().take(LAST).collect();
        }
        match stream {
            Stream::Stdout => self.stdout.push(&line),
            Stream::Stderr => self.stderr.push(&line),
        }
        self.prompt(stream, &line)
    }

    fn unfinished(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews> {
        let line = String::from_utf8_lossy(line);
        if self.records.as_ref().is_some_and(|records| records.takes(stream, &line)) {
            return None;
        }
        self.prompt(stream, &strip_ansi(&line))
    }

    fn usage(&self) -> Usage {
        self.records.as_ref().map(Records::usage).unwrap_or_default()
    }

    fn finish(&mut self, outcome: &Outcome) -> Reading {
        let end = end(outcome, &self.success_codes);
        let mut reading = self.records.as_mut().map(|records| records.finish(end)).unwrap_or_default();
        if reading.terminal_error.is_none()
            && let Some(sign) =
                self.prompt.take().or_else(|| self.patterns.of_end(end)).or_else(|| self.question(outcome))
        {
            reading.proper_end = reading.proper_end.map(|_| false);
            reading.terminal_error = Some(sign);
        }
        reading.last_words = reading.last_words.or_else(|| self.stdout.text()).or_else(|| self.stderr.text());
        reading
    }
}
