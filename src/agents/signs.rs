//! What providers and their clients say, as kinds of failure; and small bounded stores for readers.
//!
//! [`kind_of_message`] is the one place in which text is matched. It is only ever given what an
//! agent's error event, its error log or its last error says, never what a model said.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::model::failure::FailureKind;
use crate::model::reading::Sign;

/// Characters of one message: enough for a provider's sentence with its address.
const MESSAGE_LIMIT: usize = 500;
/// Lines of last words.
const LAST_LINES: usize = 6;
/// Characters of last words.
const LAST_CHARACTERS: usize = 1_000;
/// How many errors that were recovered from are kept.
const NOTES: usize = 8;

/// What an HTTP status means, where it means one thing.
pub(super) fn kind_of_status(status: u16) -> Option<FailureKind> {
    match status {
        402 => Some(FailureKind::OutOfCredits),
        429 => Some(FailureKind::RateLimited),
        401 | 403 => Some(FailureKind::NotLoggedIn),
        404 => Some(FailureKind::ModelUnknown),
        408 => Some(FailureKind::ProviderUnreachable),
        500..=599 => Some(FailureKind::Overloaded),
        _ => None,
    }
}

/// Whether a provider's answer says that money or a quota is used up, whatever its status is.
pub(super) fn says_out_of_credits(body: &str) -> bool {
    ["insufficient_quota", "insufficient_credits", "FreeUsageLimitError", "GoUsageLimitError"]
        .iter()
        .any(|phrase| body.contains(phrase))
}

/// Phrases in the order in which they count; lower case. The ones at the top are put in front by
/// the client library, so what follows them may say anything.
const PHRASES: [(FailureKind, &[&str]); 8] = [
    (
        FailureKind::ProviderUnreachable,
        &["cannot connect to api", "json parsing failed", "response stream ended without a finish reason"],
    ),
    (
        FailureKind::ContextOverflow,
        &["context_length_exceeded", "maximum context length", "context window", "prompt is too long"],
    ),
    (
        FailureKind::OutOfCredits,
        &[
            "insufficient_quota",
            "exceeded your current quota",
            "insufficient credit",
            "insufficient_credit",
            "insufficient balance",
            "requires more credits",
            "credit balance is too low",
            "out of credits",
            "payment required",
            "freeusagelimiterror",
            "gousagelimiterror",
        ],
    ),
    (
        FailureKind::RateLimited,
        &["rate limit", "rate_limit", "rate-limit", "too many requests", "resource_exhausted"],
    ),
    (
        FailureKind::NotLoggedIn,
        &[
            "incorrect api key",
            "invalid api key",
            "invalid_api_key",
            "api key is missing",
            "api key not valid",
            "no auth credentials",
            "authentication required",
            "unauthorized",
            "not logged in",
            "you are not allowed to use this model",
            "forbidden",
        ],
    ),
    (
        FailureKind::ModelUnknown,
        &[
            "model not found",
            "providermodelnotfounderror",
            "model_not_found",
            "model does not exist",
            "unknown or disabled provider",
            "is not a valid model",
            "no endpoints found",
        ],
    ),
    (
        FailureKind::Overloaded,
        &[
            "overloaded",
            "server had an error",
            "internal server error",
            "bad gateway",
            "service unavailable",
            "gateway timeout",
        ],
    ),
    (
        FailureKind::ProviderUnreachable,
        &[
            "econnreset",
            "econnrefused",
            "connectionrefused",
            "failedtoopensocket",
            "connection reset",
            "unable to connect",
            "socket connection was closed",
            "operation timed out",
            "sse read timed out",
            "providerheadertimeouterror",
            "providerresponsestreamerror",
            "headers timed out",
            "fetch failed",
            "getaddrinfo",
        ],
    ),
];

/// What an error's text means, if it is one that is known.
pub(super) fn kind_of_message(message: &str) -> Option<FailureKind> {
    let message = message.to_lowercase();
    PHRASES
        .iter()
        .find(|(_, phrases)| phrases.iter().any(|phrase| message.contains(phrase)))
        .map(|&(kind, _)| kind)
}

/// Of several errors, the place of a kind in the order of telling: the lowest one explains the rest.
pub(super) fn rank(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::ContextOverflow => 0,
        FailureKind::OutOfCredits => 1,
        FailureKind::RateLimited => 2,
        FailureKind::NotLoggedIn => 3,
        FailureKind::ModelUnknown => 4,
        FailureKind::Overloaded => 5,
        FailureKind::ProviderUnreachable => 6,
        FailureKind::PermissionRejected => 7,
        FailureKind::UsageError => 8,
        FailureKind::NoCompletion => 9,
        FailureKind::Exited
        | FailureKind::AgentNotFound
        | FailureKind::TimedOut
        | FailureKind::Stalled
        | FailureKind::Killed
        | FailureKind::BadCompletion
        | FailureKind::ReportedFailed
        | FailureKind::ReportedBlocked
        | FailureKind::OutputMissing
        | FailureKind::NoChange
        | FailureKind::VerifyFailed
        | FailureKind::MergeConflict
        | FailureKind::OwnershipViolation
        | FailureKind::HierarchyViolation
        | FailureKind::BudgetExhausted
        | FailureKind::NoLayerLeft
        | FailureKind::PaymentNotApproved
        | FailureKind::OverLimit
        | FailureKind::Lost => 10,
    }
}

/// The most telling of several errors; of equals the last one.
pub(super) fn most_telling(signs: &[Sign]) -> Option<Sign> {
    signs.iter().rev().min_by_key(|sign| rank(sign.kind)).cloned()
}

/// After how many refusals in a row of one kind waiting is pointless. A rate limit of a moment is
/// over at the third request; a key that is wrong or money that is gone does not come back; and each
/// answer that did not come took half of the time for which nothing may happen.
pub(super) fn refusals_until_hopeless(kind: FailureKind, message: &str) -> u32 {
    let final_word = [FailureKind::OutOfCredits, FailureKind::NotLoggedIn, FailureKind::ModelUnknown];
    let too_late = kind == FailureKind::ProviderUnreachable && message.contains("timed out");
    if final_word.contains(&kind) || too_late {
        2
    } else if kind == FailureKind::RateLimited {
        3
    } else {
        5
    }
}

/// Text as one line of bounded length, without control characters.
pub(super) fn one_line(text: &str) -> String {
    shorten(text, MESSAGE_LIMIT)
}

/// Text as one line of at most `limit` characters.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for character in word.chars() {
            if length == limit {
                line.push('…');
                return line;
            }
            line.push(character);
            length += 1;
        }
    }
    line
}

/// The end of what was said: a few lines.
pub(super) fn last_words(text: &str) -> Option<String> {
    let mut lines = LastLines::default();
    for line in text.lines() {
        lines.push(line);
    }
    lines.text()
}

/// A line without terminal colours and the like.
pub(super) fn strip_ansi(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            plain.push(character);
            continue;
        }
        if characters.next() == Some('[') {
            for next in characters.by_ref() {
                if ('@'..='~').contains(&next) {
                    break;
                }
            }
        }
    }
    plain
}

/// The last lines of a text that comes line by line.
#[derive(Debug, Default)]
pub(super) struct LastLines {
    lines: VecDeque<String>,
}

impl LastLines {
    /// Takes in a line; blank ones are passed over.
    pub(super) fn push(&mut self, line: &str) {
        let line = line.trim_end();
        if line.trim().is_empty() {
            return;
        }
        if self.lines.len() == LAST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line.chars().take(LAST_CHARACTERS).collect());
    }

    /// The lines as text; none if there were none.
    pub(super) fn text(&self) -> Option<String> {
        if self.lines.is_empty() {
            return None;
        }
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        let text = lines.join("\n");
        let surplus = text.chars().count().saturating_sub(LAST_CHARACTERS);
        Some(if surplus > 0 {
            let mut end = "…".to_owned();
            end.extend(text.chars().skip(surplus + 1));
            end
        } else {
            text
        })
    }
}

/// The last few signs.
#[derive(Debug, Default)]
pub(super) struct Notes {
    signs: VecDeque<Sign>,
}

impl Notes {
    /// Takes in a sign; the oldest one goes.
    pub(super) fn push(&mut self, sign: Sign) {
        if self.signs.len() == NOTES {
            self.signs.pop_front();
        }
        self.signs.push_back(sign);
    }

    /// Forgets the signs of a kind.
    pub(super) fn drop_kind(&mut self, kind: FailureKind) {
        self.signs.retain(|sign| sign.kind != kind);
    }

    /// The signs, the oldest first.
    pub(super) fn take(&mut self) -> Vec<Sign> {
        std::mem::take(&mut self.signs).into()
    }
}

/// A number for a thing that may be long, the same for equal ones.
pub(super) fn hash_of(thing: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}

/// Counts equal things in a row.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    last: u64,
    count: u32,
}

impl Repeats {
    /// Takes in a thing and says how many equal ones there were in a row, this one included.
    pub(super) fn push(&mut self, thing: &impl Hash) -> u32 {
        let hash = hash_of(thing);
        self.count = if self.count > 0 && hash == self.last { self.count + 1 } else { 1 };
        self.last = hash;
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reading::SignSource;

    #[test]
    fn messages_of_providers_are_known() {
        for (message, kind) in [
            ("Rate limit reached for requests. Please try again later.", FailureKind::RateLimited),
            (
                "You exceeded your current quota, please check your plan and billing details.",
                FailureKind::OutOfCredits,
            ),
            ("Incorrect API key provided.", FailureKind::NotLoggedIn),
            ("You are not allowed to use this model.", FailureKind::NotLoggedIn),
            ("The model does not exist or you do not have access to it.", FailureKind::ModelUnknown),
            ("Unknown or disabled provider \"nope\".", FailureKind::ModelUnknown),
            ("The request exceeds the model's context window", FailureKind::ContextOverflow),
            ("The server had an error while processing your request.", FailureKind::Overloaded),
            ("Cannot connect to API: 429 (ConnectionRefused)", FailureKind::ProviderUnreachable),
            ("JSON parsing failed: Text: {\"rate limit\"", FailureKind::ProviderUnreachable),
            ("The operation timed out.", FailureKind::ProviderUnreachable),
        ] {
            assert_eq!(kind_of_message(message), Some(kind), "{message}");
        }
        assert_eq!(kind_of_message("cannot read property of undefined"), None);
    }

    #[test]
    fn the_most_telling_error_explains_the_rest() {
        let sign = |kind, message: &str| Sign {
            kind,
            source: SignSource::Event,
            message: message.to_owned(),
            status: None,
            retry_after_s: None,
        };
        let signs = [
            sign(FailureKind::Exited, "a"),
            sign(FailureKind::ModelUnknown, "generic"),
            sign(FailureKind::ModelUnknown, "telling"),
            sign(FailureKind::NoCompletion, "b"),
        ];
        assert_eq!(most_telling(&signs).unwrap().message, "telling");
        assert_eq!(most_telling(&[]), None);
    }

    #[test]
    fn text_is_bounded_and_plain() {
        assert_eq!(shorten("a\n b\u{7}c\td", 10), "a b c d");
        assert_eq!(shorten("žluťoučký kůň", 5), "žluťo…");
        assert_eq!(strip_ansi("\u{1b}[91m\u{1b}[1mError: \u{1b}[0mx"), "Error: x");
        assert_eq!(strip_ansi("\u{1b}"), "");
        let long = "x".repeat(5_000);
        assert!(last_words(&long).unwrap().chars().count() <= LAST_CHARACTERS + 1);
        assert_eq!(last_words("1\n2\n\n3\n4\n5\n6\n7\n").unwrap(), "2\n3\n4\n5\n6\n7");
        assert_eq!(last_words(" \n"), None);
    }

    #[test]
    fn only_equal_things_in_a_row_count() {
        let mut repeats = Repeats::default();
        assert_eq!([1, 1, 2, 2, 2, 1].map(|thing: u32| repeats.push(&thing)), [1, 2, 1, 2, 3, 1]);
    }
}
