//! Command R7B and its kin (Cohere, 2024, arXiv:2504.00698): attention and feed-forward side by
//! side, windows with rotary positions in three of four layers, no positions in the fourth.

use super::{Architecture, Family};
use crate::ModelError;
use crate::config::{Config, limit};
use crate::decoder::{DecoderSpec, NormNames};
use crate::parts::{AttentionSizes, Biases, GroupedSpec, MlpSpec, NormKind, NormSpec, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Command",
    architectures: &[Architecture::new("cohere2", "Command R7B, Command A", spec)],
};

const NAMES: NormNames = NormNames { mlp_in: None, ..NormNames::PRE };

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let norm = NormSpec {
        kind: NormKind::Layer { bias: config.flag("layer_norm_bias")?.unwrap_or(false) },
        eps: config.optional_positive("layer_norm_eps")?.unwrap_or(1e-5) as f32,
    };
    let mlp = MlpSpec::gated(config.size("intermediate_size", limit::WIDTH)?);
    let layers = config.size("num_hidden_layers", limit::LAYERS)?;
    let mut rope = rope_spec(config, sizes.head_dim, 50_000.0)?;
    rope.interleaved = true;
    let vocab_size = config.size("vocab_size", limit::VOCAB)?;
    let max_positions =
        config.optional_size("max_position_embeddings", limit::POSITIONS)?.unwrap_or(131_072);
    let sizes = (vocab_size, max_positions);
    let mut spec = DecoderSpec::plain(attention, (norm, mlp), layers, rope, sizes);
    let window = config.optional_size("sliding_window", limit::POSITIONS)?.unwrap_or(4096);
    let pattern = config.optional_size("sliding_window_pattern", limit::LAYERS)?.unwrap_or(4);
    for (index, layer) in spec.layers.iter_mut().enumerate() {
        if (index + 1).is_multiple_of(pattern) {
            layer.rope = None;
        } else {
            layer.window = Some(window);
        }
    }
    let logit_scale = Some(config.optional_positive("logit_scale")?.unwrap_or(0.0625) as f32);
    Ok(DecoderSpec { tied: Some(true), parallel: true, names: NAMES, logit_scale, ..spec })
}
