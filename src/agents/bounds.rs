//! What a reader keeps of output without end is small, whatever the output is.

use crate::model::limits::Peaks;
use crate::model::outcome::{Ending, Outcome};
use crate::model::reading::{OutputReader, Stream};

use super::{cline_reader, kilo, opencode, opencode_reader};

/// A long line; the supervisor hands over some that are four times as long.
const LONGEST: usize = 1024 * 1024;
/// Bytes of output that each reader is given at the least.
const OUTPUT: usize = 48 * 1024 * 1024;
/// The most characters of all that a reader holds, written out.
const KEPT: usize = 64 * 1024;
/// Stands for a text as long as a line may be.
const LONG: &str = "LONG";

const OPENCODE: [(Stream, &str); 15] = [
    (Stream::Stdout, r#"{"type":"step_start","sessionID":"LONG","part":{}}"#),
    (Stream::Stdout, r#"{"type":"text","part":{"text":"LONG"}}"#),
    (Stream::Stdout, r#"{"type":"LONG","part":{"text":"LONG"}}"#),
    (Stream::Stdout, r#"{"type":"tool_use","part":{"tool":"LONG","state":{"status":"completed"}}}"#),
    (
        Stream::Stdout,
        r#"{"type":"tool_use","part":{"tool":"bash","state":{"input":{"command":"LONG"},"output":"LONG"}}}"#,
    ),
    (
        Stream::Stdout,
        r#"{"type":"tool_use","part":{"tool":"x","state":{"status":"error","error":"The user rejected permission LONG","title":"LONG"}}}"#,
    ),
    (
        Stream::Stdout,
        r#"{"type":"error","error":{"name":"LONG","data":{"message":"LONG","responseBody":"LONG"}}}"#,
    ),
    (Stream::Stdout, r#"{"type":"error","error":"LONG"}"#),
    (Stream::Stdout, r#"{"type":"error","error":{"LONG":"LONG"}}"#),
    (Stream::Stdout, r#"{"type":"error","error":{"name":"APIError","data":{"message":"cut LONG"#),
    (Stream::Stderr, r#"timestamp=x level=ERROR run=1 message="stream error" a=1 error.error="LONG""#),
    (Stream::Stderr, "! permission requested: LONG"),
    (Stream::Stderr, "! agent \"LONG\" not found"),
    (Stream::Stderr, "database is locked LONG"),
    (Stream::Stderr, "LONG"),
];

const CLINE: [(Stream, &str); 11] = [
    (
        Stream::Stdout,
        r#"{"ts":"","type":"agent_event","event":{"type":"content_start","contentType":"text","text":"LONG"}}"#,
    ),
    (
        Stream::Stdout,
        r#"{"ts":"","type":"agent_event","event":{"type":"content_end","contentType":"text","text":"LONG"}}"#,
    ),
    (
        Stream::Stdout,
        r#"{"ts":"","type":"agent_event","event":{"type":"content_start","contentType":"tool","toolName":"LONG","input":"LONG"}}"#,
    ),
    (
        Stream::Stdout,
        r#"{"ts":"","type":"agent_event","event":{"type":"content_update","update":{"chunk":"LONG"}}}"#,
    ),
    (
        Stream::Stdout,
        r#"{"ts":"","type":"agent_event","event":{"type":"content_end","contentType":"tool","toolName":"LONG","output":"LONG","error":"requires approval in a TTY session LONG"}}"#,
    ),
    (
        Stream::Stdout,
        r#"{"ts":"","type":"agent_event","event":{"type":"error","recoverable":true,"error":{"message":"LONG"}}}"#,
    ),
    (
        Stream::Stdout,
        r#"{"ts":"","type":"agent_event","event":{"type":"error","errorClass":"LONG","error":{"message":"LONG"}}}"#,
    ),
    (Stream::Stdout, r#"{"ts":"","type":"run_result","finishReason":"error","text":"LONG"}"#),
    (Stream::Stdout, r#"{"ts":"","type":"run_result","finishReason":"completed","text":"cut LONG"#),
    (Stream::Stderr, "error: LONG"),
    (Stream::Stderr, r#"{"type":"error","message":"LONG"}"#),
];

/// The lines with their long texts, none longer than a line may be.
fn lines(templates: &[(Stream, &str)]) -> Vec<(Stream, String)> {
    templates
        .iter()
        .map(|&(stream, template)| {
            let times = template.matches(LONG).count().max(1);
            let length = (LONGEST - template.len()) / times;
            // Words of many bytes, so that no bound is one of bytes cut in the middle.
            (stream, template.replace(LONG, &"žluť ".repeat(length / "žluť ".len())))
        })
        .collect()
}

fn keeps_little<R: OutputReader + std::fmt::Debug>(mut reader: R, templates: &[(Stream, &str)]) {
    let lines = lines(templates);
    let mut given = 0;
    while given < OUTPUT {
        for (stream, line) in &lines {
            reader.line(*stream, line.as_bytes());
            given += line.len();
        }
        let kept = format!("{reader:?}").len();
        assert!(kept < KEPT, "{kept} characters are kept after {given} bytes");
    }
    let ended = Outcome {
        ending: Ending::Exited { code: 1 },
        stopped: None,
        left_behind: 0,
        wall_ms: 1,
        peaks: Peaks::default(),
    };
    let reading = format!("{:?}", reader.finish(&ended));
    assert!(reading.len() < KEPT, "a reading of {} characters", reading.len());
}

#[test]
fn of_opencode_and_kilo() {
    keeps_little(opencode_reader::Reader::new(&opencode::FLAVOUR, None, None), &OPENCODE);
    keeps_little(opencode_reader::Reader::new(&kilo::FLAVOUR, None, None), &OPENCODE[..5]);
}

#[test]
fn of_cline() {
    keeps_little(cline_reader::Reader::new(None, None), &CLINE);
}
