//! Whole panels.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Numbers between -1 and 1 that look random (Park and Miller's generator).
fn noise(state: &mut u64) -> f64 {
    *state = *state * 48_271 % 2_147_483_647;
    *state as f64 / 1_073_741_823.5 - 1.0
}

/// Level, trend, season and noise.
fn monthly(seed: u64, count: usize) -> Vec<f64> {
    let mut random = 7919 * (seed + 1);
    for _ in 0..9 {
        noise(&mut random);
    }
    let size = 10.0 + 90.0 * (1.0 + noise(&mut random));
    let slope = 0.01 * noise(&mut random);
    (0..count)
        .map(|t| {
            let season = 1.0 + 0.3 * (t as f64 * std::f64::consts::TAU / 12.0).sin();
            size * (1.0 + slope * t as f64) * season * (1.0 + 0.05 * noise(&mut random))
        })
        .collect()
}

/// Demand of 1 to 4 pieces on about a third of the days.
fn intermittent(seed: u64, count: usize) -> Vec<f64> {
    let mut random = 104_729 * (seed + 1);
    let mut piece = |_| {
        let sold = noise(&mut random) > 0.35;
        let size = (1.0 + 1.99 * (1.0 + noise(&mut random))).floor();
        if sold { size } else { 0.0 }
    };
    let mut values: Vec<f64> = (0..count).map(&mut piece).collect();
    values[0] = 2.0;
    values
}

fn settings(horizon: usize, season_lengths: &[usize]) -> Settings {
    Settings {
        horizon,
        season_lengths: season_lengths.to_vec(),
        non_negative: true,
        method: Method::Ensemble,
    }
}

pub(super) fn fit(panel: &[Vec<f64>], settings: &Settings) -> PanelFit {
    fit_panel(&slices(panel), settings, &NoControl).unwrap()
}

fn slices(panel: &[Vec<f64>]) -> Vec<&[f64]> {
    panel.iter().map(Vec::as_slice).collect()
}

fn panel(count: usize, length: usize) -> Vec<Vec<f64>> {
    (0..count as u64).map(|seed| monthly(seed, length)).collect()
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let mut panel = panel(12, 60);
    panel.extend((0..6).map(|seed| intermittent(seed, 80)));
    let bytes = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        serde_json::to_string(&pool.install(|| fit(&panel, &settings(6, &[12])))).unwrap()
    };
    let one = bytes(1);
    assert_eq!(one, bytes(2));
    assert_eq!(one, bytes(5));
    let again: PanelFit = serde_json::from_str(&one).unwrap();
    assert_eq!(again.series_count(), 18);
}

#[test]
fn a_panel_is_forecast_within_its_intervals() {
    let whole = panel(80, 96);
    let known: Vec<Vec<f64>> = whole.iter().map(|values| values[..84].to_vec()).collect();
    let fit = fit(&known, &settings(12, &[12]));
    let indices: Vec<usize> = (0..80).collect();
    for level in [0.8, 0.95] {
        let mut inside = 0;
        for (interval, values) in fit.intervals(&indices, level).unwrap().iter().zip(&whole) {
            let bounds = interval.lower.iter().zip(&interval.upper);
            let coming = values[84..].iter().zip(bounds);
            inside += coming.filter(|(value, (low, high))| low <= value && value <= high).count();
            assert_eq!(interval.source, IntervalSource::Conformal);
        }
        let share = inside as f64 / 960.0;
        assert!((share - level).abs() < 0.04, "{level}: {share}");
    }
    let calibration = fit.calibration();
    assert!((calibration.at_80.unwrap() - 0.8).abs() < 0.03, "{calibration:?}");
    assert!((calibration.at_95.unwrap() - 0.95).abs() < 0.03, "{calibration:?}");
    let report = fit.backtest(3).unwrap();
    assert_eq!((report.members.len(), report.held_out.as_slice()), (6, [36, 24, 12].as_slice()));
    assert!((report.members.iter().map(|m| m.weight).sum::<f64>() - 1.0).abs() < 1e-12);
    let naive = report.members[5].mase.unwrap();
    assert!(report.mase.unwrap() < naive && report.errors.len() == 3);
    assert!(fit.fallbacks(3).unwrap().is_empty());
}

#[test]
fn a_single_series_is_its_own_pool() {
    let fit = fit(&panel(1, 120), &settings(12, &[12]));
    let report = fit.backtest(0).unwrap();
    assert_eq!((report.held_out.len(), report.held_out[23]), (24, 12));
    let narrow = fit.interval(0, 0.8).unwrap();
    let wide = fit.interval(0, 0.95).unwrap();
    assert_eq!(wide.source, IntervalSource::Conformal);
    assert!(narrow.lower[0] > wide.lower[0] && narrow.upper[0] < wide.upper[0]);
    assert!(fit.fallbacks(0).unwrap().is_empty());
}

#[test]
fn sums_have_narrower_intervals_than_their_parts_together() {
    let whole = panel(60, 96);
    let known: Vec<Vec<f64>> = whole.iter().map(|values| values[..84].to_vec()).collect();
    let fit = fit(&known, &settings(12, &[12]));
    let groups: Vec<Vec<usize>> = (0..12).map(|g| (5 * g..5 * g + 5).collect()).collect();
    let found = fit.sum_intervals(&groups, 0.95).unwrap();
    let mut inside = 0;
    for (group, interval) in groups.iter().zip(&found) {
        let point = fit.sum_point(group, 12).unwrap();
        let mut parts = 0.0;
        for index in group {
            let part = fit.interval(*index, 0.95).unwrap();
            parts += part.upper[5] - part.lower[5];
        }
        assert!(interval.upper[5] - interval.lower[5] < 0.95 * parts);
        for step in 0..12 {
            assert!(interval.lower[step] <= point[step] && point[step] <= interval.upper[step]);
            let actual: f64 = group.iter().map(|index| whole[*index][84 + step]).sum();
            inside += usize::from(interval.lower[step] <= actual && actual <= interval.upper[step]);
        }
    }
    assert!((inside as f64 / 144.0 - 0.95).abs() < 0.05, "{inside}");
    // One group alone: single series join the scores.
    let alone = fit.sum_intervals(&groups[..1], 0.95).unwrap();
    assert!(alone[0].upper.iter().all(|bound| bound.is_finite()));
    assert!(fit.sum_intervals(&[vec![99]], 0.95).is_err());
}

#[test]
fn updating_rolls_every_member_forward() {
    let whole = panel(8, 72);
    let known: Vec<Vec<f64>> = whole.iter().map(|values| values[..60].to_vec()).collect();
    let mut fit = fit(&known, &settings(6, &[12]));
    let before = fit.point(0, 18).unwrap();
    let mut twice = fit.clone();
    fit.update(0, &whole[0][60..72]).unwrap();
    twice.update(0, &whole[0][60..65]).unwrap();
    twice.update(0, &whole[0][65..72]).unwrap();
    assert_eq!(fit, twice);
    let after = fit.point(0, 6).unwrap();
    // Twelve values later the season stands at the same position.
    for (before, after) in before[12..].iter().zip(&after) {
        assert!((after / before - 1.0).abs() < 0.2, "{before} {after}");
    }
    // Values that were expected change nothing but rounding, except in the trend of theta.
    let expected = twice.point(1, 4).unwrap();
    twice.update(1, &expected[..1]).unwrap();
    let moved = twice.point(1, 3).unwrap();
    for (expected, moved) in expected[1..].iter().zip(&moved) {
        assert!((moved / expected - 1.0).abs() < 0.1, "{expected} {moved}");
    }
    assert!(fit.update(0, &[f64::INFINITY]).is_err() && fit.update(99, &[1.0]).is_err());
}

#[test]
fn components_add_up_to_the_forecast() {
    let fit = fit(&panel(6, 60), &settings(6, &[12]));
    let (point, parts) = (fit.point(2, 24).unwrap(), fit.components(2, 24).unwrap());
    for (step, point) in point.iter().enumerate() {
        let sum = parts.level[step] + parts.trend[step] + parts.seasonal[step];
        assert!((sum - point).abs() < 1e-9 * point.abs());
    }
    let spread = |values: &[f64]| {
        values.iter().fold(f64::MIN, |a, b| a.max(*b))
            - values.iter().fold(f64::MAX, |a, b| a.min(*b))
    };
    assert!(spread(&parts.seasonal) > 3.0 * spread(&parts.trend));
    assert!(fit.point(2, 0).unwrap().is_empty());
}

#[test]
fn two_long_seasons_of_daily_sales_are_followed() {
    let daily = |seed: u64, count: usize| -> Vec<f64> {
        let mut random = 31 * (seed + 1);
        (0..count)
            .map(|t| {
                let week = [1.0, 0.8, 0.8, 0.9, 1.1, 1.6, 0.8][t % 7];
                let year = 1.0 + 0.4 * (t as f64 * std::f64::consts::TAU / 365.0).sin();
                100.0 * week * year * (1.0 + 0.05 * noise(&mut random))
            })
            .collect()
    };
    let whole: Vec<Vec<f64>> = (0..6).map(|seed| daily(seed, 1000)).collect();
    let known: Vec<Vec<f64>> = whole.iter().map(|values| values[..972].to_vec()).collect();
    let fit = fit(&known, &settings(28, &[7, 365]));
    for (index, values) in whole.iter().enumerate() {
        let point = fit.point(index, 28).unwrap();
        let errors = point.iter().zip(&values[972..]).map(|(a, b)| (a / b - 1.0).abs());
        assert!(errors.sum::<f64>() / 28.0 < 0.08, "{point:?} {:?}", &values[972..]);
    }
}

#[test]
fn intermittent_demand_has_its_own_members() {
    let panel: Vec<Vec<f64>> = (0..30).map(|seed| intermittent(seed, 200)).collect();
    let fit = fit(&panel, &settings(14, &[7]));
    for (index, values) in panel.iter().enumerate() {
        let rate = values.iter().sum::<f64>() / 200.0;
        let point = fit.point(index, 14).unwrap();
        assert!(point.iter().all(|value| (value / rate - 1.0).abs() < 0.6), "{rate} {point:?}");
        assert_eq!(fit.fallbacks(index).unwrap(), [Fallback::Intermittent]);
        let report = fit.backtest(index).unwrap();
        assert!(report.members.iter().all(|m| m.member != Member::SeasonalNaive));
    }
    assert!((fit.calibration().at_95.unwrap() - 0.95).abs() < 0.03);
}

/// The truth, for the first half of the series.
struct Oracle(Vec<Vec<f64>>);

impl ExternalMember for Oracle {
    fn forecast(&self, series: usize, held_out: usize, path: &mut [f64]) -> bool {
        assert!(held_out.is_multiple_of(6) && held_out <= 18);
        let start = 60 - held_out;
        let Some(truth) = self.0.get(series).filter(|_| series < 6) else { return false };
        for (value, truth) in path.iter_mut().zip(&truth[start..]) {
            *value = *truth;
        }
        true
    }
}

#[test]
fn a_good_external_member_wins_where_it_answers() {
    let whole = panel(12, 66);
    let known: Vec<Vec<f64>> = whole.iter().map(|values| values[..60].to_vec()).collect();
    let oracle = Oracle(whole.clone());
    let settings = settings(6, &[12]);
    let mut fit = fit_panel_with(&slices(&known), &settings, Some(&oracle), &NoControl).unwrap();
    for (index, values) in whole.iter().enumerate() {
        let report = fit.backtest(index).unwrap();
        let external = report.members[6];
        assert_eq!(external.member, Member::External);
        if index < 6 {
            assert!(external.weight > 0.4 && external.mase.unwrap() < 1e-6, "{external:?}");
        } else {
            assert!(external.weight == 0.0 && external.mase.is_none(), "{external:?}");
        }
        assert!(fit.point(index, 12).unwrap().iter().all(|value| value.is_finite()));
        let _ = values;
    }
    // Its forecast moves along with new values, and ends.
    let next = fit.point(0, 6).unwrap();
    fit.update(0, &whole[0][60..62]).unwrap();
    let moved = fit.point(0, 6).unwrap();
    assert!((moved[0] / next[2] - 1.0).abs() < 0.05 && moved[5].is_finite());
}

#[test]
fn an_external_member_alone_has_simple_smoothing_behind_it() {
    let whole = panel(8, 66);
    let known: Vec<Vec<f64>> = whole.iter().map(|values| values[..60].to_vec()).collect();
    let mut settings = settings(6, &[12]);
    settings.method = Method::Single(Member::External);
    let oracle = Oracle(whole.clone());
    let fit = fit_panel_with(&slices(&known), &settings, Some(&oracle), &NoControl).unwrap();
    let found = fit.point(0, 8).unwrap();
    for (found, truth) in found.iter().zip(&whole[0][60..]) {
        assert!((found / truth - 1.0).abs() < 1e-6);
    }
    assert_eq!(found[6], found[7]);
    assert_eq!(fit.point(7, 3).unwrap(), vec![fit.point(7, 1).unwrap()[0]; 3]);
}

#[test]
fn every_guard_says_what_it_did() {
    let series: [(&[f64], &[Fallback]); 7] = [
        (&[], &[Fallback::NothingSold, Fallback::FewValues { found: 0 }]),
        (&[0.0; 30], &[Fallback::NothingSold, Fallback::Intermittent]),
        (&[5.0], &[Fallback::Constant, Fallback::FewValues { found: 1 }]),
        (
            &[0.0, 0.0, 3.0, 4.0],
            &[Fallback::NotYetSold { periods: 2 }, Fallback::FewValues { found: 2 }],
        ),
        (&[7.0; 40], &[Fallback::Constant]),
        (
            &[1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 4.0],
            &[Fallback::FewSeasons { season_length: 12 }, Fallback::EqualWeights],
        ),
        (
            &[1e12, 1e12, 1e12, 1.1e12, 1e12, 1e12],
            &[Fallback::FewSeasons { season_length: 12 }, Fallback::EqualWeights],
        ),
    ];
    let panel: Vec<Vec<f64>> = series.iter().map(|(values, _)| values.to_vec()).collect();
    let fit = fit(&panel, &settings(4, &[12]));
    for (index, (values, expected)) in series.iter().enumerate() {
        assert_eq!(fit.fallbacks(index).unwrap(), *expected, "{values:?}");
        let point = fit.point(index, 8).unwrap();
        let highest = values.iter().fold(0.0_f64, |a, b| a.max(*b));
        assert!(point.iter().all(|value| (0.0..=2.0 * highest).contains(value)), "{point:?}");
        for fallback in *expected {
            assert!(fallback.to_string().len() > 20);
        }
    }
    assert_eq!(fit.point(2, 1).unwrap(), [5.0]);
    let constant = fit.interval(4, 0.95).unwrap();
    assert!(constant.upper.iter().all(|bound| (bound - 7.0).abs() < 1e-9));
}

#[test]
fn a_wild_member_is_replaced_and_named() {
    // A trend that doubles every period, up to the end.
    let mut values: Vec<f64> = vec![1.0; 20];
    values.extend((0..12).map(|t| 2.0_f64.powi(t)));
    let mut settings = settings(24, &[1]);
    settings.method = Method::Single(Member::Damped);
    let fit = fit(&[values], &settings);
    assert_eq!(fit.fallbacks(0).unwrap(), [Fallback::Implausible { member: Member::Damped }]);
    let point = fit.point(0, 24).unwrap();
    assert!(point.iter().all(|value| (0.0..=5.0 * 2048.0).contains(value)), "{point:?}");
}

#[test]
fn what_cannot_be_fitted_is_refused_by_name() {
    let refused = |values: &[f64], settings: &Settings| {
        fit_panel(&[&[1.0, 2.0], values], settings, &NoControl).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&[1.0, f64::NAN], &settings(3, &[])),
        "series 1 has no finite value in period 1: replace or remove NaN"
    );
    assert_eq!(refused(&[1.0], &settings(0, &[])), "horizon must be 1 to 400 periods, got 0");
    assert!(refused(&[1.0], &settings(3, &[500])).contains("season_lengths"));
    assert!(refused(&[1.0], &settings(3, &[7, 3])).contains("ascending"));
    let fit = fit(&panel(2, 30), &settings(3, &[]));
    assert!(fit.interval(0, 0.4).is_err() && fit.interval(5, 0.8).is_err());
}

/// Stops after some series.
struct Stop {
    after: usize,
    done: AtomicUsize,
}

impl Control for Stop {
    fn is_cancelled(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.after
    }

    fn progress(&self, done: usize, of: usize) {
        assert!(done <= of && done > self.done.swap(done, Ordering::Relaxed));
    }
}

#[test]
fn a_fit_reports_progress_and_can_be_stopped() {
    let panel = panel(6, 30);
    let run = |after| {
        let stop = Stop { after, done: AtomicUsize::new(0) };
        let result = fit_panel(&slices(&panel), &settings(3, &[12]), &stop);
        (result.map(|fit| fit.series_count()), stop.done.into_inner())
    };
    assert_eq!(run(100), (Ok(6), 6));
    assert_eq!(run(2).0, Err(ForecastError::Cancelled));
}

#[test]
fn what_is_kept_is_small() {
    let fit = fit(&panel(20, 72), &settings(18, &[12]));
    let text = serde_json::to_string(&fit).unwrap();
    // The pool of scores is shared by all series.
    assert!(text.len() < 20 * 8_000 + 18 * 1_000 * 12, "{}", text.len());
}
