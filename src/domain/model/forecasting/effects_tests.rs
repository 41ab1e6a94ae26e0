//! Effects of regressors on simulated sales, whose truth is known, and the boosted member on them.

use super::*;
use crate::dataset::{Regressor, RegressorKind};
use crate::model::FitRun;

const PAST: usize = 104;
const HORIZON: usize = 8;
const UPLIFT: f64 = 1.4;
const ELASTICITY: f64 = -1.8;
const HOLIDAY: f64 = 1.25;

/// Random numbers (Park and Miller's generator).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(7919 * (seed + 1));
        for _ in 0..9 {
            random.uniform();
        }
        random
    }

    fn uniform(&mut self) -> f64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        self.0 as f64 / 2_147_483_647.0
    }

    /// Nearly normal, of variance 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Weekly sales of an item with a season of 13 weeks, a level that wanders, promotions, prices and
/// holidays.
struct Item {
    values: Vec<f64>,
    /// Promotion, price and holiday of each period.
    rows: Vec<f64>,
    uplift: f64,
}

fn item(seed: u64, spread: f64) -> Item {
    let mut random = Random::new(seed);
    let uplift = UPLIFT.ln() + spread * random.normal();
    let mut level = 3.0 + random.uniform();
    let (mut promotion, mut price) = (0.0, 2.0_f64);
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    for t in 0..PAST + HORIZON {
        promotion = f64::from(u8::from(random.uniform() < 0.15 || (promotion > 0.0 && t % 2 == 0)));
        if random.uniform() < 0.2 {
            price = 2.0 * (0.8 + 0.4 * random.uniform());
        }
        let holiday = f64::from(u8::from(t % 26 == 9 || t % 37 == 20));
        rows.extend([promotion, price, holiday]);
        level += 0.02 * random.normal();
        let season = 0.2 * (t as f64 * std::f64::consts::TAU / 13.0).sin();
        let effects = uplift * promotion + ELASTICITY * price.ln() + HOLIDAY.ln() * holiday;
        values.push((level + season + effects + 0.1 * random.normal()).exp());
    }
    Item { values, rows, uplift }
}

fn columns() -> Vec<Regressor> {
    let column = |name: &str, kind| Regressor { name: name.to_owned(), kind };
    vec![
        column("promotion", RegressorKind::Indicator),
        column("price", RegressorKind::Price),
        column("holiday", RegressorKind::Indicator),
    ]
}

fn settings() -> Settings {
    Settings {
        horizon: HORIZON,
        season_lengths: vec![13],
        non_negative: true,
        method: Method::Single(Member::Theta),
    }
}

fn fitted(items: &[Item], settings: &Settings, known: bool, boosted: bool) -> PanelFit {
    let series: Vec<&[f64]> = items.iter().map(|item| &item.values[..PAST]).collect();
    let rows = items.iter().map(|item| item.rows.clone()).collect();
    let regressors = Regressors::new(columns(), rows).unwrap();
    let regressors = known.then_some(&regressors);
    let boosting = boosted.then(|| {
        PooledBoosting::fit(&series, regressors, settings, &FitRun::quiet(1)).unwrap().unwrap()
    });
    let inputs =
        Inputs { series: &series, regressors, boosting: boosting.as_ref(), external: None };
    fit_panel_from(&inputs, settings, &NoControl).unwrap()
}

fn told(fit: &PanelFit, series: usize, column: usize) -> Uplift {
    match &fit.effects(series).unwrap()[column].outcome {
        EffectOutcome::Told(uplift) => *uplift,
        EffectOutcome::CannotTell(reason) => unreachable!("{reason}"),
    }
}

fn holds(estimate: Estimate, truth: f64) -> usize {
    usize::from(estimate.lower <= truth && truth <= estimate.upper)
}

#[test]
fn intervals_of_single_series_hold_the_truth_as_often_as_promised() {
    let mut inside = [0; 3];
    let mut means = [0.0; 3];
    for seed in 0..200 {
        let fit = fitted(&[item(seed, 0.0)], &settings(), true, false);
        let truth = [UPLIFT.ln(), ELASTICITY, HOLIDAY.ln()];
        for (column, truth) in truth.into_iter().enumerate() {
            let found = told(&fit, 0, column);
            inside[column] += holds(found.coefficient, truth);
            means[column] += found.coefficient.value / 200.0;
            assert_eq!(found.pooled_series, 0);
        }
    }
    assert!(inside.iter().all(|count| (180..=196).contains(count)), "{inside:?}");
    assert!((means[0].exp() - UPLIFT).abs() < 0.03, "{means:?}");
    assert!((means[1] - ELASTICITY).abs() < 0.06, "{means:?}");
    assert!((means[2].exp() - HOLIDAY).abs() < 0.03, "{means:?}");
}

#[test]
fn a_panel_narrows_the_intervals_and_they_still_hold() {
    let items: Vec<Item> = (0..200).map(|seed| item(1000 + seed, 0.08)).collect();
    let fit = fitted(&items, &settings(), true, false);
    let alone = fitted(&items[..1], &settings(), true, false);
    let (mut inside, mut units) = (0, 0);
    for (index, item) in items.iter().enumerate() {
        let found = told(&fit, index, 0);
        assert!(found.pooled_series >= 190);
        inside += holds(found.percent, 100.0 * item.uplift.exp_m1());
        let promoted = item.rows.chunks_exact(3).zip(&item.values[..PAST]);
        let truth: f64 = promoted
            .filter(|(row, _)| row[0] > 0.0)
            .map(|(_, value)| value * (1.0 - (-item.uplift).exp()))
            .sum();
        units += holds(found.units, truth);
        assert!(found.baseline > 0.0 && found.units.value > 0.0 && found.periods > 3);
    }
    assert!((180..=196).contains(&inside) && (180..=196).contains(&units), "{inside} {units}");
    let width = |estimate: Estimate| estimate.upper - estimate.lower;
    assert!(width(told(&fit, 0, 2).percent) < 0.8 * width(told(&alone, 0, 2).percent));
}

#[test]
fn known_promotions_make_forecasts_better_and_are_told_apart() {
    let items: Vec<Item> = (0..12).map(|seed| item(3000 + seed, 0.0)).collect();
    let error = |fit: &PanelFit| -> f64 {
        let errors = items.iter().enumerate().flat_map(|(index, item)| {
            let point = fit.point(index, HORIZON).unwrap();
            let coming = item.values[PAST..].to_vec();
            point.into_iter().zip(coming).map(|(a, b)| (a / b - 1.0).abs())
        });
        errors.sum::<f64>() / (12 * HORIZON) as f64
    };
    let settings = Settings { method: Method::Ensemble, ..settings() };
    let (plain, mut known) =
        (fitted(&items, &settings, false, false), fitted(&items, &settings, true, false));
    assert!(error(&known) < 0.7 * error(&plain), "{} {}", error(&known), error(&plain));
    assert!(plain.effects(0).unwrap().is_empty());
    for index in 0..12 {
        assert!(!known.fallbacks(index).unwrap().contains(&Fallback::RegressorsLeftOut));
        let parts = known.components(index, HORIZON).unwrap();
        for (step, value) in known.point(index, HORIZON).unwrap().iter().enumerate() {
            let sum = parts.level[step] + parts.trend[step] + parts.seasonal[step];
            assert!((sum + parts.regressors[step] - value).abs() < 1e-9 * value);
        }
        let interval = known.interval(index, 0.95).unwrap();
        assert!(interval.lower.iter().zip(&interval.upper).all(|(low, high)| low < high));
    }
    // What is known of the periods to come moves along.
    let before = known.components(0, HORIZON).unwrap().regressors;
    known.update(0, &items[0].values[PAST..PAST + 2]).unwrap();
    let after = known.components(0, HORIZON).unwrap().regressors;
    for (before, after) in before[2..].iter().zip(&after) {
        assert!((before - after).abs() < 0.5 * before.abs() + 1e-9, "{before} {after}");
    }
    assert_eq!(after[HORIZON - 2..], [0.0; 2]);
}

#[test]
fn columns_that_mean_nothing_are_left_out() {
    let mut items: Vec<Item> = (0..12).map(|seed| item(5000 + seed, 0.0)).collect();
    let others: Vec<Vec<f64>> = (0..12).map(|seed| item(9000 + seed, 0.0).rows).collect();
    for (item, rows) in items.iter_mut().zip(others) {
        item.rows = rows;
    }
    let settings = Settings { method: Method::Ensemble, ..settings() };
    let (plain, known) =
        (fitted(&items, &settings, false, false), fitted(&items, &settings, true, false));
    let left_out =
        |index: &usize| known.fallbacks(*index).unwrap().contains(&Fallback::RegressorsLeftOut);
    assert!((0..12).filter(left_out).count() >= 8);
    for index in (0..12).filter(left_out) {
        assert_eq!(plain.point(index, 3), known.point(index, 3));
        assert_eq!(known.components(index, 2).unwrap().regressors, [0.0; 2]);
    }
}

#[test]
fn what_a_series_cannot_tell_is_said() {
    let column = |name: &str| Regressor { name: name.to_owned(), kind: RegressorKind::Indicator };
    let price = Regressor { name: "price".to_owned(), kind: RegressorKind::Price };
    let names = ["never", "always", "twice", "yearly", "one", "same"];
    let columns = names.map(column).into_iter().chain([price]).collect();
    let mut random = Random::new(1);
    let (mut values, mut rows) = (Vec::new(), Vec::new());
    for t in 0..PAST + HORIZON {
        let flag = |found: bool| f64::from(u8::from(found));
        let one = flag(random.uniform() < 0.3);
        // The same promotion, booked under two names.
        let season = (t as f64 * std::f64::consts::TAU / 13.0).sin();
        rows.extend([0.0, 1.0, flag(t == 3 || t == 50), season, one, one, 4.5]);
        values.push(50.0 * (1.0 + 0.3 * one) * (0.1 * random.normal()).exp());
    }
    values.truncate(PAST);
    let regressors = Regressors::new(columns, vec![rows; 2]).unwrap();
    let series = [values.as_slice(), &values[..9]];
    let inputs = Inputs { series: &series, regressors: Some(&regressors), ..Inputs::default() };
    let fit = fit_panel_from(&inputs, &settings(), &NoControl).unwrap();
    let reasons = |series: usize| -> Vec<String> {
        let effects = fit.effects(series).unwrap().iter();
        let reason = |effect: &Effect| match &effect.outcome {
            EffectOutcome::CannotTell(reason) => reason.to_string(),
            EffectOutcome::Told(uplift) => format!("{uplift:?}"),
        };
        effects.map(reason).collect()
    };
    assert_eq!(
        reasons(0),
        [
            "it never happened in the past of this series",
            "it was the same in every past period",
            "it moved in 2 periods only",
            "it moves together with the trend or the season",
            "it moves together with same",
            "it moves together with one",
            "it was the same in every past period",
        ]
    );
    assert_eq!(reasons(1)[4], "the series has 9 values only");
    let short = Regressors::new(vec![column("x")], vec![vec![0.0; 9]; 2]).unwrap();
    let inputs = Inputs { regressors: Some(&short), ..inputs };
    assert!(fit_panel_from(&inputs, &settings(), &NoControl).is_err());
}

#[test]
fn boosting_learns_over_the_panel_and_any_number_of_threads_gives_the_same() {
    let items: Vec<Item> = (0..40).map(|seed| item(7000 + seed, 0.0)).collect();
    let settings = Settings { method: Method::Ensemble, ..settings() };
    let answer = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fitted(&items, &settings, true, true))
    };
    let fit = answer(1);
    assert_eq!(serde_json::to_string(&fit).unwrap(), serde_json::to_string(&answer(3)).unwrap());
    let report = fit.backtest(0).unwrap();
    let boosted = report.members.last().unwrap();
    assert_eq!((boosted.member, report.members.len()), (Member::Boosting, 7));
    assert!(boosted.mase.is_some_and(|mase| mase < 2.0), "{boosted:?}");
    let few: Vec<&[f64]> = items.iter().take(5).map(|item| item.values.as_slice()).collect();
    assert!(PooledBoosting::fit(&few, None, &settings, &FitRun::quiet(1)).unwrap().is_none());
}

/// Forecasts that are nowhere near.
struct Nonsense;

impl ExternalMember for Nonsense {
    fn forecast(&self, _series: usize, _held_out: usize, path: &mut [f64]) -> bool {
        path.fill(1e6);
        true
    }
}

#[test]
fn boosting_and_another_external_member_have_a_place_each() {
    let items: Vec<Item> = (0..40).map(|seed| item(7100 + seed, 0.0)).collect();
    let series: Vec<&[f64]> = items.iter().map(|item| &item.values[..PAST]).collect();
    let settings = Settings { method: Method::Ensemble, ..settings() };
    let boosting = PooledBoosting::fit(&series, None, &settings, &FitRun::quiet(1)).unwrap();
    let inputs = Inputs {
        series: &series,
        regressors: None,
        boosting: boosting.as_ref(),
        external: Some(&Nonsense),
    };
    let fit = fit_panel_from(&inputs, &settings, &NoControl).unwrap();
    let report = fit.backtest(0).unwrap();
    let [.., boosted, external] = report.members[..] else { unreachable!() };
    assert_eq!((boosted.member, external.member), (Member::Boosting, Member::External));
    assert!(external.weight < 1e-6 && boosted.mase < external.mase);
}
