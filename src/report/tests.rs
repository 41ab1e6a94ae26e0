//! What is drawn equals the evaluation; pages hold, whatever the data says.

use std::path::Path;

use roxmltree::{Document, ParsingOptions};

use super::figure::{Mark, Plot};
use super::{DriftPart, Subject, drift, forecast, metrics, page, probability, rfm, segments};
use crate::dataset::SeriesKey;
use crate::metrics::{
    ConfidenceInterval, DecileGain, ReferenceQuantiles, ReliabilityBin, ScoreBin,
    population_stability_index,
};
use crate::model::{
    FittedModel, ForecastAlgorithm, Interval, IntervalSource, Method, RfmProfile, RfmSegment,
    SeriesForecast, Tried,
};
use crate::repository::ModelRepository;
use crate::training::{DriftReport, Evaluation, FeatureDrift, SeriesExample, StepEvaluation};
use crate::transaction::ShopClock;

/// A version that an early program registered.
fn early(kind: &str) -> Subject {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/model_format_1");
    let repository = ModelRepository::open(&path).unwrap();
    let clock = ShopClock::new("Europe/London").unwrap();
    let model = kind.parse().unwrap();
    Subject::gather(&repository, &model, 1, (&clock, "GBP"), DriftPart::NotAsked).unwrap()
}

/// The page as a strict parser sees it: well-formed, and nothing in it loads or runs.
fn checked(subject: &Subject) -> String {
    let html = page(subject).unwrap();
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&html, options).unwrap();
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        let name = node.tag_name().name();
        assert!(!["script", "img", "link", "iframe", "object"].contains(&name), "{name}");
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{attribute:?}");
            let refers = ["src", "href", "action"].contains(&attribute.name());
            assert!(!refers || attribute.value().starts_with('#'), "{attribute:?}");
        }
    }
    html
}

fn points(plot: &Plot) -> Vec<(f64, f64)> {
    let points = plot.marks.iter().find_map(|mark| match mark {
        Mark::Points { points, .. } => Some(points.clone()),
        _ => None,
    });
    points.unwrap()
}

/// Left, bottom, right and top of the bars.
fn bars(plot: &Plot) -> Vec<(f64, f64, f64, f64)> {
    let bar = |mark: &Mark| match mark {
        Mark::Bar { from, to, .. } => Some((from.0, from.1, to.0, to.1)),
        _ => None,
    };
    plot.marks.iter().filter_map(bar).collect()
}

fn texts(plot: &Plot) -> Vec<String> {
    let text = |mark: &Mark| match mark {
        Mark::Text { text, .. } => Some(text.clone()),
        _ => None,
    };
    plot.marks.iter().filter_map(text).collect()
}

#[test]
fn the_reliability_diagram_draws_the_bins() {
    let bin = |mean_predicted, observed, count| ReliabilityBin { mean_predicted, observed, count };
    let plot = probability::reliability_plot(&[bin(0.1, 0.2, 50), bin(0.6, 0.5, 100)]);
    assert_eq!(points(&plot), [(0.1, 0.2), (0.6, 0.5)]);
    let heights: Vec<f64> = bars(&plot).into_iter().map(|bar| bar.3).collect();
    assert!((heights[1] - 2.0 * heights[0]).abs() < 1e-12, "{heights:?}");
}

#[test]
fn gains_begin_at_nothing_and_scores_are_stacked() {
    let decile = |share, gain| DecileGain { share, gain, cumulative_lift: gain / share };
    let plot = probability::gains_plot(&[decile(0.5, 0.8), decile(1.0, 1.0)]);
    assert_eq!(points(&plot), [(0.0, 0.0), (0.5, 0.8), (1.0, 1.0)]);
    let bin = ScoreBin { at_least: 0.0, below: 0.5, rows: 10, events: 4 };
    let empty = ScoreBin { at_least: 0.5, below: 1.0, rows: 0, events: 0 };
    let heights: Vec<(f64, f64)> =
        bars(&probability::scores_plot(&[bin, empty])).iter().map(|bar| (bar.1, bar.3)).collect();
    assert_eq!(heights, [(0.0, 4.0), (4.0, 10.0)]);
}

#[test]
fn bars_are_as_long_as_weights_shares_and_intervals() {
    let ends = |plot: &Plot| bars(plot).iter().map(|bar| bar.2).collect::<Vec<f64>>();
    assert_eq!(ends(&probability::weights_plot(&[("a", 0.75), ("b", 0.25)])), [0.75, 0.25]);
    assert_eq!(ends(&segments::sizes_plot(&[("a", 3, 0.6), ("b", 2, 0.4)])), [0.6, 0.4]);
    let plot = probability::dependence_plot(&[(1.0, 0.2), (5.0, 0.4), (900.0, 0.5)]);
    assert_eq!(points(&plot), [(0.0, 0.2), (1.0, 0.4), (2.0, 0.5)]);
    let interval = ConfidenceInterval { estimate: 0.8, lower: 0.75, upper: 0.85, replicates: 400 };
    let plot = metrics::ranking_plot(interval, &[("recency", 0.7)]);
    assert_eq!((bars(&plot)[0].0, bars(&plot)[0].2), (0.75, 0.85));
    assert_eq!(points(&plot), [(0.8, 0.5)]);
}

#[test]
fn heat_maps_write_their_values() {
    let columns = ["visits".to_owned(), "spend".to_owned()];
    let plot =
        segments::heat_plot(&columns, &[("champions", &[1.26, -0.3]), ("lost", &[-1.0, 0.0])]);
    assert_eq!(texts(&plot), ["+1.3", "-0.3", "-1.0", "0.0"]);
    let profile = RfmProfile {
        segment: RfmSegment::Champions,
        medians: [3.0, 12.0, 2_500.0],
        monetary_share: Some(0.61),
    };
    let plot = rfm::heat_plot(["recency_days", "visits", "spend"], &[profile]);
    assert_eq!(texts(&plot), ["3", "12", "2,500", "61.0 %"]);
}

#[test]
fn the_elbow_draws_every_number_that_was_tried() {
    let tried = |clusters, silhouette, inertia| Tried {
        clusters,
        silhouette: Some(silhouette),
        inertia,
        converged: true,
    };
    let plot = segments::elbow_plot(&[tried(2, 0.3, 80.0), tried(3, 0.4, 40.0)]);
    assert_eq!(points(&plot), [(2.0, 0.3), (3.0, 0.4)]);
    assert!(plot.marks.iter().any(
        |mark| matches!(mark, Mark::Dashes { points, .. } if *points == [(2.0, 1.0), (3.0, 0.5)])
    ));
}

fn sold() -> (SeriesForecast, SeriesExample) {
    let key = SeriesKey { group: "country".to_owned(), value: "<b>France</b>".to_owned() };
    let interval = Interval {
        level: 0.8,
        lower: vec![4.0, 4.5],
        upper: vec![6.0, 7.5],
        source: IntervalSource::OwnConformal,
        backtest_coverage: None,
    };
    let answer = SeriesForecast {
        key: key.clone(),
        first_period: 104,
        mean: vec![5.0, 6.0],
        intervals: vec![interval],
        method: Method { algorithm: ForecastAlgorithm::Ensemble, fallback: None },
        weights: Vec::new(),
        backtest_mase: None,
        components: None,
        effects: Vec::new(),
    };
    let example = SeriesExample {
        key,
        first_period: 100,
        values: vec![1.0, 2.0, 3.0, 4.0],
        forecast: vec![2.5, 3.5],
        within_80: vec![(2.0, 3.0), (3.0, 4.0)],
        within_95: Vec::new(),
    };
    (answer, example)
}

#[test]
fn a_forecast_follows_what_was_sold() {
    let (answer, example) = sold();
    let plot = forecast::ahead_plot(&answer, Some(&example), None);
    let has = |wanted: &[(f64, f64)]| {
        plot.marks.iter().any(|mark| {
            matches!(mark, Mark::Line { points, .. } | Mark::Dashes { points, .. } if points == wanted)
        })
    };
    assert!(has(&[(100.0, 1.0), (101.0, 2.0), (102.0, 3.0), (103.0, 4.0)]), "sold");
    assert!(has(&[(102.0, 2.5), (103.0, 3.5)]), "forecast of what is known");
    assert!(has(&[(104.0, 5.0), (105.0, 6.0)]), "forecast");
    let band = vec![(104.0, 4.0, 6.0), (105.0, 4.5, 7.5)];
    assert!(
        plot.marks.iter().any(|mark| matches!(mark, Mark::Band { points, .. } if *points == band))
    );
    let step = |step, error| StepEvaluation {
        step,
        mase: Some(error),
        coverage_80: None,
        coverage_95: None,
    };
    let plot = forecast::steps_plot(&[step(1, 0.7), step(2, 0.9)]);
    assert_eq!(points(&plot), [(1.0, 0.7), (2.0, 0.9)]);
}

#[test]
fn drift_draws_index_and_noise() {
    let reference = ReferenceQuantiles::of((0..100).map(f64::from), 10).unwrap();
    let now = reference.count((50..150).map(f64::from));
    let drift = population_stability_index(&reference, &now).unwrap();
    let one = FeatureDrift { name: "visits".to_owned(), drift };
    let ends: Vec<f64> = bars(&drift::index_plot(&[one])).iter().map(|bar| bar.2).collect();
    assert_eq!(ends, [drift.index, drift.noise]);
}

#[test]
fn versions_of_early_programs_have_a_page_that_says_what_is_missing() {
    for kind in ["churn", "propensity", "segments", "forecast"] {
        let html = checked(&early(kind));
        assert!(html.contains(&format!("<title>{kind}/1 · model report</title>")), "{kind}");
        assert!(html.contains("This version keeps no") || kind == "segments", "{kind}");
        assert!(html.contains("recipe.toml"), "{kind}");
    }
}

#[test]
fn a_version_that_does_not_load_has_a_page_that_says_so() {
    let mut subject = early("forecast");
    subject.model = Err("model.bin is not the file that the manifest names".to_owned());
    assert!(checked(&subject).contains("The model file does not load: model.bin is not"));
    subject.evaluation = None;
    assert!(checked(&subject).contains("The evaluation cannot be read"));
}

const HOSTILE: &str = "</text></svg><script>alert('x')</script><img src=\"x\" onerror=\"y\">&\u{1}";

#[test]
fn names_from_the_data_stay_texts() {
    let mut churn = early("churn");
    churn.manifest.recipe = HOSTILE.to_owned();
    churn.manifest.gate.reason = HOSTILE.to_owned();
    let Some(Evaluation::Probability(evaluation)) = &mut churn.evaluation else { panic!("churn") };
    evaluation.importance = vec![(HOSTILE.to_owned(), 1.0)];
    evaluation.left_out = vec![(HOSTILE.to_owned(), HOSTILE.to_owned())];
    let drift = population_stability_index(
        &ReferenceQuantiles::of([1.0, 2.0, 3.0], 2).unwrap(),
        &ReferenceQuantiles::of([1.0, 2.0, 3.0], 2).unwrap().count([1.0]),
    );
    let as_of = churn.manifest.data.as_of;
    let features = vec![FeatureDrift { name: HOSTILE.to_owned(), drift: drift.unwrap() }];
    churn.drift = DriftPart::Measured(DriftReport {
        reference_as_of: as_of,
        as_of,
        rows: 1,
        features,
        closed: None,
    });
    let mut segments = early("segments");
    let Some(Evaluation::Segments(evaluation)) = &mut segments.evaluation else {
        panic!("segments")
    };
    for segment in &mut evaluation.segments {
        segment.name = HOSTILE.to_owned();
    }
    evaluation.columns = evaluation.columns.iter().map(|_| HOSTILE.to_owned()).collect();
    let mut forecast = early("forecast");
    let Some(Evaluation::Forecast(evaluation)) = &mut forecast.evaluation else {
        panic!("forecast")
    };
    evaluation.series[0].key.value = HOSTILE.to_owned();
    for subject in [churn, segments, forecast] {
        let html = checked(&subject);
        assert!(html.contains("&lt;script&gt;") || html.contains("&#60;script&#62;"));
        assert!(!html.contains("<script"));
    }
}

#[test]
fn pages_stay_small() {
    let mut subject = early("forecast");
    let Ok(FittedModel::Forecast(model)) = &subject.model else { panic!("forecast") };
    let key = (*model.keys()[0]).clone();
    let Some(Evaluation::Forecast(evaluation)) = &mut subject.evaluation else {
        panic!("forecast")
    };
    let one = evaluation.series[0].clone();
    evaluation.series = vec![one; 5_000];
    let (_, example) = sold();
    evaluation.examples = vec![SeriesExample { key, values: vec![123_456.789; 500], ..example }; 6];
    let import = subject.manifest.data.imports[0].clone();
    subject.manifest.data.imports = vec![import; 500];
    subject.manifest.recipe = "x".repeat(100_000);
    let bytes = checked(&subject).len();
    assert!(bytes < 1 << 20, "{bytes}");
}
