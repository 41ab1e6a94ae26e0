//! What the demo shows: import, training, questions.

use std::io;

use crate::grpc::proto::{
    CreateTrainingJobRequest, ForecastRequest, ImportTransactionsRequest, SeriesKey,
};

use super::super::arguments::{ModelReference, VersionChoice};
use super::super::client::{Services, request_id};
use super::super::evaluation::evaluation_text;
use super::super::exit::Failure;
use super::super::forecast;
use super::super::import::{self, absolute};
use super::super::job::{Outcome, follow, import_report_text};
use super::super::models;
use super::super::output::Output;
use super::super::predict::{Kind, Question};
use super::super::train;
use super::directory::{Directory, MAPPING, RECIPES};
use crate::readable::count;

/// Two good customers of the data, a lapsed one, and one that nobody knows.
const CUSTOMERS: [&str; 4] = ["14911", "12748", "17850", "never-seen"];
/// Days of the forecast that are shown.
const DAYS: u32 = 14;

/// The demo's way through the service.
pub(super) struct Tour<'a> {
    pub(super) directory: &'a Directory,
    pub(super) services: Services,
    pub(super) output: Output,
}

impl Tour<'_> {
    /// Imports the bundled transactions.
    pub(super) async fn import(&mut self) -> Result<(), Failure> {
        self.heading("Import: UCI Online Retail, a wholesaler's receipts of a year")?;
        let request = ImportTransactionsRequest {
            source_uri: absolute(&self.directory.transactions())?,
            mapping_toml: MAPPING.to_owned(),
            request_id: request_id(None),
            ..Default::default()
        };
        let job = import::start(&self.services, request).await?;
        let job = follow(&self.services, job).await?;
        job.check()?;
        let Outcome::Import { report: Some(report), .. } = &job.outcome else { return Ok(()) };
        self.output.line(import_report_text(report).trim_end())?;
        if report.accepted == 0 && report.duplicates > 0 {
            let known = count(report.duplicates);
            let told = format!(
                "\nAll {known} lines were known from an earlier run; none was stored twice."
            );
            self.output.line(told)?;
        }
        Ok(())
    }

    /// Trains a version of every model and shows how good it is.
    pub(super) async fn train(&mut self) -> Result<(), Failure> {
        for (model, _) in RECIPES {
            self.heading(&format!("Train: {model}"))?;
            let request = CreateTrainingJobRequest {
                model: model.to_owned(),
                request_id: request_id(None),
                ..Default::default()
            };
            let job = train::start(&self.services, request).await?;
            let job = follow(&self.services, job).await?;
            job.check()?;
            let Outcome::Training { result: Some(result), .. } = &job.outcome else { continue };
            let version = VersionChoice::Number(result.version);
            let model = ModelReference { name: model.to_owned(), version: Some(version) };
            let version = models::version(&self.services, &model).await?;
            let promoted = if result.promoted { "promoted" } else { "not promoted" };
            let reason = &result.promotion_reason;
            self.output
                .line(format_args!("{model}, {}; {promoted}: {reason}", version.algorithm))?;
            self.output.line(evaluation_text(&version).trim_end())?;
        }
        Ok(())
    }

    /// Asks each champion a question.
    pub(super) async fn ask(&mut self) -> Result<(), Failure> {
        for (title, kind, explain) in [
            ("Ask: which segment", Kind::Segments, 0),
            ("Ask: how recent, how often, how much", Kind::Rfm, 0),
            ("Ask: who leaves, and why", Kind::Churn, 3),
            ("Ask: who buys soon", Kind::Propensity, 2),
        ] {
            self.heading(title)?;
            let answer = Question::about(kind, &CUSTOMERS, explain).ask(&self.services).await?;
            self.output.report(&answer)?;
        }
        self.heading("Ask: how much is sold in the next two weeks")?;
        let request = ForecastRequest {
            series: vec![SeriesKey { group: "total".to_owned(), value: String::new() }],
            horizon: Some(DAYS),
            levels: vec![0.8, 0.95],
            ..Default::default()
        };
        let answer = forecast::ask(&self.services, request).await?;
        Ok(self.output.report(&answer)?)
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        self.output.line(format_args!("\n== {text}\n"))
    }
}
