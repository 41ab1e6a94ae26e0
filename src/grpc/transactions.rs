//! `TransactionService`: ingest, import, look, erase.

mod customer;
mod import;
mod ingest;

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::app::App;
use crate::store::JobKind;

use super::access::{audit_job, caller};
use super::answered;
use super::convert::{Page, check_request_id};
use super::flow::Flow;
use super::jobs::{self, ListOf, Watched};
use super::proto::{self, transaction_service_server::TransactionService};

/// Serves transactions.
#[derive(Clone, Debug)]
pub(super) struct Transactions {
    app: Arc<App>,
    flow: Flow,
}

impl Transactions {
    pub(super) fn new(app: Arc<App>, flow: Flow) -> Self {
        Self { app, flow }
    }
}

#[tonic::async_trait]
impl TransactionService for Transactions {
    type IngestTransactionsStream =
        Pin<Box<dyn Stream<Item = Result<proto::IngestTransactionsResponse, Status>> + Send>>;
    type WatchImportJobStream = Watched<proto::ImportJob>;

    async fn ingest_transactions(
        &self,
        request: Request<Streaming<proto::IngestTransactionsRequest>>,
    ) -> Result<Response<Self::IngestTransactionsStream>, Status> {
        let (app, meters) = (Arc::clone(&self.app), Arc::clone(self.flow.meters()));
        Ok(Response::new(ingest::answer(app, meters, request.into_inner())))
    }

    async fn import_transactions(
        &self,
        request: Request<proto::ImportTransactionsRequest>,
    ) -> Result<Response<proto::ImportJob>, Status> {
        let caller = caller(&request);
        answered(&self.app, move |app| {
            let job = import::create(app, request.into_inner())?;
            audit_job(app, &caller, "import.create", (&job.source_uri, &job.job_id))?;
            Ok(job)
        })
        .await
    }

    async fn get_import_job(
        &self,
        request: Request<proto::GetImportJobRequest>,
    ) -> Result<Response<proto::ImportJob>, Status> {
        let proto::GetImportJobRequest { job_id } = request.into_inner();
        answered(&self.app, move |app| {
            Ok(import::wire(app, &jobs::find(app, JobKind::Import, &job_id)?))
        })
        .await
    }

    async fn list_import_jobs(
        &self,
        request: Request<proto::ListImportJobsRequest>,
    ) -> Result<Response<proto::ListImportJobsResponse>, Status> {
        let proto::ListImportJobsRequest { page_size, page_token, state } = request.into_inner();
        let page = Page::new(page_size, page_token)?;
        answered(&self.app, move |app| {
            let wanted = ListOf { kind: JobKind::Import, page, state, subject: String::new() };
            let (found, next_page_token) = jobs::list(app, &wanted)?;
            let jobs = found.iter().map(|job| import::without_refusals(import::wire(app, job)));
            let jobs = jobs.collect();
            Ok(proto::ListImportJobsResponse { jobs, next_page_token })
        })
        .await
    }

    async fn watch_import_job(
        &self,
        request: Request<proto::WatchImportJobRequest>,
    ) -> Result<Response<Self::WatchImportJobStream>, Status> {
        let proto::WatchImportJobRequest { job_id } = request.into_inner();
        jobs::watch(Arc::clone(&self.app), JobKind::Import, job_id, import::wire).await
    }

    async fn cancel_import_job(
        &self,
        request: Request<proto::CancelImportJobRequest>,
    ) -> Result<Response<proto::ImportJob>, Status> {
        let caller = caller(&request);
        let proto::CancelImportJobRequest { job_id, request_id } = request.into_inner();
        check_request_id(&request_id)?;
        answered(&self.app, move |app| {
            let job = import::wire(app, &jobs::cancel(app, JobKind::Import, &job_id)?);
            audit_job(app, &caller, "import.cancel", (&job.source_uri, &job.job_id))?;
            Ok(job)
        })
        .await
    }

    async fn get_customer(
        &self,
        request: Request<proto::GetCustomerRequest>,
    ) -> Result<Response<proto::Customer>, Status> {
        answered(&self.app, move |app| customer::get(app, request.into_inner())).await
    }

    async fn erase_customer(
        &self,
        request: Request<proto::EraseCustomerRequest>,
    ) -> Result<Response<proto::EraseCustomerResponse>, Status> {
        let caller = caller(&request);
        answered(&self.app, move |app| customer::erase(app, &caller, &request.into_inner())).await
    }
}
