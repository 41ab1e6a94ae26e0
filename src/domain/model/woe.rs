//! Weight of evidence: each column cut into bins, each bin replaced by its log odds against the
//! whole, as in credit scoring.
//!
//! ```text
//! WoE = ln(share of the non-events that lie in the bin / share of the events that lie in the bin)
//! share = (weight in the bin + 0.5) / (weight in all bins + 0.5 * number of bins)
//! ```
//!
//! (Siddiqi 2006, chapter 6, with additive smoothing, so that a pure bin stays finite.) A positive
//! value means that the event is rarer than on the whole: lower risk. A column's information value
//! is the sum over its bins of (share of non-events - share of events) times WoE; it is never
//! negative.

mod bins;
mod categorical;
mod monotone;
mod numeric;
mod score;

pub use self::score::Scorecard;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::bins::{Count, Outcomes, Totals};
use crate::model::{FitError, FitRun, PredictError};

const ALGORITHM: &str = "woe";

/// Added to the events and to the non-events of each bin.
pub const SMOOTHING: f64 = 0.5;

/// How numeric columns are first cut.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Binning {
    /// Into `max_bins` bins of equal weight.
    Quantile,
    /// Into up to 64 bins of equal weight; then the two neighbours whose merger loses least
    /// information value are merged until there are `max_bins`.
    Supervised,
}

/// Settings of [`Encoder::fit`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How numeric columns are first cut.
    pub binning: Binning,
    /// Most bins of a numeric column, missing values aside: 1 to 64.
    pub max_bins: usize,
    /// Least share of the weight that a bin holds, 0 to 0.5. A numeric bin that holds less, or only
    /// one outcome, joins the neighbour with the nearer event rate; smaller categories are pooled.
    /// Missing values keep their bin however few they are.
    pub min_bin_share: f64,
    /// Whether the event rate must rise or fall throughout a numeric column, missing values
    /// aside. The direction that keeps more information value is taken.
    pub monotone: bool,
}

/// Values of one column.
#[derive(Clone, Copy, Debug)]
pub enum Column<'a> {
    /// Numbers; NaN is a missing value.
    Numeric(&'a [f32]),
    /// Codes of categories. Give missing values a code of their own.
    Categorical(&'a [u32]),
}

/// One value to transform.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// A number; NaN is a missing value.
    Number(f32),
    /// The code of a category.
    Code(u32),
}

/// What falls into a bin.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Numbers up to and including this one and above the bin before; `None` for the last bin,
    /// which has no end.
    UpTo(Option<f32>),
    /// NaN.
    Missing,
    /// One category.
    Code(u32),
    /// Categories too rare for a bin, in ascending order. Codes that were not seen fall here too.
    Pooled(Vec<u32>),
}

/// One bin.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Bin {
    /// What falls into it.
    pub content: Content,
    /// Rows of the fit, whatever their weight.
    pub rows: usize,
    /// Their weight.
    pub weight: f64,
    /// Weight of the events among them.
    pub events: f64,
    /// Weight of evidence: above 0 where the event is rarer than on the whole.
    pub woe: f64,
    /// The bin's part of the information value.
    pub information: f64,
}

/// Bins of one column.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Encoding {
    /// Numeric bins in ascending order and then missing values; or categories by code and then
    /// the pool.
    pub bins: Vec<Bin>,
    /// Information value: the sum of the bins'.
    pub information: f64,
    numeric: bool,
}

/// The usual reading of an information value (Siddiqi 2006).
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// Below 0.02.
    None,
    /// 0.02 to 0.1.
    Weak,
    /// 0.1 to 0.3.
    Medium,
    /// 0.3 to 0.5.
    Strong,
    /// 0.5 or more: look for a leak of the outcome.
    Suspicious,
}

impl Strength {
    /// Reads an information value.
    pub fn of(information: f64) -> Self {
        match information {
            value if value >= 0.5 => Self::Suspicious,
            value if value >= 0.3 => Self::Strong,
            value if value >= 0.1 => Self::Medium,
            value if value >= 0.02 => Self::Weak,
            _ => Self::None,
        }
    }
}

/// Replaces values by their weights of evidence.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Encoder {
    /// In the order of the fitted columns.
    pub columns: Vec<Encoding>,
}

impl Encoder {
    /// Learns the bins of all columns, each on one thread of the current pool.
    ///
    /// # Errors
    /// When lengths disagree, a number is infinite, a weight is negative or not finite, a setting
    /// is out of range, the rows with weight have one outcome, or the run was cancelled.
    pub fn fit(
        columns: &[Column<'_>],
        target: &[bool],
        weights: Option<&[f64]>,
        settings: &Settings,
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        settings.check()?;
        check_columns(columns, target.len())?;
        let totals = Totals::of(target, weights)?;
        let encode = |column: &Column<'_>| {
            run.check()?;
            let bins = match *column {
                Column::Numeric(values) => {
                    numeric::bins(values, Outcomes { target, weights }, totals, settings)
                }
                Column::Categorical(codes) => {
                    let least = settings.min_bin_share * totals.weight();
                    categorical::bins(codes, Outcomes { target, weights }, least)
                }
            };
            Ok(Encoding::new(bins, totals, matches!(column, Column::Numeric(_))))
        };
        let columns = columns.par_iter().map(encode).collect::<Result<_, FitError>>()?;
        run.progress.report(ALGORITHM, 1.0);
        Ok(Self { columns })
    }

    /// Writes the weight of evidence of each cell. A missing value or category that the fit did
    /// not see and that has no bin gives 0: no evidence.
    ///
    /// # Errors
    /// When there are not as many cells or places as columns, or a cell is of the wrong kind.
    pub fn transform_row(&self, row: &[Cell], out: &mut [f64]) -> Result<(), PredictError> {
        let expected = self.columns.len();
        let refuse =
            |found: usize, detail: String| Err(PredictError::Columns { expected, found, detail });
        if row.len() != expected || out.len() != expected {
            let detail = format!("{} cells and {} places", row.len(), out.len());
            return refuse(row.len(), detail);
        }
        for (index, ((encoding, cell), out)) in self.columns.iter().zip(row).zip(out).enumerate() {
            let Some(woe) = encoding.woe(*cell) else {
                let kind = if encoding.numeric { "a number" } else { "the code of a category" };
                return refuse(row.len(), format!("column {index} is not {kind}"));
            };
            *out = woe;
        }
        Ok(())
    }
}

impl Encoding {
    fn new(bins: Vec<(Content, Count)>, totals: Totals, numeric: bool) -> Self {
        let count = bins.len();
        let bin = |(content, bin): (Content, Count)| {
            let (woe, information) = totals.evidence(&bin, count);
            let Count { rows, events, others } = bin;
            Bin { content, rows, weight: events + others, events, woe, information }
        };
        let bins: Vec<Bin> = bins.into_iter().map(bin).collect();
        let information = bins.iter().map(|bin| bin.information).sum();
        Self { bins, information, numeric }
    }

    /// Weight of evidence of `cell`; `None` when it is of the wrong kind.
    pub fn woe(&self, cell: Cell) -> Option<f64> {
        let bin = match (cell, self.numeric) {
            (Cell::Number(value), true) if value.is_nan() => {
                self.bins.last().filter(|bin| bin.content == Content::Missing)
            }
            (Cell::Number(value), true) => {
                let below = |bin: &Bin| match &bin.content {
                    Content::UpTo(Some(end)) => *end < value,
                    _ => false,
                };
                let bin = self.bins.get(self.bins.partition_point(below));
                bin.filter(|bin| matches!(bin.content, Content::UpTo(_)))
            }
            (Cell::Code(code), false) => self.of_code(code),
            _ => return None,
        };
        Some(bin.map_or(0.0, |bin| bin.woe))
    }

    fn of_code(&self, code: u32) -> Option<&Bin> {
        let before = |bin: &Bin| matches!(bin.content, Content::Code(other) if other < code);
        let bin = self.bins.get(self.bins.partition_point(before));
        let last = self.bins.last().filter(|bin| matches!(bin.content, Content::Pooled(_)));
        bin.filter(|bin| bin.content == Content::Code(code)).or(last)
    }
}

impl Settings {
    fn check(&self) -> Result<(), FitError> {
        if !(1..=numeric::MOST_BINS).contains(&self.max_bins) {
            return Err(FitError::Setting {
                name: "max_bins",
                expected: format!("1 to {}", numeric::MOST_BINS),
                found: self.max_bins.to_string(),
            });
        }
        if !(0.0..=0.5).contains(&self.min_bin_share) {
            return Err(FitError::Setting {
                name: "min_bin_share",
                expected: "a share between 0 and 0.5".to_owned(),
                found: self.min_bin_share.to_string(),
            });
        }
        Ok(())
    }
}

fn check_columns(columns: &[Column<'_>], rows: usize) -> Result<(), FitError> {
    for (index, column) in columns.iter().enumerate() {
        let (found, infinite) = match column {
            Column::Numeric(values) => {
                (values.len(), values.iter().position(|value| value.is_infinite()))
            }
            Column::Categorical(codes) => (codes.len(), None),
        };
        if found != rows {
            return Err(refused(format!(
                "column {index}: expected {rows} values, one per outcome, found {found}"
            )));
        }
        if let Some(row) = infinite {
            return Err(refused(format!(
                "row {row}, column {index}: expected a number or NaN, found infinity"
            )));
        }
    }
    Ok(())
}

fn refused(message: String) -> FitError {
    FitError::Algorithm { algorithm: ALGORITHM, message }
}

#[cfg(test)]
mod tests;
