//! Signals that end a run: the first asks for a stop, the second for one at once.

use crate::model::exit::ExitCode;

/// How long after its first word the closing of a window says its second one: the system waits five seconds.
#[cfg(windows)]
const HURRY: std::time::Duration = std::time::Duration::from_secs(2);

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
    /// When the second word comes by itself.
    #[cfg(windows)]
    second: SecondWord,
}

/// A word that follows another by itself. Windows ends a process a few seconds after the window of its console
/// was closed, and nobody can say "at once" there any more.
#[cfg(any(windows, test))]
#[derive(Debug)]
struct SecondWord {
    after: std::time::Duration,
    running: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

#[cfg(any(windows, test))]
impl SecondWord {
    /// A word that comes so long after the first.
    fn new(after: std::time::Duration) -> Self {
        Self { after, running: None }
    }

    /// The first word was said.
    fn follow(&mut self) {
        let after = self.after;
        self.running.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
    }

    /// Waits for its time; for ever, if no word was said, or if it has come.
    async fn wait(&mut self) {
        match &mut self.running {
            Some(sleep) if !sleep.is_elapsed() => sleep.await,
            Some(_) | None => std::future::pending().await,
        }
    }
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
        Ok(Self {
            interrupt: ctrl_c()?,
            terminate: ctrl_break()?,
            hang_up: ctrl_close()?,
            second: SecondWord::new(HURRY),
        })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Signal {
        const INTERRUPT: Signal = Signal { name: "SIGINT", exit: ExitCode::Interrupted };
        const TERMINATE: Signal = Signal { name: "SIGTERM", exit: ExitCode::Terminated };
        const HANG_UP: Signal = Signal { name: "SIGHUP", exit: ExitCode::Terminated };
        #[cfg(windows)]
        let second = self.second.wait();
        #[cfg(unix)]
        let second = std::future::pending::<()>();
        let signal = tokio::select! {
            Some(()) = self.interrupt.recv() => INTERRUPT,
            Some(()) = self.terminate.recv() => TERMINATE,
            Some(()) = self.hang_up.recv() => HANG_UP,
            () = second => return HANG_UP,
        };
        #[cfg(windows)]
        if signal == HANG_UP {
            self.second.follow();
        }
        signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_word_comes_once() {
        let moment = std::time::Duration::from_millis(20);
        let mut word = SecondWord::new(std::time::Duration::from_millis(1));
        assert!(tokio::time::timeout(moment, word.wait()).await.is_err(), "nobody has said the first");
        word.follow();
        word.follow();
        word.wait().await;
        word.follow();
        assert!(tokio::time::timeout(moment, word.wait()).await.is_err());
    }
}
