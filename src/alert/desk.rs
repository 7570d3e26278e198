//! The run's side of its alerts: takes in events one by one, and tells when nothing happens.

use std::sync::Arc;
use std::time::Duration;

use crate::model::event::{Counts, Event, EventBody};
use crate::model::run::RunSpec;
use crate::model::status::RunStatus;
use crate::model::time::{Span, Timestamp};
use crate::model::view::{RunView, ViewError};

use super::batch::RunFacts;
use super::office::Office;
use super::rules::{Happening, Rules, STALLED, happenings};

/// What happened longer ago than this is not told of any more.
const TOO_OLD: Duration = Duration::from_hours(24);

/// What a desk is opened with.
#[derive(Debug)]
pub struct DeskParts {
    /// Who sends.
    pub office: Office,
    /// The run.
    pub run: RunFacts,
    /// For each alert the number of the last event that it was told of.
    pub after: Vec<u64>,
    /// After how long without anything a run is said to stall; none: nobody wants to hear of it.
    pub stalled_after: Option<Duration>,
    /// The time.
    pub now: Timestamp,
}

/// The alerts of one run.
#[derive(Debug)]
pub struct Desk {
    office: Office,
    run: Arc<RunFacts>,
    rules: Rules,
    after: Vec<u64>,
    stalled_after: Option<Duration>,
    /// Somebody showed a sign of life since the last look.
    sign: bool,
    sign_at: Timestamp,
    stall_told: bool,
}

impl Desk {
    /// Opens it for a run that is about to begin or to go on.
    pub fn open(parts: DeskParts) -> Self {
        let DeskParts { office, run, after, stalled_after, now } = parts;
        Self {
            office,
            run: Arc::new(run),
            rules: Rules::default(),
            after,
            stalled_after,
            sign: false,
            sign_at: now,
            stall_told: false,
        }
    }

    /// Takes in the events of a run that goes on, and has told what was not before. Returns how many
    /// things are too old to be told.
    ///
    /// # Errors
    /// If the events do not fit together.
    pub fn replay(&mut self, events: &[Event], spec: &RunSpec, now: Timestamp) -> Result<usize, ViewError> {
        let mut view = RunView::new(spec);
        let mut too_old = 0;
        for event in events {
            view.apply(event)?;
            for happening in self.rules.observe(event, &view) {
                let mut missed = false;
                for (place, after) in self.after.iter().enumerate() {
                    if happening.seq > *after && self.wants(place, &happening) {
                        missed = true;
                        if is_recent(&happening, now) {
                            self.office.tell(place, &self.run, &happening, &view.counts);
                        }
                    }
                }
                too_old += usize::from(missed && !is_recent(&happening, now));
            }
        }
        Ok(too_old)
    }

    /// Has the alert at `place` told what another run, which nobody supervises, did not come to tell it
    /// after its event `after`. Returns how many things will be told, and how many are too old.
    ///
    /// # Errors
    /// If the events do not fit together.
    pub fn inherit(
        &self,
        place: usize,
        spec: &RunSpec,
        events: &[Event],
        after: u64,
        now: Timestamp,
    ) -> Result<(usize, usize), ViewError> {
        let view = RunView::fold(spec, events)?;
        let host = view.supervisor.as_ref().map_or(spec.host.as_str(), |(host, _)| host.as_str());
        let run = Arc::new(RunFacts::of(spec, host));
        let (mut told, mut too_old) = (0, 0);
        for happening in happenings(spec, events, after)?.iter().filter(|one| self.wants(place, one)) {
            if is_recent(happening, now) {
                told += 1;
                self.office.tell(place, &run, happening, &view.counts);
            } else {
                too_old += 1;
            }
        }
        Ok((told, too_old))
    }

    /// Takes in the next event, which is recorded. Does not wait.
    pub fn event(&mut self, event: &Event, view: &RunView) {
        // That nothing happens is no sign of life.
        self.sign |= !matches!(&event.body, EventBody::WarningRaised { code, .. } if code == STALLED);
        for happening in self.rules.observe(event, view) {
            self.tell(&happening, &view.counts);
        }
    }

    /// An agent does something.
    pub fn doing(&mut self) {
        self.sign = true;
    }

    /// Time has passed. Returns what is to be recorded as a warning when nothing has happened for too
    /// long: neither an event, nor a word of what an agent does. Once for each silence.
    pub fn tick(&mut self, view: &RunView, now: Timestamp) -> Option<(String, String)> {
        let limit = self.stalled_after.filter(|_| view.status == RunStatus::Running)?;
        if std::mem::take(&mut self.sign) {
            self.sign_at = now;
            self.stall_told = false;
        }
        if self.stall_told || now.since(self.sign_at) < limit {
            return None;
        }
        self.stall_told = true;
        let since = self.sign_at;
        Some((
            format!("nothing has happened in the run for {}, since {since}", Span(limit)),
            "`orchestrate status` shows what it waits for".to_owned(),
        ))
    }

    /// Who sends.
    pub fn office(&self) -> &Office {
        &self.office
    }

    /// The run.
    pub fn run(&self) -> &RunFacts {
        &self.run
    }

    fn tell(&self, happening: &Happening, counts: &Counts) {
        for place in 0..self.office.specs().len() {
            self.office.tell(place, &self.run, happening, counts);
        }
    }

    fn wants(&self, place: usize, happening: &Happening) -> bool {
        let spec = self.office.specs().get(place);
        spec.is_some_and(|spec| happening.kinds.iter().any(|kind| spec.when.contains(kind)))
    }
}

fn is_recent(happening: &Happening, now: Timestamp) -> bool {
    now.since(happening.at) < TOO_OLD
}
