//! Runs of other machines, looked at through Redis: where the journal here does not know a run, or is
//! behind what went on elsewhere.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look::{KnownRun, Source, holder_lives};
use crate::cli::shared::{self, Found};
use crate::engine::folders::RunFolders;
use crate::model::event::{Event, EventBody};
use crate::model::exit::ExitCode;
use crate::model::ids::RunId;
use crate::model::record::{Control, Lease, RunSummary};
use crate::model::run::RunSpec;
use crate::model::status::RunStatus;
use crate::model::view::RunView;
use crate::report::Liveness;
use crate::store::{RedisState, StoreError};

/// How long a server that was there before may take to be there again.
const REACH: Duration = Duration::from_secs(2);

/// The Redis through which a run is looked at.
#[derive(Debug)]
pub struct Elsewhere {
    redis: RefCell<RedisState>,
    key_ttl: Duration,
    prefix: String,
    run: RunId,
}

impl Elsewhere {
    fn new(context: &Context, redis: RedisState, run: RunId) -> Self {
        let prefix = context.prefix.clone();
        Self { redis: RefCell::new(redis), key_ttl: context.key_ttl, prefix, run }
    }

    /// Does `work` with the server; once more over a new connection where the old one broke.
    ///
    /// # Errors
    /// What the server, or the second try, came to.
    pub fn ask<T>(
        &self,
        mut work: impl FnMut(&mut RedisState, &str, &RunId) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut redis = self.redis.borrow_mut();
        match work(&mut redis, &self.prefix, &self.run) {
            Err(StoreError::Redis { trouble, .. }) if trouble.passes() => {
                *redis = RedisState::open(redis.address().clone(), self.key_ttl, REACH)?;
                work(&mut redis, &self.prefix, &self.run)
            }
            other => other,
        }
    }

    /// Everything that happened after event `after`.
    pub fn events(&self, after: u64) -> Result<Vec<Event>, StoreError> {
        let mut events: Vec<Event> = Vec::new();
        loop {
            let last = events.last().map_or(after, |event| event.seq);
            let page = self.ask(|redis, prefix, run| redis.events_after(prefix, run, last))?;
            if page.is_empty() {
                return Ok(events);
            }
            events.extend(page.into_iter().map(|(event, _)| event));
        }
    }

    /// What is run.
    pub fn spec(&self) -> Result<RunSpec, CliError> {
        let spec = self.ask(|redis, prefix, run| redis.run_spec(prefix, run))?;
        spec.ok_or_else(|| {
            CliError::new(
                ExitCode::Store,
                format!("what run {} was to do is not in Redis at `{}` any more", self.run, self.address()),
            )
            .hint("its keys were evicted or are gone by their time: the machine that ran it has its journal")
        })
    }

    /// Who supervises the run, if the lease holds by the server's clock.
    pub fn holder(&self, context: &Context) -> Result<Option<Lease>, StoreError> {
        let (lease, now) = self.ask(|redis, prefix, run| {
            let lease = redis.lease(prefix, run)?;
            Ok((lease, redis.time_there()?))
        })?;
        Ok(lease.filter(|lease| holds(context, lease, now)))
    }

    /// Whether the server lost what it had of the run: it has fewer events than `seen`. A supervisor that
    /// lives will write them again.
    pub fn has_lost(&self, seen: u64) -> Result<bool, StoreError> {
        Ok(self.ask(|redis, prefix, run| redis.last_event(prefix, run))? < seen)
    }

    /// Where the server is, without its password.
    pub fn address(&self) -> String {
        self.redis.borrow().address().to_string()
    }

    /// Calls `tell` from a thread when something happens after event `after`; see
    /// [`RedisState::watch_stream`].
    pub fn watch(
        &self,
        after: u64,
        tell: impl FnMut(bool) -> bool + Send + 'static,
    ) -> Result<(), StoreError> {
        let key = crate::store::keys::events(&self.prefix, &self.run);
        self.redis.borrow().watch_stream(key, after, tell)
    }
}

/// Whether a lease holds at the server's time `now`, and its holder is not known to be dead.
fn holds(context: &Context, lease: &Lease, now: crate::model::time::Timestamp) -> bool {
    lease.until > now && (lease.host != context.host || holder_lives(lease, &context.host, now))
}

/// The run that `--run` names, or the latest of this project, as Redis has it; none: it has no such
/// run.
pub fn find(context: &Context) -> Result<Option<KnownRun>, CliError> {
    let redis = match shared::state(context)? {
        Found::There(redis) => redis,
        Found::NotAsked => return Ok(None),
        Found::Without(error) => {
            context.ui.note(&error.to_string());
            return Ok(None);
        }
    };
    match wanted_there(context, &redis)? {
        Some(run) => read(context, redis, &run).map(Some),
        None => Ok(None),
    }
}

/// What went on elsewhere since the journal here knew of it: with the run that `here` is, or, where
/// none was named, with the whole project. None: nothing, or Redis cannot be asked, which is said.
pub fn newer(context: &Context, here: &KnownRun) -> Option<KnownRun> {
    let found = match shared::state(context) {
        Ok(Found::There(redis)) => newer_there(context, redis, here),
        Ok(Found::NotAsked) => return None,
        Ok(Found::Without(error)) => Err(error.into()),
        Err(error) => Err(error),
    };
    found.unwrap_or_else(|error| {
        context.ui.note(&format!("{error}; this is what the journal here has"));
        None
    })
}

fn newer_there(context: &Context, redis: RedisState, here: &KnownRun) -> Result<Option<KnownRun>, CliError> {
    if context.run.is_none()
        && let Some(latest) = redis.index(&context.prefix)?.into_iter().next()
        && latest.started_at > here.view.started_at
        && latest.run_id != here.spec.run_id
    {
        return read(context, redis, &latest.run_id).map(Some);
    }
    // A Redis that lost the run, or never had it, has fewer.
    if redis.last_event(&here.spec.prefix, &here.spec.run_id)? <= here.view.last_seq {
        return Ok(None);
    }
    read(context, redis, &here.spec.run_id).map(Some)
}

/// Tells a request to a run of this machine, which nobody supervises, to Redis too: another machine may
/// go on with it. Where Redis does not have the run, or is not to be had, nobody can.
pub fn tell(context: &Context, run: &KnownRun, control: &Control) {
    let (prefix, id) = (&run.spec.prefix, &run.spec.run_id);
    let told = match shared::state(context) {
        Ok(Found::There(mut redis)) => redis.last_event(prefix, id).and_then(|last| {
            if last > 0 { redis.push_control(prefix, id, control).map(drop) } else { Ok(()) }
        }),
        Ok(Found::NotAsked) => Ok(()),
        Ok(Found::Without(error)) => Err(error),
        Err(error) => {
            context.ui.note(&format!("{error}; other machines do not hear of it"));
            return;
        }
    };
    if let Err(error) = told {
        context.ui.note(&format!("{error}; other machines do not hear of it"));
    }
}

fn wanted_there(context: &Context, redis: &RedisState) -> Result<Option<RunId>, CliError> {
    let index = redis.index(&context.prefix)?;
    let Some(wanted) = context.run.as_deref().map(str::trim) else {
        return Ok(index.into_iter().next().map(|summary| summary.run_id));
    };
    let begins = |run: &RunId| {
        let start = run.as_str().get(..wanted.len());
        !wanted.is_empty() && start.is_some_and(|start| start.eq_ignore_ascii_case(wanted))
    };
    let mut found: Vec<RunId> =
        index.into_iter().map(|summary| summary.run_id).filter(|run| begins(run)).collect();
    if let Some(whole) = found.iter().position(|run| run.as_str().eq_ignore_ascii_case(wanted)) {
        return Ok(Some(found.swap_remove(whole)));
    }
    if found.len() > 1 {
        return Err(StoreError::Ambiguous { wanted: wanted.to_owned(), candidates: found }.into());
    }
    if let Some(run) = found.pop() {
        return Ok(Some(run));
    }
    // The index holds the recent ones only.
    let run = RunId(wanted.to_ascii_uppercase());
    Ok(redis.run_spec(&context.prefix, &run)?.is_some().then_some(run))
}

fn read(context: &Context, redis: RedisState, run: &RunId) -> Result<KnownRun, CliError> {
    let there = Elsewhere::new(context, redis, run.clone());
    let mut spec = there.spec()?;
    let events = there.events(0)?;
    let replanned = events.iter().filter(|event| matches!(event.body, EventBody::Replanned { .. })).count();
    if replanned > usize::try_from(spec.replanned).unwrap_or(usize::MAX) {
        // Its plan was read again between the two: what is read later knows all tasks.
        spec = there.spec()?;
    }
    let view = RunView::fold(&spec, &events)?;
    let folders = RunFolders::new(&spec.root, &state_dir(context, &spec), context.cache(), run);
    Ok(KnownRun { source: Source::Elsewhere(Box::new(there)), spec, view, events, folders })
}

/// Where the state folder of the machine lies that runs it.
fn state_dir(context: &Context, spec: &RunSpec) -> PathBuf {
    spec.state_dir.clone().unwrap_or_else(|| match context.state_dir.strip_prefix(&context.root) {
        Ok(below) => spec.root.join(below),
        Err(_) => context.state_dir.clone(),
    })
}

/// Whether the supervisor of a run elsewhere lives.
pub fn liveness(context: &Context, there: &Elsewhere) -> Result<Liveness, StoreError> {
    Ok(if there.holder(context)?.is_some() { Liveness::Alive } else { Liveness::Dead })
}

/// The runs that Redis has besides `known`, or knows more of. One that goes on and whose lease ran out
/// is lost.
pub fn add_runs(
    context: &Context,
    redis: &RedisState,
    known: &mut Vec<RunSummary>,
) -> Result<(), StoreError> {
    let now = redis.time_there()?;
    for mut there in redis.index(&context.prefix)? {
        let here = known.iter().position(|run| run.run_id == there.run_id);
        if let Some(here) = here.and_then(|place| known.get(place))
            && (here.status == RunStatus::Running || here.updated_at >= there.updated_at)
        {
            continue;
        }
        if there.status == RunStatus::Running {
            let lease = redis.lease(&context.prefix, &there.run_id)?;
            if !lease.is_some_and(|lease| holds(context, &lease, now)) {
                there.status = RunStatus::Lost;
            }
        }
        match here.and_then(|place| known.get_mut(place)) {
            Some(here) => *here = there,
            None => known.push(there),
        }
    }
    known.sort_by(|one, other| (other.started_at, &other.run_id).cmp(&(one.started_at, &one.run_id)));
    Ok(())
}
