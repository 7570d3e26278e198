//! What `/proc` says of processes: a few small reads for each, and no scan of everything but where
//! the kernel keeps no lists of children.

use std::fs::File;
use std::io::Read as _;
use std::sync::LazyLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::supervisor::MARK;

/// What is known of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Stat {
    /// `Z` and `X`: it has ended. `T`: it is stopped.
    state: u8,
    pub(in super::super) parent: i32,
    pub(in super::super) group: i32,
    pub(in super::super) session: i32,
    /// Clock ticks of processor time, its own and that of the children it waited for.
    pub(in super::super) ticks: u64,
    /// Its own alone.
    pub(in super::super) own_ticks: u64,
    /// Clock ticks from the machine's start to its own: with the id it names a process for good.
    pub(in super::super) started: u64,
    /// It is on its way out, and not gone yet.
    is_exiting: bool,
}

/// The flag of that (`PF_EXITING`).
const EXITING: u64 = 1 << 2;

impl Stat {
    pub(in super::super) fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// Whether a signal has stopped it: the system's, where it asked a terminal that is not its own to
    /// use, or somebody's.
    pub(super) fn is_stopped(&self) -> bool {
        self.state == b'T'
    }
}

/// What a process's environment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    /// It is not there, is not ours to read, or is being replaced.
    Unclear,
    /// It is there and holds no mark.
    Without,
    Is(Vec<u8>),
}

/// Reads `/proc/PID/stat`.
pub(in super::super) fn stat(pid: i32) -> Option<Stat> {
    let mut buffer = [0_u8; 1024];
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut buffer).ok()?;
    parse_stat(&buffer[..length])
}

fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    // The name may hold blanks and parentheses: what counts begins after the last one.
    let end = memchr::memrchr(b')', bytes)?;
    let text = std::str::from_utf8(&bytes[end + 1..]).ok()?;
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    // Field 3 of proc(5) is the first one here.
    let number = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<i64>().ok());
    let id = |field: usize| number(field).and_then(|value| i32::try_from(value).ok());
    let count = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<u64>().ok());
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        parent: id(4)?,
        group: id(5)?,
        session: id(6)?,
        ticks: (14..=17).filter_map(count).sum(),
        own_ticks: (14..=15).filter_map(count).sum(),
        started: count(22)?,
        is_exiting: count(9)? & EXITING != 0,
    })
}

/// The number of the call `read`, by which a program waits for a terminal. None: not known here.
const READ: Option<u64> = if cfg!(target_arch = "x86_64") {
    Some(0)
} else if cfg!(any(target_arch = "aarch64", target_arch = "riscv64")) {
    Some(63)
} else {
    None
};

/// The terminal that a process reads from at this moment, if that can be told.
pub(super) fn terminal_read(pid: i32) -> Option<String> {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    let descriptor = parse_read(&call)?;
    let file = std::fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()?;
    let file = file.to_str()?;
    let is_terminal = ["/dev/pts/", "/dev/tty", "/dev/console"].iter().any(|start| file.starts_with(start));
    is_terminal.then(|| file.to_owned())
}

/// The descriptor that a call in progress reads from.
fn parse_read(call: &str) -> Option<u64> {
    let mut words = call.split_ascii_whitespace();
    let number = words.next()?.parse::<u64>().ok()?;
    let first = words.next()?.strip_prefix("0x")?;
    if Some(number) == READ { u64::from_str_radix(first, 16).ok() } else { None }
}

/// The name of a process's program, as short as the system keeps it.
pub(super) fn name(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim().chars().filter(|c| !c.is_control()).collect()
}

/// Whether the kernel keeps lists of children (it does nearly everywhere).
static LISTS: LazyLock<bool> =
    LazyLock::new(|| std::path::Path::new(&format!("/proc/self/task/{0}/children", own_id())).exists());

/// Whether a process was sent the signal that nothing survives, and has not ended yet.
pub(in super::super) fn is_being_killed(pid: u32) -> bool {
    let is_exiting = || i32::try_from(pid).ok().and_then(stat).is_some_and(|stat| stat.is_exiting);
    // It is taken off the list of signals when it begins to act: so this is looked at last.
    std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| has_kill_pending(&status))
        || is_exiting()
}

/// The ninth bit of either set of signals, its thread's and all threads'.
fn has_kill_pending(status: &str) -> bool {
    let sets = ["SigPnd:", "ShdPnd:"];
    let values = status.lines().filter_map(|line| sets.iter().find_map(|set| line.strip_prefix(set)));
    values.filter_map(|value| u64::from_str_radix(value.trim(), 16).ok()).any(|set| set & (1 << 8) != 0)
}

/// Waits for the end of a process; whether it came. This blocks.
pub(in super::super) fn is_gone_within(pid: u32, limit: Duration) -> bool {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return true;
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => {
            let limit = Timespec::try_from(limit).ok();
            limit.is_some() && poll(&mut [PollFd::new(&handle, PollFlags::IN)], limit.as_ref()) == Ok(1)
        }
        Err(error) => error == rustix::io::Errno::SRCH,
    }
}

/// This process.
pub(in super::super) fn own_id() -> i32 {
    i32::try_from(std::process::id()).unwrap_or(0)
}

/// Our children that were not started by a living thread other than the first: orphans come to that
/// one, and children whose thread has ended.
pub(super) fn adopted() -> Vec<i32> {
    let own = own_id();
    if *LISTS { list(&format!("/proc/self/task/{own}/children")) } else { scan_children(own) }
}

/// The children of any process, by all its threads.
pub(super) fn children(pid: i32) -> Vec<i32> {
    if !*LISTS {
        return scan_children(pid);
    }
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        if let Some(thread) = thread.file_name().to_str() {
            found.extend(list(&format!("/proc/{pid}/task/{thread}/children")));
        }
    }
    found
}

/// How often a list that changes while it is read is read again.
const LIST_READS: usize = 16;

/// Reads a list of children, none of those left out that were there all the while.
///
/// The kernel goes on behind the entry that it gave last, and where that one has gone meanwhile it
/// leaves out another. So a list counts if the next one is the same: what was left out for a child that
/// had gone would show by its absence. Failing that, all that were seen are given.
fn list(path: &str) -> Vec<i32> {
    stable(LIST_READS, || list_once(path))
}

fn stable(reads: usize, mut read: impl FnMut() -> Vec<i32>) -> Vec<i32> {
    let mut last = read();
    let mut all = last.clone();
    for _ in 1..reads {
        // Nobody can be left out of none.
        if last.is_empty() {
            return last;
        }
        let next = read();
        if next == last {
            return last;
        }
        all.extend(next.iter().copied());
        last = next;
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn list_once(path: &str) -> Vec<i32> {
    let Ok(mut file) = File::open(path) else {
        return Vec::new();
    };
    // Mostly short: one small read then, and no second one to find the end.
    let mut buffer = [0_u8; 4096];
    let Ok(length) = file.read(&mut buffer) else {
        return Vec::new();
    };
    let mut text = buffer[..length].to_vec();
    if length > buffer.len() / 2 && file.read_to_end(&mut text).is_err() {
        text.truncate(length);
    }
    String::from_utf8_lossy(&text).split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn scan_children(parent: i32) -> Vec<i32> {
    all().into_iter().filter(|&pid| stat(pid).is_some_and(|stat| stat.parent == parent)).collect()
}

/// Every process that can be seen.
pub(super) fn all() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Reads a process's mark.
pub(super) fn mark(pid: i32) -> Mark {
    match std::fs::read(format!("/proc/{pid}/environ")) {
        Ok(environment) if !environment.is_empty() => parse_mark(&environment),
        Ok(_) | Err(_) => Mark::Unclear,
    }
}

fn parse_mark(environment: &[u8]) -> Mark {
    environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="))
        .map_or(Mark::Without, |value| Mark::Is(value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_read_is_a_read() {
        let Some(read) = READ else { return };
        assert_eq!(parse_read(&format!("{read} 0x3 0x7ffe 0x400 0x0 0x0 0x0 0x7ffd 0x7f01\n")), Some(3));
        assert_eq!(parse_read(&format!("{} 0x3 0x7ffe 0x400 0x0 0x0 0x0 0x7ffd 0x7f01\n", read + 1)), None);
        assert_eq!(parse_read("running\n"), None);
        assert_eq!(parse_read(""), None);
        assert_eq!(terminal_read(own_id()), None);
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let line = b"42 (a) b (c)) S 7 8 9 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 555 0 0\n";
        assert_eq!(
            parse_stat(line),
            Some(Stat {
                state: b'S',
                parent: 7,
                group: 8,
                session: 9,
                ticks: 100,
                own_ticks: 30,
                started: 555,
                is_exiting: false
            })
        );
        assert_eq!(parse_stat(b"42 (cut) S 7"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn a_list_counts_when_the_next_one_is_the_same() {
        let given = |lists: &[&[i32]]| {
            let mut lists = lists.iter();
            stable(3, || lists.next().expect("no further read").to_vec())
        };
        assert_eq!(given(&[&[]]), [0; 0]);
        assert_eq!(given(&[&[4, 9], &[4, 9]]), [4, 9]);
        // 4 has gone while the first was read, and so 9 was left out.
        assert_eq!(given(&[&[4], &[9], &[9]]), [9]);
        assert_eq!(given(&[&[4], &[9, 11], &[11]]), [4, 9, 11], "never the same: all that were seen");
    }

    #[test]
    fn only_a_whole_name_is_the_mark() {
        assert_eq!(parse_mark(b"A=1\0ORCHESTRATE_MARK=r/t/1\0B=2\0"), Mark::Is(b"r/t/1".to_vec()));
        assert_eq!(parse_mark(b"XORCHESTRATE_MARK=r/t/1\0ORCHESTRATE_MARKS=2\0"), Mark::Without);
    }

    #[test]
    fn a_kill_that_is_on_its_way_is_seen() {
        assert!(has_kill_pending("SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n"));
        assert!(has_kill_pending("SigPnd:\t0000000000000000\nShdPnd:\t0000000000000101\n"));
        assert!(!has_kill_pending("SigPnd:\t0000000000000200\nSigCgt:\t0000000000000100\n"));
        assert!(!is_being_killed(std::process::id()));
        assert!(!is_gone_within(std::process::id(), Duration::from_millis(1)));
    }

    #[test]
    fn this_process_can_be_seen() {
        let own = stat(own_id()).unwrap();
        assert!(!own.has_ended());
        assert!(all().contains(&own_id()));
        assert!(children(own.parent).contains(&own_id()));
    }
}
