//! What a version takes and gives.

use tonic::Status;

use super::answer::{Output, outputs};
use super::datatype::Datatype;
use super::question::FEATURES;
use super::resolve;
use crate::app::App;
use crate::dataset::{ColumnKind, InputColumn};
use crate::grpc::proto::inference::model_metadata_response::TensorMetadata;
use crate::grpc::proto::inference::{ModelMetadataRequest, ModelMetadataResponse};
use crate::grpc::status::{from_repository, from_serving};
use crate::serving::VectorAnswers;

/// Stands for the number of rows in a shape.
const ANY_ROWS: i64 = -1;

/// The tensors of a version.
pub(super) fn of_model(
    app: &App,
    request: ModelMetadataRequest,
) -> Result<ModelMetadataResponse, Status> {
    let ModelMetadataRequest { name, version } = request;
    let served = resolve(app, ("name", &name), ("version", &version))?;
    let model = &served.manifest().model;
    let versions = app.catalog().repository().versions(model);
    let versions = versions.map_err(|error| from_repository(&error))?;
    let columns = served.input_columns().map_err(|error| from_serving(&error))?;
    let given = VectorAnswers::none_of(served.model())
        .map(|none| outputs(served.model(), &none))
        .unwrap_or_default();
    Ok(ModelMetadataResponse {
        name,
        versions: versions.iter().map(u64::to_string).collect(),
        platform: env!("CARGO_PKG_NAME").to_owned(),
        inputs: inputs(&columns),
        outputs: given.iter().map(output).collect(),
    })
}

fn inputs(columns: &[InputColumn]) -> Vec<TensorMetadata> {
    let is_number = |column: &InputColumn| column.column_type.kind() == ColumnKind::Numeric;
    if columns.is_empty() {
        return Vec::new();
    }
    if columns.iter().all(is_number) {
        let shape = vec![ANY_ROWS, columns.len() as i64];
        return vec![tensor(FEATURES, Datatype::Fp32, shape)];
    }
    let input = |column: &InputColumn| {
        let datatype = match column.column_type.kind() {
            ColumnKind::Numeric => Datatype::Fp32,
            ColumnKind::Boolean => Datatype::Bool,
            ColumnKind::Categorical => Datatype::Bytes,
        };
        tensor(&column.name, datatype, vec![ANY_ROWS])
    };
    columns.iter().map(input).collect()
}

fn output(output: &Output) -> TensorMetadata {
    tensor(output.name, output.datatype(false), output.shape(ANY_ROWS))
}

fn tensor(name: &str, datatype: Datatype, shape: Vec<i64>) -> TensorMetadata {
    TensorMetadata { name: name.to_owned(), datatype: datatype.as_str().to_owned(), shape }
}
