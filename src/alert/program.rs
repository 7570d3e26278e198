//! One call of a command: the alert as JSON on its standard input, and in short in its variables.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::model::alert::Alert;

use super::text::{cut_chars, one_line};
use super::{Delivery, Failing};

/// How often it is looked whether the command has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How much of what it says of an error is kept.
const SAID: u64 = 4 * 1024;
/// How much of it is shown.
const SHOWN: usize = 200;

/// A command that is told of alerts.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; at least one.
    pub words: Vec<String>,
    /// Where it runs; a program with a separator in its name is looked for there.
    pub directory: PathBuf,
    /// Its variables, besides those about the alert.
    pub environment: BTreeMap<String, String>,
}

impl std::fmt::Debug for Program {
    /// Variables may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("words", &self.words).finish_non_exhaustive()
    }
}

impl Program {
    /// Runs it once, at most for `timeout`.
    pub(super) fn call(&self, alert: &Alert, timeout: Duration) -> Delivery {
        match self.start(alert) {
            Ok(child) => ended(child, alert, timeout),
            Err(error) => {
                let name = self.words.first().map(String::as_str).unwrap_or_default();
                let why = format!("cannot start `{name}`: {error}");
                let again = !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied);
                Delivery::Failed(Failing { status: None, why, again, after: None })
            }
        }
    }

    fn start(&self, alert: &Alert) -> std::io::Result<Child> {
        let (name, arguments) = self.words.split_first().ok_or(ErrorKind::NotFound)?;
        let is_path = Path::new(name).components().count() > 1;
        let mut command = Command::new(if is_path { self.directory.join(name) } else { PathBuf::from(name) });
        command
            .args(arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(&self.environment)
            .env("ORCHESTRATE_ALERT_KIND", alert.kind.as_str())
            .env("ORCHESTRATE_ALERT_TITLE", &alert.title)
            .env("ORCHESTRATE_ALERT_TEXT", &alert.text)
            .env("ORCHESTRATE_ALERT_RUN", alert.run_id.as_str())
            .env("ORCHESTRATE_ALERT_TASK", alert.task.as_ref().map_or("", |task| task.as_str()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command.spawn()
    }
}

/// Gives the command its alert and waits for its end.
fn ended(mut child: Child, alert: &Alert, timeout: Duration) -> Delivery {
    let document = serde_json::to_vec(alert).unwrap_or_default();
    if let Some(mut stdin) = child.stdin.take() {
        // On a thread of its own: a command that does not read must not keep us.
        std::thread::spawn(move || {
            // One that closes its input unread does not want it.
            let _written = stdin.write_all(&document).and_then(|()| stdin.write_all(b"\n"));
        });
    }
    let (said, hears) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let _read = stderr.take(SAID).read_to_end(&mut bytes);
            let _sent = said.send(bytes);
        });
    }
    let waited = wait(&mut child, timeout);
    // Whatever it started may hold the pipe: its words are waited for one moment only.
    let words = hears.recv_timeout(LOOK).unwrap_or_default();
    let words = cut_chars(&one_line(&String::from_utf8_lossy(&words)), SHOWN);
    let words = if words.is_empty() { String::new() } else { format!(": {words}") };
    let failed = |why: String| Delivery::Failed(Failing { status: None, why, again: true, after: None });
    match waited {
        Ok(Some(status)) if status.success() => Delivery::Delivered { status: None },
        Ok(Some(status)) => failed(format!("the command ended with {}{words}", code_of(status))),
        Ok(None) => failed("the command did not end in time".to_owned()),
        Err(error) => failed(format!("the command cannot be waited for: {error}")),
    }
}

fn code_of(status: ExitStatus) -> String {
    status.code().map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"))
}

/// Waits for the end; None: it was killed, since its time was up.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<Option<ExitStatus>> {
    let (_open, never) = mpsc::channel::<()>();
    let mut left = timeout;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if left.is_zero() {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        // Nobody ever sends: it is the wait that counts.
        let slice = LOOK.min(left);
        if never.recv_timeout(slice) == Err(RecvTimeoutError::Timeout) {
            left = left.saturating_sub(slice);
        }
    }
}
