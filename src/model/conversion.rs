//! What `convert` and `fmt` made of plans, as documents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::TaskId;
use super::record::version;

version!(PlanConversionVersion, "plan-conversion/v1");
version!(PlanFormatVersion, "plan-format/v1");

/// Something of a plan that its native text does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lost {
    /// The task it is about; null: the plan as a whole.
    pub task: Option<TaskId>,
    /// What it is, in words.
    pub what: String,
}

/// A plan as native text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanConversion {
    /// `plan-conversion/v1`.
    pub schema: PlanConversionVersion,
    /// The plan, as shown.
    pub plan: String,
    /// The format it was read as.
    pub format: String,
    /// How many tasks it has.
    pub tasks: u32,
    /// The native plan; what looks like a secret in it is not masked.
    pub text: String,
    /// Where it was written, with `--to`.
    pub written: Option<String>,
    /// What of the plan the text does not say.
    pub lost: Vec<Lost>,
}

/// What became of one plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FormattedPlan {
    /// The plan, as shown.
    pub plan: String,
    /// The format it was read as.
    pub format: String,
    /// Whether it may have native key lists: not where a tool of its own keeps the file.
    pub native_keys: bool,
    /// The lines where lists begin that are not in canonical form, or were not.
    pub changed: Vec<u32>,
    /// Whether it was written.
    pub written: bool,
}

/// Plans with their key lists in canonical form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanFormat {
    /// `plan-format/v1`.
    pub schema: PlanFormatVersion,
    /// In the order in which they were named.
    pub plans: Vec<FormattedPlan>,
}
