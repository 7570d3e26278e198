//! The edges of a check as numbers, and what of them a picture needs.

use std::collections::BTreeMap;

use crate::model::check::PlanCheck;
use crate::model::ids::TaskId;
use crate::model::task::EdgeRule;

/// Beyond so many tasks no edge is looked through: the table of who reaches whom would take `n * n` bits.
const MOST_REDUCED: usize = 8_192;

/// Edges by the places of their tasks.
pub(super) struct Order {
    /// Each edge: from, to, rule; in the order of the document.
    pub(super) edges: Vec<(usize, usize, EdgeRule)>,
    /// How many tasks there are.
    tasks: usize,
}

impl Order {
    pub(super) fn of(check: &PlanCheck) -> Self {
        let places: BTreeMap<&TaskId, usize> =
            check.tasks.iter().enumerate().map(|(place, task)| (&task.id, place)).collect();
        let edges = check
            .edges
            .iter()
            .filter_map(|edge| Some((*places.get(&edge.from)?, *places.get(&edge.to)?, edge.rule)))
            .collect();
        Self { edges, tasks: check.tasks.len() }
    }

    /// The same without edges that follow from others; those for which `keep` holds stay. Edges between
    /// tasks that touch the same file order nothing and stay.
    pub(super) fn reduced(&self, keep: impl Fn(EdgeRule) -> bool) -> Vec<(usize, usize, EdgeRule)> {
        let Some(reach) = self.reach() else { return self.edges.clone() };
        let mut before: Vec<Vec<usize>> = vec![Vec::new(); self.tasks];
        for (from, to, rule) in &self.edges {
            if *rule != EdgeRule::File {
                before[*to].push(*from);
            }
        }
        self.edges
            .iter()
            .filter(|(from, to, rule)| {
                *rule == EdgeRule::File
                    || keep(*rule)
                    || !before[*to].iter().any(|other| other != from && reach.has(*from, *other))
            })
            .copied()
            .collect()
    }

    /// Who comes after whom; none: there are too many tasks, or a ring.
    fn reach(&self) -> Option<Reach> {
        if self.tasks > MOST_REDUCED {
            return None;
        }
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); self.tasks];
        let mut waiting = vec![0_usize; self.tasks];
        for (from, to, rule) in &self.edges {
            if *rule != EdgeRule::File {
                after[*from].push(*to);
                waiting[*to] += 1;
            }
        }
        let mut sorted: Vec<usize> = (0..self.tasks).filter(|task| waiting[*task] == 0).collect();
        let mut at = 0;
        while let Some(task) = sorted.get(at).copied() {
            at += 1;
            for next in &after[task] {
                waiting[*next] -= 1;
                if waiting[*next] == 0 {
                    sorted.push(*next);
                }
            }
        }
        if sorted.len() < self.tasks {
            return None;
        }
        let words = self.tasks.div_ceil(64);
        let mut reach = Reach { words, bits: vec![0; words * self.tasks] };
        for task in sorted.into_iter().rev() {
            for next in &after[task] {
                reach.bits[task * words + next / 64] |= 1 << (next % 64);
                for word in 0..words {
                    reach.bits[task * words + word] |= reach.bits[next * words + word];
                }
            }
        }
        Some(reach)
    }

    /// The longest chain among tasks of waves: one task of each wave, each waiting for the one before it.
    pub(super) fn longest(&self, check: &PlanCheck) -> Vec<usize> {
        let wave = |task: usize| check.tasks[task].wave;
        let mut before: Vec<Option<usize>> = vec![None; self.tasks];
        for (from, to, rule) in &self.edges {
            if *rule != EdgeRule::File && wave(*from) > 0 && wave(*from) + 1 == wave(*to) {
                let known = before[*to].get_or_insert(*from);
                *known = (*known).min(*from);
            }
        }
        let last = (0..self.tasks)
            .filter(|task| wave(*task) > 0)
            .max_by_key(|task| (wave(*task), self.tasks - task));
        let mut chain: Vec<usize> = std::iter::successors(last, |task| before[*task]).collect();
        chain.reverse();
        chain
    }
}

/// Who comes after whom, a row of bits for each task.
struct Reach {
    words: usize,
    bits: Vec<u64>,
}

impl Reach {
    fn has(&self, from: usize, to: usize) -> bool {
        self.bits[from * self.words + to / 64] >> (to % 64) & 1 == 1
    }
}
