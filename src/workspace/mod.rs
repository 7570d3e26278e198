//! Where attempts work, and what they changed there.
//!
//! A [`Workspace`] says in which folder a task works, remembers what its declared paths looked like
//! before its first attempt, tells afterwards what became of them, and ticks a task's box. It
//! judges nothing: it tells facts, or that something cannot be seen.
//!
//! Invariants: no path that leaves the workspace (by `..`, by being absolute, by a link) is ever
//! looked at; a plan file changes by exactly one byte or not at all.

pub mod checkout;
pub mod git;
mod glob;
mod paths;
mod replace;
pub mod safeguards;
mod snapshot;
mod stamp;
pub mod tick;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::completion::Completion;
use crate::model::ids::TaskId;
use crate::model::outcome::PathFact;
use crate::model::task::{BoxPlace, TaskSpec};
use crate::model::time::Timestamp;
use crate::model::verdict::Doubt;

pub use checkout::Checkout;
pub use replace::put_in_place;
pub use safeguards::Safeguards;
pub use tick::{BoxMark, TickProblem};

/// What became of a task's paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathFacts {
    /// Its declared outputs, in the order of the plan.
    pub outputs: Vec<PathFact>,
    /// The files that the plan says are created, modified or deleted, then those that the
    /// completion claims besides.
    pub claims: Vec<PathFact>,
    /// Whether the plan file was changed during the attempt, and not by us.
    pub plan_changed: bool,
    /// Outputs that are there and hold nothing.
    pub doubts: Vec<Doubt>,
}

/// Why a workspace could not be made ready or looked at.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} `{}`: {source}", .path.display())]
    Io {
        /// What was tried: `read`, `write`, `make`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The git command could not be run or refused.
    #[error("git {arguments}: {message}")]
    Git {
        /// How it was called.
        arguments: String,
        /// What it said.
        message: String,
    },
}

impl WorkspaceError {
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }
}

/// Where the attempts of a run work. One thread uses it at a time.
pub trait Workspace: Send {
    /// The folder in which the task works, absolute.
    fn directory(&self, task: &TaskId) -> PathBuf;

    /// Makes ready for an attempt of a task whose first attempt in the run began at `began`. At that
    /// one its declared paths are looked at, and what was seen is kept on disk, so that it is known
    /// after a crash.
    ///
    /// # Errors
    /// If what was seen cannot be kept: then no later change could be proved.
    fn begin(&mut self, task: &TaskSpec, began: Timestamp) -> Result<(), WorkspaceError>;

    /// Says what became of the task's paths since its first attempt began. `completion` is what
    /// its agent claims. What cannot be looked at is told as such, never as an error.
    fn facts(&mut self, task: &TaskSpec, completion: Option<&Completion>) -> PathFacts;

    /// Who watches over the tests and checks of the folder in which the task works; none: nobody.
    fn safeguards(&self, task: &TaskId) -> Option<Arc<Safeguards>>;

    /// Shows in the plan how far a task is: ticks the box of one that succeeded.
    ///
    /// # Errors
    /// If the box is not found exactly once, or the plan cannot be written. Nothing was changed.
    fn tick(&mut self, plan: &Path, place: &BoxPlace, show: BoxMark) -> Result<(), TickProblem>;
}
