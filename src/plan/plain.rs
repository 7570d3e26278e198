//! Sections in which a Markdown library would find nothing but text, list items and a heading on their
//! first line: most of what plans consist of. They are not handed to it, which is where most of the time
//! went.
//!
//! It errs towards handing over: whatever could begin a fence, a quote, a comment, a table, a ruler,
//! indented code or a definition of a link makes a section another one. That both ways agree is a
//! property test of `blocks`.

use super::blocks::LineKind;
use super::blocks::too_deep;
use super::lines::Lines;
use super::lines::indent_of;

/// A line that is indented further may be code.
const CODE: usize = 4;

/// Whether the lines from `start` to `end` hold only text, list items and blank lines, but for a heading on the
/// first. `kinds` are those of these lines, as far as they are known: which are blank.
pub(crate) fn is_plain(lines: &Lines<'_>, kinds: &[LineKind], start: usize, end: usize) -> bool {
    let text = lines.slice(start, end).as_bytes();
    // Other white space counts as such in some places and not in others.
    let comment = || memchr::memchr_iter(b'<', text).any(|at| text[at..].starts_with(b"<!--"));
    if memchr::memchr2(0x0b, 0x0c, text).is_some() || comment() {
        return false;
    }
    // Whether the line before is text that an indented line would carry on.
    let mut carries_on = false;
    for (line, kind) in (start..end).zip(kinds) {
        if *kind == LineKind::Blank {
            carries_on = false;
            continue;
        }
        let text = lines.get(line);
        let indent = indent_of(text);
        if indent >= CODE && !carries_on {
            return false;
        }
        let Some(content) = content_of(text) else { return false };
        carries_on = !content.starts_with(b"#");
    }
    true
}

/// What a line says after indent and bullet; none if it may be more than text.
fn content_of(text: &str) -> Option<&[u8]> {
    let bytes = text.as_bytes();
    let lead = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let line = &bytes[lead..];
    let content = match marker(line) {
        0 => line,
        width => {
            let rest = &line[width..];
            let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
            if spaces > CODE || rest.get(spaces) == Some(&b'\t') || marker(&rest[spaces..]) > 0 {
                return None;
            }
            &rest[spaces..]
        }
    };
    let first = *content.first()?;
    let more = match first {
        b'>' | b'<' => true,
        b'`' | b'~' => content.starts_with(b"```") || content.starts_with(b"~~~"),
        // `[name]: target` is taken out of its paragraph.
        b'[' => memchr::memchr_iter(b':', content).any(|at| content[at - 1] == b']'),
        b'-' | b'*' | b'_' | b'=' | b':' | b'|' | b'+' => {
            content.iter().all(|byte| b"-*_=:|+ \t".contains(byte))
        }
        _ => false,
    };
    (!more && !too_deep(text)).then_some(content)
}

/// The width of a bullet or number with white space after it.
fn marker(line: &[u8]) -> usize {
    let width = match line.first() {
        Some(b'-' | b'*' | b'+') => 1,
        Some(b'0'..=b'9') => {
            let digits = line.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
            if !matches!(line.get(digits), Some(b'.' | b')')) {
                return 0;
            }
            digits + 1
        }
        _ => return 0,
    };
    if matches!(line.get(width), None | Some(b' ' | b'\t')) { width } else { 0 }
}
