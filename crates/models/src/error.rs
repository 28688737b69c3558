//! What can go wrong between a checkpoint and a model.

use mlxk_format::FormatError;
use mlxk_ops::OpsError;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// `config.json` names an architecture that is not built in.
    #[error("Models of type `{model_type}` are not supported; supported are {supported}")]
    UnknownModelType {
        /// `model_type` of `config.json`.
        model_type: String,
        /// The types that run, as one list.
        supported: String,
    },
    /// A model of several modalities.
    #[error(
        "Models of type `{model_type}` hold their language model under `text_config`, which is \
         not supported; use a text-only conversion of type {supported}"
    )]
    Multimodal {
        /// `model_type` of `config.json`.
        model_type: String,
        /// The types that run, as one list.
        supported: String,
    },
    /// A key that the model cannot do without.
    #[error("`config.json` has no `{key}`")]
    MissingKey {
        /// The key, with dots.
        key: String,
    },
    /// A value that cannot be.
    #[error("`{key}` in `config.json` is {found}, but {expected} is needed")]
    BadValue {
        /// The key, with dots.
        key: String,
        /// The value as JSON, shortened.
        found: String,
        /// What would do.
        expected: String,
    },
    /// A value that is legal, but that this build does not compute.
    #[error(
        "`{key}` in `config.json` is `{found}`, which is not supported; supported: {supported}"
    )]
    Unsupported {
        /// The key, with dots.
        key: String,
        /// The value.
        found: String,
        /// What runs.
        supported: &'static str,
    },
    /// A tensor that the architecture does not have.
    #[error(
        "Tensor `{tensor}` has no place in a model of type `{model_type}`; \
         `config.json` and the weights do not belong together"
    )]
    UnusedTensor {
        /// The first such tensor.
        tensor: String,
        /// `model_type` of `config.json`.
        model_type: String,
    },
    /// The checkpoint is damaged or incomplete.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The device refused a weight.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The caller asked to stop.
    #[error("The loading was cancelled")]
    Cancelled,
}
