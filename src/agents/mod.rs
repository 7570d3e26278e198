//! Agents: how each one is started, and what its output means.
//!
//! **Invariants:** this room is the only place that knows a CLI's flags, variables and phrases; there
//! is one file per agent (Kilo is a fork of OpenCode and shares its parts). What is
//! sent to an agent is made in one place for all of them, [`prompt`]. A reader keeps a bounded
//! amount whatever an agent prints, and believes only an agent's structured events, its error log
//! and the way it ended: words in its talk are no evidence. An agent of the configuration has no file:
//! its data says which fields and which final lines mean what.
//!
//! **What it does not do:** it starts no process, decides nothing about retries, and reads no
//! clock. The file system is looked at in [`find`] and, for a prompt that has to be an argument, for
//! Cline's logins and for the user's configuration of OpenCode and Kilo, in [`command`]; the
//! environment is always an argument. [`login`] and [`versions`] are pure.

pub mod environment;
pub mod find;
pub mod login;
pub mod presets;
pub mod prompt;
pub mod versions;

mod batch;
#[cfg(test)]
mod bounds;
mod cline;
mod cline_reader;
mod fields;
mod jsonc;
mod kilo;
mod opencode;
mod opencode_errors;
mod opencode_own;
mod opencode_reader;
mod patterns;
mod program;
mod program_reader;
mod records;
mod rounds;
mod shell;
mod signs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::agent::{AdapterKind, AgentSpec};
use crate::model::command::CommandSpec;
use crate::model::failure::FailureKind;
use crate::model::layer::Rung;
use crate::model::reading::OutputReader;
use crate::model::task::TaskSpec;
use crate::model::time::Span;

pub use jsonc::read as read_jsonc;
pub use patterns::{FINAL_LINES, PatternFault, check_pattern};

/// What is known of an attempt before it starts.
#[derive(Debug, Clone)]
pub struct AttemptContext<'a> {
    /// The task that is tried.
    pub task: &'a TaskSpec,
    /// The agent that tries it.
    pub agent: &'a AgentSpec,
    /// The model and provider that are asked for.
    pub rung: &'a Rung,
    /// Which try, from 1.
    pub attempt: u32,
    /// The attempt's folder below the run's.
    pub folder: &'a Path,
    /// A folder that is this attempt's alone, in the user's cache; it need not be there yet. For an
    /// attempt that goes on with a session: the folder of the attempt that began it.
    pub data: &'a Path,
    /// Where the agent works.
    pub workspace: &'a Path,
    /// Where its completion is expected.
    pub completion: &'a Path,
    /// Where its prompt stands.
    pub prompt_file: &'a Path,
    /// Its environment: [`environment::child_environment`] and our own variables.
    pub environment: BTreeMap<String, String>,
    /// The user's home folder.
    pub home: Option<&'a Path>,
    /// The session to go on with. Only for agents whose [`CommandSpec`] names `session_data`.
    pub session: Option<&'a str>,
    /// How long the attempt may take.
    pub timeout: Span,
    /// After how long without a sign of life it is ended.
    pub idle_timeout: Span,
}

/// Why an agent cannot be started as asked.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// Its program was not found.
    #[error("agent `{agent}` is not installed")]
    NotInstalled {
        /// The agent.
        agent: String,
    },
    /// The task has no command to run.
    #[error("task `{task}` is for the agent `command` and has no command")]
    NoCommand {
        /// The task.
        task: String,
    },
    /// The task's command has several lines, and the only shell that was found takes one.
    #[error(
        "the command of task `{task}` has several lines and `cmd` takes one: install Git for Windows, whose `sh` takes all"
    )]
    SeveralLines {
        /// The task.
        task: String,
    },
    /// A variable that has to hold a JSON object holds something else.
    #[error("`{variable}` of agent `{agent}` is no JSON object: {reason}")]
    BadConfig {
        /// The agent.
        agent: String,
        /// The variable.
        variable: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A pattern of a sign cannot be used.
    #[error("the pattern `{pattern}` of agent `{agent}` cannot be used: {fault}")]
    BadPattern {
        /// The agent.
        agent: String,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        fault: PatternFault,
    },
    /// The model's name would be taken for an option, or is none.
    #[error("`{model}` is no name of a model for agent `{agent}`")]
    BadModel {
        /// The agent.
        agent: String,
        /// The name.
        model: String,
    },
    /// Without a login the agent would send the prompt to somebody else.
    #[error("agent `{agent}` has no login with an address for provider `{provider}`")]
    NoLogin {
        /// The agent.
        agent: String,
        /// The provider.
        provider: String,
    },
    /// The prompt is longer than an argument may be.
    #[error(
        "the prompt has {bytes} bytes and agent `{agent}` takes it as an argument, where {limit} fit: set `prompt` to `stdin` or `file`"
    )]
    PromptTooLong {
        /// The agent.
        agent: String,
        /// Its length.
        bytes: usize,
        /// The most that fits.
        limit: usize,
    },
    /// Its program is a script of Windows' own shell, and the shell cannot be given an argument.
    #[error(
        "agent `{agent}` is started by `{}`, which `cmd` runs, and `cmd` takes no {what}: set `program` of the agent to the program that the script starts",
        program.display()
    )]
    Batch {
        /// The agent.
        agent: String,
        /// The script.
        program: PathBuf,
        /// What it does not take.
        what: &'static str,
    },
    /// What its session is kept in is not there any more.
    #[error("session `{session}` of agent `{agent}` cannot be gone on with: its data are gone")]
    SessionGone {
        /// The agent.
        agent: String,
        /// The session.
        session: String,
    },
    /// A file that has to be read first cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl AdapterError {
    /// The failure of the attempt that this amounts to.
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::NotInstalled { .. } => FailureKind::AgentNotFound,
            Self::NoLogin { .. } => FailureKind::NotLoggedIn,
            Self::NoCommand { .. }
            | Self::SeveralLines { .. }
            | Self::BadConfig { .. }
            | Self::BadPattern { .. }
            | Self::BadModel { .. }
            | Self::PromptTooLong { .. }
            | Self::Batch { .. }
            | Self::SessionGone { .. }
            | Self::Unreadable { .. } => FailureKind::UsageError,
        }
    }
}

/// Says how to start the agent for an attempt.
pub fn command(context: &AttemptContext<'_>) -> Result<CommandSpec, AdapterError> {
    let mut command = match context.agent.kind {
        AdapterKind::Kilo => opencode::command(&kilo::FLAVOUR, context),
        AdapterKind::Opencode => opencode::command(&opencode::FLAVOUR, context),
        AdapterKind::Cline => cline::command(context),
        AdapterKind::Command => shell::command(context),
        AdapterKind::Program => program::command(context),
    }?;
    command.args.splice(0..0, context.agent.found_args.iter().cloned());
    match batch::obstacle(find::System::here(), &command.program, &command.args) {
        Some(what) => {
            Err(AdapterError::Batch { agent: context.agent.name.clone(), program: command.program, what })
        }
        None => Ok(command),
    }
}

/// Makes the reader of an attempt's output. `provider` is who is asked for answers; it stands in
/// messages only.
pub fn reader(agent: &AgentSpec, provider: Option<&str>) -> Box<dyn OutputReader> {
    let steps = agent.max_steps;
    match agent.kind {
        AdapterKind::Kilo => Box::new(opencode_reader::Reader::new(&kilo::FLAVOUR, provider, steps)),
        AdapterKind::Opencode => Box::new(opencode_reader::Reader::new(&opencode::FLAVOUR, provider, steps)),
        AdapterKind::Cline => Box::new(cline_reader::Reader::new(provider, steps)),
        AdapterKind::Command | AdapterKind::Program => Box::new(program_reader::Reader::new(agent)),
    }
}

/// Whether the agent's login cannot be separated from its data, so that only one attempt of it may
/// run at a time. Looks at the login file of the agent, if it has one.
pub fn single_login(
    agent: &AgentSpec,
    provider: Option<&str>,
    environment: &BTreeMap<String, String>,
    home: Option<&Path>,
) -> bool {
    match agent.kind {
        AdapterKind::Cline => cline::shares_login(agent, provider, environment, home),
        AdapterKind::Kilo | AdapterKind::Opencode | AdapterKind::Command | AdapterKind::Program => false,
    }
}

/// How to ask an agent's program for its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionQuestion {
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
}

/// How to ask the program of an agent for its version, given the environment that it gets to see.
/// None: it is not known what the program would do if it were asked.
pub fn version_question(
    agent: &AgentSpec,
    environment: &BTreeMap<String, String>,
) -> Option<VersionQuestion> {
    let quiet: &[(&str, &str)] = match agent.kind {
        AdapterKind::Kilo => kilo::FLAVOUR.quiet,
        AdapterKind::Opencode => opencode::FLAVOUR.quiet,
        AdapterKind::Cline => &cline::QUIET,
        AdapterKind::Command => return None,
        AdapterKind::Program => {
            let is_preset = presets::builtin()
                .iter()
                .any(|preset| preset.name == agent.name && preset.program == agent.program);
            if !is_preset {
                return None;
            }
            &[]
        }
    };
    let mut environment = environment.clone();
    for &(name, value) in quiet {
        environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }
    Some(VersionQuestion { args: vec!["--version".to_owned()], environment })
}

/// The program of an agent as found, absolute.
fn found(agent: &AgentSpec) -> Result<PathBuf, AdapterError> {
    agent.found.clone().ok_or_else(|| AdapterError::NotInstalled { agent: agent.name.clone() })
}

/// The model asked for, checked to be usable as the value of an option.
fn model<'a>(context: &AttemptContext<'a>) -> Result<Option<&'a str>, AdapterError> {
    let Some(model) = context.rung.model.as_deref() else { return Ok(None) };
    let bad = model.is_empty() || model.starts_with('-') || model.chars().any(char::is_control);
    if bad {
        return Err(AdapterError::BadModel { agent: context.agent.name.clone(), model: model.to_owned() });
    }
    Ok(Some(model))
}

/// A path as the text of an argument or a variable. Paths that are no Unicode are written as well
/// as they can be: the programs asked here could not read them either.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
