//! The supervisor with real processes: each ending, each thing a process may leave behind.
//!
//! Tests wait for reports and files, never for time; each has one deadline as a whole.

#![cfg_attr(
    unix,
    expect(
        clippy::unwrap_used,
        reason = "helpers of tests end the test where something is not as it must be"
    )
)]

#[cfg(unix)]
mod behaviours;
#[cfg(unix)]
mod checks;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(unix)]
mod harness;
#[cfg(unix)]
mod output;
#[cfg(unix)]
mod stalls;
#[cfg(unix)]
mod stopping;
#[cfg(target_os = "linux")]
mod trees;
