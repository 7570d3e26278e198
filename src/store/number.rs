//! Counts and fences as SQLite keeps them: it knows signed numbers only.

use super::StoreError;

/// `number` as SQLite keeps it. Ours count up from 0 or from milliseconds, so that the largest ones
/// are out of reach.
pub(super) fn to_sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that was kept.
pub(super) fn from_sql(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::corrupt(format!("a count is {number}")))
}
