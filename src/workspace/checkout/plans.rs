//! The plans of a run in its checkout: whether an agent changed one, and ticking their boxes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::model::ids::TaskId;
use crate::model::task::BoxPlace;
use crate::model::time::Timestamp;
use crate::workspace::stamp::{ContentHash, HashKeeper};
use crate::workspace::tick::{self, BoxMark, TickProblem};

/// The name under which a run's folder keeps its plan number `number` (from 0) as it was read.
pub fn kept_name(number: usize) -> String {
    if number == 0 { "plan.md".to_owned() } else { format!("plan-{}.md", number + 1) }
}

/// The plans of a run.
#[derive(Debug)]
pub(super) struct Plans {
    run_folder: PathBuf,
    watched: Vec<Watched>,
    /// The plans when a task's attempt under way began: the hash of each, and how many boxes of it were ticked
    /// before, which need not be looked at again.
    at_start: BTreeMap<TaskId, Vec<(Option<ContentHash>, usize)>>,
}

/// One of them.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    hash: HashKeeper,
    /// As it was read, once a box is to be ticked.
    as_read: Option<Vec<u8>>,
    /// Hashes before and after each tick of ours, in order.
    own_ticks: Vec<(Option<ContentHash>, Option<ContentHash>)>,
}

impl Watched {
    fn new(path: PathBuf) -> Self {
        Self { path, hash: HashKeeper::default(), as_read: None, own_ticks: Vec::new() }
    }
}

impl Plans {
    /// The plans at `paths`, of the run with this folder.
    pub(super) fn new(run_folder: &Path, paths: &[PathBuf]) -> Self {
        Self {
            run_folder: run_folder.to_path_buf(),
            watched: paths.iter().cloned().map(Watched::new).collect(),
            at_start: BTreeMap::new(),
        }
    }

    /// Adds files of plans that are folders: no box of theirs is ticked.
    pub(super) fn watch(&mut self, files: impl Iterator<Item = PathBuf>) {
        self.watched.extend(files.map(Watched::new));
    }

    /// Looks at the plans as an attempt of the task begins.
    pub(super) fn begin(&mut self, task: &TaskId, now: Timestamp) {
        let found = |plan: &mut Watched| (plan.hash.hash(&plan.path, now), plan.own_ticks.len());
        self.at_start.insert(task.clone(), self.watched.iter_mut().map(found).collect());
    }

    /// Whether somebody but us changed a plan since the task's attempt began.
    pub(super) fn changed(&mut self, task: &TaskId, now: Timestamp) -> bool {
        let Some(started) = self.at_start.get(task) else { return false };
        self.watched.iter_mut().zip(started).any(|(plan, (start, ticks))| {
            let found = plan.hash.hash(&plan.path, now);
            let mut expected = start;
            if *expected == found {
                return false;
            }
            for (before, after) in plan.own_ticks.iter().skip(*ticks) {
                if before == expected {
                    expected = after;
                }
            }
            *expected != found
        })
    }

    /// Ticks a box of the plan at `path`.
    pub(super) fn tick(
        &mut self,
        path: &Path,
        place: &BoxPlace,
        show: BoxMark,
        now: Timestamp,
    ) -> Result<(), TickProblem> {
        let known = self.watched.iter_mut().enumerate().find(|(_, plan)| plan.path == path);
        let Some((number, plan)) = known else {
            let as_read = std::fs::read(self.run_folder.join(kept_name(0))).ok();
            return tick::tick(path, place, as_read.as_deref(), show).map(|_| ());
        };
        let before = plan.hash.hash(&plan.path, now);
        if plan.as_read.is_none() {
            plan.as_read = std::fs::read(self.run_folder.join(kept_name(number))).ok();
        }
        let written = tick::tick(path, place, plan.as_read.as_deref(), show)?;
        if written {
            let after = plan.hash.hash(&plan.path, now);
            plan.own_ticks.push((before, after));
        }
        Ok(())
    }
}
