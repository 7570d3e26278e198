//! The model hierarchy as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::money::Money;

/// Whether using a layer costs money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// Nothing.
    Free,
    /// Money; used only when a person approved it.
    Paid,
}

/// What a model costs, in USD for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// For a million input tokens.
    pub input: f64,
    /// For a million output tokens.
    pub output: f64,
}

/// One rung of the hierarchy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its number, from 1; lower ones are tried first.
    pub layer: u8,
    /// The agent that reaches the model.
    pub agent: String,
    /// The model as that agent is to be asked for it.
    pub model: String,
    /// Whose limits and money it uses.
    pub provider: String,
    /// Free or paid.
    pub cost: Cost,
    /// Context window in tokens, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u64>,
    /// Price, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What one attempt may cost at most, in USD, where it is paid; it is reserved before the attempt
    /// starts, and an attempt that passes it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_usd: Option<f64>,
}

impl Layer {
    /// What an attempt may cost where the layer does not say.
    const USUAL_BOUND: Money = Money(1_000_000);

    /// What one attempt may cost at most.
    pub fn bound(&self) -> Money {
        self.max_usd.map_or(Self::USUAL_BOUND, Money::usd)
    }
}

/// Where one attempt is to run: a layer, or an agent outside the hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Rung {
    /// The layer; none for an agent outside the hierarchy.
    pub layer: Option<u8>,
    /// The agent.
    pub agent: String,
    /// The model that is asked for.
    pub model: Option<String>,
    /// The provider whose limits count.
    pub provider: Option<String>,
}

/// This project's own hierarchy, used where the configuration names none.
pub fn default_layers() -> Vec<Layer> {
    let layer = |layer, agent: &str, model: &str, provider: &str, cost| Layer {
        layer,
        agent: agent.to_owned(),
        model: model.to_owned(),
        provider: provider.to_owned(),
        cost,
        context: None,
        price: None,
        max_usd: None,
    };
    vec![
        layer(1, "gemini", "gemini-2.5-pro", "google", Cost::Free),
        layer(2, "opencode", "opencode/big-pickle", "opencode", Cost::Free),
        layer(3, "kilo", "kilo/z-ai/glm-4.7", "kilo", Cost::Free),
        layer(4, "cline", "minimax/minimax-m2.1", "cline", Cost::Free),
        layer(5, "opencode", "openrouter/minimax/minimax-m2.1:free", "openrouter", Cost::Free),
        layer(6, "opencode", "openai/o3", "openai", Cost::Paid),
        layer(7, "opencode", "groq/llama-3.3-70b-versatile", "groq", Cost::Paid),
    ]
}
