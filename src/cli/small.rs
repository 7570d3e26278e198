//! `schema` and `completions`: what the program itself knows.

use crate::cli::args;
use crate::cli::args::commands::{CompletionsCommand, SchemaCommand};
use crate::cli::config;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::model::exit::ExitCode;
use crate::schema::SchemaKind;

/// The schema of `orchestrate.toml`.
const CONFIG: &str = "config";

/// `orchestrate schema`.
pub fn schema(context: &Context, command: &SchemaCommand) -> Result<ExitCode, CliError> {
    let names: Vec<&str> = SchemaKind::ALL.iter().map(|kind| kind.name()).chain([CONFIG]).collect();
    let Some(name) = &command.name else {
        context.ui.data(&names.join("\n"))?;
        return Ok(ExitCode::Success);
    };
    if name == CONFIG {
        let text = serde_json::to_string_pretty(&config::config_schema())
            .map_err(|error| CliError::new(ExitCode::Fault, format!("cannot write JSON: {error}")))?;
        context.ui.data(&text)?;
        return Ok(ExitCode::Success);
    }
    let Some(kind) = SchemaKind::from_name(name) else {
        let error = CliError::new(ExitCode::Usage, format!("there is no schema `{name}`"));
        return Err(match crate::diagnostics::suggest(name, names.into_iter()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`orchestrate schema` lists their names"),
        });
    };
    context.ui.data(kind.text())?;
    Ok(ExitCode::Success)
}

/// `orchestrate completions SHELL`.
pub fn completions(context: &Context, command: &CompletionsCommand) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut args::definition(), "orchestrate", &mut script);
    context.ui.bytes(&script)?;
    Ok(ExitCode::Success)
}
