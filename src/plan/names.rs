//! Ids as written in front of a title: `T001`, `1.2`, `**Unit 3:`, `Task 4 —`, `[REC-01]`.

/// Words that may stand before a number, in the order in which they are preferred.
pub(crate) const WORDS: &[&str] =
    &["task", "story", "unit", "issue", "fix", "step", "iteration", "part", "agent", "subtask"];

/// The same words in Czech, with their places in [`WORDS`].
const CZECH: &[(&str, usize)] = &[
    ("úkol", 0),
    ("úloha", 0),
    ("příběh", 1),
    ("problém", 3),
    ("oprava", 4),
    ("krok", 5),
    ("iterace", 6),
    ("část", 7),
];

/// The place in [`WORDS`] of the Czech word at the start of a text, and its length.
fn czech(text: &str) -> Option<(usize, usize)> {
    if !text.starts_with(['ú', 'Ú', 'p', 'P', 'o', 'O', 'k', 'K', 'i', 'I', 'č', 'Č']) {
        return None;
    }
    let end = text.find(|c: char| !c.is_alphabetic()).filter(|end| *end <= 12)?;
    let word = &text[..end];
    let known = |known: &str| word.chars().flat_map(char::to_lowercase).eq(known.chars());
    CZECH.iter().find(|(word, _)| known(word)).map(|(_, index)| (*index, end))
}

/// The place in [`WORDS`] of a word that a text begins with, followed by nothing or by other words.
pub(crate) fn word(text: &str) -> Option<usize> {
    let first = text.split(|c: char| !c.is_alphanumeric()).next()?;
    WORDS
        .iter()
        .position(|known| known.eq_ignore_ascii_case(first))
        .or_else(|| czech(&format!("{first} ")).map(|(word, _)| word))
}

/// A sub-task is a task.
pub(crate) fn same_kind(word: usize) -> usize {
    if WORDS.get(word) == Some(&"subtask") { 0 } else { word }
}

/// What is longer is no id.
const LONGEST: usize = 64;

/// What an id is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A word and a number or letter: the word's place in [`WORDS`].
    Word(usize),
    /// Numbers with dots; how many, a final `.0` not counted.
    Number(usize),
    /// Letters and a number; the letters.
    Name(String),
}

impl Shape {
    /// The place in [`WORDS`] of the word before the number.
    pub(crate) fn word(&self) -> Option<usize> {
        match self {
            Self::Word(word) => Some(*word),
            Self::Number(_) | Self::Name(_) => None,
        }
    }
}

/// An id as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Without the word before it and the punctuation after it.
    pub(crate) id: String,
    /// Its kind.
    pub(crate) shape: Shape,
    /// Something sets it off from the title: a colon or dash, bold, or brackets.
    pub(crate) set_off: bool,
    /// A dot, colon, dash or the end of the text follows.
    pub(crate) ends: bool,
    /// Byte offset of the title after it.
    pub(crate) after: usize,
}

/// Reads the id at the start of a text.
pub(crate) fn written(text: &str) -> Option<Written> {
    if begins_otherwise(text) {
        return None;
    }
    let lead = text.len() - text.trim_start_matches(['*', '_', '~', '`']).len();
    let bold = text[..lead].contains("**") || text[..lead].contains("__");
    let rest = &text[lead..];
    let (bracket, rest) = match rest.strip_prefix('[') {
        Some(inner) => (true, inner),
        None => (false, rest),
    };
    let start = text.len() - rest.len();
    let (shape, from, length) = shape(rest)?;
    if length > LONGEST {
        return None;
    }
    let id = &rest[from..from + length];
    let mut after = start + from + length;
    let mut tail = &text[after..];
    if bracket {
        tail = tail.strip_prefix(']').filter(|tail| !tail.starts_with('('))?;
    }
    // `001.md` is the name of a file.
    if matches!(shape, Shape::Number(_)) && tail.starts_with(".md") {
        return None;
    }
    // Bold around the id alone: `**T001** title`.
    let unmarked = tail.trim_start_matches(['*', '`', '_']);
    let closed = unmarked.len() < tail.len();
    tail = unmarked;
    let spaces = tail.len() - tail.trim_start().len();
    let next = tail.trim_start();
    let colon = spaces == 0 && tail.starts_with([':', '：', '.', ')']);
    let dash = spaces > 0
        && (next.starts_with('—')
            || next.starts_with('–')
            || (next.starts_with('-') && next[1..].starts_with([' '])));
    let attached_dash = spaces == 0 && tail.starts_with(['—', '–']);
    let end = next.is_empty();
    if !(colon || dash || attached_dash || end || spaces > 0 || bracket || tail.starts_with(['(', '（'])) {
        return None;
    }
    let dot = colon && tail.starts_with(['.', ')']);
    if colon || attached_dash {
        tail = &tail[tail.chars().next().map_or(0, char::len_utf8)..];
    } else if dash {
        tail = &next[next.chars().next().map_or(0, char::len_utf8)..];
    }
    after = after.max(text.len() - tail.trim_start().len());
    let numeric = matches!(shape, Shape::Number(_));
    if numeric && !id.contains('.') && !(colon || closed && bold) {
        return None;
    }
    Some(Written {
        id: id.to_owned(),
        shape,
        set_off: (colon && !dot) || dash || attached_dash || bold || bracket,
        ends: colon || dash || attached_dash || end || closed,
        after,
    })
}

/// Whether a text begins with a word that can be no id: neither is it one of [`WORDS`] or [`CZECH`], nor are its first two
/// letters capitals. Most titles begin so.
fn begins_otherwise(text: &str) -> bool {
    let [first, second, ..] = text.as_bytes() else { return false };
    first.is_ascii_alphabetic()
        && second.is_ascii_lowercase()
        && !WORDS
            .iter()
            .chain(CZECH.iter().map(|(word, _)| word))
            .any(|word| word.as_bytes()[0] == first.to_ascii_lowercase())
}

/// The kind of the id at the start, where it starts and how long it is.
fn shape(text: &str) -> Option<(Shape, usize, usize)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let czech = czech(text);
    if letters == 0 && czech.is_none() {
        let length = number(text)?;
        let depth = text[..length].trim_end_matches(".0").bytes().filter(|byte| *byte == b'.').count() + 1;
        return Some((Shape::Number(depth), 0, length));
    }
    // `Sub-Task 1` is a `Subtask 1`.
    let hyphened = text.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("sub-task"));
    let (word, letters) = if hyphened { ("subtask", 8) } else { (&text[..letters], letters) };
    let known = WORDS.iter().position(|known| known.eq_ignore_ascii_case(word)).map(|index| (index, letters));
    if let Some((index, letters)) = known.or(czech) {
        let rest = &text[letters..];
        let gap = rest.len() - rest.trim_start_matches([' ', '-', '#', '\u{a0}']).len();
        let from = letters + gap;
        let numbered = number(&text[from..]).map(|length| length + suffix(&text[from + length..]));
        let length = numbered.or_else(|| single_letter(&text[from..])).or_else(|| {
            // `Task REC-01: ...` is one, "Fix WSL2 port" is a sentence.
            let (_, length) = name(&text[from..])?;
            let after = &text[from + length..];
            [":", "：", ".", " —", " –", " -"].iter().any(|sign| after.starts_with(sign)).then_some(length)
        });
        if let Some(length) = length.filter(|_| gap > 0) {
            return Some((Shape::Word(index), from, length));
        }
    }
    let (prefix, length) = name(text)?;
    let tier = prefix == "P" && length == 2;
    (!tier).then_some((Shape::Name(prefix), 0, length))
}

/// `1`, `1.2`, `10a`; returns its length.
fn number(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = digits(bytes, 0)?;
    while bytes.get(at) == Some(&b'.') {
        let Some(next) = digits(bytes, at + 1) else { break };
        at = next;
    }
    if bytes.get(at).is_some_and(u8::is_ascii_alphabetic)
        && !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric)
    {
        at += 1;
    }
    Some(at)
}

/// The length of `.Final` in `Task 1.Final: title`: a word that belongs to the number, and is set off from the
/// title.
fn suffix(text: &str) -> usize {
    let Some(rest) = text.strip_prefix('.') else { return 0 };
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let after = &rest[letters..];
    let set_off = [":", "：", " —", " –", " - "].iter().any(|sign| after.starts_with(sign));
    if (1..=12).contains(&letters) && set_off { 1 + letters } else { 0 }
}

fn digits(bytes: &[u8], from: usize) -> Option<usize> {
    let count = bytes[from..].iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    (1..10).contains(&count).then_some(from + count)
}

/// `A` followed by a colon, dash or full stop.
fn single_letter(text: &str) -> Option<usize> {
    let mut letters = text.chars();
    let first = letters.next().filter(char::is_ascii_uppercase)?;
    let rest = letters.as_str();
    (rest.starts_with([':', '.', ')', '—']) || rest.starts_with(" —") || rest.starts_with(" -"))
        .then_some(first.len_utf8())
}

/// `T001`, `REC-01`, `US-ABC-3.1b`: the letters and the length of it all.
fn name(text: &str) -> Option<(String, usize)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let letters = bytes[at..].iter().take_while(|byte| byte.is_ascii_uppercase()).count();
        if !(1..=10).contains(&letters) {
            return None;
        }
        at += letters;
        let dash = bytes.get(at) == Some(&b'-');
        let next = bytes.get(at + usize::from(dash))?;
        if next.is_ascii_digit() {
            let prefix = text[..at].to_owned();
            let length = number(&text[at + usize::from(dash)..])?;
            return Some((prefix, at + usize::from(dash) + length));
        }
        if !dash {
            return None;
        }
        at += 1;
    }
}

/// An id as references are compared: lower case, without leading zeros, `-`, `_` and spaces.
pub(crate) fn folded(id: &str) -> String {
    let mut folded = String::with_capacity(id.len());
    let mut in_number = false;
    let mut letters = id.chars().flat_map(char::to_lowercase).peekable();
    while let Some(c) = letters.next() {
        if matches!(c, '-' | '_' | ' ') {
            in_number = false;
            // Between digits it keeps numbers apart.
            if folded.ends_with(|c: char| c.is_ascii_digit())
                && letters.peek().is_some_and(char::is_ascii_digit)
            {
                folded.push('-');
            }
            continue;
        }
        if c == '0' && !in_number && letters.peek().is_some_and(char::is_ascii_digit) {
            continue;
        }
        in_number = c.is_ascii_digit();
        folded.push(c);
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Option<(String, String)> {
        written(text).map(|found| (found.id, text[found.after..].to_owned()))
    }

    fn pair(id: &str, rest: &str) -> (String, String) {
        (id.to_owned(), rest.to_owned())
    }

    #[test]
    fn ids_in_front_of_titles() {
        assert_eq!(id("T001 Make it"), Some(pair("T001", "Make it")));
        assert_eq!(id("[T012] Make it"), Some(pair("T012", "Make it")));
        assert_eq!(id("**T001** Make it"), Some(pair("T001", "Make it")));
        assert_eq!(id("**Unit 1: Make it**"), Some(pair("1", "Make it**")));
        assert_eq!(id("Task 3: Make it"), Some(pair("3", "Make it")));
        assert_eq!(id("Task 3 — Make it"), Some(pair("3", "Make it")));
        assert_eq!(id("Step 10a. Make it"), Some(pair("10a", "Make it")));
        assert_eq!(id("1.1 Make it"), Some(pair("1.1", "Make it")));
        assert_eq!(id("1.1. Make it"), Some(pair("1.1", "Make it")));
        assert_eq!(id("2. Make it"), Some(pair("2", "Make it")));
        assert_eq!(id("1.1: Make it"), Some(pair("1.1", "Make it")));
        assert_eq!(id("REC-01: Make it"), Some(pair("REC-01", "Make it")));
        assert_eq!(id("T0.1"), Some(pair("T0.1", "")));
        assert_eq!(id("AB-CD-7 x"), Some(pair("AB-CD-7", "x")));
        assert_eq!(id("1.2(P) x"), Some(pair("1.2", "(P) x")));
        assert_eq!(id("Task 1.Final: Make it"), Some(pair("1.Final", "Make it")));
        assert_eq!(id("Task 1.Make it: now"), Some(pair("1", "Make it: now")));
    }

    #[test]
    fn czech_words_before_a_number() {
        assert_eq!(id("Úkol 3: Napsat test"), Some(pair("3", "Napsat test")));
        assert_eq!(id("ÚLOHA 3 — Napsat test"), Some(pair("3", "Napsat test")));
        assert_eq!(written("Krok 1: a").unwrap().shape, Shape::Word(5));
        assert_eq!(id("Úkoly 3"), None);
        assert_eq!(id("Oprava chyby"), None);
    }

    #[test]
    fn numbers_that_are_no_ids() {
        for text in [
            "20 beta users",
            "P1 — now",
            "S3xy bucket",
            "A one",
            "Task list",
            "3.5mm jack",
            "001.md - title",
            "[T1](url)",
            "12",
        ] {
            assert_eq!(id(text), None, "{text}");
        }
    }

    #[test]
    fn depth_and_shape() {
        assert_eq!(written("1.0 a").unwrap().shape, Shape::Number(1));
        assert_eq!(written("1.2.3 a").unwrap().shape, Shape::Number(3));
        assert_eq!(written("S3 bucket").unwrap().shape, Shape::Name("S".to_owned()));
        assert!(!written("S3 bucket").unwrap().set_off);
        assert!(written("S3: bucket").unwrap().set_off);
    }

    #[test]
    fn references_are_compared_loosely() {
        assert_eq!(folded("T001"), folded("t1"));
        assert_eq!(folded("REC-01"), folded("rec1"));
        assert_ne!(folded("1.1"), folded("11"));
        assert_ne!(folded("1-1"), folded("11"));
        assert_eq!(folded("0"), "0");
    }
}
