//! Recency, frequency and monetary value: who is where, and what to do.

use super::page::{Section, Table};
use super::{ReportError, Subject, segments};
use crate::model::{RfmProfile, RfmSegment};
use crate::readable::{figure, percent};
use crate::report::figure::{Axis, Caption, Colour, Figure, Mark, Plot};
use crate::training::{Recipe, RfmEvaluation};

/// Sizes, profiles, edges of the scores, and advice.
pub(super) fn sections(
    subject: &Subject,
    evaluation: &RfmEvaluation,
) -> Result<Vec<Section>, ReportError> {
    let mut section = Section::new("profiles", "The segments");
    let sizes: Vec<(&str, u64, f64)> =
        evaluation.sizes.iter().map(|one| (one.segment.name(), one.size, one.share)).collect();
    if sizes.is_empty() {
        section.note("This version keeps no sizes of its segments.");
    } else {
        section.figure(segments::size_figure(&sizes)?);
    }
    if evaluation.profiles.is_empty() {
        section.note(
            "This version keeps no medians of its segments; a version that is trained anew does.",
        );
    } else {
        section.figure(heat_map(subject, &evaluation.profiles)?);
    }
    let mut advice = Table::new("What to do with each", ["segment", "who they are", "what to do"]);
    for size in &evaluation.sizes {
        let (who, what) = advice_of(size.segment);
        advice.row([size.segment.name().to_owned(), who.to_owned(), what.to_owned()]);
    }
    section.table(advice);
    let mut scores = Section::new("scores", "How the scores are cut");
    scores.text(
        "Each customer gets a score for how lately, how often and how much she bought. The edges \
         were cut once, from the customers of the training, and stay: a score changes because the \
         customer does.",
    );
    scores.table(edges(subject, evaluation));
    Ok(vec![section, scores])
}

/// The columns behind the three scores.
fn columns(subject: &Subject) -> [&str; 3] {
    match &subject.recipe {
        Some(Recipe::Rfm(recipe)) => [&recipe.recency, &recipe.frequency, &recipe.monetary],
        _ => ["recency", "frequency", "monetary value"],
    }
}

fn edges(subject: &Subject, evaluation: &RfmEvaluation) -> Table {
    let mut table =
        Table::new("Where scores change", ["column", "from the worst score to the best"]);
    for (name, values) in columns(subject).into_iter().zip(&evaluation.edges) {
        let values: Vec<String> = values.iter().map(|value| figure(*value)).collect();
        table.row([name.to_owned(), values.join(" | ")]);
    }
    table
}

fn heat_map(subject: &Subject, profiles: &[RfmProfile]) -> Result<Figure, ReportError> {
    let names = columns(subject).map(|name| format!(">{name}"));
    let fixed = ["segment"].into_iter().chain(names.iter().map(String::as_str));
    let mut table = Table::new("Medians", fixed.chain([">share of all money"]));
    for profile in profiles {
        let medians = profile.medians.iter().map(|value| figure(*value));
        let share = profile.monetary_share.map_or_else(|| "-".to_owned(), percent);
        let name = profile.segment.name().to_owned();
        table.row([name].into_iter().chain(medians).chain([share]));
    }
    let richest = profiles.iter().max_by(|a, b| {
        a.monetary_share.partial_cmp(&b.monetary_share).unwrap_or(std::cmp::Ordering::Equal)
    });
    let caption = Caption {
        id: "heat-map".to_owned(),
        title: "What the customers of each segment have in common".to_owned(),
        description: richest
            .and_then(|profile| Some((profile.segment.name(), profile.monetary_share?)))
            .map_or_else(String::new, |(name, share)| {
                format!("{name} bring {} of all money.", percent(share))
            }),
        reading: "The middle customer of each segment; the darker a cell, the higher its value \
                  within its column. The last column tells which segments the shop lives on."
            .to_owned(),
    };
    Figure::new(caption, &heat_plot(columns(subject), profiles), Vec::new(), Some(table))
}

/// A row per segment and a column per median; the colour is the place within the column.
pub(super) fn heat_plot(columns: [&str; 3], profiles: &[RfmProfile]) -> Plot {
    let values = |profile: &RfmProfile| {
        let [recency, frequency, monetary] = profile.medians;
        [recency, frequency, monetary, profile.monetary_share.unwrap_or(0.0)]
    };
    let mut most = [f64::MIN_POSITIVE; 4];
    for profile in profiles {
        for (most, value) in most.iter_mut().zip(values(profile)) {
            *most = most.max(value);
        }
    }
    let mut marks = Vec::new();
    for (row, profile) in profiles.iter().enumerate() {
        for (column, (value, most)) in values(profile).into_iter().zip(most).enumerate() {
            let (left, top) = (column as f64, row as f64);
            marks.push(Mark::Bar {
                from: (left + 0.02, top + 0.04),
                to: (left + 0.98, top + 0.96),
                colour: Colour::Blue,
                opacity: 0.05 + 0.5 * (value / most).clamp(0.0, 1.0),
            });
            let text = if column == 3 { percent(value) } else { figure(value) };
            marks.push(Mark::Text { at: (left + 0.5, top + 0.5), text });
        }
    }
    let x = Axis::columns(columns.into_iter().chain(["money"]));
    let y = Axis::rows(profiles.iter().map(|profile| profile.segment.name()));
    Plot::new(x, y, marks)
}

/// Who the customers of a segment are, and what marketers do with them.
fn advice_of(segment: RfmSegment) -> (&'static str, &'static str) {
    match segment {
        RfmSegment::Champions => (
            "bought lately, often and much",
            "thank them, let them see new things first, ask for a recommendation; no discount",
        ),
        RfmSegment::Loyal => (
            "buy regularly and well",
            "a loyalty programme, and products that go with what they have",
        ),
        RfmSegment::PotentialLoyalists => (
            "bought lately and more than once or twice",
            "lead them to the next purchase: membership, a second category",
        ),
        RfmSegment::NewCustomers => (
            "bought for the first time just now",
            "welcome them and help them to a second purchase within weeks",
        ),
        RfmSegment::Promising => {
            ("bought lately, little so far", "remind them of the shop; a small reason to come back")
        }
        RfmSegment::NeedingAttention => (
            "middling in everything, and not lately",
            "an offer for a limited time on what they bought before",
        ),
        RfmSegment::AboutToSleep => {
            ("little, and not for a while", "one inexpensive reminder with what is popular")
        }
        RfmSegment::AtRisk => (
            "were good customers, and not for long",
            "a personal message and an offer that is worth it; ask what went wrong",
        ),
        RfmSegment::CantLoseThem => (
            "were among the best, and have been away longest",
            "call them; the best offer you can afford",
        ),
        RfmSegment::Hibernating => {
            ("bought little, long ago", "only what costs nothing, such as a newsletter")
        }
        RfmSegment::Lost => {
            ("bought least, longest ago", "leave them alone; contact them only if it is free")
        }
    }
}
