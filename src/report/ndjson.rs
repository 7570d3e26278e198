//! One event a line, as it happens.
//!
//! Nothing but events is written: lines for people and the summary have no place in the stream.

use std::io::Write;

use crate::model::event::Event;
use crate::model::ids::AttemptKey;
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::report::document::event_json;
use crate::report::{EndPaths, Reporter};

/// See [`crate::report::ndjson`].
pub(super) struct Ndjson {
    out: Box<dyn Write + Send>,
    closed: bool,
}

impl Ndjson {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        Self { out, closed: false }
    }
}

impl Reporter for Ndjson {
    fn event(&mut self, event: &Event, _spec: &RunSpec, _view: &RunView) {
        if self.closed {
            return;
        }
        let mut line = event_json(event);
        line.push('\n');
        let written = self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush());
        if written.is_err() {
            self.closed = true;
        }
    }

    fn doing(&mut self, _key: &AttemptKey, _text: &str) {}

    fn tick(&mut self, _spec: &RunSpec, _view: &RunView, _now: Timestamp) {}

    fn finish(&mut self, _spec: &RunSpec, _view: &RunView, _paths: &EndPaths, _now: Timestamp) {}

    fn line(&mut self, _text: &str) {}

    fn suspend(&mut self) {}
}
