//! Leaders on Windows: each in a console group of its own, by which it is asked to stop, and started
//! suspended, so that its tree's job object has it before its first instruction.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_SUSPENDED};

use super::job;
use super::tree::Tree;
use crate::model::command::StopSignal;
use crate::model::outcome::Ending;

/// How long the pipes of an ended job may take to say so: their ends are closed with its processes.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// The process that was started.
#[derive(Debug)]
pub(super) struct Leader {
    child: Child,
    pid: u32,
}

impl Leader {
    /// Starts `command`, suspended until it is in its tree, so that nothing escapes.
    pub(super) fn spawn(mut command: Command, tree: &Tree) -> io::Result<Self> {
        command.creation_flags(CREATE_NEW_PROCESS_GROUP | CREATE_SUSPENDED).kill_on_drop(true);
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

    /// Asks its console group to stop. There is one such word on Windows; a group cannot be sent Ctrl-C.
    pub(super) fn ask(&self, _signal: StopSignal) {
        if let Err(error) = send_break(self.pid) {
            tracing::debug!(pid = self.pid, %error, "cannot ask a process to stop");
        }
    }

    /// Its tree's job has ended it, and a second word could be heard for the first.
    #[expect(clippy::unused_self, reason = "the twins end something")]
    pub(super) fn kill(&mut self) {}

    /// What the ended leader left is ended by its tree.
    #[expect(clippy::unused_self, reason = "a twin ends something")]
    pub(super) fn end_rest(&mut self) {}
}

/// Says how a process ended.
pub(super) fn ending(status: ExitStatus) -> Ending {
    match status.code() {
        Some(code) => Ending::Exited { code },
        None => Ending::Unknown { message: format!("the system said {status}") },
    }
}

/// Takes what is in a pipe, to its end or for a moment.
pub(super) async fn drain<P: AsyncRead + Unpin>(
    pipe: &mut P,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]),
) {
    let all = async {
        while let Ok(length) = pipe.read(buffer).await {
            if length == 0 {
                break;
            }
            take(&buffer[..length]);
        }
    };
    if tokio::time::timeout(DRAIN_LIMIT, all).await.is_err() {
        tracing::debug!("a pipe is held open by somebody else");
    }
}

/// Names the process that has this id, for good, by when it began. None: there is no such process.
pub fn process_started(pid: u32) -> Option<String> {
    job::birth(pid).map(|birth| format!("windows:{birth}"))
}

/// Whether the process `pid` that [`process_started`] named `started` still runs.
pub fn process_alive(pid: u32, started: &str) -> bool {
    process_started(pid).as_deref() == Some(started)
}

/// None: it cannot be told.
pub fn available_memory() -> Option<u64> {
    None
}

/// Bytes that we may still write to the volume of a folder that is there. None: it cannot be told.
#[expect(unsafe_code, reason = "the system's call has no safe form")]
pub fn free_space(folder: &std::path::Path) -> Option<u64> {
    use std::os::windows::ffi::OsStrExt as _;
    let name: Vec<u16> = folder.as_os_str().encode_wide().chain([0]).collect();
    let mut free = 0;
    // SAFETY: the name ends with a zero and outlives the call, as does the number that is written to;
    // the numbers that are not asked for may be null.
    let told = unsafe {
        GetDiskFreeSpaceExW(name.as_ptr(), &raw mut free, std::ptr::null_mut(), std::ptr::null_mut())
    };
    (told != 0).then_some(free)
}

#[expect(unsafe_code, reason = "the system's call has no safe form")]
fn send_break(group: u32) -> io::Result<()> {
    // SAFETY: takes two numbers and touches no memory of ours.
    let sent = unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) };
    if sent == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
