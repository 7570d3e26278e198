//! An agent as configured: which program, how it is spoken to, what counts as its success.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent_output::{EventRules, SignPattern};
use super::limits::Limits;

/// The code that knows how to speak to an agent.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AdapterKind {
    /// Kilo CLI.
    Kilo,
    /// OpenCode.
    Opencode,
    /// Cline CLI.
    Cline,
    /// No model: runs the task's own command in a shell.
    Command,
    /// Any other program, by the data of its [`AgentSpec`].
    #[default]
    Program,
}

impl AdapterKind {
    /// Whether it can go on with a session of its own with another model than the one that began it,
    /// as was seen of its program. Of a program of the user's own nobody knows.
    pub const fn changes_model(self) -> bool {
        match self {
            Self::Kilo | Self::Opencode => true,
            // Cline resumes nothing without a terminal, and a command has no session.
            Self::Cline | Self::Command | Self::Program => false,
        }
    }
}

/// How a program takes its prompt.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PromptChannel {
    /// On standard input, to its end.
    #[default]
    Stdin,
    /// As a file; `{prompt_file}` in the arguments is its path.
    File,
    /// As one argument, the last.
    Argument,
}

/// Whether an agent has to leave a `completion.json`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CompletionRule {
    /// Without one the attempt failed.
    #[default]
    Required,
    /// One that is there counts; none is no fault.
    Optional,
    /// Not looked at.
    None,
}

/// Which variables shaped like secrets an agent may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PassEnv {
    /// `"*"`: all of them.
    All(AllNames),
    /// Just these names.
    Names(Vec<String>),
}

/// The text `"*"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AllNames {
    /// `"*"`.
    #[serde(rename = "*")]
    All,
}

impl Default for PassEnv {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

impl PassEnv {
    /// Whether the variable `name` may pass.
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Self::All(_) => true,
            Self::Names(names) => names.iter().any(|known| known == name),
        }
    }
}

/// An agent of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSpec {
    /// Its name in plans and layers.
    pub name: String,
    /// The code that speaks to it.
    pub kind: AdapterKind,
    /// The program as configured: a name to look for, or a path.
    pub program: Option<String>,
    /// The program as found, absolute; none: it is not installed.
    pub found: Option<PathBuf>,
    /// The call by which a person logs it in, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<String>,
    /// Arguments that come before all others: the script, where what was found is one that `found`
    /// has to run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found_args: Vec<String>,
    /// Arguments, with `{prompt_file}`, `{model}`, `{workspace}`, `{completion}`, `{title}`, and in
    /// presets `{completion_folder}`.
    pub args: Vec<String>,
    /// Arguments that follow when a session is gone on with, with `{session}`; none: it cannot.
    #[serde(default)]
    pub resume_args: Vec<String>,
    /// How it takes its prompt.
    pub prompt: PromptChannel,
    /// Variables that are set for it.
    pub env: BTreeMap<String, String>,
    /// Variables shaped like secrets that it may see.
    pub pass_env: PassEnv,
    /// Exit codes that mean success.
    pub success_codes: Vec<i32>,
    /// How many of its attempts may run at once.
    pub limit: Option<u32>,
    /// Bytes of memory one attempt needs at its start.
    pub memory: Option<u64>,
    /// What one attempt may use.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// Whether it has to leave a completion.
    pub completion: CompletionRule,
    /// What its final lines mean when it ends without success. Only for [`AdapterKind::Program`].
    #[serde(default)]
    pub signs: Vec<SignPattern>,
    /// How the JSON lines that it prints are read; none: it prints text. Only for
    /// [`AdapterKind::Program`].
    #[serde(default)]
    pub events: Option<EventRules>,
    /// How many steps (answers of the model, or calls that it tells of) an attempt of it may take before
    /// it counts as going nowhere; none: as many as its reader holds to be sane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u32>,
    /// Whether this adapter was proved against the real program.
    pub proved: bool,
}

impl Default for AgentSpec {
    /// A program without a name that takes its prompt on standard input, exits 0 when all is well and
    /// has to leave a completion.
    fn default() -> Self {
        Self {
            name: String::new(),
            kind: AdapterKind::default(),
            program: None,
            found: None,
            login: None,
            found_args: Vec::new(),
            args: Vec::new(),
            resume_args: Vec::new(),
            prompt: PromptChannel::default(),
            env: BTreeMap::new(),
            pass_env: PassEnv::default(),
            success_codes: vec![0],
            limit: None,
            memory: None,
            limits: Limits::default(),
            completion: CompletionRule::default(),
            signs: Vec::new(),
            events: None,
            max_steps: None,
            proved: false,
        }
    }
}

impl AgentSpec {
    /// Whether an attempt of it can be started here.
    pub const fn is_installed(&self) -> bool {
        self.found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_of_an_older_journal_is_read() {
        let agent: AgentSpec = serde_json::from_str(
            r#"{"name":"mine","kind":"program","program":"mine","found":null,"args":["x"],"prompt":"file",
                "env":{},"pass_env":[],"success_codes":[0],"limit":null,"memory":null,
                "completion":"required","proved":false}"#,
        )
        .unwrap();
        assert_eq!((agent.signs.len(), agent.events, agent.resume_args.len()), (0, None, 0));
        assert_eq!(agent.prompt, PromptChannel::File);
    }
}
