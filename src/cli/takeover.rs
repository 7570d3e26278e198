//! Taking over what another machine ran: its plan found here, its paths made ours.

use std::path::{Path, PathBuf};

use crate::agents;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::folder;
use crate::engine::prepare::{make_private_folder, write_private_file};
use crate::masking::MASK;
use crate::model::exit::ExitCode;
use crate::model::run::RunSpec;
use crate::scheduler::Input;
use crate::store::Store;
use crate::workspace;
use crate::workspace::checkout::kept_name;

/// A run of another machine as it is to go on here.
#[derive(Debug)]
pub struct Moved {
    /// What is run, with the paths of this machine.
    pub spec: RunSpec,
    /// What a person should know of it.
    pub told: Vec<Input>,
}

/// The run `spec`, which `host` supervised last, with the paths of this machine.
///
/// # Errors
/// If the repository is not here, or what is to be run was not told whole.
pub fn moved(context: &Context, spec: RunSpec, host: &str) -> Result<Moved, CliError> {
    let mut plans = plans_here(context, &spec, host)?;
    let mut text = String::new();
    for path in &plans {
        let bytes = if path.is_dir() {
            folder::bytes(path, &context.shown(path), u64::MAX)?
        } else {
            std::fs::read(path).map_err(|error| {
                CliError::new(
                    ExitCode::Environment,
                    format!("cannot read `{}`: {error}", context.shown(path)),
                )
            })?
        };
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    let mut spec = spec;
    if spec.agents.values().any(|agent| is_masked_anywhere(agent, &text)) {
        // Where a secret stands in the configuration, the one here has it too.
        let settings = context.settings()?;
        for (name, agent) in &mut spec.agents {
            if is_masked_anywhere(agent, &text)
                && let Some(here) = settings.agents.get(name)
            {
                agent.clone_from(here);
            }
        }
    }
    if let Some(what) = withheld(&spec, &text) {
        return Err(CliError::new(
            ExitCode::Environment,
            format!("{what} has something in it that looks like a secret, and Redis does not have it"),
        )
        .hint(format!("go on with it on {host}, where its journal has it whole")));
    }
    let mut told = vec![other_checkout(host)];
    let from = std::mem::replace(&mut spec.root, context.root.clone());
    let (mine, foreign): (Vec<PathBuf>, Vec<PathBuf>) =
        spec.reports.drain(..).partition(|path| path.starts_with(&from));
    spec.reports = mine
        .into_iter()
        .filter_map(|path| path.strip_prefix(&from).ok().map(|below| context.root.join(below)))
        .collect();
    if !foreign.is_empty() {
        let names: Vec<String> = foreign.iter().map(|path| format!("`{}`", path.display())).collect();
        told.push(Input::Warn {
            code: "no-report".to_owned(),
            message: format!(
                "{} of {host} is outside of the project, and is not written here",
                names.join(", ")
            ),
            hint: Some("`orchestrate report --as FORM` prints it".to_owned()),
        });
    }
    spec.more_plans = if plans.is_empty() { Vec::new() } else { plans.split_off(1) };
    spec.plan_path = plans.pop();
    spec.state_dir = Some(context.state_dir.clone());
    Ok(Moved { spec, told })
}

/// That files may be missing which tasks made on `host`.
pub fn other_checkout(host: &str) -> Input {
    Input::Warn {
        code: "other-checkout".to_owned(),
        message: format!(
            "{host} ran this before: what its tasks changed there is here only if it was brought here"
        ),
        hint: Some("commit and push there, and pull here, what later tasks build on".to_owned()),
    }
}

/// Makes the folder of a run that was begun elsewhere, as its start would have made it here.
///
/// # Errors
/// If files cannot be written.
pub fn settle(context: &Context, spec: &RunSpec) -> Result<(), CliError> {
    drop(Store::open(&context.state_dir, false)?);
    let git = agents::find::find_tool("git", &context.environment, &context.root);
    workspace::git::keep_out_of_commits(&context.state_dir, git.as_deref()).map_err(anyhow::Error::from)?;
    let folders = context.folders(&spec.root, &spec.run_id);
    make_private_folder(folders.run())?;
    for (number, plan) in spec.plan_files().enumerate() {
        let bytes = if plan.is_dir() {
            folder::bytes(plan, &context.shown(plan), u64::MAX)?
        } else {
            std::fs::read(plan)?
        };
        write_private_file(&folders.run().join(kept_name(number)), &bytes)?;
    }
    Ok(())
}

/// The plans' files here; none: it was read from standard input.
fn plans_here(context: &Context, spec: &RunSpec, host: &str) -> Result<Vec<PathBuf>, CliError> {
    if spec.plan_path.is_none() {
        return Ok(Vec::new());
    }
    // The name of a single plan may hold anything.
    let names: Vec<&str> =
        if spec.more_plans.is_empty() { vec![&spec.plan] } else { spec.plan.split(" + ").collect() };
    names.into_iter().map(|name| plan_here(context, spec, name, host)).collect()
}

fn plan_here(context: &Context, spec: &RunSpec, name: &str, host: &str) -> Result<PathBuf, CliError> {
    // One outside of the project is told with its whole path, which `join` leaves as it is.
    let here = context.root.join(Path::new(name));
    if here.exists() {
        return Ok(here);
    }
    Err(CliError::new(
        ExitCode::Environment,
        format!(
            "run {} goes on only in its repository, and `{}` has no `{name}`",
            spec.run_id,
            context.shown(&context.root),
        ),
    )
    .hint(format!(
        "call it in a checkout of what {host} had at `{}`, or name one with `-C DIR`",
        spec.root.display()
    )))
}

/// What was to be run and was not told whole; `plan` is the text of the plan here.
fn withheld(spec: &RunSpec, plan: &str) -> Option<String> {
    if is_masked_anywhere(&spec.settings.verify, plan) {
        return Some("a command of `--verify`".to_owned());
    }
    if is_masked(&spec.preamble, plan) {
        return Some("what stands before the tasks".to_owned());
    }
    if let Some(agent) = spec.agents.values().find(|agent| is_masked_anywhere(agent, plan)) {
        return Some(format!("agent `{}`", agent.name));
    }
    spec.tasks
        .iter()
        .find(|task| {
            is_masked(&task.body, plan)
                || is_masked_anywhere(&task.command, plan)
                || is_masked_anywhere(&task.verify, plan)
        })
        .map(|task| format!("task `{}`", task.id))
}

/// Whether a line of `text` was masked: it has what stands for a secret, and the plan does not say so
/// itself.
fn is_masked(text: &str, plan: &str) -> bool {
    text.lines().any(|line| line.contains(MASK) && !plan.contains(line.trim()))
}

fn is_masked_anywhere(value: &impl serde::Serialize, plan: &str) -> bool {
    fn any(value: &serde_json::Value, plan: &str) -> bool {
        match value {
            serde_json::Value::String(text) => is_masked(text, plan),
            serde_json::Value::Array(items) => items.iter().any(|item| any(item, plan)),
            serde_json::Value::Object(fields) => fields.values().any(|field| any(field, plan)),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => false,
        }
    }
    // What cannot be written as JSON did not come from there.
    serde_json::to_value(value).is_ok_and(|value| any(&value, plan))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_plan_says_itself_is_not_masked() {
        let plan = "# Plan\n\n***\n\n- Command: `curl -H 'X: sk-abc123'`\n";
        assert!(!is_masked("text\n***\nmore", plan));
        assert!(is_masked("curl -H 'X: sk-***'", plan));
        assert!(is_masked_anywhere(&vec!["a", "b ***c"], plan));
        assert!(!is_masked_anywhere(&vec!["a", "***"], plan));
    }
}
