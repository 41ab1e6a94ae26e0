//! A shop whose truth is known: transactions as real shops have them, and the truth beside them.
//!
//! [`simulate`] writes a directory. The same [`Plan`] gives the same bytes at any number of
//! threads. The generating equations, their parameters and their sources stand in
//! `docs/SIMULATOR.md`.

mod aftermath;
mod calendar;
mod customer;
mod demand;
mod line;
mod market;
mod orders;
mod output;
mod parameters;
mod plan;
mod random;
mod run;
mod shop;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::{Path, PathBuf};

pub use self::line::Counts;
pub use self::output::Written;
pub use self::parameters::{LEVELS, Parameters};
pub use self::plan::{FileFormat, InvalidPlan, Plan, Size};
pub use self::run::{Simulated, simulate};

/// Why a shop was not simulated.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SimulationError {
    /// The plan does not hold.
    #[error(transparent)]
    Plan(#[from] InvalidPlan),
    /// Something is there already.
    #[error("{}: expected an empty directory, found files; name another or allow to overwrite", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("{}: {problem}", path.display())]
    Output {
        /// The file or directory.
        path: PathBuf,
        /// What happened.
        problem: String,
    },
    /// The caller asked for the end.
    #[error("stopped before the end; the directory has no truth.json")]
    Stopped,
}

impl SimulationError {
    fn output(path: &Path) -> impl Fn(&dyn Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Output { path: path.clone(), problem: error.to_string() }
    }
}
