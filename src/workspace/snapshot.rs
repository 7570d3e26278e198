//! What a task's paths looked like when its first attempt began, kept on disk.
//!
//! The form of the file is nobody's business but ours: a file that cannot be read is as if there
//! were none, and then only what can be seen without it is told.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::WorkspaceError;
use super::glob;
use super::paths::{Ours, inside};
use super::replace::put_in_place;
use super::stamp::{Budget, Stamp};
use crate::model::task::{FileClaim, TaskSpec};
use crate::model::time::Timestamp;

/// What a task's paths looked like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshot {
    /// When its first attempt began.
    pub(super) began: Timestamp,
    /// Declared paths, relative with `/`; none: there was nothing.
    pub(super) paths: BTreeMap<String, Option<Stamp>>,
    /// Declared globs as written.
    pub(super) globs: BTreeMap<String, GlobStamp>,
}

/// What the files of a glob looked like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct GlobStamp {
    /// The files by their relative path.
    pub(super) files: BTreeMap<String, Stamp>,
    /// Whether all of them were looked at.
    pub(super) whole: bool,
}

impl Snapshot {
    /// Whether there is anything to look at before the task begins.
    pub(super) fn shows_anything(task: &TaskSpec) -> bool {
        !task.outputs.is_empty() || task.files.iter().any(FileClaim::writes)
    }

    /// What is known of a task that declares nothing.
    pub(super) fn empty(began: Timestamp) -> Self {
        Self { began, paths: BTreeMap::new(), globs: BTreeMap::new() }
    }

    /// Looks at everything that the task declares to write.
    pub(super) fn take(root: &Path, ours: &Ours, task: &TaskSpec, began: Timestamp) -> Self {
        let mut budget = Budget::default();
        let mut snapshot = Self::empty(began);
        let written = task.files.iter().filter(|claim| claim.writes());
        for claim in written.clone().filter(|claim| claim.is_glob()) {
            if let Some(stamp) = look_at_glob(root, &claim.path, ours, &mut budget) {
                snapshot.globs.insert(claim.path.clone(), stamp);
            }
        }
        let single = written.filter(|claim| !claim.is_glob()).map(|claim: &FileClaim| claim.path.as_str());
        for text in single.chain(task.outputs.iter().map(String::as_str)) {
            if let Some(path) = inside(root, text) {
                let stamp = Stamp::take(&path.absolute, ours, &mut budget);
                snapshot.paths.insert(path.shown, stamp);
            }
        }
        snapshot
    }

    /// Reads what was kept; none: nothing was, or it is damaged.
    pub(super) fn load(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Keeps it, whole or not at all.
    pub(super) fn save(&self, file: &Path) -> Result<(), WorkspaceError> {
        let folder = file.parent().unwrap_or(Path::new("."));
        make_private_folder(folder)?;
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| WorkspaceError::io("write", file, error.into()))?;
        // A temporary file of this crate is readable by its user alone.
        let mut whole = tempfile::NamedTempFile::new_in(folder)
            .map_err(|error| WorkspaceError::io("write", file, error))?;
        whole.write_all(&text).map_err(|error| WorkspaceError::io("write", file, error))?;
        put_in_place(whole, file).map_err(|error| WorkspaceError::io("write", file, error))?;
        Ok(())
    }
}

/// Looks at the files of a glob; none: it leads out of the folder.
pub(super) fn look_at_glob(
    root: &Path,
    pattern: &str,
    ours: &Ours,
    budget: &mut Budget,
) -> Option<GlobStamp> {
    let found = glob::find(root, pattern, ours)?;
    let files = found
        .files
        .into_iter()
        .filter_map(|(shown, path)| Some((shown, Stamp::take(&path, ours, budget)?)))
        .collect();
    Some(GlobStamp { files, whole: found.whole })
}

fn make_private_folder(folder: &Path) -> Result<(), WorkspaceError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(|error| WorkspaceError::io("make", folder, error))
}
