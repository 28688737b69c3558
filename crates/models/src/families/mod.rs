//! The model families, one file each. A file has everything that is particular to its family:
//! the `model_type`s it covers, how their `config.json` becomes a [`DecoderSpec`], and how their
//! tensors and keys are named in published checkpoints and in GGUF files.
//!
//! To add a family, write its file and add its `mod` line and its `FAMILY` below.

mod cohere2;
mod deepseek;
mod gemma2;
mod gemma3;
mod gguf;
mod glm4;
mod gpt_oss;
mod granite;
mod llama;
mod ministral3;
mod mixtral;
mod olmo2;
mod phi3;
mod published;
mod qwen2;
mod qwen3;
mod smollm3;
mod starcoder2;

use mlxk_format::gguf::GgufArchitecture;
use mlxk_ops::RopeSpec;

use crate::ModelError;
use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Names};
use crate::parts::{MlpKind, MlpSpec, NormKind, NormSpec};

use published::Published;
pub use published::PublishedNames;

/// All families.
pub(crate) const FAMILIES: &[Family] = &[
    cohere2::FAMILY,
    deepseek::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    glm4::FAMILY,
    gpt_oss::FAMILY,
    granite::FAMILY,
    llama::FAMILY,
    ministral3::FAMILY,
    mixtral::FAMILY,
    olmo2::FAMILY,
    phi3::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    smollm3::FAMILY,
    starcoder2::FAMILY,
];

/// The architectures of one file.
pub(crate) struct Family {
    /// Name for tables, such as `Qwen3`.
    pub(crate) name: &'static str,
    /// Counterpart in GGUF files, if they can be imported.
    pub(crate) gguf: Option<&'static GgufArchitecture>,
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
    const fn new(model_type: &'static str, examples: &'static str, spec: ReadSpec) -> Self {
        Self { model_type, examples, spec, wrapper: false, published: &Published::AS_IN_MLX }
    }
}

/// Sizes and settings that all decoders have.
pub(crate) struct Common {
    /// Width of the residual stream.
    pub(crate) hidden: usize,
    /// Number of layers.
    pub(crate) layers: usize,
    pub(crate) vocab_size: usize,
    pub(crate) max_positions: usize,
    pub(crate) norm: NormSpec,
    pub(crate) mlp: MlpSpec,
    /// See [`DecoderSpec::tied`].
    pub(crate) tied: Option<bool>,
}

impl Common {
    /// Reads and checks the keys that nearly all families share. `max_positions` is used if its key
    /// is absent.
    pub(crate) fn from_config(
        config: &Config<'_>,
        max_positions: usize,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            layers: config.size("num_hidden_layers", limit::LAYERS)?,
            vocab_size: config.size("vocab_size", limit::VOCAB)?,
            max_positions: config
                .optional_size("max_position_embeddings", limit::POSITIONS)?
                .unwrap_or(max_positions),
            norm: NormSpec { kind: NormKind::Rms, eps: config.positive("rms_norm_eps")? as f32 },
            mlp: MlpSpec {
                kind: MlpKind::Gated,
                bias: config.flag("mlp_bias")?.unwrap_or(false),
                ..MlpSpec::gated(config.size("intermediate_size", limit::WIDTH)?)
            },
            tied: config.flag("tie_word_embeddings")?,
            hidden: config.size("hidden_size", limit::WIDTH)?,
        })
    }

    /// Returns a decoder of these sizes with the usual names and without factors.
    fn decoder(&self, ropes: Vec<RopeSpec>, layers: Vec<Vec<BlockSpec>>) -> DecoderSpec {
        DecoderSpec {
            prefix: "",
            skipped: &[],
            names: Names::USUAL,
            hidden: self.hidden,
            vocab_size: self.vocab_size,
            max_positions: self.max_positions,
            embed_scale: 1.0,
            norm: self.norm,
            residual_scale: None,
            ropes,
            layers,
            tied: self.tied,
            logit_scale: None,
            logit_cap: None,
        }
    }
}
