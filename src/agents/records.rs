//! The JSON lines of a program, read by the rules that somebody wrote down for it.
//!
//! Bounded whatever is printed: one line at a time, a few errors and notes, the end of what was
//! said. Words of the model are kept as last words and are evidence of nothing.

use serde_json::Value;

use crate::model::agent_output::{CostRule, ErrorRule, EventRules, FieldRule, SignKind, TextRule, TokenRule};
use crate::model::failure::FailureKind;
use crate::model::reading::{LineNews, Reading, Sign, SignSource, Stream, Tokens, Usage};

use super::fields::{count, field, first_field, holds, record, text, total};
use super::patterns::{End, Patterns, seconds};
use super::rounds::Rounds;
use super::signs::{
    Notes, kind_of_message, kind_of_status, last_words, most_telling, one_line, refusals_until_hopeless,
    says_out_of_credits, shorten,
};

/// How many errors are kept.
const ERRORS: usize = 8;
/// Characters of a session's or model's name.
const NAME: usize = 100;
/// Characters of an error that are looked at.
const MESSAGE: usize = 4_000;
/// Characters of what an agent is doing.
const DOING: usize = 80;
/// Bytes of joined text after which its beginning is forgotten.
const JOINED: usize = 16 * 1024;

/// Reads records.
#[derive(Debug)]
pub(super) struct Records {
    rules: EventRules,
    session: Option<String>,
    model: Option<String>,
    turns: Option<u32>,
    said: String,
    /// The next piece of text begins a new one.
    fresh: bool,
    tokens: Option<Tokens>,
    cost: Option<f64>,
    /// How many records told of tokens or money.
    told: u32,
    /// Errors since the last proper end.
    errors: Vec<Sign>,
    notes: Notes,
    /// The error that the program tries to get over, and how many of its kind came in a row.
    waiting: Option<(Sign, u32)>,
    hopeless: Option<Sign>,
    done: bool,
    rounds: Rounds,
}

impl Records {
    /// A reader that has read nothing, of an agent that may take so many `steps`.
    pub(super) fn new(rules: &EventRules, steps: Option<u32>) -> Self {
        Self {
            rules: rules.clone(),
            session: None,
            model: None,
            turns: None,
            said: String::new(),
            fresh: false,
            tokens: None,
            cost: None,
            told: 0,
            errors: Vec::new(),
            notes: Notes::default(),
            waiting: None,
            hopeless: None,
            done: false,
            rounds: Rounds::new(steps),
        }
    }

    /// Whether a line is meant for this reader: it comes on the right stream and looks like a record,
    /// whole or cut.
    pub(super) fn takes(&self, stream: Stream, line: &str) -> bool {
        stream == self.rules.stream && line.trim_start().starts_with('{')
    }

    /// Takes in one line.
    pub(super) fn line(&mut self, line: &str, patterns: &Patterns) -> Option<LineNews> {
        let record = record(line.trim())?;
        let said = self.text(&record);
        let doing = self.doing(&record);
        if said || doing.is_some() {
            // It goes on: what it tried to get over is over.
            self.waiting = None;
        }
        let too_many = if doing.is_some() { self.rounds.step() } else { None };
        if let Some(sign) = too_many.filter(|_| self.hopeless.is_none()) {
            let seen = format!("{}: {}", sign.kind, sign.message);
            self.hopeless = Some(sign);
            return Some(LineNews::Hopeless(seen));
        }
        self.facts(&record);
        let rule = self.rules.errors.iter().find(|rule| holds(&record, &rule.when)).cloned();
        if let Some(rule) = rule {
            return self.error(&rule, &record, patterns).or(doing);
        }
        if self.rules.done.as_ref().is_some_and(|rule| holds(&record, &rule.when)) {
            self.done = true;
            self.waiting = None;
            for error in self.errors.drain(..).chain(self.hopeless.take()) {
                self.notes.push(error);
            }
        }
        doing
    }

    fn facts(&mut self, record: &Value) {
        let before = (self.tokens, self.cost);
        let name = |rule: Option<&FieldRule>| Some(shorten(&text(pick(record, rule?)?), NAME));
        self.session = name(self.rules.session.as_ref()).or_else(|| self.session.take());
        self.model = name(self.rules.model.as_ref()).or_else(|| self.model.take());
        if let Some(turns) = self.rules.turns.as_ref().and_then(|rule| count(pick(record, rule)?)) {
            self.turns = Some(u32::try_from(turns).unwrap_or(u32::MAX));
        }
        if let Some(TokenRule { input, output, when, sum }) = &self.rules.tokens
            && holds(record, when)
        {
            let counts = (total(record, input), total(record, output));
            if counts != (None, None) {
                let before = self.tokens.filter(|_| *sum).unwrap_or_default();
                self.tokens = Some(Tokens {
                    input: before.input.saturating_add(counts.0.unwrap_or(0)),
                    output: before.output.saturating_add(counts.1.unwrap_or(0)),
                });
            }
        }
        if let Some(CostRule { path, when, sum }) = &self.rules.cost
            && holds(record, when)
            && let Some(cost) = first_field(record, path).and_then(Value::as_f64)
            && cost >= 0.0
        {
            let total = self.cost.filter(|_| *sum).unwrap_or(0.0) + cost;
            self.cost = Some(total).filter(|total| total.is_finite()).or(self.cost);
        }
        self.told = self.told.saturating_add(u32::from(before != (self.tokens, self.cost)));
    }

    /// Keeps what the model says in a record; whether it says anything there.
    fn text(&mut self, record: &Value) -> bool {
        let Some(TextRule { path, when, join }) = &self.rules.text else { return false };
        let words =
            if holds(record, when) { first_field(record, path).and_then(Value::as_str) } else { None };
        let Some(words) = words else {
            self.fresh = true;
            return false;
        };
        if words.trim().is_empty() && !*join {
            return false;
        }
        if self.fresh || !*join {
            self.said.clear();
        }
        self.fresh = false;
        self.said.push_str(words);
        if self.said.len() > JOINED {
            let mut start = self.said.len() - JOINED / 2;
            while !self.said.is_char_boundary(start) {
                start += 1;
            }
            self.said.drain(..start);
            self.said.shrink_to(JOINED);
        }
        true
    }

    fn doing(&self, record: &Value) -> Option<LineNews> {
        let rule = self.rules.doing.as_ref().filter(|rule| holds(record, &rule.when))?;
        let words: Vec<String> =
            rule.path.iter().filter_map(|path| Some(text(field(record, path)?))).collect();
        if words.is_empty() {
            return None;
        }
        Some(LineNews::Doing(shorten(&words.join(" "), DOING)))
    }

    fn error(&mut self, rule: &ErrorRule, record: &Value, patterns: &Patterns) -> Option<LineNews> {
        let sign = sign(rule, record, patterns);
        self.done = false;
        if !rule.recoverable {
            if self.errors.len() == ERRORS {
                self.errors.remove(0);
            }
            self.errors.push(sign);
            return None;
        }
        let count = match &self.waiting {
            Some((before, count)) if before.kind == sign.kind => count.saturating_add(1),
            Some(_) | None => 1,
        };
        self.notes.push(sign.clone());
        self.waiting = Some((sign.clone(), count));
        if count < refusals_until_hopeless(sign.kind, &sign.message) || self.hopeless.is_some() {
            return None;
        }
        let message = format!("{count} times in a row: {}", sign.message);
        let seen = format!("{}: {message}", sign.kind);
        self.hopeless = Some(Sign { message, ..sign });
        Some(LineNews::Hopeless(seen))
    }

    /// Says what was used so far.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            tokens: self.tokens,
            cost_usd: self.cost,
            requests: self.turns.unwrap_or(0).max(self.told),
            model: self.model.clone(),
        }
    }

    /// Says what was read.
    pub(super) fn finish(&mut self, end: End) -> Reading {
        let unfinished = end == End::Badly || (end == End::Well && self.rules.done.is_some() && !self.done);
        let waiting = self.waiting.take().map(|(sign, _)| sign).filter(|_| unfinished);
        let terminal_error = most_telling(&self.errors).or_else(|| self.hopeless.take()).or(waiting);
        if let Some(sign) = &terminal_error {
            // Those that led to it are told by it.
            self.notes.drop_kind(sign.kind);
        }
        Reading {
            proper_end: self.rules.done.as_ref().map(|_| self.done && terminal_error.is_none()),
            terminal_error,
            notes: self.notes.take(),
            session_id: self.session.take(),
            tokens: self.tokens,
            cost_usd: self.cost,
            model_answered: self.model.take(),
            last_words: last_words(&self.said),
            turns: self.turns,
            ..Reading::default()
        }
    }
}

fn pick<'v>(record: &'v Value, rule: &FieldRule) -> Option<&'v Value> {
    if holds(record, &rule.when) { first_field(record, &rule.path) } else { None }
}

/// What an error record tells, what says most first.
fn sign(rule: &ErrorRule, record: &Value, patterns: &Patterns) -> Sign {
    let message = text(first_field(record, &rule.message).unwrap_or(record));
    let message: String = message.chars().take(MESSAGE).collect();
    let at = |path: &Option<_>| path.as_ref().and_then(|path| field(record, path));
    let status = at(&rule.status).and_then(|value| text(value).trim().parse::<u16>().ok());
    let told = at(&rule.retry_after).and_then(|value| seconds(&text(value)));
    let found = patterns.of_message(&message);
    let kind = rule
        .kind
        .map(SignKind::kind)
        .or_else(|| says_out_of_credits(&message).then_some(FailureKind::OutOfCredits))
        .or_else(|| status.and_then(kind_of_status))
        .or_else(|| found.map(|(kind, _)| kind))
        .or_else(|| kind_of_message(&message))
        .unwrap_or(FailureKind::Exited);
    Sign {
        kind,
        source: SignSource::Event,
        message: one_line(&message),
        status: status.filter(|status| (100..600).contains(status)),
        retry_after_s: told.or_else(|| found.and_then(|(_, seconds)| seconds)),
    }
}
