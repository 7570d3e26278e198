//! Versions of the agents' programs: which were proved, and which are known to be of no use.
//!
//! Pure data and comparison. **Invariant:** [`PROVED`] is the one place in the program that says
//! which versions the adapters were written against; `scripts/agents` installs the same ones for the
//! tests, and a test compares the two. What is said to be wrong with a version stands here with its
//! source, and only if there is one.

use std::cmp::Ordering;
use std::fmt;

use crate::model::agent::{AdapterKind, AgentSpec};

/// A program's version: numbers, and what stands behind a hyphen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    /// `rc.1` of `1.0.0-rc.1`; such a version comes before the one without it.
    early: Option<String>,
}

impl Version {
    /// A version without anything behind a hyphen.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { numbers: [major, minor, patch], early: None }
    }

    /// Finds the version in what a program printed: the first word that is one, such as `1.18.33` in
    /// `opencode v1.18.33 (linux)`. None: there is none.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || "(),;:/\"'".contains(c)).find_map(Self::read)
    }

    /// Reads a whole word: `7.7.7`, `v20.1`, `1.0.0-rc.1+build`.
    fn read(word: &str) -> Option<Self> {
        let word = word.strip_prefix(['v', 'V']).unwrap_or(word).trim_end_matches('.');
        let word = word.split('+').next().unwrap_or(word);
        let (numbers, early) = match word.split_once('-') {
            Some((numbers, early)) => (numbers, Some(early)),
            None => (word, None),
        };
        // What stands behind the third number tells builds apart, not versions.
        let mut parts = numbers.split('.');
        let (major, minor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let patch = parts.next().map_or(Ok(0), str::parse).ok()?;
        let early = early.filter(|early| {
            !early.is_empty() && early.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
        });
        Some(Self { numbers: [major, minor, patch], early: early.map(str::to_owned) })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (&self.early, &other.early) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            // Text is near enough for what is only ever compared with versions of ours.
            (Some(one), Some(two)) => one.cmp(two),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        self.early.as_ref().map_or(Ok(()), |early| write!(f, "-{early}"))
    }
}

/// The versions that the adapters were written against and are tested with, by adapter, with the
/// package of npm that brings them.
pub const PROVED: [(AdapterKind, &str, Version); 3] = [
    (AdapterKind::Kilo, "@kilocode/cli", Version::new(7, 7, 7)),
    (AdapterKind::Opencode, "opencode-ai", Version::new(1, 18, 33)),
    (AdapterKind::Cline, "cline", Version::new(3, 0, 65)),
];

/// The version that an adapter was proved with; none: it was proved with none.
pub fn proved(kind: AdapterKind) -> Option<Version> {
    PROVED.into_iter().find(|(known, ..)| *known == kind).map(|(.., version)| version)
}

/// The call that installs an agent's program. None: its makers' own way has to be looked up.
pub fn install_command(agent: &AgentSpec) -> Option<String> {
    if let Some((_, package, version)) = PROVED.into_iter().find(|(kind, ..)| *kind == agent.kind) {
        return Some(format!("npm install -g {package}@{version}"));
    }
    let package = match agent.name.as_str() {
        "gemini" => "@google/gemini-cli",
        "claude" => "@anthropic-ai/claude-code",
        "codex" => "@openai/codex",
        _ => return None,
    };
    // A program of somebody's own may have such a name too.
    (agent.program.as_deref() == Some(agent.name.as_str())).then(|| format!("npm install -g {package}"))
}

/// How a version stands to the one that was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is that one.
    Proved,
    /// It came later.
    Newer,
    /// It came before.
    Older,
    /// Nothing was proved with this agent.
    NotProved,
}

/// How `version` stands to the one that the adapter was proved with.
pub fn standing(kind: AdapterKind, version: &Version) -> Standing {
    match proved(kind).map(|proved| version.cmp(&proved)) {
        Some(Ordering::Equal) => Standing::Proved,
        Some(Ordering::Greater) => Standing::Newer,
        Some(Ordering::Less) => Standing::Older,
        None => Standing::NotProved,
    }
}

/// Something that is wrong with versions of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFault {
    /// What is wrong, a fragment.
    pub reason: &'static str,
    /// Whether no attempt can succeed with it.
    pub fatal: bool,
}

/// A fault of all versions of an adapter's program before one.
struct Fault {
    kind: AdapterKind,
    before: Version,
    known: KnownFault,
}

const fn fault(kind: AdapterKind, before: Version, fatal: bool, reason: &'static str) -> Fault {
    Fault { kind, before, known: KnownFault { reason, fatal } }
}

/// What is known, the worst first.
const FAULTS: [Fault; 6] = [
    // Kilo before 1.0 was another program; what was tried up to 0.22 had no `run`, and the makers'
    // pages on `kilo run` speak of 1.0 and later alone (kilo.ai/docs/cli, "Version Notice").
    fault(AdapterKind::Kilo, Version::new(0, 23, 0), true, "it has no `run`"),
    fault(AdapterKind::Kilo, Version::new(1, 0, 0), true, "before 1.0 it was another program"),
    // Kilo-Org/kilocode#13623, in the list of changes of 7.5.8.
    fault(
        AdapterKind::Kilo,
        Version::new(7, 5, 8),
        false,
        "it exits 0 when it was cancelled, and does not wait for its sub-agents",
    ),
    // Kilo-Org/kilocode#13832 is not among the changes up to 7.5.11, and is in what was proved.
    fault(AdapterKind::Kilo, Version::new(7, 5, 12), false, "it exits 0 when the model answered nothing"),
    // `--auto` came with 1.17.12 (zts212653/clowder-ai#1065); up to 1.17.11 a quota that is used up
    // makes `opencode run` hang without a word (anomalyco/opencode#40747).
    fault(
        AdapterKind::Opencode,
        Version::new(1, 17, 12),
        true,
        "it has no `--auto`, and hangs where a quota is used up",
    ),
    // Until 3.0 `--yolo` was all there was (cline/cline#9698; the manual of 1.0, cli/man/cline.1.md, has
    // neither `--auto-approve` nor `--data-dir`).
    fault(AdapterKind::Cline, Version::new(3, 0, 0), true, "before 3.0 it took other options"),
];

/// The worst that is known to be wrong with `version`; none: nothing is known.
pub fn known_fault(kind: AdapterKind, version: &Version) -> Option<KnownFault> {
    FAULTS.iter().find(|fault| fault.kind == kind && *version < fault.before).map(|fault| fault.known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::presets;

    #[test]
    fn the_version_is_found_in_what_programs_print() {
        for (text, version) in [
            ("7.7.7\n", "7.7.7"),
            ("opencode v1.18.33 (linux-x64)\n", "1.18.33"),
            ("git version 2.47.1.windows.2\n", "2.47.1"),
            ("1.0.128 (Claude Code)", "1.0.128"),
            ("codex-cli 0.140.0", "0.140.0"),
            ("warning: node 20\n0.21.0", "0.21.0"),
            ("tool 1.0.0-rc.1+build.5", "1.0.0-rc.1"),
            ("v20.1.", "20.1.0"),
        ] {
            assert_eq!(
                Version::find(text).map(|found| found.to_string()).as_deref(),
                Some(version),
                "{text}"
            );
        }
        for text in ["", "seven", "12", "a.b.c", "https://x.y/z", "99999999999999999999.1"] {
            assert_eq!(Version::find(text), None, "{text}");
        }
    }

    #[test]
    fn versions_are_compared_by_number() {
        let version = |text| Version::find(text).unwrap();
        let rising = ["0.9.0", "0.10.0", "1.0.0-beta", "1.0.0-rc.1", "1.0.0", "1.0.1", "10.0.0"];
        for pair in rising.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn a_version_stands_somewhere_to_the_proved_one() {
        for (kind, version, expected) in [
            (AdapterKind::Kilo, "7.7.7", Standing::Proved),
            (AdapterKind::Kilo, "7.8.0", Standing::Newer),
            (AdapterKind::Opencode, "1.18.32", Standing::Older),
            (AdapterKind::Cline, "3.0.65-rc.1", Standing::Older),
            (AdapterKind::Program, "3.0.65", Standing::NotProved),
        ] {
            assert_eq!(standing(kind, &Version::find(version).unwrap()), expected, "{version}");
        }
    }

    #[test]
    fn the_worst_fault_of_a_version_is_known() {
        let known = |kind, version| known_fault(kind, &Version::find(version).unwrap());
        assert_eq!(known(AdapterKind::Kilo, "0.21.0").unwrap().reason, "it has no `run`");
        assert!(known(AdapterKind::Kilo, "0.26.0").unwrap().fatal);
        assert!(known(AdapterKind::Kilo, "7.5.7").unwrap().reason.contains("cancelled"));
        let empty = known(AdapterKind::Kilo, "7.5.11").unwrap();
        assert!(!empty.fatal && empty.reason.contains("nothing"), "{empty:?}");
        assert!(known(AdapterKind::Opencode, "1.17.11").unwrap().fatal);
        assert_eq!(known(AdapterKind::Opencode, "1.17.12"), None);
        assert!(known(AdapterKind::Cline, "2.2.0").unwrap().fatal);
        assert_eq!(known(AdapterKind::Program, "0.0.1"), None);
    }

    #[test]
    fn nothing_is_known_against_what_was_proved() {
        for (kind, _, version) in PROVED {
            assert_eq!(known_fault(kind, &version), None, "{kind:?}");
        }
    }

    #[test]
    fn the_tests_install_what_is_called_proved() {
        let script = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/agents")).unwrap();
        let (_, list) = script.split_once("packages=(").expect("the list of packages");
        let (list, _) = list.split_once(')').expect("its end");
        let pinned: Vec<&str> = list.split_whitespace().collect();
        let proved: Vec<String> =
            PROVED.iter().map(|(_, package, version)| format!("{package}@{version}")).collect();
        assert_eq!(pinned, proved, "scripts/agents (left) and PROVED (right)");
    }

    #[test]
    fn the_readme_names_what_is_called_proved() {
        let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
        for (kind, _, version) in PROVED {
            let agent = presets::builtin().into_iter().find(|agent| agent.kind == kind).unwrap();
            let said = format!("{} {version}", agent.name);
            assert!(readme.contains(&said), "README.md does not say `{said}`");
        }
    }

    #[test]
    fn agents_are_installed_by_their_makers_package() {
        let call = |name: &str| {
            let agent = presets::builtin().into_iter().find(|agent| agent.name == name).unwrap();
            install_command(&agent)
        };
        assert_eq!(call("kilo").as_deref(), Some("npm install -g @kilocode/cli@7.7.7"));
        assert_eq!(call("codex").as_deref(), Some("npm install -g @openai/codex"));
        assert_eq!(call("agy"), None);
        let own = AgentSpec {
            name: "codex".to_owned(),
            program: Some("./mine".to_owned()),
            ..AgentSpec::default()
        };
        assert_eq!(install_command(&own), None);
    }
}
