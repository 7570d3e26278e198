//! `orchestrate.toml`: what may stand in it.
//!
//! [`read`] takes a text apart and finds every mistake at once, each with its place; it looks at
//! nothing but that text. What a value means beside the command line and the built-in defaults is
//! said by [`crate::cli::settings`]. The JSON Schema comes from the same types.

mod agents;
mod alerts;
mod limits;
mod models;
mod output;
mod problem;
mod read;
mod scenario;
mod section;
mod words;

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::model::agent::{AdapterKind, CompletionRule, PassEnv, PromptChannel};
use crate::model::agent_output::{EventRules, SignPattern};
use crate::model::hierarchy::{Ban, PaymentPolicy};
use crate::model::layer::Layer;
use crate::model::run::{Isolation, ProviderSpec, TickMode};
use crate::model::time::Span;

pub use alerts::AlertTable;
pub use limits::LimitsTable;
pub use problem::{ConfigError, ConfigProblem};
pub use read::read;
pub use scenario::read_scenario;

/// The name of the file, in a project's root and in the user's configuration folder.
pub const CONFIG_FILE: &str = "orchestrate.toml";

/// The configuration of `orchestrate`.
#[derive(Debug, Clone, PartialEq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Config {
    /// The form of this file: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u8,
    /// The project's name in key prefixes; left out: the name of the root's folder.
    pub project: Option<String>,
    /// Where runs and their state are kept, relative to the root; left out: `plans/agent-shared`.
    pub state_dir: Option<String>,
    /// What holds for every run.
    #[schemars(default)]
    pub run: RunTable,
    /// Sharing state through Redis.
    pub redis: Option<RedisTable>,
    /// What one attempt may use.
    #[schemars(default)]
    pub limits: LimitsTable,
    /// Agents by name.
    #[schemars(default)]
    pub agents: BTreeMap<String, AgentTable>,
    /// What a name in plans stands for.
    #[schemars(default, with = "BTreeMap<String, RoleForm>")]
    pub roles: BTreeMap<String, Role>,
    /// The model hierarchy, which takes the place of the built-in one.
    pub layers: Option<Vec<Layer>>,
    /// Rules about models.
    #[schemars(default)]
    pub models: ModelsTable,
    /// Providers by name.
    #[schemars(default)]
    pub providers: BTreeMap<String, ProviderSpec>,
    /// The proxy that watches what goes to providers.
    #[schemars(default)]
    pub gateway: GatewayTable,
    /// How the workspaces of tasks are prepared.
    #[schemars(default)]
    pub workspace: WorkspaceTable,
    /// What happens when a task changes files of another.
    #[schemars(default)]
    pub ownership: OwnershipTable,
    /// Who is told of what.
    #[schemars(default)]
    pub alerts: Vec<AlertTable>,
    /// The 1-based line of every key that is set, by its dotted name.
    #[schemars(skip)]
    pub lines: BTreeMap<String, u32>,
    /// The file as shown.
    #[schemars(skip)]
    pub file: String,
}

/// `[run]`.
#[derive(Debug, Clone, PartialEq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RunTable {
    /// How many attempts may run at once; left out: 4.
    #[schemars(range(min = 1, max = MAX_JOBS))]
    pub jobs: Option<u32>,
    /// How long one attempt may take; left out: `45m`.
    pub timeout: Option<Span>,
    /// How long an attempt may be quiet; left out: `10m`.
    pub idle_timeout: Option<Span>,
    /// How long a whole run may take; left out: no limit.
    pub deadline: Option<Span>,
    /// How long to wait for a provider to be back; left out: `30m`.
    pub max_wait: Option<Span>,
    /// What the run may spend at layers that cost money, in US dollars; left out: no limit of its own.
    #[schemars(range(min = 0))]
    pub budget: Option<f64>,
    /// How often a task that failed is tried again; left out: 1.
    #[schemars(range(max = MAX_RETRIES))]
    pub retries: Option<u32>,
    /// Start nothing more after the first task that failed for good.
    pub fail_fast: Option<bool>,
    /// Where attempts work.
    pub isolation: Option<Isolation>,
    /// Commands that every task has to pass besides its own.
    pub verify: Option<Vec<String>>,
    /// The agent of tasks that name none.
    pub agent: Option<String>,
    /// How long a process may take to stop before it is killed; left out: `5s`.
    pub grace: Option<Span>,
    /// What happens to a plan's boxes.
    pub tick: Option<TickMode>,
    /// Put before task ids in keys.
    pub id_prefix: Option<String>,
}

/// More attempts at once than any machine here can carry: a larger number is a slip.
pub const MAX_JOBS: u32 = 1024;
/// More retries than can be meant.
pub const MAX_RETRIES: u32 = 100;

/// `[redis]`.
#[derive(Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct RedisTable {
    /// Its address.
    pub url: Option<String>,
    /// Whether a run ends when it is not there; left out: true.
    pub required: Option<bool>,
    /// What stands before every key, `{project}` filled in; or `mcp`; left out: `{project}:`.
    pub prefix: Option<String>,
    /// How long keys outlive a run; left out: `7d`.
    pub ttl: Option<Span>,
}

impl std::fmt::Debug for RedisTable {
    /// The address may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisTable")
            .field("url", &self.url.as_ref().map(|_| "…"))
            .field("required", &self.required)
            .field("prefix", &self.prefix)
            .field("ttl", &self.ttl)
            .finish()
    }
}

/// `[agents.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct AgentTable {
    /// The adapter that speaks to it; left out: that of the preset, else any program.
    pub kind: Option<AdapterKind>,
    /// The program: a name to look for, or a path.
    pub program: Option<String>,
    /// Its arguments, with `{prompt_file}`, `{model}`, `{workspace}`, `{completion}`, `{title}`.
    pub args: Option<Vec<String>>,
    /// Arguments that follow when a session is gone on with, with `{session}`.
    pub resume_args: Option<Vec<String>>,
    /// How it takes its prompt.
    pub prompt: Option<PromptChannel>,
    /// Variables that are set for it.
    #[schemars(default)]
    pub env: BTreeMap<String, String>,
    /// Variables shaped like secrets that it may see: names, or `"*"`.
    pub pass_env: Option<PassEnv>,
    /// Exit codes that mean success.
    pub success_codes: Option<Vec<i32>>,
    /// How many of its attempts may run at once.
    #[schemars(range(min = 1))]
    pub limit: Option<u32>,
    /// Memory that one attempt needs at its start: bytes, or text such as `1.1GiB`.
    #[schemars(with = "Option<SizeForm>")]
    pub memory: Option<u64>,
    /// What one attempt of it may use, where that is not what `[limits]` says.
    #[schemars(default)]
    pub limits: LimitsTable,
    /// Whether it has to leave a completion.
    pub completion: Option<CompletionRule>,
    /// What its final lines mean when it ends without success. The first pattern that is found in
    /// the last line that has one counts.
    pub signs: Option<Vec<SignPattern>>,
    /// How the JSON lines that it prints are read.
    pub events: Option<EventRules>,
    /// How many steps an attempt may take (answers of its model, or calls that it tells of; 1000): one
    /// that takes more goes nowhere and is ended.
    #[schemars(range(min = 1))]
    pub max_steps: Option<u32>,
}

/// A size: bytes, or text such as `512MiB`.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes what is read by hand")]
enum SizeForm {
    /// Bytes.
    Bytes(u64),
    /// Text such as `512MiB`.
    Text(String),
}

/// What a name in plans stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Role {
    /// An agent.
    #[schemars(required)]
    pub agent: Option<String>,
    /// The layer at which its tasks start.
    #[schemars(range(min = 1))]
    pub layer: Option<u8>,
}

/// A role as written.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes what is read by hand")]
enum RoleForm {
    /// The name of an agent.
    Agent(String),
    /// An agent, and the layer at which its tasks start.
    Table(Role),
}

/// `[models]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ModelsTable {
    /// What to do when only paid layers are left.
    pub policy: Option<PaymentPolicy>,
    /// Whether paid layers may be used; needs `reason`.
    pub approve_paid: Option<bool>,
    /// Why.
    pub reason: Option<String>,
    /// Other names of a model, by the name that is meant: under which it is asked for, or answers.
    #[schemars(default, with = "BTreeMap<String, OneOrMany>")]
    pub aliases: BTreeMap<String, Vec<String>>,
    /// What is never used: texts such as `paid via kilo`, `openai/*`, `model minimax/* at openrouter`,
    /// `anything via cline`, `layer 7`. What is named has to agree, and what is not is of no matter.
    #[schemars(default, with = "Vec<String>")]
    pub deny: Vec<Ban>,
    /// What stands in, in this order, for an agent (agents) or a model (models) that a task asks for.
    #[schemars(default, with = "BTreeMap<String, OneOrMany>")]
    pub fallbacks: BTreeMap<String, Vec<String>>,
}

/// One text or a list.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes what is read by hand")]
enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// How much the gateway has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum GatewayMode {
    /// Where an agent can be led through it.
    Auto,
    /// Not at all.
    Off,
    /// Every agent, or it does not run.
    Require,
}

/// `[gateway]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct GatewayTable {
    /// How much it has to say.
    pub mode: Option<GatewayMode>,
}

/// `[workspace]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct WorkspaceTable {
    /// Files that are copied into a worktree.
    pub copy: Option<Vec<String>>,
    /// Files that are linked into a worktree.
    pub link: Option<Vec<String>>,
    /// Commands that prepare a worktree.
    pub prepare: Option<Vec<String>>,
    /// How many ports each gets.
    pub ports: Option<u32>,
    /// How many worktrees there may be.
    #[schemars(range(min = 1))]
    pub limit: Option<u32>,
}

/// What happens when a task changes files of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum OwnershipMode {
    /// Nothing.
    Off,
    /// It is shown.
    Warn,
    /// The task fails.
    Enforce,
}

/// `[ownership]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct OwnershipTable {
    /// What happens.
    pub mode: Option<OwnershipMode>,
}

impl Config {
    /// The line on which the key with this dotted name is set.
    pub fn line(&self, key: &str) -> Option<u32> {
        self.lines.get(key).copied()
    }
}

/// The JSON Schema of `orchestrate.toml`.
pub fn config_schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config).to_value();
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".to_owned(), "orchestrate.toml".into());
    }
    schema
}

#[cfg(test)]
mod tests;
