//! Connections to metrics and probes: bounded in number, and none that is silent for long.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// Connections at a time: some collectors, some probes, some people.
const MOST: usize = 64;
/// How long a connection may be without a byte in either direction.
const SILENCE: Duration = Duration::from_secs(30);
/// Before the next try where the system has no more sockets.
const PAUSE: Duration = Duration::from_millis(50);

/// A listener that closes connections above a number at once, and silent ones after a while.
#[derive(Debug)]
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    silence: Duration,
}

impl Bounded {
    /// With the bounds of a server.
    pub(super) fn new(listener: TcpListener) -> Self {
        Self::with(listener, MOST, SILENCE)
    }

    fn with(listener: TcpListener, most: usize, silence: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(most)), silence }
    }
}

impl Listener for Bounded {
    type Io = Timed;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Timed, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    // Without a place the connection is dropped, which closes it.
                    if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
                        return (Timed::new(stream, self.silence, place), address);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection for metrics could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that holds a place and breaks off after a silence.
#[derive(Debug)]
pub(super) struct Timed {
    stream: TcpStream,
    silence: Duration,
    alarm: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Timed {
    fn new(stream: TcpStream, silence: Duration, place: OwnedSemaphorePermit) -> Self {
        Self { stream, silence, alarm: Box::pin(sleep(silence)), _place: place }
    }

    /// What came of reading or writing, or that nothing has for too long.
    fn timed<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.alarm.as_mut().reset(Instant::now() + self.silence);
            return polled;
        }
        self.alarm.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.timed(context, polled)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed(context, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Everything until the other end closes.
    async fn rest(connection: &mut TcpStream) -> String {
        let mut text = String::new();
        // A connection that is cut off ends with an error on some systems.
        let read = timeout(PATIENCE, connection.read_to_string(&mut text)).await;
        drop(read.expect("it is closed"));
        text
    }

    #[tokio::test]
    async fn connections_are_bounded_and_silent_ones_make_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let silence = Duration::from_secs(3);
        let begun = Instant::now();
        let bounded = Bounded::with(listener, 2, silence);
        let router = Router::new().route("/", get(async || "here"));
        let serving = tokio::spawn(async move { axum::serve(bounded, router).await });
        let mut silent = TcpStream::connect(address).await.unwrap();
        let _also_silent = TcpStream::connect(address).await.unwrap();
        let mut one_more = TcpStream::connect(address).await.unwrap();
        assert_eq!(rest(&mut one_more).await, "");
        assert!(begun.elapsed() < silence, "above the bound a connection is closed at once");
        assert_eq!(rest(&mut silent).await, "");
        assert!(begun.elapsed() >= silence);
        let answer = async {
            loop {
                let mut asking = TcpStream::connect(address).await.unwrap();
                let request = b"GET / HTTP/1.1\r\nHost: patron\r\nConnection: close\r\n\r\n";
                if asking.write_all(request).await.is_ok() {
                    let answer = rest(&mut asking).await;
                    if !answer.is_empty() {
                        return answer;
                    }
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let answer = timeout(PATIENCE, answer).await.expect("places come free");
        assert!(answer.ends_with("here"), "{answer}");
        serving.abort();
    }
}
