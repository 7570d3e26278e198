//! Secrets out of texts: what looks like a key or a password becomes `***`, with a start that tells
//! a person which one it was.
//!
//! Two ways, and both are used where possible: by *shape* ([`mask`]) and by *value* ([`Masker`], for
//! secrets that are known, such as the variables that were withheld from a child). Shapes err on the
//! side of leaving ordinary words alone, so neither replaces care about what is written at all.
//!
//! Masking a masked text changes nothing, so what was stored masked can be compared with what is
//! masked again. Nothing here looks at the environment or at files.

mod controls;
mod shapes;

use std::borrow::Cow;
use std::fmt;

use regex::Regex;

pub use controls::strip_controls;
pub use shapes::mask;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Known values shorter than this, in bytes, are not looked for: they would be found in ordinary
/// words.
const SHORTEST_KNOWN: usize = 6;

/// Masks by shape, and besides a list of values that are known to be secret.
#[derive(Clone, Default)]
pub struct Masker {
    known: Option<Regex>,
}

impl fmt::Debug for Masker {
    /// Says whether values are known, and not which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker").field("known", &self.known.is_some()).finish()
    }
}

impl Masker {
    /// A masker that knows these values. Values of less than 6 bytes, and those that are numbers or
    /// ordinary words of configuration such as `production`, are left out.
    pub fn new(known: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = known
            .into_iter()
            .map(|value| value.trim().to_owned())
            .filter(|value| value.len() >= SHORTEST_KNOWN && !is_ordinary(value))
            .collect();
        // The longest first: a value may be the start of another one.
        values.sort_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
        values.dedup();
        if values.is_empty() {
            return Self::default();
        }
        let pattern = values.iter().map(|value| regex::escape(value)).collect::<Vec<_>>().join("|");
        // Too many values for one pattern are better not known than a reason to stop: shapes remain.
        Self { known: Regex::new(&pattern).ok() }
    }

    /// `text` without secrets.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(known) = &self.known else { return mask(text) };
        match known.replace_all(text, MASK) {
            Cow::Borrowed(text) => mask(text),
            Cow::Owned(text) => Cow::Owned(mask(&text).into_owned()),
        }
    }
}

fn is_ordinary(value: &str) -> bool {
    const WORDS: [&str; 10] = [
        "default",
        "development",
        "disabled",
        "enabled",
        "localhost",
        "password",
        "production",
        "secret",
        "staging",
        "unlimited",
    ];
    value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*')
        || WORDS.iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// Whether an environment variable of this name holds a secret, by the shape of its name: `*_KEY`,
/// `*_TOKEN`, `*_SECRET`, `*_PASSWORD`, `*_CREDENTIALS`, `*_DSN`, in capitals or not.
pub fn is_secret_name(name: &str) -> bool {
    const ENDINGS: [&str; 6] = ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_CREDENTIALS", "_DSN"];
    let name = name.as_bytes();
    ENDINGS.iter().any(|ending| {
        name.len()
            .checked_sub(ending.len())
            .is_some_and(|start| name[start..].eq_ignore_ascii_case(ending.as_bytes()))
    })
}

#[cfg(test)]
mod tests;
