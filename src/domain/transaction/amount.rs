//! Exact money and quantities. Sums of integers do not depend on order, partition or machine.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub};

use serde::{Deserialize, Serialize};

/// An amount of the shop's reporting currency in micros (millionths of its unit).
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// No money.
    pub const ZERO: Self = Self(0);
    const SCALE: u32 = 6;

    /// `micros` millionths of the currency's unit.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Reads a decimal such as `-12.345`, rounding half-even to six digits after the point.
    pub fn parse(text: &str) -> Result<Self, InvalidDecimal> {
        parse_scaled(text, Self::SCALE).map(Self)
    }

    /// The shortest decimal that names `value`, rounded half-even to six digits after the point.
    pub fn from_f64(value: f64) -> Result<Self, InvalidDecimal> {
        parse_scaled(&finite_text(value)?, Self::SCALE).map(Self)
    }

    /// Millionths of the currency's unit.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Units of the currency, for features and reports; exact below 2^53 micros.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Distance from zero, saturating.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// `self` divided by `quantity`, rounded half-even; `None` when `quantity` is zero or the
    /// quotient does not fit.
    pub fn per_unit(self, quantity: Quantity) -> Option<Self> {
        let numerator = i128::from(self.0) * 1000;
        let quotient = divide_half_even(numerator, i128::from(quantity.0))?;
        i64::try_from(quotient).ok().map(Self)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
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
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0, Self::SCALE, 2)
    }
}

/// A number of units in thousandths; negative for a return.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(transparent)]
pub struct Quantity(i64);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// One unit.
    pub const ONE: Self = Self(1000);
    const SCALE: u32 = 3;

    /// `thousandths` of a unit.
    pub const fn from_thousandths(thousandths: i64) -> Self {
        Self(thousandths)
    }

    /// Reads a decimal such as `-2` or `0.375`, rounding half-even to three digits.
    pub fn parse(text: &str) -> Result<Self, InvalidDecimal> {
        parse_scaled(text, Self::SCALE).map(Self)
    }

    /// The shortest decimal that names `value`, rounded half-even to three digits.
    pub fn from_f64(value: f64) -> Result<Self, InvalidDecimal> {
        parse_scaled(&finite_text(value)?, Self::SCALE).map(Self)
    }

    /// Thousandths of a unit.
    pub const fn thousandths(self) -> i64 {
        self.0
    }

    /// Units, for features and reports.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e3
    }

    /// Whether goods came back.
    pub const fn is_return(self) -> bool {
        self.0 < 0
    }

    /// `self` times a unit price, rounded half-even to micros; `None` when it does not fit.
    #[inline]
    pub fn times(self, unit_price: Money) -> Option<Money> {
        if self == Self::ONE {
            return Some(unit_price);
        }
        // Nearly every product fits 64 bits, which divide by a constant without dividing.
        if let Some(product) = self.0.checked_mul(unit_price.0) {
            let rest = product.rem_euclid(1000);
            let floor = product.div_euclid(1000);
            let round_up = rest > 500 || (rest == 500 && floor & 1 == 1);
            return Some(Money(floor + i64::from(round_up)));
        }
        let product = i128::from(self.0) * i128::from(unit_price.0);
        let micros = divide_half_even(product, 1000)?;
        i64::try_from(micros).ok().map(Money)
    }

    /// `self` times a unit price less the discount; the discount of a return is given back with
    /// it. Zero when it does not fit, which a checked line cannot have.
    #[inline]
    pub fn line_amount(self, unit_price: Money, discount: Money) -> Money {
        let gross = self.times(unit_price).unwrap_or(Money::ZERO);
        if self.is_return() { gross + discount } else { gross - discount }
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(quantities: I) -> Self {
        quantities.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_scaled(f, self.0, Self::SCALE, 0)
    }
}

/// A text or number that is no decimal of the expected size.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidDecimal {
    /// Not of the form `-123.45`.
    #[error("expected a decimal such as -12.50, found {found:?}")]
    Malformed {
        /// What stood there.
        found: String,
    },
    /// Too large for exact storage.
    #[error("expected a value within +-{limit}, found {found}")]
    TooLarge {
        /// Largest magnitude that fits.
        limit: i64,
        /// What stood there.
        found: String,
    },
}

fn finite_text(value: f64) -> Result<String, InvalidDecimal> {
    let text = format!("{value}");
    if value.is_finite() { Ok(text) } else { Err(InvalidDecimal::Malformed { found: text }) }
}

/// Reads `[+-]digits[.digits]` as an integer count of `10^-scale`, rounding half-even.
fn parse_scaled(text: &str, scale: u32) -> Result<i64, InvalidDecimal> {
    let malformed = || InvalidDecimal::Malformed { found: text.chars().take(40).collect() };
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, trimmed.get(1..).unwrap_or_default()),
        Some(b'+') => (false, trimmed.get(1..).unwrap_or_default()),
        _ => (false, trimmed),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(malformed());
    }
    let too_large = || InvalidDecimal::TooLarge {
        limit: i64::MAX / 10_i64.pow(scale),
        found: text.chars().take(40).collect(),
    };
    let mut scaled: i64 = 0;
    let kept = fraction.bytes().chain(std::iter::repeat(b'0')).take(scale as usize);
    for digit in whole.bytes().chain(kept) {
        scaled = scaled
            .checked_mul(10)
            .and_then(|value| value.checked_add(i64::from(digit - b'0')))
            .ok_or_else(too_large)?;
    }
    let rest = fraction.get(scale as usize..).unwrap_or_default().trim_end_matches('0');
    let round_up = match rest.as_bytes().first() {
        Some(b'5') if rest.len() == 1 => scaled % 2 == 1,
        Some(digit) => *digit >= b'5',
        None => false,
    };
    scaled = scaled.checked_add(i64::from(round_up)).ok_or_else(too_large)?;
    Ok(if negative { -scaled } else { scaled })
}

/// Quotient rounded to the nearest integer, halves to even; `None` for a zero divisor.
fn divide_half_even(numerator: i128, divisor: i128) -> Option<i128> {
    if divisor == 0 {
        return None;
    }
    let (numerator, divisor) =
        if divisor < 0 { (-numerator, -divisor) } else { (numerator, divisor) };
    let floor = numerator.div_euclid(divisor);
    let twice_rest = 2 * numerator.rem_euclid(divisor);
    let round_up = twice_rest > divisor || (twice_rest == divisor && floor % 2 != 0);
    Some(floor + i128::from(round_up))
}

fn write_scaled(
    f: &mut fmt::Formatter<'_>,
    value: i64,
    scale: u32,
    least_digits: usize,
) -> fmt::Result {
    let unit = 10_u64.pow(scale);
    let magnitude = value.unsigned_abs();
    let fraction = format!("{:0width$}", magnitude % unit, width = scale as usize);
    let mut shown = fraction.trim_end_matches('0').len().max(least_digits);
    shown = shown.min(fraction.len());
    let sign = if value < 0 { "-" } else { "" };
    let whole = magnitude / unit;
    match fraction.get(..shown) {
        Some(digits) if !digits.is_empty() => f.pad(&format!("{sign}{whole}.{digits}")),
        _ => f.pad(&format!("{sign}{whole}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly_and_rounded_half_even() {
        for (text, micros) in [
            ("2.55", 2_550_000),
            ("-0.0000005", 0),
            ("0.0000015", 2),
            ("0.0000025", 2),
            ("0.00000251", 3),
            (" 7 ", 7_000_000),
            ("+.5", 500_000),
        ] {
            assert_eq!(Money::parse(text).map(Money::micros), Ok(micros), "{text}");
        }
        assert_eq!(Money::from_f64(0.1 + 0.2).map(Money::micros), Ok(300_000));
        assert_eq!(Money::from_f64(2.55).map(Money::micros), Ok(2_550_000));
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for text in ["", "-", ".", "1,5", "1e3", "12a", "NaN", "99999999999999999999"] {
            assert!(Money::parse(text).is_err(), "{text}");
        }
        assert!(Money::from_f64(f64::NAN).is_err());
        assert!(Quantity::from_f64(f64::INFINITY).is_err());
    }

    #[test]
    fn amounts_multiply_and_divide_half_even() {
        let third = Quantity::from_thousandths(333);
        assert_eq!(third.times(Money::from_micros(1_500)), Some(Money::from_micros(500)));
        assert_eq!(
            Money::from_micros(29_330_000).per_unit(Quantity::parse("2").unwrap()).unwrap(),
            Money::from_micros(14_665_000)
        );
        assert_eq!(Money::from_micros(1).per_unit(Quantity::ZERO), None);
        assert_eq!(Quantity::from_thousandths(i64::MAX).times(Money::from_micros(i64::MAX)), None);
    }

    #[test]
    fn products_round_alike_whether_they_fit_64_bits_or_not() {
        for thousandths in [-2001, -1500, -1, 0, 1, 499, 500, 501, 1500, 2500, i64::MIN, i64::MAX] {
            for micros in [-3, -1, 0, 1, 3, 5, 999, 1_000, 7_777_777, i64::MIN, i64::MAX] {
                let product = i128::from(thousandths) * i128::from(micros);
                let expected = divide_half_even(product, 1000).unwrap();
                assert_eq!(
                    Quantity::from_thousandths(thousandths).times(Money::from_micros(micros)),
                    i64::try_from(expected).ok().map(Money::from_micros),
                    "{thousandths} thousandths at {micros}"
                );
            }
        }
    }

    #[test]
    fn amounts_print_as_people_write_them() {
        assert_eq!(Money::from_micros(-2_550_000).to_string(), "-2.55");
        assert_eq!(Money::from_micros(9_747_747_934_000).to_string(), "9747747.934");
        assert_eq!(Quantity::from_thousandths(2_000).to_string(), "2");
    }
}
