//! The loop itself: what comes in, turn by turn, until the run ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tokio::sync::mpsc;

use crate::alert::Desk;
use crate::engine::alerts;
use crate::engine::attempt_events::AttemptEvents;
use crate::engine::clock::Clock;
use crate::engine::ending;
use crate::engine::folders::RunFolders;
use crate::engine::prepare::Surroundings;
use crate::engine::providers::Hearing;
use crate::engine::reports::{AgentReports, Left};
use crate::engine::sessions::{self, Sessions};
use crate::engine::signals::{Signal, Signals};
use crate::engine::tails::Tails;
use crate::engine::wake::WakeWatch;
use crate::model::event::{Event, EventBody};
use crate::model::exit::ExitCode;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::record::Lease;
use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::report::Reporter;
use crate::scheduler::{Effect, Input, Scheduler};
use crate::store::Store;
use crate::supervisor::{self, Live, Report, Supervisor};
use crate::workspace::Workspace;

/// How often records show that their supervisor lives.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How often the screen may be redrawn.
const REDRAW: Duration = Duration::from_millis(100);
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
    /// Why the rights of all its agents in the Redis are no more than advice.
    pub rights_doubt: Option<String>,
    /// The register in which this process is written down while it lives.
    pub live: PathBuf,
    /// Who guards this process, as its variable names it.
    pub guard: Option<String>,
    /// Who is told while nobody looks.
    pub alerts: Option<Desk>,
}

/// What a run ended as.
#[derive(Debug, Clone, PartialEq)]
pub struct RunEnd {
    /// What the process exits with.
    pub exit: ExitCode,
    /// The state at the end.
    pub view: RunView,
    /// What alerts were not delivered, a sentence each.
    pub alerts: Vec<String>,
}

/// A run that is being driven.
pub struct Engine {
    pub(super) parts: EngineParts,
    pub(super) supervisor: Supervisor,
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
    pub(super) sessions: Sessions,
    pub(super) tasks: BTreeMap<TaskId, usize>,
    /// Attempts whose process was started and has not been reported as ended.
    pub(super) active: BTreeSet<AttemptKey>,
    /// For attempts that ended and are not judged yet: where their completion is.
    pub(super) left: BTreeMap<AttemptKey, Left>,
    pub(super) agent_reports: AgentReports,
    pub(super) hearing: Hearing,
    /// Attempts that have no user of their own in the Redis where others have one, and why.
    pub(super) ungranted: BTreeMap<AttemptKey, String>,
    /// Tasks whose boxes show that somebody is at them.
    pub(super) begun: BTreeSet<TaskId>,
    pub(super) plan_state: Vec<Option<(SystemTime, u64)>>,
    pub(super) attempt_events: AttemptEvents,
    pub(super) tails: Tails,
    /// Our entry in the register of live supervisors.
    live: Option<Live>,
    uses_memory: bool,
    memory_at: Option<Timestamp>,
    pub(super) ended: Option<(RunStatus, ExitCode)>,
}

impl Engine {
    /// Gets ready to drive a run: takes hold of the process tree.
    pub fn new(parts: EngineParts) -> anyhow::Result<Self> {
        // Unbounded, but at most a few reports an attempt are under way: `Started`, `Ended`, and
        // `Doing` and `Used`, which the supervisor sends only when they change.
        let (sender, reports) = mpsc::unbounded_channel();
        let supervisor = Supervisor::new(sender).context("cannot supervise processes")?;
        let tasks =
            parts.spec.tasks.iter().enumerate().map(|(place, task)| (task.id.clone(), place)).collect();
        let plan_state = plan_states(&parts.spec);
        let sessions = Sessions::new(&parts.folders);
        let agent_reports = AgentReports::new(&parts.store);
        let hearing = Hearing::new(&parts.spec, parts.clock.wall());
        let uses_memory = parts.spec.agents.values().any(|agent| agent.memory.is_some());
        let live = match Live::enter(&parts.live, &parts.spec.run_id, parts.guard.as_deref()) {
            Ok(live) => Some(live),
            Err(error) => {
                let folder = parts.live.display();
                tracing::warn!(%folder, %error, "nobody ends the agents if this process and its guard are killed");
                None
            }
        };
        Ok(Self {
            parts,
            supervisor,
            reports,
            sessions,
            tasks,
            active: BTreeSet::new(),
            left: BTreeMap::new(),
            agent_reports,
            hearing,
            ungranted: BTreeMap::new(),
            begun: BTreeSet::new(),
            plan_state,
            attempt_events: AttemptEvents::default(),
            tails: Tails::default(),
            live,
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
                self.sessions.close().await;
                if let Some(live) = self.live {
                    live.strike_out();
                }
                ended?;
                let alerts = alerts::finish(&mut self.parts, &view).await;
                Ok(RunEnd { exit, view, alerts })
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
            self.mend_folders()?;
        }
        sessions::clear_dead(&self.parts.folders);
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
        // Who is to be left alone has to be known before the first attempt starts, and what is used of a
        // month can be recorded only once the run has begun.
        let (rests, used): (Vec<Input>, Vec<Input>) = self
            .look_for_providers()?
            .into_iter()
            .partition(|input| matches!(input, Input::ProviderRests { .. }));
        inputs.extend(rests);
        inputs.extend(first);
        inputs.extend(used);
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
                () = self.agent_reports.found() => {
                    let mut inputs = self.shared_reports();
                    inputs.extend(self.reservations());
                    inputs
                }
                () = sleep_until(wake_at) => {
                    let mut inputs = self.memory_input(false);
                    inputs.push(Input::Wake);
                    inputs
                }
                _ = heartbeat.tick() => {
                    let mut inputs = self.beat()?;
                    inputs.extend(self.requests()?);
                    inputs.extend(self.look_for_providers()?);
                    inputs.extend(self.memory_input(true));
                    inputs
                }
                _ = redraw.tick() => {
                    self.redraw();
                    let mut inputs = self.shared_news()?;
                    inputs.extend(self.overdue_reports());
                    inputs.extend(self.alert_news());
                    inputs
                }
            };
            let mut heard = self.hear_if_written()?;
            heard.append(&mut inputs);
            inputs = heard;
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
            self.record(&events)?;
            queue.extend(self.show_progress(&events));
            for effect in effects {
                queue.extend(self.carry_out(effect));
            }
        }
        Ok(())
    }

    fn record(&mut self, events: &[Event]) -> anyhow::Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let view = self.parts.scheduler.view();
        self.parts.store.append(&self.parts.spec, view, events, self.parts.clock.wall())?;
        for event in events {
            self.attempt_events.note(event, &self.parts.folders)?;
            if let EventBody::AttemptEnded { task_id, attempt, .. } = &event.body {
                let key = AttemptKey::new(task_id.clone(), *attempt);
                match self.left.remove(&key).unwrap_or(Left::Nothing) {
                    Left::File => {}
                    Left::Report(completion) => ending::write_reported(&self.parts, &key, &completion)?,
                    Left::Nothing => {
                        ending::write_completion(&self.parts.spec, &self.parts.folders, &event.body)?;
                    }
                }
            }
            for reporter in &mut self.parts.reporters {
                reporter.event(event, &self.parts.spec, view);
            }
            if let Some(alerts) = &mut self.parts.alerts {
                alerts.event(event, view);
            }
        }
        for task in events.iter().filter_map(|event| event.body.task_id()) {
            if self.sessions.has(task) && !self.parts.scheduler.needs_session(task) {
                self.sessions.drop_of(task);
            }
        }
        Ok(())
    }

    /// Shows that the supervisor lives, and looks whether the plan was changed.
    fn beat(&mut self) -> anyhow::Result<Vec<Input>> {
        let now = self.parts.clock.wall();
        let view = self.parts.scheduler.view();
        self.parts.store.renew_lease(&self.parts.spec, &self.parts.lease, now)?;
        if view.count(TaskStatus::Running) + view.count(TaskStatus::Verifying) > 0 {
            self.parts.store.heartbeat(&self.parts.spec, view, now)?;
        }
        self.keep_tails();
        Ok(self.look_at_plan())
    }

    /// Looks whether the plan was changed since it was looked at last.
    pub(super) fn look_at_plan(&mut self) -> Vec<Input> {
        let state = plan_states(&self.parts.spec);
        if state == self.plan_state {
            return Vec::new();
        }
        self.plan_state = state;
        vec![Input::PlanChanged]
    }

    /// What the machine has free, where some agent of the run needs to know; not more often than
    /// once a second unless `always`.
    pub(super) fn memory_input(&mut self, always: bool) -> Vec<Input> {
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
        if let Some(alerts) = &self.parts.alerts {
            alerts.office().stop();
        }
        self.supervisor.kill();
        let all_ended = async {
            while !self.active.is_empty() {
                match self.reports.recv().await {
                    Some(Report::Ended { key, .. }) => {
                        self.active.remove(&key);
                    }
                    Some(
                        Report::Started { .. }
                        | Report::Doing { .. }
                        | Report::Used { .. }
                        | Report::Checked { .. },
                    ) => {}
                    None => break,
                }
            }
        };
        if tokio::time::timeout(BREAK_OFF, all_ended).await.is_err() {
            tracing::error!("some processes did not end in time");
        }
        self.supervisor.close().await;
        self.sessions.close().await;
        if let Some(live) = self.live {
            live.strike_out();
        }
    }
}

fn shutdown(signal: Signal) -> Input {
    Input::Shutdown { by: signal.name.to_owned(), exit: signal.exit }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The states of the run's plans, in order.
pub(super) fn plan_states(spec: &RunSpec) -> Vec<Option<(SystemTime, u64)>> {
    let files: Vec<PathBuf> = spec.files_of_folders().collect();
    // A file that is written leaves the folder that it is in as it was; one that comes or goes does not.
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let whole = spec.plan_files().filter(|plan| !files.iter().any(|file| file.starts_with(plan)));
    let parts = files.iter().map(PathBuf::as_path).chain(folders.iter().copied());
    whole.map(PathBuf::as_path).chain(parts).map(file_state).collect()
}

/// When a file was written and how long it is; none: it is not there.
fn file_state(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
