//! Where the files of a run lie.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::ids::{RunId, TaskId};

/// The folders of one run: what it keeps below the state folder, and what lies in the user's cache.
#[derive(Debug, Clone)]
pub struct RunFolders {
    root: PathBuf,
    run: PathBuf,
    cache: PathBuf,
}

impl RunFolders {
    /// The folders of run `run` of the project at `root`, with its state below `state` and the
    /// user's cache folder `cache`.
    pub fn new(root: &Path, state: &Path, cache: &Path, run: &RunId) -> Self {
        Self {
            root: root.to_path_buf(),
            run: state.join("runs").join(run.as_str()),
            cache: project_cache(cache, root).join("data").join(run.as_str()),
        }
    }

    /// The state folder, in which everything is ours.
    pub fn state(&self) -> &Path {
        self.run.ancestors().nth(2).unwrap_or(&self.run)
    }

    /// The run's own folder.
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// The report for people.
    pub fn report(&self) -> PathBuf {
        self.run.join("report.md")
    }

    /// The file whose change wakes the supervisor: somebody asked or reported something.
    pub fn wake(&self) -> PathBuf {
        self.run.join("wake")
    }

    /// The folder of one attempt.
    pub fn attempt(&self, task: &TaskId, attempt: u32) -> PathBuf {
        self.task(task).join(attempt.to_string())
    }

    /// The folder of a task.
    pub fn task(&self, task: &TaskId) -> PathBuf {
        self.run.join("tasks").join(task.code())
    }

    /// An agent's private data for one attempt, outside the checkout.
    pub fn data(&self, task: &TaskId, attempt: u32) -> PathBuf {
        self.cache.join(task.code()).join(attempt.to_string())
    }

    /// The private data of all attempts of the run.
    pub fn all_data(&self) -> &Path {
        &self.cache
    }

    /// A path as documents show it: relative to the root with `/`, absolute outside it.
    pub fn shown(&self, path: &Path) -> String {
        shown(&self.root, path)
    }
}

/// A path as documents show it: relative to `root` with `/`, absolute outside it; `root` itself is `.`.
pub fn shown(root: &Path, path: &Path) -> String {
    if path == root {
        return ".".to_owned();
    }
    let text = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
    if std::path::MAIN_SEPARATOR == '\\' { text.replace('\\', "/") } else { text }
}

/// The folder in the user's cache for the project at `root`: `<cache>/orchestrate/<8 hex of the root>`.
pub fn project_cache(cache: &Path, root: &Path) -> PathBuf {
    let digest = Sha256::digest(root.to_string_lossy().as_bytes());
    let [a, b, c, d, ..] = digest.0;
    cache.join("orchestrate").join(format!("{a:02x}{b:02x}{c:02x}{d:02x}"))
}

/// The register of live supervisors in the user's cache, one for all projects.
pub fn live_folder(cache: &Path) -> PathBuf {
    cache.join("orchestrate").join("live")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_contract() {
        let folders = RunFolders::new(
            Path::new("/p"),
            Path::new("/p/plans/agent-shared"),
            Path::new("/c"),
            &RunId("01J".to_owned()),
        );
        let attempt = folders.attempt(&TaskId::new("T1"), 2);
        assert_eq!(attempt, Path::new("/p/plans/agent-shared/runs/01J/tasks/%541/2"));
        assert_eq!(folders.shown(&attempt), "plans/agent-shared/runs/01J/tasks/%541/2");
        assert_eq!(folders.shown(Path::new("/elsewhere/x")), "/elsewhere/x");
        let data = folders.data(&TaskId::new("T1"), 2);
        assert!(data.starts_with("/c/orchestrate"), "{}", data.display());
    }
}
