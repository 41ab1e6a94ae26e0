//! Whether an event follows: churn, propensity, and any yes-or-no question about rows.
//!
//! One estimator with several algorithms. Whatever learns, the answer is made in the same way: a
//! score in log-odds, a calibration fitted on later rows that turns it into a probability, a rank
//! within the population, and exact contributions of the columns to the score.

mod bins;

mod grow;
mod linear;
mod linfa_regression;
mod linfa_tree;
mod objective;
mod rules;
mod scorecard;
mod settings;
mod smartcore_forest;
mod stored;
mod trees;
mod validation;

pub use self::rules::{Condition, Rule};
pub use self::scorecard::{ColumnEvidence, column_evidence};
pub use self::settings::{ClassifierAlgorithm, ClassifierSettings};

use serde::{Deserialize, Serialize};

use self::linear::Linear;
use self::scorecard::Scorecard;
use self::stored::Stored;
use self::trees::Trees;
use super::preprocessing::{ColumnChoice, Standardizer, check_columns};
use super::probability::{Contribution, Prior, Probability, Scale, check_supervised, strongest};
use super::trees::Tree;
use super::{Calibration, CalibrationTrial, Estimator, FitError, FitRun, Model, PredictError};
use crate::dataset::{Dataset, FeatureMatrix, SupervisedData};

/// What learns, and from which columns.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassifierEstimator {
    /// Who learns.
    pub algorithm: ClassifierAlgorithm,
    /// Columns to use; transforms matter to the linear algorithms only.
    pub columns: Vec<ColumnChoice>,
    /// Hyper-parameters; each algorithm reads its own.
    pub settings: ClassifierSettings,
}

/// A fitted classifier.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "Stored")]
pub struct ClassifierModel {
    algorithm: ClassifierAlgorithm,
    /// All columns of the matrix it was fitted on, in order.
    input: Vec<String>,
    /// The levels of each categorical column among them; empty when there is none.
    levels: Vec<Vec<String>>,
    scorer: Scorer,
    verdict: Verdict,
    scale: Scale,
}

/// What turns a row into log-odds.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Scorer {
    Linear(Linear),
    Scorecard(Scorecard),
    Trees(Trees),
}

/// How a fit went.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether the algorithm reached what it was looking for.
    pub converged: bool,
    /// Iterations of the solver, or rounds, or trees.
    pub iterations: u64,
    /// What else has to be said: separated classes, collinear columns, chosen settings.
    pub notes: Vec<String>,
}

impl Estimator for ClassifierEstimator {
    type Data = SupervisedData;
    type Model = ClassifierModel;

    fn fit(&self, data: &SupervisedData, run: &FitRun<'_>) -> Result<ClassifierModel, FitError> {
        self.fit_and_calibrate(data, None, run)
    }
}

impl ClassifierEstimator {
    /// Fits on all rows, and calibrates by `scores`: log-odds that each row got from an estimator
    /// like this one that was fitted without it (the cross-validated calibration of Platt 1999).
    ///
    /// # Errors
    /// As [`Estimator::fit`]; and when there are more or fewer scores than rows.
    pub fn fit_calibrated_by(
        &self,
        rows: &Dataset,
        scores: &[f64],
        run: &FitRun<'_>,
    ) -> Result<ClassifierModel, FitError> {
        let data =
            SupervisedData { train: rows.clone(), calibration: rows.clone(), horizon_days: 0 };
        self.fit_and_calibrate(&data, Some(scores), run)
    }

    fn fit_and_calibrate(
        &self,
        data: &SupervisedData,
        later_scores: Option<&[f64]>,
        run: &FitRun<'_>,
    ) -> Result<ClassifierModel, FitError> {
        self.settings.check()?;
        run.check()?;
        check_supervised(data)?;
        let (scorer, verdict) = run.install(|| self.learn(data, run))?;
        let train_scores = scorer.scores(&data.train.features);
        let later_scores =
            later_scores.map_or_else(|| scorer.scores(&data.calibration.features), <[f64]>::to_vec);
        let scale = Scale::fit(data, &train_scores, &later_scores, run)?;
        let features = &data.train.features;
        Ok(ClassifierModel {
            algorithm: self.algorithm,
            input: features.columns().to_vec(),
            levels: features.all_levels().to_vec(),
            scorer,
            verdict,
            scale,
        })
    }

    fn learn(
        &self,
        data: &SupervisedData,
        run: &FitRun<'_>,
    ) -> Result<(Scorer, Verdict), FitError> {
        Ok(match self.algorithm {
            ClassifierAlgorithm::LogisticRegression | ClassifierAlgorithm::LinfaLogistic => {
                let (linear, verdict) = linear::fit(self, data, run)?;
                (Scorer::Linear(linear), verdict)
            }
            ClassifierAlgorithm::Scorecard => {
                let (card, verdict) = scorecard::fit(self, data, run)?;
                (Scorer::Scorecard(card), verdict)
            }
            _ => {
                let (trees, verdict) = trees::fit(self, data, run)?;
                (Scorer::Trees(trees), verdict)
            }
        })
    }
}

impl Scorer {
    fn scores(&self, matrix: &FeatureMatrix) -> Vec<f64> {
        match self {
            Self::Linear(linear) => linear.scores(matrix),
            Self::Scorecard(card) => matrix.iter_rows().map(|row| card.score(row)).collect(),
            Self::Trees(trees) => trees.scores(matrix),
        }
    }

    fn score(&self, row: &[f32]) -> f64 {
        match self {
            Self::Linear(linear) => linear.score(row),
            Self::Scorecard(card) => card.score(row),
            Self::Trees(trees) => trees.score(row),
        }
    }

    fn base(&self) -> f64 {
        match self {
            Self::Linear(linear) => linear.base(),
            Self::Scorecard(card) => card.base(),
            Self::Trees(trees) => trees.base(),
        }
    }

    /// What each column of the input adds, for each row.
    fn parts(&self, rows: &[&[f32]], width: usize) -> Vec<Vec<f64>> {
        match self {
            Self::Linear(linear) => rows.iter().map(|row| linear.parts(row, width)).collect(),
            Self::Scorecard(card) => rows.iter().map(|row| card.parts(row, width)).collect(),
            Self::Trees(trees) => trees.parts(rows, width),
        }
    }

    /// How much each column of the input matters, in any unit.
    fn weights(&self, width: usize) -> Vec<f64> {
        match self {
            Self::Linear(linear) => linear.weights(width),
            Self::Scorecard(card) => card.weights(width),
            Self::Trees(trees) => trees.weights(width),
        }
    }
}

impl Model for ClassifierModel {
    type Input = FeatureMatrix;
    type Output = Probability;

    fn predict(&self, input: &FeatureMatrix) -> Result<Vec<Probability>, PredictError> {
        check_columns(&self.input, input.columns())?;
        let scores = self.scorer.scores(input);
        Ok(scores.into_iter().map(|score| self.scale.answer(score)).collect())
    }
}

impl ClassifierModel {
    /// Who learned.
    pub fn algorithm(&self) -> ClassifierAlgorithm {
        self.algorithm
    }

    /// How the fit went.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Names of the columns of the matrix it was fitted on, in order.
    pub fn input_columns(&self) -> &[String] {
        &self.input
    }

    /// How scores become probabilities.
    pub fn calibration(&self) -> &Calibration {
        self.scale.calibration()
    }

    /// How the ways to calibrate did on rows of the later period that they were not fitted on;
    /// `identity` is before calibration. Empty for models that were fitted before this was kept.
    pub fn calibration_trials(&self) -> &[CalibrationTrial] {
        self.scale.trials()
    }

    /// The answer for a customer about whom nothing is known.
    pub fn prior(&self) -> Prior {
        self.scale.prior()
    }

    /// The scores of all rows before calibration, in log-odds.
    ///
    /// # Errors
    /// When the columns are not those of the fit.
    pub fn scores(&self, input: &FeatureMatrix) -> Result<Vec<f64>, PredictError> {
        check_columns(&self.input, input.columns())?;
        Ok(self.scorer.scores(input))
    }

    /// What the contributions of a row are relative to: the score of the average training row for
    /// linear algorithms, of a row without evidence for a scorecard, and the average score of the
    /// training rows for trees.
    pub fn base_score(&self) -> f64 {
        self.scorer.base()
    }

    /// The numbers that standardise the columns of a linear algorithm.
    pub fn standardizer(&self) -> Option<&Standardizer> {
        match &self.scorer {
            Scorer::Linear(linear) => Some(linear.standardizer()),
            Scorer::Scorecard(_) | Scorer::Trees(_) => None,
        }
    }

    /// Per column: name, change of the log-odds per standard deviation of the transformed column
    /// and its standard error where there is one. Empty unless the algorithm is linear.
    pub fn coefficients(&self) -> Vec<(String, f64, Option<f64>)> {
        match &self.scorer {
            Scorer::Linear(linear) => linear.coefficients(),
            Scorer::Scorecard(_) | Scorer::Trees(_) => Vec::new(),
        }
    }

    /// The columns that move this row's score most, at most `top`. All of them together add up to
    /// the row's score less [`ClassifierModel::base_score`]: exactly for linear algorithms, and by
    /// the Shapley values of the trees for the others.
    ///
    /// Empty for a row of another width, or one with an infinite value.
    pub fn explain(&self, row: &[f32], top: usize) -> Vec<Contribution> {
        self.explain_rows(&[row], top).pop().unwrap_or_default()
    }

    /// What [`ClassifierModel::explain`] says of each row. Many at once go through trees side by side,
    /// in much less time than one after the other.
    pub fn explain_rows(&self, rows: &[&[f32]], top: usize) -> Vec<Vec<Contribution>> {
        let is_sound = |row: &[f32]| {
            row.len() == self.input.len() && row.iter().all(|value| !value.is_infinite())
        };
        let sound: Vec<&[f32]> = rows.iter().copied().filter(|row| is_sound(row)).collect();
        let mut parts = self.scorer.parts(&sound, self.input.len()).into_iter();
        let explain = |row: &&[f32]| match is_sound(row) {
            true => self.named(row, &parts.next().unwrap_or_default(), top),
            false => Vec::new(),
        };
        rows.iter().map(explain).collect()
    }

    /// The strongest parts of a row's score, with column and value.
    fn named(&self, row: &[f32], parts: &[f64], top: usize) -> Vec<Contribution> {
        let named = |(at, contribution): (usize, f64)| {
            let value = *row.get(at)?;
            let levels = self.levels.get(at).filter(|_| value >= 0.0);
            Some(Contribution {
                column: self.input.get(at)?.clone(),
                value: f64::from(value),
                level: levels.and_then(|levels| levels.get(value as usize)).cloned(),
                contribution,
            })
        };
        strongest(parts, top).into_iter().filter_map(named).collect()
    }

    /// Share of each column in what the model uses, largest first: of the absolute standardised
    /// coefficients, of the information values, or of what splits gained.
    pub fn importance(&self) -> Vec<(String, f64)> {
        let weights = self.scorer.weights(self.input.len());
        let sum: f64 = weights.iter().sum();
        let named = self.input.iter().cloned().zip(weights);
        let mut shares: Vec<(String, f64)> = named
            .filter(|(_, weight)| *weight > 0.0)
            .map(|(name, weight)| (name, weight / sum))
            .collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        shares
    }

    /// The tree of an algorithm that grows a single one; its values are log-odds, and its columns
    /// are those that were chosen.
    pub fn tree(&self) -> Option<&Tree> {
        match &self.scorer {
            Scorer::Trees(trees) => trees.tree(),
            Scorer::Linear(_) | Scorer::Scorecard(_) => None,
        }
    }

    /// The calibrated probability for one row of the fitted matrix's width.
    pub fn probability(&self, row: &[f32]) -> f64 {
        self.scale.answer(self.scorer.score(row)).probability
    }

    /// The leaves of a single tree as rules, from left to right; every row meets exactly one of
    /// them. Empty for other algorithms.
    pub fn rules(&self) -> Vec<Rule> {
        match &self.scorer {
            Scorer::Trees(trees) => trees.rules(&self.input, &self.levels),
            Scorer::Linear(_) | Scorer::Scorecard(_) => Vec::new(),
        }
    }
}
