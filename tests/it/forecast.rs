//! Forecasts of series.

use patron::grpc::proto::*;

use crate::app::{Clients, instant};
use crate::failure::{carried, told};
use crate::fixture::{online_retail_server, small_shop_server};

async fn forecast(app: &Clients, request: ForecastRequest) -> ForecastResponse {
    app.predictions().forecast(request).await.unwrap().into_inner()
}

async fn refused(app: &Clients, request: ForecastRequest) -> String {
    told(&app.predictions().forecast(request).await.unwrap_err())
}

fn series(group: &str, value: &str) -> SeriesKey {
    SeriesKey { group: group.to_owned(), value: value.to_owned() }
}

#[tokio::test]
async fn all_series_come_by_key_with_four_weeks_after_the_data() {
    let app = online_retail_server().await;
    let answer = forecast(&app, ForecastRequest::default()).await;
    let keys: Vec<_> = answer.series.iter().map(|series| series.key.clone().unwrap()).collect();
    assert_eq!(keys.len(), 1 + 5 + 20);
    assert!(keys.contains(&series("total", "")) && keys.contains(&series("country", "France")));
    assert!(keys.is_sorted_by(|a, b| (&a.group, &a.value) < (&b.group, &b.value)));
    assert_eq!(answer.period_starts.len(), 28);
    assert_eq!(answer.period_starts[0], instant("2011-12-10"), "the data ends on 2011-12-09");
    assert_eq!(answer.period_starts[27], instant("2012-01-06"));
    assert_eq!(answer.frequency(), Frequency::Daily);
    assert_eq!((answer.measure.as_str(), answer.currency.as_str()), ("sales", "GBP"));
    let served = answer.served_by.unwrap();
    assert_eq!((served.model.as_str(), served.version), ("forecast", 1));
    assert_eq!(served.as_of, Some(instant("2011-12-10")));
    assert!(answer.errors.is_empty());
}

#[tokio::test]
async fn every_number_is_finite_and_a_higher_level_holds_a_lower_one() {
    let app = online_retail_server().await;
    let levels = vec![0.95, 0.5, 0.8];
    let answer = forecast(&app, ForecastRequest { levels, ..Default::default() }).await;
    for series in &answer.series {
        assert_eq!(series.mean.len(), 28);
        assert!(series.mean.iter().sum::<f64>().is_finite(), "{series:?}");
        assert!(series.mean.iter().all(|mean| *mean >= 0.0), "sales are not negative");
        let levels: Vec<f64> = series.intervals.iter().map(|interval| interval.level).collect();
        assert_eq!(levels, [0.5, 0.8, 0.95]);
        for period in 0..28 {
            for (inner, outer) in series.intervals.iter().zip(&series.intervals[1..]) {
                assert!(outer.lower[period] <= inner.lower[period], "{series:?}");
                assert!(outer.upper[period] >= inner.upper[period], "{series:?}");
            }
            let narrow = &series.intervals[0];
            assert!(narrow.lower[period] <= narrow.upper[period]);
            assert!(series.intervals[2].upper[period].is_finite());
        }
    }
}

#[tokio::test]
async fn the_total_is_of_the_size_of_the_last_weeks() {
    let app = online_retail_server().await;
    let request = ForecastRequest { series: vec![series("total", "")], ..Default::default() };
    let answer = forecast(&app, request).await;
    let sum: f64 = answer.series[0].mean.iter().sum();
    // 1.1 million in November 2011, the best month of the year.
    assert!((400_000.0..2_500_000.0).contains(&sum), "{sum}");
    assert!(answer.series[0].backtest_mase.unwrap() > 0.0);
}

#[tokio::test]
async fn weeks_begin_on_monday_and_the_unfinished_one_is_forecast() {
    let app = small_shop_server().await;
    let answer = forecast(&app, ForecastRequest { horizon: Some(3), ..Default::default() }).await;
    assert_eq!(answer.frequency(), Frequency::Weekly);
    assert_eq!(answer.served_by.unwrap().as_of.as_ref(), answer.period_starts.first());
    let starts: Vec<String> = answer.period_starts.iter().map(ToString::to_string).collect();
    // Midnight of the shop's wall clock, in summer time. The data ends on Monday, 2024-06-24.
    insta::assert_debug_snapshot!(starts, @r#"
    [
        "2024-06-23T23:00:00Z",
        "2024-06-30T23:00:00Z",
        "2024-07-07T23:00:00Z",
    ]
    "#);
}

#[tokio::test]
async fn an_unknown_series_is_an_error_of_its_row() {
    let app = small_shop_server().await;
    let asked = vec![
        series("store", "nowhere"),
        series("total", ""),
        series("colour", "red"),
        series("store", "north"),
    ];
    let request = ForecastRequest { series: asked.clone(), ..Default::default() };
    let answer = forecast(&app, request).await;
    let errors: Vec<_> =
        answer.errors.iter().map(|e| (e.row, told(&carried(e.status.as_ref().unwrap())))).collect();
    insta::assert_debug_snapshot!(errors, @r#"
    [
        (
            0,
            "NOT_FOUND SERIES_NOT_FOUND patron.v1.SeriesKey \"store=nowhere\"",
        ),
        (
            2,
            "NOT_FOUND SERIES_NOT_FOUND patron.v1.SeriesKey \"colour=red\"",
        ),
    ]
    "#);
    let keys: Vec<_> = answer.series.iter().map(|series| series.key.clone().unwrap()).collect();
    assert_eq!(keys, asked);
    let answered: Vec<bool> = answer.series.iter().map(|series| !series.mean.is_empty()).collect();
    assert_eq!(answered, [false, true, false, true]);
}

#[tokio::test]
async fn horizons_and_levels_have_limits() {
    let app = small_shop_server().await;
    let horizon = |periods| ForecastRequest { horizon: Some(periods), ..Default::default() };
    let levels = |levels: &[f64]| ForecastRequest { levels: levels.to_vec(), ..Default::default() };
    assert_eq!(forecast(&app, horizon(1)).await.period_starts.len(), 1);
    for (request, expected) in [
        (horizon(0), "INVALID_FIELD horizon"),
        (horizon(7), "INVALID_FIELD horizon"),
        (horizon(u32::MAX), "TOO_MANY_ROWS series"),
        (levels(&[0.0]), "INVALID_FIELD levels"),
        (levels(&[1.0]), "INVALID_FIELD levels"),
        (levels(&[f64::NAN]), "INVALID_FIELD levels"),
        (levels(&[0.8, 0.8]), "INVALID_FIELD levels"),
        (
            levels(&(1..=11).map(|n| f64::from(n) / 12.0).collect::<Vec<_>>()),
            "INVALID_FIELD levels",
        ),
        (
            ForecastRequest { series: vec![series("total", ""); 10_001], ..Default::default() },
            "TOO_MANY_ROWS series",
        ),
        (
            ForecastRequest { model: "churn".to_owned(), ..Default::default() },
            "WRONG_MODEL_KIND model",
        ),
    ] {
        let told = refused(&app, request.clone()).await;
        assert_eq!(told, format!("INVALID_ARGUMENT {expected}"), "{:?}", request.horizon);
    }
}
