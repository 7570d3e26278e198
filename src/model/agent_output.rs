//! How the output of a program is read, as data: patterns of its final lines, and fields of the
//! JSON lines that it prints.
//!
//! The same types stand in the configuration, in the presets and in the journal. Whether a pattern
//! is a sound one is said by the room `agents`; a [`FieldPath`] is sound by its type.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::FailureKind;
use super::reading::Stream;

/// The kinds of failure that a program's own words may tell. The others are for us to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignKind {
    /// It was called in a way it does not know.
    UsageError,
    /// It has no valid login or key.
    NotLoggedIn,
    /// Money or a quota is used up.
    OutOfCredits,
    /// The provider asks to come back later.
    RateLimited,
    /// The provider is overloaded or broken for the moment.
    Overloaded,
    /// The provider does not answer.
    ProviderUnreachable,
    /// The provider does not know the model.
    ModelUnknown,
    /// The conversation is longer than the model's context.
    ContextOverflow,
    /// It wanted a permission that nobody could give.
    PermissionRejected,
    /// It gave up for a reason of the task's own, such as a limit of turns.
    Exited,
}

impl SignKind {
    /// Every kind, in the order of the documents.
    pub const ALL: [Self; 10] = [
        Self::UsageError,
        Self::NotLoggedIn,
        Self::OutOfCredits,
        Self::RateLimited,
        Self::Overloaded,
        Self::ProviderUnreachable,
        Self::ModelUnknown,
        Self::ContextOverflow,
        Self::PermissionRejected,
        Self::Exited,
    ];

    /// The same in the list of all kinds.
    pub const fn kind(self) -> FailureKind {
        match self {
            Self::UsageError => FailureKind::UsageError,
            Self::NotLoggedIn => FailureKind::NotLoggedIn,
            Self::OutOfCredits => FailureKind::OutOfCredits,
            Self::RateLimited => FailureKind::RateLimited,
            Self::Overloaded => FailureKind::Overloaded,
            Self::ProviderUnreachable => FailureKind::ProviderUnreachable,
            Self::ModelUnknown => FailureKind::ModelUnknown,
            Self::ContextOverflow => FailureKind::ContextOverflow,
            Self::PermissionRejected => FailureKind::PermissionRejected,
            Self::Exited => FailureKind::Exited,
        }
    }
}

/// A pattern of a final line, and what a line like it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SignPattern {
    /// A regular expression that is searched for in a line. A group named `retry_after` holds the
    /// seconds until another try.
    pub pattern: String,
    /// What such a line means.
    pub kind: SignKind,
    /// The stream whose final lines are looked at; left out: `stderr`.
    #[serde(default = "stderr")]
    pub stream: Stream,
    /// Whether such a line counts although the program ends with a code that means success.
    #[serde(default)]
    pub also_on_success: bool,
    /// Whether the program waits for somebody once it has printed such a line, a prompt for instance:
    /// it is ended then. A prompt needs no end of line.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_once: bool,
}

const fn stderr() -> Stream {
    Stream::Stderr
}

const fn stdout() -> Stream {
    Stream::Stdout
}

/// Where a field stands in a record: names and places in lists, joined by dots, such as
/// `error.message` or `choices.0.text`. `\.` is a dot within a name, `\\` a backslash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct FieldPath {
    parts: Vec<String>,
}

/// Why a text is no path of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FieldPathError {
    /// Nothing stands before, between or behind dots.
    #[error("a name is missing")]
    MissingName,
    /// A backslash stands before something else than a dot or a backslash.
    #[error("a backslash stands before neither a dot nor a backslash")]
    StrayBackslash,
    /// It is longer than any record is deep.
    #[error("it has more than {} names", FieldPath::DEPTH_LIMIT)]
    TooDeep,
}

impl FieldPath {
    /// The most names of a path.
    pub const DEPTH_LIMIT: usize = 16;

    /// Takes a path apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, FieldPathError> {
        let mut parts = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let last = parts.len() - 1;
            match letter {
                '.' if parts[last].is_empty() => return Err(FieldPathError::MissingName),
                '.' => parts.push(String::new()),
                '\\' => match letters.next() {
                    Some(escaped @ ('.' | '\\')) => parts[last].push(escaped),
                    Some(_) | None => return Err(FieldPathError::StrayBackslash),
                },
                other => parts[last].push(other),
            }
        }
        if parts.last().is_none_or(String::is_empty) {
            return Err(FieldPathError::MissingName);
        }
        if parts.len() > Self::DEPTH_LIMIT {
            return Err(FieldPathError::TooDeep);
        }
        Ok(Self { parts })
    }

    /// The names, the outermost first; at least one.
    pub fn parts(&self) -> &[String] {
        &self.parts
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.parts.iter().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            f.write_str(&part.replace('\\', "\\\\").replace('.', "\\."))?;
        }
        Ok(())
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> Self {
        path.to_string()
    }
}

impl TryFrom<String> for FieldPath {
    type Error = FieldPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

/// What a field has to hold. The text `*` takes anything that is there and not `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Wanted {
    /// `true` or `false`.
    Flag(bool),
    /// This whole number.
    Number(i64),
    /// This text, or `*`.
    Text(String),
}

/// Conditions by the path of a field. All have to hold; none: every record will do.
pub type When = BTreeMap<FieldPath, Wanted>;

/// One path or several.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes what a configuration may say")]
enum Paths {
    /// One.
    One(FieldPath),
    /// Several.
    Several(Vec<FieldPath>),
}

/// A field of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct FieldRule {
    /// Where it stands: a path, or several of which the first that is there counts.
    #[schemars(with = "Paths")]
    pub path: Vec<FieldPath>,
    /// In which records.
    #[serde(default)]
    pub when: When,
}

/// A field, written as just its path or with conditions.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "it only describes what a configuration may say")]
enum FieldForm {
    /// Its path, in whatever record.
    Path(FieldPath),
    /// Its path and its conditions.
    Rule(FieldRule),
}

/// What the model says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TextRule {
    /// Where it stands: a path, or several of which the first that is there counts.
    #[schemars(with = "Paths")]
    pub path: Vec<FieldPath>,
    /// In which records.
    #[serde(default)]
    pub when: When,
    /// Whether it comes in pieces: the texts of records in a row are one text then.
    #[serde(default)]
    pub join: bool,
}

/// The tokens that were used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TokenRule {
    /// Those that were sent: a path, or several that are added up.
    #[serde(default)]
    #[schemars(with = "Paths")]
    pub input: Vec<FieldPath>,
    /// Those that were answered: a path, or several that are added up.
    #[serde(default)]
    #[schemars(with = "Paths")]
    pub output: Vec<FieldPath>,
    /// In which records.
    #[serde(default)]
    pub when: When,
    /// Whether each record has its own, to be added up; left out: the last one tells all.
    #[serde(default)]
    pub sum: bool,
}

/// The money that was spent, in USD.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct CostRule {
    /// Where it stands: a path, or several of which the first that is there counts.
    #[schemars(with = "Paths")]
    pub path: Vec<FieldPath>,
    /// In which records.
    #[serde(default)]
    pub when: When,
    /// Whether each record has its own, to be added up; left out: the last one tells all.
    #[serde(default)]
    pub sum: bool,
}

/// Records that tell an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ErrorRule {
    /// Which records.
    pub when: When,
    /// Its words: a path, or several of which the first that is there counts; left out: the record.
    #[serde(default)]
    #[schemars(with = "Paths")]
    pub message: Vec<FieldPath>,
    /// The HTTP status.
    #[serde(default)]
    pub status: Option<FieldPath>,
    /// Seconds until another try.
    #[serde(default)]
    pub retry_after: Option<FieldPath>,
    /// What it means, where the record says no more; left out: what its status, the agent's `signs`
    /// and the usual phrases of providers say.
    #[serde(default)]
    pub kind: Option<SignKind>,
    /// Whether the program tries again by itself: then it is a note, unless the program ends
    /// without success and nothing came in between.
    #[serde(default)]
    pub recoverable: bool,
}

/// The record of a proper end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct DoneRule {
    /// Which record.
    pub when: When,
}

/// How the JSON lines of a program are read. Each line is one object, called a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct EventRules {
    /// The stream on which they come; left out: `stdout`.
    #[serde(default = "stdout")]
    pub stream: Stream,
    /// The program's name for its session.
    #[serde(default)]
    #[schemars(with = "Option<FieldForm>")]
    pub session: Option<FieldRule>,
    /// The model that answers. Another one than was asked for fails the attempt.
    #[serde(default)]
    #[schemars(with = "Option<FieldForm>")]
    pub model: Option<FieldRule>,
    /// How many answers of the model there were.
    #[serde(default)]
    #[schemars(with = "Option<FieldForm>")]
    pub turns: Option<FieldRule>,
    /// What it is doing; several paths are joined.
    #[serde(default)]
    #[schemars(with = "Option<FieldForm>")]
    pub doing: Option<FieldRule>,
    /// What the model says.
    #[serde(default)]
    pub text: Option<TextRule>,
    /// The tokens that were used.
    #[serde(default)]
    pub tokens: Option<TokenRule>,
    /// The money that was spent.
    #[serde(default)]
    pub cost: Option<CostRule>,
    /// Records that tell an error; the first rule that fits counts.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    /// The record of a proper end.
    #[serde(default)]
    pub done: Option<DoneRule>,
}

impl Default for EventRules {
    /// Nothing is read.
    fn default() -> Self {
        Self {
            stream: Stream::Stdout,
            session: None,
            model: None,
            turns: None,
            doing: None,
            text: None,
            tokens: None,
            cost: None,
            errors: Vec::new(),
            done: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_names_joined_by_dots() {
        let parts = |text: &str| FieldPath::parse(text).map(|path| path.parts.join("|"));
        assert_eq!(parts("a"), Ok("a".to_owned()));
        assert_eq!(parts("a.0.b c"), Ok("a|0|b c".to_owned()));
        assert_eq!(parts(r"a\.b.c\\d"), Ok(r"a.b|c\d".to_owned()));
        for text in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(parts(text), Err(FieldPathError::MissingName), "{text}");
        }
        for text in [r"a\", r"a\n.b"] {
            assert_eq!(parts(text), Err(FieldPathError::StrayBackslash), "{text}");
        }
        assert_eq!(parts(&vec!["a"; 17].join(".")), Err(FieldPathError::TooDeep));
    }

    #[test]
    fn a_path_reads_as_it_was_written() {
        for text in ["a", "a.0.b", r"a\.b.c\\d", "ž.✓"] {
            let path = FieldPath::parse(text).unwrap();
            assert_eq!(path.to_string(), text);
            let written = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<FieldPath>(&written).unwrap(), path);
        }
        assert!(serde_json::from_str::<FieldPath>("\"a..b\"").is_err());
    }

    #[test]
    fn kinds_are_words_of_the_closed_list() {
        for kind in SignKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.kind().as_str());
        }
    }

    #[test]
    fn rules_come_back_from_the_journal_as_they_went() {
        let text = r#"{"stream":"stderr","tokens":{"input":["a.b"],"when":{"type":"x","n":3,"f":true}},
            "errors":[{"when":{"error":"*"},"status":"error.code"}],"done":{"when":{"type":"end"}}}"#;
        let rules: EventRules = serde_json::from_str(text).unwrap();
        let back: EventRules = serde_json::from_str(&serde_json::to_string(&rules).unwrap()).unwrap();
        assert_eq!(rules, back);
        assert_eq!(rules.stream, Stream::Stderr);
        let when = &rules.tokens.as_ref().unwrap().when;
        assert_eq!(when[&FieldPath::parse("n").unwrap()], Wanted::Number(3));
        assert_eq!(when[&FieldPath::parse("f").unwrap()], Wanted::Flag(true));
        assert_eq!(serde_json::from_str::<EventRules>("{}").unwrap(), EventRules::default());
        let sign: SignPattern = serde_json::from_str(r#"{"pattern":"x y","kind":"overloaded"}"#).unwrap();
        assert_eq!((sign.stream, sign.also_on_success), (Stream::Stderr, false));
    }
}
