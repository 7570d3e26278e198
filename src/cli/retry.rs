//! `retry`: failed tasks once more, by another layer or agent, or with a word.
//!
//! What was typed is held against the run before anything happens: a choice that would change nothing is
//! wrong use, and never silently dropped.

use crate::cli::args::commands::RetryCommand;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look::KnownRun;
use crate::cli::requests::ask;
use crate::cli::resume::{Going, go_on};
use crate::cli::start;
use crate::model::agent::AdapterKind;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::record::ControlAction;
use crate::model::run::RunSpec;
use crate::model::status::{RunStatus, TaskStatus};
use crate::model::task::TaskSpec;
use crate::model::view::{RunView, TaskView};
use crate::report::Liveness;
use crate::scheduler::Input;
use crate::scheduler::ladder::{Choice, Ladder};

/// What is to be different for the tasks.
#[derive(Debug, Clone, Copy)]
struct Wish<'a> {
    layer: Option<u8>,
    agent: Option<&'a str>,
    say: Option<&'a str>,
}

/// `orchestrate retry`: asks the supervisor of a run that goes on, else goes on itself.
pub async fn retry(context: &Context, command: &RetryCommand) -> Result<ExitCode, CliError> {
    let mut run = KnownRun::find(context)?;
    let mut tasks = Vec::new();
    for task in &command.tasks {
        let task = run.task(task)?.clone();
        if let Some(known) = run.view.task(&task) {
            can_be_retried(known)?;
        }
        tasks.push(task);
    }
    let (layer, agent, say) = (command.layer, command.agent.clone(), command.say.clone());
    let alive = run.liveness(context)? == Liveness::Alive;
    let allow_paid = command.allow_paid.then(|| command.reason.clone()).flatten();
    if alive && (allow_paid.is_some() || command.budget.is_some()) {
        return Err(CliError::new(
            ExitCode::Usage,
            format!("run {} goes on, and whether money may be spent was said when it began", run.view.run_id),
        )
        .hint("stop it with `orchestrate stop`, then call this again"));
    }
    let mut spec = run.spec.clone();
    if let Some(reason) = &allow_paid {
        spec.settings.allow_paid = Some(reason.clone());
    }
    if !alive {
        start::find_agents(context, &mut spec.agents, &spec.layers);
    }
    let wish = Wish { layer, agent: agent.as_deref(), say: say.as_deref() };
    means_something(&spec, &meant(&spec, &run.view, &tasks), wish)?;
    if alive {
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
    Box::pin(go_on(context, run, Going { allow_paid, budget: command.budget, retry, ..Going::default() }))
        .await
}

/// Refuses a task that cannot be tried again.
fn can_be_retried(task: &TaskView) -> Result<(), CliError> {
    let id = &task.id;
    let refused = |message: String| CliError::new(ExitCode::Usage, message);
    match task.status {
        TaskStatus::Succeeded => Err(refused(format!("task {id} succeeded: nothing to retry"))),
        TaskStatus::Skipped => {
            let why = task.skipped.as_deref().unwrap_or("it is not part of the run");
            Err(refused(format!("task {id} is skipped ({why}): nothing to retry"))
                .hint("after a change of the plan: `orchestrate resume --replan`"))
        }
        TaskStatus::Held => Err(refused(format!("task {id} is held: trying again would not start it"))
            .hint(format!("`orchestrate why {id}` says what lets it go"))),
        TaskStatus::Pending
        | TaskStatus::Running
        | TaskStatus::Verifying
        | TaskStatus::Landing
        | TaskStatus::Retrying
        | TaskStatus::Failed
        | TaskStatus::Cancelled
        | TaskStatus::Blocked => Ok(()),
    }
}

/// The tasks that are meant: those named, else all that failed or were stopped.
fn meant<'a>(spec: &'a RunSpec, view: &RunView, named: &[TaskId]) -> Vec<&'a TaskSpec> {
    let is_meant = |task: &&TaskSpec| {
        if !named.is_empty() {
            return named.contains(&task.id);
        }
        let status = view.task(&task.id).map(|task| task.status);
        matches!(status, Some(TaskStatus::Failed | TaskStatus::Cancelled))
    };
    spec.tasks.iter().filter(is_meant).collect()
}

/// Refuses a wish that the run cannot grant, or that would change nothing for any of the tasks.
fn means_something(spec: &RunSpec, tasks: &[&TaskSpec], wish: Wish<'_>) -> Result<(), CliError> {
    let refused = |message: String| Err(CliError::new(ExitCode::Usage, message));
    if let Some(agent) = wish.agent
        && !spec.agents.contains_key(agent)
    {
        return Err(unknown_agent(spec, agent));
    }
    if let Some(layer) = wish.layer {
        let numbers: Vec<String> = spec.layers.iter().map(|known| known.layer.to_string()).collect();
        if spec.layers.iter().all(|known| known.layer != layer) {
            return Err(CliError::new(ExitCode::Usage, format!("the run has no layer {layer}"))
                .hint(format!("it has {}; `orchestrate models` lists them", numbers.join(", "))));
        }
        if let Some(highest) = spec.settings.max_layer.filter(|highest| layer > *highest) {
            return refused(format!(
                "layer {layer} is above {highest}, where the run was to stop (`--max-layer`)"
            ));
        }
        if let Some(agent) = wish.agent {
            agrees(spec, layer, agent)?;
        }
    }
    let mut first = None;
    for task in tasks {
        match is_granted(spec, task, wish) {
            Ok(()) => return Ok(()),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    first.map_or(Ok(()), Err)
}

/// Refuses an agent that no layer has from `layer` up.
fn agrees(spec: &RunSpec, layer: u8, agent: &str) -> Result<(), CliError> {
    let of_agent: Vec<u8> =
        spec.layers.iter().filter(|known| known.agent == agent).map(|known| known.layer).collect();
    if of_agent.is_empty() {
        return Err(CliError::new(
            ExitCode::Usage,
            format!(
                "agent `{agent}` is in no layer: `--layer {layer}` and `--agent {agent}` exclude each other"
            ),
        )
        .hint("leave one of them out"));
    }
    if of_agent.iter().all(|known| *known < layer) {
        let numbers: Vec<String> = of_agent.iter().map(ToString::to_string).collect();
        let holder = spec.layers.iter().find(|known| known.layer == layer).map(|known| known.agent.as_str());
        return Err(CliError::new(
            ExitCode::Usage,
            format!(
                "`--layer {layer}` and `--agent {agent}` exclude each other: layer {layer} is that of `{}`, and \
                 `{agent}` has {}",
                holder.unwrap_or("another"),
                numbers.join(", ")
            ),
        )
        .hint("leave one of them out"));
    }
    Ok(())
}

/// Whether the wish makes a difference for this task, and can be granted.
fn is_granted(spec: &RunSpec, task: &TaskSpec, wish: Wish<'_>) -> Result<(), CliError> {
    let agent = wish.agent.or(task.agent.as_deref());
    let in_layers = agent.is_none_or(|agent| spec.layers.iter().any(|layer| layer.agent == agent));
    if let (Some(layer), Some(agent), false) = (wish.layer, agent, in_layers) {
        return Err(CliError::new(
            ExitCode::Usage,
            format!(
                "task {} is run by `{agent}`, which is in no layer: `--layer {layer}` would change nothing",
                task.id
            ),
        )
        .hint(format!(
            "`orchestrate retry {}` runs it again as it is; `--agent NAME` has another do it",
            task.id
        )));
    }
    let kind = agent.and_then(|agent| spec.agents.get(agent)).map(|agent| agent.kind);
    if wish.say.is_some() && kind == Some(AdapterKind::Command) {
        return Err(CliError::new(
            ExitCode::Usage,
            format!(
                "task {} is a command (`{}`), which reads no word: `--say` would change nothing",
                task.id,
                agent.unwrap_or_default()
            ),
        )
        .hint("change its command in the plan, then `orchestrate resume --replan`"));
    }
    if wish.layer.is_none() && wish.agent.is_none() {
        return Ok(());
    }
    let ladder = Ladder::of(task, &Choice { agent: wish.agent.map(str::to_owned), layer: wish.layer }, spec);
    if !ladder.steps.is_empty() {
        let stands_in = |rungs: &[crate::model::layer::Rung]| {
            wish.layer.is_some() && rungs.iter().any(|rung| rung.layer == wish.layer)
        };
        if stands_in(&ladder.unpaid) {
            return Err(not_paid(task, wish.layer));
        }
        if stands_in(&ladder.missing) {
            return Err(missing(task, &ladder));
        }
        return Ok(());
    }
    if !ladder.unpaid.is_empty() {
        return Err(not_paid(task, wish.layer));
    }
    if !ladder.missing.is_empty() {
        return Err(missing(task, &ladder));
    }
    match ladder.refusal {
        Some(refusal) => Err(CliError::new(
            ExitCode::Usage,
            format!("task {} cannot run like that: {}", task.id, refusal.seen),
        )),
        None => Ok(()),
    }
}

fn not_paid(task: &TaskSpec, layer: Option<u8>) -> CliError {
    let what = layer.map_or_else(|| "what is left for it".to_owned(), |layer| format!("layer {layer}"));
    CliError::new(ExitCode::Usage, format!("{what} costs money, which was not approved for task {}", task.id))
        .hint("approve it with `--allow-paid --reason TEXT`")
}

fn missing(task: &TaskSpec, ladder: &Ladder) -> CliError {
    let agent = ladder.missing.first().map_or("its agent", |rung| rung.agent.as_str());
    CliError::new(
        ExitCode::Environment,
        format!("`{agent}` is not installed, and task {} asks for it", task.id),
    )
    .hint("`orchestrate doctor` says how to get it")
}

fn unknown_agent(spec: &RunSpec, agent: &str) -> CliError {
    let error = CliError::new(ExitCode::Usage, format!("agent `{agent}` is not known to this run"));
    let known = || spec.agents.keys().map(String::as_str);
    match crate::diagnostics::suggest(agent, known()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("known ones: {}", known().collect::<Vec<_>>().join(", "))),
    }
}
