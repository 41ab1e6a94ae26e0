//! One connection, in clear text or encrypted.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use webpki::EndEntityCert;

/// A connection that holds one of the places.
#[derive(Debug)]
pub(in crate::grpc) struct Connection {
    transport: Transport,
    peer: Peer,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// The other end of a connection; every call finds it among its extensions.
#[derive(Clone, Debug, Default)]
pub(in crate::grpc) struct Peer {
    /// Where it is.
    pub(in crate::grpc) address: Option<SocketAddr>,
    /// The DNS names and URIs of its certificate.
    pub(in crate::grpc) names: Arc<[Arc<str>]>,
}

impl Connection {
    pub(super) fn plain(stream: TcpStream, place: OwnedSemaphorePermit) -> Self {
        let peer = Peer { address: stream.peer_addr().ok(), names: Arc::default() };
        Self { transport: Transport::Plain(stream), peer, _place: place }
    }

    pub(super) fn encrypted(stream: TlsStream<TcpStream>, place: OwnedSemaphorePermit) -> Self {
        let (socket, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let names = certificate.map(alternative_names).unwrap_or_default();
        let peer = Peer { address: socket.peer_addr().ok(), names };
        Self { transport: Transport::Encrypted(Box::new(stream)), peer, _place: place }
    }
}

/// The subject alternative names that tell a principal. The handshake has verified the certificate.
fn alternative_names(certificate: &CertificateDer<'_>) -> Arc<[Arc<str>]> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Arc::default();
    };
    certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(Arc::from).collect()
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

/// Hands a call on to whichever transport there is.
macro_rules! on_transport {
    ($self:ident, $method:ident($($argument:expr),*)) => {
        match &mut $self.get_mut().transport {
            Transport::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Transport::Encrypted(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        on_transport!(self, poll_read(context, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        on_transport!(self, poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        on_transport!(self, poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Encrypted(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_transport!(self, poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_transport!(self, poll_shutdown(context))
    }
}
