//! `signs` and `events` of an agent: how its output is read.

use toml::Spanned;
use toml::de::DeValue;

use super::section::{Notes, Section};
use super::words::kind;
use crate::agents::{PatternFault, check_pattern};
use crate::model::agent_output::{
    CostRule, DoneRule, ErrorRule, EventRules, FieldPath, FieldRule, SignKind, SignPattern, TextRule,
    TokenRule, Wanted, When,
};
use crate::model::reading::Stream;

const STREAMS: [(&str, Stream); 2] = [("stdout", Stream::Stdout), ("stderr", Stream::Stderr)];

/// What to do about a rule without a field.
const PATH_HINT: &str = "write names joined by dots, such as `path = \"error.message\"`";

fn kinds() -> [(&'static str, SignKind); SignKind::ALL.len()] {
    SignKind::ALL.map(|kind| (kind.kind().as_str(), kind))
}

/// Reads `signs`.
pub(super) fn signs(agent: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Vec<SignPattern>> {
    let tables = agent.tables(notes, "signs")?;
    Some(tables.into_iter().filter_map(|table| sign(table, notes)).collect())
}

fn sign(mut table: Section<'_>, notes: &mut Notes<'_>) -> Option<SignPattern> {
    let before = notes.problems.len();
    let pattern = table.text(notes, "pattern");
    let kind = table.word(notes, "kind", &kinds()).map(|found| found.value);
    let stream = table.word(notes, "stream", &STREAMS).map_or(Stream::Stderr, |found| found.value);
    let also_on_success = table.boolean(notes, "also_on_success").unwrap_or_default();
    let at_once = table.boolean(notes, "at_once").unwrap_or_default();
    if notes.problems.len() == before {
        let there = [("pattern", pattern.is_some()), ("kind", kind.is_some())];
        missing(&table, notes, &there, "write `{ pattern = \"rate limit\", kind = \"rate_limited\" }`");
    }
    if let Some(found) = &pattern
        && let Err(fault) = check_pattern(&found.value)
    {
        let hint = match fault {
            PatternFault::TooWide => {
                "write words that only an error has, such as `HTTP 429|rate limit reached`"
            }
            PatternFault::Broken(_) => {
                "write a regular expression in single quotes, a backslash before what is meant as it stands"
            }
        };
        let message = format!("`{}` cannot be used: {fault}", table.key("pattern"));
        notes.problem(&found.range, message, vec![hint.to_owned()]);
    }
    table.finish(notes, &[]);
    Some(SignPattern { pattern: pattern?.value, kind: kind?, stream, also_on_success, at_once })
}

/// Reads `events`.
pub(super) fn events(mut table: Section<'_>, notes: &mut Notes<'_>) -> EventRules {
    let before = notes.problems.len();
    let rules = EventRules {
        stream: table.word(notes, "stream", &STREAMS).map_or(Stream::Stdout, |found| found.value),
        session: field(&mut table, notes, "session"),
        model: field(&mut table, notes, "model"),
        turns: field(&mut table, notes, "turns"),
        doing: field(&mut table, notes, "doing"),
        text: table.table(notes, "text").and_then(|section| text(section, notes)),
        tokens: table.table(notes, "tokens").map(|section| tokens(section, notes)),
        cost: table.table(notes, "cost").and_then(|section| cost(section, notes)),
        errors: table
            .tables(notes, "errors")
            .unwrap_or_default()
            .into_iter()
            .map(|section| error(section, notes))
            .collect(),
        done: table.table(notes, "done").map(|section| done(section, notes)),
    };
    let nothing = EventRules { stream: rules.stream, ..EventRules::default() };
    if rules == nothing && notes.problems.len() == before {
        let message = format!("`{}` names nothing to read", table.key("").trim_end_matches('.'));
        notes.problem(&table.range, message, vec!["name at least `errors`, `done` or `text`".to_owned()]);
    }
    table.finish(notes, &[]);
    rules
}

/// A field, written as its path or as a table.
fn field(table: &mut Section<'_>, notes: &mut Notes<'_>, key: &'static str) -> Option<FieldRule> {
    let value = table.any(notes, key)?;
    if value.get_ref().is_str() {
        let path = path(notes, &table.key(key), &value)?;
        return Some(FieldRule { path: vec![path], when: When::new() });
    }
    if !value.get_ref().is_table() {
        table.wrong_kind(notes, key, &value, "the path of a field, or `{ path = …, when = { … } }`");
        return None;
    }
    let mut section = table.as_table(notes, key, value)?;
    let path = needed_paths(&mut section, notes);
    let when = when(&mut section, notes);
    section.finish(notes, &[]);
    Some(FieldRule { path: path?, when })
}

fn text(mut table: Section<'_>, notes: &mut Notes<'_>) -> Option<TextRule> {
    let path = needed_paths(&mut table, notes);
    let when = when(&mut table, notes);
    let join = table.boolean(notes, "join").unwrap_or_default();
    table.finish(notes, &[]);
    Some(TextRule { path: path?, when, join })
}

fn cost(mut table: Section<'_>, notes: &mut Notes<'_>) -> Option<CostRule> {
    let path = needed_paths(&mut table, notes);
    let when = when(&mut table, notes);
    let sum = table.boolean(notes, "sum").unwrap_or_default();
    table.finish(notes, &[]);
    Some(CostRule { path: path?, when, sum })
}

fn tokens(mut table: Section<'_>, notes: &mut Notes<'_>) -> TokenRule {
    let before = notes.problems.len();
    let rule = TokenRule {
        input: paths(&mut table, notes, "input"),
        output: paths(&mut table, notes, "output"),
        when: when(&mut table, notes),
        sum: table.boolean(notes, "sum").unwrap_or_default(),
    };
    if rule.input.is_empty() && rule.output.is_empty() && notes.problems.len() == before {
        let hint = "write `{ input = \"usage.input\", output = \"usage.output\" }`";
        table.missing(notes, &["input", "output"], hint);
    }
    table.finish(notes, &[]);
    rule
}

fn error(mut table: Section<'_>, notes: &mut Notes<'_>) -> ErrorRule {
    let rule = ErrorRule {
        when: needed_when(&mut table, notes),
        message: paths(&mut table, notes, "message"),
        status: one_path(&mut table, notes, "status"),
        retry_after: one_path(&mut table, notes, "retry_after"),
        kind: table.word(notes, "kind", &kinds()).map(|found| found.value),
        recoverable: table.boolean(notes, "recoverable").unwrap_or_default(),
    };
    table.finish(notes, &[]);
    rule
}

fn done(mut table: Section<'_>, notes: &mut Notes<'_>) -> DoneRule {
    let rule = DoneRule { when: needed_when(&mut table, notes) };
    table.finish(notes, &[]);
    rule
}

fn missing(table: &Section<'_>, notes: &mut Notes<'_>, keys: &[(&str, bool)], hint: &str) {
    let missing: Vec<&str> = keys.iter().filter_map(|(key, there)| (!there).then_some(*key)).collect();
    table.missing(notes, &missing, hint);
}

/// Conditions that have to be there: without one every record would do.
fn needed_when(table: &mut Section<'_>, notes: &mut Notes<'_>) -> When {
    let before = notes.problems.len();
    let when = when(table, notes);
    if when.is_empty() && notes.problems.len() == before {
        table.missing(notes, &["when"], "say which records are meant, such as `when = { type = \"error\" }`");
    }
    when
}

fn when(table: &mut Section<'_>, notes: &mut Notes<'_>) -> When {
    let mut when = When::new();
    let Some(section) = table.table(notes, "when") else { return when };
    for (name, value) in section.entries(notes) {
        let wanted = match value.get_ref() {
            DeValue::Boolean(flag) => Some(Wanted::Flag(*flag)),
            DeValue::String(text) => Some(Wanted::Text(text.clone().into_owned())),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(Wanted::Number)
            }
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        };
        let Some(wanted) = wanted else {
            let hints = if value.get_ref().is_table() {
                vec![format!("write the path in quotes: `\"{name}.…\" = …`")]
            } else {
                Vec::new()
            };
            let found = kind(value.get_ref());
            let message = format!(
                "`{}` has to be text, a whole number, `true` or `false`, not {found}",
                section.key(&name)
            );
            notes.problem(&value.span(), message, hints);
            continue;
        };
        match FieldPath::parse(&name) {
            Ok(path) => drop(when.insert(path, wanted)),
            Err(fault) => {
                let message = format!("`{name}` is no path of a field: {fault}");
                notes.problem(&value.span(), message, vec![path_hint()]);
            }
        }
    }
    when
}

fn path_hint() -> String {
    "write names joined by dots, such as `error.message`; a dot in a name is `\\.`".to_owned()
}

fn path(notes: &mut Notes<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Option<FieldPath> {
    let Some(text) = value.get_ref().as_str() else {
        let message = format!("`{key}` has to be the path of a field, not {}", kind(value.get_ref()));
        notes.problem(&value.span(), message, vec![path_hint()]);
        return None;
    };
    match FieldPath::parse(text) {
        Ok(path) => Some(path),
        Err(fault) => {
            let message = format!("`{text}` is no path of a field: {fault}");
            notes.problem(&value.span(), message, vec![path_hint()]);
            None
        }
    }
}

fn one_path(table: &mut Section<'_>, notes: &mut Notes<'_>, key: &'static str) -> Option<FieldPath> {
    let value = table.any(notes, key)?;
    path(notes, &table.key(key), &value)
}

/// A path or a list of paths.
fn paths(table: &mut Section<'_>, notes: &mut Notes<'_>, key: &'static str) -> Vec<FieldPath> {
    let Some(value) = table.any(notes, key) else { return Vec::new() };
    match value.get_ref().as_array() {
        Some(items) => items.iter().filter_map(|item| path(notes, &table.key(key), item)).collect(),
        None => path(notes, &table.key(key), &value).into_iter().collect(),
    }
}

fn needed_paths(table: &mut Section<'_>, notes: &mut Notes<'_>) -> Option<Vec<FieldPath>> {
    let before = notes.problems.len();
    let paths = paths(table, notes, "path");
    if !paths.is_empty() {
        return Some(paths);
    }
    if notes.problems.len() == before {
        table.missing(notes, &["path"], PATH_HINT);
    }
    None
}
