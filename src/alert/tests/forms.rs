//! What each service gets, byte for byte, and that nothing in a text means anything to it.

use serde_json::json;

use super::*;
use crate::alert::batch::Batch;
use crate::alert::forms::{Outgoing, outgoing};
use crate::masking::Masker;
use crate::model::alert::Alert;

const PLACE: &str = "shop · plans/shop.md · run 01R · host";

fn one(title: &str, text: &str) -> Alert {
    let mut batch = Batch::new(run());
    batch.add(AlertKind::TaskFailed, happening(AlertKind::TaskFailed, 7, title, text), &counts());
    batch.alert(&Masker::new(["correct horse battery".to_owned()])).unwrap()
}

fn sent(form: AlertForm, alert: &Alert) -> (Outgoing, serde_json::Value) {
    let outgoing = outgoing(form, alert, Some("-1001"));
    let value = serde_json::from_str(&outgoing.body).unwrap_or_default();
    (outgoing, value)
}

#[test]
fn each_service_gets_its_own_form() {
    let alert = one("T1 failed: exited", "Do <T1> & more\ncode 1\norchestrate why T1");
    let text = format!("T1 failed: exited\nDo <T1> & more\ncode 1\norchestrate why T1\n{PLACE}");
    assert_eq!(
        sent(AlertForm::Json, &alert).1,
        json!({
            "schema": "alert/v1", "run_id": "01R", "project": "shop", "plan": "plans/shop.md", "host": "host",
            "kind": "task_failed", "at": "1970-01-01T00:00:07.000Z",
            "title": "T1 failed: exited", "text": "Do <T1> & more\ncode 1\norchestrate why T1",
            "task": "T1", "failure": "exited", "counts": { "succeeded": 5, "failed": 1 },
            "dedupe_key": "01R:task_failed:7", "also": [], "more": 0,
        })
    );
    assert_eq!(
        sent(AlertForm::Slack, &alert).1,
        json!({
            "text": format!("T1 failed: exited\nDo &lt;T1&gt; &amp; more\ncode 1\norchestrate why T1\n{PLACE}"),
            "mrkdwn": false, "unfurl_links": false, "unfurl_media": false,
        })
    );
    assert_eq!(
        sent(AlertForm::Discord, &alert).1,
        json!({ "content": text, "allowed_mentions": { "parse": [] }, "flags": 4 })
    );
    assert_eq!(
        sent(AlertForm::Telegram, &alert).1,
        json!({ "chat_id": "-1001", "text": text, "link_preview_options": { "is_disabled": true } })
    );
    let ntfy = sent(AlertForm::Ntfy, &alert).0;
    assert_eq!(ntfy.body, format!("Do <T1> & more\ncode 1\norchestrate why T1\n{PLACE}"));
    let headers: Vec<(&str, &str)> =
        ntfy.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(
        headers,
        [
            ("content-type", "text/plain; charset=utf-8"),
            ("title", "T1 failed: exited"),
            ("priority", "4"),
            ("tags", "x"),
        ]
    );
}

#[test]
fn nothing_of_a_plan_or_an_agent_means_anything_to_a_service() {
    let alert = one(
        "T1 failed\r\nX-Injected: 1 🌊",
        "<!channel> @everyone *b* \u{1b}[31mred\u{202e} with correct horse battery\nsk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD",
    );
    for (_, form) in AlertForm::WORDS {
        let (outgoing, _) = sent(form, &alert);
        assert!(
            !outgoing.body.contains("correct horse") && !outgoing.body.contains("sk-proj-abcdefghij"),
            "{form:?}"
        );
        assert!(!outgoing.body.contains('\u{202e}') && !outgoing.body.contains("[31m"), "{form:?}");
        for (name, value) in &outgoing.headers {
            assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{form:?} {name}: {value:?}");
        }
    }
    let slack = sent(AlertForm::Slack, &alert).1;
    assert!(slack["text"].as_str().unwrap().contains("&lt;!channel&gt;"));
    let ntfy = sent(AlertForm::Ntfy, &alert).0;
    let title = ntfy.headers.iter().find(|(name, _)| *name == "title").unwrap();
    assert_eq!(title.1, "=?UTF-8?B?VDEgZmFpbGVkIFgtSW5qZWN0ZWQ6IDEg8J+Mig==?=");
}

#[test]
fn texts_are_cut_to_what_a_service_takes() {
    let alert = one(&"🌊 title ".repeat(900), &"žluťoučký 🌊 <&> ".repeat(9_000));
    assert!(alert.title.chars().count() <= 200 && alert.text.chars().count() <= 4_000);
    let length = |value: &serde_json::Value| value.as_str().unwrap().encode_utf16().count();
    assert!(length(&sent(AlertForm::Discord, &alert).1["content"]) <= 2_000);
    assert!(length(&sent(AlertForm::Telegram, &alert).1["text"]) <= 4_096);
    assert!(length(&sent(AlertForm::Slack, &alert).1["text"]) <= 40_000);
    assert!(sent(AlertForm::Ntfy, &alert).0.body.len() <= 4_096);
}

#[test]
fn what_happens_together_is_one_message_led_by_what_matters_most() {
    let mut batch = Batch::new(run());
    for seq in 1..=3 {
        let title = format!("T{seq} failed");
        batch.add(AlertKind::TaskFailed, happening(AlertKind::TaskFailed, seq, &title, "x"), &counts());
    }
    assert_eq!(batch.alert(&Masker::default()).unwrap().title, "3 tasks failed");
    for seq in 4..=40 {
        let title = format!("T{seq} failed");
        batch.add(AlertKind::TaskFailed, happening(AlertKind::TaskFailed, seq, &title, "x"), &counts());
    }
    batch.add(
        AlertKind::RunEnded,
        happening(AlertKind::RunEnded, 41, "the run failed", "40 failed"),
        &counts(),
    );
    let alert = batch.alert(&Masker::default()).unwrap();
    assert_eq!((alert.kind, alert.title.as_str()), (AlertKind::RunEnded, "the run failed (and 40 more)"));
    assert_eq!((alert.also.len(), alert.more, batch.through), (9, 31, 41));
    assert!(alert.text.starts_with("the run failed\n40 failed\n· T1 failed\n"), "{}", alert.text);
    assert!(alert.text.ends_with("\nand 31 more"), "{}", alert.text);
}
