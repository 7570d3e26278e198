//! `resume`, and what `retry` shares with it: going on with a run that nobody supervises, here or, through Redis, elsewhere.

use std::sync::Arc;

use crate::cli::args::OutputForm;
use crate::cli::args::commands::ResumeCommand;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look::{KnownRun, Source};
use crate::cli::replan::{self, Replanned};
use crate::cli::run::share;
use crate::cli::shared::{self, Found};
use crate::cli::start::{self, Claim};
use crate::cli::takeover;
use crate::engine::prepare::make_private_folder;
use crate::engine::requests::{input_of, no_request};
use crate::model::event::{Event, EventBody};
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::record::{Control, ControlAction};
use crate::model::run::RunSpec;
use crate::model::status::RunStatus;
use crate::model::time::Timestamp;
use crate::report::{self, Liveness};
use crate::scheduler::{Effect, Input, Scheduler};
use crate::store::{RedisState, Store, StoreError};

/// What is to be different when a run goes on.
#[derive(Debug, Default)]
pub struct Going {
    /// How many attempts may run at once.
    pub jobs: Option<u32>,
    /// Take every gate as approved.
    pub yes_gates: bool,
    /// Why money may be spent.
    pub allow_paid: Option<String>,
    /// What the whole run may spend, in US dollars.
    pub budget: Option<f64>,
    /// Which tasks to run again.
    pub retry: Option<Input>,
    /// Read the changed plan first.
    pub replan: bool,
}

/// `orchestrate resume`.
pub async fn resume(context: &Context, command: &ResumeCommand) -> Result<ExitCode, CliError> {
    let run = KnownRun::find(context)?;
    if command.dry_run {
        return show_difference(context, run);
    }
    let going = Going {
        jobs: command.jobs,
        yes_gates: command.yes_gates,
        allow_paid: command.allow_paid.then(|| command.reason.clone()).flatten(),
        budget: command.budget,
        retry: None,
        replan: command.replan,
    };
    Box::pin(go_on(context, run, going)).await
}

/// `resume --replan --dry-run`: what is different in the plan, and nothing else.
fn show_difference(context: &Context, run: KnownRun) -> Result<ExitCode, CliError> {
    let view = run.view.clone();
    let spec = described(context, run)?.spec;
    let replanned = replan::read(context, &spec, &view)?;
    match context.output {
        OutputForm::Human => {
            context.ui.data(&report::difference(&replanned.difference, &context.ui.stdout))?;
        }
        OutputForm::Json | OutputForm::Ndjson => {
            context.ui.data(&report::line_json(&replanned.difference))?;
        }
    }
    replanned.read.show_diagnostics(context);
    Ok(ExitCode::Success)
}

/// How often a run is tried to be taken over that others still write to.
const TRIES: u32 = 3;

/// Takes over a run that nobody supervises and drives it to its end.
pub async fn go_on(context: &Context, run: KnownRun, going: Going) -> Result<ExitCode, CliError> {
    let view = run.view.clone();
    let id = view.run_id.clone();
    if run.liveness(context)? == Liveness::Alive {
        let error =
            CliError::new(ExitCode::Held, format!("run {id} goes on: its supervisor {}lives", named(&run)))
                .hint("`orchestrate status` shows where it stands; `orchestrate stop` stops it");
        return Err(if going.replan {
            error.hint("`orchestrate resume --replan --dry-run` shows what is different in its plan")
        } else {
            error
        });
    }
    let nothing = || CliError::new(ExitCode::NothingToRun, format!("run {id} succeeded: nothing is left"));
    if view.status == RunStatus::Succeeded && !going.replan {
        return Err(nothing());
    }
    let Described { spec: before, mut told, is_new_here } = described(context, run)?;
    let replanned = if going.replan { Some(replan::read(context, &before, &view)?) } else { None };
    if view.status == RunStatus::Succeeded
        && let Some(replanned) = &replanned
        && !replanned.is_anything_left(&view)
    {
        context.ui.note(report::difference(&replanned.difference, &context.ui.stderr).trim_end());
        return Err(nothing());
    }
    if is_new_here {
        takeover::settle(context, &before)?;
    }
    let folders = context.folders(&before.root, &id);
    make_private_folder(folders.run())?;
    replan::keep(folders.run(), &before)?;
    // Only what concerns no task may be different in a plan that is said to be the same: its lines.
    let adopted = replanned.as_ref().filter(|replanned| replanned.spec.plan_hash != before.plan_hash);
    if let Some(replanned) = adopted {
        replan::lay_ready(folders.run(), &replanned.read.file)?;
    }
    let spec = adopted.map_or_else(|| before.clone(), |replanned| replanned.spec.clone());
    let spec = Arc::new(changed(context, spec, &going)?);
    let mirror = shared::mirror(context, spec.settings.seed)?;
    let mut store = Store::open(&context.state_dir, false)?;
    let without = share(&mut store, mirror);
    let taking = Taking { before: &before, spec: &spec, replanned: adopted, last_seq: view.last_seq };
    let Taken { claim, scheduler, events, untold } = take(context, &mut store, &taking, &mut told)?;
    replan::keep(folders.run(), &spec)?;
    let view = scheduler.view().clone();
    let requests = store.controls(&id, 0)?;
    let seen = requests.last().map_or(0, |(number, _)| *number);
    let mut first: Vec<Input> = requests
        .into_iter()
        .filter_map(|(_, control)| still_asked(control, view.ended_at, &events))
        .collect();
    first.extend(going.retry);
    context.ui.say(&format!("run {id}"));
    if let Some(replanned) = &replanned {
        context.ui.say(report::difference(&replanned.difference, &context.ui.stderr).trim_end());
        replanned.read.show_diagnostics(context);
    } else if !view.plan_changed && replan::is_changed(context, &spec, &view) {
        first.push(Input::PlanChanged);
    }
    first.extend(without);
    first.extend(told);
    first.push(Input::Resume { host: context.host.clone(), pid: claim.lease.pid, fence: claim.lease.fence });
    let driven = start::Driven {
        spec,
        scheduler,
        store,
        claim,
        first,
        requests_seen: seen,
        not_before: view.updated_at,
        untold,
    };
    start::drive(context, driven).await
}

/// `host:pid` of the supervisor of a run elsewhere.
fn named(run: &KnownRun) -> String {
    let supervisor = run.elsewhere().and(run.view.supervisor.as_ref());
    supervisor.map_or_else(String::new, |(host, pid)| format!("{host}:{pid} "))
}

/// A run as it is to go on here.
struct Described {
    /// What is run.
    spec: RunSpec,
    /// What a person should know of it.
    told: Vec<Input>,
    /// Whether it was never run here.
    is_new_here: bool,
}

fn described(context: &Context, run: KnownRun) -> Result<Described, CliError> {
    let host = run.host().to_owned();
    if let Source::Journal(_) = run.source {
        return Ok(Described { spec: run.spec, told: Vec::new(), is_new_here: false });
    }
    // Where it was run before, its journal has it whole, unless its plan was read again since.
    let known = Store::open_existing(&context.state_dir)?.map(|store| store.run_spec(&run.spec.run_id));
    match known {
        Some(Ok(known)) if known.replanned >= run.spec.replanned => {
            Ok(Described { spec: known, told: vec![takeover::other_checkout(&host)], is_new_here: false })
        }
        Some(Ok(_) | Err(StoreError::NoRun { .. })) | None => {
            let moved = takeover::moved(context, run.spec, &host)?;
            Ok(Described { spec: moved.spec, told: moved.told, is_new_here: true })
        }
        Some(Err(error)) => Err(error.into()),
    }
}

/// What a run is taken with.
struct Taking<'a> {
    /// The run as it was.
    before: &'a RunSpec,
    /// The run as it goes on.
    spec: &'a Arc<RunSpec>,
    /// The plan that is different.
    replanned: Option<&'a Replanned>,
    /// The last event that was seen when that was found out.
    last_seq: u64,
}

/// A run that is ours.
struct Taken {
    claim: Claim,
    scheduler: Scheduler,
    /// All its events.
    events: Vec<Event>,
    /// Those of them that nobody was told.
    untold: Vec<Event>,
}

/// Takes the run, with all that happened to it elsewhere in the journal here first.
fn take(
    context: &Context,
    store: &mut Store,
    taking: &Taking<'_>,
    told: &mut Vec<Input>,
) -> Result<Taken, CliError> {
    let redis = match shared::state(context)? {
        Found::There(redis) => redis,
        Found::NotAsked | Found::Without(_) => {
            return take_here(context, store, taking)?.map_err(CliError::from);
        }
    };
    for _ in 1..TRIES {
        catch_up(store, &redis, taking.before, told)?;
        match take_here(context, store, taking)? {
            // Whoever had it wrote to it until the claim.
            Err(StoreError::Conflict { .. }) => {}
            other => return Ok(other?),
        }
    }
    catch_up(store, &redis, taking.before, told)?;
    Ok(take_here(context, store, taking)??)
}

fn take_here(
    context: &Context,
    store: &mut Store,
    taking: &Taking<'_>,
) -> Result<Result<Taken, StoreError>, CliError> {
    let id = &taking.spec.run_id;
    let Some(replanned) = taking.replanned else {
        let claim = match Claim::take(context, store, taking.spec) {
            Ok(claim) => claim,
            Err(error) => return Ok(Err(error)),
        };
        let events = store.events(id, 0)?;
        let scheduler = Scheduler::recover(Arc::clone(taking.spec), &events)?;
        return Ok(Ok(Taken { claim, scheduler, events, untold: Vec::new() }));
    };
    let mut events = store.events(id, 0)?;
    let mut scheduler = Scheduler::recover(Arc::clone(taking.spec), &events)?;
    if scheduler.view().last_seq != taking.last_seq {
        return Err(CliError::new(
            ExitCode::Held,
            format!("run {id} went on while its plan was read: what is different may be something else now"),
        )
        .hint("call it again"));
    }
    let (difference, again) = (Box::new(replanned.difference.clone()), replanned.again.clone());
    let effects = scheduler.handle(Input::Replanned { difference, again }, context.clock.now());
    let untold: Vec<Event> = effects
        .into_iter()
        .filter_map(|effect| if let Effect::Record(event) = effect { Some(event) } else { None })
        .collect();
    Ok(match Claim::replan(context, store, taking.spec, scheduler.view(), &untold) {
        Ok(claim) => {
            events.extend(untold.iter().cloned());
            Ok(Taken { claim, scheduler, events, untold })
        }
        Err(error) => Err(error),
    })
}

fn catch_up(
    store: &mut Store,
    redis: &RedisState,
    spec: &RunSpec,
    told: &mut Vec<Input>,
) -> Result<(), StoreError> {
    // A run that this Redis never had is one of the journal alone.
    if redis.last_event(&spec.prefix, &spec.run_id)? > 0 || store.run_spec(&spec.run_id).is_err() {
        store.catch_up(redis, spec)?;
    }
    told.extend(store.catch_up_requests(redis, spec)?.into_iter().map(no_request));
    Ok(())
}

/// A request that was made while nobody supervised the run. Approvals hold whenever they were
/// given; a stop was meant for the run as it went on then, and one of tasks not for those that were
/// begun anew since.
fn still_asked(mut control: Control, ended_at: Option<Timestamp>, events: &[Event]) -> Option<Input> {
    let asked_at = control.at;
    if let ControlAction::Stop { tasks } = &mut control.action
        && !tasks.is_empty()
    {
        tasks.retain(|task| !was_reopened(events, task, asked_at));
    }
    let unseen = ended_at.is_none_or(|ended| control.at > ended);
    match &control.action {
        ControlAction::Approve { .. } => Some(input_of(control)),
        ControlAction::Stop { tasks } if !tasks.is_empty() && unseen => Some(input_of(control)),
        ControlAction::Retry { .. } if unseen && ended_at.is_some() => Some(input_of(control)),
        ControlAction::Stop { .. } | ControlAction::Retry { .. } => None,
    }
}

fn was_reopened(events: &[Event], task: &TaskId, since: Timestamp) -> bool {
    events
        .iter()
        .rev()
        .take_while(|event| event.at >= since)
        .any(|event| matches!(&event.body, EventBody::TaskReopened { task_id, .. } if task_id == task))
}

/// The run as before, with what was asked to be different, and with the agents that are installed
/// here.
fn changed(context: &Context, mut spec: RunSpec, going: &Going) -> Result<RunSpec, CliError> {
    if let Some(jobs) = going.jobs {
        if jobs == 0 {
            return Err(CliError::new(ExitCode::Usage, "`--jobs` must be at least 1"));
        }
        spec.settings.jobs = jobs;
    }
    spec.settings.yes_gates |= going.yes_gates;
    if let Some(reason) = &going.allow_paid {
        spec.settings.allow_paid = Some(reason.clone());
    }
    if going.budget.is_some() {
        spec.settings.budget_usd = going.budget;
    }
    start::find_agents(context, &mut spec.agents, &spec.layers);
    Ok(spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EventVersion;
    use crate::model::ids::RunId;
    use crate::model::record::ControlVersion;

    fn control(at: i64, action: ControlAction) -> Control {
        Control { schema: ControlVersion::V1, at: Timestamp(at), by: "me@host".to_owned(), action }
    }

    #[test]
    fn what_was_asked_before_is_asked_once() {
        let stop =
            |tasks: &[&str]| ControlAction::Stop { tasks: tasks.iter().copied().map(TaskId::new).collect() };
        let reopened = Event {
            schema: EventVersion::V1,
            run_id: RunId("R".to_owned()),
            seq: 1,
            at: Timestamp(50),
            body: EventBody::TaskReopened {
                task_id: TaskId::new("T1"),
                why: "retry".to_owned(),
                fresh: true,
                layer: None,
                agent: None,
                say: None,
            },
        };
        let asked = |at, action, ended: Option<i64>| {
            still_asked(control(at, action), ended.map(Timestamp), std::slice::from_ref(&reopened))
        };
        let stopped = |input: Option<Input>| {
            if let Some(Input::StopTasks { tasks, .. }) = input { tasks } else { Vec::new() }
        };
        assert_eq!(stopped(asked(40, stop(&["T1", "T2"]), None)), [TaskId::new("T2")]);
        assert_eq!(asked(40, stop(&["T1"]), None), None);
        assert_eq!(stopped(asked(60, stop(&["T1"]), None)), [TaskId::new("T1")]);
        assert_eq!(asked(60, stop(&["T1"]), Some(70)), None);
        assert_eq!(asked(60, stop(&[]), None), None, "a stop of the run was meant for that supervisor");
        let gate = ControlAction::Approve { gate: "g".to_owned() };
        assert!(asked(1, gate, Some(70)).is_some());
    }
}
