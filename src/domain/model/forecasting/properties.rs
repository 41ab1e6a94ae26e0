//! What holds for any panel.

use proptest::prelude::*;

use super::tests::fit;
use super::*;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => 0.0..100.0_f64,
        2 => Just(0.0),
        1 => Just(7.0),
        1 => Just(1e12),
        1 => Just(1e-12),
        1 => -1e6..1e6_f64,
        1 => prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::NEGATIVE,
    ]
}

fn series() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(value(), 0..80),
        prop::collection::vec(0.0..50.0_f64, 0..80),
        (value(), 0..60_usize).prop_map(|(value, count)| vec![value; count]),
    ]
}

fn method() -> impl Strategy<Value = Method> {
    let members = vec![
        Member::Theta,
        Member::Ets,
        Member::Damped,
        Member::Ces,
        Member::SeasonalNaive,
        Member::Simple,
        Member::AdditiveEts,
        Member::Imapa,
        Member::Tsb,
        Member::Boosting,
        Member::External,
    ];
    prop_oneof![
        3 => Just(Method::Ensemble),
        1 => prop::sample::select(members).prop_map(Method::Single),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_panel_gets_a_finite_and_bounded_answer(
        all in prop::collection::vec(series(), 1..8),
        new in prop::collection::vec(value(), 0..9),
        method in method(),
        season_lengths in prop::sample::select(vec![
            vec![], vec![1], vec![4], vec![12], vec![3, 12],
        ]),
        non_negative: bool,
        horizon in 1..20_usize,
    ) {
        let settings = Settings { horizon, season_lengths, non_negative, method };
        let mut fit = fit(&all, &settings);
        for round in 0..2 {
            for (index, values) in all.iter().enumerate() {
                let point = fit.point(index, horizon).unwrap();
                let largest = values.iter().chain(&new).fold(0.0_f64, |a, b| a.max(b.abs()));
                prop_assert_eq!(point.len(), horizon);
                for value in &point {
                    prop_assert!(value.is_finite() && (!non_negative || *value >= 0.0));
                    prop_assert!(value.abs() / 25.0 <= largest, "{} {}", value, largest);
                }
                let mut before = (point.clone(), point.clone());
                for level in [0.5, 0.8, 0.95, 0.99] {
                    let found = fit.interval(index, level).unwrap();
                    let bounds = found.lower.iter().chain(&found.upper);
                    prop_assert!(bounds.clone().all(|b| b.is_finite()));
                    prop_assert!(!non_negative || bounds.clone().all(|b| *b >= 0.0));
                    prop_assert!(found.lower.iter().zip(&before.0).all(|(new, old)| new <= old));
                    prop_assert!(found.upper.iter().zip(&before.1).all(|(new, old)| new >= old));
                    before = (found.lower, found.upper);
                }
                let parts = fit.components(index, horizon).unwrap();
                prop_assert!(parts.trend.iter().chain(&parts.seasonal).all(|v| v.is_finite()));
                let report = fit.backtest(index).unwrap();
                prop_assert!(report.errors.iter().flatten().all(|error| error.is_finite()));
                if round == 0 {
                    fit.update(index, &new).unwrap();
                }
            }
            let text = serde_json::to_string(&fit).unwrap();
            prop_assert_eq!(&serde_json::from_str::<PanelFit>(&text).unwrap(), &fit);
            let group: Vec<usize> = (0..all.len()).collect();
            let sum = fit.sum_intervals(&[group], 0.9).unwrap();
            prop_assert!(sum.iter().all(|i| i.lower.iter().zip(&i.upper).all(|(l, u)| l <= u)));
        }
    }
}
