//! The state folder: made for the user alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;

/// The name of the database in the state folder.
const DATABASE: &str = "orchestrate.db";

/// What git does not see of the state folder.
const IGNORED: &str = "/.gitignore\n/orchestrate.db*\n/runs/\n";

/// The path of the database.
pub(super) fn database(state_dir: &Path) -> PathBuf {
    state_dir.join(DATABASE)
}

/// Makes the folder, and the files in it that have to be there before the database is opened.
pub(super) fn prepare(state_dir: &Path, write_gitignore: bool) -> Result<PathBuf, StoreError> {
    let fault = |path: &Path, error: io::Error| StoreError::Unavailable {
        path: path.to_owned(),
        source: Box::new(error),
    };
    if let Some(parent) = state_dir.parent() {
        fs::create_dir_all(parent).map_err(|error| fault(parent, error))?;
    }
    access::create_private_folder(state_dir).map_err(|error| fault(state_dir, error))?;
    let database = database(state_dir);
    // SQLite gives its companions the rights of the database.
    access::create_private_file(&database).map_err(|error| fault(&database, error))?;
    if write_gitignore {
        let path = state_dir.join(".gitignore");
        if !path.exists() {
            fs::write(&path, IGNORED).map_err(|error| fault(&path, error))?;
        }
    }
    Ok(database)
}

#[cfg(unix)]
mod access {
    use std::fs::{DirBuilder, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    use std::path::Path;

    pub(super) fn create_private_folder(path: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    pub(super) fn create_private_file(path: &Path) -> io::Result<()> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map(drop)
    }
}

#[cfg(windows)]
mod access {
    use std::fs::{DirBuilder, OpenOptions};
    use std::io;
    use std::path::Path;

    // A folder of the user's profile or project has the rights of its parent, which are the user's.
    pub(super) fn create_private_folder(path: &Path) -> io::Result<()> {
        match DirBuilder::new().create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    pub(super) fn create_private_file(path: &Path) -> io::Result<()> {
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map(drop)
    }
}
