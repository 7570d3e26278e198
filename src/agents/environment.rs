//! What of the caller's environment an agent gets to see (contract 7).
//!
//! Pure: the environment is an argument. An agent gets all of it, `HOME` and toolchains included,
//! less our own variables, `REDIS_*`, and what is shaped like a secret; but it keeps the keys that
//! its provider needs and those that its configuration names.

use std::collections::BTreeMap;

use crate::model::agent::{AgentSpec, PassEnv};
use crate::model::run::ProviderSpec;

/// The environment of an agent, and what was left out of the caller's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChildEnvironment {
    /// What the agent gets.
    pub variables: BTreeMap<String, String>,
    /// The names that were taken away, sorted. Our own variables are not among them.
    pub removed: Vec<String>,
}

/// Endings of names that are shaped like secrets.
const SECRET_ENDINGS: [&str; 6] = ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_CREDENTIALS", "_DSN"];

/// Whether the name of a variable is shaped like that of a secret.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// The variables in which the clients of a well-known provider look for its key.
pub fn key_variables(provider: &str) -> &'static [&'static str] {
    match provider {
        "anthropic" => &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"],
        "cline" => &["CLINE_API_KEY"],
        "deepseek" => &["DEEPSEEK_API_KEY"],
        "google" | "gemini" => &["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"],
        "groq" => &["GROQ_API_KEY"],
        "kilo" => &["KILO_API_KEY", "KILOCODE_TOKEN"],
        "mistral" => &["MISTRAL_API_KEY"],
        "openai" => &["OPENAI_API_KEY", "CODEX_API_KEY"],
        "opencode" => &["OPENCODE_API_KEY"],
        "openrouter" => &["OPENROUTER_API_KEY"],
        "xai" => &["XAI_API_KEY"],
        _ => &[],
    }
}

/// What names the key that an agent needs for `provider` (see [`child_environment`]): the variable
/// that the configuration names, else the provider itself; for an agent outside the hierarchy the
/// provider that its program is made for.
pub fn provider_key<'a>(
    agent: &AgentSpec,
    provider: Option<&'a str>,
    known: &'a BTreeMap<String, ProviderSpec>,
) -> Option<&'a str> {
    let provider = provider.or(match agent.name.as_str() {
        "claude" => Some("anthropic"),
        "codex" => Some("openai"),
        "gemini" | "agy" => Some("google"),
        _ => None,
    })?;
    Some(known.get(provider).and_then(|spec| spec.key_env.as_deref()).unwrap_or(provider))
}

/// Makes an agent's environment of the caller's.
///
/// `provider_key` names the variable with the key that its provider needs, or the provider itself,
/// whose usual variables are then meant (see [`key_variables`]). The agent's own `env` is put on
/// top, whatever its names look like: somebody wrote it down for just this agent.
pub fn child_environment(
    caller: &BTreeMap<String, String>,
    agent: &AgentSpec,
    provider_key: Option<&str>,
) -> ChildEnvironment {
    let mut child = ChildEnvironment::default();
    for (name, value) in caller {
        let upper = name.to_ascii_uppercase();
        if upper.starts_with("ORCHESTRATE_") {
            continue;
        }
        let stays = if upper.starts_with("REDIS_") {
            // A person may name one of these, but "all of them" is not said of the store's password.
            named(&agent.pass_env, name)
        } else if is_secret_name(name) {
            agent.pass_env.allows(name) || provider_key.is_some_and(|key| is_key_of(key, &upper))
        } else {
            true
        };
        if stays {
            child.variables.insert(name.clone(), value.clone());
        } else {
            child.removed.push(name.clone());
        }
    }
    child.variables.extend(agent.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    child.removed.retain(|name| !agent.env.contains_key(name));
    child
}

fn named(pass: &PassEnv, name: &str) -> bool {
    match pass {
        PassEnv::All(_) => false,
        PassEnv::Names(_) => pass.allows(name),
    }
}

fn is_key_of(key: &str, upper: &str) -> bool {
    key.to_ascii_uppercase() == upper || key_variables(key).contains(&upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::presets;
    use crate::model::agent::AllNames;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn agent() -> AgentSpec {
        presets::builtin().into_iter().find(|agent| agent.name == "opencode").unwrap()
    }

    const CALLER: [(&str, &str); 9] = [
        ("HOME", "/home/u"),
        ("ORCHESTRATE_RUN", "outer"),
        ("REDIS_URL", "redis://x"),
        ("OPENAI_API_KEY", "k1"),
        ("GH_TOKEN", "k2"),
        ("app_password", "k3"),
        ("SENTRY_DSN", "k4"),
        ("PATH", "/bin"),
        ("KEYBOARD", "cz"),
    ];

    fn kept(child: &ChildEnvironment) -> Vec<&str> {
        child.variables.keys().map(String::as_str).collect()
    }

    #[test]
    fn secrets_and_our_own_variables_stay_behind() {
        let child = child_environment(&environment(&CALLER), &agent(), None);
        assert_eq!(kept(&child), ["HOME", "KEYBOARD", "PATH"]);
        assert_eq!(child.removed, ["GH_TOKEN", "OPENAI_API_KEY", "REDIS_URL", "SENTRY_DSN", "app_password"]);
    }

    #[test]
    fn what_the_provider_needs_passes_by_variable_or_by_provider() {
        for key in ["OPENAI_API_KEY", "openai"] {
            let child = child_environment(&environment(&CALLER), &agent(), Some(key));
            assert!(child.variables.contains_key("OPENAI_API_KEY"), "{key}");
            assert!(!child.variables.contains_key("GH_TOKEN"), "{key}");
        }
    }

    #[test]
    fn the_key_is_that_of_the_configuration_or_of_the_provider() {
        let mut known = BTreeMap::new();
        assert_eq!(provider_key(&agent(), Some("openrouter"), &known), Some("openrouter"));
        assert_eq!(provider_key(&agent(), None, &known), None);
        let claude = AgentSpec { name: "claude".to_owned(), ..agent() };
        assert_eq!(provider_key(&claude, None, &known), Some("anthropic"));
        let spec = ProviderSpec { key_env: Some("MY_KEY".to_owned()), ..ProviderSpec::default() };
        known.insert("openrouter".to_owned(), spec);
        assert_eq!(provider_key(&agent(), Some("openrouter"), &known), Some("MY_KEY"));
    }

    #[test]
    fn named_ones_pass_and_all_of_them_leaves_the_store_alone() {
        let mut agent = agent();
        agent.pass_env = PassEnv::Names(vec!["GH_TOKEN".to_owned(), "REDIS_URL".to_owned()]);
        let child = child_environment(&environment(&CALLER), &agent, None);
        assert_eq!(kept(&child), ["GH_TOKEN", "HOME", "KEYBOARD", "PATH", "REDIS_URL"]);

        agent.pass_env = PassEnv::All(AllNames::All);
        let child = child_environment(&environment(&CALLER), &agent, None);
        assert_eq!(child.removed, ["REDIS_URL"]);
    }

    #[test]
    fn the_agents_own_variables_win() {
        let mut agent = agent();
        agent.env = environment(&[("SENTRY_DSN", "mine"), ("HOME", "/elsewhere")]);
        let child = child_environment(&environment(&CALLER), &agent, None);
        assert_eq!(child.variables["SENTRY_DSN"], "mine");
        assert_eq!(child.variables["HOME"], "/elsewhere");
        assert!(!child.removed.contains(&"SENTRY_DSN".to_owned()));
    }
}
