//! Columns of texts: each distinct text is looked at once.

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, StringViewArray};
use arrow_schema::DataType;

use super::names::{ABSENT, FoldMap};
use super::row::{Row, UNPROVEN};
use crate::ingest::parquet_file::column::Column;
use crate::ingest::row::Cell;

/// Longest text that a view holds in itself.
const INLINE: u32 = 12;
/// Place of a dictionary's value that no row has named yet.
const UNSEEN: u32 = u32::MAX - 1;

/// The texts of one column that were met before, with what they stand for.
#[derive(Debug, Default)]
pub(super) struct KnownTexts {
    short: FoldMap<u128, u32>,
    long: FoldMap<Box<str>, u32>,
    dictionary: Option<ArrayRef>,
    of_value: Vec<u32>,
}

impl KnownTexts {
    /// Fills `field` of `rows`; `resolve` gives the number of a cell's text or [`UNPROVEN`].
    pub(super) fn fill(
        &mut self,
        array: &ArrayRef,
        rows: &mut [Row],
        field: impl Fn(&mut Row) -> &mut u32 + Copy,
        resolve: &mut dyn FnMut(Cell<'_>) -> u32,
    ) {
        if let Some(views) = array.as_string_view_opt() {
            self.views(views, rows, field, resolve);
        } else if let Some(dictionary) = plain_dictionary(array) {
            self.dictionary(dictionary, rows, field, resolve);
        } else {
            let column = Column::new(array);
            for (at, row) in rows.iter_mut().enumerate() {
                let number = self.number(column.cell(at), resolve);
                put(row, field, number);
            }
        }
    }

    fn views(
        &mut self,
        views: &StringViewArray,
        rows: &mut [Row],
        field: impl Fn(&mut Row) -> &mut u32 + Copy,
        resolve: &mut dyn FnMut(Cell<'_>) -> u32,
    ) {
        // Equal views of one array are equal texts, and neighbours are often equal.
        let mut last = None;
        let has_nulls = views.null_count() > 0;
        for (at, (row, view)) in rows.iter_mut().zip(views.views()).enumerate() {
            if has_nulls && views.is_null(at) {
                put(row, field, ABSENT);
                continue;
            }
            let number = match last {
                Some((known, number)) if known == *view => number,
                _ if *view as u32 <= INLINE => match self.short.get(view) {
                    Some(number) => *number,
                    None => self.number(Cell::Text(views.value(at)), resolve),
                },
                _ => self.number(Cell::Text(views.value(at)), resolve),
            };
            last = Some((*view, number));
            put(row, field, number);
        }
    }

    fn dictionary(
        &mut self,
        dictionary: &DictionaryArray<Int32Type>,
        rows: &mut [Row],
        field: impl Fn(&mut Row) -> &mut u32 + Copy,
        resolve: &mut dyn FnMut(Cell<'_>) -> u32,
    ) {
        let values = dictionary.values();
        if !self.dictionary.as_ref().is_some_and(|known| is_same(known, values)) {
            self.dictionary = Some(ArrayRef::clone(values));
            self.of_value.clear();
            self.of_value.resize(values.len(), UNSEEN);
        }
        let texts = values.as_string_opt::<i32>();
        let keys = dictionary.keys();
        let has_nulls = keys.null_count() > 0;
        for (at, (row, key)) in rows.iter_mut().zip(keys.values()).enumerate() {
            let key = *key as usize;
            let number = match self.of_value.get(key) {
                _ if has_nulls && keys.is_null(at) => ABSENT,
                Some(number) if *number != UNSEEN => *number,
                _ => {
                    let text = texts.filter(|texts| key < texts.len() && texts.is_valid(key));
                    let cell = text.map_or(Cell::Null, |texts| Cell::Text(texts.value(key)));
                    let number = self.number(cell, resolve);
                    if let Some(place) = self.of_value.get_mut(key) {
                        *place = number;
                    }
                    number
                }
            };
            put(row, field, number);
        }
    }

    /// What `cell` stands for, by memory or by `resolve`.
    fn number(&mut self, cell: Cell<'_>, resolve: &mut dyn FnMut(Cell<'_>) -> u32) -> u32 {
        match (cell, short_key(cell)) {
            (Cell::Null, _) => ABSENT,
            (_, Some(key)) => *self.short.entry(key).or_insert_with(|| resolve(cell)),
            (Cell::Text(text), None) => match self.long.get(text) {
                Some(number) => *number,
                None => {
                    let number = resolve(cell);
                    self.long.insert(text.into(), number);
                    number
                }
            },
            _ => resolve(cell),
        }
    }
}

/// Fills `field` of `rows` with what `key` makes of ids; it gives none for an id that only the
/// row-by-row reader may judge. Ids are seldom met again, so only the last one is known.
pub(super) fn fill_keys<T: Copy + Default>(
    array: &ArrayRef,
    rows: &mut [Row],
    field: impl Fn(&mut Row) -> &mut T + Copy,
    key: &mut dyn FnMut(Cell<'_>) -> Option<T>,
) {
    let put = |row: &mut Row, order: Option<T>| match order {
        Some(order) => *field(row) = order,
        None => row.is_unproven = true,
    };
    if let Some(views) = array.as_string_view_opt() {
        let mut last = None;
        for (at, (row, view)) in rows.iter_mut().zip(views.views()).enumerate() {
            let order = match last {
                _ if views.is_null(at) => Some(T::default()),
                Some((known, order)) if known == *view => order,
                _ => {
                    let order = key(Cell::Text(views.value(at)));
                    last = Some((*view, order));
                    order
                }
            };
            put(row, order);
        }
    } else {
        let column = Column::new(array);
        for (at, row) in rows.iter_mut().enumerate() {
            put(row, key(column.cell(at)));
        }
    }
}

fn put(row: &mut Row, field: impl Fn(&mut Row) -> &mut u32 + Copy, number: u32) {
    if number == UNPROVEN {
        row.is_unproven = true;
    } else {
        *field(row) = number;
    }
}

/// The dictionary that reading of dictionary pages gives.
fn plain_dictionary(array: &ArrayRef) -> Option<&DictionaryArray<Int32Type>> {
    let dictionary = array.as_dictionary_opt::<Int32Type>()?;
    (*dictionary.values().data_type() == DataType::Utf8).then_some(dictionary)
}

/// Whether both are one dictionary: the bytes of `known` are still held, so nothing else can lie
/// where they lie.
fn is_same(known: &ArrayRef, values: &ArrayRef) -> bool {
    let place = |array: &ArrayRef| {
        let texts = array.as_string_opt::<i32>()?;
        Some((texts.value_data().as_ptr(), texts.value_offsets().as_ptr(), texts.len()))
    };
    place(known) == place(values) && place(known).is_some()
}

/// A key that no two different short cells share: a short text as a view holds it, or a number
/// under a length that no short text has.
fn short_key(cell: Cell<'_>) -> Option<u128> {
    let tagged = |tag: u32, bits: u64| Some(u128::from(bits) << 32 | u128::from(tag));
    match cell {
        Cell::Text(text) if text.len() <= INLINE as usize => {
            let mut bytes = [0; 16];
            let (length, content) = bytes.split_at_mut(4);
            length.copy_from_slice(&(text.len() as u32).to_le_bytes());
            for (place, byte) in content.iter_mut().zip(text.bytes()) {
                *place = byte;
            }
            Some(u128::from_le_bytes(bytes))
        }
        Cell::Int(value) => tagged(u32::MAX, value as u64),
        Cell::UInt(value) => tagged(u32::MAX - 1, value),
        Cell::Float(value) => tagged(u32::MAX - 2, value.to_bits()),
        _ => None,
    }
}
