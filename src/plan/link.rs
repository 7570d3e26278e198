//! Ids of tasks, and what tasks and groups wait for by them.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::hash_map::Entry;

use super::assemble::Maker;
use super::declared;
use super::facts::Facts;
use super::facts::Stated;
use super::found::Found;
use super::groups;
use super::lines::number;
use super::names;
use super::phases;
use super::references;
use super::references::Index;
use super::references::Named;
use super::titles;
use super::types::Dependency;
use super::types::Group;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::diagnostics::suggest;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;
use crate::model::ids::TaskId;
use crate::model::task::HeldReason;
use crate::model::task::TaskKind;

/// The most stated edges of a plan: ranges such as `T001-T999` add up.
const MOST_EDGES: usize = 500_000;

/// The most mistakes that are told of the values of one task: each place costs a look at its line.
const MOST_TOLD: usize = 50;

/// Suggestions are looked for only for the first mistakes: each costs a walk over all ids.
const SUGGESTIONS: usize = 20;

impl Maker<'_, '_> {
    /// Gives every task its id: as written, or made from its title; unique in either case.
    pub(crate) fn ids(&mut self, found: &[Found]) {
        let mut ids: Vec<Option<String>> = found.iter().map(|task| task.id.clone()).collect();
        let same = same_ids(found);
        let all_once = same.is_empty() && ids.iter().all(Option::is_some);
        for (id, tasks) in same {
            let groups: BTreeSet<Option<usize>> =
                tasks.iter().map(|task| self.plan.tasks[*task].group).collect();
            let restarted = !references::is_written_id(id) || id.starts_with(|c: char| c.is_ascii_digit());
            if restarted && groups.len() == tasks.len() && !groups.contains(&None) {
                for (task, code) in tasks.iter().zip(groups::codes_apart(&self.plan, &tasks)) {
                    ids[*task] = Some(format!("{code}/{id}"));
                }
                continue;
            }
            let first = self.plan.tasks[tasks[0]].line;
            for task in &tasks[1..] {
                let line = self.plan.tasks[*task].line;
                self.plan.diagnostics.push(
                    Diagnostic::error(
                        "duplicate-id",
                        Place::line(line),
                        format!("task `{id}` stands in this plan twice: on line {first} and on line {line}"),
                    )
                    .hint("give one of the two another id"),
                );
            }
        }
        let written: Vec<bool> = ids.iter().map(Option::is_some).collect();
        let bases: Vec<String> = ids
            .into_iter()
            .zip(&self.plan.tasks)
            .map(|(id, task)| id.unwrap_or_else(|| titles::id_of(&task.title)))
            .collect();
        // What is written and stands there once is unique.
        let others = if all_once { vec![None; bases.len()] } else { unique(&bases, &written) };
        self.tell_made(&written, &others);
        for ((task, base), other) in self.plan.tasks.iter_mut().zip(bases).zip(others) {
            let id = other.unwrap_or(base);
            if task.title.is_empty() {
                task.title.clone_from(&id);
            }
            task.id = TaskId::new(id);
        }
    }

    /// Says of ids that are made where they may become others: beside ids that are written, or of titles that
    /// stand there twice.
    fn tell_made(&mut self, written: &[bool], others: &[Option<String>]) {
        // Gates and checkpoints have no id by custom.
        let is_task = |task: usize| self.plan.tasks[task].kind == TaskKind::Task;
        let made: Vec<usize> = (0..written.len()).filter(|task| !written[*task] && is_task(*task)).collect();
        let twice = made.iter().find(|task| others[**task].is_some()).copied();
        let beside = made.first().copied().filter(|_| written.contains(&true));
        let Some(task) = twice.or(beside) else { return };
        let others = match made.len() - 1 {
            0 => " has".to_owned(),
            1 => " and 1 other task have".to_owned(),
            more => format!(" and {more} other tasks have"),
        };
        let title = titles::short(&self.plan.tasks[task].title, 60);
        let message = if twice.is_some() {
            format!(
                "a task called `{title}` stands here before: their ids are made of the title and their order"
            )
        } else {
            format!("`{title}`{others} no id beside tasks that have one: it is made of the title")
        };
        self.plan.diagnostics.push(
            Diagnostic::warning("id-made", Place::line(self.plan.tasks[task].line), message)
                .hint("an id that is written stays the same when the title changes"),
        );
    }

    /// Resolves what tasks and groups say they wait for.
    pub(crate) fn dependencies(&mut self, found: &[Found], stated: Vec<Vec<Stated>>, groups: &[Facts]) {
        let silent = stated.iter().all(Vec::is_empty)
            && found.iter().all(|task| task.title.depends.is_none())
            && groups.iter().all(|group| group.depends.is_empty());
        if silent && !declared::is_there(self.outline) {
            // Nobody names anything, so no name need be known.
            return;
        }
        let mut index = Index::default();
        index.tasks_are_phases = phases::are_tasks(self.outline, found);
        for (task, source) in found.iter().enumerate() {
            let made = &self.plan.tasks[task];
            index.task(task, made.id.as_str(), source.id.as_deref(), made.group);
            if let Some(alias) = self.aliases.get(&task) {
                index.task(task, alias, Some(alias), made.group);
            }
        }
        for (group, made) in self.plan.groups.iter().enumerate() {
            index.group(group, &made.title, made.number.as_deref(), made.parent);
        }
        // A phase that is itself a task answers as that task.
        let by_line: BTreeMap<u32, usize> = if self.plan.groups.is_empty() {
            BTreeMap::new()
        } else {
            self.plan.tasks.iter().enumerate().map(|(task, made)| (made.line, task)).collect()
        };
        let as_task = |edge: Dependency, groups: &[Group]| match edge {
            Dependency::Group(group) => {
                by_line.get(&groups[group].line).map_or(edge, |task| Dependency::Task(*task))
            }
            Dependency::Task(_) => edge,
        };
        for (task, mut stated) in stated.into_iter().enumerate() {
            if let Some(text) = &found[task].title.depends {
                stated.push((text.clone(), None));
            }
            if stated.is_empty() {
                continue;
            }
            let (id, group) = (&self.plan.tasks[task].id, self.plan.tasks[task].group);
            let name = format!("task `{id}`");
            let (edges, missing) = self.resolve(&index, &name, &stated, group, false, found[task].line);
            let edges = edges.into_iter().map(|edge| as_task(edge, &self.plan.groups)).collect();
            let made = &mut self.plan.tasks[task];
            made.states_dependencies = true;
            made.depends_on = edges;
            if !missing.is_empty() {
                made.held.extend(missing.iter().map(|id| HeldReason::MissingDependency(id.clone())));
                made.missing = missing;
            }
        }
        for (group, fact) in groups.iter().enumerate() {
            if fact.depends.is_empty() {
                continue;
            }
            let name = format!("group `{}`", self.plan.groups[group].title);
            let line = usize::try_from(self.plan.groups[group].line).unwrap_or(1).saturating_sub(1);
            let (edges, missing) = self.resolve(&index, &name, &fact.depends, Some(group), true, line);
            let mut edges: Vec<Dependency> =
                edges.into_iter().map(|edge| as_task(edge, &self.plan.groups)).collect();
            edges.retain(|edge| *edge != Dependency::Group(group));
            self.plan.groups[group].states_dependencies = true;
            self.plan.groups[group].depends_on = edges;
            self.plan.groups[group].missing = missing;
        }
        groups::hold_members(&mut self.plan);
        // What a group says itself is nearer than what a list says of it.
        for (group, edges, line) in
            declared::read(self.outline, &self.plan.groups, &index, self.plan.tasks.len())
        {
            if groups.get(group).is_some_and(|fact| fact.depends.is_empty()) {
                let made = &mut self.plan.groups[group];
                made.states_dependencies = true;
                made.origins.push(FieldOrigin {
                    field: TaskField::DependsOn,
                    value: String::new(),
                    from: FieldFrom::Group,
                    by: None,
                    line: Some(line),
                });
                made.depends_on.extend(edges);
            }
        }
        for group in &mut self.plan.groups {
            group.depends_on.sort_unstable();
            group.depends_on.dedup();
        }
    }

    /// Resolves values to edges; what is not there is told, and returned beside them.
    fn resolve(
        &mut self,
        index: &Index,
        name: &str,
        stated: &[Stated],
        group: Option<usize>,
        by_group: bool,
        line: usize,
    ) -> (Vec<Dependency>, Vec<String>) {
        let mut edges = Vec::new();
        let mut held = Vec::new();
        let options = self.options;
        let assumed = |id: &str| {
            let folded = names::folded(id);
            options.assume_done.iter().any(|done| names::folded(done) == folded)
        };
        let told = self.plan.diagnostics.len();
        for (value, start) in stated {
            if references::is_none(value) {
                continue;
            }
            for (part, range) in references::split(value) {
                if self.plan.diagnostics.len() - told >= MOST_TOLD {
                    let message = format!("{name} has more dependencies that are not understood");
                    self.plan.diagnostics.push(Diagnostic::error(
                        "missing-dependency",
                        Place::line(number(line)),
                        message,
                    ));
                    return (edges, held);
                }
                // What is too much is told once, and then not even counted.
                if self.edges > MOST_EDGES {
                    return (edges, held);
                }
                let named = index.read(part, group, by_group, self.plan.tasks.len());
                if let Named::Known(found) = named {
                    self.edges += found.len();
                    if self.edges > MOST_EDGES {
                        let message = format!("the plan states more than {MOST_EDGES} dependencies");
                        let diagnostic =
                            Diagnostic::error("too-many-dependencies", Place::line(number(line)), message)
                                .hint("let groups wait for groups instead of tasks for ranges of tasks");
                        self.plan.diagnostics.push(diagnostic);
                        return (edges, held);
                    }
                    edges.extend(found);
                    continue;
                }
                let place = start.map_or_else(
                    || Place::line(number(line)),
                    |start| self.outline.lines.place(start + range.start..start + range.end),
                );
                match named {
                    Named::Missing(id) if !assumed(&id) => {
                        self.suggested += 1;
                        let near =
                            (self.suggested <= SUGGESTIONS).then(|| suggest(&id, index.ids())).flatten();
                        let without = format!("to run it without, add --assume-done {id}");
                        let hint = match near {
                            Some(near) => {
                                format!("did you mean `{near}`? To run it without, add --assume-done {id}")
                            }
                            None => without,
                        };
                        self.plan.diagnostics.push(
                            Diagnostic::warning(
                                "missing-dependency",
                                place,
                                format!("{name} depends on `{id}`, which the plan does not have: it is held"),
                            )
                            .hint(hint),
                        );
                        held.push(id);
                    }
                    Named::Elsewhere(id) if !assumed(&id) => {
                        self.plan.diagnostics.push(
                            Diagnostic::warning(
                                "missing-dependency",
                                place,
                                format!("{name} waits for `{id}`, which is not of this plan: it is held"),
                            )
                            .hint(format!("once that is done, add --assume-done {id}")),
                        );
                        held.push(id);
                    }
                    Named::Known(_) | Named::Missing(_) | Named::Elsewhere(_) => {}
                    // `Phase 0 types + core interfaces`: more of a reason.
                    Named::Words(_)
                        if !edges.is_empty() && value[..range.start].trim_end().ends_with('+') => {}
                    Named::Words(words) => self.plan.diagnostics.push(
                        Diagnostic::warning(
                            "free-text-dependency",
                            place,
                            format!(
                                "{name} depends on `{}`, which names no task: it does not wait for it",
                                titles::short(&titles::clean(&words), 60)
                            ),
                        )
                        .hint("name the id of a task, or a group"),
                    ),
                }
            }
        }
        edges.sort_unstable();
        edges.dedup();
        (edges, held)
    }
}

/// The ids that are written more than once, with their tasks.
fn same_ids(found: &[Found]) -> BTreeMap<&str, Vec<usize>> {
    let mut first: HashMap<&str, usize> = HashMap::with_capacity(found.len());
    let mut same: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, task) in found.iter().enumerate() {
        if let Some(id) = &task.id {
            match first.entry(id.as_str()) {
                Entry::Occupied(first) => same.entry(id).or_insert_with(|| vec![*first.get()]).push(index),
                Entry::Vacant(free) => {
                    free.insert(index);
                }
            }
        }
    }
    same
}

/// What is known of a base of ids.
#[derive(Default)]
struct Base {
    /// A task is written with it, so no id that is made may be it.
    written: bool,
    /// It is the id of an earlier task.
    taken: bool,
    /// The last number that stands behind it in an id.
    last: usize,
}

impl Base {
    fn is_free(&self, written: bool) -> bool {
        !self.taken && (written || !self.written)
    }
}

/// Makes ids unique: for each that is taken already, another one, with a number behind it. Ids that are written
/// come before those that are made.
fn unique(bases: &[String], written: &[bool]) -> Vec<Option<String>> {
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(bases.len());
    let mut known: Vec<Base> = Vec::with_capacity(bases.len());
    let place_of: Vec<usize> = bases
        .iter()
        .zip(written)
        .map(|(base, written)| {
            let place = *places.entry(base).or_insert(known.len());
            if place == known.len() {
                known.push(Base { last: 1, ..Base::default() });
            }
            known[place].written |= written;
            place
        })
        .collect();
    let mut others = vec![None; bases.len()];
    if known.len() == bases.len() {
        return others;
    }
    let mut numbered: HashSet<String> = HashSet::new();
    for (((base, written), place), other) in bases.iter().zip(written).zip(place_of).zip(&mut others) {
        if known[place].is_free(*written) && !numbered.contains(base) {
            known[place].taken = true;
            continue;
        }
        let id = loop {
            known[place].last += 1;
            let id = format!("{base}-{}", known[place].last);
            let is_free = places.get(id.as_str()).is_none_or(|place| known[*place].is_free(*written));
            if is_free && !numbered.contains(&id) {
                break id;
            }
        };
        numbered.insert(id.clone());
        *other = Some(id);
    }
    others
}
