use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};

use crate::cases::Messages;
use crate::http::Http;
use crate::{Args, Failure};

// As a client for large messages would have them.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
const LARGEST_ANSWER: usize = 64 << 20;

/// Connections to the server; calls take them in turn.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    connections: Vec<Connection>,
    path: PathAndQuery,
    streams: bool,
}

/// The key to call with, as the metadata has it.
type Key = Option<AsciiMetadataValue>;

/// One connection; an HTTP/1.1 server gets one for each call that waits.
#[derive(Clone, Debug)]
pub(crate) enum Connection {
    Grpc(Grpc<Channel>, PathAndQuery, Key),
    Http(Http),
}

impl Caller {
    /// Opens the connections.
    pub(crate) async fn connect(
        args: &Args,
        key_file: Option<&Path>,
        messages: &Messages,
    ) -> Result<Self, Failure> {
        let key = match key_file {
            Some(path) => Some(format!("Bearer {}", fs::read_to_string(path)?.trim()).parse()?),
            None => None,
        };
        let address = loopback(&args.endpoint)?;
        let path = PathAndQuery::try_from(messages.path())?;
        let mut connections = Vec::new();
        for _ in 0..args.connections.max(1) {
            connections.push(if args.http {
                Connection::Http(Http::new(address, messages.path()))
            } else {
                let endpoint = Endpoint::from_shared(args.endpoint.clone())?
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(CONNECTION_WINDOW);
                let grpc = Grpc::new(endpoint.connect().await?);
                let grpc = grpc.max_decoding_message_size(LARGEST_ANSWER);
                Connection::Grpc(grpc, path.clone(), Key::clone(&key))
            });
        }
        Ok(Self { connections, path, streams: args.case.streams() })
    }

    /// All connections.
    pub(crate) fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// Whether requests are items of streams.
    pub(crate) fn streams(&self) -> bool {
        self.streams
    }

    /// The answer to the first message.
    pub(crate) async fn first(&self, messages: &Messages) -> Result<Vec<u8>, Failure> {
        let mut connection = self.connections.first().cloned().ok_or("no connection")?;
        let refused = |status: Status| format!("{}: {status}", self.path);
        let message = messages.nth(0);
        if self.streams {
            let (sender, mut answers) = connection.stream(1).await.map_err(refused)?;
            sender.send(message).await?;
            let answer = answers.message().await.map_err(refused)?;
            return Ok(answer.ok_or("the server ended the stream")?.to_vec());
        }
        Ok(connection.call(message, None).await.map_err(refused)?.to_vec())
    }
}

impl Connection {
    /// One call; the deadline is told to a gRPC server and kept here.
    pub(crate) async fn call(
        &mut self,
        message: Bytes,
        deadline: Option<Duration>,
    ) -> Result<Bytes, Status> {
        match self {
            Self::Http(http) => match http.post(&message).await {
                Ok(body) => Ok(body.into()),
                Err(code) => Err(Status::new(code, "HTTP")),
            },
            Self::Grpc(grpc, path, key) => {
                let mut request = with_key(message, key);
                if let Some(deadline) = deadline {
                    request.set_timeout(deadline);
                }
                let ready = grpc.ready().await;
                ready.map_err(|error| Status::unavailable(error.to_string()))?;
                Ok(grpc.unary(request, path.clone(), Raw).await?.into_inner())
            }
        }
    }

    /// A stream of calls, of which some wait.
    pub(crate) async fn stream(
        &mut self,
        waiting: usize,
    ) -> Result<(mpsc::Sender<Bytes>, Streaming<Bytes>), Status> {
        let Self::Grpc(grpc, path, key) = self else {
            return Err(Status::unimplemented("HTTP/1.1 has no streams"));
        };
        let (sender, receiver) = mpsc::channel(waiting);
        let ready = grpc.ready().await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        let items = with_key(ReceiverStream::new(receiver), key);
        let answers = grpc.streaming(items, path.clone(), Raw).await?;
        Ok((sender, answers.into_inner()))
    }
}

fn with_key<T>(message: T, key: &Key) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", key.clone());
    }
    request
}

/// The address of a server on this machine.
fn loopback(endpoint: &str) -> Result<SocketAddr, Failure> {
    let uri: Uri = endpoint.parse()?;
    let authority = uri.authority().ok_or("expected an endpoint such as http://127.0.0.1:50051")?;
    let address: SocketAddr = authority.as_str().parse()?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    Err(format!("{address} is not this machine: load is made on loopback only").into())
}

/// Messages as they are, encoded.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// The code of an outcome.
pub(crate) fn code(outcome: &Result<Bytes, Status>) -> Code {
    outcome.as_ref().map_or_else(Status::code, |_| Code::Ok)
}
