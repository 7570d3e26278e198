//! `schema`, `completions` and `models list`: what the program itself knows.

use crate::agents;
use crate::cli::args;
use crate::cli::args::OutputForm;
use crate::cli::args::commands::{CompletionsCommand, ModelsAction, ModelsCommand, SchemaCommand};
use crate::cli::config;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::simulate;
use crate::model::exit::ExitCode;
use crate::model::layer::Cost;
use crate::report::{self, text};
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

/// `orchestrate models [list]`.
pub fn models(context: &Context, command: &ModelsCommand) -> Result<ExitCode, CliError> {
    match &command.action {
        Some(ModelsAction::Simulate(command)) => simulate::simulate(context, command),
        Some(ModelsAction::List) | None => list(context),
    }
}

fn list(context: &Context) -> Result<ExitCode, CliError> {
    let settings = context.settings()?;
    let mut rows = Vec::new();
    for layer in &settings.layers {
        let agent = settings.agents.get(&layer.agent);
        let found =
            agent.and_then(|agent| agents::find::find_program(agent, &context.environment, &context.root));
        let usable = match (&agent, &found) {
            (None, _) => "unknown agent",
            (Some(_), None) => "not installed",
            (Some(_), Some(_)) => "installed",
        };
        rows.push((layer, usable));
    }
    if context.output != OutputForm::Human {
        let list: Vec<serde_json::Value> = rows
            .iter()
            .map(|(layer, usable)| serde_json::json!({ "layer": layer, "agent_state": usable }))
            .collect();
        context.ui.data(&report::line_json(&list))?;
        return Ok(ExitCode::Success);
    }
    let agent_width = rows.iter().map(|(layer, _)| layer.agent.len()).max().unwrap_or(0);
    let model_width = rows.iter().map(|(layer, _)| layer.model.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (layer, usable) in rows {
        let cost = match layer.cost {
            Cost::Free => "free",
            Cost::Paid => "paid",
        };
        let (agent, model) = (text::pad(&layer.agent, agent_width), text::pad(&layer.model, model_width));
        let row = format!("{:>2}  {agent}  {model}  {cost}  {usable}", layer.layer);
        out = out + &row + "\n";
    }
    context.ui.data(&out)?;
    Ok(ExitCode::Success)
}
