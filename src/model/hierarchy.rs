//! The rules about models that stand beside the layers: other names, bans, stand-ins, and what to do
//! when only paid layers are left.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layer::Cost;

/// What to do when only paid layers are to be had, and using them was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentPolicy {
    /// Wait for a free layer to be back, where that can be waited for.
    #[default]
    Wait,
    /// Use the paid one, where there is money for it.
    Pay,
}

/// What is never used, as a person wrote it and as it is understood: everything that is named has to
/// agree, and what is not named is of no matter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Ban {
    /// As written: `paid via kilo`.
    pub text: String,
    /// Only free or only paid layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Only this layer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<u8>,
    /// Only through this agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only at this provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Only models of this name; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Rules about models.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelRules {
    /// What to do when only paid layers are left.
    pub policy: PaymentPolicy,
    /// Other names of models, by the name that is meant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub aliases: BTreeMap<String, Vec<String>>,
    /// What is never used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<Ban>,
    /// What stands in, in this order, for an agent or a model that a task asks for and that is not to
    /// be had: agents for an agent, models for a model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fallbacks: BTreeMap<String, Vec<String>>,
}

impl ModelRules {
    /// Whether they say nothing.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
