//! The bins of a feature and how many rows fall into each.

use serde::{Deserialize, Serialize};

/// A feature as it was when the model was trained: bins of about equal share, as far as equal
/// values allow, and their rows. It is stored with the model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "StoredReference")]
pub struct ReferenceQuantiles {
    /// Largest value of each bin but the last, which has no end; rising.
    uppers: Vec<f64>,
    counts: BinCounts,
}

/// Rows per bin.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct BinCounts {
    bins: Vec<u64>,
    missing: u64,
}

impl ReferenceQuantiles {
    /// Most bins that can be asked for.
    pub const MOST_BINS: usize = 100;

    /// Cuts `values` into about `bins` bins of equal size. A value that fills a bin by itself gets
    /// one of its own, a point; when it is the smallest or largest value, the room beyond it is a
    /// bin without rows, so that new values there are noticed. What is left of a bin before a
    /// point goes to the bin before when it has less than half a bin's rows.
    ///
    /// A value that is not finite counts as missing. `None` without rows and unless `bins` is 2 to
    /// [`ReferenceQuantiles::MOST_BINS`].
    pub fn of(values: impl IntoIterator<Item = f64>, bins: usize) -> Option<Self> {
        if !(2..=Self::MOST_BINS).contains(&bins) {
            return None;
        }
        let (mut known, mut missing) = (Vec::new(), 0);
        for value in values {
            if value.is_finite() { known.push(value) } else { missing += 1 }
        }
        // Adding zero turns -0 into 0, which is the same value.
        known.iter_mut().for_each(|value| *value += 0.0);
        known.sort_by(f64::total_cmp);
        let mut cutting = Cutting { size: known.len() as f64 / bins as f64, ..Cutting::default() };
        for ties in known.chunk_by(|a, b| a == b) {
            if let Some(value) = ties.first() {
                cutting.add(*value, ties.len() as u64);
            }
        }
        let (uppers, bins) = cutting.finish();
        let counts = BinCounts { bins, missing };
        (counts.rows() > 0).then_some(Self { uppers, counts })
    }

    /// Rows per bin of the reference itself.
    pub fn counts(&self) -> &BinCounts {
        &self.counts
    }

    /// Largest value of each bin but the last, which has no end; rising.
    pub fn uppers(&self) -> &[f64] {
        &self.uppers
    }

    /// Counts to which rows can be added.
    pub fn no_rows(&self) -> BinCounts {
        BinCounts { bins: vec![0; self.counts.bins.len()], missing: 0 }
    }

    /// The bins of `values`.
    pub fn count(&self, values: impl IntoIterator<Item = f64>) -> BinCounts {
        let mut counts = self.no_rows();
        for value in values {
            self.add(value, &mut counts);
        }
        counts
    }

    /// Adds one row to `counts`, which belong to this reference.
    pub fn add(&self, value: f64, counts: &mut BinCounts) {
        let bin = self.uppers.partition_point(|upper| *upper < value);
        let rows = if value.is_finite() { counts.bins.get_mut(bin) } else { None };
        let rows = rows.unwrap_or(&mut counts.missing);
        *rows = rows.saturating_add(1);
    }
}

impl BinCounts {
    /// Bins, without the one of missing values.
    pub fn bins(&self) -> usize {
        self.bins.len()
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.cells().fold(0, u64::saturating_add)
    }

    /// Share of missing values, 0 to 1; 0 without rows.
    pub fn missing_share(&self) -> f64 {
        self.missing as f64 / self.rows().max(1) as f64
    }

    /// Rows of each bin, and of missing values last.
    pub fn cells(&self) -> impl Iterator<Item = u64> + '_ {
        self.bins.iter().copied().chain([self.missing])
    }

    /// Adds the rows of other counts of the same reference.
    pub fn merge(&mut self, other: &Self) {
        for (rows, more) in self.bins.iter_mut().zip(&other.bins) {
            *rows = rows.saturating_add(*more);
        }
        self.missing = self.missing.saturating_add(other.missing);
    }
}

#[derive(Default)]
struct Cutting {
    /// Rows of a full bin.
    size: f64,
    /// Bins so far: largest value and rows.
    bins: Vec<(f64, u64)>,
    /// The bin that is being filled.
    open: Option<(f64, u64)>,
    /// Whether the last bin is a point.
    after_point: bool,
}

impl Cutting {
    /// Adds the next larger value and its rows.
    fn add(&mut self, value: f64, rows: u64) {
        if rows as f64 >= self.size && rows > 1 {
            self.point(value, rows);
            return;
        }
        let filled = self.open.map_or(0, |open| open.1) + rows;
        if filled as f64 >= self.size {
            self.bins.push((value, filled));
            (self.open, self.after_point) = (None, false);
        } else {
            self.open = Some((value, filled));
        }
    }

    /// Closes the bin before `value`, even an empty one at the very beginning, and adds a point.
    fn point(&mut self, value: f64, rows: u64) {
        let before = value.next_down();
        let open = self.open.take().map_or(0, |open| open.1);
        let first = self.bins.is_empty();
        match self.bins.last_mut() {
            Some(last) if !self.after_point && (open as f64) < self.size / 2.0 => {
                *last = (before, last.1 + open);
            }
            _ if open > 0 || (first && before.is_finite()) => self.bins.push((before, open)),
            _ => {}
        }
        self.bins.push((value, rows));
        self.after_point = true;
    }

    /// The ends of all bins but the last, and the rows of all.
    fn finish(mut self) -> (Vec<f64>, Vec<u64>) {
        match self.open {
            Some((_, rows)) if !self.after_point && (rows as f64) < self.size / 2.0 => {
                match self.bins.last_mut() {
                    Some(last) => last.1 += rows,
                    None => self.bins.push((0.0, rows)),
                }
            }
            Some(open) => self.bins.push(open),
            None if self.after_point || self.bins.is_empty() => self.bins.push((0.0, 0)),
            None => {}
        }
        let counts = self.bins.iter().map(|bin| bin.1).collect();
        self.bins.pop();
        (self.bins.into_iter().map(|bin| bin.0).collect(), counts)
    }
}

#[derive(Deserialize)]
struct StoredReference {
    uppers: Vec<f64>,
    counts: BinCounts,
}

impl TryFrom<StoredReference> for ReferenceQuantiles {
    type Error = &'static str;

    fn try_from(stored: StoredReference) -> Result<Self, Self::Error> {
        let StoredReference { uppers, counts } = stored;
        let rising = uppers.is_sorted_by(|a, b| a < b) && uppers.iter().all(|u| u.is_finite());
        let fits = counts.bins.len() == uppers.len() + 1;
        let good = rising && fits && counts.rows() > 0;
        if good { Ok(Self { uppers, counts }) } else { Err("bins that do not fit their ends") }
    }
}
