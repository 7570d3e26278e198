//! Which events are worth an alert, and that a replay finds the same.

use super::*;
use crate::alert::rules::{STALLED, happenings};
use crate::model::limits::Peaks;
use crate::model::outcome::{Ending, Outcome};
use crate::model::reading::Reading;
use crate::model::status::AttemptStatus;
use crate::model::verdict::Verdict;

fn ended(task: &str, attempt: u32, cost: f64, failure: Option<FailureKind>) -> EventBody {
    EventBody::AttemptEnded {
        task_id: TaskId::new(task),
        attempt,
        status: AttemptStatus::Failed,
        outcome: Some(Outcome {
            ending: Ending::Exited { code: 1 },
            stopped: None,
            left_behind: 0,
            wall_ms: 1,
            peaks: Peaks::default(),
        }),
        reading: Some(Reading { cost_usd: Some(cost), ..Reading::default() }),
        summary: None,
        session_kept: false,
        verdict: Verdict { failure: failure.map(|kind| Failure::new(kind, "seen")), ..Verdict::default() },
    }
}

fn rested(provider: &str, until: Option<Timestamp>) -> EventBody {
    EventBody::ProviderRested {
        provider: provider.to_owned(),
        until,
        trigger: FailureKind::NotLoggedIn,
        evidence: "401".to_owned(),
    }
}

fn reopened(task: &str) -> EventBody {
    EventBody::TaskReopened {
        task_id: TaskId::new(task),
        why: "retry".to_owned(),
        fresh: true,
        layer: None,
        agent: None,
        say: None,
    }
}

fn keys(bodies: Vec<EventBody>) -> Vec<String> {
    let found = happenings(&spec(&["T1", "T2"]), &events(bodies), 0).unwrap();
    found.into_iter().map(|one| one.key).collect()
}

#[test]
fn a_task_that_fails_again_after_a_retry_is_another_failure() {
    let fail = |attempt| {
        let seen = failed("T1", FailureKind::Exited, "code 1");
        vec![started("T1", attempt), ended("T1", attempt, 0.0, Some(FailureKind::Exited)), seen]
    };
    let bodies = [fail(1), vec![reopened("T1")], fail(2)].concat();
    assert_eq!(keys(bodies), ["task_failed:T1:1", "task_failed:T1:2"]);
}

#[test]
fn an_agent_that_needs_help_is_told_once_and_as_that() {
    let blocked = failed("T1", FailureKind::ReportedBlocked, "which key?");
    let found =
        happenings(&spec(&["T1"]), &events([started("T1", 1), ended("T1", 1, 0.0, None), blocked]), 0);
    let found = found.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kinds, [AlertKind::PersonNeeded, AlertKind::TaskFailed]);
    assert_eq!(found[0].title, "T1 needs help");
    assert_eq!(found[0].text, "Do T1\nwhich key?\norchestrate retry T1 --say \"…\"");
}

#[test]
fn a_budget_is_told_at_each_step_once() {
    let reached = |provider: Option<&str>, percent| EventBody::BudgetReached {
        provider: provider.map(str::to_owned),
        month: provider.map(|_| "2026-11".to_owned()),
        percent,
        used_usd: Money::usd(4.0),
        budget_usd: Money::usd(5.0),
    };
    let bodies = vec![
        reached(None, 80),
        reached(None, 80),
        reached(Some("openai"), 80),
        reached(Some("openai"), 100),
        reached(None, 100),
    ];
    let expected = ["budget:80", "budget:openai:2026-11:80", "budget:openai:2026-11:100", "budget:100"];
    assert_eq!(keys(bodies.clone()), expected);
    let found = happenings(&spec(&["T1"]), &events(bodies), 0).unwrap();
    assert_eq!(found[1].title, "80 % of the budget of openai for 2026-11 is spent or reserved");
    assert_eq!(found[1].text, "4.00 USD of 5.00 USD");
}

#[test]
fn stalls_gates_and_providers_are_told() {
    let gate = || EventBody::GateReached { gate: "phase 2".to_owned(), holds: 2 };
    let quiet =
        EventBody::WarningRaised { code: STALLED.to_owned(), message: "quiet".to_owned(), hint: None };
    let other = EventBody::WarningRaised { code: "other".to_owned(), message: "x".to_owned(), hint: None };
    let bodies = vec![
        started("T1", 1),
        ended("T1", 1, 0.0, Some(FailureKind::Stalled)),
        rested("openai", Some(Timestamp(9))),
        rested("openai", None),
        rested("openai", None),
        gate(),
        gate(),
        other,
        quiet,
        run_ended(RunStatus::Waiting),
        run_ended(RunStatus::Failed),
    ];
    let expected = [
        "run_stalled:T1",
        "provider_off:openai",
        "person_needed:gate:phase 2",
        "run_stalled:9",
        "run_ended:1",
        "run_ended:2",
    ];
    assert_eq!(keys(bodies), expected);
}

#[test]
fn what_was_told_before_is_not_told_by_a_replay() {
    let bodies = vec![
        failed("T1", FailureKind::NoLayerLeft, "a"),
        failed("T2", FailureKind::NoLayerLeft, "b"),
        run_ended(RunStatus::Failed),
    ];
    let all = happenings(&spec(&["T1", "T2"]), &events(bodies.clone()), 0).unwrap();
    for after in 0..=3 {
        let rest = happenings(&spec(&["T1", "T2"]), &events(bodies.clone()), after).unwrap();
        assert_eq!(rest, all[usize::try_from(after).unwrap()..]);
    }
}
