//! The data of agents outside the checkout: whose they are, how long they are kept.
//!
//! Every run has a folder for it in the user's cache, in it one for each attempt that needs one. The
//! folder of an attempt whose agent can go on with a session is kept as long as the scheduler says
//! that it may be needed; the attempt that goes on gets the same folder.
//!
//! **Invariant:** whoever uses a run's folder or removes it holds the lock of the file beside it,
//! and the system gives that lock back however its holder ends. So what a crash left is known from
//! what a live run uses, whichever state folder that run has, and is removed by the next one.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::engine::folders::RunFolders;
use crate::engine::prepare::make_private_folder;
use crate::model::command::CommandSpec;
use crate::model::ids::{AttemptKey, TaskId};

/// The ending of the file that is locked beside a run's folder.
const LOCK: &str = "lock";

/// The agents' data of one run.
#[derive(Debug)]
pub(super) struct Sessions {
    /// The run's folder.
    folder: PathBuf,
    /// Held from the first attempt with data on.
    claim: Option<File>,
    /// The folders that are kept, by the task whose session is in it.
    kept: BTreeMap<TaskId, PathBuf>,
    /// Removals that go on beside the run.
    removals: JoinSet<()>,
}

impl Sessions {
    /// Nothing yet.
    pub(super) fn new(folders: &RunFolders) -> Self {
        Self {
            folder: folders.all_data().to_owned(),
            claim: None,
            kept: BTreeMap::new(),
            removals: JoinSet::new(),
        }
    }

    /// The data folder of an attempt: that of the session it goes on with, else one of its own.
    pub(super) fn folder_of(&self, key: &AttemptKey, goes_on: bool, folders: &RunFolders) -> PathBuf {
        let kept = self.kept.get(&key.task).filter(|_| goes_on);
        kept.cloned().unwrap_or_else(|| folders.data(&key.task, key.attempt))
    }

    /// Takes note of what an attempt that is about to start leaves behind.
    ///
    /// # Errors
    /// If the run's folder or its lock cannot be made.
    pub(super) fn take(&mut self, key: &AttemptKey, command: &CommandSpec) -> anyhow::Result<()> {
        let uses_data = command.session_data.is_some() || !command.remove_after.is_empty();
        if uses_data && self.claim.is_none() {
            self.claim = Some(claim(&self.folder)?);
        }
        let before = match &command.session_data {
            Some(folder) => self.kept.insert(key.task.clone(), folder.clone()),
            None => self.kept.remove(&key.task),
        };
        if let Some(before) = before.filter(|before| command.session_data.as_ref() != Some(before)) {
            self.remove(before);
        }
        Ok(())
    }

    /// Whether the session of a task's last attempt was kept.
    pub(super) fn has(&self, task: &TaskId) -> bool {
        self.kept.contains_key(task)
    }

    /// Removes what the task does not need any more. No process of it may run.
    pub(super) fn drop_of(&mut self, task: &TaskId) {
        if let Some(folder) = self.kept.remove(task) {
            self.remove(folder);
        }
    }

    fn remove(&mut self, folder: PathBuf) {
        self.removals.spawn_blocking(move || remove(&folder));
    }

    /// Removes all that is left of the run. No process of it may run.
    pub(super) async fn close(mut self) {
        while self.removals.join_next().await.is_some() {}
        if let Some(claim) = self.claim {
            let folder = self.folder;
            // Only a panic in it could make it fail, and then a folder stays for the next run to remove.
            tokio::task::spawn_blocking(move || remove_all(&folder, claim)).await.ok();
        }
    }
}

/// Removes the data of runs that nobody supervises any more, the run's own from before included.
pub(super) fn clear_dead(folders: &RunFolders) {
    let Some(all) = folders.all_data().parent() else { return };
    let Ok(entries) = std::fs::read_dir(all) else { return };
    let mut runs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path().with_extension("")).collect();
    runs.sort();
    runs.dedup();
    for run in runs {
        match try_claim(&run) {
            Ok(Some(claim)) => remove_all(&run, claim),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(folder = %run.display(), %error, "cannot see whose agents' data these are");
            }
        }
    }
}

fn lock_of(folder: &Path) -> PathBuf {
    folder.with_extension(LOCK)
}

fn open_lock(folder: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(lock_of(folder))
}

/// Makes a run's folder and locks it for this process.
fn claim(folder: &Path) -> anyhow::Result<File> {
    let cannot = || format!("cannot make `{}`", lock_of(folder).display());
    loop {
        make_private_folder(folder)?;
        let file = open_lock(folder).with_context(cannot)?;
        // Nobody holds it for longer than a removal takes.
        if let Err(error) = file.lock() {
            // A file system without locks: others cannot lock it either, and then leave all as it is.
            tracing::debug!(folder = %folder.display(), %error, "agents' data have no lock");
        }
        // One that clears up may have had it before, and then folder and file are gone.
        if lock_of(folder).exists() && folder.is_dir() {
            return Ok(file);
        }
    }
}

/// Locks a run's folder if nobody has it.
fn try_claim(folder: &Path) -> io::Result<Option<File>> {
    let file = open_lock(folder)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes a run's folder and, while it is still held, its lock.
fn remove_all(folder: &Path, claim: File) {
    remove(folder);
    if let Err(error) = std::fs::remove_file(lock_of(folder)) {
        tracing::debug!(folder = %folder.display(), %error, "a lock is left over");
    }
    drop(claim);
}

fn remove(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(%error, folder = %folder.display(), "an agent's data folder is left over");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::RunId;

    fn folders(cache: &Path, run: &str) -> RunFolders {
        RunFolders::new(Path::new("/p"), Path::new("/p/state"), cache, &RunId(run.to_owned()))
    }

    fn command(session_data: Option<PathBuf>) -> CommandSpec {
        CommandSpec {
            program: PathBuf::from("/bin/agent"),
            args: Vec::new(),
            env: BTreeMap::new(),
            directory: PathBuf::from("/p"),
            input: crate::model::command::Input::Empty,
            folders: Vec::new(),
            files: Vec::new(),
            remove_after: Vec::new(),
            session_data,
            stop_signal: crate::model::command::StopSignal::Terminate,
            grace: None,
            silence: crate::model::command::Silence::default(),
            success_codes: vec![0],
            completion: crate::model::agent::CompletionRule::Required,
        }
    }

    fn key(attempt: u32) -> AttemptKey {
        AttemptKey::new(TaskId::new("T1"), attempt)
    }

    #[tokio::test]
    async fn a_session_keeps_its_folder_until_it_is_not_needed() {
        let cache = tempfile::tempdir().unwrap();
        let folders = folders(cache.path(), "01A");
        let mut sessions = Sessions::new(&folders);
        let first = sessions.folder_of(&key(1), false, &folders);
        sessions.take(&key(1), &command(Some(first.clone()))).unwrap();
        std::fs::create_dir_all(&first).unwrap();
        std::fs::write(first.join("db"), "x").unwrap();
        assert!(sessions.has(&key(1).task));

        assert_eq!(sessions.folder_of(&key(2), true, &folders), first, "the same data");
        sessions.take(&key(2), &command(Some(first.clone()))).unwrap();
        assert!(first.join("db").exists());

        let fresh = sessions.folder_of(&key(3), false, &folders);
        assert_ne!(fresh, first);
        sessions.take(&key(3), &command(Some(fresh.clone()))).unwrap();
        std::fs::create_dir_all(&fresh).unwrap();
        while sessions.removals.join_next().await.is_some() {}
        assert!(!first.exists(), "a new session takes the place of the old one");
        assert!(fresh.exists());

        sessions.drop_of(&key(3).task);
        assert!(!sessions.has(&key(3).task));
        sessions.close().await;
        let all = folders.all_data().parent().unwrap();
        assert_eq!(std::fs::read_dir(all).unwrap().count(), 0, "neither a folder nor a lock");
    }

    #[tokio::test]
    async fn what_a_crash_left_goes_and_what_a_live_run_uses_stays() {
        let cache = tempfile::tempdir().unwrap();
        let live = folders(cache.path(), "01LIVE");
        let mut sessions = Sessions::new(&live);
        let used = sessions.folder_of(&key(1), false, &live);
        sessions.take(&key(1), &command(Some(used.clone()))).unwrap();
        std::fs::create_dir_all(&used).unwrap();
        // Left by a supervisor that was killed: nobody holds its lock; the other one has not even that.
        let dead = folders(cache.path(), "01DEAD");
        std::fs::create_dir_all(dead.data(&key(1).task, 1)).unwrap();
        std::fs::write(lock_of(dead.all_data()), "").unwrap();
        let old = folders(cache.path(), "01OLD");
        std::fs::create_dir_all(old.data(&key(1).task, 1)).unwrap();

        clear_dead(&folders(cache.path(), "01NEW"));
        assert!(used.exists());
        assert!(!dead.all_data().exists() && !old.all_data().exists());
        let all = live.all_data().parent().unwrap();
        assert_eq!(std::fs::read_dir(all).unwrap().count(), 2, "the live one and its lock");
        sessions.close().await;
        clear_dead(&live);
        assert_eq!(std::fs::read_dir(all).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn an_attempt_without_data_makes_no_folder() {
        let cache = tempfile::tempdir().unwrap();
        let folders = folders(cache.path(), "01A");
        let mut sessions = Sessions::new(&folders);
        sessions.take(&key(1), &command(None)).unwrap();
        assert!(!sessions.has(&key(1).task));
        sessions.close().await;
        assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0);
    }
}
