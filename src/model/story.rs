//! How a task moved between layers and what its attempts cost, as far as its events tell.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::{Event, EventBody, PaymentDecision, SpendBasis};
use super::failure::FailureKind;
use super::hierarchy::PaymentPolicy;
use super::layer::Rung;
use super::money::Money;
use super::time::Timestamp;

/// What is left alone because of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resting {
    /// The provider; null: only the layer.
    pub provider: Option<String>,
    /// The layer, where that is off; null: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<u8>,
    /// Until when; null: for the rest of the run.
    pub until: Option<Timestamp>,
}

/// An attempt that was made before a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// Its number.
    pub attempt: u32,
    /// Where it ran.
    #[serde(flatten)]
    pub rung: Rung,
    /// Why it failed; null: it was stopped, or its failure is not known.
    pub failure: Option<FailureKind>,
}

/// A move of a task from one layer to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Move {
    /// When it was decided.
    pub at: Timestamp,
    /// Number of the attempt that ended before it; 0: none had been made yet.
    pub attempt: u32,
    /// Where the task was, or was to run.
    pub from: Rung,
    /// Where it goes.
    pub to: Rung,
    /// The failure that moved it.
    pub trigger: FailureKind,
    /// What was seen.
    pub evidence: String,
    /// What is left alone of where it came from; null: nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests: Option<Resting>,
    /// The attempts before the one that was made where it came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
}

/// A decision whether to wait for a free layer or to pay, with the numbers that it was made by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decided {
    /// When.
    pub at: Timestamp,
    /// What was decided.
    pub decision: PaymentDecision,
    /// By which policy.
    pub policy: PaymentPolicy,
    /// The paid rung that is to be had.
    pub paid: Rung,
    /// What an attempt there is expected to cost.
    pub expected_usd: Money,
    /// What is left for it; null: nothing limits it.
    pub left_usd: Option<Money>,
    /// When the earliest free layer is back; null: not in this run.
    pub free_at: Option<Timestamp>,
    /// When the run has had its time; null: it has all the time there is.
    pub deadline_at: Option<Timestamp>,
    /// How many tasks stand in the same line.
    pub waiting: u32,
    /// The reason in one sentence.
    pub why: String,
}

/// The money of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct AttemptMoney {
    /// What was reserved for it; null: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_usd: Option<Money>,
    /// The provider that was to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_provider: Option<String>,
    /// What was booked; null: not yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent_usd: Option<Money>,
    /// How that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<SpendBasis>,
    /// The provider that answered, which is charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged_provider: Option<String>,
    /// The model that answered, or was asked for where that cannot be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged_model: Option<String>,
}

/// How well an amount is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// To the cent.
    Exactly,
    /// It is what was reserved: no more than that was used.
    AtMost,
    /// More may have been used.
    Unknown,
}

impl AttemptMoney {
    /// What was booked, and how well that is known; none: nothing was booked yet.
    pub fn booked(&self) -> Option<(Money, Known)> {
        let (spent, basis) = (self.spent_usd?, self.basis?);
        let known = match basis {
            SpendBasis::Free | SpendBasis::Reported | SpendBasis::Priced => Known::Exactly,
            // The agent may have told of more than was reserved, and not of all.
            SpendBasis::Bound if self.reserved_usd.is_some_and(|reserved| reserved >= spent) => Known::AtMost,
            SpendBasis::Bound => Known::Unknown,
        };
        Some((spent, known))
    }

    /// Whether nothing is known to have been asked of it: nothing reserved, nothing booked.
    pub fn is_nothing(&self) -> bool {
        self.reserved_usd.unwrap_or_default().is_zero()
            && self.spent_usd.unwrap_or_default().is_zero()
            && self.basis != Some(SpendBasis::Bound)
    }
}

/// The moves, decisions and money of one task.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Story {
    /// Its moves between layers, oldest first.
    pub moves: Vec<Move>,
    /// The decisions to wait or to pay that were made for it, oldest first.
    pub decisions: Vec<Decided>,
    /// The money of its attempts by their numbers.
    pub money: BTreeMap<u32, AttemptMoney>,
}

impl Story {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.decisions.is_empty() && self.money.is_empty()
    }

    /// Takes in an event of the task; most are no part of this story. `rests` says what is left alone
    /// of a rung, `tried` what was tried so far.
    pub fn take(
        &mut self,
        event: &Event,
        rests: impl Fn(&Rung) -> Option<Resting>,
        tried: impl Fn() -> Vec<Tried>,
    ) {
        if let EventBody::LayerMoved { attempt, from, to, trigger, evidence, .. } = &event.body {
            let rests = rests(from);
            let mut tried = tried();
            // A task may be sent elsewhere before it was ever tried where it was to go.
            tried.retain(|tried| tried.attempt < *attempt || tried.rung != *from);
            self.moves.push(Move {
                at: event.at,
                attempt: *attempt,
                from: from.clone(),
                to: to.clone(),
                trigger: *trigger,
                evidence: evidence.clone(),
                rests,
                tried,
            });
        } else if let EventBody::PaymentDecided {
            decision,
            policy,
            paid,
            expected_usd,
            left_usd,
            free_at,
            deadline_at,
            waiting,
            why,
            ..
        } = &event.body
        {
            self.decisions.push(Decided {
                at: event.at,
                decision: *decision,
                policy: *policy,
                paid: paid.clone(),
                expected_usd: *expected_usd,
                left_usd: *left_usd,
                free_at: *free_at,
                deadline_at: *deadline_at,
                waiting: *waiting,
                why: why.clone(),
            });
        } else if let EventBody::SpendReserved { attempt, provider, amount_usd, .. } = &event.body {
            let money = self.money.entry(*attempt).or_default();
            money.reserved_usd = Some(*amount_usd);
            money.asked_provider.clone_from(provider);
        } else if let EventBody::SpendSettled { attempt, provider, model, amount_usd, basis, .. } =
            &event.body
        {
            let money = self.money.entry(*attempt).or_default();
            money.spent_usd = Some(*amount_usd);
            money.basis = Some(*basis);
            money.charged_provider.clone_from(provider);
            money.charged_model.clone_from(model);
        }
    }
}
