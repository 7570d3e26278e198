//! What is a task, and what is not; ids, statuses, fields.

use super::codes;
use super::ids;
use super::plan;
use crate::model::task::FileVerb;
use crate::model::task::HeldReason;
use crate::model::task::PlanStatus;
use crate::model::task::TaskKind;
use crate::model::time::Span;
use crate::plan::Granularity;
use crate::plan::ReadOptions;
use crate::plan::read;

#[test]
fn named_headings_make_boxes_below_them_steps() {
    let plan = plan(
        "# P\n\n### Task 1: Write `it`\n\n- [x] **Step 1: a**\n- [ ] **Step 2: b**\n\n### Task 2: Read it\n\n- [x] c\n",
    );
    assert_eq!(ids(&plan), ["1", "2"]);
    assert_eq!(plan.tasks[0].title, "Write it");
    assert_eq!(plan.tasks[0].status, PlanStatus::InProgress);
    assert_eq!(plan.tasks[1].status, PlanStatus::Done);
    assert!(plan.tasks[0].body.contains("- [x] **Step 1: a**\n- [ ] **Step 2: b**"));
    assert!(plan.tasks[0].tick.is_none());
    assert_eq!(plan.ignored.len(), 3);
}

#[test]
fn one_named_heading_is_no_rule() {
    assert_eq!(ids(&plan("### Task 1: all of it\n\n- [ ] a\n- [ ] b\n")), ["a", "b"]);
}

#[test]
fn one_named_heading_is_a_task_where_the_format_has_such_headings() {
    let superpowers = "> Use superpowers:executing-plans.\n\n### Task 1: Mend the gate\n\n- [ ] **Step 1: Test**\n- [ ] **Step 2: Mend**\n";
    let ralphex = "## Validation Commands\n- `make`\n\n### Task 1: Mend the gate\n- [ ] Test\n- [ ] Mend\n\n## Success criteria\n- [ ] Somebody looked\n";
    for (text, format) in [(superpowers, "superpowers"), (ralphex, "ralphex")] {
        let plan = plan(text);
        assert_eq!(plan.format, format);
        assert_eq!(ids(&plan), ["1"]);
        assert_eq!(plan.tasks[0].title, "Mend the gate");
    }
    let elsewhere = format!("{superpowers}\n## And then\n\n- [ ] Paint the gate\n");
    assert_eq!(ids(&plan(&elsewhere)), ["1", "2"], "boxes elsewhere: the heading is not all there is");
}

#[test]
fn a_box_of_another_word_is_not_that_of_a_heading() {
    let plan = plan(
        "### Task 1: Dig\n- [ ] Step 1: a spade\n### Task 2: Plant\n- [ ] a seed\n### Tasks 3-4: Rows\n- [ ] Step 1: water\n",
    );
    assert_eq!(ids(&plan), ["1", "2"]);
    assert_eq!((plan.tasks[0].line, plan.tasks[0].tick.is_none()), (1, true));
}

#[test]
fn a_bold_line_above_text_is_the_whole_title() {
    let plan = plan(
        "- [ ] **Unit 1: Lay the pipe.**\n  From the well to the house, and\n  not deeper than a metre.\n- [ ] **Unit 2: Fill\n  the trench**\n- [ ] **Unit 3: Sow grass**\n  (depends on Unit 1)\n",
    );
    let titles: Vec<&str> = plan.tasks.iter().map(|task| task.title.as_str()).collect();
    assert_eq!(titles, ["Lay the pipe.", "Fill the trench", "Sow grass"]);
    assert!(plan.tasks[0].body.contains("From the well"));
    assert_eq!(plan.tasks[2].depends_on.len(), 1);
}

#[test]
fn letters_below_a_number_are_steps() {
    assert_eq!(ids(&plan("- [ ] 1.1 a\n  - [ ] 1.1a b\n  - [ ] 1.1b c\n- [ ] 1.2 d\n")), ["1.1", "1.2"]);
    assert_eq!(ids(&plan("- [ ] 1.1 a\n- [ ] 1.1a b\n- [ ] 2.1a c\n")), ["1.1", "1.1a", "2.1a"]);
    assert_eq!(ids(&plan("- [ ] 1.0 A\n  - [ ] 1.1a b\n  - [ ] 1.1b c\n")), ["1.1a", "1.1b"]);
}

#[test]
fn dependencies_in_the_middle_of_a_line() {
    let plan = plan(
        "- [ ] T001 Dig in `a/__init__.py`\n- [ ] T002 Sow in `b.rs`. **Verification**: `make`. **Depends on**: T001. **Blocks**: T003.\n- [ ] T003 Water it (Depends on T001; T002 where it is dry).\n",
    );
    let waits: Vec<usize> = plan.tasks.iter().map(|task| task.depends_on.len()).collect();
    assert_eq!(waits, [0, 1, 2]);
    let titles: Vec<&str> = plan.tasks.iter().map(|task| task.title.as_str()).collect();
    assert_eq!(
        titles,
        ["Dig in a/__init__.py", "Sow in b.rs. Verification: make. Blocks: T003.", "Water it"]
    );
}

#[test]
fn words_that_belong_to_a_number() {
    let plan = plan(
        "- [x] Task 1.1: Dig\n- [x] Task 1.Final: Look at it\n- [ ] Task 2.1: Plant\n  - Step Dependencies: Task 1.Final\n- [ ] Task 2.Final: Look again\n",
    );
    assert_eq!(ids(&plan), ["1.1", "1.Final", "2.1", "2.Final"]);
    assert_eq!(plan.tasks[2].depends_on, [crate::plan::Dependency::Task(1)]);
    assert!(codes(&plan).is_empty(), "{:?}", plan.diagnostics);
}

#[test]
fn one_word_counts_where_several_are_used() {
    let plan = plan("### Agent 1: A\n#### Task 1: a\n#### Task 2: b\n### Agent 2: B\n#### Task 3: c\n");
    assert_eq!(ids(&plan), ["1", "2", "3"]);
}

#[test]
fn a_checklist_gives_sections_their_boxes() {
    let plan =
        plan("## Checklist\n- [x] Step 1: a\n- [ ] Step 2: b\n## Step 1: a\nText\n## Step 2: b\nText\n");
    assert_eq!(ids(&plan), ["1", "2"]);
    assert_eq!((plan.tasks[0].line, plan.tasks[0].status), (2, PlanStatus::Done));
    assert_eq!(plan.tasks[1].body.trim(), "Text");
}

#[test]
fn two_numbers_are_a_task_one_a_group_three_a_step() {
    let plan = plan("- [ ] 1. Setup\n  - [ ] 1.1 a\n    - [ ] 1.1.1 step\n  - [x] 1.2 b\n- [ ] 2. Alone\n");
    assert_eq!(ids(&plan), ["1.1", "1.2", "2"]);
    assert_eq!(plan.groups.len(), 1);
    assert_eq!(plan.groups[0].title, "1. Setup");
    assert_eq!(plan.ignored[0].reason, "a group of tasks");
    assert_eq!(ids(&self::plan("## 1. A\n- [ ] 1.1 a\n- [ ] 1.2 b\n")), ["1.1", "1.2"]);
}

#[test]
fn words_before_numbers_make_the_level() {
    let plan = plan(
        "## Tasks\n- [ ] Task 1: a (AC: #1)\n  - [ ] 1.1: step\n- [ ] **Task 2: b**\n  - [ ] Subtask 2.1 step\n",
    );
    assert_eq!(ids(&plan), ["1", "2"]);
    assert_eq!(plan.tasks[0].title, "a");
}

#[test]
fn names_need_company_or_a_mark() {
    assert_eq!(ids(&plan("- [ ] S3 bucket\n- [ ] P1 first\n")), ["s3-bucket", "p1-first"]);
    assert_eq!(ids(&plan("- [ ] AB1 x\n- [ ] AB2 y\n- [ ] no id\n")), ["AB1", "AB2", "no-id"]);
    assert_eq!(ids(&plan("- [ ] [T012] [P] [US1] x\n")), ["T012"]);
    assert_eq!(ids(&plan("- [ ] 20 beta users\n")), ["20-beta-users"]);
}

#[test]
fn plain_boxes_with_steps_below() {
    let plan = plan("- [ ] a\n  - [x] step\n- [ ] b\n  wrapped\n");
    assert_eq!(ids(&plan), ["a", "b-wrapped"]);
    assert_eq!(plan.tasks[0].status, PlanStatus::Open);
}

#[test]
fn numbered_bold_items_with_boxes_below() {
    let plan = plan(
        "## 3. Steps\n\n1.  **Set it up**\n    - [x] a\n    - [x] b\n\n2.  **Test it**\n    - [ ] c\n\n## 4. Verification\n\n- [ ] d\n",
    );
    assert_eq!(ids(&plan), ["set-it-up", "test-it"]);
    assert_eq!(plan.tasks[0].status, PlanStatus::Done);
    assert_eq!(
        plan.ignored.last().unwrap().reason,
        "under \"4. Verification\": acceptance, given to the agents"
    );
}

#[test]
fn phases_without_boxes() {
    let plan = plan("## Phase 1: A\n1. **Do**: x\n2. Then y\n## Phase 2: B\nProse.\n## Notes\n1. no\n");
    assert_eq!(plan.tasks.iter().map(|task| task.line).collect::<Vec<_>>(), [2, 3, 4]);
}

#[test]
fn tables_with_ids_and_a_second_one_with_their_fields() {
    let plan = plan(
        "## Backlog\n\n| ID | Task | Assigned | Status |\n|---|---|---|---|\n| A-1 | One | Kilo | ✅ Done |\n| A-2 | Two \\| half | Cline | ⏳ Pending |\n\n\
         ## Graph\n\n| ID | Depends on |\n|---|---|\n| A-2 | A-1 |\n",
    );
    assert_eq!(ids(&plan), ["A-1", "A-2"]);
    assert_eq!(plan.tasks[0].status, PlanStatus::Done);
    assert_eq!(plan.tasks[1].own.agent.as_deref(), Some("Cline"));
    assert_eq!(plan.tasks[1].depends_on.len(), 1);
}

#[test]
fn a_card_is_one_task() {
    let plan = plan(
        "# Task Plan: Check it\n\n**Executor**: Cline\n**Model**: m1\n\n## Test Checklist\n\n- [ ] a\n- [ ] b\n",
    );
    assert_eq!(ids(&plan), ["check-it"]);
    assert_eq!(plan.defaults.agent.as_deref(), Some("Cline"));
    assert!(plan.tasks[0].body.contains("- [ ] b"));
}

#[test]
fn fences_comments_quotes_and_criteria_hold_no_tasks() {
    let plan = plan(
        "- [ ] a\n\n```md\n- [ ] fence\n```\n\n<!--\n- [ ] comment\n-->\n\n> - [ ] quote\n\n**Acceptance criteria**:\n\n- [ ] label\n\n\
         ## Definition of Done\n- [ ] closed\n### Sub\n- [ ] too\n## More\n- [ ] b <!-- id: 3 -->\n",
    );
    assert_eq!(ids(&plan), ["a", "b"]);
}

#[test]
fn no_tasks_is_an_error_that_names_what_was_refused() {
    assert_eq!(codes(&plan("# Only words\n")), ["no-tasks:0"]);
    let refused = plan("## Notes\n- [ ] a\n- [ ] b\n");
    assert!(refused.diagnostics[0].message.contains("2 from line 2"), "{}", refused.diagnostics[0].message);
    let options = ReadOptions { boxes_all: true, ..ReadOptions::default() };
    assert_eq!(ids(&read(b"## Notes\n- [ ] a\n  - [ ] b\n", &options)), ["a", "b"]);
}

#[test]
fn granularity_and_the_whole_as_one() {
    let text = b"# P\n## A\n- [ ] a\n  - [ ] b\n- [ ] c\n## B\n- [ ] d\n";
    let with =
        |granularity| read(text, &ReadOptions { granularity: Some(granularity), ..ReadOptions::default() });
    assert_eq!(ids(&with(Granularity::Leaf)), ["a", "b", "c", "d"]);
    assert_eq!(ids(&with(Granularity::Task)), ["a", "c", "d"]);
    let groups = with(Granularity::Group);
    assert_eq!(ids(&groups), ["a", "b"]);
    assert_eq!(groups.edges.len(), 1);
    let one = read(text, &ReadOptions { as_one: true, ..ReadOptions::default() });
    assert_eq!(ids(&one), ["p"]);
}

#[test]
fn marks_and_words_of_status() {
    let plan = plan(
        "- [ ] T001 a\n- [/] T002 b\n- [~] T003 c\n- [-] T004 d\n- [x] T005 e\n- [ ] T006 f — DEFERRED (later)\n- [ ] T007 ~~g~~\n",
    );
    let statuses: Vec<&str> = plan.tasks.iter().map(|task| task.status.as_str()).collect();
    assert_eq!(statuses, ["open", "in_progress", "open", "skipped", "done", "skipped", "skipped"]);
    assert_eq!(plan.tasks[2].held, [HeldReason::UnknownMarker("~".to_owned())]);
    assert_eq!(plan.tasks[5].title, "f");
    assert_eq!(codes(&plan), ["unknown-marker:3", "unknown-marker:4"]);
}

#[test]
fn a_status_field_beats_the_box() {
    let plan = plan("- [ ] T001 a\n  - **Status**: completed\n- [x] T002 b\n  - **Status**: [ ] pending\n");
    assert_eq!(plan.tasks[0].status, PlanStatus::Done);
    assert_eq!(plan.tasks[1].status, PlanStatus::Open);
}

#[test]
fn ids_are_unique_and_stay_the_same() {
    let plan = plan("- [ ] Do it\n- [x] Do it\n- [ ] do-it-2\n");
    assert_eq!(ids(&plan), ["do-it", "do-it-2", "do-it-2-2"]);
    let twice = self::plan("- [ ] T001 a\n- [ ] T001 b\n");
    assert_eq!(codes(&twice), ["duplicate-id:2"]);
    assert!(twice.diagnostics[0].message.contains("line 1 and on line 2"));
    let restarted = self::plan(
        "## Phase 1\n### Task 1: a\n### Task 2: b\n## Phase 2\n### Task 1: c\n### Task 2: d\n- Depends on: 1\n",
    );
    assert_eq!(ids(&restarted), ["phase-1/1", "phase-1/2", "phase-2/1", "phase-2/2"]);
    assert!(restarted.edges.iter().any(|e| e.from.as_str() == "phase-2/1" && e.to.as_str() == "phase-2/2"));
}

#[test]
fn fields_of_a_task() {
    let plan = plan(
        "- [ ] T001 Write it\n  - **Agent**: kilo\n  - **Model**: `m:free`\n  - **Layer**: 3\n  - **Files**: `src/a.rs`, `tests/*`\n    - Create: `src/b.rs`\n\
         \x20 - **Verify**: `cargo test`\n  - **Verify**: by eye\n  - **Timeout**: 20m\n  - **Retries**: 2\n  - **Priority**: P1\n  - **Parallel**: yes\n\
         \x20 - **Optional**: yes\n  - **Output**: `out/report.md`\n  - **Colour**: red\n  - _Requirements: 1.1, 2.2_\n",
    );
    let task = &plan.tasks[0];
    assert_eq!(codes(&plan), [""; 0]);
    assert_eq!(task.own.agent.as_deref(), Some("kilo"));
    assert_eq!(task.own.model.as_deref(), Some("m:free"));
    assert_eq!((task.own.layer, task.own.retries, task.own.priority), (Some(3), Some(2), Some(1)));
    assert_eq!(task.own.timeout, Some(Span::minutes(20)));
    assert_eq!(
        task.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
        ["src/a.rs", "tests/*", "src/b.rs"]
    );
    assert_eq!(task.files[2].verb, Some(FileVerb::Create));
    assert_eq!(task.own.verify[0].text, "cargo test");
    assert_eq!(task.own.verify[0].line, 7);
    assert_eq!(task.acceptance, ["by eye"]);
    assert_eq!(task.outputs, ["out/report.md"]);
    assert_eq!(task.requirements, ["1.1", "2.2"]);
    assert_eq!((task.parallel, task.optional), (Some(true), true));
}

#[test]
fn bad_values_are_errors_with_their_place() {
    let plan = plan(
        "- [ ] T001 a\n  - **Timeout**: soon\n  - **Layer**: x\n  - **Retries**: many\n  - **Command**: make it\n  - **Optional**: perhaps\n",
    );
    let places: Vec<(&str, u32, u32, u32)> =
        plan.diagnostics.iter().map(|d| (d.code, d.place.line, d.place.column, d.place.length)).collect();
    assert_eq!(
        places,
        [
            ("bad-value", 2, 18, 4),
            ("bad-value", 3, 16, 1),
            ("bad-value", 4, 18, 4),
            ("bad-value", 5, 18, 7),
            ("bad-value", 6, 19, 7)
        ]
    );
    assert_eq!(codes(&self::plan("- [ ] T001 a\n  - Agent: kilo\n  - Agent: cline\n")), ["duplicate-key:3"]);
}

#[test]
fn attributes_are_read_and_reported() {
    let plan = plan("- [ ] T001 a {agent=kilo timeout=20m}\n- [ ] T002 b {depends=T001 wat=1}\n");
    assert_eq!(plan.tasks[0].own.agent.as_deref(), Some("kilo"));
    assert_eq!(plan.tasks[0].title, "a");
    assert_eq!(codes(&plan), ["attributes:1", "attributes:2", "unknown-key:2"]);
    assert_eq!(plan.edges.len(), 1);
}

#[test]
fn front_matter_gives_defaults() {
    let plan = plan(
        "---\ntitle: T\nstatus: active\norchestrate:\n  agent: opencode\n  timeout: 30m\n  retries: 1\n---\n- [ ] a\n",
    );
    assert_eq!(codes(&plan), [""; 0]);
    assert_eq!(plan.title, "T");
    assert_eq!(plan.defaults.agent.as_deref(), Some("opencode"));
    assert_eq!(plan.defaults.timeout, Some(Span::minutes(30)));
    assert_eq!(
        codes(&self::plan("---\norchestrate:\n  timeout: never\n  agnet: x\n---\n- [ ] a\n")),
        ["bad-value:3", "unknown-key:4"]
    );
    assert_eq!(codes(&self::plan("---\na: [\n---\n- [ ] a\n")), ["front-matter:2"]);
}

#[test]
fn plans_that_are_over_and_groups_that_are_deferred() {
    let over = plan("# P\n\nStatus: Done\n\n- [ ] a\n");
    assert!(over.over);
    assert_eq!(codes(&over), ["plan-done:0"]);
    assert!(!plan("# P\n\n**Status**: APPROVED - ready\n\n- [ ] a\n").over);
    let deferred = plan("## A\nStatus: deferred\n\n- [ ] a\n## B\n- [ ] b\n");
    assert_eq!(deferred.tasks[0].held, [HeldReason::GroupDeferred("A".to_owned())]);
    assert_eq!(deferred.tasks[1].held, []);
}

#[test]
fn a_title_may_say_that_a_person_agrees() {
    let plan = plan(
        "- [ ] T001 \u{1f464} **MANUAL APPROVAL GATE**: look at the drawing\n- [ ] T002 Approval gate for payments\n",
    );
    let kinds: Vec<TaskKind> = plan.tasks.iter().map(|task| task.kind).collect();
    assert_eq!(kinds, [TaskKind::Gate, TaskKind::Task]);
}

#[test]
fn gates_by_field_and_by_person() {
    let plan = plan(
        "## Phase 1\n- [ ] a\n## Phase 2\n- **Gate**: approval\n\n- [ ] b\n- [ ] c\n  - **Agent**: User\n",
    );
    assert_eq!(plan.tasks[1].held, [HeldReason::Gate("approval".to_owned())]);
    assert_eq!(plan.tasks[2].kind, TaskKind::Gate);
    assert_eq!(plan.tasks[2].own.agent, None);
}

#[test]
fn dependencies_that_are_not_there() {
    let plan = plan("- [ ] T001 a\n- [ ] T002 b\n  - **Depends on**: T009, BACK-5, the weather\n");
    assert_eq!(
        codes(&plan),
        ["missing-dependency:2", "missing-dependency:2", "free-text-dependency:2"]
            .map(|c| c.replace(":2", ":3"))
    );
    assert!(!plan.has_errors(), "what waits for it is held, and the rest may run");
    assert_eq!(plan.diagnostics[0].place.column, 21);
    let missing = |id: &str| HeldReason::MissingDependency(id.to_owned());
    assert_eq!(plan.tasks[1].held, [missing("T009"), missing("BACK-5")]);
    let assumed = ReadOptions { assume_done: vec!["T009".to_owned()], ..ReadOptions::default() };
    assert_eq!(codes(&read(b"- [ ] T001 a (depends on T009)\n", &assumed)), [""; 0]);
}

#[test]
fn a_group_that_waits_for_what_is_not_there_holds_its_tasks() {
    let missing = |id: &str| vec![HeldReason::MissingDependency(id.to_owned())];
    let text = "## Phase 1: A\n\n- [ ] T001 a\n\n## Phase 2: B\n\n- **Depends on**: T009, BACK-5\n\n### C\n\n\
                - [ ] T002 b\n- [x] T003 c\n";
    let found = plan(text);
    assert!(!found.has_errors());
    assert_eq!(codes(&found), ["missing-dependency:7", "missing-dependency:7"]);
    assert_eq!(found.tasks[0].held, []);
    assert_eq!(found.tasks[1].held, [missing("T009"), missing("BACK-5")].concat());
    assert_eq!(found.tasks[2].held, []);
    let native = "---\norchestrate:\n  format: native\n---\n## A\n- **Depends on**: T009\n\n- [ ] T001 a\n";
    let found = plan(native);
    assert!(!found.has_errors());
    assert_eq!(found.tasks[0].held, missing("T009"));
}

#[test]
fn a_task_that_is_not_there_is_not_the_phase_of_that_number() {
    let plan = plan("## Phase 1: A\n- [ ] 1.1 a\n## Phase 2: B\n- [ ] 2.1 b\n  - **Depends on**: Task 1\n");
    assert!(plan.tasks[1].depends_on.is_empty());
    assert_eq!(codes(&plan), ["missing-dependency:5"]);
    let known =
        super::plan("## Phase 1: A\n- [ ] 1.1 a\n## Phase 2: B\n- [ ] 2.1 b\n  - **Depends on**: Phase 1\n");
    assert_eq!(known.tasks[1].depends_on.len(), 1);
}

#[test]
fn bytes_that_are_no_plan() {
    assert_eq!(codes(&read(b"- [ ] a\n- [ ] \xff\n", &ReadOptions::default())), ["not-utf8:2"]);
    let small = ReadOptions { max_size: 4, ..ReadOptions::default() };
    assert_eq!(codes(&read(b"- [ ] a\n", &small)), ["too-large:0"]);
    assert_eq!(codes(&plan("")), ["no-tasks:0"]);
}

#[test]
fn boxes_know_their_place_whatever_the_ending() {
    let text = "\u{feff}- [ ] a\r\n- `[ ]` b";
    let plan = plan(text);
    let first = plan.tasks[0].tick.as_ref().unwrap();
    assert_eq!((first.line, first.column), (1, 6));
    assert_eq!(&text.as_bytes()[6..7], b" ");
    assert_eq!(plan.tasks[1].tick.as_ref().unwrap().column, 4);
    assert_eq!(self::plan("- [ ] a\n- [X] b\n").tasks[0].tick.as_ref().unwrap().tick, 'X');
}

#[test]
fn unindented_fields_below_a_box_belong_to_it() {
    let plan = plan(
        "- [ ] **Unit 1: A**\n\n**Goal:** x\n\n**Dependencies:** None\n\n- [ ] **Unit 2: B**\n\n**Goal:** y\n\n**Dependencies:** Unit 1 (needs a, b)\n\n**Files:**\n- Create: `src/a.rs`\n- Modify: `src/b.rs:1-9`\n\n---\n\nEnd\n",
    );
    assert_eq!(ids(&plan), ["1", "2"]);
    assert_eq!(plan.tasks[1].files.len(), 2);
    assert_eq!(plan.edges.len(), 1);
    assert!(plan.tasks[1].body.contains("**Goal:** y") && !plan.tasks[1].body.contains("End"));
}

#[test]
fn a_checklist_of_names_joins_their_headings() {
    let plan = plan("- [x] T1: a\n- [ ] T2: b\n\n### T1: a\nText\n### T2: b\n- depends_on: [T1]\n");
    assert_eq!(ids(&plan), ["T1", "T2"]);
    assert_eq!((plan.tasks[0].line, plan.tasks[0].status), (1, PlanStatus::Done));
    assert_eq!(plan.tasks[1].depends_on.len(), 1);
}

#[test]
fn context_and_criteria_reach_the_agents() {
    let plan = plan(
        "# P\n\nGoal.\n\n## Phase 1\nWhy.\n\n- [ ] a\n\n## Acceptance criteria\n- [ ] fast\n\n## Risks\nNone.\n",
    );
    assert_eq!(plan.preamble, "Goal.\n\n## Acceptance criteria\n- [ ] fast");
    assert_eq!(plan.groups[0].context, "Why.");
}

#[test]
fn a_box_in_a_fence_that_carries_on_the_ids_is_reported() {
    let plan = plan(
        "- [ ] T001 a\n\n```\n- [ ] T002 b\n- [ ] T009 x\n```\n\n- [ ] T003 c\n\n```\n- [ ] T004 after the last\n```\n",
    );
    assert_eq!(ids(&plan), ["T001", "T003"]);
    assert_eq!(codes(&plan), ["box-in-fence:4"]);
}

#[test]
fn todos_in_front_matter_are_the_plan() {
    let head = "---\nname: N\ntodos:\n  - id: one\n    content: \"Do: it\"\n    status: completed\n  - id: two\n    content: Then this\n";
    let plan = plan(&format!("{head}---\n\nWhy.\n\n- [ ] explains\n"));
    assert_eq!(ids(&plan), ["one", "two"]);
    assert_eq!((plan.tasks[0].title.as_str(), plan.tasks[0].line), ("Do: it", 4));
    assert_eq!(plan.tasks[0].status, PlanStatus::Done);
    assert_eq!(plan.preamble, "Why.\n\n- [ ] explains");
    assert_eq!(codes(&plan), [""; 0]);
    let graph = self::plan(&format!("{head}  - id: three\n    content: x\n    dependencies: [two]\n---\n"));
    assert_eq!(graph.edges.len(), 1);
    assert_eq!(codes(&self::plan("---\ntodos: []\n---\n- [ ] a\n")), [""; 0]);
}

#[test]
fn a_heading_says_the_same_whether_its_box_is_ticked() {
    for mark in [' ', 'x'] {
        let read = plan(&format!(
            "## [{mark}] Phase 1: a\n1. b\n## [{mark}] Phase 2: c\n## [{mark}] Notes\n- [ ] d\n"
        ));
        assert_eq!(ids(&read), ["b", "phase-2-c"], "{mark}");
        assert_eq!(read.groups[0].title, "Phase 1: a");
        assert_eq!(read.groups[0].number.as_deref(), Some("1"));
        assert_eq!(read.ignored.len(), 1);
    }
}

#[test]
fn a_box_that_its_status_contradicts_is_told() {
    let read = plan(
        "- [x] **T1** a\n  - **Status**: pending\n- [x] **T2** b\n  - **Status**: done\n- [ ] **T3** c\n  - **Status**: in progress\n",
    );
    let open: Vec<bool> = read.tasks.iter().map(|task| !task.status.is_met()).collect();
    assert_eq!(open, [true, false, true]);
    assert_eq!(codes(&read), ["status-conflict:1"]);
    // The comment of jack is not written when its box is ticked.
    let read = plan("<!-- @task id=\"A-1\" status=\"pending\" -->\n- [x] a\n");
    assert_eq!(read.tasks[0].status, PlanStatus::Done);
    assert_eq!(codes(&read), [""; 0]);
}
