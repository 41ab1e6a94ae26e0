use proptest::prelude::*;
use rand::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::*;

fn reference(values: &[f64]) -> ReferenceQuantiles {
    ReferenceQuantiles::of(values.iter().copied(), 10).unwrap()
}

fn cells(counts: &BinCounts) -> Vec<u64> {
    counts.cells().collect()
}

#[test]
fn different_values_fill_equal_bins() {
    let values: Vec<f64> = (0..100).map(f64::from).collect();
    let reference = reference(&values);
    assert_eq!(cells(reference.counts()), [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 0]);
    assert_eq!(reference.uppers(), [9.0, 19.0, 29.0, 39.0, 49.0, 59.0, 69.0, 79.0, 89.0]);
    assert_eq!(reference.count([9.0, 9.5, 1e30, -1e30, f64::NAN]).cells().sum::<u64>(), 5);
}

#[test]
fn a_frequent_value_is_a_point() {
    // 60 zeros and 40 others: new values below zero and between are noticed.
    let values: Vec<f64> = (0..100).map(|i| f64::from((i - 59).max(0))).collect();
    let reference = reference(&values);
    assert_eq!(cells(reference.counts()), [0, 60, 10, 10, 10, 10, 0]);
    let counts = reference.count([-1.0, -0.0, 0.0, 1e-300, 10.0, f64::INFINITY]);
    assert_eq!(cells(&counts), [1, 2, 2, 0, 0, 0, 1]);
}

#[test]
fn a_constant_and_a_missing_feature_have_bins() {
    let constant = reference(&[3.0; 50]);
    assert_eq!(cells(constant.counts()), [0, 50, 0, 0]);
    let same = population_stability_index(&constant, &constant.count([3.0; 20])).unwrap();
    assert_eq!((same.index, same.noise, same.verdict), (0.0, 0.0, DriftVerdict::Stable));
    let moved = population_stability_index(&constant, &constant.count([4.0; 20])).unwrap();
    assert_eq!(moved.verdict, DriftVerdict::Major);
    let missing = reference(&[f64::NAN; 50]);
    let filled = population_stability_index(&missing, &missing.count([1.0; 50])).unwrap();
    assert_eq!(filled.verdict, DriftVerdict::Major);
    assert_eq!((filled.reference_missing, filled.current_missing), (1.0, 0.0));
}

#[test]
fn the_index_agrees_with_hand_computation() {
    // Points 0 and 1 with 50 and 50 rows; then 20 and 80, half a row added to each.
    let halves: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
    let reference = reference(&halves);
    let now = reference.count((0..100).map(|i| f64::from(u8::from(i >= 20))));
    let drift = population_stability_index(&reference, &now).unwrap();
    let (p, q) = (20.5f64 / 101.0, 80.5f64 / 101.0);
    let expected = (p - 0.5) * (p / 0.5).ln() + (q - 0.5) * (q / 0.5).ln();
    assert!((drift.index - expected).abs() < 1e-12, "{drift:?}");
    assert_eq!((drift.bins, drift.verdict), (2, DriftVerdict::Moderate));
    assert!(drift.is_significant());
}

#[test]
fn chi_square_quantiles_agree_with_tables() {
    // scipy.stats.chi2.ppf(norm.cdf(3), k).
    for (freedom, expected) in [(1, 10.273_6), (4, 17.795_1), (9, 27.092_6), (19, 41.858_8)] {
        let found = chi_square_quantile(freedom, 3.0);
        assert!((found / expected - 1.0).abs() < 0.03, "{freedom} {found}");
    }
    assert_eq!(chi_square_quantile(0, 3.0), 0.0);
}

/// Share of features without drift that are called significant, and the share called anything
/// but stable.
fn false_alarms(n: usize, m: usize, runs: usize, draw: impl Fn(f64) -> f64) -> (f64, f64) {
    let mut generator = Xoshiro256PlusPlus::seed_from_u64(n as u64 + m as u64);
    let (mut significant, mut alarms) = (0, 0);
    for _ in 0..runs {
        let before: Vec<f64> = (0..n).map(|_| draw(generator.gen_range(0.0..1.0))).collect();
        let reference = reference(&before);
        let now = reference.count((0..m).map(|_| draw(generator.gen_range(0.0..1.0))));
        let drift = population_stability_index(&reference, &now).unwrap();
        significant += usize::from(drift.is_significant());
        alarms += usize::from(drift.verdict != DriftVerdict::Stable);
    }
    (significant as f64 / runs as f64, alarms as f64 / runs as f64)
}

#[test]
fn without_drift_hardly_any_feature_is_called_significant_and_none_unstable() {
    for (n, m, runs) in [(200, 200, 1000), (2000, 2000, 200), (10_000, 500, 100)] {
        // Long-tailed, and counts of which six in ten are zero.
        for draw in [|u: f64| -u.ln(), |u: f64| (-2.0 * (u.max(0.6) / 0.6).ln()).exp().floor()] {
            let (significant, alarms) = false_alarms(n, m, runs, draw);
            assert!(significant <= 0.01, "{n} {m} {significant}");
            assert!(alarms <= 0.0005, "{n} {m} {alarms}");
        }
    }
}

#[test]
fn drift_is_found_at_any_size() {
    for (n, m) in [(200, 200), (2000, 2000), (10_000, 500)] {
        let before: Vec<f64> = (0..n).map(|i| f64::from(i) / f64::from(n)).collect();
        let reference = reference(&before);
        // The upper half has doubled its share at the expense of the lower.
        let moved = (0..m).map(|i| (f64::from(i) / f64::from(m)).sqrt());
        let drift = population_stability_index(&reference, &reference.count(moved)).unwrap();
        assert!(drift.is_significant() && drift.verdict > DriftVerdict::Stable, "{drift:?}");
    }
}

#[test]
fn counts_add_up_and_what_does_not_fit_is_refused() {
    let reference = reference(&[1.0, 2.0, 3.0, f64::NAN]);
    let mut sum = reference.count([1.0, f64::NAN]);
    sum.merge(&reference.count([5.0]));
    assert_eq!(sum, reference.count([5.0, f64::NAN, 1.0]));
    assert_eq!(population_stability_index(&reference, &reference.no_rows()), None);
    let other = ReferenceQuantiles::of([1.0, 2.0], 10).unwrap();
    assert_eq!(population_stability_index(&reference, other.counts()), None);
    assert_eq!(ReferenceQuantiles::of([], 10), None);
    assert_eq!(ReferenceQuantiles::of([1.0], 1), None);
    for stored in [
        r#"{"uppers":[2.0,1.0],"counts":{"bins":[1,1,1],"missing":0}}"#,
        r#"{"uppers":[1.0],"counts":{"bins":[1],"missing":0}}"#,
        r#"{"uppers":[1.0],"counts":{"bins":[0,0],"missing":0}}"#,
    ] {
        assert!(serde_json::from_str::<ReferenceQuantiles>(stored).is_err(), "{stored}");
    }
}

proptest! {
    #[test]
    fn every_row_is_counted_where_it_was_cut(
        values in prop::collection::vec(prop_oneof![
            (-3i8..3).prop_map(f64::from), any::<f64>(), Just(f64::MAX), Just(f64::MIN)
        ], 1..200),
        bins in 2usize..20,
    ) {
        let reference = ReferenceQuantiles::of(values.iter().copied(), bins).unwrap();
        prop_assert_eq!(&reference.count(values.iter().copied()), reference.counts());
        prop_assert!(reference.uppers().is_sorted_by(|a, b| a < b));
        let same = population_stability_index(&reference, reference.counts()).unwrap();
        prop_assert!(same.index.abs() < 1e-12);
        let stored = serde_json::to_string(&reference).unwrap();
        prop_assert_eq!(serde_json::from_str::<ReferenceQuantiles>(&stored).unwrap(), reference);
    }
}
