//! Recordings of the real programs, read line by line. What each has to be read as is a table:
//! `tests/fixtures/transcripts/expected.tsv`.

use std::path::{Path, PathBuf};

use orchestrate::agents;
use orchestrate::model::failure::FailureKind;
use orchestrate::model::limits::Peaks;
use orchestrate::model::outcome::{Ending, Outcome, StopReason};
use orchestrate::model::reading::{LineNews, Reading, Stream, Usage};

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
            peaks: Peaks::default(),
        }
    }

    fn stream(&self, ending: &str) -> Vec<u8> {
        // A stream without a file was empty.
        std::fs::read(folder().join(self.cli).join(format!("{}.{ending}", self.scenario))).unwrap_or_default()
    }

    /// What was read, and the lines at which the reader gave up.
    fn read(&self, cut_at: usize) -> (Reading, Vec<String>) {
        self.read_watched(cut_at, |_| {})
    }

    /// The same; `watch` is shown what was used after each line.
    fn read_watched(&self, cut_at: usize, mut watch: impl FnMut(Usage)) -> (Reading, Vec<String>) {
        let mut reader = agents::reader(&sample::agent(self.cli), Some("local"));
        assert!(reader.wants_lines());
        let mut hopeless = Vec::new();
        for (stream, name) in [(Stream::Stderr, "stderr"), (Stream::Stdout, "stdout")] {
            for line in self.stream(name).split(|&byte| byte == b'\n') {
                let line = &line[..line.len().min(cut_at)];
                if let Some(LineNews::Hopeless(seen)) = reader.line(stream, line) {
                    hopeless.push(seen);
                }
                watch(reader.usage());
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
    let ended = Outcome {
        ending: Ending::Exited { code: 0 },
        stopped: None,
        left_behind: 0,
        wall_ms: 1,
        peaks: Peaks::default(),
    };
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
    let ended = Outcome {
        ending: Ending::Exited { code: 0 },
        stopped: None,
        left_behind: 0,
        wall_ms: 1,
        peaks: Peaks::default(),
    };
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
    let ended = Outcome {
        ending: Ending::Exited { code: 0 },
        stopped: None,
        left_behind: 0,
        wall_ms: 1,
        peaks: Peaks::default(),
    };
    let reading = reader.finish(&ended);
    let tokens = reading.tokens.expect("tokens");
    assert_eq!((tokens.input, tokens.output, reading.turns), (2_400, 100, Some(2)));
    assert!((reading.cost_usd.expect("a price") - 0.001).abs() < 1e-9);
}

const EXIT_0: Outcome = ended(0);
const EXIT_1: Outcome = ended(1);

const fn ended(code: i32) -> Outcome {
    Outcome {
        ending: Ending::Exited { code },
        stopped: None,
        left_behind: 0,
        wall_ms: 1,
        peaks: Peaks { memory_bytes: None, processes: None },
    }
}

/// What a reader makes of lines of standard output and then of standard error.
fn read(name: &str, stdout: &[&str], stderr: &[&str], outcome: &Outcome) -> Reading {
    let mut reader = agents::reader(&sample::agent(name), Some("local"));
    for (stream, lines) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
        for line in lines {
            let news = reader.line(stream, line.as_bytes());
            assert!(!matches!(news, Some(LineNews::Hopeless(_))), "{line}: {news:?}");
        }
    }
    reader.finish(outcome)
}

const OVERFLOW: &str = r#"{"type":"error","sessionID":"s","error":{"name":"ContextOverflowError","data":{"message":"too long"}}}"#;
const STEP: &str = r#"{"type":"step_start","sessionID":"s","part":{}}"#;
const TEXT: &str = r#"{"type":"text","sessionID":"s","part":{"text":"Done."}}"#;
const STOP: &str =
    r#"{"type":"step_finish","sessionID":"s","part":{"reason":"stop","tokens":{"input":9,"output":1}}}"#;

#[test]
fn an_error_that_was_recovered_from_is_a_note_and_so_is_its_exit_code() {
    for name in ["kilo", "opencode"] {
        let reading = read(name, &[OVERFLOW, STEP, TEXT, STOP], &[], &EXIT_1);
        assert_eq!((reading.terminal_error.as_ref(), reading.proper_end), (None, Some(true)), "{name}");
        assert!(reading.code_is_past, "{name}");
        assert_eq!(reading.notes[0].kind.as_str(), "context_overflow", "{name}");

        // The other way round it is what ended the run.
        let reading = read(name, &[STEP, TEXT, STOP, OVERFLOW], &[], &EXIT_1);
        assert_eq!(reading.terminal_error.map(|sign| sign.kind.as_str()), Some("context_overflow"));
        assert!(!reading.code_is_past);
        // A code that no error event explains stays one.
        assert!(!read(name, &[STEP, TEXT, STOP], &[], &EXIT_1).code_is_past);
        assert!(!read(name, &[OVERFLOW, STEP, TEXT, STOP], &[], &ended(7)).code_is_past);
        assert!(!read(name, &[OVERFLOW, STEP, STOP], &[], &EXIT_1).code_is_past, "nothing was said");
    }
}

#[test]
fn a_database_that_another_one_holds_is_a_start_that_came_to_nothing() {
    let lines = ["\u{1b}[91mError: \u{1b}[0mUnexpected error", "", "database is locked"];
    for name in ["kilo", "opencode"] {
        assert!(read(name, &[], &lines, &EXIT_1).not_begun);
        let later = read(name, &[STEP, TEXT], &lines, &EXIT_1);
        assert!(!later.not_begun, "work was done: {later:?}");
    }
}

#[test]
fn an_agent_that_is_not_there_is_noted() {
    let line = "\u{1b}[93m\u{1b}[1m! \u{1b}[0magent \"build\" not found. Falling back to default agent";
    let reading = read("opencode", &[STEP, TEXT, STOP], &[line], &EXIT_0);
    assert_eq!((reading.terminal_error, reading.notes.len()), (None, 1));
    assert!(reading.notes[0].message.contains("Falling back"));
}

#[test]
fn the_work_of_sub_agents_makes_tokens_the_least() {
    let task = r#"{"type":"tool_use","sessionID":"s","part":{"tool":"task","state":{"status":"completed","input":{},"output":"x"}}}"#;
    assert!(read("opencode", &[STEP, task, STEP, TEXT, STOP], &[], &EXIT_0).at_least);
    assert!(!read("opencode", &[STEP, TEXT, STOP], &[], &EXIT_0).at_least);
    let table = table();
    for row in rows(&table).iter().filter(|row| row.scenario.starts_with("subagent")) {
        assert_eq!(row.read(usize::MAX).0.at_least, row.cli != "cline", "{} {}", row.cli, row.scenario);
    }
}

#[test]
fn an_answer_that_was_cut_short_makes_tokens_the_least() {
    let stopped = |reason| Outcome { stopped: Some(reason), ..EXIT_0.clone() };
    let killed = Outcome { ending: Ending::Killed { signal: 9 }, ..EXIT_0.clone() };
    let over = stopped(StopReason::OverBudget { seen: String::new() });
    let refused = r#"timestamp=x level=ERROR run=1 message="stream error" error.error="AI_APICallError: Rate limit reached for requests.""#;
    let begin = r#"{"ts":"","type":"agent_event","event":{"type":"iteration_start","iteration":1}}"#;
    let used = r#"{"ts":"","type":"agent_event","event":{"type":"usage","inputTokens":9,"outputTokens":9}}"#;
    for outcome in [&over, &killed] {
        // It had begun an answer, or had asked for one.
        assert!(read("opencode", &[STEP], &[], outcome).at_least);
        assert!(read("cline", &[begin], &[], outcome).at_least);
        assert!(read("cline", &[begin, used, begin], &[], outcome).at_least);
        // All that it asked for was told, or refused, or it had asked for nothing.
        assert!(!read("opencode", &[STEP, TEXT, STOP], &[], outcome).at_least);
        assert!(!read("opencode", &[], &[refused], outcome).at_least);
        assert!(!read("cline", &[begin, used], &[], outcome).at_least);
        assert!(!read("opencode", &[], &[], outcome).at_least);
    }
    assert!(!read("opencode", &[STEP], &[], &EXIT_0).at_least, "it ended by itself and would have told");
    assert!(!read("cline", &[begin], &[], &EXIT_0).at_least);
}

#[test]
fn answers_that_do_not_come_are_waited_for_twice() {
    let line = |message: &str| {
        format!(
            "timestamp=2026-11-24T23:14:21.022Z level=ERROR run=6 message=\"stream error\" providerID=local \
             small=false agent=build error.error=\"{message}\""
        )
    };
    for (message, expected) in [
        ("ProviderHeaderTimeoutError: Provider response headers timed out after 300000ms", 2),
        ("SSE read timed out", 2),
        ("AI_APICallError: Cannot connect to API: Unable to connect", 5),
        ("AI_APICallError: Rate limit reached for requests", 3),
        ("AI_APICallError: Incorrect API key provided.", 2),
    ] {
        let mut reader = agents::reader(&sample::agent("kilo"), None);
        let line = line(message);
        let hopeless = (1..10)
            .find(|_| matches!(reader.line(Stream::Stderr, line.as_bytes()), Some(LineNews::Hopeless(_))));
        assert_eq!(hopeless, Some(expected), "{message}");
    }
}

/// Everything that a failure is known by, as an agent may write about it.
const ABOUT_FAILURES: &str = "429 Too Many Requests rate_limit insufficient_quota 401 unauthorized \
    Cannot connect to API: ECONNRESET Error: database is locked error: unknown option \
    The user rejected permission to use this specific tool call. requires approval in a TTY session \
    Model not found: x/y. context_length_exceeded overloaded run ended without an assistant message";

#[test]
fn an_agent_that_writes_about_failures_has_not_met_one() {
    let about = serde_json::json!(ABOUT_FAILURES);
    let tool = |status: &str, error: &str| {
        format!(
            r#"{{"type":"tool_use","sessionID":"s","part":{{"tool":"bash","state":{{"status":"{status}","input":{{"command":{about}}},"output":{about},"title":{about}{error}}}}}}}"#
        )
    };
    let forged = format!(
        "{}timestamp=2026-11-24T23:14:21Z level=ERROR message=\\\"stream error\\\" error.error=\\\"AI_APICallError: Rate limit\\\"",
        "\\n"
    );
    let text = format!(
        r#"{{"type":"text","sessionID":"s","part":{{"text":"{forged}\n! permission requested: x"}}}}"#
    );
    let talk = format!(r#"{{"type":"text","sessionID":"s","part":{{"text":{about}}}}}"#);
    let lines = [
        STEP.to_owned(),
        tool("completed", ""),
        tool("error", &format!(r#","error":{about}"#)),
        text,
        talk,
        STOP.to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    for name in ["kilo", "opencode"] {
        let reading = read(name, &lines, &[ABOUT_FAILURES, &format!("Error: {ABOUT_FAILURES}")], &EXIT_0);
        assert_eq!((reading.terminal_error, reading.proper_end), (None, Some(true)), "{name}");
        assert_eq!(reading.notes, [], "{name}");
    }

    let event = |event: &str| format!(r#"{{"ts":"","type":"agent_event","event":{event}}}"#);
    let work = [
        event(&format!(
            r#"{{"type":"content_start","contentType":"tool","toolName":"run_commands","input":{about}}}"#
        )),
        event(&format!(
            r#"{{"type":"error","recoverable":true,"error":{{"name":"Error","message":{about}}}}}"#
        )),
        event(&format!(
            r#"{{"type":"content_end","contentType":"tool","toolName":"run_commands","output":{about}}}"#
        )),
        event(&format!(r#"{{"type":"content_end","contentType":"text","text":{about}}}"#)),
    ];
    let completed = format!(r#"{{"ts":"","type":"run_result","finishReason":"completed","text":{about}}}"#);
    let failed = format!(r#"{{"ts":"","type":"run_result","finishReason":"error","text":{about}}}"#);
    let cline = |result: &str, outcome: &Outcome| {
        let lines: Vec<&str> = work.iter().map(String::as_str).chain([result]).collect();
        read(
            "cline",
            &lines,
            &[ABOUT_FAILURES, "AI SDK Warning (openai-compatible.chat): rate limit"],
            outcome,
        )
    };
    let reading = cline(&completed, &EXIT_0);
    assert_eq!((reading.terminal_error, reading.proper_end), (None, Some(true)));
    assert!(reading.notes.iter().all(|note| note.kind.as_str() == "exited"), "{:?}", reading.notes);
    // What the model said last is not why it failed.
    let reading = cline(&failed, &EXIT_1);
    assert_eq!(reading.terminal_error.map(|sign| sign.kind.as_str()), Some("exited"));
}

#[test]
fn only_a_wrong_call_of_cline_is_called_one() {
    for (line, kind) in [
        ("error: Unknown command or unquoted prompt: hello", "usage_error"),
        ("\u{1b}[31merror: unknown option '--x'\u{1b}[0m", "usage_error"),
        ("error: option '-m <model>' argument missing", "usage_error"),
        ("error: EACCES: permission denied, mkdir '/x'", "exited"),
        ("error: Cannot connect to API: Unable to connect", "provider_unreachable"),
    ] {
        let reading = read("cline", &[], &[line], &EXIT_1);
        assert_eq!(reading.terminal_error.map(|sign| sign.kind.as_str()), Some(kind), "{line}");
    }
}

#[test]
fn what_is_used_is_told_while_it_is_and_grows_to_what_was_read() {
    let table = table();
    let mut told_early = 0;
    for row in rows(&table) {
        let mut seen = vec![Usage::default()];
        let (reading, _) = row.read_watched(usize::MAX, |usage| {
            if seen.last() != Some(&usage) {
                seen.push(usage);
            }
        });
        let name = format!("{} {}", row.cli, row.scenario);
        for pair in seen.windows(2) {
            let figures = |usage: &Usage| {
                let tokens = usage.tokens.unwrap_or_default();
                (usage.requests, tokens.input, tokens.output)
            };
            let (before, after) = (figures(&pair[0]), figures(&pair[1]));
            assert!(before.0 < after.0 && before.1 <= after.1 && before.2 <= after.2, "{name}: {pair:?}");
        }
        let last = seen.last().expect("the first is always there");
        assert_eq!((last.tokens, last.cost_usd), (reading.tokens, reading.cost_usd), "{name}");
        assert_eq!(last.requests, reading.turns.unwrap_or(0), "{name}: one for each answer");
        told_early += usize::from(seen.len() > 2);
    }
    assert!(told_early > 50, "only {told_early} recordings tell of more than one answer");
}
