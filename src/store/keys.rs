//! The keys of the shared state, the same in every store.
//!
//! Keys are the names that other tools look at and that rights are given on, so what would have a
//! meaning in a pattern of rights is written as `%XX` in prefixes and ids.

use crate::model::ids::{RunId, TaskId};
use crate::model::run::RunSpec;
use crate::schema::SchemaKind;

/// `text` as part of a key: `* ? [ ] \`, blanks and control characters as `%XX`. A `%` that would
/// read as such a code is coded too, so that different texts give different keys.
pub fn coded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut key = String::with_capacity(text.len());
    for (place, c) in text.char_indices() {
        let is_code = c == '%'
            && text
                .as_bytes()
                .get(place + 1..place + 3)
                .is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
        if is_code
            || matches!(c, '*' | '?' | '[' | ']' | '\\' | '\u{feff}')
            || c.is_whitespace()
            || c.is_control()
        {
            let mut buffer = [0; 4];
            for byte in c.encode_utf8(&mut buffer).bytes() {
                write!(key, "%{byte:02X}").expect("writing to a string cannot fail");
            }
        } else {
            key.push(c);
        }
    }
    key
}

/// `PREFIX shared_state`.
pub fn shared_state(prefix: &str) -> String {
    format!("{}shared_state", coded(prefix))
}

/// `PREFIX fence`.
pub fn fence(prefix: &str) -> String {
    format!("{}fence", coded(prefix))
}

/// `PREFIX task:<id>:status`.
pub fn status(spec: &RunSpec, task: &TaskId) -> String {
    of_task(spec, task, "status")
}

/// `PREFIX task:<id>:report`.
pub fn report(spec: &RunSpec, task: &TaskId) -> String {
    of_task(spec, task, "report")
}

/// The same for somebody who has no more than the prefix as keys have it, in a run without
/// a prefix of its ids.
pub fn report_below(prefix: &str, task: &TaskId) -> String {
    format!("{prefix}task:{}:report", coded(task.as_str()))
}

/// `PREFIX task:<id>:tail`.
pub fn tail(spec: &RunSpec, task: &TaskId) -> String {
    of_task(spec, task, "tail")
}

/// `PREFIX run:<run>:events`.
pub fn events(prefix: &str, run: &RunId) -> String {
    of_run(prefix, run, "events")
}

/// `PREFIX run:<run>:plan`.
pub fn plan(prefix: &str, run: &RunId) -> String {
    of_run(prefix, run, "plan")
}

/// `PREFIX run:<run>:control`.
pub fn control(prefix: &str, run: &RunId) -> String {
    of_run(prefix, run, "control")
}

/// `PREFIX run:<run>:lease`.
pub fn lease(prefix: &str, run: &RunId) -> String {
    of_run(prefix, run, "lease")
}

/// `PREFIX provider:<name>:cooldown`.
pub fn cooldown(prefix: &str, provider: &str) -> String {
    of_provider(prefix, provider, "cooldown")
}

/// `PREFIX provider:<name>:spend:<YYYY-MM>`.
pub fn spend(prefix: &str, provider: &str, month: &str) -> String {
    of_provider(prefix, provider, &format!("spend:{month}"))
}

/// What the keys of providers begin with.
pub fn providers(prefix: &str) -> String {
    format!("{}provider:", coded(prefix))
}

fn of_provider(prefix: &str, provider: &str, what: &str) -> String {
    format!("{}{}:{what}", providers(prefix), coded(provider))
}

/// The schema that what is under `key` follows; none: it has none.
pub fn kind_of(key: &str) -> Option<SchemaKind> {
    let mut parts = key.rsplit(':');
    match (parts.next()?, parts.next()) {
        ("status", _) => Some(SchemaKind::TaskStatus),
        ("report", _) => Some(SchemaKind::TaskReport),
        ("lease", _) => Some(SchemaKind::Lease),
        ("cooldown", _) => Some(SchemaKind::Cooldown),
        (_, Some("spend")) => Some(SchemaKind::Spend),
        _ => None,
    }
}

fn of_task(spec: &RunSpec, task: &TaskId, what: &str) -> String {
    let id = coded(&format!("{}{task}", spec.settings.id_prefix));
    format!("{}task:{id}:{what}", coded(&spec.prefix))
}

fn of_run(prefix: &str, run: &RunId, what: &str) -> String {
    format!("{}run:{run}:{what}", coded(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_providers_are_those_of_the_contract() {
        assert_eq!(cooldown("shop:", "kilo"), "shop:provider:kilo:cooldown");
        assert_eq!(spend("shop:", "open router", "2026-11"), "shop:provider:open%20router:spend:2026-11");
        assert_eq!(kind_of(&cooldown("shop:", "a:b")), Some(SchemaKind::Cooldown));
        assert_eq!(kind_of(&spend("shop:", "spend", "2026-11")), Some(SchemaKind::Spend));
        assert_eq!(kind_of("shop:run:R1:plan"), None);
    }

    #[test]
    fn what_has_a_meaning_in_patterns_is_coded() {
        assert_eq!(coded("marketing_tvoje_info:"), "marketing_tvoje_info:");
        assert_eq!(coded("a b\t*?[]\\"), "a%20b%09%2A%3F%5B%5D%5C");
        assert_eq!(coded("ž\u{a0}x"), "ž%C2%A0x");
        assert_eq!(coded("100%"), "100%");
        assert_ne!(coded("a b"), coded("a%20b"));
    }
}
