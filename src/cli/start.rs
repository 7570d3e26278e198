//! From a run's description to its end: claim, reporters, engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agents;
use crate::cli::alerts;
use crate::cli::args::OutputForm;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::leftovers;
use crate::cli::look;
use crate::cli::rights;
use crate::cli::ui::terminal_size;
use crate::engine::ending::result_of;
use crate::engine::folders::live_folder;
use crate::engine::prepare::{Surroundings, make_private_folder};
use crate::engine::{Engine, EngineParts};
use crate::model::agent::AgentSpec;
use crate::model::event::Event;
use crate::model::exit::ExitCode;
use crate::model::layer::Layer;
use crate::model::record::{Lease, LeaseVersion};
use crate::model::run::RunSpec;
use crate::model::time::Timestamp;
use crate::model::view::RunView;
use crate::report::{self, Reporter};
use crate::scheduler::{Input, Scheduler};
use crate::store::{Store, StoreError};
use crate::supervisor;
use crate::workspace::Checkout;

/// How long a lease lasts unless it is renewed.
const LEASE: std::time::Duration = std::time::Duration::from_secs(30);

/// The claim on a run: nobody else supervises it meanwhile.
#[derive(Debug)]
pub struct Claim {
    /// What stands in the shared state.
    pub lease: Lease,
}

impl Claim {
    /// Writes a new run down and takes it and its tasks' keys, or says who holds them.
    pub fn begin(context: &Context, store: &mut Store, spec: &RunSpec) -> Result<Self, CliError> {
        let (lease, now) = Self::lease(context, store, spec)?;
        store
            .begin_run(spec, &lease, now, &|held| look::lease_is_alive(context, held))
            .map_err(|error| with_a_way_out(error, spec))?;
        Ok(Self { lease })
    }

    /// Takes a run that is known and its tasks' keys, or says who holds them.
    pub fn take(context: &Context, store: &mut Store, spec: &RunSpec) -> Result<Self, StoreError> {
        let (lease, now) = Self::lease(context, store, spec)?;
        store.acquire_lease(spec, &lease, now, &|held| look::lease_is_alive(context, held))?;
        Ok(Self { lease })
    }

    /// Takes a run that is known with the tasks that its plan has now; see [`Store::replan_run`].
    pub fn replan(
        context: &Context,
        store: &mut Store,
        spec: &RunSpec,
        view: &RunView,
        events: &[Event],
    ) -> Result<Self, StoreError> {
        let (lease, now) = Self::lease(context, store, spec)?;
        store.replan_run(spec, view, events, &lease, now, &|held| look::lease_is_alive(context, held))?;
        Ok(Self { lease })
    }

    fn lease(context: &Context, store: &mut Store, spec: &RunSpec) -> Result<(Lease, Timestamp), StoreError> {
        let now = context.clock.now();
        let pid = std::process::id();
        let lease = Lease {
            schema: LeaseVersion::V1,
            run_id: spec.run_id.clone(),
            host: context.host.clone(),
            pid,
            pid_started: supervisor::process_started(pid).unwrap_or_default(),
            fence: store.next_fence(&spec.prefix, now)?,
            until: now + LEASE,
        };
        Ok((lease, now))
    }
}

/// Names the call by which a run can go on beside the one that holds its tasks.
fn with_a_way_out(error: StoreError, spec: &RunSpec) -> CliError {
    let holder =
        if let StoreError::Held { run, task: Some(_), .. } = &error { Some(run.clone()) } else { None };
    let mut cli = CliError::from(error);
    if let Some(run) = holder {
        cli.hints = vec![
            format!(
                "wait for it with `orchestrate wait {run}`, or stop it with `orchestrate stop --run {run}`"
            ),
            format!("to run both: orchestrate --plan {} --id-prefix second-", spec.plan),
        ];
    }
    cli
}

/// A run that is ready to be driven.
pub struct Driven {
    /// What is run.
    pub spec: Arc<RunSpec>,
    /// Who decides.
    pub scheduler: Scheduler,
    /// Where it is recorded.
    pub store: Store,
    /// The claim on it.
    pub claim: Claim,
    /// Its start, or what was asked of it while nobody supervised it and its resumption.
    pub first: Vec<Input>,
    /// The last of those requests.
    pub requests_seen: u64,
    /// When something happened in it last.
    pub not_before: Timestamp,
    /// What was recorded before it goes on, and nobody was told yet.
    pub untold: Vec<Event>,
}

/// Fills in where the programs of the agents are, and lets an agent whose login cannot be separated
/// from its data run one attempt at a time.
pub fn find_agents(context: &Context, known: &mut BTreeMap<String, AgentSpec>, layers: &[Layer]) {
    for agent in known.values_mut() {
        agents::find::fill_in(agent, &context.environment, &context.root);
        agent.login = agents::login::login_command(agent).map(str::to_owned);
        let mut providers: Vec<Option<&str>> = layers
            .iter()
            .filter(|layer| layer.agent == agent.name)
            .map(|layer| Some(layer.provider.as_str()))
            .collect();
        if providers.is_empty() {
            providers.push(None);
        }
        let shares =
            |provider| agents::single_login(agent, provider, &context.environment, context.home.as_deref());
        if agent.is_installed() && providers.into_iter().any(shares) {
            agent.limit = Some(1);
        }
    }
}

/// Drives a run to its end and prints its result.
pub async fn drive(context: &Context, driven: Driven) -> Result<ExitCode, CliError> {
    let Driven { spec, scheduler, mut store, claim, first, requests_seen, not_before, untold } = driven;
    let folders = context.folders(&spec.root, &spec.run_id);
    make_private_folder(folders.run())?;
    let git = agents::find::find_tool("git", &context.environment, &context.root);
    let own: Vec<String> = spec.tasks.iter().flat_map(|task| task.verify.clone()).collect();
    let checkout = Checkout::new(&spec.root, folders.run(), &spec.plan_files().cloned().collect::<Vec<_>>())
        .with_folder_files(spec.files_of_folders());
    let workspace = Box::new(checkout.watched(git, &own, &spec.settings.verify));
    let program_folder =
        std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_path_buf()));
    let doubts = rights::doubts(context, &store);
    let mut first = first;
    first.extend(rights::warning(&doubts));
    first.extend(leftovers::warnings(&context.leftovers));
    let resumed = first.iter().any(|input| matches!(input, Input::Resume { .. }));
    let clock = context.clock.not_before(not_before);
    let begun = alerts::begin(context, &mut store, &spec, clock.now())?;
    first.extend(begun.told);
    let mut secrets = store.secrets();
    secrets.extend(begun.secrets);
    let mut reporters = reporters(context);
    for event in &untold {
        for reporter in &mut reporters {
            reporter.event(event, &spec, scheduler.view());
        }
    }
    let engine = Engine::new(EngineParts {
        spec: Arc::clone(&spec),
        scheduler,
        store,
        workspace,
        reporters,
        folders: folders.clone(),
        surroundings: Surroundings {
            environment: context.environment.clone(),
            home: context.home.clone(),
            program_folder,
            directory: context.directory.clone(),
            secrets,
        },
        clock,
        lease: claim.lease,
        requests_seen,
        interactive: context.ui.interactive,
        resumed,
        rights_doubt: rights::joined(&doubts),
        live: live_folder(context.cache()),
        guard: context.environment.get(supervisor::GUARD).cloned(),
        alerts: begun.desk,
    })?;
    // In a place of its own: the whole engine is part of it.
    let end = Box::pin(engine.drive(first)).await?;
    for told in &end.alerts {
        context.ui.warning(told, None);
    }
    if context.output == OutputForm::Json {
        let result = result_of(&spec, &end.view, &folders);
        context.ui.data(&report::result_json(&result))?;
    }
    Ok(end.exit)
}

fn reporters(context: &Context) -> Vec<Box<dyn Reporter>> {
    let stderr = context.ui.stderr_writer();
    let style = context.ui.stderr;
    let mut reporters: Vec<Box<dyn Reporter>> = Vec::new();
    reporters.push(if context.is_silent() {
        report::silent(stderr, style)
    } else if context.ui.quiet {
        report::quiet(stderr, style)
    } else if context.ui.interactive {
        report::live_sized(stderr, style, Box::new(terminal_size))
    } else {
        report::plain(stderr, style)
    });
    if context.output == OutputForm::Ndjson {
        reporters.push(report::ndjson(context.ui.stdout_writer()));
    }
    reporters
}
