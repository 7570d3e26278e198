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
    /// Who waits for whom because of a conflict, or for a place in which limited group; by the line in which they
    /// stood.
    kept_back: BTreeMap<usize, BTreeMap<usize, BTreeSet<Rank>>>,
    /// For each of them, for whom it waits, and its line.
    kept_back_by: BTreeMap<usize, (usize, usize)>,
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
        if let Some((other, line)) = self.kept_back_by.remove(&rank.2)
            && let Some(waiting) = self.kept_back.get_mut(&other).and_then(|lines| lines.get_mut(&line))
        {
            waiting.remove(&rank);
        }
    }

    /// Keeps a task that stands in a line back until `other` is done.
    pub(super) fn keep_back(&mut self, rank: Rank, other: usize) {
        let line = self.member.get(&rank.2).copied().unwrap_or_default();
        self.remove(rank);
        self.kept_back.entry(other).or_default().entry(line).or_default().insert(rank);
        self.kept_back_by.insert(rank.2, (other, line));
    }

    /// The tasks that `other` kept back, in plan order.
    pub(super) fn release(&mut self, other: usize) -> BTreeSet<usize> {
        self.release_first(other, usize::MAX)
    }

    /// Of the tasks that `other` kept back, the first `most` of each line: the others of a line could start nowhere
    /// where these cannot, so they need not be looked at.
    pub(super) fn release_first(&mut self, other: usize, most: usize) -> BTreeSet<usize> {
        let mut released = BTreeSet::new();
        let Some(lines) = self.kept_back.get_mut(&other) else { return released };
        for waiting in lines.values_mut() {
            for _ in 0..most {
                let Some(rank) = waiting.pop_first() else { break };
                self.kept_back_by.remove(&rank.2);
                released.insert(rank.2);
            }
        }
        lines.retain(|_, waiting| !waiting.is_empty());
        if lines.is_empty() {
            self.kept_back.remove(&other);
        }
        released
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_place_lets_one_of_each_line_go_and_not_all_that_wait() {
        let mut queue = Queue::default();
        let rung = |agent: &str| Rung { layer: None, agent: agent.to_owned(), model: None, provider: None };
        let lines = ["a", "b"].map(|agent| queue.line(LineKey::Again(rung(agent)), |_| Ladder::default()));
        let rank = |place: usize| (5, Reverse(1), place);
        for place in 0..1_000 {
            queue.insert(rank(place), lines[place % 2]);
            queue.keep_back(rank(place), 5_000);
        }
        assert_eq!(queue.release_first(5_000, 1), BTreeSet::from([0, 1]));
        queue.remove(rank(2));
        assert_eq!(queue.release_first(5_000, 2), BTreeSet::from([3, 4, 5, 6]));
        assert_eq!(queue.release(5_000).len(), 1_000 - 7);
        assert!(queue.is_empty() && queue.release(5_000).is_empty());
    }
}
