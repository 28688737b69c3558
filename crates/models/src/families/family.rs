//! The declaration of a family.

use mlxk_format::gguf::GgufArchitecture;

use super::published::Published;
use crate::config::Config;
use crate::decoder::DecoderSpec;
use crate::error::ModelError;

/// The architectures of one file.
pub(crate) struct Family {
    /// Name for tables, such as `Qwen3`.
    pub(crate) name: &'static str,
    /// Counterparts in GGUF files, which can be imported.
    pub(crate) gguf: &'static [GgufArchitecture],
    pub(crate) architectures: &'static [Architecture],
}

/// One `model_type` of `config.json`.
pub(crate) struct Architecture {
    pub(crate) model_type: &'static str,
    /// Well-known models of this type, separated by commas.
    pub(crate) examples: &'static str,
    pub(crate) spec: ReadSpec,
    /// `true` if the language model's configuration is nested under `text_config`.
    pub(crate) wrapper: bool,
    /// Names of the tensors in published checkpoints.
    pub(crate) published: &'static Published,
}

/// Reads and checks a `config.json`.
type ReadSpec = fn(&Config<'_>) -> Result<DecoderSpec, ModelError>;

impl Architecture {
    /// Returns an architecture for text only, with the same tensor names in MLX as elsewhere.
    pub(super) const fn new(
        model_type: &'static str,
        examples: &'static str,
        spec: ReadSpec,
    ) -> Self {
        Self { model_type, examples, spec, wrapper: false, published: &Published::AS_IN_MLX }
    }
}
