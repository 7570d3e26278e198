//! `run` and `check`: from a plan's name to its run, or to what would be run.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::agents;
use crate::cli::args::OutputForm;
use crate::cli::args::run::{BoxRule, CheckCommand, Granularity, ReadingOptions, RunCommand, Selection};
use crate::cli::asked;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::locate::{self, PlanSource};
use crate::cli::rights;
use crate::cli::settings::Settings;
use crate::cli::shared::{self, Found};
use crate::cli::start::{self, Claim, Driven};
use crate::cli::withheld;
use crate::diagnostics::{self, Diagnostic};
use crate::engine::folders::shown;
use crate::engine::prepare::{make_private_folder, write_private_file};
use crate::masking;
use crate::model::check::Severity;
use crate::model::exit::ExitCode;
use crate::model::ids::{RunId, TaskId};
use crate::model::run::{PlanReading, RoleChoice, RunSpec, TickMode};
use crate::model::task::{Entry, HeldReason, TaskSpec};
use crate::plan::{self, CheckStyle, Plan, ReadOptions, ResolveOptions, Resolved, Role};
use crate::report::{self, text::count_of};
use crate::scheduler::ladder::{Choice, Ladder};
use crate::scheduler::{Input, Scheduler};
use crate::store::{Mirror, Store};
use crate::workspace;

/// The words for how finely a plan is cut, as a run keeps them.
const LEAF: &str = "leaf";
const TASK: &str = "task";
const GROUP: &str = "group";

/// A plan's bytes, and what it is called.
pub struct PlanText {
    /// Absolute; none: standard input.
    pub path: Option<PathBuf>,
    /// Relative to the working directory where it lies below it: for people.
    pub shown: String,
    /// As they are.
    pub bytes: Vec<u8>,
}

impl PlanText {
    /// Reads it.
    pub fn plan(&self, reading: &PlanReading) -> Plan {
        let mut plan = plan::read(&self.bytes, &read_options(self, reading));
        // What is refused unread has no text to look at.
        if let Some(text) = std::str::from_utf8(&self.bytes).ok().filter(|_| !plan.has_errors()) {
            let hides = |text: &str| masking::mask(text) != text;
            plan.diagnostics.extend(plan::secrets(text, &hides));
            plan.diagnostics.sort_by_key(|diagnostic| (diagnostic.place.line, diagnostic.place.column));
        }
        plan
    }

    /// Its SHA-256, hexadecimal.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(&self.bytes);
        digest.iter().fold(String::with_capacity(64), |hash, byte| hash + &format!("{byte:02x}"))
    }
}

/// A plan that was read, with what was made of it.
pub struct ReadPlan {
    /// Where it is from.
    pub file: PlanText,
    /// Its text.
    text: String,
    /// What it says.
    pub plan: Plan,
    /// What of it a run is made of.
    pub resolved: Resolved,
}

impl ReadPlan {
    /// Reads a plan, and looks whether what it asks for is to be had.
    pub fn of(file: PlanText, reading: &PlanReading, settings: &Settings) -> Self {
        let plan = file.plan(reading);
        let agents = settings.agents.keys().cloned().collect();
        let mut read = Self::resolved(file, plan, reading, agents);
        read.resolved.diagnostics.extend(asked::not_to_be_had(&read.resolved.tasks, settings));
        read
    }

    /// The plan as it was read, resolved for `agents`.
    pub fn resolved(file: PlanText, plan: Plan, reading: &PlanReading, agents: BTreeSet<String>) -> Self {
        let resolved = plan::resolve(&plan, &resolve_options(reading, agents));
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        Self { file, text, plan, resolved }
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.plan.diagnostics.iter().chain(&self.resolved.diagnostics)
    }

    /// Whether it cannot be run.
    pub fn has_errors(&self) -> bool {
        self.diagnostics().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Says everything that is wrong or odd, on stderr.
    pub fn show_diagnostics(&self, context: &Context) {
        let all: Vec<Diagnostic> = self.diagnostics().cloned().collect();
        if all.is_empty() || (context.ui.quiet && !self.has_errors()) {
            return;
        }
        let shown = diagnostics::render(&self.file.shown, &self.text, &all, context.ui.stderr.color);
        context.ui.say(&masking::mask(&shown));
    }

    /// The error that ends the command where the plan has mistakes.
    pub fn refuse(&self) -> Result<(), CliError> {
        if !self.has_errors() {
            return Ok(());
        }
        let documents =
            self.diagnostics().map(|diagnostic| diagnostic.to_document(&self.file.shown)).collect();
        let errors = || self.diagnostics().filter(|known| known.severity == Severity::Error);
        // An option that names what the plan does not have is wrong use, and no mistake of the plan.
        let exit = if errors().all(|known| known.code == "unknown-task") {
            ExitCode::Usage
        } else {
            ExitCode::InvalidInput
        };
        let mistakes = errors().count();
        let count = count_of(u64::try_from(mistakes).unwrap_or(u64::MAX), "mistake");
        Err(CliError::new(exit, format!("`{}` has {count}: nothing was run", self.file.shown))
            .with_diagnostics(documents))
    }
}

/// `orchestrate run`.
pub async fn run(context: &Context, command: &RunCommand) -> Result<ExitCode, CliError> {
    let mut settings = context.settings_for(&command.options)?;
    let (reading, selection) = (&command.reading, &command.selection);
    let reading = reading_of(&settings, reading, selection, command.options.force);
    let file = plan_text(context, &command.plan.get(), &reading)?;
    let read = ReadPlan::of(file, &reading, &settings);
    if command.options.dry_run {
        return show_check(context, &settings, &read, false);
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
    write_private_file(&folders.run().join("plan.md"), &read.file.bytes)?;
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

/// `orchestrate check`.
pub fn check(context: &Context, command: &CheckCommand) -> Result<ExitCode, CliError> {
    let settings = context.settings()?;
    let reading = reading_of(&settings, &command.reading, &command.selection, false);
    let file = plan_text(context, &command.plan.get(), &reading)?;
    let read = ReadPlan::of(file, &reading, &settings);
    show_check(context, &settings, &read, command.explain)
}

fn show_check(
    context: &Context,
    settings: &Settings,
    read: &ReadPlan,
    explain: bool,
) -> Result<ExitCode, CliError> {
    let mut check = plan::check(&read.plan, &read.resolved, &read.file.shown);
    check.withheld =
        withheld::withheld(&context.environment, &shared::secrets(context), settings, &read.resolved.tasks);
    let doubts = rights::looked_at(context).unwrap_or_default();
    check.rights_doubts = doubts.iter().map(|doubt| doubt.why.clone()).collect();
    match context.output {
        OutputForm::Human => {
            let style =
                CheckStyle { width: context.ui.stdout.width, explain, color: context.ui.stdout.color };
            let shown = plan::render_check(&check, style)
                + &withheld::block(&check.withheld)
                + &rights::block(&doubts);
            context.ui.data(&masking::mask(&shown))?;
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

/// How the plan is to be read, and what of it is run: by options and configuration.
pub fn reading_of(
    settings: &Settings,
    reading: &ReadingOptions,
    selection: &Selection,
    force: bool,
) -> PlanReading {
    let roles = settings.roles.iter().filter_map(|(name, role)| {
        Some((name.clone(), RoleChoice { agent: role.agent.clone()?, layer: role.layer }))
    });
    PlanReading {
        format: reading.format.clone(),
        granularity: reading.granularity.map(|size| {
            match size {
                Granularity::Leaf => LEAF,
                Granularity::Task => TASK,
                Granularity::Group => GROUP,
            }
            .to_owned()
        }),
        boxes_all: reading.boxes == Some(BoxRule::All),
        as_one: reading.as_one,
        max_size: reading.max_plan_size,
        assume_done: reading.assume_done.clone(),
        only: selection.only.clone(),
        with_deps: selection.with_deps,
        skip: selection.skip.clone(),
        force,
        agent: settings.agent.clone(),
        agent_for: settings.agent_for.clone(),
        roles: roles.collect(),
        timeout: settings.timeout,
        retries: settings.retries,
    }
}

fn read_options(file: &PlanText, reading: &PlanReading) -> ReadOptions {
    ReadOptions {
        path: Some(file.shown.clone()),
        format: reading.format.clone(),
        granularity: reading.granularity.as_deref().and_then(|size| match size {
            LEAF => Some(plan::Granularity::Leaf),
            TASK => Some(plan::Granularity::Task),
            GROUP => Some(plan::Granularity::Group),
            _ => None,
        }),
        boxes_all: reading.boxes_all,
        as_one: reading.as_one,
        max_size: reading.max_size.unwrap_or(ReadOptions::MAX_SIZE),
        assume_done: texts(&reading.assume_done),
    }
}

fn resolve_options(reading: &PlanReading, agents: BTreeSet<String>) -> ResolveOptions {
    let role = |role: &RoleChoice| Role { agent: role.agent.clone(), layer: role.layer };
    ResolveOptions {
        agents,
        roles: reading.roles.iter().map(|(name, known)| (name.clone(), role(known))).collect(),
        default_agent: reading.agent.clone(),
        agent_for: reading
            .agent_for
            .iter()
            .map(|(task, agent)| (task.as_str().to_owned(), agent.clone()))
            .collect(),
        timeout: reading.timeout,
        retries: reading.retries,
        only: texts(&reading.only),
        with_deps: reading.with_deps,
        skip: texts(&reading.skip),
        assume_done: texts(&reading.assume_done),
        force: reading.force,
        ..ResolveOptions::default()
    }
}

fn texts(ids: &[TaskId]) -> Vec<String> {
    ids.iter().map(|id| id.as_str().to_owned()).collect()
}

/// Finds the plan and reads its bytes, at most one more than may be read of them.
pub fn plan_text(context: &Context, name: &Path, reading: &PlanReading) -> Result<PlanText, CliError> {
    let found = locate::find_plan(name, &context.directory, &context.root).map_err(|error| {
        let mut cli = CliError::new(ExitCode::InvalidInput, error.to_string());
        cli.hints = error.hints();
        cli
    })?;
    let limit = reading.max_size.unwrap_or(ReadOptions::MAX_SIZE).saturating_add(1);
    let mut bytes = Vec::new();
    let (path, shown) = match found.source {
        PlanSource::Stdin => {
            std::io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(|error| {
                CliError::new(
                    ExitCode::InvalidInput,
                    format!("cannot read the plan from standard input: {error}"),
                )
            })?;
            (None, "-".to_owned())
        }
        PlanSource::File(path) => {
            let shown = context.shown(&path);
            std::fs::File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(
                |error| CliError::new(ExitCode::InvalidInput, format!("cannot read `{shown}`: {error}")),
            )?;
            (Some(path), shown)
        }
        PlanSource::Folder(path) => {
            return Err(CliError::new(
                ExitCode::InvalidInput,
                format!("`{}` is a folder of tasks, which this version does not read", context.shown(&path)),
            )
            .hint("name one of its files"));
        }
    };
    if found.searched {
        context.ui.note(&format!("plan {shown}"));
    }
    Ok(PlanText { path, shown, bytes })
}

/// The tasks of the plan, without boxes where none is to be ticked.
pub fn tasks_of(read: &ReadPlan, tick: TickMode) -> Vec<TaskSpec> {
    let mut tasks = read.resolved.tasks.clone();
    if tick == TickMode::Never || read.file.path.is_none() {
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
        plan: read.file.path.as_ref().map_or_else(|| "-".to_owned(), |path| shown(&context.root, path)),
        plan_path: read.file.path.clone(),
        plan_title: read.plan.title.clone(),
        plan_hash: read.file.hash(),
        preamble: read.plan.preamble.clone(),
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
