//! What is to be said of one agent. Pure: facts in, an entry of the document out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::probe::{Answer, End};
use crate::agents::login::login_command;
use crate::agents::versions::{self, Standing, Version, install_command, known_fault, standing};
use crate::model::agent::{AdapterKind, AgentSpec};
use crate::model::doctor::{DoctorAgent, DoctorLogin, DoctorNote, Health, LoginState, VersionStanding};
use crate::report::text::{self, bytes, ranges};

/// What was found of an agent.
#[derive(Debug, Clone)]
pub(super) struct AgentFacts<'a> {
    /// The agent, with `found` filled in.
    pub(super) spec: &'a AgentSpec,
    /// Where its program was found, which may be a script that starts it.
    pub(super) found: Option<PathBuf>,
    /// What it was installed by.
    pub(super) source: Option<&'static str>,
    /// The layers that name it.
    pub(super) layers: Vec<u8>,
    /// What it has to log in to.
    pub(super) logins: Vec<DoctorLogin>,
    /// Whether its login cannot be separated.
    pub(super) one_at_a_time: bool,
    /// What it said when it was asked for its version; none: it was not asked.
    pub(super) answer: Option<&'a Answer>,
    /// Bytes of memory that are free.
    pub(super) memory_available: Option<u64>,
}

/// What is to be said of it.
pub(super) fn judge(facts: &AgentFacts<'_>) -> DoctorAgent {
    let spec = facts.spec;
    let version = facts.answer.and_then(said_version);
    let mut notes = Vec::new();
    let mut usable = spec.is_installed();
    if !usable {
        notes.push(not_installed(facts));
    } else if let Some(answer) = facts.answer
        && let Some(fault) = fault_of_answer(facts, answer, version.as_ref())
    {
        usable &= fault.health != Health::Error;
        notes.push(fault);
    }
    if let Some(fault) = version.as_ref().and_then(|version| known_fault(spec.kind, version)) {
        usable &= !fault.fatal;
        let health = if fault.fatal { Health::Error } else { Health::Warning };
        notes.push(with_install(DoctorNote::new(health, fault.reason), spec));
    }
    let standing = version.as_ref().map_or(VersionStanding::Unknown, |version| stands(spec.kind, version));
    if usable {
        notes.extend(what_is_well(facts, standing));
        notes.extend(doubtful_logins(spec, &facts.logins));
        notes.extend(short_memory(facts));
    }
    notes.sort_by_key(|note| std::cmp::Reverse(note.health));
    DoctorAgent {
        name: spec.name.clone(),
        health: notes.iter().map(|note| note.health).max().unwrap_or_default(),
        usable,
        version: version.map(|version| version.to_string()),
        standing,
        proved_version: versions::proved(spec.kind).map(|version| version.to_string()),
        source: facts.source.map(str::to_owned),
        found: facts.found.clone(),
        program: spec.found.clone(),
        layers: facts.layers.clone(),
        logins: facts.logins.clone(),
        one_at_a_time: facts.one_at_a_time,
        memory: spec.memory,
        notes,
    }
}

/// The version in an answer that ended well; some print it on standard error. One that was said
/// counts even if no end came.
fn said_version(answer: &Answer) -> Option<Version> {
    let version = |lines: &[String]| lines.iter().find_map(|line| Version::find(line));
    match answer.end {
        End::Exited(0) => version(&answer.stdout).or_else(|| version(&answer.stderr)),
        End::TimedOut(_) => version(&answer.stdout),
        End::Exited(_) | End::Otherwise(_) | End::NotAsked(_) => None,
    }
}

fn stands(kind: AdapterKind, version: &Version) -> VersionStanding {
    match standing(kind, version) {
        Standing::Proved => VersionStanding::Proved,
        Standing::Newer => VersionStanding::Newer,
        Standing::Older => VersionStanding::Older,
        Standing::NotProved => VersionStanding::NotProved,
    }
}

fn not_installed(facts: &AgentFacts<'_>) -> DoctorNote {
    let text = match facts.layers.as_slice() {
        [] => "not installed".to_owned(),
        [layer] => format!("layer {layer} is left out"),
        layers => format!("layers {} are left out", ranges(layers)),
    };
    with_install(DoctorNote::new(Health::Error, text), facts.spec)
}

fn with_install(note: DoctorNote, spec: &AgentSpec) -> DoctorNote {
    let command = install_command(spec);
    // Installing it again does not help where another program is named.
    let is_named = spec.program.as_deref().is_some_and(|program| program.contains(['/', '\\']));
    match command.filter(|_| !is_named) {
        Some(command) => note.cure(command),
        None => note.cure(format!("name its program in `[agents.{}] program`", spec.name)),
    }
}

/// What is wrong with an answer to the question for the version.
fn fault_of_answer(facts: &AgentFacts<'_>, answer: &Answer, version: Option<&Version>) -> Option<DoctorNote> {
    let note = |health, text: String| Some(with_install(DoctorNote::new(health, text), facts.spec));
    let words = answer.words().map_or_else(String::new, |words| format!(", {}", text::clean(words)));
    match &answer.end {
        End::Exited(0) if version.is_none() => {
            Some(DoctorNote::new(Health::Warning, "it does not say its version"))
        }
        End::Exited(0) => None,
        End::Exited(code) => note(Health::Error, format!("`--version` fails with exit code {code}{words}")),
        End::TimedOut(after) => {
            let after = text::wait(*after);
            Some(match (version, &facts.spec.found) {
                (Some(_), _) => {
                    let told = format!("`--version` was answered and did not end in {after}");
                    DoctorNote::new(Health::Warning, told)
                }
                (None, Some(program)) => {
                    let told = format!("`--version` did not end in {after}{words}");
                    let call = text::shell_word(&text::clean(&program.display().to_string()));
                    DoctorNote::new(Health::Error, told).cure(format!("try it: {call} --version"))
                }
                (None, None) => DoctorNote::new(Health::Error, format!("it did not end in {after}{words}")),
            })
        }
        End::Otherwise(message) => note(Health::Error, text::clean(message)),
        End::NotAsked(message) => Some(DoctorNote::new(Health::Error, text::clean(message))),
    }
}

/// What is well in one line, and what is not proved.
fn what_is_well(facts: &AgentFacts<'_>, standing: VersionStanding) -> Vec<DoctorNote> {
    let mut notes = Vec::new();
    let mut well: Vec<String> = Vec::new();
    let proved = versions::proved(facts.spec.kind).map(|version| version.to_string()).unwrap_or_default();
    let warning = |text: String| DoctorNote::new(Health::Warning, text);
    match standing {
        VersionStanding::Proved => well.push("proved".to_owned()),
        VersionStanding::Newer => notes.push(warning(format!("newer than what was proved, {proved}"))),
        VersionStanding::Older => notes.push(warning(format!("older than what was proved, {proved}"))),
        VersionStanding::NotProved => notes.push(warning("not proved here".to_owned())),
        VersionStanding::Unknown if facts.answer.is_none() => {
            well.push("a program of the configuration, not asked for its version".to_owned());
        }
        VersionStanding::Unknown => {}
    }
    let mut logged_in: Vec<&str> = Vec::new();
    let mut others: Vec<String> = Vec::new();
    for login in &facts.logins {
        let (provider, place) = (login.provider.as_deref(), login.place.as_deref());
        match (login.state, provider, place) {
            (LoginState::Key, Some(provider), Some(place)) if !place.contains(['/', '\\']) => {
                others.push(format!("key for {provider} in {place}"));
            }
            (LoginState::Key | LoginState::Session, Some(provider), _) => logged_in.push(provider),
            (LoginState::Key, None, Some(providers)) => logged_in.push(providers),
            (LoginState::Key | LoginState::Session, None, _) => others.push("logged in".to_owned()),
            (LoginState::Configured, provider, _) => {
                others.push(format!("{} needs no key", provider.unwrap_or("its provider")));
            }
            (LoginState::NotNeeded, Some(provider), _) => others.push(format!("{provider} needs no login")),
            (LoginState::Unknown, provider, None) => {
                let to = provider.map(|provider| format!(" to {provider}")).unwrap_or_default();
                others.push(format!("its login{to} cannot be seen from here"));
            }
            (LoginState::NotNeeded, None, _)
            | (LoginState::Unknown, _, Some(_))
            | (LoginState::Anonymous | LoginState::Missing, ..) => {}
        }
    }
    if !logged_in.is_empty() {
        well.push(format!("logged in to {}", logged_in.join(", ")));
    }
    well.extend(others);
    if facts.one_at_a_time {
        well.push("one attempt at a time, since its login cannot be separated".to_owned());
    }
    if !well.is_empty() {
        notes.push(DoctorNote::new(Health::Ok, well.join(", ")));
    }
    notes
}

/// What is doubtful about logins: one note for all providers that are missing, and one each for
/// what is odd.
fn doubtful_logins(spec: &AgentSpec, logins: &[DoctorLogin]) -> Vec<DoctorNote> {
    let mut missing: Vec<String> = Vec::new();
    let mut told: Vec<String> = Vec::new();
    // One file may hold the logins of several.
    let mut unreadable: BTreeSet<&str> = BTreeSet::new();
    for login in logins {
        let provider = login.provider.as_deref().unwrap_or("its provider");
        match (login.state, &login.place, login.layers.as_slice()) {
            (LoginState::Missing, Some(place), _) => {
                told.push(format!("no key for {provider}: {place}, is not set or not passed on"));
            }
            (LoginState::Missing, None, []) => told.push("not logged in".to_owned()),
            (LoginState::Missing, None, [layer]) => missing.push(format!("layer {layer} ({provider})")),
            (LoginState::Missing, None, layers) => {
                missing.push(format!("layers {} ({provider})", ranges(layers)));
            }
            (LoginState::Anonymous, ..) => {
                told.push(format!("not logged in to {provider}, whose free models alone may answer then"));
            }
            (LoginState::Unknown, Some(place), _) => {
                unreadable.insert(place.as_str());
            }
            (LoginState::Unknown, None, _)
            | (LoginState::Key | LoginState::Session | LoginState::Configured | LoginState::NotNeeded, ..) => {
            }
        }
    }
    if !missing.is_empty() {
        told.insert(0, format!("no provider for {}", missing.join(", ")));
    }
    let note = |told: String| {
        let note = DoctorNote::new(Health::Warning, told);
        login_command(spec).into_iter().fold(note, DoctorNote::cure)
    };
    let unreadable = unreadable.into_iter().map(|place| {
        DoctorNote::new(Health::Warning, format!("`{place}` cannot be read, so its logins are unknown"))
    });
    told.into_iter().map(note).chain(unreadable).collect()
}

fn short_memory(facts: &AgentFacts<'_>) -> Option<DoctorNote> {
    let (needed, free) = (facts.spec.memory?, facts.memory_available?);
    (needed > free).then(|| {
        let text = format!("needs {} at its start, {} are free", bytes(needed), bytes(free));
        DoctorNote::new(Health::Warning, text).cure("it runs alone until there is more")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::agents::presets;

    fn spec(name: &str, found: bool) -> AgentSpec {
        let mut spec = presets::builtin().into_iter().find(|agent| agent.name == name).unwrap();
        spec.found = found.then(|| PathBuf::from("/bin").join(name));
        spec
    }

    fn said(end: End, stdout: &str, stderr: &str) -> Answer {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        Answer { end, lines: stdout.lines().count(), stdout: lines(stdout), stderr: lines(stderr) }
    }

    fn facts<'a>(spec: &'a AgentSpec, answer: Option<&'a Answer>) -> AgentFacts<'a> {
        AgentFacts {
            spec,
            found: spec.found.clone(),
            source: Some("npm"),
            layers: vec![3],
            logins: Vec::new(),
            one_at_a_time: false,
            answer,
            memory_available: Some(u64::MAX),
        }
    }

    fn login(provider: &str, layers: &[u8], state: LoginState, place: Option<&str>) -> DoctorLogin {
        let place = place.map(str::to_owned);
        DoctorLogin { provider: Some(provider.to_owned()), layers: layers.to_vec(), state, place }
    }

    fn words(agent: &DoctorAgent) -> Vec<String> {
        let line = |note: &DoctorNote| match &note.cure {
            Some(cure) => format!("{:?} {}: {cure}", note.health, note.text),
            None => format!("{:?} {}", note.health, note.text),
        };
        agent.notes.iter().map(line).collect()
    }

    #[test]
    fn a_proved_version_with_logins_is_well() {
        let spec = spec("opencode", true);
        let answer = said(End::Exited(0), "1.18.33", "");
        let mut facts = facts(&spec, Some(&answer));
        facts.logins = vec![
            login("opencode", &[2], LoginState::NotNeeded, None),
            login("openai", &[6], LoginState::Session, Some("/home/u/auth.json")),
            login("groq", &[7], LoginState::Key, Some("GROQ_API_KEY")),
        ];
        let agent = judge(&facts);
        assert!(agent.usable);
        assert_eq!((agent.health, agent.standing), (Health::Ok, VersionStanding::Proved));
        let expected =
            "Ok proved, logged in to openai, opencode needs no login, key for groq in GROQ_API_KEY";
        assert_eq!(words(&agent), [expected]);
    }

    #[test]
    fn what_is_missing_stands_first_with_its_cure() {
        let spec = spec("opencode", true);
        let answer = said(End::Exited(0), "1.18.40", "");
        let mut facts = facts(&spec, Some(&answer));
        facts.logins = vec![
            login("opencode", &[2], LoginState::NotNeeded, None),
            login("openai", &[5, 6], LoginState::Missing, None),
            login("lab", &[7], LoginState::Missing, Some("LAB_KEY, which opencode.json asks for")),
        ];
        let damaged = |layer: u8| login("x", &[layer], LoginState::Unknown, Some("/home/u/auth.json"));
        facts.logins.extend([damaged(8), damaged(9)]);
        facts.memory_available = Some(512 * 1024 * 1024);
        let agent = judge(&facts);
        assert!(agent.usable);
        assert_eq!(
            words(&agent),
            [
                "Warning newer than what was proved, 1.18.33",
                "Warning no provider for layers 5 to 6 (openai): opencode auth login",
                "Warning no key for lab: LAB_KEY, which opencode.json asks for, is not set or not passed on: \
                 opencode auth login",
                "Warning `/home/u/auth.json` cannot be read, so its logins are unknown",
                "Warning needs 717 MiB at its start, 512 MiB are free: it runs alone until there is more",
                "Ok opencode needs no login",
            ]
        );
    }

    #[test]
    fn one_that_is_not_there_says_how_to_get_it() {
        let kilo = spec("kilo", false);
        let agent = judge(&facts(&kilo, None));
        assert!(!agent.usable && agent.health == Health::Error);
        assert_eq!(words(&agent), ["Error layer 3 is left out: npm install -g @kilocode/cli@7.7.7"]);
        let agy = spec("agy", false);
        let agent = judge(&AgentFacts { layers: Vec::new(), ..facts(&agy, None) });
        assert_eq!(words(&agent), ["Error not installed: name its program in `[agents.agy] program`"]);
    }

    #[test]
    fn bad_answers_make_an_agent_useless() {
        let kilo = spec("kilo", true);
        for (answer, expected) in [
            (said(End::Exited(0), "0.21.0", ""), "Error it has no `run`: npm install"),
            (
                said(End::Exited(1), "", "\nFailed to setup kilo binary\nat x"),
                "Error `--version` fails with exit code 1, Failed to setup kilo binary: npm install",
            ),
            (
                said(End::TimedOut(Duration::from_secs(10)), "", ""),
                if cfg!(windows) {
                    "Error `--version` did not end in 10s: try it: /bin\\kilo --version"
                } else {
                    "Error `--version` did not end in 10s: try it: /bin/kilo --version"
                },
            ),
            (said(End::NotAsked("no folder".to_owned()), "", ""), "Error no folder"),
            (said(End::Otherwise("cannot run `x`".to_owned()), "7.7.7", ""), "Error cannot run `x`: npm"),
        ] {
            let agent = judge(&facts(&kilo, Some(&answer)));
            assert!(!agent.usable, "{answer:?}");
            assert!(words(&agent)[0].starts_with(expected), "{:?}", words(&agent));
            assert_eq!(agent.notes.len(), 1, "nothing else matters then: {:?}", words(&agent));
        }
        let answer = said(End::Exited(0), "7.5.0", "");
        let agent = judge(&facts(&kilo, Some(&answer)));
        assert!(agent.usable && agent.health == Health::Warning);
        assert!(words(&agent)[0].contains("exits 0 when it was cancelled"), "{:?}", words(&agent));
        let answer = said(End::Exited(0), "hello", "");
        let agent = judge(&facts(&kilo, Some(&answer)));
        assert!(agent.usable);
        assert_eq!(words(&agent), ["Warning it does not say its version"]);
    }

    #[test]
    fn a_version_that_was_said_counts_without_an_end() {
        let cline = spec("cline", true);
        let answer = said(End::TimedOut(Duration::from_secs(10)), "3.0.65", "");
        let agent = judge(&facts(&cline, Some(&answer)));
        assert!(agent.usable);
        assert_eq!(words(&agent), ["Warning `--version` was answered and did not end in 10s", "Ok proved"]);
    }

    #[test]
    fn what_was_not_proved_says_so() {
        let gemini = spec("gemini", true);
        let answer = said(End::Exited(0), "0.9.0", "");
        let mut facts = facts(&gemini, Some(&answer));
        facts.logins = vec![login("google", &[1], LoginState::Unknown, None)];
        let agent = judge(&facts);
        assert_eq!(agent.standing, VersionStanding::NotProved);
        assert_eq!(
            words(&agent),
            ["Warning not proved here", "Ok its login to google cannot be seen from here"]
        );
    }

    #[test]
    fn a_login_that_cannot_be_separated_is_named() {
        let cline = spec("cline", true);
        let answer = said(End::Exited(0), "3.0.65", "");
        let mut facts = facts(&cline, Some(&answer));
        facts.one_at_a_time = true;
        facts.logins = vec![login("cline", &[4], LoginState::Session, Some("/home/u/.cline/x"))];
        let expected =
            "Ok proved, logged in to cline, one attempt at a time, since its login cannot be separated";
        assert_eq!(words(&judge(&facts)), [expected]);
    }
}
