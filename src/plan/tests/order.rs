//! The rules of order, one test each.

use std::collections::BTreeMap;

use super::codes;
use super::edges;
use super::ids;
use super::plan;

#[test]
fn a_gap_analysis_is_six_tasks_in_two_tiers() {
    let plan = plan(
        "# Gap Analysis: Swarm\n\n**Agent**: Somebody\n\n## 2. Matrix\n\n| Feature | State |\n|---|---|\n| a | b |\n\n\
         ## 4. Remediation Plan\n\n### Immediate (P0)\n\n- [ ] Schema: define it\n- [ ] CLI: `do it`\n- [ ] Status\n\n\
         ### Strategic (P1)\n\n- [ ] Integrate\n- [ ] Detect\n- [ ] Document\n",
    );
    assert_eq!(plan.title, "Swarm");
    assert_eq!(ids(&plan), ["schema-define-it", "cli-do-it", "status", "integrate", "detect", "document"]);
    assert_eq!(plan.edges.len(), 9);
    assert!(plan.edges.iter().all(|edge| edge.rule == crate::model::task::EdgeRule::Barrier));
    assert!(plan.tasks.iter().all(|task| task.own.agent.is_none()) && plan.defaults.agent.is_none());
    assert_eq!(plan.groups.iter().filter_map(|group| group.defaults.priority).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(codes(&plan), [""; 0]);
}

#[test]
fn numbers_order_and_marks_free() {
    let plan = plan("- [ ] T001 a\n- [ ] T002 [P] b\n- [ ] T003 [P] c\n- [ ] T004 d\n");
    assert_eq!(edges(&plan), ["T001>T002 order", "T001>T003 order", "T002>T004 order", "T003>T004 order"]);
}

#[test]
fn bullets_run_together_and_groups_are_barriers() {
    let plan = plan("## A\n- [ ] a\n- [ ] b\n## B\n- [ ] c\n- [ ] d\n");
    assert_eq!(edges(&plan), ["a>c barrier", "b>c barrier", "a>d barrier", "b>d barrier"]);
}

#[test]
fn a_run_of_marks_does_not_cross_a_heading() {
    let plan = plan("## Phase 1: X\n- [ ] T001 [P] a\n### Code\n- [ ] T002 [P] b\n- [ ] T003 [P] c\n");
    assert_eq!(edges(&plan), ["T001>T002 barrier", "T001>T003 barrier"]);
}

#[test]
fn who_states_dependencies_has_those_alone() {
    let plan = plan(
        "### Task 1: a\n\nText\n\n### Task 2: b\n\n- **Depends on**: none\n\n### Task 3: c\n\n### Task 4: d\n\n- Depends on: Task 1\n",
    );
    assert_eq!(edges(&plan), ["1>3 order", "2>3 order", "1>4 explicit"]);
}

#[test]
fn a_stated_task_still_waits_for_the_group_before() {
    let plan = plan(
        "## Phase 1\n- [ ] T001 a\n## Phase 2\n- [ ] T002 b\n- [ ] T003 c\n  - Depends on: T002\n- [ ] T004 d\n  - Depends on: none\n",
    );
    assert_eq!(edges(&plan), ["T001>T002 barrier", "T002>T003 explicit", "T001>T004 barrier"]);
}

#[test]
fn a_group_that_states_dependencies_has_them_instead_of_the_barrier() {
    let plan = plan(
        "## Phase 1\n- [ ] T001 a\n## Phase 2\n- [ ] T002 b\n## Phase 3\n- **Depends on**: Phase 1\n\n- [ ] T003 c\n## Phase 4\n- [ ] T004 d\n",
    );
    assert_eq!(
        edges(&plan),
        ["T001>T002 barrier", "T001>T003 explicit", "T002>T004 barrier", "T003>T004 barrier"]
    );
}

#[test]
fn stated_edges_win_over_the_order_of_the_file() {
    let plan = plan("- [ ] T001 a\n  - Depends on: T003\n- [ ] T002 b\n- [ ] T003 c\n");
    assert_eq!(edges(&plan), ["T003>T001 explicit", "T002>T003 order"]);
    let backwards = self::plan(
        "## Phase 1\n- [ ] T001 a\n  - Depends on: T002\n## Phase 2\n- [ ] T002 b\n- [ ] T003 c\n",
    );
    assert_eq!(codes(&backwards), [""; 0]);
    assert!(edges(&backwards).contains(&"T002>T001 explicit".to_owned()));
    assert!(!edges(&backwards).contains(&"T001>T002 barrier".to_owned()));
}

#[test]
fn words_of_a_heading_are_about_the_tasks_inside() {
    let plan = plan(
        "## Phase 1: A (Parallel - 4 subagents)\n1. [ ] a\n2. [ ] b\n## Phase 2: B (Sequential)\n- [ ] c\n- [ ] d\n",
    );
    assert_eq!(edges(&plan), ["a>c barrier", "b>c barrier", "c>d order"]);
    assert_eq!(plan.groups[0].limit, Some(4));
}

#[test]
fn mode_sequential_is_one_at_a_time() {
    let plan = plan("# P\n\n- **Mode**: Sequential\n\n## A\n- [ ] a\n- [ ] b\n## B\n- [ ] c\n");
    assert_eq!(edges(&plan), ["a>b order", "b>c order"]);
    assert!(
        !self::plan("# P\n\nMode: Sequential (or parallel if tool supports)\n\n- [ ] a\n- [ ] b\n")
            .mode_sequential
    );
}

#[test]
fn done_skipped_and_optional_tasks_order_nothing() {
    let plan = plan("- [ ] T001 a\n- [x] T002 b\n- [ ]* T003 c\n- [-] T004 d\n- [ ] T005 e\n");
    assert_eq!(edges(&plan), ["T001>T003 order", "T001>T005 order"]);
}

#[test]
fn rings_are_errors_with_all_their_tasks() {
    let plan = plan(
        "- [ ] T001 a (depends on T003)\n- [ ] T002 b (depends on T001)\n- [ ] T003 c (depends on T002)\n- [ ] T004 d\n",
    );
    let ring = plan.diagnostics.iter().find(|diagnostic| diagnostic.code == "cycle").unwrap();
    for id in ["`T001`", "`T002`", "`T003`"] {
        assert!(ring.message.contains(id), "{}", ring.message);
    }
    assert!(!ring.message.contains("`T004`"));
    let own = self::plan("- [ ] T001 a (depends on T001)\n- [ ] T002 b\n");
    assert_eq!(codes(&own), ["cycle:1"]);
    let groups = self::plan(
        "## Phase 1\n- Depends on: Phase 2\n\n- [ ] a\n## Phase 2\n- Depends on: Phase 1\n\n- [ ] b\n",
    );
    assert!(codes(&groups).iter().any(|code| code.starts_with("cycle")));
}

#[test]
fn big_barriers_stay_small() {
    let mut text = String::from("## A\n");
    for group in ["## B\n", "## C\n", ""] {
        for _ in 0..1_000 {
            text.push_str("- [ ] work\n");
        }
        text.push_str(group);
    }
    let plan = plan(&text);
    assert_eq!(plan.tasks.len(), 3_000);
    assert!(plan.edges.len() < 15_000, "{}", plan.edges.len());
    // Every task of a group still comes after every task of the group before it.
    let mut before: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for edge in &plan.edges {
        before.entry(edge.to.as_str()).or_default().push(edge.from.as_str());
    }
    let last = plan.tasks[2_999].id.as_str();
    let mut seen = std::collections::BTreeSet::new();
    let mut open = vec![last];
    while let Some(task) = open.pop() {
        for first in before.get(task).into_iter().flatten() {
            if seen.insert(*first) {
                open.push(first);
            }
        }
    }
    assert!(plan.tasks[..2_000].iter().all(|task| seen.contains(task.id.as_str())));
}

#[test]
fn a_group_of_optional_tasks_is_finished_and_what_was_before_it_is_none_of_it() {
    let text = "- [ ] 1.1 c\n  - **Depends on**: T002\n- [ ] T001 a\n  - [ ]* 1.2 d\n- [ ] T002 b (depends on T001)\n";
    let plan = super::plan(text);
    assert!(!plan.has_errors(), "{:?}", plan.diagnostics);
    let edges: Vec<String> = plan.edges.iter().map(|edge| format!("{}>{}", edge.from, edge.to)).collect();
    assert_eq!(edges, ["T002>1.1"]);
}
