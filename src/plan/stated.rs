//! What a plan states about its order, as a graph: the order that fits it, and the rings in it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::collections::BinaryHeap;

use super::types::Dependency;
use super::types::Plan;

/// The stated dependencies as a graph: tasks, and a start and an end for each group.
pub(crate) struct Stated {
    after: Vec<Vec<usize>>,
    before_count: Vec<usize>,
    tasks: usize,
}

impl Stated {
    /// Takes the stated dependencies of tasks and groups.
    pub(crate) fn new(plan: &Plan) -> Self {
        let tasks = plan.tasks.len();
        let nodes = tasks + 2 * plan.groups.len();
        let mut graph = Self { after: vec![Vec::new(); nodes], before_count: vec![0; nodes], tasks };
        for (group, found) in plan.groups.iter().enumerate() {
            if let Some(parent) = found.parent {
                graph.edge(graph.start(parent), graph.start(group));
                graph.edge(graph.end(group), graph.end(parent));
            }
            graph.edge(graph.start(group), graph.end(group));
            for dependency in &found.depends_on {
                let from = graph.node(*dependency);
                graph.edge(from, graph.start(group));
            }
        }
        for (task, found) in plan.tasks.iter().enumerate() {
            if let Some(group) = found.group {
                graph.edge(graph.start(group), task);
                graph.edge(task, graph.end(group));
            }
            for dependency in &found.depends_on {
                let from = graph.node(*dependency);
                graph.edge(from, task);
            }
        }
        // Nobody waits by name for a task that a format orders, so these close no ring.
        for (first, task) in &plan.implied {
            graph.edge(*first, *task);
        }
        graph
    }

    fn start(&self, group: usize) -> usize {
        self.tasks + 2 * group
    }

    fn end(&self, group: usize) -> usize {
        self.tasks + 2 * group + 1
    }

    fn node(&self, dependency: Dependency) -> usize {
        match dependency {
            Dependency::Task(task) => task,
            Dependency::Group(group) => self.end(group),
        }
    }

    fn edge(&mut self, from: usize, to: usize) {
        self.after[from].push(to);
        self.before_count[to] += 1;
    }

    /// A place for each task in an order that fits what is stated, and the tasks of a ring.
    pub(crate) fn rank(&self, plan: &Plan) -> (Vec<usize>, Vec<usize>) {
        let line = |node: usize| -> (u32, usize) {
            if node < self.tasks {
                (plan.tasks[node].line, node)
            } else {
                // Starts and ends cost nothing: they go as soon as they may.
                (0, node)
            }
        };
        let mut waiting = self.before_count.clone();
        let mut ready: BinaryHeap<Reverse<(u32, usize)>> =
            (0..waiting.len()).filter(|node| waiting[*node] == 0).map(|node| Reverse(line(node))).collect();
        let mut rank = vec![usize::MAX; self.tasks];
        let mut next = 0;
        while let Some(Reverse((_, node))) = ready.pop() {
            if node < self.tasks {
                rank[node] = next;
                next += 1;
            }
            for after in &self.after[node] {
                waiting[*after] -= 1;
                if waiting[*after] == 0 {
                    ready.push(Reverse(line(*after)));
                }
            }
        }
        let mut ring = Vec::new();
        if waiting.iter().any(|count| *count > 0) {
            ring = self.ring(&waiting);
            for place in rank.iter_mut().filter(|place| **place == usize::MAX) {
                *place = next;
                next += 1;
            }
        }
        (rank, ring)
    }

    /// Walks backwards from a node that never became ready until one comes up a second time.
    fn ring(&self, waiting: &[usize]) -> Vec<usize> {
        let mut before = vec![usize::MAX; waiting.len()];
        for (from, after) in self.after.iter().enumerate().filter(|(from, _)| waiting[*from] > 0) {
            for to in after {
                before[*to] = before[*to].min(from);
            }
        }
        let Some(mut node) = waiting.iter().position(|count| *count > 0) else { return Vec::new() };
        let mut seen = BTreeSet::new();
        while seen.insert(node) && before[node] != usize::MAX {
            node = before[node];
        }
        let first = node;
        let mut ring = Vec::new();
        loop {
            if node < self.tasks {
                ring.push(node);
            }
            node = before[node];
            if node == first || node == usize::MAX {
                break;
            }
        }
        if ring.is_empty() {
            // A ring of groups alone: any task in it will do to show the place.
            ring.extend(waiting[..self.tasks].iter().position(|count| *count > 0));
        }
        ring
    }
}
