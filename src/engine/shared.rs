//! What there is to tell of a Redis that the run is written to.

use crate::engine::Engine;
use crate::model::ids::AttemptKey;
use crate::scheduler::Input;
use crate::store::{Grant, SharedNews};

impl Engine {
    /// What happened to it since the last look, and what was asked of the run through it. The error is a refusal: somebody else has the run, or
    /// a task of it.
    pub(super) fn shared_news(&mut self) -> anyhow::Result<Vec<Input>> {
        let mut inputs: Vec<Input> = self.parts.store.shared_news()?.into_iter().map(warning).collect();
        if self.parts.store.is_asked() {
            inputs.extend(self.requests()?);
        }
        Ok(inputs)
    }

    /// The user of an attempt that is about to start, where it can have one.
    pub(super) fn grant(&mut self, key: &AttemptKey) -> Option<Grant> {
        match self.parts.store.grant(&self.parts.spec, key) {
            Ok(grant) => grant,
            Err(error) => {
                self.ungranted.insert(key.clone(), error.to_string());
                None
            }
        }
    }

    /// What a person is told of an attempt that has just started without one.
    pub(super) fn ungranted(&self, key: &AttemptKey) -> Vec<Input> {
        let told = self.ungranted.get(key).map(|why| Input::Warn {
            code: "redis-no-user".to_owned(),
            message: format!("rights: advisory: an attempt starts without a user of its own in Redis: {why}"),
            hint: Some("it cannot report through Redis; its completion file counts as ever".to_owned()),
        });
        told.into_iter().collect()
    }

    /// Why the rights of an attempt that has ended were no more than advice.
    pub(super) fn take_rights_doubt(&mut self, key: &AttemptKey) -> Option<String> {
        let own =
            self.ungranted.remove(key).map(|why| format!("it started without a user of its own: {why}"));
        own.or_else(|| self.parts.rights_doubt.clone())
    }
}

fn warning(news: SharedNews) -> Input {
    let warn = |code: &str, message: String, hint: Option<&str>| Input::Warn {
        code: code.to_owned(),
        message,
        hint: hint.map(str::to_owned),
    };
    match news {
        SharedNews::Down { address, trouble, time } => warn(
            "redis-down",
            format!(
                "Redis at `{address}` does not take the run's state{}: {trouble}; the run goes on from its journal",
                again(time)
            ),
            Some(trouble.hint()),
        ),
        SharedNews::Back { address, time } => warn(
            "redis-back",
            format!("Redis at `{address}` is back{}, and has what it missed", again(time)),
            None,
        ),
        SharedNews::Lost { address, keys } => warn(
            "redis-lost-keys",
            format!("Redis at `{address}` had lost {keys} of the run's keys; they were written again"),
            Some(
                "a server that evicts or loses keys keeps shared state for a while only: see its `maxmemory-policy`",
            ),
        ),
    }
}

/// The words of a warning are told once, and an outage is told as often as there is one.
fn again(time: u32) -> String {
    if time > 1 { format!(" ({time} times by now)") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Trouble;

    #[test]
    fn every_outage_is_told_in_words_of_its_own() {
        let down = |time| {
            let news = SharedNews::Down { address: "redis://h:1".to_owned(), trouble: Trouble::Slow, time };
            let Input::Warn { code, message, hint } = warning(news) else { panic!("no warning") };
            assert_eq!(code, "redis-down");
            assert!(hint.is_some());
            message
        };
        assert!(down(1).contains("the run goes on from its journal"));
        assert_ne!(down(1), down(2));
        assert_ne!(down(2), down(3));
    }
}
