//! `resume --replan`: the plan of a run as it is on disk now, and what is different.
//!
//! Only the plan is read again. How it is read, what of it was selected, agents, layers and limits stay
//! those that the run began with. Nothing is written before the run is ours; a crash leaves either the
//! run as it was or the run with its new plan.

use std::path::{Path, PathBuf};

use crate::cli::args::run::{ReadingOptions, Selection};
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::run::{PlanText, ReadPlan, plan_text, reading_of, tasks_of};
use crate::engine::prepare::write_private_file;
use crate::model::difference::PlanDifference;
use crate::model::exit::ExitCode;
use crate::model::ids::TaskId;
use crate::model::run::{PlanReading, RunSpec};
use crate::model::task::Entry;
use crate::model::view::RunView;
use crate::plan::{self, Pairing};

/// The plan as the run keeps it, and that of a replan that is not recorded yet.
const KEPT: &str = "plan.md";
const COMING: &str = "plan.next.md";

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
    let Some(path) = &spec.plan_path else {
        return Err(CliError::new(
            ExitCode::Usage,
            format!("run {} read its plan from standard input: there is no file to read again", spec.run_id),
        )
        .hint("`orchestrate resume` goes on with it as it was"));
    };
    let reading = match &spec.reading {
        Some(reading) => reading.clone(),
        // A run of an earlier version did not keep it: what holds here is the nearest to it.
        None => reading_of(&context.settings()?, &ReadingOptions::default(), &Selection::default(), false),
    };
    if !path.is_file() {
        let kept = context.folders(&spec.root, &spec.run_id).run().join(KEPT);
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
    let file = plan_text(context, path, &reading)?;
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
    let (Some(path), Some(reading)) = (&spec.plan_path, &spec.reading) else { return false };
    if !path.is_file() {
        return false;
    }
    let Ok(file) = plan_text(context, path, reading) else { return false };
    if file.hash() == spec.plan_hash {
        return false;
    }
    let replanned = of(spec, view, file, reading);
    replanned.read.has_errors() || !replanned.difference.is_empty()
}

fn of(spec: &RunSpec, view: &RunView, file: PlanText, reading: &PlanReading) -> Replanned {
    let read = file.plan(reading);
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
        plan_hash: read.file.hash(),
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

/// Puts the plan beside the one that the run keeps, until the run has been recorded with it.
///
/// # Errors
/// If it cannot be written.
pub fn lay_ready(folder: &Path, bytes: &[u8]) -> Result<(), CliError> {
    Ok(write_private_file(&folder.join(COMING), bytes)?)
}

/// Keeps the plan that was laid ready if the run was recorded with it, and drops it if not: the end of
/// a replan, or of one that was cut off.
///
/// # Errors
/// If files cannot be renamed or removed.
pub fn keep(folder: &Path, spec: &RunSpec) -> Result<(), CliError> {
    let coming: PathBuf = folder.join(COMING);
    let bytes = match std::fs::read(&coming) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let read = PlanText { path: None, shown: String::new(), bytes, root: String::new() };
    if read.hash() == spec.plan_hash {
        std::fs::rename(&coming, folder.join(KEPT))?;
    } else {
        std::fs::remove_file(&coming)?;
    }
    Ok(())
}
