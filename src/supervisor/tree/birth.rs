//! The birthmark: what a process inherits and cannot put off by accident.
//!
//! The limit on file locks (`RLIMIT_LOCKS`) has meant nothing since Linux 2.4.25, is inherited by
//! `fork` and `exec`, and can be read of every process in `/proc`. A supervisor lowers its own hard
//! limit to a number made from what names it, so everything that it ever starts carries that
//! number, whatever it does with its environment, descriptors, session and parents. The soft limit
//! tells the trees apart: it is this process's while a leader is started. (To set it on a leader
//! that has been started comes too late for one that starts others at once, seen on a busy machine.)
//!
//! What it deliberately does not do: resist a process that sets this limit itself.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::proc;
use crate::supervisor::process_started;

/// Birthmarks lie between this and twice as much where nobody has set the limit before.
const BASE: u64 = 1 << 61;

/// Below this there is no room for a birthmark and the numbers of trees.
const LEAST: u64 = 1 << 24;

/// What a process carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Birth {
    /// Whose tree it is in; that of the supervisor itself is its birthmark.
    pub(super) tree: u64,
    /// The birthmark of its supervisor.
    pub(super) mark: u64,
}

static OWN: OnceLock<Option<u64>> = OnceLock::new();

/// Puts the birthmark on this process, once, and tells it; none: the system does not take it, or
/// does not show it.
pub(in super::super) fn put_on() -> Option<u64> {
    *OWN.get_or_init(|| {
        let own = std::process::id();
        let number = choose(getrlimit(Resource::Locks).maximum, &format!("{own}@{}", process_started(own)?))?;
        let limit = Rlimit { current: Some(number), maximum: Some(number) };
        if let Err(error) = setrlimit(Resource::Locks, limit) {
            tracing::debug!(%error, "this process has no birthmark");
            return None;
        }
        (of(proc::own_id()) == Some(Birth { tree: number, mark: number })).then_some(number)
    })
}

/// This process's birthmark; none: it has none.
pub(super) fn own() -> Option<u64> {
    OWN.get().copied().flatten()
}

/// Makes the birthmark of the process `name`. A limit can be lowered only, so that of a run inside
/// another one's task lies below the other's.
fn choose(limit: Option<u64>, name: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let (least, room) = match limit {
        None => (BASE, BASE),
        Some(limit) if limit >= LEAST => (limit / 2, limit / 2),
        Some(_) => return None,
    };
    Some(least + hasher.finish() % room)
}

/// Starts something that begins the tree `tree`. One at a time: a limit is the whole process's.
pub(super) fn within<T>(tree: u64, start: impl FnOnce() -> T) -> T {
    let Some(mark) = own() else {
        return start();
    };
    put(tree, mark);
    let started = start();
    put(mark, mark);
    started
}

fn put(tree: u64, mark: u64) {
    let limit = Rlimit { current: Some(tree), maximum: Some(mark) };
    if let Err(error) = setrlimit(Resource::Locks, limit) {
        tracing::debug!(%error, "a tree has no number");
    }
}

/// Reads what a process carries; none: nothing, or it is not there.
pub(super) fn of(pid: i32) -> Option<Birth> {
    parse(&std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
}

fn parse(text: &str) -> Option<Birth> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max file locks"))?;
    let mut words = line.split_ascii_whitespace();
    let mut number = || words.next()?.parse().ok();
    Some(Birth { tree: number()?, mark: number()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_read_and_one_that_nobody_set_is_none() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max locked memory         8388608              8388608              bytes     \n\
                    Max file locks            7                    2305843009213693952  locks     \n";
        assert_eq!(parse(text), Some(Birth { tree: 7, mark: BASE }));
        assert_eq!(
            parse("Max file locks            unlimited            unlimited            locks\n"),
            None
        );
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_birthmark_can_be_put_on_below_another() {
        let outer = choose(None, "1@a:b:1").unwrap();
        assert!((BASE..2 * BASE).contains(&outer));
        assert_ne!(choose(None, "1@a:b:2"), Some(outer), "another start is another process");
        let inner = choose(Some(outer), "2@a:b:9").unwrap();
        assert!((outer / 2..outer).contains(&inner));
        assert_eq!(choose(Some(LEAST - 1), "3@a:b:10"), None);
    }

    #[test]
    fn a_child_carries_what_this_process_has_put_on() {
        let mark = put_on().expect("this system has the limit");
        assert_eq!(own(), Some(mark));
        let start = || {
            let mut command = std::process::Command::new("sleep");
            let mut child = command.arg("600").env_clear().spawn().unwrap();
            let birth = of(i32::try_from(child.id()).unwrap());
            child.kill().unwrap();
            child.wait().unwrap();
            birth
        };
        let _gate = crate::supervisor::tree::linux::gate();
        assert_eq!(within(5, start), Some(Birth { tree: 5, mark }));
        assert_eq!(start(), Some(Birth { tree: mark, mark }));
    }
}
