//! What one turn of a connection writes, gathered into one write.
//!
//! HTTP/2 hands on an answer in pieces: its headers and message, then its trailers. Written one by one
//! they cost a call of the system each, and a server that is killed in between leaves its client
//! half an answer, which no client asks for again.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that wait for the end of the turn; what is above goes at once.
const MOST: usize = 64 << 10;
/// Bytes of memory that an idle connection keeps.
const KEPT: usize = 8 << 10;

#[derive(Debug)]
struct Shared<IO> {
    io: IO,
    held: BytesMut,
    /// Whether a layer below, such as TLS, may hold bytes of its own.
    is_unflushed: bool,
    failed: Option<io::Error>,
}

/// A connection that keeps what is written until [`Outbox::send`].
#[derive(Debug)]
pub(super) struct Gathered<IO>(Arc<Mutex<Shared<IO>>>);

/// The end at which the gathered bytes go out.
#[derive(Debug)]
pub(super) struct Outbox<IO>(Arc<Mutex<Shared<IO>>>);

/// Both ends of `io`.
pub(super) fn gathered<IO>(io: IO) -> (Gathered<IO>, Outbox<IO>) {
    let shared = Shared { io, held: BytesMut::new(), is_unflushed: false, failed: None };
    let shared = Arc::new(Mutex::new(shared));
    (Gathered(Arc::clone(&shared)), Outbox(shared))
}

impl<IO: AsyncWrite + Unpin> Outbox<IO> {
    /// Sends what was written so far, as far as the network takes it; the rest when the task is woken.
    /// The writer is told of a failure when it goes on.
    pub(super) fn send(&self, context: &mut Context<'_>) {
        let mut shared = lock(&self.0);
        if let Poll::Ready(Err(error)) = shared.poll_send(context) {
            shared.failed = Some(error);
            context.waker().wake_by_ref();
        }
    }
}

impl<IO: AsyncWrite + Unpin> Shared<IO> {
    /// Ready when nothing is held any more, here or below.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.held.has_remaining() {
            match ready!(Pin::new(&mut self.io).poll_write(context, &self.held))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                wrote => self.held.advance(wrote),
            }
            self.is_unflushed = true;
        }
        if self.held.capacity() > KEPT {
            self.held = BytesMut::new();
        }
        if self.is_unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn failure(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}

fn lock<IO>(shared: &Mutex<Shared<IO>>) -> MutexGuard<'_, Shared<IO>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<IO: AsyncRead + Unpin> AsyncRead for Gathered<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut lock(&self.0).io).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Gathered<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = lock(&self.0);
        shared.failure()?;
        let bytes = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        if shared.held.len() + bytes <= MOST {
            pieces.iter().for_each(|piece| shared.held.extend_from_slice(piece));
            return Poll::Ready(Ok(bytes));
        }
        ready!(shared.poll_send(context))?;
        shared.is_unflushed = true;
        Pin::new(&mut shared.io).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Leaves the bytes to the end of the turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(lock(&self.0).failure())
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = lock(&self.0);
        ready!(shared.poll_send(context))?;
        Pin::new(&mut shared.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{Duration, timeout};

    use super::*;

    async fn send<IO: AsyncWrite + Unpin>(outbox: &Outbox<IO>) {
        poll_fn(|context| {
            outbox.send(context);
            Poll::Ready(())
        })
        .await;
    }

    /// What there is to read now.
    async fn arrived(client: &mut DuplexStream) -> usize {
        let mut bytes = vec![0; 2 * MOST];
        let read = timeout(Duration::from_millis(20), client.read(&mut bytes)).await;
        read.map_or(0, Result::unwrap)
    }

    #[tokio::test]
    async fn pieces_go_out_together_at_the_end_of_the_turn() {
        let (server, mut client) = duplex(2 * MOST);
        let (mut writer, outbox) = gathered(server);
        for piece in [&b"headers"[..], b"message", b"trailers"] {
            writer.write_all(piece).await.unwrap();
            writer.flush().await.unwrap();
        }
        assert_eq!(arrived(&mut client).await, 0);
        send(&outbox).await;
        assert_eq!(arrived(&mut client).await, "headersmessagetrailers".len());
    }

    #[tokio::test]
    async fn what_is_too_much_to_hold_goes_at_once_and_in_order() {
        let (server, mut client) = duplex(4 * MOST);
        let (mut writer, outbox) = gathered(server);
        writer.write_all(b"first").await.unwrap();
        writer.write_all(&vec![1; MOST]).await.unwrap();
        let mut bytes = vec![0; 5 + MOST];
        client.read_exact(&mut bytes).await.unwrap();
        assert!(bytes.starts_with(b"first") && bytes.ends_with(&[1; MOST]));
        writer.write_all(b"last").await.unwrap();
        send(&outbox).await;
        assert_eq!(arrived(&mut client).await, 4);
    }

    #[tokio::test]
    async fn a_slow_reader_holds_the_writer_up() {
        let (server, mut client) = duplex(1_024);
        let (mut writer, outbox) = gathered(server);
        writer.write_all(&vec![2; MOST]).await.unwrap();
        send(&outbox).await;
        let more = timeout(Duration::from_millis(50), writer.write_all(&[3; 2_048]));
        assert!(more.await.is_err(), "{MOST} bytes wait already");
        let mut read = 0;
        while read < MOST {
            read += arrived(&mut client).await;
            send(&outbox).await;
        }
        writer.write_all(&[3; 2_048]).await.unwrap();
    }

    #[tokio::test]
    async fn the_writer_is_told_of_a_client_that_is_gone() {
        let (server, client) = duplex(1_024);
        let (mut writer, outbox) = gathered(server);
        drop(client);
        writer.write_all(b"answer").await.unwrap();
        send(&outbox).await;
        let told = writer.flush().await.unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::BrokenPipe);
    }
}
