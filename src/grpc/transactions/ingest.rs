//! The ingest stream: a chunk in, an acknowledgement out once it is durable.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use crate::app::App;
use crate::ingest::{ChunkOutcome, StreamIngest};
use crate::transaction::OccurrenceCounter;

use crate::grpc::blocking;
use crate::grpc::convert::{check_rows, line};
use crate::grpc::proto;
use crate::grpc::status::{from_store, invalid_field};

/// Acknowledgements that wait for a slow sender; no chunk is read meanwhile.
const ACKS_IN_FLIGHT: usize = 2;
const LONGEST_CHUNK_ID: usize = 64;

type Acks = Pin<Box<dyn Stream<Item = Result<proto::IngestTransactionsResponse, Status>> + Send>>;

/// Stores the chunks of a stream one after the other.
pub(super) fn answer(
    app: Arc<App>,
    mut chunks: Streaming<proto::IngestTransactionsRequest>,
) -> Acks {
    let (sender, receiver) = mpsc::channel(ACKS_IN_FLIGHT);
    tokio::spawn(async move {
        let mut seen = OccurrenceCounter::default();
        while let Some(chunk) = chunks.next().await {
            let stored = match chunk {
                Ok(chunk) => {
                    let app = Arc::clone(&app);
                    blocking(move || store(&app, chunk, seen)).await
                }
                Err(status) => Err(status),
            };
            let ack = match stored {
                Ok((ack, remembered)) => {
                    seen = remembered;
                    Ok(ack)
                }
                Err(status) => {
                    // The sender may be gone by now, and then nobody needs to know.
                    let _ = sender.send(Err(status)).await;
                    return;
                }
            };
            if sender.send(ack).await.is_err() {
                return;
            }
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

fn store(
    app: &App,
    chunk: proto::IngestTransactionsRequest,
    seen: OccurrenceCounter,
) -> Result<(proto::IngestTransactionsResponse, OccurrenceCounter), Status> {
    let proto::IngestTransactionsRequest { chunk_id, lines } = chunk;
    check_rows("lines", lines.len())?;
    if chunk_id.len() > LONGEST_CHUNK_ID {
        let problem =
            format!("expected at most {LONGEST_CHUNK_ID} bytes, found {}", chunk_id.len());
        return Err(invalid_field("chunk_id", problem));
    }
    let drafts = lines.into_iter().map(line).collect();
    let mut stream = StreamIngest::resume(app.store(), &app.config().currency, seen);
    let outcome = stream.append(drafts).map_err(|error| from_store(&error))?;
    Ok((acknowledge(chunk_id, outcome), stream.into_seen()))
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
