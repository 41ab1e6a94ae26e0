//! A call counts as at work from its arrival, but not while its caller is still sending.
//!
//! Otherwise a few slow senders would hold all seats, and the server would refuse everyone else
//! while it does nothing.

use std::sync::{Arc, Mutex, PoisonError};

use tonic::Status;

use super::Flow;
use super::admission::Admitted;

/// The seat of one call.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    flow: Flow,
    taken: Arc<Mutex<Option<Admitted>>>,
}

impl Seat {
    /// Takes a seat, where there is one.
    pub(super) fn take(flow: &Flow) -> Result<Self, Status> {
        let taken = flow.0.admission.try_call()?;
        Ok(Self { flow: flow.clone(), taken: Arc::new(Mutex::new(Some(taken))) })
    }

    /// Gives it to somebody else.
    pub(super) fn leave(&self) {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes one again after it was left.
    pub(super) fn retake(&self) -> Result<(), Status> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.is_none() {
            *taken = Some(self.flow.0.admission.try_call()?);
        }
        Ok(())
    }
}
