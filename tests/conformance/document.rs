//! Makes docs/agents.md: what there is to know of each CLI, and the matrix of a whole run.
//!
//! What the code knows is asked of it, the command line for one; what was only measured stands in
//! `agents.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use orchestrate::agents::{self, AttemptContext, presets, versions};
use orchestrate::model::agent::{AdapterKind, AgentSpec, PromptChannel};
use orchestrate::model::command::{CommandSpec, Input, StopSignal};
use orchestrate::model::time::Span;
use serde::Deserialize;

use super::attempt::Row;
use super::kept::Kept;
use super::matrix::{self, Found};
use super::real_agents;
use super::sample;
use super::scenarios::{CLIS, Scenario};

/// What was measured of a CLI.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    apart: String,
    limits: String,
    leaves: String,
    refusals: String,
    used: String,
}

/// Writes the document of the last answer of every row. Rows that were never run are named so.
pub(crate) fn write(scenarios: &[Scenario], found: &[Found], kept: &[Kept]) -> io::Result<()> {
    std::fs::write(root().join("docs/agents.md"), text(scenarios, found, kept)?)
}

fn text(scenarios: &[Scenario], found: &[Found], kept: &[Kept]) -> io::Result<String> {
    let rows: Vec<Row> = kept.iter().map(|kept| kept.row.clone()).collect();
    let due = scenarios.iter().flat_map(|scenario| CLIS.map(|cli| scenario.is_for(cli)));
    let missing = due.filter(|is_for| *is_for).count().saturating_sub(rows.len());
    let mut text = String::from(
        "# Agents\n\nMade by `scripts/conformance --write`; what is changed here by hand is lost.\n\n\
         ## What is known of each\n\n\
         Measured with the versions named, on Linux. Words in capitals stand for what differs between attempts.\n\n",
    );
    text.push_str(&known()?);
    text.push_str(
        "\n## Presets\n\nThese are data after their makers' documents, **not proved here**: the programs were not run. \
         Any other program is described in the configuration in the same way.\n\n| preset | command line | prompt | |\n| --- | --- | --- | --- |\n",
    );
    for agent in presets::builtin().iter().filter(|agent| agent.kind == AdapterKind::Program) {
        let line = format!("{} {}", agent.name, agent.args.join(" "));
        let channel = match agent.prompt {
            PromptChannel::Stdin => "standard input",
            PromptChannel::File => "a file",
            PromptChannel::Argument => "the last argument",
        };
        let _ = writeln!(text, "| `{}` | `{line}` | {channel} | not proved here |", agent.name);
    }
    let failed = rows.iter().filter(|row| !row.problems.is_empty()).count();
    let versions: Vec<String> =
        found.iter().map(|found| format!("{} {}", found.cli, found.version)).collect();
    let _ = writeln!(
        text,
        "\n## The matrix\n\nEach scenario of `tests/conformance/scenarios.toml`, run by the whole program with each CLI \
         against a scripted provider: what the attempts ended as, and after how many seconds the command had ended. \
         `none` is an attempt that succeeded, with its work there; a task without its work never did, and no process \
         was left running. Rows run beside each other, so the seconds are those of a busy machine.\n\n\
         Last run: {}, {}, on {} cores: {} rows, {failed} failed, {missing} not run.\n",
        days(kept),
        versions.join(", "),
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        rows.len(),
    );
    text.push_str(&matrix::markdown(scenarios, found, &rows));
    Ok(text)
}

/// From when to when rows were run.
fn days(kept: &[Kept]) -> String {
    let days = || kept.iter().map(|kept| kept.day.as_str());
    let (first, last) = (days().min().unwrap_or_default(), days().max().unwrap_or_default());
    if first == last { last.to_owned() } else { format!("{first} to {last}") }
}

/// A table with a column for each CLI.
fn known() -> io::Result<String> {
    let facts: BTreeMap<String, Facts> =
        toml::from_str(include_str!("agents.toml")).map_err(io::Error::other)?;
    let mut lines: Vec<Vec<String>> = vec![vec![String::new()], vec!["---".to_owned()]];
    let names = [
        "package",
        "version proved",
        "started as",
        "variables set",
        "prompt",
        "memory at a start",
        "kept apart by",
        "refusals of the provider",
        "use is told",
        "own limits",
        "asked to stop by",
        "a session is gone on with",
        "leaves behind",
    ];
    lines.extend(names.map(|name| vec![name.to_owned()]));
    for cli in CLIS {
        let facts = facts.get(cli).ok_or_else(|| io::Error::other(format!("agents.toml lacks {cli}")))?;
        let agent = agent(cli);
        let proved = versions::PROVED.into_iter().find(|(kind, ..)| *kind == agent.kind);
        let (_, package, version) =
            proved.ok_or_else(|| io::Error::other(format!("no version of {cli} is proved")))?;
        let spec = command(&agent)?;
        let memory = agent.memory.map_or("not measured".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
        let column = [
            format!("`{cli}`"),
            "---".to_owned(),
            format!("`{package}`"),
            version.to_string(),
            format!("`{cli} {}`", line(&spec)),
            variables(&spec),
            prompt(&spec),
            memory,
            facts.apart.clone(),
            facts.refusals.clone(),
            facts.used.clone(),
            facts.limits.clone(),
            stop(&spec),
            session(&spec),
            facts.leaves.clone(),
        ];
        for (line, cell) in lines.iter_mut().zip(column) {
            line.push(cell);
        }
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("| {} |\n", line.join(" | "))).collect();
    Ok(lines.concat())
}

fn agent(cli: &str) -> AgentSpec {
    AgentSpec { found: Some(PathBuf::from(cli)), ..sample::agent(cli) }
}

/// What the adapter starts, with names in the place of what differs between attempts.
fn command(agent: &AgentSpec) -> io::Result<CommandSpec> {
    let home = tempfile::tempdir()?;
    let cline = agent.kind == AdapterKind::Cline;
    if cline {
        // Without an address it is not started.
        real_agents::write_cline_login(home.path(), "http://127.0.0.1:1/v1", "test", "MODEL")?;
    }
    let task = sample::task("ID", "TITLE", "");
    let rung = if cline {
        sample::rung(&agent.name, "openai-compatible", "MODEL")
    } else {
        sample::rung(&agent.name, "PROVIDER", "PROVIDER/MODEL")
    };
    agents::command(&AttemptContext {
        task: &task,
        agent,
        rung: &rung,
        attempt: 1,
        folder: Path::new("FOLDER"),
        data: Path::new("DATA"),
        workspace: Path::new("WORKSPACE"),
        completion: Path::new("FOLDER/completion.json"),
        prompt_file: Path::new("PROMPT"),
        environment: BTreeMap::new(),
        home: Some(home.path()),
        session: None,
        timeout: Span::minutes(45),
        idle_timeout: Span::minutes(10),
    })
    .map_err(io::Error::other)
}

/// The arguments as they would be typed.
fn line(spec: &CommandSpec) -> String {
    let typed =
        spec.args.iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { word.clone() });
    typed.collect::<Vec<String>>().join(" ")
}

fn variables(spec: &CommandSpec) -> String {
    let names: Vec<String> =
        spec.env.keys().filter(|name| *name != "PWD").map(|name| format!("`{name}`")).collect();
    names.join(" ")
}

fn prompt(spec: &CommandSpec) -> String {
    let told = match &spec.input {
        Input::File(_) => "standard input, to its end",
        Input::Empty => "its last argument",
    };
    match spec.args.as_slice() {
        // A last word that is no option's value.
        [.., before, _] if !before.starts_with('-') => format!("{told}, behind the sentence of its argument"),
        _ => told.to_owned(),
    }
}

fn session(spec: &CommandSpec) -> String {
    match spec.session_data {
        Some(_) => {
            "by a retry on the same layer, while the folder of the attempt that began it is kept".to_owned()
        }
        None => "no".to_owned(),
    }
}

fn stop(spec: &CommandSpec) -> String {
    let signal = match spec.stop_signal {
        StopSignal::Terminate => "SIGTERM",
        StopSignal::Interrupt => "SIGINT",
    };
    match spec.grace {
        Some(grace) => format!("{signal}, {grace} before it is killed"),
        None => format!("{signal}, the run's `grace` before it is killed"),
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
