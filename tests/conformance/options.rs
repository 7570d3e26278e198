//! What was asked for: options of our own, and those that `cargo test` gives to every test program.

use std::path::PathBuf;

use super::scenarios::{CLIS, Scenario};

/// Which rows, and how they are run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    agents: Vec<String>,
    scenarios: Vec<String>,
    filters: Vec<String>,
    skipped: Vec<String>,
    exact: bool,
    all: Option<bool>,
    /// Print the names of the rows and run none.
    pub(crate) list: bool,
    /// Write the document.
    pub(crate) write: bool,
    /// How many rows at once.
    pub(crate) jobs: Option<usize>,
    /// How many times longer everything may take.
    pub(crate) patience: u64,
    /// Where the programs are.
    pub(crate) programs: Programs,
}

/// Where the programs are looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Programs {
    /// Those that the tests install.
    #[default]
    Tests,
    /// Those of the user, else those that the tests install.
    Installed,
    /// Those of a folder.
    Folder(PathBuf),
}

/// What the options are.
pub(crate) const HELP: &str = "\
Runs each scenario of tests/conformance/scenarios.toml with each real agent CLI.

  --agent NAME       only this CLI (may be given several times)
  --scenario NAME    only this scenario (may be given several times)
  --all, --third     all scenarios, or the third that is meant for quick runs
  --installed        the programs on PATH, else those that scripts/agents installs
  --programs FOLDER  the programs of this folder
  --jobs N           so many at once
  --patience N       give everything N times as long, on a busy machine
  --list             print the names and run nothing
  --write            write docs/agents.md
  FILTER             only rows whose name, `CLI::SCENARIO`, contains this

ORCHESTRATE_CONFORMANCE may hold such options too.";

/// What came of reading them.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To run.
    Run(Box<Options>),
    /// To be told what can be asked.
    Help,
}

impl Options {
    /// Reads them. Options that `cargo test` knows and that mean nothing here are passed over.
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Asked, String> {
        let mut options = Self { patience: 1, ..Self::default() };
        let mut words = words.flat_map(split_value);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{word}` wants a value"));
            match word.as_str() {
                "-h" | "--help" => return Ok(Asked::Help),
                "--agent" => {
                    let name = value()?;
                    if !CLIS.contains(&name.as_str()) {
                        return Err(format!("no agent `{name}`; known here: {}", CLIS.join(", ")));
                    }
                    options.agents.push(name);
                }
                "--scenario" => options.scenarios.push(value()?),
                "--all" | "--ignored" | "--include-ignored" => options.all = Some(true),
                "--third" => options.all = Some(false),
                "--list" => options.list = true,
                "--write" => options.write = true,
                "--installed" => options.programs = Programs::Installed,
                "--programs" => options.programs = Programs::Folder(PathBuf::from(value()?)),
                "--jobs" | "--test-threads" => {
                    let number = value()?;
                    let jobs = number.parse().ok().filter(|jobs| *jobs > 0);
                    options.jobs = Some(jobs.ok_or_else(|| format!("`{number}` is no number of jobs"))?);
                }
                "--patience" => {
                    let number = value()?;
                    let factor = number.parse().ok().filter(|factor| *factor > 0);
                    options.patience = factor.ok_or_else(|| format!("`{number}` is no whole number"))?;
                }
                "--skip" => options.skipped.push(value()?),
                "--exact" => options.exact = true,
                // Of `cargo test`, with a value that means nothing here.
                "--format" | "--color" | "--logfile" | "--shuffle-seed" | "-Z" => drop(value()?),
                other if other.starts_with('-') => {}
                filter => options.filters.push(filter.to_owned()),
            }
        }
        Ok(Asked::Run(Box::new(options)))
    }

    /// Whether all scenarios are run, and not the third. Rows that are asked for by name are run
    /// whether they belong to it or not.
    pub(crate) fn all(&self, by_itself: bool) -> bool {
        let named = !(self.scenarios.is_empty() && self.filters.is_empty());
        self.all.unwrap_or(named || by_itself)
    }

    /// Whether this row is asked for. `all`: see [`Self::all`].
    pub(crate) fn wants(&self, scenario: &Scenario, cli: &str, all: bool) -> bool {
        let name = format!("{cli}::{}", scenario.name);
        let says =
            |filter: &String| if self.exact { name == *filter } else { name.contains(filter.as_str()) };
        (all || scenario.third)
            && (self.agents.is_empty() || self.agents.iter().any(|agent| agent == cli))
            && (self.scenarios.is_empty() || self.scenarios.contains(&scenario.name))
            && (self.filters.is_empty() || self.filters.iter().any(says))
            && !self.skipped.iter().any(says)
            && scenario.is_for(cli)
    }

    /// Scenarios that are asked for and are none.
    pub(crate) fn unknown<'a>(&'a self, scenarios: &'a [Scenario]) -> Option<&'a String> {
        self.scenarios.iter().find(|name| scenarios.iter().all(|scenario| scenario.name != **name))
    }
}

/// `--option=value` as two words.
fn split_value(word: String) -> Vec<String> {
    match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => vec![option.to_owned(), value.to_owned()],
        Some(_) | None => vec![word],
    }
}
