//! Command R7B and Command A (Cohere, 2024, arXiv:2504.00698): attention and the feed-forward part run
//! in parallel. Three of four layers have a window and rotary positions, the fourth has neither.

use super::common::Common;
use super::family::{Architecture, Family};
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, Input, NormNames, layer};
use crate::error::ModelError;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, MlpSpec, NormKind, NormSpec, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Command",
    gguf: None,
    architectures: &[Architecture::new("cohere2", "Command R7B, Command A", spec)],
};

/// The feed-forward part reads the same input as attention.
const NORMS: NormNames = NormNames {
    attention_in: Input::Norm("input_layernorm"),
    attention_out: None,
    mlp_in: Input::Previous,
    mlp_out: None,
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let norm = NormSpec {
        kind: NormKind::Layer { bias: config.flag("layer_norm_bias")?.unwrap_or(false) },
        eps: config.optional_positive("layer_norm_eps")?.unwrap_or(1e-5) as f32,
    };
    let common = Common {
        mlp: MlpSpec::gated(config.size("intermediate_size", limit::WIDTH)?),
        hidden: config.size("hidden_size", limit::WIDTH)?,
        layers: config.size("num_hidden_layers", limit::LAYERS)?,
        vocab_size: config.size("vocab_size", limit::VOCAB)?,
        max_positions: config
            .optional_size("max_position_embeddings", limit::POSITIONS)?
            .unwrap_or(131_072),
        norm,
        tied: Some(true),
    };
    let mut rope = rope_spec(config, sizes.head_dim, 50_000.0)?;
    rope.interleaved = true;
    let window = config.optional_size("sliding_window", limit::POSITIONS)?.unwrap_or(4096);
    let pattern = config.optional_size("sliding_window_pattern", limit::LAYERS)?.unwrap_or(4);
    let layers = (1..=common.layers).map(|number| {
        let attention = if number.is_multiple_of(pattern) {
            GroupedSpec { rope: None, ..attention }
        } else {
            GroupedSpec { window: Some(window), ..attention }
        };
        layer(attention, common.mlp, NORMS)
    });
    let layers = layers.collect();
    let logit_scale = Some(config.optional_positive("logit_scale")?.unwrap_or(0.0625) as f32);
    Ok(DecoderSpec { logit_scale, ..common.decoder(vec![rope], layers) })
}
