use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use patron::grpc::proto::feature_block::Values;
use patron::grpc::proto::predict_churn_request::Input;
use patron::grpc::proto::{PredictChurnRequest, PredictChurnResponse};
use tokio::net::TcpListener;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::Failure;

// As Patron has them.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
const FRAME: u32 = 1 << 20;

/// Answers every method of the prediction service as if it were `PredictChurn` by feature vectors,
/// from the requests and into the answers of Patron.
#[derive(Clone, Debug)]
pub(crate) struct Bare {
    coefficients: Arc<[f64]>,
}

impl Bare {
    /// A logistic regression of this many features.
    pub(crate) fn new(features: usize) -> Self {
        Self { coefficients: (0..features).map(|at| 0.1 - 0.01 * at as f64).collect() }
    }

    /// Serves until the process is ended.
    pub(crate) async fn serve(self, listen: SocketAddr) -> Result<(), Failure> {
        let listener = TcpListener::bind(listen).await?;
        writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
        tonic::transport::Server::builder()
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .add_service(self)
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await?;
        Ok(())
    }

    fn probability(&self, row: impl Iterator<Item = f32>) -> f32 {
        let products = self.coefficients.iter().zip(row).map(|(weight, x)| weight * f64::from(x));
        (1.0 / (1.0 + (-products.sum::<f64>()).exp())) as f32
    }

    fn answer(&self, request: PredictChurnRequest) -> Result<PredictChurnResponse, Status> {
        let Some(Input::Features(block)) = request.input else {
            return Err(Status::invalid_argument("expected features"));
        };
        let width = self.coefficients.len().max(1);
        let probabilities = match &block.values {
            Some(Values::F32Le(bytes)) => {
                let number = |chunk: &[u8; 4]| f32::from_le_bytes(*chunk);
                let rows = bytes.as_chunks::<4>().0.chunks_exact(width);
                rows.map(|row| self.probability(row.iter().map(number))).collect()
            }
            Some(Values::Floats(floats)) => {
                let rows = floats.values.chunks_exact(width);
                rows.map(|row| self.probability(row.iter().copied())).collect()
            }
            None => Vec::new(),
        };
        Ok(PredictChurnResponse { probabilities, ..PredictChurnResponse::default() })
    }
}

impl NamedService for Bare {
    const NAME: &'static str = "patron.v1.PredictionService";
}

impl Service<http::Request<tonic::body::Body>> for Bare {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let method = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(method, request).await) })
    }
}

impl UnaryService<PredictChurnRequest> for Bare {
    type Response = PredictChurnResponse;
    type Future = Ready<Result<Response<PredictChurnResponse>, Status>>;

    fn call(&mut self, request: Request<PredictChurnRequest>) -> Self::Future {
        ready(self.answer(request.into_inner()).map(Response::new))
    }
}
