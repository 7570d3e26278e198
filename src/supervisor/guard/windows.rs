//! The guard on Windows: it starts the supervisor inside a job object and holds the only handle of it.
//!
//! All that the supervisor starts is in that job, whatever becomes of the jobs of single attempts: a
//! process whose supervisor was killed between its start and its own job is, and so is one whose
//! job somebody else keeps open. When the supervisor ends, the guard ends the job; when the guard ends,
//! by whatever cause, the system ends the job, and with it the supervisor.
//!
//! Both share a console, so that the supervisor hears Ctrl-C, Ctrl-Break and the closing of the window
//! by itself; the guard only must not end by them before it. Without a console the supervisor gets one
//! that nobody sees: by it agents can be asked to stop, and none of them opens a window of its own.

use std::ffi::OsString;
use std::io;

use tokio::process::Command;
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
use windows_sys::Win32::System::Threading::{CREATE_NO_WINDOW, CREATE_SUSPENDED};

use super::GUARD;
use crate::supervisor::tree::Tree;

/// What a supervisor that ends by itself adds to its exit code. The system has no word for a process that
/// was ended by another one: that one chooses a code, and mostly it is 1.
const BY_ITSELF: u32 = 0x0072_6300;

/// The part of an exit code that says something.
const CODE: u32 = 0xff;

/// What the guard says of a supervisor that was ended: the code of a kill elsewhere.
const WAS_ENDED: u8 = 137;

/// What a panic exits with.
const PANIC: u32 = 101;

pub(super) fn stand(arguments: &[OsString]) -> io::Result<Option<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch_over(arguments)).map(Some)
}

async fn watch_over(arguments: &[OsString]) -> io::Result<u8> {
    // From here on none of these ends this process.
    let _kept = (ctrl_c()?, ctrl_break()?, ctrl_close()?, ctrl_logoff()?, ctrl_shutdown()?);
    let tree = Tree::enter("");
    let mut command = Command::new(std::env::current_exe()?);
    let hidden = if has_console() { 0 } else { CREATE_NO_WINDOW };
    command.args(arguments).env(GUARD, std::process::id().to_string());
    command.creation_flags(CREATE_SUSPENDED | hidden).kill_on_drop(true);
    let mut supervisor = tree.spawn(|| command.spawn(), tokio::process::Child::id)?;
    let status = supervisor.wait().await?;
    let left = tree.end().await;
    if left > 0 {
        tracing::info!(left, "ended processes that the supervisor left behind");
    }
    Ok(exit_code(status.code().map_or(0, i32::cast_unsigned)))
}

/// The end of the guard is the supervisor's, and nobody can wait for that.
pub(super) async fn gone(_value: &str) {
    std::future::pending::<()>().await;
}

/// What a guarded supervisor exits with.
pub(super) fn code_for_guard(code: u8) -> i32 {
    (BY_ITSELF | u32::from(code)).cast_signed()
}

/// What the guard exits with, if the supervisor exited with that.
fn exit_code(code: u32) -> u8 {
    let own = if code & !CODE == BY_ITSELF { Some(code & CODE) } else { None };
    let said = own.or(Some(PANIC).filter(|&panic| code == panic));
    said.and_then(|code| u8::try_from(code).ok()).unwrap_or(WAS_ENDED)
}

/// Whether this process has a console, be it one without a window.
fn has_console() -> bool {
    std::fs::OpenOptions::new().read(true).write(true).open("CONOUT$").is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_supervisor_that_ended_by_itself_is_believed() {
        for code in [0, 1, 8, 143] {
            assert_eq!(exit_code(code_for_guard(code).cast_unsigned()), code);
        }
        assert_eq!(exit_code(101), 101, "a panic");
        for code in [0, 1, 0xC000_013A, 0xC000_0005, 0x0172_6300] {
            assert_eq!(exit_code(code), WAS_ENDED, "{code:#x}");
        }
    }
}
