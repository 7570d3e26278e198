//! The process that stands above the supervisor, so that nothing outlives it, whatever ends it.
//!
//! The process that the user started becomes the guard: it starts the supervisor as its child,
//! passes signals on to it and its exit code out. It is a child subreaper, so when the supervisor
//! dies, by whatever cause, everything below comes to the guard, which ends it. When the guard dies
//! instead, the supervisor learns it from [`guard_gone`] and stops the run. (A process *beside* the
//! supervisor cannot do this: what cleared its environment and made a session would come to
//! the system's first process, and nobody could tell whose it was.)
//!
//! The supervisor has a process group of its own: Ctrl-C in a terminal reaches the guard alone and is
//! passed on once, since a second one means "at once".
//!
//! On Windows the guard holds a job object with the supervisor in it, so that the end of either is the
//! end of everything.

use std::ffi::OsString;

/// The variable that tells a supervisor who guards it. It must not reach agents.
pub const GUARD: &str = "ORCHESTRATE_GUARD";

/// Starts this program once more with `arguments`, guards it to its end and says what to exit with.
/// None: this system needs no guard, and the caller goes on as the supervisor itself.
///
/// This blocks; no runtime may be around it. A caller that gets an error can go on without a guard.
///
/// # Errors
///
/// Where the program cannot be started or the system refuses to make this process the parent of
/// orphans.
pub fn stand_guard(arguments: &[OsString]) -> std::io::Result<Option<u8>> {
    system::stand(arguments)
}

/// Waits until the guard that [`GUARD`] names by `value` is gone; for ever, if `value` names none.
pub async fn guard_gone(value: &str) {
    system::gone(value).await;
}

/// The number that a process must exit with to say `code`, `guarded` telling whether it was started by a
/// guard. On Windows an exit code alone does not tell whether a process has ended by itself, so its
/// guard is told in another way.
pub fn exit_number(code: u8, guarded: bool) -> i32 {
    if guarded { system::code_for_guard(code) } else { i32::from(code) }
}

#[cfg(windows)]
mod windows;
#[cfg(windows)]
use windows as system;

#[cfg(target_os = "linux")]
mod system {
    use std::ffi::OsString;
    use std::io;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;
    use rustix::process::{Pid, PidfdFlags, Signal};
    use tokio::process::{Child, Command};
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::sync::oneshot;

    use super::GUARD;
    use crate::supervisor::tree::{self, proc};
    use crate::supervisor::{own_name, process_alive};

    /// Where a process cannot be waited for, it is looked at this often.
    const LOOK: Duration = Duration::from_secs(1);

    pub(super) fn stand(arguments: &[OsString]) -> io::Result<Option<u8>> {
        tree::adopt_orphans()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(watch_over(arguments)).map(Some)
    }

    async fn watch_over(arguments: &[OsString]) -> io::Result<u8> {
        // Signals are caught before there is anybody to pass them on to, so none falls between.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut supervisor = Command::new(std::env::current_exe()?)
            .args(arguments)
            .env(GUARD, own_name())
            .process_group(0)
            .spawn()?;
        let status = loop {
            tokio::select! {
                status = supervisor.wait() => break status?,
                Some(()) = interrupt.recv() => pass_on(&supervisor, Signal::INT),
                Some(()) = terminate.recv() => pass_on(&supervisor, Signal::TERM),
                Some(()) = hangup.recv() => pass_on(&supervisor, Signal::HUP),
                Some(()) = quit.recv() => pass_on(&supervisor, Signal::QUIT),
            }
        };
        let left = tree::end_everything().await;
        if left > 0 {
            tracing::info!(left, "ended processes that the supervisor left behind");
        }
        Ok(exit_code(status))
    }

    fn pass_on(supervisor: &Child, signal: Signal) {
        // None: it was waited for, and its id may be another's.
        let pid = supervisor.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(Err(error)) = pid.map(|pid| rustix::process::kill_process(pid, signal)) {
            tracing::debug!(%error, "cannot pass a signal on");
        }
    }

    /// What a shell would say of it.
    fn exit_code(status: ExitStatus) -> u8 {
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        u8::try_from(code & 0xff).unwrap_or(u8::MAX)
    }

    pub(super) fn code_for_guard(code: u8) -> i32 {
        i32::from(code)
    }

    pub(super) async fn gone(value: &str) {
        let Some((pid, started)) = value.split_once('@') else {
            return std::future::pending().await;
        };
        let Ok(pid) = pid.parse::<u32>() else {
            return std::future::pending().await;
        };
        let ended = wait_apart(pid);
        // The handle may be that of a later process with the same id; what counts is who began when.
        if let (Some(ended), true) = (ended, process_alive(pid, started)) {
            // The sender says nothing; its going is the word.
            drop(ended.await);
        }
        while process_alive(pid, started) {
            tokio::time::sleep(LOOK).await;
        }
        tracing::debug!(guard = pid, own = proc::own_id(), "the guard is gone");
    }

    /// Waits for the end of a process that is no child of ours, in a thread of its own: the program does not
    /// wait for that one when it ends, as it would for a blocking task of the runtime.
    fn wait_apart(pid: u32) -> Option<oneshot::Receiver<()>> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw)?;
        let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let (say, ended) = oneshot::channel();
        let wait = move || {
            // It can be read once the process has ended, also if nobody has waited for it yet.
            while poll(&mut [PollFd::new(&handle, PollFlags::IN)], None) == Err(Errno::INTR) {}
            drop(say);
        };
        std::thread::Builder::new().name("guard".to_owned()).spawn(wait).ok()?;
        Some(ended)
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::supervisor::process_started;

        #[test]
        fn codes_are_those_of_a_shell() {
            assert_eq!(exit_code(ExitStatus::from_raw(0)), 0);
            assert_eq!(exit_code(ExitStatus::from_raw(8 << 8)), 8);
            assert_eq!(exit_code(ExitStatus::from_raw(9)), 137);
        }

        #[tokio::test]
        async fn a_guard_that_was_never_there_is_gone() {
            let started = process_started(std::process::id()).unwrap();
            gone(&format!("{}@{started}0", std::process::id())).await;
            let own = format!("{}@{started}", std::process::id());
            let waited = tokio::time::timeout(Duration::from_millis(20), gone(&own)).await;
            assert!(waited.is_err(), "this process is there");
            assert!(tokio::time::timeout(Duration::from_millis(20), gone("nobody")).await.is_err());
        }
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
mod system {
    use std::ffi::OsString;

    #[expect(clippy::unnecessary_wraps, reason = "the Linux twin can fail")]
    pub(super) fn stand(_arguments: &[OsString]) -> std::io::Result<Option<u8>> {
        Ok(None)
    }

    pub(super) fn code_for_guard(code: u8) -> i32 {
        i32::from(code)
    }

    pub(super) async fn gone(_value: &str) {
        std::future::pending::<()>().await;
    }
}
