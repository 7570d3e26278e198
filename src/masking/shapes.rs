//! What keys and passwords look like.
//!
//! One pattern finds candidates; where its shape alone would also fit ordinary text, a look at the
//! candidate decides.

use std::borrow::Cow;
use std::sync::OnceLock;

use regex::{Captures, Regex};

use super::{MASK, is_secret_name};

/// The alternatives, each with a name. The order counts where two begin at the same place.
const PATTERN: &str = r#"(?x)
    (?P<pem>-----BEGIN\ (?P<pem_kind>[A-Z0-9\ ]*PRIVATE\ KEY(?:\ BLOCK)?)-----
        (?s:.*?)(?:-----END\ [A-Z0-9\ ]*PRIVATE\ KEY(?:\ BLOCK)?-----|\z))
  | (?P<url>\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/?\#:@"'<>]*:)(?P<url_secret>[^\s/?\#@"'<>]+)@
  | (?P<authorization>(?i:\b(?:proxy-)?authorization["']?\s{0,3}[:=]\s{0,3}["']?(?:basic|bearer|token|digest|apikey)?\s{0,3}))
        (?P<authorization_secret>[^\s"',;<>]{6,})
  | (?P<bearer>(?i:\bbearer)\s{1,3})(?P<bearer_secret>[A-Za-z0-9._~+/=-]{8,})
  | (?P<assigned>\b(?i:[A-Z0-9_.-]*(?:[_-](?:key|token|secret|password|credentials|dsn)|password|passwd|passphrase|secret|token|api_?key)))
        (?P<operator>(?:\\?["'])?\s{0,3}(?::=|[=:])\s{0,3})
        (?P<value>"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\\"[^"\\\n]*\\"|[^\s"'`,;&<>|(){}\[\]\\]+)
  | \b(?P<start>
        sk-(?:ant-|proj-|or-v1-|svcacct-)? | gh[pousr]_ | github_pat_ | glpat- | xox[a-z]- | xapp- | gsk_ | hf_
      | orp_ | npm_ | pypi- | [sr]k_(?:live|test)_ | whsec_ | xai- | pplx- | tvly- | dop_v1_ | ya29\. | SG\. | AKIA | ASIA | AIza
      | eyJ[A-Za-z0-9_-]{5,}\. | AGE-SECRET-KEY-
    )(?P<rest>[A-Za-z0-9._-]{6,})
"#;

fn pattern() -> &'static Regex {
    static PATTERN_ONCE: OnceLock<Regex> = OnceLock::new();
    PATTERN_ONCE.get_or_init(|| Regex::new(PATTERN).expect("the pattern is valid"))
}

/// `text` with everything that looks like a secret replaced by `***`, a recognisable start left.
pub fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = pattern().captures_at(text, from) {
        let whole = found.get_match();
        match replacement(&found) {
            Replacement::With { start, end, text: with } => {
                masked.push_str(&text[copied..start]);
                masked.push_str(&with);
                copied = end;
                from = end.max(whole.start() + 1);
            }
            Replacement::Leave { until } => from = until.max(whole.start() + 1),
        }
        while !text.is_char_boundary(from) {
            from += 1;
        }
        if from > text.len() {
            break;
        }
    }
    if copied == 0 && masked.is_empty() {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[copied..]);
    if masked == text { Cow::Borrowed(text) } else { Cow::Owned(masked) }
}

enum Replacement {
    /// Put this in the place of these bytes.
    With { start: usize, end: usize, text: String },
    /// It is no secret; look on from there.
    Leave { until: usize },
}

fn replacement(found: &Captures<'_>) -> Replacement {
    let whole = found.get_match();
    let group = |name: &str| found.name(name);
    if let Some(kind) = group("pem_kind") {
        let kind = kind.as_str();
        let text = format!("-----BEGIN {kind}-----{MASK}-----END {kind}-----");
        return Replacement::With { start: whole.start(), end: whole.end(), text };
    }
    if let Some(secret) = group("url_secret") {
        if is_reference(secret.as_str()) {
            return Replacement::Leave { until: secret.end() };
        }
        return Replacement::With { start: secret.start(), end: secret.end(), text: MASK.to_owned() };
    }
    if let Some(secret) = group("authorization_secret").or_else(|| group("bearer_secret")) {
        let after_header = group("authorization_secret").is_some();
        let value = secret.as_str();
        if is_reference(value) || !(mixes_letters_and_digits(value) || (after_header && value.len() >= 16)) {
            return Replacement::Leave { until: secret.start() };
        }
        return Replacement::With { start: secret.start(), end: secret.end(), text: MASK.to_owned() };
    }
    if let (Some(name), Some(operator), Some(value)) = (group("assigned"), group("operator"), group("value"))
    {
        let (lead, inner, tail) = unquoted(value.as_str());
        if !assigns_secret(name.as_str(), operator.as_str(), inner, !lead.is_empty()) {
            return Replacement::Leave { until: name.end() };
        }
        let start = recognisable_start(inner);
        let text = format!("{lead}{start}{MASK}{tail}");
        return Replacement::With { start: value.start(), end: value.end(), text };
    }
    if let (Some(start), Some(rest)) = (group("start"), group("rest")) {
        // A full stop at the end belongs to the sentence.
        let body = rest.as_str().trim_end_matches('.');
        if !is_key_body(start.as_str(), body) {
            return Replacement::Leave { until: start.end() };
        }
        let kept = if start.as_str().starts_with("eyJ") { "eyJ" } else { first_of(start.as_str()) };
        return Replacement::With {
            start: start.start(),
            end: rest.start() + body.len(),
            text: format!("{kept}{MASK}"),
        };
    }
    Replacement::Leave { until: whole.end() }
}

/// The part of a key's start that stays: `sk-` of `sk-ant-`.
fn first_of(start: &str) -> &str {
    if start.starts_with("sk-") { "sk-" } else { start }
}

fn recognisable_start(value: &str) -> &'static str {
    const STARTS: [&str; 10] =
        ["sk-", "ghp_", "gho_", "github_pat_", "glpat-", "gsk_", "hf_", "AKIA", "AIza", "xoxb-"];
    STARTS.into_iter().find(|start| value.starts_with(start) && value.len() > start.len() + 3).unwrap_or("")
}

fn unquoted(value: &str) -> (&str, &str, &str) {
    for quote in ["\\\"", "\"", "'"] {
        if value.len() >= 2 * quote.len() && value.starts_with(quote) && value.ends_with(quote) {
            let end = value.len() - quote.len();
            return (&value[..quote.len()], &value[quote.len()..end], &value[end..]);
        }
    }
    ("", value, "")
}

/// Whether `NAME=value` gives a secret away. Names in capitals with `=` are what the environment
/// has; in other writing the same words name many harmless things (`sort_key: name`), so there the
/// value has to look like one.
fn assigns_secret(name: &str, operator: &str, value: &str, quoted: bool) -> bool {
    if value.is_empty() || is_reference(value) {
        return false;
    }
    let shouted = !name.bytes().any(|byte| byte.is_ascii_lowercase());
    let plain_equals = operator == "=";
    if shouted && plain_equals && (is_secret_name(name) || is_password_name(name)) {
        return true;
    }
    let one_word = !value.chars().any(char::is_whitespace);
    if is_password_name(name) && one_word && value.len() >= 3 && (quoted || plain_equals) {
        return !matches!(value, "none" | "null" | "true" | "false" | "None" | "True" | "False" | "required")
            && !looks_like_code(value);
    }
    one_word
        && value.len() >= 8
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-+/=.~:!@#$%^*".contains(&b))
        && (mixes_letters_and_digits(value) || (value.len() >= 20 && mixes_cases(value)))
        && !looks_like_code(value)
}

fn is_password_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.ends_with("password") || lower.ends_with("passwd") || lower.ends_with("passphrase")
}

/// `self.token`, `config::TOKEN`, `src/key.rs`: a name of something and not its value.
fn looks_like_code(value: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    (value.contains("::") && !value.contains('@'))
        || value.starts_with("./")
        || value.starts_with('/')
        || (value.contains('.') && value.split('.').all(word))
}

/// A place-holder or the name of a variable, or masked already.
fn is_reference(value: &str) -> bool {
    value.starts_with(['$', '<', '{', '%'])
        || value.contains(MASK)
        || value.starts_with("process.env")
        || value.starts_with("os.environ")
        || value.starts_with("env.")
        || (value.len() >= 3
            && value.bytes().all(|byte| matches!(byte, b'x' | b'X' | b'.' | b'*' | b'-' | b'_')))
}

fn is_key_body(start: &str, body: &str) -> bool {
    if body.contains(MASK) {
        return false;
    }
    let capitals_and_digits = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match start {
        "AKIA" | "ASIA" => body.len() >= 12 && capitals_and_digits(body),
        "AIza" | "AGE-SECRET-KEY-" => body.len() >= 20,
        "SG." => body.len() >= 30,
        _ => has_long_run(body),
    }
}

/// Whether some part between hyphens, underscores and points is too long or too odd for a word.
fn has_long_run(body: &str) -> bool {
    body.split(['-', '_', '.'])
        .any(|part| part.len() >= 16 || (part.len() >= 8 && part.bytes().any(|byte| byte.is_ascii_digit())))
        || (body.len() >= 24 && mixes_letters_and_digits(body) && mixes_cases(body))
}

fn mixes_letters_and_digits(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_digit()) && value.bytes().any(|byte| byte.is_ascii_alphabetic())
}

fn mixes_cases(value: &str) -> bool {
    value.bytes().any(|byte| byte.is_ascii_lowercase()) && value.bytes().any(|byte| byte.is_ascii_uppercase())
}
