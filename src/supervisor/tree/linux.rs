//! Trees on Linux: see the module above for what belongs to one and why.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::birth;
use super::ending::{Toll, descend, kill, reap};
use super::proc::{self, Mark, Stat};
use crate::supervisor::idle::ProcessorTime;

/// How long a dead child in our own session is left to the room that may have started it. Whoever waits
/// for a child does so at once.
const CLAIM_LIMIT: Duration = Duration::from_secs(5);

/// How many of these are remembered; the others wait a little longer.
const UNCLAIMED_LIMIT: usize = 1024;

/// Looks that a process may go on being replaced (between two programs it has no environment).
pub(super) const UNCLEAR_LIMIT: u32 = 5;

/// Length of a clock tick of `/proc`: 100 a second on every Linux that Rust runs on.
const TICK: Duration = Duration::from_millis(10);

/// One job's tree, as known so far.
#[derive(Debug, Default)]
struct Members {
    mark: Vec<u8>,
    leader: Option<i32>,
    /// The leader's group, kept after its end.
    group: Option<i32>,
    /// Processes that were seen below it, by id, with their start.
    known: BTreeMap<i32, u64>,
    groups: BTreeSet<i32>,
    sessions: BTreeSet<i32>,
}

impl Members {
    fn owns(&self, pid: i32, stat: &Stat) -> bool {
        self.known.get(&pid) == Some(&stat.started)
            || self.groups.contains(&stat.group)
            || self.sessions.contains(&stat.session)
    }

    fn admit(&mut self, pid: i32, stat: &Stat, own: &Stat) {
        self.known.insert(pid, stat.started);
        if stat.group != own.group {
            self.groups.insert(stat.group);
        }
        if stat.session != own.session {
            self.sessions.insert(stat.session);
        }
    }
}

/// All trees of this process.
#[derive(Debug, Default)]
struct Forest {
    trees: BTreeMap<u64, Members>,
    /// Children that the runtime waits for, with the job of each.
    leaders: BTreeMap<i32, u64>,
    /// Children that nobody can be found for.
    strays: BTreeMap<i32, u64>,
    /// Dead children that somebody else may wait for, with their start and when they were first seen.
    unclaimed: BTreeMap<i32, (u64, Instant)>,
    /// Children that were there before us: a shell that became this program had them.
    foreign: BTreeMap<i32, u64>,
}

static FOREST: Mutex<Forest> = Mutex::new(Forest {
    trees: BTreeMap::new(),
    leaders: BTreeMap::new(),
    strays: BTreeMap::new(),
    unclaimed: BTreeMap::new(),
    foreign: BTreeMap::new(),
});

/// Ourselves. Neither group nor session change once attempts run.
static OWN: LazyLock<Option<Stat>> = LazyLock::new(|| proc::stat(proc::own_id()));

/// Held while a leader is started and written down, one after the other; a sweep that sees a child which
/// might be one passes through it once, and then every leader that it has seen is written down.
static GATE: Mutex<()> = Mutex::new(());

pub(super) fn gate() -> MutexGuard<'static, ()> {
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

static NEXT: AtomicU64 = AtomicU64::new(1);

fn forest() -> MutexGuard<'static, Forest> {
    FOREST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process the parent of all orphans below it.
pub(in super::super) fn adopt_orphans() -> io::Result<()> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = proc::children(proc::own_id());
        let before = before.into_iter().filter_map(|pid| Some((pid, proc::stat(pid)?.started)));
        forest().foreign.extend(before);
    });
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Whether an orphan that nobody is found for can only come from a job. The first process of a
/// container gets the orphans of everything that is started in there.
fn is_from_here(pid: i32) -> bool {
    proc::own_id() != 1
        || birth::own().is_some_and(|own| birth::of(pid).is_some_and(|birth| birth.mark == own))
}

/// The tree of one job. It is forgotten when this is dropped.
#[derive(Debug)]
pub(in super::super) struct Tree {
    number: u64,
}

impl Drop for Tree {
    fn drop(&mut self) {
        let mut forest = forest();
        if let Some(leader) = forest.trees.remove(&self.number).and_then(|members| members.leader)
            && forest.leaders.get(&leader) == Some(&self.number)
        {
            forest.leaders.remove(&leader);
        }
    }
}

impl Tree {
    /// Makes the tree of a job whose processes carry `mark`.
    pub(in super::super) fn enter(mark: &str) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let members = Members { mark: mark.as_bytes().to_vec(), ..Members::default() };
        forest().trees.insert(number, members);
        Self { number }
    }

    /// Starts a leader, so that no sweep takes it for an orphan.
    pub(in super::super) fn spawn<T>(
        &self,
        spawn: impl FnOnce() -> io::Result<T>,
        pid: impl FnOnce(&T) -> Option<u32>,
    ) -> io::Result<T> {
        let gate = gate();
        let child = birth::within(self.number, spawn)?;
        if let Some(pid) = pid(&child).and_then(|pid| i32::try_from(pid).ok()) {
            let mut forest = forest();
            forest.leaders.insert(pid, self.number);
            if let Some(members) = forest.trees.get_mut(&self.number) {
                members.leader = Some(pid);
                members.group = Some(pid);
                members.groups.insert(pid);
            }
        }
        drop(gate);
        Ok(child)
    }

    /// Says that the leader has been waited for.
    pub(in super::super) fn leader_gone(&self) {
        let mut forest = forest();
        if let Some(leader) = forest.trees.get_mut(&self.number).and_then(|members| members.leader.take())
            && forest.leaders.get(&leader) == Some(&self.number)
        {
            forest.leaders.remove(&leader);
        }
    }

    /// Looks at the whole tree and remembers it, so that what leaves it later is known. Answers with
    /// the processor time that it has used.
    pub(in super::super) fn sample(&self) -> Option<ProcessorTime> {
        self.look().map(|seen| processor_time(&seen))
    }

    /// Looks at the whole tree and remembers it. Answers with all that was seen, also of those that have
    /// ended and were not waited for.
    pub(super) fn look(&self) -> Option<BTreeMap<i32, Stat>> {
        let own = (*OWN)?;
        let seen = self.members()?;
        let mut forest = forest();
        let members = forest.trees.get_mut(&self.number)?;
        members.known.clear();
        for (&pid, stat) in seen.iter().filter(|&(_, stat)| !stat.has_ended()) {
            members.admit(pid, stat, &own);
        }
        drop(forest);
        Some(seen)
    }

    /// Who of the tree waits for somebody at a terminal, in words; only where it is evident.
    pub(in super::super) fn terminal_wait(&self) -> Option<String> {
        self.members()?.iter().find_map(|(&pid, stat)| {
            let who = || format!("process {pid} (`{}`)", proc::name(pid));
            if stat.is_stopped() {
                return Some(format!("{} is stopped, as one is that asks for a terminal", who()));
            }
            proc::terminal_read(pid).map(|file| format!("{} waits for an answer at `{file}`", who()))
        })
    }

    /// Every process of the tree that is known or below one that is.
    fn members(&self) -> Option<BTreeMap<i32, Stat>> {
        let (leader, known) = {
            let forest = forest();
            let members = forest.trees.get(&self.number)?;
            (members.leader, members.known.clone())
        };
        let mut seen: BTreeMap<i32, Stat> = BTreeMap::new();
        let roots = known
            .iter()
            .filter(|&(&pid, &started)| proc::stat(pid).is_some_and(|stat| stat.started == started));
        let mut open: Vec<i32> = leader.into_iter().chain(roots.map(|(&pid, _)| pid)).collect();
        open.extend(self.orphans(&(*OWN)?));
        descend(&mut open, &mut seen);
        Some(seen)
    }

    /// What of the tree has come to us since it was last seen below its leader, if it ever was.
    fn orphans(&self, own: &Stat) -> Vec<i32> {
        let adopted = proc::adopted();
        if adopted.is_empty() || all_are_leaders(&adopted) {
            return Vec::new();
        }
        let adopted = adopted.into_iter().filter_map(|pid| Some((pid, proc::stat(pid)?)));
        let adopted: Vec<(i32, Stat)> =
            adopted.filter(|(_, stat)| stat.group != own.group && !stat.has_ended()).collect();
        let mut forest = forest();
        let mut mine = Vec::new();
        for (pid, stat) in adopted {
            let is_other =
                forest.leaders.contains_key(&pid) || forest.foreign.get(&pid) == Some(&stat.started);
            if !is_other && forest.owner(pid, &stat, own) == Owner::Job(self.number) {
                mine.push(pid);
            }
        }
        mine
    }

    /// Kills every process of the tree that is known, the leader included.
    pub(in super::super) fn kill(&self) {
        self.sample();
        let known = forest().trees.get(&self.number).map(|members| members.known.clone());
        for (pid, started) in known.unwrap_or_default() {
            kill(pid, started);
        }
    }

    /// Whether somebody is left in the group of the leader that has ended. Other groups were never
    /// sent a signal, so they need no time to act on it.
    pub(in super::super) fn group_lives(&self) -> bool {
        let group = forest().trees.get(&self.number).and_then(|members| members.group);
        let adopted = if group.is_some() { proc::adopted() } else { Vec::new() };
        adopted.into_iter().filter_map(proc::stat).any(|stat| !stat.has_ended() && Some(stat.group) == group)
    }

    /// Ends whatever the leader left, and reaps it. Answers with how many processes there were.
    pub(in super::super) async fn end(&self) -> u32 {
        let mut toll = Toll::new();
        let mut patience = UNCLEAR_LIMIT;
        loop {
            match round(Some(self.number), patience > 0, &mut toll) {
                Round::Clear => break,
                Round::Unclear => patience = patience.saturating_sub(1),
                Round::Left => {}
            }
            if !toll.next_look().await {
                break;
            }
        }
        toll.count()
    }
}

/// Whether a job with this mark runs.
pub(super) fn has_tree_of(mark: &[u8]) -> bool {
    forest().trees.values().any(|members| members.mark == mark)
}

/// Whether a child was there before this program.
pub(super) fn is_foreign(pid: i32, stat: &Stat) -> bool {
    forest().foreign.get(&pid) == Some(&stat.started)
}

/// What one look at the orphans came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// Nothing is left.
    Clear,
    /// Something could not be told yet.
    Unclear,
    /// Something was told to end and is not gone yet.
    Left,
}

/// Looks at our children once: reaps dead orphans, kills those of the job `number` with all below
/// them, and, where no other job runs, those that nobody was found for. Without patience one that shows no
/// environment has none.
pub(super) fn round(number: Option<u64>, patient: bool, toll: &mut Toll) -> Round {
    let adopted = proc::adopted();
    if adopted.is_empty() || all_are_leaders(&adopted) {
        return Round::Clear;
    }
    let Some(own) = *OWN else {
        return Round::Clear;
    };
    let listed = adopted.len();
    let mut children: Vec<(i32, Stat)> =
        adopted.into_iter().filter_map(|pid| proc::stat(pid).map(|stat| (pid, stat))).collect();
    let mut outcome = Round::Clear;
    if children.len() < listed {
        // Another look reaped one, which may have started the next one after ours had listed them.
        toll.came_too_late();
        outcome = Round::Left;
    }
    children.retain(|(_, stat)| stat.group != own.group);
    if children.iter().any(|&(pid, stat)| pid == stat.group && stat.session == own.session) {
        drop(gate());
    }
    let mut forest = forest();
    let alone = forest.trees.keys().all(|&other| Some(other) == number);
    for (pid, stat) in children {
        if forest.leaders.contains_key(&pid) || forest.foreign.get(&pid) == Some(&stat.started) {
            continue;
        }
        let mut owner = forest.owner(pid, &stat, &own);
        if owner == Owner::Unclear && !patient {
            owner = Owner::Unknown;
        }
        if stat.has_ended() {
            if owner != Owner::Unknown || stat.session != own.session || forest.is_unclaimed(pid, &stat) {
                reap(pid);
                forest.strays.remove(&pid);
                forest.unclaimed.remove(&pid);
                // It may have started another one after our children were listed.
                toll.came_too_late();
                outcome = Round::Left;
            }
            continue;
        }
        let mine = match owner {
            Owner::Job(owner) => Some(owner) == number,
            // One that shares our session may be a program that another room started.
            Owner::Unknown => alone && stat.session != own.session && is_from_here(pid),
            Owner::Unclear => {
                if proc::stat(pid).is_none_or(|later| later.has_ended()) {
                    toll.came_too_late();
                    outcome = Round::Left;
                } else if outcome == Round::Clear {
                    outcome = Round::Unclear;
                }
                false
            }
        };
        if owner == Owner::Unknown && !mine && stat.session != own.session {
            forest.strays.insert(pid, stat.started);
        }
        if mine && toll.end_with_descendants(pid) {
            outcome = Round::Left;
        }
    }
    outcome
}

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Job(u64),
    Unknown,
    Unclear,
}

impl Forest {
    /// Whether a dead child has waited long enough for a room that may have started it.
    fn is_unclaimed(&mut self, pid: i32, stat: &Stat) -> bool {
        let now = Instant::now();
        if self.unclaimed.len() > UNCLAIMED_LIMIT {
            self.unclaimed.clear();
        }
        let seen = self.unclaimed.entry(pid).or_insert((stat.started, now));
        if seen.0 != stat.started {
            *seen = (stat.started, now);
        }
        now >= seen.1 + CLAIM_LIMIT
    }

    /// Finds whose an orphan is, and remembers it.
    fn owner(&mut self, pid: i32, stat: &Stat, own: &Stat) -> Owner {
        let by_place = self.trees.iter().find(|(_, members)| members.owns(pid, stat));
        if let Some((&number, _)) = by_place {
            return Owner::Job(number);
        }
        if self.strays.get(&pid) == Some(&stat.started) {
            return Owner::Unknown;
        }
        // The dead show it, too, until they are waited for.
        if let Some(number) = birth::own()
            .and_then(|own| birth::of(pid).filter(|birth| birth.mark == own))
            .map(|birth| birth.tree)
            && let Some(members) = self.trees.get_mut(&number)
        {
            members.admit(pid, stat, own);
            return Owner::Job(number);
        }
        if stat.has_ended() {
            return Owner::Unknown;
        }
        let mark = match proc::mark(pid) {
            Mark::Unclear => return Owner::Unclear,
            Mark::Without => return Owner::Unknown,
            Mark::Is(mark) => mark,
        };
        match self.trees.iter_mut().find(|(_, members)| members.mark == mark) {
            Some((&number, members)) => {
                members.admit(pid, stat, own);
                Owner::Job(number)
            }
            None => Owner::Unknown,
        }
    }
}

fn all_are_leaders(children: &[i32]) -> bool {
    let forest = forest();
    children.iter().all(|pid| forest.leaders.contains_key(pid))
}

/// The processor time that these have used, with what they waited for.
pub(super) fn processor_time(seen: &BTreeMap<i32, Stat>) -> ProcessorTime {
    let time = |ticks: u64| TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
    let session = OWN.map(|own| own.session);
    let beside = |stat: &&Stat| Some(stat.session) == session;
    ProcessorTime {
        total: time(seen.values().map(|stat| stat.ticks).sum()),
        own: time(seen.values().filter(beside).map(|stat| stat.own_ticks).sum()),
        tools: seen.values().any(|stat| !beside(&stat) && !stat.has_ended()),
    }
}
