//! The tasks that could start, in the order in which they should.
//!
//! Tasks that have the same ladder stand in one line, so that finding the next one to start costs
//! as much as there are lines, not as there are tasks: ten thousand tasks that wait for one slot
//! of one agent are looked at by their first alone. A task that a conflict keeps back stands in no
//! line; it comes back when the other one is done.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::layer::Rung;

use super::ladder::{Ladder, Pins};

/// The order within a line and between lines: priority, then the longest chain, then the plan.
pub(super) type Rank = (u8, Reverse<u32>, usize);

/// What the tasks of a line have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LineKey {
    /// They have not run yet and start at the lowest rung that is to be had.
    Fresh(Pins),
    /// They go on at this rung.
    Again(Rung),
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) key: LineKey,
    pub(super) ladder: Ladder,
    ready: BTreeSet<Rank>,
}

impl Line {
    /// Whether its tasks have not run yet.
    pub(super) const fn is_fresh(&self) -> bool {
        matches!(self.key, LineKey::Fresh(_))
    }

    /// How many stand in it.
    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    lines: Vec<Line>,
    numbers: BTreeMap<LineKey, usize>,
    filled: BTreeSet<usize>,
    /// The line in which each task stands.
    member: BTreeMap<usize, usize>,
    /// Who waits for whom because of a conflict.
    kept_back: BTreeMap<usize, BTreeSet<usize>>,
    kept_back_by: BTreeMap<usize, usize>,
}

impl Queue {
    /// The number of the line with `key`, which `ladder` makes if there is none.
    pub(super) fn line(&mut self, key: LineKey, ladder: impl FnOnce(&LineKey) -> Ladder) -> usize {
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let number = self.lines.len();
        self.lines.push(Line { ladder: ladder(&key), key: key.clone(), ready: BTreeSet::new() });
        self.numbers.insert(key, number);
        number
    }

    /// The ladder of a line.
    pub(super) fn ladder(&self, line: usize) -> &Ladder {
        &self.lines[line].ladder
    }

    pub(super) fn insert(&mut self, rank: Rank, line: usize) {
        self.remove(rank);
        self.lines[line].ready.insert(rank);
        self.filled.insert(line);
        self.member.insert(rank.2, line);
    }

    /// Takes a task out, from wherever it stands.
    pub(super) fn remove(&mut self, rank: Rank) {
        if let Some(line) = self.member.remove(&rank.2) {
            self.lines[line].ready.remove(&rank);
            if self.lines[line].ready.is_empty() {
                self.filled.remove(&line);
            }
        }
        if let Some(other) = self.kept_back_by.remove(&rank.2)
            && let Some(waiting) = self.kept_back.get_mut(&other)
        {
            waiting.remove(&rank.2);
        }
    }

    /// Keeps a task back until `other` is done.
    pub(super) fn keep_back(&mut self, rank: Rank, other: usize) {
        self.remove(rank);
        self.kept_back.entry(other).or_default().insert(rank.2);
        self.kept_back_by.insert(rank.2, other);
    }

    /// The tasks that `other` kept back.
    pub(super) fn release(&mut self, other: usize) -> BTreeSet<usize> {
        let waiting = self.kept_back.remove(&other).unwrap_or_default();
        for place in &waiting {
            self.kept_back_by.remove(place);
        }
        waiting
    }

    /// Whether the task stands in a line.
    pub(super) fn contains(&self, place: usize) -> bool {
        self.member.contains_key(&place)
    }

    /// Whether no task could start, whatever became free.
    pub(super) fn is_empty(&self) -> bool {
        self.filled.is_empty() && self.kept_back_by.is_empty()
    }

    /// The lines that are not empty, each with its first task.
    pub(super) fn heads(&self) -> impl Iterator<Item = (&Line, Rank)> {
        self.filled.iter().filter_map(|&number| {
            let line = &self.lines[number];
            line.ready.first().map(|&rank| (line, rank))
        })
    }

    /// Takes everybody out; the ladders stay.
    pub(super) fn clear(&mut self) {
        for &number in &self.filled {
            self.lines[number].ready.clear();
        }
        self.filled.clear();
        self.member.clear();
        self.kept_back.clear();
        self.kept_back_by.clear();
    }
}
