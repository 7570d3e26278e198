//! `convert` and `fmt`: plans as native text, and native key lists in canonical form.
//!
//! Both write files of the user, whole or not at all, and neither prints what it wrote unless asked: a
//! plan may hold secrets.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cli::args::OutputForm;
use crate::cli::args::commands::{ConvertCommand, FmtCommand};
use crate::cli::args::run::Selection;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::plans::{PlanText, plan_text, read_options, reading_of};
use crate::masking;
use crate::model::check::Severity;
use crate::model::conversion::{FormattedPlan, Lost, PlanConversion, PlanFormat};
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::plan::{self, Format, Formatted, Plan, ReadOptions};
use crate::report::{self, text::count_of};
use crate::workspace;

/// What a plan on standard input is called.
const STDIN: &str = "-";

/// `orchestrate convert FILE`.
pub fn convert(context: &Context, command: &ConvertCommand) -> Result<ExitCode, CliError> {
    let (mut file, _) = read(context, &command.plan, command)?;
    let plan = file.take_plan();
    refuse(context, &file, &plan, "nothing was converted")?;
    let converted = plan::convert(&plan);
    let written = match &command.to {
        Some(to) => Some(write_new(context, to, &converted.text, command.force)?),
        None => None,
    };
    for (task, what) in &converted.lost {
        let of = task.as_ref().map_or_else(|| "of the plan".to_owned(), |task| format!("of task `{task}`"));
        context.ui.warning(&masking::mask(&format!("not kept {of}: {what}")), None);
    }
    match context.output {
        OutputForm::Human => match &written {
            Some(to) => context.ui.note(&format!("wrote {to}")),
            None => {
                context.ui.bytes(converted.text.as_bytes())?;
            }
        },
        OutputForm::Json | OutputForm::Ndjson => {
            let document = PlanConversion {
                schema: <_>::default(),
                plan: file.shown(),
                format: plan.format.clone(),
                tasks: u32::try_from(plan.tasks.len()).unwrap_or(u32::MAX),
                text: converted.text,
                written,
                lost: converted
                    .lost
                    .into_iter()
                    .map(|(task, what)| Lost { task: task.map(TaskId::new), what })
                    .collect(),
            };
            context.ui.data(&report::line_json(&document))?;
        }
    }
    Ok(ExitCode::Success)
}

/// `orchestrate fmt FILE...`.
pub fn fmt(context: &Context, command: &FmtCommand) -> Result<ExitCode, CliError> {
    let mut plans = Vec::new();
    for name in &command.plans {
        let (mut file, options) = read(context, name, command)?;
        let plan = file.take_plan();
        refuse(context, &file, &plan, "nothing was written")?;
        let native_keys = Format::from_name(&plan.format).is_some_and(Format::has_native_keys);
        let text = std::str::from_utf8(&file.files[0].bytes).unwrap_or_default();
        let formatted = plan::format_keys(text, &options);
        let written = one(context, command, &file, text, &formatted)?;
        if !native_keys {
            let why = format!("nothing to do in {}: it is a plan of {}", file.shown(), plan.format);
            context.ui.note(&format!("{why}, which has keys of its own"));
        }
        let changed = formatted.changed;
        plans.push(FormattedPlan { plan: file.shown(), format: plan.format, native_keys, changed, written });
    }
    let changed = plans.iter().filter(|plan| !plan.changed.is_empty()).count();
    match context.output {
        OutputForm::Human => {}
        OutputForm::Json | OutputForm::Ndjson => {
            let document = PlanFormat { schema: <_>::default(), plans };
            context.ui.data(&report::line_json(&document))?;
        }
    }
    Ok(if command.check && changed > 0 { ExitCode::TaskFailed } else { ExitCode::Success })
}

/// Shows or writes one plan; whether it was written.
fn one(
    context: &Context,
    command: &FmtCommand,
    file: &PlanText,
    text: &str,
    formatted: &Formatted,
) -> Result<bool, CliError> {
    let human = context.output == OutputForm::Human;
    if command.check {
        if !formatted.changed.is_empty() && human {
            context.ui.data(&masking::mask(&difference(&file.shown(), text, &formatted.text)))?;
        }
        return Ok(false);
    }
    let Some(path) = &file.path() else {
        if human {
            context.ui.bytes(formatted.text.as_bytes())?;
        }
        return Ok(false);
    };
    if formatted.changed.is_empty() {
        return Ok(false);
    }
    replace(path, &file.files[0].bytes, formatted.text.as_bytes())
        .map_err(|error| unwritten(&file.shown(), &error))?;
    let lists = count_of(u64::try_from(formatted.changed.len()).unwrap_or(u64::MAX), "list");
    context.ui.note(&format!("wrote {}: {lists} of keys", file.shown()));
    Ok(true)
}

/// Options that both commands have.
trait Reads {
    fn options(&self) -> &crate::cli::args::run::ReadingOptions;
}

impl Reads for ConvertCommand {
    fn options(&self) -> &crate::cli::args::run::ReadingOptions {
        &self.reading
    }
}

impl Reads for FmtCommand {
    fn options(&self) -> &crate::cli::args::run::ReadingOptions {
        &self.reading
    }
}

fn read(context: &Context, name: &Path, command: &impl Reads) -> Result<(PlanText, ReadOptions), CliError> {
    let settings = context.settings()?;
    let reading = reading_of(&settings, command.options(), &Selection::default(), false);
    let file = plan_text(context, std::slice::from_ref(&name.to_path_buf()), &reading)?;
    let options = read_options(context, &file.files[0], &reading);
    Ok((file, options))
}

/// Says what is wrong with a plan, and refuses one with mistakes.
fn refuse(context: &Context, file: &PlanText, plan: &Plan, instead: &str) -> Result<(), CliError> {
    if !plan.has_errors() {
        return Ok(());
    }
    file.show(context, &plan.diagnostics);
    let errors = plan.diagnostics.iter().filter(|known| known.severity == Severity::Error).count();
    let count = count_of(u64::try_from(errors).unwrap_or(u64::MAX), "mistake");
    let shown = file.shown();
    let documents = plan.diagnostics.iter().map(|known| known.to_document(&shown)).collect();
    Err(CliError::new(ExitCode::InvalidInput, format!("`{shown}` has {count}: {instead}"))
        .with_diagnostics(documents))
}

fn unwritten(shown: &str, error: &std::io::Error) -> CliError {
    CliError::new(ExitCode::Environment, format!("cannot write `{shown}`: {error}"))
}

/// Writes a file, whole or not at all; one that is there only with `force`. Returns what it is called.
fn write_new(context: &Context, to: &Path, text: &str, force: bool) -> Result<String, CliError> {
    let path = context.directory.join(to);
    let shown = context.shown(&path);
    if force && path.is_file() {
        let before = std::fs::read(&path).map_err(|error| unwritten(&shown, &error))?;
        replace(&path, &before, text.as_bytes()).map_err(|error| unwritten(&shown, &error))?;
        return Ok(shown);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist_noclobber(&path).map(|_| ()).map_err(|failed| failed.error)
    };
    write().map_err(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            CliError::new(ExitCode::Usage, format!("`{shown}` is there already: nothing was written"))
                .hint("to write over it, add --force")
        } else {
            unwritten(&shown, &error)
        }
    })?;
    Ok(shown)
}

/// A file beside the one it is to be, with the rights that a new file has.
fn new_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".orchestrate-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Puts `text` in the place of a file that still holds `before`; links are followed, rights are kept.
fn replace(path: &Path, before: &[u8], text: &[u8]) -> std::io::Result<()> {
    let target: PathBuf = std::fs::canonicalize(path)?;
    let folder = target.parent().unwrap_or(Path::new("."));
    let rights = std::fs::metadata(&target)?.permissions();
    if rights.readonly() {
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, "it may only be read"));
    }
    let mut file = new_in(folder)?;
    file.write_all(text)?;
    file.as_file().set_permissions(rights)?;
    if std::fs::read(&target)? != before {
        return Err(std::io::Error::other("it was changed by somebody else"));
    }
    workspace::put_in_place(file, &target)
}

/// What is different, line by line: a change of key lists leaves each line where it is, or moves it among
/// as many others.
fn difference(shown: &str, before: &str, after: &str) -> String {
    let shown = if shown == STDIN { "standard input" } else { shown };
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let mut out = format!("--- {shown}\n+++ {shown}, formatted\n");
    let mut line = 0;
    while line < old.len().max(new.len()) {
        if old.get(line) == new.get(line) {
            line += 1;
            continue;
        }
        let start = line;
        while line < old.len().max(new.len()) && old.get(line) != new.get(line) {
            line += 1;
        }
        let part = |lines: &[&str]| -> Vec<String> {
            lines.iter().take(line).skip(start).map(|text| (*text).to_owned()).collect()
        };
        let (gone, come) = (part(&old), part(&new));
        _ = writeln!(out, "@@ -{0},{1} +{0},{2} @@", start + 1, gone.len(), come.len());
        for text in gone {
            _ = writeln!(out, "-{text}");
        }
        for text in come {
            _ = writeln!(out, "+{text}");
        }
    }
    out
}
