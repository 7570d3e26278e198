//! From what a reader found to a plan: groups, ids, fields, statuses, stated dependencies.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;

use super::boxes::without_box;
use super::facts;
use super::facts::Facts;
use super::facts::Stated;
use super::fields;
use super::found::Findings;
use super::found::Found;
use super::found::Holder;
use super::generic;
use super::groups;
use super::joins;
use super::lines::number;
use super::marks::Marks;
use super::matter::Matter;
use super::names;
use super::native;
use super::origins;
use super::outline::Outline;
use super::states;
use super::states::Conflicts;
use super::states::Said;
use super::steps::Steps;
use super::titles;
use super::types::Defaults;
use super::types::Details;
use super::types::Group;
use super::types::Plan;
use super::types::PlanTask;
use super::types::ReadOptions;
use super::words;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::ids::TaskId;
use crate::model::task::BoxPlace;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;

/// The most text that every task is given, in bytes: it goes into every prompt.
pub(crate) const MOST_PREAMBLE: usize = 64 * 1024;

/// Makes the plan.
pub(crate) fn plan(
    outline: &Outline<'_>,
    findings: &mut Findings,
    matter: Matter,
    options: &ReadOptions,
    marks: &Marks,
    diagnostics: Vec<Diagnostic>,
) -> Plan {
    let native = matter.native;
    let mut maker = Maker {
        outline,
        options,
        marks,
        plan: Plan { diagnostics, ..Plan::default() },
        suggested: 0,
        edges: 0,
        native,
        conflicts: Conflicts::default(),
        aliases: BTreeMap::new(),
    };
    maker.header(matter, &findings.tasks);
    let (group_of, group_facts) = maker.groups(&findings.tasks);
    let mut boxes = vec![None; group_facts.len()];
    for (holder, group) in &group_of {
        if let Holder::Item(item) = holder {
            boxes[*group] = outline.items[*item].mark.and_then(|mark| marks.status(&mark));
        }
    }
    let mut stated: Vec<Vec<Stated>> = Vec::with_capacity(findings.tasks.len());
    let done_mark = done_mark(outline);
    let steps = Steps::new(outline, marks);
    maker.plan.tasks.reserve_exact(findings.tasks.len());
    // Tasks of one group stand together, so it is looked up once for all of them.
    let mut last: (Option<Holder>, Option<usize>) = (None, None);
    for (index, found) in findings.tasks.iter_mut().enumerate() {
        if found.holder != last.0 {
            last = (found.holder, found.holder.and_then(|holder| group_of.get(&holder).copied()));
        }
        let mut fact = facts::read(outline, found, &mut maker.plan.diagnostics);
        stated.push(std::mem::take(&mut fact.depends));
        if let Some(alias) = fact.alias.take().filter(|alias| found.id.as_ref() != Some(alias)) {
            maker.aliases.insert(index, alias);
        }
        let task = maker.task(found, last.1, fact, done_mark, &steps);
        maker.plan.tasks.push(task);
    }
    maker.ids(&findings.tasks);
    std::mem::take(&mut maker.conflicts).finish(&boxes, &mut maker.plan);
    if native {
        let assumed = options.assume_done.iter().map(|id| names::folded(id)).collect();
        native::read::finish(outline, &findings.tasks, &stated, &group_facts, &assumed, &mut maker.plan);
    } else {
        maker.dependencies(&findings.tasks, stated, &group_facts);
    }
    maker.plan
}

/// A plan on its way.
pub(crate) struct Maker<'o, 't> {
    pub(crate) outline: &'o Outline<'t>,
    pub(crate) options: &'o ReadOptions,
    /// What its marks mean.
    pub(crate) marks: &'o Marks,
    pub(crate) plan: Plan,
    /// How many suggestions were looked for.
    pub(crate) suggested: usize,
    /// How many edges were stated.
    pub(crate) edges: usize,
    /// Whether the plan is read exactly.
    pub(crate) native: bool,
    /// Places that disagree.
    conflicts: Conflicts,
    /// Other names of tasks.
    pub(crate) aliases: BTreeMap<usize, String>,
}

impl Maker<'_, '_> {
    /// Title, status, mode and defaults from the document's header and front matter.
    fn header(&mut self, matter: Matter, tasks: &[Found]) {
        let outline = self.outline;
        let first = outline.headings.first().filter(|heading| heading.level == 1);
        let title = first.map(|heading| generic::plan_title(&heading.title));
        self.plan.title = title.filter(|title| !title.is_empty()).or(matter.title).unwrap_or_default();
        self.plan.depends_on_plans = matter.plans;
        self.plan.mode_sequential = matter.sequential;
        self.plan.defaults = matter.defaults;
        self.plan.origins = matter.origins;
        let first_task = tasks.iter().map(|task| task.line).min().unwrap_or(outline.lines.len());
        let after =
            first.map_or_else(|| outline.blocks.front_matter.as_ref().map_or(0, |m| m.end + 1), |h| h.after);
        let end = outline
            .headings
            .iter()
            .find(|heading| heading.line >= after)
            .map_or(outline.lines.len(), |h| h.line);
        // A card stands for its whole document, header included.
        let header_end = if first_task > after { end.min(first_task) } else { end.max(after) };
        // An exact plan says all of it in its front matter.
        let header = if self.native { Vec::new() } else { fields::read(outline, after..header_end, None) };
        let status_limit = after + 15;
        let is_card =
            header.iter().any(|field| field.key == fields::Key::Agent && generic::is_executor(&field.name));
        let mut status = matter.status;
        for field in &header {
            let value = titles::clean(outline.lines.text.get(field.value.clone()).unwrap_or(""));
            match field.key {
                fields::Key::Status if field.line < status_limit => {
                    status.get_or_insert(value);
                }
                fields::Key::Agent if generic::is_executor(&field.name) => {
                    if self.plan.defaults.agent.is_none() {
                        self.plan.origins.extend(origins::of_field(outline, field, FieldFrom::Header));
                    }
                    self.plan.defaults.agent.get_or_insert(facts::agent_name(&value));
                }
                // What a header says of who does the work, it says of how, too.
                fields::Key::Model if is_card => {
                    self.plan.defaults.model.get_or_insert(value);
                }
                fields::Key::Priority if is_card => {
                    let priority = words::priority(&value);
                    self.plan.defaults.priority = self.plan.defaults.priority.or(priority);
                }
                fields::Key::Status
                | fields::Key::Agent
                | fields::Key::DependsOn
                | fields::Key::Model
                | fields::Key::Layer
                | fields::Key::Command
                | fields::Key::Files(_)
                | fields::Key::Verify
                | fields::Key::Acceptance
                | fields::Key::Priority
                | fields::Key::Timeout
                | fields::Key::Retries
                | fields::Key::Parallel
                | fields::Key::Optional
                | fields::Key::Gate
                | fields::Key::Requirements
                | fields::Key::Output
                | fields::Key::Mode => {}
            }
        }
        if !self.native && status.is_none() {
            status = self.quoted_status(after..header_end.min(status_limit));
        }
        self.plan.mode_sequential |= !self.native && self.is_sequential(first_task);
        if let Some(status) = &status {
            self.plan.over = words::plan_is_over(status);
            if words::begins_with(status, "draft") {
                self.plan.diagnostics.push(Diagnostic::warning(
                    "plan-draft",
                    Place::WHOLE,
                    "the plan calls itself a draft",
                ));
            }
        }
        self.plan.status = status;
        let holder = tasks.iter().filter_map(|task| match task.holder {
            Some(Holder::Heading(heading)) => Some(outline.headings[heading].line),
            Some(Holder::Item(_)) | None => None,
        });
        let body_start = holder.chain(std::iter::once(first_task)).filter(|line| *line >= after).min();
        // Where the front matter lists the tasks, all of the text explains them.
        let in_matter =
            outline.blocks.front_matter.as_ref().is_some_and(|matter| matter.contains(&first_task));
        let body_start = body_start.unwrap_or(if in_matter { outline.lines.len() } else { after });
        let preamble = outline.lines.slice(after, body_start.max(after)).trim();
        preamble[..preamble.floor_char_boundary(MOST_PREAMBLE)].clone_into(&mut self.plan.preamble);
        if !self.native {
            self.criteria(body_start, tasks);
        }
    }

    /// `> **Status:** done` near the title.
    fn quoted_status(&self, mut near: Range<usize>) -> Option<String> {
        let outline = self.outline;
        near.find_map(|line| {
            let text = outline.lines.get(line).trim_start().strip_prefix('>')?.trim();
            let (name, value) = fields::split(text)?;
            let is_status = outline.kind(line) == super::blocks::LineKind::Quote
                && fields::key_of(name) == Some(fields::Key::Status);
            is_status.then(|| titles::clean(&text[value]))
        })
    }

    /// Sections of criteria that belong to no task are for all of them.
    fn criteria(&mut self, from: usize, tasks: &[Found]) {
        let outline = self.outline;
        let mut bodies: Vec<(usize, usize)> =
            tasks.iter().map(|task| (task.body.start, task.body.end)).collect();
        bodies.sort_unstable();
        for heading in outline.headings.iter().filter(|heading| heading.closed && heading.line >= from) {
            let outermost = heading.parent.is_none_or(|parent| !outline.headings[parent].closed);
            let before = bodies.partition_point(|(start, _)| *start <= heading.line);
            let in_task = bodies[..before].last().is_some_and(|(_, end)| heading.line < *end);
            let first = outline.items.partition_point(|item| item.line < heading.line);
            let boxes = outline.items[first..].iter().take_while(|item| item.line < heading.end);
            if !outermost || in_task || !boxes.into_iter().any(|item| item.mark.is_some()) {
                continue;
            }
            let section = outline.lines.slice(heading.line, heading.end).trim();
            if self.plan.preamble.len() + section.len() > MOST_PREAMBLE {
                break;
            }
            self.plan.preamble.push_str("\n\n");
            self.plan.preamble.push_str(section);
        }
    }

    /// A `Mode: Sequential` line anywhere before the first task.
    fn is_sequential(&self, first_task: usize) -> bool {
        (0..first_task).any(|line| {
            let text = self.outline.lines.get(line);
            if text.len() > 200 || self.outline.kind(line) != super::blocks::LineKind::Text {
                return false;
            }
            let text = text.trim_start().trim_start_matches(['-', '*', '+', ' ']);
            fields::split(text).is_some_and(|(name, value)| {
                let value = titles::clean(&text[value]);
                fields::key_of(name) == Some(fields::Key::Mode)
                    && words::begins_with(&value, "sequential")
                    && !value.to_lowercase().contains("parallel")
            })
        })
    }

    /// The groups that hold tasks, directly or not, in the order of the file.
    fn groups(&mut self, tasks: &[Found]) -> (BTreeMap<Holder, usize>, Vec<Facts>) {
        let outline = self.outline;
        let tops = outline.headings.iter().filter(|heading| heading.level == 1).count();
        let around = |holder: Holder| match holder {
            Holder::Heading(heading) => outline.headings[heading].parent.map(Holder::Heading),
            Holder::Item(item) => {
                let item = &outline.items[item];
                match item.parent {
                    Some(parent) => Some(Holder::Item(parent)),
                    None => item.heading.map(Holder::Heading),
                }
            }
        };
        let is_title = |holder: &Holder| matches!(holder, Holder::Heading(h) if outline.headings[*h].level == 1 && (tops == 1 || self.native));
        let line_of = |holder: &Holder| match holder {
            Holder::Heading(heading) => outline.headings[*heading].line,
            Holder::Item(item) => outline.items[*item].line,
        };
        let mut seen: BTreeSet<Holder> = BTreeSet::new();
        let mut last = None;
        for task in tasks {
            let mut holder = task.holder;
            if holder == last {
                continue;
            }
            last = holder;
            while let Some(found) = holder.filter(|holder| !is_title(holder)) {
                if !seen.insert(found) {
                    break;
                }
                holder = around(found);
            }
        }
        let mut sorted: Vec<Holder> = seen.into_iter().collect();
        sorted.sort_by_key(line_of);
        let index: BTreeMap<Holder, usize> =
            sorted.iter().enumerate().map(|(i, holder)| (*holder, i)).collect();
        let mut first_lines: BTreeMap<Holder, usize> = BTreeMap::new();
        for together in tasks.chunk_by(|a, b| a.holder == b.holder) {
            let first = together.iter().map(|task| task.line).min();
            if let (Some(holder), Some(first)) = (together[0].holder, first) {
                let line = first_lines.entry(holder).or_insert(first);
                *line = first.min(*line);
            }
        }
        let mut all_facts = Vec::with_capacity(sorted.len());
        for holder in &sorted {
            let (title, line, span, owner) = match holder {
                Holder::Heading(heading) => {
                    let heading = &outline.headings[*heading];
                    let start = outline.lines.start(heading.line);
                    let visible = outline.visible(heading.line);
                    let raw = visible.get(heading.text.start - start..heading.text.end - start).unwrap_or("");
                    let raw = without_box(raw).to_owned();
                    (raw, heading.line, heading.after..heading.own_end, None)
                }
                Holder::Item(item) => {
                    let found = &outline.items[*item];
                    (
                        outline.paragraph(found).into_owned(),
                        found.line,
                        found.line + 1..found.end,
                        Some(*item),
                    )
                }
            };
            let end = first_lines.get(holder).copied().unwrap_or(span.end).clamp(span.start, span.end);
            let keys = if self.native {
                native::read::key_list(outline, span.start..end, owner)
            } else {
                span.start..end
            };
            let fact = facts::of_group(outline, keys, owner, &mut self.plan.diagnostics);
            let parent = around(*holder)
                .filter(|parent| !is_title(parent))
                .and_then(|parent| index.get(&parent).copied());
            let mut made = match holder {
                Holder::Heading(heading) if self.native => {
                    native::read::made_group(outline, *heading, parent, &fact)
                }
                Holder::Heading(_) | Holder::Item(_) => groups::group(&title, line, parent, &fact),
            };
            outline.lines.slice(span.start, end).trim().clone_into(&mut made.context);
            self.plan.groups.push(made);
            all_facts.push(fact);
        }
        (index, all_facts)
    }

    fn task(
        &mut self,
        found: &mut Found,
        group: Option<usize>,
        fact: Facts,
        done_mark: char,
        steps: &Steps<'_, '_>,
    ) -> PlanTask {
        let outline = self.outline;
        let mut held = Vec::new();
        let (done, total) = steps.count(found);
        let of_steps = status_of_steps(done, total);
        let of_box = found.mark.map(|(_, mark)| self.marks.status(&mark));
        let mut status = fact.status.or(found.status).or(found.title.status);
        if status.is_none()
            && let Some((line, mark)) = found.mark
        {
            let at = outline.lines.start(line) + mark.offset;
            let place = || outline.lines.place(at..at + mark.sign.len_utf8());
            if self.marks.status(&mark).is_none() {
                held.push(HeldReason::UnknownMarker(mark.sign.to_string()));
                self.plan.diagnostics.push(
                    Diagnostic::warning(
                        "unknown-marker",
                        place(),
                        format!("nobody knows the mark `{}`: the task is held", mark.sign),
                    )
                    .hint("write `[ ]` to have it run, `[x]` if it is done"),
                );
                status = Some(PlanStatus::Open);
            } else if self.marks.is_guess(&mark) {
                self.plan.diagnostics.push(Diagnostic::warning(
                    "unknown-marker",
                    place(),
                    "the mark `-` is taken as skipped",
                ));
            }
        }
        let said = Said {
            told: fact.status.or(found.status).or(found.title.status),
            boxed: of_box.flatten(),
            steps: (done, total),
        };
        if let Some(message) = states::disagreement(&said) {
            self.conflicts.tell(number(found.line), message, &mut self.plan.diagnostics);
        }
        let status = status.or(of_box.flatten()).or(of_steps).unwrap_or_default();
        if let Some(gate) = &fact.gate {
            held.push(HeldReason::Gate(gate.clone()));
        }
        for ancestor in ancestors(&self.plan.groups, group) {
            let ancestor = &self.plan.groups[ancestor];
            if let Some(gate) = &ancestor.gate {
                held.push(HeldReason::Gate(gate.clone()));
            }
            if matches!(ancestor.status, Some(PlanStatus::Skipped | PlanStatus::Done)) {
                held.push(HeldReason::GroupDeferred(ancestor.title.clone()));
            }
        }
        let title = std::mem::take(&mut found.title.text);
        let kind = kind(&fact, &title);
        let tick = box_place(outline, found, done_mark);
        let (by_line, origins) = origins::of_found(outline, found, &fact, total > 0);
        let end = fact.body_end.max(found.body.start);
        let mut body = outline.lines.slice(found.body.start, end).to_owned();
        if !found.cells.is_empty() {
            body.push_str(&joins::text_of_rows(outline, found, end));
        }
        let priority = fact.defaults.priority.or(found.title.priority);
        let details = Details {
            file: None,
            held,
            missing: Vec::new(),
            own: Defaults { priority, ..fact.defaults },
            command: fact.command,
            shell: fact.shell,
            files: fact.files,
            outputs: fact.outputs,
            acceptance: fact.acceptance,
            requirements: fact.requirements,
            brief: fact.brief,
            origins,
        };
        PlanTask {
            id: TaskId::new(""),
            title,
            body,
            line: number(found.line),
            status,
            kind,
            group,
            depends_on: Vec::new(),
            states_dependencies: false,
            parallel: fact.parallel.or(if found.title.parallel { Some(true) } else { None }),
            ordered: found.ordered,
            optional: fact.optional.unwrap_or(false)
                || found.title.optional
                || found.mark.is_some_and(|(_, mark)| mark.star),
            tick,
            by_line: Some(by_line),
            details: details.into(),
        }
    }
}

/// Where the box of a task stands.
fn box_place(outline: &Outline<'_>, found: &Found, done_mark: char) -> Option<BoxPlace> {
    found.mark.map(|(line, mark)| BoxPlace {
        file: None,
        line: number(line),
        column: u32::try_from(outline.lines.before(line) + mark.offset).unwrap_or(u32::MAX),
        line_hash: outline.lines.hash(line),
        tick: done_mark,
        progress: None,
    })
}

/// Whether a title is that of a checkpoint: `Checkpoint: all tests pass`, `Final checkpoint - …`.
fn is_checkpoint(title: &str) -> bool {
    if !has_word(title, b'k', "checkpoint") {
        return false;
    }
    let end = [" - ", " — ", " – ", ":", "："].iter().filter_map(|sign| title.find(sign)).min();
    let name = title[..end.unwrap_or(title.len())].trim().to_lowercase();
    let last = name.rsplit(' ').next() == Some("checkpoint");
    words::begins_with(title, "checkpoint") || (last && name.split(' ').count() <= 3)
}

/// What the steps of a task say of it: how many are done, of how many.
fn status_of_steps(done: usize, total: usize) -> Option<PlanStatus> {
    match (done, total) {
        (_, 0) => None,
        (0, _) => Some(PlanStatus::Open),
        (done, total) if done == total => Some(PlanStatus::Done),
        _ => Some(PlanStatus::InProgress),
    }
}

/// A group and those around it, innermost first.
pub(crate) fn ancestors(groups: &[Group], group: Option<usize>) -> impl Iterator<Item = usize> {
    std::iter::successors(group, |group| groups[*group].parent)
}

/// Whether a title has a word in either case; `rare` is a letter of it that few titles have. Nearly all titles
/// are told by it.
fn has_word(title: &str, rare: u8, word: &str) -> bool {
    let before = word.bytes().position(|byte| byte == rare).unwrap_or(0);
    memchr::memchr2_iter(rare, rare.to_ascii_uppercase(), title.as_bytes()).any(|at| {
        at.checked_sub(before)
            .and_then(|start| title.get(start..start + word.len()))
            .is_some_and(|part| part.eq_ignore_ascii_case(word))
    })
}

/// Whether a title says that a person has to agree: `MANUAL APPROVAL GATE: look at the drawing`.
fn is_approval(title: &str) -> bool {
    if !has_word(title, b'g', "gate") {
        return false;
    }
    let end = [" - ", " — ", " – ", ":", "："].iter().filter_map(|sign| title.find(sign)).min();
    let name = title[..end.unwrap_or(title.len())].trim().to_lowercase();
    ["approval gate", "manual gate", "human gate", "manual approval gate", "human approval gate"]
        .contains(&name.as_str())
}

/// Work of a person is a gate, whatever its title says.
fn kind(fact: &Facts, title: &str) -> TaskKind {
    if fact.by_person || is_approval(title) {
        TaskKind::Gate
    } else if is_checkpoint(title) {
        TaskKind::Checkpoint
    } else {
        TaskKind::Task
    }
}

/// The mark that this plan uses for done.
fn done_mark(outline: &Outline<'_>) -> char {
    let (mut small, mut capital) = (0_usize, 0_usize);
    for mark in outline.items.iter().filter_map(|item| item.mark) {
        small += usize::from(mark.sign == 'x');
        capital += usize::from(mark.sign == 'X');
    }
    if capital > small { 'X' } else { 'x' }
}
