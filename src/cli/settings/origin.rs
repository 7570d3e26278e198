//! Where a value came from, and what is wrong with it.

use std::fmt;

use crate::cli::config::{Config, ConfigProblem};
use crate::model::exit::ExitCode;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// An option of the command line, with its dashes.
    Option(&'static str),
    /// A variable.
    Variable(&'static str),
    /// The project's file.
    Project {
        /// The file as shown.
        file: String,
        /// 1-based; 0: unknown.
        line: u32,
    },
    /// The user's file.
    User {
        /// The file as shown.
        file: String,
        /// 1-based; 0: unknown.
        line: u32,
    },
    /// The built-in default.
    Default,
}

impl Origin {
    /// The place of the key with this dotted name in a file.
    pub(super) fn of(config: &Config, is_project: bool, key: &str) -> Self {
        let line = config.line(key).unwrap_or(0);
        let file = config.file.clone();
        if is_project { Self::Project { file, line } } else { Self::User { file, line } }
    }

    /// What the process exits with if the value is wrong.
    pub const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Option(_) | Self::Variable(_) => ExitCode::Usage,
            Self::Project { .. } | Self::User { .. } | Self::Default => ExitCode::InvalidInput,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) | Self::Variable(name) => write!(f, "`{name}`"),
            Self::Project { file, line: 0 } | Self::User { file, line: 0 } => write!(f, "`{file}`"),
            Self::Project { file, line } | Self::User { file, line } => write!(f, "`{file}:{line}`"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// Something that is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsProblem {
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl SettingsProblem {
    /// The same as a mistake of the file in which it stands.
    pub fn in_file(&self) -> Option<ConfigProblem> {
        match &self.origin {
            Origin::Project { file, line } | Origin::User { file, line } => Some(ConfigProblem {
                file: file.clone(),
                line: *line,
                column: 1,
                length: 1,
                message: self.message.clone(),
                hints: self.hints.clone(),
            }),
            Origin::Option(_) | Origin::Variable(_) | Origin::Default => None,
        }
    }
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.problems.first().map_or_else(String::new, ToString::to_string))]
pub struct SettingsError {
    /// The mistakes; at least one.
    pub problems: Vec<SettingsProblem>,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A short name.
    pub code: &'static str,
    /// A lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}
