//! The live view on a terminal: lines that stay above, a region below that is redrawn.
//!
//! It draws by itself, with three control sequences that every terminal knows (cursor up, clear to
//! the end of the line, clear to the end of the screen): the region is written over, never cleared
//! first, so it does not flicker.
//!
//! **Invariant:** between two draws the cursor stands in the first column below the region, so that
//! whatever ends the process leaves a clean last line.
//!
//! **Invariant:** an event costs no drawing; at most ten times a second something is drawn.

use std::fmt::Write as _;
use std::io::Write;

use crate::model::event::{Event, EventBody};
use crate::model::ids::AttemptKey;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::report::lines::{self, Layout};
use crate::report::region::{Doing, region_in};
use crate::report::style::Style;
use crate::report::summary::summary;
use crate::report::text;
use crate::report::words;
use crate::report::{EndPaths, Reporter, Size};

/// Milliseconds between two draws.
const BETWEEN_DRAWS: i64 = 100;

/// See [`crate::report::live`].
pub(super) struct Live {
    out: Box<dyn Write + Send>,
    style: Style,
    layout: Option<Layout>,
    doing: Doing,
    /// Lines that stay and were not written yet.
    pending: String,
    /// The region as it stands on the screen.
    drawn: Vec<String>,
    /// How many lines of the screen it takes.
    rows: usize,
    drawn_at: Option<Timestamp>,
    /// Whether something happened since.
    dirty: bool,
    /// Whether nobody reads any more.
    closed: bool,
    /// Tells how large the terminal is.
    size: Size,
}

impl Live {
    pub(super) fn new(out: Box<dyn Write + Send>, style: Style, size: Size) -> Self {
        Self {
            size,
            out,
            style,
            layout: None,
            doing: Doing::default(),
            pending: String::new(),
            drawn: Vec::new(),
            rows: 0,
            drawn_at: None,
            dirty: false,
            closed: false,
        }
    }

    fn layout(&mut self, spec: &RunSpec) -> Layout {
        *self.layout.get_or_insert_with(|| Layout::of(spec, &self.style))
    }

    fn draw(&mut self, spec: &RunSpec, view: &RunView, now: Timestamp) {
        if self.closed {
            self.pending.clear();
            return;
        }
        let layout = self.layout(spec);
        let region = region_in(&layout, spec, view, &self.doing, &self.style, now);
        self.drawn_at = Some(now);
        self.dirty = false;
        if self.pending.is_empty() && region == self.drawn {
            return;
        }
        self.put(&region);
    }

    /// Writes the lines that stay where the region begins, and `region` below them.
    fn put(&mut self, region: &[String]) {
        let mut bytes = String::new();
        if self.rows > 0 {
            write!(bytes, "\r\u{1b}[{}A", self.rows).expect("writing to a string cannot fail");
        }
        bytes.push_str(&self.pending);
        for line in region {
            bytes.push_str(line);
            bytes.push_str("\u{1b}[K\r\n");
        }
        bytes.push_str("\u{1b}[J");
        self.pending.clear();
        self.rows = region.len();
        self.drawn = region.to_vec();
        self.write(&bytes);
    }

    fn write(&mut self, bytes: &str) {
        let written = self.out.write_all(bytes.as_bytes()).and_then(|()| self.out.flush());
        if written.is_err() {
            self.closed = true;
        }
    }

    fn stay(&mut self, line: &str) {
        if !self.closed {
            self.pending.push_str(line);
            self.pending.push_str("\u{1b}[K\r\n");
        }
        self.dirty = true;
    }

    fn is_time(&self, now: Timestamp) -> bool {
        // A clock that was set back draws at once.
        self.drawn_at.is_none_or(|last| (now.0 - last.0).abs() >= BETWEEN_DRAWS)
    }
}

impl Reporter for Live {
    fn event(&mut self, event: &Event, spec: &RunSpec, view: &RunView) {
        self.dirty = true;
        match &event.body {
            EventBody::VerificationStarted { task_id, attempt, commands } => {
                self.doing.check(task_id, *attempt, commands);
            }
            EventBody::AttemptProgressed { task_id, attempt, message } => {
                self.doing.say(&AttemptKey::new(task_id.clone(), *attempt), message);
            }
            EventBody::ReportRefused { task_id, attempt, problem } => {
                let words = words::refused_report(problem);
                self.doing.say(&AttemptKey::new(task_id.clone(), *attempt), &words);
            }
            EventBody::AttemptEnded { task_id, .. } => self.doing.end(task_id),
            EventBody::RunStarted { .. }
            | EventBody::RunResumed { .. }
            | EventBody::WarningRaised { .. }
            | EventBody::StopRequested { .. }
            | EventBody::PlanChanged { .. }
            | EventBody::Replanned { .. }
            | EventBody::GateApproved { .. }
            | EventBody::GateReached { .. }
            | EventBody::ProviderRested { .. }
            | EventBody::BudgetReached { .. }
            | EventBody::LayerTurnedOff { .. }
            | EventBody::RunEnded { .. }
            | EventBody::TaskHeld { .. }
            | EventBody::TaskSkipped { .. }
            | EventBody::TaskBlocked { .. }
            | EventBody::TaskReopened { .. }
            | EventBody::TaskRetrying { .. }
            | EventBody::LayerMoved { .. }
            | EventBody::PaymentDecided { .. }
            | EventBody::SpendReserved { .. }
            | EventBody::SpendSettled { .. }
            | EventBody::TaskSucceeded { .. }
            | EventBody::TaskFailed { .. }
            | EventBody::TaskCancelled { .. }
            | EventBody::BoxTicked { .. }
            | EventBody::AttemptStarted { .. } => {}
        }
        let layout = self.layout(spec);
        if let Some(line) = lines::lasting(event, spec, view, &layout, &self.style) {
            self.stay(&line);
        }
    }

    fn doing(&mut self, key: &AttemptKey, text: &str) {
        self.doing.say(key, text);
        self.dirty = true;
    }

    fn tick(&mut self, spec: &RunSpec, view: &RunView, now: Timestamp) {
        let second_passed = self.drawn_at.is_none_or(|last| last.0 / 1_000 != now.0 / 1_000);
        if (self.dirty || second_passed) && self.is_time(now) {
            if let Some((width, height)) = (self.size)() {
                self.resize(width, height);
            }
            self.draw(spec, view, now);
        }
    }

    fn finish(&mut self, spec: &RunSpec, view: &RunView, paths: &EndPaths, _now: Timestamp) {
        for line in summary(spec, view, paths, &self.style).lines() {
            self.stay(line);
        }
        if !self.closed {
            self.put(&[]);
        }
    }

    fn line(&mut self, text: &str) {
        for line in text::masked(text).lines() {
            self.stay(line);
        }
    }

    fn suspend(&mut self) {
        if !self.closed && (self.rows > 0 || !self.pending.is_empty()) {
            self.put(&[]);
            self.dirty = true;
        }
    }
}

impl Live {
    fn resize(&mut self, width: usize, height: usize) {
        if (width, height) == (self.style.width, self.style.height) || width == 0 || height == 0 {
            return;
        }
        self.style.width = width;
        self.style.height = height;
        self.layout = None;
        self.dirty = true;
        // Lines that have become too wide were broken by the terminal.
        self.rows = self.drawn.iter().map(|line| visible_width(line).div_ceil(width).max(1)).sum();
    }
}

/// How many columns a line of ours takes: all but its colours.
fn visible_width(line: &str) -> usize {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().map_or(0, text::width);
    let painted = parts.map(|part| part.split_once('m').map_or(0, |(_, shown)| text::width(shown)));
    first + painted.sum::<usize>()
}
