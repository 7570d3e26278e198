//! What a simulated run came to, as a document.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Counts;
use super::failure::{Failure, FailureKind};
use super::ids::TaskId;
use super::layer::Rung;
use super::money::Money;
use super::status::{RunStatus, TaskStatus};
use super::time::Timestamp;

/// The word `simulation/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum SimulationVersion {
    /// The current form.
    #[default]
    #[serde(rename = "simulation/v1")]
    V1,
}

/// What became of a plan in a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SimulationDocument {
    /// `simulation/v1`.
    pub schema: SimulationVersion,
    /// The plan as shown.
    pub plan: String,
    /// The scenario as shown; none: everything works.
    pub scenario: Option<String>,
    /// The scenario's seed.
    pub seed: u64,
    /// When it began, by its own clock.
    pub started_at: Timestamp,
    /// How long the run would take, in milliseconds.
    pub length_ms: u64,
    /// As what it ended.
    pub status: RunStatus,
    /// What a run would exit with.
    pub exit_code: u8,
    /// How many tasks are in each status.
    pub counts: Counts,
    /// How many attempts there were.
    pub attempts: u32,
    /// What was used, lowest layer first.
    pub layers: Vec<LayerUse>,
    /// The providers that rested.
    pub rests: Vec<ProviderRests>,
    /// Money.
    pub money: MoneyUse,
    /// The tasks that did not succeed, in plan order.
    pub left: Vec<TaskLeft>,
}

/// How a layer was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayerUse {
    /// Where.
    #[serde(flatten)]
    pub rung: Rung,
    /// How many attempts ran there.
    pub attempts: u32,
    /// How many of them succeeded.
    pub succeeded: u32,
    /// How long they took together, in milliseconds.
    pub time_ms: u64,
    /// The tokens they used.
    pub tokens: u64,
    /// What they cost, in USD.
    pub cost_usd: Money,
}

/// How a provider was left alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderRests {
    /// Which.
    pub provider: String,
    /// How often it was seen that it has to be.
    pub times: u32,
    /// For how long altogether, up to the end of the run, in milliseconds.
    pub rested_ms: u64,
    /// Whether it was off for the rest of the run.
    pub off: bool,
    /// The failure that showed it last.
    pub trigger: FailureKind,
}

/// Money of a simulated run, in USD.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct MoneyUse {
    /// What was spent.
    pub spent_usd: Money,
    /// The most that was spent and reserved at one time.
    pub most_usd: Money,
    /// The budget of the run; none: it had none.
    pub budget_usd: Option<Money>,
    /// What was spent where, by provider.
    pub providers: Vec<ProviderMoney>,
}

/// What was spent at one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProviderMoney {
    /// Which.
    pub provider: String,
    /// What was spent, in USD.
    pub spent_usd: Money,
}

/// A task that did not succeed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskLeft {
    /// Which.
    pub task_id: TaskId,
    /// How it stands.
    pub status: TaskStatus,
    /// Why; none: it waits for something else.
    pub failure: Option<Failure>,
}
