//! Signals that end a run: the first asks for a stop, the second for one at once.

use crate::model::exit::ExitCode;

/// A request of the system to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// Its name, for people.
    pub name: &'static str,
    /// What the process exits with after it.
    pub exit: ExitCode,
}

/// Listens for the signals that end a run.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hang_up: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    terminate: tokio::signal::windows::CtrlBreak,
    #[cfg(windows)]
    hang_up: tokio::signal::windows::CtrlClose,
}

impl Signals {
    /// Begins to listen. From here on these signals do not end the process by themselves.
    #[cfg(unix)]
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Begins to listen. From here on these events do not end the process by themselves.
    #[cfg(windows)]
    pub fn listen() -> std::io::Result<Self> {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close};
        Ok(Self { interrupt: ctrl_c()?, terminate: ctrl_break()?, hang_up: ctrl_close()? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Signal {
        const INTERRUPT: Signal = Signal { name: "SIGINT", exit: ExitCode::Interrupted };
        const TERMINATE: Signal = Signal { name: "SIGTERM", exit: ExitCode::Terminated };
        const HANG_UP: Signal = Signal { name: "SIGHUP", exit: ExitCode::Terminated };
        tokio::select! {
            Some(()) = self.interrupt.recv() => INTERRUPT,
            Some(()) = self.terminate.recv() => TERMINATE,
            Some(()) = self.hang_up.recv() => HANG_UP,
            else => std::future::pending().await,
        }
    }
}
