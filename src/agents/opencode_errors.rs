//! What the errors of OpenCode and Kilo mean: their error events, the lines of their error log, and
//! what they say when they cannot start.

use serde_json::{Value, json};

use crate::model::failure::FailureKind;
use crate::model::reading::{Sign, SignSource};
use crate::model::time::retry_after_seconds;

use super::signs::{kind_of_message, kind_of_status, one_line, says_out_of_credits};

/// What it says when another process holds its database. Nothing was sent then.
pub(super) const LOCKED: &str = "database is locked";

/// What came before an error, as far as it changes what the error means.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoFar {
    /// A model began to answer.
    pub(super) began: bool,
    /// What it answered last was nothing.
    pub(super) hollow: bool,
}

/// Reads the `error` of an event: an object, or in Kilo also a plain text.
pub(super) fn error_event(error: &Value, so_far: SoFar) -> Sign {
    if let Some(text) = error.as_str() {
        return plain_error(text, so_far);
    }
    let name = error["name"].as_str().unwrap_or_default();
    let data = &error["data"];
    let code = data["metadata"]["code"].as_str().or_else(|| error["code"].as_str()).unwrap_or_default();
    let message = data["message"].as_str().or_else(|| error["message"].as_str()).unwrap_or(code);
    let body = data["responseBody"].as_str().unwrap_or_default();
    let status = data["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    let told = [name, code].into_iter().filter(|word| !word.is_empty() && *word != message);
    let told: Vec<&str> = told.chain([message]).collect();
    let message_line = if told.concat().is_empty() { error.to_string() } else { told.join(": ") };
    Sign {
        kind: kind_of_error(&Told { name, code, message, body, status }, so_far),
        source: SignSource::Event,
        message: one_line(&message_line),
        status,
        retry_after_s: retry_after(&data["responseHeaders"]),
    }
}

/// Reads an error event of which only the beginning is there.
pub(super) fn cut_error(line: &str) -> Sign {
    let field = |name: &str| {
        let (_, behind) = line.split_once(&format!("\"{name}\":"))?;
        serde_json::Deserializer::from_str(behind).into_iter::<Value>().next()?.ok()
    };
    let error = json!({
        "name": field("name"),
        "data": { "message": field("message"), "statusCode": field("statusCode") },
    });
    error_event(&error, SoFar { began: true, hollow: false })
}

/// What an error event tells.
struct Told<'a> {
    name: &'a str,
    code: &'a str,
    message: &'a str,
    body: &'a str,
    status: Option<u16>,
}

/// The order in which an error event is matched: what says most first.
fn kind_of_error(told: &Told<'_>, so_far: SoFar) -> FailureKind {
    if told.name == "ContextOverflowError" || told.body.contains("context_length_exceeded") {
        return FailureKind::ContextOverflow;
    }
    if says_out_of_credits(told.body) {
        return FailureKind::OutOfCredits;
    }
    if let Some(kind) = told.status.and_then(kind_of_status) {
        let says_quota = kind_of_message(told.message) == Some(FailureKind::OutOfCredits);
        // Some say "quota" for the limit of a minute, and then say when to come back.
        let comes_back = told.body.contains("retryDelay") || told.message.contains("retry in");
        let gone = kind == FailureKind::RateLimited && says_quota && !comes_back;
        return if gone { FailureKind::OutOfCredits } else { kind };
    }
    if told.name == "ProviderAuthError" {
        return FailureKind::NotLoggedIn;
    }
    if told.message.starts_with("Unexpected server error.") && !so_far.began {
        return FailureKind::ModelUnknown;
    }
    kind_of_message(told.code).or_else(|| kind_of_message(told.message)).unwrap_or(FailureKind::Exited)
}

fn plain_error(text: &str, so_far: SoFar) -> Sign {
    let kind = if text.contains("auto-rejected permission") {
        FailureKind::PermissionRejected
    } else if text.starts_with("run ended without an assistant message") {
        if so_far.hollow { FailureKind::ProviderUnreachable } else { FailureKind::NoCompletion }
    } else {
        kind_of_message(text).unwrap_or(FailureKind::Exited)
    };
    Sign { kind, source: SignSource::Event, message: one_line(text), status: None, retry_after_s: None }
}

/// The message of a line of the error log about a failed request. A request for a title or the like
/// does not count: the agent does without.
pub(super) fn stream_error(line: &str) -> Option<String> {
    if !line.starts_with("timestamp=") || !line.contains(" level=ERROR ") {
        return None;
    }
    let (_, rest) = line.split_once(" message=\"stream error\" ")?;
    let (about, quoted) = rest.split_once(" error.error=")?;
    if about.contains(" small=true") {
        return None;
    }
    Some(match serde_json::Deserializer::from_str(quoted).into_iter::<String>().next() {
        Some(Ok(message)) => message,
        // A line that was cut, or a word without quotes.
        Some(Err(_)) | None => quoted.to_owned(),
    })
}

/// What a line on standard error says of a start that failed. `usage` are the words of the help.
pub(super) fn start_failure(line: &str, usage: &[&str]) -> Option<Sign> {
    const WRONG_CALLS: [&str; 6] = [
        "You must provide a message or a command",
        "is not valid JSON(C)",
        "Configuration is invalid",
        "Session not found",
        "Failed to change directory",
        "Unknown argument",
    ];
    let kind = if line.contains(LOCKED) {
        FailureKind::Exited
    } else if WRONG_CALLS.iter().chain(usage).any(|words| line.contains(words)) {
        FailureKind::UsageError
    } else {
        return None;
    };
    Some(Sign {
        kind,
        source: SignSource::ErrorLog,
        message: one_line(line),
        status: None,
        retry_after_s: None,
    })
}

/// Seconds until another try, from the headers of an answer.
fn retry_after(headers: &Value) -> Option<u64> {
    if let Some(milliseconds) = headers["retry-after-ms"].as_str() {
        return milliseconds.trim().parse::<u64>().ok().map(|ms| ms.div_ceil(1_000));
    }
    retry_after_seconds(headers["retry-after"].as_str()?, headers["date"].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: SoFar = SoFar { began: true, hollow: false };

    #[test]
    fn errors_are_matched_by_what_says_most() {
        let kind = |data: Value| error_event(&json!({ "name": "APIError", "data": data }), BEGAN).kind;
        for (data, expected) in [
            (json!({ "statusCode": 429, "responseBody": "insufficient_quota" }), FailureKind::OutOfCredits),
            (
                json!({ "statusCode": 429, "message": "You exceeded your current quota" }),
                FailureKind::OutOfCredits,
            ),
            (
                json!({ "statusCode": 429, "message": "You exceeded your current quota. Please retry in 12s." }),
                FailureKind::RateLimited,
            ),
            (json!({ "statusCode": 401, "message": "rate limit" }), FailureKind::NotLoggedIn),
            (json!({ "statusCode": 400, "message": "Rate limit reached" }), FailureKind::RateLimited),
            (json!({ "statusCode": 400, "message": "odd" }), FailureKind::Exited),
            (
                json!({ "message": "x", "metadata": { "code": "ProviderHeaderTimeoutError" } }),
                FailureKind::ProviderUnreachable,
            ),
        ] {
            assert_eq!(kind(data.clone()), expected, "{data}");
        }
        let unknown = json!({ "name": "UnknownError", "data": { "message": "Unexpected server error. Check server logs" } });
        assert_eq!(
            error_event(&unknown, SoFar { began: false, hollow: false }).kind,
            FailureKind::ModelUnknown
        );
        assert_eq!(error_event(&unknown, BEGAN).kind, FailureKind::Exited);
        let bare = error_event(&json!({ "code": "ECONNRESET" }), BEGAN);
        assert_eq!((bare.kind, bare.message.as_str()), (FailureKind::ProviderUnreachable, "ECONNRESET"));
        assert_eq!(error_event(&json!({ "odd": 1 }), BEGAN).message, r#"{"odd":1}"#);
    }

    #[test]
    fn an_error_that_was_cut_is_still_told() {
        let line = "{\"type\":\"error\",\"error\":{\"name\":\"APIError\",\"data\":{\"message\":\"Slow \\\"down\\\"\",\"statusCode\":429,\"responseBody\":\"xxx";
        let sign = cut_error(line);
        assert_eq!((sign.kind, sign.status), (FailureKind::RateLimited, Some(429)));
        assert_eq!(sign.message, "APIError: Slow \"down\"");
    }

    #[test]
    fn only_failed_requests_of_the_agent_are_refusals() {
        let line = |level: &str, message: &str, small: bool| {
            format!(
                "timestamp=2026-11-24T20:28:41.438Z level={level} run=1 message={message} providerID=p \
                 session.id=s small={small} agent=build error.error=\"AI_APICallError: \\\"busy\\\" (now)\""
            )
        };
        let refusal = line("ERROR", "\"stream error\"", false);
        assert_eq!(stream_error(&refusal).as_deref(), Some("AI_APICallError: \"busy\" (now)"));
        assert_eq!(stream_error(&line("ERROR", "\"stream error\"", true)), None);
        assert_eq!(stream_error(&line("WARN", "\"stream error\"", false)), None);
        assert_eq!(stream_error(&line("ERROR", "process", false)), None);
        assert_eq!(stream_error(&format!("x {refusal}")), None);
        assert!(stream_error(&refusal[..refusal.len() - 4]).is_some());
    }

    #[test]
    fn retry_after_is_seconds_a_part_of_one_or_a_date() {
        for (headers, expected) in [
            (json!({ "retry-after": "3600" }), Some(3_600)),
            (json!({ "retry-after": "1.5" }), Some(2)),
            (json!({ "retry-after": "2.0" }), Some(2)),
            (json!({ "retry-after": "-1" }), None),
            (json!({ "retry-after-ms": "1500" }), Some(2)),
            (
                json!({ "retry-after": "Sun, 22 Nov 2026 10:36:33 GMT", "date": "Sun, 22 Nov 2026 10:35:33 GMT" }),
                Some(60),
            ),
            (json!({ "retry-after": "Sun, 22 Nov 2026 10:36:33 GMT" }), None),
            (json!({ "retry-after": "soon" }), None),
            (json!({}), None),
            (Value::Null, None),
        ] {
            assert_eq!(retry_after(&headers), expected, "{headers}");
        }
    }
}
