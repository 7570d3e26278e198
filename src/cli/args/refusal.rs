//! A command line that is not carried out: because it asked for help, or because it is wrong.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::OutputForm;

/// Why a command line is not carried out.
#[derive(Debug)]
pub enum Refusal {
    /// Text that was asked for (`--help`, `--version`): to standard output, exit code 0.
    Shown(clap::builder::StyledStr),
    /// Wrong use: exit code 2.
    Usage(UsageError),
}

/// Wrong use of the command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UsageError {
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
    /// The form of output that was asked for, as far as it could be made out.
    pub output: Option<OutputForm>,
}

impl UsageError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hints: Vec::new(), output: None }
    }

    /// With one more thing to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// With the form of output that `arguments` ask for.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &[OsString]) -> Self {
        self.output = asked_output(arguments);
        self
    }
}

impl Refusal {
    /// Takes over what clap says.
    pub fn from_clap(error: &clap::Error, arguments: &[OsString]) -> Self {
        let kind = error.kind();
        if matches!(kind, ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            return Self::Shown(error.render());
        }
        let has_no_command = matches!(
            kind,
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand
        );
        let words: Vec<_> = arguments.iter().skip(1).map(|word| word.to_string_lossy()).collect();
        let first = words.iter().find(|word| word.chars().all(|letter| letter.is_ascii_lowercase()));
        let usage = match first {
            Some(command) if has_no_command => UsageError::new(format!("`{command}` needs one more word"))
                .hint(format!("to see which: orchestrate {command} --help")),
            None if has_no_command => UsageError::new("there is no command")
                .hint("to run a plan: orchestrate --plan PLAN")
                .hint("to see all commands: orchestrate --help"),
            Some(_) | None => read_message(&error.render().to_string()),
        };
        Self::Usage(usage.with_arguments(arguments))
    }
}

/// Takes clap's text apart: the first paragraph is the message, `tip:` lines are hints, and the
/// call of the usage line is the last hint.
fn read_message(text: &str) -> UsageError {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let mut paragraphs = text.split("\n\n");
    let message = paragraphs.next().unwrap_or(text);
    let mut values = None;
    let mut words = Vec::new();
    for line in message.lines().map(str::trim) {
        match line.strip_prefix("[possible values: ") {
            Some(list) => values = Some(format!("possible values: {}", list.trim_end_matches(']'))),
            None => words.extend(line.split_whitespace()),
        }
    }
    let mut message = in_backticks(&words.join(" "));
    if let Some(first) = message.get(..1) {
        message = first.to_lowercase() + &message[1..];
    }
    let mut usage = UsageError::new(message.trim_end_matches('.'));
    usage.hints.extend(values);
    for paragraph in paragraphs {
        for line in paragraph.lines().map(str::trim) {
            if let Some(tip) = line.strip_prefix("tip: ") {
                usage = usage.hint(in_backticks(tip));
            } else if let Some(call) = line.strip_prefix("Usage: ") {
                usage = usage.hint(format!("usage: {call}"));
            }
        }
    }
    usage
}

/// Puts words that stand in single quotes into backticks, as all our messages do. A quote within a
/// word (`don't`) is left alone.
fn in_backticks(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut open = false;
    let mut before = ' ';
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let after = letters.peek().copied().unwrap_or(' ');
        let edge = if open { !after.is_alphanumeric() } else { !before.is_alphanumeric() };
        if letter == '\'' && edge {
            open = !open;
            result.push('`');
        } else {
            result.push(letter);
        }
        before = letter;
    }
    result
}

/// Finds `--output FORM` in words that clap could not read as a whole.
fn asked_output(arguments: &[OsString]) -> Option<OutputForm> {
    let mut words = arguments.iter().map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        let form = match word.strip_prefix("--output") {
            Some("") => words.next().map(std::borrow::Cow::into_owned),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(form) = form {
            return <OutputForm as clap::ValueEnum>::from_str(&form, false).ok();
        }
        if word == "--" {
            break;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claps_text_is_taken_apart() {
        let usage = read_message(
            "error: unexpected argument '--ouput' found\n\n  tip: a similar argument exists: '--output'\n\nUsage: orchestrate run <PLAN>\n\nFor more information, try '--help'.\n",
        );
        assert_eq!(usage.message, "unexpected argument `--ouput` found");
        assert_eq!(usage.hints, ["a similar argument exists: `--output`", "usage: orchestrate run <PLAN>"]);
    }

    #[test]
    fn quotes_within_words_stay() {
        assert_eq!(in_backticks("'a b' isn't 'c'"), "`a b` isn't `c`");
    }

    #[test]
    fn the_form_of_output_is_found_without_clap() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert_eq!(asked_output(&words("o run x --output json")), Some(OutputForm::Json));
        assert_eq!(asked_output(&words("o --output=ndjson")), Some(OutputForm::Ndjson));
        assert_eq!(asked_output(&words("o --output")), None);
        assert_eq!(asked_output(&words("o -- --output json")), None);
    }
}
