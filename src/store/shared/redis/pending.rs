//! What waits to be written to the server: the newest record of each key, and the events in order.
//!
//! It is bounded. Where more comes than fits, it is let go, and what is missing in the server is made
//! of the journal instead.

use std::collections::BTreeMap;

use crate::model::ids::TaskId;
use crate::model::status::TaskStatus;
use crate::model::time::Timestamp;

/// How many events may wait. Some minutes of a busy run.
const EVENTS_AT_MOST: usize = 4_096;

/// What one turn of a run came to.
#[derive(Debug, Clone, Default)]
pub(in crate::store) struct Turn {
    /// Events, with their numbers, in order.
    pub(in crate::store) events: Vec<(u64, String)>,
    /// The records that they cause.
    pub(in crate::store) records: Vec<TurnRecord>,
    /// The run as the index shows it.
    pub(in crate::store) summary: String,
}

/// One record that a turn wrote.
#[derive(Debug, Clone)]
pub(in crate::store) struct TurnRecord {
    /// Under which key.
    pub(in crate::store) key: String,
    /// Of which task.
    pub(in crate::store) task: TaskId,
    /// Whether what others hold is left to them.
    pub(in crate::store) yields: bool,
    /// The revision that it follows.
    pub(in crate::store) expected: u64,
    /// The statuses that lead to it.
    pub(in crate::store) steps: Vec<TaskStatus>,
    /// Its revision.
    pub(in crate::store) revision: u64,
    /// The record.
    pub(in crate::store) json: String,
}

/// That the supervisor is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Beat {
    /// When.
    pub(super) at: Timestamp,
    /// The keys of the tasks under way.
    pub(super) under_way: Vec<String>,
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub(super) events: Vec<(u64, String)>,
    pub(super) records: BTreeMap<String, TurnRecord>,
    pub(super) summary: Option<String>,
    pub(super) tails: BTreeMap<String, String>,
    pub(super) beat: Option<Beat>,
    /// Everything has to be compared with the journal.
    pub(super) restore: bool,
    /// The server has what it should not: the journal counts, even where the server is further on.
    pub(super) overwrite: bool,
    /// The lease is to be given back.
    pub(super) release: bool,
}

impl Pending {
    /// Takes a turn in.
    pub(super) fn turn(&mut self, turn: Turn) {
        self.summary = Some(turn.summary);
        if self.restore {
            // The journal has it, and will be read.
            return;
        }
        self.events.extend(turn.events);
        for new in turn.records {
            match self.records.get_mut(&new.key) {
                Some(known) => {
                    known.steps.extend(new.steps);
                    known.revision = new.revision;
                    known.json = new.json;
                }
                None => {
                    self.records.insert(new.key.clone(), new);
                }
            }
        }
        if self.events.len() > EVENTS_AT_MOST {
            self.rebuild();
        }
    }

    /// Says that the supervisor is alive; `under_way`: none changes nothing about the tasks.
    pub(super) fn beat(&mut self, at: Timestamp, under_way: Option<Vec<String>>) {
        let beat = self.beat.get_or_insert(Beat { at, under_way: Vec::new() });
        beat.at = beat.at.max(at);
        if let Some(under_way) = under_way {
            beat.under_way = under_way;
        }
    }

    /// Lets go of what the journal has, and has it read instead.
    pub(super) fn rebuild(&mut self) {
        self.events = Vec::new();
        self.records.clear();
        self.restore = true;
    }

    /// Takes back what could not be written. It is older than what came since.
    pub(super) fn give_back(&mut self, unwritten: Self) {
        self.rebuild();
        for (key, tail) in unwritten.tails {
            self.tails.entry(key).or_insert(tail);
        }
        self.summary = self.summary.take().or(unwritten.summary);
        self.beat = self.beat.take().or(unwritten.beat);
        self.release |= unwritten.release;
        self.overwrite |= unwritten.overwrite;
    }

    /// The same of what contradicts what the server has.
    pub(super) fn contradicts(&mut self, unwritten: Self) {
        self.give_back(unwritten);
        self.overwrite = true;
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.records.is_empty()
            && self.summary.is_none()
            && self.tails.is_empty()
            && self.beat.is_none()
            && !self.restore
            && !self.release
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(first: u64, revision: u64, steps: &[TaskStatus]) -> Turn {
        let record = TurnRecord {
            key: "k".to_owned(),
            task: TaskId::new("T1"),
            yields: false,
            expected: revision - 1,
            steps: steps.to_vec(),
            revision,
            json: format!("record {revision}"),
        };
        Turn {
            events: vec![(first, format!("event {first}"))],
            records: vec![record],
            summary: format!("summary {first}"),
        }
    }

    #[test]
    fn the_newest_record_of_a_key_is_kept_with_all_its_steps() {
        let mut pending = Pending::default();
        assert!(pending.is_empty());
        pending.turn(turn(1, 1, &[TaskStatus::Running]));
        pending.turn(turn(2, 2, &[TaskStatus::Verifying, TaskStatus::Succeeded]));
        assert_eq!(pending.events.len(), 2);
        let record = &pending.records["k"];
        assert_eq!((record.expected, record.revision, record.json.as_str()), (0, 2, "record 2"));
        assert_eq!(record.steps, [TaskStatus::Running, TaskStatus::Verifying, TaskStatus::Succeeded]);
        assert_eq!(pending.summary.as_deref(), Some("summary 2"));
    }

    #[test]
    fn it_is_bounded_by_what_the_journal_can_tell_again() {
        let mut pending = Pending::default();
        for number in 1..=20_000 {
            pending.turn(turn(number, number, &[TaskStatus::Running]));
            assert!(pending.events.len() <= EVENTS_AT_MOST);
        }
        assert!(pending.restore && pending.events.is_empty() && pending.records.is_empty());
        assert_eq!(pending.summary.as_deref(), Some("summary 20000"));
    }

    #[test]
    fn what_was_not_written_comes_back_behind_what_is_newer() {
        let mut unwritten = Pending::default();
        unwritten.turn(turn(1, 1, &[TaskStatus::Running]));
        unwritten.tails.insert("a".to_owned(), "old".to_owned());
        unwritten.tails.insert("b".to_owned(), "old".to_owned());
        unwritten.beat(Timestamp(1), Some(vec!["k".to_owned()]));
        unwritten.release = true;
        let mut pending = Pending::default();
        pending.tails.insert("a".to_owned(), "new".to_owned());
        pending.beat(Timestamp(2), None);
        pending.give_back(unwritten);
        assert!(pending.restore && pending.release && pending.events.is_empty());
        assert_eq!((pending.tails["a"].as_str(), pending.tails["b"].as_str()), ("new", "old"));
        assert_eq!(pending.beat.as_ref().map(|beat| beat.at), Some(Timestamp(2)));
        assert!(!pending.overwrite, "what comes late on a broken connection may be further on");
        pending.beat(Timestamp(3), Some(vec!["k".to_owned()]));
        assert_eq!(pending.beat, Some(Beat { at: Timestamp(3), under_way: vec!["k".to_owned()] }));
        pending.contradicts(Pending::default());
        assert!(pending.overwrite);
        let mut next = Pending::default();
        next.give_back(pending);
        assert!(next.overwrite && next.restore);
    }
}
