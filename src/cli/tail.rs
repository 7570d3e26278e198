//! `logs` of a run on another machine: the end of a task's output, as Redis has it, and where the rest
//! lies.

use std::time::Duration;

use crate::cli::args::commands::LogsCommand;
use crate::cli::context::Context;
use crate::cli::elsewhere::Elsewhere;
use crate::cli::exit::CliError;
use crate::cli::look::KnownRun;
use crate::masking;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::status::AttemptStatus;
use crate::report::Liveness;
use crate::store::TAIL_BYTES;

/// How long output that came may wait for its printing: its supervisor sends it every few seconds.
const LOOK: Duration = Duration::from_secs(1);

/// Prints the end of the output of attempt `attempt`, of which the task has had `last`.
///
/// # Errors
/// If Redis does not have what was asked for, or cannot be asked.
pub async fn tail(
    context: &Context,
    run: &mut KnownRun,
    command: &LogsCommand,
    task: &TaskId,
    (attempt, last): (u32, u32),
) -> Result<ExitCode, CliError> {
    let name = if command.stderr { "stderr.log" } else { "stdout.log" };
    let place = format!("{}:{}", run.host(), run.attempt_file(task, attempt, name).display());
    if command.stderr || attempt != last {
        let what = if command.stderr { "what agents print on standard error" } else { "earlier attempts" };
        return Err(CliError::new(ExitCode::Usage, format!("{what} cannot be seen from another machine"))
            .hint(format!("it lies in `{place}`")));
    }
    let mut shown = String::new();
    let mut told = false;
    loop {
        // Looked at before the text is read, so that nothing written before is missed.
        let over = !command.follow || is_over(context, run, task, attempt)?;
        let Some(there) = run.elsewhere() else {
            return Err(CliError::new(ExitCode::Fault, "the run is one of this machine"));
        };
        let text = text_of(there, run, task)?;
        if !told {
            told = true;
            let cut = text.as_ref().is_some_and(|text| text.len() + 4096 >= TAIL_BYTES);
            let part = if cut { "this is its end; " } else { "" };
            context.ui.note(&format!("{part}the whole log is in `{place}`"));
        }
        let text = text.unwrap_or_default();
        if !print(context, added(&shown, &text))? || over {
            return Ok(ExitCode::Success);
        }
        shown = text;
        tokio::time::sleep(LOOK).await;
    }
}

fn text_of(there: &Elsewhere, run: &KnownRun, task: &TaskId) -> Result<Option<String>, CliError> {
    Ok(there.ask(|redis, _, _| redis.tail(&run.spec, task))?)
}

fn is_over(context: &Context, run: &mut KnownRun, task: &TaskId, attempt: u32) -> Result<bool, CliError> {
    let liveness = run.liveness(context)?;
    run.refresh()?;
    let running = run.view.task(task).is_some_and(|task| {
        task.attempts.iter().any(|known| known.attempt == attempt && known.status == AttemptStatus::Running)
    });
    Ok(!running || liveness != Liveness::Alive)
}

fn print(context: &Context, text: &str) -> Result<bool, CliError> {
    // It was masked when it was written, by whoever wrote it.
    let mut shown = masking::mask(text).into_owned();
    if context.ui.stdout_terminal {
        // What an agent printed must not steer the terminal of whoever reads it.
        shown = shown
            .split_inclusive('\n')
            .map(|line| {
                let end = if line.ends_with('\n') { "\n" } else { "" };
                masking::strip_controls(line.trim_end_matches(['\r', '\n'])).into_owned() + end
            })
            .collect();
    }
    Ok(context.ui.bytes(shown.as_bytes())?)
}

/// What `new`, a later end of the same text, has after `old`.
fn added<'a>(old: &str, new: &'a str) -> &'a str {
    /// How much has to be the same for a place to be found again.
    const SAME: usize = 256;
    if let Some(rest) = new.strip_prefix(old) {
        return rest;
    }
    let mut start = old.len().saturating_sub(SAME);
    while !old.is_char_boundary(start) {
        start += 1;
    }
    let end = &old[start..];
    // Where nothing is found more came than is kept: what is kept is all new.
    new.rfind(end).map_or(new, |place| &new[place + end.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_is_printed() {
        assert_eq!(added("", "one\n"), "one\n");
        assert_eq!(added("one\n", "one\ntwo\n"), "two\n");
        assert_eq!(added("one\n", "one\n"), "");
        let lines = |range: std::ops::Range<u32>| -> String {
            range.map(|line| ["line ", &line.to_string(), "\n"].concat()).collect()
        };
        let (old, new) = (lines(0..500), lines(100..510));
        assert_eq!(added(&old, &new).lines().count(), 10);
        assert_eq!(added("žluťoučký", "kůň"), "kůň");
    }
}
