//! Whole outputs, as a person sees them.

use std::collections::BTreeSet;

use super::plan;
use crate::plan::CheckStyle;
use crate::plan::ResolveOptions;
use crate::plan::check;
use crate::plan::render_check;
use crate::plan::resolve;

const LOGIN: &str = "\
# Login

## Phase 1: Server

- [x] T000 Read the notes
- [ ] T001 Create the users table
  - **Agent**: kilo
  - **Layer**: 3
  - **Files**: `migrations/*`, `src/db/users.rs`
  - **Verify**: `cargo test -p db`
- [ ] T002 [P] Hash passwords
- [ ] T003 [P] Issue tokens
  - **Depends on**: T001
  - **Model**: minimax-m2.1:free

## Phase 2: Review

- **Gate**: approval

- [ ] T004 Write the guide
- [?] T005 Read it as a stranger

## Definition of done

- [ ] All of it works
- [ ] Nobody complains
";

fn options() -> ResolveOptions {
    ResolveOptions { agents: BTreeSet::from(["kilo".to_owned()]), ..ResolveOptions::default() }
}

fn shown(text: &str, explain: bool) -> String {
    let plan = plan(text);
    let resolved = resolve(&plan, &options());
    render_check(&check(&plan, &resolved, "plans/login.md"), CheckStyle { width: 120, explain, color: false })
}

#[test]
fn a_check() {
    insta::assert_snapshot!(shown(LOGIN, false), @"");
}

#[test]
fn a_check_that_explains() {
    insta::assert_snapshot!(shown("- [ ] a\n  - [ ] step\n- [ ] b\n  - Depends on: a\n", true), @"");
}

#[test]
fn a_check_with_errors_says_so_last() {
    let shown = shown("- [ ] T001 a\n- [ ] T002 b\n  - Depends on: T009\n", false);
    assert!(shown.ends_with("\n1 error: nothing can be run\n"), "{shown}");
}

#[test]
fn mistakes_with_their_places() {
    let text = "# P\n\n- [ ] T001 a\n- [ ] T003 c\n  - **Depends on**: T033, weather\n  - **Timeout**: soon\n- [ ] T003 d\n";
    let plan = plan(text);
    insta::assert_snapshot!(crate::diagnostics::render("plans/p.md", text, &plan.diagnostics, false), @"");
}

#[test]
fn narrow_terminals_cut_titles_never_ids() {
    let text = format!("- [ ] T001 {}\n", "very long title ".repeat(20));
    let plan = plan(&text);
    let resolved = resolve(&plan, &options());
    let shown = render_check(
        &check(&plan, &resolved, "p.md"),
        CheckStyle { width: 50, explain: false, color: false },
    );
    assert!(shown.contains("T001  very long…"), "{shown}");
}
