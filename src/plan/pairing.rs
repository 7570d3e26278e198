//! Which task of a changed plan is which task of a run.
//!
//! A run keeps the ids of its tasks; a plan may renumber them. So the id alone does not tell: where a
//! step was put in, the ids behind it are those of other tasks, and one that succeeded must not stand
//! for one that was never done. In turn:
//!
//! 1. same id and same title: the same task;
//! 2. same title, which nothing else bears: the same task under another id (where it succeeded, only
//!    with the same text: work that was never done must not pass for it);
//! 3. same id and nothing else to go by: the same task with another title, unless the run has begun it
//!    and the titles have little in common.
//!
//! Whatever is left in the plan is new, and gets an id that the run does not have. Marks, case, blanks
//! and ticks make no difference.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::names;
use super::types::Plan;
use super::types::PlanTask;
use crate::model::ids::TaskId;
use crate::model::run::RunSpec;
use crate::model::status::TaskStatus;
use crate::model::task::Entry;
use crate::model::view::RunView;

/// For each task of a plan, in order, which task of the run it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairing {
    /// Its place in the run; none: it is new.
    pub known: Vec<Option<usize>>,
    /// Its id in the run.
    pub run_ids: Vec<TaskId>,
    /// Its id in the plan.
    pub plan_ids: Vec<TaskId>,
}

impl Pairing {
    /// The id in the plan of the task that the run calls `id`, or that the plan does where the run
    /// has no such task.
    pub fn in_plan(&self, id: &TaskId) -> Option<&TaskId> {
        let wanted = names::folded(id.as_str());
        let find = |ids: &[TaskId]| {
            let exact = ids.iter().position(|known| known == id);
            exact.or_else(|| ids.iter().position(|known| names::folded(known.as_str()) == wanted))
        };
        find(&self.run_ids).or_else(|| find(&self.plan_ids)).map(|place| &self.plan_ids[place])
    }

    /// What the run calls each task that the plan calls something.
    pub fn names(&self) -> BTreeMap<&TaskId, &TaskId> {
        self.plan_ids.iter().zip(&self.run_ids).collect()
    }
}

/// Says which task of `plan` is which of the run. Takes time linear in the number of tasks.
pub fn pair(spec: &RunSpec, view: &RunView, plan: &Plan) -> Pairing {
    let mut known: Vec<Option<usize>> = vec![None; plan.tasks.len()];
    let mut free: BTreeSet<usize> = (0..spec.tasks.len()).collect();
    let by_id: BTreeMap<&TaskId, usize> =
        spec.tasks.iter().enumerate().map(|(place, task)| (&task.id, place)).collect();
    for (index, task) in plan.tasks.iter().enumerate() {
        if let Some(&place) = by_id.get(&task.id)
            && folded(&spec.tasks[place].title) == folded(&task.title)
        {
            known[index] = Some(place);
            free.remove(&place);
        }
    }
    let mut titles: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (index, task) in plan.tasks.iter().enumerate().filter(|(index, _)| known[*index].is_none()) {
        titles.entry(folded(&task.title)).or_default().0.push(index);
    }
    for &place in &free {
        if let Some((_, before)) = titles.get_mut(&folded(&spec.tasks[place].title)) {
            before.push(place);
        }
    }
    for (index, place) in titles.into_values().filter_map(|(after, before)| {
        let ([index], [place]) = (after.as_slice(), before.as_slice()) else { return None };
        Some((*index, *place))
    }) {
        let same_text =
            || without_numbers(&spec.tasks[place].body) == without_numbers(&plan.tasks[index].body);
        if !is_done(spec, view, place) || same_text() {
            known[index] = Some(place);
            free.remove(&place);
        }
    }
    for (index, task) in plan.tasks.iter().enumerate() {
        if known[index].is_none()
            && let Some(place) = by_id.get(&task.id).copied().filter(|place| free.contains(place))
            && (!has_begun(spec, view, place) || is_alike(&spec.tasks[place].title, task))
        {
            known[index] = Some(place);
            free.remove(&place);
        }
    }
    let run_ids = ids(spec, plan, &known);
    let plan_ids = plan.tasks.iter().map(|task| task.id.clone()).collect();
    Pairing { known, run_ids, plan_ids }
}

/// The id of each task in the run: its own there, or one that nothing in it bears.
fn ids(spec: &RunSpec, plan: &Plan, known: &[Option<usize>]) -> Vec<TaskId> {
    let mut taken: BTreeSet<String> = spec.tasks.iter().map(|task| names::folded(task.id.as_str())).collect();
    // An id that the plan gives to a known task is left to those who look for it there.
    let wanted: BTreeSet<String> = plan.tasks.iter().map(|task| names::folded(task.id.as_str())).collect();
    plan.tasks
        .iter()
        .zip(known)
        .map(|(task, known)| {
            if let Some(place) = known {
                return spec.tasks[*place].id.clone();
            }
            if taken.insert(names::folded(task.id.as_str())) {
                return task.id.clone();
            }
            let mut number = 2_u32;
            loop {
                let id = format!("{}-{number}", task.id);
                let key = names::folded(&id);
                if !wanted.contains(&key) && taken.insert(key) {
                    return TaskId::new(id);
                }
                number += 1;
            }
        })
        .collect()
}

/// Whether the run is through with the task: taking another for it would leave that undone.
fn is_done(spec: &RunSpec, view: &RunView, place: usize) -> bool {
    let Some(task) = view.tasks.get(place) else { return false };
    // A gate that was let pass is skipped too.
    let was_passed = task.status == TaskStatus::Skipped
        && spec.tasks.get(place).is_some_and(|task| !matches!(task.entry, Entry::Skip { .. }));
    task.status == TaskStatus::Succeeded || was_passed
}

/// Whether the run did something for the task: another one would get its story.
fn has_begun(spec: &RunSpec, view: &RunView, place: usize) -> bool {
    is_done(spec, view, place) || view.tasks.get(place).is_some_and(|task| !task.attempts.is_empty())
}

/// Whether two titles have at least two thirds of their words in common: `Add login` and `Add logout`
/// are two tasks.
fn is_alike(before: &str, after: &PlanTask) -> bool {
    let words = |text: &str| -> BTreeSet<String> { folded(text).split(' ').map(str::to_owned).collect() };
    let (before, after) = (words(before), words(&after.title));
    let common = before.intersection(&after).count();
    common > 0 && common * 3 >= before.len().max(after.len()) * 2
}

/// A title as titles are compared: letters and digits in lower case, one blank between words.
fn folded(title: &str) -> String {
    let mut folded = String::with_capacity(title.len());
    for word in title.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.extend(word.chars().flat_map(char::to_lowercase));
    }
    folded
}

/// A text with its boxes empty and no numbers: what a renumbered task keeps.
fn without_numbers(text: &str) -> String {
    unticked(text).chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// A text with its boxes empty, and without blanks at the ends of lines.
pub(crate) fn unticked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.trim().lines() {
        let line = line.trim_end();
        match mark(line) {
            Some((at, length)) => {
                out.push_str(&line[..at]);
                out.push(' ');
                out.push_str(&line[at + length..]);
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// Where the mark of a line's box is, and how long it is.
fn mark(line: &str) -> Option<(usize, usize)> {
    let rest = line.trim_start_matches([' ', '\t', '>', '#']);
    let rest = rest.strip_prefix(['-', '*', '+']).unwrap_or_else(|| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest.get(digits..).and_then(|rest| rest.strip_prefix(['.', ')'])).unwrap_or(rest)
    });
    let rest = rest.trim_start().strip_prefix('[')?;
    let letter = rest.chars().next()?;
    rest[letter.len_utf8()..].starts_with(']').then(|| (line.len() - rest.len(), letter.len_utf8()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_numbers_make_no_difference() {
        assert_eq!(unticked("- [x] a \n  - [ ] b\n1. [X] c\n"), "- [ ] a\n  - [ ] b\n1. [ ] c\n");
        assert_eq!(unticked("### [x] a\n[link](b) [1]"), "### [ ] a\n[link](b) [1]\n");
        assert_eq!(unticked("- [✓] a"), "- [ ] a\n");
        assert_eq!(without_numbers("Depends: 2, 10"), without_numbers("Depends: 3, 11"));
        assert_eq!(folded("**Make** the `Thing`."), folded("make  the thing"));
    }
}
