//! What waits for what: stated edges, barriers between groups, numbers and marks inside them.
//!
//! Stated edges come first. A topological order of tasks and groups, nearest to the order of the
//! file, is made of them; whatever order implies is added along that order, and an implied edge
//! that would run against it is left out. So implied edges never close a ring: only what the plan
//! states can, and that is reported.
//!
//! Edges stay few. A barrier joins the last tasks of what stands before it to the first ones of what
//! follows; where both are many (more than [`PAIRS`] edges), the last of the former waits for the
//! others and stands for them all. That costs one task some time and keeps `m + n` edges for `m * n`.
//!
//! Tasks that are done, skipped or optional order nothing: what follows them waits for what stood
//! before them.

use std::collections::BTreeMap;

use super::assemble::ancestors;
use super::places::Places;
use super::stated::Stated;
use super::types::Dependency;
use super::types::Plan;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::task::EdgeRule;

/// The most edges that a single join may have before one task stands for the others.
const PAIRS: usize = 4_096;

/// An edge between tasks by index: the second waits for the first.
pub(crate) type Edge = (usize, usize, EdgeRule);

/// The edges of a plan, and the ring if the stated ones close one.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Sorted by who waits, then by what for; at most one for each pair.
    pub(crate) edges: Vec<Edge>,
    /// The tasks of a ring, in order.
    pub(crate) ring: Vec<usize>,
}

/// Works out the order of the tasks for which `live` holds; edges of stated dependencies are kept for
/// all. `optional` tasks wait for others, and nobody waits for them.
pub(crate) fn order(plan: &Plan, live: &dyn Fn(usize) -> bool, optional: &dyn Fn(usize) -> bool) -> Order {
    let (mut rank, mut ring) = Stated::new(plan).with_implied(plan).rank(plan);
    if !ring.is_empty() && !plan.implied.is_empty() {
        // What is implied never closes a ring: it gives way to what the plan states.
        (rank, ring) = Stated::new(plan).rank(plan);
    }
    let mut walk = Walk {
        plan,
        live,
        optional,
        rank,
        edges: BTreeMap::new(),
        covered: vec![false; plan.tasks.len()],
        exits: vec![Vec::new(); plan.groups.len()],
        entries: vec![Vec::new(); plan.groups.len()],
        used: vec![0; plan.groups.len()],
    };
    for (task, found) in plan.tasks.iter().enumerate() {
        for dependency in &found.depends_on {
            if let Dependency::Task(first) = dependency {
                walk.add(*first, task, EdgeRule::Explicit);
            }
        }
    }
    for (first, task) in &plan.implied {
        if walk.rank[*first] < walk.rank[*task] {
            walk.add(*first, *task, EdgeRule::Order);
        }
    }
    if plan.mode_sequential {
        walk.one_at_a_time();
    } else {
        walk.all();
    }
    let edges = walk.edges.into_iter().map(|((to, from), rule)| (from, to, rule)).collect();
    Order { edges, ring }
}

/// The mistake that a ring is.
pub(crate) fn ring_diagnostic(plan: &Plan, ring: &[usize]) -> Option<Diagnostic> {
    let first = *ring.first()?;
    let mut names: Vec<String> =
        ring.iter().take(12).map(|task| format!("`{}`", plan.tasks[*task].id)).collect();
    if ring.len() > 12 {
        names.push(format!("{} more", ring.len() - 12));
    }
    names.push(format!("`{}`", plan.tasks[first].id));
    let by_itself = plan.tasks[first].depends_on.contains(&Dependency::Task(first));
    let message = if ring.len() == 1 && by_itself {
        format!("task `{}` depends on itself", plan.tasks[first].id)
    } else if ring.len() == 1 {
        format!("task `{}` waits for a group that waits for it", plan.tasks[first].id)
    } else {
        format!("these tasks wait for each other: {}", names.join(" -> "))
    };
    Some(
        Diagnostic::error("cycle", Place::line(plan.tasks[first].line), message)
            .hint("take out one of these dependencies"),
    )
}

/// Tasks that have to be finished before what comes next.
#[derive(Debug, Clone)]
struct Frontier {
    tasks: Vec<usize>,
    rule: EdgeRule,
    /// Edges made from them so far, so that many small joins do not add up.
    used: usize,
}

impl Frontier {
    fn new(tasks: Vec<usize>, rule: EdgeRule) -> Self {
        Self { tasks, rule, used: 0 }
    }
}

struct Walk<'p> {
    plan: &'p Plan,
    live: &'p dyn Fn(usize) -> bool,
    optional: &'p dyn Fn(usize) -> bool,
    rank: Vec<usize>,
    edges: BTreeMap<(usize, usize), EdgeRule>,
    /// Tasks that something later in their group waits for.
    covered: Vec<bool>,
    exits: Vec<Vec<usize>>,
    entries: Vec<Vec<usize>>,
    /// Edges made from the exits of each group, so that many who name it do not add up.
    used: Vec<usize>,
}

/// Tasks on their way to become a frontier.
#[derive(Default)]
struct Run {
    /// They may go together, and wait for the frontier before them.
    together: Vec<usize>,
    /// They state what they wait for, and do not wait for the frontier.
    beside: Vec<usize>,
}

/// What stands directly in a group, in the order of the file.
enum Child {
    Task(usize),
    Group(usize),
}

impl Walk<'_> {
    fn add(&mut self, from: usize, to: usize, rule: EdgeRule) {
        if from != to {
            // What is stated outranks what is implied; the rules are in that order.
            let known = self.edges.entry((to, from)).or_insert(rule);
            *known = rule.min(*known);
        }
    }

    /// Lets a task wait for a frontier.
    fn join(&mut self, from: &mut Frontier, to: usize) {
        from.used = from.used.saturating_add(from.tasks.len());
        if from.tasks.len() > 1 && from.used > PAIRS {
            self.collapse(&mut from.tasks);
        }
        for before in &from.tasks {
            if self.rank[*before] < self.rank[to] {
                self.add(*before, to, from.rule);
            }
        }
    }

    /// Lets the last task of a frontier wait for the others and stand for them.
    fn collapse(&mut self, from: &mut Vec<usize>) {
        let Some(last) = from.iter().copied().max_by_key(|task| self.rank[*task]) else { return };
        for before in from.iter().copied().filter(|task| *task != last).collect::<Vec<_>>() {
            self.add(before, last, EdgeRule::Barrier);
            self.covered[before] = true;
        }
        from.clear();
        from.push(last);
    }

    /// `Mode: Sequential`: every task waits for the one before it.
    fn one_at_a_time(&mut self) {
        let mut tasks: Vec<usize> = (0..self.plan.tasks.len()).filter(|task| (self.live)(*task)).collect();
        tasks.sort_by_key(|task| self.rank[*task]);
        let mut last = None;
        for task in tasks {
            if let Some(last) = last {
                self.add(last, task, EdgeRule::Order);
            }
            if !(self.optional)(task) {
                last = Some(task);
            }
        }
    }

    fn all(&mut self) {
        let mut children: Vec<Vec<Child>> = (0..=self.plan.groups.len()).map(|_| Vec::new()).collect();
        let top = self.plan.groups.len();
        let mut all: Vec<(u32, bool, usize)> = Vec::with_capacity(self.plan.tasks.len() + top);
        let places = Places::new(self.plan);
        all.extend(places.tasks.iter().enumerate().map(|(task, place)| (*place, true, task)));
        all.extend(places.groups.iter().enumerate().map(|(group, place)| (*place, false, group)));
        all.sort_unstable();
        for (_, is_task, index) in all {
            if is_task {
                children[self.plan.tasks[index].group.unwrap_or(top)].push(Child::Task(index));
            } else {
                children[self.plan.groups[index].parent.unwrap_or(top)].push(Child::Group(index));
            }
        }
        self.walk(None, &children, top, Frontier::new(Vec::new(), EdgeRule::Barrier));
        self.stated_groups();
    }

    /// Orders what stands in a group; `base` is what has to be finished before any of it. Returns what has
    /// to be finished before what comes after it. Groups nest as deep as headings and lists may.
    fn walk(
        &mut self,
        group: Option<usize>,
        children: &[Vec<Child>],
        index: usize,
        base: Frontier,
    ) -> Frontier {
        // The word of a heading is about its own tasks; that they go one by one holds further down, too.
        let word = |group: usize| self.plan.groups[group].parallel;
        let parallel = group.and_then(|group| {
            word(group).or_else(|| {
                let around = ancestors(&self.plan.groups, Some(group)).find_map(word);
                around.filter(|parallel| !parallel)
            })
        });
        let mut base = base;
        let mut at = 0;
        let list = &children[index];
        let stated = |child: &Child| match child {
            Child::Group(child) => self.plan.groups[*child].states_dependencies,
            Child::Task(_) => false,
        };
        let from_base = list.iter().filter(|child| stated(child)).count();
        if base.tasks.len() > 1 && base.tasks.len().saturating_mul(from_base) > PAIRS {
            self.collapse(&mut base.tasks);
        }
        let mut front = base.clone();
        let mut untouched = true;
        while at < list.len() {
            match list[at] {
                Child::Task(_) => {
                    let start = at;
                    while matches!(list.get(at), Some(Child::Task(_))) {
                        at += 1;
                    }
                    let mut tasks: Vec<usize> = list[start..at]
                        .iter()
                        .filter_map(|child| match child {
                            Child::Task(task) if (self.live)(*task) => Some(*task),
                            Child::Task(_) | Child::Group(_) => None,
                        })
                        .collect();
                    tasks.sort_by_key(|task| self.rank[*task]);
                    if !tasks.is_empty() {
                        front = self.segment(group, &tasks, parallel, &mut base, front, untouched);
                        untouched = false;
                    }
                }
                Child::Group(child) => {
                    let stated = self.plan.groups[child].states_dependencies;
                    let before = if stated {
                        base.clone()
                    } else {
                        Frontier::new(front.tasks.clone(), EdgeRule::Barrier)
                    };
                    let at_base = stated || untouched;
                    let marks = before.tasks.clone();
                    let out = self.walk(Some(child), children, child, before);
                    if at_base && let Some(group) = group {
                        let inner = self.entries[child].clone();
                        self.entries[group].extend(inner);
                    }
                    let passed_through = out.tasks == marks;
                    // Where nothing is still to be done, the frontier stays.
                    if !passed_through {
                        let mut tasks = out.tasks;
                        if stated && !untouched {
                            // What grows is moved and not copied, for many groups may follow each other.
                            let mut before = std::mem::take(&mut front.tasks);
                            before.append(&mut tasks);
                            tasks = before;
                        }
                        front = Frontier::new(tasks, EdgeRule::Barrier);
                        untouched = false;
                    }
                    at += 1;
                }
            }
        }
        front.tasks.retain(|task| !self.covered[*task]);
        front.tasks.sort_unstable();
        front.tasks.dedup();
        if let Some(group) = group {
            // A group whose tasks are all done lets through what was before it, and is itself finished.
            if !untouched {
                let groups = &self.plan.groups;
                let is_inside = |task: &usize| {
                    ancestors(groups, self.plan.tasks[*task].group).any(|around| around == group)
                };
                self.exits[group] = front.tasks.iter().copied().filter(is_inside).collect();
            }
        }
        front
    }

    /// Orders tasks that stand side by side in a group, given in rank order.
    fn segment(
        &mut self,
        group: Option<usize>,
        tasks: &[usize],
        parallel: Option<bool>,
        base: &mut Frontier,
        front: Frontier,
        untouched: bool,
    ) -> Frontier {
        let numbered = tasks.iter().any(|task| self.plan.tasks[*task].ordered);
        let in_order = parallel != Some(true) && (numbered || parallel == Some(false));
        let mut front = front;
        let mut fresh = untouched;
        let mut run = Run::default();
        for task in tasks.iter().copied() {
            let found = &self.plan.tasks[task];
            let optional = (self.optional)(task);
            if found.states_dependencies {
                let inside = self.waits_inside(task, group);
                if !inside {
                    self.join(base, task);
                    self.enter(group, task);
                }
                self.cover(task, group);
                if !optional {
                    run.beside.push(task);
                }
                continue;
            }
            let marked = found.parallel == Some(true) && parallel != Some(false);
            let together = !in_order || marked;
            if !together {
                self.advance(&mut front, &mut run, &mut fresh);
            }
            self.join(&mut front, task);
            if fresh {
                self.enter(group, task);
            }
            if optional {
                continue;
            }
            run.together.push(task);
            if !together {
                self.advance(&mut front, &mut run, &mut fresh);
            }
        }
        self.advance(&mut front, &mut run, &mut fresh);
        front
    }

    /// Makes a run the new frontier. What stands beside the order is added to it; it takes the place of
    /// what was before the group, for which it waits too.
    fn advance(&mut self, front: &mut Frontier, run: &mut Run, fresh: &mut bool) {
        run.together.retain(|task| !self.covered[*task]);
        run.beside.retain(|task| !self.covered[*task]);
        if run.together.is_empty() && run.beside.is_empty() {
            return;
        }
        let mut tasks = std::mem::take(&mut run.together);
        if tasks.is_empty() && !*fresh {
            tasks = std::mem::take(&mut front.tasks);
        }
        tasks.append(&mut run.beside);
        *front = Frontier::new(tasks, EdgeRule::Order);
        *fresh = false;
    }

    fn enter(&mut self, group: Option<usize>, task: usize) {
        if let Some(group) = group {
            self.entries[group].push(task);
        }
    }

    /// Whether a task waits for a sibling that is still to be done: then it waits for what was before both.
    fn waits_inside(&self, task: usize, group: Option<usize>) -> bool {
        self.plan.tasks[task].depends_on.iter().any(|dependency| match dependency {
            Dependency::Task(first) => {
                *first != task
                    && self.plan.tasks[*first].group == group
                    && (self.live)(*first)
                    && !(self.optional)(*first)
            }
            Dependency::Group(_) => false,
        })
    }

    /// Siblings that a task waits for need not be waited for by what waits for it.
    fn cover(&mut self, task: usize, group: Option<usize>) {
        if (self.optional)(task) {
            return;
        }
        for dependency in &self.plan.tasks[task].depends_on {
            if let Dependency::Task(first) = dependency
                && *first != task
                && self.plan.tasks[*first].group == group
                && self.rank[*first] < self.rank[task]
            {
                self.covered[*first] = true;
            }
        }
    }

    /// Edges to and from groups that the plan states.
    fn stated_groups(&mut self) {
        let plan = self.plan;
        for (task, found) in plan.tasks.iter().enumerate() {
            for dependency in &found.depends_on {
                if let Dependency::Group(group) = dependency {
                    self.after_group(*group, &[task]);
                }
            }
        }
        for (group, found) in plan.groups.iter().enumerate() {
            let mut entries = std::mem::take(&mut self.entries[group]);
            entries.sort_unstable();
            entries.dedup();
            for dependency in &found.depends_on {
                match dependency {
                    Dependency::Task(task) => {
                        for entry in &entries {
                            self.add(*task, *entry, EdgeRule::Explicit);
                        }
                    }
                    Dependency::Group(first) => self.after_group(*first, &entries),
                }
            }
        }
    }

    fn after_group(&mut self, group: usize, tasks: &[usize]) {
        let mut exits = std::mem::take(&mut self.exits[group]);
        self.used[group] = self.used[group].saturating_add(exits.len().saturating_mul(tasks.len()));
        if exits.len() > 1 && self.used[group] > PAIRS {
            self.collapse(&mut exits);
        }
        for task in tasks {
            for exit in &exits {
                self.add(*exit, *task, EdgeRule::Explicit);
            }
        }
        self.exits[group] = exits;
    }
}
