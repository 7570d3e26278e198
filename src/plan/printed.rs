//! Texts of plans as they are printed: on one line, harmless, of a known width.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthChar;
use unicode_width::UnicodeWidthStr;

/// A text without control characters and marks that turn the direction of writing, so that a plan cannot
/// write to the terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| {
            !matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        })
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// The columns that a text takes.
pub(crate) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// Fills a text up with blanks.
pub(crate) fn pad(text: &str, columns: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', columns.saturating_sub(width(text))));
    padded
}

/// Cuts by display width; what is cut ends in `…`, or in `..` where only ASCII may be used.
pub(crate) fn cut(text: &str, columns: usize, unicode: bool) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let end = if unicode { "…" } else { ".." };
    let mut kept = String::new();
    let mut used = end.width();
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept.push_str(end);
    kept
}

/// A number with its noun.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Names joined by commas, at most `most` of them.
pub(crate) fn some_of<'t>(names: impl ExactSizeIterator<Item = &'t str>, most: usize) -> String {
    let all = names.len();
    let mut text = String::new();
    for (index, name) in names.take(most).enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        text.push_str(&plain(name));
    }
    if all > most {
        // Writing to a text cannot fail.
        let _ = write!(text, " and {} more", all - most);
    }
    text
}

/// Adds a line without blanks at its end.
pub(crate) fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}
