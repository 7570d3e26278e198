//! Whole outputs, as a person sees them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::plan;
use crate::plan::CheckStyle;
use crate::plan::ReadOptions;
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
    render_check(
        &check(&plan, &resolved, "plans/login.md"),
        CheckStyle { width: 120, explain, color: false, unicode: true },
    )
}

#[test]
fn a_check() {
    insta::assert_snapshot!(shown(LOGIN, false), @r##"
        plans/login.md   speckit (boxes with ids such as `T001`; boxes with ids)
        6 tasks: 4 to run, 1 done, 1 held   3 waves, longest chain 3
        by any free agent (2), kilo, layer 3 (1), minimax-m2.1:free (1)

        wave 1
          T001  Create the users table  :6   kilo, layer 3      migrations/*, src/db/users.rs

        wave 2: 2 at once
          T002  Hash passwords          :11  any free           after T001 (order)
          T003  Issue tokens            :12  minimax-m2.1:free  after T001 (explicit)

        wave 3, gate "approval"
          T004  Write the guide         :20  any free           after wave 2 (barrier)

        held
          T005  Read it as a stranger   :21  unknown-marker `?`, gate "approval", needs T004

        runs these commands
          :10  T001  cargo test -p db

        left out
          T000  Read the notes          :5   done
          :25-26  2 boxes, under "Definition of done": acceptance, given to the agents
        "##);
}

#[test]
fn a_check_that_explains() {
    insta::assert_snapshot!(shown("- [ ] a\n  - [ ] step\n- [ ] b\n  - Depends on: a\n", true), @r##"
        plans/login.md   generic (plain boxes)
        2 tasks: 2 to run   2 waves, longest chain 2   all by any free agent

        wave 1
          a    :1

        wave 2
          b    :3  after a (explicit)

        left out
          :2  box, a step of the task above it

        fields, and where each came from
          every task
            agent         any free                          default
            timeout       45m                               default
            retries       1                                 default
          a  :1
            id            a                                 made from the title :1
            status        open                              task line :1
          b  :3
            id            b                                 made from the title :3
            status        open                              task line :3
            depends_on    a                                 task's list :4

        edges
          a -> b  explicit  :4
        "##);
}

#[test]
fn a_check_with_errors_says_so_last() {
    let shown = shown("- [ ] T001 a\n- [ ] T002 b\n  - Timeout: soon\n", false);
    assert!(shown.ends_with("\n1 error: nothing can be run\n"), "{shown}");
}

#[test]
fn mistakes_with_their_places() {
    let text = "# P\n\n- [ ] T001 a\n- [ ] T003 c\n  - **Depends on**: T033, weather\n  - **Timeout**: soon\n- [ ] T003 d\n";
    let plan = plan(text);
    insta::assert_snapshot!(crate::diagnostics::render("plans/p.md", text, &plan.diagnostics, false), @r##"
        warning: task `T003` depends on `T033`, which the plan does not have: it is held
         --> plans/p.md:5:21
          |
        5 |   - **Depends on**: T033, weather
          |                     ^^^^
          |
          = help: did you mean `T003`? To run it without, add --assume-done T033
        warning: task `T003` depends on `weather`, which names no task: it does not wait for it
         --> plans/p.md:5:27
          |
        5 |   - **Depends on**: T033, weather
          |                           ^^^^^^^
          |
          = help: name the id of a task, or a group
        error: `soon` is no duration: write it like `90s`, `20m` or `1h30m` (a bare number is seconds)
         --> plans/p.md:6:18
          |
        6 |   - **Timeout**: soon
          |                  ^^^^
        error: task `T003` stands in this plan twice: on line 4 and on line 7
         --> plans/p.md:7:1
          |
        7 | - [ ] T003 d
          | ^^^^^^^^^^^^
          |
          = help: give one of the two another id
        "##);
}

#[test]
fn narrow_terminals_cut_titles_never_ids() {
    let text = format!("- [ ] T001 {}\n", "very long title ".repeat(20));
    let plan = plan(&text);
    let resolved = resolve(&plan, &options());
    let shown = render_check(
        &check(&plan, &resolved, "p.md"),
        CheckStyle { width: 50, explain: false, color: false, unicode: true },
    );
    assert!(shown.contains("T001  very long t…"), "{shown}");
}

#[test]
fn a_long_id_takes_room_from_its_own_title_alone() {
    let long = "name-the-reader-of-the-plan-in-every-error";
    let text = format!("- [ ] T1: Print a receipt\n- [ ] {}\n", long.replace('-', " "));
    let plan = plan(&text);
    let resolved = resolve(&plan, &options());
    let style = CheckStyle { width: 60, explain: false, color: false, unicode: true };
    let shown = render_check(&check(&plan, &resolved, "p.md"), style);
    assert!(shown.contains("  T1                    Print a r…"), "{shown}");
    assert!(shown.contains(&format!("  {}", plan.tasks[1].id)), "{shown}");
}

#[test]
fn a_ring_is_held_and_says_by_whom() {
    let text =
        "- [ ] T1: a\n  - Depends on: T2\n- [ ] T2: b\n  - Depends on: T1\n- [ ] T3: c\n  - Depends on: T2\n";
    let told = shown(text, false);
    assert!(told.contains("3 tasks: 0 to run, 3 held"), "{told}");
    assert!(
        told.contains("needs T2") && told.contains("needs T1") && !told.contains("not selected"),
        "{told}"
    );
}

#[test]
fn files_of_several_plans_are_told_apart_by_the_end_of_their_path() {
    let read = |path: &str, text: &str| {
        let options = ReadOptions { path: Some(path.to_owned()), ..ReadOptions::default() };
        (path.to_owned(), crate::plan::read(text.as_bytes(), &options))
    };
    let text = "- [ ] T1: a\n  - Verify: `make a`\n\n## Acceptance\n\n- [ ] it works\n";
    let plan = crate::plan::join(vec![
        read("specs/001-login/tasks.md", text),
        read("specs/002-pay/tasks.md", text),
        read("notes/other.md", "- [ ] T9: z\n"),
    ]);
    let resolved = resolve(&plan, &options());
    let style = CheckStyle { width: 100, explain: false, color: false, unicode: true };
    let shown = render_check(&check(&plan, &resolved, "a + b + c"), style);
    insta::assert_snapshot!(shown, @r#"
        3 plans as one
          specs/001-login/tasks.md   generic (boxes with ids)
          specs/002-pay/tasks.md     generic (boxes with ids)
          notes/other.md             generic (boxes with ids)
        3 tasks: 3 to run   1 wave, longest chain 1   all by any free agent

        wave 1: 3 at once
          001-login/T1  a  001-login/tasks.md:1
          002-pay/T1    a  002-pay/tasks.md:1
          T9            z  other.md:1

        runs these commands
          001-login/tasks.md:2  001-login/T1  make a
          002-pay/tasks.md:2    002-pay/T1    make a

        left out
          001-login/tasks.md:6  1 box, under "Acceptance": acceptance, given to the agents
          002-pay/tasks.md:6    1 box, under "Acceptance": acceptance, given to the agents
        "#);
}

#[test]
fn a_byte_that_is_no_text_is_found_whatever_ends_the_lines() {
    for ends in ["\n", "\r\n", "\r"] {
        let mut bytes = format!("# A{ends}{ends}- [ ] T1: \u{e9}").into_bytes();
        bytes.push(0xff);
        let plan = crate::plan::read(&bytes, &ReadOptions::default());
        let place = plan.diagnostics[0].place;
        assert_eq!((place.line, place.column), (3, 12), "{ends:?}");
    }
}

/// Six hundred tasks in twenty phases, each with a check of its phase.
fn big() -> String {
    let mut text = String::from("# Big\n");
    for phase in 1..=20 {
        write!(text, "\n## Phase {phase}: Part {phase}\n\n").unwrap();
        for task in 1..=30 {
            let mark = if phase == 1 { "x" } else { " " };
            let free = if task % 3 == 0 { "" } else { "[P] " };
            writeln!(text, "- [{mark}] T{phase:02}{task:02} {free}Do it with care").unwrap();
            write!(text, "  - **Verify**: `make part{phase}`\n  - [ ] a step\n").unwrap();
        }
    }
    text
}

#[test]
fn six_hundred_tasks_are_summed_up_and_every_command_is_told() {
    let brief = shown(&big(), false);
    assert!(brief.lines().count() < 90, "{brief}");
    assert!(brief.contains("  Phase 2: Part 2    :96    30 to run   waves 1 to 20\n"), "{brief}");
    assert!(brief.contains("30 tasks done: T0101, T0102"), "{brief}");
    assert!(brief.contains("600 boxes, a step of the task above it"), "{brief}");
    for phase in 2..=20 {
        assert!(brief.contains(&format!("  make part{phase}\n")), "{brief}");
    }
    let all = shown(&big(), true);
    assert!(
        (2..=20).all(|phase| (1..=30).all(|task| all.contains(&format!("  T{phase:02}{task:02}  Do it"))))
    );
    assert!(all.lines().all(|line| crate::plan::printed::width(line) <= 120), "{all}");
}
