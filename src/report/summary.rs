//! The answers that come first, in plain language.

mod probability;

use super::Subject;
use super::page::{Block, Head, Highlight, Section};
use super::words::{counted, date, period_noun, reference_name, sentence};
use crate::model::ModelKind;
use crate::readable::{count, metric, percent};
use crate::repository::Metric;
use crate::training::{Evaluation, ForecastEvaluation, Recipe, RfmEvaluation, SegmentsEvaluation};

/// The top of the page.
pub(super) fn head(subject: &Subject) -> Head {
    let manifest = &subject.manifest;
    Head {
        name: format!("{}/{}", manifest.model, manifest.version),
        what: what(subject),
        aliases: subject.alias_names(),
        passed: manifest.gate.passed,
        gate: manifest.gate.reason.clone(),
        highlights: highlights(subject),
    }
}

/// Questions and answers.
pub(super) fn section(subject: &Subject) -> Section {
    let mut section = Section::new("summary", "In short");
    let mut answers = match &subject.evaluation {
        Some(Evaluation::Probability(evaluation)) => probability::answers(subject, evaluation),
        Some(Evaluation::Segments(evaluation)) => segments(subject, evaluation),
        Some(Evaluation::Rfm(evaluation)) => rfm(subject, evaluation),
        Some(Evaluation::Forecast(evaluation)) => forecast(subject, evaluation),
        None => vec![question("What does it predict?", what(subject))],
    };
    answers.push(question("May it serve?", service(subject)));
    section.blocks.push(Block::Answers(answers));
    section
}

fn question(question: &str, answer: impl Into<String>) -> (String, String) {
    (question.to_owned(), answer.into())
}

/// What the version is, in a few words.
fn what(subject: &Subject) -> String {
    let manifest = &subject.manifest;
    let purpose = match manifest.kind {
        ModelKind::Segments => "Segments: groups of customers who buy alike".to_owned(),
        ModelKind::Rfm => "Recency, frequency and monetary value as scores".to_owned(),
        ModelKind::Churn | ModelKind::Propensity => match &manifest.label {
            Some(label) => format!("Probability: {}", label.event),
            None => "Probability of an event".to_owned(),
        },
        ModelKind::Forecast => "Forecast of what will be sold".to_owned(),
    };
    format!("{purpose}; trained on data until {}", date(manifest.data.as_of, &subject.clock))
}

fn service(subject: &Subject) -> String {
    let gate = &subject.manifest.gate;
    let verdict = if gate.passed {
        format!("It passed its gate: {}.", gate.reason)
    } else {
        format!("It did not pass its gate: {}.", gate.reason)
    };
    let place = if subject.is_champion() {
        "It is the champion and answers by default.".to_owned()
    } else {
        match subject.aliases.champion() {
            Some(version) => format!("The champion is version {version}."),
            None => "The model has no champion yet.".to_owned(),
        }
    };
    let loads =
        if subject.model.is_err() { " Its file does not load: it cannot answer." } else { "" };
    format!("{verdict} {place}{loads}")
}

fn highlights(subject: &Subject) -> Vec<Highlight> {
    let metrics = &subject.manifest.metrics;
    let mut shown = Vec::new();
    let mut add = |name: &str, label: &str, write: fn(f64) -> String| {
        if let Some(found) = metrics.get(name) {
            let note = beside(found, write);
            shown.push(Highlight { label: label.to_owned(), value: write(found.value), note });
        }
    };
    add("roc_auc", "ranks right (ROC AUC)", metric);
    add("lift_top_decile", "lift of the top tenth", times);
    add("expected_calibration_error", "calibration error", percent);
    add("mase", "error (MASE)", metric);
    add("coverage_80", "within the 80 % interval", percent);
    add("coverage_95", "within the 95 % interval", percent);
    add("silhouette", "silhouette", metric);
    let groups = match &subject.evaluation {
        Some(Evaluation::Segments(evaluation)) => {
            Some((evaluation.segments.len(), evaluation.rows))
        }
        Some(Evaluation::Rfm(evaluation)) => Some((evaluation.sizes.len(), evaluation.rows)),
        _ => None,
    };
    if let Some((groups, rows)) = groups {
        shown.push(Highlight {
            label: "segments".to_owned(),
            value: groups.to_string(),
            note: format!("of {}", counted(rows as u64, "customer")),
        });
    }
    shown
}

fn times(value: f64) -> String {
    format!("{value:.1} x")
}

/// What a metric is compared with.
fn beside(metric: &Metric, write: fn(f64) -> String) -> String {
    let references = metric.references.iter();
    let texts: Vec<String> = references
        .map(|(name, value)| format!("{} {}", reference_name(name), write(*value)))
        .collect();
    texts.join(", ")
}

fn population(subject: &Subject, rows: usize) -> String {
    let rows = counted(rows as u64, "customer");
    match subject.manifest.active_days {
        Some(days) => format!("{rows} who bought in the {days} days before the date of the data."),
        None => format!("{rows}."),
    }
}

fn segments(subject: &Subject, evaluation: &SegmentsEvaluation) -> Vec<(String, String)> {
    let silhouette = evaluation.metrics.get("silhouette").map(|metric| metric.value);
    let quality = match silhouette {
        Some(value) if value >= 0.5 => "They are well apart",
        Some(value) if value >= 0.25 => "They are apart, with customers in between",
        Some(_) => "They run into each other: take a customer between two for either",
        None => "How well they are apart was not measured",
    };
    let silhouette =
        silhouette.map_or_else(String::new, |value| format!(" (silhouette {})", metric(value)));
    let names: Vec<String> = evaluation
        .segments
        .iter()
        .map(|one| format!("{} ({})", one.name, percent(one.share)))
        .collect();
    let mut answers = vec![
        question(
            "What does it tell?",
            format!(
                "Which of {} groups of alike customers a customer belongs to: {}.",
                names.len(),
                names.join(", ")
            ),
        ),
        question("For whom?", population(subject, evaluation.rows)),
        question(
            "How good is it?",
            format!(
                "{quality}{silhouette}. Segments are a way to look at customers; there is no truth they could miss."
            ),
        ),
    ];
    if let Some(agreement) = evaluation.metrics.get("agreement_with_champion") {
        answers.push(question(
            "Has anything changed?",
            format!(
                "The segments agree with the champion's to {} (1: the same customers are together, \
                 0: chance). Names stay with the groups they stood for.",
                metric(agreement.value)
            ),
        ));
    }
    answers.push(question(
        "What to do with it?",
        "Give each segment an aim and a message of its own, by what sets it apart below. Watch the \
         sizes from version to version: customers who move are the news.",
    ));
    answers
}

fn rfm(subject: &Subject, evaluation: &RfmEvaluation) -> Vec<(String, String)> {
    let mut sorted: Vec<_> = evaluation.sizes.iter().collect();
    sorted.sort_by_key(|one| std::cmp::Reverse(one.size));
    let largest: Vec<String> = sorted
        .iter()
        .take(3)
        .map(|one| format!("{} ({})", one.segment.name(), percent(one.share)))
        .collect();
    vec![
        question(
            "What does it tell?",
            "How lately, how often and how much a customer bought, as scores, and a name for the \
             combination.",
        ),
        question("For whom?", population(subject, evaluation.rows)),
        question(
            "How good is it?",
            format!(
                "Scores are counted, not predicted: there is nothing to miss. The largest segments \
                 are {}.",
                largest.join(", ")
            ),
        ),
        question(
            "What to do with it?",
            "Each segment has its advice below. Begin with those who were good customers and are \
             slipping: they bring most per message.",
        ),
    ]
}

fn forecast(subject: &Subject, evaluation: &ForecastEvaluation) -> Vec<(String, String)> {
    let (frequency, what) = match &subject.recipe {
        Some(Recipe::Forecast(recipe)) => (Some(recipe.frequency), recipe.measure().as_str()),
        _ => (None, "sales"),
    };
    let noun = period_noun(frequency);
    let (horizon, series) = (evaluation.horizon, evaluation.evaluated);
    let mase = evaluation.metrics.get("mase");
    let quality = mase.map_or_else(
        || "It is not known: no series was long enough to be judged.".to_owned(),
        |mase| {
            let naive = mase.references.get("seasonal_naive");
            let beside = naive.map_or_else(String::new, |naive| {
                let change = 1.0 - mase.value / naive;
                let word = if change >= 0.0 { "less" } else { "more" };
                format!(": {} {word} than that of repeating the last season", percent(change.abs()))
            });
            format!(
                "Its mean scaled error on the last {horizon} {noun}s was {}{beside}.",
                metric(mase.value)
            )
        },
    );
    vec![
        question(
            "What does it predict?",
            sentence(&format!("{what} by {noun}, {horizon} {noun}s ahead")),
        ),
        question(
            "For what?",
            format!(
                "{series} series of the shop were judged; all series of the recipe are forecast."
            ),
        ),
        question("How good is it?", quality),
        question("May I trust the intervals?", coverage(evaluation)),
        question(
            "What to do with it?",
            "Order and staff for the expected value where too much and too little cost the same; \
             for the upper end of the interval where running out is worse, for the lower where \
             leftovers are.",
        ),
    ]
}

fn coverage(evaluation: &ForecastEvaluation) -> String {
    let value = |name: &str| evaluation.metrics.get(name).map(|metric| metric.value);
    let (Some(eighty), Some(ninety_five)) = (value("coverage_80"), value("coverage_95")) else {
        return "It is not known: no coverage was measured.".to_owned();
    };
    let verdict = if eighty < 0.75 || ninety_five < 0.92 {
        "They are rather too narrow: plan with more room."
    } else if eighty > 0.9 {
        "They are rather too wide: the truth is usually nearer to the expected value."
    } else {
        "They hold what they say."
    };
    format!(
        "{} of the known periods fell within the 80 % interval, {} within the 95 % interval. \
         {verdict}",
        percent(eighty),
        percent(ninety_five)
    )
}

/// A number of rows and events of them.
fn rows_and_events(rows: usize, positives: usize, noun: &str) -> String {
    let share = positives as f64 / rows.max(1) as f64;
    let rows = counted(rows as u64, noun);
    format!("{rows}, {} of them with the event ({})", count(positives as u64), percent(share))
}
