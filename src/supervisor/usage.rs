//! What an attempt uses, and when that is too much. Nothing here looks at anything: what was seen is an
//! argument, what is to be done an answer.

use super::idle::ProcessorTime;
use crate::model::limits::{LimitKind, Limits, Over, Peaks};

/// One look at a tree. What cannot be seen, or was not asked for, is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Usage {
    /// Processor time of all that belong to it.
    pub(super) processor: ProcessorTime,
    /// How many they are.
    pub(super) processes: Option<u64>,
    /// Bytes of memory that they hold.
    pub(super) memory: Option<u64>,
    /// Bytes that they have written, wherever: no file of theirs can have grown by more.
    pub(super) written: Option<u64>,
}

/// What is to be done after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// To look again at the usual time.
    Nothing,
    /// To look again soon: it comes near a limit, fast.
    Closer,
    /// To ask it to stop.
    Stop(Over),
    /// To kill it: in the time that it is given to stop it would do harm.
    Kill(Over),
}

impl Found {
    /// What is more urgent.
    pub(super) fn or(self, other: Self) -> Self {
        if self.urgency() >= other.urgency() { self } else { other }
    }

    const fn urgency(self) -> u8 {
        match self {
            Self::Nothing => 0,
            Self::Closer => 1,
            Self::Stop(_) => 2,
            Self::Kill(_) => 3,
        }
    }
}

/// Judges what one attempt uses against its limits, look by look.
#[derive(Debug)]
pub(super) struct Meter {
    limits: Limits,
    peaks: Peaks,
    memory: u64,
    /// Whether the last look already saw more memory than is allowed.
    above: bool,
    disk: u64,
    free: Option<u64>,
    written: u64,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, peaks: Peaks::default(), memory: 0, above: false, disk: 0, free: None, written: 0 }
    }

    /// The most that was seen.
    pub(super) fn peaks(&self) -> Peaks {
        self.peaks
    }

    /// Whether its tree has to be looked at for a limit, and not only for what is worth knowing.
    pub(super) fn is_limited(&self) -> bool {
        self.limits.memory.is_some() || self.limits.processes.is_some() || self.wants_written()
    }

    /// Whether what it writes has to be known.
    pub(super) fn wants_written(&self) -> bool {
        self.limits.disk.is_some() || self.limits.disk_free.is_some()
    }

    /// Bytes that it was seen to have written. What its dead have written is seen no more, and is not
    /// unwritten.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Takes in one look at its tree. `exact` tells the memory more exactly, and is asked only where that
    /// matters.
    pub(super) fn take(&mut self, usage: &Usage, exact: impl FnOnce() -> Option<u64>) -> Found {
        self.written = self.written.max(usage.written.unwrap_or(0));
        let processes = usage.processes.map_or(Found::Nothing, |processes| self.processes(processes));
        let memory = usage.memory.map_or(Found::Nothing, |memory| self.memory(memory, exact));
        processes.or(memory)
    }

    fn processes(&mut self, count: u64) -> Found {
        let peak = u32::try_from(count).unwrap_or(u32::MAX);
        self.peaks.processes = self.peaks.processes.max(Some(peak));
        match self.limits.processes {
            // They double while somebody is asked to stop.
            Some(allowed) if count > allowed => {
                Found::Kill(Over { kind: LimitKind::Processes, figure: count, allowed })
            }
            Some(allowed) if count > allowed - allowed / 4 => Found::Closer,
            Some(_) | None => Found::Nothing,
        }
    }

    fn memory(&mut self, rough: u64, exact: impl FnOnce() -> Option<u64>) -> Found {
        let Some(allowed) = self.limits.memory else {
            self.peaks.memory_bytes = self.peaks.memory_bytes.max(Some(rough));
            return Found::Nothing;
        };
        let figure = if rough > allowed { exact().unwrap_or(rough) } else { rough };
        self.peaks.memory_bytes = self.peaks.memory_bytes.max(Some(figure));
        let before = std::mem::replace(&mut self.memory, figure);
        if figure <= allowed {
            self.above = false;
            return if grows_fast(before, figure, allowed - figure) { Found::Closer } else { Found::Nothing };
        }
        // Between the two halves of starting a program it and its parent are one memory, seen twice.
        if !std::mem::replace(&mut self.above, true) {
            return Found::Closer;
        }
        let over = Over { kind: LimitKind::Memory, figure, allowed };
        if is_far(figure, allowed) { Found::Kill(over) } else { Found::Stop(over) }
    }

    /// Takes in by how much its files have grown.
    pub(super) fn disk(&mut self, grown: u64) -> Found {
        let Some(allowed) = self.limits.disk else {
            return Found::Nothing;
        };
        let before = std::mem::replace(&mut self.disk, grown);
        if grown > allowed {
            let over = Over { kind: LimitKind::Disk, figure: grown, allowed };
            return if is_far(grown, allowed) { Found::Kill(over) } else { Found::Stop(over) };
        }
        if grows_fast(before, grown, allowed - grown) { Found::Closer } else { Found::Nothing }
    }

    /// Takes in how much is left on its disk, and whether it has written the most of all that run.
    pub(super) fn disk_free(&mut self, free: u64, wrote_most: bool) -> Found {
        let Some(wanted) = self.limits.disk_free else {
            return Found::Nothing;
        };
        let before = self.free.replace(free).unwrap_or(free);
        if free < wanted {
            let over = Over { kind: LimitKind::DiskFree, figure: free, allowed: wanted };
            return match (wrote_most, free < wanted / 2) {
                (false, _) => Found::Closer,
                (true, false) => Found::Stop(over),
                (true, true) => Found::Kill(over),
            };
        }
        // What is left, shrinks.
        if grows_fast(free, before, free - wanted) { Found::Closer } else { Found::Nothing }
    }
}

/// Whether, at this pace, a few more looks would see it over its limit.
fn grows_fast(before: u64, after: u64, room: u64) -> bool {
    after.saturating_sub(before) > room / 8
}

/// Whether it is so far over its limit that it cannot be given time.
fn is_far(figure: u64, allowed: u64) -> bool {
    figure > allowed.saturating_add(allowed / 4)
}

/// By how much the files of an attempt have grown: those in its own folders by all, those in a folder
/// where others work too by no more than it has written itself.
pub(super) fn growth(base: Sizes, last: Sizes, written: u64) -> u64 {
    let shared = last.shared.zip(base.shared).map_or(0, |(last, base)| last.saturating_sub(base));
    last.own.saturating_sub(base.own).saturating_add(shared.min(written))
}

/// Bytes on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sizes {
    /// In the folders that are the attempt's own.
    pub(super) own: u64,
    /// In the folder where others work too. None: it is too large to be looked through.
    pub(super) shared: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn seen(processes: u64, memory: u64) -> Usage {
        Usage { processes: Some(processes), memory: Some(memory * MIB), ..Usage::default() }
    }

    fn over(kind: LimitKind, figure: u64, allowed: u64) -> Over {
        Over { kind, figure, allowed }
    }

    fn unasked() -> Option<u64> {
        panic!("nobody is near a limit")
    }

    #[test]
    fn without_limits_only_peaks_are_kept() {
        let mut meter = Meter::new(Limits::default());
        assert!(!meter.is_limited() && !meter.wants_written());
        assert_eq!(meter.take(&seen(3, 500), unasked), Found::Nothing);
        assert_eq!(meter.take(&seen(9_999, 100), unasked), Found::Nothing);
        assert_eq!(meter.disk(u64::MAX), Found::Nothing);
        assert_eq!(meter.disk_free(0, true), Found::Nothing);
        assert_eq!(meter.peaks(), Peaks { memory_bytes: Some(500 * MIB), processes: Some(9_999) });
        let mut blind = Meter::new(Limits { memory: Some(1), processes: Some(1), ..Limits::default() });
        assert_eq!(blind.take(&Usage::default(), unasked), Found::Nothing);
        assert_eq!(blind.peaks(), Peaks::default());
    }

    #[test]
    fn memory_has_to_be_over_twice_and_exactly() {
        let mut meter = Meter::new(Limits { memory: Some(1_000 * MIB), ..Limits::default() });
        assert_eq!(meter.take(&seen(1, 10), unasked), Found::Nothing);
        assert_eq!(meter.take(&seen(1, 500), unasked), Found::Closer, "it doubles");
        assert_eq!(meter.take(&seen(1, 510), unasked), Found::Nothing);
        // Two processes that share what they hold are not over.
        assert_eq!(meter.take(&seen(2, 1_020), || Some(515 * MIB)), Found::Nothing);
        assert_eq!(meter.take(&seen(2, 1_020), || None), Found::Closer);
        assert_eq!(meter.take(&seen(1, 510), unasked), Found::Nothing, "it was for a moment");
        assert_eq!(meter.take(&seen(1, 1_100), || Some(1_100 * MIB)), Found::Closer);
        let figure = |figure| over(LimitKind::Memory, figure * MIB, 1_000 * MIB);
        assert_eq!(meter.take(&seen(1, 1_200), || Some(1_150 * MIB)), Found::Stop(figure(1_150)));
        assert_eq!(meter.take(&seen(1, 1_300), || Some(1_300 * MIB)), Found::Kill(figure(1_300)));
        assert_eq!(meter.peaks().memory_bytes, Some(1_300 * MIB));
    }

    #[test]
    fn too_many_processes_are_killed_at_once() {
        let mut meter = Meter::new(Limits { processes: Some(20), ..Limits::default() });
        assert_eq!(meter.take(&seen(15, 1), unasked), Found::Nothing);
        assert_eq!(meter.take(&seen(20, 1), unasked), Found::Closer);
        assert_eq!(meter.take(&seen(21, 1), unasked), Found::Kill(over(LimitKind::Processes, 21, 20)));
    }

    #[test]
    fn the_disk_is_watched_as_memory_is() {
        let mut meter = Meter::new(Limits { disk: Some(1_000), ..Limits::default() });
        assert!(meter.wants_written());
        assert_eq!(meter.disk(50), Found::Nothing);
        assert_eq!(meter.disk(800), Found::Closer);
        assert_eq!(meter.disk(1_000), Found::Closer);
        assert_eq!(meter.disk(1_001), Found::Stop(over(LimitKind::Disk, 1_001, 1_000)));
        assert_eq!(meter.disk(2_000), Found::Kill(over(LimitKind::Disk, 2_000, 1_000)));
    }

    #[test]
    fn a_disk_that_fills_ends_whoever_wrote_the_most() {
        let mut meter = Meter::new(Limits { disk_free: Some(1_000), ..Limits::default() });
        assert_eq!(meter.disk_free(9_000, true), Found::Nothing);
        assert_eq!(meter.disk_free(2_000, true), Found::Closer);
        assert_eq!(meter.disk_free(1_000, true), Found::Closer);
        assert_eq!(meter.disk_free(999, false), Found::Closer, "another one did it");
        assert_eq!(meter.disk_free(999, true), Found::Stop(over(LimitKind::DiskFree, 999, 1_000)));
        assert_eq!(meter.disk_free(400, true), Found::Kill(over(LimitKind::DiskFree, 400, 1_000)));
    }

    #[test]
    fn nobody_answers_for_what_others_wrote() {
        let sizes = |own, shared| Sizes { own, shared };
        assert_eq!(growth(sizes(10, Some(100)), sizes(15, Some(900)), 30), 35);
        assert_eq!(growth(sizes(10, Some(100)), sizes(15, Some(110)), 9_000), 15);
        assert_eq!(growth(sizes(10, Some(100)), sizes(5, Some(50)), 9_000), 0, "it made room");
        assert_eq!(growth(sizes(10, None), sizes(15, Some(50)), 9_000), 5);
    }

    #[test]
    fn what_the_dead_wrote_stays_written() {
        let mut meter = Meter::new(Limits { disk: Some(1), ..Limits::default() });
        for (written, expected) in [(Some(5), 5), (Some(9), 9), (Some(2), 9), (None, 9)] {
            meter.take(&Usage { written, ..Usage::default() }, unasked);
            assert_eq!(meter.written(), expected);
        }
    }

    #[test]
    fn the_more_urgent_counts() {
        let limits = Limits { memory: Some(10 * MIB), processes: Some(2), ..Limits::default() };
        let mut meter = Meter::new(limits);
        let found = meter.take(&seen(3, 11), || None);
        assert_eq!(found, Found::Kill(over(LimitKind::Processes, 3, 2)));
    }
}
