//! Fields and their values: what each key takes, and what is said of a value that it does not take.

use super::codes;
use super::edges;
use super::plan;
use crate::model::task::FileVerb;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;
use crate::model::time::Span;
use crate::plan::Plan;
use crate::plan::PlanTask;

/// The only task of a plan with some fields below it.
fn with(fields: &str) -> (PlanTask, Vec<String>) {
    let plan = plan(&format!("# P\n\n- [ ] T001 a\n{fields}"));
    (plan.tasks[0].clone(), codes(&plan))
}

/// The mistakes of a plan with their places: `code line:column+length`.
fn places(plan: &Plan) -> Vec<String> {
    plan.diagnostics
        .iter()
        .map(|found| {
            let place = found.place;
            let kind = if found.is_error() { "error" } else { "warning" };
            format!("{kind} {} {}:{}+{}", found.code, place.line, place.column, place.length)
        })
        .collect()
}

#[test]
fn a_model_is_all_of_its_value() {
    for (written, model) in [
        ("GLM 4.7", "GLM 4.7"),
        ("`GLM 4.7`", "GLM 4.7"),
        ("minimax-m2.1:free", "minimax-m2.1:free"),
        ("**Claude Opus 4.5** (for the design)", "Claude Opus 4.5"),
        ("`big-pickle` — free", "big-pickle"),
        ("GLM 4.7, else MiniMax M2", "GLM 4.7"),
        ("GLM 4.7 or MiniMax M2", "GLM 4.7"),
        ("openrouter/z-ai/glm-4.7 - cheap", "openrouter/z-ai/glm-4.7"),
    ] {
        let (task, found) = with(&format!("  - Model: {written}\n"));
        assert_eq!(task.own.model.as_deref(), Some(model), "{written}");
        assert_eq!(found, Vec::<String>::new(), "{written}");
    }
    assert_eq!(with("  - Model: —\n").0.own.model, None);
}

#[test]
fn layers_are_those_that_the_configuration_may_have() {
    for (written, layer) in [("1", 1), ("7", 7), ("8", 8), ("99", 99), ("Layer 3", 3), ("L2 (fast)", 2)] {
        let (task, found) = with(&format!("  - **Layer**: {written}\n"));
        assert_eq!(task.own.layer, Some(layer), "{written}");
        assert_eq!(found, Vec::<String>::new(), "{written}");
        let matter = plan(&format!("---\norchestrate:\n  layer: {layer}\n---\n- [ ] a\n"));
        assert_eq!(matter.defaults.layer, Some(layer));
        let attributes = plan(&format!("- [ ] a {{layer={layer}}}\n"));
        assert_eq!(attributes.tasks[0].own.layer, Some(layer));
    }
    for bad in ["0", "100", "300", "fast", "3 or 4"] {
        assert_eq!(with(&format!("  - **Layer**: {bad}\n")).1, ["bad-value:4"], "{bad}");
    }
    let matter = plan("---\norchestrate:\n  layer: 100\n---\n- [ ] a\n");
    assert_eq!(places(&matter), ["error bad-value 3:10+3"]);
}

#[test]
fn durations_counts_and_answers() {
    for (written, seconds) in [
        ("90s", 90),
        ("20m", 1_200),
        ("1h30m", 5_400),
        ("45", 45),
        ("30 minutes", 1_800),
        ("2h (at most)", 7_200),
    ] {
        let (task, found) = with(&format!("  - Timeout: {written}\n"));
        assert_eq!(task.own.timeout, Some(Span::seconds(seconds)), "{written}");
        assert_eq!(found, Vec::<String>::new(), "{written}");
    }
    for (written, retries) in [("0", 0), ("2", 2), ("3 (it is flaky)", 3)] {
        assert_eq!(with(&format!("  - Max retries: {written}\n")).0.own.retries, Some(retries), "{written}");
    }
    for (written, answer) in [
        ("yes", true),
        ("No", false),
        ("true", true),
        ("off", false),
        ("ano", true),
        ("yes, with T002", true),
    ] {
        assert_eq!(with(&format!("  - Parallel: {written}\n")).0.parallel, Some(answer), "{written}");
        assert_eq!(with(&format!("  - Optional: {written}\n")).0.optional, answer, "{written}");
    }
    for (written, priority) in [
        ("P0", 0),
        ("P9", 9),
        ("critical", 0),
        ("🔴 High", 1),
        ("Medium-High", 2),
        ("low", 3),
        ("4", 4),
        ("Must have", 0),
    ] {
        assert_eq!(with(&format!("  - Priority: {written}\n")).0.own.priority, Some(priority), "{written}");
    }
    assert_eq!(with("  - Priority: TBD\n").1, Vec::<String>::new());
}

#[test]
fn a_known_key_with_a_bad_value_is_an_error_in_its_place() {
    let text = "# P\n\n- [ ] T001 a\n  - **Timeout**: soon\n  - **Retries**: many\n  - **Layer**: top\n  - **Parallel**: perhaps\n  - **Optional**: perhaps\n  - **Priority**: soonish\n  - **Status**: dnoe\n  - **Command**: run it\n";
    assert_eq!(
        places(&plan(text)),
        [
            "error bad-value 4:18+4",
            "error bad-value 5:18+4",
            "error bad-value 6:16+3",
            "error bad-value 7:19+7",
            "error bad-value 8:19+7",
            "error bad-value 9:19+7",
            "error bad-value 10:17+4",
            "error bad-value 11:18+6",
        ]
    );
    // A status in words of its own is no slip: it changes nothing, and that is said.
    let (task, found) = with("  - **Status**: waiting for the designer\n");
    assert_eq!(task.status, PlanStatus::Open);
    assert_eq!(found, ["unknown-status:4"]);
}

#[test]
fn statuses_in_words_signs_and_boxes() {
    for (written, status) in [
        ("done", PlanStatus::Done),
        ("✅ Completed (2026-01-01)", PlanStatus::Done),
        ("🟢 Done", PlanStatus::Done),
        ("🔵 Pending", PlanStatus::Open),
        ("🟡 In Progress", PlanStatus::InProgress),
        ("Not Completed", PlanStatus::Open),
        ("[x] pending", PlanStatus::Done),
        ("`[x]` complete", PlanStatus::Done),
        ("[ ] complete", PlanStatus::Open),
        ("[>] in-progress", PlanStatus::InProgress),
        ("[/] pending", PlanStatus::InProgress),
        ("[-] shelved", PlanStatus::Skipped),
        ("[?] done", PlanStatus::Open),
        ("won't do", PlanStatus::Skipped),
    ] {
        assert_eq!(with(&format!("  - **Status**: {written}\n")).0.status, status, "{written}");
    }
}

#[test]
fn the_same_key_twice_is_an_error_and_two_sources_are_a_warning() {
    for key in ["Agent", "Model", "Timeout", "Depends on", "Gate"] {
        let (_, found) = with(&format!("  - **{key}**: 1h\n  - {}: 1h\n", key.to_uppercase()));
        assert!(found.contains(&"duplicate-key:5".to_owned()), "{key}: {found:?}");
    }
    let (task, found) = with("  - **Agent**: kilo\n  - **Owner**: cline\n");
    assert_eq!((task.own.agent.as_deref(), found), (Some("kilo"), vec!["two-values:5".to_owned()]));
    let (task, found) = with("  - **Agent**: kilo\n  - **Owner**: `kilo`\n");
    assert_eq!((task.own.agent.as_deref(), found), (Some("kilo"), Vec::new()));
    let (_, found) = with("  - **Files**: `a.rs`\n  - **Files**: `b.rs`\n  - Verify: `x`\n  - Verify: `y`\n");
    assert_eq!(found, Vec::<String>::new(), "lists add up");
    // Dependencies under two names add up, too.
    let plan = plan("- [ ] T001 a\n- [ ] T002 b\n- [ ] T003 c\n  - Depends on: T001\n  - Blocked by: T002\n");
    assert_eq!(edges(&plan), ["T001>T002 order", "T001>T003 explicit", "T002>T003 explicit"]);
}

#[test]
fn a_table_and_a_list_that_disagree() {
    let text = "| ID | Task | Agent |\n|---|---|---|\n| T1 | a | Groq |\n| T2 | b | kilo |\n\n| ID | Agent |\n|---|---|\n| T1 | kilo |\n| T2 | kilo |\n";
    let plan = plan(text);
    assert_eq!(plan.tasks[0].own.agent.as_deref(), Some("Groq"), "the row of the task is nearer");
    assert_eq!(codes(&plan), ["two-values:8"]);
}

#[test]
fn attributes_in_braces_are_read_and_reported() {
    let text = "- [ ] T001 a\n- [ ] T002 b {agent=kilo depends=T001 timeout=20m model=\"GLM 4.7\" files=src/a.rs,src/b.rs}\n  - Agent: cline\n  - Timeout: 20m\n";
    let found = plan(text);
    let task = &found.tasks[1];
    assert_eq!(task.title, "b");
    assert_eq!(task.own.agent.as_deref(), Some("kilo"), "the task's own line is nearest");
    assert_eq!(task.own.model.as_deref(), Some("GLM 4.7"));
    assert_eq!(task.own.timeout, Some(Span::minutes(20)));
    assert_eq!(task.files.len(), 2);
    assert_eq!(edges(&found), ["T001>T002 explicit"]);
    assert_eq!(codes(&found), ["attributes:2", "two-values:2"]);
    let bad = plan("- [ ] a {timeout=soon}\n- [ ] b {colour=red}\n- [ ] c {not attributes}\n");
    assert_eq!(codes(&bad), ["attributes:1", "bad-value:1", "attributes:2", "unknown-key:2"]);
    assert!(bad.tasks[2].title.contains("{not attributes}"));
}

#[test]
fn a_name_with_an_at_sign_is_no_agent() {
    let plan = plan("- [ ] Ask @kilo to write it\n- [ ] Write it @cline\n");
    assert!(plan.tasks.iter().all(|task| task.own.agent.is_none()));
    assert_eq!(plan.tasks[0].title, "Ask @kilo to write it");
}

#[test]
fn keys_in_all_their_spellings() {
    for key in [
        "depends on",
        "depends_on",
        "dependsOn",
        "Dependencies",
        "DEPENDS",
        "Blocked by",
        "requires",
        "after",
        "Needs",
        "Závisí na",
        "závislosti",
        "依赖",
    ] {
        for line in [
            format!("  - {key}: T001"),
            format!("  - **{key}**: T001"),
            format!("  - **{key}:** T001"),
            format!("  - _{key}: T001_"),
            format!("  - {key}：T001"),
        ] {
            let plan = plan(&format!("- [ ] T001 a\n- [ ] T002 b [P]\n{line}\n"));
            assert_eq!(edges(&plan), ["T001>T002 explicit"], "{line}");
        }
    }
    for key in ["agent", "executor", "Assigned", "assigned to", "Assignee", "owner", "Responsible"] {
        assert_eq!(with(&format!("  - {key}: kilo\n")).0.own.agent.as_deref(), Some("kilo"), "{key}");
    }
    for key in [
        "Files",
        "file",
        "Location",
        "Package(s)",
        "touches",
        "files to create",
        "Files to modify",
        "modified_files",
        "Soubory",
        "文件",
    ] {
        assert_eq!(with(&format!("  - {key}: `src/a.rs`\n")).0.files.len(), 1, "{key}");
    }
    for key in [
        "Verification",
        "validation",
        "Validation Criteria",
        "Test scenarios",
        "Done When",
        "Acceptance",
        "acceptance criteria",
        "Expected",
    ] {
        assert_eq!(with(&format!("  - {key}: it works\n")).0.acceptance, ["it works"], "{key}");
    }
    for key in ["Requirements", "implements", "Validates", "需求", "AC"] {
        let (task, _) = with(&format!("  - _{key}: 1.1, 2.3_\n"));
        assert_eq!(
            (task.requirements.clone(), task.depends_on.len()),
            (vec!["1.1".to_owned(), "2.3".to_owned()], 0),
            "{key}"
        );
    }
    let (task, found) = with("  - Parallel with: T009\n  - Boundary: X\n  - Goal: a goal\n  - Colour: red\n");
    assert_eq!((task.parallel, task.states_dependencies, found), (None, false, Vec::new()));
}

#[test]
fn files_with_their_verbs() {
    let (task, _) = with(
        "  - **Files**:\n    - Create: `src/a.rs`\n    - Modify: `src/b.rs:12-30`\n    - Delete: old.rs\n    - Test: `tests/a.rs`\n  - **File**: src/c.rs (new), src/d.rs\n",
    );
    let verbs: Vec<(Option<FileVerb>, &str)> =
        task.files.iter().map(|file| (file.verb, file.path.as_str())).collect();
    assert_eq!(
        verbs,
        [
            (Some(FileVerb::Create), "src/a.rs"),
            (Some(FileVerb::Modify), "src/b.rs"),
            (Some(FileVerb::Delete), "old.rs"),
            (Some(FileVerb::Test), "tests/a.rs"),
            (None, "src/c.rs"),
            (None, "src/d.rs"),
        ]
    );
}

#[test]
fn only_whole_values_are_commands() {
    let commands =
        |task: &PlanTask| task.own.verify.iter().map(|command| command.text.clone()).collect::<Vec<_>>();
    let (task, _) = with("  - **Verify**: `cargo test -p db`\n");
    assert_eq!(commands(&task), ["cargo test -p db"]);
    let (task, _) = with("  - **Run**: `make check`\n");
    assert_eq!(commands(&task), ["make check"]);
    let (task, _) = with("  - Run: `make check`\n  - Expected: FAIL, there is no such rule\n");
    assert_eq!(commands(&task), Vec::<String>::new(), "what is to fail checks nothing");
    let (task, _) = with("  - **Verify**: run `make` and look at the page\n");
    assert_eq!((commands(&task), task.acceptance.len()), (Vec::new(), 1));
    let (task, _) = with("  - **Verify**:\n    ```sh\n    make\n    make check\n    ```\n");
    assert_eq!(commands(&task), ["make\nmake check"]);
    let (task, _) = with("  - **Verification**: `make check`\n");
    assert_eq!(commands(&task), Vec::<String>::new());
    // On a line of its own it belongs to the step above it.
    let plan = plan("## Task 1: a\n\n- [ ] **Step 1**\n\nRun: `rm old`\n\n## Task 2: b\n\nText.\n");
    assert!(plan.tasks.iter().all(|task| task.own.verify.is_empty()));
}

#[test]
fn the_header_names_its_author() {
    let author = plan("# P\n\n**Agent**: Cline\n**Owner**: Ana\n\n- [ ] a\n");
    assert_eq!(author.defaults.agent, None);
    for key in ["Executor", "Assigned", "Assignee", "Assigned to"] {
        let assigned = plan(&format!("# P\n\n**{key}**: Cline\n\n- [ ] a\n"));
        assert_eq!(assigned.defaults.agent.as_deref(), Some("Cline"), "{key}");
    }
}

#[test]
fn the_first_example_of_native_annotations() {
    let text = "---\norchestrate:\n  agent: opencode\n  timeout: 30m\n  retries: 1\n---\n\n# Login\n\n## Phase 1: Server\n\n- [ ] T001 Create the users table\n  - **Agent**: kilo\n  - **Files**: `migrations/*`, `src/db/users.rs`\n  - **Verify**: `cargo test -p db`\n- [ ] T002 [P] Hash passwords\n- [ ] T003 [P] Issue tokens\n  - **Depends on**: T001\n  - **Timeout**: 20m\n\n## Phase 2: Review\n\n- **Depends on**: Phase 1\n- **Gate**: approval\n\n- [ ] T004 Write the guide\n  - **Depends on**: T003\n- [ ] T005 Read it as a stranger\n";
    let plan = plan(text);
    assert_eq!(
        edges(&plan),
        [
            "T001>T002 order",
            "T001>T003 explicit",
            "T002>T004 explicit",
            "T003>T004 explicit",
            "T004>T005 order"
        ]
    );
    assert_eq!(plan.groups[1].gate.as_deref(), Some("approval"));
    assert_eq!(plan.defaults.timeout, Some(Span::minutes(30)));
    assert!(plan.tasks.iter().all(|task| task.kind == TaskKind::Task));
    assert!(codes(&plan).is_empty(), "{:?}", codes(&plan));
}

#[test]
fn values_of_dependencies() {
    let head = "## Phase 1: Setup\n- [ ] T001 a\n- [ ] T002 b\n- [ ] T003 c\n## Phase 2: User Story 1 - x\n- [ ] T004 d\n## Phase 3: User Story 2 - y\n- [ ] T005 e\n## Phase 4: End\n- [ ] T006 f\n";
    let waits = |value: &str| -> Vec<String> {
        let plan = plan(&format!("{head}  - **Depends on**: {value}\n"));
        let task = &plan.tasks[5];
        assert!(task.states_dependencies, "{value}");
        plan.edges
            .iter()
            .filter(|edge| edge.to.as_str() == "T006" && edge.rule.as_str() == "explicit")
            .map(|edge| edge.from.to_string())
            .collect()
    };
    for none in ["none", "-", "—", "n/a", "[]", "nothing", "None (it is the first)", "žádné", "无", "なし"]
    {
        assert_eq!(waits(none), Vec::<String>::new(), "{none}");
    }
    for (value, ids) in [
        ("T001, T003", vec!["T001", "T003"]),
        ("T001; T002 and T003", vec!["T001", "T002", "T003"]),
        ("T001 & T002 + T003", vec!["T001", "T002", "T003"]),
        ("T001-T003", vec!["T001", "T002", "T003"]),
        ("T001..T002", vec!["T001", "T002"]),
        ("Tasks T001–T002", vec!["T001", "T002"]),
        ("T001 (needs a, b), T002", vec!["T001", "T002"]),
        ("T001 for the schema", vec!["T001"]),
        ("t1, task T02.", vec!["T001", "T002"]),
        ("[T001, T002]", vec!["T001", "T002"]),
    ] {
        assert_eq!(waits(value), ids, "{value}");
    }
    for (value, groups) in [
        ("Phase 2", vec![1]),
        ("Setup", vec![0]),
        ("Foundational (Phase 1)", vec![0]),
        ("US2", vec![2]),
        ("all user stories", vec![1, 2]),
        ("all previous phases", vec![0, 1, 2]),
        ("Phases 1-2", vec![0, 1]),
    ] {
        let plan = plan(&format!("{head}  - **Depends on**: {value}\n"));
        let found: Vec<usize> = plan.tasks[5]
            .depends_on
            .iter()
            .filter_map(|dependency| match dependency {
                crate::plan::Dependency::Group(group) => Some(*group),
                crate::plan::Dependency::Task(_) => None,
            })
            .collect();
        assert_eq!(found, groups, "{value}");
    }
    let words = plan(&format!("{head}  - **Depends on**: the design of Ana\n"));
    assert_eq!(codes(&words), ["free-text-dependency:11"]);
    assert!(words.tasks[5].held.is_empty());
}
