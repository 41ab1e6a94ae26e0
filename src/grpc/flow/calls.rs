//! The calls of a connection, driven on the task of the connection.
//!
//! A task for each call costs a small one more than its own work: the scheduler wakes the connection
//! after every answer, and each answer is a write of its own. Driven together, the calls that came with one
//! read are answered with one write ([`super::gathered`]). What takes long goes to other threads by itself.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::Stream as _;
use futures_util::stream::FuturesUnordered;
use hyper::rt::Executor;
use tokio::io::AsyncWrite;

use super::gathered::Outbox;
use super::incident::contained;

type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes the calls that a connection begins.
#[derive(Clone, Default)]
pub(super) struct Begun(Arc<Mutex<Vec<Call>>>);

impl fmt::Debug for Begun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Begun").finish_non_exhaustive()
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Begun {
    fn execute(&self, call: F) {
        let call = Box::pin(async move {
            // What broke is logged; the call has no answer, and the others go on.
            drop(contained(call).await);
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

/// A connection together with its calls. When it ends, calls that still run are given up.
pub(super) struct Driven<C, IO> {
    connection: Pin<Box<C>>,
    begun: Begun,
    running: FuturesUnordered<Call>,
    outbox: Outbox<IO>,
}

impl<C, IO> Driven<C, IO> {
    /// Drives `connection`, which gives its calls to `begun` and writes to `outbox`.
    pub(super) fn new(connection: C, begun: Begun, outbox: Outbox<IO>) -> Self {
        Self { connection: Box::pin(connection), begun, running: FuturesUnordered::new(), outbox }
    }

    /// The connection alone.
    pub(super) fn connection(&mut self) -> Pin<&mut C> {
        self.connection.as_mut()
    }

    /// Goes on with the calls; whether one has ended.
    fn drive_calls(&mut self, context: &mut Context<'_>) -> bool {
        let mut begun = self.begun.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.running.extend(begun.drain(..));
        drop(begun);
        let mut has_ended = false;
        while let Poll::Ready(Some(())) = Pin::new(&mut self.running).poll_next(context) {
            has_ended = true;
        }
        has_ended
    }
}

impl<C: Future, IO: AsyncWrite + Unpin> Future for Driven<C, IO> {
    type Output = C::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        let this = self.get_mut();
        let polled = this.connection.as_mut().poll(context);
        if polled.is_pending() && this.drive_calls(context) {
            // The connection takes the answers in its next turn; what it wrote in this one goes with them.
            context.waker().wake_by_ref();
        } else {
            this.outbox.send(context);
        }
        polled
    }
}
