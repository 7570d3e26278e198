//! What Cline prints, and what it means.
//!
//! One JSON object a line on standard output; the last one of a run that came to its end is
//! `run_result`. No event carries an HTTP status, and retries are not told: a provider that refuses
//! is silence. So an error is matched by its class where it has one, else by the provider's words.
//! The model that answered cannot be seen.

use serde_json::Value;

use crate::model::failure::FailureKind;
use crate::model::outcome::{Ending, Outcome};
use crate::model::reading::{
    LineNews, OutputReader, Reading, Sign, SignSource, Stream, Tokens, Usage, Waits,
};

use super::rounds::Rounds;
use super::signs::{
    LastLines, Notes, Repeats, hash_of, kind_of_message, last_words, most_telling, one_line, shorten,
    strip_ansi,
};

/// How many errors are kept: a run ends at the first that it cannot recover from.
const ERRORS: usize = 8;
/// Characters of what an agent is doing.
const DOING: usize = 80;
/// What a tool says that was refused because nobody could be asked.
const REFUSED: &str = "requires approval in a TTY session";
/// How far into a line its kind is looked for when the line is not read as a whole.
const HEAD: usize = 200;

/// How a run says it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Completed,
    Failed,
}

/// Reads the output of Cline.
#[derive(Debug)]
pub(super) struct Reader {
    provider: String,
    events: bool,
    end: Option<End>,
    aborted: bool,
    last_words: Option<String>,
    tokens: Option<Tokens>,
    cost: f64,
    turns: u32,
    errors: Vec<Sign>,
    notes: Notes,
    refused: Option<String>,
    rounds: Rounds,
    waits: Waits,
    call: u64,
    /// What the model said last, so that it is not taken for an error.
    talk: Repeats,
    hopeless: Option<Sign>,
    stderr: LastLines,
    stderr_error: Option<Sign>,
}

impl Reader {
    /// A reader that has read nothing, of an agent that may take so many `steps`.
    pub(super) fn new(provider: Option<&str>, steps: Option<u32>) -> Self {
        Self {
            provider: provider.unwrap_or("the provider").to_owned(),
            events: false,
            end: None,
            aborted: false,
            last_words: None,
            tokens: None,
            cost: 0.0,
            turns: 0,
            errors: Vec::new(),
            notes: Notes::default(),
            refused: None,
            rounds: Rounds::new(steps),
            waits: Waits::Start,
            call: 0,
            talk: Repeats::default(),
            hopeless: None,
            stderr: LastLines::default(),
            stderr_error: None,
        }
    }

    fn event(&mut self, line: &Value) -> Option<LineNews> {
        let kind = line["type"].as_str()?;
        self.events = true;
        match kind {
            "agent_event" => self.agent_event(&line["event"]),
            "run_result" => {
                self.run_result(line);
                None
            }
            "run_aborted" => {
                self.aborted = true;
                None
            }
            _ => None,
        }
    }

    fn agent_event(&mut self, event: &Value) -> Option<LineNews> {
        match event["type"].as_str()? {
            "iteration_start" => {
                // It tells the pieces of a text, and neither its retries nor the pieces of a call.
                self.waits = Waits::Answer;
                Some(LineNews::Doing("thinking".to_owned()))
            }
            "content_start" if event["contentType"] == "tool" => {
                self.waits = Waits::Nothing;
                let tool = event["toolName"].as_str().unwrap_or("tool");
                self.call = hash_of(&(tool, event["input"].to_string()));
                Some(LineNews::Doing(doing(tool, &event["input"])))
            }
            "content_end" => self.content_end(event),
            "usage" => {
                // The totals of an event start anew with each sub-agent; the sum of all does not.
                let sum = self.tokens.get_or_insert_default();
                sum.input += event["inputTokens"].as_u64().unwrap_or(0);
                sum.output += event["outputTokens"].as_u64().unwrap_or(0);
                self.cost += event["cost"].as_f64().unwrap_or(0.0).max(0.0);
                self.turns += 1;
                self.waits = Waits::Nothing;
                let too_many = self.rounds.step()?;
                self.give_up(too_many)
            }
            "error" => {
                let message = event["error"]["message"].as_str().unwrap_or("an error without a message");
                let told = error_sign(event["errorClass"].as_str(), message, SignSource::Event);
                // It stops itself at a loop and calls that recoverable all the same.
                if event["recoverable"] == true && told.kind != FailureKind::Stalled {
                    // A tool failed: its words may be anybody's and mean no kind of failure of ours.
                    self.notes.push(sign(FailureKind::Exited, SignSource::Event, message));
                } else if self.errors.len() < ERRORS {
                    self.errors.push(told);
                }
                None
            }
            _ => None,
        }
    }

    fn content_end(&mut self, event: &Value) -> Option<LineNews> {
        match event["contentType"].as_str()? {
            "text" => {
                let text = event["text"].as_str().unwrap_or_default();
                self.talk.push(&text);
                if let Some(words) = last_words(text) {
                    self.last_words = Some(words);
                }
                None
            }
            "tool" => {
                let error = event["error"].as_str().unwrap_or_default();
                self.refused = error.contains(REFUSED).then(|| one_line(error));
                let call = (self.call, event["output"].to_string(), error.to_owned());
                let tool = event["toolName"].as_str().unwrap_or("tool");
                let endless = self.rounds.call(tool, &call)?;
                self.give_up(endless)
            }
            _ => None,
        }
    }

    fn give_up(&mut self, sign: Sign) -> Option<LineNews> {
        if self.hopeless.is_some() {
            return None;
        }
        let seen = format!("{}: {}", sign.kind, sign.message);
        self.hopeless = Some(sign);
        Some(LineNews::Hopeless(seen))
    }

    fn run_result(&mut self, line: &Value) {
        self.waits = Waits::Nothing;
        let text = line["text"].as_str().unwrap_or_default();
        if line["finishReason"] == "completed" {
            self.end = Some(End::Completed);
            if let Some(words) = last_words(text) {
                self.last_words = Some(words);
            }
            return;
        }
        self.end = Some(End::Failed);
        if self.errors.is_empty() {
            let sign = if self.talk.push(&text) > 1 {
                sign(FailureKind::Exited, SignSource::Event, "it ended with an error and did not say which")
            } else {
                error_sign(None, text, SignSource::Event)
            };
            self.errors.push(sign);
        }
    }

    /// What its work cost, where it knows a price: zero is what it says when it knows none.
    fn told_cost(&self) -> Option<f64> {
        (self.cost > 0.0).then_some(self.cost)
    }

    fn error_line(&mut self, line: &str) {
        let line = strip_ansi(line);
        if let Ok(event) = serde_json::from_str::<Value>(&line) {
            if event["type"] == "error" {
                let message = event["message"].as_str().unwrap_or_default();
                self.stderr_error = Some(error_sign(None, message, SignSource::ErrorLog));
            }
            return;
        }
        if let Some(message) = line.strip_prefix("error:") {
            let kind = kind_of_start_error(message.trim());
            let sign = sign(kind, SignSource::ErrorLog, &line);
            self.stderr_error.get_or_insert(sign);
            self.stderr.push(&line);
        }
    }

    fn terminal_error(&mut self, outcome: &Outcome) -> Option<Sign> {
        if self.end == Some(End::Completed) {
            // What a sub-agent could not do the run got over.
            for error in self.errors.drain(..) {
                self.notes.push(error);
            }
            let refused = self.refused.take()?;
            let message = format!("{refused}; leave `--auto-approve false` out of `args`");
            return Some(sign(FailureKind::PermissionRejected, SignSource::Event, &message));
        }
        if let Some(sign) = most_telling(&self.errors) {
            return Some(sign);
        }
        if let Some(sign) = self.hopeless.take() {
            return Some(sign);
        }
        if outcome.stopped.is_some() {
            return None;
        }
        if let Some(sign) = self.stderr_error.take() {
            return Some(sign);
        }
        let silent = !self.events && outcome.ending == (Ending::Exited { code: 0 });
        silent.then(|| {
            sign(
                FailureKind::NoCompletion,
                SignSource::Exit,
                "it exited 0 at once and printed nothing: it may have taken a word that begins with `@` for a file",
            )
        })
    }
}

impl OutputReader for Reader {
    fn line(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews> {
        match stream {
            Stream::Stderr => {
                self.error_line(&String::from_utf8_lossy(line));
                None
            }
            Stream::Stdout => {
                let head = String::from_utf8_lossy(&line[..line.len().min(HEAD)]);
                // Each piece of a text repeats all of it so far: reading them would cost the square
                // of an answer's length, and the end of the text has it whole.
                if head.contains("\"type\":\"content_start\",\"contentType\":\"text\"")
                    || head.contains("\"type\":\"content_start\",\"contentType\":\"reasoning\"")
                {
                    self.events = true;
                    return None;
                }
                if let Ok(event) = serde_json::from_slice::<Value>(line) {
                    return self.event(&event);
                }
                // A line that the supervisor cut for its length.
                if head.starts_with("{\"ts\":") {
                    self.events = true;
                    if head.contains("\"type\":\"content_end\",\"contentType\":\"tool\"") {
                        self.refused = None;
                    }
                    if head.contains("\"type\":\"run_result\",\"finishReason\":\"completed\"") {
                        self.end = Some(End::Completed);
                    }
                }
                None
            }
        }
    }

    fn waits(&self) -> Waits {
        self.waits
    }

    fn usage(&self) -> Usage {
        Usage { tokens: self.tokens, cost_usd: self.told_cost(), requests: self.turns, model: None }
    }

    fn finish(&mut self, outcome: &Outcome) -> Reading {
        let mut terminal_error = self.terminal_error(outcome);
        if let Some(error) = &mut terminal_error
            && error.kind == FailureKind::ProviderUnreachable
        {
            error.message = one_line(&format!("{}: {}", self.provider, error.message));
        }
        Reading {
            proper_end: Some(self.end == Some(End::Completed) && !self.aborted),
            terminal_error,
            notes: self.notes.take(),
            // Its events name a conversation, which is not what `--id` takes.
            session_id: None,
            tokens: self.tokens,
            cost_usd: self.told_cost(),
            model_answered: None,
            last_words: self.last_words.take().or_else(|| self.stderr.text()),
            turns: self.events.then_some(self.turns),
            // Ended while an answer was on its way, of which it would have told what it used.
            at_least: outcome.is_cut_short() && self.waits == Waits::Answer,
            ..Reading::default()
        }
    }
}

fn sign(kind: FailureKind, source: SignSource, message: &str) -> Sign {
    Sign { kind, source, message: one_line(message), status: None, retry_after_s: None }
}

/// An error by its class, else by its words.
fn error_sign(class: Option<&str>, message: &str, source: SignSource) -> Sign {
    let kind = match class {
        Some("auth") => FailureKind::NotLoggedIn,
        Some("context_window_exceeded") => FailureKind::ContextOverflow,
        _ => kind_of_words(message),
    };
    sign(kind, source, message)
}

/// What a start that failed means: a wrong call in the words of its command line's parser, else what
/// the words say.
fn kind_of_start_error(message: &str) -> FailureKind {
    const WRONG_CALLS: [&str; 8] = [
        "unknown option",
        "unknown command",
        "argument missing",
        "missing required argument",
        "required option",
        "too many arguments",
        "is invalid",
        "unquoted prompt",
    ];
    let lower = message.to_lowercase();
    if WRONG_CALLS.iter().any(|words| lower.contains(words)) {
        FailureKind::UsageError
    } else {
        kind_of_words(message)
    }
}

fn kind_of_words(message: &str) -> FailureKind {
    const NO_ANSWER: [&str; 2] =
        ["Model returned empty response", "Model reached the maximum output token limit"];
    const WRONG_CALLS: [&str; 2] = ["JSON output mode requires a prompt", "interactive mode requires a TTY"];
    if NO_ANSWER.iter().any(|words| message.starts_with(words)) {
        FailureKind::NoCompletion
    } else if WRONG_CALLS.iter().any(|words| message.starts_with(words)) {
        FailureKind::UsageError
    } else if message.starts_with("Detected ") && message.contains(" consecutive identical calls to ") {
        FailureKind::Stalled
    } else {
        kind_of_message(message).unwrap_or(FailureKind::Exited)
    }
}

fn doing(tool: &str, input: &Value) -> String {
    let path = || input["path"].as_str().or_else(|| input["file_path"].as_str());
    let words = match tool {
        "run_commands" => format!("bash {}", first_text(&input["commands"]).unwrap_or_default()),
        "editor" => format!("edit {}", path().unwrap_or_default()),
        _ => format!("{tool} {}", path().or_else(|| first_text(input)).unwrap_or_default()),
    };
    shorten(&words, DOING)
}

/// The first text in a value, however deep.
fn first_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(values) => values.iter().find_map(first_text),
        Value::Object(fields) => fields.values().find_map(first_text),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}
