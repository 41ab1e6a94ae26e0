use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;

/// Connections to an HTTP/1.1 server, each with one request at a time.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    address: SocketAddr,
    path: Arc<str>,
    idle: Arc<Mutex<Vec<TcpStream>>>,
}

impl Http {
    pub(crate) fn new(address: SocketAddr, path: &str) -> Self {
        Self { address, path: path.into(), idle: Arc::default() }
    }

    /// Posts JSON; the body of the answer.
    pub(crate) async fn post(&self, body: &Bytes) -> Result<Vec<u8>, Code> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let answer = async {
            let mut stream = match idle {
                Some(stream) => stream,
                None => TcpStream::connect(self.address).await?,
            };
            stream.set_nodelay(true)?;
            stream.write_all(&self.request(body)).await?;
            let (status, answer) = read_answer(&mut stream).await?;
            Ok::<_, io::Error>((stream, status, answer))
        };
        let (stream, status, answer) = answer.await.map_err(|_| Code::Unavailable)?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
        match status {
            200 => Ok(answer),
            400 | 422 => Err(Code::InvalidArgument),
            404 => Err(Code::NotFound),
            429 => Err(Code::ResourceExhausted),
            503 => Err(Code::Unavailable),
            _ => Err(Code::Internal),
        }
    }

    fn request(&self, body: &Bytes) -> Vec<u8> {
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.path,
            self.address,
            body.len()
        );
        [head.as_bytes(), body].concat()
    }
}

/// Status and body of an answer that tells its length.
async fn read_answer(stream: &mut TcpStream) -> io::Result<(u16, Vec<u8>)> {
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut read = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(broken("the server closed the connection"));
        }
        let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let mut body = read.split_off(end + 4);
        let head = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.ok_or_else(|| broken("expected a status"))?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.and_then(|text| text.trim().parse::<usize>().ok());
        let length = length.ok_or_else(|| broken("expected a content-length"))?;
        while body.len() < length {
            if stream.read_buf(&mut body).await? == 0 {
                return Err(broken("the server closed the connection"));
            }
        }
        return Ok((status, body));
    }
}
