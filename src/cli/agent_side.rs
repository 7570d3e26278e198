//! `complete` and `progress`: what an agent says of its own task, through the schema.
//!
//! The attempt is known from the environment that its supervisor gave it. A completion is written
//! whole and renamed into place, so that nobody reads half of one. The file is the sure way: that a Redis
//! does not take the report besides is a note. Where the run's files are out of reach, as for an agent
//! in a container, the Redis alone has to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::commands::{CompleteCommand, ProgressCommand};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::engine::prepare::write_private_file;
use crate::engine::wake::wake;
use crate::model::completion::{
    Change, Completion, CompletionError, CompletionSource, CompletionStatus, CompletionVersion, Output,
};
use crate::model::exit::ExitCode;
use crate::model::ids::{AttemptKey, RunId, TaskId};
use crate::model::record::{ReportBody, TaskReport, TaskReportVersion};
use crate::schema;
use crate::store::{self, Address, RedisState, SharedState as _, Store, keys};

/// How long a Redis may take to be there.
const REACH: Duration = Duration::from_secs(2);

/// The attempt within which we were called.
struct OwnAttempt {
    run: RunId,
    key: AttemptKey,
    completion: Option<PathBuf>,
    workspace: Option<PathBuf>,
    redis: Option<OwnReport>,
}

/// Where in a Redis the attempt may report.
struct OwnReport {
    url: String,
    key: String,
}

impl OwnAttempt {
    fn of(context: &Context) -> Result<Self, CliError> {
        let given = |name: &str| context.environment.get(name).filter(|value| !value.is_empty()).cloned();
        let variable = |name: &str| {
            given(name).ok_or_else(|| {
                CliError::new(
                    ExitCode::Usage,
                    format!("`{name}` is not set: this command works inside a task only"),
                )
                .hint("`orchestrate run` sets it for the agents that it starts")
            })
        };
        let attempt = variable("ORCHESTRATE_ATTEMPT")?;
        let attempt = attempt.parse().map_err(|_| {
            CliError::new(
                ExitCode::Usage,
                format!("`ORCHESTRATE_ATTEMPT` is `{attempt}`, which is no number"),
            )
        })?;
        let task = TaskId::new(variable("ORCHESTRATE_TASK")?);
        let key = given("ORCHESTRATE_REPORT_KEY")
            .or_else(|| Some(keys::report_below(&given("REDIS_PREFIX")?, &task)));
        let redis = given("ORCHESTRATE_REPORT_URL").zip(key).map(|(url, key)| OwnReport { url, key });
        let completion = match &redis {
            Some(_) => given("ORCHESTRATE_COMPLETION"),
            None => Some(variable("ORCHESTRATE_COMPLETION")?),
        };
        Ok(Self {
            run: RunId(variable("ORCHESTRATE_RUN")?),
            key: AttemptKey::new(task, attempt),
            completion: completion.map(PathBuf::from),
            workspace: given("ORCHESTRATE_WORKSPACE").map(PathBuf::from),
            redis,
        })
    }

    /// The place of the file, if this machine can reach it.
    fn file(&self) -> Option<&Path> {
        self.completion.as_deref().filter(|path| path.parent().is_some_and(Path::is_dir))
    }

    /// `<state>/runs/<run>` of `<state>/runs/<run>/tasks/<task>/<attempt>/completion.json`.
    fn run_folder(&self) -> Option<&Path> {
        self.completion.as_deref()?.ancestors().nth(4)
    }

    fn report(&self, context: &Context, body: ReportBody) -> TaskReport {
        TaskReport {
            schema: TaskReportVersion::V1,
            run_id: self.run.clone(),
            task_id: self.key.task.clone(),
            attempt: self.key.attempt,
            at: Some(context.clock.now()),
            body,
        }
    }

    /// Puts a report into the store of the run's own machine, where that is this one.
    fn put_here(&self, report: &TaskReport) -> Result<(), CliError> {
        let place = || self.completion.as_deref().unwrap_or(Path::new("")).display();
        let run_folder = self.run_folder().ok_or_else(|| {
            CliError::new(
                ExitCode::Usage,
                format!("`ORCHESTRATE_COMPLETION` is `{}`, which is no attempt's", place()),
            )
        })?;
        let state = run_folder.ancestors().nth(2).unwrap_or(run_folder);
        let mut store = Store::open_existing(state)?
            .ok_or_else(|| CliError::new(ExitCode::Store, format!("`{}` has no journal", state.display())))?;
        let spec = store.run_spec(&self.run)?;
        store.put_report(&spec, report)?;
        wake(&run_folder.join("wake"))?;
        Ok(())
    }

    /// Puts a report into the Redis of the run; none: it has none.
    fn put_there(&self, context: &Context, report: &TaskReport) -> Option<Result<(), CliError>> {
        let own = self.redis.as_ref()?;
        let put = || {
            let address = Address::parse(&own.url).map_err(|error| {
                CliError::new(ExitCode::Usage, format!("`ORCHESTRATE_REPORT_URL`: {}", error.message))
            })?;
            let mut redis = RedisState::open(address, context.key_ttl, REACH)?;
            redis.put(&own.key, &store::report_text(report)?, &self.run)?;
            Ok(())
        };
        Some(put())
    }

    /// A path as the completion wants it: relative to the workspace, with `/`.
    fn relative(&self, path: &str) -> String {
        let inside =
            self.workspace.as_ref().and_then(|workspace| Path::new(path).strip_prefix(workspace).ok());
        let text = inside.map_or_else(|| path.to_owned(), |inside| inside.to_string_lossy().into_owned());
        let text = if cfg!(windows) { text.replace('\\', "/") } else { text };
        text.strip_prefix("./").map(str::to_owned).unwrap_or(text)
    }
}

/// `orchestrate complete`.
pub fn complete(context: &Context, command: &CompleteCommand) -> Result<ExitCode, CliError> {
    let own = OwnAttempt::of(context)?;
    let status = CompletionStatus::from(command.status);
    let changes = [
        (&command.created, Change::Created),
        (&command.modified, Change::Modified),
        (&command.deleted, Change::Deleted),
    ];
    let outputs = changes
        .into_iter()
        .flat_map(|(paths, change)| paths.iter().map(move |path| (path, change)))
        .map(|(path, change)| Output { path: own.relative(path), change })
        .collect();
    let completion = Completion {
        schema: CompletionVersion::V1,
        run_id: own.run.clone(),
        task_id: own.key.task.clone(),
        attempt: own.key.attempt,
        status,
        summary: command.summary.clone(),
        outputs,
        verification: command.check.clone(),
        error: command.error.clone().map(|message| CompletionError {
            kind: command.error_kind.clone().unwrap_or_else(|| "error".to_owned()),
            message,
        }),
        next_steps: command.next.clone(),
        source: CompletionSource::Agent,
    };
    let bytes = serde_json::to_vec_pretty(&completion)
        .map_err(|error| CliError::new(ExitCode::Fault, format!("cannot write the completion: {error}")))?;
    schema::completion(&bytes, &own.run, &own.key).map_err(|problems| {
        CliError::new(ExitCode::Usage, format!("the completion is not valid: {}", problems.join("; ")))
    })?;
    let report = own.report(context, ReportBody::Completion { completion });
    let Some(file) = own.file() else { return complete_elsewhere(context, &own, &report) };
    write_private_file(file, &bytes)?;
    context.ui.note(&format!("completion of task {} written", own.key.task));
    // The file is what counts; that others see it too is a service.
    if let Err(error) = own.put_here(&report) {
        context.ui.note(&format!("it is not in the shared state: {error}"));
    }
    if let Some(Err(error)) = own.put_there(context, &report) {
        context.ui.note(&format!("it is not in Redis: {error}"));
    }
    Ok(ExitCode::Success)
}

/// Reports a completion from a machine that does not have the run's files.
fn complete_elsewhere(
    context: &Context,
    own: &OwnAttempt,
    report: &TaskReport,
) -> Result<ExitCode, CliError> {
    let place = own.completion.as_deref().unwrap_or(Path::new("")).display();
    match own.put_there(context, report) {
        None => Err(CliError::new(ExitCode::Store, format!("there is no folder for `{place}`"))
            .hint("the run's folder was removed, or lies on another machine")),
        Some(put) => {
            put?;
            context.ui.note(&format!("completion of task {} reported to Redis", own.key.task));
            Ok(ExitCode::Success)
        }
    }
}

/// `orchestrate progress`.
pub fn progress(context: &Context, command: &ProgressCommand) -> Result<ExitCode, CliError> {
    let own = OwnAttempt::of(context)?;
    let body = ReportBody::Progress { message: command.message.clone(), percent: command.percent };
    let report = own.report(context, body);
    let here = own.put_here(&report);
    match (here, own.put_there(context, &report)) {
        (Ok(()), Some(Err(error))) => context.ui.note(&format!("it is not in Redis: {error}")),
        (Ok(()), None) | (Ok(()) | Err(_), Some(Ok(()))) => {}
        (Err(error), None) | (Err(_), Some(Err(error))) => return Err(error),
    }
    Ok(ExitCode::Success)
}
