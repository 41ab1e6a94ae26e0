//! One row of a source file: its cells, and the line of the data contract that they make.

use std::borrow::Cow;
use std::fmt;

use encoding_rs::Encoding;
use jiff::civil;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use xxhash_rust::xxh3::xxh3_64;

use crate::transaction::{
    InvalidDecimal, InvalidLine, LineDraft, Money, Quantity, ShopClock, Timestamp, TransactionLine,
};

/// One data row of a source file.
#[derive(Clone, Debug)]
pub struct SourceRow {
    /// Number of the data row, from 1; the header is not counted.
    pub row: u64,
    /// XXH3 of all its cells: equal for rows that repeat each other.
    pub fingerprint: u64,
    /// The line it makes, not yet checked, or why it makes none.
    pub line: Result<LineDraft, RowProblem>,
    /// When the shop's systems knew of the line; `None` stands for the time of the import.
    pub recorded_at: Option<Timestamp>,
}

impl SourceRow {
    /// The line, checked against the data contract.
    pub fn check(self, reporting_currency: &str) -> Result<TransactionLine, RowProblem> {
        self.line?.check(reporting_currency).map_err(RowProblem::from)
    }
}

/// Why a row makes no line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct RowProblem {
    /// The field of the data contract at fault, or `row`.
    pub field: String,
    /// What kind of fault it is.
    pub reason: RefusalReason,
    /// What was expected, what was found, and the remedy.
    pub message: String,
}

impl From<InvalidLine> for RowProblem {
    fn from(invalid: InvalidLine) -> Self {
        let reason = match &invalid {
            InvalidLine::Missing { .. } => RefusalReason::Missing,
            InvalidLine::Text { .. } => RefusalReason::Text,
            InvalidLine::CustomerId(_) => RefusalReason::CustomerId,
            InvalidLine::Currency { .. } => RefusalReason::Currency,
            InvalidLine::ZeroQuantity => RefusalReason::ZeroQuantity,
            InvalidLine::Negative { .. } => RefusalReason::Negative,
            InvalidLine::AmountTooLarge => RefusalReason::AmountTooLarge,
        };
        Self { field: invalid.field().to_owned(), reason, message: invalid.to_string() }
    }
}

/// The kinds of fault by which an import report counts refused rows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// More or fewer cells than the header.
    RaggedRow,
    /// Bytes that are no text in the file's encoding.
    Encoding,
    /// No decimal, or one that does not fit.
    MalformedNumber,
    /// A fraction where a whole number is due.
    NotWhole,
    /// No time of the expected form.
    MalformedTime,
    /// A time without a zone while the mapping gives none.
    NoTimeZone,
    /// A sign that contradicts the mapping's `quantity_sign`.
    Sign,
    /// A required field is absent.
    Missing,
    /// A text that is too long or holds control characters.
    Text,
    /// A customer key that does not keep the contract.
    CustomerId,
    /// A second currency.
    Currency,
    /// A quantity of zero.
    ZeroQuantity,
    /// A discount or cost below zero.
    Negative,
    /// Quantity times price does not fit.
    AmountTooLarge,
}

impl RefusalReason {
    /// The key under which reports count it; keys never change.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RaggedRow => "ragged_row",
            Self::Encoding => "encoding",
            Self::MalformedNumber => "malformed_number",
            Self::NotWhole => "not_whole",
            Self::MalformedTime => "malformed_time",
            Self::NoTimeZone => "no_time_zone",
            Self::Sign => "sign",
            Self::Missing => "missing",
            Self::Text => "text",
            Self::CustomerId => "customer_id",
            Self::Currency => "currency",
            Self::ZeroQuantity => "zero_quantity",
            Self::Negative => "negative",
            Self::AmountTooLarge => "amount_too_large",
        }
    }
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One cell as the file holds it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    Null,
    /// Text in the file's encoding.
    Bytes(&'a [u8]),
    Text(&'a str),
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Decimal {
        unscaled: i128,
        scale: i8,
    },
    /// Microseconds since the epoch in UTC.
    Instant(i64),
    /// The same of a wall clock in an unnamed zone.
    Civil(i64),
}

/// What is wrong with one cell; becomes a [`RowProblem`] once field and column are known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) reason: RefusalReason,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(reason: RefusalReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// The problem of a row whose `field` is read from `column`.
    pub(super) fn at(self, field: &str, column: &str) -> RowProblem {
        RowProblem {
            field: field.to_owned(),
            reason: self.reason,
            message: format!("column {column:?}: {}", self.message),
        }
    }
}

/// How the cells of one source are read. An empty cell is an absent value.
#[derive(Clone, Debug)]
pub(super) struct CellReader {
    pub(super) encoding: &'static Encoding,
    pub(super) decimal_separator: char,
    pub(super) thousands_separator: Option<char>,
    pub(super) nulls: Vec<String>,
    pub(super) clock: Option<ShopClock>,
    pub(super) time_format: Option<String>,
}

impl CellReader {
    /// A text or a key. Keys that a program stored as numbers become their decimal text.
    pub(super) fn text<'a>(&self, cell: Cell<'a>) -> Result<Option<Cow<'a, str>>, Fault> {
        let text = match cell {
            Cell::Null => return Ok(None),
            Cell::Text(text) => Cow::Borrowed(text),
            Cell::Bytes(bytes) => self.decode(bytes)?,
            Cell::Bool(value) => Cow::Owned(value.to_string()),
            number => Cow::Owned(whole_text(number)?),
        };
        let absent = text.is_empty() || self.nulls.iter().any(|null| *null == text);
        Ok((!absent).then_some(text))
    }

    /// A position within an order.
    pub(super) fn line_number(&self, cell: Cell<'_>) -> Result<Option<u32>, Fault> {
        let Some(text) = self.text(cell)? else {
            return Ok(None);
        };
        text.trim().parse().map(Some).map_err(|_| {
            let message = format!("expected a whole number from 0 to 4294967295, found {text:?}");
            Fault::new(RefusalReason::NotWhole, message)
        })
    }

    /// An amount of money.
    pub(super) fn money(&self, cell: Cell<'_>) -> Result<Option<Money>, Fault> {
        self.number(cell, Money::parse, Money::from_f64)
    }

    /// A number of units.
    pub(super) fn quantity(&self, cell: Cell<'_>) -> Result<Option<Quantity>, Fault> {
        self.number(cell, Quantity::parse, Quantity::from_f64)
    }

    /// An instant; a time without a zone is one of the shop's wall clock.
    pub(super) fn time(&self, cell: Cell<'_>) -> Result<Option<Timestamp>, Fault> {
        match cell {
            Cell::Null => Ok(None),
            Cell::Instant(micros) => in_calendar(micros).map(Some),
            Cell::Civil(micros) => {
                let instant = jiff::Timestamp::from_microsecond(micros).map_err(|_| no_date())?;
                self.at_shop(Offset::UTC.to_datetime(instant)).map(Some)
            }
            cell => match self.text(cell)? {
                Some(text) => self.time_text(text.trim()).map(Some),
                None => Ok(None),
            },
        }
    }

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, Fault> {
        let text = if self.encoding == encoding_rs::UTF_8 {
            std::str::from_utf8(bytes).ok().map(Cow::Borrowed)
        } else {
            self.encoding.decode_without_bom_handling_and_without_replacement(bytes)
        };
        text.ok_or_else(|| {
            let message = format!(
                "expected {} text, found other bytes; set [file] encoding in the mapping, for \
                 example to \"windows-1252\"",
                self.encoding.name()
            );
            Fault::new(RefusalReason::Encoding, message)
        })
    }

    fn number<T>(
        &self,
        cell: Cell<'_>,
        parse: fn(&str) -> Result<T, InvalidDecimal>,
        from_f64: fn(f64) -> Result<T, InvalidDecimal>,
    ) -> Result<Option<T>, Fault> {
        let malformed =
            |error: InvalidDecimal| Fault::new(RefusalReason::MalformedNumber, error.to_string());
        match cell {
            Cell::Float(value) => from_f64(value).map(Some).map_err(malformed),
            Cell::Int(value) => parse(&value.to_string()).map(Some).map_err(malformed),
            Cell::UInt(value) => parse(&value.to_string()).map(Some).map_err(malformed),
            Cell::Decimal { unscaled, scale } => {
                parse(&decimal_text(unscaled, scale)).map(Some).map_err(malformed)
            }
            cell => {
                let Some(text) = self.text(cell)? else {
                    return Ok(None);
                };
                let plain = self.plain_number(text.trim());
                let number = plain.as_deref().and_then(|plain| parse(plain).ok());
                number.map(Some).ok_or_else(|| self.no_number(&text))
            }
        }
    }

    /// `1.234,56` as `1234.56` under the mapping's separators; `None` when they stand where they
    /// cannot, so that a mapping with the wrong separator never reads another number.
    fn plain_number<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        if self.decimal_separator == '.' && self.thousands_separator.is_none() {
            return Some(Cow::Borrowed(text));
        }
        let (whole, fraction) = match text.split_once(self.decimal_separator) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let mut plain = match self.thousands_separator {
            Some(separator) => without_thousands(whole, separator)?,
            None => whole.to_owned(),
        };
        if let Some(fraction) = fraction {
            plain.push('.');
            plain.push_str(fraction);
        }
        let points = plain.matches('.').count();
        (points == usize::from(fraction.is_some())).then_some(Cow::Owned(plain))
    }

    fn no_number(&self, text: &str) -> Fault {
        let example = match self.decimal_separator {
            ',' => "-12,50",
            _ => "-12.50",
        };
        let found: String = text.chars().take(40).collect();
        let message = format!(
            "expected a decimal such as {example}, found {found:?}; if the file writes numbers in \
             another way, set [money] decimal_separator and thousands_separator in the mapping"
        );
        Fault::new(RefusalReason::MalformedNumber, message)
    }

    fn time_text(&self, text: &str) -> Result<Timestamp, Fault> {
        let Some(format) = &self.time_format else {
            if let Ok(instant) = text.parse::<jiff::Timestamp>() {
                return in_calendar(instant.as_microsecond());
            }
            let civil = text.parse::<civil::DateTime>();
            return self.at_shop(civil.map_err(|_| no_time(text, "2011-12-09T12:50:00"))?);
        };
        let malformed = |_| no_time(text, format);
        let time = BrokenDownTime::parse(format, text).map_err(malformed)?;
        if time.offset().is_some() {
            let instant = time.to_timestamp().map_err(malformed)?;
            return in_calendar(instant.as_microsecond());
        }
        self.at_shop(time.to_datetime().map_err(malformed)?)
    }

    fn at_shop(&self, time: civil::DateTime) -> Result<Timestamp, Fault> {
        let Some(clock) = &self.clock else {
            let message = format!(
                "expected a time with a zone, found {time}; set [time] zone in the mapping to the \
                 shop's, for example \"Europe/London\""
            );
            return Err(Fault::new(RefusalReason::NoTimeZone, message));
        };
        let instant = clock.instant_of(time).ok_or_else(no_date)?;
        in_calendar(instant.micros())
    }
}

/// The first 128 bits of the SHA-256 of a row's cells.
pub(super) fn fingerprint(cells: &[u8]) -> u64 {
    xxh3_64(cells)
}

/// A number that names something. The number itself is not repeated in the fault: it may be a
/// customer's.
pub(super) fn whole_text(cell: Cell<'_>) -> Result<String, Fault> {
    let whole = match cell {
        Cell::Int(value) => Some(value.to_string()),
        Cell::UInt(value) => Some(value.to_string()),
        // Above 2^53 a float no longer tells neighbouring keys apart.
        Cell::Float(value) if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 => {
            Some((value as i64).to_string())
        }
        Cell::Decimal { unscaled, scale } => {
            let text = decimal_text(unscaled, scale);
            match text.split_once('.') {
                Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => {
                    Some(whole.to_owned())
                }
                Some(_) => None,
                None => Some(text),
            }
        }
        _ => None,
    };
    whole.ok_or_else(|| {
        let message = "expected a text or a whole number, found a number with a fraction or too \
                       large to be exact; store the column as text";
        Fault::new(RefusalReason::NotWhole, message)
    })
}

pub(super) fn decimal_text(unscaled: i128, scale: i8) -> String {
    let Ok(places @ 1..) = usize::try_from(scale) else {
        let zeros = usize::from(scale.unsigned_abs());
        return format!("{unscaled}{:0<zeros$}", "");
    };
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    format!("{sign}{whole}.{fraction}")
}

/// `1.234` as `1234`; `None` unless every separator stands before a group of three digits.
fn without_thousands(whole: &str, separator: char) -> Option<String> {
    let mut groups = whole.split(separator);
    let mut plain = groups.next().unwrap_or_default().to_owned();
    let first = plain.trim_start_matches(['+', '-']).len();
    for group in groups {
        if group.len() != 3 || !(1..=3).contains(&first) {
            return None;
        }
        plain.push_str(group);
    }
    Some(plain)
}

/// The contract's calendar runs from year 1 to 9999; its ends are stand-ins for "unknown".
fn in_calendar(micros: i64) -> Result<Timestamp, Fault> {
    let instant = Timestamp::from_micros(micros);
    if instant == Timestamp::MIN || instant == Timestamp::MAX {
        return Err(no_date());
    }
    Ok(instant)
}

fn no_date() -> Fault {
    let message = "expected a time between the years 1 and 9999, found one at or beyond the ends";
    Fault::new(RefusalReason::MalformedTime, message)
}

fn no_time(text: &str, expected: &str) -> Fault {
    let found: String = text.chars().take(40).collect();
    let message = format!(
        "expected a time like {expected}, found {found:?}; set [time] format in the mapping to the \
         file's pattern, for example \"%d/%m/%Y %H:%M\""
    );
    Fault::new(RefusalReason::MalformedTime, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_name_something_become_text() {
        let decimal = |unscaled, scale| Cell::Decimal { unscaled, scale };
        for (cell, text) in [
            (Cell::Int(-7), Some("-7")),
            (Cell::Float(17850.0), Some("17850")),
            (Cell::Float(0.5), None),
            (Cell::Float(f64::INFINITY), None),
            (decimal(1785000, 2), Some("17850")),
            (decimal(-5, 3), None),
            (decimal(12, -2), Some("1200")),
        ] {
            assert_eq!(whole_text(cell).ok().as_deref(), text, "{cell:?}");
        }
        assert_eq!(decimal_text(-5, 3), "-0.005");
        assert_eq!(decimal_text(i128::MIN, 0), i128::MIN.to_string());
    }

    #[test]
    fn separators_must_stand_before_three_digits() {
        let plain = |text| without_thousands(text, '.');
        assert_eq!(plain("-1.234.567").as_deref(), Some("-1234567"));
        assert_eq!(plain("12").as_deref(), Some("12"));
        for text in ["1.5", "1234.567", ".123", "1..234"] {
            assert_eq!(plain(text), None, "{text}");
        }
    }
}
