//! Versions as pages for people, through the real server and the real command.

use std::process::Command;

use patron::grpc::proto::*;
use roxmltree::{Document, Node, ParsingOptions};

use crate::app::{Clients, TestApp, alias_selector, copy, project, version_selector};
use crate::fixture::{small_shop, small_shop_server};
use crate::process::Process;

async fn page(app: &Clients, model: &str, include_drift: bool) -> String {
    let request = GetModelVersionReportRequest {
        model: model.to_owned(),
        include_drift,
        ..Default::default()
    };
    let report = app.models().get_model_version_report(request).await.unwrap().into_inner();
    assert_eq!(report.model, model);
    assert!(report.html.len() < 1 << 20, "{model}: {} bytes", report.html.len());
    report.html
}

/// Parses strictly; nothing may load or run; every figure tells what it shows.
fn checked(html: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(html, options).unwrap();
    for node in document.descendants().filter(Node::is_element) {
        assert_ne!(node.tag_name().name(), "script");
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{attribute:?}");
            let refers = ["src", "href", "action", "data"].contains(&attribute.name());
            assert!(!refers || attribute.value().starts_with('#'), "{attribute:?}");
        }
        if node.attribute("role") == Some("img") {
            let told = |name: &str| {
                let child = node.children().find(|child| child.tag_name().name() == name);
                child.and_then(|child| child.text()).is_some_and(|text| !text.is_empty())
            };
            assert!(told("title") && told("desc"), "{node:?}");
        }
    }
    document
}

/// The figures of a page by their ids.
fn figures(html: &str) -> Vec<String> {
    let document = checked(html);
    let figures = document.descendants().filter(|node| node.tag_name().name() == "figure");
    figures.map(|node| node.attribute("id").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_kind_has_a_page_with_its_figures() {
    let app = small_shop_server().await;
    for (model, wanted) in [
        ("churn", &["ranking", "gains", "lift", "scores", "reliability", "importance"][..]),
        ("propensity", &["ranking", "gains", "lift", "scores", "reliability", "dependence-0"]),
        ("segments", &["sizes", "heat-map", "elbow"]),
        ("forecast", &["forecast-0", "forecast-1", "steps"]),
    ] {
        let html = page(&app, model, true).await;
        let found = figures(&html);
        for figure in wanted {
            assert!(found.iter().any(|id| id == figure), "{model}: {figure} is not in {found:?}");
        }
        assert_eq!(found.contains(&"stability-index".to_owned()), model != "forecast", "{model}");
        assert!(!html.contains("This version keeps no"), "{model}");
        let version = app.version(model, 1).await;
        for text in [&version.data_digest, &version.model_digest, &version.training_job_id] {
            assert!(html.contains(text.as_str()), "{model}: {text}");
        }
    }
}

#[tokio::test]
async fn scores_and_tables_have_a_page() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let rfm = app.train_by("rfm", "kind = \"rfm\"\nactive_days = 365\n".to_owned()).await;
    assert!(rfm.result.unwrap().promoted);
    let html = page(&app, "rfm", false).await;
    assert_eq!(figures(&html), ["sizes", "heat-map"]);
    assert!(html.contains("patron models drift rfm/1"));
    let path = project("tests/data/telco_churn/telco_churn.csv");
    let recipe =
        format!("kind = \"churn\"\n[table]\npath = {path:?}\nlabel = \"Churn\"\nfolds = 3\n");
    let result = app.train_by("telco", recipe).await.result.unwrap();
    assert!(result.promoted, "{}", result.promotion_reason);
    let html = page(&app, "telco", true).await;
    assert!(figures(&html).contains(&"reliability".to_owned()));
    assert!(html.contains("By cross-validation in 3 parts"));
}

#[tokio::test]
async fn the_figures_of_the_page_are_those_of_the_evaluation() {
    let app = small_shop_server().await;
    let html = page(&app, "churn", false).await;
    let document = checked(&html);
    let version = app.version("churn", 1).await;
    let auc = version.metrics.iter().find(|metric| metric.name == "roc_auc").unwrap();
    let cells = document.descendants().filter(|node| node.tag_name().name() == "td");
    let cells: Vec<&str> = cells.filter_map(|node| node.text()).collect();
    assert!(cells.contains(&format!("{:.4}", auc.value).as_str()), "{}", auc.value);
    let evaluation: serde_json::Value = serde_json::from_str(&version.evaluation_json).unwrap();
    for bin in evaluation["reliability"].as_array().unwrap() {
        let observed = format!("{:.1} %", bin["observed"].as_f64().unwrap() * 100.0);
        assert!(cells.contains(&observed.as_str()), "{observed}");
    }
    let rows: u64 = evaluation["scores"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bin| bin["rows"].as_u64().unwrap())
        .sum();
    assert_eq!(Some(rows), evaluation["rows"].as_u64());
}

#[tokio::test]
async fn versions_of_early_programs_have_a_page() {
    let app = TestApp::empty().await;
    copy(&project("tests/data/model_format_1"), &app.path("models"), &|_| true);
    for model in ["churn", "propensity", "segments", "forecast"] {
        let request = GetModelVersionReportRequest {
            model: model.to_owned(),
            selector: Some(version_selector(1)),
            include_drift: true,
        };
        let report = app.models().get_model_version_report(request).await.unwrap().into_inner();
        checked(&report.html);
        assert!(report.html.contains("<dt>by Patron</dt>"), "{model}");
    }
    let request = GetModelVersionReportRequest {
        model: "churn".to_owned(),
        selector: Some(alias_selector("nobody")),
        ..Default::default()
    };
    let refused = app.models().get_model_version_report(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound, "{refused}");
}

#[tokio::test]
async fn the_command_writes_a_file() {
    let app = TestApp::copy_of(&small_shop().directory).await;
    let (directory, _) = app.shutdown().await;
    let server = Process::start(directory.path()).await;
    let file = directory.path().join("report.html");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_patron"));
        command.args(["models", "report"]).args(arguments);
        command.args(["--endpoint", &server.address.to_string()]).output().unwrap()
    };
    let file_name = file.to_str().unwrap();
    let done = run(&["churn@champion", "--output", file_name]);
    assert!(done.status.success(), "{done:?}");
    assert!(String::from_utf8(done.stdout).unwrap().starts_with("churn/1: "));
    let html = std::fs::read_to_string(&file).unwrap();
    assert!(figures(&html).contains(&"stability-index".to_owned()));
    let without = run(&["churn/1", "--output", file_name, "--without-drift"]);
    assert!(without.status.success(), "{without:?}");
    assert!(
        !figures(&std::fs::read_to_string(&file).unwrap()).contains(&"stability-index".to_owned())
    );
    let nowhere = run(&["churn", "--output", "/nowhere/at/all.html"]);
    assert_eq!(nowhere.status.code(), Some(74), "{nowhere:?}");
    let unknown = run(&["churn/99", "--output", file_name]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}
