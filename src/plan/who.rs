//! Who is meant by a name in a plan: a role of the configuration, or an agent.
//!
//! Names are looked up and never guessed. A plan may say more than the name (`Cline (orchestrator)`,
//! `OpenCode @researcher`, `Code mode`), so its parts are looked up where the whole is not known: what is
//! nearest to the work first.

use super::resolve::ResolveOptions;

/// Words that say what kind of thing a name is.
const KINDS: [&str; 5] = ["mode", "agent", "cli", "code", "režim"];

/// How many lines a hint lists.
const MOST_LINES: usize = 8;

/// The agent, and the layer at which it starts, that a name stands for.
pub(crate) fn find(name: &str, options: &ResolveOptions) -> Option<(Option<String>, Option<u8>)> {
    let role = |name: &str| {
        let same = |known: &str| same(known, name);
        let found = options.roles.iter().find(|(known, _)| same(known));
        found.map(|(_, role)| (Some(role.agent.clone()), role.layer))
    };
    let agent = |name: &str| {
        let found = options.agents.iter().find(|known| same(known, name));
        found.map(|known| (Some(known.clone()), None))
    };
    let any = |name: &str| role(name).or_else(|| agent(name));
    if let Some(found) = any(name) {
        return Some(found);
    }
    let words: Vec<&str> = name.split_whitespace().collect();
    // `Code mode` is `Code`, and `Kilo Code CLI` is `Kilo Code`, then `Kilo`.
    let mut core = words.as_slice();
    while let Some((last, before)) = core.split_last()
        && !before.is_empty()
        && KINDS.iter().any(|kind| same(kind, last))
    {
        core = before;
        if let Some(found) = any(&core.join(" ")) {
            return Some(found);
        }
    }
    let (first, others) = core.split_first()?;
    // `Kilo bmad-dev`: the agent is named, and with whom it is to be is nearer.
    let named = agent(first);
    let part = others.iter().find_map(|word| {
        if named.is_some() || word.starts_with('@') {
            role(word).or_else(|| any_at(word, &agent))
        } else {
            None
        }
    });
    part.or(named)
}

fn any_at<T>(word: &str, agent: &dyn Fn(&str) -> Option<T>) -> Option<T> {
    if word.starts_with('@') { agent(word) } else { None }
}

/// Names are compared without case and without the `@` before them.
fn same(known: &str, name: &str) -> bool {
    known.trim_start_matches('@').to_lowercase() == name.trim_start_matches('@').to_lowercase()
}

/// Lines for a hint: `3, 9, 12 and 4 more`.
pub(crate) fn listed(lines: &[u32]) -> String {
    let shown: Vec<String> = lines.iter().take(MOST_LINES).map(u32::to_string).collect();
    let more = lines.len().saturating_sub(MOST_LINES);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::resolve::Role;

    fn agent_of(name: &str) -> Option<String> {
        let role = |agent: &str| Role { agent: agent.to_owned(), layer: None };
        let options = ResolveOptions {
            agents: ["kilo", "cline", "opencode"].map(str::to_owned).into(),
            roles: [
                ("code", "kilo"),
                ("@researcher", "opencode"),
                ("bmad-dev", "cline"),
                ("Návrhář", "cline"),
            ]
            .map(|(name, agent)| (name.to_owned(), role(agent)))
            .into(),
            ..ResolveOptions::default()
        };
        find(name, &options).and_then(|(agent, _)| agent)
    }

    #[test]
    fn names_are_found_by_their_parts_and_never_guessed() {
        for (name, agent) in [
            ("Cline", Some("cline")),
            ("@cline", Some("cline")),
            ("Code mode", Some("kilo")),
            ("researcher", Some("opencode")),
            ("OpenCode @researcher", Some("opencode")),
            ("Kilo bmad-dev", Some("cline")),
            ("Kilo Code", Some("kilo")),
            ("Kilo CLI", Some("kilo")),
            ("Cline Orchestrator", Some("cline")),
            ("NÁVRHÁŘ", Some("cline")),
            ("mode", None),
            ("Groq", None),
            ("Researcher and codex", None),
            ("Kilocode", None),
            ("", None),
        ] {
            assert_eq!(agent_of(name).as_deref(), agent, "{name}");
        }
    }

    #[test]
    fn many_lines_are_cut() {
        assert_eq!(listed(&[3, 9]), "3, 9");
        assert_eq!(listed(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), "1, 2, 3, 4, 5, 6, 7, 8 and 2 more");
    }
}
