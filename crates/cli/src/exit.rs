//! Exit codes, and the two errors that have a code of their own.

use std::process::ExitCode;

/// Exit codes of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitStatus {
    Success = 0,
    /// The command failed for a reason outside this program.
    Failure = 1,
    /// The command line is invalid.
    Usage = 2,
    /// A defect of this program.
    Internal = 3,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status as u8)
    }
}

/// The command was interrupted, and the user knows why.
#[derive(Debug, thiserror::Error)]
#[error("Interrupted")]
pub(crate) struct Interrupted;

/// An invalid argument, or an invalid combination of arguments.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub String);
