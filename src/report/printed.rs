//! The lines of output that say most of how an attempt ended. Pure: who asks has read the files.

use crate::model::status::AttemptStatus;
use crate::model::verdict::WitnessName;
use crate::model::view::AttemptView;
use crate::model::why::PrintedLines;
use crate::report::text;

/// Among how many lines at the end one that tells of an error is looked for.
const LOOKED_AT: usize = 40;
/// A line may be a whole file without a line break.
const LONGEST: usize = 400;

/// The ends of what an attempt and its checks printed, in whole lines; empty where there is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Printed {
    /// Of its standard output.
    pub stdout: String,
    /// Of its standard error.
    pub stderr: String,
    /// Of its verify command, where it has one alone: of several it is not known which printed what.
    pub verify: String,
}

/// The lines that decide, at most `most`, cleaned and masked; none: its witnesses say it all, or it
/// did not fail.
///
/// Events come first: what an agent reported as its error stands with its witness already. What is
/// left is what the failed check printed, else standard error, else standard output where the agent
/// has no last words.
pub(super) fn decisive(attempt: &AttemptView, printed: &Printed, most: usize) -> Option<PrintedLines> {
    match attempt.status {
        AttemptStatus::Failed | AttemptStatus::Lost => {}
        AttemptStatus::Running | AttemptStatus::Succeeded | AttemptStatus::Cancelled => return None,
    }
    let decided = attempt.verdict.as_ref().and_then(|verdict| verdict.decided_by);
    let last_words = attempt.reading.as_ref().and_then(|reading| reading.last_words.as_deref());
    let stdout = if last_words.is_some() { "" } else { printed.stdout.as_str() };
    let sources = if decided == Some(WitnessName::Verify) {
        [("verify", printed.verify.as_str()), ("", ""), ("", "")]
    } else {
        [("stderr", printed.stderr.as_str()), ("stdout", stdout), ("", "")]
    };
    sources.into_iter().find_map(|(source, text)| {
        let lines = last_lines(text, most);
        (!lines.is_empty()).then(|| PrintedLines { source: source.to_owned(), lines })
    })
}

/// The last lines for people; where none of them tells of an error, the last one before that does comes first.
fn last_lines(output: &str, most: usize) -> Vec<String> {
    let said = text::clean_lines(output, usize::MAX);
    let lines: Vec<String> = said
        .into_iter()
        .filter(|line| !is_record(line))
        .map(|line| text::cut(&line, LONGEST, true))
        .collect();
    let last = &lines[lines.len().saturating_sub(most)..];
    if last.iter().any(|line| tells_of_an_error(line)) || most == 0 {
        return last.to_vec();
    }
    let before = &lines[lines.len().saturating_sub(LOOKED_AT)..lines.len() - last.len()];
    match before.iter().rev().find(|line| tells_of_an_error(line)) {
        Some(error) => {
            let rest = &last[last.len().saturating_sub(most - 1)..];
            std::iter::once(error).chain(rest).cloned().collect()
        }
        None => last.to_vec(),
    }
}

/// Whether a line is one of a machine to a machine.
fn is_record(line: &str) -> bool {
    line.starts_with('{') && serde_json::from_str::<serde_json::Value>(line).is_ok()
}

fn tells_of_an_error(line: &str) -> bool {
    const WORDS: [&str; 9] =
        ["error", "fatal", "panic", "failed", "failure", "exception", "denied", "not found", "no such"];
    let line = line.to_ascii_lowercase();
    WORDS.iter().any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_told_and_an_error_before_them() {
        let many: Vec<String> = (1..=20).map(|number| format!("line {number}")).collect();
        assert_eq!(last_lines(&many.join("\n"), 2), ["line 19", "line 20"]);
        let mut broken = many.clone();
        broken[9] = "Error: no key".to_owned();
        assert_eq!(last_lines(&broken.join("\n"), 3), ["Error: no key", "line 19", "line 20"]);
        broken[18] = "it FAILED".to_owned();
        assert_eq!(last_lines(&broken.join("\n"), 2), ["it FAILED", "line 20"]);
        assert_eq!(last_lines("", 3), [""; 0]);
        assert_eq!(last_lines("{\"type\":\"step\"}\n\u{1b}[31mred\u{1b}[0m\n\n", 3), ["red"]);
        assert_eq!(last_lines("key sk-abcdefghijklmnopqrstuvwx", 1).len(), 1);
        assert!(!last_lines("key sk-abcdefghijklmnopqrstuvwx", 1)[0].contains("abcdefgh"));
    }
}
