//! The one place that turns what went wrong into an exit code, a message and hints.

use std::fmt;

use crate::agents::AdapterError;
use crate::model::check::CheckDiagnostic;
use crate::model::exit::ExitCode;
use crate::model::result::{ErrorDocument, ErrorVersion};
use crate::model::view::ViewError;
use crate::store::StoreError;

/// Why a command ended otherwise than well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// What the process exits with.
    pub exit: ExitCode,
    /// One lower-case sentence without a full stop; empty: everything was said before.
    pub message: String,
    /// What to do about it, each a sentence.
    pub hints: Vec<String>,
    /// Mistakes with their places, for the JSON form.
    pub diagnostics: Vec<CheckDiagnostic>,
}

impl CliError {
    /// An error with its exit code and message.
    pub fn new(exit: ExitCode, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hints: Vec::new(), diagnostics: Vec::new() }
    }

    /// The same with something to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same with mistakes that were shown before.
    #[must_use]
    pub fn with_diagnostics(mut self, diagnostics: Vec<CheckDiagnostic>) -> Self {
        self.diagnostics = diagnostics;
        self
    }

    /// The form for `--output json`.
    pub fn document(&self) -> ErrorDocument {
        ErrorDocument {
            schema: ErrorVersion::V1,
            exit_code: self.exit.code(),
            message: self.message.clone(),
            hints: self.hints.clone(),
            diagnostics: self.diagnostics.clone(),
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let mut cli = Self::new(error.exit_code(), error.to_string());
        cli.hints = error.hints();
        cli
    }
}

impl From<ViewError> for CliError {
    fn from(error: ViewError) -> Self {
        Self::new(ExitCode::Store, format!("the run's journal does not fit together: {error}"))
            .hint("look at it with `orchestrate state verify`")
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(known) => return known,
            Err(other) => other,
        };
        let error = match error.downcast::<StoreError>() {
            Ok(known) => return known.into(),
            Err(other) => other,
        };
        let error = match error.downcast::<ViewError>() {
            Ok(known) => return known.into(),
            Err(other) => other,
        };
        if let Some(known) = error.downcast_ref::<AdapterError>() {
            return Self::new(ExitCode::Environment, known.to_string());
        }
        if let Some(io) = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>()) {
            // Where nothing can be kept is the environment's fault, all else is ours.
            let keeping = [
                std::io::ErrorKind::StorageFull,
                std::io::ErrorKind::QuotaExceeded,
                std::io::ErrorKind::ReadOnlyFilesystem,
                std::io::ErrorKind::PermissionDenied,
            ];
            let exit = if keeping.contains(&io.kind()) { ExitCode::Store } else { ExitCode::Fault };
            return Self::new(exit, format!("{error:#}"));
        }
        Self::new(ExitCode::Fault, format!("{error:#}"))
            .hint("this is a fault of orchestrate: please report it with what you did")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_keep_their_exit_codes_through_anyhow() {
        let inner = CliError::new(ExitCode::InvalidInput, "no such plan").hint("look again");
        assert_eq!(CliError::from(anyhow::Error::from(inner.clone())), inner);
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let wrapped = anyhow::Error::from(full).context("cannot write `x`");
        assert_eq!(CliError::from(wrapped).exit, ExitCode::Store);
        assert_eq!(CliError::from(anyhow::anyhow!("odd")).exit, ExitCode::Fault);
    }
}
