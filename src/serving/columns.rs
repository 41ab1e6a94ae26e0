//! The columns that a model takes, and how a caller's values become them.

use std::sync::Arc;

use crate::dataset::{ColumnType, FeatureMatrix, InputColumn, InputSchema};

use super::gather::block_error;
use super::{Cells, Gathered, RowSource, ServingError, TableRows};

/// Features that Patron derives, then columns that the caller brings.
#[derive(Clone, Debug)]
pub(super) struct ModelColumns {
    names: Arc<[String]>,
    /// The levels of every column, none for numbers.
    levels: Arc<[Vec<String>]>,
    only_numbers: bool,
    /// How many of them are derived.
    derived: usize,
    own: InputSchema,
}

impl ModelColumns {
    pub(super) fn new(derived: &[String], own: InputSchema) -> Self {
        let names = derived.iter().map(String::as_str).chain(own.names()).map(str::to_owned);
        let levels = derived.iter().map(|_| Vec::new()).chain(own.levels());
        let levels: Arc<[Vec<String>]> = levels.collect();
        Self {
            names: names.collect(),
            only_numbers: levels.iter().all(Vec::is_empty),
            levels,
            derived: derived.len(),
            own,
        }
    }

    /// All names, in the order of a row.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// All columns with their types, in the order of a row.
    pub(super) fn described(&self) -> Vec<InputColumn> {
        let numeric =
            |name: &String| InputColumn { name: name.clone(), column_type: ColumnType::Numeric };
        let derived = self.names.iter().take(self.derived).map(numeric);
        derived.chain(self.own.columns.iter().cloned()).collect()
    }

    /// Rows of values that are the caller's own: a derived feature is a number, another column
    /// holds what [`ColumnType::encode`] makes.
    pub(super) fn own(&self, values: Vec<f32>) -> Result<Gathered, ServingError> {
        // Finite numbers hold in every column of numbers, which is nearly every question.
        let all_finite = values.iter().fold(true, |all, value| all & value.is_finite());
        if !(all_finite && self.only_numbers) {
            self.check(&values)?;
        }
        let matrix =
            FeatureMatrix::coded(Arc::clone(&self.names), Arc::clone(&self.levels), values);
        let matrix = matrix.map_err(|error| block_error(&error))?;
        Ok(Gathered {
            sources: vec![RowSource::Features; matrix.rows()],
            last_lines: vec![None; matrix.rows()],
            matrix,
        })
    }

    /// Names the first value that its column does not take.
    fn check(&self, values: &[f32]) -> Result<(), ServingError> {
        for (row, values) in values.chunks_exact(self.names.len().max(1)).enumerate() {
            let checked = values.iter().zip(self.names.iter()).zip(self.levels.iter()).enumerate();
            for (at, ((value, name), levels)) in checked {
                let is_code = levels.is_empty()
                    || value.is_nan()
                    || (value.fract() == 0.0 && (0.0..levels.len() as f32).contains(value));
                let expected = match at < self.derived {
                    true if !value.is_finite() => "a finite number".to_owned(),
                    false if !is_code => format!("the number of a level, below {}", levels.len()),
                    _ => continue,
                };
                let problem =
                    format!("row {row}, column {name}: expected {expected}, found {value}");
                return Err(ServingError::FeatureBlock { field: "values", problem });
            }
        }
        Ok(())
    }

    /// Rows of a caller's table.
    pub(super) fn encode(&self, table: &TableRows) -> Result<Gathered, ServingError> {
        let columns: Vec<&Cells> =
            self.names.iter().map(|name| find(table, name)).collect::<Result<_, _>>()?;
        let numeric = ColumnType::Numeric;
        let derived = std::iter::repeat_n(&numeric, self.derived);
        let types: Vec<&ColumnType> =
            derived.chain(self.own.columns.iter().map(|column| &column.column_type)).collect();
        let mut values = Vec::with_capacity(table.rows * self.names.len());
        for row in 0..table.rows {
            for ((cells, column_type), name) in columns.iter().zip(&types).zip(self.names.iter()) {
                let value = cells.value(row);
                let code = column_type.encode(value).map_err(|expected| {
                    let (row, column) = (row, name.clone());
                    ServingError::Cell { row, column, expected, found: value.to_string() }
                })?;
                values.push(code);
            }
        }
        self.own(values)
    }
}

fn find<'a>(table: &'a TableRows, name: &str) -> Result<&'a Cells, ServingError> {
    let mut found = table.columns.iter().filter(|column| column.name == name);
    let problem = match (found.next(), found.next()) {
        (Some(column), None) if column.cells.len() == table.rows => return Ok(&column.cells),
        (Some(column), None) => {
            format!("{name}: expected {} values, found {}", table.rows, column.cells.len())
        }
        (Some(_), Some(_)) => format!("{name} is there twice"),
        (None, _) => format!("expected a column {name}, which the model takes"),
    };
    Err(ServingError::Table { problem })
}

#[cfg(test)]
mod tests {
    use super::super::TableColumn;
    use super::*;
    use crate::dataset::InputColumn;

    fn columns() -> ModelColumns {
        let own = |name: &str, column_type| InputColumn { name: name.to_owned(), column_type };
        let levels = vec!["basic".to_owned(), "plus".to_owned()];
        let plan = own("plan", ColumnType::Categorical { levels });
        let own = InputSchema { columns: vec![plan, own("age", ColumnType::Numeric)] };
        ModelColumns::new(&["visits".to_owned()], own)
    }

    fn table(plan: &str, visits: f64) -> TableRows {
        let column = |name: &str, cells| TableColumn { name: name.to_owned(), cells };
        TableRows {
            columns: vec![
                column("age", Cells::Texts(vec!["40".to_owned(), String::new()])),
                column("visits", Cells::Numbers(vec![3.0, visits])),
                column("key", Cells::Texts(vec!["a".to_owned(), "b".to_owned()])),
                column("plan", Cells::Texts(vec!["plus".to_owned(), plan.to_owned()])),
            ],
            rows: 2,
        }
    }

    #[test]
    fn a_table_is_taken_by_name_and_type() {
        let gathered = columns().encode(&table("gold", 1.0)).unwrap();
        assert_eq!(gathered.matrix.row(0), [3.0, 1.0, 40.0]);
        let second = gathered.matrix.row(1);
        assert!(second[0] == 1.0 && second[1].is_nan() && second[2].is_nan());
        assert_eq!(gathered.matrix.levels(1), ["basic", "plus"]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let columns = columns();
        let missing = columns.encode(&table("plus", f64::NAN)).unwrap_err().to_string();
        assert!(missing.contains("row 1, column visits"), "{missing}");
        let mut wrong = table("plus", 1.0);
        wrong.columns[0].cells = Cells::Texts(vec!["old".to_owned(), String::new()]);
        let wrong = columns.encode(&wrong).unwrap_err().to_string();
        assert!(wrong.contains("age") && wrong.contains("old"), "{wrong}");
        let mut lacking = table("plus", 1.0);
        lacking.columns.pop();
        let lacking = columns.encode(&lacking).unwrap_err().to_string();
        assert!(lacking.contains("plan"), "{lacking}");
        let code = columns.own(vec![1.0, 2.0, 40.0]).unwrap_err().to_string();
        assert!(code.contains("column plan") && code.contains("below 2"), "{code}");
    }
}
