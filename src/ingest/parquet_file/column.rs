//! One column of a record batch, as cells.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, LargeBinaryArray, LargeStringArray, StringArray,
    StringViewArray,
};
use arrow_schema::{DataType, TimeUnit};

use crate::ingest::row::Cell;
use crate::transaction::MICROS_PER_DAY;

/// One column of a batch.
pub(in crate::ingest) enum Column {
    Text(StringArray),
    LargeText(LargeStringArray),
    TextView(StringViewArray),
    Bytes(BinaryArray),
    LargeBytes(LargeBinaryArray),
    BytesView(BinaryViewArray),
    /// Numbers, times and flags.
    Plain(Vec<Cell<'static>>),
    /// Row -> position among the values.
    Dictionary(Vec<Option<usize>>, Box<Column>),
}

impl Column {
    pub(in crate::ingest) fn new(array: &ArrayRef) -> Self {
        Self::text(array)
            .or_else(|| Self::dictionary(array))
            .or_else(|| Self::number(array))
            .or_else(|| Self::time(array))
            .unwrap_or_else(|| Self::Plain(vec![Cell::Null; array.len()]))
    }

    fn text(array: &ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Utf8 => array.as_string_opt().cloned().map(Self::Text),
            DataType::LargeUtf8 => array.as_string_opt().cloned().map(Self::LargeText),
            DataType::Utf8View => array.as_string_view_opt().cloned().map(Self::TextView),
            DataType::Binary => array.as_binary_opt().cloned().map(Self::Bytes),
            DataType::LargeBinary => array.as_binary_opt().cloned().map(Self::LargeBytes),
            DataType::BinaryView => array.as_binary_view_opt().cloned().map(Self::BytesView),
            _ => None,
        }
    }

    fn dictionary(array: &ArrayRef) -> Option<Self> {
        let dictionary = array.as_any_dictionary_opt()?;
        let keys = dictionary.keys();
        let positions = if dictionary.values().is_empty() {
            vec![None; keys.len()]
        } else {
            let positions = dictionary.normalized_keys().into_iter().enumerate();
            positions.map(|(row, position)| keys.is_valid(row).then_some(position)).collect()
        };
        let values = Self::new(dictionary.values());
        Some(Self::Dictionary(positions, Box::new(values)))
    }

    fn number(array: &ArrayRef) -> Option<Self> {
        match array.data_type() {
            DataType::Boolean => array.as_boolean_opt().map(|flags| {
                let cells = flags.iter().map(|flag| flag.map_or(Cell::Null, Cell::Bool));
                Self::Plain(cells.collect())
            }),
            DataType::Int8 => plain::<Int8Type>(array, |value| Cell::Int(value.into())),
            DataType::Int16 => plain::<Int16Type>(array, |value| Cell::Int(value.into())),
            DataType::Int32 => plain::<Int32Type>(array, |value| Cell::Int(value.into())),
            DataType::Int64 => plain::<Int64Type>(array, Cell::Int),
            DataType::UInt8 => plain::<UInt8Type>(array, |value| Cell::Int(value.into())),
            DataType::UInt16 => plain::<UInt16Type>(array, |value| Cell::Int(value.into())),
            DataType::UInt32 => plain::<UInt32Type>(array, |value| Cell::Int(value.into())),
            DataType::UInt64 => plain::<UInt64Type>(array, Cell::UInt),
            DataType::Float16 => plain::<Float16Type>(array, |value| shortest(value.to_f32())),
            DataType::Float32 => plain::<Float32Type>(array, shortest),
            DataType::Float64 => plain::<Float64Type>(array, Cell::Float),
            DataType::Decimal32(_, scale) => {
                plain::<Decimal32Type>(array, |value| decimal(value.into(), *scale))
            }
            DataType::Decimal64(_, scale) => {
                plain::<Decimal64Type>(array, |value| decimal(value.into(), *scale))
            }
            DataType::Decimal128(_, scale) => {
                plain::<Decimal128Type>(array, |value| decimal(value, *scale))
            }
            _ => None,
        }
    }

    fn time(array: &ArrayRef) -> Option<Self> {
        let civil_day = |days: i32| Cell::Civil(i64::from(days).saturating_mul(MICROS_PER_DAY));
        let (unit, has_zone) = match array.data_type() {
            DataType::Date32 => return plain::<Date32Type>(array, civil_day),
            DataType::Date64 => {
                return plain::<Date64Type>(array, |ms| Cell::Civil(ms.saturating_mul(1_000)));
            }
            DataType::Timestamp(unit, zone) => (unit, zone.is_some()),
            _ => return None,
        };
        let cell = |micros: i64| match has_zone {
            true => Cell::Instant(micros),
            false => Cell::Civil(micros),
        };
        match unit {
            TimeUnit::Second => {
                plain::<TimestampSecondType>(array, |s| cell(s.saturating_mul(1_000_000)))
            }
            TimeUnit::Millisecond => {
                plain::<TimestampMillisecondType>(array, |ms| cell(ms.saturating_mul(1_000)))
            }
            TimeUnit::Microsecond => plain::<TimestampMicrosecondType>(array, cell),
            TimeUnit::Nanosecond => {
                plain::<TimestampNanosecondType>(array, |ns| cell(ns.div_euclid(1_000)))
            }
        }
    }

    pub(in crate::ingest) fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Self::Text(texts) if texts.is_valid(row) => Cell::Text(texts.value(row)),
            Self::LargeText(texts) if texts.is_valid(row) => Cell::Text(texts.value(row)),
            Self::TextView(texts) if texts.is_valid(row) => Cell::Text(texts.value(row)),
            Self::Bytes(bytes) if bytes.is_valid(row) => Cell::Bytes(bytes.value(row)),
            Self::LargeBytes(bytes) if bytes.is_valid(row) => Cell::Bytes(bytes.value(row)),
            Self::BytesView(bytes) if bytes.is_valid(row) => Cell::Bytes(bytes.value(row)),
            Self::Plain(cells) => cells.get(row).copied().unwrap_or(Cell::Null),
            Self::Dictionary(positions, values) => match positions.get(row) {
                Some(Some(position)) => values.cell(*position),
                _ => Cell::Null,
            },
            _ => Cell::Null,
        }
    }
}

fn plain<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    cell: impl Fn(T::Native) -> Cell<'static>,
) -> Option<Column> {
    let array = array.as_primitive_opt::<T>()?;
    let cells = array.iter().map(|value| value.map_or(Cell::Null, &cell));
    Some(Column::Plain(cells.collect()))
}

fn decimal(unscaled: i128, scale: i8) -> Cell<'static> {
    Cell::Decimal { unscaled, scale }
}

/// 2.55 of 32 bits is 2.55, not the 2.549999952316284 that widening makes of it.
fn shortest(value: f32) -> Cell<'static> {
    let shortest = value.to_string().parse();
    Cell::Float(shortest.unwrap_or(f64::NAN))
}

/// Whether [`Column::new`] reads the type.
pub(in crate::ingest) fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_plain(values),
        DataType::Null
        | DataType::Boolean
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(..)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..) => true,
        other => other.is_integer() || other.is_floating(),
    }
}
