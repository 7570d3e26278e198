//! A run as it is started: tasks, agents, layers and limits, all resolved.
//!
//! A [`RunSpec`] is written to the journal before anything starts, so that `resume` needs neither
//! the plan nor the configuration as they were.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent::AgentSpec;
use super::hierarchy::ModelRules;
use super::ids::{RunId, TaskId};
use super::layer::Layer;
use super::task::TaskSpec;
use super::time::{Span, Timestamp};

/// Where attempts work.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// In the checkout itself.
    #[default]
    Shared,
    /// Each task in a git worktree of its own.
    Worktree,
}

/// What happens to the boxes of a plan.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TickMode {
    /// A task that succeeded is ticked.
    #[default]
    Auto,
    /// The plan is never written.
    Never,
}

/// Limits and choices of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSettings {
    /// How many attempts may run at once; at least 1.
    pub jobs: u32,
    /// How long an attempt may be quiet.
    pub idle_timeout: Span,
    /// How long the whole run may take.
    pub deadline: Option<Span>,
    /// How long to wait for a provider to be back.
    pub max_wait: Span,
    /// How long a process may take to stop before it is killed.
    pub grace: Span,
    /// Start nothing more after the first task that failed for good.
    pub fail_fast: bool,
    /// Where attempts work.
    pub isolation: Isolation,
    /// Commands that every task has to pass besides its own.
    pub verify: Vec<String>,
    /// Run no check at all.
    pub no_verify: bool,
    /// Layer at which every task starts at the lowest.
    pub layer: Option<u8>,
    /// Layer above which nothing is tried.
    pub max_layer: Option<u8>,
    /// The reason for which paid layers may be used; none: they may not.
    pub allow_paid: Option<String>,
    /// Money for the whole run, in USD.
    pub budget_usd: Option<f64>,
    /// Whether gates are taken as approved.
    pub yes_gates: bool,
    /// What happens to the plan's boxes.
    pub tick: TickMode,
    /// Prefix of this run's keys (not of shown ids).
    pub id_prefix: String,
    /// Seed for the jitter of waits.
    pub seed: u64,
}

impl Default for RunSettings {
    /// What holds where nobody says anything.
    fn default() -> Self {
        Self {
            jobs: 4,
            idle_timeout: Span::minutes(10),
            deadline: None,
            max_wait: Span::minutes(30),
            grace: Span::seconds(5),
            fail_fast: false,
            isolation: Isolation::default(),
            verify: Vec::new(),
            no_verify: false,
            layer: None,
            max_layer: None,
            allow_paid: None,
            budget_usd: None,
            yes_gates: false,
            tick: TickMode::default(),
            id_prefix: String::new(),
            seed: 0,
        }
    }
}

/// What is known of a provider.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// How many attempts may use it at once.
    #[serde(default)]
    pub limit: Option<u32>,
    /// How many requests a minute it allows.
    #[serde(default)]
    pub requests_per_minute: Option<u32>,
    /// How many tokens a day it allows.
    #[serde(default)]
    pub tokens_per_day: Option<u64>,
    /// How much may be spent on it in a month, in USD.
    #[serde(default)]
    pub budget_usd_per_month: Option<f64>,
    /// The environment variable that holds its key.
    #[serde(default)]
    pub key_env: Option<String>,
}

/// What a name in plans stands for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RoleChoice {
    /// An agent.
    pub agent: String,
    /// The layer at which it starts.
    pub layer: Option<u8>,
}

/// How the plan of a run was read, and what of it is run: what was chosen with options and
/// configuration, so that it can be read again in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own, and they combine freely")]
pub struct PlanReading {
    /// The format to read it as, instead of the one that is found.
    pub format: Option<String>,
    /// The tag of a `tasks.json` to read; none: the one that its tool works on.
    pub tag: Option<String>,
    /// How finely it is cut: `leaf`, `task` or `group`.
    pub granularity: Option<String>,
    /// Take every box outside fences as a task.
    pub boxes_all: bool,
    /// Take the whole plan as one task.
    pub as_one: bool,
    /// Take the arrows of Mermaid graphs as dependencies.
    pub use_diagrams: bool,
    /// The largest plan that is read, in bytes; none: the built-in limit.
    pub max_size: Option<u64>,
    /// Ids that are taken as done, in the plan or not.
    pub assume_done: Vec<TaskId>,
    /// Ids to run; empty: all.
    pub only: Vec<TaskId>,
    /// Run what the ones in `only` need, too.
    pub with_deps: bool,
    /// Ids not to run.
    pub skip: Vec<TaskId>,
    /// Run a plan that says it is over.
    pub force: bool,
    /// The agent of tasks that ask for none.
    pub agent: Option<String>,
    /// Agents for single tasks by id; they beat all else.
    pub agent_for: BTreeMap<TaskId, String>,
    /// Names in plans and what they stand for.
    pub roles: BTreeMap<String, RoleChoice>,
    /// Limit of one attempt of tasks that name none.
    pub timeout: Span,
    /// Further attempts of tasks that name none.
    pub retries: u32,
}

/// What a plan says of a group of tasks: what stands between its heading and its first task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupContext {
    /// The group's title.
    pub title: String,
    /// Verbatim.
    pub text: String,
}

/// Everything that a run is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSpec {
    /// Its id.
    pub run_id: RunId,
    /// The project's name as it stands in key prefixes.
    pub project: String,
    /// Prefix of keys in the shared state, template filled in (`{project}:`).
    pub prefix: String,
    /// The project's root, absolute.
    pub root: PathBuf,
    /// Where its state folder lies on the host that supervises it, absolute; none: it was made before
    /// that was kept.
    #[serde(default)]
    pub state_dir: Option<PathBuf>,
    /// The plan file, absolute; none: it was read from standard input.
    pub plan_path: Option<PathBuf>,
    /// Further plans that are run with it as one, absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_plans: Vec<PathBuf>,
    /// The files of those plans that are folders, as shown: relative to the root with `/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folder_files: Vec<String>,
    /// The plan as shown: relative to the root with `/`, or `-`; several are joined by ` + `.
    pub plan: String,
    /// The plan's title.
    pub plan_title: String,
    /// SHA-256 of the plan as read, hexadecimal.
    pub plan_hash: String,
    /// What stands before the tasks and applies to all of them.
    pub preamble: String,
    /// What the plan says of groups of tasks: goal and context, which tasks name by their place here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<GroupContext>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The host on which it was made.
    pub host: String,
    /// Limits and choices.
    pub settings: RunSettings,
    /// The tasks in plan order.
    pub tasks: Vec<TaskSpec>,
    /// The hierarchy.
    pub layers: Vec<Layer>,
    /// The agents by name.
    pub agents: BTreeMap<String, AgentSpec>,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// Rules about models.
    #[serde(default, skip_serializing_if = "ModelRules::is_default")]
    pub models: ModelRules,
    /// Report files that were asked for, absolute.
    pub reports: Vec<PathBuf>,
    /// How its plan was read; none: it was made before that was kept.
    #[serde(default)]
    pub reading: Option<PlanReading>,
    /// How often its plan was read again since it began.
    #[serde(default)]
    pub replanned: u32,
}

impl RunSpec {
    /// The files of its plans, the first one first; none: it was read from standard input.
    pub fn plan_files(&self) -> impl Iterator<Item = &PathBuf> {
        self.plan_path.iter().chain(&self.more_plans)
    }

    /// The files of its plans that are folders, absolute.
    pub fn files_of_folders(&self) -> impl Iterator<Item = PathBuf> {
        self.folder_files.iter().map(|file| self.root.join(file))
    }

    /// The file that a task's box stands in; `named` is how the box names it, where that is not the plan.
    pub fn plan_file(&self, named: Option<&str>) -> Option<PathBuf> {
        match named {
            Some(named) => Some(self.root.join(named)),
            None => self.plan_path.clone(),
        }
    }

    /// A run of nothing, in the project `project`: the rest is for the caller to say.
    pub fn new(run_id: RunId, project: &str) -> Self {
        Self {
            run_id,
            project: project.to_owned(),
            prefix: format!("{project}:"),
            root: PathBuf::new(),
            state_dir: None,
            plan_path: None,
            more_plans: Vec::new(),
            folder_files: Vec::new(),
            plan: "-".to_owned(),
            plan_title: String::new(),
            plan_hash: String::new(),
            preamble: String::new(),
            contexts: Vec::new(),
            created_at: Timestamp(0),
            host: String::new(),
            settings: RunSettings::default(),
            tasks: Vec::new(),
            layers: Vec::new(),
            agents: BTreeMap::new(),
            providers: BTreeMap::new(),
            models: ModelRules::default(),
            reports: Vec::new(),
            reading: None,
            replanned: 0,
        }
    }
}
