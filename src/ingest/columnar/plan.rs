//! The files, opened and checked, and the pieces in which they are read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Encoding;
use parquet::file::metadata::RowGroupMetaData;

use super::ReadHistoriesError;
use crate::ingest::file::{ReadFileError, check_format, positions};
use crate::ingest::mapping::{Field, FileFormat, Mapping};
use crate::ingest::parquet_file::column::is_plain;
use crate::ingest::parquet_file::{check_types, contained};

/// Rows of a piece: enough to cut a file of one row group among several threads.
pub(super) const PIECE_ROWS: u64 = 131_072;
/// Rows of a batch; they stay in the second cache while their columns are read.
const BATCH_ROWS: usize = 4_096;

/// One file, as far as its footer tells.
#[derive(Debug)]
pub(super) struct ParquetInput {
    path: PathBuf,
    /// As the file was written.
    plain: ArrowReaderMetadata,
    /// Where each of the mapping's columns stands among those that are read.
    pub(super) positions: Vec<usize>,
    /// Fields of the file that are read, in its order.
    kept: Vec<usize>,
    /// Those of them that hold texts only.
    texts: Vec<usize>,
}

/// A stretch of rows of one row group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// Index of the file.
    pub(super) input: usize,
    row_group: usize,
    offset: u64,
    pub(super) rows: u64,
    /// Rows before it, in earlier files too.
    pub(super) rows_before: u64,
}

/// Which columns of a file are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Columns {
    /// Those that the mapping names.
    Mapped,
    /// All but nested ones.
    All,
}

impl ParquetInput {
    /// Reads the footer and holds the columns against the mapping; `None` for a CSV file.
    pub(super) fn open(
        path: &Path,
        mapping: &Mapping,
        columns: Columns,
    ) -> Result<Option<Self>, ReadFileError> {
        let Some((plain, found)) = Self::read_footer(path, mapping)? else { return Ok(None) };
        let fields = plain.schema().fields();
        let (kept, texts) = match columns {
            Columns::Mapped => {
                let mut kept = found.clone();
                kept.sort_unstable();
                kept.dedup();
                let texts = text_columns(mapping).filter_map(|column| found.get(column).copied());
                (kept, texts.collect())
            }
            Columns::All => {
                let is_kept = |at: &usize| fields.get(*at).is_some_and(|f| is_plain(f.data_type()));
                let kept: Vec<usize> = (0..fields.len()).filter(is_kept).collect();
                let numbers: Vec<usize> = number_columns(mapping)
                    .filter_map(|column| found.get(column).copied())
                    .collect();
                let texts = kept.iter().copied().filter(|field| !numbers.contains(field));
                (kept.clone(), texts.collect())
            }
        };
        let positions = found.iter().filter_map(|field| kept.binary_search(field).ok()).collect();
        Ok(Some(Self { path: path.to_owned(), plain, positions, kept, texts }))
    }

    fn read_footer(
        path: &Path,
        mapping: &Mapping,
    ) -> Result<Option<(ArrowReaderMetadata, Vec<usize>)>, ReadFileError> {
        let mut file = File::open(path)?;
        if check_format(&path.to_string_lossy(), mapping, &mut file)? == FileFormat::Csv {
            return Ok(None);
        }
        let options = ArrowReaderOptions::new();
        let metadata = contained(|| ArrowReaderMetadata::load(&file, options))?;
        let mut groups = metadata.metadata().row_groups().iter();
        if groups.any(|group| u32::try_from(group.num_rows()).is_err()) {
            let message = "a row group of more than 4294967295 rows".to_owned();
            return Err(ReadFileError::Damaged { message });
        }
        let schema = metadata.schema();
        let header: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
        let found = positions(mapping, &header)?;
        check_types(mapping, schema, &found)?;
        Ok(Some((metadata, found)))
    }

    /// Rows by the footer.
    pub(super) fn rows(&self) -> u64 {
        let groups = self.plain.metadata().row_groups().iter();
        groups.map(|group| u64::try_from(group.num_rows()).unwrap_or_default()).sum()
    }

    /// Begins to read a piece. The decoder may panic; see [`contained`].
    pub(super) fn read(&self, piece: &Piece) -> Result<ParquetRecordBatchReader, ReadFileError> {
        let file = File::open(&self.path)?;
        contained(|| {
            let metadata = self.metadata(piece.row_group);
            let mask = self.kept.iter().copied();
            let mask = ProjectionMask::roots(metadata.parquet_schema(), mask);
            ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
                .with_projection(mask)
                .with_row_groups(vec![piece.row_group])
                .with_offset(usize::try_from(piece.offset).unwrap_or(usize::MAX))
                .with_limit(usize::try_from(piece.rows).unwrap_or(usize::MAX))
                .with_batch_size(BATCH_ROWS)
                .build()
        })
    }

    /// The error of this file.
    pub(super) fn fault(&self, source: ReadFileError) -> ReadHistoriesError {
        ReadHistoriesError::File { path: self.path.clone(), source }
    }

    /// Texts as dictionaries where the row group holds nothing else, so that each is looked at
    /// once, and as views elsewhere, which need not be copied.
    fn metadata(&self, row_group: usize) -> ArrowReaderMetadata {
        let metadata = self.plain.metadata();
        let schema = metadata.row_groups().get(row_group).map(|group| self.schema(group));
        let options = schema.map(|schema| ArrowReaderOptions::new().with_schema(schema));
        let quick = options
            .and_then(|options| ArrowReaderMetadata::try_new(Arc::clone(metadata), options).ok());
        quick.unwrap_or_else(|| self.plain.clone())
    }

    fn schema(&self, group: &RowGroupMetaData) -> SchemaRef {
        let schema = self.plain.schema();
        let parquet = self.plain.parquet_schema();
        let is_dictionary = |root: usize| {
            let mut leaves = (0..parquet.num_columns())
                .filter(|leaf| parquet.get_column_root_idx(*leaf) == root)
                .filter_map(|leaf| group.columns().get(leaf));
            leaves.all(|column| {
                column.dictionary_page_offset().is_some()
                    && column.page_encoding_stats_mask().is_some_and(|mask| {
                        mask.is_only(Encoding::PLAIN_DICTIONARY)
                            || mask.is_only(Encoding::RLE_DICTIONARY)
                    })
            })
        };
        let fields = schema.fields().iter().enumerate().map(|(root, field)| {
            if !self.texts.contains(&root) || !is_text(field.data_type()) {
                return Arc::clone(field);
            }
            let quick = if is_dictionary(root) {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            } else {
                DataType::Utf8View
            };
            Arc::new(field.as_ref().clone().with_data_type(quick))
        });
        let fields: Vec<_> = fields.collect();
        Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
    }
}

/// Cuts the row groups of all files into pieces, in order.
pub(super) fn pieces(inputs: &[ParquetInput]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rows_before = 0;
    for (input, file) in inputs.iter().enumerate() {
        for (row_group, group) in file.plain.metadata().row_groups().iter().enumerate() {
            let all = u64::try_from(group.num_rows()).unwrap_or_default();
            let mut offset = 0;
            while offset < all {
                let rows = PIECE_ROWS.min(all - offset);
                pieces.push(Piece { input, row_group, offset, rows, rows_before });
                offset += rows;
                rows_before += rows;
            }
        }
    }
    pieces
}

/// The mapping's columns of texts that are looked up, not of numbers or times; order ids are
/// seldom met again, but views of them are cheap.
fn text_columns(mapping: &Mapping) -> impl Iterator<Item = usize> {
    let bindings = mapping.bindings.iter().filter(|binding| is_of_texts(binding.field));
    let marker = mapping.returns.marker.iter().map(|(column, _)| *column);
    bindings.flat_map(|binding| binding.columns.iter().copied()).chain(marker)
}

/// The mapping's columns of numbers and times.
fn number_columns(mapping: &Mapping) -> impl Iterator<Item = usize> {
    let bindings = mapping.bindings.iter().filter(|binding| !is_of_texts(binding.field));
    bindings.flat_map(|binding| binding.columns.iter().copied())
}

const fn is_of_texts(field: Field) -> bool {
    !matches!(
        field,
        Field::LineNumber
            | Field::OccurredAt
            | Field::RecordedAt
            | Field::Quantity
            | Field::UnitPrice
            | Field::Amount
            | Field::Discount
            | Field::UnitCost
    )
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => other.is_string(),
    }
}
