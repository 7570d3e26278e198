//! Nothing outlives a supervisor that is killed, and a supervisor does not outlive its guard.
//!
//! This test program plays the parts itself: two of its tests do nothing unless they are started with
//! a part to play.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use orchestrate::supervisor::{GUARD, guard_gone, stand_guard};
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Bench, is_alive};

/// The variable that gives a part.
const PART: &str = "SUPERVISOR_TEST_PART";

/// The whole time of one test.
const DEADLINE: Duration = Duration::from_mins(2);

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn part(name: &str) -> [String; 4] {
    ["--exact", &format!("guard::{name}"), "--nocapture", "--test-threads=1"].map(ToOwned::to_owned)
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "\n{line}").unwrap();
    stdout.flush().unwrap();
}

#[test]
fn part_of_the_guard() {
    if variable(PART).is_none() {
        return;
    }
    let code = stand_guard(&part("part_of_the_supervisor").map(Into::into)).unwrap().unwrap();
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

/// The lines of a guard, as they come.
struct Guarded {
    guard: Child,
    lines: mpsc::Receiver<String>,
}

impl Guarded {
    fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.args(part("part_of_the_guard")).env(PART, "yes").stdout(Stdio::piped());
        let mut guard = command.spawn().unwrap();
        let stdout = BufReader::new(guard.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        // Lines go on until the last process that holds the pipe is gone.
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { guard, lines }
    }

    /// Waits for a line that begins so, and gives its rest.
    fn line(&self, start: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).expect("the line did not come");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim().to_owned();
            }
        }
    }

    /// The supervisor and its grandchildren, once all are there.
    fn processes(&self) -> Vec<u32> {
        let pids = ["supervisor ", "grandchild ", "grandchild "];
        let pids: Vec<u32> = pids.iter().map(|start| self.line(start).parse().unwrap()).collect();
        self.line("ready");
        assert!(pids.iter().all(|&pid| is_alive(pid)));
        pids
    }
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

#[test]
fn a_killed_supervisor_takes_everything_along() {
    let mut guarded = Guarded::start();
    let pids = guarded.processes();
    send(pids[0], Signal::KILL);
    assert_eq!(guarded.line("code "), "137");
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    guarded.guard.wait().unwrap();
}

#[test]
fn a_signal_is_passed_on_and_the_code_comes_out() {
    let mut guarded = Guarded::start();
    let pids = guarded.processes();
    send(guarded.guard.id(), Signal::TERM);
    guarded.line("terminated");
    assert_eq!(guarded.line("code "), "0");
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    guarded.guard.wait().unwrap();
}

#[test]
fn a_supervisor_stops_when_its_guard_is_gone() {
    let mut guarded = Guarded::start();
    let pids = guarded.processes();
    guarded.guard.kill().unwrap();
    guarded.guard.wait().unwrap();
    // The pipe ends with the last of them.
    while guarded.lines.recv_timeout(DEADLINE).is_ok() {}
    assert!(pids[1..].iter().all(|&pid| !is_alive(pid)));
}
