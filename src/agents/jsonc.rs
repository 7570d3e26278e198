//! JSON with comments and commas before closing brackets, as the configurations of OpenCode and Kilo
//! may have them, read as JSON. Anything else that JSON does not know stays a mistake.

use serde_json::Value;

/// Reads a value.
///
/// # Errors
/// Where it is neither JSON nor JSON with comments and such commas.
pub fn read(text: &str) -> serde_json::Result<Value> {
    // Most have neither, and then the places in messages are those of the text.
    serde_json::from_str(text).or_else(|error| serde_json::from_str(&plain(text)).map_err(|_| error))
}

/// The text without comments and without commas before closing brackets.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // Where a comma stands that nothing has followed yet.
    let mut comma = None;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let length = match character {
            '"' => string_length(rest),
            '/' if rest.starts_with("//") => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = rest[2..].split_once("*/").map_or("", |(_, behind)| behind);
                continue;
            }
            _ => character.len_utf8(),
        };
        match character {
            ',' => comma = Some(plain.len()),
            '}' | ']' => {
                if let Some(place) = comma.take() {
                    plain.replace_range(place..=place, " ");
                }
            }
            _ if character.is_whitespace() => {}
            _ => comma = None,
        }
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    plain
}

/// The bytes of the string at the start of a text, its quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return place + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn comments_and_last_commas_are_passed_over() {
        for (text, value) in [
            ("{}", json!({})),
            ("// a\n{\"a\": 1, // b\n /* c, } */ \"b\": [1, 2, /* d */ ], }", json!({ "a": 1, "b": [1, 2] })),
            (
                r#"{"u": "http://x/*y*/, }", "q": "\"//\\",}"#,
                json!({ "u": "http://x/*y*/, }", "q": "\"//\\" }),
            ),
            ("[\"ž\", /* ů", Value::Null),
            ("{\"a\" 1}", Value::Null),
            ("[1,,]", Value::Null),
            ("\"open", Value::Null),
            ("", Value::Null),
        ] {
            assert_eq!(read(text).unwrap_or_default(), value, "{text}");
        }
    }
}
