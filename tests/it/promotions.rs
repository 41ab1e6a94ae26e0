//! Promotions, prices and events in forecasts, and their effects against a known truth.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use patron::grpc::proto::regressor_effect::Outcome;
use patron::grpc::proto::*;

use crate::app::{Clients, TestApp, new_directory, version_selector};
use crate::failure::told;

const RECIPE: &str = r#"
kind = "forecast"
frequency = "weekly"
horizon = 8
measure = "units"
regressors = ["promotion", "price"]
[[series]]
group = "total"
[[series]]
group = "product"
most = 40
[[events]]
name = "easter"
date = "2022-04-15"
end = "2022-04-18"
[[events]]
name = "easter"
date = "2023-04-07"
end = "2023-04-10"
[[events]]
name = "easter"
date = "2024-03-29"
end = "2024-04-01"
[[events]]
name = "opening"
date = "2024-06-03"
"#;

fn key(group: &str, value: &str) -> SeriesKey {
    SeriesKey { group: group.to_owned(), value: value.to_owned() }
}

async fn forecast(app: &Clients, request: ForecastRequest) -> ForecastResponse {
    app.predictions().forecast(request).await.unwrap().into_inner()
}

fn planned(series: &SeriesKey, date: &str, values: &[(&str, f64)]) -> PlannedPeriod {
    let value =
        |(name, value): &(&str, f64)| PlannedValue { regressor: (*name).to_owned(), value: *value };
    let values = values.iter().map(value).collect();
    PlannedPeriod { series: Some(series.clone()), date: date.to_owned(), values }
}

/// Elasticity and the factor of a promotion by product.
fn truth(directory: &Path) -> BTreeMap<String, (f64, f64)> {
    let file = File::open(directory.join("products.parquet")).unwrap();
    let mut products = BTreeMap::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap();
        let number = |name: &str| column(name).as_primitive::<Float64Type>().clone();
        let ids = column("product_id").as_string::<i32>();
        let (elasticity, promotion) = (number("elasticity"), number("promotion_multiplier"));
        products.extend((0..batch.num_rows()).map(|row| {
            (ids.value(row).to_owned(), (-elasticity.value(row), promotion.value(row)))
        }));
    }
    products
}

/// Estimates beside the truth.
#[derive(Default)]
struct Compared {
    pairs: Vec<(Estimate, f64)>,
}

impl Compared {
    fn inside(&self) -> f64 {
        let inside = self.pairs.iter().filter(|(e, truth)| e.lower <= *truth && *truth <= e.upper);
        inside.count() as f64 / self.pairs.len() as f64
    }

    fn mean(&self, of: impl Fn(&(Estimate, f64)) -> f64) -> f64 {
        self.pairs.iter().map(of).sum::<f64>() / self.pairs.len() as f64
    }
}

fn reason(effect: &RegressorEffect) -> Option<CannotTellReason> {
    match &effect.outcome {
        Some(Outcome::CannotTell(why)) => {
            assert!(!why.message.is_empty());
            Some(why.reason())
        }
        _ => None,
    }
}

/// The tolerances: means over the products within 0.35 of the elasticity and 0.2 of the logarithm of
/// the promotion's factor, and at least two thirds of the intervals of 95 % around the truth. They
/// are not tighter because customers respond differently to prices, so that the response of all of
/// them is no power of the price.
#[tokio::test]
async fn promotion_and_price_effects_of_a_simulated_shop_are_recovered() {
    let shop = new_directory();
    let output = shop.path().to_str().unwrap();
    let size = ["--customers", "6000", "--months", "36", "--products", "30", "--seed", "11"];
    let mut simulate = Command::new(env!("CARGO_BIN_EXE_patron"));
    let simulated = simulate.args(["simulate", "--output", output]).args(size).output().unwrap();
    assert!(simulated.status.success(), "{}", String::from_utf8_lossy(&simulated.stderr));
    let app = TestApp::with(&[("shop.time_zone", "Europe/London"), ("shop.currency", "GBP")]).await;
    let mapping = fs::read_to_string(shop.path().join("mapping.toml")).unwrap();
    app.import(shop.path().join("transactions.parquet").to_str().unwrap(), &mapping).await;
    let trained = app.train_by("promo", RECIPE.to_owned()).await.result.unwrap();
    assert!(trained.promoted, "{trained:?}");

    let ask = |plan: Vec<PlannedPeriod>| ForecastRequest {
        model: "promo".to_owned(),
        include_effects: true,
        include_components: true,
        plan,
        ..Default::default()
    };
    let answer = forecast(&app, ask(Vec::new())).await;
    let truth = truth(shop.path());
    let (mut prices, mut promotions) = (Compared::default(), Compared::default());
    for one in &answer.series {
        let series = one.key.clone().unwrap();
        let names: Vec<&str> = one.effects.iter().map(|effect| effect.regressor.as_str()).collect();
        assert_eq!(names, ["promotion", "price", "easter", "opening"]);
        assert_eq!(reason(&one.effects[3]), Some(CannotTellReason::HardlyMoved));
        let Some((elasticity, factor)) = truth.get(&series.value) else {
            assert_eq!(reason(&one.effects[1]), Some(CannotTellReason::NotThere), "{series:?}");
            continue;
        };
        if let Some(Outcome::Uplift(told)) = &one.effects[0].outcome {
            let logarithm = |percent: f64| (percent / 100.0).ln_1p();
            let Estimate { value, lower, upper } = told.percent.unwrap();
            let [value, lower, upper] = [value, lower, upper].map(logarithm);
            promotions.pairs.push((Estimate { value, lower, upper }, factor.ln()));
            assert!(told.elasticity.is_none() && told.periods >= 3 && told.pooled_series >= 5);
            let uplift = told.uplift.unwrap();
            assert!(uplift.lower <= uplift.value && uplift.value <= uplift.upper);
        }
        if let Some(Outcome::Uplift(told)) = &one.effects[1].outcome {
            prices.pairs.push((told.elasticity.unwrap(), *elasticity));
        }
    }
    for (name, compared, tolerance) in [("price", &prices, 0.35), ("promotion", &promotions, 0.2)] {
        let (found, truth) = (compared.mean(|one| one.0.value), compared.mean(|one| one.1));
        let inside = compared.inside();
        let count = compared.pairs.len();
        assert!(count >= 25, "{name}: {count}");
        assert!((found - truth).abs() < tolerance, "{name}: {found:.3} against {truth:.3}");
        assert!(inside >= 0.66, "{name}: {inside:.2} of {count} intervals hold");
    }

    // What is planned moves the series and the total by the same amount, and nothing else.
    let first = key("product", "P00001");
    let start = answer.period_starts[2].seconds / 86_400;
    let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(start + 2));
    let plan = vec![planned(&first, &date.to_string(), &[("promotion", 1.0)])];
    let changed = forecast(&app, ask(plan)).await;
    let mean = |answer: &ForecastResponse, key: &SeriesKey, step: usize| {
        let one = answer.series.iter().find(|one| one.key.as_ref() == Some(key)).unwrap();
        let parts = one.components.as_ref().unwrap();
        let sum = parts.level[step] + parts.trend[step] + parts.seasonal[step];
        let sum = sum + parts.regressors[step] + parts.adjustment[step];
        assert!((sum - one.mean[step]).abs() < 1e-6 * one.mean[step].abs().max(1.0));
        one.mean[step]
    };
    let rise = |key: &SeriesKey, step| mean(&changed, key, step) - mean(&answer, key, step);
    assert!(rise(&first, 2) > 0.2 * mean(&answer, &first, 2), "{}", rise(&first, 2));
    assert!((rise(&key("total", ""), 2) - rise(&first, 2)).abs() < 1e-6);
    assert_eq!((rise(&first, 1), rise(&key("product", "P00002"), 2)), (0.0, 0.0));

    for (plan, field, problem) in [
        (planned(&key("product", "none"), "2024-12-31", &[("price", 1.0)]), "series", "not in the"),
        (planned(&first, "2019-01-01", &[("price", 1.0)]), "date", "8 periods"),
        (planned(&first, "soon", &[("price", 1.0)]), "date", "2024-12-25"),
        (planned(&first, &date.to_string(), &[("weather", 1.0)]), "values", "promotion, price"),
        (planned(&first, &date.to_string(), &[("price", 0.0)]), "values", "above 0"),
        (planned(&first, &date.to_string(), &[]), "values", "at least one"),
        (planned(&key("total", ""), &date.to_string(), &[("price", 1.0)]), "values", "promotion"),
    ] {
        let refused = app.predictions().forecast(ask(vec![plan])).await.unwrap_err();
        assert_eq!(told(&refused), format!("INVALID_ARGUMENT INVALID_FIELD plan[0].{field}"));
        assert!(refused.message().contains(problem), "{refused:?}");
    }

    // The same without columns: worse on the held-out periods, without effects, without plans.
    let (head, tail) = RECIPE.split_once("[[events]]").unwrap();
    assert!(tail.contains("easter"));
    let plain = head.replace("regressors = [\"promotion\", \"price\"]\n", "");
    app.train_by("plain", plain + "[gate]\npromote = false\n").await;
    let mut errors = Vec::new();
    for model in ["promo", "plain"] {
        let metrics = app.version(model, 1).await.metrics;
        errors.push(metrics.iter().find(|metric| metric.name == "mase").unwrap().value);
    }
    assert!(errors[0] < 0.85 * errors[1], "{errors:?}");
    let request = ForecastRequest {
        model: "plain".to_owned(),
        selector: Some(version_selector(1)),
        include_effects: true,
        ..Default::default()
    };
    let answer = forecast(&app, request.clone()).await;
    assert!(answer.series.iter().all(|one| one.effects.is_empty()));
    let plan = vec![planned(&first, &date.to_string(), &[("promotion", 1.0)])];
    let refused = app.predictions().forecast(ForecastRequest { plan, ..request }).await;
    assert!(refused.unwrap_err().message().contains("the model has no regressors"));
}

/// Weekly sales of two shops under promotions and prices, whose rows go on for `coming` weeks
/// without a value.
fn weeks(past: i64, coming: i64) -> String {
    let mut csv = "unique_id,ds,y,promo,price\n".to_owned();
    let first: jiff::civil::Date = "2020-01-06".parse().unwrap();
    for week in 0..past + coming {
        for (shop, level) in [("east", 50.0), ("west", 80.0)] {
            let date = first.checked_add(jiff::Span::new().weeks(week)).unwrap();
            let promoted = week % 7 == 3 || week % 11 == 5;
            let price = 2.0 + (week * 5 % 13) as f64 / 20.0;
            let noise = 1.0 + ((week * 31 + 17) % 23 - 11) as f64 / 200.0;
            let y = sold(level, promoted, price) * noise;
            let y = if week < past { format!("{y:.3}") } else { String::new() };
            writeln!(csv, "{shop},{date},{y},{},{price}", u8::from(promoted)).unwrap();
        }
    }
    csv
}

fn sold(level: f64, promoted: bool, price: f64) -> f64 {
    level * if promoted { 1.8 } else { 1.0 } * (price / 2.0).powf(-1.5)
}

#[tokio::test]
async fn a_table_tells_what_is_to_come_and_an_update_what_came() {
    let app = TestApp::empty().await;
    let file = app.file("weeks.csv", weeks(150, 8));
    let recipe = format!(
        "kind = \"forecast\"\nfrequency = \"weekly\"\nhorizon = 8\nseason_length = 1\n\
         [table]\npath = \"{file}\"\nregressors = [\"promo:indicator\", \"price:price\"]\n"
    );
    let trained = app.train_by("shops", recipe).await.result.unwrap();
    assert!(trained.promoted, "{trained:?}");
    let ask = || ForecastRequest {
        model: "shops".to_owned(),
        include_effects: true,
        ..Default::default()
    };
    let agrees = |answer: &ForecastResponse, first: i64| {
        for (one, level) in answer.series.iter().zip([50.0, 80.0]) {
            assert_eq!(one.effects.len(), 2);
            for (step, mean) in one.mean.iter().enumerate() {
                let week = first + step as i64;
                let promoted = week % 7 == 3 || week % 11 == 5;
                let price = 2.0 + (week * 5 % 13) as f64 / 20.0;
                let truth = sold(level, promoted, price);
                assert!((mean / truth - 1.0).abs() < 0.12, "week {week}: {mean} {truth}");
            }
        }
    };
    agrees(&forecast(&app, ask()).await, 150);
    // Three weeks closed, one of them promoted; the level must not follow the promotion.
    app.file("weeks.csv", weeks(153, 8));
    let update =
        CreateTrainingJobRequest { model: "shops".to_owned(), update: true, ..Default::default() };
    app.train_as(update).await.result.unwrap();
    agrees(&forecast(&app, ask()).await, 153);
}

#[tokio::test]
async fn events_of_a_file_are_refused_with_their_row() {
    let app = TestApp::empty().await;
    let file = app.file("weeks.csv", weeks(60, 0));
    let events = app.path("events.csv");
    let events = events.to_str().unwrap();
    let recipe = format!(
        "kind = \"forecast\"\nfrequency = \"weekly\"\nhorizon = 4\nseason_length = 1\n\
         events_file = \"{events}\"\n[table]\npath = \"{file}\"\nregressors = [\"promo:indicator\"]\n"
    );
    let train = || CreateTrainingJobRequest {
        model: "shops".to_owned(),
        recipe_toml: Some(recipe.clone()),
        ..Default::default()
    };
    for (rows, expected) in [
        ("name,day\n", "the file has no column date"),
        ("name,date\neaster,\n", "row 1, column date: expected a value"),
        ("name,date\neaster,soon\n", "row 1"),
        ("name,date,end\na,2020-04-10,\nb,2020-04-10,2020-04-01\n", "row 2, column end: expected"),
        ("name,date\npromo,2020-04-10\n", "\"promo\" is the name of a regressor"),
    ] {
        app.file("events.csv", rows);
        let job = app.trainings().create_training_job(train()).await.unwrap().into_inner();
        let error = app.training_end(&job.job_id).await.error.unwrap();
        assert!(error.message.contains("events_file: "), "{error:?}");
        assert!(error.message.contains(expected), "{error:?}");
    }
    app.file(
        "events.csv",
        "name,date,end\nfair,2020-03-02,2020-03-08\nfair,2020-09-07,2020-09-13\n",
    );
    app.train_as(train()).await.result.unwrap();
    let ask =
        ForecastRequest { model: "shops".to_owned(), include_effects: true, ..Default::default() };
    let effects = forecast(&app, ask).await.series.remove(0).effects;
    let names: Vec<&str> = effects.iter().map(|effect| effect.regressor.as_str()).collect();
    assert_eq!(names, ["promo", "fair"]);
    assert_eq!(reason(&effects[1]), Some(CannotTellReason::HardlyMoved));
}
