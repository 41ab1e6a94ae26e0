//! The texts of ids, which get no numbers: hardly one comes again.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Int32Array, RecordBatch, StringArray, StringViewArray};

use crate::ingest::mapping::{Field, Mapping};
use crate::ingest::parquet_file::column::Column;
use crate::ingest::row::CellReader;

/// The ids of one field in one batch.
pub(super) enum Ids<'a> {
    /// The same on every row; also the empty text where the mapping gives none.
    Constant(&'a str),
    Views(&'a StringViewArray),
    Dictionary(&'a Int32Array, &'a StringArray),
    Cells(Column, &'a CellReader),
}

impl<'a> Ids<'a> {
    /// Those that the mapping reads into `field`.
    pub(super) fn of(
        field: Field,
        mapping: &'a Mapping,
        batch: &'a RecordBatch,
        positions: &[usize],
    ) -> Self {
        let binding = mapping.bindings.iter().find(|binding| binding.field == field);
        let column = binding.and_then(|binding| binding.columns.first());
        let position = column.and_then(|column| positions.get(*column));
        let Some(array) = position.and_then(|position| batch.columns().get(*position)) else {
            let line = &mapping.template.line;
            let text = match field {
                Field::CustomerId => &line.customer_id,
                Field::OrderId => &line.order_id,
                _ => &line.cancels_order_id,
            };
            return Self::Constant(text.as_deref().unwrap_or_default());
        };
        if let Some(views) = array.as_string_view_opt() {
            return Self::Views(views);
        }
        if let Some(dictionary) = array.as_dictionary_opt::<Int32Type>()
            && let Some(texts) = dictionary.values().as_string_opt::<i32>()
        {
            return Self::Dictionary(dictionary.keys(), texts);
        }
        Self::Cells(Column::new(array), &mapping.reader)
    }

    /// The id of a row that is known to have one.
    pub(super) fn text(&self, row: usize) -> Cow<'_, str> {
        match self {
            Self::Constant(text) => Cow::Borrowed(text),
            Self::Views(views) => Cow::Borrowed(views.value(row)),
            Self::Dictionary(keys, texts) => Cow::Borrowed(texts.value(keys.value(row) as usize)),
            Self::Cells(column, reader) => {
                reader.text(column.cell(row)).ok().flatten().unwrap_or_default()
            }
        }
    }
}
