//! Sizes and settings that nearly all families read in the same way.

use mlxk_ops::RopeSpec;

use crate::config::{Config, limit};
use crate::decoder::{BlockSpec, DecoderSpec, Names};
use crate::error::ModelError;
use crate::head::HeadSpec;
use crate::model::Output;
use crate::parts::{MlpSpec, NormSpec};

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
    /// Reads and checks the keys that nearly all families share, with norms by root mean square.
    /// `max_positions` is used if its key is absent.
    pub(crate) fn from_config(
        config: &Config<'_>,
        max_positions: usize,
    ) -> Result<Self, ModelError> {
        Self::with_norm(config, max_positions, NormSpec::rms(config.positive("rms_norm_eps")?))
    }

    /// Reads and checks the keys that nearly all families share, but for those of the norms.
    pub(crate) fn with_norm(
        config: &Config<'_>,
        max_positions: usize,
        norm: NormSpec,
    ) -> Result<Self, ModelError> {
        Ok(Self {
            layers: config.size("num_hidden_layers", limit::LAYERS)?,
            vocab_size: config.size("vocab_size", limit::VOCAB)?,
            max_positions: config
                .optional_size("max_position_embeddings", limit::POSITIONS)?
                .unwrap_or(max_positions),
            norm,
            mlp: MlpSpec {
                bias: config.flag("mlp_bias")?.unwrap_or(false),
                ..MlpSpec::gated(config.size("intermediate_size", limit::WIDTH)?)
            },
            tied: config.flag("tie_word_embeddings")?,
            hidden: config.size("hidden_size", limit::WIDTH)?,
        })
    }

    /// Returns a decoder of these sizes with the usual names and without factors.
    pub(crate) fn decoder(&self, ropes: Vec<RopeSpec>, layers: Vec<Vec<BlockSpec>>) -> DecoderSpec {
        DecoderSpec {
            prefix: "",
            other_prefixes: &[],
            skipped: &[],
            names: Names::USUAL,
            packed: Vec::new(),
            hidden: self.hidden,
            vocab_size: self.vocab_size,
            max_positions: self.max_positions,
            embed_scale: 1.0,
            positions: None,
            token_types: None,
            embed_norm: None,
            ngrams: None,
            layer_inputs: None,
            streams: None,
            layer_scalar: None,
            block_factors: &[],
            norm: self.norm,
            norm_out: None,
            norm_offsets: &[],
            norm_stream: false,
            last_norm: None,
            has_last_norm: true,
            residual_scale: None,
            ropes,
            layers,
            later_layers: None,
            distinct_layers: None,
            norm_between: false,
            tied: self.tied,
            bare_head: false,
            unit_head: None,
            head_factor: None,
            head_bias: false,
            output: Output::Logits,
            head: HeadSpec::default(),
            logit_scale: None,
            banned: Vec::new(),
            logit_cap: None,
        }
    }
}
