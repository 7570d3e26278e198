//! Processes that outlive an attempt, or a supervisor and its guard: ended, and said.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::going_on::Followed;
use crate::project::{Project, fake_agent};

/// Command lines of the processes that carry `token` in theirs and are no supervisor, guard or shell.
fn found(token: &str) -> Vec<String> {
    let folders = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    folders
        .filter_map(|folder| {
            let line = std::fs::read(folder.join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            (line.contains(token) && line.contains("fake-agent ")).then_some(line)
        })
        .collect()
}

/// A project whose only task leaves strays of every kind and hangs.
fn hanging(project: &Project, token: &str) {
    let agent = fake_agent().display();
    project.write(
        "plan.md",
        format!(
            "### Task 1: Hangs\n\n- Agent: command\n- Command: `exec {agent} as:{token} stray:twice+cleared+setsid \
             stray:cleared+setsid+closed stray:setsid+deaf stray:twice+cleared+leaping write:ready:x wait-for:go`\n\n\
             ### Task 2: Follows\n\n- Agent: command\n- Command: `true`\n"
        ),
    );
}

/// Starts it and kills its guard and its supervisor at the same moment.
fn run_and_kill_both(project: &Project, token: &str) -> String {
    let mut run = Followed::start(project, &["--plan", "plan.md"]);
    run.until("start");
    while !project.has("ready") {
        std::thread::yield_now();
    }
    // Neither may see the other's end.
    run.signal_supervisor(Signal::STOP);
    run.signal(Signal::STOP);
    run.kill_supervisor();
    run.signal(Signal::KILL);
    let ran = run.end();
    assert!(found(token).len() >= 4, "what nobody ended lives on: {:?}", found(token));
    ran.run_id().to_owned()
}

/// A project of the same user.
fn another(project: &Project) -> Project {
    let mut other = Project::new();
    other.set("HOME", project.home().display().to_string());
    other
}

fn register(project: &Project) -> Vec<std::path::PathBuf> {
    let folder = project.home().join(".cache/orchestrate/live");
    std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect()
}

/// A process that somebody else started, ended with the test.
struct Bystander(Child);

impl Bystander {
    fn start(mark: Option<String>) -> Self {
        let mut command = Command::new(fake_agent());
        command.args(["line:there", "hang"]).stdout(Stdio::piped());
        if let Some(mark) = mark {
            command.env("ORCHESTRATE_MARK", mark);
        }
        let mut child = command.spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0; 5]).unwrap();
        Self(child)
    }

    fn lives(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn token(project: &Project) -> String {
    format!("token-{}", project.root().parent().unwrap().file_name().unwrap().to_string_lossy())
}

#[test]
fn any_next_command_ends_what_a_dead_supervisor_and_its_guard_left() {
    let project = Project::new();
    let token = token(&project);
    hanging(&project, &token);
    let id = run_and_kill_both(&project, &token);
    assert_eq!(register(&project).len(), 1);

    // The user's own session of the same program, and one that a later supervisor of the run has started.
    let mut own = Bystander::start(None);
    let mut later = Bystander::start(Some(format!("{id}/1/2/77@elsewhere")));

    // What is called inside a task looks for nothing.
    let mut inside = another(&project);
    inside.set("ORCHESTRATE_TASK", "T1");
    let _ = inside.run(["schema", "event"]).expect(0);
    assert!(found(&token).len() >= 4);

    let said = another(&project).run(["schema", "event"]).expect(0).stderr;
    assert!(said.contains("processes of run ") && said.contains(&id), "{said}");
    assert_eq!(found(&token), [""; 0]);
    assert_eq!(register(&project), Vec::<std::path::PathBuf>::new());
    assert!(own.lives() && later.lives());

    let said = another(&project).run(["schema", "event"]).expect(0).stderr;
    assert!(!said.contains("processes of run"), "said once: {said}");
}

#[test]
fn a_run_elsewhere_ends_them_too_and_says_so_in_its_place() {
    let project = Project::new();
    let token = token(&project);
    hanging(&project, &token);
    let id = run_and_kill_both(&project, &token);
    let other = another(&project);
    other.write("plan.md", "- [ ] T001 Quick\n  - Agent: command\n  - Command: `true`\n");
    let ran = other.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    assert_ne!(ran.run_id(), id, "the first line is the new run's");
    let warnings = ran.json()["warnings"].to_string();
    assert!(warnings.contains(&id) && warnings.contains("guard are dead"), "{warnings}");
    assert_eq!(found(&token), [""; 0]);
    assert_eq!(register(&project), Vec::<std::path::PathBuf>::new(), "the new run struck itself out as well");
}

#[test]
fn the_run_itself_goes_on_when_they_are_ended() {
    let project = Project::new();
    let token = token(&project);
    hanging(&project, &token);
    run_and_kill_both(&project, &token);
    project.write("go", "");
    let ran = project.run(["resume", "--output", "json"]).expect(0);
    let attempts = ran.json()["tasks"][0]["attempts"].clone();
    assert_eq!((&attempts[0]["status"], &attempts[1]["status"]), (&"lost".into(), &"succeeded".into()));
    assert_eq!(found(&token), [""; 0]);
}

#[test]
fn an_entry_whose_process_id_was_given_to_another_hits_nobody() {
    let project = Project::new();
    let mut own = Bystander::start(None);
    let pid = own.0.id();
    let started = orchestrate::supervisor::process_started(pid).unwrap();
    let folder = project.home().join(".cache/orchestrate/live");
    std::fs::create_dir_all(&folder).unwrap();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let entry = format!("supervisor/v1\nhost {host}\nrun 01RUN\nsupervisor {pid}@{started}7\nbirthmark 7\n");
    std::fs::write(folder.join(format!("01RUN-{pid}")), entry).unwrap();
    let said = project.run(["schema", "event"]).expect(0).stderr;
    assert!(!said.contains("processes"), "{said}");
    assert_eq!(register(&project), Vec::<std::path::PathBuf>::new(), "its supervisor is dead");
    assert!(own.lives());
    kill_process(Pid::from_child(&own.0), Signal::CONT).unwrap();
}

#[test]
fn what_a_successful_attempt_left_running_is_ended_and_said() {
    let project = Project::new();
    let token = token(&project);
    let agent = fake_agent().display();
    project.write(
        "plan.md",
        format!(
            "### Task 1: Leaves\n\n- Agent: command\n- Command: `{agent} as:{token} stray:twice+cleared+setsid \
             stray:group`\n\n### Task 2: Follows\n\n- Agent: command\n- Command: `true`\n"
        ),
    );
    let ran = project.run(["--plan", "plan.md", "--output", "json"]).expect(0);
    let attempt = &ran.json()["tasks"][0]["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["left_behind"]), (&"succeeded".into(), &2.into()));
    assert_eq!(found(&token), [""; 0]);
    let why = project.run(["why", "1"]).expect(0).stdout;
    assert!(why.contains("2 processes were left behind and ended"), "{why}");
    let told = project.run(["--plan", "plan.md", "--force"]).stderr;
    assert!(told.contains("left 2 processes running, which were ended"), "{told}");
}

/// Chains that go on in a session and an environment of their own for as long as the file `ready` is there: one
/// that starts the next link every few hundred microseconds, and one that becomes another program with each.
#[test]
fn quick_chains_do_not_get_away_from_the_next_command() {
    let rounds = std::env::var("ORCHESTRATE_CHAIN_ROUNDS").map_or(2, |text| text.parse().unwrap());
    for round in 0..rounds {
        let project = Project::new();
        let token = token(&project);
        let agent = fake_agent().display();
        project.write("ready", "");
        project.write("quick.pl", "while (-e 'ready') { my $child = fork; exit if $child }\n");
        project.write(
            "leap.sh",
            "[ -e ready ] && { setsid /bin/sh leap.sh \"$@\" </dev/null >/dev/null 2>&1 & }\n",
        );
        project.write(
            "plan.md",
            format!(
                "### Task 1: Hangs\n\n- Agent: command\n- Command: `env -i /usr/bin/setsid /usr/bin/perl quick.pl \
                 'fake-agent ' {token} >/dev/null 2>&1; env -i PATH=/usr/bin:/bin /usr/bin/setsid /bin/sh leap.sh 'fake-agent ' \
                 {token} >/dev/null 2>&1; exec {agent} as:{token} stray:twice+cleared+leaping stray:cleared+setsid+chain \
                 write:begun:x hang`\n\n### Task 2: Follows\n\n- Agent: command\n- Command: `true`\n"
            ),
        );
        let mut run = Followed::start(&project, &["--plan", "plan.md"]);
        run.until("start");
        while !project.has("begun") {
            std::thread::yield_now();
        }
        run.signal_supervisor(Signal::STOP);
        run.signal(Signal::STOP);
        run.kill_supervisor();
        run.signal(Signal::KILL);
        let _ = run.end();
        assert!(!lasting(&token).is_empty(), "chains live on");
        let said = project.run(["schema", "event"]).expect(0).stderr;
        let left = lasting(&token);
        assert!(said.contains("of run "), "round {round}: {said} {left:?} {:?}", register(&project));
        assert_eq!(lasting(&token), [""; 0], "round {round}");
    }
}

/// The same as [`found`]; a chain has moments in which no link of it is in a list and shows its arguments.
fn lasting(token: &str) -> Vec<String> {
    (0..50).map(|_| found(token)).find(|found| !found.is_empty()).unwrap_or_default()
}
