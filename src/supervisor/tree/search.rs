//! The search through every process of the machine, for what no parent leads to any more.
//!
//! **Invariant:** a look counts as clear only if every process in it was looked at and is known to be
//! somebody else's. A chain, each of which starts the next one and ends, always has one that lives in a
//! list of all processes, but that one may end before its turn; what was found innocent is
//! remembered, so that the newest have their turn at once.
//!
//! What is killed is held by a descriptor before it is judged, so whoever gets its id later is not hit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::time::Instant;

use super::ending::Toll;
use super::proc;

/// How many ids after one that came and went are tried: the system gives them in order.
const NEXT_IDS: i32 = 16;

/// How many of a chain are followed before everything is listed again.
const FOLLOW_LIMIT: u32 = 256;

/// Where others start processes all the time that end before they are looked at: how long nothing may be
/// found until they are taken for somebody else's.
const UNSURE_LIMIT: Duration = Duration::from_secs(2);

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is to end.
    Left,
    /// It is somebody else's for good.
    Innocent,
    /// It is not to end, as far as can be told at this moment.
    NotYet,
}

/// What one look came to, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    /// Nothing is left.
    Clear,
    /// Something ended before it was looked at.
    Unsure,
    /// Something is on its way out, or has just ended by itself.
    Left,
}

/// What one process came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Nobody,
    /// One that says nothing about others.
    Settled,
    /// One that may have started another.
    Changed(Look),
}

/// A row of looks for the same processes.
pub(super) struct Search<'a> {
    judge: &'a dyn Fn(i32) -> Verdict,
    /// Never looked at.
    but: BTreeSet<i32>,
    /// Found innocent, by id, with the start.
    innocent: BTreeMap<i32, u64>,
    /// Seen dead, and not taken off the list by their parents.
    dead: BTreeSet<(i32, u64)>,
    last_found: Instant,
}

impl<'a> Search<'a> {
    pub(super) fn new(but: BTreeSet<i32>, judge: &'a dyn Fn(i32) -> Verdict) -> Self {
        let last_found = Instant::now();
        Self { judge, but, innocent: BTreeMap::new(), dead: BTreeSet::new(), last_found }
    }

    /// Looks at every process once and ends what is left.
    pub(super) fn look(&mut self, toll: &mut Toll) -> Look {
        let mut outcome = Look::Clear;
        for pid in proc::all().into_iter().rev() {
            if !self.innocent.contains_key(&pid) {
                outcome = outcome.max(self.follow(pid, toll));
            }
        }
        if outcome == Look::Clear {
            outcome = self.look_again(toll);
        }
        if outcome == Look::Left {
            self.last_found = Instant::now();
        } else if outcome == Look::Unsure && self.last_found.elapsed() > UNSURE_LIMIT {
            return Look::Clear;
        }
        if outcome != Look::Clear {
            toll.came_too_late();
        }
        outcome
    }

    /// Looks whether those found innocent are still the same.
    fn look_again(&mut self, toll: &mut Toll) -> Look {
        let changed: Vec<i32> = self
            .innocent
            .iter()
            .filter(|&(&pid, &started)| proc::stat(pid).is_none_or(|stat| stat.started != started))
            .map(|(&pid, _)| pid)
            .collect();
        let mut outcome = Look::Clear;
        for pid in changed {
            self.innocent.remove(&pid);
            if proc::stat(pid).is_some() {
                outcome = outcome.max(self.follow(pid, toll));
            }
        }
        outcome
    }

    /// Looks at one process and, if it has ended or is ended, at those that came right after it.
    fn follow(&mut self, pid: i32, toll: &mut Toll) -> Look {
        let mut outcome = match self.meet(pid, toll) {
            // It was there when it was listed.
            Met::Nobody => Look::Unsure,
            Met::Settled => return Look::Clear,
            Met::Changed(look) => look,
        };
        let mut last = pid;
        for _ in 0..FOLLOW_LIMIT {
            let next = (last.saturating_add(1)..=last.saturating_add(NEXT_IDS)).find_map(|next| {
                if self.innocent.contains_key(&next) {
                    return None;
                }
                match self.meet(next, toll) {
                    Met::Changed(look) => Some((next, look)),
                    Met::Nobody | Met::Settled => None,
                }
            });
            let Some((next, look)) = next else { break };
            outcome = outcome.max(look);
            last = next;
        }
        outcome
    }

    fn meet(&mut self, pid: i32, toll: &mut Toll) -> Met {
        if self.but.contains(&pid) || pid == proc::own_id() {
            return Met::Settled;
        }
        let Some(id) = Pid::from_raw(pid) else {
            return Met::Settled;
        };
        match pidfd_open(id, PidfdFlags::empty()) {
            Ok(handle) => match (self.judge)(pid) {
                Verdict::Left => match toll.end_held(pid, &handle) {
                    Some(true) => Met::Changed(Look::Left),
                    Some(false) => Met::Settled,
                    None => self.meet_dead(pid, Look::Left),
                },
                verdict @ (Verdict::Innocent | Verdict::NotYet) => self.pass(pid, verdict),
            },
            Err(rustix::io::Errno::NOSYS | rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
                self.meet_without_handle(pid, toll)
            }
            Err(_) => Met::Nobody,
        }
    }

    /// The same where there are no descriptors: the start tells whether the id has changed hands.
    fn meet_without_handle(&mut self, pid: i32, toll: &mut Toll) -> Met {
        let Some(stat) = proc::stat(pid) else {
            return Met::Nobody;
        };
        match (self.judge)(pid) {
            Verdict::Left if stat.has_ended() => self.meet_dead(pid, Look::Left),
            Verdict::Left if toll.end(pid, stat.started) => Met::Changed(Look::Left),
            Verdict::Left => Met::Settled,
            verdict @ (Verdict::Innocent | Verdict::NotYet) => self.pass(pid, verdict),
        }
    }

    fn pass(&mut self, pid: i32, verdict: Verdict) -> Met {
        match proc::stat(pid) {
            // What it was cannot be read any more.
            None => Met::Changed(Look::Unsure),
            Some(stat) if stat.has_ended() => self.meet_dead(pid, Look::Unsure),
            Some(stat) => {
                if verdict == Verdict::Innocent {
                    self.innocent.insert(pid, stat.started);
                }
                Met::Settled
            }
        }
    }

    /// The dead tell of another one once.
    fn meet_dead(&mut self, pid: i32, look: Look) -> Met {
        match proc::stat(pid) {
            Some(stat) if !self.dead.insert((pid, stat.started)) => Met::Settled,
            Some(_) | None => Met::Changed(look),
        }
    }
}
