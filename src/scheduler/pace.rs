//! How fast attempts start at one provider: no herd after a rest, and no more requests in a minute
//! than it takes.
//!
//! ```text
//!   it rests ─▶ a pace of one start in 10 s ─▶ an attempt that it bore well: 360 starts an hour more ─▶ 3,600: no pace
//!                     ▲                          │
//!                     └────── it rests again: half as many, at least 12 an hour
//! ```
//!
//! Adding what went well and halving what did not is how TCP shares a line between those that know
//! nothing of each other (Chiu and Jain, 1989), and so do runs share a provider. A provider that never
//! rested has no pace. One cut counts for all that was under way when it came: many attempts that are
//! refused at once are one refusal.
//!
//! Requests are counted by the agents' own events, and the start of an attempt is one: attempts under
//! way cannot be slowed, so a limit a minute keeps new ones from starting, and no more.
//!
//! **Invariant:** paces are the fold of the events; what is asked of a minute is forgotten with the
//! process, and then is the minute's own.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::model::event::{Event, EventBody};
use crate::model::failure::FailureKind;
use crate::model::ids::AttemptKey;
use crate::model::ledger::next_day;
use crate::model::run::RunSpec;
use crate::model::status::AttemptStatus;
use crate::model::time::Timestamp;

use super::Scheduler;

/// Starts an hour right after the first rest: one in ten seconds.
const FIRST: u32 = 360;
/// What an attempt that went well adds.
const MORE: u32 = 360;
/// From so many on there is no pace: one in a second.
const FULL: u32 = 3_600;
/// The least: one in five minutes.
const LEAST: u32 = 12;
/// How long requests count.
const MINUTE: Duration = Duration::from_mins(1);
/// Requests of so long are counted together, which bounds what is remembered.
const GRAIN: Duration = Duration::from_secs(1);

/// The pace of one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// Starts an hour.
    rate: u32,
    /// Whether something started since it was cut last.
    started: bool,
}

/// What is remembered of one provider.
#[derive(Debug, Clone, Default)]
struct Of {
    pace: Option<Pace>,
    last_start: Option<Timestamp>,
    /// Requests of the last minute, with when they were.
    requests: VecDeque<(Timestamp, u32)>,
    /// Tokens of attempts of this run that have ended, with the day.
    tokens: (String, u64),
}

/// The paces of all providers.
#[derive(Debug, Clone, Default)]
pub(super) struct Paces {
    of: BTreeMap<String, Of>,
    /// The provider of attempts under way.
    running: BTreeMap<AttemptKey, String>,
    /// Requests of attempts under way that were counted.
    counted: BTreeMap<AttemptKey, u32>,
}

impl Paces {
    /// Takes in what was recorded.
    pub(super) fn apply(&mut self, event: &Event) {
        if let EventBody::ProviderRested { provider, until: Some(_), trigger, .. } = &event.body {
            if is_refusal(*trigger) {
                self.cut(provider);
            }
        } else if let EventBody::AttemptStarted { task_id, attempt, rung, .. } = &event.body {
            let Some(provider) = rung.provider.clone() else { return };
            self.begins(&provider, event.at);
            self.running.insert(AttemptKey::new(task_id.clone(), *attempt), provider);
        } else if let EventBody::AttemptEnded { task_id, attempt, status, verdict, .. } = &event.body {
            let key = AttemptKey::new(task_id.clone(), *attempt);
            self.counted.remove(&key);
            let refused = verdict.failure.as_ref().is_some_and(|failure| is_refusal(failure.kind));
            let known = matches!(status, AttemptStatus::Succeeded | AttemptStatus::Failed);
            if let Some(provider) = self.running.remove(&key).filter(|_| known && !refused) {
                self.bore(&provider);
            }
        } else if let EventBody::SpendSettled {
            provider: Some(provider), day, tokens: Some(tokens), ..
        } = &event.body
        {
            let of = self.of.entry(provider.clone()).or_default();
            if of.tokens.0 != *day {
                of.tokens = (day.clone(), 0);
            }
            of.tokens.1 = of.tokens.1.saturating_add(tokens.total());
        }
    }

    fn cut(&mut self, provider: &str) {
        let of = self.of.entry(provider.to_owned()).or_default();
        of.pace = Some(match of.pace {
            Some(pace) if pace.started => Pace { rate: (pace.rate / 2).max(LEAST), started: false },
            Some(pace) => pace,
            None => Pace { rate: FIRST, started: false },
        });
    }

    /// An attempt starts once there is money for it: no other starts together with it.
    pub(super) fn is_to_begin(&mut self, provider: &str, at: Timestamp) {
        let of = self.of.entry(provider.to_owned()).or_default();
        of.last_start = Some(at);
        if let Some(pace) = &mut of.pace {
            pace.started = true;
        }
    }

    fn begins(&mut self, provider: &str, at: Timestamp) {
        self.is_to_begin(provider, at);
        if let Some(of) = self.of.get_mut(provider) {
            of.count(at, 1);
        }
    }

    fn bore(&mut self, provider: &str) {
        let Some(of) = self.of.get_mut(provider) else { return };
        of.pace = of
            .pace
            .map(|pace| Pace { rate: pace.rate + if pace.started { MORE } else { 0 }, ..pace })
            .filter(|pace| pace.rate < FULL);
    }

    /// So many requests were made by an attempt so far; its start was one.
    pub(super) fn asked(&mut self, key: &AttemptKey, requests: u32, at: Timestamp) {
        let Some(provider) = self.running.get(key) else { return };
        let before = self.counted.insert(key.clone(), requests).unwrap_or(1);
        if let Some(of) = self.of.get_mut(provider) {
            of.count(at, requests.saturating_sub(before.max(1)));
        }
    }

    /// When an attempt may start at the provider at the earliest; none: at once.
    pub(super) fn next(&self, provider: &str, spec: &RunSpec, now: Timestamp) -> Option<Timestamp> {
        let of = self.of.get(provider)?;
        let paced = of.pace.zip(of.last_start).filter(|(pace, _)| pace.started).map(|(pace, last)| {
            let interval = Duration::from_secs(u64::from(3_600 / pace.rate.max(1)));
            last + interval + spread(interval, spec.settings.seed, last)
        });
        let limit = spec.providers.get(provider).and_then(|known| known.requests_per_minute);
        let counted = limit.and_then(|limit| of.room_at(limit, now));
        paced.into_iter().chain(counted).max().filter(|at| *at > now)
    }

    /// The tokens of this run's attempts at the provider on `day`.
    fn tokens(&self, provider: &str, day: &str) -> u64 {
        self.of.get(provider).filter(|of| of.tokens.0 == day).map_or(0, |of| of.tokens.1)
    }
}

impl Of {
    fn count(&mut self, at: Timestamp, requests: u32) {
        while self.requests.front().is_some_and(|(then, _)| at.since(*then) >= MINUTE) {
            self.requests.pop_front();
        }
        match self.requests.back_mut() {
            Some((then, count)) if at.since(*then) < GRAIN => *count = count.saturating_add(requests),
            Some(_) | None if requests > 0 => self.requests.push_back((at, requests)),
            Some(_) | None => {}
        }
    }

    /// When one request more fits into the minute before it; none: now.
    fn room_at(&self, limit: u32, now: Timestamp) -> Option<Timestamp> {
        let recent = || self.requests.iter().filter(|(then, _)| now.since(*then) < MINUTE);
        let mut sum: u32 = recent().map(|(_, count)| *count).fold(0, u32::saturating_add);
        if sum < limit {
            return None;
        }
        for (then, count) in recent() {
            sum = sum.saturating_sub(*count);
            if sum < limit {
                return Some(*then + MINUTE);
            }
        }
        None
    }
}

/// Whether a failure of this kind says that a provider was asked too much.
const fn is_refusal(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::RateLimited | FailureKind::Overloaded | FailureKind::ProviderUnreachable)
}

/// Up to a fifth of an interval, so that runs which began together do not go on together.
fn spread(interval: Duration, seed: u64, last: Timestamp) -> Duration {
    let most = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX) / 5;
    let mixed = (seed ^ last.0.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Duration::from_millis((mixed >> 32) % (most + 1))
}

impl Scheduler {
    /// Leaves a provider alone until tomorrow where the tokens of a day are used up: by all runs as the
    /// shared state tells, or by this one alone.
    pub(super) fn tokens_used(&mut self, provider: &str, day: &str, told: u64) {
        let limit = self.spec.providers.get(provider).and_then(|known| known.tokens_per_day);
        let Some(limit) = limit else { return };
        let used = told.max(self.paces.tokens(provider, day));
        if used >= limit && day == crate::model::ledger::day_of(self.now) {
            let evidence = format!("{used} of {limit} tokens a day are used on {day}");
            self.rest(provider.to_owned(), Some(next_day(self.now)), FailureKind::BudgetExhausted, evidence);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EventVersion;
    use crate::model::ids::{RunId, TaskId};
    use crate::model::layer::Rung;
    use crate::model::run::ProviderSpec;

    fn event(seconds: i64, body: EventBody) -> Event {
        let run_id = RunId("01R".to_owned());
        Event { schema: EventVersion::V1, run_id, seq: 1, at: Timestamp(seconds * 1_000), body }
    }

    fn started(seconds: i64, attempt: u32) -> Event {
        let provider = Some("p".to_owned());
        let rung = Rung { layer: Some(1), agent: "a".to_owned(), model: None, provider };
        let task_id = TaskId::new("T");
        let deadline_at = Timestamp(0);
        event(seconds, EventBody::AttemptStarted { task_id, attempt, rung, deadline_at, session: None })
    }

    fn rested(seconds: i64) -> Event {
        event(
            seconds,
            EventBody::ProviderRested {
                provider: "p".to_owned(),
                until: Some(Timestamp((seconds + 60) * 1_000)),
                trigger: FailureKind::RateLimited,
                evidence: String::new(),
            },
        )
    }

    fn ended(seconds: i64, attempt: u32) -> Event {
        event(
            seconds,
            EventBody::AttemptEnded {
                task_id: TaskId::new("T"),
                attempt,
                status: AttemptStatus::Succeeded,
                outcome: None,
                reading: None,
                summary: None,
                session_kept: false,
                verdict: crate::model::verdict::Verdict::default(),
            },
        )
    }

    fn spec() -> RunSpec {
        RunSpec::new(RunId("01R".to_owned()), "p")
    }

    fn wait(paces: &Paces, now: i64) -> i64 {
        let now = Timestamp(now * 1_000);
        paces.next("p", &spec(), now).map_or(0, |at| (at.0 - now.0) / 1_000)
    }

    #[test]
    fn a_provider_that_never_rested_has_no_pace() {
        let mut paces = Paces::default();
        (0..5).for_each(|number| paces.apply(&started(0, number)));
        assert_eq!(paces.next("p", &spec(), Timestamp(0)), None);
    }

    #[test]
    fn after_a_rest_starts_are_apart_and_come_closer_with_each_that_goes_well() {
        let mut paces = Paces::default();
        paces.apply(&rested(0));
        assert_eq!(wait(&paces, 60), 0, "the first one starts when it is back");
        paces.apply(&started(60, 1));
        assert!((10..=12).contains(&wait(&paces, 60)), "{}", wait(&paces, 60));
        paces.apply(&ended(65, 1));
        assert!((5..=6).contains(&wait(&paces, 60)), "{}", wait(&paces, 60));
        for number in 2..=9 {
            paces.apply(&started(60, number));
            paces.apply(&ended(60, number));
        }
        assert_eq!(wait(&paces, 60), 0, "it is back at full speed");
    }

    #[test]
    fn refusals_halve_it_once_for_all_that_was_under_way() {
        let mut paces = Paces::default();
        paces.apply(&rested(0));
        paces.apply(&started(60, 1));
        for second in 61..70 {
            paces.apply(&rested(second));
        }
        paces.apply(&started(130, 2));
        assert!((20..=24).contains(&wait(&paces, 130)), "{}", wait(&paces, 130));
        for round in 0..12 {
            paces.apply(&started(200 + round, 3));
            paces.apply(&rested(200 + round));
        }
        paces.apply(&started(300, 4));
        assert!((300..=360).contains(&wait(&paces, 300)), "it is never slower than that");
    }

    #[test]
    fn requests_of_the_last_minute_keep_new_attempts_from_starting() {
        let mut run = spec();
        let limited = ProviderSpec { requests_per_minute: Some(3), ..ProviderSpec::default() };
        run.providers.insert("p".to_owned(), limited);
        let mut paces = Paces::default();
        let at = |seconds: i64| Timestamp(seconds * 1_000);
        paces.apply(&started(0, 1));
        assert_eq!(paces.next("p", &run, at(1)), None);
        let key = AttemptKey::new(TaskId::new("T"), 1);
        paces.asked(&key, 1, at(2));
        assert_eq!(paces.next("p", &run, at(2)), None, "its start was the first request");
        paces.asked(&key, 3, at(5));
        assert_eq!(paces.next("p", &run, at(6)), Some(at(60)), "when the start is a minute ago");
        assert_eq!(paces.next("p", &run, at(60)), None);
        for second in 60..10_000 {
            paces.apply(&started(second, 2));
        }
        assert!(paces.of["p"].requests.len() <= 61, "what is remembered is bounded");
    }
}
