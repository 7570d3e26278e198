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

/// The known word that `wanted` was probably meant to be.
///
/// Case, `-` and `_` do not count; otherwise at most one slip for every three letters (a letter too
/// many, too few, wrong, or two swapped).
pub fn suggest<'k>(wanted: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |word: &str| -> Vec<char> {
        word.chars().filter(|c| *c != '-' && *c != '_').flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(wanted);
    let allowed = (wanted.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|word| (slips(&wanted, &plain(word)), word))
        .filter(|(slips, word)| *slips <= allowed && *slips < word.chars().count())
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, word)| word)
}

/// The distance of two words: insertions, deletions, replacements and swaps of neighbours.
fn slips(one: &[char], other: &[char]) -> usize {
    let width = other.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut line = vec![row + 1; width];
        for (column, against) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != against);
            let mut best = replaced.min(last[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *letter == other[column - 1] && one[row - 1] == *against {
                best = best.min(before[column - 1] + 1);
            }
            line[column + 1] = best;
        }
        before = last;
        last = line;
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_counted() {
        let count = |one: &str, other: &str| {
            slips(&one.chars().collect::<Vec<_>>(), &other.chars().collect::<Vec<_>>())
        };
        for (one, other, expected) in
            [("", "", 0), ("", "ab", 2), ("jobs", "jbos", 1), ("kitten", "sitting", 3), ("a", "a", 0)]
        {
            assert_eq!(count(one, other), expected, "{one} {other}");
            assert_eq!(count(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_not() {
        let known = ["jobs", "timeout", "idle_timeout", "verify"];
        assert_eq!(suggest("jbos", known), Some("jobs"));
        assert_eq!(suggest("tiemout", known), Some("timeout"));
        assert_eq!(suggest("idle-timeout", known), Some("idle_timeout"));
        assert_eq!(suggest("IdleTimeout", known), Some("idle_timeout"));
        assert_eq!(suggest("workers", known), None);
        assert_eq!(suggest("x", ["y"]), None);
    }

    #[test]
    fn places_count_characters() {
        let text = "a = 1\nž = \"x\ny\"\n";
        assert_eq!(place(text, &(6..8)), (2, 1, 1));
        assert_eq!(place(text, &(11..15)), (2, 5, 2));
        assert_eq!(place(text, &(99..120)), (4, 1, 1));
    }
}
