//! How calls flow: who is let in, for how long, and what is counted of them.
//!
//! A call comes over a connection ([`connections`]), passes one layer ([`layer`]) and reaches its
//! service. The layer holds what is true of every method; what only a service knows, how many
//! rows a call has, it tells to [`Flow`] by its [`Caller`].

mod admission;
mod body;
mod call;
mod caller;
mod calls;
mod connections;
mod deadline;
mod gathered;
mod heard;
mod incident;
mod layer;
mod method;
mod oversize;
mod probe;
mod seat;
mod state;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tonic::Status;

use crate::config::Config;
use crate::serving::{Costs, ServedModel};
use crate::telemetry::{Answered, Meters, Traces};

use self::admission::Admission;
pub(super) use self::admission::{Queued, Rows, Slot};
pub(super) use self::caller::{Caller, CancelOnDrop};
pub(super) use self::connections::{ConnectionSettings, Connections, HEADER_LIST, STREAMS};
pub(super) use self::incident::{contained, incident};
pub(super) use self::layer::FlowService;
pub use self::method::InvalidProtos;
pub(super) use self::method::Methods;
pub(super) use self::probe::serve as serve_probe;
use self::state::Counted;

/// What all calls to a server share.
#[derive(Clone, Debug)]
pub(super) struct Flow(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    admission: Admission,
    meters: Arc<Meters>,
    methods: Methods,
    traces: Option<Traces>,
    max_call: Duration,
    max_message_bytes: usize,
    phase: watch::Sender<Phase>,
    counted: Counted,
    costs: Costs,
}

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    /// It takes calls.
    Serving,
    /// It takes calls, but says that it will go.
    Leaving,
    /// It takes no connections, and ends calls that have no end of their own.
    Draining,
}

impl Flow {
    /// A flow by the configuration, for the methods of the protos.
    pub(super) fn new(
        config: &Config,
        meters: Arc<Meters>,
        traces: Option<Traces>,
    ) -> Result<Self, InvalidProtos> {
        let settings = &config.flow;
        Ok(Self(Arc::new(Inner {
            admission: Admission::new(settings.max_calls, settings.max_rows),
            methods: Methods::of_protos(&meters)?,
            meters,
            traces,
            max_call: settings.max_call,
            max_message_bytes: config.max_message_bytes,
            phase: watch::Sender::new(Phase::Serving),
            counted: Counted::from_now(),
            costs: Costs::default(),
        })))
    }

    pub(super) fn meters(&self) -> &Arc<Meters> {
        &self.0.meters
    }

    pub(super) fn methods(&self) -> &Methods {
        &self.0.methods
    }

    pub(super) fn traces(&self) -> Option<&Traces> {
        self.0.traces.as_ref()
    }

    /// Takes note of the rows that a version answered.
    pub(super) fn answered(
        &self,
        caller: &Caller,
        served: &ServedModel,
        (rows, took): (usize, Duration),
    ) {
        let manifest = served.manifest();
        let (model, version) = (manifest.model.as_str(), manifest.version);
        self.0.meters.predicted(model, version, rows, took);
        if let (Some(traces), Some(parent)) = (&self.0.traces, &caller.trace) {
            traces.answered(parent, Answered { model, version, rows, took });
        }
    }

    /// Moves on in the life of the server.
    pub(super) fn enter(&self, phase: Phase) {
        self.0.phase.send_replace(phase);
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.0.phase.subscribe()
    }

    /// Lets the rows of a call in: a call of its own is refused where there are too many at work,
    /// an item of a stream waits, and with it its sender.
    pub(super) async fn admit(&self, rows: usize, caller: &Caller) -> Result<Rows, Status> {
        let admission = &self.0.admission;
        if caller.waits {
            caller.in_time(admission.wait_for_rows(rows)).await
        } else {
            admission.try_rows(rows)
        }
    }

    /// Waits for a core for work of so long. A call of its own is refused where too much is to do
    /// before it, an item of a stream waits.
    pub(super) async fn core(
        &self,
        cost: Duration,
        caller: &Caller,
    ) -> Result<(Slot, Queued), Status> {
        caller.in_time(self.0.admission.core(cost, caller.patience())).await
    }

    /// What features cost that are not asked for a model.
    pub(super) fn costs(&self) -> &Costs {
        &self.0.costs
    }
}

#[cfg(test)]
mod tests;
