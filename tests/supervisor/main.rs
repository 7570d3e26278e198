//! The supervisor with real processes: each ending, each thing a process may leave behind.
//!
//! Tests wait for reports and files, never for time; each has one deadline as a whole.

#![expect(clippy::unwrap_used, reason = "helpers of tests end the test where something is not as it must be")]

mod behaviours;
#[cfg(unix)]
mod checks;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(any(windows, target_os = "linux"))]
mod guard_parts;
#[cfg(windows)]
mod guard_windows;
mod harness;
#[cfg(windows)]
mod jobs;
#[cfg(any(windows, target_os = "linux"))]
mod left_behind;
#[cfg(target_os = "linux")]
mod limits;
mod output;
#[cfg(unix)]
mod stalls;
mod stopping;
#[cfg(target_os = "linux")]
mod strays;
#[cfg(target_os = "linux")]
mod trees;
mod used;
