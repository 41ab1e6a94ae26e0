//! The whole way from a panel to an answer.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::dataset::Series;
use crate::model::{CancelToken, NoProgress};

fn panel(frequency: Frequency, all: &[Vec<f64>]) -> Panel {
    let series = all.iter().enumerate().map(|(index, values)| Series {
        key: key(index),
        first_period: 500 - values.len() as i32,
        values: values.clone(),
    });
    Panel::new(frequency, 500, series.collect()).unwrap()
}

fn key(index: usize) -> SeriesKey {
    SeriesKey { group: "store".to_owned(), value: format!("{index:04}") }
}

fn estimator(algorithm: ForecastAlgorithm, horizon: usize) -> ForecastEstimator {
    ForecastEstimator {
        algorithm,
        horizon,
        season_length: None,
        non_negative: true,
        coherence: Coherence::default(),
        groups: Vec::new(),
        regressors: true,
        boosting: BoostingChoice::Off,
    }
}

fn query(horizon: usize, levels: &[f64]) -> ForecastQuery {
    ForecastQuery { horizon, levels: levels.to_vec(), ..ForecastQuery::default() }
}

fn normal(random: &mut StdRng) -> f64 {
    (0..12).map(|_| random.r#gen::<f64>()).sum::<f64>() - 6.0
}

/// Monthly sales with trend, season and noise.
fn monthly(count: usize, length: usize) -> Vec<Vec<f64>> {
    let mut random = StdRng::seed_from_u64(7);
    let season = [0.8, 0.7, 0.9, 1.0, 1.0, 1.1, 1.0, 0.9, 1.0, 1.1, 1.2, 1.3];
    (0..count)
        .map(|_| {
            let growth = random.gen_range(0.5..1.5);
            (0..length)
                .map(|t| {
                    let level = 100.0 + growth * t as f64;
                    level * season[t % 12] * (1.0 + 0.03 * normal(&mut random))
                })
                .collect()
        })
        .collect()
}

fn mean_absolute_error(model: &ForecastModel, truth: &[Vec<f64>], known: usize) -> f64 {
    let answers = model.predict(&query(model.horizon(), &[])).unwrap();
    let errors = answers.iter().zip(truth).flat_map(|(answer, truth)| {
        let pairs = answer.mean.iter().zip(&truth[known..]);
        pairs.map(|(mean, actual)| (mean - actual).abs())
    });
    errors.sum::<f64>() / (answers.len() * model.horizon()) as f64
}

#[test]
fn theta_and_ridge_beat_the_seasonal_naive_forecast() {
    let truth = monthly(10, 72);
    let known: Vec<Vec<f64>> = truth.iter().map(|values| values[..60].to_vec()).collect();
    let panel = panel(Frequency::Monthly, &known);
    let error = |algorithm| {
        let model = estimator(algorithm, 12).fit(&panel, &FitRun::quiet(1)).unwrap();
        mean_absolute_error(&model, &truth, 60)
    };
    let naive = error(ForecastAlgorithm::SeasonalNaive);
    let theta = error(ForecastAlgorithm::Theta);
    let ridge = error(ForecastAlgorithm::RidgeLags);
    assert!(theta < 0.6 * naive, "{theta} {naive}");
    assert!(ridge < 0.8 * naive, "{ridge} {naive}");
}

#[test]
fn intervals_cover_what_they_claim() {
    let mut random = StdRng::seed_from_u64(3);
    let truth: Vec<Vec<f64>> = (0..150)
        .map(|_| {
            let mut state = 0.0;
            (0..96)
                .map(|_| {
                    state = 0.5 * state + normal(&mut random);
                    50.0 + 2.0 * state
                })
                .collect()
        })
        .collect();
    let known: Vec<Vec<f64>> = truth.iter().map(|values| values[..90].to_vec()).collect();
    let mut recipe = estimator(ForecastAlgorithm::Theta, 6);
    recipe.season_length = Some(1);
    let model = recipe.fit(&panel(Frequency::Weekly, &known), &FitRun::quiet(1)).unwrap();
    let answers = model.predict(&query(6, &[0.8, 0.95])).unwrap();
    for (index, level) in [0.8, 0.95].into_iter().enumerate() {
        let inside = answers.iter().zip(&truth).flat_map(|(answer, truth)| {
            let interval = &answer.intervals[index];
            let bounds = interval.lower.iter().zip(&interval.upper);
            let pairs = truth[90..].iter().zip(bounds);
            pairs.map(|(actual, (low, high))| low <= actual && actual <= high)
        });
        let share = inside.clone().filter(|inside| *inside).count() as f64 / 900.0;
        assert_eq!(inside.count(), 900);
        // 150 independent series: two standard errors are 0.065 and 0.036.
        assert!((share - level).abs() < 0.06, "{share} at {level}");
    }
}

#[test]
fn sources_are_named_from_the_backtest_to_the_formula() {
    let source = |all: &[Vec<f64>]| {
        let panel = panel(Frequency::Monthly, all);
        let model = estimator(ForecastAlgorithm::Theta, 6).fit(&panel, &FitRun::quiet(1)).unwrap();
        model.predict(&query(6, &[0.8])).unwrap()[0].intervals[0].source
    };
    assert_eq!(source(&monthly(40, 60)), IntervalSource::PooledConformal);
    assert_eq!(source(&monthly(1, 8)), IntervalSource::Formula);
}

/// Two stores and three categories of one shop, all of the same weeks.
fn shop(length: usize) -> Panel {
    let mut random = StdRng::seed_from_u64(11);
    let mut series = |group: &str, value: &str, size: f64| Series {
        key: SeriesKey { group: group.to_owned(), value: value.to_owned() },
        first_period: 500 - length as i32,
        values: (0..length).map(|_| size * (1.0 + 0.1 * normal(&mut random))).collect(),
    };
    let mut all = vec![
        series("store", "north", 70.0),
        series("store", "", 30.0),
        series("category", "a", 60.0),
        series("category", "b", 30.0),
    ];
    let sum = |all: &[Series], t: usize| all.iter().map(|one| one.values[t]).sum::<f64>();
    let total: Vec<f64> = (0..length).map(|t| sum(&all[..2], t)).collect();
    let rest = (0..length).map(|t| total[t] - sum(&all[2..], t)).collect();
    let first_period = 500 - length as i32;
    let key = SeriesKey { group: "category".to_owned(), value: String::new() };
    all.push(Series { key, first_period, values: rest });
    all.push(Series { key: SeriesKey::total(), first_period, values: total });
    Panel::new(Frequency::Weekly, 500, all).unwrap()
}

#[test]
fn parts_add_up_to_the_total() {
    let groups = vec!["store".to_owned(), "total".to_owned(), "category".to_owned()];
    for coherence in [Coherence::BottomUp, Coherence::MinTrace] {
        let mut recipe = estimator(ForecastAlgorithm::Ensemble, 5);
        (recipe.coherence, recipe.groups) = (coherence, groups.clone());
        let model = recipe.fit(&shop(60), &FitRun::quiet(1)).unwrap();
        let ask = ForecastQuery { components: true, ..query(5, &[0.8, 0.95]) };
        let answers = model.predict(&ask).unwrap();
        let total = answers.iter().find(|answer| answer.key == SeriesKey::total()).unwrap();
        for group in ["store", "category"] {
            let parts = answers.iter().filter(|answer| answer.key.group == group);
            for step in 0..5 {
                let sum: f64 = parts.clone().map(|part| part.mean[step]).sum();
                assert!((sum - total.mean[step]).abs() < 1e-9, "{coherence:?} {group}");
            }
        }
        for answer in &answers {
            let parts = answer.components.as_ref().unwrap();
            for step in 0..5 {
                let sum = parts.level[step]
                    + parts.trend[step]
                    + parts.seasonal[step]
                    + parts.adjustment[step];
                assert!((sum - answer.mean[step]).abs() < 1e-9);
            }
        }
        // What one series is moved by has to come from somewhere.
        let moved = answers.iter().filter_map(|answer| answer.components.as_ref());
        assert!(moved.flat_map(|parts| &parts.adjustment).any(|moved| moved.abs() > 1e-6));
    }
}

#[test]
fn a_closed_day_stays_closed_when_parts_are_made_to_agree() {
    let mut random = StdRng::seed_from_u64(17);
    let mut week = |closed: usize, size: f64| -> Vec<f64> {
        let sold = |t: usize| if t % 7 == closed { 0.0 } else { size };
        (0..140).map(|t| sold(t) * (1.0 + 0.1 * normal(&mut random))).collect()
    };
    let (east, west) = (week(3, 40.0), week(9, 60.0));
    let total = east.iter().zip(&west).map(|(a, b)| a + b).collect();
    let series = [("store", "east", east), ("store", "west", west), ("total", "", total)];
    let series = series.map(|(group, value, values)| Series {
        key: SeriesKey { group: group.to_owned(), value: value.to_owned() },
        first_period: 0,
        values,
    });
    let panel = Panel::new(Frequency::Daily, 140, series.into()).unwrap();
    let mut recipe = estimator(ForecastAlgorithm::Theta, 14);
    (recipe.coherence, recipe.groups) = (Coherence::MinTrace, vec!["store".to_owned()]);
    let model = recipe.fit(&panel, &FitRun::quiet(1)).unwrap();
    let answers = model.predict(&query(14, &[])).unwrap();
    for step in 0..14 {
        let sum = answers[0].mean[step] + answers[1].mean[step];
        assert_eq!(answers[0].mean[step] == 0.0, step % 7 == 3, "{step}");
        assert!((answers[2].mean[step] - sum).abs() < 1e-9);
    }
}

#[test]
fn a_store_that_opened_since_asks_for_a_fit() {
    let recipe = ForecastEstimator {
        groups: vec!["store".to_owned()],
        ..estimator(ForecastAlgorithm::Theta, 5)
    };
    let model = recipe.fit(&shop(60), &FitRun::quiet(1)).unwrap();
    let later = |new: Option<&str>| {
        let mut series = shop(60).series().to_vec();
        series.iter_mut().for_each(|one| one.values.push(10.0));
        let key = |value: &str| SeriesKey { group: "store".to_owned(), value: value.to_owned() };
        let opened = |value| Series { key: key(value), first_period: 500, values: vec![7.0] };
        series.extend(new.map(opened));
        Panel::new(Frequency::Weekly, 501, series).unwrap()
    };
    assert!(model.updated(&later(None)).is_ok());
    assert!(matches!(model.updated(&later(Some("south"))), Err(FitError::NoUpdate { .. })));
}

#[test]
fn errors_of_independent_series_cancel_in_their_sum() {
    let model = estimator(ForecastAlgorithm::Theta, 6);
    let model = model.fit(&panel(Frequency::Monthly, &monthly(12, 60)), &FitRun::quiet(1)).unwrap();
    let keys: Vec<SeriesKey> = (0..9).map(key).collect();
    let sum = model.sums(std::slice::from_ref(&keys), 6, &[0.8]).unwrap().remove(0);
    let ask = ForecastQuery { series: keys, ..query(6, &[0.8]) };
    let answers = model.predict(&ask).unwrap();
    for step in 0..6 {
        let mean: f64 = answers.iter().map(|answer| answer.mean[step]).sum();
        assert!((sum.mean[step] - mean).abs() < 1e-9 * mean);
        let width = |interval: &Interval| interval.upper[step] - interval.lower[step];
        let widths: f64 = answers.iter().map(|answer| width(&answer.intervals[0])).sum();
        let own = width(&sum.intervals[0]);
        assert!(own > 0.1 * widths && own < 0.7 * widths, "{own} {widths}");
    }
    let unknown = model.sums(&[vec![SeriesKey::total()]], 6, &[]);
    assert!(matches!(unknown, Err(PredictError::UnknownSeries { .. })));
}

#[test]
fn new_periods_are_taken_in_without_a_fit() {
    let truth = monthly(6, 66);
    let cut = |length: usize| -> Panel {
        let series = truth.iter().enumerate().map(|(index, values)| Series {
            key: key(index),
            first_period: 0,
            values: values[..length].to_vec(),
        });
        Panel::new(Frequency::Monthly, length as i32, series.collect()).unwrap()
    };
    let recipe = estimator(ForecastAlgorithm::Ensemble, 3);
    let old = recipe.fit(&cut(60), &FitRun::quiet(1)).unwrap();
    let new = old.updated(&cut(63)).unwrap();
    assert_eq!((old.end_period(), new.end_period()), (60, 63));
    let fresh = recipe.fit(&cut(63), &FitRun::quiet(1)).unwrap();
    let error = |model: &ForecastModel| mean_absolute_error(model, &truth, 63);
    let stale = {
        let values: Vec<Vec<f64>> = truth.iter().map(|values| values[3..].to_vec()).collect();
        mean_absolute_error(&old, &values, 60)
    };
    assert!(error(&new) < 0.8 * stale, "{} {stale}", error(&new));
    assert!(error(&new) < 1.3 * error(&fresh), "{} {}", error(&new), error(&fresh));
    // One step at a time ends where all at once does.
    let steps =
        old.updated(&cut(61)).unwrap().updated(&cut(62)).unwrap().updated(&cut(63)).unwrap();
    assert_eq!(steps, new);
    assert!(matches!(new.updated(&cut(63)), Err(FitError::NothingNew)));
    let ridge =
        estimator(ForecastAlgorithm::RidgeLags, 3).fit(&cut(60), &FitRun::quiet(1)).unwrap();
    assert!(matches!(ridge.updated(&cut(63)), Err(FitError::NoUpdate { .. })));
}

#[test]
fn the_model_survives_storage_and_any_number_of_threads() {
    let panel = panel(Frequency::Monthly, &monthly(23, 70));
    for algorithm in [ForecastAlgorithm::Theta, ForecastAlgorithm::RidgeLags] {
        let model = estimator(algorithm, 12).fit(&panel, &FitRun::quiet(1)).unwrap();
        let packed = rmp_serde::to_vec_named(&model).unwrap();
        let text = serde_json::to_string(&model).unwrap();
        assert_eq!(rmp_serde::from_slice::<ForecastModel>(&packed).unwrap(), model);
        assert_eq!(serde_json::from_str::<ForecastModel>(&text).unwrap(), model);
        let run = FitRun { threads: 5, ..FitRun::quiet(1) };
        let other = estimator(algorithm, 12).fit(&panel, &run).unwrap();
        assert_eq!(rmp_serde::to_vec_named(&other).unwrap(), packed);
    }
}

#[test]
fn wrong_settings_and_queries_are_refused() {
    let run = FitRun::quiet(1);
    let panel = panel(Frequency::Monthly, &monthly(2, 40));
    for horizon in [0, 401] {
        let fitted = estimator(ForecastAlgorithm::Theta, horizon).fit(&panel, &run);
        assert!(matches!(fitted, Err(FitError::Setting { name: "horizon", .. })));
    }
    let none = Panel::new(Frequency::Daily, 0, Vec::new()).unwrap();
    let recipe = estimator(ForecastAlgorithm::Theta, 3);
    assert!(matches!(recipe.fit(&none, &run), Err(FitError::TooFew { .. })));
    let model = recipe.fit(&panel, &run).unwrap();
    for horizon in [0, 4] {
        let expected = PredictError::Horizon { limit: 3, found: horizon };
        assert_eq!(model.predict(&query(horizon, &[])).unwrap_err(), expected);
    }
    for level in [0.49, 0.995, f64::NAN] {
        let refused = model.predict(&query(3, &[0.8, level]));
        assert!(matches!(refused, Err(PredictError::Level { .. })));
    }
    let mut unknown = query(3, &[]);
    unknown.series = vec![key(1), SeriesKey::total()];
    let expected = PredictError::UnknownSeries { key: "total".to_owned(), known: 2 };
    assert_eq!(model.predict(&unknown).unwrap_err(), expected);
    unknown.series = vec![key(1), key(0), key(1)];
    let keys = model.predict(&unknown).unwrap().into_iter().map(|a| a.key);
    assert_eq!(keys.collect::<Vec<_>>(), unknown.series);
}

#[test]
fn a_cancelled_fit_stops() {
    let run = FitRun { seed: 1, threads: 2, progress: &NoProgress, cancel: CancelToken::default() };
    run.cancel.cancel();
    let panel = panel(Frequency::Monthly, &monthly(9, 40));
    let fitted = estimator(ForecastAlgorithm::Theta, 3).fit(&panel, &run);
    assert_eq!(fitted.unwrap_err(), FitError::Cancelled);
}

#[test]
fn a_shop_that_closes_on_sundays_sells_nothing_on_sundays() {
    let mut random = StdRng::seed_from_u64(5);
    let values: Vec<f64> = (0..140)
        .map(|t| if t % 7 == 3 { 0.0 } else { 20.0 + f64::from(t % 7) + normal(&mut random) })
        .collect();
    let panel = panel(Frequency::Daily, &[values]);
    for algorithm in [ForecastAlgorithm::Theta, ForecastAlgorithm::RidgeLags] {
        let model = estimator(algorithm, 14).fit(&panel, &FitRun::quiet(1)).unwrap();
        let answer = model.predict(&query(14, &[0.95])).unwrap().remove(0);
        assert_eq!(answer.method.algorithm, algorithm);
        for step in 0..14 {
            let closed = step % 7 == 3;
            assert_eq!(answer.mean[step] == 0.0, closed);
            assert_eq!(answer.intervals[0].upper[step] == 0.0, closed);
        }
    }
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..100.0_f64,
        2 => Just(0.0),
        1 => Just(7.0),
        1 => Just(1e12),
        1 => -1e6..1e6_f64,
        1 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::NEGATIVE,
    ]
}

fn algorithm() -> impl Strategy<Value = ForecastAlgorithm> {
    prop::sample::select(vec![
        ForecastAlgorithm::Theta,
        ForecastAlgorithm::RidgeLags,
        ForecastAlgorithm::SeasonalNaive,
        ForecastAlgorithm::Ensemble,
    ])
}

proptest! {
    #[test]
    fn any_series_gets_a_finite_answer(
        all in prop::collection::vec(prop::collection::vec(value(), 0..70), 1..4),
        algorithm in algorithm(),
        season_length in prop::option::of(1..15_usize),
        non_negative: bool,
        horizon in 1..20_usize,
    ) {
        let recipe = ForecastEstimator {
            season_length,
            non_negative,
            ..estimator(algorithm, horizon)
        };
        let model = recipe.fit(&panel(Frequency::Daily, &all), &FitRun::quiet(1)).unwrap();
        let levels = [0.5, 0.7, 0.8, 0.9, 0.95, 0.99];
        for answer in model.predict(&query(horizon, &levels)).unwrap() {
            prop_assert_eq!(answer.mean.len(), horizon);
            let mut before = (answer.mean.clone(), answer.mean.clone());
            for interval in &answer.intervals {
                let bounds = interval.lower.iter().chain(&interval.upper);
                prop_assert!(bounds.clone().all(|bound| bound.is_finite()));
                prop_assert!(!non_negative || bounds.clone().all(|bound| *bound >= 0.0));
                prop_assert!(interval.lower.iter().zip(&before.0).all(|(new, old)| new <= old));
                prop_assert!(interval.upper.iter().zip(&before.1).all(|(new, old)| new >= old));
                before = (interval.lower.clone(), interval.upper.clone());
            }
            prop_assert_eq!(answer.method.algorithm, algorithm);
        }
    }
}
