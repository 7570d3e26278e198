//! A mistake in a text, with its place, what is wrong, and what to do about it.
//!
//! Readers collect all they have to say instead of stopping at the first mistake; [`render()`] shows
//! the lot in the order of the file. Nothing here prints, reads a file or masks secrets: the text
//! that is handed in is shown as it is, so whoever calls masks it first.

mod near;
mod render;

pub use near::suggest;
pub use render::render;

use crate::model::check::CheckDiagnostic;
use crate::model::check::Severity;

/// A place in a text, in lines and characters, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Place {
    /// 1-based line; 0: the whole text.
    pub line: u32,
    /// 1-based column in characters; 0: the whole line.
    pub column: u32,
    /// How many characters it covers; 0 is shown as one.
    pub length: u32,
}

impl Place {
    /// The whole text.
    pub const WHOLE: Self = Self { line: 0, column: 0, length: 0 };

    /// A whole line, counted from 1.
    pub const fn line(line: u32) -> Self {
        Self { line, column: 0, length: 0 }
    }
}

/// A message about a place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// A short name such as `duplicate-id`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The file it is about, as shown, where that is not the text at hand: one of several plans, a file of
    /// a folder.
    pub file: Option<String>,
    /// Where it is.
    pub place: Place,
    /// One lower-case sentence without a full stop.
    pub message: String,
    /// Things to do about it.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// A mistake: nothing is run.
    pub fn error(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            file: None,
            place,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Something to know before running.
    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, place, message) }
    }

    /// Something good to know.
    pub fn note(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(code, place, message) }
    }

    /// Adds a thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says which file it is about.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Says which file it is about, where that is another than the text at hand.
    #[must_use]
    pub fn in_optional_file(self, file: Option<&str>) -> Self {
        Self { file: file.map(str::to_owned), ..self }
    }

    /// Whether it keeps the plan from being run.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The same as a part of a document; several hints become one text.
    pub fn to_document(&self, file: &str) -> CheckDiagnostic {
        CheckDiagnostic {
            code: self.code.to_owned(),
            severity: self.severity,
            file: self.file.as_deref().unwrap_or(file).to_owned(),
            line: self.place.line,
            column: self.place.column,
            message: self.message.clone(),
            hint: if self.hints.is_empty() { None } else { Some(self.hints.join("; ")) },
        }
    }
}
