//! Requests and answers of the protocol, put together and taken apart.

use bytes::Bytes;
use patron::grpc::proto::FeatureBlock;
use patron::grpc::proto::feature_block::Values;
use patron::grpc::proto::inference::model_infer_request::InferInputTensor;
use patron::grpc::proto::inference::{InferTensorContents, ModelInferRequest, ModelInferResponse};
use patron::grpc::proto::{BatchGetFeaturesRequest, FeatureEncoding};

use crate::app::Clients;

/// The vectors of customers, as the server gives them: column names, rows, values.
pub(crate) struct Vectors {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: usize,
    pub(crate) values: Vec<f32>,
}

impl Vectors {
    pub(crate) async fn of(app: &Clients, model: &str, ids: &[&str]) -> Self {
        let request = BatchGetFeaturesRequest {
            customer_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            model: model.to_owned(),
            encoding: FeatureEncoding::Floats as i32,
            ..Default::default()
        };
        let answer = app.features().batch_get_features(request).await.unwrap().into_inner();
        let FeatureBlock { columns, row_count, values, .. } = answer.features.unwrap();
        let Some(Values::Floats(floats)) = values else { panic!("floats were asked for") };
        Self { columns, rows: row_count as usize, values: floats.values }
    }

    pub(crate) fn block(&self) -> FeatureBlock {
        let values = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        FeatureBlock {
            row_count: self.rows as u32,
            values: Some(Values::F32Le(values)),
            ..Default::default()
        }
    }

    fn matrix(&self, datatype: &str) -> InferInputTensor {
        tensor("features", datatype, &[self.rows, self.columns.len()])
    }

    pub(crate) fn raw_singles(&self, model: &str) -> ModelInferRequest {
        let raw = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        raw_request(model, vec![(self.matrix("FP32"), raw)])
    }

    pub(crate) fn raw_doubles(&self, model: &str) -> ModelInferRequest {
        let doubles = self.values.iter().map(|value| f64::from(*value));
        let raw = doubles.flat_map(f64::to_le_bytes).collect();
        raw_request(model, vec![(self.matrix("FP64"), raw)])
    }

    pub(crate) fn typed_singles(&self, model: &str) -> ModelInferRequest {
        request(model, vec![self.matrix("FP32").with(singles(self.values.clone()))])
    }

    pub(crate) fn typed_doubles(&self, model: &str) -> ModelInferRequest {
        let values = self.values.iter().map(|value| f64::from(*value)).collect();
        let contents = InferTensorContents { fp64_contents: values, ..Default::default() };
        request(model, vec![self.matrix("FP64").with(contents)])
    }

    /// One input per column, the last column first.
    pub(crate) fn by_column(&self, model: &str) -> ModelInferRequest {
        let column = |(at, name): (usize, &String)| {
            let values = self.values.iter().skip(at).step_by(self.columns.len());
            tensor(name, "FP32", &[self.rows, 1]).with(singles(values.copied().collect()))
        };
        request(model, self.columns.iter().enumerate().rev().map(column).collect())
    }
}

pub(crate) trait With {
    fn with(self, contents: InferTensorContents) -> Self;
}

impl With for InferInputTensor {
    fn with(self, contents: InferTensorContents) -> Self {
        Self { contents: Some(contents), ..self }
    }
}

pub(crate) fn tensor(name: &str, datatype: &str, shape: &[usize]) -> InferInputTensor {
    InferInputTensor {
        name: name.to_owned(),
        datatype: datatype.to_owned(),
        shape: shape.iter().map(|size| *size as i64).collect(),
        ..Default::default()
    }
}

pub(crate) fn singles(values: Vec<f32>) -> InferTensorContents {
    InferTensorContents { fp32_contents: values, ..Default::default() }
}

pub(crate) fn texts(values: &[&str]) -> InferTensorContents {
    let values = values.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect();
    InferTensorContents { bytes_contents: values, ..Default::default() }
}

pub(crate) fn request(model: &str, inputs: Vec<InferInputTensor>) -> ModelInferRequest {
    ModelInferRequest { model_name: model.to_owned(), inputs, ..Default::default() }
}

pub(crate) fn raw_request(
    model: &str,
    inputs: Vec<(InferInputTensor, Vec<u8>)>,
) -> ModelInferRequest {
    let (inputs, raw): (Vec<_>, Vec<_>) = inputs.into_iter().unzip();
    ModelInferRequest {
        raw_input_contents: raw.into_iter().map(Bytes::from).collect(),
        ..request(model, inputs)
    }
}

/// The values of an output.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    Singles(Vec<f32>),
    Doubles(Vec<f64>),
    Integers(Vec<i64>),
    Texts(Vec<String>),
}

impl Found {
    /// Numbers of either precision in single precision.
    pub(crate) fn singles(self) -> Vec<f32> {
        match self {
            Self::Singles(values) => values,
            Self::Doubles(values) => values.into_iter().map(|value| value as f32).collect(),
            other => panic!("{other:?}"),
        }
    }
}

/// The output of this name, from either encoding; its shape must hold.
pub(crate) fn output(response: &ModelInferResponse, name: &str) -> Found {
    let at = response.outputs.iter().position(|output| output.name == name).unwrap();
    let output = &response.outputs[at];
    let count = output.shape.iter().product::<i64>() as usize;
    let found = match response.raw_output_contents.get(at) {
        Some(raw) => {
            assert_eq!(response.outputs.len(), response.raw_output_contents.len());
            assert_eq!(output.contents, None);
            from_raw(&output.datatype, raw)
        }
        None => from_typed(&output.datatype, output.contents.clone().unwrap()),
    };
    let length = match &found {
        Found::Singles(values) => values.len(),
        Found::Doubles(values) => values.len(),
        Found::Integers(values) => values.len(),
        Found::Texts(values) => values.len(),
    };
    assert_eq!(length, count, "{name}");
    found
}

fn from_raw(datatype: &str, raw: &Bytes) -> Found {
    match datatype {
        "FP32" => Found::Singles(numbers(raw, f32::from_le_bytes)),
        "FP64" => Found::Doubles(numbers(raw, f64::from_le_bytes)),
        "INT64" => Found::Integers(numbers(raw, i64::from_le_bytes)),
        "BYTES" => {
            let (mut rest, mut values) = (raw.clone(), Vec::new());
            while !rest.is_empty() {
                let length = u32::from_le_bytes(*rest.split_to(4).first_chunk().unwrap());
                values.push(text(rest.split_to(length as usize)));
            }
            Found::Texts(values)
        }
        other => panic!("{other}"),
    }
}

fn from_typed(datatype: &str, contents: InferTensorContents) -> Found {
    match datatype {
        "FP32" => Found::Singles(contents.fp32_contents),
        "FP64" => Found::Doubles(contents.fp64_contents),
        "INT64" => Found::Integers(contents.int64_contents),
        "BYTES" => Found::Texts(contents.bytes_contents.into_iter().map(text).collect()),
        other => panic!("{other}"),
    }
}

fn numbers<const SIZE: usize, T>(raw: &Bytes, convert: fn([u8; SIZE]) -> T) -> Vec<T> {
    let (values, rest) = raw.as_chunks::<SIZE>();
    assert!(rest.is_empty());
    values.iter().map(|value| convert(*value)).collect()
}

fn text(bytes: Bytes) -> String {
    String::from_utf8(bytes.into()).unwrap()
}
