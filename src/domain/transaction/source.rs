//! Where histories come from.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{CustomerHistory, CustomerId, SymbolTable};

/// Histories of all customers that can be passed over any number of times.
pub trait HistorySource {
    /// Why a pass breaks off.
    type Error;

    /// The texts behind the symbols of the histories.
    fn symbols(&self) -> &Arc<SymbolTable>;

    /// Number of customers.
    fn customers(&self) -> u64;

    /// Visits all histories on `threads` threads.
    ///
    /// They are cut into chunks of neighbours in the order of [`CustomerId::placement`], the same
    /// at any number of threads. `visit` collects what it needs of a chunk in a value of `new`,
    /// which `finish` completes on the same thread; `sink` gets the results in order, until it
    /// breaks. Memory holds a few chunks per thread.
    ///
    /// # Errors
    /// When the histories cannot be read.
    fn scan_parallel<S, T: Send>(
        &mut self,
        threads: usize,
        new: impl Fn() -> S + Sync,
        visit: impl Fn(&mut S, &CustomerId, &CustomerHistory) + Sync,
        finish: impl Fn(S) -> T + Sync,
        sink: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Self::Error>;
}
