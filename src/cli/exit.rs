//! How a command ends: the exit codes and what can go wrong.

use std::process::ExitCode;

use tonic::Status;

use crate::access::FileError;
use crate::config::InvalidConfig;

use super::arguments::InvalidArgument;
use super::status;

/// An exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Exit {
    Done = 0,
    Refused = 1,
    Unreachable = 2,
    Usage = 64,
    Data = 65,
    Output = 74,
    Configuration = 78,
    Interrupted = 130,
}

/// Every exit code with its meaning, as `patron --help` shows it.
const MEANINGS: [(Exit, &str); 8] = [
    (Exit::Done, "done"),
    (Exit::Refused, "the server refused, a job failed, or a process could not start or go on"),
    (Exit::Unreachable, "the server cannot be reached, or the connection broke"),
    (Exit::Usage, "wrong arguments"),
    (Exit::Data, "a file cannot be read, or its content does not hold"),
    (Exit::Output, "the answer could not be written"),
    (Exit::Configuration, "the configuration does not hold"),
    (Exit::Interrupted, "interrupted"),
];

/// The table of exit codes for the help.
pub(super) fn help() -> String {
    let lines = MEANINGS.iter().map(|(exit, meaning)| format!("  {:>3}  {meaning}\n", *exit as u8));
    format!("Exit codes:\n{}", lines.collect::<String>())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The server answered with an error, or the connection broke.
    #[error("{}", status::describe(.0))]
    Status(Box<Status>),
    /// A job failed, was cancelled, or something else was refused.
    #[error("{0}")]
    Refused(String),
    /// Nobody answers.
    #[error("{endpoint}: cannot connect: {problem}; is `patron serve` running there?")]
    Unreachable {
        /// The address that was tried.
        endpoint: String,
        /// What happened.
        problem: String,
    },
    /// The connection ended too early.
    #[error("{0}")]
    Broken(String),
    /// A wrong argument.
    #[error(transparent)]
    Usage(#[from] InvalidArgument),
    /// A file of the caller.
    #[error("{path}: {problem}")]
    Data {
        /// Its path.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Standard output, or a file of ours.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
    /// The file of API keys.
    #[error(transparent)]
    Keys(#[from] FileError),
    /// The configuration.
    #[error(transparent)]
    Configuration(#[from] InvalidConfig),
    /// A signal; the text says what goes on without us.
    #[error("{0}")]
    Interrupted(String),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

impl Failure {
    /// A file of the caller that cannot be used.
    pub(super) fn data(path: &std::path::Path, problem: impl ToString) -> Self {
        Self::Data { path: path.display().to_string(), problem: problem.to_string() }
    }

    /// The exit code.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Status(status) if status::is_transport(status) => Exit::Unreachable,
            Self::Status(_) | Self::Refused(_) => Exit::Refused,
            Self::Unreachable { .. } | Self::Broken(_) => Exit::Unreachable,
            Self::Usage(_) => Exit::Usage,
            Self::Data { .. } | Self::Keys(_) => Exit::Data,
            Self::Output(_) => Exit::Output,
            Self::Configuration(_) => Exit::Configuration,
            Self::Interrupted(_) => Exit::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_tells_every_code() {
        let help = help();
        for code in ["0  done", "1  ", "2  ", "64", "65", "74", "78", "130"] {
            assert!(help.contains(code), "{code} is missing in\n{help}");
        }
    }

    #[test]
    fn a_refusal_is_not_a_broken_connection() {
        let refused = Failure::from(Status::not_found("no model"));
        let mut broken = Status::unavailable("connection refused");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("refused")));
        assert_eq!(refused.exit(), Exit::Refused);
        assert_eq!(Failure::from(broken).exit(), Exit::Unreachable);
    }
}
