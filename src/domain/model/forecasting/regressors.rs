//! Columns that are known in advance: holidays, promotions, prices.

use super::settings::ForecastError;
use crate::dataset::{Regressor, RegressorKind};

/// Columns of every series of a panel, for its past and for the periods to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Regressors {
    columns: Vec<Regressor>,
    /// By series: rows of one value per column, prices as logarithms.
    series: Vec<Vec<f64>>,
    /// By series: the columns that it does not have.
    absent: Vec<Vec<usize>>,
}

impl Regressors {
    /// `rows` holds the values of each series, period after period, one value per column. A column
    /// that is NaN in every period of a series is one that the series does not have.
    ///
    /// # Errors
    /// [`ForecastError::Shape`] when a series has no whole rows, [`ForecastError::NotFinite`] for
    /// another value that is not finite or a price that is not above zero.
    pub fn new(columns: Vec<Regressor>, rows: Vec<Vec<f64>>) -> Result<Self, ForecastError> {
        let width = columns.len();
        let mut series = rows;
        let mut absent = Vec::with_capacity(series.len());
        for (index, values) in series.iter_mut().enumerate() {
            if width == 0 || !values.len().is_multiple_of(width) {
                let expected = values.len().next_multiple_of(width.max(1));
                let found = values.len();
                return Err(ForecastError::Shape {
                    what: "regressors of a series",
                    expected,
                    found,
                });
            }
            let is_absent = |column: &usize| {
                values.iter().skip(*column).step_by(width).all(|value| value.is_nan())
            };
            let none: Vec<usize> = (0..width).filter(is_absent).collect();
            for (period, row) in values.chunks_exact_mut(width).enumerate() {
                for (place, (value, column)) in row.iter_mut().zip(&columns).enumerate() {
                    let found = *value;
                    if none.contains(&place) {
                        *value = 0.0;
                        continue;
                    }
                    if column.kind == RegressorKind::Price {
                        *value = value.ln();
                    }
                    if !value.is_finite() {
                        return Err(ForecastError::NotFinite { series: index, period, found });
                    }
                }
            }
            absent.push(none);
        }
        Ok(Self { columns, series, absent })
    }

    /// The columns.
    pub fn columns(&self) -> &[Regressor] {
        &self.columns
    }

    /// The columns that a series does not have.
    pub(super) fn absent(&self, series: usize) -> &[usize] {
        self.absent.get(series).map(Vec::as_slice).unwrap_or_default()
    }

    /// Refuses columns that do not reach from each series' first value over the horizon.
    pub(super) fn check(&self, series: &[&[f64]], horizon: usize) -> Result<(), ForecastError> {
        self.check_series(series.len())?;
        for (values, rows) in series.iter().zip(&self.series) {
            let expected = values.len() + horizon;
            let found = rows.len() / self.columns.len().max(1);
            if found < expected {
                let what = "periods of regressors, past and horizon,";
                return Err(ForecastError::Shape { what, expected, found });
            }
        }
        Ok(())
    }

    /// Refuses columns of more or fewer series.
    pub(super) fn check_series(&self, expected: usize) -> Result<(), ForecastError> {
        let found = self.series.len();
        if expected != found {
            return Err(ForecastError::Shape { what: "series of regressors", expected, found });
        }
        Ok(())
    }

    /// The rows of a series from one of its periods on.
    pub(super) fn rows(&self, series: usize, from: usize) -> &[f64] {
        let rows = self.series.get(series).map(Vec::as_slice).unwrap_or_default();
        rows.get(from * self.columns.len()..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Regressor> {
        let column = |name: &str, kind| Regressor { name: name.to_owned(), kind };
        vec![column("promotion", RegressorKind::Indicator), column("price", RegressorKind::Price)]
    }

    #[test]
    fn prices_are_kept_as_logarithms() {
        let found = Regressors::new(columns(), vec![vec![0.0, 1.0, 1.0, 2.0]]).unwrap();
        assert_eq!(found.rows(0, 0), [0.0, 0.0, 1.0, 2.0_f64.ln()]);
        assert_eq!(found.rows(0, 1).len(), 2);
        assert!(found.rows(1, 0).is_empty() && found.rows(0, 9).is_empty());
        assert!(found.check(&[&[5.0]], 1).is_ok());
    }

    #[test]
    fn a_column_of_nothing_is_one_that_the_series_does_not_have() {
        let rows = vec![vec![1.0, f64::NAN, 0.0, f64::NAN], vec![f64::NAN, 2.0, 1.0, 2.0]];
        let refused = Regressors::new(columns(), rows.clone()).unwrap_err();
        assert!(matches!(refused, ForecastError::NotFinite { series: 1, period: 0, .. }));
        let found = Regressors::new(columns(), rows[..1].to_vec()).unwrap();
        assert_eq!((found.rows(0, 0), found.absent(0)), (&[1.0, 0.0, 0.0, 0.0][..], &[1][..]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |rows: Vec<Vec<f64>>| Regressors::new(columns(), rows).unwrap_err();
        assert_eq!(
            refused(vec![vec![0.0, 1.0], vec![1.0]]).to_string(),
            "regressors of a series must have 2 entries, got 1"
        );
        let free = refused(vec![vec![0.0, 1.0, 0.0, 0.0]]);
        assert_eq!(free, ForecastError::NotFinite { series: 0, period: 1, found: 0.0 });
        let short = Regressors::new(columns(), vec![vec![0.0, 1.0]]).unwrap();
        assert!(short.check(&[&[5.0]], 1).unwrap_err().to_string().contains("2 entries, got 1"));
        assert!(short.check(&[], 1).is_err());
    }
}
