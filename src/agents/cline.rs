//! Cline CLI: how it is started.
//!
//! Written against `cline` 3.0.65. The task goes in on standard input, behind a fixed sentence as
//! the one argument, which standard input alone does not replace, and through a pipe: a file as
//! standard input is read as if it were empty. Everything it writes goes to a
//! data folder of the attempt's own, with the one login it needs copied there; a login that
//! refreshes itself is never copied, so such a run uses the user's own folder and has to be the
//! only one. It obeys an interrupt at once and a termination only when its command has ended.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::model::agent::AgentSpec;
use crate::model::command::{CommandSpec, FileToWrite, Input, Silence, StopSignal};
use crate::model::time::Span;

use super::environment::key_variables;
use super::{AdapterError, AttemptContext, found, model, program, text};

/// More than one word, or it would be taken for a subcommand.
const SENTENCE: &str = "Do the task that follows.";
/// Providers that are logged in to interactively, with a token that refreshes itself.
const INTERACTIVE: [&str; 3] = ["cline", "openai-codex", "oca"];

/// The provider whose address stands in the login. Without one it is another's well-known address.
pub(super) const ADDRESSED: &str = "openai-compatible";

/// After how long without a byte of its provider it gives up: the default of the runtime that is built
/// into it, which no option, setting or variable of this version changes.
const PROVIDER_WAIT: Span = Span::seconds(300);

/// Switches that keep it from updating itself and from leaving a daemon behind.
pub(super) const QUIET: [(&str, &str); 2] =
    [("CLINE_NO_AUTO_UPDATE", "1"), ("CLINE_SESSION_BACKEND_MODE", "local")];

/// Variables that lead it to files outside its data folder, which attempts would then share.
const PLACES: [&str; 9] = [
    "CLINE_CONNECTORS_DB_PATH",
    "CLINE_CRON_DB_PATH",
    "CLINE_DATA_DIR",
    "CLINE_DB_DATA_DIR",
    "CLINE_PROVIDER_SETTINGS_PATH",
    "CLINE_SANDBOX_DATA_DIR",
    "CLINE_SESSION_DATA_DIR",
    "CLINE_TASKS_DB_PATH",
    "CLINE_TEAM_DATA_DIR",
];

/// Where the login for an attempt comes from.
#[derive(Debug)]
enum Login {
    /// From the environment, or from nowhere: the data folder starts empty.
    Environment,
    /// From a key in the user's login file: this is the file for the data folder.
    Key(String),
    /// From the user's own folder, which cannot be copied.
    Shared,
}

/// How to start Cline.
pub(super) fn command(context: &AttemptContext<'_>) -> Result<CommandSpec, AdapterError> {
    let model = model(context)?;
    let provider = context.rung.provider.as_deref();
    let login = login(context.agent, provider, &context.environment, context.home)?;
    if provider == Some(ADDRESSED) && !matches!(login, Login::Key(_)) {
        return Err(AdapterError::NoLogin {
            agent: context.agent.name.clone(),
            provider: ADDRESSED.to_owned(),
        });
    }
    let mut args: Vec<String> = ["--json", "--auto-approve", "true"].map(str::to_owned).into();
    let mut folders = Vec::new();
    let mut files = Vec::new();
    let mut remove_after = Vec::new();
    let shared = matches!(login, Login::Shared);
    match login {
        Login::Shared => {}
        Login::Environment | Login::Key(_) => {
            args.extend(["--data-dir".to_owned(), text(context.data)]);
            folders.extend([context.data.to_owned(), context.data.join("settings")]);
            remove_after.push(context.data.to_owned());
        }
    }
    if let Login::Key(content) = login {
        files.push(FileToWrite { path: context.data.join("settings").join("providers.json"), content });
    }
    // Left out, those used last apply.
    if let Some(provider) = provider {
        args.extend(["-P".to_owned(), provider.to_owned()]);
    }
    if let Some(model) = model {
        args.extend(["-m".to_owned(), model.to_owned()]);
    }
    args.extend(["-c".to_owned(), text(context.workspace)]);
    args.extend(program::arguments(context)?);
    args.push(SENTENCE.to_owned());

    let mut env = context.environment.clone();
    for (name, value) in QUIET {
        env.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    // With any other backend a daemon stays behind, whoever asked for it.
    env.insert("CLINE_SESSION_BACKEND_MODE".to_owned(), "local".to_owned());
    env.remove("CLINE_RUN_AS_HUB_DAEMON");
    if !shared {
        env.retain(|name, _| !PLACES.contains(&name.as_str()));
    }
    env.insert("PWD".to_owned(), text(context.workspace));
    Ok(CommandSpec {
        program: found(context.agent)?,
        args,
        env,
        directory: context.workspace.to_owned(),
        input: Input::File(context.prompt_file.to_owned()),
        folders,
        files,
        remove_after,
        // It resumes nothing without a terminal.
        session_data: None,
        stop_signal: StopSignal::Interrupt,
        grace: Some(Span::seconds(3)),
        silence: Silence { provider: Some(PROVIDER_WAIT), ..Silence::default() },
        success_codes: context.agent.success_codes.clone(),
        completion: context.agent.completion,
    })
}

/// Whether an attempt has to use the user's own data folder. A login file that cannot be read is
/// taken for one that cannot be copied.
pub(super) fn shares_login(
    agent: &AgentSpec,
    provider: Option<&str>,
    environment: &BTreeMap<String, String>,
    home: Option<&Path>,
) -> bool {
    !matches!(login(agent, provider, environment, home), Ok(Login::Environment | Login::Key(_)))
}

fn login(
    agent: &AgentSpec,
    provider: Option<&str>,
    environment: &BTreeMap<String, String>,
    home: Option<&Path>,
) -> Result<Login, AdapterError> {
    let in_environment = provider
        .is_some_and(|provider| key_variables(provider).iter().any(|name| environment.contains_key(*name)));
    if in_environment {
        return Ok(Login::Environment);
    }
    let interactive = provider.is_none_or(|provider| INTERACTIVE.contains(&provider));
    let nothing = if interactive { Login::Shared } else { Login::Environment };
    let Some(path) = login_file(environment, home) else { return Ok(nothing) };
    let content = match std::fs::read_to_string(&path) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(nothing),
        Err(source) => return Err(AdapterError::Unreadable { path, source }),
    };
    let file: Value = serde_json::from_str(&content).map_err(|error| AdapterError::BadConfig {
        agent: agent.name.clone(),
        variable: text(&path),
        reason: error.to_string(),
    })?;
    let provider = provider.or_else(|| file["lastUsedProvider"].as_str());
    let entry = provider.map_or(&Value::Null, |provider| &file["providers"][provider]);
    let (Some(provider), true) = (provider, entry.is_object()) else { return Ok(nothing) };
    let settings = &entry["settings"];
    let refreshes = entry["tokenSource"] == "oauth" || settings["auth"].is_object();
    if refreshes {
        return Ok(Login::Shared);
    }
    if settings["apiKey"].as_str().is_none_or(str::is_empty) && INTERACTIVE.contains(&provider) {
        return Ok(Login::Shared);
    }
    if provider == ADDRESSED && settings["baseUrl"].as_str().is_none_or(str::is_empty) {
        return Ok(Login::Environment);
    }
    // The entry that is needed and no other.
    let copy = json!({
        "version": file["version"].as_u64().unwrap_or(1),
        "lastUsedProvider": provider,
        "modes": {},
        "providers": { provider: entry },
    });
    Ok(Login::Key(copy.to_string()))
}

/// The user's own login file, where Cline looks for it.
pub(super) fn login_file(environment: &BTreeMap<String, String>, home: Option<&Path>) -> Option<PathBuf> {
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = given("CLINE_PROVIDER_SETTINGS_PATH") {
        return Some(file);
    }
    let data = given("CLINE_DATA_DIR")
        .or_else(|| given("CLINE_DIR").map(|folder| folder.join("data")))
        .or_else(|| home.map(|home| home.join(".cline").join("data")))?;
    Some(data.join("settings").join("providers.json"))
}

/// Puts backticks round every word that begins with `@`. Cline takes such a word for a file to
/// attach and may end without a word of its own.
pub(super) fn escape(prompt: &str) -> String {
    let mut escaped = String::with_capacity(prompt.len() + 16);
    let mut rest = prompt;
    let mut after_blank = true;
    while let Some(character) = rest.chars().next() {
        if character == '@' && after_blank {
            let length = word_length(rest);
            if length > 1 {
                escaped.push('`');
                escaped.push_str(&rest[..length]);
                escaped.push('`');
                rest = &rest[length..];
                after_blank = false;
                continue;
            }
        }
        escaped.push(character);
        rest = &rest[character.len_utf8()..];
        after_blank = character.is_whitespace();
    }
    escaped
}

/// The bytes of the word at the start of a text, without the punctuation behind it.
fn word_length(text: &str) -> usize {
    let end = text.find(|c: char| c.is_whitespace() || c == '`').unwrap_or(text.len());
    text[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '*', '"', '\'']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_begin_with_an_at_sign_get_backticks() {
        for (text, escaped) in [
            ("@coder does it", "`@coder` does it"),
            ("ask @coder, then @README.md.", "ask `@coder`, then `@README.md`."),
            ("line\n@write x", "line\n`@write` x"),
            ("a@b.cz (@x) `@x` '@x'", "a@b.cz (@x) `@x` '@x'"),
            ("an @ alone, @@twice and @", "an @ alone, `@@twice` and @"),
            ("tab\t@žluťoučký kůň", "tab\t`@žluťoučký` kůň"),
            ("**@coder**", "**@coder**"),
            ("", ""),
        ] {
            assert_eq!(escape(text), escaped);
        }
    }
}
