//! Makes the runs and facts that tests are about, with as few words as they need.

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::agent::{AdapterKind, AgentSpec, CompletionRule};
use crate::model::completion::{
    Completion, CompletionError, CompletionSource, CompletionStatus, CompletionVersion,
};
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, RunId, TaskId};
use crate::model::layer::{Cost, Layer};
use crate::model::limits::Peaks;
use crate::model::outcome::{
    AttemptFacts, CheckResult, CompletionFact, Ending, Outcome, PathFact, StopReason,
};
use crate::model::reading::{Reading, Sign, SignSource};
use crate::model::report::ReportFact;
use crate::model::run::{RunSettings, RunSpec};
use crate::model::task::{
    EdgeRule, Entry, FileClaim, FileVerb, GroupLimit, HeldReason, Need, PlanStatus, TaskKind, TaskSpec,
};
use crate::model::time::Timestamp;

pub(super) const START: Timestamp = Timestamp(1_000_000);

pub(super) fn task(id: &str) -> TaskSpec {
    TaskSpec::new(TaskId::new(id), format!("task {id}"))
}

/// What a test changes of a task.
pub(super) trait TaskWords {
    fn needs(self, ids: &[&str]) -> Self;
    fn conflicts(self, ids: &[&str]) -> Self;
    fn at_most(self, group: &str, at_most: u32) -> Self;
    fn agent(self, name: &str) -> Self;
    fn skip(self, why: &str) -> Self;
    fn hold(self, reasons: Vec<HeldReason>) -> Self;
    fn gate(self) -> Self;
    fn optional(self) -> Self;
    fn verify(self, command: &str) -> Self;
    fn creates(self, path: &str) -> Self;
    fn retries(self, retries: u32) -> Self;
    fn priority(self, priority: u8) -> Self;
}

impl TaskWords for TaskSpec {
    fn needs(mut self, ids: &[&str]) -> Self {
        self.needs.extend(ids.iter().map(|id| Need { task: TaskId::new(*id), rule: EdgeRule::Explicit }));
        self
    }

    fn conflicts(mut self, ids: &[&str]) -> Self {
        self.conflicts.extend(ids.iter().map(|id| TaskId::new(*id)));
        self
    }

    fn at_most(mut self, group: &str, at_most: u32) -> Self {
        self.group_limit = Some(GroupLimit { group: group.to_owned(), at_most });
        self
    }

    fn agent(mut self, name: &str) -> Self {
        self.agent = Some(name.to_owned());
        self
    }

    fn skip(mut self, why: &str) -> Self {
        self.entry = Entry::Skip { why: why.to_owned() };
        self.plan_status = PlanStatus::Done;
        self
    }

    fn hold(mut self, reasons: Vec<HeldReason>) -> Self {
        self.entry = Entry::Hold { reasons };
        self
    }

    fn gate(mut self) -> Self {
        self.kind = TaskKind::Gate;
        self
    }

    fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    fn verify(mut self, command: &str) -> Self {
        self.verify.push(command.to_owned());
        self
    }

    fn creates(mut self, path: &str) -> Self {
        self.files.push(FileClaim { verb: Some(FileVerb::Create), path: path.to_owned() });
        self
    }

    fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(priority);
        self
    }
}

pub(super) fn agent(name: &str, kind: AdapterKind) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        kind,
        found: Some(PathBuf::from(format!("/bin/{name}"))),
        completion: if kind == AdapterKind::Command {
            CompletionRule::Optional
        } else {
            CompletionRule::Required
        },
        proved: true,
        ..AgentSpec::default()
    }
}

pub(super) fn layer(number: u8, agent: &str, model: &str, provider: &str) -> Layer {
    Layer {
        layer: number,
        agent: agent.to_owned(),
        model: model.to_owned(),
        provider: provider.to_owned(),
        cost: Cost::Free,
        context: None,
        price: None,
        max_usd: None,
    }
}

pub(super) fn settings() -> RunSettings {
    RunSettings { seed: 7, ..RunSettings::default() }
}

/// A run with three free layers (1 kilo, 2 cline, 3 opencode), a paid one (4 opencode), the agents
/// `command` and `mine` outside of them.
pub(super) fn spec(tasks: Vec<TaskSpec>) -> RunSpec {
    let mut paid = layer(4, "opencode", "openai/o3", "openai");
    paid.cost = Cost::Paid;
    RunSpec {
        root: PathBuf::from("/root"),
        plan_path: Some(PathBuf::from("/root/plan.md")),
        plan: "plan.md".to_owned(),
        plan_title: "Plan".to_owned(),
        created_at: START,
        host: "here".to_owned(),
        settings: settings(),
        tasks,
        layers: vec![
            layer(1, "kilo", "kilo/glm", "kilo"),
            layer(2, "cline", "minimax", "cline"),
            layer(3, "opencode", "big-pickle", "opencode"),
            paid,
        ],
        agents: [
            agent("kilo", AdapterKind::Kilo),
            agent("cline", AdapterKind::Cline),
            agent("opencode", AdapterKind::Opencode),
            agent("command", AdapterKind::Command),
            agent("mine", AdapterKind::Program),
        ]
        .into_iter()
        .map(|agent| (agent.name.clone(), agent))
        .collect(),
        ..RunSpec::new(RunId("01RUN".to_owned()), "p")
    }
}

pub(super) fn shared(spec: RunSpec) -> Arc<RunSpec> {
    Arc::new(spec)
}

pub(super) fn uninstall(spec: &mut RunSpec, agent: &str) {
    if let Some(agent) = spec.agents.get_mut(agent) {
        agent.found = None;
    }
}

pub(super) fn completion(key: &AttemptKey, status: CompletionStatus) -> CompletionFact {
    let error = (status != CompletionStatus::Succeeded)
        .then(|| CompletionError { kind: "tests".to_owned(), message: "two are red".to_owned() });
    CompletionFact::Valid {
        completion: Box::new(Completion {
            schema: CompletionVersion::V1,
            run_id: RunId("01RUN".to_owned()),
            task_id: key.task.clone(),
            attempt: key.attempt,
            status,
            summary: "did it".to_owned(),
            outputs: Vec::new(),
            verification: Vec::new(),
            error,
            next_steps: Vec::new(),
            source: CompletionSource::Agent,
        }),
    }
}

pub(super) fn ended(ending: Ending, stopped: Option<StopReason>) -> Outcome {
    Outcome { ending, stopped, left_behind: 0, wall_ms: 1_000, peaks: Peaks::default() }
}

/// The facts of an attempt in which all went well.
pub(super) fn good(key: &AttemptKey) -> AttemptFacts {
    AttemptFacts {
        outcome: ended(Ending::Exited { code: 0 }, None),
        reading: Reading { turns: Some(3), session_id: Some(format!("session-{key}")), ..Reading::default() },
        completion: completion(key, CompletionStatus::Succeeded),
        report: ReportFact::default(),
        outputs: Vec::new(),
        claims: Vec::new(),
        plan_changed: false,
        session_kept: true,
        rights_doubt: None,
        doubts: Vec::new(),
        tests_unseen: None,
    }
}

pub(super) fn sign(kind: FailureKind) -> Sign {
    Sign {
        kind,
        source: SignSource::Event,
        message: format!("the provider said {kind}"),
        status: None,
        retry_after_s: None,
    }
}

/// The facts of an attempt that ended with this terminal error.
pub(super) fn error(kind: FailureKind) -> AttemptFacts {
    AttemptFacts {
        outcome: ended(Ending::Exited { code: 1 }, None),
        reading: Reading { terminal_error: Some(sign(kind)), ..Reading::default() },
        completion: CompletionFact::Missing,
        report: ReportFact::default(),
        outputs: Vec::new(),
        claims: Vec::new(),
        plan_changed: false,
        session_kept: false,
        rights_doubt: None,
        doubts: Vec::new(),
        tests_unseen: None,
    }
}

/// The facts of an attempt that we stopped.
pub(super) fn stopped(reason: StopReason) -> AttemptFacts {
    AttemptFacts {
        outcome: ended(Ending::Killed { signal: 15 }, Some(reason)),
        reading: Reading::default(),
        completion: CompletionFact::Missing,
        report: ReportFact::default(),
        outputs: Vec::new(),
        claims: Vec::new(),
        plan_changed: false,
        session_kept: false,
        rights_doubt: None,
        doubts: Vec::new(),
        tests_unseen: None,
    }
}

pub(super) fn path(path: &str, exists: bool, changed: Option<bool>) -> PathFact {
    PathFact { path: path.to_owned(), exists, changed }
}

pub(super) fn check(command: &str, code: i32) -> CheckResult {
    CheckResult {
        command: command.to_owned(),
        ending: Ending::Exited { code },
        timed_out: false,
        tail: "line one\nlast line\n".to_owned(),
        wall_ms: 5,
    }
}
