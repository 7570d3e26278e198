//! The scenarios as data: read from `scenarios.toml`, checked for sense.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orchestrate::model::failure::FailureKind;
use serde::Deserialize;

/// The CLIs that are driven by adapters of their own, in the order of the matrix.
pub(crate) const CLIS: [&str; 3] = ["kilo", "opencode", "cline"];

/// The kind of an attempt that succeeded.
pub(crate) const NONE: &str = "none";

/// What hello.txt has to hold where the work is done.
pub(crate) const HELLO: &str = "Hello from the agent";

/// What a task says that only writes hello.txt and reports it.
const BODY: &str = "Write a greeting.\n\n%write hello.txt Hello from the agent\nREPORT\n";

/// The directive that writes a completion through the agent's own tool for files.
const REPORT: &str = "%write {{\\S+/completion\\.json}} {\"schema\":\"completion/v1\",\"run_id\":\"{{\"run_id\": ?\"(\\w+)\"}}\",\
                      \"task_id\":\"T001\",\"attempt\":1,\"status\":\"succeeded\",\"summary\":\"greeted\",\
                      \"outputs\":[{\"path\":\"hello.txt\",\"change\":\"created\"}]}";

/// One thing that can go wrong, or right.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) sees: String,
    pub(crate) model: String,
    kinds: Vec<String>,
    #[serde(default)]
    kinds_of: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) third: bool,
    #[serde(default)]
    pub(crate) waits: bool,
    #[serde(default = "four_minutes")]
    timeout: u64,
    #[serde(default = "two_minutes")]
    idle_timeout: u64,
    #[serde(default = "five_minutes")]
    deadline: u64,
    pub(crate) max_steps: Option<u32>,
    pub(crate) asks: Option<String>,
    pub(crate) provider: Option<String>,
    #[serde(default)]
    pub(crate) refused: bool,
    body: Option<String>,
    #[serde(default)]
    body_of: BTreeMap<String, String>,
    #[serde(default)]
    work: Vec<String>,
    agents: Option<Vec<String>>,
    pub(crate) elsewhere: Option<String>,
    #[serde(default)]
    pub(crate) args: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
    recorded: Option<String>,
}

fn four_minutes() -> u64 {
    240
}

fn two_minutes() -> u64 {
    120
}

fn five_minutes() -> u64 {
    300
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    scenario: Vec<Scenario>,
}

impl Scenario {
    /// Gives it more time, for a machine that has other things to do.
    pub(crate) fn be_patient(&mut self, factor: u64) {
        for seconds in [&mut self.timeout, &mut self.idle_timeout, &mut self.deadline] {
            *seconds *= factor;
        }
    }

    /// How long an attempt may take.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// How long an attempt may be quiet.
    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_secs(self.idle_timeout)
    }

    /// How long the whole command may take.
    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline)
    }

    /// Whether it is run with this CLI.
    pub(crate) fn is_for(&self, cli: &str) -> bool {
        self.agents.as_ref().is_none_or(|agents| agents.iter().any(|agent| agent == cli))
    }

    /// What an attempt of this CLI may end as.
    pub(crate) fn kinds(&self, cli: &str) -> &[String] {
        self.kinds_of.get(cli).unwrap_or(&self.kinds)
    }

    /// Whether the attempt has to succeed.
    pub(crate) fn succeeds(&self, cli: &str) -> bool {
        self.kinds(cli).iter().any(|kind| kind == NONE)
    }

    /// The text of the task for this CLI.
    pub(crate) fn body(&self, cli: &str) -> String {
        let body = self.body_of.get(cli).or(self.body.as_ref()).map_or(BODY, String::as_str);
        body.replace("REPORT", REPORT)
    }

    /// The files that have to be there where it succeeds.
    pub(crate) fn work(&self) -> impl Iterator<Item = &str> {
        std::iter::once("hello.txt").chain(self.work.iter().map(String::as_str))
    }

    /// The name of the CLI's recordings that show the same.
    pub(crate) fn recordings(&self, cli: &str) -> Vec<String> {
        let recorded = self.recorded.iter().flat_map(|name| {
            // Cline's name for it; and the recordings that have the error log.
            let other =
                if cli == "cline" && name == "permission-rejected" { "approval-refused" } else { name };
            [format!("{other}-logged"), other.to_owned()]
        });
        recorded.collect()
    }
}

/// Reads the scenarios and fails on what makes no sense.
pub(crate) fn read() -> Vec<Scenario> {
    let file: File = toml::from_str(include_str!("scenarios.toml")).expect("scenarios.toml is read");
    let known: BTreeSet<String> =
        FailureKind::ALL.iter().map(ToString::to_string).chain([NONE.to_owned()]).collect();
    let mut names = BTreeSet::new();
    for scenario in &file.scenario {
        let name = &scenario.name;
        assert!(names.insert(name.clone()), "two scenarios are called `{name}`");
        assert!(!scenario.sees.is_empty(), "`{name}` does not say what is seen");
        let lists = scenario.kinds_of.values().chain([&scenario.kinds]);
        for kind in lists.flatten() {
            assert!(known.contains(kind), "`{name}` expects `{kind}`, which is no kind");
        }
        for cli in CLIS {
            let kinds = scenario.kinds(cli);
            assert!(!kinds.is_empty(), "`{name}` expects nothing of {cli}");
            assert!(!scenario.succeeds(cli) || kinds.len() == 1, "`{name}` may succeed or not with {cli}");
        }
        let clis = scenario.kinds_of.keys().chain(scenario.body_of.keys()).chain(scenario.args.keys());
        let clis = clis.chain(scenario.env.keys()).chain(scenario.agents.iter().flatten());
        for cli in clis {
            assert!(CLIS.contains(&cli.as_str()), "`{name}` speaks of `{cli}`, which is no CLI");
        }
        assert_eq!(scenario.agents.is_some(), scenario.elsewhere.is_some(), "`{name}`: which, and why");
    }
    let quick = file.scenario.iter().filter(|scenario| scenario.third).count();
    let all = file.scenario.len();
    assert!((all / 4..=all / 2).contains(&quick), "{quick} of {all} scenarios are no third");
    file.scenario
}
