//! What one attempt may use of the machine, and how one that used more is told.
//!
//! The words for a limit that was passed are made and read here, so that whoever sees them in a
//! journal can say which limit it was. How use is measured is said where it is measured; nothing in
//! here knows the machine.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitKind {
    /// Memory of the whole process tree.
    Memory,
    /// Processes in the tree.
    Processes,
    /// What it prints.
    Output,
    /// What its files have grown by.
    Disk,
    /// What is left on the disk.
    DiskFree,
}

impl LimitKind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [Self::Memory, Self::Processes, Self::Output, Self::Disk, Self::DiskFree];

    /// Its name in configurations, options and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Output => "output",
            Self::Disk => "disk",
            Self::DiskFree => "disk_free",
        }
    }

    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether it is a number of bytes, and not of things.
    pub const fn is_size(self) -> bool {
        !matches!(self, Self::Processes)
    }

    /// An amount of it for people: `4.0 GiB`, `200`.
    pub fn amount(self, number: u64) -> String {
        if self.is_size() { size(number) } else { number.to_string() }
    }

    /// The kind of which [`Over`] made these words. None: they are of something else.
    pub fn of_words(seen: &str) -> Option<Self> {
        seen.split_once(": ").and_then(|(name, _)| Self::named(name))
    }
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Limits on one attempt. What is none is not limited; output without a word has a limit all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory that its processes may hold together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Processes that it may have at once, its own among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Bytes that it may print, standard output and error output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// Bytes that its files may grow by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
    /// Bytes that have to be left on its disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_free: Option<u64>,
}

impl Limits {
    /// So much that it is no limit.
    pub const ENDLESS: u64 = i64::MAX.unsigned_abs();

    /// The option that allows twice as much of a kind, or wants half of the room.
    pub fn option_for_more(&self, kind: LimitKind) -> String {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let Some(limit) = self.get(kind) else {
            return format!("--limit {kind}=SIZE");
        };
        let more = if kind == LimitKind::DiskFree { limit / 2 } else { limit.saturating_mul(2) };
        let unit = UNITS.into_iter().find(|(unit, _)| kind.is_size() && more >= *unit && more % unit == 0);
        match unit {
            Some((unit, name)) => format!("--limit {kind}={}{name}", more / unit),
            None => format!("--limit {kind}={more}"),
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limit of a kind.
    pub const fn get(&self, kind: LimitKind) -> Option<u64> {
        match kind {
            LimitKind::Memory => self.memory,
            LimitKind::Processes => self.processes,
            LimitKind::Output => self.output,
            LimitKind::Disk => self.disk,
            LimitKind::DiskFree => self.disk_free,
        }
    }

    /// Sets the limit of a kind.
    pub const fn set(&mut self, kind: LimitKind, limit: Option<u64>) {
        match kind {
            LimitKind::Memory => self.memory = limit,
            LimitKind::Processes => self.processes = limit,
            LimitKind::Output => self.output = limit,
            LimitKind::Disk => self.disk = limit,
            LimitKind::DiskFree => self.disk_free = limit,
        }
    }
}

/// A limit that was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// Which.
    pub kind: LimitKind,
    /// What was seen.
    pub figure: u64,
    /// What was allowed.
    pub allowed: u64,
}

impl fmt::Display for Over {
    /// `memory: 5.2 GiB, allowed 4.0 GiB`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, figure, allowed } = *self;
        let (mut shown, limit) = (kind.amount(figure), kind.amount(allowed));
        // Rounded they may look the same, which would say nothing.
        if shown == limit {
            shown = format!("{figure} bytes");
            return write!(f, "{kind}: {shown}, allowed {allowed}");
        }
        match kind {
            LimitKind::DiskFree => write!(f, "{kind}: {shown} left, {limit} wanted"),
            LimitKind::Memory | LimitKind::Processes | LimitKind::Output | LimitKind::Disk => {
                write!(f, "{kind}: {shown}, allowed {limit}")
            }
        }
    }
}

/// The most that an attempt was seen to use. What was not looked at, or cannot be seen, is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Peaks {
    /// Bytes of memory of its processes together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
}

impl Peaks {
    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A number of bytes: `12 KiB`, `512 MiB`, `1.1 GiB`.
pub fn size(number: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    // In tenths of the unit, rounded.
    let mut tenths = (u128::from(number) * 10 + 512) / 1024;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths = (tenths + 512) / 1024;
        unit += 1;
    }
    // Tenths are worth a look only where the number is small.
    if unit < 2 || tenths >= 1_000 {
        format!("{} {}", (tenths + 5) / 10, UNITS[unit])
    } else {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_passed_is_told_with_its_figure_and_read_again() {
        for (kind, figure, allowed, words) in [
            (LimitKind::Memory, 5 << 30, 4 << 30, "memory: 5.0 GiB, allowed 4.0 GiB"),
            (LimitKind::Processes, 312, 200, "processes: 312, allowed 200"),
            (LimitKind::Output, 300 << 20, 256 << 20, "output: 300 MiB, allowed 256 MiB"),
            (LimitKind::Disk, 3 << 20, 1 << 20, "disk: 3 MiB, allowed 1 MiB"),
            (LimitKind::DiskFree, 1 << 30, 2 << 30, "disk_free: 1.0 GiB left, 2.0 GiB wanted"),
            (LimitKind::Output, (256 << 20) + 1, 256 << 20, "output: 268435457 bytes, allowed 268435456"),
        ] {
            let over = Over { kind, figure, allowed };
            assert_eq!(over.to_string(), words);
            assert_eq!(LimitKind::of_words(words), Some(kind));
        }
        assert_eq!(LimitKind::of_words("cannot write `stdout.log`: no space left"), None);
        assert_eq!(LimitKind::of_words("nonsense"), None);
    }

    #[test]
    fn the_option_that_allows_more_can_be_pasted() {
        let limits = Limits {
            memory: Some(1536 << 20),
            processes: Some(200),
            disk: Some(1_000_001),
            disk_free: Some(5 << 30),
            output: None,
        };
        let options = LimitKind::ALL.map(|kind| limits.option_for_more(kind));
        assert_eq!(
            options,
            [
                "--limit memory=3GiB",
                "--limit processes=400",
                "--limit output=SIZE",
                "--limit disk=2000002",
                "--limit disk_free=2560MiB"
            ]
        );
    }

    #[test]
    fn every_kind_has_a_name_and_a_place() {
        let mut limits = Limits::default();
        for (number, kind) in (1..).zip(LimitKind::ALL) {
            assert_eq!(LimitKind::named(kind.as_str()), Some(kind));
            assert!(limits.get(kind).is_none());
            limits.set(kind, Some(number));
            assert_eq!(limits.get(kind), Some(number), "{kind}");
        }
        let told = serde_json::to_value(limits).unwrap();
        assert_eq!(serde_json::from_value::<Limits>(told).unwrap(), limits);
        assert_eq!(serde_json::to_string(&Limits::default()).unwrap(), "{}");
    }
}
