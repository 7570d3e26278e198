use std::collections::BTreeMap;

use super::*;
use crate::agents::presets;
use crate::model::layer::default_layers;

/// Files and variables that were made up.
#[derive(Default)]
struct World {
    files: BTreeMap<PathBuf, Content>,
    variables: BTreeMap<String, String>,
}

impl World {
    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(PathBuf::from(path), Content::Text(text.to_owned()));
        self
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn login(&self, agent: &str, provider: Option<&str>) -> Login {
        let agent = presets::builtin().into_iter().find(|known| known.name == agent).unwrap();
        let read = |path: &Path| self.files.get(path).cloned().unwrap_or(Content::Absent);
        let sources = Sources {
            environment: &self.variables,
            home: Some(Path::new("/home/u")),
            root: Path::new("/root"),
            read: &read,
        };
        let mut login = login(&agent, provider, &sources);
        // Written as in the tables here, whatever the separators of the system are.
        login.place = login.place.map(|place| if cfg!(windows) { place.replace('\\', "/") } else { place });
        login
    }

    fn state(&self, agent: &str, provider: &str) -> LoginState {
        self.login(agent, Some(provider)).state
    }
}

const AUTH: &str = r#"{
    "openai": {"type": "oauth", "refresh": "sk-secret-r", "access": "sk-secret-a", "expires": 0},
    "groq": {"type": "api", "key": "sk-secret-k"}
}"#;

#[test]
fn logins_that_are_kept_are_seen_and_no_key_is_told() {
    for (agent, place) in [
        ("opencode", "/home/u/.local/share/opencode/auth.json"),
        ("kilo", "/home/u/.local/share/kilo/auth.json"),
    ] {
        let world = World::default().file(place, AUTH);
        let openai = world.login(agent, Some("openai"));
        assert_eq!(openai, Login::new(LoginState::Session, place.to_owned()));
        assert_eq!(world.state(agent, "groq"), LoginState::Key);
        assert_eq!(world.state(agent, "xai"), LoginState::Missing);
        assert_eq!(world.login(agent, None), Login::new(LoginState::Key, "groq, openai".to_owned()));
        assert!(!format!("{openai:?}").contains("secret"));
    }
    let moved = World::default().set("XDG_DATA_HOME", "/data").file("/data/opencode/auth.json", AUTH);
    assert_eq!(moved.state("opencode", "groq"), LoginState::Key);
    assert_eq!(moved.state("kilo", "groq"), LoginState::Missing);
    let given = World::default().set("OPENCODE_AUTH_CONTENT", AUTH);
    let groq = given.login("opencode", Some("groq"));
    assert_eq!(groq, Login::new(LoginState::Key, "OPENCODE_AUTH_CONTENT".to_owned()));
}

#[test]
fn a_key_in_the_environment_is_named_by_its_variable() {
    let world =
        World::default().set("GROQ_API_KEY", "sk-secret").set("MY_LAB_API_KEY", "x").set("XAI_API_KEY", " ");
    assert_eq!(world.login("opencode", Some("groq")), Login::new(LoginState::Key, "GROQ_API_KEY".to_owned()));
    assert_eq!(world.state("kilo", "my-lab"), LoginState::Key);
    assert_eq!(world.state("opencode", "xai"), LoginState::Missing);
    assert_eq!(world.state("opencode", "openai"), LoginState::Missing);
    assert_eq!(world.state("cline", "groq"), LoginState::Key);
    assert_eq!(world.state("codex", "openai"), LoginState::Unknown);
    assert_eq!(World::default().set("OPENAI_API_KEY", "k").state("codex", "openai"), LoginState::Key);
}

#[test]
fn what_answers_without_a_login_needs_none() {
    let world = World::default();
    assert_eq!(world.state("opencode", "opencode"), LoginState::NotNeeded);
    assert_eq!(world.state("kilo", "opencode"), LoginState::NotNeeded);
    assert_eq!(world.state("kilo", "kilo"), LoginState::Anonymous);
    assert_eq!(world.state("opencode", "kilo"), LoginState::Missing);
    assert_eq!(world.state("opencode", "amazon-bedrock"), LoginState::Unknown);
    assert_eq!(world.state("command", "openai"), LoginState::NotNeeded);
}

#[test]
fn providers_of_the_configuration_are_seen() {
    let config = r#"{
        // mine
        "provider": {
            "keyed": {"options": {"apiKey": "sk-secret", "baseURL": "https://e/v1"}},
            "local": {"options": {"baseURL": "http://127.0.0.1:11434/v1"}},
            "named": {"options": {"apiKey": "{env:LAB_KEY}"}},
            "models-only": {"models": {}},
        }
    }"#;
    let place = "/home/u/.config/opencode/opencode.jsonc";
    let world = World::default().file(place, config);
    assert_eq!(world.login("opencode", Some("keyed")), Login::new(LoginState::Key, place.to_owned()));
    assert_eq!(world.state("opencode", "local"), LoginState::Configured);
    assert_eq!(world.state("opencode", "models-only"), LoginState::Missing);
    let named = world.login("opencode", Some("named"));
    assert_eq!(named.state, LoginState::Missing);
    assert!(named.place.unwrap().starts_with("LAB_KEY, which "));
    assert_eq!(world.set("LAB_KEY", "k").state("opencode", "named"), LoginState::Key);

    let given =
        World::default().set("KILO_CONFIG_CONTENT", config).file("/root/kilo.json", "{\"provider\": 3}");
    assert_eq!(given.state("kilo", "local"), LoginState::Configured);
    let named = World::default().set("OPENCODE_CONFIG", "/etc/oc.json").file("/etc/oc.json", config);
    assert_eq!(named.state("opencode", "keyed"), LoginState::Key);
    let project = World::default().file("/root/.kilo/kilo.json", config);
    assert_eq!(project.state("kilo", "keyed"), LoginState::Key);
    assert_eq!(project.state("opencode", "keyed"), LoginState::Missing);
}

#[test]
fn a_damaged_file_is_named_and_nothing_is_concluded() {
    let place = "/home/u/.local/share/opencode/auth.json";
    let world = World::default().file(place, "{\"openai\": {");
    assert_eq!(world.login("opencode", Some("openai")), Login::new(LoginState::Unknown, place.to_owned()));
    // What needs none does so all the same.
    let mut world = World::default();
    world.files.insert(PathBuf::from(place), Content::Unreadable);
    assert_eq!(world.state("opencode", "groq"), LoginState::Unknown);
    let place = "/home/u/.cline/data/settings/providers.json";
    let world = World::default().file(place, "[");
    assert_eq!(world.login("cline", Some("cline")), Login::new(LoginState::Unknown, place.to_owned()));
}

#[test]
fn clines_logins_are_told_apart() {
    let file = r#"{"version": 1, "lastUsedProvider": "groq", "providers": {
        "cline": {"settings": {"provider": "cline", "auth": {"accessToken": "sk-secret"}}, "tokenSource": "oauth"},
        "groq": {"settings": {"provider": "groq", "apiKey": "sk-secret"}, "tokenSource": "manual"},
        "ollama": {"settings": {"provider": "ollama", "baseUrl": "http://127.0.0.1:11434"}},
        "openai-compatible": {"settings": {"provider": "openai-compatible", "apiKey": "sk-secret"}},
        "xai": {"settings": {"provider": "xai", "apiKey": ""}}
    }}"#;
    let world = World::default().file("/home/u/.cline/data/settings/providers.json", file);
    for (provider, state) in [
        ("cline", LoginState::Session),
        ("groq", LoginState::Key),
        ("ollama", LoginState::Configured),
        ("openai-compatible", LoginState::Missing),
        ("xai", LoginState::Missing),
        ("anthropic", LoginState::Missing),
    ] {
        assert_eq!(world.state("cline", provider), state, "{provider}");
    }
    assert_eq!(world.login("cline", None).state, LoginState::Key);
    assert_eq!(World::default().state("cline", "cline"), LoginState::Missing);
}

#[test]
fn presets_may_have_a_login_that_cannot_be_seen() {
    let world = World::default().file("/home/u/.codex/auth.json", "{}");
    assert_eq!(world.login("codex", Some("openai")).state, LoginState::Session);
    assert_eq!(world.login("agy", Some("google")).state, LoginState::Unknown);
    let moved = World::default().set("CODEX_HOME", "/c").file("/c/auth.json", "{}");
    assert_eq!(moved.login("codex", None).place.as_deref(), Some("/c/auth.json"));
}

#[test]
fn the_provider_of_a_login_is_what_the_agent_calls_it() {
    let agents = presets::builtin();
    let told: Vec<&str> = default_layers()
        .iter()
        .map(|layer| {
            let agent = agents.iter().find(|agent| agent.name == layer.agent).unwrap();
            login_provider(agent, Box::leak(Box::new(layer.clone())))
        })
        .collect();
    assert_eq!(told, ["google", "opencode", "kilo", "cline", "openrouter", "openai", "groq"]);
    for agent in agents.iter().filter(|agent| agent.proved && agent.name != "command") {
        assert!(login_command(agent).unwrap().starts_with(&agent.name));
    }
}
