//! Plain English for columns and numbers.

use super::{Level, level};
use crate::model::segments::profile::Cluster;

/// Columns beyond the usual ones that a description mentions.
const MOST_EXTRAS: usize = 2;

/// Columns that a description mentions when none of the usual ones is there.
const MOST_OTHERS: usize = 3;

/// What sets a cluster apart: the usual columns in a fixed order, then those that stand out most.
/// Numbers are medians.
pub(super) fn describe(columns: &[&str], cluster: &Cluster) -> String {
    let mut phrases = Vec::new();
    let mut others = Vec::new();
    for usual in USUAL {
        let place = columns.iter().position(|column| *column == usual);
        let median = place.and_then(|place| cluster.medians.get(place));
        phrases.extend(median.and_then(|median| usual_phrase(usual, *median)));
    }
    let figures = columns.iter().zip(&cluster.centre).zip(&cluster.medians);
    for ((column, deviations), median) in figures {
        if !USUAL.contains(column) {
            others.push((*column, *deviations, *median));
        }
    }
    others.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    if phrases.is_empty() {
        others.truncate(MOST_OTHERS);
    } else {
        others.retain(|(_, deviations, _)| level(*deviations) != Level::Middle);
        others.truncate(MOST_EXTRAS);
    }
    phrases.extend(others.iter().map(|(column, deviations, median)| {
        let level = match level(*deviations) {
            Level::Low => "low",
            Level::Middle => "average",
            Level::High => "high",
        };
        format!("{level} {} ({})", words(column), figure(*median))
    }));
    phrases.join(", ")
}

const USUAL: [&str; 4] = ["recency_days", "visits", "spend", "tenure_days"];

fn usual_phrase(column: &str, median: f64) -> Option<String> {
    let value = figure(median);
    let plural = if value == "1" { "" } else { "s" };
    match column {
        "recency_days" => Some(format!("bought {} ago", days(median))),
        "visits" => Some(format!("{value} visit{plural}")),
        "spend" => Some(format!("spends {value}")),
        "tenure_days" => Some(format!("customer for {}", days(median))),
        _ => None,
    }
}

/// Whole days.
fn days(value: f64) -> String {
    let days = grouped(value.max(0.0).round());
    let plural = if days == "1" { "" } else { "s" };
    format!("{days} day{plural}")
}

/// A column's name in lower case with hyphens, for names.
pub(super) fn slug(column: &str) -> String {
    words(column).replace(' ', "-")
}

/// A column's name as words.
fn words(column: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c } else { ' ' };
    let spaced: String = column.to_lowercase().chars().map(plain).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    words.join(" ")
}

/// A number with as many digits as help: 3,400; 45.2; 0.37.
fn figure(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 {
        return grouped(value.round());
    }
    let decimals = if size >= 10.0 { 1 } else { 2 };
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A whole number with a comma every three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value < 0.0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(centre: &[f64], medians: &[f64]) -> Cluster {
        Cluster {
            centre: centre.to_vec(),
            size: 10,
            share: 0.5,
            medians: medians.to_vec(),
            radius: 1.0,
        }
    }

    #[test]
    fn shoppers_are_described_in_a_sentence() {
        let columns = ["spend", "visits", "recency_days", "return_rate", "units"];
        let typical = cluster(&[1.0, 1.0, -1.0, 2.0, 0.1], &[3400.4, 9.0, 12.3, 0.25, 80.0]);
        assert_eq!(
            describe(&columns, &typical),
            "bought 12 days ago, 9 visits, spends 3,400, high return rate (0.25)"
        );
        let single = cluster(&[0.0; 3], &[5.5, 1.0, 0.8]);
        assert_eq!(describe(&columns[..3], &single), "bought 1 day ago, 1 visit, spends 5.5");
    }

    #[test]
    fn other_columns_are_described_by_level() {
        let typical = cluster(&[-0.9, 0.0], &[1_234_567.0, 0.0]);
        assert_eq!(
            describe(&["Fresh", "Milk"], &typical),
            "low fresh (1,234,567), average milk (0)"
        );
    }

    #[test]
    fn figures_are_short() {
        let figures = [45.25, 0.371, -0.001, -1234.5, 99.96, 100.0].map(figure);
        assert_eq!(figures, ["45.2", "0.37", "0", "-1,235", "100", "100"]);
        assert_eq!(grouped(999_999.0), "999,999");
    }
}
