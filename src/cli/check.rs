//! `check`, and `run --dry-run`: what would be run, in which order, by whom, and what was left out.

use crate::cli::args::OutputForm;
use crate::cli::args::run::{CheckCommand, GraphForm};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::plans::{ReadPlan, plan_text, reading_of};
use crate::cli::rights;

use crate::cli::settings::{Origin, Settings};
use crate::cli::shared;
use crate::cli::withheld;
use crate::masking;
use crate::model::check::{FieldFrom, FieldOrigin, PlanCheck, TaskField};
use crate::model::exit::ExitCode;
use crate::plan::graph::{self, TextStyle};
use crate::plan::{self, CheckStyle};
use crate::report;

/// What is shown of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Waves, commands, what was left out.
    Waves,
    /// The same with everything that the reader decided.
    All,
    /// A picture of the order.
    Picture(GraphForm),
}

/// `orchestrate check`.
pub(super) fn check(context: &Context, command: &CheckCommand) -> Result<ExitCode, CliError> {
    if command.graph.is_some() && context.output != OutputForm::Human {
        let message = "`--graph` draws a picture, and `--output json` prints one document: choose one";
        return Err(CliError::new(ExitCode::Usage, message.to_owned())
            .hint("the document has every edge with its rule: `jq '.edges'`"));
    }
    let settings = context.settings()?;
    let reading = reading_of(&settings, &command.reading, &command.selection, false);
    let file = plan_text(context, &command.plan.all(), &reading)?;
    let read = ReadPlan::of(file, &reading, &settings);
    let shown = match command.graph {
        Some(form) => Shown::Picture(form),
        None if command.explain => Shown::All,
        None => Shown::Waves,
    };
    show(context, &settings, &read, shown)
}

/// Shows what would be run.
pub(super) fn show(
    context: &Context,
    settings: &Settings,
    read: &ReadPlan,
    shown: Shown,
) -> Result<ExitCode, CliError> {
    let mut check = plan::check(&read.plan, &read.resolved, &read.file.shown());
    name_settings(&mut check, settings);
    check.withheld =
        withheld::withheld(&context.environment, &shared::secrets(context), settings, &read.resolved.tasks);
    let doubts = rights::looked_at(context).unwrap_or_default();
    check.rights_doubts = doubts.iter().map(|doubt| doubt.why.clone()).collect();
    match context.output {
        OutputForm::Human => {
            let stdout = context.ui.stdout;
            let style = |explain: bool| CheckStyle {
                width: stdout.width,
                explain,
                color: stdout.color,
                unicode: stdout.unicode,
            };
            let waves = |explain: bool| {
                plan::render_check(&check, style(explain))
                    + &withheld::block(&check.withheld)
                    + &rights::block(&doubts)
            };
            let text = match shown {
                Shown::Waves => waves(false),
                Shown::All => waves(true),
                Shown::Picture(GraphForm::Mermaid) => graph::mermaid(&check),
                Shown::Picture(GraphForm::Dot) => graph::dot(&check),
                Shown::Picture(GraphForm::Text) => {
                    graph::text(&check, TextStyle { width: stdout.width, unicode: stdout.unicode })
                }
            };
            context.ui.data(&masking::mask(&text))?;
            read.show_diagnostics(context);
        }
        OutputForm::Json | OutputForm::Ndjson => {
            context.ui.data(&report::line_json(&check))?;
            if read.has_errors() {
                read.show_diagnostics(context);
                // The document was printed: it carries the mistakes.
                return Ok(read.refuse().map_or_else(|error| error.exit, |()| ExitCode::Success));
            }
        }
    }
    read.refuse()?;
    Ok(ExitCode::Success)
}

/// Says from where values came that the plan does not give.
fn name_settings(check: &mut PlanCheck, settings: &Settings) {
    for field in check.tasks.iter_mut().flat_map(|task| &mut task.origins) {
        let key = match field.field {
            TaskField::Agent => "run.agent",
            TaskField::Timeout => "run.timeout",
            TaskField::Retries => "run.retries",
            TaskField::Id
            | TaskField::Status
            | TaskField::Group
            | TaskField::Model
            | TaskField::Layer
            | TaskField::DependsOn
            | TaskField::Parallel
            | TaskField::Gate
            | TaskField::Optional
            | TaskField::Priority
            | TaskField::Files
            | TaskField::Outputs
            | TaskField::Command
            | TaskField::Verify
            | TaskField::Acceptance
            | TaskField::Requirements => continue,
        };
        if let (FieldFrom::Default, Some(origin)) = (field.from, settings.origins.get(key)) {
            name_origin(field, origin);
        }
    }
}

fn name_origin(field: &mut FieldOrigin, origin: &Origin) {
    let (from, by) = match origin {
        Origin::Option(name) => (FieldFrom::Option, (*name).to_owned()),
        Origin::Variable(name) => (FieldFrom::Variable, (*name).to_owned()),
        Origin::Project { file, line: 0 } | Origin::User { file, line: 0 } => {
            (FieldFrom::Configuration, file.clone())
        }
        Origin::Project { file, line } | Origin::User { file, line } => {
            (FieldFrom::Configuration, format!("{file}:{line}"))
        }
        Origin::Default => return,
    };
    field.from = from;
    // Why the default counts stands before what the default is.
    field.by = Some(field.by.take().map_or(by.clone(), |why| format!("{by}, {why}")));
}
