//! How fast alerts are sent, and how long to wait before the next try.

use std::time::Duration;

/// The times of a courier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long more is waited for after the first thing that happened: what happens together is one
    /// message.
    pub gather: Duration,
    /// The same after a message was sent: at most so often somebody is told.
    pub between: Duration,
    /// The wait after the first try that failed.
    pub first: Duration,
    /// The longest wait between tries, whatever a service asks for.
    pub longest: Duration,
    /// How long it is left alone when all tries have failed.
    pub rest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(1),
            between: Duration::from_secs(20),
            first: Duration::from_secs(1),
            longest: Duration::from_mins(1),
            rest: Duration::from_mins(5),
        }
    }
}

impl Pace {
    /// The wait after `failures` tries in a row, at least one. Doubles; `chance`, any number, takes up to
    /// half of it away. A wait that the service asks for is kept where it is longer.
    pub(super) fn delay(&self, failures: u32, asked: Option<Duration>, chance: u64) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let whole = self.first.saturating_mul(factor).min(self.longest);
        let half = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        let own = whole.saturating_sub(Duration::from_millis(chance % half));
        asked.map_or(own, |asked| asked.max(own)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_that_no_service_moves() {
        let pace = Pace::default();
        let whole: Vec<u64> = (1..9).map(|failures| pace.delay(failures, None, 0).as_secs()).collect();
        assert_eq!(whole, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pace.delay(u32::MAX, None, 0), pace.longest);
        assert_eq!(pace.delay(1, Some(Duration::from_secs(7)), 0), Duration::from_secs(7));
        assert_eq!(pace.delay(5, Some(Duration::from_secs(7)), 0), Duration::from_secs(16));
        assert_eq!(pace.delay(1, Some(Duration::from_hours(1)), 0), pace.longest);
        assert!(pace.delay(1, None, 499) >= Duration::from_millis(500));
    }
}
