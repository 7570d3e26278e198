//! The agent `command`: no model, a task's own command in a shell.

use crate::model::command::{CommandSpec, Input, Silence, StopSignal, shell_arguments};

use super::{AdapterError, AttemptContext, found};

/// How to run a task's command.
pub(super) fn command(context: &AttemptContext<'_>) -> Result<CommandSpec, AdapterError> {
    let line = context.task.command.as_deref().filter(|line| !line.trim().is_empty());
    let line = line.ok_or_else(|| AdapterError::NoCommand { task: context.task.id.to_string() })?;
    let shell = found(context.agent)?;
    let mut args: Vec<String> = context.agent.args.clone();
    let script = shell_arguments(&shell, line);
    args.extend(script.ok_or_else(|| AdapterError::SeveralLines { task: context.task.id.to_string() })?);
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
        session_data: None,
        stop_signal: StopSignal::Terminate,
        grace: None,
        silence: Silence::default(),
        success_codes: context.agent.success_codes.clone(),
        completion: context.agent.completion,
    })
}
