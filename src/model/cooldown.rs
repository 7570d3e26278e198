//! `provider:<name>:cooldown`: that a provider is to be left alone, for every run of the project.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::failure::FailureKind;
use super::ids::RunId;
use super::record::version;
use super::time::Timestamp;

version!(CooldownVersion, "cooldown/v1");

/// That a provider is to be left alone, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cooldown {
    /// `cooldown/v1`.
    pub schema: CooldownVersion,
    /// The provider.
    pub provider: String,
    /// Until when.
    pub until: Timestamp,
    /// Whether a run that is under way leaves it alone to its end: the provider wants a login or money,
    /// and waiting changes nothing.
    pub off: bool,
    /// The failure that showed it.
    pub trigger: FailureKind,
    /// What was seen, masked.
    pub evidence: String,
    /// The run that saw it.
    pub run_id: RunId,
    /// The host of that run.
    pub host: String,
    /// When it was seen.
    pub seen_at: Timestamp,
}

/// How long a provider that is off is left alone by runs that begin later: a login or a payment may have
/// mended it.
pub const OFF_FOR_OTHERS: Duration = Duration::from_mins(10);

impl Cooldown {
    /// Whether it is to stand in the place of `stored` at `now`: what has run out says nothing, and
    /// nobody makes another's wait shorter.
    pub fn replaces(&self, stored: Option<&Self>, now: Timestamp) -> bool {
        match stored.filter(|stored| stored.until > now) {
            None => self.until > now,
            Some(stored) if stored.off => false,
            Some(stored) => self.off || self.until > stored.until,
        }
    }

    /// Until when a run that began at `began` leaves the provider alone; none: to its end.
    pub fn until_for(&self, began: Timestamp) -> Option<Timestamp> {
        (!self.off || self.seen_at < began).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cooldown(until: i64, off: bool) -> Cooldown {
        Cooldown {
            schema: CooldownVersion::default(),
            provider: "kilo".to_owned(),
            until: Timestamp(until),
            off,
            trigger: FailureKind::RateLimited,
            evidence: "429".to_owned(),
            run_id: RunId("R1".to_owned()),
            host: "host".to_owned(),
            seen_at: Timestamp(50),
        }
    }

    #[test]
    fn nobody_makes_a_wait_shorter_and_what_ran_out_says_nothing() {
        let now = Timestamp(100);
        let (short, long, off) = (cooldown(200, false), cooldown(300, false), cooldown(250, true));
        let past = cooldown(100, true);
        for (new, stored, replaces) in [
            (&short, None, true),
            (&past, None, false),
            (&long, Some(&short), true),
            (&short, Some(&long), false),
            (&short, Some(&short), false),
            (&short, Some(&past), true),
            (&off, Some(&long), true),
            (&long, Some(&off), false),
            (&off, Some(&off), false),
        ] {
            assert_eq!(new.replaces(stored, now), replaces, "{new:?} over {stored:?}");
        }
    }

    #[test]
    fn off_is_to_the_end_for_runs_that_were_live_and_a_rest_for_later_ones() {
        let off = cooldown(650, true);
        assert_eq!(off.until_for(Timestamp(50)), None);
        assert_eq!(off.until_for(Timestamp(51)), Some(Timestamp(650)));
        assert_eq!(cooldown(650, false).until_for(Timestamp(1)), Some(Timestamp(650)));
    }
}
