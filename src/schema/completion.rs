//! `completion.json` beyond its schema: the right run, task and attempt, and paths that stay inside
//! the workspace.

use serde_json::Value;

use crate::model::completion::{Completion, CompletionStatus};
use crate::model::ids::{AttemptKey, RunId};

use super::{SchemaKind, validate};

/// The size above which a file is no completion, in bytes.
pub const MAX_COMPLETION_BYTES: usize = 1024 * 1024;

/// Reads the completion of attempt `key` of run `run`, its paths in normal form. The error lists
/// all that is wrong with it, a line each.
pub fn completion(bytes: &[u8], run: &RunId, key: &AttemptKey) -> Result<Completion, Vec<String>> {
    if bytes.len() > MAX_COMPLETION_BYTES {
        return Err(vec![format!("has {} bytes; at most {MAX_COMPLETION_BYTES} are read", bytes.len())]);
    }
    let value: Value = validate(SchemaKind::Completion, bytes)
        .map_err(|violations| violations.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let mut completion: Completion =
        serde_json::from_value(value).map_err(|error| vec![error.to_string()])?;
    let mut problems = Vec::new();
    if completion.run_id != *run {
        problems.push(format!("`/run_id`: `{}` is another run; this one is `{run}`", completion.run_id));
    }
    if completion.task_id != key.task {
        problems.push(format!(
            "`/task_id`: `{}` is another task; this one is `{}`",
            completion.task_id, key.task
        ));
    }
    if completion.attempt != key.attempt {
        problems.push(format!(
            "`/attempt`: {} is another attempt; this one is {}",
            completion.attempt, key.attempt
        ));
    }
    if completion.status != CompletionStatus::Succeeded && completion.error.is_none() {
        problems.push("`/error`: is required unless `status` is `succeeded`".to_owned());
    }
    for (place, output) in completion.outputs.iter_mut().enumerate() {
        match workspace_path(&output.path) {
            Ok(path) => output.path = path,
            Err(why) => problems.push(format!("`/outputs/{place}/path`: {why}")),
        }
    }
    if problems.is_empty() { Ok(completion) } else { Err(problems) }
}

/// The path of a file inside the workspace in normal form: relative, with `/`, without `.` and
/// empty parts. The error says why it is none. Looks at the text alone, not at links on the disk.
pub fn workspace_path(path: &str) -> Result<String, String> {
    let shown = path.escape_debug();
    if path.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if path.chars().any(char::is_control) {
        return Err(format!("`{shown}` has control characters"));
    }
    let plain = path.replace('\\', "/");
    let drive = plain.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && plain.as_bytes().get(1) == Some(&b':');
    if plain.starts_with('/') || drive {
        return Err(format!("`{shown}` is absolute; write it relative to the workspace"));
    }
    if plain == "~" || plain.starts_with("~/") {
        return Err(format!("`{shown}` is in the home folder; write it relative to the workspace"));
    }
    let parts: Vec<&str> = plain.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(format!("`{shown}` leads out of the workspace or has `..` in it"));
    }
    if parts.is_empty() {
        return Err(format!("`{shown}` is the workspace itself, no file"));
    }
    Ok(parts.join("/"))
}
