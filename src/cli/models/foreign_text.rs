//! Reads what other tools' files say of models: JSON tables of Kilo, the configuration of OpenCode, and
//! tables in Markdown.
//!
//! None of them is ours, so nothing is refused for being different: what does not look like a claim
//! about a model is passed over. JSON has no places of its own; the line is where the name stands first.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;

use crate::agents;
use crate::model::layer::Cost;

use super::foreign::{Claim, Claims};

/// Words at the head of a column, or the name of a field, for a place in an order.
const LAYERS: [&str; 6] = ["layer", "tier", "priority", "level", "order", "rank"];
/// For the model.
const MODELS: [&str; 4] = ["model", "model id", "modelid", "models"];
/// For the agent.
const AGENTS: [&str; 3] = ["agent", "cli", "tool"];
/// For what it costs.
const COSTS: [&str; 4] = ["cost", "price", "free", "paid"];

/// A file of the form that Kilo's `.kilocode/models.json` has in projects: a list, or a map by layer or
/// name, of objects; there may be an object around it.
pub(super) fn models_json(text: &str) -> Claims {
    let value = match agents::read_jsonc(text) {
        Ok(value) => value,
        Err(error) => return broken(&error),
    };
    let mut claims = Vec::new();
    collect(&value, None, text, &mut claims, 0);
    Claims { told: claims, whole: true, broken: None }
}

fn broken(error: &serde_json::Error) -> Claims {
    let line = u32::try_from(error.line()).unwrap_or(0);
    Claims { broken: Some((line, error.to_string())), ..Claims::default() }
}

/// How deep claims are looked for.
const DEPTH: usize = 6;

fn collect(value: &Value, name: Option<&str>, text: &str, claims: &mut Vec<Claim>, depth: usize) {
    if depth > DEPTH {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                collect(item, None, text, claims, depth + 1);
            }
        }
        Value::Object(fields) => {
            let texts = |names: &[&str]| {
                let field = fields.iter().find(|(key, _)| names.contains(&key.to_lowercase().as_str()));
                field.map(|(_, value)| value)
            };
            let model = texts(&MODELS).or_else(|| texts(&["id", "name"])).and_then(Value::as_str);
            let Some(model) = model else {
                for (key, item) in fields {
                    collect(item, Some(key), text, claims, depth + 1);
                }
                return;
            };
            let model = match texts(&["provider"]).and_then(Value::as_str) {
                Some(provider) if !model.contains('/') => format!("{provider}/{model}"),
                Some(_) | None => model.to_owned(),
            };
            let layer = texts(&LAYERS).and_then(number).or_else(|| name.and_then(|name| name.parse().ok()));
            claims.push(Claim {
                line: line_of(text, model.rsplit('/').next().unwrap_or(&model)),
                layer,
                agent: texts(&AGENTS).and_then(Value::as_str).map(str::to_owned),
                cost: texts(&COSTS[..2]).and_then(cost).or_else(|| flag(fields)),
                model,
            });
        }
        Value::String(model) if model.contains('/') => {
            let layer = name.and_then(|name| name.parse().ok());
            claims.push(Claim {
                line: line_of(text, model),
                model: model.clone(),
                layer,
                ..Claim::default()
            });
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn number(value: &Value) -> Option<u8> {
    value
        .as_u64()
        .and_then(|number| u8::try_from(number).ok())
        .or_else(|| value.as_str()?.trim().parse().ok())
}

fn cost(value: &Value) -> Option<Cost> {
    match value {
        Value::Number(amount) => Some(if amount.as_f64() == Some(0.0) { Cost::Free } else { Cost::Paid }),
        Value::String(words) => cost_of(words),
        Value::Object(prices) => {
            let free = prices.values().all(|price| price.as_f64() == Some(0.0));
            (!prices.is_empty()).then_some(if free { Cost::Free } else { Cost::Paid })
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

fn flag(fields: &serde_json::Map<String, Value>) -> Option<Cost> {
    let free = fields.get("free").and_then(Value::as_bool);
    let paid = fields.get("paid").and_then(Value::as_bool);
    match (free, paid) {
        (Some(true), _) | (_, Some(false)) => Some(Cost::Free),
        (Some(false), _) | (_, Some(true)) => Some(Cost::Paid),
        (None, None) => None,
    }
}

/// What words about a price mean.
fn cost_of(words: &str) -> Option<Cost> {
    let words = words.to_lowercase();
    let free = words.contains("free") || words.contains("zdarma") || words.trim() == "0";
    if free && !words.contains("not free") {
        Some(Cost::Free)
    } else if words.contains("paid") || words.contains('$') || words.contains("usd") {
        Some(Cost::Paid)
    } else {
        None
    }
}

/// The configuration of OpenCode: the models that it uses by itself.
pub(super) fn opencode_json(text: &str) -> Claims {
    let value = match agents::read_jsonc(text) {
        Ok(value) => value,
        Err(error) => return broken(&error),
    };
    let mut models: Vec<&str> =
        ["model", "small_model"].iter().filter_map(|field| value[field].as_str()).collect();
    for group in ["agent", "mode"] {
        let agents = value[group].as_object().into_iter().flatten();
        models.extend(agents.filter_map(|(_, agent)| agent["model"].as_str()));
    }
    let claim = |model: &str| Claim {
        line: line_of(text, model),
        model: model.to_owned(),
        agent: Some("opencode".to_owned()),
        ..Claim::default()
    };
    Claims { told: models.into_iter().map(claim).collect(), ..Claims::default() }
}

/// The tables of a Markdown text that have a column for a model and one for its place in an order.
pub(super) fn tables(text: &str) -> Claims {
    let mut claims = Vec::new();
    let mut head: Vec<String> = Vec::new();
    let mut cells: Vec<String> = Vec::new();
    let mut in_cell = false;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        if let Event::Start(Tag::TableHead | Tag::TableRow) = event {
            cells.clear();
        } else if let Event::Start(Tag::TableCell) = event {
            cells.push(String::new());
            in_cell = true;
        } else if let Event::End(TagEnd::TableCell) = event {
            in_cell = false;
        } else if let Event::End(TagEnd::TableHead) = event {
            head = cells.iter().map(|cell| cell.trim().to_lowercase()).collect();
        } else if let Event::End(TagEnd::TableRow) = event {
            claims.extend(row(&head, &cells, line_at(text, range.start)));
        } else if let Event::Text(words) | Event::Code(words) = event
            && in_cell
            && let Some(cell) = cells.last_mut()
        {
            cell.push_str(&words);
        }
    }
    Claims { told: claims, ..Claims::default() }
}

fn row(head: &[String], cells: &[String], line: u32) -> Option<Claim> {
    let column = |names: &[&str]| {
        let place = head.iter().position(|title| {
            names.contains(&title.as_str())
                || names.iter().any(|name| title.split(' ').any(|word| word == *name))
        })?;
        cells.get(place).map(|cell| cell.trim())
    };
    let layer = column(&LAYERS)?;
    let model = column(&MODELS)?;
    // A row for something else has no model, or a remark in its place.
    if model.is_empty() || model.contains(' ') {
        return None;
    }
    let digits: String = layer.chars().filter(char::is_ascii_digit).collect();
    let cost = column(&["free"]).and_then(|mark| match mark {
        "✅" | "✓" | "yes" | "x" => Some(Cost::Free),
        "❌" | "✗" | "no" => Some(Cost::Paid),
        words => cost_of(words),
    });
    Some(Claim {
        line,
        model: model.to_owned(),
        layer: digits.parse().ok(),
        agent: column(&AGENTS).filter(|agent| !agent.is_empty() && !agent.contains(' ')).map(str::to_owned),
        cost: cost.or_else(|| column(&COSTS).and_then(cost_of)),
    })
}

fn line_of(text: &str, word: &str) -> u32 {
    text.find(word).map_or(0, |place| line_at(text, place))
}

fn line_at(text: &str, place: usize) -> u32 {
    let before = text.get(..place).map_or(0, |before| before.matches('\n').count());
    u32::try_from(before + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Told<'a> = (u32, &'a str, Option<u8>, Option<&'a str>, Option<Cost>);

    fn told(claims: &Claims) -> Vec<Told<'_>> {
        let claims = claims.told.iter();
        claims.map(|one| (one.line, one.model.as_str(), one.layer, one.agent.as_deref(), one.cost)).collect()
    }

    #[test]
    fn tables_of_models_are_read_in_the_shapes_they_have() {
        let list = "{\"models\": [\n {\"name\": \"glm-4.7\", \"provider\": \"z-ai\", \"tier\": 3, \"free\": true},\n\
                    // the last\n {\"model\": \"openai/o3\", \"layer\": \"6\", \"cost\": 2.5, \"agent\": \"opencode\"},\n]}";
        assert_eq!(
            told(&models_json(list)),
            [
                (2, "z-ai/glm-4.7", Some(3), None, Some(Cost::Free)),
                (4, "openai/o3", Some(6), Some("opencode"), Some(Cost::Paid)),
            ]
        );
        let map = "{\"layers\": {\"1\": \"google/gemini-2.5-pro\",\n\"2\": {\"id\": \"big-pickle\", \"price\": \"free\"}}}";
        assert_eq!(
            told(&models_json(map)),
            [
                (1, "google/gemini-2.5-pro", Some(1), None, None),
                (2, "big-pickle", Some(2), None, Some(Cost::Free)),
            ]
        );
        assert_eq!(models_json("{\n\"a\" 1}").broken.map(|(line, _)| line), Some(2));
    }

    #[test]
    fn the_models_that_opencode_uses_by_itself_are_read() {
        let text = "{\n// mine\n\"model\": \"openai/o3\",\n\"agent\": {\"build\": {\"model\": \"groq/llama\"}, \"plan\": {}}\n}";
        assert_eq!(
            told(&opencode_json(text)),
            [(3, "openai/o3", None, Some("opencode"), None), (4, "groq/llama", None, Some("opencode"), None)]
        );
    }

    #[test]
    fn tables_in_markdown_are_read_where_they_order_models() {
        let text = "# Agents\n\n| Priority | CLI | Model | Free |\n|---|---|---|---|\n| 1 | gemini | `gemini-2.5-pro` | ✅ |\n\
                    | **6** | opencode | openai/o3 | $20 a month |\n| 7 | | none of these | |\n\n| Model | Notes |\n|---|---|\n| glm | x |\n";
        assert_eq!(
            told(&tables(text)),
            [
                (5, "gemini-2.5-pro", Some(1), Some("gemini"), Some(Cost::Free)),
                (6, "openai/o3", Some(6), Some("opencode"), Some(Cost::Paid)),
            ]
        );
    }
}
