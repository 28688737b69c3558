//! Llama (Touvron et al., 2023, arXiv:2302.13971; Llama 3, 2024, arXiv:2407.21783), and Mistral
//! (Jiang et al., 2023, arXiv:2310.06825), which adds a sliding window.

use super::{Architecture, Common, Family};
use crate::ModelError;
use crate::config::Config;
use crate::decoder::DecoderSpec;
use crate::parts::{AttentionSizes, Biases, GroupedSpec, layer_windows, rope_spec};

pub(super) const FAMILY: Family = Family {
    name: "Llama",
    architectures: &[
        Architecture::new("llama", "Llama 1 to 3.3, SmolLM2, DeepSeek-Coder, Yi", spec),
        Architecture::new("mistral", "Mistral 7B, Mistral Nemo, Codestral, Devstral", spec),
    ],
};

pub(super) fn spec(config: &Config<'_>) -> Result<DecoderSpec, ModelError> {
    config.require("hidden_act", "silu")?;
    let Common { layers, vocab_size, max_positions, norm, mlp, tied } =
        Common::from_config(config, 2048)?;
    // A Llama has no window unless its layers name one; a Mistral has one by the number alone.
    let first_windowed = if config.text("model_type")? == Some("mistral") { 0 } else { layers };
    let windows = layer_windows(config, layers, first_windowed)?;
    let sizes = AttentionSizes::from_config(config)?;
    let bias = config.flag("attention_bias")?.unwrap_or(false);
    let attention = GroupedSpec { biases: Biases::all(bias), ..GroupedSpec::plain(sizes) };
    let rope = rope_spec(config, sizes.head_dim, 10_000.0)?;
    let sizes = (vocab_size, max_positions);
    let spec = DecoderSpec::plain(attention, (norm, mlp), layers, rope, sizes);
    Ok(DecoderSpec { tied, ..spec.with_windows(&windows) })
}
