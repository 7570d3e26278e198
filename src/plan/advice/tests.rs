//! What is taken as advice, and what the edges say to it.

use crate::model::check::FieldFrom;
use crate::model::check::TaskField;
use crate::plan::Plan;
use crate::plan::ReadOptions;
use crate::plan::read;
use crate::plan::tests::plan;

/// The advice as `line form first>then stance`.
fn advice(plan: &Plan) -> Vec<String> {
    let one = |advice: &crate::model::check::Advice| {
        let stance = advice.stance.as_str();
        format!("{} {} {}>{} {stance}", advice.line, advice.form.as_str(), advice.first, advice.then)
    };
    plan.advice.iter().map(one).collect()
}

const TASKS: &str = "# P\n\n- [ ] T001 a\n- [ ] T002 b\n- [ ] T003 c\n- [x] T004 d\n\n";

#[test]
fn sentences() {
    for (text, expected) in [
        ("T001 must be finished before T003.", "T001>T003 the edges agree"),
        ("Do T003 before T001, please.", "T003>T001 the edges say the opposite"),
        ("T002 comes after T001 and waits for nothing", "T001>T002 the edges agree"),
        ("Task T002 depends on T003 (the schema).", "T003>T002 the edges say the opposite"),
        ("T004 blocks T003", "T004>T003 done or not to run"),
    ] {
        assert_eq!(advice(&plan(&format!("{TASKS}{text}\n"))), [format!("8 prose {expected}")], "{text}");
    }
    for text in [
        "T001 does not depend on T003.",
        "Look at the notes before you begin.",
        "20 days after 3 meetings",
        "T001 is done. After that, T003 may be skipped.",
        "`let x = after T003;`",
    ] {
        assert!(advice(&plan(&format!("{TASKS}{text}\n"))).is_empty(), "{text}");
    }
}

#[test]
fn a_body_speaks_of_its_task() {
    let plan = plan(
        "### Task 1: a\n\nRun this only after Task 3.\n\n### Task 2: b\n\nText\n\n### Task 3: c\n\nText\n",
    );
    assert_eq!(advice(&plan), ["3 prose 3>1 the edges say the opposite"]);
    let codes: Vec<&str> = plan.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(codes, ["prose-order"]);
}

#[test]
fn groups_and_stories() {
    let plan = plan(
        "## Phase 1: Setup\n- [ ] a\n## Phase 2: User Story 1 - X\n- [ ] b\n## Phase 3: User Story 2 - Y\n- [ ] c\n\n\
         Recommended: US2 before US1. Phase 1 before User Story 2.\n",
    );
    let first = &advice(&plan)[0];
    assert!(first.starts_with("8 prose ") && first.ends_with("the edges say the opposite"), "{first}");
}

#[test]
fn arrows_and_lists() {
    let text = format!(
        "{TASKS}```\nT001 → T002 ──▶ T003\nT003\n  ↓\nT001\n```\n\n**Recommended execution order**:\n\n1. T002 first\n2. T001\n\nExecution order: T001, T003\n"
    );
    assert_eq!(
        advice(&plan(&text)),
        [
            "9 arrows T001>T002 the edges agree",
            "9 arrows T002>T003 the edges agree",
            "11 arrows T003>T001 the edges say the opposite",
            "18 list T002>T001 the edges say the opposite",
            "20 list T001>T003 the edges agree",
        ]
    );
}

const DIAGRAM: &str = "- [ ] T001 a\n- [ ] T002 b\n- [ ] T003 c\n\n```mermaid\nflowchart LR\n  %% T009 --> T001\n  A[T001 Set it up] --> B(\"T002: (b)\") & C{T003}\n  \
     C -. later .-> B:::big\n  C --- A\n  X[Other] --> A\n  classDef big fill:#fff\n```\n";

#[test]
fn mermaid_graphs() {
    assert_eq!(
        advice(&plan(DIAGRAM)),
        [
            "8 mermaid T001>T002 the edges agree",
            "8 mermaid T001>T003 the edges agree",
            "9 mermaid T003>T002 the edges say the opposite",
        ]
    );
}

#[test]
fn diagrams_count_where_they_are_asked_to() {
    let options = ReadOptions { use_diagrams: true, ..ReadOptions::default() };
    let plan = read(DIAGRAM.as_bytes(), &options);
    let edges: Vec<String> =
        plan.edges.iter().map(|edge| format!("{}>{} {}", edge.from, edge.to, edge.rule.as_str())).collect();
    assert_eq!(edges, ["T001>T002 explicit", "T003>T002 explicit", "T001>T003 explicit"]);
    assert!(plan.advice.iter().all(|advice| advice.stance == crate::model::check::Stance::Agrees));
    let origin = plan.tasks[1].origins.iter().find(|origin| origin.field == TaskField::DependsOn).unwrap();
    assert_eq!((origin.from, origin.line), (FieldFrom::Diagram, Some(8)));
}

#[test]
fn gantt_charts() {
    let text = "- [ ] 1.1 a\n- [ ] 1.2 b\n- [ ] 1.3 c\n\n```mermaid\ngantt\n  title x\n  section s\n  1.1 a :done, a1, 2026-01-01, 3d\n  1.2 b :a2, after a3, 2d\n  1.3 c :a3, 5d\n```\n";
    assert_eq!(
        advice(&plan(text)),
        ["10 gantt 1.3>1.2 the edges say the opposite", "11 gantt 1.2>1.3 the edges agree"]
    );
}

#[test]
fn what_is_stated_is_no_advice() {
    let plan = plan(
        "- [ ] T001 a\n- [ ] T002 b (depends on T001)\n- [ ] T003 c\n  - **Depends on**: T001, after T002\n",
    );
    assert!(advice(&plan).is_empty());
}

#[test]
fn hostile_texts_cost_little_and_break_nothing() {
    let mut text = String::from(TASKS);
    for _ in 0..20_000 {
        text.push_str("T001 before T002 after T003 -> T001 → ↓ until until [T001\n");
    }
    text.push_str("\n```mermaid\ngraph TD\n");
    for _ in 0..2_000 {
        text.push_str("A[[\"T001 --> B & & --> |x --> C((T002 -->\n");
    }
    text.push_str("```\n\u{301}é → ů before žluť after ☃\n");
    let plan = plan(&text);
    assert!(plan.advice.len() <= super::MOST);
}
