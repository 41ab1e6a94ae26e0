use std::fs;
use std::path::Path;

use bytes::Bytes;
use clap::ValueEnum;
use patron::grpc::proto::feature_block::Values;
use patron::grpc::proto::predict_churn_request::Input;
use patron::grpc::proto::stream_predict_churn_response::Outcome;
use patron::grpc::proto::{
    CustomerIds, FeatureBlock, FloatValues, ForecastRequest, ForecastResponse, PredictChurnRequest,
    PredictChurnResponse, RowError, SeriesKey, StreamPredictChurnRequest,
    StreamPredictChurnResponse,
};
use prost::Message;
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{Args, Failure};

/// Different messages of a case that are sent in turn.
const POOL: usize = 64;

/// What is asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Case {
    /// PredictChurn of one vector, raw bytes
    Row1,
    /// PredictChurn of one vector, packed floats
    Floats1,
    /// PredictChurn of 1,000 vectors, raw bytes
    Rows1000,
    /// PredictChurn of 1,000 vectors, packed floats
    Floats1000,
    /// PredictChurn of one customer of the store
    Id1,
    /// PredictChurn of 100 customers of the store
    Ids100,
    /// Forecast of the total, 14 periods
    Forecast,
    /// StreamPredictChurn, items of one vector
    Stream1,
    /// StreamPredictChurn, items of 1,000 vectors
    Stream1000,
    /// The request of --message, to any server
    Message,
}

/// The encoded requests of a case.
#[derive(Debug)]
pub(crate) struct Messages {
    case: Case,
    path: String,
    bodies: Vec<Bytes>,
    rows: u64,
}

impl Case {
    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Rows of a request.
    fn rows(self) -> usize {
        match self {
            Self::Rows1000 | Self::Floats1000 | Self::Stream1000 => 1_000,
            Self::Ids100 => 100,
            _ => 1,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Forecast => "/patron.v1.PredictionService/Forecast",
            Self::Stream1 | Self::Stream1000 => "/patron.v1.PredictionService/StreamPredictChurn",
            _ => "/patron.v1.PredictionService/PredictChurn",
        }
    }

    /// Whether its requests are items of one stream.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Self::Stream1 | Self::Stream1000)
    }
}

impl Messages {
    /// Encodes the requests.
    pub(crate) fn of(args: &Args) -> Result<Self, Failure> {
        let case = args.case;
        let rows = case.rows();
        let model = || args.model.clone();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let churn = |input| PredictChurnRequest {
            model: model(),
            input: Some(input),
            ..PredictChurnRequest::default()
        };
        let bodies: Vec<Vec<u8>> = match case {
            Case::Message => {
                let file = args.message.as_ref().ok_or("--case message needs --message")?;
                vec![fs::read(file)?]
            }
            Case::Forecast => {
                let total = SeriesKey { group: "total".to_owned(), value: String::new() };
                let request = ForecastRequest {
                    model: model(),
                    series: vec![total],
                    horizon: Some(14),
                    ..ForecastRequest::default()
                };
                vec![request.encode_to_vec()]
            }
            Case::Id1 | Case::Ids100 => {
                let file = args.customers.as_ref();
                let known = fs::read_to_string(file.ok_or("this case needs --customers")?)?;
                let known: Vec<&str> = known.lines().filter(|line| !line.is_empty()).collect();
                let mut draw = || known.get(random.gen_range(0..known.len().max(1))).copied();
                let mut ids = || (0..rows).filter_map(|_| draw()).map(str::to_owned).collect();
                let asks =
                    (0..POOL * 8).map(|_| churn(Input::CustomerIds(CustomerIds { ids: ids() })));
                asks.map(|request| request.encode_to_vec()).collect()
            }
            _ => {
                let vectors = Vectors::read(args.vectors.as_deref(), args.features, &mut random)?;
                let floats = matches!(case, Case::Floats1 | Case::Floats1000);
                let blocks = (0..POOL).map(|at| vectors.block(at * rows, rows, floats));
                let requests = blocks.map(|block| churn(Input::Features(block)));
                if case.streams() {
                    let items = requests.zip(1..).map(|(request, sequence)| {
                        StreamPredictChurnRequest { sequence, request: Some(request) }
                    });
                    items.map(|item| item.encode_to_vec()).collect()
                } else {
                    requests.map(|request| request.encode_to_vec()).collect()
                }
            }
        };
        let path = if case == Case::Message { args.path.clone() } else { case.path().to_owned() };
        let bodies = bodies.into_iter().map(Bytes::from).collect();
        let rows = if case == Case::Message { args.rows } else { rows as u64 };
        Ok(Self { case, path, bodies, rows })
    }

    /// The method that is called.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Rows of each request.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// One request after the other, from the beginning again at the end.
    pub(crate) fn nth(&self, number: u64) -> Bytes {
        let place = number as usize % self.bodies.len().max(1);
        self.bodies.get(place).cloned().unwrap_or_default()
    }

    /// Whether the first answer is one, and to every row.
    pub(crate) fn check(&self, answer: Vec<u8>) -> Result<(), Failure> {
        let no_errors = |answered: usize, errors: &[RowError]| match errors.first() {
            None if answered == self.rows as usize => Ok(()),
            None => Err(Failure::from(format!("{} rows had {answered} answers", self.rows))),
            Some(error) => Err(format!("a row was refused: {error:?}").into()),
        };
        let answer = answer.as_slice();
        match self.case {
            Case::Message => Ok(()),
            Case::Forecast => {
                let answer = ForecastResponse::decode(answer)?;
                no_errors(answer.series.len(), &answer.errors)
            }
            Case::Stream1 | Case::Stream1000 => {
                match StreamPredictChurnResponse::decode(answer)?.outcome {
                    Some(Outcome::Response(answer)) => {
                        no_errors(answer.probabilities.len(), &answer.errors)
                    }
                    other => Err(format!("an item was not answered: {other:?}").into()),
                }
            }
            _ => {
                let answer = PredictChurnResponse::decode(answer)?;
                no_errors(answer.probabilities.len(), &answer.errors)
            }
        }
    }
}

/// Rows of numbers.
struct Vectors {
    values: Vec<f32>,
    width: usize,
}

impl Vectors {
    fn read(
        file: Option<&Path>,
        width: usize,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Self, Failure> {
        let values = match file {
            Some(file) => {
                let bytes = fs::read(file)?;
                bytes.as_chunks::<4>().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect()
            }
            None => (0..1_000 * width).map(|_| random.gen_range(0.0..1.0)).collect(),
        };
        Ok(Self { values, width })
    }

    /// Some rows from a place on, from the beginning again at the end.
    fn block(&self, from: usize, rows: usize, floats: bool) -> FeatureBlock {
        let turned = self.values.iter().cycle().skip(from % 1_000 * self.width);
        let values: Vec<f32> = turned.take(rows * self.width).copied().collect();
        let values = if floats {
            Values::Floats(FloatValues { values })
        } else {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            Values::F32Le(Bytes::from(bytes))
        };
        FeatureBlock { row_count: rows as u32, values: Some(values), ..FeatureBlock::default() }
    }
}
