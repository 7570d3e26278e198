//! Where a text is cut into sections: at headings that stand in no fence and no comment.
//!
//! A fence or comment that never ends is known at once, without reading to the end each time: for every
//! line it is kept what could still close one below it.

use super::lines::Lines;
use super::lines::indent_of;

/// Where sections begin: the first line, and each heading that stands in no fence and no comment.
pub(crate) fn section_starts(lines: &Lines<'_>, first: usize) -> Vec<usize> {
    if first == lines.len() {
        return Vec::new();
    }
    let text = &lines.text.as_bytes()[lines.start(first)..];
    let has = |what: &[u8]| memchr::memmem::find(text, what).is_some();
    if !has(b"```") && !has(b"~~~") && !has(b"<!--") {
        // Nothing hides a heading.
        return std::iter::once(first)
            .chain((first + 1..lines.len()).filter(|line| is_heading(lines.get(*line))))
            .collect();
    }
    let closers = Closers::new(lines, first);
    let mut starts = vec![first];
    let mut line = first;
    let mut content = 0;
    while line < lines.len() {
        let text = lines.get(line);
        let (marker, rest) = list_marker(text);
        if marker > 0 {
            content = marker;
        } else if !text.trim().is_empty() && indent_of(text) == 0 {
            content = 0;
        }
        if let Some((byte, long)) = opening_fence(rest)
            && (marker > 0 || indent_of(text) < 4 || content > 0)
            && closers.any_after(line, byte, long)
        {
            line = fence_end(
                lines,
                line,
                byte,
                long,
                if marker > 0 || indent_of(text) >= content { content } else { 0 },
            );
            continue;
        }
        if indent_of(text) < 4 && text.trim_start().starts_with("<!--") && !text.contains("-->") {
            if let Some(end) = closers.comment_end(line) {
                line = end + 1;
                continue;
            }
        } else if is_heading(text) && line > first {
            starts.push(line);
            content = 0;
        }
        line += 1;
    }
    starts
}

fn is_heading(text: &str) -> bool {
    let marks = text.trim_start();
    if !marks.starts_with('#') {
        return false;
    }
    let level = marks.bytes().take_while(|byte| *byte == b'#').count();
    (1..=6).contains(&level)
        && indent_of(text) < 4
        && marks.as_bytes().get(level).is_none_or(|byte| matches!(byte, b' ' | b'\t'))
}

/// The column of the content of a list item and the text there; 0 if the line begins none.
fn list_marker(text: &str) -> (usize, &str) {
    let trimmed = text.trim_start();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let marker = if digits > 0 && digits < 10 && trimmed[digits..].starts_with(['.', ')']) {
        digits + 1
    } else if digits == 0 && trimmed.starts_with(['-', '*', '+']) {
        1
    } else {
        return (0, trimmed);
    };
    let rest = &trimmed[marker..];
    let content = rest.trim_start();
    if rest.len() == content.len() {
        return (0, trimmed);
    }
    (indent_of(text) + marker + (rest.len() - content.len()).min(4), content)
}

fn opening_fence(text: &str) -> Option<(u8, usize)> {
    let byte = *text.as_bytes().first().filter(|byte| matches!(byte, b'`' | b'~'))?;
    let long = text.bytes().take_while(|other| *other == byte).count();
    (long >= 3 && (byte == b'~' || !text[long..].contains('`'))).then_some((byte, long))
}

fn closing_fence(text: &str) -> Option<(u8, usize)> {
    let text = text.trim();
    let byte = *text.as_bytes().first().filter(|byte| matches!(byte, b'`' | b'~'))?;
    (text.len() >= 3 && text.bytes().all(|other| other == byte)).then_some((byte, text.len()))
}

/// The line after a fenced block, by its closing fence or by the end of the list item around it.
fn fence_end(lines: &Lines<'_>, opening: usize, byte: u8, long: usize, content: usize) -> usize {
    for line in opening + 1..lines.len() {
        let text = lines.get(line);
        if closing_fence(text).is_some_and(|(other, length)| other == byte && length >= long) {
            return line + 1;
        }
        if content > 0 && !text.trim().is_empty() && indent_of(text) < content {
            return line;
        }
    }
    lines.len()
}

/// The longest closing fence of each kind below each line, so that an unclosed one is known at once.
struct Closers {
    first: usize,
    /// For each line the longest closing fence of backticks and of tildes at or after it.
    longest: Vec<(u32, u32)>,
    /// For each line the next line at or after it on which a comment ends.
    comments: Vec<Option<usize>>,
}

impl Closers {
    fn new(lines: &Lines<'_>, first: usize) -> Self {
        let count = lines.len() - first;
        let mut longest = vec![(0, 0); count + 1];
        let mut comments = vec![None; count + 1];
        for index in (0..count).rev() {
            let text = lines.get(first + index);
            longest[index] = longest[index + 1];
            if let Some((byte, long)) = closing_fence(text) {
                let long = u32::try_from(long).unwrap_or(u32::MAX);
                let (backticks, tildes) = longest[index];
                longest[index] =
                    if byte == b'`' { (backticks.max(long), tildes) } else { (backticks, tildes.max(long)) };
            }
            comments[index] = if text.contains("-->") { Some(first + index) } else { comments[index + 1] };
        }
        Self { first, longest, comments }
    }

    fn any_after(&self, line: usize, byte: u8, long: usize) -> bool {
        let (backticks, tildes) = self.longest[line + 1 - self.first];
        let longest = if byte == b'`' { backticks } else { tildes };
        usize::try_from(longest).unwrap_or(usize::MAX) >= long
    }

    fn comment_end(&self, line: usize) -> Option<usize> {
        self.comments[line + 1 - self.first]
    }
}
