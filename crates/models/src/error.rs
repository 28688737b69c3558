//! What can go wrong between a checkpoint and a model.

use mlxk_format::FormatError;
use mlxk_ops::OpsError;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No family has the `model_type` of `config.json`.
    #[error(
        "Model type `{model_type}` is not supported; see `mlxk list --supported` or docs/models.md"
    )]
    UnknownModelType {
        /// `model_type` of `config.json`.
        model_type: String,
    },
    /// The language model is nested in a multimodal model that is not supported.
    #[error(
        "Model type `{model_type}` with a nested `text_config` is not supported; see \
         `mlxk list --supported` or docs/models.md"
    )]
    Multimodal {
        /// `model_type` of `config.json`.
        model_type: String,
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
