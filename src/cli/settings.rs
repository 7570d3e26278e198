//! What the command line, the environment and the configuration mean together.
//!
//! [`settings`] is a pure function: option before variable before project's file before user's file
//! before default, each value with the place it came from. It reports everything that is wrong at
//! once. It does not look whether a program is installed or a file is there.

mod agents;
mod merge;
mod origin;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cli::args::reading::AgentChoice;
use crate::cli::args::run::{IsolationChoice, RunOptions};
use crate::cli::args::{ColorChoice, Common, OutputForm};
use crate::cli::config::{
    Config, ConfigProblem, GatewayMode, MAX_JOBS, MAX_RETRIES, OwnershipMode, PaymentPolicy, Role, suggest,
};
use crate::model::agent::AgentSpec;
use crate::model::exit::ExitCode;
use crate::model::ids::{TaskId, project_name};
use crate::model::layer::{Layer, default_layers};
use crate::model::run::{Isolation, ProviderSpec, RunSettings, TickMode};
use crate::model::time::Span;

use merge::Merge;
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

/// Rules about models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelSettings {
    /// What to do when only paid layers are left.
    pub policy: PaymentPolicy,
    /// Other names under which a model may answer.
    pub aliases: BTreeMap<String, Vec<String>>,
    /// Models that are never used.
    pub deny: Vec<String>,
    /// What may stand in for a model that is not to be had.
    pub fallbacks: BTreeMap<String, Vec<String>>,
}

/// That somebody asked for Redis, which this version does not speak to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAsked {
    /// Who asked.
    pub origin: Origin,
    /// Whether a run has to end where it is not to be had; else it goes on without it and says so.
    pub required: bool,
}

impl RedisAsked {
    /// What to tell whoever asked.
    pub fn message(&self) -> String {
        format!(
            "{} asks for Redis, and this version keeps shared state in its embedded store only",
            self.origin
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self.origin {
            Origin::Option(option) => format!("leave `{option}` out"),
            Origin::Variable(variable) => format!("unset `{variable}`"),
            Origin::Project { .. } | Origin::User { .. } => {
                "set `required = false` in `[redis]` to go on without it".to_owned()
            }
            Origin::Default => "leave it out".to_owned(),
        }
    }
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
    pub models: ModelSettings,
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

/// Works out what everything means together.
///
/// # Errors
/// All that is wrong, each with the option, variable or line it came from.
pub fn settings(sources: &Sources<'_>) -> Result<Settings, SettingsError> {
    let mut merge = Merge::new(sources);
    let options = sources.options;

    let output = merge.pick("output", sources.common.output, &["human", "json", "ndjson"], |_| None);
    let color = merge.pick("color", sources.common.color, &["auto", "always", "never"], |_| None);
    let project_text = merge.text("project", None, |config| config.project.clone());
    let state_text = merge.text("state_dir", None, |config| config.state_dir.clone());

    let jobs = merge.number("run.jobs", options.jobs, 1..=MAX_JOBS, 4, |config| config.run.jobs);
    let retries =
        merge.number("run.retries", options.retries, 0..=MAX_RETRIES, 1, |config| config.run.retries);
    let timeout = merge.span("run.timeout", options.timeout, true, |config| config.run.timeout);
    let idle_timeout =
        merge.span("run.idle_timeout", options.idle_timeout, true, |config| config.run.idle_timeout);
    let deadline = merge.span("run.deadline", options.deadline, true, |config| config.run.deadline);
    let max_wait = merge.span("run.max_wait", options.max_wait, false, |config| config.run.max_wait);
    let grace = merge.span("run.grace", None, false, |config| config.run.grace);
    let fail_fast = merge.flag("run.fail_fast", options.fail_fast, |config| config.run.fail_fast);
    let verify = verify(&mut merge, options);
    let tick = tick(&mut merge, options);
    let isolation = isolation(&mut merge, options);
    let id_prefix = id_prefix(&mut merge, options);

    let (agents, agent_warnings) = agents::merge(&mut merge, sources.presets.clone());
    let names: Vec<&str> = agents.keys().map(String::as_str).collect();
    let (agent, agent_for) = agent_choices(&mut merge, options, &names);
    let roles = roles(&mut merge, &names);
    let layers = layers(&mut merge, &names);
    let (layer, max_layer) = layer_bounds(&mut merge, options, &layers);
    let allow_paid = allow_paid(&mut merge, options);
    let prefix_template = merge.text("redis.prefix", None, |config| config.redis.as_ref()?.prefix.clone());
    let key_ttl = merge.span("redis.ttl", None, true, |config| config.redis.as_ref()?.ttl);
    let redis = redis(&mut merge, sources.common);
    not_in_this_version(&mut merge);

    let project = project_word(project_text.as_deref(), sources.root);
    let prefix = fill_in_prefix(prefix_template.as_deref(), &project);
    let providers = overlay(sources, |config| config.providers.clone());
    let models = models(sources);
    let reports = reports(&mut merge, options, sources.directory);

    let mut warnings = agent_warnings;
    warnings.extend(variables::slips(sources.environment));
    let (origins, problems, more) = merge.into_parts();
    warnings.extend(more);
    if !problems.is_empty() {
        return Err(SettingsError { problems });
    }
    Ok(Settings {
        run: RunSettings {
            jobs,
            idle_timeout: idle_timeout.unwrap_or(Span::minutes(10)),
            deadline,
            max_wait: max_wait.unwrap_or(Span::minutes(30)),
            grace: grace.unwrap_or(Span::seconds(5)),
            fail_fast,
            isolation,
            verify,
            no_verify: options.no_verify,
            layer,
            max_layer,
            allow_paid,
            budget_usd: None,
            yes_gates: options.yes_gates,
            tick,
            id_prefix,
            seed: sources.seed,
        },
        timeout: timeout.unwrap_or(Span::minutes(45)),
        retries,
        agent,
        agent_for,
        agents,
        roles,
        layers,
        providers,
        models,
        state_dir: sources.root.join(state_text.as_deref().unwrap_or("plans/agent-shared")),
        project,
        prefix,
        key_ttl: key_ttl.unwrap_or(Span::seconds(7 * 86_400)),
        redis,
        reports,
        output: output.unwrap_or_default(),
        color: color.unwrap_or_default(),
        origins,
        warnings,
    })
}

/// A file's list of commands is replaced, not lengthened, by what counts before it.
fn verify(merge: &mut Merge<'_>, options: &RunOptions) -> Vec<String> {
    let typed = (!options.verify.is_empty()).then(|| options.verify.clone());
    let read = |text: &str| Ok(vec![text.to_owned()]);
    let commands =
        merge.value("run.verify", typed, read, |config| config.run.verify.clone()).unwrap_or_default();
    if commands.iter().any(|command| command.trim().is_empty()) {
        merge.problem("run.verify", "a check is empty", Vec::new());
    }
    commands
}

fn tick(merge: &mut Merge<'_>, options: &RunOptions) -> TickMode {
    let typed = options.no_tick.then_some(TickMode::Never);
    let read = |text: &str| match text {
        "auto" => Ok(TickMode::Auto),
        "never" => Ok(TickMode::Never),
        _ => Err(format!("`{text}` is neither `auto` nor `never`")),
    };
    merge.value_by("run.tick", "--no-tick", typed, read, |config| config.run.tick).unwrap_or_default()
}

fn isolation(merge: &mut Merge<'_>, options: &RunOptions) -> Isolation {
    let typed = options.isolation.map(|choice| match choice {
        IsolationChoice::Shared => Isolation::Shared,
        IsolationChoice::Worktree => Isolation::Worktree,
    });
    let read = |text: &str| match text {
        "shared" => Ok(Isolation::Shared),
        "worktree" => Ok(Isolation::Worktree),
        _ => Err(format!("`{text}` is neither `shared` nor `worktree`")),
    };
    let isolation =
        merge.value("run.isolation", typed, read, |config| config.run.isolation).unwrap_or_default();
    if isolation == Isolation::Worktree {
        merge.problem(
            "run.isolation",
            "a worktree for each task is not in this version",
            vec!["use `shared`: tasks that name the same files do not run together".to_owned()],
        );
    }
    isolation
}

fn id_prefix(merge: &mut Merge<'_>, options: &RunOptions) -> String {
    let prefix = merge
        .text("run.id_prefix", options.id_prefix.clone(), |config| config.run.id_prefix.clone())
        .unwrap_or_default();
    if prefix.chars().any(|c| c.is_whitespace() || c.is_control()) {
        merge.problem("run.id_prefix", "an id prefix holds blanks or control characters", Vec::new());
    }
    prefix
}

fn unknown_agent(name: &str, names: &[&str]) -> (String, Vec<String>) {
    let mut hints = Vec::new();
    if let Some(near) = suggest(name, names.iter().copied()) {
        hints.push(format!("did you mean `{near}`?"));
    }
    hints.push(format!("known agents: {}; describe another in `[agents.{name}]`", names.join(", ")));
    (format!("there is no agent `{name}`"), hints)
}

fn agent_choices(
    merge: &mut Merge<'_>,
    options: &RunOptions,
    names: &[&str],
) -> (Option<String>, BTreeMap<TaskId, String>) {
    let mut typed = None;
    let mut single = BTreeMap::new();
    for choice in &options.agent {
        let name = match choice {
            AgentChoice::All(name) => {
                if typed.as_ref().is_some_and(|known| known != name) {
                    merge.problem_of(
                        Origin::Option("--agent"),
                        format!("`--agent` names two agents for all tasks, and one of them is `{name}`"),
                        vec!["write `--agent TASK=NAME` for a single task".to_owned()],
                    );
                }
                typed = Some(name.clone());
                name
            }
            AgentChoice::One(task, name) => {
                single.insert(task.clone(), name.clone());
                name
            }
        };
        if !names.contains(&name.as_str()) {
            let (message, hints) = unknown_agent(name, names);
            merge.problem_of(Origin::Option("--agent"), message, hints);
        }
    }
    let was_typed = typed.is_some();
    let agent = merge.text("run.agent", typed, |config| config.run.agent.clone());
    if let Some(name) = agent.as_deref().filter(|name| !was_typed && !names.contains(name)) {
        let (message, hints) = unknown_agent(name, names);
        merge.problem("run.agent", &message, hints);
    }
    (agent, single)
}

fn roles(merge: &mut Merge<'_>, names: &[&str]) -> BTreeMap<String, Role> {
    for (config, is_project) in merge.files() {
        for (role, meaning) in &config.roles {
            if let Some(name) = meaning.agent.as_deref().filter(|name| !names.contains(name)) {
                let (message, hints) = unknown_agent(name, names);
                let origin = Origin::of(config, is_project, &format!("roles.{role}"));
                merge.problem_of(origin, message, hints);
            }
        }
    }
    overlay(merge.sources(), |config| config.roles.clone())
}

fn layers(merge: &mut Merge<'_>, names: &[&str]) -> Vec<Layer> {
    for (config, is_project) in merge.files() {
        for layer in config.layers.iter().flatten() {
            if !names.contains(&layer.agent.as_str()) {
                let (message, hints) = unknown_agent(&layer.agent, names);
                let origin = Origin::of(config, is_project, "layers");
                merge.problem_of(origin, format!("layer {}: {message}", layer.layer), hints);
            }
        }
    }
    let read = |_: &str| Err("layers cannot be set by a variable".to_owned());
    merge.value("layers", None, read, |config| config.layers.clone()).unwrap_or_else(default_layers)
}

fn layer_bounds(merge: &mut Merge<'_>, options: &RunOptions, layers: &[Layer]) -> (Option<u8>, Option<u8>) {
    let read = crate::cli::args::reading::layer;
    let layer = merge.value("run.layer", options.layer, read, |_| None);
    let max_layer = merge.value("run.max_layer", options.max_layer, read, |_| None);
    let numbers: Vec<String> = layers.iter().map(|layer| layer.layer.to_string()).collect();
    let known = vec![format!("layers here: {}", numbers.join(", "))];
    if let Some(lowest) = layer.filter(|lowest| layers.iter().all(|known| known.layer < *lowest)) {
        merge.problem("run.layer", &format!("there is no layer {lowest} or above"), known.clone());
    }
    if let Some(highest) = max_layer.filter(|highest| layers.iter().all(|known| known.layer > *highest)) {
        merge.problem("run.max_layer", &format!("there is no layer {highest} or below"), known);
    }
    if let (Some(lowest), Some(highest)) = (layer, max_layer)
        && lowest > highest
    {
        merge.problem("run.max_layer", &format!("no layer is from {lowest} to {highest}"), Vec::new());
    }
    (layer, max_layer)
}

fn allow_paid(merge: &mut Merge<'_>, options: &RunOptions) -> Option<String> {
    let typed = options.allow_paid.then(|| options.reason.clone()).flatten();
    if typed.as_ref().is_some_and(|reason| reason.trim().is_empty()) {
        merge.problem_of(
            Origin::Option("--reason"),
            "the reason is empty",
            vec!["say why money may be spent: it is kept with the run".to_owned()],
        );
    }
    let read = |_: &str| Err("paid layers cannot be approved by a variable".to_owned());
    // A file that says `approve_paid = false` takes back what a file behind it says.
    merge
        .value_by("models.approve_paid", "--allow-paid", typed.map(Some), read, |config| {
            config.models.approve_paid.map(|approved| config.models.reason.clone().filter(|_| approved))
        })
        .flatten()
}

fn redis(merge: &mut Merge<'_>, common: &Common) -> Option<RedisAsked> {
    let read = |_: &str| Ok(());
    merge.value("redis.url", common.redis.as_ref().map(|_| ()), read, |config| {
        let redis = config.redis.as_ref()?;
        (redis.url.is_some() || redis.required.is_some()).then_some(())
    })?;
    let origin = merge.origin("redis.url");
    let required = match &origin {
        Origin::Option(_) | Origin::Variable(_) => true,
        Origin::Project { .. } | Origin::User { .. } | Origin::Default => {
            merge.files().into_iter().find_map(|(config, _)| config.redis.as_ref()?.required).unwrap_or(true)
        }
    };
    Some(RedisAsked { origin, required })
}

/// What a configuration may say and this version does not do: what only helps is a warning, what
/// protects is refused.
fn not_in_this_version(merge: &mut Merge<'_>) {
    for (config, is_project) in merge.files() {
        if config.gateway.mode == Some(GatewayMode::Require) {
            merge.problem_of(
                Origin::of(config, is_project, "gateway.mode"),
                "the gateway is required, and this version has none",
                vec!["set `mode = \"off\"` to run without it".to_owned()],
            );
        }
        if config.ownership.mode == Some(OwnershipMode::Enforce) {
            merge.problem_of(
                Origin::of(config, is_project, "ownership.mode"),
                "ownership of files cannot be enforced in this version",
                vec!["set `mode = \"warn\"`".to_owned()],
            );
        }
        let workspace = crate::cli::config::WorkspaceTable::default();
        for (key, set) in
            [("workspace", config.workspace != workspace), ("alerts", !config.alerts.is_empty())]
        {
            if set {
                let origin = Origin::of(config, is_project, key);
                merge.warning(
                    "not-in-this-version",
                    format!("{origin}: `{key}` is set, and this version does nothing with it"),
                    None,
                );
            }
        }
    }
}

fn project_word(configured: Option<&str>, root: &Path) -> String {
    let folder = || root.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = project_name(&configured.map(str::to_owned).or_else(folder).unwrap_or_default());
    if name.is_empty() { "project".to_owned() } else { name }
}

fn fill_in_prefix(template: Option<&str>, project: &str) -> String {
    let template = match template {
        None => "{project}:",
        Some("mcp") => "project:{project}:",
        Some(template) => template,
    };
    template.replace("{project}", project)
}

/// Maps of both files together, the project's entries before the user's.
fn overlay<T>(sources: &Sources<'_>, of: impl Fn(&Config) -> BTreeMap<String, T>) -> BTreeMap<String, T> {
    let mut map = sources.user.map(&of).unwrap_or_default();
    map.extend(sources.project.map(&of).unwrap_or_default());
    map
}

fn models(sources: &Sources<'_>) -> ModelSettings {
    let files = [sources.project, sources.user];
    let mut deny: Vec<String> =
        files.into_iter().flatten().flat_map(|config| config.models.deny.iter().cloned()).collect();
    deny.sort();
    deny.dedup();
    ModelSettings {
        policy: files.into_iter().flatten().find_map(|config| config.models.policy).unwrap_or_default(),
        aliases: overlay(sources, |config| config.models.aliases.clone()),
        deny,
        fallbacks: overlay(sources, |config| config.models.fallbacks.clone()),
    }
}

fn reports(merge: &mut Merge<'_>, options: &RunOptions, directory: &Path) -> Vec<PathBuf> {
    for report in &options.report {
        let ending = report.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        if !matches!(ending.as_deref(), Some("md" | "json" | "ndjson")) {
            merge.problem_of(
                Origin::Option("--report"),
                format!("the ending of `{}` names no form of report", report.display()),
                vec!["use `.md` (Markdown), `.json` (the result) or `.ndjson` (every event)".to_owned()],
            );
        }
    }
    options.report.iter().map(|report| directory.join(report)).collect()
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
