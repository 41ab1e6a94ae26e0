//! Transactions on their way into the store: files through a mapping, chunks of a stream.
//!
//! A file is kept or dropped as a whole; a chunk of a stream is durable before it is confirmed.

mod attributes;
mod chunk;
mod columnar;
mod csv_file;
mod file;
mod import;
mod long_table;
mod mapping;
mod parquet_file;
mod row;
mod table;

pub use self::chunk::{CheckedChunk, ChunkOutcome, ChunkRefusal, StreamIngest};
pub use self::columnar::{HistoryCounts, ParquetHistories, ReadHistoriesError, ReadOptions};
pub use self::file::{ReadFileError, TransactionFile, from_bytes, open};
pub use self::import::{ImportError, ImportRequest, check_mapping, file_sha256, import};
pub use self::long_table::{LongColumns, LongTableError, read_long_table};
pub use self::mapping::{InvalidMapping, Mapping};
pub use self::row::{RefusalReason, RowProblem, SourceRow};
pub use self::table::TableFile;
