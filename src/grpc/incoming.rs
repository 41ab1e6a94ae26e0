//! Connections as they come in: bounded, encrypted where that is configured, without Nagle's delay.

mod certificates;
mod connection;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_stream::Stream;

pub(super) use self::certificates::Certificates;
pub(super) use self::connection::{Connection, Peer};

/// How long a caller may take for the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Before the next try where the system has no more sockets.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections that are ready and wait to be served.
const READY: usize = 64;

/// Connections that are ready to be served. Dropped, it gives the port back.
#[derive(Debug)]
pub(super) struct Incoming(Receiver<io::Result<Connection>>);

impl Incoming {
    /// Begins to accept.
    pub(super) fn start(
        listener: TcpListener,
        certificates: Option<Arc<Certificates>>,
        most: usize,
    ) -> Self {
        let (ready, receiver) = mpsc::channel(READY);
        tokio::spawn(accept(listener, certificates, most, ready));
        Self(receiver)
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// Ends, and closes the port, when nobody takes connections any more. A handshake has a task of its
/// own, so a slow caller delays no other.
async fn accept(
    listener: TcpListener,
    certificates: Option<Arc<Certificates>>,
    most: usize,
    ready: Sender<io::Result<Connection>>,
) {
    let places = Arc::new(Semaphore::new(most));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::debug!(most, "a connection was closed: there are too many");
            continue;
        };
        let acceptor = certificates.as_ref().map(|certificates| certificates.acceptor());
        let ready = ready.clone();
        tokio::spawn(async move {
            match open(stream, acceptor, place).await {
                // Nobody takes it: the server is going down.
                Ok(connection) => drop(ready.send(Ok(connection)).await),
                Err(error) => tracing::debug!(%error, "a connection was not opened"),
            }
        });
    }
}

async fn open(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    place: OwnedSemaphorePermit,
) -> io::Result<Connection> {
    // Batches take a hundred times longer with it.
    stream.set_nodelay(true)?;
    let Some(acceptor) = acceptor else {
        return Ok(Connection::plain(stream, place));
    };
    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream));
    let encrypted = handshake.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(Connection::encrypted(encrypted, place))
}
