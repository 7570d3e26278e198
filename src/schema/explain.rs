//! One line in plain words for each thing that a validator has to say.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::Violation;
use super::suggest::nearest;

/// How much of a value a message shows, in characters.
const SHOWN: usize = 60;

/// Adds what `error` says to `found`. `schema` is the whole schema, for the names it knows.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the validator's own words do for what our types never use"
)]
pub(super) fn explain(schema: &Value, error: &ValidationError<'_>, found: &mut Vec<Violation>) {
    let pointer = error.instance_path().to_string();
    let instance = error.instance().as_ref();
    let message = match error.kind() {
        ValidationErrorKind::Required { property } => format!("`{}` is missing", word(property)),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let known = known_fields(schema, &error.schema_path().to_string());
            for name in unexpected {
                let mut message = format!("unknown field `{}`", cut(name));
                if let Some(near) = nearest(name, known.iter().map(String::as_str)) {
                    message = format!("{message}: did you mean `{near}`?");
                }
                found.push(Violation { pointer: format!("{pointer}/{}", escape(name)), message });
            }
            return;
        }
        ValidationErrorKind::Type { kind } => format!("is {}, not {}", kind_of(instance), wanted(kind)),
        ValidationErrorKind::Enum { options } => match options.as_ref() {
            Value::Array(options) => none_of(instance, options),
            other => none_of(instance, std::slice::from_ref(other)),
        },
        ValidationErrorKind::Constant { expected_value } => {
            none_of(instance, std::slice::from_ref(expected_value.as_ref()))
        }
        ValidationErrorKind::Format { format } => format!("`{}` is no {format}", shown(instance)),
        ValidationErrorKind::Minimum { limit } => format!("`{}` is less than {limit}", shown(instance)),
        ValidationErrorKind::Maximum { limit } => format!("`{}` is more than {limit}", shown(instance)),
        ValidationErrorKind::AnyOf { context }
        | ValidationErrorKind::OneOfNotValid { context }
        | ValidationErrorKind::OneOfMultipleValid { context } => {
            explain_choice(schema, error, context, found);
            return;
        }
        _ => cut(&error.to_string()),
    };
    found.push(Violation { pointer, message });
}

/// Of several forms of which one would have to fit, tells of the one that was meant.
fn explain_choice(
    schema: &Value,
    error: &ValidationError<'_>,
    branches: &[Vec<ValidationError<'static>>],
    found: &mut Vec<Violation>,
) {
    // The branch that was meant is one whose fixed words (the tag) are there.
    let meant = branches
        .iter()
        .filter(|branch| !branch.is_empty())
        .filter(|branch| !branch.iter().any(|one| fixed_word(one).is_some() || wants_null(one)))
        .min_by_key(|branch| branch.len());
    if let Some(branch) = meant {
        for one in branch {
            explain(schema, one, found);
        }
        return;
    }
    let words: Vec<(String, Value)> = branches
        .iter()
        .filter_map(|branch| branch.iter().find_map(|one| fixed_word(one).map(|word| (one, word))))
        .map(|(one, word)| (one.instance_path().to_string(), word))
        .collect();
    if let Some((pointer, _)) = words.first() {
        let options: Vec<Value> = words.iter().map(|(_, word)| word.clone()).collect();
        let place = branches.iter().flatten().find(|one| fixed_word(one).is_some());
        let instance = place.map_or_else(|| error.instance().as_ref(), |one| one.instance().as_ref());
        found.push(Violation { pointer: pointer.clone(), message: none_of(instance, &options) });
        return;
    }
    let before = found.len();
    for one in branches.iter().flatten() {
        explain(schema, one, found);
    }
    if found.len() == before {
        found.push(Violation {
            pointer: error.instance_path().to_string(),
            message: format!("`{}` fits none of the known forms", shown(error.instance().as_ref())),
        });
    }
}

fn fixed_word(error: &ValidationError<'_>) -> Option<Value> {
    if let ValidationErrorKind::Constant { expected_value } = error.kind() {
        Some(expected_value.as_ref().clone())
    } else {
        None
    }
}

fn wants_null(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { kind: TypeKind::Single(kind) } if kind.to_string() == "null")
}

fn wanted(kind: &TypeKind) -> String {
    let names = match kind {
        TypeKind::Single(kind) => vec![kind.to_string()],
        TypeKind::Multiple(kinds) => kinds.iter().map(|kind| kind.to_string()).collect(),
    };
    names.iter().map(|name| with_article(name)).collect::<Vec<_>>().join(" or ")
}

fn with_article(name: &str) -> String {
    match name {
        "null" => "null".to_owned(),
        "array" | "integer" | "object" => format!("an {name}"),
        other => format!("a {other}"),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn none_of(instance: &Value, options: &[Value]) -> String {
    let known: Vec<String> = options.iter().map(word).collect();
    if let [only] = known.as_slice() {
        return format!("`{}` has to be `{only}`", shown(instance));
    }
    let mut message = format!("`{}` is none of `{}`", shown(instance), known.join("`, `"));
    if let Value::String(given) = instance
        && let Some(near) = nearest(given, known.iter().map(String::as_str))
    {
        message = format!("{message}: did you mean `{near}`?");
    }
    message
}

/// The names of the fields beside the place in the schema that refused one.
fn known_fields(schema: &Value, place: &str) -> Vec<String> {
    let mut node = schema;
    let mut owner = schema;
    for step in place.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        owner = node;
        let next = match node {
            Value::Array(items) => step.parse::<usize>().ok().and_then(|place| items.get(place)),
            Value::Object(fields) if step == "$ref" => fields
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|target| target.strip_prefix('#'))
                .and_then(|target| schema.pointer(target)),
            Value::Object(fields) => fields.get(&step),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        match next {
            Some(next) => node = next,
            None => break,
        }
    }
    owner
        .get("properties")
        .and_then(Value::as_object)
        .map(|fields| fields.keys().cloned().collect())
        .unwrap_or_default()
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(value: &Value) -> String {
    cut(&word(value))
}

fn cut(text: &str) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN.saturating_add(1)).collect();
    if line.chars().count() > SHOWN {
        let mut short: String = line.chars().take(SHOWN).collect();
        short.push('…');
        return short;
    }
    line
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
