//! A run in virtual time: the real scheduler against providers that answer as a scenario says.
//!
//! ```text
//!   RunSpec ──▶ Scheduler ──effects──▶ World ──▶ what would happen, by the scenario
//!                   ▲                    │
//!                   └──── inputs, in the order of their times; time passes from one to the next
//! ```
//!
//! [`World`] is what an engine would be: it answers every effect with an input, later by as much as the
//! real thing takes, and keeps what runs share (ledgers of months, rests of providers). Several runs can
//! go on in one world. [`document`] sums one of them up.
//!
//! **Invariant:** the same runs and the same scenario give the same events, byte by byte. All chance is
//! made of the scenario's seed and of what it is for, so one attempt's does not depend on another's.
//!
//! **Invariant:** nothing is started, waited for, read or written.
//!
//! It deliberately says nothing of what an agent's program does with an answer (its own retries, its own
//! words): each failed request is an attempt's end, told as the adapters tell it.

mod attempt;
mod chance;
mod document;
mod flow;
pub mod scenario;
#[cfg(test)]
mod tests;
mod world;

pub use document::document;
pub use world::{NoEnd, Simulated, World};
