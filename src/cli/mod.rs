//! The command line: what was typed, what it means, and a file for each command.
//!
//! [`run()`] is the whole program but for its exit. Commands return an [`ExitCode`] or a
//! [`exit::CliError`]; only [`ui`] prints, only [`environment`] reads the environment, only
//! [`exit`] chooses the code of an error.

pub mod agent_side;
mod alerts;
pub mod args;
mod asked;
pub mod check;
pub mod config;
#[cfg(windows)]
mod console;
pub mod context;
pub mod convert;
pub mod doctor;
pub mod elsewhere;
pub mod environment;
pub mod exit;
pub mod folder;
mod leftovers;
pub mod locate;
mod log;
pub mod logs;
pub mod look;
pub mod models;
pub mod plans;
pub mod replan;
pub mod requests;
pub mod resume;
pub mod retry;
mod rights;
pub mod run;
pub mod settings;
pub mod shared;
pub mod small;
pub mod start;
pub mod state;
pub mod status;
pub mod tail;
pub mod takeover;
pub mod ui;
pub mod wait;
pub mod watch;
mod withheld;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::future::Future;
use std::time::Duration;

use crate::cli::args::refusal::Refusal;
use crate::cli::args::{Cli, ColorChoice, Command, OutputForm};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::ui::{TerminalHints, Ui};
use crate::engine::clock::Clock;
use crate::model::exit::ExitCode;
use crate::report;
use crate::supervisor;

/// How long the runtime may take to give its threads back: a blocked read must not hold the end up.
const RUNTIME_END: Duration = Duration::from_millis(500);

/// Does what the command line says and tells what to exit with.
pub fn run(arguments: &[OsString]) -> ExitCode {
    let clock = Clock::start();
    let environment = environment::capture();
    let cli = match args::parse(arguments.to_vec()) {
        Ok(cli) => cli,
        Err(refusal) => return refuse(refusal),
    };
    log::begin(&cli, &environment);
    if let Some(code) = guard(&cli.command, &environment, arguments) {
        return code;
    }
    match dispatch(&cli, environment, clock) {
        Ok(code) => code,
        Err(error) => fail(&cli, &error),
    }
}

/// The number that the process has to exit with after [`run()`].
pub fn exit_number(code: ExitCode) -> i32 {
    supervisor::exit_number(code.code(), environment::capture().contains_key(supervisor::GUARD))
}

/// Whether a command supervises a run.
fn supervises(command: &Command) -> bool {
    match command {
        Command::Run(run) => !run.options.dry_run,
        Command::Resume(resume) => !resume.dry_run,
        Command::Retry(_) => true,
        Command::Approve(approve) => approve.resume,
        Command::Check(_)
        | Command::Status(_)
        | Command::Wait(_)
        | Command::Report(_)
        | Command::Logs(_)
        | Command::Why(_)
        | Command::Stop(_)
        | Command::Runs(_)
        | Command::Complete(_)
        | Command::Progress(_)
        | Command::State(_)
        | Command::Schema(_)
        | Command::Completions(_)
        | Command::Models(_)
        | Command::Doctor(_)
        | Command::Alert(_)
        | Command::Convert(_)
        | Command::Fmt(_) => false,
    }
}

/// For commands that supervise: starts this program once more and stands above it as its guard, so
/// that nothing outlives it. Returns what the supervisor exited with; none: we are to do the work
/// ourselves.
fn guard(
    command: &Command,
    environment: &BTreeMap<String, String>,
    arguments: &[OsString],
) -> Option<ExitCode> {
    let supervises = supervises(command);
    if supervises
        && environment::may_hold_password(environment)
        && let Err(error) = supervisor::close_to_others()
    {
        tracing::warn!(%error, "agents can read the variables of this process, and so the password of Redis");
    }
    if !supervises || environment.contains_key(supervisor::GUARD) {
        return None;
    }
    match supervisor::stand_guard(arguments.get(1..).unwrap_or_default()) {
        Ok(Some(code)) => Some(ExitCode::from_code(code).unwrap_or_else(|| supervisor_died(code))),
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(%error, "there is no guard: if this process is killed, agents may live on");
            None
        }
    }
}

/// Says how the supervisor ended, which could not say it itself.
fn supervisor_died(code: u8) -> ExitCode {
    let how = match code.checked_sub(128) {
        Some(_) if cfg!(windows) => "was ended by another program".to_owned(),
        Some(signal) => format!("was ended by signal {signal}"),
        None => format!("ended with code {code}"),
    };
    let error = CliError::new(
        ExitCode::Fault,
        format!("the supervisor of the run {how}, and what it had started was ended with it"),
    )
    .hint("go on with `orchestrate resume`: what was recorded is kept");
    Ui::new(ColorChoice::Auto, false, &TerminalHints::default()).error(&error);
    error.exit
}

/// Shows what was asked for instead of a command, or says what is wrong with the command line.
fn refuse(refusal: Refusal) -> ExitCode {
    let ui = Ui::new(ColorChoice::Auto, false, &TerminalHints::default());
    match refusal {
        Refusal::Shown(text) => {
            let text = if ui.stdout.color { text.ansi().to_string() } else { text.to_string() };
            match ui.data(&text) {
                Ok(()) => ExitCode::Success,
                Err(_) => ExitCode::Fault,
            }
        }
        Refusal::Usage(usage) => {
            let mut error = CliError::new(ExitCode::Usage, usage.message);
            error.hints = usage.hints;
            print_error(&ui, &error, usage.output.unwrap_or_default())
        }
    }
}

fn fail(cli: &Cli, error: &CliError) -> ExitCode {
    let ui = Ui::new(cli.common.color.unwrap_or_default(), false, &TerminalHints::default());
    print_error(&ui, error, cli.common.output.unwrap_or_default())
}

fn print_error(ui: &Ui, error: &CliError, output: OutputForm) -> ExitCode {
    ui.error(error);
    // The codes that mean that there is no result: the document of the error stands in for it.
    let instead = (2..=7).contains(&error.exit.code());
    if output == OutputForm::Json && instead && ui.data(&report::line_json(&error.document())).is_err() {
        return ExitCode::Fault;
    }
    error.exit
}

fn dispatch(cli: &Cli, environment: BTreeMap<String, String>, clock: Clock) -> Result<ExitCode, CliError> {
    let inside = settings::inside_task(&environment).is_some();
    if inside && !cli.command.works_inside_a_task() {
        return Err(CliError::new(
            ExitCode::Usage,
            format!("`{}` was called inside a task of a run", cli.command.name()),
        )
        .hint("agents report with `orchestrate complete` and `orchestrate progress`")
        .hint("a run within a run needs `--nested`"));
    }
    let ended = leftovers::end(&environment);
    let nested = matches!(cli.command, Command::Run(_) | Command::Resume(_));
    let environment = if inside && nested { settings::without_outer_run(environment) } else { environment };
    let mut context = Context::new(cli, environment, clock)?;
    if supervises(&cli.command) {
        context.leftovers = ended;
    } else {
        leftovers::say(&context, &ended);
    }
    match &cli.command {
        Command::Run(command) => block_on(run::run(&context, command)),
        Command::Check(command) => check::check(&context, command),
        Command::Status(command) => block_on(status::status(&context, command)),
        Command::Wait(command) => block_on(wait::wait(&context, command)),
        Command::Resume(command) => block_on(resume::resume(&context, command)),
        Command::Report(command) => status::report(&context, command),
        Command::Logs(command) => block_on(logs::logs(&context, command)),
        Command::Why(command) => status::why(&context, command),
        Command::Stop(command) => requests::stop(&context, command),
        Command::Retry(command) => block_on(retry::retry(&context, command)),
        Command::Approve(command) => block_on(requests::approve(&context, command)),
        Command::Runs(command) => status::runs(&context, command),
        Command::Complete(command) => agent_side::complete(&context, command),
        Command::Progress(command) => agent_side::progress(&context, command),
        Command::State(command) => block_on(state::state(&context, command)),
        Command::Schema(command) => small::schema(&context, command),
        Command::Completions(command) => small::completions(&context, command),
        Command::Models(command) => models::models(&context, command),
        Command::Doctor(command) => block_on(doctor::doctor(&context, command)),
        Command::Alert(command) => alerts::test(&context, command),
        Command::Convert(command) => convert::convert(&context, command),
        Command::Fmt(command) => convert::fmt(&context, command),
    }
}

fn block_on(command: impl Future<Output = Result<ExitCode, CliError>>) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // Children are started from a few threads, not one; more than four gain nothing.
        .worker_threads(std::thread::available_parallelism().map_or(2, std::num::NonZero::get).clamp(2, 4))
        .enable_all()
        .build()
        .map_err(|error| CliError::new(ExitCode::Fault, format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(command);
    runtime.shutdown_timeout(RUNTIME_END);
    result
}
