//! What the command line, the environment and the configuration mean together.
//!
//! [`settings`] is a pure function: option before variable before project's file before user's file
//! before default, each value with the place it came from. It reports everything that is wrong at
//! once. It does not look whether a program is installed or a file is there.

mod agents;
mod choices;
mod limits;
mod merge;
mod models;
mod origin;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::args::run::RunOptions;
use crate::cli::args::{ColorChoice, Common, OutputForm};
use crate::cli::config::{Config, ConfigProblem, MAX_JOBS, MAX_RETRIES, Role};
use crate::model::agent::AgentSpec;
use crate::model::exit::ExitCode;
use crate::model::hierarchy::ModelRules;
use crate::model::ids::TaskId;
use crate::model::layer::Layer;
use crate::model::run::{ProviderSpec, RunSettings};
use crate::model::time::Span;

use merge::Merge;
pub(in crate::cli) use models::near_model;
pub use origin::{Origin, SettingsError, SettingsProblem, Warning};
pub use variables::{OUTER_RUN, VARIABLES, Variable, inside_task, without_outer_run};

/// Everything that settings are made of.
#[derive(Debug, Clone)]
pub struct Sources<'a> {
    /// Options of every command.
    pub common: &'a Common,
    /// Options of a run; the default for other commands.
    pub options: &'a RunOptions,
    /// The variables of the process.
    pub environment: &'a BTreeMap<String, String>,
    /// The project's file.
    pub project: Option<&'a Config>,
    /// The user's file.
    pub user: Option<&'a Config>,
    /// The agents that are known without a configuration.
    pub presets: Vec<AgentSpec>,
    /// The project's root, absolute.
    pub root: &'a Path,
    /// The folder against which paths of the command line are read, absolute.
    pub directory: &'a Path,
    /// Seed for the jitter of waits.
    pub seed: u64,
}

/// That somebody asked for Redis.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAsked {
    /// Who asked.
    pub origin: Origin,
    /// The address as written; empty: none was, and the application's own variables may know it.
    pub url: String,
    /// Whether a run has to end where it is not to be had; else it goes on without it and says so.
    pub required: bool,
}

impl std::fmt::Debug for RedisAsked {
    /// The address may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisAsked")
            .field("origin", &self.origin)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

/// What commands that start nothing need to know. A mistake elsewhere in the configuration keeps
/// nobody from looking at a run or stopping it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basics {
    /// Where runs and their state are kept, absolute.
    pub state_dir: PathBuf,
    /// The project's name as it stands in key prefixes.
    pub project: String,
    /// What stands before every key, filled in.
    pub prefix: String,
    /// How long keys outlive a run.
    pub key_ttl: Span,
    /// That Redis was asked for.
    pub redis: Option<RedisAsked>,
    /// What is printed on standard output.
    pub output: OutputForm,
    /// When to use colour.
    pub color: ColorChoice,
}

/// What everything means together.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Limits and choices of a run.
    pub run: RunSettings,
    /// How long one attempt may take, where a task does not say.
    pub timeout: Span,
    /// How many further attempts a task's own failure allows, where it does not say.
    pub retries: u32,
    /// The agent of tasks that name none.
    pub agent: Option<String>,
    /// The agent of single tasks, whatever they name.
    pub agent_for: BTreeMap<TaskId, String>,
    /// The agents by name: presets and those of the configuration. `found` is none where the
    /// configuration names another program: it has to be looked for.
    pub agents: BTreeMap<String, AgentSpec>,
    /// What names in plans stand for.
    pub roles: BTreeMap<String, Role>,
    /// The hierarchy, lowest first.
    pub layers: Vec<Layer>,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// Rules about models.
    pub models: ModelRules,
    /// Where runs and their state are kept, absolute.
    pub state_dir: PathBuf,
    /// The project's name as it stands in key prefixes.
    pub project: String,
    /// What stands before every key, filled in.
    pub prefix: String,
    /// How long keys outlive a run.
    pub key_ttl: Span,
    /// That Redis was asked for.
    pub redis: Option<RedisAsked>,
    /// Report files that were asked for, absolute.
    pub reports: Vec<PathBuf>,
    /// What is printed on standard output.
    pub output: OutputForm,
    /// When to use colour.
    pub color: ColorChoice,
    /// Where each value came from, by its dotted name.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

/// Works out what commands that start nothing need to know.
///
/// # Errors
/// All that is wrong with just that.
pub fn basics(sources: &Sources<'_>) -> Result<Basics, SettingsError> {
    let mut merge = Merge::new(sources);
    let basics = merge_basics(&mut merge);
    let (_, problems, _) = merge.into_parts();
    if problems.is_empty() { Ok(basics) } else { Err(SettingsError { problems }) }
}

fn merge_basics(merge: &mut Merge<'_>) -> Basics {
    let sources = merge.sources();
    let output = merge.pick("output", sources.common.output, &["human", "json", "ndjson"], |_| None);
    let color = merge.pick("color", sources.common.color, &["auto", "always", "never"], |_| None);
    let project = merge.text("project", None, |config| config.project.clone());
    let state_dir = merge.text("state_dir", None, |config| config.state_dir.clone());
    let template = merge.text("redis.prefix", None, |config| config.redis.as_ref()?.prefix.clone());
    let key_ttl = merge.span("redis.ttl", None, true, |config| config.redis.as_ref()?.ttl);
    let project = choices::project_word(project.as_deref(), sources.root);
    Basics {
        state_dir: sources.root.join(state_dir.as_deref().unwrap_or("plans/agent-shared")),
        prefix: choices::fill_in_prefix(template.as_deref(), &project),
        project,
        key_ttl: key_ttl.unwrap_or(Span::seconds(7 * 86_400)),
        redis: choices::redis(merge, sources.common),
        output: output.unwrap_or_default(),
        color: color.unwrap_or_default(),
    }
}

/// Works out what everything means together.
///
/// # Errors
/// All that is wrong, each with the option, variable or line it came from.
pub fn settings(sources: &Sources<'_>) -> Result<Settings, SettingsError> {
    let mut merge = Merge::new(sources);
    let basics = merge_basics(&mut merge);
    let (mut agents, mut warnings) = agents::merge(&mut merge, sources.presets.clone());
    limits::give(&mut merge, &mut agents);
    let names: Vec<&str> = agents.keys().map(String::as_str).collect();
    let (agent, agent_for) = choices::agents(&mut merge, sources.options, &names);
    let roles = choices::roles(&mut merge, &names);
    let layers = choices::layers(&mut merge, &names);
    let run = run_settings(&mut merge, &layers);
    let timeout = merge.span("run.timeout", sources.options.timeout, true, |config| config.run.timeout);
    let retries =
        merge.number("run.retries", sources.options.retries, 0..=MAX_RETRIES, 1, |config| config.run.retries);
    choices::not_in_this_version(&mut merge);
    let models = models::models(&mut merge, &layers, &agents);
    let providers = models::providers(&mut merge, &layers);
    let reports = choices::reports(&mut merge, sources.options, sources.directory);

    warnings.extend(variables::slips(sources.environment));
    let (origins, problems, more) = merge.into_parts();
    warnings.extend(more);
    if !problems.is_empty() {
        return Err(SettingsError { problems });
    }
    Ok(Settings {
        run,
        timeout: timeout.unwrap_or(Span::minutes(45)),
        retries,
        agent,
        agent_for,
        agents,
        roles,
        layers,
        providers,
        models,
        state_dir: basics.state_dir,
        project: basics.project,
        prefix: basics.prefix,
        key_ttl: basics.key_ttl,
        redis: basics.redis,
        reports,
        output: basics.output,
        color: basics.color,
        origins,
        warnings,
    })
}

fn run_settings(merge: &mut Merge<'_>, layers: &[Layer]) -> RunSettings {
    let sources = merge.sources();
    let options = sources.options;
    let idle_timeout =
        merge.span("run.idle_timeout", options.idle_timeout, true, |config| config.run.idle_timeout);
    let max_wait = merge.span("run.max_wait", options.max_wait, false, |config| config.run.max_wait);
    let grace = merge.span("run.grace", None, false, |config| config.run.grace);
    let (layer, max_layer) = choices::layer_bounds(merge, options, layers);
    let built_in = RunSettings::default();
    RunSettings {
        jobs: merge.number("run.jobs", options.jobs, 1..=MAX_JOBS, built_in.jobs, |config| config.run.jobs),
        idle_timeout: idle_timeout.unwrap_or(built_in.idle_timeout),
        deadline: merge.span("run.deadline", options.deadline, true, |config| config.run.deadline),
        max_wait: max_wait.unwrap_or(built_in.max_wait),
        grace: grace.unwrap_or(built_in.grace),
        fail_fast: merge.flag("run.fail_fast", options.fail_fast, |config| config.run.fail_fast),
        isolation: choices::isolation(merge, options),
        verify: choices::verify(merge, options),
        no_verify: options.no_verify,
        layer,
        max_layer,
        allow_paid: choices::allow_paid(merge, options),
        budget_usd: None,
        yes_gates: options.yes_gates,
        tick: choices::tick(merge, options),
        id_prefix: choices::id_prefix(merge, options),
        seed: sources.seed,
    }
}

impl SettingsError {
    /// Wrong use if something on the command line or in a variable is wrong, else an invalid
    /// configuration.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::worst(self.problems.iter().map(|problem| problem.origin.exit_code()))
    }

    /// The mistakes that stand in a file, as mistakes of that file.
    pub fn in_files(&self) -> Vec<ConfigProblem> {
        self.problems.iter().filter_map(SettingsProblem::in_file).collect()
    }
}

#[cfg(test)]
mod tests;
