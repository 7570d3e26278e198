//! The plans of `plans/` are read as their text says: they are what a newcomer runs first.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What `check --output json` says of a plan of the project.
fn check(plan: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ended = Command::new(env!("CARGO_BIN_EXE_orchestrate"))
        .args(["check", plan, "--output", "json"])
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .expect("the program was built for this test");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(0), "check {plan}: {said}");
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("check {plan}: {error}\n{said}"))
}

/// The texts under `key` of each entry of `list`.
fn texts<'v>(document: &'v Value, list: &str, key: &str) -> Vec<&'v str> {
    let entries = document[list].as_array().unwrap_or_else(|| panic!("`{list}` is no list"));
    entries.iter().map(|entry| entry[key].as_str().unwrap_or("")).collect()
}

/// The edges as `from>to`.
fn edges(document: &Value) -> BTreeSet<String> {
    let from = texts(document, "edges", "from");
    let to = texts(document, "edges", "to");
    from.iter().zip(to).map(|(from, to)| format!("{from}>{to}")).collect()
}

#[test]
fn the_first_plan_is_seven_commands_of_which_five_run_together() {
    let document = check("plans/first.md");
    assert_eq!(texts(&document, "tasks", "id"), ["1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(texts(&document, "tasks", "agent"), ["command"; 7]);
    assert!(texts(&document, "tasks", "command").iter().all(|command| command.contains("target/first-run")));
    let expected: BTreeSet<String> = (2..=6).flat_map(|n| [format!("1>{n}"), format!("{n}>7")]).collect();
    assert_eq!(edges(&document), expected);
    assert!(texts(&document, "tasks", "status").iter().all(|status| *status == "open"));
}

#[test]
fn the_plan_for_agents_starts_with_three_of_them_together() {
    let document = check("plans/agents.md");
    assert_eq!(texts(&document, "tasks", "id"), ["1", "2", "3", "4", "5"]);
    assert_eq!(texts(&document, "tasks", "agent"), ["kilo", "opencode", "cline", "command", "opencode"]);
    let expected: BTreeSet<String> = ["1>4", "2>4", "3>4", "4>5"].map(String::from).into();
    assert_eq!(edges(&document), expected);
}

#[test]
fn no_plan_of_the_project_holds_a_mistake() {
    // For real agents a warning may speak of this machine; for commands there is nothing to warn of.
    for (plan, tolerated) in [("plans/first.md", "note"), ("plans/agents.md", "warning")] {
        let document = check(plan);
        for severity in texts(&document, "diagnostics", "severity") {
            let diagnostics = &document["diagnostics"];
            assert!(severity == "note" || severity == tolerated, "{plan}: {diagnostics:#}");
        }
    }
}
