//! The only clock: wall time at the start, moved on by monotonic time, so that it never runs back.
//!
//! What others compare with their own clock (leases, heartbeats, when something is to go) is told in
//! [`Clock::wall`] instead: the two part when the system's clock is set, or the machine sleeps.

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
        Self { wall_at_start: stamp(SystemTime::now()), start: Instant::now() }
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

    /// The time as the system tells it at this moment, whatever happened to its clock since the start.
    #[expect(clippy::disallowed_methods, reason = "this is the place where time is read")]
    pub fn wall(&self) -> Timestamp {
        stamp(SystemTime::now())
    }

    /// The moment of the runtime's own clock that is `at`.
    pub fn instant(&self, at: Timestamp) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + at.since(self.wall_at_start))
    }
}

fn stamp(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_does_not_run_back_behind_what_was_recorded() {
        let clock = Clock::start();
        let later = Timestamp(clock.now().0 + 60_000);
        assert!(clock.not_before(later).now() >= later);
        assert!(clock.not_before(Timestamp(0)).now() >= clock.wall_at_start);
    }

    #[test]
    fn waits_are_as_long_as_they_were_after_a_clock_was_set_back() {
        let clock = Clock::start();
        let years_ahead = clock.now() + Duration::from_hours(100_000);
        let set_back = clock.not_before(years_ahead);
        let wait = set_back.instant(years_ahead + Duration::from_secs(2)).duration_since(clock.start.into());
        assert_eq!(wait, Duration::from_secs(2));
        assert!(set_back.now().since(years_ahead) < Duration::from_hours(1));
    }

    #[test]
    fn what_others_compare_is_the_time_of_the_system() {
        let clock = Clock::start();
        let ahead = clock.not_before(clock.now() + Duration::from_hours(100));
        assert!(ahead.wall() < clock.now() + Duration::from_hours(1));
        assert_eq!(stamp(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), Timestamp(0));
    }
}
