//! Errors of measurements.

use std::io;

/// Any error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    #[error("This processor doesn't support `{0:?}`")]
    NoInstructions(mlxk_cpu::InstructionSet),
    #[error("Cannot start threads for the measurement: {0}")]
    Threads(#[source] io::Error),
    #[error("Not enough memory for the buffer that measures the machine: {0}")]
    Buffer(#[source] io::Error),
    #[error(
        "Not enough memory: weights of {out}×{cols} need {needed} bytes, but only {available} are \
         available; measure a smaller `--shape`"
    )]
    TooLarge { out: usize, cols: usize, needed: u64, available: u64 },
    #[error(
        "Groups of {group_size} ({form}) do not divide {cols} columns; choose another `--mode` or \
         `--shape`"
    )]
    Groups { form: String, group_size: usize, cols: usize },
    #[error("The clock of this machine is too coarse to measure anything")]
    NoFigures,
    #[error("Cannot start the process that holds a model: {0}")]
    Worker(#[source] io::Error),
    #[error("The process that held `{model}` ended early; it may have run out of memory")]
    WorkerEnded { model: String },
    #[error("Cannot measure `{model}`: {reason}")]
    Model { model: String, reason: String },
    #[error(
        "`{model}` supports {maximum} tokens, but {needed} are needed; choose smaller \
         `--contexts`, `--prompt-tokens` or `--max-tokens`"
    )]
    TooLong { model: String, needed: usize, maximum: usize },
    #[error(transparent)]
    Format(#[from] mlxk_format::FormatError),
    #[error(transparent)]
    Unsupported(#[from] mlxk_models::ModelError),
    #[error(transparent)]
    Ops(#[from] mlxk_ops::OpsError),
    #[error("The work is not equal: {reason}")]
    Unequal { reason: String },
    #[error("{error}")]
    Unable { error: String, suggestion: Option<String> },
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Gpu(#[from] mlxk_gpu::GpuError),
    #[cfg(feature = "gpu")]
    #[error("Cannot write the shapes of kernels that were measured: {0}")]
    Shapes(#[source] io::Error),
    #[error("The measurement was stopped")]
    Cancelled,
}

impl BenchError {
    /// Returns a function that turns the error of starting a device with `set` into one of this
    /// crate.
    pub(crate) fn starting(
        set: Option<mlxk_cpu::InstructionSet>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |error| match (error.kind(), set) {
            (io::ErrorKind::Unsupported, Some(set)) => Self::NoInstructions(set),
            _ => Self::Threads(error),
        }
    }
}

/// Reason that a synthetic model cannot be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyntheticError {
    #[error(
        "`{shape}` is neither the path of a `config.json` nor a known shape (known: {presets})"
    )]
    UnknownShape { shape: String, presets: String },
    #[error(
        "The vocabulary of this model is too small: it needs a token for each byte, {} in all",
        mlxk_format::gguf::GgufVocabulary::LEAST
    )]
    NoVocabulary,
    #[error("Cannot write `{}`: {source}", path.display())]
    Write { path: std::path::PathBuf, source: io::Error },
    #[error(transparent)]
    Model(#[from] mlxk_models::ModelError),
    #[error(transparent)]
    Format(#[from] mlxk_format::FormatError),
    #[error(transparent)]
    Export(#[from] mlxk_format::gguf::ExportError),
}

impl SyntheticError {
    /// Returns `true` if the caller stopped the work.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Format(mlxk_format::FormatError::Cancelled))
    }
}
