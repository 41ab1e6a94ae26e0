//! Where a version comes from: data, recipe, program, and the versions before.

use super::Subject;
use super::page::{Block, Section, Table, cut};
use super::words::{counted, date, metric_name};
use crate::readable::{count, metric};
use crate::repository::{DataLineage, Manifest, SegmentsLineage};
use crate::transaction::{ImportReport, Timestamp};

/// Imports that are told.
const IMPORTS: usize = 20;
/// Refused rows that are told.
const REFUSALS: usize = 10;
/// Letters of the recipe that are shown.
const RECIPE: usize = 20_000;

/// The data, the training, and the other versions.
pub(super) fn sections(subject: &Subject) -> Vec<Section> {
    vec![data(subject), training(subject), versions(subject)]
}

fn data(subject: &Subject) -> Section {
    let mut section = Section::new("data", "The data");
    let DataLineage {
        digest, attributes_digest, segments, lines, customers, as_of, imports, ..
    } = &subject.manifest.data;
    let when = |instant: Timestamp| date(instant, &subject.clock);
    let mut facts = vec![
        ("lines".to_owned(), count(*lines)),
        ("customers".to_owned(), count(*customers)),
        ("nothing was used that was known at or after".to_owned(), when(*as_of)),
        ("digest of the data".to_owned(), digest.clone()),
    ];
    if let Some(digest) = attributes_digest {
        facts.push(("digest of the attributes of customers".to_owned(), digest.clone()));
    }
    if let Some(SegmentsLineage { model, version, as_of }) = segments {
        let told = format!("{model}/{version}, each customer as of {}", when(*as_of));
        facts.push(("segments of customers by".to_owned(), told));
    }
    section.blocks.push(Block::Facts(facts));
    if imports.is_empty() {
        let place = if subject.is_of_table() { "a table" } else { "streams of lines" };
        section.text(format!("No file was imported: the data came from {place}."));
        return section;
    }
    section.table(import_table(subject, imports));
    section.table(refusals(imports));
    section
}

fn import_table(subject: &Subject, imports: &[ImportReport]) -> Table {
    let columns = [
        "source",
        ">rows",
        ">accepted",
        ">duplicates",
        ">corrected",
        ">returns",
        ">anonymous",
        ">refused",
        ">customers",
        ">revenue",
        "from",
        "to",
        "recorded at",
    ];
    let mut table = Table::new("Imports, the latest first", columns);
    let day = |instant: Option<Timestamp>| {
        instant.map_or_else(|| "-".to_owned(), |instant| date(instant, &subject.clock))
    };
    for one in imports.iter().rev().take(IMPORTS) {
        table.row([
            one.source.clone(),
            count(one.rows_read),
            count(one.accepted),
            count(one.duplicates),
            count(one.corrected),
            count(one.returns),
            count(one.anonymous),
            count(one.refused),
            count(one.customers),
            format!("{} {}", one.revenue, subject.currency),
            day(one.first_occurred_at),
            day(one.last_occurred_at),
            one.recorded_at_rule.clone(),
        ]);
    }
    table.hidden += imports.len().saturating_sub(IMPORTS);
    table
}

fn refusals(imports: &[ImportReport]) -> Table {
    let mut table = Table::new("Rows that were refused", ["source", ">row", "field", "why"]);
    let all: u64 = imports.iter().map(|one| one.refused).sum();
    let told = imports
        .iter()
        .rev()
        .flat_map(|one| one.first_refusals.iter().map(|refusal| (one.source.as_str(), refusal)))
        .take(REFUSALS);
    for (source, refusal) in told {
        let row = count(refusal.row);
        table.row([source.to_owned(), row, refusal.field.clone(), refusal.message.clone()]);
    }
    table.hidden = (all as usize).saturating_sub(table.rows.len());
    table
}

fn training(subject: &Subject) -> Section {
    let mut section = Section::new("training", "How it was trained");
    let Manifest { kind, algorithm, created_at, code_version, training_job, seed, .. } =
        &subject.manifest;
    let data = &subject.manifest.data;
    let when = |instant: &Timestamp| date(*instant, &subject.clock);
    let dates = |instants: &[Timestamp]| {
        let texts: Vec<String> = instants.iter().map(when).collect();
        if texts.is_empty() { "-".to_owned() } else { texts.join("; ") }
    };
    let none = || "-".to_owned();
    let facts = [
        ("kind", kind.to_string()),
        ("algorithm", algorithm.clone()),
        (
            "took in new periods of",
            subject.manifest.updated_from.map_or_else(none, |version| format!("version {version}")),
        ),
        ("converged", if subject.manifest.converged { "yes" } else { "no" }.to_owned()),
        ("learned from rows as of", dates(&data.train_snapshots)),
        ("calibrated on rows as of", dates(&data.calibration_snapshots)),
        ("judged on rows as of", data.holdout.as_ref().map_or_else(none, when)),
        ("seed", seed.to_string()),
        ("registered", when(created_at)),
        ("by Patron", code_version.clone()),
        ("training job", training_job.clone()),
        ("features", subject.manifest.feature_schema_digest.clone().unwrap_or_else(none)),
        ("SHA-256 of model.bin", subject.manifest.model_sha256.clone()),
        ("time zone", subject.clock.name().to_owned()),
    ];
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    section.blocks.push(Block::Facts(facts));
    if let Err(reason) = &subject.model {
        section.note(format!("The model file does not load: {reason}"));
    }
    if subject.evaluation.is_none() {
        section.note(
            "The evaluation cannot be read: it is missing or was written by another program. Only \
             the metrics of the manifest are shown.",
        );
    }
    let recipe = cut(subject.manifest.recipe.clone(), RECIPE);
    section.blocks.push(Block::Code("recipe.toml".to_owned(), recipe));
    section
}

fn versions(subject: &Subject) -> Section {
    let mut section = Section::new("versions", "The versions");
    section.text(format!(
        "The model has {} that can be read here; this is number {}.",
        counted(subject.siblings.len() as u64, "version"),
        subject.manifest.version
    ));
    let columns = [
        ">version",
        "registered",
        "data until",
        "algorithm",
        "metric",
        ">value",
        "gate",
        "why",
        "alias",
    ];
    let mut table = Table::new("Versions, the latest first", columns);
    for one in &subject.siblings {
        let (name, value) = one.headline.as_ref().map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |(name, found)| (metric_name(name).to_owned(), metric(found.value)),
        );
        let pointing = subject.aliases.iter().filter(|(_, alias)| alias.version == one.version);
        let aliases: Vec<&str> = pointing.map(|(alias, _)| alias.as_str()).collect();
        let number = one.version.to_string();
        table.row([
            if one.version == subject.manifest.version {
                format!("{number} (this)")
            } else {
                number
            },
            date(one.created_at, &subject.clock),
            date(one.as_of, &subject.clock),
            one.algorithm.clone(),
            name,
            value,
            if one.gate.passed { "passed" } else { "not passed" }.to_owned(),
            one.gate.reason.clone(),
            aliases.join(", "),
        ]);
    }
    section.table(table);
    section
}
