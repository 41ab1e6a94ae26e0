//! The effects of promotions, prices and events as a table and as JSON.

use serde_json::{Value, json};

use super::key;
use crate::cli::table::Table;
use crate::cli::values::short_name;
use crate::grpc::proto::regressor_effect::Outcome;
use crate::grpc::proto::{Estimate, RegressorEffect, RegressorUplift, SeriesForecast};
use crate::readable::{count, figure};

const COLUMNS: [&str; 10] = [
    "series",
    "regressor",
    ">percent",
    ">from",
    ">to",
    ">baseline",
    ">uplift",
    ">from",
    ">to",
    "told by",
];

/// One row per series and regressor; `None` without any.
pub(super) fn table(series: &[SeriesForecast]) -> Option<Table> {
    let mut effects = series.iter().flat_map(|one| one.effects.iter().map(move |e| (one, e)));
    let mut table = Table::new(COLUMNS);
    let first = effects.next()?;
    for (one, effect) in std::iter::once(first).chain(effects) {
        let names = [key(one), effect.regressor.clone()];
        table.row(names.into_iter().chain(cells(effect)));
    }
    Some(table)
}

fn cells(effect: &RegressorEffect) -> [String; 8] {
    match &effect.outcome {
        Some(Outcome::Uplift(told)) => {
            let percent = told.percent.unwrap_or_default();
            let uplift = told.uplift.unwrap_or_default();
            let mut by = format!("{} periods", count(told.periods.into()));
            if told.pooled_series > 0 {
                by.push_str(&format!(", {} series", count(told.pooled_series.into())));
            }
            let figures = [
                percent.value,
                percent.lower,
                percent.upper,
                told.baseline,
                uplift.value,
                uplift.lower,
                uplift.upper,
            ];
            let [a, b, c, d, e, f, g] = figures.map(figure);
            [a, b, c, d, e, f, g, by]
        }
        Some(Outcome::CannotTell(why)) => {
            let mut cells: [String; 8] = Default::default();
            if let Some(last) = cells.last_mut() {
                *last = format!("cannot tell: {}", why.message);
            }
            cells
        }
        None => Default::default(),
    }
}

/// The effects of one series.
pub(super) fn json(effects: &[RegressorEffect]) -> Vec<Value> {
    let one = |effect: &RegressorEffect| {
        let (uplift, why) = match &effect.outcome {
            Some(Outcome::Uplift(told)) => (Some(uplift_json(told)), None),
            Some(Outcome::CannotTell(why)) => {
                let reason = short_name(why.reason().as_str_name(), "CANNOT_TELL_REASON_");
                (None, Some(json!({ "reason": reason, "message": why.message })))
            }
            None => (None, None),
        };
        json!({
            "regressor": effect.regressor,
            "kind": short_name(effect.kind().as_str_name(), "REGRESSOR_KIND_"),
            "uplift": uplift,
            "cannot_tell": why,
        })
    };
    effects.iter().map(one).collect()
}

fn uplift_json(told: &RegressorUplift) -> Value {
    let estimate = |one: &Option<Estimate>| {
        one.map(|one| json!({ "value": one.value, "lower": one.lower, "upper": one.upper }))
    };
    json!({
        "percent": estimate(&told.percent),
        "baseline": told.baseline,
        "uplift": estimate(&told.uplift),
        "elasticity": estimate(&told.elasticity),
        "periods": told.periods,
        "pooled_series": told.pooled_series,
    })
}
