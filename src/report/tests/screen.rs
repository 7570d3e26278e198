//! What stays and what is redrawn on a screen.

use std::time::Duration;

use insta::assert_snapshot;
use proptest::prelude::{any, prop_assert, proptest};

use crate::model::event::EventBody;
use crate::model::failure::{Failure, FailureKind};
use crate::model::ids::AttemptKey;
use crate::model::view::RunView;
use crate::report::sample::{
    Page, SCREEN, Sample, at, gated, id, limited, picture, picture_ended, rung, seven, spec, task,
};
use crate::report::tests::{ASCII, NARROW, WIDE, doing, framed, joined, lasting, many, paths, tell};
use crate::report::{Doing, Sign, Size, Style, lines, live, live_sized, region, text};

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
    |  4 succeeded, 1 failed, 1 blocked in 12m 04s
    |  used     1 at layer 2, 2 at layer 3, 2 at layer 4 · 0.00 USD · 749k tokens
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
    let width = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(80));
    let size: Size = {
        let width = std::sync::Arc::clone(&width);
        Box::new(move || Some((width.load(std::sync::atomic::Ordering::Relaxed), 24)))
    };
    let mut reporter = live_sized(Box::new(page.clone()), SCREEN, size);
    tell(&run, &mut *reporter);
    reporter.tick(&run.spec, &run.view, at(161));
    let before = page.len();
    // A terminal that wraps what it shows anew: four lines of 80 columns are eight of 50.
    width.store(50, std::sync::atomic::Ordering::Relaxed);
    reporter.tick(&run.spec, &run.view, at(162));
    let text = page.text();
    assert!(text[before..].starts_with("\r\u{1b}[8A"), "{:?}", &text[before..before + 12]);
    assert!(text[before..].contains(&"─".repeat(49)));
    assert!(!text[before..].contains(&"─".repeat(50)));
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

proptest! {
    #[test]
    fn no_line_of_a_region_is_wider_than_its_screen(
        name in any::<String>(),
        title in any::<String>(),
        words in any::<String>(),
        width in 21_usize..140,
        unicode in any::<bool>(),
    ) {
        let style = Style { width, unicode, ..SCREEN };
        let mut run = seven();
        run.tasks[1].id = id(&name);
        run.tasks[1].title = title;
        let layout = lines::Layout::of(&run, &style);
        let words = style.clean(&words);
        let place = rung(5);
        let line = lines::TaskLine {
            sign: Sign::Running,
            id: &run.tasks[1].id,
            title: &run.tasks[1].title,
            rung: Some(&place),
            time: Some(Duration::from_secs(3_599)),
            words: &words,
        };
        let line = layout.line(&line, lines::Fit::Screen, &style);
        prop_assert!(text::width(&line) < width, "{line:?} takes {} of {width}", text::width(&line));
        prop_assert!(!line.chars().any(char::is_control));
        prop_assert!(unicode || line.is_ascii());
    }
}
