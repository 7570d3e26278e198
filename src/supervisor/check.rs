//! Checks: commands through a shell, one after the other, each with its time and its tree.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::sync::watch as channel;
use tokio::time::Instant;

use super::leader::{self, Launch};
use super::output;
use super::platform::{self, Leader};
use super::tree::Tree;
use super::watchdog::{Due, Limits, Watchdog};
use super::{CheckJob, Duty, Order, Report};
use crate::model::command::{StopSignal, shell_arguments};
use crate::model::outcome::{CheckResult, Ending, StopReason};

/// How long a check that has had its time may take to stop.
const GRACE: Duration = Duration::from_secs(5);

/// What is kept of what a check printed last.
const TAIL_BYTES: u64 = 4096;

/// Lines of it.
const TAIL_LINES: usize = 20;

/// The result of checks that nobody observed.
pub(super) fn unseen(message: String) -> CheckResult {
    CheckResult {
        command: String::new(),
        ending: Ending::Unknown { message },
        timed_out: false,
        tail: String::new(),
        wall_ms: 0,
    }
}

/// Runs all checks of a job and answers for it.
pub(super) async fn run(job: CheckJob, duty: Duty, mut orders: channel::Receiver<Order>) {
    duty.shared.remember_run(&job.mark);
    let mut results = Vec::with_capacity(job.commands.len());
    for command in &job.commands {
        if matches!(*orders.borrow(), Order::Stop(_) | Order::Kill) {
            break;
        }
        results.push(run_one(&job, command, &mut orders).await);
    }
    duty.answer(Report::Checked { ticket: job.ticket, results });
}

async fn run_one(job: &CheckJob, command: &str, orders: &mut channel::Receiver<Order>) -> CheckResult {
    let begun = Instant::now();
    let (ending, timed_out, from) = match open(&job.log) {
        Ok((log, from)) => {
            let (ending, timed_out) = run_into(job, command, &log, orders).await;
            (ending, timed_out, from)
        }
        Err(error) => {
            let message = format!("cannot write `{}`: {error}", job.log.display());
            (Ending::FailedToStart { message }, false, u64::MAX)
        }
    };
    CheckResult {
        command: command.to_owned(),
        ending,
        timed_out,
        tail: tail(&job.log, from),
        wall_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

/// Opens the log for appending, and says where this command's output begins.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let log = output::private().append(true).create(true).open(path)?;
    let from = log.metadata()?.len();
    Ok((log, from))
}

async fn run_into(
    job: &CheckJob,
    command: &str,
    log: &File,
    orders: &mut channel::Receiver<Order>,
) -> (Ending, bool) {
    let tree = Tree::enter(&job.mark);
    let Some(args) = shell_arguments(&job.shell, command) else {
        let message = "the check has several lines and `cmd` takes one".to_owned();
        return (Ending::FailedToStart { message }, false);
    };
    let launch = Launch {
        program: &job.shell,
        args: &args,
        environment: &job.environment,
        directory: &job.directory,
        mark: &job.mark,
    };
    let streams = || Ok([Stdio::null(), Stdio::from(log.try_clone()?), Stdio::from(log.try_clone()?)]);
    let mut leader = match leader::launch(&launch, &streams, &tree).await {
        Ok(leader) => leader,
        Err(ending) => return (ending, false),
    };
    // Checks may be silent for as long as they like.
    let limits = Limits { timeout: job.timeout, idle: Duration::MAX, grace: GRACE, linger: Duration::MAX };
    let mut dog = Watchdog::new(limits, Instant::now());
    let ending = follow(&mut leader, &tree, &mut dog, orders).await;
    tree.leader_gone();
    leader.end_rest();
    tree.end().await;
    (ending, dog.into_reason() == Some(StopReason::Deadline))
}

async fn follow(
    leader: &mut Leader,
    tree: &Tree,
    dog: &mut Watchdog,
    orders: &mut channel::Receiver<Order>,
) -> Ending {
    loop {
        let now = Instant::now();
        let order = orders.borrow_and_update().clone();
        match (dog.due(now), order) {
            (Due::GiveUp, _) => {
                return Ending::Unknown { message: "it did not end after its kill".to_owned() };
            }
            (Due::Kill, _) | (_, Order::Kill) => {
                if dog.kill(StopReason::Requested, now) {
                    tree.kill();
                    leader.kill();
                }
            }
            (Due::Stop(reason), _) | (Due::Nothing | Due::IdleCheck, Order::Stop(reason)) => {
                if dog.stop(reason, now) {
                    tree.sample();
                    leader.ask(StopSignal::Terminate);
                }
            }
            (Due::IdleCheck, Order::Go | Order::Completed) => dog.active(now),
            (Due::Nothing, Order::Go | Order::Completed) => {}
        }
        tokio::select! {
            status = leader.wait() => {
                return match status {
                    Ok(status) => platform::ending(status),
                    Err(error) => Ending::Unknown { message: error.to_string() },
                };
            }
            Ok(()) = orders.changed() => {}
            () = tokio::time::sleep_until(dog.next_wake()) => {}
        }
    }
}

/// The last lines of what was printed since `from`.
fn tail(path: &Path, from: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut log = File::open(path)?;
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(from.max(length.saturating_sub(TAIL_BYTES)).min(length)))?;
        let mut bytes = Vec::new();
        log.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    last_lines(&read().unwrap_or_default())
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_whole_lines_at_the_end() {
        assert_eq!(last_lines(b""), "");
        assert_eq!(last_lines(b"one\ntwo\n\n"), "one\ntwo");
        let many = (0..50).map(|number| number.to_string()).collect::<Vec<_>>().join("\n") + "\n";
        let tail = last_lines(many.as_bytes());
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.starts_with("30\n") && tail.ends_with("\n49"));
        assert_eq!(last_lines(b"\xff\n"), "\u{fffd}");
    }

    #[test]
    fn the_tail_begins_where_its_command_began() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("verify.log");
        std::fs::write(&path, "before\nmine\n").unwrap();
        assert_eq!(tail(&path, 7), "mine");
        assert_eq!(tail(&path, u64::MAX), "");
    }
}
