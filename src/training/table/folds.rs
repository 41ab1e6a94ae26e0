//! Stratified cross-validation: every row is judged by models that were fitted without it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Rivals, Validated, comparable};
use crate::dataset::{Dataset, SupervisedData};
use crate::metrics::{log_loss, roc_auc};
use crate::model::{
    Calibration, CalibrationWindow, ClassifierEstimator, Estimator as _, FitRun, NoProgress,
};
use crate::training::TrainingError;
use crate::training::evaluation::FoldEvaluation;

/// Fits on all rows; judges by `folds` parts with nearly equal shares of events, in which rows of
/// one key stay together.
pub(super) fn cross_validate(
    estimator: &ClassifierEstimator,
    rivals: &Rivals<'_>,
    data: Dataset,
    folds: usize,
    run: &FitRun<'_>,
) -> Result<Validated, TrainingError> {
    let parts = assign(&data, folds, run.seed);
    let scores = scores(estimator, &data, &parts, folds, run)?;
    let predicted = calibrated(&scores, &data, &parts, folds, run)?;
    let other = |estimator: &ClassifierEstimator| -> Result<Vec<f64>, TrainingError> {
        let scores = self::scores(estimator, &data, &parts, folds, run)?;
        calibrated(&scores, &data, &parts, folds, run)
    };
    let champion = match rivals.champion {
        None => None,
        Some(Err(reason)) => Some(Err(reason.clone())),
        Some(Ok(estimator)) => Some(comparable(other(estimator))?),
    };
    let strongest = other(&rivals.strongest)?;
    let evaluations = (0..folds).map(|fold| evaluation(fold, &parts, &data.target, &predicted));
    let folds = evaluations.collect();
    Ok(Validated {
        model: estimator.fit_calibrated_by(&data, &scores, run)?,
        predicted,
        strongest,
        champion,
        folds,
        base_rate: data.base_rate(),
        rows: data,
        snapshots: Vec::new(),
        train_dates: Vec::new(),
        calibration_dates: Vec::new(),
        holdout: None,
    })
}

/// The part of each row. Keys that have an event and keys that have none are dealt out by
/// themselves, in the order of a hash of their number.
fn assign(data: &Dataset, folds: usize, seed: u64) -> Vec<usize> {
    let key = |row: usize| data.groups.get(row).copied().unwrap_or(row as u64);
    let mut keys: Vec<(u64, bool)> = Vec::new();
    for (row, event) in data.target.iter().enumerate() {
        keys.push((key(row), *event));
    }
    // Of one key the entry with an event, if there is one, comes first and is kept.
    keys.sort_by_key(|(key, event)| (*key, !event));
    keys.dedup_by_key(|(key, _)| *key);
    let mut part = vec![0; keys.len()];
    for wanted in [true, false] {
        let of_kind = keys.iter().enumerate().filter(|(_, (_, event))| *event == wanted);
        let mut order: Vec<(u64, usize)> = of_kind
            .map(|(at, (key, _))| (xxh3_64_with_seed(&key.to_le_bytes(), seed), at))
            .collect();
        order.sort_unstable();
        // The second kind begins where the first ended, so that parts are of one size.
        let start = if wanted { 0 } else { keys.len() - order.len() };
        for (place, (_, at)) in order.into_iter().enumerate() {
            if let Some(part) = part.get_mut(at) {
                *part = (start + place) % folds;
            }
        }
    }
    let place = |row: usize| keys.binary_search_by_key(&key(row), |(key, _)| *key);
    let rows = 0..data.target.len();
    rows.map(|row| place(row).ok().and_then(|at| part.get(at)).copied().unwrap_or(0)).collect()
}

/// The log-odds of each row by a model that was fitted on the other parts.
fn scores(
    estimator: &ClassifierEstimator,
    data: &Dataset,
    parts: &[usize],
    folds: usize,
    run: &FitRun<'_>,
) -> Result<Vec<f64>, TrainingError> {
    let mut scores = vec![0.0; data.target.len()];
    // The fits of the parts would tell their own progress, each from its beginning.
    let quiet = FitRun { progress: &NoProgress, ..run.clone() };
    for fold in 0..folds {
        run.progress.report("cross-validate", fold as f64 / folds as f64);
        let (held, rest) = rows_of(parts, fold);
        let part = SupervisedData {
            train: data.select(&rest),
            calibration: data.select(&[]),
            horizon_days: 0,
        };
        let model = estimator.fit(&part, &quiet)?;
        let found = model.scores(&data.features.select_rows(&held))?;
        for (row, score) in held.iter().zip(found) {
            if let Some(slot) = scores.get_mut(*row) {
                *slot = score;
            }
        }
    }
    Ok(scores)
}

/// Probabilities from scores, each part by a curve that was fitted on the others.
fn calibrated(
    scores: &[f64],
    data: &Dataset,
    parts: &[usize],
    folds: usize,
    run: &FitRun<'_>,
) -> Result<Vec<f64>, TrainingError> {
    let mut probabilities = vec![0.0; scores.len()];
    let quiet = FitRun { progress: &NoProgress, ..run.clone() };
    for fold in 0..folds {
        let (held, rest) = rows_of(parts, fold);
        let of = |rows: &[usize]| -> Vec<f64> {
            rows.iter().filter_map(|row| scores.get(*row)).copied().collect()
        };
        let others = data.select(&rest);
        let window = CalibrationWindow {
            scores: &of(&rest),
            target: &others.target,
            weights: None,
            customers: Some(&others.groups).filter(|all| !all.is_empty()).map(Vec::as_slice),
        };
        let calibration = run.install(|| Calibration::choose(&window, &quiet))?.calibration;
        for (row, score) in held.iter().zip(of(&held)) {
            if let Some(slot) = probabilities.get_mut(*row) {
                *slot = calibration.apply(score);
            }
        }
    }
    Ok(probabilities)
}

/// The rows of a part, and all others.
fn rows_of(parts: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    (0..parts.len()).partition(|row| parts.get(*row) == Some(&fold))
}

fn evaluation(fold: usize, parts: &[usize], target: &[bool], predicted: &[f64]) -> FoldEvaluation {
    let rows = parts.iter().zip(target.iter().zip(predicted));
    let (target, predicted): (Vec<bool>, Vec<f64>) =
        rows.filter(|(part, _)| **part == fold).map(|(_, (event, p))| (*event, *p)).unzip();
    FoldEvaluation {
        rows: target.len(),
        positives: target.iter().filter(|event| **event).count(),
        roc_auc: roc_auc(&predicted, &target),
        log_loss: log_loss(&predicted, &target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::FeatureMatrix;

    #[test]
    fn parts_are_of_one_size_have_equal_shares_and_keep_keys_together() {
        let rows = 1_000;
        let names: std::sync::Arc<[String]> = ["x".to_owned()].into();
        let data = Dataset {
            features: FeatureMatrix::new(names, vec![0.0; rows]).unwrap(),
            target: (0..rows).map(|row| row % 10 == 0).collect(),
            snapshots: Vec::new(),
            groups: (0..rows as u64).map(|row| row / 2).collect(),
        };
        let parts = assign(&data, 5, 7);
        for fold in 0..5 {
            let (held, rest) = rows_of(&parts, fold);
            assert_eq!((held.len(), rest.len()), (200, 800));
            assert_eq!(data.select(&held).positives(), 20);
        }
        assert!(parts.chunks(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(assign(&data, 5, 7), parts);
        assert_ne!(assign(&data, 5, 8), parts);
    }
}
