//! Telling somebody who is not looking: webhooks and commands.
//!
//! ```text
//!  events ─▶ rules ─▶ happenings ─▶ office ─▶ a courier for each alert ─▶ webhook, command
//!                                     │ folds what waits into one message     │
//!                                     └──────── what was delivered, news ◀────┘
//! ```
//!
//! - [`rules`] say which events are worth an alert: a pure fold, so that after a crash the journal still
//!   says what was not delivered. Who keeps how far each alert has come is the caller ([`Told`]).
//! - [`Office`] never makes the run wait: what happens is folded into what waits already, and threads do
//!   the sending, each for one alert, with retries.
//! - **Delivered at least once**: a courier says that it delivered after the service said so.
//! - Everything that leaves is masked, stripped of control characters and cut to what the service takes.
//!   The address of a webhook stands in no text.
//!
//! What it deliberately does not do: keep anything, read a clock, or decide anything about the run. An
//! alert that fails is a word to the person who looks at the run.

mod batch;
mod courier;
mod desk;
mod forms;
mod http;
mod office;
mod pace;
mod program;
pub mod rules;
mod sample;
pub mod target;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::masking::{Masker, strip_controls};
use crate::model::alert::{Alert, AlertKind};

pub use batch::RunFacts;
pub use desk::{Desk, DeskParts};
pub use office::{News, Office, Told};
pub use pace::Pace;
pub use program::Program;
pub use sample::test_alert;
pub use target::{TargetError, Webhook};

/// Where an alert goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a webhook.
    Webhook(Webhook),
    /// To a command.
    Program(Program),
}

impl Target {
    /// How it may be shown.
    pub fn shown(&self) -> String {
        match self {
            Self::Webhook(webhook) => webhook.shown(),
            Self::Program(program) => program.words.first().cloned().unwrap_or_default(),
        }
    }
}

/// An alert as configured, with everything filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSpec {
    /// What it is known by from one run to the next.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it is told of.
    pub when: BTreeSet<AlertKind>,
    /// Where it goes.
    pub target: Target,
    /// How long one try may take.
    pub timeout: Duration,
    /// How often it is tried again.
    pub retries: u32,
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken.
    Delivered {
        /// The HTTP status; none: a command took it.
        status: Option<u16>,
    },
    /// It was not.
    Failed(Failing),
}

/// Why something was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// The HTTP status.
    pub status: Option<u16>,
    /// A fragment, in which the alert's target is "it".
    pub why: String,
    /// Whether another try may help.
    pub again: bool,
    /// How long it wants to be left alone.
    pub after: Option<Duration>,
}

/// Sends `alert` once, and waits for what comes of it, at most the timeout of `spec`.
pub fn send(spec: &AlertSpec, alert: &Alert, masker: &Masker) -> Delivery {
    let delivery = match &spec.target {
        Target::Webhook(webhook) => {
            let outgoing = forms::outgoing(webhook.form, alert, webhook.chat.as_deref());
            http::Caller::new(webhook.clone(), spec.timeout).call(&outgoing)
        }
        Target::Program(program) => program.call(alert, spec.timeout),
    };
    match delivery {
        // What others answer may repeat the address, or hold anything else.
        Delivery::Failed(failing) => Delivery::Failed(Failing {
            why: masker.mask(&strip_controls(&failing.why)).into_owned(),
            ..failing
        }),
        delivered @ Delivery::Delivered { .. } => delivered,
    }
}
