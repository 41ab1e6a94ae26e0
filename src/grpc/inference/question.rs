//! From a request to rows, before the model is known.

use std::collections::HashMap;

use tonic::Status;

use super::datatype::Datatype;
use super::tensor::{Tensor, Values};
use crate::grpc::convert::check_rows;
use crate::grpc::proto::inference::model_infer_request::{
    InferInputTensor, InferRequestedOutputTensor,
};
use crate::grpc::proto::inference::{InferParameter, ModelInferRequest};
use crate::grpc::status::{invalid, invalid_field};
use crate::serving::{CallerRows, FeatureRows, TableColumn, TableRows};

/// The input that holds whole rows.
pub(super) const FEATURES: &str = "features";

/// Which model, and the request's id.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) model: String,
    pub(super) version: String,
    pub(super) id: String,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Encoding {
    /// As raw bytes instead of typed contents.
    pub(super) raw: bool,
    /// Numbers in FP64 instead of FP32.
    pub(super) double: bool,
}

/// Rows that hold together, and what is wanted of their answers.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) rows: CallerRows,
    pub(super) encoding: Encoding,
    /// Names of the wanted outputs; none means all.
    pub(super) outputs: Vec<String>,
}

impl Question {
    /// Number of rows: what the call will cost.
    pub(super) fn row_count(&self) -> usize {
        match &self.rows {
            CallerRows::Features(block) => block.rows,
            CallerRows::Table(table) => table.rows,
        }
    }
}

/// Takes a request apart; what is wrong with its tensors shows only when the model was found.
pub(super) fn question(request: ModelInferRequest) -> (Head, Result<Question, Status>) {
    let ModelInferRequest {
        model_name,
        model_version,
        id,
        parameters: _,
        inputs,
        outputs,
        raw_input_contents,
    } = request;
    let head = Head { model: model_name, version: model_version, id };
    let question = || {
        let outputs = wanted(outputs)?;
        let raw = !raw_input_contents.is_empty();
        let tensors = tensors(inputs, raw.then_some(&raw_input_contents))?;
        let double = tensors.iter().any(|tensor| tensor.datatype == Datatype::Fp64);
        let encoding = Encoding { raw, double };
        Ok(Question { rows: rows(tensors)?, encoding, outputs })
    };
    (head, question())
}

fn tensors(
    inputs: Vec<InferInputTensor>,
    raw: Option<&Vec<bytes::Bytes>>,
) -> Result<Vec<Tensor>, Status> {
    if let Some(raw) = raw.filter(|raw| raw.len() != inputs.len()) {
        let problem =
            format!("expected one per input, that is {}, found {}", inputs.len(), raw.len());
        return Err(invalid("INVALID_FEATURE_BLOCK", "raw_input_contents", problem));
    }
    let read = |(at, input)| Tensor::read(at, input, raw.and_then(|raw| raw.get(at)));
    inputs.into_iter().enumerate().map(read).collect()
}

fn rows(mut tensors: Vec<Tensor>) -> Result<CallerRows, Status> {
    if tensors.len() == 1
        && let Some(tensor) = tensors.pop_if(|tensor| tensor.place.name == FEATURES)
    {
        return matrix(tensor).map(CallerRows::Features);
    }
    table(tensors).map(CallerRows::Table)
}

fn matrix(tensor: Tensor) -> Result<FeatureRows, Status> {
    let Tensor { place, datatype, shape, values } = tensor;
    let &[rows, _] = shape.as_slice() else {
        return Err(place.refuse("shape", format!("expected [rows, columns], found {shape:?}")));
    };
    check_rows(&format!("inputs[{}].shape", place.at), rows)?;
    let values = match (datatype, values) {
        (Datatype::Fp32, Values::Singles(values)) => values,
        (Datatype::Fp64, Values::Doubles(values)) => {
            values.into_iter().map(|value| value as f32).collect()
        }
        (found, _) => {
            let problem = format!("expected FP32 or FP64, found {}", found.as_str());
            return Err(place.refuse("datatype", problem));
        }
    };
    Ok(FeatureRows { columns: Vec::new(), rows, values, schema_digest: None })
}

fn table(tensors: Vec<Tensor>) -> Result<TableRows, Status> {
    let Some(first) = tensors.first() else {
        let problem = "expected features, or one input per column of the model, found none";
        return Err(invalid_field("inputs", problem));
    };
    let rows = first.shape.first().copied().unwrap_or_default();
    check_rows("inputs[0].shape", rows)?;
    let column = |tensor: Tensor| {
        let Tensor { place, shape, values, .. } = tensor;
        if shape != [rows] && shape != [rows, 1] {
            let problem = format!("expected [{rows}] or [{rows}, 1], found {shape:?}");
            return Err(place.refuse("shape", problem));
        }
        Ok(TableColumn { name: place.name, cells: values.into_cells() })
    };
    let columns = tensors.into_iter().map(column).collect::<Result<_, _>>()?;
    Ok(TableRows { columns, rows })
}

fn wanted(outputs: Vec<InferRequestedOutputTensor>) -> Result<Vec<String>, Status> {
    let name = |(at, output)| {
        let InferRequestedOutputTensor { name, parameters } = output;
        refuse_extensions(at, &parameters)?;
        Ok(name)
    };
    outputs.into_iter().enumerate().map(name).collect()
}

/// Parameters that ask for another form of the answer than there will be.
fn refuse_extensions(
    at: usize,
    parameters: &HashMap<String, InferParameter>,
) -> Result<(), Status> {
    for extension in ["shared_memory_region", "classification"] {
        if parameters.contains_key(extension) {
            let problem = format!("{extension} is not offered; leave it out");
            return Err(invalid_field(format!("outputs[{at}].parameters"), problem));
        }
    }
    Ok(())
}
