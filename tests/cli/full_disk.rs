//! A disk that is full: the right exit code, a way out, and a journal that goes on afterwards.
//!
//! The small disk is a file system in memory, mounted in a namespace of its own. Where that is not
//! allowed the test says so and passes.

#![expect(clippy::print_stderr, reason = "a test that is left out says so aloud")]

use std::process::{Command, Stdio};

use crate::project::{Project, Ran, program};

/// Calls the program with a state folder on a disk of `size`.
fn on_a_small_disk(project: &Project, size: &str, arguments: &str) -> Option<Ran> {
    let allowed = Command::new("unshare")
        .args(["--mount", "sh", "-c", "mount -t tmpfs none /mnt"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !allowed {
        eprintln!("SKIPPED: no file system may be mounted here, so a full disk was not tried");
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
