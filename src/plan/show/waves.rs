//! The waves: blocks of tasks that could start together, or follow one another alone.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::Page;
use super::asks_for;
use crate::model::check::CheckTask;
use crate::model::ids::TaskId;
use crate::model::task::EdgeRule;
use crate::model::task::HeldReason;
use crate::model::task::TaskKind;
use crate::plan::printed::count;
use crate::plan::printed::line;
use crate::plan::printed::pad;
use crate::plan::printed::plain;
use crate::plan::printed::some_of;
use crate::plan::printed::width;

/// The most tasks a line lists as what is waited for.
const MOST_AFTER: usize = 4;

/// The most tasks of a block of a big plan.
const MOST_TASKS: usize = 8;

/// The most blocks of a big plan from its beginning ...
const MOST_BLOCKS: usize = 6;

/// ... and from its end.
const LAST_BLOCKS: usize = 2;

/// Waves that are shown together.
struct Block<'c> {
    first: u32,
    last: u32,
    tasks: Vec<&'c CheckTask>,
}

impl Block<'_> {
    /// A row of two waves as two blocks.
    fn apart(mut self) -> Vec<Self> {
        if self.last != self.first + 1 {
            return vec![self];
        }
        let second = Self { first: self.last, last: self.last, tasks: self.tasks.split_off(1) };
        vec![Self { last: self.first, ..self }, second]
    }

    fn one_by_one(&self) -> bool {
        self.last > self.first
    }
}

type Waits<'c> = BTreeMap<&'c TaskId, Vec<(&'c TaskId, EdgeRule)>>;

impl<'c> Page<'c> {
    /// All that would run.
    pub(super) fn waves(&self, out: &mut String) {
        let mut after: Waits<'_> = BTreeMap::new();
        for edge in &self.check.edges {
            after.entry(&edge.to).or_default().push((&edge.from, edge.rule));
        }
        let blocks = self.blocks();
        let waves: BTreeMap<u32, BTreeSet<&TaskId>> = {
            let mut waves: BTreeMap<u32, BTreeSet<&TaskId>> = BTreeMap::new();
            for task in self.check.tasks.iter().filter(|task| task.wave > 0) {
                waves.entry(task.wave).or_default().insert(&task.id);
            }
            waves
        };
        let hidden = if self.big && blocks.len() > MOST_BLOCKS + LAST_BLOCKS + 1 {
            MOST_BLOCKS..blocks.len() - LAST_BLOCKS
        } else {
            0..0
        };
        for (index, block) in blocks.iter().enumerate() {
            if !hidden.contains(&index) {
                self.block(out, block, &after, &waves);
            } else if index == hidden.start {
                let tasks: usize = blocks[hidden.clone()].iter().map(|block| block.tasks.len()).sum();
                let (first, last) = (block.first, blocks[hidden.end - 1].last);
                let more = count(tasks, "task", "tasks");
                self.heading(out, &format!("waves {first} to {last}: {more}, shown by --explain"));
            }
        }
    }

    fn blocks(&self) -> Vec<Block<'c>> {
        let mut waves: BTreeMap<u32, Vec<&CheckTask>> = BTreeMap::new();
        for task in self.check.tasks.iter().filter(|task| task.wave > 0) {
            waves.entry(task.wave).or_default().push(task);
        }
        let mut blocks: Vec<Block<'c>> = Vec::new();
        for (wave, tasks) in waves {
            let alone = |block: &Block<'_>| {
                block.tasks.len() == usize::try_from(block.last - block.first + 1).unwrap_or(0)
            };
            let new_gate = gates(&tasks[..1]).is_some();
            match blocks.last_mut().filter(|block| tasks.len() == 1 && alone(block) && !new_gate) {
                Some(block) => {
                    block.last = wave;
                    block.tasks.extend(tasks);
                }
                None => blocks.push(Block { first: wave, last: wave, tasks }),
            }
        }
        // Two are no row worth a block of their own.
        blocks.into_iter().flat_map(Block::apart).collect()
    }

    fn block(
        &self,
        out: &mut String,
        block: &Block<'_>,
        after: &Waits<'_>,
        waves: &BTreeMap<u32, BTreeSet<&TaskId>>,
    ) {
        let mut heading = if block.one_by_one() {
            format!("waves {} to {}: one after another", block.first, block.last)
        } else if block.tasks.len() > 1 {
            format!("wave {}: {} at once", block.first, block.tasks.len())
        } else {
            format!("wave {}", block.first)
        };
        let gate = gates(&block.tasks);
        if let Some(gate) = &gate {
            heading = format!("{heading}, gate \"{gate}\"");
        }
        let mut previous = None;
        let mut waits: Vec<String> = Vec::with_capacity(block.tasks.len());
        for task in &block.tasks {
            let list = after.get(&task.id).map_or(&[][..], Vec::as_slice);
            waits.push(waits_of(task, list, previous, waves));
            previous = block.one_by_one().then_some(&task.id);
        }
        // What all of them wait for is said once.
        let together =
            block.tasks.len() > 1 && !block.one_by_one() && waits.iter().all(|text| *text == waits[0]);
        if together && !waits[0].is_empty() {
            heading = format!("{heading}, {}", waits[0]);
            waits.fill(String::new());
        }
        self.heading(out, &self.cut(&heading, self.style.width));
        let most =
            if self.big && block.tasks.len() > MOST_TASKS + 1 { MOST_TASKS } else { block.tasks.len() };
        for (task, waits) in block.tasks.iter().zip(waits).take(most) {
            self.task(out, task, waits, gate.as_deref());
        }
        if block.tasks.len() > most {
            line(out, &format!("  and {} more", block.tasks.len() - most));
        }
    }

    fn task(&self, out: &mut String, task: &CheckTask, waits: String, gate: Option<&str>) {
        let mut notes: Vec<String> = Vec::new();
        match task.kind {
            TaskKind::Gate => notes.push("a person decides".to_owned()),
            TaskKind::Checkpoint => notes.push("checkpoint".to_owned()),
            TaskKind::Task => {}
        }
        for reason in &task.held_by {
            if let Some(name) = reason.gate()
                && Some(name.as_str()) != gate
            {
                notes.push(format!("gate \"{}\"", plain(name)));
            }
        }
        if task.optional {
            notes.push("optional".to_owned());
        }
        if let Some(limit) = task.group_limit {
            notes.push(format!("at most {limit} of its group at once"));
        }
        if !waits.is_empty() {
            notes.push(waits);
        }
        if let Some(priority) = task.priority {
            notes.push(format!("P{priority}"));
        }
        if !task.files.is_empty() {
            notes.push(some_of(task.files.iter().map(|file| file.path.as_str()), 3));
        }
        let start = self.row(task);
        let notes = self.cut(&notes.join(", "), self.style.width.saturating_sub(width(&start) + 2).max(12));
        line(out, &format!("{start}  {notes}"));
    }

    /// Id, title, line and agent, each in its column.
    fn row(&self, task: &CheckTask) -> String {
        let agent = if self.agent > 0 {
            format!("  {}", pad(&self.cut(&asks_for(task), self.agent), self.agent))
        } else {
            String::new()
        };
        format!("{}{agent}", self.start(task))
    }
}

/// `after T001 (order)`, the rules kept apart. All of the wave before is called by its number; in a row
/// the task above needs no word.
fn waits_of(
    task: &CheckTask,
    after: &[(&TaskId, EdgeRule)],
    above: Option<&TaskId>,
    waves: &BTreeMap<u32, BTreeSet<&TaskId>>,
) -> String {
    let mut by_rule: BTreeMap<EdgeRule, Vec<&TaskId>> = BTreeMap::new();
    for (from, rule) in after {
        by_rule.entry(*rule).or_default().push(from);
    }
    let whole_wave = |ids: &[&TaskId]| {
        let before = waves.get(&task.wave.saturating_sub(1))?;
        let all = ids.len() > 1 && ids.len() == before.len() && ids.iter().all(|id| before.contains(id));
        all.then_some(task.wave - 1)
    };
    let texts: Vec<String> = by_rule
        .into_iter()
        .filter(|(rule, ids)| {
            // The rule of the edge still counts under --explain, where it is listed.
            *rule == EdgeRule::File || above.is_none() || ids.as_slice() != above.as_slice()
        })
        .map(|(rule, ids)| {
            let names = match whole_wave(&ids) {
                Some(wave) if rule != EdgeRule::File => format!("wave {wave}"),
                Some(_) | None => some_of(ids.iter().map(|id| id.as_str()), MOST_AFTER),
            };
            match rule {
                EdgeRule::File => format!("not beside {names} (file)"),
                EdgeRule::Explicit | EdgeRule::Barrier | EdgeRule::Order | EdgeRule::Gate => {
                    format!("after {names} ({})", rule.as_str())
                }
            }
        })
        .collect();
    texts.join(", ")
}

/// The gate that all these tasks wait for.
fn gates(tasks: &[&CheckTask]) -> Option<String> {
    let of = |task: &CheckTask| -> Vec<String> {
        task.held_by.iter().filter_map(HeldReason::gate).map(|name| plain(name)).collect()
    };
    let first = of(tasks.first()?).into_iter().next()?;
    tasks.iter().all(|task| of(task).contains(&first)).then_some(first)
}
