//! The completion of one attempt: looked at while it runs, judged when its tree has ended.
//!
//! Metadata come first: a link, a folder, a pipe or a file over [`SIZE_LIMIT`] is never opened. While
//! the attempt runs an invalid text may be half a text and says nothing; only a valid one counts.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Accept;
use crate::model::completion::Completion;
use crate::model::outcome::CompletionFact;

/// Bytes over which a file is no completion.
const SIZE_LIMIT: u64 = 1024 * 1024;

/// By what a file that was looked at is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

/// What is at the place of a completion.
#[derive(Debug)]
enum Found {
    Nothing,
    /// Something that cannot be one, and why.
    Unfit(String),
    File(Vec<u8>, Stamp),
}

/// Watches the place of one completion.
pub(super) struct Judge {
    path: PathBuf,
    accept: Accept,
    seen: Option<Stamp>,
    valid: bool,
}

impl Judge {
    pub(super) fn new(path: PathBuf, accept: Accept) -> Self {
        Self { path, accept, seen: None, valid: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks while the attempt runs, and says whether a valid completion is there. A file that looks
    /// the same as before is not read again, unless something is known to have happened to it.
    pub(super) fn look(&mut self, touched: bool) -> bool {
        if !touched && self.seen.is_some() && stamp_at(&self.path) == self.seen {
            return self.valid;
        }
        (self.seen, self.valid) = match read(&self.path) {
            Found::Nothing | Found::Unfit(_) => (None, false),
            Found::File(bytes, stamp) => (Some(stamp), (self.accept)(&bytes).is_ok()),
        };
        self.valid
    }

    /// Judges what is there. Nothing is moved.
    pub(super) fn judge(&self) -> CompletionFact {
        match read(&self.path) {
            Found::Nothing => CompletionFact::Missing,
            Found::Unfit(problem) => CompletionFact::Invalid { problems: vec![problem] },
            Found::File(bytes, _) => match (self.accept)(&bytes) {
                Ok(completion) => CompletionFact::Valid { completion: Box::<Completion>::new(completion) },
                Err(problems) => CompletionFact::Invalid { problems },
            },
        }
    }

    /// Moves what is there to `completion.rejected` beside it.
    pub(super) fn reject(&self) {
        let rejected = self.path.with_extension("rejected");
        if let Err(error) = std::fs::rename(&self.path, &rejected) {
            tracing::warn!(path = %self.path.display(), %error, "cannot move an invalid completion away");
        }
    }
}

fn stamp_of(metadata: &Metadata) -> Stamp {
    Stamp { length: metadata.len(), modified: metadata.modified().ok() }
}

fn stamp_at(path: &Path) -> Option<Stamp> {
    std::fs::symlink_metadata(path).ok().map(|metadata| stamp_of(&metadata))
}

fn unfit(metadata: &Metadata) -> Option<String> {
    let kind = metadata.file_type();
    if kind.is_symlink() {
        Some("it is a link".to_owned())
    } else if kind.is_dir() {
        Some("it is a folder".to_owned())
    } else if !kind.is_file() {
        Some("it is no regular file".to_owned())
    } else if metadata.len() > SIZE_LIMIT {
        Some(format!("it has {} bytes, and {SIZE_LIMIT} are allowed", metadata.len()))
    } else {
        None
    }
}

fn read(path: &Path) -> Found {
    let attempt = || -> io::Result<Found> {
        if let Some(problem) = unfit(&std::fs::symlink_metadata(path)?) {
            return Ok(Found::Unfit(problem));
        }
        let file = open(path)?;
        // The name may have been given to something else between the two.
        let metadata = file.metadata()?;
        if let Some(problem) = unfit(&metadata) {
            return Ok(Found::Unfit(problem));
        }
        keep_private(&file, &metadata);
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > SIZE_LIMIT {
            return Ok(Found::Unfit(format!("it has more than {SIZE_LIMIT} bytes")));
        }
        Ok(Found::File(bytes, stamp_of(&metadata)))
    };
    match attempt() {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Found::Nothing
        }
        Err(error) => Found::Unfit(format!("it cannot be read: {error}")),
    }
}

/// Takes away what others may do with a file that the agent wrote as it writes all its files.
#[cfg(unix)]
fn keep_private(file: &File, metadata: &Metadata) {
    use std::os::unix::fs::PermissionsExt as _;
    if metadata.permissions().mode() & 0o077 != 0
        && let Err(error) = file.set_permissions(std::fs::Permissions::from_mode(0o600))
    {
        tracing::debug!(%error, "a completion stays readable for others");
    }
}

/// Folders keep others out.
#[cfg(not(unix))]
fn keep_private(_file: &File, _metadata: &Metadata) {}

/// Opens a file that is no link, without waiting for a writer if it became a pipe meanwhile.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    File::options().read(true).custom_flags(flags).open(path)
}

/// Opens a file; links were ruled out by its metadata.
#[cfg(windows)]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn judge(path: &Path) -> Judge {
        let accept: Accept = Arc::new(|bytes: &[u8]| {
            serde_json::from_slice::<Completion>(bytes).map_err(|error| vec![error.to_string()])
        });
        Judge::new(path.to_owned(), accept)
    }

    fn text() -> String {
        let start = r#"{"schema":"completion/v1","run_id":"r","task_id":"t","attempt":1"#;
        format!(r#"{start},"status":"succeeded","summary":"s"}}"#)
    }

    #[test]
    fn half_a_text_waits_and_a_whole_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("completion.json");
        let mut judge = judge(&path);
        assert!(!judge.look(false));
        assert_eq!(judge.judge(), CompletionFact::Missing);
        std::fs::write(&path, &text()[..20]).unwrap();
        assert!(!judge.look(true));
        std::fs::write(&path, text()).unwrap();
        assert!(judge.look(false));
        assert!(judge.look(false));
        assert!(matches!(judge.judge(), CompletionFact::Valid { .. }));
    }

    #[test]
    fn what_is_no_file_is_no_completion() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("completion.json");
        std::fs::create_dir(&path).unwrap();
        let judge = judge(&path);
        assert_eq!(judge.judge(), CompletionFact::Invalid { problems: vec!["it is a folder".to_owned()] });
        judge.reject();
        assert!(folder.path().join("completion.rejected").is_dir());
        assert_eq!(judge.judge(), CompletionFact::Missing);
        std::fs::write(&path, vec![b' '; 1024 * 1024 + 1]).unwrap();
        assert!(matches!(judge.judge(), CompletionFact::Invalid { .. }));
    }
}
