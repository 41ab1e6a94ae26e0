//! The rows of a question: customers, or feature vectors from a file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use crate::grpc::proto::{
    FeatureBlock, StringValues, TableBlock, TableColumn, feature_block::Values, table_column,
};
use crate::ingest::{ReadFileError, TableFile};

use super::super::exit::Failure;

/// Most rows of one call.
const MOST_ROWS: u32 = 10_000;

/// Whom a question is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rows {
    /// Customers by their keys.
    Customers(Vec<String>),
    /// Feature vectors.
    Features(FeatureBlock),
    /// Rows of a table, and what they are called where a column tells.
    Table(TableBlock, Option<Vec<String>>),
}

impl Rows {
    /// Reads the rows of a table; `id` is the column that tells what they are called.
    pub(super) fn table(path: &Path, id: Option<&str>) -> Result<Self, Failure> {
        table(path, id).map_err(|problem| Failure::data(path, problem))
    }

    /// Reads feature vectors from a CSV file.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path).map_err(|error| Failure::data(path, error))?;
        let block = block(file).map_err(|problem| Failure::data(path, problem))?;
        Ok(Self::Features(block))
    }

    /// What each row is called.
    pub(super) fn names(&self) -> RowNames {
        match self {
            Self::Customers(ids) => RowNames::Customers(ids.clone()),
            Self::Table(_, Some(names)) => RowNames::Customers(names.clone()),
            Self::Features(FeatureBlock { row_count, .. })
            | Self::Table(TableBlock { row_count, .. }, None) => {
                RowNames::Numbers((1..=*row_count).map(|row| row.to_string()).collect())
            }
        }
    }
}

/// What the rows of a question are called in its answer.
#[derive(Clone, Debug)]
pub(super) enum RowNames {
    /// Keys of customers.
    Customers(Vec<String>),
    /// Numbers of the rows of a file, from 1.
    Numbers(Vec<String>),
}

impl RowNames {
    /// The names in the order of the question.
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::Customers(names) | Self::Numbers(names) => names,
        }
    }

    /// What a name is, for people.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Customers(_) => "customer",
            Self::Numbers(_) => "row",
        }
    }

    /// What a name is, for programs.
    pub(super) const fn key(&self) -> &'static str {
        match self {
            Self::Customers(_) => "customer_id",
            Self::Numbers(_) => "row",
        }
    }

    /// A name for programs.
    pub(super) fn json(&self, name: &str) -> Value {
        match self {
            Self::Customers(_) => name.into(),
            Self::Numbers(_) => name.parse::<u32>().map_or(Value::Null, Value::from),
        }
    }
}

fn block(source: impl Read) -> Result<FeatureBlock, String> {
    let mut reader = csv::Reader::from_reader(source);
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let (mut bytes, mut row_count) = (Vec::new(), 0);
    for record in reader.records() {
        let record = record.map_err(|error| error.to_string())?;
        row_count += 1;
        for (column, text) in columns.iter().zip(&record) {
            let value: Option<f32> =
                text.trim().parse().ok().filter(|value: &f32| value.is_finite());
            let value = value.ok_or_else(|| {
                format!("row {row_count}, {column}: expected a finite number, found {text:?}")
            })?;
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    if !(1..=MOST_ROWS).contains(&row_count) {
        return Err(format!("expected 1 to {MOST_ROWS} rows, found {row_count}"));
    }
    let values = Some(Values::F32Le(Bytes::from(bytes)));
    Ok(FeatureBlock { columns, row_count, values, schema_digest: String::new() })
}

fn table(path: &Path, id: Option<&str>) -> Result<Rows, String> {
    let told = |error: ReadFileError| error.to_string();
    let mut file = TableFile::open(path).map_err(told)?;
    let header = file.header().to_vec();
    let id = match id {
        None => None,
        Some(id) => {
            let place = header.iter().position(|name| name == id);
            Some(place.ok_or_else(|| format!("--id: expected one of {}", header.join(", ")))?)
        }
    };
    let mut columns = vec![Vec::new(); header.len()];
    let (mut names, mut row_count) = (Vec::new(), 0);
    while file.read().map_err(told)? {
        row_count += 1;
        for (place, column) in columns.iter_mut().enumerate() {
            column.push(file.text(place).map_err(told)?.unwrap_or_default().into_owned());
        }
        if let Some(id) = id {
            names.push(file.key(id).map_err(told)?.unwrap_or_default().into_owned());
        }
    }
    if !(1..=MOST_ROWS).contains(&row_count) {
        return Err(format!("expected 1 to {MOST_ROWS} rows, found {row_count}"));
    }
    let column = |(name, values): (String, Vec<String>)| TableColumn {
        name,
        values: Some(table_column::Values::Texts(StringValues { values })),
        missing: Vec::new(),
    };
    let columns = header.into_iter().zip(columns).map(column).collect();
    Ok(Rows::Table(TableBlock { columns, row_count }, id.map(|_| names)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_becomes_a_block() {
        let block = block("visits, spend\n3,1.5\n-1,2e3\n".as_bytes()).unwrap();
        assert_eq!((block.columns, block.row_count), (vec!["visits".into(), "spend".into()], 2));
        let expected: Vec<u8> =
            [3.0_f32, 1.5, -1.0, 2000.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(block.values, Some(Values::F32Le(Bytes::from(expected))));
    }

    #[test]
    fn a_bad_cell_is_named() {
        for (text, part) in [
            ("a,b\n1,x\n", "row 1, b: expected a finite number, found \"x\""),
            ("a\n1\nNaN\n", "row 2, a"),
            ("a\n", "found 0"),
            ("a,b\n1\n", "2 fields"),
        ] {
            let problem = block(text.as_bytes()).unwrap_err();
            assert!(problem.contains(part), "{problem}");
        }
    }
}
