//! The end of single processes: named for good before they are killed, and waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use tokio::time::Instant;

use super::proc::{self, Stat};

/// How long the dead may take: memory of several gigabytes is not given back at once, and a process
/// that hangs in the kernel does not end at all.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Between two looks at the dying, at the least and at the most.
const PAUSE_LEAST: Duration = Duration::from_millis(1);
const PAUSE_LIMIT: Duration = Duration::from_millis(20);

/// What was ended in a row of looks, and how long the next one may wait.
#[derive(Debug)]
pub(super) struct Toll {
    /// By id and start.
    ended: BTreeSet<(i32, u64)>,
    /// Whether this look found something that the last one had not, or came too late for it.
    news: bool,
    begun: Instant,
    pause: Duration,
}

impl Toll {
    pub(super) fn new() -> Self {
        Self { ended: BTreeSet::new(), news: false, begun: Instant::now(), pause: PAUSE_LEAST }
    }

    /// How many processes were ended.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.ended.len()).unwrap_or(u32::MAX)
    }

    /// Waits for the dying until the next look; false, aloud: they have had their time.
    ///
    /// What goes on starting others and ends at once can only be caught by looking faster than it does, so
    /// nothing is waited for as long as there are new ones.
    pub(super) async fn next_look(&mut self) -> bool {
        if self.begun.elapsed() > END_LIMIT {
            tracing::warn!(processes = ?self.ended, "some processes do not end");
            return false;
        }
        if std::mem::take(&mut self.news) {
            self.pause = PAUSE_LEAST;
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(PAUSE_LIMIT);
        }
        true
    }

    /// Notes that something had ended by itself before it was looked at.
    pub(super) fn came_too_late(&mut self) {
        self.news = true;
    }

    /// Kills the process that had this id and start. Answers whether something is on its way out, and so
    /// has to be waited for; one that had just ended by itself is too.
    pub(super) fn end(&mut self, pid: i32, started: u64) -> bool {
        match kill(pid, started) {
            Killed::Sent => {
                self.news |= self.ended.insert((pid, started));
                true
            }
            Killed::Ended => {
                self.news = true;
                true
            }
            Killed::Refused => false,
        }
    }

    /// Kills the process that `handle` holds, whose id is `pid`. Answers whether it is on its way out; none:
    /// it had ended before.
    pub(super) fn end_held(&mut self, pid: i32, handle: &OwnedFd) -> Option<bool> {
        // A descriptor of a process can be read once that has ended.
        if poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&Timespec::default())) == Ok(1) {
            return None;
        }
        match rustix::process::pidfd_send_signal(handle, Signal::KILL) {
            Ok(()) => {
                let started = proc::stat(pid).map_or(0, |stat| stat.started);
                self.news |= self.ended.insert((pid, started));
                Some(true)
            }
            Err(rustix::io::Errno::SRCH) => None,
            Err(error) => {
                tracing::warn!(pid, %error, "cannot end a process that an attempt left behind");
                Some(false)
            }
        }
    }

    /// Kills a process and all below it, as [`Self::end`] does one.
    pub(super) fn end_with_descendants(&mut self, pid: i32) -> bool {
        let mut seen = BTreeMap::new();
        descend(&mut vec![pid], &mut seen);
        // The dead among them are waited for by their parents or, when those are gone, by us.
        seen.iter()
            .fold(false, |going, (&pid, stat)| stat.has_ended() || self.end(pid, stat.started) || going)
    }
}

/// Follows lists of children from `open` down.
pub(super) fn descend(open: &mut Vec<i32>, seen: &mut BTreeMap<i32, Stat>) {
    while let Some(pid) = open.pop() {
        if seen.contains_key(&pid) {
            continue;
        }
        if let Some(stat) = proc::stat(pid) {
            seen.insert(pid, stat);
            open.extend(proc::children(pid));
        }
    }
}

/// What became of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Killed {
    Sent,
    /// It has ended, or somebody else has its id.
    Ended,
    /// It may not be killed.
    Refused,
}

/// Kills the process that had this id and start.
pub(super) fn kill(pid: i32, started: u64) -> Killed {
    let Some(id) = Pid::from_raw(pid).filter(|_| pid != proc::own_id()) else {
        return Killed::Refused;
    };
    // The descriptor comes first: it names whoever has the id at this moment, and the start tells whether
    // that is the one that was meant.
    let handle = rustix::process::pidfd_open(id, PidfdFlags::empty());
    if proc::stat(pid).is_none_or(|stat| stat.started != started || stat.has_ended()) {
        return Killed::Ended;
    }
    let sent = match handle {
        Ok(handle) => rustix::process::pidfd_send_signal(handle, Signal::KILL),
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::MFILE | rustix::io::Errno::NFILE) => {
            rustix::process::kill_process(id, Signal::KILL)
        }
        Err(error) => Err(error),
    };
    match sent {
        Ok(()) => Killed::Sent,
        Err(rustix::io::Errno::SRCH) => Killed::Ended,
        Err(error) => {
            tracing::warn!(pid, %error, "cannot end a process that an attempt left behind");
            Killed::Refused
        }
    }
}

/// Takes a dead child off the system's list.
pub(super) fn reap(pid: i32) {
    // No id would mean any child, the leaders among them.
    let Some(id) = Pid::from_raw(pid) else {
        return;
    };
    let waited = rustix::process::waitpid(Some(id), WaitOptions::NOHANG);
    if let Err(error) = waited {
        tracing::debug!(pid, %error, "an orphan was waited for by somebody else");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_was_given_to_another_process_is_not_hit() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let started = proc::stat(pid).unwrap().started;
        assert_eq!(kill(pid, started + 1), Killed::Ended, "one that began at another time is another one");
        assert_eq!(child.try_wait().unwrap(), None, "it lives");
        assert_eq!(kill(pid, started), Killed::Sent);
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
        assert_eq!(kill(pid, started), Killed::Ended);
        assert_eq!(kill(proc::own_id(), 0), Killed::Refused);
    }
}
