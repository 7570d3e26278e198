//! `models check`: reads what there is, and shows what does not fit together.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::cli::args::OutputForm;
use crate::cli::args::commands::ModelsCheckCommand;
use crate::cli::args::run::{ReadingOptions, Selection};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::plans;
use crate::cli::run;
use crate::cli::settings::{Settings, Warning};
use crate::cli::start;
use crate::diagnostics::{self, Diagnostic, Place};
use crate::masking;
use crate::model::check::{CheckDiagnostic, Severity};
use crate::model::exit::ExitCode;
use crate::model::run::RunSpec;
use crate::report;
use crate::report::text::count_of;
use crate::scheduler::names::Names;

use super::foreign::{Claims, compare};
use super::{foreign_text, hierarchy};

/// More than so much of another tool's file is not read.
const LARGEST: u64 = 4 * 1024 * 1024;

/// The files of other tools, with how each is read.
const FOREIGN: [(&str, Read); 4] = [
    (".kilocode/models.json", foreign_text::models_json),
    ("opencode.json", foreign_text::opencode_json),
    ("opencode.jsonc", foreign_text::opencode_json),
    ("AGENTS.md", foreign_text::tables),
];

/// Reads what a text says of models.
type Read = fn(&str) -> Claims;

/// What there is to say of one file.
struct Remarks {
    file: String,
    text: String,
    found: Vec<Diagnostic>,
}

/// Shows what does not fit together.
pub(super) fn check(context: &Context, command: &ModelsCheckCommand) -> Result<ExitCode, CliError> {
    let mut settings = context.settings()?;
    start::find_agents(context, &mut settings.agents, &settings.layers);
    let mut all = Vec::new();
    let mut layers: Option<Vec<Diagnostic>> = None;
    let reading = plans::reading_of(&settings, &ReadingOptions::default(), &Selection::default(), false);
    for plan in &command.plans {
        let file = plans::plan_text(context, std::slice::from_ref(plan), &reading)?;
        let read = plans::ReadPlan::of(file, &reading, &settings);
        if read.has_errors() {
            read.show_diagnostics(context);
            read.refuse()?;
        }
        let spec = run::spec_of(context, &settings, &read, reading.clone());
        let found = hierarchy::of_tasks(&spec);
        all.push(Remarks { file: read.file.shown(), text: read.text(), found });
        layers.get_or_insert_with(|| hierarchy::of_layers(&spec));
    }
    let mut layers = layers.unwrap_or_else(|| hierarchy::of_layers(&without_plan(context, &settings)));
    layers.extend(settings.warnings.iter().map(of_warning));
    let own = context.root.join("orchestrate.toml").is_file();
    let file = if own { "orchestrate.toml" } else { "the built-in hierarchy" }.to_owned();
    all.insert(0, Remarks { file, text: String::new(), found: layers });
    for (name, read) in FOREIGN {
        all.extend(of_file(&context.root, name, read, &settings));
    }
    show(context, &all)
}

/// What the reading of the configuration found odd.
fn of_warning(warning: &Warning) -> Diagnostic {
    let remark = Diagnostic::warning(warning.code, Place::WHOLE, warning.message.clone());
    warning.hint.iter().fold(remark, |remark, hint| remark.hint(hint.clone()))
}

/// A run of no task.
fn without_plan(context: &Context, settings: &Settings) -> RunSpec {
    RunSpec {
        root: context.root.clone(),
        settings: settings.run.clone(),
        layers: settings.layers.clone(),
        agents: settings.agents.clone(),
        providers: settings.providers.clone(),
        models: settings.models.clone(),
        ..RunSpec::new(crate::model::ids::RunId(String::new()), &settings.project)
    }
}

fn of_file(root: &Path, name: &str, read: Read, settings: &Settings) -> Option<Remarks> {
    let file = File::open(root.join(name)).ok()?;
    let mut bytes = Vec::new();
    // A folder of that name, or one that may not be read, is not there.
    file.take(LARGEST).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = text.trim_start_matches('\u{feff}').to_owned();
    Some(Remarks {
        file: name.to_owned(),
        found: compare(&read(&text), &settings.layers, &Names::of(&settings.models)),
        text,
    })
}

fn show(context: &Context, all: &[Remarks]) -> Result<ExitCode, CliError> {
    let count = |severity: Severity| {
        let found = all.iter().flat_map(|remarks| &remarks.found);
        found.filter(|one| one.severity == severity).count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if context.output == OutputForm::Human {
        for remarks in all {
            if remarks.found.is_empty() || (context.ui.quiet && errors == 0) {
                continue;
            }
            let shown =
                diagnostics::render(&remarks.file, &remarks.text, &remarks.found, context.ui.stdout.color);
            context.ui.data(&masking::mask(&shown))?;
        }
        let number = |count: usize, noun| count_of(u64::try_from(count).unwrap_or(u64::MAX), noun);
        let files: Vec<&str> = all.iter().skip(1).map(|remarks| remarks.file.as_str()).collect();
        let looked = files.iter().fold(String::new(), |all, file| all + ", " + file);
        context.ui.data(&format!(
            "{}, {} in {}{looked}",
            number(errors, "mistake"),
            number(warnings, "warning"),
            all.first().map_or("", |first| first.file.as_str())
        ))?;
    } else {
        let documents: Vec<CheckDiagnostic> = all
            .iter()
            .flat_map(|remarks| remarks.found.iter().map(|one| one.to_document(&remarks.file)))
            .collect();
        let files: Vec<&str> = all.iter().map(|remarks| remarks.file.as_str()).collect();
        let document = serde_json::json!({ "files": files, "diagnostics": documents, "errors": errors, "warnings": warnings });
        context.ui.data(&masking::mask(&report::line_json(&document)))?;
    }
    Ok(if errors > 0 { ExitCode::InvalidInput } else { ExitCode::Success })
}
