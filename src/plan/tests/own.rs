//! Plans as one team writes them by hand: who does it, what it leaves behind, where its words stand.

use super::super::ResolveOptions;
use super::super::Role;
use super::super::resolve;
use super::codes;
use super::plan;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;

fn roles() -> ResolveOptions {
    let role = |agent: &str| Role { agent: agent.to_owned(), layer: None };
    ResolveOptions {
        agents: ["kilo", "cline", "opencode"].map(str::to_owned).into(),
        roles: [("designer", "cline"), ("code", "kilo"), ("researcher", "opencode"), ("bmad-dev", "kilo")]
            .map(|(name, agent)| (name.to_owned(), role(agent)))
            .into(),
        default_agent: Some("opencode".to_owned()),
        ..ResolveOptions::default()
    }
}

#[test]
fn sections_of_sub_tasks_with_agents_a_gate_and_a_wrong_count() {
    let plan = plan(include_str!("../../../tests/fixtures/plans/own/subagents.md"));
    let titles: Vec<&str> = plan.tasks.iter().map(|task| task.title.as_str()).collect();
    assert_eq!(titles, ["Read the configuration", "Send a letter", "Release"]);
    let kinds: Vec<TaskKind> = plan.tasks.iter().map(|task| task.kind).collect();
    assert_eq!(kinds, [TaskKind::Task, TaskKind::Task, TaskKind::Gate]);
    assert_eq!(plan.tasks[0].outputs, ["reports/configuration.md"]);
    assert_eq!(plan.tasks[1].outputs, [""; 0], "a result in words is no file");
    assert!(codes(&plan).contains(&"count-differs:33".to_owned()), "{:?}", codes(&plan));
    let resolved = resolve(&plan, &roles());
    let agents: Vec<Option<&str>> = resolved.tasks.iter().map(|task| task.agent.as_deref()).collect();
    assert_eq!(agents, [Some("opencode"), Some("kilo"), None], "the author of the header gets nothing");
    assert_eq!(resolved.diagnostics, []);
}

#[test]
fn rows_with_briefs_outputs_manual_work_and_a_limit() {
    let plan = plan(include_str!("../../../tests/fixtures/plans/own/queue.md"));
    let ids: Vec<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["PIC-1", "PIC-2", "PIC-3", "PIC-4"]);
    let briefs: Vec<Option<(&str, u32)>> = plan
        .tasks
        .iter()
        .map(|task| task.brief.as_ref().map(|brief| (brief.path.as_str(), brief.line)))
        .collect();
    assert_eq!(briefs, [Some(("plans/TASK_LOGO.md", 7)), None, Some(("plans/TASK_TEXT.md", 9)), None]);
    assert!(plan.tasks[0].files.is_empty(), "a brief is read, not touched");
    assert_eq!(plan.tasks[3].files.len(), 1, "its name does not say that it is a brief");
    assert_eq!(plan.tasks[0].outputs, ["assets/logo.svg"]);
    assert_eq!(plan.tasks[1].outputs, [""; 0]);
    assert_eq!(plan.tasks[2].outputs, ["docs/a.md", "docs/b.md"]);
    assert_eq!(plan.tasks[3].outputs, [""; 0], "outside the project");
    let states: Vec<PlanStatus> = plan.tasks.iter().map(|task| task.status).collect();
    assert_eq!(states, [PlanStatus::Open, PlanStatus::Done, PlanStatus::Open, PlanStatus::Open]);
    assert_eq!(plan.tasks[3].kind, TaskKind::Gate);
    let resolved = resolve(&plan, &roles());
    let agents: Vec<Option<&str>> = resolved.tasks.iter().map(|task| task.agent.as_deref()).collect();
    assert_eq!(agents, [Some("cline"), Some("cline"), Some("kilo"), None]);
    let limits: Vec<Option<u32>> =
        resolved.tasks.iter().map(|task| task.group_limit.as_ref().map(|limit| limit.at_most)).collect();
    assert_eq!(limits, [Some(2); 4]);
}

#[test]
fn a_document_is_a_brief_only_where_the_plan_says_so() {
    let brief = |field: &str| {
        let plan = plan(&format!("### Task 1: a\n\n- {field}\n\n### Task 2: b\n"));
        plan.tasks[0].brief.as_ref().map(|brief| brief.path.clone())
    };
    assert_eq!(brief("**File**: plans/TASK_X.md").as_deref(), Some("plans/TASK_X.md"));
    assert_eq!(brief("**File**: [the task](./plans/TASK_X.md)").as_deref(), Some("plans/TASK_X.md"));
    assert_eq!(brief("**Brief**: `docs/words.md`").as_deref(), Some("docs/words.md"));
    for field in [
        "**File**: docs/words.md",
        "**Files**: plans/TASK_X.md",
        "**File**: plans/TASK_X.md, plans/TASK_Y.md",
        "**File**: ../plans/TASK_X.md",
        "**File**: https://example.com/plans/TASK_X.md",
        "**Brief**: in a few words",
    ] {
        assert_eq!(brief(field), None, "{field}");
    }
}

#[test]
fn who_is_a_person_makes_a_gate() {
    let kind = |who: &str| {
        plan(&format!("- [ ] T001 a\n  - **Agent**: {who}\n- [ ] T002 b\n- [ ] T003 c\n")).tasks[0].kind
    };
    for who in ["User", "Manual", "Git (manual)", "Human", "Owner approval", "👤 User", "**user** (sign-off)"]
    {
        assert_eq!(kind(who), TaskKind::Gate, "{who}");
    }
    for who in ["Cline", "manual-tester", "User interface team", "Code (fast)"] {
        assert_eq!(kind(who), TaskKind::Task, "{who}");
    }
}

#[test]
fn a_name_that_nobody_knows_is_told_once_with_its_lines_and_what_to_write() {
    let plan = plan("- [ ] T001 a\n  - **Agent**: Groq\n- [ ] T002 b\n  - **Agent**: Groq\n- [ ] T003 c\n");
    let found = resolve(&plan, &roles()).diagnostics;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code, found[0].place.line), ("unknown-agent", 1));
    let text = format!("{found:?}");
    assert!(text.contains("lines 1, 3") && text.contains("[roles]"), "{text}");
}
