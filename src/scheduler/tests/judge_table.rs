//! The judge's table walked row by row, and every failure kind with facts that produce it.

use crate::model::completion::{Change, CompletionStatus, Output, Verification};
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, RunId, TaskId};
use crate::model::layer::Rung;
use crate::model::outcome::{AttemptFacts, CheckResult, CompletionFact, Ending, StopReason};
use crate::model::reading::SignSource;
use crate::model::report::ReportFact;
use crate::model::run::{Isolation, RunSpec};
use crate::model::status::AttemptStatus;
use crate::model::task::TaskSpec;
use crate::model::verdict::{Doubt, DoubtKind, Witness, WitnessName};
use crate::scheduler::judge::{Checks, Judgement, Question, judge, lost};

use super::builder::{
    TaskWords as _, check, completion, ended, error, good, path, sign, spec, stopped, task,
};

fn key() -> AttemptKey {
    AttemptKey::new(TaskId::new("T1"), 1)
}

fn rung(agent: &str) -> Rung {
    let layered = agent == "kilo";
    Rung {
        layer: layered.then_some(1),
        agent: agent.to_owned(),
        model: layered.then(|| "kilo/glm".to_owned()),
        provider: layered.then(|| "kilo".to_owned()),
    }
}

fn ask(spec: &RunSpec, agent: &str, facts: &AttemptFacts, checks: Checks<'_>) -> Judgement {
    let key = key();
    let rung = rung(agent);
    judge(&Question { spec, task: &spec.tasks[0], key: &key, rung: &rung, facts, checks })
}

fn done(results: &[CheckResult]) -> Checks<'_> {
    Checks::Done { own: results, wide: &[], together: &[] }
}

struct Case {
    name: &'static str,
    task: TaskSpec,
    agent: &'static str,
    facts: AttemptFacts,
    results: Option<Vec<CheckResult>>,
    /// The failure and the witness that decides; none: a success.
    expected: Option<(FailureKind, WitnessName)>,
}

fn case(name: &'static str, facts: AttemptFacts, expected: Option<(FailureKind, WitnessName)>) -> Case {
    Case { name, task: task("T1"), agent: "kilo", facts, results: None, expected }
}

fn with(mut facts: AttemptFacts, change: impl FnOnce(&mut AttemptFacts)) -> AttemptFacts {
    change(&mut facts);
    facts
}

fn nothing(ending: Ending) -> AttemptFacts {
    with(good(&key()), |facts| {
        facts.outcome = ended(ending, None);
        facts.completion = CompletionFact::Missing;
    })
}

fn cases() -> Vec<Case> {
    use FailureKind as Kind;
    use WitnessName::Events;
    let mut cases = vec![case("all is well", good(&key()), None)];
    // Each terminal error of an agent's events decides against exit code and missing completion.
    for kind in [
        Kind::UsageError,
        Kind::NotLoggedIn,
        Kind::OutOfCredits,
        Kind::RateLimited,
        Kind::Overloaded,
        Kind::ProviderUnreachable,
        Kind::ModelUnknown,
        Kind::ContextOverflow,
        Kind::PermissionRejected,
    ] {
        cases.push(case("a terminal error and exit 1", error(kind), Some((kind, Events))));
        let zero = with(error(kind), |facts| facts.outcome = ended(Ending::Exited { code: 0 }, None));
        cases.push(case("a terminal error and exit 0", zero, Some((kind, Events))));
    }
    cases.extend(endings());
    cases.extend(claims());
    cases.extend(changes());
    cases.extend(checks_and_commands());
    cases
}

fn endings() -> Vec<Case> {
    use FailureKind as Kind;
    use WitnessName::{Events, Process};
    vec![
        case(
            "the program is not there",
            nothing(Ending::NotFound { message: "no such file: /bin/kilo".to_owned() }),
            Some((Kind::AgentNotFound, Process)),
        ),
        case(
            "the program does not start",
            nothing(Ending::FailedToStart { message: "too many open files".to_owned() }),
            Some((Kind::Exited, Process)),
        ),
        case("a wrong code", nothing(Ending::Exited { code: 3 }), Some((Kind::Exited, Process))),
        case(
            "a wrong code beside a completion that says succeeded",
            with(good(&key()), |facts| facts.outcome = ended(Ending::Exited { code: 3 }, None)),
            Some((Kind::Exited, Process)),
        ),
        case(
            "a wrong code for an error that is past",
            with(good(&key()), |facts| {
                facts.outcome = ended(Ending::Exited { code: 1 }, None);
                facts.reading.code_is_past = true;
            }),
            None,
        ),
        case(
            "a wrong code for an error that is past, and no completion",
            with(nothing(Ending::Exited { code: 1 }), |facts| facts.reading.code_is_past = true),
            Some((Kind::NoCompletion, WitnessName::Completion)),
        ),
        case("a foreign signal", nothing(Ending::Killed { signal: 9 }), Some((Kind::Killed, Process))),
        case("our deadline", stopped(StopReason::Deadline), Some((Kind::TimedOut, Process))),
        case("silence", stopped(StopReason::Idle), Some((Kind::Stalled, Process))),
        case(
            "no hope, and nobody says why",
            stopped(StopReason::Hopeless { seen: "the same call 20 times".to_owned() }),
            Some((Kind::Stalled, Process)),
        ),
        case(
            "no hope, because of a provider",
            with(stopped(StopReason::Hopeless { seen: "refused 5 times".to_owned() }), |facts| {
                facts.reading.terminal_error = Some(sign(Kind::NotLoggedIn));
            }),
            Some((Kind::NotLoggedIn, Events)),
        ),
        case(
            "a deadline that passed over a provider's error",
            with(stopped(StopReason::Deadline), |facts| {
                facts.reading.terminal_error = Some(sign(Kind::RateLimited));
            }),
            Some((Kind::RateLimited, Events)),
        ),
        case(
            "too much memory",
            with(stopped(StopReason::OverLimit { seen: "memory 9 GiB".to_owned() }), |facts| {
                facts.reading.terminal_error = Some(sign(Kind::RateLimited));
            }),
            Some((Kind::OverLimit, Process)),
        ),
        case(
            "it hangs after a valid completion",
            with(good(&key()), |facts| {
                facts.outcome = ended(Ending::Killed { signal: 15 }, Some(StopReason::Lingering));
            }),
            None,
        ),
        case(
            "it hangs after a completion that is not valid any more",
            stopped(StopReason::Lingering),
            Some((Kind::Stalled, Process)),
        ),
    ]
}

fn claims() -> Vec<Case> {
    use FailureKind as Kind;
    use WitnessName::Completion;
    vec![
        case("no completion", nothing(Ending::Exited { code: 0 }), Some((Kind::NoCompletion, Completion))),
        case(
            "an invalid completion",
            with(good(&key()), |facts| {
                facts.completion =
                    CompletionFact::Invalid { problems: vec!["status: unknown word".to_owned()] };
            }),
            Some((Kind::BadCompletion, Completion)),
        ),
        case(
            "a completion of another attempt",
            with(good(&key()), |facts| {
                let other = AttemptKey::new(TaskId::new("T1"), 2);
                facts.completion = completion(&other, CompletionStatus::Succeeded);
            }),
            Some((Kind::BadCompletion, Completion)),
        ),
        case(
            "a completion of another task",
            with(good(&key()), |facts| {
                facts.completion =
                    completion(&AttemptKey::new(TaskId::new("T2"), 1), CompletionStatus::Succeeded);
            }),
            Some((Kind::BadCompletion, Completion)),
        ),
        case(
            "a completion of another run",
            with(good(&key()), |facts| {
                if let CompletionFact::Valid { completion } = &mut facts.completion {
                    completion.run_id = RunId("01OTHER".to_owned());
                }
            }),
            Some((Kind::BadCompletion, Completion)),
        ),
        case(
            "it says succeeded, and its events end in an error",
            with(good(&key()), |facts| facts.reading.terminal_error = Some(sign(Kind::RateLimited))),
            Some((Kind::RateLimited, WitnessName::Events)),
        ),
        case(
            "it says succeeded, and crashes after that",
            with(good(&key()), |facts| facts.outcome = ended(Ending::Killed { signal: 11 }, None)),
            Some((Kind::Killed, WitnessName::Process)),
        ),
        case(
            "tests are gone, which is told and not judged",
            with(good(&key()), |facts| facts.doubts = vec![doubt()]),
            None,
        ),
        case(
            "it says that it failed, and exits 1",
            with(good(&key()), |facts| {
                facts.outcome = ended(Ending::Exited { code: 1 }, None);
                facts.completion = completion(&key(), CompletionStatus::Failed);
            }),
            Some((Kind::ReportedFailed, Completion)),
        ),
        case(
            "it says that it is blocked",
            with(good(&key()), |facts| facts.completion = completion(&key(), CompletionStatus::Blocked)),
            Some((Kind::ReportedBlocked, Completion)),
        ),
        case(
            "it says that it failed, and its exit looks like a wrong call",
            with(good(&key()), |facts| {
                facts.outcome = ended(Ending::Exited { code: 1 }, None);
                facts.completion = completion(&key(), CompletionStatus::Failed);
                let mut weak = sign(Kind::UsageError);
                weak.source = SignSource::Exit;
                facts.reading.terminal_error = Some(weak);
            }),
            Some((Kind::ReportedFailed, Completion)),
        ),
    ]
}

fn changes() -> Vec<Case> {
    use FailureKind as Kind;
    use WitnessName::{Change as Changed, Model, Outputs};
    vec![
        case(
            "another model answered",
            with(good(&key()), |facts| facts.reading.model_answered = Some("gpt-9".to_owned())),
            Some((Kind::HierarchyViolation, Model)),
        ),
        case(
            "the model answered under its short name",
            with(good(&key()), |facts| facts.reading.model_answered = Some("GLM".to_owned())),
            None,
        ),
        case(
            "a claimed change that did not happen",
            with(good(&key()), |facts| facts.claims = vec![path("a.rs", true, Some(false))]),
            Some((Kind::NoChange, Changed)),
        ),
        case(
            "one of two claimed changes happened",
            with(good(&key()), |facts| {
                facts.claims = vec![path("a.rs", true, Some(false)), path("b.rs", true, Some(true))];
            }),
            None,
        ),
        case(
            "a change that cannot be seen",
            with(good(&key()), |facts| facts.claims = vec![path("a.rs", true, None)]),
            None,
        ),
        case(
            "an output is missing",
            with(good(&key()), |facts| facts.outputs = vec![path("a.md", false, None)]),
            Some((Kind::OutputMissing, Outputs)),
        ),
        case(
            "an output was there before and was not touched",
            with(good(&key()), |facts| facts.outputs = vec![path("a.md", true, Some(false))]),
            Some((Kind::OutputMissing, Outputs)),
        ),
        case(
            "an output is there",
            with(good(&key()), |facts| facts.outputs = vec![path("a.md", true, Some(true))]),
            None,
        ),
    ]
}

fn checks_and_commands() -> Vec<Case> {
    use FailureKind as Kind;
    use WitnessName::{Completion, Process, Verify};
    vec![
        Case {
            task: task("T1").verify("cargo test"),
            results: Some(vec![check("cargo test", 1)]),
            ..case("a check says no", good(&key()), Some((Kind::VerifyFailed, Verify)))
        },
        Case {
            task: task("T1").verify("cargo test"),
            results: Some(vec![check("cargo test", 0)]),
            ..case("a check says yes", good(&key()), None)
        },
        Case {
            task: task("T1").verify("cargo test"),
            results: Some(Vec::new()),
            ..case("a check that was not run", good(&key()), Some((Kind::VerifyFailed, Verify)))
        },
        Case {
            task: task("T1").verify("cargo test"),
            results: Some(vec![CheckResult { timed_out: true, ..check("cargo test", 0) }]),
            ..case("a check that took too long", good(&key()), Some((Kind::VerifyFailed, Verify)))
        },
        Case {
            agent: "command",
            ..case("a command without a completion", nothing(Ending::Exited { code: 0 }), None)
        },
        Case {
            agent: "command",
            ..case("a command that fails", nothing(Ending::Exited { code: 2 }), Some((Kind::Exited, Process)))
        },
        Case {
            agent: "command",
            ..case(
                "a command of which nobody knows how it ended",
                nothing(Ending::Unknown { message: "wait failed".to_owned() }),
                Some((Kind::Exited, Process)),
            )
        },
        Case {
            agent: "command",
            ..case(
                "a command that leaves a completion saying failed",
                with(good(&key()), |facts| facts.completion = completion(&key(), CompletionStatus::Failed)),
                Some((Kind::ReportedFailed, Completion)),
            )
        },
        Case {
            agent: "command",
            task: task("T1").creates("a.rs"),
            ..case(
                "a command that changes nothing",
                with(nothing(Ending::Exited { code: 0 }), |facts| {
                    facts.claims = vec![path("a.rs", false, Some(false))];
                }),
                None,
            )
        },
    ]
}

#[test]
fn every_row_has_its_verdict() {
    for case in cases() {
        let spec = spec(vec![case.task.clone()]);
        let checks = case.results.as_deref().map_or(Checks::NotYet, done);
        let judgement = ask(&spec, case.agent, &case.facts, checks);
        let found =
            judgement.verdict.failure.as_ref().map(|failure| failure.kind).zip(judgement.verdict.decided_by);
        assert_eq!(found, case.expected, "{}: {judgement:#?}", case.name);
        let status = if case.expected.is_some() { AttemptStatus::Failed } else { AttemptStatus::Succeeded };
        assert_eq!(judgement.status, status, "{}", case.name);
        let names: Vec<WitnessName> =
            judgement.verdict.witnesses.iter().map(|witness| witness.name).collect();
        assert_eq!(names, ALL, "{}", case.name);
        for witness in &judgement.verdict.witnesses {
            assert!(!witness.seen.is_empty(), "{}: {witness:?}", case.name);
            assert!(witness.asked || witness.agrees.is_none(), "{}: {witness:?}", case.name);
        }
    }
}

const ALL: [WitnessName; 9] = [
    WitnessName::Process,
    WitnessName::Events,
    WitnessName::Completion,
    WitnessName::Outputs,
    WitnessName::Change,
    WitnessName::Model,
    WitnessName::Verify,
    WitnessName::Ownership,
    WitnessName::Merge,
];

/// The kinds that no facts of an attempt can produce, each with the reason.
const NOT_BY_FACTS: [(FailureKind, &str); 6] = [
    (FailureKind::MergeConflict, "found when a branch lands"),
    (FailureKind::OwnershipViolation, "found in the diff of a worktree"),
    (FailureKind::BudgetExhausted, "decided before an attempt"),
    (FailureKind::NoLayerLeft, "decided before an attempt"),
    (FailureKind::PaymentNotApproved, "decided before an attempt"),
    (FailureKind::Lost, "nobody saw the end"),
];

#[test]
fn every_kind_has_facts_that_produce_it() {
    let produced: Vec<FailureKind> =
        cases().into_iter().filter_map(|case| case.expected.map(|(kind, _)| kind)).collect();
    for kind in FailureKind::ALL {
        let elsewhere = NOT_BY_FACTS.iter().any(|(other, _)| *other == kind);
        assert_ne!(produced.contains(&kind), elsewhere, "{kind}");
    }
    assert_eq!(lost().failure.map(|failure| failure.kind), Some(FailureKind::Lost));
    assert_eq!(lost().witnesses.len(), ALL.len());
}

#[test]
fn an_attempt_that_was_stopped_on_request_is_cancelled_whatever_else_is_wrong() {
    let spec = spec(vec![task("T1")]);
    let facts = with(stopped(StopReason::Requested), |facts| {
        facts.reading.terminal_error = Some(sign(FailureKind::RateLimited));
    });
    let judgement = ask(&spec, "kilo", &facts, Checks::NotYet);
    assert_eq!(judgement.status, AttemptStatus::Cancelled);
    assert_eq!(judgement.verdict.failure, None);
    assert_eq!(judgement.verdict.decided_by, Some(WitnessName::Process));
}

fn doubt() -> Doubt {
    let seen = "2 of 3 tests removed".to_owned();
    Doubt { kind: DoubtKind::TestsRemoved, path: "tests/a.py".to_owned(), seen }
}

#[test]
fn doubts_stand_in_the_verdict_and_what_could_not_be_seen_does_too() {
    let spec = spec(vec![task("T1")]);
    let facts = with(good(&key()), |facts| facts.doubts = vec![doubt()]);
    let judgement = ask(&spec, "kilo", &facts, Checks::NotYet);
    assert_eq!((judgement.status, judgement.verdict.doubts), (AttemptStatus::Succeeded, vec![doubt()]));
    let facts = with(good(&key()), |facts| facts.tests_unseen = Some("git took too long".to_owned()));
    let verdict = ask(&spec, "kilo", &facts, Checks::NotYet).verdict;
    assert_eq!(
        verdict.notes,
        ["whether tests were removed or switched off is not observable: git took too long"]
    );
}

fn witness(judgement: &Judgement, name: WitnessName) -> &Witness {
    judgement.verdict.witnesses.iter().find(|witness| witness.name == name).unwrap()
}

#[test]
fn a_witness_that_is_not_asked_says_why() {
    let mut spec = spec(vec![task("T1").verify("cargo test")]);
    let judgement = ask(&spec, "kilo", &error(FailureKind::RateLimited), Checks::NotYet);
    assert_eq!(witness(&judgement, WitnessName::Verify).seen, "another witness disagrees");
    assert_eq!(witness(&judgement, WitnessName::Ownership).seen, "shared checkout");
    assert_eq!(witness(&judgement, WitnessName::Merge).seen, "shared checkout");

    spec.settings.no_verify = true;
    let judgement = ask(&spec, "kilo", &good(&key()), Checks::NotYet);
    assert_eq!(judgement.status, AttemptStatus::Succeeded);
    let verify = witness(&judgement, WitnessName::Verify);
    assert_eq!((verify.asked, verify.seen.as_str()), (false, "--no-verify"));

    spec.settings.isolation = Isolation::Worktree;
    let judgement = ask(&spec, "command", &good(&key()), Checks::NotYet);
    assert_eq!(witness(&judgement, WitnessName::Change).seen, "never asked of a command");
    let merge = witness(&judgement, WitnessName::Merge);
    assert_eq!((merge.asked, merge.agrees), (true, None));
}

#[test]
fn a_witness_that_cannot_see_neither_agrees_nor_disagrees() {
    let spec = spec(vec![task("T1").creates("a.rs")]);
    let facts = with(good(&key()), |facts| facts.claims = vec![path("a.rs", true, None)]);
    let judgement = ask(&spec, "kilo", &facts, Checks::NotYet);
    for name in [WitnessName::Model, WitnessName::Change] {
        let witness = witness(&judgement, name);
        assert_eq!((witness.asked, witness.agrees), (true, None));
        assert!(witness.seen.starts_with("not observable: "), "{witness:?}");
    }
    assert_eq!(judgement.status, AttemptStatus::Succeeded);
}

#[test]
fn a_run_wide_check_that_fails_names_all_that_it_was_run_for() {
    let mut spec = spec(vec![task("T1")]);
    spec.settings.verify = vec!["make check".to_owned()];
    let together = [TaskId::new("T1"), TaskId::new("T2")];
    let results = [check("make check", 2)];
    let checks = Checks::Done { own: &[], wide: &results, together: &together };
    let judgement = ask(&spec, "kilo", &good(&key()), checks);
    let failure = judgement.verdict.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::VerifyFailed);
    assert_eq!(failure.seen, "`make check` exits 2: last line (run once for T1, T2)");
}

#[test]
fn what_is_worth_knowing_is_noted() {
    let spec = spec(vec![task("T1")]);
    let facts = with(good(&key()), |facts| {
        facts.outcome.left_behind = 2;
        facts.plan_changed = true;
        facts.reading.notes = vec![sign(FailureKind::Overloaded)];
        facts.outputs = vec![path("a.md", false, None)];
        if let CompletionFact::Valid { completion } = &mut facts.completion {
            completion.outputs = vec![Output { path: "a.md".to_owned(), change: Change::Created }];
            completion.verification = vec![Verification { command: "cargo test".to_owned(), exit_code: 1 }];
        }
    });
    let verdict = ask(&spec, "kilo", &facts, Checks::NotYet).verdict;
    assert_eq!(
        verdict.notes,
        [
            "recovered from overloaded: the provider said overloaded",
            "2 processes were left behind and ended",
            "the agent changed its own plan file",
            "the agent says succeeded, and that `cargo test` exits 1",
            "the agent says succeeded, which is output_missing",
        ]
    );
    assert_eq!(verdict.failure.unwrap().seen, "the agent said \"succeeded\", but a.md does not exist");
}

#[test]
fn what_report_and_file_say_is_in_the_verdict() {
    let spec = spec(vec![task("T1")]);
    let disagrees = || Some("the file says succeeded, the report failed".to_owned());
    let failed = with(good(&key()), |facts| {
        facts.completion = completion(&key(), CompletionStatus::Failed);
        facts.report = ReportFact { counts: true, disagrees: disagrees(), problem: None };
    });
    let half = with(failed.clone(), |facts| {
        facts.completion = CompletionFact::Invalid { problems: vec!["is half a text".to_owned()] };
        facts.report.counts = false;
    });
    let nothing = with(good(&key()), |facts| {
        facts.completion = CompletionFact::Missing;
        facts.report.problem = Some("is no JSON".to_owned());
    });
    let by_report = with(good(&key()), |facts| facts.report.counts = true);
    for (facts, kind, seen, notes) in [
        (
            &failed,
            Some(FailureKind::ReportedFailed),
            "(the file says succeeded, the report failed: the worse one counts)",
            &["its completion came as a report in the shared state"][..],
        ),
        (
            &half,
            Some(FailureKind::BadCompletion),
            "the file says succeeded, the report failed: is half a text",
            &[],
        ),
        (
            &nothing,
            Some(FailureKind::NoCompletion),
            "it left no completion, and its report is not valid: is no JSON",
            &["its last report is not valid: is no JSON"],
        ),
        (&by_report, None, "succeeded: ", &["its completion came as a report in the shared state"]),
    ] {
        let judgement = ask(&spec, "kilo", facts, Checks::NotYet);
        assert_eq!(judgement.verdict.failure.as_ref().map(|failure| failure.kind), kind);
        let told = &witness(&judgement, WitnessName::Completion).seen;
        assert!(told.contains(seen), "{told}");
        assert_eq!(judgement.verdict.notes, notes);
    }
}
