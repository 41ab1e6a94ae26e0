use std::path::Path;

use proptest::prelude::*;

use super::{Fit, Rows, Settings, fit};
use crate::model::{CancelToken, FitError, FitRun};

const PLAIN: Settings = Settings { l2: 0.0, l1: 0.0, max_iterations: 100, tolerance: 1e-10 };

/// statsmodels 0.15.0, Logit on Telco with the charges rounded to `f32`: coefficients, the
/// intercept first, and standard errors.
const STATSMODELS: ([f64; 7], [f64; 7]) = (
    [
        -1.350746616,
        -0.0327206616,
        0.01435414,
        -0.8789469123,
        -1.7411183319,
        0.7038232565,
        0.5284414717,
    ],
    [
        0.1049676761,
        0.0020713667,
        0.0023045462,
        0.1025208742,
        0.1683123751,
        0.1183048123,
        0.0668895496,
    ],
);

/// statsmodels 0.15.0, GLM on Telco with frequency weights 1, 2, 3, 1, ...
const WEIGHTED: ([f64; 7], [f64; 7], f64) = (
    [
        -1.3753574538,
        -0.0345319453,
        0.0156181845,
        -0.868441776,
        -1.7696360242,
        0.7141882021,
        0.4799645938,
    ],
    [
        0.0752195387,
        0.0014735814,
        0.0016394047,
        0.0724375451,
        0.121897942,
        0.0834054623,
        0.047337935,
    ],
    -6_016.441824148551,
);

/// scikit-learn 1.9.1, saga to 1e-12, standardised Telco, l1 50 and l2 20.
const ELASTIC_NET: [f64; 7] = [
    -1.4553360821,
    -0.7236658105,
    0.2836679931,
    -0.286190879,
    -0.5539429667,
    0.3968841047,
    0.2412446422,
];

/// Uniform in 0..1, the same on every machine.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Rows of centred values and outcomes with slopes 1, -1, 0, 1, ...
    fn sample(&mut self, rows: usize, width: usize) -> (Vec<f32>, Vec<bool>) {
        let (mut values, mut target) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let row: Vec<f64> = (0..width).map(|_| 3.4 * (self.uniform() - 0.5)).collect();
            let slopes = [1.0, -1.0, 0.0].iter().cycle();
            let eta: f64 = row.iter().zip(slopes).take(6).map(|(x, b)| x * b).sum();
            target.push(self.uniform() < 1.0 / (1.0 + (1.0 - eta).exp()));
            values.extend(row.iter().map(|x| *x as f32));
        }
        (values, target)
    }
}

fn quiet(values: &[f32], width: usize, target: &[bool], settings: &Settings) -> Fit {
    fit(Rows { values, width }, target, None, settings, &FitRun::quiet(1)).unwrap()
}

/// Gradient of the unpenalised loss, by plain sums.
fn gradient(fit: &Fit, values: &[f32], target: &[bool]) -> Vec<f64> {
    let width = fit.coefficients.len();
    let mut sums = vec![0.0; width + 1];
    for (row, event) in values.chunks(width).zip(target) {
        let residual = 1.0 / (1.0 + (-fit.log_odds(row)).exp()) - f64::from(u8::from(*event));
        sums[0] += residual;
        sums[1..].iter_mut().zip(row).for_each(|(sum, x)| *sum += residual * f64::from(*x));
    }
    sums
}

fn near(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} {expected}");
}

fn telco() -> (Vec<f32>, Vec<bool>) {
    let file = "../../tests/data/telco_churn/telco_churn.csv";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(file).unwrap();
    let (mut values, mut target) = (Vec::new(), Vec::new());
    for line in text.lines().skip(1) {
        let row: Vec<&str> = line.split(',').collect();
        let is = |field: usize, text: &str| f32::from(u8::from(row[field] == text));
        values.extend(row[..2].iter().map(|field| field.parse::<f32>().unwrap()));
        values.extend([is(2, "One year"), is(2, "Two year")]);
        values.extend([is(3, "Fiber optic"), is(4, "Electronic check")]);
        target.push(row[5] == "Yes");
    }
    (values, target)
}

#[test]
fn telco_agrees_with_statsmodels() {
    let (values, target) = telco();
    let found = quiet(&values, 6, &target, &PLAIN);
    assert!(found.converged && found.separation.is_none() && found.collinear.is_empty());
    near(found.log_likelihood, -3_020.1926612237094, 1e-8);
    // With the charges in `f64`.
    near(found.log_likelihood, -3_020.192_660_657, 1e-6);
    near(found.intercept, STATSMODELS.0[0], 1e-8);
    let errors = found.standard_errors.unwrap();
    near(errors.intercept, STATSMODELS.1[0], 1e-8);
    for column in 0..6 {
        near(found.coefficients[column], STATSMODELS.0[column + 1], 1e-8);
        near(errors.coefficients[column].unwrap(), STATSMODELS.1[column + 1], 1e-8);
    }
}

#[test]
fn weights_are_repetitions() {
    let (values, target) = telco();
    let weights: Vec<f64> = (0..target.len()).map(|row| 1.0 + (row % 3) as f64).collect();
    let rows = Rows { values: &values, width: 6 };
    let found = fit(rows, &target, Some(&weights), &PLAIN, &FitRun::quiet(1)).unwrap();
    near(found.log_likelihood, WEIGHTED.2, 1e-7);
    near(found.intercept, WEIGHTED.0[0], 1e-8);
    let errors = found.standard_errors.unwrap();
    for column in 0..6 {
        near(found.coefficients[column], WEIGHTED.0[column + 1], 1e-8);
        near(errors.coefficients[column].unwrap(), WEIGHTED.1[column + 1], 1e-8);
    }
    // A row without weight is as good as none, whatever is in it.
    let mut more = values.clone();
    more.extend([1e30; 6]);
    let mut targets = target.clone();
    targets.push(true);
    let mut zero = weights.clone();
    zero.push(0.0);
    let rows = Rows { values: &more, width: 6 };
    let same = fit(rows, &targets, Some(&zero), &PLAIN, &FitRun::quiet(1)).unwrap();
    assert!(same.converged);
    near(same.coefficients[0], WEIGHTED.0[1], 1e-8);
}

#[test]
fn penalty_is_that_of_scikit_learn() {
    // By symmetry the optimum solves 10 (sigmoid(b) - 0.8) + l2 b + l1 sign(b) = 0.
    let values = [[-1.0_f32; 5], [1.0; 5]].concat();
    let target = [true, false, false, false, false, true, true, true, true, false];
    for (l2, l1) in [(0.0, 0.0), (1.0, 0.0), (10.0, 0.0), (0.0, 0.5), (2.0, 1.0), (0.0, 3.1)] {
        let settings = Settings { l2, l1, ..PLAIN };
        let found = quiet(&values, 1, &target, &settings);
        let slope = found.coefficients[0];
        assert!(found.converged && found.standard_errors.is_some() == (l1 == 0.0));
        near(found.intercept, 0.0, 1e-9);
        if l1 > 3.0 {
            assert_eq!(slope, 0.0);
        } else {
            near(10.0 * (1.0 / (1.0 + (-slope).exp()) - 0.8) + l2 * slope + l1, 0.0, 1e-8);
        }
    }
}

#[test]
fn elastic_net_agrees_with_scikit_learn() {
    let (mut values, target) = telco();
    let count = target.len() as f64;
    for column in 0..6 {
        let cells = || values.iter().skip(column).step_by(6).map(|value| f64::from(*value));
        let mean = cells().sum::<f64>() / count;
        let scale = (cells().map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
        let cells = values.iter_mut().skip(column).step_by(6);
        cells.for_each(|value| *value = ((f64::from(*value) - mean) / scale) as f32);
    }
    let found = quiet(&values, 6, &target, &Settings { l2: 20.0, l1: 50.0, ..PLAIN });
    assert!(found.converged);
    near(found.intercept, ELASTIC_NET[0], 1e-7);
    for (found, expected) in found.coefficients.iter().zip(&ELASTIC_NET[1..]) {
        near(*found, *expected, 1e-7);
    }
}

#[test]
fn conditions_of_the_optimum_hold_for_every_method() {
    let (rows, width) = (900, 280);
    let (values, target) = Draws(5).sample(rows, width);
    let narrow: Vec<f32> = values.chunks(width).flat_map(|row| &row[..20]).copied().collect();
    for (values, width) in [(&narrow, 20), (&values, width)] {
        for (l2, l1) in [(3.0, 0.0), (0.0, 12.0), (5.0, 8.0)] {
            let settings = Settings { l2, l1, tolerance: 1e-9, ..PLAIN };
            let found = quiet(values, width, &target, &settings);
            assert!(found.converged, "{width} {l2} {l1} {found:?}");
            let gradient = gradient(&found, values, &target);
            near(gradient[0], 0.0, 1e-6);
            for (slope, gradient) in found.coefficients.iter().zip(&gradient[1..]) {
                if *slope == 0.0 {
                    assert!(gradient.abs() <= l1 + 1e-6, "{gradient}");
                } else {
                    near(gradient + l2 * slope + l1 * slope.signum(), 0.0, 1e-6);
                }
            }
            let zeros = found.coefficients.iter().filter(|slope| **slope == 0.0).count();
            assert_eq!(zeros > 0, l1 > 0.0);
        }
    }
}

#[test]
fn wide_and_dense_agree_without_penalty() {
    let (values, target) = Draws(6).sample(3_000, 5);
    let dense = quiet(&values, 5, &target, &PLAIN);
    // The same columns beside constant ones, which make it wide.
    let mut padded = Vec::new();
    for row in values.chunks(5) {
        padded.extend(row);
        padded.extend([0.0; 300]);
    }
    let wide = quiet(&padded, 305, &target, &PLAIN);
    assert!(dense.converged && wide.converged && wide.standard_errors.is_none());
    near(wide.log_likelihood, dense.log_likelihood, 1e-9);
    let pairs = wide.coefficients.iter().zip(&dense.coefficients);
    pairs.for_each(|(wide, dense)| near(*wide, *dense, 1e-6));
    assert!(wide.coefficients[5..].iter().all(|slope| *slope == 0.0));
}

#[test]
fn collinear_columns_are_held_and_named() {
    let (values, target) = Draws(7).sample(2_000, 3);
    let plain = quiet(&values, 3, &target, &PLAIN);
    let mut wider = Vec::new();
    for row in values.chunks(3) {
        // A constant, a column, its double, a column, a sum of two, a column, zeros.
        wider.extend([5.0, row[0], 2.0 * row[0], row[1], row[0] - row[1], row[2], 0.0]);
    }
    let found = quiet(&wider, 7, &target, &PLAIN);
    assert!(found.converged);
    assert_eq!(found.collinear, [0, 2, 4, 6]);
    near(found.log_likelihood, plain.log_likelihood, 1e-9);
    for (column, expected) in [(1, 0), (3, 1), (5, 2)] {
        near(found.coefficients[column], plain.coefficients[expected], 1e-7);
    }
    assert_eq!(found.standard_errors.unwrap().coefficients[2], None);
    // A penalty shares the weight instead.
    let shared = quiet(&wider, 7, &target, &Settings { l2: 1e-3, ..PLAIN });
    assert!(shared.converged && shared.collinear.is_empty());
    near(shared.coefficients[2], 2.0 * shared.coefficients[1], 0.2);
    near(shared.log_likelihood, plain.log_likelihood, 1e-3);
}

#[test]
fn complete_separation_ends_and_is_named() {
    let mut draws = Draws(8);
    let (mut values, _) = draws.sample(500, 2);
    values.iter_mut().step_by(2).for_each(|x| *x += 0.1_f32.copysign(*x));
    let target: Vec<bool> = values.chunks(2).map(|row| row[0] > 0.0).collect();
    let found = quiet(&values, 2, &target, &PLAIN);
    assert!(!found.converged && found.standard_errors.is_none());
    let separation = found.separation.unwrap();
    assert!(separation.complete);
    assert_eq!(separation.columns[0], 0);
    let penalised = quiet(&values, 2, &target, &Settings { l2: 0.1, ..PLAIN });
    assert!(penalised.converged && penalised.separation.is_none());
    // Wider than there are rows.
    let (values, target) = draws.sample(100, 400);
    let found = quiet(&values, 400, &target, &PLAIN);
    assert!(found.separation.unwrap().complete);
}

#[test]
fn few_separated_rows_among_many_are_found() {
    // Forty customers with a flag all left; the rest overlap. A loose tolerance is met at once.
    let (values, mut target) = Draws(9).sample(40_000, 3);
    let mut wider = Vec::new();
    for (index, row) in values.chunks(3).enumerate() {
        let flag = index % 1_000 == 0;
        wider.extend([row[0], f32::from(u8::from(flag)), row[1], row[2]]);
        target[index] |= flag;
    }
    for tolerance in [1e-3, 1e-10] {
        let settings = Settings { tolerance, ..PLAIN };
        let found = quiet(&wider, 4, &target, &settings);
        assert!(!found.converged, "{found:?}");
        let separation = found.separation.unwrap();
        assert!(!separation.complete);
        assert_eq!(separation.columns, [1]);
        assert!(found.iterations < 40 && found.coefficients[1] > 5.0);
    }
}

#[test]
fn threads_change_no_bit() {
    let (values, target) = Draws(10).sample(40_000, 5);
    let (wide, targets) = Draws(11).sample(2_000, 300);
    let bytes = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let penalties = [(0.0, 0.0), (1.0, 0.0), (0.0, 20.0)];
            let fits = penalties.map(|(l2, l1)| {
                let settings = Settings { l2, l1, tolerance: 1e-8, ..PLAIN };
                let wide = (l2 + l1 > 0.0).then(|| quiet(&wide, 300, &targets, &settings));
                (quiet(&values, 5, &target, &settings), wide)
            });
            serde_json::to_string(&fits).unwrap()
        })
    };
    let one = bytes(1);
    assert_eq!(one, bytes(2));
    assert_eq!(one, bytes(3));
}

#[test]
fn bad_input_is_refused_by_name() {
    let run = FitRun::quiet(1);
    let target = [true, false, true];
    let refused = |values: &[f32], width, weights: Option<&[f64]>| {
        let rows = Rows { values, width };
        fit(rows, &target, weights, &PLAIN, &run).unwrap_err().to_string()
    };
    let ok = [1.0, 2.0, 2.0, 1.0, 0.0, 3.0];
    assert_eq!(
        refused(&[1.0, 2.0, 2.0, f32::NAN, 0.0, 3.0], 2, None),
        "logistic: row 1, column 1: expected a finite number, found NaN"
    );
    assert!(refused(&ok[..5], 2, None).contains("3 rows of 2 values for 3 outcomes, found 5"));
    assert!(refused(&[], 0, None).contains("columns"));
    assert!(refused(&ok, usize::MAX, None).contains("found 6 values"));
    assert!(refused(&ok, 2, Some(&[1.0])).contains("3 weights, one per row, found 1"));
    assert!(refused(&ok, 2, Some(&[1.0, -1.0, 1.0])).contains("weight of row 1"));
    assert!(refused(&ok, 2, Some(&[0.0; 3])).contains("every weight is 0"));
    assert!(refused(&ok, 2, Some(&[f64::MAX; 3])).contains("infinity"));
    assert_eq!(
        fit(Rows { values: &ok, width: 2 }, &target, Some(&[1.0, 0.0, 1.0]), &PLAIN, &run),
        Err(FitError::OneClass { rows: 3, outcome: true })
    );
    let empty = fit(Rows { values: &[], width: 2 }, &[], None, &PLAIN, &run);
    assert!(matches!(empty, Err(FitError::TooFew { what: "rows", .. })));
    for settings in [
        Settings { l2: -1.0, ..PLAIN },
        Settings { l1: f64::NAN, ..PLAIN },
        Settings { max_iterations: 0, ..PLAIN },
        Settings { tolerance: 0.0, ..PLAIN },
    ] {
        let found = fit(Rows { values: &ok, width: 2 }, &target, None, &settings, &run);
        assert!(matches!(found, Err(FitError::Setting { .. })), "{found:?}");
    }
}

#[test]
fn a_cancelled_run_ends() {
    let cancel = CancelToken::default();
    cancel.cancel();
    let run = FitRun { cancel, ..FitRun::quiet(1) };
    let (values, target) = Draws(1).sample(100, 300);
    for (width, l1) in [(1, 0.0), (1, 1.0), (300, 0.0), (300, 1.0)] {
        let values: Vec<f32> = values.chunks(300).flat_map(|row| &row[..width]).copied().collect();
        let settings = Settings { l1, ..PLAIN };
        let found = fit(Rows { values: &values, width }, &target, None, &settings, &run);
        assert_eq!(found, Err(FitError::Cancelled));
    }
}

#[test]
fn the_verdict_is_honest() {
    // The start is the optimum, to the last bit.
    let balanced = quiet(&[0.0, 1.0, 0.0, 1.0], 1, &[true, true, false, false], &PLAIN);
    assert!(balanced.converged && balanced.gradient == 0.0 && balanced.iterations == 0);
    let (values, target) = Draws(12).sample(1_000, 4);
    for l1 in [0.0, 5.0] {
        let settings = Settings { max_iterations: 1, l1, ..PLAIN };
        let found = quiet(&values, 4, &target, &settings);
        assert!(!found.converged && found.iterations == 1 && found.gradient > 1e-10);
    }
    let stored = serde_json::to_string(&quiet(&values, 4, &target, &PLAIN)).unwrap();
    assert!(serde_json::from_str::<Fit>(&stored).unwrap().converged);
}

fn hostile() -> impl Strategy<Value = f32> {
    let extremes = [0.0, 1.0, -1.0, 1e30, -1e30, f32::MAX, f32::MIN_POSITIVE, 1e-40];
    prop_oneof![prop::sample::select(extremes.to_vec()), -2.0_f32..2.0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_input_panics_or_hangs(
        (width, values, target) in (1_usize..5, 1_usize..12).prop_flat_map(|(width, rows)| (
            Just(width),
            prop::collection::vec(hostile(), width * rows),
            prop::collection::vec(any::<bool>(), rows),
        )),
        l2 in prop::sample::select(vec![0.0, 1e-300, 1.0, 1e300]),
        l1 in prop::sample::select(vec![0.0, 0.0, 1.0, 1e300]),
    ) {
        let settings = Settings { l2, l1, max_iterations: 60, tolerance: 1e-8 };
        let rows = Rows { values: &values, width };
        if let Ok(found) = fit(rows, &target, None, &settings, &FitRun::quiet(1)) {
            prop_assert!(found.coefficients.iter().all(|slope| slope.is_finite()));
            prop_assert!(found.intercept.is_finite() && found.log_likelihood <= 0.0);
            prop_assert!(!(found.converged && found.separation.is_some()));
        }
    }

    /// Every row comes with both outcomes: never separated, and a finite optimum exists.
    #[test]
    fn overlap_is_never_called_separation(
        values in prop::collection::vec(-1.0_f32..1.0, 12),
        weights in prop::collection::vec(0.5_f64..2.0, 12),
    ) {
        let twice = [values.clone(), values].concat();
        let target = [[true; 6], [false; 6]].concat();
        let rows = Rows { values: &twice, width: 2 };
        let found = fit(rows, &target, Some(&weights), &PLAIN, &FitRun::quiet(1)).unwrap();
        prop_assert!(found.separation.is_none() && found.converged, "{found:?}");
    }

    /// Rows with a flag are all events; the rest overlap: always separated by the flag.
    #[test]
    fn planted_separation_is_always_found(
        values in prop::collection::vec(-1.0_f32..1.0, 16),
        flagged in 1_usize..5,
    ) {
        let mut rows = Vec::new();
        let mut target = Vec::new();
        for (index, pair) in values.chunks(2).enumerate() {
            for outcome in [true, false] {
                rows.extend([pair[0], pair[1], 0.0]);
                target.push(outcome);
            }
            if index < flagged {
                rows.extend([pair[1], pair[0], 1.0]);
                target.push(true);
            }
        }
        let found = quiet(&rows, 3, &target, &PLAIN);
        prop_assert!(!found.converged);
        let separation = found.separation.clone();
        prop_assert!(separation.is_some(), "{found:?}");
        prop_assert_eq!(separation.unwrap().columns[0], 2);
    }
}
