//! What runs have left where no job of this process is asked about: by mark, by birthmark, or because
//! it has come to this process and belongs to nobody else.

use std::collections::BTreeSet;

use super::birth;
use super::ending::{Toll, reap};
use super::linux::{Round, UNCLEAR_LIMIT, has_tree_of, is_foreign, round};
use super::proc::{self, Mark};
use super::search::{Look, Search, Verdict};

/// How often nothing may be found before a search is over: what starts others may be between two.
const CLEAR_LOOKS: u32 = 3;

/// A supervisor that is dead, by all that what it started may carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Dead {
    /// Its run.
    pub(in super::super) run: String,
    /// What names it: the last part of its marks.
    pub(in super::super) supervisor: String,
    /// Its birthmark, if it had one.
    pub(in super::super) birthmark: Option<u64>,
}

/// Ends what carries the mark of one of these runs and belongs to no running job, and, if no job
/// runs at all, every orphan that nobody was found for. Answers with how many there were.
pub(in super::super) async fn sweep_runs(runs: &[String]) -> u32 {
    let prefixes: Vec<Vec<u8>> = runs.iter().map(|run| format!("{run}/").into_bytes()).collect();
    let judge = |pid: i32| match proc::mark(pid) {
        Mark::Is(mark) if prefixes.iter().any(|prefix| mark.starts_with(prefix)) => {
            // Its job may end while we look.
            if has_tree_of(&mark) { Verdict::NotYet } else { Verdict::Left }
        }
        Mark::Is(_) | Mark::Without => Verdict::Innocent,
        Mark::Unclear => Verdict::NotYet,
    };
    let mut search = Search::new(BTreeSet::new(), &judge);
    let mut toll = Toll::new();
    let mut patience = UNCLEAR_LIMIT;
    loop {
        let orphans = round(None, patience > 0, &mut toll) != Round::Clear;
        patience = patience.saturating_sub(1);
        let marked = !prefixes.is_empty() && search.look(&mut toll) != Look::Clear;
        if !orphans && !marked || !toll.next_look().await {
            break;
        }
    }
    if toll.count() > 0 {
        tracing::info!(count = toll.count(), "ended processes that runs have left");
    }
    toll.count()
}

/// Ends everything that a dead supervisor has started, and tells how many processes there were and whether
/// all of them have ended. Neither this process nor one that it descends from is touched.
pub(in super::super) async fn end_of_dead(dead: &Dead) -> (u32, bool) {
    let begin = format!("{}/", dead.run).into_bytes();
    let end = format!("/{}", dead.supervisor).into_bytes();
    let judge = |pid: i32| {
        if dead.birthmark.is_some() && birth::of(pid).map(|birth| birth.mark) == dead.birthmark {
            return Verdict::Left;
        }
        match proc::mark(pid) {
            Mark::Is(mark) if mark.starts_with(&begin) && mark.ends_with(&end) => Verdict::Left,
            Mark::Is(_) | Mark::Without => Verdict::Innocent,
            Mark::Unclear => Verdict::NotYet,
        }
    };
    let mut search = Search::new(ancestors(), &judge);
    let mut toll = Toll::new();
    let mut clear = 0;
    while clear < CLEAR_LOOKS {
        clear = if search.look(&mut toll) == Look::Clear { clear + 1 } else { 0 };
        if clear < CLEAR_LOOKS && !toll.next_look().await {
            break;
        }
    }
    (toll.count(), clear == CLEAR_LOOKS)
}

/// Ends and reaps everything that has come to this process, for one that has no jobs of its own.
/// Answers with how many there were.
pub(in super::super) async fn end_everything() -> u32 {
    let mut toll = Toll::new();
    while end_adopted(&mut toll) && toll.next_look().await {}
    toll.count()
}

/// Answers whether something is on its way out.
fn end_adopted(toll: &mut Toll) -> bool {
    let mut left = false;
    for pid in proc::adopted() {
        match proc::stat(pid) {
            Some(stat) if is_foreign(pid, &stat) => {}
            Some(stat) if stat.has_ended() => {
                reap(pid);
                // It may have started another one after our children were listed.
                toll.came_too_late();
                left = true;
            }
            Some(_) => left |= toll.end_with_descendants(pid),
            None => {
                toll.came_too_late();
                left = true;
            }
        }
    }
    left
}

/// This process and all that it descends from.
fn ancestors() -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut next = Some(proc::own_id());
    while let Some(pid) = next.filter(|pid| *pid > 0 && !found.contains(pid)) {
        found.insert(pid);
        next = proc::stat(pid).map(|stat| stat.parent);
    }
    found
}
