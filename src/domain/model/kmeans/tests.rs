//! The kernel against a plain f64 Lloyd, brute force, and itself.

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;
use crate::model::{CancelToken, FitRun, NoProgress, ProgressSink};

fn uniform(seed: u64, values: usize) -> Vec<f32> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    (0..values).map(|_| random.gen_range(-1.0..1.0)).collect()
}

/// Rows around `clusters` corners, `spread` wide.
fn blobs(rows: usize, width: usize, clusters: usize, spread: f32) -> Vec<f32> {
    let corners = uniform(77, clusters * width);
    let noise = uniform(78, rows * width);
    let value = |place: usize| {
        let (row, column) = (place / width, place % width);
        10.0 * corners[row % clusters * width + column] + spread * noise[place]
    };
    (0..rows * width).map(value).collect()
}

fn settings(clusters: usize) -> Settings {
    Settings { starts: 1, tolerance: 0.0, ..Settings::new(clusters) }
}

fn points(values: &[f32], width: usize) -> Points<'_> {
    Points::new(values, width).unwrap()
}

fn quick(values: &[f32], width: usize, settings: &Settings) -> Fit {
    fit(points(values, width), None, settings, &FitRun::quiet(5)).unwrap()
}

fn square(row: &[f32], centre: &[f64]) -> f64 {
    row.iter().zip(centre).map(|(x, c)| (f64::from(*x) - c).powi(2)).sum()
}

/// The nearest centre and its squared distance, the plain way.
fn plain_nearest(row: &[f32], centres: &[f64]) -> (usize, f64) {
    let distances = centres.chunks(row.len()).map(|centre| square(row, centre)).enumerate();
    distances.fold((0, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best })
}

/// Lloyd's algorithm, the plain way, for starts whose clusters never run empty.
fn plain_lloyd(values: &[f32], width: usize, start: &[f64], passes: usize) -> (Vec<f64>, f64) {
    let mut centres = start.to_vec();
    for _ in 0..passes {
        let mut sums = vec![0.0; centres.len()];
        let mut counts = vec![0.0; centres.len() / width];
        for row in values.chunks(width) {
            let (label, _) = plain_nearest(row, &centres);
            counts[label] += 1.0;
            for (sum, value) in sums[label * width..].iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        for (place, centre) in centres.iter_mut().enumerate() {
            *centre = sums[place] / counts[place / width];
        }
    }
    let inertia = values.chunks(width).map(|row| plain_nearest(row, &centres).1).sum();
    (centres, inertia)
}

/// The smallest inertia of all ways to part a few rows into `clusters`.
fn brute_force(values: &[f32], width: usize, clusters: usize) -> f64 {
    let rows = values.len() / width;
    let inertia = |mut code: usize| {
        let mut labels = Vec::new();
        for _ in 0..rows {
            labels.push(code % clusters);
            code /= clusters;
        }
        let mut inertia = 0.0;
        for cluster in 0..clusters {
            let own = || values.chunks(width).zip(&labels).filter(|(_, l)| **l == cluster);
            let count = own().count() as f64;
            for column in 0..width {
                let mean = own().map(|(row, _)| f64::from(row[column])).sum::<f64>() / count;
                let squares = own().map(|(row, _)| (f64::from(row[column]) - mean).powi(2));
                inertia += squares.sum::<f64>();
            }
        }
        inertia
    };
    (0..clusters.pow(rows as u32)).map(inertia).fold(f64::INFINITY, f64::min)
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let bound = tolerance * (1.0 + expected.abs());
        assert!((found - expected).abs() <= bound, "{found} instead of {expected}");
    }
}

#[test]
fn small_sets_reach_the_optimum() {
    for seed in 0..6 {
        let values = uniform(seed, 18);
        for (clusters, seeding) in [(2, Seeding::PlusPlus), (3, Seeding::GreedyPlusPlus)] {
            let settings = Settings { starts: 40, seeding, ..settings(clusters) };
            let found = quick(&values, 2, &settings);
            assert!(found.converged);
            assert_close(&[found.inertia], &[brute_force(&values, 2, clusters)], 1e-6);
        }
    }
}

#[test]
fn four_rows_make_two_known_clusters() {
    let found = quick(&[0.0, 1.0, 10.0, 14.0], 1, &settings(2));
    let mut centres = found.centres.clone();
    centres.sort_by(f64::total_cmp);
    assert_eq!(centres, [0.5, 12.0]);
    assert_eq!((found.inertia, found.counts), (8.5, vec![2, 2]));
    assert_eq!(found.labels[0], found.labels[1]);
    assert_ne!(found.labels[1], found.labels[2]);
    assert!(found.converged);
}

#[test]
fn every_pass_is_that_of_a_plain_lloyd() {
    for (rows, width, clusters, passes) in [(2_000, 20, 8, 12), (900, 3, 5, 7), (50, 1, 3, 2)] {
        let values = uniform(rows as u64, rows * width);
        let start: Vec<f64> =
            values[..clusters * width].iter().map(|value| f64::from(*value)).collect();
        let settings = Settings { max_iterations: passes, ..settings(clusters) };
        let rows = points(&values, width);
        let found = fit_from(rows, None, &start, &settings, &FitRun::quiet(1)).unwrap();
        let (centres, inertia) = plain_lloyd(&values, width, &start, passes);
        assert_close(&found.centres, &centres, 1e-5);
        assert_close(&[found.inertia], &[inertia], 1e-7);
        assert_eq!(found.iterations, passes);
    }
}

#[test]
fn a_converged_fit_is_a_fixed_point() {
    let values = uniform(4, 3_000 * 4);
    let found = quick(&values, 4, &settings(7));
    assert!(found.converged);
    let (centres, inertia) = plain_lloyd(&values, 4, &found.centres, 1);
    assert_close(&centres, &found.centres, 1e-5);
    assert_close(&[inertia], &[found.inertia], 1e-7);
}

#[test]
fn running_out_of_passes_is_not_convergence() {
    let values = uniform(4, 3_000 * 4);
    let found = quick(&values, 4, &Settings { max_iterations: 2, ..settings(7) });
    assert_eq!((found.converged, found.iterations), (false, 2));
    let loose = quick(&values, 4, &Settings { tolerance: 10.0, ..settings(7) });
    assert_eq!((loose.converged, loose.iterations), (true, 1));
}

#[test]
fn threads_and_repeats_do_not_change_a_byte() {
    let values = blobs(20_000, 6, 9, 6.0);
    let weights: Vec<f64> = (0..20_000).map(|row| 0.1 + f64::from(row % 7)).collect();
    for mini_batch in [None, Some(1_000)] {
        let settings = Settings { starts: 2, max_iterations: 30, mini_batch, ..settings(9) };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let rows = points(&values, 6);
            let run = FitRun::quiet(11);
            let fitted = pool.install(|| fit(rows, Some(&weights), &settings, &run)).unwrap();
            let bits: Vec<u64> = fitted.centres.iter().map(|value| value.to_bits()).collect();
            (bits, fitted.inertia.to_bits(), fitted)
        };
        let one = with(1);
        assert!(one == with(1) && one == with(2) && one == with(3));
    }
}

#[test]
fn a_seed_is_heeded() {
    let values = uniform(9, 2_000 * 3);
    let with = |seed| fit(points(&values, 3), None, &settings(12), &FitRun::quiet(seed)).unwrap();
    assert_ne!(with(1).centres, with(2).centres);
}

#[test]
fn weights_count_as_repeated_rows() {
    let values = uniform(13, 300 * 3);
    let repeats = |row: usize| row % 4;
    let weights: Vec<f64> = (0..300).map(|row| repeats(row) as f64).collect();
    let rows = values.chunks(3).enumerate();
    let repeated: Vec<f32> = rows.flat_map(|(row, values)| values.repeat(repeats(row))).collect();
    let start: Vec<f64> = repeated[..15].iter().map(|value| f64::from(*value)).collect();
    let start: Vec<f64> = start.iter().enumerate().map(|(i, v)| v + 0.01 * i as f64).collect();
    let run = FitRun::quiet(1);
    let weighted = fit_from(points(&values, 3), Some(&weights), &start, &settings(5), &run);
    let plain = fit_from(points(&repeated, 3), None, &start, &settings(5), &run).unwrap();
    let weighted = weighted.unwrap();
    assert_close(&weighted.centres, &plain.centres, 1e-9);
    assert_close(&[weighted.inertia], &[plain.inertia], 1e-9);
    assert_eq!(weighted.iterations, plain.iterations);
}

#[test]
fn rows_without_weight_do_not_matter() {
    let mut values = blobs(300, 2, 3, 0.5);
    let alone = quick(&values, 2, &settings(3));
    values.extend([1e6, -1e6].repeat(5));
    let weights: Vec<f64> = (0..305).map(|row| if row < 300 { 1.0 } else { 0.0 }).collect();
    let run = FitRun::quiet(5);
    let found = fit(points(&values, 2), Some(&weights), &settings(3), &run).unwrap();
    assert_close(&[found.inertia], &[alone.inertia], 1e-4);
    assert_eq!(found.counts.iter().sum::<u64>(), 305);
}

#[test]
fn a_large_offset_does_not_destroy_distances() {
    // Steps of 1/64 are exact at 100,000 in f32.
    let plain: Vec<f32> =
        blobs(3_000, 5, 4, 3.0).iter().map(|value| (value * 64.0).round() / 64.0).collect();
    let moved: Vec<f32> = plain.iter().map(|value| value + 100_000.0).collect();
    let (plain, moved) = (quick(&plain, 5, &settings(4)), quick(&moved, 5, &settings(4)));
    assert_eq!(plain.labels, moved.labels);
    assert_close(&[moved.inertia], &[plain.inertia], 1e-9);
}

#[test]
fn huge_and_tiny_values_are_scaled() {
    let values = blobs(600, 2, 3, 0.5);
    let plain = quick(&values, 2, &settings(3));
    for scale in [1e-35_f32, 1e-20, 1e30, 3e37] {
        let scaled: Vec<f32> = values.iter().map(|value| value * scale).collect();
        let found = quick(&scaled, 2, &settings(3));
        assert_eq!(found.labels, plain.labels, "{scale}");
        assert_close(&[found.inertia / f64::from(scale).powi(2)], &[plain.inertia], 1e-4);
    }
}

#[test]
fn one_huge_row_leaves_the_others_apart() {
    let mut values: Vec<f32> = (0..40).map(|row| (row % 2) as f32 * 10.0).collect();
    values.push(1e30);
    let found = quick(&values, 1, &settings(3));
    let mut counts = found.counts.clone();
    counts.sort_unstable();
    assert_eq!(counts, [1, 20, 20]);
    assert_eq!(found.inertia, 0.0);
}

#[test]
fn fewer_different_rows_than_clusters_leave_clusters_empty() {
    let values = [1.0, 2.0, 1.0, 2.0, 3.0, 4.0].repeat(50);
    let found = quick(&values, 2, &settings(4));
    assert!(found.converged);
    assert_eq!(found.inertia, 0.0);
    assert_eq!(found.counts.iter().filter(|count| **count > 0).count(), 2);
    let constant = quick(&[7.0; 90], 3, &settings(5));
    assert_eq!((constant.inertia, constant.converged), (0.0, true));
    assert_eq!(&constant.centres[..3], [7.0; 3]);
}

#[test]
fn a_cluster_that_starts_empty_takes_the_farthest_row() {
    let values = [0.0, 1.0, 2.0, 50.0];
    let rows = points(&values, 1);
    let start = [1.0, 1e6];
    let once = Settings { max_iterations: 1, ..settings(2) };
    let found = fit_from(rows, None, &start, &once, &FitRun::quiet(1)).unwrap();
    assert_eq!(found.centres, [1.0, 50.0]);
    assert!(!found.converged);
    // Two centres without a row; no pass is left in which they could find more.
    let three = Settings { max_iterations: 1, ..settings(3) };
    let found = fit_from(rows, None, &[1.0, 1e6, 2e6], &three, &FitRun::quiet(1)).unwrap();
    assert!(found.counts.iter().all(|count| *count > 0) && !found.converged);
    let found = fit_from(rows, None, &start, &settings(2), &FitRun::quiet(1)).unwrap();
    assert_eq!((found.counts, found.inertia, found.converged), (vec![3, 1], 2.0, true));
}

#[test]
fn one_row_and_one_cluster_are_enough() {
    let found = quick(&[3.0, 4.0], 2, &settings(1));
    assert_eq!((found.centres, found.inertia, found.converged), (vec![3.0, 4.0], 0.0, true));
    let mean = quick(&[1.0, 2.0, 6.0], 1, &settings(1));
    assert_eq!((mean.centres, mean.inertia), (vec![3.0], 14.0));
}

#[test]
fn bad_input_is_refused() {
    let run = FitRun::quiet(1);
    let message = |values: &[f32], weights: Option<&[f64]>, clusters| {
        fit(points(values, 2), weights, &settings(clusters), &run).unwrap_err().to_string()
    };
    let nan = [1.0, 2.0, 3.0, f32::NAN];
    assert_eq!(
        message(&nan, None, 1),
        "kmeans: row 1, column 1: expected a finite number, found NaN"
    );
    assert!(message(&[1.0, 2.0], None, 2).contains("expected at least 2 rows"));
    assert!(message(&[], None, 1).contains("found 0"));
    assert!(message(&[1.0; 4], Some(&[1.0]), 1).contains("expected 2 weights, found 1"));
    assert!(message(&[1.0; 4], Some(&[1.0, -1.0]), 1).contains("row 1"));
    assert!(message(&[1.0; 4], Some(&[1.0, f64::NAN]), 1).contains("row 1"));
    assert!(message(&[1.0; 4], Some(&[1.0, 0.0]), 2).contains("found 1"));
    assert!(message(&[1.0; 4], None, 0).starts_with("clusters: expected 1 to"));
    assert!(Points::new(&[1.0; 3], 2).is_err() && Points::new(&[], 0).is_err());
    let bad = Settings { tolerance: f64::NAN, ..settings(1) };
    assert!(fit(points(&[1.0], 1), None, &bad, &run).is_err());
    assert!(fit_from(points(&[1.0], 1), None, &[1.0, 2.0], &settings(1), &run).is_err());
    assert!(fit_from(points(&[1.0], 1), None, &[f64::NAN], &settings(1), &run).is_err());
    assert!(assign(points(&[1.0], 1), &[], &run).is_err());
    assert!(assign(points(&[1.0, 2.0], 2), &[1.0], &run).is_err());
    assert!(assign(points(&[1.0], 1), &[f64::INFINITY], &run).is_err());
    assert!(assign(points(&[f32::INFINITY], 1), &[1.0], &run).is_err());
}

#[test]
fn a_row_is_assigned_alike_alone_and_among_others() {
    let values = uniform(31, 2_000 * 7);
    let centres: Vec<f64> = uniform(32, 10 * 7).iter().map(|value| f64::from(*value)).collect();
    let run = FitRun::quiet(1);
    let all = assign(points(&values, 7), &centres, &run).unwrap();
    for (place, row) in values.chunks(7).enumerate().step_by(37) {
        let alone = assign(points(row, 7), &centres, &run).unwrap();
        assert_eq!(
            (alone.labels[0], alone.distances[0]),
            (all.labels[place], all.distances[place])
        );
        let (label, distance) = plain_nearest(row, &centres);
        assert_eq!(alone.labels[0] as usize, label);
        assert_close(&alone.distances, &[distance], 1e-12);
    }
    let none = assign(points(&[], 7), &centres, &run).unwrap();
    assert!(none.labels.is_empty());
}

#[test]
fn rows_far_beyond_all_centres_are_assigned_in_f64() {
    let run = FitRun::quiet(1);
    let found = assign(points(&[1e38, -1e38, 3.0], 1), &[-1e-3, 2e-3], &run).unwrap();
    assert_eq!(found.labels[2], 1);
    assert_close(
        &found.distances,
        &[1e38_f32.into(), 1e38_f32.into(), 2.998].map(|d: f64| d * d),
        1e-9,
    );
}

#[test]
fn labels_of_a_fit_are_those_of_assign() {
    let values = uniform(41, 4_000 * 5);
    let found = quick(&values, 5, &settings(20));
    let again = assign(points(&values, 5), &found.centres, &FitRun::quiet(1)).unwrap();
    assert_eq!(found.labels, again.labels);
    assert_close(&[again.distances.iter().sum()], &[found.inertia], 1e-12);
}

#[test]
fn more_starts_are_never_worse() {
    let values = uniform(51, 500 * 2);
    let inertia = |starts| quick(&values, 2, &Settings { starts, ..settings(15) }).inertia;
    assert!(inertia(10) <= inertia(3) && inertia(3) <= inertia(1));
    assert!(inertia(10) < inertia(1));
}

#[test]
fn both_seedings_find_separate_groups() {
    let values = blobs(4_000, 4, 10, 0.1);
    for seeding in [Seeding::PlusPlus, Seeding::GreedyPlusPlus] {
        let found = quick(&values, 4, &Settings { seeding, starts: 3, ..settings(10) });
        assert_eq!(found.counts, [400; 10]);
    }
}

#[test]
fn mini_batches_come_close_to_full_passes() {
    let values = blobs(30_000, 5, 6, 4.0);
    let full = quick(&values, 5, &Settings { starts: 3, ..settings(6) });
    let batches = Settings { mini_batch: Some(2_000), starts: 3, ..settings(6) };
    let found = quick(&values, 5, &batches);
    assert!(found.inertia < full.inertia * 1.02, "{} {}", found.inertia, full.inertia);
    assert!(found.converged);
    assert_eq!(found.counts.iter().sum::<u64>(), 30_000);
    let single =
        quick(&values, 5, &Settings { max_iterations: 1, mini_batch: Some(30_000), ..settings(6) });
    assert_eq!((single.iterations, single.converged), (1, false));
}

/// Cancels at the first report of a stage.
struct CancelAt(&'static str, CancelToken);

impl ProgressSink for CancelAt {
    fn report(&self, stage: &str, fraction: f64) {
        assert!((0.0..=1.0).contains(&fraction));
        if stage == self.0 {
            self.1.cancel();
        }
    }
}

#[test]
fn a_cancelled_fit_stops_in_each_stage() {
    let values = uniform(61, 5_000 * 3);
    for (stage, mini_batch) in [("start", None), ("cluster", None), ("cluster", Some(100))] {
        let sink = CancelAt(stage, CancelToken::default());
        let cancel = sink.1.clone();
        let run = FitRun { progress: &sink, cancel, ..FitRun::quiet(1) };
        let settings = Settings { mini_batch, ..settings(8) };
        let found = fit(points(&values, 3), None, &settings, &run);
        assert_eq!(found.unwrap_err(), FitError::Cancelled);
    }
    let cancel = CancelToken::default();
    cancel.cancel();
    let run = FitRun { cancel, progress: &NoProgress, ..FitRun::quiet(1) };
    assert_eq!(assign(points(&values, 3), &[0.0; 3], &run), Err(FitError::Cancelled));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any finite rows, of whatever magnitudes and repeats, give a sound clustering.
    #[test]
    fn any_rows_give_a_sound_fit(
        values in prop::collection::vec(
            prop_oneof![Just(0.0_f32), Just(1.0), -1e3_f32..1e3, prop::num::f32::NORMAL],
            1..160,
        ),
        width in 1_usize..4,
        clusters in 1_usize..6,
        batch in prop::option::of(1_usize..40),
    ) {
        let values = &values[..values.len() / width * width];
        let settings = Settings { mini_batch: batch, max_iterations: 20, ..settings(clusters) };
        let found = fit(points(values, width), None, &settings, &FitRun::quiet(1));
        if values.len() / width < clusters {
            prop_assert!(found.is_err());
        } else {
            let found = found.unwrap();
            prop_assert!(found.inertia.is_finite() && found.inertia >= 0.0);
            prop_assert!(found.centres.iter().all(|value| value.is_finite()));
            prop_assert_eq!(found.counts.iter().sum::<u64>() as usize, values.len() / width);
        }
    }
}
