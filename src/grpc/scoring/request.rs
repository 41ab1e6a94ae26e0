//! What a scoring job was asked to do, from the wire and back.

use std::collections::HashSet;

use tonic::Status;

use crate::app::App;
use crate::grpc::convert::{required_model, required_path, selector, time, wire_time};
use crate::grpc::proto::{self, model_selector};
use crate::grpc::status::{from_path, from_serving, invalid, invalid_field};
use crate::model::ModelKind;
use crate::repository::ModelReference;
use crate::scoring::{MOST_REASONS, Population, ScoreFormat, ScoringRequest, TableSource};
use crate::serving::Selector;

/// Most models of one job.
const MOST_MODELS: usize = 32;

/// The payload of a job, checked. The output's name is checked by the caller.
pub(super) fn payload(
    app: &App,
    request: proto::CreateScoringJobRequest,
) -> Result<ScoringRequest, Status> {
    let proto::CreateScoringJobRequest {
        models,
        output_uri,
        format,
        as_of,
        active_within_days,
        request_id: _,
        validate_only: _,
        population,
        explain,
        table,
    } = request;
    if models.is_empty() || models.len() > MOST_MODELS {
        let problem = format!("expected 1 to {MOST_MODELS}, found {}", models.len());
        return Err(invalid_field("models", problem));
    }
    let takes_table = table.is_some();
    let models = models.into_iter().enumerate();
    let models = models.map(|(row, wanted)| check_model(app, row, wanted, takes_table));
    let models = models.collect::<Result<Vec<_>, _>>()?;
    check_distinct(&models)?;
    let population = check_population(population, active_within_days)?;
    let path = required_path("output_uri", &output_uri)?;
    let output = app.allowed_path(path).map_err(|error| from_path(&error))?;
    let as_of = app.predictor().as_of(as_of.as_ref().map(time));
    Ok(ScoringRequest {
        models,
        output,
        format: check_format(format)?,
        as_of: as_of.map_err(|error| from_serving(&error))?,
        active_within_days,
        population,
        explain: check_explain(explain)?,
        table: table.map(|table| check_table(app, table)).transpose()?,
    })
}

fn check_format(format: i32) -> Result<ScoreFormat, Status> {
    match proto::ScoringFormat::try_from(format) {
        Ok(proto::ScoringFormat::Csv) => Ok(ScoreFormat::Csv),
        Ok(_) => Ok(ScoreFormat::Parquet),
        Err(_) => Err(invalid_field("format", format!("expected a known format, found {format}"))),
    }
}

fn check_population(wire: i32, active_within_days: Option<u32>) -> Result<Population, Status> {
    if active_within_days == Some(0) {
        return Err(invalid_field("active_within_days", "expected 1 or more, found 0"));
    }
    let population = match proto::ScoringPopulation::try_from(wire) {
        Ok(proto::ScoringPopulation::Unspecified | proto::ScoringPopulation::All) => {
            Population::All
        }
        Ok(proto::ScoringPopulation::Active) => Population::Active,
        Ok(proto::ScoringPopulation::Known) => Population::Known,
        Err(_) => {
            let problem = format!("expected a known population, found {wire}");
            return Err(invalid_field("population", problem));
        }
    };
    if population != Population::All && active_within_days.is_some() {
        let problem = format!("expected none beside active_within_days, found {population}");
        return Err(invalid_field("population", problem));
    }
    Ok(population)
}

fn check_explain(explain: u32) -> Result<usize, Status> {
    let explain = explain as usize;
    if explain <= MOST_REASONS {
        return Ok(explain);
    }
    Err(invalid_field("explain", format!("expected 0 to {MOST_REASONS}, found {explain}")))
}

fn check_table(app: &App, table: proto::ScoringTable) -> Result<TableSource, Status> {
    let proto::ScoringTable { uri, key_column } = table;
    let path = required_path("table.uri", &uri)?;
    let path = app.allowed_path(path).map_err(|error| from_path(&error))?;
    if !path.is_file() {
        let problem = format!("expected a file that the server can read, found {uri:?}");
        return Err(invalid_field("table.uri", problem));
    }
    if key_column.is_empty() {
        return Err(invalid_field("table.key_column", "expected the name of a column, found none"));
    }
    Ok(TableSource { path, key: key_column })
}

/// A model twice would give two columns of one name.
fn check_distinct(models: &[ModelReference]) -> Result<(), Status> {
    let mut seen = HashSet::new();
    match models.iter().position(|wanted| !seen.insert(&wanted.model)) {
        None => Ok(()),
        Some(row) => {
            let problem = "expected each model at most once, found one twice";
            Err(invalid_field(format!("models[{row}]"), problem))
        }
    }
}

fn check_model(
    app: &App,
    row: usize,
    wanted: proto::ScoringModel,
    takes_table: bool,
) -> Result<ModelReference, Status> {
    let proto::ScoringModel { model, selector: wire_selector } = wanted;
    let model = required_model(&model)?;
    let selector = selector(wire_selector)?;
    let served = app.catalog().resolve(&model, &selector).map_err(|error| from_serving(&error))?;
    let wrong = |problem| Err(invalid("WRONG_MODEL_KIND", format!("models[{row}]"), problem));
    if served.manifest().kind == ModelKind::Forecast {
        return wrong(format!(
            "{model} is a forecast, which is about series and not about customers; ask it with Forecast"
        ));
    }
    if served.manifest().feature_schema.is_none() && !takes_table {
        return wrong(format!(
            "{model} was trained on a table and knows no customers; give the rows as table"
        ));
    }
    Ok(match selector {
        Selector::Version(version) => ModelReference { model, version: Some(version), alias: None },
        Selector::Alias(alias) => ModelReference { model, version: None, alias: Some(alias) },
    })
}

/// A job with what it was asked to do, on top of `job`.
pub(super) fn asked(request: ScoringRequest, job: proto::ScoringJob) -> proto::ScoringJob {
    let ScoringRequest {
        models,
        output,
        format,
        as_of,
        active_within_days,
        population,
        explain,
        table,
    } = request;
    let model = |wanted: ModelReference| {
        let choice = match (wanted.version, wanted.alias) {
            (Some(version), _) => Some(model_selector::Choice::Version(version as i64)),
            (None, alias) => alias.map(|alias| model_selector::Choice::Alias(alias.into())),
        };
        let selector = Some(proto::ModelSelector { choice });
        proto::ScoringModel { model: wanted.model.into(), selector }
    };
    let population = match population {
        Population::All => proto::ScoringPopulation::All,
        Population::Active => proto::ScoringPopulation::Active,
        Population::Known => proto::ScoringPopulation::Known,
    };
    proto::ScoringJob {
        models: models.into_iter().map(model).collect(),
        output_uri: output.to_string_lossy().into_owned(),
        format: match format {
            ScoreFormat::Parquet => proto::ScoringFormat::Parquet,
            ScoreFormat::Csv => proto::ScoringFormat::Csv,
        } as i32,
        as_of: Some(wire_time(as_of)),
        active_within_days,
        population: population as i32,
        explain: explain as u32,
        table: table.map(|table| proto::ScoringTable {
            uri: table.path.to_string_lossy().into_owned(),
            key_column: table.key,
        }),
        ..job
    }
}
