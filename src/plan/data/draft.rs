//! A plan that is made of data: tasks and groups by their ids, then what waits for what.
//!
//! Names are looked up when all tasks are known, nearest first: among the siblings, then in the whole
//! plan. What is not there holds the task; nothing is guessed.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::diagnostics::suggest;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::check::TaskField;
use crate::model::ids::TaskId;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;
use crate::plan::formats::Format;
use crate::plan::groups;
use crate::plan::lines::Lines;
use crate::plan::lines::number;
use crate::plan::names;
use crate::plan::titles;
use crate::plan::types::Dependency;
use crate::plan::types::Few;
use crate::plan::types::Group;
use crate::plan::types::Plan;
use crate::plan::types::PlanTask;
use crate::plan::types::ReadOptions;
use crate::plan::words;

/// The most dependencies that a plan may state.
const MOST_WISHES: usize = 1_000_000;

/// The most mistakes of one kind that are told one by one.
const MOST_TOLD: usize = 50;

/// Lines that are longer are not counted through, in bytes.
const LONG_LINE: usize = 4_096;

/// The most dependencies of one task whose lines are kept.
const MOST_PLACES: usize = 256;

/// A dependency as written.
#[derive(Debug)]
struct Wish {
    /// Who waits.
    owner: Dependency,
    /// For what.
    text: String,
    /// Where that is written.
    place: Place,
    /// The file it is written in.
    file: Option<String>,
    /// The group whose tasks and groups come first.
    near: Option<usize>,
}

/// A plan on its way.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What is there of it.
    pub(crate) plan: Plan,
    /// The file that is being read, where the plan has several.
    pub(crate) file: Option<String>,
    /// What the keys of that file stand in.
    pub(crate) from: FieldFrom,
    exact: BTreeMap<String, Dependency>,
    folded: BTreeMap<String, Dependency>,
    lines: BTreeMap<String, (u32, Option<String>)>,
    aliases: BTreeMap<String, Dependency>,
    near: BTreeMap<(usize, String), Dependency>,
    wishes: Vec<Wish>,
}

/// A task of which nothing is known but where it stands and what it is called. It goes when it may:
/// data say what they wait for.
pub(crate) fn task(id: &str, title: &str, line: u32) -> PlanTask {
    let title = titles::clean(title);
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    PlanTask {
        id: TaskId::new(id),
        title: if title.is_empty() { id.to_owned() } else { title },
        body: String::new(),
        line,
        status: PlanStatus::Open,
        kind: TaskKind::Task,
        group: None,
        depends_on: Vec::new(),
        states_dependencies: true,
        parallel: None,
        ordered: false,
        optional: false,
        tick: None,
        by_line: None,
        details: Few::default(),
    }
}

impl Draft {
    /// An empty plan of a format; `reason` says why it is taken for one.
    pub(crate) fn new(format: Format, reason: &str) -> Self {
        let plan =
            Plan { format: format.name().to_owned(), format_reason: reason.to_owned(), ..Plan::default() };
        Self {
            plan,
            file: None,
            from: FieldFrom::Data,
            exact: BTreeMap::new(),
            folded: BTreeMap::new(),
            lines: BTreeMap::new(),
            aliases: BTreeMap::new(),
            near: BTreeMap::new(),
            wishes: Vec::new(),
        }
    }

    /// Adds something to be told, of the file that is being read.
    pub(crate) fn tell(&mut self, diagnostic: Diagnostic) {
        let diagnostic = match &self.file {
            Some(file) => diagnostic.in_file(file.clone()),
            None => diagnostic,
        };
        self.plan.diagnostics.push(diagnostic);
    }

    /// Adds a task. `short` is its name among its siblings, where that is another one.
    pub(crate) fn task(&mut self, mut task: PlanTask, short: Option<&str>) -> usize {
        let index = self.plan.tasks.len();
        task.file.clone_from(&self.file);
        let id = self.known(task.id.as_str(), short, task.group, task.line, Dependency::Task(index));
        task.id = TaskId::new(id);
        self.plan.tasks.push(task);
        index
    }

    /// Adds a group. Its number is its id.
    pub(crate) fn group(&mut self, mut group: Group, short: Option<&str>) -> usize {
        let index = self.plan.groups.len();
        group.file.clone_from(&self.file);
        let id = group.number.clone().unwrap_or_default();
        self.known(&id, short, group.parent, group.line, Dependency::Group(index));
        self.plan.groups.push(group);
        index
    }

    /// Makes a name known; of two that are the same, the second gets another one, and both are told.
    fn known(
        &mut self,
        id: &str,
        short: Option<&str>,
        group: Option<usize>,
        line: u32,
        of: Dependency,
    ) -> String {
        let mut unique = id.to_owned();
        if let Some((first, file)) = self.lines.get(id) {
            let first = match file.as_ref().filter(|file| Some(*file) != self.file.as_ref()) {
                Some(file) => format!("on line {first} of `{file}`"),
                None => format!("on line {first}"),
            };
            let message = format!("`{id}` stands in this plan twice: {first} and on line {line}");
            self.tell(
                Diagnostic::error("duplicate-id", Place::line(line), message)
                    .hint("give one of the two another id"),
            );
            // Any number will do that is free: nothing of such a plan is run.
            let mut count = self.lines.len() + 1;
            while self.lines.contains_key(&unique) {
                unique = format!("{id}-{count}");
                count += 1;
            }
        } else {
            self.exact.insert(id.to_owned(), of);
            self.folded.entry(names::folded(id)).or_insert(of);
            if let Some(group) = group {
                self.near.entry((group, names::folded(short.unwrap_or(id)))).or_insert(of);
            }
        }
        self.lines.insert(unique.clone(), (line, self.file.clone()));
        unique
    }

    /// Makes one more name known, for those who name what nobody is called.
    pub(crate) fn alias(&mut self, name: &str, of: Dependency) {
        self.aliases.entry(name.to_owned()).or_insert(of);
    }

    /// Notes what a task or group waits for, as written; `near` is the group whose members come first.
    pub(crate) fn wish(&mut self, owner: Dependency, text: &str, place: Place, near: Option<usize>) {
        if self.wishes.len() == MOST_WISHES {
            let message = format!("the plan states more than {MOST_WISHES} dependencies");
            self.tell(Diagnostic::error("too-many-dependencies", place, message));
        }
        if self.wishes.len() <= MOST_WISHES {
            let (text, file) = (text.trim().to_owned(), self.file.clone());
            let origins = match owner {
                Dependency::Task(task) => &mut self.plan.tasks[task].origins,
                Dependency::Group(group) => &mut self.plan.groups[group].origins,
            };
            if origins.len() < MOST_PLACES {
                origins.push(FieldOrigin {
                    field: TaskField::DependsOn,
                    value: titles::short(&text, 60),
                    from: self.from,
                    by: None,
                    line: Some(place.line).filter(|line| *line > 0),
                });
            }
            self.wishes.push(Wish { owner, text, place, file, near });
        }
    }

    /// Reads a status; a word that nobody knows is told, and is never done.
    pub(crate) fn status(&mut self, text: Option<&str>, place: Place) -> PlanStatus {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else {
            return PlanStatus::Open;
        };
        let known = words::status(text);
        let blocked = words::begins_with(text, "blocked");
        if known.is_none() || blocked {
            let short = titles::short(text, 40);
            let message = if blocked {
                format!("the plan says `{short}` and not why: the task is open")
            } else {
                format!("nobody knows the status `{short}`: it is taken as open")
            };
            self.tell(Diagnostic::warning("unknown-status", place, message));
        }
        known.unwrap_or_default()
    }

    /// What a name means to somebody.
    fn find(&self, wish: &Wish) -> Option<Dependency> {
        let folded = names::folded(&wish.text);
        wish.near
            .and_then(|group| self.near.get(&(group, folded.clone())))
            .or_else(|| self.exact.get(&wish.text))
            .or_else(|| self.folded.get(&folded))
            .or_else(|| self.aliases.get(folded.trim_start_matches(|c: char| c.is_alphabetic())))
            .or_else(|| {
                // `Task 3`, `TASK-3`, `#3` where ids are numbers alone.
                let bare = names::folded(without_word(&wish.text)?);
                wish.near
                    .and_then(|group| self.near.get(&(group, bare.clone())))
                    .or_else(|| self.folded.get(&bare))
            })
            .copied()
    }

    /// Looks up all names and closes the plan.
    pub(crate) fn finish(mut self, options: &ReadOptions) -> Plan {
        let assumed: BTreeSet<String> = options.assume_done.iter().map(|id| names::folded(id)).collect();
        let mut told = 0_usize;
        for wish in std::mem::take(&mut self.wishes) {
            if let Some(found) = self.find(&wish) {
                match wish.owner {
                    Dependency::Task(task) => self.plan.tasks[task].depends_on.push(found),
                    Dependency::Group(group) => self.plan.groups[group].depends_on.push(found),
                }
                continue;
            }
            if assumed.contains(&names::folded(&wish.text)) {
                continue;
            }
            told += 1;
            self.missing(&wish, told);
        }
        if told > MOST_TOLD {
            let message = format!("{} more dependencies name what the plan does not have", told - MOST_TOLD);
            self.plan.diagnostics.push(Diagnostic::warning("missing-dependency", Place::WHOLE, message));
        }
        for task in &mut self.plan.tasks {
            task.depends_on.sort_unstable();
            task.depends_on.dedup();
        }
        for group in &mut self.plan.groups {
            group.depends_on.sort_unstable();
            group.depends_on.dedup();
        }
        groups::hold_members(&mut self.plan);
        self.plan
    }

    fn missing(&mut self, wish: &Wish, told: usize) {
        let (name, met) = match wish.owner {
            Dependency::Task(task) => {
                let task = &mut self.plan.tasks[task];
                task.missing.push(wish.text.clone());
                if !task.status.is_met() {
                    task.held.push(HeldReason::MissingDependency(wish.text.clone()));
                }
                (format!("task `{}`", task.id), task.status.is_met())
            }
            Dependency::Group(group) => {
                let group = &mut self.plan.groups[group];
                group.missing.push(wish.text.clone());
                let met = group.status.is_some_and(PlanStatus::is_met);
                (format!("`{}`", group.number.as_deref().unwrap_or(&group.title)), met)
            }
        };
        if met || told > MOST_TOLD {
            return;
        }
        let id = titles::short(&wish.text, 60);
        let message = format!("{name} waits for `{id}`, which is not of this plan: it is held");
        let near = (told <= 20).then(|| suggest(&wish.text, self.exact.keys().map(String::as_str))).flatten();
        let without = format!("once that is done, add --assume-done {id}");
        let hint = near.map_or(without.clone(), |near| format!("did you mean `{near}`? If not: {without}"));
        let mut diagnostic = Diagnostic::warning("missing-dependency", wish.place, message).hint(hint);
        diagnostic.file.clone_from(&wish.file);
        self.plan.diagnostics.push(diagnostic);
    }
}

/// The number after `Task`, `Subtask` or `#`, if there is nothing else.
fn without_word(name: &str) -> Option<&str> {
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let known = ["", "task", "subtask"].iter().any(|word| name[..letters].eq_ignore_ascii_case(word));
    let number = name[letters..].trim_start_matches(['#', '-', '_', ' ']);
    let is_number = number.starts_with(|c: char| c.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    (known && number.len() < name.len() && is_number).then_some(number)
}

/// The place of some bytes. In a line that is very long the line alone: counting its characters for each
/// of its values would take the square of its length.
pub(crate) fn place(lines: &Lines<'_>, at: Range<usize>) -> Place {
    let line = lines.at(at.start);
    let end = lines.end(line);
    if end - lines.start(line) > LONG_LINE {
        return Place::line(number(line));
    }
    lines.place(at.start..at.end.min(end).max(at.start))
}

/// A text of labelled sections, empty ones left out.
pub(crate) fn body(parts: &[(&str, Option<&str>)]) -> String {
    let mut text = String::new();
    for (label, part) in parts {
        let Some(part) = part.map(str::trim).filter(|part| !part.is_empty()) else { continue };
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        if !label.is_empty() {
            text.push_str("**");
            text.push_str(label);
            text.push_str("**:");
            text.push(if part.contains('\n') { '\n' } else { ' ' });
        }
        text.push_str(part);
    }
    text
}
