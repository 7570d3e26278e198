//! Patterns of final lines that somebody wrote down for a program, and what they find.
//!
//! Only the last few lines of a stream are looked at, and only of a program that did not end well:
//! one that talks about rate limits and goes home content has hit none. A regular expression here
//! takes time in proportion to the line, and lines are cut.

use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};

use crate::model::agent_output::{SignKind, SignPattern};
use crate::model::failure::FailureKind;
use crate::model::outcome::{Ending, Outcome, StopReason};
use crate::model::reading::{Sign, SignSource, Stream};

use super::signs::one_line;

/// How many lines of a stream are its final ones, blank ones not counted.
pub const FINAL_LINES: usize = 20;
/// Characters of a final line that are looked at.
const LINE_LIMIT: usize = 1_000;
/// Bytes that a compiled pattern may take.
const SIZE_LIMIT: usize = 1 << 20;
/// Lines that any agent might end with. A pattern that finds itself in all of them says nothing.
const ORDINARY: [&str; 3] = ["Done", "All 12 tests pass.", "I changed src/main.rs and wrote a note"];

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// It is no regular expression, or too large a one.
    #[error("{0}")]
    Broken(String),
    /// It is found in whatever is printed.
    #[error("it is found in nearly every line")]
    TooWide,
}

/// Whether a pattern of a sign can be used.
///
/// # Errors
/// What is wrong with it.
pub fn check_pattern(pattern: &str) -> Result<(), PatternFault> {
    let regex = compile(pattern)?;
    if regex.is_match("") || ORDINARY.iter().all(|line| regex.is_match(line)) {
        return Err(PatternFault::TooWide);
    }
    Ok(())
}

fn compile(pattern: &str) -> Result<Regex, PatternFault> {
    RegexBuilder::new(pattern).size_limit(SIZE_LIMIT).build().map_err(|error| match error {
        regex::Error::Syntax(text) => {
            // The words stand below a picture of the pattern.
            let last = text.lines().last().unwrap_or_default();
            PatternFault::Broken(last.trim_start_matches("error: ").to_owned())
        }
        regex::Error::CompiledTooBig(limit) => {
            PatternFault::Broken(format!("it takes more than {limit} bytes when it is compiled"))
        }
        other => PatternFault::Broken(other.to_string()),
    })
}

/// How a program ended, as far as it matters for what its words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with a code that means success.
    Well,
    /// By itself in another way, or by us since it got nowhere.
    Badly,
    /// By us, for a reason that has nothing to do with it.
    Stopped,
}

/// How a program ended whose `success_codes` are these.
pub(super) fn end(outcome: &Outcome, success_codes: &[i32]) -> End {
    match outcome.stopped {
        Some(
            StopReason::Requested
            | StopReason::Lingering
            | StopReason::OverLimit { .. }
            | StopReason::OverBudget { .. },
        ) => End::Stopped,
        Some(StopReason::Deadline | StopReason::Idle | StopReason::Hopeless { .. }) => End::Badly,
        None => match outcome.ending {
            Ending::Exited { code } if success_codes.contains(&code) => End::Well,
            Ending::Exited { .. }
            | Ending::Killed { .. }
            | Ending::NotFound { .. }
            | Ending::FailedToStart { .. }
            | Ending::Unknown { .. } => End::Badly,
        },
    }
}

#[derive(Debug)]
struct Pattern {
    regex: Regex,
    kind: SignKind,
    stream: Stream,
    also_on_success: bool,
    at_once: bool,
}

/// The patterns of a program, and its final lines.
#[derive(Debug)]
pub(super) struct Patterns {
    known: Vec<Pattern>,
    stdout: VecDeque<String>,
    stderr: VecDeque<String>,
}

impl Patterns {
    /// Patterns that have seen nothing. One that cannot be used finds nothing: whoever starts the
    /// program was told.
    pub(super) fn new(signs: &[SignPattern]) -> Self {
        let known = signs
            .iter()
            .filter_map(|sign| {
                let regex = compile(&sign.pattern).ok()?;
                let SignPattern { kind, stream, also_on_success, at_once, .. } = *sign;
                Some(Pattern { regex, kind, stream, also_on_success, at_once })
            })
            .collect();
        Self { known, stdout: VecDeque::new(), stderr: VecDeque::new() }
    }

    /// Takes in a line; blank ones are passed over.
    pub(super) fn push(&mut self, stream: Stream, line: &str) {
        let line = line.trim();
        if line.is_empty() || self.known.iter().all(|pattern| pattern.stream != stream) {
            return;
        }
        let lines = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        if lines.len() == FINAL_LINES {
            lines.pop_front();
        }
        lines.push_back(line.chars().take(LINE_LIMIT).collect());
    }

    /// Whether lines have to be looked at as they come.
    pub(super) fn are_for_now(&self) -> bool {
        self.known.iter().any(|pattern| pattern.at_once)
    }

    /// What a line means after which the program waits for somebody.
    pub(super) fn of_prompt(&self, stream: Stream, line: &str) -> Option<Sign> {
        let line: String = line.trim().chars().take(LINE_LIMIT).collect();
        let source = source(stream);
        let mut prompts = self.known.iter().filter(|pattern| pattern.at_once && pattern.stream == stream);
        let found = prompts.find(|pattern| pattern.regex.is_match(&line))?;
        let kind = found.kind.kind();
        Some(Sign { kind, source, message: one_line(&line), status: None, retry_after_s: None })
    }

    /// What the words of an error mean, and after how many seconds to try again.
    pub(super) fn of_message(&self, message: &str) -> Option<(FailureKind, Option<u64>)> {
        self.known.iter().find_map(|pattern| {
            let found = pattern.regex.captures(message)?;
            Some((pattern.kind.kind(), found.name("retry_after").and_then(|text| seconds(text.as_str()))))
        })
    }

    /// What the final lines say of an end: the last line that a pattern is found in, standard error
    /// before standard output.
    pub(super) fn of_end(&self, end: End) -> Option<Sign> {
        if end == End::Stopped {
            return None;
        }
        let streams = [(Stream::Stderr, &self.stderr), (Stream::Stdout, &self.stdout)];
        streams.into_iter().find_map(|(stream, lines)| {
            lines.iter().rev().find_map(|line| {
                self.known.iter().find_map(|pattern| {
                    let counts = pattern.stream == stream && (end == End::Badly || pattern.also_on_success);
                    let found = if counts { pattern.regex.captures(line) } else { None }?;
                    Some(Sign {
                        kind: pattern.kind.kind(),
                        source: source(stream),
                        message: one_line(line),
                        status: None,
                        retry_after_s: found.name("retry_after").and_then(|text| seconds(text.as_str())),
                    })
                })
            })
        })
    }
}

/// Where a line of a stream was seen.
const fn source(stream: Stream) -> SignSource {
    match stream {
        Stream::Stdout => SignSource::Exit,
        Stream::Stderr => SignSource::ErrorLog,
    }
}

/// Whether a last line asks somebody something, as far as lines of all programs go.
pub(super) fn is_question(line: &str) -> bool {
    let line = line.trim_end().to_lowercase();
    let asks = ["?", "(y/n)", "[y/n]", "(yes/no)", "[yes/no]", "(y/n):", "[y/n]:", "(yes/no):"];
    let names = [
        "password",
        "passphrase",
        "username",
        "api key",
        "token",
        "code",
        "press",
        "continue",
        "log in",
        "login",
    ];
    asks.iter().any(|end| line.ends_with(end))
        || (line.ends_with([':', '>', '.', '…']) && line.chars().count() < 200 && {
            let waits = line.ends_with([':', '>']);
            (waits && names.iter().any(|name| line.contains(name)))
                || line.contains("press enter")
                || line.contains("press any key")
                || line.starts_with("waiting for auth")
        })
}

/// A number of seconds; a part of one is waited out whole.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let seconds = whole.parse::<u64>().ok()?;
    if !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(if part.trim_matches('0').is_empty() { seconds } else { seconds.saturating_add(1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::Peaks;

    #[test]
    fn questions_of_all_programs_are_known() {
        for line in [
            "Allow this command? [y/N]",
            "Overwrite (yes/no): ",
            "Do you want to continue?",
            "Enter your API key: ",
            "user@host's password:",
            "Press ENTER to continue...",
            "Waiting for authentication...",
            "Enter the authorization code:",
        ] {
            assert!(is_question(line), "{line}");
        }
        for line in ["", "Done.", "error: no space left", "running 12 tests", "Compiling x v1.0:", "a -> b"] {
            assert!(!is_question(line), "{line}");
        }
    }

    #[test]
    fn a_prompt_is_seen_as_it_comes_on_its_own_stream_alone() {
        let waits = SignPattern {
            at_once: true,
            ..sign("Log in with", SignKind::NotLoggedIn, Stream::Stdout, false)
        };
        let patterns = Patterns::new(&[waits, sign("Log", SignKind::Exited, Stream::Stderr, false)]);
        assert!(patterns.are_for_now());
        assert!(!Patterns::new(&[sign("Log", SignKind::Exited, Stream::Stderr, false)]).are_for_now());
        let kind = |stream, line| patterns.of_prompt(stream, line).map(|sign| sign.kind);
        assert_eq!(kind(Stream::Stdout, "  Log in with: "), Some(FailureKind::NotLoggedIn));
        assert_eq!(kind(Stream::Stderr, "Log in with: "), None);
        assert_eq!(kind(Stream::Stdout, "Logged in"), None);
    }

    fn sign(pattern: &str, kind: SignKind, stream: Stream, also_on_success: bool) -> SignPattern {
        SignPattern { pattern: pattern.to_owned(), kind, stream, also_on_success, at_once: false }
    }

    fn outcome(code: i32, stopped: Option<StopReason>) -> Outcome {
        Outcome {
            ending: Ending::Exited { code },
            stopped,
            left_behind: 0,
            wall_ms: 1,
            peaks: Peaks::default(),
        }
    }

    #[test]
    fn patterns_that_say_nothing_or_are_none_are_refused() {
        for wide in ["", ".*", ".", ".+", "^", "$", r"\w", "(?i)[a-z]+", "x*", "(rate limit)?", "[^#]", "e|l"]
        {
            assert_eq!(check_pattern(wide), Err(PatternFault::TooWide), "{wide}");
        }
        for sound in ["429", "rate limit", "(?i)^error: quota", r"HTTP \d{3}", r"\b5\d\d\b"] {
            assert_eq!(check_pattern(sound), Ok(()), "{sound}");
        }
        assert_eq!(check_pattern("a(b"), Err(PatternFault::Broken("unclosed group".to_owned())));
        let large = check_pattern(r"x(\w{100}){100}").unwrap_err();
        assert!(matches!(&large, PatternFault::Broken(text) if text.contains("1048576 bytes")), "{large}");
        let look = check_pattern("(?=x)").unwrap_err().to_string();
        assert!(look.contains("look-around"), "{look}");
    }

    #[test]
    fn the_end_decides_whether_words_count() {
        let codes = [0, 3];
        assert_eq!(end(&outcome(3, None), &codes), End::Well);
        assert_eq!(end(&outcome(1, None), &codes), End::Badly);
        assert_eq!(end(&outcome(0, Some(StopReason::Idle)), &codes), End::Badly);
        assert_eq!(end(&outcome(0, Some(StopReason::Lingering)), &codes), End::Stopped);
        let mut patterns = Patterns::new(&[
            sign("limit", SignKind::RateLimited, Stream::Stderr, false),
            sign("FATAL", SignKind::Overloaded, Stream::Stdout, true),
        ]);
        patterns.push(Stream::Stderr, "over the limit");
        assert_eq!(patterns.of_end(End::Well), None);
        assert_eq!(patterns.of_end(End::Stopped), None);
        let found = patterns.of_end(End::Badly).unwrap();
        assert_eq!((found.kind, found.source), (FailureKind::RateLimited, SignSource::ErrorLog));
        patterns.push(Stream::Stdout, "FATAL: busy");
        let found = patterns.of_end(End::Well).unwrap();
        assert_eq!((found.kind, found.message.as_str()), (FailureKind::Overloaded, "FATAL: busy"));
        assert_eq!(patterns.of_end(End::Badly).unwrap().kind, FailureKind::RateLimited);
    }

    #[test]
    fn only_final_lines_of_the_named_stream_count() {
        let mut patterns = Patterns::new(&[sign("quota", SignKind::OutOfCredits, Stream::Stderr, false)]);
        patterns.push(Stream::Stdout, "quota");
        assert_eq!(patterns.of_end(End::Badly), None);
        patterns.push(Stream::Stderr, "quota");
        for number in 1..FINAL_LINES {
            patterns.push(Stream::Stderr, &format!("line {number}"));
            patterns.push(Stream::Stderr, "  ");
        }
        assert!(patterns.of_end(End::Badly).is_some());
        patterns.push(Stream::Stderr, "one more");
        assert_eq!(patterns.of_end(End::Badly), None);
        patterns.push(Stream::Stderr, &format!("{}quota", "x".repeat(LINE_LIMIT)));
        assert_eq!(patterns.of_end(End::Badly), None, "a line is cut");
    }

    #[test]
    fn the_last_line_decides_and_in_it_the_first_pattern() {
        let mut patterns = Patterns::new(&[
            sign("no credit", SignKind::OutOfCredits, Stream::Stderr, false),
            sign(r"429(.*retry in (?<retry_after>[\d.]+)s)?", SignKind::RateLimited, Stream::Stderr, false),
        ]);
        patterns.push(Stream::Stderr, "429 and no credit");
        assert_eq!(patterns.of_end(End::Badly).unwrap().kind, FailureKind::OutOfCredits);
        patterns.push(Stream::Stderr, "429: retry in 7.5s");
        let found = patterns.of_end(End::Badly).unwrap();
        assert_eq!((found.kind, found.retry_after_s), (FailureKind::RateLimited, Some(8)));
        assert_eq!(patterns.of_message("429"), Some((FailureKind::RateLimited, None)));
        assert_eq!(patterns.of_message("fine"), None);
    }

    #[test]
    fn seconds_are_whole_or_a_part() {
        for (text, expected) in
            [("30", Some(30)), ("1.2", Some(2)), ("2.00", Some(2)), ("-1", None), ("1.x", None), ("", None)]
        {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
