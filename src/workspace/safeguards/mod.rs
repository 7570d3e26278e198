//! What watches over the work: tests, the files that say which checks run, the scripts of verify
//! commands; and what became of them while a task was at work.
//!
//! An agent that is told to make the tests pass can remove them. Nothing here judges that: it is told
//! as a [`Doubt`], with path and figures.
//!
//! - A **look** takes a census of every watched file. There is one before each task's first attempt
//!   and one after each attempt; a file whose size and times are as before is not read again.
//! - What changed between two looks is whose was at work then. Where several were, a file that one of
//!   them declares or claims is that one's; of any other it is told that it may have been each.
//! - Looks read files and ask git, so they are made on threads that may take their time; looks that
//!   are asked for at the same time are one.
//!
//! Not seen: tests that are emptied without a word (an assertion that was taken out), configuration
//! that leaves tests out, and what a command of the plan did, which does as it was told.

mod census;
mod compare;
mod files;
mod languages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use globset::{GlobBuilder, GlobMatcher};

use self::census::Census;
use self::compare::Change;
use self::files::{Known, Place};
use super::paths::{Ours, inside};
use crate::model::completion::{self, Completion};
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::task::{FileVerb, TaskSpec};
use crate::model::verdict::Doubt;

/// What was seen of tests and checks when an attempt had ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SafeguardFacts {
    /// What makes its success less credible.
    pub doubts: Vec<Doubt>,
    /// Why nothing could be seen; none: it could.
    pub unseen: Option<String>,
}

/// The watch over the tests and checks of one checkout. Shared by the threads that look.
#[derive(Debug)]
pub struct Safeguards {
    place: Place,
    /// Files that verify commands name, with the commands.
    scripts: BTreeMap<String, Vec<String>>,
    /// The verify commands of all tasks.
    wide: Vec<String>,
    /// How many looks were begun.
    begun: AtomicU64,
    /// Held as long as a look takes.
    state: Mutex<State>,
    /// Held for moments alone, as is what was found: the loop of the run asks for both.
    roster: Mutex<Roster>,
    /// What is known of attempts that ended and are not judged yet.
    found: Mutex<BTreeMap<AttemptKey, SafeguardFacts>>,
}

/// Who is at work.
#[derive(Debug, Default)]
struct Roster {
    /// At present.
    active: BTreeSet<TaskId>,
    /// At some time since the latest look.
    span: BTreeSet<TaskId>,
}

#[derive(Debug, Default)]
struct State {
    /// What the latest look saw.
    latest: BTreeMap<String, Known>,
    /// Files that changed, with what each look after the first saw of them.
    history: BTreeMap<String, Vec<Entry>>,
    /// For each look who was at work between the look before and it. The first one is before all.
    spans: Vec<BTreeSet<TaskId>>,
    tasks: BTreeMap<TaskId, Watched>,
    /// Why the latest look failed.
    problem: Option<String>,
}

/// What a look saw of a file that it saw changed.
#[derive(Debug)]
struct Entry {
    look: usize,
    before: Option<Arc<Census>>,
    after: Option<Arc<Census>>,
}

/// A task that began.
#[derive(Debug, Default)]
struct Watched {
    /// The look before its first attempt; none: that one failed.
    since: Option<usize>,
    /// What it declares to write, and what its completions claim.
    owned: Vec<GlobMatcher>,
    /// What the plan says it removes.
    to_go: Vec<GlobMatcher>,
    /// What the plan says it changes.
    asked_for: Vec<GlobMatcher>,
    /// Its verify commands.
    verify: Vec<String>,
}

impl Watched {
    fn of(task: &TaskSpec) -> Self {
        let globs = |wanted: &dyn Fn(Option<FileVerb>) -> bool| -> Vec<GlobMatcher> {
            task.files
                .iter()
                .filter(|claim| wanted(claim.verb))
                .filter_map(|claim| matcher(&claim.path))
                .collect()
        };
        let mut owned = globs(&|verb| verb != Some(FileVerb::Read));
        owned.extend(task.outputs.iter().filter_map(|path| matcher(path)));
        Self {
            since: None,
            asked_for: owned.clone(),
            owned,
            to_go: globs(&|verb| verb == Some(FileVerb::Delete)),
            verify: task.verify.clone(),
        }
    }
}

fn matcher(path: &str) -> Option<GlobMatcher> {
    let path = path.trim().trim_start_matches("./");
    let path = if path.ends_with('/') { format!("{path}**") } else { path.to_owned() };
    GlobBuilder::new(&path).literal_separator(true).build().ok().map(|glob| glob.compile_matcher())
}

fn has(globs: &[GlobMatcher], path: &str) -> bool {
    globs.iter().any(|glob| glob.is_match(path))
}

impl Safeguards {
    /// The watch over the checkout at `root`, for a run whose tasks are verified by the commands `own`,
    /// each by some, and `wide`, each by all. `git` is the program; without it, or without a repository,
    /// all files count but those in folders that tools make.
    pub(super) fn new(
        root: &Path,
        ours: Ours,
        git: Option<PathBuf>,
        own: &[String],
        wide: &[String],
    ) -> Self {
        let mut scripts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for command in own.iter().chain(wide) {
            for path in paths_in(root, command) {
                scripts.entry(path).or_default().push(command.clone());
            }
        }
        Self {
            place: Place { root: root.to_path_buf(), git, ours },
            scripts,
            wide: wide.to_vec(),
            begun: AtomicU64::new(0),
            state: Mutex::default(),
            roster: Mutex::default(),
            found: Mutex::default(),
        }
    }

    /// A look that begins after this call, by this thread or by another one that waited too.
    fn look(&self) -> MutexGuard<'_, State> {
        let begun = self.begun.load(Ordering::SeqCst);
        let mut state = held(&self.state);
        if self.begun.load(Ordering::SeqCst) > begun {
            return state;
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        match self.place.look(&state.latest, &self.scripts) {
            Ok(seen) => {
                // Who came while the files were read may have been seen or not: in both spans then.
                let mut roster = held(&self.roster);
                let active = roster.active.clone();
                let span = std::mem::replace(&mut roster.span, active);
                drop(roster);
                state.take_in(seen, span);
            }
            Err(problem) => state.problem = Some(problem),
        }
        state
    }

    /// Looks before an attempt of `task` starts. May take its time.
    pub fn begin(&self, task: &TaskSpec) {
        let mut state = self.look();
        let since = if state.problem.is_none() { state.spans.len().checked_sub(1) } else { None };
        let fresh = || Watched { since, ..Watched::of(task) };
        state.tasks.entry(task.id.clone()).or_insert_with(fresh);
        self.begin_unwatched(&task.id);
    }

    /// Takes notice of an attempt whose own changes are not looked at: that it is at work.
    pub fn begin_unwatched(&self, task: &TaskId) {
        let mut roster = held(&self.roster);
        roster.active.insert(task.clone());
        roster.span.insert(task.clone());
    }

    /// The counterpart of [`Safeguards::begin_unwatched`]: it is not at work any more.
    pub fn end_unwatched(&self, task: &TaskId) {
        held(&self.roster).active.remove(task);
    }

    /// Looks after an attempt of `task` has ended, and keeps what became of tests and checks since its
    /// first one began, for [`Safeguards::take`]. May take its time.
    pub fn end(&self, key: &AttemptKey, completion: Option<&Completion>) {
        let mut state = self.look();
        let mut roster = held(&self.roster);
        roster.active.remove(&key.task);
        // It had ended before the look began, so that it has no part in what comes after it.
        roster.span.remove(&key.task);
        drop(roster);
        if let Some(watched) = state.tasks.get_mut(&key.task) {
            let claims = completion.iter().flat_map(|completion| &completion.outputs);
            let claims = claims.filter(|output| output.change != completion::Change::Unchanged);
            watched.owned.extend(claims.filter_map(|output| matcher(&output.path)));
        }
        let facts = match &state.problem {
            Some(problem) => SafeguardFacts { doubts: Vec::new(), unseen: Some(problem.clone()) },
            None => state.facts(&key.task, &self.scripts, &self.wide),
        };
        held(&self.found).insert(key.clone(), facts);
    }

    /// What was seen when the attempt had ended; none: nobody looked.
    pub fn take(&self, key: &AttemptKey) -> Option<SafeguardFacts> {
        held(&self.found).remove(key)
    }
}

/// What the lock guards. A panic of a thread that held it leaves at worst a look that is missing.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn take_in(&mut self, seen: BTreeMap<String, Known>, span: BTreeSet<TaskId>) {
        let look = self.spans.len();
        if look > 0 {
            let paths: BTreeSet<&String> = self.latest.keys().chain(seen.keys()).collect();
            for path in paths {
                let before = self.latest.get(path).map(|known| &known.census);
                let after = seen.get(path).map(|known| &known.census);
                if before != after {
                    let entry = Entry { look, before: before.cloned(), after: after.cloned() };
                    self.history.entry(path.clone()).or_default().push(entry);
                }
            }
        }
        self.latest = seen;
        self.problem = None;
        self.spans.push(span);
    }

    fn facts(
        &self,
        task: &TaskId,
        scripts: &BTreeMap<String, Vec<String>>,
        wide: &[String],
    ) -> SafeguardFacts {
        let Some((watched, since)) = self.tasks.get(task).and_then(|watched| Some((watched, watched.since?)))
        else {
            let unseen = Some("nobody looked at them before its first attempt".to_owned());
            return SafeguardFacts { doubts: Vec::new(), unseen };
        };
        let changes: Vec<Change> = self
            .history
            .iter()
            .filter_map(|(path, entries)| {
                let (first, last, others) = self.part_of(task, watched, path, entries, since)?;
                let mut commands = scripts.get(path).into_iter().flatten();
                let command =
                    commands.find(|command| watched.verify.contains(command) || wide.contains(command));
                Some(Change {
                    path: path.clone(),
                    before: first.before.clone(),
                    after: last.after.clone(),
                    verify: command.cloned(),
                    is_asked_for: has(&watched.asked_for, path),
                    is_to_go: has(&watched.to_go, path),
                    others,
                })
            })
            .collect();
        SafeguardFacts { doubts: compare::doubts(&changes), unseen: None }
    }

    /// The first and the last change of a file that are this task's or may be, and who may have made
    /// them besides.
    fn part_of<'a>(
        &'a self,
        task: &TaskId,
        watched: &Watched,
        path: &str,
        entries: &'a [Entry],
        since: usize,
    ) -> Option<(&'a Entry, &'a Entry, Vec<TaskId>)> {
        let is_its_own = has(&watched.owned, path);
        let others_own = |other: &TaskId| self.tasks.get(other).is_some_and(|other| has(&other.owned, path));
        let mut others = BTreeSet::new();
        let mut part = entries.iter().filter(|entry| entry.look > since).filter(|entry| {
            let span = &self.spans[entry.look];
            if !span.contains(task) {
                return false;
            }
            let mut besides = span.iter().filter(|other| *other != task).peekable();
            if is_its_own || besides.peek().is_none() {
                return true;
            }
            if besides.clone().any(others_own) {
                return false;
            }
            others.extend(besides.cloned());
            true
        });
        let first = part.next()?;
        let last = part.last().unwrap_or(first);
        Some((first, last, others.into_iter().collect()))
    }
}

/// Files inside `root` that a command names.
fn paths_in(root: &Path, command: &str) -> Vec<String> {
    let words = command.split(|c: char| c.is_whitespace() || "'\"`;|&()<>=".contains(c));
    words
        .filter(|word| word.contains(['/', '.']) && !word.starts_with('-') && !word.contains(['*', '?', '$']))
        .filter_map(|word| inside(root, word))
        .map(|path| path.shown)
        .collect()
}

#[cfg(test)]
mod tests;
