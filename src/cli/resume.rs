//! `resume` and `retry`: going on with a run that nobody supervises, here or, through Redis, elsewhere.

use std::sync::Arc;

use crate::cli::args::commands::{ResumeCommand, RetryCommand};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look::{KnownRun, Source};
use crate::cli::requests::ask;
use crate::cli::run::share;
use crate::cli::shared::{self, Found};
use crate::cli::start::{self, Claim};
use crate::cli::takeover;
use crate::engine::requests::{input_of, no_request};
use crate::model::event::{Event, EventBody};
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::record::{Control, ControlAction};
use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::report::Liveness;
use crate::scheduler::{Input, Scheduler};
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
    /// Which tasks to run again.
    pub retry: Option<Input>,
}

/// `orchestrate resume`.
pub async fn resume(context: &Context, command: &ResumeCommand) -> Result<ExitCode, CliError> {
    let run = KnownRun::find(context)?;
    let going = Going {
        jobs: command.jobs,
        yes_gates: command.yes_gates,
        allow_paid: command.allow_paid.then(|| command.reason.clone()).flatten(),
        retry: None,
    };
    Box::pin(go_on(context, run, going)).await
}

/// `orchestrate retry`: asks the supervisor of a run that goes on, else goes on itself.
pub async fn retry(context: &Context, command: &RetryCommand) -> Result<ExitCode, CliError> {
    let mut run = KnownRun::find(context)?;
    let mut tasks = Vec::new();
    for task in &command.tasks {
        let task = run.task(task)?.clone();
        if run.view.task(&task).is_some_and(|task| task.status == TaskStatus::Succeeded) {
            return Err(CliError::new(ExitCode::Usage, format!("task {task} succeeded: nothing to retry")));
        }
        tasks.push(task);
    }
    if let Some(agent) = &command.agent
        && !run.spec.agents.contains_key(agent)
    {
        let error = CliError::new(ExitCode::Usage, format!("agent `{agent}` is not known to this run"));
        let known = run.spec.agents.keys().map(String::as_str);
        return Err(match crate::diagnostics::suggest(agent, known) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!(
                "known ones: {}",
                run.spec.agents.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
            )),
        });
    }
    let (layer, agent, say) = (command.layer, command.agent.clone(), command.say.clone());
    if run.liveness(context)? == Liveness::Alive {
        ask(context, &mut run, ControlAction::Retry { tasks, layer, agent, say })?;
        context.ui.note("the run that goes on is asked to retry");
        return Ok(ExitCode::Success);
    }
    if run.view.status == RunStatus::Succeeded {
        return Err(CliError::new(
            ExitCode::NothingToRun,
            "every task of the run succeeded: nothing to retry",
        ));
    }
    let retry = Some(Input::Retry { tasks, layer, agent, say });
    Box::pin(go_on(context, run, Going { retry, ..Going::default() })).await
}

/// How often a run is tried to be taken over that others still write to.
const TRIES: u32 = 3;

/// Takes over a run that nobody supervises and drives it to its end.
pub async fn go_on(context: &Context, run: KnownRun, going: Going) -> Result<ExitCode, CliError> {
    let id = run.view.run_id.clone();
    if run.liveness(context)? == Liveness::Alive {
        return Err(CliError::new(
            ExitCode::Held,
            format!("run {id} goes on: its supervisor {}lives", named(&run)),
        )
        .hint("`orchestrate status` shows where it stands; `orchestrate stop` stops it"));
    }
    if run.view.status == RunStatus::Succeeded {
        return Err(CliError::new(ExitCode::NothingToRun, format!("run {id} succeeded: nothing is left")));
    }
    let (spec, mut told) = described(context, run)?;
    let spec = Arc::new(changed(context, spec, &going)?);
    let mirror = shared::mirror(context, spec.settings.seed)?;
    let mut store = Store::open(&context.state_dir, false)?;
    let without = share(&mut store, mirror);
    let claim = take(context, &mut store, &spec, &mut told)?;
    let events = store.events(&id, 0)?;
    let scheduler = Scheduler::recover(Arc::clone(&spec), &events)?;
    let view = RunView::fold(&spec, &events)?;
    let requests = store.controls(&id, 0)?;
    let seen = requests.last().map_or(0, |(number, _)| *number);
    let mut first: Vec<Input> = requests
        .into_iter()
        .filter_map(|(_, control)| still_asked(control, view.ended_at, &events))
        .collect();
    first.extend(going.retry);
    context.ui.say(&format!("run {id}"));
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
    };
    start::drive(context, driven).await
}

/// `host:pid` of the supervisor of a run elsewhere.
fn named(run: &KnownRun) -> String {
    let supervisor = run.elsewhere().and(run.view.supervisor.as_ref());
    supervisor.map_or_else(String::new, |(host, pid)| format!("{host}:{pid} "))
}

/// What is to be run here, and what a person should know of it.
fn described(context: &Context, run: KnownRun) -> Result<(RunSpec, Vec<Input>), CliError> {
    let host = run.host().to_owned();
    if let Source::Journal(_) = run.source {
        return Ok((run.spec, Vec::new()));
    }
    // Where it was run before, its journal has it whole.
    let known = Store::open_existing(&context.state_dir)?.map(|store| store.run_spec(&run.spec.run_id));
    match known {
        Some(Ok(known)) => Ok((known, vec![takeover::other_checkout(&host)])),
        Some(Err(StoreError::NoRun { .. })) | None => {
            let moved = takeover::moved(context, run.spec, &host)?;
            takeover::settle(context, &moved.spec)?;
            Ok((moved.spec, moved.told))
        }
        Some(Err(error)) => Err(error.into()),
    }
}

/// Takes the run, with all that happened to it elsewhere in the journal here first.
fn take(
    context: &Context,
    store: &mut Store,
    spec: &RunSpec,
    told: &mut Vec<Input>,
) -> Result<Claim, CliError> {
    let redis = match shared::state(context)? {
        Found::There(redis) => redis,
        Found::NotAsked | Found::Without(_) => return Ok(Claim::take(context, store, spec)?),
    };
    for _ in 1..TRIES {
        catch_up(store, &redis, spec, told)?;
        match Claim::take(context, store, spec) {
            // Whoever had it wrote to it until the claim.
            Err(StoreError::Conflict { .. }) => {}
            other => return Ok(other?),
        }
    }
    catch_up(store, &redis, spec, told)?;
    Ok(Claim::take(context, store, spec)?)
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
