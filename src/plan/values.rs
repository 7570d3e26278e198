//! What the values of fields mean: files, commands, durations, counts.

use std::ops::Range;

use super::fields::Field;
use super::outline::Outline;
use crate::model::task::FileClaim;
use crate::model::task::FileVerb;
use crate::model::time::Span;

/// A text with the bytes it stands on.
pub(crate) type Piece<'t> = (&'t str, Range<usize>);

/// The code spans of a text, without their marks.
pub(crate) fn code_spans(text: &str) -> Vec<Piece<'_>> {
    let bytes = text.as_bytes();
    let mut spans = Vec::new();
    let mut at = 0;
    // A span ends at as many marks as it began with; runs without a match are text. Remembering the
    // lengths that were sought in vain keeps this linear.
    let mut vain = [false; 8];
    while let Some(open) = memchr::memchr(b'`', &bytes[at..]).map(|offset| at + offset) {
        let long = bytes[open..].iter().take_while(|byte| **byte == b'`').count();
        let start = open + long;
        at = start;
        if vain.get(long).copied().unwrap_or(true) {
            continue;
        }
        let mut from = start;
        let mut close = None;
        while let Some(next) = memchr::memchr(b'`', &bytes[from..]).map(|offset| from + offset) {
            let count = bytes[next..].iter().take_while(|byte| **byte == b'`').count();
            if count == long {
                close = Some(next);
                break;
            }
            from = next + count;
        }
        match close {
            Some(close) => {
                let inner = &text[start..close];
                let lead = inner.len() - inner.trim_start().len();
                let trimmed = inner.trim();
                if !trimmed.is_empty() {
                    spans.push((trimmed, start + lead..start + lead + trimmed.len()));
                }
                at = close + long;
            }
            None => vain[long] = true,
        }
    }
    spans
}

/// The code spans of a text that consists of nothing else but separators; none if it says more.
pub(crate) fn only_spans(text: &str) -> Option<Vec<Piece<'_>>> {
    let spans = code_spans(text);
    let mut rest = String::new();
    let mut from = 0;
    for (_, range) in &spans {
        rest.push_str(text.get(from..range.start)?);
        from = range.end;
    }
    rest.push_str(text.get(from..)?);
    let words = rest.replace(['`', ',', ';', '.'], " ");
    let nothing = words.split_whitespace().all(|word| matches!(word, "and" | "&" | "&&" | "then"));
    (nothing && !spans.is_empty()).then_some(spans)
}

/// All parts of a field's value, with their places.
pub(crate) fn parts<'t>(outline: &Outline<'t>, field: &Field) -> Vec<Piece<'t>> {
    std::iter::once(&field.value)
        .chain(&field.more)
        .filter_map(|range| {
            let text = outline.lines.text.get(range.clone())?;
            let trimmed = text.trim();
            let start = range.start + (text.len() - text.trim_start().len());
            (!trimmed.is_empty()).then(|| (trimmed, start..start + trimmed.len()))
        })
        .collect()
}

/// A layer of the hierarchy: `3`, `Layer 3`, `L3 (fast)`.
pub(crate) fn layer(text: &str) -> Option<u8> {
    let lower = text.trim().to_ascii_lowercase();
    let rest = lower.strip_prefix("layer").or_else(|| lower.strip_prefix('l')).unwrap_or(&lower).trim_start();
    whole_number(rest).and_then(|number| u8::try_from(number).ok()).filter(|layer| (1..=99).contains(layer))
}

/// The number that a text begins with, if nothing but a remark follows it.
pub(crate) fn whole_number(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[digits..];
    let ends = rest.is_empty() || rest.trim_start().starts_with(['(', '（']) || rest.starts_with([',', ';']);
    if ends { text[..digits].parse().ok() } else { None }
}

/// A duration, with a remark in parentheses after it.
pub(crate) fn duration(text: &str) -> Result<Span, String> {
    let bare = text.split(['(', '（']).next().unwrap_or("").trim();
    bare.parse::<Span>().map_err(|error| error.to_string())
}

/// A model as named: all of the value, or of its first code span, up to a remark after it.
pub(crate) fn model(raw: &str) -> Option<String> {
    let spans = code_spans(raw);
    let clean = super::titles::clean(raw);
    let text = spans.first().map_or(clean.as_str(), |(span, _)| span);
    let mut end = text.find([',', '(', '（', ';']).unwrap_or(text.len());
    for remark in [" — ", " – ", " - ", " or "] {
        end = text.find(remark).map_or(end, |at| at.min(end));
    }
    let model = text[..end].trim();
    (!matches!(model, "" | "-" | "—")).then(|| model.to_owned())
}

/// The files that a part of a `Files` field names.
pub(crate) fn files(text: &str, verb: Option<FileVerb>) -> Vec<FileClaim> {
    let (verb, rest) = verb_before(text).map_or((verb, text), |(verb, rest)| (Some(verb), rest));
    let spans = code_spans(rest);
    let words: Vec<&str> = if spans.is_empty() {
        rest.split([',', ';', '，', '、']).map(without_remark).filter(|word| is_path(word)).collect()
    } else {
        let outside = listed(rest, &spans);
        outside.into_iter().filter(|span| !span.contains(char::is_whitespace)).collect()
    };
    words.into_iter().map(|path| FileClaim { verb, path: without_lines(path).replace('\\', "/") }).collect()
}

/// The code spans that are listed: those that stand in no parentheses, or all if each does, since what is in
/// them is a remark. Behind words of explanation (``a.rs`: add `Token``) only what has the shape of a path is.
fn listed<'t>(text: &str, spans: &[Piece<'t>]) -> Vec<&'t str> {
    let mut listed = Vec::new();
    let (mut depth, mut from) = (0_usize, 0);
    let mut told = false;
    for (index, (span, range)) in spans.iter().enumerate() {
        let mut between = String::new();
        for c in text.get(from..range.start).unwrap_or("").chars() {
            match c {
                '(' | '（' => depth += 1,
                ')' | '）' => depth = depth.saturating_sub(1),
                _ if depth == 0 => between.push(c),
                _ => {}
            }
        }
        let mut words = between.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        told |= index > 0 && words.any(|word| !matches!(word, "and" | "or" | "to" | "plus" | "und" | "a"));
        from = range.end;
        if depth == 0 && (!told || has_path_shape(span)) {
            listed.push(*span);
        }
    }
    if listed.is_empty() { spans.iter().map(|(span, _)| *span).collect() } else { listed }
}

/// Whether a span cannot well be anything but a path: it has a folder or an ending, and no mark of code.
fn has_path_shape(span: &str) -> bool {
    let name = span.rsplit(['/', '\\']).next().unwrap_or(span);
    let ending = name.rsplit_once('.').is_some_and(|(stem, ending)| {
        !stem.is_empty()
            && (1..=5).contains(&ending.len())
            && ending.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    is_path(span)
        && (ending || span.contains(['/', '\\']))
        && !span.starts_with(['/', '@'])
        && !span.contains(['(', ')', '=', '<', '"', '\'', ';'])
        && !span.contains("::")
}

/// The paths inside the project that an `Output` names: those in code spans, or a value that is nothing but
/// paths. Results in words (`a report`) are none.
pub(crate) fn outputs(text: &str) -> Vec<String> {
    let spans = code_spans(text);
    let words: Vec<&str> = if spans.is_empty() {
        let words: Vec<&str> =
            text.split([',', ';', '，', '、']).map(|word| word.trim().trim_end_matches('.')).collect();
        if words.iter().all(|word| is_file(word)) { words } else { Vec::new() }
    } else {
        spans.into_iter().map(|(span, _)| span).filter(|span| is_file(span)).collect()
    };
    words.into_iter().filter_map(|path| inside(&path.replace('\\', "/"))).collect()
}

/// Whether a word is the path of one file: it has an ending, or a folder before it.
fn is_file(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let ending = name.rsplit_once('.').is_some_and(|(_, ending)| {
        (1..=8).contains(&ending.len())
            && ending.starts_with(|c: char| c.is_ascii_alphabetic())
            && ending.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let hidden = name.starts_with('.') && name.len() > 1;
    is_path(word)
        && !word.contains(['*', '?', '{', '[', ':', '(', '<', '|', '"', '='])
        && !name.is_empty()
        && (ending || hidden || word.matches('/').count() > 0 && !word.starts_with('@'))
}

/// The document that holds the task's words, where a field or column points to one: `**File**:
/// plans/TASK_DEPLOY.md`. A path of some other file is one that the task touches.
pub(crate) fn brief(key: &str, text: &str) -> Option<String> {
    let spans = code_spans(text);
    let link = text.strip_prefix('[').and_then(|rest| rest.split_once("]("));
    let path = match (spans.as_slice(), link) {
        (_, Some((_, target))) => target.strip_suffix(')')?,
        ([(span, _)], None) if only_spans(text).is_some() => span,
        ([], None) => text,
        _ => return None,
    };
    let path = path.trim_start_matches("./");
    let markdown = path.len() > 3 && path.to_ascii_lowercase().ends_with(".md");
    if !markdown || !is_path(path) || path.contains(['*', '?', '{', '#']) {
        return None;
    }
    let (folders, name) = path.rsplit_once(['/', '\\']).unwrap_or(("", path));
    let name = name.to_ascii_lowercase();
    let named = ["brief", "taskfile", "prompt", "promptfile"]
        .contains(&key.to_lowercase().replace([' ', '_', '-'], "").as_str());
    let single = matches!(key.to_lowercase().as_str(), "" | "file");
    let is_task = ["task", "prompt", "brief"].iter().any(|word| name.starts_with(word));
    let in_plans = folders.split(['/', '\\']).any(|folder| matches!(folder, "plans" | "tasks" | "briefs"));
    // Without a word for it a file in `plans/` may as well be what the task writes: its name has to say.
    (named || single && (is_task || in_plans && !key.is_empty())).then(|| inside(&path.replace('\\', "/")))?
}

/// `Create: path`, `Modify path`.
pub(crate) fn verb_before(text: &str) -> Option<(FileVerb, &str)> {
    let text = text.trim_start_matches(['*', '_']);
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let verb = match text[..letters].to_ascii_lowercase().as_str() {
        "create" | "new" | "add" => FileVerb::Create,
        "modify" | "update" | "edit" | "change" => FileVerb::Modify,
        "delete" | "remove" => FileVerb::Delete,
        "test" | "tests" => FileVerb::Test,
        "read" | "reference" => FileVerb::Read,
        _ => return None,
    };
    let rest = text[letters..].trim_start_matches(['*', '_']);
    (rest.starts_with([':', '：', ' '])).then(|| (verb, rest.trim_start_matches([':', '：', ' ', '*', '_'])))
}

/// A path without the remark in parentheses after it: `src/a.rs (new)`.
fn without_remark(text: &str) -> &str {
    let text = text.trim();
    text.split_once(" (").filter(|_| text.ends_with(')')).map_or(text, |(path, _)| path.trim())
}

/// Whether a bare word may be a path.
fn is_path(word: &str) -> bool {
    !word.is_empty()
        && !word.contains(char::is_whitespace)
        && word.contains(['/', '.', '*', '\\'])
        && !word.contains("://")
        && word.chars().any(char::is_alphabetic)
        && !word.eq_ignore_ascii_case("n/a")
}

/// A path without `:12` or `:12-30` behind it.
fn without_lines(path: &str) -> &str {
    match path.rsplit_once(':') {
        Some((before, lines))
            if !lines.is_empty()
                && lines.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b',') =>
        {
            before
        }
        _ => path,
    }
}

/// A path relative to the root, with `/` and without `.` and `..`; none if it leads outside.
pub(crate) fn inside(path: &str) -> Option<String> {
    let path = path.strip_prefix("file:///").map_or(path, |rest| rest);
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.starts_with('/') || path.starts_with('~') || drive {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    let folder = path.ends_with('/') && !parts.is_empty();
    let joined = parts.join("/");
    (!joined.is_empty()).then(|| if folder { format!("{joined}/") } else { joined })
}

/// The commands inside lines of fences, one a fence, as they stand.
pub(crate) fn fence_text(outline: &Outline<'_>, inside: &Range<usize>) -> String {
    let indent = inside
        .clone()
        .filter(|line| !outline.lines.get(*line).trim().is_empty())
        .map(|line| outline.lines.get(line).len() - outline.lines.get(line).trim_start().len())
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> =
        inside.clone().map(|line| outline.lines.get(line).get(indent..).unwrap_or("").trim_end()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// Whether the words after a fence's marks say that it holds shell commands.
pub(crate) fn is_shell(info: &str) -> bool {
    let word = info.split(|c: char| !c.is_alphanumeric()).next().unwrap_or("");
    matches!(word.to_ascii_lowercase().as_str(), "sh" | "bash" | "shell" | "zsh" | "console")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_end_at_as_many_marks() {
        let spans: Vec<&str> = code_spans("`a` ``b`c`` ` d").into_iter().map(|(span, _)| span).collect();
        assert_eq!(spans, ["a", "b`c"]);
        assert_eq!(only_spans("`a`, `b` and `c`").unwrap().len(), 3);
        assert!(only_spans("run `a`").is_none());
        assert!(only_spans("all of it").is_none());
    }

    #[test]
    fn files_are_spans_or_words_that_look_like_paths() {
        let paths = |text| files(text, None).into_iter().map(|claim| claim.path).collect::<Vec<_>>();
        assert_eq!(paths("`a/b.rs`, `c`"), ["a/b.rs", "c"]);
        assert_eq!(paths("src/a.rs, tests/*"), ["src/a.rs", "tests/*"]);
        assert_eq!(paths("`a/b.js` (add `TILES`), `c`"), ["a/b.js", "c"]);
        assert_eq!(paths("(`a/b.js`)"), ["a/b.js"]);
        assert_eq!(paths("none"), Vec::<String>::new());
        assert_eq!(paths("`a.rs`: adds `Token`, uses `b/c.rs`"), ["a.rs", "b/c.rs"]);
        assert_eq!(paths("`a.rs`. It holds `LIMIT_*` and `sum()`"), ["a.rs"]);
        assert_eq!(paths("`old` and `new`"), ["old", "new"]);
        assert_eq!(paths("a starter, 17 lb [16.7, 17.2]"), Vec::<String>::new());
        assert_eq!(
            files("Create: `a.rs:1-20`", None),
            [FileClaim { verb: Some(FileVerb::Create), path: "a.rs".to_owned() }]
        );
    }

    #[test]
    fn paths_stay_inside() {
        assert_eq!(inside("./a//b/../c").as_deref(), Some("a/c"));
        assert_eq!(inside("src/").as_deref(), Some("src/"));
        for path in ["/etc/passwd", "../a", "a/../../b", "~/x", "C:/x", "."] {
            assert_eq!(inside(path), None, "{path}");
        }
    }
}
