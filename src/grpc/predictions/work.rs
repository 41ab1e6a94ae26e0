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
pub(in crate::grpc) struct Work {
    pub(in crate::grpc) app: Arc<App>,
    pub(in crate::grpc) caller: Caller,
    predictor: Predictor,
    limit: CallLimit,
    flow: Flow,
}

impl Work {
    /// Answers a question of so many rows: a short one at once, another when there is room, on a
    /// thread that may wait for the disk.
    pub(in crate::grpc) async fn run<T: Send + 'static>(
        (app, flow): (Arc<App>, &Flow),
        (rows, is_short): (usize, bool),
        caller: Caller,
        answer: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let _rows = flow.admit(rows, &caller).await?;
        let core = if is_short { None } else { Some(flow.core(&caller).await?) };
        let (limit, _cancelled_with_the_call) = caller.limit();
        let work = Self::new(app, flow.clone(), caller, limit);
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

    fn new(app: Arc<App>, flow: Flow, caller: Caller, limit: CallLimit) -> Self {
        let predictor = app.predictor().within(limit.clone());
        Self { app, caller, predictor, limit, flow }
    }

    /// When nobody waits for the answer any more.
    pub(in crate::grpc) fn limit(&self) -> &CallLimit {
        &self.limit
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
    pub(in crate::grpc) fn answered(&self, served: &ServedModel, rows: usize, begun: Instant) {
        self.flow.answered(&self.caller, served, (rows, begun.elapsed()));
    }
}
