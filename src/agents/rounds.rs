//! An agent that is busy and goes nowhere: bounds on its steps and on calls that repeat themselves.
//!
//! Bounded: the hashes of a few calls. What a call or a step is is its reader's business. The rule is
//! told to users in `docs/failures.md`.

use std::collections::VecDeque;
use std::hash::Hash;

use crate::model::failure::FailureKind;
use crate::model::reading::{Sign, SignSource};

use super::signs::{Repeats, hash_of};

/// Steps that an agent may take where the configuration does not say. A model that thinks takes some
/// seconds for each, so that in an attempt of 45 minutes this is a loop.
pub(super) const STEPS: u32 = 1_000;

/// How many equal tool calls with equal results in a row are a loop that nobody ends. Waiting for a
/// build by looking at an unchanged log is legitimate, so the bound is generous.
pub(super) const SAME: u32 = 30;

/// How many calls in a row, each of which was made with the same result a moment ago, go in a circle.
pub(super) const CIRCLE: u32 = 90;

/// How many different calls a circle may have.
const CIRCLE_LENGTH: usize = 8;

/// Counts an agent's steps and compares its calls.
#[derive(Debug)]
pub(super) struct Rounds {
    most: u32,
    steps: u32,
    same: Repeats,
    /// Different calls, the latest last.
    recent: VecDeque<u64>,
    /// Calls in a row that were among the recent ones.
    known: u32,
}

impl Rounds {
    /// Bounds an agent that may take `most` steps; none: [`STEPS`].
    pub(super) fn new(most: Option<u32>) -> Self {
        Self {
            most: most.unwrap_or(STEPS),
            steps: 0,
            same: Repeats::default(),
            recent: VecDeque::new(),
            known: 0,
        }
    }

    /// Takes in a step, and says why there have been too many.
    pub(super) fn step(&mut self) -> Option<Sign> {
        self.steps = self.steps.saturating_add(1);
        (self.steps > self.most).then(|| {
            stalled(format!("more than {} steps without an end (`max_steps` of the agent)", self.most))
        })
    }

    /// Takes in a call of `tool` with its result, and says what kind of loop it closes.
    pub(super) fn call(&mut self, tool: &str, call: &impl Hash) -> Option<Sign> {
        let hash = hash_of(call);
        if let Some(place) = self.recent.iter().position(|&known| known == hash) {
            self.recent.remove(place);
            self.known = self.known.saturating_add(1);
        } else {
            self.known = 0;
            if self.recent.len() == CIRCLE_LENGTH {
                self.recent.pop_front();
            }
        }
        self.recent.push_back(hash);
        if self.same.push(&hash) >= SAME {
            return Some(stalled(format!(
                "the same call of `{tool}` with the same result, {SAME} times in a row"
            )));
        }
        (self.known >= CIRCLE).then(|| {
            stalled(format!(
                "the last {CIRCLE} calls went in a circle: `{tool}` and others, with the same results"
            ))
        })
    }
}

fn stalled(message: String) -> Sign {
    Sign { kind: FailureKind::Stalled, source: SignSource::Event, message, status: None, retry_after_s: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many calls of these, over and over, an end is made.
    fn calls_until_loop(calls: &[&str], limit: usize) -> Option<usize> {
        let mut rounds = Rounds::new(None);
        (1..=limit).find(|number| rounds.call("bash", &calls[(number - 1) % calls.len()]).is_some())
    }

    #[test]
    fn the_same_call_and_a_circle_of_calls_are_loops() {
        assert_eq!(calls_until_loop(&["a"], 1_000), Some(30));
        assert_eq!(calls_until_loop(&["a", "b"], 1_000), Some(92));
        assert_eq!(calls_until_loop(&["a", "b", "c", "d", "e", "f", "g", "h"], 1_000), Some(98));
    }

    #[test]
    fn work_that_repeats_itself_is_none() {
        let many: Vec<String> = (0..9).map(|number| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(calls_until_loop(&many, 1_000), None, "it reads more than a circle has");
        let mut rounds = Rounds::new(None);
        // Each time something else has changed, however often the same test fails in between.
        for number in 0..500 {
            assert_eq!(rounds.call("edit", &("edit", number)), None);
            assert_eq!(rounds.call("bash", &("cargo test", 0)), None);
            assert_eq!(rounds.call("bash", &("cargo test", 0)), None);
        }
    }

    #[test]
    fn steps_have_a_bound_that_can_be_set() {
        let mut rounds = Rounds::new(Some(3));
        assert_eq!((rounds.step(), rounds.step(), rounds.step()), (None, None, None));
        let sign = rounds.step().unwrap();
        assert_eq!(sign.kind, FailureKind::Stalled);
        assert_eq!(sign.message, "more than 3 steps without an end (`max_steps` of the agent)");
        let mut rounds = Rounds::new(None);
        assert!((0..STEPS).all(|_| rounds.step().is_none()));
        assert!(rounds.step().is_some());
    }
}
