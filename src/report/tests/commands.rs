//! What `why`, `status` and `runs` print, and the advice in them.

use insta::assert_snapshot;

use crate::model::event::EventBody;
use crate::model::failure::FailureKind;
use crate::model::record::RunSummary;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::verdict::WitnessName;
use crate::report::sample::{
    SCREEN, START, Sample, at, gated, id, no_audit, picture, picture_ended, rung, seven, witness,
};
use crate::report::tests::{ASCII, NARROW, WIDE, framed, joined, many};
use crate::report::{Liveness, Style, advice, runs, status, steps, why};

#[test]
fn the_picture_of_why() {
    let run = picture_ended();
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T006"), Liveness::Ended, &SCREEN)), @r#"
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
    |how it moved
    |  layer 2 -> 4 rate_limited, opencode rests 60s, until 12:01:16 UTC: 429 "Rate
    |               limit exceeded", retry after 60s; from opencode · big-pickle to
    |               cline · minimax-m2.1 after attempt 1
    |
    |what to do
    |  orchestrate logs T006                what it printed
    |  orchestrate retry T006 --layer 5     again, by another model
    |  orchestrate retry T006 --say TEXT    again, with a word to the agent
    "#);
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T007"), Liveness::Ended, &SCREEN)), @r"
    |T007  Summary report   blocked
    |  blocked by T006
    |
    |what to do
    |  orchestrate why T006                 what blocks it
    |  orchestrate retry T006               again, and this one after it
    ");
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T001"), Liveness::Ended, &SCREEN)), @r"
    |T001  Create the users table   succeeded   1 attempt, 1m 12s, $0.00
    |
    |attempt 1   kilo · kilo/z-ai/glm-4.7 (layer 3)   1m 12s
    |  last words   I have completed the audit
    |               and saved the report.
    |
    |what to do
    |  orchestrate logs T001                what it printed
    ");
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T9\u{1b}[2J"), Liveness::Ended, &SCREEN)), @r"|run 01JD8Q3ZK7V0N4M2E6T9QW5XRB has no task `T9`");
}

#[test]
fn why_of_a_task_whose_supervisor_died() {
    let run = picture();
    let text = why(&run.spec, &run.view, &id("T002"), Liveness::Dead, &SCREEN);
    assert!(text.contains("the run's supervisor is gone"), "{text}");
    assert!(text.contains("its end was not seen") && !text.contains("under way"), "{text}");
    assert!(text.contains("  orchestrate resume ") && !text.contains("orchestrate stop"), "{text}");
}

#[test]
fn why_of_every_other_standing() {
    let run = gated();
    let all: Vec<String> = run
        .spec
        .tasks
        .iter()
        .map(|task| why(&run.spec, &run.view, &task.id, Liveness::Ended, &NARROW))
        .collect();
    assert_snapshot!(joined(&all), @r#"
    |T001  Build   succeeded   1 attempt, 30s, $0.00
    |
    |attempt 1   kilo · glm-4.7 (layer 3)   30s
    |  last words   I have completed the audit
    |               and saved the report.
    |
    |what to do
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
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T006"), Liveness::Ended, &WIDE)), @r#"
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
    |how it moved
    |  layer 2 -> 4 rate_limited, opencode rests 60s, until 12:01:08 UTC: 429 "Rate limit exceeded", retry after
    |               60s; from opencode · big-pickle to cline · minimax-m2.1 after attempt 1
    |
    |what to do
    |  orchestrate logs T006                what it printed
    |  orchestrate retry T006 --layer 5     again, by another model
    |  orchestrate retry T006 --say TEXT    again, with a word to the agent
    "#);
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T006"), Liveness::Ended, &Style { height: 40, ..NARROW })), @r#"
    |T006  Acces…   failed: output_missing   2 attempts, 1m 40s, $0.00
    |
    |attempt 2   cline · minimax-m2.1 (layer 4)   1m 32s
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
    |attempt 1   opencode · big-pickle (layer 2)   8s
    |  events       disagrees   429 "Rate limit
    |                           exceeded", retry after
    |                           60s  -> layer 3 not installed, layer 4
    |
    |how it moved
    |  layer 2 -> 4 rate_limited, opencode rests 60s,
    |               until 12:01:08 UTC: 429 "Rate
    |               limit exceeded", retry after 60s;
    |               from opencode · big-pickle to
    |               cline · minimax-m2.1 after attempt
    |               1
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
    |orchestrate doctor                   which logins can be seen, and how to log in
    |orchestrate logs T006                what it printed
    |orchestrate retry T006               again, once it is logged in
    |orchestrate retry T006 --layer 5     again, by another model
    ");
    assert_snapshot!(joined(&advice(FailureKind::PaymentNotApproved, &run.spec, task)), @r"
    |orchestrate models                                  what the paid layers are
    |orchestrate retry T006 --allow-paid --reason TEXT   approve them for this run
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
fn why_of_a_task_under_way_that_a_person_sent_back() {
    let mut run = picture();
    run.push(EventBody::TaskReopened {
        task_id: id("T006"),
        why: "retry".to_owned(),
        fresh: true,
        layer: Some(5),
        agent: None,
        say: Some("mind the contrast".to_owned()),
    });
    run.begin("T006", rung(5)).at(200).push(EventBody::AttemptProgressed {
        task_id: id("T006"),
        attempt: 3,
        message: "half of the pages".to_owned(),
    });
    assert_snapshot!(framed(&why(&run.spec, &run.view, &id("T006"), Liveness::Ended, &WIDE)), @r#"
    |T006  Accessibility audit   running   3 attempts, 3m 12s, $0.00
    |  told by `retry`: "mind the contrast"
    |
    |attempt 3   opencode · openrouter/minimax/minimax-m2.1:free (layer 5)   40s   under way
    |  says         half of the pages
    |attempt 2   cline · minimax/minimax-m2.1 (layer 4)   2m 02s
    |  outputs      disagrees   plans/audit/a11y.md does not exist            -> layer 5
    |attempt 1   opencode · opencode/big-pickle (layer 2)   8s
    |  events       disagrees   429 "Rate limit exceeded", retry after 60s    -> layer 4
    |
    |how it moved
    |  layer 2 -> 4 rate_limited, opencode rests 60s, until 12:01:16 UTC: 429 "Rate limit exceeded", retry after
    |               60s; from opencode · big-pickle to cline · minimax-m2.1 after attempt 1
    |
    |what to do
    |  orchestrate logs T006 -f             what it prints
    |  orchestrate stop T006                stop it for good
    "#);
}

/// A hint that names a command which this version does not have is worse than none.
#[test]
fn what_to_do_names_only_commands_that_exist() {
    let mut run = picture();
    run.at(200);
    let known = [
        "orchestrate models",
        "orchestrate doctor",
        "orchestrate logs ",
        "orchestrate retry ",
        "orchestrate resume",
        "orchestrate --plan ",
        "orchestrate why ",
    ];
    let task = run.view.task(&id("T006")).unwrap();
    for kind in FailureKind::ALL {
        for step in steps(kind, &run.spec, task) {
            let command = step.command.as_str();
            assert!(known.iter().any(|known| command.starts_with(known)), "{kind}: {command}");
            assert!(!command.contains("--budget"), "{kind}: {command}");
        }
    }
}
