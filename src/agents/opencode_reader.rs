//! What OpenCode and Kilo print, and what it means.
//!
//! One JSON object a line on standard output; there is no event for the end. Each failed request is
//! a line of the error log on standard error while the program waits and tries again: those are
//! refusals, and they count until an answer comes. Several things that went wrong leave no error
//! event at all (an empty answer, one cut off, a permission that nobody gave), and the exit code is
//! 0 then.

use serde_json::Value;

use crate::model::failure::FailureKind;
use crate::model::outcome::{Ending, Outcome, StopReason};
use crate::model::reading::{
    LineNews, OutputReader, Reading, Sign, SignSource, Stream, Tokens, Usage, Waits,
};

use super::opencode::Flavour;
use super::opencode_errors::{LOCKED, SoFar, cut_error, error_event, start_failure, stream_error};
use super::rounds::Rounds;
use super::signs::{
    LastLines, Notes, kind_of_message, last_words, most_telling, one_line, refusals_until_hopeless, shorten,
    strip_ansi,
};

/// How many error events are kept: the program prints one or two.
const ERRORS: usize = 8;
/// How many answers in a row without content mean that no model is there. One or two may be a
/// provider's slip.
const HOLLOW_ANSWERS: u32 = 3;
/// How lines begin that say nothing of a failure: other lines of the log, and what is said of a
/// database that is made for the attempt.
const NOISE: [&str; 4] =
    ["timestamp=", "sqlite-migration:", "Performing one time database", "Database migration complete"];
/// Characters of what an agent is doing.
const DOING: usize = 80;

/// Why a step ended, as told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepEnd {
    Stop,
    Tools,
    Length,
    /// A reason that is none, and no tokens: what came was no answer of a model.
    Hollow,
    Other,
}

/// Reads the output of OpenCode or a fork of it.
#[derive(Debug)]
pub(super) struct Reader {
    flavour: &'static Flavour,
    provider: String,
    session: Option<String>,
    tokens: Option<Tokens>,
    cost: f64,
    turns: u32,
    events: u64,
    steps: u64,
    text_in_step: bool,
    worked: bool,
    last_step: Option<StepEnd>,
    last_words: Option<String>,
    /// Error events since the last answer.
    errors: Vec<Sign>,
    /// Error events in all: after one it ends with an error code, whatever follows.
    error_events: u32,
    /// It had another agent work for it, of whom nothing is told.
    delegated: bool,
    notes: Notes,
    /// The refusal that is waited out, and how many of its kind came in a row.
    refused: Option<(Sign, u32)>,
    hopeless: Option<Sign>,
    hollow: u32,
    rounds: Rounds,
    waits: Waits,
    /// The last tool call was rejected for want of somebody to ask.
    rejected: Option<String>,
    rejected_in_log: Option<String>,
    wakeups: u32,
    stderr: LastLines,
    usage: Option<Sign>,
}

impl Reader {
    /// A reader that has read nothing, of an agent that may take so many `steps`.
    pub(super) fn new(flavour: &'static Flavour, provider: Option<&str>, steps: Option<u32>) -> Self {
        Self {
            flavour,
            provider: provider.unwrap_or("the provider").to_owned(),
            session: None,
            tokens: None,
            cost: 0.0,
            turns: 0,
            events: 0,
            steps: 0,
            text_in_step: false,
            worked: false,
            last_step: None,
            last_words: None,
            errors: Vec::new(),
            error_events: 0,
            delegated: false,
            notes: Notes::default(),
            refused: None,
            hopeless: None,
            hollow: 0,
            rounds: Rounds::new(steps),
            waits: Waits::Start,
            rejected: None,
            rejected_in_log: None,
            wakeups: 0,
            stderr: LastLines::default(),
            usage: None,
        }
    }

    fn event(&mut self, event: &Value) -> Option<LineNews> {
        let kind = event["type"].as_str()?;
        self.events += 1;
        if let Some(session) = event["sessionID"].as_str().filter(|session| is_session(session)) {
            self.session = Some(session.to_owned());
        }
        let part = &event["part"];
        match kind {
            "step_start" => {
                self.steps += 1;
                self.text_in_step = false;
                self.last_step = None;
                self.waits = Waits::Rest;
                Some(LineNews::Doing("thinking".to_owned()))
            }
            "reasoning" => Some(LineNews::Doing("thinking".to_owned())),
            "text" => {
                self.text_in_step = true;
                if let Some(words) = part["text"].as_str().and_then(last_words) {
                    self.last_words = Some(words);
                }
                None
            }
            "tool_use" => Some(self.tool_use(part)),
            "step_finish" => self.step_finish(part),
            "error" => {
                self.waits = Waits::Nothing;
                let so_far = SoFar { began: self.steps > 0, hollow: self.last_step == Some(StepEnd::Hollow) };
                self.error(error_event(&event["error"], so_far));
                None
            }
            _ => None,
        }
    }

    fn error(&mut self, sign: Sign) {
        self.error_events = self.error_events.saturating_add(1);
        if self.errors.len() == ERRORS {
            self.errors.remove(0);
        }
        self.errors.push(sign);
    }

    fn tool_use(&mut self, part: &Value) -> LineNews {
        let tool = part["tool"].as_str().unwrap_or("tool");
        let state = &part["state"];
        let failed = state["status"] == "error";
        self.answered();
        self.rejected = None;
        self.delegated |= tool == "task";
        if failed {
            let message = state["error"].as_str().unwrap_or_default();
            if message.starts_with("The user rejected permission") {
                self.rejected = Some(format!("{tool}: {}", one_line(message)));
            }
        } else {
            self.worked = true;
            match tool {
                "schedule_wakeup" => self.wakeups += 1,
                "cancel_wakeup" => self.wakeups = self.wakeups.saturating_sub(1),
                _ => {}
            }
        }
        let call =
            (tool, state["input"].to_string(), state["output"].to_string(), state["error"].to_string());
        if let Some(sign) = self.rounds.call(tool, &call).filter(|_| self.hopeless.is_none()) {
            return self.give_up(sign);
        }
        LineNews::Doing(doing(tool, state))
    }

    fn step_finish(&mut self, part: &Value) -> Option<LineNews> {
        let count = |value: &Value| value.as_u64().unwrap_or(0);
        let tokens = &part["tokens"];
        let input =
            count(&tokens["input"]) + count(&tokens["cache"]["read"]) + count(&tokens["cache"]["write"]);
        // Whether `output` has the reasoning in it differs; the total does not.
        let output = match tokens["total"].as_u64() {
            Some(total) if total >= input => total - input,
            _ => count(&tokens["output"]) + count(&tokens["reasoning"]),
        };
        if tokens.is_object() {
            let sum = self.tokens.get_or_insert_default();
            sum.input += input;
            sum.output += output;
        }
        self.cost += part["cost"].as_f64().unwrap_or(0.0).max(0.0);
        self.turns += 1;
        let empty = input + output == 0;
        let end = match part["reason"].as_str() {
            Some("stop") => StepEnd::Stop,
            Some("tool-calls") => StepEnd::Tools,
            Some("length") => StepEnd::Length,
            Some("unknown" | "other") | None if empty => StepEnd::Hollow,
            _ => StepEnd::Other,
        };
        self.last_step = Some(end);
        self.waits = if end == StepEnd::Stop { Waits::Nothing } else { Waits::Answer };
        let too_many = self.rounds.step().filter(|_| self.hopeless.is_none());
        if end != StepEnd::Hollow {
            self.hollow = 0;
            self.answered();
            return too_many.map(|sign| self.give_up(sign));
        }
        self.hollow += 1;
        if self.hollow < HOLLOW_ANSWERS || self.hopeless.is_some() {
            return None;
        }
        Some(self.give_up(self.hollow_sign()))
    }

    fn hollow_sign(&self) -> Sign {
        Sign {
            kind: FailureKind::ProviderUnreachable,
            source: SignSource::Event,
            message: format!("what {} answers is no answer of a model (0 tokens, no end)", self.provider),
            status: None,
            retry_after_s: None,
        }
    }

    /// An answer came: what went wrong before it is over.
    fn answered(&mut self) {
        for error in self.errors.drain(..) {
            self.notes.push(error);
        }
        self.refused = None;
    }

    fn give_up(&mut self, sign: Sign) -> LineNews {
        let seen = format!("{}: {}", sign.kind, sign.message);
        self.hopeless = Some(sign);
        LineNews::Hopeless(seen)
    }

    fn error_line(&mut self, line: &str) -> Option<LineNews> {
        let line = strip_ansi(line);
        if let Some(message) = stream_error(&line) {
            return self.refusal(&message);
        }
        if NOISE.iter().any(|start| line.starts_with(start)) {
            return None;
        }
        if let Some(asked) = line.strip_prefix("! permission requested: ") {
            self.rejected_in_log = Some(one_line(asked));
        }
        if line.starts_with("! agent ") {
            // It goes on with the default agent, which may not be one that acts.
            self.notes.push(Sign {
                kind: FailureKind::UsageError,
                source: SignSource::ErrorLog,
                message: one_line(&line),
                status: None,
                retry_after_s: None,
            });
        }
        self.stderr.push(&line);
        if self.usage.is_none() {
            self.usage = start_failure(&line, self.flavour.usage);
        }
        None
    }

    fn refusal(&mut self, message: &str) -> Option<LineNews> {
        let kind = kind_of_message(message).unwrap_or(FailureKind::Exited);
        let sign = Sign {
            kind,
            source: SignSource::ErrorLog,
            message: one_line(message),
            status: None,
            retry_after_s: None,
        };
        let count = match &self.refused {
            Some((before, count)) if before.kind == kind => count + 1,
            _ => 1,
        };
        self.notes.push(sign.clone());
        self.refused = Some((sign.clone(), count));
        // How long it waits until it tries again is the provider's word, and may be an hour.
        self.waits = Waits::Nothing;
        if count < refusals_until_hopeless(kind, message) || self.hopeless.is_some() {
            return None;
        }
        let message = format!("{} refused {count} times in a row: {}", self.provider, sign.message);
        Some(self.give_up(Sign { message, ..sign }))
    }

    fn terminal_error(&mut self, outcome: &Outcome) -> Option<Sign> {
        if let Some(sign) = most_telling(&self.errors) {
            return Some(sign);
        }
        if let Some(sign) = self.hopeless.take() {
            return Some(sign);
        }
        let wanted = matches!(outcome.stopped, Some(StopReason::Requested | StopReason::Lingering));
        let done = self.last_step == Some(StepEnd::Stop);
        if let Some((sign, _)) = self.refused.take()
            && !wanted
            && !done
        {
            return Some(sign);
        }
        if outcome.stopped.is_some() {
            return None;
        }
        if self.events == 0 {
            let failed = outcome.ending != (Ending::Exited { code: 0 });
            return self.usage.take().filter(|_| failed);
        }
        self.quiet_error()
    }

    /// Errors that are told by no event: seen in where the events stop.
    fn quiet_error(&mut self) -> Option<Sign> {
        let sign = |kind, message: String| Sign {
            kind,
            source: SignSource::Event,
            message,
            status: None,
            retry_after_s: None,
        };
        if self.last_step == Some(StepEnd::Tools)
            && let Some(rejected) = &self.rejected
        {
            let asked = self.rejected_in_log.as_ref().map(|asked| format!(" ({asked})")).unwrap_or_default();
            let set = "set `permission` in its configuration, or leave `--no-auto` out of `args`";
            return Some(sign(FailureKind::PermissionRejected, format!("{rejected}{asked}; {set}")));
        }
        if self.wakeups > 0 {
            let message = "it put the rest of the work off to a wake-up that never comes";
            return Some(sign(FailureKind::NoCompletion, message.to_owned()));
        }
        match self.last_step? {
            StepEnd::Hollow => Some(self.hollow_sign()),
            StepEnd::Length => {
                Some(sign(FailureKind::NoCompletion, "the answer was cut off at the length limit".to_owned()))
            }
            // After work with tools a model may well end without a word.
            StepEnd::Stop if !self.text_in_step && !self.worked => {
                Some(sign(FailureKind::NoCompletion, "the model gave an empty answer".to_owned()))
            }
            StepEnd::Stop | StepEnd::Tools | StepEnd::Other => None,
        }
    }
}

impl OutputReader for Reader {
    fn line(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews> {
        let line = String::from_utf8_lossy(line);
        match stream {
            Stream::Stderr => self.error_line(&line),
            Stream::Stdout => match serde_json::from_str::<Value>(&line) {
                Ok(event) => self.event(&event),
                Err(_) => self.cut_event(&line),
            },
        }
    }

    fn waits(&self) -> Waits {
        self.waits
    }

    fn usage(&self) -> Usage {
        Usage { tokens: self.tokens, cost_usd: self.told_cost(), requests: self.turns, model: None }
    }

    fn finish(&mut self, outcome: &Outcome) -> Reading {
        let terminal_error = self.terminal_error(outcome);
        let spoke = self.text_in_step || self.worked;
        let proper_end = terminal_error.is_none() && self.last_step == Some(StepEnd::Stop) && spoke;
        let code_is_past =
            proper_end && self.error_events > 0 && outcome.ending == (Ending::Exited { code: 1 });
        let not_begun =
            self.events == 0 && terminal_error.as_ref().is_some_and(|sign| sign.message.contains(LOCKED));
        if let Some(sign) = &terminal_error {
            // The refusals that led to it are told by it.
            self.notes.drop_kind(sign.kind);
        }
        Reading {
            terminal_error,
            notes: self.notes.take(),
            proper_end: Some(proper_end),
            session_id: self.session.take(),
            tokens: self.tokens,
            cost_usd: self.told_cost(),
            model_answered: None,
            last_words: self.last_words.take().or_else(|| self.stderr.text().filter(|_| self.events == 0)),
            turns: (self.events > 0).then_some(self.turns),
            code_is_past,
            not_begun,
            at_least: self.delegated || self.is_within_answer(outcome),
        }
    }
}

impl Reader {
    /// What its work cost, where it knows a price: zero is what it says when it knows none.
    fn told_cost(&self) -> Option<f64> {
        (self.cost > 0.0).then_some(self.cost)
    }

    /// Whether it was ended while an answer was on its way, of which it would have told what it used.
    fn is_within_answer(&self, outcome: &Outcome) -> bool {
        outcome.is_cut_short() && matches!(self.waits, Waits::Answer | Waits::Rest)
    }

    /// An event that the supervisor cut for its length: results of tools, texts, and errors with the
    /// page that a provider answered with.
    fn cut_event(&mut self, line: &str) -> Option<LineNews> {
        let kind = line.strip_prefix("{\"type\":\"")?.split('"').next()?;
        match kind {
            "tool_use" => {
                self.events += 1;
                self.worked = true;
                self.rejected = None;
                self.answered();
                Some(LineNews::Doing("tool with a long result".to_owned()))
            }
            "text" => {
                self.events += 1;
                self.text_in_step = true;
                None
            }
            "error" => {
                self.events += 1;
                self.error(cut_error(line));
                None
            }
            _ => None,
        }
    }
}

/// Whether a name of a session can be handed back as the value of an option.
fn is_session(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !name.starts_with('-') && (1..=100).contains(&name.len()) && name.bytes().all(plain)
}

fn doing(tool: &str, state: &Value) -> String {
    let input = &state["input"];
    let what = if tool == "bash" { input["command"].as_str() } else { None };
    let what = what.or_else(|| state["title"].as_str().filter(|title| !title.is_empty()));
    let what = what.or_else(|| input["filePath"].as_str()).unwrap_or_default();
    shorten(&format!("{tool} {what}"), DOING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::opencode;
    use crate::model::limits::Peaks;

    fn session_of(line: &str, outcome: &Outcome) -> Option<String> {
        let mut reader = Reader::new(&opencode::FLAVOUR, None, None);
        reader.line(Stream::Stdout, line.as_bytes());
        reader.finish(outcome).session_id
    }

    #[test]
    fn the_session_is_known_from_the_first_line_however_it_ends() {
        let first = r#"{"type":"step_start","sessionID":"ses_1aB","part":{}}"#;
        for stopped in [None, Some(StopReason::Deadline), Some(StopReason::Idle), Some(StopReason::Requested)]
        {
            let outcome = Outcome {
                ending: Ending::Killed { signal: 9 },
                stopped,
                left_behind: 0,
                wall_ms: 1,
                peaks: Peaks::default(),
            };
            assert_eq!(session_of(first, &outcome).as_deref(), Some("ses_1aB"));
        }
    }

    #[test]
    fn what_is_no_name_of_a_session_is_not_handed_back() {
        let outcome = Outcome {
            ending: Ending::Exited { code: 0 },
            stopped: None,
            left_behind: 0,
            wall_ms: 1,
            peaks: Peaks::default(),
        };
        let long = "x".repeat(101);
        for name in ["--help", "-s", "", "a b", "a;b", "../x", &long] {
            let line = serde_json::json!({ "type": "step_start", "sessionID": name }).to_string();
            assert_eq!(session_of(&line, &outcome), None, "{name}");
        }
    }
}
