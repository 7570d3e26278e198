//! A mistake in a configuration file, with its place.

use std::fmt;
use std::ops::Range;

/// A mistake in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The file as shown.
    pub file: String,
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// In characters, at least 1.
    pub length: u32,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// Everything that is wrong with one configuration file, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.summary())]
pub struct ConfigError {
    /// The file as shown.
    pub file: String,
    /// Its text, for carets.
    pub text: String,
    /// The mistakes; at least one.
    pub problems: Vec<ConfigProblem>,
}

impl ConfigError {
    fn summary(&self) -> String {
        let mistakes = if self.problems.len() == 1 { "mistake" } else { "mistakes" };
        format!("{}: {} {mistakes}", self.file, self.problems.len())
    }
}

/// Turns a range of bytes of `text` into line, column and length.
pub(super) fn place(text: &str, range: &Range<usize>) -> (u32, u32, u32) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut start = range.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    let end = range.end.clamp(start, text.len());
    let marked = text.get(start..end).unwrap_or("").lines().next().unwrap_or("");
    (number(line), number(column), number(marked.trim_end().chars().count().max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let text = "a = 1\nž = \"x\ny\"\n";
        assert_eq!(place(text, &(6..8)), (2, 1, 1));
        assert_eq!(place(text, &(11..15)), (2, 5, 2));
        assert_eq!(place(text, &(99..120)), (4, 1, 1));
    }
}
