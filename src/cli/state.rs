//! `state get|list|watch|verify`: a look into the shared state.

use std::time::Duration;

use crate::cli::args::OutputForm;
use crate::cli::args::commands::StateCommand;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look;
use crate::cli::watch::Watch;
use crate::model::exit::ExitCode;
use crate::report;
use crate::report::text::count_of;
use crate::store::Store;

/// How long a change may wait for its printing where the system does not tell.
const LOOK: Duration = Duration::from_secs(1);

/// `orchestrate state …`.
pub async fn state(context: &Context, command: &StateCommand) -> Result<ExitCode, CliError> {
    let store = look::open(context)?;
    match command {
        StateCommand::Get { key } => get(context, &store, key),
        StateCommand::List { beginning } => list(context, &store, beginning.as_deref().unwrap_or_default()),
        StateCommand::Watch => watch(context, &store).await,
        StateCommand::Verify => verify(context, &store),
    }
}

fn get(context: &Context, store: &Store, key: &str) -> Result<ExitCode, CliError> {
    let prefixed = format!("{}{key}", context.prefix);
    let value = match store.get(key)? {
        Some(value) => Some(value),
        None => store.get(&prefixed)?,
    };
    let Some(value) = value else {
        return Err(CliError::new(ExitCode::TaskFailed, format!("there is no key `{key}`"))
            .hint(format!("`orchestrate state list` shows the keys below `{}`", context.prefix)));
    };
    let text = match context.output {
        OutputForm::Human => serde_json::to_string_pretty(&value)
            .map_err(|error| CliError::new(ExitCode::Fault, format!("cannot write JSON: {error}")))?,
        OutputForm::Json | OutputForm::Ndjson => report::line_json(&value),
    };
    context.ui.data(&text)?;
    Ok(ExitCode::Success)
}

fn list(context: &Context, store: &Store, beginning: &str) -> Result<ExitCode, CliError> {
    let full = if beginning.starts_with(&context.prefix) {
        beginning.to_owned()
    } else {
        format!("{}{beginning}", context.prefix)
    };
    let entries = store.list(&full)?;
    match context.output {
        OutputForm::Human => {
            let mut text = String::new();
            for (key, _) in &entries {
                text.push_str(key);
                text.push('\n');
            }
            context.ui.data(&text)?;
        }
        OutputForm::Json => {
            let map: serde_json::Map<String, serde_json::Value> = entries.into_iter().collect();
            context.ui.data(&report::line_json(&map))?;
        }
        OutputForm::Ndjson => {
            for (key, value) in entries {
                context.ui.data(&report::line_json(&serde_json::json!({ "key": key, "value": value })))?;
            }
        }
    }
    Ok(ExitCode::Success)
}

/// Prints every record below the prefix that changes, until the reader goes or a signal ends us.
async fn watch(context: &Context, store: &Store) -> Result<ExitCode, CliError> {
    let mut watch = Watch::begin(&context.state_dir);
    let mut known: std::collections::BTreeMap<String, serde_json::Value> =
        store.list(&context.prefix)?.into_iter().collect();
    loop {
        watch.changed(LOOK).await;
        for (key, value) in store.list(&context.prefix)? {
            if known.get(&key) != Some(&value) {
                let line = report::line_json(&serde_json::json!({ "key": key, "value": value })) + "\n";
                if !context.ui.bytes(line.as_bytes())? {
                    return Ok(ExitCode::Success);
                }
                known.insert(key, value);
            }
        }
    }
}

fn verify(context: &Context, store: &Store) -> Result<ExitCode, CliError> {
    let problems = store.verify()?;
    if context.output != OutputForm::Human {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let document =
            serde_json::json!({ "schema": "state-verify/v1", "valid": lines.is_empty(), "problems": lines });
        context.ui.data(&report::line_json(&document))?;
    }
    if problems.is_empty() {
        if context.output == OutputForm::Human {
            let runs = store.runs()?.len();
            context.ui.data(&format!(
                "{}: every record is valid and agrees with the journal",
                count_of(u64::try_from(runs).unwrap_or(u64::MAX), "run")
            ))?;
        }
        return Ok(ExitCode::Success);
    }
    if context.output == OutputForm::Human {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        context.ui.data(&lines.join("\n"))?;
    }
    let count = u64::try_from(problems.len()).unwrap_or(u64::MAX);
    Err(CliError::new(ExitCode::Store, format!("the state has {}", count_of(count, "problem"))))
}
