//! What `doctor` says of this machine, as one document.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::CheckDiagnostic;
use super::record::version;

version!(DoctorVersion, "doctor/v1");

/// How well something is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Well.
    #[default]
    Ok,
    /// It works, but somebody should know.
    Warning,
    /// It does not work.
    Error,
}

/// Something that was found, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorNote {
    /// How well it is.
    pub health: Health,
    /// What was found, a fragment.
    pub text: String,
    /// What to do about it: a command, or a few words.
    pub cure: Option<String>,
}

impl DoctorNote {
    /// A note without anything to do.
    pub fn new(health: Health, text: impl Into<String>) -> Self {
        Self { health, text: text.into(), cure: None }
    }

    /// The same with something to do about it.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }
}

/// What can be seen of a login without asking anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LoginState {
    /// There is a key. Whether the provider takes it was not asked.
    Key,
    /// Somebody logged in, with a token that refreshes itself.
    Session,
    /// The agent's configuration says how to reach the provider, without a key.
    Configured,
    /// It answers without one.
    NotNeeded,
    /// Without one it answers with some of its models only.
    Anonymous,
    /// There is none.
    Missing,
    /// It cannot be told from here.
    Unknown,
}

/// A provider that an agent is to reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorLogin {
    /// The provider; null: whichever the agent takes by itself.
    pub provider: Option<String>,
    /// The layers that need it.
    pub layers: Vec<u8>,
    /// What can be seen of its login.
    pub state: LoginState,
    /// Where: the name of a variable or of a file.
    pub place: Option<String>,
}

/// How a program's version stands to the one that its adapter was proved with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionStanding {
    /// It is that one.
    Proved,
    /// It came later.
    Newer,
    /// It came before.
    Older,
    /// Nothing was proved with this agent.
    NotProved,
    /// There is no program, or it did not say its version.
    #[default]
    Unknown,
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorAgent {
    /// Its name.
    pub name: String,
    /// The worst of its notes.
    pub health: Health,
    /// Whether an attempt of it could start.
    pub usable: bool,
    /// The version that it said.
    pub version: Option<String>,
    /// How that stands to the proved one.
    pub standing: VersionStanding,
    /// The version that its adapter was proved with.
    pub proved_version: Option<String>,
    /// What it was installed by: `npm`, `pnpm`, `volta`, `fnm`, `nvm`, `bun`, `homebrew`, `project`,
    /// `configured`, or `PATH` where that cannot be told.
    pub source: Option<String>,
    /// Where it was found.
    pub found: Option<PathBuf>,
    /// What is started: the program behind a package manager's script.
    pub program: Option<PathBuf>,
    /// The layers that name it.
    pub layers: Vec<u8>,
    /// What it needs to log in to.
    pub logins: Vec<DoctorLogin>,
    /// Whether only one attempt of it may run at a time, since its login cannot be separated.
    pub one_at_a_time: bool,
    /// Bytes of memory that an attempt needs at its start, where that was measured.
    pub memory: Option<u64>,
    /// What was found, the worst first.
    pub notes: Vec<DoctorNote>,
}

/// Something that a run needs besides agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoctorFact {
    /// What: `git`, `root`, `shell`, `embedded`, `redis`, `memory`, …
    pub name: String,
    /// What was found of it.
    #[serde(flatten)]
    pub note: DoctorNote,
}

/// The machine in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DoctorMachine {
    /// Processors that we may use.
    pub cores: Option<u32>,
    /// Bytes of memory that can be used without swapping.
    pub memory_available: Option<u64>,
    /// Bytes that are free where runs are kept.
    pub state_free: Option<u64>,
    /// Bytes that are free where agents keep what can be made again.
    pub cache_free: Option<u64>,
    /// What was found.
    pub facts: Vec<DoctorFact>,
}

/// What `doctor` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doctor {
    /// `doctor/v1`.
    pub schema: DoctorVersion,
    /// What `doctor` exits with: 0 if a run would work.
    pub exit_code: u8,
    /// The last line: whether a run would work, and if not, why.
    pub summary: String,
    /// The project's root.
    pub root: PathBuf,
    /// Mistakes in the configuration. With any, its defaults were looked at instead.
    pub configuration: Vec<DoctorNote>,
    /// The same with their places, where they stand in a file.
    pub diagnostics: Vec<CheckDiagnostic>,
    /// The agents that a layer or the configuration names, and all others that are installed.
    pub agents: Vec<DoctorAgent>,
    /// The project's folder, git, the shell.
    pub workspace: Vec<DoctorFact>,
    /// Where runs are kept.
    pub state: Vec<DoctorFact>,
    /// The alerts that are configured; nothing is sent.
    #[serde(default)]
    pub alerts: Vec<DoctorFact>,
    /// The machine.
    pub machine: DoctorMachine,
}
