//! Those who send and erase while the server dies under them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use patron::grpc::proto::*;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tonic::Status;

use super::script::{Chance, Chunk, Script, plain_line};
use crate::app::{Clients, PATIENCE};

/// The server of the moment, and how many there were before it.
pub(super) type Servers = watch::Receiver<(u64, Clients)>;

/// What all senders have done so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Lines of acknowledged chunks.
    pub(super) acknowledged: AtomicU64,
    /// Whether an erasure is under way.
    pub(super) is_erasing: AtomicBool,
    /// Whether all chunks are through.
    pub(super) is_over: AtomicBool,
}

/// One sender on its way.
pub(super) struct Sender {
    script: Script,
    servers: Servers,
    progress: Arc<Progress>,
    chance: Chance,
    /// The first chunk without an acknowledgement.
    next: u32,
    /// Chunks that were handed to a connection, so that they may be stored.
    handed: Arc<AtomicU32>,
    pub(super) streams: u32,
    pub(super) resent: u32,
}

impl Sender {
    pub(super) fn new(
        script: Script,
        servers: Servers,
        progress: Arc<Progress>,
        seed: u64,
    ) -> Self {
        let chance = Chance::new(seed + u64::from(script.sender));
        let handed = Arc::default();
        Self { script, servers, progress, chance, next: 0, handed, streams: 0, resent: 0 }
    }

    /// Sends everything. After a lost connection the chunks without an answer go again, in order.
    pub(super) async fn send_all(mut self) -> Self {
        while self.next < self.script.chunks {
            let (number, clients) = self.servers.borrow_and_update().clone();
            if let Err(status) = self.stream(&clients).await {
                next_server(&mut self.servers, number, &status).await;
            }
        }
        self
    }

    async fn stream(&mut self, clients: &Clients) -> Result<(), Status> {
        self.streams += 1;
        let (script, handed) = (self.script, Arc::clone(&self.handed));
        let handed_before = handed.load(Ordering::SeqCst);
        let chunks = (self.next..script.chunks).map(move |index| {
            handed.fetch_max(index + 1, Ordering::SeqCst);
            script.request(index)
        });
        let mut client = clients.transactions();
        let acks = client.ingest_transactions(tokio_stream::iter(chunks)).await?;
        let mut acks = acks.into_inner();
        while let Some(ack) = acks.message().await? {
            self.acknowledged(&ack, self.next < handed_before);
            if self.chance.below(8) == 0 {
                self.resend(clients).await;
            }
        }
        assert_eq!(self.next, script.chunks, "the server ended the stream too early");
        Ok(())
    }

    /// A chunk is stored as a whole or not at all, and only one that went before may be there.
    fn acknowledged(&mut self, ack: &IngestTransactionsResponse, may_be_stored: bool) {
        assert_eq!(ack.chunk_id, self.next.to_string());
        let Chunk { new, corrections } = self.script.chunk(self.next);
        let (new, corrections) = (new.len() as u32, corrections.len() as u32);
        let counts = [ack.accepted, ack.corrected, ack.duplicates, ack.refused];
        let is_known = may_be_stored && ack.duplicates > 0;
        let expected =
            if is_known { [0, 0, new + corrections, 0] } else { [new, corrections, 0, 0] };
        assert_eq!(counts, expected, "chunk {} of {:?}", self.next, self.script);
        self.next += 1;
        let lines = u64::from(new + corrections);
        self.progress.acknowledged.fetch_add(lines, Ordering::SeqCst);
    }

    /// Sends a chunk that was acknowledged once more, on a stream of its own.
    async fn resend(&mut self, clients: &Clients) {
        let index = self.chance.below(u64::from(self.next)) as u32;
        let request = self.script.request(index);
        let lines = request.lines.len() as u32;
        // The server may die meanwhile; the main stream sees that too.
        if let Ok(ack) = ingest_one(clients, request).await {
            assert_eq!((ack.accepted, ack.corrected, ack.duplicates), (0, 0, lines));
            self.resent += 1;
        }
    }
}

/// Sends all chunks of a script on one stream; every line must be known.
pub(super) async fn send_again(script: Script, clients: Clients) {
    let chunks = (0..script.chunks).map(move |index| script.request(index));
    let mut client = clients.transactions();
    let acks = client.ingest_transactions(tokio_stream::iter(chunks)).await;
    let mut acks = acks.unwrap().into_inner();
    for index in 0..script.chunks {
        let ack = acks.message().await.unwrap().unwrap();
        let Chunk { new, corrections } = script.chunk(index);
        let lines = (new.len() + corrections.len()) as u32;
        let counts = [ack.accepted, ack.corrected, ack.duplicates, ack.refused];
        assert_eq!(counts, [0, 0, lines, 0], "chunk {index} of {script:?}");
    }
    assert!(acks.message().await.unwrap().is_none());
}

/// One chunk on a stream of its own.
pub(super) async fn ingest_one(
    clients: &Clients,
    chunk: IngestTransactionsRequest,
) -> Result<IngestTransactionsResponse, Status> {
    let acks = clients.transactions().ingest_transactions(tokio_stream::iter([chunk])).await?;
    let ack = acks.into_inner().message().await?;
    Ok(ack.expect("a chunk is answered or refused"))
}

/// Stores customers of its own and erases them, until all others are through. Gives their ids.
pub(super) async fn erase_some(mut servers: Servers, progress: Arc<Progress>) -> Vec<String> {
    /// How many customers there are between storing and erasing: time to be packed.
    const DELAY: usize = 6;
    let mut ids = Vec::new();
    while !progress.is_over.load(Ordering::SeqCst) {
        let id = format!("weg-{:05}", ids.len());
        let lines = (1..=7).map(|number| plain_line(&id, &format!("order of {id}"), number));
        let chunk = IngestTransactionsRequest { lines: lines.collect(), ..Default::default() };
        let call = |clients: Clients| {
            let chunk = chunk.clone();
            async move { ingest_one(&clients, chunk).await }
        };
        answered(&mut servers, call).await;
        ids.push(id);
        if let Some(erased) = ids.len().checked_sub(DELAY) {
            erase(&mut servers, &progress, &ids[erased]).await;
        }
        sleep(Duration::from_millis(30)).await;
    }
    for id in ids.iter().rev().take(DELAY) {
        erase(&mut servers, &progress, id).await;
    }
    ids
}

async fn erase(servers: &mut Servers, progress: &Progress, id: &str) {
    let request =
        EraseCustomerRequest { customer_id: id.to_owned(), request_id: format!("erase {id}") };
    progress.is_erasing.store(true, Ordering::SeqCst);
    let call = |clients: Clients| {
        let request = request.clone();
        async move { Ok(clients.transactions().erase_customer(request).await?.into_inner()) }
    };
    // After a crash in the middle nothing may be left to erase.
    let erased = answered(servers, call).await.lines_erased;
    assert!([0, 7].contains(&erased), "{erased} of 7 lines");
    progress.is_erasing.store(false, Ordering::SeqCst);
}

/// Calls until a server answers.
async fn answered<T, Call>(servers: &mut Servers, call: impl Fn(Clients) -> Call) -> T
where
    Call: Future<Output = Result<T, Status>>,
{
    loop {
        let (number, clients) = servers.borrow_and_update().clone();
        match call(clients).await {
            Ok(answer) => return answer,
            Err(status) => next_server(servers, number, &status).await,
        }
    }
}

/// Waits for the server after the one that failed with `status`: only a crash may break a call.
async fn next_server(servers: &mut Servers, number: u64, status: &Status) {
    let other = timeout(PATIENCE, servers.wait_for(|(newer, _)| *newer > number)).await;
    assert!(other.is_ok(), "no crash, but {status:?}");
}
