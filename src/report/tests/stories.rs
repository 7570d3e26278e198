//! `why` of every standing on a screen of 80 columns and 24 lines, and that it always fits.

use crate::model::event::EventBody;
use crate::model::failure::{Failure, FailureKind};
use crate::model::result::RunResult;
use crate::model::status::AttemptStatus;
use crate::model::task::{EdgeRule, Need};
use crate::model::verdict::{Doubt, DoubtKind, Verdict, Witness, WitnessName};
use crate::report::printed::Printed;
use crate::report::sample::{SCREEN, Sample, gated, id, picture, picture_ended, rung, seven, witness};
use crate::report::tests::framed;
use crate::report::{Liveness, Style, line_json, markdown, summary, text, why_document, why_with};

fn not_asked(name: WitnessName, why: &str) -> Witness {
    Witness { name, agrees: None, asked: false, seen: why.to_owned() }
}

/// A verdict with every witness, as the judge makes it.
fn whole(decides: Option<(WitnessName, FailureKind, &str)>) -> Verdict {
    let agrees = [
        (WitnessName::Process, "ended by itself, exit 0"),
        (WitnessName::Events, "31 turns, no error"),
        (WitnessName::Completion, "succeeded: \"Hashed passwords with argon2 and made the tests pass\""),
        (WitnessName::Outputs, "src/password.rs there and changed"),
        (WitnessName::Change, "src/password.rs changed"),
        (WitnessName::Model, "asked opencode/big-pickle, answered opencode/big-pickle"),
        (WitnessName::Verify, "`cargo test -p db` exit 0"),
    ];
    let mut witnesses: Vec<Witness> = agrees
        .iter()
        .map(|(name, seen)| match decides {
            Some((decides, _, seen)) if decides == *name => witness(*name, Some(false), seen),
            Some(_) | None => witness(*name, Some(true), seen),
        })
        .collect();
    witnesses.push(not_asked(WitnessName::Ownership, "shared checkout"));
    witnesses.push(not_asked(WitnessName::Merge, "shared checkout"));
    Verdict {
        failure: decides.map(|(_, kind, seen)| Failure::new(kind, seen)),
        decided_by: decides.map(|(name, _, _)| name),
        witnesses,
        ..Verdict::default()
    }
}

fn doubt(kind: DoubtKind, path: &str, seen: &str) -> Doubt {
    Doubt { kind, path: path.to_owned(), seen: seen.to_owned() }
}

fn doubts() -> Vec<Doubt> {
    vec![
        doubt(DoubtKind::TestsDeleted, "tests/login_old.rs", "deleted, with 4 tests"),
        doubt(DoubtKind::TestsRemoved, "tests/login.rs", "2 of 7 tests removed, by it or by T004"),
        doubt(DoubtKind::CheckWeakened, ".github/workflows/ci.yml", "1 place more lets failures pass"),
    ]
}

/// Four attempts over three layers; the last one fails its check.
fn over_three_layers() -> Sample {
    let mut run = Sample::new(seven());
    run.spec.tasks[2].verify = vec!["cargo test -p db".to_owned()];
    run.start().begin("T002", rung(2)).at(8).limited("T002", 2, 3).begin("T002", rung(3)).at(95);
    let killed = (WitnessName::Process, FailureKind::TimedOut, "stopped by us: its 45m 00s passed");
    run.fail_attempt("T002", whole(Some(killed)));
    run.begin("T002", rung(3)).at(190);
    let no =
        (WitnessName::Verify, FailureKind::VerifyFailed, "`cargo test -p db` exits 101: test result: FAILED");
    run.fail_attempt("T002", whole(Some(no)));
    run.begin("T002", rung(4)).at(320);
    let mut verdict = whole(Some(no));
    verdict.notes.push("the agent says succeeded, which is verify_failed".to_owned());
    run.fail("T002", verdict);
    run
}

fn printed() -> Printed {
    Printed {
        verify: "running 12 tests\nthread 'hashes' panicked at tests/password.rs:14:5:\nassertion `left == right` \
                 failed: the cost is 4, and should be at least 19456 KiB of memory as the plan says in its second part\n\
                 test hashes ... FAILED\ntest result: FAILED. 11 passed; 1 failed\n"
            .to_owned(),
        stderr: "warning: unused\n".to_owned(),
        ..Printed::default()
    }
}

fn doubted() -> Sample {
    let mut run = Sample::new(seven());
    run.start().begin("T002", rung(2)).at(188);
    let verdict = Verdict { doubts: doubts(), ..whole(None) };
    run.end("T002", AttemptStatus::Succeeded, verdict);
    run.push(EventBody::TaskSucceeded { task_id: id("T002"), attempt: 1 });
    run
}

fn lost() -> Sample {
    let mut run = Sample::new(seven());
    run.start().begin("T002", rung(2)).at(60);
    let seen = "its supervisor died while it ran";
    let mut witnesses = vec![witness(WitnessName::Process, Some(false), seen)];
    witnesses.extend(
        [
            WitnessName::Events,
            WitnessName::Completion,
            WitnessName::Outputs,
            WitnessName::Change,
            WitnessName::Model,
        ]
        .map(|name| not_asked(name, "the attempt was lost")),
    );
    let failure = Failure::new(FailureKind::Lost, seen);
    let verdict = Verdict {
        failure: Some(failure.clone()),
        decided_by: Some(WitnessName::Process),
        witnesses,
        ..Verdict::default()
    };
    run.end("T002", AttemptStatus::Lost, verdict);
    run.push(EventBody::TaskRetrying {
        task_id: id("T002"),
        attempt: 2,
        at: crate::report::sample::at(65),
        why: failure,
        next: rung(2),
    });
    run
}

fn cancelled() -> Sample {
    let mut run = Sample::new(seven());
    run.start().begin("T002", rung(2)).at(60);
    run.end("T002", AttemptStatus::Cancelled, Verdict::default());
    run.push(EventBody::TaskCancelled { task_id: id("T002"), by: "stop".to_owned() });
    run
}

fn waiting() -> Sample {
    let mut run = picture();
    let need = |task: &str| Need { task: id(task), rule: EdgeRule::Explicit };
    run.spec.tasks[3].needs = vec![need("T001"), need("T002"), need("T004")];
    run
}

fn story(run: &Sample, task: &str, live: Liveness, style: &Style) -> String {
    why_with(&run.spec, &run.view, &id(task), live, &printed(), style)
}

#[test]
fn the_story_of_every_standing() {
    let stories = [
        ("failed over three layers", over_three_layers(), "T002", Liveness::Ended),
        ("succeeded with doubts", doubted(), "T002", Liveness::Ended),
        ("blocked", picture_ended(), "T007", Liveness::Ended),
        ("held by a gate", gated(), "T002", Liveness::Ended),
        ("running", picture(), "T004", Liveness::Alive),
        ("its supervisor is gone", picture(), "T002", Liveness::Dead),
        ("lost", lost(), "T002", Liveness::Alive),
        ("never started", waiting(), "T003", Liveness::Alive),
        ("cancelled", cancelled(), "T002", Liveness::Ended),
    ];
    let mut all = String::new();
    for (name, run, task, live) in &stories {
        let text = story(run, task, *live, &SCREEN);
        assert!(text.lines().count() < SCREEN.height, "{name} does not fit:\n{text}");
        all.extend(["## ", name, "\n", &framed(&text), "\n"]);
    }
    // With INSTA_UPDATE=always the file is written anew.
    insta::with_settings!({ snapshot_path => ".", prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("stories", all);
    });
}

#[test]
fn a_long_story_is_cut_to_the_screen_and_says_where_the_rest_is() {
    let mut run = Sample::new(seven());
    run.start();
    let long = "the provider said that it is overloaded and that one should come back later ".repeat(6);
    for number in 0..30_i64 {
        run.at(number * 10).begin("T002", rung(2)).at(number * 10 + 8);
        run.fail_attempt("T002", whole(Some((WitnessName::Events, FailureKind::Overloaded, &long))));
    }
    run.at(400).begin("T002", rung(3)).at(500);
    let mut verdict = whole(Some((WitnessName::Outputs, FailureKind::OutputMissing, &long)));
    verdict.doubts = (0..20)
        .map(|n| doubt(DoubtKind::TestsRemoved, &format!("tests/a{n}.rs"), "1 of 2 tests removed"))
        .collect();
    verdict.notes = vec![long.clone(); 12];
    run.fail("T002", verdict);
    for style in [SCREEN, Style { height: 40, ..SCREEN }, Style { height: 5, ..SCREEN }] {
        let text = story(&run, "T002", Liveness::Ended, &style);
        let room = style.height.clamp(24, 40);
        assert!(text.lines().count() < room, "{} lines:\n{text}", text.lines().count());
        for words in [
            "outputs",
            "<- decides",
            "! doubt",
            "what to do",
            "more (orchestrate why T002 --output json)",
            "attempts before",
        ] {
            assert!(text.contains(words), "no {words:?} in\n{text}");
        }
        for line in text.lines() {
            assert!(text::width(line) <= style.width, "{line}");
        }
    }
}

#[test]
fn doubts_are_told_in_every_form() {
    let run = doubted();
    let result =
        RunResult::of(&run.spec, &run.view, None, |task, attempt| format!("{}/{attempt}", task.code()));
    assert_eq!(result.tasks[2].attempts[0].doubts, doubts());
    let told = markdown(&run.spec, &run.view, &result);
    assert!(
        told.contains("## Doubts") && told.contains("- doubt: `tests/login.rs`: 2 of 7 tests removed"),
        "{told}"
    );
    let told = super::lasting(&run, &SCREEN);
    assert!(
        told.contains("! T002")
            && told.contains("3 doubts: tests/login_old.rs: deleted, with 4 tests, and 2 more"),
        "{told}"
    );
    assert!(told.contains("✓ T002"), "{told}");
    let told = summary(&run.spec, &run.view, &super::paths(), &SCREEN);
    assert!(told.contains("1 succeeded with doubts") && told.contains("orchestrate why T002"), "{told}");
    let why = why_document(&run.spec, &run.view, &id("T002"), Liveness::Ended, &printed(), &result).unwrap();
    let value: serde_json::Value = serde_json::from_str(&line_json(&why)).unwrap();
    assert_eq!(value["schema"], "why/v1");
    assert_eq!(value["attempts"][0]["doubts"][0]["kind"], "tests_deleted");
    assert_eq!(value["what_to_do"][0]["command"], "orchestrate logs T002");
    assert_eq!(value["printed"], serde_json::Value::Null, "it did not fail");
}

#[test]
fn the_document_holds_the_lines_that_decided() {
    let run = over_three_layers();
    let result =
        RunResult::of(&run.spec, &run.view, None, |task, attempt| format!("{}/{attempt}", task.code()));
    let why = why_document(&run.spec, &run.view, &id("T002"), Liveness::Ended, &printed(), &result).unwrap();
    let printed = why.printed.unwrap();
    assert_eq!(printed.source, "verify");
    assert_eq!(printed.lines.last().unwrap(), "test result: FAILED. 11 passed; 1 failed");
    assert_eq!(why.task.attempts.len(), 4);
}
