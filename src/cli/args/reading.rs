//! How words of the command line become values.

use std::ffi::OsStr;

use crate::model::completion::Verification;
use crate::model::ids::TaskId;
use crate::model::time::Span;

/// A choice of agent for all tasks, or for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentChoice {
    /// For every task that names none.
    All(String),
    /// For this task, whatever it names.
    One(TaskId, String),
}

/// Reads a length of time.
///
/// # Errors
/// What is wrong with it, with an example.
pub fn span(text: &str) -> Result<Span, String> {
    text.parse().map_err(|error: crate::model::time::SpanError| error.to_string())
}

/// Reads `NAME` or `TASK=NAME`.
///
/// # Errors
/// If a part is empty.
pub fn agent(text: &str) -> Result<AgentChoice, String> {
    // A task id may hold `=`, the name of an agent may not.
    let (task, name) = match text.rsplit_once('=') {
        Some((task, name)) => (Some(task.trim()), name.trim()),
        None => (None, text.trim()),
    };
    if name.is_empty() || task == Some("") {
        return Err("write `--agent NAME`, or `--agent TASK=NAME` for one task".to_owned());
    }
    Ok(match task {
        Some(task) => AgentChoice::One(TaskId::new(task), name.to_owned()),
        None => AgentChoice::All(name.to_owned()),
    })
}

/// Reads one id of a list.
///
/// # Errors
/// If it is empty.
pub fn task_id(text: &str) -> Result<TaskId, String> {
    let text = text.trim();
    if text.is_empty() { Err("a task id is empty".to_owned()) } else { Ok(TaskId::new(text)) }
}

/// Reads a layer's number.
///
/// # Errors
/// If it is not from 1 to 99.
pub fn layer(text: &str) -> Result<u8, String> {
    match text.trim().parse() {
        Ok(layer @ 1..=99) => Ok(layer),
        _ => Err(format!("`{text}` is no layer: layers are numbered from 1")),
    }
}

/// Reads a number of bytes such as `8MiB`, `512k` or a bare number.
///
/// # Errors
/// If it is none, or nothing.
pub fn bytes(text: &str) -> Result<u64, String> {
    let error = || format!("`{text}` is no size: write it like `8MiB`, `512k` or a number of bytes");
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = trimmed[..digits].parse().map_err(|_| error())?;
    let unit: u64 = match trimmed[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(error()),
    };
    number.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(error)
}

/// Reads `CODE:COMMAND`, a check that an agent ran and what it exited with.
///
/// # Errors
/// If the code is no number or the command is empty.
pub fn verification(text: &str) -> Result<Verification, String> {
    let error = || format!("`{text}` is no check: write it like `0:cargo test`");
    let (code, command) = text.split_once(':').ok_or_else(error)?;
    let exit_code = code.trim().parse().map_err(|_| error())?;
    let command = command.trim();
    if command.is_empty() {
        return Err(error());
    }
    Ok(Verification { command: command.to_owned(), exit_code })
}

/// Whether a word looks like the name of a plan.
pub fn looks_like_a_plan(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let lower = word.to_ascii_lowercase();
    word.contains(['/', '\\'])
        || [".md", ".markdown", ".mdx", ".json", ".yaml", ".yml", ".txt"]
            .iter()
            .any(|end| lower.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_for_all_or_for_one_task() {
        assert_eq!(agent("kilo"), Ok(AgentChoice::All("kilo".to_owned())));
        assert_eq!(agent("T1=kilo"), Ok(AgentChoice::One(TaskId::new("T1"), "kilo".to_owned())));
        assert_eq!(agent("a=b=kilo"), Ok(AgentChoice::One(TaskId::new("a=b"), "kilo".to_owned())));
        assert!(agent("T1=").is_err() && agent("=kilo").is_err() && agent(" ").is_err());
    }

    #[test]
    fn sizes_are_read() {
        for (text, expected) in [("8MiB", 8 << 20), ("512k", 512 << 10), ("7", 7), ("1 gb", 1 << 30)] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "0", "x", "8 parsecs", "99999999999g", "-1"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn checks_carry_their_exit_code() {
        let check = verification("101:cargo test -- a:b").unwrap();
        assert_eq!((check.exit_code, check.command.as_str()), (101, "cargo test -- a:b"));
        assert!(verification("cargo test").is_err() && verification("0:").is_err());
    }

    #[test]
    fn layers_begin_at_one() {
        assert_eq!(layer("7"), Ok(7));
        assert!(layer("0").is_err() && layer("x").is_err() && layer("300").is_err());
    }
}
