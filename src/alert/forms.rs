//! An alert in the words of the service that gets it.
//!
//! - `json`: the document `alert/v1`
//! - `slack`: `text`, with `&`, `<` and `>` escaped as Slack asks for (so that nothing becomes a link or
//!   a mention) and its markup off
//! - `discord`: `content` of at most 2,000 units, in which nobody is mentioned and nothing is unfolded
//! - `telegram`: `sendMessage` without a parse mode, so that no character has a meaning; at most 4,096
//! - `ntfy`: the text as the body, of at most 4,096 bytes; title, priority and tags as headers

use serde_json::json;

use crate::model::alert::{Alert, AlertForm, AlertKind};
use crate::model::failure::FailureKind;
use crate::model::status::TaskStatus;

use super::text::{cut_bytes, cut_chars, cut_utf16};

/// Slack cuts at 40,000 characters; an escaped one has up to five.
const SLACK: usize = 8_000;
const DISCORD: usize = 2_000;
const TELEGRAM: usize = 4_096;
/// A longer message would become a file.
const NTFY: usize = 4_096;
/// Of Discord: no previews of what is linked.
const SUPPRESS_EMBEDS: u32 = 4;

/// What is sent to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// `alert` for a service; `chat` is where Telegram is to write.
pub(super) fn outgoing(form: AlertForm, alert: &Alert, chat: Option<&str>) -> Outgoing {
    let json = |body: serde_json::Value| Outgoing {
        headers: vec![("content-type", "application/json; charset=utf-8".to_owned())],
        body: body.to_string(),
    };
    match form {
        AlertForm::Json => json(serde_json::to_value(alert).unwrap_or_default()),
        AlertForm::Slack => {
            let text = escaped(&cut_chars(&whole(alert), SLACK));
            json(json!({ "text": text, "mrkdwn": false, "unfurl_links": false, "unfurl_media": false }))
        }
        AlertForm::Discord => json(json!({
            "content": cut_utf16(&whole(alert), DISCORD),
            "allowed_mentions": { "parse": [] },
            "flags": SUPPRESS_EMBEDS,
        })),
        AlertForm::Telegram => json(json!({
            "chat_id": chat.unwrap_or_default(),
            "text": cut_utf16(&whole(alert), TELEGRAM),
            "link_preview_options": { "is_disabled": true },
        })),
        AlertForm::Ntfy => {
            let (priority, tag) = urgency(alert);
            Outgoing {
                headers: vec![
                    ("content-type", "text/plain; charset=utf-8".to_owned()),
                    ("title", header_text(&alert.title)),
                    ("priority", priority.to_string()),
                    ("tags", tag.to_owned()),
                ],
                body: cut_bytes(&format!("{}\n{}", alert.text, place(alert)), NTFY),
            }
        }
    }
}

/// The alert as people read it.
fn whole(alert: &Alert) -> String {
    format!("{}\n{}\n{}", alert.title, alert.text, place(alert))
}

/// Where it happened.
fn place(alert: &Alert) -> String {
    format!("{} · {} · run {} · {}", alert.project, alert.plan, alert.run_id, alert.host)
}

/// `text` as Slack wants it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Priority (3 is the usual one) and tag of ntfy.
fn urgency(alert: &Alert) -> (u8, &'static str) {
    let done = !alert.counts.iter().any(|(status, count)| {
        *count > 0 && !matches!(status, TaskStatus::Succeeded | TaskStatus::Skipped | TaskStatus::Held)
    });
    match alert.kind {
        AlertKind::RunEnded if done => (3, "white_check_mark"),
        AlertKind::TaskFailed if alert.failure.is_some_and(FailureKind::is_limit) => (4, "money_with_wings"),
        AlertKind::RunEnded | AlertKind::TaskFailed => (4, "x"),
        AlertKind::PersonNeeded => (4, "raising_hand"),
        AlertKind::Budget => (4, "money_with_wings"),
        AlertKind::RunStalled => (4, "hourglass"),
        AlertKind::ProviderOff => (3, "warning"),
        AlertKind::Test => (3, "bell"),
    }
}

/// A text as the value of a header: as it is where it is ASCII, else as RFC 2047 has it.
fn header_text(text: &str) -> String {
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return text.to_owned();
    }
    format!("=?UTF-8?B?{}?=", base64(text.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let number = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = usize::try_from(number >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(if place > chunk.len() { '=' } else { char::from(LETTERS[index]) });
        }
    }
    text
}
