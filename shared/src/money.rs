//! The cost of model calls: [`Tokens`], their [`Price`], and [`Money`].

use std::fmt;
use std::ops::{Add, AddAssign};

use serde::Serialize;

/// Nano-dollars in a dollar.
const NANOS: f64 = 1e9;

/// The largest sum that is read: a billion dollars.
const MOST_DOLLARS: f64 = 1e9;

/// A sum in US dollars, kept in whole nano-dollars: a token of a model at $0.25 per million costs 250 of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u64);

impl Money {
    /// Returns a sum of nano-dollars.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns a sum of dollars, if it is not negative and below a billion.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded by the check above it"
    )]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        (0.0..=MOST_DOLLARS)
            .contains(&dollars)
            .then(|| Self((dollars * NANOS).round() as u64))
    }

    /// Returns the sum in nano-dollars.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Returns the rest of this sum after `spent`; nothing if more was spent.
    #[must_use]
    pub const fn minus(self, spent: Self) -> Self {
        Self(self.0.saturating_sub(spent.0))
    }

    /// Returns this many hundredths of this sum.
    #[must_use]
    pub const fn percent(self, hundredths: u64) -> Self {
        Self((self.0 / 100).saturating_mul(hundredths))
    }

    /// Returns one of `shares` equal parts, rounded down.
    #[must_use]
    pub const fn share(self, shares: u32) -> Self {
        Self(self.0 / if shares == 0 { 1 } else { shares as u64 })
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

impl fmt::Display for Money {
    /// Dollars with nine decimals, exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

/// The tokens that a call read and wrote.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Tokens of the question.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
    }
}

/// The price of a model: of its tokens, and of each call.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    input: Money,
    output: Money,
    call: Money,
}

impl Price {
    /// Reads dollars per million tokens, as providers list them, to the thousandth of a dollar.
    #[must_use]
    pub fn per_million(input: f64, output: f64) -> Option<Self> {
        let per_token = |dollars: f64| Money::from_dollars(dollars / 1e6);
        Some(Self {
            input: per_token(input)?,
            output: per_token(output)?,
            call: Money::default(),
        })
    }

    /// Adds a price in dollars for each call.
    #[must_use]
    pub fn and_per_call(self, dollars: f64) -> Option<Self> {
        let call = Money::from_dollars(dollars)?;
        Some(Self { call, ..self })
    }

    /// Returns the cost of one call with these tokens.
    #[must_use]
    pub const fn of(self, tokens: Tokens) -> Money {
        let input = self.input.0.saturating_mul(tokens.input);
        let output = self.output.0.saturating_mul(tokens.output);
        Money(input.saturating_add(output).saturating_add(self.call.0))
    }

    /// True if calls cost nothing.
    #[must_use]
    pub const fn is_free(self) -> bool {
        self.input.0 == 0 && self.output.0 == 0 && self.call.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_per_million_gives_exact_sums() {
        let price = Price::per_million(0.25, 2.0).unwrap();
        let tokens = Tokens {
            input: 1_000_000,
            output: 3,
        };
        assert_eq!(price.of(tokens).to_string(), "$0.250006000");
        assert!(!price.is_free());
        assert!(Price::default().is_free());
    }

    #[test]
    fn a_price_per_call_is_paid_without_tokens_too() {
        let price = Price::default().and_per_call(0.001).unwrap();
        assert_eq!(price.of(Tokens::default()).to_string(), "$0.001000000");
        assert!(!price.is_free());
        assert_eq!(price.and_per_call(-1.0), None);
    }

    #[test]
    fn what_is_no_sum_is_refused() {
        for dollars in [-0.1, f64::NAN, f64::INFINITY, 2e9] {
            assert_eq!(Money::from_dollars(dollars), None, "{dollars}");
        }
    }

    #[test]
    fn shares_and_percentages_round_down() {
        let sum = Money::from_nanos(1_001);
        assert_eq!(sum.percent(80), Money::from_nanos(800));
        assert_eq!(sum.share(10), Money::from_nanos(100));
        assert_eq!(sum.share(0), sum);
        assert_eq!(sum.minus(Money::from_nanos(2_000)), Money::default());
    }
}
