//! The lines of a text, as bytes: `\r\n`, `\n` and a lone `\r` end one; nothing is changed.
//!
//! Lines are counted from 0 here and from 1 in everything that leaves the room.

use std::ops::Range;

use crate::diagnostics::Place;
use crate::model::task::LineHash;

/// A byte order mark, which is skipped and kept.
const MARK: &str = "\u{feff}";

/// A text cut into lines.
#[derive(Debug)]
pub(crate) struct Lines<'t> {
    /// The whole text.
    pub(crate) text: &'t str,
    /// Start and end of each line, without its ending; 32 bits hold the places of every text that is read.
    spans: Vec<(u32, u32)>,
}

impl<'t> Lines<'t> {
    /// Cuts a text. An ending at the end of the text begins no further line.
    pub(crate) fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut spans = Vec::new();
        let mut start = if text.starts_with(MARK) { MARK.len() } else { 0 };
        let mut skip = false;
        for index in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            if skip && bytes[index] == b'\n' && index == start {
                start = index + 1;
                skip = false;
                continue;
            }
            spans.push((place_of(start), place_of(index)));
            start = index + 1;
            skip = bytes[index] == b'\r';
        }
        if start < bytes.len() {
            spans.push((place_of(start), place_of(bytes.len())));
        }
        Self { text, spans }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The line without its ending, and without a byte order mark.
    pub(crate) fn get(&self, line: usize) -> &'t str {
        self.spans.get(line).map_or("", |(start, end)| &self.text[*start as usize..*end as usize])
    }

    /// Where the line begins.
    pub(crate) fn start(&self, line: usize) -> usize {
        self.spans.get(line).map_or(self.text.len(), |(start, _)| *start as usize)
    }

    /// Where the line ends, before its ending.
    pub(crate) fn end(&self, line: usize) -> usize {
        self.spans.get(line).map_or(self.text.len(), |(_, end)| *end as usize)
    }

    /// The line in which a byte stands.
    pub(crate) fn at(&self, offset: usize) -> usize {
        self.spans.partition_point(|(start, _)| *start as usize <= offset).saturating_sub(1)
    }

    /// The text from the start of one line to the start of another, as it is.
    pub(crate) fn slice(&self, from: usize, to: usize) -> &'t str {
        let start = self.start(from);
        &self.text[start..self.start(to).max(start)]
    }

    /// The place of some bytes, as it leaves the room. Linear in the length of the line.
    pub(crate) fn place(&self, bytes: Range<usize>) -> Place {
        let line = self.at(bytes.start);
        let start = self.start(line);
        let count = |range: Range<usize>| -> u32 {
            let from = range.start.min(self.text.len());
            let to = range.end.clamp(from, self.text.len());
            let number = self.text.get(from..to).map_or(to - from, |part| part.chars().count());
            u32::try_from(number).unwrap_or(u32::MAX)
        };
        Place {
            line: number(line),
            column: count(start..bytes.start).saturating_add(1),
            length: count(bytes.start..bytes.end.min(self.end(line))),
        }
    }

    /// The hash that guards writing back, of the whole line with a byte order mark.
    pub(crate) fn hash(&self, line: usize) -> LineHash {
        let start = self.start(line) - self.before(line);
        LineHash::of(&self.text.as_bytes()[start..self.end(line)])
    }

    /// Bytes of the line that stand before what [`Lines::get`] returns: a byte order mark, or nothing.
    pub(crate) fn before(&self, line: usize) -> usize {
        if line == 0 && self.text.starts_with(MARK) { MARK.len() } else { 0 }
    }
}

/// A place in a text as it is kept. Texts that are longer than its largest value are not read.
fn place_of(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// A line as a number that leaves the room.
pub(crate) fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX - 1).saturating_add(1)
}

/// The longest text whose places can be kept, in bytes.
pub(crate) const LONGEST: u64 = u32::MAX as u64;

/// Columns of white space before a text; a tab counts to the next multiple of 4.
pub(crate) fn indent_of(text: &str) -> usize {
    let mut columns = 0;
    for byte in text.bytes() {
        match byte {
            b' ' => columns += 1,
            b'\t' => columns += 4 - columns % 4,
            _ => break,
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_endings_end_lines() {
        let lines = Lines::new("\u{feff}a\r\nb\rc\n\n\r\n");
        let all: Vec<&str> = (0..lines.len()).map(|line| lines.get(line)).collect();
        assert_eq!(all, ["a", "b", "c", "", ""]);
        assert_eq!(lines.slice(0, 2), "a\r\nb\r");
        assert_eq!(Lines::new("").len(), 0);
        assert_eq!(Lines::new("x").len(), 1);
        assert_eq!(Lines::new("\n\r\r\n").len(), 3);
    }

    #[test]
    fn places_count_characters() {
        let lines = Lines::new("ab\nžluť T01\n");
        let start = lines.text.find("T01").unwrap();
        assert_eq!(lines.place(start..start + 3), Place { line: 2, column: 6, length: 3 });
    }

    #[test]
    fn the_hash_covers_the_line_without_its_ending() {
        // printf 'abc' | sha256sum
        assert_eq!(String::from(Lines::new("abc\r\n").hash(0)), "ba7816bf8f01cfea");
        assert_ne!(String::from(Lines::new("\u{feff}abc").hash(0)), "ba7816bf8f01cfea");
    }

    #[test]
    fn tabs_go_to_the_next_stop() {
        assert_eq!(indent_of("\tx"), 4);
        assert_eq!(indent_of("  \tx"), 4);
        assert_eq!(indent_of("     x"), 5);
    }
}
