//! How a key and its value are usually written. A value that says more than its kind needs is left alone.

use super::keys;
use super::keys::NativeKey;
use super::keys::span;
use crate::model::time::Span;
use crate::plan::fields;
use crate::plan::values;
use crate::plan::words;

/// The native key of a field; none: it is left as it stands.
pub(crate) fn key(key: fields::Key) -> Option<NativeKey> {
    // `Create` and the like say what is done to the files.
    if matches!(key, fields::Key::Files(Some(_))) { None } else { NativeKey::of(key) }
}

/// The text of an item without its bullet: key and value. `nested`: more of the value stands below it.
pub(crate) fn item(key: NativeKey, text: &str, nested: bool) -> String {
    let Some((name, value)) = fields::split(text) else { return text.to_owned() };
    // Italic fields are those of another tool.
    if text.starts_with('_') && !text.starts_with("__") || text.starts_with('*') && !text.starts_with("**") {
        return text.to_owned();
    }
    let name = match key {
        // What it is called says what kind of criterion, origin or result it is.
        NativeKey::Acceptance | NativeKey::Requirements | NativeKey::Output => name,
        NativeKey::Id
        | NativeKey::DependsOn
        | NativeKey::Agent
        | NativeKey::Model
        | NativeKey::Layer
        | NativeKey::Command
        | NativeKey::Files
        | NativeKey::Verify
        | NativeKey::Timeout
        | NativeKey::Retries
        | NativeKey::Parallel
        | NativeKey::Ordered
        | NativeKey::Priority
        | NativeKey::Status
        | NativeKey::Kind
        | NativeKey::Optional
        | NativeKey::Gate => key.name(),
    };
    let (written, after) = (&text[value.clone()], &text[value.end..]);
    let canonical = if nested { None } else { self::value(key, written) };
    let value = canonical.as_deref().unwrap_or(written);
    if value.is_empty() { format!("**{name}**:{after}") } else { format!("**{name}**: {value}{after}") }
}

/// A value in its usual form; none: it is left as it stands.
fn value(key: NativeKey, value: &str) -> Option<String> {
    match key {
        NativeKey::DependsOn => depends(value),
        NativeKey::Files => paths(value),
        NativeKey::Verify | NativeKey::Output => {
            let spans = values::only_spans(value)?;
            Some(spans.into_iter().map(|(text, _)| span(text)).collect::<Vec<_>>().join(", "))
        }
        NativeKey::Timeout => {
            let bare = value.trim_matches('`');
            let parsed: Span = bare.parse().ok()?;
            let number = bare.trim().bytes().all(|byte| byte.is_ascii_digit());
            Some(if number { parsed.to_string() } else { bare.split_whitespace().collect() })
        }
        NativeKey::Retries | NativeKey::Layer => {
            let bare = value.trim_matches(['`', '*']).trim();
            bare.parse::<u32>().ok().map(|number| number.to_string())
        }
        NativeKey::Priority => {
            let bare = value.trim_matches(['`', '*']);
            let word = bare.chars().all(char::is_alphanumeric);
            words::priority(bare).filter(|_| word).map(|priority| format!("P{priority}"))
        }
        NativeKey::Parallel | NativeKey::Optional | NativeKey::Ordered => {
            let bare = value.trim_matches(['`', '*']);
            let word = bare.chars().all(char::is_alphabetic);
            let yes = words::yes_or_no(bare).filter(|_| word)?;
            Some(if yes { "yes" } else { "no" }.to_owned())
        }
        NativeKey::Id
        | NativeKey::Agent
        | NativeKey::Model
        | NativeKey::Command
        | NativeKey::Acceptance
        | NativeKey::Requirements
        | NativeKey::Status
        | NativeKey::Kind
        | NativeKey::Gate => None,
    }
}

/// Names in a list; a value with reasons or other words is left alone.
fn depends(value: &str) -> Option<String> {
    if ["", "-", "—", "[]", "none", "nothing", "n/a"].contains(&value.to_lowercase().as_str()) {
        return (!value.is_empty()).then(|| "none".to_owned());
    }
    let value = value.replace(';', ",");
    let mut names = Vec::new();
    for piece in keys::pieces(&value).into_iter().flat_map(|piece| piece.split(" and ")) {
        let piece = piece.trim();
        let spanned = piece.starts_with('`') && keys::unspan(piece) != piece;
        let plain = piece.split(' ').all(keys::is_plain) && piece.split(' ').count() <= 2;
        if !spanned && !plain {
            return None;
        }
        names.push(if spanned { piece } else { piece.trim_matches('`') });
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// Paths in a list; a value with other words is left alone.
fn paths(value: &str) -> Option<String> {
    if let Some(spans) = values::only_spans(value) {
        return Some(spans.into_iter().map(|(text, _)| span(text)).collect::<Vec<_>>().join(", "));
    }
    if value.contains('`') {
        return None;
    }
    let pieces: Vec<&str> =
        value.split([',', ';']).map(str::trim).filter(|piece| !piece.is_empty()).collect();
    let all = values::files(value, None);
    let same = all.len() == pieces.len() && all.iter().all(|file| file.verb.is_none());
    (same && !pieces.is_empty()).then(|| pieces.into_iter().map(span).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_in_their_usual_form() {
        for (key, text, wanted) in [
            (
                NativeKey::DependsOn,
                "depends_on: T001;T002 and Phase 2",
                "**Depends on**: T001, T002, Phase 2",
            ),
            (NativeKey::DependsOn, "**Depends on:** -", "**Depends on**: none"),
            (NativeKey::DependsOn, "Needs: T001 (for a, b)", "**Depends on**: T001 (for a, b)"),
            (NativeKey::Files, "Files: src/a.rs,src/b.rs", "**Files**: `src/a.rs`, `src/b.rs`"),
            (NativeKey::Files, "Files: all of src/a.rs", "**Files**: all of src/a.rs"),
            (NativeKey::Verify, "verify: `a`; `b`", "**Verify**: `a`, `b`"),
            (NativeKey::Timeout, "Time limit: 1800", "**Timeout**: 30m"),
            (NativeKey::Timeout, "Timeout: 90s", "**Timeout**: 90s"),
            (NativeKey::Retries, "max retries: `02`", "**Retries**: 2"),
            (NativeKey::Priority, "Priority: high", "**Priority**: P1"),
            (NativeKey::Optional, "optional: True", "**Optional**: yes"),
            (NativeKey::Agent, "owner:   kilo", "**Agent**: kilo"),
            (NativeKey::Acceptance, "Done when: it works", "**Done when**: it works"),
            (NativeKey::DependsOn, "_Depends: 1.1_", "_Depends: 1.1_"),
        ] {
            assert_eq!(item(key, text, false), wanted);
            assert_eq!(item(key, wanted, false), wanted);
        }
    }
}
