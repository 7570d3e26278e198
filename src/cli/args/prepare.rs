//! What is done to the words before clap reads them.
//!
//! `orchestrate --plan p.md` is `orchestrate run --plan p.md`, wherever the options stand;
//! `orchestrate p.md` is refused with the right call; `--redis URL` is written as `--redis=URL`,
//! since its URL may be left out.

use std::ffi::OsString;

use super::reading::looks_like_a_plan;
use super::refusal::{Refusal, UsageError};
use crate::diagnostics::suggest;

/// Prepares a whole command line, the program's name first.
///
/// # Errors
/// [`Refusal::Usage`] if the first word is no command.
pub fn prepare(arguments: Vec<OsString>, definition: &clap::Command) -> Result<Vec<OsString>, Refusal> {
    let mut arguments = join_redis(arguments);
    let Some(place) = first_word_of_interest(&arguments, definition) else {
        return Ok(arguments);
    };
    let word = arguments[place].to_string_lossy().into_owned();
    if word.starts_with('-') && word != "-" {
        let has_plan = arguments[place..]
            .iter()
            .take_while(|word| *word != "--")
            .any(|word| word == "--plan" || word.to_string_lossy().starts_with("--plan="));
        if has_plan {
            arguments.insert(1, OsString::from("run"));
        }
        return Ok(arguments);
    }
    if definition.get_subcommands().any(|command| command.get_name() == word) {
        return Ok(arguments);
    }
    Err(Refusal::Usage(no_command(&arguments, place, &word, definition).with_arguments(&arguments)))
}

/// The place of the first word that is no option of every command (or the value of one).
fn first_word_of_interest(arguments: &[OsString], definition: &clap::Command) -> Option<usize> {
    let mut place = 1;
    while place < arguments.len() {
        let word = arguments[place].to_string_lossy();
        let (name, has_value) = match word.split_once('=') {
            Some((name, _)) => (name, true),
            None => (&*word, false),
        };
        let known = definition.get_arguments().find(|argument| {
            argument.is_global_set()
                && (name.strip_prefix("--").is_some_and(|long| argument.get_long() == Some(long))
                    || is_short(name, argument.get_short()))
        });
        let Some(known) = known else {
            return Some(place);
        };
        let attached = !name.starts_with("--") && name.chars().count() > 2;
        let takes_next = known.get_action().takes_values() && !known.is_require_equals_set();
        place += if takes_next && !has_value && !attached { 2 } else { 1 };
    }
    None
}

/// Whether `word` begins with this short option: `-C`, `-Cdir`, `-vv`.
fn is_short(word: &str, short: Option<char>) -> bool {
    let mut letters = word.chars();
    letters.next() == Some('-') && short.is_some() && letters.next() == short
}

/// Writes `--redis URL` as `--redis=URL` where the next word is an address.
fn join_redis(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut result: Vec<OsString> = Vec::with_capacity(arguments.len());
    let mut only_values = false;
    for word in arguments {
        only_values |= word == "--";
        match result.last_mut() {
            Some(last) if !only_values && last == "--redis" && is_address(&word.to_string_lossy()) => {
                last.push("=");
                last.push(&word);
            }
            _ => result.push(word),
        }
    }
    result
}

fn is_address(word: &str) -> bool {
    let host_and_port = || {
        word.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && !host.starts_with('-')
                && !host.contains(['/', '\\'])
                && port.parse::<u16>().is_ok()
        })
    };
    word.contains("://") || host_and_port()
}

fn no_command(arguments: &[OsString], place: usize, word: &str, definition: &clap::Command) -> UsageError {
    let mut error = UsageError::new(format!("there is no command `{word}`"));
    let names: Vec<&str> = definition
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(clap::Command::get_name)
        .collect();
    if let Some(near) = suggest(word, names.iter().copied()) {
        return error.hint(format!("did you mean `orchestrate {near}`?"));
    }
    if word == "-" || looks_like_a_plan(&arguments[place]) {
        let shown = if word.contains(|letter: char| letter.is_whitespace()) {
            format!("\"{word}\"")
        } else {
            word.to_owned()
        };
        error = error.hint(format!("to run it as a plan: orchestrate --plan {shown}"));
        return error.hint(format!("to look at it first: orchestrate check {shown}"));
    }
    error.hint("to run a plan: orchestrate --plan PLAN").hint("to see all commands: orchestrate --help")
}
