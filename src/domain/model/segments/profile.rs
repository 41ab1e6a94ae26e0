//! What each cluster looks like.

use super::points::squared_distance;
use crate::dataset::FeatureMatrix;
use crate::model::preprocessing::Standardizer;
use crate::model::{FitError, FitRun};

/// All clusters of a fit, in the order of the fit.
pub(super) struct Profile {
    pub(super) clusters: Vec<Cluster>,
}

pub(super) struct Cluster {
    /// Standardised centre: how many standard deviations above the population, per column.
    pub(super) centre: Vec<f64>,
    pub(super) size: u64,
    pub(super) share: f64,
    /// Medians in raw units; the centre for a cluster without rows.
    pub(super) medians: Vec<f64>,
    /// Root mean square distance of its rows to the centre.
    pub(super) radius: f64,
}

impl Profile {
    /// `labels` names the cluster of each row of `data`; `centres` is clusters x columns.
    pub(super) fn of(
        standardizer: &Standardizer,
        data: &FeatureMatrix,
        centres: &[f64],
        labels: &[usize],
        run: &FitRun<'_>,
    ) -> Result<Self, FitError> {
        let mut members = vec![Vec::new(); centres.len() / standardizer.width().max(1)];
        for (row, label) in labels.iter().enumerate() {
            if let Some(rows) = members.get_mut(*label) {
                rows.push(row);
            }
        }
        let centres = centres.chunks_exact(standardizer.width().max(1));
        let cluster = |(centre, rows): (&[f64], Vec<usize>)| {
            run.check()?;
            Ok(Cluster::of(standardizer, data, centre, &rows))
        };
        let clusters = centres.zip(members).map(cluster);
        Ok(Self { clusters: clusters.collect::<Result<_, FitError>>()? })
    }
}

impl Cluster {
    fn of(
        standardizer: &Standardizer,
        data: &FeatureMatrix,
        centre: &[f64],
        rows: &[usize],
    ) -> Self {
        let mut columns = vec![Vec::with_capacity(rows.len()); standardizer.width()];
        let mut squares = 0.0;
        for row in rows {
            let row = data.row(*row);
            let point: Vec<f64> = standardizer.transform_row(row).collect();
            squares += squared_distance(&point, centre);
            for (column, value) in columns.iter_mut().zip(standardizer.raw(row)) {
                column.push(value);
            }
        }
        let typical = standardizer.invert(centre);
        let medians = columns.into_iter().zip(typical);
        let count = rows.len() as f64;
        Self {
            centre: centre.to_vec(),
            size: rows.len() as u64,
            share: count / (data.rows() as f64).max(1.0),
            medians: medians.map(|(column, centre)| median(column).unwrap_or(centre)).collect(),
            radius: (squares / count.max(1.0)).sqrt(),
        }
    }
}

/// The middle value, or the mean of the two in the middle.
pub(in crate::model) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get(values.len().checked_sub(1)? / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_even_odd_and_none() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
