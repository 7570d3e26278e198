//! The only clock: wall time at the start, moved on by monotonic time, so that it never runs back.

use std::time::{Instant, SystemTime};

use crate::model::time::Timestamp;

/// Tells the time of a run.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall_at_start: Timestamp,
    start: Instant,
}

impl Clock {
    /// Starts the clock at the system's wall time.
    #[expect(clippy::disallowed_methods, reason = "this is the place where time is read")]
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall_at_start = Timestamp(i64::try_from(wall.as_millis()).unwrap_or(i64::MAX));
        Self { wall_at_start, start: Instant::now() }
    }

    /// The time that never runs back. After a clock of the system that was set back between two
    /// supervisors of one run, it starts at `not_before`.
    #[must_use]
    pub fn not_before(self, not_before: Timestamp) -> Self {
        Self { wall_at_start: self.wall_at_start.max(not_before), ..self }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.wall_at_start + self.start.elapsed()
    }

    /// The moment of the runtime's own clock that is `at`.
    pub fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + at.since(self.wall_at_start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_run_back_behind_what_was_recorded() {
        let clock = Clock::start();
        let later = Timestamp(clock.now().0 + 60_000);
        assert!(clock.not_before(later).now() >= later);
        assert!(clock.not_before(Timestamp(0)).now() >= clock.wall_at_start);
    }
}
