//! A line as a list item, and its box with the mark.
//!
//! ```text
//! item   = indent (bullet | ordinal) white-space [box] rest
//! box    = [`] "[" mark "]" [`] ["*"]
//! mark   = " " | "x" | "X" | - / ~ > ! ? * <  |  ✓ ✔ ☑ ✗ ✘
//! ```
//!
//! `[x](url)` and `[x]:` are links; a letter other than x is no mark.

use super::lines::indent_of;

/// What a box says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The character between the brackets; a space if there is nothing.
    pub(crate) sign: char,
    /// Byte offset of the mark in its line; the place of `]` if the box is empty.
    pub(crate) offset: usize,
    /// A star after the box: the task is optional.
    pub(crate) star: bool,
}

/// A line that begins a list item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemLine {
    /// Columns before the bullet.
    pub(crate) indent: usize,
    /// The number before the item, if it has one.
    pub(crate) ordinal: Option<u32>,
    /// The box, if it has one.
    pub(crate) mark: Option<Mark>,
    /// Byte offset of the text after bullet and box.
    pub(crate) text: usize,
}

/// Reads a line as a list item.
pub(crate) fn item_line(line: &str) -> Option<ItemLine> {
    let indent = indent_of(line);
    let start = line.len() - line.trim_start_matches([' ', '\t']).len();
    let rest = &line[start..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (marker, ordinal) = if (1..=9).contains(&digits) && rest[digits..].starts_with(['.', ')']) {
        (digits + 1, rest[..digits].parse().ok())
    } else if digits == 0 && rest.starts_with(['-', '*', '+']) {
        (1, None)
    } else {
        return None;
    };
    let after = &rest[marker..];
    let content = after.trim_start();
    if !after.is_empty() && content.len() == after.len() {
        return None;
    }
    let at = line.len() - content.len();
    match box_at(content) {
        Some((sign, offset, star, length)) => {
            let text = line.len() - line[at + length..].trim_start().len();
            Some(ItemLine { indent, ordinal, mark: Some(Mark { sign, offset: at + offset, star }), text })
        }
        None => Some(ItemLine { indent, ordinal, mark: None, text: at }),
    }
}

/// Reads a box at the start of a text: its sign, the sign's offset, the star, the length of it all.
pub(crate) fn box_at(text: &str) -> Option<(char, usize, bool, usize)> {
    let ticked = text.starts_with('`');
    let open = usize::from(ticked);
    let inner = text[open..].strip_prefix('[')?;
    let sign = inner.chars().next()?;
    let (sign, width) = if sign == ']' { (' ', 0) } else { (sign, sign.len_utf8()) };
    let known = matches!(
        sign,
        ' ' | 'x' | 'X' | '-' | '/' | '~' | '>' | '!' | '?' | '*' | '<' | '✓' | '✔' | '☑' | '✗' | '✘'
    );
    let mut after = inner[width..].strip_prefix(']')?;
    if !known {
        return None;
    }
    if ticked {
        after = after.strip_prefix('`')?;
    }
    if after.starts_with(['(', ':', '[']) {
        return None;
    }
    // A star directly after the box and before white space; `**bold**` is the start of the title.
    let star = after.strip_prefix('*').is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
    let length = text.len() - after.len() + usize::from(star);
    Some((sign, open + 1, star, length))
}

/// The text after the box at its start, if it has one: a heading's title.
pub(crate) fn without_box(text: &str) -> &str {
    box_at(text).map_or(text, |(_, _, _, length)| text[length..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(line: &str) -> Option<char> {
        item_line(line).and_then(|item| item.mark).map(|mark| mark.sign)
    }

    #[test]
    fn boxes_of_all_kinds() {
        assert_eq!(sign("- [ ] a"), Some(' '));
        assert_eq!(sign("* [x] a"), Some('x'));
        assert_eq!(sign("+ [X]a"), Some('X'));
        assert_eq!(sign("  1. [/] a"), Some('/'));
        assert_eq!(sign("3) [-] a"), Some('-'));
        assert_eq!(sign("- `[ ]` a"), Some(' '));
        assert_eq!(sign("- []"), Some(' '));
        assert_eq!(sign("- [✔] a"), Some('✔'));
        assert!(item_line("- [ ]* 2.1 a").unwrap().mark.unwrap().star);
        assert!(!item_line("- [ ] **a**").unwrap().mark.unwrap().star);
        assert!(!item_line("- [ ]**a**").unwrap().mark.unwrap().star);
    }

    #[test]
    fn no_boxes() {
        for line in
            ["- [x](url)", "- [x]: url", "- [P] tasks", "- [T] [N]", "-[ ] a", "[ ] a", "- a", "- [ ", "-"]
        {
            assert_eq!(sign(line), None, "{line}");
        }
        assert_eq!(item_line("1a. x"), None);
        assert_eq!(item_line("1234567890. x"), None);
        assert_eq!(item_line("**bold**"), None);
    }

    #[test]
    fn offsets_point_at_the_mark_and_the_text() {
        let line = "  - [ ]  Write ž";
        let item = item_line(line).unwrap();
        assert_eq!(item.indent, 2);
        assert_eq!(&line[item.mark.unwrap().offset..=item.mark.unwrap().offset], " ");
        assert_eq!(&line[item.text..], "Write ž");
    }
}
