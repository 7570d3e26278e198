//! JSON documents: masked, with their keys in an order that a person can read.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::model::event::Event;
use crate::model::result::RunResult;
use crate::report::text;

/// Keys that come first, in this order, in every object; the rest follows by name.
const FIRST: [&str; 28] = [
    "schema",
    "run_id",
    "seq",
    "at",
    "kind",
    "task_id",
    "id",
    "attempt",
    "name",
    "plan",
    "title",
    "status",
    "exit_code",
    "counts",
    "agent",
    "model",
    "model_answered",
    "layer",
    "failure",
    "seen",
    "why",
    "started_at",
    "ended_at",
    "cost_usd",
    "cost_unknown",
    "tokens",
    "completion",
    "summary",
];

/// Keys that come last, since their values are long.
const LAST: [&str; 3] = ["attempts", "witnesses", "tasks"];

/// Keys whose values are ours and never secret, but may look like one.
const OURS: [&str; 2] = ["schema", "run_id"];

/// A run's result as one JSON document, ending with a line break.
pub fn result_json(result: &RunResult) -> String {
    let mut out = String::new();
    write(&mut out, &value_of(result), Some(0));
    out.push('\n');
    out
}

/// An event as one line of JSON, without the line's end.
pub fn event_json(event: &Event) -> String {
    line_json(event)
}

/// Any of our documents as one line of JSON, without the line's end. Each text in it is masked by
/// itself, so that no quote of the document is taken for part of a secret.
pub fn line_json(document: &impl Serialize) -> String {
    let mut out = String::with_capacity(256);
    write(&mut out, &value_of(document), None);
    out
}

fn value_of(document: &impl Serialize) -> Value {
    // Our documents have text keys and finite or absent numbers, so this cannot fail.
    serde_json::to_value(document).unwrap_or(Value::Null)
}

fn rank(key: &str) -> usize {
    if let Some(place) = FIRST.iter().position(|known| *known == key) {
        return place;
    }
    LAST.iter().position(|known| *known == key).map_or(FIRST.len(), |place| FIRST.len() + 1 + place)
}

/// Writes `value`; with an `indent` over several lines.
fn write(out: &mut String, value: &Value, indent: Option<usize>) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => write!(out, "{number}").expect("writing to a string cannot fail"),
        Value::String(text) => string(out, &text::masked(text)),
        Value::Array(items) => {
            let short = items.iter().all(|item| !item.is_object() && !item.is_array());
            let indent = if short { None } else { indent };
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                line_break(out, indent.map(|indent| indent + 1));
                write(out, item, indent.map(|indent| indent + 1));
            }
            if !items.is_empty() {
                line_break(out, indent);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut keys: Vec<(usize, &String)> = fields.keys().map(|key| (rank(key), key)).collect();
            keys.sort_unstable();
            out.push('{');
            for (place, (_, key)) in keys.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                line_break(out, indent.map(|indent| indent + 1));
                string(out, key);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                let value = &fields[*key];
                match value.as_str().filter(|_| OURS.contains(&key.as_str())) {
                    Some(text) => string(out, text),
                    None => write(out, value, indent.map(|indent| indent + 1)),
                }
            }
            if !fields.is_empty() {
                line_break(out, indent);
            }
            out.push('}');
        }
    }
}

fn line_break(out: &mut String, indent: Option<usize>) {
    if let Some(indent) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * 2));
    }
}

fn string(out: &mut String, text: &str) {
    out.push_str(&Value::from(text).to_string());
}
