//! How attempts go, and what providers allow.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::event::EventBody;
use crate::model::failure::FailureKind;
use crate::model::ids::AttemptKey;
use crate::model::layer::{Cost, Price, Rung};
use crate::model::outcome::{CheckResult, Ending, StopReason};
use crate::model::run::RunSpec;
use crate::model::time::{Span, Timestamp};
use crate::scheduler::Input;

use super::attempt::{End, Flight};
use super::chance::Chance;
use super::scenario::Answer;
use super::world::{Due, NoEnd, World};

/// How long the checks of a task take.
pub(super) const CHECK: Duration = Duration::from_secs(5);
/// How long an agent takes to ask for the first answer.
const START: Duration = Duration::from_secs(1);
/// How long an agent takes to end when it is asked to, and when it was refused.
const STOP: Duration = Duration::from_secs(1);
/// The time in which requests are counted.
const MINUTE: Duration = Duration::from_mins(1);
/// How much longer a slow answer takes.
const SLOW: u32 = 4;
/// What a paid model costs where nobody says.
const USUAL_PRICE: Price = Price { input: 3.0, output: 15.0 };

/// What a provider has to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Load {
    /// Attempts that use it.
    pub(super) attempts: u32,
    /// When it was asked in the last minute.
    requests: VecDeque<Timestamp>,
}

impl Load {
    /// Counts a request; says whether there were fewer than `limit` in the minute before.
    fn ask(&mut self, now: Timestamp, limit: Option<u32>) -> bool {
        let Some(limit) = limit else { return true };
        while self.requests.front().is_some_and(|first| now.since(*first) >= MINUTE) {
            self.requests.pop_front();
        }
        let fits = self.requests.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        if fits {
            self.requests.push_back(now);
        }
        fits
    }
}

/// Results of commands that all pass.
pub(super) fn passed(commands: &[String]) -> Vec<CheckResult> {
    let passed = |command: &String| CheckResult {
        command: command.clone(),
        ending: Ending::Exited { code: 0 },
        timed_out: false,
        tail: String::new(),
        wall_ms: u64::try_from(CHECK.as_millis()).unwrap_or(u64::MAX),
    };
    commands.iter().map(passed).collect()
}

/// Whose limits an attempt uses: its provider's, else none but its agent's own.
fn provider(rung: &Rung) -> &str {
    rung.provider.as_deref().unwrap_or(&rung.agent)
}

impl World<'_> {
    /// An attempt starts.
    pub(super) fn begin(&mut self, place: usize, key: AttemptKey, rung: Rung, timeout: Span) {
        let spec = &self.runs[place].spec;
        let shape = self.scenario.shape(&key.task);
        let (name, attempt) = (key.task.as_str(), key.attempt.to_string());
        let mut chance = Chance::of(self.scenario.seed, &["attempt", spec.run_id.as_str(), name, &attempt]);
        let [low, high] = [shape.shortest, shape.longest].map(|span| millis(span.0));
        let whole = chance.between(low, high);
        let flight = Flight {
            started: self.now,
            deadline: self.now + timeout.0,
            step: Span(Duration::from_millis(whole / u64::from(shape.steps))),
            fails: chance.percent(shape.fails),
            price: self
                .scenario
                .providers
                .get(provider(&rung))
                .and_then(|known| known.price)
                .or_else(|| price(spec, &rung)),
            shape,
            rung,
            done: 0,
            stranger: false,
            next: 0,
        };
        self.loads.entry(provider(&flight.rung).to_owned()).or_default().attempts += 1;
        self.flights.insert((place, key.clone()), flight);
        self.next(place, key, START, Due::Request);
    }

    /// What happens to an attempt next, unless its time is over before.
    fn next(&mut self, place: usize, key: AttemptKey, after: Duration, due: fn(AttemptKey) -> Due) {
        let at = self.now + after;
        let Some(flight) = self.flights.get(&(place, key.clone())) else { return };
        let deadline = flight.deadline;
        if at > deadline {
            self.end_at(deadline, place, key, End::Stopped(StopReason::Deadline));
            return;
        }
        let number = self.at(at, place, due(key.clone()));
        if let Some(flight) = self.flights.get_mut(&(place, key)) {
            flight.next = number;
        }
    }

    fn end_at(&mut self, at: Timestamp, place: usize, key: AttemptKey, end: End) {
        let number = self.at(at, place, Due::End(key.clone(), end));
        if let Some(flight) = self.flights.get_mut(&(place, key)) {
            flight.next = number;
        }
    }

    /// An attempt is asked to stop.
    pub(super) fn stop(&mut self, place: usize, key: AttemptKey, reason: StopReason) {
        if self.flights.contains_key(&(place, key.clone())) {
            self.end_at(self.now + STOP, place, key, End::Stopped(reason));
        }
    }

    /// What was to happen, happens.
    pub(super) fn happen(&mut self, place: usize, due: Due, number: u64) -> Result<(), NoEnd> {
        let (key, end) = match due {
            Due::Tell(input) => return self.tell(place, *input),
            Due::Request(key) if self.is_next(place, &key, number) => {
                self.request(place, key);
                return Ok(());
            }
            Due::Answered(key) if self.is_next(place, &key, number) => return self.answered(place, key),
            Due::End(key, end) if self.is_next(place, &key, number) => (key, end),
            // It was stopped meanwhile.
            Due::Request(_) | Due::Answered(_) | Due::End(..) => return Ok(()),
        };
        let Some(flight) = self.land(&(place, key.clone())) else { return Ok(()) };
        let spec = &self.runs[place].spec;
        let Some(task) = spec.tasks.iter().find(|task| task.id == key.task) else { return Ok(()) };
        let facts = Box::new(flight.facts(&spec.run_id, &key, task, &end, self.now));
        self.tell(place, Input::AttemptEnded { key, facts })
    }

    fn is_next(&self, place: usize, key: &AttemptKey, number: u64) -> bool {
        self.flights.get(&(place, key.clone())).is_some_and(|flight| flight.next == number)
    }

    /// An attempt is no longer under way.
    pub(super) fn land(&mut self, flight: &(usize, AttemptKey)) -> Option<Flight> {
        let flight = self.flights.remove(flight)?;
        if let Some(load) = self.loads.get_mut(provider(&flight.rung)) {
            load.attempts = load.attempts.saturating_sub(1);
        }
        Some(flight)
    }

    /// An attempt asks its provider, and it is decided what comes of it.
    fn request(&mut self, place: usize, key: AttemptKey) {
        let Some(flight) = self.flights.get(&(place, key.clone())) else { return };
        let (name, step) = (provider(&flight.rung).to_owned(), flight.step.0);
        let (answer, retry_after) = self.reply(place, &name, &key);
        match answer {
            Answer::Works | Answer::Slow | Answer::WrongModel => {
                let step = if answer == Answer::Slow { step.saturating_mul(SLOW) } else { step };
                if answer == Answer::WrongModel
                    && let Some(flight) = self.flights.get_mut(&(place, key.clone()))
                {
                    flight.stranger = true;
                }
                self.next(place, key, step, Due::Answered);
            }
            Answer::Hangs => {
                let idle = self.now + self.runs[place].spec.settings.idle_timeout.0;
                let deadline = self.flights.get(&(place, key.clone())).map_or(idle, |flight| flight.deadline);
                if deadline <= idle {
                    self.end_at(deadline, place, key, End::Stopped(StopReason::Deadline));
                } else {
                    self.end_at(idle, place, key, End::Stopped(StopReason::Idle));
                }
            }
            Answer::RateLimited
            | Answer::OutOfCredits
            | Answer::NotLoggedIn
            | Answer::ModelUnknown
            | Answer::Overloaded
            | Answer::Unreachable
            | Answer::ContextOverflow
            | Answer::Crashes => {
                self.end_at(
                    self.now + STOP,
                    place,
                    key,
                    End::Refused { answer, provider: name, retry_after },
                );
            }
        }
    }

    /// What a provider replies: by the scenario's rules, then by its limits.
    fn reply(&mut self, place: usize, name: &str, key: &AttemptKey) -> (Answer, Option<Span>) {
        let attempt = format!("{}/{key}", self.runs[place].spec.run_id.as_str());
        if let Some(rule) = self.scenario.rule(name, self.now.since(self.start), &attempt) {
            return (rule.answer, rule.retry_after);
        }
        let shape = self.scenario.providers.get(name).copied().unwrap_or_default();
        let load = self.loads.entry(name.to_owned()).or_default();
        let crowded = shape.at_once.is_some_and(|most| load.attempts > most);
        if crowded || !load.ask(self.now, shape.requests_per_minute) {
            return (Answer::RateLimited, shape.retry_after);
        }
        (Answer::Works, None)
    }

    /// A step of an attempt is done.
    fn answered(&mut self, place: usize, key: AttemptKey) -> Result<(), NoEnd> {
        let Some(flight) = self.flights.get_mut(&(place, key.clone())) else { return Ok(()) };
        flight.done += 1;
        let usage = flight.usage();
        if flight.done >= flight.shape.steps {
            self.end_at(self.now, place, key.clone(), End::Proper);
        } else {
            self.next(place, key.clone(), Duration::ZERO, Due::Request);
        }
        self.tell(place, Input::AttemptUsed { key, usage })
    }

    /// What one run saw of a provider is told to the others, as the shared state does.
    pub(super) fn share(&mut self, place: usize, body: &EventBody) {
        let EventBody::ProviderRested { provider, until, trigger, evidence } = body else { return };
        // A month's budget is no matter of the provider.
        if *trigger == FailureKind::BudgetExhausted {
            return;
        }
        let later = match (self.told.get(provider), until) {
            (None, _) | (Some(Some(_)), None) => true,
            (Some(None), _) => false,
            (Some(Some(before)), Some(until)) => until > before,
        };
        if !later {
            return;
        }
        self.told.insert(provider.clone(), *until);
        for other in 0..self.runs.len() {
            if other != place && self.runs[other].finished.is_none() {
                let input = Input::ProviderRests {
                    provider: provider.clone(),
                    until: *until,
                    trigger: *trigger,
                    evidence: evidence.clone(),
                };
                self.answer(Duration::ZERO, other, input);
            }
        }
    }
}

/// What tokens at `rung` cost; none: nothing.
fn price(spec: &RunSpec, rung: &Rung) -> Option<Price> {
    let layer = spec.layers.iter().find(|layer| Some(layer.layer) == rung.layer)?;
    (layer.cost == Cost::Paid).then(|| layer.price.unwrap_or(USUAL_PRICE))
}

fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_more_than_a_minute_allows_is_too_many() {
        let mut load = Load::default();
        let asked = |load: &mut Load, seconds: i64| load.ask(Timestamp(seconds * 1_000), Some(2));
        let answers: Vec<bool> = [0, 10, 20, 59, 60, 65, 70].iter().map(|at| asked(&mut load, *at)).collect();
        assert_eq!(answers, [true, true, false, false, true, false, true]);
        assert!(load.ask(Timestamp(70_000), None));
    }
}
