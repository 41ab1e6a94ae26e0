//! The future of one series as a method sees it.

/// Mean and standard deviation of each coming period.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Path {
    /// Point forecasts.
    pub(super) mean: Vec<f64>,
    /// Standard deviations of the forecast errors by the method's own formula.
    pub(super) deviation: Vec<f64>,
}

impl Path {
    /// The same value in every period, with an error that does not grow.
    pub(super) fn level(value: f64, deviation: f64, horizon: usize) -> Self {
        Self { mean: vec![value; horizon], deviation: vec![deviation; horizon] }
    }

    /// Means and deviations multiplied.
    pub(super) fn scaled(mut self, factor: f64) -> Self {
        for value in self.mean.iter_mut().chain(&mut self.deviation) {
            *value *= factor;
        }
        self
    }

    /// No mean below zero.
    pub(super) fn at_least_zero(mut self) -> Self {
        for value in &mut self.mean {
            *value = value.max(0.0);
        }
        self
    }
}
