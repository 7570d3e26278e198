//! What was typed, as data.
//!
//! Nothing here looks at the environment, a file or the configuration: what the words *mean* is
//! said by [`crate::cli::settings`]. Invariant: a command or option stands here only if it works.

pub mod commands;
pub mod prepare;
pub mod reading;
pub mod refusal;
pub mod run;
pub mod simulate;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use commands::{
    AlertCommand, ApproveCommand, CompleteCommand, CompletionsCommand, ConvertCommand, DoctorCommand,
    FmtCommand, LogsCommand, ModelsCommand, ProgressCommand, ReportCommand, ResumeCommand, RetryCommand,
    RunsCommand, SchemaCommand, StateCommand, StatusCommand, StopCommand, WaitCommand, WhyCommand,
};
use refusal::Refusal;
use run::{CheckCommand, RunCommand};

use crate::cli::settings::VARIABLES;

/// The whole command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "orchestrate",
    version,
    about = "Runs the tasks of a markdown plan in parallel by coding agents, under supervision",
    override_usage = "orchestrate --plan PLAN [OPTIONS OF `run`]\n       orchestrate [OPTIONS] COMMAND",
    after_help = TOP_HELP,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// Options that every command takes.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const TOP_HELP: &str = "\
Examples:
  orchestrate doctor                     see whether a run would work here
  orchestrate check phase3.md            see what would be run, and in which order
  orchestrate --plan phase3.md           run it (the same as `orchestrate run phase3.md`)
  orchestrate status --watch             where the latest run stands, live
  orchestrate why T006                   why a task failed, and what to do about it
  orchestrate retry                      run again what failed, and what that blocked

Exit codes: 0 all succeeded, 1 a task did not, 2 wrong use, 3 invalid plan or configuration,
4 nothing to run, 5 no usable agent, 6 state store, 7 held by another run, 8 a limit,
9 waits for a person, 124 `wait` timed out, 130 and 143 stopped by a signal.";

/// Options that every command takes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Common {
    /// The run: its id or a unique beginning of it; left out: the latest
    #[arg(long, global = true, value_name = "RUN", help_heading = "Everywhere")]
    pub run: Option<String>,
    /// Keep shared state in Redis, at URL (redis://, rediss://, unix://) or where the environment says
    #[arg(
        long,
        global = true,
        value_name = "URL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        hide_default_value = true,
        help_heading = "Everywhere"
    )]
    pub redis: Option<String>,
    /// What is printed on standard output
    #[arg(long, global = true, value_name = "FORM", help_heading = "Everywhere")]
    pub output: Option<OutputForm>,
    /// When to use colour [default: auto]
    #[arg(long, global = true, value_name = "WHEN", help_heading = "Everywhere")]
    pub color: Option<ColorChoice>,
    /// Say less; twice: nothing but errors
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Everywhere")]
    pub quiet: u8,
    /// Say more; twice: everything
    #[arg(
        short,
        long,
        global = true,
        action = ArgAction::Count,
        conflicts_with = "quiet",
        help_heading = "Everywhere"
    )]
    pub verbose: u8,
    /// Work as if started in DIR
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR", help_heading = "Everywhere")]
    pub directory: Option<PathBuf>,
}

/// What is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, ValueEnum)]
pub enum OutputForm {
    /// Text for people
    #[default]
    Human,
    /// One JSON document, at the end
    Json,
    /// One JSON document a line, as things happen
    Ndjson,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run a plan
    Run(Box<RunCommand>),
    /// Read a plan and show tasks, order, commands and problems; run nothing
    Check(Box<CheckCommand>),
    /// Show where a run stands
    Status(StatusCommand),
    /// Block until a run ends
    Wait(WaitCommand),
    /// Go on with a run after a crash, a stop or a gate
    Resume(ResumeCommand),
    /// Print a run's report
    Report(ReportCommand),
    /// Print what a task's agent printed
    Logs(LogsCommand),
    /// Tell the story of a task: attempts, layers, witnesses, what to do
    Why(WhyCommand),
    /// Stop a run, or some of its tasks for good
    Stop(StopCommand),
    /// Run failed tasks again, and what they blocked
    Retry(RetryCommand),
    /// Let a gate pass
    Approve(ApproveCommand),
    /// List all known runs
    Runs(RunsCommand),
    /// For agents, inside a task: say what it came to
    Complete(CompleteCommand),
    /// For agents, inside a task: say how far it is
    Progress(ProgressCommand),
    /// Look into the shared state
    #[command(subcommand)]
    State(StateCommand),
    /// Print a JSON Schema, or the names of all
    Schema(SchemaCommand),
    /// Print a completion script for a shell
    Completions(CompletionsCommand),
    /// The model hierarchy
    Models(ModelsCommand),
    /// Say whether a run would work here: agents, logins, workspace, state; and what to do if not
    Doctor(DoctorCommand),
    /// Tell somebody who is not looking: webhooks and commands
    #[command(subcommand)]
    Alert(AlertCommand),
    /// Write any plan as a native one
    Convert(Box<ConvertCommand>),
    /// Write the native key lists of plans in their canonical form
    Fmt(Box<FmtCommand>),
}

impl Command {
    /// The name as typed.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Check(_) => "check",
            Self::Status(_) => "status",
            Self::Wait(_) => "wait",
            Self::Resume(_) => "resume",
            Self::Report(_) => "report",
            Self::Logs(_) => "logs",
            Self::Why(_) => "why",
            Self::Stop(_) => "stop",
            Self::Retry(_) => "retry",
            Self::Approve(_) => "approve",
            Self::Runs(_) => "runs",
            Self::Complete(_) => "complete",
            Self::Progress(_) => "progress",
            Self::State(_) => "state",
            Self::Schema(_) => "schema",
            Self::Completions(_) => "completions",
            Self::Models(_) => "models",
            Self::Doctor(_) => "doctor",
            Self::Alert(_) => "alert",
            Self::Convert(_) => "convert",
            Self::Fmt(_) => "fmt",
        }
    }

    /// Whether the command works inside a task without `--nested`.
    pub fn works_inside_a_task(&self) -> bool {
        match self {
            Self::Complete(_)
            | Self::Progress(_)
            | Self::Status(_)
            | Self::Logs(_)
            | Self::Why(_)
            | Self::Schema(_) => true,
            Self::Run(run) => run.options.nested,
            Self::Resume(resume) => resume.nested,
            Self::Check(_)
            | Self::Wait(_)
            | Self::Report(_)
            | Self::Stop(_)
            | Self::Retry(_)
            | Self::Approve(_)
            | Self::Runs(_)
            | Self::State(_)
            | Self::Completions(_)
            | Self::Models(_)
            | Self::Doctor(_)
            | Self::Alert(_)
            | Self::Convert(_)
            | Self::Fmt(_) => false,
        }
    }
}

/// Reads a whole command line, the program's name first.
///
/// # Errors
/// [`Refusal::Shown`] for `--help` and `--version`, [`Refusal::Usage`] for wrong use.
pub fn parse(arguments: Vec<OsString>) -> Result<Cli, Refusal> {
    let mut definition = definition();
    let arguments = prepare::prepare(arguments, &definition)?;
    let matches = definition
        .try_get_matches_from_mut(arguments.iter())
        .map_err(|error| Refusal::from_clap(&error, &arguments))?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(|error| Refusal::from_clap(&error, &arguments))?;
    take_over_run(&mut cli).map_err(|usage| Refusal::Usage(usage.with_arguments(&arguments)))?;
    Ok(cli)
}

/// The command line as clap knows it, for completion scripts and manuals.
pub fn definition() -> clap::Command {
    Cli::command().mut_args(with_variable).mut_subcommand("run", |run| run.mut_args(with_variable))
}

/// Names the variable that an option counts before. Its value is not shown: it may be a secret.
fn with_variable(argument: clap::Arg) -> clap::Arg {
    let long = argument.get_long().map(|long| format!("--{long}"));
    let Some(variable) =
        VARIABLES.iter().find(|variable| variable.option == long.as_deref() && long.is_some())
    else {
        return argument;
    };
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    argument.help(format!("{help} [env: {}]", variable.name))
}

/// A run may be named by place or by `--run`; from here on it stands in [`Common::run`].
fn take_over_run(cli: &mut Cli) -> Result<(), refusal::UsageError> {
    let place = match &mut cli.command {
        Command::Status(command) => command.id.take(),
        Command::Wait(command) => command.id.take(),
        Command::Resume(command) => command.id.take(),
        Command::Report(command) => command.id.take(),
        Command::Run(_)
        | Command::Check(_)
        | Command::Logs(_)
        | Command::Why(_)
        | Command::Stop(_)
        | Command::Retry(_)
        | Command::Approve(_)
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
        | Command::Fmt(_) => None,
    };
    if let Some(place) = place {
        if let Some(named) = cli.common.run.as_ref().filter(|named| **named != place) {
            return Err(refusal::UsageError::new(format!(
                "the run is named twice and differently: `{place}` and `--run {named}`"
            )));
        }
        cli.common.run = Some(place);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
