//! A call counts as at work from its arrival, but not while its caller is still sending.
//!
//! Otherwise a few slow senders would hold all seats, and the server would refuse everyone else
//! while it does nothing.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;

use super::Flow;
use super::admission::Admitted;

/// The seat of one call.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    flow: Flow,
    taken: Arc<Mutex<Option<Admitted>>>,
}

impl Seat {
    /// Takes a seat, where there is one.
    pub(super) fn take(flow: &Flow) -> Result<Self, Status> {
        let taken = flow.0.admission.try_call()?;
        Ok(Self { flow: flow.clone(), taken: Arc::new(Mutex::new(Some(taken))) })
    }

    /// Gives it to somebody else.
    pub(super) fn leave(&self) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes one again after it was left.
    fn retake(&self) -> Result<(), Status> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.is_none() {
            *taken = Some(self.flow.0.admission.try_call()?);
        }
        Ok(())
    }
}

/// A request whose call leaves its seat while nothing comes.
pub(super) struct SeatedBody {
    pub(super) inner: Body,
    pub(super) seat: Seat,
}

impl HttpBody for SeatedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        if polled.is_pending() {
            this.seat.leave();
        } else if let Err(status) = this.seat.retake() {
            return Poll::Ready(Some(Err(status)));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}
