//! What one call of the script for writes is made of.

use std::time::Duration;

use crate::model::ids::RunId;
use crate::model::status::TaskStatus;
use crate::store::keys;

use super::super::Expected;
use super::scripts::{Call, Script};

/// How a record is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The run begins or goes on.
    Claim,
    /// It follows the record of this revision by these steps.
    Follow(u64, String),
    /// It is what the journal says, whatever is there.
    Restore,
    /// The same, unless what is there is further on.
    Mend,
}

impl Meaning {
    pub(super) fn of(expected: &Expected<'_>) -> Self {
        match expected {
            Expected::Claim => Self::Claim,
            Expected::Revision(revision, steps) => Self::Follow(*revision, steps_text(steps)),
        }
    }
}

/// Steps as scripts read them.
pub(super) fn steps_text(steps: &[TaskStatus]) -> String {
    steps.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(",")
}

/// What one call of the script for writes is made of.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    prefix: String,
    run: RunId,
    fence: u64,
    lease_key: String,
    lease: [String; 3],
    events_key: String,
    events: Vec<(u64, String)>,
    index: [String; 3],
    plan: [String; 2],
    keys: Vec<String>,
    records: Vec<String>,
}

impl Batch {
    /// Nothing yet, for a run under its fence. `prefix` is as configured.
    pub(super) fn new(prefix: &str, run: &RunId, fence: u64) -> Self {
        Self {
            prefix: keys::coded(prefix),
            run: run.clone(),
            fence,
            lease_key: String::new(),
            lease: ["none".to_owned(), String::new(), "0".to_owned()],
            events_key: String::new(),
            events: Vec::new(),
            index: Default::default(),
            plan: Default::default(),
            keys: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Takes or renews the lease under `key`.
    pub(super) fn lease(&mut self, key: String, how: &str, text: &str, length: Duration) {
        self.lease_key = key;
        self.lease = [how.to_owned(), text.to_owned(), length.as_millis().to_string()];
    }

    /// Adds events to the run's stream.
    pub(super) fn events(&mut self, key: String, events: Vec<(u64, String)>) {
        self.events_key = key;
        self.events = events;
    }

    /// Puts the run into the index of `project`.
    pub(super) fn index(&mut self, key: String, project: &str, entry: &str) {
        self.index = [key, project.to_owned(), entry.to_owned()];
    }

    /// Puts the plan as run under its key.
    pub(super) fn plan(&mut self, key: String, text: &str) {
        self.plan = [key, text.to_owned()];
    }

    /// Writes one record; one that yields leaves what others hold alone.
    pub(super) fn record(&mut self, key: String, meaning: &Meaning, revision: u64, yields: bool, json: &str) {
        let (mode, expected, steps) = match meaning {
            Meaning::Claim => ("claim", 0, ""),
            Meaning::Follow(expected, steps) => ("follow", *expected, steps.as_str()),
            Meaning::Restore => ("restore", 0, ""),
            Meaning::Mend => ("mend", 0, ""),
        };
        self.keys.push(key);
        self.records.extend([
            mode.to_owned(),
            expected.to_string(),
            revision.to_string(),
            steps.to_owned(),
            u8::from(yields).to_string(),
            json.to_owned(),
        ]);
    }

    /// The call.
    pub(super) fn call(self, time: &str, ttl: &str, dead: &[String]) -> Call {
        let [index_key, project, entry] = self.index;
        let [plan_key, plan] = self.plan;
        // A key that is not touched is named all the same: by one that the user has a right to.
        let some = [self.keys.first(), Some(&self.lease_key), Some(&self.events_key), Some(&index_key)]
            .into_iter()
            .flatten()
            .find(|key| !key.is_empty())
            .cloned()
            .unwrap_or_default();
        let mut keys: Vec<String> = [self.lease_key, self.events_key, index_key, plan_key]
            .into_iter()
            .map(|key| if key.is_empty() { some.clone() } else { key })
            .collect();
        keys.extend(self.keys);
        let mut arguments = vec![
            self.prefix,
            self.run.0,
            self.fence.to_string(),
            time.to_owned(),
            ttl.to_owned(),
            serde_json::Value::from(dead).to_string(),
        ];
        arguments.extend(self.lease);
        arguments.extend([entry, project, plan, self.events.len().to_string()]);
        for (number, text) in self.events {
            arguments.extend([number.to_string(), text]);
        }
        arguments.extend(self.records);
        Call { script: Script::Write, keys, arguments }
    }
}
