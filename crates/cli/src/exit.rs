//! What the process tells its caller.

use std::io;
use std::process::ExitCode;

use mlxk_hub::HubError;

use crate::json::WithData;

/// Exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ExitStatus {
    /// All went well.
    Success = 0,
    /// The command failed for a reason that the user can do something about.
    Failure = 1,
    /// The command line makes no sense.
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

/// The command was interrupted; nothing more is to be said.
#[derive(Debug, thiserror::Error)]
#[error("Interrupted")]
pub(crate) struct Interrupted;

/// A combination of arguments that makes no sense.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub String);

impl ExitStatus {
    /// The status for an error that ended a command.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if let Some(with) = error.downcast_ref::<WithData>() {
            return Self::of(&with.error);
        }
        if error.is::<Interrupted>() || matches!(error.downcast_ref(), Some(HubError::Cancelled)) {
            return Self::Interrupted;
        }
        if error.is::<UsageError>() {
            return Self::Usage;
        }
        if matches!(error.downcast_ref(), Some(mlxk_engine::EngineError::Panicked { .. })) {
            return Self::Internal;
        }
        let broken_pipe = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        // Whoever read our output has enough: that is no failure.
        if broken_pipe { Self::Success } else { Self::Failure }
    }
}
