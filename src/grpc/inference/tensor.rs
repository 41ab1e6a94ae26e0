//! The values of an input, in either encoding.

use bytes::Bytes;
use tonic::Status;

use super::datatype::Datatype;
use crate::grpc::proto::inference::InferTensorContents;
use crate::grpc::proto::inference::model_infer_request::InferInputTensor;
use crate::grpc::status::invalid;
use crate::serving::Cells;

/// Bytes of a caller's name that an error repeats.
const SHOWN_NAME: usize = 64;
/// Bytes before each text of raw contents that tell its length.
const LENGTH: usize = 4;

/// Values of one type, as many as the shape says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// FP32.
    Singles(Vec<f32>),
    /// FP64 and whole numbers.
    Doubles(Vec<f64>),
    Flags(Vec<bool>),
    Texts(Vec<String>),
}

impl Values {
    /// The cells of a table's column.
    pub(super) fn into_cells(self) -> Cells {
        match self {
            Self::Singles(values) => Cells::Numbers(values.into_iter().map(f64::from).collect()),
            Self::Doubles(values) => Cells::Numbers(values),
            Self::Flags(values) => Cells::Flags(values.into_iter().map(Some).collect()),
            Self::Texts(values) => Cells::Texts(values),
        }
    }
}

/// An input whose values are as many as its shape says.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) place: Place,
    pub(super) datatype: Datatype,
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

/// Which input of the request.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) at: usize,
    pub(super) name: String,
}

impl Place {
    /// INVALID_ARGUMENT that names the input and the part of it that is wrong.
    pub(super) fn refuse(&self, part: &str, problem: impl std::fmt::Display) -> Status {
        let shown: String = self.name.chars().take(SHOWN_NAME).collect();
        let field = format!("inputs[{}].{part}", self.at);
        invalid("INVALID_FEATURE_BLOCK", field, format!("{shown}: {problem}"))
    }
}

impl Tensor {
    /// Reads an input; `raw` has its bytes where the request came with raw contents.
    pub(super) fn read(
        at: usize,
        wire: InferInputTensor,
        raw: Option<&Bytes>,
    ) -> Result<Self, Status> {
        let InferInputTensor { name, datatype, shape, parameters, contents } = wire;
        let place = Place { at, name };
        if parameters.contains_key("shared_memory_region") {
            let problem = "shared memory is not offered; send the values in the request";
            return Err(place.refuse("parameters", problem));
        }
        let known = Datatype::named(&datatype).ok_or_else(|| {
            let found: String = datatype.chars().take(SHOWN_NAME).collect();
            let problem = format!(
                "expected FP32, FP64, BOOL, BYTES or a whole number such as INT64, found {found:?}"
            );
            place.refuse("datatype", problem)
        })?;
        let (shape, count) = dimensions(&place, &shape)?;
        let values = match (raw, contents.filter(|contents| !is_empty(contents))) {
            (Some(_), Some(_)) => {
                let problem = "expected none beside raw_input_contents, found some";
                return Err(place.refuse("contents", problem));
            }
            (Some(raw), None) => raw_values(&place, known, raw, count)?,
            (None, contents) => typed_values(&place, known, contents.unwrap_or_default(), count)?,
        };
        Ok(Self { place, datatype: known, shape, values })
    }
}

/// The shape and how many values it has.
fn dimensions(place: &Place, shape: &[i64]) -> Result<(Vec<usize>, usize), Status> {
    let refuse = || {
        let problem = "expected one or two numbers from 0, such as [rows, columns]";
        place.refuse("shape", format!("{problem}, found {:?}", shape.get(..8).unwrap_or(shape)))
    };
    if !(1..=2).contains(&shape.len()) {
        return Err(refuse());
    }
    let sizes: Vec<usize> = shape
        .iter()
        .map(|size| usize::try_from(*size).map_err(|_| refuse()))
        .collect::<Result<_, _>>()?;
    let count = sizes.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    Ok((sizes, count.ok_or_else(refuse)?))
}

/// How many values each list has.
fn lengths(contents: &InferTensorContents) -> [usize; 8] {
    let InferTensorContents {
        bool_contents,
        int_contents,
        int64_contents,
        uint_contents,
        uint64_contents,
        fp32_contents,
        fp64_contents,
        bytes_contents,
    } = contents;
    [
        bool_contents.len(),
        int_contents.len(),
        int64_contents.len(),
        uint_contents.len(),
        uint64_contents.len(),
        fp32_contents.len(),
        fp64_contents.len(),
        bytes_contents.len(),
    ]
}

fn is_empty(contents: &InferTensorContents) -> bool {
    lengths(contents).iter().all(|length| *length == 0)
}

fn typed_values(
    place: &Place,
    datatype: Datatype,
    contents: InferTensorContents,
    count: usize,
) -> Result<Values, Status> {
    let total: usize = lengths(&contents).iter().sum();
    let (list, found, values) = match datatype {
        Datatype::Bool => {
            let list = contents.bool_contents;
            ("bool_contents", list.len(), Values::Flags(list))
        }
        Datatype::Int8 | Datatype::Int16 | Datatype::Int32 => {
            let list = contents.int_contents;
            ("int_contents", list.len(), doubles(list, f64::from))
        }
        Datatype::Int64 => {
            let list = contents.int64_contents;
            ("int64_contents", list.len(), doubles(list, |value| value as f64))
        }
        Datatype::Uint8 | Datatype::Uint16 | Datatype::Uint32 => {
            let list = contents.uint_contents;
            ("uint_contents", list.len(), doubles(list, f64::from))
        }
        Datatype::Uint64 => {
            let list = contents.uint64_contents;
            ("uint64_contents", list.len(), doubles(list, |value| value as f64))
        }
        Datatype::Fp32 => {
            let list = contents.fp32_contents;
            ("fp32_contents", list.len(), Values::Singles(list))
        }
        Datatype::Fp64 => {
            let list = contents.fp64_contents;
            ("fp64_contents", list.len(), Values::Doubles(list))
        }
        Datatype::Bytes => {
            let list = contents.bytes_contents;
            ("bytes_contents", list.len(), texts(place, list.into_iter())?)
        }
    };
    if found != count {
        let problem = format!("expected {count} values in {list}, found {found}");
        return Err(place.refuse("contents", problem));
    }
    if total != found {
        let problem = format!("expected values in {list} only, found {} in others", total - found);
        return Err(place.refuse("contents", problem));
    }
    Ok(values)
}

fn doubles<T>(values: Vec<T>, convert: impl Fn(T) -> f64) -> Values {
    Values::Doubles(values.into_iter().map(convert).collect())
}

fn texts(place: &Place, values: impl Iterator<Item = Bytes>) -> Result<Values, Status> {
    let text = |(row, bytes): (usize, Bytes)| {
        String::from_utf8(bytes.into())
            .map_err(|_| place.refuse("contents", format!("row {row}: expected UTF-8")))
    };
    Ok(Values::Texts(values.enumerate().map(text).collect::<Result<_, _>>()?))
}

fn raw_values(
    place: &Place,
    datatype: Datatype,
    raw: &Bytes,
    count: usize,
) -> Result<Values, Status> {
    let raw = Raw { place, bytes: raw, count };
    match datatype {
        Datatype::Bool => raw.flags(),
        Datatype::Int8 => raw.doubles(|bytes| f64::from(i8::from_le_bytes(bytes))),
        Datatype::Int16 => raw.doubles(|bytes| f64::from(i16::from_le_bytes(bytes))),
        Datatype::Int32 => raw.doubles(|bytes| f64::from(i32::from_le_bytes(bytes))),
        Datatype::Int64 => raw.doubles(|bytes| i64::from_le_bytes(bytes) as f64),
        Datatype::Uint8 => raw.doubles(|bytes| f64::from(u8::from_le_bytes(bytes))),
        Datatype::Uint16 => raw.doubles(|bytes| f64::from(u16::from_le_bytes(bytes))),
        Datatype::Uint32 => raw.doubles(|bytes| f64::from(u32::from_le_bytes(bytes))),
        Datatype::Uint64 => raw.doubles(|bytes| u64::from_le_bytes(bytes) as f64),
        Datatype::Fp32 => raw.numbers(f32::from_le_bytes).map(Values::Singles),
        Datatype::Fp64 => raw.doubles(f64::from_le_bytes),
        Datatype::Bytes => raw.texts(),
    }
}

/// The bytes of an input and how many values they must hold.
struct Raw<'a> {
    place: &'a Place,
    bytes: &'a Bytes,
    count: usize,
}

impl Raw<'_> {
    fn numbers<const SIZE: usize, T>(
        &self,
        convert: impl Fn([u8; SIZE]) -> T,
    ) -> Result<Vec<T>, Status> {
        let (values, rest) = self.bytes.as_chunks::<SIZE>();
        if values.len() == self.count && rest.is_empty() {
            return Ok(values.iter().map(|value| convert(*value)).collect());
        }
        let Self { count, bytes, .. } = self;
        Err(self.refuse(format!("expected {count} x {SIZE} bytes, found {} bytes", bytes.len())))
    }

    fn doubles<const SIZE: usize>(
        &self,
        convert: impl Fn([u8; SIZE]) -> f64,
    ) -> Result<Values, Status> {
        self.numbers(convert).map(Values::Doubles)
    }

    fn flags(&self) -> Result<Values, Status> {
        let bytes = self.numbers(u8::from_le_bytes)?;
        if let Some(row) = bytes.iter().position(|byte| *byte > 1) {
            return Err(self.refuse(format!("row {row}: expected a byte of 0 or 1")));
        }
        Ok(Values::Flags(bytes.into_iter().map(|byte| byte == 1).collect()))
    }

    fn texts(&self) -> Result<Values, Status> {
        let mut rest = self.bytes.clone();
        let mut values = Vec::new();
        while !rest.is_empty() && values.len() <= self.count {
            let cut = || self.refuse(format!("text {}: cut off", values.len()));
            let length = rest.first_chunk::<LENGTH>().ok_or_else(cut)?;
            let end = (u32::from_le_bytes(*length) as usize).saturating_add(LENGTH);
            if rest.len() < end {
                return Err(cut());
            }
            values.push(rest.split_to(end).slice(LENGTH..));
        }
        if values.len() != self.count {
            let (count, found) = (self.count, values.len());
            let more = if rest.is_empty() { "" } else { " or more" };
            return Err(self.refuse(format!("expected {count} texts, found {found}{more}")));
        }
        texts(self.place, values.into_iter())
    }

    fn refuse(&self, problem: String) -> Status {
        self.place.refuse("raw_input_contents", problem)
    }
}
