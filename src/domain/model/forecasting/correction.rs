//! Taking the effects of regressors out before the models, and putting them back afterwards.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::backtest::held_out;
use super::effects::{Effect, Known, LARGEST, Movement};
use super::prepare::Prepared;
use super::regression::{Evidence, Form, evidence};
use super::regressors::Regressors;
use super::settings::{ForecastError, Settings};
use super::shrinkage::{Posterior, Prior, priors};
use crate::dataset::RegressorKind;

/// Standard deviation that effects have before anything is seen: of an indicator, and of a price's
/// elasticity.
const INDICATOR: f64 = 1.0;
const ELASTICITY: f64 = 3.0;

/// The effects of all columns together on each period of a series.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Correction {
    form: Form,
    /// From some period on; nothing is known to have an effect after the last one.
    effects: Vec<f64>,
    /// What each column does.
    coefficients: Vec<f64>,
    movements: Vec<Movement>,
    /// Periods of a season.
    #[serde(default)]
    season: usize,
}

impl Correction {
    fn at(&self, period: usize) -> f64 {
        self.effects.get(period).copied().unwrap_or_default()
    }

    /// The values from a period on without the effects.
    pub(super) fn clean(&self, from: usize, values: &mut [f64]) {
        for (step, value) in values.iter_mut().enumerate() {
            *value = self.form.without(*value, self.at(from + step));
        }
    }

    /// The first values without the effects. Where an effect left nothing, as on a day on which a shop
    /// is closed, nothing is known of the value without it: `expected` takes its place, or else what
    /// was sold a season before and after.
    pub(super) fn clean_past(
        &self,
        values: &mut [f64],
        expected: impl FnOnce(usize) -> Option<Vec<f64>>,
    ) {
        let is_lost = |(period, value): (usize, &f64)| {
            self.form == Form::Logarithmic && self.at(period) < -LARGEST && *value <= 0.0
        };
        let lost: Vec<bool> = values.iter().enumerate().map(is_lost).collect();
        self.clean(0, values);
        if !lost.contains(&true) {
            return;
        }
        let expected = expected(values.len()).unwrap_or_default();
        let known = values.to_vec();
        let around = |period: usize, lag: usize| {
            let places = [period.checked_sub(lag), Some(period + lag)].into_iter().flatten();
            let places = places.filter(|place| lost.get(*place) == Some(&false));
            let found: Vec<f64> = places.filter_map(|place| known.get(place).copied()).collect();
            (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
        };
        for (period, value) in
            values.iter_mut().enumerate().filter(|(at, _)| lost.get(*at) == Some(&true))
        {
            let instead = expected.get(period).copied();
            let instead = instead.or_else(|| around(period, self.season.max(1)));
            *value = instead.or_else(|| around(period, 1)).unwrap_or(*value);
        }
    }

    /// The values from a period on with the effects.
    pub(super) fn restore(&self, from: usize, values: &mut [f64]) {
        for (step, value) in values.iter_mut().enumerate() {
            *value = self.form.with(*value, self.at(from + step));
        }
    }

    /// What the effects multiply errors by in a period.
    pub(super) fn factor(&self, period: usize) -> f64 {
        self.form.factor(self.at(period))
    }

    /// Forgets the periods before `from`.
    pub(super) fn advance(&mut self, from: usize) {
        self.effects.drain(..from.min(self.effects.len()));
    }

    /// Takes other rows for those from some period on.
    ///
    /// # Errors
    /// When the rows have another width than those of the fit.
    pub(super) fn plan(&mut self, rows: &[f64], width: usize) -> Result<(), ForecastError> {
        let expected = self.coefficients.len();
        if width != expected {
            return Err(ForecastError::Shape { what: "planned columns", expected, found: width });
        }
        self.effects = effects(rows, &self.movements, &self.coefficients);
        Ok(())
    }

    fn is_neutral(&self) -> bool {
        self.effects.iter().all(|effect| *effect == 0.0)
    }
}

/// What regressors do to a series, learned before its earliest origin and from all of its values.
#[derive(Clone, Debug)]
pub(super) struct Corrections {
    pub(super) early: Correction,
    pub(super) full: Correction,
    pub(super) effects: Vec<Effect>,
}

impl Corrections {
    /// Whether there is anything to take out.
    pub(super) fn is_neutral(&self) -> bool {
        self.early.is_neutral() && self.full.is_neutral()
    }
}

/// The corrections of every series. `size` is the number of series as [`held_out`] takes it.
pub(super) fn corrections(
    regressors: &Regressors,
    prepared: &[Prepared<'_>],
    settings: &Settings,
    size: usize,
) -> Vec<Corrections> {
    let known = |(index, one): (usize, &Prepared<'_>)| {
        let held_out = held_out(one.count(), settings.horizon, &settings.season_lengths, size);
        let early = one.count() - held_out.first().copied().unwrap_or_default();
        let rows = regressors.rows(index, one.skipped);
        let full = Learned::new(regressors, one, rows, one.count(), settings);
        let early = Learned::new(regressors, one, rows, early, settings);
        (early, full)
    };
    let (early, full): (Vec<Learned>, Vec<Learned>) =
        prepared.par_iter().enumerate().map(known).unzip();
    let set: Vec<Prior> = regressors.columns().iter().map(|column| prior(column.kind)).collect();
    let of_all = |learned: &[Learned]| {
        let all: Vec<Option<Evidence>> = learned.iter().map(|one| one.evidence.clone()).collect();
        priors(&all, &set)
    };
    let (early_priors, full_priors) = (of_all(&early), of_all(&full));
    let finish = |(index, one): (usize, &Prepared<'_>)| {
        let rows = regressors.rows(index, one.skipped);
        let season = settings.season_length();
        let (early, _) = early.get(index)?.correction(&early_priors, rows, one, season);
        let full = full.get(index)?;
        let (correction, posterior) = full.correction(&full_priors, rows, one, season);
        let known = Known {
            regressors,
            absent: regressors.absent(index),
            priors: &full_priors,
            unit: one.unit,
            values: &one.values(),
            rows,
            movements: &full.movements,
            evidence: full.evidence.as_ref(),
            posterior: posterior.as_ref(),
        };
        Some(Corrections { early, full: correction, effects: known.report() })
    };
    prepared.iter().enumerate().filter_map(finish).collect()
}

fn prior(kind: RegressorKind) -> Prior {
    let deviation = match kind {
        RegressorKind::Indicator => INDICATOR,
        RegressorKind::Price => ELASTICITY,
    };
    Prior { mean: 0.0, variance: deviation * deviation, series: 0 }
}

/// What the first values of a series tell.
struct Learned {
    movements: Vec<Movement>,
    evidence: Option<Evidence>,
}

impl Learned {
    fn new(
        regressors: &Regressors,
        one: &Prepared<'_>,
        rows: &[f64],
        count: usize,
        settings: &Settings,
    ) -> Self {
        let width = regressors.columns().len();
        let movements = Movement::of(regressors, rows, count);
        let values: Vec<f64> = one.from(0).take(count).collect();
        let past = rows.get(..count * width).unwrap_or_default();
        let moved: Vec<f64> = moved(past, &movements);
        let evidence = evidence(&values, &moved, width, &settings.season_lengths);
        Self { movements, evidence }
    }

    fn correction(
        &self,
        priors: &[Prior],
        rows: &[f64],
        one: &Prepared<'_>,
        season: usize,
    ) -> (Correction, Option<Posterior>) {
        let posterior = self.evidence.as_ref().and_then(|evidence| evidence.posterior(priors));
        let form = self.evidence.as_ref().map_or_else(|| Form::of(&one.values()), |own| own.form);
        let means: Vec<f64> = match &posterior {
            Some(posterior) => posterior.means.clone(),
            // Too short to tell: what the other series tell, if they do.
            None => priors.iter().map(|prior| prior.mean).collect(),
        };
        let correction = Correction {
            form,
            effects: effects(rows, &self.movements, &means),
            coefficients: means,
            movements: self.movements.clone(),
            season,
        };
        (correction, posterior)
    }
}

/// What all columns together do in each period.
fn effects(rows: &[f64], movements: &[Movement], coefficients: &[f64]) -> Vec<f64> {
    let moved = moved(rows, movements);
    let periods = moved.chunks_exact(coefficients.len().max(1));
    periods.map(|row| row.iter().zip(coefficients).map(|(x, by)| x * by).sum()).collect()
}

/// Rows as differences from what their columns usually are.
fn moved(rows: &[f64], movements: &[Movement]) -> Vec<f64> {
    let usual = movements.iter().map(|movement| movement.usual).cycle();
    rows.iter().zip(usual).map(|(value, usual)| value - usual).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_is_put_back() {
        let given = [3.0, 0.5, 7.0];
        for form in [Form::Logarithmic, Form::Level { mean: 2.0 }] {
            let mut correction = Correction {
                form,
                effects: vec![0.1, 0.4, -0.2, 0.3],
                coefficients: Vec::new(),
                movements: Vec::new(),
                season: 2,
            };
            let mut values = given;
            correction.clean(1, &mut values);
            assert!(values[0] < 3.0 && values[1] > 0.5 && values[2] < 7.0, "{values:?}");
            correction.restore(1, &mut values);
            assert!(values.iter().zip(given).all(|(a, b)| (a - b).abs() < 1e-12));
            correction.advance(3);
            assert_eq!(correction.effects, [0.3]);
            correction.advance(9);
            assert!(correction.is_neutral() && correction.factor(0) == 1.0);
        }
    }

    #[test]
    fn what_an_effect_left_nothing_of_is_taken_from_elsewhere() {
        let correction = Correction {
            form: Form::Logarithmic,
            effects: vec![0.0, 0.0, 0.0, -5.0, 0.0, -5.0],
            coefficients: Vec::new(),
            movements: Vec::new(),
            season: 2,
        };
        let given = [2.0, 8.0, 3.0, 0.0, 5.0, 0.0];
        let mut values = given;
        correction.clean_past(&mut values, |_| None);
        assert_eq!(values, [2.0, 8.0, 3.0, 8.0, 5.0, 5.0]);
        let mut values = given;
        correction.clean_past(&mut values, |count| Some(vec![7.0; count]));
        assert_eq!(values, [2.0, 8.0, 3.0, 7.0, 5.0, 7.0]);
        // Nothing was left of a day like others: that is what was sold.
        let mut values = [0.0, 4.0];
        correction.clean_past(&mut values, |_| None);
        assert_eq!(values, [0.0, 4.0]);
    }
}
