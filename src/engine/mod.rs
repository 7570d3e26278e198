//! The one loop: carries out what the scheduler decides, and tells it what happened.
//!
//! ```text
//!  supervisor ─┐                     ┌─▶ journal and shared state (one transaction a turn)
//!  requests ───┤  inputs   effects   ├─▶ reporters
//!  signals ────┼─▶ turn ─▶ scheduler ─▶ turn ─┼─▶ supervisor (start, stop, check)
//!  clock ──────┘                     └─▶ workspace (tick a box)
//! ```
//!
//! - **Facts before acts**: within a turn everything is recorded first, then told, then done. A
//!   child starts only when its start is in the journal.
//! - The loop decides nothing: every choice is the scheduler's. What it adds is time, order and
//!   the carrying out.
//! - It is the only place that knows the real clock.

mod acts;
mod alerts;
mod attempt_events;
mod boxes;
pub mod clock;
mod drive;
pub mod ending;
mod facts;
pub mod folders;
mod mending;
mod money;
pub mod prepare;
mod providers;
mod reports;
pub mod requests;
mod safeguards;
mod sessions;
mod shared;
pub mod signals;
mod tails;
pub mod wake;

pub use drive::{Engine, EngineParts, RunEnd};
