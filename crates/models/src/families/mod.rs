//! One file per architecture: what its `config.json` says, as a [`DecoderSpec`].
//!
//! [`DecoderSpec`]: crate::decoder::DecoderSpec

pub(crate) mod cohere2;
pub(crate) mod deepseek;
pub(crate) mod gemma2;
pub(crate) mod gemma3;
pub(crate) mod glm4;
pub(crate) mod gpt_oss;
pub(crate) mod granite;
pub(crate) mod llama;
pub(crate) mod ministral3;
pub(crate) mod mixtral;
pub(crate) mod olmo2;
pub(crate) mod phi3;
pub(crate) mod qwen2;
pub(crate) mod qwen3;
pub(crate) mod smollm3;
pub(crate) mod starcoder2;

use crate::ModelError;
use crate::config::{Config, limit};
use crate::parts::{MlpKind, MlpSpec, NormKind, NormSpec};

/// The keys that nearly all architectures share.
pub(crate) struct Common {
    pub(crate) layers: usize,
    pub(crate) vocab_size: usize,
    pub(crate) max_positions: usize,
    pub(crate) norm: NormSpec,
    pub(crate) mlp: MlpSpec,
    pub(crate) tied: Option<bool>,
}

impl Common {
    /// Reads and checks them; `max_positions` is what an absent key means.
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
        })
    }
}
