//! The agent `command`: no model, a task's own command in a shell.

use crate::model::command::{CommandSpec, Input, StopSignal};

use super::{AdapterError, AttemptContext, found};

/// How to run a task's command.
pub(super) fn command(context: &AttemptContext<'_>) -> Result<CommandSpec, AdapterError> {
    let line = context.task.command.as_deref().filter(|line| !line.trim().is_empty());
    let line = line.ok_or_else(|| AdapterError::NoCommand { task: context.task.id.to_string() })?;
    let shell = found(context.agent)?;
    let is_cmd = shell.file_stem().is_some_and(|stem| stem.eq_ignore_ascii_case("cmd"));
    let mut args: Vec<String> = context.agent.args.clone();
    // `/D` keeps a user's AutoRun commands out, `/S` takes the text as it stands.
    let switches: &[&str] = if is_cmd { &["/D", "/S", "/C"] } else { &["-c"] };
    args.extend(switches.iter().map(|&switch| switch.to_owned()));
    args.push(line.to_owned());
    let mut env = context.environment.clone();
    env.insert("PWD".to_owned(), super::text(context.workspace));
    Ok(CommandSpec {
        program: shell,
        args,
        env,
        directory: context.workspace.to_owned(),
        input: Input::Empty,
        folders: Vec::new(),
        files: Vec::new(),
        remove_after: Vec::new(),
        stop_signal: StopSignal::Terminate,
        grace: None,
        success_codes: context.agent.success_codes.clone(),
        completion: context.agent.completion,
    })
}
