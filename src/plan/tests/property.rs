//! Promises that hold for any text.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::plan;
use crate::plan::Plan;
use crate::plan::ReadOptions;
use crate::plan::ResolveOptions;
use crate::plan::check;
use crate::plan::read;
use crate::plan::resolve;

/// Lines such as plans have, in any order.
fn line() -> impl Strategy<Value = String> {
    let indent = prop_oneof![Just(""), Just("  "), Just("    "), Just("\t"), Just("> ")];
    let text = prop_oneof![
        Just("- [ ] T001 a".to_owned()),
        Just("- [x] T002 [P] b (depends on T001)".to_owned()),
        Just("- [~] 1.1 c".to_owned()),
        Just("- [ ]* 1.2 d".to_owned()),
        Just("* `[ ]` e".to_owned()),
        Just("1. **f**".to_owned()),
        Just("# Title".to_owned()),
        Just("## Phase 1: X (Parallel)".to_owned()),
        Just("## Phase 2: Y (Sequential)".to_owned()),
        Just("### Task 1: g".to_owned()),
        Just("### Task 2: h".to_owned()),
        Just("## Verification".to_owned()),
        Just("```".to_owned()),
        Just("~~~~ sh".to_owned()),
        Just("<!--".to_owned()),
        Just("-->".to_owned()),
        Just("---".to_owned()),
        Just("| ID | Task | Status |".to_owned()),
        Just("|---|---|---|".to_owned()),
        Just("| A-1 | x \\| y | Done |".to_owned()),
        Just("- **Depends on**: T002, Task 1 and Phase 2".to_owned()),
        Just("- **Depends on**: none".to_owned()),
        Just("- **Files**: `src/*`, `a.rs`".to_owned()),
        Just("- **Agent**: User".to_owned()),
        Just("- **Gate**: g".to_owned()),
        Just("- **Timeout**: 1x".to_owned()),
        Just("**Goal:** ž（）：".to_owned()),
        Just(String::new()),
        "[ -~ž：（）🎯]{0,30}",
    ];
    (indent, text).prop_map(|(indent, text)| format!("{indent}{text}"))
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    let ending = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    (prop::collection::vec(line(), 0..40), ending).prop_map(|(lines, ending)| lines.join(ending))
}

fn has_ring(plan: &Plan) -> bool {
    let mut after: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, usize> = plan.tasks.iter().map(|task| (task.id.as_str(), 0)).collect();
    for edge in &plan.edges {
        after.entry(edge.from.as_str()).or_default().push(edge.to.as_str());
        *waiting.get_mut(edge.to.as_str()).unwrap() += 1;
    }
    let mut ready: Vec<&str> = waiting.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    let mut seen = 0;
    while let Some(id) = ready.pop() {
        seen += 1;
        for next in after.get(id).into_iter().flatten() {
            let count = waiting.get_mut(next).unwrap();
            *count -= 1;
            if *count == 0 {
                ready.push(next);
            }
        }
    }
    seen < plan.tasks.len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_plan_is_read(text in text()) {
        let plan = plan(&text);
        let ids: BTreeSet<&str> = plan.tasks.iter().map(|task| task.id.as_str()).collect();
        prop_assert_eq!(ids.len(), plan.tasks.len());
        prop_assert!(!ids.contains(""));
        let ring = plan.diagnostics.iter().any(|diagnostic| diagnostic.code == "cycle");
        prop_assert!(ring || !has_ring(&plan));
        let lines = text.lines().count() + text.matches('\r').count();
        for task in &plan.tasks {
            prop_assert!(text.contains(&task.body));
            prop_assert!(usize::try_from(task.line).unwrap() <= lines.max(1));
            if let Some(tick) = &task.tick {
                prop_assert_eq!(tick.line, task.line);
            }
        }
        for dependency in plan.tasks.iter().flat_map(|task| &task.missing) {
            prop_assert!(!ids.contains(dependency.as_str()));
        }
        let resolved = resolve(&plan, &ResolveOptions::default());
        let check = check(&plan, &resolved, "p.md");
        prop_assert_eq!(check.tasks.len(), plan.tasks.len());
        let shown = crate::plan::render_check(&check, crate::plan::CheckStyle { width: 80, explain: true, color: false, unicode: true });
        prop_assert!(shown.ends_with('\n'));
        crate::diagnostics::render("p.md", &text, &plan.diagnostics, false);
        // The same text gives the same plan.
        prop_assert_eq!(super::plan(&text), plan);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let plan = read(&bytes, &ReadOptions { boxes_all: true, ..ReadOptions::default() });
        prop_assert!(plan.tasks.len() <= bytes.len());
    }

    #[test]
    fn any_characters_are_read(text in "[\\-*+\\[\\]xX `~#|:>0-9.)\n\r\t(TaskPžé（]{0,120}") {
        let plan = plan(&text);
        prop_assert!(plan.tasks.len() <= text.len());
    }

    #[test]
    fn ids_do_not_change_when_a_box_is_ticked(titles in prop::collection::vec("[a-c]{1,2}", 1..12), ticked in 0_usize..12) {
        let write = |mark: &dyn Fn(usize) -> char| -> String {
            let lines: Vec<String> =
                titles.iter().enumerate().map(|(index, title)| format!("- [{}] {title}", mark(index))).collect();
            lines.join("\n")
        };
        let before = plan(&write(&|_| ' '));
        let after = plan(&write(&|index| if index == ticked { 'x' } else { ' ' }));
        prop_assert_eq!(super::ids(&before), super::ids(&after));
    }
}

/// Groups of tasks, each a mark and whether it carries `[P]`, with ids or without.
fn grouped() -> impl Strategy<Value = Vec<(bool, Vec<(char, bool)>)>> {
    let task = (prop_oneof![3 => Just(' '), 1 => Just('x'), 1 => Just('-')], any::<bool>());
    prop::collection::vec((any::<bool>(), prop::collection::vec(task, 1..5)), 1..6)
}

/// All that a task waits for, directly or not.
fn before(plan: &Plan) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // Tasks that state nothing wait for earlier ones alone, so one pass in their order is enough.
    for task in &plan.tasks {
        let mut set = BTreeSet::new();
        for edge in plan.edges.iter().filter(|edge| edge.to == task.id) {
            set.insert(edge.from.to_string());
            set.extend(all.get(edge.from.as_str()).into_iter().flatten().cloned());
        }
        all.insert(task.id.to_string(), set);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The order of plans that state nothing, against the rules as they are written down.
    #[test]
    fn order_follows_the_rules(groups in grouped()) {
        let mut text = String::new();
        let mut shape = Vec::new();
        for (group, (numbered, tasks)) in groups.iter().enumerate() {
            let letter = char::from(b'A' + u8::try_from(group).unwrap());
            writeln!(text, "## Group {letter}").unwrap();
            for (mark, parallel) in tasks {
                let number = shape.len() + 100;
                let tag = if *parallel { "[P] " } else { "" };
                let id = if *numbered { format!("T{number} {tag}") } else { String::new() };
                writeln!(text, "- [{mark}] {id}task{number}").unwrap();
                shape.push((group, *numbered, *parallel, *mark == ' '));
            }
        }
        // A plan without any id is read by another rule; with some, boxes without one are left out.
        prop_assume!(groups.iter().all(|(numbered, _)| *numbered) || groups.iter().all(|(numbered, _)| !*numbered));
        let plan = plan(&text);
        prop_assert_eq!(plan.tasks.len(), shape.len());
        let before = before(&plan);
        for (second, (group, numbered, parallel, live)) in shape.iter().enumerate() {
            for (first, (other, _, other_parallel, other_live)) in shape[..second].iter().enumerate() {
                let between = shape[first + 1..second].iter().any(|(g, _, p, live)| g == group && !p && *live);
                let follows = group != other || (*numbered && (!parallel || !other_parallel || between));
                let waits = before[plan.tasks[second].id.as_str()].contains(plan.tasks[first].id.as_str());
                prop_assert_eq!(waits, follows && *live && *other_live, "{} {} in\n{}", first, second, text);
            }
        }
    }
}
