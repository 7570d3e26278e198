//! Folders as plans: the files of one, read from the disk.
//!
//! Which of its files make the plan is decided by `plan`; here they are only looked at and read.

use std::io::Read;
use std::path::Path;

use crate::cli::exit::CliError;
use crate::cli::locate;
use crate::model::exit::ExitCode;
use crate::plan;
use crate::plan::FolderChoice;
use crate::plan::PlanFile;

/// The largest `state.json` that is read for the tag it names.
const MAX_STATE: u64 = 1 << 20;

/// The bytes that a folder is as a plan: its files with their names. `shown` is what it is called, `limit`
/// how many bytes are read at most.
pub fn bytes(folder: &Path, shown: &str, limit: u64) -> Result<Vec<u8>, CliError> {
    let FolderChoice::All(names) = plan::folder_choice(&locate::names_in(folder)) else {
        return Err(CliError::new(ExitCode::InvalidInput, format!("`{shown}` holds no tasks any more")));
    };
    let mut left = limit;
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(folder.join(&name));
        read.and_then(|file| file.take(left).read_to_end(&mut bytes)).map_err(|error| {
            CliError::new(ExitCode::InvalidInput, format!("cannot read `{shown}/{name}`: {error}"))
        })?;
        left = left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        files.push(PlanFile { path: name, bytes });
    }
    Ok(plan::bundle(&files))
}

/// The files in a plan's bytes with their paths as shown; none: it is no folder.
pub fn files(bytes: &[u8], shown: &str) -> Option<Vec<PlanFile>> {
    let mut files = plan::unbundle(bytes)?;
    if shown != "." {
        for file in &mut files {
            file.path = format!("{}/{}", shown.trim_end_matches('/'), file.path);
        }
    }
    Some(files)
}

/// The tag that Task Master is working on, where a plan is its `tasks.json`.
pub fn current_tag(plan: &Path) -> Option<String> {
    if plan.file_name()? != "tasks.json" {
        return None;
    }
    let state = plan.parent()?.parent()?.join("state.json");
    let mut text = String::new();
    // A pipe of that name would be waited for without end.
    if !state.is_file() {
        return None;
    }
    std::fs::File::open(state).ok()?.take(MAX_STATE).read_to_string(&mut text).ok()?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    value.get("currentTag")?.as_str().map(str::to_owned)
}
