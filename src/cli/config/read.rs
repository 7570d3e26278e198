//! From the text of a configuration file to a [`Config`], or to everything that is wrong with it.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::agents::agents;
use super::alerts::alerts;
use super::limits::limits;
use super::models::{layers, models, providers};
use super::problem::ConfigError;
use super::section::{Notes, Section};
use super::{
    Config, GatewayMode, GatewayTable, MAX_JOBS, MAX_RETRIES, OwnershipMode, OwnershipTable, RedisTable,
    Role, RunTable, WorkspaceTable,
};
use crate::model::run::{Isolation, TickMode};

/// Keys that people look for at the wrong place, with the table they belong to.
const ELSEWHERE: [(&str, &str); 27] = [
    ("jobs", "run"),
    ("timeout", "run"),
    ("idle_timeout", "run"),
    ("deadline", "run"),
    ("max_wait", "run"),
    ("budget", "run"),
    ("retries", "run"),
    ("fail_fast", "run"),
    ("isolation", "run"),
    ("verify", "run"),
    ("agent", "run"),
    ("grace", "run"),
    ("tick", "run"),
    ("id_prefix", "run"),
    ("url", "redis"),
    ("prefix", "redis"),
    ("ttl", "redis"),
    ("policy", "models"),
    ("approve_paid", "models"),
    ("aliases", "models"),
    ("deny", "models"),
    ("fallbacks", "models"),
    ("memory", "limits"),
    ("processes", "limits"),
    ("output", "limits"),
    ("disk", "limits"),
    ("disk_free", "limits"),
];

/// Reads the text of a configuration file; `file` is how it is shown.
///
/// # Errors
/// All mistakes, in the order of the file.
pub fn read(file: &str, text: &str) -> Result<Config, ConfigError> {
    let (config, notes) = read_all(file, text);
    notes.refusal().map_or(Ok(config), Err)
}

pub(super) fn read_all<'t>(file: &'t str, text: &'t str) -> (Config, Notes<'t>) {
    let mut notes = Notes::new(file, text);
    // A byte order mark is no mistake; its three bytes count as none of the first column.
    let (table, errors) = DeTable::parse_recoverable(text);
    let broken = !errors.is_empty();
    for error in errors {
        let range = error.span().unwrap_or(0..0);
        notes.problem(&range, lower_first(error.message()), Vec::new());
    }
    let config = root(Section::root(table.into_inner()), &mut notes, broken);
    (config, notes)
}

pub(super) fn lower_first(message: &str) -> String {
    let mut letters = message.trim_end_matches('.').chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn root(mut top: Section<'_>, notes: &mut Notes<'_>, broken: bool) -> Config {
    let version = version(&mut top, notes, broken);
    let config = Config {
        version,
        project: top.text(notes, "project").map(|found| found.value),
        state_dir: state_dir(&mut top, notes),
        run: top.table(notes, "run").map(|section| run(section, notes)).unwrap_or_default(),
        redis: top.table(notes, "redis").map(|section| redis(section, notes)),
        limits: top.table(notes, "limits").map(|section| limits(section, notes)).unwrap_or_default(),
        agents: agents(&mut top, notes),
        roles: roles(&mut top, notes),
        layers: layers(&mut top, notes),
        models: top.table(notes, "models").map(|section| models(section, notes)).unwrap_or_default(),
        providers: providers(&mut top, notes),
        gateway: top.table(notes, "gateway").map(|section| gateway(section, notes)).unwrap_or_default(),
        workspace: top.table(notes, "workspace").map(|section| workspace(section, notes)).unwrap_or_default(),
        ownership: top.table(notes, "ownership").map(|section| ownership(section, notes)).unwrap_or_default(),
        alerts: alerts(&mut top, notes),
        lines: BTreeMap::new(),
        file: notes.file.to_owned(),
    };
    top.finish(notes, &ELSEWHERE);
    Config { lines: notes.lines.clone(), ..config }
}

pub(super) fn version(top: &mut Section<'_>, notes: &mut Notes<'_>, broken: bool) -> u8 {
    let problems = notes.problems.len();
    if let Some(found) = top.number::<i64>(notes, "version", i64::MIN..=i64::MAX) {
        if found.value != 1 {
            notes.problem(
                &found.range,
                format!("`version` is {}, and this `orchestrate` reads version 1", found.value),
                vec![
                    "write `version = 1`, or use the `orchestrate` that this file was written for".to_owned(),
                ],
            );
        }
    } else if problems == notes.problems.len() && !broken {
        top.missing(notes, &["version"], "write `version = 1` as the first line");
    }
    1
}

fn state_dir(top: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let found = top.text(notes, "state_dir")?;
    let path = std::path::Path::new(&found.value);
    let leaves = path.components().any(|part| part == std::path::Component::ParentDir);
    if leaves && path.is_relative() {
        notes.problem(
            &found.range,
            "`state_dir` leaves the project's root",
            vec!["give a folder below the root, or an absolute path".to_owned()],
        );
        return None;
    }
    Some(found.value)
}

fn run(mut table: Section<'_>, notes: &mut Notes<'_>) -> RunTable {
    let isolations = [("shared", Isolation::Shared), ("worktree", Isolation::Worktree)];
    let ticks = [("auto", TickMode::Auto), ("never", TickMode::Never)];
    let run = RunTable {
        jobs: table.number(notes, "jobs", 1..=i64::from(MAX_JOBS)).map(|found| found.value),
        timeout: positive(&mut table, notes, "timeout"),
        idle_timeout: positive(&mut table, notes, "idle_timeout"),
        deadline: positive(&mut table, notes, "deadline"),
        max_wait: table.span(notes, "max_wait").map(|found| found.value),
        budget: table.money(notes, "budget"),
        retries: table.number(notes, "retries", 0..=i64::from(MAX_RETRIES)).map(|found| found.value),
        fail_fast: table.boolean(notes, "fail_fast"),
        isolation: table.word(notes, "isolation", &isolations).map(|found| found.value),
        verify: table.texts(notes, "verify"),
        agent: table.text(notes, "agent").map(|found| found.value),
        grace: table.span(notes, "grace").map(|found| found.value),
        tick: table.word(notes, "tick", &ticks).map(|found| found.value),
        id_prefix: table.text(notes, "id_prefix").map(|found| found.value),
    };
    table.finish(notes, &[]);
    run
}

pub(super) fn positive(
    table: &mut Section<'_>,
    notes: &mut Notes<'_>,
    key: &'static str,
) -> Option<crate::model::time::Span> {
    let found = table.span(notes, key)?;
    if found.value.0.is_zero() {
        notes.problem(&found.range, format!("`{}` has to be more than nothing", table.key(key)), Vec::new());
        return None;
    }
    Some(found.value)
}

fn redis(mut table: Section<'_>, notes: &mut Notes<'_>) -> RedisTable {
    let redis = RedisTable {
        url: table.text(notes, "url").map(|found| found.value),
        required: table.boolean(notes, "required"),
        prefix: prefix(&mut table, notes),
        ttl: positive(&mut table, notes, "ttl"),
    };
    table.finish(notes, &[]);
    redis
}

fn prefix(table: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<String> {
    let found = table.text(notes, "prefix")?;
    let rest = found.value.replace("{project}", "");
    if rest.contains(['{', '}']) {
        notes.problem(
            &found.range,
            "`redis.prefix` knows only `{project}`",
            vec!["write it like `{project}:`, or `mcp` for `project:{project}:`".to_owned()],
        );
        return None;
    }
    Some(found.value)
}

fn roles(top: &mut Section<'_>, notes: &mut Notes<'_>) -> BTreeMap<String, Role> {
    let mut roles = BTreeMap::new();
    let Some(section) = top.table(notes, "roles") else {
        return roles;
    };
    for (name, value) in section.entries(notes) {
        let range = value.span();
        let role = match value.get_ref() {
            DeValue::String(agent) => Role { agent: Some(agent.clone().into_owned()), layer: None },
            DeValue::Table(_) => {
                let Some(mut table) = section.entry_table(notes, &name, value) else { continue };
                let problems = notes.problems.len();
                let role = Role {
                    agent: table.text(notes, "agent").map(|found| found.value),
                    layer: table.number(notes, "layer", 1..=99).map(|found| found.value),
                };
                table.finish(notes, &[]);
                if role.agent.is_none() && problems == notes.problems.len() {
                    let message = format!("the role `{name}` names no agent");
                    notes.problem(&range, message, vec![format!("write `{name} = \"kilo\"`")]);
                }
                role
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                section.wrong_kind(
                    notes,
                    &name,
                    &value,
                    "the name of an agent, or `{ agent = …, layer = … }`",
                );
                continue;
            }
        };
        roles.insert(name, role);
    }
    roles
}

fn gateway(mut table: Section<'_>, notes: &mut Notes<'_>) -> GatewayTable {
    let modes = [("auto", GatewayMode::Auto), ("off", GatewayMode::Off), ("require", GatewayMode::Require)];
    let gateway = GatewayTable { mode: table.word(notes, "mode", &modes).map(|found| found.value) };
    table.finish(notes, &[]);
    gateway
}

fn workspace(mut table: Section<'_>, notes: &mut Notes<'_>) -> WorkspaceTable {
    let workspace = WorkspaceTable {
        copy: table.texts(notes, "copy"),
        link: table.texts(notes, "link"),
        prepare: table.texts(notes, "prepare"),
        ports: table.number(notes, "ports", 0..=1000).map(|found| found.value),
        limit: table.number(notes, "limit", 1..=i64::from(MAX_JOBS)).map(|found| found.value),
    };
    table.finish(notes, &[]);
    workspace
}

fn ownership(mut table: Section<'_>, notes: &mut Notes<'_>) -> OwnershipTable {
    let modes =
        [("off", OwnershipMode::Off), ("warn", OwnershipMode::Warn), ("enforce", OwnershipMode::Enforce)];
    let ownership = OwnershipTable { mode: table.word(notes, "mode", &modes).map(|found| found.value) };
    table.finish(notes, &[]);
    ownership
}
