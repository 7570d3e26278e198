//! Front matter: the plan's own status and title, and `orchestrate:` with defaults for its tasks.

use super::lines::Lines;
use super::outline::Outline;
use super::types::Defaults;
use super::types::PlanCommand;
use super::words;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::Place;
use crate::model::check::FieldFrom;
use crate::model::check::FieldOrigin;
use crate::model::time::Span;

/// The keys below `orchestrate:`.
const KEYS: [&str; 9] =
    ["agent", "model", "layer", "timeout", "retries", "priority", "verify", "mode", "format"];

/// The keys at the margin that name other plans.
const PLANS: [&str; 3] = ["dependencies", "depends_on", "depends-on"];

/// The most unknown keys that are told.
const MOST_UNKNOWN: usize = 20;

/// An entry of `todos`.
#[derive(Debug)]
pub(crate) struct Todo {
    /// Its id.
    pub(crate) id: String,
    /// What is to be done.
    pub(crate) content: Option<String>,
    /// As written.
    pub(crate) status: Option<String>,
    /// Ids of others.
    pub(crate) dependencies: Vec<String>,
}

/// What the front matter says.
#[derive(Debug, Default)]
pub(crate) struct Matter {
    /// `title` or `name`.
    pub(crate) title: Option<String>,
    /// `status`.
    pub(crate) status: Option<String>,
    /// `orchestrate:`.
    pub(crate) defaults: Defaults,
    /// `mode: sequential` below it.
    pub(crate) sequential: bool,
    /// Other plans that are to be done before this one: `dependencies`, `depends_on`.
    pub(crate) plans: Vec<String>,
    /// From where the defaults came.
    pub(crate) origins: Vec<FieldOrigin>,
    /// `todos` with an id each.
    pub(crate) todos: Vec<Todo>,
    /// `format: native` below `orchestrate:`.
    pub(crate) native: bool,
}

/// Reads the front matter of a plan, if it has one.
pub(crate) fn read(outline: &Outline<'_>, diagnostics: &mut Vec<Diagnostic>) -> Matter {
    let mut matter = Matter::default();
    let Some(inside) = outline.blocks.front_matter.clone() else { return matter };
    let lines = &outline.lines;
    let yaml = lines.slice(inside.start, inside.end);
    let value: serde_json::Value = match serde_saphyr::from_str(yaml) {
        Ok(value) => value,
        Err(error) => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or("not YAML");
            diagnostics.push(
                Diagnostic::warning(
                    "front-matter",
                    Place::line(super::lines::number(inside.start)),
                    format!("the front matter cannot be read: {first}"),
                )
                .hint("the tasks are taken from the text below it"),
            );
            // `title: feat: rooms` breaks the whole, and a plan that is over must not run for it.
            let plain = |key: &str| {
                let value = yaml.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
                let value = value.trim().trim_matches(['"', '\'']);
                (!value.is_empty()).then(|| value.to_owned())
            };
            matter.title = plain("title").or_else(|| plain("name"));
            matter.status = plain("status");
            return matter;
        }
    };
    let text = |key: &str| value.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    matter.title = text("title").or_else(|| text("name"));
    matter.status = text("status");
    matter.plans = PLANS.iter().filter_map(|key| value.get(key)).flat_map(other_plans).collect();
    let todos = value.get("todos").and_then(|todos| todos.as_array());
    matter.todos = todos.into_iter().flatten().filter_map(todo).collect();
    match value.get("orchestrate") {
        None | Some(serde_json::Value::Null) => {}
        Some(serde_json::Value::Object(map)) => {
            // The place of each is looked for in all lines, so the first unknown ones have to be enough.
            let unknown = map.iter().filter(|(key, _)| !KEYS.contains(&key.as_str())).take(MOST_UNKNOWN);
            for (key, value) in map.iter().filter(|(key, _)| KEYS.contains(&key.as_str())).chain(unknown) {
                one(lines, inside.clone(), key, value, &mut matter, diagnostics);
            }
        }
        Some(_) => diagnostics.push(Diagnostic::error(
            "bad-value",
            place(lines, inside, "orchestrate"),
            "`orchestrate` in the front matter is no mapping",
        )),
    }
    matter
}

/// The names of other plans in a value: a list of texts and numbers, or one of them.
fn other_plans(value: &serde_json::Value) -> Vec<String> {
    let single = std::slice::from_ref(value);
    let names = value.as_array().map_or(single, Vec::as_slice).iter().filter_map(|name| match name {
        serde_json::Value::String(name) => Some(name.trim().to_owned()),
        // `01` is a number of YAML, and it is read as `1.0`.
        serde_json::Value::Number(number) => Some(number.to_string().trim_end_matches(".0").to_owned()),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    });
    names.filter(|name| !super::references::is_none(name)).collect()
}

/// Reads an entry of `todos`; one without an id is none.
fn todo(value: &serde_json::Value) -> Option<Todo> {
    let text = |key: &str| match value.get(key)? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Array(_)
        | serde_json::Value::Object(_) => None,
    };
    let list = value.get("dependencies").and_then(|list| list.as_array());
    Some(Todo {
        id: text("id").filter(|id| !id.trim().is_empty())?,
        content: text("content"),
        status: text("status"),
        dependencies: list.into_iter().flatten().filter_map(|id| id.as_str()).map(str::to_owned).collect(),
    })
}

fn one(
    lines: &Lines<'_>,
    inside: std::ops::Range<usize>,
    key: &str,
    value: &serde_json::Value,
    matter: &mut Matter,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let text = match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => return,
        serde_json::Value::Array(_)
        | serde_json::Value::Object(_)
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_) => value.to_string(),
    };
    let at = place(lines, inside, key);
    if let Some(field) = super::fields::key_of(key).and_then(super::origins::name_of) {
        let value = super::titles::short(&text, 120);
        let from = FieldFrom::FrontMatter;
        matter.origins.push(FieldOrigin { field, value, from, by: None, line: Some(at.line) });
    }
    let mut bad = |what: String| diagnostics.push(Diagnostic::error("bad-value", at, what));
    let defaults = &mut matter.defaults;
    match key {
        "agent" => defaults.agent = Some(text),
        "model" => defaults.model = Some(text),
        "layer" => match text.parse::<u8>() {
            Ok(layer @ 1..=99) => defaults.layer = Some(layer),
            Ok(_) | Err(_) => bad(format!("`{text}` is no layer: 1 to 99")),
        },
        "timeout" => match text.parse::<Span>() {
            Ok(timeout) => defaults.timeout = Some(timeout),
            Err(error) => bad(error.to_string()),
        },
        "retries" => match text.parse() {
            Ok(retries) => defaults.retries = Some(retries),
            Err(_) => bad(format!("`{text}` is no number of retries")),
        },
        "priority" => match words::priority(&text) {
            Some(priority) => defaults.priority = Some(priority),
            None => bad(format!("`{text}` is no priority: 0 to 9, P0 to P9, or critical, high, medium, low")),
        },
        "verify" => {
            let commands = value.as_array().map_or_else(
                || vec![text],
                |list| list.iter().filter_map(|command| command.as_str()).map(str::to_owned).collect(),
            );
            let line = at.line;
            defaults.verify = commands.into_iter().map(|text| PlanCommand { line, text }).collect();
        }
        "mode" => matter.sequential = words::begins_with(&text, "sequential"),
        "format" => matter.native = text.eq_ignore_ascii_case("native"),
        _ => {
            let mut diagnostic = Diagnostic::warning(
                "unknown-key",
                at,
                format!("`orchestrate` in the front matter has no key `{key}`"),
            );
            if let Some(near) = crate::diagnostics::suggest(key, KEYS.into_iter()) {
                diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
            }
            diagnostics.push(diagnostic);
        }
    }
}

/// The place of a key's value in the front matter.
fn place(lines: &Lines<'_>, inside: std::ops::Range<usize>, key: &str) -> Place {
    for line in inside.clone() {
        let text = lines.get(line);
        let lead = text.len() - text.trim_start().len();
        if let Some(rest) =
            text[lead..].strip_prefix(key).and_then(|rest| rest.trim_start().strip_prefix(':'))
        {
            let value = rest.split(" #").next().unwrap_or("").trim();
            if value.is_empty() {
                return Place::line(super::lines::number(line));
            }
            let start = lines.start(line) + text.len() - rest.len() + (rest.len() - rest.trim_start().len());
            return lines.place(start..start + value.len());
        }
    }
    Place::line(super::lines::number(inside.start))
}
