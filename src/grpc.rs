//! The gRPC edge: wire types come in here and do not go further.

mod codec;
mod convert;
mod drift;
mod features;
mod flow;
mod info;
mod jobs;
mod models;
mod predictions;
mod repeat;
mod scoring;
mod server;
mod status;
mod training;
mod transactions;

use tonic::Status;

pub use self::flow::InvalidProtos;
pub use self::server::{ServeError, Server};

/// Messages, clients and servers generated from `proto/patron/v1`.
#[expect(
    clippy::allow_attributes,
    clippy::large_enum_variant,
    reason = "generated; the protos carry the comments"
)]
pub mod proto {
    tonic::include_proto!("patron.v1");

    /// All protos, for reflection.
    pub const DESCRIPTORS: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/patron_descriptor.bin"));
}

/// Runs work that waits for the disk or computes for long on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => Err(flow::incident(payload.as_ref())),
            // The runtime is going down.
            Err(_) => Err(status::status(
                tonic::Code::Unavailable,
                "SHUTTING_DOWN",
                "the server is stopping; ask again, and another one will answer",
            )),
        },
    }
}
