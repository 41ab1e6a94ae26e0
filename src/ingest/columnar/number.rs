//! Columns of numbers, as counts of millionths or thousandths.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal32Type, Decimal64Type, Decimal128Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::DataType;

use super::line::NONE;
use super::row::Row;
use crate::ingest::parquet_file::column::Column;
use crate::ingest::row::{Cell, CellReader};
use crate::transaction::{Money, Quantity};

/// Decimals of at most 15 digits have doubles of their own.
const EXACT: f64 = 1e15;

/// What the numbers of a column are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unit {
    /// Micros.
    Money,
    /// Thousandths.
    Quantity,
}

impl Unit {
    const fn digits(self) -> i8 {
        match self {
            Self::Money => 6,
            Self::Quantity => 3,
        }
    }

    const fn scale(self) -> i64 {
        match self {
            Self::Money => 1_000_000,
            Self::Quantity => 1_000,
        }
    }

    /// Reads one cell as rows are read; `None` when it is at fault, [`NONE`] when it is absent.
    pub(super) fn read(self, reader: &CellReader, cell: Cell<'_>) -> Option<i64> {
        let number = match self {
            Self::Money => reader.money(cell).ok()?.map(Money::micros),
            Self::Quantity => reader.quantity(cell).ok()?.map(Quantity::thousandths),
        };
        Some(number.unwrap_or(NONE))
    }
}

/// Fills `field` of `rows`; an absent number is [`NONE`].
pub(super) fn fill_numbers(
    array: &ArrayRef,
    rows: &mut [Row],
    field: impl Fn(&mut Row) -> &mut i64 + Copy,
    unit: Unit,
    reader: &CellReader,
) {
    let slow = |cell: Cell<'_>| unit.read(reader, cell);
    let whole = |value: i64| value.checked_mul(unit.scale());
    match array.data_type() {
        DataType::Float64 => put::<Float64Type>(array, rows, field, |value| {
            exact(value, unit).or_else(|| slow(Cell::Float(value)))
        }),
        DataType::Int8 => put::<Int8Type>(array, rows, field, |value| whole(value.into())),
        DataType::Int16 => put::<Int16Type>(array, rows, field, |value| whole(value.into())),
        DataType::Int32 => put::<Int32Type>(array, rows, field, |value| whole(value.into())),
        DataType::Int64 => put::<Int64Type>(array, rows, field, whole),
        DataType::UInt8 => put::<UInt8Type>(array, rows, field, |value| whole(value.into())),
        DataType::UInt16 => put::<UInt16Type>(array, rows, field, |value| whole(value.into())),
        DataType::UInt32 => put::<UInt32Type>(array, rows, field, |value| whole(value.into())),
        DataType::UInt64 => {
            put::<UInt64Type>(array, rows, field, |value| whole(value.try_into().ok()?));
        }
        DataType::Decimal32(_, scale) => put::<Decimal32Type>(array, rows, field, |value| {
            let unscaled = i128::from(value);
            decimal(unscaled, *scale, unit)
                .or_else(|| slow(Cell::Decimal { unscaled, scale: *scale }))
        }),
        DataType::Decimal64(_, scale) => put::<Decimal64Type>(array, rows, field, |value| {
            let unscaled = i128::from(value);
            decimal(unscaled, *scale, unit)
                .or_else(|| slow(Cell::Decimal { unscaled, scale: *scale }))
        }),
        DataType::Decimal128(_, scale) => put::<Decimal128Type>(array, rows, field, |unscaled| {
            decimal(unscaled, *scale, unit)
                .or_else(|| slow(Cell::Decimal { unscaled, scale: *scale }))
        }),
        _ => fill_cells(array, rows, field, slow),
    }
}

/// Fills in the positions of lines within their orders.
pub(super) fn fill_line_numbers(array: &ArrayRef, rows: &mut [Row], reader: &CellReader) {
    let positive = |value: i64| u32::try_from(value).ok().map(i64::from);
    match array.data_type() {
        // A number may be one of the texts that stand for an absent value.
        _ if !reader.nulls.is_empty() => {}
        DataType::Int16 => {
            return put::<Int16Type>(array, rows, line_number, |value| positive(value.into()));
        }
        DataType::Int32 => {
            return put::<Int32Type>(array, rows, line_number, |value| positive(value.into()));
        }
        DataType::Int64 => return put::<Int64Type>(array, rows, line_number, positive),
        _ => {}
    }
    let number = |cell: Cell<'_>| Some(reader.line_number(cell).ok()?.map_or(NONE, i64::from));
    fill_cells(array, rows, line_number, number);
}

fn line_number(row: &mut Row) -> &mut i64 {
    &mut row.line_number
}

/// Fills `field` from the values of a column of one primitive type; `convert` gives none for a
/// value that only the row-by-row reader may judge.
pub(super) fn put<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    rows: &mut [Row],
    field: impl Fn(&mut Row) -> &mut i64 + Copy,
    convert: impl Fn(T::Native) -> Option<i64>,
) {
    let Some(array): Option<&PrimitiveArray<T>> = array.as_primitive_opt() else {
        rows.iter_mut().for_each(|row| row.is_unproven = true);
        return;
    };
    let set = |row: &mut Row, value: T::Native| match convert(value) {
        Some(number) => *field(row) = number,
        None => row.is_unproven = true,
    };
    let values = rows.iter_mut().zip(array.values().iter().copied());
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.for_each(|(row, value)| set(row, value)),
        Some(nulls) => values.zip(nulls.iter()).for_each(|((row, value), is_valid)| {
            if is_valid {
                set(row, value);
            }
        }),
    }
}

/// The same for any type, a cell at a time.
pub(super) fn fill_cells(
    array: &ArrayRef,
    rows: &mut [Row],
    field: impl Fn(&mut Row) -> &mut i64 + Copy,
    convert: impl Fn(Cell<'_>) -> Option<i64>,
) {
    let column = Column::new(array);
    for (at, row) in rows.iter_mut().enumerate() {
        match convert(column.cell(at)) {
            Some(NONE) => {}
            Some(number) => *field(row) = number,
            None => row.is_unproven = true,
        }
    }
}

/// The decimal that `value` is the double of, where it has no more digits than the unit and 15 in
/// all. Decimals of at most 15 digits differ as doubles, so it is the shortest one, the one that
/// [`Money::from_f64`] reads.
fn exact(value: f64, unit: Unit) -> Option<i64> {
    let scale = unit.scale() as f64;
    let scaled = (value * scale).round();
    let is_exact = scaled.abs() < EXACT && scaled / scale == value;
    is_exact.then_some(scaled as i64)
}

/// A decimal with no more digits than the unit; `None` for others and for what does not fit.
fn decimal(unscaled: i128, scale: i8, unit: Unit) -> Option<i64> {
    let unscaled = i64::try_from(unscaled).ok()?;
    let missing = unit.digits().checked_sub(scale).filter(|_| scale >= 0)?;
    let number = match u32::try_from(missing) {
        Ok(missing) => unscaled.checked_mul(10_i64.checked_pow(missing)?)?,
        Err(_) => {
            let divisor = 10_i64.checked_pow(missing.unsigned_abs().into())?;
            (unscaled % divisor == 0).then(|| unscaled / divisor)?
        }
    };
    (number != NONE).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_of_short_decimals_are_read_without_text() {
        assert_eq!(exact(2.55, Unit::Money), Some(2_550_000));
        assert_eq!(exact(-0.0, Unit::Money), Some(0));
        assert_eq!(exact(999_999_999.999_999, Unit::Money), Some(999_999_999_999_999));
        assert_eq!(exact(0.1 + 0.2, Unit::Money), None, "0.30000000000000004 needs rounding");
        assert_eq!(exact(0.0005, Unit::Quantity), None);
        assert_eq!(exact(f64::NAN, Unit::Money), None);
        assert_eq!(exact(f64::INFINITY, Unit::Money), None);
    }

    proptest! {
        #[test]
        fn the_quick_number_is_the_right_one(
            digits in -10_000_000_000_i64..10_000_000_000,
            places in 0_i32..9,
            bits: u64,
        ) {
            for value in [digits as f64 / 10_f64.powi(places), f64::from_bits(bits)] {
                if let Some(micros) = exact(value, Unit::Money) {
                    prop_assert_eq!(Money::from_f64(value), Ok(Money::from_micros(micros)));
                }
                if let Some(units) = exact(value, Unit::Quantity) {
                    let expected = Quantity::from_thousandths(units);
                    prop_assert_eq!(Quantity::from_f64(value), Ok(expected));
                }
            }
        }

        #[test]
        fn the_quick_decimal_is_the_right_one(unscaled: i64, scale in -2_i8..12, shift in 0_u32..40) {
            let unscaled = i128::from(unscaled >> shift);
            let reader = crate::ingest::Mapping::parse(
                "[constants]\noccurred_at = \"2011-01-01T00:00:00Z\"\nproduct_id = \"p\"\n\
                 quantity = 1\nunit_price = 1\n[columns]\n",
            );
            let reader = reader.unwrap().reader;
            for unit in [Unit::Money, Unit::Quantity] {
                if let Some(number) = decimal(unscaled, scale, unit) {
                    let cell = Cell::Decimal { unscaled, scale };
                    prop_assert_eq!(unit.read(&reader, cell), Some(number));
                }
            }
        }
    }
}
