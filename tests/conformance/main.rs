//! Conformance of the real agent CLIs: each scenario of `scenarios.toml`, run by the whole program
//! with each CLI against a scripted provider on loopback, as a matrix.
//!
//! For each row: the kinds its attempts end as, that the task never counts as succeeded without its
//! work, that the command ends within the deadline and that nothing is left running. It is a test
//! program without a harness, so that rows run beside each other under limits of their own; it takes
//! the arguments of other test programs too. Called by `scripts/conformance` it tries the programs
//! that the user has. It does not look at what an adapter does in between: `tests/agents` does.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test program without a harness: it prints its matrix and measures real time"
)]

#[path = "../support/project.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod project;
#[path = "../support/real_agents.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod real_agents;
#[path = "../agents/sample.rs"]
mod sample;

mod attempt;
mod document;
mod evidence;
mod kept;
mod matrix;
mod options;
#[path = "../support/processes.rs"]
mod processes;
mod scenarios;
mod schedule;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use orchestrate::agents::{find, presets};

use attempt::Row;
use matrix::Found;
use options::{Asked, Options, Programs};
use real_agents::ModelServer;
use scenarios::{CLIS, Scenario};
use schedule::{Job, Limits};

/// Whether a run on CI, where nobody chose, has all scenarios.
const ALL_ON_CI: bool = false;

fn main() -> ExitCode {
    let more = std::env::var("ORCHESTRATE_CONFORMANCE").unwrap_or_default();
    let words = more.split_whitespace().map(str::to_owned).chain(std::env::args().skip(1));
    let options = match Options::read(words) {
        Ok(Asked::Run(options)) => options,
        Ok(Asked::Help) => {
            println!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(message) => return wrong(&message),
    };
    let mut scenarios = scenarios::read();
    for scenario in &mut scenarios {
        scenario.be_patient(options.patience);
    }
    if let Some(unknown) = options.unknown(&scenarios) {
        return wrong(&format!("no scenario `{unknown}`; --list names them"));
    }
    let all = options.all(ALL_ON_CI && real_agents::is_required());
    let rows: Vec<(&Scenario, &str)> = scenarios
        .iter()
        .flat_map(|scenario| CLIS.map(|cli| (scenario, cli)))
        .filter(|(scenario, cli)| options.wants(scenario, cli, all))
        .collect();
    if options.list {
        for (scenario, cli) in &rows {
            println!("{cli}::{}: test", scenario.name);
        }
        return ExitCode::SUCCESS;
    }
    if rows.is_empty() {
        println!("conformance: no row is asked for");
        return ExitCode::SUCCESS;
    }
    conform(&options, &scenarios, rows)
}

fn conform(options: &Options, scenarios: &[Scenario], mut rows: Vec<(&Scenario, &str)>) -> ExitCode {
    let (before, behind) = folders(&options.programs);
    let wanted: Vec<&'static str> = CLIS
        .into_iter()
        .filter(|cli| options.write || rows.iter().any(|(_, wanted)| wanted == cli))
        .collect();
    let found = found(&wanted, &before, &behind);
    let missing: Vec<&str> =
        wanted.into_iter().filter(|cli| found.iter().all(|found| found.cli != *cli)).collect();
    if !missing.is_empty() || real_agents::python().is_none() {
        let what = if missing.is_empty() { "python3".to_owned() } else { missing.join(", ") };
        let message = format!("{what} not found: scripts/agents installs the agents");
        if real_agents::is_required() || options.programs != Programs::Tests {
            return wrong(&message);
        }
        drop(writeln!(io::stderr(), "SKIPPED: conformance: {message}"));
        rows.retain(|(_, cli)| !missing.contains(cli) && real_agents::python().is_some());
        if rows.is_empty() {
            return ExitCode::SUCCESS;
        }
    }
    if processes::can_tell() {
        assert!(processes::are_seen(), "a process that runs is not seen");
    } else {
        println!("conformance: this system has no /proc, so what is left running is not looked at");
    }
    let limits = Limits::here(options.jobs);
    println!("conformance: {} rows, {} at once", rows.len(), limits.rows);
    let jobs: Vec<Job<(&Scenario, &str)>> = rows
        .into_iter()
        .map(|what| Job { what, waits: what.0.waits, memory: schedule::memory_of(what.1) })
        .collect();
    let server = ModelServer::start().expect("the scripted provider");
    let began = Instant::now();
    let rows = schedule::run(
        &jobs,
        limits,
        |(scenario, cli), started| attempt::run(scenario, cli, &server, (&before, &behind), started),
        |row| {
            tell(row);
            // Kept at once, since a run may be ended before its end; whether it could be is seen there.
            drop(kept::update(scenarios, &found, std::slice::from_ref(row)));
        },
    );
    let wall = began.elapsed();
    println!("\n{}", matrix::table(scenarios, &found, &rows));
    let failed: Vec<&Row> = rows.iter().filter(|row| !row.problems.is_empty()).collect();
    for row in &failed {
        println!("{} FAILED", row.name());
        for problem in &row.problems {
            println!("  {problem}");
        }
        println!("{}", row.evidence);
    }
    println!("conformance: {} rows in {} s, {} failed", rows.len(), wall.as_secs(), failed.len());
    let kept = match kept::update(scenarios, &found, &[]) {
        Ok(kept) => kept,
        Err(error) => return wrong(&format!("cannot keep the rows: {error}")),
    };
    if options.write {
        if let Err(error) = document::write(scenarios, &found, &kept) {
            return wrong(&format!("cannot write docs/agents.md: {error}"));
        }
        println!("conformance: docs/agents.md written");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One line for a row that has ended.
fn tell(row: &Row) {
    let word = if row.problems.is_empty() { "ok" } else { "FAILED" };
    println!("{} ... {word} ({}, {:.0} s)", row.name(), row.kinds(), row.seconds);
}

/// Says what is wrong with the call.
fn wrong(message: &str) -> ExitCode {
    drop(writeln!(io::stderr(), "conformance: {message}"));
    ExitCode::FAILURE
}

/// The folders to look in before and behind those of `PATH`.
fn folders(programs: &Programs) -> (Vec<PathBuf>, Vec<PathBuf>) {
    match programs {
        Programs::Tests => (vec![real_agents::bin_folder()], Vec::new()),
        Programs::Installed => (Vec::new(), vec![real_agents::bin_folder()]),
        Programs::Folder(folder) => (vec![folder.clone()], Vec::new()),
    }
}

/// Those of the CLIs that are there, with what they say of their version.
fn found(clis: &[&'static str], before: &[PathBuf], behind: &[PathBuf]) -> Vec<Found> {
    let home = tempfile::tempdir().expect("a home");
    let variables = real_agents::environment_with(home.path(), before, behind);
    let version = |cli: &'static str| {
        let agent = presets::builtin().into_iter().find(|agent| agent.name == cli)?;
        let program = find::find_program(&agent, &variables, home.path())?;
        let output = Command::new(program.program)
            .args(program.args)
            .arg("--version")
            .env_clear()
            .envs(&variables)
            .stdin(Stdio::null())
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = text.lines().last().unwrap_or_default().trim().to_owned();
        Some(Found { cli, version })
    };
    clis.iter().copied().filter_map(version).collect()
}
