//! One run: killed, looked at, and gone on with until it is done.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Figures;
use crate::history::{has_ended, is_doubled};
use crate::plan::{TASKS, log_of, plan};
use crate::project::{Project, Ran};

/// Within this nothing of a run may be alive any more.
const FIVE_SECONDS: Duration = Duration::from_secs(5);

/// Where something does not come at all.
const DEADLINE: Duration = Duration::from_mins(2);

/// Kills of one run before it may end.
const KILLS: usize = 2;

/// What is killed, and how.
const WAYS: [&str; 6] = ["supervisor", "guard", "both", "leader", "TERM", "INT"];

/// Runs the round of this seed. What went wrong is told besides the figures.
pub(crate) fn run(seed: u64) -> (Figures, Vec<String>, String) {
    let mut random = Rng::with_seed(seed);
    let project = Project::new();
    let token = project.root().parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let name = format!("plan-{token}.md");
    project.write(&name, plan(&mut random, &token));
    let mut round = Round {
        project,
        token,
        name,
        random,
        figures: Figures { rounds: 1, ..Figures::default() },
        troubles: Vec::new(),
    };
    round.go();
    (round.figures, round.troubles, round.token)
}

/// Looks in a row that have to show nobody: a chain has moments in which none of it is seen.
const EMPTY_LOOKS: usize = 10;

/// Command lines of everything that lives and carries one of these tokens.
pub(crate) fn alive(tokens: &[&str]) -> Vec<String> {
    let look = || -> Vec<String> {
        let folders = std::fs::read_dir("/proc").unwrap().flatten();
        let pids = folders.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        // The newest first: they are the ones that may be gone soon.
        let mut pids: Vec<i32> = pids.collect();
        pids.reverse();
        pids.into_iter()
            .map(|pid| (pid, line_of(pid)))
            .filter(|(_, line)| tokens.iter().any(|token| line.contains(token)))
            .map(|(pid, line)| format!("{pid} {line}"))
            .collect()
    };
    (0..EMPTY_LOOKS).map(|_| look()).find(|found| !found.is_empty()).unwrap_or_default()
}

struct Round {
    project: Project,
    /// Stands in the arguments of everything that the run's tasks start.
    token: String,
    name: String,
    random: Rng,
    figures: Figures,
    troubles: Vec<String>,
}

/// A run under way.
struct Running {
    guard: Child,
    supervisor: i32,
}

impl Round {
    fn go(&mut self) {
        let plan = self.name.clone();
        let mut arguments = vec!["--plan".to_owned(), plan, "--jobs".to_owned(), "3".to_owned()];
        arguments.extend(["--retries".to_owned(), "3".to_owned()]);
        let mut before = BTreeMap::new();
        for _ in 0..KILLS {
            let Some(mut running) = self.start(&arguments) else {
                break;
            };
            self.strike(&mut running);
            let known = self.result();
            self.compare(&before, known.as_ref());
            match known {
                // It was killed before it was recorded, so it is begun anew.
                None => continue,
                Some(known) if known["status"] == "succeeded" => break,
                Some(known) => before = succeeded(&known, |log| self.log(log)),
            }
            arguments = vec!["resume".to_owned()];
            self.figures.resumes += 1;
        }
        let ended = self.result().is_some_and(|known| known["status"] == "succeeded");
        if !ended {
            let ran = self.project.run(&arguments);
            if ran.code != 0 {
                self.trouble(format!("the last {} came to {}\n{}", arguments[0], ran.code, ran.stderr));
            }
        }
        let known = self.result();
        self.compare(&before, known.as_ref());
        self.judge(known.as_ref());
        self.wait_for_nobody("the end");
    }

    /// Starts the program; none: it had nothing to do.
    fn start(&mut self, arguments: &[String]) -> Option<Running> {
        let mut command: Command = self.project.command(arguments);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut guard = command.spawn().unwrap();
        let pid = guard.id();
        let mut stderr = BufReader::new(guard.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        // Whatever else it says is read, so that it never waits for us.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let supervisor = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        let Some(supervisor) = supervisor.filter(|_| line.starts_with("run ")) else {
            guard.wait().unwrap();
            return None;
        };
        Some(Running { guard, supervisor })
    }

    /// Waits for a random moment, kills something, and looks five seconds long at what lives.
    fn strike(&mut self, running: &mut Running) {
        // From the first moment on, but mostly when tasks run.
        if self.random.u8(..) > 50 {
            let begun = Instant::now();
            while !(1..=TASKS).any(|number| self.project.has(&log_of(number))) && begun.elapsed() < DEADLINE {
                pause(2);
            }
        }
        pause(self.random.u64(0..500));
        let way = WAYS[self.random.usize(..WAYS.len())];
        let guard = Pid::from_child(&running.guard);
        let supervisor = Pid::from_raw(running.supervisor).unwrap();
        // It may have ended by itself: then its id is not touched.
        if running.guard.try_wait().unwrap().is_some() {
            return;
        }
        let name = |signal| {
            let _ = kill_process(guard, signal);
        };
        match way {
            "supervisor" => kill_child(guard, supervisor),
            "guard" => name(Signal::KILL),
            "both" => {
                // Neither may see the other's end.
                name(Signal::STOP);
                stop_child(guard, supervisor);
                kill_child(guard, supervisor);
                name(Signal::KILL);
            }
            "leader" => {
                if let Some(leader) = self.some_leader(running.supervisor) {
                    let _ = kill_process(leader, Signal::KILL);
                }
            }
            "TERM" => name(Signal::TERM),
            _ => name(Signal::INT),
        }
        *self.figures.kills.entry(way).or_default() += 1;
        let killed = Instant::now();
        running.guard.wait().unwrap();
        if way == "both" {
            self.figures.left_for_next += self.alive().len();
            let ran = self.project.run(["runs"]);
            if ran.code != 0 {
                self.trouble(format!("`runs` after both came to {}: {}", ran.code, ran.stderr));
            }
        }
        // A run that goes on after the loss of one leader, or of its guard, ends in its own time; so
        // does one that asks deaf agents to stop and gives them their grace.
        let from = match way {
            "leader" | "TERM" | "INT" | "both" => Instant::now(),
            "guard" => {
                let begun = Instant::now();
                while is_there(running.supervisor, &self.project) && begun.elapsed() < DEADLINE {
                    pause(5);
                }
                Instant::now()
            }
            _ => killed,
        };
        self.wait_for_nobody_since(way, from);
    }

    /// A process that the supervisor has started for a task.
    fn some_leader(&mut self, supervisor: i32) -> Option<Pid> {
        let tasks = std::fs::read_dir(format!("/proc/{supervisor}/task")).ok()?;
        let leaders: Vec<i32> = tasks
            .flatten()
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
            .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>())
            .filter(|pid| line_of(*pid).contains(&self.token))
            .collect();
        (!leaders.is_empty()).then(|| Pid::from_raw(leaders[self.random.usize(..leaders.len())])).flatten()
    }

    fn wait_for_nobody(&mut self, after: &str) {
        self.wait_for_nobody_since(after, Instant::now());
    }

    fn wait_for_nobody_since(&mut self, after: &str, from: Instant) {
        loop {
            let alive = self.alive();
            if alive.is_empty() {
                break;
            }
            if from.elapsed() > FIVE_SECONDS {
                self.figures.survivors += alive.len();
                self.trouble(format!("after {after} {} are alive: {alive:#?}", alive.len()));
                return;
            }
            pause(5);
        }
        self.figures.slowest_end = self.figures.slowest_end.max(from.elapsed());
    }

    fn alive(&self) -> Vec<String> {
        alive(&[&self.token])
    }

    fn result(&self) -> Option<Value> {
        let ran: Ran = self.project.run(["report", "--as", "json"]);
        (ran.code == 0).then(|| ran.json())
    }

    fn log(&self, number: usize) -> String {
        let name = log_of(number);
        if self.project.has(&name) { self.project.read(&name) } else { String::new() }
    }

    /// Nothing may have happened to a task that had succeeded.
    fn compare(&mut self, before: &BTreeMap<usize, (usize, String)>, known: Option<&Value>) {
        for (&number, (attempts, log)) in before {
            let task = known.map(|known| &known["tasks"][number - 1]);
            let same = task.is_some_and(|task| {
                task["status"] == "succeeded" && task["attempts"].as_array().map_or(0, Vec::len) == *attempts
            });
            if !same || self.log(number) != *log {
                self.figures.doubled += 1;
                self.trouble(format!("task {number} had succeeded: {log:?} became {:?}", self.log(number)));
            }
        }
    }

    /// Every task has succeeded, by an attempt that ran to its end, and never twice at once.
    fn judge(&mut self, known: Option<&Value>) {
        for number in 1..=TASKS {
            let log = self.log(number);
            let task = known.map(|known| known["tasks"][number - 1].clone()).unwrap_or_default();
            let attempts = task["attempts"].as_array().cloned().unwrap_or_default();
            let count = |status: &str| attempts.iter().filter(|attempt| attempt["status"] == status).count();
            self.figures.attempts_lost += count("lost") as u64;
            let last = attempts.last().and_then(|last| last["attempt"].as_u64()).unwrap_or(0);
            if task["status"] != "succeeded" || count("succeeded") != 1 || !has_ended(&log, last) {
                self.figures.tasks_lost += 1;
                self.trouble(format!("task {number} is {}: {log:?}\n{task:#}", task["status"]));
            }
            if is_doubled(&log) {
                self.figures.doubled += 1;
                self.trouble(format!("task {number} ran twice: {log:?}"));
            }
        }
    }

    fn trouble(&mut self, text: String) {
        self.troubles.push(text);
    }
}

/// Tasks that have succeeded, with how many attempts they took and what they wrote.
fn succeeded(known: &Value, log: impl Fn(usize) -> String) -> BTreeMap<usize, (usize, String)> {
    let tasks = known["tasks"].as_array().unwrap().iter().enumerate();
    tasks
        .filter(|(_, task)| task["status"] == "succeeded")
        .map(|(place, task)| (place + 1, (task["attempts"].as_array().map_or(0, Vec::len), log(place + 1))))
        .collect()
}

/// The test waits for a moment at random, which is the point of it.
fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn line_of(pid: i32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

/// Whether this is a supervisor of the project still.
fn is_there(pid: i32, project: &Project) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder == project.root())
        && line_of(pid).contains("orchestrate")
}

/// Signals the supervisor as long as it is the guard's child: its id is nobody else's then.
fn signal_child(guard: Pid, child: Pid, signal: Signal) {
    let guard = guard.as_raw_nonzero();
    let children =
        std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap_or_default();
    if children.split_whitespace().any(|pid| pid == child.as_raw_nonzero().to_string()) {
        // It may have ended since.
        let _ = kill_process(child, signal);
    }
}

fn kill_child(guard: Pid, child: Pid) {
    signal_child(guard, child, Signal::KILL);
}

fn stop_child(guard: Pid, child: Pid) {
    signal_child(guard, child, Signal::STOP);
}
