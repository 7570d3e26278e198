//! `models list|spend`: the hierarchy, and what was spent at it.

mod spend;

use crate::cli::args::commands::{ModelsAction, ModelsCommand};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::small;
use crate::model::exit::ExitCode;

/// `orchestrate models …`.
pub(super) fn models(context: &Context, command: &ModelsCommand) -> Result<ExitCode, CliError> {
    match &command.action {
        None | Some(ModelsAction::List) => small::models(context),
        Some(ModelsAction::Spend(command)) => spend::spend(context, command),
    }
}
