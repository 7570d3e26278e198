//! On Windows the end of the guard or of the supervisor is the end of everything.
//!
//! This test program plays the parts itself: see [`crate::guard_parts`].

use std::io::Write as _;
use std::process::Command;

use orchestrate::supervisor::{GUARD, exit_number, stand_guard};

use crate::guard_parts::{DEADLINE, Guarded, PART, part, say, variable};
use crate::harness::{Bench, is_alive};

const MODULE: &str = "guard_windows";

#[test]
fn part_of_the_guard() {
    if variable(PART).is_none() {
        return;
    }
    let code = stand_guard(&part(MODULE, "part_of_the_supervisor").map(Into::into)).unwrap().unwrap();
    say(&format!("code {code}"));
}

/// Starts an agent with children that hide, says who there is, and waits to be told how to end.
#[expect(clippy::exit, reason = "a killed supervisor is told from one that has ended by its code")]
#[tokio::test(flavor = "multi_thread")]
async fn part_of_the_supervisor() {
    if variable(GUARD).is_none() || variable(PART).is_none() {
        return;
    }
    let bench = Bench::new().await;
    let job = bench.job("T", &["hidden-grandchild", "setsid-grandchild", "line:ready", "hang"]);
    let key = job.key.clone();
    bench.supervisor.start(job);
    let printed = bench.printed(&key, "ready").await;
    say(&format!("supervisor {}\n{printed}", std::process::id()));
    let mut word = String::new();
    std::io::stdin().read_line(&mut word).unwrap();
    // It ends by itself and leaves its attempt running: nothing is dropped.
    std::process::exit(exit_number(word.trim().parse().unwrap(), true));
}

#[test]
fn a_killed_supervisor_takes_everything_along_and_is_no_task_that_failed() {
    let mut guarded = Guarded::start(MODULE);
    let pids = guarded.processes();
    // It gives the process the exit code 1.
    let killed = Command::new("taskkill").args(["/F", "/PID", &pids[0].to_string()]).output().unwrap();
    assert!(killed.status.success(), "{killed:?}");
    assert_eq!(guarded.line("code "), "137");
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    guarded.guard.wait().unwrap();
}

#[test]
fn what_a_supervisor_leaves_is_ended_and_its_code_comes_out() {
    let mut guarded = Guarded::start(MODULE);
    let pids = guarded.processes();
    guarded.guard.stdin.take().unwrap().write_all(b"8\r\n").unwrap();
    assert_eq!(guarded.line("code "), "8");
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    guarded.guard.wait().unwrap();
}

#[test]
fn a_killed_guard_takes_everything_along() {
    let mut guarded = Guarded::start(MODULE);
    let pids = guarded.processes();
    guarded.guard.kill().unwrap();
    guarded.guard.wait().unwrap();
    // The pipe ends with the last of them.
    while guarded.lines.recv_timeout(DEADLINE).is_ok() {}
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
}
