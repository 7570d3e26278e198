//! What an adapter makes of an agent's output, and the trait by which it is asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::FailureKind;
use super::outcome::Outcome;

/// Which stream of a process a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where a sign was seen. Later ones are weaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignSource {
    /// In the agent's own structured events.
    Event,
    /// In its error log on standard error.
    ErrorLog,
    /// In how it ended (code, empty output).
    Exit,
}

/// Something in the output that explains an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sign {
    /// What it means.
    pub kind: FailureKind,
    /// Where it was seen.
    pub source: SignSource,
    /// The words in which it was said, one line, masked.
    pub message: String,
    /// The HTTP status, where it was told.
    pub status: Option<u16>,
    /// Seconds after which to try again, where they were told.
    pub retry_after_s: Option<u64>,
}

/// Tokens that were used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// Sent to the model.
    pub input: u64,
    /// Answered by it.
    pub output: u64,
}

impl Tokens {
    /// Both together.
    pub const fn total(self) -> u64 {
        self.input + self.output
    }
}

/// What an attempt used so far, as its agent's own events tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Usage {
    /// Tokens so far, where told.
    pub tokens: Option<Tokens>,
    /// Money so far in USD, where told.
    pub cost_usd: Option<f64>,
    /// How many answers of the model there were.
    pub requests: u32,
    /// The model that answered last, where it can be seen.
    pub model: Option<String>,
}

/// What was read in the output of one attempt.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Reading {
    /// The error that ended the agent's work, where it said one.
    pub terminal_error: Option<Sign>,
    /// Errors that the agent recovered from, the last few.
    pub notes: Vec<Sign>,
    /// Whether the agent's own sign of a proper end was there; none: it has no such sign.
    pub proper_end: Option<bool>,
    /// The agent's name for its session.
    pub session_id: Option<String>,
    /// Tokens used, where told.
    pub tokens: Option<Tokens>,
    /// Money spent in USD, where told; zero where the agent says so and knows.
    pub cost_usd: Option<f64>,
    /// The model that answered, where it can be seen.
    pub model_answered: Option<String>,
    /// The last thing the agent said, cut to a few lines, masked.
    pub last_words: Option<String>,
    /// How many answers of the model there were, where told.
    pub turns: Option<u32>,
    /// Whether an exit code that means failure tells only of an error that the agent recovered from:
    /// it came to its proper end after that.
    #[serde(default)]
    pub code_is_past: bool,
    /// Whether it ended before it asked a model for anything, for a reason that another start does not
    /// meet (another process held its database).
    #[serde(default)]
    pub not_begun: bool,
    /// Whether tokens and money are the least that was used: a sub-agent's are not told, nor are those of
    /// an answer in the midst of which it was ended.
    #[serde(default)]
    pub at_least: bool,
}

/// What reading one line led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineNews {
    /// The agent is doing this: a few words such as `edit src/auth.rs`.
    Doing(String),
    /// It will get nowhere (a provider that refuses for ever, an endless loop): stop it now.
    /// The reading's terminal error says why.
    Hopeless(String),
}

/// What an agent that says nothing waits for, as far as its output tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waits {
    /// For nothing that is known.
    #[default]
    Nothing,
    /// For itself: it starts, and has not said anything of its work yet.
    Start,
    /// For its provider to begin an answer.
    Answer,
    /// For the rest of an answer that has begun, of which it says nothing before its end, or for a tool.
    Rest,
}

/// Reads one attempt's output as it comes, in bounded memory.
pub trait OutputReader: Send {
    /// Whether lines are to be handed over as they come. An agent without structured output needs none:
    /// it writes into its files by itself, and the last lines are handed over when it has ended.
    fn wants_lines(&self) -> bool {
        true
    }

    /// Takes in one line without its ending. Lines longer than the supervisor's bound arrive cut.
    fn line(&mut self, stream: Stream, line: &[u8]) -> Option<LineNews>;

    /// Looks at a line that was begun a while ago and not ended, as a prompt is. It is handed over once
    /// more when it ends, or when the process does.
    fn unfinished(&mut self, _stream: Stream, _line: &[u8]) -> Option<LineNews> {
        None
    }

    /// Says what the agent waits for by the lines that were taken in so far.
    fn waits(&self) -> Waits {
        Waits::Nothing
    }

    /// Says what was used by the lines that were taken in so far. No figure gets smaller, and the last
    /// ones are those of [`OutputReader::finish`].
    fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Says what was read, once, after the process has ended.
    fn finish(&mut self, outcome: &Outcome) -> Reading;
}
