//! Forecasts of series.

use std::fmt::Write as _;

use patron::grpc::proto::*;

use crate::app::{Clients, TestApp, instant};
use crate::failure::{carried, told};
use crate::fixture::{online_retail_server, small_shop, small_shop_server};

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
    assert_eq!(keys.len(), 1 + 5 + 1 + 20 + 1, "and all others of both groups");
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

#[tokio::test]
async fn stores_and_countries_add_up_to_the_total() {
    let app = online_retail_server().await;
    let answer = forecast(&app, ForecastRequest::default()).await;
    let of = |group: &'static str| {
        answer.series.iter().filter(move |one| one.key.as_ref().unwrap().group == group)
    };
    let total = of("total").next().unwrap();
    for group in ["country", "product"] {
        assert!(of(group).any(|one| one.key.as_ref().unwrap().value.is_empty()), "all others");
        for (period, expected) in total.mean.iter().enumerate() {
            let sum: f64 = of(group).map(|one| one.mean[period]).sum();
            assert!((sum - expected).abs() <= 1e-9 * expected.max(1.0), "{group} {period}");
        }
    }
}

#[tokio::test]
async fn a_sum_has_an_interval_of_its_own_and_parts_add_up() {
    let app = small_shop_server().await;
    let stores = vec![series("store", "north"), series("store", "south")];
    let request = ForecastRequest {
        series: stores.clone(),
        include_components: true,
        sums: vec![SeriesSum { series: stores.clone() }],
        ..Default::default()
    };
    let answer = forecast(&app, request).await;
    let [north, south] = answer.series.as_slice() else { panic!("{answer:?}") };
    let [sum] = answer.sums.as_slice() else { panic!("{answer:?}") };
    for period in 0..6 {
        assert!((sum.mean[period] - north.mean[period] - south.mean[period]).abs() < 1e-6);
        let width = |interval: &ForecastInterval| interval.upper[period] - interval.lower[period];
        assert!(width(&sum.intervals[0]) > 0.0);
        for one in [north, south] {
            let parts = one.components.as_ref().unwrap();
            let lists = [&parts.level, &parts.trend, &parts.seasonal, &parts.adjustment];
            let all: f64 = lists.iter().map(|list| list[period]).sum();
            assert!((all - one.mean[period]).abs() < 1e-6);
        }
    }
    let of = |keys: Vec<SeriesKey>| ForecastRequest {
        sums: vec![SeriesSum { series: keys }],
        ..Default::default()
    };
    let twice = vec![stores[0].clone(), stores[0].clone()];
    assert_eq!(refused(&app, of(twice)).await, "INVALID_ARGUMENT INVALID_FIELD sums[0].series");
    assert_eq!(refused(&app, of(vec![])).await, "INVALID_ARGUMENT INVALID_FIELD sums[0].series");
    let unknown = refused(&app, of(vec![series("store", "nowhere")])).await;
    assert!(unknown.starts_with("NOT_FOUND SERIES_NOT_FOUND"), "{unknown}");
}

#[tokio::test]
async fn the_champion_takes_in_new_periods_without_a_fit() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let train = |as_of: &'static str, update: bool| CreateTrainingJobRequest {
        model: "forecast".to_owned(),
        as_of: Some(instant(as_of)),
        update,
        ..Default::default()
    };
    let before = app.train_as(train("2024-05-13", false)).await.result.unwrap();
    assert!(before.promoted, "{before:?}");
    let after = app.train_as(train("2024-06-17", true)).await.result.unwrap();
    assert!(after.promotion_reason.starts_with("5 periods were taken in"), "{after:?}");
    assert!(after.metrics.iter().any(|metric| metric.name == "mase" && metric.value > 0.0));
    let version = app.version("forecast", after.version).await;
    assert_eq!((version.updated_from, version.algorithm.as_str()), (before.version, "theta"));
    let evaluation: serde_json::Value = serde_json::from_str(&version.evaluation_json).unwrap();
    assert_eq!(evaluation["steps"].as_array().unwrap().len(), 5);
    assert!(evaluation["steps"][0]["mase"].as_f64().unwrap() > 0.0);
    let asked = ForecastRequest {
        selector: Some(crate::app::version_selector(after.version)),
        ..Default::default()
    };
    let answer = forecast(&app, asked).await;
    assert_eq!(answer.period_starts[0], instant("2024-06-16T23:00:00Z"));

    let again = app.trainings().create_training_job(train("2024-06-17", true)).await.unwrap();
    let again = app.training_end(&again.into_inner().job_id).await;
    assert_eq!(again.state(), JobState::Failed, "no period has closed since");
    for (request, expected) in [
        (
            CreateTrainingJobRequest { seed: Some(3), ..train("2024-06-17", true) },
            "INVALID_FIELD seed",
        ),
        (
            CreateTrainingJobRequest { model: "churn".to_owned(), ..train("2024-06-17", true) },
            "WRONG_MODEL_KIND update",
        ),
    ] {
        let status = app.trainings().create_training_job(request).await.unwrap_err();
        assert_eq!(told(&status), format!("INVALID_ARGUMENT {expected}"));
    }
}

#[tokio::test]
async fn orders_and_customers_are_counted_once() {
    let app = TestApp::empty().await;
    let mapping = "[columns]\ncustomer_id = \"c\"\norder_id = \"o\"\noccurred_at = \"t\"\n\
                   product_id = \"p\"\nquantity = \"q\"\nunit_price = \"u\"\nstore_id = \"s\"\n";
    let mut csv = "c,o,t,p,q,u,s\n".to_owned();
    for month in 1..=12 {
        // Anna's two orders, one of them in two lines; Bert's in another store; two unknown
        // people; and what Anna brought back.
        for (customer, order, day, quantity, store) in [
            ("anna", "1", 3, 1, "x"),
            ("anna", "1", 3, 2, "x"),
            ("anna", "2", 9, 1, "y"),
            ("bert", "3", 9, 1, "y"),
            ("", "4", 12, 1, "x"),
            ("", "", 20, 1, "x"),
            ("anna", "5", 21, -1, "y"),
        ] {
            let order = if order.is_empty() { String::new() } else { format!("{month}-{order}") };
            let time = format!("2023-{month:02}-{day:02}T10:00:00Z");
            writeln!(csv, "{customer},{order},{time},p{quantity},{quantity},5,{store}").unwrap();
        }
    }
    writeln!(csv, "anna,end,2024-01-05T10:00:00Z,p,1,5,x").unwrap();
    let file = app.file("lines.csv", csv);
    app.import(&file, mapping).await;
    let means = async |measure: &str| {
        let recipe = format!(
            "kind = \"forecast\"\nalgorithm = \"seasonal-naive\"\nfrequency = \"monthly\"\n\
             horizon = 1\nseason_length = 1\nmeasure = \"{measure}\"\n\
             [[series]]\ngroup = \"total\"\n[[series]]\ngroup = \"store\"\n"
        );
        let trained = app.train_by("forecast", recipe).await.result.unwrap();
        let selector = Some(crate::app::version_selector(trained.version));
        let answer = forecast(&app, ForecastRequest { selector, ..Default::default() }).await;
        assert_eq!((answer.measure.as_str(), answer.currency.as_str()), (measure, ""));
        let pairs = answer.series.into_iter().map(|one| (one.key.unwrap().value, one.mean[0]));
        pairs.collect::<Vec<_>>()
    };
    let of = |total: f64, x: f64, y: f64| {
        vec![("x".to_owned(), x), ("y".to_owned(), y), (String::new(), total)]
    };
    assert_eq!(means("orders").await, of(5.0, 3.0, 2.0));
    assert_eq!(means("customers").await, of(2.0, 1.0, 2.0));
}

/// Two shops of four years of weeks.
fn weeks(length: i64, without: &str) -> String {
    let mut csv = "week,shop,sold\n".to_owned();
    let first: jiff::civil::Date = "2020-01-06".parse().unwrap();
    for week in 0..length {
        for (shop, level) in [("east", 50.0), ("west", 80.0)] {
            let date = first.checked_add(jiff::Span::new().weeks(week)).unwrap();
            let sold = level * (1.0 + 0.3 * (week as f64 / 52.0 * std::f64::consts::TAU).sin());
            if format!("{date} {shop}") != without {
                writeln!(csv, "{date},{shop},{sold:.3}").unwrap();
            }
        }
    }
    csv
}

#[tokio::test]
async fn a_recipe_learns_from_a_table_of_series_and_goes_on_with_it() {
    let app = TestApp::empty().await;
    let file = app.file("weeks.csv", weeks(200, ""));
    let recipe = format!(
        "kind = \"forecast\"\nfrequency = \"weekly\"\nhorizon = 8\n[table]\npath = \"{file}\"\n\
         id = \"shop\"\ntime = \"week\"\nvalue = \"sold\"\n"
    );
    let trained = app.train_by("shops", recipe.clone()).await.result.unwrap();
    assert!(trained.promoted, "{trained:?}");
    let ask = || ForecastRequest { model: "shops".to_owned(), ..Default::default() };
    let answer = forecast(&app, ask()).await;
    assert_eq!((answer.measure.as_str(), answer.currency.as_str()), ("value", ""));
    assert_eq!(answer.period_starts[0], instant("2023-11-06"));
    let keys: Vec<SeriesKey> = answer.series.iter().map(|one| one.key.clone().unwrap()).collect();
    assert_eq!(keys, [series("series", "east"), series("series", "west")]);
    for (one, level) in answer.series.iter().zip([50.0, 80.0]) {
        for (step, mean) in one.mean.iter().enumerate() {
            let week = 200.0 + step as f64;
            let truth = level * (1.0 + 0.3 * (week / 52.0 * std::f64::consts::TAU).sin());
            assert!((mean / truth - 1.0).abs() < 0.1, "{mean} {truth}");
        }
    }
    app.file("weeks.csv", weeks(203, ""));
    let update =
        CreateTrainingJobRequest { model: "shops".to_owned(), update: true, ..Default::default() };
    // The champion's recipe is used; the model's directory has none.
    let updated = app.train_as(update).await.result.unwrap();
    assert!(updated.promotion_reason.starts_with("3 periods were taken in"), "{updated:?}");
    assert_eq!(forecast(&app, ask()).await.period_starts[0], instant("2023-11-27"));

    app.file("weeks.csv", weeks(200, "2021-03-01 east"));
    let request = CreateTrainingJobRequest {
        model: "shops".to_owned(),
        recipe_toml: Some(recipe),
        ..Default::default()
    };
    let job = app.trainings().create_training_job(request).await.unwrap().into_inner();
    let error = app.training_end(&job.job_id).await.error.unwrap();
    assert!(
        error.message.contains("series east") && error.message.contains("2021-02-22"),
        "{error:?}"
    );
}
