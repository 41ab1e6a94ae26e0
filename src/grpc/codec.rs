//! Messages are decoded from one contiguous buffer.
//!
//! tonic hands prost a wrapper around what it received, through which prost reads a list of
//! numbers one by one. Here it gets the bytes themselves, which costs no copy.

use std::fmt;
use std::marker::PhantomData;

use bytes::Buf as _;
use prost::Message;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// The codec of all services of Patron.
#[derive(Debug)]
pub(super) struct ContiguousCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ContiguousCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ContiguousCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ContiguousDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        ContiguousDecoder(PhantomData)
    }
}

/// Decodes messages of one type.
pub(super) struct ContiguousDecoder<U>(PhantomData<U>);

impl<U> fmt::Debug for ContiguousDecoder<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContiguousDecoder")
    }
}

impl<U: Message + Default> Decoder for ContiguousDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = source.copy_to_bytes(source.remaining());
        // As gRPC has it for messages that cannot be read.
        U::decode(message).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
