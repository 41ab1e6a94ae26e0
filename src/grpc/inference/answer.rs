//! From answers to output tensors.

use bytes::{BufMut, Bytes, BytesMut};
use tonic::Status;

use super::datatype::Datatype;
use super::question::{Encoding, Head};
use crate::grpc::proto::inference::model_infer_response::InferOutputTensor;
use crate::grpc::proto::inference::{InferTensorContents, ModelInferResponse};
use crate::grpc::status::invalid_field;
use crate::model::{FittedModel, Probability, RfmAssignment, RfmBand, SegmentAssignment};
use crate::repository::Manifest;
use crate::serving::{Row, VectorAnswers};

/// One output over all rows.
#[derive(Clone, Debug)]
pub(super) struct Output {
    pub(super) name: &'static str,
    /// Values per row; `None` for one, which is not a dimension of its own.
    pub(super) width: Option<usize>,
    pub(super) values: Values,
}

/// Values of an output, row after row.
#[derive(Clone, Debug)]
pub(super) enum Values {
    Numbers(Vec<f64>),
    Integers(Vec<i64>),
    Texts(Vec<String>),
}

impl Output {
    /// Its datatype for numbers of single or double precision.
    pub(super) fn datatype(&self, double: bool) -> Datatype {
        match &self.values {
            Values::Numbers(_) if double => Datatype::Fp64,
            Values::Numbers(_) => Datatype::Fp32,
            Values::Integers(_) => Datatype::Int64,
            Values::Texts(_) => Datatype::Bytes,
        }
    }

    /// Its shape for a number of rows.
    pub(super) fn shape(&self, rows: i64) -> Vec<i64> {
        std::iter::once(rows).chain(self.width.map(|width| width as i64)).collect()
    }
}

/// All outputs of a model, in their order. Those of no rows tell what a model gives.
pub(super) fn outputs(model: &FittedModel, answers: &VectorAnswers) -> Vec<Output> {
    match answers {
        VectorAnswers::Probabilities(rows) => probabilities(rows),
        VectorAnswers::Segments(rows) => segments(model, rows),
        VectorAnswers::Rfm(rows) => rfm(rows),
    }
}

fn probabilities(rows: &[Row<Probability>]) -> Vec<Output> {
    let number = |name, read: fn(&Probability) -> f64| {
        column(name, Values::Numbers(rows.iter().map(|row| read(&row.answer)).collect()))
    };
    vec![
        number("probability", |answer| answer.probability),
        number("percentile", |answer| answer.percentile),
    ]
}

fn segments(model: &FittedModel, rows: &[Row<SegmentAssignment>]) -> Vec<Output> {
    let catalogue = match model {
        FittedModel::Segments(model) => model.segments(),
        _ => &[],
    };
    let name = |row: &Row<SegmentAssignment>| {
        let segment = catalogue.get(row.answer.segment as usize);
        segment.map(|segment| segment.name.clone()).unwrap_or_default()
    };
    let answers = || rows.iter().map(|row| &row.answer);
    let number = |name, read: fn(&SegmentAssignment) -> f64| {
        column(name, Values::Numbers(answers().map(read).collect()))
    };
    let all = answers().flat_map(|answer| answer.distances.iter().copied());
    vec![
        column("segment", Values::Integers(answers().map(|it| i64::from(it.segment)).collect())),
        column("name", Values::Texts(rows.iter().map(name).collect())),
        number("distance", |answer| answer.distance),
        number("confidence", |answer| answer.confidence),
        Output {
            name: "distances",
            width: Some(catalogue.len()),
            values: Values::Numbers(all.collect()),
        },
    ]
}

fn rfm(rows: &[Row<Option<RfmAssignment>>]) -> Vec<Output> {
    let answers = || rows.iter().map(|row| row.answer.as_ref());
    let score = |name, band: fn(&RfmAssignment) -> &RfmBand| {
        let score = |answer| i64::from(band(answer).score);
        let scores = answers().map(|answer| answer.map_or(0, score));
        column(name, Values::Integers(scores.collect()))
    };
    let text = |name, text: fn(&RfmAssignment) -> String| {
        let texts = answers().map(|answer| answer.map(text).unwrap_or_default());
        column(name, Values::Texts(texts.collect()))
    };
    vec![
        score("recency_score", |answer| &answer.recency),
        score("frequency_score", |answer| &answer.frequency),
        score("monetary_score", |answer| &answer.monetary),
        text("cell", |answer| answer.cell.clone()),
        text("segment", |answer| answer.segment.to_string()),
    ]
}

fn column(name: &'static str, values: Values) -> Output {
    Output { name, width: None, values }
}

/// The outputs that are wanted, in the order in which they were asked for.
pub(super) fn choose(all: Vec<Output>, wanted: &[String]) -> Result<Vec<Output>, Status> {
    if wanted.is_empty() {
        return Ok(all);
    }
    let find = |(at, name): (usize, &String)| {
        all.iter().find(|output| output.name == name).cloned().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|output| output.name).collect();
            let problem = format!("expected one of {}, found another", names.join(", "));
            invalid_field(format!("outputs[{at}].name"), problem)
        })
    };
    wanted.iter().enumerate().map(find).collect()
}

/// The message of a model's outputs.
pub(super) fn response(
    head: &Head,
    manifest: &Manifest,
    rows: usize,
    encoding: Encoding,
    outputs: Vec<Output>,
) -> ModelInferResponse {
    let mut response = ModelInferResponse {
        model_name: manifest.model.to_string(),
        model_version: manifest.version.to_string(),
        id: head.id.clone(),
        ..ModelInferResponse::default()
    };
    for output in outputs {
        let mut tensor = InferOutputTensor {
            name: output.name.to_owned(),
            datatype: output.datatype(encoding.double).as_str().to_owned(),
            shape: output.shape(rows as i64),
            ..InferOutputTensor::default()
        };
        if encoding.raw {
            response.raw_output_contents.push(raw(output.values, encoding.double));
        } else {
            tensor.contents = Some(typed(output.values, encoding.double));
        }
        response.outputs.push(tensor);
    }
    response
}

fn typed(values: Values, double: bool) -> InferTensorContents {
    let none = InferTensorContents::default();
    match values {
        Values::Numbers(values) if double => InferTensorContents { fp64_contents: values, ..none },
        Values::Numbers(values) => {
            let values = values.into_iter().map(|value| value as f32).collect();
            InferTensorContents { fp32_contents: values, ..none }
        }
        Values::Integers(values) => InferTensorContents { int64_contents: values, ..none },
        Values::Texts(values) => {
            let values = values.into_iter().map(Bytes::from).collect();
            InferTensorContents { bytes_contents: values, ..none }
        }
    }
}

fn raw(values: Values, double: bool) -> Bytes {
    let mut bytes = BytesMut::new();
    match values {
        Values::Numbers(values) if double => {
            values.into_iter().for_each(|value| bytes.put_f64_le(value));
        }
        Values::Numbers(values) => {
            values.into_iter().for_each(|value| bytes.put_f32_le(value as f32));
        }
        Values::Integers(values) => values.into_iter().for_each(|value| bytes.put_i64_le(value)),
        Values::Texts(values) => {
            for value in values {
                bytes.put_u32_le(value.len() as u32);
                bytes.put_slice(value.as_bytes());
            }
        }
    }
    bytes.freeze()
}
