//! What a run makes of a plan.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::plan;
use crate::model::task::Entry;
use crate::model::task::HeldReason;
use crate::model::time::Span;
use crate::plan::ResolveOptions;
use crate::plan::Resolved;
use crate::plan::Role;
use crate::plan::resolve;

fn options() -> ResolveOptions {
    ResolveOptions {
        agents: BTreeSet::from(["kilo", "cline", "command"].map(str::to_owned)),
        ..ResolveOptions::default()
    }
}

fn list(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn entries(resolved: &Resolved) -> Vec<String> {
    resolved
        .tasks
        .iter()
        .map(|task| match &task.entry {
            Entry::Run => "run".to_owned(),
            Entry::Skip { why } => why.clone(),
            Entry::Hold { reasons } => reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })
        .collect()
}

fn needs(resolved: &Resolved) -> Vec<String> {
    let each = resolved.tasks.iter().flat_map(|task| task.needs.iter().map(move |need| (need, task)));
    each.map(|(need, task)| format!("{}>{}", need.task, task.id)).collect()
}

const CHAIN: &str = "- [x] T001 a\n- [ ] T002 b\n- [ ] T003 c\n- [ ] T004 d\n";

#[test]
fn the_nearest_value_counts() {
    let plan = plan(
        "---\norchestrate:\n  agent: kilo\n  timeout: 1h\n---\n## A\n- **Agent**: cline\n- **Retries**: 3\n\n- [ ] T001 a\n- [ ] T002 b\n  - Agent: Kilo\n  - Timeout: 5m\n## B\n- [ ] T003 c\n",
    );
    let resolved = resolve(&plan, &options());
    let seen: Vec<(Option<&str>, Span, u32)> =
        resolved.tasks.iter().map(|task| (task.agent.as_deref(), task.timeout, task.retries)).collect();
    assert_eq!(
        seen,
        [
            (Some("cline"), Span::minutes(60), 3),
            (Some("kilo"), Span::minutes(5), 3),
            (Some("kilo"), Span::minutes(60), 1)
        ]
    );
    let pinned =
        ResolveOptions { agent_for: BTreeMap::from([("t2".to_owned(), "cline".to_owned())]), ..options() };
    assert_eq!(resolve(&plan, &pinned).tasks[1].agent.as_deref(), Some("cline"));
}

#[test]
fn roles_and_unknown_names() {
    let plan = plan(
        "- [ ] T001 a\n  - Agent: @Designer\n- [ ] T002 b\n  - Agent: klio\n- [ ] T003 c\n  - Agent: klio\n",
    );
    let role = Role { agent: "cline".to_owned(), layer: Some(4) };
    let options = ResolveOptions {
        roles: BTreeMap::from([("designer".to_owned(), role)]),
        default_agent: Some("kilo".to_owned()),
        ..options()
    };
    let resolved = resolve(&plan, &options);
    assert_eq!((resolved.tasks[0].agent.as_deref(), resolved.tasks[0].layer), (Some("cline"), Some(4)));
    assert_eq!(resolved.tasks[1].agent.as_deref(), Some("kilo"));
    assert_eq!(resolved.diagnostics.len(), 1);
    assert_eq!(resolved.diagnostics[0].code, "unknown-agent");
    assert_eq!(
        resolved.diagnostics[0].message,
        "there is no agent `klio`: task `T002` and 1 other go to `kilo`"
    );
    assert_eq!(resolved.diagnostics[0].hints[0], "did you mean `kilo`?");
    assert!(!resolved.has_errors());
}

#[test]
fn selection_leaves_the_rest_out() {
    let plan = plan(CHAIN);
    let only = ResolveOptions { only: list(&["T004"]), ..options() };
    assert_eq!(entries(&resolve(&plan, &only)), ["done", "not selected", "not selected", "run"]);
    assert_eq!(needs(&resolve(&plan, &only)), [""; 0]);
    let deps = ResolveOptions { with_deps: true, ..only };
    assert_eq!(entries(&resolve(&plan, &deps)), ["done", "run", "run", "run"]);
    let skip = ResolveOptions { skip: list(&["t3"]), ..options() };
    assert_eq!(entries(&resolve(&plan, &skip)), ["done", "run", "not selected", "run"]);
    // What was before the skipped one still comes first.
    assert_eq!(needs(&resolve(&plan, &skip)), ["T002>T004"]);
    let assumed = ResolveOptions { assume_done: list(&["T002"]), ..options() };
    assert_eq!(entries(&resolve(&plan, &assumed)), ["done", "assumed done", "run", "run"]);
}

#[test]
fn unknown_ids_are_errors_with_a_suggestion() {
    let plan = plan("- [ ] build\n- [ ] deploy\n");
    let wrong = ResolveOptions { only: list(&["biuld"]), skip: list(&["xyzzy"]), ..options() };
    let resolved = resolve(&plan, &wrong);
    assert!(resolved.has_errors());
    assert_eq!(resolved.diagnostics[0].hints, ["did you mean `build`?"]);
    assert!(resolved.diagnostics[1].message.contains("--skip names `xyzzy`"));
}

#[test]
fn what_needs_a_held_task_is_held() {
    let plan = plan("- [ ] T001 a\n- [?] T002 b\n- [ ] T003 c\n- [ ] T004 d\n  - Depends on: none\n");
    assert_eq!(entries(&resolve(&plan, &options())), ["run", "unknown-marker `?`", "needs T002", "run"]);
}

#[test]
fn gates_hold_their_group_and_what_follows() {
    let plan =
        plan("## Phase 1\n- [ ] a\n## Phase 2\n- **Gate**: approval\n\n- [ ] b\n## Phase 3\n- [ ] c\n");
    let resolved = resolve(&plan, &options());
    assert_eq!(entries(&resolved), ["run", "gate \"approval\"", "needs b"]);
    let check = crate::plan::check(&plan, &resolved, "p.md");
    assert_eq!(check.tasks.iter().map(|task| task.wave).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn plans_that_are_over_run_by_force_alone() {
    let plan = plan("# P\n\nStatus: Archived\n\n- [ ] a\n");
    assert_eq!(entries(&resolve(&plan, &options())), [HeldReason::PlanDone.to_string()]);
    assert_eq!(entries(&resolve(&plan, &ResolveOptions { force: true, ..options() })), ["run"]);
}

#[test]
fn optional_tasks_run_when_asked_for() {
    let plan = plan("- [ ] T001 a\n- [ ]* T002 b\n- [ ] T003 c\n");
    assert_eq!(entries(&resolve(&plan, &options())), ["run", "optional", "run"]);
    assert_eq!(needs(&resolve(&plan, &options())), ["T001>T003"]);
    let asked = ResolveOptions { only: list(&["T002"]), ..options() };
    assert_eq!(entries(&resolve(&plan, &asked)), ["not selected", "run", "not selected"]);
    assert_eq!(
        entries(&resolve(&plan, &ResolveOptions { optional: true, ..options() })),
        ["run", "run", "run"]
    );
}

#[test]
fn same_files_keep_tasks_apart() {
    let plan = plan(
        "- [ ] a\n  - Files: `src/*.rs`\n- [ ] b\n  - Files: `src/x.rs`\n- [ ] c\n  - Files: `docs/`\n- [ ] d\n  - Files: `docs/deep/a.md`\n- [ ] e\n  - Files: Read: `src/x.rs`\n",
    );
    let resolved = resolve(&plan, &options());
    let conflicts: Vec<String> = resolved
        .tasks
        .iter()
        .map(|task| task.conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(conflicts, ["b e", "a e", "d", "c", "a b"]);
    assert_eq!(needs(&resolved), [""; 0]);
}

#[test]
fn outputs_and_commands() {
    let plan = plan(
        "- [ ] T001 a\n  - Files: Create: `out/a.md`\n  - Output: `b.md`\n- [ ] T002 b\n  - Agent: command\n\n  ```sh\n  make all\n  make test\n  ```\n- [ ] T003 c\n  - Agent: command\n- [ ] T004 d\n  - Agent: command\n  - Command: `echo hi`\n",
    );
    let resolved = resolve(&plan, &options());
    assert_eq!(resolved.tasks[0].outputs, ["out/a.md", "b.md"]);
    assert_eq!(resolved.tasks[1].command.as_deref(), Some("make all\nmake test"));
    assert_eq!(resolved.tasks[3].command.as_deref(), Some("echo hi"));
    assert_eq!(
        resolved.diagnostics.iter().map(|d| (d.code, d.place.line)).collect::<Vec<_>>(),
        [("no-command", 11)]
    );
    let check = crate::plan::check(&plan, &resolved, "p.md");
    let commands: Vec<(u32, &str)> = check.commands.iter().map(|c| (c.line, c.command.as_str())).collect();
    assert_eq!(commands, [(8, "make all\nmake test"), (15, "echo hi")]);
}
