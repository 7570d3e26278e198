//! `status`, `runs`, `why` and `report`: what is known of runs.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use crate::cli::args::OutputForm;
use crate::cli::args::commands::{ReportCommand, ReportForm, RunsCommand, StatusCommand, WhyCommand};
use crate::cli::context::Context;
use crate::cli::elsewhere;
use crate::cli::exit::CliError;
use crate::cli::look::{self, KnownRun};
use crate::cli::shared::{self, Found};
use crate::engine::ending::result_of;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::result::RunResult;
use crate::model::status::RunStatus;
use crate::report::{self, Liveness, Printed};

/// How often a picture that is watched is drawn anew though nothing happened, for its times.
const REDRAW: Duration = Duration::from_secs(1);

/// `orchestrate status`.
pub async fn status(context: &Context, command: &StatusCommand) -> Result<ExitCode, CliError> {
    let mut run = KnownRun::find(context)?;
    if !command.watch || context.output != OutputForm::Human {
        print_status(context, &run)?;
        return Ok(ExitCode::Success);
    }
    let mut watch = run.watch(context)?;
    loop {
        let liveness = run.liveness(context)?;
        let text = report::status(&run.spec, &run.view, liveness, &context.ui.stdout, context.clock.now());
        // Home and clear to the end: a picture that stays in one place.
        let clear = if context.ui.stdout_terminal { "\x1b[H\x1b[2J" } else { "" };
        if !context.ui.bytes(format!("{clear}{text}").as_bytes())? {
            return Ok(ExitCode::Success);
        }
        if liveness != Liveness::Alive {
            return Ok(ExitCode::Success);
        }
        watch.changed(REDRAW).await;
        run.refresh()?;
    }
}

fn print_status(context: &Context, run: &KnownRun) -> Result<(), CliError> {
    match context.output {
        OutputForm::Human => {
            let liveness = run.liveness(context)?;
            let text =
                report::status(&run.spec, &run.view, liveness, &context.ui.stdout, context.clock.now());
            context.ui.data(&text)?;
        }
        OutputForm::Json => {
            context.ui.data(&report::result_json(&result(context, run)?))?;
        }
        OutputForm::Ndjson => {
            for event in &run.events {
                context.ui.data(&report::event_json(event))?;
            }
        }
    }
    Ok(())
}

/// The result of a run as far as it is known; one whose supervisor is gone is lost.
fn result(context: &Context, run: &KnownRun) -> Result<RunResult, CliError> {
    let mut result = result_of(&run.spec, &run.view, &run.folders);
    if run.liveness(context)? == Liveness::Dead {
        result.status = RunStatus::Lost;
    }
    Ok(result)
}

/// `orchestrate runs`.
pub fn runs(context: &Context, command: &RunsCommand) -> Result<ExitCode, CliError> {
    let here = look::open(context).and_then(|store| {
        Ok(store.runs_at(context.clock.now(), &|lease| look::lease_is_alive(context, lease))?)
    });
    let mut list = match (here, shared::state(context)) {
        (here, Ok(Found::NotAsked)) => here?,
        (here, Ok(Found::There(redis))) => {
            let known = here.is_ok();
            let mut list = here
                .or_else(|error| if error.exit == ExitCode::Usage { Ok(Vec::new()) } else { Err(error) })?;
            elsewhere::add_runs(context, &redis, &mut list)?;
            if list.is_empty() && !known {
                return Err(look::nothing_known(context));
            }
            list
        }
        (Ok(here), Ok(Found::Without(error))) => {
            context.ui.note(&format!("{error}; these are the runs of the journal here"));
            here
        }
        (Ok(here), Err(error)) => {
            context.ui.note(&format!("{error}; these are the runs of the journal here"));
            here
        }
        (Err(error), Ok(Found::Without(_))) | (Err(_), Err(error)) => return Err(error),
    };
    if let Some(limit) = command.limit {
        list.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    match context.output {
        OutputForm::Human => {
            context.ui.data(&report::runs(&list, &context.ui.stdout, context.clock.now()))?;
        }
        OutputForm::Json => context.ui.data(&report::line_json(&list))?,
        OutputForm::Ndjson => {
            for summary in &list {
                context.ui.data(&report::line_json(summary))?;
            }
        }
    }
    Ok(ExitCode::Success)
}

/// `orchestrate why TASK`.
pub fn why(context: &Context, command: &WhyCommand) -> Result<ExitCode, CliError> {
    let mut run = KnownRun::find(context)?;
    let task = run.task(&command.task)?.clone();
    match context.output {
        OutputForm::Human => {
            let live = run.liveness(context)?;
            if live == Liveness::Alive {
                // What is under way is under way until now, and not until the last event.
                run.view.updated_at = run.view.updated_at.max(context.clock.now());
            }
            let printed = printed(&run, &task);
            let told = report::why_with(&run.spec, &run.view, &task, live, &printed, &context.ui.stdout);
            context.ui.data(&told)?;
        }
        OutputForm::Json | OutputForm::Ndjson => {
            let result = result(context, &run)?;
            let (live, printed) = (run.liveness(context)?, printed(&run, &task));
            let told = report::why_document(&run.spec, &run.view, &task, live, &printed, &result);
            context.ui.data(&report::line_json(&told))?;
        }
    }
    Ok(ExitCode::Success)
}

/// How much of the end of a file is looked at.
const END_BYTES: u64 = 16 * 1024;

/// The ends of what the last attempt of a task printed, as far as its files are on this machine.
fn printed(run: &KnownRun, task: &TaskId) -> Printed {
    let attempt = run.view.task(task).and_then(|task| task.last_attempt()).map(|attempt| attempt.attempt);
    let Some(attempt) = attempt.filter(|_| run.elsewhere().is_none()) else { return Printed::default() };
    let end = |name: &str| end_of(&run.attempt_file(task, attempt, name)).unwrap_or_default();
    let own = run.spec.tasks.iter().find(|known| known.id == *task).map_or(0, |known| known.verify.len());
    Printed {
        stdout: end("stdout.log"),
        stderr: end("stderr.log"),
        verify: if own == 1 { end("verify.log") } else { String::new() },
    }
}

/// The last whole lines of a file.
fn end_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let from = length.saturating_sub(END_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(END_BYTES).read_to_end(&mut bytes)?;
    // A part of a line may be a part of a secret that nobody would know for one.
    let begin = if from == 0 {
        0
    } else {
        bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1)
    };
    Ok(String::from_utf8_lossy(&bytes[begin..]).into_owned())
}

/// `orchestrate report`.
pub fn report(context: &Context, command: &ReportCommand) -> Result<ExitCode, CliError> {
    let run = KnownRun::find(context)?;
    let result = result(context, &run)?;
    let text = match command.form {
        ReportForm::Md => report::markdown(&run.spec, &run.view, &result),
        ReportForm::Json => report::result_json(&result),
    };
    context.ui.data(&text)?;
    Ok(ExitCode::Success)
}
