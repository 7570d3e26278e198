//! What follows a failed attempt: where the next one runs and when, or that there is none.
//!
//! All of it is a function of the task's attempts as the events tell them, so a run that was
//! recovered after a crash decides as the one that crashed would have.
//!
//! | failure | provider, layer | next attempt | counts as a retry |
//! | --- | --- | --- | --- |
//! | `rate_limited` | rests for `Retry-After`, else 60 s | next layer at once | no, once per layer and ten times more |
//! | `not_logged_in`, `out_of_credits` | provider off | next layer | no, once per layer |
//! | `model_unknown`, `usage_error`, `agent_not_found`, `permission_rejected` | layer off | next layer | no, once per layer |
//! | `provider_unreachable` | rests 5 min, after the agent's own timeout 2 min | next layer | no, once per layer |
//! | `overloaded` | rests 30 s when it is left | same layer once more, then next | no, once per layer |
//! | `stalled`, `hierarchy_violation`, `budget_exhausted` (an attempt that would pass what was reserved) | - | next layer | no, once per layer and while another is untried |
//! | `context_overflow` | - | next layer with a larger context; none: the task fails | no, once per layer |
//! | `lost` | - | same layer at once | no, three times |
//! | any, of a session that could not be gone on with | - | same layer at once, in a new session | no |
//! | any, before it asked a model for anything, where another start helps | - | same layer after a moment | no, three times |
//! | `merge_conflict` | - | same layer | no, once |
//! | `reported_blocked`, limits | - | none | - |
//! | all others | - | same layer, the last one on the next layer | yes |
//!
//! Outside the hierarchy there is no other layer: a provider's troubles count as the task's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::failure::{Failure, FailureKind, Remedy};
use crate::model::ids::TaskId;
use crate::model::layer::Rung;
use crate::model::reading::Sign;
use crate::model::status::AttemptStatus;
use crate::model::time::Timestamp;
use crate::model::view::AttemptView;

use super::ladder::{Ladder, Sky, Standing, Step, none_left};
use super::payment::is_to_wait;

/// How long a provider rests that said 429 without saying for how long.
const RATE_LIMIT_REST: Duration = Duration::from_mins(1);
/// How long a provider rests that could not be reached.
const UNREACHABLE_REST: Duration = Duration::from_mins(5);
/// How long a provider rests that answered too late for the agent.
const SLOW_REST: Duration = Duration::from_mins(2);
/// How long a provider rests that is overloaded.
const OVERLOAD_REST: Duration = Duration::from_secs(30);
/// How often an attempt may be lost, or not begin, before that counts.
const FREE_LOSSES: u32 = 3;
/// How often a task may be refused for asking too much, beside once per layer: a provider that many
/// share is busy, which is no fault of the task.
const FREE_REFUSALS: u32 = 10;
/// The first wait before the same is tried again: long enough for what was in the way to go, too
/// short for a person to notice.
const TASK_BACKOFF: Duration = Duration::from_millis(250);
/// The first wait after a start that came to nothing: whoever was in the way starts as well.
const START_BACKOFF: Duration = Duration::from_secs(1);
/// The first wait for an overloaded provider.
const OVERLOAD_BACKOFF: Duration = Duration::from_secs(1);
/// No wait of a backoff is longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// What a failure means for a provider or a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing.
    Nothing,
    /// The provider is left alone until then; none: for the rest of the run.
    Rest {
        /// Which.
        provider: String,
        /// Until when.
        until: Option<Timestamp>,
    },
    /// The layer is off for the rest of the run.
    LayerOff(u8),
}

/// What follows for the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Another attempt.
    Again {
        /// Where.
        rung: Rung,
        /// Not before.
        at: Timestamp,
    },
    /// None: the task has failed.
    Fail(Failure),
}

/// What the attempts so far used up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Failures that count for `retries`.
    pub charged: u32,
    /// Whether the last one is among them.
    pub last_charged: bool,
    /// Layers that had their free move.
    pub spent: BTreeSet<u8>,
    /// How often each layer was overloaded.
    pub overloaded: BTreeMap<u8, u32>,
    refused: u32,
    lost: u32,
    false_starts: u32,
    conflicts: u32,
}

impl Tally {
    /// Counts `attempts`, those since the task got its retries anew.
    pub fn of(attempts: &[AttemptView], ladder: &Ladder) -> Self {
        let mut tally = Self::default();
        for attempt in attempts {
            tally.last_charged = match attempt.status {
                AttemptStatus::Running | AttemptStatus::Succeeded | AttemptStatus::Cancelled => false,
                AttemptStatus::Lost => {
                    tally.lost += 1;
                    tally.lost > FREE_LOSSES
                }
                AttemptStatus::Failed if attempt.lost_its_session() => false,
                AttemptStatus::Failed if is_false_start(attempt) => {
                    tally.false_starts += 1;
                    tally.false_starts > FREE_LOSSES
                }
                AttemptStatus::Failed => match attempt.failure() {
                    Some(failure) => tally.charge(failure.kind, &attempt.rung, ladder),
                    None => true,
                },
            };
            tally.charged += u32::from(tally.last_charged);
        }
        tally
    }

    fn charge(&mut self, kind: FailureKind, rung: &Rung, ladder: &Ladder) -> bool {
        let Some(layer) = rung.layer else {
            return self.charge_outside(kind);
        };
        match kind.remedy() {
            Remedy::Task if kind == FailureKind::MergeConflict => self.charge_conflict(),
            Remedy::Task | Remedy::Never => true,
            Remedy::Free => false,
            Remedy::OnceMoreThenNext => {
                let times = self.overloaded.entry(layer).or_insert(0);
                *times += 1;
                *times > 1 && !self.spent.insert(layer)
            }
            Remedy::NextLayer => {
                let first = self.spent.insert(layer);
                if kind == FailureKind::RateLimited && !first {
                    self.refused += 1;
                    return self.refused > FREE_REFUSALS;
                }
                let untried = ladder
                    .steps
                    .iter()
                    .any(|step| step.rung.layer.is_some_and(|other| !self.spent.contains(&other)));
                // Where neither the provider nor the layer is left alone, a move needs somewhere
                // to move to; without it the task would go round for ever.
                !first || !(untried || leaves_alone(kind))
            }
        }
    }

    fn charge_outside(&mut self, kind: FailureKind) -> bool {
        match kind.remedy() {
            Remedy::Task if kind == FailureKind::MergeConflict => self.charge_conflict(),
            Remedy::Free => false,
            Remedy::Task | Remedy::Never | Remedy::OnceMoreThenNext | Remedy::NextLayer => true,
        }
    }

    const fn charge_conflict(&mut self) -> bool {
        self.conflicts += 1;
        self.conflicts > 1
    }
}

/// Whether an attempt failed before it asked a model for anything, where another start helps.
fn is_false_start(attempt: &AttemptView) -> bool {
    attempt.failure().is_some_and(|failure| failure.kind == FailureKind::Exited)
        && attempt.reading.as_ref().is_some_and(|reading| reading.not_begun)
}

/// Whether a failure of this kind makes a provider rest or turns something off.
const fn leaves_alone(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::RateLimited
            | FailureKind::NotLoggedIn
            | FailureKind::OutOfCredits
            | FailureKind::ProviderUnreachable
            | FailureKind::ModelUnknown
            | FailureKind::UsageError
            | FailureKind::AgentNotFound
            | FailureKind::PermissionRejected
    )
}

/// What the last of `attempts` means for its provider or layer.
pub fn aftermath(attempts: &[AttemptView], ladder: &Ladder) -> Aftermath {
    let Some((last, kind)) = attempts.last().and_then(|last| last.failure().map(|f| (last, f.kind))) else {
        return Aftermath::Nothing;
    };
    if last.lost_its_session() {
        return Aftermath::Nothing;
    }
    let sign = last.reading.as_ref().and_then(|reading| reading.terminal_error.as_ref());
    let ended = last.ended_at.unwrap_or(last.started_at);
    let rest = |length: Option<Duration>| match &last.rung.provider {
        Some(provider) => {
            Aftermath::Rest { provider: provider.clone(), until: length.map(|length| ended + length) }
        }
        None => Aftermath::Nothing,
    };
    match kind {
        FailureKind::RateLimited => rest(Some(told(sign).unwrap_or(RATE_LIMIT_REST))),
        FailureKind::NotLoggedIn | FailureKind::OutOfCredits => rest(None),
        FailureKind::ProviderUnreachable => {
            rest(Some(if sign.is_some_and(is_timeout) { SLOW_REST } else { UNREACHABLE_REST }))
        }
        FailureKind::Overloaded => {
            let tally = Tally::of(attempts, ladder);
            let times = last.rung.layer.and_then(|layer| tally.overloaded.get(&layer)).copied();
            if times.is_some_and(|times| times > 1) || told(sign).is_some_and(|told| told > LONGEST_BACKOFF) {
                rest(Some(told(sign).unwrap_or(OVERLOAD_REST).max(OVERLOAD_REST)))
            } else {
                Aftermath::Nothing
            }
        }
        FailureKind::ModelUnknown
        | FailureKind::UsageError
        | FailureKind::AgentNotFound
        | FailureKind::PermissionRejected => last.rung.layer.map_or(Aftermath::Nothing, Aftermath::LayerOff),
        FailureKind::ContextOverflow
        | FailureKind::TimedOut
        | FailureKind::Stalled
        | FailureKind::Exited
        | FailureKind::Killed
        | FailureKind::NoCompletion
        | FailureKind::BadCompletion
        | FailureKind::ReportedFailed
        | FailureKind::ReportedBlocked
        | FailureKind::OutputMissing
        | FailureKind::NoChange
        | FailureKind::VerifyFailed
        | FailureKind::MergeConflict
        | FailureKind::OwnershipViolation
        | FailureKind::HierarchyViolation
        | FailureKind::BudgetExhausted
        | FailureKind::NoLayerLeft
        | FailureKind::PaymentNotApproved
        | FailureKind::OverLimit
        | FailureKind::Lost => Aftermath::Nothing,
    }
}

/// The time after which to try again, where it was told; never less than a second, so that a
/// provider that says 0 is not asked without a pause, and never more than a year, so that it can
/// be written as a date.
fn told(sign: Option<&Sign>) -> Option<Duration> {
    const YEAR: u64 = 365 * 86_400;
    sign.and_then(|sign| sign.retry_after_s).map(|seconds| Duration::from_secs(seconds.clamp(1, YEAR)))
}

/// Whether no answer came in the agent's own time, in contrast to a provider that cannot be
/// reached at all.
fn is_timeout(sign: &Sign) -> bool {
    let message = sign.message.to_ascii_lowercase();
    matches!(sign.status, Some(408 | 504)) || message.contains("timeout") || message.contains("timed out")
}

/// Decides what follows the last of `attempts`, which failed or was lost. `attempts` are those
/// since the task got its retries anew; the sky already shows what the failure means for others.
pub fn decide(
    task: &TaskId,
    retries: u32,
    attempts: &[AttemptView],
    ladder: &Ladder,
    sky: &Sky<'_>,
    seed: u64,
) -> Next {
    let Some(last) = attempts.last() else {
        return Next::Fail(none_left(ladder, sky));
    };
    let failure =
        last.failure().cloned().unwrap_or_else(|| Failure::new(FailureKind::Lost, "nobody saw its end"));
    let tally = Tally::of(attempts, ladder);
    let outside = last.rung.layer.is_none();
    if last.lost_its_session() {
        // Nothing was tried, and a new session needs nothing of the old one.
        return same_or_next(last, ladder, sky, &tally, sky.now);
    }
    let remedy = failure.kind.remedy();
    if remedy == Remedy::Never
        || (outside && failure.kind == FailureKind::AgentNotFound)
        || tally.charged > retries
    {
        return Next::Fail(failure);
    }
    let last_retry = tally.last_charged && tally.charged == retries;
    let backoff = |first: Duration, times: u32| sky.now + jittered(first, times, seed, task, last.attempt);
    match remedy {
        Remedy::Never => Next::Fail(failure),
        Remedy::Free if !tally.last_charged => same_or_next(last, ladder, sky, &tally, sky.now),
        Remedy::Task if is_false_start(last) => {
            let at = backoff(START_BACKOFF, tally.false_starts.saturating_sub(1));
            same_or_next(last, ladder, sky, &tally, at)
        }
        Remedy::Free | Remedy::Task => {
            let at = backoff(TASK_BACKOFF, tally.charged.saturating_sub(1));
            match higher(last, ladder, sky, &tally) {
                Some(step) if last_retry => Next::Again { rung: step.rung.clone(), at },
                Some(_) | None => same_or_next(last, ladder, sky, &tally, at),
            }
        }
        Remedy::NextLayer | Remedy::OnceMoreThenNext if outside => {
            let sign = last.reading.as_ref().and_then(|reading| reading.terminal_error.as_ref());
            let at = backoff(TASK_BACKOFF, tally.charged.saturating_sub(1));
            let at = told(sign).map_or(at, |told| at.max(sky.now + told));
            if sky.too_long(at) {
                return Next::Fail(failure);
            }
            same_or_next(last, ladder, sky, &tally, at)
        }
        Remedy::OnceMoreThenNext => {
            let times = last.rung.layer.and_then(|layer| tally.overloaded.get(&layer)).copied();
            if times == Some(1) {
                let sign = last.reading.as_ref().and_then(|reading| reading.terminal_error.as_ref());
                let at = backoff(OVERLOAD_BACKOFF, 0);
                // A provider that wants more time than the backoff is better left.
                if told(sign).is_none_or(|told| told <= LONGEST_BACKOFF) {
                    let at = told(sign).map_or(at, |told| at.max(sky.now + told));
                    return same_or_next(last, ladder, sky, &tally, at);
                }
            }
            next(last, ladder, sky, &tally, &failure)
        }
        Remedy::NextLayer => next(last, ladder, sky, &tally, &failure),
    }
}

/// Where a task goes on whose next rung was decided and is not to be had any more.
pub fn decide_again(task_attempts: &[AttemptView], wanted: &Rung, ladder: &Ladder, sky: &Sky<'_>) -> Next {
    let tally = Tally::of(task_attempts, ladder);
    choose(wanted, ladder, sky, &tally, |_| true)
}

/// The same rung at `at` if it is to be had, else as for a move.
fn same_or_next(last: &AttemptView, ladder: &Ladder, sky: &Sky<'_>, tally: &Tally, at: Timestamp) -> Next {
    match ladder.step(&last.rung) {
        Some(step) if stays(step, ladder, sky) => Next::Again { rung: step.rung.clone(), at },
        Some(_) | None => choose(&last.rung, ladder, sky, tally, |_| true),
    }
}

/// Whether a task goes on at its own rung. One that takes one start after another is waited for in
/// line; a paid one is left where a free one is to be waited for.
fn stays(step: &Step, ladder: &Ladder, sky: &Sky<'_>) -> bool {
    match sky.standing(step) {
        Standing::Ready => !step.paid || !is_to_wait(ladder.steps.iter(), sky),
        Standing::Paced(_) => true,
        Standing::Rests(_) | Standing::Later | Standing::Off => false,
    }
}

/// The next rung up that is to be had, one that the task did not leave before it can.
fn higher<'a>(last: &AttemptView, ladder: &'a Ladder, sky: &Sky<'_>, tally: &Tally) -> Option<&'a Step> {
    let (after, _) = ladder.around(&last.rung);
    let free_first = is_to_wait(ladder.steps.iter(), sky);
    let is_ready = |step: &&Step| sky.standing(step) == Standing::Ready && !(step.paid && free_first);
    let ready = || after.iter().copied().filter(is_ready);
    ready().find(|step| is_unspent(step, tally)).or_else(|| ready().next())
}

fn is_unspent(step: &Step, tally: &Tally) -> bool {
    step.rung.layer.is_none_or(|layer| !tally.spent.contains(&layer))
}

fn next(last: &AttemptView, ladder: &Ladder, sky: &Sky<'_>, tally: &Tally, failure: &Failure) -> Next {
    if failure.kind != FailureKind::ContextOverflow {
        return choose(&last.rung, ladder, sky, tally, |_| true);
    }
    // A model whose context nobody knows may have a larger one; one that is known to be no larger
    // cannot help.
    let context = ladder.step(&last.rung).and_then(|step| step.context);
    let (after, _) = ladder.around(&last.rung);
    let fits = |step: &Step| {
        after.iter().any(|other| other.rung == step.rung)
            && is_unspent(step, tally)
            && match (step.context, context) {
                (Some(theirs), Some(ours)) => theirs > ours,
                (None, _) | (_, None) => true,
            }
    };
    match choose(&last.rung, ladder, sky, tally, fits) {
        Next::Again { rung, at } => Next::Again { rung, at },
        Next::Fail(_) => Next::Fail(failure.clone()),
    }
}

/// The first rung that is to be had, among those that come after `from`, then those before it, then
/// its own; those that the task did not leave before come first. When all rest: the one that is back
/// first, a free one if that can be waited for.
fn choose(from: &Rung, ladder: &Ladder, sky: &Sky<'_>, tally: &Tally, fits: impl Fn(&Step) -> bool) -> Next {
    let (after, before) = ladder.around(from);
    let own = ladder.step(from);
    let is_own = |step: &Step| own.is_some_and(|own| own.rung == step.rung);
    let order: Vec<&Step> = after.into_iter().chain(before).chain(own).filter(|step| fits(step)).collect();
    // A paid rung is no way out where a free one is to be waited for.
    let free_first = is_to_wait(order.iter().copied(), sky);
    let ready = |step: &&&Step| sky.standing(step) == Standing::Ready && !(step.paid && free_first);
    let chosen = order
        .iter()
        .find(|step| ready(step) && !is_own(step) && is_unspent(step, tally))
        .or_else(|| order.iter().find(ready));
    if let Some(step) = chosen {
        return Next::Again { rung: step.rung.clone(), at: sky.now };
    }
    let back = order
        .iter()
        .filter_map(|step| match sky.standing(step) {
            Standing::Rests(until) if !sky.too_long(until) => Some((step.paid, until, *step)),
            Standing::Paced(at) => Some((step.paid, at, *step)),
            Standing::Rests(_) | Standing::Ready | Standing::Later | Standing::Off => None,
        })
        .min_by_key(|&(paid, at, _)| (paid, at));
    match back {
        // When a turn comes that is taken one after another, its place in line says.
        Some((_, _, step)) if matches!(sky.standing(step), Standing::Paced(_)) => {
            Next::Again { rung: step.rung.clone(), at: sky.now }
        }
        Some((_, until, step)) => Next::Again { rung: step.rung.clone(), at: until },
        None => match order.iter().find(|step| sky.standing(step) == Standing::Later) {
            // It waits in line there.
            Some(step) => Next::Again { rung: step.rung.clone(), at: sky.now },
            None => Next::Fail(none_left(ladder, sky)),
        },
    }
}

/// `first` doubled `times` times, up to a fifth longer or shorter, the same for the same seed, task
/// and attempt.
fn jittered(first: Duration, times: u32, seed: u64, task: &TaskId, attempt: u32) -> Duration {
    let length = first.saturating_mul(1 << times.min(10)).min(LONGEST_BACKOFF);
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let spread = millis / 5;
    let offset = mix(seed, task, attempt) % (2 * spread + 1);
    Duration::from_millis(millis - spread + offset)
}

/// A number that looks like chance and is a function of its arguments (FNV-1a, then the last step
/// of splitmix64).
fn mix(seed: u64, task: &TaskId, attempt: u32) -> u64 {
    let mut hash = seed ^ 0xcbf2_9ce4_8422_2325;
    for byte in task.as_str().bytes().chain(attempt.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_stay_near_their_length_and_repeat() {
        let task = TaskId::new("T1");
        let mut waits = Vec::new();
        for times in 0..12 {
            let wait = jittered(TASK_BACKOFF, times, 7, &task, 1);
            assert_eq!(wait, jittered(TASK_BACKOFF, times, 7, &task, 1));
            let length = TASK_BACKOFF.saturating_mul(1 << times.min(10)).min(LONGEST_BACKOFF);
            assert!(wait >= length * 4 / 5 && wait <= length * 6 / 5, "{times}: {wait:?}");
            waits.push(wait);
        }
        assert!(waits.windows(2).take(5).all(|pair| pair[0] < pair[1]), "{waits:?}");
        let others: BTreeSet<Duration> =
            (1..20).map(|attempt| jittered(OVERLOAD_BACKOFF, 0, 7, &task, attempt)).collect();
        assert!(others.len() > 10, "different attempts wait differently: {others:?}");
    }
}
