//! Any other program, described by data: its arguments are a template, and what its output means is
//! said by patterns and rules (see [`super::program_reader`]).

use crate::model::agent::PromptChannel;
use crate::model::command::{CommandSpec, Input, Silence, StopSignal};

use super::patterns::check_pattern;
use super::{AdapterError, AttemptContext, found, model, text};

/// The most bytes that one argument may have: Linux takes 128 KiB each, Windows 32 767 characters
/// for all of them.
const ARGUMENT_LIMIT: usize = if cfg!(windows) { 30_000 } else { 120_000 };

/// How to start the program.
pub(super) fn command(context: &AttemptContext<'_>) -> Result<CommandSpec, AdapterError> {
    for sign in &context.agent.signs {
        check_pattern(&sign.pattern).map_err(|fault| AdapterError::BadPattern {
            agent: context.agent.name.clone(),
            pattern: sign.pattern.clone(),
            fault,
        })?;
    }
    let mut args = arguments(context)?;
    let input = match context.agent.prompt {
        PromptChannel::Stdin => Input::File(context.prompt_file.to_owned()),
        PromptChannel::File => Input::Empty,
        PromptChannel::Argument => {
            args.push(prompt_argument(context)?);
            Input::Empty
        }
    };
    let mut env = context.environment.clone();
    env.insert("PWD".to_owned(), text(context.workspace));
    Ok(CommandSpec {
        program: found(context.agent)?,
        args,
        env,
        directory: context.workspace.to_owned(),
        input,
        folders: Vec::new(),
        files: Vec::new(),
        remove_after: Vec::new(),
        // It keeps its sessions itself, wherever that is; what counts is that it can go on with one.
        session_data: (!context.agent.resume_args.is_empty()).then(|| context.data.to_owned()),
        stop_signal: StopSignal::Terminate,
        grace: None,
        silence: Silence::default(),
        success_codes: context.agent.success_codes.clone(),
        completion: context.agent.completion,
    })
}

/// The configured arguments with their placeholders filled in, and those that go on with a session
/// where there is one. Without a model, an argument that asks for one is left out, with the option
/// before it.
pub(super) fn arguments(context: &AttemptContext<'_>) -> Result<Vec<String>, AdapterError> {
    let model = model(context)?;
    let mut args: Vec<String> = Vec::with_capacity(context.agent.args.len());
    for arg in &context.agent.args {
        if model.is_none() && arg.contains("{model}") {
            if arg == "{model}" && args.last().is_some_and(|last| last.starts_with('-')) {
                args.pop();
            }
            continue;
        }
        args.push(fill(arg, context, model.unwrap_or_default()));
    }
    if context.session.is_some() {
        let resume = context.agent.resume_args.iter();
        args.extend(resume.map(|arg| fill(arg, context, model.unwrap_or_default())));
    }
    Ok(args)
}

/// Fills in one argument, in one pass, so that what is filled in is not looked at again.
fn fill(arg: &str, context: &AttemptContext<'_>, model: &str) -> String {
    let mut filled = String::with_capacity(arg.len());
    let mut rest = arg;
    while let Some(start) = rest.find('{') {
        filled.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = rest.find('}').and_then(|end| {
            let value = match &rest[1..end] {
                "prompt_file" => text(context.prompt_file),
                "model" => model.to_owned(),
                "workspace" => text(context.workspace),
                "completion" => text(context.completion),
                "completion_folder" => context.completion.parent().map(text).unwrap_or_default(),
                "title" => title(context),
                "session" => context.session.unwrap_or_default().to_owned(),
                _ => return None,
            };
            Some((value, end))
        });
        if let Some((value, end)) = known {
            filled.push_str(&value);
            rest = &rest[end + 1..];
        } else {
            filled.push('{');
            rest = &rest[1..];
        }
    }
    filled.push_str(rest);
    filled
}

/// The task's id and title as one short line that cannot be taken for an option.
pub(super) fn title(context: &AttemptContext<'_>) -> String {
    let line = format!("{} {}", context.task.id, context.task.title);
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    let title: String = words.join(" ").trim_start_matches(['-', '@', '/', ' ']).chars().take(80).collect();
    let title = title.trim();
    if title.is_empty() { "task".to_owned() } else { title.to_owned() }
}

fn prompt_argument(context: &AttemptContext<'_>) -> Result<String, AdapterError> {
    let prompt = std::fs::read_to_string(context.prompt_file)
        .map_err(|source| AdapterError::Unreadable { path: context.prompt_file.to_owned(), source })?;
    if prompt.len() > ARGUMENT_LIMIT {
        return Err(AdapterError::PromptTooLong {
            agent: context.agent.name.clone(),
            bytes: prompt.len(),
            limit: ARGUMENT_LIMIT,
        });
    }
    Ok(prompt)
}
