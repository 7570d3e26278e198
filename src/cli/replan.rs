//! `resume --replan`: the plan of a run as it is on disk now, and what is different.
//!
//! Only the plan is read again. How it is read, what of it was selected, agents, layers and limits stay
//! those that the run began with. Nothing is written before the run is ours; a crash leaves either the
//! run as it was or the run with its new plan.

use std::path::{Path, PathBuf};

use crate::cli::args::run::{ReadingOptions, Selection};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::plans::{PlanText, ReadPlan, plan_text, reading_of};
use crate::cli::run::tasks_of;
use crate::engine::prepare::{make_private_folder, write_private_file};
use crate::model::difference::PlanDifference;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::run::{PlanReading, RunSpec};
use crate::model::task::Entry;
use crate::model::view::RunView;
use crate::plan::{self, Pairing};
use crate::workspace::checkout::kept_name;

/// The folder with the plans of a replan that is not recorded yet, as the run would keep them, and the
/// file beside them that says which run they are for: the hash of its plan.
const COMING: &str = "plan.next";
const HASH: &str = "hash";

/// A changed plan, and what the run becomes with it.
pub struct Replanned {
    /// The run with the tasks that the plan has now.
    pub spec: RunSpec,
    /// What is different.
    pub difference: PlanDifference,
    /// The tasks that are begun anew.
    pub again: Vec<TaskId>,
    /// The plan.
    pub read: ReadPlan,
}

impl Replanned {
    /// Whether anything is to be run that the run has not done.
    pub fn is_anything_left(&self, view: &RunView) -> bool {
        self.spec.tasks.iter().any(|task| {
            !matches!(task.entry, Entry::Skip { .. })
                && view.task(&task.id).is_none_or(|known| !known.status.is_end())
        }) || !self.again.is_empty()
    }
}

/// Reads the plan of `spec`, which stands at `view`, as it is now.
///
/// # Errors
/// [`ExitCode::InvalidInput`] if it is gone or has mistakes, which are said; [`ExitCode::Usage`] if it
/// never was a file.
pub fn read(context: &Context, spec: &RunSpec, view: &RunView) -> Result<Replanned, CliError> {
    let paths: Vec<PathBuf> = spec.plan_files().cloned().collect();
    if paths.is_empty() {
        return Err(CliError::new(
            ExitCode::Usage,
            format!("run {} read its plan from standard input: there is no file to read again", spec.run_id),
        )
        .hint("`orchestrate resume` goes on with it as it was"));
    }
    let reading = match &spec.reading {
        Some(reading) => reading.clone(),
        // A run of an earlier version did not keep it: what holds here is the nearest to it.
        None => reading_of(&context.settings()?, &ReadingOptions::default(), &Selection::default(), false),
    };
    if let Some((number, path)) = paths.iter().enumerate().find(|(_, path)| !path.exists()) {
        let kept = context.folders(&spec.root, &spec.run_id).run().join(kept_name(number));
        let mut error = CliError::new(
            ExitCode::InvalidInput,
            format!("the plan of run {} is gone: there is no `{}`", spec.run_id, context.shown(path)),
        )
        .hint("`orchestrate resume` goes on with it as it was read");
        if kept.is_file() {
            error = error.hint(format!("put it back: as it was read it is `{}`", context.shown(&kept)));
        }
        return Err(error);
    }
    let file = plan_text(context, &paths, &reading)?;
    let replanned = of(spec, view, file, &reading);
    if replanned.read.has_errors() {
        replanned.read.show_diagnostics(context);
        return Err(match replanned.read.refuse() {
            Err(error) => error.hint(format!("run {} is as it was", spec.run_id)),
            Ok(()) => CliError::new(ExitCode::InvalidInput, "the plan has mistakes"),
        });
    }
    Ok(replanned)
}

/// Whether the plan of `spec` is another one now than the run knows; where it cannot be read, that is
/// not known.
pub fn is_changed(context: &Context, spec: &RunSpec, view: &RunView) -> bool {
    let paths: Vec<PathBuf> = spec.plan_files().cloned().collect();
    let Some(reading) = spec.reading.as_ref().filter(|_| !paths.is_empty()) else { return false };
    if paths.iter().any(|path| !path.exists()) {
        return false;
    }
    let Ok(file) = plan_text(context, &paths, reading) else { return false };
    if file.hash() == spec.plan_hash {
        return false;
    }
    let replanned = of(spec, view, file, reading);
    replanned.read.has_errors() || !replanned.difference.is_empty()
}

fn of(spec: &RunSpec, view: &RunView, mut file: PlanText, reading: &PlanReading) -> Replanned {
    let read = file.take_plan();
    let pairing = plan::pair(spec, view, &read);
    let mut here = in_plan(reading, &pairing);
    if here.only.is_empty() && !reading.only.is_empty() {
        // All that was selected is gone: taking that for "everything" would run what nobody asked for.
        here.only.clone_from(&reading.only);
    }
    let read = ReadPlan::resolved(file, read, &here, spec.agents.keys().cloned().collect());
    let tasks = tasks_of(&read, spec.settings.tick);
    let plan::Replan { tasks, difference, again } = plan::replan(spec, view, &read.plan, tasks, &pairing);
    let spec = RunSpec {
        tasks,
        plan_title: read.plan.title.clone(),
        preamble: read.plan.preamble.clone(),
        contexts: read.resolved.contexts.clone(),
        plan_hash: read.file.hash(),
        folder_files: read.file.folder_files(),
        reading: Some(reading.clone()),
        replanned: spec.replanned.saturating_add(1),
        ..spec.clone()
    };
    Replanned { spec, difference, again, read }
}

/// The same with what the plan calls its tasks now, without those that it does not have any more.
fn in_plan(reading: &PlanReading, pairing: &Pairing) -> PlanReading {
    let all = |ids: &[TaskId]| ids.iter().filter_map(|id| pairing.in_plan(id)).cloned().collect();
    PlanReading {
        only: all(&reading.only),
        skip: all(&reading.skip),
        // One that the plan does not have may be the dependency of one that it has.
        assume_done: reading.assume_done.iter().map(|id| pairing.in_plan(id).unwrap_or(id).clone()).collect(),
        agent_for: reading
            .agent_for
            .iter()
            .filter_map(|(id, agent)| Some((pairing.in_plan(id)?.clone(), agent.clone())))
            .collect(),
        ..reading.clone()
    }
}

/// Puts the plans beside those that the run keeps, until the run has been recorded with them.
///
/// # Errors
/// If they cannot be written.
pub fn lay_ready(folder: &Path, read: &PlanText) -> Result<(), CliError> {
    let coming = folder.join(COMING);
    make_private_folder(&coming)?;
    for (number, file) in read.files.iter().enumerate() {
        write_private_file(&coming.join(kept_name(number)), &file.bytes)?;
    }
    // Written last: what has no hash was cut off.
    Ok(write_private_file(&coming.join(HASH), read.hash().as_bytes())?)
}

/// Keeps the plans that were laid ready if the run was recorded with them, and drops them if not: the end
/// of a replan, or of one that was cut off.
///
/// # Errors
/// If files cannot be renamed or removed.
pub fn keep(folder: &Path, spec: &RunSpec) -> Result<(), CliError> {
    let coming = folder.join(COMING);
    if !coming.is_dir() {
        return Ok(());
    }
    let hash = std::fs::read_to_string(coming.join(HASH)).unwrap_or_default();
    if hash == spec.plan_hash {
        for number in 0..=spec.more_plans.len() {
            let name = kept_name(number);
            match std::fs::rename(coming.join(&name), folder.join(&name)) {
                Ok(()) => {}
                // An earlier try, cut off, has moved it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(std::fs::remove_dir_all(&coming)?)
}
