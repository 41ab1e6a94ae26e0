//! Half widths of intervals from the errors of a backtest.
//!
//! Split conformal prediction (Lei, G'Sell, Rinaldo, Tibshirani and Wasserman, "Distribution-free
//! predictive inference for regression", 2018) with normalised scores: of n exchangeable scores the
//! one of rank ceil((n+1) * level) bounds the next one with at least that probability. Scores of
//! all series are pooled for each step; a score is an absolute error over the spread of its series.
//!
//! The spread is a weighted geometric mean of a scale known at the origin and the root mean square
//! of the errors from the other origins: neither alone tells calm from nervous series well enough.
//! The more origins a series has, the less its own errors are drawn to what is typical of all.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Most scores kept for one step: evenly spaced order statistics of all.
const KEPT: usize = 1000;
/// Scores that are wanted before steps are mixed no further.
const WANTED: usize = 100;
/// Fewest scores that a quantile is taken from.
const ENOUGH: usize = 40;
/// Share of a series' own errors, against its scale, in the logarithm of its spread.
const OWN_SHARE: f64 = 0.6;
/// Mean absolute value of a standard normal variable.
const MEAN_ABSOLUTE: f64 = 0.797_884_560_802_865_4;

/// Where an interval's width comes from, from the strongest to the weakest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalSource {
    /// Errors of the backtest, enough of them for the level.
    Conformal,
    /// Errors of the backtest, carried on with the tail of a normal distribution because they are
    /// too few for the level.
    Extrapolated,
    /// A random walk with normal errors: not checked against the past.
    Formula,
}

/// Errors of one series, or of one sum of series.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Scale from the values alone; 0 when they never move.
    pub(super) scale: f64,
    /// From the earliest to the latest.
    pub(super) origins: Vec<Origin>,
}

/// Errors from one origin.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// Scale from the values known there.
    pub(super) scale: f64,
    /// Signed errors by step, each over what its step multiplies errors by.
    pub(super) errors: Vec<f64>,
}

impl Unit {
    /// Errors from all origins but one: their root mean square and the number of origins.
    fn own(&self, without: Option<usize>) -> (f64, f64) {
        let others = || self.origins.iter().enumerate().filter(|(i, _)| Some(*i) != without);
        let squares = others().flat_map(|(_, origin)| &origin.errors).map(|error| error * error);
        let (sum, count) = squares.fold((0.0, 0.0), |(sum, count), e| (sum + e, count + 1.0_f64));
        ((sum / count.max(1.0)).sqrt(), others().count() as f64)
    }

    /// The spread that scores are taken over, where `scale` was known. The typical ratio of errors
    /// to the scale counts as much as one origin.
    fn spread(&self, scale: f64, typical: f64, without: Option<usize>) -> f64 {
        let (own, origins) = self.own(without);
        scale * ((typical + origins * (own / scale)) / (1.0 + origins)).powf(OWN_SHARE)
    }
}

/// Scores by step, ascending, and what a new unit is normalised with.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Conformal {
    /// Median of all units' ratios.
    typical: f64,
    scores: Vec<Vec<f32>>,
}

/// A half width over a unit's spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct HalfWidth {
    pub(super) score: f64,
    pub(super) source: IntervalSource,
}

/// All scores of some units by step, ascending, with the origin of each, counted from the latest.
#[derive(Debug)]
pub(super) struct Scores {
    typical: f64,
    steps: Vec<Vec<(f32, u32)>>,
}

impl Scores {
    pub(super) fn of(units: &[Unit], horizon: usize) -> Self {
        let moving = units.iter().filter(|unit| unit.scale > 0.0);
        let tested = moving.filter(|unit| !unit.origins.is_empty());
        let mut ratios: Vec<f64> = tested.map(|unit| unit.own(None).0 / unit.scale).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let typical = ratios.get(ratios.len() / 2).copied().filter(|ratio| *ratio > 0.0);
        let typical = typical.unwrap_or(1.0);
        // Each origin with its spread and how many lie after it.
        let origins = units.par_iter().flat_map_iter(|unit| {
            let origins = unit.origins.iter().enumerate();
            let usable = origins.filter(|(_, past)| past.scale > 0.0);
            usable.map(move |(index, past)| {
                let spread = unit.spread(past.scale, typical, Some(index));
                (past, spread, (unit.origins.len() - 1 - index) as u32)
            })
        });
        let origins: Vec<(&Origin, f64, u32)> = origins.collect();
        let of_step = |step: usize| {
            let mut scores = Vec::with_capacity(origins.len());
            scores.extend(origins.iter().filter_map(|(past, spread, after)| {
                past.errors.get(step).map(|error| ((error.abs() / spread) as f32, *after))
            }));
            scores.sort_unstable_by(|(a, _), (b, _)| a.total_cmp(b));
            scores
        };
        let steps = (0..horizon).into_par_iter().map(of_step).collect();
        Self { typical, steps }
    }

    /// Those of all origins but one.
    pub(super) fn without(&self, origin: Option<usize>) -> Conformal {
        let kept = |scores: &Vec<(f32, u32)>| {
            let others = scores.iter().filter(|(_, after)| Some(*after as usize) != origin);
            let mut own = Vec::with_capacity(scores.len());
            own.extend(others.map(|(score, _)| *score));
            if own.len() <= KEPT {
                return own;
            }
            let last = own.len() - 1;
            let ranks = (0..KEPT).map(|rank| rank * last / (KEPT - 1));
            ranks.filter_map(|rank| own.get(rank).copied()).collect()
        };
        Conformal { typical: self.typical, scores: self.steps.iter().map(kept).collect() }
    }
}

impl Conformal {
    /// The spread of a unit's errors to come.
    pub(super) fn spread(&self, unit: &Unit) -> f64 {
        if unit.scale > 0.0 { unit.spread(unit.scale, self.typical, None) } else { 0.0 }
    }

    /// The half width over the spread for each step. The window of steps grows from one on either
    /// side until it holds enough scores and they support the level.
    pub(super) fn half_widths(&self, level: f64) -> Vec<HalfWidth> {
        (0..self.scores.len()).map(|step| self.half_width(step, level)).collect()
    }

    fn half_width(&self, step: usize, level: f64) -> HalfWidth {
        let mut floor = 0.0_f64;
        for radius in 1..=self.scores.len() {
            let window = self.window(step, radius);
            let count: usize = window.iter().map(Vec::len).sum();
            let widest = radius == self.scores.len();
            if count < if widest { ENOUGH } else { WANTED } {
                continue;
            }
            let rank = ((count + 1) as f64 * level).ceil() as usize;
            if rank <= count {
                let score = ranked(window, count, rank).max(floor);
                return HalfWidth { score, source: IntervalSource::Conformal };
            }
            floor = ranked(window, count, count).max(floor);
            if widest {
                let supported = count as f64 / (count + 1) as f64;
                let growth = normal_half_width(level) / normal_half_width(supported);
                let score = floor * growth.max(1.0);
                return HalfWidth { score, source: IntervalSource::Extrapolated };
            }
        }
        // The scale is the mean absolute change over half of the steps, that of a random walk.
        let half = (self.scores.len() as f64 / 2.0).floor().max(1.0);
        let growth = ((step + 1) as f64 / half).sqrt();
        let score = normal_half_width(level) * growth / MEAN_ABSOLUTE;
        HalfWidth { score: score.max(floor), source: IntervalSource::Formula }
    }

    /// The scores of a step and of those around it.
    fn window(&self, step: usize, radius: usize) -> &[Vec<f32>] {
        let end = (step + radius + 1).min(self.scores.len());
        self.scores.get(step.saturating_sub(radius)..end).unwrap_or_default()
    }
}

/// The score of a rank, 1 for the smallest, among several ascending lists of `count` together. Ranks
/// that are asked for are high, so it is counted from above.
fn ranked(lists: &[Vec<f32>], count: usize, rank: usize) -> f64 {
    let mut left: Vec<&[f32]> = lists.iter().map(Vec::as_slice).collect();
    let mut found = 0.0;
    for _ in rank..=count {
        let mut largest: Option<(f32, &mut &[f32])> = None;
        for list in &mut left {
            if let Some(last) = list
                .last()
                .copied()
                .filter(|last| largest.as_ref().is_none_or(|own| last.total_cmp(&own.0).is_gt()))
            {
                largest = Some((last, list));
            }
        }
        let Some((score, list)) = largest else { break };
        found = score;
        *list = list.split_last().map_or(&[], |(_, rest)| rest);
    }
    f64::from(found)
}

/// Share of held-back values within the intervals of each level whose scores came from the other
/// origins only; `None` when no unit has two origins.
pub(super) fn observed_coverage<const L: usize>(
    scores: &Scores,
    units: &[Unit],
    levels: [f64; L],
) -> [Option<f64>; L] {
    let most = units.iter().map(|unit| unit.origins.len()).max().unwrap_or(0);
    if most < 2 {
        return [None; L];
    }
    let origins = (0..most).into_par_iter().map(|origin| held(scores, units, levels, origin));
    let held: Vec<([u64; L], u64)> = origins.collect();
    let all: u64 = held.iter().map(|(_, all)| all).sum();
    std::array::from_fn(|at| {
        let inside: u64 = held.iter().filter_map(|(inside, _)| inside.get(at)).sum();
        (all > 0).then(|| inside as f64 / all as f64)
    })
}

/// How many values after one origin (counted from the latest) lie within the intervals of each
/// level, and how many there are.
fn held<const L: usize>(
    scores: &Scores,
    units: &[Unit],
    levels: [f64; L],
    origin: usize,
) -> ([u64; L], u64) {
    let others = scores.without(Some(origin));
    let widths = levels.map(|level| others.half_widths(level));
    let (mut inside, mut all) = ([0; L], 0);
    for unit in units {
        let Some(index) = unit.origins.len().checked_sub(origin + 1) else { continue };
        let Some(past) = unit.origins.get(index).filter(|past| past.scale > 0.0) else {
            continue;
        };
        let spread = unit.spread(past.scale, others.typical, Some(index));
        all += past.errors.len().min(scores.steps.len()) as u64;
        for (inside, widths) in inside.iter_mut().zip(&widths) {
            let pairs = past.errors.iter().zip(widths);
            *inside +=
                pairs.filter(|(error, width)| error.abs() <= width.score * spread).count() as u64;
        }
    }
    (inside, all)
}

/// How many standard deviations a normal variable stays within with probability `level`, up to
/// 0.9999: Abramowitz and Stegun, "Handbook of mathematical functions", 26.2.23, error below
/// 4.5e-4.
fn normal_half_width(level: f64) -> f64 {
    let t = (-2.0 * ((1.0 - level.min(0.9999)) / 2.0).ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    t - above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers between 0 and 1 that look random (Park and Miller's generator).
    fn uniform(state: &mut u64) -> f64 {
        *state = *state * 48_271 % 2_147_483_647;
        *state as f64 / 2_147_483_647.0
    }

    /// Series whose errors have very different sizes, known only in part from their scale.
    fn units(count: usize, origins: usize, horizon: usize) -> Vec<Unit> {
        let mut state = 12_345;
        let unit = |_| {
            let size = 10.0_f64.powf(3.0 * uniform(&mut state));
            let scale = size * 2.0_f64.powf(uniform(&mut state) - 0.5);
            let mut error = |step: usize| {
                let sum: f64 = (0..12).map(|_| uniform(&mut state)).sum();
                size * (sum - 6.0) * ((step + 1) as f64).sqrt()
            };
            let mut origin = |_| Origin { scale, errors: (0..horizon).map(&mut error).collect() };
            let origins = (0..origins).map(&mut origin).collect();
            Unit { scale, origins }
        };
        (0..count).map(unit).collect()
    }

    #[test]
    fn new_errors_fall_into_the_interval_as_often_as_promised() {
        let mut known = units(400, 4, 6);
        // The latest origin is what is forecast.
        let coming: Vec<Origin> = known.iter_mut().filter_map(|u| u.origins.pop()).collect();
        let conformal = Scores::of(&known, 6).without(None);
        for level in [0.5, 0.8, 0.95, 0.99] {
            let widths = conformal.half_widths(level);
            let mut inside = 0;
            for (unit, errors) in known.iter().zip(&coming) {
                let spread = conformal.spread(unit);
                let hits =
                    errors.errors.iter().zip(&widths).filter(|(e, w)| e.abs() <= w.score * spread);
                inside += hits.count();
            }
            let share = inside as f64 / 2400.0;
            assert!((share - level).abs() < 0.02, "{level}: {share}");
            assert!(widths.iter().all(|width| width.source == IntervalSource::Conformal));
            let [observed] =
                observed_coverage(&Scores::of(&known, 6), &known, [level]).map(Option::unwrap);
            assert!((observed - level).abs() < 0.02, "{level}: {observed}");
        }
    }

    #[test]
    fn half_widths_rise_with_the_level_whatever_the_source() {
        for (count, origins) in [(400, 3), (20, 3), (1, 5), (1, 3), (0, 0)] {
            let conformal = Scores::of(&units(count, origins, 8), 8).without(None);
            let mut before = vec![0.0; 8];
            for permille in (500..=990).step_by(5) {
                let widths = conformal.half_widths(f64::from(permille) / 1000.0);
                for (width, before) in widths.iter().zip(&mut before) {
                    assert!(
                        width.score >= *before && width.score.is_finite(),
                        "{count} {permille}"
                    );
                    *before = width.score;
                }
            }
        }
    }

    #[test]
    fn too_few_scores_for_a_level_are_said_to_be() {
        let source = |count, level| {
            Scores::of(&units(count, 5, 8), 8).without(None).half_widths(level)[0].source
        };
        assert_eq!(source(1, 0.95), IntervalSource::Conformal);
        assert_eq!(source(1, 0.99), IntervalSource::Extrapolated);
        assert_eq!(source(0, 0.5), IntervalSource::Formula);
        let single = units(9, 1, 8);
        assert_eq!(observed_coverage(&Scores::of(&single, 8), &single, [0.8]), [None]);
    }

    #[test]
    fn normal_quantiles() {
        for (level, expected) in [(0.5, 0.674_49), (0.95, 1.959_96), (0.99, 2.575_83)] {
            assert!((normal_half_width(level) - expected).abs() < 4.5e-4);
        }
    }
}
