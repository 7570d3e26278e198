//! `state get|list|watch|verify|repair`: a look into the shared state, where it is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::cli::args::OutputForm;
use crate::cli::args::commands::StateCommand;
use crate::cli::context::Context;
use crate::cli::exit::CliError;
use crate::cli::look;
use crate::cli::shared::{self, Found};
use crate::cli::watch::Watch;
use crate::masking;
use crate::model::exit::ExitCode;
use crate::model::record::Lease;
use crate::model::time::Timestamp;
use crate::report;
use crate::report::text::count_of;
use crate::store::{Entry, Problem, RedisState, SharedState as _, Store, StoreError, Trouble, keys};

/// How long a change may wait for its printing where the system does not tell.
const LOOK: Duration = Duration::from_secs(1);

/// `orchestrate state …`.
pub async fn state(context: &Context, command: &StateCommand) -> Result<ExitCode, CliError> {
    match command {
        StateCommand::Get { key } => get(context, &Place::find(context)?, key),
        StateCommand::List { beginning } => {
            list(context, &Place::find(context)?, beginning.as_deref().unwrap_or_default())
        }
        StateCommand::Watch => watch(context, &Place::find(context)?).await,
        StateCommand::Verify => verify(context),
        StateCommand::Repair => repair(context),
    }
}

/// Where the shared state is looked at.
enum Place {
    Embedded(Box<Store>),
    Redis(Box<RedisState>),
}

impl Place {
    fn find(context: &Context) -> Result<Self, CliError> {
        match redis(context)? {
            Some(redis) => Ok(Self::Redis(Box::new(redis))),
            None => look::open(context).map(|store| Self::Embedded(Box::new(store))),
        }
    }

    fn get(&self, key: &str) -> Result<Option<Value>, StoreError> {
        match self {
            Self::Embedded(store) => store.get(key),
            Self::Redis(redis) => Ok(redis.entry(key)?.map(|entry| match entry {
                Entry::Text(text) => read(&text),
                Entry::Stream(entries) => entries.iter().map(|(_, text)| read(text)).collect(),
            })),
        }
    }

    fn list(&self, beginning: &str) -> Result<Vec<(String, Value)>, StoreError> {
        let redis = match self {
            Self::Embedded(store) => return store.list(beginning),
            Self::Redis(redis) => redis,
        };
        let mut found: Vec<(String, Value)> = redis
            .list(beginning)?
            .into_iter()
            .map(|(key, text)| {
                let long = key.ends_with(":plan");
                let value = if long { serde_json::json!({ "bytes": text.len() }) } else { read(&text) };
                (key, value)
            })
            .collect();
        for (key, length) in redis.streams(beginning)? {
            let whole = if key.ends_with(":control") { self.get(&key)? } else { None };
            found.push((key, whole.unwrap_or_else(|| serde_json::json!({ "length": length }))));
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(found)
    }
}

/// The Redis that is to be looked into; none: nobody asked for one, or it may be done without.
fn redis(context: &Context) -> Result<Option<RedisState>, CliError> {
    Ok(match shared::state(context)? {
        Found::NotAsked => None,
        Found::There(redis) => Some(redis),
        Found::Without(error) => {
            context.ui.note(&format!("{error}; this is what the journal here has"));
            None
        }
    })
}

/// A document of the shared state. What is none was not written by a supervisor, and is shown as it is.
fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}

fn get(context: &Context, place: &Place, key: &str) -> Result<ExitCode, CliError> {
    let prefix = keys::coded(&context.prefix);
    let value = match place.get(&format!("{prefix}{key}"))? {
        Some(value) => Some(value),
        None => whole(place.get(key))?,
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
    // Agents write there too, and not through our door.
    context.ui.data(&masking::mask(&text))?;
    Ok(ExitCode::Success)
}

/// What is under a key outside of the project. Who has no right to look there finds nothing.
fn whole(found: Result<Option<Value>, StoreError>) -> Result<Option<Value>, StoreError> {
    match found {
        Err(StoreError::Redis { trouble: Trouble::NotAllowed(_), .. }) => Ok(None),
        other => other,
    }
}

fn list(context: &Context, place: &Place, beginning: &str) -> Result<ExitCode, CliError> {
    let prefix = keys::coded(&context.prefix);
    let full =
        if beginning.starts_with(&prefix) { beginning.to_owned() } else { format!("{prefix}{beginning}") };
    let entries = place.list(&full)?;
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
async fn watch(context: &Context, place: &Place) -> Result<ExitCode, CliError> {
    let mut watch = Watch::begin(&context.state_dir);
    let prefix = keys::coded(&context.prefix);
    let mut known: BTreeMap<String, Value> = place.list(&prefix)?.into_iter().collect();
    loop {
        watch.changed(LOOK).await;
        for (key, value) in place.list(&prefix)? {
            if known.get(&key) != Some(&value) {
                let line = report::line_json(&serde_json::json!({ "key": key, "value": value })) + "\n";
                if !context.ui.bytes(masking::mask(&line).as_bytes())? {
                    return Ok(ExitCode::Success);
                }
                known.insert(key, value);
            }
        }
    }
}

fn verify(context: &Context) -> Result<ExitCode, CliError> {
    let redis = redis(context)?;
    let store = match (Store::open_existing(&context.state_dir)?, &redis) {
        (Some(store), _) => Some(store),
        // Another machine's journal is not ours to compare with.
        (None, Some(_)) => None,
        (None, None) => return Err(look::nothing_known(context)),
    };
    let problems = match (&store, &redis) {
        (None, Some(redis)) => redis.verify_documents(&context.prefix)?,
        (Some(store), _) => problems(context, store, redis.as_ref())?,
        (None, None) => Vec::new(),
    };
    if context.output != OutputForm::Human {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let document =
            serde_json::json!({ "schema": "state-verify/v1", "valid": lines.is_empty(), "problems": lines });
        context.ui.data(&report::line_json(&document))?;
    }
    if problems.is_empty() {
        if context.output == OutputForm::Human {
            let text = match &store {
                Some(store) => format!(
                    "{}: every record is valid and agrees with the journal",
                    count_of(u64::try_from(store.runs()?.len()).unwrap_or(u64::MAX), "run")
                ),
                None => "every record is valid; there is no journal here to compare with".to_owned(),
            };
            context.ui.data(&text)?;
        }
        return Ok(ExitCode::Success);
    }
    if context.output == OutputForm::Human {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        context.ui.data(&lines.join("\n"))?;
    }
    Err(has_problems(&problems))
}

/// Writes what is derived from the journal again, here and in the Redis, and tells what is left.
fn repair(context: &Context) -> Result<ExitCode, CliError> {
    let redis = redis(context)?;
    look::open(context)?;
    let mut store = Store::open(&context.state_dir, false)?;
    let now = context.clock.now();
    let mut mended = store.repair(now)?;
    if let Some(redis) = &redis {
        let ttl = i64::try_from(context.key_ttl.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp(now.0.saturating_sub(ttl));
        let alive = |lease: &Lease| look::lease_is_alive(context, lease);
        mended.extend(store.repair_shared(redis, &context.prefix, since, &alive)?);
    }
    let left = problems(context, &store, redis.as_ref())?;
    let lines = |problems: &[Problem]| -> Vec<String> { problems.iter().map(ToString::to_string).collect() };
    if context.output == OutputForm::Human {
        let mut text = lines(&mended).into_iter().map(|line| format!("mended  {line}")).collect::<Vec<_>>();
        text.extend(lines(&left).into_iter().map(|line| format!("left    {line}")));
        if text.is_empty() {
            text.push("every record is valid and agrees with the journal: nothing to mend".to_owned());
        }
        context.ui.data(&text.join("\n"))?;
    } else {
        let document = serde_json::json!({
            "schema": "state-repair/v1", "mended": lines(&mended), "problems": lines(&left),
        });
        context.ui.data(&report::line_json(&document))?;
    }
    if left.is_empty() { Ok(ExitCode::Success) } else { Err(has_problems(&left)) }
}

fn problems(
    context: &Context,
    store: &Store,
    redis: Option<&RedisState>,
) -> Result<Vec<Problem>, StoreError> {
    let mut problems = store.verify()?;
    if let Some(redis) = redis {
        let alive = |lease: &Lease| look::lease_is_alive(context, lease);
        problems.extend(store.verify_shared(redis, &context.prefix, &alive)?);
    }
    Ok(problems)
}

fn has_problems(problems: &[Problem]) -> CliError {
    let count = u64::try_from(problems.len()).unwrap_or(u64::MAX);
    CliError::new(ExitCode::Store, format!("the state has {}", count_of(count, "problem")))
}
