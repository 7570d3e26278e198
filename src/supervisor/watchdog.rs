//! When an attempt has had its time: its deadlines, and the steps by which it is stopped.
//!
//! Nothing here reads a clock or sends a signal: time is an argument, and what is due is an answer.
//! The steps go one way only: running, asked to stop, killed, given up.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::outcome::StopReason;

/// How long a process may live on after its kill before it is given up (it hangs in the kernel).
const GIVE_UP: Duration = Duration::from_secs(20);

/// Deadlines so far away that they are none.
const FAR: Duration = Duration::from_hours(365 * 24);

/// The lengths that bound an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the start.
    pub(super) timeout: Duration,
    /// From the last sign of life.
    pub(super) idle: Duration,
    /// From the first word to the kill.
    pub(super) grace: Duration,
    /// From a valid completion.
    pub(super) linger: Duration,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing yet.
    Nothing,
    /// To look whether it is really idle, and then to call [`Watchdog::active`], [`Watchdog::put_off`] or
    /// [`Watchdog::stop`].
    IdleCheck,
    /// To stop it for this reason.
    Stop(StopReason),
    /// To kill it.
    Kill,
    /// To wait no longer: it cannot be killed.
    GiveUp,
}

/// How far stopping has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Running,
    Asked { kill_at: Instant },
    Killed { give_up_at: Instant },
}

/// The deadlines of one attempt.
#[derive(Debug)]
pub(super) struct Watchdog {
    limits: Limits,
    deadline: Instant,
    idle_at: Instant,
    /// The last sign of life.
    quiet_since: Instant,
    linger_at: Option<Instant>,
    stage: Stage,
    reason: Option<StopReason>,
}

fn after(now: Instant, length: Duration) -> Instant {
    now + length.min(FAR)
}

impl Watchdog {
    /// Begins to count at `now`.
    pub(super) fn new(limits: Limits, now: Instant) -> Self {
        Self {
            limits,
            deadline: after(now, limits.timeout),
            idle_at: after(now, limits.idle),
            quiet_since: now,
            linger_at: None,
            stage: Stage::Running,
            reason: None,
        }
    }

    /// Says what is due at `now`.
    pub(super) fn due(&self, now: Instant) -> Due {
        match self.stage {
            Stage::Running if self.linger_at.is_some_and(|at| now >= at) => Due::Stop(StopReason::Lingering),
            Stage::Running if now >= self.deadline => Due::Stop(StopReason::Deadline),
            Stage::Running if self.linger_at.is_none() && now >= self.idle_at => Due::IdleCheck,
            Stage::Asked { kill_at } if now >= kill_at => Due::Kill,
            Stage::Killed { give_up_at } if now >= give_up_at => Due::GiveUp,
            Stage::Running | Stage::Asked { .. } | Stage::Killed { .. } => Due::Nothing,
        }
    }

    /// Says when something is due next, if nothing else happens.
    pub(super) fn next_wake(&self) -> Instant {
        match self.stage {
            Stage::Running => self.deadline.min(self.linger_at.unwrap_or(self.idle_at)),
            Stage::Asked { kill_at } => kill_at,
            Stage::Killed { give_up_at } => give_up_at,
        }
    }

    /// Takes in a sign of life.
    pub(super) fn active(&mut self, now: Instant) {
        self.idle_at = after(now, self.limits.idle);
        self.quiet_since = now;
    }

    /// Puts the next look at its silence off by `length` although there was no sign of life.
    pub(super) fn put_off(&mut self, length: Duration, now: Instant) {
        self.idle_at = after(now, length);
    }

    /// When the last sign of life was.
    pub(super) fn quiet_since(&self) -> Instant {
        self.quiet_since
    }

    /// Takes in whether a valid completion is there. The first sight of it counts, and one that is
    /// gone again sets the attempt back to work.
    pub(super) fn completed(&mut self, valid: bool, now: Instant) {
        if !valid {
            self.linger_at = None;
        } else if self.linger_at.is_none() {
            self.linger_at = Some(after(now, self.limits.linger));
        }
    }

    /// Notes that it is asked to stop. Answers false if it was already, and then nothing changes.
    pub(super) fn stop(&mut self, reason: StopReason, now: Instant) -> bool {
        if self.stage != Stage::Running {
            return false;
        }
        self.reason = Some(reason);
        self.stage = Stage::Asked { kill_at: after(now, self.limits.grace) };
        true
    }

    /// Notes that it is killed. A reason that was given before stands. Answers false if it was
    /// killed before.
    pub(super) fn kill(&mut self, reason: StopReason, now: Instant) -> bool {
        if matches!(self.stage, Stage::Killed { .. }) {
            return false;
        }
        self.reason.get_or_insert(reason);
        self.stage = Stage::Killed { give_up_at: after(now, GIVE_UP) };
        true
    }

    /// Until when what it left in its group may end by itself; none: it may not.
    pub(super) fn grace_left(&self) -> Option<Instant> {
        match self.stage {
            Stage::Asked { kill_at } => Some(kill_at),
            Stage::Running | Stage::Killed { .. } => None,
        }
    }

    /// Why it was stopped; none: it was not.
    pub(super) fn into_reason(self) -> Option<StopReason> {
        self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        timeout: Duration::from_secs(100),
        idle: Duration::from_secs(10),
        grace: Duration::from_secs(5),
        linger: Duration::from_secs(20),
    };

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn signs_of_life_put_the_idle_check_off() {
        let start = Instant::now();
        let mut dog = Watchdog::new(LIMITS, start);
        assert_eq!(dog.next_wake(), at(start, 10));
        assert_eq!(dog.due(at(start, 9)), Due::Nothing);
        dog.active(at(start, 9));
        assert_eq!(dog.due(at(start, 18)), Due::Nothing);
        assert_eq!(dog.due(at(start, 19)), Due::IdleCheck);
    }

    #[test]
    fn a_look_is_put_off_without_a_sign_of_life() {
        let start = Instant::now();
        let mut dog = Watchdog::new(LIMITS, start);
        dog.active(at(start, 5));
        dog.put_off(Duration::from_secs(7), at(start, 15));
        assert_eq!(dog.due(at(start, 21)), Due::Nothing);
        assert_eq!(dog.due(at(start, 22)), Due::IdleCheck);
        assert_eq!(dog.quiet_since(), at(start, 5));
    }

    #[test]
    fn activity_does_not_move_the_deadline() {
        let start = Instant::now();
        let mut dog = Watchdog::new(LIMITS, start);
        dog.active(at(start, 99));
        assert_eq!(dog.next_wake(), at(start, 100));
        assert_eq!(dog.due(at(start, 100)), Due::Stop(StopReason::Deadline));
    }

    #[test]
    fn lingering_counts_from_the_first_valid_completion() {
        let start = Instant::now();
        let mut dog = Watchdog::new(LIMITS, start);
        dog.completed(true, at(start, 5));
        dog.completed(true, at(start, 15));
        assert_eq!(dog.due(at(start, 24)), Due::Nothing, "a finished attempt is not idle");
        assert_eq!(dog.due(at(start, 25)), Due::Stop(StopReason::Lingering));
        dog.completed(false, at(start, 25));
        assert_eq!(dog.due(at(start, 25)), Due::IdleCheck);
    }

    #[test]
    fn the_ladder_goes_one_way_and_keeps_its_first_reason() {
        let start = Instant::now();
        let mut dog = Watchdog::new(LIMITS, start);
        assert!(dog.stop(StopReason::Idle, at(start, 10)));
        assert!(!dog.stop(StopReason::Requested, at(start, 11)));
        assert_eq!(dog.grace_left(), Some(at(start, 15)));
        assert_eq!(dog.due(at(start, 14)), Due::Nothing);
        assert_eq!(dog.due(at(start, 15)), Due::Kill);
        assert!(dog.kill(StopReason::Requested, at(start, 15)));
        assert!(!dog.kill(StopReason::Requested, at(start, 16)));
        assert_eq!(dog.grace_left(), None);
        assert_eq!(dog.due(at(start, 34)), Due::Nothing);
        assert_eq!(dog.due(at(start, 35)), Due::GiveUp);
        assert_eq!(dog.into_reason(), Some(StopReason::Idle));
    }

    #[test]
    fn endless_limits_do_not_overflow() {
        let start = Instant::now();
        let endless = Limits {
            timeout: Duration::MAX,
            idle: Duration::MAX,
            grace: Duration::MAX,
            linger: Duration::MAX,
        };
        let dog = Watchdog::new(endless, start);
        assert_eq!(dog.due(at(start, 1_000_000)), Due::Nothing);
    }
}
