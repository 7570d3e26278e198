//! A plan of any format, written as a native one, is the same plan.

use std::path::Path;
use std::path::PathBuf;

use proptest::prelude::*;

use super::plan;
use super::property::text;
use crate::plan::Plan;
use crate::plan::ReadOptions;
use crate::plan::convert;
use crate::plan::format_keys;
use crate::plan::read;

/// What makes two plans the same, apart from the texts of tasks and how their edges came about.
fn projection(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = plan
        .tasks
        .iter()
        .map(|task| {
            let verify: Vec<&str> = task.own.verify.iter().map(|command| command.text.as_str()).collect();
            format!(
                "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {verify:?} {:?}",
                task.id,
                task.title,
                task.status,
                task.kind,
                if task.status.is_met() { &[][..] } else { &task.held[..] },
                task.parallel,
                task.optional,
                task.own.agent,
                task.own.model,
                task.own.layer,
                task.own.timeout,
                task.own.retries,
                task.own.priority,
                task.files,
            )
        })
        .collect();
    let past: Vec<&str> = plan
        .tasks
        .iter()
        .filter(|task| task.status.is_met() || task.is_put_off())
        .map(|task| task.id.as_str())
        .collect();
    let mut edges: Vec<String> = plan
        .edges
        .iter()
        .filter(|edge| !past.contains(&edge.from.as_str()) && !past.contains(&edge.to.as_str()))
        .map(|edge| format!("{} waits for {}", edge.to, edge.from))
        .collect();
    edges.sort();
    lines.sort();
    lines.extend(edges);
    lines.push(format!("{:?} {:?} {}", plan.title, plan.status, plan.over));
    lines
}

/// Converts a plan, and says what is wrong with that. `said`: what the plan's text does not hold for certain
/// may be lost, if that is said.
fn wrong(plan: &Plan, said: bool) -> Option<String> {
    let converted = convert(plan);
    let again = super::plan(&converted.text);
    let tell = |what: &str| Some(format!("{what}\n--- converted\n{}", converted.text));
    // A fence that nothing closes may run beyond the text of its task, and fences are not seen where a lone
    // carriage return ends lines.
    // Groups that nest deeper than headings do stand beside those around them.
    let around =
        |group: usize| std::iter::successors(Some(group), |group| plan.groups[*group].parent).count();
    let deep = (0..plan.groups.len()).any(|group| around(group) > 4);
    let unclosed = plan.diagnostics.iter().any(|diagnostic| diagnostic.code == "unclosed-fence");
    let allowed = |what: &str| said || unclosed && what == "shell fence" || deep && what.contains("group");
    if converted.lost.iter().any(|(_, what)| !allowed(what)) {
        return tell(&format!("lost: {:?}", converted.lost));
    }
    let (before, after) = (projection(plan), projection(&again));
    if let Some((a, b)) = before.iter().zip(&after).find(|(a, b)| a != b) {
        return tell(&format!("before {a}\nafter  {b}"));
    }
    if before.len() != after.len() {
        return tell("another number of tasks or edges");
    }
    if again.format != "native" {
        return tell("not read as native");
    }
    let twice = convert(&again);
    if converted.lost.is_empty() && twice.text != converted.text {
        return tell(&format!("not stable\n--- again\n{}", twice.text));
    }
    None
}

/// A plan of many kinds of blocks, each with the number of its tasks in it.
fn block() -> impl Strategy<Value = String> {
    let mark = prop_oneof![Just(' '), Just(' '), Just(' '), Just('x'), Just('/'), Just('-'), Just('~')];
    let title = prop_oneof![
        "[A-Za-zžé]{1,8}( [a-z]{1,6}){0,3}",
        "[A-Za-zžé]{1,8}( [a-z]{1,6}){0,3}",
        Just("T9: a, b and `c`".to_owned()),
        Just("[x] looks like a box".to_owned()),
        Just("1. first # of #".to_owned()),
        Just("Checkpoint: 实现计划（一）".to_owned()),
        Just("**Bold** | `code` <!-- hidden --> ~5".to_owned()),
        Just("none".to_owned()),
        Just("- - 3.5mm jack".to_owned()),
    ];
    let field = prop_oneof![
        Just("- **Agent**: kilo"),
        Just("- agent: `opencode` (or another)"),
        Just("- **Model**: `a model`"),
        Just("- Depends on: none"),
        Just("- **Depends on**: BACK-7"),
        Just("- **Depends on**: T100"),
        Just("- **Files**: Create `a/b.rs:3`, `c.rs`"),
        Just("- **Files**:\n- Create: `x.rs`\n- Test: `y.rs`"),
        Just("- **Verify**: `a | b` and ``c ` d``"),
        Just("- **Verify**:\n  ```sh\n  one\n\n  two\n  ```"),
        Just("- **Done when**: it works, [x] all of it"),
        Just("- **Timeout**: 1800"),
        Just("- Retries: 2"),
        Just("- **Parallel**: yes"),
        Just("- **Priority**: high"),
        Just("- **Optional**: yes"),
        Just("- **Gate**: a person"),
        Just("- **Agent**: User"),
        Just("- **Output**: `out/a.txt`"),
        Just("- **Colour**: red"),
    ];
    let text = prop_oneof![
        Just("words\n  more words  "),
        Just("# A title in it"),
        Just("#### A heading"),
        Just("- [ ] a step\n  - [x] below it"),
        Just("- [x] a step"),
        Just("```sh\nmake\n```"),
        Just("````\n```\n# x\n- [ ] T7 y\n````"),
        Just("```"),
        Just("<!-- - [ ] T1 x"),
        Just("| ID | Task | Status |\n|---|---|---|\n| Z-1 | z | open |"),
        Just("> - [ ] quoted"),
        Just("Setext\n======"),
        Just("---"),
        Just("    code"),
        Just("**Status**: done"),
    ];
    let holder = prop_oneof![
        Just("- [MARK] TID TITLE"),
        Just("- [MARK] TID TITLE"),
        Just("- [MARK] TITLE"),
        Just("### Task ID: TITLE"),
        Just("1. [MARK] TITLE"),
        Just("- [MARK] **ID.1 TITLE**"),
        Just("  - [MARK] TITLE"),
        Just("      - [MARK] ID.2 TITLE"),
        Just("- [MARK]* TID [P] TITLE"),
        Just("## Phase ID: TITLE (Parallel)"),
        Just("## TITLE"),
        Just("### TITLE"),
        Just("- TITLE"),
    ];
    let parts = (prop::collection::vec(field, 0..4), prop::collection::vec(text, 0..2), 0_usize..3);
    (holder, mark, title, parts).prop_map(|(holder, mark, title, (fields, texts, indent))| {
        let head = holder.replace("MARK", &mark.to_string()).replace("TITLE", &title);
        let mut seen = std::collections::BTreeSet::new();
        let fields = fields.into_iter().filter(|field| seen.insert(field.split(':').next()));
        let below: Vec<String> = fields
            .chain(texts)
            .flat_map(str::lines)
            .map(|line| format!("{}{line}", "  ".repeat(indent)))
            .collect();
        format!("{head}\n{}", below.join("\n"))
    })
}

fn blocks() -> impl Strategy<Value = String> {
    let ending = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let matter = prop_oneof![
        Just(""),
        Just("# Title #1 #\n\n**Status**: draft\n\n"),
        Just(
            "---\nstatus: approved\norchestrate:\n  agent: kilo\n  mode: sequential\n---\n# T\n\n## Goal\n\n"
        ),
        Just("\u{feff}Words before.\n\n- a list\n\n```\n"),
    ];
    (matter, prop::collection::vec(block(), 1..9), ending).prop_map(|(matter, blocks, ending)| {
        let numbered =
            blocks.iter().enumerate().map(|(index, text)| text.replacen("ID", &(index + 100).to_string(), 1));
        let text = format!("{matter}{}", numbered.collect::<Vec<_>>().join("\n"));
        text.replace('\n', ending)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_plan_is_the_same_natively(text in prop_oneof![text(), blocks()]) {
        let plan = plan(&text);
        if !plan.has_errors() {
            let lone = text.replace("\r\n", "\n").contains('\r');
            prop_assert_eq!(wrong(&plan, lone), None, "\n--- plan\n{}", text);
        }
    }

    /// Key lists in canonical form make the same plan, and are in it from then on.
    #[test]
    fn any_plan_is_the_same_formatted(text in prop_oneof![text(), blocks()], native in any::<bool>()) {
        let text = if native { convert(&plan(&text)).text } else { text };
        let before = plan(&text);
        let formatted = format_keys(&text, &ReadOptions::default());
        if before.has_errors() {
            prop_assert_eq!(&formatted.text, &text);
        }
        prop_assert_eq!(formatted.changed.is_empty(), formatted.text == text);
        let after = plan(&formatted.text);
        prop_assert_eq!(projection(&before), projection(&after), "\n--- plan\n{}\n--- formatted\n{}", text, formatted.text);
        let twice = format_keys(&formatted.text, &ReadOptions::default());
        prop_assert_eq!(&twice.text, &formatted.text, "\n--- plan\n{}", text);
        // Lines are as many as before, and each ends as it did.
        let endings = |text: &str| text.chars().filter(|c| matches!(c, '\n' | '\r')).collect::<String>();
        prop_assert_eq!(endings(&text), endings(&formatted.text));
        prop_assert!(!native || formatted.changed.is_empty(), "what is written natively is in that form\n{}", text);
    }
}

/// All plans below a folder.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md" || ending == "json" || ending == "txt")
        {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn the_projects_plans_are_the_same_natively() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    below(&root.join("plans"), &mut files);
    below(&root.join("tests/fixtures/plans"), &mut files);
    assert!(files.len() >= 2, "the project has plans of its own");
    let mut failed = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let path = Some(file.to_string_lossy().into_owned());
        let plan = read(&bytes, &ReadOptions { path, ..ReadOptions::default() });
        if plan.has_errors() {
            continue;
        }
        if let Some(what) = wrong(&plan, false) {
            let head: String = what.lines().take(6).collect::<Vec<_>>().join("\n");
            failed.push(format!("{}: {head}", file.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
