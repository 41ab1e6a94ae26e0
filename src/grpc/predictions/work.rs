//! The work on one question: admitted, timed, ended early when nobody waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tonic::Status;

use crate::app::App;
use crate::serving::{Answers, CallLimit, Costs, Predictor, ServedModel, ServingError, Way};

use crate::grpc::blocking;
use crate::grpc::flow::{Caller, Flow};
use crate::grpc::status::from_serving;

/// Work that is done on the task that received it; while it lasts, the other calls of the connection
/// wait.
const SHORT: Duration = Duration::from_micros(250);

/// A question before it is answered.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct Load {
    /// Its rows.
    pub(in crate::grpc) rows: usize,
    /// What is done with a row.
    pub(in crate::grpc) way: Way,
    /// The version that it means, where it is in memory.
    pub(in crate::grpc) served: Option<Arc<ServedModel>>,
}

impl Load {
    fn cost(&self) -> Duration {
        let unknown = Costs::default();
        let costs = self.served.as_ref().map_or(&unknown, |served| served.costs());
        costs.estimate(self.way, self.rows)
    }

    fn took(&self, time: Duration) {
        if let Some(served) = &self.served {
            served.costs().learn(self.way, self.rows, time);
        }
    }
}

/// What answers a question.
pub(in crate::grpc) struct Work {
    pub(in crate::grpc) app: Arc<App>,
    pub(in crate::grpc) caller: Caller,
    predictor: Predictor,
    limit: CallLimit,
    flow: Flow,
}

impl Work {
    /// Answers a question: a short one at once, another when there is room, on a thread that may
    /// wait for the disk.
    pub(in crate::grpc) async fn run<T: Send + 'static>(
        (app, flow): (Arc<App>, &Flow),
        load: Load,
        caller: Caller,
        answer: impl FnOnce(&Self) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let _rows = flow.admit(load.rows, &caller).await?;
        let cost = load.cost();
        // A version that is not in memory comes from the disk first.
        let is_short = cost <= SHORT && load.served.is_some();
        let turn = if is_short { None } else { Some(flow.core(cost, &caller).await?) };
        let (limit, _cancelled_with_the_call) = caller.limit();
        let work = Self::new(app, flow.clone(), caller, limit);
        let answer = move || {
            let begun = Instant::now();
            let answered = answer(&work)?;
            load.took(begun.elapsed());
            Ok(answered)
        };
        let Some((core, _queued)) = turn else {
            return answer();
        };
        blocking(move || {
            // Work that was given up holds its core until it has ended.
            let _core = core;
            answer()
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
