//! Looking at a run that exists: finding it, reading what happened, saying whether it lives. The journal
//! here comes first; what it does not know may be in a Redis.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::elsewhere::{self, Elsewhere};
use crate::cli::exit::CliError;
use crate::cli::watch::Watch;
use crate::engine::folders::RunFolders;
use crate::model::event::{Event, EventBody};
use crate::model::exit::ExitCode;
use crate::model::ids::{RunId, TaskId};
use crate::model::record::Lease;
use crate::model::run::RunSpec;
use crate::model::status::RunStatus;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::report::Liveness;
use crate::store::{LEASE, Store, StoreError};
use crate::supervisor;

/// How far the clocks of two hosts that share a store may be apart.
const CLOCKS_APART: Duration = Duration::from_mins(10);

/// Where what is known of a run comes from.
pub enum Source {
    /// The journal of this machine.
    Journal(Box<Store>),
    /// A Redis that another machine writes to.
    Elsewhere(Box<Elsewhere>),
}

/// A run as its events tell it.
pub struct KnownRun {
    /// Where they are.
    pub source: Source,
    /// What is or was run.
    pub spec: RunSpec,
    /// Its state.
    pub view: RunView,
    /// All its events.
    pub events: Vec<Event>,
    /// Where its files lie, on the machine that runs it.
    pub folders: RunFolders,
}

impl KnownRun {
    /// Finds the run that `--run` names, or the latest of this project, and reads it.
    pub fn find(context: &Context) -> Result<Self, CliError> {
        let here = match open(context) {
            Ok(store) => match store.find_run(context.run.as_deref()) {
                Ok(run) => Ok(Self::read(context, store, &run)?),
                Err(error @ StoreError::NoRun { .. }) => Err(CliError::from(error)),
                Err(error) => return Err(error.into()),
            },
            Err(error) if error.exit == ExitCode::Usage => Err(error),
            Err(error) => return Err(error),
        };
        if context.redis.is_none() {
            return here;
        }
        match here {
            // What this machine drives, and what is done, no other one knows better.
            Ok(run) if run.liveness(context)? == Liveness::Alive => Ok(run),
            Ok(run) => Ok(elsewhere::newer(context, &run).unwrap_or(run)),
            Err(unknown) => elsewhere::find(context)?.ok_or(unknown),
        }
    }

    /// Reads the run `run`.
    pub fn read(context: &Context, store: Store, run: &RunId) -> Result<Self, CliError> {
        // In this order: what is read later knows all tasks of what was read before.
        let events = store.events(run, 0)?;
        let spec = store.run_spec(run)?;
        let view = RunView::fold(&spec, &events)?;
        let folders = context.folders(&spec.root, run);
        Ok(Self { source: Source::Journal(Box::new(store)), spec, view, events, folders })
    }

    /// Takes in what happened since the last look; says whether anything did.
    pub fn refresh(&mut self) -> Result<bool, CliError> {
        let new = match &self.source {
            Source::Journal(store) => store.events(&self.view.run_id, self.view.last_seq)?,
            Source::Elsewhere(there) => there.events(self.view.last_seq)?,
        };
        let any = !new.is_empty();
        if new.iter().any(|event| matches!(event.body, EventBody::Replanned { .. })) {
            // It has other tasks from here on.
            self.events.extend(new);
            self.spec = match &self.source {
                Source::Journal(store) => store.run_spec(&self.view.run_id)?,
                Source::Elsewhere(there) => there.spec()?,
            };
            self.view = RunView::fold(&self.spec, &self.events)?;
            return Ok(any);
        }
        for event in &new {
            self.view.apply(event)?;
        }
        self.events.extend(new);
        Ok(any)
    }

    /// Whether its supervisor lives.
    pub fn liveness(&self, context: &Context) -> Result<Liveness, CliError> {
        if self.view.status != RunStatus::Running {
            return Ok(Liveness::Ended);
        }
        let store = match &self.source {
            Source::Journal(store) => store,
            Source::Elsewhere(there) => return Ok(elsewhere::liveness(context, there)?),
        };
        let lease = store.lease(&self.view.run_id)?;
        let alive = lease.is_some_and(|lease| lease_is_alive(context, &lease));
        Ok(if alive { Liveness::Alive } else { Liveness::Dead })
    }

    /// Begins to watch for what happens next.
    pub fn watch(&self, context: &Context) -> Result<Watch, CliError> {
        match &self.source {
            Source::Journal(_) => Ok(Watch::begin(&context.state_dir)),
            Source::Elsewhere(there) => Ok(Watch::stream(|tell| there.watch(self.view.last_seq, tell))?),
        }
    }

    /// Through what it is looked at, where it is a run of another machine.
    pub fn elsewhere(&self) -> Option<&Elsewhere> {
        match &self.source {
            Source::Journal(_) => None,
            Source::Elsewhere(there) => Some(there),
        }
    }

    /// The host whose supervisor had the run last.
    pub fn host(&self) -> &str {
        self.view.supervisor.as_ref().map_or(&self.spec.host, |(host, _)| host)
    }

    /// The task `id`, or an error that names the ones there are.
    pub fn task(&self, id: &TaskId) -> Result<&TaskId, CliError> {
        if let Some(task) = self.view.task(id) {
            return Ok(&task.id);
        }
        // People type ids without regard to case.
        let mut same =
            self.view.tasks.iter().filter(|task| task.id.as_str().eq_ignore_ascii_case(id.as_str()));
        if let (Some(task), None) = (same.next(), same.next()) {
            return Ok(&task.id);
        }
        let known = self.view.tasks.iter().map(|task| task.id.as_str());
        let error = CliError::new(ExitCode::Usage, format!("run {} has no task `{id}`", self.view.run_id));
        Err(match crate::diagnostics::suggest(id.as_str(), known) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`orchestrate status` lists its tasks"),
        })
    }

    /// The file of an attempt's folder.
    pub fn attempt_file(&self, task: &TaskId, attempt: u32, name: &str) -> PathBuf {
        self.folders.attempt(task, attempt).join(name)
    }
}

/// Opens the store of this project to look at it.
pub fn open(context: &Context) -> Result<Store, CliError> {
    Store::open_existing(&context.state_dir)?.ok_or_else(|| nothing_known(context))
}

/// The error of a project in which nothing was run yet.
pub fn nothing_known(context: &Context) -> CliError {
    CliError::new(
        ExitCode::Usage,
        format!("no run is known here: `{}` has no journal", context.shown(&context.state_dir)),
    )
    .hint("start one with `orchestrate --plan PLAN`, or look elsewhere with `-C DIR` or `--redis`")
}

/// Whether the holder of a lease lives: on this host its process tells, on another one the time.
pub fn lease_is_alive(context: &Context, lease: &Lease) -> bool {
    holder_lives(lease, &context.host, context.clock.now())
}

/// The same, seen from `host` at `now`.
pub fn holder_lives(lease: &Lease, host: &str, now: Timestamp) -> bool {
    // One that ends later than a lease can was given by a clock that has been set back since.
    let holds = lease.until > now && lease.until <= now + LEASE + CLOCKS_APART;
    if lease.host != host {
        return holds;
    }
    // Where a process is not known by its start, another one may have its number by now.
    let is_known = !lease.pid_started.is_empty();
    (is_known || holds) && supervisor::process_alive(lease.pid, &lease.pid_started)
}
