//! Dates, shares and names as people read them.

use std::fmt::Write as _;

use crate::dataset::Frequency;
use crate::model::Condition;
use crate::readable::{count, figure};
use crate::transaction::{ShopClock, Timestamp};

/// A day of the shop's calendar: `9 Dec 2011`; with the time where it is not midnight.
pub(super) fn date(instant: Timestamp, clock: &ShopClock) -> String {
    let local = clock.local(instant);
    let day = day(local.day);
    match (local.minute / 60, local.minute % 60) {
        (0, 0) => day,
        (hour, minute) => format!("{day}, {hour:02}:{minute:02}"),
    }
}

/// A day since 1970-01-01: `9 Dec 2011`.
pub(super) fn day(day: i32) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    let date = epoch.saturating_add(jiff::Span::new().days(i64::from(day.clamp(0, 100_000))));
    date.strftime("%-d %b %Y").to_string()
}

/// A period by its first day; by its month where that is what it is.
pub(super) fn period(period: i32, frequency: Option<Frequency>) -> String {
    match frequency {
        None => format!("period {period}"),
        Some(Frequency::Monthly) => day(Frequency::Monthly.first_day(period))
            .split_once(' ')
            .map_or_else(|| period.to_string(), |(_, month)| month.to_owned()),
        Some(frequency) => day(frequency.first_day(period)),
    }
}

/// `day`, `week` or `month`.
pub(super) fn period_noun(frequency: Option<Frequency>) -> &'static str {
    match frequency {
        None => "period",
        Some(Frequency::Daily) => "day",
        Some(Frequency::Weekly) => "week",
        Some(Frequency::Monthly) => "month",
    }
}

/// A whole percentage: `42 %`.
pub(super) fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A text with a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).chain(['.']).collect()
}

/// `one customer`, `12 customers`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("one {noun}") } else { format!("{} {noun}s", count(number)) }
}

/// A column's name without underscores.
pub(super) fn plain(name: &str) -> String {
    name.replace('_', " ")
}

/// What a metric is called in a sentence; the name itself where there is no better one.
pub(super) fn metric_name(name: &str) -> &str {
    match name {
        "roc_auc" => "ROC AUC",
        "average_precision" => "average precision",
        "ks" => "Kolmogorov-Smirnov",
        "log_loss" => "log loss",
        "brier_score" => "Brier score",
        "expected_calibration_error" => "calibration error",
        "lift_top_decile" => "lift of the top tenth",
        "silhouette" => "silhouette",
        "inertia" => "inertia",
        "agreement_with_champion" => "agreement with the champion",
        "mase" => "MASE",
        "smape" => "sMAPE",
        "coverage_80" => "coverage of 80 % intervals",
        "coverage_95" => "coverage of 95 % intervals",
        other => other,
    }
}

/// What a metric says, in one sentence; nothing where the name says it all.
pub(super) fn metric_meaning(name: &str) -> &'static str {
    match name {
        "roc_auc" => "chance that one with the event is ranked above one without it; 0.5 is a coin",
        "average_precision" => "how pure the top of the list is; the base rate is chance",
        "ks" => "largest distance between the shares of events and of others that a cut-off finds",
        "log_loss" => "penalty for being sure and wrong",
        "brier_score" => "mean squared distance of probability and outcome",
        "expected_calibration_error" => "by how much probabilities miss what came true, on average",
        "lift_top_decile" => {
            "how many times more events the best tenth of the list has than a random tenth"
        }
        "silhouette" => "how well segments are apart; above 0.25 there is structure, 1 is perfect",
        "inertia" => "squared distances to the centres; only for comparing on the same customers",
        "agreement_with_champion" => {
            "1: the same customers are together as in the champion's segments; 0: chance"
        }
        "mase" => "mean error over that of repeating the last season within the past",
        "smape" => "mean error in percent of the values, 0 to 200",
        "coverage_80" => "share of periods that fell within the 80 % interval",
        "coverage_95" => "share of periods that fell within the 95 % interval",
        _ => "",
    }
}

/// What a baseline or another version is called.
pub(super) fn reference_name(name: &str) -> &str {
    match name {
        "base_rate" => "base rate",
        "recency" => "recency alone",
        "strongest_column" => "strongest column alone",
        "seasonal_naive" => "last season again",
        other => other,
    }
}

/// A condition of a rule: `recency days below 30`.
pub(super) fn condition(condition: &Condition) -> String {
    let column = plain(&condition.column);
    let mut text = match (condition.at_least, condition.below) {
        (Some(least), Some(below)) => {
            format!("{column} from {} to below {}", figure(least), figure(below))
        }
        (Some(least), None) => format!("{column} at least {}", figure(least)),
        (None, Some(below)) => format!("{column} below {}", figure(below)),
        (None, None) if condition.among.is_empty() => column,
        (None, None) => format!("{column} is {}", condition.among.join(" or ")),
    };
    if condition.or_missing {
        let _infallible = write!(text, " or missing");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_shop() {
        let london = ShopClock::new("Europe/London").unwrap();
        let at = |text: &str| date(text.parse().unwrap(), &london);
        assert_eq!(at("2011-12-10T00:00:00Z"), "10 Dec 2011");
        assert_eq!(at("2011-07-09T23:00:00Z"), "10 Jul 2011");
        assert_eq!(at("2011-07-09T11:50:00Z"), "9 Jul 2011, 12:50");
    }

    #[test]
    fn periods_are_named_by_their_beginning() {
        assert_eq!(period(41 * 12 + 11, Some(Frequency::Monthly)), "Dec 2011");
        assert_eq!(period(0, Some(Frequency::Daily)), "1 Jan 1970");
        assert_eq!(period(7, None), "period 7");
    }

    #[test]
    fn counts_and_sentences_read_well() {
        assert_eq!(sentence("no purchase"), "No purchase.");
        assert_eq!(counted(1, "row"), "one row");
        assert_eq!(counted(12_000, "row"), "12,000 rows");
    }
}
