//! What a caller plans for the periods to come.

use tonic::Status;

use super::unknown;
use crate::dataset::SeriesKey;
use crate::grpc::convert::{MOST_ROWS, series_key};
use crate::grpc::proto;
use crate::grpc::status::{invalid, invalid_field};
use crate::model::{ForecastModel, InvalidPlan, PlannedPeriod};
use crate::transaction::Timestamp;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// The model under the plan; `None` when nothing is planned.
pub(super) fn apply(
    model: &ForecastModel,
    known: &[SeriesKey],
    plan: Vec<proto::PlannedPeriod>,
) -> Result<Option<ForecastModel>, Status> {
    if plan.is_empty() {
        return Ok(None);
    }
    if plan.len() > MOST_ROWS {
        let problem = format!("expected at most {MOST_ROWS}, found {}", plan.len());
        return Err(invalid("TOO_MANY_ROWS", "plan", problem));
    }
    let read = |(nth, planned)| read(model, nth, planned);
    let plan = plan.into_iter().enumerate().map(read).collect::<Result<Vec<_>, Status>>()?;
    model.planned(&plan).map(Some).map_err(|error| refused(&error, known))
}

fn read(
    model: &ForecastModel,
    nth: usize,
    planned: proto::PlannedPeriod,
) -> Result<PlannedPeriod, Status> {
    let proto::PlannedPeriod { series, date, values } = planned;
    let field = |name: &str| format!("plan[{nth}].{name}");
    let series = series.ok_or_else(|| invalid_field(field("series"), "expected a series"))?;
    let day = date.parse().ok().filter(|_| date.len() == 10).map(day).ok_or_else(|| {
        let problem = format!("expected a date such as 2024-12-25, found {date:?}");
        invalid_field(field("date"), problem)
    })?;
    if values.is_empty() {
        return Err(invalid_field(field("values"), "expected at least one planned value"));
    }
    let value = |planned: proto::PlannedValue| {
        let proto::PlannedValue { regressor, value } = planned;
        (regressor, value)
    };
    Ok(PlannedPeriod {
        key: series_key(series),
        period: model.frequency().period_of_day(day),
        values: values.into_iter().map(value).collect(),
    })
}

/// A date is read as midnight UTC, whatever the shop's zone: its day is all that counts.
fn day(at: Timestamp) -> i32 {
    i32::try_from(at.micros().div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX)
}

fn refused(error: &InvalidPlan, known: &[SeriesKey]) -> Status {
    let part = match error {
        InvalidPlan::NoRegressors | InvalidPlan::Kernel(_) => {
            return invalid_field("plan", error.to_string());
        }
        InvalidPlan::UnknownSeries { .. } => "series",
        InvalidPlan::Period { .. } => "date",
        InvalidPlan::Column { .. } | InvalidPlan::Value { .. } | InvalidPlan::Repeated { .. } => {
            "values"
        }
    };
    let nth = error.index().unwrap_or_default();
    let problem = match error {
        InvalidPlan::UnknownSeries { key, .. } => {
            format!("{key}: {}", unknown::problem(key, known))
        }
        _ => error.to_string(),
    };
    invalid_field(format!("plan[{nth}].{part}"), problem)
}
