//! What is written when an attempt or a run has ended.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::engine::drive::EngineParts;
use crate::engine::folders::{RunFolders, shown};
use crate::engine::prepare::{create_private_file, write_private_file};
use crate::masking;
use crate::model::completion::{
    Completion, CompletionError, CompletionSource, CompletionStatus, CompletionVersion,
};
use crate::model::event::EventBody;
use crate::model::ids::AttemptKey;
use crate::model::result::RunResult;
use crate::model::run::RunSpec;
use crate::model::status::AttemptStatus;
use crate::model::verdict::WitnessName;
use crate::model::view::RunView;
use crate::report::{self, EndPaths};
use crate::schema;

/// Writes the completion of an attempt whose agent left none that is valid, so that every attempt
/// has one. Does nothing for other events.
pub(super) fn write_completion(
    spec: &RunSpec,
    folders: &RunFolders,
    event: &EventBody,
) -> anyhow::Result<()> {
    let EventBody::AttemptEnded { task_id, attempt, status, verdict, .. } = event else { return Ok(()) };
    let key = AttemptKey::new(task_id.clone(), *attempt);
    if *status == AttemptStatus::Lost && has_completion(spec, folders, &key) {
        // Nobody judged it, and it is the agent's word all the same.
        return Ok(());
    }
    let (status, error) = match &verdict.failure {
        None => (CompletionStatus::Succeeded, None),
        Some(failure) => (
            CompletionStatus::Failed,
            Some(CompletionError {
                kind: failure.kind.as_str().to_owned(),
                message: masking::mask(&failure.seen).into_owned(),
            }),
        ),
    };
    let process = verdict.witnesses.iter().find(|witness| witness.name == WitnessName::Process);
    let seen = process.map_or("", |witness| witness.seen.as_str());
    let completion = Completion {
        schema: CompletionVersion::V1,
        run_id: spec.run_id.clone(),
        task_id: task_id.clone(),
        attempt: *attempt,
        status,
        summary: format!("written by the supervisor, since the agent left none: {}", masking::mask(seen)),
        outputs: Vec::new(),
        verification: Vec::new(),
        error,
        next_steps: Vec::new(),
        source: CompletionSource::Supervisor,
    };
    let text = serde_json::to_vec_pretty(&completion).context("cannot write a completion as JSON")?;
    write_where_it_belongs(folders, &key, &text)
}

/// Whether there is a completion in the folder of an attempt that is valid for it.
pub(super) fn has_completion(spec: &RunSpec, folders: &RunFolders, key: &AttemptKey) -> bool {
    std::fs::read(completion_path(folders, key))
        .is_ok_and(|bytes| schema::completion(&bytes, &spec.run_id, key).is_ok())
}

fn completion_path(folders: &RunFolders, key: &AttemptKey) -> PathBuf {
    folders.attempt(&key.task, key.attempt).join("completion.json")
}

/// Writes the completion of an attempt whose agent reported it and left no file that is valid. Its words are
/// the agent's, and so is its source.
pub(super) fn write_reported(
    parts: &EngineParts,
    key: &AttemptKey,
    completion: &Completion,
) -> anyhow::Result<()> {
    let text = parts.store.masked_completion(completion)?;
    write_where_it_belongs(&parts.folders, key, text.as_bytes())
}

fn write_where_it_belongs(folders: &RunFolders, key: &AttemptKey, text: &[u8]) -> anyhow::Result<()> {
    let path = completion_path(folders, key);
    match create_private_file(&path, text) {
        Ok(()) => Ok(()),
        // An attempt whose folder could not be made has nowhere to leave one; its record says why.
        Err(error) if is_without_folder(&error) => Ok(()),
        // Something of the agent's is there, or half of it was written: replaced as a whole.
        Err(_) => write_private_file(&path, text),
    }
}

fn is_without_folder(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// The result of a run as its documents show it.
pub fn result_of(spec: &RunSpec, view: &RunView, folders: &RunFolders) -> RunResult {
    let report = folders.report();
    let report = report.is_file().then(|| folders.shown(&report));
    RunResult::of(spec, view, report, |task, attempt| folders.shown(&folders.attempt(task, attempt)))
}

/// Writes the reports, gives the run up and tells the reporters that it ended.
pub(super) fn finish(parts: &mut EngineParts, view: &RunView) -> anyhow::Result<()> {
    let spec = &parts.spec;
    let report_path = parts.folders.report();
    let mut result = result_of(spec, view, &parts.folders);
    result.report = Some(parts.folders.shown(&report_path));
    let markdown = report::markdown(spec, view, &result);
    // A report that cannot be written must not hide how the run ended: it is told at the very end.
    let mut problem = write_private_file(&report_path, markdown.as_bytes()).err();
    for path in &spec.reports {
        let written = write_report(path, &markdown, &result, parts);
        problem = problem.or(written.err());
    }
    parts.store.sync()?;
    if !parts.store.release_lease(&parts.spec, &parts.lease)? {
        tracing::warn!(
            "the end of the run is not in Redis: `orchestrate state repair` writes it there once it is back"
        );
    }
    let told = shown(&parts.surroundings.directory, &report_path);
    let paths = EndPaths { report: Some(told), branch: None };
    let now = parts.clock.now();
    for reporter in &mut parts.reporters {
        reporter.finish(&parts.spec, view, &paths, now);
    }
    problem.map_or(Ok(()), Err)
}

fn write_report(path: &Path, markdown: &str, result: &RunResult, parts: &EngineParts) -> anyhow::Result<()> {
    let form = path.extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    let text = match form {
        "json" => report::result_json(result),
        "ndjson" | "jsonl" => {
            let mut text = String::new();
            for event in parts.store.events(&parts.spec.run_id, 0)? {
                text.push_str(&report::event_json(&event));
                text.push('\n');
            }
            text
        }
        _ => markdown.to_owned(),
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder `{}`", folder.display()))?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write the report `{}`", path.display()))
}
