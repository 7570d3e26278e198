//! `wait`: blocks until a run ends.

use std::time::Duration;

use crate::cli::args::OutputForm;
use crate::cli::args::commands::WaitCommand;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look::KnownRun;
use crate::engine::ending::result_of;
use crate::model::exit::ExitCode;
use crate::model::status::RunStatus;
use crate::report::{self, Liveness};

/// How long a supervisor may be dead before that is noticed.
const LOOK: Duration = Duration::from_secs(1);
/// How long a Redis that was there may be away.
const AWAY: Duration = Duration::from_mins(2);

/// `orchestrate wait`.
pub async fn wait(context: &Context, command: &WaitCommand) -> Result<ExitCode, CliError> {
    let mut run = KnownRun::find(context)?;
    let mut watch = run.watch(context)?;
    let mut away = None;
    let until = command.timeout.map(|timeout| context.clock.now() + timeout.0);
    let mut shown = command.cursor.unwrap_or(0);
    loop {
        // The picture of the journal must be newer than the one of the supervisor: a supervisor
        // that ended well has written its end before it died.
        let looked = match look(context, &mut run) {
            Err(error) if error.exit == ExitCode::Store && run.elsewhere().is_some() => {
                let now = context.clock.now();
                let since = *away.get_or_insert_with(|| {
                    context.ui.note(&format!("{error}; it is tried again"));
                    now
                });
                if now.since(since) >= AWAY {
                    return Err(error);
                }
                None
            }
            other => Some(other?),
        };
        if looked.is_some() {
            away = None;
        }
        let ended = run.view.status != RunStatus::Running;
        if context.output == OutputForm::Ndjson || command.cursor.is_some() {
            shown = print_events(context, &run, shown)?;
        }
        if ended {
            if context.output == OutputForm::Json {
                let result = result_of(&run.spec, &run.view, &run.folders);
                context.ui.data(&report::result_json(&result))?;
            }
            let code = run.view.exit_code.and_then(ExitCode::from_code);
            return Ok(code.unwrap_or(ExitCode::TaskFailed));
        }
        if looked == Some(Liveness::Dead) {
            return Err(CliError::new(
                ExitCode::TaskFailed,
                format!("the supervisor of run {} is dead", run.view.run_id),
            )
            .hint(format!("go on with `orchestrate resume {}`", run.view.run_id)));
        }
        if command.cursor.is_some_and(|cursor| shown > cursor) {
            return Ok(ExitCode::Success);
        }
        let now = context.clock.now();
        let mut longest = LOOK;
        if let Some(until) = until {
            if now >= until {
                return Err(CliError::new(
                    ExitCode::WaitTimeout,
                    format!("run {} still goes on", run.view.run_id),
                )
                .hint("`orchestrate status` shows where it stands"));
            }
            longest = longest.min(until.since(now));
        }
        watch.changed(longest).await;
    }
}

/// What is new, and whether the supervisor lived before that was looked at.
fn look(context: &Context, run: &mut KnownRun) -> Result<Liveness, CliError> {
    let liveness = run.liveness(context)?;
    run.refresh()?;
    if liveness == Liveness::Dead
        && let Some(there) = run.elsewhere()
        && there.has_lost(run.view.last_seq)?
    {
        let message = format!("Redis at `{}` has lost the run", there.address());
        return Err(CliError::new(ExitCode::Store, message)
            .hint("its supervisor writes it again, if it lives: see on its machine"));
    }
    Ok(liveness)
}

fn print_events(context: &Context, run: &KnownRun, after: u64) -> Result<u64, CliError> {
    let mut last = after;
    for event in run.events.iter().filter(|event| event.seq > after) {
        context.ui.data(&report::event_json(event))?;
        last = event.seq;
    }
    Ok(last)
}
