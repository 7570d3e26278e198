//! OpenCode, and what Kilo has in common with it: how they are started.
//!
//! Written against `opencode-ai` 1.18.33. The prompt goes in on standard input, which has to end.
//! Attempts are kept apart by a database file each, so that the user's logins, toolchains and
//! settings stay what they are. A session lives in that file: with the same file, `-s` and its id it
//! goes on with the whole conversation, also one that was killed in the midst of a tool. Every ask is answered by `--auto`, since nobody is there to answer;
//! what the user's own rules deny stays denied.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::model::command::{CommandSpec, Input, Silence, StopSignal};
use crate::model::time::Span;

use super::opencode_own::Own;
use super::{AdapterError, AttemptContext, found, jsonc, model, program, text};

/// In what OpenCode and its forks differ.
#[derive(Debug)]
pub(super) struct Flavour {
    /// Its name as a command.
    pub(super) name: &'static str,
    /// What its variables begin with.
    pub(super) prefix: &'static str,
    /// Its agent that acts; other ones deny edits, and an unknown one is no error.
    pub(super) acting: &'static str,
    /// Switches that keep it from updating itself, from leaving processes and from talking to others.
    pub(super) quiet: &'static [(&'static str, &'static str)],
    /// Words of its error lines on standard error by which it says that it was called wrongly.
    pub(super) usage: &'static [&'static str],
}

/// OpenCode itself. The list of models and the plugins that log in are left on: without them a
/// user's provider may be unknown.
pub(super) const FLAVOUR: Flavour = Flavour {
    name: "opencode",
    prefix: "OPENCODE",
    acting: "build",
    quiet: &[("OPENCODE_DISABLE_AUTOUPDATE", "1"), ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1")],
    usage: &["opencode run [message..]"],
};

/// What one of them puts into the environment of its tools: one that is started there would take
/// itself for a part of the other.
const OUTER: [&str; 6] = [
    "OPENCODE_PID",
    "OPENCODE_RUN_ID",
    "OPENCODE_PROCESS_ROLE",
    "KILO_PID",
    "KILO_RUN_ID",
    "KILO_PROCESS_ROLE",
];

/// The longest that it may wait for an answer to begin or to go on, in milliseconds: its own default.
const LONGEST_WAIT_MS: u128 = 300_000;

/// The provider's options that bound its waiting.
const WAITS: [&str; 2] = ["headerTimeout", "chunkTimeout"];

/// What it uses of a processor while it waits for its provider, in thousandths: 47 were measured of
/// OpenCode and 65 of Kilo over four minutes, and up to 110 over twenty seconds.
const IDLE_LOAD: u32 = 150;

/// How to start OpenCode or a fork of it.
pub(super) fn command(flavour: &Flavour, context: &AttemptContext<'_>) -> Result<CommandSpec, AdapterError> {
    let model = model(context)?;
    let mut args: Vec<String> = ["run", "--format", "json", "--print-logs", "--log-level", "ERROR", "--auto"]
        .map(str::to_owned)
        .into();
    if let Some(model) = model {
        args.extend(["-m".to_owned(), model.to_owned()]);
    }
    args.extend(["--agent".to_owned(), flavour.acting.to_owned()]);
    args.extend(["--title".to_owned(), program::title(context)]);
    if let Some(session) = context.session {
        args.extend(["-s".to_owned(), session.to_owned()]);
    }
    args.extend(program::arguments(context)?);

    let mut env = context.environment.clone();
    env.retain(|name, _| !OUTER.contains(&name.as_str()) || context.agent.env.contains_key(name));
    for &(name, value) in flavour.quiet {
        env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    let variable = format!("{}_CONFIG_CONTENT", flavour.prefix);
    let (config, provider) =
        configuration(flavour, context, &variable, env.get(&variable).map(String::as_str))?;
    env.insert(variable, config);
    let database = format!("{}_DB", flavour.prefix);
    if !context.agent.env.contains_key(&database) {
        let file = context.data.join(format!("{}.db", flavour.name));
        if let Some(session) = context.session.filter(|_| !file.is_file()) {
            return Err(AdapterError::SessionGone {
                agent: context.agent.name.clone(),
                session: session.to_owned(),
            });
        }
        env.insert(database, text(&file));
    }
    env.insert("PWD".to_owned(), text(context.workspace));

    Ok(CommandSpec {
        program: found(context.agent)?,
        args,
        env,
        directory: context.workspace.to_owned(),
        input: Input::File(context.prompt_file.to_owned()),
        folders: vec![context.data.to_owned()],
        files: Vec::new(),
        remove_after: Vec::new(),
        session_data: Some(context.data.to_owned()),
        stop_signal: StopSignal::Terminate,
        grace: None,
        silence: Silence { provider, idle_load: IDLE_LOAD },
        success_codes: context.agent.success_codes.clone(),
        completion: context.agent.completion,
    })
}

/// The configuration that is given by a variable: what the user put there, with bounds on waiting
/// for the provider and with leave to write into the folder of the completion; and the longest that it
/// then waits.
fn configuration(
    flavour: &Flavour,
    context: &AttemptContext<'_>,
    variable: &str,
    given: Option<&str>,
) -> Result<(String, Option<Span>), AdapterError> {
    let bad = |reason: String| AdapterError::BadConfig {
        agent: context.agent.name.clone(),
        variable: variable.to_owned(),
        reason,
    };
    // Kilo passes over a broken one in silence, and then does not know the model.
    let mut config = match given.filter(|given| !given.trim().is_empty()) {
        Some(given) => jsonc::read(given).map_err(|error| bad(error.to_string()))?,
        None => json!({}),
    };
    if !config.is_object() {
        return Err(bad("it holds another kind of value".to_owned()));
    }
    let own = Own::read(flavour, context);
    let wait = (context.idle_timeout.0.as_millis() / 2).clamp(1_000, LONGEST_WAIT_MS);
    let wait = u64::try_from(wait).unwrap_or(u64::MAX);
    let bounds: Vec<&str> = WAITS.into_iter().filter(|name| !own.speaks_of(name)).collect();
    let mut waits: Vec<Option<u64>> = WAITS.iter().flat_map(|name| own.milliseconds(name)).collect();
    for provider in providers(context, &config) {
        let options = object_at(&mut config, &["provider", &provider, "options"])
            .ok_or_else(|| bad(format!("`provider.{provider}.options` is no object")))?;
        for &name in &bounds {
            options.entry(name).or_insert_with(|| json!(wait));
        }
        waits.extend(
            WAITS.iter().filter_map(|name| Some(options.get(*name)?.as_u64().filter(|&wait| wait > 0))),
        );
    }
    // One that is switched off bounds nothing.
    let longest = waits.into_iter().collect::<Option<Vec<u64>>>().and_then(|waits| waits.into_iter().max());
    let longest = longest.map(|wait| Span(Duration::from_millis(wait)));
    // Nobody goes back in a session that is thrown away, and attempts in one checkout would share
    // the repository of these.
    if let Some(config) = config.as_object_mut()
        && !own.speaks_of("snapshot")
    {
        config.entry("snapshot").or_insert(json!(false));
    }
    // As a rule of the agent, not of all: it comes after the user's rules and so adds to them, where
    // one at the top would take their place.
    if let Some(folder) = context.completion.parent() {
        // `{env:…}` and `{file:…}` are filled in before the configuration is read; `?` stands for any
        // character.
        let pattern = format!("{}/*", text(folder).replace('\\', "/").replace('{', "?"));
        let path = ["agent", flavour.acting, "permission"];
        let rules = object_at(&mut config, &path)
            .ok_or_else(|| bad(format!("`agent.{}.permission` is no object", flavour.acting)))?;
        let outside = rules.entry("external_directory").or_insert_with(|| json!({}));
        if let Value::String(word) = outside {
            *outside = json!({ "*": word });
        }
        if let Value::Object(outside) = outside {
            outside.insert(pattern, json!("allow"));
        }
    }
    Ok((config.to_string(), longest))
}

/// The providers that may be asked, as far as it can be told: that of the model, those of the models
/// that the given configuration names, and those that it describes.
fn providers(context: &AttemptContext<'_>, config: &Value) -> BTreeSet<String> {
    let agents = config["agent"].as_object().into_iter().flat_map(|agents| agents.values());
    let models = [config["model"].as_str(), config["small_model"].as_str()]
        .into_iter()
        .chain(agents.map(|agent| agent["model"].as_str()))
        .flatten()
        .chain(context.rung.model.as_deref());
    let described = config["provider"].as_object().into_iter().flat_map(|providers| providers.keys());
    models
        .filter_map(|model| model.split_once('/'))
        .map(|(provider, _)| provider.to_owned())
        .chain(described.cloned())
        .collect()
}

/// The object at a path, made where it is missing; none if something else is in the way.
fn object_at<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    let mut here = value.as_object_mut()?;
    for &name in path {
        here = here.entry(name).or_insert_with(|| json!({})).as_object_mut()?;
    }
    Some(here)
}
