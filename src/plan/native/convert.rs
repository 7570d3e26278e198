//! A plan as native text, and what of it the text does not say.

use super::compare;
use super::write;
use crate::plan::reader;
use crate::plan::types::Plan;
use crate::plan::types::ReadOptions;

/// A plan as native text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The text, with `\n` at the end of each line.
    pub text: String,
    /// What is read out of it otherwise than it was, in words: the id of the task it is about, or nothing
    /// where it is about the plan as a whole.
    pub lost: Vec<(Option<String>, String)>,
}

/// Writes a plan as a native one and reads that again.
///
/// Order that the plan implies stays implied where the text implies the same; otherwise every task says
/// what it waits for. What waits for what is the same in either case, among tasks that are still to be
/// done. Takes time linear in the size of the plan.
pub fn convert(plan: &Plan) -> Converted {
    let read = |text: &str| {
        let options = ReadOptions { max_size: u64::MAX, ..ReadOptions::default() };
        reader::read(text.as_bytes(), &options)
    };
    let (implied, keys) = write::plan(plan, false);
    let again = read(&implied);
    let wanted = compare::pairs(plan);
    let same = compare::pairs(&again) == wanted;
    let unsaid = compare::plans(plan, &again, &keys, false);
    if same && unsaid.is_empty() {
        return Converted { text: implied, lost: unsaid };
    }
    let (text, keys) = write::plan(plan, true);
    let again = read(&text);
    let mut lost = compare::plans(plan, &again, &keys, true);
    let found = compare::pairs(&again);
    for (from, to) in wanted.symmetric_difference(&found) {
        lost.push((Some((*to).to_owned()), format!("that it waits for `{from}`, or does not")));
    }
    // A format may add to its order what a task states, which native text says with all of it alone.
    if same && unsaid.len() <= lost.len() {
        return Converted { text: implied, lost: unsaid };
    }
    Converted { text, lost }
}
