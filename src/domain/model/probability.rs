//! What a model of an event answers: a calibrated probability, its rank, and the prior.

use serde::{Deserialize, Serialize};

use super::calibration::{Calibration, CalibrationTrial, CalibrationWindow, log_odds};
use super::{FitError, FitRun};
use crate::dataset::{Dataset, SupervisedData};

/// How likely the event is for one customer.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Probability {
    /// Calibrated probability of the event, 0 to 1.
    pub probability: f64,
    /// Share of the population with a lower probability (ties count half), in percent, 0 to 100.
    /// The population is the last snapshot the model saw: the last of calibration, or the last of
    /// training where there was none.
    pub percentile: f64,
}

/// How likely the event is for a customer about whom nothing is known.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Prior {
    /// Share of rows with the event over all snapshots.
    pub probability: f64,
    /// Lower end of the interval, see [`Prior::upper`].
    pub lower: f64,
    /// Upper end of the interval.
    ///
    /// A customer without history is a draw from the population, so the interval covers the middle
    /// 95 % of the population's own calibrated probabilities; and since the population's level
    /// itself moves and is estimated, it is widened to hold the 95 % Wilson score interval
    /// (Wilson 1927) of the event rate of every snapshot.
    pub upper: f64,
}

/// How much one column moved a score.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Contribution {
    /// Name of the column.
    pub column: String,
    /// The row's raw value of it; NaN where it is missing.
    pub value: f64,
    /// The value's text, of a categorical column.
    pub level: Option<String>,
    /// What it adds. Churn and propensity: log-odds of the uncalibrated score (random forests: the
    /// uncalibrated probability) relative to the average training row. Segments: share of the
    /// squared distance to the segment's centre.
    pub contribution: f64,
}

/// Places and parts of largest size first, at most `top`; those that add nothing are left out.
pub(super) fn strongest(parts: &[f64], top: usize) -> Vec<(usize, f64)> {
    let parts = parts.iter().copied().enumerate();
    let mut some: Vec<(usize, f64)> = parts.filter(|(_, part)| *part != 0.0).collect();
    some.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    some.truncate(top);
    some
}

/// Checks what every estimator of an event needs: rows, one outcome per row, both outcomes, and
/// the same columns in both parts.
pub(super) fn check_supervised(data: &SupervisedData) -> Result<(), FitError> {
    for part in [&data.train, &data.calibration] {
        if part.target.len() != part.features.rows() {
            return Err(FitError::TooFew {
                what: "outcomes",
                expected: part.features.rows(),
                found: part.target.len(),
            });
        }
    }
    let rows = data.train.target.len();
    if rows < 2 {
        return Err(FitError::TooFew { what: "rows", expected: 2, found: rows });
    }
    let positives = data.train.positives();
    if positives == 0 || positives == rows {
        return Err(FitError::OneClass { rows, outcome: positives > 0 });
    }
    let (train, later) = (data.train.features.columns(), data.calibration.features.columns());
    if data.calibration.features.rows() > 0 && train != later {
        let differs = train.iter().zip(later.iter()).find(|(a, b)| a != b);
        let column = differs.map_or("(another number of columns)", |(column, _)| column);
        return Err(FitError::UnknownColumn { column: column.to_owned() });
    }
    Ok(())
}

/// Turns an estimator's log-odds into answers: calibration, rank in the population, prior.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Scale {
    calibration: Calibration,
    /// How the ways to calibrate did on rows of the later period that they were not fitted on.
    #[serde(default)]
    trials: Vec<CalibrationTrial>,
    ranks: Ranks,
    prior: Prior,
}

impl Scale {
    /// Fits calibration and ranks to the `scores` (log-odds) that the estimator gives to the rows
    /// of the two parts.
    pub(super) fn fit(
        data: &SupervisedData,
        train_scores: &[f64],
        calibration_scores: &[f64],
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        let window = CalibrationWindow {
            scores: calibration_scores,
            target: &data.calibration.target,
            weights: None,
            customers: Some(&data.calibration.groups)
                .filter(|groups| !groups.is_empty())
                .map(Vec::as_slice),
        };
        let choice = Calibration::choose(&window, run)?;
        let (calibration, trials) = (choice.calibration, choice.trials);
        let population = if calibration_scores.is_empty() {
            last_snapshot(&data.train, train_scores)
        } else {
            last_snapshot(&data.calibration, calibration_scores)
        };
        let ranks = Ranks::of(population.iter().map(|score| calibration.apply(*score)));
        run.progress.report("calibrate", 1.0);
        Ok(Self { calibration, trials, prior: Prior::of(data, &ranks), ranks })
    }

    /// The answer for a row with these uncalibrated log-odds.
    pub(super) fn answer(&self, score: f64) -> Probability {
        let probability = self.calibration.apply(score);
        Probability { probability, percentile: self.ranks.percentile(probability) }
    }

    pub(super) fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    pub(super) fn trials(&self) -> &[CalibrationTrial] {
        &self.trials
    }

    pub(super) fn prior(&self) -> Prior {
        self.prior
    }
}

/// The scores of the latest snapshot that has rows; all of them when no snapshot is named.
fn last_snapshot<'a>(part: &Dataset, scores: &'a [f64]) -> &'a [f64] {
    let rows = |snapshot: &crate::dataset::Snapshot| scores.get(snapshot.rows.clone());
    let mut named = part.snapshots.iter().rev().filter_map(rows);
    named.find(|rows| !rows.is_empty()).unwrap_or(scores)
}

impl Prior {
    fn of(data: &SupervisedData, ranks: &Ranks) -> Self {
        let parts = [&data.train, &data.calibration];
        let rows: usize = parts.iter().map(|part| part.target.len()).sum();
        let events: usize = parts.iter().map(|part| part.positives()).sum();
        let probability = events as f64 / (rows as f64).max(1.0);
        let mut prior = Self {
            probability,
            lower: ranks.value_at(2.5).min(probability),
            upper: ranks.value_at(97.5).max(probability),
        };
        for part in parts {
            let snapshots = part.snapshots.iter();
            let targets = snapshots.filter_map(|snapshot| part.target.get(snapshot.rows.clone()));
            for target in targets.chain([part.target.as_slice()]) {
                prior.widen(target);
            }
        }
        prior
    }

    fn widen(&mut self, target: &[bool]) {
        if target.is_empty() {
            return;
        }
        let events = target.iter().filter(|happened| **happened).count();
        let (lower, upper) = wilson_interval(events as f64, target.len() as f64);
        self.lower = self.lower.min(lower);
        self.upper = self.upper.max(upper);
    }
}

/// The 95 % score interval of a share (Wilson 1927), within 0 to 1.
fn wilson_interval(events: f64, rows: f64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let share = events / rows;
    let shrink = 1.0 + Z * Z / rows;
    let centre = (share + Z * Z / (2.0 * rows)) / shrink;
    let half = Z / shrink * (share * (1.0 - share) / rows + Z * Z / (4.0 * rows * rows)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// The distribution of a population's probabilities.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(from = "Points", into = "Points")]
struct Ranks {
    /// In rising order.
    points: Vec<Point>,
    /// How many points lie below each multiple of 1 / [`Ranks::STEPS`], up to 1, and their number.
    below: Vec<u32>,
}

/// A value, and its percentile, which counts ties half.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    value: f64,
    percentile: f64,
    /// How fast the percentile rises from the point before to this one.
    slope: f64,
}

/// Points as they are stored: (value, percentile) in rising order.
#[derive(Deserialize, Serialize)]
struct Points {
    points: Vec<(f64, f64)>,
}

impl From<Points> for Ranks {
    fn from(Points { points }: Points) -> Self {
        let below = |step: usize| {
            let border = step as f64 / Self::STEPS as f64;
            points.partition_point(|point| point.0 < border) as u32
        };
        let below = (0..=Self::STEPS).map(below).chain([points.len() as u32]).collect();
        let mut before = (f64::NEG_INFINITY, 0.0);
        let point = |(value, percentile)| {
            let slope = (percentile - before.1) / (value - before.0);
            before = (value, percentile);
            Point { value, percentile, slope }
        };
        Self { points: points.into_iter().map(point).collect(), below }
    }
}

impl From<Ranks> for Points {
    fn from(Ranks { points, .. }: Ranks) -> Self {
        Self { points: points.iter().map(|point| (point.value, point.percentile)).collect() }
    }
}

impl Ranks {
    /// Most points kept; distributions with fewer distinct values (trees) are exact.
    const MOST: usize = 401;
    /// Parts of the range from 0 to 1; a power of two, so that a value's part is told exactly.
    const STEPS: usize = 2_048;

    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let rows = values.len() as f64;
        let mut points = Vec::new();
        let mut below = 0.0;
        for ties in values.chunk_by(|a, b| a == b) {
            let count = ties.len() as f64;
            if let Some(value) = ties.first() {
                points.push((*value, 100.0 * (below + count / 2.0) / rows));
            }
            below += count;
        }
        Points { points: thin(points, Self::MOST) }.into()
    }

    /// How many points lie below `value`.
    fn below(&self, value: f64) -> usize {
        let step = ((value * Self::STEPS as f64) as usize).min(Self::STEPS);
        let Some([from, to]) = self.below.get(step..step + 2) else { return 0 };
        let (from, to) = (*from as usize, *to as usize);
        let rest = self.points.get(from..).unwrap_or_default();
        // A few are counted without guessing which way to turn; those of later parts are not below.
        let few = rest.first_chunk::<4>().map(|few| few.map(|point| point.value < value));
        match few {
            Some(few) if few.contains(&false) => from + few.map(usize::from).iter().sum::<usize>(),
            _ => {
                let near = self.points.get(from..to).unwrap_or_default();
                from + near.partition_point(|point| point.value < value)
            }
        }
    }

    /// The percentile of `value`, linear between points, 0 below all and 100 above all of them.
    fn percentile(&self, value: f64) -> f64 {
        let at = self.below(value);
        let below = at.checked_sub(1).and_then(|at| self.points.get(at));
        match (below, self.points.get(at)) {
            (_, Some(above)) if above.value == value => above.percentile,
            (Some(below), Some(above)) => {
                (below.percentile + (value - below.value) * above.slope).min(above.percentile)
            }
            (None, Some(_)) => 0.0,
            (Some(_), None) => 100.0,
            (None, None) => 50.0,
        }
    }

    /// The value at a percentile, linear between points; the nearest end outside of them.
    fn value_at(&self, percentile: f64) -> f64 {
        let at = self.points.partition_point(|point| point.percentile < percentile);
        let below = at.checked_sub(1).and_then(|at| self.points.get(at));
        match (below, self.points.get(at)) {
            (Some(below), Some(above)) => {
                let rise = above.percentile - below.percentile;
                let part = (percentile - below.percentile) / rise;
                below.value + part * (above.value - below.value)
            }
            (None, Some(end)) | (Some(end), None) => end.value,
            (None, None) => 0.5,
        }
    }
}

/// At most `most` of the points, evenly spread, both ends kept.
fn thin(points: Vec<(f64, f64)>, most: usize) -> Vec<(f64, f64)> {
    let last = points.len().saturating_sub(1);
    if last < most {
        return points;
    }
    let pick = |step: usize| points.get(step * last / (most - 1)).copied();
    (0..most).filter_map(pick).collect()
}

/// Log-odds of a share held off 0 and 1 by `1e-15`.
pub(super) fn bounded_log_odds(probability: f64) -> f64 {
    log_odds(probability.clamp(1e-15, 1.0 - 1e-15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_counts_ties_half_and_spans_0_to_100() {
        let ranks = Ranks::of([0.2, 0.4, 0.4, 0.8].into_iter());
        let percentiles = [0.1, 0.2, 0.3, 0.4, 0.8, 0.9].map(|value| ranks.percentile(value));
        assert_eq!(percentiles[0], 0.0);
        assert_eq!(percentiles[1], 12.5);
        assert!((percentiles[2] - 31.25).abs() < 1e-9);
        assert_eq!(percentiles[3..], [50.0, 87.5, 100.0]);
    }

    #[test]
    fn thinned_ranks_stay_close_and_keep_the_ends() {
        let ranks = Ranks::of((0..100_000).map(|i| f64::from(i) / 1e5));
        assert_eq!(ranks.points.len(), Ranks::MOST);
        for value in [0.0, 0.123_45, 0.5, 0.999_99] {
            assert!((ranks.percentile(value) - 100.0 * value).abs() < 0.01);
        }
        assert!((ranks.value_at(97.5) - 0.975).abs() < 1e-4);
    }

    #[test]
    fn every_value_finds_its_place_among_the_points() {
        let ends = [0.0, 1.0, 0.5, 1.0 / 2_048.0, 2_047.0 / 2_048.0, f64::from_bits(1), f64::NAN];
        for population in [vec![], vec![0.0], vec![1.0, 0.25, 0.0, 0.25, 1.0 / 2_048.0]] {
            let ranks = Ranks::of(population.into_iter());
            for value in ends.into_iter().chain((0..2_000).map(|i| f64::from(i) / 1_999.0)) {
                let expected = ranks.points.partition_point(|point| point.value < value);
                assert_eq!(ranks.below(value), expected, "{value}");
            }
        }
    }

    #[test]
    fn stored_ranks_stay_readable() {
        let ranks: Ranks = serde_json::from_str(r#"{"points":[[0.25,50.0]]}"#).unwrap();
        assert_eq!(ranks, Ranks::of([0.25].into_iter()));
        assert_eq!(serde_json::to_string(&ranks).unwrap(), r#"{"points":[[0.25,50.0]]}"#);
    }

    #[test]
    fn wilson_interval_agrees_with_the_published_example() {
        // 81 of 263 (Newcombe 1998, table I): 0.2553 to 0.3662.
        let (lower, upper) = wilson_interval(81.0, 263.0);
        assert!((lower - 0.2553).abs() < 5e-5 && (upper - 0.3662).abs() < 5e-5);
        assert_eq!(wilson_interval(0.0, 10.0).0, 0.0);
        assert!(wilson_interval(10.0, 10.0).1 > 0.999_999);
    }

    #[test]
    fn strongest_contributions_come_first_and_empty_ones_go() {
        assert_eq!(strongest(&[0.1, -2.0, 0.0, 1.0], 2), [(1, -2.0), (3, 1.0)]);
        assert_eq!(strongest(&[0.0, 0.5], 2), [(1, 0.5)]);
    }
}
