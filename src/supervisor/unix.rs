//! Leaders on Unix: started by `posix_spawn` in a group of their own, signalled by that group.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::tree::Tree;
use crate::model::command::StopSignal;
use crate::model::outcome::Ending;

/// Bytes that are taken from a pipe after its process has ended, at most: more than any pipe holds, so
/// that a stray which writes on and on does not keep us.
const DRAIN_LIMIT: usize = 4 * 1024 * 1024;

/// The process that was started.
#[derive(Debug)]
pub(super) struct Leader {
    child: Child,
    pid: u32,
}

impl Leader {
    /// Starts `command`. Nothing in here costs the `posix_spawn` path: the program is absolute, and
    /// the group is set by a flag.
    pub(super) fn spawn(mut command: Command, tree: &Tree) -> io::Result<Self> {
        command.process_group(0).kill_on_drop(true);
        let child = tree.spawn(|| command.spawn(), Child::id)?;
        let pid = child.id().ok_or_else(|| io::Error::other("the process has no id"))?;
        Ok(Self { child, pid })
    }

    /// Its id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Its pipes, as far as it has any.
    pub(super) fn take_pipes(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for it alone.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks its group to stop.
    pub(super) fn ask(&self, signal: StopSignal) {
        self.signal(match signal {
            StopSignal::Terminate => Signal::TERM,
            StopSignal::Interrupt => Signal::INT,
        });
        // One that is suspended would not hear it.
        self.signal(Signal::CONT);
    }

    /// Kills its group.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    /// What the ended leader left is told apart and ended by its tree where one can be seen; elsewhere
    /// this ends its group.
    #[cfg(target_os = "linux")]
    #[expect(clippy::unused_self, reason = "the twins end something")]
    pub(super) fn end_rest(&mut self) {}

    /// Ends the group of the leader that has ended: its id is not given to another while the group has
    /// members.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn end_rest(&mut self) {
        let group = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(Err(error)) = group.map(|group| rustix::process::kill_process_group(group, Signal::KILL))
        {
            tracing::debug!(pid = self.pid, %error, "nobody is left in a group");
        }
    }

    fn signal(&self, signal: Signal) {
        // While the runtime has not waited for it the id, and so the group, cannot be another's.
        if self.child.id().is_none() {
            return;
        }
        let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        if let Err(error) = rustix::process::kill_process_group(group, signal) {
            tracing::debug!(pid = self.pid, %error, "cannot signal a group");
        }
    }
}

/// Says how a process ended.
pub(super) fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited { code },
        (None, Some(signal)) => Ending::Killed { signal },
        (None, None) => Ending::Unknown { message: format!("the system said {status}") },
    }
}

/// Takes what is in a pipe without waiting for more: strays may hold it open for ever.
#[expect(clippy::unused_async, reason = "the Windows twin waits")]
pub(super) async fn drain<P: AsFd>(pipe: &mut P, buffer: &mut [u8], mut take: impl FnMut(&[u8])) {
    let mut taken = 0;
    while taken < DRAIN_LIMIT {
        // The runtime's pipes do not block. Its own reads know of readiness only what the last poll told,
        // which may be older than the last write.
        match rustix::io::read(pipe.as_fd(), &mut *buffer) {
            Ok(0) => break,
            Ok(length) => {
                take(&buffer[..length]);
                taken += length;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => break,
        }
    }
}
