//! `patron predict`: segments, scores, churn and propensity of some customers.

mod answer;
mod rows;
mod served;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::grpc::proto::assign_rfm_request::Input as RfmInput;
use crate::grpc::proto::assign_segments_request::Input as SegmentsInput;
use crate::grpc::proto::predict_churn_request::Input as ChurnInput;
use crate::grpc::proto::predict_propensity_request::Input as PropensityInput;
use crate::grpc::proto::{
    AssignRfmRequest, AssignSegmentsRequest, CustomerIds, ModelSelector, PredictChurnRequest,
    PredictPropensityRequest,
};

use super::arguments::{VersionChoice, customers, name, time};
use super::client::{Services, Session};
use super::exit::Failure;
use super::values::wire_time;

pub(super) use self::answer::Answer;
use self::rows::Rows;
pub(super) use self::served::served_json;

/// Arguments of `patron predict`.
#[derive(Args, Clone, Debug)]
pub(super) struct PredictArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Which segment each customer belongs to
    Segments(QuestionArgs),
    /// Scores of recency, frequency and monetary value
    Rfm(QuestionArgs),
    /// How likely each customer buys nothing in the horizon
    Churn(QuestionArgs),
    /// How likely each customer buys in the horizon
    Propensity(QuestionArgs),
}

#[derive(Args, Clone, Debug)]
struct QuestionArgs {
    #[command(flatten)]
    rows: RowsArgs,
    /// Name of the model [default: that of the command]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Number of the version [default: the champion]
    #[arg(long, value_name = "NUMBER", conflicts_with = "alias",
        value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    /// Alias of the version [default: champion]
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,
    /// See only what was known before this time or date [default: the server's present]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["features", "table"])]
    as_of: Option<String>,
    /// Column of the table that tells what its rows are called [default: their numbers]
    #[arg(long, value_name = "COLUMN", requires = "table")]
    id: Option<String>,
    /// How many of the weightiest reasons to tell per row
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    explain: u32,
}

#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
struct RowsArgs {
    /// Keys of customers; their stored lines are used
    #[arg(long, value_name = "ID", num_args = 1..)]
    customer: Vec<String>,
    /// CSV file of feature vectors; its header names the features of the model
    #[arg(long, value_name = "FILE")]
    features: Option<PathBuf>,
    /// CSV or Parquet file with the columns of a model that was trained on a table
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
}

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Segments,
    Rfm,
    Churn,
    Propensity,
}

/// A question that holds.
#[derive(Clone, Debug)]
pub(super) struct Question {
    kind: Kind,
    rows: Rows,
    model: String,
    selector: Option<ModelSelector>,
    as_of: Option<prost_types::Timestamp>,
    explain: u32,
}

/// Asks and shows the answer.
pub(super) async fn run(args: PredictArgs, session: &mut Session) -> Result<(), Failure> {
    let question = match args.what {
        What::Segments(args) => args.check(Kind::Segments)?,
        What::Rfm(args) => args.check(Kind::Rfm)?,
        What::Churn(args) => args.check(Kind::Churn)?,
        What::Propensity(args) => args.check(Kind::Propensity)?,
    };
    let services = session.connect().await?;
    let answer = question.ask(&services).await?;
    Ok(session.output.report(&answer)?)
}

impl QuestionArgs {
    fn check(self, kind: Kind) -> Result<Question, Failure> {
        let model = self.model.map(|model| name("--model", model)).transpose()?;
        let version = VersionChoice::from_flags(self.version, self.alias)?;
        Ok(Question {
            kind,
            model: model.unwrap_or_default(),
            selector: version.map(VersionChoice::into_selector),
            as_of: time("--as-of", self.as_of.as_deref())?.map(wire_time),
            explain: self.explain,
            rows: match (self.rows.features, self.rows.table) {
                (_, Some(path)) => Rows::table(&path, self.id.as_deref())?,
                (Some(path), None) => Rows::read(&path)?,
                (None, None) => Rows::Customers(customers(self.rows.customer)?),
            },
        })
    }
}

impl Question {
    /// A question about customers, to the champion of the kind.
    pub(super) fn about(kind: Kind, customers: &[&str], explain: u32) -> Self {
        Self {
            kind,
            rows: Rows::Customers(customers.iter().map(|id| (*id).to_owned()).collect()),
            model: String::new(),
            selector: None,
            as_of: None,
            explain,
        }
    }

    /// Asks the server.
    pub(super) async fn ask(self, services: &Services) -> Result<Answer, Failure> {
        let names = self.rows.names();
        let mut client = services.predictions();
        Ok(match self.kind {
            Kind::Segments => {
                let response = client.assign_segments(self.segments()).await?.into_inner();
                Answer::segments(names, response)
            }
            Kind::Rfm => {
                let response = client.assign_rfm(self.rfm()).await?.into_inner();
                Answer::rfm(names, response)
            }
            Kind::Churn => {
                let response = client.predict_churn(self.churn()).await?.into_inner();
                Answer::churn(names, response)
            }
            Kind::Propensity => {
                let response = client.predict_propensity(self.propensity()).await?.into_inner();
                Answer::propensity(names, response)
            }
        })
    }

    fn segments(self) -> AssignSegmentsRequest {
        AssignSegmentsRequest {
            model: self.model,
            selector: self.selector,
            as_of: self.as_of,
            explain: self.explain,
            all_distances: false,
            include_catalogue: false,
            input: match self.rows {
                Rows::Customers(ids) => Some(SegmentsInput::CustomerIds(CustomerIds { ids })),
                Rows::Features(block) => Some(SegmentsInput::Features(block)),
                // The server says what it takes instead.
                Rows::Table(..) => None,
            },
        }
    }

    fn rfm(self) -> AssignRfmRequest {
        AssignRfmRequest {
            model: self.model,
            selector: self.selector,
            as_of: self.as_of,
            input: match self.rows {
                Rows::Customers(ids) => Some(RfmInput::CustomerIds(CustomerIds { ids })),
                Rows::Features(block) => Some(RfmInput::Features(block)),
                Rows::Table(..) => None,
            },
        }
    }

    fn churn(self) -> PredictChurnRequest {
        PredictChurnRequest {
            model: self.model,
            selector: self.selector,
            as_of: self.as_of,
            explain: self.explain,
            threshold: None,
            input: Some(match self.rows {
                Rows::Customers(ids) => ChurnInput::CustomerIds(CustomerIds { ids }),
                Rows::Features(block) => ChurnInput::Features(block),
                Rows::Table(table, _) => ChurnInput::Table(table),
            }),
        }
    }

    fn propensity(self) -> PredictPropensityRequest {
        PredictPropensityRequest {
            model: self.model,
            selector: self.selector,
            as_of: self.as_of,
            explain: self.explain,
            threshold: None,
            input: Some(match self.rows {
                Rows::Customers(ids) => PropensityInput::CustomerIds(CustomerIds { ids }),
                Rows::Features(block) => PropensityInput::Features(block),
                Rows::Table(table, _) => PropensityInput::Table(table),
            }),
        }
    }
}
