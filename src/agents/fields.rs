//! Fields of JSON records by their paths, and records whose end was cut off.

use serde_json::Value;

use crate::model::agent_output::{FieldPath, Wanted, When};

/// The field at a path; none where it is not there or `null`.
pub(super) fn field<'v>(record: &'v Value, path: &FieldPath) -> Option<&'v Value> {
    let found = path.parts().iter().try_fold(record, |value, part| match value {
        Value::Object(fields) => fields.get(part),
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })?;
    if found.is_null() { None } else { Some(found) }
}

/// The first of several fields that is there.
pub(super) fn first_field<'v>(record: &'v Value, paths: &[FieldPath]) -> Option<&'v Value> {
    paths.iter().find_map(|path| field(record, path))
}

/// Whether all conditions hold.
pub(super) fn holds(record: &Value, when: &When) -> bool {
    when.iter().all(|(path, wanted)| {
        field(record, path).is_some_and(|value| match wanted {
            Wanted::Flag(flag) => value.as_bool() == Some(*flag),
            Wanted::Number(number) => value.as_i64() == Some(*number),
            Wanted::Text(text) => text == "*" || value.as_str() == Some(text),
        })
    })
}

/// A field as text: a text as it is, else as JSON.
pub(super) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A field as a count; one that is no number or below zero is none.
pub(super) fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| *number >= 0.0)?;
        format!("{number:.0}").parse().ok()
    })
}

/// The sum of counts at several paths; none where none of them is there.
pub(super) fn total(record: &Value, paths: &[FieldPath]) -> Option<u64> {
    let counts = paths.iter().filter_map(|path| count(field(record, path)?));
    counts.fold(None, |sum, count| Some(sum.unwrap_or(0_u64).saturating_add(count)))
}

/// Reads a line as a record. Of a line whose end was cut off, the fields that came whole are read.
pub(super) fn record(line: &str) -> Option<Value> {
    let record = match serde_json::from_str::<Value>(line) {
        Ok(record) => record,
        Err(error) if error.is_eof() => serde_json::from_str(&mended(line)?).ok()?,
        Err(_) => return None,
    };
    record.is_object().then_some(record)
}

/// A cut line up to the last field or item that is whole, with what is open closed.
fn mended(line: &str) -> Option<String> {
    let mut end = None;
    walk(line, |place, letter| {
        // What stands before a comma is whole, whatever follows.
        if letter == ',' {
            end = Some(place);
        }
    });
    let mut mended = line[..end?].to_owned();
    let mut open = Vec::new();
    walk(&mended, |_, letter| match letter {
        '{' => open.push('}'),
        '[' => open.push(']'),
        '}' | ']' => drop(open.pop()),
        _ => {}
    });
    mended.extend(open.iter().rev());
    Some(mended)
}

/// Visits what stands outside of texts, with its place.
fn walk(line: &str, mut visit: impl FnMut(usize, char)) {
    let (mut in_text, mut escaped) = (false, false);
    for (place, letter) in line.char_indices() {
        if in_text {
            in_text = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
        } else {
            in_text = letter == '"';
            visit(place, letter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop_assert, proptest};
    use serde_json::json;

    fn path(text: &str) -> FieldPath {
        FieldPath::parse(text).unwrap()
    }

    #[test]
    fn fields_are_found_by_names_and_places() {
        let record = json!({ "a": { "b": [1, { "c": "x" }], "d.e": true, "n": null }, "0": "zero" });
        for (at, expected) in [
            ("a.b.0", Some(json!(1))),
            ("a.b.1.c", Some(json!("x"))),
            (r"a.d\.e", Some(json!(true))),
            ("0", Some(json!("zero"))),
            ("a.n", None),
            ("a.b.2", None),
            ("a.b.-1", None),
            ("a.b.0.c", None),
            ("b", None),
        ] {
            assert_eq!(field(&record, &path(at)), expected.as_ref(), "{at}");
        }
        assert_eq!(first_field(&record, &[path("x"), path("0"), path("a.b.0")]), Some(&json!("zero")));
    }

    #[test]
    fn conditions_are_by_kind_and_value() {
        let record = json!({ "type": "error", "code": 429, "fatal": true, "star": "*", "none": null });
        let when = |conditions: &[(&str, Wanted)]| -> When {
            conditions.iter().map(|(at, wanted)| (path(at), wanted.clone())).collect()
        };
        let text = |text: &str| Wanted::Text(text.to_owned());
        assert!(holds(&record, &When::new()));
        assert!(holds(&record, &when(&[("type", text("error")), ("code", Wanted::Number(429))])));
        assert!(holds(&record, &when(&[("code", text("*")), ("fatal", Wanted::Flag(true))])));
        for unmet in [("type", text("err")), ("code", text("429")), ("none", text("*")), ("x", text("*"))] {
            assert!(!holds(&record, &when(&[("type", text("error")), unmet.clone()])), "{unmet:?}");
        }
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        for (value, expected) in [
            (json!(7), Some(7)),
            (json!(7.4), Some(7)),
            (json!(0.0), Some(0)),
            (json!(-1), None),
            (json!("7"), None),
            (json!(1e300), None),
            (json!(u64::MAX), Some(u64::MAX)),
        ] {
            assert_eq!(count(&value), expected, "{value}");
        }
        let record = json!({ "a": 1, "b": u64::MAX, "c": "x" });
        assert_eq!(total(&record, &[path("a"), path("c")]), Some(1));
        assert_eq!(total(&record, &[path("a"), path("b")]), Some(u64::MAX));
        assert_eq!(total(&record, &[path("c"), path("d")]), None);
    }

    #[test]
    fn what_came_whole_of_a_cut_record_is_read() {
        let line = r#"{"type":"result","a":[1,{"x":"q\"}","y":2}],"text":"long"}"#;
        let cut = |length: usize| record(&line[..length]);
        assert_eq!(record(line), Some(serde_json::from_str(line).unwrap()));
        assert_eq!(cut(10), None);
        assert_eq!(cut(20), Some(json!({ "type": "result" })));
        assert_eq!(cut(30), Some(json!({ "type": "result", "a": [1] })));
        assert_eq!(cut(40), Some(json!({ "type": "result", "a": [1, { "x": "q\"}" }] })));
        assert_eq!(cut(line.len() - 1), Some(json!({ "type": "result", "a": [1, { "x": "q\"}", "y": 2 }] })));
        assert_eq!(record("[1,2]"), None);
        assert_eq!(record("{\"a\":1,,"), None);
        assert_eq!(record(&"[".repeat(100_000)), None);
        assert_eq!(record(&"{\"a\":[1,".repeat(50_000)), None);
    }

    proptest! {
        #[test]
        fn any_cut_of_a_record_gives_some_of_its_fields(
            name in any::<String>(), words in any::<String>(), number in any::<i64>(), at in any::<prop_index::Index>(),
        ) {
            let whole = json!({ "type": "x", "list": [number, { &name: words }], "last": words });
            let line = whole.to_string();
            let mut end = at.index(line.len());
            while !line.is_char_boundary(end) {
                end -= 1;
            }
            if let Some(read) = record(&line[..end]) {
                for (key, value) in read.as_object().unwrap() {
                    prop_assert!(key == "list" || whole.get(key) == Some(value), "{key}");
                }
            }
        }

        #[test]
        fn no_line_is_too_odd(line in any::<String>()) {
            prop_assert!(record(&line).is_none_or(|record| record.is_object()));
            drop(record(&format!("{{\"a\":{line}")));
        }
    }

    use proptest::sample as prop_index;
}
