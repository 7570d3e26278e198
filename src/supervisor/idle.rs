//! Whether a silent attempt is idle: what counts against it, weighed without a clock.
//!
//! Time and what was measured are arguments. What is looked at, and when, is [`super::observation`]'s
//! business; the rule itself is told to users in `docs/failures.md`.

use std::time::Duration;

use crate::model::command::Silence;
use crate::model::reading::Waits;

/// Processor time that says nothing, however short the silence.
const LEAST: Duration = Duration::from_millis(200);

/// What a program's own timeout gets on top: it has to be seen first, and told.
pub(super) const MARGIN: Duration = Duration::from_secs(15);

/// How many idle timeouts an answer may take that comes without a word.
const REST: u32 = 3;

/// For how many idle timeouts in a row changed files keep an attempt alive beside others in the same
/// folder, who may have changed them.
const SHARED_CHANGES: u32 = 3;

/// What a tree has used of the processors, as far as its members are still known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ProcessorTime {
    /// By all of it, and by all that its members have waited for.
    pub(super) total: Duration,
    /// By the members that live in the leader's session: the agent, not the tools that it starts.
    pub(super) own: Duration,
    /// Whether somebody lives in another session.
    pub(super) tools: bool,
}

/// Processor time since the last sign of life.
///
/// A member that goes without being waited for takes its time along, so what a tree has used may
/// shrink: only growth counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Load {
    last: ProcessorTime,
    own: Duration,
    tools: Duration,
}

impl Load {
    /// Takes in a measurement.
    pub(super) fn add(&mut self, now: ProcessorTime) {
        let total = now.total.saturating_sub(self.last.total);
        let own = now.own.saturating_sub(self.last.own).min(total);
        self.own += own;
        self.tools += total.saturating_sub(own);
        self.last = now;
    }

    /// Begins to count anew.
    pub(super) fn forget(&mut self) {
        self.own = Duration::ZERO;
        self.tools = Duration::ZERO;
    }

    /// Whether somebody lives in another session than the leader's.
    pub(super) fn has_tools(&self) -> bool {
        self.last.tools
    }

    /// Whether more was used in `length` than waiting takes.
    pub(super) fn is_work(&self, length: Duration, silence: Silence) -> bool {
        let more = |used: Duration, load: u32| used > LEAST.max(length.saturating_mul(load) / 1000);
        more(self.tools, Silence::TOOL_LOAD) || more(self.own, silence.idle_load)
    }
}

/// How long silence is no idleness for an agent that waits for this.
pub(super) fn allowed(idle: Duration, silence: Silence, waits: Waits, has_tools: bool) -> Duration {
    let Some(provider) = silence.provider else { return idle };
    match waits {
        Waits::Start | Waits::Answer => idle.max(Duration::from(provider).saturating_add(MARGIN)),
        // An answer that comes makes no word before its end, and one that stops is given up by the
        // program; what else it may wait for in itself is nobody's to see.
        Waits::Rest if !has_tools => idle.saturating_mul(REST),
        // A tool is judged by what it does.
        Waits::Rest | Waits::Nothing => idle,
    }
}

/// What counts against a program that may still be starting, `age` after its start: on a busy machine it
/// gets no more of a processor than others use while they wait. Soon or late it asks its provider, and is
/// bounded by that; one that never does is judged as the others are after a while.
pub(super) fn starting(idle: Duration, silence: Silence, waits: Waits, age: Duration) -> Silence {
    match waits {
        Waits::Start if age < idle.saturating_mul(REST) => {
            Silence { idle_load: silence.idle_load.min(Silence::TOOL_LOAD), ..silence }
        }
        Waits::Start | Waits::Answer | Waits::Rest | Waits::Nothing => silence,
    }
}

/// Whether changed files are a sign of life, after so many idle timeouts with no other.
pub(super) fn changes_count(idle_timeouts: u32, is_alone: bool) -> bool {
    is_alone || idle_timeouts < SHARED_CHANGES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Span;

    const IDLE: Duration = Duration::from_mins(10);

    fn usage(total: u64, own: u64) -> ProcessorTime {
        ProcessorTime { total: Duration::from_secs(total), own: Duration::from_secs(own), tools: total > own }
    }

    fn load(measured: &[(u64, u64)]) -> Load {
        let mut load = Load::default();
        for &(total, own) in measured {
            load.add(usage(total, own));
        }
        load
    }

    #[test]
    fn what_waiting_takes_is_no_work() {
        let agent = Silence { idle_load: 150, ..Silence::default() };
        // Measured: OpenCode and Kilo use up to 70 thousandths while they wait for their provider.
        assert!(!load(&[(42, 42)]).is_work(IDLE, agent));
        assert!(load(&[(100, 100)]).is_work(IDLE, agent), "it does something itself");
        assert!(load(&[(60, 40)]).is_work(IDLE, agent), "a compiler below it");
        assert!(!load(&[(50, 40)]).is_work(IDLE, agent), "a server below it that nobody asks");
        assert!(load(&[(13, 13)]).is_work(IDLE, Silence::default()), "a program that is not known");
        assert!(!load(&[(12, 12)]).is_work(IDLE, Silence::default()));
    }

    #[test]
    fn a_short_silence_is_not_judged_by_a_blink() {
        let mut load = Load::default();
        load.add(ProcessorTime { total: LEAST, own: LEAST, tools: false });
        assert!(!load.is_work(Duration::from_secs(1), Silence::default()));
    }

    #[test]
    fn what_goes_with_its_time_takes_nothing_of_others_along() {
        let mut load = load(&[(100, 10)]);
        load.forget();
        // An orphan with 80 s has gone, then a compiler works for 30 s.
        load.add(usage(20, 10));
        load.add(usage(50, 10));
        assert!(load.is_work(IDLE, Silence::default()));
        load.forget();
        // Its time goes over to the one that waited for it: nothing has happened.
        load.add(ProcessorTime { tools: false, ..usage(50, 10) });
        assert!(!load.is_work(IDLE, Silence::default()));
        assert!(!load.has_tools());
    }

    #[test]
    fn a_slow_model_has_as_long_as_its_provider() {
        let known = |seconds| Silence { provider: Some(Span::seconds(seconds)), idle_load: 150 };
        let short = Duration::from_secs(40);
        for (silence, waits, tools, expected) in [
            (Silence::default(), Waits::Answer, false, short),
            (Silence::default(), Waits::Rest, false, short),
            (known(20), Waits::Answer, false, short),
            (known(300), Waits::Answer, false, Duration::from_secs(315)),
            (known(300), Waits::Answer, true, Duration::from_secs(315)),
            (known(300), Waits::Start, false, Duration::from_secs(315)),
            (known(300), Waits::Nothing, false, short),
            (known(20), Waits::Rest, false, short * 3),
            (known(20), Waits::Rest, true, short),
        ] {
            assert_eq!(allowed(short, silence, waits, tools), expected, "{silence:?} {waits:?} {tools}");
        }
    }

    #[test]
    fn a_start_is_given_some_time() {
        let agent = Silence { idle_load: 150, ..Silence::default() };
        let load = |waits, age| starting(IDLE, agent, waits, age).idle_load;
        assert_eq!(load(Waits::Start, Duration::from_secs(1_799)), Silence::TOOL_LOAD);
        assert_eq!(load(Waits::Start, Duration::from_mins(30)), 150);
        assert_eq!(load(Waits::Answer, Duration::from_mins(10)), 150);
    }

    #[test]
    fn files_that_others_may_have_changed_count_for_a_while() {
        assert!(changes_count(2, false));
        assert!(!changes_count(3, false));
        assert!(changes_count(1_000, true));
    }
}
