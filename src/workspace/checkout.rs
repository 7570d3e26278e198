//! The checkout itself as the workspace of all tasks.
//!
//! Several attempts may work in it at once. A declared path can be observed all the same; what a
//! completion claims beyond that is looked at by its time of writing.

mod plans;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plans::Plans;
pub use plans::kept_name;

use super::paths::{Ours, inside};
use super::safeguards::Safeguards;
use super::snapshot::{Snapshot, look_at_glob};
use super::stamp::{Budget, Stamp, any_differs, written_since};
use super::tick::{BoxMark, TickProblem};
use super::{PathFacts, Workspace, WorkspaceError};
use crate::model::completion::{Change, Completion};
use crate::model::ids::TaskId;
use crate::model::outcome::PathFact;
use crate::model::task::{BoxPlace, FileVerb, TaskSpec};
use crate::model::time::Timestamp;
use crate::model::verdict::{Doubt, DoubtKind};

/// The shared checkout of a run.
#[derive(Debug)]
pub struct Checkout {
    root: PathBuf,
    run_folder: PathBuf,
    ours: Ours,
    plans: Plans,
    before: BTreeMap<TaskId, Snapshot>,
    /// The latest beginning of a task: that time has come.
    now: Timestamp,
    safeguards: Option<Arc<Safeguards>>,
}

impl Checkout {
    /// The checkout at `root`, for the run whose folder (`runs/<id>`) is `run_folder` and whose
    /// plan files are `plans`. The plans as read are expected in the run's folder ([`kept_name`]); without
    /// them a box among equal lines cannot be told from the others.
    pub fn new(root: &Path, run_folder: &Path, plans: &[PathBuf]) -> Self {
        let run_folder = dunce::canonicalize(run_folder).unwrap_or_else(|_| run_folder.to_path_buf());
        Self {
            root: dunce::canonicalize(root).unwrap_or_else(|_| root.to_path_buf()),
            ours: Ours::of_run(&run_folder),
            plans: Plans::new(&run_folder, plans),
            run_folder,
            before: BTreeMap::new(),
            now: Timestamp(0),
            safeguards: None,
        }
    }

    /// Looks at these files too, of which plans that are folders are made.
    #[must_use]
    pub fn with_folder_files(mut self, files: impl Iterator<Item = PathBuf>) -> Self {
        self.plans.watch(files);
        self
    }

    /// Watches over the tests and checks in the checkout too, for tasks that are verified by the commands
    /// `own`, each by some, and `wide`, each by all. `git` is the program; none: it is not installed.
    #[must_use]
    pub fn watched(mut self, git: Option<PathBuf>, own: &[String], wide: &[String]) -> Self {
        self.safeguards = Some(Arc::new(Safeguards::new(&self.root, self.ours.clone(), git, own, wide)));
        self
    }

    fn snapshot_file(&self, task: &TaskId) -> PathBuf {
        self.run_folder.join("tasks").join(task.code()).join("before.json")
    }
}

impl Workspace for Checkout {
    fn directory(&self, _task: &TaskId) -> PathBuf {
        self.root.clone()
    }

    fn begin(&mut self, task: &TaskSpec, began: Timestamp) -> Result<(), WorkspaceError> {
        self.now = self.now.max(began);
        self.plans.begin(&task.id, self.now);
        if self.before.contains_key(&task.id) {
            return Ok(());
        }
        if !Snapshot::shows_anything(task) {
            self.before.insert(task.id.clone(), Snapshot::empty(began));
            return Ok(());
        }
        let file = self.snapshot_file(&task.id);
        let snapshot = if let Some(kept) = Snapshot::load(&file) {
            kept
        } else {
            let fresh = Snapshot::take(&self.root, &self.ours, task, began);
            fresh.save(&file)?;
            fresh
        };
        self.before.insert(task.id.clone(), snapshot);
        Ok(())
    }

    fn facts(&mut self, task: &TaskSpec, completion: Option<&Completion>) -> PathFacts {
        let before = match self.before.get(&task.id) {
            Some(known) => Some(known.clone()),
            None => Snapshot::load(&self.snapshot_file(&task.id)),
        };
        let mut look =
            Look { root: &self.root, ours: &self.ours, before: before.as_ref(), budget: Budget::default() };
        let outputs = task.outputs.iter().map(|path| look.declared(path)).collect();
        let mut claims: Vec<PathFact> = task
            .files
            .iter()
            .filter(|claim| {
                matches!(claim.verb, Some(FileVerb::Create | FileVerb::Modify | FileVerb::Delete))
            })
            .map(|claim| if claim.is_glob() { look.glob(&claim.path) } else { look.declared(&claim.path) })
            .collect();
        let mut known: BTreeSet<String> = claims.iter().map(|fact| fact.path.clone()).collect();
        for output in completion.iter().flat_map(|completion| &completion.outputs) {
            if output.change == Change::Unchanged {
                continue;
            }
            let mut fact = look.claimed(&output.path);
            // Who says that it made or changed a file, and there is none, did not.
            if !fact.exists && matches!(output.change, Change::Created | Change::Modified) {
                fact.changed = fact.changed.or(Some(false));
            }
            if known.insert(fact.path.clone()) {
                claims.push(fact);
            }
        }
        let doubts = task.outputs.iter().filter_map(|path| empty_output(&self.root, path)).collect();
        PathFacts { outputs, claims, plan_changed: self.plans.changed(&task.id, self.now), doubts }
    }

    fn safeguards(&self, _task: &TaskId) -> Option<Arc<Safeguards>> {
        self.safeguards.clone()
    }

    fn tick(&mut self, plan: &Path, place: &BoxPlace, show: BoxMark) -> Result<(), TickProblem> {
        self.plans.tick(plan, place, show, self.now)
    }
}

/// Files that are empty on purpose: it is their being there that says something.
const EMPTY_ON_PURPOSE: [&str; 6] =
    [".gitkeep", ".keep", ".nojekyll", "__init__.py", "py.typed", ".gitignore"];

/// The doubt about an output that is there and holds nothing.
fn empty_output(root: &Path, text: &str) -> Option<Doubt> {
    let path = inside(root, text)?;
    let name = path.absolute.file_name()?.to_string_lossy().into_owned();
    let metadata = std::fs::metadata(&path.absolute).ok()?;
    if !metadata.is_file() || metadata.len() > 0 || EMPTY_ON_PURPOSE.contains(&name.as_str()) {
        return None;
    }
    let seen = "a declared output, and empty".to_owned();
    Some(Doubt { kind: DoubtKind::OutputEmpty, path: path.shown, seen })
}

/// One look at a task's paths.
struct Look<'a> {
    root: &'a Path,
    ours: &'a Ours,
    before: Option<&'a Snapshot>,
    budget: Budget,
}

impl Look<'_> {
    /// A path that leads out of the checkout is not looked at.
    fn unseen(path: &str) -> PathFact {
        PathFact { path: path.trim().to_owned(), exists: false, changed: None }
    }

    /// A path that was declared, so that it was looked at beforehand.
    fn declared(&mut self, text: &str) -> PathFact {
        let Some(path) = inside(self.root, text) else {
            return Self::unseen(text);
        };
        let Some(before) = self.before.and_then(|before| before.paths.get(&path.shown)) else {
            return self.claimed(text);
        };
        let after = Stamp::take(&path.absolute, self.ours, &mut self.budget);
        let exists = after.is_some();
        let changed = match (before, &after) {
            (Some(before), Some(after)) => before.differs(after),
            (None, None) => false,
            (None, Some(_)) | (Some(_), None) => true,
        };
        PathFact { path: path.shown, exists, changed: Some(changed) }
    }

    /// A path that is claimed afterwards: only its times tell anything.
    fn claimed(&mut self, text: &str) -> PathFact {
        let Some(path) = inside(self.root, text) else {
            return Self::unseen(text);
        };
        if self.before.is_some_and(|before| before.paths.contains_key(&path.shown)) {
            return self.declared(text);
        }
        let known = self.known_in_a_glob(&path.shown);
        let Some(before) = self.before else {
            let exists = path.absolute.exists();
            return PathFact { path: path.shown, exists, changed: None };
        };
        match written_since(&path.absolute, self.ours, before.began) {
            Some(written) => PathFact { path: path.shown, exists: true, changed: Some(written) },
            // What is gone was removed, if it is known that it was there.
            None => PathFact { path: path.shown, exists: false, changed: known.then_some(true) },
        }
    }

    fn known_in_a_glob(&self, shown: &str) -> bool {
        self.before.is_some_and(|before| before.globs.values().any(|glob| glob.files.contains_key(shown)))
    }

    /// All files of a glob together.
    fn glob(&mut self, pattern: &str) -> PathFact {
        let Some(after) = look_at_glob(self.root, pattern, self.ours, &mut self.budget) else {
            return Self::unseen(pattern);
        };
        let exists = !after.files.is_empty();
        let changed = self.before.and_then(|before| before.globs.get(pattern)).and_then(|before| {
            let whole = before.whole && after.whole;
            if whole {
                return Some(any_differs(&before.files, &after.files));
            }
            // Among those that were seen both times a change is a change; none proves nothing.
            let seen_twice = before
                .files
                .iter()
                .any(|(path, stamp)| after.files.get(path).is_some_and(|later| stamp.differs(later)));
            seen_twice.then_some(true)
        });
        PathFact { path: pattern.to_owned(), exists, changed }
    }
}

#[cfg(test)]
mod tests;
