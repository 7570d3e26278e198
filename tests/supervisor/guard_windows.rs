//! On Windows the end of the guard or of the supervisor is the end of everything.
//!
//! This test program plays the parts itself: two of its tests do nothing unless they are started with
//! a part to play.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use orchestrate::supervisor::{GUARD, exit_number, stand_guard};

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
    ["--exact", &format!("guard_windows::{name}"), "--nocapture", "--test-threads=1"].map(ToOwned::to_owned)
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

/// The lines of a guard, as they come.
struct Guarded {
    guard: Child,
    lines: mpsc::Receiver<String>,
}

impl Guarded {
    fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.args(part("part_of_the_guard")).env(PART, "yes");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
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

#[test]
fn a_killed_supervisor_takes_everything_along_and_is_no_task_that_failed() {
    let mut guarded = Guarded::start();
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
    let mut guarded = Guarded::start();
    let pids = guarded.processes();
    guarded.guard.stdin.take().unwrap().write_all(b"8\r\n").unwrap();
    assert_eq!(guarded.line("code "), "8");
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
    guarded.guard.wait().unwrap();
}

#[test]
fn a_killed_guard_takes_everything_along() {
    let mut guarded = Guarded::start();
    let pids = guarded.processes();
    guarded.guard.kill().unwrap();
    guarded.guard.wait().unwrap();
    // The pipe ends with the last of them.
    while guarded.lines.recv_timeout(DEADLINE).is_ok() {}
    assert!(pids.iter().all(|&pid| !is_alive(pid)));
}
