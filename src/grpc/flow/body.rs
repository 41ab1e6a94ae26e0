//! The messages of a call, counted on their way, and a status for those who would wait for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use tonic::body::Body;
use tower::BoxError;

use super::call::Call;
use super::incident::incident;
use super::method::Method;
use super::seat::Seat;

/// Resolves when an answer is cut short.
pub(super) type Interrupt = Pin<Box<dyn Future<Output = Status> + Send>>;

type Polled = Poll<Option<Result<Frame<Bytes>, Status>>>;

/// The answer to a call. Its call ends with it.
pub(super) struct AnswerBody {
    inner: Body,
    call: Call,
    count: MessageCount,
    interrupt: Option<Interrupt>,
    is_over: bool,
}

impl AnswerBody {
    pub(super) fn new(inner: Body, call: Call, interrupt: Option<Interrupt>) -> Self {
        Self { inner, call, count: MessageCount::default(), interrupt, is_over: false }
    }

    /// The answer to a call that was refused: its status stands in the headers.
    pub(super) fn none(call: Call) -> Self {
        Self { is_over: true, ..Self::new(Body::empty(), call, None) }
    }

    fn pass(&mut self, mut frame: Frame<Bytes>) -> Polled {
        if let Some(data) = frame.data_ref() {
            self.call.method.meter.sent(self.count.add(data));
        } else if let Some(trailers) = frame.trailers_mut() {
            self.call.told(trailers);
        }
        Poll::Ready(Some(Ok(frame)))
    }

    /// Ends the answer here; what would have come is dropped, and with it who makes it.
    fn cut(&mut self, status: &Status) -> Polled {
        self.is_over = true;
        self.inner = Body::empty();
        self.call.ends_with(status.code());
        let mut trailers = HeaderMap::new();
        match status.add_header(&mut trailers) {
            Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Err(status) => Poll::Ready(Some(Err(status))),
        }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Ready(None);
        }
        let inner = &mut this.inner;
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(context)));
        match polled {
            Err(payload) => this.cut(&incident(payload.as_ref())),
            Ok(Poll::Ready(Some(Ok(frame)))) => this.pass(frame),
            Ok(Poll::Ready(Some(Err(status)))) => {
                this.call.ends_with(status.code());
                Poll::Ready(Some(Err(status)))
            }
            Ok(Poll::Ready(None)) => Poll::Ready(None),
            Ok(Poll::Pending) => {
                match this.interrupt.as_mut().map(|wait| wait.as_mut().poll(context)) {
                    Some(Poll::Ready(status)) => this.cut(&status),
                    _ => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.inner.is_end_stream()
    }
}

/// What a caller sends.
pub(super) struct AskedBody<B> {
    inner: B,
    watch: Watch,
}

/// What is noted of it.
enum Watch {
    /// One message, whose call leaves its seat while nothing comes.
    Seat(Option<Seat>),
    /// Many messages, which are counted.
    Messages(Arc<Method>, MessageCount),
}

impl<B> AskedBody<B> {
    /// One message of a call with a seat, where it has one.
    pub(super) fn one(inner: B, seat: Option<Seat>) -> Self {
        Self { inner, watch: Watch::Seat(seat) }
    }

    /// The messages of a caller who sends many.
    pub(super) fn many(inner: B, method: Arc<Method>) -> Self {
        Self { inner, watch: Watch::Messages(method, MessageCount::default()) }
    }
}

impl<B> HttpBody for AskedBody<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_frame(context);
        match (&mut this.watch, &polled) {
            (Watch::Seat(None), _) => {}
            (Watch::Seat(Some(seat)), Poll::Pending) => seat.leave(),
            (Watch::Seat(Some(seat)), Poll::Ready(_)) => {
                if let Err(status) = seat.retake() {
                    return Poll::Ready(Some(Err(status.into())));
                }
            }
            (Watch::Messages(method, count), Poll::Ready(Some(Ok(frame)))) => {
                if let Some(data) = frame.data_ref() {
                    method.meter.received(count.add(data));
                }
            }
            (Watch::Messages(..), _) => {}
        }
        polled.map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

/// Finds the heads of messages in a sequence of pieces: a flag, and a length of four bytes.
#[derive(Debug, Default)]
struct MessageCount {
    /// Bytes of the message that are still to come.
    rest: usize,
    /// Bytes of the next head that came, and its length so far.
    head: (u8, u32),
}

impl MessageCount {
    /// Goes on with a piece and gives the number of heads that were completed by it.
    fn add(&mut self, mut piece: &[u8]) -> u64 {
        let mut heads = 0;
        while piece.has_remaining() {
            let passed = self.rest.min(piece.remaining());
            piece.advance(passed);
            self.rest -= passed;
            let Ok(byte) = piece.try_get_u8() else { break };
            let (came, length) = &mut self.head;
            if *came > 0 {
                *length = (*length << 8) | u32::from(byte);
            }
            *came += 1;
            if *came == 5 {
                self.rest = *length as usize;
                self.head = (0, 0);
                heads += 1;
            }
        }
        heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let mut bytes = Vec::new();
        for length in [0_u32, 1, 300, 0, 5] {
            bytes.push(0);
            bytes.extend(length.to_be_bytes());
            bytes.extend(std::iter::repeat_n(7, length as usize));
        }
        for size in 1..=bytes.len() {
            let mut count = MessageCount::default();
            let found: u64 = bytes.chunks(size).map(|piece| count.add(piece)).sum();
            assert_eq!(found, 5, "pieces of {size}");
        }
    }
}
