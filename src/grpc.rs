//! The gRPC edge: wire types come in here and do not go further.

mod access;
mod behind;
mod codec;
mod compression;
mod convert;
mod drift;
mod features;
mod flow;
mod incoming;
mod inference;
mod info;
mod jobs;
mod models;
mod predictions;
mod repeat;
mod report;
mod schedules;
mod scoring;
mod security;
mod server;
mod services;
mod status;
mod training;
mod transactions;

use std::sync::Arc;

use tonic::{Response, Status};

use crate::app::App;

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

    /// Messages, clients and servers generated from `proto/inference`.
    pub mod inference {
        tonic::include_proto!("inference");
    }

    /// All protos, for reflection.
    pub const DESCRIPTORS: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/patron_descriptor.bin"));
}

/// Answers from the application on a thread that may wait for the disk.
async fn answered<T: Send + 'static>(
    app: &Arc<App>,
    work: impl FnOnce(&App) -> Result<T, Status> + Send + 'static,
) -> Result<Response<T>, Status> {
    let app = Arc::clone(app);
    blocking(move || work(&app)).await.map(Response::new)
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
