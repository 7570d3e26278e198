//! What a tree uses on Linux, from `/proc`: a small file or two for each process.
//!
//! Memory is what its processes hold that nobody else can (heap, stacks, what they wrote of a shared
//! page), in memory or swapped out: program text and libraries are shared by all that run them, and
//! counting them for each would accuse whoever starts many small tools. Pages that a fork has not yet
//! written are counted for both; [`Tree::exact_memory`] parts them, at a price that only one near its
//! limit is worth.
//!
//! A limit on addresses (`RLIMIT_AS`) would be cheaper and means something else: Node and Java reserve
//! many times what they use. One on processes (`RLIMIT_NPROC`) counts all of the user's.

use std::collections::BTreeMap;

use super::linux::{Tree, processor_time};
use super::proc::Stat;
use crate::supervisor::usage::Usage;

impl Tree {
    /// Looks at the whole tree, remembers it, and says what it uses; what it wrote, only if that is wanted.
    pub(in super::super) fn measure(&self, wants_written: bool) -> Option<Usage> {
        let seen = self.look()?;
        let living = || living(&seen);
        Some(Usage {
            processor: processor_time(&seen),
            processes: u64::try_from(living().count()).ok(),
            memory: Some(living().filter_map(held).sum()),
            // Those that have ended still count for what they wrote, until they were waited for.
            written: wants_written.then(|| seen.keys().copied().filter_map(written).sum()),
        })
    }

    /// Bytes of memory that the tree holds, with what several of it share counted once.
    pub(in super::super) fn exact_memory(&self) -> Option<u64> {
        let seen = self.look()?;
        Some(living(&seen).filter_map(|pid| held_exactly(pid).or_else(|| held(pid))).sum())
    }
}

fn living(seen: &BTreeMap<i32, Stat>) -> impl Iterator<Item = i32> {
    seen.iter().filter(|(_, stat)| !stat.has_ended()).map(|(&pid, _)| pid)
}

fn read(pid: i32, name: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/{name}")).ok()
}

fn held(pid: i32) -> Option<u64> {
    sum_of(&read(pid, "status")?, &["RssAnon:", "VmSwap:"])
}

fn held_exactly(pid: i32) -> Option<u64> {
    sum_of(&read(pid, "smaps_rollup")?, &["Pss_Anon:", "SwapPss:"])
}

/// Bytes that a process and those that it waited for have handed to the system for writing. Not all of
/// it went to a disk, so it is no more than a bound; what only went to the disk by a mapped file is in it.
fn written(pid: i32) -> Option<u64> {
    let text = read(pid, "io")?;
    let number =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    number("wchar:").max(number("write_bytes:"))
}

/// The sum of some lines, which tell it in kilobytes. None: not all of them are there.
fn sum_of(text: &str, names: &[&str]) -> Option<u64> {
    names
        .iter()
        .map(|name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_sum_of_its_lines() {
        let text = "Name:\tx\nVmRSS:\t   900 kB\nRssAnon:\t   10 kB\nVmSwap:\t    2 kB\n";
        assert_eq!(sum_of(text, &["RssAnon:", "VmSwap:"]), Some(12 * 1024));
        assert_eq!(sum_of(text, &["RssAnon:", "Pss_Anon:"]), None, "an older kernel");
        assert_eq!(sum_of("RssAnon: x kB\n", &["RssAnon:"]), None);
    }

    #[test]
    fn this_process_holds_memory_and_has_written() {
        let own = super::super::proc::own_id();
        let block = std::hint::black_box(vec![7_u8; 32 << 20]);
        let (cheap, exact) = (held(own).unwrap(), held_exactly(own).unwrap());
        assert!(cheap > 32 << 20 && exact > 32 << 20, "{cheap} {exact}");
        assert!(written(own).is_some());
        drop(block);
    }
}
