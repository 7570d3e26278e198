//! Every kind of event in every form that is told of events.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::Value;

use crate::model::event::{Event, EventBody};
use crate::model::failure::{Failure, FailureKind};
use crate::model::run::RunSpec;
use crate::report::sample::{
    Page, SCREEN, Sample, at, every_kind, id, no_audit, picture, picture_ended, rung, seven,
};
use crate::report::tests::{ASCII, framed, joined, lasting, many, paths, tell};
use crate::report::{Style, lines, live, ndjson, plain, quiet, words};

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
    |  ! plans/phase3.md was changed; this run goes on with it as it was  (later: orchestrate resume --replan)
    |  ‖ gate "approval": 1 task waits behind it  (orchestrate approve approval)
    |  ✓ gate "approval" approved by approve
    |  ■ T003  Issue tokens        opencode · minimax-m2…      40s  stopped by stop
    |  ↻ T006  Accessibility aud…  again: retry, from layer 5, by opencode, told "mind the contrast"
    |  ■ stopping (SIGINT): no new start, running agents are being ended
    |  ■ T005  Deploy              opencode · minimax-m2…      40s  stopped, put back
    |    plans/phase3.md was read again: 1 added, 1 changed
    |    plans/phase3.md: resumed, 2 of 9 done, 4 to run, 1 stopped, 1 blocked, 1 held
    |  ○ T008  Odd box             skipped: the plan says so now
    |  ! T005  Deploy              opencode · minimax-m2…      48s  lost: its supervisor died while it ran
    |  ↻ T005  Deploy              pays: no free layer is back before 1h 00m
    |  ! 80 % of the run's budget is spent or reserved: 1.62 USD of 2.00 USD
    |  ! 100 % of this month's budget of openai is spent or reserved: 2.00 USD of 2.00 USD
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
    |  warn  plans/phase3.md was changed; this run goes on with it as it was  (later: orchestrate resume --replan)
    |  gate  gate "approval": 1 task waits behind it  (orchestrate approve approval)
    |  ok    gate "approval" approved by approve
    |  stop  T003  Issue tokens    opencode / minimax-...      40s  stopped by stop
    |  retry T006  Accessibili...  again: retry, from layer 5, by opencode, told "mind the contrast"
    |  stop  stopping (SIGINT): no new start, running agents are being ended
    |  stop  T005  Deploy          opencode / minimax-...      40s  stopped, put back
    |    plans/phase3.md was read again: 1 added, 1 changed
    |    plans/phase3.md: resumed, 2 of 9 done, 4 to run, 1 stopped, 1 blocked, 1 held
    |  skip  T008  Odd box         skipped: the plan says so now
    |  warn  T005  Deploy          opencode / minimax-...      48s  lost: its supervisor died while it ran
    |  retry T005  Deploy          pays: no free layer is back before 1h 00m
    |  warn  80 % of the run's budget is spent or reserved: 1.62 USD of 2.00 USD
    |  warn  100 % of this month's budget of openai is spent or reserved: 2.00 USD of 2.00 USD
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
    |3:32  warning  plans/phase3.md was changed; this run goes on with it as it was  (later: orchestrate resume --replan)
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
    |5:00  plan     plans/phase3.md was read again: 1 added, 1 changed
    |0:00  plans/phase3.md: resumed, 2 of 9 done, 4 to run, 1 stopped, 1 blocked, 1 held
    |0:00  skipped  T008  the plan says so now
    |0:00  start    T005  Deploy  (opencode · minimax-m2.1:free, layer 5, attempt 2)
    |0:48  lost     T005  attempt 2: its supervisor died while it ran
    |0:48  money    T005  pays: no free layer is back before 1h 00m
    |0:48  budget   80 % of the run's budget is spent or reserved: 1.62 USD of 2.00 USD
    |0:48  budget   100 % of this month's budget of openai is spent or reserved: 2.00 USD of 2.00 USD
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
    |3:32  warning  plans/phase3.md was changed; this run goes on with it as it was  (later: orchestrate resume --replan)
    |3:32  waiting  gate "approval": 1 task waits behind it  (orchestrate approve approval)
    |4:20  stopped  T003  by stop
    |0:48  lost     T005  attempt 2: its supervisor died while it ran
    |0:48  budget   80 % of the run's budget is spent or reserved: 1.62 USD of 2.00 USD
    |0:48  budget   100 % of this month's budget of openai is spent or reserved: 2.00 USD of 2.00 USD
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

#[test]
fn events_that_are_told_at_once_are_told_right() {
    let mut run = Sample::new(seven());
    run.start()
        .begin("T004", rung(2))
        .begin("T002", rung(3))
        .at(8)
        .limited("T004", 2, 4)
        .begin("T004", rung(4));
    run.fail_attempt("T002", no_audit()).push(EventBody::TaskRetrying {
        task_id: id("T002"),
        attempt: 2,
        at: at(8),
        why: Failure::new(FailureKind::OutputMissing, "nothing there"),
        next: rung(3),
    });
    run.begin("T002", rung(3));
    let page = Page::default();
    let mut reporter = plain(Box::new(page.clone()), Style::PLAIN);
    let layout = lines::Layout::of(&run.spec, &SCREEN);
    let mut lasting = Vec::new();
    for event in &run.events {
        // The view is that after the last of them.
        reporter.event(event, &run.spec, &run.view);
        lasting.extend(lines::lasting(event, &run.spec, &run.view, &layout, &SCREEN));
    }
    assert_snapshot!(joined(&lasting), @r"
    |    plans/phase3.md: 7 tasks (1 done before), 4 at once, worktrees, free layers 1 to 5
    |  ↻ T004  Write the guide     opencode: 429, rests 60s; now layer 4, cline · minimax-m2.1
    |  ↻ T002  Hash passwords      kilo · glm-4.7               8s  output_missing: nothing there; attempt 2
    ");
    assert_snapshot!(framed(&page.text()), @r#"
    |0:00  plans/phase3.md: 7 tasks (1 done before), 4 at once, worktrees, free layers 1 to 5
    |0:00  start    T004  Write the guide  (opencode · big-pickle, layer 2)
    |0:00  start    T002  Hash passwords  (kilo · glm-4.7, layer 3)
    |0:08  rests    opencode for 60s: rate_limited: 429 "Rate limit exceeded", retry after 60s
    |0:08  moved    T004  429 from opencode, layer 4 now
    |0:08  start    T004  Write the guide  (cline · minimax-m2.1, layer 4, attempt 2)
    |0:08  retry    T002  output_missing: nothing there, attempt 2
    |0:08  start    T002  Hash passwords  (kilo · glm-4.7, layer 3, attempt 2)
    "#);
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
fn what_a_successful_attempt_left_running_is_told_in_its_line() {
    let mut run = Sample::new(seven());
    run.start().begin("T002", rung(3)).at(5).succeed_leaving("T002", 2);
    run.begin("T003", rung(3)).at(9).succeed_leaving("T003", 1);
    let page = Page::default();
    tell(&run, &mut *plain(Box::new(page.clone()), Style::PLAIN));
    for told in [lasting(&run, &SCREEN), page.text()] {
        assert!(told.contains("5s  left 2 processes running, which were ended"), "{told}");
        assert!(told.contains("4s  left 1 process running, which was ended"), "{told}");
    }
}
