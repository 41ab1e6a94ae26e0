//! Rows for boosting: what was known of a series at an origin, and the period that is asked for.

use super::regressors::Regressors;
use crate::dataset::RegressorKind;

/// Latest values that are columns of their own.
const LAGS: usize = 8;
/// Lengths of the means of the latest values.
const WINDOWS: [usize; 3] = [4, 8, 16];
/// Fewest values that are known at an origin.
pub(super) const FEWEST_KNOWN: usize = LAGS + 1;

/// How rows are made.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a> {
    /// Periods of the shortest season; 1 for none.
    pub(super) season_length: usize,
    pub(super) regressors: Option<&'a Regressors>,
}

/// One series, since its first value that is not zero.
#[derive(Clone, Copy)]
pub(super) struct History<'a> {
    pub(super) values: &'a [f64],
    /// Rows of the regressors, past and coming; empty without.
    pub(super) rows: &'a [f64],
}

/// What targets are counted from, in the unit of the series: at an origin, `level + scale * y`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Anchor {
    level: f64,
    scale: f64,
}

impl Anchor {
    pub(super) fn target(&self, value: f64) -> f64 {
        (value - self.level) / self.scale
    }

    pub(super) fn value(&self, target: f64) -> f64 {
        self.level + self.scale * target
    }
}

impl Layout<'_> {
    fn kinds(&self) -> impl Iterator<Item = RegressorKind> {
        self.regressors.into_iter().flat_map(|own| own.columns()).map(|column| column.kind)
    }

    /// Columns of a row.
    pub(super) fn width(&self) -> usize {
        // Lags, means, step, position and value of the season; regressors then and now.
        LAGS + WINDOWS.len() + 4 + 2 * self.kinds().count()
    }

    /// What was known when `known` values were: `None` before there are enough of them, or when
    /// they are all zero.
    pub(super) fn anchor(&self, history: &History<'_>, known: usize) -> Option<Anchor> {
        let values = history.values.get(..known).filter(|known| known.len() >= FEWEST_KNOWN)?;
        let latest = tail(values, self.season_length.max(2 * LAGS));
        let size = latest.iter().map(|value| value.abs()).sum::<f64>() / latest.len() as f64;
        let level = mean(tail(values, 4));
        (size > 0.0).then_some(Anchor { level, scale: size })
    }

    /// Appends the row for the period `step` (from 1) after `known` values.
    pub(super) fn push(
        &self,
        history: &History<'_>,
        known: usize,
        step: usize,
        anchor: &Anchor,
        rows: &mut Vec<f32>,
    ) {
        let values = history.values.get(..known).unwrap_or_default();
        let mut push =
            |value: f64| rows.push(if value.is_finite() { value as f32 } else { f32::NAN });
        for lag in 1..=LAGS {
            push(
                known
                    .checked_sub(lag)
                    .and_then(|at| values.get(at))
                    .map_or(f64::NAN, |value| anchor.target(*value)),
            );
        }
        for window in WINDOWS {
            let full = values.len() >= window;
            push(if full { anchor.target(mean(tail(values, window))) } else { f64::NAN });
        }
        push(step as f64);
        let season = self.season_length.max(1);
        let target = known + step - 1;
        // All series end with the same period.
        push(((history.values.len() + season * target - target) % season) as f64);
        let back = season * step.div_ceil(season);
        let seasonal = target.checked_sub(back).filter(|_| season > 1);
        push(
            seasonal.and_then(|at| values.get(at)).map_or(f64::NAN, |value| anchor.target(*value)),
        );
        let around = seasonal.filter(|at| *at > 0).and_then(|at| values.get(at - 1..=at + 1));
        push(around.map_or(f64::NAN, |values| anchor.target(mean(values))));
        let width = self.kinds().count();
        for (column, kind) in self.kinds().enumerate() {
            let at = |period: usize| history.rows.get(period * width + column).copied();
            // Prices against the latest one: levels differ between series.
            let usual = match kind {
                RegressorKind::Indicator => Some(0.0),
                RegressorKind::Price => at(known - 1),
            };
            let before = known.checked_sub(1 + LAGS);
            for period in [Some(target), before.filter(|_| kind == RegressorKind::Price)] {
                let found = period.and_then(at).zip(usual).map(|(value, usual)| value - usual);
                push(match kind {
                    RegressorKind::Price => found.unwrap_or(f64::NAN),
                    // How often it happened in the latest values, which it lies in.
                    RegressorKind::Indicator if period.is_none() => {
                        let latest = (known.saturating_sub(LAGS)..known).filter_map(at);
                        latest.sum::<f64>() / LAGS as f64
                    }
                    RegressorKind::Indicator => found.unwrap_or(f64::NAN),
                });
            }
        }
    }
}

fn tail(values: &[f64], count: usize) -> &[f64] {
    values.get(values.len().saturating_sub(count)..).unwrap_or(values)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Regressor;

    #[test]
    fn a_row_holds_nothing_of_the_periods_to_come() {
        let column = |name: &str, kind| Regressor { name: name.to_owned(), kind };
        let columns = vec![
            column("promotion", RegressorKind::Indicator),
            column("price", RegressorKind::Price),
        ];
        let given = (0..40).flat_map(|t| [f64::from(t % 2), 1.0 + f64::from(t)]).collect();
        let regressors = Regressors::new(columns, vec![given]).unwrap();
        let layout = Layout { season_length: 12, regressors: Some(&regressors) };
        let values: Vec<f64> = (0..30).map(f64::from).collect();
        let row = |values: &[f64]| {
            let history = History { values, rows: regressors.rows(0, 0) };
            let anchor = layout.anchor(&history, 20).unwrap();
            let mut row = Vec::new();
            layout.push(&history, 20, 3, &anchor, &mut row);
            row
        };
        let found = row(&values);
        assert_eq!(found.len(), layout.width());
        let mut other = values.clone();
        other[20..].fill(1e6);
        assert_eq!(found, row(&other));
        // The latest value, the step, the same position a season before.
        let history = History { values: &values, rows: &[] };
        let anchor = layout.anchor(&history, 20).unwrap();
        assert_eq!(found[0], anchor.target(19.0) as f32);
        assert_eq!((found[11], found[13]), (3.0, anchor.target(10.0) as f32));
        // The promotion of period 22, half of the latest ones; the price's change.
        assert_eq!((found[15], found[16]), (0.0, 0.5));
        assert!((f64::from(found[17]) - (23.0_f64 / 20.0).ln()).abs() < 1e-6);
        assert!((anchor.value(anchor.target(7.5)) - 7.5).abs() < 1e-12);
        assert_eq!(layout.anchor(&history, 3), None);
        assert_eq!(layout.anchor(&History { values: &[0.0; 30], rows: &[] }, 20), None);
    }
}
