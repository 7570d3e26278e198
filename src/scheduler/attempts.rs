//! What happens to attempts: their progress, their end, their checks, and what follows for the task.

use std::collections::BTreeSet;

use crate::model::completion::Completion;
use crate::model::event::EventBody;
use crate::model::failure::FailureKind;
use crate::model::ids::{AttemptKey, TaskId};
use crate::model::outcome::{AttemptFacts, CheckResult, CompletionFact, StopReason};
use crate::model::run::{Isolation, TickMode};
use crate::model::status::AttemptStatus;
use crate::model::time::Timestamp;

use super::effect::Effect;
use super::judge::{Checks, Judgement, Question, judge, stopped_while_verifying};
use super::retry::{Aftermath, Next, aftermath, decide};
use super::{Phase, Scheduler, Stage};

impl Scheduler {
    /// The place of the task whose attempt `key` is under way and at this stage.
    fn place_of(&self, key: &AttemptKey, stage: Stage) -> Option<usize> {
        let place = self.view.place(&key.task)?;
        let flight = self.flights.get(&place)?;
        (flight.attempt == key.attempt && flight.stage == stage).then_some(place)
    }

    pub(super) fn key(&self, place: usize) -> AttemptKey {
        let attempt = self.flights.get(&place).map_or(0, |flight| flight.attempt);
        AttemptKey::new(self.id(place), attempt)
    }

    /// The place of the task whose attempt `key` runs.
    pub(super) fn running(&self, key: &AttemptKey) -> Option<usize> {
        self.place_of(key, Stage::Running)
    }

    pub(super) fn attempt_progressed(&mut self, key: &AttemptKey, message: String) {
        if self.place_of(key, Stage::Running).is_some() {
            let (task_id, attempt) = (key.task.clone(), key.attempt);
            self.record(EventBody::AttemptProgressed { task_id, attempt, message });
        }
    }

    pub(super) fn report_refused(&mut self, key: &AttemptKey, problem: String) {
        if self.place_of(key, Stage::Running).is_some() {
            let (task_id, attempt) = (key.task.clone(), key.attempt);
            self.record(EventBody::ReportRefused { task_id, attempt, problem });
        }
    }

    pub(super) fn attempt_ended(&mut self, key: &AttemptKey, facts: Box<AttemptFacts>) {
        let Some(place) = self.place_of(key, Stage::Running) else { return };
        if let Some(flight) = self.flights.get_mut(&place) {
            flight.facts = Some(facts);
            self.slots.process_ended(place, &flight.rung);
        }
        let Some(judgement) = self.judged(place, Checks::NotYet) else { return };
        let own = self.own_commands(place);
        let wide = self.has_wide_commands();
        if judgement.status != AttemptStatus::Succeeded || (own.is_empty() && !wide) {
            self.close(place, judgement);
        } else if self.is_stopping() || self.cancelling.contains_key(&place) {
            // Its checks would be started after the stop.
            self.close(place, stopped_while_verifying(judgement));
        } else if own.is_empty() {
            self.set_stage(place, Stage::Awaiting);
        } else {
            self.set_stage(place, Stage::Checking);
            self.record(EventBody::VerificationStarted {
                task_id: key.task.clone(),
                attempt: key.attempt,
                commands: own.clone(),
            });
            let timeout = self.task(place).timeout;
            self.out.push(Effect::Verify { key: key.clone(), commands: own, timeout });
        }
    }

    fn set_stage(&mut self, place: usize, stage: Stage) {
        if let Some(flight) = self.flights.get_mut(&place) {
            flight.stage = stage;
        }
    }

    /// The commands that are run at once when an attempt has ended. In a worktree nobody is
    /// disturbed by the run-wide ones, so they are among them.
    fn own_commands(&self, place: usize) -> Vec<String> {
        let settings = &self.spec.settings;
        if settings.no_verify {
            return Vec::new();
        }
        let mut commands = self.task(place).verify.clone();
        if settings.isolation == Isolation::Worktree {
            commands.extend(settings.verify.iter().cloned());
        }
        commands
    }

    fn has_wide_commands(&self) -> bool {
        let settings = &self.spec.settings;
        !settings.no_verify && settings.isolation == Isolation::Shared && !settings.verify.is_empty()
    }

    fn judged(&self, place: usize, checks: Checks<'_>) -> Option<Judgement> {
        let flight = self.flights.get(&place)?;
        let facts = flight.facts.as_ref()?;
        let key = self.key(place);
        Some(judge(&Question {
            spec: &self.spec,
            task: self.task(place),
            key: &key,
            rung: &flight.rung,
            facts,
            checks,
        }))
    }

    pub(super) fn verified(&mut self, key: &AttemptKey, results: &[CheckResult]) {
        let Some(place) = self.place_of(key, Stage::Checking) else { return };
        let complete = results.len() >= self.own_commands(place).len();
        if complete && results.iter().all(CheckResult::passed) && self.has_wide_commands() {
            if let Some(flight) = self.flights.get_mut(&place) {
                flight.own = results.to_vec();
                flight.stage = Stage::Awaiting;
            }
            return;
        }
        let checks = Checks::Done { own: results, wide: &[], together: &[] };
        if let Some(judgement) = self.judged(place, checks) {
            self.close(place, judgement);
        }
    }

    /// Runs the run-wide commands for all attempts that wait for them, once nothing else runs.
    pub(super) fn verify_run(&mut self) {
        if self.round.is_some()
            || self.flights.is_empty()
            || !self.asked.is_empty()
            || self.flights.values().any(|flight| flight.stage != Stage::Awaiting)
        {
            return;
        }
        let places: BTreeSet<usize> = self.flights.keys().copied().collect();
        let commands = self.spec.settings.verify.clone();
        let mut tasks = Vec::new();
        let mut timeout = None;
        for &place in &places {
            let key = self.key(place);
            self.record(EventBody::VerificationStarted {
                task_id: key.task.clone(),
                attempt: key.attempt,
                commands: commands.clone(),
            });
            tasks.push(key);
            timeout = timeout.max(Some(self.task(place).timeout));
        }
        self.round = Some(places);
        self.out.push(Effect::VerifyRun { commands, tasks, timeout: timeout.unwrap_or_default() });
    }

    pub(super) fn run_verified(&mut self, results: &[CheckResult]) {
        let Some(places) = self.round.take() else { return };
        let together: Vec<TaskId> = places.iter().map(|&place| self.id(place)).collect();
        for place in places {
            let own = self.flights.get(&place).map(|flight| flight.own.clone()).unwrap_or_default();
            let checks = Checks::Done { own: &own, wide: results, together: &together };
            if let Some(judgement) = self.judged(place, checks) {
                self.close(place, judgement);
            }
        }
    }

    /// Stops an attempt, whatever it is at. One whose process runs is reported when it has ended.
    pub(super) fn stop_attempt(&mut self, place: usize) {
        let Some(stage) = self.flights.get(&place).map(|flight| flight.stage) else { return };
        let key = self.key(place);
        self.out.push(Effect::Stop { key, reason: StopReason::Requested });
        match stage {
            Stage::Running => {}
            Stage::Checking | Stage::Awaiting => {
                if let Some(judgement) = self.judged(place, Checks::NotYet) {
                    self.close(place, stopped_while_verifying(judgement));
                }
            }
        }
    }

    /// Records the end of an attempt and what follows from it.
    fn close(&mut self, place: usize, judgement: Judgement) {
        let key = self.key(place);
        let Some(flight) = self.flights.remove(&place) else { return };
        self.slots.done();
        if let Some(round) = &mut self.round {
            round.remove(&place);
        }
        let (outcome, reading, summary, session_kept) = match flight.facts {
            Some(facts) => {
                let summary = match facts.completion {
                    CompletionFact::Valid { completion } => Some(summary(*completion)),
                    CompletionFact::Missing | CompletionFact::Invalid { .. } => None,
                };
                (Some(facts.outcome), Some(facts.reading), summary, facts.session_kept)
            }
            None => (None, None, None, false),
        };
        self.record(EventBody::AttemptEnded {
            task_id: key.task,
            attempt: key.attempt,
            status: judgement.status,
            outcome,
            reading,
            summary,
            session_kept,
            verdict: judgement.verdict,
        });
        self.book(place);
        self.settle(place);
        self.release(place);
    }

    /// Decides what follows from the last attempt of a task, which has ended. It looks at nothing
    /// but the state, so a run that crashed right after that end goes on from here.
    pub(super) fn settle(&mut self, place: usize) {
        let Some(last) = self.view.tasks[place].last_attempt() else { return };
        let (status, attempt, from) = (last.status, last.attempt, last.rung.clone());
        let failure = last.failure().cloned();
        let task_id = self.id(place);
        let stopped_by = self.cancelling.remove(&place);
        match (status, stopped_by) {
            (AttemptStatus::Running, _) => {}
            (AttemptStatus::Succeeded, _) => {
                self.end_task(place, EventBody::TaskSucceeded { task_id, attempt });
                self.tick(place);
            }
            (AttemptStatus::Failed | AttemptStatus::Lost | AttemptStatus::Cancelled, Some(by)) => {
                self.spread_failure(place);
                self.end_task(place, EventBody::TaskCancelled { task_id, by });
                self.block_behind(place);
            }
            (AttemptStatus::Cancelled, None) if self.phase == Phase::Live => {
                // Nobody asked for it here, so starting it again could go on for ever.
                let by = "its supervisor".to_owned();
                self.end_task(place, EventBody::TaskCancelled { task_id, by });
                self.block_behind(place);
            }
            (AttemptStatus::Cancelled, None) => self.reopen(place, "stopped"),
            (AttemptStatus::Failed | AttemptStatus::Lost, None) => {
                self.spread_failure(place);
                let line = self.fresh_line(place);
                let next = decide(
                    &task_id,
                    self.task(place).retries,
                    self.view.tasks[place].counted_attempts(),
                    self.queue.ladder(line),
                    &self.sky(),
                    self.spec.settings.seed,
                );
                match next {
                    Next::Fail(failure) => self.fail(place, failure),
                    Next::Again { .. } if self.is_stopping() => self.reopen(place, "stopped"),
                    Next::Again { .. } if self.tripped => self.reopen(place, "fail-fast"),
                    Next::Again { rung, at } => {
                        if let Some(failure) = failure
                            && rung != from
                        {
                            self.record(EventBody::LayerMoved {
                                task_id,
                                attempt,
                                from,
                                to: rung.clone(),
                                trigger: failure.kind,
                                evidence: failure.seen,
                            });
                        }
                        self.retry_at(place, rung, at);
                    }
                }
            }
        }
    }

    /// Lets a provider rest, or turns a layer off, where the last attempt showed that.
    fn spread_failure(&mut self, place: usize) {
        let line = self.fresh_line(place);
        let task = &self.view.tasks[place];
        let found = aftermath(task.counted_attempts(), self.queue.ladder(line));
        let Some(failure) = task.last_attempt().and_then(|last| last.failure()).cloned() else { return };
        let (trigger, evidence) = (failure.kind, failure.seen);
        match found {
            Aftermath::Nothing => {}
            Aftermath::Rest { provider, until } => self.rest(provider, until, trigger, evidence),
            Aftermath::LayerOff(layer) => {
                if self.off.insert(layer, trigger).is_none() {
                    self.record(EventBody::LayerTurnedOff { layer, trigger, evidence });
                }
            }
        }
    }

    /// Leaves a provider alone, unless it is for as long as that.
    pub(super) fn rest(
        &mut self,
        provider: String,
        until: Option<Timestamp>,
        trigger: FailureKind,
        evidence: String,
    ) {
        let longer = match (self.view.rests.get(&provider), until) {
            (None, _) => true,
            (Some(rest), None) => rest.until.is_some(),
            (Some(rest), Some(until)) => rest.until.is_some_and(|known| known < until),
        };
        if longer && until.is_none_or(|until| until > self.now) {
            self.record(EventBody::ProviderRested { provider, until, trigger, evidence });
        }
    }

    /// Asks for the box of a task to be ticked.
    pub(super) fn tick(&mut self, place: usize) {
        let task = self.task(place);
        let wanted = self.spec.settings.tick == TickMode::Auto
            && task.tick.is_some()
            && self.spec.plan_path.is_some()
            && !self.ticked.contains(&task.id);
        if wanted && self.ticking.insert(place) {
            let task = self.id(place);
            self.out.push(Effect::Tick { task });
        }
    }

    pub(super) fn box_ticked(&mut self, task: &TaskId, problem: Option<String>) {
        let Some(place) = self.view.place(task) else { return };
        if self.ticking.remove(&place) {
            self.ticked.insert(task.clone());
            self.record(EventBody::BoxTicked { task_id: task.clone(), problem });
        }
    }
}

fn summary(completion: Completion) -> String {
    completion.summary
}
