//! What models forecast of periods that they had not seen.

use crate::dataset::Panel;
use crate::metrics::{coverage, mase, smape};
use crate::model::{
    Estimator, FitRun, ForecastEstimator, ForecastModel, ForecastQuery, Model, SeriesForecast,
};

use super::TrainingError;
use super::evaluation::{SeriesEvaluation, SeriesExample, StepEvaluation};

/// Levels of the intervals that are judged.
const LEVELS: [f64; 2] = [0.8, 0.95];
/// Series that are kept to be looked at, the largest.
const EXAMPLES: usize = 6;
/// Periods before the held-out ones that are kept of each.
const PERIODS_BEFORE: usize = 104;

/// How a model forecast periods that it had not seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) series: Vec<SeriesEvaluation>,
    pub(super) steps: Vec<StepEvaluation>,
    /// The largest series.
    pub(super) examples: Vec<SeriesExample>,
}

impl Held {
    /// Fits without the last `horizon` periods and forecasts them. Series without a past are left
    /// out.
    pub(super) fn out(
        estimator: &ForecastEstimator,
        panel: &Panel,
        horizon: usize,
        run: &FitRun<'_>,
    ) -> Result<Self, TrainingError> {
        let past = panel.without_last(horizon);
        if past.series().is_empty() {
            return Ok(Self::default());
        }
        Self::of(&estimator.fit(&past, run)?, panel, horizon)
    }

    /// What a model that has not seen the last `horizon` periods says of them.
    pub(super) fn of(
        model: &ForecastModel,
        panel: &Panel,
        horizon: usize,
    ) -> Result<Self, TrainingError> {
        let query = ForecastQuery { horizon, levels: LEVELS.to_vec(), ..ForecastQuery::default() };
        let answers = model.predict(&query)?;
        Ok(Self::judge(&answers, panel, model.season_length()))
    }

    fn judge(answers: &[SeriesForecast], panel: &Panel, season: usize) -> Self {
        let horizon = answers.iter().map(|answer| answer.mean.len()).max().unwrap_or_default();
        let pairs =
            answers.iter().filter_map(|answer| Some((answer, Outcome::of(answer, panel, season)?)));
        let pairs: Vec<(&SeriesForecast, Outcome<'_>)> = pairs.collect();
        let series = pairs.iter().map(|(answer, outcome)| outcome.series(answer));
        let step = |step: usize| {
            let errors = pairs.iter().map(|(answer, outcome)| outcome.scaled_error(answer, step));
            let covered = |level: f64| {
                let of_level = |(answer, outcome): &(&SeriesForecast, Outcome<'_>)| {
                    outcome.covered(answer, level, step)
                };
                mean(pairs.iter().filter_map(of_level))
            };
            StepEvaluation {
                step: step + 1,
                mase: mean(errors.flatten()),
                coverage_80: covered(0.8),
                coverage_95: covered(0.95),
            }
        };
        Self {
            series: series.collect(),
            steps: (0..horizon).map(step).collect(),
            examples: examples(&pairs, panel),
        }
    }
}

/// What came of a forecast.
struct Outcome<'a> {
    train: &'a [f64],
    actual: &'a [f64],
    /// Periods between the values whose difference scales errors.
    season: usize,
}

impl<'a> Outcome<'a> {
    fn of(answer: &SeriesForecast, panel: &'a Panel, season: usize) -> Option<Self> {
        let values = &panel.find(&answer.key)?.values;
        let known = values.len().checked_sub(answer.mean.len())?;
        let (train, actual) = values.split_at_checked(known)?;
        // A season longer than the past has no seasonal error to scale by: use the step before.
        let season = if train.len() > season { season } else { 1 };
        Some(Self { train, actual, season })
    }

    fn series(&self, answer: &SeriesForecast) -> SeriesEvaluation {
        let covered = |level: f64| {
            let interval = answer.intervals.iter().find(|interval| interval.level == level)?;
            coverage(self.actual, &interval.lower, &interval.upper)
        };
        SeriesEvaluation {
            key: answer.key.clone(),
            method: describe(answer),
            mase: mase(self.train, self.actual, &answer.mean, self.season),
            smape: smape(self.actual, &answer.mean),
            coverage_80: covered(0.8),
            coverage_95: covered(0.95),
        }
    }

    fn scaled_error(&self, answer: &SeriesForecast, step: usize) -> Option<f64> {
        let one = step..step + 1;
        mase(self.train, self.actual.get(one.clone())?, answer.mean.get(one)?, self.season)
    }

    fn covered(&self, answer: &SeriesForecast, level: f64, step: usize) -> Option<f64> {
        let interval = answer.intervals.iter().find(|interval| interval.level == level)?;
        let one = step..step + 1;
        coverage(
            self.actual.get(one.clone())?,
            interval.lower.get(one.clone())?,
            interval.upper.get(one)?,
        )
    }
}

fn describe(answer: &SeriesForecast) -> String {
    match &answer.method.fallback {
        Some(reason) => format!("{}: {reason}", answer.method.algorithm),
        None => answer.method.algorithm.to_string(),
    }
}

/// The series with the most volume before the held-out periods, the largest first.
fn examples(pairs: &[(&SeriesForecast, Outcome<'_>)], panel: &Panel) -> Vec<SeriesExample> {
    let volume = |outcome: &Outcome<'_>| -> f64 { outcome.train.iter().map(|v| v.abs()).sum() };
    let mut largest: Vec<(f64, &SeriesForecast)> =
        pairs.iter().map(|(answer, outcome)| (volume(outcome), *answer)).collect();
    largest.sort_by(|a, b| b.0.total_cmp(&a.0));
    let largest = largest.into_iter().take(EXAMPLES);
    largest.filter_map(|(_, answer)| example(answer, panel)).collect()
}

fn example(answer: &SeriesForecast, panel: &Panel) -> Option<SeriesExample> {
    let series = panel.find(&answer.key)?;
    let kept = series.values.len().min(PERIODS_BEFORE + answer.mean.len());
    let first = series.values.len() - kept;
    let within = |level: f64| {
        let interval = answer.intervals.iter().find(|one| one.level == level);
        let bounds = interval.map(|one| one.lower.iter().copied().zip(one.upper.iter().copied()));
        bounds.map(Iterator::collect).unwrap_or_default()
    };
    Some(SeriesExample {
        key: answer.key.clone(),
        first_period: series.first_period + first as i32,
        values: series.values.get(first..)?.to_vec(),
        forecast: answer.mean.clone(),
        within_80: within(0.8),
        within_95: within(0.95),
    })
}

/// Their mean, if there are any.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Frequency, Series, SeriesKey};
    use crate::model::{ForecastAlgorithm, Interval, IntervalSource, Method};

    fn key(value: &str) -> SeriesKey {
        SeriesKey { group: "store".to_owned(), value: value.to_owned() }
    }

    fn answer(value: &str, mean: [f64; 2], half: f64) -> SeriesForecast {
        let interval = |level| Interval {
            level,
            lower: mean.map(|mean| mean - half * level).to_vec(),
            upper: mean.map(|mean| mean + half * level).to_vec(),
            source: IntervalSource::OwnConformal,
            backtest_coverage: None,
        };
        SeriesForecast {
            key: key(value),
            first_period: 8,
            mean: mean.to_vec(),
            intervals: vec![interval(0.8), interval(0.95)],
            method: Method { algorithm: ForecastAlgorithm::Theta, fallback: None },
            weights: Vec::new(),
            backtest_mase: None,
            components: None,
            effects: Vec::new(),
        }
    }

    fn panel() -> Panel {
        let series = |value: &str, factor: f64| Series {
            key: key(value),
            first_period: 0,
            values: (0..10).map(|at| factor * f64::from(at)).collect(),
        };
        Panel::new(Frequency::Weekly, 10, vec![series("a", 1.0), series("b", 10.0)]).unwrap()
    }

    #[test]
    fn steps_are_means_over_the_series() {
        // The naive error is 1 for a and 10 for b; the truth is 8 and 9, 80 and 90.
        let answers = [answer("a", [8.0, 12.0], 3.0), answer("b", [70.0, 90.0], 5.0)];
        let steps = Held::judge(&answers, &panel(), 1).steps;
        let errors: Vec<_> = steps.iter().map(|step| step.mase.unwrap()).collect();
        assert_eq!((steps.len(), errors), (2, vec![0.5, 1.5]));
        assert_eq!((steps[0].coverage_80, steps[1].coverage_95), (Some(0.5), Some(0.5)));
    }

    #[test]
    fn the_largest_series_come_first_with_their_intervals() {
        let answers = [answer("a", [8.0, 12.0], 3.0), answer("b", [70.0, 90.0], 5.0)];
        let examples = Held::judge(&answers, &panel(), 1).examples;
        assert_eq!(examples[0].key, key("b"));
        assert_eq!((examples[0].values.len(), examples[0].first_period), (10, 0));
        assert_eq!(examples[0].within_80, [(66.0, 74.0), (86.0, 94.0)]);
        assert_eq!(examples[1].forecast, [8.0, 12.0]);
    }

    #[test]
    fn a_short_past_is_scaled_by_the_step_before() {
        let (answer, panel) = (answer("a", [8.0, 12.0], 3.0), panel());
        let lag = |season| Outcome::of(&answer, &panel, season).unwrap().season;
        assert_eq!((lag(7), lag(8)), (7, 1));
    }
}
