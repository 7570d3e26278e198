//! Agents' reports as they are found in a server.

use std::collections::BTreeMap;

use super::*;
use crate::model::ids::{AttemptKey, TaskId};
use crate::store::shared::redis::reports::Reports;

const TTL: Duration = Duration::from_hours(1);
const LIMIT: usize = crate::schema::MAX_REPORT_BYTES;

fn key(task: &str, attempt: u32) -> AttemptKey {
    AttemptKey::new(TaskId::new(task), attempt)
}

/// Asks for a last look at these attempts and waits for the answers.
#[expect(clippy::disallowed_methods, reason = "a bound for what has to come")]
fn last_looks(reports: &Reports, keys: &[AttemptKey]) -> BTreeMap<AttemptKey, Option<Vec<u8>>> {
    assert!(keys.iter().all(|key| reports.last(key)));
    let (begun, mut texts, mut done) = (std::time::Instant::now(), BTreeMap::new(), 0);
    while done < keys.len() {
        assert!(begun.elapsed() < SOON, "no answer");
        for found in reports.found() {
            done += usize::from(found.last);
            let text: &mut Option<Vec<u8>> = texts.entry(found.key).or_default();
            *text = found.text.or_else(|| text.take());
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    texts
}

#[test]
fn what_was_left_is_taken_away_and_what_an_agent_was_quick_to_say_stays() {
    let Some(server) = RedisServer::start() else { return };
    let own = r#"{"run_id":"R1","attempt":2}"#;
    let keys = ["own", "earlier", "stranger", "odd", "list", "none"];
    server.say(&["SET", "own", own]);
    server.say(&["SET", "earlier", r#"{"run_id":"R1","attempt":1}"#]);
    server.say(&["SET", "stranger", r#"{"run_id":"R2","attempt":2}"#]);
    server.say(&["SET", "odd", "[[1]"]);
    server.say(&["RPUSH", "list", "x"]);
    let reports = Reports::begin(address(&server), TTL, RunId("R1".to_owned()), 1).unwrap();
    let attempts = keys.map(|name| key(name, 2));
    for attempt in &attempts {
        reports.watch(attempt.clone(), attempt.task.as_str().to_owned(), true);
    }
    let texts = last_looks(&reports, &attempts);
    assert_eq!(texts[&attempts[0]].as_deref(), Some(own.as_bytes()));
    assert!(attempts[1..].iter().all(|attempt| texts[attempt].is_none()), "{texts:?}");
    assert_eq!(server.say(&["EXISTS", "own", "earlier", "stranger", "odd", "list"]), ":1\r\n");
    reports.stop();
}

#[test]
fn anything_may_be_there_and_no_more_than_a_report_is_read_of_it() {
    let Some(server) = RedisServer::start() else { return };
    let reports = Reports::begin(address(&server), TTL, RunId("R1".to_owned()), 1).unwrap();
    let attempts = ["big", "list", "bytes"].map(|name| key(name, 1));
    for attempt in &attempts {
        reports.watch(attempt.clone(), attempt.task.as_str().to_owned(), false);
    }
    server.say(&["SETRANGE", "big", "100000000", "x"]);
    server.say(&["RPUSH", "list", "x"]);
    server.say(&["SET", "bytes", "\u{1b}[2J"]);
    let texts = last_looks(&reports, &attempts);
    assert_eq!(texts[&attempts[0]].as_ref().map(Vec::len), Some(LIMIT + 1));
    assert_eq!(texts[&attempts[1]], None);
    assert_eq!(texts[&attempts[2]].as_deref(), Some(&b"\x1b[2J"[..]));
    // What somebody put there without a time goes some day.
    assert!(!server.say(&["PTTL", "bytes"]).starts_with(":-"));
    reports.stop();
}

#[test]
fn a_server_that_comes_back_is_looked_at_again() {
    let Some(mut server) = RedisServer::start() else { return };
    let reports = Reports::begin(address(&server), TTL, RunId("R1".to_owned()), 1).unwrap();
    let attempts = ["a", "b"].map(|name| key(name, 1));
    for attempt in &attempts {
        reports.watch(attempt.clone(), attempt.task.as_str().to_owned(), false);
    }
    server.kill();
    // It is found out by a look: who asked before is told that there is nothing, who asks after is refused.
    while reports.last(&attempts[0]) {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert!(reports.found().iter().all(|found| found.text.is_none()));
    server.start_again();
    server.say(&["SET", "b", "back"]);
    let begun = server_time(&server);
    let text = loop {
        if let Some(found) = reports.found().pop() {
            break found.text;
        }
        assert!(server_time(&server).since(begun) < SOON, "it is not looked at");
    };
    assert_eq!(text.as_deref(), Some(&b"back"[..]));
    reports.stop();
}
