//! What still runs of a project: looked for in `/proc`, so on Linux only.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a process that was started may take to be seen.
const SEEN: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing runs.
    Nothing,
    /// These do: id and command line.
    Some(Vec<String>),
    /// This system has no `/proc`.
    CannotTell,
}

/// Whether what runs can be told here.
pub(crate) fn can_tell() -> bool {
    Path::new("/proc/self/environ").exists()
}

/// Whether the look sees a process while it runs, and no longer when it has ended: otherwise it
/// proves nothing.
pub(crate) fn are_seen() -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let child = Command::new("sleep").arg("60").env("PROJECT", folder.path()).current_dir("/").spawn();
    let mut child = child.expect("`sleep` starts");
    // For a moment a new process shows neither environment nor command line.
    let seen = waits_until(SEEN, || now(folder.path()).len() == 1);
    child.kill().expect("it can be ended");
    child.wait().expect("its end");
    seen && left(folder.path(), Duration::ZERO) == Left::Nothing
}

/// Looks for processes that have the project's folder in their environment or command line, or work
/// in it, until there are none or `patience` has passed.
pub(crate) fn left(root: &Path, patience: Duration) -> Left {
    if !can_tell() {
        return Left::CannotTell;
    }
    if waits_until(patience, || now(root).is_empty()) { Left::Nothing } else { Left::Some(now(root)) }
}

/// Asks again and again until the answer is yes or `patience` has passed. Nothing tells when a
/// process that is nobody's child here has gone.
fn waits_until(patience: Duration, is_so: impl Fn() -> bool) -> bool {
    let (_held, never) = std::sync::mpsc::channel::<()>();
    let mut waited = Duration::ZERO;
    loop {
        if is_so() {
            return true;
        }
        if waited >= patience {
            return false;
        }
        let _ = never.recv_timeout(PAUSE);
        waited += PAUSE;
    }
}

fn now(root: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let wanted = root.to_string_lossy().into_owned();
    let own = std::process::id().to_string();
    entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own)
        .filter_map(|pid| {
            let folder = Path::new("/proc").join(&pid);
            let text = |name: &str| {
                let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let line = text("cmdline");
            let works_there = std::fs::read_link(folder.join("cwd")).is_ok_and(|cwd| cwd.starts_with(root));
            let its = works_there || line.contains(&wanted) || text("environ").contains(&wanted);
            its.then(|| format!("{pid} {}", line.trim().chars().take(120).collect::<String>()))
        })
        .collect()
}

/// Ends a process that we started.
pub(crate) fn end(pid: u32) {
    let mut kill = if cfg!(windows) {
        let mut kill = Command::new("taskkill");
        kill.args(["/F", "/T", "/PID"]);
        kill
    } else {
        let mut kill = Command::new("kill");
        kill.arg("-TERM");
        kill
    };
    // It may have ended in the meantime.
    drop(kill.arg(pid.to_string()).status());
}
