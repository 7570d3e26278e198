//! Nothing outlives a supervisor that is killed, and a supervisor does not outlive its guard.
//!
//! This test program plays the parts itself: see [`crate::guard_parts`].

use orchestrate::supervisor::{GUARD, guard_gone, stand_guard};
use rustix::process::{Pid, Signal, kill_process};

use crate::guard_parts::{DEADLINE, Guarded, PART, part, say, variable};
use crate::harness::{Bench, is_alive};

const MODULE: &str = "guard";

#[test]
fn part_of_the_guard() {
    if variable(PART).is_none() {
        return;
    }
    let code = stand_guard(&part(MODULE, "part_of_the_supervisor").map(Into::into)).unwrap().unwrap();
    say(&format!("code {code}"));
}

/// Starts an agent with children that hide, says who there is, and waits for its guard's end or a signal.
#[tokio::test(flavor = "multi_thread")]
async fn part_of_the_supervisor() {
    let Some(guard) = variable(GUARD).filter(|_| variable(PART).is_some()) else {
        return;
    };
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let bench = Bench::new().await;
    let job = bench.job("T", &["hidden-grandchild", "setsid-grandchild", "line:ready", "hang"]);
    let key = job.key.clone();
    bench.supervisor.start(job);
    let printed = bench.printed(&key, "ready").await;
    say(&format!("supervisor {}\n{printed}", std::process::id()));
    tokio::select! {
        () = guard_gone(&guard) => {}
        Some(()) = terminate.recv() => say("terminated"),
    }
    bench.supervisor.kill();
    bench.supervisor.close().await;
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_killed_supervisor_takes_everything_along() {
    let mut guarded = Guarded::start(MODULE);
    let pids = guarded.processes();
    send(pids[0], Signal::KILL);
    assert_eq!(guarded.line("code "), "137");
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    guarded.guard.wait().unwrap();
}

#[test]
fn a_signal_is_passed_on_and_the_code_comes_out() {
    let mut guarded = Guarded::start(MODULE);
    let pids = guarded.processes();
    send(guarded.guard.id(), Signal::TERM);
    guarded.line("terminated");
    assert_eq!(guarded.line("code "), "0");
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    guarded.guard.wait().unwrap();
}

#[test]
fn a_supervisor_stops_when_its_guard_is_gone() {
    let mut guarded = Guarded::start(MODULE);
    let pids = guarded.processes();
    guarded.guard.kill().unwrap();
    guarded.guard.wait().unwrap();
    // The pipe ends with the last of them.
    while guarded.lines.recv_timeout(DEADLINE).is_ok() {}
    assert!(pids[1..].iter().all(|&pid| !is_alive(pid)));
}
