//! The single values that need more than picking: each looks at what it means, and says what is
//! wrong with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::merge::Merge;
use super::origin::Origin;
use super::{RedisAsked, Sources};
use crate::cli::args::Common;
use crate::cli::args::reading::AgentChoice;
use crate::cli::args::run::{IsolationChoice, RunOptions};
use crate::cli::config::{Config, GatewayMode, OwnershipMode, Role};
use crate::diagnostics::suggest;
use crate::model::ids::{TaskId, project_name};
use crate::model::layer::{Layer, default_layers};
use crate::model::run::{Isolation, TickMode};

/// A file's list of commands is replaced, not lengthened, by what counts before it.
pub(super) fn verify(merge: &mut Merge<'_>, options: &RunOptions) -> Vec<String> {
    let typed = (!options.verify.is_empty()).then(|| options.verify.clone());
    let read = |text: &str| Ok(vec![text.to_owned()]);
    let commands =
        merge.value("run.verify", typed, read, |config| config.run.verify.clone()).unwrap_or_default();
    if commands.iter().any(|command| command.trim().is_empty()) {
        merge.problem("run.verify", "a check is empty", Vec::new());
    }
    commands
}

pub(super) fn tick(merge: &mut Merge<'_>, options: &RunOptions) -> TickMode {
    let typed = options.no_tick.then_some(TickMode::Never);
    let read = |text: &str| match text {
        "auto" => Ok(TickMode::Auto),
        "never" => Ok(TickMode::Never),
        _ => Err(format!("`{text}` is neither `auto` nor `never`")),
    };
    merge.value_by("run.tick", "--no-tick", typed, read, |config| config.run.tick).unwrap_or_default()
}

pub(super) fn isolation(merge: &mut Merge<'_>, options: &RunOptions) -> Isolation {
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

pub(super) fn id_prefix(merge: &mut Merge<'_>, options: &RunOptions) -> String {
    let prefix = merge
        .text("run.id_prefix", options.id_prefix.clone(), |config| config.run.id_prefix.clone())
        .unwrap_or_default();
    if prefix.chars().any(|c| c.is_whitespace() || c.is_control()) {
        merge.problem("run.id_prefix", "an id prefix holds blanks or control characters", Vec::new());
    }
    prefix
}

pub(super) fn unknown_agent(name: &str, names: &[&str]) -> (String, Vec<String>) {
    let mut hints = Vec::new();
    if let Some(near) = suggest(name, names.iter().copied()) {
        hints.push(format!("did you mean `{near}`?"));
    }
    hints.push(format!("known agents: {}; describe another in `[agents.{name}]`", names.join(", ")));
    (format!("there is no agent `{name}`"), hints)
}

pub(super) fn agents(
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

pub(super) fn roles(merge: &mut Merge<'_>, names: &[&str]) -> BTreeMap<String, Role> {
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

pub(super) fn layers(merge: &mut Merge<'_>, names: &[&str]) -> Vec<Layer> {
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

pub(super) fn layer_bounds(
    merge: &mut Merge<'_>,
    options: &RunOptions,
    layers: &[Layer],
) -> (Option<u8>, Option<u8>) {
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

pub(super) fn allow_paid(merge: &mut Merge<'_>, options: &RunOptions) -> Option<String> {
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

pub(super) fn redis(merge: &mut Merge<'_>, common: &Common) -> Option<RedisAsked> {
    let of_file = |config: &Config| config.redis.as_ref()?.url.clone();
    let mut url = merge.text("redis.url", common.redis.clone(), |config| {
        let redis = config.redis.as_ref()?;
        (redis.url.is_some() || redis.required.is_some()).then(|| redis.url.clone().unwrap_or_default())
    })?;
    let origin = merge.origin("redis.url");
    if url.trim().is_empty() {
        // Who asks without an address means the one that is known.
        let variable = merge.sources().environment.get("ORCHESTRATE_REDIS_URL").cloned();
        let files = merge.files().into_iter().find_map(|(config, _)| of_file(config));
        url = variable.filter(|url| !url.trim().is_empty()).or(files).unwrap_or_default();
    }
    let required = merge.files().into_iter().find_map(|(config, _)| config.redis.as_ref()?.required);
    Some(RedisAsked { origin, url, required: required.unwrap_or(true) })
}

/// What a configuration may say and this version does not do: what only helps is a warning, what
/// protects is refused.
pub(super) fn not_in_this_version(merge: &mut Merge<'_>) {
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
        if config.workspace != workspace {
            let origin = Origin::of(config, is_project, "workspace");
            merge.warning(
                "not-in-this-version",
                format!("{origin}: `workspace` is set, and this version does nothing with it"),
                None,
            );
        }
    }
}

pub(super) fn project_word(configured: Option<&str>, root: &Path) -> String {
    let folder = || root.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = project_name(&configured.map(str::to_owned).or_else(folder).unwrap_or_default());
    if name.is_empty() { "project".to_owned() } else { name }
}

pub(super) fn fill_in_prefix(template: Option<&str>, project: &str) -> String {
    let template = match template {
        None => "{project}:",
        Some("mcp") => "project:{project}:",
        Some(template) => template,
    };
    template.replace("{project}", project)
}

/// Maps of both files together, the project's entries before the user's.
pub(super) fn overlay<T>(
    sources: &Sources<'_>,
    of: impl Fn(&Config) -> BTreeMap<String, T>,
) -> BTreeMap<String, T> {
    let mut map = sources.user.map(&of).unwrap_or_default();
    map.extend(sources.project.map(&of).unwrap_or_default());
    map
}

pub(super) fn reports(merge: &mut Merge<'_>, options: &RunOptions, directory: &Path) -> Vec<PathBuf> {
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
