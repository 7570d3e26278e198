//! Recordings of the real programs, read line by line. What each has to be read as is a table:
//! `tests/fixtures/transcripts/expected.tsv`.

use std::path::{Path, PathBuf};

use orchestrate::agents;
use orchestrate::model::failure::FailureKind;
use orchestrate::model::outcome::{Ending, Outcome, StopReason};
use orchestrate::model::reading::{LineNews, Reading, Stream};

use crate::sample;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/transcripts")
}

/// One line of the table.
#[derive(Debug)]
struct Expected<'a> {
    cli: &'a str,
    scenario: &'a str,
    ending: &'a str,
    stopped: &'a str,
    kind: &'a str,
    proper_end: &'a str,
    tokens: &'a str,
    turns: &'a str,
    session: &'a str,
}

impl<'a> Expected<'a> {
    fn parse(line: &'a str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        let [cli, scenario, ending, stopped, kind, proper_end, tokens, turns, session] = columns[..] else {
            panic!("a line of the table has nine columns: {line}");
        };
        Self { cli, scenario, ending, stopped, kind, proper_end, tokens, turns, session }
    }

    fn outcome(&self) -> Outcome {
        let (how, number) = self.ending.split_once(':').expect("how and a number");
        let number = number.parse().expect("a number");
        Outcome {
            ending: if how == "exit" {
                Ending::Exited { code: number }
            } else {
                Ending::Killed { signal: number }
            },
            stopped: match self.stopped {
                "-" => None,
                "idle" => Some(StopReason::Idle),
                "deadline" => Some(StopReason::Deadline),
                "requested" => Some(StopReason::Requested),
                "hopeless" => Some(StopReason::Hopeless { seen: String::new() }),
                other => panic!("`{other}` is no reason for a stop"),
            },
            left_behind: 0,
            wall_ms: 1,
        }
    }

    fn stream(&self, ending: &str) -> Vec<u8> {
        // A stream without a file was empty.
        std::fs::read(folder().join(self.cli).join(format!("{}.{ending}", self.scenario))).unwrap_or_default()
    }

    /// What was read, and the lines at which the reader gave up.
    fn read(&self, cut_at: usize) -> (Reading, Vec<String>) {
        let mut reader = agents::reader(&sample::agent(self.cli), Some("local"));
        assert!(reader.wants_lines());
        let mut hopeless = Vec::new();
        for (stream, name) in [(Stream::Stderr, "stderr"), (Stream::Stdout, "stdout")] {
            for line in self.stream(name).split(|&byte| byte == b'\n') {
                let line = &line[..line.len().min(cut_at)];
                if let Some(LineNews::Hopeless(seen)) = reader.line(stream, line) {
                    hopeless.push(seen);
                }
            }
        }
        (reader.finish(&self.outcome()), hopeless)
    }
}

fn table() -> String {
    std::fs::read_to_string(folder().join("expected.tsv")).expect("the table of expectations")
}

fn rows(table: &str) -> Vec<Expected<'_>> {
    table.lines().filter(|line| !line.starts_with('#')).map(Expected::parse).collect()
}

fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[test]
fn every_recording_is_read_as_the_table_says() {
    let table = table();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for row in rows(&table) {
        seen += 1;
        let (reading, hopeless) = row.read(usize::MAX);
        let found = [
            ("kind", row.kind, or_dash(reading.terminal_error.as_ref().map(|sign| sign.kind))),
            (
                "proper_end",
                row.proper_end,
                if reading.proper_end == Some(true) { "yes" } else { "no" }.to_owned(),
            ),
            (
                "tokens",
                row.tokens,
                or_dash(reading.tokens.map(|tokens| format!("{}+{}", tokens.input, tokens.output))),
            ),
            ("turns", row.turns, or_dash(reading.turns)),
            ("session", row.session, or_dash(reading.session_id)),
            ("hopeless", if row.stopped == "hopeless" { "1" } else { "0" }, hopeless.len().to_string()),
        ];
        for (what, expected, found) in found {
            if expected != found {
                wrong.push(format!("{} {}: {what} is {found}, not {expected}", row.cli, row.scenario));
            }
        }
        // No recording had a price, and no program tells which model answered.
        assert_eq!((reading.cost_usd, reading.model_answered), (None, None));
        if let Some(sign) = &reading.terminal_error {
            assert!(!sign.message.is_empty() && !sign.message.contains('\n'), "{}", row.scenario);
        }
    }
    assert!(seen > 150, "the table has only {seen} lines");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_recording_is_in_the_table() {
    let table = table();
    let rows = rows(&table);
    for cli in ["kilo", "opencode", "cline"] {
        for entry in std::fs::read_dir(folder().join(cli)).expect("a folder of recordings") {
            let path = entry.expect("an entry").path();
            let scenario = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let known = rows.iter().any(|row| row.cli == cli && row.scenario == scenario);
            assert!(known, "{} is in no line of the table", path.display());
        }
    }
}

#[test]
fn readers_survive_lines_cut_anywhere_and_other_peoples_bytes() {
    let table = table();
    for row in rows(&table) {
        for cut_at in [0, 1, 17, 120, 400] {
            let (reading, _) = row.read(cut_at);
            assert!(reading.notes.len() <= 8);
        }
        let mut reader = agents::reader(&sample::agent(row.cli), None);
        for line in [
            &b""[..],
            b"\xff\xfe\x00",
            b"{}",
            b"[1,2]",
            b"null",
            b"{\"type\":7}",
            b"{\"type\":\"error\"}",
            b"{\"type\":\"step_finish\"}",
            b"{\"type\":\"agent_event\"}",
            b"{\"type\":\"agent_event\",\"event\":{\"type\":\"error\"}}",
        ] {
            for stream in [Stream::Stdout, Stream::Stderr] {
                assert!(!matches!(reader.line(stream, line), Some(LineNews::Hopeless(_))));
            }
        }
        assert!(reader.finish(&row.outcome()).notes.len() <= 8);
    }
}

#[test]
fn what_was_told_about_a_rate_limit_is_kept() {
    let table = table();
    let rows = rows(&table);
    let sign = |cli: &str, scenario: &str| {
        let row = rows.iter().find(|row| row.cli == cli && row.scenario == scenario).expect("a recording");
        row.read(usize::MAX).0.terminal_error.expect("an error")
    };
    for cli in ["kilo", "opencode"] {
        let with_header = sign(cli, "rate-limited");
        assert_eq!((with_header.status, with_header.retry_after_s), (Some(429), Some(1)));
        assert_eq!(sign(cli, "rate-limited-no-header").retry_after_s, None);
        assert!(with_header.message.contains("Rate limit reached for requests."));
    }
    assert!(sign("kilo", "unknown-model").message.contains("Model not found: local/nope."));
    assert!(sign("cline", "at-mention-silent-exit").message.contains("`@`"));
}

#[test]
fn what_an_agent_is_doing_is_told_in_a_few_words() {
    let doing = |cli: &str, scenario: &str| {
        let table = table();
        let rows = rows(&table);
        let row = rows.iter().find(|row| row.cli == cli && row.scenario == scenario).expect("a recording");
        let mut reader = agents::reader(&sample::agent(cli), None);
        let lines = row.stream("stdout");
        let mut words: Vec<String> = Vec::new();
        for line in lines.split(|&byte| byte == b'\n') {
            if let Some(LineNews::Doing(doing)) = reader.line(Stream::Stdout, line)
                && words.last() != Some(&doing)
            {
                words.push(doing);
            }
        }
        (words, reader.finish(&row.outcome()).last_words)
    };
    let done = Some("Done.".to_owned());
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    assert_eq!(
        doing("opencode", "ok-writer"),
        (words(&["thinking", "write hello.txt", "thinking"]), done.clone())
    );
    assert_eq!(
        doing("kilo", "ok-writer"),
        (words(&["thinking", "write hello.txt", "thinking"]), done.clone())
    );
    assert_eq!(doing("cline", "ok-writer"), (words(&["thinking", "edit hello.txt", "thinking"]), done));
    assert_eq!(doing("cline", "signal-int").0, ["thinking", "bash sleep 1000"]);
    assert!(doing("opencode", "bash-fails").0.iter().any(|words| words.starts_with("bash ")));
}

#[test]
fn equal_tool_calls_without_end_are_hopeless_and_different_ones_are_not() {
    let event = |output: &str| {
        format!(
            r#"{{"type":"tool_use","sessionID":"s","part":{{"tool":"bash","state":{{"status":"completed","input":{{"command":"true"}},"output":"{output}"}}}}}}"#
        )
    };
    let hopeless_after = |mut outputs: std::vec::IntoIter<String>| {
        let mut reader = agents::reader(&sample::agent("opencode"), None);
        outputs.position(|output| {
            matches!(reader.line(Stream::Stdout, event(&output).as_bytes()), Some(LineNews::Hopeless(_)))
        })
    };
    assert_eq!(hopeless_after(vec!["same".to_owned(); 100].into_iter()), Some(29));
    assert_eq!(
        hopeless_after((0..100).map(|turn| format!("turn {turn}")).collect::<Vec<_>>().into_iter()),
        None
    );
}

#[test]
fn a_loop_at_which_cline_stops_itself_is_a_stall() {
    let lines = [
        r#"{"ts":"","type":"agent_event","event":{"type":"error","error":{"name":"Error","message":"Detected 5 consecutive identical calls to `run_commands`; stopping to avoid a loop."},"recoverable":true}}"#,
        r#"{"ts":"","type":"run_result","finishReason":"aborted","text":"","iterations":5}"#,
        r#"{"ts":"","type":"run_aborted","reason":"external_abort","message":"aborted by another client"}"#,
    ];
    let mut reader = agents::reader(&sample::agent("cline"), None);
    for line in lines {
        assert!(!matches!(reader.line(Stream::Stdout, line.as_bytes()), Some(LineNews::Hopeless(_))));
    }
    let ended = Outcome { ending: Ending::Exited { code: 0 }, stopped: None, left_behind: 0, wall_ms: 1 };
    let reading = reader.finish(&ended);
    let sign = reading.terminal_error.expect("an error");
    assert_eq!((sign.kind, reading.proper_end), (FailureKind::Stalled, Some(false)));
    assert!(sign.message.contains("consecutive identical calls"), "{}", sign.message);
}

#[test]
fn words_in_an_agents_talk_are_no_evidence() {
    let talk = "429 Too Many Requests, rate limit, unauthorized, insufficient_quota";
    let opencode = [
        r#"{"type":"step_start","part":{}}"#.to_owned(),
        format!(r#"{{"type":"text","part":{{"text":"{talk}"}}}}"#),
        r#"{"type":"step_finish","part":{"reason":"stop","cost":0,"tokens":{"input":1,"output":1}}}"#
            .to_owned(),
    ];
    let cline = [
        format!(
            r#"{{"ts":"","type":"agent_event","event":{{"type":"content_end","contentType":"text","text":"{talk}"}}}}"#
        ),
        format!(r#"{{"ts":"","type":"run_result","finishReason":"completed","text":"{talk}"}}"#),
    ];
    let ended = Outcome { ending: Ending::Exited { code: 0 }, stopped: None, left_behind: 0, wall_ms: 1 };
    for (name, lines) in [("kilo", &opencode[..]), ("opencode", &opencode[..]), ("cline", &cline[..])] {
        let mut reader = agents::reader(&sample::agent(name), None);
        for line in lines {
            assert!(!matches!(reader.line(Stream::Stdout, line.as_bytes()), Some(LineNews::Hopeless(_))));
        }
        assert_eq!(reader.line(Stream::Stderr, talk.as_bytes()), None);
        let reading = reader.finish(&ended);
        assert_eq!((reading.terminal_error, reading.proper_end), (None, Some(true)), "{name}");
        assert_eq!(reading.last_words.as_deref(), Some(talk), "{name}");
    }
}

#[test]
fn prices_that_are_known_are_summed() {
    let mut reader = agents::reader(&sample::agent("opencode"), None);
    for _ in 0..2 {
        let step = r#"{"type":"step_finish","part":{"reason":"tool-calls","cost":0.0005,"tokens":{"total":1250,"input":900,"output":30,"reasoning":20,"cache":{"read":200,"write":100}}}}"#;
        assert_eq!(reader.line(Stream::Stdout, step.as_bytes()), None);
    }
    let ended = Outcome { ending: Ending::Exited { code: 0 }, stopped: None, left_behind: 0, wall_ms: 1 };
    let reading = reader.finish(&ended);
    let tokens = reading.tokens.expect("tokens");
    assert_eq!((tokens.input, tokens.output, reading.turns), (2_400, 100, Some(2)));
    assert!((reading.cost_usd.expect("a price") - 0.001).abs() < 1e-9);
}
