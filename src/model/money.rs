//! Money as a whole number, so that sums are exact whoever adds them up and in whatever order.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::layer::Price;
use super::reading::Tokens;

/// Millionths of a US dollar. Written in JSON as a number of dollars with at most six places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Money(pub u64);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// So many dollars, rounded up to a millionth. What is negative or no number is nothing, what is
    /// too much for a `u64` is the most there is.
    pub fn usd(dollars: f64) -> Self {
        let millionths = dollars * 1_000_000.0;
        // What a float cannot hold exactly (0.07) must not round up by itself.
        let rounded = millionths.round();
        let whole = if (millionths - rounded).abs() < 1e-6 * millionths.abs().max(1.0) {
            rounded
        } else {
            millionths.ceil()
        };
        if whole.is_nan() || whole <= 0.0 {
            return Self::ZERO;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a whole number above 0, and a cast from a float ends at the largest one"
        )]
        Self(whole as u64)
    }

    /// The same in dollars.
    pub fn as_usd(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "exact up to nine thousand million dollars")]
        let millionths = self.0 as f64;
        millionths / 1_000_000.0
    }

    /// What is left of it after `other`; nothing if that is more.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// So many hundredths of it, rounded down.
    #[must_use]
    pub fn percent(self, percent: u8) -> Self {
        let part = u128::from(self.0) * u128::from(percent) / 100;
        Self(u64::try_from(part).unwrap_or(u64::MAX))
    }

    /// What `tokens` cost at `price`, rounded up.
    pub fn of(tokens: Tokens, price: Price) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no model is sent so many tokens")]
        let millions = |count: u64| count as f64 / 1_000_000.0;
        Self::usd(millions(tokens.input) * price.input + millions(tokens.output) * price.output)
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Money {
    /// `0.42 USD`; cents, and more places only below one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, millionths) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if millionths == 0 || self.0 >= 10_000 {
            let cents = (self.0.saturating_add(5_000)) / 10_000;
            write!(f, "{}.{:02} USD", cents / 100, cents % 100)
        } else {
            let places = format!("{millionths:06}");
            write!(f, "{dollars}.{} USD", places.trim_end_matches('0'))
        }
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_usd())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        if dollars.is_finite() && dollars >= 0.0 {
            Ok(Self::usd(dollars))
        } else {
            Err(serde::de::Error::custom(format!("`{dollars}` is no amount of money")))
        }
    }
}

impl JsonSchema for Money {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_back_exactly_and_are_shown_in_cents() {
        for (dollars, millionths, shown) in [
            (0.0, 0, "0.00 USD"),
            (0.07, 70_000, "0.07 USD"),
            (20.0, 20_000_000, "20.00 USD"),
            (1.234_567, 1_234_567, "1.23 USD"),
            (0.000_12, 120, "0.00012 USD"),
            (0.005, 5_000, "0.005 USD"),
            (19.999, 19_999_000, "20.00 USD"),
            (-1.0, 0, "0.00 USD"),
            (f64::NAN, 0, "0.00 USD"),
        ] {
            let money = Money::usd(dollars);
            assert_eq!((money.0, money.to_string().as_str()), (millionths, shown), "{dollars}");
            let json = serde_json::to_string(&money).unwrap();
            assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }
        assert_eq!(Money::usd(0.000_000_4), Money(1), "a part of a millionth is charged as one");
        assert_eq!(Money::usd(f64::INFINITY), Money(u64::MAX));
        assert!(serde_json::from_str::<Money>("-0.1").is_err());
    }

    #[test]
    fn tokens_cost_their_price() {
        let price = Price { input: 2.0, output: 8.0 };
        let tokens = Tokens { input: 500_000, output: 25_000 };
        assert_eq!(Money::of(tokens, price), Money::usd(1.2));
        assert_eq!(Money::usd(20.0).percent(80), Money::usd(16.0));
        assert_eq!(Money::usd(1.0).less(Money::usd(3.0)), Money::ZERO);
    }
}
