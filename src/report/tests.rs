//! Golden tests of every form, on a fixed clock. Every line of a picture begins with `|`, so that
//! blanks before and after it count.

use std::collections::BTreeSet;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::Value;

use super::sample::{
    Page, SCREEN, START, Sample, at, every_kind, gated, id, limited, no_audit, picture, picture_ended, rung,
    seven, spec, task, witness,
};
use super::*;
use crate::model::event::EventBody;
use crate::model::failure::{Failure, FailureKind};
use crate::model::record::RunSummary;
use crate::model::result::RunResult;
use crate::model::status::{AttemptStatus, RunStatus, TaskStatus};
use crate::model::verdict::{Verdict, WitnessName};

const NARROW: Style = Style { width: 50, ..SCREEN };
const ASCII: Style = Style { unicode: false, ..SCREEN };
const WIDE: Style = Style { width: 110, ..SCREEN };

fn framed(text: &str) -> String {
    text.lines().map(|line| format!("|{line}\n")).collect()
}

fn joined(lines: &[String]) -> String {
    framed(&lines.join("\n"))
}

/// The lines that stay of all events of a run.
fn lasting(run: &Sample, style: &Style) -> String {
    let layout = lines::Layout::of(&run.spec, style);
    let mut view = RunView::new(&run.spec);
    let mut out = Vec::new();
    for event in &run.events {
        view.apply(event).unwrap();
        out.extend(lines::lasting(event, &run.spec, &view, &layout, style));
    }
    joined(&out)
}

/// All events of a run, told to a reporter.
fn tell(run: &Sample, reporter: &mut dyn Reporter) {
    let mut view = RunView::new(&run.spec);
    for event in &run.events {
        view.apply(event).unwrap();
        reporter.event(event, &run.spec, &view);
    }
}

fn paths() -> EndPaths {
    EndPaths {
        report: Some("plans/agent-shared/runs/01JD8Q3ZK7V0N4M2E6T9QW5XRB/report.md".to_owned()),
        branch: Some(EndBranch {
            name: "orchestrate/01JD8Q3ZK7V0N4M2E6T9QW5XRB".to_owned(),
            commits: 5,
            landed: false,
        }),
    }
}

fn doing() -> Doing {
    let mut doing = Doing::default();
    doing.say(&AttemptKey::new(id("T002"), 1), "edit src/auth.rs");
    doing.say(&AttemptKey::new(id("T004"), 2), "think\u{1b}[31ming");
    // What an attempt that ended said is not shown of the next.
    doing.say(&AttemptKey::new(id("T003"), 7), "something else");
    doing
}

fn result(run: &Sample) -> RunResult {
    RunResult::of(&run.spec, &run.view, None, |task, attempt| format!("runs/tasks/{}/{attempt}", task.code()))
}

/// 200 tasks, 40 of which run, five retry, one has a very long id.
fn many() -> Sample {
    let mut tasks: Vec<_> =
        (1..=200).map(|number| task(&format!("T{number:03}"), &format!("Task number {number}"))).collect();
    tasks[0].id = id("phase-one-of-the-plan/the-first-task-of-all");
    tasks[1].title = "日本語のタイトルで、とても長いもの".to_owned();
    let mut run = Sample::new(spec(tasks));
    run.start().at(5).begin("phase-one-of-the-plan/the-first-task-of-all", rung(2));
    for number in 2..=45_i64 {
        let name = format!("T{number:03}");
        run.at(number * 2).begin(&name, rung(3));
        if number > 40 {
            run.fail_attempt(&name, limited());
            run.push(EventBody::TaskRetrying {
                task_id: id(&name),
                attempt: 2,
                at: at(600),
                why: Failure::new(FailureKind::Overloaded, "503"),
                next: rung(3),
            });
        }
    }
    run.at(100);
    run
}

#[test]
fn every_kind_of_event_is_in_the_sample() {
    let schema = serde_json::to_value(schemars::schema_for!(EventBody)).unwrap();
    let known: BTreeSet<&str> = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["properties"]["kind"]["const"].as_str().unwrap())
        .collect();
    let run = every_kind();
    let events: Vec<Value> = run.events.iter().map(|event| serde_json::to_value(event).unwrap()).collect();
    let seen: BTreeSet<&str> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(known.len() >= 24);
    assert_eq!(seen, known);
}

#[test]
fn every_kind_of_event_in_lines_that_stay() {
    assert_snapshot!(lasting(&every_kind(), &SCREEN), @r#"
    |    plans/phase3.md: 9 tasks (1 done before, 6 to run), 4 at once, worktrees, free layers 1 to 5
    |  ! T008  Odd box             held: unknown-marker `%`
    |  ! gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ✓ T001  Create the users…   kilo · glm-4.7           1m 12s
    |  ! T001: its box in plans/phase3.md was not ticked: the line was changed meanwhile
    |  ↻ T004  Write the guide     opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ! openrouter is off for this run: not_logged_in: 401 "No auth credentials found"
    |  ! layer 3 is off for this run: model_unknown: model not found: glm-4.7
    |  ↻ T002  Hash passwords      opencode · big-pickle       10s  verify_failed: `cargo test` exited with 101; attempt 2 in 5s
    |  ✗ T006  Accessibility aud…  cline · minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |  ! plans/phase3.md was changed; this run goes on with it as it was  (orchestrate resume --replan)
    |  ‖ gate "approval": 1 task waits behind it  (orchestrate approve approval)
    |  ✓ gate "approval" approved by approve
    |  ■ T003  Issue tokens        opencode · minimax-m2…      40s  stopped by stop
    |  ↻ T006  Accessibility aud…  again: retry, from layer 5, by opencode, told "mind the contrast"
    |  ■ stopping (SIGINT): no new start, running agents are being ended
    |  ■ T005  Deploy              opencode · minimax-m2…      40s  stopped, put back
    |    plans/phase3.md: resumed, 2 of 9 done, 1 stopped, 2 retrying, 2 waiting, 1 blocked, 1 held
    |  ○ T008  Odd box             skipped: the plan says so now
    |  ! T005  Deploy              opencode · minimax-m2…      48s  lost: its supervisor died while it ran
    "#);
}

#[test]
fn every_kind_of_event_without_unicode() {
    assert_snapshot!(lasting(&every_kind(), &ASCII), @r#"
    |    plans/phase3.md: 9 tasks (1 done before, 6 to run), 4 at once, worktrees, free layers 1 to 5
    |  warn  T008  Odd box         held: unknown-marker `%`
    |  warn  gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ok    T001  Create the...   kilo / glm-4.7           1m 12s
    |  warn  T001: its box in plans/phase3.md was not ticked: the line was changed meanwhile
    |  retry T004  Write the g...  opencode: 429, rests 60s; now layer 4, cline / minimax-m2.1
    |  warn  openrouter is off for this run: not_logged_in: 401 "No auth credentials found"
    |  warn  layer 3 is off for this run: model_unknown: model not found: glm-4.7
    |  retry T002  Hash passwords  opencode / big-pickle       10s  verify_failed: `cargo test` exited with 101; attempt 2 in 5s
    |  FAIL  T006  Accessibili...  cline / minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |  warn  plans/phase3.md was changed; this run goes on with it as it was  (orchestrate resume --replan)
    |  gate  gate "approval": 1 task waits behind it  (orchestrate approve approval)
    |  ok    gate "approval" approved by approve
    |  stop  T003  Issue tokens    opencode / minimax-...      40s  stopped by stop
    |  retry T006  Accessibili...  again: retry, from layer 5, by opencode, told "mind the contrast"
    |  stop  stopping (SIGINT): no new start, running agents are being ended
    |  stop  T005  Deploy          opencode / minimax-...      40s  stopped, put back
    |    plans/phase3.md: resumed, 2 of 9 done, 1 stopped, 2 retrying, 2 waiting, 1 blocked, 1 held
    |  skip  T008  Odd box         skipped: the plan says so now
    |  warn  T005  Deploy          opencode / minimax-...      48s  lost: its supervisor died while it ran
    "#);
}

#[test]
fn every_kind_of_event_in_a_log() {
    let page = Page::default();
    let run = every_kind();
    let mut reporter = plain(Box::new(page.clone()), Style::PLAIN);
    tell(&run, &mut *reporter);
    assert_snapshot!(framed(&page.text()), @r#"
    |0:00  plans/phase3.md: 9 tasks (1 done before, 6 to run), 4 at once, worktrees, free layers 1 to 5
    |0:00  held     T005  gate "approval"
    |0:00  held     T008  unknown-marker `%`
    |0:00  warning  gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |0:00  start    T001  Create the users table  (kilo · glm-4.7, layer 3)
    |1:12  done     T001  1m 12s
    |1:12  warning  T001: its box in plans/phase3.md was not ticked: the line was changed meanwhile
    |1:12  start    T004  Write the guide  (opencode · big-pickle, layer 2)
    |1:20  rests    opencode for 60s: rate_limited: 429 "Rate limit exceeded", retry after 60s
    |1:20  moved    T004  429 from opencode, layer 4 now
    |1:20  warning  openrouter is off for this run: not_logged_in: 401 "No auth credentials found"
    |1:20  warning  layer 3 is off for this run: model_unknown: model not found: glm-4.7
    |1:20  start    T002  Hash passwords  (opencode · big-pickle, layer 2)
    |1:30  retry    T002  verify_failed: `cargo test` exited with 101, attempt 2 in 5s
    |1:30  start    T006  Accessibility audit  (cline · minimax-m2.1, layer 4)
    |3:32  FAILED   T006  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written  (orchestrate why T006)
    |3:32  blocked  T007  by T006
    |3:32  warning  plans/phase3.md was changed; this run goes on with it as it was  (orchestrate resume --replan)
    |3:32  waiting  gate "approval": 1 task waits behind it  (orchestrate approve approval)
    |3:32  gate     "approval" approved by approve
    |3:32  pending  T005  gate approved
    |3:40  start    T003  Issue tokens  (opencode · minimax-m2.1:free, layer 5)
    |4:20  stopped  T003  by stop
    |4:20  pending  T006  again: retry, from layer 5, by opencode, told "mind the contrast"
    |4:20  start    T005  Deploy  (opencode · minimax-m2.1:free, layer 5)
    |5:00  stopping (SIGINT): no new start, running agents are being ended
    |5:00  stopped  T005  40s, put back
    |5:00  pending  T005  stopped
    |0:00  plans/phase3.md: resumed, 2 of 9 done, 1 stopped, 2 retrying, 2 waiting, 1 blocked, 1 held
    |0:00  skipped  T008  the plan says so now
    |0:00  start    T005  Deploy  (opencode · minimax-m2.1:free, layer 5, attempt 2)
    |0:48  lost     T005  attempt 2: its supervisor died while it ran
    "#);
}

#[test]
fn every_kind_of_event_quietly() {
    let page = Page::default();
    let run = every_kind();
    let mut reporter = quiet(Box::new(page.clone()), Style::PLAIN);
    tell(&run, &mut *reporter);
    reporter.tick(&run.spec, &run.view, at(100_000));
    assert_snapshot!(framed(&page.text()), @r#"
    |0:00  held     T008  unknown-marker `%`
    |0:00  warning  gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |1:12  warning  T001: its box in plans/phase3.md was not ticked: the line was changed meanwhile
    |1:20  warning  openrouter is off for this run: not_logged_in: 401 "No auth credentials found"
    |1:20  warning  layer 3 is off for this run: model_unknown: model not found: glm-4.7
    |3:32  FAILED   T006  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written  (orchestrate why T006)
    |3:32  warning  plans/phase3.md was changed; this run goes on with it as it was  (orchestrate resume --replan)
    |3:32  waiting  gate "approval": 1 task waits behind it  (orchestrate approve approval)
    |4:20  stopped  T003  by stop
    |0:48  lost     T005  attempt 2: its supervisor died while it ran
    "#);
}

#[test]
fn every_kind_of_event_as_data() {
    let page = Page::default();
    let run = every_kind();
    let mut reporter = ndjson(Box::new(page.clone()));
    tell(&run, &mut *reporter);
    reporter.line("run 01JD8Q3ZK7V0N4M2E6T9QW5XRB");
    reporter.finish(&run.spec, &run.view, &paths(), run.now);
    let text = page.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), run.events.len());
    for (line, event) in lines.iter().zip(&run.events) {
        assert_eq!(serde_json::from_str::<Event>(line).unwrap(), *event);
    }
    assert_snapshot!(lines[0], @r#"
    {"schema":"event/v1","run_id":"01JD8Q3ZK7V0N4M2E6T9QW5XRB","seq":1,"at":"2026-11-24T12:00:00.000Z","kind":"run_started","plan":"plans/phase3.md","done_before":1,"fence":1,"host":"anvil","jobs":4,"pid":4711,"plan_title":"Phase 3","to_run":6,"tasks":9}
    "#);
    assert_snapshot!(lines[6], @r#"
    {"schema":"event/v1","run_id":"01JD8Q3ZK7V0N4M2E6T9QW5XRB","seq":7,"at":"2026-11-24T12:00:05.000Z","kind":"attempt_progressed","task_id":"T001","attempt":1,"message":"half"}
    "#);
}

#[test]
fn the_picture_of_a_run() {
    let run = picture();
    assert_snapshot!(lasting(&run, &SCREEN), @r#"
    |    plans/phase3.md: 7 tasks (1 done before), 4 at once, worktrees, free layers 1 to 5
    |  ! gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ↻ T004  Write the guide     opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ↻ T006  Accessibility aud…  opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ✓ T001  Create the users…   kilo · glm-4.7           1m 12s
    |  ✗ T006  Accessibility aud…  cline · minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    "#);
    assert_snapshot!(joined(&region(&run.spec, &run.view, &doing(), &SCREEN, at(160))), @r"
    |───────────────────────────────────────────────────────────────────────────────
    |  ▶ T002  Hash passwords      opencode · big-pickle       48s  edit src/auth.rs
    |  ▶ T004  Write the guide     cline · minimax-m2.1        31s  thinking
    |  2 of 7 done · 1 failed · 2 running · 1 waiting · 1 blocked    2m 40s  $0.00
    ");
    assert_snapshot!(joined(&region(&run.spec, &run.view, &doing(), &NARROW, at(160))), @r"
    |─────────────────────────────────────────────────
    |  ▶ T002  Hash passwo…      48s  edit src/auth.rs
    |  ▶ T004  Write the g…      31s  thinking
    |  2 of 7 done · 1 failed · 2 running · 1 waiting…
    ");
    assert_snapshot!(joined(&region(&run.spec, &run.view, &doing(), &ASCII, at(160))), @r"
    |-------------------------------------------------------------------------------
    |  run   T002  Hash passwords  opencode / big-pickle       48s  edit src/auth.rs
    |  run   T004  Write the g...  cline / minimax-m2.1        31s  thinking
    |  2 of 7 done, 1 failed, 2 running, 1 waiting, 1 blocked        2m 40s  $0.00
    ");
    assert_snapshot!(joined(&region(&run.spec, &run.view, &doing(), &WIDE, at(160))), @r"
    |─────────────────────────────────────────────────────────────────────────────────────────────────────────────
    |  ▶ T002  Hash passwords          opencode · big-pickle       48s  edit src/auth.rs
    |  ▶ T004  Write the guide         cline · minimax-m2.1        31s  thinking
    |  2 of 7 done · 1 failed · 2 running · 1 waiting · 1 blocked    2m 40s  $0.00
    ");
}

#[test]
fn a_region_of_many_tasks_shows_the_longest() {
    let run = many();
    let lines = region(&run.spec, &run.view, &Doing::default(), &SCREEN, at(100));
    assert!(lines.len() < SCREEN.height);
    assert_snapshot!(joined(&lines), @r"
    |───────────────────────────────────────────────────────────────────────────────
    |  ▶ T002  日本語のタイトル…   kilo · glm-4.7           1m 36s
    |  ▶ phase-one-of-the-plan/the-first-task-of-all   1m 35s
    |  ▶ T003  Task number 3       kilo · glm-4.7           1m 34s
    |  ▶ T004  Task number 4       kilo · glm-4.7           1m 32s
    |  ▶ T005  Task number 5       kilo · glm-4.7           1m 30s
    |  ▶ T006  Task number 6       kilo · glm-4.7           1m 28s
    |  ▶ T007  Task number 7       kilo · glm-4.7           1m 26s
    |  ▶ T008  Task number 8       kilo · glm-4.7           1m 24s
    |  ▶ T009  Task number 9       kilo · glm-4.7           1m 22s
    |  ▶ T010  Task number 10      kilo · glm-4.7           1m 20s
    |  ▶ T011  Task number 11      kilo · glm-4.7           1m 18s
    |  ▶ T012  Task number 12      kilo · glm-4.7           1m 16s
    |  ▶ T013  Task number 13      kilo · glm-4.7           1m 14s
    |  ▶ T014  Task number 14      kilo · glm-4.7           1m 12s
    |  ▶ T015  Task number 15      kilo · glm-4.7           1m 10s
    |  ▶ T016  Task number 16      kilo · glm-4.7           1m 08s
    |  ▶ T017  Task number 17      kilo · glm-4.7           1m 06s
    |  ▶ T018  Task number 18      kilo · glm-4.7           1m 04s
    |  ▶ T019  Task number 19      kilo · glm-4.7           1m 02s
    |    and 21 more running, 5 retrying
    |  0 of 200 done · 40 running · 5 retrying · 155 waiting         1m 40s  $0.00
    ");
    let low = Style { height: 9, ..SCREEN };
    assert_snapshot!(joined(&region(&run.spec, &run.view, &Doing::default(), &low, at(100))), @r"
    |───────────────────────────────────────────────────────────────────────────────
    |  ▶ T002  日本語のタイトル…   kilo · glm-4.7           1m 36s
    |  ▶ phase-one-of-the-plan/the-first-task-of-all   1m 35s
    |  ▶ T003  Task number 3       kilo · glm-4.7           1m 34s
    |  ▶ T004  Task number 4       kilo · glm-4.7           1m 32s
    |    and 36 more running, 5 retrying
    |  0 of 200 done · 40 running · 5 retrying · 155 waiting         1m 40s  $0.00
    ");
}

#[test]
fn a_region_has_checks_and_waits() {
    let mut run = picture();
    run.push(EventBody::VerificationStarted {
        task_id: id("T002"),
        attempt: 1,
        commands: vec!["cargo test".to_owned(), "cargo fmt".to_owned()],
    });
    run.fail_attempt("T004", limited()).push(EventBody::TaskRetrying {
        task_id: id("T004"),
        attempt: 3,
        at: at(185),
        why: Failure::new(FailureKind::Overloaded, "503 from the provider"),
        next: rung(4),
    });
    let mut doing = doing();
    doing.check(&id("T002"), 1, &["cargo test".to_owned(), "cargo fmt".to_owned()]);
    assert_snapshot!(joined(&region(&run.spec, &run.view, &doing, &WIDE, at(160))), @r"
    |─────────────────────────────────────────────────────────────────────────────────────────────────────────────
    |  ▶ T002  Hash passwords          opencode · big-pickle       48s  verify: cargo test, and 1 more
    |  ↻ T004  Write the guide         cline · minimax-m2.1    in 25s: overloaded: 503 from the provider
    |  2 of 7 done · 1 failed · 1 running · 1 retrying · 1 waiting · 1 blocked  2m 40s  $0.00
    ");
}

#[test]
fn regions_never_wrap() {
    for run in [picture(), many(), gated()] {
        for width in [1, 10, 20, 30, 40, 59, 60, 61, 80, 132] {
            for unicode in [true, false] {
                let style = Style { width, unicode, ..SCREEN };
                for line in region(&run.spec, &run.view, &doing(), &style, at(400)) {
                    // Under twenty columns nothing readable can be drawn.
                    assert!(text::width(&line) < width.max(21), "{width}: {line}");
                }
            }
        }
    }
}

#[test]
fn ids_and_times_are_not_cut() {
    let run = many();
    for width in [40, 60, 80] {
        let style = Style { width, ..SCREEN };
        let lines = region(&run.spec, &run.view, &doing(), &style, at(100));
        let line = lines.iter().find(|line| line.contains("T003")).unwrap();
        assert!(line.contains("1m 34s"), "{line}");
    }
    let lines = region(&run.spec, &run.view, &doing(), &SCREEN, at(100));
    let line =
        lines.iter().find(|line| line.contains("phase-one-of-the-plan/the-first-task-of-all")).unwrap();
    assert!(line.contains("1m 35s"), "{line}");
}

#[test]
fn the_first_line_says_what_the_run_may_use() {
    let header = |spec: &RunSpec| words::header(spec, 7, 6, 1, 4, &SCREEN);
    let mut spec = seven();
    assert_snapshot!(header(&spec), @r"
    plans/phase3.md: 7 tasks (1 done before), 4 at once, worktrees, free layers 1 to 5
    ");
    spec.settings.isolation = crate::model::run::Isolation::Shared;
    spec.settings.max_layer = Some(3);
    spec.settings.layer = Some(3);
    assert_snapshot!(header(&spec), @r"
    plans/phase3.md: 7 tasks (1 done before), 4 at once, in the checkout, free layer 3
    ");
    spec.settings.layer = None;
    spec.settings.max_layer = None;
    spec.settings.allow_paid = Some("the release".to_owned());
    assert_snapshot!(header(&spec), @r#"
    plans/phase3.md: 7 tasks (1 done before), 4 at once, in the checkout, free layers 1 to 5, paid layers 6 to 7 ("the release")
    "#);
    for task in &mut spec.tasks {
        task.agent = Some("command".to_owned());
    }
    assert_snapshot!(words::header(&spec, 7, 2, 1, 1, &SCREEN), @r"
    plans/phase3.md: 7 tasks (1 done before, 2 to run), 1 at once, in the checkout
    ");
}

#[test]
fn the_picture_of_an_end() {
    let run = picture_ended();
    assert_snapshot!(framed(&summary(&run.spec, &run.view, &paths(), &SCREEN)), @r#"
    |  2 not done
    |  ✗ T006  Accessibility audit   output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |          orchestrate why T006
    |  · T007  Summary report        blocked by T006
    |
    |  4 succeeded, 1 failed, 1 blocked in 12m 04s · $0.00 · 749k tokens
    |  branch   orchestrate/01JD8Q3ZK7V0N4M2E6T9QW5XRB   5 commits   (orchestrate land)
    |  report   plans/agent-shared/runs/01JD8Q3ZK7V0N4M2E6T9QW5XRB/report.md
    |  again    orchestrate retry
    "#);
    assert_snapshot!(framed(&summary(&run.spec, &run.view, &EndPaths::default(), &NARROW)), @r#"
    |  2 not done
    |  ✗ T006  Accessibi…   output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |          orchestrate why T006
    |  · T007  Summary r…   blocked by T006
    |
    |  4 succeeded, 1 failed, 1 blocked in 12m 04s · $0.00 · 749k tokens
    |  again    orchestrate retry
    "#);
}

#[test]
fn all_well_is_one_line_of_counts() {
    let mut run = Sample::new(spec(vec![task("T001", "Build"), task("T002", "Test")]));
    run.start().begin("T001", rung(3)).at(48).succeed("T001").begin("T002", rung(3)).at(60).succeed("T002");
    run.finish(RunStatus::Succeeded, 0);
    let mut paths = paths();
    paths.branch.as_mut().unwrap().landed = true;
    paths.branch.as_mut().unwrap().commits = 1;
    assert_snapshot!(framed(&summary(&run.spec, &run.view, &paths, &SCREEN)), @r"
    |  2 succeeded in 1m 00s · $0.00 · 214k tokens
    |  branch   orchestrate/01JD8Q3ZK7V0N4M2E6T9QW5XRB   1 commit   landed
    |  report   plans/agent-shared/runs/01JD8Q3ZK7V0N4M2E6T9QW5XRB/report.md
    ");
}

#[test]
fn a_run_that_waits_for_a_person_says_for_what() {
    let mut run = gated();
    run.finish(RunStatus::Waiting, 9);
    assert_snapshot!(framed(&summary(&run.spec, &run.view, &EndPaths::default(), &SCREEN)), @r#"
    |  3 not done
    |  ‖ T002  Deploy           held: gate "approval"
    |  · T003  Tell the world   held: needs T002
    |  · T004  What is this     held: unknown-marker `%`
    |  ‖ gate "approval"   waits for a person
    |
    |  1 succeeded, 4 held in 30s · $0.00 · 107k tokens
    |  again    orchestrate approve approval --resume
    "#);
}

#[test]
fn a_run_that_was_stopped_is_resumed() {
    let mut run = picture();
    run.push(EventBody::StopRequested { by: "SIGINT".to_owned() });
    for name in ["T002", "T004"] {
        let stopped = Verdict { failure: None, decided_by: None, witnesses: Vec::new(), notes: Vec::new() };
        run.end(name, AttemptStatus::Cancelled, stopped);
        run.push(EventBody::TaskReopened {
            task_id: id(name),
            why: "stopped".to_owned(),
            fresh: false,
            layer: None,
            agent: None,
            say: None,
        });
    }
    run.finish(RunStatus::Stopped, 130);
    assert_snapshot!(framed(&summary(&run.spec, &run.view, &EndPaths::default(), &SCREEN)), @r#"
    |  5 not done
    |  ✗ T006  Accessibility audit   output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |          orchestrate why T006
    |  · T002  Hash passwords        stopped, put back
    |  · T003  Issue tokens          not started
    |  · T004  Write the guide       stopped, put back
    |  · T007  Summary report        blocked by T006
    |
    |  1 succeeded, 1 failed, 1 blocked, 3 not run in 2m 40s · $0.00 · 642k tokens
    |  again    orchestrate resume
    "#);
}

#[test]
fn an_end_with_many_failures_stays_short() {
    let mut run = Sample::new(spec((1..=60).map(|n| task(&format!("T{n:03}"), "Build it")).collect()));
    run.start();
    for number in 1..=30 {
        run.at(number).begin(&format!("T{number:03}"), rung(6)).fail(&format!("T{number:03}"), unpaid());
    }
    for number in 31..=60 {
        run.push(EventBody::TaskBlocked { task_id: id(&format!("T{number:03}")), by: id("T001") });
    }
    run.finish(RunStatus::Limited, 8);
    let summary = summary(&run.spec, &run.view, &EndPaths::default(), &SCREEN);
    assert!(summary.lines().count() < 60);
    assert!(summary.contains("and 10 more failed"), "{summary}");
    assert!(summary.contains("and 20 more"), "{summary}");
    assert!(summary.ends_with("again    orchestrate --plan plans/phase3.md --allow-paid --reason TEXT\n"));
}

fn unpaid() -> Verdict {
    Verdict {
        failure: Some(Failure::new(FailureKind::PaymentNotApproved, "only layers 6 and 7 are left")),
        decided_by: None,
        witnesses: Vec::new(),
        notes: Vec::new(),
    }
}

#[test]
fn the_picture_of_why() {
    let run = picture_ended();
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T006"), &SCREEN)), @r#"
    |T006  Accessibility audit   failed: output_missing   2 attempts, 2m 32s, $0.00
    |
    |attempt 2   cline · minimax/minimax-m2.1 (layer 4)   2m 02s
    |  process      agrees      ended by itself, exit 0
    |  events       agrees      14 turns, no error
    |  completion   agrees      succeeded: "Audit written to plans/audit/a11y.md"
    |  outputs      disagrees   plans/audit/a11y.md does not exist        <- decides
    |  verify       not asked
    |  last words   I have completed the audit
    |               and saved the report.
    |attempt 1   opencode · opencode/big-pickle (layer 2)   8s
    |  events       disagrees   429 "Rate limit exceeded", retry after 60s  -> layer 4
    |
    |what to do
    |  orchestrate logs T006                what it printed
    |  orchestrate retry T006 --layer 5     again, by another model
    |  orchestrate retry T006 --say TEXT    again, with a word to the agent
    "#);
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T007"), &SCREEN)), @r"
    |T007  Summary report   blocked
    |  blocked by T006
    |
    |what to do
    |  orchestrate why T006                 what blocks it
    |  orchestrate retry T006               again, and this one after it
    ");
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T001"), &SCREEN)), @r"
    |T001  Create the users table   succeeded   1 attempt, 1m 12s, $0.00
    |
    |attempt 1   kilo · kilo/z-ai/glm-4.7 (layer 3)   1m 12s
    |  last words   I have completed the audit
    |               and saved the report.
    |
    |what to do
    |  orchestrate diff T001                what it changed
    |  orchestrate logs T001                what it printed
    ");
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T9\u{1b}[2J"), &SCREEN)), @r"|run 01JD8Q3ZK7V0N4M2E6T9QW5XRB has no task `T9`");
}

#[test]
fn why_of_every_other_standing() {
    let run = gated();
    let all: Vec<String> =
        run.spec.tasks.iter().map(|task| why(&run.spec, &run.view, &task.id, &NARROW)).collect();
    assert_snapshot!(joined(&all), @r#"
    |T001  Build   succeeded   1 attempt, 30s, $0.00
    |
    |attempt 1   kilo · kilo/z-ai/glm-4.7 (layer 3)   30s
    |  last words   I have completed the audit
    |               and saved the report.
    |
    |what to do
    |  orchestrate diff T001                what it changed
    |  orchestrate logs T001                what it printed
    |
    |T002  Deploy   held
    |  held: gate "approval"
    |
    |what to do
    |  orchestrate approve approval --resume   let the gate pass, and go on
    |
    |T003  Tell the world   held
    |  held: needs T002
    |
    |what to do
    |  orchestrate why T002                 what holds the task that it needs
    |
    |T004  What is this   held
    |  held: unknown-marker `%`
    |
    |what to do
    |  orchestrate check plans/phase3.md    where that stands in the plan
    |
    |T005  Nice to have   held
    |  held: optional
    |
    |what to do
    |  orchestrate --plan plans/phase3.md --only T005   run it all the same
    "#);
}

#[test]
fn why_tells_what_was_passed_over_and_what_was_not_seen() {
    let mut run = Sample::new(seven());
    run.spec.agents.get_mut("kilo").unwrap().found = None;
    run.start().begin("T006", rung(2)).at(8).limited("T006", 2, 4).begin("T006", rung(4)).at(100);
    let mut verdict = no_audit();
    verdict
        .witnesses
        .insert(0, witness(WitnessName::Model, None, "the agent does not say which model answered"));
    verdict.notes.push("2 processes were left behind and ended".to_owned());
    run.fail("T006", verdict);
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T006"), &WIDE)), @r#"
    |T006  Accessibility audit   failed: output_missing   2 attempts, 1m 40s, $0.00
    |
    |attempt 2   cline · minimax/minimax-m2.1 (layer 4)   1m 32s
    |  model        not observable  the agent does not say which model answered
    |  process      agrees          ended by itself, exit 0
    |  events       agrees          14 turns, no error
    |  completion   agrees          succeeded: "Audit written to plans/audit/a11y.md"
    |  outputs      disagrees       plans/audit/a11y.md does not exist        <- decides
    |  verify       not asked
    |  note         2 processes were left behind and ended
    |  last words   I have completed the audit
    |               and saved the report.
    |attempt 1   opencode · opencode/big-pickle (layer 2)   8s
    |  events       disagrees   429 "Rate limit exceeded", retry after 60s    -> layer 3 not installed, layer 4
    |
    |what to do
    |  orchestrate logs T006                what it printed
    |  orchestrate retry T006 --layer 5     again, by another model
    |  orchestrate retry T006 --say TEXT    again, with a word to the agent
    "#);
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T006"), &NARROW)), @r#"
    |T006  Accessibility audit   failed: output_missing   2 attempts, 1m 40s, $0.00
    |
    |attempt 2   cline · minimax/minimax-m2.1 (layer 4)   1m 32s
    |  model        not observable  the agent does not
    |                               say which model
    |                               answered
    |  process      agrees          ended by itself,
    |                               exit 0
    |  events       agrees          14 turns, no error
    |  completion   agrees          succeeded: "Audit
    |                               written to
    |                               plans/audit/a11y.md"
    |  outputs      disagrees       plans/audit/a11y.md
    |                               does not exist  <- decides
    |  verify       not asked
    |  note         2 processes were left behind and
    |               ended
    |  last words   I have completed the audit
    |               and saved the report.
    |attempt 1   opencode · opencode/big-pickle (layer 2)   8s
    |  events       disagrees   429 "Rate limit
    |                           exceeded", retry after
    |                           60s  -> layer 3 not installed, layer 4
    |
    |what to do
    |  orchestrate logs T006                what it printed
    |  orchestrate retry T006 --layer 5     again, by another model
    |  orchestrate retry T006 --say TEXT    again, with a word to the agent
    "#);
}

#[test]
fn every_failure_has_something_to_do() {
    let mut run = picture();
    run.at(200);
    for kind in FailureKind::ALL {
        let task = run.view.task(&id("T006")).unwrap();
        let steps = steps(kind, &run.spec, task);
        assert!(!steps.is_empty(), "{kind}");
        assert!(steps.iter().all(|step| step.command.starts_with("orchestrate ")), "{kind}");
        assert_eq!(advice(kind, &run.spec, task).len(), steps.len());
    }
    let task = run.view.task(&id("T006")).unwrap();
    assert_snapshot!(joined(&advice(FailureKind::ReportedBlocked, &run.spec, task)), @r"
    |orchestrate retry T006 --say TEXT    answer what it asks for
    |orchestrate logs T006                what it tried
    ");
    assert_snapshot!(joined(&advice(FailureKind::NotLoggedIn, &run.spec, task)), @r"
    |orchestrate doctor                   who is logged in, and how to log in
    |orchestrate retry T006               again, once it is logged in
    |orchestrate retry T006 --layer 5     again, by another model
    ");
    assert_snapshot!(joined(&advice(FailureKind::PaymentNotApproved, &run.spec, task)), @r"
    |orchestrate models list                                         what the paid layers are
    |orchestrate --plan plans/phase3.md --allow-paid --reason TEXT   approve them
    ");
}

#[test]
fn status_of_a_live_a_dead_and_an_ended_run() {
    let run = picture();
    assert_snapshot!(framed(&status(&run.spec, &run.view, Liveness::Alive, &SCREEN, at(170))), @r#"
    |run 01JD8Q3ZK7V0N4M2E6T9QW5XRB   running for 2m 50s by anvil:4711
    |    plans/phase3.md   Phase 3
    |  ! gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ✓ T001  Create the users…   kilo · glm-4.7           1m 12s
    |  ✗ T006  Accessibility aud…  cline · minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |  ▶ T002  Hash passwords      opencode · big-pickle       58s
    |  ▶ T004  Write the guide     cline · minimax-m2.1        41s
    |  · T003  Issue tokens
    |  · T007  Summary report      blocked by T006
    |  2 of 7 done · 1 failed · 2 running · 1 waiting · 1 blocked    2m 50s  $0.00
    "#);
    assert_snapshot!(framed(&status(&run.spec, &run.view, Liveness::Dead, &SCREEN, at(900))), @r#"
    |run 01JD8Q3ZK7V0N4M2E6T9QW5XRB   its supervisor anvil:4711 is gone, last seen 12m ago
    |    plans/phase3.md   Phase 3
    |  ! gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ✓ T001  Create the users…   kilo · glm-4.7           1m 12s
    |  ✗ T006  Accessibility aud…  cline · minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |  ▶ T002  Hash passwords      opencode · big-pickle   its end was not seen
    |  ▶ T004  Write the guide     cline · minimax-m2.1    its end was not seen
    |  · T003  Issue tokens
    |  · T007  Summary report      blocked by T006
    |  2 of 7 done · 1 failed · 2 running · 1 waiting · 1 blocked    2m 40s  $0.00
    |  next     orchestrate resume
    "#);
    let run = picture_ended();
    assert_snapshot!(framed(&status(&run.spec, &run.view, Liveness::Ended, &SCREEN, at(900))), @r#"
    |run 01JD8Q3ZK7V0N4M2E6T9QW5XRB   failed, exit 1, 2m ago
    |    plans/phase3.md   Phase 3
    |  ! gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ✓ T001  Create the users…   kilo · glm-4.7           1m 12s
    |  ✓ T002  Hash passwords      opencode · big-pickle    3m 08s
    |  ✓ T003  Issue tokens        kilo · glm-4.7           6m 40s
    |  ✓ T004  Write the guide     cline · minimax-m2.1     9m 55s
    |  ✗ T006  Accessibility aud…  cline · minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |  · T007  Summary report      blocked by T006
    |  5 of 7 done · 1 failed · 1 blocked                            12m 04s  $0.00
    |  next     orchestrate retry
    "#);
    let run = gated();
    assert_snapshot!(framed(&status(&run.spec, &run.view, Liveness::Alive, &SCREEN, at(40))), @r#"
    |run 01JD8Q3ZK7V0N4M2E6T9QW5XRB   running for 40s by anvil:4711
    |    plans/phase3.md   Phase 3
    |  ‖ gate "approval" waits for a person  (orchestrate approve approval)
    |  ✓ T001  Build           kilo · glm-4.7              30s
    |  ‖ T002  Deploy          held: gate "approval"
    |  · T003  Tell the world  held: needs T002
    |  · T004  What is this    held: unknown-marker `%`
    |  · T005  Nice to have    held: optional
    |  1 of 5 done · 4 held                                          40s  $0.00
    "#);
    let run = many();
    let text = status(&run.spec, &run.view, Liveness::Alive, &SCREEN, at(100));
    assert!(text.lines().count() < 45, "{text}");
    assert!(text.contains("143 more pending"), "{text}");
}

#[test]
fn runs_are_a_line_each() {
    let counts = |pairs: &[(TaskStatus, u32)]| pairs.iter().copied().collect();
    let list = [
        RunSummary {
            run_id: seven().run_id,
            plan: "plans/phase3.md".to_owned(),
            status: RunStatus::Running,
            host: "anvil".to_owned(),
            pid: 4711,
            counts: counts(&[
                (TaskStatus::Succeeded, 3),
                (TaskStatus::Running, 2),
                (TaskStatus::Failed, 1),
                (TaskStatus::Skipped, 1),
            ]),
            exit_code: None,
            started_at: at(0),
            updated_at: at(95),
        },
        RunSummary {
            run_id: crate::model::ids::RunId("01JD8Q3ZK7V0N4M2E6T9QW5XRA".to_owned()),
            plan: "docs/plans/a-plan-with-quite-a-long-name.md".to_owned(),
            status: RunStatus::Waiting,
            host: "anvil".to_owned(),
            pid: 4710,
            counts: counts(&[(TaskStatus::Succeeded, 3), (TaskStatus::Held, 2)]),
            exit_code: Some(9),
            started_at: Timestamp(START - 90_000_000),
            updated_at: Timestamp(START - 9_000_000),
        },
    ];
    assert_snapshot!(framed(&runs(&list, &SCREEN, at(100))), @r"
    |  ▶ 01JD8Q3ZK7V0N4M2E6T9QW5XRB  running    plans/phase3.md                   just now  3 of 6 done, 1 failed, 2 running  anvil:4711
    |  ‖ 01JD8Q3ZK7V0N4M2E6T9QW5XRA  waiting    docs/plans/a-plan-with-quite-a-…    2h ago  3 of 5 done
    ");
    assert_snapshot!(framed(&runs(&list, &ASCII, at(100))), @r"
    |  run   01JD8Q3ZK7V0N4M2E6T9QW5XRB  running    plans/phase3.md                   just now  3 of 6 done, 1 failed, 2 running  anvil:4711
    |  gate  01JD8Q3ZK7V0N4M2E6T9QW5XRA  waiting    docs/plans/a-plan-with-quite-...    2h ago  3 of 5 done
    ");
    assert_snapshot!(framed(&runs(&[], &SCREEN, at(100))), @r"|no run is known here");
}

#[test]
fn the_report_for_people() {
    let mut run = picture_ended();
    run.spec.tasks[6].title = "Sum | *up* <b>[all](x)</b>\u{1b}[31m".to_owned();
    run.view.tasks[6].title = run.spec.tasks[6].title.clone();
    run.view.approved.insert("approval".to_owned());
    run.view.gates_reached.insert("release".to_owned());
    assert_snapshot!(framed(&markdown(&run.spec, &run.view, &result(&run))), @r#"
    |# Phase 3
    |
    |**failed**: 4 succeeded, 1 failed, 1 blocked.
    |
    |- run: `01JD8Q3ZK7V0N4M2E6T9QW5XRB`
    |- plan: `plans/phase3.md`
    |- time: 2026-11-24T12:00:00.000Z to 2026-11-24T12:12:04.000Z (12m 04s)
    |- cost: \$0.00, 749k tokens
    |- exit code: 1 (the run ended and at least one task did not succeed)
    |- supervised by: `anvil:4711`
    |
    |## Not done
    |
    |### T006: Accessibility audit
    |
    |**failed**: output\_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |
    |Attempt 1, opencode · opencode/big-pickle, layer 2, 8s: failed, `rate_limited` (429 "Rate limit exceeded", retry after 60s)
    |
    || witness | says | saw |
    || --- | --- | --- |
    || process | agrees | exit 0 |
    || events | disagrees | 429 "Rate limit exceeded", retry after 60s |
    |
    |Last words:
    |
    |```text
    |I have completed the audit
    |and saved the report.
    |```
    |
    |Attempt 2, cline · minimax/minimax-m2.1, layer 4, 2m 02s: failed, `output_missing` (the agent said "succeeded", but plans/audit/a11y.md was not written)
    |
    || witness | says | saw |
    || --- | --- | --- |
    || process | agrees | ended by itself, exit 0 |
    || events | agrees | 14 turns, no error |
    || completion | agrees | succeeded: "Audit written to plans/audit/a11y.md" |
    || outputs | disagrees | plans/audit/a11y.md does not exist |
    || verify | not asked |  |
    |
    |Last words:
    |
    |```text
    |I have completed the audit
    |and saved the report.
    |```
    |
    |What to do:
    |
    |- `orchestrate logs T006`: what it printed
    |- `orchestrate retry T006 --layer 5`: again, by another model
    |- `orchestrate retry T006 --say TEXT`: again, with a word to the agent
    |
    |### T007: Sum \| \*up\* \<b\>\[all\](x)\</b\>
    |
    |**blocked**: blocked by T006
    |
    |What to do:
    |
    |- `orchestrate why T006`: what blocks it
    |- `orchestrate retry T006`: again, and this one after it
    |
    |## Tasks
    |
    || task | title | status | attempts | by | time | cost |
    || --- | --- | --- | --- | --- | --- | --- |
    || T000 | Read the notes | skipped: done | 0 |  |  |  |
    || T001 | Create the users table | succeeded | 1 | kilo · kilo/z-ai/glm-4.7 | 1m 12s | \$0.00 |
    || T002 | Hash passwords | succeeded | 1 | opencode · opencode/big-pickle | 3m 08s | \$0.00 |
    || T003 | Issue tokens | succeeded | 1 | kilo · kilo/z-ai/glm-4.7 | 6m 40s | \$0.00 |
    || T004 | Write the guide | succeeded | 2 | cline · minimax/minimax-m2.1 | 9m 55s | \$0.00 |
    || T006 | Accessibility audit | failed: output\_missing | 2 | cline · minimax/minimax-m2.1 | 2m 02s | \$0.00 |
    || T007 | Sum \| \*up\* \<b\>\[all\](x)\</b\> | blocked by T006 | 0 |  |  |  |
    |
    |## Gates
    |
    |- approval: approved
    |- release: waits for a person, `orchestrate approve release --resume`
    |
    |## Warnings
    |
    |- agent-missing: gemini is not installed: layer 1 is left out (orchestrate doctor)
    |
    |## Commands
    |
    || task | as | command |
    || --- | --- | --- |
    || T001 | verify | `cargo test -p db` |
    || T001 | verify | `cargo test \| tee log` |
    "#);
}

#[test]
fn the_result_is_one_document_with_the_promised_fields() {
    let run = picture_ended();
    let result = result(&run);
    let text = result_json(&result);
    assert!(text.ends_with("}\n"));
    assert_eq!(serde_json::from_str::<RunResult>(&text).unwrap(), result);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], "run-result/v1");
    let attempt = &value["tasks"][5]["attempts"][1];
    for field in [
        "attempt",
        "agent",
        "model",
        "layer",
        "status",
        "failure",
        "started_at",
        "ended_at",
        "cost_usd",
        "tokens",
        "completion",
        "witnesses",
    ] {
        assert!(attempt.get(field).is_some(), "{field}");
    }
    let head: String = text.lines().take(12).map(|line| format!("{line}\n")).collect();
    assert_snapshot!(framed(&head), @r#"
    |{
    |  "schema": "run-result/v1",
    |  "run_id": "01JD8Q3ZK7V0N4M2E6T9QW5XRB",
    |  "plan": "plans/phase3.md",
    |  "status": "failed",
    |  "exit_code": 1,
    |  "counts": {
    |    "blocked": 1,
    |    "failed": 1,
    |    "skipped": 1,
    |    "succeeded": 4
    |  },
    "#);
}

#[test]
fn a_log_shows_life_after_five_quiet_minutes() {
    let page = Page::default();
    let run = picture();
    let mut reporter = plain(Box::new(page.clone()), Style::PLAIN);
    tell(&run, &mut *reporter);
    let before = page.len();
    reporter.tick(&run.spec, &run.view, at(160 + 299));
    assert_eq!(page.len(), before);
    reporter.tick(&run.spec, &run.view, at(160 + 300));
    reporter.tick(&run.spec, &run.view, at(160 + 301));
    reporter.tick(&run.spec, &run.view, at(160 + 600));
    assert_snapshot!(framed(&page.text()[before..]), @r"
    |7:40  2 running, 1 waiting: T002 5m 48s, T004 5m 31s
    |12:40  2 running, 1 waiting: T002 10m 48s, T004 10m 31s
    ");
    let many = many();
    let mut reporter = plain(Box::new(page.clone()), Style::PLAIN);
    let before = page.len();
    reporter.tick(&many.spec, &many.view, at(400));
    assert_snapshot!(framed(&page.text()[before..]), @r"
    |6:40  40 running, 5 retrying, 155 waiting: T002 6m 36s, phase-one-of-the-plan/the-first-task-of-all 6m 35s, T003 6m 34s, T004 6m 32s, and 36 more
    ");
}

/// What a screen of 80 columns and 24 lines shows.
fn screen(bytes: &str, rows: u16, columns: u16) -> vt100::Parser {
    let size = |number: u16| std::num::NonZeroU16::new(number).unwrap();
    let mut parser = vt100::Parser::new(size(rows), size(columns), 1_000);
    parser.process(bytes.as_bytes());
    parser
}

fn shown(parser: &vt100::Parser) -> String {
    framed(parser.screen().contents().trim_end_matches('\n'))
}

#[test]
fn a_screen_has_lines_that_stay_above_a_region() {
    let page = Page::default();
    let run = picture();
    let mut reporter = live(Box::new(page.clone()), WIDE);
    let mut view = RunView::new(&run.spec);
    for event in &run.events {
        view.apply(event).unwrap();
        reporter.event(event, &run.spec, &view);
        reporter.tick(&run.spec, &view, event.at);
    }
    reporter.doing(&AttemptKey::new(id("T002"), 1), "edit src/auth.rs");
    reporter.tick(&run.spec, &view, at(161));
    let parser = screen(&page.text(), 24, 110);
    assert_snapshot!(shown(&parser), @r#"
    |    plans/phase3.md: 7 tasks (1 done before), 4 at once, worktrees, free layers 1 to 5
    |  ! gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ↻ T004  Write the guide         opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ↻ T006  Accessibility audit     opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ✓ T001  Create the users table  kilo · glm-4.7           1m 12s
    |  ✗ T006  Accessibility audit     cline · minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |─────────────────────────────────────────────────────────────────────────────────────────────────────────────
    |  ▶ T002  Hash passwords          opencode · big-pickle       49s  edit src/auth.rs
    |  ▶ T004  Write the guide         cline · minimax-m2.1        32s
    |  2 of 7 done · 1 failed · 2 running · 1 waiting · 1 blocked    2m 41s  $0.00
    "#);
    // Whatever ends the process leaves a clean last line.
    assert_eq!(parser.screen().cursor_position(), (11, 0));

    reporter.suspend();
    assert_snapshot!(shown(&screen(&page.text(), 24, 110)), @r#"
    |    plans/phase3.md: 7 tasks (1 done before), 4 at once, worktrees, free layers 1 to 5
    |  ! gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ↻ T004  Write the guide         opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ↻ T006  Accessibility audit     opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ✓ T001  Create the users table  kilo · glm-4.7           1m 12s
    |  ✗ T006  Accessibility audit     cline · minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    "#);
    reporter.line("a word from somebody else");
    reporter.tick(&run.spec, &view, at(162));
    let ended = picture_ended();
    for event in &ended.events[run.events.len()..] {
        view.apply(event).unwrap();
        reporter.event(event, &run.spec, &view);
        reporter.tick(&run.spec, &view, event.at);
    }
    reporter.finish(&run.spec, &view, &paths(), at(724));
    let parser = screen(&page.text(), 30, 110);
    assert_snapshot!(shown(&parser), @r#"
    |    plans/phase3.md: 7 tasks (1 done before), 4 at once, worktrees, free layers 1 to 5
    |  ! gemini is not installed: layer 1 is left out  (orchestrate doctor)
    |  ↻ T004  Write the guide         opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ↻ T006  Accessibility audit     opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ✓ T001  Create the users table  kilo · glm-4.7           1m 12s
    |  ✗ T006  Accessibility audit     cline · minimax-m2.1     2m 02s  output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |a word from somebody else
    |  ✓ T002  Hash passwords          opencode · big-pickle    3m 08s
    |  ✓ T003  Issue tokens            kilo · glm-4.7           6m 40s
    |  ✓ T004  Write the guide         cline · minimax-m2.1     9m 55s
    |  2 not done
    |  ✗ T006  Accessibility audit   output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |          orchestrate why T006
    |  · T007  Summary report        blocked by T006
    |
    |  4 succeeded, 1 failed, 1 blocked in 12m 04s · $0.00 · 749k tokens
    |  branch   orchestrate/01JD8Q3ZK7V0N4M2E6T9QW5XRB   5 commits   (orchestrate land)
    |  report   plans/agent-shared/runs/01JD8Q3ZK7V0N4M2E6T9QW5XRB/report.md
    |  again    orchestrate retry
    "#);
    assert_eq!(parser.screen().cursor_position().1, 0);
}

#[test]
fn a_full_screen_scrolls_and_keeps_one_region() {
    let page = Page::default();
    let mut run = Sample::new(spec((1..=100).map(|n| task(&format!("T{n:03}"), "Build it")).collect()));
    run.start();
    for number in 1..=60 {
        let name = format!("T{number:03}");
        run.at(number).begin(&name, rung(3));
        if number > 30 {
            let other = format!("T{:03}", number - 30);
            run.succeed(&other);
        }
    }
    let mut reporter = live(Box::new(page.clone()), SCREEN);
    let mut view = RunView::new(&run.spec);
    for event in &run.events {
        view.apply(event).unwrap();
        reporter.event(event, &run.spec, &view);
        reporter.tick(&run.spec, &view, event.at);
    }
    reporter.tick(&run.spec, &view, at(61));
    let mut parser = screen(&page.text(), 24, 80);
    let text = parser.screen().contents();
    assert_eq!(text.lines().filter(|line| line.starts_with("───")).count(), 1, "{text}");
    assert!(text.contains("and 11 more running"), "{text}");
    // What ended is in the scrollback, once each and in order.
    let mut ended: Vec<String> = Vec::new();
    for back in (0..=100).rev() {
        parser.screen_mut().set_scrollback(back);
        let first = parser.screen().contents().lines().next().unwrap_or_default().to_owned();
        if first.contains('✓') && ended.last() != Some(&first) {
            ended.push(first);
        }
    }
    let expected: Vec<String> = (1..=30).map(|number| format!("T{number:03}")).collect();
    let ids: Vec<String> = ended.iter().map(|line| line.chars().skip(4).take(4).collect()).collect();
    assert_eq!(ids, expected);
}

#[test]
fn a_terminal_that_becomes_narrow_keeps_one_region() {
    let page = Page::default();
    let run = picture();
    let mut reporter = live(Box::new(page.clone()), SCREEN);
    tell(&run, &mut *reporter);
    reporter.tick(&run.spec, &run.view, at(161));
    let before = page.len();
    // A terminal that wraps what it shows anew: four lines of 80 columns are seven of 50.
    reporter.resize(50, 24);
    reporter.tick(&run.spec, &run.view, at(162));
    let text = page.text();
    assert!(text[before..].starts_with("\r\u{1b}[8A"), "{:?}", &text[before..before + 12]);
    reporter.resize(50, 24);
    reporter.suspend();
}

#[test]
fn nothing_is_drawn_more_often_than_ten_times_a_second_nor_without_a_change() {
    let page = Page::default();
    let run = picture();
    let mut reporter = live(Box::new(page.clone()), SCREEN);
    tell(&run, &mut *reporter);
    assert_eq!(page.len(), 0, "events alone draw nothing");
    reporter.tick(&run.spec, &run.view, at(161));
    let first = page.len();
    reporter.doing(&AttemptKey::new(id("T002"), 1), "edit src/auth.rs");
    reporter.tick(&run.spec, &run.view, at(161) + Duration::from_millis(99));
    assert_eq!(page.len(), first, "too soon");
    reporter.tick(&run.spec, &run.view, at(161) + Duration::from_millis(100));
    let second = page.len();
    assert!(second > first);
    reporter.doing(&AttemptKey::new(id("T002"), 1), "edit src/auth.rs");
    reporter.tick(&run.spec, &run.view, at(161) + Duration::from_millis(300));
    assert_eq!(page.len(), second, "nothing changed");
    reporter.tick(&run.spec, &run.view, at(162));
    assert!(page.len() > second, "a second passed");
}

#[test]
fn a_reader_that_is_gone_ends_the_printing() {
    struct Gone;
    impl std::io::Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let run = picture_ended();
    let reporters = [
        live(Box::new(Gone), SCREEN),
        plain(Box::new(Gone), SCREEN),
        quiet(Box::new(Gone), SCREEN),
        ndjson(Box::new(Gone)),
    ];
    for mut reporter in reporters {
        tell(&run, &mut *reporter);
        reporter.tick(&run.spec, &run.view, at(800));
        reporter.suspend();
        reporter.finish(&run.spec, &run.view, &paths(), at(800));
    }
}

#[test]
fn colours_change_nothing_but_colours() {
    let run = picture();
    let colored = Style { color: true, ..SCREEN };
    let plain_lines = region(&run.spec, &run.view, &doing(), &SCREEN, at(160));
    let lines = region(&run.spec, &run.view, &doing(), &colored, at(160));
    assert_ne!(lines, plain_lines);
    let strip = |line: &String| {
        let mut out = String::new();
        for (place, part) in line.split('\u{1b}').enumerate() {
            out.push_str(if place == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        out
    };
    assert_eq!(lines.iter().map(strip).collect::<Vec<_>>(), plain_lines);
}
