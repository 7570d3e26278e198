//! How a run ends on the screen.

use insta::assert_snapshot;

use crate::model::event::EventBody;
use crate::model::failure::{Failure, FailureKind};
use crate::model::status::{AttemptStatus, RunStatus};
use crate::model::task::{Entry, PlanStatus};
use crate::model::verdict::Verdict;
use crate::report::sample::{SCREEN, Sample, gated, id, picture, picture_ended, rung, spec, task};
use crate::report::tests::{NARROW, framed, paths};
use crate::report::{EndPaths, summary};

#[test]
fn the_picture_of_an_end() {
    let run = picture_ended();
    assert_snapshot!(framed(&summary(&run.spec, &run.view, &paths(), &SCREEN)), @r#"
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
    assert_snapshot!(framed(&summary(&run.spec, &run.view, &EndPaths::default(), &NARROW)), @r#"
    |  2 not done
    |  ✗ T006  Accessibi…   output_missing: the agent said "succeeded", but plans/audit/a11y.md was not written
    |          orchestrate why T006
    |  · T007  Summary r…   blocked by T006
    |
    |  4 succeeded, 1 failed, 1 blocked in 12m 04s
    |  used     1 at layer 2, 2 at layer 3, 2 at layer 4 · 0.00 USD · 749k tokens
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
    |  2 succeeded in 1m 00s · 2 at layer 3 · 0.00 USD · 214k tokens
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
    |  1 succeeded, 4 held in 30s · 1 at layer 3 · 0.00 USD · 107k tokens
    |  again    orchestrate approve approval --resume
    "#);
}

#[test]
fn a_run_that_was_stopped_is_resumed() {
    let mut run = picture();
    run.push(EventBody::StopRequested { by: "SIGINT".to_owned() });
    for name in ["T002", "T004"] {
        let stopped = Verdict::default();
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
    |  1 succeeded, 1 failed, 1 blocked, 3 not run in 2m 40s
    |  used     1 at layer 2, 1 at layer 3, 2 at layer 4 · 0.00 USD · 642k tokens
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
    assert!(summary.ends_with("again    orchestrate retry --allow-paid --reason TEXT\n"));
}

fn unpaid() -> Verdict {
    Verdict {
        failure: Some(Failure::new(FailureKind::PaymentNotApproved, "only layers 6 and 7 are left")),
        decided_by: None,
        witnesses: Vec::new(),
        ..Verdict::default()
    }
}

#[test]
fn nothing_to_run_is_said() {
    let mut run = Sample::new(spec(vec![task("T001", "Build"), task("T002", "Test")]));
    for task in &mut run.spec.tasks {
        task.entry = Entry::Skip { why: "done".to_owned() };
        task.plan_status = PlanStatus::Done;
    }
    run.start().finish(RunStatus::Succeeded, 4);
    assert_snapshot!(framed(&summary(&run.spec, &run.view, &EndPaths::default(), &SCREEN)), @r"|  nothing to run: 2 done before");
}
