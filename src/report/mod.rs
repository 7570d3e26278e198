//! Events and the view -> output; one file per form.
//!
//! A reporter is handed every event together with the view after it, and nothing else: it asks the
//! run nothing, reads no clock, file or environment, and so a run that is reported again from its
//! journal reads the same. Where output goes is handed in; nothing here opens a terminal.
//!
//! - [`live()`]: a terminal, lines that stay and a region that is redrawn
//! - [`plain()`], [`quiet()`], [`silent()`]: logs
//! - [`ndjson()`]: one event a line
//! - [`summary()`], [`status()`], [`runs()`], [`why()`], [`doctor()`]: what commands print
//! - [`result_json`], [`event_json`], [`markdown()`]: documents
//! - [`advice()`]: what to do about a failure, in one place
//!
//! **Invariant:** every text that comes from a plan or an agent is masked, and what is shown on a
//! terminal has no control characters but ours (`text::clean`).
//!
//! **Invariant:** a reader that closes its end ends the printing, not the run: errors of writing
//! silence a reporter.

mod advice;
mod difference;
mod doctor;
mod document;
mod lines;
mod live;
mod markdown;
mod moves;
mod ndjson;
mod plain;
mod printed;
mod region;
mod runs;
mod status;
mod style;
mod summary;
pub mod text;
mod why;
mod why_rows;
mod words;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use std::io::Write;

use crate::model::event::Event;
use crate::model::ids::AttemptKey;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::model::view::RunView;

pub use advice::{Step, advice, steps};
pub use difference::difference;
pub use doctor::{DoctorAmount, doctor};
pub use document::{event_json, line_json, result_json};
pub use markdown::markdown;
pub use printed::Printed;
pub use region::{Doing, region};
pub use runs::runs;
#[cfg(test)]
pub(crate) use sample::every_advice;
pub use status::{Liveness, status};
pub use style::{Sign, Style};
pub use summary::summary;
pub use why::{why, why_document, why_with};

/// The branch that a run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndBranch {
    /// Its name.
    pub name: String,
    /// How many commits it has that the branch it started from does not.
    pub commits: usize,
    /// Whether it was brought into the user's branch already.
    pub landed: bool,
}

/// What a run left behind, for the summary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndPaths {
    /// The report for people, as one can paste it.
    pub report: Option<String>,
    /// The branch, where tasks worked in worktrees.
    pub branch: Option<EndBranch>,
}

/// Turns a run's events into one kind of output.
pub trait Reporter: Send {
    /// Something happened; `view` is the state after it.
    fn event(&mut self, event: &Event, spec: &RunSpec, view: &RunView);

    /// An agent says what it does. This is no event: it is shown or dropped.
    fn doing(&mut self, key: &AttemptKey, text: &str);

    /// Time has passed. May be called often: what is drawn is drawn ten times a second at most,
    /// and only if it changed.
    fn tick(&mut self, spec: &RunSpec, view: &RunView, now: Timestamp);

    /// The process is done with the run: what is left is written, then the summary.
    fn finish(&mut self, spec: &RunSpec, view: &RunView, paths: &EndPaths, now: Timestamp);

    /// Prints a text that stays, above what is redrawn. A stream of data has no place for it.
    fn line(&mut self, text: &str);

    /// Takes what is redrawn off the screen, so that somebody else can write; the next tick brings
    /// it back.
    fn suspend(&mut self);
}

/// Tells how many columns and lines a terminal has; none: as at the start.
pub type Size = Box<dyn Fn() -> Option<(usize, usize)> + Send>;

/// For a terminal that understands control sequences (not a dumb one: see [`plain()`]).
pub fn live(out: Box<dyn Write + Send>, style: Style) -> Box<dyn Reporter> {
    live_sized(out, style, Box::new(|| None))
}

/// The same for a terminal whose size may change: `size` is asked before every draw.
pub fn live_sized(out: Box<dyn Write + Send>, style: Style, size: Size) -> Box<dyn Reporter> {
    Box::new(live::Live::new(out, style, size))
}

/// For a log or a dumb terminal: lines with the time since the start.
pub fn plain(out: Box<dyn Write + Send>, style: Style) -> Box<dyn Reporter> {
    Box::new(plain::Plain::new(out, style, plain::Amount::All))
}

/// Only failures, warnings, and the summary.
pub fn quiet(out: Box<dyn Write + Send>, style: Style) -> Box<dyn Reporter> {
    Box::new(plain::Plain::new(out, style, plain::Amount::Failures))
}

/// Only failures and warnings.
pub fn silent(out: Box<dyn Write + Send>, style: Style) -> Box<dyn Reporter> {
    Box::new(plain::Plain::new(out, style, plain::Amount::FailuresAlone))
}

/// One event a line, flushed, masked.
pub fn ndjson(out: Box<dyn Write + Send>) -> Box<dyn Reporter> {
    Box::new(ndjson::Ndjson::new(out))
}
