//! What can be seen of an agent's logins without a request.
//!
//! Pure: the environment is an argument, and files are read through one. **Invariant:** what is
//! answered holds names of providers, variables and files, never a key. A key that is there may
//! still be refused by its provider: that is not asked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::key_variables;
use super::{cline, jsonc, kilo, opencode};
use crate::model::agent::{AdapterKind, AgentSpec};
use crate::model::doctor::LoginState;
use crate::model::layer::Layer;

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Absent,
    /// Something that cannot be read.
    Unreadable,
    /// This.
    Text(String),
}

/// What logins are looked for in.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The environment as the agent will get it: [`super::environment::child_environment`].
    pub environment: &'a BTreeMap<String, String>,
    /// The user's home folder.
    pub home: Option<&'a Path>,
    /// The project's root.
    pub root: &'a Path,
    /// Reads a file.
    pub read: &'a dyn Fn(&Path) -> Content,
}

impl Sources<'_> {
    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The first of the variables in which a provider's key is looked for. For a provider that is not
    /// known here it is the one that clients make of its name.
    fn key(&self, provider: &str) -> Option<String> {
        let known = key_variables(provider);
        let made = format!("{}_API_KEY", provider.to_uppercase().replace(['-', '.'], "_"));
        let made = known.is_empty().then_some(made.as_str());
        known.iter().copied().chain(made).find(|name| self.variable(name).is_some()).map(str::to_owned)
    }
}

/// What can be seen of one login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What.
    pub state: LoginState,
    /// Where it was seen: a variable, a file, or the providers where none was asked for.
    pub place: Option<String>,
}

impl Login {
    fn new(state: LoginState, place: impl Into<Option<String>>) -> Self {
        Self { state, place: place.into() }
    }

    fn at(state: LoginState, path: &Path) -> Self {
        Self::new(state, super::text(path))
    }
}

/// Providers whose clients log in by their own clouds' means, of which nothing is known here.
const CLOUDS: [&str; 4] = ["amazon-bedrock", "azure", "google-vertex", "google-vertex-anthropic"];

/// The provider that an agent's own logins know for a layer: what stands before the first slash of
/// the model where its models are written so, else the layer's.
pub fn login_provider<'a>(agent: &AgentSpec, layer: &'a Layer) -> &'a str {
    match agent.kind {
        AdapterKind::Kilo | AdapterKind::Opencode => {
            layer.model.split_once('/').map_or(layer.provider.as_str(), |(provider, _)| provider)
        }
        AdapterKind::Cline | AdapterKind::Command | AdapterKind::Program => layer.provider.as_str(),
    }
}

/// The call by which somebody logs in.
pub fn login_command(agent: &AgentSpec) -> Option<&'static str> {
    match agent.kind {
        AdapterKind::Kilo => Some("kilo auth login"),
        AdapterKind::Opencode => Some("opencode auth login"),
        AdapterKind::Cline => Some("cline auth"),
        AdapterKind::Command => None,
        AdapterKind::Program => match agent.name.as_str() {
            "claude" => Some("claude /login"),
            "codex" => Some("codex login"),
            "gemini" => Some("gemini, once, by hand"),
            _ => None,
        },
    }
}

/// What can be seen of an agent's login to `provider`; none: to whichever it takes by itself.
pub fn login(agent: &AgentSpec, provider: Option<&str>, sources: &Sources<'_>) -> Login {
    match agent.kind {
        AdapterKind::Kilo => opencode_login(&kilo::FLAVOUR, provider, sources),
        AdapterKind::Opencode => opencode_login(&opencode::FLAVOUR, provider, sources),
        AdapterKind::Cline => cline_login(provider, sources),
        AdapterKind::Command => Login::new(LoginState::NotNeeded, None),
        AdapterKind::Program => program_login(agent, provider, sources),
    }
}

fn opencode_login(flavour: &opencode::Flavour, provider: Option<&str>, sources: &Sources<'_>) -> Login {
    let (known, place, damaged) = match credentials(flavour, sources) {
        Credentials::None => (Value::Null, None, None),
        Credentials::Known(value, place) => (value, Some(place), None),
        Credentials::Damaged(place) => (Value::Null, None, Some(place)),
    };
    let Some(provider) = provider else {
        let names: Vec<&str> =
            known.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        return if names.is_empty() {
            Login::new(LoginState::Unknown, damaged)
        } else {
            Login::new(LoginState::Key, names.join(", "))
        };
    };
    match known[provider]["type"].as_str() {
        Some("oauth") => return Login::new(LoginState::Session, place),
        Some(_) => return Login::new(LoginState::Key, place),
        None => {}
    }
    if let Some(variable) = sources.key(provider) {
        return Login::new(LoginState::Key, variable);
    }
    if let Some(configured) = configured(flavour, provider, sources) {
        return configured;
    }
    if damaged.is_some() || CLOUDS.contains(&provider) {
        return Login::new(LoginState::Unknown, damaged);
    }
    // Read in OpenCode 1.18.33 and Kilo 7.7.7: without a key the provider `opencode` is asked with the
    // key `public` and keeps its models that cost nothing, `kilo` is asked as `anonymous`.
    match provider {
        "opencode" => Login::new(LoginState::NotNeeded, None),
        "kilo" if flavour.name == "kilo" => Login::new(LoginState::Anonymous, None),
        _ => Login::new(LoginState::Missing, None),
    }
}

/// The logins that OpenCode or a fork of it keeps.
enum Credentials {
    None,
    Known(Value, String),
    Damaged(String),
}

fn credentials(flavour: &opencode::Flavour, sources: &Sources<'_>) -> Credentials {
    let variable = format!("{}_AUTH_CONTENT", flavour.prefix);
    let read = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    // What is no JSON there is passed over, and the file counts.
    if let Some(value) = sources.variable(&variable).and_then(read) {
        return Credentials::Known(value, variable);
    }
    let Some(data) = folder(sources, Some("XDG_DATA_HOME"), ".local/share") else { return Credentials::None };
    let path = data.join(flavour.name).join("auth.json");
    match (sources.read)(&path) {
        Content::Absent => Credentials::None,
        Content::Unreadable => Credentials::Damaged(super::text(&path)),
        Content::Text(text) => match read(&text) {
            Some(value) => Credentials::Known(value, super::text(&path)),
            None => Credentials::Damaged(super::text(&path)),
        },
    }
}

/// What the agent's configuration says of a provider.
fn configured(flavour: &opencode::Flavour, provider: &str, sources: &Sources<'_>) -> Option<Login> {
    let content = format!("{}_CONFIG_CONTENT", flavour.prefix);
    let texts = sources.variable(&content).map(|text| (content.clone(), text.to_owned()));
    let files =
        configuration_files(flavour, sources).into_iter().filter_map(|path| match (sources.read)(&path) {
            Content::Text(text) => Some((super::text(&path), text)),
            Content::Absent | Content::Unreadable => None,
        });
    texts.into_iter().chain(files).find_map(|(place, text)| {
        let config = jsonc::read(&text).ok()?;
        let entry = config["provider"][provider].as_object()?;
        let options = entry.get("options").unwrap_or(&Value::Null);
        match options["apiKey"].as_str().map(str::trim).filter(|key| !key.is_empty()) {
            Some(key) => Some(match key.strip_prefix("{env:").and_then(|rest| rest.strip_suffix('}')) {
                Some(name) if sources.variable(name).is_none() => {
                    Login::new(LoginState::Missing, format!("{name}, which {place} asks for"))
                }
                Some(name) => Login::new(LoginState::Key, name.to_owned()),
                None => Login::new(LoginState::Key, place),
            }),
            // A server of one's own needs an address and no key.
            None if options["baseURL"].is_string() => Some(Login::new(LoginState::Configured, place)),
            None => None,
        }
    })
}

/// Where OpenCode or a fork of it looks for its configuration, what counts most first.
fn configuration_files(flavour: &opencode::Flavour, sources: &Sources<'_>) -> Vec<PathBuf> {
    let names: &[&str] = match flavour.name {
        "kilo" => &["kilo.jsonc", "kilo.json", "opencode.jsonc", "opencode.json", "config.json"],
        _ => &["opencode.jsonc", "opencode.json", "config.json"],
    };
    let own = format!(".{}", flavour.name);
    let mut files: Vec<PathBuf> =
        sources.variable(&format!("{}_CONFIG", flavour.prefix)).map(PathBuf::from).into_iter().collect();
    let mut add = |folder: PathBuf, names: &[&str]| {
        files.extend(names.iter().map(|name| folder.join(name)));
    };
    let project: Vec<&str> = names.iter().copied().filter(|name| *name != "config.json").collect();
    add(sources.root.join(&own), &project);
    add(sources.root.to_owned(), &project);
    if let Some(folder) = folder(sources, Some("XDG_CONFIG_HOME"), ".config") {
        add(folder.join(flavour.name), names);
    }
    files
}

fn folder(sources: &Sources<'_>, variable: Option<&str>, below_home: &str) -> Option<PathBuf> {
    let named = variable.and_then(|variable| sources.variable(variable)).map(PathBuf::from);
    // Part by part, so that what is shown has the separators of the system.
    let below = |home: &Path| below_home.split('/').fold(home.to_owned(), |path, part| path.join(part));
    named.or_else(|| sources.home.map(below))
}

fn cline_login(provider: Option<&str>, sources: &Sources<'_>) -> Login {
    if let Some(variable) = provider.and_then(|provider| sources.key(provider)) {
        return Login::new(LoginState::Key, variable);
    }
    let path = cline::login_file(sources.environment, sources.home);
    let Some(path) = path else { return Login::new(LoginState::Unknown, None) };
    let text = match (sources.read)(&path) {
        Content::Absent => return Login::new(LoginState::Missing, None),
        Content::Unreadable => return Login::at(LoginState::Unknown, &path),
        Content::Text(text) => text,
    };
    let Ok(file) = serde_json::from_str::<Value>(&text) else {
        return Login::at(LoginState::Unknown, &path);
    };
    let Some(provider) = provider.or_else(|| file["lastUsedProvider"].as_str()) else {
        return Login::new(LoginState::Missing, None);
    };
    let entry = &file["providers"][provider];
    let settings = &entry["settings"];
    let given = |name: &str| settings[name].as_str().is_some_and(|value| !value.trim().is_empty());
    if entry["tokenSource"] == "oauth" || settings["auth"].is_object() {
        return Login::at(LoginState::Session, &path);
    }
    match (given("apiKey"), given("baseUrl")) {
        // Without an address this one would send its prompts to somebody else.
        (true, false) if provider == cline::ADDRESSED => Login::new(LoginState::Missing, None),
        (true, _) => Login::at(LoginState::Key, &path),
        (false, true) => Login::at(LoginState::Configured, &path),
        (false, false) => Login::new(LoginState::Missing, None),
    }
}

/// The files in which the presets keep their logins, after their makers' documents: the name of the
/// agent, a variable that may name the folder, that folder below the home, the file.
const LOGIN_FILES: [(&str, Option<&str>, &str, &str); 3] = [
    ("claude", Some("CLAUDE_CONFIG_DIR"), ".claude", ".credentials.json"),
    ("codex", Some("CODEX_HOME"), ".codex", "auth.json"),
    ("gemini", None, ".gemini", "oauth_creds.json"),
];

fn program_login(agent: &AgentSpec, provider: Option<&str>, sources: &Sources<'_>) -> Login {
    if let Some(variable) = provider.and_then(|provider| sources.key(provider)) {
        return Login::new(LoginState::Key, variable);
    }
    let known = LOGIN_FILES.iter().find(|(name, ..)| *name == agent.name);
    let file =
        known.and_then(|(_, variable, below, file)| Some(folder(sources, *variable, below)?.join(file)));
    match file.filter(|file| (sources.read)(file) != Content::Absent) {
        Some(file) => Login::at(LoginState::Session, &file),
        // A keychain may have it.
        None => Login::new(LoginState::Unknown, None),
    }
}

#[cfg(test)]
mod tests;
