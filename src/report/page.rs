//! The page: what it is made of, and its template, which escapes every text.

use askama::Template;

use super::figure::Figure;
use super::{
    ReportError, Subject, drift, forecast, lineage, metrics, probability, rfm, segments, summary,
};
use crate::training::Evaluation;

/// Rows that a table of a page has at most.
const LONGEST_TABLE: usize = 60;
/// Rows of a table that stands open beside its figure.
const OPEN_TABLE: usize = 12;
/// Letters of a cell: names come from the shop's data.
const LONGEST_CELL: usize = 160;

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub(super) caption: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
    /// Rows that were left out at the end.
    pub(super) hidden: usize,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) is_number: bool,
}

/// A part of a section.
#[derive(Clone, Debug)]
pub(super) enum Block {
    /// A paragraph.
    Text(String),
    /// Something that is missing or to be careful of.
    Note(String),
    /// A heading within a section.
    Heading(String),
    /// Questions with their answers.
    Answers(Vec<(String, String)>),
    /// Names with their values.
    Facts(Vec<(String, String)>),
    Figure(Box<Figure>),
    Table(Table),
    /// A text as it stands in a file, with its name.
    Code(String, String),
}

/// A part of the page with a heading.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

/// A figure of the head of the page.
#[derive(Clone, Debug)]
pub(super) struct Highlight {
    pub(super) label: String,
    pub(super) value: String,
    pub(super) note: String,
}

/// The top of the page.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// `churn/3`.
    pub(super) name: String,
    /// What the version is, in a few words.
    pub(super) what: String,
    /// Aliases that point at it.
    pub(super) aliases: Vec<String>,
    pub(super) passed: bool,
    pub(super) gate: String,
    pub(super) highlights: Vec<Highlight>,
}

#[derive(Template)]
#[template(path = "report/page.html")]
struct Page {
    head: Head,
    sections: Vec<Section>,
    code_version: &'static str,
}

/// The page of a version.
///
/// # Errors
/// When a figure cannot be drawn.
pub fn page(subject: &Subject) -> Result<String, ReportError> {
    let mut sections = vec![summary::section(subject)];
    sections.extend(metrics::section(subject)?);
    sections.extend(match &subject.evaluation {
        Some(Evaluation::Probability(evaluation)) => probability::sections(subject, evaluation)?,
        Some(Evaluation::Segments(evaluation)) => segments::sections(subject, evaluation)?,
        Some(Evaluation::Rfm(evaluation)) => rfm::sections(subject, evaluation)?,
        Some(Evaluation::Forecast(evaluation)) => forecast::sections(subject, evaluation)?,
        None => Vec::new(),
    });
    sections.push(drift::section(subject)?);
    sections.extend(lineage::sections(subject));
    let head = summary::head(subject);
    let page = Page { head, sections, code_version: env!("CARGO_PKG_VERSION") };
    Ok(without_controls(&page.render()?))
}

/// Control characters, which neither XML nor HTML allows, become a mark that something was there.
fn without_controls(text: &str) -> String {
    let kept = |c: char| match c {
        '\n' | '\t' => c,
        '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(kept).collect()
}

impl Table {
    /// A table without rows; the name of a column of numbers begins with `>`.
    pub(super) fn new<'a>(caption: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        let column = |name: &str| {
            let number = name.strip_prefix('>');
            Column { name: number.unwrap_or(name).to_owned(), is_number: number.is_some() }
        };
        Self {
            caption: caption.to_owned(),
            columns: columns.into_iter().map(column).collect(),
            rows: Vec::new(),
            hidden: 0,
        }
    }

    /// Adds a row; beyond the longest table it is only counted.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        if self.rows.len() < LONGEST_TABLE {
            self.rows.push(cells.into_iter().map(|cell| cut(cell, LONGEST_CELL)).collect());
        } else {
            self.hidden += 1;
        }
    }

    /// Whether it is short enough to stand open.
    pub(super) fn is_short(&self) -> bool {
        self.rows.len() <= OPEN_TABLE
    }

    /// Its cells with their columns.
    fn cells<'a>(&'a self, row: &'a [String]) -> impl Iterator<Item = (&'a Column, &'a String)> {
        self.columns.iter().zip(row)
    }
}

/// The beginning of a text.
pub(super) fn cut(text: String, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text;
    }
    text.chars().take(longest).chain(['…']).collect()
}

impl Section {
    /// A section without parts.
    pub(super) fn new(id: &'static str, title: &str) -> Self {
        Self { id, title: title.to_owned(), blocks: Vec::new() }
    }

    /// Adds a paragraph.
    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// Adds what is missing or to be careful of.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Note(text.into()));
    }

    /// Adds a heading.
    pub(super) fn heading(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Heading(text.into()));
    }

    /// Adds a figure.
    pub(super) fn figure(&mut self, figure: Figure) {
        self.blocks.push(Block::Figure(Box::new(figure)));
    }

    /// Adds a table, unless it has no rows.
    pub(super) fn table(&mut self, table: Table) {
        if !table.rows.is_empty() {
            self.blocks.push(Block::Table(table));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_cells_end_somewhere() {
        let mut table = Table::new("", ["name", ">value"]);
        for _ in 0..LONGEST_TABLE + 5 {
            table.row(["x".repeat(LONGEST_CELL + 1), "1".to_owned()]);
        }
        assert_eq!((table.rows.len(), table.hidden), (LONGEST_TABLE, 5));
        assert!(table.rows[0][0].ends_with('…'));
        assert!(table.columns[1].is_number && !table.columns[0].is_number);
    }

    #[test]
    fn control_characters_leave_a_mark() {
        assert_eq!(without_controls("a\u{1}b\nc"), "a\u{FFFD}b\nc");
    }
}
