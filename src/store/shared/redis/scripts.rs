//! The scripts that run in the server: each kind of write is one, and so one atomic step.
//!
//! They touch several keys, some of which they only learn of while they run: that is why a cluster
//! is of no use. They call nothing that a restricted server withholds: `GET`, `SET`, `DEL`,
//! `EXISTS`, `PEXPIRE`, `STRLEN`, `TYPE`, `TIME`, `XADD`, `XREVRANGE`.

use redis::Value;

use crate::model::ids::{RunId, TaskId};
use crate::model::record::Lease;
use crate::model::status::TaskStatus;
use crate::store::StoreError;

use super::super::holder_name;

/// One of the scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// What a turn of a run, or its beginning, came to.
    Write,
    /// That a supervisor is alive.
    Beat,
    /// That a supervisor gives its run up.
    Release,
    /// The next fencing number.
    Fence,
    /// One more entry of a stream.
    Append,
    /// A text under a key.
    Put,
    /// Reports that are to be there no more.
    Clear,
    /// A text in the place of the one that was read.
    Swap,
}

impl Script {
    /// All of them; each at the place of its number.
    pub(super) const ALL: [Self; 8] = [
        Self::Write,
        Self::Beat,
        Self::Release,
        Self::Fence,
        Self::Append,
        Self::Put,
        Self::Clear,
        Self::Swap,
    ];

    /// What the server is given.
    pub(super) fn text(self) -> String {
        let body = match self {
            Self::Write => include_str!("lua/write.lua"),
            Self::Beat => include_str!("lua/beat.lua"),
            Self::Release => include_str!("lua/release.lua"),
            Self::Fence => include_str!("lua/fence.lua"),
            Self::Append => include_str!("lua/append.lua"),
            Self::Put => include_str!("lua/put.lua"),
            Self::Clear => include_str!("lua/clear.lua"),
            Self::Swap => include_str!("lua/swap.lua"),
        };
        format!("{}{}\n{body}", legal_steps(), include_str!("lua/library.lua"))
    }
}

/// The table of legal steps as the scripts know it.
fn legal_steps() -> String {
    let steps: Vec<String> = TaskStatus::ALL
        .into_iter()
        .flat_map(|from| TaskStatus::ALL.into_iter().map(move |to| (from, to)))
        .filter(|(from, to)| from.may_become(*to))
        .map(|(from, to)| format!("['{from}>{to}']=true"))
        .collect();
    format!("local LEGAL = {{{}}}\n", steps.join(","))
}

/// A script with what it is to work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) script: Script,
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<String>,
}

/// What a script answers: a count or a number, or why it did nothing.
pub(super) type Reply = Result<u64, Refused>;

/// Why a script did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// Another live run has the task at this place (from 1), or, at 0, another supervisor the run.
    Held {
        place: usize,
        run: RunId,
        /// Its lease as stored.
        lease: String,
    },
    /// A later supervisor was here.
    Stale { found: u64 },
    /// The record at this place is at another revision.
    Conflict { place: usize, expected: u64, found: u64 },
    /// The record at this place may not become that.
    Illegal { place: usize, from: TaskStatus, to: TaskStatus },
    /// The stream ends before what was to follow it.
    Gap { last: u64 },
}

impl Refused {
    /// What it means to a caller. `task` knows the task at a place, from 1.
    pub(super) fn error(self, run: &RunId, fence: u64, task: impl Fn(usize) -> Option<TaskId>) -> StoreError {
        let name = |place| task(place).unwrap_or_else(|| TaskId::new("?"));
        match self {
            Self::Held { place: 0, run, lease } => {
                StoreError::Held { run, task: None, holder: holder_of(&lease) }
            }
            Self::Held { place, run, lease } => {
                StoreError::Held { run, task: Some(name(place)), holder: holder_of(&lease) }
            }
            Self::Stale { found } => StoreError::Stale { run: run.clone(), fence, found },
            Self::Conflict { place, expected, found } => StoreError::Conflict {
                what: format!("the status of task `{}`", name(place)),
                expected,
                found,
            },
            Self::Illegal { place, from, to } => StoreError::IllegalStep { task: name(place), from, to },
            Self::Gap { last } => StoreError::Conflict {
                what: format!("the stream of run `{run}`"),
                expected: last + 1,
                found: last,
            },
        }
    }
}

/// Reads an answer; none: it is not one of ours.
pub(super) fn read(value: &Value) -> Option<Reply> {
    let Value::Array(items) = value else { return None };
    let text = |place: usize| items.get(place).and_then(text_of);
    let number = |place: usize| text(place)?.parse::<u64>().ok();
    let place = |at: usize| usize::try_from(number(at)?).ok();
    let status = |at: usize| {
        let word = text(at)?;
        TaskStatus::ALL.into_iter().find(|status| status.as_str() == word)
    };
    let refused = match text(0)?.as_str() {
        "done" => return Some(Ok(number(1)?)),
        "held" => Refused::Held { place: place(1)?, run: RunId(text(2)?), lease: text(3)? },
        "stale" => Refused::Stale { found: number(1)? },
        "conflict" => Refused::Conflict { place: place(1)?, expected: number(2)?, found: number(3)? },
        "illegal" => Refused::Illegal { place: place(1)?, from: status(2)?, to: status(3)? },
        "gap" => Refused::Gap { last: number(1)? },
        _ => return None,
    };
    Some(Err(refused))
}

/// `host:pid` of a lease as stored.
pub(super) fn holder_of(lease: &str) -> String {
    serde_json::from_str::<Lease>(lease).map_or_else(|_| "somebody".to_owned(), |lease| holder_name(&lease))
}

/// A value as text: texts and whole numbers are.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Okay => Some("OK".to_owned()),
        Value::Nil
        | Value::Array(_)
        | Value::Map(_)
        | Value::Attribute { .. }
        | Value::Set(_)
        | Value::Double(_)
        | Value::Boolean(_)
        | Value::VerbatimString { .. }
        | Value::BigNumber(_)
        | Value::Push { .. }
        | Value::ServerError(_)
        | _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_know_the_table_of_legal_steps() {
        let steps = legal_steps();
        assert!(steps.contains("['pending>running']=true"));
        assert!(!steps.contains("['succeeded>"));
        for script in Script::ALL {
            assert!(script.text().starts_with("local LEGAL"));
        }
        assert_eq!(Script::ALL.map(|script| script as usize), [0, 1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn answers_are_read() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let told = |items: Vec<Value>| read(&Value::Array(items));
        assert_eq!(told(vec![text("done"), Value::Int(3)]), Some(Ok(3)));
        assert_eq!(told(vec![text("stale"), text("7")]), Some(Err(Refused::Stale { found: 7 })));
        assert_eq!(
            told(vec![text("illegal"), Value::Int(1), text("succeeded"), text("running")]),
            Some(Err(Refused::Illegal { place: 1, from: TaskStatus::Succeeded, to: TaskStatus::Running }))
        );
        assert_eq!(told(vec![text("odd")]), None);
        assert_eq!(read(&Value::Nil), None);
        assert_eq!(holder_of("nonsense"), "somebody");
    }
}
