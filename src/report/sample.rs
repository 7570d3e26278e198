//! A run for tests: fixed ids, a clock that the test sets, events that are folded as they are made.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::model::agent::{AdapterKind, AgentSpec};
use crate::model::event::{Event, EventBody, EventVersion, PaymentDecision, SpendBasis};
use crate::model::failure::{Failure, FailureKind};
use crate::model::hierarchy::PaymentPolicy;
use crate::model::ids::{RunId, TaskId};
use crate::model::layer::{Rung, default_layers};
use crate::model::limits::Peaks;
use crate::model::money::Money;
use crate::model::outcome::{Ending, Outcome};
use crate::model::reading::{Reading, Tokens};
use crate::model::run::{Isolation, RunSettings, RunSpec};
use crate::model::status::{AttemptStatus, RunStatus};
use crate::model::task::{Entry, HeldReason, PlanStatus, TaskSpec};
use crate::model::time::Timestamp;
use crate::model::verdict::{Verdict, Witness, WitnessName};
use crate::model::view::RunView;
use crate::report::Style;

/// 2026-11-24T12:00:00Z.
pub(super) const START: i64 = 1_795_521_600_000;

/// A screen of 80 columns without colours.
pub(super) const SCREEN: Style = Style { width: 80, height: 24, color: false, unicode: true };

/// `seconds` after the start.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp(START + seconds * 1_000)
}

pub(super) fn id(text: &str) -> TaskId {
    TaskId::new(text)
}

/// A layer of the built-in hierarchy.
pub(super) fn rung(layer: u8) -> Rung {
    let layer = default_layers().into_iter().find(|known| known.layer == layer).unwrap();
    Rung {
        layer: Some(layer.layer),
        agent: layer.agent,
        model: Some(layer.model),
        provider: Some(layer.provider),
    }
}

pub(super) fn task(task_id: &str, title: &str) -> TaskSpec {
    TaskSpec::new(id(task_id), title)
}

fn agent(name: &str, kind: AdapterKind, found: bool) -> (String, AgentSpec) {
    let spec = AgentSpec {
        name: name.to_owned(),
        kind,
        program: Some(name.to_owned()),
        found: found.then(|| PathBuf::from("bin").join(name)),
        proved: true,
        ..AgentSpec::default()
    };
    (name.to_owned(), spec)
}

pub(super) fn spec(tasks: Vec<TaskSpec>) -> RunSpec {
    RunSpec {
        root: PathBuf::from("root"),
        plan: "plans/phase3.md".to_owned(),
        plan_title: "Phase 3".to_owned(),
        created_at: at(0),
        host: "anvil".to_owned(),
        settings: RunSettings { isolation: Isolation::Worktree, ..RunSettings::default() },
        tasks,
        layers: default_layers(),
        agents: BTreeMap::from([
            agent("gemini", AdapterKind::Program, false),
            agent("kilo", AdapterKind::Kilo, true),
            agent("opencode", AdapterKind::Opencode, true),
            agent("cline", AdapterKind::Cline, true),
            agent("command", AdapterKind::Command, true),
        ]),
        ..RunSpec::new(RunId("01JD8Q3ZK7V0N4M2E6T9QW5XRB".to_owned()), "sample")
    }
}

/// The seven tasks of the pictures; `T000` was done before.
pub(super) fn seven() -> RunSpec {
    let mut done = task("T000", "Read the notes");
    done.plan_status = PlanStatus::Done;
    done.entry = Entry::Skip { why: "done".to_owned() };
    let mut audit = task("T006", "Accessibility audit");
    audit.outputs = vec!["plans/audit/a11y.md".to_owned()];
    let mut users = task("T001", "Create the users table");
    users.verify = vec!["cargo test -p db".to_owned(), "cargo test | tee log".to_owned()];
    spec(vec![
        done,
        users,
        task("T002", "Hash passwords"),
        task("T003", "Issue tokens"),
        task("T004", "Write the guide"),
        audit,
        task("T007", "Summary report"),
    ])
}

/// A run as it goes on.
pub(super) struct Sample {
    pub(super) spec: RunSpec,
    pub(super) view: RunView,
    pub(super) events: Vec<Event>,
    pub(super) now: Timestamp,
}

impl Sample {
    pub(super) fn new(spec: RunSpec) -> Self {
        let view = RunView::new(&spec);
        Self { spec, view, events: Vec::new(), now: at(0) }
    }

    /// What happens from here on happens `seconds` after the start.
    pub(super) fn at(&mut self, seconds: i64) -> &mut Self {
        self.now = at(seconds);
        self
    }

    pub(super) fn push(&mut self, body: EventBody) -> &mut Self {
        let event = Event {
            schema: EventVersion::V1,
            run_id: self.spec.run_id.clone(),
            seq: self.view.last_seq + 1,
            at: self.now,
            body,
        };
        self.view.apply(&event).unwrap();
        self.events.push(event);
        self
    }

    pub(super) fn start(&mut self) -> &mut Self {
        let to_run = self.spec.tasks.iter().filter(|task| task.entry == Entry::Run).count();
        let done = self.spec.tasks.iter().filter(|task| task.plan_status == PlanStatus::Done).count();
        self.push(EventBody::RunStarted {
            plan: self.spec.plan.clone(),
            plan_title: self.spec.plan_title.clone(),
            host: "anvil".to_owned(),
            pid: 4711,
            tasks: u32::try_from(self.spec.tasks.len()).unwrap(),
            to_run: u32::try_from(to_run).unwrap(),
            done_before: u32::try_from(done).unwrap(),
            jobs: 4,
            fence: 1,
        });
        for task in self.spec.tasks.clone() {
            match task.entry {
                Entry::Run => {}
                Entry::Skip { why } => {
                    self.push(EventBody::TaskSkipped { task_id: task.id, why });
                }
                Entry::Hold { reasons } => {
                    self.push(EventBody::TaskHeld { task_id: task.id, reasons });
                }
            }
        }
        self
    }

    fn attempt(&self, task: &str) -> u32 {
        self.view.task(&id(task)).unwrap().last_attempt().map_or(0, |attempt| attempt.attempt)
    }

    pub(super) fn begin(&mut self, task: &str, rung: Rung) -> &mut Self {
        let attempt = self.attempt(task) + 1;
        let deadline_at = Timestamp(self.now.0 + 2_700_000);
        self.push(EventBody::AttemptStarted { task_id: id(task), attempt, rung, deadline_at, session: None })
    }

    pub(super) fn end(&mut self, task: &str, status: AttemptStatus, verdict: Verdict) -> &mut Self {
        self.end_leaving(task, status, verdict, 0)
    }

    fn end_leaving(
        &mut self,
        task: &str,
        status: AttemptStatus,
        verdict: Verdict,
        left_behind: u32,
    ) -> &mut Self {
        let attempt = self.attempt(task);
        let reading = Reading {
            tokens: Some(Tokens { input: 100_000, output: 7_000 }),
            cost_usd: Some(0.0),
            last_words: Some("I have completed the audit\nand saved the report.\u{7}".to_owned()),
            ..Reading::default()
        };
        let outcome = Outcome {
            ending: Ending::Exited { code: 0 },
            stopped: None,
            left_behind,
            wall_ms: 1,
            peaks: Peaks::default(),
        };
        self.push(EventBody::AttemptEnded {
            task_id: id(task),
            attempt,
            status,
            outcome: Some(outcome),
            reading: Some(reading),
            summary: None,
            session_kept: false,
            verdict,
        })
    }

    pub(super) fn succeed(&mut self, task: &str) -> &mut Self {
        self.succeed_leaving(task, 0)
    }

    /// Succeeds and leaves so many processes behind.
    pub(super) fn succeed_leaving(&mut self, task: &str, left_behind: u32) -> &mut Self {
        let verdict = Verdict::default();
        self.end_leaving(task, AttemptStatus::Succeeded, verdict, left_behind);
        let attempt = self.attempt(task);
        self.push(EventBody::TaskSucceeded { task_id: id(task), attempt })
    }

    /// Fails the attempt that is under way.
    pub(super) fn fail_attempt(&mut self, task: &str, verdict: Verdict) -> &mut Self {
        self.end(task, AttemptStatus::Failed, verdict)
    }

    /// Fails the attempt that is under way, and the task for good.
    pub(super) fn fail(&mut self, task: &str, verdict: Verdict) -> &mut Self {
        let failure = verdict.failure.clone().unwrap();
        self.fail_attempt(task, verdict);
        self.push(EventBody::TaskFailed { task_id: id(task), failure })
    }

    /// A rate limit: the provider rests, the task moves and is begun again.
    pub(super) fn limited(&mut self, task: &str, from: u8, to: u8) -> &mut Self {
        self.fail_attempt(task, limited());
        let provider = rung(from).provider.unwrap();
        let until = Some(Timestamp(self.now.0 + 60_000));
        let evidence = "429 \"Rate limit exceeded\", retry after 60s".to_owned();
        let trigger = FailureKind::RateLimited;
        self.push(EventBody::ProviderRested { provider, until, trigger, evidence: evidence.clone() });
        let attempt = self.attempt(task);
        self.push(EventBody::LayerMoved {
            task_id: id(task),
            attempt,
            from: rung(from),
            to: rung(to),
            trigger,
            evidence: evidence.clone(),
        });
        self.push(EventBody::TaskRetrying {
            task_id: id(task),
            attempt: attempt + 1,
            at: self.now,
            why: Failure::new(trigger, evidence),
            next: rung(to),
        })
    }

    pub(super) fn finish(&mut self, status: RunStatus, exit_code: u8) -> &mut Self {
        let counts = self.view.counts.clone();
        self.push(EventBody::RunEnded { status, exit_code, counts })
    }
}

pub(super) fn limited() -> Verdict {
    let seen = "429 \"Rate limit exceeded\", retry after 60s";
    Verdict {
        failure: Some(Failure::new(FailureKind::RateLimited, seen)),
        decided_by: Some(WitnessName::Events),
        witnesses: vec![
            witness(WitnessName::Process, Some(true), "exit 0"),
            witness(WitnessName::Events, Some(false), seen),
        ],
        ..Verdict::default()
    }
}

pub(super) fn witness(name: WitnessName, agrees: Option<bool>, seen: &str) -> Witness {
    Witness { name, agrees, asked: true, seen: seen.to_owned() }
}

/// The verdict of the picture of `why`.
pub(super) fn no_audit() -> Verdict {
    let seen = "plans/audit/a11y.md does not exist";
    Verdict {
        failure: Some(Failure::new(
            FailureKind::OutputMissing,
            "the agent said \"succeeded\", but plans/audit/a11y.md was not written",
        )),
        decided_by: Some(WitnessName::Outputs),
        witnesses: vec![
            witness(WitnessName::Process, Some(true), "ended by itself, exit 0"),
            witness(WitnessName::Events, Some(true), "14 turns, no error"),
            witness(
                WitnessName::Completion,
                Some(true),
                "succeeded: \"Audit written to plans/audit/a11y.md\"",
            ),
            witness(WitnessName::Outputs, Some(false), seen),
            Witness { name: WitnessName::Verify, agrees: None, asked: false, seen: String::new() },
        ],
        ..Verdict::default()
    }
}

/// The run of the pictures, up to 2m 40s.
pub(super) fn picture() -> Sample {
    let mut run = Sample::new(seven());
    run.at(0).start();
    run.push(EventBody::WarningRaised {
        code: "agent-missing".to_owned(),
        message: "gemini is not installed: layer 1 is left out".to_owned(),
        hint: Some("orchestrate doctor".to_owned()),
    });
    run.begin("T001", rung(3)).begin("T004", rung(2)).at(8).limited("T004", 2, 4);
    run.begin("T006", rung(2)).at(16).limited("T006", 2, 4).at(38).begin("T006", rung(4));
    run.at(72).succeed("T001").at(112).begin("T002", rung(2)).at(129).begin("T004", rung(4));
    run.at(160).fail("T006", no_audit());
    run.push(EventBody::TaskBlocked { task_id: id("T007"), by: id("T006") });
    run
}

/// The same run to its end at 12m 04s.
pub(super) fn picture_ended() -> Sample {
    let mut run = picture();
    run.at(300).succeed("T002").begin("T003", rung(3)).at(700).succeed("T003").at(724).succeed("T004");
    run.finish(RunStatus::Failed, 1);
    run
}

/// A gate before two tasks, and a task with a mark that nobody knows.
pub(super) fn gated() -> Sample {
    let mut held = task("T002", "Deploy");
    held.entry = Entry::Hold { reasons: vec![HeldReason::Gate("approval".to_owned())] };
    let mut needs = task("T003", "Tell the world");
    needs.entry = Entry::Hold { reasons: vec![HeldReason::Needs(id("T002"))] };
    let mut unknown = task("T004", "What is this");
    unknown.entry = Entry::Hold { reasons: vec![HeldReason::UnknownMarker("%".to_owned())] };
    let mut optional = task("T005", "Nice to have");
    optional.optional = true;
    optional.entry = Entry::Hold { reasons: vec![HeldReason::Optional] };
    let mut run = Sample::new(spec(vec![task("T001", "Build"), held, needs, unknown, optional]));
    run.start().begin("T001", rung(3)).at(30).succeed("T001");
    run.push(EventBody::GateReached { gate: "approval".to_owned(), holds: 2 });
    run
}

/// Output that a test can look at.
#[derive(Clone, Default)]
pub(super) struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

impl std::io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A run in which everything happens that can happen.
pub(super) fn every_kind() -> Sample {
    let mut deploy = task("T005", "Deploy");
    deploy.entry = Entry::Hold { reasons: vec![HeldReason::Gate("approval".to_owned())] };
    let mut odd = task("T008", "Odd box");
    odd.entry = Entry::Hold { reasons: vec![HeldReason::UnknownMarker("%".to_owned())] };
    let mut spec = seven();
    spec.tasks.extend([deploy, odd]);
    let mut run = Sample::new(spec);
    run.start();
    run.push(EventBody::WarningRaised {
        code: "agent-missing".to_owned(),
        message: "gemini is not installed: layer 1 is left out\u{1b}[31m".to_owned(),
        hint: Some("orchestrate doctor".to_owned()),
    });
    run.begin("T001", rung(3)).at(5);
    run.push(EventBody::AttemptProgressed { task_id: id("T001"), attempt: 1, message: "half".to_owned() });
    let problem = "is no JSON: \u{1b}[2J".to_owned();
    run.push(EventBody::ReportRefused { task_id: id("T001"), attempt: 1, problem });
    let commands = vec!["cargo test -p db".to_owned()];
    run.push(EventBody::VerificationStarted { task_id: id("T001"), attempt: 1, commands });
    run.at(72).succeed("T001");
    run.push(EventBody::BoxTicked { task_id: id("T001"), problem: None });
    let problem = Some("the line was changed meanwhile".to_owned());
    run.push(EventBody::BoxTicked { task_id: id("T001"), problem });
    run.begin("T004", rung(2)).at(80).limited("T004", 2, 4);
    run.push(EventBody::ProviderRested {
        provider: "openrouter".to_owned(),
        until: None,
        trigger: FailureKind::NotLoggedIn,
        evidence: "401 \"No auth credentials found\"".to_owned(),
    });
    run.push(EventBody::LayerTurnedOff {
        layer: 3,
        trigger: FailureKind::ModelUnknown,
        evidence: "model not found: glm-4.7".to_owned(),
    });
    run.begin("T002", rung(2)).at(90).fail_attempt("T002", no_audit());
    run.push(EventBody::TaskRetrying {
        task_id: id("T002"),
        attempt: 2,
        at: Timestamp(run.now.0 + 5_000),
        why: Failure::new(FailureKind::VerifyFailed, "`cargo test` exited with 101"),
        next: rung(2),
    });
    run.begin("T006", rung(4)).at(212).fail("T006", no_audit());
    run.push(EventBody::TaskBlocked { task_id: id("T007"), by: id("T006") });
    run.push(EventBody::PlanChanged { plan: "plans/phase3.md".to_owned() });
    run.push(EventBody::GateReached { gate: "approval".to_owned(), holds: 1 });
    run.push(EventBody::GateApproved { gate: "approval".to_owned(), by: "approve".to_owned() });
    run.push(EventBody::TaskReopened {
        task_id: id("T005"),
        why: "gate approved".to_owned(),
        fresh: false,
        layer: None,
        agent: None,
        say: None,
    });
    run.at(220).begin("T003", rung(5)).at(260);
    let verdict = Verdict::default();
    run.end("T003", AttemptStatus::Cancelled, verdict.clone());
    run.push(EventBody::TaskCancelled { task_id: id("T003"), by: "stop".to_owned() });
    run.push(EventBody::TaskReopened {
        task_id: id("T006"),
        why: "retry".to_owned(),
        fresh: true,
        layer: Some(5),
        agent: Some("opencode".to_owned()),
        say: Some("mind the contrast".to_owned()),
    });
    run.begin("T005", rung(5)).at(300);
    run.push(EventBody::StopRequested { by: "SIGINT".to_owned() });
    run.end("T005", AttemptStatus::Cancelled, verdict.clone());
    run.push(EventBody::TaskReopened {
        task_id: id("T005"),
        why: "stopped".to_owned(),
        fresh: false,
        layer: None,
        agent: None,
        say: None,
    });
    run.finish(RunStatus::Stopped, 130);
    run.push(EventBody::Replanned {
        plan: "plans/phase3.md".to_owned(),
        added: vec![id("T010")],
        removed: Vec::new(),
        changed: vec![id("T002")],
        done: Vec::new(),
    });
    run.at(1_000).push(EventBody::RunResumed { host: "anvil".to_owned(), pid: 4712, fence: 2 });
    run.push(EventBody::TaskSkipped { task_id: id("T008"), why: "the plan says so now".to_owned() });
    run.begin("T005", rung(5)).at(1_048).end("T005", AttemptStatus::Lost, verdict);
    money(&mut run);
    run
}

/// The events about money, of a task at a paid layer.
fn money(run: &mut Sample) {
    let paid = rung(6);
    let dollar = Money(1_000_000);
    let budget = Money(2_000_000);
    let month = "2026-11".to_owned();
    run.push(EventBody::PaymentDecided {
        task_id: id("T005"),
        decision: PaymentDecision::Pay,
        policy: PaymentPolicy::Pay,
        paid: paid.clone(),
        expected_usd: Money(400_000),
        left_usd: Some(budget),
        free_at: Some(Timestamp(run.now.0 + 3_600_000)),
        deadline_at: None,
        waiting: 1,
        why: "no free layer is back before 1h 00m".to_owned(),
    });
    run.push(EventBody::SpendReserved {
        task_id: id("T005"),
        attempt: 4,
        provider: paid.provider.clone(),
        model: paid.model.clone(),
        month: month.clone(),
        amount_usd: dollar,
    });
    run.push(EventBody::SpendSettled {
        task_id: id("T005"),
        attempt: 4,
        provider: paid.provider.clone(),
        model: paid.model,
        layer: Some(6),
        day: "2026-11-24".to_owned(),
        amount_usd: Money(1_620_000),
        basis: SpendBasis::Reported,
        tokens: None,
    });
    run.push(EventBody::BudgetReached {
        provider: None,
        month: None,
        percent: 80,
        used_usd: Money(1_620_000),
        budget_usd: budget,
    });
    run.push(EventBody::BudgetReached {
        provider: paid.provider,
        month: Some(month),
        percent: 100,
        used_usd: budget,
        budget_usd: budget,
    });
}

/// For each kind of failure all commands that are advised to a person.
pub(crate) fn every_advice() -> Vec<(FailureKind, Vec<String>)> {
    let mut run = picture();
    run.at(200);
    for agent in run.spec.agents.values_mut() {
        agent.login = (agent.kind != AdapterKind::Command).then(|| format!("{} auth login", agent.name));
    }
    let Some(task) = run.view.task(&id("T006")) else { return Vec::new() };
    let commands =
        |kind| crate::report::steps(kind, &run.spec, task).into_iter().map(|step| step.command).collect();
    FailureKind::ALL.into_iter().map(|kind| (kind, commands(kind))).collect()
}
