//! JSON with the place of everything in it: the line of a task is the line of its `"id"`.
//!
//! Strict, as the standard has it: comments and trailing commas are mistakes with a place. It takes time
//! linear in the text; how deep values nest and how many there are is bounded.

use std::borrow::Cow;
use std::ops::Range;

/// How deep lists and objects may nest.
const DEEPEST: usize = 64;

/// The most values of a text: each costs memory, however short it is written.
const MOST: usize = 1_000_000;

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'t> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// As written.
    Number(&'t str),
    /// Unescaped.
    Text(Cow<'t, str>),
    /// In order.
    List(Vec<Node<'t>>),
    /// In order, as often as they stand there.
    Map(Vec<Entry<'t>>),
}

/// A value and the bytes it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node<'t> {
    /// What it is.
    pub(crate) value: Value<'t>,
    /// Where it is.
    pub(crate) at: Range<usize>,
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'t> {
    /// Unescaped.
    pub(crate) key: Cow<'t, str>,
    /// Where the key begins.
    pub(crate) at: usize,
    /// Its value.
    pub(crate) node: Node<'t>,
}

/// Why a text is no JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// The byte where it stops to be.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<&'static str>,
}

impl<'t> Node<'t> {
    /// The entry of a key; of several, the last, as other programs read it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry<'t>> {
        self.entries().iter().rev().find(|entry| entry.key == key)
    }

    /// The value of a key that is there and not `null`.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.node).filter(|node| node.value != Value::Null)
    }

    /// The entries of an object; of anything else, none.
    pub(crate) fn entries(&self) -> &[Entry<'t>] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The values of a list; of anything else, none.
    pub(crate) fn list(&self) -> &[Self] {
        if let Value::List(list) = &self.value { list } else { &[] }
    }

    /// Whether it is a list.
    pub(crate) const fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// A text, or a number as written.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Number(number) => Some(number),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text of a key, trimmed, if there is any.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text().map(str::trim).filter(|text| !text.is_empty())
    }

    /// What kind of thing it is, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "yes or no",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "an object",
        }
    }
}

/// Reads a text that is one JSON value.
///
/// # Errors
/// Where it stops to be JSON, and why.
pub(crate) fn read(text: &str) -> Result<Node<'_>, Broken> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = Reader { text, at: start, values: 0 };
    reader.space()?;
    let node = reader.value(0)?;
    reader.space()?;
    if reader.at < text.len() {
        return Err(reader.broken("the JSON ends here, and the text goes on"));
    }
    Ok(node)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    values: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn broken(&self, message: impl Into<String>) -> Broken {
        Broken { at: self.at.min(self.text.len()), message: message.into(), hint: None }
    }

    /// What stands here instead of what was expected.
    fn unexpected(&self, expected: &str) -> Broken {
        let found = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let message = found.map_or_else(
            || format!("the JSON ends too early: {expected} is missing"),
            |found| format!("{expected} is expected here, and not `{}`", found.escape_debug()),
        );
        self.broken(message)
    }

    fn space(&mut self) -> Result<(), Broken> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(b"//") || rest.starts_with(b"/*") {
            let mut broken = self.broken("JSON has no comments");
            broken.hint = Some("take the comment out");
            return Err(broken);
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Node<'t>, Broken> {
        self.values += 1;
        if self.values > MOST {
            return Err(self.broken(format!("the JSON has more than {MOST} values, which is the limit")));
        }
        if depth > DEEPEST {
            return Err(
                self.broken(format!("the JSON nests deeper than {DEEPEST} levels, which is the limit"))
            );
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.map(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(_) | None => return Err(self.unexpected("a value")),
        };
        Ok(Node { value, at: start..self.at })
    }

    fn word(&mut self, word: &str, value: Value<'t>) -> Result<Value<'t>, Broken> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value<'t>, Broken> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let leading_zero =
            digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        // A number is kept as written: no more is asked than that it is one.
        if text.parse::<f64>().is_err() || digits.ends_with('.') || leading_zero {
            self.at = start;
            return Err(self.broken(format!("`{}` is no number", &text[..text.len().min(40)])));
        }
        Ok(Value::Number(text))
    }

    fn list(&mut self, depth: usize) -> Result<Value<'t>, Broken> {
        self.at += 1;
        let mut list = Vec::new();
        loop {
            self.space()?;
            if self.peek() == Some(b']') {
                if !list.is_empty() {
                    return Err(self.trailing_comma());
                }
                self.at += 1;
                return Ok(Value::List(list));
            }
            list.push(self.value(depth + 1)?);
            self.space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::List(list));
                }
                Some(_) | None => return Err(self.unexpected("`,` or `]`")),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value<'t>, Broken> {
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.space()?;
            match self.peek() {
                Some(b'}') => {
                    if !entries.is_empty() {
                        return Err(self.trailing_comma());
                    }
                    self.at += 1;
                    return Ok(Value::Map(entries));
                }
                Some(b'"') => {}
                Some(_) | None => return Err(self.unexpected("a key in double quotes")),
            }
            let at = self.at;
            let key = self.string()?;
            self.space()?;
            if self.peek() != Some(b':') {
                return Err(self.unexpected("`:`"));
            }
            self.at += 1;
            self.space()?;
            let node = self.value(depth + 1)?;
            entries.push(Entry { key, at, node });
            self.space()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Map(entries));
                }
                Some(_) | None => return Err(self.unexpected("`,` or `}`")),
            }
        }
    }

    fn trailing_comma(&self) -> Broken {
        let mut broken = self.broken("a comma stands before the end, with nothing after it");
        broken.hint = Some("JSON has no trailing commas: take it out");
        broken
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Broken> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut at = start;
        let mut escaped = false;
        loop {
            match bytes.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at += 2;
                }
                Some(0..=0x1f) => {
                    self.at = at;
                    let mut broken = self.broken("a text may not go over the end of a line");
                    broken.hint = Some("write `\\n` for a new line, and close the text with a double quote");
                    return Err(broken);
                }
                Some(_) => at += 1,
                None => {
                    let message = "this text is not closed before the end";
                    return Err(self.broken(message));
                }
            }
        }
        let text = &self.text[start..at];
        let whole = &self.text[self.at..=at];
        if !escaped {
            self.at = at + 1;
            return Ok(Cow::Borrowed(text));
        }
        match serde_json::from_str::<String>(whole) {
            Ok(text) => {
                self.at = at + 1;
                Ok(Cow::Owned(text))
            }
            Err(_) => Err(self.broken("this text has an escape that JSON does not know")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> (usize, String) {
        let broken = read(text).unwrap_err();
        (broken.at, broken.message)
    }

    #[test]
    fn values_have_places() {
        let text = "{\n  \"id\": 7,\n  \"t\": \"a\\nb\", \"l\": [true, null, -1.5e3]\n}\n";
        let node = read(text).unwrap();
        assert_eq!(node.text_of("id"), Some("7"));
        assert_eq!(node.get("t").and_then(Node::text), Some("a\nb"));
        let entry = node.entry("id").unwrap();
        assert_eq!((&text[entry.at..entry.at + 4], &text[entry.node.at.clone()]), ("\"id\"", "7"));
        assert_eq!(node.get("l").unwrap().list().len(), 3);
        assert!(read("\u{feff}[]").is_ok() && read(" 0 ").is_ok() && read("\"\\u00e9\"").is_ok());
    }

    #[test]
    fn mistakes_have_places() {
        assert_eq!(broken("[1, 2,]").0, 6);
        assert_eq!(broken("{\"a\": 1,}").0, 8);
        assert_eq!(broken("[1] x").0, 4);
        assert_eq!(broken("[1 // one\n]"), (3, "JSON has no comments".to_owned()));
        assert_eq!(broken("{\"a\" 1}").0, 5);
        assert_eq!(broken("{a: 1}").0, 1);
        assert_eq!(broken("[\"a\nb\"]").0, 3);
        assert_eq!(broken("[01]").0, 1);
        assert_eq!(broken("[1.]").0, 1);
        assert_eq!(broken("[--1]").0, 1);
        assert!(broken("").1.contains("too early"));
        assert!(broken("[\"abc").1.contains("not closed"));
        assert!(broken("[\"abc\\").1.contains("not closed"));
        assert!(broken("[\"\\q\"]").1.contains("escape"));
        assert!(broken("[tru").1.contains("expected"));
        assert!(broken(&"[".repeat(100_000)).1.contains("deeper"));
        assert!(broken(&format!("[{}0]", "0,".repeat(MOST))).1.contains("more than"));
        // What is cut within a character must not be cut again.
        assert!(read("[\"\\é\"]").is_err() && read("[é]").is_err());
    }
}
