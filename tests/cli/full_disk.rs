//! A disk that is full: the right exit code, a way out, and a journal that goes on afterwards.
//!
//! The small disk is a file system in memory, mounted in a namespace of its own. Where that is not
//! allowed the test says so and passes.

#![expect(clippy::print_stderr, reason = "a test that is left out says so aloud")]

use std::process::{Command, Stdio};

use crate::project::{Project, Ran, program};

fn may_mount() -> bool {
    let allowed = Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
        eprintln!("SKIPPED: no file system may be mounted here, so a full disk was not tried");
    }
    allowed
}

/// Calls the program with a state folder on a disk of `size`.
fn on_a_small_disk(project: &Project, size: &str, arguments: &str) -> Option<Ran> {
    if !may_mount() {
        return None;
    }
    let script = format!(
        "mkdir -p plans/agent-shared && mount -t tmpfs -o size={size} none plans/agent-shared && \
         {} {arguments}; code=$?; ls plans/agent-shared/runs > left.txt 2>/dev/null; exit $code",
        program().display()
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).current_dir(project.root()).stdin(Stdio::null());
    Some(Ran::of(&command.output().expect("unshare starts")))
}

#[test]
fn a_run_that_has_no_room_to_begin_is_refused() {
    let project = Project::new();
    project.write("plan.md", "- [ ] T001 One\n  - Agent: command\n  - Command: `touch ran`\n");
    let Some(ran) = on_a_small_disk(&project, "64k", "--plan plan.md") else { return };
    let ran = ran.expect(6);
    assert!(!project.has("ran"), "something was run");
    assert!(ran.stderr.contains("full") && ran.stderr.contains("help:"), "{}", ran.stderr);
    assert_eq!(project.read("left.txt"), "", "a run was begun");
}

#[test]
fn a_run_whose_disk_fills_up_stops_and_says_so() {
    let project = Project::new();
    let mut plan = String::new();
    for number in 1..=400 {
        plan.push_str(&format!(
            "- [ ] Task number {number}\n  - Agent: command\n  - Command: `echo {number}`\n"
        ));
    }
    project.write("plan.md", &plan);
    let Some(ran) = on_a_small_disk(&project, "3m", "--plan plan.md --no-tick") else { return };
    let ran = ran.expect(6);
    assert!(ran.stderr.contains("full") || ran.stderr.contains("No space left"), "{}", ran.stderr);
}

/// Runs the program's calls of a script in a namespace of its own, on a disk that fills up and is
/// then made larger. Each call leaves its exit code in `codes`.
const ROOM_AGAIN: &str = r#"
disk=plans/agent-shared
mkdir -p $disk && mount -t tmpfs -o size=2500k none $disk
call() { "$program" "$@"; echo $? >> codes; }
call --plan plan.md --no-tick -j 8
"$program" status --output json > before.json
cp done.log done-before.log
call resume
mount -o remount,size=200m none $disk
call resume
call state verify
"$program" report --as json > after.json
"#;

#[test]
fn a_run_goes_on_once_there_is_room_again() {
    if !may_mount() {
        return;
    }
    let project = Project::new();
    let mut plan = String::new();
    for number in 1..=200 {
        plan.push_str(&format!(
            "- [ ] D{number:03} Task\n  - Agent: command\n  - Command: `echo D{number:03} >> done.log`\n"
        ));
    }
    project.write("plan.md", &plan);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", ROOM_AGAIN]).env("program", program());
    let ran = Ran::of(&command.current_dir(project.root()).stdin(Stdio::null()).output().unwrap()).expect(0);
    let codes = project.read("codes");
    assert_eq!(codes.split_whitespace().collect::<Vec<_>>(), ["6", "6", "0", "0"], "{}", ran.stderr);
    let read = |name: &str| -> serde_json::Value { serde_json::from_str(&project.read(name)).unwrap() };
    let (before, after) = (read("before.json"), read("after.json"));
    assert_eq!(after["counts"]["succeeded"], 200);
    let times = |name: &str, id: &str| project.read(name).lines().filter(|line| *line == id).count();
    let mut done = 0;
    for task in before["tasks"].as_array().unwrap() {
        let id = task["id"].as_str().unwrap();
        if task["status"] == "succeeded" {
            done += 1;
            assert_eq!(
                times("done.log", id),
                times("done-before.log", id),
                "{id} had succeeded, and ran again"
            );
        }
        assert!(times("done.log", id) > 0, "{id} was left out");
    }
    assert!(done > 0 && done < 200, "{done} tasks had succeeded when the disk was full");
}
