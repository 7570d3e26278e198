//! `run`: from a plan's name to its run.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use ulid::Ulid;

use crate::agents;
use crate::cli::args::run::RunCommand;
use crate::cli::check::{self, Shown};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::plans::{ReadPlan, plan_text, reading_of};
use crate::cli::settings::Settings;
use crate::cli::shared::{self, Found};
use crate::cli::start::{self, Claim, Driven};
use crate::engine::prepare::{make_private_folder, write_private_file};
use crate::model::exit::ExitCode;
use crate::model::ids::RunId;
use crate::model::run::{PlanReading, RunSpec, TickMode};
use crate::model::task::{Entry, HeldReason, TaskSpec};
use crate::scheduler::ladder::{Choice, Ladder};
use crate::scheduler::{Input, Scheduler};
use crate::store::{Mirror, Store};
use crate::workspace;
use crate::workspace::checkout::kept_name;

/// `orchestrate run`.
pub async fn run(context: &Context, command: &RunCommand) -> Result<ExitCode, CliError> {
    let mut settings = context.settings_for(&command.options)?;
    let (reading, selection) = (&command.reading, &command.selection);
    let reading = reading_of(&settings, reading, selection, command.options.force);
    let file = plan_text(context, &command.plan.all(), &reading)?;
    let read = ReadPlan::of(file, &reading, &settings);
    if command.options.dry_run {
        return check::show(context, &settings, &read, Shown::Waves);
    }
    if read.has_errors() {
        read.show_diagnostics(context);
        read.refuse()?;
    }
    start::find_agents(context, &mut settings.agents, &settings.layers);
    let spec = Arc::new(spec_of(context, &settings, &read, reading));
    if let Err(error) = runnable(&spec) {
        read.show_diagnostics(context);
        return Err(error);
    }
    reports_can_be_written(context, &spec)?;
    let mirror = shared::mirror(context, spec.settings.seed)?;
    let mut store = Store::open(&context.state_dir, false)?;
    let without = share(&mut store, mirror);
    let git = agents::find::find_tool("git", &context.environment, &context.root);
    workspace::git::keep_out_of_commits(&context.state_dir, git.as_deref()).map_err(anyhow::Error::from)?;
    let claim = Claim::begin(context, &mut store, &spec)?;
    let folders = context.folders(&spec.root, &spec.run_id);
    make_private_folder(folders.run())?;
    for (number, file) in read.file.files.iter().enumerate() {
        write_private_file(&folders.run().join(kept_name(number)), &file.bytes)?;
    }
    context.ui.say(&format!("run {}", spec.run_id));
    read.show_diagnostics(context);
    let mut first =
        vec![Input::Start { host: context.host.clone(), pid: claim.lease.pid, fence: claim.lease.fence }];
    first.extend(without);
    first.extend(warnings(&settings));
    let driven = Driven {
        scheduler: Scheduler::new(Arc::clone(&spec)),
        store,
        claim,
        first,
        requests_seen: 0,
        not_before: spec.created_at,
        untold: Vec::new(),
        spec,
    };
    start::drive(context, driven).await
}

/// Refuses a report that has nowhere to go while nothing has been run for it.
fn reports_can_be_written(context: &Context, spec: &RunSpec) -> Result<(), CliError> {
    for path in &spec.reports {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let tried = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder)).map(drop);
        let tried = if path.is_dir() { Err(std::io::ErrorKind::IsADirectory.into()) } else { tried };
        tried.map_err(|error| {
            CliError::new(
                ExitCode::Usage,
                format!("`--report`: cannot write `{}`: {error}", context.shown(path)),
            )
            .hint("name a file in a folder that you can write to; nothing was run")
        })?;
    }
    Ok(())
}

/// What a person should know of the settings, kept with the run.
fn warnings(settings: &Settings) -> Vec<Input> {
    settings
        .warnings
        .iter()
        .map(|warning| Input::Warn {
            code: warning.code.to_owned(),
            message: warning.message.clone(),
            hint: warning.hint.clone(),
        })
        .collect()
}

/// Has a run written to the Redis that was found; returns what it is told where there is none.
pub fn share(store: &mut Store, found: Found<Mirror>) -> Option<Input> {
    match found {
        Found::NotAsked => None,
        Found::There(mirror) => {
            store.share_with(mirror);
            None
        }
        Found::Without(error) => Some(shared::warning(&error)),
    }
}

/// The tasks of the plan, without boxes where none is to be ticked.
pub fn tasks_of(read: &ReadPlan, tick: TickMode) -> Vec<TaskSpec> {
    let mut tasks = read.resolved.tasks.clone();
    if tick == TickMode::Never || read.file.path().is_none() {
        for task in &mut tasks {
            task.tick = None;
        }
    }
    tasks
}

/// The run that the plan is, with a new id.
pub fn spec_of(context: &Context, settings: &Settings, read: &ReadPlan, reading: PlanReading) -> RunSpec {
    RunSpec {
        run_id: RunId(Ulid::generate().to_string()),
        project: settings.project.clone(),
        prefix: settings.prefix.clone(),
        root: context.root.clone(),
        state_dir: Some(context.state_dir.clone()),
        plan: read.file.name(),
        plan_path: read.file.path(),
        more_plans: read.file.more_paths(),
        folder_files: read.file.folder_files(),
        plan_title: read.plan.title.clone(),
        plan_hash: read.file.hash(),
        preamble: read.plan.preamble.clone(),
        contexts: read.resolved.contexts.clone(),
        created_at: context.clock.now(),
        host: context.host.clone(),
        settings: settings.run.clone(),
        tasks: tasks_of(read, settings.run.tick),
        layers: settings.layers.clone(),
        agents: settings.agents.clone(),
        providers: settings.providers.clone(),
        models: settings.models.clone(),
        reports: settings.reports.clone(),
        reading: Some(reading),
        replanned: 0,
    }
}

/// Whether anything is to be run, and could be.
pub fn runnable(spec: &RunSpec) -> Result<(), CliError> {
    let to_run: Vec<&TaskSpec> = spec.tasks.iter().filter(|task| may_run(task)).collect();
    if to_run.is_empty() {
        let error = CliError::new(ExitCode::NothingToRun, format!("`{}`: nothing to run", spec.plan));
        let held = spec.tasks.iter().filter(|task| matches!(task.entry, Entry::Hold { .. })).count();
        let done = spec.tasks.iter().filter(|task| task.plan_status.is_met()).count();
        let plan_done = |task: &TaskSpec| match &task.entry {
            Entry::Hold { reasons } => reasons.contains(&HeldReason::PlanDone),
            Entry::Run | Entry::Skip { .. } => false,
        };
        let mut error = error.hint(format!("{done} of {} done or skipped, {held} held", spec.tasks.len()));
        if spec.tasks.iter().any(plan_done) {
            error = error
                .hint("the plan says of itself that it is done: `--force` runs its open tasks all the same");
        }
        let checked = if spec.plan == "-" { "PLAN" } else { &spec.plan };
        return Err(error.hint(format!("`orchestrate check {checked}` shows each task and why")));
    }
    let mut missing = BTreeSet::new();
    for task in &to_run {
        let ladder = Ladder::of(task, &Choice::default(), spec);
        // A task that only lacks an approval, or a layer, fails by itself and says so.
        if ladder.missing.is_empty() || !ladder.steps.is_empty() || !ladder.unpaid.is_empty() {
            return Ok(());
        }
        missing.extend(ladder.missing.into_iter().map(|rung| rung.agent));
    }
    let names: Vec<&str> = missing.iter().map(String::as_str).collect();
    Err(CliError::new(
        ExitCode::Environment,
        format!("no agent that these tasks could use is installed: {}", names.join(", ")),
    )
    .hint("install one, or name its program in `orchestrate.toml` under `[agents.NAME] program`")
    .hint("`orchestrate doctor` shows which are found, and how to get the rest"))
}

/// Whether the task is to be run, now or once a gate has been let pass.
fn may_run(task: &TaskSpec) -> bool {
    match &task.entry {
        Entry::Run => true,
        Entry::Skip { .. } => false,
        Entry::Hold { reasons } => reasons.iter().all(|reason| matches!(reason, HeldReason::Gate(_))),
    }
}
