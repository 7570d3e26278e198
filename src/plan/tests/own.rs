//! Plans as one team writes them by hand: who does it, what it leaves behind, where its words stand.

use super::super::Dependency;
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

#[test]
fn tables_join_headings_by_number_and_properties_are_fields() {
    let plan = plan(include_str!("../../../tests/fixtures/plans/own/joined.md"));
    let ids: Vec<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let states: Vec<PlanStatus> = plan.tasks.iter().map(|task| task.status).collect();
    assert_eq!(states, [PlanStatus::Done, PlanStatus::Open, PlanStatus::InProgress], "the nearer one counts");
    let agents: Vec<Option<&str>> = plan.tasks.iter().map(|task| task.own.agent.as_deref()).collect();
    assert_eq!(agents, [Some("cline"), Some("Kilo Code"), Some("OpenCode")]);
    assert_eq!(plan.tasks[0].own.model.as_deref(), Some("minimax-m2.1:free"), "not the rest of the line");
    let priorities: Vec<Option<u8>> = plan.tasks.iter().map(|task| task.own.priority).collect();
    assert_eq!(priorities, [Some(1), Some(1), Some(3)], "a table inside a task is not about tasks");
    let outputs: Vec<&[String]> = plan.tasks.iter().map(|task| task.outputs.as_slice()).collect();
    assert_eq!(outputs, [&["reports/prices.md".to_owned()][..], &["reports/images.md".to_owned()], &[]]);
    let commands: Vec<&str> = plan.tasks[0].own.verify.iter().map(|check| check.text.as_str()).collect();
    assert_eq!(commands, ["grep -q EUR a.md"]);
    assert_eq!(plan.tasks[1].acceptance, ["look at ten of them"], "words are no command");
    assert!(plan.tasks[1].own.timeout.is_some());
    assert!(plan.tasks[1].body.contains("| **Task 2** | Kilo Code | Pictures"), "{}", plan.tasks[1].body);
    let waits: Vec<&str> =
        plan.edges.iter().filter(|edge| edge.to.as_str() == "3").map(|edge| edge.from.as_str()).collect();
    assert_eq!(waits, ["1", "2"], "`SHOP-IMAGE` is the second");
    let codes = codes(&plan);
    for code in ["rows-ignored:59", "two-values:55"] {
        assert!(codes.contains(&code.to_owned()), "{code} in {codes:?}");
    }
    assert_eq!(codes.len(), 2, "{codes:?}");
}

#[test]
fn czech_words() {
    let plan = plan(include_str!("../../../tests/fixtures/plans/own/czech.md"));
    let ids: Vec<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5"]);
    assert_eq!(plan.tasks[0].title, "Sepsat produkty");
    assert_eq!(plan.tasks[2].title, "Nahrát katalog");
    let states: Vec<PlanStatus> = plan.tasks.iter().map(|task| task.status).collect();
    let expected =
        [PlanStatus::Done, PlanStatus::Open, PlanStatus::InProgress, PlanStatus::Open, PlanStatus::Skipped];
    assert_eq!(states, expected);
    let waits: Vec<Vec<Dependency>> = plan.tasks.iter().map(|task| task.depends_on.clone()).collect();
    let on = |tasks: &[usize]| tasks.iter().map(|task| Dependency::Task(*task)).collect::<Vec<_>>();
    assert_eq!(waits, [on(&[]), on(&[0]), on(&[1]), on(&[0, 2]), on(&[])]);
    assert_eq!(plan.tasks[1].own.agent.as_deref(), Some("Kilo"));
    assert_eq!(plan.tasks[1].own.priority, Some(1));
    assert_eq!(plan.tasks[1].outputs, ["obrazky/seznam.md"]);
    assert_eq!(plan.tasks[3].kind, TaskKind::Gate);
    assert_eq!(codes(&plan), Vec::<String>::new());
}

#[test]
fn what_was_found_and_done_is_told_and_not_run() {
    let plan = plan(include_str!("../../../tests/fixtures/plans/own/told.md"));
    let ids: Vec<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["C-01", "C-02", "C-03"]);
    let fixes = "# P\n\n## Fixes\n\n### Fix 1: a\n\n**Assigned**: Kilo\n\n### Fix 2: b\n\n## Rest\n\n\
        | ID | Action | Status |\n|---|---|---|\n| C-1 | x | open |\n";
    let plan = super::plan(fixes);
    assert_eq!(plan.tasks.len(), 2, "a fix that somebody is to do is one");
    assert_eq!(codes(&plan), ["rows-ignored:13"]);
}

#[test]
fn a_table_of_tasks_comes_before_the_files_of_a_design() {
    let plan = plan(include_str!("../../../tests/fixtures/plans/own/changes.md"));
    let titles: Vec<&str> = plan.tasks.iter().map(|task| task.title.as_str()).collect();
    assert_eq!(titles, ["Make the snapshot", "Check it every week", "Tag the commit"]);
    assert_eq!(plan.tasks[2].kind, TaskKind::Gate);
}

#[test]
fn several_bold_keys_on_a_line() {
    let plan = plan(
        "### Task 1: a\n\n- **Agent**: kilo (fast) **Priority:** P1 **Note**: said **twice** here\n- **Model**: x **bold**\n\n### Task 2: b\n",
    );
    let own = &plan.tasks[0].own;
    assert_eq!(
        (own.agent.as_deref(), own.priority, own.model.as_deref()),
        (Some("kilo"), Some(1), Some("x bold"))
    );
}

#[test]
fn steps_in_a_table_are_tasks_where_it_says_more_of_them() {
    let rows = "| Step | Action | Priority | Status |\n|---|---|---|---|\n| 1 | a | P0 | Required |\n| 2 | b | P2 | Optional |\n";
    let read = plan(rows);
    let found: Vec<(&str, bool)> = read.tasks.iter().map(|task| (task.id.as_str(), task.optional)).collect();
    assert_eq!(found, [("1", false), ("2", true)]);
    assert_eq!(plan("| Step | Action | Result |\n|---|---|---|\n| 1 | a | b |\n").tasks, []);
}

#[test]
fn made_ids_are_told_where_they_may_become_others() {
    let told = |text: &str| {
        codes(&plan(text)).into_iter().filter(|code| code.starts_with("id-made")).collect::<Vec<_>>()
    };
    assert_eq!(told("- [ ] a\n- [ ] b\n"), Vec::<String>::new(), "all of them are made");
    assert_eq!(told("- [ ] a\n- [ ] b\n- [ ] a\n"), ["id-made:3"]);
    assert_eq!(told("- [ ] T001 a\n- [ ] b\n- [ ] T002 a\n"), ["id-made:2"]);
    assert_eq!(told("- [ ] T001 a\n- [ ] T002 a\n"), Vec::<String>::new());
}

#[test]
fn a_column_of_ids_may_hold_what_looks_like_tiers() {
    let ids = |rows: &str| -> Vec<String> {
        let text = format!("| # | Task | Files |\n|---|---|---|\n{rows}");
        plan(&text).tasks.iter().map(|task| task.id.to_string()).collect()
    };
    assert_eq!(ids("| P1 | a | x |\n| P2 | b | y |\n"), ["P1", "P2"]);
    assert_eq!(ids("| P1 | a | x |\n| P1 | b | y |\n"), Vec::<String>::new());
}

#[test]
fn rows_that_say_who_does_what_are_told_where_nothing_joins_them() {
    let told = codes(&plan(
        "### Task 1: Look at the pictures\n\n### Task 2: Look at the words\n\n## Verification Checklist\n\n\
         | Check | Task | Executor |\n|---|---|---|\n| a | Pictures | Kilo |\n\n## Notes\n\n| Check | Task |\n|---|---|\n| a | b |\n",
    ));
    assert_eq!(told, ["rows-ignored:7"]);
}
