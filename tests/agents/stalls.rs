//! What readers say of an agent's silence, and when they take one for lost.

use orchestrate::agents;
use orchestrate::model::agent::AgentSpec;
use orchestrate::model::failure::FailureKind;
use orchestrate::model::limits::Peaks;
use orchestrate::model::outcome::{Ending, Outcome, StopReason};
use orchestrate::model::reading::{LineNews, OutputReader, Stream, Waits};
use serde_json::json;

use crate::sample;

fn step_finish(reason: &str) -> String {
    json!({ "type": "step_finish", "part": { "reason": reason, "tokens": { "input": 9, "output": 9 } } })
        .to_string()
}

fn tool(number: usize) -> String {
    let state = json!({ "status": "completed", "input": { "command": number }, "output": "x" });
    json!({ "type": "tool_use", "part": { "tool": "bash", "state": state } }).to_string()
}

fn cline(event: &serde_json::Value) -> String {
    json!({ "ts": "", "type": "agent_event", "event": event }).to_string()
}

/// What an agent waits for behind each line; standard error begins with `!`.
fn waits(agent: &str, lines: &[(&str, Waits)]) {
    let mut reader = agents::reader(&sample::agent(agent), None);
    for (line, expected) in lines {
        let (stream, text) =
            line.strip_prefix('!').map_or((Stream::Stdout, *line), |rest| (Stream::Stderr, rest));
        reader.line(stream, text.as_bytes());
        assert_eq!(reader.waits(), *expected, "{agent} behind {line}");
    }
}

#[test]
fn opencode_and_kilo_wait_for_an_answer_or_for_its_rest() {
    let refused = r#"!timestamp=x level=ERROR run=1 message="stream error" providerID=local error.error="AI_APICallError: Rate limit reached for requests.""#;
    for agent in ["opencode", "kilo"] {
        assert_eq!(agents::reader(&sample::agent(agent), None).waits(), Waits::Start);
        waits(
            agent,
            &[
                (r#"{"type":"step_start","part":{}}"#, Waits::Rest),
                (&tool(1), Waits::Rest),
                (&step_finish("tool-calls"), Waits::Answer),
                (r#"{"type":"step_start","part":{}}"#, Waits::Rest),
                (refused, Waits::Nothing),
                (r#"{"type":"step_start","part":{}}"#, Waits::Rest),
                (&step_finish("stop"), Waits::Nothing),
                (r#"{"type":"step_start","part":{}}"#, Waits::Rest),
                (r#"{"type":"error","error":{"name":"APIError","data":{"message":"x"}}}"#, Waits::Nothing),
            ],
        );
    }
}

#[test]
fn cline_waits_for_an_answer_and_not_for_its_tools() {
    let tool_begins =
        json!({ "type": "content_start", "contentType": "tool", "toolName": "run_commands", "input": {} });
    let usage = json!({ "type": "usage", "inputTokens": 1, "outputTokens": 1 });
    waits(
        "cline",
        &[
            (&cline(&json!({ "type": "iteration_start", "iteration": 1 })), Waits::Answer),
            (&cline(&json!({ "type": "content_start", "contentType": "text", "text": "a" })), Waits::Answer),
            (&cline(&tool_begins), Waits::Nothing),
            (&cline(&json!({ "type": "iteration_start", "iteration": 2 })), Waits::Answer),
            (&cline(&usage), Waits::Nothing),
            (&cline(&json!({ "type": "iteration_start", "iteration": 3 })), Waits::Answer),
            (r#"{"ts":"","type":"run_result","finishReason":"error","text":"x"}"#, Waits::Nothing),
        ],
    );
}

/// After how many of these lines a reader gives up, and what it then says.
fn gives_up(agent: &AgentSpec, line: impl Fn(usize) -> String) -> (usize, FailureKind, String) {
    let mut reader = agents::reader(agent, None);
    let news = |reader: &mut dyn OutputReader, number| reader.line(Stream::Stdout, line(number).as_bytes());
    let lines = (1..5_000)
        .find(|&number| matches!(news(&mut *reader, number), Some(LineNews::Hopeless(_))))
        .expect("it gives up");
    let stopped = Some(StopReason::Hopeless { seen: String::new() });
    let ended = Outcome {
        ending: Ending::Killed { signal: 15 },
        stopped,
        left_behind: 0,
        wall_ms: 1,
        peaks: Peaks::default(),
    };
    let sign = reader.finish(&ended).terminal_error.expect("an error");
    (lines, sign.kind, sign.message)
}

#[test]
fn steps_and_circles_have_an_end_for_each_agent() {
    let usage = cline(&json!({ "type": "usage", "inputTokens": 1, "outputTokens": 1 }));
    for name in ["opencode", "kilo", "cline"] {
        let line = |_| if name == "cline" { usage.clone() } else { step_finish("tool-calls") };
        let agent = sample::agent(name);
        let (lines, kind, message) = gives_up(&agent, line);
        assert_eq!((lines, kind), (1_001, FailureKind::Stalled), "{name}: {message}");
        let agent = AgentSpec { max_steps: Some(7), ..agent };
        let (lines, _, message) = gives_up(&agent, line);
        assert_eq!(lines, 8, "{name}");
        assert!(message.contains("more than 7 steps"), "{message}");
    }
    let (lines, kind, message) = gives_up(&sample::agent("opencode"), |number| tool(number % 3));
    assert_eq!((lines, kind), (93, FailureKind::Stalled));
    assert!(message.contains("went in a circle"), "{message}");
}
