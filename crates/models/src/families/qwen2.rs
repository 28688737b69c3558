//! Qwen2 and Qwen2.5 (Yang et al., 2024, arXiv:2407.10671, arXiv:2412.15115): Llama with biases on
//! queries, keys and values, and optionally a window in the upper layers.

use super::{Architecture, Common, Family};
use crate::ModelError;
use crate::config::{Config, limit};
use crate::decoder::DecoderSpec;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, layer_windows, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Qwen2",
    architectures: &[Architecture::new("qwen2", "Qwen2, Qwen2.5, Qwen2.5-Coder, QwQ", spec)],
};

fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let Common { layers, vocab_size, max_positions, norm, mlp, tied } =
        Common::from_config(config, 32_768)?;
    let windows = windows(config, layers)?;
    let sizes = AttentionSizes::from_config(config)?;
    let attention =
        GroupedSpec { biases: Biases { qkv: true, output: false }, ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 1_000_000.0)?;
    let sizes = (vocab_size, max_positions);
    let spec = DecoderSpec::plain(attention, (norm, mlp), layers, rope, sizes);
    Ok(DecoderSpec { tied, ..spec.with_windows(&windows) })
}

/// A window, where it is switched on, begins at layer `max_window_layers`.
pub(super) fn windows(
    config: &Config<'_>,
    layers: usize,
) -> Result<Vec<Option<usize>>, ModelError> {
    let first_windowed = match config.flag("use_sliding_window")? {
        Some(true) => config.count_or("max_window_layers", 28, limit::LAYERS)?,
        _ => layers,
    };
    layer_windows(config, layers, first_windowed)
}
