//! The loop itself: what comes in, turn by turn, until the run ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::engine::clock::Clock;
use crate::engine::ending;
use crate::engine::folders::RunFolders;
use crate::engine::prepare::{self, AttemptOrder, Surroundings};
use crate::engine::signals::{Signal, Signals};
use crate::engine::wake::WakeWatch;
use crate::model::event::{Event, EventBody};
use crate::model::exit::ExitCode;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::layer::Rung;
use crate::model::outcome::{AttemptFacts, CheckResult, CompletionFact, Ending, Outcome};
use crate::model::reading::Reading;
use crate::model::record::Lease;
use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::task::TaskSpec;
use crate::model::time::{Span, Timestamp};
use crate::model::view::RunView;
use crate::report::Reporter;
use crate::scheduler::{Effect, Input, Scheduler};
use crate::store::Store;
use crate::supervisor::{self, CheckJob, CheckTicket, Ended, Report, Supervisor};
use crate::workspace::Workspace;

/// How often records show that their supervisor lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often the screen may be redrawn.
const REDRAW: Duration = Duration::from_millis(100);
/// How many reports one turn takes in at the most, so that a flood cannot keep effects waiting.
const TURN_INPUTS: usize = 256;
/// How much of an attempt's output others can see without its file.
const TAIL_BYTES: u64 = 64 << 10;
/// How long ended processes may take to be reported when a run breaks off.
const BREAK_OFF: Duration = Duration::from_secs(15);

/// What a run is driven with.
pub struct EngineParts {
    /// What is run.
    pub spec: Arc<RunSpec>,
    /// Who decides: new, or recovered from the journal.
    pub scheduler: Scheduler,
    /// Where it is recorded.
    pub store: Store,
    /// Where its tasks work.
    pub workspace: Box<dyn Workspace>,
    /// Who is told.
    pub reporters: Vec<Box<dyn Reporter>>,
    /// Where its files lie.
    pub folders: RunFolders,
    /// This machine and user.
    pub surroundings: Surroundings,
    /// The time.
    pub clock: Clock,
    /// The claim on the run.
    pub lease: Lease,
    /// The last request to the run that is not to be looked at again.
    pub requests_seen: u64,
    /// Whether a screen is redrawn.
    pub interactive: bool,
    /// Whether another process supervised the run before and may have left something.
    pub resumed: bool,
    /// Who guards this process, as its variable names it.
    pub guard: Option<String>,
}

/// What a run ended as.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// What the process exits with.
    pub exit: ExitCode,
    /// The state at the end.
    pub view: RunView,
}

/// A run that is being driven.
pub struct Engine {
    pub(super) parts: EngineParts,
    supervisor: Supervisor,
    reports: mpsc::UnboundedReceiver<Report>,
    tasks: BTreeMap<TaskId, usize>,
    /// Attempts whose process was started and has not been reported as ended.
    active: BTreeSet<AttemptKey>,
    /// For attempts that ended and are not judged yet: whether their completion is the agent's own.
    own_completion: BTreeMap<AttemptKey, bool>,
    plan_state: Option<(SystemTime, u64)>,
    uses_memory: bool,
    memory_at: Option<Timestamp>,
    ended: Option<(RunStatus, ExitCode)>,
}

impl Engine {
    /// Gets ready to drive a run: takes hold of the process tree.
    pub fn new(parts: EngineParts) -> anyhow::Result<Self> {
        // Unbounded, but at most a few reports an attempt are under way: `Started`, `Ended`, and
        // `Doing`, which the supervisor sends only when the words change.
        let (sender, reports) = mpsc::unbounded_channel();
        let supervisor = Supervisor::new(sender).context("cannot supervise processes")?;
        let tasks =
            parts.spec.tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place)).collect();
        let plan_state = parts.spec.plan_path.as_deref().and_then(file_state);
        let uses_memory = parts.spec.agents.values().any(|agent| agent.memory.is_some());
        Ok(Self {
            parts,
            supervisor,
            reports,
            tasks,
            active: BTreeSet::new(),
            own_completion: BTreeMap::new(),
            plan_state,
            uses_memory,
            memory_at: None,
            ended: None,
        })
    }

    /// Drives the run to its end. `first` holds its start or its resumption, and what was asked of it
    /// while nobody supervised it (before the resumption: with nothing left to do a run ends at once).
    pub async fn drive(mut self, first: Vec<Input>) -> anyhow::Result<RunEnd> {
        let result = self.run_loop(first).await;
        match result {
            Ok(exit) => {
                let view = self.parts.scheduler.view().clone();
                let ended = ending::finish(&mut self.parts, &view);
                self.supervisor.close().await;
                ended?;
                Ok(RunEnd { exit, view })
            }
            Err(error) => {
                self.break_off().await;
                Err(error)
            }
        }
    }

    async fn run_loop(&mut self, first: Vec<Input>) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen().context("cannot listen for signals")?;
        if self.parts.resumed {
            // No task may run twice at once: what the supervisor before left ends before anything begins.
            let ended = self.supervisor.sweep(&self.parts.spec.run_id).await;
            if ended > 0 {
                tracing::info!(ended, "ended processes that an earlier supervisor had left");
            }
        }
        let mut wakes = WakeWatch::begin(&self.parts.folders);
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut redraw =
            tokio::time::interval(if self.parts.interactive { REDRAW } else { Duration::from_secs(1) });
        redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let guard = self.parts.guard.clone();
        let guard_gone = async move {
            match guard {
                Some(guard) => supervisor::guard_gone(&guard).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(guard_gone);
        let mut signalled = false;
        let mut guarded = true;
        let mut inputs = self.memory_input(true);
        inputs.extend(first);
        loop {
            self.turn(inputs)?;
            if let Some((_, exit)) = self.ended {
                return Ok(exit);
            }
            let wake_at = self.parts.scheduler.next_wake().map(|(at, _)| self.parts.clock.instant(at));
            inputs = tokio::select! {
                Some(report) = self.reports.recv() => self.take_reports(report),
                signal = signals.next() => {
                    if signalled {
                        self.supervisor.kill();
                        Vec::new()
                    } else {
                        signalled = true;
                        vec![shutdown(signal)]
                    }
                }
                () = &mut guard_gone, if guarded => {
                    // Without it nobody would end what outlives us: end while we can.
                    guarded = false;
                    vec![Input::Shutdown { by: "the loss of the guard".to_owned(), exit: ExitCode::Terminated }]
                }
                () = wakes.changed() => self.requests()?,
                () = sleep_until(wake_at) => {
                    let mut inputs = self.memory_input(false);
                    inputs.push(Input::Wake);
                    inputs
                }
                _ = heartbeat.tick() => {
                    let mut inputs = self.beat()?;
                    inputs.extend(self.requests()?);
                    inputs.extend(self.memory_input(true));
                    inputs
                }
                _ = redraw.tick() => {
                    self.redraw();
                    Vec::new()
                }
            };
        }
    }

    /// Takes in `inputs` and carries out what follows from them, until nothing more follows.
    fn turn(&mut self, inputs: Vec<Input>) -> anyhow::Result<()> {
        let mut queue = VecDeque::from(inputs);
        while !queue.is_empty() {
            let now = self.parts.clock.now();
            let mut effects = Vec::new();
            for input in queue.drain(..) {
                effects.extend(self.parts.scheduler.handle(input, now));
            }
            let events: Vec<Event> = effects
                .iter()
                .filter_map(
                    |effect| if let Effect::Record(event) = effect { Some(event.clone()) } else { None },
                )
                .collect();
            self.record(&events, now)?;
            for effect in effects {
                queue.extend(self.carry_out(effect));
            }
        }
        Ok(())
    }

    fn record(&mut self, events: &[Event], now: Timestamp) -> anyhow::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let view = self.parts.scheduler.view();
        self.parts.store.append(&self.parts.spec, view, events, now)?;
        for event in events {
            if let EventBody::AttemptEnded { task_id, attempt, .. } = &event.body {
                let key = AttemptKey::new(task_id.clone(), *attempt);
                let own = self.own_completion.remove(&key).unwrap_or(false);
                if !own {
                    ending::write_completion(&self.parts.spec, &self.parts.folders, &event.body)?;
                }
            }
            for reporter in &mut self.parts.reporters {
                reporter.event(event, &self.parts.spec, view);
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::Record(_) => {}
            Effect::Spawn { key, rung, timeout, note, session } => {
                if let Err(error) = self.spawn(&key, &rung, timeout, note.as_deref(), session.as_deref()) {
                    let message = format!("{error:#}");
                    return vec![not_started(key, message)];
                }
            }
            Effect::Stop { key, reason } => self.supervisor.stop(&key, reason),
            Effect::Verify { key, commands, timeout } => {
                let directory = self.parts.workspace.directory(&key.task);
                let log = self.parts.folders.attempt(&key.task, key.attempt).join("verify.log");
                let job = self.check_job(CheckTicket::Task(key), commands, directory, timeout, log);
                return self.check(job);
            }
            Effect::VerifyRun { commands, timeout, .. } => {
                let log = self.parts.folders.run().join("verify.log");
                let root = self.parts.spec.root.clone();
                let job = self.check_job(CheckTicket::Run, commands, root, timeout, log);
                return self.check(job);
            }
            Effect::Tick { task } => {
                // Before it, for afterwards the plan looks as we left it, whoever changed it before.
                let mut inputs = self.look_at_plan();
                let problem = self.tick(&task);
                inputs.push(Input::Ticked { task, problem });
                return inputs;
            }
            Effect::Finish { status, exit } => self.ended = Some((status, exit)),
        }
        Vec::new()
    }

    fn spawn(
        &mut self,
        key: &AttemptKey,
        rung: &Rung,
        timeout: Span,
        note: Option<&str>,
        session: Option<&str>,
    ) -> anyhow::Result<()> {
        let spec = Arc::clone(&self.parts.spec);
        let task = self.task(&spec, &key.task);
        let view = self.parts.scheduler.view().task(&key.task);
        let first = view.and_then(|view| view.attempts.first()).map(|first| first.started_at);
        self.parts.workspace.begin(task, first.unwrap_or_else(|| self.parts.clock.now()))?;
        let workspace = self.parts.workspace.directory(&key.task);
        let order = AttemptOrder { key, task, rung, timeout, note, session };
        let job = prepare::prepare(
            &spec,
            self.parts.scheduler.view(),
            &self.parts.folders,
            &self.parts.surroundings,
            &workspace,
            &order,
        )?;
        self.active.insert(key.clone());
        self.supervisor.start(job);
        Ok(())
    }

    fn task<'a>(&self, spec: &'a RunSpec, id: &TaskId) -> &'a TaskSpec {
        let place = self.tasks.get(id).expect("the scheduler names only tasks of its run");
        &spec.tasks[*place]
    }

    fn check_job(
        &self,
        ticket: CheckTicket,
        commands: Vec<String>,
        directory: PathBuf,
        timeout: Span,
        log: PathBuf,
    ) -> Result<CheckJob, (CheckTicket, Vec<String>)> {
        let shell = self.parts.spec.agents.get("command").and_then(|agent| agent.found.clone());
        let Some(shell) = shell else { return Err((ticket, commands)) };
        let environment =
            prepare::check_environment(&self.parts.spec, &self.parts.surroundings, &ticket, &directory);
        let run = &self.parts.spec.run_id;
        let mark = match &ticket {
            CheckTicket::Task(key) => supervisor::attempt_mark(run, key),
            CheckTicket::Run => supervisor::run_mark(run),
        };
        Ok(CheckJob { ticket, commands, shell, directory, environment, timeout: timeout.0, log, mark })
    }

    /// Starts the checks, or says at once that there is no shell to run them with.
    fn check(&mut self, job: Result<CheckJob, (CheckTicket, Vec<String>)>) -> Vec<Input> {
        match job {
            Ok(job) => {
                self.supervisor.check(job);
                Vec::new()
            }
            Err((ticket, commands)) => {
                let results = commands
                    .into_iter()
                    .map(|command| CheckResult {
                        command,
                        ending: Ending::NotFound { message: "no shell `sh` was found".to_owned() },
                        timed_out: false,
                        tail: String::new(),
                        wall_ms: 0,
                    })
                    .collect();
                vec![checked(ticket, results)]
            }
        }
    }

    fn tick(&mut self, task: &TaskId) -> Option<String> {
        let spec = Arc::clone(&self.parts.spec);
        let (plan, place) = (spec.plan_path.as_deref()?, self.task(&spec, task).tick.as_ref()?);
        let problem = self.parts.workspace.tick(plan, place).err().map(|problem| problem.to_string());
        // Our own change is no change of the plan.
        self.plan_state = file_state(plan);
        problem
    }

    fn take_reports(&mut self, first: Report) -> Vec<Input> {
        let mut inputs = Vec::new();
        let mut next = Some(first);
        while let Some(report) = next {
            self.take_report(report, &mut inputs);
            next = if inputs.len() < TURN_INPUTS { self.reports.try_recv().ok() } else { None };
        }
        inputs
    }

    fn take_report(&mut self, report: Report, inputs: &mut Vec<Input>) {
        match report {
            Report::Started { key, pid } => tracing::debug!(%key, pid, "started"),
            Report::Doing { key, text } => {
                for reporter in &mut self.parts.reporters {
                    reporter.doing(&key, &text);
                }
            }
            Report::Ended { key, ended } => {
                self.active.remove(&key);
                if let Err(error) = self.keep_tail(&key, &ended) {
                    // The whole output lies in its file; what is missing is the copy for others.
                    tracing::warn!(%key, %error, "the tail of its output is not in the shared state");
                }
                let facts = self.facts(&key, *ended);
                let own = matches!(facts.completion, CompletionFact::Valid { .. });
                self.own_completion.insert(key.clone(), own);
                inputs.push(Input::AttemptEnded { key, facts: Box::new(facts) });
            }
            Report::Checked { ticket, results } => inputs.push(checked(ticket, results)),
        }
    }

    /// Puts the end of an attempt's output where others can see it.
    fn keep_tail(&mut self, key: &AttemptKey, ended: &Ended) -> anyhow::Result<()> {
        if ended.stdout_bytes == 0 {
            return Ok(());
        }
        let path = self.parts.folders.attempt(&key.task, key.attempt).join("stdout.log");
        let mut file = std::fs::File::open(&path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        self.parts.store.put_tail(&self.parts.spec, &key.task, &String::from_utf8_lossy(&bytes))?;
        Ok(())
    }

    fn facts(&mut self, key: &AttemptKey, ended: Ended) -> AttemptFacts {
        let spec = Arc::clone(&self.parts.spec);
        let task = self.task(&spec, &key.task);
        let completion = match &ended.completion {
            CompletionFact::Valid { completion } => Some(completion.as_ref()),
            CompletionFact::Missing | CompletionFact::Invalid { .. } => None,
        };
        let paths = self.parts.workspace.facts(task, completion);
        AttemptFacts {
            outcome: ended.outcome,
            reading: ended.reading,
            completion: ended.completion,
            outputs: paths.outputs,
            claims: paths.claims,
            plan_changed: paths.plan_changed,
        }
    }

    /// Shows that the supervisor lives, and looks whether the plan was changed.
    fn beat(&mut self) -> anyhow::Result<Vec<Input>> {
        let now = self.parts.clock.now();
        let view = self.parts.scheduler.view();
        self.parts.store.renew_lease(&self.parts.spec, &self.parts.lease, now)?;
        if view.count(TaskStatus::Running) + view.count(TaskStatus::Verifying) > 0 {
            self.parts.store.heartbeat(&self.parts.spec, view, now)?;
        }
        Ok(self.look_at_plan())
    }

    /// Looks whether the plan was changed since it was looked at last.
    fn look_at_plan(&mut self) -> Vec<Input> {
        let Some(plan) = self.parts.spec.plan_path.as_deref() else { return Vec::new() };
        let state = file_state(plan);
        if state == self.plan_state {
            return Vec::new();
        }
        self.plan_state = state;
        vec![Input::PlanChanged]
    }

    /// What the machine has free, where some agent of the run needs to know; not more often than
    /// once a second unless `always`.
    fn memory_input(&mut self, always: bool) -> Vec<Input> {
        let now = self.parts.clock.now();
        let due = self.memory_at.is_none_or(|at| now.since(at) >= Duration::from_secs(1));
        if !self.uses_memory || !(always || due) {
            return Vec::new();
        }
        self.memory_at = Some(now);
        supervisor::available_memory().map(|available| Input::Memory { available }).into_iter().collect()
    }

    fn redraw(&mut self) {
        let now = self.parts.clock.now();
        let view = self.parts.scheduler.view();
        for reporter in &mut self.parts.reporters {
            reporter.tick(&self.parts.spec, view, now);
        }
    }

    /// Ends every process after a fault of ours: nothing more can be recorded.
    async fn break_off(mut self) {
        self.supervisor.kill();
        let all_ended = async {
            while !self.active.is_empty() {
                match self.reports.recv().await {
                    Some(Report::Ended { key, .. }) => {
                        self.active.remove(&key);
                    }
                    Some(Report::Started { .. } | Report::Doing { .. } | Report::Checked { .. }) => {}
                    None => break,
                }
            }
        };
        if tokio::time::timeout(BREAK_OFF, all_ended).await.is_err() {
            tracing::error!("some processes did not end in time");
        }
        self.supervisor.close().await;
    }
}

fn shutdown(signal: Signal) -> Input {
    Input::Shutdown { by: signal.name.to_owned(), exit: signal.exit }
}

fn checked(ticket: CheckTicket, results: Vec<CheckResult>) -> Input {
    match ticket {
        CheckTicket::Task(key) => Input::Verified { key, results },
        CheckTicket::Run => Input::RunVerified { results },
    }
}

/// The facts of an attempt whose process never was.
fn not_started(key: AttemptKey, message: String) -> Input {
    let outcome =
        Outcome { ending: Ending::FailedToStart { message }, stopped: None, left_behind: 0, wall_ms: 0 };
    let facts = AttemptFacts {
        outcome,
        reading: Reading::default(),
        completion: CompletionFact::Missing,
        outputs: Vec::new(),
        claims: Vec::new(),
        plan_changed: false,
    };
    Input::AttemptEnded { key, facts: Box::new(facts) }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn file_state(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
