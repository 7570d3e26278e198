//! Which task waits for which, by place in plan order.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use crate::model::run::RunSpec;
use crate::model::task::EdgeRule;
use crate::model::view::RunView;

/// The edges of a run. A need that names no task of the run is left out: the plan's reader has
/// proven that there is none.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    /// What each task waits for.
    pub(super) needs: Vec<Vec<usize>>,
    /// What waits for each task.
    pub(super) dependents: Vec<Vec<usize>>,
    /// What each task must not run beside, in order.
    pub(super) conflicts: Vec<Vec<usize>>,
    /// For each task the limited group it is in, by its place in `crew_limits`.
    crews: Vec<Option<usize>>,
    /// How many tasks of each limited group may be under way at once.
    crew_limits: Vec<usize>,
    /// How many tasks the longest chain has that begins with each task.
    pub(super) chain: Vec<u32>,
    /// Every task, none before what it needs.
    pub(super) order: Vec<usize>,
}

impl Graph {
    pub(super) fn new(spec: &RunSpec, view: &RunView) -> Self {
        let count = spec.tasks.len();
        let mut needs = vec![BTreeSet::new(); count];
        let mut conflicts = vec![BTreeSet::new(); count];
        for (place, task) in spec.tasks.iter().enumerate() {
            let mut apart = |other: usize| {
                if other != place {
                    conflicts[place].insert(other);
                    conflicts[other].insert(place);
                }
            };
            for need in &task.needs {
                let Some(other) = view.place(&need.task) else { continue };
                match need.rule {
                    EdgeRule::File => apart(other),
                    EdgeRule::Explicit | EdgeRule::Barrier | EdgeRule::Order | EdgeRule::Gate => {
                        needs[place].insert(other);
                    }
                }
            }
            task.conflicts.iter().filter_map(|id| view.place(id)).for_each(&mut apart);
        }
        let mut crew_limits: Vec<usize> = Vec::new();
        let mut crew_of: BTreeMap<&str, usize> = BTreeMap::new();
        let crews = spec.tasks.iter().map(|task| {
            let limit = task.group_limit.as_ref()?;
            let at_most = usize::try_from(limit.at_most).unwrap_or(usize::MAX).max(1);
            let crew = *crew_of.entry(limit.group.as_str()).or_insert_with(|| {
                crew_limits.push(at_most);
                crew_limits.len() - 1
            });
            crew_limits[crew] = crew_limits[crew].min(at_most);
            Some(crew)
        });
        let crews = crews.collect();
        let mut dependents = vec![Vec::new(); count];
        for (place, needs) in needs.iter().enumerate() {
            for &need in needs {
                dependents[need].push(place);
            }
        }
        let order = sorted(&needs, &dependents);
        let mut chain = vec![1_u32; count];
        for &place in order.iter().rev() {
            let longest = dependents[place].iter().map(|&next: &usize| chain[next]).max().unwrap_or(0);
            chain[place] = longest.saturating_add(1);
        }
        Self {
            needs: needs.into_iter().map(Vec::from_iter).collect(),
            dependents,
            conflicts: conflicts.into_iter().map(Vec::from_iter).collect(),
            crews,
            crew_limits,
            chain,
            order,
        }
    }

    /// The number under which tasks wait for a place in the limited group of `place`: no task has it.
    pub(super) fn crew(&self, place: usize) -> Option<usize> {
        self.crews[place].map(|crew| self.crews.len() + crew)
    }

    /// How many places those under way leave in the limited group of `place`; where nothing limits it, as many as
    /// there are numbers.
    pub(super) fn free_places(&self, place: usize, under_way: impl Iterator<Item = usize>) -> usize {
        self.crews[place].map_or(usize::MAX, |crew| {
            let taken = under_way.filter(|other| self.crews[*other] == Some(crew)).count();
            self.crew_limits[crew].saturating_sub(taken)
        })
    }

    /// How many tasks wait, directly or not, for those of `roots`; tasks for which `open` is false
    /// are neither counted nor gone through.
    pub(super) fn behind(&self, roots: &[usize], open: impl Fn(usize) -> bool) -> usize {
        let mut seen: BTreeSet<usize> = roots.iter().copied().collect();
        let mut todo: Vec<usize> = roots.to_vec();
        let mut count = 0;
        while let Some(place) = todo.pop() {
            for &next in &self.dependents[place] {
                if open(next) && seen.insert(next) {
                    count += 1;
                    todo.push(next);
                }
            }
        }
        count
    }
}

/// Kahn's algorithm; what is left over by a circle (there is none in a checked plan) comes last.
fn sorted(needs: &[BTreeSet<usize>], dependents: &[Vec<usize>]) -> Vec<usize> {
    let mut open: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut order: Vec<usize> = (0..open.len()).filter(|&place| open[place] == 0).collect();
    let mut next = 0;
    while let Some(&place) = order.get(next) {
        next += 1;
        for &dependent in &dependents[place] {
            open[dependent] -= 1;
            if open[dependent] == 0 {
                order.push(dependent);
            }
        }
    }
    order.extend((0..open.len()).filter(|&place| open[place] > 0));
    order
}
