//! Division by time: the earliest rows are learned from, the latest are only judged.

use std::ops::Range;
use std::slice::from_ref;

use super::file::{Cases, TableError};
use super::{Rivals, Validated, answers, comparable};
use crate::dataset::{Dataset, Snapshot, SupervisedData};
use crate::model::{ClassifierEstimator, ClassifierModel, Estimator as _, FitRun};
use crate::training::TrainingError;
use crate::training::evaluation::SnapshotEvaluation;
use crate::training::recipe::TableRecipe;
use crate::transaction::Timestamp;

/// Shares of the rows, in order of time, at which the parts end: two of the fit, of which the
/// second chooses settings, the calibration; the hold-out is the rest.
const ENDS: [f64; 3] = [0.45, 0.6, 0.8];

/// Fits on the earlier rows; judges on the latest fifth.
pub(super) fn divide(
    estimator: &ClassifierEstimator,
    rivals: &Rivals<'_>,
    cases: Cases,
    recipe: &TableRecipe,
    run: &FitRun<'_>,
) -> Result<Validated, TrainingError> {
    let parts = parts(&cases.times, recipe.horizon_days);
    let [first, second, calibration, holdout] = parts;
    let part = |ranges: &[Range<usize>]| named(&cases, ranges);
    let data = SupervisedData {
        train: part(&[first.clone(), second.clone()]),
        calibration: part(from_ref(&calibration)),
        horizon_days: recipe.horizon_days,
    };
    let rows = part(from_ref(&holdout));
    if [&data.train, &data.calibration, &rows].iter().any(|part| part.target.is_empty()) {
        let column = recipe.time.clone().unwrap_or_default();
        return Err(TableError::Times { column }.into());
    }
    let model = estimator.fit(&data, run)?;
    let predicted = super::probabilities_of(&model, &rows)?;
    let champion = match rivals.champion {
        None => None,
        Some(Err(reason)) => Some(Err(reason.clone())),
        Some(Ok(estimator)) => Some(comparable(answers(estimator, &data, &rows, run))?),
    };
    let date = |range: &Range<usize>| cases.times.get(range.start).copied();
    let roles = [("fit", &data.train), ("calibration", &data.calibration), ("holdout", &rows)];
    let mut snapshots = Vec::new();
    for (role, part) in roles {
        for snapshot in &part.snapshots {
            snapshots.push(evaluation(role, part, snapshot, &model)?);
        }
    }
    Ok(Validated {
        strongest: answers(&rivals.strongest, &data, &rows, run)?,
        predicted,
        champion,
        folds: Vec::new(),
        snapshots,
        train_dates: [&first, &second].into_iter().filter_map(date).collect(),
        calibration_dates: date(&calibration).into_iter().collect(),
        holdout: date(&holdout),
        base_rate: data.train.base_rate(),
        rows,
        model,
    })
}

/// The rows of the four parts, none of which divides rows of one instant; rows whose outcome was
/// not known when the next part began are in none.
fn parts(times: &[Timestamp], horizon_days: u32) -> [Range<usize>; 4] {
    let start_of = |share: f64| {
        let at = (times.len() as f64 * share) as usize;
        let time = times.get(at);
        times.partition_point(|other| Some(other) < time)
    };
    let [second, calibration, holdout] = ENDS.map(start_of);
    let known_by = |start: usize, end: usize| {
        let closed = |time: &Timestamp| {
            times.get(end).is_some_and(|next| time.plus_days(i64::from(horizon_days)) <= *next)
        };
        let last = times.partition_point(closed).min(end);
        start..last.max(start)
    };
    [
        known_by(0, second),
        known_by(second, calibration),
        known_by(calibration, holdout),
        holdout..times.len(),
    ]
}

/// The rows of some parts, each of them a snapshot of its first instant.
fn named(cases: &Cases, ranges: &[Range<usize>]) -> Dataset {
    let rows: Vec<usize> = ranges.iter().cloned().flatten().collect();
    let mut data = cases.data.select(&rows);
    let mut start = 0;
    for range in ranges.iter().filter(|range| !range.is_empty()) {
        if let Some(as_of) = cases.times.get(range.start).copied() {
            let rows = start..start + range.len();
            start = rows.end;
            data.snapshots.push(Snapshot { as_of, rows });
        }
    }
    data
}

fn evaluation(
    role: &str,
    part: &Dataset,
    snapshot: &Snapshot,
    model: &ClassifierModel,
) -> Result<SnapshotEvaluation, TrainingError> {
    let rows: Vec<usize> = snapshot.rows.clone().collect();
    let part = part.select(&rows);
    let predicted = super::probabilities_of(model, &part)?;
    Ok(SnapshotEvaluation::of(snapshot.as_of, role, &part.target, &predicted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_in_time_share_no_instant_and_keep_the_horizon_free() {
        let day = |day: i64| Timestamp::from_micros(0).plus_days(day);
        // Ten rows a day.
        let times: Vec<Timestamp> = (0..1_000).map(|row| day(row / 10)).collect();
        let [first, second, calibration, holdout] = parts(&times, 7);
        assert_eq!(holdout, 800..1_000);
        for (earlier, later) in
            [(&first, &second), (&second, &calibration), (&calibration, &holdout)]
        {
            let last = times[earlier.end - 1];
            assert!(!earlier.is_empty() && last.plus_days(7) <= times[later.start]);
        }
        let one_instant = vec![day(1); 50];
        assert!(parts(&one_instant, 0)[..3].iter().all(Range::is_empty));
    }
}
