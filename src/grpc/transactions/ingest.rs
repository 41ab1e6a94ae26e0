//! The ingest stream: a chunk in, an acknowledgement out once it is durable.
//!
//! While one chunk is stored the next one is checked, so a single sender keeps both at work. No
//! more than [`CHUNKS_IN_FLIGHT`] chunks of a stream are in memory: then the sender waits, by the
//! flow control of HTTP/2.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use crate::app::App;
use crate::grpc::blocking;
use crate::grpc::convert::{check_rows, line};
use crate::grpc::proto;
use crate::grpc::status::{from_store, invalid_field};
use crate::ingest::{CheckedChunk, ChunkOutcome, StreamIngest};
use crate::telemetry::Meters;

/// Chunks that are checked and wait to be stored, and acknowledgements that wait for the sender.
const CHUNKS_IN_FLIGHT: usize = 4;
const LONGEST_CHUNK_ID: usize = 64;

type Ack = Result<proto::IngestTransactionsResponse, Status>;
type Acks = Pin<Box<dyn Stream<Item = Ack> + Send>>;

/// Stores the chunks of a stream one after the other.
pub(super) fn answer(
    app: Arc<App>,
    meters: Arc<Meters>,
    chunks: Streaming<proto::IngestTransactionsRequest>,
) -> Acks {
    let (checked, to_store) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let (acks, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    tokio::spawn(check_all(Arc::clone(&app), chunks, checked));
    tokio::spawn(store_all((app, meters), to_store, acks));
    Box::pin(ReceiverStream::new(receiver))
}

type Checked = Result<(String, CheckedChunk), Status>;

/// Ends with the stream, with the first chunk that is refused as a whole, or when nobody stores.
async fn check_all(
    app: Arc<App>,
    mut chunks: Streaming<proto::IngestTransactionsRequest>,
    checked: Sender<Checked>,
) {
    let mut stream = StreamIngest::default();
    while let Some(chunk) = chunks.next().await {
        let outcome = match chunk {
            Ok(chunk) => {
                let app = Arc::clone(&app);
                blocking(move || check(&app, chunk, stream)).await
            }
            Err(status) => Err(status),
        };
        let (chunk, goes_on) = match outcome {
            Ok((chunk, stream)) => (Ok(chunk), Some(stream)),
            Err(status) => (Err(status), None),
        };
        match (checked.send(chunk).await, goes_on) {
            (Ok(()), Some(next)) => stream = next,
            _ => return,
        }
    }
}

/// Ends when there are no more chunks, when the store fails, or when the sender is gone. All chunks
/// that wait are stored in one commit.
async fn store_all(
    (app, meters): (Arc<App>, Arc<Meters>),
    mut checked: Receiver<Checked>,
    acks: Sender<Ack>,
) {
    let mut waiting = Vec::with_capacity(CHUNKS_IN_FLIGHT);
    while checked.recv_many(&mut waiting, CHUNKS_IN_FLIGHT).await > 0 {
        // A chunk that was refused as a whole is the last one.
        let refused = waiting.pop_if(|last| last.is_err());
        let (ids, chunks): (Vec<_>, Vec<_>) = waiting.drain(..).flatten().unzip();
        let store = Arc::clone(app.store());
        let stored = blocking(move || {
            CheckedChunk::store(chunks, &store).map_err(|error| from_store(&error))
        });
        let answers: Vec<Ack> = match stored.await {
            Ok(outcomes) => {
                outcomes.iter().for_each(|outcome| count(&meters, outcome));
                let acks = ids.into_iter().zip(outcomes);
                acks.map(|(id, outcome)| Ok(acknowledge(id, outcome))).collect()
            }
            Err(status) => vec![Err(status)],
        };
        let refused = refused.and_then(Result::err).map(Err);
        for ack in answers.into_iter().chain(refused) {
            let is_last = ack.is_err();
            if acks.send(ack).await.is_err() || is_last {
                return;
            }
        }
    }
}

fn count(meters: &Meters, outcome: &ChunkOutcome) {
    let ChunkOutcome { accepted, duplicates, corrected, refusals } = outcome;
    meters.ingested("accepted", u64::from(*accepted));
    meters.ingested("duplicate", u64::from(*duplicates));
    meters.ingested("corrected", u64::from(*corrected));
    meters.ingested("refused", refusals.len() as u64);
}

fn check(
    app: &App,
    chunk: proto::IngestTransactionsRequest,
    mut stream: StreamIngest,
) -> Result<((String, CheckedChunk), StreamIngest), Status> {
    let proto::IngestTransactionsRequest { chunk_id, lines } = chunk;
    check_rows("lines", lines.len())?;
    if chunk_id.len() > LONGEST_CHUNK_ID {
        let problem =
            format!("expected at most {LONGEST_CHUNK_ID} bytes, found {}", chunk_id.len());
        return Err(invalid_field("chunk_id", problem));
    }
    let drafts = lines.into_iter().map(line).collect();
    let checked = stream.check(drafts, &app.config().currency);
    Ok(((chunk_id, checked), stream))
}

fn acknowledge(chunk_id: String, outcome: ChunkOutcome) -> proto::IngestTransactionsResponse {
    let ChunkOutcome { accepted, duplicates, corrected, refusals } = outcome;
    let refusals: Vec<proto::LineRefusal> = refusals
        .into_iter()
        .map(|refusal| proto::LineRefusal {
            row: refusal.row as u64,
            field: refusal.problem.field().to_owned(),
            message: refusal.problem.to_string(),
        })
        .collect();
    let refused = refusals.len() as u32;
    proto::IngestTransactionsResponse {
        chunk_id,
        accepted,
        duplicates,
        corrected,
        refused,
        refusals,
    }
}
