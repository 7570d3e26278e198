//! `complete` and `progress`: what an agent says of its own task, through the schema.
//!
//! The attempt is known from the environment that its supervisor gave it. A completion is written
//! whole and renamed into place, so that nobody reads half of one.

use std::path::{Path, PathBuf};

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
use crate::store::Store;

/// The attempt within which we were called.
struct OwnAttempt {
    run: RunId,
    key: AttemptKey,
    completion: PathBuf,
    workspace: Option<PathBuf>,
}

impl OwnAttempt {
    fn of(context: &Context) -> Result<Self, CliError> {
        let variable = |name: &str| {
            context.environment.get(name).filter(|value| !value.is_empty()).cloned().ok_or_else(|| {
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
        Ok(Self {
            run: RunId(variable("ORCHESTRATE_RUN")?),
            key: AttemptKey::new(TaskId::new(variable("ORCHESTRATE_TASK")?), attempt),
            completion: PathBuf::from(variable("ORCHESTRATE_COMPLETION")?),
            workspace: context.environment.get("ORCHESTRATE_WORKSPACE").map(PathBuf::from),
        })
    }

    /// `<state>/runs/<run>` of `<state>/runs/<run>/tasks/<task>/<attempt>/completion.json`.
    fn run_folder(&self) -> Option<&Path> {
        self.completion.ancestors().nth(4)
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
    write_private_file(&own.completion, &bytes)?;
    context.ui.note(&format!("completion of task {} written", own.key.task));
    Ok(ExitCode::Success)
}

/// `orchestrate progress`.
pub fn progress(context: &Context, command: &ProgressCommand) -> Result<ExitCode, CliError> {
    let own = OwnAttempt::of(context)?;
    let report = TaskReport {
        schema: TaskReportVersion::V1,
        run_id: own.run.clone(),
        task_id: own.key.task.clone(),
        attempt: own.key.attempt,
        at: Some(context.clock.now()),
        body: ReportBody::Progress { message: command.message.clone(), percent: command.percent },
    };
    let run_folder = own.run_folder().ok_or_else(|| {
        CliError::new(
            ExitCode::Usage,
            format!("`ORCHESTRATE_COMPLETION` is `{}`, which is no attempt's", own.completion.display()),
        )
    })?;
    let state = run_folder.ancestors().nth(2).unwrap_or(run_folder);
    let mut store = Store::open_existing(state)?
        .ok_or_else(|| CliError::new(ExitCode::Store, format!("`{}` has no journal", state.display())))?;
    let spec = store.run_spec(&own.run)?;
    store.put_report(&spec, &report)?;
    wake(&run_folder.join("wake"))?;
    Ok(ExitCode::Success)
}
