//! What promotions, prices and events do to the series that are drawn.

use crate::model::SeriesForecast;
use crate::model::forecasting::EffectOutcome;
use crate::readable::figure;
use crate::report::page::Table;

const COLUMNS: [&str; 9] = [
    "series",
    "regressor",
    ">percent",
    ">95 % from",
    ">to",
    ">baseline",
    ">uplift",
    ">95 % from",
    ">to",
];

/// A row per series and regressor; `None` for models without regressors.
pub(super) fn table(answers: &[SeriesForecast]) -> Option<Table> {
    let mut table = Table::new("What promotions, prices and events do", COLUMNS);
    for answer in answers {
        for effect in &answer.effects {
            let names = [answer.key.title(), effect.name.clone()];
            match &effect.outcome {
                EffectOutcome::Told(told) => {
                    let (percent, units) = (told.percent, told.units);
                    let figures = [
                        percent.value,
                        percent.lower,
                        percent.upper,
                        told.baseline,
                        units.value,
                        units.lower,
                        units.upper,
                    ];
                    table.row(names.into_iter().chain(figures.map(figure)));
                }
                EffectOutcome::CannotTell(reason) => {
                    let [series, name] = names;
                    let why = [series, format!("{name}: cannot tell, {reason}")];
                    let dashes = std::iter::repeat_n("-".to_owned(), COLUMNS.len() - 2);
                    table.row(why.into_iter().chain(dashes));
                }
            }
        }
    }
    (!table.rows.is_empty()).then_some(table)
}
