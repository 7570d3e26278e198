//! Diagnostics as text for people: file, line, column, the line itself with a caret, help lines.

use annotate_snippets::AnnotationKind;
use annotate_snippets::Group;
use annotate_snippets::Level;
use annotate_snippets::Origin;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet;

use super::Diagnostic;
use crate::model::check::Severity;

/// How many characters of a long line are shown around the place.
const WINDOW: usize = 100;

/// How many characters of a window stand before the place.
const BEFORE: usize = 40;

/// How many characters of a message are shown.
const LONGEST_MESSAGE: usize = 1_000;

/// Writes the diagnostics in the order of the file, one below the other, ending in a newline.
///
/// `file` is the path as shown, `text` what the places refer to, masked by whoever calls.
pub fn render(file: &str, text: &str, diagnostics: &[Diagnostic], color: bool) -> String {
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    sorted.sort_by_key(|diagnostic| (diagnostic.place.line, diagnostic.place.column));
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let lines = LineStarts::new(text);
    let mut output = String::new();
    for diagnostic in sorted {
        output.push_str(&one(&renderer, file, &lines, diagnostic));
        output.push('\n');
    }
    output
}

fn one(renderer: &Renderer, file: &str, lines: &LineStarts<'_>, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_title(level.primary_title(plain(&diagnostic.message)));
    let place = diagnostic.place;
    let line = usize::try_from(place.line).unwrap_or(0);
    let column = usize::try_from(place.column.max(1)).unwrap_or(1);
    // The renderer counts columns in what it is given, and a long line is given in part.
    let mut columns = None;
    if let Some(source) = line.checked_sub(1).and_then(|index| lines.get(index)) {
        let (shown, from, to) = window(source, place.column, place.length);
        if place.column > 0 {
            columns = Some((shown[..from].chars().count() + 1, column));
        }
        let annotation = AnnotationKind::Primary.span(from..to);
        group = group.element(Snippet::source(shown).line_start(line).path(file).annotation(annotation));
    } else if line > 0 {
        group = group.element(Origin::path(file).line(line).char_column(column));
    } else {
        group = group.element(Origin::path(file));
    }
    for hint in &diagnostic.hints {
        group = group.element(Level::HELP.message(plain(hint)));
    }
    let shown_text = renderer.render(&[group]);
    match columns {
        Some((shown, real)) if shown != real => {
            shown_text.replacen(&format!("{file}:{line}:{shown}"), &format!("{file}:{line}:{real}"), 1)
        }
        _ => shown_text,
    }
}

/// Takes control characters out, so that a plan cannot write to the terminal through a message, and
/// cuts what a plan made too long.
fn plain(text: &str) -> String {
    let cut = if text.chars().nth(LONGEST_MESSAGE).is_some() { "…" } else { "" };
    let shown = text.chars().take(LONGEST_MESSAGE).map(|c| if c.is_control() { ' ' } else { c });
    shown.chain(cut.chars()).collect()
}

/// The part of a line that is shown, and the bytes in it that the caret marks.
fn window(line: &str, column: u32, length: u32) -> (String, usize, usize) {
    let start = usize::try_from(column).unwrap_or(0).saturating_sub(1);
    // Only the part that can be shown is read: a line may be megabytes long.
    let skipped = start.saturating_sub(BEFORE);
    let mut part: Vec<char> = line.chars().skip(skipped).take(WINDOW + 1).collect();
    let cut_end = part.len() > WINDOW;
    part.truncate(WINDOW);
    let (first, last) = if column == 0 {
        let first = part.iter().position(|c| !c.is_whitespace()).unwrap_or(0);
        let last = part.iter().rposition(|c| !c.is_whitespace()).map_or(first + 1, |index| index + 1);
        (first, last)
    } else {
        let first = (start - skipped).min(part.len());
        (first, (first + usize::try_from(length.max(1)).unwrap_or(1)).min(part.len().max(first + 1)))
    };
    let mut shown = String::new();
    if skipped > 0 {
        shown.push('…');
    }
    let (mut from, mut to) = (None, None);
    for (index, c) in part.iter().enumerate() {
        if index == first {
            from = Some(shown.len());
        }
        if index == last {
            to = Some(shown.len());
        }
        // A tab stays (the renderer widens it); anything else that could move the cursor does not.
        shown.push(if c.is_control() && *c != '\t' { '\u{fffd}' } else { *c });
    }
    let end = shown.len();
    if cut_end {
        shown.push('…');
    }
    (shown, from.unwrap_or(end), to.unwrap_or(end).max(from.unwrap_or(end)))
}

/// Where the lines of a text begin; `\r\n`, `\n` and a lone `\r` end one.
struct LineStarts<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> LineStarts<'t> {
    fn new(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let mut starts = vec![if text.starts_with('\u{feff}') { 3 } else { 0 }];
        for index in memchr::memchr2_iter(b'\n', b'\r', bytes) {
            let carriage_return_before_newline =
                bytes[index] == b'\r' && bytes.get(index + 1) == Some(&b'\n');
            if !carriage_return_before_newline {
                starts.push(index + 1);
            }
        }
        Self { text, starts }
    }

    fn get(&self, index: usize) -> Option<&'t str> {
        let start = *self.starts.get(index)?;
        let end = self.starts.get(index + 1).copied().unwrap_or(self.text.len());
        Some(self.text[start..end].trim_end_matches(['\r', '\n']))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Place;

    fn at(line: u32, column: u32, length: u32) -> Diagnostic {
        Diagnostic::error("missing", Place { line, column, length }, "task `T003` depends on `T01`")
            .hint("did you mean `T001`?")
    }

    #[test]
    fn a_caret_stands_under_the_place_and_help_follows() {
        let text = "# Plan\r\n- [ ] T003 Work\r\n  - **Depends on**: T01\r\n";
        insta::assert_snapshot!(render("plans/a.md", text, &[at(3, 21, 3)], false), @r"
        error: task `T003` depends on `T01`
         --> plans/a.md:3:21
          |
        3 |   - **Depends on**: T01
          |                     ^^^
          |
          = help: did you mean `T001`?
        ");
    }

    #[test]
    fn tabs_and_wide_letters_move_the_caret() {
        let text = "\t- 依赖: T01\n";
        insta::assert_snapshot!(render("a.md", text, &[at(1, 8, 3)], false), @r"
        error: task `T003` depends on `T01`
         --> a.md:1:8
          |
        1 |     - 依赖: T01
          |             ^^^
          |
          = help: did you mean `T001`?
        ");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}T01{}", "a".repeat(2_000_000), "b".repeat(2_000_000));
        let shown = render("a.md", &text, &[at(1, 2_000_001, 3)], false);
        assert!(shown.contains(" --> a.md:1:2000001\n"), "{shown}");
        assert!(shown.contains("aaaT01bbb"), "{shown}");
        assert!(shown.len() < 1_000);
    }

    #[test]
    fn places_without_line_or_column_and_beyond_the_end_are_shown_too() {
        let whole = Diagnostic::warning("empty", Place::WHOLE, "nothing here");
        assert_eq!(render("a.md", "", &[whole], false), "warning: nothing here\n--> a.md\n");
        assert!(render("a.md", "x\n", &[at(1, 99, 9), at(77, 1, 1)], false).contains("a.md:77:1"));
        let line = Diagnostic::warning("x", Place::line(1), "all of it");
        assert!(render("a.md", "  abc \n", &[line], false).contains("|   ^^^\n"));
    }

    #[test]
    fn the_order_is_that_of_the_file() {
        let shown = render("a.md", "a\nb\n", &[at(2, 1, 1), at(1, 1, 1)], false);
        assert!(shown.find("a.md:1:1").unwrap() < shown.find("a.md:2:1").unwrap());
    }
}
