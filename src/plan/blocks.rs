//! What kind of thing stands on each line: text, a heading, a fence, a comment, a table, a quote.
//!
//! pulldown-cmark reads the blocks, one section at a time: sections are cut at headings outside
//! fences and comments, so that a fence that never closes loses its own section and no more, and so
//! that the work stays linear. Lists are not taken from it (see `outline`): a plan's numbers
//! nest where Markdown's do not, and marks such as `[/]` are no task items there.
//!
//! Lines that are nested too deep to mean anything are hidden from it.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::CodeBlockKind;
use pulldown_cmark::Event;
use pulldown_cmark::Options;
use pulldown_cmark::Parser;
use pulldown_cmark::Tag;
use pulldown_cmark::TagEnd;

use super::lines::Lines;
use super::lines::indent_of;
use super::lines::number;
use super::plain::is_plain;
use super::sections::section_starts;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;

/// A line that is indented further than this is no list item of a plan (64 levels of 4).
const DEEPEST_INDENT: usize = 256;

/// A line that begins with more markers than this is not read.
const MOST_MARKERS: usize = 64;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// Nothing but white space.
    Blank,
    /// Text or a list item.
    Text,
    /// A heading, or the line below one.
    Heading,
    /// A thematic break.
    Break,
    /// The front matter with its rulers.
    FrontMatter,
    /// A fenced block with its fences.
    Fence,
    /// Indented code.
    Code,
    /// Nothing but a comment.
    Comment,
    /// A block quote.
    Quote,
    /// A row of a table.
    Table,
}

/// A heading as it stands in the text.
#[derive(Debug, Clone)]
pub(crate) struct RawHeading {
    /// Its first line.
    pub(crate) line: usize,
    /// The first line after it.
    pub(crate) after: usize,
    /// 1 to 6.
    pub(crate) level: u8,
    /// Its text without the marks around it.
    pub(crate) text: Range<usize>,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub(crate) struct Fence {
    /// The line of the opening fence.
    pub(crate) line: usize,
    /// What stands after the opening fence.
    pub(crate) info: String,
    /// The lines inside.
    pub(crate) inside: Range<usize>,
}

/// The blocks of a text.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// One for each line.
    pub(crate) kinds: Vec<LineKind>,
    /// In order.
    pub(crate) headings: Vec<RawHeading>,
    /// In order.
    pub(crate) fences: Vec<Fence>,
    /// Lines of each table.
    pub(crate) tables: Vec<Range<usize>>,
    /// The lines between the rulers of the front matter.
    pub(crate) front_matter: Option<Range<usize>>,
    /// Bytes of comments, in order.
    comments: Vec<Range<usize>>,
    /// Fences that never close.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Blocks {
    /// Reads the blocks of a text.
    pub(crate) fn read(lines: &Lines<'_>) -> Self {
        Self::read_by(lines, is_plain)
    }

    /// Reads the blocks; `plain` knows the sections in which only the first line may be a heading.
    fn read_by(lines: &Lines<'_>, plain: impl Fn(&Lines<'_>, &[LineKind], usize, usize) -> bool) -> Self {
        let mut blocks = Self { kinds: vec![LineKind::Text; lines.len()], ..Self::default() };
        let mut first = 0;
        if let Some(inside) = front_matter(lines) {
            first = inside.end + 1;
            blocks.kinds[..first].fill(LineKind::FrontMatter);
            blocks.front_matter = Some(inside);
        }
        for line in first..lines.len() {
            if lines.get(line).trim().is_empty() {
                blocks.kinds[line] = LineKind::Blank;
            }
        }
        let starts = section_starts(lines, first);
        for (index, start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(lines.len());
            if plain(lines, &blocks.kinds[*start..end], *start, end) {
                blocks.first_heading(lines, *start);
            } else {
                blocks.parse(lines, *start, end);
            }
        }
        blocks.comments.sort_by_key(|range| range.start);
        blocks.hide_comment_lines(lines);
        blocks
    }

    /// The line with its comments blanked out, byte for byte.
    pub(crate) fn visible<'t>(&self, lines: &Lines<'t>, line: usize) -> Cow<'t, str> {
        let (start, end) = (lines.start(line), lines.end(line));
        let first = self.comments.partition_point(|range| range.end <= start);
        if self.comments.get(first).is_none_or(|range| range.start >= end) {
            return Cow::Borrowed(lines.get(line));
        }
        let mut shown = String::with_capacity(end - start);
        let mut from = start;
        for range in self.comments[first..].iter().take_while(|range| range.start < end) {
            let hidden = range.start.max(from)..range.end.min(end);
            shown.push_str(&lines.text[from..hidden.start]);
            shown.extend(std::iter::repeat_n(' ', hidden.end - hidden.start));
            from = hidden.end;
        }
        shown.push_str(&lines.text[from..end]);
        Cow::Owned(shown)
    }

    /// Reads the heading with which a section of nothing but text may begin.
    fn first_heading(&mut self, lines: &Lines<'_>, line: usize) {
        let text = lines.get(line);
        let marks = text.trim_start_matches([' ', '\t']);
        let count = marks.bytes().take_while(|byte| *byte == b'#').count();
        let after = marks.as_bytes().get(count);
        if indent_of(text) < 4
            && after.is_none_or(|byte| matches!(byte, b' ' | b'\t'))
            && let Some(level) = u8::try_from(count).ok().filter(|level| (1..=6).contains(level))
        {
            self.heading(lines, &(lines.start(line)..lines.end(line)), level);
        }
    }

    /// Has a section read by the Markdown library.
    fn parse(&mut self, lines: &Lines<'_>, start: usize, end: usize) {
        let text = readable(lines, start, end);
        let base = lines.start(start);
        let options = Options::ENABLE_TABLES | Options::ENABLE_GFM;
        let mut depth = 0_usize;
        let mut quotes = 0_usize;
        for (event, range) in Parser::new_ext(&text, options).into_offset_iter() {
            let range = base + range.start..base + range.end;
            match event {
                Event::Start(tag) => {
                    if quotes == 0 {
                        self.start(lines, &tag, &range, depth);
                    }
                    if let Tag::BlockQuote(_) = tag {
                        quotes += 1;
                    }
                    depth += usize::from(contains_blocks(&tag));
                }
                Event::End(tag) => {
                    if let TagEnd::BlockQuote(_) = tag {
                        quotes -= 1;
                        depth -= 1;
                    } else if matches!(tag, TagEnd::List(_) | TagEnd::Item) {
                        depth -= 1;
                    }
                }
                Event::InlineHtml(html) if html.starts_with("<!--") => self.comments.push(range),
                Event::Rule if quotes == 0 => self.fill(lines, &range, LineKind::Break),
                Event::Rule
                | Event::InlineHtml(_)
                | Event::Text(_)
                | Event::Code(_)
                | Event::Html(_)
                | Event::SoftBreak
                | Event::HardBreak
                | Event::FootnoteReference(_)
                | Event::TaskListMarker(_)
                | Event::InlineMath(_)
                | Event::DisplayMath(_) => {}
            }
        }
    }

    fn start(&mut self, lines: &Lines<'_>, tag: &Tag<'_>, range: &Range<usize>, depth: usize) {
        if let Tag::CodeBlock(CodeBlockKind::Fenced(info)) = tag {
            self.fence(lines, range, info);
        } else if let Tag::CodeBlock(CodeBlockKind::Indented) = tag {
            self.fill(lines, range, LineKind::Code);
        } else if let Tag::BlockQuote(_) = tag {
            self.fill(lines, range, LineKind::Quote);
        } else if let Tag::Table(_) = tag {
            self.fill(lines, range, LineKind::Table);
            self.tables.push(lines.at(range.start)..last_line(lines, range) + 1);
        } else if let Tag::HtmlBlock = tag {
            self.html(lines, range);
        } else if let Tag::Heading { level, .. } = tag
            && depth == 0
        {
            self.heading(lines, range, *level as u8);
        }
    }

    fn fill(&mut self, lines: &Lines<'_>, range: &Range<usize>, kind: LineKind) {
        for line in lines.at(range.start)..=last_line(lines, range) {
            if self.kinds[line] != LineKind::Blank {
                self.kinds[line] = kind;
            }
        }
    }

    fn fence(&mut self, lines: &Lines<'_>, range: &Range<usize>, info: &str) {
        let first = lines.at(range.start);
        let last = last_line(lines, range);
        self.kinds[first..=last].fill(LineKind::Fence);
        let opening = lines.text[range.start..].bytes().next().unwrap_or(b'`');
        let long =
            lines.text[range.start..lines.end(first)].bytes().take_while(|byte| *byte == opening).count();
        let closing = lines.get(last).trim();
        let closed = last > first && closing.len() >= long && closing.bytes().all(|byte| byte == opening);
        if !closed {
            self.diagnostics.push(
                Diagnostic::warning(
                    "unclosed-fence",
                    Place::line(number(first)),
                    "this fence is never closed: it is read as if it ended before the next heading",
                )
                .hint(format!("close it with a line of {}", char::from(opening).to_string().repeat(long))),
            );
        }
        let inside = first + 1..if closed { last } else { last + 1 };
        self.fences.push(Fence { line: first, info: info.trim().to_owned(), inside });
    }

    fn html(&mut self, lines: &Lines<'_>, range: &Range<usize>) {
        let html = &lines.text[range.clone()];
        let mut from = 0;
        while let Some(start) = html[from..].find("<!--").map(|start| from + start) {
            let end = html[start..].find("-->").map_or(html.len(), |length| start + length + 3);
            self.comments.push(range.start + start..range.start + end);
            from = end;
        }
    }

    fn heading(&mut self, lines: &Lines<'_>, range: &Range<usize>, level: u8) {
        let first = lines.at(range.start);
        let last = last_line(lines, range);
        let source = lines.get(first);
        if source.trim_start().starts_with('#') {
            let lead = source.len() - source.trim_start().trim_start_matches('#').trim_start().len();
            let mut text = source[lead..].trim_end();
            let bare = text.trim_end_matches('#');
            if bare.is_empty() || bare.ends_with([' ', '\t']) {
                text = bare.trim_end();
            }
            let start = lines.start(first) + lead;
            self.kinds[first] = LineKind::Heading;
            let text = start..start + text.len();
            self.headings.push(RawHeading { line: first, after: first + 1, level, text });
            return;
        }
        // A ruler below several lines of text, or below a field or an item, was meant as a ruler.
        if last != first + 1 || source.contains("**") || source.contains('[') {
            self.kinds[last] = LineKind::Break;
            return;
        }
        self.kinds[first..=last].fill(LineKind::Heading);
        let start = lines.start(first) + (source.len() - source.trim_start().len());
        let text = start..start + source.trim().len();
        self.headings.push(RawHeading { line: first, after: last + 1, level, text });
    }

    fn hide_comment_lines(&mut self, lines: &Lines<'_>) {
        // A line is looked at once, however many comments stand on it.
        let mut next = 0;
        for index in 0..self.comments.len() {
            let range = self.comments[index].clone();
            let first = next.max(lines.at(range.start));
            next = next.max(last_line(lines, &range) + 1);
            for line in first..next {
                if self.kinds[line] != LineKind::Fence && self.visible(lines, line).trim().is_empty() {
                    self.kinds[line] = LineKind::Comment;
                }
            }
        }
    }
}

/// The last line on which some of the bytes stand.
fn last_line(lines: &Lines<'_>, range: &Range<usize>) -> usize {
    lines.at(range.end.saturating_sub(1).max(range.start))
}

fn contains_blocks(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::BlockQuote(_) | Tag::List(_) | Tag::Item)
}

/// The lines between a `---` on the first line and the next one.
fn front_matter(lines: &Lines<'_>) -> Option<Range<usize>> {
    if lines.get(0).trim_end() != "---" {
        return None;
    }
    let end = (1..lines.len()).find(|line| matches!(lines.get(*line).trim_end(), "---" | "..."))?;
    let inside = 1..end;
    inside.clone().any(|line| lines.get(line).contains(':')).then_some(inside)
}

/// The section as the Markdown reader gets it, byte for byte: lines that nest too deep are blanked, and a
/// lone `\r`, which does not end a line of code there, is `\n`.
fn readable<'t>(lines: &Lines<'t>, start: usize, end: usize) -> Cow<'t, str> {
    let text = lines.slice(start, end);
    let lone =
        memchr::memchr_iter(b'\r', text.as_bytes()).any(|at| text.as_bytes().get(at + 1) != Some(&b'\n'));
    if !lone && !(start..end).any(|line| too_deep(lines.get(line))) {
        return Cow::Borrowed(text);
    }
    let mut copy = String::with_capacity(text.len());
    for line in start..end {
        let whole = lines.slice(line, line + 1);
        let (content, ending) = whole.split_at(lines.get(line).len());
        if too_deep(content) {
            copy.extend(std::iter::repeat_n('x', content.len()));
        } else {
            copy.push_str(content);
        }
        copy.push_str(if ending == "\r" { "\n" } else { ending });
    }
    Cow::Owned(copy)
}

/// Whether a line is nested too deep to be read.
pub(crate) fn too_deep(line: &str) -> bool {
    let indent = indent_of(line);
    if indent == 0
        && !line.starts_with(['>', '-', '*', '+', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
    {
        return false;
    }
    if indent > DEEPEST_INDENT {
        return true;
    }
    let mut markers = 0;
    let mut digits = false;
    for byte in line.bytes() {
        match byte {
            b' ' | b'\t' => digits = false,
            b'>' | b'-' | b'*' | b'+' => markers += 1,
            b'0'..=b'9' => digits = true,
            b'.' | b')' if digits => markers += 1,
            _ => return false,
        }
        if markers > MOST_MARKERS {
            // A long ruler is no nesting.
            return line.bytes().any(|byte| matches!(byte, b' ' | b'\t' | b'>'));
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kinds(text: &str) -> String {
        let lines = Lines::new(text);
        Blocks::read(&lines)
            .kinds
            .iter()
            .map(|kind| match kind {
                LineKind::Blank => ' ',
                LineKind::Text => 't',
                LineKind::Heading => 'h',
                LineKind::Break => '-',
                LineKind::FrontMatter => 'y',
                LineKind::Fence => 'f',
                LineKind::Code => 'c',
                LineKind::Comment => '!',
                LineKind::Quote => 'q',
                LineKind::Table => 'T',
            })
            .collect()
    }

    #[test]
    fn blocks_are_told_apart() {
        assert_eq!(
            kinds("---\na: 1\n---\n# T\n\ntext\n***\n> q\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"),
            "yyyh t-q TTT"
        );
        assert_eq!(kinds("```\n# no\n- [ ] no\n```\nyes\n"), "fffft");
        assert_eq!(kinds("<!-- a\n- [ ] no\n# no\n-->\nyes <!-- x -->\n"), "!!!!t");
        assert_eq!(kinds("text\n\n    code\n\nTitle\n=====\n"), "t c hh");
        assert_eq!(kinds("- [ ] a\n    - [ ] b\n      - c\n"), "ttt");
    }

    #[test]
    fn a_fence_ends_at_the_first_fence_as_long() {
        assert_eq!(kinds("```md\n```\nx\n```\ny\n"), "fftff");
        assert_eq!(kinds("````\n```\n# a\n```\n````\nx\n"), "ffffft");
        assert_eq!(kinds("- a\n  ```sh\n  # no\n  ```\n- b\n"), "tffft");
    }

    #[test]
    fn an_unclosed_fence_costs_its_section_alone() {
        let text = "# A\n```\n- [ ] a\n# B\n- [ ] b\n";
        let lines = Lines::new(text);
        let blocks = Blocks::read(&lines);
        assert_eq!(kinds(text), "hffht");
        assert_eq!(blocks.diagnostics.len(), 1);
        assert_eq!(blocks.diagnostics[0].code, "unclosed-fence");
        assert_eq!(blocks.diagnostics[0].place.line, 2);
    }

    #[test]
    fn comments_are_blanked_byte_for_byte() {
        let lines = Lines::new("a <!-- ž --> b\n");
        let blocks = Blocks::read(&lines);
        assert_eq!(blocks.visible(&lines, 0).split_whitespace().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(blocks.visible(&lines, 0).len(), lines.get(0).len());
    }

    #[test]
    fn rulers_below_fields_are_rulers() {
        assert_eq!(kinds("**Verification:** all\n---\n# x\n"), "t-h");
        assert_eq!(kinds("Title\n---\n"), "hh");
    }

    #[test]
    fn deep_nesting_and_long_rulers() {
        assert!(too_deep(&"- ".repeat(100)));
        assert!(too_deep(&format!("{}- x", " ".repeat(400))));
        assert!(!too_deep(&"-".repeat(100)));
        assert!(!too_deep("- [ ] x"));
    }

    /// Lines that a shortcut may take for text, and such as it must not.
    fn line() -> impl Strategy<Value = String> {
        let indent = prop_oneof![4 => Just(""), 2 => Just("  "), 1 => Just("   "), 1 => Just("    "), 1 => Just("\t"), 1 => Just("      ")];
        let marker = prop_oneof![
            4 => Just(""), 4 => Just("- "), 1 => Just("* "), 1 => Just("1. "), 1 => Just("2) "), 1 => Just("-"), 1 => Just("-     "),
            1 => Just("-\t"), 1 => Just("- - "), 1 => Just("1.  - "), 1 => Just("# "), 1 => Just("## "), 1 => Just("#"), 1 => Just("> ")
        ];
        let text = prop_oneof![
            4 => Just("text"), 2 => Just("[ ] T001 text"), 1 => Just("**Key**: `value`"), 1 => Just("---"), 1 => Just("==="), 1 => Just("***"),
            1 => Just("```"), 1 => Just("~~~~"), 1 => Just("``` a `b`"), 1 => Just("|a|b|"), 1 => Just("|-|-|"), 1 => Just(":-"), 1 => Just("a | b"),
            1 => Just("<div>"), 1 => Just("a <b> c"), 1 => Just("<!-- a"), 1 => Just("-->"), 1 => Just("[a]: b"), 1 => Just("[a]:"), 1 => Just("'c'"),
            1 => Just("\u{b}"), 1 => Just("\u{a0}"), 1 => Just("žluť"), 1 => Just("1.1 a"), 1 => Just("`a"), 2 => Just(""), 1 => Just("\\"), 1 => Just("+")
        ];
        (indent, marker, text).prop_map(|(indent, marker, text)| format!("{indent}{marker}{text}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_shortcut_finds_what_the_markdown_reader_finds(
            lines in prop::collection::vec(line(), 0..10),
            ending in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        ) {
            let text = lines.join(ending);
            let lines = Lines::new(&text);
            let short = Blocks::read(&lines);
            let long = Blocks::read_by(&lines, |_, _, _, _| false);
            prop_assert_eq!(format!("{short:?}"), format!("{long:?}"), "{:?}", text);
        }
    }
}
