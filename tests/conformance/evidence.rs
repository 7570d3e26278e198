//! What a row that failed shows: the lines that decide, of the recording that the adapter was
//! written against and of the run just now.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::project::Project;
use super::scenarios::Scenario;

/// How many lines of a stream are shown.
const LINES: usize = 6;
/// Characters of a line.
const WIDTH: usize = 300;

/// What a run left to look at.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) project: &'a Project,
    /// Of the result.
    pub(crate) task: &'a Value,
    /// Of the command itself.
    pub(crate) stderr: &'a str,
    /// How many requests the model server had.
    pub(crate) requests: usize,
}

/// The text for a row that failed.
pub(crate) fn of(scenario: &Scenario, cli: &str, found: &Found<'_>) -> String {
    let mut text = String::new();
    let mut say = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    say(&format!("    what is tried: {} ({} requests were made)", scenario.sees, found.requests));
    let attempts = found.task["attempts"].as_array().cloned().unwrap_or_default();
    if let Some(why) = found.task["why"].as_str() {
        say(&format!("    the task: {why}"));
    }
    match recording(scenario, cli) {
        Some((name, streams)) => {
            for (stream, lines) in streams {
                say(&format!("    recorded {name}.{stream}:"));
                for line in lines {
                    say(&format!("      {line}"));
                }
            }
        }
        None => say("    no recording shows the same"),
    }
    for attempt in &attempts {
        let seen = attempt["seen"].as_str().unwrap_or("-");
        say(&format!("    attempt {}: {} ({seen})", attempt["attempt"], attempt["failure"]));
        let Some(folder) = attempt["completion"].as_str().and_then(|path| Path::new(path).parent()) else {
            continue;
        };
        for stream in ["stdout", "stderr"] {
            let path = found.project.root().join(folder).join(format!("{stream}.log"));
            let lines = decisive(&std::fs::read(path).unwrap_or_default());
            say(&format!("    {stream} of this run:"));
            for line in lines {
                say(&format!("      {line}"));
            }
        }
    }
    if attempts.is_empty() {
        say("    the command said:");
        let lines: Vec<&str> = found.stderr.lines().collect();
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            say(&format!("      {line}"));
        }
    }
    text
}

/// A stream's name and its lines.
type Shown = (&'static str, Vec<String>);

/// The recording that shows the same, and the lines of its streams that decide.
fn recording(scenario: &Scenario, cli: &str) -> Option<(String, Vec<Shown>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/transcripts").join(cli);
    scenario.recordings(cli).into_iter().find_map(|name| {
        let read = |stream| {
            let bytes = std::fs::read(folder.join(format!("{name}.{stream}"))).ok()?;
            Some((stream, decisive(&bytes)))
        };
        let streams: Vec<Shown> = ["stdout", "stderr"].into_iter().filter_map(read).collect();
        (!streams.is_empty()).then_some((name, streams))
    })
}

/// The last lines that tell how it ended; where none does, the last lines.
fn decisive(bytes: &[u8]) -> Vec<String> {
    const WORDS: [&str; 9] = [
        "\"type\":\"error\"",
        "\"type\":\"step_finish\"",
        "\"type\":\"run_result\"",
        "\"type\":\"run_aborted\"",
        "\"status\":\"error\"",
        "stream error",
        "Error",
        "error:",
        "permission requested",
    ];
    let text = String::from_utf8_lossy(bytes);
    let lines = || text.lines().filter(|line| !line.trim().is_empty());
    let telling: Vec<&str> = lines().filter(|line| WORDS.iter().any(|word| line.contains(word))).collect();
    let chosen = if telling.is_empty() { lines().collect() } else { telling };
    let start = chosen.len().saturating_sub(LINES);
    chosen[start..].iter().map(|line| shortened(line)).collect()
}

fn shortened(line: &str) -> String {
    let plain: String = line.chars().filter(|letter| !letter.is_control()).collect();
    if plain.chars().count() <= WIDTH {
        return plain;
    }
    let mut short: String = plain.chars().take(WIDTH).collect();
    short.push('…');
    short
}
