//! What can go wrong in a measurement.

use std::io;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The processor lacks the instructions that were asked for.
    #[error("This processor does not have the instructions of `{0:?}`")]
    NoInstructions(mlxk_cpu::InstructionSet),
    /// The system refuses threads.
    #[error("The threads for the measurement cannot be started: {0}")]
    Threads(#[source] io::Error),
    /// A product does not fit into memory several times.
    #[error(
        "A product of {out}×{cols} needs {needed} bytes for its weights, but only {available} are \
         available; measure a smaller `--shape`"
    )]
    TooLarge {
        /// Rows of the weight.
        out: usize,
        /// Columns of the weight.
        cols: usize,
        /// Bytes of one copy.
        needed: u64,
        /// Bytes that the system could give.
        available: u64,
    },
    /// A form of weights whose groups do not divide the columns.
    #[error(
        "Weights of {form} have groups of {group_size}, which do not divide {cols} columns; \
         choose another `--mode` or `--shape`"
    )]
    Groups {
        /// The form.
        form: String,
        /// Its group size.
        group_size: usize,
        /// Columns of the matrix.
        cols: usize,
    },
    /// A clock that stands still.
    #[error("The clock of this machine gives no times that could be compared")]
    NoFigures,
    /// The device refuses an operation.
    #[error(transparent)]
    Ops(#[from] mlxk_ops::OpsError),
    /// The caller asked to stop.
    #[error("The measurement was stopped")]
    Cancelled,
}

impl BenchError {
    /// The error of starting a device, for the instruction set that was asked for.
    pub(crate) fn starting(
        set: Option<mlxk_cpu::InstructionSet>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |error| match (error.kind(), set) {
            (io::ErrorKind::Unsupported, Some(set)) => Self::NoInstructions(set),
            _ => Self::Threads(error),
        }
    }
}
