//! The environment variables of ours, in one list.

use std::collections::BTreeMap;

use super::origin::Warning;
use crate::diagnostics::suggest;

/// A variable that sets a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The dotted name of the value that it sets.
    pub key: &'static str,
    /// The option that counts before it.
    pub option: Option<&'static str>,
}

const fn variable(name: &'static str, key: &'static str, option: Option<&'static str>) -> Variable {
    Variable { name, key, option }
}

/// Every variable that sets a value.
pub const VARIABLES: [Variable; 28] = [
    variable("ORCHESTRATE_OUTPUT", "output", Some("--output")),
    variable("ORCHESTRATE_COLOR", "color", Some("--color")),
    variable("ORCHESTRATE_PROJECT", "project", None),
    variable("ORCHESTRATE_STATE_DIR", "state_dir", None),
    variable("ORCHESTRATE_JOBS", "run.jobs", Some("--jobs")),
    variable("ORCHESTRATE_TIMEOUT", "run.timeout", Some("--timeout")),
    variable("ORCHESTRATE_IDLE_TIMEOUT", "run.idle_timeout", Some("--idle-timeout")),
    variable("ORCHESTRATE_DEADLINE", "run.deadline", Some("--deadline")),
    variable("ORCHESTRATE_MAX_WAIT", "run.max_wait", Some("--max-wait")),
    variable("ORCHESTRATE_RETRIES", "run.retries", Some("--retries")),
    variable("ORCHESTRATE_FAIL_FAST", "run.fail_fast", Some("--fail-fast")),
    variable("ORCHESTRATE_ISOLATION", "run.isolation", Some("--isolation")),
    variable("ORCHESTRATE_VERIFY", "run.verify", Some("--verify")),
    variable("ORCHESTRATE_AGENT", "run.agent", Some("--agent")),
    variable("ORCHESTRATE_GRACE", "run.grace", None),
    variable("ORCHESTRATE_TICK", "run.tick", Some("--no-tick")),
    variable("ORCHESTRATE_ID_PREFIX", "run.id_prefix", Some("--id-prefix")),
    variable("ORCHESTRATE_LAYER", "run.layer", Some("--layer")),
    variable("ORCHESTRATE_MAX_LAYER", "run.max_layer", Some("--max-layer")),
    variable("ORCHESTRATE_BUDGET", "run.budget", Some("--budget")),
    variable("ORCHESTRATE_LIMIT_MEMORY", "limits.memory", None),
    variable("ORCHESTRATE_LIMIT_PROCESSES", "limits.processes", None),
    variable("ORCHESTRATE_LIMIT_OUTPUT", "limits.output", None),
    variable("ORCHESTRATE_LIMIT_DISK", "limits.disk", None),
    variable("ORCHESTRATE_LIMIT_DISK_FREE", "limits.disk_free", None),
    variable("ORCHESTRATE_REDIS_URL", "redis.url", Some("--redis")),
    variable("ORCHESTRATE_REDIS_PREFIX", "redis.prefix", None),
    variable("ORCHESTRATE_REDIS_TTL", "redis.ttl", None),
];

/// What a run tells the agents of its tasks. A nested run drops them.
pub const OUTER_RUN: [&str; 7] = [
    "ORCHESTRATE_RUN",
    "ORCHESTRATE_TASK",
    "ORCHESTRATE_ATTEMPT",
    "ORCHESTRATE_COMPLETION",
    "ORCHESTRATE_WORKSPACE",
    "ORCHESTRATE_ROOT",
    "ORCHESTRATE_REPORT_URL",
];

/// Variables that are looked at outside of settings.
const OTHERS: [&str; 3] = ["ORCHESTRATE_HOST", "ORCHESTRATE_LOG", "ORCHESTRATE_UPDATE_SCHEMAS"];

/// The task inside which this process runs, where it does.
pub fn inside_task(environment: &BTreeMap<String, String>) -> Option<&str> {
    environment.get("ORCHESTRATE_TASK").map(String::as_str).filter(|task| !task.is_empty())
}

/// The environment without what an outer run told.
pub fn without_outer_run(mut environment: BTreeMap<String, String>) -> BTreeMap<String, String> {
    environment.retain(|name, _| !OUTER_RUN.contains(&name.as_str()));
    environment
}

/// The variable that sets the value with this dotted name.
pub(super) fn variable_of(key: &str) -> Option<Variable> {
    VARIABLES.into_iter().find(|variable| variable.key == key)
}

/// Variables that look like slips of ours.
pub(super) fn slips(environment: &BTreeMap<String, String>) -> Vec<Warning> {
    let known: Vec<&'static str> =
        VARIABLES.iter().map(|variable| variable.name).chain(OUTER_RUN).chain(OTHERS).collect();
    let endings: Vec<&str> = known.iter().filter_map(|name| name.strip_prefix("ORCHESTRATE_")).collect();
    environment
        .keys()
        .filter(|name| !known.contains(&name.as_str()))
        .filter_map(|name| {
            let ending = name.strip_prefix("ORCHESTRATE_")?;
            let near = suggest(ending, endings.iter().copied())?;
            Some(Warning {
                code: "unknown-variable",
                message: format!("`{name}` is set, and nothing looks at it"),
                hint: Some(format!("did you mean `ORCHESTRATE_{near}`?")),
            })
        })
        .collect()
}
