//! `stop` and `approve`: what is asked of a run, through its control stream.

use crate::cli::args::commands::{ApproveCommand, StopCommand};
use crate::cli::context::Context;
use crate::cli::elsewhere;
use crate::cli::exit::CliError;
use crate::cli::look::{KnownRun, Source};
use crate::cli::resume::{self, Going};
use crate::engine::wake::wake;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::record::{Control, ControlAction, ControlVersion};
use crate::model::task::{HeldReason, TaskKind};
use crate::report::Liveness;

/// `orchestrate stop`.
pub fn stop(context: &Context, command: &StopCommand) -> Result<ExitCode, CliError> {
    let mut run = KnownRun::find(context)?;
    let mut tasks = Vec::new();
    for task in &command.tasks {
        tasks.push(run.task(task)?.clone());
    }
    let id = run.view.run_id.clone();
    if run.liveness(context)? != Liveness::Alive {
        return Err(CliError::new(ExitCode::Usage, format!("run {id} does not go on: nothing to stop"))
            .hint("`orchestrate runs` lists the runs of this project"));
    }
    let what = if tasks.is_empty() {
        format!("run {id} is asked to stop; `orchestrate wait` tells when it has")
    } else {
        let names: Vec<&str> = tasks.iter().map(TaskId::as_str).collect();
        format!("{} of run {id} asked to stop", names.join(", "))
    };
    ask(context, &mut run, ControlAction::Stop { tasks })?;
    context.ui.note(&what);
    Ok(ExitCode::Success)
}

/// `orchestrate approve`.
pub async fn approve(context: &Context, command: &ApproveCommand) -> Result<ExitCode, CliError> {
    let mut run = KnownRun::find(context)?;
    let gate = known_gate(&run, &command.gate)?;
    let control = ask(context, &mut run, ControlAction::Approve { gate: gate.clone() })?;
    let id = run.view.run_id.clone();
    let alive = run.liveness(context)? == Liveness::Alive;
    if !alive && !command.resume && run.elsewhere().is_none() {
        elsewhere::tell(context, &run, &control);
    }
    if command.resume && !alive {
        context.ui.note(&format!("gate \"{gate}\" of run {id} is approved"));
        return Box::pin(resume::go_on(context, run, Going::default())).await;
    }
    if alive {
        context.ui.note(&format!("gate \"{gate}\" of run {id} is approved, and the run goes on"));
    } else {
        context.ui.note(&format!("gate \"{gate}\" of run {id} is approved; go on with `orchestrate resume`"));
    }
    Ok(ExitCode::Success)
}

/// Writes a request to a run where its supervisor looks, and has it look.
pub fn ask(context: &Context, run: &mut KnownRun, action: ControlAction) -> Result<Control, CliError> {
    let control = Control {
        schema: ControlVersion::V1,
        at: context.clock.now(),
        by: format!("{}@{}", context.user, context.host),
        action,
    };
    match &mut run.source {
        Source::Journal(store) => {
            store.push_control(&run.view.run_id, &control)?;
            wake(&run.folders.wake())?;
        }
        Source::Elsewhere(there) => {
            there.ask(|redis, prefix, run| redis.push_control(prefix, run, &control))?;
        }
    }
    Ok(control)
}

/// The gates of a run: those that hold tasks, and tasks that are gates themselves.
fn known_gate(run: &KnownRun, wanted: &str) -> Result<String, CliError> {
    let mut gates: Vec<String> = Vec::new();
    for task in &run.view.tasks {
        for reason in &task.held {
            if let HeldReason::Gate(name) = reason {
                gates.push(name.clone());
            }
        }
    }
    for task in run.spec.tasks.iter().filter(|task| task.kind == TaskKind::Gate) {
        if task.id.as_str() == wanted || task.title == wanted {
            return Ok(task.id.as_str().to_owned());
        }
        gates.push(task.id.as_str().to_owned());
    }
    gates.extend(run.view.gates_reached.iter().cloned());
    gates.extend(run.view.approved.iter().cloned());
    gates.sort();
    gates.dedup();
    if let Some(known) = gates.iter().find(|gate| gate.eq_ignore_ascii_case(wanted)) {
        return Ok(known.clone());
    }
    let error = CliError::new(ExitCode::Usage, format!("run {} has no gate \"{wanted}\"", run.view.run_id));
    Err(if gates.is_empty() {
        error.hint("it has no gates at all")
    } else {
        let quoted: Vec<String> = gates.iter().map(|gate| format!("\"{gate}\"")).collect();
        error.hint(format!("its gates: {}", quoted.join(", ")))
    })
}
