//! How long to wait before the next try to reach a server that is gone.

use std::time::Duration;

/// The first wait.
const FIRST: Duration = Duration::from_millis(100);
/// The longest one.
const LONGEST: Duration = Duration::from_secs(5);

/// The wait after `failures` tries in a row, at least one. Doubles up to five seconds; `chance`, any
/// number, takes up to half of it away, so that many clients do not come back at the same moment.
pub(super) fn delay(failures: u32, chance: u64) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let whole = doubled.min(LONGEST);
    let half = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX).max(1);
    whole.saturating_sub(Duration::from_millis(chance % half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_differ() {
        let whole: Vec<u128> = (1..9).map(|failures| delay(failures, 0).as_millis()).collect();
        assert_eq!(whole, [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(delay(u32::MAX, 0), LONGEST);
        for failures in 1..20 {
            for chance in [1, 7, 49, u64::MAX] {
                let wait = delay(failures, chance);
                assert!(wait <= delay(failures, 0) && wait >= delay(failures, 0) / 2, "{wait:?}");
            }
        }
        assert_ne!(delay(5, 1), delay(5, 2));
    }
}
