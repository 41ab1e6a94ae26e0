//! Forecasts of any series of a table, without transactions and without a server.

mod output;

use std::path::{Path, PathBuf};

use crate::dataset::LongTable;
use crate::model::forecasting::{
    Calibration, Fallback, ForecastError, Inputs, Interval, PanelFit, Regressors, Settings, Width,
    fit_panel_from,
};
use crate::model::{FitError, FitRun, Watched, forecast_failure};

use self::output::ForecastFile;

/// What is to be forecast.
#[derive(Clone, Debug, PartialEq)]
pub struct TableForecast<'a> {
    /// The series, each of which goes on after its own last value.
    pub table: &'a LongTable,
    /// Periods, season, and whether values can be negative.
    pub settings: Settings,
    /// Shares of outcomes that intervals shall contain, each 0.5 to 0.99.
    pub levels: Vec<f64>,
}

/// What was written, and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TableForecastResult {
    /// Series that were forecast.
    pub series: usize,
    /// Rows of the file.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Mean absolute scaled error over held-out periods, over the series that have one.
    pub mase: Option<f64>,
    /// Share of held-out values within their intervals.
    pub calibration: Calibration,
    /// Series for which something was done differently.
    pub fallbacks: usize,
    /// Those of them in which the columns that are known in advance have no part.
    pub without_regressors: usize,
}

/// Why there is no file of forecasts.
#[derive(Debug, thiserror::Error)]
pub enum TableForecastError {
    /// A setting is out of range, or someone asked to stop.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// The file cannot be written.
    #[error("{path}: {problem}")]
    Output {
        /// The file.
        path: PathBuf,
        /// The operating system's or the format's words.
        problem: String,
    },
}

impl TableForecast<'_> {
    /// Forecasts all series and writes a row per series and period: `unique_id`, `ds`, the expected
    /// value `Patron`, and for each level `Patron-lo-95`, `Patron-hi-95`. The file, Parquet or by
    /// its extension CSV, is there whole or not at all.
    ///
    /// # Errors
    /// When a setting is out of range, the file cannot be written, or `run` was cancelled.
    pub fn run(
        &self,
        output: &Path,
        run: &FitRun<'_>,
    ) -> Result<TableForecastResult, TableForecastError> {
        let values: Vec<&[f64]> = self.table.series().iter().map(|one| &*one.values).collect();
        let regressors = self.regressors().map_err(forecast_failure)?;
        let inputs =
            Inputs { series: &values, regressors: regressors.as_ref(), ..Inputs::default() };
        let fitted = run.install(|| {
            fit_panel_from(&inputs, &self.settings, &Watched(run)).map_err(forecast_failure)
        })?;
        let all: Vec<usize> = (0..values.len()).collect();
        let widths = self.levels.iter().map(|level| fitted.widths(&all, *level));
        let widths: Vec<Vec<Width>> = widths.collect::<Result<_, _>>().map_err(forecast_failure)?;
        let (rows, bytes) = self.write(&fitted, &widths, output).map_err(|problem| {
            TableForecastError::Output { path: output.to_owned(), problem: problem.to_string() }
        })?;
        let errors = all.iter().filter_map(|index| fitted.mase(*index).ok()?);
        let (sum, count) = errors.fold((0.0, 0.0), |(sum, count), mase| (sum + mase, count + 1.0));
        let departed =
            |index: &&usize| fitted.fallbacks(**index).is_ok_and(|list| !list.is_empty());
        let left_out = |index: &&usize| {
            let fallbacks = fitted.fallbacks(**index);
            fallbacks.is_ok_and(|list| list.contains(&Fallback::RegressorsLeftOut))
        };
        Ok(TableForecastResult {
            series: values.len(),
            rows,
            bytes,
            mase: (count > 0.0).then(|| sum / count),
            calibration: fitted.calibration(),
            fallbacks: all.iter().filter(departed).count(),
            without_regressors: all.iter().filter(left_out).count(),
        })
    }

    /// The columns of the table over the values of each series and the horizon.
    fn regressors(&self) -> Result<Option<Regressors>, ForecastError> {
        let columns = self.table.regressors();
        if columns.is_empty() {
            return Ok(None);
        }
        let rows = self.table.series().iter().map(|series| {
            let periods = series.values.len() + self.settings.horizon;
            let own = columns.iter().zip(&series.known);
            let own: Vec<Vec<f64>> =
                own.map(|(column, known)| column.over(known, 0..periods).collect()).collect();
            let row = |period: usize| own.iter().filter_map(move |column| column.get(period));
            (0..periods).flat_map(row).copied().collect()
        });
        Regressors::new(columns.to_vec(), rows.collect()).map(Some)
    }

    fn write(
        &self,
        fitted: &PanelFit,
        widths: &[Vec<Width>],
        output: &Path,
    ) -> Result<(u64, u64), Box<dyn std::error::Error>> {
        let mut file = ForecastFile::create(output, self.table.spacing(), &self.levels)?;
        for (index, series) in self.table.series().iter().enumerate() {
            let mean = fitted.point(index, self.settings.horizon)?;
            let own = self.levels.iter().zip(widths).filter_map(|(level, of_level)| {
                Some(fitted.around(&mean, of_level.get(index)?, *level))
            });
            let own: Vec<Interval> = own.collect();
            file.add(series, &mean, &own)?;
        }
        file.finish()
    }
}
