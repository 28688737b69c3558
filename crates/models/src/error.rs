//! Errors between a checkpoint and a model.

use std::path::PathBuf;

use mlxk_format::FormatError;
use mlxk_ops::OpsError;

/// Any failure of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No family has the `model_type` of `config.json`.
    #[error("Model type `{model_type}` is not supported; see `mlxk list --supported`")]
    UnknownModelType {
        /// `model_type` of `config.json`.
        model_type: String,
    },
    /// The language model is nested in a multimodal model that is not supported.
    #[error(
        "Model type `{model_type}` with a nested `text_config` is not supported; see \
         `mlxk list --supported`"
    )]
    Multimodal {
        /// `model_type` of `config.json`.
        model_type: String,
    },
    /// A required key is missing.
    #[error("`config.json` has no `{key}`")]
    MissingKey {
        /// Path of the key, with dots.
        key: String,
    },
    /// A value is invalid.
    #[error("`{key}` in `config.json` is {found}, but must be {expected}")]
    BadValue {
        /// Path of the key, with dots.
        key: String,
        /// The value as JSON, shortened to a line.
        found: String,
        /// Description of valid values.
        expected: String,
    },
    /// A value is valid, but not supported.
    #[error(
        "`{key}` in `config.json` is `{found}`, which is not supported; supported: {supported}"
    )]
    Unsupported {
        /// Path of the key, with dots.
        key: String,
        /// The value.
        found: String,
        /// Supported values, as one list.
        supported: &'static str,
    },
    /// The checkpoint has a tensor that the architecture does not have.
    #[error(
        "Tensor `{tensor}` has no place in a model of type `{model_type}`; \
         `config.json` does not match the weights"
    )]
    UnusedTensor {
        /// Name of the first such tensor.
        tensor: String,
        /// `model_type` of `config.json`.
        model_type: String,
    },
    /// Experts of a layer have different types.
    #[error("The experts in `{path}` are quantized in different ways; they must all be alike")]
    MixedExperts {
        /// Path of the module of all experts.
        path: String,
    },
    /// The checkpoint is as it was published, and that differs from MLX's form.
    #[error(
        "The weights in `{}` are not in MLX's form; convert them with \
         `mlxk convert SOURCE TARGET` first", path.display()
    )]
    NotInMlxForm {
        /// Folder of the checkpoint.
        path: PathBuf,
    },
    /// The checkpoint is damaged or incomplete.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The device refused a weight.
    #[error(transparent)]
    Ops(#[from] OpsError),
    /// The caller cancelled the loading.
    #[error("Loading was cancelled")]
    Cancelled,
}
