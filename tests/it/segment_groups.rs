//! Series of forecasts by the segments of customers.

use std::collections::{BTreeMap, BTreeSet};

use patron::grpc::proto::*;
use serde_json::Value;

use crate::app::{Clients, TestApp, customer_ids, instant, version_selector};
use crate::failure::told;
use crate::fixture::small_shop;
use crate::shop;

/// The last month is what this expects of the next one, so that an answer shows what was added up.
const MONTHS: &str = r#"
kind = "forecast"
algorithm = "seasonal-naive"
frequency = "monthly"
horizon = 1
season_length = 1
measure = "sales"
[[series]]
group = "total"
[[series]]
group = "segment"
[[series]]
group = "store"
"#;

/// Nobody's, one customer who brings back what he never bought, and one who comes at the end.
const OTHERS: &str = "customer,order,line,time,product,category,quantity,price,cost,store,country\n\
    ,a1,1,2023-02-03 10:00,p1,food,2,3.50,3.00,north,France\n\
    ,a2,1,2024-05-03 10:00,p1,food,2,3.50,3.00,north,France\n\
    ,a3,1,2024-05-21 10:00,p2,toys,1,4.50,4.00,south,France\n\
    back,b1,1,2024-05-21 10:00,p2,toys,-1,4.50,4.00,south,France\n\
    late,c1,1,2024-06-18 10:00,p2,toys,3,4.50,4.00,south,France\n";

/// Customer, date and amount of every line of a file.
fn lines(csv: &str) -> Vec<(String, String, f64)> {
    let line = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |cell: usize| cells[cell].parse::<f64>().unwrap();
        (cells[0].to_owned(), cells[3][..10].to_owned(), number(6) * number(7))
    };
    csv.lines().skip(1).map(line).collect()
}

struct Shop {
    app: TestApp,
    lines: Vec<(String, String, f64)>,
}

impl Shop {
    async fn open() -> Self {
        let app = TestApp::copy_of(&small_shop().directory).await;
        let file = app.file("others.csv", OTHERS);
        assert_eq!(app.import(&file, shop::MAPPING).await.report.unwrap().accepted, 5);
        Self { app, lines: [lines(&shop::csv()), lines(OTHERS)].concat() }
    }

    async fn add(&mut self, csv: String) {
        let csv = shop::HEADER.to_owned() + &csv;
        let file = self.app.file("more.csv", &csv);
        self.app.import(&file, shop::MAPPING).await;
        self.lines.extend(lines(&csv));
    }

    /// The segment that the server tells of each customer who had bought by then.
    async fn segments(&self, version: i64, as_of: &str) -> BTreeMap<String, String> {
        let ids: BTreeSet<&str> = self.lines.iter().map(|line| line.0.as_str()).collect();
        let ids: Vec<&str> = ids.into_iter().filter(|id| !id.is_empty()).collect();
        let request = AssignSegmentsRequest {
            selector: Some(version_selector(version)),
            input: Some(assign_segments_request::Input::CustomerIds(customer_ids(&ids))),
            as_of: Some(instant(as_of)),
            ..Default::default()
        };
        let answer = self.app.predictions().assign_segments(request).await.unwrap().into_inner();
        let known = ids.iter().zip(answer.names.clone()).zip(answer.sources());
        let known = known.filter(|(_, source)| *source == RowSource::History);
        known.map(|((id, name), _)| ((*id).to_owned(), name)).collect()
    }

    /// What was sold from one date to another, the latter excluded, by the segments of customers.
    fn sold(
        &self,
        segments: &BTreeMap<String, String>,
        from: &str,
        to: &str,
    ) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::from([(String::new(), 0.0)]);
        let within =
            |line: &&(String, String, f64)| line.1.as_str() >= from && line.1.as_str() < to;
        for (customer, _, amount) in self.lines.iter().filter(within) {
            let segment = segments.get(customer).cloned().unwrap_or_default();
            *sums.entry(segment).or_default() += amount;
        }
        sums
    }
}

/// What is expected of the first period, by segment; they have to add up to the total.
async fn expected(app: &Clients, version: i64) -> BTreeMap<String, f64> {
    let selector = Some(version_selector(version));
    let request = ForecastRequest { model: "by".to_owned(), selector, ..Default::default() };
    let answer = app.predictions().forecast(request).await.unwrap().into_inner();
    let of = |group: &str| {
        let own = answer.series.iter().filter(|one| one.key.as_ref().unwrap().group == group);
        let own = own.map(|one| (one.key.clone().unwrap().value, one.mean[0]));
        own.collect::<BTreeMap<String, f64>>()
    };
    for group in ["segment", "store"] {
        let (sum, total) = (of(group).values().sum::<f64>(), of("total")[""]);
        assert!((sum - total).abs() < 1e-6 * total, "{group}: {sum} {total}");
    }
    of("segment")
}

fn agrees(found: &BTreeMap<String, f64>, truth: &BTreeMap<String, f64>) {
    for name in found.keys().chain(truth.keys()) {
        let value = |of: &BTreeMap<String, f64>| of.get(name).copied().unwrap_or_default();
        assert!((value(found) - value(truth)).abs() < 0.005, "{name}: {found:?} {truth:?}");
    }
}

/// How the version's series were grouped: model, version, date.
async fn grouped_by(app: &Clients, version: i64) -> (String, i64, String) {
    let manifest = app.version("by", version).await.manifest_json;
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let segments = &manifest["data"]["segments"];
    let text = |key: &str| segments[key].as_str().unwrap().to_owned();
    (text("model"), segments["version"].as_i64().unwrap(), text("as_of"))
}

async fn failure(app: &Clients, recipe: String) -> String {
    let request = CreateTrainingJobRequest {
        model: "by".to_owned(),
        recipe_toml: Some(recipe),
        ..Default::default()
    };
    let job = app.trainings().create_training_job(request).await.unwrap().into_inner();
    app.training_end(&job.job_id).await.error.unwrap().message
}

#[tokio::test]
async fn every_line_counts_to_the_segment_of_its_customer() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let trained = app.train_by("by", MONTHS.to_owned()).await.result.unwrap();
    let (model, version, as_of) = grouped_by(app, trained.version).await;
    assert_eq!((model.as_str(), version), ("segments", 1));
    let segments = shop.segments(1, &as_of).await;
    assert_eq!(segments.len(), 401, "400 of the shop, and who came late");
    let truth = shop.sold(&segments, "2024-05-01", "2024-06-01");
    assert!(truth.len() >= 3 && truth.values().filter(|sum| **sum > 1.0).count() >= 2, "{truth:?}");
    assert!((truth[""] - (2.0 * 3.5 + 4.5 - 4.5)).abs() < 1e-9, "nobody's, and what came back");
    let found = expected(app, trained.version).await;
    agrees(&found, &truth);
    assert!(found.keys().all(|name| truth.contains_key(name)), "{found:?}");

    // The page of the version says whose segments they are, and calls the rest by name.
    let request = GetModelVersionReportRequest { model: "by".to_owned(), ..Default::default() };
    let page = app.models().get_model_version_report(request).await.unwrap().into_inner().html;
    for text in ["segments/1, each customer as of", "all other customers"] {
        assert!(page.contains(text), "{text}");
    }

    // Before anybody was without a segment there is a series for whoever will be.
    let early = CreateTrainingJobRequest {
        model: "by".to_owned(),
        recipe_toml: Some(MONTHS.to_owned()),
        as_of: Some(instant("2024-06-01")),
        ..Default::default()
    };
    let all_known = TestApp::copy_of(&small_shop().directory).await;
    let early = all_known.train_as(early).await.result.unwrap();
    assert_eq!(expected(&all_known, early.version).await[""], 0.0);

    // The same recipe, version of segments and data give the same file.
    let again = app.train_by("by", MONTHS.to_owned()).await.result.unwrap();
    let digest = async |version| app.version("by", version).await.model_digest;
    assert_eq!(digest(again.version).await, digest(trained.version).await);

    // One segment alone: the others are among all others.
    let one = MONTHS.replace("group = \"segment\"", "group = \"segment\"\nmost = 1");
    let one = app.train_by("by", one).await.result.unwrap();
    let found = expected(app, one.version).await;
    let (largest, sum) = truth.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    let rest: f64 = truth.values().sum::<f64>() - sum;
    agrees(&found, &BTreeMap::from([(largest.clone(), *sum), (String::new(), rest)]));

    // Measures of which other groups do not add up have the rest too.
    let orders = MONTHS.replace("\"sales\"", "\"customers\"");
    let orders = app.train_by("by", orders).await.result.unwrap();
    let request = ForecastRequest {
        model: "by".to_owned(),
        selector: Some(version_selector(orders.version)),
        ..Default::default()
    };
    let answer = app.predictions().forecast(request).await.unwrap().into_inner();
    let by = |group: &'static str| {
        answer.series.iter().filter(move |one| one.key.as_ref().unwrap().group == group)
    };
    let sum: f64 = by("segment").map(|one| one.mean[0]).sum();
    assert!((sum - by("total").next().unwrap().mean[0]).abs() < 1e-6, "customers are in one each");
    assert_eq!(by("store").filter(|one| one.key.as_ref().unwrap().value.is_empty()).count(), 0);

    // Recency, frequency and monetary value name the series as they name customers.
    app.train("rfm").await.result.unwrap();
    let rfm = MONTHS.replace("group = \"segment\"", "group = \"segment\"\nmodel = \"rfm/1\"");
    let rfm = app.train_by("by", rfm).await.result.unwrap();
    assert_eq!(grouped_by(app, rfm.version).await.0, "rfm");
    let ids: Vec<&str> = segments.keys().map(String::as_str).collect();
    let request = AssignRfmRequest {
        input: Some(assign_rfm_request::Input::CustomerIds(customer_ids(&ids))),
        as_of: Some(instant(&as_of)),
        ..Default::default()
    };
    let names = app.predictions().assign_rfm(request).await.unwrap().into_inner().segments;
    let named = ids.iter().map(|id| (*id).to_owned()).zip(names).collect();
    let found = expected(app, rfm.version).await;
    assert!(found.contains_key("Champions"), "{found:?}");
    agrees(&found, &shop.sold(&named, "2024-05-01", "2024-06-01"));
}

#[tokio::test]
async fn held_out_periods_do_not_say_who_is_in_which_segment() {
    let shop = Shop::open().await;
    let app = &shop.app;
    let trained = app.train_by("by", MONTHS.to_owned()).await.result.unwrap();
    let version = app.version("by", trained.version).await;
    let evaluation: Value = serde_json::from_str(&version.evaluation_json).unwrap();
    let examples = evaluation["examples"].as_array().unwrap().iter();
    let examples = examples.filter(|one| one["key"]["group"] == "segment");
    let last = |one: &Value| one["values"].as_array().unwrap().last().unwrap().as_f64().unwrap();
    let found = examples.map(|one| (one["key"]["value"].as_str().unwrap().to_owned(), last(one)));
    let found: BTreeMap<String, f64> = found.collect();
    assert!(found.len() >= 2, "{evaluation}");
    let of = |segments: &BTreeMap<String, String>| {
        let mut sold = shop.sold(segments, "2024-05-01", "2024-06-01");
        sold.retain(|name, _| found.contains_key(name));
        sold
    };
    // Midnight of the shop's clock as the held-out month began.
    agrees(&found, &of(&shop.segments(1, "2024-04-30T23:00:00Z").await));
    let later = of(&shop.segments(1, &grouped_by(app, trained.version).await.2).await);
    assert!(found.iter().any(|(name, sum)| (sum - later[name]).abs() > 10.0), "{later:?}");
}

#[tokio::test]
async fn an_update_goes_on_with_the_segments_of_its_champion() {
    let mut shop = Shop::open().await;
    let train = |as_of: &str, update: bool| CreateTrainingJobRequest {
        model: "by".to_owned(),
        as_of: Some(instant(as_of)),
        update,
        recipe_toml: (!update).then(|| MONTHS.to_owned()),
        ..Default::default()
    };
    let first = shop.app.train_as(train("2024-05-13", false)).await.result.unwrap();
    assert!(first.promoted, "{first:?}");
    let (_, version, as_of) = grouped_by(&shop.app, first.version).await;
    assert_eq!((version, as_of.as_str()), (1, "2024-05-13T00:00:00Z"));
    // Other segments are served by now, and somebody new came.
    let recipe =
        "kind = \"segments\"\nactive_days = 365\ncolumns = [\"tenure_days\"]\nclusters = 2\n";
    let other = shop.app.train_by("segments", recipe.to_owned()).await.result.unwrap();
    assert_eq!((other.version, other.promoted), (2, true));
    shop.add("new,n1,1,2024-05-28 10:00,p2,toys,40,4.50,4.00,south,France\n".to_owned()).await;
    let updated = shop.app.train_as(train("2024-06-02", true)).await.result.unwrap();
    assert!(updated.promotion_reason.starts_with("1 periods were taken in"), "{updated:?}");
    let pinned = grouped_by(&shop.app, updated.version).await;
    assert_eq!(pinned, ("segments".to_owned(), 1, as_of.clone()));
    let segments = shop.segments(1, &as_of).await;
    assert!(!segments.contains_key("new"));
    let truth = shop.sold(&segments, "2024-05-01", "2024-06-01");
    assert!(truth[""] > 40.0 * 4.5);
    agrees(&expected(&shop.app, updated.version).await, &truth);
    // A training takes what the recipe means now.
    let anew = shop.app.train_as(train("2024-06-02", false)).await.result.unwrap();
    assert_eq!(grouped_by(&shop.app, anew.version).await.1, 2);

    // Without its segments a champion cannot go on.
    let request = SetModelAliasRequest {
        model: "by".to_owned(),
        alias: "champion".to_owned(),
        version: first.version,
        force: true,
        ..Default::default()
    };
    shop.app.models().set_model_alias(request).await.unwrap();
    let model = "segments".to_owned();
    let request = DeleteModelVersionRequest { model, version: 1, ..Default::default() };
    shop.app.models().delete_model_version(request).await.unwrap();
    let job = shop.app.trainings().create_training_job(train("2024-06-02", true)).await.unwrap();
    let error = shop.app.training_end(&job.into_inner().job_id).await.error.unwrap();
    assert!(error.message.contains("train anew instead of an update"), "{error:?}");
}

#[tokio::test]
async fn a_model_without_segments_groups_nothing() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let by = |model: &str| {
        let group = format!("group = \"segment\"\nmodel = \"{model}\"");
        MONTHS.replace("group = \"segment\"", &group)
    };
    for (model, problem) in [
        ("nothing", "train nothing first, or name another in series.model"),
        ("rfm", "train rfm first, or name another in series.model"),
        ("segments/7", "train segments first, or name another in series.model"),
        ("segments@night", "train segments first, or name another in series.model"),
        ("churn", "churn/1 is of kind churn; name a model of kind segments or rfm"),
    ] {
        let message = failure(&app, by(model)).await;
        assert!(message.starts_with("series.model: ") && message.contains(problem), "{message}");
    }
    let twice = format!("{MONTHS}[[series]]\ngroup = \"segment\"\n");
    let astray = MONTHS.replace("group = \"store\"", "group = \"store\"\nmodel = \"rfm\"");
    for (recipe, problem) in [
        (by("seg ments"), "series.model: expected NAME, NAME@ALIAS or NAME/VERSION"),
        (twice, "series.group: expected segment once"),
        (astray, "series.model: expected none for store, only for segment"),
    ] {
        let request = CreateTrainingJobRequest {
            model: "by".to_owned(),
            recipe_toml: Some(recipe),
            ..Default::default()
        };
        let refused = app.trainings().create_training_job(request).await.unwrap_err();
        assert!(told(&refused).contains("INVALID_RECIPE"), "{refused:?}");
        assert!(refused.message().contains(problem), "{refused:?}");
    }
}
