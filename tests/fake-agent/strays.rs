//! Processes that try to get away from whoever started them.
//!
//! `stray:TRAITS` starts one; its traits are joined by `+`:
//!
//! | trait | what it does |
//! | --- | --- |
//! | `twice` | is started by a child that ends at once, so that its parent is gone |
//! | `setsid` | has a session of its own |
//! | `group` | has a process group of its own |
//! | `deaf` | ignores TERM and INT |
//! | `closed` | closes all descriptors |
//! | `holding` | holds our stdout and stderr |
//! | `cleared` | has an empty environment |
//! | `unmarked` | puts off the limit that it inherits, too |
//! | `chain` | starts another one every 30 ms and ends, so that no process of it lives long |
//! | `leaping` | the same, each in a session of its own |
//!
//! Whatever it does, it keeps the arguments `as:TEXT` of the one that started it, so that a test finds it.

use std::env;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::{Outcome, find, say};

/// How long a process of a chain lives.
const HOP: Duration = Duration::from_millis(30);

/// The arguments that go along wherever this process's descendants go.
fn kept() -> impl Iterator<Item = String> {
    env::args().skip(1).filter(|argument| argument.starts_with("as:"))
}

/// Starts one, waits until it is what it is to be, and says `grandchild PID`.
pub(crate) fn stray(traits: &str) -> Outcome {
    let has = |name: &str| traits.split('+').any(|other| other == name);
    let own = env::current_exe()?;
    if has("twice") {
        let rest: Vec<&str> = traits.split('+').filter(|name| *name != "twice").collect();
        let status = Command::new(own).args(kept()).arg(format!("stray:{}", rest.join("+"))).status()?;
        return if status.success() { Ok(()) } else { Err("the one between failed".into()) };
    }
    let mut line: Vec<PathBuf> = Vec::new();
    if has("setsid") {
        line.push(find("setsid")?);
    }
    if has("unmarked") {
        line.extend([find("prlimit")?, "--locks=9:9".into()]);
    }
    if has("closed") {
        let close = "echo ready; exec 0<&- 1>&- 2>&-; exec \"$0\" \"$@\"";
        line.extend([find("sh")?, "-c".into(), close.into()]);
    }
    line.push(own);
    if has("deaf") {
        line.push("ignore-term".into());
    }
    line.extend(kept().map(PathBuf::from));
    if !has("closed") && !has("holding") {
        line.push("line:ready".into());
    }
    line.push(if has("leaping") {
        "leaping-chain".into()
    } else if has("chain") {
        "chain".into()
    } else {
        "hang".into()
    });
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).stdin(Stdio::null());
    if has("cleared") {
        command.env_clear();
        // A shell is found by it, and nobody is known by it.
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
    }
    if has("group") {
        group(&mut command);
    }
    if !has("holding") {
        command.stdout(Stdio::piped()).stderr(Stdio::null());
    }
    let mut child = command.spawn()?;
    if let Some(mut stdout) = child.stdout.take() {
        stdout.read_exact(&mut [0; 5])?;
    }
    say(&format!("grandchild {}", child.id()))
}

#[cfg(unix)]
fn group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn group(_command: &mut Command) {}

/// Starts the next one and ends.
pub(crate) fn hop(leaping: bool) -> Outcome {
    thread::sleep(HOP);
    let own = env::current_exe()?;
    let mut command = if leaping { Command::new(find("setsid")?) } else { Command::new(&own) };
    if leaping {
        command.arg(&own);
    }
    command.args(kept()).arg(if leaping { "leaping-chain" } else { "chain" });
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    std::process::exit(0)
}

/// Starts tools as a model in a loop does, each in a session of its own that lives on for a while.
pub(crate) fn tools(pause: Duration) -> Outcome {
    let (setsid, own) = (find("setsid")?, env::current_exe()?);
    let mut running: Vec<Child> = Vec::new();
    loop {
        running.push(start_tool(&setsid, &own)?);
        thread::sleep(pause);
        running.retain_mut(|tool| matches!(tool.try_wait(), Ok(None)));
    }
}

fn start_tool(setsid: &Path, own: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(setsid);
    command.arg(own).args(kept()).arg("nap:300");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}
