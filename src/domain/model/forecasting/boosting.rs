//! Gradient boosting over all series of a panel: one model for all, on lags, means, calendar and
//! regressors, scaled so that large and small series are alike.
//!
//! Direct forecasts (the step is a column) of the absolute loss, as the best of the M5 competition
//! did it per horizon (Makridakis, Spiliotis and Assimakopoulos, "M5 accuracy competition",
//! International Journal of Forecasting 38, 2022). It is fitted twice: without the last three
//! horizons for the backtest, and with all values for the forecast.

use rayon::prelude::*;

use super::lag_rows::{FEWEST_KNOWN, History, Layout};
use super::regressors::Regressors;
use super::settings::{ExternalMember, Settings};
use crate::model::trees::boosting::{Boosting, Loss, Settings as TreeSettings, fit};
use crate::model::trees::{Binned, Sample, Table};
use crate::model::{FitError, FitRun};

/// Fewest series of a panel: fewer say little about each other.
const FEWEST_SERIES: usize = 10;
/// Fewest training rows.
const FEWEST_ROWS: usize = 2_000;
/// Most training rows; of longer panels every so-many-th one is taken.
const MOST_ROWS: usize = 150_000;
/// Horizons that the backtest holds back.
const HELD_BACK: usize = 3;
const MAX_BINS: usize = 255;

/// Forecasts of a boosted model for every series of a panel.
#[derive(Clone, Debug)]
pub struct PooledBoosting {
    horizon: usize,
    /// By series: its paths when 0, 1, 2 and 3 horizons were held back; empty where it was too
    /// short.
    paths: Vec<[Vec<f64>; HELD_BACK + 1]>,
}

impl PooledBoosting {
    /// Fits the model on the series that [`super::fit_panel_from`] gets; `None` when the panel has
    /// fewer than 10 series or 2,000 training rows.
    ///
    /// # Errors
    /// When `run` was cancelled.
    pub fn fit(
        series: &[&[f64]],
        regressors: Option<&Regressors>,
        settings: &Settings,
        run: &FitRun<'_>,
    ) -> Result<Option<Self>, FitError> {
        let layout = Layout { season_length: settings.season_length(), regressors };
        let sold = |(index, values): (usize, &&'_ [f64])| {
            let first = values.iter().position(|value| *value != 0.0).unwrap_or(values.len());
            let rows = regressors.map_or(&[][..], |own| own.rows(index, first));
            (values.get(first..).unwrap_or_default().to_vec(), rows)
        };
        let sold: Vec<(Vec<f64>, &[f64])> = series.iter().enumerate().map(sold).collect();
        let histories: Vec<History<'_>> =
            sold.iter().map(|(values, rows)| History { values, rows }).collect();
        let horizon = settings.horizon;
        let panel = Panel { layout, histories, horizon };
        let Some(early) = panel.train(HELD_BACK * horizon, run)? else {
            return Ok(None);
        };
        let Some(full) = panel.train(0, run)? else {
            return Ok(None);
        };
        let path = |history: &History<'_>| {
            std::array::from_fn(|held_back| {
                let model = if held_back == 0 { &full } else { &early };
                panel.path(model, history, held_back * horizon)
            })
        };
        let paths = panel.histories.par_iter().map(path).collect();
        Ok(Some(Self { horizon, paths }))
    }
}

impl ExternalMember for PooledBoosting {
    fn forecast(&self, series: usize, held_out: usize, path: &mut [f64]) -> bool {
        let known = self.paths.get(series).and_then(|paths| paths.get(held_out / self.horizon));
        let Some(known) = known.filter(|known| known.len() == path.len()) else {
            return false;
        };
        path.copy_from_slice(known);
        held_out.is_multiple_of(self.horizon)
    }
}

/// The series and how they become rows.
struct Panel<'a> {
    layout: Layout<'a>,
    histories: Vec<History<'a>>,
    horizon: usize,
}

impl Panel<'_> {
    /// A model of all periods but the last `held_out`; `None` when they are too few.
    fn train(&self, held_out: usize, run: &FitRun<'_>) -> Result<Option<Boosting>, FitError> {
        let usable = |history: &&History<'_>| history.values.len() > held_out + FEWEST_KNOWN;
        let series: Vec<&History<'_>> = self.histories.iter().filter(usable).collect();
        let origins = |history: &History<'_>| history.values.len() - held_out - FEWEST_KNOWN;
        let all: usize = series.iter().map(|history| origins(history) * self.horizon).sum();
        if series.len() < FEWEST_SERIES || all < FEWEST_ROWS {
            return Ok(None);
        }
        let stride = all.div_ceil(MOST_ROWS);
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for history in series {
            run.check()?;
            let end = history.values.len() - held_out;
            for known in FEWEST_KNOWN..end {
                let Some(anchor) = self.layout.anchor(history, known) else { continue };
                let coming = history.values.get(known..end).unwrap_or_default();
                for (step, value) in coming.iter().take(self.horizon).enumerate() {
                    // Neighbouring origins see other steps.
                    if (known + step * (stride / 2 + 1)).is_multiple_of(stride) {
                        self.layout.push(history, known, step + 1, &anchor, &mut rows);
                        targets.push(anchor.target(*value));
                    }
                }
            }
        }
        if targets.len() < FEWEST_ROWS {
            return Ok(None);
        }
        let table = Table::new(&rows, self.layout.width(), &[])?;
        let binned = Binned::of(&table, MAX_BINS, run)?;
        let sample = Sample { binned: &binned, target: &targets, weights: None };
        let settings = TreeSettings {
            loss: Loss::Absolute,
            rounds: 150,
            learning_rate: 0.06,
            max_leaves: Some(31),
            min_rows: 40,
            ..TreeSettings::default()
        };
        let (model, _) = fit(&sample, &settings, None, run)?;
        Ok(Some(model))
    }

    /// The forecast of a series when `held_out` values were not known; empty when it was too short.
    fn path(&self, model: &Boosting, history: &History<'_>, held_out: usize) -> Vec<f64> {
        let known = history.values.len().saturating_sub(held_out);
        let Some(anchor) = self.layout.anchor(history, known) else {
            return Vec::new();
        };
        let step = |step: usize| {
            let mut row = Vec::with_capacity(self.layout.width());
            self.layout.push(history, known, step, &anchor, &mut row);
            anchor.value(model.predict_row(&row))
        };
        (1..=self.horizon).map(step).collect()
    }
}
