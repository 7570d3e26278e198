//! What is sent to somebody who is not looking: an alert, and the words that choose it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Counts;
use super::failure::FailureKind;
use super::ids::{RunId, TaskId};
use super::record::version;
use super::time::Timestamp;

version!(AlertVersion, "alert/v1");

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A task failed for good.
    TaskFailed,
    /// An attempt was ended as `stalled`, or nothing happens in the whole run.
    RunStalled,
    /// A provider is off for the rest of the run.
    ProviderOff,
    /// 80 or 100 % of the run's budget are spent.
    Budget,
    /// A gate waits for an approval, or an agent says that it cannot go on without help.
    PersonNeeded,
    /// The run ended, or waits for a person.
    RunEnded,
    /// Somebody tries out whether alerts arrive.
    Test,
}

impl AlertKind {
    /// Those that a configuration may ask for, in the order of the documents.
    pub const CHOICES: [Self; 6] = [
        Self::TaskFailed,
        Self::RunEnded,
        Self::RunStalled,
        Self::Budget,
        Self::PersonNeeded,
        Self::ProviderOff,
    ];

    /// The word that documents and keys use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TaskFailed => "task_failed",
            Self::RunStalled => "run_stalled",
            Self::ProviderOff => "provider_off",
            Self::Budget => "budget",
            Self::PersonNeeded => "person_needed",
            Self::RunEnded => "run_ended",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for AlertKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The form in which a webhook is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertForm {
    /// The document `alert/v1` as it is.
    Json,
    /// Slack's incoming webhooks, and what imitates them.
    Slack,
    /// Discord's webhooks.
    Discord,
    /// `sendMessage` of a Telegram bot.
    Telegram,
    /// A topic of ntfy.
    Ntfy,
}

impl AlertForm {
    /// All of them with the words that documents use.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("json", Self::Json),
        ("slack", Self::Slack),
        ("discord", Self::Discord),
        ("telegram", Self::Telegram),
        ("ntfy", Self::Ntfy),
    ];

    /// The word that documents use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Telegram => "telegram",
            Self::Ntfy => "ntfy",
        }
    }
}

/// Something that happened besides what an alert is about, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertItem {
    /// What it is about.
    pub kind: AlertKind,
    /// When it happened.
    pub at: Timestamp,
    /// In a few words.
    pub title: String,
    /// The task.
    pub task: Option<TaskId>,
    /// Why it did not succeed.
    pub failure: Option<FailureKind>,
    /// The same for every try to tell of this one thing.
    pub dedupe_key: String,
}

/// What is sent: one thing that happened, and in short what happened at about the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alert {
    /// `alert/v1`.
    pub schema: AlertVersion,
    /// The run.
    pub run_id: RunId,
    /// The project's name.
    pub project: String,
    /// The plan as shown.
    pub plan: String,
    /// The host that supervises the run.
    pub host: String,
    /// What it is about.
    pub kind: AlertKind,
    /// When it happened.
    pub at: Timestamp,
    /// One line, masked.
    pub title: String,
    /// A few lines, masked, with what to do.
    pub text: String,
    /// The task.
    pub task: Option<TaskId>,
    /// Why it did not succeed.
    pub failure: Option<FailureKind>,
    /// How many tasks were in each status.
    pub counts: Counts,
    /// The same for every try to tell of this one thing: whoever was told twice can see it.
    pub dedupe_key: String,
    /// What else happened.
    pub also: Vec<AlertItem>,
    /// How many more things happened that `also` has no room for.
    pub more: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_are_serialised() {
        for kind in AlertKind::CHOICES.into_iter().chain([AlertKind::Test]) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        for (word, form) in AlertForm::WORDS {
            assert_eq!(serde_json::to_value(form).unwrap(), word);
            assert_eq!(form.as_str(), word);
        }
    }
}
