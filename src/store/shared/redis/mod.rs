//! The shared state in a Redis (or Valkey), beside the embedded store and with the same meaning.
//!
//! ```text
//! Store ──a turn──▶ journal ──▶ Mirror ──queue──▶ writer (a thread) ──one round trip──▶ scripts in the server
//!                      └───────────── what is missing there ─────────────▶┘
//! ```
//!
//! - The journal on disk stays the truth. A run claims its tasks in the server before anything of it
//!   starts; from then on it never waits for the server. What could not be written is made of the
//!   journal once the server is back.
//! - Every write is one script, and so one atomic step: compared on fence and revision, its steps
//!   legal, its events in the stream together with the statuses that they cause. A supervisor that
//!   was replaced is refused, and the run's next write to the store says so.
//! - Leases run by the server's clock. There is no clock here, and nothing waits without an end.
//! - Clusters and sentinels are not spoken to: one step touches several keys.
//!
//! - What is known of providers (ledgers, cooldowns) is kept the same here and there by a third thread.
//! - Agents' reports are looked for by a second thread, which knows nothing of what they mean.
//! - Other machines look at a run, ask something of it and take it over through the same keys:
//!   `elsewhere` reads them, `listening` waits for what comes.

mod address;
mod backoff;
mod batch;
mod connection;
mod elsewhere;
mod listening;
mod mirror;
mod pending;
mod providers;
mod reports;
mod restore;
mod rights;
mod scripts;
mod state;
mod trouble;
mod verify;
mod writer;

pub use address::{Address, AddressError, Place, dotenv};
pub use elsewhere::StreamEntry;
pub use mirror::Mirror;
pub use reports::{ReportWake, SharedReport};
pub use rights::{Doubt, Grant};
pub use state::{Entry, RedisState};
pub use trouble::Trouble;
pub use writer::SharedNews;

pub(in crate::store) use elsewhere::listed;
pub(in crate::store) use mirror::{ClaimedRecord, Following};
pub(in crate::store) use pending::{Turn, TurnRecord};
pub(in crate::store) use restore::{plan_text, summary_text};

#[cfg(test)]
mod tests;
