//! `--plan`: what promotions and prices are planned, from a table.

use std::path::Path;

use crate::cli::arguments::series;
use crate::cli::exit::Failure;
use crate::grpc::proto::{PlannedPeriod, PlannedValue};
use crate::ingest::{LongTableError, TableFile};

/// Columns that name series and day, as forecasting libraries call them.
const ID: &str = "unique_id";
const TIME: &str = "ds";

/// Reads the rows of a plan: `unique_id`, `ds` and a column per regressor. An empty cell plans
/// nothing.
pub(super) fn read(path: &Path) -> Result<Vec<PlannedPeriod>, Failure> {
    rows(path).map_err(|error| Failure::data(path, error))
}

fn rows(path: &Path) -> Result<Vec<PlannedPeriod>, LongTableError> {
    let mut table = TableFile::open(path)?;
    let header = table.header().to_vec();
    let position = |name: &str| {
        let missing =
            || LongTableError::NoColumn { column: name.to_owned(), header: header.clone() };
        header.iter().position(|column| column == name).ok_or_else(missing)
    };
    let (id_at, time_at) = (position(ID)?, position(TIME)?);
    let mut plan = Vec::new();
    while table.read()? {
        let row = table.row();
        let missing = |column: &str| LongTableError::Missing { row, column: column.to_owned() };
        let id = table.text(id_at)?.ok_or_else(|| missing(ID))?;
        let key = series(&id)
            .map_err(|_| table.wrong(id_at, "total or GROUP=VALUE", id.clone().into_owned()))?;
        let at = table.instant(time_at)?.ok_or_else(|| missing(TIME))?;
        let date = at.to_string().chars().take(10).collect();
        let mut values = Vec::new();
        for (column, name) in header.iter().enumerate() {
            if column == id_at || column == time_at {
                continue;
            }
            let Some(value) = table.number(column)? else { continue };
            values.push(PlannedValue { regressor: name.clone(), value });
        }
        if !values.is_empty() {
            plan.push(PlannedPeriod { series: Some(key), date, values });
        }
    }
    Ok(plan)
}
