//! `run` and `check`: from a plan's name to its run, or to what would be run.

use std::collections::BTreeSet;
use std::sync::Arc;

use ulid::Ulid;

use crate::cli::args::OutputForm;
use crate::cli::args::run::{CheckCommand, PlanName, ReadingOptions, RunCommand, Selection};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::locate::{self, PlanFile};
use crate::cli::settings::Settings;
use crate::cli::start::{self, Claim, Driven};
use crate::cli::status::json;
use crate::diagnostics::{self, Diagnostic};
use crate::masking;
use crate::model::check::Severity;
use crate::model::exit::ExitCode;
use crate::model::ids::RunId;
use crate::model::run::{RunSpec, TickMode};
use crate::model::task::{Entry, HeldReason, TaskSpec};
use crate::plan::{self, CheckStyle, Plan, ReadOptions, ResolveOptions, Resolved};
use crate::scheduler::{Input, Scheduler, ladder};
use crate::store::Store;
use crate::workspace;

/// A plan that was read, with what was made of it.
struct ReadPlan {
    file: PlanFile,
    text: String,
    plan: Plan,
    resolved: Resolved,
}

impl ReadPlan {
    fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.plan.diagnostics.iter().chain(&self.resolved.diagnostics)
    }

    fn has_errors(&self) -> bool {
        self.diagnostics().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Says everything that is wrong or odd, on stderr.
    fn show_diagnostics(&self, context: &Context) {
        let all: Vec<Diagnostic> = self.diagnostics().cloned().collect();
        if all.is_empty() || (context.ui.quiet && !self.has_errors()) {
            return;
        }
        let shown = diagnostics::render(&self.file.shown, &self.text, &all, context.ui.stderr.color);
        context.ui.say(&masking::mask(&shown));
    }

    /// The error that ends the command where the plan has mistakes.
    fn refuse(&self) -> Result<(), CliError> {
        if !self.has_errors() {
            return Ok(());
        }
        let documents = self.diagnostics().map(|diagnostic| diagnostic.to_document(&self.file.shown)).collect();
        let mistakes = self.diagnostics().filter(|known| known.severity == Severity::Error).count();
        let count = crate::report::text::count_of(u64::try_from(mistakes).unwrap_or(u64::MAX), "mistake");
        Err(CliError::new(ExitCode::InvalidInput, format!("`{}` has {count}: nothing was run", self.file.shown))
            .with_diagnostics(documents))
    }
}

/// `orchestrate run`.
pub async fn run(context: &Context, command: &RunCommand) -> Result<ExitCode, CliError> {
    let mut settings = context.settings_for(&command.options)?;
    let read = read_plan(context, &settings, &command.plan, &command.reading, &command.selection)?;
    if command.options.dry_run {
        return show_check(context, &read, false);
    }
    if read.has_errors() {
        read.show_diagnostics(context);
        read.refuse()?;
    }
    start::find_agents(context, &mut settings.agents);
    let spec = Arc::new(spec_of(context, &settings, &read));
    if let Err(error) = runnable(&spec) {
        read.show_diagnostics(context);
        return Err(error);
    }
    let mut store = Store::open(&context.state_dir, workspace::may_ignore(&context.root, &context.state_dir))?;
    let claim = Claim::take(context, &mut store, &spec)?;
    store.create_run(&spec)?;
    let first =
        Input::Start { host: context.host.clone(), pid: claim.lease.pid, fence: claim.lease.fence };
    let driven = Driven {
        scheduler: Scheduler::new(Arc::clone(&spec)),
        store,
        claim,
        first,
        then: warnings(&settings),
        requests_seen: 0,
        not_before: spec.created_at,
        spec,
    };
    start::drive(context, driven, || read.show_diagnostics(context)).await
}

/// `orchestrate check`.
pub fn check(context: &Context, command: &CheckCommand) -> Result<ExitCode, CliError> {
    let settings = context.settings()?;
    let read = read_plan(context, &settings, &command.plan, &command.reading, &command.selection)?;
    show_check(context, &read, command.explain)
}

fn show_check(context: &Context, read: &ReadPlan, explain: bool) -> Result<ExitCode, CliError> {
    let check = plan::check(&read.plan, &read.resolved, &read.file.shown);
    match context.output {
        OutputForm::Human => {
            let style = CheckStyle {
                width: context.ui.stdout.width,
                explain,
                color: context.ui.stdout.color,
            };
            context.ui.data(&masking::mask(&plan::render_check(&check, &style)))?;
            read.show_diagnostics(context);
        }
        OutputForm::Json | OutputForm::Ndjson => {
            context.ui.data(&masking::mask(&json(&check)?))?;
            if read.has_errors() {
                read.show_diagnostics(context);
                // The document was printed: it carries the mistakes.
                return Ok(ExitCode::InvalidInput);
            }
        }
    }
    read.refuse()?;
    Ok(ExitCode::Success)
}

fn read_plan(
    context: &Context,
    settings: &Settings,
    name: &PlanName,
    reading: &ReadingOptions,
    selection: &Selection,
) -> Result<ReadPlan, CliError> {
    let options = ReadOptions::default();
    let file = locate::plan(&context.directory, &context.root, &name.get(), options.max_size)?;
    if file.found_elsewhere {
        context.ui.note(&format!("plan: {}", file.shown));
    }
    let options = ReadOptions {
        path: Some(file.shown.clone()),
        format: reading.format.clone(),
        ..options
    };
    let plan = plan::read(&file.bytes, &options);
    let resolved = plan::resolve(&plan, &resolve_options(settings, reading, selection));
    let text = String::from_utf8_lossy(&file.bytes).into_owned();
    Ok(ReadPlan { file, text, plan, resolved })
}

fn resolve_options(settings: &Settings, reading: &ReadingOptions, selection: &Selection) -> ResolveOptions {
    ResolveOptions::default()
}

/// Whether anything is to be run, and could be.
fn runnable(spec: &RunSpec) -> Result<(), CliError> {
    let to_run: Vec<&TaskSpec> = spec.tasks.iter().filter(|task| may_run(task)).collect();
    if to_run.is_empty() {
        let error = CliError::new(ExitCode::NothingToRun, format!("`{}`: nothing to run", spec.plan));
        let held = spec.tasks.iter().filter(|task| matches!(task.entry, Entry::Hold { .. })).count();
        let done = spec.tasks.iter().filter(|task| task.plan_status.is_met()).count();
        return Err(error
            .hint(format!("{done} of {} done or skipped, {held} held", spec.tasks.len()))
            .hint("`orchestrate check` shows each task and why; `--force` runs a plan that is done again"));
    }
    let mut missing = BTreeSet::new();
    for task in &to_run {
        for rung in ladder::wanted(task, spec) {
            match spec.agents.get(&rung.agent) {
                Some(agent) if agent.is_installed() => return Ok(()),
                _ => missing.insert(rung.agent),
            };
        }
    }
    let names: Vec<&str> = missing.iter().map(String::as_str).collect();
    Err(CliError::new(
        ExitCode::Environment,
        format!("no agent that these tasks could use is installed: {}", names.join(", ")),
    )
    .hint("install one, or name its program in `orchestrate.toml` under `[agents.NAME] program`")
    .hint("`orchestrate models` shows which are found"))
}

/// Whether the task is to be run, now or once a gate has been let pass.
fn may_run(task: &TaskSpec) -> bool {
    match &task.entry {
        Entry::Run => true,
        Entry::Skip { .. } => false,
        Entry::Hold { reasons } => reasons.iter().all(|reason| matches!(reason, HeldReason::Gate(_))),
    }
}
