//! Chance that is the same each time: numbers made of a seed and of what they are for.

/// A row of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance(u64);

impl Chance {
    /// The row for what `words` name. Other words are another row.
    pub(super) fn of(seed: u64, words: &[&str]) -> Self {
        // FNV-1a; the step below spreads what it leaves close together.
        let mut state = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for word in words {
            for byte in word.bytes().chain([0xff]) {
                state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self(state)
    }

    /// The next number (splitmix64).
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Yes in so many of a hundred cases.
    pub(super) fn percent(&mut self, percent: u8) -> bool {
        self.next() % 100 < u64::from(percent)
    }

    /// A number from `low` to `high`, both included; `low` where `high` is less.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low).saturating_add(1);
        low + self.next() % span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_same_each_time_and_keeps_to_its_bounds() {
        let row = |seed, words: &[&str]| {
            let mut chance = Chance::of(seed, words);
            [chance.next(), chance.next(), chance.next()]
        };
        assert_eq!(row(7, &["T1", "1"]), row(7, &["T1", "1"]));
        assert_ne!(row(7, &["T1", "1"]), row(8, &["T1", "1"]));
        assert_ne!(row(7, &["T1", "1"]), row(7, &["T11", ""]), "words do not run together");
        let mut chance = Chance::of(1, &["bounds"]);
        let numbers: Vec<u64> = (0..1_000).map(|_| chance.between(3, 5)).collect();
        assert!([3, 4, 5].iter().all(|wanted| numbers.contains(wanted)));
        assert!(numbers.iter().all(|number| (3..=5).contains(number)));
        assert_eq!(chance.between(9, 2), 9);
        let yes = (0..10_000).filter(|_| chance.percent(30)).count();
        assert!((2_700..3_300).contains(&yes), "{yes}");
        assert!(!chance.percent(0) && chance.percent(100));
    }
}
