//! When an answer is not wanted any more.

use std::time::Instant;

use crate::model::CancelToken;

use super::ServingError;

/// Ends the work on a question early; without a limit by default.
#[derive(Clone, Debug, Default)]
pub struct CallLimit {
    deadline: Option<Instant>,
    cancel: CancelToken,
}

impl CallLimit {
    /// Rows that are worked on between two looks at the limit: a few milliseconds where each is a
    /// customer of the store.
    pub const BLOCK: usize = 256;

    /// Ends the work at `deadline`, or when `cancel` is set.
    pub fn new(deadline: Option<Instant>, cancel: CancelToken) -> Self {
        Self { deadline, cancel }
    }

    /// Whether the work shall go on.
    ///
    /// # Errors
    /// When nobody waits for it any more.
    pub fn check(&self) -> Result<(), ServingError> {
        if self.cancel.is_cancelled() {
            return Err(ServingError::Cancelled);
        }
        if self.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(ServingError::DeadlineExceeded);
        }
        Ok(())
    }

    /// Looks at the limit at the first row of every block.
    ///
    /// # Errors
    /// As [`CallLimit::check`].
    pub fn check_row(&self, row: usize) -> Result<(), ServingError> {
        if row.is_multiple_of(Self::BLOCK) { self.check() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_work_ends_at_the_deadline_and_when_it_is_cancelled() {
        assert!(CallLimit::default().check().is_ok());
        let cancel = CancelToken::default();
        let later = Instant::now() + Duration::from_secs(3_600);
        let limit = CallLimit::new(Some(later), cancel.clone());
        assert!(limit.check().is_ok());
        cancel.cancel();
        assert!(matches!(limit.check(), Err(ServingError::Cancelled)));
        let limit = CallLimit::new(Some(Instant::now()), CancelToken::default());
        assert!(matches!(limit.check(), Err(ServingError::DeadlineExceeded)));
        assert!(limit.check_row(1).is_ok());
        assert!(limit.check_row(CallLimit::BLOCK).is_err());
    }
}
