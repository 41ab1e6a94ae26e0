//! What a probability tells, how good it is, and what to do with it.

use super::{question, rows_and_events};
use crate::readable::{metric, percent};
use crate::report::Subject;
use crate::report::metrics::Sureness;
use crate::report::probability::calibration_verdict;
use crate::report::words::{date, reference_name, sentence};
use crate::training::ProbabilityEvaluation;

/// Questions and answers about a model of probabilities.
pub(super) fn answers(
    subject: &Subject,
    evaluation: &ProbabilityEvaluation,
) -> Vec<(String, String)> {
    let mut answers = Vec::new();
    if let Some(label) = &subject.manifest.label {
        answers.push(question("What does it predict?", sentence(&label.event)));
        answers.push(question("For whom?", sentence(&label.population)));
    }
    answers.push(question("How was it judged?", judged(subject, evaluation)));
    answers.push(question("How good is it?", quality(subject, evaluation)));
    answers.push(question("Is it better than the champion?", champion(evaluation)));
    answers.push(question("May I trust the probabilities?", calibration_verdict(evaluation)));
    answers.push(question("What to do with it?", advice(subject, evaluation)));
    if !evaluation.suspects.is_empty() {
        let names: Vec<&str> =
            evaluation.suspects.iter().map(|one| one.column.as_str()).take(5).collect();
        answers.push(question(
            "Anything to beware of?",
            format!(
                "{} may know the outcome: see below. If so, all figures here are too good.",
                names.join(", ")
            ),
        ));
    }
    answers
}

fn judged(subject: &Subject, evaluation: &ProbabilityEvaluation) -> String {
    let rows = rows_and_events(evaluation.rows, evaluation.positives, subject.noun());
    match evaluation.holdout {
        Some(as_of) => format!(
            "On rows as of {} that it never learned from: {rows}.",
            date(as_of, &subject.clock)
        ),
        None => format!(
            "By cross-validation in {} parts, each judged by a model that had not seen it: {rows}.",
            evaluation.folds.len()
        ),
    }
}

fn quality(subject: &Subject, evaluation: &ProbabilityEvaluation) -> String {
    let noun = subject.noun();
    let base = evaluation.positives as f64 / evaluation.rows.max(1) as f64;
    let mut texts = Vec::new();
    if let Some(auc) = evaluation.metrics.get("roc_auc") {
        let interval = Sureness::from(evaluation).of("roc_auc").map_or_else(String::new, |one| {
            format!(" (95 % interval {} to {})", metric(one.lower), metric(one.upper))
        });
        let baselines: Vec<String> = ["recency", "strongest_column"]
            .into_iter()
            .filter_map(|name| {
                let value = auc.references.get(name)?;
                Some(format!("{} gets {}", reference_name(name), metric(*value)))
            })
            .collect();
        let baselines = if baselines.is_empty() {
            String::new()
        } else {
            format!("; {}", baselines.join(", "))
        };
        texts.push(format!(
            "Of two {noun}s, one with the event and one without, it ranks the right one first in \
             {} of cases{interval}{baselines}.",
            percent(auc.value)
        ));
    }
    if let Some(lift) = evaluation.metrics.get("lift_top_decile") {
        texts.push(format!(
            "The event happens to {} of the {noun}s; in the best-scored tenth of the list it \
             happens {:.1} times as often.",
            percent(base),
            lift.value
        ));
    }
    texts.join(" ")
}

fn champion(evaluation: &ProbabilityEvaluation) -> String {
    let log_loss = evaluation.metrics.get("log_loss");
    let Some(other) = log_loss.and_then(|metric| metric.references.get("champion")) else {
        return "There was none to compare with on the same rows when it was trained.".to_owned();
    };
    let own = log_loss.map_or(0.0, |metric| metric.value);
    match Sureness::from(evaluation).difference("log_loss") {
        Some(one) if one.lower <= 0.0 && one.upper >= 0.0 => format!(
            "They cannot be told apart: log loss {} against {}, and the interval of the difference \
             holds 0.",
            metric(own),
            metric(*other)
        ),
        _ if own < *other => {
            format!("Yes: log loss {} against {}.", metric(own), metric(*other))
        }
        _ => format!("No: log loss {} against {}.", metric(own), metric(*other)),
    }
}

fn advice(subject: &Subject, evaluation: &ProbabilityEvaluation) -> String {
    let noun = subject.noun();
    let Some(top) = evaluation.gains.iter().find(|decile| decile.share >= 0.2 - 1e-9) else {
        return format!("Nothing yet: only one outcome occurred among the {noun}s.");
    };
    let event_rate = evaluation.positives as f64 / evaluation.rows.max(1) as f64;
    let rate = event_rate * top.cumulative_lift;
    format!(
        "Sort the {noun}s by probability and begin at the top: the best-scored fifth holds {} of \
         all events, and {} of those in it have it. Contact down to where an event is no longer \
         worth the cost of a contact, and keep a random part uncontacted to measure what the \
         contact does.",
        percent(top.gain),
        percent(rate)
    )
}
