//! The commands besides `run` and `check`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::reading;
use super::run::ReadingOptions;
use super::simulate::SimulateCommand;
use crate::cli::config::MAX_JOBS;
use crate::model::completion::{CompletionStatus, Verification};
use crate::model::ids::TaskId;
use crate::model::time::Span;

/// `orchestrate status`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate status                 the latest run of this project
  orchestrate status 01JD8Q --watch  that run, live until it ends
  orchestrate status --output json
  orchestrate status --redis redis://cache:6379   a run of another machine

What the journal here does not know is looked for in Redis, where one is used.")]
pub struct StatusCommand {
    /// The run; left out: the latest
    #[arg(value_name = "RUN")]
    pub id: Option<String>,
    /// Redraw until the run ends
    #[arg(short, long)]
    pub watch: bool,
}

/// `orchestrate wait`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate wait                              until the latest run ends; exits with its code
  orchestrate wait --timeout 5m || echo $?      124 if it still goes on
  orchestrate wait --cursor 120 --output ndjson only what happened after event 120")]
pub struct WaitCommand {
    /// The run; left out: the latest
    #[arg(value_name = "RUN")]
    pub id: Option<String>,
    /// Give up after this time, with exit code 124
    #[arg(long, value_name = "D", value_parser = reading::span)]
    pub timeout: Option<Span>,
    /// Print only events after this number, and end as soon as there are some
    #[arg(long, value_name = "N")]
    pub cursor: Option<u64>,
}

/// `orchestrate resume`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate resume                 go on with the latest run
  orchestrate resume --yes-gates     taking every gate as approved
  orchestrate resume --allow-paid --reason 'the demo is at five'
  orchestrate resume --redis redis://cache:6379   a run whose machine is lost
  orchestrate resume --replan        the plan was changed: say what is different, and go on with it
  orchestrate resume --replan --dry-run   only say it

A run goes on with its plan as it read it. With --replan the plan is read again, in the way and
with the selection that the run began with, and what is different is printed, new commands
first. What succeeded stays so. A task that failed and was changed is run again; one that the
plan dropped, or calls done, is skipped. A run keeps the ids of its tasks: one that only got
another number is known by its title, and another task under the id of one that was begun gets
an id of its own (`3-2`).

With Redis a run of another machine is taken over once its lease has lapsed, half a minute after its
supervisor was last seen. It goes on in a checkout of the same repository that has its plan.")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line, and they combine freely"
)]
pub struct ResumeCommand {
    /// The run; left out: the latest
    #[arg(value_name = "RUN")]
    pub id: Option<String>,
    /// How many attempts may run at once; left out: as before
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_JOBS)))]
    pub jobs: Option<u32>,
    /// Take every gate as approved
    #[arg(long)]
    pub yes_gates: bool,
    /// Read the changed plan first, and print what is different
    #[arg(long)]
    pub replan: bool,
    /// With --replan: only print what is different
    #[arg(long, requires = "replan")]
    pub dry_run: bool,
    /// Allow layers that cost money; needs --reason
    #[arg(long, requires = "reason")]
    pub allow_paid: bool,
    /// Why money may be spent; kept with the run
    #[arg(long, value_name = "TEXT", requires = "allow_paid")]
    pub reason: Option<String>,
    /// What the whole run may spend at layers that cost money, in US dollars, what it spent before included
    #[arg(long, value_name = "USD", value_parser = reading::usd)]
    pub budget: Option<f64>,
    /// Allow it inside a task of another run
    #[arg(long)]
    pub nested: bool,
}

/// `orchestrate report`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate report                      the latest run, as Markdown
  orchestrate report 01JD8Q --as json | jq '.tasks[] | select(.status == \"failed\")'")]
pub struct ReportCommand {
    /// The run; left out: the latest
    #[arg(value_name = "RUN")]
    pub id: Option<String>,
    /// Its form
    #[arg(long = "as", value_name = "FORM", default_value = "md")]
    pub form: ReportForm,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum ReportForm {
    /// Markdown
    Md,
    /// The run's result as one JSON document
    Json,
}

/// `orchestrate logs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate logs T006               the last attempt, secrets masked
  orchestrate logs T006 -f            as it comes
  orchestrate logs T006 --attempt 1 --stderr

Of a run on another machine Redis has the last 64 KiB; where the whole log lies is said.")]
pub struct LogsCommand {
    /// The task
    #[arg(value_name = "TASK", value_parser = reading::task_id)]
    pub task: TaskId,
    /// Go on printing until the attempt ends
    #[arg(short, long)]
    pub follow: bool,
    /// Which attempt; left out: the last
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
    /// What it printed on standard error
    #[arg(long)]
    pub stderr: bool,
}

/// `orchestrate why`.
#[derive(Debug, Clone, Args)]
pub struct WhyCommand {
    /// The task
    #[arg(value_name = "TASK", value_parser = reading::task_id)]
    pub task: TaskId,
}

/// `orchestrate stop`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate stop                    the latest run; `resume` goes on
  orchestrate stop T003 T004          these tasks, for good

A run of another machine is asked through Redis, where one is used.")]
pub struct StopCommand {
    /// The tasks; left out: the whole run
    #[arg(value_name = "TASK", value_parser = reading::task_id)]
    pub tasks: Vec<TaskId>,
}

/// `orchestrate retry`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate retry                           all that failed, and what that blocked
  orchestrate retry T006 --layer 3            by another model
  orchestrate retry T006 --say 'write it to plans/audit/a11y.md'
  orchestrate retry T007 --say 'use the key in .env.test'   the answer to an agent that asked
  orchestrate retry T008 --layer 6 --allow-paid --reason 'the demo is at five'

The next attempt is told what went wrong and your word; an agent that reported itself blocked reads
its question and the answer. A run that goes on takes it up at once. What would change nothing is
refused: a layer for a task that a command runs, an agent that has no such layer.")]
pub struct RetryCommand {
    /// The tasks; left out: all that did not succeed
    #[arg(value_name = "TASK", value_parser = reading::task_id)]
    pub tasks: Vec<TaskId>,
    /// Start at this layer
    #[arg(long, value_name = "N", value_parser = reading::layer)]
    pub layer: Option<u8>,
    /// By this agent
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// A word to the agent: the answer, where it stopped and asked
    #[arg(long, value_name = "TEXT")]
    pub say: Option<String>,
    /// Allow layers that cost money; needs --reason
    #[arg(long, requires = "reason")]
    pub allow_paid: bool,
    /// Why money may be spent; kept with the run
    #[arg(long, value_name = "TEXT", requires = "allow_paid")]
    pub reason: Option<String>,
    /// What the whole run may spend at layers that cost money, in US dollars, what it spent before included
    #[arg(long, value_name = "USD", value_parser = reading::usd)]
    pub budget: Option<f64>,
}

/// `orchestrate approve`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate approve \"phase 2\"
  orchestrate approve T010 --resume   and go on at once")]
pub struct ApproveCommand {
    /// The gate: its name, or the id of its task
    #[arg(value_name = "GATE")]
    pub gate: String,
    /// Go on with the run
    #[arg(long)]
    pub resume: bool,
}

/// `orchestrate runs`.
#[derive(Debug, Clone, Args)]
pub struct RunsCommand {
    /// At most this many, newest first
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
}

/// `orchestrate complete`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate complete --summary 'added src/tokens.rs' --created src/tokens.rs \\
      --check '0:cargo test tokens'
  orchestrate complete --status failed --summary 'could not build' --error 'no network'

Works inside a task only: which one is read from ORCHESTRATE_RUN, ORCHESTRATE_TASK,
ORCHESTRATE_ATTEMPT and ORCHESTRATE_COMPLETION.")]
pub struct CompleteCommand {
    /// What the attempt came to
    #[arg(long, value_name = "STATUS", default_value = "succeeded")]
    pub status: CompletionWord,
    /// One to three sentences
    #[arg(long, value_name = "TEXT")]
    pub summary: String,
    /// A file that was made (may be given several times)
    #[arg(long, value_name = "PATH")]
    pub created: Vec<String>,
    /// A file that was changed (may be given several times)
    #[arg(long, value_name = "PATH")]
    pub modified: Vec<String>,
    /// A file that was removed (may be given several times)
    #[arg(long, value_name = "PATH")]
    pub deleted: Vec<String>,
    /// A check that was run, with its exit code (may be given several times)
    #[arg(long, value_name = "CODE:CMD", value_parser = reading::verification)]
    pub check: Vec<Verification>,
    /// Why it did not succeed; needed unless it did
    #[arg(long, value_name = "TEXT", required_if_eq_any = [("status", "failed"), ("status", "blocked")])]
    pub error: Option<String>,
    /// What kind of error, in a word
    #[arg(long, value_name = "WORD", requires = "error")]
    pub error_kind: Option<String>,
    /// What is left to do (may be given several times)
    #[arg(long, value_name = "TEXT")]
    pub next: Vec<String>,
}

/// What an attempt came to, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompletionWord {
    /// The task is done
    Succeeded,
    /// The task could not be done
    Failed,
    /// Something is needed that the agent cannot get itself
    Blocked,
}

impl From<CompletionWord> for CompletionStatus {
    fn from(word: CompletionWord) -> Self {
        match word {
            CompletionWord::Succeeded => Self::Succeeded,
            CompletionWord::Failed => Self::Failed,
            CompletionWord::Blocked => Self::Blocked,
        }
    }
}

/// `orchestrate progress`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate progress 'tests written, two fail' --percent 60")]
pub struct ProgressCommand {
    /// How far it is, in a few words
    #[arg(value_name = "MESSAGE")]
    pub message: String,
    /// How much of it is done
    #[arg(long, value_name = "0..100", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub percent: Option<u8>,
}

/// `orchestrate state`.
#[derive(Debug, Clone, Subcommand)]
pub enum StateCommand {
    /// Print the value of one key
    Get {
        /// The key, with or without the prefix
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// List the keys of this project
    List {
        /// Only keys that begin so, with or without the prefix
        #[arg(value_name = "BEGINNING")]
        beginning: Option<String>,
    },
    /// Print every change of the shared state as it happens, until it is interrupted
    Watch,
    /// Compare the shared state with the journal and its schemas
    Verify,
    /// Write what the shared state should have again from the journal
    Repair,
}

/// `orchestrate schema`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate schema                  the names of all
  orchestrate schema completion
  orchestrate schema config > orchestrate.schema.json")]
pub struct SchemaCommand {
    /// Its name; left out: the names of all
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// `orchestrate completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate completions bash > ~/.local/share/bash-completion/completions/orchestrate
  orchestrate completions zsh > ~/.zfunc/_orchestrate")]
pub struct CompletionsCommand {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// `orchestrate doctor`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate doctor                 what is installed and logged in, and what to do about the rest
  orchestrate doctor -v              with the path of each program
  orchestrate doctor -q              only what is not well
  orchestrate doctor --output json | jq '.agents[] | {name, version, standing}'

Agents are asked for their version, and nobody for anything else: a key that is there may still be
refused. Ends with 0 if a run would work, 3 if the configuration is invalid, 5 if no agent or not
the project's folder can be used, 6 if state cannot be kept.")]
pub struct DoctorCommand {}

/// `orchestrate models`.
#[derive(Debug, Clone, Args)]
pub struct ModelsCommand {
    /// What of it; left out: `list`.
    #[command(subcommand)]
    pub action: Option<ModelsAction>,
}

/// What of the model hierarchy.
#[derive(Debug, Clone, PartialEq, Subcommand)]
pub enum ModelsAction {
    /// Show the layers, and which can be used here
    List,
    /// Find what does not fit together: layers, names, money, plans, and other tools' tables of models
    #[command(after_help = "\
Examples:
  orchestrate models check                    the hierarchy, and the project's own tables of models
  orchestrate models check plans/*.md         and what these plans ask for
  orchestrate models check --output json | jq '.diagnostics[] | select(.severity == \"error\")'

Tables that are read where they are: .kilocode/models.json, opencode.json, opencode.jsonc, and those in
AGENTS.md. They are compared and never changed. Ends with 0 if nothing is wrong (warnings are
not), 3 if something is.")]
    Check(ModelsCheckCommand),
    /// Show what attempts cost and used, and what is left of the budgets
    #[command(after_help = "\
Examples:
  orchestrate models spend                        this month, by provider
  orchestrate models spend --by task --run 01K    what each task of a run cost
  orchestrate models spend --by month --month all
  orchestrate models spend --output json | jq '.providers.openai.left_usd'

What was used for nothing is shown in tokens. Where an agent does not say what it used, what was
reserved for the attempt is charged. Budgets are the `budget_usd_per_month` of providers; days and
months are those of UTC.")]
    Spend(SpendCommand),
    /// Show what would become of a plan if providers answered as a scenario says
    Simulate(Box<SimulateCommand>),
}

/// `orchestrate models check`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct ModelsCheckCommand {
    /// Plans whose wishes are looked at too
    #[arg(value_name = "PLAN")]
    pub plans: Vec<PathBuf>,
}

/// `orchestrate models spend`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct SpendCommand {
    /// What to add up by
    #[arg(long, value_enum, default_value = "provider")]
    pub by: SpendBy,
    /// Which month, as `2026-11`, or `all`; left out: this one
    #[arg(long, value_name = "MONTH|all", value_parser = reading::month)]
    pub month: Option<String>,
}

/// What spending is added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SpendBy {
    /// The provider that answered
    Provider,
    /// The model that answered
    Model,
    /// The layer
    Layer,
    /// The run
    Run,
    /// The task
    Task,
    /// The day
    Day,
    /// The month
    Month,
}

impl SpendBy {
    /// Its word on the command line and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Model => "model",
            Self::Layer => "layer",
            Self::Run => "run",
            Self::Task => "task",
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// `orchestrate alert`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum AlertCommand {
    /// Send one alert to each that is configured, and say what came of it
    #[command(after_help = "\
Examples:
  orchestrate alert test              one to each `[[alerts]]` of the configuration
  orchestrate alert test ops          to the one with this name, or number
  orchestrate alert test --output json

Ends with 0 if each was taken, 1 if one was not, 3 if the configuration of one is invalid, 4 if
there is none. Each is tried once.")]
    Test {
        /// The alert's name, or its number from 1; left out: all
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

/// `orchestrate convert`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate convert specs/login/tasks.md             the native plan on standard output
  orchestrate convert specs/login/tasks.md --to plan.md
  orchestrate convert tasks.json | orchestrate check -  the same tasks and edges
  orchestrate convert plan.md --output json | jq '.lost'

The native plan is read back before it is given out: ids, titles, statuses, keys, texts and what
waits for what are the same; what could not be kept is said on standard error. Its front matter
says `format: native`, by which it is read without guesses: headings are groups, boxes are
tasks, the list directly below them holds their keys, and nothing else is. Secrets of the plan
are in it as they stand.")]
pub struct ConvertCommand {
    /// The plan: a file, a bare name, or `-` for standard input
    #[arg(value_name = "FILE")]
    pub plan: PathBuf,
    /// Write it to this file
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// With --to: write over a file that is there
    #[arg(long, requires = "to")]
    pub force: bool,
    /// How to read it.
    #[command(flatten)]
    pub reading: ReadingOptions,
}

/// `orchestrate fmt`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  orchestrate fmt plan.md              writes it in place, if something is to be changed
  orchestrate fmt --check plans/*.md   only show what would change; exits with 1 then
  orchestrate fmt - < plan.md          from standard input to standard output

Keys get their names in bold and their order, paths stand in backticks, lists have commas,
durations units: `- timeout: 1200` becomes `- **Timeout**: 20m`. Only the lists of keys of tasks
and groups are changed, as the reader reads them; every other byte stays. Plans that another
tool writes are left alone, and so are plans with mistakes.")]
pub struct FmtCommand {
    /// The plans: files, bare names, or `-` for standard input
    #[arg(value_name = "FILE", required = true)]
    pub plans: Vec<PathBuf>,
    /// Write nothing; show what would change, and exit with 1 if something would
    #[arg(long)]
    pub check: bool,
    /// How to read them.
    #[command(flatten)]
    pub reading: ReadingOptions,
}
