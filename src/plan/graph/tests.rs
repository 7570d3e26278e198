//! Pictures as a person sees them, and as Graphviz and Mermaid read them.

use std::fmt::Write as _;

use super::TextStyle;
use super::dot;
use super::mermaid;
use super::text;
use crate::model::check::PlanCheck;
use crate::plan::ResolveOptions;
use crate::plan::check;
use crate::plan::resolve;
use crate::plan::tests::plan;

const LOGIN: &str = "\
# Login

## Phase 1: Server

- [x] T000 Read the notes
- [ ] T001 Create the \"users\" table
  - **Files**: `src/db/users.rs`
- [ ] T002 [P] Hash passwords
- [ ] T003 [P] Issue tokens
  - **Depends on**: T001

## Phase 2: Review

- **Gate**: approval

- [ ] T004 Write the guide
- [?] T005 Read it as a stranger
";

fn checked(source: &str) -> PlanCheck {
    let plan = plan(source);
    let resolved = resolve(&plan, &ResolveOptions::default());
    check(&plan, &resolved, "plans/login.md")
}

#[test]
fn waves_and_the_longest_chain() {
    let style = TextStyle { width: 80, unicode: true };
    insta::assert_snapshot!(text(&checked(LOGIN), style), @r##"
        plans/login.md: 4 tasks to run, 3 waves, longest chain 3
        ┌─ wave 1 ───────────────────────────────────────┐
        │ ● T001  Create the "users" table               │
        └──┬─────────────────────────────────────────────┘
           ▼
        ┌─ wave 2: 2 at once ────────────────────────────┐
        │ ● T002  Hash passwords            ← T001       │
        │   T003  Issue tokens              ← T001       │
        └──┬─────────────────────────────────────────────┘
           ▼
        ┌─ wave 3, gate "approval" ──────────────────────┐
        │ ● T004  Write the guide           ← T002, T003 │
        └────────────────────────────────────────────────┘

        longest chain (3 tasks, ● above)
          T001 ─▶ T002 ─▶ T004
        held: T005
        done or left out: T000
        "##);
    insta::assert_snapshot!(text(&checked(LOGIN), TextStyle { width: 40, unicode: false }), @r##"
        plans/login.md
        4 tasks to run, 3 waves, longest chain 3
        +- wave 1 -----------------------------+
        | * T001  Create the..                 |
        +--+-----------------------------------+
           v
        +- wave 2: 2 at once ------------------+
        | * T002  Hash passwo..  <- T001       |
        |   T003  Issue tokens   <- T001       |
        +--+-----------------------------------+
           v
        +- wave 3, gate "approval" ------------+
        | * T004  Write the g..  <- T002, T003 |
        +--------------------------------------+

        longest chain (3 tasks, * above)
          T001 -> T002 -> T004
        held: T005
        done or left out: T000
        "##);
}

#[test]
fn a_flowchart() {
    insta::assert_snapshot!(mermaid(&checked(LOGIN)), @r##"
        flowchart TD
            subgraph g0["Phase 1: Server"]
                t0["T000 Read the notes"]
                t1["T001 Create the #34;users#34; table"]
                t2["T002 Hash passwords"]
                t3["T003 Issue tokens"]
            end
            subgraph g1["Phase 2: Review"]
                t4["T004 Write the guide"]
                t5["T005 Read it as a stranger"]
            end
            t1 -.-> t2
            t1 --> t3
            t2 ==> t4
            t3 ==> t4
            t4 -.-> t5
            classDef over fill:#eee,stroke:#999,color:#666
            class t0 over
            classDef held fill:#fff3cd,stroke:#b58900,stroke-dasharray:4 3
            class t5 held
        "##);
}

#[test]
fn a_graph_for_graphviz() {
    insta::assert_snapshot!(dot(&checked(LOGIN)), @r##"
        digraph plan {
          rankdir=LR;
          node [shape=box, style=rounded];
          label="Login";
          subgraph cluster_0 {
            label="Phase 1: Server";
            "T000" [label="T000 Read the notes", color=gray, fontcolor=gray];
            "T001" [label="T001 Create the \"users\" table"];
            "T002" [label="T002 Hash passwords"];
            "T003" [label="T003 Issue tokens"];
          }
          subgraph cluster_1 {
            label="Phase 2: Review";
            "T004" [label="T004 Write the guide"];
            "T005" [label="T005 Read it as a stranger", style="rounded,dashed", color=orange];
          }
          "T001" -> "T002" [style=dashed];
          "T001" -> "T003" [style=solid];
          "T002" -> "T004" [style=bold];
          "T003" -> "T004" [style=bold];
          "T004" -> "T005" [style=dashed];
        }
        "##);
}

/// A plan with so many tasks in a row, and as many side by side after them.
fn big(number: usize) -> PlanCheck {
    let mut source = String::from("# Big\n\n## Phase 1: Row\n\n");
    for index in 1..=number {
        writeln!(source, "- [ ] T{index:03} Do thing number {index}").unwrap();
    }
    source.push_str("\n## Phase 2: Side by side\n\n");
    for index in 1..=number {
        writeln!(source, "- [ ] T9{index:03} [P] Do other thing number {index}").unwrap();
    }
    checked(&source)
}

#[test]
fn six_hundred_tasks_stay_on_a_screen() {
    let check = big(300);
    for (width, unicode) in [(80, true), (40, false), (20, true), (300, true)] {
        let shown = text(&check, TextStyle { width, unicode });
        assert!(shown.lines().count() < 50, "{shown}");
        let widest = shown.lines().map(crate::plan::printed::width).max().unwrap();
        assert!(widest <= width.max(60), "{widest} of {width}: {shown}");
        assert!(shown.contains("and 288 more"), "{shown}");
        assert!(unicode || shown.is_ascii());
    }
}

#[test]
fn edges_that_follow_from_others_are_not_drawn() {
    let check = checked(
        "- [ ] T001 a\n- [ ] T002 b\n  - Depends on: T001\n- [ ] T003 c\n  - Depends on: T001, T002\n",
    );
    assert_eq!(check.edges.len(), 3);
    let drawn = text(&check, TextStyle { width: 80, unicode: true });
    assert!(drawn.contains("T001 ─▶ T002 ─▶ T003"), "{drawn}");
    // What the plan states is drawn even so.
    assert_eq!(mermaid(&check).matches("-->").count(), 3);
}

/// Reads what quoting has to keep together: a string ends at a quote without a backslash before it.
fn dot_is_well_formed(source: &str) -> bool {
    let (mut inside, mut escaped, mut depth) = (false, false, 0_i32);
    for c in source.chars() {
        match (inside, escaped, c) {
            (true, true, _) => escaped = false,
            (true, false, '\\') => escaped = true,
            (true, false, '"') => inside = false,
            (true, false, c) if c.is_control() => return false,
            (true, false, _) => {}
            (false, _, '"') => inside = true,
            (false, _, '{') => depth += 1,
            (false, _, '}') => depth -= 1,
            (false, _, c) if c.is_ascii_alphanumeric() || " _->=[],;\n".contains(c) => {}
            (false, ..) => return false,
        }
        if depth < 0 {
            return false;
        }
    }
    !inside && depth == 0
}

#[test]
fn hostile_titles_end_nothing() {
    let source = "## Phase 1: \"}] end \\\" <x>\n- [ ] T001 a\"] --> b; end %%{init} \\N \\\n- [ ] T002 `\\\"` <script> #quot;\n- [ ] T003 \u{202e}\u{1b}[2Jx\n";
    let check = checked(source);
    assert_eq!(check.tasks.len(), 3);
    let graph = dot(&check);
    assert!(dot_is_well_formed(&graph), "{graph}");
    let chart = mermaid(&check);
    for row in chart.lines() {
        let quotes = row.matches('"').count();
        assert!(quotes == 0 || quotes == 2, "{row}");
        let label = row.split('"').nth(1).unwrap_or("");
        assert!(!label.contains(['<', '>', '[', ']', '{', '}', '`', '\\', '%']), "{row}");
    }
    assert!(!text(&check, TextStyle { width: 80, unicode: true }).contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn nothing_to_run_is_said() {
    let check = checked("- [x] T001 a\n");
    let drawn = text(&check, TextStyle { width: 80, unicode: true });
    assert!(drawn.contains("nothing to draw: no task would run"), "{drawn}");
    assert!(mermaid(&check).contains("class t0 over"));
}
