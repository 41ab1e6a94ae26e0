//! What one turn of a connection writes, gathered into one write.
//!
//! HTTP/2 hands on an answer in pieces: its headers and message, then its trailers. Written one by one
//! they cost a call of the system each, and a server that is killed in between leaves its client
//! half an answer, which no client asks for again.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that wait for the end of the turn; what is above goes at once.
const MOST: usize = 64 << 10;
/// Bytes of memory that an idle connection keeps.
const KEPT: usize = 8 << 10;

#[derive(Debug)]
struct Shared<IO> {
    io: IO,
    held: Vec<u8>,
    /// How much of `held` is gone.
    sent: usize,
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
    let shared = Shared { io, held: Vec::new(), sent: 0, is_unflushed: false, failed: None };
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
        while self.sent < self.held.len() {
            let wrote = Pin::new(&mut self.io).poll_write(context, &self.held[self.sent..]);
            match ready!(wrote)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                wrote => self.sent += wrote,
            }
            self.is_unflushed = true;
        }
        self.sent = 0;
        self.held.clear();
        self.held.shrink_to(KEPT);
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
