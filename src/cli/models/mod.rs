//! `orchestrate models …`: the hierarchy, what it may cost, and whether it fits together.

use crate::cli::args::commands::{ModelsAction, ModelsCommand};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::model::exit::ExitCode;

mod check;
mod foreign;
mod foreign_text;
mod hierarchy;
mod list;
mod simulate;
mod spend;

/// `orchestrate models [list|check|spend|simulate]`.
pub fn models(context: &Context, command: &ModelsCommand) -> Result<ExitCode, CliError> {
    match &command.action {
        None | Some(ModelsAction::List) => list::list(context),
        Some(ModelsAction::Check(check)) => check::check(context, check),
        Some(ModelsAction::Spend(spend)) => spend::spend(context, spend),
        Some(ModelsAction::Simulate(command)) => simulate::simulate(context, command),
    }
}
