//! Texts in columns.

use std::fmt::{self, Display};

/// On which side a column is even.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Left,
    Right,
}

/// Rows under a heading. Columns are as wide as their widest cell, two blanks apart.
#[derive(Clone, Debug)]
pub(super) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of the named columns. A name that begins with `>` is of a column of numbers.
    pub(super) fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let (sides, names) = columns
            .into_iter()
            .map(|column| match column.strip_prefix('>') {
                Some(name) => (Side::Right, name.to_owned()),
                None => (Side::Left, column.to_owned()),
            })
            .unzip();
        Self { sides, rows: vec![names] }
    }

    /// Adds a row.
    pub(super) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether there is no row but the heading.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..self.sides.len()).map(width).collect()
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let cells = row.iter().zip(self.sides.iter().zip(&widths));
            let cells = cells.map(|(cell, (side, width))| match side {
                Side::Left => format!("{cell:<width$}"),
                Side::Right => format!("{cell:>width$}"),
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Names and values under each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Adds a field.
    pub(super) fn add(&mut self, name: &str, value: impl Display) {
        self.0.push((name.to_owned(), value.to_string()));
    }

    /// Adds a field where it has a value.
    pub(super) fn add_some(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}

impl Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &self.0 {
            let indented = value.replace('\n', &format!("\n{:width$}  ", ""));
            writeln!(f, "{}", format!("{name:<width$}  {indented}").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["metric", ">value", "note"]);
        table.row(["roc_auc", "0.7512", "größer"]);
        table.row(["ks", "12.3", ""]);
        assert_eq!(
            table.to_string(),
            "metric    value  note\nroc_auc  0.7512  größer\nks         12.3\n"
        );
        assert!(!table.is_empty());
        assert!(Table::new(["a"]).is_empty());
    }

    #[test]
    fn fields_stand_under_each_other() {
        let mut fields = Fields::default();
        fields.add("job", "7");
        fields.add("error", "too little data\n  reason: NOT_ENOUGH_DATA");
        fields.add_some("end", None::<&str>);
        assert_eq!(
            fields.to_string(),
            "job    7\nerror  too little data\n         reason: NOT_ENOUGH_DATA\n"
        );
    }
}
