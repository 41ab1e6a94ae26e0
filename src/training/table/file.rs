//! Reads a table of cases: first what its columns are, then their values.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::dataset::{
    ColumnKind, ColumnProfile, ColumnType, Dataset, InputColumn, InputSchema, LeftOut,
};
use crate::ingest::{ReadFileError, TableFile, file_sha256};
use crate::model::FitRun;
use crate::training::TrainingError;
use crate::training::recipe::TableRecipe;
use crate::transaction::Timestamp;

/// Rows between two looks at the cancel flag.
const STEP: u64 = 8_192;

/// Why a table cannot be learned from.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read, or a value is not of its column's type.
    #[error(transparent)]
    Read(#[from] ReadFileError),
    /// The recipe names a column that is not there.
    #[error("{setting}: the table has no column {column:?}; it has {}", header.join(", "))]
    NoColumn {
        /// The setting of the recipe.
        setting: &'static str,
        /// The column.
        column: String,
        /// The table's columns.
        header: Vec<String>,
    },
    /// A row without an outcome, or with one that cannot be told to be the event or not.
    #[error("row {row}, column {column}: expected an outcome, found {found:?}; {remedy}")]
    Outcome {
        /// The row, from 1.
        row: u64,
        /// The label's column.
        column: String,
        /// What it says.
        found: String,
        /// What to do.
        remedy: &'static str,
    },
    /// No row has the label's event.
    #[error("column {column}: no row is {event:?}; name one of its values as table.event")]
    NoEvent {
        /// The label's column.
        column: String,
        /// The event.
        event: String,
    },
    /// A date for a table whose rows have none.
    #[error("as_of: the rows have no time to tell which were known; name it as table.time")]
    NoTimes,
    /// A row without a time.
    #[error("row {row}, column {column}: expected a time, found none")]
    NoTime {
        /// The row, from 1.
        row: u64,
        /// The column of times.
        column: String,
    },
    /// No column is left to learn from.
    #[error("no column of the table is a feature: {}", reasons.join("; "))]
    NoFeatures {
        /// Why, per column.
        reasons: Vec<String>,
    },
    /// A column that the recipe gives a type cannot have it.
    #[error("table.types: {column} cannot be {kind}: {reason}")]
    Type {
        /// The column.
        column: String,
        /// The type asked for.
        kind: &'static str,
        /// Why not.
        reason: LeftOut,
    },
    /// The times do not divide the rows into three parts.
    #[error(
        "column {column}: the times do not divide the rows into fit, calibration and hold-out; give more rows, a shorter table.horizon_days, or no table.time"
    )]
    Times {
        /// The column of times.
        column: String,
    },
    /// The file changed while it was read.
    #[error("the file changed while it was read: {before} rows, then {after}; train again")]
    Changed {
        /// Rows at first.
        before: u64,
        /// Rows then.
        after: u64,
    },
}

/// What is known of a column that is a feature.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: ColumnKind,
    /// Number of levels of a categorical column; 0 of another.
    pub levels: usize,
    /// Share of rows without a value, 0 to 1.
    pub missing: f64,
}

/// The columns of a table as a recipe takes them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TableColumns {
    /// Rows.
    pub rows: u64,
    /// The columns that are features, in the order of the file.
    pub schema: InputSchema,
    /// The same with what is known of them.
    pub summaries: Vec<ColumnSummary>,
    /// The columns that are no features though the recipe did not say so, and why.
    pub left_out: Vec<(String, String)>,
}

impl TableColumns {
    /// Looks at every value of a table.
    ///
    /// # Errors
    /// When the file cannot be read, lacks a column that the recipe names, or has no feature.
    pub fn read(recipe: &TableRecipe, run: &FitRun<'_>) -> Result<Self, TrainingError> {
        Self::known_at(recipe, None, run)
    }

    /// Looks at the rows whose outcome was known at `as_of`.
    fn known_at(
        recipe: &TableRecipe,
        as_of: Option<Timestamp>,
        run: &FitRun<'_>,
    ) -> Result<Self, TrainingError> {
        let mut table = TableFile::open(&recipe.path).map_err(TableError::from)?;
        check_names(recipe, table.header())?;
        let clock = RowClock::new(recipe, table.header(), as_of)?;
        let mut profiles = vec![ColumnProfile::default(); table.header().len()];
        let mut rows = 0;
        while table.read().map_err(TableError::from)? {
            rows += 1;
            if rows % STEP == 0 {
                run.check()?;
            }
            if !clock.is_known(&table)? {
                continue;
            }
            for (column, profile) in profiles.iter_mut().enumerate() {
                profile.add(table.value(column).map_err(TableError::from)?);
            }
        }
        let mut columns = Self { rows, ..Self::default() };
        for (name, profile) in table.header().iter().zip(&profiles) {
            if !recipe.leaves_out(name) {
                columns.add(recipe, name, profile)?;
            }
        }
        if columns.schema.columns.is_empty() {
            let reason = |(name, reason): &(String, String)| format!("{name}: {reason}");
            let reasons = columns.left_out.iter().map(reason).collect();
            return Err(TableError::NoFeatures { reasons }.into());
        }
        Ok(columns)
    }

    fn add(
        &mut self,
        recipe: &TableRecipe,
        name: &str,
        profile: &ColumnProfile,
    ) -> Result<(), TableError> {
        let asked = recipe.types.get(name).copied();
        let column_type = match profile.column_type(asked) {
            Ok(column_type) => column_type,
            Err(reason) => match asked {
                Some(kind) => {
                    let column = name.to_owned();
                    return Err(TableError::Type { column, kind: kind.as_str(), reason });
                }
                None => {
                    self.left_out.push((name.to_owned(), reason.to_string()));
                    return Ok(());
                }
            },
        };
        self.summaries.push(ColumnSummary {
            name: name.to_owned(),
            kind: column_type.kind(),
            levels: match &column_type {
                ColumnType::Categorical { levels } => levels.len(),
                ColumnType::Numeric | ColumnType::Boolean => 0,
            },
            missing: profile.missing() as f64 / profile.rows().max(1) as f64,
        });
        self.schema.columns.push(InputColumn { name: name.to_owned(), column_type });
        Ok(())
    }
}

/// The rows of a table, in the order of their times, or of the file when there are none.
pub(super) struct Cases {
    pub(super) columns: TableColumns,
    /// All rows, without snapshots.
    pub(super) data: Dataset,
    /// When each row was known; empty when the recipe names no time.
    pub(super) times: Vec<Timestamp>,
    /// SHA-256 of the file, hexadecimal.
    pub(super) digest: String,
    /// Different keys; rows when the recipe names no key.
    pub(super) ids: u64,
}

impl Cases {
    /// Reads the rows whose outcomes were known before `as_of`; all when it is `None`.
    pub(super) fn read(
        recipe: &TableRecipe,
        as_of: Option<Timestamp>,
        run: &FitRun<'_>,
    ) -> Result<Self, TrainingError> {
        run.progress.report("read", 0.0);
        let digest = file_sha256(&recipe.path).unwrap_or_default();
        let columns = TableColumns::known_at(recipe, as_of, run)?;
        let mut reader = Reader::open(recipe, &columns, as_of)?;
        let mut read = 0;
        while reader.table.read().map_err(TableError::from)? {
            read += 1;
            if read % STEP == 0 {
                run.check()?;
                run.progress.report("read", read as f64 / columns.rows.max(1) as f64);
            }
            reader.row()?;
        }
        if read != columns.rows {
            return Err(TableError::Changed { before: columns.rows, after: read }.into());
        }
        let Reader { mut values, mut target, mut times, mut groups, keys, .. } = reader;
        if !times.is_empty() {
            let width = columns.schema.columns.len();
            let mut order: Vec<usize> = (0..times.len()).collect();
            order.sort_by_key(|row| times.get(*row).copied());
            values = order
                .iter()
                .flat_map(|row| values.get(row * width..(row + 1) * width).unwrap_or_default())
                .copied()
                .collect();
            target = picked(&target, &order);
            groups = picked(&groups, &order);
            times = picked(&times, &order);
        }
        if let Some(event) = recipe.event.clone().filter(|_| !target.contains(&true)) {
            return Err(TableError::NoEvent { column: recipe.label.clone(), event }.into());
        }
        let ids = if recipe.id.is_some() { keys.len() } else { target.len() } as u64;
        let features = columns.schema.matrix(values)?;
        let data = Dataset { features, target, snapshots: Vec::new(), groups };
        Ok(Self { columns, data, times, digest, ids })
    }
}

/// A second pass over a table whose columns are known.
struct Reader<'a> {
    recipe: &'a TableRecipe,
    table: TableFile,
    /// Where the features stand, and their types.
    features: Vec<(usize, &'a ColumnType)>,
    label: usize,
    clock: RowClock,
    id: Option<usize>,
    values: Vec<f32>,
    target: Vec<bool>,
    times: Vec<Timestamp>,
    groups: Vec<u64>,
    keys: HashMap<String, u64>,
}

impl<'a> Reader<'a> {
    fn open(
        recipe: &'a TableRecipe,
        columns: &'a TableColumns,
        as_of: Option<Timestamp>,
    ) -> Result<Self, TableError> {
        let table = TableFile::open(&recipe.path)?;
        check_names(recipe, table.header())?;
        let at = |name: &str| table.header().iter().position(|column| column == name);
        let place = |column: &'a InputColumn| Some((at(&column.name)?, &column.column_type));
        Ok(Self {
            features: columns.schema.columns.iter().filter_map(place).collect(),
            label: at(&recipe.label).unwrap_or_default(),
            clock: RowClock::new(recipe, table.header(), as_of)?,
            id: recipe.id.as_deref().and_then(at),
            recipe,
            table,
            values: Vec::new(),
            target: Vec::new(),
            times: Vec::new(),
            groups: Vec::new(),
            keys: HashMap::new(),
        })
    }

    fn row(&mut self) -> Result<(), TableError> {
        let table = &self.table;
        if !self.clock.is_known(table)? {
            return Ok(());
        }
        self.times.extend(self.clock.time(table)?);
        self.target.push(outcome(self.recipe, table, self.label)?);
        for (column, column_type) in &self.features {
            let value = table.value(*column)?;
            let code = column_type.encode(value);
            self.values
                .push(code.map_err(|expected| table.wrong(*column, expected, value.to_string()))?);
        }
        if let Some(column) = self.id {
            // A row without a key is a case of its own: it gets one that no other row can have.
            let key = table.key(column)?.unwrap_or_else(|| format!("\u{0}{}", table.row()).into());
            let next = self.keys.len() as u64;
            let known = self.keys.get(key.as_ref()).copied();
            self.groups.push(known.unwrap_or(next));
            if known.is_none() {
                self.keys.insert(key.into_owned(), next);
            }
        }
        Ok(())
    }
}

/// When rows were known, and their outcomes.
struct RowClock {
    column: Option<usize>,
    name: String,
    horizon_days: i64,
    as_of: Option<Timestamp>,
}

impl RowClock {
    fn new(
        recipe: &TableRecipe,
        header: &[String],
        as_of: Option<Timestamp>,
    ) -> Result<Self, TableError> {
        let name = recipe.time.clone().unwrap_or_default();
        let column = header.iter().position(|column| recipe.time.as_ref() == Some(column));
        if as_of.is_some() && column.is_none() {
            return Err(TableError::NoTimes);
        }
        Ok(Self { column, name, horizon_days: i64::from(recipe.horizon_days), as_of })
    }

    /// When the row that was read last was known; `None` in a table without times.
    fn time(&self, table: &TableFile) -> Result<Option<Timestamp>, TableError> {
        let Some(column) = self.column else {
            return Ok(None);
        };
        let missing = || TableError::NoTime { row: table.row(), column: self.name.clone() };
        table.instant(column)?.ok_or_else(missing).map(Some)
    }

    /// Whether its outcome was known.
    fn is_known(&self, table: &TableFile) -> Result<bool, TableError> {
        let time = self.time(table)?;
        Ok(match (time, self.as_of) {
            (Some(time), Some(as_of)) => time.plus_days(self.horizon_days) < as_of,
            _ => true,
        })
    }
}

fn outcome(recipe: &TableRecipe, table: &TableFile, label: usize) -> Result<bool, TableError> {
    let value = table.value(label)?;
    let refuse = |remedy| TableError::Outcome {
        row: table.row(),
        column: recipe.label.clone(),
        found: value.to_string(),
        remedy,
    };
    if value.is_missing() {
        return Err(refuse("leave out rows without one"));
    }
    match &recipe.event {
        Some(event) => Ok(table.text(label)?.is_some_and(|text| text == event.trim())),
        None => match ColumnType::Boolean.encode(value) {
            Ok(flag) if !flag.is_nan() => Ok(flag == 1.0),
            _ => Err(refuse("name the text that is the event as table.event")),
        },
    }
}

fn picked<T: Copy>(values: &[T], order: &[usize]) -> Vec<T> {
    order.iter().filter_map(|row| values.get(*row)).copied().collect()
}

fn check_names(recipe: &TableRecipe, header: &[String]) -> Result<(), TableError> {
    let named = [
        ("table.label", Some(&recipe.label)),
        ("table.id", recipe.id.as_ref()),
        ("table.time", recipe.time.as_ref()),
    ];
    let named = named.into_iter().filter_map(|(setting, column)| Some((setting, column?)));
    let excluded = recipe.exclude.iter().map(|column| ("table.exclude", column));
    let typed = recipe.types.keys().map(|column| ("table.types", column));
    for (setting, column) in named.chain(excluded).chain(typed) {
        if !header.contains(column) {
            let (column, header) = (column.clone(), header.to_vec());
            return Err(TableError::NoColumn { setting, column, header });
        }
    }
    Ok(())
}
