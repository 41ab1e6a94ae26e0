//! The work on one question: admitted, timed, ended early when nobody waits for it.

use std::sync::Arc;
use std::time::Instant;

use tonic::Status;

use crate::app::App;
use crate::serving::{Answers, CallLimit, Predictor, ServedModel, ServingError};

use crate::grpc::blocking;
use crate::grpc::flow::{Caller, Flow};
use crate::grpc::status::from_serving;

/// What answers a question.
pub(super) struct Work {
    pub(super) app: Arc<App>,
    pub(super) request_id: String,
    predictor: Predictor,
    flow: Flow,
}

impl Work {
    /// Answers a question of so many rows: a short one at once, another when there is room, on a
    /// thread that may wait for the disk.
    pub(super) async fn run<T: Send + 'static>(
        (app, flow): (Arc<App>, &Flow),
        (rows, is_short): (usize, bool),
        caller: Caller,
        answer: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let _rows = flow.admit(rows, &caller).await?;
        let core = if is_short { None } else { Some(flow.core(&caller).await?) };
        let (limit, _cancelled_with_the_call) = caller.limit();
        let work = Self::new(app, flow.clone(), caller.request_id, limit);
        if core.is_none() {
            return answer(&work);
        }
        blocking(move || {
            // Work that was given up holds its core until it has ended.
            let _core = core;
            answer(&work)
        })
        .await
    }

    fn new(app: Arc<App>, flow: Flow, request_id: String, limit: CallLimit) -> Self {
        let predictor = app.predictor().within(limit);
        Self { app, request_id, predictor, flow }
    }

    /// Asks the predictor and counts the rows of its answer.
    pub(super) fn ask<T>(
        &self,
        question: impl FnOnce(&Predictor) -> Result<Answers<T>, ServingError>,
    ) -> Result<Answers<T>, Status> {
        let begun = Instant::now();
        let answers = question(&self.predictor).map_err(|error| from_serving(&error))?;
        self.answered(&answers.served, answers.rows.len(), begun);
        Ok(answers)
    }

    /// Counts the rows that a version answered.
    pub(super) fn answered(&self, served: &ServedModel, rows: usize, begun: Instant) {
        let manifest = served.manifest();
        let (model, version) = (manifest.model.as_str(), manifest.version);
        self.flow.meters().predicted(model, version, rows, begun.elapsed());
    }
}
