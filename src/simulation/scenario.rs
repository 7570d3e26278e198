//! What happens in a simulation: how long tasks take, and what providers answer when.
//!
//! Times are counted from the start of the simulation. The first rule that is in force for a request
//! decides what it comes to; where none is, the request is answered well, within the provider's limits.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ids::TaskId;
use crate::model::layer::Price;
use crate::model::time::{Span, Timestamp};

use super::chance::Chance;

/// What a request to a provider comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// All is well.
    Works,
    /// 429.
    RateLimited,
    /// 402.
    OutOfCredits,
    /// 401.
    NotLoggedIn,
    /// 404: the provider does not know the model.
    ModelUnknown,
    /// 503.
    Overloaded,
    /// Nobody answers.
    Unreachable,
    /// The agent waits for an answer that never comes, until we stop it.
    Hangs,
    /// All is well, and takes four times as long.
    Slow,
    /// Another model answers.
    WrongModel,
    /// The conversation is longer than the model's context.
    ContextOverflow,
    /// The agent is ended by a signal.
    Crashes,
}

impl Answer {
    /// Each with its word in scenarios.
    pub const WORDS: [(&'static str, Self); 12] = [
        ("works", Self::Works),
        ("rate_limited", Self::RateLimited),
        ("out_of_credits", Self::OutOfCredits),
        ("not_logged_in", Self::NotLoggedIn),
        ("model_unknown", Self::ModelUnknown),
        ("overloaded", Self::Overloaded),
        ("unreachable", Self::Unreachable),
        ("hangs", Self::Hangs),
        ("slow", Self::Slow),
        ("wrong_model", Self::WrongModel),
        ("context_overflow", Self::ContextOverflow),
        ("crashes", Self::Crashes),
    ];
}

/// What a provider answers for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The provider; none: each.
    pub provider: Option<String>,
    /// From then on.
    pub from: Span,
    /// Until before then; none: to the end.
    pub to: Option<Span>,
    /// Once more each time so much has passed; none: once.
    pub every: Option<Span>,
    /// What.
    pub answer: Answer,
    /// For so many of a hundred attempts.
    pub share: u8,
    /// What is said about when to try again.
    pub retry_after: Option<Span>,
}

impl Rule {
    /// A rule for all attempts at `provider`, from the start to the end.
    pub fn of(provider: &str, answer: Answer) -> Self {
        Self {
            provider: Some(provider.to_owned()),
            from: Span(Duration::ZERO),
            to: None,
            every: None,
            answer,
            share: 100,
            retry_after: None,
        }
    }

    /// Whether it is in force `since` the start.
    pub fn is_in_force(&self, since: Duration) -> bool {
        let Some(mut passed) = since.checked_sub(self.from.0) else { return false };
        if let Some(every) = self.every.map(|every| every.0).filter(|every| !every.is_zero()) {
            passed = Duration::from_nanos(u64::try_from(passed.as_nanos() % every.as_nanos()).unwrap_or(0));
        }
        self.to.is_none_or(|to| passed < to.0.saturating_sub(self.from.0))
    }
}

/// How tasks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskShape {
    /// How long an attempt takes at least.
    pub shortest: Span,
    /// How long it takes at most.
    pub longest: Span,
    /// How many requests it makes; at least one.
    pub steps: u32,
    /// Tokens sent with each of them.
    pub input: u64,
    /// Tokens answered to each of them.
    pub output: u64,
    /// In how many of a hundred attempts the task itself fails, whoever answers.
    pub fails: u8,
}

impl Default for TaskShape {
    fn default() -> Self {
        Self {
            shortest: Span::minutes(1),
            longest: Span::minutes(5),
            steps: 5,
            input: 8_000,
            output: 1_000,
            fails: 0,
        }
    }
}

/// What of a task is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TaskChange {
    /// See [`TaskShape::shortest`].
    pub shortest: Option<Span>,
    /// See [`TaskShape::longest`].
    pub longest: Option<Span>,
    /// See [`TaskShape::steps`].
    pub steps: Option<u32>,
    /// See [`TaskShape::input`].
    pub input: Option<u64>,
    /// See [`TaskShape::output`].
    pub output: Option<u64>,
    /// See [`TaskShape::fails`].
    pub fails: Option<u8>,
}

impl TaskChange {
    /// `shape` with what is different.
    pub fn of(self, shape: TaskShape) -> TaskShape {
        TaskShape {
            shortest: self.shortest.unwrap_or(shape.shortest),
            longest: self.longest.unwrap_or(shape.longest),
            steps: self.steps.unwrap_or(shape.steps),
            input: self.input.unwrap_or(shape.input),
            output: self.output.unwrap_or(shape.output),
            fails: self.fails.unwrap_or(shape.fails),
        }
    }
}

/// What a provider allows, as it is in truth: the configuration may say something else.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ProviderShape {
    /// Attempts at once; one more gets a 429.
    pub at_once: Option<u32>,
    /// Requests within a minute; one more gets a 429.
    pub requests_per_minute: Option<u32>,
    /// What its 429 says about when to try again.
    pub retry_after: Option<Span>,
    /// What its models cost, instead of what the layers say.
    pub price: Option<Price>,
}

/// Everything that happens in a simulation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scenario {
    /// Of all chance.
    pub seed: u64,
    /// When the simulation begins; none: when the run was made.
    pub start: Option<Timestamp>,
    /// How tasks go.
    pub tasks: TaskShape,
    /// What of single tasks is different.
    pub changes: BTreeMap<TaskId, TaskChange>,
    /// What providers allow.
    pub providers: BTreeMap<String, ProviderShape>,
    /// What they answer, the first that is in force first.
    pub rules: Vec<Rule>,
}

impl Scenario {
    /// How `task` goes.
    pub fn shape(&self, task: &TaskId) -> TaskShape {
        let shape = self.changes.get(task).map_or(self.tasks, |change| change.of(self.tasks));
        TaskShape { steps: shape.steps.max(1), ..shape }
    }

    /// The rule that decides over a request to `provider`, made by `attempt` `since` the start.
    pub(super) fn rule(&self, provider: &str, since: Duration, attempt: &str) -> Option<&Rule> {
        self.rules.iter().enumerate().find_map(|(place, rule)| {
            let meant = rule.provider.as_deref().is_none_or(|name| name == provider);
            let hit = meant && rule.is_in_force(since) && {
                let place = place.to_string();
                Chance::of(self.seed, &["rule", &place, attempt]).percent(rule.share)
            };
            hit.then_some(rule)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_in_force_from_its_begin_to_before_its_end_and_comes_again() {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let mut rule = Rule { from: Span::minutes(10), ..Rule::of("kilo", Answer::Overloaded) };
        assert!(
            !rule.is_in_force(minutes(9)) && rule.is_in_force(minutes(10)) && rule.is_in_force(minutes(900))
        );
        rule.to = Some(Span::minutes(15));
        assert!(rule.is_in_force(minutes(14)) && !rule.is_in_force(minutes(15)));
        rule.every = Some(Span::minutes(60));
        assert!(
            rule.is_in_force(minutes(70))
                && rule.is_in_force(minutes(134))
                && !rule.is_in_force(minutes(135))
        );
    }

    #[test]
    fn the_first_rule_in_force_decides_for_its_share_of_attempts() {
        let half = Rule { share: 50, ..Rule::of("kilo", Answer::Crashes) };
        let all = Rule { provider: None, ..Rule::of("", Answer::Overloaded) };
        let scenario = Scenario { rules: vec![half, all], ..Scenario::default() };
        let answer = |provider, attempt: &str| {
            scenario.rule(provider, Duration::ZERO, attempt).map(|rule| rule.answer)
        };
        assert_eq!(answer("openai", "T1.1"), Some(Answer::Overloaded));
        let names: Vec<String> = (0..200).map(|number| format!("T{number}.1")).collect();
        let crashes = names.iter().filter(|name| answer("kilo", name) == Some(Answer::Crashes)).count();
        assert!((70..130).contains(&crashes), "{crashes}");
        assert_eq!(answer("kilo", "T1.1"), answer("kilo", "T1.1"));
    }

    #[test]
    fn a_change_of_a_task_is_of_that_task_alone() {
        let mut scenario = Scenario::default();
        let change = TaskChange { steps: Some(0), fails: Some(100), ..TaskChange::default() };
        scenario.changes.insert(TaskId::new("T2"), change);
        assert_eq!(scenario.shape(&TaskId::new("T1")), TaskShape::default());
        let expected = TaskShape { steps: 1, fails: 100, ..TaskShape::default() };
        assert_eq!(scenario.shape(&TaskId::new("T2")), expected);
    }
}
