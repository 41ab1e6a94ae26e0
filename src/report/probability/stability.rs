//! Where and when the probabilities hold: dates, parts of the rows, columns.

use crate::readable::{count, metric, percent};
use crate::report::Subject;
use crate::report::page::{Section, Table};
use crate::report::words::date;
use crate::training::ProbabilityEvaluation;

/// Tables of snapshots, slices, folds and the caller's columns.
pub(super) fn section(subject: &Subject, evaluation: &ProbabilityEvaluation) -> Section {
    let mut section = Section::new("stability", "Where it holds");
    section.text(
        "A model that holds has similar figures in every row of these tables; a part that falls \
         off is one to treat with care.",
    );
    section.table(snapshots(subject, evaluation));
    if evaluation.slices.is_empty() {
        section.note("This version keeps no figures by how often customers had bought.");
    } else {
        section.table(slices(evaluation));
    }
    section.table(folds(evaluation));
    section.table(columns(evaluation));
    for note in &evaluation.notes {
        section.text(note.clone());
    }
    section
}

fn option(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), metric)
}

fn snapshots(subject: &Subject, evaluation: &ProbabilityEvaluation) -> Table {
    let columns = ["as of", "used for", ">rows", ">event rate", ">mean predicted", ">ROC AUC"];
    let mut table = Table::new("By date", columns);
    for one in &evaluation.snapshots {
        let role = match one.role.as_str() {
            "fit" => "learning",
            "holdout" => "judging only",
            other => other,
        };
        table.row([
            date(one.as_of, &subject.clock),
            role.to_owned(),
            count(one.rows as u64),
            percent(one.event_rate),
            percent(one.mean_predicted),
            option(one.roc_auc),
        ]);
    }
    table
}

fn slices(evaluation: &ProbabilityEvaluation) -> Table {
    let columns = ["part", ">rows", ">event rate", ">mean predicted", ">ROC AUC"];
    let mut table = Table::new("By how often customers had bought", columns);
    for one in &evaluation.slices {
        table.row([
            one.slice.clone(),
            count(one.rows as u64),
            percent(one.event_rate),
            percent(one.mean_predicted),
            option(one.roc_auc),
        ]);
    }
    table
}

fn folds(evaluation: &ProbabilityEvaluation) -> Table {
    let columns = [">part", ">rows", ">events", ">ROC AUC", ">log loss"];
    let mut table = Table::new("By parts of the cross-validation", columns);
    for (number, one) in evaluation.folds.iter().enumerate() {
        table.row([
            (number + 1).to_string(),
            count(one.rows as u64),
            count(one.positives as u64),
            option(one.roc_auc),
            option(one.log_loss),
        ]);
    }
    table
}

fn columns(evaluation: &ProbabilityEvaluation) -> Table {
    let mut table =
        Table::new("The columns that were brought", ["column", "taken as", ">levels", ">missing"]);
    for one in &evaluation.columns {
        let levels = if one.levels > 0 { one.levels.to_string() } else { "-".to_owned() };
        table.row([one.name.clone(), one.kind.as_str().to_owned(), levels, percent(one.missing)]);
    }
    for (name, reason) in &evaluation.left_out {
        let dash = || "-".to_owned();
        table.row([name.clone(), format!("left out: {reason}"), dash(), dash()]);
    }
    table
}
