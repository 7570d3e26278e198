//! What a plan says it waits for: values such as `T001, T003-T005 and Phase 2 (needs the schema)`.
//!
//! A part names a task, a group, something shaped like an id that is not there, or nothing but
//! words. Parentheses and words after an id are reasons.

use std::cell::Cell;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::ops::Range;

use super::names;
use super::names::Shape;
use super::phases::phase_number;
use super::spoken::Kind;
use super::spoken::reference;
use super::types::Dependency;
use super::words;

/// The longest part that is looked at; what is longer is prose.
const LONGEST_PART: usize = 400;

/// The most words that are held against ids; a plan with more of them is full of prose ...
const MOST_GUESSES: usize = 500;

/// ... and the most ids that each is held against.
const LONGEST_GUESS: usize = 1_000;

/// The most groups that are looked at for words such as `all previous phases`, in all.
const MOST_LOOKS: usize = 4_000_000;

/// What a part of a value names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// Tasks or groups of this plan.
    Known(Vec<Dependency>),
    /// Shaped like an id of this plan, which has no such task.
    Missing(String),
    /// Shaped like an id of another plan: this one has none of its kind.
    Elsewhere(String),
    /// Free words.
    Words(String),
}

/// All names by which tasks and groups can be referred to.
#[derive(Debug, Default)]
pub(crate) struct Index {
    exact: HashMap<String, usize>,
    tasks: Vec<Known>,
    /// Made when it is first asked: most references are exact.
    folded: OnceCell<HashMap<String, Alike>>,
    groups: BTreeMap<String, Option<usize>>,
    group_words: BTreeMap<String, Option<usize>>,
    letters: BTreeSet<String>,
    last_letters: String,
    numbers: bool,
    /// How many words were held against ids to see whether they were meant as one.
    guesses: Cell<usize>,
    /// Groups that are phases, waves and the like.
    phases: BTreeSet<usize>,
    /// Whether the tasks themselves are phases.
    pub(crate) tasks_are_phases: bool,
    /// For each group the one around it.
    parents: Vec<Option<usize>>,
    /// Groups by the numbers of the user stories that they are; none: several are.
    stories: BTreeMap<String, Option<usize>>,
    /// How many groups were looked at for words that mean all of them.
    looks: Cell<usize>,
}

/// A task with its names.
#[derive(Debug)]
struct Known {
    task: usize,
    id: String,
    /// Where that is not its id.
    written: Option<String>,
    group: Option<usize>,
}

/// The tasks whose names are the same when they are compared loosely.
#[derive(Debug)]
struct Alike {
    /// The first of them.
    first: (Option<usize>, usize),
    /// The first one of each other group.
    others: BTreeMap<Option<usize>, usize>,
    /// Whether there is one only.
    only: bool,
}

impl Alike {
    fn in_group(&self, group: Option<usize>) -> Option<usize> {
        if self.first.0 == group { Some(self.first.1) } else { self.others.get(&group).copied() }
    }

    fn add(&mut self, group: Option<usize>, task: usize) {
        self.only &= self.first.1 == task;
        if self.first.0 != group {
            self.others.entry(group).or_insert(task);
        }
    }
}

impl Index {
    /// Makes a task known: by its id, by the id as written, and within its group.
    pub(crate) fn task(&mut self, index: usize, id: &str, written: Option<&str>, group: Option<usize>) {
        self.exact.entry(id.to_owned()).or_insert(index);
        if let Some(written) = written {
            match letters(written) {
                // Most ids share their letters with the one before.
                Some(letters) if self.last_letters.eq_ignore_ascii_case(letters) => {}
                Some(letters) => {
                    letters.clone_into(&mut self.last_letters);
                    self.letters.insert(letters.to_lowercase());
                }
                None => self.numbers = true,
            }
        }
        let written = written.filter(|written| *written != id).map(str::to_owned);
        self.tasks.push(Known { task: index, id: id.to_owned(), written, group });
        self.folded.take();
    }

    /// Tasks by their names as these are compared loosely.
    fn folded(&self) -> &HashMap<String, Alike> {
        self.folded.get_or_init(|| {
            let mut folded: HashMap<String, Alike> = HashMap::with_capacity(self.tasks.len());
            for known in &self.tasks {
                for name in std::iter::once(&known.id).chain(&known.written) {
                    folded
                        .entry(names::folded(name))
                        .and_modify(|alike| alike.add(known.group, known.task))
                        .or_insert_with(|| Alike {
                            first: (known.group, known.task),
                            others: BTreeMap::new(),
                            only: true,
                        });
                }
            }
            folded
        })
    }

    /// Makes a group known: by its number, its title and the first word of it, and its story. Groups come
    /// in order, so that one is known before those inside it.
    pub(crate) fn group(&mut self, index: usize, title: &str, number: Option<&str>, parent: Option<usize>) {
        if phase_number(title).is_some() {
            self.phases.insert(index);
        }
        self.parents.resize(index, None);
        self.parents.push(parent);
        for story in super::declared::stories(title) {
            let of_parent = |known: usize| self.around(Some(index)).any(|around| around == known);
            let known = self.stories.get(&story).copied();
            let value = match known {
                Some(Some(known)) if of_parent(known) => Some(known),
                Some(_) => None,
                None => Some(index),
            };
            self.stories.insert(story, value);
        }
        let mut add = |map: bool, name: String| {
            let map = if map { &mut self.groups } else { &mut self.group_words };
            if !name.is_empty() {
                map.entry(name)
                    .and_modify(|known| {
                        if *known != Some(index) {
                            *known = None;
                        }
                    })
                    .or_insert(Some(index));
            }
        };
        if let Some(number) = number {
            add(true, names::folded(number));
        }
        add(false, names::folded(title));
        let bare = match phase_number(title) {
            Some(_) => title.split_once([':', '—', '–']).map_or("", |(_, rest)| rest.trim()),
            None => words::without_number(title),
        };
        let bare = bare.split(['(', '（']).next().unwrap_or("").trim();
        add(false, names::folded(bare));
        if let Some(word) = bare.split_whitespace().next().filter(|word| word.len() > 2) {
            add(false, names::folded(word));
        }
    }

    /// A group and those around it.
    fn around(&self, group: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(group, |group| self.parents.get(*group).copied().flatten()).take(64)
    }

    /// `all user stories`, `all previous phases`: the groups of which a part speaks.
    fn all(&self, part: &str, group: Option<usize>) -> Option<Named> {
        let lower = part.get(..part.len().min(40)).unwrap_or(part).to_lowercase();
        let rest = lower.strip_prefix("all ")?;
        let rest = rest.strip_prefix("of ").unwrap_or(rest);
        let rest = rest.strip_prefix("the ").unwrap_or(rest);
        self.looks.set(self.looks.get().saturating_add(self.parents.len()));
        if self.looks.get() > MOST_LOOKS {
            return None;
        }
        let own: BTreeSet<usize> = self.around(group).collect();
        let found: BTreeSet<usize> = if rest.starts_with("user stories") || rest.starts_with("stories") {
            self.stories.values().flatten().copied().filter(|story| !own.contains(story)).collect()
        } else if ["previous", "prior", "earlier", "preceding"].iter().any(|word| rest.starts_with(word)) {
            let group = group?;
            let beside = |other: usize| self.parents[other].is_none_or(|parent| own.contains(&parent));
            (0..group).filter(|other| beside(*other) && !own.contains(other)).collect()
        } else {
            return None;
        };
        (!found.is_empty()).then(|| Named::Known(found.into_iter().map(Dependency::Group).collect()))
    }

    /// `US2`, `User Story 2`: the group that is that story.
    fn story(&self, part: &str) -> Option<Named> {
        let lower = part.get(..part.len().min(12)).unwrap_or("").to_lowercase();
        if !lower.starts_with("us") {
            return None;
        }
        let story = super::declared::stories(part);
        let found = self.stories.get(story.first()?).copied().flatten()?;
        Some(Named::Known(vec![Dependency::Group(found)]))
    }

    /// Ids to suggest, in the order of the plan.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.tasks.iter().map(|known| known.id.as_str())
    }

    /// The task of an id, compared loosely, the same group first.
    pub(crate) fn find(&self, id: &str, group: Option<usize>) -> Option<usize> {
        if let Some(task) = self.exact.get(id) {
            return Some(*task);
        }
        let alike = self.folded().get(&names::folded(id))?;
        alike.in_group(group).or_else(|| alike.only.then_some(alike.first.1))
    }

    /// What a part of a value names. `group` is the group of who depends; a group itself prefers groups.
    pub(crate) fn read(&self, part: &str, group: Option<usize>, by_group: bool, task_count: usize) -> Named {
        let part = part.trim_matches(|c: char| c.is_whitespace() || "[]`'\"*_.".contains(c));
        if part.len() > LONGEST_PART {
            return Named::Words(part.chars().take(60).collect());
        }
        if !by_group && let Some(task) = self.find(part, group) {
            return Named::Known(vec![Dependency::Task(task)]);
        }
        if let Some(found) = self.group_words.get(&names::folded(part)).copied().flatten() {
            return Named::Known(vec![Dependency::Group(found)]);
        }
        if let Some(named) = self.all(part, group) {
            return named;
        }
        // `all Wave 1 tasks` is what `Wave 1` is.
        let part =
            part.strip_prefix("all ").or_else(|| part.strip_prefix("All ")).unwrap_or(part).trim_start();
        match self.at_start(part, group, by_group, task_count) {
            // A story may have no tasks of its id, and be a group.
            Some(named @ Named::Known(_)) => return named,
            Some(named) => return self.story(part).unwrap_or(named),
            None => {
                if let Some(named) = self.story(part) {
                    return named;
                }
            }
        }
        // `Foundational (Phase 2)`: the only id stands inside.
        if let Some((_, inner)) = part.split_once(['(', '（'])
            && let Some(Named::Known(found)) =
                self.at_start(inner.trim_end_matches([')', '）']), group, by_group, task_count)
        {
            return Named::Known(found);
        }
        let word = part.split_whitespace().next().unwrap_or("");
        let alone = part.split(['(', '（']).next().unwrap_or("").trim() == word;
        if alone && !by_group && !word.is_empty() && self.is_near(word) {
            return Named::Missing(word.to_owned());
        }
        if alone && let Some(found) = self.group_words.get(&names::folded(word)).copied().flatten() {
            return Named::Known(vec![Dependency::Group(found)]);
        }
        Named::Words(part.to_owned())
    }

    /// Whether a word was meant as an id. Each look is a walk over ids, so their number is bounded.
    fn is_near(&self, word: &str) -> bool {
        self.guesses.set(self.guesses.get().saturating_add(1));
        self.guesses.get() <= MOST_GUESSES
            && crate::diagnostics::suggest(word, self.ids().take(LONGEST_GUESS)).is_some()
    }

    /// Reads `[word] id [range] [reason]`.
    fn at_start(&self, part: &str, group: Option<usize>, by_group: bool, task_count: usize) -> Option<Named> {
        let (kind, id, rest) = reference(part)?;
        let first = self.lookup(kind, id, group, by_group).or_else(|| self.by_initial(id, group));
        let rest = rest.trim_start();
        let range = ["..", "–", "—", "-", "to "].iter().find_map(|sign| rest.strip_prefix(sign));
        if let Some((_, last, _)) = range.and_then(|rest| reference(rest.trim_start())) {
            match (first, self.lookup(kind, last, group, by_group)) {
                (Some(Dependency::Task(from)), Some(Dependency::Task(to)))
                    if from <= to && to < task_count =>
                {
                    return Some(Named::Known((from..=to).map(Dependency::Task).collect()));
                }
                (Some(Dependency::Group(from)), Some(Dependency::Group(to))) if from <= to => {
                    return Some(Named::Known((from..=to).map(Dependency::Group).collect()));
                }
                // A range that ends nowhere is no reason to wait for its first task alone.
                (Some(Dependency::Task(_)), None)
                    if letters(id).is_some() && letters(id) == letters(last) =>
                {
                    return Some(Named::Missing(last.to_owned()));
                }
                _ => {}
            }
        }
        // `Task 1.Final` is more than `Task 1`.
        let longer =
            rest.strip_prefix('.').map(|rest| rest.bytes().take_while(u8::is_ascii_alphabetic).count());
        if let Some(letters) = longer.filter(|letters| *letters > 0) {
            let long = format!("{id}.{}", &rest[1..=letters]);
            if let Some(found) = self.find(&long, group) {
                return Some(Named::Known(vec![Dependency::Task(found)]));
            }
        }
        if let Some(found) = first {
            return Some(Named::Known(vec![found]));
        }
        let written = if kind == Kind::Bare {
            id.to_owned()
        } else {
            part[..part.len() - rest.len()].trim().to_owned()
        };
        let of_this_plan = match letters(id) {
            Some(letters) => self.letters.contains(&letters.to_lowercase()),
            None if kind == Kind::Bare => {
                // A bare number with words after it ("20 beta users") is prose.
                if !rest.is_empty() && !rest.starts_with(['(', '（', ':']) {
                    return None;
                }
                self.numbers
            }
            None => true,
        };
        Some(if of_this_plan { Named::Missing(written) } else { Named::Elsewhere(written) })
    }

    /// `U2` for unit 2, `S2` for step 2, `T2` for task 2, where no id of the plan has that letter.
    fn by_initial(&self, id: &str, group: Option<usize>) -> Option<Dependency> {
        let letter = letters(id).filter(|letters| matches!(*letters, "U" | "S" | "T"))?;
        if self.letters.contains(&letter.to_lowercase()) {
            return None;
        }
        self.find(&id[letter.len()..], group).map(Dependency::Task)
    }

    fn is_phase(&self, found: Dependency) -> bool {
        matches!(found, Dependency::Group(group) if self.phases.contains(&group))
    }

    fn lookup(&self, kind: Kind, id: &str, group: Option<usize>, by_group: bool) -> Option<Dependency> {
        let task = || self.find(id, group).map(Dependency::Task);
        let by_number = || self.groups.get(&names::folded(id)).copied().flatten().map(Dependency::Group);
        match kind {
            Kind::Group if self.tasks_are_phases => task().or_else(by_number),
            Kind::Group => by_number(),
            Kind::Bare if by_group => by_number().or_else(task),
            Kind::Bare => task().or_else(by_number),
            // `Task 10` may be a group of tasks; `Task 1` is not the phase of that number.
            Kind::Task => task().or_else(|| by_number().filter(|found| !self.is_phase(*found))),
        }
    }
}

/// The letters of an id that begins with some.
fn letters(id: &str) -> Option<&str> {
    let end = id.find(|c: char| c.is_ascii_digit())?;
    let letters = id[..end].trim_end_matches(['-', '_']);
    (!letters.is_empty()).then_some(letters)
}

/// Whether a value says that nothing is waited for.
pub(crate) fn is_none(value: &str) -> bool {
    let value = value.trim_matches(|c: char| c.is_whitespace() || "`*_\"'".contains(c));
    let bare = value.trim_matches(['[', ']', '-', '—', '–', '.', ' ']);
    bare.is_empty()
        || ["none", "nothing", "n/a", "žádné", "žádná", "žádný", "nic", "není", "无", "なし"]
            .iter()
            .any(|word| words::begins_with(bare, word))
}

/// Cuts a value at commas and the like, outside parentheses; parts with their bytes.
pub(crate) fn split(value: &str) -> Vec<(&str, Range<usize>)> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut from = 0;
    let mut push = |from: usize, to: usize| {
        let part = &value[from..to];
        let start = from + part.len() - part.trim_start().len();
        let trimmed = part.trim().trim_end_matches('.');
        if !trimmed.is_empty() {
            parts.push((trimmed, start..start + trimmed.len()));
        }
    };
    let mut skip_to = 0;
    for (at, c) in value.char_indices() {
        if at < skip_to {
            continue;
        }
        match c {
            '(' | '（' => depth += 1,
            ')' | '）' => depth = depth.saturating_sub(1),
            ',' | ';' | '，' | '、' | '&' | '+' | '；' if depth == 0 => {
                push(from, at);
                from = at + c.len_utf8();
            }
            ' ' if depth == 0 && value[at..].starts_with(" and ") => {
                push(from, at);
                from = at + 5;
                skip_to = from;
            }
            // The Czech word for "and", which is an article elsewhere.
            ' ' if depth == 0
                && value[at..].starts_with(" a ")
                && reference(value[at + 3..].trim_start()).is_some() =>
            {
                push(from, at);
                from = at + 3;
                skip_to = from;
            }
            _ => {}
        }
    }
    push(from, value.len());
    parts
}

/// Whether an id has letters or digits in the shape of an id.
pub(crate) fn is_written_id(text: &str) -> bool {
    names::written(text).is_some_and(|written| !matches!(written.shape, Shape::Word(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        let mut index = Index::default();
        for (task, id) in ["T001", "T002", "T003", "T004"].iter().enumerate() {
            index.task(task, id, Some(id), None);
        }
        index.task(4, "write-the-guide", None, None);
        index.group(0, "Phase 1: Setup", Some("1"), None);
        index.group(1, "Phase 2: Foundational work", Some("2"), None);
        index.group(2, "Phase 3: User Story 1 - Tokens", Some("3"), None);
        index.group(3, "Phase 4: US2", Some("4"), None);
        index
    }

    fn tasks(part: &str) -> Named {
        index().read(part, None, false, 5)
    }

    fn known(of: &[usize]) -> Named {
        Named::Known(of.iter().map(|task| Dependency::Task(*task)).collect())
    }

    #[test]
    fn tasks_by_all_their_names() {
        for text in
            ["T001", "t1", "Task T001", "#T001", "`T001`", "[T001]", "T001 (needs it)", "T001 for the schema"]
        {
            assert_eq!(tasks(text), known(&[0]), "{text}");
        }
        assert_eq!(tasks("T002-T004"), known(&[1, 2, 3]));
        assert_eq!(tasks("T002..T003"), known(&[1, 2]));
        assert_eq!(tasks("T002-T999"), Named::Missing("T999".to_owned()));
        assert_eq!(tasks("write-the-guide"), known(&[4]));
    }

    #[test]
    fn numbers_answer_to_the_initial_of_their_word() {
        let mut index = Index::default();
        for (task, id) in ["1", "2"].iter().enumerate() {
            index.task(task, id, Some(id), None);
        }
        assert_eq!(index.read("U2 (rules must exist)", None, false, 2), known(&[1]));
        assert_eq!(index.read("T1", None, false, 2), known(&[0]));
        assert_eq!(index.read("X1", None, false, 2), Named::Elsewhere("X1".to_owned()));
        assert_eq!(tasks("U1"), Named::Elsewhere("U1".to_owned()));
    }

    #[test]
    fn groups_by_number_title_and_first_word() {
        for text in ["Phase 2", "Foundational (Phase 2)", "phase 2 complete", "Foundational"] {
            assert_eq!(tasks(text), Named::Known(vec![Dependency::Group(1)]), "{text}");
        }
    }

    #[test]
    fn words_that_stand_without_spaces() {
        for text in ["タスクT001完了（データ）", "任务 T001", "任务T001完成", "작업 T001", "T001完了"]
        {
            assert_eq!(tasks(text), known(&[0]), "{text}");
        }
        assert_eq!(tasks("タスクT002-T004完了"), known(&[1, 2, 3]));
        assert_eq!(tasks("フェーズ2"), Named::Known(vec![Dependency::Group(1)]));
        assert_eq!(tasks("3个用户"), Named::Words("3个用户".to_owned()));
    }

    #[test]
    fn a_word_may_belong_to_a_number() {
        let mut index = Index::default();
        for (task, id) in ["1", "1.Final"].iter().enumerate() {
            index.task(task, id, Some(id), None);
        }
        assert_eq!(index.read("Task 1.Final (all green)", None, false, 2), known(&[1]));
        assert_eq!(index.read("Task 1.", None, false, 2), known(&[0]));
    }

    #[test]
    fn stories_and_all_of_a_kind() {
        let groups = |part: &str, group| index().read(part, group, false, 5);
        let known = |of: &[usize]| Named::Known(of.iter().map(|group| Dependency::Group(*group)).collect());
        for text in ["US1", "US-1", "User Story 1", "user story 1 (tokens)"] {
            assert_eq!(groups(text, None), known(&[2]), "{text}");
        }
        assert_eq!(groups("all user stories", None), known(&[2, 3]));
        assert_eq!(groups("All user stories complete", Some(3)), known(&[2]));
        assert_eq!(groups("all previous phases", Some(2)), known(&[0, 1]));
        assert_eq!(groups("All Phase 2 tasks", None), known(&[1]));
        assert_eq!(groups("US9", None), Named::Elsewhere("US9".to_owned()));
    }

    #[test]
    fn what_is_not_there() {
        assert_eq!(tasks("T01"), known(&[0]));
        assert_eq!(tasks("T009"), Named::Missing("T009".to_owned()));
        assert_eq!(tasks("BACK-545"), Named::Elsewhere("BACK-545".to_owned()));
        assert_eq!(tasks("write-teh-guide"), Named::Missing("write-teh-guide".to_owned()));
        assert_eq!(tasks("webhook endpoint"), Named::Words("webhook endpoint".to_owned()));
        assert_eq!(tasks("20 beta users"), Named::Words("20 beta users".to_owned()));
    }

    #[test]
    fn values_are_cut_outside_parentheses() {
        let parts: Vec<&str> =
            split("Unit 3 (needs a, b), Unit 1 and T2; 4.").into_iter().map(|(part, _)| part).collect();
        assert_eq!(parts, ["Unit 3 (needs a, b)", "Unit 1", "T2", "4"]);
        for none in ["", "-", "—", "none", "None (root)", "[]", "n/a", "无"] {
            assert!(is_none(none), "{none}");
        }
        assert!(!is_none("nonexistent"));
    }
}
