//! `patron features`: what models see.

mod export;
mod vectors;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tonic::Status;

use crate::grpc::proto::{
    BatchGetFeaturesRequest, FeatureEncoding, ListFeaturesRequest, ListFeaturesResponse,
    ModelSelector,
};

use super::Remote;
use super::arguments::{ModelReference, customers, time};
use super::client::{Services, Session};
use super::exit::Failure;
use super::output::Report;
use super::table::Table;
use super::values::{single, wire_time};
use crate::readable::figure;

use self::vectors::Vectors;

/// Arguments of `patron features`.
#[derive(Args, Clone, Debug)]
pub(super) struct FeaturesArgs {
    #[command(subcommand)]
    action: FeaturesAction,
}

#[derive(Clone, Debug, Subcommand)]
enum FeaturesAction {
    /// List the features with their meaning
    List(Remote<ListArgs>),
    /// Compute the features of customers, as a prediction would
    Get(Remote<GetArgs>),
    /// Compute the features of all customers at past dates, and write them to a Parquet file
    #[command(
        after_help = "Example:\n  patron features export --as-of 2011-06-01 2011-09-01 --output features.parquet"
    )]
    Export(Box<export::ExportArgs>),
}

#[derive(Args, Clone, Debug)]
struct ListArgs {
    /// A model, as NAME, NAME@ALIAS or NAME/VERSION: the features that it was trained with
    /// [default: all that the server computes]
    #[arg(long)]
    model: Option<String>,
}

#[derive(Args, Clone, Debug)]
struct GetArgs {
    /// Keys of customers
    #[arg(long, value_name = "ID", num_args = 1.., required = true)]
    customer: Vec<String>,
    /// A model, as NAME, NAME@ALIAS or NAME/VERSION: the features that it was trained with
    /// [default: all that the server computes]
    #[arg(long)]
    model: Option<String>,
    /// See only what was known before this time or date [default: the server's present]
    #[arg(long, value_name = "TIME")]
    as_of: Option<String>,
}

/// Works with features.
pub(super) async fn run(args: FeaturesArgs) -> Result<(), Failure> {
    match args.action {
        FeaturesAction::List(remote) => remote.run(show_list).await,
        FeaturesAction::Get(remote) => remote.run(get).await,
        FeaturesAction::Export(args) => export::run(*args).await,
    }
}

async fn show_list(args: ListArgs, session: &mut Session) -> Result<(), Failure> {
    let (model, selector) = reference(args.model)?;
    let request = ListFeaturesRequest { model, selector, ..Default::default() };
    let features = list(&session.connect().await?, request).await?;
    session.output.report(&features)?;
    Ok(())
}

async fn get(args: GetArgs, session: &mut Session) -> Result<(), Failure> {
    let (model, selector) = reference(args.model)?;
    let request = BatchGetFeaturesRequest {
        customer_ids: customers(args.customer)?,
        as_of: time("--as-of", args.as_of.as_deref())?.map(wire_time),
        model,
        selector,
        encoding: FeatureEncoding::Floats.into(),
    };
    let names = request.customer_ids.clone();
    let services = session.connect().await?;
    let response = services.features().batch_get_features(request).await?.into_inner();
    session.output.report(&Vectors { names, response })?;
    Ok(())
}

fn reference(model: Option<String>) -> Result<(String, Option<ModelSelector>), Failure> {
    let Some(text) = model else { return Ok((String::new(), None)) };
    let model = ModelReference::parse(&text)?;
    let selector = model.selector();
    Ok((model.name, selector))
}

/// All features, page by page.
async fn list(
    services: &Services,
    mut request: ListFeaturesRequest,
) -> Result<ListFeaturesResponse, Status> {
    let mut all = ListFeaturesResponse::default();
    loop {
        let page = services.features().list_features(request.clone()).await?.into_inner();
        all.features.extend(page.features);
        all.schema_digest = page.schema_digest;
        all.feature_count = page.feature_count;
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

impl Report for ListFeaturesResponse {
    fn json(&self) -> Value {
        let features = self.features.iter().map(|feature| {
            json!({
                "name": feature.name,
                "unit": feature.unit,
                "window": feature.window,
                "meaning": feature.meaning,
                "no_history_value": feature.no_history_value.map(single),
            })
        });
        json!({
            "schema_digest": self.schema_digest,
            "feature_count": self.feature_count,
            "features": features.collect::<Vec<_>>(),
        })
    }

    fn text(&self) -> String {
        let mut table = Table::new(["feature", "unit", "window", ">unknown customer", "meaning"]);
        for feature in &self.features {
            let unknown = feature.no_history_value.map(|value| figure(value.into()));
            table.row([
                feature.name.clone(),
                feature.unit.clone(),
                feature.window.clone(),
                unknown.unwrap_or_else(|| "-".to_owned()),
                feature.meaning.clone(),
            ]);
        }
        format!("{table}\nschema {}", self.schema_digest)
    }
}
