//! Stopping, gates, approving, retrying, resuming: what people do to a run.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;

use crate::project::{Project, Ran};

/// Reads a run's stderr up to the line that contains `words`, and gives the rest back at the end.
pub(crate) struct Followed {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    told: String,
}

impl Followed {
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Self {
        let mut child = project.spawn(arguments);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, told: String::new() }
    }

    #[track_caller]
    pub(crate) fn until(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            assert!(self.stderr.read_line(&mut line).unwrap() > 0, "no {words:?} in\n{}", self.told);
            self.told.push_str(&line);
            if line.contains(words) {
                return;
            }
        }
    }

    pub(crate) fn end(mut self) -> Ran {
        self.stderr.read_to_string(&mut self.told).unwrap();
        let mut ran = Ran::of(&self.child.wait_with_output().unwrap());
        ran.stderr = self.told;
        ran
    }

    /// Kills the process that supervises: the one that was started guards it.
    #[cfg(unix)]
    pub(crate) fn kill_supervisor(&self) {
        let guard = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{guard}/task/{guard}/children")).unwrap();
        let supervisor: i32 = children.split_whitespace().next().unwrap().parse().unwrap();
        let supervisor = rustix::process::Pid::from_raw(supervisor).unwrap();
        rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).unwrap();
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

/// A plan whose first task goes on until a file is there.
const WAITING: &str = "\
### Task 1: Waits

- Agent: command
- Command: `echo begun; while ! test -e go; do sleep 0.05; done; echo x >> ones`

### Task 2: Follows

- Agent: command
- Command: `touch two`
";

#[cfg(unix)]
#[test]
fn an_interrupt_stops_gracefully_and_resume_goes_on() {
    let project = Project::new();
    project.write("plan.md", WAITING);
    for (signal, code) in [(rustix::process::Signal::INT, 130), (rustix::process::Signal::TERM, 143)] {
        let mut run = Followed::start(&project, &["--plan", "plan.md"]);
        run.until("start");
        run.signal(signal);
        let ran = run.end().expect(code);
        let id = ran.run_id().to_owned();
        let status = project.run(["status", &id, "--output", "json"]).expect(0).json();
        assert_eq!(status["status"], "stopped");
        assert_eq!(status["tasks"][0]["status"], "pending");
        assert_eq!(status["tasks"][0]["attempts"][0]["status"], "cancelled");
    }
    project.write("go", "");
    let ran = project.run(["resume", "--output", "json"]).expect(0);
    assert_eq!(ran.json()["status"], "succeeded");
    assert_eq!(project.read("ones"), "x\n");
    assert!(project.has("two"));
    let _ = project.run(["resume"]).expect(4);
}

#[cfg(unix)]
#[test]
fn a_second_interrupt_kills_what_does_not_listen() {
    let project = Project::new();
    project.write(
        "plan.md",
        "- [ ] Deaf\n  - Agent: command\n  - Command: `trap '' TERM INT; echo begun; while :; do sleep 0.05; done`\n",
    );
    project.write("orchestrate.toml", "version = 1\n[run]\ngrace = \"10m\"\n");
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--no-tick"]);
    run.until("start");
    run.signal(rustix::process::Signal::INT);
    run.signal(rustix::process::Signal::INT);
    // Two signals at the same moment may be seen as one: the third is the second then.
    let mut sent = 2;
    let ran = loop {
        match run.child.try_wait().unwrap() {
            Some(_) => break run.end(),
            None if sent < 4000 => {
                run.signal(rustix::process::Signal::INT);
                sent += 1;
                std::thread::yield_now();
                std::thread::park_timeout(std::time::Duration::from_millis(5));
            }
            None => panic!("it does not end"),
        }
    };
    let _ = ran.expect(130);
}

#[test]
fn stop_asks_a_run_that_goes_on() {
    let project = Project::new();
    project.write("plan.md", WAITING);
    let mut run = Followed::start(&project, &["--plan", "plan.md"]);
    run.until("start");
    let _ = project.run(["stop"]).expect(0);
    let _ = run.end().expect(130);
    let _ = project.run(["stop"]).expect(2).says("nothing to stop");
}

#[test]
fn stopping_one_task_is_final_and_blocks_what_needs_it() {
    let project = Project::new();
    project.write("plan.md", WAITING);
    let mut run = Followed::start(&project, &["--plan", "plan.md", "--output", "json"]);
    run.until("start");
    let _ = project.run(["stop", "1"]).expect(0);
    let ran = run.end().expect(1);
    let tasks = ran.json()["tasks"].clone();
    assert_eq!(tasks[0]["status"], "cancelled");
    assert_eq!(tasks[1]["status"], "blocked");
}

const GATED: &str = "\
## Phase 1: Server

- [ ] T001 Build
  - Agent: command
  - Command: `touch built`

## Phase 2: Release

- **Gate**: approval

- [ ] T002 Publish
  - Agent: command
  - Command: `touch published`
";

#[test]
fn a_gate_waits_for_a_person() {
    let project = Project::new();
    project.write("plan.md", GATED);
    let check = project.run(["check", "plan.md", "--output", "json"]).expect(0).json();
    assert_eq!(check["tasks"][1]["held"], serde_json::json!(["gate"]));
    let ran = project.run(["--plan", "plan.md"]).expect(9);
    assert!(project.has("built") && !project.has("published"));
    assert!(ran.stderr.contains("orchestrate approve"), "{}", ran.stderr);
    let _ = project.run(["approve", "nothing"]).expect(2).says("approval");
    let _ = project.run(["wait"]).expect(9);
    let _ = project.run(["approve", "approval"]).expect(0);
    let _ = project.run(["resume"]).expect(0);
    assert!(project.has("published"));
}

#[test]
fn a_gate_can_be_passed_beforehand_or_on_the_way() {
    let project = Project::new();
    project.write("plan.md", GATED);
    let _ = project.run(["--plan", "plan.md", "--no-tick", "--yes-gates"]).expect(0);
    assert!(project.has("published"));
    std::fs::remove_file(project.root().join("published")).unwrap();
    let _ = project.run(["--plan", "plan.md", "--no-tick"]).expect(9);
    let _ = project.run(["approve", "approval", "--resume"]).expect(0);
    assert!(project.has("published"));
}

#[test]
fn retry_runs_what_failed_and_what_it_blocked() {
    let project = Project::new();
    project.write(
        "plan.md",
        "### Task 1: Needs a file\n\n- Agent: command\n- Command: `echo x >> tries; test -e wanted`\n- Retries: 0\n\n\
         ### Task 2: Follows\n\n- Agent: command\n- Command: `touch two`\n",
    );
    let _ = project.run(["--plan", "plan.md"]).expect(1);
    assert!(!project.has("two"));
    project.write("wanted", "");
    let ran = project.run(["retry", "--output", "json"]).expect(0);
    let result = ran.json();
    assert_eq!(result["tasks"][0]["attempts"].as_array().unwrap().len(), 2);
    assert!(project.has("two"));
    let _ = project.run(["retry"]).expect(4);
}

#[test]
fn two_runs_of_one_plan_at_once_exclude_each_other_by_task() {
    let project = Project::new();
    project.write("plan.md", WAITING);
    let mut run = Followed::start(&project, &["--plan", "plan.md"]);
    run.until("start");
    let refused = project.run(["--plan", "plan.md"]).expect(7);
    assert!(refused.stderr.contains("--id-prefix"), "{}", refused.stderr);
    let first = run.told.lines().next().unwrap().trim_start_matches("run ").to_owned();
    assert!(refused.stderr.contains(&first), "{}", refused.stderr);
    let _ = project.run(["resume"]).expect(7);
    project.write("go", "");
    let _ = run.end().expect(0);
}

#[cfg(unix)]
#[test]
fn a_killed_supervisor_is_seen_and_its_run_resumed() {
    let project = Project::new();
    project.write("plan.md", WAITING);
    let mut run = Followed::start(&project, &["--plan", "plan.md"]);
    run.until("start");
    run.kill_supervisor();
    let ran = run.end();
    let id = ran.run_id().to_owned();
    let ran = ran.expect(70).says("was ended by signal 9").says("orchestrate resume");
    assert!(!ran.stderr.contains("WARN"), "{}", ran.stderr);
    let why = project.run(["why", "1"]).expect(0).stdout;
    assert!(why.contains("its end was not seen") && why.contains("orchestrate resume"), "{why}");
    assert_eq!(project.run(["report", "--as", "json"]).expect(0).json()["status"], "lost");
    let status = project.run(["status", "--output", "json"]).expect(0).json();
    assert_eq!(status["status"], "lost");
    let _ = project.run(["wait", &id]).expect(1).says("orchestrate resume");
    project.write("go", "");
    let ran = project.run(["resume", "--output", "json"]).expect(0);
    let attempts = ran.json()["tasks"][0]["attempts"].clone();
    assert_eq!(attempts[0]["status"], "lost");
    assert_eq!(attempts[1]["status"], "succeeded");
    let _ = project.run(["state", "verify"]).expect(0);
}
