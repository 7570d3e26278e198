//! Agents that are described by data alone: what is read of their output, and what is not.

use orchestrate::agents::{self, presets};
use orchestrate::model::agent::AgentSpec;
use orchestrate::model::failure::FailureKind;
use orchestrate::model::limits::Peaks;
use orchestrate::model::outcome::{Ending, Outcome, StopReason};
use orchestrate::model::reading::{LineNews, Reading, SignSource, Stream, Tokens, Usage};
use proptest::prelude::{any, prop_assert, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy as _};
use serde_json::{Value, json};

/// An agent with these signs and rules.
fn agent(signs: &Value, events: &Value) -> AgentSpec {
    AgentSpec {
        name: "mine".to_owned(),
        signs: serde_json::from_value(signs.clone()).expect("signs"),
        events: serde_json::from_value(events.clone()).expect("rules"),
        ..AgentSpec::default()
    }
}

fn exited(code: i32) -> Outcome {
    Outcome {
        ending: Ending::Exited { code },
        stopped: None,
        left_behind: 0,
        wall_ms: 1,
        peaks: Peaks::default(),
    }
}

fn stopped(reason: StopReason) -> Outcome {
    Outcome { stopped: Some(reason), ..exited(143) }
}

/// What is read of lines on standard output, those with a leading `!` on standard error.
fn read(agent: &AgentSpec, lines: &[impl AsRef<str>], outcome: &Outcome) -> (Reading, Vec<LineNews>) {
    let mut reader = agents::reader(agent, None);
    let mut news = Vec::new();
    for line in lines {
        let line = line.as_ref();
        let (stream, line) =
            line.strip_prefix('!').map_or((Stream::Stdout, line), |line| (Stream::Stderr, line));
        news.extend(reader.line(stream, line.as_bytes()));
    }
    (reader.finish(outcome), news)
}

fn kind(reading: &Reading) -> Option<FailureKind> {
    reading.terminal_error.as_ref().map(|sign| sign.kind)
}

fn preset(name: &str) -> AgentSpec {
    presets::builtin().into_iter().find(|agent| agent.name == name).expect("a preset")
}

fn rules() -> Value {
    json!({
        "session": { "path": ["session"] },
        "model": { "path": ["model"], "when": { "type": "answer" } },
        "turns": { "path": ["turns"] },
        "doing": { "path": ["tool", "input.0"], "when": { "type": "tool" } },
        "text": { "path": ["text"], "when": { "type": "answer" } },
        "tokens": { "input": ["used.in", "used.cached"], "output": ["used.out"], "sum": true },
        "cost": { "path": ["usd"], "sum": true },
        "errors": [
            { "when": { "type": "error" }, "message": ["error.message"], "status": "error.status",
              "retry_after": "error.after" },
            { "when": { "type": "retry" }, "message": ["why"], "status": "status", "recoverable": true },
            { "when": { "type": "limit" }, "kind": "exited" }
        ],
        "done": { "when": { "type": "end", "ok": true } }
    })
}

#[test]
fn fields_are_read_where_the_rules_say() {
    let agent = agent(&json!([]), &rules());
    assert!(agents::reader(&agent, None).wants_lines());
    let lines = [
        r#"{"type":"begin","session":"s-1"}"#,
        r#"{"type":"tool","tool":"edit","input":["src/a.rs"]}"#,
        r#"{"type":"answer","model":"m-1","text":"one","used":{"in":3,"cached":2,"out":4},"usd":0.5}"#,
        "a line of another kind",
        r#"{"type":"answer","model":"m-1","text":"two\nthree","used":{"in":1},"usd":0.25,"turns":2}"#,
        r#"{"type":"end","ok":true}"#,
    ];
    let (reading, news) = read(&agent, &lines, &exited(0));
    assert_eq!(news, [LineNews::Doing("edit src/a.rs".to_owned())]);
    assert_eq!(reading.session_id.as_deref(), Some("s-1"));
    assert_eq!(reading.model_answered.as_deref(), Some("m-1"));
    assert_eq!(reading.tokens.map(|tokens| (tokens.input, tokens.output)), Some((6, 4)));
    assert_eq!(reading.cost_usd, Some(0.75));
    assert_eq!((reading.turns, reading.proper_end), (Some(2), Some(true)));
    assert_eq!(reading.last_words.as_deref(), Some("two\nthree"));
    assert_eq!((kind(&reading), reading.notes.len()), (None, 0));
}

#[test]
fn what_is_used_is_known_while_it_runs() {
    let mut reader = agents::reader(&agent(&json!([]), &rules()), None);
    assert_eq!(reader.usage(), Usage::default());
    let answer = r#"{"type":"answer","model":"m-1","text":"x","used":{"in":3,"out":4},"usd":0.5,"turns":1}"#;
    reader.line(Stream::Stdout, answer.as_bytes());
    let once = Usage {
        tokens: Some(Tokens { input: 3, output: 4 }),
        cost_usd: Some(0.5),
        requests: 1,
        model: Some("m-1".to_owned()),
    };
    assert_eq!(reader.usage(), once);
    reader.line(Stream::Stdout, br#"{"type":"answer","used":{"in":1},"usd":0.25,"turns":2}"#);
    let twice =
        Usage { tokens: Some(Tokens { input: 4, output: 4 }), cost_usd: Some(0.75), requests: 2, ..once };
    assert_eq!(reader.usage(), twice);
    let reading = reader.finish(&exited(0));
    assert_eq!((reading.tokens, reading.cost_usd), (twice.tokens, twice.cost_usd));
}

#[test]
fn errors_get_their_kind_from_what_says_most() {
    let signs = json!([{ "pattern": "try later \\((?<retry_after>\\d+)\\)", "kind": "overloaded" }]);
    let agent = agent(&signs, &rules());
    let error = |error: Value| {
        let (reading, _) =
            read(&agent, &[json!({ "type": "error", "error": error }).to_string()], &exited(0));
        assert_eq!(reading.proper_end, Some(false));
        reading.terminal_error.expect("an error")
    };
    for (told, expected) in [
        (json!({ "status": 429, "message": "busy" }), FailureKind::RateLimited),
        (json!({ "status": "401", "message": "rate limit" }), FailureKind::NotLoggedIn),
        (json!({ "status": 429, "message": "insufficient_quota" }), FailureKind::OutOfCredits),
        (json!({ "status": 200, "message": "try later (9), rate limit" }), FailureKind::Overloaded),
        (json!({ "message": "Rate limit reached" }), FailureKind::RateLimited),
        (json!({ "message": "odd" }), FailureKind::Exited),
        (json!({ "message": { "odd": 1 } }), FailureKind::Exited),
        (Value::Null, FailureKind::Exited),
    ] {
        assert_eq!(error(told.clone()).kind, expected, "{told}");
    }
    let sign = error(json!({ "status": 503, "message": "try later (9)" }));
    assert_eq!((sign.source, sign.status, sign.retry_after_s), (SignSource::Event, Some(503), Some(9)));
    assert_eq!(error(json!({ "after": 2.5, "message": "try later (9)" })).retry_after_s, Some(3));
    let (reading, _) = read(&agent, &[r#"{"type":"limit","why":"rate limit"}"#], &exited(0));
    assert_eq!(kind(&reading), Some(FailureKind::Exited), "a rule's own kind comes first");
}

#[test]
fn what_a_program_got_over_is_a_note() {
    let agent = agent(&json!([]), &rules());
    let retry = r#"{"type":"retry","status":429,"why":"slow down"}"#;
    let answer = r#"{"type":"answer","text":"here"}"#;
    let end = r#"{"type":"end","ok":true}"#;
    let error = r#"{"type":"error","error":{"message":"connection reset"}}"#;
    let ended = |lines: &[&str], outcome: &Outcome| {
        let (reading, _) = read(&agent, lines, outcome);
        (kind(&reading), reading.notes.iter().map(|sign| sign.kind).collect::<Vec<_>>())
    };
    let limited = FailureKind::RateLimited;
    assert_eq!(ended(&[retry, answer, end], &exited(0)), (None, vec![limited]));
    assert_eq!(ended(&[retry, end], &exited(0)), (None, vec![limited]));
    assert_eq!(ended(&[retry, answer], &exited(1)), (None, vec![limited]));
    assert_eq!(ended(&[retry], &exited(1)), (Some(limited), vec![]));
    assert_eq!(ended(&[retry], &exited(0)), (Some(limited), vec![]), "no proper end");
    assert_eq!(ended(&[retry], &stopped(StopReason::Idle)), (Some(limited), vec![]));
    assert_eq!(ended(&[retry], &stopped(StopReason::Requested)), (None, vec![limited]));
    assert_eq!(ended(&[error, end], &exited(0)), (None, vec![FailureKind::ProviderUnreachable]));
    assert_eq!(ended(&[error, answer], &exited(0)), (Some(FailureKind::ProviderUnreachable), vec![]));
    assert_eq!(ended(&[end, error], &exited(0)), (Some(FailureKind::ProviderUnreachable), vec![]));
}

#[test]
fn refusals_without_end_are_hopeless() {
    let agent = agent(&json!([]), &rules());
    let retry = r#"{"type":"retry","status":429,"why":"slow down"}"#;
    let (_, news) = read(&agent, &[retry, retry, r#"{"type":"answer","text":"x"}"#, retry], &exited(0));
    assert_eq!(news, []);
    let hopeless = stopped(StopReason::Hopeless { seen: String::new() });
    let (reading, news) = read(&agent, &[retry; 4], &hopeless);
    assert_eq!(news, [LineNews::Hopeless("rate_limited: 3 times in a row: slow down".to_owned())]);
    assert_eq!(kind(&reading), Some(FailureKind::RateLimited));
}

#[test]
fn words_of_the_model_are_no_evidence() {
    let signs = json!([
        { "pattern": "rate limit|quota", "kind": "rate_limited", "stream": "stdout", "also_on_success": true },
        { "pattern": "rate limit|quota", "kind": "rate_limited" },
    ]);
    let agent = agent(&signs, &rules());
    let talk = "HTTP 429 rate limit, quota exceeded";
    for cut in [false, true] {
        let mut line = json!({ "type": "answer", "text": talk, "more": "x" }).to_string();
        line.truncate(if cut { line.len() - 3 } else { line.len() });
        let (reading, _) = read(&agent, &[line], &exited(1));
        assert_eq!(kind(&reading), None, "cut: {cut}");
    }
    let (reading, _) = read(&agent, &[talk], &exited(0));
    let sign = reading.terminal_error.expect("a line outside of records counts");
    assert_eq!((sign.kind, sign.source), (FailureKind::RateLimited, SignSource::Exit));
    assert_eq!(kind(&read(&agent, &[format!("!{talk}")], &exited(0)).0), None);
    assert_eq!(
        kind(&read(&agent, &[format!("!\u{1b}[31m{talk}")], &exited(1)).0),
        Some(FailureKind::RateLimited)
    );
}

#[test]
fn a_program_without_rules_is_read_as_text() {
    let mine = agent(&json!([{ "pattern": "no key", "kind": "not_logged_in" }]), &Value::Null);
    assert!(!agents::reader(&mine, None).wants_lines());
    let (reading, news) = read(&mine, &[r#"{"type":"error"}"#, "!no key here"], &exited(1));
    assert_eq!((kind(&reading), news.len()), (Some(FailureKind::NotLoggedIn), 0));
    assert_eq!((reading.proper_end, reading.turns), (None, None));
    assert_eq!(reading.last_words.as_deref(), Some(r#"{"type":"error"}"#));
}

#[test]
fn text_in_pieces_is_joined() {
    let gemini = preset("gemini");
    let piece =
        |text: &str| json!({ "type": "message", "role": "assistant", "content": text, "delta": true });
    let lines = [
        json!({ "type": "message", "role": "user", "content": "the prompt" }),
        piece("first"),
        json!({ "type": "tool_use", "tool_name": "shell", "parameters": { "command": "ls" } }),
        piece("All is "),
        piece("done"),
        json!({ "type": "result", "status": "success", "stats": { "input_tokens": 5, "output_tokens": 2 } }),
    ]
    .map(|record| record.to_string());
    let (reading, news) = read(&gemini, &lines, &exited(0));
    assert_eq!(reading.last_words.as_deref(), Some("All is done"));
    assert_eq!(news, [LineNews::Doing("shell ls".to_owned())]);
    assert_eq!(reading.tokens.map(Tokens::total), Some(7));
    assert_eq!(reading.proper_end, Some(true));
}

#[test]
fn presets_know_how_their_programs_fail() {
    for (name, lines, expected) in [
        (
            "gemini",
            vec![
                json!({ "type": "result", "status": "error", "error": { "type": "x", "message": "RESOURCE_EXHAUSTED" } }),
            ],
            FailureKind::RateLimited,
        ),
        (
            "claude",
            vec![
                json!({ "type": "result", "subtype": "success", "is_error": true, "result": "Credit balance is too low" }),
            ],
            FailureKind::OutOfCredits,
        ),
        (
            "claude",
            vec![json!({ "type": "result", "subtype": "error_max_turns", "is_error": false })],
            FailureKind::Exited,
        ),
        (
            "codex",
            vec![
                json!({ "type": "thread.started", "thread_id": "t" }),
                json!({ "type": "error", "message": "401 Unauthorized" }),
                json!({ "type": "turn.failed", "error": { "message": "401 Unauthorized" } }),
            ],
            FailureKind::NotLoggedIn,
        ),
    ] {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        let (reading, _) = read(&preset(name), &lines, &exited(0));
        assert_eq!(kind(&reading), Some(expected), "{name}: {lines:?}");
        assert_eq!(reading.proper_end, Some(false), "{name}");
    }
    let lines = [
        json!({ "type": "thread.started", "thread_id": "t-1" }),
        json!({ "type": "error", "message": "Reconnecting... 1/5" }),
        json!({ "type": "item.completed", "item": { "type": "agent_message", "text": "rate limit fixed" } }),
        json!({ "type": "turn.completed", "usage": { "input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 3 } }),
    ]
    .map(|record| record.to_string());
    let (reading, _) = read(&preset("codex"), &lines, &exited(0));
    assert_eq!((kind(&reading), reading.notes.len(), reading.proper_end), (None, 1, Some(true)));
    assert_eq!(reading.tokens.map(|tokens| (tokens.input, tokens.output)), Some((10, 3)));
    assert_eq!(reading.session_id.as_deref(), Some("t-1"));
}

#[test]
fn endless_output_leaves_little() {
    let agent = agent(
        &json!([{ "pattern": "limit", "kind": "rate_limited", "stream": "stdout" }]),
        &json!({ "text": { "path": ["t"], "join": true }, "session": { "path": ["s"] },
            "errors": [{ "when": { "e": true } }, { "when": { "e": false }, "recoverable": true }] }),
    );
    let long = "limit ž".repeat(20_000);
    let mut lines = Vec::new();
    for _ in 0..40 {
        lines.push(json!({ "t": long, "s": long }).to_string());
        lines.push(json!({ "e": true, "x": long }).to_string());
        lines.push(json!({ "e": false, "x": long }).to_string());
        lines.push(long.clone());
    }
    let (reading, _) = read(&agent, &lines, &exited(1));
    let size = serde_json::to_vec(&reading).expect("a reading").len();
    assert!(size < 40_000, "{size} bytes");
}

proptest! {
    #[test]
    fn no_output_is_too_odd(
        lines in proptest::collection::vec(
            (any::<bool>(), prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                any::<String>().prop_map(String::into_bytes),
                Just(br#"{"type":"retry","status":429}"#.to_vec()),
                Just(br#"{"type":"error","error":{"status":1e9,"after":-1,"message":[]}}"#.to_vec()),
                Just(br#"{"type":"answer","text":"a","used":{"in":18446744073709551615,"out":-4},"usd":1e308}"#.to_vec()),
                Just(br#"{"type":"end","ok":true}"#.to_vec()),
                Just(br#"{"type":"tool","tool":{"a":"#.to_vec()),
            ]),
            0..40,
        ),
        code in 0..2_i32,
    ) {
        let agent = agent(&json!([{ "pattern": "\\d{3}", "kind": "overloaded", "also_on_success": true }]), &rules());
        let mut reader = agents::reader(&agent, None);
        for (on_stdout, line) in &lines {
            drop(reader.line(if *on_stdout { Stream::Stdout } else { Stream::Stderr }, line));
        }
        let reading = reader.finish(&exited(code));
        prop_assert!(reading.cost_usd.is_none_or(f64::is_finite));
        prop_assert!(reading.notes.len() <= 8);
        prop_assert!(reading.proper_end == Some(false) || reading.terminal_error.is_none());
        prop_assert!(serde_json::to_vec(&reading).is_ok_and(|bytes| bytes.len() < 40_000));
    }
}
