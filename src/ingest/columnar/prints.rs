//! Fingerprints of the rows of a batch, column by column.
//!
//! Two rows of one file have equal fingerprints where the row-by-row reader would give them equal
//! ones: where they hold the same in every cell.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch, StringViewArray};
use arrow_schema::{DataType, TimeUnit};
use xxhash_rust::xxh3::xxh3_64;

use crate::ingest::parquet_file::append;
use crate::ingest::parquet_file::column::Column;

/// Of a row without cells.
const START: u64 = 0x243f_6a88_85a3_08d3;
/// Stands for an absent value; a multiplication moves it away from all that other cells give.
const ABSENT: u64 = 0x1319_8a2e_0370_7344;

/// Appends the fingerprints of a batch's rows to `prints`, which is emptied first.
pub(super) fn fill(batch: &RecordBatch, prints: &mut Vec<u64>) {
    prints.clear();
    prints.resize(batch.num_rows(), START);
    for array in batch.columns() {
        add(array, prints);
    }
}

fn add(array: &ArrayRef, prints: &mut [u64]) {
    if let Some(views) = array.as_string_view_opt() {
        return add_views(views, prints);
    }
    match array.data_type() {
        DataType::Int32 => add_plain::<Int32Type>(array, prints, |value| value as u64),
        DataType::Int64 => add_plain::<Int64Type>(array, prints, |value| value as u64),
        DataType::Float64 => add_plain::<Float64Type>(array, prints, f64::to_bits),
        DataType::Date32 => add_plain::<Date32Type>(array, prints, |days| days as u64),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            add_plain::<TimestampMicrosecondType>(array, prints, |micros| micros as u64);
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            add_plain::<TimestampMillisecondType>(array, prints, |millis| {
                millis.saturating_mul(1_000) as u64
            });
        }
        DataType::Dictionary(..) => add_dictionary(array, prints),
        _ => add_cells(array, prints),
    }
}

fn add_plain<T: ArrowPrimitiveType>(
    array: &ArrayRef,
    prints: &mut [u64],
    bits: impl Fn(T::Native) -> u64,
) {
    let Some(array) = array.as_primitive_opt::<T>() else { return };
    let values = prints.iter_mut().zip(array.values());
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.for_each(|(print, value)| *print = mixed(*print, bits(*value))),
        Some(nulls) => values.zip(nulls.iter()).for_each(|((print, value), is_valid)| {
            *print = if is_valid { mixed(*print, bits(*value)) } else { absent(*print) };
        }),
    }
}

fn add_views(views: &StringViewArray, prints: &mut [u64]) {
    // Equal views of one array are equal texts, and neighbours are often equal.
    let mut last = None;
    for (at, (print, view)) in prints.iter_mut().zip(views.views()).enumerate() {
        if views.is_null(at) {
            *print = absent(*print);
            continue;
        }
        let hash = match last {
            Some((known, hash)) if known == *view => hash,
            _ => xxh3_64(views.value(at).as_bytes()),
        };
        last = Some((*view, hash));
        *print = mixed(*print, hash);
    }
}

/// Texts of a dictionary are hashed once, as those of a column without one.
fn add_dictionary(array: &ArrayRef, prints: &mut [u64]) {
    let dictionary = array.as_dictionary_opt::<Int32Type>();
    let texts = dictionary.and_then(|dictionary| dictionary.values().as_string_opt::<i32>());
    let (Some(dictionary), Some(texts)) = (dictionary, texts) else {
        return add_cells(array, prints);
    };
    let keys = dictionary.keys();
    if texts.len() > keys.len() {
        for (at, (print, key)) in prints.iter_mut().zip(keys.values()).enumerate() {
            let key = *key as usize;
            let is_given = keys.is_valid(at) && key < texts.len() && texts.is_valid(key);
            *print = match is_given {
                true => mixed(*print, xxh3_64(texts.value(key).as_bytes())),
                false => absent(*print),
            };
        }
        return;
    }
    let hashes: Vec<Option<u64>> =
        texts.iter().map(|text| text.map(|text| xxh3_64(text.as_bytes()))).collect();
    for (at, (print, key)) in prints.iter_mut().zip(keys.values()).enumerate() {
        let hash = hashes.get(*key as usize).copied().flatten().filter(|_| keys.is_valid(at));
        *print = hash.map_or_else(|| absent(*print), |hash| mixed(*print, hash));
    }
}

fn add_cells(array: &ArrayRef, prints: &mut [u64]) {
    let column = Column::new(array);
    let mut bytes = Vec::new();
    for (at, print) in prints.iter_mut().enumerate() {
        bytes.clear();
        append(&mut bytes, column.cell(at));
        *print = mixed(*print, xxh3_64(&bytes));
    }
}

fn absent(print: u64) -> u64 {
    mixed(print.rotate_left(32), ABSENT)
}

fn mixed(print: u64, value: u64) -> u64 {
    let product = u128::from(print ^ value) * 0x9e37_79b9_7f4a_7c15;
    (product as u64) ^ ((product >> 64) as u64)
}
