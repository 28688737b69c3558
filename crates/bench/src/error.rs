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
    /// The system has no memory for what is read to find its limit.
    #[error("The buffer that is read to measure the machine does not fit into memory: {0}")]
    Buffer(#[source] io::Error),
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
    /// The process for a model cannot be started.
    #[error("The process that holds a model cannot be started: {0}")]
    Worker(#[source] io::Error),
    /// The process for a model is gone.
    #[error(
        "The process that held `{model}` ended before it was done; it may have run out of memory"
    )]
    WorkerEnded {
        /// The model.
        model: String,
    },
    /// A model cannot be loaded or does not answer.
    #[error("`{model}` cannot be measured: {reason}")]
    Model {
        /// The model.
        model: String,
        /// The reason.
        reason: String,
    },
    /// More context than the model was made for.
    #[error(
        "`{model}` was made for {maximum} tokens, but {needed} are asked for: a context and the \
         answer after it, or a prompt; choose smaller `--contexts`"
    )]
    TooLong {
        /// The model.
        model: String,
        /// Tokens that are needed.
        needed: usize,
        /// Tokens that the model takes.
        maximum: usize,
    },
    /// The files of a model are damaged.
    #[error(transparent)]
    Format(#[from] mlxk_format::FormatError),
    /// A model that does not run here.
    #[error(transparent)]
    Unsupported(#[from] mlxk_models::ModelError),
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

/// Why a synthetic model cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    /// Neither a preset nor a file.
    #[error(
        "`{shape}` is neither the path of a `config.json` nor one of the shapes that are known by \
         name: {presets}"
    )]
    UnknownShape {
        /// What was asked for.
        shape: String,
        /// What there is.
        presets: String,
    },
    /// The vocabulary has no room for bytes.
    #[error(
        "The vocabulary of this model has no room for a token of each byte; it needs {} tokens",
        mlxk_format::gguf::GgufVocabulary::LEAST
    )]
    NoVocabulary,
    /// A small file cannot be written.
    #[error("Cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration is of no model that runs.
    #[error(transparent)]
    Model(#[from] mlxk_models::ModelError),
    /// The weights cannot be written, or the caller asked to stop.
    #[error(transparent)]
    Format(#[from] mlxk_format::FormatError),
    /// There is no such model in GGUF.
    #[error(transparent)]
    Export(#[from] mlxk_format::gguf::ExportError),
}

impl SyntheticError {
    /// Whether the caller asked to stop.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Format(mlxk_format::FormatError::Cancelled))
    }
}
