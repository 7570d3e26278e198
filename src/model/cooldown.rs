//! `provider:<name>:cooldown`: that a provider is to be left alone, for every run of the project.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::FailureKind;
use super::ids::RunId;
use super::record::version;
use super::time::Timestamp;

version!(CooldownVersion, "cooldown/v1");

/// That a provider is to be left alone, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cooldown {
    /// `cooldown/v1`.
    pub schema: CooldownVersion,
    /// The provider.
    pub provider: String,
    /// Until when.
    pub until: Timestamp,
    /// Whether a run that is under way leaves it alone to its end: the provider wants a login or money,
    /// and waiting changes nothing.
    pub off: bool,
    /// The failure that showed it.
    pub trigger: FailureKind,
    /// What was seen, masked.
    pub evidence: String,
    /// The run that saw it.
    pub run_id: RunId,
    /// The host of that run.
    pub host: String,
    /// When it was seen.
    pub seen_at: Timestamp,
}
