//! Names of tasks and groups where they stand in running text.

use std::collections::BTreeMap;

use super::super::declared;
use super::super::names;
use super::super::phases;
use super::super::types::Dependency;
use super::super::types::Plan;

/// The longest name.
const LONGEST: usize = 64;

/// Words before the number of a group.
const GROUPS: &[&str] = &["phase", "wave", "sprint", "tier", "stage", "milestone", "section", "chunk"];

/// Words before the number of a task.
const TASKS: &[&str] = &["task", "step", "unit", "issue", "fix", "story", "part", "agent"];

/// All names of a plan.
pub(super) struct Names {
    tasks: BTreeMap<String, Option<usize>>,
    phases: BTreeMap<String, Option<usize>>,
    stories: BTreeMap<String, usize>,
}

impl Names {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut tasks: BTreeMap<String, Option<usize>> = BTreeMap::new();
        for (task, found) in plan.tasks.iter().enumerate() {
            tasks
                .entry(names::folded(found.id.as_str()))
                .and_modify(|known| *known = None)
                .or_insert(Some(task));
        }
        let mut phases: BTreeMap<String, Option<usize>> = BTreeMap::new();
        let mut stories = BTreeMap::new();
        for (group, found) in plan.groups.iter().enumerate() {
            let number =
                phases::phase_number(&found.title).map(|(_, number)| number).or(found.number.clone());
            if let Some(number) = number {
                phases.entry(names::folded(&number)).and_modify(|known| *known = None).or_insert(Some(group));
            }
            for story in declared::stories(&found.title) {
                stories.entry(story).or_insert(group);
            }
        }
        Self { tasks, phases, stories }
    }

    /// The task or group that a text begins with, and how many bytes name it. `bare`: a number alone may be
    /// an id.
    pub(super) fn at_start(&self, text: &str, bare: bool) -> Option<(Dependency, usize)> {
        let open = text.len() - text.trim_start_matches(['[', '(', '`', '*', '#', '"', '\'', '_']).len();
        let rest = &text[open..];
        let word = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let lower = rest[..word].to_ascii_lowercase();
        let (single, is_group) = (
            TASKS.iter().any(|known| lower.trim_end_matches('s') == *known),
            GROUPS.iter().any(|known| lower.trim_end_matches('s') == *known),
        );
        if lower == "user" {
            let story = rest.get(word..).filter(|after| after.len() > 7 && after.is_char_boundary(7))?;
            if !story[..7].eq_ignore_ascii_case(" story ") {
                return None;
            }
            let digits = story[7..].bytes().take_while(u8::is_ascii_digit).count();
            let group = self.stories.get(&story[7..7 + digits])?;
            return Some((Dependency::Group(*group), open + word + 7 + digits));
        }
        if single || is_group {
            let after = &rest[word..];
            let gap = after.len() - after.trim_start_matches([' ', '-', '#', '\u{a0}']).len();
            let (id, length) = token(&after[gap..])?;
            let folded = names::folded(id);
            let group = || self.phases.get(&folded).copied().flatten().map(Dependency::Group);
            let task = || self.tasks.get(&folded).copied().flatten().map(Dependency::Task);
            let found = if is_group { group() } else { task().or_else(group) };
            if gap > 0
                && let Some(found) = found
            {
                return Some((found, open + word + gap + length));
            }
        }
        let (id, length) = token(rest)?;
        if let Some(story) = self.story(id) {
            return Some((Dependency::Group(story), open + length));
        }
        let whole = id.bytes().all(|byte| byte.is_ascii_digit());
        // A word of the language may be the id of a task, and is no name of it in a sentence.
        let shaped = id.contains('-') || id.bytes().any(|byte| byte.is_ascii_digit());
        if !bare && (whole || !shaped) {
            return None;
        }
        let task = self.tasks.get(&names::folded(id)).copied().flatten()?;
        Some((Dependency::Task(task), open + length))
    }

    fn story(&self, id: &str) -> Option<usize> {
        let number = id.get(..2).filter(|start| start.eq_ignore_ascii_case("us")).map(|_| &id[2..])?;
        self.stories.get(number.trim_start_matches('-')).copied()
    }

    /// The names at the start of a text, as many as follow one another: `T001, T002 and T003`.
    pub(super) fn cluster(&self, text: &str, bare: bool) -> (Vec<Dependency>, usize) {
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let rest = &text[at..];
            let gap = rest.len() - rest.trim_start().len();
            let Some((name, length)) = self.at_start(&rest[gap..], bare) else { break };
            found.push(name);
            at += gap + length;
            let after = text[at..].trim_start_matches([']', ')', '`', '*', '"', '\'', '_']);
            let joined = after.trim_start();
            let next = [",", "&", "+", "/", "and ", "or ", "‖", "∥", "|"]
                .iter()
                .find_map(|sign| joined.strip_prefix(sign));
            let Some(next) = next else { break };
            at = text.len() - next.len();
            if found.len() >= 64 {
                break;
            }
        }
        (found, at)
    }

    /// The names nearest to the start of a text, at most `far` bytes away, with what is before them.
    pub(super) fn first_in(&self, text: &str, far: usize) -> Vec<Dependency> {
        words(text)
            .take_while(|at| *at <= far)
            .map(|at| self.cluster(&text[at..], false).0)
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// The names nearest to the end of a text, at most `far` bytes away from it.
    pub(super) fn last_in(&self, text: &str, far: usize) -> Vec<Dependency> {
        let mut found = Vec::new();
        let mut covered = 0;
        for at in words(text) {
            if at < covered || text.len() - at > far {
                continue;
            }
            let (names, length) = self.cluster(&text[at..], false);
            if !names.is_empty() {
                found = names;
                covered = at + length;
            }
        }
        found
    }
}

/// Where words begin.
fn words(text: &str) -> impl Iterator<Item = usize> {
    let mut before = ' ';
    text.char_indices().filter_map(move |(at, c)| {
        let starts = c.is_alphanumeric() && !before.is_alphanumeric() && !matches!(before, '-' | '.' | '_');
        before = c;
        starts.then_some(at)
    })
}

/// What looks like an id at the start of a text, and its length.
fn token(text: &str) -> Option<(&str, usize)> {
    let end = text
        .char_indices()
        .find(|(_, c)| !(c.is_alphanumeric() || matches!(c, '-' | '.' | '_')))
        .map_or(text.len(), |(at, _)| at);
    let id = text[..end].trim_end_matches(['.', '-', '_']);
    (!id.is_empty() && id.len() <= LONGEST).then_some((id, id.len()))
}
