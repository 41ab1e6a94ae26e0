//! Messages are decoded from one contiguous buffer and encoded into one.
//!
//! tonic hands prost wrappers around what it received and what it sends, through which prost reads
//! and writes a list of numbers one by one. Here it reads the bytes themselves, which costs no copy,
//! and writes into a slice of the right length, which costs one.

use std::fmt;
use std::marker::PhantomData;

use bytes::{Buf as _, BufMut as _};
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Bytes of an answer for which no buffer must grow: one to 1,000 vectors has 10,000.
const ANSWER_BYTES: usize = 16 << 10;

/// Bytes of items of a stream that are sent at once, as tonic has it.
const YIELD_BYTES: usize = 32 << 10;

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
    type Encoder = ContiguousEncoder<T>;
    type Decoder = ContiguousDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ContiguousEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        ContiguousDecoder(PhantomData)
    }
}

/// Encodes messages of one type.
pub(super) struct ContiguousEncoder<T>(PhantomData<T>);

impl<T> fmt::Debug for ContiguousEncoder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContiguousEncoder")
    }
}

impl<T: Message> Encoder for ContiguousEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let mut bytes = vec![0; item.encoded_len()];
        let written = item.encode(&mut bytes.as_mut_slice());
        written.map_err(|error| Status::internal(error.to_string()))?;
        buffer.put_slice(&bytes);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(ANSWER_BYTES, YIELD_BYTES)
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
