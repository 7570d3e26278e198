//! Many tasks: a graph of six layers, and a thousand independent ones at once.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};

use crate::project::{Project, Ran};

#[test]
fn two_hundred_commands_in_six_layers_keep_their_order() {
    let project = Project::new();
    let mut plan = String::from("# Layers\n");
    for layer in 1..=6 {
        write!(plan, "\n## Phase {layer}: Layer {layer}\n\n").unwrap();
        let tasks = if layer == 6 { 35 } else { 33 };
        for task in 1..=tasks {
            // Each notes its layer; a task that finds a higher one than its own began too late.
            write!(
                plan,
                "- [ ] L{layer}N{task:02} Task\n  - Agent: command\n  - Command: `echo {layer} >> seen.log`\n"
            )
            .unwrap();
        }
    }
    project.write("plan.md", &plan);
    let ran = project.run(["--plan", "plan.md", "-j", "8", "--output", "json"]).expect(0);
    assert_eq!(ran.json()["counts"]["succeeded"], 200);
    let seen: Vec<u32> = project.read("seen.log").lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(seen.len(), 200);
    assert!(seen.is_sorted(), "a layer began before the one below it had ended");
    let _ = project.run(["state", "verify"]).expect(0);
}

#[test]
fn a_thousand_independent_commands_lose_none_and_stay_small() {
    let project = Project::new();
    let mut plan = String::from("# Many\n\n");
    for task in 0..1000 {
        write!(plan, "- [ ] Task number {task}\n  - Agent: command\n  - Command: `echo {task} >> all.log`\n")
            .unwrap();
    }
    project.write("plan.md", &plan);
    let mut child = project.spawn(["--plan", "plan.md", "-j", "64", "--no-tick", "--report", "result.json"]);
    let pid = child.id();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut peak = None;
    let mut told = String::new();
    for line in stderr.lines() {
        let line = line.unwrap();
        // The peak only grows: the last look that finds the process alive is the one that counts.
        peak = peak_memory(pid).or(peak);
        told.push_str(&line);
        told.push('\n');
    }
    let mut ran = Ran::of(&child.wait_with_output().unwrap());
    ran.stderr = told;
    let ran = ran.expect(0);
    drop(ran);
    let result: serde_json::Value = serde_json::from_str(&project.read("result.json")).unwrap();
    assert_eq!(result["counts"]["succeeded"], 1000);
    let mut seen: Vec<u32> = project.read("all.log").lines().map(|line| line.parse().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    if cfg!(target_os = "linux") {
        let peak = peak.expect("the supervisor's memory can be read while it runs");
        assert!(peak < 40 << 20, "the supervisor took {} MiB", peak >> 20);
    }
    let verified = project.run(["state", "verify"]).expect(0);
    assert!(verified.stdout.contains("1 run"), "{}", verified.stdout);
}

/// The highest resident size so far without the program itself, in bytes, of the largest of a process and its own copies: the
/// one that was started guards the one that supervises.
fn peak_memory(pid: u32) -> Option<u64> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let copies = children
        .split_whitespace()
        .filter(|child| {
            std::fs::read_to_string(format!("/proc/{child}/comm"))
                .is_ok_and(|name| name.trim() == "orchestrate")
        })
        .filter_map(|child| child.parse().ok());
    copies.chain([pid]).filter_map(peak_of).max()
}

fn peak_of(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kilobytes = |name: &str| -> Option<u64> {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    // The program's own pages, of which a debug build has many, are no use of memory.
    Some(kilobytes("VmHWM:")?.saturating_sub(kilobytes("RssFile:")?) << 10)
}
