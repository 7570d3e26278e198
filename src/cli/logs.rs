//! `logs`: what a task's agent printed, secrets masked.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::time::Duration;

use crate::cli::args::commands::LogsCommand;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look::KnownRun;
use crate::cli::tail;
use crate::cli::watch::Watch;
use crate::masking;
use crate::model::exit::ExitCode;
use crate::model::status::AttemptStatus;
use crate::report::Liveness;

/// How long output that was written may wait for its printing.
const LOOK: Duration = Duration::from_millis(250);
/// The longest piece of a line that is masked at once. A key is shorter by far.
const LONGEST_LINE: usize = 1 << 20;

/// `orchestrate logs TASK`.
pub async fn logs(context: &Context, command: &LogsCommand) -> Result<ExitCode, CliError> {
    let mut run = KnownRun::find(context)?;
    let task = run.task(&command.task)?.clone();
    let attempts = run.view.task(&task).map(|task| task.attempts.len()).unwrap_or_default();
    let last = u32::try_from(attempts).unwrap_or(u32::MAX);
    let attempt = command.attempt.unwrap_or(last);
    if attempt == 0 {
        return Err(CliError::new(ExitCode::Usage, format!("task {task} has not been started"))
            .hint(format!("`orchestrate why {task}` says why")));
    }
    if attempt > last {
        return Err(CliError::new(
            ExitCode::Usage,
            format!("task {task} has {}", crate::report::text::count_of(u64::from(last), "attempt")),
        ));
    }
    let session = run.view.task(&task).and_then(|task| {
        task.attempts.iter().find(|known| known.attempt == attempt).and_then(|known| known.session.clone())
    });
    if let Some(session) = session {
        let session = masking::mask(&session).into_owned();
        let session = masking::strip_controls(&session);
        context.ui.note(&format!("attempt {attempt} goes on with session {session} of an earlier one"));
    }
    if run.elsewhere().is_some() {
        return tail::tail(context, &mut run, command, &task, (attempt, last)).await;
    }
    let name = if command.stderr { "stderr.log" } else { "stdout.log" };
    let path = run.attempt_file(&task, attempt, name);
    let mut reader = match File::open(&path) {
        Ok(file) => BufReader::new(file),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(CliError::new(
                ExitCode::Usage,
                format!("attempt {attempt} of task {task} left no `{}`", context.shown(&path)),
            )
            .hint(format!("`orchestrate why {task}` says how it ended")));
        }
        Err(error) => {
            return Err(CliError::new(
                ExitCode::Store,
                format!("cannot read `{}`: {error}", context.shown(&path)),
            ));
        }
    };
    let mut watch = Watch::begin(&context.state_dir);
    let mut rest = Vec::new();
    loop {
        // Looked at before the file is read to its end, so that nothing written before is missed.
        let over = !command.follow || is_over(context, &mut run, &task, attempt)?;
        if !print_lines(context, &mut reader, &mut rest, over)? || over {
            return Ok(ExitCode::Success);
        }
        watch.changed(LOOK).await;
    }
}

fn is_over(
    context: &Context,
    run: &mut KnownRun,
    task: &crate::model::ids::TaskId,
    attempt: u32,
) -> Result<bool, CliError> {
    run.refresh()?;
    let running = run.view.task(task).is_some_and(|task| {
        task.attempts.iter().any(|known| known.attempt == attempt && known.status == AttemptStatus::Running)
    });
    Ok(!running || run.liveness(context)? != Liveness::Alive)
}

/// Prints what has come; a line without its end only if nothing more comes. Says whether somebody
/// still reads.
fn print_lines(
    context: &Context,
    reader: &mut BufReader<File>,
    rest: &mut Vec<u8>,
    all: bool,
) -> Result<bool, CliError> {
    loop {
        let read = reader.read_until(b'\n', rest)?;
        let whole = rest.last() == Some(&b'\n') || rest.len() >= LONGEST_LINE;
        if !rest.is_empty() && (whole || (all && read == 0)) {
            let text = String::from_utf8_lossy(rest);
            let mut shown = masking::mask(&text);
            if context.ui.stdout_terminal {
                // What an agent printed must not steer the terminal of whoever reads it.
                let line = shown.trim_end_matches(['\r', '\n']);
                let end = if shown.ends_with('\n') { "\n" } else { "" };
                shown = Cow::Owned(masking::strip_controls(line).into_owned() + end);
            }
            if !context.ui.bytes(shown.as_bytes())? {
                return Ok(false);
            }
            rest.clear();
        }
        if read == 0 {
            return Ok(true);
        }
    }
}
